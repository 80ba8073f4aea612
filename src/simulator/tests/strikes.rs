//! What ends before the time, changes on the way or is named, as a client that is not ours sees it;
//! and what the ledger makes of it.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use h2::Reason;
use serde_json::Value;

use super::client::{Client, WholeResponse, finish};
use super::{DEVICE, PAYLOAD, World};
use crate::simulator::{Counts, Faults, Provider, Script};

/// A ledger's file that the test keeps a hold of.
#[derive(Clone, Default)]
struct File(Arc<Mutex<Vec<u8>>>);

impl Write for File {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl File {
    fn entries(&self) -> Vec<Value> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect()
    }
}

fn with_faults(change: impl FnOnce(&mut Faults)) -> World {
    World::with(|options| change(&mut options.faults))
}

fn scripted(text: &str) -> World {
    let script = Script::read(text, 0).unwrap();
    World::with(|options| options.script = script)
}

impl World {
    async fn try_push(&self, client: &mut Client) -> Result<WholeResponse, h2::Error> {
        let path = format!("/3/device/{DEVICE}");
        let fields = self.apns_fields();
        client
            .request("POST", &path, &fields, PAYLOAD.as_bytes())
            .await
    }

    /// A connection on which pushes may go wrong from the first frame on.
    async fn try_connect(&self) -> Result<Client, io::Error> {
        Client::try_connect(self.addresses().apns, self.ca()).await
    }
}

/// One push that is struck, and what the ledgers say when all is over.
async fn struck(strike: &str) -> (Result<WholeResponse, h2::Error>, Counts, Vec<Value>) {
    let file = File::default();
    let out = file.clone();
    let world = World::with(|options| {
        options.faults.strikes = format!("{strike}=100").parse().unwrap();
        options.ledger = Some(Box::new(out));
    });
    let mut client = world.apns().await;
    let answer = world.try_push(&mut client).await;
    drop(client);
    let World { simulator, .. } = world;
    (answer, simulator.stop(), file.entries())
}

#[tokio::test]
async fn streams_are_reset_where_they_are_to_be() {
    for (strike, reason, processed) in [
        ("internal@headers", Reason::INTERNAL_ERROR, false),
        ("cancel@data", Reason::CANCEL, false),
        ("refused@headers", Reason::REFUSED_STREAM, false),
        ("refused@data", Reason::REFUSED_STREAM, false),
        ("internal@processed", Reason::INTERNAL_ERROR, true),
        ("cancel@response", Reason::CANCEL, true),
    ] {
        let (answer, counts, entries) = struck(strike).await;
        assert_eq!(answer.unwrap_err().reason(), Some(reason), "{strike}");
        check_ledgers(strike, processed, false, counts, &entries);
    }
}

#[tokio::test]
async fn connections_end_where_they_are_to_end() {
    for kind in ["rst", "fin", "tls"] {
        for (point, processed) in [
            ("headers", false),
            ("data", false),
            ("processed", true),
            ("response", true),
        ] {
            let strike = format!("{kind}@{point}");
            let (answer, counts, entries) = struck(&strike).await;
            let error = answer.unwrap_err();
            assert!(
                error.is_io() || error.reason().is_none(),
                "{strike}: {error:?}"
            );
            check_ledgers(&strike, processed, false, counts, &entries);
        }
        let strike = format!("{kind}@answered");
        let (answer, counts, entries) = struck(&strike).await;
        assert_eq!(answer.unwrap().status, 200, "{strike}");
        check_ledgers(&strike, true, true, counts, &entries);
    }
}

/// Accepted is what was processed, and unanswered of that what the client has not heard of.
fn check_ledgers(strike: &str, processed: bool, answered: bool, counts: Counts, entries: &[Value]) {
    assert_eq!(
        counts.accepted,
        u64::from(processed),
        "{strike}: {counts:?}"
    );
    assert_eq!(
        counts.unanswered,
        u64::from(processed && !answered),
        "{strike}: {counts:?}"
    );
    assert_eq!(entries.len(), 1, "{strike}: {entries:?}");
    let entry = &entries[0];
    assert_eq!(entry["provider"], "apns", "{strike}");
    assert_eq!(entry["token"], DEVICE, "{strike}");
    assert_eq!(entry["processed"], processed, "{strike}: {entry}");
    assert_eq!(entry["answered"], answered, "{strike}: {entry}");
    let head = answered || strike.ends_with("@response");
    assert_eq!(entry["head"], head, "{strike}: {entry}");
    assert_eq!(
        entry["status"],
        if processed { 200 } else { 0 },
        "{strike}: {entry}"
    );
}

