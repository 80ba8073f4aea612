//! The frames of a segment's file, one after the other; what is no frame is passed over.

use std::io;

use super::files::JournalFile;
use super::frame::{self, FRAME_HEAD, Frame, Look};
use super::segment::{self, SEGMENT_HEAD, SegmentHead};

/// Bytes that are read at once.
const READ_BYTES: usize = 1 << 20;

/// Our limit: what is no frame is read again to be sure, so many times in a segment.
pub(super) const READ_TWICE_MAX: u64 = 32;

/// Reads one segment from its begin.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    file: &'a dyn JournalFile,
    salt: u32,
    file_len: u64,
    /// Bytes of the file from `start` on, of which `at` are done with.
    window: Vec<u8>,
    start: u64,
    at: usize,
    /// How often it was read again.
    again: u64,
}

/// The next thing in a segment.
#[derive(Debug)]
pub(super) enum ReaderStep<'a> {
    /// A frame and its offset.
    Frame(Frame<'a>, u64),
    /// Bytes that are no frame, until the next frame or the end of the file.
    Gap {
        offset: u64,
        bytes: u64,
        /// Whether a frame follows.
        more: bool,
        /// How many of them, at the end, are zero.
        zeros: u64,
    },
    /// The end of the file.
    End,
}

impl<'a> Reader<'a> {
    /// Reads the head.
    pub(super) fn open(file: &'a dyn JournalFile, number: u32) -> io::Result<(Self, SegmentHead)> {
        let mut reader = Self {
            file,
            salt: frame::salt(number),
            file_len: file.len()?,
            window: Vec::new(),
            start: 0,
            at: 0,
            again: 0,
        };
        reader.fill(SEGMENT_HEAD)?;
        let mut head = segment::read_head(&reader.window, number);
        if head == SegmentHead::Damaged {
            reader.read_again(SEGMENT_HEAD)?;
            head = segment::read_head(&reader.window, number);
        }
        // Even if the head is damaged, what follows is where it always is.
        reader.at = SEGMENT_HEAD.min(reader.window.len());
        Ok((reader, head))
    }

    /// Bytes of the file.
    pub(super) fn file_len(&self) -> u64 {
        self.file_len
    }

    pub(super) fn next(&mut self) -> io::Result<ReaderStep<'_>> {
        let gap_start = self.offset();
        let mut zeros = 0;
        loop {
            self.fill(FRAME_HEAD)?;
            let mut here = self.frame_here()?;
            if here.is_none() && self.offset() == gap_start {
                self.read_again(FRAME_HEAD)?;
                here = self.frame_here()?;
            }
            if let Some(len) = here {
                let offset = self.offset();
                if offset > gap_start {
                    return Ok(gap(gap_start, offset, true, zeros));
                }
                let begin = self.at;
                self.at += len;
                let bytes = self.window.get(begin..).unwrap_or_default();
                let frame = frame::known(bytes);
                return Ok(frame.map_or(ReaderStep::End, |frame| ReaderStep::Frame(frame, offset)));
            }
            if self.offset() >= self.file_len {
                let is_gap = gap_start < self.file_len;
                return Ok(if is_gap {
                    gap(gap_start, self.file_len, false, zeros)
                } else {
                    ReaderStep::End
                });
            }
            let (passed, zeros_of_it) = self.skip();
            zeros = zeros_of_it + if passed == zeros_of_it { zeros } else { 0 };
        }
    }

    fn offset(&self) -> u64 {
        self.start + self.at as u64
    }

    /// The length of the frame that begins here, if one does.
    fn frame_here(&mut self) -> io::Result<Option<usize>> {
        loop {
            let bytes = self.window.get(self.at..).unwrap_or_default();
            let available = bytes.len();
            match frame::look(bytes, self.salt) {
                Look::Frame(frame) => return Ok(Some(frame.len())),
                Look::None => return Ok(None),
                Look::Short(needed) => {
                    let fits = self.offset().saturating_add(needed as u64) <= self.file_len;
                    if !fits || needed <= available {
                        return Ok(None);
                    }
                    self.fill(needed)?;
                }
            }
        }
    }

    /// Passes over a byte, and everything up to the next marker that is in the window: how much
    /// that is, and how much of it, at the end, is zero.
    fn skip(&mut self) -> (u64, u64) {
        let from = self.at;
        self.at = frame::next_marker(&self.window, from + 1).unwrap_or(self.window.len());
        let passed = self.window.get(from..self.at).unwrap_or_default();
        let zeros = passed.iter().rev().take_while(|byte| **byte == 0).count();
        (passed.len() as u64, zeros as u64)
    }

    /// Reads what is in the window again, from the disk if the system can.
    fn read_again(&mut self, needed: usize) -> io::Result<()> {
        if self.again < READ_TWICE_MAX && self.offset() < self.file_len {
            self.again += 1;
            self.file.forget_cached();
            self.window.truncate(self.at);
            self.fill(needed)?;
        }
        Ok(())
    }

    /// Sees to it that `needed` bytes are in the window, if the file has them.
    fn fill(&mut self, needed: usize) -> io::Result<()> {
        if self.window.len() - self.at >= needed {
            return Ok(());
        }
        self.window.drain(..self.at);
        self.start += self.at as u64;
        self.at = 0;
        let have = self.window.len();
        let left = self.file_len.saturating_sub(self.start + have as u64);
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        let more = (needed - have).max(READ_BYTES).min(left);
        if more == 0 {
            return Ok(());
        }
        self.window.resize(have + more, 0);
        let into = self.window.get_mut(have..).unwrap_or_default();
        let read = self.file.read_at(into, self.start + have as u64)?;
        self.window.truncate(have + read);
        if read < more {
            // The file is shorter than it was.
            self.file_len = self.start + self.window.len() as u64;
        }
        Ok(())
    }
}

fn gap<'a>(offset: u64, end: u64, more: bool, zeros: u64) -> ReaderStep<'a> {
    ReaderStep::Gap {
        offset,
        bytes: end - offset,
        more,
        zeros,
    }
}
