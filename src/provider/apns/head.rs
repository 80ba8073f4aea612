//! The header fields of a notification's requests to APNs that its caller has a say in: fields of
//! the notification, and those under `apns.headers`, which go out as they are given.

use std::borrow::Cow;
use std::time::Duration;

use super::CHANNEL;
use super::push_type::{ALERT, BACKGROUND, push_type_of, push_types};
use crate::moment::Moment;
use crate::provider::Fault;
use crate::provider::said::{Members, SaidValue};
use crate::provider::shared::{Urgency, collapse_id, has_passed, lifetime, urgency};
use crate::push::{HEAD_FIELDS_MAX, Lifetime, Notification, PushType};

/// Longest collapse id, in bytes.
pub const COLLAPSE_ID_MAX: usize = 64;

/// Our limit: characters of a topic that a caller names; Apple's bundle ids have up to 155.
pub const TOPIC_MAX: usize = 255;

/// Our limit: bytes of the names and values under `apns.headers`. Apple takes heads of 8000 bytes,
/// the auth token among them.
pub const RAW_HEAD_MAX: usize = 4096;

/// How long Apple stores a broadcast at most, in a channel that stores any.
pub const CHANNEL_STORES: Duration = Duration::from_secs(8 * 60 * 60);

/// Fields of a notification that make a push one for Live Activities.
const OF_ACTIVITY: [&str; 2] = ["live_activity", CHANNEL];

/// Why a push to a channel has no topic.
const NO_TOPIC: &str = "has no place beside channel, which belongs to the app's own bundle id";

/// The header field that names the request of a push: a broadcast's has a name of its own.
pub(super) fn id_of(notification: &Notification) -> &'static str {
    if notification.native.get(CHANNEL).is_some() {
        REQUEST_ID
    } else {
        "apns-id"
    }
}

/// Names a request that is not to a device.
pub(super) const REQUEST_ID: &str = "apns-request-id";

