use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::provider::apns::Apns;
use crate::provider::fixture::start;
use crate::provider::{Vendor as _, Verdict};
use crate::push::{Envelope, LaneId, PushType};

use LaneEffect as Lane;
use TokenEffect as Token;

fn judge(status: u16, body: &str) -> Answer {
    let head = AnswerHead {
        status,
        ..AnswerHead::default()
    };
    answer(head, body.as_bytes(), start())
}

/// What the sheet says about a reason, in its own words.
enum Says {
    /// Permanent for this message.
    Fix,
    /// The device token is gone for good.
    Drop,
    /// Permanent, and the token is doubtful.
    Suspect,
    /// The credential, or the topic that is configured, is at fault.
    Stop,
    /// Later, on the same connection.
    Retry,
    /// Later, and the lane more slowly.
    Slow,
    /// At once on another connection, at no cost.
    Elsewhere,
}

/// Every reason that Apple documents, less those with rules of their own below.
const TABLE: &[(u16, &str, Says)] = &[
    (400, "BadCollapseId", Says::Fix),
    (400, "BadDeviceToken", Says::Suspect),
    (400, "BadExpirationDate", Says::Fix),
    (400, "BadMessageId", Says::Fix),
    (400, "BadPriority", Says::Fix),
    (400, "InvalidPushType", Says::Fix),
    (400, "DuplicateHeaders", Says::Fix),
    (400, "BadTopic", Says::Stop),
    (400, "MissingTopic", Says::Stop),
    (400, "MissingDeviceToken", Says::Fix),
    (400, "PayloadEmpty", Says::Fix),
    (400, "TopicDisallowed", Says::Stop),
    (400, "IdleTimeout", Says::Elsewhere),
    (403, "BadCertificate", Says::Stop),
    (403, "BadCertificateEnvironment", Says::Stop),
    (403, "MissingProviderToken", Says::Stop),
    (403, "BadEnvironmentKeyIdInToken", Says::Stop),
    (403, "BadEnvironmentKeyInToken", Says::Stop),
    (403, "Forbidden", Says::Stop),
    (400, "ChannelNotRegistered", Says::Fix),
    (400, "BadChannelId", Says::Fix),
    (400, "MissingChannelId", Says::Fix),
    (400, "FeatureNotEnabled", Says::Fix),
    (400, "CannotCreateChannelConfig", Says::Fix),
    (400, "BadRequestParams", Says::Fix),
    (400, "BadRequestPayload", Says::Fix),
    (400, "MissingPushType", Says::Fix),
    (403, "TopicMismatch", Says::Fix),
    (404, "BadPath", Says::Fix),
    (405, "MethodNotAllowed", Says::Fix),
    (410, "Unregistered", Says::Drop),
    (410, "ExpiredToken", Says::Drop),
    (413, "PayloadTooLarge", Says::Fix),
    (429, "TooManyRequests", Says::Retry),
    (500, "InternalServerError", Says::Retry),
    (503, "ServiceUnavailable", Says::Slow),
    (503, "Shutdown", Says::Elsewhere),
];

