//! The endpoints in operators' hands: limits, lanes, purges, health.

use serde::Serialize;

use super::super::apps::listed;
use super::super::keyless::Keyless;
use super::super::lane_state;
use super::super::rights::Rights;
use super::super::route::Order;
use super::super::stat::{
    ByLane, ByPlatform, LaneStat, LaneState, Pushers, ScheduledStat, StatApp,
};
use super::super::state;
use super::Service;
use crate::backlog::{DISABLED, Purged, PushState, REMOVED};
use crate::delivery::running_lane::RunningLane;
use crate::http1::head::Head;
use crate::http1::query::{first_value, go_integer};
use crate::http1::reply::{RETRY_AFTER_SECS, Reply};
use crate::http1::while_waiting;
use crate::lane::Lanes;
use crate::push::{LaneId, PushId};
use crate::texts;

impl Service {
    /// `GET /stat/app`.
    pub(super) fn stat_app(&self, rights: &Rights) -> StatApp {
        let lanes = self.lanes.get();
        let pushers = self.present_pushers(&lanes, rights);
        let serving = || {
            lanes
                .serving()
                .filter(|running| rights.reach(running.id().app()))
        };
        let rooms = || serving().map(|running| running.lane.room());
        let capacities = rooms().map(|room| room.capacity() as u64);
        let outstanding = rooms()
            .map(|room| room.callers().outstanding() as u64)
            .sum();
        let (queue_max, queue_usage): (u64, u64) = if self.terms.get().rules.as_gaurun {
            // One queue has one capacity, and what is in flight is no more in it.
            let waiting = u64::saturating_sub(outstanding, pushers.count);
            (capacities.max().unwrap_or_default(), waiting)
        } else {
            (capacities.sum(), outstanding)
        };
        let of_lane = |id| {
            let (lane, figures) = (lanes.get(id), lanes.stats(id).figures());
            let stat = LaneStat {
                settled: figures.into(),
                state: lane.map(|running| lane_state::of(&running.lane)),
                tries: lane.map(|_| figures.into()),
                queue: lane.map(|running| lane_state::queues(&running.lane)),
                credentials: lane.map(|running| lane_state::credentials(&running.route)),
                scheduled: ScheduledStat::of(self.backlog.scheduled(id)),
            };
            (id, stat)
        };
        let shown = lanes.known().filter(|lane| rights.reach(lane.app()));
        let lanes = ByLane(shown.map(of_lane).collect());
        StatApp {
            queue_max,
            queue_usage,
            pusher_max: pushers.max,
            pusher_count: pushers.count,
            settled: ByPlatform::of(&lanes),
            lanes,
        }
    }

    /// `PUT /config/pushers?max=N`.
    pub(super) fn pushers(&self, head: &Head, query: &str) -> Reply {
        let Ok(value) = first_value(query, "max") else {
            let text = "query string of /config/pushers could not be parsed";
            self.lines.error(text, "", head.id());
            return Reply::message(400, "url parameters could not be parsed");
        };
        let value = value.filter(|value| !value.is_empty());
        let max = value.as_deref().and_then(go_integer);
        if let Some(value) = value.filter(|_| max.is_none()) {
            let terms = self.terms.get();
            let value = Keyless::of(head, terms.keys.as_ref())
                .text(&value)
                .into_owned();
            let value = texts::first(&value, SHOWN_MAX);
            let wrong = format!("is {value:?}, which is no integer of 64 bits");
            let text = format!("max of /config/pushers {wrong}");
            self.lines.error(&text, "", head.id());
        }
        let Some(max) = max.and_then(|max| u64::try_from(max).ok()) else {
            return Reply::message(400, "malformed value");
        };
        let limit = self.streams_max;
        if max > limit {
            return Reply::message(400, &format!("max is over the limit({limit})"));
        }
        for running in self.lanes.get().serving() {
            let streams = usize::try_from(max).unwrap_or(usize::MAX);
            running.lane.set_stream_limit(streams);
        }
        let (message, until) = ("ok", UNTIL_THE_END);
        Reply::json_line(200, &Set { message, until })
    }

    /// `DELETE /pushes?identifier=…`.
    pub(super) fn purge(&self, head: &Head, query: &str) -> Reply {
        let Ok(identifier) = first_value(query, "identifier") else {
            return Reply::message(400, "url parameters could not be parsed");
        };
        match identifier.as_deref() {
            // Every push whose caller gave it no name would be meant.
            None | Some("") => Reply::message(400, "identifier is missing or empty"),
            Some(identifier) => {
                if let Some(why) = self.backlog.is_not_ready() {
                    return Reply::message(503, why).with_retry_after(RETRY_AFTER_SECS);
                }
                let rights = self.rights(head);
                let purge = || self.whereabouts.purge(identifier, rights.apps());
                match while_waiting(purge) {
                    Ok(done) => purged(&done),
                    Err(why) => Reply::message(503, why).with_retry_after(RETRY_AFTER_SECS),
                }
            }
        }
    }

    /// `DELETE /push/{id}`.
    pub(super) fn purge_push(&self, id: PushId) -> Reply {
        match while_waiting(|| self.whereabouts.purge_push(id)) {
            Ok(done) => purged(&done),
            Err(state) => self.not_purged(id, &state),
        }
    }

