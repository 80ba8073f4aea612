//! From a record of what was accepted and has not ended to its pushes: the one way, for the start,
//! for what expires where it has no lane, and for what `sterna recover` shows and sends.
//!
//! Pure: no file, no clock, no thread.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crate::delivery::policy::LANE_RETRY_AFTER_MAX;
use crate::journal::{Attempts, Outstanding};
use crate::moment::Moment;
use crate::provider::RETRY_AFTER_MAX;
use crate::push::{Accepted, Contradictions, Push, Waits};

/// The pushes of a record that have not ended, each where it was left and until when it has still
/// to wait.
///
/// `last` is the notification that was resumed last, and then this one: a large one comes in many
/// parts, each with all its device tokens, of which one is held as long as pushes of it live. Its
/// age counts from the first part that was read.
pub fn resume(
    outstanding: Outstanding,
    last: &mut Weak<Accepted>,
    now: Moment,
) -> impl Iterator<Item = (Push, Waits)> + use<> {
    let at = outstanding.moment(now);
    let Outstanding {
        envelope,
        parcel,
        first_id,
        at: _,
        in_doubt,
        pushes,
    } = outstanding;
    let is_it = |last: &Arc<Accepted>| {
        last.first_id == first_id && last.envelope == envelope && last.parcel == parcel
    };
    let accepted = last.upgrade().filter(is_it).unwrap_or_else(|| {
        Arc::new(Accepted {
            envelope,
            parcel,
            first_id,
            at,
        })
    });
    *last = Arc::downgrade(&accepted);
    pushes.into_iter().filter_map(move |(index, attempts)| {
        let mut push = Push::nth(&accepted, index)?;
        let waits = go_on(&mut push, &attempts, in_doubt, now);
        Some((push, waits))
    })
}

/// How far a push has come, on the clock that outlives the process.
pub fn attempts(push: &Push, waits: Waits, now: Moment) -> Attempts {
    let first = push.first_attempt.map(|first| {
        let ago = now.monotonic.saturating_duration_since(first);
        now.unix.saturating_sub(ago)
    });
    let unix = |at: Instant| {
        let wait = at.saturating_duration_since(now.monotonic);
        now.unix.saturating_add(wait)
    };
    Attempts {
        attempts: push.attempts,
        refusals: push.refusals,
        maybe_sent: push.maybe_sent,
        used_its_second_chance: push.used_its_second_chance,
        contradictions: (
            push.contradictions.count(),
            push.contradictions.first_age_secs(),
        ),
        first_attempt: first,
        due: waits.due.map(unix),
        rest: waits.rest.map(unix),
    }
}

/// Goes on where a push was left; `in_doubt` if it may have been sent since. Until when it has
/// still to wait.
fn go_on(push: &mut Push, attempts: &Attempts, in_doubt: bool, now: Moment) -> Waits {
    push.in_doubt = in_doubt;
    push.attempts = attempts.attempts;
    push.refusals = attempts.refusals;
    push.maybe_sent = attempts.maybe_sent;
    push.used_its_second_chance = attempts.used_its_second_chance;
    let (count, first_age) = attempts.contradictions;
    push.contradictions = Contradictions::kept(count, first_age);
    push.first_attempt = attempts.first_attempt.map(|first| at(first, now));
    let rest = attempts.rest;
    Waits {
        due: attempts
            .due
            .and_then(|due| ahead(due, RETRY_AFTER_MAX, now)),
        rest: rest.and_then(|rest| ahead(rest, LANE_RETRY_AFTER_MAX, now)),
    }
}

/// A point of the wall clock on the monotonic one; one that is still to come counts as now.
fn at(unix: Duration, now: Moment) -> Instant {
    let ago = now.unix.saturating_sub(unix);
    now.monotonic.checked_sub(ago).unwrap_or(now.monotonic)
}

