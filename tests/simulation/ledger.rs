//! What must be true of every push: a second account of its life, kept from the bytes that passed
//! between daemon and provider and from the log lines, and compared with what the daemon says.
//!
//! The rules that it holds the daemon to are written a second time here, from the promises, so
//! that the policy cannot agree with itself.

mod accepted;
mod class;
mod hold;
mod life;
mod pace;
mod record;
mod rest;
mod restarted;
mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use sterna::delivery::policy::Limits;
use sterna::delivery::reasons::NO_ACCESS_TOKEN;
use sterna::lane::{self, Lane, Proof};
use sterna::moment::Moment;
use sterna::push::Accepted;

use crate::coverage::{Coverage, Kind};
use crate::reply::{Class, Reply};
pub(crate) use hold::Hold;
pub(crate) use life::life_of;
use pace::Pace;
use record::{FREE_REFUSALS, Record};
use rest::Rest;
use trial::Trial;

/// A provider can ask the lane as a whole to wait for so long.
const LANE_WAIT_MAX: Duration = Duration::from_secs(300);
/// No attempt later than this after the first.
const RETRY_WINDOW: Duration = Duration::from_secs(3600);
/// How often it is looked whether pushes wait beyond their time.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// The longest back-off.
const LONGEST_BACKOFF: Duration = Duration::from_secs(900);
/// While nothing moves, what waits is settled as expired so soon after its time: a connection
/// counts as stuck after ten seconds, its thread looks each ten, and the queue is swept each ten.
const EXPIRED_WITHIN: Duration = Duration::from_secs(35);
/// The wait before the first probe of a refused credential.
pub(crate) const FIRST_PROBE: Duration = Duration::from_secs(30);

/// How a request on the wire came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Not a byte of it left.
    NotSent,
    /// The provider said that it did nothing with it, maybe only since it came too early for the
    /// connection.
    NotProcessed { is_early: bool },
    /// Sent, and nothing was heard of it.
    Unknown,
    /// The same, where the connection's certificate was refused before anything was answered.
    Spared,
    /// This was its answer.
    Answered(Reply),
}

/// All pushes of a world.
pub(crate) struct Ledger {
    records: BTreeMap<u64, Record>,
    /// Pushes by their device token, which no two share.
    tokens: BTreeMap<String, u64>,
    /// Pushes with a final answer since the last look.
    due: Vec<u64>,
    unsettled: usize,
    /// When a request was sent last.
    pub(crate) moved: Option<Instant>,
    /// When a request was looked for that waits beyond its time.
    looked: Instant,
    limits: Limits,
    /// Requests that were written.
    pub(crate) requests: u64,
    pub(crate) lane: Arc<Lane>,
    pub(crate) stopped: bool,
    pub(crate) hold: Hold,
    pub(crate) pace: Pace,
    /// Of a new credential.
    pub(crate) trial: Trial,
    /// By link: the number of its route.
    generations: Vec<u64>,
    /// When the provider asked the lane to wait, and until when.
    slowed: Option<(Instant, Instant)>,
    rest: Rest,
    /// When the present process began.
    started: Instant,
    /// The longest that a push waited until it was taken, and was not refused.
    pub(crate) slowest: Duration,
    /// What is being purged.
    pub(crate) purging: Option<&'static str>,
    /// Pushes that were to be purged one by one.
    pub(crate) purging_one: BTreeSet<u64>,
    pub(crate) coverage: Coverage,
    pub(crate) violations: Vec<String>,
    /// What happened, if it is to be told.
    pub(crate) trace: Option<Vec<String>>,
    /// A number that depends on everything that happened.
    pub(crate) digest: u64,
    origin: Instant,
}

impl Ledger {
    pub(crate) fn new(
        origin: Instant,
        lane: Arc<Lane>,
        limits: Limits,
        rate: u32,
        traced: bool,
    ) -> Self {
        Self {
            pace: Pace::new(rate, origin),
            hold: Hold::new(FIRST_PROBE),
            generations: Vec::new(),
            trial: Trial::default(),
            slowed: None,
            rest: Rest::default(),
            started: origin,
            slowest: Duration::ZERO,
            purging: None,
            purging_one: BTreeSet::new(),
            records: BTreeMap::new(),
            tokens: BTreeMap::new(),
            due: Vec::new(),
            unsettled: 0,
            moved: None,
            looked: origin,
            limits,
            requests: 0,
            lane,
            stopped: false,
            coverage: Coverage::default(),
            violations: Vec::new(),
            trace: traced.then(Vec::new),
            digest: 0,
            origin,
        }
    }

