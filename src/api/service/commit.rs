//! From a plan to pushes in their lanes: all of it, or nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::answer::{PushReply, Taken};
use super::super::idempotency::{Keyed, PackedAnswer, REJECTED_KEPT};
use super::super::plan::{Malformed, Plan, Planned, UNSENT_LOGGED_MAX};
use super::{Service, keys_full};
use crate::backlog::Refused;
use crate::count;
use crate::delivery::running_lane::RunningLane;
use crate::http1::head::Head;
use crate::http1::reply::{RETRY_AFTER_SECS, Reply};
use crate::http1::{Traceparent, while_waiting};
use crate::lane::{Lane, Lanes, Reservation};
use crate::moment::Moment;
use crate::provider::{self, Built};
use crate::push::{Accepted, LaneId, Note, Notification, Push, PushId};

impl Service {
    /// Takes all of the plan or, with the answer as error, nothing of it.
    ///
    /// Room first, so that nothing is recorded that cannot be queued; then the record, so that
    /// nothing is queued or answered that a crash could take.
    pub(super) fn commit(
        &self,
        plan: Plan,
        lanes: &Lanes<RunningLane>,
        names: &RequestNames,
        keyed: Option<Keyed<'_>>,
    ) -> Result<Reply, Reply> {
        let mut reserved = Self::reserve(&plan, lanes)?;
        let Numbered {
            pushed,
            pushed_notifications,
            disabled,
            unlisted,
            taken,
        } = self.number(plan.notifications, names)?;
        let mut answer = PushReply::new("ok", &plan.rejected, &plan.ignored, taken);
        if keyed.is_some() {
            answer = answer.listing(REJECTED_KEPT);
        }
        let reply = answer.reply(200);
        let packed = keyed.map(|keyed| (keyed, PackedAnswer::of(&reply.body)));
        if let Some((keyed, answer)) = &packed {
            let held = self.repeats().hold(*keyed, answer.bytes());
            held.map_err(keys_full)?;
        }
        let now = Moment::now().unix;
        let answer = packed.map(|(keyed, answer)| keyed.kept(answer.bytes(), now));
        if !pushed.is_empty() || answer.is_some() {
            let accepted = while_waiting(|| self.backlog.accept(&pushed, answer.as_ref()));
            accepted.map_err(|refused| not_kept(&refused))?;
        }
        count_accepted(&pushed, lanes);
        for (accepted, notification) in &disabled {
            self.lines.disabled(accepted, Note::of(notification));
        }
        if unlisted > 0 {
            let further = count::of(unlisted, "further push", "further pushes");
            let text = format!(
                "{further} of a request to a disabled platform, over the {UNSENT_LOGGED_MAX} \
                 that are listed"
            );
            self.lines.error(&text, "", &names.id);
        }
        for (accepted, notification) in pushed.iter().zip(&pushed_notifications) {
            self.lines.accepted(accepted, Note::of(notification));
            // What is to be sent later is in the backlog alone, which claims it when it is due.
            if accepted.envelope.earliest.is_none()
                && let Some(lane) = reserved.get_mut(&accepted.envelope.lane)
            {
                lane.pushes.extend(Push::all(accepted));
            }
        }
        self.backlog.release_scheduled(&pushed);
        for Reserved { lane, room, pushes } in reserved.into_values() {
            lane.enqueue(room, pushes);
        }
        // Nothing else would tell of the pushes after a crash.
        if !self.backlog.is_kept() {
            while_waiting(|| self.lines.await_accepted());
        }
        Ok(reply)
    }

    /// Tells of device tokens that no provider would take, under ids of their own: whoever keeps
    /// them learns from the push log that they are to go.
    pub(super) fn log_malformed(&self, malformed: Malformed, names: &RequestNames) {
        let Malformed {
            notifications,
            mut omitted,
            ..
        } = malformed;
        for (mut shown, tokens) in notifications {
            let Ok(first_id) = self.ids.take(tokens.len() as u64) else {
                omitted += tokens.len();
                continue;
            };
            names.put_on(&mut shown);
            let at = Moment::now();
            let nothing = Built::nothing(shown.lane);
            let malformed = provider::accept(&shown, &nothing, tokens, first_id, at);
            self.lines.malformed(&malformed, Note::of(&shown));
        }
        if omitted > 0 {
            let further = count::of(omitted, "further device token", "further device tokens");
            let text =
                format!("{further} of a request, malformed too, beyond those that are listed");
            self.lines.error(&text, "", &names.id);
        }
    }

    /// Gives every push its id, or says why it has none.
    fn number(&self, notifications: Vec<Planned>, names: &RequestNames) -> Result<Numbered, Reply> {
        let tokens = notifications.iter().map(|planned| planned.tokens.len());
        let taken = self.ids.take(tokens.sum::<usize>() as u64);
        let mut next = taken.map_err(|why| {
            // A disk that is full, or has failed, has one name for both.
            let why = self.backlog.trouble().unwrap_or(why);
            Reply::message(503, &why).with_retry_after(RETRY_AFTER_SECS)
        })?;
        let at = Moment::now();
        let mut numbered = Numbered {
            pushed: Vec::with_capacity(notifications.len()),
            pushed_notifications: Vec::with_capacity(notifications.len()),
            disabled: Vec::new(),
            unlisted: 0,
            taken: Vec::with_capacity(notifications.len()),
        };
        let mut listed = 0;
        for mut planned in notifications {
            let index = planned.index;
            let count = planned.tokens.len();
            let first_id = next;
            next = PushId(next.0.saturating_add(count as u64));
            if planned.built.is_none() {
                planned.tokens.truncate(UNSENT_LOGGED_MAX - listed);
                listed += planned.tokens.len();
                numbered.unlisted += count - planned.tokens.len();
                let disabled = accepted(planned, first_id, at, names);
                numbered.disabled.push(disabled);
            } else {
                let (accepted, notification) = accepted(planned, first_id, at, names);
                numbered.pushed.push(Arc::new(accepted));
                numbered.pushed_notifications.push(notification);
                numbered.taken.push(Taken {
                    index,
                    first_id: first_id.0,
                    count,
                });
            }
        }
        Ok(numbered)
    }

