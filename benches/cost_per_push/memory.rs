//! What a push takes of memory while it waits: resident bytes of the daemon for each, its journal's
//! index among them.
//!
//! One lane is paused, so that all that is posted waits. What the daemon holds before the first
//! push and after a few of them, which fill what it keeps in any case, does not count.

use std::fmt;
use std::io::Write as _;

use serde_json::Value;
use sterna::push::LaneId;

use super::Failure;
use super::arguments::Plan;
use super::callers::{Answer, Caller};
use super::daemon::Daemon;
use super::simulator::Simulator;
use super::workload::device_token;

/// The rows' name, by which they are chosen.
pub(crate) const NAME: &str = "memory";

/// Pushes that wait, of one kind.
#[derive(Clone, Copy)]
pub(crate) struct Waiting {
    lane: LaneId,
    /// Notifications in a request.
    notifications: u32,
    /// Device tokens of each.
    tokens: u32,
}

/// What pushes of one kind take.
pub(crate) struct Taken {
    pub(crate) waiting: Waiting,
    /// Pushes that wait.
    pub(crate) pushes: u32,
    /// Bytes of each, its device token and its share of the texts among them.
    pub(crate) bytes: u64,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            lane,
            notifications,
            tokens,
        } = self;
        write!(
            f,
            "{lane}, {notifications} a request, {tokens} device tokens each"
        )
    }
}

/// Measures, if the plan asks for it.
pub(crate) fn run(plan: &Plan) -> Result<Vec<Taken>, Failure> {
    if !NAME.starts_with(&plan.rows) {
        return Ok(Vec::new());
    }
    let shapes = [(1, 1000), (100, 1), (1, 1)];
    let of_lane = |lane| {
        shapes.map(|(notifications, tokens)| Waiting {
            lane,
            notifications,
            tokens,
        })
    };
    let all = LaneId::DEFAULT_APP.into_iter().flat_map(of_lane);
    all.map(|waiting| take(waiting, plan.pushes)).collect()
}

fn take(waiting: Waiting, pushes: u32) -> Result<Taken, Failure> {
    let directory = tempfile::tempdir()?;
    let simulator = Simulator::start(&directory.path().join("simulator"))?;
    let daemon = Daemon::start(directory.path(), &simulator.site.config, &[])?;
    let paused = daemon.ask("PUT", &format!("/lanes/{}/pause", waiting.lane))?;
    if paused.get("state").and_then(Value::as_str) != Some("paused") {
        return Err(format!("{} is not paused: {paused}", waiting.lane).into());
    }
    let mut caller = Caller::connect(daemon.address())?;
    let of_request = waiting.notifications * waiting.tokens;
    let warm = waiting.post(&mut caller, 0..pushes.div_ceil(WARM_SHARE * of_request))?;
    let before = daemon.resident()?;
    let requests = pushes.div_ceil(of_request);
    let all = waiting.post(&mut caller, warm..warm + requests)?;
    let taken = daemon.resident()?.saturating_sub(before);
    let (posted, waits) = (u64::from(all * of_request), daemon.waiting()?);
    if waits != posted {
        return Err(format!("{waits} pushes wait of {posted} that were posted").into());
    }
    let pushes = (all - warm) * of_request;
    Ok(Taken {
        waiting,
        pushes,
        bytes: taken / u64::from(pushes),
    })
}

impl Waiting {
    /// Posts requests of those numbers; the number after them.
    fn post(self, caller: &mut Caller, requests: std::ops::Range<u32>) -> Result<u32, Failure> {
        let mut body = Vec::new();
        let end = requests.end;
        for request in requests {
            body.clear();
            body.extend_from_slice(br#"{"notifications":["#);
            for notification in 0..self.notifications {
                let serial = u64::from(request * self.notifications + notification);
                let tokens = (0..u64::from(self.tokens))
                    .map(|token| device_token(self.lane, serial * u64::from(self.tokens) + token));
                let tokens = tokens.collect::<Vec<_>>().join("\",\"");
                let comma = if notification > 0 { "," } else { "" };
                // Writing to a vector cannot fail.
                let _written = write!(
                    body,
                    "{comma}{{\"token\":[\"{tokens}\"],\"platform\":{},\"title\":\"On its way\",\
                     \"message\":\"Your order {serial:08} has left our warehouse and arrives \
                     tomorrow.\",\"sound\":\"default\",\"identifier\":\"order-{serial:08}\"}}",
                    self.lane.number(),
                );
            }
            body.extend_from_slice(b"]}");
            let (Answer::Accepted, _) = caller.ask(&body)? else {
                return Err("the queue is full too soon".into());
            };
        }
        Ok(end)
    }
}

/// One push goes before the measurement for so many in it.
const WARM_SHARE: u32 = 20;
