//! From a notification to the message that FCM is sent: from its fields, or as its caller gives it
//! under `fcm`.
//!
//! What shows on a phone is said once for both providers; here it becomes a `notification` with
//! what belongs to Android beside it, or, where the style is that of data, what Gaurun sent:
//! `data.message`, which the app shows itself. What a caller gives in Google's own objects goes out
//! as it is, and the rest is filled in where these say nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::common::{
    DATA_MAX, SizedPart, SizedParts, begin, beside, check_apns_payload, check_size, end, lifetime,
    next_field, own_lifetime, priority,
};
use super::fields::{MessageFields, MessageValue, write_texts};
use super::given::as_given;
use super::message::{is_idle, is_silent, payload};
use super::schema::{self, MESSAGE};
use super::target;
use super::text::is_reserved;
use crate::moment::Moment;
use crate::provider::said::SaidValue;
use crate::provider::shared::{self, Datum};
use crate::provider::{AndroidStyle, Built, Fault, QUOTE_MAX, Site, Unused};
use crate::push::{Content, Envelope, Lifetime, Notification, TargetKind};
use crate::texts;

/// Fields beside Gaurun's that are used whatever the message is.
const USED: [&str; 13] = [
    "ttl",
    "expires_at",
    "collapse_id",
    "data",
    "notification",
    "android",
    "android_v2",
    "apns",
    "webpush",
    "fcm_options",
    "fid",
    "topic",
    "condition",
];

/// Fields beside Gaurun's that say how a notification shows.
const SHOWN: [&str; 5] = ["image", "tag", "channel_id", "click_action", "sound"];

/// Fields beside Gaurun's that are used beside a message that is given as it is.
const BESIDE_GIVEN: [&str; 7] = [
    "fcm",
    "ttl",
    "expires_at",
    "fid",
    "topic",
    "condition",
    "validate_only",
];

/// Gaurun's fields that have no effect.
const UNUSED: &[&str] = &["subtitle", "mutable_content", "expiry", "delay_while_idle"];

/// Gaurun's fields that have an effect only where they make a push without a message a silent one.
const WAKING: &[&str] = &["content_available", "push_type"];

/// Gaurun's fields that have none where the app shows what it gets.
const UNUSED_IN_DATA: &[&str] = &["title", "badge", "category", "sound"];

/// Gaurun's fields that have none beside a message that is given as it is.
const UNUSED_BESIDE_GIVEN: &[&str] = &[
    "message",
    "extend",
    "collapse_key",
    "priority",
    "title",
    "badge",
    "category",
    "sound",
];

/// Builds what is sent of a notification.
pub(super) fn build(
    notification: &Notification,
    site: Site,
    now: Moment,
    unused: &mut Unused,
) -> Result<Built, Fault> {
    unused.note_said(notification, UNUSED);
    let targets = target::named(&notification.native)?;
    let kind = targets.map_or(TargetKind::DeviceToken, |targets| targets.kind);
    let mut envelope = Envelope {
        target: kind,
        ..Envelope::to(notification.lane)
    };
    let native = &notification.native;
    if let Some(given) = SaidValue::of(native, "fcm") {
        unused.note_said(notification, UNUSED_BESIDE_GIVEN);
        unused.note_said(notification, WAKING);
        unused.note_native(notification, |name| !BESIDE_GIVEN.contains(&name));
        let (content, lifetime) = as_given(&given, notification, kind, now, unused)?;
        envelope.lifetime = lifetime;
        return Ok(Built::of(envelope, content, false));
    }
    let mut said = SaidObjects::read(notification, unused)?;
    let shows = said.shows(notification, site)?;
    unused.note_native(notification, |name| {
        let is_used = USED.contains(&name) || name == "validate_only";
        !(is_used || shows && SHOWN.contains(&name))
    });
    if !shows {
        unused.note_said(notification, UNUSED_IN_DATA);
    }
    if shows || !is_silent(notification) {
        unused.note_said(notification, WAKING);
    } else if !matches!(&*notification.push_type, "" | "background") {
        unused.fields.push("push_type");
    }
    if native.is_empty() && !shows {
        envelope.lifetime = Lifetime::positive_secs(notification.time_to_live);
        let content = payload(notification, site.as_gaurun)?;
        return Ok(Built::of(envelope, content, is_idle(notification)));
    }
    envelope.lifetime = said.lifetime(notification, now)?;
    if shows {
        said.fill_shown(notification, unused)?;
    }
    said.fill_android(notification, unused)?;
    let is_idle =
        !shows && is_idle(notification) && said.android.is_hollow() && said.others.is_hollow();
    let data = data(notification, shows, site)?;
    said.check_size(notification, &data)?;
    let content = said.write(kind, &data, shows)?;
    Ok(Built::of(envelope, content, is_idle))
}

