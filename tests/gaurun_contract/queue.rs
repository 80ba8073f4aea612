//! Statistics, pushers, and a queue that is full.

use std::time::Duration;

use super::{android, batch, ios, wait_for_lines};
use crate::harness::http::Reply;
use crate::harness::lines::{self, Line};
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::wait_until;

/// A lane's queue of 500 pushes in which nothing is.
const EMPTY_QUEUE: &str = "\"queue\": {\n    \
    \"transactional\": {\n     \"pushes\": 0,\n     \"capacity\": 562\n    },\n    \
    \"bulk\": {\n     \"pushes\": 0,\n     \"capacity\": 500\n    },\n    \
    \"scheduled\": {\n     \"pushes\": 0,\n     \"capacity\": 10000\n    }\n   },\n   ";

#[test]
fn statistics_are_gauruns_with_the_lanes_behind() {
    let site = Site::unreachable().with("core.queues", 500);
    let daemon = site.start();
    let mut client = daemon.client();
    for method in ["GET", "POST", "DELETE"] {
        let reply = client.request(method, "/stat/app", b"");
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply
                .text()
                .replace(site.path("").to_str().unwrap(), "DIR/"),
            "{\n \"queue_max\": 1000,\n \"queue_usage\": 0,\n \"pusher_max\": 0,\n \
             \"pusher_count\": 0,\n \
             \"ios\": {\n  \"push_success\": 0,\n  \"push_error\": 0\n },\n \
             \"android\": {\n  \"push_success\": 0,\n  \"push_error\": 0\n },\n \
             \"lanes\": {\n  \"ios\": {\n   \"push_success\": 0,\n   \"push_error\": 0,\n   \
             \"state\": \"open\",\n   \"attempts\": 0,\n   \"retries\": 0,\n   QUEUE\
             \"credential\": \"token_auth_key_path DIR/AuthKey.p8, key id STERNAKEY1, team id \
             STERNATEAM, topic org.example.sterna\"\n  },\n  \
             \"android\": {\n   \"push_success\": 0,\n   \"push_error\": 0,\n   \
             \"state\": \"open\",\n   \"attempts\": 0,\n   \"retries\": 0,\n   QUEUE\
             \"credential\": \"service_account_path DIR/service-account.json, \
             push@example-project.iam.gserviceaccount.com, key id \
             0123456789abcdef0123456789abcdef01234567, project example-project\"\n  }\n }\n}"
                .replace("QUEUE", EMPTY_QUEUE)
        );
        let json = "application/json; charset=utf-8";
        assert_eq!(reply.field("Content-Type"), Some(json));
    }
    assert_eq!(daemon.push(&batch(&[ios("m", &[1, 2])])).status, 200);
    assert_eq!(daemon.push(&batch(&[android("m", &[1])])).status, 200);
    assert_eq!(daemon.stat().number("/queue_usage"), 3);
    for (method, target) in [("GET", "/stat/go"), ("POST", "/stat/go")] {
        let reply = client.request(method, target, b"");
        assert_eq!(reply.status, 200);
        assert_eq!(reply.field("Content-Type"), Some("application/json"));
        assert!(
            reply.text().starts_with("{\n  \"time\": "),
            "{}",
            reply.text()
        );
        let figures = reply.json();
        for key in ["time", "cpu_num", "goroutine_num", "memory_sys"] {
            assert!(figures[key].as_u64().unwrap() > 0, "{key}: {figures}");
        }
        let gauruns: Vec<&String> = figures.as_object().unwrap().keys().collect();
        assert_eq!(gauruns.len(), 4, "no figure is made up: {gauruns:?}");
    }
    let figures = client.request("GET", "/stat/runtime", b"").json();
    assert!(figures["threads"].as_u64().unwrap() > 1, "{figures}");
    let uris: Vec<Line> = site.access_log();
    let uris: Vec<&str> = uris
        .iter()
        .filter(|line| line.kind() == "accepted-request")
        .map(|line| line.text_of("uri"))
        .collect();
    assert!(uris.iter().all(|uri| *uri == "/push"), "{uris:?}");
}

