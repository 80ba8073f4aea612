mod promises;
mod waits;

use std::sync::Arc;

use super::*;
use crate::provider::fixture::built;
use crate::provider::{self, Again, Built, LaneEffect, TokenEffect};
use crate::push::{DeviceToken, LaneId, Lifetime, Notification, PushId};

const LIMITS: Limits = Limits {
    retry_max: 3,
    max_age: Duration::from_secs(24 * 60 * 60),
    resend_unknown: true,
};

fn start() -> Moment {
    Moment {
        stood: Duration::ZERO,
        monotonic: Instant::now(),
        unix: Duration::from_secs(1_790_000_000),
    }
}

fn later(from: Moment, by: Duration) -> Moment {
    Moment {
        monotonic: from.monotonic + by,
        unix: from.unix + by,
        ..from
    }
}

fn push_with(at: Moment, change: impl FnOnce(&mut Notification)) -> Push {
    let mut notification = Notification::empty(LaneId::IOS);
    change(&mut notification);
    let built = built(&mut notification, at);
    let accepted = provider::accept(
        &notification,
        &built,
        [DeviceToken::new("ab")],
        PushId(7),
        at,
    );
    let mut push = Push::nth(&Arc::new(accepted), 0).unwrap();
    push.first_attempt = Some(at.monotonic);
    push
}

/// One whose caller has said so much of how long it lives.
fn push_living(at: Moment, lifetime: Lifetime) -> Push {
    let mut built = Built::nothing(LaneId::IOS);
    built.envelope.lifetime = lifetime;
    let accepted = provider::accept(
        &Notification::empty(LaneId::IOS),
        &built,
        [DeviceToken::new("ab")],
        PushId(7),
        at,
    );
    Push::nth(&Arc::new(accepted), 0).unwrap()
}

fn push_at(at: Moment) -> Push {
    push_with(at, |_| {})
}

fn answer(status: u16, reason: &'static str, verdict: Verdict) -> Outcome {
    Outcome::Answered(Answer {
        status,
        reason: reason.into(),
        error: format!("text of {reason}"),
        verdict,
        lane: LaneEffect::None,
        token: TokenEffect::Suspect,
        token_alarm: None,
        proves: false,
        of_topic: false,
        of_other_topic: false,
        apns_id: Some("an-id".into()),
        apns_unique_id: Some("a-unique-id".into()),
        message_name: Some("a-name".into()),
        gone_since_ms: Some(17),
        retry_after: None,
        date: None,
    })
}

const RETRYABLE: Verdict = Verdict::Retry(Again::BACKOFF);

fn settled(decision: Decision) -> Settlement {
    match decision {
        Decision::Settle(settlement) => settlement,
        other => panic!("not settled: {other:?}"),
    }
}

fn retried(decision: Decision, now: Moment) -> Duration {
    match decision {
        Decision::Retry { due, .. } => due - now.monotonic,
        other => panic!("not retried: {other:?}"),
    }
}

#[test]
fn success_and_refusal_settle_at_once_with_the_provider_s_words() {
    let now = start();
    let mut push = push_at(now);
    let settlement = settled(decide(
        &mut push,
        answer(200, "", Verdict::Succeeded),
        LIMITS,
        now,
        0,
    ));
    assert_eq!(
        (settlement.end, settlement.status, settlement.attempt),
        (End::Succeeded, Some(200), 1)
    );
    assert_eq!(settlement.apns_id.as_deref(), Some("an-id"));
    let unique = settlement.apns_unique_id.as_deref();
    assert_eq!(unique, Some("a-unique-id"));
    assert_eq!(settlement.message_name.as_deref(), Some("a-name"));
    let of_token = (settlement.token_effect, settlement.gone_since_ms);
    assert_eq!(of_token, (TokenEffect::Suspect, Some(17)));

    for verdict in [Verdict::Refused, Verdict::Stopped] {
        let mut push = push_at(now);
        let settlement = settled(decide(
            &mut push,
            answer(410, "Unregistered", verdict),
            LIMITS,
            now,
            0,
        ));
        assert_eq!(settlement.end, End::Failed);
        assert_eq!(settlement.reason, "Unregistered");
        assert_eq!(settlement.error, "text of Unregistered");
    }
}

#[test]
fn a_retryable_answer_backs_off_and_gives_up_after_retry_max() {
    let now = start();
    let mut push = push_at(now);
    for longest in [10, 20, 40] {
        let outcome = answer(503, "ServiceUnavailable", RETRYABLE);
        let wait = retried(decide(&mut push, outcome, LIMITS, now, u64::MAX), now);
        let longest = Duration::from_secs(longest);
        assert!(wait > longest * 9 / 10 && wait <= longest, "{wait:?}");
    }
    let settlement = settled(decide(
        &mut push,
        answer(503, "ServiceUnavailable", RETRYABLE),
        LIMITS,
        now,
        0,
    ));
    assert_eq!(
        (settlement.end, settlement.status, settlement.attempt),
        (End::Failed, Some(503), 4)
    );
}

