//! A lane and its connection threads, from start to end.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::credential::Credentials;
use super::credential_files::CredentialFiles;
use super::credential_reader;
use super::policy::Limits;
use super::present_route::PresentRoute;
use super::purge::Purge;
use super::register::Register;
use super::route::Route;
use super::settler::Settler;
use super::worker::Worker;
use crate::heartbeat::Heartbeat;
use crate::lane::Lane;
use crate::live::Live;
use crate::log::Logs;
use crate::moment::{self, Moment};
use crate::push::LaneId;
use crate::stats::LaneStats;

/// How long connection threads may take to end once their lane has stopped.
const THREADS_END_WITHIN: Duration = Duration::from_secs(2);

/// How often it is looked whether they have.
const LOOKS_EVERY: Duration = Duration::from_millis(20);

/// How large a lane is, and how it begins.
#[derive(Clone, Copy, Debug)]
pub struct Sizing {
    /// Its connection threads.
    pub workers: usize,
    /// Pushes that it holds at most.
    pub capacity: usize,
    /// Streams in flight on a connection at most, if not only the provider limits them.
    pub streams: Option<u32>,
    /// How long a refused credential rests before it is tried again first.
    pub first_probe: Duration,
}

/// A lane and its threads. Dropping it ends them.
#[derive(Debug)]
pub struct RunningLane {
    /// The lane.
    pub lane: Arc<Lane>,
    /// Of its connection threads.
    pub heartbeats: Vec<Heartbeat>,
    /// Of the thread that reads its credential files again.
    pub files_heartbeat: Option<Heartbeat>,
    /// What ends its pushes.
    pub limits: Arc<Live<Limits>>,
    logs: Logs,
    register: Arc<Register>,
    /// Its way to the provider.
    pub route: Arc<PresentRoute>,
    files: Arc<Mutex<CredentialFiles>>,
    /// What settles its waiting pushes by hand.
    purge: Mutex<Purge>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl RunningLane {
    /// Starts the threads.
    ///
    /// # Errors
    ///
    /// The system's, with the lane's name, when it gives no thread or descriptor.
    pub fn start(
        (id, stats): (LaneId, Arc<LaneStats>),
        sizing: Sizing,
        (route, files): (Route, CredentialFiles),
        limits: Limits,
        logs: &Logs,
        register: &Arc<Register>,
    ) -> io::Result<Arc<Self>> {
        let named = |error: io::Error| {
            let text = format!("{id}: cannot start a connection thread: {error}");
            io::Error::new(error.kind(), text)
        };
        let count = sizing.workers;
        let lane = Lane::counting(id, sizing.capacity, count, stats);
        if let Some(streams) = sizing.streams {
            lane.set_stream_limit(usize::try_from(streams).unwrap_or(usize::MAX));
        }
        lane.holding().set_first_probe(sizing.first_probe);
        let route = PresentRoute::new(&lane, route);
        let limits = Arc::new(Live::new(limits));
        let purge = Purge::new(
            Arc::clone(&lane),
            settler(&lane, &limits, logs, register, 0),
        );
        let mut running = Self {
            lane: Arc::clone(&lane),
            heartbeats: vec![],
            files_heartbeat: None,
            limits,
            logs: logs.clone(),
            register: Arc::clone(register),
            route: Arc::clone(&route),
            files: Arc::new(Mutex::new(files)),
            purge: Mutex::new(purge),
            threads: Mutex::default(),
        };
        let reader = credential_reader::start(&lane, &route, &running.files);
        let (thread, heartbeat) = reader.map_err(named)?;
        let mut threads = vec![thread];
        running.files_heartbeat = Some(heartbeat);
        for seat in 0..count {
            let seed = Moment::now().unix.subsec_nanos().into();
            let settler = settler(&lane, &running.limits, logs, register, seed);
            let worker =
                Worker::new(seat, Arc::clone(&lane), Arc::clone(&route), settler).map_err(named)?;
            running.heartbeats.push(worker.heartbeat());
            let thread = std::thread::Builder::new()
                .name(format!("{id}-{seat}"))
                .spawn(move || worker.run())
                .map_err(named)?;
            threads.push(thread);
        }
        running.threads = Mutex::new(threads);
        Ok(Arc::new(running))
    }

    /// Whether all its threads have ended.
    pub fn has_ended(&self) -> bool {
        let threads = self.threads.lock();
        threads.is_ok_and(|threads| threads.is_empty())
    }

    /// Which lane it is.
    pub fn id(&self) -> LaneId {
        self.lane.id()
    }

    /// What settles its waiting pushes by hand.
    pub fn purge(&self) -> MutexGuard<'_, Purge> {
        self.purge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Of the thread that asks for access tokens, if the lane needs them.
    pub fn token_heartbeat(&self) -> Option<Heartbeat> {
        let (_, route) = self.route.current();
        match &route.credentials {
            Credentials::AccessTokens(tokens) => Some(tokens.heartbeat()),
            Credentials::AuthTokens(_) | Credentials::Certificate => None,
        }
    }

    /// Whether those are the files in use, as they were read last.
    pub fn uses(&self, files: &CredentialFiles) -> bool {
        self.lock_files().are(files)
    }

    /// Goes over to another route; what is in flight finishes on the old one.
    pub fn turn_to(&self, files: CredentialFiles, route: Route) {
        // The lock is held until the route is in place, lest the reader puts an older one there.
        let mut present = self.lock_files();
        *present = files;
        self.route.replace(route, Moment::now());
    }

    /// Replaced as a whole.
    fn lock_files(&self) -> MutexGuard<'_, CredentialFiles> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the limits, from the next decision on.
    pub fn set_limits(&self, limits: Limits) {
        self.limits.set(limits);
    }

    /// A settler for what no connection thread settles.
    pub fn settler(&self) -> Settler {
        settler(&self.lane, &self.limits, &self.logs, &self.register, 0)
    }

    /// Settles, or leaves to the next start, what a lane that was stopped still holds; says how
    /// much it leaves unsent.
    pub fn end(&self) -> usize {
        let deadline = moment::now() + THREADS_END_WITHIN;
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for thread in std::mem::take(&mut *threads) {
            // A thread that outlives this waits for a log that is full.
            while !thread.is_finished() && moment::now() < deadline {
                std::thread::park_timeout(LOOKS_EVERY);
            }
            if !thread.is_finished() {
                threads.push(thread);
            } else if thread.join().is_err() {
                ::log::error!("{}: a connection thread panicked", self.lane);
            }
        }
        let now = Moment::now();
        let mut settler = self.settler();
        for (push, due) in self.lane.take_shelf() {
            settler.leave(&push, Some(due), now);
        }
        for push in self.lane.take_rest() {
            settler.leave(&push, None, now);
        }
        settler.flush(now.monotonic);
        self.lane.room().left_behind()
    }
}

fn settler(
    lane: &Arc<Lane>,
    limits: &Arc<Live<Limits>>,
    logs: &Logs,
    register: &Arc<Register>,
    seed: u64,
) -> Settler {
    Settler::new(Arc::clone(lane), logs.clone(), *limits.get(), seed)
        .with_register(Arc::clone(register))
        .following(limits)
}

/// The threads of a lane that is not needed after all end by themselves.
impl Drop for RunningLane {
    fn drop(&mut self) {
        self.lane.stop();
    }
}
