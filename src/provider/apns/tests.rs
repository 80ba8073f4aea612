use std::sync::Arc;
use std::time::Duration;

use super::address::{expiration, path, priority};
use super::push_type::word_and_suffix;
use super::*;
use crate::provider::fixture::{UNIX, built, notification, start};
use crate::provider::{Addressing as _, AnswerHead, Draft, Row, accept, told_of};
use crate::push::fixture::push_to;
use crate::push::{
    Accepted, ApnsEnvironment, Content, DeviceToken, Envelope, LaneId, Lifetime, Note, Parcel,
    Push, PushId, PushType,
};

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
    let told = |notification: &mut Notification| {
        let push_type = built(notification, start()).envelope.push_type;
        let word = word_and_suffix(push_type).map(|(word, _)| word);
        (word.unwrap(), priority(push_type))
    };
    let mut notification = notification(LaneId::IOS, "m");
    for word in ["", "alert"] {
        notification.push_type = word.into();
        assert_eq!(told(&mut notification), ("alert", None));
    }
    notification.push_type = "background".into();
    assert_eq!(told(&mut notification), ("background", Some("5")));
}

/// All header fields of a request but `authorization` and `apns-id`, and its path.
fn request(envelope: Envelope, head: &[(&str, &str)]) -> (String, Vec<String>) {
    let address = Address {
        authority: "a".into(),
        topic: Some("com.acme".into()),
        ..Address::default()
    };
    let content = Content::whole(*b"{}").with_head(head);
    let accepted = Arc::new(Accepted {
        envelope,
        parcel: Parcel::new(&content, &Note::default(), &["AB"].into_iter().collect()),
        first_id: PushId(1),
        at: start(),
    });
    let push = Push::nth(&accepted, 0).unwrap();
    let mut draft = Draft::default();
    address.write(&push, start(), &mut draft);
    let shared = address.shared(draft.kind, None).unwrap().fields;
    let own = draft.fields().map(|own| own.field);
    let fields = shared.iter().copied().chain(own);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let fields = fields.map(|(name, value)| format!("{}: {}", text(name), text(value)));
    let fields = fields.filter(|field| !field.starts_with("apns-id"));
    (text(&draft.path), fields.collect())
}

#[test]
fn each_push_type_has_its_topic_and_the_priority_that_it_must_have() {
    let of = |push_type, head: &[(&str, &str)]| {
        let envelope = Envelope {
            push_type,
            ..Envelope::to(LaneId::IOS)
        };
        let (path, fields) = request(envelope, head);
        assert_eq!(path, "/3/device/ab");
        fields.join(", ")
    };
    for (push_type, topic, word, more) in [
        (PushType::Alert, "com.acme", "alert", ""),
        (
            PushType::Background,
            "com.acme",
            "background",
            ", apns-priority: 5",
        ),
        (PushType::Voip, "com.acme.voip", "voip", ""),
        (
            PushType::Complication,
            "com.acme.complication",
            "complication",
            "",
        ),
        (
            PushType::FileProvider,
            "com.acme.pushkit.fileprovider",
            "fileprovider",
            "",
        ),
        (PushType::Mdm, "com.acme", "mdm", ""),
        (
            PushType::Location,
            "com.acme.location-query",
            "location",
            "",
        ),
        (
            PushType::LiveActivity,
            "com.acme.push-type.liveactivity",
            "liveactivity",
            "",
        ),
        (PushType::PushToTalk, "com.acme.voip-ptt", "pushtotalk", ""),
        (
            PushType::Widgets,
            "com.acme.push-type.widgets",
            "widgets",
            "",
        ),
        (
            PushType::Controls,
            "com.acme.push-type.controls",
            "controls",
            "",
        ),
    ] {
        let is_of_its_own = !matches!(push_type, PushType::Alert | PushType::Background);
        let expected = if is_of_its_own {
            format!("apns-push-type: {word}, apns-topic: {topic}{more}")
        } else {
            format!("apns-topic: {topic}, apns-push-type: {word}{more}")
        };
        assert_eq!(of(push_type, &[]), expected);
        assert_eq!(push_type_of(word), Some(push_type));
        // With a field of its own, all is told anew.
        let expected = format!("x: y, apns-push-type: {word}, apns-topic: {topic}{more}");
        assert_eq!(of(push_type, &[("x", "y")]), expected);
    }
    let other = [("apns-push-type", "hologram"), ("apns-priority", "1")];
    assert_eq!(
        of(PushType::Other, &other),
        "apns-push-type: hologram, apns-priority: 1, apns-topic: com.acme"
    );
    assert_eq!(
        of(PushType::Background, &[("apns-priority", "1")]),
        "apns-priority: 1, apns-push-type: background, apns-topic: com.acme"
    );
    assert_eq!(push_type_of("hologram"), None);
}

