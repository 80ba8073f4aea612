//! What a client has sent and nobody has read.

use std::io;
use std::mem;

use super::socket::ListeningSocket;

/// The bytes between a socket and who parses them.
///
/// A connection that waits for its caller keeps what is unread, and no more; who goes on with it
/// lends it a buffer meanwhile.
///
/// Invariant: 0 <= `start` <= `end` <= `buffer.len()`; the unread bytes are `start..end`.
#[derive(Debug, Default)]
pub(super) struct RequestInput {
    /// What is unread while there is no buffer.
    kept: Vec<u8>,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Whether the kernel may have more.
    has_more: bool,
    /// Whether it may have the end of all, of which nothing would tell once more.
    may_end: bool,
}

/// What one read has brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrived {
    /// Some bytes.
    Bytes,
    /// Nothing: more may come.
    Nothing,
    /// The end: nothing more will come.
    End,
}

impl RequestInput {
    /// Takes a buffer until it is asked for it.
    pub(super) fn lend(&mut self, spare: &mut Vec<u8>) {
        // Who has panicked has not given it back.
        spare.resize(INPUT, 0);
        mem::swap(&mut self.buffer, spare);
        let kept = mem::take(&mut self.kept);
        // At most as long: it was in such a buffer.
        if let Some(place) = self.buffer.get_mut(..kept.len()) {
            place.copy_from_slice(&kept);
        }
        (self.start, self.end) = (0, kept.len());
    }

    /// Gives the buffer back, and keeps what is unread.
    pub(super) fn give_back(&mut self, spare: &mut Vec<u8>) {
        self.kept = self.unread().to_vec();
        (self.start, self.end) = (0, 0);
        mem::swap(&mut self.buffer, spare);
    }

    pub(super) fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) fn consume(&mut self, bytes: usize) {
        self.start = self.start.saturating_add(bytes).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// RFC 9112 §2.2: empty lines before a request line are skipped. False while nothing else has
    /// come: the half of such a line is nothing.
    pub(super) fn skip_empty_lines(&mut self) -> bool {
        while self.unread().starts_with(b"\r\n") {
            self.consume(2);
        }
        !matches!(self.unread(), b"" | b"\r")
    }

    /// Notes that something may have come; `may_end`: the end of it, too.
    pub(super) fn note(&mut self, may_end: bool) {
        self.has_more = true;
        self.may_end |= may_end;
    }

    /// Reads once, without waiting.
    pub(super) fn read(&mut self, socket: &ListeningSocket) -> Arrived {
        if !self.has_more {
            return Arrived::Nothing;
        }
        if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        loop {
            match socket.read_now(room) {
                Ok(0) => return Arrived::End,
                Ok(bytes) => {
                    // That there was no more is all that another read would say.
                    self.has_more = self.may_end || bytes == room.len();
                    self.end += bytes;
                    return Arrived::Bytes;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    (self.has_more, self.may_end) = (false, false);
                    return Arrived::Nothing;
                }
                Err(_) => return Arrived::End,
            }
        }
    }
}

/// The input buffer of who goes on with a connection: a whole head and no more, so what a client
/// sends ahead waits in the kernel.
const INPUT: usize = super::head::MAX_HEAD + 2;

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn the_half_of_an_empty_line_is_the_begin_of_nothing() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let ours = ListeningSocket::Unix(ours);
        let (mut input, mut spare) = (RequestInput::default(), Vec::new());
        let mut more = |bytes: &[u8]| {
            theirs.write_all(bytes).unwrap();
            input.note(false);
            input.lend(&mut spare);
            assert_eq!(input.read(&ours), Arrived::Bytes);
            let begins = input.skip_empty_lines();
            let unread = input.unread().to_vec();
            input.give_back(&mut spare);
            (begins, unread)
        };
        assert_eq!(more(b"\r"), (false, b"\r".to_vec()));
        assert_eq!(more(b"\n"), (false, Vec::new()));
        assert_eq!(more(b"\r\n\r"), (false, b"\r".to_vec()));
        assert_eq!(more(b"\nG"), (true, b"G".to_vec()));
    }

    #[test]
    fn the_end_is_read_when_it_came_with_the_last_bytes_and_nothing_tells_of_it_again() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let ours = ListeningSocket::Unix(ours);
        let (mut input, mut spare) = (RequestInput::default(), Vec::new());
        input.lend(&mut spare);
        assert_eq!(input.read(&ours), Arrived::Nothing, "nothing was noted");
        theirs.write_all(b"last").unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        input.note(true);
        assert_eq!(input.read(&ours), Arrived::Bytes);
        assert_eq!(input.unread(), b"last");
        assert_eq!(input.read(&ours), Arrived::End);
    }
}