/// The objects of a message that a caller has said, and what is filled in.
struct SaidObjects<'a> {
    /// Whether the key `notification` says that there is one, or none.
    wants: Option<bool>,
    notification: MessageFields<'a>,
    /// `android`, or `android_v2`.
    android: MessageFields<'a>,
    is_v2: bool,
    /// The others.
    others: MessageFields<'a>,
    validate_only: bool,
}

impl<'a> SaidObjects<'a> {
    fn read(notification: &'a Notification, unused: &mut Unused) -> Result<Self, Fault> {
        let mut said = Self {
            wants: None,
            notification: MessageFields::default(),
            android: MessageFields::default(),
            is_v2: false,
            others: MessageFields::default(),
            validate_only: false,
        };
        let native = &notification.native;
        if native.is_empty() {
            return Ok(said);
        }
        for field in MESSAGE {
            let Some(value) = SaidValue::of(native, field.name) else {
                continue;
            };
            if field.name == "notification" && !value.is_object() && value.json() != "null" {
                let flag = value.flag();
                let flag = flag.map_err(|_| value.is_not("true, false or an object"))?;
                said.wants = Some(flag);
                continue;
            }
            let Some(MessageValue::Object(fields)) = schema::read(field, &value, unused)? else {
                continue;
            };
            match field.name {
                "notification" => {
                    said.wants = Some(true);
                    said.notification = fields;
                }
                "android" => said.android = fields,
                "android_v2" => {
                    if SaidValue::of(native, "android").is_some_and(|other| other.json() != "null")
                    {
                        return Err(value.fault("stands beside android: FCM takes one of them"));
                    }
                    said.android = fields;
                    said.is_v2 = true;
                }
                name => said.others.set(name, MessageValue::Object(fields)),
            }
        }
        let validate_only = SaidValue::of(native, "validate_only");
        said.validate_only = validate_only.is_some_and(|said| said.flag() == Ok(true));
        if let Some(said) = SaidValue::of(native, "validate_only") {
            said.flag()?;
        }
        Ok(said)
    }

    /// Whether what it says is shown by the phone, and not by the app.
    fn shows(&self, notification: &Notification, site: Site) -> Result<bool, Fault> {
        let image = SaidValue::of(&notification.native, "image");
        let has_text = !notification.message.is_empty() || !notification.title.is_empty();
        let has_any = has_text || image.is_some() || !self.notification.is_empty();
        let is_silent = is_silent(notification)
            && notification.title.trim().is_empty()
            && image.is_none()
            && self.notification.is_empty();
        match self.wants {
            Some(false) => Ok(false),
            Some(true) if !has_any && !self.has_own_notification() => Err(Fault {
                pointer: "notification".into(),
                error: "notification asks for one, and there is no message, title or image to show"
                    .to_owned(),
            }),
            Some(true) => Ok(true),
            None => Ok(site.style == AndroidStyle::Notification && has_any && !is_silent),
        }
    }

    /// Whether the caller has said a notification in Android's own object.
    fn has_own_notification(&self) -> bool {
        self.android.has("notification") || self.android.has("remote_notification")
    }

    /// How long it lives, by the shared fields and by its own object.
    fn lifetime(&mut self, notification: &Notification, now: Moment) -> Result<Lifetime, Fault> {
        let own = self.android.take("ttl");
        let Some(text) = own.as_ref().and_then(MessageValue::text) else {
            return lifetime(notification, now);
        };
        let at = if self.is_v2 {
            "android_v2/ttl"
        } else {
            "android/ttl"
        };
        own_lifetime(at, &text, notification, now)
    }

