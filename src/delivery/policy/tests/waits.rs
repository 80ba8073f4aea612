//! How long each wait is, what ends it, and what is said of it.

use super::*;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Dice: nothing, a quarter, a half, three quarters, and nearly all.
const DICE: [u64; 5] = [0, 1 << 62, 1 << 63, 3 << 62, u64::MAX];

const MANY: Limits = Limits {
    retry_max: 100,
    ..LIMITS
};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn refused() -> Outcome {
    Outcome::NotProcessed("REFUSED_STREAM".into())
}

fn lost() -> Outcome {
    Outcome::Unknown("the connection was lost".into())
}

fn overloaded() -> Outcome {
    answer(503, "ServiceUnavailable", RETRYABLE)
}

fn elsewhere() -> Outcome {
    answer(503, "Shutdown", Verdict::Retry(Again::ELSEWHERE))
}

fn quota() -> Outcome {
    answer(429, "QUOTA_EXCEEDED", Verdict::Retry(Again::QUOTA))
}

fn asking(mut outcome: Outcome, secs: u64) -> Outcome {
    if let Outcome::Answered(answer) = &mut outcome {
        answer.retry_after = Some(Duration::from_secs(secs));
    }
    outcome
}

/// What is drawn of a wait of at least `least` and up to so much more.
fn parts(least: u64, more: u64) -> [Duration; 5] {
    let least = secs(least);
    let quarter = secs(more) / 4;
    [
        least,
        least + quarter,
        least + 2 * quarter,
        least + 3 * quarter,
        least + secs(more),
    ]
}

/// The nth wait is a random part of `expected[n].1`, on top of `expected[n].0`, whatever was drawn
/// before.
fn check_waits(platform: LaneId, outcome: fn() -> Outcome, before: usize, expected: &[(u64, u64)]) {
    let now = start();
    for (die, random) in DICE.into_iter().enumerate() {
        let mut push = push_with(now, |notification| notification.lane = platform);
        for _ in 0..before {
            decide(&mut push, outcome(), MANY, now, random);
        }
        for (nth, (least, more)) in expected.iter().enumerate() {
            let wait = retried(decide(&mut push, outcome(), MANY, now, random), now);
            let wanted = parts(*least, *more)[die];
            let off = wait.abs_diff(wanted);
            assert!(off < secs(1) / 1000, "wait {nth}, die {die}: {wait:?}");
        }
    }
}

#[test]
fn each_wait_is_a_part_of_a_time_that_doubles_up_to_15_minutes() {
    let ios = LaneId::IOS;
    let of_one = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900].map(|more| (0, more));
    // The first refusal in a row costs no wait, neither by a frame nor by an answer.
    check_waits(ios, refused, 1, &of_one);
    check_waits(ios, elsewhere, 1, &of_one);
    check_waits(ios, lost, 0, &of_one);
    let of_ten = [10, 20, 40, 80, 160, 320, 640, 900, 900];
    check_waits(ios, overloaded, 0, &of_ten.map(|more| (0, more)));
    check_waits(
        LaneId::ANDROID,
        overloaded,
        0,
        &of_ten.map(|more| (10, more)),
    );
    let of_sixty = [60, 120, 240, 480, 900, 900].map(|more| (60, more));
    for platform in LaneId::DEFAULT_APP {
        check_waits(platform, quota, 0, &of_sixty);
    }
}

#[test]
fn a_wait_however_often_doubled_stays_within_15_minutes() {
    let now = start();
    for outcome in [refused, elsewhere, lost, overloaded, quota] {
        let limits = Limits {
            retry_max: u16::MAX,
            ..LIMITS
        };
        let mut push = push_at(now);
        (push.attempts, push.refusals) = (30_000, 30_000);
        let wait = retried(decide(&mut push, outcome(), limits, now, u64::MAX), now);
        assert!(wait <= secs(15 * 60 + 60), "{wait:?}");
    }
}

