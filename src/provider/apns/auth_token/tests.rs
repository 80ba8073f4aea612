use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::Value;

use super::*;
use crate::provider::fixture::{EC, UNIX, later, start};

const MINUTE: u64 = 60;
// The start is 800 s after a half hour, which the minutes below reckon with.
const _: () = assert!(UNIX % SLOT.as_secs() == 800);

fn tokens() -> AuthTokens {
    let file = EC.serialize_pem();
    let key = SigningKey::from_pem(file.as_bytes(), "ABC123DEFG", "DEF123GHIJ").unwrap();
    AuthTokens::new(key)
}

/// The number of the token in use so many minutes after the start.
fn number(tokens: &mut AuthTokens, start: Moment, minutes: u64) -> u64 {
    tokens
        .current(later(start, minutes * MINUTE))
        .unwrap()
        .number
}

fn issued_at(token: &AuthToken) -> u64 {
    let mut validation = Validation::new(Algorithm::ES256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    let key = DecodingKey::from_ec_der(EC.public_key_raw());
    let text = token.authorization().strip_prefix("bearer ").unwrap();
    let decoded = jsonwebtoken::decode::<Value>(text, &key, &validation).unwrap();
    decoded.claims["iat"].as_u64().unwrap()
}

#[test]
fn a_token_s_time_of_issue_is_the_same_for_every_process_at_that_time() {
    let start = start();
    for begun in (0..120).step_by(7) {
        let mut tokens = tokens();
        let first = tokens.current(later(start, begun * MINUTE)).unwrap();
        assert_eq!(issued_at(&first) % SLOT.as_secs(), 0, "on a half hour");
        for minutes in begun..(begun + 200) {
            let now = later(start, minutes * MINUTE);
            let one = issued_at(&tokens.current(now).unwrap());
            let unix = UNIX + minutes * MINUTE - BEGIN_AFTER.as_secs();
            let in_step = unix - unix % SLOT.as_secs();
            // One that was begun with late is kept for twenty minutes, and the next one for what
            // is left of its half hour and as long: never is it another than the others' last.
            let is_kept = one + SLOT.as_secs() == in_step && minutes < begun + 40;
            assert!(one == in_step || is_kept, "begun {begun}, at {minutes}");
        }
    }
}

#[test]
fn a_restart_and_a_second_daemon_make_no_new_token_to_apple() {
    let start = start();
    let mut running = tokens();
    for minutes in 0..360 {
        let now = later(start, minutes * MINUTE);
        let of_the_first = issued_at(&running.current(now).unwrap());
        let of_another = issued_at(&tokens().current(now).unwrap());
        assert_eq!(of_another, of_the_first, "begun at {minutes}");
    }
}

#[test]
fn however_often_it_is_asked_tokens_are_twenty_minutes_apart_and_under_an_hour_old() {
    for begun in (0..60).step_by(4) {
        let (mut tokens, start) = (tokens(), later(start(), begun * MINUTE));
        let (mut number, mut made_at) = (0, 0);
        for second in (0..3 * 3600).step_by(7) {
            let token = tokens.current(later(start, second)).unwrap();
            if token.number != number {
                assert!(number == 0 || second - made_at >= RENEW_FLOOR.as_secs());
                (number, made_at) = (token.number, second);
            }
            let age = UNIX + begun * MINUTE + second - issued_at(&token);
            assert!(age < 3600, "{age} s old");
        }
        assert!(
            (6..=7).contains(&number),
            "three hours, half an hour each: {number}"
        );
    }
}

#[test]
fn an_expired_token_is_replaced_if_it_is_twenty_minutes_old() {
    let (mut tokens, start) = (tokens(), start());
    let first = tokens.current(start).unwrap();
    let floor = later(start, RENEW_FLOOR.as_secs());
    assert_eq!(tokens.expired(&first, floor), Renewal::Dropped);
    let second = tokens.current(floor).unwrap();
    assert_eq!(second.number, 2);
    // The other requests that were in flight with the first one say the same.
    assert_eq!(tokens.expired(&first, floor), Renewal::Superseded);
    assert_eq!(tokens.current(floor).unwrap(), second);
}

#[test]
fn a_young_expired_token_stays_since_the_clock_is_wrong() {
    let (mut tokens, start) = (tokens(), start());
    let first = tokens.current(start).unwrap();
    let young = later(start, RENEW_FLOOR.as_secs() - 1);
    assert_eq!(tokens.expired(&first, young), Renewal::TooYoung);
    assert_eq!(tokens.current(young).unwrap(), first);
}

#[test]
fn after_too_many_updates_the_one_before_is_used_to_its_end() {
    let (mut tokens, start) = (tokens(), start());
    let first = tokens.current(start).unwrap();
    let second = tokens.current(later(start, 40 * MINUTE)).unwrap();
    let held = tokens.too_many_updates(&second, later(start, 41 * MINUTE));
    assert_eq!(held, Renewal::Held);
    for minutes in [41, 43, 45] {
        assert_eq!(
            tokens.current(later(start, minutes * MINUTE)).unwrap(),
            first
        );
    }
    // The first is too old now, and the second was never used up.
    assert_eq!(tokens.current(later(start, 46 * MINUTE)).unwrap(), second);
    assert_eq!(number(&mut tokens, start, 60), 2);
    assert_eq!(number(&mut tokens, start, 61), 3);
}

#[test]
fn after_too_many_updates_without_one_before_the_token_stays() {
    // A restart: Apple still remembers the last process's token.
    let (mut tokens, start) = (tokens(), start());
    let first = tokens.current(start).unwrap();
    tokens.too_many_updates(&first, start);
    for minutes in [0, 10, 25] {
        assert_eq!(
            tokens.current(later(start, minutes * MINUTE)).unwrap(),
            first
        );
    }
    assert_eq!(number(&mut tokens, start, 26), 2);
}

#[test]
fn after_too_many_updates_no_token_is_made_for_twenty_minutes_unless_it_is_dying() {
    let (mut tokens, start) = (tokens(), start());
    let first = tokens.current(start).unwrap();
    tokens.too_many_updates(&first, later(start, 30 * MINUTE));
    assert_eq!(number(&mut tokens, start, 45), 1);
    assert_eq!(number(&mut tokens, start, 46), 2);
}

#[test]
fn too_many_updates_of_an_older_token_change_nothing() {
    let (mut tokens, start) = (tokens(), start());
    let first = tokens.current(start).unwrap();
    let second = tokens.current(later(start, 50 * MINUTE)).unwrap();
    let superseded = tokens.too_many_updates(&first, later(start, 51 * MINUTE));
    assert_eq!(superseded, Renewal::Superseded);
    assert_eq!(tokens.current(later(start, 52 * MINUTE)).unwrap(), second);
}

#[test]
fn a_machine_that_slept_makes_a_new_token() {
    let (mut tokens, start) = (tokens(), start());
    tokens.current(start).unwrap();
    // The monotonic clock stood still.
    let awake = Moment {
        stood: Duration::ZERO,
        monotonic: start.monotonic + Duration::from_secs(1),
        unix: start.unix + Duration::from_secs(2 * 3600),
    };
    let second = tokens.current(awake).unwrap();
    let age = UNIX + 2 * 3600 - issued_at(&second);
    assert!(age < 50 * MINUTE, "{age} s old");
    // Nor does a wall clock count that was set back meanwhile.
    let woken = Moment {
        stood: Duration::from_secs(2 * 3600),
        ..awake
    };
    assert_ne!(tokens.current(woken).unwrap(), second);
}

#[test]
fn a_token_from_a_clock_that_was_fast_is_replaced_after_twenty_minutes() {
    let (mut tokens, start) = (tokens(), start());
    let fast = Moment {
        unix: start.unix + Duration::from_secs(3600),
        ..start
    };
    assert_eq!(tokens.current(fast).unwrap().number, 1);
    assert_eq!(number(&mut tokens, start, 19), 1);
    assert_eq!(number(&mut tokens, start, 20), 2);
}

#[test]
fn a_clock_in_1970_is_survived() {
    let mut tokens = tokens();
    let moment = Moment {
        unix: Duration::ZERO,
        ..start()
    };
    assert_eq!(issued_at(&tokens.current(moment).unwrap()), 0);
}

#[test]
fn debug_output_has_no_token() {
    let mut tokens = tokens();
    let token = tokens.current(start()).unwrap();
    assert_eq!(format!("{token:?}"), "AuthToken(number 1)");
    assert!(!format!("{tokens:?}").contains("bearer"));
}

#[test]
fn clock_jumps_cause_at_most_one_renewal() {
    for jump in [-31_536_000, -3600, 3600, 31_536_000] {
        for age in [0, 5, 19, 25, 45] {
            let (mut tokens, start) = (tokens(), start());
            let before = number(&mut tokens, start, age);
            let mut numbers = Vec::new();
            for minute in age..age + 20 {
                let straight = later(start, minute * MINUTE);
                let jumped = Moment {
                    unix: Duration::from_secs(straight.unix_secs().strict_add_signed(jump)),
                    ..straight
                };
                for _ in 0..10 {
                    numbers.push(tokens.current(jumped).unwrap().number);
                }
            }
            assert!(numbers.is_sorted());
            let renewals = numbers.last().unwrap() - before;
            assert!(renewals <= 1, "{renewals} after {jump} s at {age} min");
        }
    }
}

#[test]
fn a_kept_token_goes_on_with_the_age_that_it_has() {
    let (start, mut old) = (start(), tokens());
    let first = old.current(start).unwrap();
    let sealed = old.take_sealed().unwrap();
    assert_eq!(old.take_sealed(), None, "once for each token");
    let at = |minutes: u64| later(start, minutes * MINUTE);
    let mut new = tokens();
    assert_eq!(new.resume(&sealed, at(10)), Ok(true));
    assert_eq!(new.take_sealed(), None, "it is kept already");
    let resumed = new.current(at(10)).unwrap();
    assert_eq!(resumed.authorization(), first.authorization());
    // It is renewed when the old process would have renewed it.
    let renewed = (10..60).find(|minutes| {
        let token = new.current(at(*minutes)).unwrap();
        token.authorization() != first.authorization()
    });
    let expected = (10..60).find(|minutes| old.current(at(*minutes)).unwrap() != first);
    assert_eq!(renewed, expected);
    assert!(new.take_sealed().is_some());
}

#[test]
fn a_kept_token_of_the_past_or_the_future_is_not_used() {
    let start = start();
    let mut old = tokens();
    old.current(start).unwrap();
    let sealed = old.take_sealed().unwrap();
    assert_eq!(tokens().resume(&sealed, later(start, 3600)), Ok(false));
    let before = Moment {
        unix: start.unix.checked_sub(Duration::from_secs(3600)).unwrap(),
        ..start
    };
    assert!(tokens().resume(&sealed, before).is_err());
    assert!(tokens().resume("", start).is_err());
}

#[test]
fn an_expired_token_is_renewed_once_for_all_connections() {
    let (start, mut tokens) = (start(), tokens());
    let used = tokens.current(start).unwrap();
    let now = later(start, 25 * MINUTE);
    // Three connections are told so of the same token.
    assert_eq!(tokens.expired(&used, now), Renewal::Dropped);
    let renewed = tokens.current(now).unwrap();
    assert_eq!(tokens.expired(&used, now), Renewal::Superseded);
    assert_eq!(tokens.expired(&used, now), Renewal::Superseded);
    assert_eq!(tokens.current(now).unwrap(), renewed);
}
