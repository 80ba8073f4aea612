//! When most answers of a lane are one refusal of device tokens: then the tokens are hardly at
//! fault, but an environment, a topic, a project, or the list that they come from.
//!
//! The last [`DECIDED`] answers are looked at that decided on a push. Dead device tokens are a part
//! of any app's, so how many refusals are usual is said with each. A device token that is pushed to
//! again and again is one witness: no alarm is raised before [`MANY_TOKENS`] have met it.
//!
//! Pure: time is an argument.

use std::time::{Duration, Instant};

use super::gate::Target;
use crate::moment::Moment;

/// The last answers that are looked at; those that have not come yet count as good.
pub const DECIDED: usize = 100;
/// So many device tokens have to be refused before a refusal points to something else.
pub const MANY_TOKENS: usize = 10;
/// A refusal that goes on prevailing is told again after this.
pub const PREVALENCE_TOLD_EVERY: Duration = Duration::from_secs(3600);

/// Different refusals told apart; further ones count as good answers.
const REFUSALS_KEPT: usize = 8;

/// A refusal of device tokens, in the provider's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenRefusal {
    /// The provider's word.
    pub reason: &'static str,
    /// Up to so many of a hundred answers it points to nothing.
    pub usual: usize,
    /// What it comes of if it is said to most device tokens.
    pub cause: &'static str,
    /// What to do then.
    pub cure: &'static str,
}

/// A refusal that most of the last answers are, or were until a moment ago.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prevailing {
    /// Which.
    pub refusal: TokenRefusal,
    /// How many of the last [`DECIDED`] answers.
    pub answers: usize,
    /// Since when.
    pub since: Moment,
}

/// What an operator has to be told of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Most answers are that.
    Prevails(Prevailing),
    /// They are no more, and it was told that they were.
    Passed(Prevailing),
}

/// The last answers of a lane.
#[derive(Debug)]
pub(super) struct Prevalence {
    /// A ring: the index of the refusal that an answer was, and whom it was said to.
    answers: [Option<(usize, Target)>; DECIDED],
    /// The oldest one.
    next: usize,
    counted: Vec<Counted>,
    /// The one that prevails, as an index, and since when.
    prevails: Option<(usize, Moment)>,
}

/// One refusal, and how it stands.
#[derive(Debug)]
struct Counted {
    refusal: TokenRefusal,
    answers: usize,
    told: Option<Instant>,
}

impl Default for Prevalence {
    fn default() -> Self {
        Self {
            answers: [None; DECIDED],
            next: 0,
            counted: Vec::new(),
            prevails: None,
        }
    }
}

impl Prevalence {
    /// A push was decided on: by that refusal, said to that target, or otherwise.
    pub(super) fn add(
        &mut self,
        said: Option<(TokenRefusal, Target)>,
        now: Moment,
    ) -> [Option<News>; 2] {
        let said = said.and_then(|(refusal, target)| Some((self.index_of(refusal)?, target)));
        let oldest = self.answers.get_mut(self.next);
        let oldest = oldest.and_then(|answer| std::mem::replace(answer, said));
        self.next = (self.next + 1) % DECIDED;
        if let Some(counted) = oldest.and_then(|(index, _)| self.counted.get_mut(index)) {
            counted.answers -= 1;
        }
        if let Some(counted) = said.and_then(|(index, _)| self.counted.get_mut(index)) {
            counted.answers += 1;
        }
        let passed = self.let_pass();
        let begun = said.and_then(|(index, _)| self.look(index, now));
        [passed, begun]
    }

    /// The refusal that prevails.
    pub(super) fn prevailing(&self) -> Option<Prevailing> {
        let (index, since) = self.prevails?;
        let Counted {
            refusal, answers, ..
        } = *self.counted.get(index)?;
        Some(Prevailing {
            refusal,
            answers,
            since,
        })
    }

    /// Forgets the answers: they were to another credential, or came of another configuration. What
    /// prevailed until now, if that was told: if it does again, it is told again.
    pub(super) fn forget(&mut self) -> Option<Prevailing> {
        let prevailing = self.prevailing();
        self.answers = [None; DECIDED];
        for counted in &mut self.counted {
            counted.answers = 0;
        }
        let (index, since) = self.prevails.take()?;
        let told = &mut self.counted.get_mut(index)?.told;
        told.take_if(|at| *at >= since.monotonic)?;
        prevailing
    }

