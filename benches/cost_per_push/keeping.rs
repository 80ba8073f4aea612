//! What it costs callers that their pushes outlive the daemon: `journal.sync` off, by interval, in
//! groups.
//!
//! Three daemons stand side by side, each with providers of its own. The callers post to each in
//! turn, one push a request, all in a closed loop, so that what happens to the machine happens to
//! all of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sterna::push::LaneId;

use super::Failure;
use super::arguments::Plan;
use super::callers::{Answer, Caller};
use super::daemon::Daemon;
use super::latencies::Latencies;
use super::simulator::Simulator;
use super::usage::Usage;
use super::workload::write_request;

/// The rows' name, by which they are chosen.
pub(crate) const NAME: &str = "journal";

/// What one policy costs.
pub(crate) struct Kept {
    /// `journal.sync`.
    pub(crate) policy: &'static str,
    /// From request to answer.
    pub(crate) answers: Latencies,
    /// Pushes accepted in a second, while they were posted.
    pub(crate) per_second: f64,
    /// CPU time of the daemon for a push, in microseconds, until all were settled.
    pub(crate) cpu: f64,
}

/// Measures, if the plan asks for it.
pub(crate) fn run(plan: &Plan) -> Result<Vec<Kept>, Failure> {
    if !NAME.starts_with(&plan.rows) {
        return Ok(Vec::new());
    }
    let directory = tempfile::tempdir()?;
    let mut sites = Vec::new();
    for policy in POLICIES {
        let directory = directory.path().join(policy);
        std::fs::create_dir(&directory)?;
        let simulator = Simulator::start(&directory.join("simulator"))?;
        let sync = format!("[journal]\nsync = {policy:?}\n");
        let config = simulator.site.config.replace("[journal]\n", &sync);
        let daemon = Daemon::start(&directory, &config, &[])?;
        let callers = (0..plan.callers).map(|_| Caller::connect(daemon.address()));
        let callers = callers.collect::<Result<Vec<_>, _>>()?;
        let kept = Kept {
            policy,
            answers: Latencies::default(),
            per_second: 0.0,
            cpu: 0.0,
        };
        let before = Usage::of(daemon.pid())?;
        sites.push((kept, before, Duration::ZERO, callers, daemon, simulator));
    }
    let next = AtomicU64::new(0);
    let per_turn = u64::from(plan.pushes.div_ceil(TURNS).max(2));
    for _ in 0..TURNS {
        for (kept, _, posting, callers, ..) in &mut sites {
            let end = next.load(Ordering::Relaxed) + per_turn;
            let start = Instant::now();
            let answers = post(callers, &next, end)?;
            *posting += start.elapsed();
            kept.answers.extend(answers);
            next.store(end, Ordering::Relaxed);
        }
    }
    let due = u64::from(TURNS) * per_turn;
    let mut rows = Vec::new();
    for (mut kept, before, posting, _callers, daemon, _simulator) in sites {
        let settled = daemon.settled_at_last(LaneId::IOS, due)?;
        if settled != (due, 0) {
            let policy = kept.policy;
            return Err(format!("{policy}: {settled:?} succeeded and failed of {due}").into());
        }
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let pushes = due as f64;
        kept.per_second = pushes / posting.as_secs_f64();
        let spent = Usage::of(daemon.pid())?.since(&before);
        kept.cpu = spent.cpu.as_secs_f64() * 1e6 / pushes;
        rows.push(kept);
        daemon.stop()?;
    }
    Ok(rows)
}

/// Posts pushes numbered up to `end`, over all connections at once; how long each answer took.
fn post(callers: &mut [Caller], next: &AtomicU64, end: u64) -> Result<Vec<Duration>, Failure> {
    let one = |caller: &mut Caller| {
        let (mut body, mut took) = (Vec::new(), Vec::new());
        loop {
            let serial = next.fetch_add(1, Ordering::Relaxed);
            if serial >= end {
                return Ok::<_, Failure>(took);
            }
            write_request(LaneId::IOS, serial, 1, &mut body);
            loop {
                match caller.ask(&body)? {
                    (Answer::Accepted, time) => break took.push(time),
                    (Answer::ComeBackIn(wait), _) => std::thread::sleep(wait),
                }
            }
        }
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (callers.iter_mut())
            .map(|caller| scope.spawn(move || one(caller)))
            .collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| "a caller panicked")??);
        }
        Ok(all)
    })
}

/// What `journal.sync` may be.
const POLICIES: [&str; 3] = ["off", "interval", "group"];
/// Turns of each daemon.
const TURNS: u32 = 10;
