//! The frames of a segment's file, read from a place on, in pieces.

use std::io;
use std::sync::Arc;

use super::record::RECORD_BYTES;
use super::segment::FeedEntry;
use crate::journal::JournalFile;
use crate::journal::frame::{self, FRAME_HEAD, Look};

/// Our limit: bytes of a segment that are read at once.
const PIECE: usize = 64 * 1024;
/// Bytes of a frame at most, with a record's number: a longer one is damage.
const FRAME_BYTES: usize = FRAME_HEAD + 10 + RECORD_BYTES;

/// Reads frames one after the other. What is none is passed over.
#[derive(Debug)]
pub(super) struct FrameReader {
    file: Arc<dyn JournalFile>,
    salt: u32,
    /// Where the next piece begins in the file.
    next: u64,
    piece: Vec<u8>,
    /// How far the piece was read.
    at: usize,
    is_over: bool,
    /// Bytes before the last frame that were none.
    pub(super) damaged: u64,
    /// Where in the file the last frame ends.
    pub(super) end: u64,
}

impl FrameReader {
    /// The frames of the segment of that number, from that byte on.
    pub(super) fn new(file: Arc<dyn JournalFile>, number: u32, from: u64) -> Self {
        Self {
            file,
            salt: frame::salt(number),
            next: from,
            piece: Vec::new(),
            at: 0,
            is_over: false,
            damaged: 0,
            end: from,
        }
    }

    /// Where in the file that byte of the piece is.
    fn place(&self, at: usize) -> u64 {
        let behind = self.piece.len().saturating_sub(at) as u64;
        self.next.saturating_sub(behind)
    }

    /// The next frame and where it begins; nothing at the end of the file.
    ///
    /// # Errors
    ///
    /// When the file cannot be read.
    pub(super) fn next(&mut self) -> io::Result<Option<(u64, FeedEntry<'_>)>> {
        let mut skipped = 0;
        let len = loop {
            let rest = self.piece.get(self.at..).unwrap_or_default();
            match frame::look(rest, self.salt) {
                Look::Frame(found) if FeedEntry::of(found).is_some() => break found.len(),
                Look::Short(needed) if needed <= FRAME_BYTES && !self.is_over => {
                    self.fill(needed)?;
                }
                _ if rest.is_empty() => return Ok(None),
                Look::Frame(_) | Look::Short(_) | Look::None => {
                    let step = frame::next_marker(rest, 1).unwrap_or(rest.len());
                    self.at += step;
                    skipped += step as u64;
                }
            }
        };
        self.damaged += skipped;
        let begin = self.at;
        self.at += len;
        self.end = self.place(self.at);
        let found = self.piece.get(begin..).and_then(frame::known);
        Ok(found
            .and_then(FeedEntry::of)
            .map(|entry| (self.end - len as u64, entry)))
    }

    /// Has so many bytes from where it is, if the file has them.
    fn fill(&mut self, needed: usize) -> io::Result<()> {
        self.piece.drain(..self.at);
        self.at = 0;
        let has = self.piece.len();
        self.piece.resize(needed.max(has + PIECE), 0);
        let room = self.piece.get_mut(has..).unwrap_or_default();
        let wanted = room.len();
        let read = self.file.read_at(room, self.next);
        let got = read.as_ref().copied().unwrap_or_default();
        self.piece.truncate(has + got);
        self.next += got as u64;
        self.is_over = got < wanted;
        read.map(drop)
    }
}
