//! The endpoints: from a request that was read to its answer.
//!
//! Decisions are in [`plan`](super::plan), [`route`](super::route) and [`request`](super::request);
//! here they meet the lanes, the logs and the clock.

mod commit;
mod operating;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use super::answer::PushReply;
use super::idempotency::{Answered, BodyHash, Full, Keyed, Keys, Seen};
use super::ids::Ids;
use super::ignored::{Ignored, Told};
use super::keyless::Keyless;
use super::keys::ApiKeys;
use super::mistake::Mistake;
use super::plan::{Plan, Rules, UNSENT_LOGGED_MAX, Unplanned, plan};
use super::request::{Trailing, decode};
use super::route::{Order, Route};
use super::stat::{self, LaneState, Pushers};
use super::state;
use super::strangers::Stranger;
use crate::backlog::{Purged, PushState, Refused};
use crate::crash_point;
use crate::http1::RequestIds;
use crate::http1::Turnstile;
use crate::http1::head::{Head, Refusal};
use crate::http1::reply::{self, RETRY_AFTER_SECS, Reply};
use crate::http1::{Handler, More, Phase};
use crate::lane::Lanes;
use crate::live::Live;
use crate::moment::Moment;
use crate::push::{Accepted, Push, PushId};
use crate::stats::Process;

/// The way into a lane.
pub trait Door: Send + Sync {
    /// Room in the queue; dropping it gives the room back.
    type Room;
    /// Pushes that the queue holds at most.
    fn capacity(&self) -> usize;
    /// Pushes accepted and not yet settled.
    fn outstanding(&self) -> usize;
    /// Room for that many pushes, or nothing.
    fn reserve(&self, pushes: usize) -> Option<Self::Room>;
    /// Puts the pushes into the room reserved for them.
    fn enqueue(&self, room: Self::Room, pushes: Vec<Push>);
    /// Whether it sends.
    fn state(&self) -> LaneState;
    /// Pauses it, or lets it go on.
    fn obey(&self, order: Order);
}

/// The rest of the daemon, as the endpoints need it.
pub trait Host: Send + Sync {
    /// Reads the clocks.
    fn now(&self) -> Moment;
    /// Why no push is looked at yet, if none is: the journal is being read.
    fn is_not_ready(&self) -> Option<&'static str>;
    /// Why pushes are refused at present, as far as is known without trying.
    fn trouble(&self) -> Option<String>;
    /// What is wrong with the journal although pushes are taken.
    fn warning(&self) -> Option<&'static str>;
    /// What keeps the push log from being written, without paths.
    fn log_trouble(&self) -> Option<String>;
    /// Keeps what is about to be accepted, as surely as the site wants it, with the answer that
    /// goes out under a caller's key.
    ///
    /// # Errors
    ///
    /// Why not, and whether it is known that nothing is.
    fn record(&self, accepted: &[Arc<Accepted>], kept: Option<Kept<'_>>) -> Result<(), Unrecorded>;
    /// Where a push is, or how it ended.
    fn push_state(&self, id: PushId) -> PushState;
    /// Whether the log level is `debug`, at which Gaurun refuses text after the JSON value.
    fn is_debug(&self) -> bool;
    /// Takes note of a request that is not let in, for the operator; `peer` is who sent it.
    fn note_stranger(&self, stranger: Stranger, peer: &dyn Fn() -> String);
    /// Writes an accepted-request line.
    fn log_request(&self, head: &Head);
    /// Writes an accepted-push line for each token.
    fn log_accepted(&self, accepted: &Accepted);
    /// Waits until the accepted-push lines are in their file, where nothing but they would tell of
    /// the pushes after a crash.
    fn await_accepted(&self);
    /// Writes a disabled-push line for each token.
    fn log_disabled(&self, disabled: &Accepted);
    /// Writes a failed-push line for each token, which no provider would take.
    fn log_malformed(&self, malformed: &Accepted);
    /// Writes a line of text about a request to the error log, at level `error`, with what there is
    /// more to say.
    fn log_error(&self, text: &str, error: &str, request_id: &str);
    /// Streams allowed and in flight.
    fn pushers(&self) -> Pushers;
    /// Changes the streams in flight per connection, at once; 0 means one.
    ///
    /// # Errors
    ///
    /// More than may be: how many those are.
    fn set_pushers(&self, max: u64) -> Result<(), u64>;
    /// Settles the waiting pushes of that identifier as failed, and waits until a crash cannot
    /// bring them back.
    ///
    /// # Errors
    ///
    /// Why nothing was done.
    fn purge(&self, identifier: &str) -> Result<Purged, &'static str>;
    /// Settles one push as failed, wherever it is, and waits likewise.
    ///
    /// # Errors
    ///
    /// How it ended before, or where it is if it could not be got hold of.
    fn purge_push(&self, id: PushId) -> Result<Purged, PushState>;
    /// The configuration in force, without secrets, as JSON.
    fn config(&self) -> Vec<u8>;
    /// What the operating system says of this process.
    fn process(&self) -> Process;
}

/// An answer that is to be given again to whoever asks under the same key.
#[derive(Clone, Copy, Debug)]
pub struct Kept<'a> {
    /// Key and body of the request.
    pub keyed: Keyed<'a>,
    /// The body of the answer.
    pub answer: &'a [u8],
}

