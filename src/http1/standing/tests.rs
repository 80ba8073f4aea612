//! By virtual time.

use super::*;

const MOMENT: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const BYTES: usize = 64 * 1024;

fn claim(number: u64, rank: Rank, since: Instant, spared: Duration) -> Claim {
    Claim {
        number,
        rank,
        since,
        spared,
    }
}

fn rank(standing: &Standing, now: Instant) -> Option<Rank> {
    Some(standing.claim(0, now)?.rank)
}

/// A connection whose request has begun and whose body is awaited.
fn with_a_body(start: Instant) -> Standing {
    let mut standing = Standing::new(start);
    standing.begin(start);
    standing.wait(Awaited::Body, 0, start);
    standing
}

#[test]
fn silence_unfinished_heads_and_farewells_are_behind_and_idleness_is_not() {
    let start = Instant::now();
    let mut standing = Standing::new(start);
    assert_eq!(
        rank(&standing, start),
        Some(Rank::Behind),
        "it says nothing"
    );
    standing.begin(start + SECOND);
    assert_eq!(rank(&standing, start + SECOND), None, "we read");
    standing.wait(Awaited::Head, 0, start + 2 * SECOND);
    assert_eq!(rank(&standing, start + 2 * SECOND), Some(Rank::Behind));
    assert_eq!(standing.since(), start + SECOND);
    standing.resume(start + 3 * SECOND);
    standing.wait(Awaited::Body, 0, start + 3 * SECOND);
    assert_eq!(standing.since(), start + SECOND, "the request's begin");
    standing.resume(start + 3 * SECOND);
    assert_eq!(rank(&standing, start + 3 * SECOND), None, "we answer");
    standing.fall_idle(start + 4 * SECOND);
    assert_eq!(rank(&standing, start + 4 * SECOND), Some(Rank::Idle));
    assert_eq!(standing.since(), start + 4 * SECOND);
    standing.wait(Awaited::Farewell, 0, start + 5 * SECOND);
    assert_eq!(rank(&standing, start + 5 * SECOND), Some(Rank::Behind));
}

#[test]
fn a_body_slower_than_the_rate_is_behind_and_one_at_the_rate_is_not() {
    let start = Instant::now();
    for (bytes, late) in [
        (BYTES / 8, Some(Rank::Keeping)),
        (BYTES / 8 - 1, Some(Rank::Behind)),
    ] {
        let mut standing = with_a_body(start);
        let mut now = start;
        for part in 1..=20 {
            now += SECOND / 8;
            standing.resume(now);
            standing.wait(Awaited::Body, part * bytes, now);
        }
        assert_eq!(
            rank(&standing, now),
            late,
            "{bytes} each eighth of a second"
        );
    }
}

#[test]
fn who_sends_much_at_once_has_a_second_for_the_rest() {
    let start = Instant::now();
    let mut standing = with_a_body(start);
    standing.resume(start);
    standing.wait(Awaited::Body, 1000 * BYTES, start);
    assert_eq!(rank(&standing, start + SECOND), Some(Rank::Keeping));
    assert_eq!(rank(&standing, start + SECOND + MOMENT), Some(Rank::Behind));
}

#[test]
fn time_in_which_we_do_not_read_does_not_count() {
    let start = Instant::now();
    let mut standing = with_a_body(start);
    let mut now = start + MOMENT;
    standing.resume(now);
    // No memory for the body, say.
    now += 3600 * SECOND;
    standing.wait(Awaited::Body, BYTES, now);
    assert_eq!(rank(&standing, now + 998 * MOMENT), Some(Rank::Keeping));
    // The process was stopped and begins to wait anew.
    now += 3600 * SECOND;
    standing.wait(Awaited::Body, BYTES, now);
    assert_eq!(rank(&standing, now + 998 * MOMENT), Some(Rank::Keeping));
    assert_eq!(rank(&standing, now + SECOND + MOMENT), Some(Rank::Behind));
}

#[test]
fn an_answer_has_to_be_taken_at_the_rate() {
    let start = Instant::now();
    let mut standing = with_a_body(start);
    standing.resume(start + SECOND);
    let begun = start + 2 * SECOND;
    standing.wait(Awaited::Taking, BYTES, begun);
    assert_eq!(rank(&standing, begun + SECOND), Some(Rank::Keeping));
    assert_eq!(rank(&standing, begun + SECOND + MOMENT), Some(Rank::Behind));
    assert_eq!(standing.since(), begun);
}

