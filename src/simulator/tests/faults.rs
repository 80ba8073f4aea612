//! Faults reach the wire as asked, and the ledger counts what they do.

use std::num::NonZeroU64;
use std::time::Duration;

use h2::Reason;

use super::client::{Client, finish};
use super::{DEVICE, PAYLOAD, World, set};
use crate::simulator::Faults;

fn world(faults: Faults) -> World {
    World::with(|options| options.faults = faults)
}

fn id(number: u32) -> String {
    format!("0b6c3a52-4a6f-4a0e-9d55-{number:012x}")
}

impl World {
    fn fields_of(&self, number: u32) -> Vec<(String, String)> {
        let mut fields = self.apns_fields();
        set(&mut fields, "apns-id", &id(number));
        fields
    }

    /// A push of that number; its status.
    async fn push_on(
        &self,
        client: &mut Client,
        number: u32,
        token: &str,
    ) -> Result<u16, h2::Error> {
        let path = format!("/3/device/{token}");
        let fields = self.fields_of(number);
        let answer = client
            .request("POST", &path, &fields, PAYLOAD.as_bytes())
            .await?;
        assert_eq!(answer.header("apns-id"), Some(&*id(number)));
        Ok(answer.status)
    }
}

#[tokio::test]
async fn refused_streams_are_not_processed() {
    let world = world(Faults {
        refuse_percent: 100.0,
        ..Faults::default()
    });
    let mut client = world.apns().await;
    for number in 0..5 {
        let reset = world
            .push_on(&mut client, number, DEVICE)
            .await
            .unwrap_err();
        assert_eq!(reset.reason(), Some(Reason::REFUSED_STREAM));
    }
    let counts = world.counts();
    assert_eq!(
        (counts.turned_away, counts.lost, counts.accepted),
        (5, 5, 0)
    );
}

#[tokio::test]
async fn failures_are_mixed_and_strike_only_what_is_good() {
    let world = world(Faults {
        fail_percent: 100.0,
        ..Faults::default()
    });
    let mut client = world.apns().await;
    let mut seen = [0; 3];
    for number in 0..60 {
        match world.push_on(&mut client, number, DEVICE).await.unwrap() {
            429 => seen[0] += 1,
            500 => seen[1] += 1,
            503 => seen[2] += 1,
            other => panic!("{other}"),
        }
    }
    assert!(seen.iter().all(|count| *count > 5), "{seen:?}");
    assert_eq!(world.push_on(&mut client, 60, "bad").await.unwrap(), 400);
    let counts = world.counts();
    assert_eq!(
        (counts.turned_away, counts.lost, counts.refused),
        (60, 60, 1)
    );
}

#[tokio::test]
async fn a_share_of_failures_is_made_good_by_trying_again() {
    let world = world(Faults {
        fail_percent: 30.0,
        refuse_percent: 20.0,
        ..Faults::default()
    });
    let mut client = world.apns().await;
    for number in 0..200 {
        while !matches!(world.push_on(&mut client, number, DEVICE).await, Ok(200)) {}
    }
    let counts = world.counts();
    assert_eq!((counts.accepted, counts.doubled, counts.lost), (200, 0, 0));
    assert!(counts.turned_away > 50, "{counts:?}");
    assert_eq!(counts.received, counts.accepted + counts.turned_away);
}

#[tokio::test]
async fn goaway_comes_after_so_many_requests_on_each_connection() {
    let world = world(Faults {
        goaway_after: NonZeroU64::new(3),
        ..Faults::default()
    });
    for _ in 0..2 {
        let mut client = world.apns().await;
        for number in 0..3 {
            assert_eq!(
                world.push_on(&mut client, number, DEVICE).await.unwrap(),
                200
            );
        }
        let error = world.push_on(&mut client, 3, DEVICE).await.unwrap_err();
        assert!(error.is_go_away(), "{error:?}");
        let text = format!("{error:?}");
        assert!(
            text.contains("reason") && text.contains("Shutdown"),
            "{text}"
        );
        assert_eq!(error.reason(), Some(Reason::NO_ERROR));
    }
    assert_eq!(world.counts().received, 6);
}

