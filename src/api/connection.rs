//! One connection: requests in, answers out, one at a time, each within its deadlines.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::body::{Body, Budget};
use super::chunked::Chunked;
use super::head::{Framing, Head, HeadScan, Refusal};
use super::listener::{Handler, Phase, Settings};
use super::registry::Place;
use super::reply::Reply;
use super::socket::Socket;
use crate::crash_point;
use crate::moment;

/// How long a client may take. Each is the time for the whole record, not for one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From a head's first octet (on a new connection: from the start) to its last.
    pub head: Duration,
    /// From a body's first octet to its last.
    pub body: Duration,
    /// From an answer to the next head.
    pub idle: Duration,
    /// To take an answer.
    pub write: Duration,
    /// To take notice of our closing.
    pub linger: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: HEAD_TIMEOUT,
            body: BODY_TIMEOUT,
            idle: IDLE_TIMEOUT,
            write: WRITE_TIMEOUT,
            linger: LINGER_TIMEOUT,
        }
    }
}

/// Serves a connection until it ends.
pub(super) fn serve(
    place: &Place,
    handler: &dyn Handler,
    settings: impl Fn() -> Settings,
    budget: Arc<Budget>,
    phase: impl Fn() -> Phase,
) {
    let mut connection = Connection {
        place,
        settings: settings(),
        input: Input::new(&place.slot.socket),
        body: Body::new(budget),
        output: Vec::new(),
    };
    let mut wait = connection.settings.timeouts.head;
    while let Ok(head) = connection.head(wait) {
        // They may have changed while nobody asked for anything.
        connection.settings = settings();
        let (head, reply) = match head {
            Err(refusal) => (None, refusal.into()),
            Ok(mut head) => match connection.body(&mut head, handler) {
                Err(Stop::Gone) => return,
                Err(Stop::Refused(refusal)) => (Some(head), refusal.into()),
                Ok(()) => {
                    let reply = handler.answer(&head, &mut connection.body.octets, phase());
                    (Some(head), reply)
                }
            },
        };
        connection.body.clear();
        match connection.send(head.as_ref(), reply, phase()) {
            Ok(Next::Request) => {
                crash_point::pass("answer");
                place.fall_idle();
            }
            Ok(Next::Close) => return connection.linger(),
            Err(_) => return,
        }
        if phase() == Phase::Stopped {
            return;
        }
        wait = connection.settings.timeouts.idle;
    }
}

struct Connection<'a> {
    place: &'a Place,
    settings: Settings,
    input: Input<'a>,
    body: Body,
    output: Vec<u8>,
}

/// Why a request is not read to its end.
enum Stop {
    /// Nobody is there to be answered.
    Gone,
    /// The client is told why.
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The connection is over, without a word.
struct Gone;

/// What follows an answer.
enum Next {
    Request,
    Close,
}

impl Connection<'_> {
    /// Waits for the next head, the first octet of it for at most `wait`.
    fn head(&mut self, wait: Duration) -> Result<Result<Head, Refusal>, Gone> {
        let started = moment::now();
        let mut scan = HeadScan::default();
        let mut begun = false;
        let mut deadline = started + wait;
        loop {
            if !begun {
                self.input.skip_empty_lines();
            }
            let unread = self.input.unread();
            if !unread.is_empty() && !begun {
                begun = true;
                if !self.place.begin() {
                    return Err(Gone);
                }
                deadline = deadline.min(moment::now() + self.settings.timeouts.head);
            }
            match scan.end(unread) {
                Err(refusal) => return Ok(Err(refusal)),
                Ok(Some(length)) => {
                    let head = Head::parse(unread.get(..length).unwrap_or_default());
                    self.input.consume(length);
                    return Ok(head);
                }
                Ok(None) => {}
            }
            match self.input.fill(deadline) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut && begun => {
                    return Ok(Err(Refusal::new(408, "request head took too long")));
                }
                Err(_) => return Err(Gone),
            }
        }
    }

    /// Reads the body that the head announces.
    fn body(&mut self, head: &mut Head, handler: &dyn Handler) -> Result<(), Stop> {
        handler.begin(head, &|| self.place.slot.socket.peer())?;
        let limit = self.settings.max_body_bytes;
        if let Framing::Length(length) = head.framing {
            if length > limit as u64 {
                return Err(Refusal::too_large(limit).into());
            }
            if length == 0 {
                return Ok(());
            }
        }
        if head.expects_continue && self.input.unread().is_empty() {
            let deadline = moment::now() + self.settings.timeouts.write;
            self.input
                .write(b"HTTP/1.1 100 Continue\r\n\r\n", deadline)
                .map_err(|_| Stop::Gone)?;
        }
        let deadline = moment::now() + self.settings.timeouts.body;
        match head.framing {
            Framing::Length(length) => {
                let mut left = usize::try_from(length).unwrap_or(usize::MAX);
                while left > 0 {
                    let unread = self.input.unread_or_fill(deadline)?;
                    let taken = unread.len().min(left);
                    self.body.push(unread.get(..taken).unwrap_or_default())?;
                    self.input.consume(taken);
                    left -= taken;
                }
            }
            Framing::Chunked => {
                let mut chunked = Chunked::new(limit);
                while !chunked.is_done() {
                    let unread = self.input.unread_or_fill(deadline)?;
                    let taken = chunked.take(unread, |data| self.body.push(data))?;
                    self.input.consume(taken);
                }
            }
        }
        Ok(())
    }

    /// Writes an answer, in one go where the socket takes it.
    fn send(&mut self, head: Option<&Head>, mut reply: Reply, phase: Phase) -> io::Result<Next> {
        reply.close |= phase != Phase::Serving;
        let next = if reply.close || !head.is_some_and(|head| head.keep_alive) {
            Next::Close
        } else {
            Next::Request
        };
        self.output.clear();
        reply.render(head, &mut self.output);
        let deadline = moment::now() + self.settings.timeouts.write;
        self.input.write(&self.output, deadline)?;
        if self.output.capacity() > KEPT_OUTPUT {
            self.output = Vec::new();
        }
        Ok(next)
    }

    /// Lets the client read the last answer: a socket that is closed with unread input resets the
    /// connection, and the answer may be lost with it.
    fn linger(&mut self) {
        self.place.slot.socket.finish();
        let deadline = moment::now() + self.settings.timeouts.linger;
        while self.input.fill(deadline).is_ok() {
            self.input.consume(usize::MAX);
        }
    }
}

