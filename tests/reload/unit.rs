//! `systemctl reload`: the command that the unit names for it, as systemd runs it.

use std::fs;
use std::process::{Command, Output};

use crate::harness::daemon::Daemon;
use crate::harness::site::{Site, run, sterna};

const UNIT: &str = include_str!("../../systemd/sterna.service");

/// Starts a daemon with the directory that systemd would give it.
fn start(site: &Site) -> Daemon {
    let directory = site.path("run");
    fs::create_dir(&directory).unwrap();
    let mut command = site.command(&[]);
    command.env("RUNTIME_DIRECTORY", &directory);
    Daemon::start(command, &site.path("operator.log"))
}

/// Runs the unit's commands for a reload, one after the other, until one fails.
fn exec_reload(site: &Site) -> Output {
    let config = site.path("sterna.toml");
    let mut outputs = Vec::new();
    for line in UNIT.lines() {
        let Some(command_line) = line.strip_prefix("ExecReload=") else {
            continue;
        };
        let mut words = command_line.split(' ').map(|word| match word {
            "/usr/bin/sterna" => env!("CARGO_BIN_EXE_sterna"),
            "/etc/sterna/sterna.toml" => config.to_str().unwrap(),
            word => word,
        });
        let mut command = Command::new(words.next().unwrap());
        command.args(words);
        command.env("RUNTIME_DIRECTORY", site.path("run"));
        outputs.push(run(command));
        if !outputs.last().unwrap().status.success() {
            break;
        }
    }
    outputs.pop().expect("the unit has a command for reloads")
}

fn told(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_bad_file_fails_with_its_line_and_caret() {
    let site = Site::unreachable();
    let daemon = start(&site);
    let site = site.with("core.queues", 0);
    let path = site.write_config();
    let output = exec_reload(&site);
    assert_eq!(output.status.code(), Some(78), "{}", told(&output));
    let text = fs::read_to_string(&path).unwrap();
    let number = text.lines().position(|line| line == "queues = 0").unwrap() + 1;
    let gutter = " ".repeat(number.to_string().len());
    let expected = format!(
        "error: core.queues = 0: must be 1 to 100000000 pushes\n{gutter}--> {}:{number}:10\n\
         {gutter} |\n{number} | queues = 0\n{gutter} |          ^\n\
         sterna: the configuration of before stays in force\n",
        path.display()
    );
    assert_eq!(told(&output), expected);
    let in_force = daemon.request("GET", "/config", b"").json();
    assert_eq!(in_force["core"]["queues"], 1_000_000);
    // The operator's own check says the same.
    let mut check = sterna();
    check.args(["check", "-c"]).arg(&path);
    let output = run(check);
    assert_eq!(output.status.code(), Some(78));
    let same = expected.lines().take(5).collect::<Vec<_>>().join("\n");
    assert!(told(&output).starts_with(&same), "{}", told(&output));
}

#[test]
fn files_that_cannot_be_used_fail_where_they_are_named() {
    let site = Site::unreachable();
    let _daemon = start(&site);
    let site = site.with_path("ios.token_auth_key_path", "none.p8");
    site.write_config();
    let output = exec_reload(&site);
    assert_eq!(output.status.code(), Some(78), "{}", told(&output));
    let expected = format!(
        "error: ios.token_auth_key_path = {:?}: cannot be read: No such file",
        site.path("none.p8")
    );
    assert!(told(&output).starts_with(&expected), "{}", told(&output));
    let line = " | token_auth_key_path = ";
    assert!(told(&output).contains(line), "{}", told(&output));
}

#[test]
fn a_certificate_that_has_expired_is_not_gone_over_to() {
    let site = Site::unreachable();
    let _daemon = start(&site);
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.not_after = rcgen::date_time_ymd(2002, 1, 1);
    let pem = params.self_signed(&key).unwrap().pem() + &key.serialize_pem();
    fs::write(site.path("cert.pem"), pem).unwrap();
    let site = site.with_pem("cert.pem", "cert.pem");
    site.write_config();
    let output = exec_reload(&site);
    assert_eq!(output.status.code(), Some(78), "{}", told(&output));
    let expected = "the certificate expired at 2002-01-01T00:00:00Z";
    assert!(told(&output).contains(expected), "{}", told(&output));
}

#[test]
fn a_good_file_succeeds_and_says_what_has_changed() {
    let site = Site::unreachable();
    let _daemon = start(&site);
    let site = site.with("core.queues", 5);
    site.write_config();
    let output = exec_reload(&site);
    assert_eq!(output.status.code(), Some(0), "{}", told(&output));
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(told, "applied: core.queues = 5 (was 1000000)\n");
}

#[test]
fn a_check_beside_the_daemon_leaves_it_alone() {
    let site = Site::unreachable();
    let daemon = start(&site);
    let check = || {
        let mut check = sterna();
        check.args(["check", "-c"]).arg(site.path("sterna.toml"));
        let output = run(check);
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        told(&output)
    };
    let pid = daemon.pid();
    let expected = format!("note: the daemon runs, with pid {pid}: its port and journal were not");
    let said = check();
    assert!(said.starts_with(&expected), "{said}");
    assert!(said.ends_with("\nsterna: 0 errors, 0 warnings\n"), "{said}");
    assert_eq!(daemon.request("GET", "/healthz", b"").status, 200);
    assert_eq!(daemon.terminate(), 0);
    // Its lock file is left behind with its pid in it, and misleads nobody.
    assert_eq!(check(), "sterna: 0 errors, 0 warnings\n");
}
