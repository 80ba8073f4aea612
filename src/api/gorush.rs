//! What gorush's callers post to `/api/push`, as a body of `POST /push`, and the answer that they
//! expect.
//!
//! Pure: no I/O, no clock. Fields that have gorush's names here too are handed on as they are, and
//! so are unknown ones, which are told as ignored. Facts from gorush's README and from the fields
//! of its `PushNotification`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};

use crate::http1::reply::Reply;
use crate::texts;

/// The members of an object, of equal names the last, as they were written.
type GorushMembers<'a> = BTreeMap<Cow<'a, str>, Cow<'a, RawValue>>;

/// The body of `POST /push` that asks for the same. Of notifications the first `most` are looked
/// at, and the others counted, which is enough to refuse them.
///
/// # Errors
///
/// Why the body is malformed.
pub(super) fn translated(body: &[u8], most: usize) -> Result<Vec<u8>, serde_json::Error> {
    let text = super::request::text_of(body);
    let mut outermost = GorushBody {
        out: Vec::with_capacity(text.len()),
        most,
    };
    let mut json = serde_json::Deserializer::from_str(&text);
    json.deserialize_map(&mut outermost)?;
    json.end()?;
    Ok(outermost.out)
}

/// The outermost object, and the same for `POST /push`.
struct GorushBody {
    out: Vec<u8>,
    most: usize,
}

impl<'de> Visitor<'de> for &mut GorushBody {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with notifications")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.out.push(b'{');
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if self.out.len() > 1 {
                self.out.push(b',');
            }
            put(&mut self.out, &name);
            self.out.push(b':');
            if name == NOTIFICATIONS {
                map.next_value_seed(NotificationList(self))?;
            } else {
                // Only its name is told.
                map.next_value::<IgnoredAny>()?;
                put(&mut self.out, &0);
            }
        }
        self.out.push(b'}');
        Ok(())
    }
}

/// The list of notifications.
struct NotificationList<'a>(&'a mut GorushBody);

impl<'de> DeserializeSeed<'de> for NotificationList<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for NotificationList<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of notifications")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        put(&mut self.0.out, &[0; 0]);
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self(GorushBody { out, most }) = self;
        out.push(b'[');
        let mut count = 0_usize;
        loop {
            let members = if count < *most {
                seq.next_element::<GorushMembers<'de>>()?.map(notification)
            } else {
                seq.next_element::<IgnoredAny>()?
                    .map(|_| GorushMembers::new())
            };
            let Some(members) = members else {
                break;
            };
            if count > 0 {
                out.push(b',');
            }
            put(out, &members);
            count = count.saturating_add(1);
        }
        out.push(b']');
        Ok(())
    }
}

