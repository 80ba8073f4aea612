//! Logs that go to one stream: standard output, standard error, or a file of several names.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail the test by panicking"
)]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::daemon::Daemon;
use crate::harness::hex_token;
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, make_pipe, read_text, run, sterna};
use crate::harness::{lines, wait_for, wait_until};

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
    let found = jq.stdin(File::open(&stderr).unwrap()).output().unwrap();
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

/// What `/healthz` says of the logs.
fn trouble(daemon: &Daemon) -> Option<String> {
    let health = daemon.request("GET", "/healthz", b"");
    assert_eq!(health.status, 200);
    let told = health.json()["logs"].as_str().unwrap().to_owned();
    (told != "ok").then_some(told)
}

#[test]
fn a_reader_of_standard_output_that_goes_is_told_with_what_it_misses() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .without("log.access_log")
        .with_text("log.error_log", "stdout");
    let (reader, mut writer) = io::pipe().unwrap();
    let mut command = site.command(&[]);
    command.stdout(writer.try_clone().unwrap());
    let daemon = Daemon::start(command, &site.path("operator.log"));
    assert_eq!(trouble(&daemon), None);
    drop(reader);
    // A process that another test is just starting may have the reader for a moment more.
    wait_until("the reader to be gone", || writer.write(b" ").is_err());
    // The line of the request, that of each push, and what became of each.
    push(&daemon);
    let gone = "the push log cannot be written: nobody reads it any more; ";
    let told = format!("{gone}5 lines dropped so far");
    wait_until("the lines to be missed", || {
        trouble(&daemon).as_ref() == Some(&told)
    });
    let operator = site.operator_log();
    assert!(
        operator.contains("[ERROR] log stdout cannot be written: nobody reads it any more;"),
        "{operator}"
    );
    // As the alarm says.
    assert!(operator.contains(", or reload it with one file for all logs that are stdout\n"));
    let site = site
        .with_path("log.access_log", "access.log")
        .with_path("log.error_log", "access.log");
    site.write_config();
    daemon.signal("HUP");
    wait_until("the log to be well", || trouble(&daemon).is_none());
    push(&daemon);
    assert_eq!(daemon.terminate(), 0);
    let log = site.access_log();
    let lost: Vec<_> = lines::of_kind(&log, "lost-lines").collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].number("lines"), Some(5));
    assert_eq!(lines::ids(&log, "succeeded-push").len(), 1);
}

#[test]
fn a_pipe_that_nobody_reads_is_told_before_anything_is_dropped_and_at_the_end() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with_path("log.access_log", "fifo");
    make_pipe(&site.path("fifo"));
    let daemon = site.start();
    // Some more than a pipe holds.
    let tokens: Vec<String> = (0..100).map(hex_token).collect();
    let message = "m".repeat(3_000);
    let body = json!({"notifications": [{"platform": 1, "token": tokens, "message": message}]});
    assert_eq!(daemon.push(&body).status, 200);
    let told = wait_for("it to be told", || trouble(&daemon));
    assert!(
        told.starts_with("the access log takes nothing; ") && told.ends_with(" lines wait"),
        "{told}"
    );
    let alarm = format!(
        "[ERROR] log {} has taken nothing for 5 s, and ",
        site.path("fifo").display()
    );
    wait_until("the alarm", || site.operator_log().contains(&alarm));
    daemon.wait_idle();
    assert_eq!(daemon.terminate(), 74);
    let operator = site.operator_log();
    assert_eq!(operator.matches(&alarm).count(), 1, "{operator}");
    assert!(!operator.contains("nothing left behind"), "{operator}");
    let (_, told) = operator.trim_end().rsplit_once("[ERROR] ").unwrap();
    let lost = told.strip_suffix(" lines of the push log could not be written, and are lost");
    // Of 201 the pipe has some.
    let lost: u64 = lost
        .unwrap_or_else(|| panic!("{operator}"))
        .parse()
        .unwrap();
    assert!((150..=201).contains(&lost), "{lost}");
}

#[test]
fn push_logs_that_go_to_systemds_journal_are_told_at_the_start_and_by_check() {
    const RATE: &str = "goes to systemd's journal, which drops lines beyond its rate limit";
    // As systemd starts a service: a socket, and its name in the environment.
    let as_service = |command: &mut Command, is_leftover: bool| -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let theirs = File::from(OwnedFd::from(theirs));
        let found = theirs.metadata().unwrap();
        let inode = found.ino() + u64::from(is_leftover);
        command.env("JOURNAL_STREAM", format!("{}:{inode}", found.dev()));
        command.stdout(theirs);
        ours
    };
    let site = Site::unreachable().without("log.access_log");
    let warning = format!("log.access_log = \"stdout\": {RATE}");
    for is_leftover in [true, false] {
        let mut command = site.command(&[]);
        let _journal = as_service(&mut command, is_leftover);
        let daemon = Daemon::start(command, &site.path("operator.log"));
        assert_eq!(site.operator_log().contains(&warning), !is_leftover);
        // Its shell has another standard output: it is the daemon's that counts.
        let mut check = sterna();
        check.arg("check").arg("-c").arg(site.write_config());
        let told = String::from_utf8(run(check).stderr).unwrap();
        assert_eq!(told.contains(RATE), !is_leftover, "{told}");
        assert_eq!(daemon.terminate(), 0);
        // None runs: that of the command itself, as in ExecStartPre=.
        let mut check = sterna();
        check.arg("check").arg("-c").arg(site.write_config());
        let _journal = as_service(&mut check, is_leftover);
        let stderr = File::create(site.path("checked")).unwrap();
        assert!(check.stderr(stderr).status().unwrap().success());
        let told = read_text(&site.path("checked"));
        assert_eq!(told.contains(RATE), !is_leftover, "{told}");
    }
}

#[test]
fn a_log_at_a_path_that_is_no_file_is_told_the_word_for_it() {
    // Standard output that is a socket cannot be opened by a path.
    let site = Site::unreachable().with_text("log.access_log", "/dev/stdout");
    for (arguments, code) in [(&[][..], 73), (&["check"], 78)] {
        let (_ours, theirs) = UnixStream::pair().unwrap();
        let mut command = sterna();
        command.args(arguments).arg("-c").arg(site.write_config());
        command.stdout(OwnedFd::from(theirs));
        command.stderr(File::create(site.path("told")).unwrap());
        assert_eq!(command.status().unwrap().code(), Some(code));
        let told = read_text(&site.path("told"));
        assert!(told.contains("write \"stdout\" instead"), "{told}");
    }
    // What can be opened is a warning, at the start and after a reload.
    let site = site.with_text("log.access_log", "/dev/null");
    let told = "log.access_log = \"/dev/null\": write \"discard\" instead";
    let daemon = site.start();
    assert!(
        site.operator_log().contains(told),
        "{}",
        site.operator_log()
    );
    let site = site.with_text("log.access_log", "/dev/full");
    site.write_config();
    daemon.signal("HUP");
    let told = "log.access_log = \"/dev/full\": it is a device, not a file";
    wait_until("the warning", || site.operator_log().contains(told));
    let mut check = sterna();
    check.arg("check").arg("-c").arg(site.write_config());
    let output = run(check);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    assert!(
        told.contains("warning: log.access_log = \"/dev/full\": it is a device"),
        "{told}"
    );
    assert_eq!(daemon.terminate(), 0);
}
