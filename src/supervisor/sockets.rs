//! A listening socket that whoever started the process holds too: while one daemon ends and the
//! next one starts, callers wait in its queue and are not refused.
//!
//! systemd and its like pass it by `LISTEN_FDS`, server-starter by `SERVER_STARTER_PORT`. The
//! first one wins, as in Gaurun.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use rustix::net::{AddressFamily, SocketType, getsockname, sockopt};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

/// An inherited listening socket.
#[derive(Debug)]
pub struct Inherited {
    /// The socket.
    pub socket: InheritedSocket,
    /// How it was passed, for the operator.
    pub passed_by: &'static str,
    /// Inherited sockets beside it, which nobody serves.
    pub others: usize,
}

/// An inherited listening socket, by its family.
#[derive(Debug)]
pub enum InheritedSocket {
    /// Of TCP.
    Tcp(TcpListener),
    /// A Unix stream socket. Its file is not ours to remove.
    Unix(UnixListener),
}

/// Why an inherited socket cannot be used.
#[derive(Debug)]
pub struct InheritError {
    passed_by: &'static str,
    cause: String,
}

impl fmt::Display for InheritError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: the inherited socket cannot be used: {}",
            self.passed_by, self.cause
        )
    }
}

impl std::error::Error for InheritError {}

impl Inherited {
    /// The socket that the environment names, if it names one.
    ///
    /// To be called while the process has one thread: it takes `LISTEN_FDS` out of the
    /// environment, which other threads may be reading.
    ///
    /// # Errors
    ///
    /// When what is named is no listening stream socket. Another one is not tried: a daemon that
    /// listens elsewhere than it should is worse than none.
    pub fn from_environment() -> Result<Option<Self>, InheritError> {
        let at = |passed_by| move |cause| InheritError { passed_by, cause };
        if let Some((socket, others)) = by_listen_fds().map_err(at(LISTEN_FDS))? {
            return Self::new(socket, LISTEN_FDS, others).map(Some);
        }
        let starter = std::env::var(SERVER_STARTER).unwrap_or_default();
        if starter.is_empty() {
            return Ok(None);
        }
        let (number, others) = first_number(&starter).map_err(at(SERVER_STARTER))?;
        let socket = by_number(number).map_err(at(SERVER_STARTER))?;
        Self::new(socket, SERVER_STARTER, others).map(Some)
    }

    fn new(
        socket: InheritedSocket,
        passed_by: &'static str,
        others: usize,
    ) -> Result<Self, InheritError> {
        let listens = match &socket {
            InheritedSocket::Tcp(socket) => sockopt::socket_acceptconn(socket),
            InheritedSocket::Unix(socket) => sockopt::socket_acceptconn(socket),
        };
        let cause = match listens {
            Ok(true) => {
                return Ok(Self {
                    socket,
                    passed_by,
                    others,
                });
            }
            Ok(false) => "it does not listen (systemd: Accept=no is needed)".to_owned(),
            Err(error) => error.to_string(),
        };
        Err(InheritError { passed_by, cause })
    }

    /// Whether the daemon before may still run: server-starter ends it only when this one has lived
    /// for a while.
    pub fn follows_another(&self) -> bool {
        self.passed_by == SERVER_STARTER
    }

    /// What the socket is bound to, as `core.port` would have it.
    pub fn place(&self) -> String {
        match &self.socket {
            InheritedSocket::Tcp(socket) => socket
                .local_addr()
                .map_or_else(|error| error.to_string(), |address| address.to_string()),
            InheritedSocket::Unix(socket) => match socket.local_addr() {
                Ok(address) => match address.as_pathname() {
                    Some(path) => format!("unix:{}", path.display()),
                    None => "unix: a socket without a path".to_owned(),
                },
                Err(error) => error.to_string(),
            },
        }
    }

    /// Whether hosts other than this one can reach it.
    pub fn is_open_to_hosts(&self) -> bool {
        match &self.socket {
            InheritedSocket::Tcp(socket) => !socket
                .local_addr()
                .is_ok_and(|address| address.ip().to_canonical().is_loopback()),
            InheritedSocket::Unix(_) => false,
        }
    }
}

/// The first socket of systemd's protocol, and how many more there are.
fn by_listen_fds() -> Result<Option<(InheritedSocket, usize)>, String> {
    let count = std::env::var(LISTEN_FDS).unwrap_or_default();
    if count.parse().is_ok_and(|count: u64| count > SOCKETS_MAX) {
        return Err(format!(
            "it says {count}, and at most {SOCKETS_MAX} are taken"
        ));
    }
    let mut sockets = ListenFd::from_env();
    let others = sockets.len().saturating_sub(1);
    let tcp = sockets.take_tcp_listener(0);
    let socket = match tcp {
        Ok(tcp) => tcp.map(InheritedSocket::Tcp),
        Err(_) => sockets
            .take_unix_listener(0)
            .map_err(|_| "it is neither a TCP nor a Unix stream socket".to_owned())?
            .map(InheritedSocket::Unix),
    };
    Ok(socket.map(|socket| (socket, others)))
}

/// The number of the first socket of server-starter's variable, and how many more there are:
/// `port=number`, `host:port=number` or `/path=number`, separated by `;`.
fn first_number(text: &str) -> Result<(i32, usize), String> {
    let mut entries = text
        .split(';')
        .map(str::trim)
        .filter(|entry| !entry.is_empty());
    let first = entries.next().ok_or("it names no socket")?;
    let number = first
        // A path may have an equals sign, a number has none.
        .rsplit_once('=')
        .filter(|(place, number)| {
            !place.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
        .and_then(|(_, number)| number.parse().ok());
    let number = number.ok_or("it must be like 127.0.0.1:1056=3 or /path=3, separated by ;")?;
    Ok((number, entries.count()))
}

/// The socket of that number, of which the kernel gives us another descriptor: what a number in
/// the environment stands for could not be taken over safely.
fn by_number(number: i32) -> Result<InheritedSocket, String> {
    let wrong = |error: rustix::io::Errno| format!("file descriptor {number}: {error}");
    let ourselves = pidfd_open(getpid(), PidfdFlags::empty()).map_err(wrong)?;
    let socket = pidfd_getfd(&ourselves, number, PidfdGetfdFlags::empty()).map_err(wrong)?;
    of_family(socket).map_err(|error| format!("file descriptor {number}: {error}"))
}

fn of_family(socket: OwnedFd) -> Result<InheritedSocket, io::Error> {
    let is_stream = sockopt::socket_type(socket.as_fd())? == SocketType::STREAM;
    match getsockname(&socket)?.address_family() {
        AddressFamily::INET | AddressFamily::INET6 if is_stream => {
            Ok(InheritedSocket::Tcp(TcpListener::from(socket)))
        }
        AddressFamily::UNIX if is_stream => Ok(InheritedSocket::Unix(UnixListener::from(socket))),
        _ => Err(io::Error::other(
            "it is neither a TCP nor a Unix stream socket",
        )),
    }
}

const LISTEN_FDS: &str = "LISTEN_FDS";
const SERVER_STARTER: &str = "SERVER_STARTER_PORT";

/// Our limit: sockets that systemd's protocol may announce; each costs memory before it is looked
/// at.
const SOCKETS_MAX: u64 = 64;

#[cfg(test)]
mod tests;
