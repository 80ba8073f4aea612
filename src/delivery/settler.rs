//! What becomes of pushes after an attempt, and of those that end without one (expired, purged,
//! damaged): settlements go to their sinks, retries back to the lane. One settler for each thread
//! that has pushes in hand.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::decided::Decided;
use super::outage;
use super::outcome::{Outcome, Settlement};
use super::policy::{self, Decision, Limits};
use super::register::Register;
use super::session::Ended;
use super::sinks::Sinks;
use crate::jitter::Random;
use crate::lane::{Asked, Lane, Rebuff, Said, Target, Turn};
use crate::live::{Live, Reader};
use crate::log::Logs;
use crate::moment::Moment;
use crate::provider::{Answer, LaneEffect, Verdict};
use crate::push::{self, Push, PushId, Waits};

/// Retries are told to the operator as one line per reason in this time.
const RETRY_REPORT_EVERY: Duration = Duration::from_secs(1);
/// Different reasons told apart in one report; further ones are counted together.
const RETRY_REASONS: usize = 32;

/// What the reasons beyond them are counted as.
const OTHER_REASONS: &str = "other reasons";

/// Where settlements and retries of one lane go.
#[derive(Debug)]
pub struct Settler {
    lane: Arc<Lane>,
    sinks: Sinks,
    limits: Reader<Limits>,
    random: Random,
    /// What the lane has still to hear of.
    decided: Decided,
    retries: BTreeMap<String, RetriesToTell>,
    reported: Option<Instant>,
    /// Pushes whose bytes are about to leave, which is not noted yet.
    handed: Vec<PushId>,
    /// After what time a push is answered, on the average of the last ones.
    answered_after: Duration,
    /// When the last one was.
    answered_at: Option<Instant>,
    /// Called before each settlement, to panic in.
    #[cfg(test)]
    pub(super) trap: fn(&Push),
}

#[derive(Debug)]
struct RetriesToTell {
    pushes: u64,
    first_id: u64,
    /// The place of the first in its caller's trace, as the line has it.
    traced: String,
    wait: Duration,
}

/// Answers of whose times the average is, about.
const AVERAGED: u32 = 16;

impl Settler {
    /// A settler for one thread; `seed` makes its jitter differ from the others'.
    pub fn new(lane: Arc<Lane>, logs: Logs, limits: Limits, seed: u64) -> Self {
        Self {
            sinks: Sinks::new(Arc::clone(&lane), logs),
            lane,
            limits: Arc::new(Live::new(limits)).reader(),
            random: Random::new(seed),
            decided: Decided::default(),
            retries: BTreeMap::new(),
            reported: None,
            handed: Vec::new(),
            answered_after: Duration::ZERO,
            answered_at: None,
            #[cfg(test)]
            trap: |_| {},
        }
    }

    /// The settler, which enters what it settles in that register.
    #[must_use]
    pub fn with_register(mut self, register: Arc<Register>) -> Self {
        self.sinks.register = register;
        self
    }

    /// Whether what is left outlives the process.
    pub fn keeps_what_is_left(&self) -> bool {
        self.sinks.register.keeps()
    }

    /// The settler, whose limits are `limits` as they are at each decision.
    #[must_use]
    pub fn following(self, limits: &Arc<Live<Limits>>) -> Self {
        let limits = limits.reader();
        Self { limits, ..self }
    }

    /// A random number, uniform over `u64`.
    pub fn random(&mut self) -> u64 {
        self.random.draw()
    }

    /// After what time a push is answered, on the average of the last ones, or how long none was,
    /// if that is longer; the last one was sent then.
    pub fn answered_after(&self, sent: Instant, now: Instant) -> Duration {
        let last = self.answered_at.map_or(sent, |answered| answered.max(sent));
        self.answered_after.max(now.saturating_duration_since(last))
    }

    /// Whether a push is sent again that the provider may have.
    pub fn resends_unknown(&self) -> bool {
        self.limits.look().resend_unknown
    }

    /// Whether it is noted of each push that its bytes are about to leave: where none that may
    /// have been sent is sent again, that must be known after a crash too.
    pub fn notes_handed(&self) -> bool {
        !self.resends_unknown() && self.sinks.register.keeps()
    }

    /// The bytes of a push leave when the round is flushed, where that is to be noted first.
    pub fn hand(&mut self, push: PushId) {
        if self.notes_handed() {
            self.handed.push(push);
        }
    }

    /// Notes of which pushes the bytes leave now.
    pub fn note_handed(&mut self) {
        if !self.handed.is_empty() {
            self.sinks.register.handed(&self.handed);
            self.handed.clear();
        }
    }

    /// A push that was handed to a connection goes back to the lane: it is noted how far it has
    /// come, if a crash may not forget that.
    pub fn note_tried(&self, push: &Push, due: Option<Instant>, now: Moment) {
        if push.attempts > 0 || due.is_some() || self.notes_handed() {
            self.sinks.register.tried(push, self.waits(due, now), now);
        }
    }

