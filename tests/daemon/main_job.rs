//! The main job, with the real binary: pushes come in over plain HTTP and reach look-alikes of
//! APNs and FCM over TLS and HTTP/2, none lost and none doubled. The outcome is read where an
//! operator reads it: log files, statistics, the simulator's own count.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test by panicking"
)]

use std::collections::BTreeMap;
use std::fs;
use std::thread;

use serde_json::{Value, json};

use crate::harness::daemon::Daemon;
use crate::harness::simulator::Simulate;
use crate::harness::site::{Site, read_text, sterna};
use crate::harness::{fcm_token, hex_token, lines, wait_for, wait_until};

const IOS: u64 = 1;
const ANDROID: u64 = 2;

/// A platform and a device token.
type Target = (u64, String);

#[test]
fn ten_thousand_pushes_with_auth_tokens_while_logs_are_rotated() {
    check_ten_thousand(&[], 5);
}

#[test]
fn ten_thousand_pushes_with_a_client_certificate() {
    check_ten_thousand(&["--certificate"], 0);
}

fn check_ten_thousand(arguments: &[&str], rotations: usize) {
    let site = Site::with_logs();
    let daemon = demo(&site, &[&["--summary"], arguments].concat());
    let mut requests = requests();
    let pushes: usize = requests.iter().map(|(_, targets)| targets.len()).sum();
    assert_eq!(pushes, 10_000);
    // Four callers at once, each with a connection that it keeps.
    let shares: Vec<Vec<_>> = (0..4)
        .map(|caller| {
            let share = requests.len() / (4 - caller);
            requests.drain(..share).collect()
        })
        .collect();
    let mut accepted: BTreeMap<u64, Target> = BTreeMap::new();
    thread::scope(|scope| {
        let callers = shares
            .into_iter()
            .map(|share| scope.spawn(|| post_all(&daemon, share)));
        let callers: Vec<_> = callers.collect();
        for number in 0..rotations {
            rotate(&daemon, &site, number);
        }
        for (id, target) in callers
            .into_iter()
            .flat_map(|caller| caller.join().unwrap())
        {
            assert_eq!(accepted.insert(id, target), None, "id {id} was given twice");
        }
    });
    assert_eq!(accepted.len(), pushes);
    daemon.wait_idle();

    let stat = daemon.stat();
    assert_eq!(stat.number("/ios/push_success"), 5_000);
    assert_eq!(stat.number("/android/push_success"), 5_000);
    assert_eq!(stat.number("/ios/push_error"), 0);
    assert_eq!(stat.number("/android/push_error"), 0);
    assert_eq!(stat.number("/pusher_count"), 0);

    daemon.signal("TERM");
    assert_eq!(daemon.wait(), 0);
    let mut log = lines::read(&site.path("demo/access.log"));
    for number in 0..rotations {
        log.extend(lines::read(
            &site.path(&format!("demo/access.log.{number}")),
        ));
    }
    for kind in ["accepted-push", "succeeded-push"] {
        lines::check_same(
            &lines::ids(&log, kind),
            &accepted.keys().copied().collect::<Vec<_>>(),
        );
    }
    for line in log.iter().filter(|line| line.kind() != "accepted-request") {
        let (platform, token) = &accepted[&line.id()];
        assert_eq!(line.text_of("token"), token);
        let word = if *platform == IOS { "ios" } else { "android" };
        assert_eq!(line.text_of("platform"), word);
    }
    assert_eq!(lines::of_kind(&log, "accepted-request").count(), REQUESTS);
    assert_eq!(read_text(&site.path("demo/error.log")), "");

    let told = read_text(&site.path("stdout"));
    for provider in ["APNs", "FCM"] {
        let line = format!(
            "{provider}: 5000 requests: 5000 accepted, 0 refused, 0 turned away; 0 doubled, 0 lost\n"
        );
        assert!(told.contains(&line), "{line} is not in {told}");
    }
}

/// As logrotate does it: rename, then SIGHUP.
fn rotate(daemon: &Daemon, site: &Site, number: usize) {
    let log = site.path("demo/access.log");
    fs::rename(&log, site.path(&format!("demo/access.log.{number}"))).unwrap();
    daemon.signal("HUP");
    wait_until("the log to be there again", || log.exists());
}

