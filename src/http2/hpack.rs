//! HPACK (RFC 7541): field blocks to fields and back.
//!
//! No I/O, no clock. A [`Decoder`] and an [`Encoder`] each belong to one direction of one
//! connection and are to see every block of it in order: a block that is skipped, or encoded and
//! then not sent, leaves the two ends with different tables, which ends the connection.
//!
//! Bounded: a dynamic table takes at most twice its size in bytes; a decoded list is limited in
//! bytes and in fields while it is decoded; no length is believed before its bytes are there.

#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

mod decoder;
mod dynamic_table;
mod encoder;
mod error;
mod huffman;
mod integer;
mod static_table;
mod template;
#[cfg(test)]
mod tests;

pub(super) use decoder::EXCESS;
pub use decoder::{Decoded, Decoder};
pub use encoder::Encoder;
pub use error::DecodeError;
pub use template::Template;

/// The dynamic table's size before any SETTINGS, in bytes (RFC 9113 §6.5.2).
const DEFAULT_TABLE_SIZE: u32 = 4096;
