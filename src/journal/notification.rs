//! A notification's record: to whom, what, and what is told of it.
//!
//! Pure: no file, no clock, no thread.
//!
//! ```text
//! head       id of the first push, number of targets, number of the lane, time of acceptance
//! envelope   kind of the targets; the fields that say something, each with its number
//!            before it, 0 after the last
//! content    number of slots, 0 or 2, and their offsets; the provider's body
//! note       the fields that say something, as in the envelope: see [`Note`]
//! targets    one text each
//! ```
//!
//! What the caller gave is frozen by that: whatever a later version makes of a request, this one is
//! sent as it was accepted. What the configuration gives, the topic, the host, the project, is not
//! in it, so that correcting it frees what waits.
//!
//! Of the kinds of targets 0 is a device token, and the only one that is written; 1 is kept for a
//! topic, 2 for a condition, 3 for a broadcast channel. Of the fields of an envelope 1 is kept for
//! the class of a bulk push, 4 for the earliest time, 5 for a caller's own topic, 6 for a priority,
//! 7 for a collapse id. A record that has one of these is not read: it would be sent as something
//! else, or before its time. Whoever gives one of these numbers its use raises [`FORMAT_VERSION`],
//! so that an older binary refuses the whole journal instead of failing whole records as damaged.
//! Of the fields of a note those from 0x40 on say where in the body a text stands: in memory only,
//! never in a record. Such a number has no other use.
//!
//! [`FORMAT_VERSION`]: super::FORMAT_VERSION

use std::num::NonZeroU64;
use std::time::Duration;

use super::frame::RECORD_MAX;
use super::lanes::SegmentLanes;
use crate::encoding::{Bytes, put_bytes, put_number, put_time};
use crate::push::{
    Accepted, Content, DeviceTokens, Envelope, LaneId, Note, Parcel, PushId, PushType,
};

/// The begin of a notification's record, which is all that recovery looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHead {
    pub(super) first_id: u64,
    pub(super) tokens: u32,
    pub(super) lane: LaneId,
    pub(super) at: Duration,
}

/// The same with the number that the segment has for the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NumberedHead {
    number: u16,
    /// All but the lane.
    head: RecordHead,
}

/// A whole record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RecordBody {
    pub(super) envelope: Envelope,
    pub(super) parcel: Parcel,
    pub(super) first_id: PushId,
    pub(super) at: Duration,
}

/// After the last field.
const END: u8 = 0;

/// The kind of the targets.
const DEVICE_TOKENS: u8 = 0;

/// Fields of an envelope.
mod envelope {
    pub(super) const BACKGROUND: u8 = 2;
    pub(super) const LIFETIME: u8 = 3;
}

/// Appends the record of an accepted notification.
pub(super) fn put(out: &mut Vec<u8>, accepted: &Accepted) {
    // Taken apart whole, here and below: a new field that is not kept does not compile.
    let Accepted {
        envelope,
        parcel,
        first_id,
        at,
    } = accepted;
    put_head(
        out,
        first_id.0,
        parcel.count().into(),
        envelope.lane,
        at.unix,
    );
    put_envelope(out, envelope);
    put_content(out, parcel);
    parcel.note().put(out, &[]);
    for token in parcel.tokens() {
        put_number(out, token.len() as u64);
        token.write(out);
    }
}

fn put_head(out: &mut Vec<u8>, first_id: u64, tokens: u64, lane: LaneId, at: Duration) {
    put_number(out, first_id);
    put_number(out, tokens);
    put_number(out, lane.number().into());
    put_time(out, at);
}

fn put_envelope(out: &mut Vec<u8>, envelope: &Envelope) {
    let Envelope {
        lane: _,
        push_type,
        lifetime_secs,
    } = envelope;
    out.push(DEVICE_TOKENS);
    if *push_type == PushType::Background {
        out.push(envelope::BACKGROUND);
    }
    if let Some(secs) = lifetime_secs {
        out.push(envelope::LIFETIME);
        put_number(out, secs.get());
    }
    out.push(END);
}

fn put_content(out: &mut Vec<u8>, parcel: &Parcel) {
    match parcel.slots() {
        None => out.push(0),
        Some((target, ttl)) => {
            out.push(2);
            put_number(out, target.into());
            put_number(out, ttl.into());
        }
    }
    put_bytes(out, parcel.body());
}

