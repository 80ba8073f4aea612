//! Credentials that the provider refuses, or that it revokes.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use serde_json::{Value, json};
use sterna::simulator::Provider;

use super::batch;
use crate::harness::daemon::Daemon;
use crate::harness::lines::{check_same, ids};
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, run, sterna};
use crate::harness::{credentials, each, fcm_token, hex_token, wait_for, wait_until};

#[test]
fn a_credential_that_is_refused_holds_the_lane_and_alarms_once() {
    type Case = (String, &'static str, fn(Site) -> Site);
    let cases: [Case; 4] = [
        // Another key under the id that Apple knows.
        (hex_token(1), "InvalidProviderToken", |site| {
            fs::write(site.path("x.p8"), credentials::signing_key()).unwrap();
            site.with_path("ios.token_auth_key_path", "x.p8")
        }),
        // A key id that Apple does not know.
        (hex_token(2), "InvalidProviderToken", |site| {
            site.with_text("ios.token_auth_key_id", "STERNAKEY9")
        }),
        // An app of another team.
        (hex_token(3), "TopicDisallowed", |site| {
            site.with_text("ios.topic", "org.example.other")
        }),
        // A key for the other environment, as the simulator pretends for this device token.
        (
            "0bad4033".to_owned(),
            "BadEnvironmentKeyIdInToken",
            |site| site,
        ),
    ];
    each(&cases, |(token, reason, spoil)| {
        check_held(token, reason, *spoil);
    });
}

/// Each with a simulator of its own: a second daemon with the same key in twenty minutes would
/// itself be refused.
fn check_held(token: &str, reason: &str, spoil: fn(Site) -> Site) {
    let simulated = Simulated::start();
    let site = spoil(Site::simulated(&simulated.simulator))
        .without_journal()
        .with("core.shutdown_timeout", 0)
        .with("core.probe_interval", 1);
    let daemon = site.start();
    let body = json!({"notifications": [{"platform": 1, "message": "m", "token": [token]}]});
    let accepted = daemon.push(&body).accepted_ids();
    // A probe later it is still there, and the alarm has not been repeated.
    wait_until("a probe", || site.operator_log().contains(" stays held: "));
    assert_eq!(daemon.stat().number("/queue_usage"), 1);
    let health = daemon.request("GET", "/healthz", b"").json();
    let stat = daemon.request("GET", "/stat/app", b"").json();
    for shown in [&health["lanes"]["ios"], &stat["lanes"]["ios"]] {
        assert_eq!(shown["state"], "held", "{shown}");
        assert_eq!(shown["reason"], reason, "{shown}");
    }
    assert_eq!(daemon.terminate(), 75);
    let told = site.operator_log();
    let of_it = |line: &&str| line.contains("[ERROR]") && line.contains(reason);
    let alarms: Vec<_> = told.lines().filter(of_it).collect();
    assert_eq!(alarms.len(), 1, "{told}");
    for part in [
        "ios: the lane is held",
        "token_auth_key_path",
        "key id STERNAKEY",
    ] {
        assert!(alarms[0].contains(part), "{}", alarms[0]);
    }
    let log = site.error_log();
    check_same(&ids(&log, "failed-push"), &accepted);
    assert_eq!(log[0].text_of("reason"), "shutdown");
    assert_eq!(simulated.counts().accepted, 0);
}

#[test]
fn a_key_that_is_mended_in_its_place_lets_every_push_succeed() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .with_path("ios.token_auth_key_path", "x.p8")
        .with("core.probe_interval", 1);
    fs::write(site.path("x.p8"), credentials::signing_key()).unwrap();
    let daemon = site.start();
    let mut accepted = daemon.push(&ios_batch(0, 100)).accepted_ids();
    check_alarm(&site, "the lane is held");
    // A file that is no key leaves the one before in use, and is told.
    fs::write(site.path("x.p8"), "no key").unwrap();
    check_alarm(&site, "x.p8: the file is not a .p8 file");
    accepted.extend(daemon.push(&ios_batch(100, 100)).accepted_ids());
    let [right, _] = &simulated.simulator.credentials().signing_keys;
    fs::copy(&right.path, site.path("x.p8")).unwrap();
    check_resumed(&simulated, &site, daemon, &accepted);
}

#[test]
fn a_certificate_that_is_mended_in_its_place_lets_every_push_succeed() {
    let simulated = Simulated::start();
    let site = with_other_certificate(&simulated)
        .with("ios.retry_max", 0)
        .with("core.probe_interval", 1);
    let daemon = site.start();
    let accepted = daemon.push(&ios_batch(0, 100)).accepted_ids();
    check_alarm(&site, "the lane is held");
    let credentials = simulated.simulator.credentials();
    fs::copy(&credentials.client_certificate_path, site.path("other.pem")).unwrap();
    fs::copy(&credentials.client_key_path, site.path("other.key")).unwrap();
    check_resumed(&simulated, &site, daemon, &accepted);
}

