//! `sterna send` as a process: what is sent, what of it once, and what is said of the rest.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test by panicking"
)]

mod api_stub;
mod outcomes;
mod shop;

use std::fs::{self, File};
use std::io::Write as _;

use jiff::Timestamp;

use crate::harness::daemon::Daemon;
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, closed_port};
use crate::harness::terminal::Terminal;
use crate::harness::{each, hex_token, wait_until};
use crate::stat::url;
use api_stub::{ApiStub, Treatment};
use shop::{Shop, check, squeezed, stderr, stdout};

const ALIKE: &str = r#"{"platform":"ios","token":"{token}","message":"Hi"}"#;
const BY_NAME: &str = r#"{"platform":"ios","token":"{token}","message":"Hi {name}"}"#;
const CSV: [&str; 4] = ["--csv", "devices.csv", "--template", "template.json"];

#[test]
fn send_pushes_to_devices_and_says_how_each_push_ended() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).on_unix_socket();
    let daemon = site.start();
    let shop = Shop::before(&url(&daemon));
    // Looks like a key, and is one of a device.
    let good = "9f3c1d0a5b7e4428a6d1c2f3e4b5a697887766554433221100ffeeddccbbaa99";
    let text = "Code 0123456789abcdef0123456789abcdef \"{no} template\"";
    let output = shop.send(&[
        "--ios",
        good,
        "--android",
        "a:b",
        "--ios=0bad4100",
        "--title",
        "T",
        "--message",
        text,
    ]);
    check(&output, 69, &["accepted 3 pushes\n"], &[]);
    let out = stdout(&output);
    for (platform, end, times) in [
        ("ios", "succeeded", 1),
        ("android", "succeeded", 1),
        ("ios", "failed Unregistered (device token is inactive", 1),
    ] {
        let found = out.matches(&format!(" {platform} {end}")).count();
        assert_eq!(found, times, "{platform} {end}: {out}");
    }
    let notes = simulated.notes();
    let note = notes.iter().find(|note| note.device_token == good).unwrap();
    let payload: serde_json::Value = serde_json::from_str(&note.body).unwrap();
    assert_eq!(payload["aps"]["alert"]["body"], text);
    assert_eq!(payload["aps"]["alert"]["title"], "T");

    // The same command is another push: nobody has named a file that would be sent once.
    let again = shop.send(&["--ios", good, "--message", "Hi"]);
    check(&again, 0, &["accepted 1 push\n", " ios succeeded\n"], &[]);
    let again = shop.send(&["--ios", good, "--message", "Hi", "--wait", "0"]);
    check(&again, 0, &["accepted 1 push\n"], &[]);
    assert!(!stdout(&again).contains("succeeded"));
    daemon.wait_idle();
    assert_eq!(simulated.received()[good], 3);
    let bad = shop.send(&["--ios", "xyz", "--message", "Hi"]);
    let why = "1 the device token has a character that is not a hexadecimal digit";
    check(&bad, 65, &["accepted 0 pushes", why], &[]);
}

