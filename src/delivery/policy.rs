//! The one function that decides what follows an attempt: settle, or try again, and when.
//!
//! Pure: time and the random number are arguments.

mod backoff;
mod contradiction;

use std::time::{Duration, Instant};

pub use backoff::{
    FIRST_BACKOFF, FIRST_BACKOFF_QUOTA, FIRST_BACKOFF_UNANSWERED, LANE_RETRY_AFTER_MAX,
    LONGEST_BACKOFF, lane_hold,
};
pub use contradiction::{CONTRADICTED_FOR, CONTRADICTIONS_MAX, contradicted};

use super::outcome::{Outcome, Settlement};
use super::reasons::{EXPIRED, REFUSED, SHUTDOWN, TOO_LATE, UNANSWERED, UNSENDABLE};
use crate::moment::Moment;
use crate::provider::{self, Answer, Verdict};
use crate::push::{Accepted, End, Lifetime, Push, Setback};

/// Times in a row that a push may be refused unprocessed before each refusal costs an attempt.
pub const FREE_REFUSALS: u16 = 5;
/// No push is tried again later than this after its first attempt (FCM's advice, kept for both),
/// unless its lane was held meanwhile.
pub const RETRY_WINDOW: Duration = Duration::from_secs(60 * 60);

/// What the configuration says about trying again.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Attempts after the first.
    pub retry_max: u16,
    /// Age at which a push is settled `expired`.
    pub max_age: Duration,
    /// Whether a push that may have reached the provider is sent again: at least once, whatever
    /// `retry_max` says.
    pub resend_unknown: bool,
}

/// What is to be done with a push after an attempt.
#[derive(Debug)]
pub enum Decision {
    /// Write its settlement.
    Settle(Settlement),
    /// Send it again as soon as a connection has room.
    Resend,
    /// Send it again, not before `due`; `why` is for the operator log.
    Retry {
        /// When.
        due: Instant,
        /// The reason, in a few words.
        why: String,
    },
}

/// Decides what follows `outcome`. Counts the attempt in `push`; `random` is uniform over `u64`.
pub fn decide(
    push: &mut Push,
    outcome: Outcome,
    limits: Limits,
    now: Moment,
    random: u64,
) -> Decision {
    match outcome {
        Outcome::NotSent => {
            // The hour in which it may be tried again has not begun.
            if push.attempts == 0 && push.refusals == 0 {
                push.first_attempt = None;
            }
            Decision::Resend
        }
        Outcome::NotProcessed(why) => {
            push.setback = None;
            push.refusals = push.refusals.saturating_add(1);
            if push.refusals == 1 {
                return Decision::Resend;
            }
            let is_free = push.refusals <= FREE_REFUSALS;
            if !is_free {
                push.attempts = push.attempts.saturating_add(1);
            }
            let give_up = failure(push, None, REFUSED, why.to_string());
            if !is_free && is_used_up(push, limits) {
                return Decision::Settle(give_up);
            }
            let wait = backoff::after_refusals(push, random);
            push.setback = Some(Setback::Refused);
            again(push, limits, now, wait, give_up)
        }
        Outcome::Forgotten(why) => decide(push, Outcome::Unknown(why.into()), limits, now, random),
        Outcome::Unknown(why) => {
            push.attempts = push.attempts.saturating_add(1);
            push.refusals = 0;
            let had_another = std::mem::replace(&mut push.maybe_sent, true);
            let give_up = failure(push, None, UNANSWERED, why.to_string());
            let is_over = had_another && is_used_up(push, limits);
            if is_over || !limits.resend_unknown {
                return Decision::Settle(give_up);
            }
            let wait = backoff::after_no_answer(push, random);
            push.setback = Some(Setback::Unanswered);
            again(push, limits, now, wait, give_up)
        }
        Outcome::Answered(answer) => answered(push, answer, limits, now, random),
    }
}

/// The settlement of a push whose time has passed, if it has.
pub fn expired(push: &Push, limits: Limits, now: Moment) -> Option<Settlement> {
    let LifeRule { length, rule } = life(push.accepted(), limits);
    (now.since(push.accepted().at) >= length).then(|| {
        let error = format!("expired: {rule} passed before the provider took it");
        Settlement::of_ours(End::Expired, EXPIRED, error, push.attempts)
    })
}

/// The settlement of a push that was to be tried again and has waited for too long for that: what
/// else holds retries up knows nothing of [`RETRY_WINDOW`].
pub fn too_late(push: &Push, now: Moment) -> Option<Settlement> {
    let (setback, first) = push.setback.zip(push.first_attempt)?;
    if now.monotonic <= first.checked_add(RETRY_WINDOW)? {
        return None;
    }
    let (status, what) = match setback {
        Setback::Refused => (None, "refused to process it".to_owned()),
        Setback::Unanswered => (None, "did not answer".to_owned()),
        Setback::Answered(status) => (Some(status), format!("answered {status}")),
    };
    let text = format!(
        "the provider {what}, and over an hour after the first attempt the next had still to wait"
    );
    Some(failure(push, status, TOO_LATE, text))
}

/// When a push is worthless. Its time goes on while the process stands still, so that this comes
/// sooner after a standstill.
pub fn expires_at(accepted: &Accepted, limits: Limits, now: Moment) -> Instant {
    let stood = now.stood.saturating_sub(accepted.at.stood);
    let left = life(accepted, limits).length.saturating_sub(stood);
    let at = accepted.at.monotonic;
    // `max_age` is bounded to days by the configuration; a clock that could not count that far
    // would make the push expire at once rather than never.
    at.checked_add(left).unwrap_or(at)
}