/// Why a request is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unrecorded {
    /// What is wrong.
    pub why: String,
    /// Whether its pushes may be recorded all the same, and be sent after the next start.
    pub is_unknown: bool,
}

impl From<Refused> for Unrecorded {
    fn from(refused: Refused) -> Self {
        Self {
            why: refused.to_string(),
            is_unknown: refused.is_unknown,
        }
    }
}

impl Unrecorded {
    /// Only a request of which nothing is taken may be sent to another daemon: a 503 says that.
    fn reply(&self) -> Reply {
        if self.is_unknown {
            let message = format!(
                "it is not known whether the pushes were taken: {}",
                self.why
            );
            return Reply::message(500, &message);
        }
        Reply::message(503, &self.why).with_retry_after(RETRY_AFTER_SECS)
    }
}

/// What callers can rely on until a reload changes it.
pub struct Terms {
    /// What is accepted.
    pub rules: Rules,
    /// Who may call; `None` lets everyone but web pages.
    pub keys: Option<ApiKeys>,
    /// Names by which this host may be called beside `localhost`, in lower case.
    pub hosts: Vec<String>,
}

/// The endpoints.
pub struct Service<D, H> {
    /// The lanes.
    pub lanes: Arc<Live<Lanes<D>>>,
    /// What is accepted, and from whom.
    pub terms: Live<Terms>,
    /// Whether the API is on a loopback address, where who calls it by another name is a web page.
    pub is_on_loopback: bool,
    /// Where push ids come from.
    pub ids: Ids,
    /// What was answered under callers' idempotency keys.
    pub repeats: Mutex<Keys>,
    /// What was told of fields that are ignored.
    pub told: Mutex<Told>,
    /// Where the ids of requests come from that bring none.
    pub request_ids: RequestIds,
    /// The way to where bodies are parsed and checked.
    pub turnstile: Turnstile,
    /// Who watches the answers, if anybody does.
    pub watcher: OnceLock<Box<Watcher>>,
    /// The rest of the daemon.
    pub host: H,
}

/// What is to be done with each answer: its status and its body.
pub type Watcher = dyn Fn(u16, &[u8]) + Send + Sync;

