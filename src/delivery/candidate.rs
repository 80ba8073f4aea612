//! A route beside the present one, which has another credential: the new one until a push has shown
//! that it is taken, or the old one while that is still to be seen of the new.
//!
//! ```text
//!                a thread, with a push           it is taken
//!     waits ──────────────────────────▶ tried ─────────────────▶ present, and the old one is gone
//!       ▲                                 │
//!       └── refused, or nothing learnt ───┘ the push goes by the present route
//! ```
//!
//! Each time that it was tried in vain it waits longer. While the present credential is refused,
//! the lane's probes go by the one and by the other in turn.
//!
//! Pure: time is an argument.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::route::Route;
use crate::lane::Proof;

/// So many pushes in a row of other topics than the configured one show that a credential is taken.
const OTHER_TOPICS_DECIDE: u32 = 10;
/// After so many answers in a row that say nothing of it, it rests.
const SAY_NOTHING_MAX: u32 = 10;
/// So often in a row it is refused to pushes of other topics before it counts as refused.
const REFUSED_TO_OTHERS: u32 = 3;
/// For so long it is tried with pushes of the configured topic alone.
const CONFIGURED_FIRST: Duration = Duration::from_secs(10);

/// A route that is not in use.
#[derive(Debug)]
pub(super) struct Candidate {
    /// Tells its pushes from those of the present one.
    pub(super) generation: u64,
    pub(super) route: Arc<Route>,
    /// It was in use before the present one, of which no push has shown yet that it is taken.
    pub(super) is_former: bool,
    /// Whether a restart would know both.
    pub(super) outlives: bool,
    /// The thread that tries it.
    seat: Option<usize>,
    not_before: Instant,
    history: History,
    /// What became of the present one when that was a candidate.
    of_present: History,
    /// Pushes of other topics than the configured one that were taken since it rested last.
    of_other_topics: u32,
    /// Answers since then that say nothing of it.
    say_nothing: u32,
}

/// What became of tries.
#[derive(Debug, Default)]
struct History {
    /// How often in vain.
    tries: u32,
    /// What it was refused with last.
    refusal: Option<Arc<str>>,
    /// How often in a row it was refused to pushes of other topics.
    to_others: u32,
}

impl Candidate {
    /// A new one, to be tried with the next push. `outlives` if a restart would know both.
    pub(super) fn new(generation: u64, route: Arc<Route>, outlives: bool, now: Instant) -> Self {
        Self {
            generation,
            route,
            is_former: false,
            outlives,
            seat: None,
            not_before: now,
            history: History::default(),
            of_present: History::default(),
            of_other_topics: 0,
            say_nothing: 0,
        }
    }

    /// The present route becomes the candidate in its place; which takes the present one's.
    pub(super) fn swap(&mut self, present: &mut Arc<Route>, generation: u64, now: Instant) {
        std::mem::swap(present, &mut self.route);
        std::mem::swap(&mut self.history, &mut self.of_present);
        self.generation = generation;
        self.is_former = !self.is_former;
        self.seat = None;
        self.not_before = now;
        (self.of_other_topics, self.say_nothing) = (0, 0);
    }

    /// Lets that thread try it, if it is time and no other does.
    pub(super) fn claim(&mut self, seat: usize, now: Instant) -> bool {
        let is_free = self.seat.is_none_or(|by| by == seat);
        let may = now >= self.not_before && is_free && !self.is_former;
        if may {
            self.seat = Some(seat);
        }
        may
    }

    /// Whether a push of another topic than the configured one may try it, since none of that has
    /// come for a while.
    pub(super) fn takes_other_topics(&self, now: Instant) -> bool {
        let from = self.not_before.checked_add(CONFIGURED_FIRST);
        from.is_some_and(|from| now >= from)
    }

    /// That thread does not try it any more.
    pub(super) fn release(&mut self, seat: usize) {
        self.seat.take_if(|by| *by == seat);
    }

    /// How often it was tried in vain.
    pub(super) fn tries(&self) -> u32 {
        self.history.tries
    }