/// The settlement of a push whose request cannot be written.
pub fn unsendable(push: &Push, why: &str) -> Settlement {
    failure(push, None, UNSENDABLE, why.to_owned())
}

/// The settlement of a push that an earlier process has sent and that was not answered, where such
/// a push is not sent again.
pub fn unanswered_before(push: &Push) -> Settlement {
    let why = "sent before the last start, and not answered".to_owned();
    let mut settlement = failure(push, None, UNANSWERED, why);
    // The attempt that was under way was not counted.
    settlement.attempt = settlement.attempt.saturating_add(1);
    settlement
}

/// The settlement of a push that is left over when the daemon must end.
pub fn left_at_shutdown(push: &Push) -> Settlement {
    failure(
        push,
        None,
        SHUTDOWN,
        if push.maybe_sent {
            "sent, and not answered before the daemon was shut down".to_owned()
        } else {
            "still unsettled when the daemon was shut down".to_owned()
        },
    )
}

fn answered(push: &mut Push, answer: Answer, limits: Limits, now: Moment, random: u64) -> Decision {
    let again_how = match answer.verdict {
        Verdict::Retry(how) if how.once && push.used_its_second_chance => None,
        Verdict::Retry(how) => Some(how),
        Verdict::Succeeded | Verdict::Refused | Verdict::Stopped => None,
    };
    // What cannot be held against the push must not end it either, whatever was before.
    let is_second_chance = again_how.is_some_and(|how| how.once);
    if again_how.is_some_and(|how| !how.counts) {
        push.refusals = push.refusals.saturating_add(1);
    } else {
        push.refusals = 0;
    }
    let is_free = push.refusals > 0 && (push.refusals <= FREE_REFUSALS || is_second_chance);
    if !is_free {
        push.attempts = push.attempts.saturating_add(1);
    }
    push.used_its_second_chance |= is_second_chance;
    push.setback = Some(Setback::Answered(answer.status));
    let retry_after = answer.retry_after;
    let succeeded = answer.verdict == Verdict::Succeeded;
    let settlement = Settlement {
        end: if succeeded {
            End::Succeeded
        } else {
            End::Failed
        },
        status: Some(answer.status),
        reason: answer.reason,
        error: answer.error,
        apns_id: answer.apns_id,
        apns_unique_id: answer.apns_unique_id,
        message_name: answer.message_name,
        token_effect: answer.token,
        gone_since_ms: answer.gone_since_ms,
        attempt: push.attempts,
        took: Duration::ZERO,
    };
    match again_how {
        Some(how) if is_free || is_second_chance || !is_used_up(push, limits) => {
            let wait = backoff::after_answer(how, retry_after, push, random);
            again(push, limits, now, wait, settlement)
        }
        _ => Decision::Settle(settlement),
    }
}

/// Whether no further attempt is allowed.
fn is_used_up(push: &Push, limits: Limits) -> bool {
    push.attempts > limits.retry_max
}

/// Retries after `wait`, unless the retry window or the push's own time are over by then: in that
/// case `give_up` is its settlement.
fn again(
    push: &Push,
    limits: Limits,
    now: Moment,
    wait: Duration,
    give_up: Settlement,
) -> Decision {
    let due = now.monotonic.checked_add(wait);
    let window_end = push
        .first_attempt
        .and_then(|first| first.checked_add(RETRY_WINDOW));
    let deadline = expires_at(push.accepted(), limits, now);
    match due {
        Some(due) if due < deadline && window_end.is_none_or(|end| due <= end) => {
            let status = give_up
                .status
                .map(|status| format!("{status} "))
                .unwrap_or_default();
            let detail = if give_up.status.is_some() {
                ""
            } else {
                &*give_up.error
            };
            let separator = if detail.is_empty() { "" } else { ": " };
            let why = format!("{status}{}{separator}{detail}", give_up.reason);
            let why = why.trim_end().to_owned();
            Decision::Retry { due, why }
        }
        _ => Decision::Settle(give_up),
    }
}

fn failure(push: &Push, status: Option<u16>, reason: &'static str, error: String) -> Settlement {
    Settlement {
        status,
        ..Settlement::of_ours(End::Failed, reason, error, push.attempts)
    }
}

/// How long after its acceptance a push is worthless, and by which rule.
struct LifeRule {
    length: Duration,
    rule: &'static str,
}

fn life(accepted: &Accepted, limits: Limits) -> LifeRule {
    let rule = match accepted.envelope.lifetime {
        Lifetime::Unsaid => "max_age",
        Lifetime::Now => "the minute that a push with a lifetime of 0 has",
        Lifetime::Secs(_) => provider::of(accepted.envelope.lane.provider()).lifetime_rule(),
        Lifetime::Until(_) => "the time at which it expires",
    };
    let least = match accepted.envelope.lifetime {
        Lifetime::Now => NOW_WAITS,
        _ => Duration::ZERO,
    };
    match accepted.lifetime().map(|length| length.max(least)) {
        Some(length) if length < limits.max_age => LifeRule { length, rule },
        _ => LifeRule {
            length: limits.max_age,
            rule: "max_age",
        },
    }
}

/// Our limit: a push that the provider is to try once, and not to keep, waits so long with us.
pub const NOW_WAITS: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
