//! Credentials that are replaced while callers push.

use std::fs;

use serde_json::json;

use super::load::Load;
use super::{put_in_force, with_control};
use crate::harness::daemon::Daemon;
use crate::harness::documents;
use crate::harness::lines::{check_same, ids};
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::{hex_token, wait_until};

/// Waits until the load has got some further.
fn go_on(simulated: &Simulated) {
    let accepted = simulated.counts().accepted + 20;
    wait_until("pushes to be taken", || {
        simulated.counts().accepted >= accepted
    });
}

#[test]
fn credentials_change_under_load_and_nothing_fails() {
    let simulated = Simulated::start();
    let keys = &simulated.simulator.credentials().signing_keys;
    let mut site = with_control(Site::simulated(&simulated.simulator));
    let state = site.path("state");
    fs::create_dir(&state).unwrap();
    let mut command = site.command(&[]);
    command.env("STATE_DIRECTORY", &state);
    let daemon = Daemon::start(command, &site.path("operator.log"));
    let load = Load::begin(&daemon);
    go_on(&simulated);

    // Another key of the team.
    site = site
        .with_text("ios.token_auth_key_path", keys[1].path.to_str().unwrap())
        .with_text("ios.token_auth_key_id", &keys[1].id);
    let told = put_in_force(&site);
    assert!(told.contains("applied: ios.token_auth_key_id = "), "{told}");
    assert!(
        told.contains("applied: ios: new connections from now on"),
        "{told}"
    );
    go_on(&simulated);

    // The same service account in another file.
    let account = &simulated.simulator.credentials().service_account_path;
    fs::copy(account, site.path("account.json")).unwrap();
    site = site.with_path("android.service_account_path", "account.json");
    let told = put_in_force(&site);
    assert!(
        told.contains("applied: android: new connections from now on"),
        "{told}"
    );
    go_on(&simulated);

    // A client certificate in the key's place.
    site = site.by_certificate(&simulated.simulator);
    let told = put_in_force(&site);
    assert!(
        told.contains("new connections from now on, with pem_cert_path "),
        "{told}"
    );
    go_on(&simulated);

    let accepted = load.end();
    daemon.settle();
    check_same(&ids(&site.access_log(), "succeeded-push"), &accepted);
    assert!(site.error_log().is_empty(), "{:?}", site.error_log());
    let counts = simulated.counts();
    assert_eq!((counts.doubled, counts.lost), (0, 0));
    assert_eq!(counts.accepted, accepted.len() as u64);
}

#[test]
fn a_key_that_is_replaced_in_its_file_is_used_after_a_reload() {
    let simulated = Simulated::start();
    let keys = &simulated.simulator.credentials().signing_keys;
    let site = with_control(Site::simulated(&simulated.simulator));
    fs::copy(&keys[0].path, site.path("key.p8")).unwrap();
    let site = site.with_path("ios.token_auth_key_path", "key.p8");
    let daemon = site.start();
    assert_eq!(put_in_force(&site), "nothing has changed\n");
    // Only spaces, but the file is another.
    let key = fs::read_to_string(&keys[0].path).unwrap();
    fs::write(site.path("key.p8"), format!("\n{key}")).unwrap();
    let told = put_in_force(&site);
    assert!(
        told.contains("applied: ios: new connections from now on"),
        "{told}"
    );
    let line = told.lines().find(|line| line.contains("new connections"));
    let path = site.path("key.p8").display().to_string();
    let line = line.unwrap().replace(&path, "/etc/sterna/key.p8");
    assert!(documents::shows(&line), "{line}");
    assert_eq!(daemon.terminate(), 0);
}

#[test]
fn a_lane_that_is_held_for_its_topic_goes_on_with_the_right_one() {
    let simulated = Simulated::start();
    let topic = simulated.simulator.credentials().topic.clone();
    let site = with_control(Site::simulated(&simulated.simulator))
        .with_text("ios.topic", "org.example.wrong");
    let daemon = site.start();
    let tokens: Vec<String> = (0..10).map(hex_token).collect();
    let body = json!({"notifications": [{"platform": 1, "message": "m", "token": tokens}]});
    let accepted = daemon.push(&body).accepted_ids();
    wait_until("the lane to be held", || {
        site.operator_log().contains("TopicDisallowed")
    });
    let site = site.with_text("ios.topic", &topic);
    put_in_force(&site);
    daemon.settle();
    check_same(&ids(&site.access_log(), "succeeded-push"), &accepted);
    assert!(site.error_log().is_empty());
}