    /// Whether another good answer would change nothing.
    pub(super) fn is_clean(&self) -> bool {
        self.counted.iter().all(|counted| counted.answers == 0)
    }

    fn index_of(&mut self, refusal: TokenRefusal) -> Option<usize> {
        let known = |counted: &Counted| counted.refusal == refusal;
        let found = self.counted.iter().position(known);
        if found.is_none() && self.counted.len() < REFUSALS_KEPT {
            self.counted.push(Counted {
                refusal,
                answers: 0,
                told: None,
            });
            return Some(self.counted.len() - 1);
        }
        found
    }

    /// Answers of another kind prevail once more than half of them are.
    fn let_pass(&mut self) -> Option<News> {
        let prevailing = self.prevailing()?;
        if 2 * prevailing.answers >= DECIDED {
            return None;
        }
        let (index, since) = self.prevails.take()?;
        let told = self.counted.get(index)?.told?;
        (told >= since.monotonic).then_some(News::Passed(prevailing))
    }

    /// Whether that refusal prevails from now on, or goes on to and is to be told again.
    fn look(&mut self, index: usize, now: Moment) -> Option<News> {
        let counted = self.counted.get(index)?;
        match self.prevails {
            Some((prevails, _)) if prevails == index => {}
            _ if counted.answers <= counted.refusal.usual || !self.is_said_to_many(index) => {
                return None;
            }
            _ => self.prevails = Some((index, now)),
        }
        let counted = self.counted.get_mut(index)?;
        let is_recent = |at| now.monotonic.saturating_duration_since(at) < PREVALENCE_TOLD_EVERY;
        if counted.told.is_some_and(is_recent) {
            return None;
        }
        counted.told = Some(now.monotonic);
        self.prevailing().map(News::Prevails)
    }

