//! FCM: each refusal, access tokens, the form of answers.

use h2::Reason;
use serde_json::{Value, json};

use super::client::{Client, NONE, WholeResponse};
use super::{NOW, World};

const PATH: &str = "/v1/projects/sterna-simulated/messages:send";

/// A client of FCM with an access token.
struct Sender {
    client: Client,
    authorization: String,
}

impl Sender {
    async fn new(world: &World) -> Self {
        let authorization = format!("Bearer {}", world.access_token().await);
        Self {
            client: world.fcm().await,
            authorization,
        }
    }

    async fn send(&mut self, body: &[u8]) -> WholeResponse {
        self.send_to(PATH, body).await
    }

    async fn send_to(&mut self, path: &str, body: &[u8]) -> WholeResponse {
        let fields = [("authorization", self.authorization.as_str())];
        self.client
            .request("POST", path, &fields, body)
            .await
            .unwrap()
    }

    /// Sends a message of that registration token.
    async fn send_token(&mut self, token: &str) -> WholeResponse {
        let body = json!({"message": {"token": token, "data": {"message": "hello"}}});
        self.send(body.to_string().as_bytes()).await
    }
}

/// The detail of that type in a refusal.
fn detail<'a>(error: &'a Value, kind: &str) -> Option<&'a Value> {
    let details = error["error"]["details"].as_array()?;
    details.iter().find(|detail| {
        detail["@type"]
            .as_str()
            .is_some_and(|at| at.ends_with(kind))
    })
}

#[tokio::test]
async fn a_message_is_accepted_and_named() {
    let world = World::new();
    let mut sender = Sender::new(&world).await;
    let answer = sender.send_token("cQk3:APA91bF").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let name = answer.json()["name"].as_str().unwrap().to_owned();
    let id = name
        .strip_prefix("projects/sterna-simulated/messages/0:")
        .expect(&name);
    assert!(
        id.starts_with(&NOW.to_string()) && id.contains('%'),
        "{name}"
    );
    let again = sender.send_token("cQk3:APA91bF").await;
    assert_ne!(again.json()["name"], name.as_str());
    let counts = world.counts();
    assert_eq!(
        (counts.accepted, counts.doubled, counts.access_tokens),
        (2, 1, 1)
    );
}

#[tokio::test]
async fn a_trial_run_is_answered_and_not_counted() {
    let world = World::new();
    let body = br#"{"validate_only":true,"message":{"token":"cQk3:APA91bF"}}"#;
    let answer = Sender::new(&world).await.send(body).await;
    assert_eq!(
        answer.json()["name"],
        "projects/sterna-simulated/messages/fake_message_id"
    );
    assert_eq!(world.counts().received, 0);
}

