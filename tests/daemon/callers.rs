//! Who may call, how a request is named, and what the logs hide of it, by the running daemon.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test by panicking"
)]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use serde_json::json;

use crate::harness::daemon::{Address, Daemon};
use crate::harness::http::{Client, Reply};
use crate::harness::lines;
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::{fcm_token, hex_token, wait_until};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const NEXT_KEY: &str = "fedcba9876543210fedcba9876543210";

/// A request with further fields, on a connection of its own.
fn ask(daemon: &Daemon, method: &str, target: &str, fields: &str, body: &str) -> Reply {
    let mut client = Client::try_connect(&daemon.address).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\n{fields}\
         Content-Length: {length}\r\n\r\n{body}"
    );
    client.send(request.as_bytes());
    client.reply_to(method)
}

fn one_push(token: &str) -> String {
    let texts = r#""message":"secret words","title":"T""#;
    format!(r#"{{"notifications":[{{"platform":1,"token":["{token}"],{texts}}}]}}"#)
}

#[test]
fn nobody_calls_without_an_api_key() {
    let site = Site::unreachable();
    let keys = site.path("api-keys");
    fs::write(&keys, format!("# the site's callers\n{KEY}\n{NEXT_KEY}\n")).unwrap();
    let site = site
        .with_text("core.address", "0.0.0.0")
        .with_path("core.api_key_path", "api-keys");
    let daemon = site.start();
    let body = one_push(&hex_token(1));
    let mut refusals = Vec::new();
    for (method, target, fields) in [
        ("POST", "/push", ""),
        ("POST", "/push", "Authorization: Bearer\r\n"),
        (
            "POST",
            "/push",
            "Authorization: Bearer 0123456789abcdef\r\n",
        ),
        (
            "POST",
            "/push",
            "Authorization: Basic MDEyMzQ1Njc4OWFiY2RlZg==\r\n",
        ),
        ("GET", "/stat/app", ""),
        ("GET", "/stat/go", ""),
        ("GET", "/stat/runtime", ""),
        ("PUT", "/config/pushers?max=1", ""),
        ("GET", "/metrics", ""),
        ("GET", "/config", ""),
        ("GET", "/push/1", ""),
        ("PUT", "/lanes/ios", ""),
        ("DELETE", "/pushes?platform=ios", ""),
        ("GET", "/nowhere", ""),
        ("GET", "//push", ""),
    ] {
        let reply = ask(&daemon, method, target, fields, &body);
        assert_eq!(reply.status, 401, "{method} {target} {fields}");
        assert_eq!(reply.field("WWW-Authenticate"), Some("Bearer"));
        refusals.push(reply.body);
    }
    refusals.dedup();
    assert_eq!(refusals, [b"{\"message\":\"unauthorized\"}\n"]);
    assert_eq!(ask(&daemon, "GET", "/healthz", "", "").status, 200);
    for key in [KEY, NEXT_KEY] {
        let fields = format!("authorization: bearer {key}\r\n");
        let reply = ask(&daemon, "POST", "/push", &fields, &body);
        assert_eq!((reply.status, reply.message().as_str()), (200, "ok"));
    }
    let twice = format!("Authorization: Bearer {KEY}\r\n").repeat(2);
    assert_eq!(ask(&daemon, "POST", "/push", &twice, &body).status, 400);
    wait_until("the accepted pushes to be logged", || {
        lines::of_kind(&site.access_log(), "accepted-push").count() == 2
    });
    let requests = site.access_log();
    assert_eq!(lines::of_kind(&requests, "accepted-request").count(), 2);
    let log = site.operator_log();
    let told: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("API key"))
        .collect();
    assert_eq!(told.len(), 1, "{log}");
    assert!(
        told[0].contains("1 request without a valid API key"),
        "{log}"
    );
    assert!(told[0].contains("the last came from 127.0.0.1:"), "{log}");
    assert!(!log.contains(KEY), "{log}");
}

