//! How long a push waits before its next attempt: exponential, with full jitter.
//!
//! Pure: the random number is an argument. What failed together must not come back together, so a
//! wait is drawn from the whole of a time that doubles with each attempt. Only what a provider
//! asked for, or documents as the least, is never undercut; jitter goes on top of it.

use std::time::Duration;

use crate::jitter;
use crate::provider::{self, Again, Answer, LaneEffect, Wait};
use crate::push::Push;

/// Longest back-off between two attempts, before it is drawn from.
pub const LONGEST_BACKOFF: Duration = Duration::from_secs(15 * 60);
/// First back-off after a provider's 5xx or 429 (Apple gives no figure, Google 10 s).
pub const FIRST_BACKOFF: Duration = Duration::from_secs(10);
/// First back-off when a quota is used up; without a Retry-After also the least wait (FCM: one
/// minute).
pub const FIRST_BACKOFF_QUOTA: Duration = Duration::from_secs(60);
/// First back-off after an attempt without an answer, and after refusals in a row.
pub const FIRST_BACKOFF_UNANSWERED: Duration = Duration::from_secs(1);
/// Longest time that one answer's Retry-After holds back other pushes. A project's
/// quota fills within a minute; a slip of one server must not cost the lane an hour.
pub const LANE_RETRY_AFTER_MAX: Duration = Duration::from_secs(5 * 60);

/// What a Retry-After releases is spread over this part of it.
const SPREAD: u32 = 10;

/// The wait after refusals in a row that cost nothing, or too many of them.
pub(super) fn after_refusals(push: &Push, random: u64) -> Duration {
    jitter::part_of(longest_after_refusals(push), random)
}

/// The wait after an attempt that had no answer.
pub(super) fn after_no_answer(push: &Push, random: u64) -> Duration {
    let exponent = push.attempts.saturating_sub(1);
    jitter::part_of(doubled(FIRST_BACKOFF_UNANSWERED, exponent), random)
}

/// The wait after an answer that allows another attempt.
pub(super) fn after_answer(
    how: Again,
    retry_after: Option<Duration>,
    push: &Push,
    random: u64,
) -> Duration {
    let attempts_before = push.attempts.saturating_sub(1);
    let (least, longest) = match how.wait {
        Wait::Now => (Duration::ZERO, longest_after_refusals(push)),
        Wait::Backoff => {
            let least = provider::of(push.lane().provider()).least_backoff();
            (least, doubled(FIRST_BACKOFF, attempts_before))
        }
        Wait::Quota => (
            FIRST_BACKOFF_QUOTA,
            doubled(FIRST_BACKOFF_QUOTA, attempts_before),
        ),
    };
    match retry_after {
        Some(asked) => {
            let spread = jitter::part_of(asked / SPREAD, random);
            let drawn = jitter::part_of(longest, random);
            drawn.max(asked.saturating_add(spread))
        }
        None => least.saturating_add(jitter::part_of(longest, random)),
    }
}

/// How long an answer holds back the retries of the whole lane, and over how long what it held
/// back is spread; `None` if it concerns its own push only.
pub fn lane_hold(answer: &Answer) -> Option<(Duration, Duration)> {
    let asked = answer
        .retry_after
        .filter(|asked| answer.lane == LaneEffect::Slow && !asked.is_zero())?;
    let hold = asked.min(LANE_RETRY_AFTER_MAX);
    Some((hold, hold / SPREAD))
}

/// The first in a row goes at once, whether a frame or an answer said it.
fn longest_after_refusals(push: &Push) -> Duration {
    match push.refusals.checked_sub(2) {
        Some(exponent) => doubled(FIRST_BACKOFF_UNANSWERED, exponent),
        None => Duration::ZERO,
    }
}

/// `first`, doubled `exponent` times, at most [`LONGEST_BACKOFF`].
fn doubled(first: Duration, exponent: u16) -> Duration {
    let doubled = first.saturating_mul(1_u32 << u32::from(exponent.min(20)));
    doubled.min(LONGEST_BACKOFF)
}

const _: () = assert!(FIRST_BACKOFF_QUOTA.as_secs() <= LONGEST_BACKOFF.as_secs());
