//! A lane and what serves it, from start to end.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::credential::Credentials;
use super::credential_files::CredentialFiles;
use super::credential_reader::CredentialReader;
use super::policy::Limits;
use super::present_route::PresentRoute;
use super::purge::Purge;
use super::register::Register;
use super::route::Route;
use super::settler::Settler;
use super::threads::{LOOKS_EVERY, Threads};
use super::worker::Wires;
use crate::lane::{ConnectionLimit, Lane};
use crate::live::Live;
use crate::log::Logs;
use crate::moment::{self, Moment};
use crate::push::LaneId;
use crate::stats::LaneStats;

/// How long connection threads may take to end once their lane has stopped.
const THREADS_END_WITHIN: Duration = Duration::from_secs(2);

/// How large a lane is, and how it begins.
#[derive(Clone, Debug)]
pub struct Sizing {
    /// Its connection threads at most.
    pub workers: usize,
    /// Of these, those that connect as soon as streams are lacking, however fast answers come.
    pub eager: usize,
    /// What bounds those of all lanes together.
    pub limit: Arc<ConnectionLimit>,
    /// The connections that it and others of its key hand each other.
    pub pool: Arc<Wires>,
    /// Pushes that it holds at most, beside those that were scheduled.
    pub capacity: usize,
    /// Pushes that were scheduled and are due, which it holds at most.
    pub scheduled: usize,
    /// Streams in flight on a connection at most, if not only the provider limits them.
    pub streams: Option<u32>,
    /// How long a refused credential rests before it is tried again first.
    pub first_probe: Duration,
}

/// A lane and what serves it; its threads are started when it needs them. Dropping it ends them.
#[derive(Debug)]
pub struct RunningLane {
    /// The lane.
    pub lane: Arc<Lane>,
    /// What ends its pushes.
    pub limits: Arc<Live<Limits>>,
    /// Its way to the provider.
    pub route: Arc<PresentRoute>,
    /// Its connection threads.
    pub threads: Arc<Threads>,
    /// The files of its credential.
    pub credential: Arc<CredentialReader>,
    logs: Logs,
    register: Arc<Register>,
    /// What settles its waiting pushes by hand.
    purge: Mutex<Purge>,
}

impl RunningLane {
    /// Makes it; nothing of it runs before there is something to do.
    pub fn new(
        (id, stats): (LaneId, Arc<LaneStats>),
        sizing: &Sizing,
        (route, files): (Route, CredentialFiles),
        limits: Limits,
        logs: &Logs,
        register: &Arc<Register>,
    ) -> Arc<Self> {
        let lane = Lane::counting(id, sizing.capacity, sizing.workers, stats);
        lane.crew().set_eager(sizing.eager);
        lane.room().scheduled().set_capacity(sizing.scheduled);
        sizing.limit.join(&lane);
        if let Some(streams) = sizing.streams {
            lane.set_stream_limit(usize::try_from(streams).unwrap_or(usize::MAX));
        }
        lane.holding().set_first_probe(sizing.first_probe);
        let route = match files.former() {
            None => PresentRoute::new(&lane, route),
            Some(former) => {
                let present = PresentRoute::new(&lane, former);
                present.try_out(route, true, Moment::now());
                present
            }
        };
        let limits = Arc::new(Live::new(limits));
        let settlers = {
            let (lane, limits) = (Arc::clone(&lane), Arc::clone(&limits));
            let (logs, register) = (logs.clone(), Arc::clone(register));
            move |seed| settler(&lane, &limits, &logs, &register, seed)
        };
        Arc::new(Self {
            purge: Mutex::new(Purge::new(Arc::clone(&lane), settlers(0))),
            threads: Threads::of(&lane, &route, Box::new(settlers), &sizing.pool),
            credential: CredentialReader::of(&lane, &route, files),
            lane,
            limits,
            route,
            logs: logs.clone(),
            register: Arc::clone(register),
        })
    }

    /// Whether its connection threads have ended, which alone have pushes in their hands: a thread
    /// that reads credential files may go on.
    pub fn has_ended(&self) -> bool {
        self.threads.end(Duration::ZERO)
    }

    /// Tries again to start threads that could not be, and closes what is not used any more.
    pub fn look(&self) {
        self.lane.call_first();
        self.credential.look();
        if let Some(channels) = &self.route.current().1.channels {
            channels.rest(moment::now());
        }
    }

    /// Which lane it is.
    pub fn id(&self) -> LaneId {
        self.lane.id()
    }

    /// What settles its waiting pushes by hand.
    pub fn purge(&self) -> MutexGuard<'_, Purge> {
        self.purge.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The classes of its threads of which one should have been heard of before now.
    pub fn overdue(&self, now: Instant) -> impl Iterator<Item = String> {
        let (_, route) = self.route.current();
        let asks_late = match &route.credentials {
            Credentials::AccessTokens(tokens) => tokens.heartbeat().is_overdue(now),
            Credentials::AuthTokens(_) | Credentials::Certificate(_) => false,
        };
        let classes = [
            (self.threads.are_overdue(now), "connection"),
            (self.credential.is_overdue(now), "credential files"),
            (asks_late, "access token"),
        ];
        let overdue = classes.into_iter().filter(|(is_overdue, _)| *is_overdue);
        overdue.map(|(_, class)| format!("{} {class}", self.lane))
    }

    /// Changes the limits, from the next decision on.
    pub fn set_limits(&self, limits: Limits) {
        self.limits.set(limits);
    }

    /// A settler for what no connection thread settles.
    pub fn settler(&self) -> Settler {
        settler(&self.lane, &self.limits, &self.logs, &self.register, 0)
    }

    /// Settles, or leaves to the next start, what a lane that was stopped still holds, once its
    /// threads have ended or that time has come; says how much it leaves unsent.
    fn end(&self, by: Instant) -> usize {
        self.threads
            .end(by.saturating_duration_since(moment::now()));
        while !self.credential.has_ended() && moment::now() < by {
            std::thread::park_timeout(LOOKS_EVERY);
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

/// Stops lanes, and ends what they have in hand: settles it, or leaves it to the next start. Says
/// how much is left unsent. However many they are, their threads have the time of one.
pub fn end_all<'l>(lanes: impl Iterator<Item = &'l Arc<RunningLane>> + Clone) -> usize {
    for running in lanes.clone() {
        running.lane.stop();
    }
    let by = moment::now() + THREADS_END_WITHIN;
    lanes.map(|running| running.end(by)).sum()
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

#[cfg(test)]
mod tests;