    /// Fills in what shows on a phone.
    fn fill_shown(
        &mut self,
        notification: &'a Notification,
        unused: &mut Unused,
    ) -> Result<(), Fault> {
        let native = &notification.native;
        // Android's own texts stand before the common ones: these are then said in vain.
        let own = self.own_notification();
        let texts = [
            ("title", "title", &*notification.title),
            ("body", "message", &*notification.message),
        ];
        for (name, by, text) in texts {
            let own = own.and_then(|own| own.get(name));
            let is_other = own.is_some_and(|own| own.text().is_none_or(|own| *own != *text));
            if !text.is_empty() && is_other {
                return Err(beside(&format!("{}/{name}", self.own_path()), by));
            }
        }
        for (name, by, text) in texts {
            if !text.is_empty() {
                fill(
                    &mut self.notification,
                    "notification",
                    name,
                    by,
                    MessageValue::Text(text.into()),
                )?;
            }
        }
        let image = SaidValue::of(native, "image");
        let image = image.map(|image| schema::read(&schema::IMAGE, &image, unused));
        if let Some(node) = image.transpose()?.flatten() {
            let own = self.own_notification().and_then(|own| own.get("image"));
            if own.is_some_and(|own| own.text() != node.text()) {
                return Err(beside(&format!("{}/image", self.own_path()), "image"));
            }
            fill(
                &mut self.notification,
                "notification",
                "image",
                "image",
                node,
            )?;
        }
        let shown = shown(notification, unused)?;
        if shown.is_empty() {
            return Ok(());
        }
        if self.android.has("background_sync") {
            unused.fields.extend(shown.iter().map(|(_, by, _)| *by));
            return Ok(());
        }
        let path = self.own_path();
        let mut outer = if self.is_v2 {
            self.android.take_object("remote_notification")
        } else {
            MessageFields::default()
        };
        let holder = if self.is_v2 {
            &mut outer
        } else {
            &mut self.android
        };
        let mut own = holder.take_object("notification");
        for (name, by, node) in shown {
            fill(&mut own, path, name, by, node)?;
        }
        holder.set("notification", MessageValue::Object(own));
        if self.is_v2 {
            self.android
                .set("remote_notification", MessageValue::Object(outer));
        }
        Ok(())
    }