#[test]
fn a_short_retry_after_does_not_shorten_the_back_off() {
    let now = start();
    let mut push = push_at(now);
    for longest in [10, 20, 40, 80] {
        let outcome = asking(overloaded(), 1);
        let wait = retried(decide(&mut push, outcome, MANY, now, 1 << 63), now);
        assert_eq!(wait, secs(longest) / 2);
        // Where less is drawn than was asked for, that and a part of its tenth is waited for.
        let mut other = push.clone();
        let outcome = asking(overloaded(), 1000);
        let wait = retried(decide(&mut other, outcome, MANY, now, 1 << 63), now);
        assert_eq!(wait, secs(1050));
    }
}

#[test]
fn what_a_retry_after_holds_back_is_spread_over_a_tenth_of_it() {
    for (asked, expected) in [(30, (30_000, 3_000)), (3600, (300_000, 30_000))] {
        let Outcome::Answered(mut answer) = asking(overloaded(), asked) else {
            unreachable!();
        };
        answer.lane = LaneEffect::Slow;
        let (hold, spread) = lane_hold(&answer).unwrap();
        assert_eq!((hold.as_millis(), spread.as_millis()), expected);
    }
}

#[test]
fn a_row_of_refusals_or_of_silence_begins_anew_after_another_end() {
    let now = start();
    let mut push = push_at(now);
    let is_at_once = |push: &mut Push| {
        let decision = decide(push, refused(), MANY, now, u64::MAX);
        matches!(decision, Decision::Resend)
    };
    assert!(is_at_once(&mut push) && !is_at_once(&mut push));
    decide(&mut push, lost(), MANY, now, 0);
    assert!(is_at_once(&mut push) && !is_at_once(&mut push));
    decide(&mut push, overloaded(), MANY, now, 0);
    assert!(is_at_once(&mut push) && !is_at_once(&mut push));
    assert_eq!(push.attempts, 2, "refusals were free");
}

#[test]
fn what_the_provider_did_not_look_at_fails_no_push_whose_attempts_are_used_up() {
    let now = start();
    let limits = Limits {
        retry_max: 0,
        ..LIMITS
    };
    for (refusal, reason) in [
        (refused as fn() -> Outcome, "refused"),
        (elsewhere, "Shutdown"),
    ] {
        let mut push = push_at(now);
        // It may have been sent, and so it is sent again in any case.
        retried(decide(&mut push, lost(), limits, now, 0), now);
        for round in 1..=5 {
            let decision = decide(&mut push, refusal(), limits, now, 0);
            assert!(!matches!(decision, Decision::Settle(_)), "{round}");
            assert_eq!(push.attempts, 1, "{round}");
        }
        let settlement = settled(decide(&mut push, refusal(), limits, now, 0));
        assert_eq!((&*settlement.reason, settlement.attempt), (reason, 2));
    }
}

#[test]
fn a_push_that_waits_past_the_hour_fails_as_too_late_with_the_last_word_of_the_provider() {
    let now = start();
    for (outcomes, status, said) in [
        (vec![refused(), refused()], None, "refused to process it"),
        (vec![lost()], None, "did not answer"),
        (vec![overloaded()], Some(503), "answered 503"),
        (vec![lost(), overloaded()], Some(503), "answered 503"),
        (vec![overloaded(), lost()], None, "did not answer"),
        (
            vec![overloaded(), refused(), refused()],
            None,
            "refused to process it",
        ),
    ] {
        let mut push = push_at(now);
        for outcome in outcomes {
            decide(&mut push, outcome, LIMITS, now, 0);
        }
        assert_eq!(too_late(&push, later(now, HOUR)), None, "{said}");
        let over = later(now, HOUR + secs(1));
        let settlement = too_late(&push, over).expect(said);
        assert_eq!(
            (settlement.end, &*settlement.reason, settlement.status),
            (End::Failed, "too_late", status)
        );
        assert_eq!(settlement.attempt, push.attempts);
        let text = &settlement.error;
        assert!(
            text.contains(&format!("the provider {said}")) && text.contains("hour"),
            "{text}"
        );
    }
}

