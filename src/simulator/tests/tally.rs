//! What has struck is counted, and what has not is named.

use std::time::{Duration, Instant};

use super::{DEVICE, PAYLOAD, World};
use crate::simulator::{Provider, Script};

/// What has struck, once as much has as is expected: a client may know of it first.
fn struck(world: &World, expected: &[(&str, u64)]) {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        let struck = world.struck();
        let told: Vec<_> = struck.iter().map(|it| (it.to_string(), it.times)).collect();
        let told: Vec<_> = told.iter().map(|(what, times)| (&**what, *times)).collect();
        if told == expected {
            return;
        }
        assert!(Instant::now() < end, "{told:?}");
        std::thread::yield_now();
    }
}

fn never_struck(world: &World) -> Vec<String> {
    let never = world.never_struck();
    never.iter().map(ToString::to_string).collect()
}

async fn push(world: &World, device: &str) {
    let mut client = world.apns().await;
    let path = format!("/3/device/{device}");
    let fields = world.apns_fields();
    let answer = client.request("POST", &path, &fields, PAYLOAD.as_bytes());
    // It may be struck.
    drop(answer.await);
}

#[tokio::test]
async fn each_strike_is_counted_where_it_takes_effect() {
    for strike in [
        "refused@headers",
        "internal@data",
        "cancel@response",
        "rst@answered",
        "fin@processed",
        "tls@headers",
        "deaf@answered",
        "mute@answered",
        "dead@answered",
    ] {
        let world = World::with(|options| {
            options.faults.strikes = format!("{strike}=100").parse().unwrap();
        });
        let names = [Provider::Apns, Provider::Fcm]
            .map(|provider| format!("{} strike {strike}", provider.as_str()));
        assert_eq!(never_struck(&world), names, "{strike}: nothing has come");
        push(&world, DEVICE).await;
        struck(&world, &[(&names[0], 1), (&names[1], 0)]);
        // FCM has had no request.
        assert_eq!(never_struck(&world), [] as [String; 0], "{strike}");
    }
}

#[tokio::test]
async fn what_befalls_answers_is_counted_by_its_name() {
    let script = "[[phase]]\nendpoint = \"apns\"\nrequests = 1\nfail = \"BadTopic=100\"\n\
        [[phase]]\nendpoint = \"apns\"\nrequests = 1\nfail = \"TooManyRequests=100\"\n\
        retry_after = 7\nlatency = 1\n\
        [[phase]]\nendpoint = \"apns\"\nrefuse = 100\ngoaway_after = 2\n";
    let world = World::with(|options| options.script = Script::read(script, 0).unwrap());
    for _ in 0..3 {
        push(&world, DEVICE).await;
    }
    struck(
        &world,
        &[
            ("apns fail BadTopic", 1),
            ("apns latency", 1),
            ("apns fail TooManyRequests", 1),
            ("apns retry_after", 1),
            ("apns refuse", 1),
            ("apns goaway json", 0),
        ],
    );
    assert_eq!(never_struck(&world), ["apns goaway json"]);
}

/// A request that deserves another answer is not struck.
#[tokio::test]
async fn what_is_drawn_and_does_not_happen_is_not_counted() {
    let world = World::with(|options| options.faults.fail_percent = 100.0);
    push(&world, "not-hexadecimal").await;
    assert_eq!(never_struck(&world), ["apns fail"]);
    push(&world, DEVICE).await;
    struck(&world, &[("apns fail", 1), ("fcm fail", 0)]);
}
