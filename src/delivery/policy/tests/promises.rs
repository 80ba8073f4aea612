//! What is promised of every push, one test for each promise.

use super::*;
use crate::provider::fcm;

/// A spread of random numbers, with both ends.
fn randoms() -> impl Iterator<Item = u64> {
    (0..=16_u64).map(|step| (u64::MAX / 16).saturating_mul(step))
}

fn android_at(at: Moment) -> Push {
    push_with(at, |notification| {
        notification.lane = LaneId::ANDROID;
    })
}

fn asking(mut outcome: Outcome, secs: u64) -> Outcome {
    if let Outcome::Answered(answer) = &mut outcome {
        answer.retry_after = Some(Duration::from_secs(secs));
    }
    outcome
}

fn refused() -> Outcome {
    Outcome::NotProcessed("REFUSED_STREAM".into())
}

fn lost() -> Outcome {
    Outcome::Unknown("the connection was lost".into())
}

#[test]
fn not_processed_what_was_never_written_is_resent_free_however_often() {
    let now = start();
    let mut push = push_at(now);
    for _ in 0..1000 {
        let decision = decide(&mut push, Outcome::NotSent, LIMITS, now, 0);
        assert!(matches!(decision, Decision::Resend));
    }
    assert_eq!(
        (push.attempts, push.refusals, push.maybe_sent),
        (0, 0, false)
    );
}

#[test]
fn not_processed_refusals_are_free_a_named_number_of_times_in_a_row_and_then_cost_an_attempt() {
    let now = start();
    let mut push = push_at(now);
    let first = decide(&mut push, refused(), LIMITS, now, 0);
    assert!(matches!(first, Decision::Resend), "at once");
    for _ in 1..FREE_REFUSALS {
        retried(decide(&mut push, refused(), LIMITS, now, 0), now);
        assert_eq!((push.attempts, push.maybe_sent), (0, false));
    }
    for attempt in 1..=LIMITS.retry_max {
        retried(decide(&mut push, refused(), LIMITS, now, 0), now);
        assert_eq!(push.attempts, attempt);
    }
    let settlement = settled(decide(&mut push, refused(), LIMITS, now, 0));
    assert_eq!(settlement.reason, "refused");
    assert!(!push.maybe_sent);
}

#[test]
fn not_processed_an_answer_in_between_begins_the_row_of_refusals_anew() {
    let now = start();
    let mut push = push_at(now);
    for _ in 0..FREE_REFUSALS {
        decide(&mut push, refused(), LIMITS, now, 0);
    }
    let outcome = answer(500, "InternalServerError", RETRYABLE);
    retried(decide(&mut push, outcome, LIMITS, now, 0), now);
    let free = decide(&mut push, refused(), LIMITS, now, 0);
    assert!(matches!(free, Decision::Resend));
    assert_eq!(push.attempts, 1, "the answer's own");
}

#[test]
fn unknown_is_resent_and_remembered_as_maybe_sent() {
    let now = start();
    let mut push = push_at(now);
    for attempt in 1..=LIMITS.retry_max {
        retried(decide(&mut push, lost(), LIMITS, now, 0), now);
        assert_eq!((push.attempts, push.maybe_sent), (attempt, true));
    }
    let settlement = settled(decide(&mut push, lost(), LIMITS, now, 0));
    assert_eq!(
        (settlement.end, &*settlement.reason, &*settlement.error),
        (End::Failed, "unanswered", "the connection was lost")
    );
}

#[test]
fn unknown_is_resent_at_least_once_whatever_retry_max() {
    let now = start();
    let limits = Limits {
        retry_max: 0,
        ..LIMITS
    };
    let mut push = push_at(now);
    retried(decide(&mut push, lost(), limits, now, 0), now);
    let settlement = settled(decide(&mut push, lost(), limits, now, 0));
    assert_eq!((&*settlement.reason, settlement.attempt), ("unanswered", 2));

    let mut push = push_at(now);
    for _ in 0..LIMITS.retry_max {
        let outcome = answer(500, "InternalServerError", RETRYABLE);
        retried(decide(&mut push, outcome, LIMITS, now, 0), now);
    }
    retried(decide(&mut push, lost(), LIMITS, now, 0), now);
}

#[test]
fn unknown_fails_as_unanswered_where_resend_unknown_is_false() {
    let now = start();
    let limits = Limits {
        resend_unknown: false,
        ..LIMITS
    };
    let mut push = push_at(now);
    let settlement = settled(decide(&mut push, lost(), limits, now, 0));
    assert_eq!(
        (settlement.end, &*settlement.reason, settlement.attempt),
        (End::Failed, "unanswered", 1)
    );
    assert!(push.maybe_sent, "which its log line says");
    let free = decide(&mut push_at(now), Outcome::NotSent, limits, now, 0);
    assert!(matches!(free, Decision::Resend), "that one is not unknown");
}

