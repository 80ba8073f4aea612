//! Where callers come in: a TCP port or a Unix socket.

use std::fmt;
use std::fs;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, RawFd};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use mio::unix::SourceFd;
use mio::{Interest, Poll, Token, Waker};
use rustix::io::Errno;
use rustix::net::sockopt::set_socket_send_buffer_size;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, bind, listen,
    recv, send, socket_with,
};

use crate::regular::Identity;

/// Why an address cannot be listened on.
#[derive(Debug)]
pub struct BindError {
    place: String,
    cause: Obstruction,
}

/// What is in the way.
#[derive(Debug)]
struct Obstruction {
    text: String,
    /// What kind of trouble of the system's it is, if it is one.
    kind: Option<io::ErrorKind>,
}

impl From<String> for Obstruction {
    fn from(text: String) -> Self {
        Self { text, kind: None }
    }
}

impl BindError {
    /// Whether another process listens there.
    pub fn is_taken(&self) -> bool {
        self.cause.kind == Some(io::ErrorKind::AddrInUse)
    }

    /// Whether the system does not let us listen there.
    pub fn is_denied(&self) -> bool {
        self.cause.kind == Some(io::ErrorKind::PermissionDenied)
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.place, self.cause.text)
    }
}

impl std::error::Error for BindError {}

/// A listening socket. Dropping it closes it, and removes the file of a Unix socket that it made.
#[derive(Debug)]
pub struct Bound(Inlet);

#[derive(Debug)]
enum Inlet {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        /// `None` if the file is not ours.
        _file: Option<SocketFile>,
    },
}

/// The file of a Unix socket, as it was after the binding.
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    identity: Option<Identity>,
}

impl Bound {
    /// Listens on a TCP port; port 0 lets the system choose.
    pub fn tcp(address: SocketAddr) -> Result<Self, BindError> {
        Self::new(address.to_string(), bind_tcp(address))
    }

    /// Listens on a Unix socket, whose file gets that mode and group before anybody can connect
    /// (`None`: what the umask leaves; the process's own). A stale socket is removed first; a live
    /// one, or another kind of file, is not.
    pub fn unix(path: &Path, mode: Option<u32>, group: Option<&str>) -> Result<Self, BindError> {
        let place = format!("unix:{}", path.display());
        Self::new(place, bind_unix(path, mode, group))
    }

    /// Listens on a TCP socket that listens already.
    pub fn inherited_tcp(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self(Inlet::Tcp(listener)))
    }

    /// Listens on a Unix socket that listens already. Its file stays: others listen on it too.
    pub fn inherited_unix(listener: UnixListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let inlet = Inlet::Unix {
            listener,
            _file: None,
        };
        Ok(Self(inlet))
    }

    fn new(place: String, inlet: Result<Inlet, Obstruction>) -> Result<Self, BindError> {
        inlet.map(Self).map_err(|cause| BindError { place, cause })
    }

    /// Whether it is a TCP port that only this host reaches.
    pub fn is_on_loopback(&self) -> bool {
        let address = self.local_addr();
        address.is_some_and(|address| address.ip().to_canonical().is_loopback())
    }

    /// The TCP address, with the port that the system chose.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        match &self.0 {
            Inlet::Tcp(listener) => listener.local_addr().ok(),
            Inlet::Unix { .. } => None,
        }
    }

    /// Takes the next connection; `WouldBlock` if there is none.
    pub(super) fn accept(&self) -> io::Result<ListeningSocket> {
        let socket = match &self.0 {
            Inlet::Tcp(listener) => ListeningSocket::Tcp(listener.accept()?.0),
            Inlet::Unix { listener, .. } => ListeningSocket::Unix(listener.accept()?.0),
        };
        socket.prepare();
        Ok(socket)
    }

    /// Takes the next connection of a Unix socket as it is; `WouldBlock` if there is none.
    pub fn accept_unix(&self) -> io::Result<UnixStream> {
        match &self.0 {
            Inlet::Tcp(_) => Err(io::ErrorKind::Unsupported.into()),
            Inlet::Unix { listener, .. } => Ok(listener.accept()?.0),
        }
    }

    /// What waits for connections, and what wakes who waits. Their tokens
    /// are 0 and 1.
    ///
    /// # Errors
    ///
    /// The system's, when it gives no descriptor.
    pub fn watch(&self) -> io::Result<(Poll, Waker)> {
        let poll = Poll::new()?;
        let descriptor = self.descriptor();
        let mut source = SourceFd(&descriptor);
        poll.registry()
            .register(&mut source, INLET, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        Ok((poll, waker))
    }

    /// Has it watched no more. Closing it is not enough: others may listen on the same socket.
    pub(super) fn leave(self, poll: &Poll) -> io::Result<()> {
        let descriptor = self.descriptor();
        poll.registry().deregister(&mut SourceFd(&descriptor))
    }

    fn descriptor(&self) -> RawFd {
        match &self.0 {
            Inlet::Tcp(listener) => listener.as_raw_fd(),
            Inlet::Unix { listener, .. } => listener.as_raw_fd(),
        }
    }
}

fn bind_tcp(address: SocketAddr) -> Result<Inlet, Obstruction> {
    let listener = TcpListener::bind(address).map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => taken(format!("{error}; see who has the port: ss -lntp")),
        _ => text(error),
    })?;
    // The standard library lets 128 wait.
    listen(&listener, BACKLOG).map_err(|error| text(error.into()))?;
    listener.set_nonblocking(true).map_err(text)?;
    Ok(Inlet::Tcp(listener))
}