/// Posts requests one after the other; what was accepted under which id.
fn post_all(daemon: &Daemon, requests: Vec<(Value, Vec<Target>)>) -> Vec<(u64, Target)> {
    let mut client = daemon.client();
    let mut accepted = Vec::new();
    for (body, targets) in requests {
        let reply = client.request("POST", "/push", body.to_string().as_bytes());
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.message(), "ok");
        assert_eq!(reply.json()["rejected"], json!([]));
        let ids = reply.accepted_ids();
        assert_eq!(ids.len(), targets.len());
        accepted.extend(ids.into_iter().zip(targets));
    }
    accepted
}

/// How many [`requests`] makes.
const REQUESTS: usize = 100 + 2 + 20 + 13;

/// Ten thousand pushes, half of them for each platform: requests of one push, of one notification
/// to 2000 devices, of 100 notifications to one device each, and of 100 to three each.
fn requests() -> Vec<(Value, Vec<Target>)> {
    let mut numbers = 1..;
    let mut request = |notifications: &[(u64, usize)]| {
        let mut targets = Vec::new();
        let mut asked = Vec::new();
        for (platform, tokens) in notifications {
            let form = if *platform == IOS {
                hex_token
            } else {
                fcm_token
            };
            let tokens: Vec<String> = numbers.by_ref().take(*tokens).map(form).collect();
            targets.extend(tokens.iter().map(|token| (*platform, token.clone())));
            asked.push(json!({"platform": platform, "token": tokens, "message": "hello"}));
        }
        (json!({"notifications": asked}), targets)
    };
    let alternating =
        |tokens: usize| -> Vec<(u64, usize)> { [(IOS, tokens), (ANDROID, tokens)].repeat(50) };
    let mut requests = Vec::new();
    for _ in 0..50 {
        requests.push(request(&[(IOS, 1)]));
        requests.push(request(&[(ANDROID, 1)]));
    }
    requests.push(request(&[(IOS, 2_000)]));
    requests.push(request(&[(ANDROID, 2_000)]));
    requests.extend((0..20).map(|_| request(&alternating(1))));
    requests.extend((0..13).map(|_| request(&alternating(3))));
    assert_eq!(requests.len(), REQUESTS);
    requests
}

#[test]
fn the_demo_shows_what_becomes_of_each_push_that_it_proposes() {
    let site = Site::with_logs();
    let daemon = demo(&site, &[]);
    let told = wait_for("the lines to paste", || {
        let told = read_text(&site.path("stdout"));
        (told.matches("curl ").count() == 3 && told.ends_with("\n\n")).then_some(told)
    });
    let bodies: Vec<&str> = told
        .split("-d '")
        .skip(1)
        .map(|rest| rest.split('\'').next().unwrap())
        .collect();
    let mut ids = Vec::new();
    for body in &bodies {
        let reply = daemon.request("POST", "/push", body.as_bytes());
        assert_eq!(reply.status, 200, "{body}: {}", reply.text());
        ids.extend(reply.accepted_ids());
    }
    assert_eq!(ids.len(), 3);
    let expected = [
        format!("accepted-push   id {} ios", ids[0]),
        format!("succeeded-push  id {} ios", ids[0]),
        format!("accepted-push   id {} android", ids[1]),
        format!("succeeded-push  id {} android", ids[1]),
        format!("accepted-push   id {} ios 0bad4100", ids[2]),
        format!(
            "failed-push     id {} ios 0bad4100: device token is inactive",
            ids[2]
        ),
        "APNs got 0bad4100 ".to_owned(),
        "answers 410 Unregistered\n       by apns-id ".to_owned(),
        ", apns-push-type alert".to_owned(),
        "FCM got ".to_owned(),
    ];
    wait_until("all three to be shown", || {
        let told = read_text(&site.path("stdout"));
        expected.iter().all(|line| told.contains(line))
    });
    daemon.signal("INT");
    assert_eq!(daemon.wait(), 0);
}

