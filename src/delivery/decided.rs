//! What a thread's last answers have decided, until its lane hears of it: once a round, for all of
//! them.

use crate::lane::{DECIDED, Lane, News, Prevailing, Target, TokenRefusal};
use crate::moment::Moment;
use crate::provider::{Answer, TokenAlarm, Verdict, told_of};
use crate::push::Push;

/// Answers that decided on a push, those to the last route that was answered for.
#[derive(Debug, Default)]
pub(super) struct Decided {
    /// At most [`DECIDED`]; the space is kept.
    answers: Vec<Option<(TokenRefusal, Target)>>,
    generation: u64,
    /// When the last one came.
    last: Option<Moment>,
}

impl Decided {
    /// Takes note of an answer to a push of that route, if it is the last word on the push. One to
    /// a route that has been replaced, on a connection that finishes, counts no more.
    pub(super) fn note(&mut self, answer: &Answer, push: &Push, generation: u64, now: Moment) {
        let decides = match answer.verdict {
            Verdict::Succeeded | Verdict::Refused => true,
            // The push fails by that the second time, and the lane is not held.
            Verdict::Retry(_) => answer.of_other_topic && push.used_its_second_chance,
            Verdict::Stopped => false,
        };
        if !decides || generation < self.generation {
            return;
        }
        if generation > self.generation {
            self.generation = generation;
            self.answers.clear();
        }
        let refusal = |alarm: &TokenAlarm| TokenRefusal {
            reason: alarm.advice.reason,
            usual: alarm.usual,
            cause: alarm.advice.cause,
            cure: alarm.advice.cure,
        };
        self.last = Some(now);
        let said = answer.token_alarm.map(refusal);
        self.answers
            .push(said.map(|refusal| (refusal, Target::of(push.token()))));
    }

    /// Whether the lane has to hear of it before there is more.
    pub(super) fn is_full(&self) -> bool {
        self.answers.len() >= DECIDED
    }

    /// Tells the lane, and the operator if it comes to that.
    pub(super) fn hand_over(&mut self, lane: &Lane) {
        let Some(now) = self.last.take() else {
            return;
        };
        for news in lane.decided(&self.answers, self.generation, now) {
            tell(lane, news);
        }
        self.answers.clear();
    }
}

fn tell(lane: &Lane, news: News) {
    let (News::Prevails(it) | News::Passed(it)) = news;
    let Prevailing {
        refusal, answers, ..
    } = it;
    let TokenRefusal {
        reason,
        cause,
        cure,
        ..
    } = refusal;
    let [cause, cure] = [cause, cure].map(|text| told_of(lane.id(), text));
    match news {
        News::Prevails(_) => ::log::error!(
            "{lane}: {answers} of the last {DECIDED} pushes that were answered failed with \
             {reason}. Likely: {cause} {cure} Pushes go on"
        ),
        News::Passed(_) => ::log::info!(
            "{lane}: only {answers} of the last {DECIDED} pushes that were answered failed \
             with {reason}: that alarm is over"
        ),
    }
}