    /// Android's own notification, if there is one.
    fn own_notification(&self) -> Option<&MessageFields<'a>> {
        let holder = if self.is_v2 {
            self.android.object("remote_notification")?
        } else {
            &self.android
        };
        holder.object("notification")
    }

    /// Where Android's own notification stands in a request.
    fn own_path(&self) -> &'static str {
        if self.is_v2 {
            "android_v2/remote_notification/notification"
        } else {
            "android/notification"
        }
    }

    /// Fills in what says how the message is brought to an Android device.
    fn fill_android(
        &mut self,
        notification: &'a Notification,
        unused: &mut Unused,
    ) -> Result<(), Fault> {
        let path = if self.is_v2 { "android_v2" } else { "android" };
        let collapse_id = shared::collapse_id(notification)?;
        let key = match &collapse_id {
            Some(id) => Some(("collapse_id", Cow::Owned(id.clone()))),
            None if notification.collapse_key.is_empty() => None,
            None => Some(("collapse_key", Cow::Borrowed(&*notification.collapse_key))),
        };
        if let Some((by, key)) = key {
            fill(
                &mut self.android,
                path,
                "collapse_key",
                by,
                MessageValue::Text(key),
            )?;
        }
        let Some(urgency) = shared::urgency(notification)? else {
            return Ok(());
        };
        if self.is_v2 {
            unused.fields.push("priority");
            return Ok(());
        }
        let word = MessageValue::Text(priority(urgency).into());
        fill(&mut self.android, path, "priority", "priority", word)
    }

    /// Refuses what is over the limit by its texts alone: how FCM counts is not published.
    fn check_size(&self, notification: &Notification, data: &AppData<'_>) -> Result<(), Fault> {
        let (own_path, own_data) = if self.is_v2 {
            (self.own_path(), "android_v2/data")
        } else {
            (self.own_path(), "android/data")
        };
        let fields = |fields: &MessageFields<'_>, object: &'static str| {
            let parts = fields.iter().map(|(key, node)| SizedPart {
                object: Cow::Borrowed(object),
                key: Cow::Borrowed(key),
                len: key.len() + node.texts_len(),
            });
            parts.collect()
        };
        let apns = self
            .others
            .object("apns")
            .and_then(|apns| apns.get("payload"));
        if let Some(MessageValue::Json(payload)) = apns {
            check_apns_payload("apns/payload", payload)?;
        }
        let own = self.own_notification();
        // Most are far below it, whatever of them counts.
        let objects = own.into_iter().chain([&self.notification]);
        let objects = objects.map(MessageFields::texts_len).sum::<usize>();
        let texts = data.iter().map(|(key, text)| key.len() + text.len());
        let own_data_value = self.android.get("data");
        let own_len = own_data_value.map_or(0, MessageValue::texts_len);
        if objects + texts.sum::<usize>() + own_len <= DATA_MAX {
            return Ok(());
        }
        let parts = SizedParts {
            notification: fields(&self.notification, "notification"),
            own_notification: own.map_or_else(Vec::new, |own| fields(own, own_path)),
            data: (data.iter())
                .map(|(key, text)| SizedPart::of_text("data", key, text))
                .collect(),
            own_data: match own_data_value {
                Some(MessageValue::Texts(texts)) => Some(
                    (texts.iter())
                        .map(|(key, text)| SizedPart::of_text(own_data, key, text))
                        .collect(),
                ),
                _ => None,
            },
        };
        check_size(&parts.counted(), |part| {
            let is_extended = || notification.extend.iter().any(|it| *it.key == *part.key);
            let as_said = match &*part.object {
                "data" if is_extended() => Some("extend"),
                "data" if part.key == "message" && !notification.message.is_empty() => {
                    Some("message")
                }
                object if object.ends_with("notification") => said_as(notification, &part.key),
                _ => None,
            };
            as_said.map_or_else(|| part.place(), str::to_owned)
        })
    }

    fn write(&self, kind: TargetKind, data: &AppData<'_>, shows: bool) -> Result<Content, Fault> {
        let mut out = begin(kind);
        let target = out.len();
        out.push(b'"');
        if !self.notification.is_empty() {
            next_field(&mut out, "notification");
            self.notification.write_open(&mut out);
            out.push(b'}');
        }
        if !data.is_empty() || !shows {
            next_field(&mut out, "data");
            write_texts(data.iter().map(|(key, text)| (&**key, &**text)), &mut out);
        }
        let name = if self.is_v2 { "android_v2" } else { "android" };
        next_field(&mut out, name);
        self.android.write_open(&mut out);
        let ttl = out.len();
        out.push(b'}');
        for (name, node) in self.others.iter() {
            next_field(&mut out, name);
            node.write(&mut out);
        }
        end(&mut out, self.validate_only);
        let slots = u32::try_from(target).ok().zip(u32::try_from(ttl).ok());
        let content = slots.and_then(|(target, ttl)| Content::with_slots(out, target, ttl));
        content.ok_or_else(|| Fault::of_all("the message is too long".to_owned()))
    }
}

/// Texts that the app is given, by their keys.
type AppData<'a> = BTreeMap<Cow<'a, str>, Cow<'a, str>>;

