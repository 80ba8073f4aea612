//! A notification's record: who, what, to whom.
//!
//! Pure: no file, no clock, no thread.
//!
//! Id of the first push, number of device tokens, number of the lane and time of acceptance; then
//! the fields that say something, each with its number before it, 0 after the last; then the device
//! tokens. The payload is not kept, it is built again.

use std::time::Duration;

use super::bytes::{Bytes, put_bytes, put_number, put_signed, put_time};
use crate::push::{Accepted, DeviceToken, Extend, LaneId, Notification, PushId};

/// The begin of a notification's record, which is all that recovery looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHead {
    pub(super) first_id: u64,
    pub(super) tokens: u32,
    pub(super) lane: LaneId,
    pub(super) at: Duration,
}

/// A whole record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Body {
    pub(super) notification: Notification,
    pub(super) tokens: Box<[DeviceToken]>,
    pub(super) first_id: PushId,
    pub(super) at: Duration,
}

const MESSAGE: u8 = 1;
const IDENTIFIER: u8 = 2;
const TITLE: u8 = 3;
const SUBTITLE: u8 = 4;
const CATEGORY: u8 = 5;
const SOUND: u8 = 6;
const PUSH_TYPE: u8 = 7;
const COLLAPSE_KEY: u8 = 8;
const PRIORITY: u8 = 9;
const BADGE: u8 = 10;
const EXPIRY: u8 = 11;
const TIME_TO_LIVE: u8 = 12;
const CONTENT_AVAILABLE: u8 = 13;
const MUTABLE_CONTENT: u8 = 14;
const DELAY_WHILE_IDLE: u8 = 15;
const EXTEND: u8 = 16;
const REQUEST_ID: u8 = 17;
const END: u8 = 0;

/// Appends the record of an accepted notification.
pub(super) fn put(out: &mut Vec<u8>, accepted: &Accepted) {
    // Taken apart whole, here and below: a new field that is not kept does not compile.
    let Accepted {
        notification,
        tokens,
        first_id,
        at,
        payload: _,
    } = accepted;
    put_head(
        out,
        first_id.0,
        tokens.len() as u64,
        notification.lane,
        at.unix,
    );
    put_fields(out, notification);
    for token in tokens {
        put_bytes(out, token.as_str().as_bytes());
    }
}

fn put_head(out: &mut Vec<u8>, first_id: u64, tokens: u64, lane: LaneId, at: Duration) {
    put_number(out, first_id);
    put_number(out, tokens);
    put_number(out, lane.number().into());
    put_time(out, at);
}

fn put_fields(out: &mut Vec<u8>, notification: &Notification) {
    let Notification {
        lane: _,
        message,
        identifier,
        title,
        subtitle,
        category,
        sound,
        push_type,
        collapse_key,
        priority,
        request_id,
        badge,
        expiry,
        time_to_live,
        content_available,
        mutable_content,
        delay_while_idle,
        extend,
    } = notification;
    for (number, text) in [
        (MESSAGE, message),
        (IDENTIFIER, identifier),
        (TITLE, title),
        (SUBTITLE, subtitle),
        (CATEGORY, category),
        (SOUND, sound),
        (PUSH_TYPE, push_type),
        (COLLAPSE_KEY, collapse_key),
        (PRIORITY, priority),
    ] {
        if !text.is_empty() {
            out.push(number);
            put_bytes(out, text.as_bytes());
        }
    }
    if !request_id.is_empty() {
        out.push(REQUEST_ID);
        put_bytes(out, request_id.as_bytes());
    }
    let said = |number: &i64| Some(*number).filter(|number| *number != 0);
    for (number, value) in [
        (BADGE, *badge),
        (EXPIRY, said(expiry)),
        (TIME_TO_LIVE, said(time_to_live)),
    ] {
        if let Some(value) = value {
            out.push(number);
            put_signed(out, value);
        }
    }
    for (number, is_set) in [
        (CONTENT_AVAILABLE, content_available),
        (MUTABLE_CONTENT, mutable_content),
        (DELAY_WHILE_IDLE, delay_while_idle),
    ] {
        if *is_set {
            out.push(number);
        }
    }
    for Extend { key, value } in extend {
        out.push(EXTEND);
        put_bytes(out, key.as_bytes());
        put_bytes(out, value.as_bytes());
    }
    out.push(END);
}

impl RecordHead {
    /// The id of its last push.
    pub(super) fn last_id(&self) -> u64 {
        let others = u64::from(self.tokens.saturating_sub(1));
        self.first_id.saturating_add(others)
    }

    /// Appends it, as the begin of a record.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_head(out, self.first_id, self.tokens.into(), self.lane, self.at);
    }

    /// Reads the begin of a record.
    pub(super) fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        Some(Self {
            first_id: bytes.number()?,
            tokens: bytes.number32()?,
            lane: LaneId::of_platform(bytes.byte()?.into())?,
            at: bytes.time()?,
        })
    }
}

