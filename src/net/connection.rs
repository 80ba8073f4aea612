//! A socket with TLS and an HTTP/2 connection, pumped by the thread that owns them.
//!
//! The socket is non-blocking and registered, edge-triggered, with the owner's
//! [`Waiter`](super::readiness::Waiter). One round of the owner:
//!
//! ```text
//!  wait ─ receive ─ http2().poll_event() … http2().send_request() … ─ flush ─┐
//!    ↑  ←  while has_more() ────────────────────────────────────────────┘    │
//!    └── until next_timeout(): handle_timeout() ────────────────────────────┘
//! ```
//!
//! Whatever ends the transport (end of file, error, a TLS alert, a peer that takes no bytes before
//! the write deadline) becomes [`http2::Connection::transport_closed`], whose events say what
//! became of each stream; [`Connection::why_closed`] has the text. No function here blocks but
//! [`Connection::open`] and [`Connection::accept`].

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mio::{Registry, Token};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, ServerConnection};

use super::dial::{DialAttempt, OpenError, Stage, alpn_text};
use super::readiness::Readiness;
use super::resolve::Resolver;
use super::socket::{Socket, SocketEnd};
use super::{tcp, tls};
use crate::http2;
use crate::moment;

/// A server, and how to reach and speak to it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Name or address; also the name that its certificate must carry.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Trust, our certificate, ALPN `h2`.
    pub tls: Arc<ClientConfig>,
    /// Looks the host up.
    pub resolver: Arc<Resolver>,
    /// What the HTTP/2 connection is set up with.
    pub http2: http2::Options,
    /// How long each step may take.
    pub timeouts: Timeouts,
}

/// How long a server may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// For name lookup and TCP together; the lookup gets half of it, so that the last known
    /// addresses can still be connected to.
    pub connect: Duration,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For taking bytes that we have sent.
    pub write: Duration,
}

/// TCP, TLS and HTTP/2 to one peer, in either role.
#[derive(Debug)]
pub struct Connection {
    socket: Socket,
    http2: http2::Connection,
    token: Token,
    /// The HTTP/2 side was told that the transport is at its end.
    told: bool,
}

impl Connection {
    /// Connects to `endpoint` and registers the socket with the owner's waiter. Blocks for the
    /// endpoint's time-outs at most. The preface is sent before it returns.
    pub fn open(endpoint: &Endpoint, registry: &Registry) -> Result<Self, OpenError> {
        let dial = DialAttempt {
            host: &endpoint.host,
            port: endpoint.port,
            tls: Some(&endpoint.tls),
            resolver: &endpoint.resolver,
            resolve: endpoint.timeouts.connect / 2,
            connect: endpoint.timeouts.connect,
            handshake: endpoint.timeouts.handshake,
            write: endpoint.timeouts.write,
            deadline: None,
        };
        let mut socket = dial.open()?;
        if socket.alpn() != Some(tls::ALPN_H2) {
            let text = alpn_text(socket.alpn());
            // Ends the handshake first: a server that only saw it break off would look for TLS
            // trouble.
            socket.close(moment::now());
            let at = format!("{}: ", socket.peer());
            return Err(dial.error(Stage::Alpn, std::io::ErrorKind::InvalidData, &at, &text));
        }
        let now = moment::now();
        let http2 = http2::Connection::client(endpoint.http2.clone(), now);
        let peer = socket.peer();
        Self::start(socket, http2, registry, now).map_err(|end| {
            let kind = end.failure.unwrap_or(std::io::ErrorKind::Other);
            dial.error(Stage::Tcp, kind, &format!("{peer}: "), &end.text)
        })
    }

