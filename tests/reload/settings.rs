//! Settings that take effect, and those that wait for a restart.

use std::fs;

use serde_json::{Value, json};

use super::{put_in_force, with_control};
use crate::harness::daemon::Daemon;
use crate::harness::http::Client;
use crate::harness::lines::{check_same, ids};
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, read_text};
use crate::harness::{fcm_token, hex_token, wait_until};

fn config(daemon: &Daemon) -> Value {
    let reply = daemon.request("GET", "/config", b"");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.field("Content-Type"), Some("application/json"));
    reply.json()
}

fn pushes(count: u64) -> Value {
    let one = |n| json!({"platform": 1, "message": "m", "token": [hex_token(n)]});
    json!({"notifications": (0..count).map(one).collect::<Vec<_>>()})
}

#[test]
fn limits_change_for_the_next_request() {
    let site = with_control(Site::unreachable()).with("core.shutdown_timeout", 600);
    let daemon = site.start();
    assert_eq!(daemon.push(&pushes(3)).status, 200);
    let site = site
        .with("core.notification_max", 5)
        .with("core.queues", 4)
        .with("core.max_body_bytes", 4096)
        .with("core.max_connections", 3)
        .with("core.allows_empty_message", true)
        .with("core.shutdown_timeout", 0)
        .with_text("log.level", "debug");
    let told = put_in_force(&site);
    for line in [
        "applied: core.notification_max = 5 (was 100)\n",
        "applied: core.queues = 4 (was 1000000)\n",
        "applied: core.max_body_bytes = 4096 (was 8388608)\n",
        "applied: core.shutdown_timeout = 0 (was 600)\n",
        "applied: log.level = \"debug\" (was \"info\")\n",
    ] {
        assert!(told.contains(line), "{told}");
        let line = format!("reload: {line}");
        wait_until(&line, || site.operator_log().contains(&line));
    }
    let reply = daemon.push(&pushes(6));
    assert_eq!(reply.status, 400);
    assert!(
        reply.message().contains("over limit(5)"),
        "{}",
        reply.text()
    );
    let reply = daemon.push(&pushes(5));
    assert_eq!(reply.status, 413, "{}", reply.text());
    // Three of four are in the queue still.
    assert_eq!(daemon.push(&pushes(2)).status, 503);
    let empty = json!({"notifications": [{"platform": 1, "message": "", "token": ["ab"]}]});
    assert_eq!(daemon.push(&empty).status, 200);
    let reply = daemon.request("POST", "/push", &vec![b' '; 4097]);
    assert_eq!(reply.status, 413);
    // Each comes in the place of the one before it, which waits the longest.
    let mut clients: Vec<Client> = (0..4).map(|_| daemon.client()).collect();
    assert_eq!(daemon.request("GET", "/healthz", b"").status, 200);
    assert!(clients[0].ends());
    drop(clients);
    let shown = config(&daemon);
    assert_eq!(shown["core"]["queues"], 4);
    assert_eq!(shown["log"]["level"], "debug");
    // The time to shut down has changed too: it ends at once, the pushes are kept.
    assert_eq!(daemon.terminate(), 0);
    assert_eq!(put_in_force_twice(), "nothing has changed\n");
}

/// The level of the operator log shows who connects, and what it does not show.
#[test]
fn the_level_is_another_and_what_has_not_changed_is_not_touched() {
    let simulated = Simulated::start();
    let site = with_control(Site::simulated(&simulated.simulator)).with("core.workers", 1);
    let daemon = site.start();
    let push = |daemon: &Daemon, number| {
        let body = json!({"notifications": [
            {"platform": 1, "message": "m", "token": [hex_token(number)]},
            {"platform": 2, "message": "m", "token": [fcm_token(number)]},
        ]});
        assert_eq!(daemon.push(&body).status, 200);
        daemon.wait_idle();
    };
    push(&daemon, 1);
    let site = site.with("core.queues", 5).with_text("log.level", "error");
    put_in_force(&site);
    let site = site
        .with("core.queues", 6)
        .with("core.max_age", 600)
        .with("core.pusher_max", 7)
        .with("core.resend_unknown", false)
        .with("ios.rate", 1000)
        .with("android.retry_max", 3)
        .with_text("log.level", "debug");
    put_in_force(&site);
    push(&daemon, 2);
    assert_eq!(simulated.counts().access_tokens, 1);
    let site = site.with("ios.keepalive_timeout", 60);
    put_in_force(&site);
    push(&daemon, 3);
    assert_eq!(simulated.counts().access_tokens, 1);
    daemon.settle();
    let log = site.operator_log();
    assert!(log.contains("applied: core.queues = 6"), "{log}");
    assert!(!log.contains("applied: core.queues = 5"), "{log}");
    assert_eq!(log.matches(": connected to ").count(), 1, "{log}");
}

/// What the second of two reloads says.
fn put_in_force_twice() -> String {
    let site = with_control(Site::unreachable())
        .without_journal()
        .with("core.queues", 1);
    let _daemon = site.start();
    let site = site.with("core.queues", 2);
    put_in_force(&site);
    put_in_force(&site)
}

