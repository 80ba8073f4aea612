use super::*;

const LIFE: u64 = 3600;

fn grant(secs: u64) -> Grant {
    Grant {
        token: "secret".to_owned(),
        life: Duration::from_secs(secs),
    }
}

fn failure(class: Class) -> ExchangeFailure {
    ExchangeFailure {
        class,
        ..ExchangeFailure::passing("trouble".to_owned())
    }
}

fn after(start: Instant, secs: u64) -> Instant {
    start + Duration::from_secs(secs)
}

/// A state that holds its first token since `start`.
fn held(start: Instant, life: u64) -> (Refresh, AccessToken) {
    let mut refresh = Refresh::default();
    refresh.succeeded(&grant(life), start, 0);
    let token = refresh.current(start).unwrap();
    (refresh, token)
}

/// How long the state waits from `now`.
fn wait(refresh: &Refresh, now: Instant) -> Duration {
    match refresh.next(now) {
        NextExchange::Exchange => Duration::ZERO,
        NextExchange::WaitUntil(at) => at - now,
    }
}

#[test]
fn the_first_token_is_asked_for_at_once() {
    let (refresh, now) = (Refresh::default(), Instant::now());
    assert_eq!(refresh.next(now), NextExchange::Exchange);
    assert_eq!(refresh.current(now), None);
}

#[test]
fn a_token_is_replaced_five_to_ten_minutes_before_its_end() {
    let start = Instant::now();
    for (random, ahead) in [(0, 300), (1 << 63, 450), (u64::MAX, 599)] {
        let mut refresh = Refresh::default();
        refresh.succeeded(&grant(LIFE), start, random);
        let wait = wait(&refresh, start).as_secs();
        assert_eq!(
            wait,
            LIFE - ahead - u64::from(random == u64::MAX),
            "{random}"
        );
    }
}

#[test]
fn a_token_serves_until_ten_seconds_before_its_end_even_if_no_other_comes() {
    let start = Instant::now();
    let (mut refresh, token) = held(start, LIFE);
    refresh.failed(failure(Class::Stopping), after(start, 3300), 0);
    assert!(refresh.trouble().is_some());
    assert_eq!(refresh.current(after(start, LIFE - 11)), Some(token));
    assert_eq!(refresh.current(after(start, LIFE - 10)), None);
}

#[test]
fn a_short_lived_token_is_replaced_at_half_its_life() {
    let start = Instant::now();
    let (refresh, token) = held(start, 200);
    assert_eq!(wait(&refresh, start), Duration::from_secs(100));
    assert_eq!(refresh.current(after(start, 189)), Some(token));
    let (refresh, token) = held(start, 1);
    assert_eq!(wait(&refresh, start), INTERVAL_MIN);
    assert_eq!(
        refresh.current(start + Duration::from_millis(749)),
        Some(token)
    );
    assert_eq!(refresh.current(start + Duration::from_millis(750)), None);
}

#[test]
fn failures_that_pass_are_followed_by_longer_and_longer_waits() {
    let now = Instant::now();
    for (random, part) in [(0, 512), (u64::MAX, 1023)] {
        let mut refresh = Refresh::default();
        for expected in [1, 2, 4, 8, 16, 32, 60, 60, 60] {
            refresh.failed(failure(Class::Passing), now, random);
            let wait = wait(&refresh, now);
            let full = Duration::from_secs(expected);
            assert!(
                wait >= full * part / 1024 && wait <= full,
                "{wait:?} of {full:?}"
            );
        }
        for _ in 0..100 {
            refresh.failed(failure(Class::Passing), now, random);
        }
        assert!(wait(&refresh, now) <= BACKOFF_MAX);
    }
}

#[test]
fn a_token_ends_the_trouble() {
    let now = Instant::now();
    let mut refresh = Refresh::default();
    for _ in 0..5 {
        refresh.failed(failure(Class::Passing), now, 0);
    }
    refresh.succeeded(&grant(LIFE), now, 0);
    assert_eq!(refresh.trouble(), None);
    // The next failure is a first one again.
    let due = after(now, LIFE);
    refresh.failed(failure(Class::Passing), due, u64::MAX);
    assert!(wait(&refresh, due) <= BACKOFF_FIRST);
}

#[test]
fn a_failure_that_needs_an_operator_is_asked_again_slowly() {
    let now = Instant::now();
    for (class, full) in [(Class::Clock, CLOCK_WAIT), (Class::Stopping, STOPPING_WAIT)] {
        let mut refresh = Refresh::default();
        refresh.failed(failure(class), now, 0);
        assert_eq!(wait(&refresh, now), full / 2);
    }
}

