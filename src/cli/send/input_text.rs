//! A file read in order, of which as much is kept as one record has.

use std::io::{self, Read};

/// What has been read of a file and not been used.
pub(super) struct InputText<R> {
    file: R,
    /// Read so far; what is before `at` is used.
    bytes: Vec<u8>,
    at: usize,
    is_at_end: bool,
    /// The line at which the unused part begins, from 1.
    line: u64,
    /// Bytes used so far, of the whole file.
    used: u64,
}

/// A record that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadRecord {
    /// The line at which it begins, from 1.
    pub(super) line: u64,
    /// What is wrong with it.
    pub(super) why: &'static str,
}

impl<R: Read> InputText<R> {
    /// From the file's begin, less a byte order mark.
    pub(super) fn begin(file: R) -> io::Result<Self> {
        let mut text = Self {
            file,
            bytes: Vec::new(),
            at: 0,
            is_at_end: false,
            line: 1,
            used: 0,
        };
        while text.unused().len() < MARK.len() && text.read_on()? {}
        if text.unused().starts_with(MARK) {
            text.pass(MARK.len());
        }
        Ok(text)
    }

    /// What is there of the rest.
    pub(super) fn unused(&self) -> &[u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The line at which the rest begins.
    pub(super) const fn line(&self) -> u64 {
        self.line
    }

    /// Bytes before the rest.
    pub(super) const fn used(&self) -> u64 {
        self.used
    }

    /// Whether all of the rest is there.
    pub(super) const fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Reads more of the rest; false if there is no more.
    pub(super) fn read_on(&mut self) -> io::Result<bool> {
        if self.at > 0 {
            self.bytes.drain(..self.at);
            self.at = 0;
        }
        let before = self.bytes.len();
        self.bytes.resize(before + READ_BYTES, 0);
        let read = loop {
            match self
                .file
                .read(self.bytes.get_mut(before..).unwrap_or_default())
            {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.bytes
            .truncate(before + read.as_ref().copied().unwrap_or_default());
        self.is_at_end = read? == 0;
        Ok(!self.is_at_end)
    }

    /// So many bytes of the rest are used.
    pub(super) fn pass(&mut self, bytes: usize) {
        let passed = self.unused().get(..bytes).unwrap_or_default();
        let lines = memchr::memchr_iter(b'\n', passed).count() as u64;
        self.at += bytes;
        self.line += lines;
        self.used += bytes as u64;
    }

    /// Passes over the rest of this line.
    pub(super) fn pass_line(&mut self) -> io::Result<()> {
        loop {
            if let Some(end) = memchr::memchr(b'\n', self.unused()) {
                self.pass(end + 1);
                return Ok(());
            }
            self.pass(self.unused().len());
            if !self.read_on()? {
                return Ok(());
            }
        }
    }

    /// The next line that is not blank, without its end, and its number; `None` at the end.
    pub(super) fn next_line(
        &mut self,
        most: usize,
    ) -> io::Result<Option<Result<(u64, &str), BadRecord>>> {
        loop {
            let line = self.line;
            let end = memchr::memchr(b'\n', self.unused());
            let bytes = end.unwrap_or(self.unused().len());
            if bytes > most {
                self.pass_line()?;
                let why = "the line is too long";
                return Ok(Some(Err(BadRecord { line, why })));
            }
            if end.is_none() && !self.is_at_end {
                self.read_on()?;
                continue;
            }
            if end.is_none() && bytes == 0 {
                return Ok(None);
            }
            let begin = self.at;
            self.pass(end.map_or(bytes, |end| end + 1));
            let text = self.bytes.get(begin..begin + bytes).unwrap_or_default();
            if text.trim_ascii().is_empty() {
                continue;
            }
            // Found anew, since what is given out borrows from it.
            let text = self.bytes.get(begin..begin + bytes).unwrap_or_default();
            return Ok(Some(match str::from_utf8(text) {
                Ok(text) => Ok((line, text.trim())),
                Err(_) => Err(BadRecord {
                    line,
                    why: NOT_UTF8,
                }),
            }));
        }
    }
}

/// What is said of a record in another encoding.
pub(super) const NOT_UTF8: &str = "it is not UTF-8";

/// What some editors write at the begin of a file.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Bytes that are read at once.
const READ_BYTES: usize = 64 * 1024;
