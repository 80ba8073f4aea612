//! `sterna tokens` as a process: what a site gets of its logs, and of what is none.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests fail the test by panicking"
)]

use std::fs::{self, File};
use std::io::Write as _;
use std::process::{Command, Output};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::documents::database;
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, run, sterna};
use crate::harness::terminal::Terminal;
use crate::harness::{hex_token, wait_until};

/// A line of Gaurun's about an iOS push that ended so long ago, in seconds.
fn gaurun(ago: i64, kind: &str, token: &str, error: &str) -> String {
    let at = Timestamp::now() - SignedDuration::from_secs(ago);
    let time = at.strftime("%Y/%m/%d %H:%M:%S UTC");
    format!(
        r#"{{"level":"error","time":"{time}","message":"m","id":1,"platform":"ios","token":"{token}","type":"{kind}-push","ptime":0,"error":"{error}"}}"#
    ) + "\n"
}

/// What Gaurun says of a token that is dead.
const INACTIVE: &str = "device token is inactive for the specified topic (last invalid at \
                        2020-01-01 00:00:00 +0000 UTC)";

fn tokens(site: &Site, arguments: &[&str]) -> Output {
    let mut command = sterna();
    command.arg("tokens").args(arguments);
    command.current_dir(site.path("")).env("TZ", "UTC");
    run(command)
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_daily_batch_of_the_readme_deletes_what_is_dead_and_nothing_else() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let good = hex_token(1);
    let of = |platform: u64, token: &str| json!({"platform": platform, "token": [token], "message": "m"});
    let notifications = [
        of(1, "0bad4100"),
        of(2, "unregistered-1"),
        of(1, "0bad4000"),
        of(1, &good),
        of(2, "mismatch-1"),
    ];
    daemon.push(&json!({ "notifications": notifications }));
    daemon.settle();
    let old = File::create(site.path("error.log.1.gz")).unwrap();
    let mut old = GzEncoder::new(old, Compression::fast());
    for (ago, token) in [(3600, "aa"), (7200, "bb"), (200_000, "cc")] {
        old.write_all(gaurun(ago, "failed", token, INACTIVE).as_bytes())
            .unwrap();
    }
    old.finish().unwrap();
    let reached = gaurun(3600, "succeeded", "bb", "");
    fs::write(site.path("access.log.1"), reached).unwrap();

    let hostile = "x'); DELETE FROM devices; --";
    let rows = [
        ("ios", "0bad4100", 1_500_000_000, false),
        ("android", "unregistered-1", 1_500_000_000, false),
        ("ios", "aa", 1_500_000_000, false),
        // Registered again since, reached since, dead for longer, doubtful, well.
        ("ios", "0bad4100", Timestamp::now().as_second() + 60, true),
        ("ios", "bb", 1_500_000_000, true),
        ("ios", "cc", 1_500_000_000, true),
        ("ios", "0bad4000", 1_500_000_000, true),
        ("android", "mismatch-1", 1_500_000_000, true),
        ("ios", &good, 1_500_000_000, true),
        // The same text on the other platform.
        ("ios", "unregistered-1", 1_500_000_000, true),
        ("android", hostile, 1_500_000_000, true),
    ];
    let insert = rows.iter().map(|(platform, token, at, _)| {
        let token = token.replace('\'', "''");
        format!("INSERT INTO devices (platform, token, registered_at) VALUES ('{platform}', '{token}', {at});")
    });
    database(&site.path("site.db"), &insert.collect::<String>());
    let readme = include_str!("../../README.md");
    let (before, after) = readme.split_once("sterna tokens --since").unwrap();
    assert!(before.ends_with("```sh\n"));
    let (batch, _) = after.split_once("```").unwrap();
    let script =
        format!("\"$STERNA\" tokens --since{batch}sqlite3 site.db 'SELECT id FROM devices'");
    let mut shell = Command::new("sh");
    shell.args(["-ec", &script]).current_dir(site.path(""));
    shell
        .env("STERNA", env!("CARGO_BIN_EXE_sterna"))
        .env("TZ", "UTC");
    let output = run(shell);
    assert!(output.status.success(), "{output:?}");
    let left = (1..).zip(&rows).filter(|(_, (.., stays))| *stays);
    let left: String = left.map(|(id, _)| id.to_string() + "\n").collect();
    assert_eq!(stdout(&output), left, "{}", stderr(&output));
    let told = stderr(&output);
    assert!(
        told.contains("3 device tokens dead; 1 called dead once, and reached since"),
        "{told}"
    );
    assert!(
        told.contains("2 device tokens doubtful: not to be dropped by that alone"),
        "{told}"
    );
    assert!(told.contains("  1 BadDeviceToken: The device tokens are of the other environment"));
}

