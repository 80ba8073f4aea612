//! What becomes of a request: which pushes it makes, and what in it is rejected and why.
//!
//! Pure: no I/O, no clock. A bad device token rejects that token, not its neighbours; an error of
//! the notification rejects all of it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use super::apps::{Apps, NoLane};
use super::ignored::{self, Ignored, MESSAGE, PLATFORM, TOKEN};
use super::keyless::Keyless;
use super::mistake::Mistake;
use super::request::{Asked, Batch, EXTEND_MAX};
use crate::moment::Moment;
use crate::provider::{self, Built, Unused};
use crate::push::{DeviceTokens, Extend, LaneId, Notification};

/// The rules of the site and of the providers.
pub struct Rules {
    /// Notifications in one request, at most (`notification_max`).
    pub notification_max: usize,
    /// Whether a notification may have no message (`allows_empty_message`).
    pub allows_empty_message: bool,
    /// Whether callers get Gaurun's answers (`compatible_with`).
    pub as_gaurun: bool,
    /// The lanes that a notification can name.
    pub apps: Apps,
    /// Whether a device token is well formed for the platform; the error names what is wrong.
    pub check_token: fn(LaneId, &str) -> Result<(), &'static str>,
    /// What is sent of a notification that comes now, or why it cannot be; writes into the
    /// notification what its caller left to us, and tells what it says in vain.
    pub content: Box<ContentOf>,
}

/// See [`Rules::content`].
pub type ContentOf =
    dyn Fn(&mut Notification, Moment, &mut Unused) -> Result<Built, provider::Fault> + Send + Sync;

/// What a request comes to.
#[derive(Debug, Default)]
pub struct Plan {
    /// What is to be logged and pushed, in the request's order.
    pub notifications: Vec<Planned>,
    /// What is not, in the request's order.
    pub rejected: Rejections,
    /// Device tokens that no provider would take.
    pub malformed: Malformed,
    /// What is no field, or has no effect.
    pub ignored: Ignored,
}

/// Why no part of a request is looked at: the 400 that refuses it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unplanned {
    /// Gaurun's message.
    pub message: String,
    /// What it does not say.
    pub mistake: Option<Mistake>,
}

/// A notification with at least one device token that is fine.
#[derive(Debug)]
pub struct Planned {
    /// Its place in the request.
    pub index: usize,
    /// What is to be pushed.
    pub notification: Notification,
    /// To whom.
    pub tokens: DeviceTokens,
    /// What is sent of it; `None` where its platform is disabled, for which it is logged.
    pub built: Option<Built>,
}

/// Device tokens that no provider would take: the first of a request, and how many more there are.
#[derive(Debug, Default)]
pub struct Malformed {
    /// Each notification that has some, less what no log line shows.
    pub notifications: Vec<(Notification, DeviceTokens)>,
    /// The place of the last of those in the request.
    index: usize,
    listed: usize,
    /// How many device tokens there are beyond those.
    pub omitted: usize,
}

impl Malformed {
    fn push(&mut self, index: usize, notification: &Notification, token: &str) {
        if self.listed == UNSENT_LOGGED_MAX {
            self.omitted += 1;
            return;
        }
        self.listed += 1;
        if self.notifications.is_empty() || self.index != index {
            let shown = Notification {
                extend: Vec::new(),
                ..notification.clone()
            };
            self.notifications.push((shown, DeviceTokens::default()));
            self.index = index;
        }
        if let Some((_, tokens)) = self.notifications.last_mut() {
            tokens.push(token);
        }
    }

    /// The malformed device tokens, so many at most; the others are counted.
    #[must_use]
    pub fn first(mut self, most: usize) -> Self {
        let mut left = most;
        for (_, tokens) in &mut self.notifications {
            self.omitted += tokens.len().saturating_sub(left);
            tokens.truncate(left);
            left -= tokens.len();
        }
        self.notifications.retain(|(_, tokens)| !tokens.is_empty());
        self
    }
}

/// The rejected parts of a request: the first ones, as many as an answer has room for, the number
/// of all, and the first fault of each notification.
#[derive(Debug, Default)]
pub struct Rejections {
    listed: Vec<Rejection>,
    /// What the listed ones take in an answer.
    bytes: usize,
    count: usize,
    /// The first thing that is wrong.
    first: Option<Cow<'static, str>>,
    faults: Vec<Fault>,
}

/// What is wrong with a notification, or with the first of its device tokens that is not fine and
/// has no log line of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The notification's place in the request.
    pub notification: usize,
    /// What is wrong.
    pub error: Cow<'static, str>,
}

/// A part of a request that is not pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The notification's place in the request.
    pub notification: usize,
    /// The part of the notification, as a JSON pointer below it without the slash in front; empty
    /// if it is all of it.
    pub part: Cow<'static, str>,
    /// Why.
    pub error: Cow<'static, str>,
}

