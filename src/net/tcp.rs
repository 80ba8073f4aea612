//! One connected TCP socket from several addresses.
//!
//! The addresses are tried in the order given, the next one as soon as one fails or has not
//! answered for [`STAGGER`] (RFC 8305 §5); the first to connect is taken. So a family without a
//! route or an address behind a black hole costs a fraction of a second, not the whole deadline.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream as StdTcpStream};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use rustix::net::sockopt;

use crate::moment;

/// Why no address could be connected to.
#[derive(Debug)]
pub struct ConnectError {
    /// What became of each address that was tried, in that order.
    pub failures: Vec<(SocketAddr, io::Error)>,
    /// Addresses that had not answered when the time was over.
    pub silent: Vec<SocketAddr>,
}

/// An attempt under way.
struct Attempt {
    stream: TcpStream,
    address: SocketAddr,
}

/// Connects to the first of `addresses` that answers; the socket is non-blocking.
pub fn connect(
    addresses: &[SocketAddr],
    deadline: Instant,
) -> Result<(TcpStream, SocketAddr), ConnectError> {
    let mut error = ConnectError {
        failures: Vec::new(),
        silent: Vec::new(),
    };
    let poll = match Poll::new() {
        Ok(poll) => poll,
        Err(cause) => return Err(error.with_cause(addresses, cause)),
    };
    race(poll, addresses, deadline, &mut error).ok_or(error)
}

fn race(
    mut poll: Poll,
    addresses: &[SocketAddr],
    deadline: Instant,
    error: &mut ConnectError,
) -> Option<(TcpStream, SocketAddr)> {
    let mut events = Events::with_capacity(addresses.len().clamp(1, MAX_EVENTS));
    let mut waiting = addresses.iter().copied();
    let mut attempts: Vec<Option<Attempt>> = Vec::new();
    let mut next_start = moment::now();
    loop {
        let now = moment::now();
        let mut pending = attempts.iter().flatten().count();
        while pending == 0 || now >= next_start {
            let Some(address) = waiting.next() else { break };
            match start(&poll, address, Token(attempts.len())) {
                Ok(attempt) => {
                    attempts.push(Some(attempt));
                    pending += 1;
                    next_start = now + STAGGER;
                }
                Err(cause) => error.failures.push((address, cause)),
            }
        }
        if pending == 0 {
            return None;
        }
        let until = if waiting.len() > 0 {
            next_start.min(deadline)
        } else {
            deadline
        };
        if let Err(cause) = poll.poll(&mut events, Some(until.saturating_duration_since(now)))
            && cause.kind() != io::ErrorKind::Interrupted
        {
            let first = attempts.into_iter().flatten().next()?;
            error.failures.push((first.address, cause));
            return None;
        }
        for event in &events {
            let Some(slot) = attempts.get_mut(event.token().0) else {
                continue;
            };
            if let Some(connected) = settle(slot, &poll, error) {
                return Some(connected);
            }
        }
        // By the time before the poll: who has answered by then is not late.
        if now >= deadline {
            let silent = attempts.iter().flatten().map(|attempt| attempt.address);
            error.silent.extend(silent);
            return None;
        }
    }
}

fn start(poll: &Poll, address: SocketAddr, token: Token) -> io::Result<Attempt> {
    let mut stream = TcpStream::connect(address)?;
    poll.registry()
        .register(&mut stream, token, Interest::WRITABLE)?;
    Ok(Attempt { stream, address })
}

/// Looks whether an attempt has ended, and how.
fn settle(
    slot: &mut Option<Attempt>,
    poll: &Poll,
    error: &mut ConnectError,
) -> Option<(TcpStream, SocketAddr)> {
    let Attempt {
        mut stream,
        address,
    } = slot.take()?;
    let outcome = match stream.take_error() {
        Ok(None) => stream.peer_addr().map(drop),
        Ok(Some(cause)) | Err(cause) => Err(cause),
    };
    match outcome {
        Ok(()) => match poll.registry().deregister(&mut stream) {
            Ok(()) => return Some((stream, address)),
            Err(cause) => error.failures.push((address, cause)),
        },
        Err(cause) if cause.kind() == io::ErrorKind::NotConnected => {
            *slot = Some(Attempt { stream, address });
        }
        Err(cause) => error.failures.push((address, cause)),
    }
    None
}

/// Makes a socket fit for a connection that lives long and carries small frames: no delay by
/// Nagle's algorithm, probes of an idle peer, and an end to a peer that acknowledges nothing for
/// `user_timeout` (RFC 5482), instead of the kernel's quarter of an hour.
pub fn tune(stream: &TcpStream, user_timeout: Duration) -> io::Result<()> {
    sockopt::set_tcp_nodelay(stream, true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, KEEPALIVE_PROBES)?;
    #[cfg(target_os = "linux")]
    sockopt::set_tcp_user_timeout(
        stream,
        u32::try_from(user_timeout.as_millis()).unwrap_or(u32::MAX),
    )?;
    #[cfg(not(target_os = "linux"))]
    let _ = user_timeout;
    Ok(())
}

/// A socket of the standard library, made non-blocking.
pub(super) fn adopt(stream: StdTcpStream) -> io::Result<TcpStream> {
    stream.set_nonblocking(true)?;
    Ok(TcpStream::from_std(stream))
}

impl ConnectError {
    fn with_cause(mut self, addresses: &[SocketAddr], cause: io::Error) -> Self {
        if let Some(first) = addresses.first() {
            self.failures.push((*first, cause));
        }
        self
    }

    /// The kind of the last failure; `TimedOut` if there was none.
    pub fn kind(&self) -> io::ErrorKind {
        match self.failures.last() {
            Some((_, error)) if self.silent.is_empty() => error.kind(),
            _ => io::ErrorKind::TimedOut,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed = self.failures.len();
        let mut separator = "";
        for (address, error) in self.failures.iter().take(ADDRESSES_SHOWN) {
            write!(f, "{separator}{address}: {error}")?;
            separator = "; ";
        }
        for address in self.silent.iter().take(ADDRESSES_SHOWN) {
            write!(f, "{separator}{address}: no answer in time")?;
            separator = "; ";
        }
        let hidden = failed.saturating_sub(ADDRESSES_SHOWN)
            + self.silent.len().saturating_sub(ADDRESSES_SHOWN);
        if hidden > 0 {
            write!(f, "; and {hidden} more")?;
        }
        if separator.is_empty() {
            f.write_str("no address to connect to")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConnectError {}

/// How long an address may keep silent before the next one is tried as well (RFC 8305 §8).
pub const STAGGER: Duration = Duration::from_millis(250);

/// Addresses of each kind in an error's text: a line that can be read, not a list of 32.
const ADDRESSES_SHOWN: usize = 4;

/// Events taken from one poll of the attempts.
const MAX_EVENTS: usize = 32;

/// Silence after which the kernel asks whether the peer still lives.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);

/// Time between such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// Questions without an answer after which the socket fails.
const KEEPALIVE_PROBES: u32 = 3;

#[cfg(test)]
mod tests;
