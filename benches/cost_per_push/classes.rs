//! How soon a transactional push is with its provider while a campaign waits before it.
//!
//! The lane is paused until the bulk pushes are in its queue. Then one transactional push after the
//! other is posted, as long as bulk ones wait, and the simulator, which is within this process
//! here, says when each has come. What counts begins with the answer to its caller.

use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use sterna::push::LaneId;
use sterna::simulator::{Credentials, Options, Receipt, Report, Simulator};

use super::Failure;
use super::arguments::{CALLERS_UNLESS_SET, Plan};
use super::callers::{Answer, Caller, Callers};
use super::daemon::Daemon;
use super::latencies::Latencies;
use super::workload::{SHAPES, write_request};

/// The rows' name, by which they are chosen.
pub(crate) const NAME: &str = "classes";

/// What was measured.
pub(crate) struct Classes {
    /// Without a bulk push.
    pub(crate) alone: Latencies,
    /// While bulk ones waited.
    pub(crate) beside: Latencies,
    /// So many at first.
    pub(crate) bulk: u32,
}

/// A daemon, and what says which of the transactional pushes has come to the provider.
struct Stage {
    daemon: Daemon,
    caller: Caller,
    arrivals: Receiver<Instant>,
    next: u64,
}

/// Measures, if the plan asks for it.
pub(crate) fn run(plan: &Plan) -> Result<Option<Classes>, Failure> {
    if !NAME.starts_with(&plan.rows) {
        return Ok(None);
    }
    let directory = tempfile::tempdir()?;
    let directory = directory.path();
    let credentials = Arc::new(Credentials::generate(&directory.join("simulator"))?);
    let (came, arrivals) = mpsc::channel();
    let came = Mutex::new(came);
    let mut options = Options::new(credentials);
    let first = super::workload::device_token(LaneId::IOS, FIRST);
    let is_ours = first.len() - SERIAL_DIGITS..;
    options.report = Report::Each(Box::new(move |receipt: &Receipt<'_>| {
        let serial = receipt.device_token.get(is_ours.clone());
        let serial = serial.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        if serial >= Some(FIRST) {
            let came = came.lock().unwrap_or_else(PoisonError::into_inner);
            // Who asked has heard of an earlier one that it was late.
            let _told = came.send(Instant::now());
        }
    }));
    let simulator = Simulator::start(options)?;
    let queue = plan.pushes.max(1_000).to_string();
    let daemon = Daemon::start(directory, &simulator.config_text(), &["-q", &queue])?;
    let mut stage = Stage {
        caller: Caller::connect(daemon.address())?,
        daemon,
        arrivals,
        next: FIRST,
    };
    stage.push()?;
    let mut alone = Latencies::default();
    for _ in 0..plan.pushes.div_ceil(ALONE_SHARE).min(ALONE_MAX) {
        thread::sleep(BETWEEN);
        alone.extend([stage.push()?]);
    }

    let paused = stage.daemon.ask("PUT", "/lanes/ios/pause")?;
    if paused.get("state").and_then(Value::as_str) != Some("paused") {
        return Err(format!("ios is not paused: {paused}").into());
    }
    let mut callers = Callers::connect(stage.daemon.address(), CALLERS_UNLESS_SET)?;
    callers.post(SHAPES[0], 0, plan.pushes)?;
    let waiting = stage.daemon.waiting()?;
    if waiting < u64::from(plan.pushes) {
        return Err(format!("{waiting} pushes wait of {}", plan.pushes).into());
    }
    stage.daemon.ask("PUT", "/lanes/ios/resume")?;
    let mut beside = Latencies::default();
    loop {
        let took = stage.push()?;
        // What came when no other was left says nothing.
        if stage.daemon.waiting()? == 0 {
            break;
        }
        beside.extend([took]);
        thread::sleep(BETWEEN);
    }
    let due = u64::from(plan.pushes) + stage.next - FIRST;
    let settled = stage.daemon.settled_at_last(LaneId::IOS, due)?;
    if settled != (due, 0) {
        return Err(format!("{settled:?} pushes succeeded and failed of {due}").into());
    }
    stage.daemon.stop()?;
    simulator.stop();
    Ok(Some(Classes {
        alone,
        beside,
        bulk: plan.pushes,
    }))
}

impl Stage {
    /// Posts one; from the answer until it is with the provider.
    fn push(&mut self) -> Result<Duration, Failure> {
        let mut body = Vec::new();
        write_request(LaneId::IOS, self.next, 1, &mut body);
        self.next += 1;
        let (answer, _) = self.caller.ask(&body)?;
        let Answer::Accepted = answer else {
            return Err("a transactional push was turned away".into());
        };
        let accepted = Instant::now();
        let came = self.arrivals.recv_timeout(COMES_WITHIN);
        let came = came.map_err(|_| "a transactional push has not come")?;
        Ok(came.saturating_duration_since(accepted))
    }
}

/// The number of the first device of a transactional push.
const FIRST: u64 = 1 << 40;
/// Digits of a device's number at the end of its token.
const SERIAL_DIGITS: usize = 16;
/// One transactional push alone for so many bulk ones, and so many at most.
const ALONE_SHARE: u32 = 50;
const ALONE_MAX: u32 = 1_000;
/// Time between two.
const BETWEEN: Duration = Duration::from_millis(5);
const COMES_WITHIN: Duration = Duration::from_secs(60);
