use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::provider::fcm::Fcm;
use crate::provider::fixture::start;
use crate::provider::{Vendor as _, Verdict};
use crate::push::{Envelope, LaneId, TargetKind};

use LaneEffect as Lane;
use TokenEffect as Token;

fn judge(status: u16, body: &str) -> Answer {
    let head = AnswerHead {
        status,
        ..AnswerHead::default()
    };
    answer(head, body.as_bytes(), start())
}

/// An error body with that status word and those details.
fn body(code: u16, status: &str, details: &Value) -> String {
    let error = json!({"code": code, "message": "text.", "status": status, "details": details});
    json!({"error": error}).to_string()
}

fn fcm_error(code: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code})
}

fn apns_error(status: u16, reason: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/google.firebase.fcm.v1.ApnsError",
        "statusCode": status,
        "reason": reason,
    })
}

fn bad_request(field: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{"field": "other"}, {"field": field, "description": "text"}],
    })
}

fn error_info(reason: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason})
}

/// What the sheet says about an answer, in its own words.
#[derive(Clone, Copy, Debug)]
enum Says {
    /// Fail the message, keep the token.
    Fail,
    /// Drop the token.
    Drop,
    /// Fail the message, the token is doubtful.
    Suspect,
    /// Exponential back-off, or `retry-after`, and slow the lane.
    Slow,
    /// A quota: wait a minute at least, slow the lane.
    Quota,
    /// Refresh the access token, resend once.
    Refresh,
    /// Pause the lane, alarm.
    Stop,
    /// Fail the message, alarm, others go on.
    Alarm,
}

fn check(answer: &Answer, says: Says) {
    let refresh = Again {
        wait: Wait::Now,
        close_connection: false,
        new_credential: true,
        counts: false,
        once: true,
    };
    let expected = match says {
        Says::Fail => (Verdict::Refused, Lane::None, Token::Keep),
        Says::Drop => (Verdict::Refused, Lane::None, Token::Dead),
        Says::Suspect => (Verdict::Refused, Lane::None, Token::Suspect),
        Says::Slow => (Verdict::Retry(Again::BACKOFF), Lane::Slow, Token::Keep),
        Says::Quota => (Verdict::Retry(Again::QUOTA), Lane::Slow, Token::Keep),
        Says::Refresh => (Verdict::Retry(refresh), Lane::None, Token::Keep),
        Says::Stop => (Verdict::Stopped, Lane::Stop, Token::Keep),
        Says::Alarm => (Verdict::Refused, Lane::Alarm, Token::Keep),
    };
    assert_eq!(
        (answer.verdict, answer.lane, answer.token),
        expected,
        "{answer:?}"
    );
}