/// A point of the wall clock that is still to come on the monotonic one. The clock may have been
/// set meanwhile: one that is further away than `most`, which no wait is, is that far away.
fn ahead(unix: Duration, most: Duration, now: Moment) -> Option<Instant> {
    let wait = unix.saturating_sub(now.unix).min(most);
    let at = now.monotonic.checked_add(wait);
    at.filter(|_| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::delivery::policy::{self, Limits};
    use crate::push::fixture::push_to;
    use crate::push::{ConnectionId, Envelope, Lifetime};

    #[test]
    fn a_push_goes_on_where_it_was_left() {
        let now = Moment::now();
        let mut left = push_to("ab", now);
        left.attempts = 3;
        left.refusals = 2;
        left.maybe_sent = true;
        left.used_its_second_chance = true;
        let connection = ConnectionId::new(1);
        for age in [5, 7] {
            left.contradictions
                .add(connection, Duration::from_secs(age));
        }
        left.first_attempt = now.monotonic.checked_sub(Duration::from_secs(60));
        let secs = Duration::from_secs;
        let waits = Waits {
            due: now.monotonic.checked_add(secs(90)),
            rest: now.monotonic.checked_add(secs(70)),
        };
        let kept = attempts(&left, waits, now);
        // The process that goes on reads other clocks, a minute later.
        let later = Moment {
            stood: Duration::ZERO,
            monotonic: now.monotonic + Duration::from_secs(1000),
            unix: now.unix + Duration::from_secs(60),
        };
        let mut resumed = push_to("ab", later);
        let waits = go_on(&mut resumed, &kept, true, later);
        let left = [waits.due, waits.rest].map(|at| at.unwrap() - later.monotonic);
        assert_eq!(left, [secs(30), secs(10)], "a minute of it has passed");
        assert_eq!((resumed.attempts, resumed.refusals), (3, 2));
        assert!(resumed.maybe_sent && resumed.in_doubt && resumed.used_its_second_chance);
        let met = resumed.contradictions;
        assert_eq!((met.count(), met.first_age_secs()), (2, 5));
        assert!(met.began_elsewhere(connection), "of this process");
        let first = resumed.first_attempt.unwrap();
        assert_eq!(later.monotonic - first, Duration::from_secs(120));
        assert_eq!(attempts(&resumed, waits, later), kept);
    }

    #[test]
    fn a_clock_that_was_set_makes_no_wait_longer_than_a_provider_may_ask_for() {
        let now = Moment::now();
        let secs = Duration::from_secs;
        let resumed_at = |unix| {
            let kept = Attempts {
                due: Some(now.unix + secs(100)),
                rest: Some(now.unix + secs(100)),
                ..Attempts::default()
            };
            let now = Moment { unix, ..now };
            let waits = go_on(&mut push_to("ab", now), &kept, false, now);
            [waits.due, waits.rest].map(|at| at.map(|at| at - now.monotonic))
        };
        let most = [Some(RETRY_AFTER_MAX), Some(LANE_RETRY_AFTER_MAX)];
        assert_eq!(resumed_at(Duration::ZERO), most);
        assert_eq!(resumed_at(now.unix.saturating_sub(secs(86_400))), most);
        assert_eq!(resumed_at(now.unix + secs(99)), [Some(secs(1)); 2]);
        assert_eq!(resumed_at(now.unix + secs(100)), [None; 2], "it is over");
        assert_eq!(resumed_at(Duration::MAX), [None; 2]);
    }

    #[test]
    fn the_time_of_what_was_scheduled_counts_from_when_it_was_to_be_sent() {
        let now = Moment::now();
        let secs = Duration::from_secs;
        let at = now.unix.as_secs() - 60;
        let push = push_to("ab", now);
        let accepted = push.accepted();
        let outstanding = Outstanding {
            envelope: Envelope {
                lifetime: Lifetime::secs(90),
                earliest: NonZeroU32::new(u32::try_from(at).unwrap()),
                ..accepted.envelope
            },
            parcel: accepted.parcel.clone(),
            first_id: accepted.first_id,
            at: now.unix.saturating_sub(secs(10_000)),
            in_doubt: false,
            pushes: vec![(0, Attempts::default())],
        };
        let resumed = resume(outstanding, &mut Weak::new(), now);
        let (push, _) = resumed.last().unwrap();
        assert_eq!(push.accepted().at.unix, secs(at));
        let limits = Limits {
            retry_max: 0,
            max_age: secs(3600),
            resend_unknown: true,
        };
        let expires = policy::expires_at(push.accepted(), limits, now);
        let left = (expires - now.monotonic).as_secs_f64();
        assert!((29.0..=30.0).contains(&left), "{left}");
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nothing_older_or_younger_than_now() {
        let now = Moment::now();
        assert_eq!(at(now.unix + Duration::from_secs(60), now), now.monotonic);
    }
}
