//! HTTP/1.1 over a Unix socket, for who asks a daemon on this host.
//!
//! The calling thread reads and writes by itself: nothing else waits for the socket.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use ureq::Error;
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

use super::super::dial::OpenError;
use super::{BUFFER, Limit, TextBuffers};

use crate::moment;

/// Connects to one socket, whatever host a URL names.
#[derive(Debug)]
pub(super) struct UnixConnector {
    pub(super) path: PathBuf,
    /// The time for one request and its whole response.
    pub(super) within: Duration,
}

impl Connector for UnixConnector {
    type Out = UnixTransport;

    fn connect(
        &self,
        _details: &ConnectionDetails<'_>,
        _chained: Option<()>,
    ) -> Result<Option<Self::Out>, Error> {
        let stream = connect(&self.path).map_err(|error| {
            let place = format!("unix:{}", self.path.display());
            OpenError::of_unix(&place, &error).into_ureq()
        })?;
        Ok(Some(UnixTransport {
            stream,
            within: self.within,
            end: moment::now().checked_add(self.within),
            buffers: TextBuffers::new(BUFFER),
        }))
    }
}

#[derive(Debug)]
pub(super) struct UnixTransport {
    stream: UnixStream,
    within: Duration,
    /// When the present exchange must be over.
    end: Option<Instant>,
    buffers: TextBuffers,
}

impl UnixTransport {
    /// What is left for the next step.
    fn left(&self, timeout: NextTimeout) -> Result<Option<Duration>, Error> {
        let now = moment::now();
        Limit::new(timeout, self.end, now).left(now)
    }
}

impl Transport for UnixTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let mut sent = 0;
        while sent < amount {
            let left = self.left(timeout.for_write())?;
            self.stream.set_write_timeout(left)?;
            let bytes = self.buffers.written(amount);
            match self.stream.write(bytes.get(sent..).unwrap_or_default()) {
                Ok(0) => return Err(Error::Io(io::ErrorKind::WriteZero.into())),
                Ok(bytes) => sent += bytes,
                Err(error) if is_pause(&error) => {}
                Err(error) => return Err(Error::Io(error)),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        loop {
            let left = self.left(timeout.for_read())?;
            self.stream.set_read_timeout(left)?;
            let mut part = [0; BUFFER];
            match self.stream.read(&mut part) {
                Ok(bytes) => {
                    let part = part.get(..bytes).unwrap_or_default();
                    self.buffers.input_mut().extend_from_slice(part);
                    return Ok(bytes > 0);
                }
                Err(error) if is_pause(&error) => {}
                Err(error) => return Err(Error::Io(error)),
            }
        }
    }

    fn is_open(&mut self) -> bool {
        self.end = moment::now().checked_add(self.within);
        // Bytes that nobody asked for are not the start of the next response, nor is an end.
        let looked = self.stream.set_nonblocking(true).and_then(|()| {
            let looked = self.stream.read(&mut [0]);
            self.stream.set_nonblocking(false)?;
            looked
        });
        looked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}

/// Connects at once or not at all: who does not take connections, as one that stands still, would
/// be waited for without limit.
fn connect(path: &Path) -> io::Result<UnixStream> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    let stream = UnixStream::from(socket);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Whether to look at the time that is left and try again.
fn is_pause(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}
