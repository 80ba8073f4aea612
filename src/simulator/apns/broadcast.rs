//! Broadcast channels: pushes to them, and the servers that manage them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value};

use super::payload::Payload;
use super::reason::{Reason, Wish};
use super::{
    PUSH_TYPES, Session, failure, format_uuid, is_refused, parse_number, parse_uuid, shape,
};
use crate::simulator::answer::{Judgement, Reply, Response, Standing};
use crate::simulator::arrival::Arrival;
use crate::simulator::faults::{Answering, Failure};
use crate::simulator::request::{Name, Request};

/// Channels of an app in one environment.
pub(in crate::simulator) const MAX_CHANNELS: usize = 10_000;
/// Bytes of payload of a push to a channel.
const MAX_PAYLOAD: usize = 5_120;
/// Seconds for which a message is stored, and by which clocks may differ.
const STORED_SECS: u64 = 8 * 3_600 + 60;

/// The channels of each bundle ID by their ids, each with whether it stores the latest message.
pub(in crate::simulator) struct Channels {
    most: usize,
    /// How many were ever made: no id comes twice.
    made: AtomicU64,
    book: Mutex<ChannelBook>,
}

type ChannelBook = BTreeMap<String, BTreeMap<String, bool>>;

impl Channels {
    /// None yet, and so many of a bundle ID at most.
    pub(in crate::simulator) fn new(most: usize) -> Self {
        Self {
            most,
            made: AtomicU64::new(0),
            book: Mutex::default(),
        }
    }

    /// One, of that id.
    #[cfg(test)]
    pub(super) fn holding(bundle: &str, id: &str, stores: bool) -> Self {
        let channels = Self::new(1);
        let own = BTreeMap::from([(id.to_owned(), stores)]);
        channels.open().insert(bundle.to_owned(), own);
        channels
    }

    fn open(&self) -> MutexGuard<'_, ChannelBook> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where a push to a channel goes: what stands where its path has the bundle ID.
pub(super) fn bundle(path: &[u8]) -> Option<&str> {
    str::from_utf8(path.strip_prefix(b"/4/broadcasts/apps/")?).ok()
}

/// The channel that a request names, as far as it is one.
fn channel<'a>(request: &Request<'a>) -> Result<&'a str, Reason> {
    let id = request.get(Name::ApnsChannelId);
    let id = id.filter(|id| !id.is_empty());
    let id = id.ok_or(Reason::MISSING_CHANNEL_ID)?;
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    let id = str::from_utf8(id).ok();
    let id = id.filter(|id| id.bytes().all(|byte| is_digit(&byte)) && id.len().is_multiple_of(4));
    id.ok_or(Reason::BAD_CHANNEL_ID)
}

impl Session {
    /// Judges a push to a channel.
    pub(super) fn check_broadcast(
        &mut self,
        request: &Request<'_>,
        body: &[u8],
        now: u64,
    ) -> Result<(), Reason> {
        if request.method != b"POST" {
            return Err(Reason::METHOD_NOT_ALLOWED);
        }
        let bundle = bundle(request.path).unwrap_or_default();
        self.check_owner(request, bundle, now)?;
        let id = channel(request)?;
        match request.get(Name::ApnsPushType) {
            None => return Err(Reason::MISSING_PUSH_TYPE),
            Some(b"liveactivity") => {}
            Some(_) => return Err(Reason::INVALID_PUSH_TYPE),
        }
        let of_devices = [Name::ApnsTopic, Name::ApnsId, Name::ApnsCollapseId];
        if of_devices.iter().any(|name| request.get(*name).is_some()) {
            return Err(Reason::BAD_REQUEST_PARAMS);
        }
        if !matches!(request.get(Name::ApnsPriority), Some(b"1" | b"5" | b"10")) {
            return Err(Reason::BAD_PRIORITY);
        }
        let at = request.get(Name::ApnsExpiration).and_then(parse_number);
        let at = at.ok_or(Reason::BAD_EXPIRATION_DATE)?;
        let book = self.apns.channels.open();
        let stores = book.get(bundle).and_then(|own| own.get(id).copied());
        drop(book);
        let stores = stores.ok_or(Reason::CHANNEL_NOT_REGISTERED)?;
        let latest = if stores { now + STORED_SECS } else { 0 };
        if at > latest {
            return Err(Reason::BAD_EXPIRATION_DATE);
        }
        if body.is_empty() {
            return Err(Reason::PAYLOAD_EMPTY);
        }
        if body.len() > MAX_PAYLOAD {
            return Err(Reason::PAYLOAD_TOO_LARGE);
        }
        Payload::read(body).ok_or(Reason::BAD_REQUEST_PAYLOAD)?;
        let payload: Map<String, Value> =
            serde_json::from_slice(body).map_err(|_| Reason::BAD_REQUEST_PAYLOAD)?;
        let starts = payload
            .get("aps")
            .is_some_and(|aps| aps.get("event") == Some(&Value::from("start")));
        if starts || !shape::fits(b"liveactivity", &payload) {
            return Err(Reason::BAD_REQUEST_PAYLOAD);
        }
        Ok(())
    }

