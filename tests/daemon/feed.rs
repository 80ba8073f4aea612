//! What became of pushes, asked for in order: how each ended, and which device tokens are dead.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test by panicking"
)]

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::documents::database;
use crate::harness::daemon::{Address, Daemon};
use crate::harness::disk::{can_mount, fill, serve_on_disk};
use crate::harness::http::{Client, request};
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, run};
use crate::harness::{fcm_token, hex_token, wait_for, wait_until};

const KEY: &str = "0123456789abcdef-hunter2";

fn push(daemon: &Daemon, pushes: &[(u64, &str, &str)]) -> Vec<u64> {
    let one = |(platform, token, identifier): &(u64, &str, &str)| json!({"platform": platform, "token": [token], "message": "m", "identifier": identifier});
    let all: Vec<Value> = pushes.iter().map(one).collect();
    daemon.push(&json!({ "notifications": all })).accepted_ids()
}

/// The answer to a request for records, as JSON.
fn get(daemon: &Daemon, target: &str) -> Value {
    let reply = daemon.request("GET", target, b"");
    assert_eq!(reply.status, 200, "{target}: {}", reply.text());
    reply.json()
}

/// The records of a stream, once there are so many.
fn records(daemon: &Daemon, path: &str, count: usize) -> Vec<Value> {
    wait_for("the records", || {
        let records = get(daemon, path)["records"].as_array().unwrap().clone();
        (records.len() >= count).then_some(records)
    })
}

fn without(record: &Value, keys: &[&str]) -> Value {
    let mut record = record.clone();
    for key in keys {
        record.as_object_mut().unwrap().remove(*key).unwrap();
    }
    record
}

#[test]
fn how_each_push_ended_and_which_device_tokens_are_dead_is_there_after_a_restart_and_a_kill() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let (good, gone) = (hex_token(1), "0bad4100");
    let fcm_gone = "unregistered-1";
    let pushes = [
        (1, &*good, "order-1"),
        (1, gone, "order-2"),
        (2, fcm_gone, ""),
        // Suspects: the wrong environment, another project.
        (1, "0bad4000", "order-3"),
        (2, "mismatch-1", ""),
    ];
    let ids = push(&daemon, &pushes);
    let settled = records(&daemon, "/settlements", 5);
    let of = |id: u64| settled.iter().find(|record| record["id"] == id).unwrap();
    let times = ["cursor", "accepted_at", "settled_at"];
    assert_eq!(
        without(of(ids[0]), &times),
        json!({"id": ids[0], "identifier": "order-1", "app": "default", "platform": "ios",
               "end": "succeeded", "status": 200, "attempts": 1})
    );
    let dead = of(ids[1]);
    assert_eq!(
        without(dead, &[&times[..], &["gone_since"]].concat()),
        json!({"id": ids[1], "identifier": "order-2", "app": "default", "platform": "ios",
               "end": "failed", "status": 410, "reason": "Unregistered", "attempts": 1,
               "token_is": "dead"})
    );
    assert!(dead["accepted_at"].as_u64() <= dead["settled_at"].as_u64());
    let verdicts = ids.iter().map(|id| of(*id)["token_is"].clone());
    let expected = json!([null, "dead", "dead", "suspect", "suspect"]);
    assert_eq!(verdicts.collect::<Value>(), expected);
    // Suspects are not among those that are dead, and only there is the token.
    let tokens = records(&daemon, "/tokens/dead", 2);
    let mut named: Vec<&str> = tokens
        .iter()
        .map(|it| it["token"].as_str().unwrap())
        .collect();
    named.sort_unstable();
    assert_eq!(named, [gone, fcm_gone]);
    assert!(settled.iter().all(|record| record.get("token").is_none()));
    // Page by page it is the same.
    let (mut after, mut paged) = (String::new(), Vec::new());
    loop {
        let page = get(&daemon, &format!("/settlements?limit=2&after={after}"));
        paged.extend(page["records"].as_array().unwrap().clone());
        page["next"].as_str().unwrap().clone_into(&mut after);
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(paged, settled);
    // Who wants what comes from now on begins behind the last.
    let page = get(&daemon, "/settlements?after=newest");
    let last = settled.last().unwrap();
    assert_eq!(
        (&page["records"], &page["next"]),
        (&json!([]), &last["cursor"])
    );
    assert_eq!(daemon.terminate(), 0);

    let daemon = site.start();
    assert_eq!(records(&daemon, "/settlements", 5), settled);
    assert_eq!(records(&daemon, "/tokens/dead", 2), tokens);
    let later = push(&daemon, &[(1, &hex_token(2), "")]);
    let behind = records(&daemon, &format!("/settlements?after={after}"), 1);
    assert_eq!((behind.len(), &behind[0]["id"]), (1, &json!(later[0])));
    daemon.kill();

    let daemon = site.start();
    // What it had in memory nobody knows: a gap without a number. What was shown is there.
    let behind_kill = records(&daemon, &format!("/settlements?after={after}"), 2);
    assert_eq!(behind_kill[0], behind[0]);
    let gap = without(&behind_kill[1], &["cursor"]);
    assert_eq!(gap, json!({"gap": true}));
    assert_eq!(daemon.terminate(), 0);
    let log = site.operator_log();
    assert!(log.contains(": settlements: 1 segment, "), "{log}");
    assert!(!log.contains(gone), "{log}");
}

