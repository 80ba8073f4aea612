//! The endpoints: from a request that was read to its answer.
//!
//! Decisions are in [`plan`](super::plan), [`route`](super::route) and [`request`](super::request);
//! here they meet the lanes, the logs and the clock.

mod app_share;
mod channels;
mod commit;
mod feed;
mod health;
mod metrics;
mod operating;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::answer::PushReply;
use super::channel_calls::ChannelCalls;
use super::gorush;
use super::idempotency::{Answered, BodyHash, Full, Keyed, Keys, Seen};
use super::ids::Ids;
use super::ignored::{self, Ignored};
use super::keyless::Keyless;
use super::keys::ApiKeys;
use super::lines::Lines;
use super::mistake::Mistake;
use super::openapi;
use super::paths::PathItem;
use super::plan::{Plan, Rules, UNSENT_LOGGED_MAX, Unplanned, plan};
use super::request::{Trailing, decode};
use super::rights::Rights;
use super::route::Route;
use super::stat;
use super::state;
use super::strangers::Stranger;
use super::told::Told;
use super::turned_away::TurnedAway;
use crate::backlog::{Backlog, PushState, Whereabouts};
use crate::crash_point;
use crate::delivery::running_lane::RunningLane;
use crate::http1::head::{Head, Refusal};
use crate::http1::reply::{self, RETRY_AFTER_SECS, Reply};
use crate::http1::{Handler, More, Phase, RequestIds, Traceparent, Turnstile, while_waiting};
use crate::lane::Lanes;
use crate::live::Live;
use crate::moment::{self, Moment};
use crate::push::PushId;
use crate::stats::{self, CallerStats, Process};
use commit::RequestNames;
pub use feed::KeptFeed;
use health::DRAINING;

/// What callers can rely on until a reload changes it.
pub struct Terms {
    /// What is accepted.
    pub rules: Rules,
    /// Who may call; `None` lets everyone but web pages.
    pub keys: Option<ApiKeys>,
    /// Names by which this host may be called beside `localhost`, in lower case.
    pub hosts: Vec<String>,
    /// What becomes of text after the JSON value of a body: Gaurun refuses it at the log level
    /// `debug`.
    pub trailing: Trailing,
}

/// The endpoints.
pub struct Service {
    /// The lanes.
    pub lanes: Arc<Live<Lanes<RunningLane>>>,
    /// What keeps what is accepted.
    pub backlog: Arc<Backlog>,
    /// Who finds a push, and purges it.
    pub whereabouts: Whereabouts,
    /// What is written of requests, and of pushes before a lane has them.
    pub lines: Lines,
    /// Whom the operator was told of that was not let in.
    pub turned_away: TurnedAway,
    /// The configuration in force, without secrets, as JSON.
    pub config: Live<Vec<u8>>,
    /// Connections to its provider that a lane has at most.
    pub connections_per_lane: usize,
    /// Most streams that `PUT /config/pushers` may ask for.
    pub streams_max: u64,
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
    /// Requests about broadcast channels that are under way.
    pub channel_calls: ChannelCalls,
    /// What is counted of requests.
    pub stats: CallerStats,
    /// Says which threads were not heard of, for which the watchdog would end the process.
    pub stuck: OnceLock<Box<Stuck>>,
    /// Where `/metrics` is, if it is not here.
    pub metrics_address: Option<SocketAddr>,
    /// The feed, where there is to be one, and it could be opened.
    pub feed: OnceLock<Option<KeptFeed>>,
    /// The daemon ends: nothing more is taken, whoever still answers.
    pub is_ending: AtomicBool,
    /// Who watches the answers, if anybody does.
    pub watcher: OnceLock<Box<Watcher>>,
}

