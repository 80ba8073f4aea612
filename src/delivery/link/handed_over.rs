//! How a connection goes from a thread of one lane to one of another: with all that is known of
//! it, and without a push.

use super::{Begun, Link};
use crate::delivery::route::Route;
use crate::delivery::session::Session;
use crate::delivery::transport::Transport;
use crate::http2::ErrorCode;
use crate::moment::Moment;
use crate::moment::grace::Grace;
use crate::push::{ConnectionId, LaneId};

/// A connection that no thread has.
#[derive(Debug)]
pub(in crate::delivery) struct HandedOver<T> {
    /// The lane that had it.
    pub(in crate::delivery) from: LaneId,
    pub(in crate::delivery) connection: T,
    session: Session,
    begun: Moment,
    used: Moment,
    ping_complaints: u32,
}

impl<T: Transport> Link<T> {
    /// Whether it has shown that it is good, and has nothing to do, nor anything to say.
    pub(in crate::delivery) fn is_free(&mut self) -> bool {
        self.session.is_spotless()
            && !self.begun.is_candidate
            && !self.connection.is_closed()
            && self.connection.http2().output().is_empty()
    }

    /// Gives it away; its pushes have ended.
    pub(in crate::delivery) fn give_away(self, from: LaneId) -> HandedOver<T> {
        HandedOver {
            from,
            connection: self.connection,
            session: self.session,
            begun: self.begun.at,
            used: self.used,
            ping_complaints: self.ping_complaints,
        }
    }

    /// Takes one over, to be used by `route`, which is one of the same server and speaker. It has
    /// shown already what it is good for.
    pub(in crate::delivery) fn taken_over(
        handed: HandedOver<T>,
        id: ConnectionId,
        route: &Route,
        begun: Begun,
    ) -> Self {
        let mut session = handed.session;
        route.move_session(&mut session, id);
        session.belongs_to(begun.generation);
        Self {
            id,
            connection: handed.connection,
            begun: Begun {
                at: handed.begun,
                ..begun
            },
            // What ends it soon ends under this lane's pushes, however old it is.
            opened: begun.at.monotonic,
            used: handed.used,
            grace: Grace::default(),
            settled: true,
            judged: false,
            ping_complaints: handed.ping_complaints,
            left: None,
            answers_before: Some(session.answered()),
            session,
        }
    }
}

impl<T: Transport> HandedOver<T> {
    /// Says goodbye: nobody wants it.
    pub(in crate::delivery) fn close(mut self, now: Moment) {
        self.connection.http2().close(ErrorCode::NO_ERROR);
        self.connection.flush(now.monotonic);
    }
}
