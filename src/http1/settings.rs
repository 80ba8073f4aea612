//! How much the server may take, and how long its clients.
//!
//! Pure: no I/O, no clock.

use std::time::Duration;

/// The listener's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Most connections open at once, beside [`BESIDE_CONNECTIONS`](super::BESIDE_CONNECTIONS).
    pub max_connections: usize,
    /// Threads that answer, beside those that wait for something; `None`: as many as suit the
    /// machine.
    pub threads: Option<usize>,
    /// Whether more were asked for, and the limit of open files leaves no more.
    pub is_cut: bool,
    /// Most bytes of a request body.
    pub max_body_bytes: usize,
    /// How long clients may take.
    pub timeouts: Timeouts,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_connections: 8192,
            threads: None,
            is_cut: false,
            max_body_bytes: 8 * 1024 * 1024,
            timeouts: Timeouts::default(),
        }
    }
}

impl Settings {
    /// Bytes of large bodies and answers that may be in memory at once.
    pub(super) fn large_bodies(&self) -> usize {
        self.max_body_bytes.saturating_mul(LARGE_BODIES)
    }

    /// Our limit: connections that may wait for a large body's turn, so that others are left.
    pub(super) fn most_waiting(&self) -> usize {
        self.max_connections.div_ceil(2)
    }
}

/// How long a client may take. Each is the time for the whole record, not for one read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From a head's first byte (on a new connection: from the start) to its last.
    pub head: Duration,
    /// From a large request's head to its turn, when there is room for its body.
    pub room: Duration,
    /// From a body's first byte, or its turn, to its last.
    pub body: Duration,
    /// From an answer to the next head.
    pub idle: Duration,
    /// To take an answer.
    pub write: Duration,
    /// To take notice of our closing.
    pub linger: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            head: HEAD_TIMEOUT,
            room: ROOM_TIMEOUT,
            body: BODY_TIMEOUT,
            idle: IDLE_TIMEOUT,
            write: WRITE_TIMEOUT,
            linger: LINGER_TIMEOUT,
        }
    }
}

/// Our limit: bodies of the greatest allowed size that fit into memory at once. The answer that a
/// body may have takes up to three and a half times its bytes beside it, so that fewer would turn
/// some requests away for ever.
pub(crate) const LARGE_BODIES: usize = 5;

/// Our limit: for a head, which is one packet from an honest caller.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// Our limit: for a large request's turn, in which it is not read.
const ROOM_TIMEOUT: Duration = Duration::from_secs(30);

/// Our limit: for a body. 8 MiB in this time is a line of two megabits a second.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// Our limit: between requests. Longer than the 90 s after which Go's client gives a connection
/// up, so that it is not closed under a caller's next request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);

/// Our limit: for taking an answer, which mostly fits into the socket's buffer.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);

/// Our limit: for taking notice of our closing.
const LINGER_TIMEOUT: Duration = Duration::from_millis(500);