#[test]
fn a_file_goes_out_once_over_a_full_queue_a_stop_and_a_kill() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with("core.queues", 2000);
    let daemon = site.start();
    let shop = Shop::before(&url(&daemon));
    shop.write("template.json", BY_NAME);
    shop.write_devices("devices.csv", 0..5000);
    assert_eq!(daemon.request("PUT", "/lanes/ios/pause", b"").status, 200);

    let sending = shop.start(&CSV);
    shop.wait_for_told("ios queue is full");
    let beside = shop.send(&CSV);
    check(
        &beside,
        75,
        &[],
        &["devices.csv.sent: another run is sending this file"],
    );
    sending.signal("INT");
    assert_eq!(sending.wait(), 75);
    let told = shop.read("err");
    assert!(
        told.contains("it stops once the last request is answered"),
        "{told}"
    );
    assert!(
        told.contains("stopped; the same command goes on where it was"),
        "{told}"
    );
    assert_eq!(squeezed(&shop.read("out")), "accepted 2,000 pushes\n");

    let sending = shop.start(&CSV);
    shop.wait_for_told("ios queue is full");
    sending.kill();
    assert_eq!(daemon.request("PUT", "/lanes/ios/resume", b"").status, 200);
    let output = shop.send(&CSV);
    check(&output, 0, &["accepted 5,000 pushes\n"], &[]);
    daemon.wait_idle();
    let received = simulated.received();
    assert_eq!(received.len(), 5000);
    assert!(received.values().all(|times| *times == 1));
    let last = simulated.notes().pop().unwrap();
    assert!(last.body.contains("\"Hi no. "), "{}", last.body);

    // All of it was sent: nothing is sent again, and it is told why.
    let output = shop.send(&CSV);
    let told = "all of it was sent before, at 20";
    check(
        &output,
        0,
        &["accepted 5,000 pushes\n"],
        &[told, "remove devices.csv.sent"],
    );
    daemon.wait_idle();
    assert_eq!(simulated.notes().len(), 5000);
    // Another file by the same name is another record's.
    shop.write_devices("devices.csv", 5000..5001);
    let told = "devices.csv is another at line 2 than when it was sent";
    check(
        &shop.send(&CSV),
        65,
        &[],
        &[told, "remove devices.csv.sent"],
    );
    fs::remove_file(shop.path("devices.csv.sent")).unwrap();
    check(&shop.send(&CSV), 0, &["accepted 1 push"], &[]);
    // What has another record is another thing to send, however alike it is.
    fs::remove_file(shop.path("devices.csv.sent")).unwrap();
    check(&shop.send(&CSV), 0, &["accepted 1 push"], &[]);
    daemon.wait_idle();
    assert_eq!(simulated.received()[&hex_token(5000)], 2);
}

#[test]
fn a_request_that_is_too_large_goes_out_in_parts() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with("core.queues", 400);
    let daemon = site.start();
    let shop = Shop::before(&url(&daemon));
    shop.write("template.json", ALIKE);
    shop.write_devices("devices.csv", 0..1000);
    check(&shop.send(&CSV), 0, &["accepted 1,000 pushes"], &[]);
    daemon.wait_idle();
    let received = simulated.received();
    assert_eq!(received.len(), 1000);
    assert!(received.values().all(|times| *times == 1));
    // One that is too large by itself is refused alone.
    let tokens: Vec<String> = (0..1000).map(hex_token).collect();
    let huge = serde_json::json!({"platform": 1, "token": tokens, "message": "m"});
    let good = serde_json::json!({"platform": 1, "token": [hex_token(1000)], "message": "m"});
    shop.write("lines.jsonl", format!("{huge}\n{good}\n"));
    let output = shop.send(&["--file", "lines.jsonl"]);
    let printed = ["accepted 1 push", "rejected 1"];
    let told = "lines.jsonl:1: number of ios pushes(1000) over what";
    check(&output, 65, &printed, &[told]);
}

#[test]
fn a_request_of_which_a_part_was_taken_is_in_doubt_until_all_of_it_is() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with("core.queues", 400);
    let daemon = site.start();
    let shop = Shop::before(&url(&daemon));
    shop.write("template.json", ALIKE);
    shop.write_devices("devices.csv", 0..1000);
    assert_eq!(daemon.request("PUT", "/lanes/ios/pause", b"").status, 200);
    let sending = shop.start(&CSV);
    shop.wait_for_told("ios queue is full");
    sending.signal("INT");
    assert_eq!(sending.wait(), 75);
    let record = shop.read("devices.csv.sent");
    let last = record.lines().last().unwrap();
    assert!(last.starts_with("{\"step\":\"sent\","), "{record}");
    assert_eq!(daemon.request("PUT", "/lanes/ios/resume", b"").status, 200);
    check(&shop.send(&CSV), 0, &["accepted 1,000 pushes"], &[]);
    daemon.wait_idle();
    let received = simulated.received();
    assert_eq!(received.len(), 1000);
    assert!(received.values().all(|times| *times == 1));
}