#[test]
fn a_key_is_good_for_the_rights_that_stand_behind_it() {
    let site = Site::unreachable().with_path("core.api_key_path", "api-keys");
    let key = |right: &str| format!("{KEY}-{right}");
    let rights = ["push", "read", "operate", "topics", "channels", "feed"];
    let lines = rights.map(|right| format!("{} rights={right}\n", key(right)));
    fs::write(
        site.path("api-keys"),
        format!("{}{KEY}-all\n", lines.concat()),
    )
    .unwrap();
    let daemon = site.start();
    let body = one_push(&hex_token(1));
    let as_who = |right: &str| format!("Authorization: Bearer {}\r\n", key(right));
    let id = ask(&daemon, "POST", "/push", &as_who("push"), &body).accepted_ids()[0];
    let one = format!("/push/{id}");
    for (method, target, body, needed) in [
        ("POST", "/push", &*body, "push"),
        ("GET", &one, "", "read"),
        ("GET", "/stat/app", "", "read"),
        ("GET", "/stat/go", "", "read"),
        ("GET", "/stat/runtime", "", "read"),
        ("GET", "/metrics", "", "read"),
        ("GET", "/config", "", "read"),
        ("PUT", "/config/pushers?max=5", "", "operate"),
        ("PUT", "/lanes/ios/pause", "", "operate"),
        ("PUT", "/lanes/ios/resume", "", "operate"),
        ("DELETE", "/pushes?identifier=none", "", "operate"),
        ("DELETE", &one, "", "operate"),
        (
            "POST",
            "/channels",
            r#"{"message_storage_policy":1}"#,
            "channels",
        ),
        ("GET", "/settlements", "", "feed"),
        ("GET", "/tokens/dead", "", "feed"),
        ("DELETE", "/channels/ab", "", "channels"),
        ("GET", "/channels", "", "read"),
        ("GET", "/channels/ab", "", "read"),
    ] {
        let is_of_channels = target.starts_with("/channels");
        // Nobody is there whom it could ask.
        let status = if is_of_channels { 502 } else { 200 };
        for right in rights {
            let is_good = right == needed || is_of_channels && right == "channels";
            // What is good for it comes last: it may do away with what the others asked for.
            let reply = ask(&daemon, method, target, &as_who(right), body);
            if is_good {
                let told = reply.text();
                assert_eq!(reply.status, status, "{method} {target} {right}: {told}");
                continue;
            }
            let message = format!("this API key lacks the right {needed}");
            assert_eq!(
                (reply.status, reply.message()),
                (403, message),
                "{method} {target}"
            );
            assert!(!reply.text().contains(KEY), "{}", reply.text());
        }
        if method != "DELETE" {
            let reply = ask(&daemon, method, target, &as_who("all"), body);
            assert_eq!(reply.status, status, "{method} {target}");
        }
    }
    // What tells nothing needs no right, and what is fine for everybody no key.
    for (target, status) in [("/nowhere", 404), ("//push", 301), ("/healthz", 200)] {
        let reply = ask(&daemon, "GET", target, &as_who("push"), "");
        assert_eq!(reply.status, status, "{target}");
    }
    let log = site.operator_log();
    for right in ["push", "read", "operate", "channels", "feed"] {
        let told = format!("whose API key lacks the right {right} refused");
        assert!(log.contains(&told), "{log}");
    }
    assert!(!log.contains(KEY), "{log}");
    // A reload gives a key other rights, and refuses a word that is no right.
    let line = |rights: &str| format!("{} rights={rights}\n", key("push"));
    fs::write(site.path("api-keys"), line("push,read")).unwrap();
    daemon.signal("HUP");
    wait_until("the key to read", || {
        ask(&daemon, "GET", "/stat/app", &as_who("push"), "").status == 200
    });
    // The keys are those of the file before the line says so.
    let rotation = "holds 1 API key (were 7): 0 added, 6 removed, 1 with other rights";
    wait_until("the rotation to be told", || {
        site.operator_log().contains(rotation)
    });
    fs::write(site.path("api-keys"), line("push,raed")).unwrap();
    daemon.signal("HUP");
    let refusal =
        "line 1: a word behind rights= is none of push, read, operate, topics, channels, feed";
    wait_until("the file to be refused", || {
        site.operator_log().contains(refusal)
    });
    assert_eq!(
        ask(&daemon, "GET", "/stat/app", &as_who("push"), "").status,
        200
    );
    assert!(
        !site.operator_log().contains(KEY),
        "{}",
        site.operator_log()
    );
}

