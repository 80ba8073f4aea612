//! Apple: payloads, request fields, auth tokens and answers of the APNs provider API.
//!
//! Pure: no I/O, no clock. A request is `POST /3/device/<device token>` with the payload as its
//! body. With a client certificate on the connection nothing else identifies us; else each request
//! carries the [`AuthToken`].

mod address;
mod advice;
mod alert;
mod answer;
mod apns_id;
mod auth_token;
mod build;
mod channels;
mod head;
mod live_activity;
mod object;
mod past;
mod payload;
mod push_type;
mod signing_key;

pub use address::Address;
pub use advice::{ADVICE, TOKEN_ALARMS};
pub use alert::{ALERT_SCHEMA, SOUND_MEMBERS};
pub use answer::{ROWS, answer, goaway, refinements};
pub use apns_id::ApnsIds;
pub use auth_token::{AuthToken, AuthTokens, Renewal};
pub use channels::{
    CHANNEL_PUSH_TYPE, ChannelFault, ChannelNews, ChannelOrder, ChannelRequest, channel_fault,
    channels_host,
};
pub use head::{CHANNEL_STORES, COLLAPSE_ID_MAX, RAW_HEAD_MAX, TOPIC_MAX, check_push_type};
pub use live_activity::{LIVE_ACTIVITY_EVENTS, LIVE_ACTIVITY_MEMBERS};
pub use payload::{INTERRUPTION_LEVELS, LARGE_PAYLOAD_MAX, PAYLOAD_MAX};
pub use push_type::{ALERT, push_type_of, push_types};
pub use signing_key::{SEALED_MAX, Signer, SigningKey};

use std::borrow::Cow;
use std::time::Duration;

use crate::moment::Moment;
use crate::provider::said::SaidValue;
use crate::provider::shared::note_lifetime;
use crate::provider::{
    Advice, Answer, AnswerHead, Built, Fault, PastWord, Pings, Row, Site, Targets, Unused, Vendor,
};
use crate::push::{Content, Envelope, Native, Notification, PushType, TargetKind};

/// Where apps from the App Store and `TestFlight` are pushed to, or those under development.
pub const fn host(sandbox: bool) -> &'static str {
    if sandbox {
        "api.sandbox.push.apple.com"
    } else {
        "api.push.apple.com"
    }
}

/// Longest device token, in hexadecimal digits. Apple promises no size; 64 digits are usual, and
/// 200 were announced as the limit to reckon with.
pub const DEVICE_TOKEN_MAX: usize = 400;

/// Longest id of a broadcast channel, in characters. Apple promises no size; today's have 24.
pub const CHANNEL_MAX: usize = 400;

/// The field of a notification that has its broadcast channels.
const CHANNEL: &str = "channel";

/// Latest `apns-expiration` that is sent (in the year 2106): a later one says no more and may not
/// fit the provider's number.
pub const EXPIRATION_MAX: u64 = u32::MAX as u64;

/// Says why a device token cannot be sent to, if so.
pub fn check_device_token(token: &str) -> Result<(), &'static str> {
    if token.is_empty() {
        return Err("the device token is empty");
    }
    if token.len() > DEVICE_TOKEN_MAX {
        return Err("the device token is longer than 400 hexadecimal digits");
    }
    // Without an end before the last of them, many are looked at at a time.
    let is_digit = |byte: u8| byte.is_ascii_digit() | matches!(byte | 0x20, b'a'..=b'f');
    if !token.bytes().fold(true, |all, byte| all & is_digit(byte)) {
        return Err("the device token has a character that is not a hexadecimal digit");
    }
    if !token.len().is_multiple_of(2) {
        return Err("the device token has an odd number of hexadecimal digits");
    }
    Ok(())
}

/// Says why a text cannot be the id of a broadcast channel, if so: Apple makes them of base64.
pub fn check_channel(id: &str) -> Result<(), &'static str> {
    if id.is_empty() {
        return Err("the channel id is empty");
    }
    if id.len() > CHANNEL_MAX {
        return Err("the channel id is longer than 400 characters");
    }
    let is_digit = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte);
    if !id.bytes().all(is_digit) {
        return Err("the channel id has a character that is no base64");
    }
    Ok(())
}

/// Silence after which an idle connection is asked whether it lives: Apple allows one PING an hour.
pub const PING_IDLE: Duration = Duration::from_secs(60 * 60);

