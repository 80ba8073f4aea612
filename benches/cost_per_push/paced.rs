//! How soon single requests are answered that come at a pace, and what each costs at it: as in-app
//! events come, whatever became of the one before.

use std::thread;
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
pub(crate) const NAME: &str = "paced";

/// What was measured at one pace.
pub(crate) struct Paced {
    /// Requests a second, a push each.
    pub(crate) pace: u32,
    /// From when a request was due to its answer.
    pub(crate) answers: Latencies,
    /// CPU time of the daemon for each push, in microseconds.
    pub(crate) cpu: f64,
}

/// Measures, if the plan asks for it.
pub(crate) fn run(plan: &Plan) -> Result<Vec<Paced>, Failure> {
    if !NAME.starts_with(&plan.rows) {
        return Ok(Vec::new());
    }
    let directory = tempfile::tempdir()?;
    let simulator = Simulator::start(&directory.path().join("simulator"))?;
    let daemon = Daemon::start(directory.path(), &simulator.site.config, &[])?;
    let callers = (0..CALLERS).map(|_| Caller::connect(daemon.address()));
    let mut callers = callers.collect::<Result<Vec<_>, _>>()?;
    let mut next = 0;
    let warm = plan.pushes.div_ceil(WARM_UP_SHARE);
    post(&mut callers, PACES[0], &mut next, warm)?;
    let measured = PACES.into_iter().map(|pace| {
        let before = Usage::of(daemon.pid())?;
        let answers = post(&mut callers, pace, &mut next, plan.pushes)?;
        let settled = daemon.settled_at_last(LaneId::IOS, next)?;
        if settled != (next, 0) {
            return Err(format!("{settled:?} succeeded and failed of {next}").into());
        }
        let spent = Usage::of(daemon.pid())?.since(&before);
        let cpu = spent.cpu.as_secs_f64() * 1e6 / f64::from(plan.pushes);
        Ok(Paced { pace, answers, cpu })
    });
    let measured = measured.collect::<Result<Vec<_>, Failure>>()?;
    daemon.stop()?;
    Ok(measured)
}

/// Posts so many, each when it is due and not before; how long each answer took from then.
fn post(
    callers: &mut [Caller],
    pace: u32,
    next: &mut u64,
    pushes: u32,
) -> Result<Latencies, Failure> {
    let (first, begun) = (*next, Instant::now());
    *next += u64::from(pushes);
    let of_caller = |(place, caller): (u32, &mut Caller)| {
        let (mut body, mut took) = (Vec::new(), Vec::new());
        for number in (place..pushes).step_by(CALLERS as usize) {
            let due = begun + Duration::from_secs(number.into()) / pace;
            thread::sleep(due.saturating_duration_since(Instant::now()));
            write_request(LaneId::IOS, first + u64::from(number), 1, &mut body);
            let (Answer::Accepted, _) = caller.ask(&body)? else {
                return Err(Failure::from("the queue is full"));
            };
            took.push(due.elapsed());
        }
        Ok(took)
    };
    let mut answers = Latencies::default();
    thread::scope(|scope| {
        let of_caller = &of_caller;
        let threads: Vec<_> = ((0..).zip(callers.iter_mut()))
            .map(|caller| scope.spawn(move || of_caller(caller)))
            .collect();
        for thread in threads {
            answers.extend(thread.join().map_err(|_| "a caller panicked")??);
        }
        Ok::<_, Failure>(())
    })?;
    Ok(answers)
}

/// Requests a second.
const PACES: [u32; 2] = [1_000, 5_000];

/// So many that one that waits for its answer keeps no other back.
const CALLERS: u32 = 64;

/// One push goes before for so many.
const WARM_UP_SHARE: u32 = 20;
