//! `sterna stat` as a process: what it prints of a daemon, to whom, and when there is none.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test by panicking"
)]

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::json;

use crate::harness::daemon::{Address, Daemon};
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, closed_port, read_text, run, sterna};
use crate::harness::terminal::Terminal;
use crate::harness::{batch, each, hex_token, wait_until};

/// The address of a daemon as `--url` takes it.
pub(crate) fn url(daemon: &Daemon) -> String {
    match &daemon.address {
        Address::Tcp(address) => format!("http://{address}"),
        Address::Unix(path) => format!("unix:{}", path.display()),
    }
}

fn stat(arguments: &[&str]) -> Command {
    let mut command = sterna();
    command.arg("stat").args(arguments);
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The sums of three columns over all lines: succeeded, failed, retries.
fn sums(table: &str) -> [u64; 3] {
    let mut sums = [0; 3];
    for line in table.lines().filter(|line| !line.starts_with("time")) {
        let numbers: Vec<u64> = line
            .split_whitespace()
            .skip(4)
            .take(3)
            .map(|number| number.parse().unwrap())
            .collect();
        for (sum, number) in sums.iter_mut().zip(&numbers) {
            *sum += number;
        }
    }
    sums
}

/// Of a command whose output goes to files.
struct Watcher {
    process: Daemon,
    told: std::path::PathBuf,
    printed: std::path::PathBuf,
}

impl Watcher {
    fn start(directory: &Path, mut command: Command) -> Self {
        let [printed, told] = ["stat.out", "stat.err"].map(|name| directory.join(name));
        command
            .stdout(File::create(&printed).unwrap())
            .stderr(File::create(&told).unwrap());
        Self {
            process: Daemon::spawn(command),
            told,
            printed,
        }
    }

    fn wait_for_head(&self) {
        wait_until("the head", || read_text(&self.printed).starts_with("time "));
    }

    /// Waits until the whole lines have these sums in the end.
    fn wait_for(&self, expected: [u64; 3]) {
        wait_until(&format!("{expected:?}"), || {
            let text = read_text(&self.printed);
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            sums(whole) == expected
        });
    }
}

#[test]
fn stat_tells_what_was_settled_once_and_nothing_negative_over_a_restart() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).on_unix_socket();
    let daemon = site.start();
    // Of before it looks.
    assert_eq!(daemon.push(&batch([90, 91])).status, 200);
    daemon.wait_idle();
    let command = stat(&["--interval", "0.1", "--url", &url(&daemon)]);
    let watcher = Watcher::start(&site.path(""), command);
    watcher.wait_for_head();
    let body = json!({"notifications": [
        {"platform": 1, "token": [hex_token(1), hex_token(2), "0bad4100"], "message": "m"},
        {"platform": 2, "token": ["a:b"], "message": "m"}]});
    assert_eq!(daemon.push(&body).status, 200);
    watcher.wait_for([3, 1, 0]);

    // Its counters go with it.
    assert_eq!(daemon.terminate(), 0);
    let told = |expected: &str| {
        wait_until(expected, || read_text(&watcher.told).contains(expected));
    };
    told("asked again until it answers");
    let daemon = site.start();
    told("the daemon answers again");
    assert_eq!(daemon.push(&batch([3])).status, 200);
    watcher.wait_for([4, 1, 0]);
    told("the daemon has restarted");
    let text = read_text(&watcher.printed);
    assert_eq!(text.matches("time ").count(), 1, "{text}");
    assert!(!text.contains('\x1b'), "{text}");
    let ends: Vec<usize> = text.lines().map(|line| line.rfind(' ').unwrap()).collect();
    assert!(ends.windows(2).all(|two| two[0] == two[1]), "{text}");
    let lines = read_text(&watcher.told).lines().count();
    assert_eq!(lines, 3, "each once: {}", read_text(&watcher.told));
    drop(watcher.process);
}