#[test]
fn a_callers_own_topic_stands_as_it_is_and_a_broadcast_has_none() {
    let own = Envelope {
        push_type: PushType::Voip,
        has_own_topic: true,
        ..Envelope::to(LaneId::IOS)
    };
    let (_, fields) = request(own, &[("apns-topic", "com.other")]);
    assert_eq!(fields, ["apns-topic: com.other", "apns-push-type: voip"]);
    let broadcast = Envelope {
        target: TargetKind::Channel,
        push_type: PushType::LiveActivity,
        lifetime: Lifetime::Now,
        ..Envelope::to(LaneId::IOS)
    };
    let (path, fields) = request(broadcast, &[("apns-priority", "5")]);
    assert_eq!(path, "/4/broadcasts/apps/com.acme");
    assert_eq!(
        fields,
        [
            "apns-request-id: 73746572-6e61-8000-8000-000000000001",
            "apns-channel-id: AB",
            "apns-expiration: 0",
            "apns-priority: 5",
            "apns-push-type: liveactivity",
        ]
    );
    // Apple wants an expiration, and a channel that stores nothing takes no other.
    let unsaid = Envelope {
        lifetime: Lifetime::Unsaid,
        ..broadcast
    };
    assert_eq!(request(unsaid, &[("apns-priority", "5")]), (path, fields));
    let own = [("apns-request-id", "0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c11")];
    let (_, fields) = request(broadcast, &own);
    let ids = fields.iter().filter(|field| field.contains("request-id"));
    assert_eq!(ids.count(), 1, "{fields:?}");
}

#[test]
fn expiration_is_what_the_lifetime_says() {
    for (lifetime, expected) in [
        (Lifetime::Unsaid, None),
        (Lifetime::Now, Some("apns-expiration: 0".to_owned())),
        (
            Lifetime::secs(60),
            Some(format!("apns-expiration: {}", UNIX + 60)),
        ),
        (
            Lifetime::until(UNIX + 7),
            Some(format!("apns-expiration: {}", UNIX + 7)),
        ),
    ] {
        let envelope = Envelope {
            lifetime,
            ..Envelope::to(LaneId::IOS)
        };
        let (_, fields) = request(envelope, &[]);
        let said = fields.iter().find(|field| field.starts_with("apns-exp"));
        assert_eq!(said.cloned(), expected);
    }
}

#[test]
fn device_tokens_and_channels_are_all_that_is_pushed_to() {
    for (kind, text, is_fine) in [
        (TargetKind::DeviceToken, "abcd", true),
        (TargetKind::DeviceToken, "abc", false),
        (TargetKind::Channel, "dHN0LXNyY2gtY2hubA==", true),
        (TargetKind::Channel, "", false),
        (TargetKind::Channel, "a b", false),
        (TargetKind::Channel, &"a".repeat(CHANNEL_MAX + 1), false),
        (TargetKind::Topic, "news", false),
        (TargetKind::Condition, "'a' in topics", false),
        (TargetKind::Fid, "abcd", false),
    ] {
        assert_eq!(Apns.check_target(kind, text).is_ok(), is_fine, "{text}");
    }
    let error = check_channel(&"a".repeat(CHANNEL_MAX + 1)).unwrap_err();
    assert!(error.contains(&CHANNEL_MAX.to_string()));
}