#[test]
fn a_key_of_an_app_reads_what_became_of_its_pushes_alone() {
    let site = Site::unreachable().with_path("core.api_key_path", "api-keys");
    let lines = format!("{KEY}-all\n{KEY}-shop app=shop rights=feed\n{KEY}-default app=default\n");
    fs::write(site.path("api-keys"), lines).unwrap();
    let simulated = Simulated::start();
    let site = site.with_app("shop", &simulated.simulator);
    let daemon = site.start();
    let ask = |method: &str, target: &str, who: &str, body: &str| {
        let mut bytes = request(method, target, body.as_bytes());
        let end = bytes.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
        let field = format!("Authorization: Bearer {KEY}-{who}\r\n");
        bytes.splice(end..end, field.into_bytes());
        let mut client: Client = daemon.client();
        client.send(&bytes);
        client.reply()
    };
    for (app, expiry) in [("default", 1), ("shop", 1)] {
        let one = json!({"platform": 1, "token": [hex_token(1)], "message": "m", "app": app,
                         "expiry": expiry});
        let body = json!({ "notifications": [one] }).to_string();
        let reply = ask("POST", "/push", "all", &body);
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let apps = |who: &str| {
        let reply = ask("GET", "/settlements", who, "");
        assert_eq!(reply.status, 200, "{}", reply.text());
        let page = reply.json();
        let records = page["records"].as_array().unwrap();
        let apps: Vec<String> = records
            .iter()
            .map(|it| it["app"].as_str().unwrap().to_owned())
            .collect();
        (apps, page["next"].clone())
    };
    wait_until("both to be settled", || apps("all").0.len() == 2);
    let all = apps("all");
    assert_eq!(apps("shop"), (vec!["shop".to_owned()], all.1.clone()));
    assert_eq!(apps("default"), (vec!["default".to_owned()], all.1));
}

#[test]
fn what_is_asked_for_wrongly_is_answered_with_what_to_do() {
    let site = Site::unreachable();
    let daemon = site.start();
    let empty = get(&daemon, "/settlements");
    assert_eq!(
        (&empty["records"], &empty["more"]),
        (&json!([]), &json!(false))
    );
    let next = empty["next"].as_str().unwrap();
    let ahead = format!("/settlements?after={}9", next.strip_suffix('0').unwrap());
    for (target, status, told) in [
        (
            "/settlements?limit=0",
            400,
            "limit must be a number from 1 to 10000",
        ),
        (
            "/settlements?since=1",
            400,
            "the query may have after and limit, and nothing else",
        ),
        (
            "/settlements?after=1",
            400,
            "after is no cursor of /settlements: ",
        ),
        (
            &format!("/tokens/dead?after={next}"),
            400,
            "after is no cursor of /tokens/dead: ",
        ),
        (
            "/settlements?after=settlements.0.0",
            410,
            "records after this cursor are gone, ",
        ),
        (&ahead, 410, "records after this cursor are gone, "),
    ] {
        let reply = daemon.request("GET", target, b"");
        assert_eq!(reply.status, status, "{target}: {}", reply.text());
        assert!(
            reply.message().starts_with(told),
            "{target}: {}",
            reply.text()
        );
    }
    assert_eq!(daemon.request("POST", "/settlements", b"").status, 400);
    assert_eq!(daemon.terminate(), 0);
    let site = site.with_text("feedback.sync", "off");
    let daemon = site.start();
    let reply = daemon.request("GET", "/settlements", b"");
    assert_eq!(reply.status, 404);
    assert!(
        reply.message().starts_with("no feed is kept: "),
        "{}",
        reply.text()
    );
    let config = get(&daemon, "/config");
    assert_eq!(config["feedback"], json!({"sync": "off"}));
}

#[test]
fn what_stands_in_the_place_of_the_feed_keeps_no_push_back() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    site.start().terminate();
    let feed = site.path("journal").join("feed");
    fs::remove_dir_all(&feed).unwrap();
    fs::write(&feed, "a file").unwrap();
    let daemon = site.start();
    push(&daemon, &[(1, &hex_token(1), "")]);
    assert_eq!(daemon.request("GET", "/settlements", b"").status, 404);
    daemon.settle();
    let log = site.operator_log();
    assert!(log.contains("There is none until the next start"), "{log}");
    // Segments that are none, a link and a pipe among them: told, and what comes is kept.
    fs::remove_file(&feed).unwrap();
    fs::create_dir(&feed).unwrap();
    let segment = |number: u32| feed.join(format!("settlements-{number:010}.feed"));
    symlink("/dev/zero", segment(1)).unwrap();
    crate::harness::site::make_pipe(&segment(2));
    fs::create_dir(segment(3)).unwrap();
    fs::write(segment(4), vec![7; 100_000]).unwrap();
    let daemon = site.start();
    let ids = push(&daemon, &[(1, &hex_token(2), "")]);
    wait_until("the record", || {
        let page = get(&daemon, "/settlements");
        let mut all = page["records"].as_array().unwrap().iter();
        all.any(|record| record["id"] == ids[0])
    });
    daemon.settle();
    let log = site.operator_log();
    for number in 1..=4 {
        let named = format!("feed: {}: ", segment(number).display());
        assert!(log.contains(&named), "{named}: {log}");
    }
}