/// What a client has sent and nobody has read.
///
/// Invariant: 0 <= `start` <= `end` <= `buffer.len()`; the unread octets are `start..end`.
struct Input<'a> {
    socket: &'a Socket,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    read_timeout: Armed,
    write_timeout: Armed,
}

impl<'a> Input<'a> {
    fn new(socket: &'a Socket) -> Self {
        Self {
            socket,
            buffer: vec![0; INPUT],
            start: 0,
            end: 0,
            read_timeout: Armed::default(),
            write_timeout: Armed::default(),
        }
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    fn consume(&mut self, octets: usize) {
        self.start = self.start.saturating_add(octets).min(self.end);
        if self.start == self.end {
            self.start = 0;
            self.end = 0;
        }
    }

    /// RFC 9112 §2.2: empty lines before a request line are skipped.
    fn skip_empty_lines(&mut self) {
        while self.unread().starts_with(b"\r\n") {
            self.consume(2);
        }
    }

    /// What is unread, after waiting for some of it if need be.
    fn unread_or_fill(&mut self, deadline: Instant) -> Result<&[u8], Stop> {
        if self.unread().is_empty() {
            self.fill(deadline).map_err(|error| match error.kind() {
                io::ErrorKind::TimedOut => Refusal::new(408, "request body took too long").into(),
                _ => Stop::Gone,
            })?;
        }
        Ok(self.unread())
    }

    /// Reads once. `TimedOut` after the deadline, `UnexpectedEof` at the end.
    fn fill(&mut self, deadline: Instant) -> io::Result<()> {
        if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        loop {
            if let Some(timeout) = self.read_timeout.change(deadline)? {
                self.socket.set_read_timeout(timeout)?;
            }
            let room = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.socket.read(room) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(octets) => {
                    self.end += octets;
                    return Ok(());
                }
                Err(error) if is_pause(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn write(&mut self, mut octets: &[u8], deadline: Instant) -> io::Result<()> {
        while !octets.is_empty() {
            if let Some(timeout) = self.write_timeout.change(deadline)? {
                self.socket.set_write_timeout(timeout)?;
            }
            match self.socket.write(octets) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => octets = octets.get(written..).unwrap_or_default(),
                Err(error) if is_pause(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
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

/// Linux says `WouldBlock` when a socket's time-out is over.
fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

/// Our limit: for a head, which is one packet from an honest caller.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Our limit: for a body. 4 MiB in this time is a line of one megabit a second.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Our limit: between requests. Longer than the 90 s after which Go's client gives a connection
/// up, so that it is not closed under a caller's next request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// Our limit: for taking an answer, which mostly fits into the socket's buffer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Our limit: for taking notice of our closing.
const LINGER_TIMEOUT: Duration = Duration::from_millis(500);

/// A connection's input buffer: a whole head and no more, so what a client sends ahead waits in
/// the kernel.
const INPUT: usize = super::head::MAX_HEAD + 2;

/// Our limit: octets of an answer's buffer that a connection keeps for the next one.
const KEPT_OUTPUT: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

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
