//! What is answered at `metrics.address`: the page, and whether the daemon is well.

use std::sync::Arc;
use std::time::Duration;

use super::paths::PathItem;
use super::route::Route;
use super::service::Service;
use super::strangers::Stranger;
use crate::http1::head::{Head, Refusal};
use crate::http1::reply::{self, Reply};
use crate::http1::{Handler, More, Phase, Promiser, ReplyWhen};
use crate::stats;

/// The endpoints at that address.
pub struct Scraping {
    /// What is behind them.
    pub service: Arc<Service>,
    /// Whether other hosts can reach it: `/metrics` needs an API key then.
    pub asks_for_key: bool,
}

/// What may be asked at that address of what the target names: with the page there is what whoever
/// comes may ask.
fn here(target: &str) -> Option<(Route, &str, &'static PathItem)> {
    let (route, query, item) = Route::of(target);
    let item = item.filter(|item| route == Route::Metrics || item.needs_no_key)?;
    Some((route, query, item))
}

impl Handler for Scraping {
    fn begin(&self, head: &mut Head, peer: &dyn Fn() -> String) -> Result<(), Refusal> {
        head.request_id = Some(self.service.request_ids.next());
        let (terms, item) = (self.service.terms.get(), Route::of(&head.target).2);
        let stranger = if self.asks_for_key {
            self.service.stranger(&terms, head, item)
        } else {
            Stranger::is(head, Some(&terms.hosts))
        };
        let Some(stranger) = stranger else {
            return Ok(());
        };
        self.service.turned_away.note(stranger, peer);
        Err(stranger.refusal())
    }

    fn answer_bytes(&self, _head: &Head, _most_body: usize) -> usize {
        0
    }

    fn answer(
        self: Arc<Self>,
        head: &Head,
        body: &mut Vec<u8>,
        phase: Phase,
        more: &mut More<'_>,
        _: &mut Promiser<'_>,
    ) -> ReplyWhen {
        let Some((route, query, item)) = here(&head.target) else {
            let body = NOT_HERE.as_bytes().to_vec();
            return ReplyWhen::Now(Reply::new(404, reply::PLAIN_TEXT, body));
        };
        ReplyWhen::Now(match (route, item.refused_method(&head.method)) {
            (_, Some(wrong)) => Reply::message(400, &wrong),
            (Route::Metrics, None) => self.service.metrics(head, more),
            (route, None) => self.service.routed(route, query, head, body, phase, more),
        })
    }

    fn answered(&self, head: Option<&Head>, reply: &Reply, took: Duration) {
        let path = match head.map(|head| here(&head.target)) {
            None => stats::UNREAD,
            Some(None) => stats::OTHER,
            Some(Some((_, _, item))) => item.path,
        };
        self.service.stats.answered(path, reply.status, took);
    }
}

const NOT_HERE: &str = "404 page not found: here are /metrics, /livez, /readyz and /healthz\n";