/// What is to be done with what is watched.
pub type Watcher = dyn Fn(&Watched<'_>) + Send + Sync;

/// Says which threads were not heard of.
pub type Stuck = dyn Fn() -> Vec<String> + Send + Sync;

/// What is seen of requests.
#[derive(Debug)]
pub enum Watched<'a> {
    /// Parts that are ignored, each with why, and how many more there are.
    Ignored(&'a [String], usize),
    /// An answer: its status and its body.
    Answer(u16, &'a [u8]),
}

impl Handler for Service {
    fn begin(&self, head: &mut Head, peer: &dyn Fn() -> String) -> Result<(), Refusal> {
        let id = head.request_id.take();
        let terms = self.terms.get();
        let keyless = Keyless::of(head, terms.keys.as_ref());
        let id = id.filter(|id| keyless.text(id.as_str()) == id.as_str());
        head.request_id = id.or_else(|| Some(self.request_ids.next()));
        let (route, _, item) = Route::of(&head.target);
        if let Some(stranger) = self.stranger(&terms, head, item) {
            self.turned_away.note(stranger, peer);
            return Err(stranger.refusal());
        }
        if matches!(route, Route::Push | Route::GorushPush) {
            self.judge_traceparent(&terms, head);
            let keyless = Keyless::of(head, terms.keys.as_ref());
            self.lines.request(&keyless.head(head));
            if let Some(coding) = head.coding
                && head.content_length() != 0
            {
                let refusal = Refusal::coded(coding);
                self.lines.error(&refusal.message, "", head.id());
                return Err(refusal);
            }
        }
        Ok(())
    }

    fn answer_bytes(&self, head: &Head, most_body: usize) -> usize {
        let of_entries = match Route::of(&head.target).0 {
            Route::Push => 0,
            Route::GorushPush => gorush::ENTRIES_MAX,
            Route::OpenApi => return openapi::document().len(),
            Route::Feed(_) => return feed::ANSWER_BYTES,
            _ => return 0,
        };
        let body = usize::try_from(head.content_length()).unwrap_or(most_body);
        let most = self.terms.get().rules.notification_max;
        PushReply::bytes_max(most, body).saturating_add(of_entries)
    }

    fn answer(&self, head: &Head, body: &mut Vec<u8>, phase: Phase, more: &mut More<'_>) -> Reply {
        let (route, query, item) = Route::of(&head.target);
        let wrong = item.and_then(|item| item.refused_method(&head.method));
        match (route, wrong) {
            (Route::Push | Route::GorushPush | Route::Channels | Route::Channel(_), _)
                if phase != Phase::Serving =>
            {
                Reply::message(503, DRAINING).with_retry_after(RETRY_AFTER_SECS)
            }
            (Route::GorushPush, Some(wrong)) => {
                gorush::answer(Reply::message(400, &wrong), body, &Keyless::default())
            }
            (_, Some(wrong)) => Reply::message(400, &wrong),
            (route, None) => self.routed(route, query, head, body, phase, more),
        }
    }

    fn answered(&self, head: Option<&Head>, reply: &Reply, took: Duration) {
        let item = head.and_then(|head| Route::of(&head.target).2);
        let path = match (head, item) {
            (None, _) => stats::UNREAD,
            (_, None) => stats::OTHER,
            (_, Some(item)) => item.path,
        };
        self.stats.answered(path, reply.status, took);
        if let Some(watcher) = self.watcher.get() {
            watcher(&Watched::Answer(reply.status, &reply.body));
        }
    }

    fn had_no_place(&self, reply: &Reply) {
        self.stats.turned_away(reply.status);
    }
}

impl Service {
    /// The answer to a request with a method that its path has.
    pub(super) fn routed(
        &self,
        route: Route,
        query: &str,
        head: &Head,
        body: &mut Vec<u8>,
        phase: Phase,
        more: &mut More<'_>,
    ) -> Reply {
        match route {
            Route::Push => self.push(head, body, more),
            Route::GorushPush => self.gorush_push(head, body),
            Route::PushState(id) => self.push_state(head, id),
            Route::StatApp => {
                let body = stat::app(&self.stat_app(&self.rights(head)));
                Reply::new(200, reply::JSON, body)
            }
            Route::StatGo => {
                let body = stat::go(&Process::read(), Moment::now().unix);
                Reply::new(200, reply::JSON_BARE, body)
            }
            Route::StatRuntime => {
                let body = stat::runtime(&Process::read(), Moment::now().unix);
                Reply::new(200, reply::JSON_BARE, body)
            }
            Route::Metrics => match self.metrics_address {
                None => self.metrics(head, more),
                Some(address) => Reply::message(404, &format!("/metrics is at {address} alone")),
            },
            Route::Config => Reply::new(200, reply::JSON_BARE, self.config.get().to_vec()),
            Route::OpenApi => Reply::new(200, reply::JSON_BARE, openapi::document().to_vec()),
            Route::Channels => self.channels(head, (query, body), None),
            Route::Channel(id) => self.channels(head, (query, body), Some(&id)),
            Route::Pushers => self.pushers(head, query),
            Route::Pushes => self.purge(head, query),
            Route::Lane { name, order } => self.order(head, &name, order),
            Route::Feed(stream) => self.feed(head, stream, query),
            Route::Livez => self.livez(query),
            Route::Readyz => self.readyz(query, phase),
            Route::Health => self.healthz(phase),
            Route::Redirect(location) => redirect(head, location),
            Route::Unknown => Reply::new(404, reply::PLAIN_TEXT, b"404 page not found\n".to_vec()),
            Route::Malformed => Reply::message(400, "request target is malformed"),
        }
    }

    /// `GET /metrics`, wherever it is.
    pub(super) fn metrics(&self, head: &Head, more: &mut More<'_>) -> Reply {
        metrics::page(self, head.accept.as_deref().unwrap_or_default(), more)
    }

    /// Why the request is not let in, if it is not.
    pub(super) fn stranger(
        &self,
        terms: &Terms,
        head: &Head,
        item: Option<&PathItem>,
    ) -> Option<Stranger> {
        let Some(keys) = &terms.keys else {
            let hosts = self.is_on_loopback.then_some(&*terms.hosts);
            return Stranger::is(head, hosts);
        };
        if item.is_some_and(|item| item.needs_no_key) {
            return None;
        }
        let Some(rights) = keys.rights(head.authorization.as_deref()) else {
            return Some(Stranger::Keyless);
        };
        let needed = item.map_or(&[][..], |item| item.rights(&head.method));
        let has_one = needed.iter().any(|right| rights.have(*right));
        if let Some(lacking) = needed.first().filter(|_| !has_one) {
            return Some(Stranger::Lacking(*lacking));
        }
        let is_of_all = item.is_some_and(|item| item.is_of_all_apps);
        (is_of_all && rights.apps().is_some()).then_some(Stranger::OfApps)
    }

    /// What a request that was let in may do. A reload may have taken its key out since.
    fn rights(&self, head: &Head) -> Rights {
        match &self.terms.get().keys {
            None => Rights::ALL,
            Some(keys) => {
                let rights = keys.rights(head.authorization.as_deref());
                rights.unwrap_or_else(Rights::none)
            }
        }
    }

    /// `POST /push`, its checks in Gaurun's order.
    fn push(&self, head: &Head, body: &mut [u8], more: &mut More<'_>) -> Reply {
        if head.content_length() == 0 {
            let terms = self.terms.get();
            let keyless = Keyless::of(head, terms.keys.as_ref());
            let (empty, mistake) = ("request body is empty", Mistake::no_body());
            self.tell_mistake(&mistake, &keyless, head);
            return Reply::explained(400, empty, Some(&mistake.answer));
        }
        if let Some(why) = self.backlog.is_not_ready() {
            return Reply::message(503, why).with_retry_after(RETRY_AFTER_SECS);
        }
        crash_point::pass("read");
        let Some(key) = &head.idempotency_key else {
            return self.take(head, body, None, more);
        };
        let terms = self.terms.get();
        let keys = terms.keys.as_ref().filter(|keys| keys.are_several());
        // What was answered to one app's callers is no other app's affair.
        let rights = self.rights(head);
        let key = match rights.apps() {
            None => Cow::Borrowed(&**key),
            Some(apps) => Cow::Owned(format!("{} {key}", apps.join(","))),
        };
        let keyed = Keyed {
            key: &key,
            body: BodyHash::of(body),
            owner: keys.and_then(|keys| keys.admit(head.authorization.as_deref())),
        };
        let seen = self.repeats().ask(keyed, moment::now());
        let busy = |status, text| Reply::message(status, text).with_retry_after(RETRY_AFTER_SECS);
        match seen {
            Seen::New => {
                let ticket = Ticket {
                    service: self,
                    key: &key,
                };
                // Few rejected parts are listed in what is kept.
                let reply = self.take(head, body, Some(keyed), &mut |_| false);
                if reply.status == 200 {
                    let at = moment::now();
                    self.repeats().keep(keyed, &reply.body, at);
                }
                drop(ticket);
                reply
            }
            Seen::Answered(answer) => Reply::new(200, reply::JSON, answer),
            Seen::OtherBody => Reply::message(422, OTHER_BODY),
            Seen::InProgress => busy(409, IN_PROGRESS),
            Seen::Full(full) => keys_full(full),
        }
    }

    /// `POST /api/push`: the same, in gorush's words.
    fn gorush_push(&self, head: &Head, body: &mut Vec<u8>) -> Reply {
        let terms = self.terms.get();
        let keyless = Keyless::of(head, terms.keys.as_ref());
        if head.content_length() > 0 {
            let _turn = while_waiting(|| self.turnstile.enter(body.len()));
            match gorush::translated(body, terms.rules.notification_max) {
                // In its place: there is room for one.
                Ok(translated) => *body = translated,
                Err(error) => {
                    let mistake = Mistake::in_body(body, &error, &keyless);
                    self.tell_mistake(&mistake, &keyless, head);
                    return gorush::malformed(&mistake.answer);
                }
            }
        }
        // Few rejected parts are listed, each with more beside it.
        let reply = self.push(head, body, &mut |_| false);
        gorush::answer(reply, body, &keyless)
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
        let mut plan = match self.plan((&terms, &lanes), head, body, &keyless, more) {
            Ok(plan) => plan,
            Err(Unplanned { message, mistake }) => {
                let log = mistake.as_ref().map_or("", |mistake| &mistake.log);
                self.lines.error(&message, &keyless.text(log), head.id());
                if let Some(mistake) = &mistake {
                    self.tell_mistake(mistake, &keyless, head);
                }
                let error = mistake.as_ref().map(|mistake| &*mistake.answer);
                return Reply::explained(400, &message, error);
            }
        };
        self.log_rejected(&plan, &keyless, head.id());
        self.tell_ignored(&plan.ignored, &keyless, head);
        let names = RequestNames::of(head);
        let malformed = std::mem::take(&mut plan.malformed);
        let malformed = malformed.first(UNSENT_LOGGED_MAX.saturating_sub(plan.disabled()));
        let refusal = plan.refusal().filter(|_| !terms.rules.as_gaurun);
        let reply = if let Some(message) = refusal {
            PushReply::new(&message, &plan.rejected, &plan.ignored, Vec::new()).reply(400)
        } else {
            let fits = self.check_scheduled(&plan, &terms.rules.apps);
            match fits.and_then(|()| self.commit(plan, &lanes, &names, keyed)) {
                Ok(reply) => reply,
                // Nothing of it is taken, and all of it may come again.
                Err(refused) => return refused,
            }
        };
        self.log_malformed(malformed, &names);
        reply
    }

    /// Says what becomes of each part of a body: all that needs the processor alone.
    fn plan(
        &self,
        (terms, lanes): (&Terms, &Lanes<RunningLane>),
        head: &Head,
        body: &mut [u8],
        keyless: &Keyless<'_>,
        more: &mut More<'_>,
    ) -> Result<Plan, Unplanned> {
        let _turn = while_waiting(|| self.turnstile.enter(body.len()));
        let rules = &terms.rules;
        let mut batch =
            decode(body, rules.notification_max, terms.trailing).map_err(|error| Unplanned {
                message: "Request-body is malformed".to_owned(),
                mistake: Some(if is_gorush(head) {
                    Mistake::in_translated(body, &error, keyless)
                } else {
                    Mistake::in_body(body, &error, keyless)
                }),
            })?;
        batch.is_of_gorush = is_gorush(head);
        let enabled = |lane| lanes.get(lane).is_some();
        plan(batch, Moment::now(), rules, keyless, enabled, more)
    }

    /// `GET /push/{id}` and `DELETE /push/{id}`.
    fn push_state(&self, head: &Head, id: Option<PushId>) -> Reply {
        let is_delete = &*head.method == "DELETE";
        let Some(id) = id else {
            return Reply::message(400, "malformed push id");
        };
        if let Some(why) = self.backlog.is_not_ready() {
            return Reply::message(503, why).with_retry_after(RETRY_AFTER_SECS);
        }
        let rights = self.rights(head);
        let is_of_others =
            |state: &PushState| state.lane().is_some_and(|lane| !rights.reach(lane.app()));
        if is_delete && rights.apps().is_none() {
            return self.purge_push(id);
        }
        let state = while_waiting(|| self.whereabouts.of(id, Moment::now()));
        if is_of_others(&state) {
            return state::unknown(id, self.ids.node());
        }
        if is_delete && state.lane().is_some() {
            return self.purge_push(id);
        }
        state::reply(id, &state, self.ids.node())
    }

    /// Takes over what an earlier process has answered under callers' keys.
    pub fn remember(&self, answers: impl IntoIterator<Item = Answered>) {
        self.repeats().restore(answers, Moment::now());
    }

    fn tell_ignored(&self, ignored: &Ignored, keyless: &Keyless<'_>, head: &Head) {
        if ignored.is_empty() {
            return;
        }
        if let Some(watcher) = self.watcher.get() {
            let reasons = ignored.reasons(endpoint(head));
            watcher(&Watched::Ignored(&reasons, ignored.omitted()));
        }
        let now = moment::now();
        let lines = self.told().tell(ignored, (endpoint(head), head.id()), now);
        for line in lines {
            ::log::warn!("{}", keyless.text(&line));
        }
    }

    fn tell_mistake(&self, mistake: &Mistake, keyless: &Keyless<'_>, head: &Head) {
        let now = moment::now();
        let told = (endpoint(head), head.id());
        let line = self.told().tell_mistake(mistake, told, now);
        if let Some(line) = line {
            ::log::warn!("{}", keyless.text(&line));
        }
    }

    /// Takes away what is no `traceparent`, or has an API key in it, and tells the operator: a
    /// trace is not worth the push.
    fn judge_traceparent(&self, terms: &Terms, head: &mut Head) {
        let holds_key = |said: &Traceparent| {
            Keyless::of(head, terms.keys.as_ref()).is_between_hyphens(said.as_str())
        };
        let why = match &head.traceparent {
            None => return,
            Some(Ok(said)) if !holds_key(said) => return,
            Some(Ok(_)) => "there is an API key in it",
            Some(Err(why)) => why,
        };
        head.traceparent = None;
        let told = (endpoint(head), head.id());
        let line = self.told().tell_traceparent(why, told, moment::now());
        if let Some(line) = line {
            ::log::warn!("{line}");
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
            self.lines
                .error(&keyless.text(&fault.error), "", request_id);
        }
    }
}

/// A key in progress; dropping it frees the key, unless an answer is kept for it by then.
struct Ticket<'a> {
    service: &'a Service,
    key: &'a str,
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.service.repeats().forget(self.key);
    }
}

/// Where a request with notifications has come in.
fn endpoint(head: &Head) -> &'static str {
    if is_gorush(head) {
        ignored::GORUSH_PUSH
    } else {
        ignored::PUSH
    }
}

/// Whether its body was translated.
fn is_gorush(head: &Head) -> bool {
    matches!(Route::of(&head.target).0, Route::GorushPush)
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

const OTHER_BODY: &str = "this Idempotency-Key came with another body before";
const IN_PROGRESS: &str = "a request with this Idempotency-Key is in progress";
const KEYS_FULL: &str = "too many Idempotency-Keys within ten minutes";
const SHARE_FULL: &str = "too many Idempotency-Keys of this API key within ten minutes";

#[cfg(test)]
mod tests;
