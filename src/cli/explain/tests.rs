use super::*;
use crate::provider::{apns, fcm};

fn found(word: &str) -> Vec<Explained> {
    let all = Explained::all().into_iter();
    all.filter(|entry| entry.is(word)).collect()
}

/// Every reason that Apple documents, one by one.
const APNS: &[(u16, &str)] = &[
    (400, "BadCollapseId"),
    (400, "BadDeviceToken"),
    (400, "BadExpirationDate"),
    (400, "BadMessageId"),
    (400, "BadPriority"),
    (400, "InvalidPushType"),
    (400, "DuplicateHeaders"),
    (400, "BadTopic"),
    (400, "MissingTopic"),
    (400, "MissingDeviceToken"),
    (400, "PayloadEmpty"),
    (400, "DeviceTokenNotForTopic"),
    (400, "TopicDisallowed"),
    (400, "IdleTimeout"),
    (403, "BadCertificate"),
    (403, "BadCertificateEnvironment"),
    (403, "ExpiredProviderToken"),
    (403, "InvalidProviderToken"),
    (403, "MissingProviderToken"),
    (403, "UnrelatedKeyIdInToken"),
    (403, "BadEnvironmentKeyIdInToken"),
    (403, "BadEnvironmentKeyInToken"),
    (403, "Forbidden"),
    (404, "BadPath"),
    (405, "MethodNotAllowed"),
    (410, "Unregistered"),
    (410, "ExpiredToken"),
    (413, "PayloadTooLarge"),
    (429, "TooManyProviderTokenUpdates"),
    (429, "TooManyRequests"),
    (500, "InternalServerError"),
    (503, "ServiceUnavailable"),
    (503, "Shutdown"),
];

