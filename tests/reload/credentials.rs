//! Credentials that are replaced while callers push.

use std::fs;
use std::sync::Arc;

use serde_json::json;

use super::load::Load;
use super::{put_in_force, with_control};
use crate::harness::daemon::Daemon;
use crate::harness::documents;
use crate::harness::lines::{check_same, ids};
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::{credentials, each, hex_token, wait_for, wait_until};

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
    check_changes(&site, &told, "ios", &keys[1].id);
    // Whoever has gone over needs the old one no more.
    simulated.simulator.revoke_signing_key(&keys[0].id);
    go_on(&simulated);

    // The same service account in another file.
    let account = &simulated.simulator.credentials().service_account_path;
    fs::copy(account, site.path("account.json")).unwrap();
    site = site.with_path("android.service_account_path", "account.json");
    let told = put_in_force(&site);
    check_changes(&site, &told, "android", "account.json");
    go_on(&simulated);

    // A client certificate in the key's place.
    site = site.by_certificate(&simulated.simulator);
    let told = put_in_force(&site);
    check_changes(&site, &told, "ios", "pem_cert_path");
    simulated.simulator.revoke_signing_key(&keys[1].id);
    go_on(&simulated);

    let accepted = load.end();
    daemon.settle();
    check_same(&ids(&site.access_log(), "succeeded-push"), &accepted);
    assert!(site.error_log().is_empty(), "{:?}", site.error_log());
    let counts = simulated.counts();
    assert_eq!((counts.doubled, counts.lost), (0, 0));
    assert_eq!(counts.accepted, accepted.len() as u64);
}

/// The reload says that a lane goes over to the credential of that name, and it does.
fn check_changes(site: &Site, told: &str, lane: &str, name: &str) {
    let begins = format!(
        "applied: {lane}: the old credential stays in use until a push was taken with the new one, "
    );
    let mut lines = told.lines().filter(|it| it.starts_with(&begins));
    assert!(lines.any(|it| it.contains(name)), "{told}");
    let taken = format!("{lane}: the new credential is taken, and used from now on: ");
    wait_until(&format!("{name} to be taken"), || {
        let told = site.operator_log();
        let mut lines = told.lines().filter(|line| line.contains(&taken));
        lines.any(|line| line.split("; the old one").next().unwrap().contains(name))
    });
}

/// A credential that is to be used by the default app, and is refused.
type Refused = (&'static str, &'static str, fn(Site, &Simulated) -> Site);

#[test]
fn a_new_credential_that_is_refused_costs_no_push() {
    let cases: [Refused; 3] = [
        ("ios", "403 InvalidProviderToken", |site, simulated| {
            let [_, key] = &simulated.simulator.credentials().signing_keys;
            site.with_text("ios.token_auth_key_path", key.path.to_str().unwrap())
                .with_text("ios.token_auth_key_id", "STERNAKEY9")
        }),
        ("ios", "GOAWAY BadCertificate", |site, _| {
            credentials::write_certificate(&site.path("other.pem"), &site.path("other.key"));
            site.with_pem("other.pem", "other.key")
        }),
        ("android", "invalid_grant", |site, simulated| {
            let token_url = simulated.simulator.addresses().token_url();
            let account = credentials::service_account(&token_url);
            let account = account.replacen("\"example-project\"", "\"sterna-simulated\"", 1);
            fs::write(site.path("other.json"), account).unwrap();
            site.with_path("android.service_account_path", "other.json")
        }),
    ];
    each(&cases, |(lane, word, spoil)| {
        let simulated = Simulated::start();
        let site = with_control(Site::simulated(&simulated.simulator))
            .with("core.probe_interval", 1)
            .with("ios.retry_max", 0)
            .with("android.retry_max", 0);
        let daemon = site.start();
        let load = Load::begin(&daemon);
        go_on(&simulated);
        let site = spoil(site, &simulated);
        put_in_force(&site);
        let refuses = format!("{lane}: ");
        let told = wait_for("the refusal to be told", || {
            let told = site.operator_log();
            let of_it = |line: &&str| line.contains("[ERROR]") && line.contains(&refuses);
            let line = told.lines().find(of_it).map(str::to_owned);
            line.filter(|line| line.contains("refuses the new credential"))
        });
        assert!(told.contains(word) && told.contains(" In use: "), "{told}");
        go_on(&simulated);
        let again = format!("{lane}: ");
        wait_until("another try", || {
            let told = site.operator_log();
            let mut lines = told.lines().filter(|line| line.contains("[WARN]"));
            lines.any(|line| line.contains(&again) && line.contains("refuses the new credential"))
        });
        let stat = daemon.request("GET", "/stat/app", b"").json();
        assert_eq!(stat["lanes"][lane]["state"], "open", "{stat}");
        for key in ["credential", "new_credential", "new_credential_reason"] {
            assert!(stat["lanes"][lane][key].is_string(), "{key}: {stat}");
        }
        let accepted = load.end();
        daemon.settle();
        check_same(&ids(&site.access_log(), "succeeded-push"), &accepted);
        assert!(site.error_log().is_empty(), "{:?}", site.error_log());
        assert_eq!(simulated.counts().doubled, 0);
        let told = site.operator_log();
        let errors = told.lines().filter(|line| line.contains("[ERROR]"));
        assert_eq!(errors.count(), 1, "{told}");
    });
}

