//! What systemd hears, by a `NOTIFY_SOCKET` of the test's.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use serde_json::json;

use crate::harness::PATIENCE;
use crate::harness::daemon::{Address, Daemon};
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::{hex_token, wait_until};

/// Stands in the place of systemd.
struct Manager(UnixDatagram);

impl Manager {
    fn of(site: &Site) -> Self {
        let socket = UnixDatagram::bind(site.path("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    /// The next message, line by line.
    fn next(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let bytes = loop {
            match self.0.recv(&mut buffer) {
                // With a time-out, signal(7) has it end so whatever the signal.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                received => break received.unwrap(),
            }
        };
        let text = String::from_utf8(buffer[..bytes].to_vec()).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// The next message that has a line which begins so; what came before it is passed over.
    fn next_with(&self, beginning: &str) -> Vec<String> {
        loop {
            let message = self.next();
            if message.iter().any(|line| line.starts_with(beginning)) {
                return message;
            }
        }
    }
}

/// Starts a daemon that tells the manager of its site.
fn start(site: &Site, change: impl Fn(&mut Command)) -> Daemon {
    let mut command = site.command(&[]);
    command.env("NOTIFY_SOCKET", site.path("notify"));
    change(&mut command);
    Daemon::start(command, &site.path("operator.log"))
}

#[test]
fn systemd_hears_of_start_figures_reload_and_end() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with("core.shutdown_timeout", 20);
    let manager = Manager::of(&site);
    let daemon = start(&site, |_| ());
    assert_eq!(manager.next(), ["READY=1"], "before anything else");
    let status = "STATUS=serving: ios 0 waiting, 0 in flight, 0 succeeded, 0 failed; android 0 \
                  waiting, 0 in flight, 0 succeeded, 0 failed";
    assert_eq!(manager.next(), [status]);

    let tokens: Vec<String> = (0..3).map(hex_token).collect();
    let body = json!({"notifications": [{"platform": 1, "token": tokens, "message": "m"}]});
    assert_eq!(daemon.push(&body).status, 200);
    daemon.wait_idle();
    let status = "STATUS=serving: ios 0 waiting, 0 in flight, 3 succeeded, 0 failed; android";
    manager.next_with(status);

    daemon.signal("HUP");
    let reloading = manager.next_with("RELOADING=1");
    let time = reloading[1].strip_prefix("MONOTONIC_USEC=").unwrap();
    assert!(time.parse::<u64>().unwrap() > 0);
    assert_eq!(manager.next(), ["READY=1"]);

    assert_eq!(daemon.terminate(), 0);
    // 30 s more than it may take to drain.
    let stopping = manager.next_with("STOPPING=1");
    assert_eq!(stopping, ["STOPPING=1", "EXTEND_TIMEOUT_USEC=50000000"]);
    let log = site.operator_log();
    assert!(!log.contains("watchdog"), "{log}");
}

#[test]
fn ready_is_told_when_pushes_are_taken_and_after_a_refused_reload() {
    let site = Site::unreachable().on_unix_socket();
    let manager = Manager::of(&site);
    let mut command = site.command(&[]);
    command.env("NOTIFY_SOCKET", site.path("notify"));
    let mut daemon = Daemon::spawn(command);
    assert_eq!(manager.next(), ["READY=1"]);
    // The journal is read and the socket bound by then: nothing is waited for here.
    daemon.address = Address::Unix(site.path("api.sock"));
    let body = json!({"notifications": [{"platform": 1, "token": ["ab"], "message": "m"}]});
    assert_eq!(daemon.push(&body).status, 200);

    let site = site.with("core.queues", 0);
    site.write_config();
    daemon.signal("HUP");
    let reloading = manager.next_with("RELOADING=1");
    assert!(reloading[1].starts_with("MONOTONIC_USEC="), "{reloading:?}");
    assert_eq!(manager.next(), ["READY=1"]);
    wait_until("the refusal to be told", || {
        site.operator_log()
            .contains("reload: the configuration of before stays in force")
    });
}

#[test]
fn the_watchdog_is_fed_twice_in_its_time() {
    let site = Site::unreachable();
    let manager = Manager::of(&site);
    // From before the first, so that messages which wait to be read make it no shorter.
    let begun = std::time::Instant::now();
    let daemon = start(&site, |command| {
        command.env("WATCHDOG_USEC", "400000");
    });
    for _ in 0..10 {
        manager.next_with("WATCHDOG=1");
    }
    // Not more often than that either, or it would say little.
    assert!(begun.elapsed().as_millis() > 1_400, "{:?}", begun.elapsed());
    assert_eq!(daemon.terminate(), 0);
}

/// Each wait is one for all lanes: one after the other, they would take a minute.
#[test]
fn the_watchdog_is_fed_while_lanes_are_put_away_all_at_once() {
    let simulated = Simulated::with(|options| {
        options.faults.latency = PATIENCE * 2;
    });
    let names: Vec<String> = (0..20).map(|number| format!("app-{number}")).collect();
    let of_all = |site: Site| {
        let simulator = &simulated.simulator;
        names
            .iter()
            .fold(site, |site, name| site.with_app(name, simulator))
    };
    let plain = || Site::simulated(&simulated.simulator);
    let site = of_all(plain().with("core.shutdown_timeout", 1));
    let manager = Manager::of(&site);
    let daemon = start(&site, |command| {
        command.env("WATCHDOG_USEC", "400000");
    });
    let notifications: Vec<_> = names
        .iter()
        .map(|app| json!({"platform": 1, "token": [hex_token(1)], "message": "m", "app": app}))
        .collect();
    let reply = daemon.push(&json!({"notifications": notifications}));
    assert_eq!(reply.accepted_ids().len(), names.len());
    wait_until("all to be in flight", || {
        simulated.received().values().sum::<usize>() == names.len()
    });
    let site = names.iter().fold(site, |site, app| {
        site.with(&format!("apps.{app}.ios.enabled"), false)
    });
    site.write_config();
    daemon.signal("HUP");
    manager.next_with("RELOADING=1");
    let mut fed = 0;
    loop {
        let message = manager.next();
        if message == ["READY=1"] {
            break;
        }
        fed += usize::from(message == ["WATCHDOG=1"]);
    }
    // Twice in its time, in the 3 s which answers have: not as often as for lanes in a row.
    assert!((2..60).contains(&fed), "{fed}");
    let log = site.operator_log();
    let stays = |app: &&String| log.contains(&format!("{app}/ios is disabled: 1 push to it stays"));
    assert_eq!(names.iter().filter(stays).count(), names.len(), "{log}");
    assert_eq!(daemon.terminate(), 0);
}

#[test]
fn a_watchdog_of_another_process_is_not_fed() {
    let site = Site::unreachable();
    let manager = Manager::of(&site);
    let daemon = start(&site, |command| {
        command
            .env("WATCHDOG_USEC", "40000")
            .env("WATCHDOG_PID", "1");
    });
    assert_eq!(manager.next(), ["READY=1"]);
    daemon.signal("HUP");
    assert_eq!(daemon.terminate(), 0);
    loop {
        let message = manager.next();
        assert_ne!(message, ["WATCHDOG=1"]);
        if message[0] == "STOPPING=1" {
            break;
        }
    }
}

#[test]
fn a_manager_that_does_not_listen_is_told_once_and_harms_nothing() {
    let site = Site::unreachable();
    let mut command = site.command(&[]);
    command.env("NOTIFY_SOCKET", site.path("nobody"));
    let daemon = Daemon::start(command, &site.path("operator.log"));
    daemon.signal("HUP");
    assert_eq!(daemon.request("GET", "/healthz", b"").status, 200);
    assert_eq!(daemon.terminate(), 0);
    let log = site.operator_log();
    assert_eq!(
        log.matches("cannot tell systemd anything").count(),
        1,
        "{log}"
    );
}