/// What the head of a notification's requests has to say.
#[derive(Debug)]
pub(super) struct OwnHead {
    /// What it does on the device.
    pub(super) push_type: PushType,
    /// Whether its topic is the caller's.
    pub(super) has_own_topic: bool,
    /// How long it lives.
    pub(super) lifetime: Lifetime,
    /// Whether the notification's priority has no effect.
    pub(super) ignores_priority: bool,
    /// Further fields.
    pub(super) fields: Vec<(Cow<'static, str>, String)>,
}

/// Fields that belong to the request or the connection, and what is sent in each is ours.
const FORBIDDEN: [&str; 15] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl OwnHead {
    /// Reads it. `raw` is what stands under `apns.headers`.
    pub(super) fn read(
        notification: &Notification,
        raw: Option<&SaidValue<'_>>,
        as_gaurun: bool,
        now: Moment,
    ) -> Result<Self, Fault> {
        let mut raw = raw.map(Raw::read).transpose()?.unwrap_or_default();
        let mut head = Self {
            push_type: PushType::Alert,
            has_own_topic: false,
            lifetime: lifetime(notification, notification.expiry, now)?,
            ignores_priority: false,
            fields: Vec::new(),
        };
        let says_nothing = notification.native.is_empty()
            && notification.push_type.is_empty()
            && notification.priority.is_empty();
        if says_nothing && raw.0.is_empty() {
            // As most.
            return Ok(head);
        }
        let channel = SaidValue::of(&notification.native, CHANNEL);
        head.take_push_type(notification, &mut raw)?;
        head.take_priority(notification, &mut raw, as_gaurun)?;
        head.take_expiration(notification, &mut raw, now)?;
        if channel.is_some() {
            head.check_broadcast(notification, &mut raw, now)?;
        }
        let id = collapse_id(notification)?.filter(|_| channel.is_none());
        let at = "collapse_id";
        if let Some(id) = raw.either("apns-collapse-id", id.map(|id| (at, id)))? {
            let GivenField { value, .. } = &id;
            if value.len() > COLLAPSE_ID_MAX {
                let len = value.len();
                let text = format!("has {len} bytes, and APNs takes at most {COLLAPSE_ID_MAX}");
                return Err(id.fault(&text));
            }
            head.add(id)?;
        }
        head.take_topic(notification, &mut raw)?;
        head.take_id(notification, &mut raw)?;
        for field in raw.0 {
            head.add(field)?;
        }
        if head.fields.len() > HEAD_FIELDS_MAX {
            let error = format!(
                "apns/headers has {} fields, and there may be at most {HEAD_FIELDS_MAX}",
                head.fields.len()
            );
            return Err(Fault {
                pointer: "apns/headers".into(),
                error,
            });
        }
        Ok(head)
    }

    fn take_push_type(&mut self, notification: &Notification, raw: &mut Raw) -> Result<(), Fault> {
        let native = &notification.native;
        let mut of_activity = OF_ACTIVITY.into_iter();
        let activity = of_activity.find(|name| native.get(name).is_some());
        let activity = activity.map(|name| (name, "liveactivity".to_owned()));
        let said = Some(&*notification.push_type).filter(|word| !word.is_empty());
        let said = said.map(|word| ("push_type", word.to_owned())).or(activity);
        let said = raw.either("apns-push-type", said)?;
        let word = said.as_ref().map_or(ALERT, |field| &*field.value);
        let mut of_activity = OF_ACTIVITY.into_iter();
        let activity = of_activity.find_map(|name| SaidValue::of(native, name));
        if let Some(activity) = activity.filter(|_| word != "liveactivity") {
            return Err(activity.fault(format!("goes with the push type liveactivity, not {word}")));
        }
        if let Some(changed) = SaidValue::of(&notification.native, "content_changed") {
            let is_of_these = matches!(word, "widgets" | "controls");
            if changed.flag()? != is_of_these {
                let what = "goes with the push types widgets and controls, and is true there";
                return Err(changed.fault(what));
            }
        }
        if let Some(known) = push_type_of(word) {
            self.push_type = known;
        } else if let Some(field) = said {
            if field.value.is_empty() {
                return Err(field.fault("is empty"));
            }
            self.push_type = PushType::Other;
            self.add(field)?;
        }
        Ok(())
    }

    fn take_priority(
        &mut self,
        notification: &Notification,
        raw: &mut Raw,
        as_gaurun: bool,
    ) -> Result<(), Fault> {
        // Words for Android were no matter to iOS, whatever they were.
        let is_apples = matches!(&*notification.priority, "10" | "5" | "1");
        let is_gauruns = as_gaurun && !is_apples && !notification.priority.is_empty();
        self.ignores_priority = is_gauruns;
        let said = if is_gauruns {
            None
        } else {
            urgency(notification)?
        };
        let said = said.map(|urgency| match urgency {
            Urgency::High => "10",
            Urgency::Normal => "5",
            Urgency::Low => "1",
        });
        let said = said.map(|number| ("priority", number.to_owned()));
        let is_broadcast = notification.native.get(CHANNEL).is_some();
        let Some(field) = raw.either("apns-priority", said)? else {
            if is_broadcast {
                self.fields.push(("apns-priority".into(), "10".to_owned()));
            }
            return Ok(());
        };
        if !matches!(&*field.value, "10" | "5" | "1") {
            return Err(field.fault("must be 10, 5 or 1"));
        }
        match self.push_type {
            PushType::Background if field.value != "5" => {
                let text = format!("is {}, and a {BACKGROUND} push must have 5", field.value);
                return Err(field.fault(&text));
            }
            PushType::LiveActivity if field.value == "1" && !is_broadcast => {
                return Err(field.fault("is 1, and a liveactivity push must have 10 or 5"));
            }
            // What is sent for it, as it is.
            PushType::Background => {}
            _ if field.is_flat() && field.value == "10" && !is_broadcast => {}
            _ => self.add(field)?,
        }
        Ok(())
    }

    fn take_expiration(
        &mut self,
        notification: &Notification,
        raw: &mut Raw,
        now: Moment,
    ) -> Result<(), Fault> {
        let Some(field) = raw.take("apns-expiration") else {
            return Ok(());
        };
        let at = field.value.parse::<u32>().ok();
        let at = at.filter(|_| field.value.bytes().all(|byte| byte.is_ascii_digit()));
        let at = at.ok_or_else(|| field.fault("must be seconds since the Unix epoch, or 0"))?;
        let said = Lifetime::until(at.into());
        // Nobody would be sent it.
        if said != Lifetime::Now && u64::from(at) <= now.unix.as_secs() {
            return Err(field.fault(has_passed(notification)));
        }
        if !matches!(self.lifetime, Lifetime::Unsaid) && self.lifetime != said {
            let text = "stands beside ttl, expires_at or expiry, which says something else";
            return Err(field.fault(text));
        }
        self.lifetime = said;
        Ok(())
    }

    /// Refuses what a push to a channel may not say.
    fn check_broadcast(
        &self,
        notification: &Notification,
        raw: &mut Raw,
        now: Moment,
    ) -> Result<(), Fault> {
        let latest = now.unix.as_secs().saturating_add(CHANNEL_STORES.as_secs());
        let is_too_long = match self.lifetime {
            Lifetime::Unsaid | Lifetime::Now => false,
            Lifetime::Secs(secs) => u64::from(secs.get()) > CHANNEL_STORES.as_secs(),
            Lifetime::Until(at) => u64::from(at) > latest,
        };
        if is_too_long {
            let native = &notification.native;
            let mut said = ["ttl", "expires_at"].into_iter();
            let said = said.find(|name| native.get(name).is_some());
            let gauruns = || (notification.expiry > 0).then_some("expiry");
            let at = said.or_else(gauruns);
            let at = at.unwrap_or("apns/headers/apns-expiration");
            let hours = CHANNEL_STORES.as_secs() / 3600;
            return Err(Fault {
                pointer: at.into(),
                error: format!(
                    "{at} is over {hours} hours, and Apple stores a broadcast no longer"
                ),
            });
        }
        let topic = SaidValue::of(&notification.native, "topic");
        if let Some(topic) = topic {
            return Err(topic.fault(NO_TOPIC));
        }
        if let Some(topic) = raw.take("apns-topic") {
            return Err(topic.fault(NO_TOPIC));
        }
        for (name, error) in [
            ("apns-channel-id", "stands beside channel, which is enough"),
            (
                "apns-id",
                "has no place beside channel: apns-request-id has",
            ),
            (
                "apns-collapse-id",
                "has no place beside channel: the latest counts",
            ),
        ] {
            if let Some(field) = raw.take(name) {
                return Err(field.fault(error));
            }
        }
        Ok(())
    }

    fn take_topic(&mut self, notification: &Notification, raw: &mut Raw) -> Result<(), Fault> {
        let said = SaidValue::of(&notification.native, "topic");
        let said = said.map(|said| said.word()).transpose()?;
        let said = said.map(|topic| ("topic", topic));
        if let Some(topic) = raw.either("apns-topic", said)? {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            let len = topic.value.len();
            if len == 0 || !topic.value.bytes().all(fits) {
                return Err(
                    topic.fault("must be of letters, digits, dots, hyphens and underscores")
                );
            }
            if len > TOPIC_MAX {
                let text = format!("has {len} characters, and may have at most {TOPIC_MAX}");
                return Err(topic.fault(&text));
            }
            self.has_own_topic = true;
            self.add(topic)?;
        }
        Ok(())
    }

    fn take_id(&mut self, notification: &Notification, raw: &mut Raw) -> Result<(), Fault> {
        let said = SaidValue::of(&notification.native, "apns_id");
        let said = said.map(|said| said.word()).transpose()?;
        let said = said.map(|id| ("apns_id", id));
        if let Some(mut id) = raw.either(id_of(notification), said)? {
            if !is_uuid(&id.value) {
                return Err(id.fault("must be a UUID, as 0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c11"));
            }
            // Apple knows no other spelling.
            id.value.make_ascii_lowercase();
            self.add(id)?;
        }
        Ok(())
    }

    /// Adds a field whose value can be one.
    fn add(&mut self, field: GivenField) -> Result<(), Fault> {
        let value = &*field.value;
        let is_trimmed = value.trim_matches([' ', '\t']).len() == value.len();
        if !is_trimmed || value.chars().any(char::is_control) {
            return Err(field.fault("has control characters, or blanks at an end"));
        }
        self.fields.push((field.name, field.value));
        Ok(())
    }
}

/// Says why a word is no push type, if so; no word is none.
pub fn check_push_type(word: &str) -> Result<(), Fault> {
    if word.is_empty() || push_type_of(word).is_some() {
        return Ok(());
    }
    let words = push_types().collect::<Vec<_>>().join(", ");
    Err(Fault {
        pointer: "push_type".into(),
        error: format!(
            "push_type must be one of {words}; another one goes under apns.headers as \
             apns-push-type"
        ),
    })
}

/// A header field that its caller has given.
#[derive(Debug)]
struct GivenField {
    name: Cow<'static, str>,
    value: String,
    /// Where it stands in the notification.
    at: Cow<'static, str>,
}

impl GivenField {
    fn fault(&self, error: &str) -> Fault {
        Fault {
            pointer: self.at.clone(),
            error: format!("{} {error}", self.at),
        }
    }