    /// Room for all pushes of a plan in their lanes, or none at all and the answer.
    fn reserve<'l>(
        plan: &Plan,
        lanes: &'l Lanes<RunningLane>,
    ) -> Result<BTreeMap<LaneId, Reserved<'l>>, Reply> {
        let asked = plan.pushes();
        for (id, (pushes, class)) in &asked {
            let room = lanes.get(*id).map(|running| running.lane.room());
            let capacity = room.map(|room| room.callers().limit(*class));
            if let Some(capacity) = capacity.filter(|capacity| pushes > capacity) {
                let message = never_fits(*id, *pushes, capacity);
                return Err(Reply::message(413, &message));
            }
        }
        let reserve = |(id, (pushes, class))| {
            let lane: &Lane = &lanes.get(id)?.lane;
            let room = lane.room().reserve_for(class, pushes).ok_or_else(|| {
                let callers = lane.room().callers();
                let (outstanding, capacity) = (callers.outstanding(), callers.limit(class));
                let message = is_full(id, pushes, outstanding, capacity);
                Reply::message(503, &message).with_retry_after(RETRY_AFTER_SECS)
            });
            let pushes = Vec::with_capacity(pushes);
            Some(room.map(|room| (id, Reserved { lane, room, pushes })))
        };
        asked.into_iter().filter_map(reserve).collect()
    }
}

/// How a request is named in the lines of its pushes.
pub(super) struct RequestNames {
    id: Arc<str>,
    traceparent: Option<Arc<str>>,
}

impl RequestNames {
    pub(super) fn of(head: &Head) -> Self {
        let traceparent = head.traceparent.as_ref();
        let traceparent = traceparent.and_then(|said| said.as_ref().ok());
        Self {
            id: head.id().into(),
            traceparent: traceparent.map(Traceparent::shared),
        }
    }

    fn put_on(&self, notification: &mut Notification) {
        notification.request_id = Arc::clone(&self.id);
        notification.traceparent.clone_from(&self.traceparent);
    }
}

/// Counts pushes as accepted, once for each lane and class of a request.
fn count_accepted(pushed: &[Arc<Accepted>], lanes: &Lanes<RunningLane>) {
    let mut counts = BTreeMap::<_, u64>::new();
    for accepted in pushed {
        let of = (accepted.envelope.lane, accepted.envelope.class);
        *counts.entry(of).or_default() += u64::from(accepted.parcel.count());
    }
    for ((lane, class), pushes) in counts {
        lanes.stats(lane).accepted(class, pushes);
    }
}

/// Room in one lane, and the pushes that will go there.
struct Reserved<'a> {
    lane: &'a Lane,
    room: Reservation,
    pushes: Vec<Push>,
}

/// The parts of a request with their ids.
struct Numbered {
    pushed: Vec<Arc<Accepted>>,
    /// Those of `pushed`, of which their lines tell.
    pushed_notifications: Vec<Notification>,
    /// Those that are listed in the log.
    disabled: Vec<(Accepted, Notification)>,
    /// Pushes to disabled platforms that are not.
    unlisted: usize,
    taken: Vec<Taken>,
}

fn accepted(
    planned: Planned,
    first_id: PushId,
    at: Moment,
    names: &RequestNames,
) -> (Accepted, Notification) {
    let mut notification = planned.notification;
    names.put_on(&mut notification);
    let nothing = || Built::nothing(notification.lane);
    let built = planned.built.unwrap_or_else(nothing);
    let accepted = provider::accept(&notification, &built, planned.tokens, first_id, at);
    (accepted, notification)
}

/// Only a request of which nothing is kept may be sent to another daemon: a 503 says that.
pub(super) fn not_kept(refused: &Refused) -> Reply {
    if refused.is_unknown {
        let message = format!("it is not known whether the pushes were taken: {refused}");
        return Reply::message(500, &message);
    }
    if refused.is_for_good() {
        return Reply::message(413, &refused.to_string());
    }
    Reply::message(503, &refused.to_string()).with_retry_after(RETRY_AFTER_SECS)
}

fn never_fits(lane: LaneId, pushes: usize, capacity: usize) -> String {
    format!("number of {lane} pushes({pushes}) over what the {lane} queue can hold({capacity})")
}

fn is_full(lane: LaneId, pushes: usize, outstanding: usize, capacity: usize) -> String {
    let room = capacity.saturating_sub(outstanding);
    format!(
        "{lane} queue is full: {} not fit, it has room for {room} of {capacity}",
        count::of(pushes, "push does", "pushes do")
    )
}
