//! The lines of the access and error log: Gaurun's, to the byte, with our keys at their end.
//!
//! Pure: no clock, no file. The time comes in as text (see [`super::TimeText`]), and every function
//! appends one whole line, newline included, to a buffer that the caller hands to a
//! [`super::Sink`].
//!
//! ```text
//! {"level":…,"time":…,"message":…,"type":"accepted-request","uri":…,"method":…,"proto":…,
//!  "content_length":…,"request_id":…[,"traceparent":…]}
//! {"level":…,"time":…,"message":…,"id":…,"platform":…,"token":…,"type":…,"ptime":…,"error":…,
//!  [what the caller set and is not zero, in Gaurun's order,]
//!  ["status":…,"reason":…,"apns_id":…,"attempt":…,"maybe_sent":true,"accepted":…,"fcm_name":…,
//!  "apns_unique_id":…,"token_is":…,"gone_since":…,"send_at":…,]
//!  "request_id":…[,"traceparent":…][,"texts_of":…][,"app":…][,"environment":…]
//!  [,"target":…]}
//! {"level":…,"time":…,"message":…,["error":…,]"request_id":…}
//! {"level":…,"time":…,"message":…,"type":"lost-lines","lines":…}
//! ```
//!
//! A notification may have texts of kilobytes and a hundred thousand device tokens of two digits,
//! in whose lines the texts would be a thousand times the request. So a line has no more of them
//! than [`TEXTS_RATIO`] allows, or none, and says by `texts_of` which push's line has them: that of
//! the notification's first, which has them in any case.
//!
//! Lines of the default app's pushes, in its first environment, do not say so: they are Gaurun's.
//! Nor does a push to a device token say what it is; what else stands where the token does is told
//! by `target`.

use std::time::Duration;

use super::escape::{length, signed, string, unsigned};
use super::privacy::Privacy;
use crate::push::{LaneId, Note, PackedToken, PushId, TargetKind, Texts};

/// How grave a line is, in zap's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For whoever looks for a fault in the daemon.
    Debug,
    /// As it should be.
    Info,
    /// Worth a look.
    Warn,
    /// A push or a request failed.
    Error,
}

impl Level {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// What happened to a push: the `type` of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// It was taken from the caller.
    Accepted,
    /// It is settled: the provider took it.
    Succeeded,
    /// It is settled: it failed.
    Failed,
    /// Its platform is switched off; it was never queued.
    Disabled,
}

impl Line {
    /// The word after `type`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted-push",
            Self::Succeeded => "succeeded-push",
            Self::Failed => "failed-push",
            Self::Disabled => "disabled-push",
        }
    }

    /// The level that such a line has.
    pub const fn level(self) -> Level {
        match self {
            Self::Accepted | Self::Succeeded => Level::Info,
            Self::Failed | Self::Disabled => Level::Error,
        }
    }
}

/// What is told about a push.
#[derive(Clone, Copy, Debug)]
pub struct PushLine<'a> {
    /// What happened.
    pub line: Line,
    /// Where it goes: its provider's word, and its app if that is not the default one.
    pub lane: LaneId,
    /// What `token` is.
    pub target: TargetKind,
    /// What is pushed.
    pub note: Note<'a>,
    /// The push's number.
    pub id: PushId,
    /// That of the notification's first push, whose line has its texts in any case.
    pub first_id: PushId,
    /// The device token, or what stands in its place.
    pub token: PackedToken<'a>,
    /// From the first attempt to the settlement; zero before.
    pub ptime: Duration,
    /// Why it failed; empty if it did not.
    pub error: &'a str,
    /// What is known besides.
    pub tail: Tail<'a>,
}

/// Keys that Gaurun did not have, at the end of the line; each is there only when it is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tail<'a> {
    /// The status of the provider's answer.
    pub status: Option<u16>,
    /// The provider's word for a refusal, or ours (`expired`, `shutdown`); empty if there is none.
    pub reason: &'a str,
    /// The `apns-id` of the answer.
    pub apns_id: Option<&'a str>,
    /// The `apns-unique-id` of the answer.
    pub apns_unique_id: Option<&'a str>,
    /// How many attempts counted.
    pub attempt: Option<u16>,
    /// Whether the provider may have the push although it is told as failed.
    pub maybe_sent: bool,
    /// When a push that was recovered from a log was accepted, as its line there spells it.
    pub accepted: Option<&'a str>,
    /// What FCM calls the message that it took.
    pub fcm_name: Option<&'a str>,
    /// What the answer means for the device token: `dead` or `suspect`, if it means anything.
    pub token_is: Option<&'static str>,
    /// Since when the device token is dead, in milliseconds since the Unix epoch, by the provider.
    pub gone_since: Option<u64>,
    /// The second since the Unix epoch before which a push that was accepted is not sent.
    pub send_at: Option<u32>,
}

