//! When a lane rests: its provider refuses whatever comes, and has said for how long.
//!
//! A Retry-After that is meant for the lane is believed when pushes to two targets have met such a
//! refusal among the last [`ANSWERS`] answers: what is said to one alone is its own. It holds back
//! retries then. Fresh pushes wait for it only while at least half of those answers were such
//! refusals: a used-up quota and an outage are respected to the letter, and one server's slip among
//! good answers stops nothing. So a rest ends with the time that was asked for, or with the good
//! answers to what was in flight.
//!
//! Pure: time is an argument.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::gate::Target;
use crate::moment::Moment;

/// The last answers that are looked at; at the beginning, and after a rest, those there are.
pub const ANSWERS: u32 = 32;

/// A rest that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resting {
    /// The provider's words.
    pub why: Arc<str>,
    /// Since when.
    pub since: Moment,
    /// Nothing is sent before.
    pub until: Instant,
}

/// Whether an answer is a refusal that is meant for the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is not.
    Nothing,
    /// It is, and was said to that target.
    Refused(Target),
    /// It is, and others have met it: the lane rested by it in an earlier process.
    RefusedToAll,
}

/// How long a provider asks a lane to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Nothing is tried again before.
    pub until: Instant,
    /// What it held back is spread over so long after it.
    pub spread: Duration,
}

/// What an answer changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nothing.
    None,
    /// The lane rests from now on. `is_news` if the operator has not been told of this time that
    /// the provider asks for.
    Begun {
        /// Until when.
        until: Instant,
        /// Whether to tell.
        is_news: bool,
    },
    /// The provider takes pushes after all.
    Lifted,
}

/// Whether a lane rests.
#[derive(Debug, Default)]
pub(super) struct Rest {
    answers: Answers,
    refused_to: RefusedTo,
    /// The latest time that the provider asked the lane to wait for.
    asked: Option<Asked>,
    begun: Option<(Arc<str>, Moment)>,
    is_told: bool,
}

/// Who has met the refusals among the last answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum RefusedTo {
    #[default]
    Nobody,
    One(Target),
    Several,
}

impl RefusedTo {
    fn add(&mut self, said: Said) {
        *self = match (*self, said) {
            (before, Said::Nothing) => before,
            (Self::Nobody, Said::Refused(target)) => Self::One(target),
            (Self::One(first), Said::Refused(target)) if first == target => Self::One(first),
            (_, Said::Refused(_) | Said::RefusedToAll) => Self::Several,
        };
    }
}

impl Rest {
    /// The lane's provider has answered: what that says of the lane, and how long it is asked to
    /// wait.
    pub(super) fn heard(
        &mut self,
        said: Said,
        asked: Option<Asked>,
        why: impl FnOnce() -> Arc<str>,
        now: Moment,
    ) -> Turn {
        self.answers.add(said != Said::Nothing);
        if self.answers.have_no_refusal() {
            self.refused_to = RefusedTo::Nobody;
        }
        self.refused_to.add(said);
        let asked = asked.filter(|asked| asked.until > now.monotonic);
        if let Some(asked) = asked
            && self.asked.is_none_or(|before| before.until < asked.until)
        {
            self.asked = Some(asked);
        }
        let refuses = self.answers.are_refusals();
        let until = self.asked_of_all().filter(|_| refuses);
        match (until, &self.begun) {
            (Some(Asked { until, .. }), None) => {
                self.begun = Some((why(), now));
                let is_news = !std::mem::replace(&mut self.is_told, true);
                Turn::Begun { until, is_news }
            }
            (None, Some(_)) => {
                self.begun = None;
                Turn::Lifted
            }
            _ => Turn::None,
        }
    }

    /// How long the provider asks the lane to wait, if that was not said to one target alone.
    pub(super) fn asked_of_all(&self) -> Option<Asked> {
        self.asked.filter(|_| self.refused_to == RefusedTo::Several)
    }

    /// Lets pass what has; true if that ends a rest. What was answered before says nothing then.
    pub(super) fn look(&mut self, now: Instant) -> bool {
        let passed = self.asked.take_if(|asked| asked.until <= now);
        if passed.is_none() {
            return false;
        }
        self.is_told = false;
        let is_over = self.begun.take().is_some();
        if is_over {
            self.answers = Answers::default();
            self.refused_to = RefusedTo::Nobody;
        }
        is_over
    }

