//! The route that a thread sends by, until its lane has another.

use std::sync::Arc;
use std::time::Instant;

use super::super::present_route::PresentRoute;
use super::super::route::Route;
use crate::moment::Moment;

/// The lane's route as this thread knows it.
#[derive(Debug)]
pub(super) struct FollowedRoute {
    of_lane: Arc<PresentRoute>,
    /// The number of the route in use.
    pub(super) generation: u64,
    /// The route in use.
    pub(super) route: Arc<Route>,
}

impl FollowedRoute {
    /// Begins with the lane's present route.
    pub(super) fn new(of_lane: Arc<PresentRoute>) -> Self {
        let (generation, route) = of_lane.current();
        Self {
            of_lane,
            generation,
            route,
        }
    }

    /// Takes the lane's present route, unless it is of that generation and in use already; whether
    /// there is another now.
    pub(super) fn follow(&mut self, generation: u64) -> bool {
        let is_another = generation != self.generation;
        if is_another {
            (self.generation, self.route) = self.of_lane.current();
        }
        is_another
    }

    /// Has somebody look at the access token; when there will be a credential, if that is known.
    pub(super) fn await_credential(&self, now: Moment) -> Option<Instant> {
        self.of_lane.look_at_access_token(now);
        self.route.credentials.serves_at(now)
    }
}
