//! A segment of a stream: its name, its head, and what stands in its frames.
//!
//! Pure.
//!
//! ```text
//! 0   "sternaF" 0xF9
//! 8   format version   32 bits, little-endian, as the others
//! 12  number           of the segment, which its name has too
//! 16  epoch            of the stream's cursors
//! 20  begun            when, in seconds since the Unix epoch, 64 bits as the next two
//! 28  first            the number of the first record that may be in it
//! 36  before           records of earlier segments count as far as this number, and without it
//! 44  checksum         CRC32C of all that
//! ```
//!
//! Then come frames, as the journal has them, each with a number: a record, or that all up to this
//! number that is not here is lost, or that a process has died and how much it lost is not known.
//! Without a number are that one has begun, and that it has ended well. Numbers grow; one that is
//! left out is a record that is lost.

use super::stream::FeedStream;
use crate::encoding::{Bytes, put_number};
use crate::journal::frame::{self, Frame};

/// Bytes of the head.
pub(super) const SEGMENT_HEAD: usize = 48;

const MAGIC: [u8; 8] = *b"sternaF\xf9";
const FORMAT: u32 = 1;
const SUFFIX: &str = ".feed";
/// Digits of a name, so that names sort as numbers do.
const DIGITS: usize = 10;

/// The highest number of a segment: one a second comes to it in 136 years.
pub(super) const SEGMENT_MAX: u32 = u32::MAX - 1;

/// No stream comes so far.
const NUMBER_MAX: u64 = 1 << 62;

const RECORD: u8 = 1;
const LOST: u8 = 2;
const DIED: u8 = 3;
const BEGUN: u8 = 4;
const ENDED: u8 = 5;

/// The name of a segment's file.
pub(super) fn name(stream: FeedStream, number: u32) -> String {
    format!("{}-{number:010}{SUFFIX}", stream.word())
}

/// The number in the name of a segment's file of that stream.
pub(super) fn number(stream: FeedStream, name: &str) -> Option<u32> {
    let rest = name.strip_prefix(stream.word())?.strip_prefix('-')?;
    let digits = rest.strip_suffix(SUFFIX)?;
    let is_number = digits.len() == DIGITS && digits.bytes().all(|digit| digit.is_ascii_digit());
    let number = is_number.then(|| digits.parse().ok()).flatten();
    number.filter(|number| *number <= SEGMENT_MAX)
}

/// What a head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FeedHead {
    pub(super) number: u32,
    pub(super) epoch: u32,
    /// Seconds since the Unix epoch.
    pub(super) begun: u64,
    pub(super) first: u64,
    pub(super) before: u64,
}

impl FeedHead {
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SEGMENT_HEAD);
        out.extend_from_slice(&MAGIC);
        for number in [FORMAT, self.number, self.epoch] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.begun, self.first, self.before] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let sum = crc32c::crc32c(&out);
        out.extend_from_slice(&sum.to_le_bytes());
        out
    }

    /// The head of a segment of that number, if it is whole.
    pub(super) fn of(bytes: &[u8], number: u32) -> Option<Self> {
        let (said, sum) = bytes.get(..SEGMENT_HEAD)?.split_last_chunk::<4>()?;
        if crc32c::crc32c(said) != u32::from_le_bytes(*sum) {
            return None;
        }
        let mut said = Bytes(said);
        let magic: [u8; 8] = said.array()?;
        let mut word = || said.array().map(u32::from_le_bytes);
        let (format, is, epoch) = (word()?, word()?, word()?);
        let mut long = || said.array().map(u64::from_le_bytes);
        let (begun, first, before) = (long()?, long()?, long()?);
        let is_ours = magic == MAGIC && format == FORMAT && is == number && before <= first;
        let is_ours = is_ours && first < NUMBER_MAX;
        is_ours.then_some(Self {
            number,
            epoch,
            begun,
            first,
            before,
        })
    }
}

