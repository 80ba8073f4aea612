//! What the records of a segment say, besides notifications.
//!
//! Pure: no file, no clock, no thread.

use super::lanes::{self, SegmentLanes};
use super::settled::Runs;
use super::{Attempts, KeptAnswer, frame, notification, settled};
use crate::encoding::{Bytes, put_bytes, put_number, put_time};
use crate::push::{Accepted, End, LaneId, PushId};

/// Kinds of records; a number is never given another meaning.
pub(super) mod kind {
    /// An accepted notification with its device tokens.
    pub(in super::super) const ACCEPTED: u8 = 1;
    /// The answer to a request with an idempotency key.
    pub(in super::super) const ANSWER: u8 = 2;
    /// Pushes that ended.
    pub(in super::super) const SETTLED: u8 = 3;
    /// How far outstanding pushes have come.
    pub(in super::super) const ATTEMPTS: u8 = 4;
    /// Ids up to this one may have been given to pushes.
    pub(in super::super) const IDS: u8 = 5;
    /// All that stands before was synced before this was written.
    pub(in super::super) const SYNCED: u8 = 6;
    /// The checkpoint is complete: older segments are not needed.
    pub(in super::super) const COMPLETE: u8 = 7;
    /// An accepted notification whose record the disk has damaged: its head alone, so that each of
    /// its pushes still ends with a word.
    pub(in super::super) const LOST: u8 = 8;
    /// Pushes that were about to be written to a connection.
    pub(in super::super) const HANDED: u8 = 9;
    /// Pushes with ids up to this one may have been sent, whatever else is said of them.
    pub(in super::super) const DOUBT: u8 = 10;
    /// The number of a lane in this segment, and its name.
    pub(in super::super) const LANE: u8 = 11;
}

