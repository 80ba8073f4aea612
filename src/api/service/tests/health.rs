//! What is told of lanes, journal and logs.

use super::*;

#[test]
fn a_lane_is_paused_and_resumed_and_says_so() {
    let mut web = web(site(Some(100), None));
    let health = |state: &str| {
        format!("{{\"message\":\"ok\",\"lanes\":{{\"ios\":{{\"state\":\"{state}\"}}}}}}\n")
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
        let obeyed = format!("{{\"message\":\"ok\",\"state\":\"{state}\"{until}}}\n");
        assert_eq!((got.status, got.body), (200, obeyed));
        let got = web.ask("GET", "/healthz", "");
        assert_eq!((got.status, got.body), (200, health(state)));
        let stat = web.ask("GET", "/stat/app", "").body;
        let shown = format!("\"push_error\": 6,\n  \"state\": \"{state}\",\n");
        assert!(stat.contains(&shown), "{stat}");
    }
    let got = web.ask("PUT", "/lanes/android/pause", "");
    let disabled = "{\"message\":\"android is disabled\"}\n";
    assert_eq!((got.status, &*got.body), (404, disabled));
}

#[test]
fn a_lane_that_is_held_is_no_reason_to_send_pushes_elsewhere() {
    let mut web = web(site(Some(100), Some(100)));
    let ios = web.ios.clone().unwrap();
    *ios.state.lock().unwrap() = LaneState {
        state: stat::Sending::Held,
        since: Some(1_795_000_000),
        reason: Some("InvalidProviderToken".to_owned()),
        push: Some(4711),
        error: Some("look into \"AuthKey.p8\"".to_owned()),
        waiting_since: Some(1_794_999_999),
        oldest: Some(4700),
        ..LaneState::OPEN
    };
    let got = web.ask("GET", "/healthz", "");
    let body = "{\"message\":\"ok\",\"lanes\":{\"ios\":{\"state\":\"held\",\"since\":1795000000,\
                \"reason\":\"InvalidProviderToken\",\"push\":4711},\
                \"android\":{\"state\":\"open\"}}}\n";
    assert_eq!((got.status, &*got.body), (200, body));
    let stat = web.ask("GET", "/stat/app", "").body;
    let shown = "\"state\": \"held\",\n  \"since\": 1795000000,\n  \
                 \"reason\": \"InvalidProviderToken\",\n  \"push\": 4711,\n  \
                 \"error\": \"look into \\\"AuthKey.p8\\\"\",\n  \
                 \"waiting_since\": 1794999999,\n  \"oldest\": 4700,\n";
    assert!(stat.contains(shown), "{stat}");
}

#[test]
fn a_lane_whose_provider_cannot_be_reached_says_why_and_takes_pushes() {
    let mut web = web(site(Some(100), None));
    *web.ios.clone().unwrap().state.lock().unwrap() = LaneState {
        state: stat::Sending::Unreachable,
        since: Some(1_795_000_000),
        error: Some("connection refused".to_owned()),
        waiting_since: Some(1_794_999_999),
        oldest: Some(4700),
        failing_since: Some(1_794_999_990),
        ..LaneState::OPEN
    };
    let got = web.ask("GET", "/healthz", "");
    let body = "{\"message\":\"ok\",\"lanes\":{\"ios\":{\"state\":\"unreachable\",\
                \"since\":1795000000,\"error\":\"connection refused\",\
                \"waiting_since\":1794999999,\"oldest\":4700,\
                \"failing_since\":1794999990}}}\n";
    assert_eq!((got.status, &*got.body), (200, body));
}

#[test]
fn what_is_wrong_while_pushes_are_taken_is_told_with_an_answer_of_200() {
    let mut web = web(site(Some(100), None));
    *web.host.warning.lock().unwrap() = Some("a warning");
    let got = web.ask("GET", "/healthz", "");
    let body = "{\"message\":\"ok\",\"lanes\":{\"ios\":{\"state\":\"open\"}},\
                \"journal\":\"a warning\"}\n";
    assert_eq!((got.status, &*got.body), (200, body));
}

#[test]
fn a_log_that_cannot_be_written_is_told_and_keeps_nobody_from_pushing() {
    let mut web = web(site(Some(100), None));
    *web.host.unloggable.lock().unwrap() = Some("the access log takes nothing");
    let got = web.ask("GET", "/healthz", "");
    let body = "{\"message\":\"ok\",\"lanes\":{\"ios\":{\"state\":\"open\"}},\
                \"logs\":\"the access log takes nothing\"}\n";
    assert_eq!((got.status, &*got.body), (200, body));
}
