//! Leaving in good order (RFC 9113 §6.8): GOAWAY, the peer's and ours.

use std::time::{Duration, Instant};

use super::super::error::Violation;
use super::super::{Cause, ErrorCode, Event, Fate, StreamId, frame};
use super::{Connection, Role};

/// GOAWAYs, and how far we are with leaving.
#[derive(Debug, Default)]
pub(super) struct Farewell {
    /// The last stream that our GOAWAYs named; it never rises.
    sent: Option<StreamId>,
    /// The last stream that the peer's GOAWAYs named, and why it leaves.
    received: Option<(StreamId, ErrorCode)>,
    drain: Drain,
}

/// Our own leaving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Drain {
    /// We stay.
    #[default]
    No,
    /// Server role: GOAWAY(2^31-1) and a PING went out. Whatever was under way to us when the
    /// peer read the GOAWAY has come when the PING's answer comes.
    Announced {
        /// When the final GOAWAY goes out without that answer.
        deadline: Option<Instant>,
    },
    /// The connection ends with its last stream.
    Yes,
}

impl Farewell {
    /// The client may open streams.
    pub(super) const fn is_far(&self) -> bool {
        self.received.is_none() && matches!(self.drain, Drain::No)
    }

    /// Server role: this stream is above what our GOAWAY named, to be ignored.
    pub(super) fn excludes(&self, id: StreamId) -> bool {
        self.sent.is_some_and(|last| id > last)
    }

    pub(super) const fn ping_deadline(&self) -> Option<Instant> {
        match self.drain {
            Drain::Announced { deadline } => deadline,
            Drain::No | Drain::Yes => None,
        }
    }

    /// What ends the connection if not a fault.
    pub(super) fn cause(&self, without: Cause) -> Cause {
        self.received
            .map_or(without, |(_, code)| Cause::GoAway(code))
    }
}

impl Connection {
    /// Client: opens no more streams, GOAWAY(0, `NO_ERROR`) once all streams are done, then closed.
    /// Server: GOAWAY(2^31-1), on the acknowledgement of a PING (or 10 s later) the real last id,
    /// closed when done.
    pub fn shut_down(&mut self, now: Instant) {
        if self.closed || self.farewell.drain != Drain::No {
            return;
        }
        match self.role {
            Role::Client => self.farewell.drain = Drain::Yes,
            Role::Server => {
                self.put_goaway(frame::STREAM_ID_MASK, ErrorCode::NO_ERROR, &[]);
                frame::put_ping(self.output.bytes(), DRAIN_PING, 0);
                let deadline = now.checked_add(DRAIN_PING_TIMEOUT);
                self.farewell.drain = Drain::Announced { deadline };
            }
        }
        self.close_if_done();
    }

    /// Client role: opens no more streams of its own accord; GOAWAY(0, `NO_ERROR`) once those that
    /// are open are done, then closed.
    pub(super) fn retire(&mut self, why: &'static str) {
        if self.farewell.drain != Drain::Yes {
            self.farewell.drain = Drain::Yes;
            self.events.push_back(Event::Retiring { why });
        }
    }

    /// Sends a GOAWAY with this last id, code and debug data, and goes on serving the streams up
    /// to it. Those above it that are open fail here with `Fate::Unknown` and `ClosedByUs`; what
    /// comes on them is ignored. A last id above an earlier one counts as that one.
    pub fn send_goaway(&mut self, last_stream: StreamId, code: ErrorCode, debug: &[u8]) {
        if self.closed {
            return;
        }
        let last = self.put_goaway(last_stream, code, debug);
        if self.role == Role::Server {
            for id in self.streams_above(last) {
                self.fail(id, Fate::Unknown, Cause::ClosedByUs);
            }
        }
        self.close_if_done();
    }

    /// The peer's GOAWAY (RFC 9113 §6.8). A later one may lower the last stream; one that raises
    /// it is taken as if it did not. The first code that is an error stays the reason. Of a client,
    /// requests that were not sent yet are taken back.
    pub(super) fn on_goaway(&mut self, payload: &[u8]) -> Result<(), Violation> {
        self.count_glitch()?;
        let (last, code, debug) = frame::goaway(payload);
        let (last, reason) = match self.farewell.received {
            Some((earlier, ErrorCode::NO_ERROR)) => (last.min(earlier), code),
            Some((earlier, reason)) => (last.min(earlier), reason),
            None => (last, code),
        };
        self.farewell.received = Some((last, reason));
        self.events.push_back(Event::GoAway {
            last_stream: last,
            code,
            debug: debug.to_vec(),
        });
        if self.role == Role::Client {
            // What was not sent yet need not wait for this connection.
            self.take_back_unsent();
            for id in self.streams_above(last) {
                self.fail(id, Fate::NotProcessed, Cause::GoAway(reason));
            }
        }
        Ok(())
    }

    /// The answer to a PING; one that we did not send does nothing.
    pub(super) fn on_pong(&mut self, payload: [u8; 8]) -> Result<(), Violation> {
        if payload == DRAIN_PING && matches!(self.farewell.drain, Drain::Announced { .. }) {
            self.send_final_goaway();
        } else if let Some(at) = self.pings.iter().position(|ping| *ping == payload) {
            self.pings.remove(at);
            self.events.push_back(Event::Pong { payload });
        } else {
            return self.count_glitch();
        }
        Ok(())
    }

    /// Server role: every stream under way has come, those after it are refused.
    pub(super) fn send_final_goaway(&mut self) {
        self.farewell.drain = Drain::Yes;
        self.put_goaway(self.highest, ErrorCode::NO_ERROR, &[]);
        self.close_if_done();
    }

    /// Closes a connection that is being left once its last stream is gone.
    pub(super) fn close_if_done(&mut self) {
        if self.closed || self.farewell.is_far() || !self.streams.is_empty() {
            return;
        }
        match self.role {
            Role::Client => {
                self.put_goaway(0, ErrorCode::NO_ERROR, &[]);
                self.end(self.farewell.cause(Cause::ClosedByUs));
            }
            // A client that sent GOAWAY closes the connection itself.
            Role::Server if self.farewell.drain == Drain::Yes => self.end(Cause::ClosedByUs),
            Role::Server => {}
        }
    }

    pub(super) fn streams_above(&self, last: StreamId) -> Vec<StreamId> {
        let mut ids: Vec<_> = self
            .streams
            .keys()
            .copied()
            .filter(|id| *id > last)
            .collect();
        ids.sort_unstable();
        ids
    }

    /// Writes a GOAWAY whose last stream is no higher than an earlier one's; returns that.
    pub(super) fn put_goaway(&mut self, last: StreamId, code: ErrorCode, debug: &[u8]) -> StreamId {
        let last = self.farewell.sent.map_or(last, |earlier| earlier.min(last));
        self.farewell.sent = Some(last);
        frame::put_goaway(self.output.bytes(), last, code, debug);
        last
    }
}

/// How long a server that shuts down waits for the answer to its PING. Our choice: as long as for
/// an acknowledgement of SETTINGS.
const DRAIN_PING_TIMEOUT: Duration = Duration::from_secs(10);

/// What that PING carries.
const DRAIN_PING: [u8; 8] = *b"draining";