    /// The rest that is under way.
    pub(super) fn resting(&self) -> Option<Resting> {
        let ((why, since), asked) = self.begun.as_ref().zip(self.asked)?;
        Some(Resting {
            why: Arc::clone(why),
            since: *since,
            until: asked.until,
        })
    }

    /// Whether another good answer would change nothing.
    pub(super) fn is_well(&self) -> bool {
        self.asked.is_none() && self.answers == Answers::ALL_GOOD
    }
}

/// The last answers, a bit each: 1 is a refusal. The highest bit that is set stands before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Answers(u64);

impl Answers {
    const ALL_GOOD: Self = Self(1 << ANSWERS);

    fn add(&mut self, refused: bool) {
        self.0 = self.0 << 1 | u64::from(refused);
        if self.0 >= Self::ALL_GOOD.0 << 1 {
            self.0 = self.0 & (Self::ALL_GOOD.0 - 1) | Self::ALL_GOOD.0;
        }
    }

    fn have_no_refusal(self) -> bool {
        self.0.is_power_of_two()
    }

    /// Whether at least half of them are refusals.
    fn are_refusals(self) -> bool {
        let answers = self.0.ilog2();
        let refusals = self.0.count_ones() - 1;
        refusals > 0 && 2 * refusals >= answers
    }
}

impl Default for Answers {
    fn default() -> Self {
        Self(1)
    }
}