#[test]
fn a_service_account_that_is_mended_in_its_place_lets_every_push_succeed() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .with_path("android.service_account_path", "other.json")
        .with("core.probe_interval", 1);
    let account = credentials::service_account(&simulated.simulator.addresses().token_url());
    fs::write(site.path("other.json"), account).unwrap();
    let daemon = site.start();
    check_alarm(&site, "the lane is held");
    let tokens: Vec<String> = (0..100).map(fcm_token).collect();
    let body = json!({"notifications": [{"platform": 2, "message": "m", "token": tokens}]});
    let accepted = daemon.push(&body).accepted_ids();
    let right = &simulated.simulator.credentials().service_account_path;
    fs::copy(right, site.path("other.json")).unwrap();
    check_resumed(&simulated, &site, daemon, &accepted);
}

/// The lane opens by itself, once, and whatever waited is sent.
fn check_resumed(simulated: &Simulated, site: &Site, daemon: Daemon, accepted: &[u64]) {
    daemon.settle();
    check_same(&ids(&site.access_log(), "succeeded-push"), accepted);
    assert!(site.error_log().is_empty(), "{:?}", site.error_log());
    let told = site.operator_log();
    let opened = told
        .lines()
        .filter(|line| line.contains(" is taken again, "));
    assert_eq!(opened.count(), 1, "{told}");
    let counts = simulated.counts();
    assert_eq!((counts.doubled, counts.lost), (0, 0));
    assert_eq!(counts.accepted, accepted.len() as u64);
}

fn ios_batch(first: u64, count: u64) -> Value {
    let tokens: Vec<String> = (first + 1..=first + count).map(hex_token).collect();
    json!({"notifications": [{"platform": 1, "message": "m", "token": tokens}]})
}

#[test]
fn a_restart_goes_on_with_the_auth_token_and_shows_it_to_its_owner_only() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let state = site.path("journal");
    let mut kept = Vec::new();
    for first in [0, 10] {
        let daemon = site.start();
        daemon.push(&ios_batch(first, 10)).accepted_ids();
        daemon.settle();
        let files = fs::read_dir(&state).unwrap().map(Result::unwrap);
        let is_kept = |file: &fs::DirEntry| file.file_name().to_string_lossy().starts_with("apns-");
        let files: Vec<_> = files.filter(is_kept).collect();
        assert_eq!(files.len(), 1, "{files:?}");
        assert_eq!(files[0].metadata().unwrap().mode() & 0o777, 0o600);
        kept.push(fs::read(files[0].path()).unwrap());
    }
    assert_eq!(kept[0], kept[1], "no other token has come into use");
    let told = site.operator_log();
    assert!(told.contains("going on with the auth token"), "{told}");
    assert!(!told.contains("[ERROR]"), "{told}");
    assert_eq!(simulated.counts().accepted, 20);
}

/// The operator log has an error with that word, and no device token.
fn check_alarm(site: &Site, word: &str) {
    wait_until(&format!("an alarm about {word}"), || {
        let told = site.operator_log();
        told.lines()
            .any(|line| line.contains("[ERROR]") && line.contains(word))
    });
}

#[test]
fn a_service_account_that_is_refused_keeps_its_pushes_waiting_and_alarms() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .without_journal()
        .with_path("android.service_account_path", "other.json")
        .with("core.shutdown_timeout", 0);
    let account = credentials::service_account(&simulated.simulator.addresses().token_url());
    fs::write(site.path("other.json"), account).unwrap();
    let daemon = site.start();
    let accepted = daemon.push(&batch(0, 3)).accepted_ids();
    let (ios, android) = accepted.split_at(3);
    check_alarm(&site, "invalid_grant");
    wait_until("iOS to go on", || {
        daemon.stat().number("/ios/push_success") == 3
    });
    assert_eq!(daemon.stat().number("/queue_usage"), 3);
    assert_eq!(daemon.terminate(), 75);
    check_same(&ids(&site.access_log(), "succeeded-push"), ios);
    let log = site.error_log();
    check_same(&ids(&log, "failed-push"), android);
    assert!(log.iter().all(|line| line.text_of("reason") == "shutdown"));
    assert_eq!(simulated.simulator.counts_of(Provider::Fcm).received, 0);
}