/// Appends the line of a push, less what `privacy` hides.
pub fn push(out: &mut Vec<u8>, at: &str, push: &PushLine<'_>, privacy: &Privacy) {
    let note = push.note;
    let has_texts = has_texts(push, privacy);
    let texts = if has_texts {
        shown(&note, privacy)
    } else {
        Texts::default()
    };
    head(out, push.line.level(), at, texts.message);
    key(out, ",\"id\":");
    unsigned(out, push.id.0);
    // The platform and the type are words without anything to escape.
    for part in [",\"platform\":\"", push.lane.platform(), "\",\"token\":"] {
        key(out, part);
    }
    privacy.token.write(out, push.token);
    for part in [",\"type\":\"", push.line.as_str(), "\",\"ptime\":"] {
        key(out, part);
    }
    seconds(out, push.ptime);
    text(out, ",\"error\":", push.error);
    set_by_the_caller(out, &note, &texts);
    tail(out, &push.tail);
    request_id(out, note.request_id);
    traceparent(out, note.traceparent);
    if !has_texts {
        key(out, ",\"texts_of\":");
        unsigned(out, push.first_id.0);
    }
    present_text(out, ",\"app\":", push.lane.app());
    if let Some(environment) = push.lane.environment() {
        text(out, ",\"environment\":", environment.word());
    }
    if let Some(word) = push.target.word() {
        text(out, ",\"target\":", word);
    }
    end(out);
}

/// The caller's texts, as far as a line shows them.
fn shown<'a>(note: &Note<'a>, privacy: &Privacy) -> Texts<'a> {
    let texts = note.texts;
    if !privacy.hides_message {
        return texts;
    }
    // Those that the user reads.
    Texts {
        message: "",
        title: "",
        subtitle: "",
        ..texts
    }
}

/// Whether the line of a push has its notification's texts: that of the first has, and those of
/// the others unless the texts are too long beside what the push took of the request.
fn has_texts(push: &PushLine<'_>, privacy: &Privacy) -> bool {
    if push.id == push.first_id {
        return true;
    }
    let most = push.token.len().saturating_add(TOKEN_MARKS);
    let most = most.saturating_mul(TEXTS_RATIO);
    let texts = shown(&push.note, privacy);
    let sum = |length: fn(&str) -> usize| texts.each().map(length).iter().sum::<usize>();
    let raw = sum(str::len);
    raw.saturating_mul(ESCAPE_MAX) <= most || (raw <= most && sum(length) <= most)
}

/// Appends the line of a request for pushes, with its id and its `traceparent`, if it has one;
/// `content_length` is -1 for a chunked body.
pub fn accepted_request(
    out: &mut Vec<u8>,
    at: &str,
    uri: &str,
    method: &str,
    proto: &str,
    content_length: i64,
    (id, trace): (&str, &str),
) {
    head(out, Level::Info, at, "");
    key(out, ",\"type\":\"accepted-request\"");
    text(out, ",\"uri\":", uri);
    text(out, ",\"method\":", method);
    text(out, ",\"proto\":", proto);
    key(out, ",\"content_length\":");
    signed(out, content_length);
    request_id(out, id);
    traceparent(out, trace);
    end(out);
}

/// Appends a line that holds nothing but a text about a request, more of it as `error` if there is
/// more, and the request's id.
pub fn message(out: &mut Vec<u8>, level: Level, at: &str, message: &str, error: &str, id: &str) {
    head(out, level, at, message);
    present_text(out, ",\"error\":", error);
    request_id(out, id);
    end(out);
}

/// Appends the line that stands in the place of `lines` others, which were dropped from `since` on.
pub fn lost(out: &mut Vec<u8>, at: &str, since: &str, lines: u64) {
    let told =
        format!("{lines} lines of this log are lost: from {since} on it could not be written");
    // No error: such a line says of an access log that it is one of failed pushes.
    head(out, Level::Warn, at, &told);
    key(out, ",\"type\":\"lost-lines\",\"lines\":");
    unsigned(out, lines);
    end(out);
}

fn head(out: &mut Vec<u8>, level: Level, at: &str, message: &str) {
    for part in ["{\"level\":\"", level.as_str(), "\",\"time\":"] {
        key(out, part);
    }
    string(out, at);
    text(out, ",\"message\":", message);
}

