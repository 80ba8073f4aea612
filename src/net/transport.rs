//! A transport for ureq: any `ureq::Agent` given it speaks HTTP/2 through our own connection code,
//! HTTP/1.1 where ALPN says so, and HTTP/1.1 over plain `http://`.
//!
//! ureq hands a transport the bytes of an HTTP/1.1 request and expects those of an HTTP/1.1
//! response. Over HTTP/2 they are translated (`request`, `response`, `http2`); otherwise they pass
//! as they are (`http1`). The time for an exchange is ours, since ureq's clock goes on while the
//! process stands still; a limit of ureq's that a call brings holds beside it. What is over ends
//! the call with `ureq::Error::Timeout`. The calling thread drives the connection itself while it
//! waits; there is no thread behind.
//!
//! Names are looked up here, not by ureq, which would do it on every call, pooled or not.

mod buffers;
mod http1;
mod http2;
mod request;
mod response;
mod unix;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use ureq::config::{Config, ConfigBuilder};
use ureq::typestate::AgentScope;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver as UreqResolver};
use ureq::unversioned::transport::time::Duration as UreqDuration;
use ureq::unversioned::transport::{
    ConnectionDetails, Connector, NextTimeout, ShutdownHandle, Transport,
};
use ureq::{Agent, Error, Timeout};

use super::dial::{DialAttempt, OpenError, Stage};
use super::readiness::{Bell, Waiter};
use super::resolve::Resolver;
use super::socket::SocketEnd;
use super::tls;
use buffers::TextBuffers;
use unix::UnixConnector;

use crate::moment;

/// Opens connections for a `ureq::Agent`.
#[derive(Debug)]
pub struct HttpConnector {
    tls: Arc<ClientConfig>,
    resolver: Arc<Resolver>,
    within: Duration,
}

impl HttpConnector {
    /// `tls` should offer [`tls::ALPN_H2`] and [`tls::ALPN_HTTP1`]. `within` is the time for one
    /// request and its whole response, the connection included if there is none yet.
    pub fn new(tls: Arc<ClientConfig>, resolver: Arc<Resolver>, within: Duration) -> Self {
        Self {
            tls,
            resolver,
            within,
        }
    }

    fn open(&self, details: &ConnectionDetails<'_>) -> Result<Box<dyn Transport>, Error> {
        let (host, port) = host_and_port(details)?;
        let now = moment::now();
        let end = now.checked_add(self.within);
        let limit = Limit::new(details.timeout, end, now);
        let resolve = details.config.timeouts().resolve;
        let dial = DialAttempt {
            host,
            port,
            tls: details.needs_tls().then_some(&self.tls),
            resolver: &self.resolver,
            resolve: resolve.unwrap_or(MAX_RESOLVE),
            connect: MAX_CONNECT,
            handshake: MAX_HANDSHAKE,
            write: MAX_WRITE,
            deadline: limit.deadline,
        };
        let socket = dial.open().map_err(|error| {
            let in_time = limit.left(moment::now());
            match (&error.stage, resolve) {
                _ if in_time.is_err() => Error::Timeout(limit.reason),
                (Stage::Resolve, Some(time)) if moment::since(now) >= time => {
                    Error::Timeout(Timeout::Resolve)
                }
                _ => error.into_ureq(),
            }
        })?;
        let waiter = Waiter::new()?;
        let interrupt = Arc::new(Interrupt {
            shut: AtomicBool::new(false),
            bell: waiter.bell(),
        });
        let shut: Arc<dyn ShutdownHandle> = Arc::<Interrupt>::clone(&interrupt);
        (details.register_shutdown)(Arc::downgrade(&shut))?;
        let buffers = TextBuffers::new(details.config.output_buffer_size());
        let wait = CallWait {
            waiter,
            interrupt,
            within: self.within,
            end,
            has_looked: false,
        };
        match socket.alpn() {
            Some(tls::ALPN_H2) => Ok(Box::new(http2::Http2Transport::new(socket, wait, buffers)?)),
            _ => Ok(Box::new(http1::Http1Transport::new(socket, wait, buffers)?)),
        }
    }
}

impl Connector for HttpConnector {
    type Out = Box<dyn Transport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        _chained: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        self.open(details).map(Some)
    }
}

/// A configuration fit for a daemon: no redirects followed, no status taken for an error, no proxy
/// from the environment, small buffers.
pub fn config() -> ConfigBuilder<AgentScope> {
    Config::builder()
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .proxy(None)
        .input_buffer_size(BUFFER)
        .output_buffer_size(BUFFER)
        .user_agent("")
        .accept("")
        .accept_encoding("")
}

/// An agent that connects by `connector`; see [`config`].
pub fn agent(connector: HttpConnector, config: Config) -> Agent {
    Agent::with_parts(config, connector, NoLookup)
}

/// An agent that speaks HTTP/1.1 over the Unix socket at `path`, whatever host a URL names.
/// `within` is the time for one request and its whole response.
pub fn unix_agent(path: PathBuf, within: Duration, config: Config) -> Agent {
    Agent::with_parts(config, UnixConnector { path, within }, NoLookup)
}

/// What ureq is given for a resolver: [`HttpConnector`] looks names up itself.
#[derive(Debug)]
struct NoLookup;

impl UreqResolver for NoLookup {
    fn resolve(
        &self,
        _uri: &::http::Uri,
        _config: &Config,
        _timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        Ok(self.empty())
    }
}