#[test]
fn another_connection_is_tried_at_once_and_then_ever_later() {
    let now = start();
    let mut push = push_at(now);
    let shutdown = |push: &mut Push| {
        let outcome = answer(503, "Shutdown", Verdict::Retry(Again::ELSEWHERE));
        retried(decide(push, outcome, LIMITS, now, u64::MAX), now)
    };
    assert_eq!(shutdown(&mut push), Duration::ZERO);
    assert!(shutdown(&mut push) > Duration::from_millis(900));
    assert!(shutdown(&mut push) > Duration::from_millis(1900));
    assert_eq!(push.attempts, 0);
}

#[test]
fn a_second_chance_is_given_once() {
    let now = start();
    let mut push = push_at(now);
    let once = Verdict::Retry(Again {
        once: true,
        ..Again::BACKOFF
    });
    retried(
        decide(
            &mut push,
            answer(403, "InvalidProviderToken", once),
            LIMITS,
            now,
            0,
        ),
        now,
    );
    let settlement = settled(decide(
        &mut push,
        answer(403, "InvalidProviderToken", once),
        LIMITS,
        now,
        0,
    ));
    assert_eq!((settlement.end, settlement.attempt), (End::Failed, 2));
}

#[test]
fn nothing_is_tried_again_after_an_hour() {
    let accepted = start();
    let now = later(
        accepted,
        RETRY_WINDOW.checked_sub(Duration::from_secs(5)).unwrap(),
    );
    let outcome = || answer(500, "InternalServerError", RETRYABLE);
    retried(
        decide(&mut push_at(accepted), outcome(), LIMITS, now, 0),
        now,
    );
    settled(decide(
        &mut push_at(accepted),
        outcome(),
        LIMITS,
        now,
        u64::MAX,
    ));
}

#[test]
fn a_retry_that_would_come_after_the_push_s_own_time_is_not_made() {
    let now = start();
    let mut push = push_with(now, |notification| notification.expiry = 5);
    let outcome = answer(500, "InternalServerError", RETRYABLE);
    let settlement = settled(decide(&mut push, outcome, LIMITS, now, u64::MAX));
    assert_eq!(settlement.reason, "InternalServerError");
}

#[test]
fn a_push_expires_by_its_own_time_or_max_age_counted_from_acceptance() {
    let now = start();
    let expiry = push_with(now, |notification| notification.expiry = 60);
    let ttl = push_with(now, |notification| {
        notification.lane = LaneId::ANDROID;
        notification.time_to_live = 60;
    });
    let none = push_with(now, |notification| {
        notification.lane = LaneId::ANDROID;
        notification.expiry = 60;
    });
    for (push, life, rule) in [
        (expiry, Duration::from_secs(60), "its expiry"),
        (ttl, Duration::from_secs(60), "its time_to_live"),
        (none, LIMITS.max_age, "max_age"),
        (push_with(now, |n| n.expiry = -1), LIMITS.max_age, "max_age"),
        (
            push_with(now, |n| n.expiry = i64::MAX),
            LIMITS.max_age,
            "max_age",
        ),
        (
            push_living(now, Lifetime::Now),
            Duration::from_secs(60),
            "the minute that a push with a lifetime of 0 has",
        ),
        (
            push_living(now, Lifetime::until(now.unix.as_secs() + 90)),
            Duration::from_secs(90),
            "the time at which it expires",
        ),
        (
            push_living(now, Lifetime::until(now.unix.as_secs() - 1)),
            Duration::ZERO,
            "the time at which it expires",
        ),
        (
            push_living(now, Lifetime::until(u64::MAX)),
            LIMITS.max_age,
            "max_age",
        ),
    ] {
        let before = later(now, life.saturating_sub(Duration::from_millis(1)));
        assert_eq!(expired(&push, LIMITS, before).is_some(), life.is_zero());
        let settlement = expired(&push, LIMITS, later(now, life)).unwrap();
        assert_eq!(
            (settlement.end, &*settlement.reason),
            (End::Expired, "expired")
        );
        assert!(settlement.error.contains(rule), "{}", settlement.error);
    }
}

#[test]
fn the_retry_window_does_not_begin_before_a_byte_is_sent() {
    let now = start();
    let mut push = push_at(now);
    assert!(matches!(
        decide(&mut push, Outcome::NotSent, LIMITS, now, 0),
        Decision::Resend
    ));
    assert_eq!(push.first_attempt, None);
    push.attempts = 1;
    push.first_attempt = Some(now.monotonic);
    decide(&mut push, Outcome::NotSent, LIMITS, now, 0);
    assert_eq!(push.first_attempt, Some(now.monotonic));
}