fn end(out: &mut Vec<u8>) {
    out.extend_from_slice(b"}\n");
}

/// The fields that Gaurun shows only when they are not zero, in its order.
fn set_by_the_caller(out: &mut Vec<u8>, note: &Note<'_>, texts: &Texts<'_>) {
    present_text(out, ",\"collapse_key\":", texts.collapse_key);
    present_flag(out, ",\"delay_while_idle\":", note.delay_while_idle);
    present_number(out, ",\"time_to_live\":", note.time_to_live);
    present_text(out, ",\"title\":", texts.title);
    present_text(out, ",\"subtitle\":", texts.subtitle);
    // Gaurun could not tell a badge of 0 from none.
    present_number(out, ",\"badge\":", note.badge);
    present_text(out, ",\"category\":", texts.category);
    present_text(out, ",\"sound\":", texts.sound);
    present_flag(out, ",\"content_available\":", note.content_available);
    present_flag(out, ",\"mutable_content\":", note.mutable_content);
    present_number(out, ",\"expiry\":", note.expiry);
    present_text(out, ",\"identifier\":", texts.identifier);
}

fn tail(out: &mut Vec<u8>, tail: &Tail<'_>) {
    if let Some(status) = tail.status {
        key(out, ",\"status\":");
        unsigned(out, status.into());
    }
    present_text(out, ",\"reason\":", tail.reason);
    if let Some(apns_id) = tail.apns_id {
        text(out, ",\"apns_id\":", apns_id);
    }
    if let Some(attempt) = tail.attempt {
        key(out, ",\"attempt\":");
        unsigned(out, attempt.into());
    }
    present_flag(out, ",\"maybe_sent\":", tail.maybe_sent);
    if let Some(accepted) = tail.accepted {
        text(out, ",\"accepted\":", accepted);
    }
    if let Some(name) = tail.fcm_name {
        text(out, ",\"fcm_name\":", name);
    }
    if let Some(id) = tail.apns_unique_id {
        text(out, ",\"apns_unique_id\":", id);
    }
    if let Some(word) = tail.token_is {
        text(out, ",\"token_is\":", word);
    }
    if let Some(since) = tail.gone_since {
        key(out, ",\"gone_since\":");
        unsigned(out, since);
    }
    if let Some(at) = tail.send_at {
        key(out, ",\"send_at\":");
        unsigned(out, at.into());
    }
}

/// The key that joins the lines of a request and of its pushes to its answer.
fn request_id(out: &mut Vec<u8>, id: &str) {
    present_text(out, ",\"request_id\":", id);
}

/// The key that joins them to the caller's trace.
fn traceparent(out: &mut Vec<u8>, traceparent: &str) {
    present_text(out, ",\"traceparent\":", traceparent);
}

fn key(out: &mut Vec<u8>, key: &str) {
    out.extend_from_slice(key.as_bytes());
}

fn text(out: &mut Vec<u8>, name: &str, value: &str) {
    key(out, name);
    string(out, value);
}

fn present_text(out: &mut Vec<u8>, name: &str, value: &str) {
    if !value.is_empty() {
        text(out, name, value);
    }
}

fn present_number(out: &mut Vec<u8>, name: &str, value: i64) {
    if value != 0 {
        key(out, name);
        signed(out, value);
    }
}

fn present_flag(out: &mut Vec<u8>, name: &str, value: bool) {
    if value {
        key(out, name);
        key(out, "true");
    }
}

/// Seconds with up to three decimals, cut off and without zeros at their end.
fn seconds(out: &mut Vec<u8>, time: Duration) {
    unsigned(out, time.as_secs());
    let mut millis = u64::from(time.subsec_millis());
    if millis == 0 {
        return;
    }
    out.push(b'.');
    for place in [100, 10] {
        if millis < place {
            out.push(b'0');
        }
    }
    while millis % 10 == 0 {
        millis /= 10;
    }
    unsigned(out, millis);
}

/// Our limit: bytes of texts in the line of a push for each byte that the push took of its
/// request. So many that the largest notification which APNs takes is written as Gaurun writes it,
/// to device tokens as long as APNs gives them.
pub const TEXTS_RATIO: usize = 64;

/// Bytes of a device token in a request beside its own: two quotation marks and a comma.
const TOKEN_MARKS: usize = 3;

/// Bytes that one byte of a text takes at most.
const ESCAPE_MAX: usize = 6;

#[cfg(test)]
mod tests;
