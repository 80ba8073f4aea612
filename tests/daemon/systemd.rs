//! The unit: what systemd says of it, and that the daemon works under the system-call filter that
//! it asks for. Where there is no systemd-analyze, only the unit's own text is looked at.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail the test by panicking, and say what they skip"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::str::FromStr as _;
use std::thread;

use crate::harness::daemon::Daemon;
use crate::harness::lines;
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::{fcm_token, hex_token};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use serde_json::json;
use syscalls::Sysno;

const UNIT: &str = include_str!("../../systemd/sterna.service");
const SOCKET: &str = include_str!("../../systemd/sterna.socket");
const TEMPLATE: &str = include_str!("../../systemd/sterna@.service");
const TEMPLATE_SOCKET: &str = include_str!("../../systemd/sterna@.socket");
const NOTIFY_RELOAD: &str = include_str!("../../systemd/notify-reload.conf");

/// The exposure that `systemd-analyze security` may find at most.
const EXPOSURE_MAX: f32 = 1.5;

/// Runs systemd-analyze; `None` where there is none.
fn analyze(arguments: &[&str], directory: &Path) -> Option<Output> {
    let output = Command::new("systemd-analyze")
        .args(arguments)
        .env("SYSTEMD_PAGER", "cat")
        .current_dir(directory)
        .output();
    match output {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped: systemd-analyze: {error}");
            None
        }
    }
}

fn text(output: &Output) -> String {
    let bytes = [&*output.stdout, &output.stderr].concat();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The values of a setting of the unit, in their order.
fn settings(name: &str) -> Vec<&'static str> {
    let value = |line: &'static str| line.strip_prefix(name)?.strip_prefix('=');
    UNIT.lines().filter_map(value).collect()
}

#[test]
fn systemd_finds_nothing_wrong_with_the_unit() {
    let directory = tempfile::tempdir().unwrap();
    for (name, unit) in [
        ("sterna.service", UNIT),
        ("sterna.socket", SOCKET),
        ("sterna@one.service", TEMPLATE),
        ("sterna@one.socket", TEMPLATE_SOCKET),
    ] {
        let unit = unit.replace("/usr/bin/sterna", env!("CARGO_BIN_EXE_sterna"));
        fs::write(directory.path().join(name), unit).unwrap();
    }
    let verify = |units: &[&str]| {
        let arguments = [&["verify", "--man=no"][..], units].concat();
        let Some(output) = analyze(&arguments, directory.path()) else {
            return;
        };
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(text(&output), "");
    };
    verify(&["./sterna.service", "./sterna.socket"]);
    verify(&["./sterna@one.service", "./sterna@one.socket"]);
    if version().is_some_and(|version| version < 253) {
        println!("skipped: this systemd is too old for Type=notify-reload");
        return;
    }
    let drop_ins = directory.path().join("sterna.service.d");
    fs::create_dir(&drop_ins).unwrap();
    fs::write(drop_ins.join("notify-reload.conf"), NOTIFY_RELOAD).unwrap();
    verify(&["./sterna.service"]);
}

#[test]
fn each_of_several_services_is_as_the_one_but_has_its_own_places() {
    let set = |unit: &str| -> Vec<String> {
        let settings = unit.lines().filter(|line| !line.starts_with('#'));
        settings.map(str::to_owned).collect()
    };
    for (one, template, own) in [
        (
            UNIT,
            TEMPLATE,
            &[
                ("daemon", "daemon %i"),
                ("/etc/sterna/sterna.toml", "/etc/sterna/%i.toml"),
                ("Directory=sterna", "Directory=sterna-instances/%i"),
                ("=/var/lib/sterna", "=/var/lib/sterna-instances/%i"),
            ][..],
        ),
        (
            SOCKET,
            TEMPLATE_SOCKET,
            &[
                ("daemon", "daemon %i"),
                // A port has no name in it.
                (
                    "=127.0.0.1:1056",
                    "=/run/sterna-%i.sock\nSocketUser=root\nSocketGroup=sterna\nSocketMode=0660",
                ),
            ],
        ),
    ] {
        let own = own.iter();
        let expected = own.fold(one.to_owned(), |unit, (shared, own)| {
            assert!(unit.contains(shared), "{shared}");
            unit.replace(shared, own)
        });
        assert_eq!(set(template), set(&expected));
    }
}

