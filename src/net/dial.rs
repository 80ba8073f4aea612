//! From a name and a port to a connected socket, within deadlines.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use super::resolve::Resolver;
use super::socket::{Socket, SocketEnd};
use super::{tcp, tls};

use crate::moment;

/// How far the opening of a connection got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Looking the name up.
    Resolve,
    /// Connecting to one of its addresses.
    Tcp,
    /// The TLS handshake: certificates, protocol versions.
    Tls,
    /// Agreeing on HTTP/2 by ALPN.
    Alpn,
}

/// Why a connection could not be opened: where to, how far it got, what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenError {
    /// How far it got.
    pub stage: Stage,
    /// Whole sentence for the log: `host:port`, the address if one was reached, what happened.
    pub text: String,
    kind: io::ErrorKind,
}

/// Where to and how long.
pub(super) struct DialAttempt<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    /// `None` for a plain socket.
    pub(super) tls: Option<&'a Arc<ClientConfig>>,
    pub(super) resolver: &'a Resolver,
    /// For the name lookup, counted from the start.
    pub(super) resolve: Duration,
    /// For name lookup and TCP together, counted from the start.
    pub(super) connect: Duration,
    /// For the TLS handshake, counted from its beginning.
    pub(super) handshake: Duration,
    /// How long bytes may wait for the peer once the socket is open.
    pub(super) write: Duration,
    /// For all of it.
    pub(super) deadline: Option<Instant>,
}

impl DialAttempt<'_> {
    /// Looks up, connects, shakes hands; blocks until then.
    pub(super) fn open(&self) -> Result<Socket, OpenError> {
        let start = moment::now();
        let addresses = self
            .resolver
            .resolve(self.host, self.port, self.until(start, self.resolve))
            .map_err(|error| self.error(Stage::Resolve, io::ErrorKind::NotFound, "", &error))?;
        let (stream, peer) = tcp::connect(&addresses, self.until(start, self.connect))
            .map_err(|error| self.error(Stage::Tcp, error.kind(), "cannot connect: ", &error))?;
        let at = format!("{peer}: ");
        tcp::tune(&stream, self.write)
            .map_err(|error| self.error(Stage::Tcp, error.kind(), &at, &error))?;
        let session = self.session()?;
        let mut socket = Socket::new(stream, peer, session, self.write);
        let until = self.until(moment::now(), self.handshake);
        socket.handshake(until).map_err(|end| {
            let kind = end.failure.unwrap_or(io::ErrorKind::UnexpectedEof);
            self.error(Stage::Tls, kind, &format!("{at}TLS: "), &end.text)
        })?;
        Ok(socket)
    }

    fn session(&self) -> Result<Option<rustls::Connection>, OpenError> {
        let Some(config) = self.tls else {
            return Ok(None);
        };
        let fail = |error: &dyn fmt::Display| {
            self.error(Stage::Tls, io::ErrorKind::InvalidInput, "", error)
        };
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        let name = ServerName::try_from(host.to_owned()).map_err(|error| fail(&error))?;
        let session =
            ClientConnection::new(Arc::clone(config), name).map_err(|error| fail(&error))?;
        Ok(Some(session.into()))
    }

    fn until(&self, start: Instant, limit: Duration) -> Instant {
        let until = start + limit.min(LONGEST);
        self.deadline.map_or(until, |deadline| deadline.min(until))
    }

    /// `at` says which address or which step, and ends in a colon.
    pub(super) fn error(
        &self,
        stage: Stage,
        kind: io::ErrorKind,
        at: &str,
        what: &dyn fmt::Display,
    ) -> OpenError {
        OpenError {
            stage,
            text: format!("{}:{}: {at}{what}", self.host, self.port),
            kind,
        }
    }
}

impl OpenError {
    /// An error of a connection that a client opened to us.
    pub(super) fn of_accept(stage: Stage, peer: &dyn fmt::Display, end: &SocketEnd) -> Self {
        Self {
            stage,
            text: format!("client {peer}: {}", end.text),
            kind: end.failure.unwrap_or(io::ErrorKind::UnexpectedEof),
        }
    }

    /// An error of a Unix socket that nobody could be reached at.
    pub(super) fn of_unix(place: &str, error: &io::Error) -> Self {
        Self {
            stage: Stage::Tcp,
            text: format!("{place}: cannot connect: {error}"),
            kind: error.kind(),
        }
    }

    /// The kind of I/O error it comes closest to.
    pub fn kind(&self) -> io::ErrorKind {
        self.kind
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for OpenError {}

/// Says that the peer did not agree on `wanted` by ALPN.
pub(super) fn alpn_text(agreed: Option<&[u8]>) -> String {
    match agreed {
        Some(other) => format!(
            "the server chose {:?} by ALPN, not HTTP/2",
            String::from_utf8_lossy(other)
        ),
        None => format!(
            "no protocol agreed by ALPN, HTTP/2 ({:?}) is needed",
            String::from_utf8_lossy(tls::ALPN_H2)
        ),
    }
}

/// Our limit on each deadline: a configured duration beyond it would only overflow the clock.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
