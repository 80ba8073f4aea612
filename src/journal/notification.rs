//! A notification's record: to whom, what, and what is told of it.
//!
//! Pure: no file, no clock, no thread.
//!
//! ```text
//! head       id of the first push, number of targets, number of the lane, time of acceptance
//! envelope   kind of the targets; the fields that say something, each with its number
//!            before it, 0 after the last
//! content    number of slots, 0 to 2, and 128 more if header fields follow; the offsets of the
//!            slots, the header fields as they lie packed, the provider's body
//! note       the fields that say something, as in the envelope: see [`Note`]
//! targets    one text each
//! ```
//!
//! What the caller gave is frozen by that: whatever a later version makes of a request, this one is
//! sent as it was accepted. What the configuration gives, the topic, the host, the project, is not
//! in it, so that correcting it frees what waits.
//!
//! Of the fields of an envelope 6 and 7, once kept for a priority and a collapse id, which are
//! header fields, have no use. A record that has one of these is not read: it would be sent as
//! something else. Whoever gives one of these numbers its use raises [`FORMAT_VERSION`] once it is
//! released, so that an older binary refuses the whole journal instead of failing whole records as
//! damaged.
//! What the formats before had is read as it was. Format 4 had all but the note's field 15; format
//! 3 besides device tokens alone, of the fields of an envelope 2 and 3, no slots or two, no header
//! fields. Of the fields of a note those from 0x40 on say where in the body a text stands: in
//! memory only, never in a record. Such a number has no other use.
//!
//! [`FORMAT_VERSION`]: super::FORMAT_VERSION

use std::num::NonZeroU32;
use std::time::Duration;

use super::frame::RECORD_MAX;
use super::lanes::SegmentLanes;
use super::schedule::SendTime;
use crate::encoding::{Bytes, put_bytes, put_number, put_time};
use crate::push::{
    Accepted, Content, DeviceTokens, Envelope, LaneId, Lifetime, Note, Parcel, PushClass, PushId,
    PushType, TargetKind,
};

/// The begin of a notification's record, which is all that recovery looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordHead {
    pub(super) first_id: u64,
    pub(super) tokens: u32,
    pub(super) lane: LaneId,
    pub(super) at: Duration,
    pub(super) class: PushClass,
    /// When it is to be sent, if that is not at once; what stands behind the begin says so.
    pub(super) send: Option<SendTime>,
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

/// The numbers of the kinds of targets. Like all numbers here they stay what they are.
const TARGETS: [(u8, TargetKind); 5] = [
    (0, TargetKind::DeviceToken),
    (1, TargetKind::Topic),
    (2, TargetKind::Condition),
    (3, TargetKind::Channel),
    (4, TargetKind::Fid),
];

/// Fields of an envelope.
mod envelope {
    pub(super) const BULK: u8 = 1;
    pub(super) const BACKGROUND: u8 = 2;
    pub(super) const LIFETIME: u8 = 3;
    pub(super) const EARLIEST: u8 = 4;
    pub(super) const OWN_TOPIC: u8 = 5;
    pub(super) const PUSH_TYPE: u8 = 8;
    pub(super) const NOW: u8 = 9;
    pub(super) const UNTIL: u8 = 10;
}

/// The numbers of the push types that have no field of their own, nor need one.
const PUSH_TYPES: [(u8, PushType); 10] = [
    (1, PushType::Voip),
    (2, PushType::Complication),
    (3, PushType::FileProvider),
    (4, PushType::Mdm),
    (5, PushType::Location),
    (6, PushType::LiveActivity),
    (7, PushType::PushToTalk),
    (8, PushType::Widgets),
    (9, PushType::Controls),
    (10, PushType::Other),
];

/// Added to the number of slots where header fields follow.
const HAS_HEAD: u8 = 0x80;

/// What has that number.
fn numbered<T: Copy>(table: &[(u8, T)], number: u8) -> Option<T> {
    let mut rows = table.iter();
    rows.find(|row| row.0 == number).map(|(_, it)| *it)
}

/// The number of that, if it has one.
fn number_of<T: Copy + PartialEq>(table: &[(u8, T)], it: T) -> Option<u8> {
    let mut rows = table.iter();
    rows.find(|row| row.1 == it).map(|(number, _)| *number)
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
        target,
        push_type,
        has_own_topic,
        lifetime,
        earliest,
        class,
    } = envelope;
    // Each kind of target has a number: a test holds it.
    out.push(number_of(&TARGETS, *target).unwrap_or_default());
    if let Some(earliest) = earliest {
        out.push(envelope::EARLIEST);
        put_number(out, earliest.get().into());
    }
    if *class == PushClass::Bulk {
        out.push(envelope::BULK);
    }
    match push_type {
        PushType::Alert => {}
        PushType::Background => out.push(envelope::BACKGROUND),
        other => {
            let number = number_of(&PUSH_TYPES, *other).unwrap_or_default();
            out.extend_from_slice(&[envelope::PUSH_TYPE, number]);
        }
    }
    if *has_own_topic {
        out.push(envelope::OWN_TOPIC);
    }
    match lifetime {
        Lifetime::Unsaid => {}
        Lifetime::Now => out.push(envelope::NOW),
        Lifetime::Secs(secs) => {
            out.push(envelope::LIFETIME);
            put_number(out, secs.get().into());
        }
        Lifetime::Until(at) => {
            out.push(envelope::UNTIL);
            put_number(out, (*at).into());
        }
    }
    out.push(END);
}

