//! APNs: each refusal, the rules on auth tokens, streams and certificates.

use std::fs;
use std::path::{Path, PathBuf};

use h2::Reason;
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use tokio::io::AsyncReadExt as _;

use super::client::{Client, WholeResponse, finish, open};
use super::{DEVICE, NOW, PAYLOAD, World, remove, set};

impl World {
    /// One push on a connection of its own, its fields changed.
    pub(super) async fn push(
        &self,
        change: impl FnOnce(&mut Vec<(String, String)>),
        device_token: &str,
        payload: &[u8],
    ) -> WholeResponse {
        let mut fields = self.apns_fields();
        change(&mut fields);
        let path = format!("/3/device/{device_token}");
        self.apns()
            .await
            .request("POST", &path, &fields, payload)
            .await
            .unwrap()
    }
}

/// Checks a refusal.
pub(super) fn check(answer: &WholeResponse, status: u16, reason: &str, why: &str) {
    assert_eq!(answer.status, status, "{why}: {}", answer.text());
    assert_eq!(answer.json()["reason"], reason, "{why}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/json"),
        "{why}"
    );
    assert_eq!(answer.header("apns-id").map(str::len), Some(36), "{why}");
}

#[tokio::test]
async fn a_push_is_accepted_without_content_and_its_id_echoed() {
    let world = World::new();
    let id = "0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c11";
    let answer = world
        .push(
            |fields| set(fields, "apns-id", id),
            DEVICE,
            PAYLOAD.as_bytes(),
        )
        .await;
    assert_eq!((answer.status, answer.text().as_str()), (200, ""));
    assert_eq!(answer.header("apns-id"), Some(id));
    let [one, two] = [
        world.push(|_| {}, DEVICE, PAYLOAD.as_bytes()).await,
        world.push(|_| {}, DEVICE, PAYLOAD.as_bytes()).await,
    ];
    assert_eq!(one.header("apns-id").map(str::len), Some(36));
    assert_ne!(
        one.header("apns-id"),
        two.header("apns-id"),
        "generated ids differ"
    );
}

#[tokio::test]
async fn each_field_has_its_refusal() {
    let world = World::new();
    let topic = world.credentials().topic.clone();
    let voip_topic = format!("{topic}.voip");
    for (name, value, status, reason) in [
        (
            "apns-id",
            "0B6C3A52-4A6F-4A0E-9D55-2F6A5A0F0C11",
            400,
            "BadMessageId",
        ),
        ("apns-id", "17", 400, "BadMessageId"),
        ("apns-expiration", "soon", 400, "BadExpirationDate"),
        ("apns-expiration", "-1", 400, "BadExpirationDate"),
        ("apns-priority", "7", 400, "BadPriority"),
        ("apns-collapse-id", &"é".repeat(33), 400, "BadCollapseId"),
        ("apns-push-type", "shout", 400, "InvalidPushType"),
        ("apns-topic", "", 400, "BadTopic"),
        ("apns-topic", "org example", 400, "BadTopic"),
        ("apns-topic", "org.example.other", 400, "TopicDisallowed"),
        ("apns-topic", &voip_topic, 400, "TopicDisallowed"),
        ("apns-push-type", "voip", 400, "TopicDisallowed"),
        ("authorization", "basic eA==", 403, "MissingProviderToken"),
        (
            "authorization",
            "bearer nonsense",
            403,
            "InvalidProviderToken",
        ),
    ] {
        let answer = world
            .push(
                |fields| set(fields, name, value),
                DEVICE,
                PAYLOAD.as_bytes(),
            )
            .await;
        check(&answer, status, reason, &format!("{name}: {value}"));
    }
    for (name, reason) in [
        ("apns-topic", "MissingTopic"),
        ("authorization", "MissingProviderToken"),
    ] {
        let answer = world
            .push(|fields| remove(fields, name), DEVICE, PAYLOAD.as_bytes())
            .await;
        check(
            &answer,
            if name == "apns-topic" { 400 } else { 403 },
            reason,
            name,
        );
    }
    let twice = |fields: &mut Vec<_>| fields.push(("apns-priority".to_owned(), "10".to_owned()));
    check(
        &world.push(twice, DEVICE, PAYLOAD.as_bytes()).await,
        400,
        "DuplicateHeaders",
        "twice",
    );
}

