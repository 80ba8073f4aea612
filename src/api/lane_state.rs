//! Whether a lane sends, as it is told to callers and operators, and what an operator says to it.

use std::time::Instant;

use super::route::Order;
use super::stat::{LaneAlarm, LaneCredentials, LaneQueue, LaneQueues, LaneState, Sending};
use crate::delivery::present_route::{PresentRoute, ShownCredentials};
use crate::lane::{DECIDED, Hold, Lane, Occupancy, Prevailing, QueueKind, Resting};
use crate::moment::{self, Moment};
use crate::provider::told_of;
use crate::push::{self, LaneId};

/// Whether a lane sends.
pub(super) fn of(lane: &Lane) -> LaneState {
    let now = moment::now();
    let state = lane_state(&lane.holding().holds(), lane.resting(now).as_ref(), now);
    let oldest = lane.oldest();
    let mut shown = LaneState {
        waiting_since: oldest.map(|oldest| oldest.at.unix_secs()),
        oldest: oldest.map(|oldest| oldest.first_id.0),
        failing_since: lane
            .outage()
            .failing()
            .map(|failing| failing.since.unix_secs()),
        alarm: lane.prevailing().map(|it| alarm(lane.id(), it)),
        ..state
    };
    if let Some(unreachable) = lane.unreachable()
        && shown.state == Sending::Open
    {
        shown.state = Sending::Unreachable;
        shown.since = Some(unreachable.since.unix_secs());
        shown.error = Some(unreachable.why.to_string());
        shown.lack = Some(unreachable.lack);
    }
    shown
}

/// Whether a lane sends, in a word.
pub(super) fn sending(lane: &Lane) -> Sending {
    let now = moment::now();
    let state = lane_state(&lane.holding().holds(), lane.resting(now).as_ref(), now).state;
    if state == Sending::Open && lane.unreachable().is_some() {
        return Sending::Unreachable;
    }
    state
}

/// What waits in a lane, by kind.
pub(super) fn queues(lane: &Lane) -> LaneQueues {
    let now = Moment::now();
    let mut ages = lane.oldest_wait(now).into_iter();
    LaneQueues(QueueKind::ALL.map(|kind| {
        let Occupancy { pushes, capacity } = lane.room().occupancy(kind);
        let oldest_seconds = ages.next().flatten().map(|age| age.as_secs());
        let queue = LaneQueue {
            pushes,
            capacity,
            oldest_seconds,
        };
        (kind, queue)
    }))
}

/// What a lane proves itself with.
pub(super) fn credentials(route: &PresentRoute) -> LaneCredentials {
    let ShownCredentials {
        present,
        new,
        refusal,
        old,
    } = route.shown();
    LaneCredentials {
        credential: present,
        new_credential_reason: refusal.filter(|_| new.is_some()),
        new_credential: new,
        old_credential: old,
    }
}

/// Pauses a lane, or lets it go on.
pub(super) fn obey(lane: &Lane, order: Order) {
    match order {
        Order::Pause if lane.holding().pause(Moment::now()) => {
            ::log::warn!("{lane}: paused by hand: nothing is sent until PUT /lanes/{lane}/resume");
        }
        Order::Resume if lane.resume() => ::log::info!(
            "{lane}: resumed by hand, {} outstanding",
            push::counted(lane.room().outstanding() as u64)
        ),
        Order::Pause | Order::Resume => {}
    }
}

/// What the API says of a refusal that prevails.
fn alarm(lane: LaneId, prevailing: Prevailing) -> LaneAlarm {
    LaneAlarm {
        reason: prevailing.refusal.reason,
        percent: prevailing.answers * 100 / DECIDED,
        since: prevailing.since.unix_secs(),
        cause: told_of(lane, prevailing.refusal.cause),
        cure: told_of(lane, prevailing.refusal.cure),
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
