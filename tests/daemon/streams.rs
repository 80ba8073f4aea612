//! Logs that go to one stream: standard output, standard error, or a file of several names.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail the test by panicking"
)]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::daemon::Daemon;
use crate::harness::hex_token;
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, read_text};
use crate::harness::wait_until;

/// The lines of a file, each of which must be an object with the three keys that all of Gaurun's
/// have.
fn objects(path: &Path) -> Vec<Value> {
    let text = read_text(path);
    let parse = |line: &str| {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|error| {
            panic!("{}: {error}: {line}", path.display());
        });
        let keys: Vec<&str> = object
            .as_object()
            .unwrap()
            .keys()
            .map(|key| &**key)
            .collect();
        for key in ["level", "time", "message"] {
            assert!(keys.contains(&key) && object[key].is_string(), "{line}");
        }
        object
    };
    text.lines().map(parse).collect()
}

/// Whether one of them is about the daemon, with such a text at such a level.
fn says(objects: &[Value], level: &str, part: &str) -> bool {
    objects.iter().any(|object| {
        let is_plain = object.as_object().unwrap().len() == 3;
        let text = object["message"].as_str().unwrap();
        is_plain && object["level"] == level && text.contains(part)
    })
}

/// One push to a device that there is, and one to a device that there is not.
fn push(daemon: &Daemon) {
    let tokens = [hex_token(1), "0bad4100".to_owned()];
    let body = json!({"notifications": [{"platform": 1, "token": tokens, "message": "m"}]});
    assert_eq!(daemon.push(&body).status, 200);
    daemon.wait_idle();
}

#[test]
fn operator_lines_beside_those_of_pushes_are_objects_from_start_to_end() {
    let simulated = Simulated::start();
    // Both as nobody has set them: standard error. A thread panics over the first push.
    let site = Site::simulated(&simulated.simulator)
        .without("log.error_log")
        .without("log.operator_log");
    let mut command = site.command(&[]);
    command.env("STERNA_PANIC_AT", "send:1");
    let stderr = site.path("stderr");
    let daemon = Daemon::start(command, &stderr);
    push(&daemon);
    let config = site.path("sterna.toml");
    let good = fs::read_to_string(&config).unwrap();
    fs::write(&config, format!("{good}[nonsense]\nx = 1\n")).unwrap();
    daemon.signal("HUP");
    wait_until("the reload to be refused", || {
        read_text(&stderr).contains("the configuration of before stays in force")
    });
    assert_eq!(daemon.terminate(), 0);
    let all = objects(&stderr);
    assert!(says(&all, "info", " serves on "), "{all:?}");
    assert!(
        says(&all, "error", "panicked at ") && says(&all, "error", "the point send"),
        "{all:?}"
    );
    assert!(says(&all, "error", "reload: "), "{all:?}");
    assert!(says(&all, "info", "nothing left behind"), "{all:?}");
    let failed = all.iter().filter(|line| line["type"] == "failed-push");
    assert_eq!(failed.count(), 1);
    // As a site's scripts look for them.
    let mut jq = Command::new("jq");
    jq.args(["-r", "select(.type == \"failed-push\") | .token"]);
    let found = jq.stdin(fs::File::open(&stderr).unwrap()).output().unwrap();
    assert!(found.status.success(), "{found:?}");
    assert_eq!(String::from_utf8(found.stdout).unwrap(), "0bad4100\n");
}

#[test]
fn standard_output_and_error_that_are_one_file_are_one_stream() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .without("log.access_log")
        .with_text("log.error_log", "discard")
        .with_text("log.operator_log", "stderr");
    let both = site.path("both");
    let mut command = site.command(&[]);
    let open = || {
        let mut options = fs::OpenOptions::new();
        options.create(true).append(true).open(&both).unwrap()
    };
    // Opened twice: only device and inode say that they are the same.
    command.stdout(open()).stderr(open());
    let daemon = Daemon::start(command, &both);
    push(&daemon);
    assert_eq!(daemon.terminate(), 0);
    let all = objects(&both);
    assert!(says(&all, "info", " serves on "), "{all:?}");
    assert!(all.iter().any(|line| line["type"] == "succeeded-push"));
}

#[test]
fn what_keeps_the_daemon_from_starting_is_told_as_the_lines_that_go_there() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let shared = || {
        let site = Site::unreachable().without("log.error_log");
        site.without("log.operator_log")
    };
    for (site, code, level, part) in [
        (
            shared().with_text("core.port", &port),
            69,
            "error",
            "listen",
        ),
        (shared().with("core.queues", 0), 78, "error", "core.queues"),
        (
            shared().with_path("ios.token_auth_key_path", "missing.p8"),
            78,
            "error",
            "missing.p8",
        ),
    ] {
        let output = site.run(&[]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let stream = site.path("told");
        fs::write(&stream, output.stderr).unwrap();
        assert!(
            says(&objects(&stream), level, part),
            "{}",
            read_text(&stream)
        );
    }
    // Whose logs are elsewhere reads what a person reads.
    let output = Site::unreachable().with("core.queues", 0).run(&[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("error: core.queues"), "{told}");
}

#[test]
fn lines_keep_their_shape_until_the_restart_that_has_logs_share_a_file_or_part() {
    let site = Site::unreachable();
    let daemon = site.start();
    let reload = |daemon: &Daemon, site: &Site, log: &dyn Fn() -> String| {
        site.write_config();
        daemon.signal("HUP");
        let due = "restart the daemon for: log.operator_log";
        wait_until("what needs a restart", || log().contains(due));
    };
    let apart = site;
    let path = apart.path("operator.log");
    let site = apart.with_path("log.operator_log", "error.log");
    reload(&daemon, &site, &|| read_text(&path));
    assert_eq!(daemon.terminate(), 0);
    let text = read_text(&path);
    assert!(text.lines().all(|line| line.contains("Z [")), "{text}");

    let shared = site.path("error.log");
    let daemon = Daemon::start(site.command(&[]), &shared);
    let site = site.with_path("log.operator_log", "operator.log");
    reload(&daemon, &site, &|| read_text(&shared));
    assert_eq!(daemon.terminate(), 0);
    assert!(says(&objects(&shared), "info", "nothing left behind"));
    assert_eq!(read_text(&path), text);
}