impl<D: Door, H: Host> Handler for Service<D, H> {
    fn begin(&self, head: &mut Head, peer: &dyn Fn() -> String) -> Result<(), Refusal> {
        let id = head.request_id.take();
        let terms = self.terms.get();
        let keyless = Keyless::of(head, terms.keys.as_ref());
        let id = id.filter(|id| keyless.text(id.as_str()) == id.as_str());
        head.request_id = id.or_else(|| Some(self.request_ids.next()));
        let route = Route::of(&head.target).0;
        if let Some(stranger) = self.stranger(&terms, head, &route) {
            self.host.note_stranger(stranger, peer);
            return Err(stranger.refusal());
        }
        if route == Route::Push {
            let keyless = Keyless::of(head, terms.keys.as_ref());
            self.host.log_request(&keyless.head(head));
            if let Some(coding) = head.coding
                && head.content_length() != 0
            {
                let refusal = Refusal::coded(coding);
                self.host.log_error(&refusal.message, "", head.id());
                return Err(refusal);
            }
        }
        Ok(())
    }

    fn answer_bytes(&self, head: &Head, most_body: usize) -> usize {
        if Route::of(&head.target).0 != Route::Push {
            return 0;
        }
        let body = usize::try_from(head.content_length()).unwrap_or(most_body);
        PushReply::bytes_max(self.terms.get().rules.notification_max, body)
    }

    fn answer(&self, head: &Head, body: &mut Vec<u8>, phase: Phase, more: &mut More<'_>) -> Reply {
        let (route, query) = Route::of(&head.target);
        match route {
            Route::Push if phase != Phase::Serving => {
                Reply::message(503, DRAINING).with_retry_after(RETRY_AFTER_SECS)
            }
            Route::Push => self.push(head, body, more),
            Route::PushState(id) => self.push_state(head, id),
            Route::StatApp => Reply::new(200, reply::JSON, stat::app(&self.stat_app())),
            Route::StatGo => {
                let body = stat::go(&self.host.process(), self.host.now().unix);
                Reply::new(200, reply::JSON_BARE, body)
            }
            Route::StatRuntime => {
                let body = stat::runtime(&self.host.process(), self.host.now().unix);
                Reply::new(200, reply::JSON_BARE, body)
            }
            Route::Config if matches!(&*head.method, "GET" | "HEAD") => {
                Reply::new(200, reply::JSON_BARE, self.host.config())
            }
            Route::Config => Reply::message(400, "method must be GET"),
            Route::Pushers => self.pushers(head, query),
            Route::Pushes => self.purge(head, query),
            Route::Lane { name, order } => self.order(head, &name, order),
            Route::Health if phase != Phase::Serving => Reply::message(503, DRAINING),
            Route::Health => self.health(),
            Route::Redirect(location) => redirect(head, location),
            Route::Unknown => Reply::new(404, reply::PLAIN_TEXT, b"404 page not found\n".to_vec()),
            Route::Malformed => Reply::message(400, "request target is malformed"),
        }
    }

    fn answered(&self, reply: &Reply) {
        if let Some(watcher) = self.watcher.get() {
            watcher(reply.status, &reply.body);
        }
    }
}

impl<D: Door, H: Host> Service<D, H> {
    /// Why the request is not let in, if it is not.
    fn stranger(&self, terms: &Terms, head: &Head, route: &Route) -> Option<Stranger> {
        let Some(keys) = &terms.keys else {
            let hosts = self.is_on_loopback.then_some(&*terms.hosts);
            return Stranger::is(head, hosts);
        };
        let is_let_in =
            *route == Route::Health || keys.admit(head.authorization.as_deref()).is_some();
        (!is_let_in).then_some(Stranger::Keyless)
    }