    /// Notes what happened; `words` is called only if it is to be told.
    pub(crate) fn tell(&mut self, now: Instant, number: u64, words: impl FnOnce() -> String) {
        let at = now.duration_since(self.origin);
        let mixed = number ^ u64::try_from(at.as_nanos()).unwrap();
        self.digest = (self.digest.rotate_left(7) ^ mixed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:11.3} {}", at.as_secs_f64(), words()));
        }
    }

    pub(crate) fn violate(&mut self, now: Instant, what: impl Into<String>) {
        let what = what.into();
        let at = now.duration_since(self.origin).as_secs_f64();
        self.tell(now, 0, || format!("VIOLATION {what}"));
        self.violations.push(format!("at {at:.3} s: {what}"));
    }

    /// The push to that device token.
    pub(crate) fn push_to(&self, token: &str) -> Option<u64> {
        self.tokens.get(token).copied()
    }

    /// A connection was opened by the route of that number.
    pub(crate) fn connected(&mut self, generation: u64) {
        self.generations.push(generation);
    }

    /// How long a push had waited when that request of it was sent; nothing if that request is over
    /// for the daemon.
    pub(crate) fn waited(&self, push: u64, flight: (usize, u32)) -> Option<Duration> {
        let record = &self.records[&push];
        let sent = record.sent.filter(|_| record.flight == Some(flight))?;
        Some(sent.duration_since(record.accepted.at.monotonic))
    }

    /// The number of the route that a connection was opened by.
    pub(crate) fn generation_of(&self, link: usize) -> u64 {
        self.generations[link]
    }

    fn generation(&self, link: Option<(usize, u32)>) -> u64 {
        link.map_or(0, |(link, _)| self.generations[link])
    }

    /// A connection's credential was refused as a whole.
    pub(crate) fn refused(&mut self, link: usize) {
        self.hold.refuse(None, false, link, self.generations[link]);
        self.coverage.count(Kind::CredentialGoAway);
    }

    pub(crate) fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// Whether a push is in flight, as far as the daemon knows.
    fn are_others_in_flight(&self) -> bool {
        self.records.values().any(|record| record.flight.is_some())
    }

    /// What was heard of the credential takes effect: pushes that were refused while others are
    /// taken wait for another attempt, or have had their last.
    fn conclude(&mut self, now: Instant) {
        if !self.hold.has_news() {
            return;
        }
        let others = self.are_others_in_flight();
        for (push, (link, reply)) in self.hold.conclude(others, now) {
            let Some(record) = self.records.get_mut(&push).filter(|it| !it.settled) else {
                continue;
            };
            record.contradicted(link, reply, now);
            self.coverage.count(Kind::Contradicted);
            self.tell(now, push, || format!("others contradict push {push}"));
        }
    }

    /// Another credential is in use.
    pub(crate) fn replaced(&mut self, generation: u64, now: Instant) {
        // Whatever else holds it up.
        let is_tried = |hold: &lane::Hold| match hold {
            lane::Hold::Credential { reason, .. } => **reason != *NO_ACCESS_TOKEN,
            lane::Hold::Operator { .. } => false,
        };
        let is_held = self.lane.holding().holds().iter().any(is_tried);
        for push in self.hold.replaced(generation, is_held, now) {
            if let Some(record) = self.records.get_mut(&push) {
                record.used_its_second_chance = false;
            }
        }
    }

    /// What the push's request has to look like.
    pub(crate) fn accepted(&self, push: u64) -> Option<&Arc<Accepted>> {
        self.records.get(&push).map(|record| &record.accepted)
    }

    /// A request of it was written.
    pub(crate) fn sent(&mut self, push: u64, link: usize, stream: u32, now: Instant) {
        self.conclude(now);
        self.tell(now, push, || format!("push {push} sent on {link}/{stream}"));
        self.requests += 1;
        let Some(record) = self.records.get_mut(&push) else {
            return self.violate(now, format!("push {push} was sent and never accepted"));
        };
        let mut faults = Vec::new();
        if record.settled {
            faults.push("after its settlement");
        }
        if record.flight.is_some() {
            faults.push("while it is in flight");
        }
        if now >= record.deadline {
            faults.push("after its own time");
        }
        if record.not_before.is_some_and(|at| now < at) {
            faults.push("before its wait was over");
        }
        if record.unknown > 0 && !self.limits.resend_unknown {
            faults.push("after an unknown outcome, though that is not wanted");
        }
        match record.refused_on {
            Some(refuser) if refuser == link => faults.push("on the connection that refused it"),
            Some(_) => self.coverage.count(Kind::ResentElsewhere),
            None => {}
        }
        let in_use = self.hold.generation();
        faults.extend(self.trial.sent(push, self.generations[link], in_use));
        faults.extend(self.hold.sent(push, now));
        faults.extend(self.pace.sent(now));
        if self.rest.rests(now) || self.lane.rests(now) {
            faults.push("while the lane rests");
        }
        if self.pace.is_used_up() {
            self.coverage.count(Kind::RateUsedUp);
        }
        record.flight = Some((link, stream));
        record.is_probe = self.hold.is_probe(push);
        if record.is_probe {
            self.coverage.count(Kind::Probe);
        }
        self.moved = self.moved.max(Some(now));
        record.sent = Some(now);
        record.first_attempt.get_or_insert(now);
        for fault in faults {
            self.violate(now, format!("push {push} was sent {fault}"));
        }
    }

    /// Its request came to an end.
    pub(crate) fn ended(&mut self, push: u64, fate: Fate, now: Instant) {
        self.tell(now, push, || format!("push {push} ended as {fate:?}"));
        let Some(record) = self.records.get_mut(&push) else {
            return;
        };
        let flight = record.flight.take();
        record.flown = Some(now);
        let by = flight.map_or(0, |(link, _)| self.generations[link]);
        if self.trial.ended(by, fate) {
            record.unknown += u32::from(fate == Fate::Unknown);
            record.spare();
            (record.refused_on, record.not_before) = (None, None);
            return;
        }
        let is_proved = self.lane.holding().is_proved(now);
        let fate = fate.believed(self.limits.resend_unknown, is_proved);
        record.last = Some(fate);
        let mut wait = Duration::ZERO;
        let mut own_slowdown = None;
        let mut is_spared = false;
        match fate {
            Fate::NotSent => {}
            Fate::NotProcessed { is_early } => {
                record.refused();
                if is_early {
                    self.coverage.count(Kind::RefusedEarly);
                } else {
                    record.refused_on = flight.map(|(link, _)| link);
                }
            }
            Fate::Unknown => {
                record.attempts += 1;
                record.refusals = 0;
                record.unknown += 1;
            }
            Fate::Spared => {
                record.unknown += 1;
                record.spare();
                record.used_its_second_chance = false;
            }
            Fate::Answered(reply) if record.is_spared(reply) => {
                record.spare();
                is_spared = true;
            }
            Fate::Answered(reply) if record.is_kept(reply) => {
                self.coverage.count(Kind::OtherTopicProbed);
                record.spare();
            }
            Fate::Answered(reply) => {
                if record.answered(reply) {
                    record.due = Some(reply);
                    self.due.push(push);
                }
                wait = reply.least_wait();
                let lane_wait = Duration::from_secs(reply.asked().unwrap_or(0)).min(LANE_WAIT_MAX);
                let until = now + lane_wait;
                let of_lane = self
                    .rest
                    .heard(reply.slows.then_some(push), Some(until), now);
                let is_new = |until: &Instant| self.slowed.is_none_or(|(_, known)| known < *until);
                own_slowdown = of_lane.filter(is_new);
            }
        }
        if record.refusals > FREE_REFUSALS {
            self.coverage.count(Kind::CostlyRefusal);
        }
        // Of what came in the same round, nobody knows which was heard first.
        let slowed = self.slowed.filter(|(since, _)| *since < now);
        let slowed = slowed.map(|(_, until)| until).max(own_slowdown);
        let mut not_before = now + wait;
        if record.is_shelved() {
            if slowed.is_some_and(|until| until > not_before) {
                self.coverage.count(Kind::WaitsForLane);
            }
            not_before = not_before.max(slowed.unwrap_or(now));
        }
        record.not_before = Some(not_before);
        if let Some(until) = own_slowdown {
            self.slowed = Some((now, until));
        }
        self.judge_credential(push, fate, is_spared, flight, now);
    }

    /// Its thread has panicked, and looks at its answer when it has had its rest.
    pub(crate) fn may_settle_later(&mut self, push: u64) {
        self.due.retain(|due| *due != push);
    }

    /// What the end of a request says of the credential.
    fn judge_credential(
        &mut self,
        push: u64,
        fate: Fate,
        spared: bool,
        flight: Option<(usize, u32)>,
        now: Instant,
    ) {
        let generation = self.generation(flight);
        let link = flight.map_or(0, |(link, _)| link);
        match fate {
            Fate::Answered(reply) if spared => {
                if self.hold.is_probe(push) {
                    self.coverage.count(Kind::ProbeRefused);
                }
                let record = self.records.get_mut(&push).unwrap();
                let is_discredited = record.contradictions > 0;
                let met = Some((push, reply));
                let counts = self.hold.refuse(met, is_discredited, link, generation);
                record.used_its_second_chance &= counts;
            }
            Fate::Answered(reply) if reply.proves() => {
                if self.hold.is_probe(push) {
                    self.coverage.count(Kind::ProbePassed);
                }
                let envelope = &self.records[&push].accepted.envelope;
                let proof = Proof::of(envelope.has_bare_topic());
                self.hold.taken(generation, proof);
                self.hold.ended(push, true, now);
            }
            fate => {
                // What is purged says nothing, and another goes in its place.
                let was_sent = !fate.is_nothing() && !self.purging_one.contains(&push);
                self.hold.ended(push, was_sent, now);
            }
        }
    }

    /// The provider took it.
    pub(crate) fn taken(&mut self, push: u64, now: Instant) {
        self.tell(now, push, || format!("push {push} taken"));
        let Some(record) = self.records.get_mut(&push) else {
            return;
        };
        record.taken += 1;
        if record.last.is_none() {
            let since = record.accepted.at.monotonic.max(self.started);
            self.slowest = self.slowest.max(now.saturating_duration_since(since));
        }
        if record.taken > 1 {
            self.coverage.count(Kind::Doubled);
            if record.unknown == 0 {
                let what = format!("push {push} was taken twice without an unknown outcome");
                self.violate(now, what);
            }
        }
    }

    /// Reads lines of the push logs.
    pub(crate) fn read_log(&mut self, lines: &[u8], succeeded: bool, now: Moment) {
        self.conclude(now.monotonic);
        for line in lines.split(|byte| *byte == b'\n') {
            if !line.is_empty() {
                let line: Value = serde_json::from_slice(line).unwrap();
                self.settled(&line, succeeded, now.monotonic);
            }
        }
    }

    fn settled(&mut self, line: &Value, succeeded: bool, now: Instant) {
        let push = line["id"].as_u64().unwrap();
        let reason = line["reason"].as_str().unwrap_or("").to_owned();
        self.tell(now, push, || {
            let tail = ["status", "reason", "attempt", "maybe_sent", "error"];
            let tail: Vec<_> = tail
                .iter()
                .map(|key| format!("{key}={}", line[key]))
                .collect();
            format!("push {push} settled: {}", tail.join(" "))
        });
        let Some(record) = self.records.get_mut(&push) else {
            return self.violate(now, format!("push {push} was settled and never accepted"));
        };
        let mut faults = Vec::new();
        if record.settled {
            faults.push("was settled twice".to_owned());
        } else {
            self.unsettled -= 1;
        }
        record.settled = true;
        self.hold.settled(push);
        if line["type"] != ["failed-push", "succeeded-push"][usize::from(succeeded)] {
            faults.push(format!("is in the wrong log: {}", line["type"]));
        }
        let maybe_sent = line["maybe_sent"].as_bool().unwrap_or(false);
        if maybe_sent != (record.unknown > 0) {
            faults.push(format!("says maybe_sent = {maybe_sent}"));
        }
        let attempt = line["attempt"].as_u64().unwrap();
        let is_singled_out = record.is_singled_out(&reason, now);
        record.attempts += u32::from(is_singled_out);
        if reason != "shutdown" && attempt != u64::from(record.attempts) {
            let attempts = record.attempts;
            faults.push(format!("says attempt {attempt}, and {attempts} counted"));
        }
        let status = line["status"].as_u64();
        let answer = record.due.take();
        let token_is = answer.and_then(|it| it.token_is(&record.accepted.envelope));
        if line["token_is"].as_str() != token_is {
            faults.push(format!("says that its token is {}", line["token_is"]));
        }
        let judged = match answer {
            Some(reply) => {
                let same = status == Some(reply.status.into()) && reason == reply.reason;
                (same && succeeded == (reply.class == Class::Taken)).then_some(())
            }
            None if succeeded => None,
            None if reason == "purged" => {
                let wanted = self.purging == Some(record.accepted.parcel.note().texts.identifier);
                let wanted = wanted || self.purging_one.contains(&push);
                self.hold.forget(push, now);
                (wanted && record.flight.is_none() && status.is_none()).then_some(())
            }
            None if is_singled_out => Some(()),
            None => record.may_fail(&reason, status, now, self.limits, self.stopped),
        };
        match reason.as_str() {
            "expired" => self.coverage.count(Kind::Expired),
            "shutdown" => self.coverage.count(Kind::LeftAtShutdown),
            "purged" => self.coverage.count(Kind::Purged),
            _ if is_singled_out => self.coverage.count(Kind::SingledOut),
            "unanswered" if !self.limits.resend_unknown => self.coverage.count(Kind::NotResent),
            _ if answer.is_none() => self.coverage.count(Kind::GaveUp),
            _ if succeeded => self.coverage.count(Kind::Succeeded),
            _ => {}
        }
        if judged.is_none() {
            let last = record.last;
            faults.push(format!("was settled {status:?} {reason:?} after {last:?}"));
        }
        for fault in faults {
            self.violate(now, format!("push {push} {fault}"));
        }
    }

    /// What a round must have done by its end.
    pub(crate) fn check_round(&mut self, now: Instant) {
        self.conclude(now);
        if self.lane.rests(now) {
            self.coverage.count(Kind::LaneRests);
        }
        let is_held = self.lane.holding().is_refused();
        if self.hold.is_refused() && !self.hold.round_over(is_held) {
            self.violate(now, "the lane is open, though its credential was refused");
            self.hold.forget_all();
        }
        for push in std::mem::take(&mut self.due) {
            if let Some(reply) = self.records[&push].due {
                let what = format!("push {push} was not settled by its answer {reply:?}");
                self.violate(now, what);
            }
        }
    }

    /// What must be true at any time.
    pub(crate) fn check_waiting(&mut self, now: Instant) {
        if now < self.looked + LOOKS_EVERY {
            return;
        }
        self.looked = now;
        let mut late = Vec::new();
        for (push, record) in &mut self.records {
            if record.settled || record.flight.is_some() || record.told_late {
                continue;
            }
            let since = [record.flown, self.moved].into_iter().flatten();
            let since = since.fold(record.deadline, Instant::max);
            if now > since + EXPIRED_WITHIN {
                late.push(*push);
                record.told_late = true;
            }
        }
        for push in late {
            self.violate(now, format!("push {push} waits though its time has passed"));
        }
    }

    /// What must be true at the end.
    pub(crate) fn check_end(&mut self, now: Instant) {
        let left: Vec<u64> = self
            .records
            .iter()
            .filter(|(_, record)| !record.settled)
            .map(|(push, _)| *push)
            .collect();
        if !left.is_empty() {
            self.violate(now, format!("never settled: pushes {left:?}"));
        }
    }
}
