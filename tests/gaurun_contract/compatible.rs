//! What `core.compatible_with = "gaurun"` keeps, beside what it is without: requests, and what Gaurun
//! answered, logged and sent, by its source and by running it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{android, batch, ios};
use crate::harness::documents;
use crate::harness::lines::Line;
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::{hex_token, wait_until};

const NOTHING_FINE: &str = "a request of which nothing is fine";
const NO_TOKEN: &str = "an unknown field in the place of `token`, and nothing else";
const BADGE: &str = "missing `badge`";
const SILENT: &str = "a push that only wakes the app";
const QUEUE: &str = "`queue_max`, `queue_usage` in `/stat/app`";

/// What comes of a notification.
#[derive(Debug, PartialEq)]
struct Came {
    status: u16,
    /// The text of its line in the error log, or type and text.
    logged: &'static str,
    /// `aps`, or `data`, of what was sent.
    sent: &'static str,
}

const fn logged(status: u16, logged: &'static str) -> Came {
    let sent = "";
    Came {
        status,
        logged,
        sent,
    }
}

const fn sent(sent: &'static str) -> Came {
    let (status, logged) = (200, "");
    Came {
        status,
        logged,
        sent,
    }
}

const MALFORMED: &str = "failed-push bad device token";
const FROM: &str = "extend must not have the key \"from\", which FCM reserves";
const APS: &str = "extend must not have the key \"aps\", which holds the notification itself";
const LIVES: &str = "time_to_live is -1, and must be between 0 and 2419200 seconds";
const PRIORITY: &str = "priority is \"HIGH\", and must be \"high\" or \"normal\", or 10, 5 or 1";
const TTL: &str = "ttl is a string, and must be an integer of 0 or more";
const PUSH_TYPE: &str = "push_type must be one of alert, background, voip, complication, fileprovider, \
                         mdm, location, liveactivity, pushtotalk, widgets, controls; another one \
                         goes under apns.headers as apns-push-type";
const LARGE_DATA: &str = "the texts and keys of notification and data are 4207 bytes, 111 more than \
                          the 4096 that FCM takes; the largest part is message with 4207";
const LARGE_SHOWN: &str = "the texts and keys of notification and data are 4204 bytes, 108 more \
                           than the 4096 that FCM takes; the largest part is message with 4204";