/// What stands in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FeedEntry<'a> {
    /// The record of that number.
    Record(u64, &'a [u8]),
    /// All up to this number that is not there is lost.
    Lost(u64),
    /// In this number's place is what a process has lost when it died, however much that was.
    Died(u64),
    /// A process has begun.
    Begun,
    /// A process has ended, and lost nothing.
    Ended,
}

impl<'a> FeedEntry<'a> {
    /// What stands in a frame that is whole.
    pub(super) fn of(frame: Frame<'a>) -> Option<Self> {
        match frame.kind {
            BEGUN => return Some(Self::Begun),
            ENDED => return Some(Self::Ended),
            _ => {}
        }
        let mut rest = Bytes(frame.record);
        let number = rest.number().filter(|number| *number < NUMBER_MAX)?;
        match frame.kind {
            RECORD => Some(Self::Record(number, rest.0)),
            LOST => Some(Self::Lost(number)),
            DIED => Some(Self::Died(number)),
            _ => None,
        }
    }

    /// Appends its frame, which [`frame::seal`] has still to seal.
    pub(super) fn put(self, out: &mut Vec<u8>) {
        let (kind, number, record) = match self {
            Self::Record(number, record) => (RECORD, Some(number), record),
            Self::Lost(number) => (LOST, Some(number), &[][..]),
            Self::Died(number) => (DIED, Some(number), &[][..]),
            Self::Begun => (BEGUN, None, &[][..]),
            Self::Ended => (ENDED, None, &[][..]),
        };
        // Records are far shorter than a frame may be.
        let _fits = frame::put(out, kind, |out| {
            if let Some(number) = number {
                put_number(out, number);
            }
            out.extend_from_slice(record);
        });
    }

    /// Its number, if it has one.
    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Record(number, _) | Self::Lost(number) | Self::Died(number) => Some(*number),
            Self::Begun | Self::Ended => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::frame::Look;

    #[test]
    fn names_have_a_stream_and_a_number() {
        let name = name(FeedStream::DeadTokens, 17);
        assert_eq!(name, "dead-tokens-0000000017.feed");
        assert_eq!(number(FeedStream::DeadTokens, &name), Some(17));
        assert_eq!(number(FeedStream::Settlements, &name), None);
        for wrong in [
            "dead-tokens-17.feed",
            "dead-tokens-0000000017.feed~",
            "dead-tokens-9999999999.feed",
            "dead-tokens-4294967295.feed",
            "dead-tokens-+000000017.feed",
            "0000000017.journal",
        ] {
            assert_eq!(number(FeedStream::DeadTokens, wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_head_is_read_as_it_was_written_and_no_bit_of_it_may_differ() {
        let head = FeedHead {
            number: 3,
            epoch: 0xdead_beef,
            begun: 1_795_000_000,
            first: 100,
            before: 90,
        };
        let bytes = head.bytes();
        assert_eq!(bytes.len(), SEGMENT_HEAD);
        assert_eq!(FeedHead::of(&bytes, 3), Some(head));
        assert_eq!(FeedHead::of(&bytes, 4), None);
        for bit in 0..SEGMENT_HEAD * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(FeedHead::of(&damaged, 3), None, "bit {bit}");
        }
    }

    #[test]
    fn entries_are_read_as_they_were_written() {
        for entry in [
            FeedEntry::Record(300, b"a record"),
            FeedEntry::Lost(NUMBER_MAX - 1),
            FeedEntry::Died(0),
            FeedEntry::Begun,
            FeedEntry::Ended,
        ] {
            let mut out = Vec::new();
            entry.put(&mut out);
            frame::seal(&mut out, frame::salt(3));
            let Look::Frame(frame) = frame::look(&out, frame::salt(3)) else {
                panic!("{entry:?} is no frame");
            };
            assert_eq!(FeedEntry::of(frame), Some(entry));
        }
    }
}