#[tokio::test]
async fn a_background_push_is_of_priority_5_and_content_available() {
    let world = World::new();
    let with = |priority: &'static str| {
        move |fields: &mut Vec<_>| {
            set(fields, "apns-push-type", "background");
            set(fields, "apns-priority", priority);
        }
    };
    let silent = br#"{"aps":{"content-available":1}}"#;
    assert_eq!(world.push(with("5"), DEVICE, silent).await.status, 200);
    check(
        &world.push(with("10"), DEVICE, silent).await,
        400,
        "BadPriority",
        "10",
    );
    let absent = |fields: &mut Vec<_>| {
        set(fields, "apns-push-type", "background");
        remove(fields, "apns-priority");
    };
    check(
        &world.push(absent, DEVICE, silent).await,
        400,
        "BadPriority",
        "absent",
    );
    let loud = world.push(with("5"), DEVICE, PAYLOAD.as_bytes()).await;
    check(&loud, 400, "InvalidPushType", "not content-available");
}

#[tokio::test]
async fn payloads_are_json_objects_within_their_limits() {
    let world = World::new();
    let voip = |fields: &mut Vec<(String, String)>| {
        let topic = format!("{}.voip", world.credentials().topic);
        set(fields, "apns-push-type", "voip");
        set(fields, "apns-topic", &topic);
    };
    let sized = |size: usize| format!(r#"{{"a":"{}"}}"#, "x".repeat(size - 8)).into_bytes();
    assert_eq!(sized(100).len(), 100);
    assert_eq!(world.push(|_| {}, DEVICE, &sized(4_096)).await.status, 200);
    assert_eq!(world.push(voip, DEVICE, &sized(5_120)).await.status, 200);
    for (answer, why) in [
        (world.push(|_| {}, DEVICE, &sized(4_097)).await, "4097"),
        (
            world.push(voip, DEVICE, &sized(5_121)).await,
            "5121 of voip",
        ),
        (world.push(|_| {}, DEVICE, &sized(60_000)).await, "60000"),
    ] {
        check(&answer, 413, "PayloadTooLarge", why);
    }
    for payload in ["", "[]", "{", "text", r#"{"aps":1}"#] {
        let answer = world.push(|_| {}, DEVICE, payload.as_bytes()).await;
        check(&answer, 400, "PayloadEmpty", payload);
    }
}

#[tokio::test]
async fn paths_methods_and_device_tokens() {
    let world = World::new();
    let fields = world.apns_fields();
    for (method, path, status, reason) in [
        ("GET", "/3/device/ab", 405, "MethodNotAllowed"),
        ("PUT", "/3/device/ab", 405, "MethodNotAllowed"),
        ("POST", "/", 404, "BadPath"),
        ("POST", "/3/device", 404, "BadPath"),
        ("POST", "/2/device/ab", 404, "BadPath"),
        ("POST", "/3/device/ab/cd", 404, "BadPath"),
        ("POST", "/3/device/", 400, "MissingDeviceToken"),
        ("POST", "/3/device/abc", 400, "BadDeviceToken"),
        ("POST", "/3/device/wxyz", 400, "BadDeviceToken"),
        (
            "POST",
            &format!("/3/device/{}", "ab".repeat(201)),
            400,
            "BadDeviceToken",
        ),
    ] {
        let mut client = world.apns().await;
        let answer = client
            .request(method, path, &fields, PAYLOAD.as_bytes())
            .await
            .unwrap();
        check(&answer, status, reason, path);
    }
    assert_eq!(
        world
            .push(|_| {}, &"AB".repeat(200), PAYLOAD.as_bytes())
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn device_tokens_ask_for_refusals() {
    let world = World::new();
    for (token, status, reason) in [
        ("0bad4000", 400, "BadDeviceToken"),
        ("0bad4001", 400, "DeviceTokenNotForTopic"),
        ("0bad4002", 400, "TopicDisallowed"),
        ("0bad4009", 400, "SomethingNew"),
        ("0bad4030", 403, "InvalidProviderToken"),
        ("0bad4031", 403, "ExpiredProviderToken"),
        ("0bad4032", 403, "Forbidden"),
        ("0bad4033", 403, "BadEnvironmentKeyIdInToken"),
        ("0bad4100", 410, "Unregistered"),
        ("0bad4101", 410, "ExpiredToken"),
        ("0bad4290", 429, "TooManyRequests"),
        ("0bad4291", 429, "TooManyProviderTokenUpdates"),
        ("0bad5000", 500, "InternalServerError"),
        ("0bad5030", 503, "ServiceUnavailable"),
        ("0bad5031", 503, "Shutdown"),
    ] {
        let answer = world
            .push(|_| {}, &format!("{token}{DEVICE}"), PAYLOAD.as_bytes())
            .await;
        check(&answer, status, reason, token);
        let since = &answer.json()["timestamp"];
        let expected = if status == 410 {
            json!((NOW - 3_600) * 1_000)
        } else {
            json!(null)
        };
        assert_eq!(*since, expected, "{token}");
    }
    for (token, code) in [
        ("0bad0002", Reason::INTERNAL_ERROR),
        ("0bad0007", Reason::REFUSED_STREAM),
    ] {
        let path = format!("/3/device/{token}");
        let mut client = world.apns().await;
        let fields = world.apns_fields();
        let reset = client
            .request("POST", &path, &fields, PAYLOAD.as_bytes())
            .await
            .unwrap_err();
        assert!(reset.is_reset() && reset.is_remote(), "{reset:?}");
        assert_eq!(reset.reason(), Some(code), "{token}");
    }
}

#[tokio::test]
async fn a_silent_token_is_never_answered_while_others_are() {
    let world = World::new();
    let mut client = world.apns().await;
    let fields = world.apns_fields();
    let body = PAYLOAD.as_bytes();
    let path = format!("/3/device/{DEVICE}");
    assert_eq!(
        client
            .request("POST", &path, &fields, body)
            .await
            .unwrap()
            .status,
        200
    );
    let mut silent = client
        .begin("POST", "/3/device/0bad0000", &fields, body)
        .await
        .unwrap();
    assert_eq!(
        client
            .request("POST", &path, &fields, body)
            .await
            .unwrap()
            .status,
        200
    );
    let now = std::future::poll_fn(|context| {
        std::task::Poll::Ready(std::pin::Pin::new(&mut silent).poll(context).is_ready())
    });
    assert!(!now.await, "answered after all");
    assert_eq!(world.counts().received, 3);
}

#[tokio::test]
async fn ages_of_auth_tokens_go_by_the_clock() {
    let world = World::new();
    let with = |token: String| {
        move |fields: &mut Vec<(String, String)>| {
            set(fields, "authorization", &format!("bearer {token}"));
        }
    };
    let (first, second) = (world.auth_token(NOW), world.auth_token(NOW + 1_200));
    let body = PAYLOAD.as_bytes();
    assert_eq!(
        world.push(with(first.clone()), DEVICE, body).await.status,
        200
    );
    world.set_clock(NOW + 1_199);
    let early = world.push(with(second.clone()), DEVICE, body).await;
    check(&early, 429, "TooManyProviderTokenUpdates", "after 1199 s");
    world.set_clock(NOW + 1_200);
    assert_eq!(world.push(with(second), DEVICE, body).await.status, 200);
    world.set_clock(NOW + 3_601);
    let late = world.push(with(first), DEVICE, body).await;
    check(&late, 403, "ExpiredProviderToken", "after 3601 s");
    let alien = world.sign_auth_token(0, &json!({"iss": "SOMEBODYEL", "iat": NOW + 3_601}));
    check(
        &world.push(with(alien), DEVICE, body).await,
        403,
        "InvalidProviderToken",
        "other team",
    );
}

#[tokio::test]
async fn a_connection_keeps_to_its_first_key() {
    let world = World::new();
    let mut client = world.apns().await;
    let mut fields = world.apns_fields();
    let path = format!("/3/device/{DEVICE}");
    let first = client
        .request("POST", &path, &fields, PAYLOAD.as_bytes())
        .await
        .unwrap();
    assert_eq!(first.status, 200);
    let claims = json!({"iss": world.credentials().team_id, "iat": NOW});
    set(
        &mut fields,
        "authorization",
        &format!("bearer {}", world.sign_auth_token(1, &claims)),
    );
    let other = client
        .request("POST", &path, &fields, PAYLOAD.as_bytes())
        .await
        .unwrap();
    check(&other, 403, "UnrelatedKeyIdInToken", "second key");
    let elsewhere = world
        .apns()
        .await
        .request("POST", &path, &fields, PAYLOAD.as_bytes())
        .await;
    assert_eq!(elsewhere.unwrap().status, 200);
}

#[tokio::test]
async fn one_stream_is_open_until_a_push_is_accepted() {
    let world = World::new();
    let mut client = world.apns().await;
    let path = format!("/3/device/{DEVICE}");
    let mut fields = world.apns_fields();
    let good = fields.clone();
    set(&mut fields, "authorization", "bearer nonsense");
    let refused = client
        .request("POST", &path, &fields, PAYLOAD.as_bytes())
        .await
        .unwrap();
    assert_eq!((refused.status, client.stream_limit()), (403, 1));
    let accepted = client
        .request("POST", &path, &good, PAYLOAD.as_bytes())
        .await
        .unwrap();
    assert_eq!((accepted.status, client.stream_limit()), (200, 1_000));
}

#[tokio::test]
async fn more_streams_than_allowed_end_the_connection() {
    let world = World::new();
    let mut client = world.apns().await;
    let fields = world.apns_fields();
    let path = format!("/3/device/{DEVICE}");
    // The client takes the limit for 100 until it has read the server's SETTINGS, and nothing is
    // read before it awaits something that is not ready.
    let mut responses = Vec::new();
    for _ in 0..3 {
        responses.push(
            client
                .begin("POST", &path, &fields, PAYLOAD.as_bytes())
                .await
                .unwrap(),
        );
    }
    let first = finish(responses.remove(0)).await.unwrap();
    assert_eq!(first.status, 200, "the one within the limit is served");
    for response in responses {
        let error = finish(response).await.unwrap_err();
        assert_eq!(error.reason(), Some(Reason::REFUSED_STREAM), "{error:?}");
    }
    let end = client.end().await.expect("a GOAWAY");
    assert!(
        end.is_go_away() && end.reason() == Some(Reason::REFUSED_STREAM),
        "{end:?}"
    );
    let text = format!("{end:?}");
    assert!(
        text.contains("Maximum active streams violated for this endpoint."),
        "{text}"
    );
}

#[tokio::test]
async fn a_client_certificate_stands_in_for_auth_tokens() {
    let world = World::new();
    let credentials = world.credentials();
    let (certificate, key) = (
        &credentials.client_certificate_path,
        &credentials.client_key_path,
    );
    let connect = || Client::connect_as(world.addresses().apns, world.ca(), certificate, key);
    let mut client = connect().await;
    let path = format!("/3/device/{DEVICE}");
    let mut fields = world.apns_fields();
    set(&mut fields, "authorization", "bearer nonsense");
    let ignored = client
        .request("POST", &path, &fields, PAYLOAD.as_bytes())
        .await
        .unwrap();
    assert_eq!(ignored.status, 200, "authorization is not looked at");
    remove(&mut fields, "authorization");
    let absent = client
        .request("POST", &path, &fields, PAYLOAD.as_bytes())
        .await
        .unwrap();
    assert_eq!((absent.status, client.stream_limit()), (200, 1_000));

    remove(&mut fields, "apns-topic");
    let missing = client
        .request("POST", &path, &fields, PAYLOAD.as_bytes())
        .await
        .unwrap();
    check(
        &missing,
        400,
        "MissingTopic",
        "the certificate lists three topics",
    );
    set(
        &mut fields,
        "apns-topic",
        &format!("{}.location-query", credentials.topic),
    );
    set(&mut fields, "apns-push-type", "location");
    let unlisted = client
        .request("POST", &path, &fields, PAYLOAD.as_bytes())
        .await
        .unwrap();
    check(
        &unlisted,
        400,
        "TopicDisallowed",
        "the certificate does not list this one",
    );

    // All streams at once: the limit of the very first SETTINGS does not hold.
    let mut fresh = connect().await;
    set(&mut fields, "apns-topic", &credentials.topic);
    set(&mut fields, "apns-push-type", "alert");
    let mut responses = Vec::new();
    for _ in 0..20 {
        responses.push(
            fresh
                .begin("POST", &path, &fields, PAYLOAD.as_bytes())
                .await
                .unwrap(),
        );
    }
    for response in responses {
        assert_eq!(finish(response).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn another_certificate_is_refused_by_goaway() {
    let world = World::new();
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = foreign_identity(directory.path());
    let client = Client::connect_as(world.addresses().apns, world.ca(), &certificate, &key).await;
    let mut client = client;
    let fields = world.apns_fields();
    let error = client
        .request("POST", "/3/device/ab", &fields, PAYLOAD.as_bytes())
        .await;
    let error = error.unwrap_err();
    assert!(error.is_go_away() || error.is_io(), "{error:?}");
    let text = format!("{error:?}");
    assert!(text.contains("BadCertificate"), "{text}");
    assert_eq!(world.counts().received, 0);
}

/// A certificate that the simulator's CA has not signed.
fn foreign_identity(directory: &Path) -> (PathBuf, PathBuf) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    let paths = (directory.join("other.pem"), directory.join("other.key"));
    fs::write(&paths.0, certificate.pem()).unwrap();
    fs::write(&paths.1, key.serialize_pem()).unwrap();
    paths
}

#[tokio::test]
async fn only_http2_by_alpn_is_spoken() {
    let world = World::new();
    let address = world.addresses().apns;
    let refused = open(address, world.ca(), &[b"http/1.1"], None)
        .await
        .unwrap_err();
    assert!(
        refused.to_string().contains("NoApplicationProtocol"),
        "{refused}"
    );
    let mut silent = open(address, world.ca(), &[], None).await.unwrap();
    let mut bytes = Vec::new();
    // Whether the end is orderly is of no interest, only that nothing was said.
    drop(silent.read_to_end(&mut bytes).await);
    assert_eq!(bytes, b"", "a client without ALPN is not served");
}

#[tokio::test]
async fn settings_are_as_observed() {
    let world = World::new();
    let mut stream = open(world.addresses().apns, world.ca(), &[b"h2"], None)
        .await
        .unwrap();
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3..], [4, 0, 0, 0, 0, 0], "SETTINGS come first");
    let mut settings = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
    stream.read_exact(&mut settings).await.unwrap();
    // The values of those that are left out are the initial ones.
    let mut values = [4_096, 1, u32::MAX, 65_535, 16_384, u32::MAX];
    for setting in settings.chunks(6) {
        let id = usize::from(u16::from_be_bytes([setting[0], setting[1]]));
        values[id - 1] = u32::from_be_bytes(setting[2..].try_into().unwrap());
    }
    assert_eq!(values, [4_096, 1, 1, 65_535, 16_384, 8_000]);
}