    /// A push was taken that went by it; whether it is to be used by that. It may be for that
    /// push's topic alone, unless that is the configured one; but where nothing else comes, pushes
    /// of other topics decide.
    pub(super) fn is_proved_by(&mut self, proof: Proof) -> bool {
        self.say_nothing = 0;
        self.of_other_topics = self.of_other_topics.saturating_add(1);
        proof == Proof::Topic || self.of_other_topics >= OTHER_TOPICS_DECIDE
    }

    /// An answer said nothing of it; whether it is to rest by that.
    pub(super) fn says_nothing(&mut self) -> bool {
        self.say_nothing = self.say_nothing.saturating_add(1);
        self.say_nothing >= SAY_NOTHING_MAX
    }

    /// It was refused to a push of another topic than the configured one, for which it may be all
    /// the same; whether it counts as refused.
    pub(super) fn is_refused_to_others(&mut self) -> bool {
        self.history.to_others = self.history.to_others.saturating_add(1);
        self.history.to_others >= REFUSED_TO_OTHERS
    }

    /// It is not tried for so long.
    pub(super) fn put_off(&mut self, wait: Duration, now: Instant) {
        self.not_before = now.checked_add(wait).unwrap_or(now);
    }

    /// It was tried in vain, and waits for so long. True if it was not refused with that word
    /// before; with none it was not refused, and nothing was learnt.
    pub(super) fn rest(&mut self, refusal: Option<&str>, wait: Duration, now: Instant) -> bool {
        self.seat = None;
        (self.of_other_topics, self.say_nothing) = (0, 0);
        self.history.tries = self.history.tries.saturating_add(1);
        self.put_off(wait, now);
        let is_news = self.history.refusal.as_deref() != refusal;
        if let Some(refusal) = refusal.filter(|_| is_news) {
            self.history.refusal = Some(refusal.into());
        }
        is_news
    }

    /// What it was refused with last, if it was.
    pub(super) fn refusal(&self) -> Option<&Arc<str>> {
        self.history.refusal.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::fixture::idle_route;

    #[test]
    fn one_thread_at_a_time_tries_it_and_each_time_in_vain_it_waits() {
        let now = Instant::now();
        let mut it = Candidate::new(2, Arc::new(idle_route()), false, now);
        assert!(it.claim(0, now) && it.claim(0, now), "again by the same");
        assert!(!it.claim(1, now));
        it.release(1);
        assert!(!it.claim(1, now), "it was not that thread's");
        it.release(0);
        assert!(it.claim(1, now));
        let wait = Duration::from_secs(30);
        assert!(it.rest(Some("InvalidProviderToken"), wait, now), "news");
        assert!(!it.claim(0, now) && it.claim(0, now + wait));
        assert!(!it.rest(Some("InvalidProviderToken"), wait, now), "known");
        assert_eq!(it.tries(), 2);
        // A push of the configured topic decides at once, others in a row.
        assert!(it.is_proved_by(Proof::Topic));
        let mut decided = (0..99).take_while(|_| !it.is_proved_by(Proof::Credential));
        assert_eq!(
            decided.by_ref().last(),
            Some(7),
            "the tenth with the one above"
        );
        it.rest(None, wait, now);
        assert!(!it.is_proved_by(Proof::Credential), "it begins anew");
        // Of other topics it is asked when none of the configured one comes.
        assert!(!it.takes_other_topics(now + wait));
        assert!(it.takes_other_topics(now + wait + CONFIGURED_FIRST));
        assert_eq!((0..99).take_while(|_| !it.says_nothing()).last(), Some(8));
        assert_eq!(
            (0..99).take_while(|_| !it.is_refused_to_others()).last(),
            Some(1)
        );
        // Its turn comes and goes with what is known of it.
        let mut present = Arc::new(idle_route());
        it.swap(&mut present, 3, now);
        assert_eq!((it.tries(), it.refusal()), (0, None));
        assert!(!it.claim(0, now + wait * 2), "it was in use before");
        it.swap(&mut present, 4, now);
        assert_eq!(it.tries(), 3);
        assert_eq!(it.refusal().map(|it| &**it), Some("InvalidProviderToken"));
    }
}