#[test]
fn stat_ends_quietly_when_nobody_reads_on() {
    let site = Site::unreachable();
    let daemon = site.start();
    let mut command = stat(&["--interval", "0.1", "--url", &url(&daemon)]);
    let told = site.path("told");
    command
        .stdout(Stdio::piped())
        .stderr(File::create(&told).unwrap());
    let mut child = command.spawn().unwrap();
    let mut head = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut head).unwrap();
    assert!(head.starts_with("time "), "{head}");
    drop(out);
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0));
    assert_eq!(read_text(&told), "");
}

#[test]
fn stat_shows_the_head_on_each_screen_of_a_terminal() {
    let site = Site::unreachable();
    let daemon = site.start();
    let terminal = Terminal::of(6, 100);
    let mut command = stat(&["--interval", "0.1", "--count", "9", "--url", &url(&daemon)]);
    command.stdout(terminal.output()).stderr(terminal.output());
    let status = command.status().unwrap();
    assert_eq!(status.code(), Some(0));
    wait_until("all lines", || terminal.shown().lines().count() == 12);
    let shown = terminal.shown();
    let heads: Vec<bool> = shown.lines().map(|it| it.starts_with("time ")).collect();
    let expected = [0, 5, 10];
    let at = (0..heads.len()).filter(|at| heads[*at]);
    assert!(at.eq(expected), "{shown}");
}

#[test]
fn stat_shows_a_key_with_the_right_to_read_and_says_what_else_is_wrong() {
    let site = Site::unreachable().with_path("core.api_key_path", "keys");
    let [reads, pushes, other] = [1, 2, 3].map(hex_token);
    fs::write(
        site.path("keys"),
        format!("{reads} rights=read\n{pushes} rights=push,topics\n"),
    )
    .unwrap();
    let daemon = site.start();
    let write = |name: &str, text: &str| {
        fs::write(site.path(name), text).unwrap();
        site.path(name).to_str().unwrap().to_owned()
    };
    let of = |name, key| Some(write(name, &format!("# mine\n{key} rights=read\n")));
    let to = url(&daemon);
    let gone = format!("http://127.0.0.1:{}", closed_port());
    let keys = site.path("keys").to_str().unwrap().to_owned();
    let cases = [
        (&to, Some(keys), 0, ""),
        (&to, of("push", &pushes), 77, "lacks the right read"),
        (&to, of("other", &other), 77, "unauthorized; --api-key-path"),
        (&to, None, 77, "unauthorized; --api-key-path"),
        (&to, Some(write("empty", "")), 78, "no API key in it"),
        (&gone, None, 69, "asked again until it answers"),
    ];
    each(&cases, |(url, key, code, why)| {
        let mut command = stat(&["--count", "1", "--interval", "0.1", "--url", url]);
        if let Some(path) = key {
            command.args(["--api-key-path", path]);
        }
        let output = run(command);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(*code), "{told}");
        assert!(told.contains(why), "{told}");
        for key in [&reads, &pushes, &other] {
            assert!(!told.contains(key.as_str()), "{told}");
        }
        let lines = String::from_utf8(output.stdout).unwrap().lines().count();
        assert_eq!(lines, if *code == 0 { 2 } else { 0 }, "{told}");
    });
}

#[test]
fn stat_by_https_trusts_the_systems_authorities_alone() {
    // Any server of TLS that is no Sterna.
    let simulated = Simulated::start();
    let port = simulated.simulator.addresses().oauth.port();
    let url = format!("https://localhost:{port}");
    let authorities = &simulated.simulator.credentials().ca_path;
    for (trusted, code, why) in [
        (
            Some(authorities),
            69,
            "404 to GET /stat/app; is that a Sterna's API?",
        ),
        (None, 69, "asked again until it answers"),
    ] {
        let mut command = stat(&["--count", "1", "--interval", "0.1", "--url", &url]);
        if let Some(path) = trusted {
            command.env("SSL_CERT_FILE", path);
        }
        let output = run(command);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(why), "{told}");
        assert_eq!(told.contains("trusted roots"), trusted.is_none(), "{told}");
    }
}
