//! How often each fault that was asked for has struck: who asks learns whether it happened.
//!
//! Counted where a fault takes effect, not where it is drawn: what is drawn for a request that
//! deserves another answer has not struck.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{Answering, Failure, Farewell, Faults, Strike};
use crate::simulator::answer::{Judgement, Reply};
use crate::simulator::provider::Provider;

/// One fault that can be asked for, with the value that a script gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) enum Asked {
    /// An answer is held back.
    Latency,
    /// The same, for a time that was drawn.
    LatencySpread,
    /// A failure of the endpoint's mix is answered.
    Fail,
    /// This failure is answered.
    Named(Failure),
    /// A stream is refused before it is looked at.
    Refuse,
    /// A stream or a connection ends before its time.
    Strike(Strike),
    /// A client is sent away.
    GoAway(Farewell),
    /// An answer names a time to wait.
    RetryAfter,
    /// The limit on streams is lowered for a refusal.
    Penalty,
    /// A client that knows of the limit has that many streams open.
    Streams(u32),
    /// A client has used a stream's whole window up, and has more to send.
    StreamWindow(u32),
    /// A client has used the connection's whole window up.
    ConnectionWindow(u32),
    /// A client has acknowledged it, and asked for something since.
    HeaderTable(u32),
    /// There was more to send than goes at once.
    Slow,
    /// Nobody listens. The kernel refuses who comes and tells nobody: counted is that the door was
    /// shut.
    Closed,
}

/// How often each fault has struck at one endpoint.
#[derive(Debug)]
pub(in crate::simulator) struct Tally {
    provider: Provider,
    /// Requests whose head has come: whether there was anybody to be struck.
    requests: AtomicU64,
    struck: Mutex<Vec<(Asked, u64)>>,
}

/// How often one fault that was asked for has struck at one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struck {
    /// At which endpoint.
    pub provider: Provider,
    /// The fault, as a script names it.
    pub fault: String,
    /// How often.
    pub times: u64,
}

impl Tally {
    /// Of an endpoint with the faults of the flags, and those of its phases. What the flags ask of
    /// all endpoints is not asked of those that take no pushes and have a request now and then:
    /// only failures with a name of their own are.
    pub(super) fn new<'a>(
        provider: Provider,
        base: &Faults,
        phases: impl Iterator<Item = &'a Faults>,
    ) -> Self {
        let is_own = |what: &Asked| provider.takes_pushes() || matches!(what, Asked::Named(_));
        let base = base.asked(provider).into_iter().filter(is_own);
        let mut asked: Vec<(Asked, u64)> = Vec::new();
        for what in base.chain(phases.flat_map(|faults| faults.asked(provider))) {
            if asked.iter().all(|(known, _)| *known != what) {
                asked.push((what, 0));
            }
        }
        Self {
            provider,
            requests: AtomicU64::new(0),
            struck: Mutex::new(asked),
        }
    }

    /// A request has come.
    pub(in crate::simulator) fn request_came(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    /// A fault takes effect. One that nobody asked for is not counted.
    pub(in crate::simulator) fn struck(&self, what: Asked) {
        let mut struck = self.open();
        if let Some((_, times)) = struck.iter_mut().find(|(known, _)| *known == what) {
            *times += 1;
        }
    }

    fn is_busy(&self) -> bool {
        self.requests.load(Ordering::Relaxed) > 0
    }

    /// Each fault that was asked for, and how often it has struck.
    pub(in crate::simulator) fn all(&self) -> Vec<Struck> {
        let struck = self.open();
        let told = struck.iter().map(|(what, times)| Struck {
            provider: self.provider,
            fault: what.to_string(),
            times: *times,
        });
        told.collect()
    }

    /// A panic elsewhere leaves counts that are still worth reading.
    fn open(&self) -> MutexGuard<'_, Vec<(Asked, u64)>> {
        self.struck.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The faults that were asked for and have not struck, each at the endpoints that have had a
/// request; if none of those that were asked has, at all of them, unless it has struck before one.
pub(in crate::simulator) fn never_struck<'a>(
    tallies: impl Iterator<Item = &'a Tally>,
) -> Vec<Struck> {
    let all: Vec<(bool, Struck)> = tallies
        .flat_map(|tally| {
            let is_busy = tally.is_busy();
            tally.all().into_iter().map(move |struck| (is_busy, struck))
        })
        .collect();
    let is_excused = |fault: &str| {
        let mut same = all.iter().filter(|(_, struck)| struck.fault == fault);
        same.any(|(is_busy, struck)| *is_busy || struck.times > 0)
    };
    let never = all
        .iter()
        .filter(|(is_busy, struck)| struck.times == 0 && (*is_busy || !is_excused(&struck.fault)));
    never.map(|(_, struck)| struck.clone()).collect()
}

