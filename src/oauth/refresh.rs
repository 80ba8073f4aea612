//! When to ask for an access token, and which one is good. Pure: no I/O, no clock.
//!
//! ```text
//!           ┌──────────── failed: back off ◀──┐
//!           ▼                                 │
//!  none ── due ──▶ exchange ── succeeded ──▶ held ── 5 to 10 minutes before its end: due
//!    ▲                                        │
//!    └────────── invalidated, expired ────────┘     (a held token serves until its end)
//! ```
//!
//! What is said to one target alone invalidates no token: another is asked for, and waited for a
//! second; the one at hand serves on if none comes, until a second target is told the same.

use std::time::{Duration, Instant};

use super::AccessToken;
use super::answer::{Class, ExchangeFailure, Grant};
use crate::jitter::{half_to_all, part_of};

/// How long before its end a token is replaced: between once and twice this, at random, so that
/// many daemons do not ask at one time.
const REFRESH_AHEAD: Duration = Duration::from_secs(300);

/// How long before its end a token is no longer handed out, since a request takes its time.
const EXPIRY_MARGIN: Duration = Duration::from_secs(10);

/// Shortest time between two exchanges that went well.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// First wait after a failure that will pass; doubles with each further one.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);

/// Longest wait after a failure that will pass.
const BACKOFF_MAX: Duration = Duration::from_secs(60);

/// Wait after a failure of the clock.
const CLOCK_WAIT: Duration = Duration::from_secs(60);

/// Wait after a failure that needs an operator: what they mend takes effect within this.
const STOPPING_WAIT: Duration = Duration::from_secs(300);

/// Longest wait that the token endpoint can ask for.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(600);

/// How many tokens in a row may be refused by FCM before the next exchange has to wait.
const INVALIDATIONS_MAX: u32 = 2;

/// A token that served for this long before FCM refused it was a good one.
const PROVEN_AFTER: Duration = Duration::from_secs(600);

/// How long a token is not handed out that was refused to one target: by then there is another, or
/// it serves on.
const RENEWED_WITHIN: Duration = Duration::from_secs(1);

/// Between two tokens that are asked for since one target was refused.
const DOUBTED_EVERY: Duration = Duration::from_secs(60);

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NextExchange {
    /// Ask for a token.
    Exchange,
    /// Nothing before that.
    WaitUntil(Instant),
}

/// What came of a token that FCM refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invalidation {
    /// It had been given up already, or nothing is to be done yet.
    Known,
    /// Another is asked for, which may not be needed.
    Doubted,
    /// Another is asked for at once.
    Replaced,
    /// So were those before it: another is asked for later, and an operator has to look.
    TooMany,
}

/// A token and its times.
#[derive(Clone, Debug)]
struct DatedToken {
    token: AccessToken,
    since: Instant,
    refresh_at: Instant,
    usable_until: Instant,
    /// To which target alone it was refused.
    refused_to: Option<u64>,
    /// Not handed out before, for that.
    rests_until: Option<Instant>,
}

/// The state of one account's access tokens.
#[derive(Debug, Default)]
pub(super) struct Refresh {
    held: Option<DatedToken>,
    /// How many tokens there have been.
    count: u64,
    /// No exchange before this.
    not_before: Option<Instant>,
    /// Failures in a row.
    failures: u32,
    /// Tokens in a row that FCM refused early.
    invalidations: u32,
    /// When another was asked for since one target was refused.
    doubted: Option<Instant>,
    trouble: Option<ExchangeFailure>,
}

impl Refresh {
    /// The token to send now, if there is one.
    pub(super) fn current(&self, now: Instant) -> Option<AccessToken> {
        let held = self.held.as_ref().filter(|held| now < held.usable_until)?;
        let rests = held.rests_until.is_some_and(|until| now < until);
        (!rests).then(|| held.token.clone())
    }

    /// When a token is handed out again that is not now.
    pub(super) fn serves_at(&self, now: Instant) -> Option<Instant> {
        let held = self.held.as_ref()?;
        let is_ahead = |at: &Instant| *at > now && *at < held.usable_until;
        held.rests_until.filter(is_ahead)
    }

    /// Whether good answers would change anything.
    pub(super) fn is_in_question(&self) -> bool {
        let is_doubted = |held: &DatedToken| held.refused_to.is_some();
        self.invalidations > 0 || self.held.as_ref().is_some_and(is_doubted)
    }

    /// FCM has taken a token: what was said of it was not about it.
    pub(super) fn proved(&mut self, used: &AccessToken) {
        if let Some(held) = self.held.as_mut().filter(|held| held.token == *used) {
            held.refused_to = None;
            held.rests_until = None;
            self.invalidations = 0;
        }
    }

    /// Why there is no token, or no new one.
    pub(super) fn trouble(&self) -> Option<&ExchangeFailure> {
        self.trouble.as_ref()
    }