#[tokio::test]
async fn bodies_are_held_to_the_schema() {
    let world = World::new();
    let mut sender = Sender::new(&world).await;
    for (body, field) in [
        (r#"{"message":{"toen":"t"}}"#, Some("message")),
        (
            r#"{"message":{"token":"t","data":{"n":12}}}"#,
            Some("message.data[0].value"),
        ),
        (
            r#"{"message":{"token":"t","data":{"from":"x"}}}"#,
            Some("message.data"),
        ),
        (
            r#"{"message":{"token":"t","topic":"news"}}"#,
            Some("message"),
        ),
        (r#"{"message":{"data":{}}}"#, Some("message")),
        (
            r#"{"message":{"topic":"/topics/news"}}"#,
            Some("message.topic"),
        ),
        (r#"{"message":{"fid":"short"}}"#, Some("message.fid")),
        (
            r#"{"message":{"condition":"news"}}"#,
            Some("message.condition"),
        ),
        (
            r#"{"message":{"token":"t","android":{"ttl":"1h"}}}"#,
            Some("message.android.ttl"),
        ),
        (
            r#"{"message":{"token":"t","android":{"ttl":"2419201s"}}}"#,
            Some("message.android.ttl"),
        ),
        (
            r#"{"message":{"token":"t","android":{"priority":"now"}}}"#,
            Some("message.android.priority"),
        ),
        ("not JSON", None),
        ("", None),
    ] {
        let answer = sender.send(body.as_bytes()).await;
        let error = answer.json();
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(error["error"]["code"], 400, "{body}");
        assert_eq!(error["error"]["status"], "INVALID_ARGUMENT", "{body}");
        let at = detail(&error, "BadRequest").map(|detail| &detail["fieldViolations"][0]["field"]);
        assert_eq!(at.and_then(Value::as_str), field, "{body}: {error}");
    }
    let counts = world.counts();
    assert_eq!((counts.received, counts.refused, counts.lost), (13, 13, 0));
}

#[tokio::test]
async fn sizes_have_their_limits() {
    let world = World::new();
    let mut sender = Sender::new(&world).await;
    let message = |target: &str, size: usize| {
        format!(
            r#"{{"message":{{{target},"data":{{"k":"{}"}}}}}}"#,
            "x".repeat(size - 1)
        )
    };
    let (token, topic) = (r#""token":"t""#, r#""topic":"news""#);
    for (target, size, status) in [
        (token, 4_096, 200),
        (token, 4_097, 400),
        (topic, 2_048, 200),
        (topic, 2_049, 400),
    ] {
        let answer = sender.send(message(target, size).as_bytes()).await;
        assert_eq!(answer.status, status, "{target} {size}");
        if status == 400 {
            assert_eq!(
                answer.json()["error"]["details"],
                Value::Null,
                "{target} {size}"
            );
        }
    }
    let front_end = sender.send(message(token, 70_000).as_bytes()).await;
    assert_eq!(front_end.status, 413);
    assert_eq!(
        front_end.header("content-type"),
        Some("text/html; charset=UTF-8")
    );
}

#[tokio::test]
async fn registration_tokens_ask_for_refusals() {
    let world = World::with(|options| {
        options.faults.retry_after = Some("7".parse().unwrap());
    });
    let mut sender = Sender::new(&world).await;
    for (token, status, word, code) in [
        (
            "not a token",
            400,
            "INVALID_ARGUMENT",
            Some("INVALID_ARGUMENT"),
        ),
        (
            "invalid-1",
            400,
            "INVALID_ARGUMENT",
            Some("INVALID_ARGUMENT"),
        ),
        (
            "disabled-1",
            400,
            "INVALID_ARGUMENT",
            Some("INVALID_ARGUMENT"),
        ),
        ("unknown-1", 400, "INVALID_ARGUMENT", Some("SOMETHING_NEW")),
        (
            "third-party-1",
            401,
            "UNAUTHENTICATED",
            Some("THIRD_PARTY_AUTH_ERROR"),
        ),
        ("expired-1", 401, "UNAUTHENTICATED", None),
        (
            "mismatch-1",
            403,
            "PERMISSION_DENIED",
            Some("SENDER_ID_MISMATCH"),
        ),
        ("denied-1", 403, "PERMISSION_DENIED", None),
        ("unregistered-1", 404, "NOT_FOUND", Some("UNREGISTERED")),
        ("nowhere-1", 404, "NOT_FOUND", None),
        ("quota-1", 429, "RESOURCE_EXHAUSTED", Some("QUOTA_EXCEEDED")),
        ("internal-1", 500, "INTERNAL", Some("INTERNAL")),
        ("unavailable-1", 503, "UNAVAILABLE", Some("UNAVAILABLE")),
    ] {
        let answer = sender.send_token(token).await;
        let error = answer.json();
        assert_eq!(answer.status, status, "{token}");
        assert_eq!(error["error"]["status"], word, "{token}");
        let at = detail(&error, "FcmError").and_then(|detail| detail["errorCode"].as_str());
        assert_eq!(at, code, "{token}: {error}");
        let apns = detail(&error, "ApnsError").and_then(|detail| detail["statusCode"].as_u64());
        let expected = match token {
            "disabled-1" => Some(410),
            "third-party-1" => Some(403),
            _ => None,
        };
        assert_eq!(apns, expected, "{token}");
        let wait = matches!(status, 429 | 503).then_some("7");
        assert_eq!(answer.header("retry-after"), wait, "{token}");
    }
}

#[tokio::test]
async fn registration_tokens_ask_for_resets_and_front_end_errors() {
    let world = World::new();
    let mut sender = Sender::new(&world).await;
    let html = sender.send_token("html-1").await;
    assert_eq!(
        (html.status, html.header("content-type")),
        (502, Some("text/html; charset=UTF-8"))
    );
    for (token, code) in [
        ("reset-1", Reason::INTERNAL_ERROR),
        ("refuse-1", Reason::REFUSED_STREAM),
    ] {
        let fields = [("authorization", sender.authorization.clone())];
        let body = format!(r#"{{"message":{{"token":"{token}"}}}}"#);
        let reset = sender
            .client
            .request("POST", PATH, &fields, body.as_bytes())
            .await;
        assert_eq!(reset.unwrap_err().reason(), Some(code), "{token}");
    }
}

#[tokio::test]
async fn only_access_tokens_that_were_issued_and_hold_are_taken() {
    let world = World::new();
    let mut sender = Sender::new(&world).await;
    let good = sender.authorization.clone();
    let reason = |answer: &WholeResponse| {
        assert_eq!(answer.status, 401, "{}", answer.text());
        let error = answer.json();
        assert_eq!(error["error"]["status"], "UNAUTHENTICATED");
        detail(&error, "ErrorInfo").map(|detail| detail["reason"].as_str().unwrap().to_owned())
    };
    for (authorization, expected) in [
        ("", Some("CREDENTIALS_MISSING")),
        ("key=AAAA", Some("CREDENTIALS_MISSING")),
        ("Bearer ya29.invented", None),
        (
            "Bearer eyJhbGciOiJSUzI1NiJ9.e30.x",
            Some("ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        ),
    ] {
        authorization.clone_into(&mut sender.authorization);
        let answer = sender.send_token("t").await;
        assert_eq!(reason(&answer).as_deref(), expected, "{authorization}");
    }
    sender.authorization.clone_from(&good);
    assert_eq!(sender.send_token("t").await.status, 200);
    world.set_clock(NOW + 3_598);
    assert_eq!(sender.send_token("t").await.status, 200);
    world.set_clock(NOW + 3_599);
    let expired = sender.send_token("t").await;
    assert_eq!(reason(&expired).as_deref(), Some("ACCESS_TOKEN_EXPIRED"));

    world.set_clock(NOW);
    assert_eq!(sender.send_token("t").await.status, 200);
    world.revoke_access_tokens();
    assert_eq!(
        reason(&sender.send_token("t").await),
        None,
        "revoked, also where it was in use"
    );
    sender.authorization = format!("Bearer {}", world.access_token().await);
    assert_eq!(sender.send_token("t").await.status, 200);
}

#[tokio::test]
async fn paths_methods_and_projects() {
    let world = World::new();
    let mut sender = Sender::new(&world).await;
    let body = br#"{"message":{"token":"t"}}"#;
    for path in ["/", "/fcm/send", "/v1/projects//messages:send"] {
        let answer = sender.send_to(path, body).await;
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.text().starts_with("<!DOCTYPE html>"), "{path}");
    }
    let other = sender
        .send_to("/v1/projects/other/messages:send", body)
        .await;
    assert_eq!(other.status, 403);
    let error = other.json();
    let info = detail(&error, "ErrorInfo").unwrap();
    assert_eq!(info["reason"], "IAM_PERMISSION_DENIED");
    assert_eq!(
        info["metadata"]["permission"],
        "cloudmessaging.messages.create"
    );
    let get = sender.client.request("GET", PATH, NONE, b"").await.unwrap();
    assert_eq!(get.status, 405);
    assert_eq!(sender.client.stream_limit(), 100);
}
