//! What APNs and FCM want to be sent, and what their answers mean.
//!
//! Pure: no I/O, no clock, no lock. [`apns`] and [`fcm`] build payloads and request fields, check
//! device tokens, and hold one table each of every refusal that the provider documents. A refusal
//! is data, an [`Answer`]; when a push is tried again is the delivery policy's business, which
//! class of wait it deserves is said here.

pub mod apns;
pub mod fcm;
#[cfg(test)]
pub(crate) mod fixture;
mod retry_after;
mod said;
mod seam;
mod shared;
mod value_schema;

use std::borrow::Cow;
use std::time::Duration;

use crate::moment::{Moment, http_date};
use crate::push::{Accepted, DeviceTokens, LaneId, Note, Notification, Parcel, Provider, PushId};

pub use retry_after::RETRY_AFTER_MAX;
pub use seam::{
    Addressing, AndroidStyle, Built, Draft, Fault, KINDS_MAX, NameAndValue, OWN_FIELDS_MAX,
    OwnField, Pings, SharedFields, Site, Targets, Unused, Vendor,
};
pub use shared::{SEND_AT_MAX, send_at};
pub use value_schema::{SchemaMember, ValueSchema};

/// Longest answer body that is looked into, in bytes; a longer one counts as unreadable.
///
/// APNs sends about 100, FCM about 1000.
pub const ANSWER_BODY_MAX: usize = 64 * 1024;

/// Largest key or service-account file that is looked into, in bytes: Apple's have about 260,
/// Google's about 2400.
pub const KEY_FILE_MAX: usize = 64 * 1024;

/// Longest provider's word that is kept, in characters; the longest documented one has 35.
pub const REASON_MAX: usize = 64;

/// Longest name of a message that is kept, in characters; a longer one counts as none. FCM's have
/// about 75.
pub const MESSAGE_NAME_MAX: usize = 256;

/// Longest text of a provider that is quoted in a log line, in characters.
pub const QUOTE_MAX: usize = 256;

/// The parts of a response's head that matter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerHead<'a> {
    /// `:status`.
    pub status: u16,
    /// `apns-id`, which APNs echoes.
    pub apns_id: Option<&'a [u8]>,
    /// `apns-unique-id`, by which Apple's console finds a push: the development environment's only.
    pub apns_unique_id: Option<&'a [u8]>,
    /// `retry-after`.
    pub retry_after: Option<&'a [u8]>,
    /// `date`: a `retry-after` that is a date too counts from it, whatever our own clock says.
    pub date: Option<&'a [u8]>,
}

/// What a provider said about one push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The provider's word, at most [`REASON_MAX`] characters; empty on success or if it gave none.
    pub reason: Cow<'static, str>,
    /// The sentence for the push log; empty on success.
    pub error: String,
    /// What it means for the push.
    pub verdict: Verdict,
    /// What it means for the lane that the push came from.
    pub lane: LaneEffect,
    /// What it means for the device token.
    pub token: TokenEffect,
    /// What it points to if most answers are the same.
    pub token_alarm: Option<&'static TokenAlarm>,
    /// See [`Row::proves`].
    pub proves: bool,
    /// See [`field@Row::of_topic`].
    pub of_topic: bool,
    /// Whether it is said of another topic than the configured one: it is its push's then, whatever
    /// it would mean for the lane otherwise.
    pub of_other_topic: bool,
    /// The `apns-id` that came with it.
    pub apns_id: Option<Box<str>>,
    /// The `apns-unique-id` that came with it.
    pub apns_unique_id: Option<Box<str>>,
    /// The name of the message that was taken, of visible ASCII and at most [`MESSAGE_NAME_MAX`]
    /// (FCM 200).
    pub message_name: Option<Box<str>>,
    /// Since when the device token is dead, in milliseconds since the Unix epoch (APNs 410).
    pub gone_since_ms: Option<u64>,
    /// How long the provider asks us to wait, at most [`RETRY_AFTER_MAX`].
    pub retry_after: Option<Duration>,
    /// The time by the provider's clock, in seconds since the Unix epoch, if it may be about that:
    /// it refused the credential.
    pub date: Option<u64>,
}

/// What an answer means for its push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The provider took it.
    Succeeded,
    /// It will never take this push.
    Refused,
    /// It may take it later, or elsewhere.
    Retry(Again),
    /// The credential, topic or project is not accepted. If others are refused so too, no push of
    /// this lane will be taken until that is mended, and the answer says nothing of the push.
    Stopped,
}

