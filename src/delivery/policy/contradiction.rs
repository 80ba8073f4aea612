//! What becomes of a push that is refused as if by a bad credential, while others are taken.
//!
//! That can pass: a permission spreads from server to server, a connection is wedged. So the push
//! is tried again, soon and on another connection, and once more when a minute is over. Then it
//! fails.

use std::time::Duration;

use super::{Decision, Limits, Settlement, expires_at};
use crate::jitter;
use crate::lane::Rebuff;
use crate::moment::Moment;
use crate::push::{End, Push};

/// Times that others contradict what a push has met, before it fails by that.
pub const CONTRADICTIONS_MAX: u8 = 3;
/// A push that others contradict does not fail sooner than this after the first time.
pub const CONTRADICTED_FOR: Duration = Duration::from_secs(60);
/// The wait after the first, before it is drawn from.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// What is drawn from beside the rest of the minute, after the second.
const SPREAD: Duration = Duration::from_secs(15);

/// Decides what follows when others were taken after that was said to a push.
pub fn contradicted(
    push: &mut Push,
    rebuff: Rebuff,
    limits: Limits,
    now: Moment,
    random: u64,
) -> Decision {
    let (age, connection) = (push.age(now.monotonic), rebuff.connection);
    push.contradictions.add(connection, age);
    let met = push.contradictions;
    let left = CONTRADICTED_FOR.saturating_sub(met.since_first(age));
    push.setback = None;
    push.refusals = 0;
    let is_third = met.count() >= CONTRADICTIONS_MAX;
    if is_third && left.is_zero() && met.began_elsewhere(connection) {
        push.attempts = push.attempts.saturating_add(1);
        let error = format!(
            "{}; {CONTRADICTIONS_MAX} times, while other pushes were taken",
            rebuff.error
        );
        return Decision::Settle(Settlement {
            status: Some(rebuff.status),
            reason: rebuff.reason,
            ..Settlement::of_ours(End::Failed, "", error, push.attempts)
        });
    }
    // The hour in which it may be tried again after other answers begins with the next attempt.
    push.first_attempt = None;
    if !met.began_elsewhere(connection) {
        push.refused_by = Some(connection);
    }
    let wait = jitter::half_to_all(FIRST_WAIT, random);
    let wait = if met.count() + 1 < CONTRADICTIONS_MAX {
        wait
    } else {
        wait.max(left.saturating_add(jitter::part_of(SPREAD, random)))
    };
    let expires_at = expires_at(push.accepted(), limits, now);
    let due = now.monotonic.checked_add(wait).unwrap_or(now.monotonic);
    let due = due.min(expires_at);
    let (status, reason) = (rebuff.status, rebuff.reason);
    let why = format!("{status} {reason}");
    let why = format!("{}, which others do not meet", why.trim_end());
    Decision::Retry { due, why }
}

#[cfg(test)]
mod tests;