#[test]
fn the_demo_shows_why_nothing_of_a_request_arrives() {
    let site = Site::with_logs();
    let daemon = demo(&site, &[]);
    let bad = ["\"zz\""; 10].join(",");
    let bad = format!(r#"{{"notifications":[{{"platform":1,"message":"m","token":[{bad}]}}]}}"#);
    for (target, body, status) in [
        ("/push", r#"{"notifications":[{"platform":"1"}]}"#, 400),
        ("/push", r#"{"\u001b[2Jnotification":[{}]}"#, 400),
        (
            "/push",
            r#"{"notifications":[{"platform":1,"token":["ab"],"message":"m","sonud":"s"}]}"#,
            200,
        ),
        ("/push", &bad, 400),
        (
            "/api/push",
            r#"{"notifications":[{"platform":1,"tokens":["ab","zz"],"message":"m","retry":3}]}"#,
            200,
        ),
        ("/pusch", "{}", 404),
        ("/push", "", 400),
    ] {
        let reply = daemon.request("POST", target, body.as_bytes());
        assert_eq!(reply.status, status, "{body}: {}", reply.text());
    }
    let mut client = daemon.client();
    client.send(b"POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n");
    assert_eq!(client.reply().status, 413);
    let rejected = "the device token has a character that is not a hexadecimal digit";
    let expected = [
        "refused         400 Request-body is malformed: /notifications/0/platform: 1, 2, \"ios\" or \
         \"android\" was expected, and there is the string \"1\"",
        "refused         400 empty notification: no notifications: \"\\u{1b}[2Jnotification\"",
        "ignored         /notifications/0/sonud: \"sonud\" is no field of POST /push; \"sound\" is \
         one\n",
        "refused         400 nothing of it is pushed\nrejected        /notifications/0/token/0: ",
        &format!("rejected        /notifications/0/token/7: {rejected}\nrejected        2 more\n"),
        "ignored         /notifications/0/retry: \"retry\" is no field of POST /api/push\n",
        &format!("rejected        ios zz: {rejected}\n"),
        "refused         404 404 page not found\n",
        "refused         400 request body is empty: the body: ",
        "refused         413 request body is over the limit(",
    ];
    for line in expected {
        wait_until(line, || read_text(&site.path("stdout")).contains(line));
    }
    assert!(!read_text(&site.path("stdout")).contains('\u{1b}'));
    daemon.signal("INT");
    assert_eq!(daemon.wait(), 0);
}

#[test]
fn simulator_and_daemon_work_as_two_processes() {
    let site = Site::with_logs();
    let simulator = Simulate::start(&site, &[]);
    // The simulator's file says nothing of logs: they go to standard output and error.
    let files = Site::with_logs();
    let mut command = sterna();
    command
        .arg("-c")
        .arg(site.path("sim/sterna.toml"))
        .args(["-p", "0"]);
    files.capture(&mut command);
    let daemon = Daemon::start(command, &files.path("stderr"));
    let body = json!({"notifications": [
        {"platform": 1, "token": [hex_token(1), "0bad4000"], "message": "m"},
        {"platform": 2, "token": [fcm_token(1)], "message": "m"},
    ]});
    let ids = daemon.push(&body).accepted_ids();
    daemon.wait_idle();
    assert_eq!(daemon.terminate(), 0);
    let access = lines::read(&files.path("stdout"));
    lines::check_same(&lines::ids(&access, "accepted-push"), &ids);
    lines::check_same(&lines::ids(&access, "succeeded-push"), &[ids[0], ids[2]]);
    let told = read_text(&files.path("stderr"));
    let failed = told.lines().find(|line| line.contains("failed-push"));
    let failed = failed.unwrap();
    let failed: Value = serde_json::from_str(failed).unwrap();
    assert_eq!(
        (&failed["id"], &failed["error"]),
        (&json!(ids[1]), &json!("bad device token"))
    );

    let told = simulator.stop();
    for line in [
        "APNs: 2 requests: 1 accepted, 1 refused, 0 turned away; 0 doubled, 0 lost\n",
        "FCM: 1 request: 1 accepted, 0 refused, 0 turned away; 0 doubled, 0 lost\n",
    ] {
        assert!(told.contains(line), "{line} is not in {told}");
    }
    let pushes = told
        .lines()
        .filter(|line| line.starts_with("apns #") || line.starts_with("fcm #"));
    assert_eq!(pushes.count(), 3, "{told}");
}

/// A demo that keeps its files in the directory `demo` of the site.
fn demo(site: &Site, arguments: &[&str]) -> Daemon {
    let mut command = sterna();
    command
        .args(["demo", "--port", "0", "--dir"])
        .arg(site.path("demo"))
        .args(arguments);
    site.capture(&mut command);
    Daemon::start(command, &site.path("stderr"))
}