    /// `POST /push`, its checks in Gaurun's order.
    fn push(&self, head: &Head, body: &mut [u8], more: &mut More<'_>) -> Reply {
        if &*head.method != "POST" {
            return Reply::message(400, "method must be POST");
        }
        if head.content_length() == 0 {
            let terms = self.terms.get();
            let keyless = Keyless::of(head, terms.keys.as_ref());
            let (empty, mistake) = ("request body is empty", Mistake::no_body());
            self.tell_mistake(&mistake, &keyless, head.id());
            return Reply::explained(400, empty, Some(&mistake.answer));
        }
        if let Some(why) = self.host.is_not_ready() {
            return Reply::message(503, why).with_retry_after(RETRY_AFTER_SECS);
        }
        crash_point::pass("read");
        let Some(key) = &head.idempotency_key else {
            return self.take(head, body, None, more);
        };
        let terms = self.terms.get();
        let keys = terms.keys.as_ref().filter(|keys| keys.are_several());
        let keyed = Keyed {
            key,
            body: BodyHash::of(body),
            owner: keys.and_then(|keys| keys.admit(head.authorization.as_deref())),
        };
        let seen = self.repeats().ask(keyed, self.host.now().monotonic);
        let busy = |status, text| Reply::message(status, text).with_retry_after(RETRY_AFTER_SECS);
        match seen {
            Seen::New => {
                let ticket = Ticket { service: self, key };
                // Few rejected parts are listed in what is kept.
                let reply = self.take(head, body, Some(keyed), &mut |_| false);
                if reply.status == 200 {
                    let at = self.host.now().monotonic;
                    self.repeats().keep(keyed, &reply.body, at);
                }
                drop(ticket);
                reply
            }
            Seen::Answered(answer) => Reply::new(200, reply::JSON, answer.to_vec()),
            Seen::OtherBody => Reply::message(422, OTHER_BODY),
            Seen::InProgress => busy(409, IN_PROGRESS),
            Seen::Full(full) => keys_full(full),
        }
    }

    /// Takes what is fine of a body.
    fn take(
        &self,
        head: &Head,
        body: &mut [u8],
        keyed: Option<Keyed<'_>>,
        more: &mut More<'_>,
    ) -> Reply {
        let terms = self.terms.get();
        let keyless = Keyless::of(head, terms.keys.as_ref());
        let lanes = self.lanes.get();
        let mut plan = match self.plan((&terms.rules, &lanes), body, &keyless, more) {
            Ok(plan) => plan,
            Err(Unplanned { message, mistake }) => {
                let log = mistake.as_ref().map_or("", |mistake| &mistake.log);
                self.host.log_error(&message, &keyless.text(log), head.id());
                if let Some(mistake) = &mistake {
                    self.tell_mistake(mistake, &keyless, head.id());
                }
                let error = mistake.as_ref().map(|mistake| &*mistake.answer);
                return Reply::explained(400, &message, error);
            }
        };
        self.log_rejected(&plan, &keyless, head.id());
        self.tell_ignored(&plan.ignored, &keyless, head.id());
        let request_id = head.id().into();
        let malformed = std::mem::take(&mut plan.malformed);
        let malformed = malformed.first(UNSENT_LOGGED_MAX.saturating_sub(plan.disabled()));
        let refusal = plan.refusal().filter(|_| !terms.rules.as_gaurun);
        let reply = if let Some(message) = refusal {
            PushReply::new(&message, &plan.rejected, &plan.ignored, Vec::new()).reply(400)
        } else {
            match self.commit(plan, &lanes, &request_id, keyed) {
                Ok(reply) => reply,
                // Nothing of it is taken, and all of it may come again.
                Err(refused) => return refused,
            }
        };
        self.log_malformed(malformed, &request_id);
        reply
    }

    /// Says what becomes of each part of a body: all that needs the processor alone.
    fn plan(
        &self,
        (rules, lanes): (&Rules, &Lanes<D>),
        body: &mut [u8],
        keyless: &Keyless<'_>,
        more: &mut More<'_>,
    ) -> Result<Plan, Unplanned> {
        let trailing = if self.host.is_debug() {
            Trailing::Refused
        } else {
            Trailing::Ignored
        };
        let _turn = self.turnstile.enter(body.len());
        let batch = decode(body, rules.notification_max, trailing).map_err(|error| Unplanned {
            message: "Request-body is malformed".to_owned(),
            mistake: Some(Mistake::in_body(body, &error, keyless)),
        })?;
        let enabled = |lane| lanes.get(lane).is_some();
        plan(batch, rules, keyless, enabled, more)
    }