#[test]
fn pushers_are_numbers_as_go_writes_them() {
    let site = Site::unreachable();
    let daemon = site.start();
    // Two platforms with two connections each.
    for (query, streams) in [
        ("max=10", 10),
        ("max=0x10", 16),
        ("max=0b1", 1),
        ("max=0o7", 7),
        ("max=017", 15),
        ("max=1_0", 10),
        ("max=%2B5", 5),
        ("max=3&max=9", 3),
        ("other=1&max=4", 4),
        ("max=0", 1),
    ] {
        let reply = daemon.request("PUT", &format!("/config/pushers?{query}"), b"");
        assert_eq!(
            (reply.status, reply.text()),
            (200, "{\"message\":\"ok\",\"until\":\"the process ends\"}\n"),
            "{query}"
        );
        assert_eq!(daemon.stat().number("/pusher_max"), 4 * streams, "{query}");
    }
    for query in [
        "max=08",
        "max=_1",
        "max=1__0",
        "max=0x",
        "max=9223372036854775808",
    ] {
        let reply = daemon.request("PUT", &format!("/config/pushers?{query}"), b"");
        assert_eq!(
            (reply.status, reply.message()),
            (400, "malformed value".to_owned()),
            "{query}"
        );
    }
    // Gaurun has a line for each of them, and none for what is missing or negative.
    for query in ["", "max=", "max=-1"] {
        let reply = daemon.request("PUT", &format!("/config/pushers?{query}"), b"");
        assert_eq!(reply.message(), "malformed value", "{query}");
    }
    wait_until("the lines", || site.error_log().len() == 5);
    let first = &site.error_log()[0];
    let text = r#"max of /config/pushers is "08", which is no integer of 64 bits"#;
    assert_eq!(first.text_of("message"), text);
    let most = |max| daemon.request("PUT", &format!("/config/pushers?max={max}"), b"");
    let reply = most(1_073_741_824);
    let over = "max is over the limit(1073741823)".to_owned();
    assert_eq!((reply.status, reply.message()), (400, over));
    assert_eq!(daemon.stat().number("/pusher_max"), 4);
    assert_eq!(most(1_073_741_823).status, 200);
    assert!(site.access_log().is_empty());
}

#[test]
fn more_pushers_are_at_work_at_once() {
    let simulated = Simulated::with(|options| {
        options.faults.latency = Duration::from_millis(500);
    });
    let site = Site::simulated(&simulated.simulator)
        .with("core.workers", 1)
        .with("core.pusher_max", 0);
    let daemon = site.start();
    let tokens: Vec<u64> = (0..12).collect();
    assert_eq!(daemon.push(&batch(&[ios("m", &tokens)])).status, 200);
    // One at a time, as Gaurun's synchronous workers.
    wait_until("three to be answered", || {
        let stat = daemon.stat();
        assert!(stat.number("/pusher_count") <= 1);
        stat.number("/ios/push_success") == 3
    });
    let reply = daemon.request("PUT", "/config/pushers?max=20", b"");
    assert_eq!(reply.status, 200);
    wait_until("all others to be in flight", || {
        daemon.stat().number("/pusher_count") >= 8
    });
    daemon.settle();
    let log = site.access_log();
    assert_eq!(lines::of_kind(&log, "succeeded-push").count(), 12);
    for line in lines::of_kind(&log, "succeeded-push") {
        let ptime: f64 = line.float("ptime");
        assert!((0.5..10.0).contains(&ptime), "{}", line.text);
    }
}

#[test]
fn a_full_queue_is_503_and_takes_nothing_of_the_request() {
    // Transactional pushes would have a share beyond it.
    let site = Site::unreachable().with("core.bulk_from", 1);
    let daemon = site.start_with(&["-q", "10"]);
    assert_eq!(daemon.stat().number("/queue_max"), 20);
    let eight: Vec<u64> = (0..8).collect();
    let taken = daemon.push(&batch(&[ios("a", &eight)]));
    assert_eq!(taken.status, 200);

    let refused = daemon.push(&batch(&[ios("b", &[1, 2, 3])]));
    check_full(
        &refused,
        "ios queue is full: 3 pushes do not fit, it has room for 2 of 10",
    );
    let mixed = batch(&[android("c", &[1]), ios("c", &[1, 2, 3])]);
    check_full(
        &daemon.push(&mixed),
        "ios queue is full: 3 pushes do not fit, it has room for 2 of 10",
    );
    assert_eq!(daemon.stat().number("/queue_usage"), 8);

    let never = daemon.push(&batch(&[android("d", &[1]), ios("d", &[0; 11])]));
    assert_eq!(never.status, 413);
    assert_eq!(
        never.text(),
        "{\"message\":\"number of ios pushes(11) over what the ios queue can hold(10)\"}\n"
    );

    assert_eq!(daemon.push(&batch(&[ios("e", &[1, 2])])).status, 200);
    check_full(
        &daemon.push(&batch(&[ios("f", &[1])])),
        "ios queue is full: 1 push does not fit, it has room for 0 of 10",
    );
    let other = daemon.push(&batch(&[android("g", &[0; 10])]));
    assert_eq!(other.status, 200, "the other platform's queue is its own");
    let stat = daemon.stat();
    assert_eq!(stat.number("/queue_usage"), 20);

    let log = wait_for_lines(&site, "accepted-push", 20);
    let mut messages: Vec<&str> = lines::of_kind(&log, "accepted-push")
        .map(|line| line.text_of("message"))
        .collect();
    messages.dedup();
    assert_eq!(messages, ["a", "e", "g"], "what was refused left no line");
    assert!(site.error_log().is_empty());
}

fn check_full(reply: &Reply, message: &str) {
    assert_eq!(reply.status, 503, "{}", reply.text());
    assert_eq!(reply.text(), format!("{{\"message\":\"{message}\"}}\n"));
    assert_eq!(reply.field("Retry-After"), Some("1"));
    assert_eq!(reply.field("Connection"), None);
}