/// Appends a record, or the begin of one, that has another lane's number, as it is in a segment
/// where the lane has this one; false if it is none.
pub(super) fn put_renumbered(out: &mut Vec<u8>, record: &[u8], lane: LaneId) -> bool {
    let mut bytes = Bytes(record);
    let (Some(first_id), Some(tokens), Some(_)) = (bytes.number(), bytes.number(), bytes.number())
    else {
        return false;
    };
    put_number(out, first_id);
    put_number(out, tokens);
    put_number(out, lane.number().into());
    out.extend_from_slice(bytes.0);
    true
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
}

impl NumberedHead {
    /// Reads the begin of a record. What it claims is bounded by what one may hold: memory is asked
    /// for by that number of tokens later.
    pub(super) fn read(bytes: &mut Bytes<'_>) -> Option<Self> {
        let (first_id, tokens) = (bytes.number()?, bytes.number32()?);
        let number = bytes.number16()?;
        let head = RecordHead {
            first_id,
            tokens,
            lane: LaneId::IOS,
            at: bytes.time()?,
        };
        let end = first_id.checked_add(tokens.into())?;
        let fits = end <= PushId::END && tokens as usize <= RECORD_MAX;
        fits.then_some(Self { number, head })
    }

    /// The head, of a lane that is not this one before [`NumberedHead::named`] says so.
    pub(super) fn unnamed(&self) -> RecordHead {
        self.head
    }

    /// Whether the segment has named the lane.
    pub(super) fn is_named(&self, lanes: &SegmentLanes) -> bool {
        lanes.has(self.number)
    }

    /// The head, if the segment has named the lane.
    pub(super) fn named(&self, lanes: &mut SegmentLanes) -> Option<RecordHead> {
        let lane = lanes.get(self.number)?;
        Some(RecordHead { lane, ..self.head })
    }
}

impl RecordBody {
    /// Reads a whole record, which is known to be of that lane.
    pub(super) fn read(record: &[u8], lane: LaneId) -> Option<Self> {
        let mut bytes = Bytes(record);
        let first_id = PushId(bytes.number()?);
        let count = bytes.number32()?;
        let _number_there = bytes.number16()?;
        let at = bytes.time()?;
        let envelope = read_envelope(&mut bytes, lane)?;
        let content = read_content(&mut bytes)?;
        let note = Note::read(&mut bytes, &[])?;
        let tokens = (0..count).map(|_| bytes.text());
        let tokens = tokens.collect::<Option<DeviceTokens>>()?;
        bytes.is_empty().then(|| Self {
            envelope,
            parcel: Parcel::new(&content, &note, &tokens),
            first_id,
            at,
        })
    }
}

fn read_envelope(bytes: &mut Bytes<'_>, lane: LaneId) -> Option<Envelope> {
    let mut read = Envelope::to(lane);
    if bytes.byte()? != DEVICE_TOKENS {
        return None;
    }
    loop {
        match bytes.byte()? {
            END => return Some(read),
            envelope::BACKGROUND => read.push_type = PushType::Background,
            envelope::LIFETIME => read.lifetime_secs = Some(NonZeroU64::new(bytes.number()?)?),
            _ => return None,
        }
    }
}