/// A record, as far as recovery reads it.
#[derive(Debug)]
pub(super) enum Record<'a> {
    Accepted(notification::NumberedHead),
    Answer(KeptAnswer),
    Settled(Runs<'a>),
    Attempts(Vec<(u64, Attempts)>),
    Ids(u64),
    Synced,
    Complete,
    Handed(Runs<'a>),
    Doubt(u64),
    /// What matters for nothing that is outstanding.
    Aside,
}

impl<'a> Record<'a> {
    /// Reads a record of a segment that has named these lanes; nothing if it is not one of ours.
    pub(super) fn read(kind: u8, record: &'a [u8], lanes: &mut SegmentLanes) -> Option<Self> {
        let mut bytes = Bytes(record);
        match kind {
            kind::ACCEPTED | kind::LOST => {
                let numbered = notification::NumberedHead::read(&mut bytes)?;
                let head = numbered.unnamed();
                // Each token has its length's byte at least.
                let fits = kind == kind::LOST || head.tokens as usize <= bytes.0.len();
                fits.then_some(Self::Accepted(numbered))
            }
            kind::ANSWER => answer(&mut bytes).map(Self::Answer),
            kind::SETTLED => Some(Self::Settled(Runs::of(record))),
            kind::ATTEMPTS => attempts(&mut bytes).map(Self::Attempts),
            // A higher one would leave no ids for pushes to come.
            kind::IDS => bytes.number().filter(|id| *id < PushId::END).map(Self::Ids),
            kind::SYNCED => Some(Self::Synced),
            kind::COMPLETE => Some(Self::Complete),
            kind::HANDED => Some(Self::Handed(Runs::of(record))),
            kind::DOUBT => bytes.number().map(Self::Doubt),
            kind::LANE => lanes.name(record).then_some(Self::Aside),
            _ => None,
        }
    }
}

/// Appends a notification; false if it is too long.
#[must_use]
pub(super) fn put_accepted(out: &mut Vec<u8>, accepted: &Accepted) -> bool {
    frame::put(out, kind::ACCEPTED, |out| notification::put(out, accepted))
}

/// Appends the name of a lane.
pub(super) fn put_lane(out: &mut Vec<u8>, lane: LaneId) {
    put_short(out, kind::LANE, |out| lanes::put(out, lane));
}

/// Appends what is known of a notification whose record is damaged.
pub(super) fn put_lost(out: &mut Vec<u8>, head: &notification::RecordHead) {
    let fits = frame::put(out, kind::LOST, |out| head.put(out));
    debug_assert!(fits, "a head has a bounded length");
}

/// Appends an answer; false if it is too long.
#[must_use]
pub(super) fn put_answer(out: &mut Vec<u8>, kept: &KeptAnswer) -> bool {
    let KeptAnswer {
        key,
        body_hash,
        answer,
        at,
    } = kept;
    frame::put(out, kind::ANSWER, |out| {
        put_time(out, *at);
        out.extend_from_slice(body_hash);
        put_bytes(out, key.as_bytes());
        put_bytes(out, answer);
    })
}

fn answer(bytes: &mut Bytes<'_>) -> Option<KeptAnswer> {
    let at = bytes.time()?;
    let body_hash = bytes.array()?;
    Some(KeptAnswer {
        key: bytes.text()?.into(),
        body_hash,
        answer: bytes.bytes()?.into(),
        at,
    })
}

/// Appends settlements, sorted; a million of them make several records.
pub(super) fn put_settled(out: &mut Vec<u8>, settled: &mut [(u64, Option<End>)]) {
    for some in settled.chunks_mut(LIST_MAX) {
        let fits = frame::put(out, kind::SETTLED, |out| settled::put(out, some));
        debug_assert!(fits, "a list of settlements has a bounded length");
    }
}

/// Appends how far pushes have come.
pub(super) fn put_attempts(out: &mut Vec<u8>, states: &[(u64, Attempts)]) {
    for some in states.chunks(LIST_MAX) {
        let fits = frame::put(out, kind::ATTEMPTS, |out| {
            for (id, state) in some {
                put_state(out, *id, *state);
            }
        });
        debug_assert!(fits, "a list of attempts has a bounded length");
    }
}

const MAYBE_SENT: u8 = 1;
const SECOND_CHANCE: u8 = 2;
const BEGUN: u8 = 4;
const WAITS: u8 = 8;
const RESTS: u8 = 16;
const CONTRADICTED: u8 = 32;

fn put_state(out: &mut Vec<u8>, id: u64, state: Attempts) {
    let Attempts {
        attempts,
        refusals,
        maybe_sent,
        used_its_second_chance,
        contradictions: (contradictions, first_age),
        first_attempt,
        due,
        rest,
    } = state;
    put_number(out, id);
    put_number(out, attempts.into());
    put_number(out, refusals.into());
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    out.push(
        flag(maybe_sent, MAYBE_SENT)
            | flag(used_its_second_chance, SECOND_CHANCE)
            | flag(first_attempt.is_some(), BEGUN)
            | flag(due.is_some(), WAITS)
            | flag(rest.is_some(), RESTS)
            | flag(contradictions > 0, CONTRADICTED),
    );
    for at in [first_attempt, due, rest].into_iter().flatten() {
        put_time(out, at);
    }
    if contradictions > 0 {
        out.push(contradictions);
        put_number(out, first_age.into());
    }
}

fn attempts(bytes: &mut Bytes<'_>) -> Option<Vec<(u64, Attempts)>> {
    let mut states = Vec::new();
    while !bytes.is_empty() {
        // A state in memory is many times as long as here.
        if states.len() == LIST_MAX {
            return None;
        }
        let id = bytes.number()?;
        let (attempts, refusals) = (bytes.number16()?, bytes.number16()?);
        let flags = bytes.byte()?;
        let mut times = [None; 3];
        for (time, flag) in times.iter_mut().zip([BEGUN, WAITS, RESTS]) {
            if flags & flag != 0 {
                *time = Some(bytes.time()?);
            }
        }
        let [first_attempt, due, rest] = times;
        let mut contradictions = (0, 0);
        if flags & CONTRADICTED != 0 {
            let count = bytes.byte()?;
            contradictions = (count, u32::try_from(bytes.number()?).ok()?);
        }
        let state = Attempts {
            attempts,
            refusals,
            maybe_sent: flags & MAYBE_SENT != 0,
            used_its_second_chance: flags & SECOND_CHANCE != 0,
            contradictions,
            first_attempt,
            due,
            rest,
        };
        states.push((id, state));
    }
    Some(states)
}

/// Appends the highest id that may have been given to a push.
pub(super) fn put_ids(out: &mut Vec<u8>, last: u64) {
    put_short(out, kind::IDS, |out| put_number(out, last));
}

/// Appends the mark that all before it was synced.
pub(super) fn put_synced(out: &mut Vec<u8>) {
    put_short(out, kind::SYNCED, |_| {});
}

/// Appends the mark that the checkpoint is complete.
pub(super) fn put_complete(out: &mut Vec<u8>) {
    put_short(out, kind::COMPLETE, |_| {});
}

/// Appends pushes that are about to be written to a connection.
pub(super) fn put_handed(out: &mut Vec<u8>, ids: &[u64]) {
    for some in ids.chunks(LIST_MAX) {
        let mut some: Vec<_> = some.iter().map(|id| (*id, None)).collect();
        let fits = frame::put(out, kind::HANDED, |out| settled::put(out, &mut some));
        debug_assert!(fits, "a list of ids has a bounded length");
    }
}

/// Appends up to which id pushes may have been sent.
pub(super) fn put_doubt(out: &mut Vec<u8>, last: u64) {
    put_short(out, kind::DOUBT, |out| put_number(out, last));
}

fn put_short(out: &mut Vec<u8>, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
    let fits = frame::put(out, kind, write);
    debug_assert!(fits, "a number fits, and a name");
}

/// Our limit: pushes of one list in a record.
const LIST_MAX: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn only_record(frames: &[u8]) -> Record<'_> {
        let frame::Look::Frame(frame) = frame::look(frames, 0) else {
            unreachable!("no frame");
        };
        assert_eq!(frame.len(), frames.len());
        Record::read(frame.kind, frame.record, &mut SegmentLanes::default()).unwrap()
    }

    fn any_state() -> impl Strategy<Value = Attempts> {
        let at = |secs: Option<u32>| secs.map(|secs| Duration::new(secs.into(), 7));
        let parts = any::<(u16, u16, bool, bool, (u8, u32), [Option<u32>; 3])>();
        parts.prop_map(
            move |(attempts, refusals, maybe_sent, chance, contradictions, times)| Attempts {
                contradictions: match contradictions {
                    (0, _) => (0, 0),
                    some => some,
                },
                attempts,
                refusals,
                maybe_sent,
                used_its_second_chance: chance,
                first_attempt: at(times[0]),
                due: at(times[1]),
                rest: at(times[2]),
            },
        )
    }

    proptest! {
        #[test]
        fn attempts_survive(states in prop::collection::vec((any::<u64>(), any_state()), 1..50)) {
            let mut out = Vec::new();
            put_attempts(&mut out, &states);
            match only_record(&out) {
                Record::Attempts(read) => prop_assert_eq!(read, states),
                other => prop_assert!(false, "{:?}", other),
            }
        }

        #[test]
        fn answers_survive(key: String, body_hash: [u8; 32], answer: Vec<u8>, secs: u32) {
            let kept = KeptAnswer {
                key: key.into(),
                body_hash,
                answer: answer.into(),
                at: Duration::from_secs(secs.into()),
            };
            let mut out = Vec::new();
            prop_assert!(put_answer(&mut out, &kept));
            match only_record(&out) {
                Record::Answer(read) => prop_assert_eq!(read, kept),
                other => prop_assert!(false, "{:?}", other),
            }
        }

        #[test]
        fn no_bytes_make_it_panic(kind: u8, record: Vec<u8>) {
            let mut lanes = SegmentLanes::default();
            if let Some(Record::Settled(runs)) = Record::read(kind, &record, &mut lanes) {
                let runs = runs.count();
                prop_assert!(runs <= record.len() / 2);
            }
        }
    }

    #[test]
    fn no_head_claims_more_than_there_can_be() {
        let mut lanes = SegmentLanes::default();
        let mut is_read = |kind, first_id: u64, tokens: u64, left: usize| {
            let mut record = Vec::new();
            put_number(&mut record, first_id);
            put_number(&mut record, tokens);
            put_number(&mut record, LaneId::IOS.number().into());
            put_time(&mut record, Duration::ZERO);
            record.extend(vec![0; left]);
            Record::read(kind, &record, &mut lanes).is_some()
        };
        let (last, many) = (PushId::END - 1, u32::MAX.into());
        for (kind, first_id, tokens, left, expected) in [
            (kind::ACCEPTED, 1, 20, 20, true),
            (kind::ACCEPTED, 1, 21, 20, false),
            (kind::ACCEPTED, 1, many, 20, false),
            (kind::ACCEPTED, last, 1, 20, true),
            (kind::ACCEPTED, last, 2, 20, false),
            (kind::ACCEPTED, u64::MAX, 2, 20, false),
            (kind::LOST, 1, 21, 0, true),
            (kind::LOST, last, 2, 0, false),
            (kind::LOST, 1, many, 0, false),
        ] {
            let read = is_read(kind, first_id, tokens, left);
            assert_eq!(read, expected, "{kind} {first_id} {tokens} {left}");
        }
        for (id, expected) in [(last, true), (PushId::END, false)] {
            let mut record = Vec::new();
            put_number(&mut record, id);
            let read = Record::read(kind::IDS, &record, &mut lanes);
            assert_eq!(read.is_some(), expected, "{id}");
        }
    }

    #[test]
    fn long_lists_make_several_records() {
        let state = Attempts::default();
        let states: Vec<_> = (0..=LIST_MAX as u64).map(|id| (id, state)).collect();
        let mut out = Vec::new();
        put_attempts(&mut out, &states);
        let frame::Look::Frame(first) = frame::look(&out, 0) else {
            unreachable!("no frame");
        };
        let Record::Attempts(last) = only_record(&out[first.len()..]) else {
            unreachable!("another record");
        };
        assert_eq!(last, [(LIST_MAX as u64, state)]);
        let record = |frames: &[u8]| frames[frame::FRAME_HEAD..].to_vec();
        let (first, last) = out.split_at(first.len());
        for (record, is_read) in [
            (record(first), true),
            ([record(first), record(last)].concat(), false),
        ] {
            let read = Record::read(kind::ATTEMPTS, &record, &mut SegmentLanes::default());
            assert_eq!(
                read.is_some(),
                is_read,
                "as much as one holds, and one more"
            );
        }
    }
}