#[test]
fn the_endpoints_retry_after_is_kept_up_to_a_limit() {
    let now = Instant::now();
    for (asked, expected) in [(30, 30), (600, 600), (601, 600), (u64::MAX, 600)] {
        let mut refresh = Refresh::default();
        let failure = ExchangeFailure {
            retry_after: Some(Duration::from_secs(asked)),
            ..failure(Class::Passing)
        };
        refresh.failed(failure, now, 0);
        assert_eq!(wait(&refresh, now), Duration::from_secs(expected));
    }
}

/// The token of the moment is refused to two targets.
fn refuse(refresh: &mut Refresh, now: Instant) -> Invalidation {
    let token = refresh.held.as_ref().unwrap().token.clone();
    refresh.refused(&token, 1, now, 0);
    refresh.refused(&token, 2, now, 0)
}

#[test]
fn a_token_that_is_refused_to_two_targets_is_given_up_once() {
    let start = Instant::now();
    let (mut refresh, first) = held(start, LIFE);
    let now = after(start, 5);
    assert_eq!(refuse(&mut refresh, now), Invalidation::Replaced);
    assert_eq!(refresh.current(now), None);
    assert_eq!(refresh.next(now), NextExchange::Exchange);
    assert_eq!(
        refresh.refused(&first, 3, now, 0),
        Invalidation::Known,
        "the others in flight say the same"
    );
    refresh.succeeded(&grant(LIFE), now, 0);
    let second = refresh.current(now).unwrap();
    for target in [4, 5] {
        let known = refresh.refused(&first, target, now, 0);
        assert_eq!(known, Invalidation::Known);
    }
    assert_eq!(refresh.current(now), Some(second));
}

#[test]
fn one_target_alone_has_another_asked_for_and_the_token_serves_on_if_none_comes() {
    let start = Instant::now();
    let soon = |now| now + RENEWED_WITHIN;
    // There is one in time.
    let (mut refresh, first) = held(start, LIFE);
    let doubted = refresh.refused(&first, 1, start, 0);
    assert_eq!(doubted, Invalidation::Doubted);
    assert_eq!(
        refresh.current(start),
        None,
        "the next may be the better one"
    );
    assert_eq!(refresh.serves_at(start), Some(soon(start)));
    assert_eq!(refresh.next(start), NextExchange::Exchange);
    refresh.succeeded(&grant(LIFE), start, 0);
    assert!(refresh.current(start).is_some_and(|token| token != first));
    // There is none.
    let (mut refresh, first) = held(start, LIFE);
    refresh.refused(&first, 1, start, 0);
    assert_eq!(refresh.serves_at(soon(start)), None);
    assert_eq!(refresh.current(soon(start)), Some(first.clone()));
    refresh.failed(failure(Class::Passing), start, 0);
    assert_eq!(refresh.current(start), Some(first.clone()), "it is known");
    // The same target says nothing new, another does.
    let again = refresh.refused(&first, 1, start, 0);
    assert_eq!(again, Invalidation::Known);
    let other = refresh.refused(&first, 2, start, 0);
    assert_eq!(other, Invalidation::Replaced);
}

#[test]
fn a_token_that_another_push_was_taken_with_is_a_good_one() {
    let start = Instant::now();
    let (mut refresh, first) = held(start, LIFE);
    assert!(!refresh.is_in_question());
    refresh.refused(&first, 1, start, 0);
    assert!(refresh.is_in_question());
    refresh.proved(&first);
    assert!(!refresh.is_in_question());
    assert_eq!(refresh.current(start), Some(first.clone()));
    // That is worth two witnesses again; and only one token a minute is asked for one's sake.
    let again = refresh.refused(&first, 2, after(start, 59), 0);
    assert_eq!(again, Invalidation::Known);
    assert_eq!(refresh.current(after(start, 59)), Some(first.clone()));
    refresh.proved(&first);
    let later = refresh.refused(&first, 3, after(start, 60), 0);
    assert_eq!(later, Invalidation::Doubted);
}

#[test]
fn no_token_is_waited_for_while_none_may_be_asked_for() {
    let start = Instant::now();
    let (mut refresh, first) = held(start, LIFE);
    refresh.failed(failure(Class::Stopping), start, 0);
    let refused = refresh.refused(&first, 1, start, 0);
    assert_eq!(refused, Invalidation::Known);
    assert_eq!(refresh.current(start), Some(first));
}

#[test]
fn after_two_refused_tokens_in_a_row_the_next_has_to_wait() {
    let start = Instant::now();
    let mut refresh = Refresh::default();
    for (refused, full) in [
        (1, 0),
        (2, 0),
        (3, 30),
        (4, 60),
        (5, 120),
        (6, 240),
        (7, 300),
    ] {
        refresh.succeeded(&grant(LIFE), start, 0);
        let came_of_it = refuse(&mut refresh, start);
        assert_eq!(
            wait(&refresh, start),
            Duration::from_secs(full / 2),
            "{refused}"
        );
        let too_many = refused > INVALIDATIONS_MAX;
        assert_eq!(refresh.trouble().is_some(), too_many);
        assert_eq!(came_of_it == Invalidation::TooMany, too_many);
    }
    let text = &refresh.trouble().unwrap().text;
    assert!(
        text.starts_with("FCM refused 7 new access tokens in a row"),
        "{text}"
    );
    // One that is taken ends the row.
    refresh.succeeded(&grant(LIFE), start, 0);
    let token = refresh.current(start).unwrap();
    refresh.proved(&token);
    assert_eq!(refuse(&mut refresh, start), Invalidation::Replaced);
}

