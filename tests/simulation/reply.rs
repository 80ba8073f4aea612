//! What the provider does with requests, and what its answers ask of the daemon.

mod table;

use std::time::Duration;

use sterna::http2::ErrorCode;
use sterna::push::{Envelope, TargetKind};

use crate::coverage::Kind;
use crate::dice::Dice;
use crate::ledger::Ledger;
use crate::net::Ending;
pub(crate) use table::{
    APNS_STOPPING, EXPIRED_ACCESS_TOKEN, EXPIRED_AUTH_TOKEN, FCM_STOPPING, INVALID_AUTH_TOKEN,
    NOT_PERMITTED, TOO_MANY_UPDATES,
};

/// Least wait after an answer of FCM that asks for a back-off.
const FCM_BACKOFF: Duration = Duration::from_secs(10);
/// Least wait after a quota that is used up.
const QUOTA: Duration = Duration::from_secs(60);
/// No longer wait is believed.
const LONGEST: u64 = 3600;

/// What an answer asks of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// It was taken.
    Taken,
    /// It never will be.
    Final,
    /// Later.
    Backoff,
    /// When a quota has filled again.
    Quota,
    /// At once, and it counts.
    Now,
    /// At once on another connection, and it does not count.
    Elsewhere,
    /// At once, but once; then the lane is held.
    Once,
    /// The same, on another connection and at no cost.
    OnceElsewhere,
    /// At once, but once, at no cost; then it never will be.
    OnceThenFinal,
    /// The lane is held; it says nothing of the push.
    Held,
}

/// What an answer's content looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    None,
    /// As of APNs.
    Reason,
    FcmError,
    ErrorInfo,
    /// `FcmError`, and that it is about a device.
    DeviceQuota,
    /// `FcmError`, and that it is about a topic.
    TopicQuota,
    /// A status of Google's and no details.
    Status,
    /// HTML.
    Page,
}

/// What APNs says of devices.
const APNS_OF_DEVICES: &[&str] = &["ExpiredToken", "TooManyRequests", "Unregistered"];
/// What FCM says of registrations, and of keys that belong to them.
const FCM_OF_DEVICES: &[&str] = &["THIRD_PARTY_AUTH_ERROR", "UNREGISTERED"];

/// What a `retry-after` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RetryAfter {
    Secs(u64),
    /// The time that is so many seconds after the answer's own.
    Date(u64),
    Unreadable,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) reason: &'static str,
    pub(crate) class: Class,
    body: Body,
    pub(crate) retry_after: Option<RetryAfter>,
    /// A `retry-after` in it holds for the lane.
    pub(crate) slows: bool,
    /// Its content is not as long as it says, or has not come.
    pub(crate) broken: bool,
    /// It is about another topic than the configured one.
    pub(crate) of_other_topic: bool,
}

impl Reply {
    const fn new(status: u16, reason: &'static str, class: Class, body: Body) -> Self {
        Self {
            status,
            reason,
            class,
            body,
            retry_after: None,
            slows: false,
            broken: false,
            of_other_topic: false,
        }
    }