#[test]
fn who_keeps_to_the_rate_is_spared_until_we_have_waited_long_for_it() {
    let start = Instant::now();
    let mut standing = with_a_body(start);
    let mut now = start;
    let spared = |standing: &Standing, now| standing.claim(0, now).unwrap().spared;
    for part in 1..=10 {
        let waited = (part - 1) * LONG / 10;
        assert_eq!(spared(&standing, now) + waited, LONG);
        now += LONG / 10;
        standing.resume(now);
        // What we do with it takes time, too, which is not the caller's.
        now += SECOND;
        standing.wait(Awaited::Body, part as usize * BYTES, now);
    }
    assert_eq!(spared(&standing, now), Duration::ZERO);
    assert_eq!(rank(&standing, now), Some(Rank::Keeping));
}

#[test]
fn who_is_behind_goes_before_who_is_idle_and_who_is_idle_before_who_keeps_to_the_rate() {
    let start = Instant::now();
    let claims = [
        claim(1, Rank::Keeping, start, Duration::ZERO),
        claim(2, Rank::Idle, start + 2 * MOMENT, Duration::ZERO),
        claim(3, Rank::Idle, start + MOMENT, Duration::ZERO),
        claim(4, Rank::Behind, start + 4 * MOMENT, Duration::ZERO),
        claim(5, Rank::Behind, start + 3 * MOMENT, Duration::ZERO),
    ];
    for (left, closed) in [(5, 5), (3, 3), (2, 2), (1, 1)] {
        let verdict = whom_to_close(&claims[..left], 512);
        assert_eq!(
            verdict,
            StandingVerdict::Close(closed),
            "of the first {left}"
        );
    }
    assert_eq!(whom_to_close(&[], 512), StandingVerdict::Nobody);
}

#[test]
fn nobody_is_closed_who_has_just_come_or_was_just_answered() {
    let start = Instant::now();
    let mut standing = Standing::new(start);
    for tenure in [TENURE, IDLE_TENURE] {
        let verdict = |at| whom_to_close(&[standing.claim(1, at).unwrap()], 1);
        let left = tenure.saturating_sub(MOMENT);
        assert_eq!(verdict(start + MOMENT), StandingVerdict::Later(left));
        assert_eq!(verdict(start + tenure), StandingVerdict::Close(1));
        standing.fall_idle(start);
    }
}

#[test]
fn a_few_newcomers_take_the_places_of_idle_ones_and_many_take_each_others() {
    let start = Instant::now();
    for (newcomers, verdict) in [
        (31, StandingVerdict::Close(0)),
        (32, StandingVerdict::Later(MOMENT)),
    ] {
        let idle = [claim(0, Rank::Idle, start, Duration::ZERO)].into_iter();
        let newcomers =
            (1..=newcomers).map(|number| claim(number, Rank::Behind, start + SECOND, MOMENT));
        let claims: Vec<Claim> = idle.chain(newcomers).collect();
        assert_eq!(whom_to_close(&claims, 512), verdict);
    }
    // However few connections there may be, an old one that is behind goes first.
    let claims = [
        claim(0, Rank::Idle, start, Duration::ZERO),
        claim(1, Rank::Behind, start + SECOND, Duration::ZERO),
    ];
    assert_eq!(whom_to_close(&claims, 2), StandingVerdict::Close(1));
}

#[test]
fn a_body_is_on_its_way_at_the_rate_for_a_while_and_before_its_first_can_have_come() {
    let start = Instant::now();
    let mut standing = with_a_body(start);
    assert!(standing.is_on_its_way(start + ROUND_TRIP.saturating_sub(MOMENT)));
    assert!(!standing.is_on_its_way(start + ROUND_TRIP));
    standing.resume(start);
    assert!(!standing.is_on_its_way(start), "it is read");
    // At twice the rate.
    let mut now = start;
    for part in 1.. {
        standing.wait(Awaited::Body, part * BYTES, now);
        if now >= start + ON_ITS_WAY {
            break;
        }
        assert!(standing.is_on_its_way(now));
        now += SECOND / 2;
        standing.resume(now);
    }
    assert!(!standing.is_on_its_way(now), "it has taken long");
    let mut standing = with_a_body(start);
    standing.wait(Awaited::Body, BYTES, start);
    assert!(standing.is_on_its_way(start + SECOND));
    assert!(
        !standing.is_on_its_way(start + SECOND + MOMENT),
        "it is behind"
    );
}
