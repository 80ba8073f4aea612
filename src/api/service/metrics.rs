//! `GET /metrics`: what is counted, for those who scrape it.
//!
//! One arm for each family of the table in [`stats`](crate::stats), so that none can be there
//! without its samples. Each series is read as it is written.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::lane_state;
use super::super::stat::Sending;
use super::Service;
use super::feed::KeptFeed;
use crate::backlog::JournalDisk;
use crate::delivery::credential::Credentials;
use crate::delivery::running_lane::RunningLane;
use crate::http1::reply::{RETRY_AFTER_SECS, Reply};
use crate::http1::{FREE, More};
use crate::lane::{Lanes, Occupancy, QueueKind};
use crate::moment::Moment;
use crate::push::PushClass;
use crate::stats::{
    self, AttemptEnd, Exposition, Family, LaneStats, MetricsPage, Process, Reloads,
};

/// The page, in the format that a client likes best that says this in `Accept`.
pub(super) fn page(service: &Service, accept: &[u8], more: &mut More<'_>) -> Reply {
    let exposition = Exposition::accepted_by(accept);
    let scrape = Scrape {
        service,
        lanes: service.lanes.get(),
        process: Process::read_all(),
        disk: service.backlog.disk(),
        now: Moment::now(),
    };
    let mut page = MetricsPage::new(exposition, FREE, more);
    for family in Family::ALL {
        page.begin(*family);
        scrape.put(*family, &mut page);
    }
    match page.end() {
        Some(body) => Reply::new(200, exposition.content_type(), body),
        None => Reply::message(503, NO_ROOM).with_retry_after(RETRY_AFTER_SECS),
    }
}

/// A lane that sends, and whose provider takes nothing of it: `failing_since` says so elsewhere.
const FAILING: &str = "failing";

const NO_ROOM: &str = "too many large answers at once: /metrics has no room now";

/// What a page is made of.
struct Scrape<'s> {
    service: &'s Service,
    lanes: Arc<Lanes<RunningLane>>,
    process: Process,
    /// Asked once: a disk that stands still may let who asks wait.
    disk: Option<JournalDisk>,
    now: Moment,
}