/// What a caller says once for both providers of how a notification shows: Android's name of it,
/// the caller's, and its value.
fn shown<'a>(
    notification: &'a Notification,
    unused: &mut Unused,
) -> Result<Vec<(&'static str, &'static str, MessageValue<'a>)>, Fault> {
    let native = &notification.native;
    let mut shown = Vec::new();
    let mut add = |name, by, text: Cow<'a, str>| {
        if !text.is_empty() {
            shown.push((name, by, MessageValue::Text(text)));
        }
    };
    add("sound", "sound", Cow::Borrowed(&*notification.sound));
    if let Some(sound) = SaidValue::of(native, "sound") {
        for (name, part) in sound.members()? {
            if name == "name" {
                add("sound", "sound", part.text()?.into());
            } else {
                unused.note_part(part.at());
            }
        }
    }
    for name in ["tag", "channel_id"] {
        if let Some(said) = SaidValue::of(native, name) {
            add(name, name, said.text()?.into());
        }
    }
    let category = &*notification.category;
    match SaidValue::of(native, "click_action") {
        Some(said) => {
            let action = said.text()?;
            if !category.is_empty() && *action != *category {
                return Err(beside("click_action", "category"));
            }
            add("click_action", "click_action", action.into());
        }
        None => add("click_action", "category", Cow::Borrowed(category)),
    }
    match notification.badge {
        Some(badge) if badge < 0 => {
            let error = format!("badge is {badge}, and must not be negative");
            let pointer = "badge".into();
            return Err(Fault { pointer, error });
        }
        Some(badge) if badge > i64::from(i32::MAX) => {
            let error = format!("badge is {badge}, and must be at most {}", i32::MAX);
            let pointer = "badge".into();
            return Err(Fault { pointer, error });
        }
        // FCM takes 0 for nothing said.
        Some(badge @ 1..) => {
            let count = MessageValue::Json(badge.to_string().into());
            shown.push(("notification_count", "badge", count));
        }
        _ => {}
    }
    Ok(shown)
}

/// The field in which a caller has said a part of what shows, if not in Google's own object.
fn said_as<'n>(notification: &Notification, name: &'n str) -> Option<&'n str> {
    let is_native = |name: &str| notification.native.get(name).is_some();
    let (by, is_said) = match name {
        "title" => ("title", !notification.title.is_empty()),
        "body" => ("message", !notification.message.is_empty()),
        "sound" => (
            "sound",
            !notification.sound.is_empty() || is_native("sound"),
        ),
        "click_action" if !is_native(name) => ("category", !notification.category.is_empty()),
        name => (name, is_native(name)),
    };
    is_said.then_some(by)
}

/// Adds a field of which the caller has said the same elsewhere, if at all.
fn fill<'a>(
    fields: &mut MessageFields<'a>,
    path: &str,
    name: &'static str,
    by: &str,
    node: MessageValue<'a>,
) -> Result<(), Fault> {
    match fields.get(name) {
        None => {
            fields.set(name, node);
            Ok(())
        }
        Some(own) if *own == node || (own.text().is_some() && own.text() == node.text()) => Ok(()),
        Some(_) => Err(beside(&format!("{path}/{name}"), by)),
    }
}

/// What the app is given: the caller's data, and the message where the app is to show it.
fn data(notification: &Notification, shows: bool, site: Site) -> Result<AppData<'_>, Fault> {
    let mut data = AppData::new();
    for (key, datum) in shared::data(notification)? {
        let is_extended = matches!(datum, Datum::Extended(_));
        if is_reserved(&key) {
            let quoted = texts::first(&key, QUOTE_MAX);
            return Err(if is_extended {
                let error = format!("extend must not have the key {quoted:?}, which FCM reserves");
                Fault::of_all(error)
            } else {
                Fault {
                    pointer: format!("data/{}", texts::reference(&key)).into(),
                    error: format!("data must not have the key {quoted:?}, which FCM reserves"),
                }
            });
        }
        let text: Cow<'_, str> = match datum {
            Datum::Extended(value) => value.as_str().into(),
            Datum::Json(raw) if raw.get() == "null" => continue,
            Datum::Json(raw) if raw.get().starts_with('"') => {
                let text: String = serde_json::from_str(raw.get()).unwrap_or_default();
                text.into()
            }
            Datum::Json(raw) => raw.get().into(),
        };
        let is_beside = key == "message" && !shows && !notification.message.is_empty();
        if is_beside && !is_extended && *text != *notification.message {
            return Err(beside("data/message", "message"));
        }
        data.insert(key, text);
    }
    let is_silent = !site.as_gaurun && is_silent(notification);
    let is_data_alone = notification.message.is_empty() && !notification.native.is_empty();
    if !shows && !is_silent && !is_data_alone {
        let message = Cow::Borrowed(&*notification.message);
        data.entry("message".into()).or_insert(message);
    }
    Ok(data)
}

#[cfg(test)]
mod tests;