impl Body {
    /// Reads a whole record.
    pub(super) fn read(record: &[u8]) -> Option<Self> {
        let mut bytes = Bytes(record);
        let head = RecordHead::read(&mut bytes)?;
        let notification = fields(&mut bytes, head.lane)?;
        // No token is shorter than its length's byte: the count cannot ask for more than that.
        let expected = (head.tokens as usize).min(bytes.0.len());
        let mut tokens = Vec::with_capacity(expected);
        for _ in 0..head.tokens {
            tokens.push(DeviceToken::new(bytes.text()?));
        }
        bytes.is_empty().then(|| Self {
            notification,
            tokens: tokens.into(),
            first_id: PushId(head.first_id),
            at: head.at,
        })
    }
}

fn fields(bytes: &mut Bytes<'_>, lane: LaneId) -> Option<Notification> {
    let mut notification = Notification::empty(lane);
    loop {
        let number = bytes.byte()?;
        let text = match number {
            END => return Some(notification),
            MESSAGE => &mut notification.message,
            IDENTIFIER => &mut notification.identifier,
            TITLE => &mut notification.title,
            SUBTITLE => &mut notification.subtitle,
            CATEGORY => &mut notification.category,
            SOUND => &mut notification.sound,
            PUSH_TYPE => &mut notification.push_type,
            COLLAPSE_KEY => &mut notification.collapse_key,
            PRIORITY => &mut notification.priority,
            _ => {
                other_field(bytes, number, &mut notification)?;
                continue;
            }
        };
        *text = bytes.text()?.into();
    }
}

fn other_field(bytes: &mut Bytes<'_>, number: u8, notification: &mut Notification) -> Option<()> {
    match number {
        REQUEST_ID => notification.request_id = bytes.text()?.into(),
        BADGE => notification.badge = Some(bytes.signed()?),
        EXPIRY => notification.expiry = bytes.signed()?,
        TIME_TO_LIVE => notification.time_to_live = bytes.signed()?,
        CONTENT_AVAILABLE => notification.content_available = true,
        MUTABLE_CONTENT => notification.mutable_content = true,
        DELAY_WHILE_IDLE => notification.delay_while_idle = true,
        EXTEND => notification.extend.push(Extend {
            key: bytes.text()?.into(),
            value: bytes.text()?.into(),
        }),
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;
    use crate::moment::Moment;

    fn accepted(notification: Notification, tokens: &[String]) -> Accepted {
        Accepted {
            notification,
            tokens: tokens.iter().cloned().map(DeviceToken::new).collect(),
            first_id: PushId(1 << 52),
            at: Moment {
                stood: Duration::ZERO,
                monotonic: Instant::now(),
                unix: Duration::new(1_795_000_000, 123_456_789),
            },
            payload: Box::from(*b"payload"),
        }
    }

    prop_compose! {
        fn any_notification()(
            texts in prop::collection::vec(any::<String>(), 10),
            (badge, expiry, time_to_live) in any::<(Option<i64>, i64, i64)>(),
            (content_available, mutable_content, delay_while_idle) in any::<(bool, bool, bool)>(),
            extend in prop::collection::vec(any::<(String, String)>(), 0..5),
            is_ios: bool,
        ) -> Notification {
            let mut texts = texts.into_iter().map(String::into_boxed_str);
            let mut text = || texts.next().unwrap();
            // No `..`: a new field has to be named, and so to be kept.
            Notification {
                lane: if is_ios { LaneId::IOS } else { LaneId::ANDROID },
                message: text(),
                identifier: text(),
                title: text(),
                subtitle: text(),
                category: text(),
                sound: text(),
                push_type: text(),
                collapse_key: text(),
                priority: text(),
                request_id: text().into(),
                badge,
                expiry,
                time_to_live,
                content_available,
                mutable_content,
                delay_while_idle,
                extend: extend
                    .into_iter()
                    .map(|(key, value)| Extend { key: key.into(), value: value.into() })
                    .collect(),
            }
        }
    }

    proptest! {
        #[test]
        fn every_field_survives(
            notification in any_notification(),
            tokens in prop::collection::vec(any::<String>(), 1..20),
        ) {
            let accepted = accepted(notification, &tokens);
            let mut record = Vec::new();
            put(&mut record, &accepted);
            let body = Body::read(&record).unwrap();
            prop_assert_eq!(body.notification, accepted.notification);
            prop_assert_eq!(body.tokens, accepted.tokens);
            prop_assert_eq!(body.first_id, accepted.first_id);
            prop_assert_eq!(body.at, accepted.at.unix);
        }

        #[test]
        fn no_bytes_make_it_panic(record in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut with_head = vec![1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0, 0];
            let _none_or_some = Body::read(&record);
            with_head.extend(record);
            prop_assert_eq!(Body::read(&with_head), None);
        }
    }

    #[test]
    fn fields_that_say_nothing_take_no_room() {
        let mut record = Vec::new();
        let token = "t".repeat(64);
        put(
            &mut record,
            &accepted(Notification::empty(LaneId::IOS), &[token]),
        );
        assert!(record.len() < 90, "{}", record.len());
    }
}
