//! The frame around a record: where it begins, how long it is, and whether it is whole.
//!
//! Pure: no file, no clock, no thread.
//!
//! ```text
//! 0   marker    0xF9 0xFE, which no UTF-8 text holds: no caller can write a frame into a record
//! 2   kind      and the flags FIRST (0x40) and MORE (0x80) of its group
//! 3   check     the lowest byte of the CRC32C of kind and length, so that a length is believed
//! 4   length    of the record, 32 bits, little-endian
//! 8   checksum  CRC32C of kind, check, length and record, exclusive-or the segment's salt
//! 12  record
//! ```
//!
//! The frames of one request are a group, kept as a whole or not at all: the first one has FIRST,
//! all but the last have MORE.

/// Bytes before the record.
pub(crate) const FRAME_HEAD: usize = 12;

/// Our limit: bytes of one record; the largest body of a request (256 MiB) makes a shorter one.
pub(crate) const RECORD_MAX: usize = 512 << 20;

const MARKER: [u8; 2] = [0xf9, 0xfe];
const FIRST: u8 = 0x40;
const MORE: u8 = 0x80;

/// A whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u8,
    /// Whether it is the first of its group.
    pub(crate) first: bool,
    /// Whether its group goes on.
    pub(crate) more: bool,
    pub(crate) record: &'a [u8],
}

impl Frame<'_> {
    /// Bytes of the frame.
    pub(crate) fn len(&self) -> usize {
        FRAME_HEAD + self.record.len()
    }
}

/// What stands at the begin of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look<'a> {
    Frame(Frame<'a>),
    /// It may be a frame, with so many bytes in all.
    Short(usize),
    /// It is none.
    None,
}

/// What the checksums of a segment are mixed with: bytes that lay on the disk before, or that
/// belong to another segment, are no frames of this one.
pub(crate) fn salt(segment: u32) -> u32 {
    segment.wrapping_mul(0x9e37_79b1) ^ 0x5354_524e
}

/// Appends a frame of a segment whose salt is 0, see [`seal`]; false if the record is too long.
#[must_use]
pub(crate) fn put(out: &mut Vec<u8>, kind: u8, write: impl FnOnce(&mut Vec<u8>)) -> bool {
    let start = out.len();
    out.extend_from_slice(&[0; FRAME_HEAD]);
    write(out);
    let len = out.len() - start - FRAME_HEAD;
    match u32::try_from(len) {
        Ok(len32) if len <= RECORD_MAX => finish(out, start, kind | FIRST, len32),
        _ => {
            out.truncate(start);
            return false;
        }
    }
    true
}

fn finish(out: &mut [u8], start: usize, kind: u8, len: u32) {
    if let Some(frame) = out.get_mut(start..)
        && let Some((head, record)) = frame.split_first_chunk_mut::<FRAME_HEAD>()
    {
        let [m0, m1] = MARKER;
        let [l0, l1, l2, l3] = len.to_le_bytes();
        let check = check_of(kind, len);
        let [c0, c1, c2, c3] = checksum(kind, check, len, record).to_le_bytes();
        *head = [m0, m1, kind, check, l0, l1, l2, l3, c0, c1, c2, c3];
    }
}

/// Makes one group of the frames that were put.
pub(crate) fn group(frames: &mut [u8]) {
    let mut starts = Vec::new();
    walk(frames, |at, _| starts.push(at));
    let count = starts.len();
    for (number, start) in starts.into_iter().enumerate() {
        let first = if number == 0 { FIRST } else { 0 };
        let more = if number + 1 < count { MORE } else { 0 };
        let Some(head) = frames
            .get(start..)
            .and_then(|frame| frame.first_chunk::<FRAME_HEAD>())
        else {
            return;
        };
        let [_, _, kind, _, l0, l1, l2, l3, ..] = *head;
        let flagged = kind & !(FIRST | MORE) | first | more;
        if flagged != kind {
            finish_within(frames, start, flagged, u32::from_le_bytes([l0, l1, l2, l3]));
        }
    }
}

/// As [`finish`], for a frame that is followed by others.
fn finish_within(frames: &mut [u8], start: usize, kind: u8, len: u32) {
    let end = start + FRAME_HEAD + len as usize;
    if let Some(frame) = frames.get_mut(..end) {
        finish(frame, start, kind, len);
    }
}

/// Mixes the checksums of whole frames with a salt; a second time takes it out again.
pub(crate) fn seal(frames: &mut [u8], salt: u32) {
    walk(frames, |_, head| {
        let [.., c0, c1, c2, c3] = head;
        let sum = u32::from_le_bytes([*c0, *c1, *c2, *c3]) ^ salt;
        [*c0, *c1, *c2, *c3] = sum.to_le_bytes();
    });
}

fn walk(frames: &mut [u8], mut see: impl FnMut(usize, &mut [u8; FRAME_HEAD])) {
    let mut at = 0;
    while let Some(head) = frames
        .get_mut(at..)
        .and_then(|frame| frame.first_chunk_mut::<FRAME_HEAD>())
    {
        let [_, _, _, _, l0, l1, l2, l3, ..] = *head;
        see(at, head);
        at += FRAME_HEAD + u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    }
}