#[tokio::test]
async fn streams_above_the_goaways_last_are_not_processed() {
    let world = world(Faults {
        goaway_after: NonZeroU64::new(2),
        ..Faults::default()
    });
    let mut client = world.fcm().await;
    let authorization = format!("Bearer {}", world.access_token().await);
    let mut responses = Vec::new();
    for number in 0..10 {
        let body = format!(r#"{{"message":{{"token":"t{number}"}}}}"#);
        let path = "/v1/projects/sterna-simulated/messages:send";
        let fields = [("authorization", &authorization)];
        responses.push(
            client
                .begin("POST", path, &fields, body.as_bytes())
                .await
                .unwrap(),
        );
    }
    let mut served = 0;
    for response in responses {
        match finish(response).await {
            Ok(answer) => served += u64::from(answer.status == 200),
            Err(error) => assert!(error.is_go_away(), "{error:?}"),
        }
    }
    let counts = world.counts();
    assert_eq!((served, counts.received, counts.accepted), (2, 2, 2));
}

#[tokio::test]
async fn latency_delays_each_answer_by_itself() {
    let spread = Duration::from_millis(100);
    let world = world(Faults {
        latency_spread: spread,
        seed: 1,
        ..Faults::default()
    });
    let mut client = world.fcm().await;
    let authorization = format!("Bearer {}", world.access_token().await);
    let (done, mut order) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..20 {
        let body = format!(r#"{{"message":{{"token":"t{number}"}}}}"#);
        let path = "/v1/projects/sterna-simulated/messages:send";
        let fields = [("authorization", &authorization)];
        let response = client
            .begin("POST", path, &fields, body.as_bytes())
            .await
            .unwrap();
        let done = done.clone();
        tokio::spawn(async move {
            assert_eq!(finish(response).await.unwrap().status, 200);
            done.send(number).unwrap();
        });
    }
    drop(done);
    let mut answered = Vec::new();
    while let Some(number) = order.recv().await {
        answered.push(number);
    }
    let mut sorted = answered.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..20).collect::<Vec<_>>());
    assert_ne!(answered, sorted, "twenty answers over 100 ms came in order");
}

#[tokio::test]
async fn latency_holds_answers_back() {
    let latency = Duration::from_millis(80);
    let world = world(Faults {
        latency,
        ..Faults::default()
    });
    let mut client = world.apns().await;
    let started = std::time::Instant::now();
    assert_eq!(world.push_on(&mut client, 0, DEVICE).await.unwrap(), 200);
    assert!(started.elapsed() >= latency);
}

#[tokio::test]
async fn the_penalty_narrows_the_connection_until_the_next_success() {
    let world = world(Faults {
        penalty: true,
        ..Faults::default()
    });
    let mut client = world.apns().await;
    for (number, token, status, limit) in [
        (0, DEVICE, 200, 1_000),
        (1, "0bad4100", 410, 1_000),
        (2, "0bad4000", 400, 1),
        (3, DEVICE, 200, 1_000),
    ] {
        assert_eq!(
            world.push_on(&mut client, number, token).await.unwrap(),
            status
        );
        assert_eq!(client.stream_limit(), limit, "after {token}");
    }
}

#[tokio::test]
async fn tokens_that_fail_once_are_accepted_the_second_time() {
    let world = World::new();
    let mut client = world.apns().await;
    assert_eq!(
        world.push_on(&mut client, 0, "1bad5030").await.unwrap(),
        503
    );
    assert_eq!((world.counts().turned_away, world.counts().lost), (1, 1));
    assert_eq!(
        world.push_on(&mut client, 0, "1bad5030").await.unwrap(),
        200
    );
    assert_eq!((world.counts().accepted, world.counts().lost), (1, 0));
    assert_eq!(
        world.push_on(&mut client, 0, "1bad5030").await.unwrap(),
        200
    );
    assert_eq!(world.counts().doubled, 1);
}

#[tokio::test]
async fn a_retry_with_less_time_to_live_is_the_same_message() {
    let world = World::new();
    let mut client = world.fcm().await;
    let authorization = format!("Bearer {}", world.access_token().await);
    for (ttl, status) in [("60s", 503), ("50s", 200), ("40s", 200)] {
        let body = format!(
            r#"{{"message":{{"token":"once-unavailable-1","android":{{"ttl":"{ttl}"}}}}}}"#
        );
        let path = "/v1/projects/sterna-simulated/messages:send";
        let fields = [("authorization", &authorization)];
        let answer = client
            .request("POST", path, &fields, body.as_bytes())
            .await
            .unwrap();
        assert_eq!(answer.status, status, "{ttl}");
    }
    let counts = world.counts();
    assert_eq!(
        (
            counts.turned_away,
            counts.accepted,
            counts.doubled,
            counts.lost
        ),
        (1, 2, 1, 0)
    );
}