/// Every code of `FcmError`.
const CODES: &[(u16, &str, &str, Says)] = &[
    (404, "NOT_FOUND", "UNREGISTERED", Says::Drop),
    (400, "INVALID_ARGUMENT", "INVALID_ARGUMENT", Says::Suspect),
    (
        403,
        "PERMISSION_DENIED",
        "SENDER_ID_MISMATCH",
        Says::Suspect,
    ),
    (429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", Says::Quota),
    (503, "UNAVAILABLE", "UNAVAILABLE", Says::Slow),
    (500, "INTERNAL", "INTERNAL", Says::Slow),
    (
        401,
        "UNAUTHENTICATED",
        "THIRD_PARTY_AUTH_ERROR",
        Says::Alarm,
    ),
    (401, "UNAUTHENTICATED", "APNS_AUTH_ERROR", Says::Alarm),
];

/// Every documented reason of `ErrorInfo`.
const INFOS: &[(u16, &str, &str, Says)] = &[
    (
        401,
        "UNAUTHENTICATED",
        "ACCESS_TOKEN_EXPIRED",
        Says::Refresh,
    ),
    (401, "UNAUTHENTICATED", "CREDENTIALS_MISSING", Says::Refresh),
    (
        401,
        "UNAUTHENTICATED",
        "ACCESS_TOKEN_TYPE_UNSUPPORTED",
        Says::Stop,
    ),
    (
        403,
        "PERMISSION_DENIED",
        "IAM_PERMISSION_DENIED",
        Says::Stop,
    ),
    (403, "PERMISSION_DENIED", "SERVICE_DISABLED", Says::Stop),
    (
        403,
        "PERMISSION_DENIED",
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        Says::Stop,
    ),
    (403, "PERMISSION_DENIED", "CONSUMER_INVALID", Says::Stop),
    (403, "PERMISSION_DENIED", "BILLING_DISABLED", Says::Stop),
    (403, "PERMISSION_DENIED", "USER_PROJECT_DENIED", Says::Stop),
];

/// What a status means alone.
const STATUSES: &[(u16, Says)] = &[
    (400, Says::Fail),
    (401, Says::Refresh),
    (403, Says::Stop),
    (404, Says::Stop),
    (405, Says::Fail),
    (411, Says::Fail),
    (413, Says::Fail),
    (429, Says::Quota),
    (500, Says::Slow),
    (502, Says::Slow),
    (503, Says::Slow),
    (504, Says::Slow),
    (599, Says::Slow),
    (409, Says::Fail),
    (418, Says::Fail),
    (301, Says::Fail),
    (204, Says::Fail),
    (0, Says::Fail),
];

#[test]
fn every_code_of_fcm() {
    for &(status, word, code, says) in CODES {
        let answer = judge(status, &body(status, word, &json!([fcm_error(code)])));
        check(&answer, says);
        assert_eq!((answer.status, &*answer.reason), (status, code));
        assert!(answer.error.ends_with(": text"), "{}", answer.error);
    }
}

#[test]
fn every_reason_of_googles_front_end() {
    for &(status, word, reason, says) in INFOS {
        let answer = judge(status, &body(status, word, &json!([error_info(reason)])));
        check(&answer, says);
        assert_eq!((answer.status, &*answer.reason), (status, reason));
    }
}

#[test]
fn the_table_has_no_word_that_is_untested() {
    let rows = ROWS.iter().filter(|row| row.reason != "UNSPECIFIED_ERROR");
    let rows: Vec<_> = rows.map(|row| (row.status, row.reason)).collect();
    let tested = CODES.iter().chain(INFOS);
    let tested: Vec<_> = tested
        .map(|(status, _, word, _)| (*status, *word))
        .collect();
    assert_eq!(rows, tested);
}

/// What FCM itself says of a registration, or of the keys that belong to it, it says to an account
/// that may send. A message's form may be looked at before, and so may the token's.
#[test]
fn a_word_on_a_known_registration_proves_the_credential_and_no_other_word_does() {
    let proves = ["UNREGISTERED", "THIRD_PARTY_AUTH_ERROR", "APNS_AUTH_ERROR"];
    let codes = CODES.iter().map(|row| (row, fcm_error(row.2)));
    let infos = INFOS.iter().map(|row| (row, error_info(row.2)));
    for ((status, word, code, _), detail) in codes.chain(infos) {
        let answer = judge(*status, &body(*status, word, &json!([detail])));
        assert_eq!(answer.proves, proves.contains(code), "{code}");
    }
    assert!(judge(200, "{}").proves);
    for status in [400, 401, 403, 404, 413, 429, 500] {
        assert!(!judge(status, "").proves, "{status}");
    }
    for (when, row) in refinements() {
        let is_of_form =
            [&raw const BAD_PAYLOAD, &raw const BAD_TOKEN_FIELD].contains(&std::ptr::from_ref(row));
        assert_eq!(row.proves, !is_of_form, "{when}");
    }
}

#[test]
fn without_details_the_status_decides() {
    let html = "<!DOCTYPE html><title>Error</title>The server encountered a temporary error";
    let bodies = [
        "",
        html,
        "{",
        "null",
        "[]",
        r#"{"error":"text"}"#,
        r#"{"error":{"details":7}}"#,
    ];
    for body in bodies {
        for &(status, says) in STATUSES {
            check(&judge(status, body), says);
        }
    }
    let answer = judge(502, html);
    assert_eq!(
        answer.error,
        "an error inside FCM (status 502 without a reason)"
    );
    assert_eq!(answer.reason, "");
}

#[test]
fn an_unspecified_error_is_judged_by_its_status() {
    for (status, says) in [(400, Says::Fail), (403, Says::Stop), (503, Says::Slow)] {
        let details = json!([fcm_error("UNSPECIFIED_ERROR")]);
        let answer = judge(status, &body(status, "", &details));
        check(&answer, says);
        assert_eq!(answer.reason, "UNSPECIFIED_ERROR");
    }
}

#[test]
fn the_quota_of_a_device_or_a_topic_is_not_the_lanes() {
    let quota = |subject: &str, description: &str| {
        let failure = json!({
            "@type": "type.googleapis.com/google.rpc.QuotaFailure",
            "violations": [{"subject": subject, "description": description}],
        });
        let details = json!([failure, fcm_error("QUOTA_EXCEEDED")]);
        judge(429, &body(429, "RESOURCE_EXHAUSTED", &details))
    };
    for answer in [
        quota("project:1234", "messages per minute"),
        quota("project:1234", "messages to all devices of the project"),
        quota("", ""),
    ] {
        check(&answer, Says::Quota);
    }
    let answer = quota("device:abc", "Device message rate exceeded");
    assert_eq!(
        (answer.verdict, answer.lane, answer.token),
        (Verdict::Retry(Again::QUOTA), Lane::None, Token::Keep)
    );
    assert_eq!(answer.reason, "QUOTA_EXCEEDED");
    let answer = quota("topic:news", "");
    let of_topic = (answer.verdict, answer.lane);
    assert_eq!(of_topic, (Verdict::Retry(Again::QUOTA), Lane::None));
    assert!(answer.error.starts_with("too many messages to this topic"));
}

#[test]
fn no_topic_is_a_dead_registration() {
    let gone = || {
        let details = json!([fcm_error("UNREGISTERED")]);
        judge(404, &body(404, "NOT_FOUND", &details))
    };
    for (target, token) in [
        (TargetKind::DeviceToken, Token::Dead),
        (TargetKind::Fid, Token::Dead),
        (TargetKind::Topic, Token::Keep),
        (TargetKind::Condition, Token::Keep),
    ] {
        let envelope = Envelope {
            target,
            ..Envelope::to(LaneId::ANDROID)
        };
        let answer = Fcm.about(&envelope, gone());
        assert_eq!((answer.token, answer.verdict), (token, Verdict::Refused));
        assert_eq!(answer.token_alarm.is_some(), token == Token::Dead);
    }
}

#[test]
fn unknown_words_are_kept_and_the_status_decides() {
    for &(status, says) in STATUSES {
        for code in ["UNSPECIFIED_ERROR", "BRAND_NEW"] {
            let answer = judge(status, &body(status, "NEW", &json!([fcm_error(code)])));
            check(&answer, says);
            assert_eq!(answer.reason, code);
        }
        let answer = judge(status, &body(status, "NEW", &json!([])));
        check(&answer, says);
        assert_eq!(answer.reason, "NEW");
    }
}

#[test]
fn an_unknown_code_leaves_the_word_to_error_info() {
    let details = json!([
        fcm_error("UNSPECIFIED_ERROR"),
        error_info("SERVICE_DISABLED")
    ]);
    let answer = judge(403, &body(403, "PERMISSION_DENIED", &details));
    check(&answer, Says::Stop);
    assert_eq!(answer.reason, "SERVICE_DISABLED");
}

#[test]
fn invalid_argument_with_a_dead_apns_token_drops_the_token() {
    for apns in [
        apns_error(410, "Unregistered"),
        apns_error(410, ""),
        apns_error(400, "BadDeviceToken"),
        apns_error(0, "ExpiredToken"),
    ] {
        for details in [
            json!([fcm_error("INVALID_ARGUMENT"), apns]),
            json!([apns, fcm_error("INVALID_ARGUMENT")]),
        ] {
            check(
                &judge(400, &body(400, "INVALID_ARGUMENT", &details)),
                Says::Drop,
            );
        }
    }
}

#[test]
fn invalid_argument_with_another_apns_error_is_the_message() {
    let details = json!([
        fcm_error("INVALID_ARGUMENT"),
        apns_error(413, "PayloadTooLarge")
    ]);
    check(
        &judge(400, &body(400, "INVALID_ARGUMENT", &details)),
        Says::Fail,
    );
}

#[test]
fn a_field_violation_tells_token_and_message_apart() {
    for code in [Some("INVALID_ARGUMENT"), None] {
        let check = |field: &str, says| {
            let mut details = vec![bad_request(field)];
            details.extend(code.map(fcm_error));
            let answer = judge(400, &body(400, "INVALID_ARGUMENT", &json!(details)));
            check(&answer, says);
            assert_eq!(answer.reason, "INVALID_ARGUMENT");
            let is_about_the_token = answer.error == "the registration token is not valid: text";
            assert_eq!(is_about_the_token, matches!(says, Says::Drop), "{answer:?}");
        };
        check("message.token", Says::Drop);
        check("message.fid", Says::Drop);
        check("message.data[0].value", Says::Fail);
        check("message.data", Says::Fail);
        check("message.android.ttl", Says::Fail);
        check("message", Says::Fail);
    }
}

/// A data key may be behind it, which stands in the text alone.
#[test]
fn invalid_argument_without_a_field_is_not_put_down_to_the_token() {
    let details = json!([fcm_error("INVALID_ARGUMENT")]);
    let body = json!({"error": {
        "message": "Invalid data payload key: from", "status": "INVALID_ARGUMENT",
        "details": details,
    }});
    let answer = judge(400, &body.to_string());
    check(&answer, Says::Suspect);
    assert_eq!(
        answer.error,
        "FCM does not take the registration token, or the message: Invalid data payload key: from"
    );
    let fields = ["message.token", "message.data"].map(bad_request);
    let of_both = json!([fcm_error("INVALID_ARGUMENT"), fields[0], fields[1]]);
    check(&judge(400, &self::body(400, "", &of_both)), Says::Drop);
}

#[test]
fn invalid_argument_without_details_is_the_message() {
    let answer = judge(400, &body(400, "INVALID_ARGUMENT", &Value::Null));
    check(&answer, Says::Fail);
    assert_eq!(answer.error, "FCM does not take the message: text");
}

#[test]
fn a_third_party_error_is_not_ours_whatever_apns_said() {
    let details = json!([
        fcm_error("THIRD_PARTY_AUTH_ERROR"),
        apns_error(403, "InvalidProviderToken"),
    ]);
    check(
        &judge(401, &body(401, "UNAUTHENTICATED", &details)),
        Says::Alarm,
    );
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let check = |value: &str, secs| {
        let head = AnswerHead {
            status: 503,
            retry_after: Some(value.as_bytes()),
            ..AnswerHead::default()
        };
        let found = answer(head, b"", start()).retry_after;
        assert_eq!(found, Some(Duration::from_secs(secs)));
    };
    check("30", 30);
    // Twenty seconds after the fixture's time.
    check("Mon, 21 Sep 2026 14:13:40 GMT", 20);
    check("86400", 3600);
}

#[test]
fn success_has_no_words() {
    let answer = judge(
        200,
        r#"{"name":"projects/my-app/messages/0:1790000000123456%31bd1c96"}"#,
    );
    assert_eq!(answer.verdict, Verdict::Succeeded);
    assert_eq!((&*answer.reason, answer.error.as_str()), ("", ""));
    assert_eq!(judge(200, "").verdict, Verdict::Succeeded);
}

#[test]
fn long_texts_are_cut() {
    let text = "ä".repeat(1000);
    let answer = judge(
        400,
        &json!({"error": {"message": text, "status": text}}).to_string(),
    );
    assert_eq!(answer.reason.chars().count(), REASON_MAX);
    let front = "FCM does not take the message: ".len();
    assert_eq!(answer.error.chars().count(), front + QUOTE_MAX);
}

#[test]
fn a_body_over_the_limit_counts_as_unreadable() {
    let text = body(404, "NOT_FOUND", &json!([fcm_error("UNREGISTERED")]));
    let padded = |size: usize| text.clone() + &" ".repeat(size - text.len());
    check(&judge(404, &padded(ANSWER_BODY_MAX)), Says::Drop);
    check(&judge(404, &padded(ANSWER_BODY_MAX + 1)), Says::Stop);
}

/// Any JSON, with the words of the error form likely among its keys.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(fcm_error("INVALID_ARGUMENT")),
        Just(apns_error(410, "x")),
    ];
    let key = prop_oneof![
        Just("error".to_owned()),
        Just("details".to_owned()),
        Just("status".to_owned()),
        Just("fieldViolations".to_owned()),
        Just("@type".to_owned()),
    ];
    leaf.prop_recursive(4, 64, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::hash_map(key.clone(), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn no_answer_panics(status: u16, bytes: Vec<u8>, json in any_json()) {
        let head = AnswerHead { status, retry_after: Some(&bytes), ..AnswerHead::default() };
        for body in [bytes.clone(), serde_json::to_vec(&json!({"error": json})).unwrap()] {
            let answer = answer(head, &body, start());
            prop_assert!(answer.reason.chars().count() <= REASON_MAX);
            prop_assert_eq!(answer.verdict == Verdict::Succeeded, status == 200);
        }
    }
}

#[test]
fn the_name_of_a_message_is_kept_if_it_can_be_shown_as_it_is() {
    let name = |body: &str| judge(200, body).message_name;
    let given = "projects/a/messages/0:1500415314455276%31bd1c96";
    let body = format!("{{\n  \"name\": \"{given}\"\n}}\n");
    assert_eq!(name(&body).as_deref(), Some(given));
    for body in [
        format!("{{\"name\":\"{given}\"}}"),
        format!("\t{{ \"name\"\r\n:\t\"{given}\" }} \n"),
        format!("{{\"name\":\"{given}\",\"more\":[1]}}"),
        format!("{{\"more\":{{}},\"name\":\"{given}\"}}"),
        format!("{{\"n\\u0061me\":\"{}\"}}", given.replace('/', "\\/")),
    ] {
        assert_eq!(name(&body).as_deref(), Some(given), "{body}");
    }
    let longest = format!("projects/{}", "x".repeat(MESSAGE_NAME_MAX - 9));
    assert!(name(&json!({"name": longest}).to_string()).is_some());
    let padded = format!("{{\"name\":\"{given}\"{}}}", " ".repeat(ANSWER_BODY_MAX));
    for body in [
        String::new(),
        "projects/a".to_owned(),
        json!({"name": 1}).to_string(),
        json!({"names": given}).to_string(),
        json!({"name": "other/a"}).to_string(),
        json!({"name": format!("{longest}x")}).to_string(),
        json!({"name": "projects/a\nb"}).to_string(),
        json!({"name": "projects/ä"}).to_string(),
        json!({"name": "projects/a\"b"}).to_string(),
        json!({"name": "projects/a\\b"}).to_string(),
        json!({"name": "projects/a<b"}).to_string(),
        format!("{{\"name\":\"{given}\"}}}}"),
        format!("{{\"name\":\"{given}\"}}\u{c}"),
        format!("{{\"name\":\"{given}\",}}"),
        format!("{{\"name\":\"{given}\""),
        format!("{{\"name\":\"{given}\",\"name\":\"{given}\"}}"),
        padded,
    ] {
        assert_eq!(name(&body), None, "{body}");
        assert_eq!(judge(200, &body).verdict, Verdict::Succeeded);
    }
}
