use std::time::Duration;

use super::address::{expiration, path, priority};
use super::*;
use crate::provider::accept;
use crate::provider::fixture::{UNIX, built, notification, start};
use crate::push::fixture::push_to;
use crate::push::{Accepted, DeviceToken, LaneId, PushId};

fn accepted(expiry: i64) -> Accepted {
    let mut notification = Notification {
        expiry,
        ..notification(LaneId::IOS, "m")
    };
    let built = built(&mut notification, start());
    let tokens = [DeviceToken::new("ab")];
    accept(&notification, &built, tokens, PushId(1), start())
}

#[test]
fn device_tokens_are_an_even_number_of_hexadecimal_digits() {
    for good in [
        "ab",
        "0123456789abcdefABCDEF00",
        &"a".repeat(DEVICE_TOKEN_MAX),
    ] {
        assert_eq!(check_device_token(good), Ok(()));
    }
    for bad in ["", "a", "abc", "zz", "ab cd", "<ab>", "ab/?", "ä", "a\n"] {
        assert!(check_device_token(bad).is_err(), "{bad:?}");
    }
    assert!(check_device_token(&"a".repeat(DEVICE_TOKEN_MAX + 2)).is_err());
}

#[test]
fn the_limit_in_the_text_is_the_limit() {
    let error = check_device_token(&"a".repeat(DEVICE_TOKEN_MAX + 2)).unwrap_err();
    assert!(error.contains(&DEVICE_TOKEN_MAX.to_string()));
}

#[test]
fn the_path_folds_the_token_to_lower_case() {
    let mut out = b"x".to_vec();
    path(push_to("AbCd09", start()).token(), &mut out);
    assert_eq!(out, b"x/3/device/abcd09");
}

#[test]
fn expiration_counts_from_acceptance_and_is_absent_without_a_positive_expiry() {
    assert_eq!(expiration(&accepted(10)), Some(UNIX + 10));
    let mut late = accepted(1);
    late.at.unix += Duration::from_millis(900);
    assert_eq!(expiration(&late), Some(UNIX + 2), "no sooner than said");
    assert_eq!(expiration(&accepted(0)), None);
    assert_eq!(expiration(&accepted(-5)), None);
    assert_eq!(expiration(&accepted(i64::MAX)), Some(EXPIRATION_MAX));
}

#[test]
fn only_background_pushes_have_a_priority() {
    let told = |notification: &Notification| {
        let push_type = push_type(notification);
        (push_type_word(push_type), priority(push_type))
    };
    let mut notification = notification(LaneId::IOS, "m");
    for word in ["", "alert"] {
        notification.push_type = word.into();
        assert_eq!(told(&notification), ("alert", None));
    }
    notification.push_type = "background".into();
    assert_eq!(told(&notification), ("background", Some("5")));
}
