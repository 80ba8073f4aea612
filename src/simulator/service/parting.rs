//! How a connection is told to go.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use super::{Doom, Service};
use crate::http2::{Connection, ErrorCode, StreamId};
use crate::simulator::apns;
use crate::simulator::faults::{Asked, Farewell, Kind};

/// How long a client may take to leave after a GOAWAY.
pub(super) const LEAVE: Duration = Duration::from_secs(30);

impl Service {
    /// Tells the client to go, serving no stream above the last one seen.
    pub(in crate::simulator) fn dismiss(
        &mut self,
        http2: &mut Connection,
        code: ErrorCode,
        debug: &[u8],
        now: Instant,
    ) {
        let last = http2.highest_stream();
        http2.send_goaway(last, code, debug);
        self.leaving = Some((last, now + LEAVE));
    }

    /// Says good-bye at the request that the faults name; true if that one is not served.
    pub(super) fn count_request(
        &mut self,
        http2: &mut Connection,
        stream: StreamId,
        now: Instant,
    ) -> bool {
        self.requests += 1;
        let reached = |after: NonZeroU64| self.requests >= after.get();
        if !self.faults.goaway_after.is_some_and(reached) || self.leaving.is_some() {
            return false;
        }
        let end = now + LEAVE;
        let code = ErrorCode::NO_ERROR;
        let json = self.around.endpoint.going_away();
        let (last, debug) = match self.faults.goaway {
            Farewell::Graceful => {
                http2.shut_down(now);
                self.struck(Asked::GoAway(Farewell::Graceful));
                self.leaving = Some((StreamId::MAX, end));
                return false;
            }
            Farewell::Text => (stream, &b"the server is being restarted"[..]),
            Farewell::Empty => (stream, &b""[..]),
            Farewell::BadCertificate => (stream, apns::CERTIFICATE_REFUSED),
            // What came before and is not complete is below it, and will be served.
            Farewell::Below => (stream.saturating_sub(2), json),
            _ => (stream, json),
        };
        http2.send_goaway(last, code, debug);
        if self.faults.goaway == Farewell::Twice {
            http2.send_goaway(last, code, debug);
        }
        // The abrupt one's end is yet to come.
        if self.faults.goaway != Farewell::Abrupt {
            self.struck(Asked::GoAway(self.faults.goaway));
        }
        self.leaving = Some((last, end));
        last < stream
    }

    /// After a GOAWAY that is not waited for, the transport ends.
    pub(super) fn check_abruptness(&mut self) {
        if self.leaving.is_some() && self.faults.goaway == Farewell::Abrupt && self.doom.is_none() {
            let (kind, by) = (Kind::Fin, Asked::GoAway(Farewell::Abrupt));
            self.doom = Some(Doom { kind, by });
        }
    }
}
