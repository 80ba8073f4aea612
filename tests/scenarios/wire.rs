//! A connection in memory: what [`net::connection`](sterna::net::connection) is to a real one.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use sterna::delivery::transport::Transport;
use sterna::http2::{Connection, Options};

use crate::heard::Heard;

/// Both directions of a connection.
pub(crate) struct Wire {
    /// Bytes for the daemon.
    pub(crate) down: Vec<u8>,
    /// What the daemon has said.
    pub(crate) heard: Heard,
    /// The server has gone, once `down` is read.
    pub(crate) left: bool,
    /// How often the daemon has found that.
    pub(crate) ends_found: usize,
    /// The socket takes no bytes.
    pub(crate) blocked: bool,
    /// How often bytes were held up by that.
    pub(crate) held_up: usize,
    /// The daemon has gone.
    pub(crate) dropped: bool,
    /// Streams open as the daemon sees it.
    pub(crate) open_streams: usize,
    pub(crate) seat: usize,
}

impl Wire {
    pub(crate) fn new(seat: usize) -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            down: Vec::new(),
            heard: Heard::new(),
            left: false,
            ends_found: 0,
            blocked: false,
            held_up: 0,
            dropped: false,
            open_streams: 0,
            seat,
        }))
    }

    /// What the server has done that the daemon has not met.
    pub(crate) fn never_struck(&self) -> Option<&'static str> {
        let unread = (!self.down.is_empty()).then_some("what the server sent was never read");
        let left = (self.left && self.ends_found == 0).then_some("nobody found that it had closed");
        let blocked = self.blocked && self.held_up == 0;
        unread
            .or(left)
            .or(blocked.then_some("there was nothing that it could not take"))
    }

    /// The daemon has something to read.
    pub(crate) fn is_readable(&self) -> bool {
        !self.dropped && (!self.down.is_empty() || self.left)
    }
}

/// The daemon's end.
pub(crate) struct MemoryTransport {
    wire: Rc<RefCell<Wire>>,
    http2: Connection,
    closed: bool,
}

impl MemoryTransport {
    pub(crate) fn new(wire: Rc<RefCell<Wire>>, options: Options, now: Instant) -> Self {
        let http2 = Connection::client(options, now);
        let closed = false;
        let mut transport = Self {
            wire,
            http2,
            closed,
        };
        transport.flush(now);
        transport
    }
}

impl Transport for MemoryTransport {
    fn http2(&mut self) -> &mut Connection {
        &mut self.http2
    }

    fn receive(&mut self, now: Instant) {
        let (bytes, left) = {
            let mut wire = self.wire.borrow_mut();
            (std::mem::take(&mut wire.down), wire.left)
        };
        self.http2.receive(&bytes, now);
        if left && !self.closed {
            self.wire.borrow_mut().ends_found += 1;
            self.closed = true;
            self.http2.transport_closed();
        }
    }

    fn flush(&mut self, _now: Instant) {
        let mut wire = self.wire.borrow_mut();
        wire.held_up += usize::from(wire.blocked && !self.http2.output().is_empty());
        if !wire.blocked && !self.closed {
            wire.heard.take(self.http2.output());
            self.http2.advance_output(usize::MAX);
        }
        wire.open_streams = self.http2.open_streams();
        self.closed |= self.http2.is_closed() && self.http2.output().is_empty();
    }

    fn next_timeout(&self) -> Option<Instant> {
        self.http2.next_timeout()
    }

    fn handle_timeout(&mut self, now: Instant) {
        if self.http2.next_timeout().is_some_and(|at| now >= at) {
            self.http2.handle_timeout(now);
        }
    }

    fn has_more(&self) -> bool {
        !self.closed && self.wire.borrow().is_readable()
    }

    fn is_closed(&self) -> bool {
        self.closed
    }

    fn peer_addr(&self) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 443))
    }
}

impl Drop for MemoryTransport {
    fn drop(&mut self) {
        self.wire.borrow_mut().dropped = true;
    }
}

impl std::fmt::Debug for MemoryTransport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryTransport").finish_non_exhaustive()
    }
}