    /// Whether it is a field of the notification.
    fn is_flat(&self) -> bool {
        !self.at.starts_with("apns/")
    }
}

/// What stands under `apns.headers`.
#[derive(Debug, Default)]
struct Raw(Vec<GivenField>);

impl Raw {
    fn read(said: &SaidValue<'_>) -> Result<Self, Fault> {
        let mut fields: Vec<GivenField> = Vec::new();
        let members: Members<'_> = said.members()?;
        if members.len() > HEAD_FIELDS_MAX {
            let len = members.len();
            let text = format!("has {len} fields, and there may be at most {HEAD_FIELDS_MAX}");
            return Err(said.fault(text));
        }
        let mut len = 0;
        for (name, said) in members {
            let name = name.to_ascii_lowercase();
            check_name(&name).map_err(|error| said.fault(error))?;
            let value = if said.is_text() {
                said.text()?
            } else {
                said.natural()?.to_string()
            };
            len += name.len() + value.len();
            if fields.iter().any(|field| field.name == name) {
                return Err(said.fault("stands there twice, in upper and in lower case"));
            }
            fields.push(GivenField {
                name: name.into(),
                value,
                at: said.at().clone(),
            });
        }
        if len > RAW_HEAD_MAX {
            let text = format!("are {len} bytes, and there may be at most {RAW_HEAD_MAX}");
            return Err(said.fault(text));
        }
        Ok(Self(fields))
    }

