//! A non-blocking TCP socket, with or without TLS.
//!
//! Owns the read buffer, the TLS session and what is known of their end; knows no protocol above.
//! Bytes go to the reader as slices of the buffers they were decrypted in, and TLS records leave
//! in one `writev`: a round costs one read and one write system call.
//!
//! Once [`Socket::end`] says something, nothing comes in or goes out any more.

use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};
use rustls::pki_types::CertificateDer;

use super::readiness::Readiness;

use crate::moment;
use crate::moment::grace::Grace;

/// A connected socket.
pub(super) struct Socket {
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<rustls::Connection>,
    input: Box<[u8]>,
    /// TLS bytes that came with the end of the handshake; `None` once they were looked at.
    early: Option<Vec<u8>>,
    /// The kernel may have more for us: it was not read until it had none.
    readable: bool,
    /// The peer's end was reported: a read that fills only part of the buffer is not the last.
    closed: bool,
    /// Since when bytes wait that the kernel did not take; `None` if none do.
    blocked_since: Option<Instant>,
    write_timeout: Duration,
    received: u64,
    /// A write failed: what the peer said before that (an alert, a GOAWAY) is still to be read.
    write_failure: Option<SocketEnd>,
    end: Option<SocketEnd>,
}

/// Why a socket is at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SocketEnd {
    /// `None` for an orderly end: `close_notify`, or the end of a plain socket's bytes.
    pub(super) failure: Option<io::ErrorKind>,
    /// For people.
    pub(super) text: String,
}

impl Socket {
    /// Takes a connected stream; `tls` has not yet shaken hands.
    pub(super) fn new(
        stream: TcpStream,
        peer: SocketAddr,
        tls: Option<rustls::Connection>,
        write_timeout: Duration,
    ) -> Self {
        let mut socket = Self {
            stream,
            peer,
            tls,
            input: vec![0; READ_BUFFER].into_boxed_slice(),
            early: None,
            readable: true,
            closed: false,
            blocked_since: None,
            write_timeout,
            received: 0,
            write_failure: None,
            end: None,
        };
        if let Some(tls) = &mut socket.tls {
            tls.set_buffer_limit(Some(WRITE_BATCH));
        }
        socket
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let interest = Interest::READABLE | Interest::WRITABLE;
        registry.register(&mut self.stream, token, interest)
    }