/// How a push is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "four independent flags of a table, never arguments"
)]
pub struct Again {
    /// How long to wait. A `retry-after` in the answer is the least.
    pub wait: Wait,
    /// Whether the connection is no longer any use: drain it and open another.
    pub close_connection: bool,
    /// Whether the auth token or access token that was used has to be given up first.
    pub new_credential: bool,
    /// Whether the attempt counts against `retry_max`.
    pub counts: bool,
    /// Whether the same answer to a second attempt of this push means [`Verdict::Stopped`].
    pub once: bool,
}

/// The class of wait before the next attempt; the delivery policy knows the times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// None.
    Now,
    /// The provider's exponential back-off, from about ten seconds.
    Backoff,
    /// For a quota to fill again: a minute at least, then exponential.
    Quota,
}

/// What an answer means for the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneEffect {
    /// Nothing.
    None,
    /// It takes none for now: a `retry-after` holds for every push's retry, and for all pushes if
    /// most answers are such.
    Slow,
    /// Pushes go on, but an operator has to look.
    Alarm,
    /// Nothing more is sent until another push has shown whether it is about this one, or about the
    /// credential, the topic or the project: then no push will be taken until that is mended. The
    /// topic is the configured one as it stands: what any other meets is its push's, see
    /// [`Vendor::about`].
    Stop,
}

/// What a reason comes from and what to do about it, in plain words for an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// The provider's word, as in [`Row::reason`].
    pub reason: &'static str,
    /// Why a provider says so.
    pub cause: &'static str,
    /// What a person can do.
    pub cure: &'static str,
}

impl Advice {
    /// A line of a table of advice.
    pub(crate) const fn new(reason: &'static str, cause: &'static str, cure: &'static str) -> Self {
        Self {
            reason,
            cause,
            cure,
        }
    }
}

/// Advice on the keys of `[ios]` or `[android]`, as it holds for a lane: those of another app stand
/// in its own section.
pub fn told_of(lane: LaneId, text: &'static str) -> Cow<'static, str> {
    let (app, section) = (lane.app(), lane.platform());
    if app.is_empty() {
        return text.into();
    }
    let is_key = |word: &str| {
        let rest = word.strip_prefix(section);
        rest.is_some_and(|rest| rest.starts_with('.'))
    };
    let words = text.split(' ').map(|word| {
        let before = if is_key(word) {
            format!("apps.{app}.")
        } else {
            String::new()
        };
        before + word
    });
    words.collect::<Vec<_>>().join(" ").into()
}

/// What it points to if one refusal of device tokens is said to most of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenAlarm {
    /// The provider's word, and what it comes of then, and what to do.
    pub advice: Advice,
    /// Up to so many of a hundred answers it is no cause for alarm.
    pub usual: usize,
}

impl TokenAlarm {
    /// That of a refusal which no good device token meets where all is set up well.
    const fn of_setup(reason: &'static str, cause: &'static str, cure: &'static str) -> Self {
        Self {
            advice: Advice::new(reason, cause, cure),
            usual: 50,
        }
    }

    /// That of dead device tokens, which any app has.
    const fn of_dead(reason: &'static str, cause: &'static str, cure: &'static str) -> Self {
        Self {
            advice: Advice::new(reason, cause, cure),
            usual: 90,
        }
    }
}

/// What an answer means for the device token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenEffect {
    /// Nothing.
    Keep,
    /// It is refused, but our configuration may be at fault (environment, topic, project).
    Suspect,
    /// It is dead, unless the app registered it anew since [`Answer::gone_since_ms`].
    Dead,
}

impl TokenEffect {
    /// Its word in the push log; none for nothing.
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Self::Keep => None,
            Self::Suspect => Some("suspect"),
            Self::Dead => Some("dead"),
        }
    }
}

/// What a past line of a push log says of its device token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastWord {
    /// The provider's word for it.
    pub reason: &'static str,
    /// What that means for the device token: [`TokenEffect::Suspect`] or [`TokenEffect::Dead`].
    pub token: TokenEffect,
    /// Since when the device token is dead, in milliseconds since the Unix epoch, if the line says.
    pub gone_since_ms: Option<u64>,
}

