//! What must be true of every push: a second account of its life, kept from the octets that passed
//! between daemon and provider and from the log lines, and compared with what the daemon says.
//!
//! The rules that it holds the daemon to are written a second time here, from the promises, so
//! that the policy cannot agree with itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use sterna::delivery::policy::Limits;
use sterna::lane::Lane;
use sterna::moment::Moment;
use sterna::push::{Accepted, PushId};

use crate::coverage::{Coverage, Kind};
use crate::reply::{Class, Reply};

/// Refusals in a row that cost nothing.
const FREE_REFUSALS: u32 = 5;
/// No attempt later than this after the first.
const RETRY_WINDOW: Duration = Duration::from_secs(3600);
/// How often it is looked whether pushes wait beyond their time.
const LOOKS_EVERY: Duration = Duration::from_secs(1);
/// The longest back-off.
const LONGEST_BACKOFF: Duration = Duration::from_secs(900);
/// While nothing moves, what waits is settled as expired so soon after its time: a connection
/// counts as stuck after ten seconds, its thread looks each ten, and the queue is swept each ten.
const EXPIRED_WITHIN: Duration = Duration::from_secs(35);

/// How a request on the wire came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Not an octet of it left.
    NotSent,
    /// The provider said that it did nothing with it.
    NotProcessed,
    /// Sent, and nothing was heard of it.
    Unknown,
    /// The same, where the connection's certificate was refused before anything was answered.
    Spared,
    /// This was its answer.
    Answered(Reply),
}

/// The life of one push.
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent of each other"
)]
struct Record {
    accepted: Arc<Accepted>,
    deadline: Instant,
    /// Link and stream, while a request of it is open.
    flight: Option<(usize, u32)>,
    flown: Option<Instant>,
    attempts: u32,
    refusals: u32,
    used_its_second_chance: bool,
    /// Attempts of which nothing was heard.
    unknown: u32,
    /// Its request is to show whether the credential is taken again.
    is_probe: bool,
    first_attempt: Option<Instant>,
    /// Not to be sent again before this.
    not_before: Option<Instant>,
    last: Option<Fate>,
    /// How often the provider took it.
    taken: u32,
    /// The final answer that came, which the same round has to settle.
    due: Option<Reply>,
    settled: bool,
    /// It was told that it waits beyond its time.
    told_late: bool,
}

/// All pushes of a world.
pub(crate) struct Ledger {
    records: BTreeMap<u64, Record>,
    /// Pushes with a final answer since the last look.
    due: Vec<u64>,
    unsettled: usize,
    /// When a request was sent last.
    moved: Option<Instant>,
    /// When a request was looked for that waits beyond its time.
    looked: Instant,
    limits: Limits,
    /// Requests that were written.
    pub(crate) requests: u64,
    pub(crate) lane: Arc<Lane>,
    pub(crate) stopped: bool,
    pub(crate) coverage: Coverage,
    pub(crate) violations: Vec<String>,
    /// What happened, if it is to be told.
    pub(crate) trace: Option<Vec<String>>,
    /// A number that depends on everything that happened.
    pub(crate) digest: u64,
    origin: Instant,
}

