//! The routes that a thread sends by, until its lane has others.

use std::sync::Arc;
use std::time::Instant;

use super::super::present_route::PresentRoute;
use super::super::route::Route;
use crate::lane::Proof;
use crate::moment::Moment;

/// The lane's route as this thread knows it, and the candidate that it tries.
#[derive(Debug)]
pub(super) struct FollowedRoute {
    of_lane: Arc<PresentRoute>,
    /// The number of the route in use.
    pub(super) generation: u64,
    /// The route in use.
    pub(super) route: Arc<Route>,
    /// The candidate that this thread tries, and its number.
    candidate: Option<(u64, Arc<Route>)>,
}

impl FollowedRoute {
    /// Begins with the lane's present route.
    pub(super) fn new(of_lane: Arc<PresentRoute>) -> Self {
        let (generation, route) = of_lane.current();
        Self {
            of_lane,
            generation,
            route,
            candidate: None,
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

    /// The route that what goes by that number is proved with.
    pub(super) fn of(&self, generation: u64) -> &Arc<Route> {
        let candidate = self.candidate.as_ref();
        let candidate = candidate.filter(|(number, _)| *number == generation);
        candidate.map_or(&self.route, |(_, route)| route)
    }

    /// Whether there is a candidate, for this thread or another.
    pub(super) fn has_candidate(&self) -> bool {
        self.of_lane.has_candidate()
    }

    /// Whether the candidate has that number.
    pub(super) fn is_candidate(&self, generation: u64) -> bool {
        self.of_lane.is_candidate(generation)
    }

    /// See [`PresentRoute::takes_other_topics`].
    pub(super) fn takes_other_topics(&self, now: Moment) -> bool {
        self.of_lane.takes_other_topics(now)
    }

    /// See [`PresentRoute::says_nothing`].
    pub(super) fn says_nothing(&self, generation: u64) -> bool {
        self.of_lane.says_nothing(generation)
    }

    /// See [`PresentRoute::is_refused_to_others`].
    pub(super) fn is_refused_to_others(&self, generation: u64) -> bool {
        self.of_lane.is_refused_to_others(generation)
    }

    /// Has this thread try the candidate, if it is time and no other does.
    pub(super) fn claim(&mut self, seat: usize, now: Moment) -> bool {
        self.candidate = self.of_lane.claim(seat, now);
        self.candidate.is_some()
    }

    /// The number of the candidate that this thread tries.
    pub(super) fn trying(&self) -> Option<u64> {
        self.candidate.as_ref().map(|(generation, _)| *generation)
    }

    /// Whether this thread tries the candidate of that number.
    pub(super) fn is_trying(&self, generation: u64) -> bool {
        self.trying() == Some(generation)
    }

    /// The route of the candidate that this thread tries.
    pub(super) fn candidate_route(&self) -> Option<Arc<Route>> {
        self.candidate.as_ref().map(|(_, route)| Arc::clone(route))
    }

    /// Whether the candidate that this thread tries is none any more.
    pub(super) fn has_lost_candidate(&self) -> bool {
        self.trying()
            .is_some_and(|generation| !self.is_candidate(generation))
    }

    /// This thread tries it no more.
    pub(super) fn let_candidate_go(&mut self, seat: usize) {
        if self.candidate.take().is_some() {
            self.of_lane.release(seat);
        }
    }

    /// A push that went by the candidate of that number was taken.
    pub(super) fn candidate_taken(&self, generation: u64, proof: Proof, now: Moment) {
        self.of_lane.candidate_taken(generation, proof, now);
    }

    /// The candidate of that number was tried in vain; see [`PresentRoute::candidate_failed`].
    pub(super) fn candidate_failed(
        &self,
        generation: u64,
        reason: Option<&str>,
        why: &str,
        now: Moment,
    ) {
        self.of_lane.candidate_failed(generation, reason, why, now);
    }

    /// A push was taken that went by the route of that number.
    pub(super) fn proved(&self, generation: u64, proof: Proof) {
        if self.has_candidate() {
            self.of_lane.proved(generation, proof);
        }
    }

    /// Has somebody look at the access token; when there will be a credential, if that is known.
    pub(super) fn await_credential(&self, now: Moment) -> Option<Instant> {
        self.of_lane.look_at_access_token(now);
        self.route.credentials.serves_at(now)
    }
}