    /// Until when a push that is due then waits.
    fn waits(&self, due: Option<Instant>, now: Moment) -> Waits {
        let resting = self.lane.resting(now.monotonic);
        Waits {
            due,
            rest: resting.map(|resting| resting.until),
        }
    }

    /// Decides what follows an attempt and does it. A push that is to be sent again at once is
    /// given back.
    pub fn conclude(&mut self, ended: Ended, now: Moment) -> Option<Push> {
        let attempt = ended.attempt(now);
        let Ended {
            mut push,
            outcome,
            generation,
            ..
        } = ended;
        if let Outcome::Answered(answer) = &outcome {
            self.alarm(answer, &push, now.monotonic);
            self.decided.note(answer, &push, generation, now);
            if self.decided.is_full() {
                self.decided.hand_over(&self.lane);
            }
            self.hold_lane(answer, &push, now);
        }
        outage::note(&self.lane, &outcome, now);
        if push.is_retry
            && let Some(well) = is_well(&outcome)
        {
            self.lane.retries().budget().judge(push.class(), well);
        }
        let random = self.random.draw();
        let decision = policy::decide(&mut push, outcome, *self.limits.get(), now, random);
        if let Some((end, took)) = attempt {
            let (earlier, is_first) = (self.answered_after, self.answered_at.is_none());
            let earlier = if is_first { took } else { earlier };
            self.answered_after =
                earlier.saturating_mul(AVERAGED - 1).saturating_add(took) / AVERAGED;
            self.answered_at = Some(now.monotonic);
            let is_again = !matches!(decision, Decision::Settle(_));
            self.sinks.counted.tried(end, took, is_again);
        }
        self.carry_out(decision, push, now)
    }

    /// Counts an attempt that decides nothing on its push; `is_again`: that is to be sent again.
    pub fn count_attempt(&mut self, ended: &Ended, is_again: bool, now: Moment) {
        if let Some((end, took)) = ended.attempt(now) {
            self.sinks.counted.tried(end, took, is_again);
        }
    }

    /// Decides what becomes of a push that was refused as if by a bad credential, while others were
    /// taken. One that is to be sent again at once is given back.
    pub fn contradict(&mut self, mut push: Push, rebuff: Rebuff, now: Moment) -> Option<Push> {
        let random = self.random.draw();
        let limits = *self.limits.get();
        let decision = policy::contradicted(&mut push, rebuff, limits, now, random);
        if let Decision::Settle(settlement) = &decision {
            let Settlement { reason, error, .. } = settlement;
            ::log::warn!(
                "{}: {} fails with reason {reason}: {error}. It is about this push: look at \
                 its device token and at what is special about it",
                self.lane.id(),
                push.named(),
            );
        }
        self.carry_out(decision, push, now)
    }

    fn carry_out(&mut self, decision: Decision, push: Push, now: Moment) -> Option<Push> {
        match decision {
            Decision::Settle(settlement) => self.settle(&push, settlement, now),
            Decision::Resend => {
                self.note_tried(&push, None, now);
                return Some(push);
            }
            Decision::Retry { due, why } => {
                self.note_tried(&push, Some(due), now);
                self.note_retry(&push, why, due.saturating_duration_since(now.monotonic));
                // What does not wait is no part of a storm: its connection was at fault.
                if due <= now.monotonic {
                    return Some(push);
                }
                self.lane.retries().shelve(push, due);
            }
        }
        None
    }

    /// Settles a push whose time has passed, or the time in which it may be tried again; gives back
    /// one that is still worth sending.
    pub fn settle_if_expired(&mut self, mut push: Push, now: Moment) -> Option<Push> {
        self.keeps(&mut push, now).then_some(push)
    }

    /// Whether a push is still worth sending; one that is not is settled.
    pub fn keeps(&mut self, push: &mut Push, now: Moment) -> bool {
        if push.setback.is_some() && self.lane.holding().is_held() {
            // What a hold keeps waiting is not late by that.
            push.setback = None;
        }
        let expired = policy::expired(push, *self.limits.get(), now);
        match expired.or_else(|| policy::too_late(push, now)) {
            Some(settlement) => {
                self.settle(push, settlement, now);
                false
            }
            None => true,
        }
    }

    /// When a push is worthless.
    pub fn expires_at(&mut self, push: &Push, now: Moment) -> Instant {
        policy::expires_at(push.accepted(), *self.limits.get(), now)
    }

    /// Settles a push whose request cannot be written; `why` goes to its log line.
    pub fn settle_as_unsendable(&mut self, push: &Push, why: &str, now: Moment) {
        self.settle(push, policy::unsendable(push, why), now);
    }

