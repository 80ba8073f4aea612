//! The streams of a connection by number.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::StreamId;
use super::stream::Stream;

/// Every stream that is open or half-closed, and no other: idle ones are above the highest number
/// used, and whatever else is not here is closed. Its length is therefore what counts against
/// `MAX_CONCURRENT_STREAMS` (RFC 9113 §5.1.2), which bounds it.
pub(super) type Streams = HashMap<StreamId, Stream, BuildHasherDefault<StreamHasher>>;

/// Spreads stream numbers with one multiplication. A client chooses its numbers itself; a server's
/// peer could choose colliding ones, among no more than `MAX_CONCURRENT_STREAMS` entries.
#[derive(Debug, Default)]
pub(super) struct StreamHasher(u64);

impl Hasher for StreamHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, id: u32) {
        // All numbers of one side have the same lowest bit, which would leave half of the buckets
        // empty; 2^64 divided by the golden ratio fills the upper bits, which tag the entries.
        self.0 = (self.0 ^ u64::from(id >> 1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
