//! A campaign: as many pushes as there are, from the first request to the last settlement, to a
//! provider that takes its time. And what it costs to send what has waited, the more of it the
//! longer.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use sterna::push::LaneId;

use super::Failure;
use super::arguments::Plan;
use super::callers::Callers;
use super::daemon::Daemon;
use super::simulator::{Counts, Simulator};
use super::usage::{self, Spent, Usage};
use super::workload::{SHAPES, Shape};

/// The rows' names, by which they are chosen.
pub(crate) const CAMPAIGN: &str = "campaign";
pub(crate) const DRAIN: &str = "drain";

/// What was measured of a campaign.
pub(crate) struct Campaign {
    pub(crate) pushes: u32,
    /// From the first request until the last was accepted, and settled.
    pub(crate) accepted_in: Duration,
    pub(crate) settled_in: Duration,
    pub(crate) spent: Spent,
    /// Most bytes of memory that the daemon occupied, and those a minute after the end.
    pub(crate) peak: u64,
    pub(crate) after: u64,
    /// Bytes that were written to the journal, and lines to the push log.
    pub(crate) journal: u64,
    pub(crate) log: u64,
    pub(crate) connections: u32,
}

/// What it costs to send so many that have waited.
pub(crate) struct Drained {
    pub(crate) pushes: u32,
    pub(crate) accepted_in: Duration,
    pub(crate) sent_in: Duration,
    pub(crate) spent: Spent,
    /// Bytes of memory for each while they wait, its share of the texts among them.
    pub(crate) waiting: u64,
}

/// A daemon with a provider, and what both have seen.
struct Stage {
    daemon: Daemon,
    simulator: Simulator,
    callers: Callers,
    seen: Counts,
    /// The number of the next device.
    next: u64,
}

/// Measures a campaign, if the plan asks for it.
pub(crate) fn run(plan: &Plan) -> Result<Option<Campaign>, Failure> {
    if !CAMPAIGN.starts_with(&plan.rows) {
        return Ok(None);
    }
    let directory = tempfile::tempdir()?;
    let mut stage = Stage::start(directory.path(), plan, LATENCY, &[])?;
    let pid = stage.daemon.pid();
    let (before, begun) = (Usage::of(pid)?, Instant::now());
    let written = usage::written_by(pid, "journal")?;
    stage.post(plan.pushes)?;
    let accepted_in = begun.elapsed();
    stage.wait_until_settled()?;
    let settled_in = begun.elapsed();
    let spent = Usage::of(pid)?.since(&before);
    let port = stage.simulator.site.apns_port;
    let connections = Daemon::connections_to(port)?;
    let log = fs::metadata(directory.path().join("access.log"))?.len();
    let journal = usage::written_by(pid, "journal")?.saturating_sub(written);
    let peak = usage::peak_memory(pid)?;
    // What is given back is given back by then.
    let rest = if plan.pushes > SHORT {
        A_MINUTE
    } else {
        Duration::ZERO
    };
    thread::sleep(rest);
    let after = stage.daemon.resident()?;
    stage.stop()?;
    Ok(Some(Campaign {
        pushes: plan.pushes,
        accepted_in,
        settled_in,
        spent,
        peak,
        after,
        journal,
        log,
        connections,
    }))
}

