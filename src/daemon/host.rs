//! What the API's endpoints see of the daemon.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::api::route::Order;
use crate::api::service::{Door, Host, Kept, Unrecorded};
use crate::api::stat::{LaneAlarm, LaneState, Pushers, Sending};
use crate::api::strangers::Stranger;
use crate::backlog::{Backlog, Purged, PushState, Whereabouts};
use crate::config::PUSHER_MAX_MAX;
use crate::count::{self, Seldom};
use crate::delivery::running_lane::RunningLane;
use crate::http1::head::Head;
use crate::lane::{DECIDED, Hold, Lanes, Prevailing, Reservation, Resting};
use crate::live::Live;
use crate::log::line::{self, Level, Line, PushLine, Tail};
use crate::log::{Logs, TimeText};
use crate::moment::{self, Moment};
use crate::push::{self, Accepted, Push, PushId};
use crate::stats::Process;

impl Door for RunningLane {
    type Room = Reservation;

    fn capacity(&self) -> usize {
        self.lane.room().capacity()
    }

    fn outstanding(&self) -> usize {
        self.lane.room().outstanding()
    }

    fn reserve(&self, pushes: usize) -> Option<Reservation> {
        self.lane.room().reserve(pushes)
    }

    fn enqueue(&self, room: Reservation, pushes: Vec<Push>) {
        self.lane.enqueue(room, pushes);
    }

    fn state(&self) -> LaneState {
        let now = moment::now();
        let state = lane_state(
            &self.lane.holding().holds(),
            self.lane.resting(now).as_ref(),
            now,
        );
        let oldest = self.lane.waiting().oldest();
        let mut shown = LaneState {
            waiting_since: oldest.map(|oldest| oldest.at.unix_secs()),
            oldest: oldest.map(|oldest| oldest.first_id.0),
            failing_since: self
                .lane
                .outage()
                .failing()
                .map(|failing| failing.since.unix_secs()),
            alarm: self.lane.prevailing().map(alarm),
            ..state
        };
        if let Some(unreachable) = self.lane.unreachable()
            && shown.state == Sending::Open
        {
            shown.state = Sending::Unreachable;
            shown.since = Some(unreachable.since.unix_secs());
            shown.error = Some(unreachable.why.to_string());
        }
        shown
    }

    fn obey(&self, order: Order) {
        let lane = &self.lane;
        match order {
            Order::Pause if lane.holding().pause(Moment::now()) => ::log::warn!(
                "{lane}: paused by hand: nothing is sent until PUT /lanes/{lane}/resume"
            ),
            Order::Resume if lane.resume() => ::log::info!(
                "{lane}: resumed by hand, {} outstanding",
                push::counted(lane.room().outstanding() as u64)
            ),
            Order::Pause | Order::Resume => {}
        }
    }
}

/// What the API says of a refusal that prevails.
fn alarm(prevailing: Prevailing) -> LaneAlarm {
    LaneAlarm {
        reason: prevailing.refusal.reason,
        percent: prevailing.answers * 100 / DECIDED,
        since: prevailing.since.unix_secs(),
        cause: prevailing.refusal.cause,
        cure: prevailing.refusal.cure,
    }
}

/// What the API says of a lane that is held so, or rests.
fn lane_state(holds: &[Hold], resting: Option<&Resting>, now: Instant) -> LaneState {
    let mut shown = LaneState::OPEN;
    // By hand and for a credential at once: the hand has to end it, so that is its state.
    for hold in holds {
        let (state, since) = match hold {
            Hold::Operator { since } => (Sending::Paused, since),
            Hold::Credential {
                reason,
                text,
                push,
                since,
                ..
            } => {
                shown.reason = Some(reason.to_string());
                shown.push = push.map(|push| push.0);
                shown.error = Some(text.to_string());
                (Sending::Held, since)
            }
        };
        if shown.state == Sending::Open {
            (shown.state, shown.since) = (state, Some(since.unix_secs()));
        }
    }
    if let Some(resting) = resting {
        let left = resting.until.saturating_duration_since(now);
        shown.seconds_left = u64::try_from(left.as_millis().div_ceil(1000)).ok();
        if shown.state == Sending::Open {
            shown.state = Sending::Resting;
            shown.since = Some(resting.since.unix_secs());
            shown.reason = Some(resting.why.to_string());
        }
    }
    shown
}

