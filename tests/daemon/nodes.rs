//! Several daemons of one site, and one daemon over its restarts: no push id and no `apns-id` is
//! given twice.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test by panicking"
)]

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;
use std::sync::{Arc, Barrier};
use std::thread;

use serde_json::{Value, json};

use crate::harness::daemon::Daemon;
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, sterna};
use crate::harness::{batch, hex_token, wait_for, wait_until};
use sterna::journal::{Attempts, DiskFiles, Journal, Settings};
use sterna::moment::Moment;
use sterna::provider::{self, Built};
use sterna::push::{DeviceToken, LaneId, Node, Notification, PushId};

const DAEMONS: u16 = 16;
const PUSHES: u64 = 20;

/// An id of the former build, which made them from the clock: it looks like one of node 408.
const FROM_THE_CLOCK: u64 = 3_590_674_593_201_187;

fn node_of(id: u64) -> u16 {
    PushId(id).node().number()
}

/// Of each of sixteen daemons with these numbers, started and asked at one time: its ids. And all
/// the names by which the provider got to know their pushes.
fn sixteen(number: impl Fn(u16) -> u16) -> (Vec<Vec<u64>>, BTreeSet<String>) {
    let simulated = Simulated::start();
    let sites: Vec<Site> = (0..DAEMONS)
        .map(|index| {
            Site::simulated(&simulated.simulator)
                .with("android.enabled", false)
                .with("core.workers", 1)
                .with("core.node", number(index))
        })
        .collect();
    let at_once = Barrier::new(usize::from(DAEMONS));
    let given = thread::scope(|scope| {
        let daemons = sites.iter().zip(0..).map(|(site, index)| {
            let at_once = &at_once;
            scope.spawn(move || {
                let daemon = site.start();
                at_once.wait();
                let first = index * PUSHES;
                let mut ids = Vec::new();
                for numbers in [
                    first..first + PUSHES / 2,
                    first + PUSHES / 2..first + PUSHES,
                ] {
                    ids.extend(daemon.push(&batch(numbers)).accepted_ids());
                }
                daemon.wait_idle();
                ids
            })
        });
        let daemons: Vec<_> = daemons.collect();
        daemons.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let notes = simulated.notes().into_iter();
    (
        given,
        notes
            .map(|mut note| note.headers.remove("apns-id").unwrap())
            .collect(),
    )
}

#[test]
fn sixteen_daemons_on_one_clock_give_no_id_and_no_apns_id_twice() {
    let (given, names) = sixteen(|index| index * 68);
    for (ids, index) in given.iter().zip(0..) {
        assert!(ids.iter().all(|id| node_of(*id) == index * 68), "{ids:?}");
        assert!(ids.windows(2).all(|two| two[0] + 1 == two[1]), "{ids:?}");
    }
    let all = usize::from(DAEMONS) * usize::try_from(PUSHES).unwrap();
    let ids: BTreeSet<_> = given.iter().flatten().collect();
    assert_eq!((ids.len(), names.len()), (all, all));
    assert!(ids.iter().all(|id| **id < 1 << 53));
}

#[test]
fn sixteen_daemons_that_were_given_one_number_give_no_apns_id_twice() {
    let (given, names) = sixteen(|_| 5);
    assert!(given.iter().flatten().all(|id| node_of(*id) == 5));
    let all = usize::from(DAEMONS) * usize::try_from(PUSHES).unwrap();
    assert_eq!(names.len(), all);
}

#[test]
fn daemons_that_start_together_give_requests_names_that_lie_far_apart() {
    let site = Site::unreachable();
    let request_id = || {
        let reply = site.start().request("GET", "/healthz", b"");
        let text = reply.field("X-Request-Id").unwrap().to_owned();
        u64::from_str_radix(&text, 16).unwrap()
    };
    // More than a daemon gives in years, or a clock makes of the time between them.
    assert!(request_id().abs_diff(request_id()) > 1 << 40);
}

/// A directory in the place of the file of ids: nothing can be put there.
fn block(site: &Site) {
    fs::remove_file(site.path("journal/ids")).unwrap();
    fs::create_dir(site.path("journal/ids")).unwrap();
}

#[test]
fn pushes_for_which_no_id_can_be_reserved_are_refused_until_there_are_ids() {
    let site = Site::unreachable().with_text("log.access_log", "discard");
    let daemon = site.start();
    block(&site);
    // Those of the first block.
    let tokens: Vec<String> = (0..1 << 16).map(|token| format!("t{token}")).collect();
    let body = json!({"notifications": [{"platform": 2, "token": tokens, "message": "m"}]});
    let last = *daemon.push(&body).accepted_ids().last().unwrap();
    for _ in 0..2 {
        let refused = daemon.push(&batch(0..1));
        assert_eq!(
            (refused.status, refused.field("Retry-After")),
            (503, Some("1"))
        );
        let said = refused.message();
        assert!(said.contains("no push ids can be reserved in "), "{said}");
        assert!(said.contains("journal/ids: "), "{said}");
        let health = daemon.request("GET", "/healthz", b"");
        assert_eq!((health.status, health.message()), (503, said));
    }
    let told = || {
        let log = site.operator_log();
        log.matches("no push ids can be reserved").count()
    };
    wait_until("the operator to be told", || told() > 0);
    fs::remove_dir(site.path("journal/ids")).unwrap();
    assert_eq!(daemon.request("GET", "/healthz", b"").status, 200);
    assert_eq!(daemon.push(&batch(0..1)).accepted_ids(), [last + 1]);
    wait_until("the operator to be told of that", || {
        site.operator_log().contains("push ids can be had again")
    });
    assert_eq!(told(), 1);
}

#[test]
fn without_a_journal_ids_go_on_over_kills_whatever_the_clock_says() {
    let site = Site::unreachable().without_journal();
    let state = site.path("state/of/its/own");
    let start = |behind: &str| {
        let mut command = site.command(&[]);
        command.env("STATE_DIRECTORY", &state);
        command.env("STERNA_CLOCK_BEHIND", behind);
        Daemon::start(command, &site.path("operator.log"))
    };
    let mut last = 0;
    for behind in ["0", "7200", "400000000", "0"] {
        let daemon = start(behind);
        let ids = daemon.push(&batch(0..5)).accepted_ids();
        assert!(ids[0] > last && node_of(ids[0]) == 0, "{last} {ids:?}");
        last = ids[4];
        daemon.kill();
    }
    assert!(!site.operator_log().contains("a place made from the clock"));
}

#[test]
fn in_a_state_directory_that_is_open_to_all_ids_are_in_one_of_ours() {
    let site = Site::unreachable().without_journal();
    let state = site.path("state");
    let made = fs::create_dir(&state);
    made.and_then(|()| fs::set_permissions(&state, Permissions::from_mode(0o1777)))
        .unwrap();
    let mut last = 0;
    for mode in [0o1777, 0o755] {
        fs::set_permissions(&state, Permissions::from_mode(mode)).unwrap();
        let mut command = site.command(&[]);
        command.env("STATE_DIRECTORY", &state);
        let daemon = Daemon::start(command, &site.path("operator.log"));
        let ids = daemon.push(&batch(0..5)).accepted_ids();
        assert!(ids[0] > last, "{last} {ids:?}");
        last = ids[4];
        daemon.kill();
        let inside = fs::read_dir(&state).unwrap().map(|entry| entry.unwrap());
        let inside: Vec<_> = inside.map(|entry| entry.path()).collect();
        assert_eq!(inside.len(), 1, "{inside:?}");
        assert_eq!(fs::metadata(&inside[0]).unwrap().mode() & 0o7777, 0o700);
        assert!(inside[0].join("ids").exists());
        let said = format!("push ids are kept in {}", inside[0].display());
        assert!(site.operator_log().contains(&said), "{mode:o}");
    }
}

#[test]
fn a_daemon_without_a_state_directory_says_that_its_ids_are_made_from_the_clock() {
    let site = Site::unreachable().without_journal().with("core.node", 3);
    let daemon = site.start();
    let first = daemon.push(&batch(0..5)).accepted_ids();
    let log = site.operator_log();
    let said = format!(
        "push ids begin at {}, a place made from the clock",
        first[0]
    );
    assert!(
        log.contains(&said) && log.contains("STATE_DIRECTORY"),
        "{log}"
    );
    daemon.kill();
    let second = site.start().push(&batch(0..5)).accepted_ids();
    assert!(second[0] > first[4], "{first:?} {second:?}");
    assert!(node_of(first[0]) == 3 && node_of(second[0]) == 3);
}

/// Leaves a push in the journal as the former build did.
fn leave_by_the_former_build(site: &Site, number: u64) {
    let settings = Settings::new(site.path("journal"));
    let (journal, _) = Journal::open(Arc::new(DiskFiles), settings, Moment::now()).unwrap();
    let mut notification = Notification::empty(LaneId::IOS);
    notification.message = "from before".into();
    let accepted = provider::accept(
        &notification,
        &Built::nothing(LaneId::IOS),
        [DeviceToken::new(hex_token(number))],
        PushId(FROM_THE_CLOCK),
        Moment::now(),
    );
    journal.append([&accepted], None).unwrap();
    journal.leave([(PushId(FROM_THE_CLOCK), Attempts::default())]);
    assert_eq!(journal.close().outstanding, 1);
}

#[test]
fn an_old_journal_moves_no_counter_and_its_pushes_keep_their_names() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    leave_by_the_former_build(&site, 1);
    let mut last = 0;
    for round in 0..2 {
        let daemon = site.start();
        let ids = daemon.push(&batch([10 + round])).accepted_ids();
        assert!(ids[0] > last && node_of(ids[0]) == 0, "{last} {ids:?}");
        last = ids[0];
        daemon.wait_idle();
        if round == 0 {
            let old = daemon.request("GET", &format!("/push/{FROM_THE_CLOCK}"), b"");
            assert_eq!(old.json()["state"], "settled", "{old:?}");
        }
        drop(daemon);
    }
    let name = |number| names_of(&simulated, &hex_token(number)).remove(0);
    assert_eq!(name(1), "73746572-6e61-8000-800c-c1b313a1bc23");
    // The first half is the state directory's, the last twelve digits the id's.
    let [first, second] = [10, 11].map(name);
    assert_eq!(first.split_at(18).0, second.split_at(18).0);
    assert!(
        second.ends_with(&format!("{last:012x}")),
        "{second} {last:x}"
    );
}

#[test]
fn a_push_has_one_name_over_a_kill_and_another_number() {
    let simulated = Simulated::start();
    let silent = "0bad0000".repeat(8);
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let body = json!({"notifications": [{"platform": 1, "token": [silent], "message": "m"}]});
    let id = daemon.push(&body).accepted_ids()[0];
    let names = || names_of(&simulated, &silent);
    wait_until("it to be received", || names().len() == 1);
    daemon.kill();
    let site = site.with("core.node", 9);
    let daemon = site.start();
    let names = wait_for("it to be received again", || {
        Some(names()).filter(|it| it.len() > 1)
    });
    assert_eq!(names[0], names[1]);
    // It is known here, whoever gave the id; what is not is told with the node.
    let state = daemon.request("GET", &format!("/push/{id}"), b"");
    assert_eq!(state.status, 200, "{state:?}");
    assert_eq!(node_of(daemon.push(&batch([1])).accepted_ids()[0]), 9);
}

#[test]
fn a_push_of_another_daemon_is_not_found_and_told_with_its_node() {
    let site = Site::unreachable().with("core.node", 2);
    let daemon = site.start();
    let own = daemon.push(&batch([1])).accepted_ids()[0];
    let asked = |id: u64| daemon.request("GET", &format!("/push/{id}"), b"");
    assert_eq!(asked(own).status, 200);
    let unknown = asked(own + 1);
    assert_eq!(
        (unknown.status, &unknown.json()["node"]),
        (404, &Value::Null)
    );
    for (id, node) in [(Node::new(1023).unwrap().ids().start, 1023), (7, 0)] {
        let other = asked(id);
        assert_eq!((other.status, &other.json()["node"]), (404, &json!(node)));
        let said = format!("core.node {node}, and this is 2");
        assert!(other.message().contains(&said), "{other:?}");
    }
}

#[test]
fn a_number_is_changed_by_a_restart_and_none_is_given_twice() {
    let site = Site::unreachable().with("core.shutdown_timeout", 0);
    let daemon = site.start();
    let first = daemon.push(&batch([1])).accepted_ids()[0];
    let site = site.with("core.node", 4);
    site.write_config();
    daemon.signal("HUP");
    wait_until("the reload", || {
        let log = site.operator_log();
        log.contains("needs a restart: core.node = 4 (still 0)")
    });
    let second = daemon.push(&batch([1])).accepted_ids()[0];
    assert_eq!(second, first + 1);
    assert_eq!(daemon.terminate(), 0);
    let daemon = site.start();
    assert_eq!(node_of(daemon.push(&batch([1])).accepted_ids()[0]), 4);
    assert_eq!(daemon.terminate(), 0);
    let site = site.with("core.node", 0);
    let daemon = site.start();
    let third = daemon.push(&batch([1])).accepted_ids()[0];
    assert!(node_of(third) == 0 && third > second, "{second} {third}");
}

#[test]
fn a_spoilt_file_of_ids_is_told_kept_and_replaced() {
    let site = Site::unreachable();
    let daemon = site.start();
    let last = daemon.push(&batch([1])).accepted_ids()[0];
    daemon.kill();
    let ids = site.path("journal/ids");
    let text = fs::read_to_string(&ids).unwrap();
    let spoilt = text
        .replacen("run 1", "run 2", 1)
        .replacen("bits", "bit5", 1);
    fs::write(&ids, &spoilt).unwrap();
    let daemon = site.start();
    let next = daemon.push(&batch([1])).accepted_ids()[0];
    assert!(next > last && node_of(next) == 0);
    let log = site.operator_log();
    let said = format!(
        "{} cannot be used: its checksum is wrong; it is kept as",
        ids.display()
    );
    assert!(log.contains(&said), "{log}");
    assert_eq!(
        fs::read_to_string(site.path("journal/ids.damaged")).unwrap(),
        spoilt
    );
}

#[test]
fn numbers_that_no_id_has_room_for_are_refused() {
    let site = Site::unreachable().with("core.node", 1024);
    let output = crate::harness::site::run({
        let mut command = sterna();
        command.arg("check").arg("-c").arg(site.write_config());
        command
    });
    assert_eq!(output.status.code(), Some(78));
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.contains("must be 0 to 1023 (each daemon of a site its own)"),
        "{text}"
    );
}

