//! `/metrics`: every family from the start, in both formats, as promtool wants it; its numbers
//! against what the simulator and the push log say.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};
use sterna::stats::Family;

use crate::harness::metrics::{Metrics, promtool_says};
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::{batch, fcm_token, hex_token, lines, wait_until};

/// The families that the table has.
fn table() -> Vec<(String, String)> {
    let rows = Family::ALL.iter().map(|family| family.row());
    rows.map(|row| (row.name.to_owned(), row.kind.word().to_owned()))
        .collect()
}

#[test]
fn every_family_is_there_from_the_start_in_both_formats() {
    let site = Site::unreachable();
    let daemon = site.start();
    let page = Metrics::scrape(&daemon);
    assert_eq!(page.families, table());
    assert_eq!(promtool_says(&page.text), "", "{}", page.text);
    let open = Metrics::scrape_open(&daemon);
    let names = |families: &[(String, String)]| -> Vec<String> {
        let names = families
            .iter()
            .map(|(name, _)| name.trim_end_matches("_total"));
        names.map(str::to_owned).collect()
    };
    assert_eq!(names(&open.families), names(&page.families));
    // The same series, but for what the first scrape was counted as.
    let series = |page: &Metrics| -> BTreeSet<String> {
        let of_others = |series: &&String| !series.starts_with("sterna_requests_total");
        page.series.keys().filter(of_others).cloned().collect()
    };
    assert_eq!(series(&page), series(&open));
    for lane in ["ios", "android"] {
        for (family, labels) in [
            ("queue_pushes", "class=\"bulk\""),
            ("queue_oldest_seconds", "class=\"scheduled\""),
            ("lane_state", "state=\"held\""),
            ("pushes_accepted_total", "class=\"transactional\""),
        ] {
            let series = format!("sterna_{family}{{lane=\"{lane}\",{labels}}}");
            let value = if family.ends_with("seconds") {
                u64::from(page.value(&series) > 0.0)
            } else {
                page.number(&series)
            };
            assert_eq!(value, 0, "{series}");
        }
        let open = format!("sterna_lane_state{{lane=\"{lane}\",state=\"open\"}}");
        assert_eq!(page.number(&open), 1);
    }
    let version = env!("CARGO_PKG_VERSION");
    page.value(&format!("sterna_build_info{{version=\"{version}\"}}"));
    assert!(page.value("process_start_time_seconds") > 1.7e9);
    assert!(page.value("process_open_fds") < page.value("process_max_fds"));
    assert!(page.value("process_resident_memory_bytes") > 1e6);
}