/// The daemon behind the endpoints.
#[derive(Debug)]
pub(super) struct DaemonHost {
    pub(super) logs: Logs,
    pub(super) lanes: Arc<Live<Lanes<RunningLane>>>,
    pub(super) connections_per_lane: usize,
    pub(super) backlog: Arc<Backlog>,
    pub(super) whereabouts: Whereabouts,
    /// Requests without a valid API key; those of web pages; those with a foreign name.
    pub(super) intruders: Mutex<Seldom>,
    pub(super) pages: Mutex<Seldom>,
    pub(super) misnamed: Mutex<Seldom>,
    /// What is in force, as JSON.
    pub(super) config: Live<Vec<u8>>,
}

thread_local! {
    /// One buffer and one cached second per API thread.
    static LINES: RefCell<(Vec<u8>, TimeText)> = RefCell::new((Vec::new(), TimeText::new()));
}

/// Bytes of lines that are gathered before they are handed to the log, and of the buffer that is
/// kept: the lines of one request may be a thousand times its size.
const LINES_KEPT: usize = 64 * 1024;

/// Our limit: how long an answer waits for its lines to be in their file.
const LINES_WITHIN: Duration = Duration::from_secs(1);

/// What APNs says of a device token that is none, as Gaurun put it: scripts that screen match it.
const BAD_DEVICE_TOKEN: &str = "bad device token";

impl DaemonHost {
    /// Formats lines into the thread's buffer and hands them to a log.
    fn with_lines(sink: &crate::log::Sink, write: impl FnOnce(&mut Vec<u8>, &str)) {
        if sink.discards() {
            return;
        }
        LINES.with_borrow_mut(|(lines, time_text)| {
            write(lines, time_text.at(Moment::now()));
            sink.write(lines);
            lines.clear();
            lines.shrink_to(LINES_KEPT);
        });
    }

    fn log_tokens(
        &self,
        sink: &crate::log::Sink,
        (line, error): (Line, &str),
        accepted: &Accepted,
    ) {
        let privacy = self.logs.privacy.get();
        Self::with_lines(sink, |out, at| {
            let note = accepted.parcel.note();
            for (token, id) in accepted.parcel.tokens().zip(accepted.first_id.0..) {
                let push_line = PushLine {
                    line,
                    platform: accepted.envelope.lane.platform(),
                    note,
                    id: PushId(id),
                    first_id: accepted.first_id,
                    token: &token.text(),
                    ptime: Duration::ZERO,
                    error,
                    tail: Tail::default(),
                };
                line::push(out, at, &push_line, &privacy);
                if out.len() >= LINES_KEPT {
                    sink.write(out);
                    out.clear();
                }
            }
        });
    }
}

impl Host for DaemonHost {
    fn now(&self) -> Moment {
        Moment::now()
    }