    /// Shakes hands with a client that has connected, or goes on with a handshake that has begun;
    /// the server's role. Blocks until `deadline` has passed at most, which is the time that the
    /// client may later take for bytes, too.
    pub fn accept(
        socket: TcpStream,
        tls: ServerConnection,
        options: http2::Options,
        registry: &Registry,
        deadline: Duration,
    ) -> Result<Self, OpenError> {
        let mut stage = Stage::Tcp;
        let mut peer = None;
        let accepted = (|| {
            let address = *peer.insert(socket.peer_addr()?);
            let stream = tcp::adopt(socket)?;
            tcp::tune(&stream, deadline)?;
            stage = Stage::Tls;
            let mut socket = Socket::new(stream, address, Some(tls.into()), deadline);
            socket.handshake(moment::now() + deadline)?;
            stage = Stage::Alpn;
            if socket.alpn() != Some(tls::ALPN_H2) {
                let text = "the client does not offer HTTP/2 (h2) by ALPN".to_owned();
                return Err(SocketEnd::failed(std::io::ErrorKind::InvalidData, text));
            }
            let now = moment::now();
            Self::start(
                socket,
                http2::Connection::server(options, now),
                registry,
                now,
            )
        })();
        accepted.map_err(|end: SocketEnd| {
            let peer = peer.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string());
            OpenError::of_accept(stage, &peer, &end)
        })
    }

    /// An open socket that has agreed on HTTP/2.
    pub(super) fn start(
        mut socket: Socket,
        http2: http2::Connection,
        registry: &Registry,
        now: Instant,
    ) -> Result<Self, SocketEnd> {
        let token = Token(NEXT_TOKEN.fetch_add(1, Ordering::Relaxed));
        socket.register(registry, token)?;
        let mut connection = Self {
            socket,
            http2,
            token,
            told: false,
        };
        connection.flush(now);
        Ok(connection)
    }

    /// The HTTP/2 side; call [`Connection::flush`] after having sent something.
    pub fn http2(&mut self) -> &mut http2::Connection {
        &mut self.http2
    }

    /// Reads what the socket has, at most 256 KiB, and feeds it to the HTTP/2 side. Returns the
    /// bytes read; [`Connection::has_more`] says whether there may be more.
    pub fn receive(&mut self, now: Instant) -> usize {
        self.receive_ready(Readiness::UNKNOWN, now)
    }

    /// As [`Connection::receive`], with what the waiter said about [`Connection::token`]: saves the
    /// system call that finds nothing. To be called after every wait.
    pub fn receive_ready(&mut self, readiness: Readiness, now: Instant) -> usize {
        let Self { socket, http2, .. } = self;
        if !http2.wants_input() && !http2.is_closed() {
            // A peer that does not read our bytes is not listened to: what it says would make
            // more of them.
            socket.note(readiness);
            return 0;
        }
        let mut total = socket.receive(readiness, |bytes| http2.receive(bytes, now));
        for _ in 1..READS_PER_CALL {
            if !socket.has_more() || !http2.wants_input() {
                break;
            }
            total += socket.receive(Readiness::NOTHING, |bytes| http2.receive(bytes, now));
        }
        self.tell_end();
        total
    }

    /// Sends what the HTTP/2 side has to say, as far as the peer takes it: many frames per TLS
    /// record, many records per system call.
    pub fn flush(&mut self, now: Instant) {
        self.flush_at_most(usize::MAX, now);
    }

    /// The same, with no more than so many bytes: for a server that is to be slow.
    pub fn flush_at_most(&mut self, most: usize, now: Instant) {
        let mut left = most;
        loop {
            let output = self.http2.output();
            let output = output.get(..left).unwrap_or(output);
            let offered = output.len();
            if offered == 0 && !self.socket.is_pending() {
                break;
            }
            let sent = self.socket.send(output, now);
            self.http2.advance_output(sent);
            left -= sent;
            if left == 0 {
                break;
            }
            if self.socket.is_broken() || sent < offered || self.socket.is_blocked() {
                break;
            }
        }
        if self.socket.is_broken() && self.socket.end().is_none() {
            let Self { socket, http2, .. } = self;
            socket.finish(|bytes| http2.receive(bytes, now));
        }
        if self.http2.is_closed() && self.http2.output().is_empty() && !self.socket.is_blocked() {
            self.socket.close(now);
        }
        self.tell_end();
    }

    /// Ends TLS and our side of TCP, without a word of HTTP/2.
    pub fn close_transport(&mut self, now: Instant) {
        self.socket.close(now);
        self.tell_end();
    }

    /// There is input that no readiness will announce: call [`Connection::receive`] again before
    /// waiting. Output that the peer does not take yet is announced; while there is too much of it,
    /// input is left alone.
    pub fn has_more(&self) -> bool {
        self.socket.has_more() && self.http2.wants_input()
    }

    /// When to call [`Connection::handle_timeout`].
    pub fn next_timeout(&self) -> Option<Instant> {
        let write = self.socket.write_deadline();
        let http2 = self.http2.next_timeout();
        [write, http2].into_iter().flatten().min()
    }

    /// Acts on time-outs that have passed; harmless if none has. Call [`Connection::flush`] after.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.socket.handle_timeout(now);
        self.tell_end();
        if self.http2.next_timeout().is_some_and(|at| now >= at) {
            self.http2.handle_timeout(now);
        }
    }

    /// Nothing will come in or go out any more. Events may still be waiting.
    pub fn is_closed(&self) -> bool {
        self.socket.end().is_some()
    }

    /// Why the transport ended, once it has.
    pub fn why_closed(&self) -> Option<&str> {
        self.socket.end().map(|end| end.text.as_str())
    }

    /// Bytes read from the network so far: while they grow, the peer lives.
    pub fn bytes_received(&self) -> u64 {
        self.socket.bytes_received()
    }

    /// Output waits for the peer to take bytes.
    pub fn is_write_blocked(&self) -> bool {
        self.socket.is_blocked()
    }

    /// The chain that the peer has shown; empty for a client without a certificate.
    pub fn peer_certificates(&self) -> &[CertificateDer<'static>] {
        self.socket.peer_certificates()
    }

    /// The peer's address.
    pub fn peer_addr(&self) -> SocketAddr {
        self.socket.peer()
    }

    /// The TLS session was resumed.
    pub fn is_resumed(&self) -> bool {
        self.socket.is_resumed()
    }

    /// Takes the socket from its owner's waiter. Until [`Connection::join`] nobody waits for it.
    pub fn leave(&mut self, registry: &Registry) -> std::io::Result<()> {
        self.socket.deregister(registry)
    }

    /// Registers the socket with another owner's waiter; what has come meanwhile is reported by
    /// none of its waits, so that the next call is [`Connection::receive`].
    pub fn join(&mut self, registry: &Registry) -> std::io::Result<()> {
        self.socket.register(registry, self.token)
    }

    /// Under which the socket is registered with the owner's waiter.
    pub fn token(&self) -> Token {
        self.token
    }

    fn tell_end(&mut self) {
        if self.socket.end().is_some() && !self.told {
            self.told = true;
            self.http2.transport_closed();
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            handshake: Duration::from_secs(10),
            write: Duration::from_secs(20),
        }
    }
}

/// Buffers full per [`Connection::receive`]: then the owner gets to write and to look at its queue.
const READS_PER_CALL: usize = 4;

/// Numbers the sockets of the process, so that an event left over from one that was closed is not
/// taken for another's.
static NEXT_TOKEN: AtomicUsize = AtomicUsize::new(0);

#[cfg(test)]
mod tests;
