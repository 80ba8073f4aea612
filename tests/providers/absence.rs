//! Providers that are down, that are others than they should be, or that are cut off.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sterna::moment::Moment;
use sterna::simulator::Options;

use super::batch;
use crate::harness::daemon::Daemon;
use crate::harness::lines::{self, check_same, ids};
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::{each, fcm_token, hex_token, wait_until};

fn unix_secs() -> u64 {
    Moment::now().unix.as_secs()
}

/// The lane's part of `/healthz`, which `/stat/app` says too, but for what an access token lacks.
fn lane(daemon: &Daemon, platform: &str) -> Value {
    let health = daemon.request("GET", "/healthz", b"");
    assert_eq!(health.status, 200, "pushes are taken");
    health.json()["lanes"][platform].clone()
}

#[test]
fn a_lane_that_gets_no_connection_or_no_access_token_is_unreachable_until_it_does() {
    type Spoil = fn(Site) -> Site;
    let garbage = |options: &mut Options| {
        options.faults.failures = "garbage=100".parse().unwrap();
    };
    let cases: [(&str, &str, Spoil, bool); 4] = [
        ("ios", "refused", |site| site, true),
        ("android", "the token endpoint", |site| site, true),
        (
            "ios",
            "no-such-host.invalid",
            |site| site.with_text("ios.endpoint", "https://no-such-host.invalid"),
            false,
        ),
        (
            "android",
            "the token endpoint sent no access token",
            |site| site,
            false,
        ),
    ];
    each(&cases, |(platform, why, spoil, is_down)| {
        let simulated = Simulated::with(|options| {
            if !is_down {
                garbage(options);
            }
        });
        let site = spoil(Site::simulated(&simulated.simulator))
            .without_journal()
            .with("core.shutdown_timeout", 0);
        let (simulated, stopped) = if *is_down {
            (None, Some(simulated.stop()))
        } else {
            (Some(simulated), None)
        };
        let begun = unix_secs();
        let daemon = site.start();
        assert_eq!(
            lane(&daemon, platform),
            json!({"state": "open"}),
            "it has nothing to send"
        );
        let pushed = unix_secs();
        let accepted = daemon.push(&batch(0, 3)).accepted_ids();
        let first = if *platform == "ios" {
            accepted[0]
        } else {
            accepted[3]
        };
        wait_until("the lane to be unreachable", || {
            lane(&daemon, platform)["state"] == "unreachable"
        });
        let stat = daemon.request("GET", "/stat/app", b"").json();
        let public = if *platform == "android" {
            "no access token can be had; /stat/app and the operator log say why"
        } else {
            why
        };
        let told = [
            (lane(&daemon, platform), public),
            (stat["lanes"][*platform].clone(), why),
        ];
        for (shown, why) in &told {
            assert!(
                shown["error"]
                    .as_str()
                    .is_some_and(|text| text.contains(why)),
                "{shown}"
            );
            let times = ["since", "waiting_since"].map(|key| shown[key].as_u64().unwrap());
            let run = begun..=unix_secs();
            assert!(times.iter().all(|time| run.contains(time)), "{shown}");
            assert!(times[1] >= pushed, "{shown}");
            assert_eq!(shown["oldest"], first);
        }
        assert_eq!(stat["lanes"][*platform]["attempts"], 0);
        if let Some(stopped) = stopped {
            let _simulated = stopped.start();
            daemon.wait_idle();
            assert_eq!(lane(&daemon, platform), json!({"state": "open"}));
            let stat = daemon.settle();
            assert_eq!(stat.number(&format!("/lanes/{platform}/attempts")), 3);
            assert_eq!(stat.number(&format!("/lanes/{platform}/retries")), 0);
        }
        drop(simulated);
    });
}

#[test]
fn a_provider_that_proves_itself_wrongly_gets_nothing() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .without_journal()
        .without("ios.ca_path")
        .with("core.shutdown_timeout", 0);
    let daemon = site.start();
    let body = json!({"notifications": [{"platform": 1, "message": "m", "token": [hex_token(1)]}]});
    let accepted = daemon.push(&body).accepted_ids();
    let place = simulated.simulator.addresses().apns.to_string();
    wait_until("the certificate to be doubted", || {
        let told = site.operator_log();
        let mut lines = told.lines();
        lines.any(|line| {
            line.contains("[ERROR]") && line.contains(&place) && line.contains("certificate")
        })
    });
    let shown = lane(&daemon, "ios");
    assert_eq!(shown["state"], "unreachable");
    assert!(
        shown["error"].as_str().unwrap().contains("certificate"),
        "{shown}"
    );
    assert_eq!(daemon.terminate(), 75);
    check_same(&ids(&site.error_log(), "failed-push"), &accepted);
    assert_eq!(simulated.counts().received, 0);
}

