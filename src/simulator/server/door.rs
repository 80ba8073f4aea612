//! A listening socket that can be closed for a while, and open again on the same port.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Instant;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::net::{AddressFamily, SocketType, bind, socket, sockopt};

use super::Listener;
use crate::simulator::faults::Asked;

/// Where an endpoint listens.
pub(in crate::simulator) struct Door {
    pub(super) listener: Arc<Listener>,
    address: SocketAddr,
    /// `None` while connections are refused.
    socket: Option<TcpListener>,
    registered: bool,
    /// The faults have shut it.
    is_shut: bool,
    /// Keeps the port for us while nobody listens.
    _reserve: Option<OwnedFd>,
}

impl Door {
    pub(in crate::simulator) fn new(
        socket: TcpListener,
        listener: Arc<Listener>,
    ) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let (socket, reserve) = if listener.around.stage.ever_closes() {
            // The port is reserved while nobody listens, and then listened on again.
            drop(socket);
            (None, Some(reserve(address)?))
        } else {
            socket.set_nonblocking(true)?;
            (Some(socket), None)
        };
        Ok(Self {
            listener,
            address,
            socket,
            registered: false,
            is_shut: false,
            _reserve: reserve,
        })
    }

    /// Opens or closes it as the faults have it.
    pub(super) fn turn(&mut self, to: &Registry, token: Token, now: Instant) -> io::Result<()> {
        let stage = &self.listener.around.stage;
        if stage.is_closed(now) {
            if !std::mem::replace(&mut self.is_shut, true) {
                stage.tally.struck(Asked::Closed);
            }
            self.socket = None;
            self.registered = false;
            return Ok(());
        }
        self.is_shut = false;
        let socket = if let Some(socket) = self.socket.take() {
            socket
        } else {
            let socket = TcpListener::bind(self.address)?;
            socket.set_nonblocking(true)?;
            socket
        };
        if !self.registered {
            to.register(
                &mut SourceFd(&socket.as_raw_fd()),
                token,
                Interest::READABLE,
            )?;
            self.registered = true;
        }
        self.socket = Some(socket);
        Ok(())
    }

    /// The next client that has connected. Whatever keeps one from being accepted (descriptors,
    /// mostly) may pass: the next round tries again.
    pub(super) fn accept(&self) -> Option<TcpStream> {
        let accepted = self.socket.as_ref()?.accept().ok();
        accepted.map(|(socket, _)| socket)
    }
}

/// Takes a port without listening on it; who asks for this very number can still listen.
fn reserve(address: SocketAddr) -> io::Result<OwnedFd> {
    let family = match address {
        SocketAddr::V4(_) => AddressFamily::INET,
        SocketAddr::V6(_) => AddressFamily::INET6,
    };
    let reserve = socket(family, SocketType::STREAM, None)?;
    sockopt::set_socket_reuseaddr(&reserve, true)?;
    bind(&reserve, &address)?;
    Ok(reserve)
}