#[test]
fn every_documented_reason() {
    for (status, reason, says) in TABLE {
        let answer = judge(*status, &format!(r#"{{"reason":"{reason}"}}"#));
        let expected = match says {
            Says::Fix => (Verdict::Refused, Lane::None, Token::Keep),
            Says::Drop => (Verdict::Refused, Lane::None, Token::Dead),
            Says::Suspect => (Verdict::Refused, Lane::None, Token::Suspect),
            Says::Stop => (Verdict::Stopped, Lane::Stop, Token::Keep),
            Says::Retry => (Verdict::Retry(Again::BACKOFF), Lane::None, Token::Keep),
            Says::Slow => (Verdict::Retry(Again::BACKOFF), Lane::Slow, Token::Keep),
            Says::Elsewhere => (Verdict::Retry(Again::ELSEWHERE), Lane::None, Token::Keep),
        };
        assert_eq!(
            (answer.verdict, answer.lane, answer.token),
            expected,
            "{reason}"
        );
        assert_eq!((answer.status, &*answer.reason), (*status, *reason));
        assert!(!answer.error.is_empty(), "{reason}");
    }
}

#[test]
fn the_table_has_no_reason_that_is_untested() {
    let own = [
        "DeviceTokenNotForTopic",
        "ExpiredProviderToken",
        "InvalidProviderToken",
        "UnrelatedKeyIdInToken",
        "TooManyProviderTokenUpdates",
    ];
    let mut tested: Vec<_> = TABLE
        .iter()
        .map(|(status, reason, _)| (*status, *reason))
        .collect();
    tested.extend(
        ROWS.iter()
            .filter(|row| own.contains(&row.reason))
            .map(|row| (row.status, row.reason)),
    );
    tested.sort_unstable();
    let mut rows: Vec<_> = ROWS.iter().map(|row| (row.status, row.reason)).collect();
    rows.sort_unstable();
    assert_eq!(rows, tested);
}

/// What Apple says of a device it says to an auth token that it has taken. A request's form and its
/// length may be looked at before, and so may the device token's.
#[test]
fn a_word_on_a_known_device_proves_the_credential_and_no_other_word_does() {
    let proves = ["Unregistered", "ExpiredToken", "TooManyRequests"];
    for row in ROWS {
        let answer = judge(row.status, &format!(r#"{{"reason":"{}"}}"#, row.reason));
        let expected = proves.contains(&row.reason);
        assert_eq!(answer.proves, expected, "{}", row.reason);
    }
    assert!(judge(200, "").proves);
    for status in [400, 403, 404, 418, 429, 500] {
        assert!(!judge(status, "").proves, "{status}");
    }
}

#[test]
fn what_another_topic_than_the_configured_one_meets_says_nothing_of_the_lane() {
    let about_type = |reason: &str, has_own_topic, push_type| {
        let envelope = Envelope {
            push_type,
            has_own_topic,
            ..Envelope::to(LaneId::IOS)
        };
        Apns.about(
            &envelope,
            judge(400, &format!(r#"{{"reason":"{reason}"}}"#)),
        )
    };
    let about = |reason: &str, own| about_type(reason, own, PushType::Alert);
    for (when, row) in refinements().into_iter().take(3) {
        assert_eq!(when, "if the topic is not the configured one as it stands");
        let [own, configured] = [true, false].map(|own| about(row.reason, own));
        assert_eq!(about_type(row.reason, false, PushType::Voip), own);
        assert!(own.of_topic && configured.of_topic);
        assert!(own.of_other_topic && !configured.of_other_topic);
        assert!(own.token_alarm.is_some() && configured.token_alarm.is_none());
        assert_eq!(
            (configured.verdict, configured.lane),
            (Verdict::Stopped, Lane::Stop)
        );
        assert_eq!((own.verdict, own.lane), (Verdict::Refused, Lane::None));
        assert_eq!(own.error, row.meaning);
        assert_eq!(own.reason, configured.reason);
    }
    for (reason, points_to_us) in [("DeviceTokenNotForTopic", false), ("BadDeviceToken", true)] {
        let [own, configured] = [true, false].map(|own| about(reason, own));
        assert_eq!(own.token_alarm.is_some(), points_to_us, "{reason}");
        assert!(configured.token_alarm.is_some(), "{reason}");
        assert_eq!(own.token, configured.token);
    }
    // A key may be for other topics than the one that the push names.
    let [own, configured] = [true, false].map(|own| about("InvalidProviderToken", own));
    let (_, row) = refinements()[3];
    assert_eq!((own.verdict, &*own.error), (row.verdict, row.meaning));
    assert!(matches!(own.verdict, Verdict::Retry(again) if again.once && !again.close_connection));
    assert!(own.of_other_topic && own.token_alarm.is_some());
    assert!(!about_type("InvalidProviderToken", false, PushType::Voip).of_other_topic);
    assert!(matches!(configured.verdict, Verdict::Retry(again) if again.close_connection));
    // What is said of the credential is, whoever's topic it is.
    assert_eq!(about("Forbidden", true), about("Forbidden", false));
}

#[test]
fn an_expired_auth_token_costs_its_connection_and_is_replaced_once() {
    let answer = judge(403, r#"{"reason":"ExpiredProviderToken"}"#);
    let expected = Again {
        wait: Wait::Now,
        close_connection: true,
        new_credential: true,
        counts: false,
        once: true,
    };
    assert_eq!(answer.verdict, Verdict::Retry(expected));
}

#[test]
fn a_refused_auth_token_has_one_more_try_on_a_fresh_connection_at_no_cost() {
    let answer = judge(403, r#"{"reason":"InvalidProviderToken"}"#);
    let expected = Again {
        wait: Wait::Now,
        close_connection: true,
        new_credential: false,
        counts: false,
        once: true,
    };
    assert_eq!(answer.verdict, Verdict::Retry(expected));
}

#[test]
fn too_many_auth_tokens_keep_the_token_and_cost_the_connection() {
    let answer = judge(429, r#"{"reason":"TooManyProviderTokenUpdates"}"#);
    let expected = Again {
        wait: Wait::Backoff,
        close_connection: true,
        new_credential: false,
        counts: true,
        once: false,
    };
    assert_eq!(answer.verdict, Verdict::Retry(expected));
}

#[test]
fn an_unrelated_key_needs_another_connection() {
    let Verdict::Retry(again) = judge(403, r#"{"reason":"UnrelatedKeyIdInToken"}"#).verdict else {
        panic!("not a retry");
    };
    assert!(again.close_connection && !again.new_credential && again.wait == Wait::Now);
}

#[test]
fn gauruns_sentences_are_kept_to_the_letter() {
    let check = |status, body: &str, expected: &str| {
        assert_eq!(judge(status, body).error, expected);
    };
    check(400, r#"{"reason":"BadDeviceToken"}"#, "bad device token");
    check(
        400,
        r#"{"reason":"DeviceTokenNotForTopic"}"#,
        "device token does not match the specified topic",
    );
    check(
        410,
        r#"{"reason":"Unregistered","timestamp":1577836800000}"#,
        "device token is inactive for the specified topic \
         (last invalid at 2020-01-01 00:00:00 +0000 UTC)",
    );
    check(
        410,
        r#"{"reason":"ExpiredToken"}"#,
        "unknown error: ExpiredToken",
    );
    check(
        400,
        r#"{"reason":"BadCollapseId"}"#,
        "unknown error: BadCollapseId",
    );
    check(400, r#"{"reason":"BrandNew"}"#, "unknown error: BrandNew");
}

#[test]
fn other_sentences_are_our_own() {
    for row in ROWS {
        let known = ["ExpiredToken", "BadCollapseId"].contains(&row.reason);
        assert_eq!(
            row.meaning.starts_with("unknown error"),
            known,
            "{}",
            row.reason
        );
    }
}

#[test]
fn the_time_of_a_410_is_kept_in_milliseconds_and_told_in_seconds() {
    let answer = judge(
        410,
        r#"{"reason":"Unregistered","timestamp":1789990000123}"#,
    );
    assert_eq!(answer.gone_since_ms, Some(1_789_990_000_123));
    assert!(
        answer
            .error
            .ends_with("(last invalid at 2026-09-21 11:26:40 +0000 UTC)")
    );
}

#[test]
fn a_410_without_a_usable_time_has_that_of_go() {
    for timestamp in [
        "",
        r#","timestamp":null"#,
        r#","timestamp":"x""#,
        r#","timestamp":-1"#,
    ] {
        let answer = judge(410, &format!(r#"{{"reason":"Unregistered"{timestamp}}}"#));
        assert_eq!(
            answer.error,
            "device token is inactive for the specified topic \
             (last invalid at 0001-01-01 00:00:00 +0000 UTC)"
        );
        assert_eq!((answer.gone_since_ms, answer.token), (None, Token::Dead));
    }
    let far = format!(r#"{{"reason":"Unregistered","timestamp":{}}}"#, u64::MAX);
    assert_eq!(judge(410, &far).gone_since_ms, Some(u64::MAX));
}

#[test]
fn success_keeps_the_apns_id() {
    let head = AnswerHead {
        status: 200,
        apns_id: Some(b"0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c11"),
        apns_unique_id: Some(b"8b36a1c2-53a4-4d37-9a0b-2f6a5a0f0c12"),
        retry_after: None,
        ..AnswerHead::default()
    };
    let answer = answer(head, b"", start());
    assert_eq!(answer.verdict, Verdict::Succeeded);
    assert_eq!(
        answer.apns_id.as_deref(),
        Some("0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c11")
    );
    assert_eq!((&*answer.reason, answer.error.as_str()), ("", ""));
    let unique = answer.apns_unique_id.as_deref();
    assert_eq!(unique, Some("8b36a1c2-53a4-4d37-9a0b-2f6a5a0f0c12"));
}

#[test]
fn a_refusal_keeps_apns_id_and_retry_after() {
    let head = AnswerHead {
        status: 503,
        apns_id: Some(b"abc"),
        retry_after: Some(b"30"),
        ..AnswerHead::default()
    };
    let answer = answer(head, br#"{"reason":"ServiceUnavailable"}"#, start());
    assert_eq!(answer.apns_id.as_deref(), Some("abc"));
    assert_eq!(answer.retry_after, Some(Duration::from_secs(30)));
}

#[test]
fn without_a_known_reason_the_status_decides() {
    let bodies = [
        "",
        "{",
        "null",
        "[]",
        "<html>",
        "{\"reason\":7}",
        "{}",
        r#"{"reason":"BrandNew"}"#,
    ];
    for body in bodies {
        for status in [500, 502, 503, 504, 599, 429] {
            let verdict = judge(status, body).verdict;
            assert_eq!(verdict, Verdict::Retry(Again::BACKOFF), "{status} {body}");
        }
        for status in [400, 403, 404, 410, 418, 301, 204, 0, 600, 999] {
            let answer = judge(status, body);
            assert_eq!(answer.verdict, Verdict::Refused, "{status} {body}");
            assert_eq!(answer.token, Token::Keep);
        }
    }
    assert_eq!(judge(502, "").error, "APNs answered 502 without a reason");
}

#[test]
fn a_long_reason_is_cut() {
    let answer = judge(
        400,
        &format!(r#"{{"reason":"{}"}}"#, "ä".repeat(REASON_MAX + 1)),
    );
    assert_eq!(answer.reason, "ä".repeat(REASON_MAX));
}

#[test]
fn a_body_over_the_limit_counts_as_unreadable() {
    let body = |size: usize| {
        let text = r#"{"reason":"BadDeviceToken"}"#;
        text.to_owned() + &" ".repeat(size - text.len())
    };
    assert_eq!(judge(400, &body(ANSWER_BODY_MAX)).reason, "BadDeviceToken");
    assert_eq!(judge(400, &body(ANSWER_BODY_MAX + 1)).reason, "");
}

#[test]
fn goaway_tells_its_reason_as_json_or_as_a_word() {
    let reason = |debug: &[u8]| goaway(debug).map(|row| row.reason);
    assert_eq!(
        reason(br#"{"reason":"BadCertificate"}"#),
        Some("BadCertificate")
    );
    assert_eq!(reason(b"Shutdown\n"), Some("Shutdown"));
    let unknown: [&[u8]; 4] = [b"", b"{}", br#"{"reason":"New"}"#, b"\xff"];
    for debug in unknown {
        assert_eq!(reason(debug), None);
    }
}

proptest! {
    #[test]
    fn no_answer_panics(status: u16, body: Vec<u8>, text: String, timestamp: i64) {
        let retry_after = Some(text.as_bytes());
        let head = AnswerHead {
            status,
            apns_id: Some(&body),
            apns_unique_id: Some(&body),
            retry_after,
            date: retry_after,
        };
        let json = serde_json::json!({"reason": text, "timestamp": timestamp});
        for body in [body.clone(), json.to_string().into_bytes()] {
            let answer = answer(head, &body, start());
            prop_assert!(answer.reason.chars().count() <= REASON_MAX);
            prop_assert_eq!(answer.verdict == Verdict::Succeeded, status == 200);
            goaway(&body);
        }
    }
}
