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
mod pushing;
mod ticket;

use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::answer::PushReply;
use super::channel_calls::ChannelCalls;
use super::gorush;
use super::idempotency::{Answered, Keys};
use super::ids::Ids;
use super::ignored::{self, Ignored};
use super::keyless::Keyless;
use super::keys::ApiKeys;
use super::lines::Lines;
use super::mistake::Mistake;
use super::openapi;
use super::paths::PathItem;
use super::plan::{Plan, Rules, Unplanned, plan};
use super::request::{Trailing, decode};
use super::rights::Rights;
use super::route::Route;
use super::stat;
use super::state;
use super::strangers::Stranger;
use super::told::Told;
use super::turned_away::TurnedAway;
use crate::backlog::{Backlog, PushState, Whereabouts};
use crate::delivery::running_lane::RunningLane;
use crate::http1::head::{Head, Refusal};
use crate::http1::reply::{self, RETRY_AFTER_SECS, Reply};
use crate::http1::{
    Handler, More, Phase, Promiser, ReplyWhen, RequestIds, Traceparent, Turnstile, while_waiting,
};
use crate::lane::Lanes;
use crate::live::Live;
use crate::moment::{self, Moment};
use crate::push::PushId;
use crate::stats::{self, CallerStats, Process};
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

    fn answer(
        self: Arc<Self>,
        head: &Head,
        body: &mut Vec<u8>,
        phase: Phase,
        more: &mut More<'_>,
        promise: &mut Promiser<'_>,
    ) -> ReplyWhen {
        let (route, query, item) = Route::of(&head.target);
        let wrong = item.and_then(|item| item.refused_method(&head.method));
        match (route, wrong) {
            (Route::Push | Route::GorushPush | Route::Channels | Route::Channel(_), _)
                if phase != Phase::Serving =>
            {
                ReplyWhen::Now(Reply::message(503, DRAINING).with_retry_after(RETRY_AFTER_SECS))
            }
            (Route::GorushPush, Some(wrong)) => {
                let reply = Reply::message(400, &wrong);
                ReplyWhen::Now(gorush::answer(reply, body, &Keyless::default()))
            }
            (_, Some(wrong)) => ReplyWhen::Now(Reply::message(400, &wrong)),
            (Route::Push, None) => self.push(head, body, more, promise),
            (Route::GorushPush, None) => self.gorush_push(head, body, promise),
            (route, None) => ReplyWhen::Now(self.routed(route, query, head, body, phase, more)),
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
    /// The answer to a request with a method that its path has, but for pushes.
    pub(super) fn routed(
        &self,
        route: Route,
        query: &str,
        head: &Head,
        body: &mut [u8],
        phase: Phase,
        more: &mut More<'_>,
    ) -> Reply {
        match route {
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
            Route::Push | Route::GorushPush | Route::Unknown => {
                Reply::new(404, reply::PLAIN_TEXT, b"404 page not found\n".to_vec())
            }
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

    /// Says what becomes of each part of a body: all that needs the processor alone.
    fn plan(
        &self,
        (terms, lanes): (&Terms, &Lanes<RunningLane>),
        head: &Head,
        body: &mut [u8],
        keyless: &Keyless<'_>,
        more: &mut More<'_>,
    ) -> Result<Plan, Unplanned> {
        let _turn = self.turnstile.enter(body.len());
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

#[cfg(test)]
mod tests;