const _: () = assert!(ANSWERS > 0 && ANSWERS < u64::BITS - 1);

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: Duration = Duration::from_secs(30);

    fn later(now: Moment, secs: u64) -> Moment {
        Moment {
            stood: Duration::ZERO,
            monotonic: now.monotonic + Duration::from_secs(secs),
            unix: now.unix + Duration::from_secs(secs),
        }
    }

    fn good(rest: &mut Rest, now: Moment) -> Turn {
        rest.heard(Said::Nothing, None, || "ok".into(), now)
    }

    fn asked(now: Moment) -> Asked {
        Asked {
            until: now.monotonic + ASKED,
            spread: ASKED / 10,
        }
    }

    fn refused_to(rest: &mut Rest, target: &str, now: Moment) -> Turn {
        let target = Target::to(target);
        rest.heard(
            Said::Refused(target),
            Some(asked(now)),
            || "429".into(),
            now,
        )
    }

    /// One that others have met before.
    fn refused(rest: &mut Rest, now: Moment) -> Turn {
        rest.heard(Said::RefusedToAll, Some(asked(now)), || "429".into(), now)
    }

    #[test]
    fn what_is_said_to_one_target_alone_is_its_own() {
        let now = Moment::now();
        let mut rest = Rest::default();
        for round in 0..100 {
            let now = later(now, 40 * round);
            rest.look(now.monotonic);
            assert_eq!(refused_to(&mut rest, "1", now), Turn::None);
            assert_eq!((rest.asked_of_all(), rest.resting()), (None, None));
        }
        // Others are served for long.
        (0..ANSWERS).for_each(|_| assert_eq!(good(&mut rest, now), Turn::None));
        assert_eq!(refused_to(&mut rest, "2", now), Turn::None);
        assert_eq!(rest.asked_of_all(), None);
        assert_eq!(refused_to(&mut rest, "1", now), Turn::None);
        let of_all = rest.asked_of_all().map(|asked| asked.spread);
        assert_eq!(of_all, Some(ASKED / 10), "though few of many are refused");
    }

    #[test]
    fn two_targets_that_are_refused_first_begin_a_rest_of_what_the_provider_asks_for() {
        let now = Moment::now();
        let mut rest = Rest::default();
        let until = now.monotonic + ASKED;
        let begun = Turn::Begun {
            until,
            is_news: true,
        };
        assert_eq!(refused_to(&mut rest, "1", now), Turn::None);
        assert_eq!(refused_to(&mut rest, "2", now), begun);
        let resting = rest.resting().unwrap();
        assert_eq!((&*resting.why, resting.since), ("429", now));
        assert!(!rest.look(later(now, 29).monotonic));
        assert_eq!(rest.resting().map(|it| it.until), Some(until));
        assert!(rest.look(until) && rest.resting().is_none());
        assert!(!rest.look(until), "it ends once");
        let turn = refused_to(&mut rest, "1", later(now, 30));
        assert_eq!(turn, Turn::None, "and it begins anew");
    }

    #[test]
    fn a_trickle_of_refusals_stops_nothing() {
        let now = Moment::now();
        let mut rest = Rest::default();
        good(&mut rest, now);
        good(&mut rest, now);
        for number in 0_u64..1000 {
            let turn = match number % 3 {
                0 => refused(&mut rest, now),
                _ => good(&mut rest, now),
            };
            assert_eq!(turn, Turn::None, "answer {number}");
        }
    }

    #[test]
    fn half_of_the_last_answers_are_enough_and_one_fewer_is_not() {
        let now = Moment::now();
        let mut rest = Rest::default();
        (0..ANSWERS).for_each(|_| assert_eq!(good(&mut rest, now), Turn::None));
        assert!(rest.is_well());
        for _ in 1..ANSWERS / 2 {
            assert_eq!(refused(&mut rest, now), Turn::None);
        }
        assert!(matches!(refused(&mut rest, now), Turn::Begun { .. }));
        // What was in flight is answered well.
        let lifted: Vec<_> = (0..ANSWERS).map(|_| good(&mut rest, now)).collect();
        assert_eq!(lifted.iter().filter(|it| **it == Turn::Lifted).count(), 1);
        assert!(rest.resting().is_none());
    }

    #[test]
    fn the_operator_is_told_once_of_each_time_that_is_asked_for() {
        let now = Moment::now();
        let mut rest = Rest::default();
        let mut told = 0;
        for round in 0..10 {
            let turn = refused(&mut rest, later(now, round));
            told += u32::from(matches!(turn, Turn::Begun { is_news: true, .. }));
            for _ in 0..round + 2 {
                good(&mut rest, later(now, round));
            }
        }
        assert_eq!(told, 1);
        rest.look(later(now, 100).monotonic);
        for _ in 0..ANSWERS {
            let turn = refused(&mut rest, later(now, 100));
            told += u32::from(matches!(turn, Turn::Begun { is_news: true, .. }));
        }
        assert_eq!(told, 2, "another time is asked for");
        let resting = rest.resting().unwrap();
        assert_eq!(resting.until, later(now, 130).monotonic);
    }

    #[test]
    fn a_lane_is_well_from_so_many_good_answers_on() {
        let now = Moment::now();
        let mut rest = Rest::default();
        for answers in 1..=100 {
            good(&mut rest, now);
            assert_eq!(rest.is_well(), answers >= ANSWERS, "{answers}");
        }
    }

    #[test]
    fn what_was_answered_before_a_rest_says_nothing_after_it() {
        let now = Moment::now();
        let mut rest = Rest::default();
        for _ in 0..ANSWERS {
            refused(&mut rest, now);
        }
        let over = later(now, 30);
        assert!(rest.look(over.monotonic));
        good(&mut rest, over);
        good(&mut rest, over);
        // One server's slip among good answers.
        assert_eq!(refused(&mut rest, over), Turn::None);
        // And two of four are half.
        assert!(matches!(refused(&mut rest, over), Turn::Begun { .. }));
    }

    #[test]
    fn a_time_that_was_asked_for_passes_also_where_the_lane_does_not_rest() {
        let now = Moment::now();
        let mut rest = Rest::default();
        (0..ANSWERS).for_each(|_| assert_eq!(good(&mut rest, now), Turn::None));
        assert_eq!(refused(&mut rest, now), Turn::None);
        assert!(!rest.look(later(now, 30).monotonic), "there was no rest");
        // What was answered then counts on, and nobody asks for anything any more.
        let over = later(now, 31);
        for _ in 0..ANSWERS {
            assert_eq!(
                rest.heard(Said::RefusedToAll, None, || "429".into(), over),
                Turn::None
            );
        }
        assert!(rest.resting().is_none());
    }

    #[test]
    fn a_refusal_that_names_no_time_begins_no_rest() {
        let now = Moment::now();
        let mut rest = Rest::default();
        let past = Asked {
            until: now.monotonic,
            spread: Duration::ZERO,
        };
        for asked in [None, Some(past)] {
            let turn = rest.heard(Said::RefusedToAll, asked, || "503".into(), now);
            assert_eq!(turn, Turn::None);
        }
    }
}