/// Every code that Google documents, one by one, and the words of its front end.
const FCM: &[(Option<u16>, &str)] = &[
    (Some(404), "UNREGISTERED"),
    (Some(400), "INVALID_ARGUMENT"),
    (Some(403), "SENDER_ID_MISMATCH"),
    (Some(429), "QUOTA_EXCEEDED"),
    (Some(503), "UNAVAILABLE"),
    (Some(500), "INTERNAL"),
    (Some(401), "THIRD_PARTY_AUTH_ERROR"),
    (Some(401), "APNS_AUTH_ERROR"),
    (None, "UNSPECIFIED_ERROR"),
    (Some(401), "ACCESS_TOKEN_EXPIRED"),
    (Some(401), "CREDENTIALS_MISSING"),
    (Some(401), "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
    (Some(403), "IAM_PERMISSION_DENIED"),
    (Some(403), "SERVICE_DISABLED"),
    (Some(403), "ACCESS_TOKEN_SCOPE_INSUFFICIENT"),
    (Some(403), "CONSUMER_INVALID"),
    (Some(403), "BILLING_DISABLED"),
    (Some(403), "USER_PROJECT_DENIED"),
    (Some(401), "UNAUTHENTICATED"),
    (Some(403), "PERMISSION_DENIED"),
    (Some(404), "NOT_FOUND"),
    (Some(405), "405"),
    (Some(411), "411"),
    (Some(413), "413"),
    (Some(429), "RESOURCE_EXHAUSTED"),
];

#[test]
fn every_documented_reason_has_its_row() {
    let apns = APNS
        .iter()
        .map(|(status, word)| ("APNs", Some(*status), *word));
    let fcm = FCM.iter().map(|(status, word)| ("FCM", *status, *word));
    for (source, status, word) in apns.chain(fcm) {
        let entries = found(word);
        let entry = entries.iter().find(|entry| entry.source == source);
        let entry = entry.unwrap_or_else(|| panic!("{source} {word} is not explained"));
        assert_eq!(entry.status, status, "{word}");
    }
    let ours = [
        "expired",
        "journal_damaged",
        "NoAccessToken",
        "purged",
        "refused",
        "shutdown",
        "unanswered",
        "unsendable",
    ];
    for word in ours {
        let known = found(word).iter().any(|entry| entry.source == "Sterna");
        assert!(known, "{word}");
    }
    for (source, word) in [
        ("token endpoint", "invalid_grant"),
        ("token endpoint", "invalid_client"),
        ("token endpoint", "server_error"),
        ("STS", "invalid_grant"),
        ("STS", "invalid_target"),
        ("IAM", "PERMISSION_DENIED"),
        ("metadata server", "403"),
        ("metadata server", "404"),
    ] {
        let known = found(word).iter().any(|entry| entry.source == source);
        assert!(known, "{source} {word}");
    }
}

/// What a provider says of the size of fields is no fault of a topic or a device token.
#[test]
fn what_cannot_be_sent_is_blamed_on_neither_topic_nor_device_token() {
    let entries = found("unsendable");
    let [entry] = &entries[..] else {
        panic!("{} entries", entries.len())
    };
    let text = [entry.meaning, entry.cause, entry.cure].concat();
    assert!(!text.contains("topic") && !text.contains("token"), "{text}");
    assert!(text.contains("MAX_HEADER_LIST_SIZE"), "{text}");
}

#[test]
fn every_row_has_cause_and_cure_and_no_advice_is_without_a_row() {
    for (rows, advice) in [(apns::ROWS, apns::ADVICE), (fcm::ROWS, fcm::ADVICE)] {
        let rows: Vec<_> = rows.iter().map(|row| row.reason).collect();
        let advice: Vec<_> = advice.iter().map(|advice| advice.reason).collect();
        assert_eq!(rows, advice);
    }
    for entry in Explained::all() {
        for text in [
            entry.meaning,
            entry.cause,
            entry.cure,
            entry.push,
            entry.token,
        ] {
            assert!(!text.is_empty(), "{entry:?}");
        }
        for sentence in [entry.cause, entry.cure] {
            assert!(sentence.ends_with('.'), "{sentence}");
        }
    }
}

#[test]
fn a_word_is_known_in_any_case_and_by_its_status() {
    for word in ["Unregistered", "unregistered", "UNREGISTERED"] {
        let sources: Vec<_> = found(word).iter().map(|entry| entry.source).collect();
        assert_eq!(sources, ["APNs", "FCM"], "{word}");
    }
    assert!(
        found("410")
            .iter()
            .any(|entry| entry.reason == "ExpiredToken")
    );
    assert_eq!(found("INVALID_ARGUMENT").len(), 5);
    assert!(found("41").is_empty() && found("").is_empty());
}

#[test]
fn a_server_error_without_a_row_is_a_500() {
    let all = Explained::all();
    let of = |word| -> Vec<_> {
        let found = find(word, &all);
        found.iter().map(|entry| entry.reason).collect()
    };
    assert_eq!(of("502"), ["InternalServerError", "INTERNAL"]);
    assert_eq!((of("502"), of("504")), (of("500"), of("599")));
    assert_ne!(of("503"), of("500"), "it has rows");
    assert!(of("5022").is_empty() && of("5xx").is_empty() && of("402").is_empty());
}

#[test]
fn a_typo_names_the_nearest_known_word() {
    let said = |word| unknown(word, &Explained::all());
    assert!(said("BadDevicToken").ends_with("did you mean BadDeviceToken?"));
    assert!(said("quota_exeeded").ends_with("did you mean QUOTA_EXCEEDED?"));
    assert!(said("temperature").ends_with("lists all"));
    assert!(said(&"x".repeat(10_000)).len() < 200);
}

#[test]
fn the_text_says_what_becomes_of_push_lane_and_token() {
    let check = |word: &str, parts: &[&str]| {
        let text = found(word)[0].text();
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in parts {
            assert!(words.contains(part), "{part:?} is not in {text}");
        }
        assert!(
            text.lines().all(|line| line.chars().count() <= 90),
            "{text}"
        );
    };
    check(
        "Unregistered",
        &[
            "(APNs, status 410)",
            "push fails for good",
            "retry never",
            "token drop it",
        ],
    );
    check(
        "NoAccessToken",
        &["push waits in the queue", "lane held, with an error line"],
    );
    check("invalid_client", &["lane held as NoAccessToken"]);
    check("server_error", &["lane its pushes wait while"]);
    check(
        "QUOTA_EXCEEDED",
        &[
            "after 60 s and a random part of 60 s",
            "lane a Retry-After holds back",
        ],
    );
    check(
        "Shutdown",
        &[
            "at once, on another connection",
            "costs nothing 5 times in a row",
        ],
    );
    check(
        "ExpiredProviderToken",
        &[
            "tried again, once",
            "with a new auth token",
            "lane the second time: nothing is sent until it is seen whether others meet it",
        ],
    );
    for stopping in ["Forbidden", "NOT_FOUND"] {
        check(
            stopping,
            &[
                "push waits, at no cost; fails by it the third time that others are taken",
                "a minute after the first time; else with the lane's probes",
                "by another push within a second",
            ],
        );
    }
    check(
        "ExpiredToken",
        &[
            "lane an error line for the operator if most of its last answers are this",
            "a credential which others refuse is taken",
        ],
    );
    check(
        "ServiceUnavailable",
        &["after a random part of 10 s", "counts against retry_max"],
    );
}