impl Rejection {
    fn of(notification: usize, token: usize, error: Cow<'static, str>) -> Self {
        Self {
            notification,
            part: format!("{TOKEN}/{token}").into(),
            error,
        }
    }

    /// Whether something is wrong with the part. A notification without device tokens makes no
    /// push, and neither Gaurun nor we call that wrong.
    pub fn is_fault(&self) -> bool {
        self.error != NO_TOKEN
    }

    /// The part as a JSON pointer (RFC 6901) into the request.
    pub fn pointer(&self) -> String {
        let slash = if self.part.is_empty() { "" } else { "/" };
        format!("/notifications/{}{slash}{}", self.notification, self.part)
    }

    /// Bytes that it takes in an answer, as [`Serialize`] has it and with a comma.
    pub(super) fn bytes(&self) -> usize {
        serde_json::to_string(self).map_or(MAX_REJECTED, |text| text.len().saturating_add(1))
    }
}

impl Serialize for Rejection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_struct("Rejection", 2)?;
        map.serialize_field("pointer", &self.pointer())?;
        map.serialize_field("error", &self.error)?;
        map.end()
    }
}

impl Rejections {
    /// Those that are listed.
    pub fn listed(&self) -> &[Rejection] {
        &self.listed
    }

    /// How many there are beyond the listed ones.
    pub fn omitted(&self) -> usize {
        self.count.saturating_sub(self.listed.len())
    }

    /// The first fault of each notification that has one that no other line tells.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    fn push(
        &mut self,
        rejection: Rejection,
        has_own_line: bool,
        more: &mut dyn FnMut(usize) -> bool,
    ) {
        let notification = rejection.notification;
        let last = self.faults.last().map(|fault| fault.notification);
        if rejection.is_fault() {
            let error = rejection.error.clone();
            self.first.get_or_insert_with(|| error.clone());
            if !has_own_line && last != Some(notification) {
                self.faults.push(Fault {
                    notification,
                    error,
                });
            }
        }
        if self.omitted() == 0 {
            let before = self.bytes;
            let bytes = before.saturating_add(rejection.bytes());
            let is_sure = bytes <= SURE_REJECTED || before > SURE_REJECTED;
            if bytes <= MAX_REJECTED && (is_sure || more(MAX_REJECTED - SURE_REJECTED)) {
                self.bytes = bytes;
                self.listed.push(rejection);
            }
        }
        self.count += 1;
    }
}

impl Plan {
    /// How many pushes each lane would have to take; never none.
    pub fn pushes(&self) -> BTreeMap<LaneId, usize> {
        let mut pushes = BTreeMap::new();
        let planned = self.notifications.iter();
        for planned in planned.filter(|planned| planned.built.is_some()) {
            *pushes.entry(planned.notification.lane).or_default() += planned.tokens.len();
        }
        pushes
    }

    /// Pushes that are logged as disabled-push.
    pub fn disabled(&self) -> usize {
        let planned = self.notifications.iter();
        let disabled = planned.filter(|planned| planned.built.is_none());
        disabled.map(|planned| planned.tokens.len()).sum()
    }

    /// Why the request as a whole is rejected, if nothing in it is fine.
    pub fn refusal(&self) -> Option<Cow<'static, str>> {
        if !self.notifications.is_empty() {
            return None;
        }
        let first = self.rejected.first.as_ref();
        let lacks = match first.map(AsRef::as_ref) {
            None => Some((NO_TOKEN, TOKEN)),
            Some(EMPTY_MESSAGE) => Some((EMPTY_MESSAGE, MESSAGE)),
            Some(INVALID_PLATFORM) => Some((INVALID_PLATFORM, PLATFORM)),
            Some(_) => None,
        };
        let with_meant = lacks.and_then(|(error, field)| self.ignored.with_meant(error, field));
        with_meant.map(Cow::Owned).or_else(|| first.cloned())
    }
}

/// Why nothing of a notification is pushed.
struct NotPushed {
    /// As in [`Rejection::part`].
    part: Cow<'static, str>,
    error: Cow<'static, str>,
}

impl NotPushed {
    /// As it is told.
    fn at(self, notification: usize) -> Rejection {
        let Self { part, error } = self;
        Rejection {
            notification,
            part,
            error,
        }
    }
}

impl From<NoLane> for NotPushed {
    fn from(NoLane { field, error }: NoLane) -> Self {
        let (part, error) = (field.into(), error.into());
        Self { part, error }
    }
}

impl From<provider::Fault> for NotPushed {
    fn from(fault: provider::Fault) -> Self {
        Self {
            part: fault.pointer,
            error: fault.error.into(),
        }
    }
}

impl<T: Into<Cow<'static, str>>> From<T> for NotPushed {
    fn from(error: T) -> Self {
        Self {
            part: Cow::Borrowed(""),
            error: error.into(),
        }
    }
}