fn put_content(out: &mut Vec<u8>, parcel: &Parcel) {
    let (slots, head) = (parcel.slots(), parcel.packed_head());
    let offsets = [slots.target(), slots.ttl()];
    let count = offsets.map(|offset| u8::from(offset.is_some()));
    let has_head = if head.is_empty() { 0 } else { HAS_HEAD };
    out.push(count.iter().sum::<u8>() | has_head);
    for offset in offsets.into_iter().flatten() {
        put_number(out, offset.into());
    }
    if !head.is_empty() {
        put_bytes(out, head);
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
        let (number, at) = (bytes.number16()?, bytes.time()?);
        let (class, send) = behind(bytes).unwrap_or_default();
        let head = RecordHead {
            first_id,
            tokens,
            lane: LaneId::IOS,
            at,
            class,
            send,
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

/// What stands behind the begin of a record that says which goes first, and when; of one that
/// cannot be read it does not matter: its pushes are fed at once, and fail.
fn behind(begin: &Bytes<'_>) -> Option<(PushClass, Option<SendTime>)> {
    let mut bytes = Bytes(begin.0);
    let envelope = read_envelope(&mut bytes, LaneId::IOS)?;
    let mut send_time = || {
        read_content(&mut bytes)?;
        SendTime::of(&envelope, &Note::read(&mut bytes, &[])?)
    };
    let send = envelope.earliest.and_then(|_| send_time());
    Some((envelope.class, send))
}

fn read_envelope(bytes: &mut Bytes<'_>, lane: LaneId) -> Option<Envelope> {
    let mut read = Envelope::to(lane);
    read.target = numbered(&TARGETS, bytes.byte()?)?;
    loop {
        match bytes.byte()? {
            END => return Some(read),
            envelope::BULK => read.class = PushClass::Bulk,
            envelope::BACKGROUND => read.push_type = PushType::Background,
            envelope::PUSH_TYPE => read.push_type = numbered(&PUSH_TYPES, bytes.byte()?)?,
            envelope::OWN_TOPIC => read.has_own_topic = true,
            envelope::NOW => read.lifetime = Lifetime::Now,
            // The format before had a longer number, of which no more than that was used.
            envelope::LIFETIME => {
                read.lifetime = Lifetime::secs(bytes.number().filter(|secs| *secs > 0)?);
            }
            envelope::UNTIL => read.lifetime = Lifetime::Until(bytes.number32()?),
            envelope::EARLIEST => read.earliest = Some(NonZeroU32::new(bytes.number32()?)?),
            _ => return None,
        }
    }
}

fn read_content(bytes: &mut Bytes<'_>) -> Option<Content> {
    let begin = bytes.byte()?;
    let mut offsets = [None; 2];
    let slots = usize::from(begin & !HAS_HEAD);
    for offset in offsets.get_mut(..slots)? {
        *offset = Some(bytes.number32()?);
    }
    let head = if begin & HAS_HEAD == 0 {
        &[]
    } else {
        bytes.bytes()?
    };
    let body = bytes.bytes()?;
    let content = match offsets {
        [Some(target), Some(ttl)] => Content::with_slots(body, target, ttl)?,
        [Some(target), None] => Content::with_target(body, target)?,
        _ => Content::whole(body),
    };
    content.with_packed_head(head)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;
    use crate::moment::Moment;
    use crate::push::{PackedToken, Texts};

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
            [request_id, traceparent] in any::<[String; 2]>(),
            [badge, expiry, time_to_live] in any::<[i64; 3]>(),
            [content_available, mutable_content, delay_while_idle] in any::<[bool; 3]>(),
        ) -> Note<'static> {
            let leaked = |text: String| &*text.leak();
            // No `..`: a new field has to be named, and so to be kept.
            Note {
                texts: Texts::of(texts.map(leaked)),
                request_id: leaked(request_id),
                traceparent: leaked(traceparent),
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
            [is_ios, has_own_topic] in any::<[bool; 2]>(),
            target in prop::sample::select(&TargetKind::ALL[..]),
            push_type in prop::sample::select(&PushType::ALL[..]),
            class in prop::sample::select(&PushClass::ALL[..]),
            (kind, secs) in (0..4, any::<u32>()),
            earliest: u32,
        ) -> Envelope {
            // No `..`: a new field has to be named, and so to be kept.
            Envelope {
                lane: if is_ios { LaneId::IOS } else { LaneId::ANDROID },
                target,
                push_type,
                has_own_topic,
                lifetime: match kind {
                    0 => Lifetime::Unsaid,
                    1 => Lifetime::Now,
                    2 => Lifetime::secs(secs.into()),
                    _ => Lifetime::Until(secs),
                },
                earliest: NonZeroU32::new(earliest),
                class,
            }
        }
    }

    fn any_content() -> impl Strategy<Value = Content> {
        let head = prop::collection::vec(any::<(String, String)>(), 0..4);
        let parts = (any::<(Vec<u8>, Option<(u32, Option<u32>)>)>(), head);
        parts.prop_map(|((body, slots), head)| {
            let within = |slot: u32| slot % (u32::try_from(body.len()).unwrap() + 1);
            let content = match slots {
                None => Content::whole(body),
                Some((target, None)) => {
                    let target = within(target);
                    Content::with_target(body, target).unwrap()
                }
                Some((one, Some(other))) => {
                    let (one, other) = (within(one), within(other));
                    Content::with_slots(body, one.min(other), one.max(other)).unwrap()
                }
            };
            let head = head.iter().map(|(name, value)| (&**name, &**value));
            content.with_head(&head.collect::<Vec<_>>())
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
                let head = NumberedHead::read(&mut Bytes(&record)).unwrap().unnamed();
                prop_assert_eq!(head.class, envelope.class);
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
        let read = |kind_and_fields: &[u8], content: &[u8]| {
            let mut record = Vec::new();
            put_head(&mut record, 7, 1, LaneId::IOS, Duration::from_secs(1));
            record.extend_from_slice(kind_and_fields);
            record.extend_from_slice(content);
            // Nothing in the note, one token of one byte.
            record.extend_from_slice(&[END, 1, b'a']);
            RecordBody::read(&record, LaneId::IOS).is_some()
        };
        // No slots, no body.
        let of = |kind_and_fields: &[u8]| read(kind_and_fields, &[0, 0]);
        for known in [
            &[0, END][..],
            &[0, envelope::BACKGROUND, END],
            &[4, END],
            &[0, 1, END],
        ] {
            assert!(of(known), "{known:?}");
        }
        for other in [
            &[5, END][..],
            &[0, 3, 0, END],
            &[0, envelope::EARLIEST, 0, END],
            &[0, 6, END],
            &[0, 7, END],
            &[0, envelope::PUSH_TYPE, 0, END],
            &[0, envelope::PUSH_TYPE, 11, END],
            &[0, 11, END],
        ] {
            assert!(!of(other), "{other:?}");
        }
        let device = &[0, END];
        assert!(read(device, &[1, 1, 1, b'x']) && read(device, &[HAS_HEAD, 2, 0, 0, 0]));
        for other in [
            &[3, 0, 0, 0, 0][..],
            &[0x40, 0],
            &[1, 2, 1, b'x'],
            &[HAS_HEAD, 1, 0, 0],
        ] {
            assert!(!read(device, other), "{other:?}");
        }
    }

    #[test]
    fn what_the_format_before_had_is_read_as_it_was() {
        let mut record = Vec::new();
        put_head(&mut record, 7, 2, LaneId::ANDROID, Duration::from_secs(9));
        // A background push of ten minutes.
        record.extend_from_slice(&[0, 2, 3, 0xd8, 0x04, 0]);
        // Two slots, a body, a message and a request in the note, two tokens.
        record.extend_from_slice(b"\x02\x01\x02\x04{{}}\x01\x02hi\x08\x01r\x00\x01a\x03c:d");
        let read = RecordBody::read(&record, LaneId::ANDROID).unwrap();
        let expected = Envelope {
            push_type: PushType::Background,
            ..Envelope::to(LaneId::ANDROID).lasting(600)
        };
        assert_eq!(read.envelope, expected);
        assert_eq!(read.parcel.parts(), [&b"{"[..], b"{", b"}}"]);
        assert!(read.parcel.takes_ttl() && read.parcel.head().next().is_none());
        let note = read.parcel.note();
        assert_eq!((note.texts.message, note.request_id), ("hi", "r"));
        assert_eq!(note.traceparent, "");
        let tokens: Vec<_> = read.parcel.tokens().map(PackedToken::text).collect();
        assert_eq!(tokens, ["a", "c:d"]);
        // And it is written as it was, which an older record has to be where it is carried on.
        let accepted = Accepted {
            envelope: read.envelope,
            parcel: read.parcel,
            first_id: read.first_id,
            at: Moment {
                stood: Duration::ZERO,
                monotonic: Instant::now(),
                unix: read.at,
            },
        };
        let mut again = Vec::new();
        put(&mut again, &accepted);
        assert_eq!(again, record);
    }
}
