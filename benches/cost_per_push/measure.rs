//! The course of the measurement, and the check that nothing was lost.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use sterna::push::{LaneId, Provider};

use super::Failure;
use super::against;
use super::arguments::{CALLERS_UNLESS_SET, Plan};
use super::baseline::Baseline;
use super::callers::Callers;
use super::daemon::{Daemon, Lines};
use super::h2load;
use super::simulator::{Counts, Simulator};
use super::usage::{Spent, Usage};
use super::workload::{SHAPES, Shape};

/// What one row measured, in one round.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) pushes: u32,
    /// From the first request to the last line of the push log.
    pub(crate) elapsed: Duration,
    pub(crate) daemon: Spent,
    pub(crate) simulator: Spent,
    /// The daemon's connections to the provider.
    pub(crate) connections: u32,
    /// CPU time of h2load for one request.
    pub(crate) h2load: Option<Duration>,
}

/// A row and its samples, one per round.
pub(crate) struct Row {
    pub(crate) shape: Shape,
    pub(crate) samples: Vec<Sample>,
    /// Those of the daemon that it is measured against, each after the one of the same round.
    pub(crate) against: Vec<Sample>,
}

/// The processes, and how far we are.
pub(crate) struct Stage {
    daemon: Daemon,
    simulator: Simulator,
    callers: u32,
    /// The number of the next device.
    next: u64,
}

/// Measures all rows, round by round.
pub(crate) fn run(plan: &Plan, with_h2load: bool) -> Result<Vec<Row>, Failure> {
    let directory = tempfile::tempdir()?;
    let directory = directory.path();
    let mut stage = Stage::start(directory)?;
    stage.callers = plan.callers;
    let other = directory.join("against");
    let mut other = match &plan.against {
        Some(named) => {
            fs::create_dir(&other)?;
            let mut other = Stage::of(&against::program(named)?, &other)?;
            other.callers = plan.callers;
            Some(other)
        }
        None => None,
    };
    let baselines = if with_h2load {
        baselines(&stage.simulator, directory)?
    } else {
        Vec::new()
    };
    let mut rows = Vec::new();
    for shape in SHAPES {
        if shape.to_string().starts_with(&plan.rows) {
            stage.warm_up(shape, plan)?;
            if let Some(other) = &mut other {
                other.warm_up(shape, plan)?;
            }
            rows.push(Row {
                shape,
                samples: Vec::new(),
                against: Vec::new(),
            });
        }
    }
    for _ in 0..plan.rounds {
        for row in &mut rows {
            let mut sample = stage.push(row.shape, plan.pushes)?;
            let baseline = baselines.iter().find(|(of, _)| *of == row.shape.platform);
            if let Some((_, baseline)) = baseline {
                let requests = plan.pushes.saturating_mul(REQUESTS_PER_PUSH);
                let connections = sample.connections.max(1);
                sample.h2load = Some(h2load::run(baseline, requests, connections)?);
            }
            row.samples.push(sample);
            if let Some(other) = &mut other {
                row.against.push(other.push(row.shape, plan.pushes)?);
            }
        }
    }
    stage.stop()?;
    if let Some(other) = other {
        other.stop()?;
    }
    Ok(rows)
}

fn baselines(simulator: &Simulator, directory: &Path) -> Result<Vec<(LaneId, Baseline)>, Failure> {
    let baseline = |platform| {
        Ok((
            platform,
            Baseline::new(platform, &simulator.site, directory)?,
        ))
    };
    LaneId::DEFAULT_APP.into_iter().map(baseline).collect()
}

impl Stage {
    /// Starts them, with their files in that directory.
    pub(crate) fn start(directory: &Path) -> Result<Self, Failure> {
        Self::of(Path::new(env!("CARGO_BIN_EXE_sterna")), directory)
    }

