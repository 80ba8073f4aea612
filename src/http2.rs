//! HTTP/2 (RFC 9113) and HPACK (RFC 7541) for one connection, client or server role.
//!
//! No I/O, no clock, no thread, no lock: bytes and time go in, events and bytes come out.
//! Imports nothing else of the crate.
//!
//! ```text
//!  receive ──→ input ──→ frame ──→ connection::receive ──→ stream, window, settings ──→ Event
//!              (whole     (byte     (one handler per        (state of one thing
//!               frames)    layout)    frame type)              each)
//!  output ←── output ←── frame ←── connection::{request, respond, content}
//! ```
//!
//! The owner's loop: `receive` what the transport has while `wants_input`, take every event from
//! `poll_event`, send, hand `output` to the transport and call `advance_output`; call
//! `handle_timeout` at `next_timeout`; close the transport once `is_closed` and `output` is empty.
//!
//! A fault of the peer is either a stream error (`RST_STREAM` and `Event::StreamFailed`) or a
//! connection error (GOAWAY, one `StreamFailed` per open stream, `Event::Closed`, and all further
//! input swallowed). A fault of the caller is a `SendError` and changes nothing.
#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

mod bucket;
mod connection;
mod error;
mod event;
mod fields;
mod frame;
mod glitches;
mod head;
pub mod hpack;
mod input;
mod output;
mod settings;
mod stream;
mod table;
mod window;

#[cfg(test)]
mod tests;

pub use bucket::Bucket;
pub use connection::{Connection, Options, TemplateId};
pub use error::{ErrorCode, SendError};
pub use event::{Cause, Event, Fate};
pub use fields::{Field, Fields, Indexing};

/// A stream's number.
pub type StreamId = u32;