impl Ledger {
    pub(crate) fn new(origin: Instant, lane: Arc<Lane>, limits: Limits, traced: bool) -> Self {
        Self {
            records: BTreeMap::new(),
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

    pub(crate) fn accept(&mut self, accepted: &Arc<Accepted>) {
        let expiry = u64::try_from(accepted.notification.expiry).unwrap();
        let life = match Duration::from_secs(expiry) {
            Duration::ZERO => self.limits.max_age,
            life => life.min(self.limits.max_age),
        };
        for id in (accepted.first_id.0..).take(accepted.tokens.len()) {
            let record = Record {
                accepted: Arc::clone(accepted),
                deadline: accepted.at.monotonic + life,
                flight: None,
                flown: None,
                attempts: 0,
                refusals: 0,
                used_its_second_chance: false,
                unknown: 0,
                is_probe: false,
                first_attempt: None,
                not_before: None,
                last: None,
                taken: 0,
                due: None,
                settled: false,
                told_late: false,
            };
            self.records.insert(id, record);
            self.unsettled += 1;
        }
    }

    pub(crate) fn unsettled(&self) -> usize {
        self.unsettled
    }

    /// What the push's request has to look like.
    pub(crate) fn accepted(&self, push: u64) -> Option<&Arc<Accepted>> {
        self.records.get(&push).map(|record| &record.accepted)
    }

    /// A request of it was written.
    pub(crate) fn sent(&mut self, push: u64, link: usize, stream: u32, now: Instant) {
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
        record.flight = Some((link, stream));
        record.is_probe = self.lane.is_probe(PushId(push));
        if record.is_probe {
            self.coverage.count(Kind::Probe);
        }
        self.moved = Some(now);
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
        record.flight = None;
        record.flown = Some(now);
        let fate = match fate {
            Fate::Spared if !self.limits.resend_unknown => Fate::Unknown,
            fate => fate,
        };
        record.last = Some(fate);
        let mut wait = Duration::ZERO;
        match fate {
            Fate::NotSent => {}
            Fate::NotProcessed => record.refused(),
            Fate::Unknown => {
                record.attempts += 1;
                record.refusals = 0;
                record.unknown += 1;
            }
            Fate::Spared => {
                record.refusals = 0;
                record.unknown += 1;
                record.used_its_second_chance = false;
                record.first_attempt = None;
            }
            Fate::Answered(reply) if record.is_spared(reply) => {
                record.refusals = 0;
                record.used_its_second_chance = false;
                record.first_attempt = None;
            }
            Fate::Answered(reply) => {
                let again = !matches!(reply.class, Class::Taken | Class::Final | Class::Held);
                if matches!(reply.class, Class::Elsewhere | Class::OnceElsewhere) {
                    record.refused();
                } else {
                    record.attempts += 1;
                    record.refusals = 0;
                }
                record.used_its_second_chance |=
                    matches!(reply.class, Class::Once | Class::OnceElsewhere);
                if !again {
                    record.due = Some(reply);
                    self.due.push(push);
                }
                let asked = Duration::from_secs(reply.retry_after.unwrap_or(0));
                wait = asked.min(RETRY_WINDOW);
            }
        }
        if record.refusals > FREE_REFUSALS {
            self.coverage.count(Kind::CostlyRefusal);
        }
        record.not_before = Some(now + wait);
    }

    /// The provider took it.
    pub(crate) fn taken(&mut self, push: u64, now: Instant) {
        self.tell(now, push, || format!("push {push} taken"));
        let Some(record) = self.records.get_mut(&push) else {
            return;
        };
        record.taken += 1;
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
        for line in lines.split(|octet| *octet == b'\n') {
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
        let expected_type = if succeeded {
            "succeeded-push"
        } else {
            "failed-push"
        };
        if line["type"] != expected_type {
            faults.push(format!("is in the wrong log: {}", line["type"]));
        }
        let maybe_sent = line["maybe_sent"].as_bool().unwrap_or(false);
        if maybe_sent != (record.unknown > 0) {
            faults.push(format!("says maybe_sent = {maybe_sent}"));
        }
        let attempt = line["attempt"].as_u64().unwrap();
        if reason != "shutdown" && attempt != u64::from(record.attempts) {
            let attempts = record.attempts;
            faults.push(format!("says attempt {attempt}, and {attempts} counted"));
        }
        let status = line["status"].as_u64();
        let answer = record.due.take();
        let judged = match answer {
            Some(reply) => {
                let same = status == Some(reply.status.into()) && reason == reply.reason;
                (same && succeeded == (reply.class == Class::Taken)).then_some(())
            }
            None if succeeded => None,
            None => record.may_fail(&reason, status, now, self.limits, self.stopped),
        };
        match reason.as_str() {
            "expired" => self.coverage.count(Kind::Expired),
            "shutdown" => self.coverage.count(Kind::LeftAtShutdown),
            _ if answer.is_none() => self.coverage.count(Kind::GaveUp),
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

impl Record {
    /// Whether an answer is about the credential, so that it costs the push nothing.
    fn is_spared(&self, reply: Reply) -> bool {
        let last = self.is_probe || self.used_its_second_chance;
        match reply.class {
            _ if reply.broken => false,
            Class::Held => true,
            Class::Once | Class::OnceElsewhere => last,
            _ => false,
        }
    }

    /// One more refusal in a row.
    fn refused(&mut self) {
        self.refusals += 1;
        if self.refusals > FREE_REFUSALS {
            self.attempts += 1;
        }
    }

    /// Whether a settlement without a final answer is right.
    fn may_fail(
        &self,
        reason: &str,
        status: Option<u64>,
        now: Instant,
        limits: Limits,
        stopped: bool,
    ) -> Option<()> {
        let first = self.first_attempt.unwrap_or(now);
        let asked = match self.last {
            Some(Fate::Answered(reply)) => reply.retry_after.unwrap_or(0),
            _ => 0,
        };
        let longest = LONGEST_BACKOFF.max(Duration::from_secs(asked * 11 / 10));
        let end = self.deadline.min(first + RETRY_WINDOW);
        let is_late = now + longest >= end;
        let used_up = self.attempts > u32::from(limits.retry_max) || is_late;
        let right = match (reason, self.last) {
            ("expired", _) => now >= self.deadline && self.flight.is_none(),
            ("shutdown", _) => stopped,
            ("unanswered", Some(Fate::Unknown)) => {
                let was_resent = self.unknown > 1 || is_late;
                status.is_none() && (!limits.resend_unknown || used_up && was_resent)
            }
            ("refused", Some(Fate::NotProcessed)) => used_up && status.is_none(),
            (reason, Some(Fate::Answered(reply))) => {
                used_up && reason == reply.reason && status == Some(reply.status.into())
            }
            _ => false,
        };
        right.then_some(())
    }
}