    fn is_said_to_many(&self, index: usize) -> bool {
        let mut known = [None; MANY_TOKENS];
        let mut count = 0;
        for (_, target) in self.answers.iter().flatten().filter(|(at, _)| *at == index) {
            if known.contains(&Some(*target)) {
                continue;
            }
            let Some(free) = known.get_mut(count) else {
                break;
            };
            *free = Some(*target);
            count += 1;
        }
        count == MANY_TOKENS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRONG: TokenRefusal = TokenRefusal {
        reason: "Wrong",
        usual: 50,
        cause: "a cause",
        cure: "a cure",
    };
    const DEAD: TokenRefusal = TokenRefusal {
        reason: "Dead",
        usual: 90,
        ..WRONG
    };

    fn later(now: Moment, secs: u64) -> Moment {
        Moment {
            monotonic: now.monotonic + Duration::from_secs(secs),
            ..now
        }
    }

    fn target(number: usize) -> Target {
        Target::to(&format!("{number:064x}"))
    }

    /// As many answers of that kind, each to another device; what was told of them.
    fn hear(
        answers: &mut Prevalence,
        count: usize,
        refusal: Option<TokenRefusal>,
        now: Moment,
    ) -> Vec<News> {
        let said = |number| refusal.map(|refusal| (refusal, target(number)));
        (0..count)
            .flat_map(|number| answers.add(said(number), now))
            .flatten()
            .collect()
    }

    fn told(news: &[News]) -> Vec<(&'static str, bool, usize)> {
        let each = news.iter().map(|news| match news {
            News::Prevails(it) => (it.refusal.reason, true, it.answers),
            News::Passed(it) => (it.refusal.reason, false, it.answers),
        });
        each.collect()
    }

    #[test]
    fn what_most_answers_are_is_told_once_and_passes_when_others_prevail() {
        let (mut answers, now) = (Prevalence::default(), Moment::now());
        assert!(hear(&mut answers, 50, Some(WRONG), now).is_empty());
        assert_eq!(answers.prevailing(), None);
        let news = hear(&mut answers, 450, Some(WRONG), later(now, 1));
        assert_eq!(told(&news), [("Wrong", true, 51)]);
        let prevailing = answers.prevailing().unwrap();
        assert_eq!(
            (prevailing.answers, prevailing.since),
            (DECIDED, later(now, 1))
        );
        assert!(hear(&mut answers, 50, None, now).is_empty());
        assert!(answers.prevailing().is_some(), "half of them yet");
        let news = hear(&mut answers, 1, None, later(now, 2));
        assert_eq!(told(&news), [("Wrong", false, 49)]);
        assert_eq!(answers.prevailing(), None);
        assert!(!answers.is_clean());
        hear(&mut answers, 49, None, now);
        assert!(answers.is_clean());
    }

    #[test]
    fn the_same_is_told_again_after_an_hour_and_not_for_coming_and_going() {
        let (mut answers, now) = (Prevalence::default(), Moment::now());
        assert_eq!(hear(&mut answers, 100, Some(WRONG), now).len(), 1);
        assert_eq!(hear(&mut answers, 100, None, later(now, 60)).len(), 1);
        // It comes again, which is shown and not told; nor is its end.
        assert!(hear(&mut answers, 100, Some(WRONG), later(now, 120)).is_empty());
        assert!(answers.prevailing().is_some());
        assert!(hear(&mut answers, 100, None, later(now, 180)).is_empty());
        hear(&mut answers, 100, Some(WRONG), later(now, 3599));
        let news = hear(&mut answers, 2, Some(WRONG), later(now, 3600));
        assert_eq!(told(&news), [("Wrong", true, DECIDED)]);
        // Another cause does not wait for that.
        let news = hear(&mut answers, 100, Some(DEAD), later(now, 3601));
        assert_eq!(told(&news), [("Wrong", false, 49), ("Dead", true, 91)]);
    }

    #[test]
    fn what_is_forgotten_and_was_told_is_told_again() {
        let (mut answers, now) = (Prevalence::default(), Moment::now());
        for secs in [0, 1] {
            let news = hear(&mut answers, 100, Some(WRONG), later(now, secs));
            assert_eq!(told(&news), [("Wrong", true, 51)]);
            let ended = answers.forget().unwrap();
            assert_eq!((ended.refusal, ended.since), (WRONG, later(now, secs)));
            assert!(answers.is_clean());
            assert_eq!(answers.forget(), None);
        }
    }

    #[test]
    fn one_that_passes_as_another_begins_is_told_as_well() {
        const OTHER: TokenRefusal = TokenRefusal {
            reason: "Other",
            ..WRONG
        };
        let (mut answers, now) = (Prevalence::default(), Moment::now());
        hear(&mut answers, 100, Some(WRONG), now);
        let news = hear(&mut answers, 100, Some(OTHER), now);
        assert_eq!(told(&news), [("Wrong", false, 49), ("Other", true, 51)]);
    }

    #[test]
    fn a_usual_share_and_one_device_are_no_alarm() {
        let (mut answers, now) = (Prevalence::default(), Moment::now());
        // A small app most of whose devices are gone.
        for round in 0..50 {
            assert!(hear(&mut answers, 18, Some(DEAD), later(now, round)).is_empty());
            assert!(hear(&mut answers, 2, None, later(now, round)).is_empty());
        }
        assert_eq!(answers.forget(), None);
        assert!(answers.is_clean());
        // Few devices that are pushed to again and again.
        for number in 0..1_000 {
            let said = Some((WRONG, target(number % (MANY_TOKENS - 1))));
            assert_eq!(answers.add(said, now), [None, None]);
        }
        let said = Some((WRONG, target(MANY_TOKENS)));
        assert!(answers.add(said, now)[1].is_some(), "one more");
    }

    #[test]
    fn refusals_without_end_are_not_kept() {
        const WORDS: [&str; 9] = ["0", "1", "2", "3", "4", "5", "6", "7", "8"];
        let (mut answers, now) = (Prevalence::default(), Moment::now());
        for reason in WORDS {
            let refusal = TokenRefusal { reason, ..WRONG };
            hear(&mut answers, 100, Some(refusal), now);
        }
        assert_eq!(answers.counted.len(), REFUSALS_KEPT);
        assert!(answers.is_clean());
    }
}
