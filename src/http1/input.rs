//! What a client has sent and nobody has read, and the waits for more.

use std::io;
use std::time::{Duration, Instant};

use super::registry::Place;
use super::socket::{ListeningSocket, is_pause};
use super::standing::Awaited;
use crate::moment;

/// The bytes between a socket and who parses them; also writes, since it knows the time-outs that
/// are set on the socket.
///
/// Invariant: 0 <= `start` <= `end` <= `buffer.len()`; the unread bytes are `start..end`.
pub(super) struct RequestInput<'a> {
    place: &'a Place,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    read_timeout: Armed,
    write_timeout: Armed,
}

/// Why nothing more came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfilled {
    /// The deadline is over.
    Late,
    /// The connection was closed for another.
    Evicted,
    /// The client has ended the connection.
    Gone,
}

impl<'a> RequestInput<'a> {
    pub(super) fn new(place: &'a Place) -> Self {
        Self {
            place,
            buffer: vec![0; INPUT],
            start: 0,
            end: 0,
            read_timeout: Armed::default(),
            write_timeout: Armed::default(),
        }
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

    /// What is unread, after waiting for some of it if need be: for the rest of a body, of which
    /// so many bytes have come.
    pub(super) fn unread_or_fill(
        &mut self,
        deadline: Instant,
        body: usize,
    ) -> Result<&[u8], Unfilled> {
        if self.unread().is_empty() {
            self.fill(deadline, Some((Awaited::Body, body)))?;
        }
        Ok(self.unread())
    }

    /// Reads once. `awaited` is what the client owes, and how much of it has come; `None` if it
    /// owes nothing but a request.
    pub(super) fn fill(
        &mut self,
        deadline: Instant,
        awaited: Option<(Awaited, usize)>,
    ) -> Result<(), Unfilled> {
        if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        loop {
            if let Some((awaited, moved)) = awaited {
                // After a pause, too: if the process was stopped, the wait begins anew.
                self.place
                    .wait(awaited, moved)
                    .map_err(|_| Unfilled::Evicted)?;
            }
            let read = self.read(deadline);
            if awaited.is_some() {
                self.place.resume();
            }
            match read {
                Ok(0) if self.place.is_evicted() => return Err(Unfilled::Evicted),
                Ok(0) => return Err(Unfilled::Gone),
                Ok(bytes) => {
                    self.end += bytes;
                    return Ok(());
                }
                Err(error) if is_pause(&error) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Err(Unfilled::Late);
                }
                Err(_) => return Err(Unfilled::Gone),
            }
        }
    }

    /// Reads once; `TimedOut` if nothing is there after the deadline.
    fn read(&mut self, deadline: Instant) -> io::Result<usize> {
        let socket = &self.place.slot.socket;
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        match self.read_timeout.change(deadline) {
            Ok(None) => {}
            Ok(Some(timeout)) => socket.set_read_timeout(timeout)?,
            // We may be late ourselves: what has come by then has come.
            Err(late) => {
                let read = socket.read_now(room);
                let nothing = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
                return if read.as_ref().is_err_and(nothing) {
                    Err(late)
                } else {
                    read
                };
            }
        }
        socket.read(room)
    }

    /// Writes all of it; an error also if the connection is closed for another meanwhile.
    pub(super) fn write(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<()> {
        let socket = &self.place.slot.socket;
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match socket.write_now(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.place
                        .wait(Awaited::Taking, written)
                        .map_err(|_| io::ErrorKind::ConnectionAborted)?;
                    let part = rest.get(..PART).unwrap_or(rest);
                    let waited = self.write_part(socket, part, deadline);
                    self.place.resume();
                    written += waited?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Waits until some of it is taken.
    fn write_part(
        &mut self,
        socket: &ListeningSocket,
        part: &[u8],
        deadline: Instant,
    ) -> io::Result<usize> {
        if let Some(timeout) = self.write_timeout.change(deadline)? {
            socket.set_write_timeout(timeout)?;
        }
        match socket.write(part) {
            Err(error) if is_pause(&error) => Ok(0),
            written => written,
        }
    }
}

/// A time-out that is set on the socket; zero before it is.
#[derive(Default)]
struct Armed(Duration);

impl Armed {
    /// The time-out to set so that a call ends by the deadline; `TimedOut` if that is over.
    ///
    /// None if the one that is set ends by it, or a sixteenth of what is left too late: this saves
    /// two system calls for each request of a kept connection.
    fn change(&mut self, deadline: Instant) -> io::Result<Option<Duration>> {
        let left = deadline.saturating_duration_since(moment::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        if !self.0.is_zero() && self.0 <= left + left / 16 && self.0 >= left / 2 {
            return Ok(None);
        }
        self.0 = left.max(Duration::from_millis(1));
        Ok(Some(self.0))
    }
}

/// A connection's input buffer: a whole head and no more, so what a client sends ahead waits in
/// the kernel.
const INPUT: usize = super::head::MAX_HEAD + 2;

/// Bytes of an answer for which one wait lasts, so that it is seen how fast they are taken.
const PART: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use super::super::registry::Registry;
    use super::*;

    #[test]
    fn the_half_of_an_empty_line_is_the_begin_of_nothing() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let place = Registry::new().enter(ListeningSocket::Unix(ours));
        let mut input = RequestInput::new(&place);
        let mut more = |bytes: &[u8]| {
            theirs.write_all(bytes).unwrap();
            let deadline = moment::now() + Duration::from_secs(10);
            input.fill(deadline, None).unwrap();
            let begins = input.skip_empty_lines();
            (begins, input.unread().to_vec())
        };
        assert_eq!(more(b"\r"), (false, b"\r".to_vec()));
        assert_eq!(more(b"\n"), (false, Vec::new()));
        assert_eq!(more(b"\r\n\r"), (false, b"\r".to_vec()));
        assert_eq!(more(b"\nG"), (true, b"G".to_vec()));
    }

    #[test]
    fn a_timeout_is_set_when_the_one_that_is_set_would_end_too_late_or_too_soon() {
        let change = |set: Duration, left: Duration| {
            let changed = Armed(set).change(moment::now() + left).unwrap();
            changed.is_some()
        };
        let secs = Duration::from_secs;
        assert!(!change(secs(100), secs(100)));
        assert!(!change(secs(100), secs(150)));
        assert!(change(secs(100), secs(90)));
        assert!(change(secs(100), secs(300)));
        assert!(change(Duration::ZERO, secs(1)));
        let over = Armed(secs(1)).change(moment::now()).unwrap_err();
        assert_eq!(over.kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_socket_without_a_timeout_gets_one_however_little_is_left() {
        let deadline = moment::now() + Duration::from_millis(50);
        loop {
            match Armed::default().change(deadline) {
                Ok(set) => assert!(set.is_some_and(|timeout| timeout >= Duration::from_millis(1))),
                Err(error) => break assert_eq!(error.kind(), io::ErrorKind::TimedOut),
            }
        }
    }
}