#[test]
fn hostile_tokens_in_a_log_run_no_statement() {
    let site = Site::with_logs();
    let hostile = [
        "a'); DELETE FROM devices; --",
        "\\\\'); DELETE FROM devices; --",
        "b'' OR ''='",
    ];
    let log = hostile.map(|token| gaurun(60, "failed", token, INACTIVE));
    fs::write(site.path("error.log"), log.concat()).unwrap();
    database(
        &site.path("site.db"),
        "INSERT INTO devices (platform, token) VALUES ('ios', 'ab');",
    );
    let output = tokens(&site, &["--format", "sql", "error.log"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).contains("1 device token of no form that a provider gives"));
    fs::write(site.path("dead.sql"), stdout(&output)).unwrap();
    let mut sqlite = Command::new("sh");
    let line = "(cat dead.sql; echo 'SELECT token FROM dead_tokens ORDER BY token; SELECT count(*) FROM devices;') | sqlite3 site.db";
    sqlite.args(["-ec", line]).current_dir(site.path(""));
    let output = run(sqlite);
    let expected = format!("{}\n{}\n1\n", hostile[0], hostile[2]);
    assert_eq!(stdout(&output), expected, "{}", stderr(&output));
}

#[test]
fn each_format_lists_the_same_tokens_and_doubtful_ones_apart() {
    let site = Site::with_logs();
    let log = [
        gaurun(60, "failed", "aa", INACTIVE),
        gaurun(50, "failed", "bb", "bad device token"),
        gaurun(40, "failed", "cc", "unknown error: ExpiredToken"),
    ];
    fs::write(site.path("error.log"), log.concat()).unwrap();
    let listed = |arguments: &[&str]| {
        let output = tokens(&site, arguments);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(!stderr(&output).contains('\r'), "no bar but on a terminal");
        stdout(&output)
    };
    let csv = listed(&["error.log"]);
    let lines: Vec<&str> = csv.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 3, "{csv}");
    assert!(
        lines[1].starts_with("aa,ios,,Unregistered,1577836800000,"),
        "{csv}"
    );
    assert!(lines[2].starts_with("cc,ios,,ExpiredToken,,"), "{csv}");
    let json = listed(&["--format", "jsonl", "error.log"]);
    let json: Vec<Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(json.len(), 2);
    assert_eq!(
        (&json[0]["token"], &json[1]["token"]),
        (&json!("aa"), &json!("cc"))
    );
    assert_eq!(
        listed(&["--format", "sql", "error.log"])
            .matches("('")
            .count(),
        2
    );
    assert_eq!(listed(&["--since", "45s", "error.log"]).lines().count(), 2);
    let suspects = listed(&["--suspects", "error.log"]);
    assert!(
        suspects.contains("\r\nbb,ios,,BadDeviceToken,,"),
        "{suspects}"
    );
    assert_eq!(suspects.lines().count(), 2);
}