impl fmt::Display for Struck {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{} {}", self.provider.as_str(), self.fault)
    }
}

impl Asked {
    /// The fault that a judgement owes to chance.
    pub(in crate::simulator) fn of(
        answering: Answering,
        judgement: &Judgement<'_>,
    ) -> Option<Self> {
        let reason = judgement.reason;
        match answering {
            Answering::Fair => None,
            Answering::Refuse => (judgement.reply == Reply::Refuse).then_some(Self::Refuse),
            Answering::Fail(_) => Failure::is_of_the_mix(reason).then_some(Self::Fail),
            Answering::Named(failure) => (reason == failure.word()).then_some(Self::Named(failure)),
        }
    }
}

impl Faults {
    /// An answer was held back.
    pub(in crate::simulator) fn count_latency(&self, tally: &Tally) {
        if !self.latency.is_zero() {
            tally.struck(Asked::Latency);
        }
        if !self.latency_spread.is_zero() {
            tally.struck(Asked::LatencySpread);
        }
    }

    /// What an endpoint is asked for.
    fn asked(&self, provider: Provider) -> Vec<Asked> {
        let mut asked = Vec::new();
        let mut add = |is_so: bool, what: Asked| asked.extend(is_so.then_some(what));
        add(!self.latency.is_zero(), Asked::Latency);
        add(!self.latency_spread.is_zero(), Asked::LatencySpread);
        add(
            self.fail_percent > 0.0 && provider.takes_pushes(),
            Asked::Fail,
        );
        for (failure, percent) in self.failures.shares() {
            let is_its = failure.is_of(provider) && *percent > 0.0;
            add(is_its, Asked::Named(*failure));
        }
        add(self.refuse_percent > 0.0, Asked::Refuse);
        for (strike, percent) in self.strikes.shares() {
            add(*percent > 0.0, Asked::Strike(*strike));
        }
        let goes = self.goaway_after.is_some() || self.goaway == Farewell::First;
        add(goes, Asked::GoAway(self.goaway));
        add(
            self.retry_after.is_some() && provider.takes_pushes(),
            Asked::RetryAfter,
        );
        add(self.penalty && provider == Provider::Apns, Asked::Penalty);
        add(self.slow.is_some(), Asked::Slow);
        add(self.closed, Asked::Closed);
        asked.extend(self.streams.map(Asked::Streams));
        asked.extend(self.stream_window.map(Asked::StreamWindow));
        asked.extend(self.connection_window.map(Asked::ConnectionWindow));
        asked.extend(self.header_table.map(Asked::HeaderTable));
        asked
    }
}

/// As a script has it.
impl fmt::Display for Asked {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency => to.write_str("latency"),
            Self::LatencySpread => to.write_str("latency_spread"),
            Self::Fail => to.write_str("fail"),
            Self::Named(failure) => write!(to, "fail {}", failure.name()),
            Self::Refuse => to.write_str("refuse"),
            Self::Strike(Strike { kind, point }) => {
                write!(to, "strike {}@{}", kind.as_str(), point.as_str())
            }
            Self::GoAway(farewell) => write!(to, "goaway {}", farewell.as_str()),
            Self::RetryAfter => to.write_str("retry_after"),
            Self::Penalty => to.write_str("penalty"),
            Self::Streams(most) => write!(to, "streams {most}"),
            Self::StreamWindow(bytes) => write!(to, "stream_window {bytes}"),
            Self::ConnectionWindow(bytes) => write!(to, "connection_window {bytes}"),
            Self::HeaderTable(bytes) => write!(to, "header_table {bytes}"),
            Self::Slow => to.write_str("slow"),
            Self::Closed => to.write_str("closed"),
        }
    }
}
