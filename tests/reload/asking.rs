//! `sterna reload`: what it says and how it ends.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use serde_json::json;

use super::{put_in_force, reload, with_control};
use crate::harness::simulator::Simulated;
use crate::harness::site::{ReservedPort, Site};
use crate::harness::wait_until;

#[test]
fn a_broken_file_is_told_to_who_asks_and_to_the_operator() {
    let site = with_control(Site::unreachable());
    let daemon = site.start();
    let broken = site
        .with("core.queues", 0)
        .with_path("core.api_key_path", "no-keys")
        .with("ios.retry_max", "\"many\"");
    broken.write_config();
    let output = reload(&broken, &["--wait"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{told}");
    let expected = [
        "core.queues = 0: must be",
        "ios.retry_max = \"many\": must be",
    ];
    for text in expected {
        assert!(told.contains(text), "{told}");
        wait_until("the operator to be told", || {
            broken.operator_log().contains(text)
        });
    }
    assert!(
        told.contains("the configuration of before stays in force"),
        "{told}"
    );
    assert_eq!(output.stdout, b"");

    // Files that it names are looked at only when it can be read.
    let site = broken.without("core.queues").without("ios.retry_max");
    let site = site
        .with_path("ios.token_auth_key_path", "no-key.p8")
        .with_path("log.access_log", "no-directory/access.log");
    site.write_config();
    let output = reload(&site, &["--wait"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{told}");
    for text in ["no-keys", "no-key.p8", "no-directory/access.log"] {
        assert!(told.contains(text), "all problems at once: {told}");
    }
    // The socket is found in a file that is no TOML.
    let path = site.write_config();
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}\nno toml")).unwrap();
    let output = reload(&site, &["--wait"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{told}");
    assert!(told.contains("not valid TOML"), "{told}");
    assert_eq!(daemon.request("GET", "/healthz", b"").status, 200);
    let site = site
        .without("core.api_key_path")
        .with_path("ios.token_auth_key_path", "AuthKey.p8")
        .with_path("log.access_log", "access.log");
    assert_eq!(put_in_force(&site), "nothing has changed\n");
}

#[test]
fn clients_who_say_nothing_or_half_of_it_keep_no_reload_waiting() {
    let mut site = with_control(Site::unreachable());
    let daemon = site.start();
    let mut silent = Vec::new();
    for queues in 5..8 {
        for number in 0..100 {
            let mut client = UnixStream::connect(site.path("control")).unwrap();
            if number % 2 == 0 {
                client.write_all(b"{\"do\":\"rel").unwrap();
            }
            silent.push(client);
        }
        // One after the other they would be waited for for minutes.
        site = site.with("core.queues", queues);
        let told = put_in_force(&site);
        assert!(
            told.contains(&format!("applied: core.queues = {queues}")),
            "{told}"
        );
    }
    let log = site.operator_log();
    let told = log
        .matches("over the control socket came to nothing")
        .count();
    assert_eq!(told, 1, "{log}");
    assert_eq!(daemon.request("GET", "/healthz", b"").status, 200);
}

#[test]
fn what_was_answered_holds_after_a_kill() {
    let site = with_control(Site::unreachable()).with("core.resend_unknown", true);
    let daemon = site.start();
    let site = site
        .with("core.queues", 5)
        .with("core.resend_unknown", false);
    let told = put_in_force(&site);
    assert!(told.contains("applied: core.queues = 5"), "{told}");
    daemon.kill();
    let daemon = site.start();
    let config = daemon.request("GET", "/config", b"").json();
    assert_eq!(config["core"]["queues"], 5);
    assert_eq!(config["core"]["resend_unknown"], false);
}

/// From the answer on it is noted before a push leaves.
#[test]
fn what_is_sent_after_the_answer_is_known_after_a_kill() {
    let simulated = Simulated::start();
    let site = with_control(Site::simulated(&simulated.simulator))
        .with("core.resend_unknown", true)
        .with("ios.timeout", 600);
    let daemon = site.start();
    let site = site.with("core.resend_unknown", false);
    put_in_force(&site);
    // It is not answered.
    let body = json!({"notifications": [{"platform": 1, "token": ["0bad0000"], "message": "m"}]});
    assert_eq!(daemon.push(&body).status, 200);
    wait_until("it to be sent", || simulated.notes().len() == 1);
    daemon.kill();
    let daemon = site.start();
    daemon.settle();
    let failed = site.error_log();
    let reasons: Vec<_> = failed.iter().map(|line| line.text_of("reason")).collect();
    assert_eq!((reasons, simulated.notes().len()), (vec!["unanswered"], 1));
}

#[test]
fn without_wait_the_request_is_enough() {
    let site = with_control(Site::unreachable());
    let daemon = site.start();
    let site = site.with("core.queues", 5);
    site.write_config();
    let output = reload(&site, &[]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!((output.stdout, output.stderr), (vec![], vec![]));
    wait_until("the reload", || {
        daemon.request("GET", "/config", b"").json()["core"]["queues"] == 5
    });
}

#[test]
fn no_daemon_is_69() {
    let site = with_control(Site::unreachable());
    site.write_config();
    for arguments in [&["--wait"][..], &[]] {
        let output = reload(&site, arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(69), "{told}");
        assert!(told.contains("no daemon answers"), "{told}");
        assert!(told.contains("core.control_socket"), "{told}");
    }
}

#[test]
fn without_a_configuration_it_says_where_it_looked() {
    let site = Site::unreachable();
    let output = reload(&site, &["--wait"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{told}");
    let path = site.path("sterna.toml");
    let expected = format!("no configuration was found at {}: ", path.display());
    assert!(told.contains(&expected), "{told}");
}

#[test]
fn the_daemon_of_another_file_is_not_asked() {
    let site = Site::unreachable();
    site.write_config();
    let output = reload(&site, &["--wait"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(69), "{told}");
    let file = site.path("sterna.toml");
    let expected = format!("{} names no core.control_socket", file.display());
    assert!(told.contains(&expected), "{told}");
}

#[test]
fn a_second_daemon_leaves_the_socket_and_a_dead_ones_is_replaced() {
    let site = with_control(Site::unreachable()).without_journal();
    let daemon = site.start();
    let output = site.run(&[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(75), "{told}");
    assert!(
        told.contains("another process is listening there"),
        "{told}"
    );
    assert_eq!(put_in_force(&site), "nothing has changed\n");
    let mode = fs::metadata(site.path("control"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);

    // Killed, it leaves the file behind.
    drop(daemon);
    assert!(site.path("control").exists());
    let daemon = site.start();
    assert_eq!(put_in_force(&site), "nothing has changed\n");
    assert_eq!(daemon.terminate(), 0);
    assert!(!site.path("control").exists());
}

#[test]
fn a_second_daemon_on_the_same_file_hears_who_has_the_journal() {
    // Port, pid file and control socket are taken as well.
    let port = ReservedPort::new();
    let site = with_control(Site::unreachable())
        .with("core.port", port.number)
        .with_path("core.pid", "pid");
    let daemon = site.start();
    let output = site.run(&[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(75), "{told}");
    let owner = format!("belongs to another daemon, with pid {}", daemon.pid());
    assert!(told.contains(&owner), "{told}");
    assert_eq!(put_in_force(&site), "nothing has changed\n");
}

#[test]
fn a_refused_reload_says_so_first_and_that_logs_are_open_again() {
    let site = with_control(Site::unreachable());
    let daemon = site.start();
    let broken = site.with("core.queues", 0);
    broken.write_config();
    fs::rename(broken.path("operator.log"), broken.path("operator.1")).unwrap();
    daemon.signal("HUP");
    let end = "reload: the configuration of before stays in force; only log files are opened again";
    wait_until("the refusal", || broken.operator_log().contains(end));
    let log = broken.operator_log();
    let lines: Vec<&str> = log.lines().collect();
    assert!(lines[0].contains("reload: "), "{log}");
    assert!(lines[0].contains("core.queues = 0: must be"), "{log}");
    assert!(lines[lines.len() - 1].ends_with(end), "{log}");
}

#[test]
fn what_waits_for_a_restart_is_named_at_the_end_and_in_the_log() {
    let site = with_control(Site::unreachable());
    let _daemon = site.start();
    let site = site.with("core.workers", 7).with_path("core.pid", "pid");
    let told = put_in_force(&site);
    let end = "nothing is applied; restart the daemon for: core.workers, core.pid\n";
    assert!(told.ends_with(end), "{told}");
    let site = site.with("core.queues", 7).with("android.timeout", 5);
    let told = put_in_force(&site);
    let end = "\nrestart the daemon for: core.workers, core.pid\n";
    assert!(told.ends_with(end), "{told}");
    for line in [
        ": android.timeout = 5: raised to 10",
        "[INFO] reload: applied: core.queues = 7",
        "[WARN] reload: needs a restart: core.workers = 7",
        "[WARN] reload: restart the daemon for: core.workers, core.pid\n",
        "[INFO] reload: done, and log files are opened again\n",
    ] {
        wait_until(line, || site.operator_log().contains(line));
    }
}

#[test]
fn systemds_runtime_directory_is_enough() {
    let site = Site::unreachable();
    let mut command = site.command(&[]);
    let directory = site.path("run");
    fs::create_dir(&directory).unwrap();
    command.env("RUNTIME_DIRECTORY", &directory);
    let log = site.path("operator.log");
    let _daemon = crate::harness::daemon::Daemon::start(command, &log);
    assert!(directory.join("control").exists());
}