#[test]
fn what_is_no_push_log_is_no_empty_list() {
    let site = Site::with_logs();
    let write = |name: &str, text: &str| fs::write(site.path(name), text).unwrap();
    write("error.log", &gaurun(60, "failed", "aa", INACTIVE));
    write(
        "nginx.log",
        "127.0.0.1 - - \"POST /push HTTP/1.1\" 200 failed-push\n",
    );
    write("empty.log", "");
    write(
        "tokyo.log",
        &gaurun(60, "failed", "aa", INACTIVE).replace("UTC\"", "JST\""),
    );
    let fifo = site.path("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&fifo)
            .status()
            .unwrap()
            .success()
    );
    let many = vec!["error.log"; 257];
    for (arguments, code, told) in [
        (
            &["error.log", "nginx.log"][..],
            65,
            "nginx.log: is no push log: 1 line",
        ),
        (
            &["empty.log", "empty.log"],
            65,
            "nothing to read in empty.log, empty.log",
        ),
        (
            &["tokyo.log"],
            65,
            "tokyo.log: the times in it are of the zone \"JST\"",
        ),
        (&["pipe"], 74, "pipe: cannot be read"),
        (&["nowhere.log"], 74, "nowhere.log: cannot be read"),
        (&["."], 74, ".: cannot be read"),
        (
            &["--suspects", "--format", "sql", "error.log"],
            64,
            "they are not to be deleted",
        ),
        (&["--format", "xml", "error.log"], 64, "invalid value 'xml'"),
        (
            &["--since", "yesterday", "error.log"],
            64,
            "an age such as 36h or 7d",
        ),
        (&[], 64, "<LOG>"),
        (&many, 64, "257 logs over limit(256)"),
    ] {
        let output = tokens(&site, arguments);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(told),
            "{arguments:?}: {}",
            stderr(&output)
        );
        assert_eq!(stdout(&output), "", "{arguments:?}");
    }
    let output = tokens(&site, &["error.log", "empty.log"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let mut tokyo = sterna();
    tokyo
        .args(["tokens", "tokyo.log"])
        .current_dir(site.path(""));
    tokyo.env("TZ", "Asia/Tokyo");
    let output = run(tokyo);
    assert!(
        stdout(&output).contains("aa,ios,,Unregistered,"),
        "{}",
        stderr(&output)
    );
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut command = sterna();
    command
        .args(["tokens", "error.log"])
        .current_dir(site.path(""));
    assert_eq!(command.stdout(full).status().unwrap().code(), Some(74));
}

#[test]
fn a_bar_on_a_terminal_shows_how_far_it_is_and_is_taken_away() {
    let site = Site::with_logs();
    fs::write(
        site.path("error.log"),
        gaurun(3600, "failed", "aa", INACTIVE),
    )
    .unwrap();
    // A wide terminal, and one on which there is no room for all of it.
    for (columns, bar) in [
        (100, "[........................................] 0 of 0 MB"),
        (20, "[.......] 0 of 0 MB"),
    ] {
        let terminal = Terminal::of(24, columns);
        let mut command = sterna();
        command
            .args(["tokens", "error.log"])
            .current_dir(site.path(""));
        command.stderr(terminal.output());
        let output = command.output().unwrap();
        assert!(output.status.success());
        assert_eq!(stdout(&output).lines().count(), 2);
        let told = "1 device token dead";
        wait_until(told, || terminal.shown().contains(told));
        let shown = terminal.shown();
        let bar = format!("\r{bar}\x1b[K");
        assert!(shown.starts_with(&bar), "{shown:?}");
        // Drawn anew in its place, and taken away before anything is told.
        let (before, after) = shown.split_once("sterna: ").unwrap();
        assert!(before.ends_with("\r\x1b[K"), "{shown:?}");
        assert!(
            !before.contains('\n') && !after.contains('\x1b'),
            "{shown:?}"
        );
    }
    let output = tokens(&site, &["error.log"]);
    assert!(!stderr(&output).contains(['\r', '\x1b']), "{output:?}");
}
