//! The APNs look-alike: each request judged by Apple's published rules, in one fixed order.
//!
//! No I/O, no clock. The rules are written down here on their own account, not shared with the
//! daemon's provider code: one wrong constant must not agree with itself. When several things are
//! wrong at once the order of the checks decides, as Apple's does in ways it does not publish.

mod auth_token;
mod broadcast;
mod payload;
mod reason;
mod shape;

use std::borrow::Cow;
use std::sync::Arc;

use self::auth_token::Shown;
pub(super) use self::auth_token::{AuthTokens, TeamKey};
pub(super) use self::broadcast::{Channels, MAX_CHANNELS};
use self::payload::Payload;
pub(super) use self::reason::Reason;
use self::reason::Wish;
use super::answer::{Judgement, Reply, Response, Standing};
use super::arrival::Arrival;
use super::faults::{Answering, Failure, mix};
use super::request::{Name, Request};

/// Streams before the first accepted push of a connection with auth tokens.
pub(super) const FIRST_STREAMS: u32 = 1;
/// Streams otherwise.
pub(super) const STREAMS: u32 = 1_000;
/// The debug data of the GOAWAY that answers more streams than allowed.
pub(super) const STREAMS_VIOLATED: &[u8] = b"Maximum active streams violated for this endpoint.";
/// The debug data of the GOAWAY of a server that goes away.
pub(super) const GOING_AWAY: &[u8] = br#"{"reason":"Shutdown"}"#;
/// The debug data of the GOAWAY that answers a client certificate that is not ours.
pub(super) const CERTIFICATE_REFUSED: &[u8] = br#"{"reason":"BadCertificate"}"#;

/// Bytes of payload for `voip`.
pub(super) const MAX_VOIP_PAYLOAD: usize = 5_120;
/// Bytes of payload otherwise.
const MAX_PAYLOAD: usize = 4_096;
/// Bytes of a collapse id.
const MAX_COLLAPSE_ID: usize = 64;
/// Our limit: hexadecimal digits of a device token; Apple names none.
const MAX_DEVICE_TOKEN: usize = 400;

/// A push type: its name, and the suffix that it puts on the bundle ID.
const PUSH_TYPES: [(&[u8], &[u8]); 11] = [
    (b"alert", b""),
    (b"background", b""),
    (b"voip", b".voip"),
    (b"complication", b".complication"),
    (b"fileprovider", b".pushkit.fileprovider"),
    (b"mdm", b""),
    (b"location", b".location-query"),
    (b"liveactivity", b".push-type.liveactivity"),
    (b"pushtotalk", b".voip-ptt"),
    (b"widgets", b".push-type.widgets"),
    (b"controls", b".push-type.controls"),
];

/// The suffixes of the topics that the client certificate lists.
pub(super) const CERTIFICATE_SUFFIXES: [&str; 3] = ["", ".voip", ".complication"];

/// What all connections share.
pub(super) struct Apns {
    /// The signing keys and the use of their tokens.
    pub(super) auth_tokens: AuthTokens,
    /// The bundle IDs of the team's apps; the client certificate is that of the first.
    pub(super) topics: Vec<String>,
    /// Their broadcast channels.
    pub(super) channels: Channels,
}

/// What one connection has shown.
pub(super) struct Session {
    apns: Arc<Apns>,
    shown: Shown,
    /// Whether the client has shown its certificate: its auth tokens are not looked at.
    certificate: bool,
    /// Whether it is one of the servers that manage channels.
    manages: bool,
}

impl Session {
    /// A fresh connection, with the client certificate or without.
    pub(super) fn new(apns: Arc<Apns>, certificate: bool) -> Self {
        Self {
            apns,
            shown: Shown::default(),
            certificate,
            manages: false,
        }
    }

    /// A fresh connection to a server that manages channels.
    pub(super) fn managing(self) -> Self {
        Self {
            manages: true,
            ..self
        }
    }

