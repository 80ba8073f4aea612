//! What callers notice of a provider that does not answer.
//!
//! Two daemons stand side by side. FCM never answers the pushes of the one, until its queue for FCM
//! is full; the other has none. Requests that name iOS only go to either in turn, one by one; then
//! requests for FCM to the full queue. In between the memory of the first is looked at.

use std::fs;
use std::io::Write as _;

use sterna::push::LaneId;

use super::Failure;
use super::arguments::Plan;
use super::callers::{Answer, Caller};
use super::daemon::Daemon;
use super::latencies::Latencies;
use super::simulator::Simulator;
use super::workload::write_request;

/// The rows' name, by which they are chosen.
pub(crate) const NAME: &str = "stalled";

/// What was measured.
pub(crate) struct Stalled {
    /// iOS-only requests to the daemon without FCM pushes.
    pub(crate) alone: Latencies,
    /// The same beside a full queue for FCM.
    pub(crate) beside: Latencies,
    /// Requests for FCM that were answered 503.
    pub(crate) refused: Latencies,
    /// Pushes that fill the queue.
    pub(crate) queue: u32,
    /// Bytes of memory with the full queue, after all those requests.
    pub(crate) resident: u64,
    /// What the formula of sterna-limits(7) allows for that.
    pub(crate) allowed: u64,
}

/// Measures, if the plan asks for it.
pub(crate) fn run(plan: &Plan) -> Result<Option<Stalled>, Failure> {
    if !NAME.starts_with(&plan.rows) {
        return Ok(None);
    }
    let directory = tempfile::tempdir()?;
    let directory = directory.path();
    let queue = plan.pushes;
    // Each has providers of its own: APNs takes a second auth token of one key for an offence.
    let start = |name: &str| {
        let directory = directory.join(name);
        fs::create_dir(&directory)?;
        let simulator = Simulator::start(&directory.join("simulator"))?;
        let config = &simulator.site.config;
        let daemon = Daemon::start(&directory, config, &["-q", &queue.to_string()])?;
        Ok::<_, Failure>((daemon, simulator))
    };
    let ((well, _well_simulator), (sick, _sick_simulator)) = (start("well")?, start("sick")?);
    fill(&mut Caller::connect(sick.address())?, queue)?;

    let mut taken = [Latencies::default(), Latencies::default()];
    let (mut serial, mut body) = (0, Vec::new());
    let requests = queue.div_ceil(REQUESTS_SHARE);
    let per_turn = requests.div_ceil(TURNS).max(2);
    for _ in 0..TURNS {
        for (daemon, taken) in [&well, &sick].into_iter().zip(&mut taken) {
            // Which cores the threads of a connection sleep on counts for more than anything else
            // here, and stays so: a connection for each turn evens that out.
            let mut caller = Caller::connect(daemon.address())?;
            for request in 0..per_turn {
                write_request(LaneId::IOS, serial, 1, &mut body);
                serial += 1;
                let (answer, took) = caller.ask(&body)?;
                let Answer::Accepted = answer else {
                    return Err("a request for iOS alone was answered 503".into());
                };
                // The first of a turn waits for the connection's thread.
                if request > 0 {
                    taken.extend([took]);
                }
            }
        }
    }
    for daemon in [&well, &sick] {
        let due = u64::from(TURNS * per_turn);
        let settled = daemon.settled_at_last(LaneId::IOS, due)?;
        if settled != (due, 0) {
            return Err(format!("{settled:?} pushes to APNs succeeded and failed of {due}").into());
        }
    }
    let [alone, beside] = taken;
    let mut to_sick = Caller::connect(sick.address())?;
    let mut refused = Latencies::default();
    for serial in 0..requests {
        silent_request(u64::from(serial), 1, &mut body);
        let (answer, took) = to_sick.ask(&body)?;
        let Answer::ComeBackIn(_) = answer else {
            return Err("a push was taken into a full queue".into());
        };
        refused.extend([took]);
    }
    let resident = sick.resident()?;
    let allowed = allowed(queue, sick.retries(LaneId::ANDROID)?);
    if resident > allowed {
        return Err(format!("{resident} bytes of memory where {allowed} are allowed").into());
    }
    well.stop()?;
    Ok(Some(Stalled {
        alone,
        beside,
        refused,
        queue,
        resident,
        allowed,
    }))
}

/// Posts pushes that FCM does not answer until the queue is full.
fn fill(caller: &mut Caller, queue: u32) -> Result<(), Failure> {
    let (mut body, mut next) = (Vec::new(), 0);
    while next < queue {
        let pushes = BATCH.min(queue - next);
        silent_request(next.into(), pushes, &mut body);
        let (Answer::Accepted, _) = caller.ask(&body)? else {
            return Err("the queue is full too soon".into());
        };
        next += pushes;
    }
    Ok(())
}

/// Writes the body of a request for bulk pushes that the simulator of FCM does not answer: for one
/// of the other class there is room in a full queue.
fn silent_request(first: u64, pushes: u32, out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(br#"{"notifications":["#);
    for serial in first..first + u64::from(pushes) {
        if serial > first {
            out.push(b',');
        }
        // Writing to a vector cannot fail.
        let _written = write!(
            out,
            r#"{{"token":["silent-{serial:0152}"],"platform":2,"message":"{MESSAGE}","class":"bulk"}}"#
        );
    }
    out.extend_from_slice(b"]}");
}

/// The formula of sterna-limits(7), for these pushes, of which so many at most wait to be tried
/// again, and a handful of callers' connections.
fn allowed(queue: u32, tried: u64) -> u64 {
    let threads = 2 * std::thread::available_parallelism().map_or(1, |cpus| cpus.get() as u64);
    let push = 20 + TOKEN + 400 + MESSAGE.len() as u64 + PAYLOAD_AROUND + JOURNAL;
    (48 << 20) + threads * (3 << 20) + u64::from(queue) * push + tried * TRIED
}

/// Turns of either daemon, so that what happens to the machine happens to both.
const TURNS: u32 = 50;
/// One request of a kind for so many pushes of the queue.
const REQUESTS_SHARE: u32 = 10;
/// Pushes in a request that fills the queue.
const BATCH: u32 = 100;
/// Characters of the device tokens that are not answered: as long as FCM's are.
const TOKEN: u64 = 159;
/// Bytes of a payload beside the message.
const PAYLOAD_AROUND: u64 = 100;
/// Bytes more of a push that was tried and waits to be tried again.
const TRIED: u64 = 200;
/// Bytes of memory that the journal has for a notification.
const JOURNAL: u64 = 70;
const MESSAGE: &str = "Your order has left our warehouse and arrives tomorrow.";