/// What goes at once does not wait for another attempt: should nobody take it, for want of a
/// connection, that is held against it as little as against a fresh push.
#[test]
fn a_push_that_was_refused_for_the_first_time_is_never_too_late() {
    let now = start();
    for before in [None, Some(overloaded()), Some(lost())] {
        let mut push = push_at(now);
        if let Some(outcome) = before {
            retried(decide(&mut push, outcome, LIMITS, now, 0), now);
        }
        let decision = decide(&mut push, refused(), LIMITS, now, 0);
        assert!(matches!(decision, Decision::Resend));
        assert_eq!(too_late(&push, later(now, 2 * HOUR)), None);
    }
}

#[test]
fn the_hour_of_a_push_goes_on_while_nothing_of_it_is_written() {
    let now = start();
    let mut push = push_at(now);
    decide(&mut push, refused(), LIMITS, now, 0);
    decide(&mut push, Outcome::NotSent, LIMITS, now, 0);
    let soon = later(now, secs(3599));
    let settlement = settled(decide(&mut push, overloaded(), LIMITS, soon, 1 << 63));
    assert_eq!(settlement.reason, "ServiceUnavailable");
}

#[test]
fn the_next_attempt_comes_within_the_hour_and_before_the_end_of_a_push() {
    let now = start();
    let ends = |expiry| push_with(now, |notification| notification.expiry = expiry);
    // The wait is 5 s each time.
    for (mut push, age, comes) in [
        (ends(0), secs(3595), true),
        (ends(0), secs(3596), false),
        (ends(105), secs(99), true),
        (ends(105), secs(100), false),
    ] {
        let decision = decide(&mut push, overloaded(), LIMITS, later(now, age), 1 << 63);
        let is_retried = matches!(decision, Decision::Retry { .. });
        assert_eq!(is_retried, comes, "{age:?}: {decision:?}");
    }
}

#[test]
fn the_operator_reads_why_a_push_is_tried_again() {
    let now = start();
    let refused_twice = || {
        let mut push = push_at(now);
        decide(&mut push, refused(), LIMITS, now, 0);
        push
    };
    for (mut push, outcome, expected) in [
        (push_at(now), overloaded(), "503 ServiceUnavailable"),
        (push_at(now), answer(502, "", RETRYABLE), "502"),
        (push_at(now), lost(), "unanswered: the connection was lost"),
        (refused_twice(), refused(), "refused: REFUSED_STREAM"),
    ] {
        match decide(&mut push, outcome, LIMITS, now, 0) {
            Decision::Retry { why, .. } => assert_eq!(why, expected),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn what_is_left_at_the_end_says_whether_it_was_sent() {
    let now = start();
    let mut push = push_at(now);
    retried(decide(&mut push, overloaded(), LIMITS, now, 0), now);
    let settlement = left_at_shutdown(&push);
    assert_eq!(
        (settlement.end, &*settlement.reason, settlement.attempt),
        (End::Failed, "shutdown", 1)
    );
    assert!(!settlement.error.contains("sent"), "{}", settlement.error);
    retried(decide(&mut push, lost(), LIMITS, now, 0), now);
    let settlement = left_at_shutdown(&push);
    assert_eq!((&*settlement.reason, settlement.attempt), ("shutdown", 2));
    let text = &settlement.error;
    assert!(text.contains("sent, and not answered"), "{text}");

    // One that an earlier process was sending: that attempt was under way and counts.
    let settlement = unanswered_before(&push);
    assert_eq!(
        (settlement.end, &*settlement.reason, settlement.attempt),
        (End::Failed, "unanswered", 3)
    );
    assert!(settlement.error.contains("before the last start"));
}

#[test]
fn only_a_standstill_after_its_acceptance_takes_from_the_time_of_a_push() {
    let stood = |secs| Duration::from_secs(secs);
    let now = Moment {
        stood: stood(100),
        ..start()
    };
    let push = push_with(now, |notification| notification.expiry = 60);
    for (stood_by_then, left) in [(100, 60), (110, 50), (170, 0)] {
        let then = Moment {
            stood: stood(stood_by_then),
            ..now
        };
        let ends = expires_at(push.accepted(), LIMITS, then);
        assert_eq!(ends - now.monotonic, secs(left));
    }
}
