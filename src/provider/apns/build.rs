//! From a notification to what APNs is sent: its payload and the header fields of its requests,
//! from its fields, or as its caller gives them under `apns`.

use super::head::OwnHead;
use super::live_activity::{NO_START, START};
use super::payload::{check_size, has_blank_texts, has_own_alert, payload, unused_in};
use super::push_type::{ALERT, BACKGROUND};
use super::{CHANNEL, LARGE_PAYLOAD_MAX, PAYLOAD_MAX};
use crate::moment::Moment;
use crate::provider::said::SaidValue;
use crate::provider::{Built, Fault, Site, Unused};
use crate::push::{Content, Envelope, Native, Notification, PushType, TargetKind};

/// Fields beside Gaurun's that go into the head.
const IN_HEAD: [&str; 7] = [
    CHANNEL,
    "ttl",
    "expires_at",
    "collapse_id",
    "topic",
    "apns_id",
    "apns",
];

/// Fields beside Gaurun's that go into the payload.
const IN_PAYLOAD: [&str; 13] = [
    "data",
    "image",
    "thread_id",
    "click_action",
    "alert",
    "sound",
    "target_content_id",
    "interruption_level",
    "relevance_score",
    "filter_criteria",
    "content_changed",
    "url_args",
    "live_activity",
];

/// Gaurun's fields that go into the payload.
const GAURUNS_IN_PAYLOAD: &[&str] = &[
    "message",
    "extend",
    "title",
    "subtitle",
    "badge",
    "category",
    "sound",
    "content_available",
    "mutable_content",
];

/// Gaurun's fields that have no effect.
const UNUSED: &[&str] = &["collapse_key", "time_to_live", "delay_while_idle"];

/// Builds what is sent of a notification by what its site says.
pub(super) fn build(
    notification: &mut Notification,
    site: Site,
    now: Moment,
    unused: &mut Unused,
) -> Result<Built, Fault> {
    let as_gaurun = site.as_gaurun;
    let given = Given::under_apns(&notification.native, unused)?;
    if !as_gaurun && only_wakes(notification, &given)? {
        notification.push_type = BACKGROUND.into();
    }
    let notification = &*notification;
    let channel = SaidValue::of(&notification.native, CHANNEL);
    if let Some(channel) = channel.as_ref().filter(|_| site.lacks_topic) {
        let what = "needs the app's bundle id: set topic in the section of its lane";
        return Err(channel.fault(what));
    }
    unused.note_said(notification, UNUSED);
    let head = OwnHead::read(notification, given.headers.as_ref(), as_gaurun, now)?;
    if head.ignores_priority {
        unused.note_said(notification, &["priority"]);
    }
    let (body, is_idle) = if let Some(payload) = given.payload {
        note_in_vain(notification, GAURUNS_IN_PAYLOAD, unused);
        unused.note_native(notification, |name| !IN_HEAD.contains(&name));
        let is_empty = check_given(&payload, head.push_type, channel.is_some())?;
        let is_idle = is_empty && head.push_type == PushType::Alert;
        (payload.json().as_bytes().to_vec(), is_idle)
    } else {
        let in_vain = unused_in(head.push_type);
        note_in_vain(notification, in_vain, unused);
        unused.note_native(notification, |name| {
            let is_known = IN_HEAD.contains(&name) || IN_PAYLOAD.contains(&name);
            !is_known || in_vain.contains(&name)
        });
        payload(notification, head.push_type, as_gaurun, now, unused)?
    };
    let most = if channel.is_some() || head.push_type == PushType::Voip {
        LARGE_PAYLOAD_MAX
    } else {
        PAYLOAD_MAX
    };
    check_size(&body, most).map_err(Fault::of_all)?;
    let mut target = TargetKind::DeviceToken;
    if channel.is_some() {
        target = TargetKind::Channel;
        // It has no apns-collapse-id: each update of an activity replaces the one before it.
        let collapses = notification.native.get("collapse_id");
        unused.fields.extend(collapses.map(|_| "collapse_id"));
    }
    let envelope = Envelope {
        target,
        push_type: head.push_type,
        has_own_topic: head.has_own_topic,
        lifetime: head.lifetime,
        ..Envelope::to(notification.lane)
    };
    let mut content = Content::whole(body);
    if !head.fields.is_empty() {
        let fields = head.fields.iter().map(|(name, value)| (&**name, &**value));
        content = content.with_head(&fields.collect::<Vec<_>>());
    }
    Ok(Built::of(envelope, content, is_idle))
}

/// Adds those of Gaurun's fields that have no place in a payload: a badge of 0, too, which clears
/// the icon.
fn note_in_vain(notification: &Notification, in_vain: &[&'static str], unused: &mut Unused) {
    unused.note_said(notification, in_vain);
    if notification.badge == Some(0) && in_vain.contains(&"badge") {
        unused.fields.push("badge");
    }
}

/// What a caller gives under `apns` to be sent as it is.
#[derive(Default)]
struct Given<'a> {
    headers: Option<SaidValue<'a>>,
    payload: Option<SaidValue<'a>>,
}

impl<'a> Given<'a> {
    fn under_apns(native: &'a Native, unused: &mut Unused) -> Result<Self, Fault> {
        let mut given = Self::default();
        let Some(said) = SaidValue::of(native, "apns") else {
            return Ok(given);
        };
        for (name, said) in said.members()? {
            match &*name {
                "headers" => given.headers = Some(said),
                "payload" => given.payload = Some(said),
                _ => unused.note_part(said.at()),
            }
        }
        Ok(given)
    }

    /// Whether what kind of push it is, is said here.
    fn decides(&self) -> Result<bool, Fault> {
        let headers = self.headers.as_ref().map(SaidValue::members).transpose()?;
        let is_type = |name: &String| name.eq_ignore_ascii_case("apns-push-type");
        Ok(self.payload.is_some() || headers.is_some_and(|all| all.keys().any(is_type)))
    }
}

/// Refuses what APNs refuses of a payload, whatever is in it. Whether anything is.
fn check_given(
    payload: &SaidValue<'_>,
    push_type: PushType,
    is_broadcast: bool,
) -> Result<bool, Fault> {
    let members = payload.members()?;
    let aps = members.get("aps");
    let aps_members = aps.map(SaidValue::members).transpose()?.unwrap_or_default();
    let is_available = aps_members
        .get("content-available")
        .is_some_and(|said| said.json() == "1");
    if push_type == PushType::Background && !is_available {
        let what = "must have \"content-available\":1 in its aps, as every background push";
        return Err(payload.fault(what));
    }
    if let Some(event) = aps_members.get("event").filter(|_| is_broadcast)
        && event.text().is_ok_and(|word| word == START)
    {
        return Err(event.fault(NO_START));
    }
    Ok(aps_members.is_empty() && members.keys().all(|name| name == "aps"))
}

/// Whether it is to wake the app and nothing in it is to be shown: then it is a background push.
fn only_wakes(notification: &Notification, given: &Given<'_>) -> Result<bool, Fault> {
    let says_otherwise = !matches!(&*notification.push_type, "" | ALERT | BACKGROUND);
    if !notification.content_available || says_otherwise {
        return Ok(false);
    }
    let native = &notification.native;
    let is_said = |name| native.get(name).is_some();
    Ok(has_blank_texts(notification)
        && notification.sound.is_empty()
        && notification.badge.is_none()
        && !is_said("sound")
        && !is_said("live_activity")
        && !is_said(CHANNEL)
        && !given.decides()?
        && !has_own_alert(notification)?)
}