fn read_content(bytes: &mut Bytes<'_>) -> Option<Content> {
    match bytes.byte()? {
        0 => Some(Content::whole(bytes.bytes()?)),
        2 => {
            let (target, ttl) = (bytes.number32()?, bytes.number32()?);
            Content::with_slots(bytes.bytes()?, target, ttl)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;
    use crate::moment::Moment;
    use crate::push::Texts;

    fn accepted(
        envelope: Envelope,
        content: &Content,
        note: &Note<'_>,
        tokens: &[String],
    ) -> Accepted {
        let tokens = tokens.iter().map(String::as_str).collect();
        Accepted {
            envelope,
            parcel: Parcel::new(content, note, &tokens),
            first_id: PushId(1 << 52),
            at: Moment {
                stood: Duration::ZERO,
                monotonic: Instant::now(),
                unix: Duration::new(1_795_000_000, 123_456_789),
            },
        }
    }

    prop_compose! {
        fn any_note()(
            texts in any::<[String; 7]>(),
            request_id: String,
            [badge, expiry, time_to_live] in any::<[i64; 3]>(),
            [content_available, mutable_content, delay_while_idle] in any::<[bool; 3]>(),
        ) -> Note<'static> {
            let leaked = |text: String| &*text.leak();
            // No `..`: a new field has to be named, and so to be kept.
            Note {
                texts: Texts::of(texts.map(leaked)),
                request_id: leaked(request_id),
                badge,
                expiry,
                time_to_live,
                content_available,
                mutable_content,
                delay_while_idle,
            }
        }
    }

    prop_compose! {
        fn any_envelope()(
            [is_ios, is_background] in any::<[bool; 2]>(),
            lifetime: u64,
        ) -> Envelope {
            // No `..`: a new field has to be named, and so to be kept.
            Envelope {
                lane: if is_ios { LaneId::IOS } else { LaneId::ANDROID },
                push_type: if is_background { PushType::Background } else { PushType::Alert },
                lifetime_secs: NonZeroU64::new(lifetime),
            }
        }
    }

    fn any_content() -> impl Strategy<Value = Content> {
        let parts = any::<(Vec<u8>, Option<(u32, u32)>)>();
        parts.prop_map(|(body, slots)| {
            let within = |slot: u32| slot % (u32::try_from(body.len()).unwrap() + 1);
            let Some((one, other)) = slots.map(|(one, other)| (within(one), within(other))) else {
                return Content::whole(body);
            };
            Content::with_slots(body, one.min(other), one.max(other)).unwrap()
        })
    }

    proptest! {
        #[test]
        fn every_field_survives(
            envelope in any_envelope(),
            content in any_content(),
            note in any_note(),
            tokens in prop::collection::vec(any::<String>(), 1..20),
        ) {
            let accepted = accepted(envelope, &content, &note, &tokens);
            let mut record = Vec::new();
            put(&mut record, &accepted);
            // A segment may have had another number for the lane.
            let elsewhere = LaneId::new(1 << 15, envelope.lane.provider(), "elsewhere");
            let mut renumbered = Vec::new();
            prop_assert!(put_renumbered(&mut renumbered, &record, elsewhere));
            for record in [record, renumbered] {
                let body = RecordBody::read(&record, envelope.lane).unwrap();
                prop_assert_eq!(body.envelope, accepted.envelope);
                prop_assert_eq!(&body.parcel, &accepted.parcel);
                prop_assert_eq!(body.first_id, accepted.first_id);
                prop_assert_eq!(body.at, accepted.at.unix);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(record in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut with_head = vec![1, 0xff, 0xff, 0xff, 0xff, 0x0f, 1, 0, 0];
            let _none_or_some = RecordBody::read(&record, LaneId::IOS);
            let _put_or_not = put_renumbered(&mut Vec::new(), &record, LaneId::IOS);
            with_head.extend(record);
            prop_assert_eq!(RecordBody::read(&with_head, LaneId::IOS), None);
        }
    }

    #[test]
    fn fields_that_say_nothing_take_no_room() {
        let mut record = Vec::new();
        let token = "t".repeat(64);
        let envelope = Envelope::to(LaneId::IOS);
        let accepted = accepted(envelope, &Content::default(), &Note::default(), &[token]);
        put(&mut record, &accepted);
        assert!(record.len() < 90, "{}", record.len());
    }

    #[test]
    fn what_would_be_sent_as_something_else_is_not_read() {
        let read = |kind_and_fields: &[u8]| {
            let mut record = Vec::new();
            put_head(&mut record, 7, 1, LaneId::IOS, Duration::from_secs(1));
            record.extend_from_slice(kind_and_fields);
            // No slots, no body, nothing in the note, one token of one byte.
            record.extend_from_slice(&[0, 0, END, 1, b'a']);
            RecordBody::read(&record, LaneId::IOS).is_some()
        };
        assert!(read(&[DEVICE_TOKENS, END]) && read(&[DEVICE_TOKENS, envelope::BACKGROUND, END]));
        for other in [
            &[1, END][..],
            &[DEVICE_TOKENS, 1, END],
            &[DEVICE_TOKENS, 4, 1, END],
            &[DEVICE_TOKENS, 5, 0, END],
            &[DEVICE_TOKENS, 6, END],
        ] {
            assert!(!read(other), "{other:?}");
        }
    }
}