    /// Judges one request.
    pub(super) fn judge<'a>(&mut self, arrival: &Arrival<'a>) -> Judgement<'a> {
        if self.manages {
            return self.manage(arrival);
        }
        let request = arrival.request;
        let is_broadcast = broadcast::bundle(request.path).is_some();
        let [id_name, target] = if is_broadcast {
            [Name::ApnsRequestId, Name::ApnsChannelId]
        } else {
            [Name::ApnsId; 2]
        };
        let sent_id = request.get(id_name);
        let uuid = sent_id.and_then(parse_uuid).unwrap_or(arrival.random);
        let key = sent_id.is_some().then(|| fold(uuid));
        let device_token = if is_broadcast {
            let channel = request.get(target).unwrap_or_default();
            str::from_utf8(channel).unwrap_or_default()
        } else {
            device_token(request.path).unwrap_or_default()
        };
        let answer = match arrival.answering {
            Answering::Refuse => Err(Wish::Refuse),
            answering => self
                .check(request, arrival.body, arrival.now)
                .and_then(|()| match answering {
                    Answering::Fail(which) => Err(failure(which)),
                    Answering::Named(Failure::Apns(reason)) => {
                        if reason == Reason::EXPIRED_PROVIDER_TOKEN {
                            self.apns.auth_tokens.age();
                        }
                        Err(Wish::Refusal(reason))
                    }
                    _ => Ok(()),
                }),
        };
        let answer = answer.and_then(|()| match reason::wish(device_token) {
            Some((wish, once)) if !(once && key.is_some_and(arrival.known)) => Err(wish),
            _ => Ok(()),
        });
        let id = Some(format_uuid(uuid));
        let ids = if is_broadcast { (None, id) } else { (id, None) };
        let (reply, reason, standing) = match answer {
            Ok(()) => (respond(ids, None, 0), "", Standing::Accepted),
            Err(wish) => {
                let (reply, reason) = is_refused(wish, ids, arrival.now);
                (reply, reason, wish.standing())
            }
        };
        Judgement {
            reply,
            reason,
            standing,
            key,
            device_token: Cow::Borrowed(device_token),
        }
    }

    fn check(&mut self, request: &Request<'_>, body: &[u8], now: u64) -> Result<(), Wish> {
        if broadcast::bundle(request.path).is_some() {
            let checked = self.check_broadcast(request, body, now);
            return checked.map_err(Wish::Refusal);
        }
        let checked = self.check_head(request, now).and_then(|push_type| {
            check_payload(request, push_type, body)?;
            check_device_token(request.path)
        });
        checked.map_err(Wish::Refusal)
    }

    /// Judges the head; its push type.
    fn check_head<'a>(
        &mut self,
        request: &Request<'a>,
        now: u64,
    ) -> Result<Option<&'a [u8]>, Reason> {
        if request.method != b"POST" {
            return Err(Reason::METHOD_NOT_ALLOWED);
        }
        match device_token(request.path) {
            None => return Err(Reason::BAD_PATH),
            Some("") => return Err(Reason::MISSING_DEVICE_TOKEN),
            Some(_) => {}
        }
        if request.duplicated {
            return Err(Reason::DUPLICATE_HEADERS);
        }
        if !self.certificate {
            let topic = request.get(Name::ApnsTopic);
            self.apns
                .auth_tokens
                .check(&mut self.shown, request.bearer(), topic, now)?;
        }
        if request
            .get(Name::ApnsId)
            .is_some_and(|id| parse_uuid(id).is_none())
        {
            return Err(Reason::BAD_MESSAGE_ID);
        }
        if request
            .get(Name::ApnsExpiration)
            .is_some_and(|text| parse_number(text).is_none())
        {
            return Err(Reason::BAD_EXPIRATION_DATE);
        }
        if !matches!(
            request.get(Name::ApnsPriority),
            None | Some(b"1" | b"5" | b"10")
        ) {
            return Err(Reason::BAD_PRIORITY);
        }
        if request
            .get(Name::ApnsCollapseId)
            .is_some_and(|id| id.len() > MAX_COLLAPSE_ID)
        {
            return Err(Reason::BAD_COLLAPSE_ID);
        }
        let push_type = request.get(Name::ApnsPushType);
        let suffix = match push_type {
            None => None,
            Some(name) => {
                let found = PUSH_TYPES.iter().find(|(known, _)| *known == name);
                Some(found.ok_or(Reason::INVALID_PUSH_TYPE)?.1)
            }
        };
        let topic = request.get(Name::ApnsTopic);
        if push_type == Some(b"mdm") {
            self.check_mdm_topic(topic)?;
        } else {
            self.check_topic(topic, suffix)?;
        }
        Ok(push_type)
    }

    /// Judges the topic of an MDM push, which is that of a certificate for it. Ours stands in for
    /// one, whatever it lists.
    fn check_mdm_topic(&self, topic: Option<&[u8]>) -> Result<(), Reason> {
        let topic = topic.ok_or(Reason::MISSING_TOPIC)?;
        if self.certificate && topic.starts_with(b"com.apple.mgmt.") {
            Ok(())
        } else {
            Err(Reason::TOPIC_DISALLOWED)
        }
    }

    /// Judges the topic against the push type's suffix, if there is a push type.
    fn check_topic(&self, topic: Option<&[u8]>, wanted: Option<&[u8]>) -> Result<(), Reason> {
        // Neither has a default: a key serves a whole team, and the certificate lists three topics.
        let topic = topic.ok_or(Reason::MISSING_TOPIC)?;
        let legal = |byte: &u8| byte.is_ascii_alphanumeric() || b".-_".contains(byte);
        if topic.is_empty() || !topic.iter().all(legal) {
            return Err(Reason::BAD_TOPIC);
        }
        let is_listed = |suffix: &[u8]| {
            let listed = if self.certificate {
                CERTIFICATE_SUFFIXES
                    .iter()
                    .any(|known| known.as_bytes() == suffix)
            } else {
                PUSH_TYPES.iter().any(|(_, known)| *known == suffix)
            };
            listed && wanted.is_none_or(|wanted| wanted == suffix)
        };
        let most = if self.certificate { 1 } else { usize::MAX };
        let is_for = |known: &String| topic.strip_prefix(known.as_bytes()).is_some_and(is_listed);
        if self.apns.topics.iter().take(most).any(is_for) {
            Ok(())
        } else {
            Err(Reason::TOPIC_DISALLOWED)
        }
    }
}

