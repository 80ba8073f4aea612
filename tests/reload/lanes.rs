//! Lanes that are enabled and disabled while the daemon runs.

use serde_json::{Value, json};

use super::{put_in_force, with_control};
use crate::harness::daemon::Daemon;
use crate::harness::lines::{Line, check_same, ids, of_kind};
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::{batch, fcm_token, hex_token, wait_until};

fn expiring(tokens: std::ops::Range<u64>) -> Value {
    let tokens: Vec<String> = tokens.map(hex_token).collect();
    json!({"notifications": [{"platform": 1, "token": tokens, "message": "m", "expiry": 2}]})
}

fn to_android(number: u64) -> Value {
    json!({"notifications": [{"platform": 2, "token": [fcm_token(number)], "message": "m"}]})
}

fn pause(daemon: &Daemon) {
    assert_eq!(daemon.request("PUT", "/lanes/ios/pause", b"").status, 200);
}

fn state(daemon: &Daemon, id: u64) -> Value {
    let reply = daemon.request("GET", &format!("/push/{id}"), b"");
    reply.json()["state"].clone()
}

/// By SIGHUP: what the operator log says after that.
fn hang_up(site: &Site, daemon: &Daemon, line: &str) {
    site.write_config();
    daemon.signal("HUP");
    let line = format!("reload: {line}");
    wait_until(&line, || site.operator_log().contains(&line));
}

#[test]
fn what_waits_for_one_environment_does_not_go_to_the_other_when_the_lane_is_back() {
    let (simulated, other) = (Simulated::start(), Simulated::start());
    let site = with_control(Site::simulated(&simulated.simulator)).with("ios.sandbox", false);
    let daemon = site.start();
    pause(&daemon);
    let accepted = daemon.push(&batch(0..3)).accepted_ids();
    let site = site.with("ios.enabled", false);
    put_in_force(&site);
    let (endpoint, topic) = (
        simulated.simulator.addresses().apns_url(),
        simulated.simulator.credentials().topic.clone(),
    );
    let site = site
        .with("ios.enabled", true)
        .with("ios.sandbox", true)
        .with_text("ios.topic", "org.example.dev")
        .with_text("ios.endpoint", &other.simulator.addresses().apns_url());
    let told = put_in_force(&site);
    let line = "ios: its environments, topic and endpoint stay as they were: 3 pushes wait in the \
                lane ios for production";
    assert!(told.contains(line), "{told}");
    assert!(told.contains("applied: ios.enabled = true"), "{told}");
    let config = daemon.request("GET", "/config", b"").json();
    assert_eq!(config["ios"]["sandbox"], false, "{config}");
    assert_eq!(config["ios"]["endpoint"], endpoint, "{config}");
    assert_eq!(config["ios"]["topic"], topic, "{config}");
    let succeeded = || ids(&site.access_log(), "succeeded-push");
    wait_until("what waited is sent", || succeeded().len() >= 3);
    check_same(&succeeded(), &accepted);
    assert_eq!(other.counts().received, 0);
    // Nothing waits any more.
    assert!(!put_in_force(&site).contains("stay as they were"));
    daemon.terminate();
}

#[test]
fn a_lane_that_is_disabled_keeps_its_pushes_and_sends_them_when_it_is_enabled() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    daemon.push(&batch(0..5));
    daemon.wait_idle();
    let of_streams = daemon.request("PUT", "/config/pushers?max=7", b"");
    assert_eq!(of_streams.status, 200);
    let streams = daemon.stat().number("/pusher_max");
    pause(&daemon);
    let kept = daemon.push(&batch(10..17)).accepted_ids();
    assert_eq!(daemon.push(&expiring(20..23)).accepted_ids().len(), 3);
    let sale = [
        json!({"platform": 1, "token": [hex_token(25)], "message": "m",
                       "identifier": "sale"}),
    ];
    daemon.push(&json!({"notifications": sale}));

    let site = site.with("ios.enabled", false);
    hang_up(&site, &daemon, "ios is disabled: 11 pushes to it stay");
    let paused = "ios: it was paused by hand, which ends with it";
    assert!(site.operator_log().contains(paused));
    let purged = daemon.request("DELETE", "/pushes?identifier=sale", b"");
    assert_eq!(
        purged.status, 200,
        "it is not sent when the lane is enabled"
    );
    assert!(site.operator_log().contains("applied: ios.enabled = false"));
    let reply = daemon.push(&batch(30..31));
    assert_eq!((reply.status, reply.accepted_ids().len()), (200, 0));
    assert_eq!(reply.json()["rejected"][0]["error"], "ios is disabled");
    let health = daemon.request("GET", "/healthz", b"").json();
    assert_eq!(health["lanes"], json!({"android": {"state": "open"}}));
    assert_eq!(daemon.push(&to_android(1)).status, 200);
    wait_until("the other lane to go on", || {
        daemon.stat().number("/android/push_success") == 1
    });
    // They expire in their time, and are not lost sight of.
    wait_until("three to expire", || {
        daemon.stat().number("/ios/push_error") == 3
    });
    assert_eq!(state(&daemon, kept[0]), "accepted");
    let purged = daemon.request("DELETE", &format!("/push/{}", kept[0]), b"");
    assert_eq!(purged.status, 409, "{}", purged.text());
    assert_eq!(daemon.stat().number("/ios/push_success"), 5);

    let site = site.with("ios.enabled", true);
    hang_up(
        &site,
        &daemon,
        "ios: 8 pushes that waited in the journal are sent",
    );
    let log = site.operator_log();
    assert!(!log.contains(" holds "), "no file is another: {log}");
    wait_until("them to be sent", || {
        daemon.stat().number("/ios/push_success") == 12
    });
    assert_eq!(daemon.stat().number("/pusher_max"), streams);
    let fresh = daemon.push(&batch(40..43)).accepted_ids();
    daemon.settle();
    let lines = site.access_log();
    let succeeded = ids(&lines, "succeeded-push");
    let of_ios = of_kind(&lines, "succeeded-push");
    let of_ios = of_ios.filter(|line| line.text_of("platform") == "ios");
    let mut of_ios: Vec<u64> = of_ios.map(Line::id).collect();
    of_ios.sort_unstable();
    assert_eq!(succeeded.len(), 5 + 1 + 7 + 3, "each once");
    check_same(&of_ios[5..], &[kept, fresh].concat());
    let failed = site.error_log();
    assert_eq!(ids(&failed, "failed-push").len(), 3 + 1, "each once");
    let received = simulated.received();
    assert_eq!(received.len(), 16);
    assert!(received.values().all(|times| *times == 1), "{received:?}");
}