/// What a blocked call waits with.
#[derive(Debug)]
struct CallWait {
    waiter: Waiter,
    interrupt: Arc<Interrupt>,
    /// The time for one exchange.
    within: Duration,
    /// When the present one must be over; `None` for never.
    end: Option<Instant>,
    /// What was there by then is read.
    has_looked: bool,
}

/// Ends blocked calls when the agent is shut down.
#[derive(Debug)]
struct Interrupt {
    shut: AtomicBool,
    bell: Bell,
}

impl ShutdownHandle for Interrupt {
    fn shutdown(&self) {
        self.shut.store(true, Ordering::SeqCst);
        self.bell.ring();
    }
}

impl CallWait {
    /// Another exchange begins.
    fn begin(&mut self) {
        self.end = moment::now().checked_add(self.within);
        self.has_looked = false;
    }

    /// Whether to look for what has come before a limit is held against the server: once.
    fn looks_once_more(&mut self) -> bool {
        !std::mem::replace(&mut self.has_looked, true)
    }

    /// What bounds a call.
    fn limit(&self, timeout: NextTimeout) -> Limit {
        Limit::new(timeout, self.end, moment::now())
    }

    /// Waits for the socket, the limit, or `wake_at`.
    fn wait(&mut self, limit: &Limit, wake_at: Option<Instant>) -> Result<(), Error> {
        let now = moment::now();
        let left = limit.left(now)?;
        let wake = wake_at.map(|at| at.saturating_duration_since(now));
        let timeout = [left, wake].into_iter().flatten().min();
        self.waiter.wait(timeout)?;
        if self.interrupt.shut.load(Ordering::SeqCst) {
            let shut = io::Error::new(io::ErrorKind::NotConnected, "the agent was shut down");
            return Err(Error::Io(shut));
        }
        Ok(())
    }
}

/// How long a call may go on, and what it is called if that is over.
#[derive(Debug)]
struct Limit {
    deadline: Option<Instant>,
    reason: Timeout,
}

impl Limit {
    /// The sooner of ureq's and of the exchange's `end`.
    fn new(timeout: NextTimeout, end: Option<Instant>, now: Instant) -> Self {
        let ureqs = match timeout.after {
            UreqDuration::Exact(after) => now.checked_add(after),
            UreqDuration::NotHappening => None,
        };
        let [theirs, ours] = [(ureqs, timeout.reason), (end, Timeout::Global)];
        let (deadline, reason) = match (ureqs, end) {
            (Some(at), Some(end)) if at <= end => theirs,
            (Some(_), None) => theirs,
            _ => ours,
        };
        Self { deadline, reason }
    }

    /// What is left; `None` for no limit.
    fn left(&self, now: Instant) -> Result<Option<Duration>, Error> {
        let Some(deadline) = self.deadline else {
            return Ok(None);
        };
        let left = deadline.saturating_duration_since(now);
        if left.is_zero() {
            return Err(Error::Timeout(self.reason));
        }
        Ok(Some(left))
    }
}

impl OpenError {
    fn into_ureq(self) -> Error {
        Error::Io(io::Error::new(self.kind(), self))
    }
}

/// What ureq is told about a socket that ended.
fn ended(end: &SocketEnd) -> Error {
    let kind = end.failure.unwrap_or(io::ErrorKind::UnexpectedEof);
    failed(kind, end.text.clone())
}

/// What ureq is told about a failure. Some kinds of error it takes, behind a head, for the end of
/// the content: it forgets what they say, and may take half a content for the whole. It may do so
/// with an `UnexpectedEof`, by which HTTP/1 servers end a content that has no length.
fn failed(kind: io::ErrorKind, why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    let kind = match kind {
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset => io::ErrorKind::Other,
        other => other,
    };
    Error::Io(io::Error::new(kind, why))
}

/// How far a request got that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestFate {
    /// There was no connection to be had.
    NotConnected,
    /// The server has not looked at it, and says so: it may be sent again, whatever it asks for.
    NotProcessed,
    /// Nobody can say.
    Unknown,
}

/// How far the request got that ended so.
pub fn fate(error: &Error) -> RequestFate {
    let Error::Io(error) = error else {
        return RequestFate::Unknown;
    };
    match error.get_ref() {
        Some(inner) if inner.is::<OpenError>() => RequestFate::NotConnected,
        Some(inner) if inner.is::<UnprocessedRequest>() => RequestFate::NotProcessed,
        _ => RequestFate::Unknown,
    }
}

/// Why a request was not looked at.
#[derive(Debug)]
struct UnprocessedRequest(String);

impl fmt::Display for UnprocessedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UnprocessedRequest {}

fn host_and_port<'a>(details: &ConnectionDetails<'a>) -> Result<(&'a str, u16), Error> {
    let uri = details.uri;
    let host = uri
        .host()
        .ok_or_else(|| Error::BadUri(format!("no host in {uri}")))?;
    let default = if details.needs_tls() { 443 } else { 80 };
    Ok((host, uri.port_u16().unwrap_or(default)))
}

/// Bytes of ureq's buffers: the longest field line of a request, with room to spare.
const BUFFER: usize = 16 * 1024;

/// For the name lookup, unless ureq's limits are tighter.
const MAX_RESOLVE: Duration = Duration::from_secs(10);

/// For name lookup and TCP, unless ureq's limits are tighter.
const MAX_CONNECT: Duration = Duration::from_secs(20);

/// For the TLS handshake, unless ureq's limits are tighter.
const MAX_HANDSHAKE: Duration = Duration::from_secs(20);

/// For bytes that the peer does not take, unless ureq's limits are tighter.
const MAX_WRITE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