/// What was accepted has ended or is queued, and each way of counting it comes to the same.
#[test]
fn the_counters_are_those_of_the_push_log_and_of_the_providers() {
    const PUSHES: u64 = 400;
    let simulated = Simulated::with(|options| {
        options.faults.failures = "Unregistered=10,InternalServerError=20,BadDeviceToken=5"
            .parse()
            .unwrap();
    });
    // One more try, within seconds.
    let site = Site::simulated(&simulated.simulator).with("ios.retry_max", 1);
    let daemon = site.start();
    let all = batch(0..PUSHES);
    assert_eq!(daemon.push(&all).status, 200);
    let one = |token: Value, platform: u8| json!({"notifications": [{"platform": platform, "token": token, "message": "m"}]});
    assert_eq!(daemon.push(&one(json!([hex_token(9)]), 1)).status, 200);
    let android: Vec<_> = (0..9).map(fcm_token).collect();
    assert_eq!(daemon.push(&one(json!(android), 2)).status, 200);
    assert_eq!(daemon.request("POST", "/push", b"{").status, 400);
    let mut scrapes = Vec::new();
    wait_until("all pushes to be settled", || {
        let page = Metrics::scrape(&daemon);
        let is_over = page.count("sterna_queue_pushes", &[]) == 0;
        scrapes.push(page);
        is_over
    });
    for pages in scrapes.windows(2) {
        for family in ["attempts_total", "retries_total", "pushes_settled_total"] {
            let name = format!("sterna_{family}");
            let [one, other] = [0, 1].map(|at| pages[at].count(&name, &[]));
            assert!(one <= other, "{name} goes back from {one} to {other}");
        }
    }
    wait_until("the journal to be as large as its files", || {
        let of_files = site.segments();
        let of_files = of_files
            .iter()
            .map(|path| fs::metadata(path).unwrap().len());
        let of_files: u64 = of_files.sum();
        let page = Metrics::scrape(&daemon);
        of_files > 0 && page.number("sterna_journal_bytes") == of_files
    });
    let page = Metrics::scrape(&daemon);
    assert_eq!(promtool_says(&page.text), "", "{}", page.text);
    let stat = daemon.settle();
    let (ios, android) = (&[("lane", "ios")][..], &[("lane", "android")][..]);
    let sum =
        |family: &str, labels: &[(&str, &str)]| page.count(&format!("sterna_{family}"), labels);
    let classes = |class| page.count("sterna_pushes_accepted_total", &[ios[0], ("class", class)]);
    assert_eq!([classes("bulk"), classes("transactional")], [PUSHES, 1]);
    assert_eq!(sum("pushes_accepted_total", android), 9);
    for (lane, labels) in [("ios", ios), ("android", android)] {
        let settled = sum("pushes_settled_total", labels);
        assert_eq!(settled, sum("pushes_accepted_total", labels), "{lane}");
        assert_eq!(
            settled,
            sum("push_duration_seconds_count", labels),
            "{lane}"
        );
        let attempts = sum("attempts_total", labels);
        assert_eq!(
            attempts,
            sum("attempt_duration_seconds_count", labels),
            "{lane}"
        );
        assert_eq!(attempts, sum("retries_total", labels) + settled, "{lane}");
        let number = |key: &str| stat.number(&format!("/lanes/{lane}/{key}"));
        assert_eq!(attempts, number("attempts"), "{lane}");
        assert_eq!(sum("retries_total", labels), number("retries"), "{lane}");
    }
    let counts = simulated.simulator.counts();
    assert_eq!(sum("attempts_total", &[]), counts.received);
    let errors = site.error_log();
    for reason in ["Unregistered", "BadDeviceToken", "InternalServerError"] {
        let of_it = |line: &&lines::Line| line.text_of("reason") == reason;
        let logged = lines::of_kind(&errors, "failed-push").filter(of_it).count() as u64;
        let failed = [ios[0], ("outcome", "failed"), ("reason", reason)];
        assert_eq!(sum("pushes_settled_total", &failed), logged, "{reason}");
    }
    let dead = |line: &&lines::Line| line.text.contains("\"token_is\":\"dead\"");
    let dead = errors.iter().filter(dead).count() as u64;
    assert!(dead > 0);
    assert_eq!(sum("dead_tokens_total", &[]), dead);
    let requests = |code| sum("requests_total", &[("route", "/push"), ("code", code)]);
    assert_eq!([requests("200"), requests("400")], [3, 1]);
    assert!(sum("connects_total", &[("result", "ok")]) >= 2);
    assert!(sum("connections", &[]) >= 2 && sum("streams_allowed", &[]) > 2);
    assert!(sum("journal_disk_free_bytes", &[]) > 0);
    assert!(sum("journal_sync_duration_seconds_count", &[]) > 0);
    assert_eq!(sum("reloads_total", &[]) + sum("panics_total", &[]), 0);
    let answered = sum("requests_total", &[]);
    assert_eq!(answered, sum("request_duration_seconds_count", &[]));
}

