//! Lines that the writer has taken from the buffer, and how far it has got with them.

use std::io::{self, Write};
use std::sync::Arc;

/// Lines being written.
#[derive(Debug, Default)]
pub(super) struct LineBatch {
    /// Others may look at them while they are written.
    bytes: Arc<Vec<u8>>,
    /// `written <= bytes.len()`.
    written: usize,
}

impl LineBatch {
    /// Takes over `pending`, and leaves an empty buffer in its place; the old lines must be done,
    /// and nobody look at them any more, or there is a copy.
    pub(super) fn take(&mut self, pending: &mut Vec<u8>) {
        self.clear();
        std::mem::swap(Arc::make_mut(&mut self.bytes), pending);
    }

    /// For others to look at, as [`LineBatch::left`] bytes at their end say.
    pub(super) fn shown(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.bytes)
    }

    /// Forgets what is left.
    pub(super) fn clear(&mut self) {
        let bytes = Arc::make_mut(&mut self.bytes);
        bytes.clear();
        bytes.shrink_to(KEPT_CAPACITY);
        self.written = 0;
    }

    /// Bytes not yet written.
    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.written
    }

    /// What is not yet written.
    pub(super) fn rest(&self) -> &[u8] {
        self.bytes.get(self.written..).unwrap_or_default()
    }

    /// Writes once, whole lines if the destination lets it.
    ///
    /// # Errors
    ///
    /// The destination's; nothing is lost then.
    pub(super) fn write_some(&mut self, destination: &mut impl Write) -> io::Result<()> {
        let (lines, _) = first_lines(self.rest(), WRITE_BYTES);
        match destination.write(lines)? {
            0 => Err(io::ErrorKind::WriteZero.into()),
            bytes => {
                self.written = self.bytes.len().min(self.written + bytes);
                Ok(())
            }
        }
    }

    /// Goes back to the start of a line that is only partly written, so that another file gets it
    /// whole.
    pub(super) fn back_to_line_start(&mut self) {
        let written = self.bytes.get(..self.written).unwrap_or_default();
        self.written = after_last_newline(written).unwrap_or(0);
    }
}

/// Splits off the lines that fit into `bytes`, at least one.
pub(super) fn first_lines(lines: &[u8], bytes: usize) -> (&[u8], &[u8]) {
    let Some((fitting, beyond)) = lines.split_at_checked(bytes) else {
        return (lines, &[]);
    };
    let end = after_last_newline(fitting).unwrap_or_else(|| {
        let rest_of_line = beyond.iter().position(|&byte| byte == b'\n');
        rest_of_line.map_or(lines.len(), |position| fitting.len() + position + 1)
    });
    lines.split_at(end)
}

fn after_last_newline(bytes: &[u8]) -> Option<usize> {
    let position = bytes.iter().rposition(|&byte| byte == b'\n')?;
    Some(position + 1)
}

/// Our limit: bytes per write(2), so that room is made step by step while a full buffer drains.
const WRITE_BYTES: usize = 1 << 20;

/// Our limit: bytes that a buffer keeps for the next time after a burst.
const KEPT_CAPACITY: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a few bytes at a time.
    struct Dripping(Vec<u8>, usize);

    impl Write for Dripping {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.1);
            self.0.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn batch(lines: &[u8]) -> LineBatch {
        let mut batch = LineBatch::default();
        batch.take(&mut lines.to_vec());
        batch
    }

    #[test]
    fn short_writes_add_up_to_whole_lines() {
        let mut batch = batch(b"one\ntwo\nthree\n");
        let mut file = Dripping(Vec::new(), 3);
        while batch.left() > 0 {
            batch.write_some(&mut file).unwrap();
        }
        assert_eq!(file.0, b"one\ntwo\nthree\n");
    }

    #[test]
    fn a_torn_line_is_whole_in_the_next_file() {
        let mut batch = batch(b"one\ntwo\nthree\n");
        let mut old = Dripping(Vec::new(), 6);
        batch.write_some(&mut old).unwrap();
        assert_eq!(old.0, b"one\ntw");
        batch.back_to_line_start();
        let mut new = Dripping(Vec::new(), 100);
        batch.write_some(&mut new).unwrap();
        assert_eq!(new.0, b"two\nthree\n");
        assert_eq!(batch.left(), 0);
        batch.back_to_line_start();
        assert_eq!(batch.left(), 0);
    }

    #[test]
    fn a_failed_write_loses_nothing() {
        let mut batch = batch(b"one\n");
        let error = batch.write_some(&mut Dripping(Vec::new(), 0)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
        assert_eq!(batch.left(), 4);
    }

    #[test]
    fn a_write_is_bounded_and_ends_with_a_line() {
        let line = [b'x'; 99].iter().chain(b"\n").copied().collect::<Vec<_>>();
        let mut batch = batch(&line.repeat(WRITE_BYTES / 100 + 10));
        let mut file = Dripping(Vec::new(), usize::MAX);
        batch.write_some(&mut file).unwrap();
        assert!(file.0.len() <= WRITE_BYTES && file.0.len() > WRITE_BYTES - 100);
        assert!(file.0.ends_with(b"x\n"));
    }

    #[test]
    fn a_burst_does_not_keep_its_memory() {
        let mut batch = batch(&vec![b'x'; 2 * KEPT_CAPACITY]);
        batch.clear();
        assert!(batch.bytes.capacity() <= KEPT_CAPACITY);
    }

    #[test]
    fn splits_between_lines() {
        let check = |lines: &str, bytes, first: &str| {
            let (head, tail) = first_lines(lines.as_bytes(), bytes);
            assert_eq!(head, first.as_bytes(), "{lines:?} at {bytes}");
            assert_eq!([head, tail].concat(), lines.as_bytes());
        };
        check("", 4, "");
        check("ab\ncd\n", 6, "ab\ncd\n");
        check("ab\ncd\n", 5, "ab\n");
        check("ab\ncd\n", 3, "ab\n");
        check("ab\ncd\n", 2, "ab\n");
        check("ab\ncd\n", 0, "ab\n");
        check("abcd", 2, "abcd");
    }
}