    /// Judges what all requests about channels have in common: whose they are.
    fn check_owner(&mut self, request: &Request<'_>, bundle: &str, now: u64) -> Result<(), Reason> {
        if request.duplicated {
            return Err(Reason::DUPLICATE_HEADERS);
        }
        if !self.certificate {
            let topic = Some(bundle.as_bytes());
            self.apns
                .auth_tokens
                .check(&mut self.shown, request.bearer(), topic, now)?;
        }
        // A certificate is that of the first.
        let most = if self.certificate { 1 } else { usize::MAX };
        let mut own = self.apns.topics.iter().take(most);
        if !own.any(|topic| topic == bundle) {
            let mut suffixes = PUSH_TYPES.iter().map(|(_, suffix)| *suffix);
            let has_suffix =
                suffixes.any(|suffix| !suffix.is_empty() && bundle.as_bytes().ends_with(suffix));
            return Err(if self.certificate && !has_suffix {
                Reason::TOPIC_MISMATCH
            } else {
                Reason::TOPIC_DISALLOWED
            });
        }
        let id = request.get(Name::ApnsRequestId);
        if id.is_some_and(|id| parse_uuid(id).is_none()) {
            return Err(Reason::BAD_MESSAGE_ID);
        }
        Ok(())
    }

    /// Judges a request to the servers that manage channels, and does what it asks for.
    pub(super) fn manage<'a>(&mut self, arrival: &Arrival<'a>) -> Judgement<'a> {
        let request = arrival.request;
        let sent_id = request.get(Name::ApnsRequestId).and_then(parse_uuid);
        let id = format_uuid(sent_id.unwrap_or(arrival.random));
        let managed = match arrival.answering {
            Answering::Refuse => Err(Wish::Refuse),
            Answering::Fail(which) => Err(failure(which)),
            Answering::Named(Failure::Apns(reason)) => {
                if reason == Reason::EXPIRED_PROVIDER_TOKEN {
                    self.apns.auth_tokens.age();
                }
                Err(Wish::Refusal(reason))
            }
            _ => self.managed(arrival).map_err(Wish::Refusal),
        };
        let (reply, reason) = match managed {
            Ok(response) => {
                let request_id = Some(id);
                (
                    Reply::Respond(Response {
                        request_id,
                        ..response
                    }),
                    "",
                )
            }
            Err(wish) => is_refused(wish, (None, Some(id)), arrival.now),
        };
        Judgement {
            reply,
            reason,
            standing: Standing::Apart,
            key: None,
            device_token: Cow::Borrowed(channel(request).unwrap_or_default()),
        }
    }

    fn managed(&mut self, arrival: &Arrival<'_>) -> Result<Response, Reason> {
        let request = arrival.request;
        let path = str::from_utf8(request.path).unwrap_or_default();
        let (bundle, what) = path
            .strip_prefix("/1/apps/")
            .and_then(|path| path.split_once('/'))
            .ok_or(Reason::BAD_PATH)?;
        let is_allowed = match what {
            "channels" => matches!(request.method, b"POST" | b"GET" | b"DELETE"),
            "all-channels" => request.method == b"GET",
            _ => return Err(Reason::BAD_PATH),
        };
        if !is_allowed {
            return Err(Reason::METHOD_NOT_ALLOWED);
        }
        self.check_owner(request, bundle, arrival.now)?;
        let is_create = request.method == b"POST";
        if !is_create && !arrival.body.is_empty() {
            return Err(Reason::BAD_REQUEST_PAYLOAD);
        }
        let mut book = self.apns.channels.open();
        let own = book.entry(bundle.to_owned()).or_default();
        if what == "all-channels" {
            let all: Vec<_> = own.keys().collect();
            return Ok(json(&serde_json::json!({ "channels": all })));
        }
        if is_create {
            let stores = policy(arrival.body)?;
            if own.len() >= self.apns.channels.most {
                return Err(Reason::CANNOT_CREATE_CHANNEL_CONFIG);
            }
            let number = self.apns.channels.made.fetch_add(1, Ordering::Relaxed);
            let id = base64(format!("sterna-channel-{}", number + 1).as_bytes());
            own.insert(id.clone(), stores);
            return Ok(Response {
                status: 201,
                channel: Some(id),
                ..Response::default()
            });
        }
        let id = channel(request)?;
        if request.method == b"DELETE" {
            own.remove(id).ok_or(Reason::CHANNEL_NOT_REGISTERED)?;
            return Ok(Response {
                status: 204,
                ..Response::default()
            });
        }
        let stores = *own.get(id).ok_or(Reason::CHANNEL_NOT_REGISTERED)?;
        Ok(json(&serde_json::json!({
            "message-storage-policy": u8::from(stores),
            "push-type": "LiveActivity",
        })))
    }
}

/// Whether the channel that a body describes is to store the latest message.
fn policy(body: &[u8]) -> Result<bool, Reason> {
    if body.is_empty() {
        return Err(Reason::PAYLOAD_EMPTY);
    }
    let body: Map<String, Value> =
        serde_json::from_slice(body).map_err(|_| Reason::BAD_REQUEST_PAYLOAD)?;
    match body.get("push-type").map(Value::as_str) {
        None => return Err(Reason::MISSING_PUSH_TYPE),
        Some(Some("LiveActivity")) => {}
        Some(_) => return Err(Reason::INVALID_PUSH_TYPE),
    }
    match body.get("message-storage-policy").and_then(Value::as_u64) {
        Some(policy @ (0 | 1)) if body.len() == 2 => Ok(policy == 1),
        _ => Err(Reason::BAD_REQUEST_PAYLOAD),
    }
}

fn json(content: &Value) -> Response {
    Response {
        status: 200,
        content_type: "application/json",
        content: content.to_string().into_bytes(),
        ..Response::default()
    }
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for (at, shift) in [18, 12, 6, 0].into_iter().enumerate() {
            let digit = DIGITS.get((bits >> shift & 0x3f) as usize);
            let digit = digit.filter(|_| at <= chunk.len());
            text.push(digit.map_or('=', |digit| char::from(*digit)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