/// Also those of a process before, which are still in the journal alone.
#[test]
fn a_lane_that_was_disabled_at_the_start_is_enabled() {
    let simulated = Simulated::start();
    let nowhere = Site::unreachable();
    let daemon = nowhere.start();
    let accepted = daemon.push(&batch(0..7)).accepted_ids();
    daemon.kill();
    let site = Site::simulated(&simulated.simulator).with_journal_of(&nowhere);
    let site = with_control(site).with("ios.enabled", false);
    let daemon = site.start();
    assert_eq!(state(&daemon, accepted[0]), "accepted");
    let site = site.with("ios.enabled", true);
    let told = put_in_force(&site);
    assert!(
        told.contains("ios: 7 pushes that waited in the journal are sent\n"),
        "{told}"
    );
    wait_until("them to be sent", || {
        daemon.stat().number("/ios/push_success") == 7
    });
    // There and back as often as one likes.
    let mut site = site;
    for number in 0..3 {
        site = site.with("ios.enabled", false);
        let told = put_in_force(&site);
        assert!(!told.contains("until the next start"), "{told}");
        site = site.with("ios.enabled", true);
        put_in_force(&site);
        assert_eq!(daemon.push(&batch(10 + number..11 + number)).status, 200);
    }
    wait_until("the rest", || {
        daemon.stat().number("/ios/push_success") == 10
    });
    daemon.settle();
    let succeeded = ids(&site.access_log(), "succeeded-push");
    check_same(&succeeded[..7], &accepted);
    assert_eq!(succeeded.len(), 10);
}

#[test]
fn without_a_journal_a_lane_that_is_disabled_sends_first_what_it_has() {
    let simulated = Simulated::start();
    let site = with_control(Site::simulated(&simulated.simulator))
        .without_journal()
        .with("ios.rate", 10)
        .with("ios.retry_max", 1);
    let daemon = site.start();
    let accepted = daemon.push(&batch(0..20)).accepted_ids();
    let refused = json!([{"platform": 1, "token": ["0bad503000"], "message": "m"}]);
    daemon.push(&json!({"notifications": refused}));
    let site = site.with("ios.enabled", false);
    let told = put_in_force(&site);
    assert!(
        told.contains(" first, since no journal keeps what it has\n"),
        "{told}"
    );
    let reply = daemon.push(&batch(30..31));
    assert_eq!(reply.accepted_ids(), [0; 0]);
    wait_until("all to be sent", || {
        daemon.stat().number("/ios/push_success") == 20
    });
    wait_until("what is refused to fail", || {
        daemon.stat().number("/ios/push_error") == 1
    });
    assert_eq!(simulated.received()["0bad503000"], 2, "it is tried again");
    let site = site.with("ios.enabled", true);
    put_in_force(&site);
    assert_eq!(daemon.push(&batch(40..41)).accepted_ids().len(), 1);
    wait_until("the next one", || {
        daemon.stat().number("/ios/push_success") == 21
    });
    daemon.settle();
    let succeeded = ids(&site.access_log(), "succeeded-push");
    check_same(&succeeded[..20], &accepted);
}

#[test]
fn a_lane_whose_credential_cannot_be_used_is_not_enabled() {
    let site = with_control(Site::unreachable()).with("android.enabled", false);
    let daemon = site.start();
    let site = site
        .with("android.enabled", true)
        .with_path("android.service_account_path", "none.json");
    site.write_config();
    let output = super::reload(&site, &["--wait"]);
    assert_eq!(output.status.code(), Some(78));
    let health = daemon.request("GET", "/healthz", b"").json();
    assert_eq!(health["lanes"], json!({"ios": {"state": "open"}}));
}
