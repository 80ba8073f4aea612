//! One record: as bytes in a segment, and as the JSON that readers get.
//!
//! Pure.
//!
//! ```text
//! shape        end (2 bits) · what it means for the token (2) · provider (2) · status? · since?
//! environment  0 for none, else its place among Apple's
//! id           numbers and texts are those of `encoding`
//! app          empty for the default one
//! status       if there is one
//! reason
//! gone_since   if there is one
//! attempts
//! identifier
//! accepted     milliseconds since the Unix epoch
//! settled      after that; signed, since clocks are set back
//! token        empty where it is not told
//! ```

use serde::Serialize;

use crate::encoding::{Bytes, put_bytes, put_number, put_signed};
use crate::provider::TokenEffect;
use crate::push::{ApnsEnvironment, DEFAULT_APP_NAME, End, LaneId, Provider, PushId};

/// Our limit: bytes of an identifier in a record; of a longer one the beginning is kept.
pub(super) const IDENTIFIER_BYTES: usize = 4096;
/// Our limit: bytes of a reason in a record: providers' words have some tens.
const REASON_BYTES: usize = 256;
/// Our limit: bytes of a record; its texts are bounded, a device token by its provider
pub(super) const RECORD_BYTES: usize = 16 * 1024;

const STATUS: u8 = 0x40;
const SINCE: u8 = 0x80;

/// How a push ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedRecord<'a> {
    /// The push.
    pub id: PushId,
    /// The name of its app; empty for the default one.
    pub app: &'a str,
    /// Who was to take it to the device.
    pub provider: Provider,
    /// The environment, where it is not the app's first.
    pub environment: Option<ApnsEnvironment>,
    /// How it ended.
    pub end: End,
    /// The provider's HTTP status, if it answered.
    pub status: Option<u16>,
    /// The provider's word, or one of ours.
    pub reason: &'a str,
    /// What that means for the device token.
    pub token_effect: TokenEffect,
    /// Since when the device token is dead, in milliseconds since the Unix epoch, if the provider
    /// said so.
    pub gone_since: Option<u64>,
    /// Attempts that counted.
    pub attempts: u16,
    /// What the caller calls it.
    pub identifier: &'a str,
    /// When it was accepted, in milliseconds since the Unix epoch.
    pub accepted: u64,
    /// When it ended, in milliseconds since the Unix epoch.
    pub settled: u64,
    /// The device token, where it is told.
    pub token: &'a str,
}

impl<'a> FeedRecord<'a> {
    /// The record of a push of that lane, of which nothing else is known yet.
    pub fn of(lane: LaneId, id: PushId, end: End) -> Self {
        Self {
            id,
            app: lane.app(),
            provider: lane.provider(),
            environment: lane.environment(),
            end,
            status: None,
            reason: "",
            token_effect: TokenEffect::Keep,
            gone_since: None,
            attempts: 0,
            identifier: "",
            accepted: 0,
            settled: 0,
            token: "",
        }
    }

    /// Appends it.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let end = match self.end {
            End::Succeeded => 0,
            End::Failed => 1,
            End::Expired => 2,
        };
        let effect = match self.token_effect {
            TokenEffect::Keep => 0,
            TokenEffect::Suspect => 1 << 2,
            TokenEffect::Dead => 2 << 2,
        };
        let provider = place(&Provider::ALL, &self.provider) << 4;
        let status = if self.status.is_some() { STATUS } else { 0 };
        let since = if self.gone_since.is_some() { SINCE } else { 0 };
        let environment = self
            .environment
            .map_or(0, |it| place(&ApnsEnvironment::ALL, &it) + 1);
        out.extend_from_slice(&[end | effect | provider | status | since, environment]);
        put_number(out, self.id.0);
        put_bytes(out, self.app.as_bytes());
        if let Some(status) = self.status {
            put_number(out, status.into());
        }
        put_bytes(out, begin_of(self.reason, REASON_BYTES).as_bytes());
        if let Some(since) = self.gone_since {
            put_number(out, since);
        }
        put_number(out, self.attempts.into());
        let identifier = begin_of(self.identifier, IDENTIFIER_BYTES);
        put_bytes(out, identifier.as_bytes());
        put_number(out, self.accepted);
        let took = self.settled.cast_signed();
        put_signed(out, took.wrapping_sub(self.accepted.cast_signed()));
        put_bytes(out, self.token.as_bytes());
    }

    /// The record of those bytes, if they are one.
    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut bytes = Bytes(bytes);
        let (shape, environment) = (bytes.byte()?, bytes.byte()?);
        let environment = match environment.checked_sub(1) {
            None => None,
            Some(place) => Some(*ApnsEnvironment::ALL.get(usize::from(place))?),
        };
        let id = PushId(bytes.number()?);
        let app = bytes.text()?;
        let status = match shape & STATUS {
            0 => None,
            _ => Some(bytes.number16()?),
        };
        let reason = bytes.text()?;
        let gone_since = match shape & SINCE {
            0 => None,
            _ => Some(bytes.number()?),
        };
        let (attempts, identifier) = (bytes.number16()?, bytes.text()?);
        let accepted = bytes.number()?;
        let settled = accepted.wrapping_add(bytes.signed()?.cast_unsigned());
        let token = bytes.text()?;
        bytes.is_empty().then_some(Self {
            id,
            app,
            provider: *Provider::ALL.get(usize::from(shape >> 4 & 3))?,
            environment,
            end: match shape & 3 {
                0 => End::Succeeded,
                1 => End::Failed,
                2 => End::Expired,
                _ => return None,
            },
            status,
            reason,
            token_effect: match shape >> 2 & 3 {
                0 => TokenEffect::Keep,
                1 => TokenEffect::Suspect,
                2 => TokenEffect::Dead,
                _ => return None,
            },
            gone_since,
            attempts,
            identifier,
            accepted,
            settled,
            token,
        })
    }

    /// Appends it as JSON, under that cursor.
    pub(super) fn write_json(&self, cursor: &str, out: &mut Vec<u8>) {
        let shown = ShownRecord {
            cursor,
            id: self.id.0,
            identifier: self.identifier,
            app: match self.app {
                "" => DEFAULT_APP_NAME,
                app => app,
            },
            platform: self.provider.platform(),
            environment: self.environment.map(ApnsEnvironment::word),
            end: self.end.word(),
            status: self.status,
            reason: self.reason,
            token: self.token,
            token_is: self.token_effect.word(),
            gone_since: self.gone_since,
            attempts: self.attempts,
            accepted_at: self.accepted,
            settled_at: self.settled,
        };
        // Nothing in it can fail to be written, and memory takes it.
        let _written = serde_json::to_writer(out, &shown).is_ok();
    }
}