    /// What to do at that time.
    pub(super) fn next(&self, now: Instant) -> NextExchange {
        let due = self.held.as_ref().map_or(now, |held| held.refresh_at);
        let at = self
            .not_before
            .map_or(due, |not_before| due.max(not_before));
        if at <= now {
            NextExchange::Exchange
        } else {
            NextExchange::WaitUntil(at)
        }
    }

    /// Takes the token that was asked for at that time.
    pub(super) fn succeeded(&mut self, grant: &Grant, asked: Instant, random: u64) {
        self.count += 1;
        let ahead = REFRESH_AHEAD + part_of(REFRESH_AHEAD, random);
        let refresh_in = grant.life.saturating_sub(ahead).max(grant.life / 2);
        let margin = EXPIRY_MARGIN.min(grant.life / 4);
        let usable_for = grant.life.saturating_sub(margin);
        self.held = Some(DatedToken {
            token: AccessToken {
                authorization: format!("Bearer {}", grant.token).into(),
                number: self.count,
            },
            since: asked,
            refresh_at: asked + refresh_in.max(INTERVAL_MIN),
            usable_until: asked + usable_for,
            refused_to: None,
            rests_until: None,
        });
        self.failures = 0;
        self.not_before = None;
        self.trouble = None;
    }

    /// Takes note of a failure.
    pub(super) fn failed(&mut self, failure: ExchangeFailure, now: Instant, random: u64) {
        let wait = match failure.class {
            Class::Passing => doubled(BACKOFF_FIRST, self.failures, BACKOFF_MAX),
            Class::Clock => CLOCK_WAIT,
            Class::Stopping => STOPPING_WAIT,
        };
        let asked = failure.retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
        if let Some(held) = &mut self.held {
            held.rests_until = None;
        }
        self.failures = self.failures.saturating_add(1);
        self.not_before = Some(now + half_to_all(wait, random).max(asked));
        self.trouble = Some(failure);
    }

    /// Forgets how long to wait after a failure that needs an operator, if there is no token.
    pub(super) fn ask_again(&mut self, now: Instant) {
        let needs_operator = |trouble: &ExchangeFailure| trouble.class == Class::Stopping;
        if self.trouble.as_ref().is_some_and(needs_operator) && self.current(now).is_none() {
            self.not_before = None;
        }
    }

    /// Whether more tokens in a row were refused by FCM than may be.
    pub(super) fn is_refused_in_use(&self) -> bool {
        self.invalidations > INVALIDATIONS_MAX
    }

    /// A token was refused to that target. It is given up if it was to another before.
    pub(super) fn refused(
        &mut self,
        used: &AccessToken,
        target: u64,
        now: Instant,
        random: u64,
    ) -> Invalidation {
        let Some(held) = self.held.as_mut().filter(|held| held.token == *used) else {
            return Invalidation::Known;
        };
        match held.refused_to {
            Some(other) if other != target => self.invalidate(now, random),
            Some(_) => Invalidation::Known,
            None => {
                held.refused_to = Some(target);
                let is_recent = |at| now.saturating_duration_since(at) < DOUBTED_EVERY;
                let may_ask = self.not_before.is_none_or(|at| at <= now);
                if self.doubted.is_some_and(is_recent) || !may_ask {
                    return Invalidation::Known;
                }
                self.doubted = Some(now);
                held.refresh_at = now;
                held.rests_until = Some(now + RENEWED_WITHIN);
                Invalidation::Doubted
            }
        }
    }

    /// Gives the token up.
    fn invalidate(&mut self, now: Instant, random: u64) -> Invalidation {
        let Some(held) = self.held.take() else {
            return Invalidation::Known;
        };
        if now.saturating_duration_since(held.since) >= PROVEN_AFTER {
            self.invalidations = 0;
        }
        self.invalidations = self.invalidations.saturating_add(1);
        let Some(over) = self.invalidations.checked_sub(INVALIDATIONS_MAX + 1) else {
            return Invalidation::Replaced;
        };
        let wait = doubled(REFRESH_AHEAD / 10, over, REFRESH_AHEAD);
        self.not_before = Some(now + half_to_all(wait, random));
        self.trouble = Some(ExchangeFailure {
            class: Class::Stopping,
            ..ExchangeFailure::passing(format!(
                "FCM refused {} new access tokens in a row: check the service account's project \
                 and rights",
                self.invalidations
            ))
        });
        Invalidation::TooMany
    }
}

/// A wait that doubles, up to a limit.
fn doubled(first: Duration, times: u32, max: Duration) -> Duration {
    // 2^16 seconds are more than any limit here.
    first.saturating_mul(1 << times.min(16)).min(max)
}

#[cfg(test)]
mod tests;
