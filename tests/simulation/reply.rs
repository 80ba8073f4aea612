//! What the provider does with requests, and what its answers ask of the daemon.

use sterna::http2::ErrorCode;

use crate::coverage::Kind;
use crate::dice::Dice;
use crate::ledger::Ledger;

/// What an answer asks of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// It was taken.
    Taken,
    /// It never will be.
    Final,
    /// Later.
    Backoff,
    /// At once, and it counts.
    Now,
    /// At once on another connection, and it does not count.
    Elsewhere,
    /// At once, but once; then the lane is held.
    Once,
    /// The same, on another connection and at no cost.
    OnceElsewhere,
    /// The lane is held; it says nothing of the push.
    Held,
}

/// An answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) reason: &'static str,
    pub(crate) class: Class,
    pub(crate) retry_after: Option<u64>,
    /// Its content is not as long as it says.
    pub(crate) broken: bool,
}

impl Reply {
    const fn new(status: u16, reason: &'static str, class: Class) -> Self {
        Self {
            status,
            reason,
            class,
            retry_after: None,
            broken: false,
        }
    }

    pub(crate) fn content(self) -> Vec<u8> {
        match self.class {
            _ if self.broken => b"{}".to_vec(),
            Class::Taken => Vec::new(),
            _ => format!("{{\"reason\":\"{}\"}}", self.reason).into_bytes(),
        }
    }

    pub(crate) fn count(self, ledger: &mut Ledger) {
        let kind = match self.class {
            _ if self.broken => Some(Kind::BrokenAnswer),
            Class::Taken => None,
            Class::Final => Some(Kind::FinalRefusal),
            Class::Backoff | Class::Now => Some(Kind::RetriedRefusal),
            Class::Elsewhere => Some(Kind::Elsewhere),
            Class::Once | Class::OnceElsewhere => Some(Kind::Once),
            Class::Held => Some(Kind::Held),
        };
        let retry_after = self.retry_after.map(|_| Kind::RetryAfter);
        for kind in [kind, retry_after].into_iter().flatten() {
            ledger.coverage.count(kind);
        }
    }
}

pub(crate) const TAKEN: Reply = Reply::new(200, "", Class::Taken);

/// What is done with a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plan {
    Answer(Reply),
    /// Taken now, answered when the daemon has given up.
    Late,
    /// Never answered; taken or not.
    Never(bool),
    Reset(ErrorCode),
}

/// So troubled a provider refuses nearly every stream.
pub(crate) const ALWAYS_REFUSING: u64 = 301;

pub(crate) fn draw(troubled: u64, dice: &mut Dice) -> Plan {
    if troubled == ALWAYS_REFUSING && dice.chance(950) {
        return Plan::Reset(ErrorCode::REFUSED_STREAM);
    }
    if !dice.chance(troubled) {
        return Plan::Answer(TAKEN);
    }
    match dice.between(0, 13) {
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
            ..Reply::new(500, "InternalServerError", Class::Backoff)
        }),
        7 | 8 => Plan::Answer(dice.one_of(REFUSALS)),
        _ => {
            let mut reply = dice.one_of(RETRIED);
            if reply.class == Class::Backoff && dice.chance(300) {
                reply.retry_after = Some(dice.one_of(&[0, 1, 30, 120, 1_000_000]));
            }
            Plan::Answer(reply)
        }
    }
}

/// A provider of which every second answer is a 503.
pub(crate) fn half_unavailable(dice: &mut Dice) -> Plan {
    Plan::Answer(dice.one_of(&[TAKEN, Reply::new(503, "ServiceUnavailable", Class::Backoff)]))
}

const REFUSALS: &[Reply] = &[
    Reply::new(400, "BadDeviceToken", Class::Final),
    Reply::new(400, "DeviceTokenNotForTopic", Class::Final),
    Reply::new(400, "TopicDisallowed", Class::Held),
    Reply::new(400, "SomethingNew", Class::Final),
    Reply::new(403, "InvalidProviderToken", Class::OnceElsewhere),
    Reply::new(404, "BadPath", Class::Final),
    Reply::new(410, "Unregistered", Class::Final),
    Reply::new(413, "PayloadTooLarge", Class::Final),
    Reply::new(418, "", Class::Final),
];

const RETRIED: &[Reply] = &[
    Reply::new(429, "TooManyRequests", Class::Backoff),
    Reply::new(429, "TooManyProviderTokenUpdates", Class::Backoff),
    Reply::new(500, "InternalServerError", Class::Backoff),
    Reply::new(502, "", Class::Backoff),
    Reply::new(503, "ServiceUnavailable", Class::Backoff),
    Reply::new(503, "Shutdown", Class::Elsewhere),
    Reply::new(400, "IdleTimeout", Class::Elsewhere),
    Reply::new(403, "ExpiredProviderToken", Class::Once),
    Reply::new(403, "UnrelatedKeyIdInToken", Class::Now),
];