fn check_payload(
    request: &Request<'_>,
    push_type: Option<&[u8]>,
    body: &[u8],
) -> Result<(), Reason> {
    let voip = push_type == Some(b"voip");
    if body.is_empty() {
        return Err(Reason::PAYLOAD_EMPTY);
    }
    if body.len() > if voip { MAX_VOIP_PAYLOAD } else { MAX_PAYLOAD } {
        return Err(Reason::PAYLOAD_TOO_LARGE);
    }
    // Apple names no reason for a payload that is not JSON; this is the one that was seen.
    let payload = Payload::read(body).ok_or(Reason::PAYLOAD_EMPTY)?;
    let priority = request.get(Name::ApnsPriority);
    match push_type {
        Some(b"background") if priority != Some(b"5") => Err(Reason::BAD_PRIORITY),
        Some(b"background") if !payload.content_available => Err(Reason::INVALID_PUSH_TYPE),
        Some(b"liveactivity") if priority == Some(b"1") => Err(Reason::BAD_PRIORITY),
        _ if has_shape(push_type, payload, body) => Ok(()),
        // Apple takes most of these, and delays or drops them: here they are to be found.
        _ => Err(Reason::INVALID_PUSH_TYPE),
    }
}

/// Whether a payload is one for that push type. Most say by what is in them that they are.
fn has_shape(push_type: Option<&[u8]>, payload: Payload, body: &[u8]) -> bool {
    let push_type = push_type.unwrap_or(b"alert");
    let is_usual = matches!(push_type, b"alert" | b"background");
    if is_usual && !payload.has_more {
        return true;
    }
    let read = serde_json::from_slice(body);
    // What is too deep for this reading is not looked into.
    read.map_or(true, |payload| shape::fits(push_type, &payload))
}