/// Such a push goes to who knows how many.
#[test]
fn a_push_to_a_topic_or_a_channel_needs_a_right_of_its_own() {
    let site = Site::unreachable().with_path("core.api_key_path", "api-keys");
    let lines = format!("{KEY} rights=push\n{NEXT_KEY} rights=push,topics,channels\n");
    fs::write(site.path("api-keys"), lines).unwrap();
    let daemon = site.start();
    let told = site.operator_log();
    let file = site.path("api-keys");
    let warned = format!(
        "core.api_key_path {}: line 1: rights=push is for pushes to device tokens alone; ",
        file.display()
    );
    assert!(told.contains(&warned) && !told.contains(KEY), "{told}");
    let token = fcm_token(1);
    for (target, text, of_push) in [
        ("token", &*token, 200),
        ("fid", "cQk3aB0123456789abcd-_", 200),
        ("topic", "news", 400),
        ("condition", "'a' in topics", 400),
        ("channel", "ab12", 400),
    ] {
        let (platform, needed) = match target {
            "channel" => (1, "channels"),
            _ => (2, "topics"),
        };
        let activity = r#""live_activity":{"event":"end"}"#;
        let one =
            format!(r#"{{"platform":{platform},"message":"m",{activity},"{target}":"{text}"}}"#);
        let body = format!(r#"{{"notifications":[{one}]}}"#);
        for (key, status) in [(KEY, of_push), (NEXT_KEY, 200)] {
            let fields = format!("Authorization: Bearer {key}\r\n");
            let reply = ask(&daemon, "POST", "/push", &fields, &body);
            assert_eq!(reply.status, status, "{target}: {}", reply.text());
            if status == 400 {
                let rejected = &reply.json()["rejected"][0];
                let pointer = format!("/notifications/0/{target}");
                assert_eq!(rejected["pointer"], *pointer);
                let error = format!("this API key lacks the right {needed}");
                assert_eq!(rejected["error"], *error);
            }
        }
    }
    daemon.kill();
}

#[test]
fn a_key_is_looked_at_before_a_body_is_waited_for() {
    let site = Site::unreachable().with_path("core.api_key_path", "api-keys");
    fs::write(site.path("api-keys"), KEY).unwrap();
    let daemon = site.start();
    let right = format!("Authorization: Bearer {KEY}\r\n");
    let wrong = "Authorization: Bearer 0123456789abcdef-of-another\r\n";
    let begin = |key: &str, fields: &str| {
        let mut client = daemon.client();
        let head = format!("POST /push HTTP/1.1\r\nHost: localhost\r\n{key}{fields}\r\n");
        client.send(head.as_bytes());
        client
    };
    for body in [
        "Content-Length: 20000000\r\n",
        "Content-Length: 4000000\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 4000000\r\nExpect: 100-continue\r\n",
    ] {
        // More than all that may be read at once.
        for key in ["", wrong].repeat(10) {
            let mut client = begin(key, body);
            assert_eq!(client.reply().status, 401, "{key} {body}");
            assert!(client.ends(), "{key} {body}");
        }
    }
    let push = one_push(&hex_token(1));
    let length = format!("Content-Length: {}\r\n", push.len());
    let mut client = begin(&right, &format!("{length}Expect: 100-continue\r\n"));
    assert_eq!(client.reply().status, 100);
    client.send(push.as_bytes());
    assert_eq!(client.reply().status, 200);
    let mut client = begin(&right, "Content-Length: 20000000\r\n");
    assert_eq!(client.reply().status, 413);
}

#[test]
fn api_keys_that_cannot_be_used_open_nothing() {
    let site = Site::unreachable().with_path("core.api_key_path", "api-keys");
    for (text, expected) in [
        (None, "api-keys\": cannot be read: No such file"),
        (Some("# none yet\n"), "no API key in it"),
        (
            Some("hunter2\n"),
            "line 1: an API key of 7 characters could be guessed",
        ),
    ] {
        if let Some(text) = text {
            fs::write(site.path("api-keys"), text).unwrap();
        }
        let output = site.run(&[]);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{error}");
        assert!(
            error.contains(expected) && !error.contains("hunter2"),
            "{error}"
        );
    }
}

#[test]
fn a_request_is_named_in_its_answer_and_on_the_lines_of_its_pushes() {
    let site = Site::unreachable()
        .without_journal()
        .with("core.shutdown_timeout", 0);
    let daemon = site.start();
    let named = ask(
        &daemon,
        "POST",
        "/push",
        "X-Request-ID: caller-\"7\"\r\n",
        &one_push(&hex_token(1)),
    );
    assert_eq!(named.field("X-Request-Id"), Some("caller-\"7\""));
    let unnamed = ask(
        &daemon,
        "POST",
        "/push",
        "X-Request-Id: not one\r\n",
        &one_push(&hex_token(2)),
    );
    let made = unnamed.field("X-Request-Id").unwrap().to_owned();
    assert!(
        made.len() == 16 && made.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{made}"
    );
    for (target, status) in [("/nowhere", 404), ("/stat/app", 200)] {
        let reply = ask(&daemon, "GET", target, "X-Request-Id: r\r\n", "");
        assert_eq!(
            (reply.status, reply.field("X-Request-Id")),
            (status, Some("r"))
        );
    }
    let ids = [named.accepted_ids()[0], unnamed.accepted_ids()[0]];
    // Its end settles them.
    assert_eq!(daemon.terminate(), 75);
    assert_eq!(site.error_log().len(), 2);
    let (access, error) = (site.access_log(), site.error_log());
    for (id, name) in ids.into_iter().zip(["caller-\"7\"", &made]) {
        for line in access.iter().chain(&error) {
            if line.number("id") == Some(id) {
                assert_eq!(line.text_of("request_id"), name);
                assert!(line.text.contains(",\"request_id\":"));
                let (_, end) = line.text.rsplit_once(",\"request_id\":").unwrap();
                let last: String =
                    serde_json::from_str(end.trim_end().trim_end_matches('}')).unwrap();
                assert_eq!(last, name, "it is the line's last key");
            }
        }
    }
    assert_eq!(lines::of_kind(&access, "accepted-push").count(), 2);
}

#[test]
fn a_traceparent_is_on_every_line_of_its_pushes_also_after_a_restart() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let mut daemon = site.start();
    let trace = |number: u64| format!("00-{number:032x}-b7ad6b7169203331-01");
    let field = |number| format!("traceparent: {}\r\n", trace(number));
    // 503, and taken when it comes again.
    let token = format!("1bad5030{:056x}", 1);
    let gorush =
        json!({"notifications": [{"platform": 1, "tokens": [hex_token(2)], "message": "m"}]});
    let id = ask(&daemon, "POST", "/push", &field(1), &one_push(&token)).accepted_ids()[0];
    let reply = ask(&daemon, "POST", "/api/push", &field(2), &gorush.to_string());
    assert_eq!(reply.status, 200);
    daemon.wait_idle();
    assert_eq!(ask(&daemon, "PUT", "/lanes/ios/pause", "", "").status, 200);
    let last = ask(
        &daemon,
        "POST",
        "/push",
        &field(3),
        &one_push(&hex_token(3)),
    );
    assert_eq!(last.status, 200);
    wait_until("its line to be in the log", || {
        lines::of_kind(&site.access_log(), "accepted-push").count() == 3
    });
    daemon.kill();
    let told = site.operator_log();
    let again = format!("(the first: id {id}, traceparent {}, in ", trace(1));
    assert!(told.contains("1 push to be sent again after 503"), "{told}");
    assert!(told.contains(&again), "{told}");
    daemon = site.start();
    // It comes from the journal: the queue may be empty before.
    wait_until("all to have succeeded", || {
        lines::of_kind(&site.access_log(), "succeeded-push").count() == 3
    });
    let log = site.access_log();
    let traced = [(token, 1), (hex_token(2), 2), (hex_token(3), 3)];
    for kind in ["accepted-push", "succeeded-push"] {
        let found = lines::of_kind(&log, kind).map(|line| {
            (
                line.text_of("token").to_owned(),
                line.text_of("traceparent").to_owned(),
            )
        });
        let expected = traced.clone().map(|(token, number)| (token, trace(number)));
        assert_eq!(
            found.collect::<BTreeSet<_>>(),
            BTreeSet::from(expected),
            "{kind}"
        );
    }
    let requests = lines::of_kind(&log, "accepted-request").map(|line| line.text_of("traceparent"));
    assert_eq!(requests.collect::<Vec<_>>(), [1, 2, 3].map(trace));
    daemon.terminate();
}

#[test]
fn what_is_no_traceparent_or_has_an_api_key_in_it_is_in_no_line_and_told() {
    let site = Site::unreachable()
        .with_path("core.api_key_path", "api-keys")
        .with("core.shutdown_timeout", 0);
    fs::write(site.path("api-keys"), format!("{KEY}\n{NEXT_KEY}\n")).unwrap();
    let daemon = site.start();
    let (trace, parent) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
    let cases = [
        (format!("00-{KEY}-{parent}-01"), "there is an API key in it"),
        (
            format!("00-{NEXT_KEY}-{parent}-01"),
            "there is an API key in it",
        ),
        (
            format!("00-{trace}-{parent}-1"),
            "it is not 2, 32, 16 and 2 lower-case",
        ),
        (
            format!("00-{trace}-{parent}-01\r\nTraceParent: 0"),
            "there are two of them",
        ),
        (
            format!("00-{}-{parent}-01", "0".repeat(32)),
            "its trace id is all zeros",
        ),
    ];
    for (value, _) in &cases {
        let fields = format!("Authorization: Bearer {KEY}\r\ntraceparent: {value}\r\n");
        let reply = ask(&daemon, "POST", "/push", &fields, &one_push(&hex_token(1)));
        assert_eq!(reply.status, 200, "{value}: {}", reply.text());
    }
    daemon.terminate();
    let told = site.operator_log();
    for (value, why) in &cases {
        let line = told.lines().find(|line| line.contains(why));
        let line = line.unwrap_or_else(|| panic!("{value}: {told}"));
        assert!(
            line.contains("POST /push: the traceparent of 1 request (the last: "),
            "{line}"
        );
    }
    let log = site.access_log();
    assert_eq!(lines::of_kind(&log, "accepted-push").count(), cases.len());
    for line in log.iter().chain(&site.error_log()) {
        assert!(!line.text.contains("traceparent"), "{}", line.text);
    }
    assert!(!told.contains(KEY) && !told.contains(NEXT_KEY), "{told}");
}

#[test]
fn hashed_tokens_join_the_lines_of_a_push_and_of_a_device() {
    let site = Site::unreachable()
        .without_journal()
        .with("core.shutdown_timeout", 0)
        .with_text("log.hide_token", "hash")
        .with_path("log.hash_key_path", "hash-key")
        .with("log.hide_message", true);
    fs::write(site.path("hash-key"), b"a byte string of the site").unwrap();
    let daemon = site.start();
    let (one, other) = (hex_token(1), hex_token(2));
    for token in [&one, &one, &other] {
        assert_eq!(
            ask(&daemon, "POST", "/push", "", &one_push(token)).status,
            200
        );
    }
    // Its end settles them.
    assert_eq!(daemon.terminate(), 75);
    assert_eq!(site.error_log().len(), 3);
    let lines = [site.access_log(), site.error_log()];
    let mut hashes = Vec::new();
    for log in &lines {
        let pushes = log.iter().filter(|line| line.number("id").is_some());
        let shown: Vec<&str> = pushes.map(|line| line.text_of("token")).collect();
        assert_eq!(shown.len(), 3);
        assert_eq!(shown[0], shown[1], "equal tokens have equal hashes");
        assert_ne!(shown[0], shown[2]);
        hashes.push(shown.join(" "));
        for line in log {
            for hidden in [one.as_str(), &other, "secret words", "\"title\""] {
                assert!(!line.text.contains(hidden), "{}", line.text);
            }
        }
    }
    assert_eq!(hashes[0], hashes[1], "access and error log agree");
    assert_eq!(hashes[0].matches("hash:").count(), 3);
}

#[test]
fn a_unix_socket_gets_its_mode_and_group() {
    let site = Site::unreachable().on_unix_socket();
    let group = fs::metadata(site.path(".")).unwrap().gid();
    let site = site
        .with_text("core.socket_mode", "0620")
        .with_text("core.socket_group", &group.to_string());
    let daemon = site.start();
    let Address::Unix(path) = &daemon.address else {
        panic!("{:?}", daemon.address);
    };
    let found = fs::metadata(path).unwrap();
    assert_eq!(found.permissions().mode() & 0o7777, 0o620);
    assert_eq!(found.gid(), group);
    assert_eq!(ask(&daemon, "GET", "/healthz", "", "").status, 200);
    drop(daemon);
    let site = site.with_text("core.socket_group", "no-such-group");
    let output = site.run(&[]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(69), "{error}");
    assert!(
        error.contains("there is no group \"no-such-group\""),
        "{error}"
    );
}

/// As many notifications of as many device tokens as Gaurun's callers send at once.
#[test]
fn a_hundred_notifications_of_a_thousand_device_tokens_are_taken() {
    let site = Site::unreachable();
    let daemon = site.start();
    let notifications = (0..100_u64).map(|notification| {
        let tokens = (0..1000).map(|token| hex_token(1000 * notification + token));
        json!({"platform": 1, "token": tokens.collect::<Vec<_>>(), "message": "m"})
    });
    let body = json!({"notifications": notifications.collect::<Vec<_>>()}).to_string();
    let reply = daemon.request("POST", "/push", body.as_bytes());
    assert_eq!(reply.status, 200, "{:.200}", reply.text());
    assert_eq!(reply.accepted_ids().len(), 100_000);
    daemon.kill();
}
