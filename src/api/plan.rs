//! What becomes of a request: which pushes it makes, and what in it is rejected and why.
//!
//! Pure: no I/O, no clock. A bad device token rejects that token, not its neighbours; an error of
//! the notification rejects all of it.

mod classes;
pub mod reasons;
mod rejections;
mod sending;

use std::borrow::Cow;

use super::apps::Apps;
use super::ignored::{self, Ignored, MESSAGE, PLATFORM, TOKEN, TOKENS};
use super::keyless::{Keyless, holds};
use super::mistake::Mistake;
use super::request::{Asked, Batch, EXTEND_MAX, TARGET_FIELDS, Tokens};
use super::rights::{Right, Rights};
use crate::moment::Moment;
use crate::provider::{self, Built, Unused, Vendor};
use crate::push::{
    DeviceTokens, Extend, ExtendValue, LaneId, Native, Notification, PushClass, TargetKind,
};
use reasons::{
    EMPTY_MESSAGE, GAURUNS_PUSH_TYPES, HOLDS_KEY, INVALID_PLATFORM, NO_TARGET, NO_TOKEN,
};
use rejections::NotPushed;
pub use rejections::{Fault, MAX_REJECTED, Rejection, Rejections, SURE_REJECTED};

/// The rules of the site and of the providers.
pub struct Rules {
    /// Notifications in one request, at most (`notification_max`).
    pub notification_max: usize,
    /// Whether a notification may have no message (`allows_empty_message`).
    pub allows_empty_message: bool,
    /// Whether callers get Gaurun's answers (`compatible_with`).
    pub as_gaurun: bool,
    /// Whether a push can be kept that is to be sent later: not without a journal.
    pub keeps_scheduled: bool,
    /// Targets of a request from which on its pushes are bulk unless it says otherwise
    /// (`bulk_from`).
    pub bulk_from: usize,
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

impl Planned {
    /// Whether it is to be sent as soon as it can be.
    fn is_at_once(&self) -> bool {
        let built = self.built.as_ref();
        built.is_some_and(|built| built.envelope.earliest.is_none())
    }
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
                native: Native::default(),
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

impl Plan {
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
            Some(error) if error.starts_with(NO_TARGET) => Some((NO_TARGET, TOKEN)),
            Some(_) => None,
        };
        let with_meant = lacks.and_then(|(error, field)| self.ignored.with_meant(error, field));
        with_meant.map(Cow::Owned).or_else(|| first.cloned())
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
        rights: keyless.rights(),
        strict: batch.strict,
        endpoint: if batch.is_of_gorush {
            ignored::GORUSH_PUSH
        } else {
            ignored::PUSH
        },
        class: if batch.targets() < rules.bulk_from {
            PushClass::Transactional
        } else {
            PushClass::Bulk
        },
        now,
    };
    plan.notifications.reserve_exact(batch.notifications.len());
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
    /// What the caller's key is good for.
    rights: Rights,
    /// Whether what would be ignored is an error.
    strict: bool,
    /// What the caller has posted to, by which errors name it.
    endpoint: &'static str,
    /// Of a notification that does not say.
    class: PushClass,
    now: Moment,
}