/// What stands where the path has its device token; `None` if the path is another one.
fn device_token(path: &[u8]) -> Option<&str> {
    let token = str::from_utf8(path.strip_prefix(b"/3/device/")?).ok()?;
    (!token.contains('/')).then_some(token)
}

fn check_device_token(path: &[u8]) -> Result<(), Reason> {
    let token = device_token(path).unwrap_or_default().as_bytes();
    let even = token.len().is_multiple_of(2) && token.len() <= MAX_DEVICE_TOKEN;
    if even && token.iter().all(u8::is_ascii_hexdigit) {
        Ok(())
    } else {
        Err(Reason::BAD_DEVICE_TOKEN)
    }
}

fn failure(which: usize) -> Wish {
    let reason = Reason::FAILURES.get(which % Reason::FAILURES.len());
    Wish::Refusal(reason.copied().unwrap_or(Reason::INTERNAL_SERVER_ERROR))
}

/// `apns-id` and `apns-request-id` of an answer.
type Ids = (Option<[u8; 36]>, Option<[u8; 36]>);

/// What comes of a refusal, and the word for it.
fn is_refused(wish: Wish, ids: Ids, now: u64) -> (Reply, &'static str) {
    match wish {
        Wish::Refusal(reason) => (respond(ids, Some(reason), now), reason.word),
        Wish::Refuse => (Reply::Refuse, "REFUSED_STREAM"),
        Wish::Reset => (Reply::Reset, "INTERNAL_ERROR"),
        Wish::Silence => (Reply::Silence, "no answer"),
    }
}

fn respond((apns_id, request_id): Ids, reason: Option<Reason>, now: u64) -> Reply {
    let mut response = Response {
        status: 200,
        apns_id,
        request_id,
        ..Response::default()
    };
    if let Some(Reason { status, word }) = reason {
        response.status = status;
        response.content_type = "application/json";
        response.content = if status == 410 {
            // An hour ago: later than any registration that a push's sender can know of.
            let since_ms = now.saturating_sub(3_600) * 1_000;
            format!(r#"{{"reason":"{word}","timestamp":{since_ms}}}"#).into_bytes()
        } else {
            format!(r#"{{"reason":"{word}"}}"#).into_bytes()
        };
    }
    Reply::Respond(response)
}

fn parse_number(text: &[u8]) -> Option<u64> {
    // `parse` alone would take a plus sign.
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits
        .then(|| str::from_utf8(text).ok()?.parse().ok())
        .flatten()
}

/// Where the hyphens of a UUID stand.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

/// Reads a UUID in its canonical form, lower case.
fn parse_uuid(text: &[u8]) -> Option<u128> {
    if text.len() != 36 {
        return None;
    }
    let mut uuid = 0;
    for (index, byte) in text.iter().enumerate() {
        let digit = match byte {
            b'-' if HYPHENS.contains(&index) => continue,
            _ if HYPHENS.contains(&index) => return None,
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            _ => return None,
        };
        uuid = uuid << 4 | u128::from(digit);
    }
    Some(uuid)
}

/// Writes a UUID in its canonical form, lower case.
fn format_uuid(uuid: u128) -> [u8; 36] {
    let mut text = [b'-'; 36];
    let mut shift = 128;
    for (index, byte) in text.iter_mut().enumerate() {
        if !HYPHENS.contains(&index) {
            shift -= 4;
            *byte = match u8::try_from(uuid >> shift & 0xf).unwrap_or(0) {
                digit @ 0..=9 => b'0' + digit,
                digit => b'a' + digit - 10,
            };
        }
    }
    text
}

/// The ledger's key of an `apns-id`.
fn fold(uuid: u128) -> u64 {
    let low = u64::try_from(uuid & u128::from(u64::MAX)).unwrap_or(0);
    let high = u64::try_from(uuid >> 64).unwrap_or(0);
    mix(low ^ mix(high))
}

#[cfg(test)]
mod tests;