/// Who is told to correct a key is told the one of the lane's own section.
#[test]
fn advice_names_the_keys_of_the_lanes_app() {
    let told = |lane: &str, text| told_of(LaneId::named(lane).unwrap(), text).into_owned();
    let text = "Correct ios.sandbox or ios.environments, not scenarios.x";
    assert_eq!(told("ios", text), text);
    assert_eq!(told("ios/sandbox", text), text);
    let of_shop = "Correct apps.shop.ios.sandbox or apps.shop.ios.environments, not scenarios.x";
    assert_eq!(told("shop/ios", text), of_shop);
    assert_eq!(told("shop/ios/sandbox", text), of_shop);
    assert_eq!(told("shop/android", text), text);
}

/// Whose push it was can mend it.
#[test]
fn advice_on_what_callers_give_names_their_fields() {
    for (reason, field, raw) in [
        ("BadCollapseId", "collapse_id", "apns-collapse-id"),
        ("BadExpirationDate", "expires_at", "apns-expiration"),
        ("BadMessageId", "apns_id", "apns-id"),
        ("BadPriority", "priority", "apns-priority"),
        ("InvalidPushType", "push_type", "apns-push-type"),
    ] {
        let advice = ADVICE.iter().find(|advice| advice.reason == reason);
        let cure = advice.unwrap().cure;
        assert!(cure.contains(field) && cure.contains(raw), "{cure}");
    }
}

#[test]
fn an_answer_that_smells_of_the_other_environment_names_its_lane() {
    let other = LaneId::named("shop/ios/sandbox").unwrap();
    let address = |other| Address {
        other,
        ..Address::default()
    };
    let both = address(Some((other, ApnsEnvironment::Sandbox)));
    let answer = |row: &Row| {
        let head = AnswerHead {
            status: row.status,
            ..AnswerHead::default()
        };
        let body = format!(r#"{{"reason":"{}"}}"#, row.reason);
        answer(head, body.as_bytes(), Moment::now())
    };
    let hinted = ROWS.iter().filter_map(|row| {
        let answer = answer(row);
        assert_eq!(address(None).hint(&answer), None);
        both.hint(&answer).map(|hint| (row.reason, hint))
    });
    let (reasons, hints): (Vec<_>, Vec<_>) = hinted.unzip();
    assert_eq!(
        reasons,
        [
            "BadDeviceToken",
            "BadCertificateEnvironment",
            "BadEnvironmentKeyIdInToken",
            "BadEnvironmentKeyInToken"
        ]
    );
    for (hint, reason) in hints.iter().zip(reasons) {
        assert!(hint.contains("the lane shop/ios/sandbox"), "{hint}");
        assert!(hint.contains(r#""environment": "sandbox""#), "{hint}");
        let advice = ADVICE.iter().find(|advice| advice.reason == reason);
        let cure = advice.unwrap().cure;
        assert!(cure.contains("ios.environments"), "{cure}");
    }
}

#[test]
fn a_push_type_of_tomorrow_is_asked_for_among_the_header_fields() {
    let given =
        r#"{"headers":{"apns-push-type":"tomorrow","apns-priority":"1"},"payload":{"aps":{}}}"#;
    let mut notification = notification(LaneId::IOS, "");
    let given = serde_json::value::RawValue::from_string(given.to_owned());
    notification.native.set("apns", given.unwrap());
    let built = built(&mut notification, start());
    assert_eq!(built.envelope.push_type, PushType::Other);
    let head = built.content.head();
    let expected: [(&[u8], &[u8]); 2] =
        [(b"apns-push-type", b"tomorrow"), (b"apns-priority", b"1")];
    assert!(head.eq(expected));
}
