//! From start to end of the process: what keeps it from starting, signals, files that it leaves
//! and removes, and what its exit code says.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test by panicking"
)]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::process::Output;
use std::time::{Duration, Instant};

use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use crate::harness::daemon::Address;
use crate::harness::http::Client;
use crate::harness::lines::{self, check_same, ids};
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, read_text, sterna};
use crate::harness::{fcm_token, hex_token, wait_until};

#[test]
fn a_start_that_fails_says_why_and_which_kind_of_trouble_it_is() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let site = Site::unreachable().with("core.port", taken.port());
    let text = format!("sterna: cannot listen on {taken}: Address already in use");
    check_refused(&site, &[], 69, &text);

    let site = Site::unreachable().with("core.worker", 4);
    let path = site.write_config();
    let place = line_and_column(&read_text(&path), "worker = ");
    let text = format!(
        "error: core.worker: unknown key\n --> {}:{place}\n",
        path.display()
    );
    check_refused(&site, &[], 78, &text);

    let site = Site::unreachable().with("ios.timeout", 0);
    check_refused(&site, &[], 78, "ios.timeout = 0: must be 1 to 600 seconds");

    // A Gaurun site that only swapped the binary.
    let site = Site::unreachable()
        .without("android")
        .with_text("android.apikey", "AIzaSyExample");
    let refused = check_refused(
        &site,
        &[],
        78,
        "Google closed the API that took this key in 2024",
    );
    assert!(
        refused.contains("android.service_account_path"),
        "{refused}"
    );
    assert!(!refused.contains("AIzaSy"), "a secret is told: {refused}");

    let site = Site::unreachable().with_text("core.address", "0.0.0.0");
    check_refused(&site, &[], 78, "allow_unauthenticated = true");

    let site = Site::unreachable().with_path("ios.token_auth_key_path", "none.p8");
    let text = format!(
        "error: ios.token_auth_key_path = {:?}: cannot be read: No such file",
        site.path("none.p8")
    );
    check_refused(&site, &[], 78, &text);

    let site = Site::unreachable();
    fs::write(
        site.path("AuthKey.p8"),
        "-----BEGIN PRIVATE KEY-----\nAAAA\n",
    )
    .unwrap();
    let refused = check_refused(&site, &[], 78, "token_auth_key_path");
    assert!(!refused.contains("AAAA"), "a secret is told: {refused}");

    let site = Site::unreachable();
    fs::write(site.path("service-account.json"), "{}").unwrap();
    check_refused(&site, &[], 78, "service_account_path");

    // An encrypted key: what to do about it is said to the letter.
    let site = Site::unreachable().with_pem("cert.pem", "key.pem");
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::default().self_signed(&key).unwrap();
    fs::write(site.path("cert.pem"), certificate.pem()).unwrap();
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    fs::write(site.path("key.pem"), encrypted).unwrap();
    let path = site.path("key.pem");
    let text = format!(
        "by hand it is decrypted with: openssl pkey -in {} -out ",
        path.display()
    );
    check_refused(&site, &[], 78, &text);

    let site = Site::unreachable().with_path("android.ca_path", "none.pem");
    check_refused(&site, &[], 78, "none.pem");

    for log in ["access_log", "error_log", "operator_log"] {
        let site = Site::unreachable().with_path(&format!("log.{log}"), "none/x.log");
        check_refused(&site, &[], 73, "none/x.log");
    }
    let site = Site::unreachable().with_path("core.pid", "none/pid");
    check_refused(&site, &[], 73, "none does not exist");

    check_refused(&Site::unreachable(), &["-w", "0"], 64, "--workers <N>");
    check_refused(&Site::unreachable(), &["--frobnicate"], 64, "--frobnicate");
}

/// Runs a daemon that must end with this code, having said this and served nobody.
fn check_refused(site: &Site, arguments: &[&str], code: i32, text: &str) -> String {
    let mut command = site.command(arguments);
    command.arg("-q").arg("5");
    let Output { status, stderr, .. } = crate::harness::site::run(command);
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(text), "{text:?} is not in {stderr:?}");
    assert!(!site.operator_log().contains("serves on"));
    assert!(!site.path("core.pid").exists());
    stderr
}

fn line_and_column(text: &str, line_start: &str) -> String {
    let before = text
        .lines()
        .take_while(|line| !line.starts_with(line_start));
    format!("{}:1", before.count() + 1)
}

#[test]
fn the_version_needs_no_configuration() {
    let mut command = sterna();
    command.arg("-v");
    let output = crate::harness::site::run(command);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(concat!("Sterna ", env!("CARGO_PKG_VERSION"), "\n")));
    assert_eq!(text.lines().count(), 3);
}