#[test]
fn api_keys_are_rotated_without_a_restart() {
    let [old, new] = ["0123456789abcdef-old", "0123456789abcdef-new"];
    let site = with_control(Site::unreachable()).with_path("core.api_key_path", "api-keys");
    fs::write(site.path("api-keys"), old).unwrap();
    let daemon = site.start();
    let ask = |key: &str| {
        let mut client = daemon.client();
        let request = format!(
            "GET /config HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\r\n"
        );
        client.send(request.as_bytes());
        client.reply().status
    };
    assert_eq!((ask(old), ask(new)), (200, 401));
    fs::write(site.path("api-keys"), format!("{old}\n{new}\n")).unwrap();
    put_in_force(&site);
    assert_eq!((ask(old), ask(new)), (200, 200));
    fs::write(site.path("api-keys"), new).unwrap();
    put_in_force(&site);
    assert_eq!((ask(old), ask(new)), (401, 200));
    assert_eq!(daemon.request("GET", "/config", b"").status, 401);
}

#[test]
fn what_needs_a_restart_is_named_and_stays() {
    let site = with_control(Site::unreachable());
    let daemon = site.start();
    let site = site
        .with_text("core.port", "1")
        .with("core.workers", 7)
        .with_path("core.pid", "pid")
        .with("core.queues", 9);
    for _ in 0..2 {
        let told = put_in_force(&site);
        for line in [
            "needs a restart: core.port = 1 (still 0)\n",
            "needs a restart: core.workers = 7 (still 2)\n",
        ] {
            assert!(told.contains(line), "{told}");
        }
        assert!(told.contains("needs a restart: core.pid = "), "{told}");
    }
    let shown = config(&daemon);
    assert_eq!(
        (&shown["core"]["port"], &shown["core"]["queues"]),
        (&json!(0), &json!(9))
    );
    assert!(!site.path("pid").exists());
}

#[test]
fn logs_go_on_in_other_files_and_hide_what_they_are_to_hide() {
    let simulated = Simulated::start();
    let site = with_control(Site::simulated(&simulated.simulator));
    let daemon = site.start();
    let mut accepted = daemon.push(&pushes(1)).accepted_ids();
    daemon.wait_idle();
    let site = site
        .with_path("log.access_log", "access.2")
        .with_path("log.operator_log", "operator.2")
        .with_text("log.hide_token", "yes");
    put_in_force(&site);
    accepted.extend(daemon.push(&pushes(1)).accepted_ids());
    daemon.settle();
    let first = site.access_log();
    let second = crate::harness::lines::read(&site.path("access.2"));
    let settled = [first.clone(), second.clone()].map(|lines| ids(&lines, "succeeded-push"));
    check_same(&settled.concat(), &accepted);
    assert_eq!(settled[1], accepted[1..]);
    assert!(first.iter().any(|line| line.text.contains(&hex_token(0))));
    assert!(second.iter().all(|line| !line.text.contains(&hex_token(0))));
    assert!(read_text(&site.path("operator.2")).contains("applied: log.access_log"));
}

/// More was outstanding at the start than the queue holds: the rest comes after the reload.
#[test]
fn what_is_fed_from_the_journal_later_is_what_was_accepted() {
    let nowhere = Site::unreachable();
    let daemon = nowhere.start();
    assert_eq!(daemon.push(&pushes(4)).status, 200);
    daemon.kill();
    let simulated = Simulated::with(|options| {
        options.faults.latency = std::time::Duration::from_millis(300);
    });
    let site = with_control(Site::simulated(&simulated.simulator))
        .with_journal_of(&nowhere)
        .with("core.workers", 1)
        .with("core.queues", 2);
    let daemon = site.start();
    wait_until("the first to be received", || !simulated.notes().is_empty());
    let site = site.with_text("core.compatible_with", "gaurun");
    put_in_force(&site);
    wait_until("all to be received", || simulated.notes().len() == 4);
    daemon.settle();
    let notes = simulated.notes();
    let mut bodies = notes.iter().map(|note| &note.body);
    assert!(!bodies.any(|body| body.contains("badge")), "{notes:?}");
}

#[test]
fn sigusr1_opens_logs_and_reloads_nothing() {
    let site = with_control(Site::unreachable());
    let daemon = site.start();
    let site = site.with("core.queues", 9);
    site.write_config();
    for (signal, queues) in [("USR1", 1_000_000), ("HUP", 9)] {
        fs::rename(site.path("access.log"), site.path("access.old")).unwrap();
        daemon.signal(signal);
        wait_until("the access log to be there again", || {
            site.path("access.log").exists()
        });
        wait_until("the reload to end", || {
            config(&daemon)["core"]["queues"] == queues
        });
    }
}

#[test]
fn get_config_shows_what_is_in_force_and_no_secret() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .with_text("ios.pem_key_passphrase", "hunter2-hunter2");
    let daemon = site.start_with(&["-q", "77"]);
    let shown = config(&daemon);
    assert_eq!(shown["core"]["queues"], 77);
    assert_eq!(shown["ios"]["topic"], "org.example.sterna");
    assert!(!shown.to_string().contains("hunter2"));
    assert_eq!(daemon.request("PUT", "/config", b"{}").status, 400);
}