#[test]
fn a_million_device_tokens_take_seconds_and_little_memory_and_go_out_once() {
    const ALL: u64 = 1_000_000;
    // One answer is lost, one is waited for when it is stopped.
    let stub = ApiStub::start(|number| match number {
        100 => Treatment::Drop,
        600 => Treatment::Hold,
        _ => Treatment::Answer,
    });
    let shop = Shop::before(&stub.url);
    shop.write("template.json", ALIKE);
    shop.write_devices("devices.csv", 0..ALL);
    let sending = shop.start(&CSV);
    wait_until("the request that is held", || {
        stub.taken().keys.len() == 601
    });
    let memory = sending.status("VmHWM");
    assert!(memory < 40 * 1024, "{memory} KiB");
    sending.signal("INT");
    shop.wait_for_told("it stops once the last request is answered");
    stub.go_on();
    assert_eq!(sending.wait(), 75);
    assert_eq!(squeezed(&shop.read("out")), "accepted 600,000 pushes\n");
    let output = shop.send(&CSV);
    check(&output, 0, &["accepted 1,000,000 pushes\n"], &[]);
    let taken = stub.taken();
    assert_eq!(taken.device_tokens.len() as u64, ALL);
    assert!(taken.device_tokens.values().all(|times| *times == 1));
    // But for the one whose answer was lost no request came twice.
    assert_eq!(taken.keys.len(), 1001);
    assert_eq!(taken.keys[100], taken.keys[101]);
}

#[test]
fn what_is_in_doubt_is_sent_with_its_key_or_not_by_itself() {
    let stub = ApiStub::start(|number| match number {
        1 => Treatment::Hold,
        // What comes behind what is in doubt is in none.
        2 => Treatment::Later,
        _ => Treatment::Answer,
    });
    let shop = Shop::before(&stub.url);
    shop.write("template.json", BY_NAME);
    shop.write_devices("devices.csv", 0..250);
    let sending = shop.start(&CSV);
    wait_until("the request that is held", || stub.taken().keys.len() == 2);
    sending.kill();
    stub.go_on();
    let left = shop.read("devices.csv.sent");

    // Ten minutes ago the daemon may have forgotten it.
    let now = Timestamp::now().as_second();
    let (before, at) = left.rsplit_once("\"at\":").unwrap();
    assert!(at.trim_end_matches("}\n").parse::<i64>().unwrap() <= now);
    let old = format!("{before}\"at\":{}}}\n", now - 600);
    shop.write("devices.csv.sent", &old);
    let output = shop.send(&CSV);
    let told = "devices.csv lines 102 to 201 were sent, no answer came";
    check(
        &output,
        75,
        &["accepted 100 pushes"],
        &[told, "--in-doubt skip"],
    );
    assert_eq!(stub.taken().keys.len(), 2);

    let in_doubt = |what| [&CSV[..], &["--in-doubt", what]].concat();
    let output = shop.send(&in_doubt("skip"));
    let printed = ["accepted 150 pushes", "skipped 100 in doubt"];
    check(&output, 65, &printed, &["503: ios queue is full"]);
    assert_eq!(stub.taken().keys.len(), 4);

    shop.write("devices.csv.sent", &old);
    let output = shop.send(&in_doubt("send"));
    check(&output, 0, &["accepted 250 pushes"], &[]);

    // Before, it remembers: the same key gets the same answer.
    shop.write("devices.csv.sent", &left);
    check(&shop.send(&CSV), 0, &["accepted 250 pushes"], &[]);
    let taken = stub.taken();
    assert_eq!(taken.device_tokens.len(), 250);
    assert!(taken.device_tokens.values().all(|times| *times == 1));
}

#[test]
fn a_file_that_has_changed_since_it_was_sent_in_part_is_left_alone() {
    let stub = ApiStub::start(|number| match number {
        2 => Treatment::Hold,
        _ => Treatment::Answer,
    });
    let shop = Shop::before(&stub.url);
    shop.write("template.json", BY_NAME);
    shop.write_devices("devices.csv", 0..250);
    let sending = shop.start(&CSV);
    wait_until("the request that is held", || stub.taken().keys.len() == 3);
    sending.kill();
    for (numbers, told) in [
        (1..250, "is another at lines 2 to 101 than when"),
        (0..220, "is another at lines 202 to 221 than when"),
        (0..150, "is another at lines 102 to 151 than when"),
        (0..100, "is shorter than when"),
    ] {
        shop.write_devices("devices.csv", numbers);
        check(
            &shop.send(&CSV),
            65,
            &[],
            &[told, "nothing more was sent now"],
        );
    }
    assert_eq!(stub.taken().keys.len(), 3);
    shop.write("devices.csv.sent", "my shopping list\n");
    let told = "it is no record of this command's, and is left as it is";
    check(&shop.send(&CSV), 73, &[], &[told]);
    assert_eq!(shop.read("devices.csv.sent"), "my shopping list\n");
    let elsewhere = [&CSV[..], &["--record", "none/at/all"]].concat();
    check(
        &shop.send(&elsewhere),
        73,
        &[],
        &["none/at/all: No such file"],
    );
    stub.go_on();
}