    /// `GET /push/{id}` and `DELETE /push/{id}`.
    fn push_state(&self, head: &Head, id: Option<PushId>) -> Reply {
        let is_delete = &*head.method == "DELETE";
        if !is_delete && !matches!(&*head.method, "GET" | "HEAD") {
            return Reply::message(400, "method must be GET or DELETE");
        }
        let Some(id) = id else {
            return Reply::message(400, "malformed push id");
        };
        if let Some(why) = self.host.is_not_ready() {
            return Reply::message(503, why).with_retry_after(RETRY_AFTER_SECS);
        }
        if is_delete {
            return self.purge_push(id);
        }
        state::reply(id, &self.host.push_state(id), self.ids.node())
    }

    /// Takes over what an earlier process has answered under callers' keys.
    pub fn remember(&self, answers: impl IntoIterator<Item = Answered>) {
        self.repeats().restore(answers, self.host.now());
    }

    fn tell_ignored(&self, ignored: &Ignored, keyless: &Keyless<'_>, request_id: &str) {
        if ignored.is_empty() {
            return;
        }
        let now = self.host.now().monotonic;
        let lines = self.told().tell(ignored, request_id, now);
        for line in lines {
            ::log::warn!("{}", keyless.text(&line));
        }
    }

    fn tell_mistake(&self, mistake: &Mistake, keyless: &Keyless<'_>, request_id: &str) {
        let now = self.host.now().monotonic;
        let line = self.told().tell_mistake(mistake, request_id, now);
        if let Some(line) = line {
            ::log::warn!("{}", keyless.text(&line));
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        // No code panics while it holds the lock.
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn repeats(&self) -> MutexGuard<'_, Keys> {
        // No code panics while it holds the lock; if it did, the keys would still be sound.
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One error-log line for each notification with something wrong: Gaurun's bare text, and the
    /// request's id; so at most `notification_max` lines.
    fn log_rejected(&self, plan: &Plan, keyless: &Keyless<'_>, request_id: &str) {
        for fault in plan.rejected.faults() {
            self.host
                .log_error(&keyless.text(&fault.error), "", request_id);
        }
    }
}

/// A key in progress; dropping it frees the key, unless an answer is kept for it by then.
struct Ticket<'a, D: Door, H: Host> {
    service: &'a Service<D, H>,
    key: &'a str,
}

impl<D: Door, H: Host> Drop for Ticket<'_, D, H> {
    fn drop(&mut self) {
        self.service.repeats().forget(self.key);
    }
}

/// Go's redirect: a link for those who asked with GET, no body for others.
fn redirect(head: &Head, location: String) -> Reply {
    let link = location
        .replace('&', "&amp;")
        .replace('"', "&#34;")
        .replace('\'', "&#39;");
    let link = link.replace('<', "&lt;").replace('>', "&gt;");
    let reply = match &*head.method {
        "GET" | "HEAD" => {
            let body = format!("<a href=\"{link}\">Moved Permanently</a>.\n\n");
            Reply::new(301, reply::HTML, body.into_bytes())
        }
        _ => Reply::new(301, reply::HTML, Vec::new()),
    };
    reply.with_field("Location", location)
}

fn keys_full(full: Full) -> Reply {
    let text = match full {
        Full::Room => KEYS_FULL,
        Full::Share => SHARE_FULL,
    };
    Reply::message(503, text).with_retry_after(RETRY_AFTER_SECS)
}

const DRAINING: &str = "shutting down";
const OTHER_BODY: &str = "this Idempotency-Key came with another body before";
const IN_PROGRESS: &str = "a request with this Idempotency-Key is in progress";
const KEYS_FULL: &str = "too many Idempotency-Keys within ten minutes";
const SHARE_FULL: &str = "too many Idempotency-Keys of this API key within ten minutes";

#[cfg(test)]
mod tests;