/// The names by which the provider has got to know pushes to a device, in their order.
fn names_of(simulated: &Simulated, device_token: &str) -> Vec<String> {
    let notes = simulated.notes().into_iter();
    let notes = notes.filter(|note| note.device_token == device_token);
    notes.map(|note| note.headers["apns-id"].clone()).collect()
}

#[test]
fn a_push_that_is_recovered_keeps_its_name() {
    // Not answered the first time that its name is seen.
    let device_token = "1bad0000".repeat(8);
    for from_a_log in [false, true] {
        let simulated = Simulated::start();
        let mut site = Site::simulated(&simulated.simulator).with("core.node", 6);
        if from_a_log {
            site = site.without_journal();
        }
        let with_state = |mut command: Command| {
            command.env("STATE_DIRECTORY", site.path("state"));
            command
        };
        let command = with_state(site.command(&[]));
        let daemon = Daemon::start(command, &site.path("operator.log"));
        let body =
            json!({"notifications": [{"platform": 1, "token": [device_token], "message": "m"}]});
        assert_eq!(daemon.push(&body).status, 200);
        let names = || names_of(&simulated, &device_token);
        wait_until("it to be received", || names().len() == 1);
        wait_until("its line", || site.access_log().len() == 2);
        daemon.kill();
        let mut command = sterna();
        command.args(["recover", "-c"]).arg(site.write_config());
        if from_a_log {
            command.arg("--allow-incomplete");
            for log in ["error.log", "access.log"] {
                command.arg("-l").arg(site.path(log));
            }
        }
        let output = crate::harness::site::run(with_state(command));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{stderr}");
        let names = names();
        assert_eq!((names.len(), &names[0]), (2, &names[1]), "{stderr}");
        assert!(!names[0].starts_with("73746572"), "{names:?}");
    }
}

#[test]
fn an_old_push_log_moves_no_counter_and_its_pushes_keep_their_names() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let line = format!(
        r#"{{"level":"info","time":"2026/11/22 08:48:18 UTC","message":"m","id":{FROM_THE_CLOCK},"platform":"ios","token":"{}","type":"accepted-push","ptime":0,"error":""}}"#,
        hex_token(1)
    );
    fs::write(site.path("old.log"), line + "\n").unwrap();
    let mut command = sterna();
    command.args(["recover", "--allow-incomplete", "--max-age", "28d", "-c"]);
    command.arg(site.write_config());
    command.arg("-l").arg(site.path("old.log"));
    let output = crate::harness::site::run(command);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let names = names_of(&simulated, &hex_token(1));
    assert_eq!(names, ["73746572-6e61-8000-800c-c1b313a1bc23"]);
    assert_eq!(node_of(site.start().push(&batch([2])).accepted_ids()[0]), 0);
}
