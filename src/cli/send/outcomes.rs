//! What became of pushes, by asking for each until it has ended.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crossbeam_channel::Receiver;
use serde::Deserialize;

use super::followed::{self, UNSETTLED};
use crate::cli::api_client::{ApiAnswer, ApiClient, NoApiAnswer, shown};
use crate::cli::report;
use crate::moment;
use crate::signal::Signal;

/// What is known of one push.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
struct PushNow {
    platform: String,
    state: String,
    end: Option<String>,
    reason: Option<String>,
    error: Option<String>,
}

/// What follows when pushes were asked for.
#[derive(Debug, PartialEq, Eq)]
enum Asking {
    /// They are asked for again.
    Again,
    /// The same: nobody answers just now, for this.
    Lost(String),
    /// Nobody is asked any more.
    Over,
}

/// What became of some pushes.
#[derive(Default)]
pub(super) struct PushOutcomes {
    ended: BTreeMap<u64, PushNow>,
    /// Those of which nothing is known by now.
    unknown: Vec<u64>,
    /// Those that have not ended.
    open: Vec<u64>,
}

impl PushOutcomes {
    /// Follows pushes until all have ended, the time is over or a signal comes.
    pub(super) fn follow(
        ids: Vec<u64>,
        client: &ApiClient,
        within: Duration,
        signals: &Receiver<Signal>,
    ) -> Self {
        let mut outcomes = Self {
            open: ids,
            ..Self::default()
        };
        let begun = moment::now();
        let is_over = |pause: Duration| {
            let left = within.saturating_sub(moment::since(begun));
            is_stop(signals, pause.min(left)) || moment::since(begun) >= within
        };
        let (mut pause, mut is_told) = (ASK_FIRST, false);
        while !outcomes.open.is_empty() {
            match outcomes.ask(client, || is_over(Duration::ZERO)) {
                Asking::Again => {}
                Asking::Lost(why) => {
                    // Each time it may be another one: a daemon that restarts has several.
                    if !is_told {
                        report(format_args!("{why}; what becomes of them is asked again"));
                    }
                    is_told = true;
                }
                Asking::Over => break,
            }
            if is_over(pause) {
                break;
            }
            pause = pause.saturating_mul(2).min(ASK_LAST);
        }
        outcomes
    }

    /// Asks for each that is open.
    fn ask(&mut self, client: &ApiClient, is_over: impl Fn() -> bool) -> Asking {
        let mut ids = std::mem::take(&mut self.open).into_iter();
        while let Some(id) = ids.next() {
            let next = match client.get(&format!("/push/{id}")) {
                Ok(answer) if self.take(id, &answer) => Asking::Again,
                Ok(_) => Asking::Over,
                Err(NoApiAnswer { text, .. }) => {
                    self.open.push(id);
                    Asking::Lost(text)
                }
            };
            let next = match next {
                Asking::Again if ids.len() > 0 && is_over() => Asking::Over,
                next => next,
            };
            if next != Asking::Again {
                self.open.extend(ids);
                return next;
            }
        }
        Asking::Again
    }

    /// Takes an answer about a push; false if no other is to be expected.
    fn take(&mut self, id: u64, answer: &ApiAnswer) -> bool {
        match (
            answer.status,
            serde_json::from_slice::<PushNow>(&answer.body),
        ) {
            (200, Ok(now)) if now.state == "settled" => {
                self.ended.insert(id, now);
            }
            (200, Ok(_)) | (429 | 500.., _) => self.open.push(id),
            (404, _) => self.unknown.push(id),
            (status, _) => {
                report(format_args!(
                    "what becomes of them is told by the push log alone: {status}: {}",
                    answer.message()
                ));
                self.open.push(id);
                return false;
            }
        }
        true
    }

    /// Whether one has ended otherwise than it should.
    pub(super) fn has_failures(&self) -> bool {
        self.ended.values().any(|push| !push.has_succeeded())
    }

    /// A line for each push, if they are few, or for each kind of end.
    pub(super) fn told(&self) -> String {
        let mut text = String::new();
        if self.ended.len() <= EACH_TOLD {
            for (id, push) in &self.ended {
                let (platform, how) = (shown(&push.platform), push.told(true));
                // Writing to a text cannot fail.
                let _written = writeln!(text, "{id} {platform} {how}");
            }
        } else {
            let mut ends = BTreeMap::<String, u64>::new();
            for push in self.ended.values() {
                *ends.entry(push.told(false)).or_default() += 1;
            }
            let ends = ends.iter().map(|(end, number)| (*number, &**end));
            text.push_str(&followed::lines(ends));
        }
        let unknown = "settled too long ago to be known: the push log has them";
        text.push_str(&followed::lines([
            (self.open.len() as u64, UNSETTLED),
            (self.unknown.len() as u64, unknown),
        ]));
        text
    }
}

/// Waits for so long; whether a signal came that ends the waiting.
pub(super) fn is_stop(signals: &Receiver<Signal>, within: Duration) -> bool {
    let heard = moment::receive_within(signals, within);
    heard.is_ok_and(|signal| signal != Signal::User1)
}

impl PushNow {
    fn has_succeeded(&self) -> bool {
        self.end.as_deref() == Some("succeeded")
    }

    fn told(&self, with_error: bool) -> String {
        let end = self.end.as_deref().unwrap_or_default();
        let reason = self.reason.as_deref().filter(|_| !self.has_succeeded());
        let error = self
            .error
            .as_deref()
            .filter(|_| with_error && !self.has_succeeded());
        let mut text = shown(end);
        for part in [
            reason.map(shown),
            error.map(|error| format!("({})", shown(error))),
        ] {
            if let Some(part) = part.filter(|part| part.len() > 2) {
                text.push(' ');
                text.push_str(&part);
            }
        }
        text
    }
}

/// How long to wait before it is asked again; each time it is twice as long.
const ASK_FIRST: Duration = Duration::from_millis(50);

/// The longest of these waits: the question costs the daemon some work.
const ASK_LAST: Duration = Duration::from_secs(2);

/// Pushes of which each has a line.
const EACH_TOLD: usize = 20;
