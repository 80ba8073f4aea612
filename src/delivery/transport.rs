//! What carries a connection's bytes, as far as the delivery of pushes sees it.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::time::Instant;

use crate::http2;

/// A transport with an HTTP/2 connection on it: a socket with TLS, or the simulation's network,
/// which is why this is a trait.
///
/// No call waits. Once the transport is at its end the HTTP/2 side has been told so.
pub trait Transport: Debug {
    /// The HTTP/2 side; [`Transport::flush`] follows if something was sent.
    fn http2(&mut self) -> &mut http2::Connection;
    /// Feeds the HTTP/2 side what has come.
    fn receive(&mut self, now: Instant);
    /// The next [`Transport::receive`] reads whatever there is, also what no wait has announced.
    /// One that always does need not be told.
    fn look_again(&mut self) {}
    /// Hands on what the HTTP/2 side has to say, as far as the peer takes it.
    fn flush(&mut self, now: Instant);
    /// When to call [`Transport::handle_timeout`].
    fn next_timeout(&self) -> Option<Instant>;
    /// Acts on time-outs that have passed; harmless if none has.
    fn handle_timeout(&mut self, now: Instant);
    /// There is input that no wait will report.
    fn has_more(&self) -> bool;
    /// Nothing will come in or go out any more.
    fn is_closed(&self) -> bool;
    /// The peer's address.
    fn peer_addr(&self) -> SocketAddr;
}