#[test]
fn retry_after_is_never_undercut_and_what_it_releases_is_spread_over_a_tenth() {
    let now = start();
    for asked in [1, 60, 600, 3000] {
        let waits: Vec<Duration> = randoms()
            .map(|random| {
                let outcome = asking(answer(429, "QUOTA_EXCEEDED", QUOTA), asked);
                let mut push = android_at(now);
                retried(decide(&mut push, outcome, LIMITS, now, random), now)
            })
            .collect();
        let asked = Duration::from_secs(asked);
        assert!(waits.iter().all(|wait| *wait >= asked), "{waits:?}");
        let last = waits.iter().max().unwrap();
        let longest = FIRST_BACKOFF_QUOTA.max(asked + asked / 10);
        assert!(*last > asked + asked / 12 && *last <= longest, "{waits:?}");
    }
}

#[test]
fn retry_after_holds_back_the_lane_only_where_the_answer_is_about_the_lane() {
    let mut of_the_lane = slow(answer(429, "QUOTA_EXCEEDED", QUOTA));
    let check = |outcome: &Outcome, expected: Option<u64>| {
        let Outcome::Answered(answer) = outcome else {
            panic!("{outcome:?}");
        };
        let hold = lane_hold(answer).map(|(hold, _)| hold);
        assert_eq!(hold, expected.map(Duration::from_secs));
    };
    check(&of_the_lane, None);
    of_the_lane = asking(of_the_lane, 30);
    check(&of_the_lane, Some(30));
    check(&asking(of_the_lane, 0), None);
    let of_a_device = answer(429, "TooManyRequests", RETRYABLE);
    check(&asking(of_a_device, 30), None);
    let absurd = slow(answer(503, "UNAVAILABLE", RETRYABLE));
    check(&asking(absurd, 3600), Some(LANE_RETRY_AFTER_MAX.as_secs()));
}

fn slow(mut outcome: Outcome) -> Outcome {
    if let Outcome::Answered(answer) = &mut outcome {
        answer.lane = LaneEffect::Slow;
    }
    outcome
}

const QUOTA: Verdict = Verdict::Retry(Again::QUOTA);

#[test]
fn back_off_is_exponential_with_full_jitter() {
    let now = start();
    for (attempts, longest) in [(0, 10), (1, 20), (2, 40), (6, 640), (7, 900), (30, 900)] {
        let limits = Limits {
            retry_max: 100,
            ..LIMITS
        };
        let waits: Vec<Duration> = randoms()
            .map(|random| {
                let mut push = push_at(now);
                push.attempts = attempts;
                let outcome = answer(500, "InternalServerError", RETRYABLE);
                retried(decide(&mut push, outcome, limits, now, random), now)
            })
            .collect();
        let longest = Duration::from_secs(longest);
        assert_eq!(waits.first(), Some(&Duration::ZERO), "from nothing");
        assert!(waits.is_sorted(), "{waits:?}");
        let last = *waits.last().unwrap();
        assert!(last <= longest && last > longest * 15 / 16, "to all of it");
        let middle = waits.get(8).unwrap().as_secs_f64() / longest.as_secs_f64();
        assert!((middle - 0.5).abs() < 0.01, "evenly: {middle}");
    }
}

#[test]
fn back_off_adds_its_jitter_to_what_google_asks_for_at_least() {
    let now = start();
    for (verdict, least, longest) in [
        (
            RETRYABLE,
            fcm::LEAST_BACKOFF,
            fcm::LEAST_BACKOFF + FIRST_BACKOFF,
        ),
        (QUOTA, FIRST_BACKOFF_QUOTA, 2 * FIRST_BACKOFF_QUOTA),
    ] {
        let waits = randoms().map(|random| {
            let outcome = answer(503, "UNAVAILABLE", verdict);
            let mut push = android_at(now);
            retried(decide(&mut push, outcome, LIMITS, now, random), now)
        });
        let waits: Vec<Duration> = waits.collect();
        assert_eq!(waits.first(), Some(&least));
        assert!(waits.iter().all(|wait| *wait >= least && *wait <= longest));
        assert!(*waits.last().unwrap() > longest * 15 / 16);
    }
}

#[test]
fn permanent_refusals_are_never_retried() {
    let now = start();
    let rows = provider::apns::ROWS.iter().chain(fcm::ROWS);
    let mut checked = 0;
    for row in rows.filter(|row| row.verdict == Verdict::Refused) {
        let outcome = answer(row.status, row.reason, row.verdict);
        let settlement = settled(decide(&mut push_at(now), outcome, LIMITS, now, 0));
        assert_eq!(
            (settlement.end, &*settlement.reason, settlement.attempt),
            (End::Failed, row.reason, 1)
        );
        checked += 1;
    }
    assert!(checked > 15, "{checked} rows");
}