#[test]
fn a_providers_name_is_looked_up() {
    let simulated = Simulated::start();
    let port = simulated.simulator.addresses().apns.port();
    let site = Site::simulated(&simulated.simulator)
        .with_text("ios.endpoint", &format!("https://localhost:{port}"));
    let daemon = site.start();
    let body = json!({"notifications": [{"platform": 1, "message": "m", "token": ["ab"]}]});
    assert_eq!(daemon.push(&body).status, 200);
    let stat = daemon.settle();
    assert_eq!(stat.number("/ios/push_success"), 1);
}

#[test]
fn pushes_wait_for_a_provider_that_is_down_and_expire_meanwhile() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let stopped = simulated.stop();
    let daemon = site.start();
    let accepted = daemon.push(&batch(0, 50)).accepted_ids();
    let body = json!({"notifications": [
        {"platform": 1, "message": "m", "token": [hex_token(1_000)], "expiry": 1},
        {"platform": 2, "message": "m", "token": [fcm_token(1_000)], "time_to_live": 1},
    ]});
    let expired = daemon.push(&body).accepted_ids();
    let expired_at = Instant::now() + Duration::from_millis(1_050);
    wait_until("the want of connections to be told", || {
        let told = site.operator_log();
        told.contains("ios: no connection: ") && told.contains(" outstanding, next try in")
    });
    wait_until("some pushes to expire", || Instant::now() >= expired_at);
    assert_eq!(
        daemon.stat().number("/queue_usage"),
        102,
        "nothing is given up"
    );

    let simulated = stopped.start();
    daemon.settle();
    check_same(&ids(&site.access_log(), "succeeded-push"), &accepted);
    let log = site.error_log();
    check_same(&ids(&log, "failed-push"), &expired);
    for line in &log {
        assert_eq!(line.text_of("reason"), "expired");
        assert_eq!(line.number("attempt"), Some(0));
    }
    let counts = simulated.counts();
    assert_eq!((counts.accepted, counts.doubled, counts.lost), (100, 0, 0));
    let sent = simulated.notes().len();
    assert_eq!(sent, 100, "what expired was never sent");
    for line in lines::of_kind(&site.access_log(), "succeeded-push") {
        assert_eq!(
            line.number("attempt"),
            Some(1),
            "waiting is no attempt: {}",
            line.text
        );
    }
}

/// The answers of those in flight are gone with the connections: the provider may have them, so
/// they are sent again under the same id.
#[test]
fn connections_that_are_cut_lose_no_push() {
    let simulated = Simulated::with(|options| {
        options.faults.latency = Duration::from_millis(50);
    });
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let mut accepted = Vec::new();
    for round in 0..3 {
        accepted.extend(daemon.push(&batch(round * 100, 100)).accepted_ids());
        let received = simulated.counts().received;
        wait_until("some to be in flight", || {
            simulated.counts().received > received + 20
        });
        simulated.simulator.sever();
    }
    daemon.settle();
    check_same(&ids(&site.access_log(), "succeeded-push"), &accepted);
    assert!(site.error_log().is_empty());
    let counts = simulated.counts();
    assert_eq!(counts.lost, 0);
    assert!(counts.doubled > 0, "nothing was cut: {counts:?}");
    let mut apns_ids: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for note in simulated.notes() {
        if let Some(apns_id) = note.headers.get("apns-id") {
            let known = apns_ids.entry(note.device_token).or_default();
            known.insert(apns_id.clone());
        }
    }
    assert_eq!(apns_ids.len(), 300);
    assert!(apns_ids.values().all(|known| known.len() == 1));
}

#[test]
fn what_waits_for_its_retry_over_a_restart_is_the_oldest_there_is() {
    let simulated = Simulated::with(|options| {
        options.faults.failures = "InternalServerError=100".parse().unwrap();
    });
    let site = Site::simulated(&simulated.simulator).with("core.shutdown_timeout", 0);
    let daemon = site.start();
    let body = json!({"notifications": [{"platform": 1, "message": "m", "token": [hex_token(1)]}]});
    let accepted = daemon.push(&body).accepted_ids();
    let stat =
        |daemon: &Daemon| daemon.request("GET", "/stat/app", b"").json()["lanes"]["ios"].clone();
    wait_until("it to be tried", || {
        stat(&daemon)["attempts"].as_u64() > Some(0)
    });
    assert_eq!(daemon.terminate(), 0);
    let daemon = site.start();
    wait_until("it to be read from the journal", || {
        stat(&daemon)["oldest"] == accepted[0]
    });
}
