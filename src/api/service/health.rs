//! `/livez`, `/readyz` and `/healthz`: whether the daemon lives, whether it takes pushes, and how
//! each part of it is, in words.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use serde::{Serialize, Serializer};

use super::super::lane_state;
use super::super::stat::{ByLane, LaneAlarm, LaneState, Sending};
use super::Service;
use crate::http1::Phase;
use crate::http1::reply::{self, RETRY_AFTER_SECS, Reply};
use crate::lane::Lack;
use crate::moment::Moment;
use crate::push::LaneId;

/// How a part of the daemon is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PartState {
    /// It does what it should.
    Fine,
    /// Something is wrong with it, and pushes are taken all the same.
    Troubled(String),
    /// No push is taken for that.
    Failed(String),
}

impl PartState {
    fn words(&self) -> &str {
        match self {
            Self::Fine => FINE,
            Self::Troubled(words) | Self::Failed(words) => words,
        }
    }

    fn mark(&self) -> char {
        match self {
            Self::Fine => '+',
            Self::Troubled(_) => '!',
            Self::Failed(_) => '-',
        }
    }
}

/// What is said of a part that does what it should.
const FINE: &str = "ok";

/// What is said of a daemon that ends.
pub(super) const DRAINING: &str = "shutting down";

impl Service {
    /// `/livez`: whether each thread has been heard of, as the watchdog judges it. A daemon that is
    /// not to be ended for it lives, whatever else is wrong with it.
    pub(super) fn livez(&self, query: &str) -> Reply {
        let stuck = self.stuck.get().map(|stuck| stuck()).unwrap_or_default();
        let threads = if stuck.is_empty() {
            PartState::Fine
        } else {
            PartState::Failed(format!("not heard of for too long: {}", stuck.join(", ")))
        };
        told("livez", query, &[("threads".to_owned(), threads)])
    }

    /// `/readyz`: whether pushes are taken. A lane that does not send takes them, and a log that
    /// cannot be written keeps nobody from it.
    pub(super) fn readyz(&self, query: &str, phase: Phase) -> Reply {
        let mut parts = self.parts(phase);
        let lanes = self.lanes_for_all();
        parts.extend(lanes.map(|(id, state)| (format!("lane {id}"), of_lane(&public(state)))));
        told("readyz", query, &parts)
    }

    /// `/healthz`: the same for programs.
    pub(super) fn healthz(&self, phase: Phase) -> Reply {
        reply(&self.parts(phase), self.lanes_for_all())
    }

    /// All but the lanes.
    fn parts(&self, phase: Phase) -> Vec<(String, PartState)> {
        let is_ending = phase != Phase::Serving || self.is_ending.load(Ordering::Relaxed);
        let journal = match self.backlog.trouble().or_else(|| self.ids.trouble()) {
            Some(why) => PartState::Failed(why),
            None => troubled(self.backlog.warning().map(str::to_owned)),
        };
        let listener = if is_ending {
            PartState::Failed(DRAINING.to_owned())
        } else {
            PartState::Fine
        };
        let logs = troubled(self.lines.trouble());
        let named = |name: &str, state| (name.to_owned(), state);
        let mut parts = vec![
            named("journal", journal),
            named("listener", listener),
            named("logs", logs),
        ];
        parts.extend(self.feed_part().map(|feed| named("feed", feed)));
        parts
    }

    /// The lanes that are served.
    fn lanes_for_all(&self) -> impl Iterator<Item = (LaneId, LaneState)> {
        let lanes = self.lanes.get();
        let known: Vec<_> = lanes.known().collect();
        let shown = move |id| Some((id, lane_state::of(&lanes.get(id)?.lane)));
        known.into_iter().filter_map(shown)
    }
}

/// The answer of `/healthz`.
pub(super) fn reply(
    parts: &[(String, PartState)],
    lanes: impl Iterator<Item = (LaneId, LaneState)>,
) -> Reply {
    let failed = parts.iter().find_map(|(_, state)| match state {
        PartState::Failed(why) => Some(why.clone()),
        PartState::Fine | PartState::Troubled(_) => None,
    });
    let parts = parts.iter();
    let health = Health {
        message: failed.as_deref().unwrap_or(FINE),
        lanes: ByLane(lanes.map(|(id, state)| (id, public(state))).collect()),
        parts: ByName(
            parts
                .map(|(name, state)| (&**name, state.words()))
                .collect(),
        ),
    };
    Reply::json_line(if failed.is_none() { 200 } else { 503 }, &health)
}