#[test]
fn a_new_key_for_another_topic_takes_the_place_of_none() {
    let simulated = Simulated::with(|options| {
        let credentials = Arc::get_mut(&mut options.credentials).unwrap();
        credentials.other_topics = vec!["com.other".to_owned()];
        credentials.signing_keys[1].topics = vec!["com.other".to_owned()];
    });
    let [_, key] = &simulated.simulator.credentials().signing_keys;
    let site = with_control(Site::simulated(&simulated.simulator)).with("core.probe_interval", 1);
    let daemon = site.start();
    let push = |number: u64, topic: Option<&str>| {
        let mut push = json!({"platform": 1, "message": "m", "token": [hex_token(number)]});
        if let Some(topic) = topic {
            push["topic"] = json!(topic);
        }
        let accepted = daemon
            .push(&json!({"notifications": [push]}))
            .accepted_ids();
        daemon.wait_idle();
        accepted
    };
    let mut accepted = push(1, None);
    let site = site
        .with_text("ios.token_auth_key_path", key.path.to_str().unwrap())
        .with_text("ios.token_auth_key_id", &key.id);
    put_in_force(&site);
    // That it is taken for this topic says nothing of the configured one.
    accepted.extend(push(2, Some("com.other")));
    accepted.extend(push(3, None));
    accepted.extend(push(4, Some("com.other")));
    let told = site.operator_log();
    assert!(
        told.contains("ios: APNs refuses the new credential"),
        "{told}"
    );
    assert!(!told.contains("the new credential is taken"), "{told}");
    check_same(&ids(&site.access_log(), "succeeded-push"), &accepted);
    let by_new = simulated
        .notes()
        .into_iter()
        .filter(|note| note.status != 200);
    assert_eq!(
        by_new.count(),
        1,
        "one push was refused, and went by the old key"
    );
    assert_eq!(daemon.terminate(), 0);
}

#[test]
fn an_old_key_that_the_file_names_serves_over_a_restart_until_it_is_removed() {
    let simulated = Simulated::start();
    let [old, new] = &simulated.simulator.credentials().signing_keys;
    let site = with_control(Site::simulated(&simulated.simulator))
        .with_text("ios.token_auth_old_key_path", old.path.to_str().unwrap())
        .with_text("ios.token_auth_old_key_id", &old.id)
        .with_text("ios.token_auth_key_path", new.path.to_str().unwrap())
        .with_text("ios.token_auth_key_id", "STERNAKEY9");
    let push = |daemon: &Daemon, number: u64| {
        let push = json!({"platform": 1, "message": "m", "token": [hex_token(number)]});
        let accepted = daemon
            .push(&json!({"notifications": [push]}))
            .accepted_ids();
        daemon.wait_idle();
        accepted
    };
    let daemon = site.start();
    let mut accepted = push(&daemon, 1);
    let told = site.operator_log();
    let error = told.lines().find(|line| line.contains("[ERROR]")).unwrap();
    for part in [
        "ios: APNs refuses the new credential",
        "key id STERNAKEY9",
        &old.id,
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert!(!error.contains("A restart would"), "{error}");
    assert_eq!(daemon.terminate(), 0);
    // Mended.
    let site = site.with_text("ios.token_auth_key_id", &new.id);
    let daemon = site.start();
    accepted.extend(push(&daemon, 2));
    accepted.extend(push(&daemon, 3));
    let told = site.operator_log();
    assert!(told.contains("ios: the new credential is taken"), "{told}");
    // It is one that is wrong after all, and the old one's lines go.
    let site = site.with_text("ios.token_auth_key_id", "STERNAKEY9");
    put_in_force(&site);
    accepted.extend(push(&daemon, 4));
    let site = site
        .without("ios.token_auth_old_key_path")
        .without("ios.token_auth_old_key_id");
    let told = put_in_force(&site);
    assert!(
        told.contains("applied: ios: the new signing key is used from now on, though no push"),
        "{told}"
    );
    let stat = daemon.request("GET", "/stat/app", b"").json();
    let in_use = stat["lanes"]["ios"]["credential"].as_str().unwrap();
    assert!(in_use.contains("STERNAKEY9"), "{stat}");
    check_same(&ids(&site.access_log(), "succeeded-push"), &accepted);
    assert!(site.error_log().is_empty());
    assert_eq!(daemon.terminate(), 0);
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
    let line = told
        .lines()
        .find(|line| line.contains("the old credential stays"));
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