/// The row of sterna-gaurun(7) to which it belongs, its members, and what comes of it: as
/// Gaurun had it, and without that. `IOS` and `ANDROID` are whom a notification is for.
const CASES: &[(&str, &str, Came, Came)] = &[
    (
        NOTHING_FINE,
        r#""platform":1,"token":["xyz"],"message":"m""#,
        logged(200, MALFORMED),
        logged(400, MALFORMED),
    ),
    (
        NOTHING_FINE,
        r#""platform":2,"token":["a b"],"message":"m""#,
        logged(200, MALFORMED),
        logged(400, MALFORMED),
    ),
    (
        NOTHING_FINE,
        "IOS",
        logged(200, "empty message"),
        logged(400, "empty message"),
    ),
    (
        NOTHING_FINE,
        r#""platform":1,"token":[""],"message":"m""#,
        logged(200, "empty token"),
        logged(400, "empty token"),
    ),
    (
        NOTHING_FINE,
        r#""platform":3,"token":["a"],"message":"m""#,
        logged(200, "invalid platform"),
        logged(400, "invalid platform"),
    ),
    (
        NOTHING_FINE,
        r#"IOS,"message":"m","push_type":"loud""#,
        logged(200, "push_type must be alert or background"),
        logged(400, PUSH_TYPE),
    ),
    (
        NOTHING_FINE,
        r#"IOS,"message":"m","badge":-1"#,
        logged(200, "badge is -1, and must not be negative"),
        logged(400, "badge is -1, and must not be negative"),
    ),
    (
        NOTHING_FINE,
        r#"IOS,"message":"m","extend":[{"key":"aps","val":"v"}]"#,
        logged(200, APS),
        logged(400, APS),
    ),
    (
        NOTHING_FINE,
        r#"ANDROID,"message":"m","extend":[{"key":"from","val":"v"}]"#,
        logged(200, FROM),
        logged(400, FROM),
    ),
    (
        NOTHING_FINE,
        r#"ANDROID,"message":"LARGE""#,
        logged(200, LARGE_DATA),
        logged(400, LARGE_SHOWN),
    ),
    (
        NOTHING_FINE,
        r#"ANDROID,"message":"m","time_to_live":-1"#,
        logged(200, LIVES),
        logged(400, LIVES),
    ),
    (
        NOTHING_FINE,
        r#"ANDROID,"message":"m","priority":"HIGH""#,
        logged(200, PRIORITY),
        logged(400, PRIORITY),
    ),
    (
        NOTHING_FINE,
        r#"IOS,"message":"m","ttl":"3600""#,
        logged(200, TTL),
        logged(400, TTL),
    ),
    (
        NOTHING_FINE,
        r#"IOS,"message":"m","data":"x""#,
        logged(200, "data is a string, and must be an object"),
        logged(400, "data is a string, and must be an object"),
    ),
    (
        NOTHING_FINE,
        r#"IOS,"message":"m","topic":"""#,
        logged(200, "topic is empty"),
        logged(400, "topic is empty"),
    ),
    (
        NO_TOKEN,
        r#""platform":1,"to":["ab"],"message":"m""#,
        logged(200, ""),
        logged(400, ""),
    ),
    (
        "",
        r#""platform":1,"message":"m""#,
        logged(200, ""),
        logged(200, ""),
    ),
    (
        BADGE,
        r#"IOS,"message":"m""#,
        sent(r#"{"alert":"m","badge":0}"#),
        sent(r#"{"alert":"m"}"#),
    ),
    (
        "",
        r#"IOS,"message":"m","badge":3"#,
        sent(r#"{"alert":"m","badge":3}"#),
        sent(r#"{"alert":"m","badge":3}"#),
    ),
    (
        SILENT,
        r#"IOS,"message":" ","content_available":true,"push_type":"background""#,
        sent(r#"{"alert":" ","badge":0,"content-available":1}"#),
        sent(r#"{"content-available":1}"#),
    ),
    (
        SILENT,
        r#"IOS,"content_available":true"#,
        logged(200, "empty message"),
        sent(r#"{"content-available":1}"#),
    ),
    (
        SILENT,
        r#"ANDROID,"message":" ","content_available":true"#,
        sent(r#"{"message":" "}"#),
        sent("{}"),
    ),
];

#[test]
fn callers_of_a_gaurun_site_get_what_gaurun_gave_them() {
    for as_gaurun in [true, false] {
        let simulated = Simulated::start();
        let mut site = Site::simulated(&simulated.simulator);
        if as_gaurun {
            site = site.with("android.keepalive_conns", 4);
        }
        let daemon = site.start();
        let told = site.operator_log().matches("compatible_with").count();
        assert_eq!(told, usize::from(as_gaurun));
        for (_, notification, gauruns, ours) in CASES {
            let (lines, notes) = (site.error_log().len(), simulated.notes().len());
            let expected = if as_gaurun { gauruns } else { ours };
            let ios = format!(r#""platform":1,"token":["{}"]"#, hex_token(1));
            let notification = notification
                .replace("IOS", &ios)
                .replace("ANDROID", r#""platform":2,"token":["a"]"#)
                .replace("LARGE", &"x".repeat(4200));
            let body = format!(r#"{{"notifications":[{{{notification}}}]}}"#);
            let reply = daemon.request("POST", "/push", body.as_bytes());
            assert_eq!(reply.status, expected.status, "{body}: {}", reply.text());
            if reply.status == 200 {
                assert_eq!(reply.message(), "ok", "{body}");
            }
            let is_there = |count: usize, text: &str| count + usize::from(!text.is_empty());
            let all = (
                is_there(lines, expected.logged),
                is_there(notes, expected.sent),
            );
            wait_until(&format!("what comes of {body}"), || {
                (site.error_log().len(), simulated.notes().len()) == all
            });
            if all.0 > lines {
                assert_eq!(shown(&site.error_log()[lines]), expected.logged, "{body}");
            }
            if all.1 > notes {
                let body: Value = serde_json::from_str(&simulated.notes()[notes].body).unwrap();
                let found = body.get("aps").unwrap_or(&body["message"]["data"]);
                let sent: Value = serde_json::from_str(expected.sent).unwrap();
                assert_eq!(*found, sent, "{body}");
            }
        }
        let all = (site.error_log().len(), simulated.notes().len());
        assert_eq!(daemon.terminate(), 0);
        assert_eq!((site.error_log().len(), simulated.notes().len()), all);
    }
}

/// The text of a line of the error log, behind its type if it has one.
fn shown(line: &Line) -> String {
    match line.kind() {
        "" => line.text_of("message").to_owned(),
        kind => format!("{kind} {}", line.text_of("error")),
    }
}

#[test]
fn the_queue_is_told_as_gaurun_told_it() {
    let site = Site::unreachable().with_text("core.compatible_with", "gaurun");
    let daemon = site.start_with(&["-q", "10"]);
    let body = batch(&[ios("m", &[1, 2, 3]), android("m", &[1, 2])]);
    assert_eq!(daemon.push(&body).status, 200);
    let stat = daemon.stat();
    assert_eq!(stat.number("/queue_max"), 10);
    assert_eq!(stat.number("/queue_usage"), 5);
}

#[test]
fn the_documents_mark_what_is_kept() {
    let text = documents::text();
    let marked = text.lines().filter_map(|line| {
        let cell = line.strip_prefix("| ")?.split(" | ").next()?;
        cell.strip_suffix(" †")
    });
    let marked: BTreeSet<&str> = marked.collect();
    let rows = CASES
        .iter()
        .map(|(row, ..)| *row)
        .filter(|row| !row.is_empty());
    assert_eq!(marked, rows.chain([QUEUE]).collect());
}