pub(super) fn troubled(words: Option<String>) -> PartState {
    words.map_or(PartState::Fine, PartState::Troubled)
}

/// A lane in words.
fn of_lane(state: &LaneState) -> PartState {
    let taken_none = state.failing_since.map(|since| {
        let seconds = Moment::now().unix_secs().saturating_sub(since);
        format!("the provider has taken nothing for {seconds} s")
    });
    let alarm = state.alarm.as_ref().map(|alarm| {
        let LaneAlarm {
            reason, percent, ..
        } = alarm;
        format!("{percent} of 100 answers are {reason}")
    });
    if state.state == Sending::Open && taken_none.is_none() && alarm.is_none() {
        return PartState::Fine;
    }
    let mut words = state.state.word().to_owned();
    let why = [&state.reason, &state.error, &taken_none, &alarm];
    for why in why.into_iter().flatten() {
        let _ = write!(words, ": {why}"); // memory takes it
    }
    PartState::Troubled(words)
}

/// The answer: one word, or with `verbose` in the query a line for each part.
fn told(name: &str, query: &str, parts: &[(String, PartState)]) -> Reply {
    let is_failed = |state: &PartState| matches!(state, PartState::Failed(_));
    let failed = parts.iter().filter(|(_, state)| is_failed(state));
    let failed: Vec<_> = failed.collect();
    let is_fine = failed.is_empty();
    let is_verbose = query
        .split('&')
        .any(|part| part.split('=').next() == Some("verbose"));
    let mut text = String::new();
    if is_verbose {
        for (part, state) in parts {
            let _ = writeln!(text, "[{}]{part} {}", state.mark(), state.words());
        }
        let end = if is_fine { "passed" } else { "failed" };
        let _ = writeln!(text, "{name} check {end}");
    } else if is_fine {
        text.push_str("ok\n");
    } else {
        let each = failed.iter();
        let each = each.map(|(part, state)| format!("{part}: {}", state.words()));
        let _ = writeln!(text, "{}", each.collect::<Vec<_>>().join("; "));
    }
    let reply = Reply::new(
        if is_fine { 200 } else { 503 },
        reply::PLAIN_TEXT,
        text.into(),
    );
    if is_fine {
        reply
    } else {
        reply.with_retry_after(RETRY_AFTER_SECS)
    }
}

/// A lane's state for whoever may ask for its health. They need not know of files, keys and servers
/// of ours, which the sentences on a refused credential and on an access token name, nor of what
/// waits where it is on its way.
fn public(state: LaneState) -> LaneState {
    if state.state == Sending::Unreachable {
        return match state.lack {
            Some(Lack::AccessToken) => LaneState {
                error: Some(NO_TOKEN.to_owned()),
                ..state
            },
            _ => state,
        };
    }
    LaneState {
        error: None,
        waiting_since: None,
        oldest: None,
        ..state
    }
}

/// What whoever may ask for a lane's health is told of an access token that cannot be had.
const NO_TOKEN: &str = "no access token can be had; /stat/app and the operator log say why";

/// The body of `/healthz`.
#[derive(Serialize)]
struct Health<'a> {
    message: &'a str,
    lanes: ByLane<LaneState>,
    #[serde(flatten)]
    parts: ByName<'a>,
}

/// The words of each part, under its name, in their order.
struct ByName<'a>(Vec<(&'a str, &'a str)>);

impl Serialize for ByName<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_whose_provider_takes_nothing_is_not_well_though_it_is_open() {
        assert_eq!(of_lane(&LaneState::OPEN), PartState::Fine);
        let failing = LaneState {
            failing_since: Some(Moment::now().unix_secs() - 90),
            ..LaneState::OPEN
        };
        let told = of_lane(&failing);
        assert_eq!(told.mark(), PartState::Troubled(String::new()).mark());
        let words = "open: the provider has taken nothing for 9";
        assert!(told.words().starts_with(words), "{told:?}");
        let refused = LaneState {
            alarm: Some(LaneAlarm {
                reason: "BadDeviceToken",
                percent: 97,
                since: 1,
                cause: "a file's name".into(),
                cure: "look".into(),
            }),
            ..LaneState::OPEN
        };
        let told = "open: 97 of 100 answers are BadDeviceToken";
        assert_eq!(of_lane(&refused), PartState::Troubled(told.to_owned()));
    }
}
