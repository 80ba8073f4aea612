//! From a plan to pushes in their lanes: all of it, or nothing.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use super::super::answer::{PushReply, Taken};
use super::super::gorush;
use super::super::idempotency::{PackedAnswer, REJECTED_KEPT};
use super::super::keyless::Keyless;
use super::super::plan::{Malformed, Plan, Planned, UNSENT_LOGGED_MAX};
use super::Service;
use super::ticket::{Ticket, keys_full};
use crate::backlog::{KeptAnswer, Refused};
use crate::count;
use crate::delivery::running_lane::RunningLane;
use crate::http1::head::Head;
use crate::http1::reply::{self, RETRY_AFTER_SECS, Reply};
use crate::http1::{Promise, Traceparent, while_waiting};
use crate::lane::{Lane, Lanes, Reservation};
use crate::moment::{self, Moment};
use crate::provider::{self, Built};
use crate::push::{Accepted, LaneId, Note, Notification, Push, PushId};

impl Service {
    /// Readies all of the plan to be kept or, with the answer as error, nothing of it.
    ///
    /// Room first, so that nothing is recorded that cannot be queued; then the record, so that
    /// nothing is queued or answered that a crash could take.
    pub(super) fn prepare(
        self: &Arc<Self>,
        plan: Plan,
        lanes: Arc<Lanes<RunningLane>>,
        (names, malformed): (RequestNames, Malformed),
        ticket: Option<Ticket>,
    ) -> Result<Readied, Reply> {
        let reserved = Self::reserve(&plan, &lanes)?;
        let mut numbered = self.number(plan.notifications, &names)?;
        let taken = mem::take(&mut numbered.taken);
        let mut answer = PushReply::new("ok", &plan.rejected, &plan.ignored, taken);
        if ticket.is_some() {
            answer = answer.listing(REJECTED_KEPT);
        }
        let reply = answer.reply(200);
        let mut answer = None;
        if let Some(ticket) = &ticket {
            let packed = PackedAnswer::of(&reply.body);
            let held = self.repeats().hold(ticket.keyed(), packed.bytes());
            held.map_err(keys_full)?;
            answer = Some(ticket.keyed().kept(packed.bytes(), Moment::now().unix));
        }
        Ok(Readied {
            service: Arc::clone(self),
            lanes,
            reserved,
            numbered,
            names,
            malformed,
            reply,
            answer,
            ticket,
            translated: None,
        })
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
        let mut pushed = Vec::with_capacity(notifications.len());
        let mut numbered = Numbered {
            pushed: Arc::default(),
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
                pushed.push(Arc::new(accepted));
                numbered.pushed_notifications.push(notification);
                numbered.taken.push(Taken {
                    index,
                    first_id: first_id.0,
                    count,
                });
            }
        }
        numbered.pushed = Arc::new(pushed);
        Ok(numbered)
    }

    /// Room for all pushes of a plan in their lanes, or none at all and the answer.
    fn reserve(
        plan: &Plan,
        lanes: &Lanes<RunningLane>,
    ) -> Result<BTreeMap<LaneId, Reserved>, Reply> {
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
            Some(room.map(|room| (id, Reserved { room, pushes })))
        };
        asked.into_iter().filter_map(reserve).collect()
    }
}

/// A request of which all is ready to be kept, and then to be sent and answered.
pub(super) struct Readied {
    service: Arc<Service>,
    lanes: Arc<Lanes<RunningLane>>,
    reserved: BTreeMap<LaneId, Reserved>,
    numbered: Numbered,
    names: RequestNames,
    malformed: Malformed,
    /// The answer, once it is kept.
    reply: Reply,
    /// What is kept of that, if it has a key.
    answer: Option<KeptAnswer>,
    ticket: Option<Ticket>,
    /// Its body, if that was gorush's.
    translated: Option<Vec<u8>>,
}

impl Readied {
    /// Whether there is nothing of it that a crash could take.
    pub(super) fn has_nothing_to_keep(&self) -> bool {
        self.numbered.pushed.is_empty() && self.answer.is_none()
    }

    /// Has it kept, and answered then, as promised. `translated` is its body, if that was gorush's.
    pub(super) fn keep(mut self, promise: Promise, translated: Option<Vec<u8>>) {
        self.translated = translated;
        let (service, pushed) = (Arc::clone(&self.service), Arc::clone(&self.numbered.pushed));
        let answer = self.answer.take();
        let tell = |kept| promise.keep(move |head| self.finish(kept, head));
        // Whoever finds nobody at the journal writes and syncs for all who have come.
        while_waiting(|| service.backlog.accept_then(&pushed, answer.as_ref(), tell));
    }

    /// Queues it and answers it, if it is kept.
    pub(super) fn finish(mut self, kept: Result<(), Refused>, head: &Head) -> Reply {
        let reply = match kept {
            Ok(()) => self.sent(),
            Err(refused) => not_kept(&refused),
        };
        let Some(translated) = &self.translated else {
            return reply;
        };
        let terms = self.service.terms.get();
        gorush::answer(reply, translated, &Keyless::of(head, terms.keys.as_ref()))
    }

    fn sent(&mut self) -> Reply {
        let (service, lanes) = (&self.service, &*self.lanes);
        let numbered = &self.numbered;
        let pushed = &numbered.pushed;
        count_accepted(pushed, lanes);
        for (accepted, notification) in &numbered.disabled {
            service.lines.disabled(accepted, Note::of(notification));
        }
        let unlisted = numbered.unlisted;
        if unlisted > 0 {
            let further = count::of(unlisted, "further push", "further pushes");
            let text = format!(
                "{further} of a request to a disabled platform, over the {UNSENT_LOGGED_MAX} \
                 that are listed"
            );
            service.lines.error(&text, "", &self.names.id);
        }
        for (accepted, notification) in pushed.iter().zip(&numbered.pushed_notifications) {
            service.lines.accepted(accepted, Note::of(notification));
            // What is to be sent later is in the backlog alone, which claims it when it is due.
            if accepted.envelope.earliest.is_none()
                && let Some(lane) = self.reserved.get_mut(&accepted.envelope.lane)
            {
                lane.pushes.extend(Push::all(accepted));
            }
        }
        service.backlog.release_scheduled(pushed);
        for (id, Reserved { room, pushes }) in mem::take(&mut self.reserved) {
            // What was reserved there is there.
            if let Some(running) = lanes.get(id) {
                running.lane.enqueue(room, pushes);
            }
        }
        // Nothing else would tell of the pushes after a crash.
        if !service.backlog.is_kept() {
            while_waiting(|| service.lines.await_accepted());
        }
        service.log_malformed(mem::take(&mut self.malformed), &self.names);
        let reply = mem::replace(&mut self.reply, Reply::new(200, reply::JSON, Vec::new()));
        if let Some(ticket) = self.ticket.take() {
            let at = moment::now();
            service.repeats().keep(ticket.keyed(), &reply.body, at);
        }
        reply
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
struct Reserved {
    room: Reservation,
    pushes: Vec<Push>,
}

/// The parts of a request with their ids.
struct Numbered {
    pushed: Arc<Vec<Arc<Accepted>>>,
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
