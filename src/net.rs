//! Everything between HTTP/2 bytes and the network: names, TCP, TLS, waiting, and the ureq
//! transport.
//!
//! Owns every outgoing socket and every deadline on it. It knows [`crate::http2`] and nothing else
//! of the crate: no push, no provider, no configuration file.
//!
//! ```text
//!  resolve ─ tcp ─ tls ─┐
//!                       ├─ socket ─ connection ─ (a connection thread, or the transport)
//!            readiness ─┘
//! ```
//!
//! - [`resolve`]: names to addresses, with a deadline, spread over connections
//! - [`tcp`]: one connected socket from several addresses
//! - [`tls`]: what we trust, who we are, which protocols we offer
//! - `socket`: a non-blocking TCP socket with or without TLS; `dial`: a name and a port to such a
//!   socket, and why not ([`OpenError`])
//! - [`readiness`]: one thread waits on its sockets and on queues at once
//! - [`connection`]: a socket and an [`crate::http2::Connection`], pumped by their owner
//! - [`transport`]: the same connection behind an ordinary `ureq::Agent`

pub mod connection;
mod dial;
#[cfg(test)]
pub(crate) mod fixture;
pub mod readiness;
pub mod resolve;
mod socket;
pub mod tcp;
pub mod tls;
pub mod transport;

pub use dial::{OpenError, Stage};
