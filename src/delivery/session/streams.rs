//! How many streams of a connection pushes may have: bulk ones leave some to transactional ones,
//! which so wait for the answer to none of them.

use super::{LEAST_SEND_WINDOW, OUTPUT_HIGH_WATER, Session};
use crate::http2::Connection;
use crate::push::{Push, PushClass};

/// For bulk pushes both come sooner, so that they leave what a transactional one takes. What the
/// kernel has to send is not bounded besides (`TCP_NOTSENT_LOWAT`): it is less than what is in
/// flight, and bytes that it did not take would stay in the output, in their order just as well.
const BULK_OUTPUT_HIGH_WATER: usize = OUTPUT_HIGH_WATER / 2;
/// See [`BULK_OUTPUT_HIGH_WATER`].
const BULK_LEAST_SEND_WINDOW: usize = 2 * LEAST_SEND_WINDOW;
/// Our limit: one in so many streams of a connection is kept for transactional pushes, one at least
/// where there are [`LEAST_STREAMS_TO_KEEP`], so that none waits for the answer to a bulk one.
pub const STREAMS_PER_KEPT: usize = 16;
/// See [`STREAMS_PER_KEPT`].
pub const LEAST_STREAMS_TO_KEEP: usize = 4;

impl Session {
    /// Pushes of that class that it may take now, with at most `stream_limit` in flight, of which
    /// bulk ones have all but those that are kept.
    pub fn room(&self, http2: &Connection, stream_limit: usize, class: PushClass) -> usize {
        self.room_of(http2, stream_limit, class, class)
    }

    /// As [`Session::room`], for bulk pushes whose turn it is: they leave streams to the others and
    /// nothing else, which would use that up for ever if they come without end.
    pub fn room_in_turn(&self, http2: &Connection, stream_limit: usize) -> usize {
        self.room_of(
            http2,
            stream_limit,
            PushClass::Bulk,
            PushClass::Transactional,
        )
    }

    /// With what is left to pushes of the class `leaving_as`.
    fn room_of(
        &self,
        http2: &Connection,
        stream_limit: usize,
        class: PushClass,
        leaving_as: PushClass,
    ) -> usize {
        let in_flight = self.flights.len();
        let (least_window, most_output) = match leaving_as {
            PushClass::Transactional => (LEAST_SEND_WINDOW, OUTPUT_HIGH_WATER),
            PushClass::Bulk => (BULK_LEAST_SEND_WINDOW, BULK_OUTPUT_HIGH_WATER),
        };
        let window_is_narrow = in_flight > 0 && http2.send_window() < least_window;
        let unfit = self.retiring.is_some() || self.is_in_doubt();
        if unfit || window_is_narrow || http2.output().len() > most_output {
            return 0;
        }
        let streams = stream_limit.min(in_flight.saturating_add(http2.available_streams()));
        let room = streams.saturating_sub(in_flight);
        match class {
            PushClass::Transactional => room,
            PushClass::Bulk => {
                let of_bulk = streams.saturating_sub(kept_streams(streams));
                room.min(of_bulk.saturating_sub(self.bulk))
            }
        }
    }

    /// Whether nothing but the provider's window keeps a push from being sent on it: there is a
    /// stream for one, which is not sent before its content could follow.
    ///
    /// By what a transactional push takes: that bulk ones stop earlier is our doing.
    pub fn is_stalled(&self, http2: &Connection, stream_limit: usize) -> bool {
        let is_narrow = http2.send_window() < LEAST_SEND_WINDOW;
        let in_flight = self.flights.len();
        let may_open = in_flight > 0
            && in_flight < stream_limit
            && http2.available_streams() > 0
            && self.retiring.is_none()
            && !self.is_in_doubt();
        let takes_bytes = http2.output().len() <= OUTPUT_HIGH_WATER;
        takes_bytes && is_narrow && may_open
    }

    /// A push is in flight no more.
    pub(super) fn land(&mut self, push: &Push) {
        self.bulk -= usize::from(push.class() == PushClass::Bulk);
    }
}

/// How many of so many streams are kept for transactional pushes.
fn kept_streams(streams: usize) -> usize {
    if streams < LEAST_STREAMS_TO_KEEP {
        return 0;
    }
    (streams / STREAMS_PER_KEPT).max(1)
}
