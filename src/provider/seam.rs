//! The seam behind which Apple and Google differ: what one says of payloads, device tokens,
//! answers and manners, and how its requests are written.

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;
use std::ops::Range;
use std::time::Duration;

use super::{Advice, Answer, AnswerHead, PastWord, Row};
use crate::moment::Moment;
use crate::push::{
    Content, Envelope, HEAD_FIELDS_MAX, LaneId, Native, Notification, Push, TargetKind,
};

/// What one provider asks, answers and wants. Pure.
pub trait Vendor: fmt::Debug + Send + Sync {
    /// What messages call the provider.
    fn name(&self) -> &'static str;

    /// Says why a device token cannot be sent to, if so.
    fn check_device_token(&self, token: &str) -> Result<(), &'static str>;

    /// The spelling by which two device tokens are the same one.
    fn folded_token<'a>(&self, token: &'a str) -> Cow<'a, str>;

    /// Says why a text cannot be a target of that kind, if so.
    fn check_target(&self, kind: TargetKind, text: &str) -> Result<(), Cow<'static, str>>;

    /// Builds what is sent of a notification by what its site says, settles in it what the caller
    /// left open, and adds to `unused` what it says in vain. `now` is when it comes: what it says
    /// of times counts from there.
    ///
    /// # Errors
    ///
    /// What the caller has to change.
    fn build(
        &self,
        notification: &mut Notification,
        site: &Site,
        now: Moment,
        unused: &mut Unused,
    ) -> Result<Built, Fault>;

    /// The targets that a notification names in fields of their own, and not as device tokens;
    /// where `as_gaurun`, a field of the other provider's is one that has no effect.
    ///
    /// # Errors
    ///
    /// What the caller has to change.
    fn targets(&self, native: &Native, as_gaurun: bool) -> Result<Option<Targets>, Fault>;

    /// The fields of a notification that say its targets, as a sentence lists them.
    fn target_fields(&self) -> &'static str;

    /// What the provider may refuse a notification for that is sent all the same.
    fn doubt(&self, notification: &Notification) -> Option<String>;

    /// What callers say the lifetime in.
    fn lifetime_rule(&self) -> &'static str;

    /// Reads an answer.
    fn answer(&self, head: AnswerHead<'_>, body: &[u8], now: Moment) -> Answer;

    /// The answer as it concerns a push of that envelope: what is said of something that its caller
    /// gave says nothing of the lane, and no topic is a dead device token.
    fn about(&self, envelope: &Envelope, answer: Answer) -> Answer;

    /// What `reason` and `error` of a failed push's log line say of its device token, where no
    /// `token_is` does: in Gaurun's lines, and in ours of the time before it.
    fn past_word(&self, reason: &str, error: &str) -> Option<PastWord>;

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

    /// Whether a notification of that push type is to have something to show.
    fn needs_message(&self, _push_type: &str, _: &Native) -> bool {
        true
    }

    /// The field in which a notification names the one push that it is to become; none if it may
    /// become many.
    fn names_one_push(&self, _: &Notification, _: &Content) -> Option<&'static str> {
        None
    }

    /// Whether an answer to a request that reaches no device shows that all is set up.
    fn passes_trial(&self, answer: &Answer) -> bool;

    /// How often the provider bears to be asked whether a connection lives.
    fn pings(&self) -> Pings;
}

/// What a configuration says of how notifications are built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Site {
    /// As Gaurun did.
    pub as_gaurun: bool,
    /// What a plain message becomes on Android.
    pub style: AndroidStyle,
    /// Whether no topic is configured, so that only a certificate says which app's pushes they are.
    pub lacks_topic: bool,
}

/// What a plain message becomes on Android.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AndroidStyle {
    /// A notification, which the system shows.
    #[default]
    Notification,
    /// Data, which the app shows: what Gaurun sent.
    Data,
}

/// Targets that a notification names in a field of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Targets {
    /// The field.
    pub field: &'static str,
    /// What they are.
    pub kind: TargetKind,
    /// Each of them.
    pub texts: Vec<Box<str>>,
}

/// What is sent of a notification, and what delivery has to know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// What delivery has to know.
    pub envelope: Envelope,
    /// What the provider is sent.
    pub content: Content,
    /// Whether nothing comes of it on a device: nothing is shown there, and nothing done.
    pub is_idle: bool,
}

impl Built {
    pub(super) fn of(envelope: Envelope, content: Content, is_idle: bool) -> Self {
        Self {
            envelope,
            content,
            is_idle,
        }
    }

    /// Nothing in particular, to that lane.
    pub fn nothing(lane: LaneId) -> Self {
        Self {
            is_idle: false,
            envelope: Envelope::to(lane),
            content: Content::default(),
        }
    }
}

/// Why a notification cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The part of the notification that is wrong, as a JSON pointer (RFC 6901) below it without
    /// the slash in front; empty where it is all of it.
    pub pointer: Cow<'static, str>,
    /// What is wrong, for its caller.
    pub error: String,
}

impl Fault {
    /// What is wrong with no part in particular.
    pub(super) fn of_all(error: String) -> Self {
        Self {
            pointer: Cow::Borrowed(""),
            error,
        }
    }
}

/// What a notification says in vain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unused {
    /// Its fields that have no effect for the provider.
    pub fields: Vec<&'static str>,
    /// What is no field in its objects, as JSON pointers below it without the slash in front: the
    /// first 16.
    pub unknown: Vec<Box<str>>,
    /// How many there are beyond those.
    pub omitted: usize,
}

