//! Device tokens that the provider refuses.

use serde_json::json;

use crate::harness::lines::{self, Line, check_same, ids};
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::wait_until;

/// A device token that is refused, and the reason and the sentence of its log line.
const DEAD: &[(u64, &str, u64, &str, &str)] = &[
    (1, "0BAD4000", 400, "BadDeviceToken", "bad device token"),
    (
        1,
        "0bad4001",
        400,
        "DeviceTokenNotForTopic",
        "device token does not match the specified topic",
    ),
    (
        1,
        "0bad4100",
        410,
        "Unregistered",
        "device token is inactive for the specified topic (last invalid at TIME +0000 UTC)",
    ),
    (
        1,
        "0bad4101",
        410,
        "ExpiredToken",
        "unknown error: ExpiredToken",
    ),
    (
        1,
        "0bad4009",
        400,
        "SomethingNew",
        "unknown error: SomethingNew",
    ),
    (
        2,
        "unregistered-1",
        404,
        "UNREGISTERED",
        "the registration token is no longer in use: Requested entity was not found",
    ),
    (
        2,
        "invalid-1",
        400,
        "INVALID_ARGUMENT",
        "FCM does not take the registration token, or the message: The registration token is not a valid FCM \
         registration token",
    ),
    (
        2,
        "mismatch-1",
        403,
        "SENDER_ID_MISMATCH",
        "the registration token belongs to another Firebase project: SenderId mismatch",
    ),
];

#[test]
fn refused_device_tokens_are_told_in_gauruns_words_with_the_providers_beside_them() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let good = "AB12".repeat(16);
    let notification = |platform: u64, token: &str| {
        json!({
            "platform": platform, "token": [token], "message": "hello", "title": "T", "badge": 3,
            "expiry": 10, "identifier": "id-1",
        })
    };
    let mut notifications = vec![notification(1, &good)];
    notifications.extend(
        DEAD.iter()
            .map(|(platform, token, ..)| notification(*platform, token)),
    );
    let accepted = daemon
        .push(&json!({"notifications": notifications}))
        .accepted_ids();
    assert_eq!(accepted.len(), 1 + DEAD.len());
    daemon.wait_idle();
    let state = |id: &u64| daemon.request("GET", &format!("/push/{id}"), b"").json();
    let states: Vec<_> = accepted[1..].iter().map(state).collect();
    let stat = daemon.settle();

    let access = site.access_log();
    let line = lines::of_kind(&access, "succeeded-push").next().unwrap();
    let (id, notes) = (accepted[0], simulated.notes());
    let apns_id_of = |token: &str| {
        let token = token.to_lowercase();
        let mut sent = notes.iter().filter(|note| note.device_token == token);
        let note = sent
            .next()
            .unwrap_or_else(|| panic!("{token} never arrived"));
        assert!(sent.next().is_none(), "{token} was sent twice");
        note.headers.get("apns-id").cloned()
    };
    let apns_id = apns_id_of(&good).unwrap();
    assert_eq!(
        without_ptime(line),
        format!(
            r#"{{"level":"info","time":"…","message":"hello","id":{id},"platform":"ios","token":"{good}","type":"succeeded-push","ptime":…,"error":"","title":"T","badge":3,"expiry":10,"identifier":"id-1","status":200,"apns_id":"{apns_id}","attempt":1}}"#
        )
    );
    let log = site.error_log();
    check_same(&ids(&log, "failed-push"), &accepted[1..]);
    let settled = accepted[1..].iter().zip(&states);
    for ((platform, token, status, reason, error), (id, state)) in DEAD.iter().zip(settled) {
        let line = log.iter().find(|line| line.id() == *id).unwrap();
        let word = if *platform == 1 { "ios" } else { "android" };
        let apns_id = apns_id_of(token)
            .map(|apns_id| format!(r#""apns_id":"{apns_id}","#))
            .unwrap_or_default();
        let token_is = match *reason {
            "Unregistered" | "ExpiredToken" | "UNREGISTERED" => r#","token_is":"dead""#,
            "SomethingNew" => "",
            _ => r#","token_is":"suspect""#,
        };
        // Apple says the time with one of them.
        let since = line.number("gone_since");
        assert_eq!(since.is_some(), *status == 410, "{reason}");
        let since = since.map_or_else(String::new, |since| format!(r#","gone_since":{since}"#));
        assert_eq!(state["token_is"], line.json()["token_is"], "{reason}");
        assert_eq!(state["gone_since"], line.json()["gone_since"], "{reason}");
        assert_eq!(
            without_times(line),
            format!(
                r#"{{"level":"error","time":"…","message":"hello","id":{id},"platform":"{word}","token":"{token}","type":"failed-push","ptime":…,"error":"{error}","title":"T","badge":3,"expiry":10,"identifier":"id-1","status":{status},"reason":"{reason}",{apns_id}"attempt":1{token_is}{since}}}"#
            )
        );
    }
    assert_eq!(stat.number("/ios/push_error"), 5);
    assert_eq!(stat.number("/android/push_error"), 3);
    assert_eq!(stat.number("/ios/push_success"), 1);
}

/// A refusal of device tokens, what is pushed to, and what the operator is told that it points to.
const POINTING: &[(&str, &str, &str, &str)] = &[
    ("ios", "0bad4000", "BadDeviceToken", "Set ios.sandbox"),
    ("ios", "0bad4001", "DeviceTokenNotForTopic", "Set ios.topic"),
    ("ios", "0bad4100", "Unregistered", "out of date"),
    ("ios", "0bad4101", "ExpiredToken", "out of date"),
    (
        "android",
        "mismatch-",
        "SENDER_ID_MISMATCH",
        "service_account_path",
    ),
    ("android", "unregistered-", "UNREGISTERED", "out of date"),
    (
        "android",
        "invalid-",
        "INVALID_ARGUMENT",
        "what Google said",
    ),
];

#[test]
fn a_refusal_that_most_pushes_meet_is_an_alarm_until_others_prevail_and_a_usual_share_is_none() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let push = |platform: &str, prefix: &str, count: usize| {
        let tokens = (0..count).map(|number| match platform {
            "ios" => format!("{prefix}{number:056x}"),
            _ => format!("{prefix}{number:0120}"),
        });
        let tokens: Vec<String> = tokens.collect();
        let platform = if platform == "ios" { 1 } else { 2 };
        let notification = json!({"platform": platform, "token": tokens, "message": "m"});
        daemon.push(&json!({"notifications": [notification]}));
        daemon.wait_idle();
    };
    let shown = |platform: &str| {
        let health = daemon.request("GET", "/healthz", b"");
        assert_eq!(health.status, 200, "pushes are taken");
        let stat = daemon.request("GET", "/stat/app", b"").json();
        let of_lane = &health.json()["lanes"][platform];
        for part in ["alarm", "state"] {
            assert_eq!(of_lane[part], stat["lanes"][platform][part]);
        }
        assert_eq!(of_lane["state"], "open");
        of_lane["alarm"].clone()
    };
    let told = |platform: &str, reason: &str| {
        let of_it = |line: &&str| line.contains(&format!(" {platform}: ")) && line.contains(reason);
        let log = site.operator_log();
        let lines: Vec<String> = log.lines().filter(of_it).map(str::to_owned).collect();
        lines
    };
    for (platform, prefix, reason, points_to) in POINTING {
        // A third of a small app's devices.
        push(platform, prefix, 30);
        push(platform, "0a", 60);
        assert!(shown(platform).is_null(), "{reason}");
        assert!(told(platform, reason).is_empty(), "{reason}");
        push(platform, prefix, 500);
        let alarm = shown(platform);
        assert_eq!(alarm["reason"], *reason);
        assert_eq!(alarm["percent"], 100);
        assert!(
            alarm["since"]
                .as_u64()
                .is_some_and(|since| since > 1_700_000_000)
        );
        let advice = format!("{} {}", alarm["cause"], alarm["cure"]);
        assert!(advice.contains(points_to), "{advice}");
        let lines = told(platform, reason);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].contains("[ERROR]") && lines[0].contains(points_to),
            "{lines:?}"
        );
        push(platform, "0a", 100);
        assert!(shown(platform).is_null(), "{reason}");
        let lines = told(platform, reason);
        assert!(lines.len() == 2 && lines[1].contains("[INFO]"), "{lines:?}");
        // The same hour.
        push(platform, prefix, 100);
        assert_eq!(shown(platform)["reason"], *reason);
        push(platform, "0a", 100);
        assert!(shown(platform).is_null());
        assert_eq!(told(platform, reason).len(), 2);
    }
}