    fn is_not_ready(&self) -> Option<&'static str> {
        self.backlog.is_not_ready()
    }

    fn trouble(&self) -> Option<String> {
        self.backlog.trouble()
    }

    fn warning(&self) -> Option<&'static str> {
        self.backlog.warning()
    }

    fn log_trouble(&self) -> Option<String> {
        self.logs.trouble()
    }

    fn record(&self, accepted: &[Arc<Accepted>], kept: Option<Kept<'_>>) -> Result<(), Unrecorded> {
        let answer = kept.map(|kept| kept.keyed.kept(kept.answer, Moment::now().unix));
        self.backlog
            .accept(accepted, answer.as_ref())
            .map_err(Unrecorded::from)
    }

    fn push_state(&self, id: PushId) -> PushState {
        self.whereabouts.of(id, Moment::now())
    }

    fn is_debug(&self) -> bool {
        ::log::max_level() >= ::log::LevelFilter::Debug
    }

    fn note_stranger(&self, stranger: Stranger, peer: &dyn Fn() -> String) {
        let (intruders, which) = match stranger {
            Stranger::Keyless => (&self.intruders, "without a valid API key"),
            Stranger::Page => (&self.pages, "of web pages of other origins"),
            Stranger::Name => (&self.misnamed, "with a Host that is not in core.hosts"),
        };
        let mut intruders = intruders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(requests) = intruders.note(moment::now()) {
            ::log::warn!(
                "{} {which} refused since this was last said; the last came from {}",
                count::of(requests, "request", "requests"),
                peer()
            );
        }
    }

    fn log_request(&self, head: &Head) {
        Self::with_lines(&self.logs.access, |out, at| {
            let (proto, length) = (head.proto(), head.content_length());
            let (target, method) = (&head.target, &head.method);
            line::accepted_request(out, at, target, method, proto, length, head.id());
        });
    }

    fn log_accepted(&self, accepted: &Accepted) {
        self.log_tokens(&self.logs.access, (Line::Accepted, ""), accepted);
    }

    fn await_accepted(&self) {
        if !self.backlog.is_kept() {
            // If the log takes nothing, that is told and has an end elsewhere.
            let _in_time = self.logs.access.flush(LINES_WITHIN);
        }
    }

    fn log_disabled(&self, disabled: &Accepted) {
        self.log_tokens(&self.logs.error, (Line::Disabled, ""), disabled);
    }

    fn log_malformed(&self, malformed: &Accepted) {
        let line = (Line::Failed, BAD_DEVICE_TOKEN);
        self.log_tokens(&self.logs.error, line, malformed);
    }

    fn log_error(&self, text: &str, error: &str, request_id: &str) {
        Self::with_lines(&self.logs.error, |out, at| {
            line::message(out, Level::Error, at, text, error, request_id);
        });
    }

    fn pushers(&self) -> Pushers {
        let lanes = self.lanes.get();
        let serving = lanes.serving().count();
        let connections = serving.saturating_mul(self.connections_per_lane);
        let first = lanes.serving().next();
        let limit = first.map_or(usize::MAX, |running| running.lane.stream_limit());
        Pushers {
            max: match limit {
                usize::MAX => 0,
                streams => streams.saturating_mul(connections) as u64,
            },
            count: lanes.figures().map(|figures| figures.in_flight).sum(),
        }
    }

    fn set_pushers(&self, max: u64) -> Result<(), u64> {
        if max > PUSHER_MAX_MAX {
            return Err(PUSHER_MAX_MAX);
        }
        for running in self.lanes.get().serving() {
            let lane = &running.lane;
            lane.set_stream_limit(usize::try_from(max).unwrap_or(usize::MAX));
        }
        Ok(())
    }

    fn purge(&self, identifier: &str) -> Result<Purged, &'static str> {
        self.whereabouts.purge(identifier)
    }

    fn purge_push(&self, id: PushId) -> Result<Purged, PushState> {
        self.whereabouts.purge_push(id)
    }

    fn config(&self) -> Vec<u8> {
        self.config.get().to_vec()
    }

    fn process(&self) -> Process {
        Process::read()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Destination;
    use crate::provider;
    use crate::push::{Content, DeviceToken, LaneId, Notification};

    #[test]
    fn the_lines_of_a_large_request_are_whole_and_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let discard = Destination::Discard;
        let logs = Logs::open(&Destination::named(&path), &discard, &discard).unwrap();
        let mut notification = Notification::empty(LaneId::IOS);
        notification.message = "m".repeat(LINES_KEPT / 10).into();
        let accepted = provider::accept(
            &notification,
            &Content::default(),
            (0..100)
                .map(|n| DeviceToken::new(format!("{n:064x}")))
                .collect::<Box<_>>(),
            PushId(7),
            Moment::now(),
        );
        let host = DaemonHost {
            logs: logs.clone(),
            lanes: Arc::default(),
            connections_per_lane: 1,
            intruders: Mutex::default(),
            pages: Mutex::default(),
            misnamed: Mutex::default(),
            config: Live::default(),
            backlog: Arc::default(),
            whereabouts: Whereabouts {
                lanes: Arc::default(),
                register: Arc::default(),
                backlog: Arc::default(),
                logs: logs.clone(),
            },
        };
        host.log_accepted(&accepted);
        assert_eq!(logs.close(Duration::from_secs(30)), 0);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 100);
        for (line, id) in text.lines().zip(7..) {
            assert!(line.contains(&format!("\",\"id\":{id},")) && line.ends_with('}'));
        }
        assert!(LINES.with_borrow(|(lines, _)| lines.capacity()) <= 2 * LINES_KEPT);
    }
}