/// One line of a provider's answer table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The HTTP status that the provider documents for it; 0 stands for any.
    pub status: u16,
    /// The provider's word; empty for an answer without a known word.
    pub reason: &'static str,
    /// What it means for the push.
    pub verdict: Verdict,
    /// What it means for the lane.
    pub lane: LaneEffect,
    /// What it means for the device token.
    pub token: TokenEffect,
    /// Whether it is said only to a credential that is taken: the provider has looked up the
    /// device token. What is said of a request's form, or of an overload, may come before that; so
    /// may what is said of a token that our configuration may be at fault for.
    pub proves: bool,
    /// Whether it is about the topic: the configured one, for which the lane is held, or that of
    /// its push alone, see [`Vendor::about`].
    pub of_topic: bool,
    /// What happened, in English, as the push log tells it.
    pub meaning: &'static str,
}

impl Answer {
    /// The answer to a push that was taken.
    fn succeeded() -> Self {
        Self {
            status: 200,
            reason: Cow::Borrowed(""),
            error: String::new(),
            verdict: Verdict::Succeeded,
            lane: LaneEffect::None,
            token: TokenEffect::Keep,
            token_alarm: None,
            proves: true,
            of_topic: false,
            of_other_topic: false,
            apns_id: None,
            apns_unique_id: None,
            message_name: None,
            gone_since_ms: None,
            retry_after: None,
            date: None,
        }
    }
}

impl Answer {
    /// The same answer to a push that went to no device token: it says nothing of one.
    fn of_no_token(self) -> Self {
        Self {
            token: TokenEffect::Keep,
            token_alarm: None,
            ..self
        }
    }

    /// The same answer if its body has not come, in which the provider's word stands: `why` says
    /// what became of it. What a status alone says of a quota or of trouble at the provider holds;
    /// any other refusal is asked for again, since nobody knows whom it is about.
    pub(crate) fn without_its_reason(mut self, why: &str) -> Self {
        if self.verdict == Verdict::Succeeded {
            return self;
        }
        if self.status != 429 && self.status < 500 {
            self.verdict = Verdict::Retry(Again::BACKOFF);
            self.lane = LaneEffect::None;
            self.token = TokenEffect::Keep;
            self.token_alarm = None;
        }
        self.proves = false;
        self.error = format!(
            "answered {}, and the reason did not come: {why}",
            self.status
        );
        self
    }
}

impl Again {
    /// After the provider's back-off, counted.
    pub const BACKOFF: Self = Self {
        wait: Wait::Backoff,
        close_connection: false,
        new_credential: false,
        counts: true,
        once: false,
    };

    /// At once, on another connection, not counted: the push was not looked at.
    pub const ELSEWHERE: Self = Self {
        wait: Wait::Now,
        close_connection: true,
        counts: false,
        ..Self::BACKOFF
    };

    /// When the quota may have filled again.
    pub const QUOTA: Self = Self {
        wait: Wait::Quota,
        ..Self::BACKOFF
    };
}

impl Row {
    /// A refusal that concerns this push only.
    const fn refused(status: u16, reason: &'static str, meaning: &'static str) -> Self {
        Self {
            status,
            reason,
            verdict: Verdict::Refused,
            lane: LaneEffect::None,
            token: TokenEffect::Keep,
            proves: false,
            of_topic: false,
            meaning,
        }
    }

    /// A refusal that says something about the device token.
    const fn token(
        status: u16,
        reason: &'static str,
        token: TokenEffect,
        meaning: &'static str,
    ) -> Self {
        Self {
            token,
            proves: matches!(token, TokenEffect::Dead),
            ..Self::refused(status, reason, meaning)
        }
    }

    /// A push that may be tried again.
    const fn retry(status: u16, reason: &'static str, again: Again, meaning: &'static str) -> Self {
        Self {
            verdict: Verdict::Retry(again),
            ..Self::refused(status, reason, meaning)
        }
    }

    /// What it points to if most answers are this: also of a refusal that is not about the device
    /// token, where the provider has one word for both.
    pub fn token_alarm(&self) -> Option<&'static TokenAlarm> {
        token_alarm(self.reason)
    }

    /// The time by the provider's clock, if this row is about the credential.
    fn date(&self, head: AnswerHead<'_>) -> Option<u64> {
        let is_of_credential = match self.verdict {
            Verdict::Stopped => true,
            Verdict::Retry(again) => again.once,
            Verdict::Succeeded | Verdict::Refused => false,
        };
        let date = head.date.filter(|_| is_of_credential)?;
        http_date(std::str::from_utf8(date).ok()?)
    }

    /// The same refusal, which is about the topic.
    const fn of_topic(self) -> Self {
        Self {
            of_topic: true,
            ..self
        }
    }

    /// A refusal of the credential or the configuration.
    const fn stopped(status: u16, reason: &'static str, meaning: &'static str) -> Self {
        Self {
            verdict: Verdict::Stopped,
            lane: LaneEffect::Stop,
            ..Self::refused(status, reason, meaning)
        }
    }
}

