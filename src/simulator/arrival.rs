//! A request as an endpoint gets it.

use super::faults::Answering;
use super::request::Request;

/// A request that came in whole, and what chance and the clock add to it.
pub(super) struct Arrival<'a> {
    /// Its head.
    pub(super) request: &'a Request<'a>,
    /// It came without TLS.
    pub(super) is_plain: bool,
    /// Its content, cut off one byte above the endpoint's limit.
    pub(super) body: &'a [u8],
    /// How it is to be answered.
    pub(super) answering: Answering,
    /// A number of its own.
    pub(super) random: u128,
    /// Seconds since the epoch.
    pub(super) now: u64,
    /// Whether the ledger has seen a push of that key.
    pub(super) known: &'a dyn Fn(u64) -> bool,
}
