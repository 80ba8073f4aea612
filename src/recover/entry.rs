//! One line of a push log, as far as it matters for recovery.
//!
//! Pure: no file, no clock.

use std::borrow::Cow;

use serde::Deserialize;

use super::fold::Outcome;
use super::open_push::OpenPush;
use super::when::{TimeReader, When};
use crate::push::{ApnsEnvironment, DeviceToken, LaneId, Notification, Provider, TargetKind};

/// What a line says.
#[derive(Debug)]
pub(super) struct Entry {
    /// When it was written; `None` if the line does not say.
    pub(super) at: Option<When>,
    pub(super) what: What,
}

/// What it says of a push.
#[derive(Debug)]
pub(super) enum What {
    /// It was accepted.
    Accepted(Box<OpenPush>),
    /// It ended.
    Outcome(Outcome),
    /// So many lines are missing here.
    Lost(u64),
    /// Nothing: a request, or a text about the daemon.
    Other {
        /// Whether it is a line of an error log.
        error: bool,
    },
}

/// Why a line says nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damaged;

/// The line as JSON. Names of later versions are passed over.
#[derive(Deserialize)]
struct RawLine<'a> {
    #[serde(borrow, default)]
    level: Cow<'a, str>,
    #[serde(borrow, default)]
    time: Cow<'a, str>,
    #[serde(borrow, default)]
    message: Cow<'a, str>,
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
    id: Option<u64>,
    #[serde(default)]
    lines: u64,
    #[serde(borrow, default)]
    platform: Cow<'a, str>,
    #[serde(borrow, default)]
    token: Cow<'a, str>,
    #[serde(borrow, default)]
    collapse_key: Cow<'a, str>,
    #[serde(default)]
    delay_while_idle: bool,
    #[serde(default)]
    time_to_live: i64,
    #[serde(borrow, default)]
    title: Cow<'a, str>,
    #[serde(borrow, default)]
    subtitle: Cow<'a, str>,
    badge: Option<i64>,
    #[serde(borrow, default)]
    category: Cow<'a, str>,
    #[serde(borrow, default)]
    sound: Cow<'a, str>,
    #[serde(default)]
    content_available: bool,
    #[serde(default)]
    mutable_content: bool,
    #[serde(default)]
    expiry: i64,
    #[serde(borrow, default)]
    identifier: Cow<'a, str>,
    #[serde(borrow, default)]
    request_id: Cow<'a, str>,
    #[serde(borrow)]
    traceparent: Option<Cow<'a, str>>,
    #[serde(borrow)]
    accepted: Option<Cow<'a, str>>,
    send_at: Option<u64>,
    texts_of: Option<u64>,
    #[serde(borrow, default)]
    app: Cow<'a, str>,
    #[serde(borrow, default)]
    environment: Cow<'a, str>,
    #[serde(borrow)]
    target: Option<Cow<'a, str>>,
}

/// Reads a line.
pub(super) fn read(line: &[u8], times: &mut TimeReader) -> Result<Entry, Damaged> {
    let raw: RawLine<'_> = serde_json::from_slice(line).map_err(|_| Damaged)?;
    let at = times.read(&raw.time);
    let error = raw.level == "error";
    let what = match &*raw.kind {
        kind if is_foreign(kind, at) => return Err(Damaged),
        "accepted-push" => What::Accepted(Box::new(outstanding(&raw, at)?)),
        "succeeded-push" => What::Outcome(outcome(&raw, false)?),
        "failed-push" => What::Outcome(outcome(&raw, true)?),
        "lost-lines" => What::Lost(raw.lines),
        _ => What::Other { error },
    };
    Ok(Entry { at, what })
}

/// Whether a line of that type is of another program, as far as can be told: every line of a push
/// log says when it was written, in Gaurun's way.
pub(super) fn is_foreign(kind: &str, at: Option<When>) -> bool {
    at.is_none() && !KINDS.contains(&kind)
}

/// The whole line at the end of one that was cut off without its newline: the process died in it,
/// and the next one appended to the file. Texts in a line have their quotes escaped, so an object
/// can begin only there.
pub fn whole_tail(line: &[u8]) -> Option<&[u8]> {
    let at = line.windows(OPENING.len()).rposition(|at| at == OPENING)?;
    line.get(at..).filter(|_| at > 0)
}

fn outstanding(raw: &RawLine<'_>, at: Option<When>) -> Result<OpenPush, Damaged> {
    let (id, lane) = named(raw)?;
    let text = |text: &Cow<'_, str>| Box::from(&**text);
    Ok(OpenPush {
        id,
        target: TargetKind::of_word(raw.target.as_deref()).ok_or(Damaged)?,
        token: DeviceToken::new(&*raw.token),
        accepted: text(&raw.time),
        send_at: raw.send_at,
        at: at.and_then(|at| at.unix),
        texts_of: raw.texts_of,
        notification: Notification {
            message: text(&raw.message),
            identifier: text(&raw.identifier),
            title: text(&raw.title),
            subtitle: text(&raw.subtitle),
            category: text(&raw.category),
            sound: text(&raw.sound),
            collapse_key: text(&raw.collapse_key),
            badge: raw.badge,
            expiry: raw.expiry,
            time_to_live: raw.time_to_live,
            content_available: raw.content_available,
            mutable_content: raw.mutable_content,
            delay_while_idle: raw.delay_while_idle,
            request_id: (*raw.request_id).into(),
            traceparent: raw.traceparent.as_deref().map(Into::into),
            ..Notification::empty(lane)
        },
    })
}

fn outcome(raw: &RawLine<'_>, failed: bool) -> Result<Outcome, Damaged> {
    let (id, lane) = named(raw)?;
    Ok(Outcome {
        id,
        lane,
        token: DeviceToken::new(&*raw.token),
        message: raw.texts_of.is_none().then(|| Box::from(&*raw.message)),
        failed,
        accepted: raw.accepted.as_deref().map(Box::from),
    })
}

fn named(raw: &RawLine<'_>) -> Result<(u64, LaneId), Damaged> {
    let provider = Provider::of_platform(&raw.platform).ok_or(Damaged)?;
    let lane = if raw.app.is_empty() && raw.environment.is_empty() {
        LaneId::of_default(provider)
    } else {
        let environment = match &*raw.environment {
            "" => None,
            word => Some(ApnsEnvironment::of_word(word).ok_or(Damaged)?),
        };
        LaneId::of(&raw.app, provider, environment).ok_or(Damaged)?
    };
    let id = raw.id.ok_or(Damaged)?;
    Ok((id, lane))
}

/// The types of lines.
const KINDS: [&str; 6] = [
    "accepted-request",
    "accepted-push",
    "succeeded-push",
    "failed-push",
    "disabled-push",
    "lost-lines",
];
/// How each line begins.
const OPENING: &[u8] = b"{\"";