/// Says of each part of a batch that comes now what becomes of it. The API key that the request
/// shows belongs into none of its texts, and no other one into what is ignored.
///
/// Where an answer is to list more than [`SURE_REJECTED`], `more` says whether there is room for so
/// many more bytes.
///
/// # Errors
///
/// The 400 that refuses the batch before its parts are looked at.
pub fn plan(
    batch: Batch,
    now: Moment,
    rules: &Rules,
    keyless: &Keyless<'_>,
    enabled: impl Fn(LaneId) -> bool,
    more: &mut dyn FnMut(usize) -> bool,
) -> Result<Plan, Unplanned> {
    let mut plan = Plan::default();
    plan.ignored.beside(&batch.unknown);
    if batch.count == 0 {
        plan.ignored.hide(keyless);
        let instead = plan.ignored.instead_of_notifications();
        return Err(Unplanned {
            message: "empty notification".to_owned(),
            mistake: Some(Mistake::no_notifications(
                batch.are_named,
                instead.as_deref(),
            )),
        });
    }
    if batch.count > rules.notification_max {
        let message = format!(
            "number of notifications({}) over limit({})",
            batch.count, rules.notification_max
        );
        return Err(Unplanned {
            message,
            mistake: None,
        });
    }
    if batch.strict && !plan.ignored.is_empty() {
        plan.ignored.hide(keyless);
        return Err(Unplanned {
            message: "unknown fields beside the notifications".to_owned(),
            mistake: Some(Mistake::beside(
                plan.ignored.listed(),
                plan.ignored.omitted(),
            )),
        });
    }
    let planning = Planning {
        rules,
        keyless,
        strict: batch.strict,
        now,
    };
    for (index, asked) in batch.notifications.into_iter().enumerate() {
        if !batch.strict {
            plan.ignored.of(index, &asked);
        }
        match plan_one(index, asked, &mut plan, &planning, &enabled, more) {
            Ok(planned) => plan.notifications.extend(planned),
            Err(refusal) => plan.rejected.push(refusal.at(index), false, more),
        }
    }
    plan.ignored.hide(keyless);
    Ok(plan)
}

/// What the notifications of a request are planned by.
struct Planning<'a> {
    rules: &'a Rules,
    keyless: &'a Keyless<'a>,
    /// Whether what would be ignored is an error.
    strict: bool,
    now: Moment,
}

/// The plan for one notification, unless none of its tokens is fine.
fn plan_one(
    index: usize,
    mut asked: Asked,
    plan: &mut Plan,
    planning: &Planning<'_>,
    enabled: &impl Fn(LaneId) -> bool,
    more: &mut dyn FnMut(usize) -> bool,
) -> Result<Option<Planned>, NotPushed> {
    let (rules, api_key) = (planning.rules, planning.keyless.shown());
    let lane = LaneId::of_platform(asked.platform).ok_or(INVALID_PLATFORM)?;
    let lane = rules.apps.lane_of(lane.provider(), &mut asked.native)?;
    let wakes = asked.content_available || &*asked.push_type == "background";
    let wakes = wakes && !rules.as_gaurun;
    if asked.message.is_empty() && !wakes && !rules.allows_empty_message {
        return Err(EMPTY_MESSAGE.into());
    }
    if wakes && asked.message.is_empty() {
        // No push log has the push type: who reads the push from there learns by this that it needs
        // no message.
        asked.content_available = true;
    }
    if !matches!(&*asked.push_type, "" | "alert" | "background") {
        return Err("push_type must be alert or background".into());
    }
    let tokens = asked.token.take().unwrap_or_default();
    if tokens.is_empty() {
        return Err(NO_TOKEN.into());
    }
    let extend = asked.extend.len;
    if extend > EXTEND_MAX {
        return Err(format!("extend of {extend} bytes over limit({EXTEND_MAX})").into());
    }
    let unknown = [
        std::mem::take(&mut asked.unknown),
        std::mem::take(&mut asked.extend.unknown),
    ];
    let mut notification = notification(lane, asked);
    // It would stand in the push log, and on the devices.
    let holds = |key: &str| {
        let extended = notification.extend.iter();
        let extended = extended.flat_map(|Extend { key, value }| [&**key, value]);
        let mut texts = notification.texts().each().into_iter().chain(extended);
        let mut native = notification.native.iter().map(|(_, raw)| raw.get());
        texts.any(|text| text.contains(key)) || native.any(|json| unescaped(json).contains(key))
    };
    if api_key.is_some_and(holds) {
        return Err(HOLDS_KEY.into());
    }
    let is_enabled = enabled(lane);
    let mut unused = Unused::default();
    let built = (rules.content)(&mut notification, planning.now, &mut unused);
    // What nobody is sent has no faults.
    let built = is_enabled.then_some(built).transpose()?;
    if planning.strict {
        let faults = ignored::faults(&unknown, lane.provider(), &unused, planning.keyless);
        let is_fine = faults.is_empty();
        for (part, error) in faults {
            let fault = NotPushed {
                part: part.into(),
                error: error.into(),
            };
            plan.rejected.push(fault.at(index), false, more);
        }
        if !is_fine {
            return Ok(None);
        }
    } else {
        plan.ignored.unused(index, lane.provider(), &unused);
    }
    let logged = notification.texts_len();
    if logged > LOGGED_MAX {
        return Err(format!("texts of {logged} bytes over limit({LOGGED_MAX})").into());
    }
    let mut fine = DeviceTokens::default();
    for (place, token) in tokens.into_iter().enumerate() {
        let mut reject = |error: Cow<'static, str>, has_own_line| {
            let rejection = Rejection::of(index, place, error);
            plan.rejected.push(rejection, has_own_line, more);
        };
        if token.is_empty() {
            reject("empty token".into(), false);
            continue;
        }
        if api_key == Some(&*token) {
            reject(HOLDS_KEY.into(), false);
            continue;
        }
        // What is longer than all texts of a line may be has none of its own.
        let has_line = token.len() <= LOGGED_MAX;
        if !is_enabled {
            reject(format!("{lane} is disabled").into(), has_line);
            if !has_line {
                continue;
            }
        } else if let Err(error) = (rules.check_token)(lane, &token) {
            // It would stand in the push log.
            if api_key.is_some_and(|key| token.contains(key)) {
                reject(HOLDS_KEY.into(), false);
            } else {
                reject(error.into(), has_line);
                if has_line {
                    plan.malformed.push(index, &notification, &token);
                }
            }
            continue;
        }
        fine.push(&token);
    }
    Ok((!fine.is_empty()).then_some(Planned {
        index,
        notification,
        tokens: fine,
        built,
    }))
}