    /// The same with another daemon's program.
    fn of(program: &Path, directory: &Path) -> Result<Self, Failure> {
        let simulator = Simulator::start(&directory.join("simulator"))?;
        let config = against::known(program, &simulator.site.config, directory)?;
        let daemon = Daemon::start_of(program, directory, &config, &[])?;
        Ok(Self {
            daemon,
            simulator,
            callers: CALLERS_UNLESS_SET,
            next: 0,
        })
    }

    /// Where the daemon's API is.
    pub(crate) fn address(&self) -> SocketAddr {
        self.daemon.address()
    }

    /// Pushes some, so that connections are open and tokens fetched.
    pub(crate) fn warm_up(&mut self, shape: Shape, plan: &Plan) -> Result<(), Failure> {
        let pushes = plan.pushes.div_ceil(WARM_UP_SHARE);
        self.push(shape, pushes).map(drop)
    }

    /// Ends the daemon, which must have nothing left to do.
    pub(crate) fn stop(self) -> Result<(), Failure> {
        self.daemon.stop()
    }

    /// Pushes through the daemon, and checks that each push arrived once.
    pub(crate) fn push(&mut self, shape: Shape, pushes: u32) -> Result<Sample, Failure> {
        let Shape { platform, .. } = shape;
        let seen = self.simulator.counts(platform)?;
        let (settled, failed) = self.daemon.settled(platform)?;
        let daemon = Usage::of(self.daemon.pid())?;
        let simulator = Usage::of(self.simulator.pid())?;
        let start = Instant::now();

        let mut callers = Callers::connect(self.daemon.address(), self.callers)?;
        callers.post(shape, self.next, pushes)?;
        self.next += u64::from(pushes);
        let lines = self.daemon.wait_until_settled(pushes.into())?;

        let elapsed = start.elapsed();
        let daemon = Usage::of(self.daemon.pid())?.since(&daemon);
        let simulator = Usage::of(self.simulator.pid())?.since(&simulator);
        // Their threads in the daemon must live until here to be counted.
        drop(callers);
        let port = match platform.provider() {
            Provider::Apns => self.simulator.site.apns_port,
            Provider::Fcm => self.simulator.site.fcm_port,
        };
        let connections = Daemon::connections_to(port)?;

        let due = u64::from(pushes);
        check(
            shape,
            "the push log",
            &lines,
            &Lines {
                accepted: due,
                succeeded: due,
            },
        )?;
        let expected = (settled + due, failed);
        let count = self.daemon.settled_at_last(platform, expected.0)?;
        check(shape, "/stat/app", &count, &expected)?;
        let expected = Counts {
            accepted: seen.accepted + due,
            ..seen
        };
        check(
            shape,
            "the simulator",
            &self.simulator.counts(platform)?,
            &expected,
        )?;
        Ok(Sample {
            pushes,
            elapsed,
            daemon,
            simulator,
            connections,
            h2load: None,
        })
    }
}

fn check<T: PartialEq + std::fmt::Debug>(
    shape: Shape,
    who: &str,
    count: &T,
    expected: &T,
) -> Result<(), Failure> {
    if count == expected {
        return Ok(());
    }
    Err(format!("{shape}: {who} has {count:?} where {expected:?} was due").into())
}

/// Sums the daemon's threads over samples, by name, in microseconds per push.
pub(crate) fn by_thread(row: &Row) -> BTreeMap<String, f64> {
    let mut names = BTreeMap::new();
    let mut pushes = 0.0;
    for sample in &row.samples {
        pushes += f64::from(sample.pushes);
        for (name, cpu) in &sample.daemon.by_name {
            *names.entry(name.clone()).or_insert(0.0) += cpu.as_secs_f64() * 1e6;
        }
    }
    names
        .into_iter()
        .map(|(name, micros)| (name, micros / pushes))
        .collect()
}

/// The warm-up has this share of a row's pushes.
const WARM_UP_SHARE: u32 = 50;

/// h2load's time is known in ticks of 10 ms only, so it is given more to do.
const REQUESTS_PER_PUSH: u32 = 4;