/// One notification, with the names that its members have in `POST /push`.
fn notification(mut said: GorushMembers<'_>) -> GorushMembers<'_> {
    let is_ios = said.get("platform").is_some_and(|said| said.get() == "1");
    for (theirs, ours) in RENAMED {
        if let Some(value) = said.remove(*theirs) {
            said.insert((*ours).into(), value);
        }
    }
    add_to(&mut said, is_ios);
    add_sound(&mut said);
    add_time(&mut said);
    add_environment(&mut said);
    add_live_activity(&mut said);
    if is_ios {
        prefer_alert(&mut said);
    } else {
        add_android(&mut said);
    }
    said
}

/// gorush's names, and ours.
const RENAMED: &[(&str, &str)] = &[
    ("notif_id", "identifier"),
    ("tokens", "token"),
    ("thread-id", "thread_id"),
    ("url-args", "url_args"),
    ("dry_run", "validate_only"),
];

/// `to` is one more token, or on Android a topic.
fn add_to(said: &mut GorushMembers<'_>, is_ios: bool) {
    let Some(to) = said.get("to").and_then(|to| text(to)) else {
        return;
    };
    said.remove("to");
    if let Some(topic) = to.strip_prefix("/topics/").filter(|_| !is_ios) {
        said.insert("topic".into(), raw(&topic));
        return;
    }
    let tokens = said.get("token").map(|tokens| tokens.get().to_owned());
    let tokens = tokens.unwrap_or_default();
    let mut tokens: Vec<&RawValue> = serde_json::from_str(&tokens).unwrap_or_default();
    let to = raw(&to);
    tokens.push(&to);
    let tokens = raw(&tokens);
    said.insert("token".into(), tokens);
}

/// `name` and `volume` are members of the sound.
fn add_sound(said: &mut GorushMembers<'_>) {
    let parts = ["name", "volume"].map(|name| said.remove(name).map(|value| (name.into(), value)));
    if parts.iter().all(Option::is_none) {
        return;
    }
    let sound = said.remove("sound");
    let name = sound.as_ref().and_then(|sound| text(sound));
    let mut sound = match (&sound, name) {
        (_, Some(name)) => GorushMembers::from([("name".into(), raw(&name))]),
        (Some(sound), None) => members(sound),
        (None, None) => GorushMembers::new(),
    };
    sound.extend(parts.into_iter().flatten());
    let sound = raw(&sound);
    said.insert("sound".into(), sound);
}

/// `expiration` is Apple's: seconds since the Unix epoch, and 0 for one attempt.
fn add_time(said: &mut GorushMembers<'_>) {
    if let Some(expiration) = said.remove("expiration") {
        let ours = if expiration.get() == "0" {
            "ttl"
        } else {
            "expires_at"
        };
        said.insert(ours.into(), expiration);
    }
}

fn add_environment(said: &mut GorushMembers<'_>) {
    let mut environment = None;
    for (theirs, ours) in [("development", "sandbox"), ("production", "production")] {
        let is_said = said.remove(theirs).is_some_and(|said| said.get() == "true");
        environment = is_said.then_some(ours).or(environment);
    }
    if let Some(environment) = environment {
        said.insert("environment".into(), raw(&environment));
    }
}

/// What gorush has of a Live Activity beside the other fields.
fn add_live_activity(said: &mut GorushMembers<'_>) {
    let mut activity = GorushMembers::new();
    for name in [
        "event",
        "content-state",
        "timestamp",
        "stale-date",
        "dismissal-date",
    ] {
        if let Some(value) = said.remove(name) {
            activity.insert(name.into(), value);
        }
    }
    if !activity.is_empty() {
        let activity = raw(&activity);
        said.insert("live_activity".into(), activity);
    }
}

/// What the alert says stands for the fields that say the same.
fn prefer_alert(said: &mut GorushMembers<'_>) {
    let Some(alert) = said.get("alert") else {
        return;
    };
    let alert = members(alert);
    let says = |name: &str| {
        let member = alert.get(name).and_then(|member| text(member));
        member.is_some_and(|text| !text.is_empty())
    };
    let (has_body, has_title) = (says("body"), says("title"));
    for (name, is_said) in [("message", has_body), ("title", has_title)] {
        if is_said {
            said.remove(name);
        }
    }
}

/// Whatever is said to show is a notification there; members that Google's `notification` does not
/// have are Android's.
fn add_android(said: &mut GorushMembers<'_>) {
    let mut android = said.get("android").map(|android| members(android));
    if let Some(package) = said.remove("restricted_package_name") {
        let android = android.get_or_insert_default();
        android.insert("restricted_package_name".into(), own(&package));
    }
    let notification = said.get("notification").filter(|said| said.get() != "null");
    let notification = notification.map(|notification| members(notification));
    let (common, of_android) = match notification {
        Some(notification) => parted(notification),
        None => (GorushMembers::new(), GorushMembers::new()),
    };
    if !of_android.is_empty() {
        let android = android.get_or_insert_default();
        let before = android.get("notification").map(|said| members(said));
        let mut all = before.unwrap_or_default();
        all.extend(of_android);
        let all = raw(&all);
        android.insert("notification".into(), all);
    }
    let shows = ["message", "title", "image"].iter().any(|name| {
        let value = said.get(*name).and_then(|value| text(value));
        value.is_some_and(|text| !text.is_empty())
    });
    let android = android.map(|android| raw(&android));
    let common = raw(&common);
    if let Some(android) = android {
        said.insert("android".into(), android);
    }
    if said.contains_key("notification") && common.get() != "{}" {
        said.insert("notification".into(), common);
    } else if shows {
        said.insert("notification".into(), raw(&true));
    } else {
        said.remove("notification");
    }
}

/// The members of a `notification` that Google has in it, and those that stand in Android's.
fn parted(notification: GorushMembers<'_>) -> (GorushMembers<'static>, GorushMembers<'static>) {
    let (mut common, mut of_android) = (GorushMembers::new(), GorushMembers::new());
    for (name, value) in notification {
        let name = Cow::Owned(name.into_owned());
        if ["title", "body", "image"].contains(&&*name) {
            common.insert(name, own(&value));
            continue;
        }
        // Where the arguments of a text were a list within a text, they are a list.
        let list = text(&value).filter(|_| name.ends_with("_loc_args"));
        let list = list.and_then(|list| serde_json::from_str::<Vec<String>>(&list).ok());
        let value = list.map_or_else(|| own(&value), |list| raw(&list));
        of_android.insert(name, value);
    }
    (common, of_android)
}

/// The members of an object; none if it is something else.
fn members(object: &RawValue) -> GorushMembers<'static> {
    let members: BTreeMap<String, Box<RawValue>> =
        serde_json::from_str(object.get()).unwrap_or_default();
    let members = members.into_iter();
    let members = members.map(|(name, value)| (name.into(), Cow::Owned(value)));
    members.collect()
}

fn text(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

fn own(value: &RawValue) -> Cow<'static, RawValue> {
    Cow::Owned(value.to_owned())
}

fn raw(value: &impl Serialize) -> Cow<'static, RawValue> {
    // Texts, and what was JSON before, can be written.
    Cow::Owned(to_raw_value(value).unwrap_or_default())
}

fn put(out: &mut Vec<u8>, value: &impl Serialize) {
    // Writing to a vector does not fail.
    let _written = serde_json::to_writer(out, value);
}

/// What `POST /push` answers, as far as it is told here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PushAnswer {
    message: String,
    error: Option<String>,
    accepted: Vec<TakenCount>,
    rejected: Vec<RejectedPart>,
    rejected_omitted: usize,
    ignored: Vec<String>,
}