fn bind_unix(path: &Path, mode: Option<u32>, group: Option<&str>) -> Result<Inlet, Obstruction> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            return Err("there is a file that is no socket".to_owned().into());
        }
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(text)?;
            }
            Ok(_) => return Err(taken("another process is listening there".to_owned())),
            Err(error) => {
                return Err(format!("there is a socket that cannot be tried: {error}").into());
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(text(error)),
    }
    let group = group.map(group_number).transpose();
    let group = group.map_err(|error| format!("socket_group: {error}"))?;
    let socket = socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    );
    let socket = socket.map_err(|error| text(error.into()))?;
    let address = SocketAddrUnix::new(path).map_err(|error| text(error.into()))?;
    bind(&socket, &address).map_err(|error| text(error.into()))?;
    let file = SocketFile {
        path: path.to_owned(),
        identity: Identity::at(path).ok().flatten(),
    };
    // Nobody can connect before the socket listens.
    if let Some(mode) = mode {
        fs::set_permissions(path, fs::Permissions::from_mode(mode))
            .map_err(|error| format!("socket_mode {mode:04o}: {error}"))?;
    }
    if let Some(number) = group {
        chown(path, None, Some(number)).map_err(|error| {
            format!("socket_group {number}: {error}; the daemon's user must be in the group")
        })?;
    }
    listen(&socket, BACKLOG).map_err(|error| text(error.into()))?;
    let listener = UnixListener::from(socket);
    listener.set_nonblocking(true).map_err(text)?;
    Ok(Inlet::Unix {
        listener,
        _file: Some(file),
    })
}

/// The number of a group that is named by name or number.
///
/// # Errors
///
/// When there is none of that name.
pub fn group_number(group: &str) -> Result<u32, String> {
    if let Ok(number) = group.parse() {
        return Ok(number);
    }
    let found = nix::unistd::Group::from_name(group);
    match found {
        Ok(Some(found)) => Ok(found.gid.as_raw()),
        Ok(None) => Err(format!("there is no group {group:?}")),
        Err(error) => Err(format!("group {group:?} cannot be looked up: {error}")),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn text(error: io::Error) -> Obstruction {
    Obstruction {
        kind: Some(error.kind()),
        text: error.to_string(),
    }
}

/// Somebody else listens there.
fn taken(text: String) -> Obstruction {
    Obstruction {
        kind: Some(io::ErrorKind::AddrInUse),
        text,
    }
}

/// Removes the file, unless somebody has put another in its place.
impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.identity.is_some()
            && Identity::at(&self.path).ok() == Some(self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            log::warn!("cannot remove {}: {error}", self.path.display());
        }
    }
}

/// What to do, behind the text of an error, when the system gives no descriptor.
pub fn advice(error: &io::Error) -> &'static str {
    match Errno::from_io_error(error) {
        Some(Errno::MFILE) => "; raise LimitNOFILE= in the unit, else ulimit -n as root",
        Some(Errno::NFILE) => "; raise the host's limit: sysctl fs.file-max",
        _ => "",
    }
}

/// Whether a call on a socket is to be made again: Linux says `WouldBlock` when a time-out is over.
pub fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
    )
}

/// One connection. Nobody waits for it here; read, written and shut down through shared references.
#[derive(Debug)]
pub(super) enum ListeningSocket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Forwards a method to whichever socket it is.
macro_rules! on_socket {
    ($socket:expr, $inner:ident => $call:expr) => {
        match $socket {
            Self::Tcp($inner) => $call,
            Self::Unix($inner) => $call,
        }
    };
}

impl ListeningSocket {
    /// An answer is one write, so Nagle's delay has nothing to gather; and the kernel would hold
    /// megabytes for a caller who reads none. A connection that died already is found out by its
    /// first read.
    fn prepare(&self) {
        if let Self::Tcp(stream) = self {
            drop(stream.set_nodelay(true));
            let _set = set_socket_send_buffer_size(stream, SEND_BUFFER);
        }
    }

    /// Who is at the other end, for the operator.
    pub(super) fn peer(&self) -> String {
        match self {
            Self::Tcp(stream) => stream
                .peer_addr()
                .map_or_else(|error| error.to_string(), |address| address.to_string()),
            Self::Unix(_) => "the Unix socket".to_owned(),
        }
    }

    /// Reads what is there, without waiting for it.
    pub(super) fn read_now(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let (bytes, _) = recv(self.descriptor(), buffer, RecvFlags::DONTWAIT)?;
        Ok(bytes)
    }

    /// Whether something has come that was not read.
    pub(super) fn has_input(&self) -> bool {
        let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
        recv(self.descriptor(), &mut [0; 1], flags).is_ok_and(|(bytes, _)| bytes > 0)
    }

    /// Writes what is taken at once, without waiting for more.
    pub(super) fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        Ok(send(self.descriptor(), bytes, flags)?)
    }

    /// Ends both directions, which tells who watches it.
    pub(super) fn shut(&self) {
        drop(on_socket!(self, stream => stream.shutdown(Shutdown::Both)));
    }

    /// Ends the caller's direction, which tells who watches it.
    pub(super) fn deafen(&self) {
        drop(on_socket!(self, stream => stream.shutdown(Shutdown::Read)));
    }

    /// Ends our direction.
    pub(super) fn finish(&self) {
        drop(on_socket!(self, stream => stream.shutdown(Shutdown::Write)));
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        on_socket!(self, stream => stream.as_fd())
    }
}

/// What [`Bound::watch`] calls the listening socket, and the waker.
pub(super) const INLET: Token = Token(0);
pub(super) const WAKER: Token = Token(1);

/// Our limit: bytes of answers that the kernel takes for a connection over TCP; it doubles the
/// number for what it needs itself.
const SEND_BUFFER: usize = 64 * 1024;

/// Connections that wait to be accepted; the kernel lowers it to its own limit.
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests;
