//! The note that a sync has failed: what the next process must know of the segment.
//!
//! Pure: no file, no clock, no thread.
//!
//! A line of text, with a checksum, since half a note is worse than none:
//!
//! ```text
//! 0000000007.journal 81204 9f3c1d0a
//! ```
//!
//! Of that segment, requests from that offset on were refused: whoever asked was told that nothing
//! was taken, so none of them may be found again, whatever of them has reached the disk. All else
//! there counts as far as it can be read, settlements above all.

use std::fmt::Write as _;

use super::segment;

/// Our limit: bytes of a note that are read: more than any has.
pub(super) const NOTE_MAX: usize = 128;

/// From where on the requests of a segment were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RefusedFrom {
    pub(super) segment: u32,
    pub(super) offset: u64,
}

impl RefusedFrom {
    /// The note's text.
    pub(super) fn text(self) -> String {
        let mut text = format!("{} {}", segment::name(self.segment), self.offset);
        let sum = crc32c::crc32c(text.as_bytes());
        let _ = writeln!(text, " {sum:08x}"); // memory takes it
        text
    }

    /// Reads a note back; nothing of one that was not written whole, which nobody has relied on.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (said, sum) = text.strip_suffix('\n')?.rsplit_once(' ')?;
        let (name, offset) = said.split_once(' ')?;
        let noted = Self {
            segment: segment::number(name)?,
            offset: offset.parse().ok()?,
        };
        let sum = u32::from_str_radix(sum, 16).ok()?;
        (crc32c::crc32c(said.as_bytes()) == sum).then_some(noted)
    }

    /// Whether a request there was refused.
    pub(super) fn covers(self, segment: u32, offset: u64) -> bool {
        segment == self.segment && offset >= self.offset
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_read_whole_or_not_at_all() {
        let noted = RefusedFrom {
            segment: u32::MAX,
            offset: u64::MAX,
        };
        let text = noted.text();
        assert!(text.len() < NOTE_MAX);
        assert_eq!(RefusedFrom::read(text.as_bytes()), Some(noted));
        for len in 0..text.len() {
            assert_eq!(RefusedFrom::read(&text.as_bytes()[..len]), None, "{len}");
        }
        for at in 0..text.len() {
            let mut bent = text.clone().into_bytes();
            bent[at] ^= 1;
            assert_eq!(RefusedFrom::read(&bent), None, "{at}");
        }
        assert!(noted.covers(u32::MAX, u64::MAX) && !noted.covers(u32::MAX, 7));
        assert!(!noted.covers(7, u64::MAX));
    }
}