#[derive(Deserialize)]
struct TakenCount {
    count: usize,
}

#[derive(Deserialize)]
struct RejectedPart {
    pointer: String,
    error: String,
}

/// gorush's answer to a request that was taken, and what it has no word for.
#[derive(Serialize)]
struct TakenReply {
    counts: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<String>,
    logs: Vec<LogsEntry>,
    #[serde(skip_serializing_if = "is_zero")]
    logs_omitted: usize,
    success: &'static str,
}

/// What of a request is not pushed.
#[derive(Serialize)]
struct LogsEntry {
    r#type: &'static str,
    platform: &'static str,
    token: String,
    message: String,
    error: String,
}

/// gorush's answer to a request that was refused.
#[derive(Serialize)]
struct RefusedReply {
    code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    message: String,
}

/// gorush's answer, of that of `POST /push` to the translated body.
pub(super) fn answer(reply: Reply, translated: &[u8]) -> Reply {
    let answered: PushAnswer = serde_json::from_slice(&reply.body).unwrap_or_default();
    let said = if reply.status == 200 {
        let unlisted = answered.rejected.len().saturating_sub(ENTRIES);
        let logs = entries(answered.rejected, translated);
        Reply::json_line(
            200,
            &TakenReply {
                counts: answered.accepted.iter().map(|taken| taken.count).sum(),
                ignored: answered.ignored,
                logs,
                logs_omitted: answered.rejected_omitted.saturating_add(unlisted),
                success: "ok",
            },
        )
    } else {
        let message = match &*answered.message {
            "empty notification" => "Notifications field is empty.".to_owned(),
            "Request-body is malformed" | "request body is empty" => MISSING.to_owned(),
            other => other.replacen("number of", "Number of", 1),
        };
        let code = reply.status;
        let error = answered.error;
        Reply::json_line(
            code,
            &RefusedReply {
                code,
                error,
                message,
            },
        )
    };
    Reply {
        body: said.body,
        content_type: said.content_type,
        ..reply
    }
}

/// The answer to a body that is not JSON, or not gorush's.
pub(super) fn malformed(error: &str) -> Reply {
    let failure = RefusedReply {
        code: 400,
        error: Some(error.to_owned()),
        message: MISSING.to_owned(),
    };
    Reply::json_line(400, &failure)
}

/// One entry for each rejected part, with what the request has of it.
fn entries(rejected: Vec<RejectedPart>, translated: &[u8]) -> Vec<LogsEntry> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct AskedPart<'a> {
        #[serde(borrow)]
        token: Option<&'a RawValue>,
        #[serde(borrow)]
        platform: Option<&'a RawValue>,
        #[serde(borrow)]
        message: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct WholeBody<'a> {
        #[serde(borrow)]
        notifications: Vec<AskedPart<'a>>,
    }
    if rejected.is_empty() {
        return Vec::new();
    }
    let all = serde_json::from_slice::<WholeBody<'_>>(translated);
    let all = all.map(|all| all.notifications).unwrap_or_default();
    let mut last: (usize, Vec<String>) = (usize::MAX, Vec::new());
    let entry = |RejectedPart { pointer, error }| {
        let mut places = pointer.split('/').skip(2).step_by(2);
        let mut place = || places.next().and_then(|place| place.parse::<usize>().ok());
        let (index, token) = (place().unwrap_or(usize::MAX), place());
        let asked = all.get(index);
        if last.0 != index && token.is_some() {
            let tokens = asked.and_then(|asked| asked.token).map(RawValue::get);
            let tokens = tokens.and_then(|tokens| serde_json::from_str(tokens).ok());
            last = (index, tokens.unwrap_or_default());
        }
        let token = token.and_then(|token| last.1.get(token));
        let message = asked.and_then(|asked| asked.message).and_then(text);
        let platform = asked.and_then(|asked| asked.platform).map(RawValue::get);
        LogsEntry {
            r#type: "failed-push",
            platform: match platform {
                Some("1") => "ios",
                Some("2") => "android",
                _ => "",
            },
            token: shown(token.map(String::as_str)),
            message: shown(message.as_deref()),
            error,
        }
    };
    rejected.into_iter().take(ENTRIES).map(entry).collect()
}

fn shown(text: Option<&str>) -> String {
    texts::shortened(text.unwrap_or_default(), ENTRY_TEXT_MAX).into_owned()
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

const NOTIFICATIONS: &str = "notifications";

/// gorush's word for all that is malformed.
const MISSING: &str = "Missing notifications field.";

/// Our limit: entries of gorush's `logs`, each of a part that is not pushed.
pub(super) const ENTRIES: usize = 100;

/// Our limit: characters of a device token, and of a message, in one of them.
pub(super) const ENTRY_TEXT_MAX: usize = 256;

/// Bytes of the two texts of all entries at most, as JSON: six for a control character.
pub(super) const ENTRIES_MAX: usize = ENTRIES * (2 * 6 * ENTRY_TEXT_MAX + 256);

#[cfg(test)]
mod tests;
