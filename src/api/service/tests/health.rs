//! What is told of lanes, journal and logs.

use std::sync::atomic::Ordering;

use super::*;
use crate::api::lane_state;
use crate::api::service::health::{self, PartState, troubled};
use crate::api::stat::{ByLane, LaneStat, LaneState, Sending, StatApp};
use crate::lane::Lack;

#[test]
fn what_cannot_be_read_of_the_journal_is_told() {
    let site = site(Some(100), None);
    let backlog = Arc::clone(&site.service.backlog);
    let files = backlog.open_with_one_left();
    let mut web = web(site);
    let mut health = || {
        let got = web.ask("GET", "/healthz", "");
        assert_eq!(got.status, 200);
        got.body
    };
    assert!(health().contains("\"journal\":\"ok\""));
    backlog.claim_in_vain(&files);
    let told = health();
    let said = "\"journal\":\"some of what is outstanding cannot be read";
    assert!(told.contains(said), "{told}");
}

/// What `/healthz` answers where pushes are taken.
fn healthy(lanes: &[(LaneId, LaneState)], journal: Option<&str>, logs: Option<&str>) -> String {
    let lanes = lanes.iter().cloned();
    let named = |name: &str, state| (name.to_owned(), state);
    let parts = [
        named("journal", troubled(journal.map(str::to_owned))),
        named("listener", PartState::Fine),
        named("logs", troubled(logs.map(str::to_owned))),
    ];
    let reply = health::reply(&parts, lanes);
    assert_eq!(reply.status, 200);
    without_what_is_fine(&String::from_utf8(reply.body).unwrap())
}

/// The body of `/healthz` without the parts of which there is nothing to say.
fn without_what_is_fine(body: &str) -> String {
    let parts = ["journal", "listener", "logs"].map(|part| format!(",\"{part}\":\"ok\""));
    parts
        .iter()
        .fold(body.to_owned(), |body, part| body.replace(part, ""))
}

#[test]
fn a_lane_is_paused_and_resumed_and_says_so() {
    let mut web = web(site(Some(100), None));
    let since = |web: &Web| {
        let state = lane_state::of(&web.ios.as_ref().unwrap().running.lane);
        state.since
    };
    for (order, state) in [
        ("resume", "open"),
        ("pause", "paused"),
        ("pause", "paused"),
        ("resume", "open"),
    ] {
        let got = web.ask("PUT", &format!("/lanes/ios/{order}"), "ignored");
        let until = match order {
            "pause" => ",\"until\":\"the process ends\"",
            _ => "",
        };
        let since = since(&web);
        assert_eq!(since.is_some(), state == "paused");
        let since = since.map_or(String::new(), |since| format!(",\"since\":{since}"));
        let shown = format!("\"state\":\"{state}\"{since}");
        let obeyed = format!("{{\"message\":\"ok\",{shown}{until}}}\n");
        assert_eq!((got.status, got.body), (200, obeyed));
        let got = web.ask("GET", "/healthz", "");
        let health = format!("{{\"message\":\"ok\",\"lanes\":{{\"ios\":{{{shown}}}}}}}\n");
        let body = without_what_is_fine(&got.body);
        assert_eq!((got.status, body), (200, health));
        let stat = web.ask("GET", "/stat/app", "").body;
        let shown = format!("\"push_error\": 6,\n   \"state\": \"{state}\",\n");
        assert!(stat.contains(&shown), "{stat}");
    }
    let got = web.ask("PUT", "/lanes/android/pause", "");
    let disabled = "{\"message\":\"android is disabled\"}\n";
    assert_eq!((got.status, &*got.body), (404, disabled));
}

#[test]
fn a_lane_that_is_held_is_no_reason_to_send_pushes_elsewhere() {
    let held = LaneState {
        state: Sending::Held,
        since: Some(1_795_000_000),
        reason: Some("InvalidProviderToken".to_owned()),
        push: Some(4711),
        error: Some("look into \"AuthKey.p8\"".to_owned()),
        waiting_since: Some(1_794_999_999),
        oldest: Some(4700),
        ..LaneState::OPEN
    };
    let lanes = [
        (LaneId::IOS, held.clone()),
        (LaneId::ANDROID, LaneState::OPEN),
    ];
    let body = "{\"message\":\"ok\",\"lanes\":{\"ios\":{\"state\":\"held\",\"since\":1795000000,\
                \"reason\":\"InvalidProviderToken\",\"push\":4711},\
                \"android\":{\"state\":\"open\"}}}\n";
    assert_eq!(healthy(&lanes, None, None), body);
    let of_lane = LaneStat {
        settled: stat::Settled::default(),
        state: Some(held),
        tries: None,
        queue: None,
        credentials: None,
        scheduled: None,
    };
    let lanes = ByLane(vec![(LaneId::IOS, of_lane)]);
    let stat = stat::app(&StatApp {
        queue_max: 0,
        queue_usage: 0,
        pusher_max: 0,
        pusher_count: 0,
        settled: stat::ByPlatform::of(&lanes),
        lanes,
    });
    let stat = String::from_utf8(stat).unwrap();
    let shown = "\"state\": \"held\",\n   \"since\": 1795000000,\n   \
                 \"reason\": \"InvalidProviderToken\",\n   \"push\": 4711,\n   \
                 \"error\": \"look into \\\"AuthKey.p8\\\"\",\n   \
                 \"waiting_since\": 1794999999,\n   \"oldest\": 4700\n";
    assert!(stat.contains(shown), "{stat}");
}