#[test]
fn a_token_that_served_for_ten_minutes_was_a_good_one() {
    let mut now = Instant::now();
    let mut refresh = Refresh::default();
    for _ in 0..10 {
        refresh.succeeded(&grant(LIFE), now, 0);
        now += PROVEN_AFTER;
        refuse(&mut refresh, now);
        assert_eq!(refresh.next(now), NextExchange::Exchange);
    }
}

#[test]
fn debug_output_has_no_token() {
    let (refresh, token) = held(Instant::now(), LIFE);
    assert_eq!(token.authorization(), "Bearer secret");
    assert!(!format!("{refresh:?} {token:?}").contains("secret"));
}

#[test]
fn what_an_operator_mended_is_asked_for_without_the_long_wait() {
    let now = Instant::now();
    let mut refresh = Refresh::default();
    let failure = |class| ExchangeFailure {
        class,
        ..ExchangeFailure::passing("no".to_owned())
    };
    refresh.failed(failure(Class::Stopping), now, 0);
    assert!(matches!(refresh.next(now), NextExchange::WaitUntil(_)));
    refresh.ask_again(now);
    assert_eq!(refresh.next(now), NextExchange::Exchange);
    // What passes by itself keeps its back-off.
    refresh.failed(failure(Class::Passing), now, 0);
    refresh.ask_again(now);
    assert!(matches!(refresh.next(now), NextExchange::WaitUntil(_)));
}

#[test]
fn a_wait_ends_with_a_token_or_with_an_operator_where_there_is_none() {
    let start = Instant::now();
    let (mut refresh, _) = held(start, LIFE);
    let due = after(start, LIFE - 300);
    refresh.failed(failure(Class::Stopping), due, 0);
    refresh.ask_again(due);
    assert_eq!(wait(&refresh, due), STOPPING_WAIT / 2, "the old one serves");
    let end = after(start, LIFE);
    refresh.failed(failure(Class::Stopping), end, 0);
    refresh.ask_again(end);
    assert_eq!(refresh.next(end), NextExchange::Exchange);
    let asks_to_wait = ExchangeFailure {
        retry_after: Some(RETRY_AFTER_MAX),
        ..failure(Class::Passing)
    };
    refresh.failed(asks_to_wait, end, 0);
    refresh.succeeded(&grant(20), end, 0);
    assert_eq!(wait(&refresh, end), Duration::from_secs(10));
    // None ends before the token is due to be replaced.
    let (mut refresh, _) = held(start, LIFE);
    refresh.failed(failure(Class::Passing), start, 0);
    assert_eq!(wait(&refresh, start), Duration::from_secs(LIFE - 300));
}

#[test]
fn two_tokens_in_a_row_may_be_refused_and_the_next_needs_an_operator() {
    let now = Instant::now();
    let (mut refresh, first) = held(now, LIFE);
    assert!(!refresh.is_in_question());
    for refused in 1..=4 {
        refuse(&mut refresh, now);
        // A good answer to a token of before says nothing of those after it.
        refresh.proved(&first);
        assert!(refresh.is_in_question(), "{refused}");
        assert_eq!(refresh.is_refused_in_use(), refused > 2, "{refused}");
        if refused > 2 {
            assert!(wait(&refresh, now) > Duration::ZERO);
            refresh.ask_again(now);
        }
        assert_eq!(refresh.next(now), NextExchange::Exchange, "{refused}");
        refresh.succeeded(&grant(LIFE), now, 0);
        refresh.proved(&first);
        assert!(refresh.is_in_question(), "{refused}");
    }
    let last = refresh.current(now).unwrap();
    refresh.proved(&last);
    assert!(!refresh.is_in_question() && !refresh.is_refused_in_use());
}

#[test]
fn a_token_that_ends_while_it_rests_serves_no_more() {
    let start = Instant::now();
    let (mut refresh, token) = held(start, LIFE);
    // Ten seconds before its end, and one of rest before that.
    let late = after(start, LIFE - 11);
    assert_eq!(refresh.refused(&token, 1, late, 0), Invalidation::Doubted);
    assert_eq!(refresh.serves_at(late), None);
    let (mut refresh, token) = held(start, LIFE);
    let early = after(start, LIFE - 12);
    assert_eq!(refresh.refused(&token, 1, early, 0), Invalidation::Doubted);
    assert_eq!(refresh.serves_at(early), Some(early + RENEWED_WITHIN));
}