impl Planning<'_> {
    /// The lane that a notification names, if the caller's key is for its app.
    fn lane_of(&self, asked: &mut Asked) -> Result<LaneId, NotPushed> {
        let lane = LaneId::of_platform(asked.platform.0).ok_or(INVALID_PLATFORM)?;
        let (provider, rules) = (lane.provider(), self.rules);
        let named = rules
            .apps
            .lane_of(provider, &mut asked.native, &self.rights, rules.as_gaurun);
        Ok(named?)
    }
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
    let lane = planning.lane_of(&mut asked)?;
    let class = planning.class_of(&mut asked)?;
    let vendor = provider::of(lane.provider());
    check(&asked, vendor, rules)?;
    let (name, kind, tokens) = addressed(vendor, &mut asked, planning)?;
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
    if api_key.is_some_and(|key| holds(&notification, key)) {
        return Err(HOLDS_KEY.into());
    }
    let is_enabled = enabled(lane);
    let mut unused = Unused::default();
    let built = planning.build(&mut notification, class, &mut unused);
    // No push log has the push type: who reads the push from there learns by this that it needs no
    // message. The provider is not told, who would take it for said.
    let wakes = notification.message.is_empty() && &*notification.push_type == "background";
    notification.content_available |= wakes && !rules.as_gaurun;
    // What nobody is sent has no faults.
    let built = is_enabled.then_some(built).transpose()?;
    let is_idle = built.as_ref().is_some_and(|built| built.is_idle);
    if is_idle && notification.message.is_empty() && !rules.allows_empty_message {
        return Err(EMPTY_MESSAGE.into());
    }
    if planning.strict {
        let (provider, keyless) = (lane.provider(), planning.keyless);
        let faults = ignored::faults(&unknown, provider, &unused, keyless, planning.endpoint);
        if !faults.is_empty() {
            for (part, error) in faults {
                let rejection = Rejection::of_part(index, part.into(), error.into());
                plan.rejected.push(rejection, false, more);
            }
            return Ok(None);
        }
    } else {
        plan.ignored.unused(index, lane.provider(), &unused);
    }
    let one = built.as_ref();
    let one = one.and_then(|built| vendor.names_one_push(&notification, &built.content));
    check_alone(one, kind, tokens.list.len())?;
    let logged = notification.texts_len();
    if logged > LOGGED_MAX {
        return Err(format!("texts of {logged} bytes over limit({LOGGED_MAX})").into());
    }
    let check_target = |text: &str| match kind {
        TargetKind::DeviceToken => (rules.check_token)(lane, text).map_err(Cow::Borrowed),
        kind => vendor.check_target(kind, text),
    };
    let mut fine = DeviceTokens::default();
    let is_single = tokens.is_single;
    for (place, token) in tokens.list.into_iter().enumerate() {
        let mut reject = |error: Cow<'static, str>, has_own_line| {
            let place = Some(place).filter(|_| !is_single);
            let rejection = Rejection::of(index, (name, place), error);
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
        } else if let Err(error) = check_target(&token) {
            // It would stand in the push log.
            if api_key.is_some_and(|key| token.contains(key)) {
                reject(HOLDS_KEY.into(), false);
            } else {
                // Who screens the log for dead device tokens would take anything else for one.
                let has_line = has_line && kind == TargetKind::DeviceToken;
                reject(error, has_line);
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

/// The targets of a notification, of which there are some and for which the caller's key is good.
fn addressed(
    vendor: &dyn Vendor,
    asked: &mut Asked,
    planning: &Planning<'_>,
) -> Result<(&'static str, TargetKind, Tokens), NotPushed> {
    let as_gaurun = planning.rules.as_gaurun;
    let (name, kind, tokens) = targets(vendor, asked, as_gaurun)?;
    let needed = Right::of_target(kind);
    if let Some(lacking) = needed.filter(|right| !planning.rights.have(*right)) {
        return Err(NotPushed {
            part: name.into(),
            error: lacking.lack().into(),
        });
    }
    if !tokens.list.is_empty() {
        return Ok((name, kind, tokens));
    }
    let says_more = planning.strict || !asked.native.is_empty();
    if says_more && !as_gaurun {
        return Err(no_target(vendor, (name, kind), &asked.native));
    }
    let part = if kind == TargetKind::DeviceToken {
        ""
    } else {
        name
    };
    let (part, error) = (part.into(), NO_TOKEN.into());
    Err(NotPushed { part, error })
}

/// Checks what has to do with no other field, in Gaurun's order where callers get its answers.
fn check(asked: &Asked, vendor: &dyn Vendor, rules: &Rules) -> Result<(), NotPushed> {
    // What is taken apart takes many times its bytes.
    let dictionary = match &asked.sound.0 {
        ExtendValue::Json(json) => json.get().len(),
        ExtendValue::Text(_) => 0,
    };
    let native = asked.native.bytes().saturating_add(dictionary);
    if native > NATIVE_MAX {
        let error = format!("fields beside Gaurun's of {native} bytes over limit({NATIVE_MAX})");
        return Err(error.into());
    }
    let known = provider::check_push_type(&asked.push_type);
    if !rules.as_gaurun {
        known.clone()?;
    }
    let wakes = asked.content_available || &*asked.push_type == "background";
    let wakes = wakes && !rules.as_gaurun;
    if asked.message.is_empty() {
        let has_text = !asked.title.is_empty() || !asked.subtitle.is_empty();
        let has_sound = asked.sound.0 != ExtendValue::default();
        let has_field = has_text || has_sound || asked.badge.is_some();
        let has_content = has_field && !rules.as_gaurun
            || CONTENT.iter().any(|name| asked.native.get(name).is_some());
        let may_be_empty =
            wakes || has_content || !vendor.needs_message(&asked.push_type, &asked.native);
        if !may_be_empty && !rules.allows_empty_message {
            return Err(EMPTY_MESSAGE.into());
        }
    }
    known.map_err(|_| GAURUNS_PUSH_TYPES.into())
}

/// Refuses several targets where a part of the notification names the one push of it.
fn check_alone(
    part: Option<&'static str>,
    kind: TargetKind,
    targets: usize,
) -> Result<(), NotPushed> {
    let Some(part) = part.filter(|_| targets > 1) else {
        return Ok(());
    };
    let what = match kind {
        TargetKind::DeviceToken => "device tokens",
        _ => "targets",
    };
    Err(NotPushed {
        part: part.into(),
        error: format!("{part} names one push, and there are {targets} {what}").into(),
    })
}

/// To whom a notification goes: the field that says it, what its targets are, and each of them.
fn targets(
    vendor: &dyn Vendor,
    asked: &mut Asked,
    as_gaurun: bool,
) -> Result<(&'static str, TargetKind, Tokens), NotPushed> {
    let (name, tokens) = tokens(asked)?;
    let Some(named) = vendor.targets(&asked.native, as_gaurun)? else {
        return Ok((name, TargetKind::DeviceToken, tokens));
    };
    let field = named.field;
    if !tokens.list.is_empty() {
        return Err(NotPushed {
            part: field.into(),
            error: format!("{field} stands beside {name}, and a push has one target").into(),
        });
    }
    let tokens = Tokens {
        is_single: named.texts.len() == 1,
        list: named.texts,
    };
    Ok((field, named.kind, tokens))
}

/// That a notification which says more than Gaurun's could goes to nobody: what stands there may be
/// meant for its target.
fn no_target(
    vendor: &dyn Vendor,
    (name, kind): (&'static str, TargetKind),
    native: &Native,
) -> NotPushed {
    let mut meant = TARGET_FIELDS
        .into_iter()
        .filter(|name| native.get(name).is_some());
    let part = match kind {
        TargetKind::DeviceToken => meant.next().unwrap_or_default(),
        _ => name,
    };
    let (provider, fields) = (vendor.name(), vendor.target_fields());
    NotPushed {
        part: part.into(),
        error: format!("{NO_TARGET}: {provider} pushes to what stands in {fields}").into(),
    }
}

/// The device tokens of a notification, and the name under which they stand.
fn tokens(asked: &mut Asked) -> Result<(&'static str, Tokens), NotPushed> {
    let [token, tokens] = [asked.token.take(), asked.tokens.take()];
    let (token, tokens) = (token.unwrap_or_default(), tokens.unwrap_or_default());
    match (token.list.is_empty(), tokens.list.is_empty()) {
        (false, false) => Err(NotPushed {
            part: TOKENS.into(),
            error: "tokens stands beside token, and one of them is enough".into(),
        }),
        (true, false) => Ok((TOKENS, tokens)),
        (_, true) => Ok((TOKEN, token)),
    }
}

/// What a caller has asked for, to that lane.
pub(super) fn notification(lane: LaneId, mut asked: Asked) -> Notification {
    let sound = match asked.sound.0 {
        ExtendValue::Text(name) => name,
        ExtendValue::Json(json) => {
            asked.native.set("sound", json);
            Box::default()
        }
    };
    Notification {
        message: asked.message,
        identifier: asked.identifier,
        title: asked.title,
        subtitle: asked.subtitle,
        category: asked.category,
        sound,
        push_type: asked.push_type,
        collapse_key: asked.collapse_key,
        priority: asked.priority.0,
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
        // The service knows how its request is named; here nothing is known but the body.
        ..Notification::empty(lane)
    }
}

/// Fields that may say what there is to be shown or done in the place of a message: what comes of
/// them, the provider tells.
const CONTENT: [&str; 9] = [
    "alert",
    "live_activity",
    "content_changed",
    "apns",
    "notification",
    "android",
    "android_v2",
    "webpush",
    "fcm",
];

/// Our limit: bytes of a notification's texts, which stand in its log lines: what a provider takes
/// of them, and as much again. How many lines have them, [`crate::log::line::TEXTS_RATIO`] bounds.
pub const LOGGED_MAX: usize = 8192;

/// Our limit: bytes of the values of a notification's fields that Gaurun did not have: what a
/// provider takes, with each letter escaped, and as much again.
pub const NATIVE_MAX: usize = 64 * 1024;

/// Our limit: lines of a request about device tokens that are sent nothing, since their platform is
/// disabled or they are malformed. No queue bounds them, and the line of a device token of one
/// character is seventy times as long as its part of the request.
pub const UNSENT_LOGGED_MAX: usize = 128;

#[cfg(test)]
mod tests;