#[test]
fn a_lane_whose_provider_cannot_be_reached_says_why_and_takes_pushes() {
    let unreachable = LaneState {
        state: Sending::Unreachable,
        since: Some(1_795_000_000),
        error: Some("connection refused".to_owned()),
        waiting_since: Some(1_794_999_999),
        oldest: Some(4700),
        failing_since: Some(1_794_999_990),
        ..LaneState::OPEN
    };
    let body = "{\"message\":\"ok\",\"lanes\":{\"ios\":{\"state\":\"unreachable\",\
                \"since\":1795000000,\"error\":\"connection refused\",\
                \"waiting_since\":1794999999,\"oldest\":4700,\
                \"failing_since\":1794999990}}}\n";
    assert_eq!(
        healthy(&[(LaneId::IOS, unreachable.clone())], None, None),
        body
    );
    // What keeps a token away may name files and servers, which are no stranger's affair.
    let tokenless = LaneState {
        error: Some("the subject token's file /run/token cannot be read".to_owned()),
        lack: Some(Lack::AccessToken),
        ..unreachable
    };
    let told = "no access token can be had; /stat/app and the operator log say why";
    let body = body.replace("connection refused", told);
    assert_eq!(healthy(&[(LaneId::IOS, tokenless)], None, None), body);
}

#[test]
fn what_is_wrong_while_pushes_are_taken_is_told_with_an_answer_of_200() {
    let lanes = [(LaneId::IOS, LaneState::OPEN)];
    let body = "{\"message\":\"ok\",\"lanes\":{\"ios\":{\"state\":\"open\"}},\
                \"journal\":\"a warning\"}\n";
    assert_eq!(healthy(&lanes, Some("a warning"), None), body);
}

#[test]
fn a_log_that_cannot_be_written_is_told_and_keeps_nobody_from_pushing() {
    let (lanes, why) = (
        [(LaneId::IOS, LaneState::OPEN)],
        "the access log takes nothing",
    );
    let body = "{\"message\":\"ok\",\"lanes\":{\"ios\":{\"state\":\"open\"}},\
                \"logs\":\"the access log takes nothing\"}\n";
    assert_eq!(healthy(&lanes, None, Some(why)), body);
}

#[test]
fn each_part_has_its_line_and_only_what_keeps_pushes_away_is_not_ready() {
    let backlog_of = |site: &Site| Arc::clone(&site.service.backlog);
    let site = site(Some(100), None);
    let (backlog, ios) = (backlog_of(&site), site.ios.clone().unwrap());
    let files = backlog.open_with_one_left();
    let mut web = web(site);
    let asked = |web: &mut Web, target: &str| {
        let got = web.ask("GET", target, "");
        assert_eq!(got.field("content-type"), Some("text/plain; charset=utf-8"));
        (got.status, got.body)
    };
    assert_eq!(asked(&mut web, "/readyz"), (200, "ok\n".to_owned()));
    assert_eq!(asked(&mut web, "/livez"), (200, "ok\n".to_owned()));
    ios.running.lane.holding().pause(Moment::now());
    backlog.claim_in_vain(&files);
    let (status, told) = asked(&mut web, "/readyz?verbose");
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(status, 200, "{told}");
    assert!(
        lines[0].starts_with("[!]journal some of what is outstanding"),
        "{told}"
    );
    let rest = [
        "[+]listener ok",
        "[+]logs ok",
        "[!]lane ios paused",
        "readyz check passed",
    ];
    assert_eq!(lines[1..], rest);
}

/// Also to whoever asks elsewhere than at the listener that has closed its door.
#[test]
fn from_the_start_of_a_drain_it_is_not_ready_and_lives() {
    let site = site(Some(100), None);
    site.service.is_ending.store(true, Ordering::Relaxed);
    let mut web = web(site);
    let got = web.ask("GET", "/readyz", "");
    assert_eq!((got.status, &*got.body), (503, "listener: shutting down\n"));
    let got = web.ask("GET", "/readyz?verbose=1", "");
    let told = "[+]journal ok\n[-]listener shutting down\n[+]logs ok\n[+]lane ios ok\n\
                readyz check failed\n";
    assert_eq!((got.status, &*got.body), (503, told));
    let got = web.ask("GET", "/healthz", "");
    assert!(
        got.body
            .starts_with("{\"message\":\"shutting down\",\"lanes\":"),
        "{}",
        got.body
    );
    assert_eq!(got.status, 503);
    assert_eq!(web.ask("GET", "/livez", "").status, 200);
}

#[test]
fn a_thread_that_is_stuck_is_named_by_livez_alone() {
    let site = site(Some(100), None);
    let stuck = || vec!["ios connection".to_owned(), "journal".to_owned()];
    assert!(site.service.stuck.set(Box::new(stuck)).is_ok());
    let mut web = web(site);
    let told = "threads: not heard of for too long: ios connection, journal\n";
    let got = web.ask("GET", "/livez", "");
    assert_eq!((got.status, &*got.body), (503, told));
    assert_eq!(web.ask("GET", "/readyz", "").status, 200);
}