/// What a caller has asked for, to that lane.
pub(super) fn notification(lane: LaneId, asked: Asked) -> Notification {
    Notification {
        lane,
        message: asked.message,
        identifier: asked.identifier,
        // The service knows it; here nothing is known but the body.
        request_id: std::sync::Arc::default(),
        title: asked.title,
        subtitle: asked.subtitle,
        category: asked.category,
        sound: asked.sound,
        push_type: asked.push_type,
        collapse_key: asked.collapse_key,
        priority: asked.priority,
        badge: asked.badge,
        expiry: asked.expiry,
        time_to_live: asked.time_to_live,
        content_available: asked.content_available,
        mutable_content: asked.mutable_content,
        delay_while_idle: asked.delay_while_idle,
        extend: asked
            .extend
            .entries
            .into_iter()
            .map(|(key, value)| Extend { key, value })
            .collect(),
        native: asked.native,
    }
}

/// JSON in which the characters that an API key may have stand for themselves.
fn unescaped(json: &str) -> Cow<'_, str> {
    if !json.contains('\\') {
        return json.into();
    }
    let mut text = String::with_capacity(json.len());
    let mut rest = json;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let digits = after.strip_prefix('u').and_then(|after| after.get(..4));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let (character, taken) = match unit {
            Some(unit) => (char::from_u32(unit), 5),
            None => (after.chars().next(), 1),
        };
        text.extend(character);
        rest = after.get(taken..).unwrap_or_default();
    }
    text.push_str(rest);
    text.into()
}

/// What is said of a notification without device tokens.
const NO_TOKEN: &str = "no token";

/// A notification without text, where there has to be one.
const EMPTY_MESSAGE: &str = "empty message";

/// A notification to none of the platforms.
const INVALID_PLATFORM: &str = "invalid platform";

/// What is said of the API key in a text, or in the place of a device token.
const HOLDS_KEY: &str = "the request's own API key is in it";

/// Our limit: bytes of a notification's texts, which stand in its log lines: what a provider takes
/// of them, and as much again. How many lines have them, [`crate::log::line::TEXTS_RATIO`] bounds.
pub const LOGGED_MAX: usize = 8192;

/// Our limit: lines of a request about device tokens that are sent nothing, since their platform is
/// disabled or they are malformed. No queue bounds them, and the line of a device token of one
/// character is seventy times as long as its part of the request.
pub const UNSENT_LOGGED_MAX: usize = 128;

/// Our limit: bytes of the entries of `rejected` in an answer, some 10,000. A body of nothing but
/// empty tokens has over a million, and its answer would be twenty times its size.
pub const MAX_REJECTED: usize = 640 * 1024;

/// Our limit: bytes of them for which there is always room, some 700 entries.
pub const SURE_REJECTED: usize = 48 * 1024;

#[cfg(test)]
mod tests;
