//! Which phase of the script an endpoint is in.
//!
//! All connections of the endpoint share it. Outside of phases the faults of the flags are in
//! force.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::script::{Phase, Script};
use super::{Faults, Tally};
use crate::simulator::provider::Provider;

/// What is in force at one endpoint.
#[derive(Debug)]
pub(in crate::simulator) struct Stage {
    base: Arc<Faults>,
    phases: Vec<Phase>,
    repeats: bool,
    progress: Mutex<Progress>,
    /// What has struck.
    pub(in crate::simulator) tally: Tally,
}

#[derive(Debug)]
struct Progress {
    phase: usize,
    since: Instant,
    requests: u64,
    connections: u64,
}

/// What moves a stage on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Count {
    Request,
    Connection,
}

impl Stage {
    /// The first phase begins `now`.
    pub(in crate::simulator) fn new(
        base: &Arc<Faults>,
        script: &Script,
        provider: Provider,
        now: Instant,
    ) -> Self {
        let phases = script.phases_of(provider);
        let of_phases = phases.iter().map(|phase| &*phase.faults);
        Self {
            tally: Tally::new(provider, base, of_phases),
            base: Arc::clone(base),
            phases,
            repeats: script.repeats,
            progress: Mutex::new(Progress {
                phase: 0,
                since: now,
                requests: 0,
                connections: 0,
            }),
        }
    }

    /// There are phases: what is in force may change.
    pub(in crate::simulator) fn is_scripted(&self) -> bool {
        !self.phases.is_empty()
    }

    /// There is a phase in which TCP connections are refused.
    pub(in crate::simulator) fn ever_closes(&self) -> bool {
        self.base.closed || self.phases.iter().any(|phase| phase.faults.closed)
    }

    /// What is in force on that connection.
    pub(in crate::simulator) fn faults(&self, connection: u64, now: Instant) -> Arc<Faults> {
        self.look(connection, now, None)
    }

    /// The same, for a request that has come.
    pub(in crate::simulator) fn request(&self, connection: u64, now: Instant) -> Arc<Faults> {
        self.look(connection, now, Some(Count::Request))
    }

    /// The same, for a connection that has come.
    pub(in crate::simulator) fn connection(&self, connection: u64, now: Instant) -> Arc<Faults> {
        self.look(connection, now, Some(Count::Connection))
    }

    /// Whether TCP connections are refused.
    pub(in crate::simulator) fn is_closed(&self, now: Instant) -> bool {
        self.faults(u64::MAX, now).closed
    }

    /// When the present phase ends by itself.
    pub(in crate::simulator) fn next_change(&self) -> Option<Instant> {
        let progress = self.progress();
        let lasts = self.phases.get(progress.phase)?.lasts?;
        progress.since.checked_add(lasts)
    }

    /// What is in force; what is counted belongs to the phase that it fills up. A phase of so many
    /// connections lasts until a further one comes.
    fn look(&self, connection: u64, now: Instant, count: Option<Count>) -> Arc<Faults> {
        if self.phases.is_empty() {
            return Arc::clone(&self.base);
        }
        let mut progress = self.progress();
        while let Some(phase) = self.phases.get(progress.phase) {
            let over = phase.lasts.filter(|lasts| now - progress.since >= *lasts);
            let full = |end: Option<NonZeroU64>, so_far| end.is_some_and(|end| so_far >= end.get());
            let counted = full(phase.requests, progress.requests)
                || count == Some(Count::Connection)
                    && full(phase.connections, progress.connections);
            if over.is_none() && !counted {
                break;
            }
            // By the clock a phase ends when it ends, however late that is noticed.
            let since = if counted {
                now
            } else {
                progress.since + over.unwrap_or(Duration::ZERO)
            };
            *progress = Progress {
                phase: self.after(progress.phase),
                since,
                requests: 0,
                connections: 0,
            };
        }
        let phase = self.phases.get(progress.phase);
        match count {
            Some(Count::Request) => progress.requests += 1,
            Some(Count::Connection) => progress.connections += 1,
            None => {}
        }
        let here = phase.filter(|phase| phase.on.is_none_or(|on| on == connection));
        Arc::clone(here.map_or(&self.base, |phase| &phase.faults))
    }

    fn after(&self, phase: usize) -> usize {
        let next = phase + 1;
        if self.repeats && next == self.phases.len() {
            0
        } else {
            next
        }
    }

    /// A panic elsewhere leaves a progress that is still good.
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