    pub(super) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        registry.deregister(&mut self.stream)
    }

    /// Shakes hands, blocking until `deadline` at most.
    pub(super) fn handshake(&mut self, deadline: Instant) -> Result<(), SocketEnd> {
        let mut poll = Poll::new()?;
        let mut events = Events::with_capacity(4);
        self.register(poll.registry(), Token(0))?;
        let mut grace = Grace::default();
        loop {
            let now = moment::now();
            self.shake()?;
            if self.tls.as_ref().is_none_or(|tls| !tls.is_handshaking()) {
                break;
            }
            let left = grace.left(deadline, false, now);
            if left.is_zero() {
                return Err(SocketEnd::failed(
                    io::ErrorKind::TimedOut,
                    "no answer in time".to_owned(),
                ));
            }
            match poll.poll(&mut events, Some(left)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(error.into());
                }
                _ => {}
            }
        }
        Ok(self.deregister(poll.registry())?)
    }

    /// One round of the handshake: all that can be sent and read without blocking.
    fn shake(&mut self) -> Result<(), SocketEnd> {
        let Some(tls) = &mut self.tls else {
            return Ok(());
        };
        while tls.is_handshaking() {
            write_records(tls, &mut self.stream).1?;
            let n = match self.stream.read(&mut self.input) {
                Ok(0) => {
                    let text = "the peer closed the connection during the handshake".to_owned();
                    return Err(SocketEnd::failed(io::ErrorKind::UnexpectedEof, text));
                }
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            self.received += n as u64;
            let mut bytes = self.input.get(..n).unwrap_or_default();
            while tls.is_handshaking() && !bytes.is_empty() {
                if tls.read_tls(&mut bytes)? == 0 {
                    let text = "the peer ended TLS during the handshake".to_owned();
                    return Err(SocketEnd::failed(io::ErrorKind::UnexpectedEof, text));
                }
                if let Err(error) = tls.process_new_packets() {
                    tell(tls, &mut self.stream);
                    return Err(SocketEnd::of_tls(&error));
                }
            }
            self.early = Some(bytes.to_vec());
        }
        Ok(())
    }

    /// What the waiter said, for a later [`Socket::receive`].
    pub(super) fn note(&mut self, readiness: Readiness) {
        self.readable |= readiness.readable;
        self.closed |= readiness.closed;
    }

    /// Reads once, into a buffer of [`READ_BUFFER`] bytes, and hands what came to `sink` in order.
    /// Returns the bytes read from the network (before decryption).
    pub(super) fn receive(&mut self, readiness: Readiness, mut sink: impl FnMut(&[u8])) -> usize {
        self.note(readiness);
        self.take_early(&mut sink);
        if !self.readable || self.end.is_some() {
            return 0;
        }
        match self.stream.read(&mut self.input) {
            Ok(0) => self.end = Some(self.end_of_input()),
            Ok(n) => {
                // The socket is edge-triggered: if it had less than was asked for, whatever comes
                // later is reported anew, except an end that was reported already.
                self.readable = n == self.input.len() || self.closed;
                self.received += n as u64;
                let bytes = self.input.get(..n).unwrap_or_default();
                match &mut self.tls {
                    Some(tls) => self.end = decrypt(tls, &mut self.stream, bytes, &mut sink).err(),
                    None => sink(bytes),
                }
                return n;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                self.readable = false;
                self.closed = false;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.end = Some(error.into()),
        }
        0
    }

    /// After a failed write: reads what the peer said before it went, and ends.
    pub(super) fn finish(&mut self, mut sink: impl FnMut(&[u8])) {
        for _ in 0..LAST_READS {
            if self.end.is_none() && self.readable {
                self.receive(Readiness::UNKNOWN, &mut sink);
            }
        }
        // An end without a reason of its own does not explain why the write failed.
        if self.end.as_ref().is_none_or(|end| end.failure.is_none())
            && let Some(failure) = self.write_failure.take()
        {
            self.end = Some(failure);
        }
    }

    /// What came with the end of the handshake.
    fn take_early(&mut self, sink: &mut impl FnMut(&[u8])) {
        if let (Some(tls), Some(early)) = (&mut self.tls, self.early.take())
            && self.end.is_none()
        {
            self.end = decrypt(tls, &mut self.stream, &early, sink).err();
        }
    }

    fn end_of_input(&self) -> SocketEnd {
        match self.tls {
            Some(_) => SocketEnd::failed(
                io::ErrorKind::UnexpectedEof,
                "the peer closed the connection without close_notify".to_owned(),
            ),
            None => SocketEnd::orderly(),
        }
    }

    /// Sends `bytes` as far as the kernel takes them, after those that wait from earlier calls.
    /// Returns how many need not be given again; the others are to be given again later.
    pub(super) fn send(&mut self, bytes: &[u8], now: Instant) -> usize {
        let mut sent = 0;
        while self.end.is_none() && self.write_failure.is_none() {
            let (n, written) = self.send_batch(bytes.get(sent..).unwrap_or_default());
            sent += n;
            match written {
                Ok(drained) => {
                    if !drained {
                        // A batch that waits keeps the time at which it began to wait.
                        self.blocked_since.get_or_insert(now);
                        break;
                    }
                    self.blocked_since = None;
                    if sent == bytes.len() {
                        break;
                    }
                }
                Err(error) => {
                    self.write_failure = Some(error.into());
                    self.readable = true;
                    self.closed = true;
                }
            }
        }
        sent
    }

    /// The bytes taken, and whether the kernel took all of them.
    fn send_batch(&mut self, bytes: &[u8]) -> (usize, io::Result<bool>) {
        let Some(tls) = &mut self.tls else {
            if bytes.is_empty() {
                return (0, Ok(true));
            }
            return match self.stream.write(bytes) {
                Ok(n) => (n, Ok(true)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => (0, Ok(false)),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => (0, Ok(true)),
                Err(error) => (0, Err(error)),
            };
        };
        if tls.wants_write() {
            match write_records(tls, &mut self.stream).1 {
                Ok(true) => self.blocked_since = None,
                unfinished => return (0, unfinished),
            }
        }
        send_records(tls, &mut self.stream, bytes)
    }

    /// Sends `close_notify` and ends the sending side, as far as that goes without waiting.
    pub(super) fn close(&mut self, now: Instant) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
        }
        self.send(&[], now);
        if self.end.is_none() {
            let shut = self.stream.shutdown(Shutdown::Write);
            self.end = Some(shut.err().map_or_else(SocketEnd::orderly, SocketEnd::from));
        }
    }

    /// TLS has records to send that nobody asked for: the end of a handshake, tickets, key updates.
    pub(super) fn is_pending(&self) -> bool {
        !self.is_broken() && self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Nothing can be sent any more; [`Socket::finish`] finds out why.
    pub(super) fn is_broken(&self) -> bool {
        self.end.is_some() || self.write_failure.is_some()
    }

    /// Bytes wait that the kernel did not take.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked_since.is_some() && self.end.is_none()
    }

    /// When bytes that wait have waited too long.
    pub(super) fn write_deadline(&self) -> Option<Instant> {
        let since = self.blocked_since.filter(|_| self.end.is_none())?;
        since.checked_add(self.write_timeout)
    }

    /// Ends the socket if bytes have waited too long.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if self
            .write_deadline()
            .is_some_and(|deadline| now >= deadline)
        {
            let text = format!(
                "the peer took no bytes for {} s",
                self.write_timeout.as_secs_f32()
            );
            self.end = Some(SocketEnd::failed(io::ErrorKind::TimedOut, text));
        }
    }

    /// [`Socket::receive`] has something to do that no readiness will announce.
    pub(super) fn has_more(&self) -> bool {
        self.end.is_none() && (self.readable || self.early.is_some())
    }

    pub(super) fn end(&self) -> Option<&SocketEnd> {
        self.end.as_ref()
    }

    pub(super) fn peer(&self) -> SocketAddr {
        self.peer
    }

    pub(super) fn bytes_received(&self) -> u64 {
        self.received
    }

    pub(super) fn alpn(&self) -> Option<&[u8]> {
        self.tls.as_ref()?.alpn_protocol()
    }

    pub(super) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    pub(super) fn is_resumed(&self) -> bool {
        self.tls.as_ref().and_then(|tls| tls.handshake_kind())
            == Some(rustls::HandshakeKind::Resumed)
    }

    pub(super) fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        let chain = self.tls.as_ref().and_then(|tls| tls.peer_certificates());
        chain.unwrap_or_default()
    }
}