#[expect(clippy::cast_possible_truncation, reason = "of a handful")]
fn place<T: PartialEq>(all: &[T], one: &T) -> u8 {
    all.iter().position(|it| it == one).unwrap_or_default() as u8
}

/// The begin of a text, of so many bytes at most.
fn begin_of(text: &str, most: usize) -> &str {
    let ends = (0..=most.min(text.len())).rev();
    let end = ends.into_iter().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

/// A record as readers get it. What does not apply is absent.
#[derive(Debug, Serialize)]
struct ShownRecord<'a> {
    cursor: &'a str,
    id: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    identifier: &'a str,
    app: &'a str,
    platform: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'static str>,
    end: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_is: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gone_since: Option<u64>,
    attempts: u16,
    accepted_at: u64,
    settled_at: u64,
}

/// Appends, as JSON, that records are missing before that cursor: so many, if that is known.
pub(super) fn write_gap(cursor: &str, records: Option<u64>, out: &mut Vec<u8>) {
    #[derive(Serialize)]
    struct ShownGap<'a> {
        cursor: &'a str,
        gap: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        records: Option<u64>,
    }
    let shown = ShownGap {
        cursor,
        gap: true,
        records,
    };
    // As above.
    let _written = serde_json::to_writer(out, &shown).is_ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead() -> FeedRecord<'static> {
        FeedRecord {
            environment: Some(ApnsEnvironment::Sandbox),
            app: "shop",
            status: Some(410),
            reason: "Unregistered",
            token_effect: TokenEffect::Dead,
            gone_since: Some(1_577_836_800_123),
            attempts: 2,
            identifier: "order \"9\"",
            accepted: 1_795_336_102_349,
            settled: 1_795_336_102_300,
            token: "ab12",
            ..FeedRecord::of(LaneId::IOS, PushId(17), End::Failed)
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_no_part_of_one_is() {
        for record in [
            dead(),
            FeedRecord::of(LaneId::ANDROID, PushId(u64::MAX), End::Expired),
            FeedRecord {
                settled: u64::MAX,
                accepted: 1,
                token_effect: TokenEffect::Suspect,
                ..FeedRecord::of(LaneId::IOS, PushId(1), End::Succeeded)
            },
        ] {
            let mut bytes = Vec::new();
            record.encode(&mut bytes);
            assert_eq!(FeedRecord::decode(&bytes), Some(record));
            for len in 0..bytes.len() {
                assert_eq!(FeedRecord::decode(&bytes[..len]), None, "{len}");
            }
            bytes.push(0);
            assert_eq!(FeedRecord::decode(&bytes), None);
        }
    }

    #[test]
    fn what_applies_is_shown_and_nothing_else() {
        let json = |record: FeedRecord<'_>| {
            let mut out = Vec::new();
            record.write_json("c", &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            json(dead()),
            r#"{"cursor":"c","id":17,"identifier":"order \"9\"","app":"shop","platform":"ios","environment":"sandbox","end":"failed","status":410,"reason":"Unregistered","token":"ab12","token_is":"dead","gone_since":1577836800123,"attempts":2,"accepted_at":1795336102349,"settled_at":1795336102300}"#
        );
        let record = FeedRecord::of(LaneId::ANDROID, PushId(1), End::Succeeded);
        assert_eq!(
            json(record),
            r#"{"cursor":"c","id":1,"app":"default","platform":"android","end":"succeeded","attempts":0,"accepted_at":0,"settled_at":0}"#
        );
        let mut gaps = Vec::new();
        write_gap("c", Some(3), &mut gaps);
        write_gap("d", None, &mut gaps);
        assert_eq!(
            String::from_utf8(gaps).unwrap(),
            r#"{"cursor":"c","gap":true,"records":3}{"cursor":"d","gap":true}"#
        );
    }

    #[test]
    fn texts_of_callers_are_bounded() {
        let long = "ä".repeat(IDENTIFIER_BYTES);
        let record = FeedRecord {
            identifier: &long,
            reason: &long,
            ..FeedRecord::of(LaneId::IOS, PushId(1), End::Failed)
        };
        let mut bytes = Vec::new();
        record.encode(&mut bytes);
        assert!(bytes.len() < IDENTIFIER_BYTES + 512);
        let read = FeedRecord::decode(&bytes).unwrap();
        assert_eq!(read.identifier.len(), IDENTIFIER_BYTES);
        assert!(long.starts_with(read.identifier));
    }
}