#[test]
fn a_client_certificate_that_is_refused_alarms_and_does_not_hammer() {
    let simulated = Simulated::start();
    let site = with_other_certificate(&simulated).with("core.shutdown_timeout", 0);
    let daemon = site.start();
    let body = json!({"notifications": [{"platform": 1, "message": "m", "token": [hex_token(1)]}]});
    let accepted = daemon.push(&body).accepted_ids();
    check_alarm(&site, "GOAWAY BadCertificate");
    assert_eq!(daemon.stat().number("/queue_usage"), 1);
    assert_eq!(daemon.terminate(), 75);
    let told = site.operator_log();
    let errors = told.lines().filter(|line| line.contains("[ERROR]"));
    let errors = errors.filter(|line| line.contains("BadCertificate"));
    assert_eq!(errors.count(), 1, "{told}");
    assert!(told.contains("other.pem"), "{told}");
    check_same(&ids(&site.error_log(), "failed-push"), &accepted);
    assert_eq!(simulated.counts().accepted, 0);
}

/// With a certificate of nobody's, in files of the site.
fn with_other_certificate(simulated: &Simulated) -> Site {
    let site = Site::simulated(&simulated.simulator)
        .without_journal()
        .by_certificate(&simulated.simulator)
        .with_path("ios.pem_cert_path", "other.pem")
        .with_path("ios.pem_key_path", "other.key");
    credentials::write_certificate(&site.path("other.pem"), &site.path("other.key"));
    site
}

#[test]
fn an_access_token_that_is_revoked_is_replaced_once_for_all_threads() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .with("core.workers", 4)
        .with("android.retry_max", 0);
    let daemon = site.start();
    let push = |first: u64| {
        let tokens: Vec<String> = (first..first + 200).map(fcm_token).collect();
        let body = json!({"notifications": [{"platform": 2, "message": "m", "token": tokens}]});
        let accepted = daemon.push(&body).accepted_ids();
        daemon.wait_idle();
        accepted
    };
    let mut accepted = push(0);
    assert_eq!(simulated.counts().access_tokens, 1);
    simulated.simulator.revoke_access_tokens();
    accepted.extend(push(200));
    assert_eq!(simulated.counts().access_tokens, 2);
    daemon.settle();
    check_same(&ids(&site.access_log(), "succeeded-push"), &accepted);
    assert!(site.error_log().is_empty());
    let counts = simulated.counts();
    assert_eq!((counts.accepted, counts.doubled, counts.lost), (400, 0, 0));
}

/// APNs does not say what time it is; Google does, and the token endpoint has just done so.
#[test]
fn a_refusal_of_what_a_wrong_clock_has_signed_names_the_clock() {
    let cases = [
        (690, "0bad4030", "InvalidProviderToken", "11 minutes behind"),
        (7_800, "ab", "ExpiredProviderToken", "2 hours behind"),
    ];
    each(&cases, |(behind, token, reason, apart)| {
        let simulated = Simulated::start();
        let site = Site::simulated(&simulated.simulator)
            .without_journal()
            .with("core.shutdown_timeout", 0);
        let clock = behind.to_string();
        let mut command = site.command(&[]);
        command.env("STERNA_CLOCK_BEHIND", &clock);
        let daemon = Daemon::start(command, &site.path("operator.log"));
        // What FCM takes was asked for by its own clock.
        let push = json!({"platform": 2, "message": "m", "token": [fcm_token(1)]});
        assert_eq!(daemon.push(&json!({"notifications": [push]})).status, 200);
        wait_until("the push to Android", || {
            daemon.stat().number("/android/push_success") == 1
        });
        let push = json!({"platform": 1, "message": "m", "token": [token]});
        let push = json!({"notifications": [push]});
        assert_eq!(daemon.push(&push).status, 200);
        let held = wait_for("the lane to be held", || {
            let stat = daemon.request("GET", "/stat/app", b"").json();
            (stat["lanes"]["ios"]["state"] == "held").then_some(stat)
        });
        assert_eq!(held["lanes"]["ios"]["reason"], *reason);
        let text = held["lanes"]["ios"]["error"].as_str().unwrap();
        let named = format!("this machine's clock is {apart} the provider's; set it");
        assert!(text.contains(&named), "{text}");
        daemon.terminate();
        let mut command = sterna();
        command.args(["check", "--online", "-c"]);
        command.arg(site.write_config());
        command.env("STERNA_CLOCK_BEHIND", &clock);
        let told = run(command);
        let told = String::from_utf8_lossy(&[told.stdout, told.stderr].concat()).into_owned();
        let named = format!("this machine's clock is {apart} the provider's");
        let about = |what: &str| {
            told.lines()
                .any(|it| it.contains(what) && it.contains(&named))
        };
        assert!(about("warning: "), "{told}");
        // The other token is one that only the simulator refuses.
        let is_refused = *reason == "ExpiredProviderToken";
        assert_eq!(about(reason), is_refused, "{told}");
    });
}