#[test]
fn other_hosts_may_be_let_in_by_a_decision_that_is_written_down() {
    let site = Site::unreachable()
        .with_text("core.address", "0.0.0.0")
        .with("core.allow_unauthenticated", true);
    let mut daemon = site.start();
    let Address::Tcp(mut address) = daemon.address else {
        unreachable!("it was told a port");
    };
    assert_eq!(address.ip().to_string(), "0.0.0.0");
    address.set_ip([127, 0, 0, 1].into());
    daemon.address = Address::Tcp(address);
    assert_eq!(daemon.request("GET", "/healthz", b"").status, 200);
    assert_eq!(daemon.terminate(), 0);
}

#[test]
fn the_pid_file_is_gauruns_but_locked_and_removed() {
    // With a journal its owner would be named first.
    let site = Site::unreachable()
        .without_journal()
        .with_path("core.pid", "sterna.pid");
    let path = site.path("sterna.pid");
    // Left behind by a process that is gone: longer than our pid will be.
    fs::write(&path, "3999999999").unwrap();
    let daemon = site.start();
    assert_eq!(read_text(&path), daemon.pid().to_string());
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o644
    );

    let second = site.run(&["-p", "0"]);
    assert_eq!(second.status.code(), Some(75));
    let stderr = String::from_utf8(second.stderr).unwrap();
    let text = format!("another instance is running with pid {}", daemon.pid());
    assert!(stderr.contains(&text), "{stderr}");
    assert_eq!(read_text(&path), daemon.pid().to_string());
    assert_eq!(daemon.request("GET", "/healthz", b"").status, 200);

    daemon.signal("TERM");
    assert_eq!(daemon.wait(), 0);
    assert!(!path.exists());

    // A wrong path in the configuration must not cost a file.
    let site = Site::unreachable().with_path("core.pid", "precious");
    fs::write(site.path("precious"), "not a pid\n").unwrap();
    check_refused(&site, &[], 73, "not overwritten");
    assert_eq!(read_text(&site.path("precious")), "not a pid\n");
}