#[test]
fn a_full_disk_holds_no_push_up_and_the_feed_goes_on_once_there_is_room() {
    if !can_mount() {
        return;
    }
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with_text("feedback.sync", "group");
    let command = serve_on_disk(&site, "journal/feed", 1 << 20, "rw");
    let daemon = Daemon::start(command, &site.path("operator.log"));
    push(&daemon, &[(1, &hex_token(1), "")]);
    records(&daemon, "/settlements", 1);
    let filler = fill(&daemon, &site.path("journal/feed"), 0);
    // More than the last block of its segment has room for.
    for round in 0..2_u64 {
        let tokens: Vec<String> = (0..200).map(|n| fcm_token(round * 1000 + n)).collect();
        let all = json!({"platform": 2, "token": tokens, "message": "m"});
        let reply = daemon.push(&json!({ "notifications": [all] }));
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    daemon.wait_idle();
    let told = "feed, whose readers are told. make room: df ";
    wait_until("the operator to be told", || {
        site.operator_log().contains(told)
    });
    fs::remove_file(filler).unwrap();
    let settled = records(&daemon, "/settlements", 401);
    assert!(settled.iter().all(|record| record.get("gap").is_none()));
    assert_eq!(settled.len(), 401);
    daemon.settle();
}

#[test]
fn the_batch_of_the_readme_deletes_what_the_feed_calls_dead_whatever_is_in_a_token() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let known = ["0bad4100", "unregistered-2", "mismatch-1"];
    let to = [(1, known[0], ""), (2, known[1], ""), (2, known[2], "")];
    push(&daemon, &to);
    records(&daemon, "/settlements", 3);
    let dead = records(&daemon, "/tokens/dead", 2);
    assert_eq!(dead.len(), 2, "{dead:?}");
    let hostile = "x');DELETE FROM devices;--\"";
    let rows = [
        ("ios", known[0], 1_500_000_000, false),
        ("android", known[1], 1_500_000_000, false),
        // Named below, doubtful, registered again since, the same text on the other platform.
        ("android", hostile, 1_500_000_000, true),
        ("android", known[2], 1_500_000_000, true),
        ("android", known[1], Timestamp::now().as_second() + 60, true),
        ("ios", known[1], 1_500_000_000, true),
    ];
    let insert = rows.iter().map(|(platform, token, at, _)| {
        let token = token.replace('\'', "''");
        format!(
            "INSERT INTO devices (platform, token, registered_at) VALUES ('{platform}', '{token}', {at});"
        )
    });
    database(&site.path("site.db"), &insert.collect::<String>());
    let page = include_str!("../../README.md");
    let (_, batch) = page
        .split_once("```sh\nwhile curl -sSf \"http://127.0.0.1:1056/tokens")
        .unwrap();
    let (batch, _) = batch.split_once("```").unwrap();
    // So that there is more than one page.
    let batch = batch.replace("?limit=10000&", "?limit=1&");
    let Address::Tcp(address) = &daemon.address else {
        unreachable!("the daemon is on TCP");
    };
    let script = format!(
        "while curl -sSf \"http://{address}/tokens{batch}sqlite3 site.db 'SELECT id FROM devices'; cat cursor"
    );
    let run_batch = || {
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).current_dir(site.path(""));
        let output = run(shell);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let left = (1..).zip(&rows).filter(|(_, (.., stays))| *stays);
    let left: String = left
        .flat_map(|(id, _)| [id.to_string(), "\n".to_owned()])
        .collect();
    let next = get(&daemon, "/tokens/dead")["next"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(run_batch(), format!("{left}{next}\n"));
    // The next time there is nothing new.
    assert_eq!(run_batch(), format!("{left}{next}\n"));
    // The cursor stays where the work is not done.
    push(&daemon, &[(1, known[0], "")]);
    records(&daemon, "/tokens/dead", 3);
    fs::rename(site.path("site.db"), site.path("aside.db")).unwrap();
    assert_eq!(run_batch(), format!("{next}\n"));
    fs::rename(site.path("aside.db"), site.path("site.db")).unwrap();
    // A token that would be SQL deletes its own device and nothing else.
    let mut record = dead[0].clone();
    (record["token"], record["platform"]) = (json!(hostile), json!("android"));
    let page = json!({"records": [record], "next": next, "more": false});
    fs::write(site.path("dead.json"), page.to_string()).unwrap();
    let (_, deletes) = script.split_once("sqlite3 ").unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-ec", &format!("while sqlite3 {deletes}")]);
    shell.current_dir(site.path(""));
    let output = run(shell);
    assert!(output.status.success(), "{output:?}");
    let left = left.replace("3\n", "");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(printed, format!("{left}{next}\n"));
}

#[test]
fn what_ends_without_a_journal_is_a_gap_where_the_state_directory_has_the_feed() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    push(&daemon, &[(1, &hex_token(1), "first")]);
    records(&daemon, "/settlements", 1);
    assert_eq!(daemon.terminate(), 0);
    let site = site.without_journal();
    let mut command = site.command(&[]);
    command.env("STATE_DIRECTORY", site.path("journal"));
    let daemon = Daemon::start(command, &site.path("operator.log"));
    push(&daemon, &[(1, &hex_token(2), "second")]);
    daemon.wait_idle();
    assert_eq!(daemon.request("GET", "/settlements", b"").status, 404);
    assert_eq!(daemon.terminate(), 0);
    let site = site
        .with_text("journal.sync", "group")
        .with_path("journal.dir", "journal");
    let daemon = site.start();
    push(&daemon, &[(1, &hex_token(3), "third")]);
    let all = records(&daemon, "/settlements", 3);
    let told = all
        .iter()
        .map(|it| (&it["identifier"], &it["gap"], &it["records"]));
    let (first, third, none) = (json!("first"), json!("third"), Value::Null);
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            (&first, &none, &none),
            (&none, &json!(true), &none),
            (&third, &none, &none),
        ]
    );
}