/// The version of systemd that is installed.
fn version() -> Option<u32> {
    let output = analyze(&["--version"], Path::new("/"))?;
    let text = text(&output);
    text.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn the_unit_asks_for_no_more_than_systemd_247_has() {
    // LoadCredential= of single files came with 247, the other types of notification later.
    assert_eq!(settings("Type"), ["notify"]);
    assert!(NOTIFY_RELOAD.contains("\nType=notify-reload\n"));
    assert!(
        !NOTIFY_RELOAD.contains("\nExecReload="),
        "a signal has no exit code"
    );
    assert_eq!(
        settings("LoadCredential"),
        [""; 0],
        "a missing file would stop the start"
    );
}

#[test]
fn the_watchdog_is_more_patient_than_the_daemon_is_with_its_threads() {
    let seconds: u64 = settings("WatchdogSec")[0].parse().unwrap();
    // It is fed every half of its time, and a thread may be late for as long as this.
    assert!(seconds > 2 * sterna::heartbeat::PATIENCE.as_secs());
}

#[test]
fn systemd_finds_little_that_the_daemon_could_touch() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("sterna.service"), UNIT).unwrap();
    let arguments = [
        "security",
        "--offline=true",
        "--no-pager",
        "./sterna.service",
    ];
    let Some(output) = analyze(&arguments, directory.path()) else {
        return;
    };
    let text = text(&output);
    let exposure = text
        .split_once("exposure level for sterna.service: ")
        .and_then(|(_, rest)| rest.split(' ').next()?.parse::<f32>().ok());
    let exposure = exposure.unwrap_or_else(|| panic!("no exposure level in {text}"));
    assert!(exposure <= EXPOSURE_MAX, "{text}");
}

#[test]
fn the_daemon_may_take_longer_to_stop_than_its_own_timeout() {
    let seconds: u64 = settings("TimeoutStopSec")[0].parse().unwrap();
    let (config, _) = sterna::config::Config::parse(
        "sterna.toml",
        "[ios]\nenabled = false\n[android]\nservice_account_path = \"k.json\"\n",
        sterna::config::Overrides::default(),
        &sterna::config::Environment::read(),
    )
    .unwrap();
    assert!(config.core.shutdown_timeout.as_secs() + 30 < seconds);
}

#[test]
fn a_wrong_configuration_is_not_tried_again_and_again() {
    let prevented = settings("RestartPreventExitStatus")[0];
    for code in ["64", "77", "78"] {
        assert!(prevented.split(' ').any(|word| word == code), "{code}");
    }
}

/// The system calls that a set of systemd's or a name stands for.
fn expand(name: &str, found: &mut BTreeSet<String>) {
    if !name.starts_with('@') {
        found.insert(name.to_owned());
        return;
    }
    let output = analyze(&["syscall-filter", name], Path::new("/")).unwrap();
    assert!(output.status.success(), "{name}: {}", text(&output));
    for line in text(&output).lines().skip(1).map(str::trim) {
        if !line.is_empty() && !line.starts_with('#') {
            expand(line, found);
        }
    }
}

/// The system calls that the unit leaves to the daemon.
fn allowed() -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    // What systemd allows whatever the filter says.
    expand("@default", &mut allowed);
    for setting in settings("SystemCallFilter") {
        let (names, removes) = match setting.strip_prefix('~') {
            Some(names) => (names, true),
            None => (setting, false),
        };
        let mut members = BTreeSet::new();
        names.split(' ').for_each(|name| expand(name, &mut members));
        if removes {
            allowed.retain(|name| !members.contains(name));
        } else {
            allowed.extend(members);
        }
    }
    allowed
}

/// The filter as the kernel takes it; what it does not allow fails with `EPERM`.
fn filter(allowed: &BTreeSet<String>) -> BpfProgram {
    let rules: BTreeMap<i64, Vec<_>> = allowed
        .iter()
        // Names of other architectures have no number here.
        .filter_map(|name| Sysno::from_str(name).ok())
        .map(|number| (i64::from(number.id()), Vec::new()))
        .collect();
    assert!(
        rules.len() > 200,
        "only {} system calls are known",
        rules.len()
    );
    let (refuse, allow) = (SeccompAction::Errno(1), SeccompAction::Allow);
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, refuse, allow, architecture).unwrap();
    filter.try_into().unwrap()
}

#[test]
fn the_daemon_works_under_the_units_system_call_filter() {
    assert_eq!(settings("SystemCallErrorNumber"), ["EPERM"]);
    if analyze(&["--version"], Path::new("/")).is_none() {
        return;
    }
    let program = filter(&allowed());
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with_path("core.pid", "sterna.pid");
    // A thread's filter goes on to the processes that it starts.
    let daemon: Daemon = thread::scope(|scope| {
        let start = scope.spawn(|| {
            seccompiler::apply_filter(&program).unwrap();
            // It is in force: setting a priority is not among what the unit allows.
            let nice = Command::new("nice").args(["-n", "1", "true"]).output();
            assert!(text(&nice.unwrap()).contains("niceness"));
            site.start()
        });
        start.join().unwrap()
    });
    let tokens: Vec<String> = (0..100).map(hex_token).collect();
    let body = json!({"notifications": [
        {"platform": 1, "token": tokens, "message": "m"},
        {"platform": 2, "token": [fcm_token(1)], "message": "m"},
    ]});
    assert_eq!(daemon.push(&body).status, 200);
    daemon.wait_idle();
    daemon.signal("HUP");
    assert_eq!(daemon.push(&body).status, 200);
    daemon.settle();
    let succeeded = lines::ids(&site.access_log(), "succeeded-push").len();
    assert_eq!(succeeded, 202, "{}", site.operator_log());
    let log = site.operator_log();
    for wrong in ["Operation not permitted", "panicked"] {
        assert!(!log.contains(wrong), "{log}");
    }
}