#[test]
fn a_stale_unix_socket_is_removed_and_nothing_else() {
    let site = Site::unreachable().without_journal().on_unix_socket();
    let path = site.path("api.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let daemon = site.start();
    assert_eq!(daemon.request("GET", "/healthz", b"").status, 200);
    let refused = check_refused_at_listening(&site);
    assert!(
        refused.contains("another process is listening there"),
        "{refused}"
    );
    assert_eq!(daemon.request("GET", "/healthz", b"").status, 200);
    daemon.signal("TERM");
    assert_eq!(daemon.wait(), 0);
    assert!(!path.exists());

    fs::write(&path, "precious").unwrap();
    let refused = check_refused_at_listening(&site);
    assert!(
        refused.contains("there is a file that is no socket"),
        "{refused}"
    );
    assert_eq!(read_text(&path), "precious");
}

fn check_refused_at_listening(site: &Site) -> String {
    let output = site.run(&[]);
    assert_eq!(output.status.code(), Some(69));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn logs_are_reopened_after_they_were_renamed_and_no_line_is_lost() {
    let site = Site::unreachable()
        .without_journal()
        .with("core.shutdown_timeout", 0);
    let daemon = site.start();
    let mut accepted = Vec::new();
    for (round, signal) in ["HUP", "USR1"].into_iter().enumerate() {
        accepted.extend(daemon.push(&batch(round as u64)).accepted_ids());
        for log in ["access.log", "error.log", "operator.log"] {
            fs::rename(site.path(log), site.path(&format!("{log}.{round}"))).unwrap();
        }
        // Between rename and reopening the old file goes on.
        accepted.extend(daemon.push(&batch(10)).accepted_ids());
        let renamed = site.path(&format!("access.log.{round}"));
        wait_until("the renamed log to get all lines", || {
            lines::of_kind(&lines::read(&renamed), "accepted-push").count() == 8
        });
        daemon.signal(signal);
        // A reload has made the files before their writers turn to them.
        wait_until("the logs to be opened again", || {
            site.operator_log().contains("log files are opened again")
        });
    }
    accepted.extend(daemon.push(&batch(11)).accepted_ids());

    // A reopening that fails keeps the old file, and tells.
    fs::rename(site.path("access.log"), site.path("access.log.2")).unwrap();
    fs::create_dir(site.path("access.log")).unwrap();
    daemon.signal("HUP");
    wait_until("the failure to be told", || {
        let log = site.operator_log();
        log.contains("[ERROR]")
            && log.contains("access.log")
            && log.contains("log files are opened again, but for those that cannot be")
    });
    accepted.extend(daemon.push(&batch(12)).accepted_ids());
    assert_eq!(daemon.terminate(), 75);

    let files = ["access.log.0", "access.log.1", "access.log.2"].map(|log| site.path(log));
    let logged = files
        .iter()
        .flat_map(|path| ids(&lines::read(path), "accepted-push"));
    check_same(&logged.collect::<Vec<_>>(), &accepted);
}

#[test]
fn sigterm_finishes_what_is_queued_and_answers_503_meanwhile() {
    let simulated = Simulated::with(|options| {
        options.faults.latency = Duration::from_millis(100);
    });
    let site = Site::simulated(&simulated.simulator)
        .with("core.workers", 1)
        .with("core.pusher_max", 1);
    let daemon = site.start();
    // One at a time, a tenth of a second each: over two seconds of work.
    let tokens: Vec<String> = (0..25).map(hex_token).collect();
    let body = json!({"notifications": [{"platform": 1, "token": tokens, "message": "m"}]});
    let mut pushing = daemon.client();
    let mut asking = daemon.client();
    let mut idle = daemon.client();
    assert_eq!(asking.request("GET", "/healthz", b"").status, 200);
    assert_eq!(idle.request("GET", "/healthz", b"").status, 200);
    let accepted = pushing
        .request("POST", "/push", body.to_string().as_bytes())
        .accepted_ids();
    assert_eq!(accepted.len(), 25);

    daemon.signal("TERM");
    wait_until("the shutdown to begin", || {
        site.operator_log().contains("shutting down: ")
    });
    wait_until("new connections to be refused", || {
        Client::try_connect(&daemon.address).is_err()
    });
    for (client, method, target) in [
        (&mut pushing, "POST", "/push"),
        (&mut asking, "GET", "/healthz"),
    ] {
        let reply = client.request(method, target, body.to_string().as_bytes());
        assert_eq!((reply.status, &*reply.message()), (503, "shutting down"));
        assert_eq!(reply.field("Connection"), Some("close"));
        assert!(client.ends());
    }
    assert_eq!(daemon.wait(), 0);
    assert!(idle.ends());
    check_same(&ids(&site.access_log(), "succeeded-push"), &accepted);
    assert!(site.error_log().is_empty());
    assert_eq!(simulated.counts().accepted, 25);
    assert!(
        site.operator_log()
            .contains("shut down, nothing left behind")
    );
}

#[test]
fn what_cannot_be_sent_in_time_is_settled_as_failed_and_the_exit_code_tells() {
    let site = Site::unreachable()
        .without_journal()
        .with("core.shutdown_timeout", 1);
    let daemon = site.start();
    let mut accepted = daemon.push(&batch(1)).accepted_ids();
    accepted.extend(daemon.push(&batch(2)).accepted_ids());
    let begun = Instant::now();
    assert_eq!(daemon.terminate(), 75);
    let took = begun.elapsed();
    // It has ten where nothing is said.
    assert!(
        took >= Duration::from_secs(1) && took < Duration::from_secs(10),
        "{took:?}"
    );
    let log = site.error_log();
    check_same(&ids(&log, "failed-push"), &accepted);
    for line in &log {
        assert_eq!(line.text_of("reason"), "shutdown", "{}", line.text);
        assert!(!line.text_of("error").is_empty(), "{}", line.text);
        assert_eq!(line.number("status"), None);
    }
    assert!(ids(&site.access_log(), "succeeded-push").is_empty());
    assert!(
        site.operator_log()
            .contains(&format!("{} pushes not finished in time", accepted.len()))
    );
}

/// What waits for its next try, and what waits for an answer that the provider may have given.
#[test]
fn what_is_between_two_tries_or_in_flight_is_settled_at_the_end_too() {
    let simulated = Simulated::with(|options| {
        options.faults.retry_after = Some("60".parse().unwrap());
    });
    let site = Site::simulated(&simulated.simulator)
        .without_journal()
        .with("core.shutdown_timeout", 0);
    let daemon = site.start();
    let body = json!({"notifications": [
        {"platform": 1, "message": "m", "token": ["0bad4290", "0bad0000"]},
    ]});
    let accepted = daemon.push(&body).accepted_ids();
    wait_until("both to be sent, and one answered", || {
        simulated.counts().received == 2
            && site.operator_log().contains("to be sent again after 429")
    });
    assert_eq!(daemon.terminate(), 75);
    let log = site.error_log();
    check_same(&ids(&log, "failed-push"), &accepted);
    for line in &log {
        let is_answered = line.id() == accepted[0];
        assert_eq!(line.text_of("reason"), "shutdown");
        assert_eq!(
            line.number("attempt"),
            Some(u64::from(is_answered)),
            "{}",
            line.text
        );
        assert_eq!(
            line.text.contains("\"maybe_sent\":true"),
            !is_answered,
            "{}",
            line.text
        );
    }
}

#[test]
fn lines_that_could_not_be_written_are_told_and_change_the_exit_code() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .with_text("log.access_log", "/dev/full")
        .with_text("log.error_log", "discard");
    let daemon = site.start();
    let reply = daemon.push(&batch(1));
    assert_eq!(reply.status, 200);
    daemon.wait_idle();
    wait_until("the alarm", || {
        let log = site.operator_log();
        log.contains("[ERROR] cannot write log /dev/full: No space left on device")
    });
    assert_eq!(daemon.terminate(), 74);
    let told = read_text(&site.path("stderr"));
    assert!(
        told.ends_with(" lines could not be written to the logs, and are lost\n"),
        "{told}"
    );
    let operator = site.operator_log();
    // Of each push two, and one of the request.
    let lines = 2 * reply.accepted_ids().len() + 1;
    let lost =
        format!("[ERROR] {lines} lines of the push log could not be written, and are lost\n");
    assert!(operator.ends_with(&lost), "{operator}");
    assert!(!operator.contains("nothing left behind"), "{operator}");
    assert!(!site.path("discard").exists() && !site.path("error.log").exists());
    // The pushes have ended all the same.
    let site = site.with_path("log.access_log", "access.log");
    let daemon = site.start();
    daemon.wait_idle();
    assert_eq!(daemon.terminate(), 0);
    let received = simulated.received();
    assert_eq!(received.len(), reply.accepted_ids().len());
    assert!(received.values().all(|times| *times == 1), "{received:?}");
}

#[test]
fn a_paused_lane_does_not_hold_up_the_end_beside_a_journal() {
    let simulated = Simulated::with(|options| {
        options.faults.latency = Duration::from_millis(500);
    });
    let site = Site::simulated(&simulated.simulator)
        .with("core.shutdown_timeout", 600)
        .with("core.pusher_max", 2)
        .with("core.workers", 1);
    let daemon = site.start();
    let in_flight = daemon.push(&batch(1)).accepted_ids();
    wait_until("some to be in flight", || {
        daemon.stat().number("/pusher_count") > 0
    });
    let pause = |lane: &str| {
        let reply = daemon.request("PUT", &format!("/lanes/{lane}/pause"), b"");
        assert_eq!(reply.status, 200);
    };
    pause("ios");
    pause("android");
    let kept = daemon.push(&batch(2)).accepted_ids();
    daemon.signal("TERM");
    // Nobody here waits so long as its time-out is.
    assert_eq!(daemon.wait(), 0);
    let log = site.operator_log();
    let settled = ids(&site.access_log(), "succeeded-push");
    assert!(
        settled.iter().all(|id| in_flight.contains(id)),
        "{settled:?}"
    );
    assert_eq!(
        simulated.counts().received,
        settled.len() as u64,
        "what was sent was waited for"
    );
    let left = in_flight.len() + kept.len() - settled.len();
    let left = format!("shut down, {left} pushes stay in the journal");
    assert!(log.contains(&left), "{left:?} is not in {log}");
}

#[test]
fn a_second_signal_ends_the_wait() {
    for second in ["TERM", "INT"] {
        let site = Site::unreachable().with("core.shutdown_timeout", 600);
        let daemon = site.start();
        let accepted = daemon.push(&batch(1)).accepted_ids();
        daemon.signal("TERM");
        wait_until("the shutdown to begin", || {
            site.operator_log().contains("shutting down: ")
        });
        daemon.signal(second);
        // That is asked for with patience, but not for ten minutes.
        assert_eq!(daemon.wait(), 0);
        assert!(site.error_log().is_empty(), "nothing has failed");
        let kept = format!("shut down, {} pushes stay in the journal", accepted.len());
        assert!(
            site.operator_log().contains(&kept),
            "{}",
            site.operator_log()
        );
    }
}

#[test]
fn ids_of_a_second_start_are_above_the_firsts() {
    let site = Site::unreachable().with("core.shutdown_timeout", 0);
    let mut last = 0;
    for round in 0..3 {
        let daemon = site.start();
        let accepted = daemon.push(&batch(round)).accepted_ids();
        assert!(
            accepted.iter().all(|id| *id > last),
            "{accepted:?} after {last}"
        );
        last = *accepted.last().unwrap();
        assert_eq!(daemon.terminate(), 0);
    }
    assert_eq!(ids(&site.access_log(), "accepted-push").len(), 12);
}

/// Three pushes to iOS, one to Android.
fn batch(number: u64) -> Value {
    let tokens: Vec<String> = (0..3).map(|token| hex_token(number * 10 + token)).collect();
    json!({"notifications": [
        {"platform": 1, "token": tokens, "message": "m"},
        {"platform": 2, "token": [fcm_token(number)], "message": "m"},
    ]})
}
