//! The seam behind which Apple and Google differ: what one says of payloads, device tokens,
//! answers and manners, and how its requests are written.

use std::fmt;
use std::io::Write as _;
use std::ops::Range;
use std::time::Duration;

use super::{Advice, Answer, AnswerHead, Row};
use crate::moment::Moment;
use crate::push::{Content, Envelope, Notification, Push};

/// What one provider asks, answers and wants. Pure.
pub trait Vendor: fmt::Debug + Send + Sync {
    /// What messages call the provider.
    fn name(&self) -> &'static str;

    /// Says why a device token cannot be sent to, if so.
    fn check_device_token(&self, token: &str) -> Result<(), &'static str>;

    /// Builds what is sent of a notification, and settles in it what the caller left open; the
    /// error is for the caller. `as_gaurun`: as Gaurun would.
    fn payload(&self, notification: &mut Notification, as_gaurun: bool) -> Result<Content, String>;

    /// What the provider may refuse a notification for that is sent all the same.
    fn doubt(&self, notification: &Notification) -> Option<String>;

    /// The fields of Gaurun's notifications that have no effect.
    fn unused_fields(&self) -> &'static [&'static str];

    /// Whether a notification's `priority` is sent.
    fn has_priority(&self) -> bool;

    /// What delivery has to know of a notification.
    fn envelope(&self, notification: &Notification) -> Envelope;

    /// What callers say the lifetime in.
    fn lifetime_rule(&self) -> &'static str;

    /// Reads an answer.
    fn answer(&self, head: AnswerHead<'_>, body: &[u8], now: Moment) -> Answer;

    /// The row of what a GOAWAY's debug data says, if it has a known reason.
    fn goaway(&self, said: &[u8]) -> Option<&'static Row>;

    /// What a person can do about each reason.
    fn advice(&self) -> &'static [Advice];

    /// The least wait before another attempt after an answer that asks for back-off.
    fn least_backoff(&self) -> Duration;

    /// What is renewed when the provider asks for it.
    fn renewed(&self) -> &'static str;

    /// Whether an answer says that the credential was renewed too soon after the one before.
    fn was_renewed_too_soon(&self, answer: &Answer) -> bool;

    /// Whether an answer to a request that reaches no device shows that all is set up.
    fn passes_trial(&self, answer: &Answer) -> bool;

    /// How often the provider bears to be asked whether a connection lives.
    fn pings(&self) -> Pings;
}

/// When a provider may be sent a PING.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pings {
    /// Silence after which an idle connection is asked; `None` for never.
    pub idle: Option<Duration>,
    /// The least time between two, however many requests time out.
    pub interval: Duration,
}

/// Where a lane's requests go and how they are written. Pure.
pub trait Addressing: fmt::Debug + Send + Sync {
    /// Whose requests they are.
    fn provider(&self) -> &'static dyn Vendor;

    /// The header fields that all requests of a kind share, where [`Draft::kind`] can be that.
    fn shared<'a>(
        &'a self,
        kind: usize,
        authorization: Option<&'a str>,
    ) -> Option<SharedFields<'a>>;

    /// Writes the request of one push.
    fn write(&self, push: &Push, now: Moment, draft: &mut Draft);
}

/// Kinds of requests to one provider that share fields with their like.
pub const KINDS_MAX: usize = 2;

/// Header fields that one request has beside those that it shares.
pub const OWN_FIELDS_MAX: usize = 2;

/// Name and value of a header field.
pub type NameAndValue<'a> = (&'a [u8], &'a [u8]);

/// Header fields that many requests share.
#[derive(Debug, Default)]
pub struct SharedFields<'a> {
    /// Pseudo-header fields.
    pub pseudo: Vec<NameAndValue<'a>>,
    /// Others.
    pub fields: Vec<NameAndValue<'a>>,
}

/// What one request has beside the shared fields; used again for the next.
#[derive(Debug, Default)]
pub struct Draft {
    /// Which kind's fields it has, below [`KINDS_MAX`].
    pub kind: usize,
    /// `:path`; empty where it is shared.
    pub path: Vec<u8>,
    /// The content; empty where it is the notification's as it is.
    pub content: Vec<u8>,
    values: Vec<u8>,
    fields: Vec<(&'static [u8], Range<usize>)>,
}

impl Draft {
    /// Empties it.
    pub fn clear(&mut self) {
        self.kind = 0;
        self.path.clear();
        self.values.clear();
        self.fields.clear();
        self.content.clear();
    }

    /// Adds a header field.
    pub(super) fn add(&mut self, name: &'static [u8], value: &[u8]) {
        let begin = self.values.len();
        self.values.extend_from_slice(value);
        self.fields.push((name, begin..self.values.len()));
    }

    /// Adds a header field whose value is a number.
    pub(super) fn add_number(&mut self, name: &'static [u8], value: u64) {
        let begin = self.values.len();
        // Writing to a vector does not fail.
        let _written = write!(self.values, "{value}");
        self.fields.push((name, begin..self.values.len()));
    }

    /// The header fields, in the order in which they were added.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = NameAndValue<'_>> {
        let value = |at: &Range<usize>| self.values.get(at.clone()).unwrap_or_default();
        self.fields.iter().map(move |(name, at)| (*name, value(at)))
    }
}