    /// Leaves what is left over when the daemon must end to the next start, or settles it if
    /// nothing outlives this one. What was recovered from a log is not settled: it stays
    /// outstanding there, for the next time. `due` is when it was to be tried again.
    pub fn leave(&mut self, push: &Push, due: Option<Instant>, now: Moment) {
        if self.sinks.logs.origins.is_some() {
            return;
        }
        self.lane.room().leave_behind();
        if self.sinks.register.leave(push, self.waits(due, now), now) {
            self.sinks.tally.leave(push);
            return;
        }
        self.settle(push, policy::left_at_shutdown(push), now);
    }

    /// Settles a push: the one place where a push ends. A panic in here has not settled it.
    pub fn settle(&mut self, push: &Push, mut settlement: Settlement, now: Moment) {
        let first_attempt = push.first_attempt.unwrap_or(now.monotonic);
        settlement.took = now.monotonic.saturating_duration_since(first_attempt);
        self.sinks.write(push, &settlement, now);
        #[cfg(test)]
        (self.trap)(push);
        // From here on it is settled.
        self.lane.retries().end(push);
        self.sinks.tell(push, settlement, now);
    }

    /// Lines that [`Settler::flush`] has still to hand to the logs: access, error.
    pub fn unflushed(&self) -> [&[u8]; 2] {
        self.sinks.unflushed()
    }

    /// Hands the round's lines to the logs, gives the settled pushes' room back, and tells the
    /// operator of retries.
    pub fn flush(&mut self, now: Instant) {
        self.sinks.hand_over();
        self.decided.hand_over(&self.lane);
        let since = self.reported.map(|at| now.saturating_duration_since(at));
        if !self.retries.is_empty() && since.is_none_or(|since| since >= RETRY_REPORT_EVERY) {
            self.report_retries();
            self.reported = Some(now);
        }
    }

    /// Keeps the lane's other retries back if the answers to several ask for that, and all of it if
    /// most answers do.
    fn hold_lane(&mut self, answer: &Answer, push: &Push, now: Moment) {
        let asked = policy::lane_hold(answer).and_then(|(hold, spread)| {
            let until = now.monotonic.checked_add(hold)?;
            Some(Asked { until, spread })
        });
        let said = match answer.lane {
            LaneEffect::Slow => Said::Refused(Target::of(push.token())),
            _ => Said::Nothing,
        };
        let why = || format!("{} {}", answer.status, answer.reason).trim().into();
        if let Turn::Begun {
            until,
            is_news: true,
        } = self.lane.heard(said, asked, why, now)
        {
            let wait = until.saturating_duration_since(now.monotonic);
            let end = Moment {
                monotonic: until,
                unix: now.unix.saturating_add(wait),
                ..now
            };
            let (lane, text) = (self.lane.id(), &answer.error);
            ::log::warn!(
                "{lane}: the provider refuses whatever comes and asks to wait ({} {}: {text}): \
                 nothing is sent for {} s, until {}",
                answer.status,
                answer.reason,
                wait.as_secs_f32().ceil(),
                self.sinks.time_text.at(end),
            );
        }
    }

    /// Tells the operator of an answer that is not about one push alone.
    fn alarm(&self, answer: &Answer, push: &Push, now: Instant) {
        if answer.lane != LaneEffect::Alarm {
            return;
        }
        let key = format!("{} {}", answer.status, answer.reason);
        if self.lane.holding().alarms().is_due(&key, now) {
            ::log::error!(
                "{}: {key}: {} ({}); look into it",
                self.lane.id(),
                answer.error,
                push.named()
            );
        }
    }

    fn note_retry(&mut self, push: &Push, why: String, wait: Duration) {
        let known = self.retries.len() < RETRY_REASONS || self.retries.contains_key(&why);
        let key = if known { why } else { OTHER_REASONS.to_owned() };
        let retries = self.retries.entry(key).or_insert_with(|| RetriesToTell {
            pushes: 0,
            first_id: push.id().0,
            traced: match push.note().traceparent {
                "" => String::new(),
                traceparent => format!(", traceparent {traceparent}"),
            },
            wait,
        });
        retries.pushes += 1;
    }

    fn report_retries(&mut self) {
        for (why, retries) in std::mem::take(&mut self.retries) {
            ::log::info!(
                "{}: {} to be sent again after {why} (the first: id {}{}, in {:.1} s)",
                self.lane.id(),
                push::counted(retries.pushes),
                retries.first_id,
                retries.traced,
                retries.wait.as_secs_f32(),
            );
        }
    }
}

/// Whether the provider is well, as far as an attempt shows: it said its last word on a push.
fn is_well(outcome: &Outcome) -> Option<bool> {
    match outcome {
        Outcome::Answered(answer) => Some(!matches!(answer.verdict, Verdict::Retry(_))),
        Outcome::NotProcessed(_) | Outcome::Unknown(_) => Some(false),
        Outcome::NotSent | Outcome::Forgotten(_) => None,
    }
}

#[cfg(test)]
mod tests;
