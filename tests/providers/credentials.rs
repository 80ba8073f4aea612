//! Credentials that the provider refuses, or that it revokes.

use std::fs;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use sterna::simulator::Provider;

use crate::batch;
use crate::harness::lines::{check_same, ids};
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::{credentials, fcm_token, hex_token, wait_until};

#[test]
fn a_credential_that_is_refused_fails_the_push_and_alarms() {
    // Another key under the id that Apple knows.
    check_stopped(&hex_token(1), 403, "InvalidProviderToken", |site| {
        fs::write(site.path("x.p8"), credentials::signing_key()).unwrap();
        site.with_path("ios.token_auth_key_path", "x.p8")
    });
    // A key id that Apple does not know.
    check_stopped(&hex_token(2), 403, "InvalidProviderToken", |site| {
        site.with_text("ios.token_auth_key_id", "STERNAKEY9")
    });
    // An app of another team.
    check_stopped(&hex_token(3), 400, "TopicDisallowed", |site| {
        site.with_text("ios.topic", "org.example.other")
    });
    // A key for the other environment, as the simulator pretends for this device token.
    check_stopped("0bad4033", 403, "BadEnvironmentKeyIdInToken", |site| site);
}

/// Each with a simulator of its own: a second daemon with the same key in twenty minutes would
/// itself be refused.
fn check_stopped(token: &str, status: u64, reason: &str, spoil: impl FnOnce(Site) -> Site) {
    let simulated = Simulated::start();
    let site = spoil(Site::simulated(&simulated.simulator));
    let daemon = site.start();
    let body = json!({"notifications": [{"platform": 1, "message": "m", "token": [token]}]});
    let accepted = daemon.push(&body).accepted_ids();
    daemon.settle();
    let log = site.error_log();
    check_same(&ids(&log, "failed-push"), &accepted);
    assert_eq!(log[0].number("status"), Some(status), "{}", log[0].text);
    assert_eq!(log[0].text_of("reason"), reason);
    check_alarm(&site, reason);
    assert_eq!(simulated.counts().accepted, 0);
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
    let site = Site::simulated(&simulated.simulator)
        .without_journal()
        .by_certificate(&simulated.simulator)
        .with_path("ios.pem_cert_path", "other.pem")
        .with_path("ios.pem_key_path", "other.key")
        .with("core.shutdown_timeout", 0);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["org.example.other".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    fs::write(site.path("other.pem"), certificate.pem()).unwrap();
    fs::write(site.path("other.key"), key.serialize_pem()).unwrap();
    let daemon = site.start();
    let body = json!({"notifications": [{"platform": 1, "message": "m", "token": [hex_token(1)]}]});
    let accepted = daemon.push(&body).accepted_ids();
    let told = |times: usize| {
        wait_until("the refusal to be told", || {
            let log = site.operator_log();
            let mut told = log.lines().filter(|line| line.contains("BadCertificate"));
            told.clone().all(|line| line.contains("[ERROR]")) && told.nth(times - 1).is_some()
        });
        Instant::now()
    };
    let first = told(1);
    let waited = told(2).duration_since(first);
    assert!(waited > Duration::from_millis(300), "{waited:?}");
    assert_eq!(daemon.terminate(), 75);
    check_same(&ids(&site.error_log(), "failed-push"), &accepted);
    assert_eq!(simulated.counts().accepted, 0);
}

#[test]
fn an_access_token_that_is_revoked_is_replaced_once_for_all_threads() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with("core.workers", 4);
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
