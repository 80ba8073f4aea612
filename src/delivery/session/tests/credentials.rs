//! What answers say of a session's credential.

use super::*;
use crate::http2::ErrorCode;

#[test]
fn an_expired_auth_token_retires_the_connection_and_is_reported() {
    let mut wire = Wire::apns(10);
    wire.send(pushes(1, |_| {}).remove(0));
    wire.settle();
    wire.answer(1, 403, br#"{"reason":"ExpiredProviderToken"}"#);
    assert_eq!(troubles(&mut wire), [Trouble::Refused]);
    assert_eq!(troubles(&mut wire), []);
    assert_eq!(wire.session.retiring(), Some("403 ExpiredProviderToken"));
}

#[test]
fn an_auth_token_that_came_too_soon_retires_the_connection_and_is_reported() {
    let mut wire = Wire::apns(10);
    for push in pushes(2, |_| {}) {
        wire.send(push);
    }
    wire.settle();
    wire.answer(1, 429, br#"{"reason":"TooManyProviderTokenUpdates"}"#);
    assert_eq!(troubles(&mut wire), [Trouble::RenewedTooSoon]);
    assert_eq!(
        wire.session.retiring(),
        Some("429 TooManyProviderTokenUpdates")
    );
    assert_eq!((wire.room(), wire.session.in_flight()), (0, 1));
}

/// What was said of the present credential, less to whom.
fn troubles(wire: &mut Wire) -> Vec<Trouble> {
    let troubles = wire.session.take_troubles().into_iter();
    troubles.map(|(trouble, _)| trouble).collect()
}

#[test]
fn what_is_said_of_a_credential_is_told_of_two_targets_and_what_proves_it_once() {
    let mut wire = Wire::new(fcm(), 10);
    let token = Credential::AccessToken(AccessToken::for_tests("Bearer 1", 1));
    wire.session
        .set_credential(Some(token.clone()), &mut wire.client);
    for push in android(5) {
        wire.send(push);
    }
    wire.settle();
    // It is asked for before each push.
    wire.session
        .set_credential(Some(token.clone()), &mut wire.client);
    for stream in [1, 3, 5] {
        wire.answer(stream, 401, b"");
    }
    let told = wire.session.take_troubles();
    let targets: Vec<_> = told.iter().map(|(_, target)| target.number()).collect();
    assert!(matches!(targets[..], [one, other] if one != other));
    assert_eq!(wire.session.credential(), Some(&token));
    assert_eq!(
        (wire.session.refusals(), wire.session.take_proof()),
        (3, false)
    );
    // A word on the request's form is none on the credential; one on the device token is.
    wire.answer(7, 413, b"");
    assert_eq!(
        (wire.session.refusals(), wire.session.take_proof()),
        (3, false)
    );
    let unregistered = concat!(
        r#"{"error":{"details":[{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","#,
        r#""errorCode":"UNREGISTERED"}]}}"#
    );
    wire.answer(9, 404, unregistered.as_bytes());
    assert_eq!(
        (wire.session.refusals(), wire.session.take_proof()),
        (0, true)
    );
    assert!(!wire.session.take_proof());
}

#[test]
fn trouble_with_a_credential_is_not_held_against_its_successor() {
    let mut wire = Wire::new(fcm(), 10);
    let [first, second] = [1, 2].map(|number| {
        let text = format!("Bearer {number}");
        Credential::AccessToken(AccessToken::for_tests(&text, number))
    });
    wire.session
        .set_credential(Some(first.clone()), &mut wire.client);
    for push in android(2) {
        wire.send(push);
    }
    wire.settle();
    let unauthenticated = br#"{"error":{"status":"UNAUTHENTICATED"}}"#;
    wire.answer(1, 401, unauthenticated);
    assert_eq!(troubles(&mut wire), [Trouble::Refused]);
    wire.session.set_credential(Some(second), &mut wire.client);
    wire.answer(3, 401, unauthenticated);
    assert_eq!(troubles(&mut wire), []);
    // Nor what was said and not asked for until then, bad or good.
    for push in android(2) {
        wire.send(push);
    }
    wire.settle();
    wire.answer(5, 401, unauthenticated);
    wire.answer(7, 200, b"");
    wire.session.set_credential(Some(first), &mut wire.client);
    assert_eq!(troubles(&mut wire), []);
    assert!(!wire.session.take_proof());
}

/// What a connection is told is about one push, if no other was under way.
#[test]
fn a_goaway_that_refuses_the_credential_names_the_push_that_it_may_be_about() {
    for (sent, only) in [(0, None), (1, Some(PushId(1))), (2, None)] {
        let mut wire = Wire::apns(10);
        for push in pushes(sent, |_| {}) {
            wire.send(push);
        }
        wire.settle();
        let debug = br#"{"reason":"BadCertificate"}"#;
        wire.server.send_goaway(0, ErrorCode::NO_ERROR, debug);
        wire.settle();
        let (row, push) = wire.session.take_refusal().unwrap();
        assert_eq!(row.reason, "BadCertificate");
        assert_eq!(push.map(|(id, _)| id), only);
        assert!(wire.session.take_refusal().is_none());
        let targets = wire.session.only_target();
        assert_eq!(targets.is_some(), only.is_some());
    }
    // Nor if all went to one target.
    let mut wire = Wire::apns(10);
    let push = pushes(1, |_| {}).remove(0);
    for _ in 0..2 {
        wire.send(push.clone());
    }
    let target = Target::of(push.token());
    assert_eq!(wire.session.only_target(), Some(target));
    // What was answered before is out of it.
    let mut wire = Wire::apns(10);
    for push in pushes(2, |_| {}) {
        wire.send(push);
    }
    wire.settle();
    wire.answer(1, 200, b"");
    wire.server
        .send_goaway(1, ErrorCode::NO_ERROR, b"BadCertificate");
    wire.settle();
    let (_, push) = wire.session.take_refusal().unwrap();
    assert_eq!(push.map(|(id, _)| id), Some(PushId(2)));
    assert_eq!(wire.session.only_target(), None);
}

#[test]
fn a_token_that_comes_back_is_not_told_be_it_the_present_or_the_one_before() {
    let tokens = ["one-tok", "two-tok"];
    for address in [apns(), fcm()] {
        let mut wire = Wire::new(address, 10);
        for (number, token) in (1..).zip(tokens) {
            let token = AccessToken::for_tests(&format!("Bearer {token}"), number);
            let token = Credential::AccessToken(token);
            wire.session.set_credential(Some(token), &mut wire.client);
            for push in android(2) {
                wire.send(push);
            }
            wire.settle();
        }
        let said = format!("got {tokens:?} and bearer tok-of-nobody");
        let body = serde_json::json!({
            "reason": said,
            "error": {"message": said, "status": said},
        });
        for stream in [1, 3, 5, 7] {
            wire.answer(stream, 403, body.to_string().as_bytes());
        }
        wire.server
            .send_goaway(7, ErrorCode::NO_ERROR, said.as_bytes());
        wire.settle();
        let retiring = wire.session.retiring().unwrap_or_default().to_owned();
        let answers = wire.ended.iter().map(|ended| match &ended.outcome {
            Outcome::Answered(answer) => format!("{} {}", answer.reason, answer.error),
            other => panic!("{other:?}"),
        });
        let mut told: Vec<_> = answers.collect();
        assert_eq!(told.len(), 4);
        told.push(retiring);
        for text in told {
            assert!(text.contains("and bearer (not shown)"), "{text}");
            assert!(!text.contains("-tok") && !text.contains("tok-"), "{text}");
        }
    }
}