/// An answer is not waited for in vain: the test goes on when the rest of the world has.
#[tokio::test]
async fn what_is_silent_stays_so() {
    for strike in [
        "silence@data",
        "silence@processed",
        "mute@headers",
        "deaf@data",
        "dead@headers",
        "dead@processed",
    ] {
        let world = with_faults(|faults| {
            faults.strikes = format!("{strike}=100").parse().unwrap();
        });
        let mut client = world.apns().await;
        let waited = Duration::from_millis(100);
        let answer = tokio::time::timeout(waited, world.try_push(&mut client)).await;
        assert!(answer.is_err(), "{strike}: {answer:?}");
        let begun = Instant::now();
        drop(client);
        drop(world);
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{strike}: it does not end"
        );
    }
}

#[tokio::test]
async fn connections_end_before_they_begin() {
    for strike in [
        "rst@connect",
        "fin@connect",
        "rst@preface",
        "fin@preface",
        "tls@preface",
    ] {
        let world = scripted(&format!(
            "[[phase]]\nconnections = 1\nstrike = \"{strike}=100\"\n"
        ));
        if let Ok(mut client) = world.try_connect().await {
            let answer = world.try_push(&mut client).await;
            assert!(answer.is_err(), "{strike}: {answer:?}");
        }
        let mut next = world.apns().await;
        assert_eq!(
            world.try_push(&mut next).await.unwrap().status,
            200,
            "{strike}"
        );
        assert_eq!(world.counts().received, 1, "{strike}");
    }
}

#[tokio::test]
async fn each_kind_of_goaway_says_what_it_should() {
    for (kind, served, text) in [
        ("json", true, "Shutdown"),
        ("text", true, "the server is being restarted"),
        ("empty", true, ""),
        ("twice", true, "Shutdown"),
        ("graceful", true, ""),
        ("abrupt", true, "Shutdown"),
        ("bad-certificate", true, "BadCertificate"),
        ("below", false, "Shutdown"),
    ] {
        let world = with_faults(|faults| {
            faults.goaway = kind.parse().unwrap();
            faults.goaway_after = std::num::NonZeroU64::new(2);
        });
        let mut client = world.apns().await;
        assert_eq!(
            world.try_push(&mut client).await.unwrap().status,
            200,
            "{kind}"
        );
        let second = world.try_push(&mut client).await;
        assert_eq!(second.is_ok(), served, "{kind}: {second:?}");
        let third = world.try_push(&mut client).await.unwrap_err();
        if kind != "graceful" && kind != "abrupt" {
            let told = format!("{third:?}");
            assert!(third.is_go_away() && told.contains(text), "{kind}: {told}");
        }
        assert_eq!(
            world.counts().received,
            if served { 2 } else { 1 },
            "{kind}"
        );
    }
    let world = scripted("[[phase]]\nconnections = 1\ngoaway = \"first\"\n");
    if let Ok(mut client) = world.try_connect().await {
        assert!(world.try_push(&mut client).await.is_err());
    }
    assert_eq!(
        world
            .try_push(&mut world.apns().await)
            .await
            .unwrap()
            .status,
        200
    );
}

#[tokio::test]
async fn settings_change_with_the_phase() {
    let world = scripted(
        "[[phase]]\nrequests = 2\n[[phase]]\nrequests = 1\nstreams = 7\n[[phase]]\nrequests = 1\n",
    );
    let mut client = world.apns().await;
    for limit in [1_000, 1_000, 7, 1_000] {
        assert_eq!(world.try_push(&mut client).await.unwrap().status, 200);
        assert_eq!(client.stream_limit(), limit);
    }
}