#[test]
fn a_queue_that_is_full_is_shown_as_full_and_its_oldest_push_by_its_age() {
    let site = Site::unreachable().with("core.queues", 16);
    let daemon = site.start();
    let of = |class: &str, family: &str| {
        let labels = format!("lane=\"ios\",class=\"{class}\"");
        format!("sterna_queue_{family}{{{labels}}}")
    };
    // A request of ten targets is bulk.
    assert_eq!(daemon.push(&batch(0..10)).status, 200);
    assert_eq!(daemon.push(&batch(10..14)).status, 200);
    let page = Metrics::scrape(&daemon);
    let figures = |page: &Metrics, class: &str| {
        ["pushes", "capacity_pushes"].map(|family| page.number(&of(class, family)))
    };
    assert_eq!(figures(&page, "bulk"), [10, 12]);
    assert_eq!(figures(&page, "transactional"), [4, 8]);
    let full = daemon.push(&batch(20..30));
    assert_eq!(full.status, 503, "{}", full.text());
    for number in 30..34 {
        assert_eq!(daemon.push(&batch([number])).status, 200);
    }
    assert_eq!(daemon.push(&batch([34])).status, 503);
    let page = Metrics::scrape(&daemon);
    assert_eq!(figures(&page, "transactional"), [8, 8], "full");
    assert_eq!(figures(&page, "bulk"), [10, 8], "fuller than it may be");
    wait_until("the oldest to be a second old", || {
        let page = Metrics::scrape(&daemon);
        let ages = ["bulk", "transactional", "scheduled"]
            .map(|class| page.value(&of(class, "oldest_seconds")));
        ages[0] >= 1.0 && ages[0] >= ages[1] && ages[2] <= 0.0
    });
    let refused = page.count("sterna_requests_total", &[("code", "503")]);
    assert_eq!(refused, 2);
}

/// The lanes of an app that a reload takes away.
#[test]
fn the_series_of_a_lane_come_and_go_with_it() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with_app("shop", &simulated.simulator);
    let daemon = site.start();
    let shop = |page: &Metrics| {
        let of_it = |series: &&String| series.contains("lane=\"shop/ios\"");
        page.series.keys().filter(of_it).count()
    };
    let fresh = shop(&Metrics::scrape(&daemon));
    assert_eq!(fresh, 51, "as sterna-metrics(7) says");
    let push = json!({"platform": 1, "token": [hex_token(1)], "message": "m", "app": "shop"});
    assert_eq!(daemon.push(&json!({"notifications": [push]})).status, 200);
    daemon.wait_idle();
    let used = Metrics::scrape(&daemon);
    // How it ended, and the status by which it did.
    assert_eq!(shop(&used), fresh + 2, "{}", used.text);
    let site = site.without_app("shop", "ios");
    site.write_config();
    daemon.signal("HUP");
    wait_until("the lane to be gone", || {
        shop(&Metrics::scrape(&daemon)) == 0
    });
    let page = Metrics::scrape(&daemon);
    assert_eq!(
        page.count("sterna_lane_state", &[("lane", "shop/android")]),
        1
    );
    assert_eq!(page.families, table());
    let site = site.with("core.queues", 0);
    site.write_config();
    daemon.signal("HUP");
    wait_until("the reload to be refused", || {
        let page = Metrics::scrape(&daemon);
        page.count("sterna_reloads_total", &[("result", "refused")]) == 1
    });
}

/// What a scrape of a site of 200 apps is.
#[test]
fn the_page_of_200_apps_is_bounded() {
    let simulated = Simulated::start();
    let names = (0..200).map(|number| format!("app-{number}"));
    let site = Site::simulated(&simulated.simulator);
    let site = names.fold(site, |site, app| site.with_app(&app, &simulated.simulator));
    let daemon = site.start();
    let page = Metrics::scrape(&daemon);
    let lanes = page.of("sterna_lane_state").count() / 6;
    assert_eq!(lanes, 402);
    // As sterna-metrics(7) has it: of each lane, and a few of all.
    let series = page.series.len();
    assert!((402 * 51..402 * 52 + 100).contains(&series), "{series}");
    assert!(page.text.len() < 4 * 1024 * 1024, "{}", page.text.len());
    // Callers who upload have all the memory of large bodies: some wait for more.
    let uploads = [(); 60].map(|()| {
        let mut client = daemon.client();
        let head = "POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048576\r\n";
        client.send(format!("{head}Expect: 100-continue\r\n\r\n").as_bytes());
        client
    });
    let mut first = [0; 12];
    uploads[0].tcp().peek(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 100");
    let beside = Metrics::scrape(&daemon);
    assert_eq!(beside.families, table());
}