/// The field that says when a notification is to be sent.
pub(super) const SEND_AT: &str = "send_at";

/// Our limit: names that are no fields which are kept of a notification's objects.
const PARTS_MAX: usize = 16;

impl Unused {
    /// Adds those of these fields of Gaurun's that say something, in their order, which is that of
    /// the answer.
    pub(super) fn note_said(&mut self, notification: &Notification, unused: &[&'static str]) {
        let is_said = |name: &&str| match *name {
            "message" => !notification.message.trim().is_empty(),
            "extend" => !notification.extend.is_empty(),
            "collapse_key" => !notification.collapse_key.is_empty(),
            "priority" => !notification.priority.is_empty(),
            "time_to_live" => notification.time_to_live != 0,
            "title" => !notification.title.is_empty(),
            "subtitle" => !notification.subtitle.is_empty(),
            "badge" => notification.badge.is_some_and(|badge| badge != 0),
            "category" => !notification.category.is_empty(),
            "sound" => !notification.sound.is_empty(),
            "content_available" => notification.content_available,
            "mutable_content" => notification.mutable_content,
            "push_type" => !notification.push_type.is_empty(),
            "expiry" => notification.expiry != 0,
            "delay_while_idle" => notification.delay_while_idle,
            _ => false,
        };
        let unused = unused.iter().copied();
        self.fields.extend(unused.filter(is_said));
    }

    /// Adds the fields that Gaurun did not have and that are of no use. Of when it is to be sent no
    /// provider is told, and all are sent by it.
    pub(super) fn note_native(
        &mut self,
        notification: &Notification,
        is_unused: impl Fn(&str) -> bool,
    ) {
        let native = notification.native.iter().map(|(name, _)| name);
        let native = native.filter(|name| *name != SEND_AT);
        self.fields.extend(native.filter(|name| is_unused(name)));
    }

    /// Adds a part of an object that is no field, or has no effect.
    pub(super) fn note_part(&mut self, pointer: &str) {
        if self.unknown.len() < PARTS_MAX {
            self.unknown.push(pointer.into());
        } else {
            self.omitted = self.omitted.saturating_add(1);
        }
    }
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

    /// Where its requests go and what they are for, in one text: that of two routes whose
    /// credentials alone differ is the same.
    fn aim(&self) -> String;

    /// What an answer may come of that is this lane's own, in a part of a sentence.
    fn hint(&self, _answer: &Answer) -> Option<String> {
        None
    }

    /// Writes the request of one push.
    fn write(&self, push: &Push, now: Moment, draft: &mut Draft);
}

/// Kinds of requests to one provider that share fields with their like.
pub const KINDS_MAX: usize = 3;

/// Header fields that one request has beside those that it shares: its notification's own, and
/// name, expiration, push type, topic and priority.
pub const OWN_FIELDS_MAX: usize = HEAD_FIELDS_MAX + 5;

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
    fields: Vec<DraftField>,
}

/// A field of a [`Draft`], among whose values its value stands.
#[derive(Debug)]
struct DraftField {
    name: DraftName,
    value: Range<usize>,
    repeats: bool,
}

/// The name of a [`DraftField`].
#[derive(Debug)]
enum DraftName {
    Known(&'static [u8]),
    /// It stands before the value.
    At(Range<usize>),
}

/// A header field that one request has of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnField<'a> {
    /// Name and value.
    pub field: NameAndValue<'a>,
    /// Whether requests after it will have the same value for the most part.
    pub repeats: bool,
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
        let value = self.put(value);
        self.put_field(DraftName::Known(name), value, false);
    }

    /// Adds a header field whose value, in two parts, many requests have.
    pub(super) fn add_repeated(&mut self, name: &'static [u8], value: [&str; 2]) {
        let [begin, end] = value.map(|part| self.put(part.as_bytes()));
        self.put_field(DraftName::Known(name), begin.start..end.end, true);
    }

    /// Adds a header field whose value is a number.
    pub(super) fn add_number(&mut self, name: &'static [u8], value: u64) {
        let begin = self.values.len();
        // Writing to a vector does not fail.
        let _written = write!(self.values, "{value}");
        self.put_field(DraftName::Known(name), begin..self.values.len(), false);
    }

    /// Adds a header field of the notification's own.
    pub(super) fn add_own(&mut self, (name, value): NameAndValue<'_>) {
        let name = self.put(name);
        let value = self.put(value);
        self.put_field(DraftName::At(name), value, false);
    }

    fn put(&mut self, bytes: &[u8]) -> Range<usize> {
        let begin = self.values.len();
        self.values.extend_from_slice(bytes);
        begin..self.values.len()
    }

    fn put_field(&mut self, name: DraftName, value: Range<usize>, repeats: bool) {
        self.fields.push(DraftField {
            name,
            value,
            repeats,
        });
    }

    /// The header fields, in the order in which they were added.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = OwnField<'_>> {
        let text = |at: &Range<usize>| self.values.get(at.clone()).unwrap_or_default();
        self.fields.iter().map(move |it| OwnField {
            field: match &it.name {
                DraftName::Known(name) => (name, text(&it.value)),
                DraftName::At(name) => (text(name), text(&it.value)),
            },
            repeats: it.repeats,
        })
    }
}