#[tokio::test]
async fn narrow_windows_let_pushes_through_piece_by_piece() {
    for change in [
        |faults: &mut Faults| faults.stream_window = Some(10),
        |faults: &mut Faults| faults.connection_window = Some(10),
        |faults: &mut Faults| faults.header_table = Some(0),
        |faults: &mut Faults| faults.slow = std::num::NonZeroU32::new(200),
    ] {
        let world = with_faults(change);
        let mut client = world.apns().await;
        for _ in 0..3 {
            assert_eq!(world.try_push(&mut client).await.unwrap().status, 200);
        }
        let path = format!("/3/device/{DEVICE}");
        let fields = world.apns_fields();
        let mut responses = Vec::new();
        for _ in 0..20 {
            let response = client
                .begin("POST", &path, &fields, PAYLOAD.as_bytes())
                .await;
            responses.push(response.unwrap());
        }
        for response in responses {
            assert_eq!(finish(response).await.unwrap().status, 200);
        }
    }
}

#[tokio::test]
async fn a_closed_endpoint_refuses_connections_and_opens_again() {
    let world = scripted("[[phase]]\nendpoint = \"apns\"\nseconds = 0.3\nclosed = true\n");
    let refused = world.try_connect().await.err().unwrap();
    assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
    assert!(
        !world.access_token().await.is_empty(),
        "the others are open"
    );
    let end = Instant::now() + Duration::from_secs(30);
    let mut client = loop {
        match world.try_connect().await {
            Ok(client) => break client,
            Err(_) => assert!(Instant::now() < end, "it does not open"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(world.try_push(&mut client).await.unwrap().status, 200);
}

#[tokio::test]
async fn failures_and_their_retry_after_are_sent_by_name() {
    let world = with_faults(|faults| {
        faults.failures = "TooManyRequests=100,UNAVAILABLE=100".parse().unwrap();
        faults.retry_after = Some("date+60".parse().unwrap());
    });
    let answer = world.try_push(&mut world.apns().await).await.unwrap();
    assert_eq!(
        (answer.status, answer.text()),
        (429, r#"{"reason":"TooManyRequests"}"#.into())
    );
    assert_eq!(
        answer.header("retry-after"),
        Some("Mon, 21 Sep 2026 14:14:20 GMT")
    );
    let authorization = format!("Bearer {}", world.access_token().await);
    let path = "/v1/projects/sterna-simulated/messages:send";
    let body = br#"{"message":{"token":"t"}}"#;
    let fields = [("authorization", authorization)];
    let answer = world
        .fcm()
        .await
        .request("POST", path, &fields, body)
        .await
        .unwrap();
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.json()["error"]["details"][0]["errorCode"],
        "UNAVAILABLE"
    );
    assert!(answer.header("retry-after").is_some());
    let counts = [Provider::Apns, Provider::Fcm].map(|provider| world.counts_of(provider));
    assert_eq!(
        counts.map(|counts| (counts.accepted, counts.turned_away)),
        [(0, 1), (0, 1)]
    );
}

#[tokio::test]
async fn the_token_endpoint_has_its_troubles() {
    for (trouble, status, content) in [
        ("invalid_grant", 400, r#"{"error":"invalid_grant"}"#),
        (
            "temporarily_unavailable",
            503,
            r#"{"error":"temporarily_unavailable"}"#,
        ),
        ("garbage", 200, "<!DOCTYPE html>"),
        ("tokenless", 200, "{}"),
    ] {
        let world = with_faults(|faults| {
            faults.failures = format!("{trouble}=100").parse().unwrap();
        });
        let answer = world.exchange(&world.form(&world.claims())).await;
        assert_eq!(answer.status, status, "{trouble}");
        assert!(
            answer.text().starts_with(content),
            "{trouble}: {}",
            answer.text()
        );
        assert_eq!(world.counts().access_tokens, 0, "{trouble}");
        let bad = world.exchange("").await;
        assert_eq!(
            bad.json()["error"],
            "invalid_request",
            "what is wrong stays wrong"
        );
    }
}
