//! The connection threads of a lane: one is started when work asks for it, and ends when it has had
//! nothing to do for long, so that an idle lane costs none.

use std::io;
#[cfg(test)]
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::present_route::PresentRoute;
use super::settler::Settler;
use super::worker::{Wires, Worker};
use crate::heartbeat::Heartbeat;
use crate::lane::Lane;
use crate::moment::{self, Moment};

/// What alarms of threads that cannot be started are known as.
pub(super) const NO_THREAD: &str = "no thread";

/// How often it is looked whether threads have ended.
pub(super) const LOOKS_EVERY: Duration = Duration::from_millis(20);

/// Makes a settler of the lane; the number makes its jitter differ from the others'.
pub type Settlers = Box<dyn Fn(u64) -> Settler + Send + Sync>;

/// The threads of a lane. They end with it.
pub struct Threads {
    lane: Arc<Lane>,
    route: Arc<PresentRoute>,
    settlers: Settlers,
    pool: Arc<Wires>,
    running: Mutex<Vec<(JoinHandle<()>, Heartbeat)>>,
    /// The system gives no thread.
    #[cfg(test)]
    pub(super) trap: AtomicBool,
}

impl Threads {
    /// Those of a lane that has none yet: they are started when it calls for them.
    pub fn of(
        lane: &Arc<Lane>,
        route: &Arc<PresentRoute>,
        settlers: Settlers,
        pool: &Arc<Wires>,
    ) -> Arc<Self> {
        let threads = Arc::new(Self {
            lane: Arc::clone(lane),
            route: Arc::clone(route),
            settlers,
            pool: Arc::clone(pool),
            running: Mutex::default(),
            #[cfg(test)]
            trap: AtomicBool::new(false),
        });
        let weak = Arc::downgrade(&threads);
        lane.crew().on_start(Box::new(move |seat| {
            weak.upgrade().is_some_and(|threads| threads.start(seat))
        }));
        threads
    }

    /// Starts one; false if the lane has stopped or is quiet, or the system gives no thread or
    /// descriptor: then it is told, and tried again.
    fn start(&self, seat: usize) -> bool {
        // A quiet lane sends nothing: whoever began would find others to call.
        if self.lane.is_stopped() || self.lane.is_quiet() {
            return false;
        }
        let mut running = self.lock();
        // Again under the lock, so that whoever has stopped the lane finds all its threads here.
        if self.lane.is_stopped() {
            return false;
        }
        // What panicked stays, and is found to be silent.
        running.retain(|(thread, heartbeat)| !thread.is_finished() || !heartbeat.has_ended());
        let started = self.spawn(seat).inspect_err(|error| self.tell(error)).ok();
        let is_started = started.is_some();
        running.extend(started);
        is_started
    }

    fn spawn(&self, seat: usize) -> io::Result<(JoinHandle<()>, Heartbeat)> {
        #[cfg(test)]
        if self.trap.load(Ordering::Acquire) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let seed = Moment::now().unix.subsec_nanos().into();
        let (lane, route) = (Arc::clone(&self.lane), Arc::clone(&self.route));
        let name = format!("{lane}-{seat}");
        let (settler, pool) = ((self.settlers)(seed), Arc::clone(&self.pool));
        let worker = Worker::new(seat, lane, route, settler, pool)?;
        let heartbeat = worker.heartbeat();
        let builder = thread::Builder::new().name(name);
        Ok((builder.spawn(move || worker.run())?, heartbeat))
    }

    fn tell(&self, error: &io::Error) {
        let mut alarms = self.lane.holding().alarms();
        if alarms.is_due(NO_THREAD, moment::now()) {
            ::log::error!(
                "{}: cannot start a connection thread: {error}. What no other thread takes waits, \
                 and it is tried again: look at the limits of threads and open files",
                self.lane
            );
        }
    }

    /// Whether one of them should have been heard of before now.
    pub fn are_overdue(&self, now: Instant) -> bool {
        let running = self.lock();
        running
            .iter()
            .any(|(_, heartbeat)| heartbeat.is_overdue(now))
    }

    /// What tells that those live which have not ended.
    pub fn heartbeats(&self) -> Vec<Heartbeat> {
        let running = self.lock();
        running
            .iter()
            .map(|(_, heartbeat)| heartbeat.clone())
            .collect()
    }

    /// Waits until those of a lane that was stopped have ended, for so long; whether they have.
    pub fn end(&self, within: Duration) -> bool {
        let deadline = moment::now() + within;
        let mut running = self.lock();
        for (thread, heartbeat) in std::mem::take(&mut *running) {
            // A thread that outlives this waits for a log that is full.
            while !thread.is_finished() && moment::now() < deadline {
                thread::park_timeout(LOOKS_EVERY);
            }
            if !thread.is_finished() {
                running.push((thread, heartbeat));
            } else if thread.join().is_err() {
                ::log::error!("{}: a connection thread panicked", self.lane);
            }
        }
        running.is_empty()
    }

    /// Handles are whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, Vec<(JoinHandle<()>, Heartbeat)>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Threads {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Threads")
            .field("lane", &self.lane)
            .field("running", &self.lock().len())
            .finish_non_exhaustive()
    }
}