/// Measures what has waited, if the plan asks for it: ten times as many each time, up to its
/// number.
pub(crate) fn drain(plan: &Plan) -> Result<Vec<Drained>, Failure> {
    if !DRAIN.starts_with(&plan.rows) {
        return Ok(Vec::new());
    }
    let directory = tempfile::tempdir()?;
    let queue = plan.pushes.max(1_000).to_string();
    let mut stage = Stage::start(directory.path(), plan, 0, &["-q", &queue])?;
    let tenths = std::iter::successors(Some(plan.pushes), |pushes| Some(pushes / 10));
    let mut sizes: Vec<u32> = tenths.take_while(|pushes| *pushes >= LEAST).collect();
    sizes.reverse();
    let measured = sizes.into_iter().map(|pushes| {
        let before = stage.daemon.resident()?;
        stage.order("pause", "paused")?;
        let begun = Instant::now();
        stage.post(pushes)?;
        let accepted_in = begun.elapsed();
        let waiting = stage.daemon.resident()?.saturating_sub(before);
        let (before, begun) = (Usage::of(stage.daemon.pid())?, Instant::now());
        stage.order("resume", "open")?;
        stage.wait_until_settled()?;
        Ok(Drained {
            pushes,
            accepted_in,
            sent_in: begun.elapsed(),
            spent: Usage::of(stage.daemon.pid())?.since(&before),
            waiting: waiting / u64::from(pushes),
        })
    });
    let measured = measured.collect::<Result<_, Failure>>()?;
    stage.stop()?;
    Ok(measured)
}

impl Stage {
    fn start(
        directory: &Path,
        plan: &Plan,
        latency: u32,
        arguments: &[&str],
    ) -> Result<Self, Failure> {
        let mut simulator = Simulator::with_latency(&directory.join("simulator"), latency)?;
        let daemon = Daemon::start(directory, &simulator.site.config, arguments)?;
        let mut stage = Self {
            callers: Callers::connect(daemon.address(), plan.callers)?,
            seen: simulator.counts(LaneId::IOS)?,
            daemon,
            simulator,
            next: 0,
        };
        // Connections are open then, and what is kept in any case is there.
        stage.post(plan.pushes.div_ceil(WARM_UP_SHARE).min(WARM_UP_MAX))?;
        stage.wait_until_settled()?;
        Ok(stage)
    }

    fn post(&mut self, pushes: u32) -> Result<(), Failure> {
        self.callers.post(SHAPE, self.next, pushes)?;
        self.next += u64::from(pushes);
        self.seen.accepted += u64::from(pushes);
        Ok(())
    }

    /// Waits until all that was posted is settled, and checks that each came to the provider once.
    fn wait_until_settled(&mut self) -> Result<(), Failure> {
        let mut last = (0, Instant::now());
        loop {
            let (succeeded, failed) = self.daemon.settled(LaneId::IOS)?;
            if failed > 0 {
                return Err(format!("{failed} pushes failed").into());
            }
            if succeeded >= self.seen.accepted {
                break;
            }
            if succeeded > last.0 {
                last = (succeeded, Instant::now());
            } else if last.1.elapsed() > NEWS_WITHIN {
                let due = self.seen.accepted;
                return Err(format!("{succeeded} pushes are settled of {due}, and no more").into());
            }
            thread::sleep(LOOK_EVERY);
        }
        let counts = self.simulator.counts(LaneId::IOS)?;
        if counts != self.seen {
            return Err(format!("the provider has {counts:?} of {:?}", self.seen).into());
        }
        Ok(())
    }

    fn order(&self, order: &str, state: &str) -> Result<(), Failure> {
        let lane = self.daemon.ask("PUT", &format!("/lanes/ios/{order}"))?;
        if lane.get("state").and_then(Value::as_str) == Some(state) {
            return Ok(());
        }
        Err(format!("ios is not {state}: {lane}").into())
    }

    fn stop(self) -> Result<(), Failure> {
        self.daemon.stop()
    }
}

/// What is posted: a hundred notifications a request, each to a device of its own.
const SHAPE: Shape = SHAPES[0];

/// Milliseconds that the provider takes for an answer.
const LATENCY: u32 = 100;

/// The fewest that are drained.
const LEAST: u32 = 100;

/// One push goes before for so many, and so many at most.
const WARM_UP_SHARE: u32 = 50;
const WARM_UP_MAX: u32 = 20_000;

/// Of fewer the memory is not waited for.
const SHORT: u32 = 10_000;
const A_MINUTE: Duration = Duration::from_secs(60);

/// How long nothing may be settled, and how often it is asked.
const NEWS_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