#[test]
fn a_deadline_counts_from_acceptance_also_for_what_is_tried_again() {
    let accepted = start();
    let late = later(accepted, Duration::from_secs(58));
    let mut push = push_with(accepted, |notification| notification.expiry = 60);
    push.first_attempt = Some(late.monotonic);
    assert_eq!(expired(&push, LIMITS, late), None);
    let outcome = answer(500, "InternalServerError", RETRYABLE);
    let wait = retried(
        decide(&mut push, outcome, LIMITS, late, u64::MAX / 10),
        late,
    );
    assert!(wait < Duration::from_secs(2));
    let over = later(late, Duration::from_secs(2));
    let settlement = expired(&push, LIMITS, over).unwrap();
    assert_eq!((settlement.end, settlement.attempt), (End::Expired, 1));
    let outcome = answer(500, "InternalServerError", RETRYABLE);
    let decision = decide(&mut push, outcome, LIMITS, late, u64::MAX / 2);
    assert_eq!(
        settled(decision).reason,
        "InternalServerError",
        "a retry past its time is not waited for"
    );
}

/// What a wall clock may do between two looks, in seconds.
const JUMPS: [i64; 4] = [-31_536_000, -3600, 3600, 31_536_000];

#[test]
fn clock_jumps_change_no_wait_and_no_deadline() {
    let now = start();
    for jump in JUMPS {
        let jumped = Moment {
            unix: Duration::from_secs(now.unix_secs().strict_add_signed(jump)),
            ..later(now, Duration::from_secs(10))
        };
        let straight = later(now, Duration::from_secs(10));
        let [mut one, mut other] = [push_at(now), push_at(now)];
        for outcome in [
            || answer(500, "InternalServerError", RETRYABLE),
            || asking(answer(503, "ServiceUnavailable", RETRYABLE), 30),
            lost,
        ] {
            let waits = [(&mut one, jumped), (&mut other, straight)].map(|(push, at)| {
                retried(decide(push, outcome(), LIMITS, at, u64::MAX / 3), straight)
            });
            assert_eq!(waits[0], waits[1], "{jump}");
        }
        let push = push_with(now, |notification| notification.expiry = 60);
        assert_eq!(expired(&push, LIMITS, jumped), None, "{jump}");
        let over = Moment {
            monotonic: now.monotonic + Duration::from_secs(60),
            ..jumped
        };
        assert!(expired(&push, LIMITS, over).is_some(), "{jump}");
    }
}

#[test]
fn a_standstill_takes_from_the_time_of_a_push_and_not_from_that_of_its_retries() {
    let now = start();
    let woken = Moment {
        stood: Duration::from_secs(3700),
        ..later(now, Duration::from_secs(10))
    };
    let push = push_with(now, |notification| notification.expiry = 3720);
    assert_eq!(expired(&push, LIMITS, woken), None);
    let accepted = push.accepted();
    let at = expires_at(accepted, LIMITS, woken);
    assert_eq!(at, woken.monotonic + Duration::from_secs(10));
    let over = later(woken, Duration::from_secs(10));
    assert!(expired(&push, LIMITS, over).is_some());
    // The hour in which it may be tried again is ours.
    let mut push = push_at(now);
    push.first_attempt = Some(now.monotonic);
    push.setback = Some(Setback::Unanswered);
    assert_eq!(too_late(&push, woken), None);
    retried(decide(&mut push, lost(), LIMITS, woken, 0), woken);
}

#[test]
fn an_expired_credential_fails_no_push_at_whatever_retry_max() {
    let now = start();
    let rows = provider::apns::ROWS.iter().chain(fcm::ROWS);
    let mut checked = Vec::new();
    for row in rows {
        let Verdict::Retry(again) = row.verdict else {
            continue;
        };
        if !again.once {
            continue;
        }
        for (attempts, refusals) in [(0_u16, 0), (0, FREE_REFUSALS + 1), (1, 0)] {
            let limits = Limits {
                retry_max: attempts.saturating_sub(1),
                ..LIMITS
            };
            let mut push = push_at(now);
            (push.attempts, push.refusals) = (attempts, refusals);
            let outcome = || answer(row.status, row.reason, row.verdict);
            retried(decide(&mut push, outcome(), limits, now, 0), now);
            assert_eq!(push.attempts, attempts, "at no cost");
            // Should the lane not be held for the second: it is final.
            settled(decide(&mut push, outcome(), limits, now, 0));
        }
        checked.push(row.reason);
    }
    for expected in [
        "ExpiredProviderToken",
        "InvalidProviderToken",
        "ACCESS_TOKEN_EXPIRED",
    ] {
        assert!(checked.contains(&expected), "{checked:?}");
    }
}
