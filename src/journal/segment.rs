//! A segment's name and head.
//!
//! Pure: no file, no clock, no thread.
//!
//! ```text
//! 0   "sternaJ" 0xF9
//! 8   format version   32 bits, little-endian, as the others
//! 12  number           of the segment, which its name has too
//! 16  base             number of the oldest segment that it needs until its checkpoint is complete
//! 20  checksum         CRC32C of all that
//! ```
//!
//! This head stays as it is in all versions.

use super::{FORMAT_VERSION, OLDEST_FORMAT};

/// Bytes of the head.
pub(super) const SEGMENT_HEAD: usize = 24;

const MAGIC: [u8; 8] = *b"sternaJ\xf9";
const SUFFIX: &str = ".journal";

/// Follows the name of a damaged segment.
const ASIDE: &str = ".damaged";

/// Takes the place of the suffix while only the checkpoint is written.
const DRAFT: &str = ".checkpoint";

/// Digits of a name, so that names sort as numbers do.
const DIGITS: usize = 10;

/// The name of a segment's file.
pub(super) fn name(number: u32) -> String {
    format!("{number:010}{SUFFIX}")
}

/// The number in the name of a segment's file.
pub(super) fn number(name: &str) -> Option<u32> {
    let digits = name.strip_suffix(SUFFIX)?;
    let is_number = digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// The name under which a damaged segment is kept aside.
pub(super) fn aside(number: u32) -> String {
    format!("{}{ASIDE}", name(number))
}

/// The number in the name of a segment that is kept aside.
pub(super) fn number_aside(name: &str) -> Option<u32> {
    number(name.strip_suffix(ASIDE)?)
}

/// The name of a segment while its checkpoint is being written, and nothing else.
pub(super) fn draft(number: u32) -> String {
    format!("{number:010}{DRAFT}")
}

/// Whether that is the name of such a segment.
pub(super) fn is_draft(name: &str) -> bool {
    let digits = name.strip_suffix(DRAFT);
    digits.is_some_and(|digits| number(&format!("{digits}{SUFFIX}")).is_some())
}

/// What a head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SegmentHead {
    /// It is ours, and needs the segments from that number on.
    Base(u32),
    /// The same of one of an older format, to which nothing is added.
    OlderBase(u32),
    /// It is whole, but of a version that is not known.
    OtherVersion(u32),
    /// It is damaged, or was never written whole.
    Damaged,
}

/// The head of a new segment.
pub(super) fn head(number: u32, base: u32) -> [u8; SEGMENT_HEAD] {
    head_of(FORMAT_VERSION, number, base)
}

fn head_of(version: u32, number: u32, base: u32) -> [u8; SEGMENT_HEAD] {
    let mut bytes = [0; SEGMENT_HEAD];
    let parts = MAGIC.into_iter().chain(
        [version, number, base]
            .into_iter()
            .flat_map(u32::to_le_bytes),
    );
    for (byte, value) in bytes.iter_mut().zip(parts) {
        *byte = value;
    }
    if let Some((said, sum)) = bytes.split_last_chunk_mut() {
        *sum = crc32c::crc32c(said).to_le_bytes();
    }
    bytes
}

/// Reads the head of the segment of that number.
pub(super) fn read_head(bytes: &[u8], number: u32) -> SegmentHead {
    let field = |at: usize| {
        let bytes = bytes.get(at..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    };
    let (Some(version), Some(base)) = (field(8), field(16)) else {
        return SegmentHead::Damaged;
    };
    if bytes.first_chunk() != Some(&head_of(version, number, base)) {
        return SegmentHead::Damaged;
    }
    match version {
        FORMAT_VERSION => SegmentHead::Base(base),
        OLDEST_FORMAT..FORMAT_VERSION => SegmentHead::OlderBase(base),
        other => SegmentHead::OtherVersion(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_numbers_and_sort_as_they_do() {
        assert_eq!(name(7), "0000000007.journal");
        assert_eq!(number(&name(u32::MAX)), Some(u32::MAX));
        assert!(name(9) < name(10));
        for other in [
            "7.journal",
            "0000000007",
            "9999999999.journal",
            "+000000007.journal",
        ] {
            assert_eq!(number(other), None, "{other}");
        }
    }

    #[test]
    fn segments_that_are_kept_aside_or_not_yet_whole_are_no_segments() {
        for other in [aside(7), draft(7)] {
            assert_eq!(number(&other), None, "{other}");
        }
        assert_eq!(number_aside(&aside(7)), Some(7));
        assert_eq!(number_aside(&name(7)), None);
        assert!(is_draft(&draft(7)) && !is_draft(&name(7)) && !is_draft("x.checkpoint"));
    }

    #[test]
    fn a_head_is_known_by_version_number_and_checksum() {
        assert_eq!(read_head(&head(7, 5), 7), SegmentHead::Base(5));
        assert_eq!(read_head(&head(7, 5), 8), SegmentHead::Damaged);
        for older in OLDEST_FORMAT..FORMAT_VERSION {
            let found = read_head(&head_of(older, 7, 5), 7);
            assert_eq!(found, SegmentHead::OlderBase(5));
        }
        for other in [1, OLDEST_FORMAT - 1, FORMAT_VERSION + 1] {
            let found = read_head(&head_of(other, 7, 5), 7);
            assert_eq!(found, SegmentHead::OtherVersion(other));
        }
        for bit in 0..SEGMENT_HEAD * 8 {
            let mut bytes = head(7, 5);
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(read_head(&bytes, 7), SegmentHead::Damaged, "bit {bit}");
        }
        assert_eq!(read_head(&head(7, 5)[..23], 7), SegmentHead::Damaged);
    }
}