    /// Takes the field of that name out.
    fn take(&mut self, name: &str) -> Option<GivenField> {
        let at = self.0.iter().position(|field| field.name == name)?;
        Some(self.0.remove(at))
    }

    /// The field of that name: what the notification says in its own field, or what stands here.
    fn either(
        &mut self,
        name: &'static str,
        said: Option<(&'static str, String)>,
    ) -> Result<Option<GivenField>, Fault> {
        let raw = self.take(name);
        let Some((at, value)) = said else {
            return Ok(raw);
        };
        match raw {
            Some(raw) if raw.value != value => {
                let text = format!("stands beside {at}, which says something else");
                Err(raw.fault(&text))
            }
            _ => Ok(Some(GivenField {
                name: name.into(),
                value,
                at: at.into(),
            })),
        }
    }
}

/// Says why a header field of that name is not sent, if so.
fn check_name(name: &str) -> Result<(), &'static str> {
    if name.starts_with(':') {
        return Err("is a pseudo-header field, and those are not the caller's");
    }
    if FORBIDDEN.contains(&name) {
        return Err("belongs to the request or its connection, and is not the caller's");
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(fits) {
        return Err("is no name of a header field");
    }
    Ok(())
}

/// Whether a text is a UUID as RFC 9562 writes them, in any case.
fn is_uuid(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let lengths = parts.iter().map(|part| part.len());
    lengths.eq([8, 4, 4, 4, 12])
        && parts
            .iter()
            .all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