#[test]
fn lines_with_something_wrong_are_told_and_cost_no_other() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let shop = Shop::before(&url(&daemon));
    let of = |number| {
        let token = hex_token(number);
        format!(r#"{{"platform":1,"token":["{token}"],"message":"m"}}"#)
    };
    let mut lines = format!("\u{feff}{}\r\n\r\nno json\n[]\n", of(1)).into_bytes();
    lines.extend_from_slice(b"{\"message\":\"\xff\"}\n");
    let malformed = of(2).replace("\"m\"", "\"m\",\"badge\":\"1\"");
    let huge = format!("{{\"message\":\"{}\"}}", "x".repeat(1 << 20));
    let refused = of(3).replace(&hex_token(3), "xyz");
    for line in [&malformed, &huge, &refused, &of(4).replace("\"m\"", "\"\"")] {
        lines.extend_from_slice(line.as_bytes());
        lines.push(b'\n');
    }
    lines.extend_from_slice(of(5).as_bytes());
    shop.write("lines.jsonl", lines);
    let output = shop.send(&["--file", "lines.jsonl", "--wait", "30s"]);
    check(
        &output,
        65,
        &["accepted 2 pushes", "rejected 3", "unusable 4 records"],
        &[
            "lines.jsonl:3: it is no JSON object",
            "lines.jsonl:4: it is no JSON object",
            "lines.jsonl:5: it is not UTF-8",
            "lines.jsonl:6: Request-body is malformed: badge: an integer was expected",
            "lines.jsonl:7: the line is too long",
            "lines.jsonl:8: the device token has a character",
            "lines.jsonl:9: empty message",
        ],
    );
    let received: Vec<String> = simulated.received().into_keys().collect();
    assert_eq!(received, [hex_token(1), hex_token(5)]);

    let mut rows = format!("token,name\r\n{},\"A\r\nB\"\r\n\r\n", hex_token(6)).into_bytes();
    rows.extend_from_slice(b"a\nb,c,d\n\xff,e\n\"x\"y,f\n\"open,g\n");
    write!(rows, "{},\"say \"\"{{hi}}\"\"\"", hex_token(7)).unwrap();
    shop.write("devices.csv", rows);
    let misspelt = BY_NAME.replace(r#"{"platform""#, r#"{"sonud":"x","platform""#);
    shop.write("template.json", misspelt);
    let output = shop.send(&CSV);
    check(
        &output,
        65,
        &["accepted 2 pushes", "unusable 5 records"],
        &[
            "devices.csv: no field, or one without effect: /notifications/0/sonud",
            "devices.csv:5: it has another number of fields",
            "devices.csv:6: it has another number of fields",
            "devices.csv:7: it is not UTF-8",
            "devices.csv:8: text stands behind a closing quotation mark",
            "devices.csv:9: text stands behind a closing quotation mark",
        ],
    );
    daemon.wait_idle();
    let notes = simulated.notes();
    let last = notes.iter().find(|note| note.device_token == hex_token(7));
    assert!(last.unwrap().body.contains(r#""Hi say \"{hi}\"""#));
    // Columns are texts: a template that makes a number of one is wrong for every row.
    fs::remove_file(shop.path("devices.csv.sent")).unwrap();
    shop.write_devices("devices.csv", 10..12);
    let badge = BY_NAME.replace("\"message\"", "\"badge\":\"{name}\",\"message\"");
    shop.write("template.json", badge);
    let told = "makes it malformed, and nothing was sent: badge: an integer was expected\n";
    check(&shop.send(&CSV), 65, &["accepted 0 pushes"], &[told]);
    assert!(!shop.read("devices.csv.sent").contains("no. 1"));
    shop.write("template.json", BY_NAME);
    check(&shop.send(&CSV), 0, &["accepted 2 pushes"], &[]);
    let many = "x\n".repeat(30);
    shop.write("many.jsonl", many);
    let output = shop.send(&["--file", "many.jsonl"]);
    let told = stderr(&output);
    check(&output, 65, &["unusable 30 records"], &["further lines"]);
    assert_eq!(told.lines().count(), 21, "{told}");
}

#[test]
fn what_cannot_be_sent_at_all_is_told_before_anything_is() {
    let site = Site::unreachable().with_path("core.api_key_path", "keys");
    let [reads, pushes] = [1, 2].map(hex_token);
    let keys = format!("{pushes} rights=push\n{reads} rights=read\n");
    fs::write(site.path("keys"), keys).unwrap();
    let daemon = site.start();
    let shop = Shop::before(&url(&daemon));
    shop.write("reads", &reads);
    shop.write("pushes", &pushes);
    shop.write_devices("devices.csv", 0..10);
    shop.write("empty.csv", "");
    shop.write("good.json", BY_NAME);
    shop.write("bad.json", r#"{"token":"{token}","message":"Hi {nmae}"}"#);
    shop.write("none.json", "Hi {name}");
    let gone = format!("http://127.0.0.1:{}", closed_port());
    let csv = |file, template| vec!["--csv", file, "--template", template];
    let with = |mut first: Vec<&'static str>, more: &[&'static str]| {
        first.extend(more);
        first
    };
    let cases = [
        (vec![], 64, "required arguments were not provided"),
        (
            vec!["--ios", "ab", "--file", "f"],
            64,
            "cannot be used with",
        ),
        (vec!["--csv", "devices.csv"], 64, "--template <FILE>"),
        (
            csv("devices.csv", "bad.json"),
            65,
            "bad.json: there is no column \"nmae\": there are token, name",
        ),
        (
            csv("devices.csv", "none.json"),
            65,
            "none.json: it is no JSON",
        ),
        (csv("empty.csv", "good.json"), 65, "empty.csv: it is empty"),
        (csv("none.csv", "good.json"), 74, "none.csv: No such file"),
        (
            csv("devices.csv", "good.json"),
            77,
            "unauthorized; --api-key-path",
        ),
        (
            with(
                csv("devices.csv", "good.json"),
                &["--api-key-path", "reads", "--record", "r"],
            ),
            77,
            "lacks the right push",
        ),
    ];
    each(&cases, |(arguments, code, why)| {
        let mut arguments = arguments.clone();
        if *code == 77 && arguments.len() == 4 {
            arguments.extend(["--record", "r2"]);
        }
        let output = shop.send(&arguments);
        check(&output, *code, &[], &[why]);
        let told = stderr(&output);
        assert!(!told.contains(&reads) && !told.contains(&pushes), "{told}");
    });
    let away = Shop::before(&gone);
    check(
        &away.send(&["--ios", "ab", "--message", "m"]),
        69,
        &[],
        &["cannot connect"],
    );
}

#[test]
fn a_bar_shows_how_fast_a_file_goes_out() {
    // The request of an answer that is lost is sent again a second later.
    let stub = ApiStub::start(|number| match number {
        20 => Treatment::Drop,
        _ => Treatment::Answer,
    });
    let shop = Shop::before(&stub.url);
    shop.write("template.json", ALIKE);
    shop.write_devices("devices.csv", 0..40_000);
    let terminal = Terminal::of(24, 80);
    let mut command = shop.command(&CSV);
    command
        .stdout(File::create(shop.path("out")).unwrap())
        .stderr(terminal.output());
    let sending = Daemon::spawn(command);
    assert_eq!(sending.wait(), 0);
    wait_until("the end", || terminal.shown().ends_with("\r\x1b[K"));
    let shown = terminal.shown();
    let mut lines = shown.split(['\r', '\n']).filter(|line| !line.is_empty());
    let is_bar = |line: &str| line.starts_with('[') && line.ends_with("\x1b[K");
    assert!(
        lines.clone().any(|line| {
            is_bar(line)
                && line.contains(" accepted, ")
                && line.contains("/s, ")
                && line.contains(" left")
        }),
        "{shown:?}"
    );
    let told = "it is sent again until it is taken";
    assert!(
        lines.all(|line| {
            let columns = line.chars().count() - 3 * usize::from(line.ends_with("\x1b[K"));
            line == "\x1b[K" || (is_bar(line) && columns < 80) || line.ends_with(told)
        }),
        "{shown:?}"
    );
    assert_eq!(squeezed(&shop.read("out")), "accepted 40,000 pushes\n");
}