#[test]
fn an_alarm_ends_with_the_configuration_that_it_came_of_and_is_raised_again() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let tokens: Vec<String> = (0..100).map(|it| format!("0bad4000{it:056x}")).collect();
    let body = json!({"notifications": [{"platform": 1, "token": tokens, "message": "m"}]});
    let push = || {
        daemon.push(&body);
        daemon.wait_idle();
    };
    push();
    let site = site.with("ios.timeout", 7);
    site.write_config();
    daemon.signal("HUP");
    let over = "[INFO] ios: the configuration or the credential was replaced: the alarm about \
                pushes that failed with BadDeviceToken is over";
    wait_until("its end", || site.operator_log().contains(over));
    push();
    let log = site.operator_log();
    let raised = |line: &&str| line.contains("[ERROR]") && line.contains("Set ios.sandbox");
    assert_eq!(log.lines().filter(raised).count(), 2, "{log}");
}

/// The line without its time and the seconds of its `ptime`, which must be such.
fn without_ptime(line: &Line) -> String {
    let text = line.timeless();
    let (before, rest) = text.split_once("\"ptime\":").unwrap();
    let (ptime, after) = rest.split_once(',').unwrap();
    let seconds: f64 = ptime.parse().unwrap();
    assert!(
        (0.0..30.0).contains(&seconds) && ptime.len() <= 6,
        "{ptime}"
    );
    format!("{before}\"ptime\":…,{after}")
}

/// The same without the time since which a device token is inactive.
fn without_times(line: &Line) -> String {
    let text = without_ptime(line);
    let Some((before, rest)) = text.split_once("last invalid at ") else {
        return text;
    };
    let (time, after) = rest.split_at("2026-11-22 05:15:12".len());
    let form: String = time
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    assert_eq!(form, "0000-00-00 00:00:00", "{text}");
    format!("{before}last invalid at TIME{after}")
}