/// Least time between two PINGs, however many requests time out.
pub const PING_INTERVAL: Duration = Duration::from_secs(30);

/// What Apple asks, answers and wants.
#[derive(Clone, Copy, Debug)]
pub struct Apns;

impl Vendor for Apns {
    fn name(&self) -> &'static str {
        "APNs"
    }

    fn check_device_token(&self, token: &str) -> Result<(), &'static str> {
        check_device_token(token)
    }

    fn folded_token<'a>(&self, token: &'a str) -> Cow<'a, str> {
        if token.bytes().any(|byte| byte.is_ascii_uppercase()) {
            Cow::Owned(token.to_ascii_lowercase())
        } else {
            Cow::Borrowed(token)
        }
    }

    fn check_target(&self, kind: TargetKind, text: &str) -> Result<(), Cow<'static, str>> {
        match kind {
            TargetKind::DeviceToken => check_device_token(text).map_err(Cow::Borrowed),
            TargetKind::Channel => check_channel(text).map_err(Cow::Borrowed),
            TargetKind::Fid | TargetKind::Topic | TargetKind::Condition => {
                Err("APNs pushes to device tokens and broadcast channels only".into())
            }
        }
    }

    fn targets(&self, native: &Native, _: bool) -> Result<Option<Targets>, Fault> {
        let Some(said) = SaidValue::of(native, CHANNEL) else {
            return Ok(None);
        };
        let texts = if said.is_text() {
            vec![said.word()?]
        } else {
            let texts = said.texts();
            texts.map_err(|_| said.is_not("a string or an array of strings"))?
        };
        Ok(Some(Targets {
            field: CHANNEL,
            kind: TargetKind::Channel,
            texts: texts.into_iter().map(Into::into).collect(),
        }))
    }

    fn target_fields(&self) -> &'static str {
        "token, tokens or channel"
    }

    fn build(
        &self,
        notification: &mut Notification,
        site: &Site,
        now: Moment,
        unused: &mut Unused,
    ) -> Result<Built, Fault> {
        let built = build::build(notification, *site, now, unused)?;
        note_lifetime(&mut notification.expiry, built.envelope.lifetime, now);
        Ok(built)
    }

    fn needs_message(&self, push_type: &str, _: &Native) -> bool {
        let known = push_type_of(push_type);
        matches!(known, None | Some(PushType::Alert | PushType::Background))
    }

    /// All pushes of a notification would have the name that its caller gives.
    fn names_one_push(
        &self,
        notification: &Notification,
        content: &Content,
    ) -> Option<&'static str> {
        let id = head::id_of(notification);
        let is_named = content.head().any(|(name, _)| name == id.as_bytes());
        let own = notification.native.get("apns_id").map(|_| "apns_id");
        is_named.then(|| own.unwrap_or("apns/headers"))
    }

    fn doubt(&self, _: &Notification) -> Option<String> {
        None
    }

    fn lifetime_rule(&self) -> &'static str {
        "its expiry"
    }

    fn answer(&self, head: AnswerHead<'_>, body: &[u8], now: Moment) -> Answer {
        answer(head, body, now)
    }

    fn about(&self, envelope: &Envelope, answer: Answer) -> Answer {
        // Nor is a channel a dead device token.
        let answer = match envelope.target {
            TargetKind::Channel => answer.of_no_token(),
            _ => answer,
        };
        if envelope.has_bare_topic() {
            answer
        } else {
            answer::of_other_topic(answer, envelope.has_own_topic)
        }
    }

    fn past_word(&self, reason: &str, error: &str) -> Option<PastWord> {
        past::past_word(reason, error)
    }

    fn goaway(&self, said: &[u8]) -> Option<&'static Row> {
        goaway(said)
    }

    fn advice(&self) -> &'static [Advice] {
        ADVICE
    }

    fn least_backoff(&self) -> Duration {
        Duration::ZERO
    }

    fn renewed(&self) -> &'static str {
        "auth token"
    }

    fn was_renewed_too_soon(&self, answer: &Answer) -> bool {
        answer.reason == "TooManyProviderTokenUpdates"
    }

    /// A trial names no device token, which Apple looks at after everything else.
    fn passes_trial(&self, answer: &Answer) -> bool {
        answer.reason == "BadDeviceToken"
    }

    fn pings(&self) -> Pings {
        Pings {
            idle: Some(PING_IDLE),
            interval: PING_INTERVAL,
        }
    }
}

#[cfg(test)]
mod tests;