/// Feeds TLS bytes and hands on what they say; `Err` is the end of the socket.
fn decrypt(
    tls: &mut rustls::Connection,
    stream: &mut TcpStream,
    mut bytes: &[u8],
    sink: &mut impl FnMut(&[u8]),
) -> Result<(), SocketEnd> {
    loop {
        let mut reader = tls.reader();
        loop {
            match reader.fill_buf() {
                Ok([]) => return Err(SocketEnd::orderly()),
                Ok(chunk) => {
                    let n = chunk.len();
                    sink(chunk);
                    reader.consume(n);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        if bytes.is_empty() {
            return Ok(());
        }
        tls.read_tls(&mut bytes)?;
        if let Err(error) = tls.process_new_packets() {
            tell(tls, stream);
            return Err(SocketEnd::of_tls(&error));
        }
    }
}

/// Sends the alert that rustls has ready for the peer.
fn tell(tls: &mut rustls::Connection, stream: &mut TcpStream) {
    if let Err(error) = write_records(tls, stream).1 {
        log::debug!("no alert sent: {error}");
    }
}

/// Encrypts some of `bytes` and writes the records. Returns how many bytes it took, and what came
/// of writing them. If that failed they count as taken all the same as soon as the stream has
/// something of their records: the peer may act upon that.
fn send_records(
    tls: &mut rustls::Connection,
    stream: &mut impl Write,
    bytes: &[u8],
) -> (usize, io::Result<bool>) {
    let n = match tls.writer().write(bytes) {
        Ok(n) => n,
        Err(error) => return (0, Err(error)),
    };
    match write_records(tls, stream) {
        (0, Err(error)) => (0, Err(error)),
        (_, written) => (n, written),
    }
}

/// Writes the records that wait: bytes of them that the stream took, and `false` if it did not
/// take all.
fn write_records(
    tls: &mut rustls::Connection,
    stream: &mut impl Write,
) -> (usize, io::Result<bool>) {
    let mut taken = 0;
    while tls.wants_write() {
        match tls.write_tls(stream) {
            Ok(n) => taken += n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return (taken, Ok(false)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (taken, Err(error)),
        }
    }
    (taken, Ok(true))
}

impl SocketEnd {
    fn orderly() -> Self {
        Self {
            failure: None,
            text: "the connection was closed".to_owned(),
        }
    }

    pub(super) fn failed(kind: io::ErrorKind, text: String) -> Self {
        Self {
            failure: Some(kind),
            text,
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        Self::failed(io::ErrorKind::InvalidData, super::tls::explain(error))
    }
}

impl From<io::Error> for SocketEnd {
    fn from(error: io::Error) -> Self {
        Self::failed(error.kind(), error.to_string())
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket")
            .field("peer", &self.peer)
            .field("tls", &self.tls.is_some())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

/// Bytes asked of the kernel at once: some 200 answers of a provider, or four full TLS records.
pub(super) const READ_BUFFER: usize = 64 * 1024;

/// Buffers full that are read after a write failed: an alert or a GOAWAY is in the first of them.
const LAST_READS: usize = 4;

/// Bytes encrypted ahead of the kernel: one large `writev`, and what a peer that stalls can make
/// us hold beyond the HTTP/2 output.
const WRITE_BATCH: usize = 256 * 1024;

#[cfg(test)]
mod tests;