/// What it points to if most answers are this word of a provider's, if it may be about tokens.
pub fn token_alarm(reason: &str) -> Option<&'static TokenAlarm> {
    let mut all = apns::TOKEN_ALARMS.iter().chain(fcm::TOKEN_ALARMS);
    all.find(|alarm| alarm.advice.reason == reason)
}

/// Who has broadcast channels.
pub const CHANNELS_OF: Provider = Provider::Apns;

/// What that provider asks, answers and wants.
pub fn of(provider: Provider) -> &'static dyn Vendor {
    match provider {
        Provider::Apns => &apns::Apns,
        Provider::Fcm => &fcm::Fcm,
    }
}

/// Says why a word is no push type that callers may ask for, if so: to both providers, since one
/// notification may go to either.
pub fn check_push_type(word: &str) -> Result<(), Fault> {
    apns::check_push_type(word)
}

/// A notification that is accepted at that time, as it was built, for these device tokens.
pub fn accept(
    notification: &Notification,
    built: &Built,
    tokens: impl Into<DeviceTokens>,
    first_id: PushId,
    at: Moment,
) -> Accepted {
    Accepted {
        envelope: built.envelope,
        parcel: Parcel::new(&built.content, &Note::of(notification), &tokens.into()),
        first_id,
        at,
    }
}

/// Whether the words of a GOAWAY complain of our PINGs: those of gRPC's servers, Google's among
/// them.
pub fn complains_of_pings(said: &[u8]) -> bool {
    String::from_utf8_lossy(said).contains(TOO_MANY_PINGS)
}

/// What gRPC's servers say to one who asks too often whether they live.
const TOO_MANY_PINGS: &str = "too_many_pings";

/// Whole seconds, a begun one among them: so long a push lives that has some time left.
pub fn begun_seconds(time: Duration) -> u64 {
    let is_begun = time.subsec_nanos() > 0;
    time.as_secs().saturating_add(is_begun.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::{LaneId, Lifetime};

    #[test]
    fn what_may_be_said_to_most_device_tokens_has_its_likely_cause_and_no_other_word_has() {
        for (rows, table) in [
            (apns::ROWS, apns::TOKEN_ALARMS),
            (fcm::ROWS, fcm::TOKEN_ALARMS),
        ] {
            let about_tokens = rows.iter().filter(|row| row.token != TokenEffect::Keep);
            let about_tokens: Vec<&str> = about_tokens.map(|row| row.reason).collect();
            let in_table: Vec<&str> = table.iter().map(|alarm| alarm.advice.reason).collect();
            assert_eq!(in_table, about_tokens);
            for Advice { cause, cure, .. } in table.iter().map(|alarm| alarm.advice) {
                assert!(![cause, cure].concat().contains("  "), "{cause} {cure}");
            }
            for row in rows {
                let is_dead = row.token == TokenEffect::Dead;
                let usual = row.token_alarm().map(|alarm| alarm.usual);
                let expected = match row.token {
                    TokenEffect::Keep => None,
                    _ => Some(if is_dead { 90 } else { 50 }),
                };
                assert_eq!(usual, expected, "{}", row.reason);
            }
        }
        // A message that Google does not take has the same word.
        let mut refined = fcm::refinements().into_iter().map(|(_, row)| row);
        assert!(refined.any(|row| row.token == TokenEffect::Keep && row.token_alarm().is_some()));
    }

    #[test]
    fn a_lifetime_is_the_platforms_own_field() {
        let check = |lane, expiry, time_to_live, expected| {
            let mut notification = Notification {
                expiry,
                time_to_live,
                ..fixture::notification(lane, "m")
            };
            let built = fixture::built(&mut notification, fixture::start());
            assert_eq!(built.envelope.lifetime, expected);
        };
        check(LaneId::IOS, 10, 20, Lifetime::secs(10));
        check(LaneId::ANDROID, 10, 20, Lifetime::secs(20));
        check(LaneId::IOS, 0, 20, Lifetime::Unsaid);
        check(LaneId::IOS, -1, 20, Lifetime::Unsaid);
        check(LaneId::ANDROID, 10, 0, Lifetime::Unsaid);
    }
}