    /// The answer to who would have a push purged that has ended, or was not got hold of.
    pub(super) fn not_purged(&self, id: PushId, state: &PushState) -> Reply {
        match state {
            PushState::Settling(_) | PushState::Settled(_) => Reply {
                status: 409,
                ..state::reply(id, state, self.ids.node())
            },
            PushState::Unknown | PushState::Unclear => state::reply(id, state, self.ids.node()),
            PushState::Scheduled { .. } => {
                Reply::message(503, NOT_READ).with_retry_after(RETRY_AFTER_SECS)
            }
            PushState::Queued { lane }
            | PushState::InFlight { lane, .. }
            | PushState::Retrying { lane, .. } => match self.lanes.get().get(*lane) {
                None => {
                    let apps = &self.terms.get().rules.apps;
                    let (lack, until) = if apps.has(*lane) {
                        (DISABLED, "enabled")
                    } else {
                        (REMOVED, "there again")
                    };
                    let message = format!(
                        "{lane} {lack}: its pushes stay in the journal until it is {until}, or \
                         until they expire"
                    );
                    Reply::message(409, &message)
                }
                Some(_) => Reply::message(503, NOT_CAUGHT).with_retry_after(RETRY_AFTER_SECS),
            },
        }
    }

    /// `PUT /lanes/{name}/pause` and `…/resume`.
    pub(super) fn order(&self, head: &Head, name: &str, order: Order) -> Reply {
        let lanes = self.lanes.get();
        let rights = self.rights(head);
        let is_reached = |lane: &LaneId| rights.reach(lane.app());
        let Some(id) = lanes.named(name).filter(is_reached) else {
            let names = lanes.known().filter(is_reached);
            let names: Vec<_> = names.map(LaneId::name).collect();
            let names = listed(&names);
            return Reply::message(404, &format!("no such lane: there are {names}"));
        };
        let Some(lane) = lanes.get(id) else {
            return Reply::message(404, &format!("{id} is disabled"));
        };
        lane_state::obey(&lane.lane, order);
        let (message, state) = ("ok", lane_state::of(&lane.lane));
        let until = (order == Order::Pause).then_some(UNTIL_THE_END);
        let body = Obeyed {
            message,
            state,
            until,
        };
        Reply::json_line(200, &body)
    }

    /// Streams to the providers.
    fn present_pushers(&self, lanes: &Lanes<RunningLane>, rights: &Rights) -> Pushers {
        let is_reached = |lane: &LaneId| rights.reach(lane.app());
        let serving = lanes.serving().filter(|running| is_reached(&running.id()));
        let serving = serving.count();
        let connections = serving.saturating_mul(self.connections_per_lane);
        let connections = connections.min(lanes.limit().most());
        let first = lanes.serving().next();
        let limit = first.map_or(usize::MAX, |running| running.lane.stream_limit());
        Pushers {
            max: match limit {
                usize::MAX => 0,
                streams => streams.saturating_mul(connections) as u64,
            },
            count: {
                let reached = lanes.known().filter(is_reached);
                let figures = reached.map(|lane| lanes.stats(lane).figures());
                figures.map(|figures| figures.in_flight).sum()
            },
        }
    }
}

/// Our limit: characters of a value of a query that a line shows.
const SHOWN_MAX: usize = 64;

/// Why no place was found to have a push that is outstanding.
const NOT_CAUGHT: &str = "it is on its way from one place to the next, or not yet read back from \
                          the journal: ask again";

/// Why a push that is scheduled was not cancelled.
const NOT_READ: &str = "it is scheduled, and its record cannot be read from the journal now: look \
                        at the disk, and ask again";

/// What is said of a purge that reaches the lanes alone.
const MISSES_DISABLED: &str = "purged, but for pushes that wait in the journal for a disabled \
                               platform: too many purges are remembered for them; ask again once \
                               it is enabled and its pushes are read";

/// What is said of a purge that does not reach all that is scheduled.
const MISSES_SCHEDULED: &str = "purged, but for scheduled pushes that cannot be read from the \
                                journal now: look at the disk, and ask again until the answer is \
                                200";

/// The answer to who has had pushes purged. No 503 even if that is not kept: it would say that
/// nothing was done, and who is in front of several daemons would ask the next one.
pub(super) fn purged(purged: &Purged) -> Reply {
    let Purged {
        pushes,
        unread,
        unkept,
        misses_disabled,
        misses_scheduled,
    } = purged;
    let (status, message) = match unkept {
        None if *misses_scheduled => (500, MISSES_SCHEDULED.to_owned()),
        None if *misses_disabled => (500, MISSES_DISABLED.to_owned()),
        None => (200, "ok".to_owned()),
        Some(why) => (
            500,
            format!(
                "purged pushes are not sent by this process, but a crash would bring them back: \
                 {why}; ask again until the answer is 200"
            ),
        ),
    };
    let body = PurgedBody {
        message,
        purged: *pushes,
        unread: Some(*unread).filter(|unread| *unread > 0),
    };
    Reply::json_line(status, &body)
}

/// The body that says how many pushes were purged.
#[derive(Serialize)]
struct PurgedBody {
    message: String,
    purged: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    unread: Option<u64>,
}

/// The body that says that something was set.
#[derive(Serialize)]
struct Set<'a> {
    message: &'a str,
    until: &'a str,
}

/// How long a pause lasts, at most, and what was set by hand: nobody may take it for more than it
/// is.
const UNTIL_THE_END: &str = "the process ends";

/// The body that says what an order made of a lane.
#[derive(Serialize)]
struct Obeyed<'a> {
    message: &'a str,
    #[serde(flatten)]
    state: LaneState,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<&'a str>,
}
