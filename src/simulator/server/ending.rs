//! How connections end that do not end well: reset, closed without a word, left for dead.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Token};
use rustix::net::sockopt;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{PATIENCE, Shared};
use crate::moment;
use crate::net::connection::Connection;
use crate::net::readiness::Waiter;
use crate::simulator::endpoint::LookAlike;
use crate::simulator::faults::Kind;

/// The only socket of its waiter.
const HERE: Token = Token(0);
/// How often a dead connection looks whether it may go.
const LOOK: Duration = Duration::from_millis(200);

/// Ends a connection on which TLS has not begun.
pub(super) fn before_tls(kind: Kind, socket: &TcpStream, shared: &Shared) -> io::Result<()> {
    match kind {
        Kind::Rst => reset(socket),
        Kind::Fin => close(socket),
        _ => {
            let mut waiter = Waiter::new()?;
            let fd = socket.as_raw_fd();
            waiter
                .registry()
                .register(&mut SourceFd(&fd), HERE, Interest::READABLE)?;
            abide(&mut waiter, HERE, shared)
        }
    }
}

/// Ends a connection, everything that was said on it being out.
pub(super) fn carry_out(
    kind: Kind,
    mut connection: Connection,
    raw: &TcpStream,
    waiter: &mut Waiter,
    shared: &Shared,
) -> io::Result<()> {
    match kind {
        Kind::Rst => {
            drop(connection);
            reset(raw)
        }
        Kind::Fin => {
            let closed = close(raw);
            drop(connection);
            closed
        }
        Kind::Tls => {
            connection.close_transport(moment::now());
            let closed = close(raw);
            drop(connection);
            closed
        }
        _ => abide(waiter, connection.token(), shared),
    }
}

/// Does nothing until the client has closed, or the socket was cut. What comes stays where it is.
fn abide(waiter: &mut Waiter, token: Token, shared: &Shared) -> io::Result<()> {
    while !shared.is_stopping() && !waiter.readiness(token).closed {
        waiter.wait(Some(LOOK))?;
    }
    Ok(())
}

/// A GOAWAY in the place of SETTINGS, and the end.
pub(super) fn goaway_first(
    tls: &Arc<ServerConfig>,
    endpoint: &LookAlike,
    socket: TcpStream,
) -> io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let tls = ServerConnection::new(Arc::clone(tls)).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(tls, socket);
    let debug = endpoint.going_away();
    let length = u32::try_from(debug.len() + 8).unwrap_or(8);
    let [_, high, middle, low] = length.to_be_bytes();
    // RFC 9113 §6.8: type 7 on stream 0; last stream 0, NO_ERROR.
    let mut frame = vec![high, middle, low, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    frame.extend_from_slice(debug);
    stream.write_all(&frame)?;
    stream.conn.send_close_notify();
    stream.flush()?;
    close(&stream.sock)
}

/// The last close of the socket, which comes with the connection's thread, will reset it.
fn reset(socket: &TcpStream) -> io::Result<()> {
    sockopt::set_socket_linger(socket, Some(Duration::ZERO))?;
    Ok(())
}

/// Closes our side, and waits for the client's: what it still sends must not become a reset.
fn close(mut socket: &TcpStream) -> io::Result<()> {
    socket.shutdown(Shutdown::Write)?;
    socket.set_nonblocking(false)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut bytes = [0; 4_096];
    while socket.read(&mut bytes)? > 0 {}
    Ok(())
}