impl Scrape<'_> {
    /// Those that are served, and those that only finish what they have, each with its name: the
    /// series of a lane come and go with it.
    fn lanes(&self) -> impl Iterator<Item = (&'static str, &RunningLane)> {
        let known = self.lanes.known().filter_map(|id| self.lanes.get(id));
        let leaving = self.lanes.leaving().iter();
        // One that is served again meanwhile is shown as it is now.
        let leaving = leaving.filter(|running| self.lanes.get(running.id()).is_none());
        let all = known.chain(leaving);
        all.map(|running| (running.id().name(), &**running))
    }

    fn put(&self, family: Family, page: &mut MetricsPage<'_>) {
        match family {
            Family::Requests => self.requests(page),
            Family::RequestDuration => {
                page.histogram(&[], &self.service.stats.duration().figures());
            }
            Family::Accepted => self.accepted(page),
            Family::Settled => self.settled(page),
            Family::PushDuration => {
                for (name, running) in self.lanes() {
                    let duration = running.lane.stats().push_duration();
                    page.histogram(&[name], &duration.figures());
                }
            }
            Family::Attempts => self.attempts(page, |running| running.lane.stats().attempts()),
            Family::AttemptDuration => {
                for (name, running) in self.lanes() {
                    let duration = running.lane.stats().attempt_duration();
                    page.histogram(&[name], &duration.figures());
                }
            }
            Family::Retries => self.attempts(page, |running| running.lane.stats().retries()),
            Family::DeadTokens => {
                for (name, running) in self.lanes() {
                    for (reason, count) in running.lane.stats().dead_tokens() {
                        page.sample(&[name, reason], count);
                    }
                }
            }
            Family::Queue | Family::QueueCapacity | Family::QueueOldest => {
                self.queues(family, page);
            }
            Family::InFlight => {
                let figures = self.lanes.figures();
                page.sample(&[], figures.map(|lane| lane.in_flight).sum::<u64>());
            }
            Family::LaneState => self.states(page),
            Family::Connections
            | Family::StreamsAllowed
            | Family::Connects
            | Family::Goaways
            | Family::WindowStall => self.connections(family, page),
            Family::Panics => page.sample(&[], stats::PANICS.load(Ordering::Relaxed)),
            Family::LogLinesDropped => {
                page.sample(&[], stats::LINES_DROPPED.load(Ordering::Relaxed));
            }
            Family::Reloads => {
                let Reloads { done, refused } = &stats::RELOADS;
                for (result, count) in [("done", done), ("refused", refused)] {
                    page.sample(&[result], count.load(Ordering::Relaxed));
                }
            }
            Family::CredentialExpiry => {
                for (name, running) in self.lanes() {
                    let (_, route) = running.route.current();
                    if let Credentials::Certificate(Some(until)) = route.credentials {
                        page.sample(&[name, "certificate"], until);
                    }
                }
            }
            Family::JournalSync
            | Family::JournalBytes
            | Family::JournalOutstanding
            | Family::JournalDiskFree
            | Family::JournalDiskNeeded => self.journal(family, page),
            Family::FeedbackRecords
            | Family::FeedbackLost
            | Family::FeedbackBytes
            | Family::FeedbackPosts
            | Family::FeedbackMissed
            | Family::FeedbackLag => self.feedback(family, page),
            Family::BuildInfo => page.sample(&[env!("CARGO_PKG_VERSION")], 1),
            Family::ProcessCpu
            | Family::ProcessResident
            | Family::ProcessVirtual
            | Family::ProcessStart
            | Family::ProcessOpenFiles
            | Family::ProcessMaxFiles
            | Family::ProcessThreads => self.process(family, page),
        }
    }

    /// Nothing where there is no journal, or its disk says nothing.
    fn journal(&self, family: Family, page: &mut MetricsPage<'_>) {
        let backlog = &self.service.backlog;
        match family {
            Family::JournalSync => {
                if let Some(syncs) = backlog.syncs() {
                    page.histogram(&[], &syncs);
                }
            }
            Family::JournalBytes => {
                if let Some(bytes) = backlog.bytes() {
                    page.sample(&[], bytes);
                }
            }
            Family::JournalOutstanding if backlog.keeps() => {
                page.sample(&[], backlog.outstanding());
            }
            Family::JournalDiskFree | Family::JournalDiskNeeded => {
                if let Some(disk) = self.disk {
                    let is_free = family == Family::JournalDiskFree;
                    page.sample(&[], if is_free { disk.free } else { disk.needed });
                }
            }
            _ => {}
        }
    }

    /// Nothing where there is no feed.
    fn feedback(&self, family: Family, page: &mut MetricsPage<'_>) {
        let Some(KeptFeed { feed, posts }) = self.service.feed.get().and_then(Option::as_ref)
        else {
            return;
        };
        if family == Family::FeedbackPosts {
            page.sample(&["taken"], posts.taken.load(Ordering::Relaxed));
            page.sample(&["failed"], posts.failed.load(Ordering::Relaxed));
            return;
        }
        for (figures, posting) in feed.figures().into_iter().zip(&posts.streams) {
            let stream = &[figures.stream.word()];
            match family {
                Family::FeedbackRecords => page.sample(stream, figures.written),
                Family::FeedbackLost => page.sample(stream, figures.lost),
                Family::FeedbackBytes => page.sample(stream, figures.bytes),
                Family::FeedbackMissed => {
                    page.sample(stream, posting.missed.load(Ordering::Relaxed));
                }
                _ => {
                    let settled = posting.oldest().unwrap_or(self.now.unix);
                    let age = self.now.unix.saturating_sub(settled);
                    page.sample(stream, age.as_secs_f64());
                }
            }
        }
    }

    fn requests(&self, page: &mut MetricsPage<'_>) {
        for ((path, status), count) in self.service.stats.requests() {
            let status = match status {
                0 => stats::OTHER.to_owned(),
                status => status.to_string(),
            };
            page.sample(&[path, &status], count);
        }
    }

    fn accepted(&self, page: &mut MetricsPage<'_>) {
        for (name, running) in self.lanes() {
            for class in PushClass::ALL {
                let accepted = running.lane.stats().accepted_of(class);
                page.sample(&[name, class.word()], accepted);
            }
        }
    }

    fn settled(&self, page: &mut MetricsPage<'_>) {
        for (name, running) in self.lanes() {
            for ((end, reason), count) in running.lane.stats().settled() {
                page.sample(&[name, end.word(), reason], count);
            }
        }
    }

    fn attempts<'l, I: Iterator<Item = (AttemptEnd, u64)> + 'l>(
        &'l self,
        page: &mut MetricsPage<'_>,
        of: impl Fn(&'l RunningLane) -> I,
    ) {
        for (name, running) in self.lanes() {
            for (end, count) in of(running) {
                page.sample(&[name, &end.label()], count);
            }
        }
    }

    fn queues(&self, family: Family, page: &mut MetricsPage<'_>) {
        for (name, running) in self.lanes() {
            if family == Family::QueueOldest {
                let ages = running.lane.oldest_wait(self.now);
                for (kind, age) in QueueKind::ALL.into_iter().zip(ages) {
                    let age = age.unwrap_or_default().as_secs_f64();
                    page.sample(&[name, kind.word()], age);
                }
                continue;
            }
            for kind in QueueKind::ALL {
                let Occupancy { pushes, capacity } = running.lane.room().occupancy(kind);
                let number = if family == Family::Queue {
                    pushes
                } else {
                    capacity
                };
                page.sample(&[name, kind.word()], number);
            }
        }
    }

    fn states(&self, page: &mut MetricsPage<'_>) {
        for (name, running) in self.lanes() {
            let state = lane_state::sending(&running.lane);
            let is_failing = state == Sending::Open && running.lane.takes_nothing();
            for other in Sending::ALL {
                let is_it = other == state && !is_failing;
                page.sample(&[name, other.word()], u8::from(is_it));
            }
            page.sample(&[name, FAILING], u8::from(is_failing));
        }
    }

    /// What all lanes have, those that only finish what they have too: connections go from one to
    /// another.
    fn connections(&self, family: Family, page: &mut MetricsPage<'_>) {
        let of_lanes = || self.lanes.all_stats();
        let open = || of_lanes().map(LaneStats::open_connections);
        match family {
            Family::Connections => page.sample(&[], open().map(|it| it.connections).sum::<u64>()),
            Family::StreamsAllowed => page.sample(&[], open().map(|it| it.streams).sum::<u64>()),
            Family::Connects => {
                for (at, result) in ["ok", "failed"].into_iter().enumerate() {
                    let connects = of_lanes().map(LaneStats::connected);
                    let count: u64 = connects.filter_map(|each| each.get(at).copied()).sum();
                    page.sample(&[result], count);
                }
            }
            Family::Goaways => {
                let mut sums = BTreeMap::<&str, u64>::new();
                for (reason, count) in of_lanes().flat_map(LaneStats::goaways) {
                    *sums.entry(reason).or_default() += count;
                }
                for (reason, count) in sums {
                    page.sample(&[reason], count);
                }
            }
            _ => {
                let stalled: Duration = of_lanes().map(LaneStats::stalled_for).sum();
                page.sample(&[], stalled.as_secs_f64());
            }
        }
    }

    /// What the system does not tell has no sample.
    fn process(&self, family: Family, page: &mut MetricsPage<'_>) {
        let process = &self.process;
        let figure = match family {
            Family::ProcessCpu => process.cpu_time.map(|time| time.as_secs_f64()),
            Family::ProcessStart => process.started.map(|time| time.as_secs_f64()),
            family => {
                let number = match family {
                    Family::ProcessResident => process.resident_bytes,
                    Family::ProcessVirtual => process.virtual_bytes,
                    Family::ProcessOpenFiles => process.open_files,
                    Family::ProcessMaxFiles => process.most_files,
                    _ => process.threads,
                };
                if let Some(number) = number {
                    page.sample(&[], number);
                }
                return;
            }
        };
        if let Some(figure) = figure {
            page.sample(&[], figure);
        }
    }
}