    pub(crate) fn content(self) -> Vec<u8> {
        const KIND: &str = r#""@type":"type.googleapis.com/google"#;
        let reason = self.reason;
        let details = match self.body {
            _ if self.broken => return b"{}".to_vec(),
            Body::None => return Vec::new(),
            Body::Reason => return format!(r#"{{"reason":"{reason}"}}"#).into_bytes(),
            Body::Page => return b"<html>Error</html>".to_vec(),
            Body::Status => {
                let status = self.status;
                return format!(r#"{{"error":{{"code":{status},"status":"{reason}"}}}}"#)
                    .into_bytes();
            }
            Body::ErrorInfo => format!(r#"{{{KIND}.rpc.ErrorInfo","reason":"{reason}"}}"#),
            Body::FcmError | Body::DeviceQuota | Body::TopicQuota => {
                format!(r#"{{{KIND}.firebase.fcm.v1.FcmError","errorCode":"{reason}"}}"#)
            }
        };
        let subject = match self.body {
            Body::DeviceQuota => "device:1",
            Body::TopicQuota => "topic:news",
            _ => "",
        };
        let quota = if subject.is_empty() {
            String::new()
        } else {
            format!(r#",{{{KIND}.rpc.QuotaFailure","violations":[{{"subject":"{subject}"}}]}}"#)
        };
        format!(r#"{{"error":{{"message":"m","details":[{details}{quota}]}}}}"#).into_bytes()
    }

    /// What it is to a push of the configured topic as it stands, or of another.
    pub(crate) fn to(self, envelope: &Envelope) -> Self {
        let class = if !envelope.has_bare_topic() && self.is_of_topic() {
            Class::Final
        } else if envelope.has_own_topic && self.reason == INVALID_AUTH_TOKEN.reason {
            Class::OnceThenFinal
        } else {
            return self;
        };
        Self {
            class,
            of_other_topic: true,
            ..self
        }
    }

    /// What it is to a push of another topic where nothing says that the credential is good.
    pub(crate) fn of_doubtful_credential(self) -> Self {
        if self.class != Class::OnceThenFinal || !self.of_other_topic {
            return self;
        }
        Self {
            class: INVALID_AUTH_TOKEN.class,
            of_other_topic: false,
            ..self
        }
    }

    /// Whether it is about the topic.
    pub(crate) fn is_of_topic(self) -> bool {
        ["BadTopic", "MissingTopic", "TopicDisallowed"].contains(&self.reason)
    }

    /// What it is to one who has got its head alone: a push that was taken was taken, and whom a
    /// refusal is about is not known.
    pub(crate) fn by_its_head(self, of_fcm: bool) -> Self {
        if self.class == Class::Taken {
            return self;
        }
        let (class, slows) = match self.status {
            429 if of_fcm => (Class::Quota, true),
            500.. => (Class::Backoff, of_fcm),
            _ => (Class::Backoff, false),
        };
        let body = if of_fcm { Body::Page } else { Body::Reason };
        Self {
            retry_after: self.retry_after,
            slows,
            broken: true,
            ..Self::new(self.status, "", class, body)
        }
    }

    /// Whether the connection that it came on is to be closed.
    pub(crate) fn closes(self) -> bool {
        let by_class = matches!(
            self.class,
            Class::Now | Class::Elsewhere | Class::Once | Class::OnceElsewhere | Class::Held
        );
        by_class || self.reason == TOO_MANY_UPDATES.reason
    }

    /// Whether it is said only to a credential that is taken: of a device that is known.
    pub(crate) fn proves(self) -> bool {
        let of_device = match self.body {
            Body::Reason => APNS_OF_DEVICES.contains(&self.reason),
            Body::FcmError => FCM_OF_DEVICES.contains(&self.reason),
            Body::DeviceQuota | Body::TopicQuota => true,
            Body::None | Body::ErrorInfo | Body::Page | Body::Status => false,
        };
        !self.broken && (self.class == Class::Taken || of_device)
    }

    /// What it says of the device token, if its push is to one.
    pub(crate) fn token_is(self, of: &Envelope) -> Option<&'static str> {
        match self.reason {
            _ if !matches!(of.target, TargetKind::DeviceToken | TargetKind::Fid) => None,
            "Unregistered" | "ExpiredToken" | "UNREGISTERED" => Some("dead"),
            "BadDeviceToken"
            | "DeviceTokenNotForTopic"
            | "INVALID_ARGUMENT"
            | "SENDER_ID_MISMATCH" => Some("suspect"),
            _ => None,
        }
    }

    /// Seconds of wait that it asks for.
    pub(crate) fn asked(self) -> Option<u64> {
        match self.retry_after? {
            RetryAfter::Secs(secs) | RetryAfter::Date(secs) => Some(secs.min(LONGEST)),
            RetryAfter::Unreadable => None,
        }
    }

    /// No attempt sooner than so long after it.
    pub(crate) fn least_wait(self) -> Duration {
        let of_fcm = self.body != Body::Reason;
        let documented = match self.class {
            Class::Quota => QUOTA,
            Class::Backoff if of_fcm => FCM_BACKOFF,
            _ => Duration::ZERO,
        };
        self.asked().map_or(documented, Duration::from_secs)
    }

    pub(crate) fn count(self, ledger: &mut Ledger) {
        let of_token = match self.reason {
            "ExpiredProviderToken" => Some(Kind::AuthTokenExpired),
            "InvalidProviderToken" => Some(Kind::AuthTokenInvalid),
            "TooManyProviderTokenUpdates" => Some(Kind::AuthTokenTooSoon),
            _ if self.status == 401 && self.class == Class::Once => Some(Kind::AccessTokenRefused),
            _ => None,
        };
        let kind = match self.class {
            _ if self.broken => Some(Kind::BrokenAnswer),
            Class::Taken => None,
            Class::Final => Some(Kind::FinalRefusal),
            Class::Backoff | Class::Now => Some(Kind::RetriedRefusal),
            Class::Quota if self.slows => Some(Kind::Quota),
            Class::Quota => Some(Kind::DeviceQuota),
            Class::Elsewhere => Some(Kind::Elsewhere),
            Class::Once | Class::OnceElsewhere | Class::OnceThenFinal => Some(Kind::Once),
            Class::Held => Some(Kind::Held),
        };
        let retry_after = self.retry_after.map(|asked| match asked {
            RetryAfter::Secs(1_000_000) => Kind::RetryAfterAbsurd,
            RetryAfter::Secs(_) => Kind::RetryAfter,
            RetryAfter::Date(_) => Kind::RetryAfterDate,
            RetryAfter::Unreadable => Kind::RetryAfterUnreadable,
        });
        let slows = retry_after.filter(|_| self.slows);
        let slows = slows.map(|_| Kind::RetryAfterOfLane);
        for kind in [of_token, kind, retry_after, slows].into_iter().flatten() {
            ledger.coverage.count(kind);
        }
    }
}

pub(crate) const TAKEN: Reply = Reply::new(200, "", Class::Taken, Body::None);

/// What is done with a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plan {
    Answer(Reply),
    /// Taken now, answered when the daemon has given up.
    Late,
    /// An answer that ends behind its head.
    Cut(Reply, Cut),
    /// Never answered; taken or not.
    Never(bool),
    Reset(ErrorCode),
    /// GOAWAY with that code; it has taken note of the request if that is said.
    GoAway(ErrorCode, bool),
    /// The end of the connection.
    Close(Ending),
}

impl Plan {
    /// What it is to a push of the configured topic as it stands, or of another.
    pub(crate) fn to(self, envelope: &Envelope) -> Self {
        match self {
            Self::Answer(reply) => Self::Answer(reply.to(envelope)),
            Self::Cut(reply, cut) => Self::Cut(reply.to(envelope), cut),
            other => other,
        }
    }
}

/// What becomes of an answer behind its head.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Cut {
    Reset(ErrorCode),
    /// Nothing more comes.
    Silence,
    /// More comes than the daemon takes.
    Flood,
}

/// So troubled a provider refuses nearly every stream.
pub(crate) const ALWAYS_REFUSING: u64 = 301;

pub(crate) fn draw(of_fcm: bool, troubled: u64, dice: &mut Dice) -> Plan {
    if troubled == ALWAYS_REFUSING && dice.chance(950) {
        return Plan::Reset(ErrorCode::REFUSED_STREAM);
    }
    if !dice.chance(troubled) {
        return Plan::Answer(TAKEN);
    }
    let (refusals, retried) = if of_fcm {
        (table::FCM_REFUSALS, table::FCM_RETRIED)
    } else {
        (table::APNS_REFUSALS, table::APNS_RETRIED)
    };
    match dice.between(0, 15) {
        0 => Plan::Late,
        1 => Plan::Never(true),
        2 => Plan::Never(false),
        3 | 4 => Plan::Reset(ErrorCode::REFUSED_STREAM),
        5 => Plan::Reset(dice.one_of(&[
            ErrorCode::INTERNAL_ERROR,
            ErrorCode::PROTOCOL_ERROR,
            ErrorCode::CANCEL,
            ErrorCode::NO_ERROR,
        ])),
        6 => Plan::Answer(Reply {
            broken: true,
            ..table::UNAVAILABLE
        }),
        7 | 8 => Plan::Answer(dice.one_of(refusals)),
        14 => Plan::Cut(
            TAKEN,
            dice.one_of(&[
                Cut::Reset(ErrorCode::INTERNAL_ERROR),
                Cut::Reset(ErrorCode::REFUSED_STREAM),
                Cut::Silence,
                Cut::Flood,
            ]),
        ),
        15 => {
            let all = if dice.chance(500) { refusals } else { retried };
            let cut = dice.one_of(&[Cut::Reset(ErrorCode::CANCEL), Cut::Silence]);
            Plan::Cut(dice.one_of(all), cut)
        }
        _ => {
            let mut reply = dice.one_of(retried);
            if reply.body == Body::DeviceQuota && dice.chance(500) {
                reply.body = Body::TopicQuota;
            }
            if matches!(reply.class, Class::Backoff | Class::Quota) && dice.chance(400) {
                let secs = dice.one_of(&[0, 1, 30, 120, 900]);
                reply.retry_after = Some(dice.one_of(&[
                    RetryAfter::Secs(secs),
                    RetryAfter::Secs(secs),
                    RetryAfter::Date(secs),
                    RetryAfter::Secs(1_000_000),
                    RetryAfter::Unreadable,
                ]));
            }
            Plan::Answer(reply)
        }
    }
}

/// A provider of which every second answer is a 503.
pub(crate) fn half_unavailable(dice: &mut Dice) -> Plan {
    Plan::Answer(dice.one_of(&[TAKEN, table::UNAVAILABLE]))
}

/// An APNs to which no device token is good: that of another environment.
pub(crate) fn refused_tokens() -> Plan {
    let is_it = |reply: &&Reply| reply.reason == "BadDeviceToken";
    Plan::Answer(*table::APNS_REFUSALS.iter().find(is_it).unwrap())
}

/// A provider that refuses whatever comes, and asks the lane to wait.
pub(crate) fn used_up(of_fcm: bool, dice: &mut Dice) -> Plan {
    let all = if of_fcm {
        table::FCM_RETRIED
    } else {
        table::APNS_RETRIED
    };
    let slow: Vec<_> = all.iter().copied().filter(|reply| reply.slows).collect();
    Plan::Answer(Reply {
        retry_after: Some(RetryAfter::Secs(dice.one_of(&[1, 30, 30, 120, 900]))),
        ..dice.one_of(&slow)
    })
}

/// One of the answers that are about the credential, or seem so.
pub(crate) fn stopping(of_fcm: bool, dice: &mut Dice) -> Reply {
    let all = if of_fcm { FCM_STOPPING } else { APNS_STOPPING };
    dice.one_of(all)
}

/// What else a request can be followed by that is always the same: what APNs or FCM may take later,
/// with a long wait for all, and what befalls its stream or its connection.
pub(crate) fn poison(of_fcm: bool) -> Vec<Plan> {
    let retried = if of_fcm {
        table::FCM_RETRIED
    } else {
        table::APNS_RETRIED
    };
    let waits = [None, Some(RetryAfter::Secs(900))];
    let answers = retried.iter().flat_map(|reply| {
        waits.map(|retry_after| {
            Plan::Answer(Reply {
                retry_after,
                ..*reply
            })
        })
    });
    let codes = [
        ErrorCode::REFUSED_STREAM,
        ErrorCode::PROTOCOL_ERROR,
        ErrorCode::INTERNAL_ERROR,
    ];
    let resets = codes.map(Plan::Reset);
    let goaways = [
        ErrorCode::NO_ERROR,
        ErrorCode::PROTOCOL_ERROR,
        ErrorCode::ENHANCE_YOUR_CALM,
    ];
    let goaways = goaways
        .iter()
        .flat_map(|code| [true, false].map(|is_known| Plan::GoAway(*code, is_known)));
    let ends = [
        Plan::Close(Ending::Eof),
        Plan::Close(Ending::Reset),
        Plan::Never(false),
    ];
    answers.chain(resets).chain(goaways).chain(ends).collect()
}