/// Looks for a frame at the begin of `bytes`.
pub(crate) fn look(bytes: &[u8], salt: u32) -> Look<'_> {
    let Some((head, rest)) = bytes.split_first_chunk::<FRAME_HEAD>() else {
        let prefix = bytes.len().min(MARKER.len());
        let may_be = bytes.get(..prefix) == MARKER.get(..prefix);
        return if may_be {
            Look::Short(FRAME_HEAD)
        } else {
            Look::None
        };
    };
    let [m0, m1, kind, check, l0, l1, l2, l3, c0, c1, c2, c3] = *head;
    let len = u32::from_le_bytes([l0, l1, l2, l3]);
    let record_len = len as usize;
    if [m0, m1] != MARKER || check != check_of(kind, len) || record_len > RECORD_MAX {
        return Look::None;
    }
    let Some(record) = rest.get(..record_len) else {
        return Look::Short(FRAME_HEAD + record_len);
    };
    let sum = u32::from_le_bytes([c0, c1, c2, c3]);
    if sum != checksum(kind, check, len, record) ^ salt {
        return Look::None;
    }
    known(bytes).map_or(Look::None, Look::Frame)
}

/// The frame at the begin of `bytes`, which were looked at before.
pub(crate) fn known(bytes: &[u8]) -> Option<Frame<'_>> {
    let (head, rest) = bytes.split_first_chunk::<FRAME_HEAD>()?;
    let [_, _, kind, _, l0, l1, l2, l3, ..] = *head;
    Some(Frame {
        kind: kind & !(FIRST | MORE),
        first: kind & FIRST != 0,
        more: kind & MORE != 0,
        record: rest.get(..u32::from_le_bytes([l0, l1, l2, l3]) as usize)?,
    })
}

/// Where the next frame may begin, at `from` or later.
pub(crate) fn next_marker(bytes: &[u8], from: usize) -> Option<usize> {
    let [first, _] = MARKER;
    let rest = bytes.get(from..)?;
    let mut at = 0;
    loop {
        let later = rest.get(at..)?;
        at += later.iter().position(|byte| *byte == first)?;
        match rest.get(at..)? {
            [_] => return Some(from + at),
            [a, b, ..] if [*a, *b] == MARKER => return Some(from + at),
            _ => at += 1,
        }
    }
}

fn check_of(kind: u8, len: u32) -> u8 {
    let [l0, l1, l2, l3] = len.to_le_bytes();
    let [lowest, ..] = crc32c::crc32c(&[kind, l0, l1, l2, l3]).to_le_bytes();
    lowest
}

fn checksum(kind: u8, check: u8, len: u32, record: &[u8]) -> u32 {
    let [l0, l1, l2, l3] = len.to_le_bytes();
    crc32c::crc32c_append(crc32c::crc32c(&[kind, check, l0, l1, l2, l3]), record)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(records: &[&[u8]]) -> Vec<u8> {
        let mut out = Vec::new();
        for record in records {
            assert!(put(&mut out, 3, |out| out.extend_from_slice(record)));
        }
        out
    }

    #[test]
    fn a_group_is_marked_at_both_ends() {
        let mut out = frames(&[b"one", b"", b"three"]);
        group(&mut out);
        seal(&mut out, salt(7));
        let mut at = 0;
        for (record, first, more) in [
            (&b"one"[..], true, true),
            (b"", false, true),
            (b"three", false, false),
        ] {
            let frame = Frame {
                kind: 3,
                first,
                more,
                record,
            };
            assert_eq!(look(&out[at..], salt(7)), Look::Frame(frame));
            assert_eq!(look(&out[at..], salt(8)), Look::None);
            at += frame.len();
        }
        assert_eq!(at, out.len());
    }

    #[test]
    fn no_flipped_bit_is_overlooked() {
        let whole = frames(&[b"a record"]);
        for bit in 0..whole.len() * 8 {
            let mut out = whole.clone();
            out[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(look(&out, 0), Look::Frame(_)), "bit {bit}");
        }
        for len in 0..whole.len() {
            assert!(matches!(look(&whole[..len], 0), Look::Short(_)), "{len}");
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_no_frame() {
        let mut out = vec![0; FRAME_HEAD];
        let too_long = u32::try_from(RECORD_MAX + 1).unwrap();
        finish(&mut out, 0, 3, too_long);
        assert_eq!(look(&out, 0), Look::None);
        finish(&mut out, 0, 3, too_long - 1);
        assert_eq!(look(&out, 0), Look::Short(FRAME_HEAD + RECORD_MAX));
    }

    #[test]
    fn the_next_marker_is_found_even_if_it_is_cut() {
        let bytes = [0xf9, 0, 0xf9, 0xf9, 0xfe, 0, 0xf9];
        assert_eq!(next_marker(&bytes, 0), Some(3));
        assert_eq!(next_marker(&bytes, 4), Some(6));
        assert_eq!(next_marker(&bytes, 7), None);
        assert_eq!(next_marker(&bytes[..3], 0), Some(2));
    }
}
