//! What honest callers notice of thousands that hold connections.
//!
//! Each request of an honest caller comes on a connection of its own, and has to be answered 200.

use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use sterna::push::LaneId;

use super::Failure;
use super::arguments::{CALLERS_UNLESS_SET, Plan};
use super::callers::{Answer, Caller};
use super::crowd::{Crowd, Place, all_manners};
use super::daemon::Daemon;
use super::latencies::Latencies;
use super::simulator::Simulator;
use super::workload::write_request;

/// The rows' name, by which they are chosen.
pub(crate) const NAME: &str = "crowds";

/// What was measured.
pub(crate) struct Crowds {
    /// Hostile callers at a time.
    pub(crate) callers: usize,
    /// Who they are, and how soon others were answered.
    pub(crate) rows: Vec<(&'static str, Latencies)>,
}

/// Measures, if the plan asks for it.
pub(crate) fn run(plan: &Plan) -> Result<Option<Crowds>, Failure> {
    if !NAME.starts_with(&plan.rows) {
        return Ok(None);
    }
    let directory = tempfile::tempdir()?;
    let directory = directory.path();
    fs::create_dir(directory.join("simulator"))?;
    let simulator = Simulator::start(&directory.join("simulator"))?;
    let daemon = Daemon::start(directory, &simulator.site.config, &[])?;
    let requests = plan.pushes.div_ceil(REQUESTS_SHARE);
    let callers = usize::try_from(plan.pushes)?.min(CALLERS);
    let mut rows = vec![("nobody else", ask_all(daemon.address(), requests)?)];
    for manners in all_manners() {
        let crowd = Crowd::gather(&Place::Tcp(daemon.address()), callers, &manners)?;
        let start = Instant::now();
        while crowd.connected() < callers {
            if start.elapsed() > COMES_WITHIN {
                return Err(format!("no crowd of callers {} came", manners.name).into());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        rows.push((manners.name, ask_all(daemon.address(), requests)?));
    }
    let due = u64::try_from(rows.len())? * u64::from(requests);
    let settled = daemon.settled_at_last(LaneId::IOS, due)?;
    if settled != (due, 0) {
        return Err(format!("{settled:?} pushes succeeded and failed of {due}").into());
    }
    daemon.stop()?;
    Ok(Some(Crowds { callers, rows }))
}

/// So many requests of honest callers, each on a connection of its own.
fn ask_all(address: SocketAddr, requests: u32) -> Result<Latencies, Failure> {
    let next = AtomicU32::new(0);
    let mut taken = Latencies::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CALLERS_UNLESS_SET)
            .map(|_| scope.spawn(|| ask_some(address, &next, requests)))
            .collect();
        for thread in threads {
            taken.extend(thread.join().map_err(|_| "a caller panicked")??);
        }
        Ok(taken)
    })
}

fn ask_some(
    address: SocketAddr,
    next: &AtomicU32,
    requests: u32,
) -> Result<Vec<Duration>, Failure> {
    let (mut body, mut taken) = (Vec::new(), Vec::new());
    loop {
        let serial = next.fetch_add(1, Ordering::Relaxed);
        if serial >= requests {
            return Ok(taken);
        }
        write_request(LaneId::IOS, u64::from(serial), 1, &mut body);
        let start = Instant::now();
        let (Answer::Accepted, _) = Caller::connect(address)?.ask(&body)? else {
            return Err("an honest request was answered 503".into());
        };
        taken.push(start.elapsed());
    }
}

/// Hostile callers of a kind, if the plan is as large as that.
const CALLERS: usize = 2_000;
/// One request of an honest caller for so many pushes of the plan.
const REQUESTS_SHARE: u32 = 100;
/// How long a crowd may take to come.
const COMES_WITHIN: Duration = Duration::from_secs(30);
/// How often we look.
const LOOK_EVERY: Duration = Duration::from_millis(5);
