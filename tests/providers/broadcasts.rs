//! Broadcast channels: made, looked at and deleted by the API, which asks Apple's servers; and
//! pushes to them.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::thread;

use serde_json::json;
use sterna::simulator::{Options, Provider, Script};

use crate::harness::daemon::Daemon;
use crate::harness::http::{Client, Reply};
use crate::harness::lines::of_kind;
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::{hex_token, wait_until};

fn made(daemon: &Daemon, policy: u8) -> String {
    let body = json!({"message_storage_policy": policy}).to_string();
    let reply = daemon.request("POST", "/channels", body.as_bytes());
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()["channel"].as_str().unwrap().to_owned()
}

fn get(daemon: &Daemon, target: &str) -> Reply {
    daemon.request("GET", target, b"")
}

/// Pushes an update to a channel; `more` stands beside it.
fn update(daemon: &Daemon, id: &str, more: &str) -> Reply {
    let activity = r#""live_activity":{"event":"update","content_state":{"eta":9}}"#;
    let body = format!(
        r#"{{"strict":true,"notifications":[{{"platform":"ios","channel":"{id}",{activity}{more}}}]}}"#
    );
    daemon.request("POST", "/push", body.as_bytes())
}

#[test]
fn channels_are_made_looked_at_and_deleted() {
    let simulated = Simulated::with(|options| options.max_channels = 2);
    let by_token = Site::simulated(&simulated.simulator);
    let by_certificate = Site::simulated(&simulated.simulator).by_certificate(&simulated.simulator);
    for site in [by_token, by_certificate] {
        let daemon = site.start();
        let [one, other] = [made(&daemon, 0), made(&daemon, 1)];
        assert_ne!(one, other);
        let list = get(&daemon, "/channels").json();
        assert_eq!(
            list,
            json!({"message": "ok", "lane": "ios", "channels": [one, other]})
        );
        for (id, policy) in [(&one, 0), (&other, 1)] {
            let found = get(&daemon, &format!("/channels/{id}"));
            let mut expected = json!({
                "message": "ok", "lane": "ios", "channel": id,
                "message_storage_policy": policy, "push_type": "LiveActivity",
            });
            if policy == 1 {
                expected["hint"] =
                    "what is pushed there is stored for as long as its ttl or expires_at says"
                        .into();
            }
            assert_eq!((found.status, found.json()), (200, expected));
        }
        // As many as there may be.
        let body = br#"{"message_storage_policy":0}"#;
        let full = daemon.request("POST", "/channels?app=default", body);
        assert_eq!(full.status, 409, "{}", full.text());
        assert_eq!(full.json()["reason"], "CannotCreateChannelConfig");
        assert!(
            full.message().contains("Delete channels"),
            "{}",
            full.text()
        );
        for id in [&one, &other] {
            let target = format!("/channels/{}", id.replace('=', "%3D"));
            let deleted = daemon.request("DELETE", &target, b"");
            assert_eq!((deleted.status, deleted.message()), (200, "ok".to_owned()));
            let gone = get(&daemon, &target);
            assert_eq!((gone.status, &gone.json()["status"]), (404, &json!(400)));
            assert_eq!(gone.json()["reason"], "ChannelNotRegistered");
            assert!(
                gone.message().contains("Drop the channel id"),
                "{}",
                gone.text()
            );
        }
        daemon.terminate();
        let log = site.operator_log();
        for what in ["was made", "was deleted"] {
            let told = format!("ios: the broadcast channel {one} {what} (request ");
            assert!(log.contains(&told), "{log}");
        }
    }
    assert_eq!(simulated.counts().received, 0, "none was a push");
}

/// Fields beside the update, header fields of the request beside those of every broadcast.
const SENT: [(&str, &[(&str, &str)]); 6] = [
    ("", &[]),
    (r#","priority":"normal""#, &[("apns-priority", "5")]),
    (r#","priority":1"#, &[("apns-priority", "1")]),
    (r#","ttl":0"#, &[]),
    (
        r#","apns_id":"0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c11""#,
        &[("apns-request-id", "0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c11")],
    ),
    (r#","push_type":"liveactivity","priority":"high""#, &[]),
];

#[test]
fn an_update_is_broadcast_to_a_channel_as_apple_wants_it() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let (storeless, latest) = (made(&daemon, 0), made(&daemon, 1));
    for (more, fields) in SENT {
        let reply = update(&daemon, &storeless, more);
        assert_eq!(reply.status, 200, "{more}: {}", reply.text());
        daemon.wait_idle();
        let note = simulated.notes().pop().unwrap();
        assert_eq!((note.status, note.reason), (200, ""), "{more}");
        assert_eq!(note.device_token, storeless);
        let mut expected: BTreeMap<&str, &str> = BTreeMap::from([
            ("apns-channel-id", &*storeless),
            ("apns-push-type", "liveactivity"),
            ("apns-priority", "10"),
            ("apns-expiration", "0"),
        ]);
        expected.extend(fields.iter().copied());
        let mut found = note.headers.clone();
        if !expected.contains_key("apns-request-id") {
            let id = found.remove("apns-request-id");
            assert_eq!(id.map(|id| id.len()), Some(36));
        }
        let found: BTreeMap<_, _> = found
            .iter()
            .map(|(name, value)| (*name, &**value))
            .collect();
        assert_eq!(found, expected, "{more}");
    }
    // What is stored, and what is given as it is.
    let seconds = 8 * 3600;
    let raw = r#""apns":{"payload":{"aps":{"event":"end","timestamp":1790000000},"x":1}}"#;
    for notification in [
        format!(r#""channel":["{latest}"],"ttl":{seconds},"live_activity":{{"event":"end"}}"#),
        format!(r#""channel":"{latest}",{raw}"#),
    ] {
        let body = format!(r#"{{"notifications":[{{"platform":1,{notification}}}]}}"#);
        let reply = daemon.request("POST", "/push", body.as_bytes());
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    daemon.settle();
    let notes = simulated.notes();
    assert!(notes.iter().all(|note| note.status == 200), "{notes:?}");
    let log = site.access_log();
    let lines: Vec<_> = of_kind(&log, "succeeded-push").collect();
    assert_eq!(lines.len(), SENT.len() + 2);
    assert!(lines.iter().all(|line| line.text_of("target") == "channel"));
}

/// Fields of a notification to a channel, where one is wrong, and what its caller is told.
const REFUSED: [(&str, &str, &str); 16] = [
    (
        r#""channel":"ab12","token":"ab""#,
        "channel",
        "channel stands beside token, and a push has one target",
    ),
    (
        r#""channel":7"#,
        "channel",
        "channel is 7, and must be a string or an array of strings",
    ),
    (r#""channel":"""#, "channel", "channel is empty"),
    (
        r#""channel":[]"#,
        "channel",
        "no target: APNs pushes to what stands in token, tokens or channel",
    ),
    (
        r#""channel":["a b","ab12"]"#,
        "channel/0",
        "the channel id has a character that is no base64",
    ),
    (
        r#""channel":"ab12","push_type":"alert""#,
        "live_activity",
        "live_activity goes with the push type liveactivity, not alert",
    ),
    (
        r#""channel":"ab12","topic":"org.example.other""#,
        "topic",
        "topic has no place beside channel, which belongs to the app's own bundle id",
    ),
    (
        r#""channel":"ab12","apns":{"headers":{"apns-topic":"org.example.other"}}"#,
        "apns/headers/apns-topic",
        "apns/headers/apns-topic has no place beside channel, which belongs to the app's own \
         bundle id",
    ),
    (
        r#""channel":"ab12","apns":{"headers":{"apns-channel-id":"cd34"}}"#,
        "apns/headers/apns-channel-id",
        "apns/headers/apns-channel-id stands beside channel, which is enough",
    ),
    (
        r#""channel":"ab12","apns":{"headers":{"apns-id":"0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c11"}}"#,
        "apns/headers/apns-id",
        "apns/headers/apns-id has no place beside channel: apns-request-id has",
    ),
    (
        r#""channel":"ab12","apns":{"headers":{"apns-collapse-id":"c"}}"#,
        "apns/headers/apns-collapse-id",
        "apns/headers/apns-collapse-id has no place beside channel: the latest counts",
    ),
    (
        r#""channel":"ab12","ttl":28801"#,
        "ttl",
        "ttl is over 8 hours, and Apple stores a broadcast no longer",
    ),
    (
        r#""channel":"ab12","expires_at":4000000000"#,
        "expires_at",
        "expires_at is over 8 hours, and Apple stores a broadcast no longer",
    ),
    (
        r#""channel":["ab12","cd34"],"apns_id":"0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c11""#,
        "apns_id",
        "apns_id names one push, and there are 2 targets",
    ),
    (
        r#""channel":"ab12","collapse_id":"c""#,
        "collapse_id",
        "\"collapse_id\" has no effect in this notification for ios",
    ),
    (
        r#""channel":"ab12","apns":{"payload":{"aps":{"event":"start"}}}"#,
        "apns/payload/aps/event",
        "apns/payload/aps/event is start, and a push to a channel updates or ends activities",
    ),
];

#[test]
fn each_rule_of_broadcasts_is_told_before_the_200() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let refused = |notification: &str, part: &str, error: &str| {
        let body = format!(r#"{{"strict":true,"notifications":[{{{notification}}}]}}"#);
        let reply = daemon.request("POST", "/push", body.as_bytes());
        let pointer = format!("/notifications/0/{part}");
        let expected = json!({"pointer": pointer, "error": error});
        let rejected = &reply.json()["rejected"];
        assert_eq!(rejected[0], expected, "{notification}: {}", reply.text());
        let is_alone = !notification.contains("a b");
        assert_eq!(
            reply.status,
            if is_alone { 400 } else { 200 },
            "{notification}"
        );
    };
    let activity = r#""live_activity":{"event":"update","content_state":{}}"#;
    for (members, part, error) in REFUSED {
        let raw = members.contains("payload");
        let activity = if raw { r#""ttl":0"# } else { activity };
        refused(
            &format!(r#""platform":"ios",{members},{activity}"#),
            part,
            error,
        );
    }
    let start = r#""live_activity":{"event":"start"}"#;
    let error = "live_activity/event is start, and a push to a channel updates or ends activities";
    let to_one = r#""platform":"ios","channel":"ab12""#;
    refused(&format!("{to_one},{start}"), "live_activity/event", error);
    let google = r#""platform":"android","channel":"ab12","message":"m""#;
    let error = "channel is for APNs: FCM has topic and condition";
    refused(google, "channel", error);
    // The size that a device's push may not have, and one that none may have.
    let sized = |bytes: usize| {
        let frame = r#"{"aps":{"timestamp":1790000000,"event":"end"},"big":""}"#.len();
        json!({"notifications": [{
            "platform": 1, "channel": "ab12", "data": {"big": "x".repeat(bytes - frame)},
            "live_activity": {"event": "end", "timestamp": 1_790_000_000},
        }]})
    };
    assert_eq!(daemon.push(&sized(5120)).status, 200);
    let over = daemon.push(&sized(5121)).message();
    assert!(
        over.contains("APNs takes at most 5120: 1 too many"),
        "{over}"
    );
    daemon.settle();
    let notes = simulated.notes();
    assert_eq!(
        notes.iter().filter(|note| note.body.len() == 5120).count(),
        1
    );
}

/// As its certificate alone says which app it is.
#[test]
fn a_lane_without_a_bundle_id_has_no_channels() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .by_certificate(&simulated.simulator)
        .without("ios.topic");
    let daemon = site.start();
    let reply = update(&daemon, "ab12", "");
    let expected = "channel needs the app's bundle id: set topic in the section of its lane";
    assert_eq!((reply.status, reply.message()), (400, expected.to_owned()));
    let reply = get(&daemon, "/channels");
    assert_eq!(reply.status, 409, "{}", reply.text());
    assert!(
        reply.message().ends_with("set ios.topic"),
        "{}",
        reply.text()
    );
}

#[test]
fn a_channel_that_apple_refuses_fails_its_push_and_holds_no_lane() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let none = made(&daemon, 0);
    for (id, more) in [(&*none, r#","ttl":60"#), ("bm9ib2R5", ""), ("abc", "")] {
        assert_eq!(update(&daemon, id, more).status, 200);
        daemon.wait_idle();
    }
    let body = json!({"notifications": [{"platform": 1, "token": hex_token(1), "message": "m"}]});
    assert_eq!(daemon.push(&body).status, 200);
    daemon.wait_idle();
    let lanes = get(&daemon, "/healthz").json()["lanes"].clone();
    assert_eq!(lanes["ios"]["state"], "open");
    daemon.settle();
    let failed: Vec<_> = of_kind(&site.error_log(), "failed-push")
        .map(|line| {
            (
                line.text_of("reason").to_owned(),
                line.text_of("target").to_owned(),
            )
        })
        .collect();
    let reasons = ["BadExpirationDate", "ChannelNotRegistered", "BadChannelId"];
    let expected: Vec<_> = reasons
        .map(|it| (it.to_owned(), "channel".to_owned()))
        .into();
    assert_eq!(failed, expected);
    assert_eq!(of_kind(&site.access_log(), "succeeded-push").count(), 1);
}

/// Each answer of Apple's to a request about channels, and the one that its caller gets; for
/// passing ones with how long to wait.
const ANSWERS: [(&str, u16, Option<&str>); 8] = [
    ("FeatureNotEnabled", 409, None),
    ("BadChannelId", 400, None),
    ("ChannelNotRegistered", 404, None),
    ("TopicDisallowed", 502, None),
    ("BadRequestParams", 502, None),
    ("TooManyRequests", 429, Some("10")),
    ("InternalServerError", 503, Some("10")),
    ("TooManyProviderTokenUpdates", 503, Some("10")),
];

#[test]
fn what_apple_refuses_is_told_with_its_reason_and_what_to_do() {
    let phases = ANSWERS.map(|(reason, ..)| {
        format!("[[phase]]\nendpoint = \"channels\"\nrequests = 1\nfail = \"{reason}=100\"\n")
    });
    let simulated = Simulated::with(|options: &mut Options| {
        options.script = Script::read(&phases.concat(), 0).unwrap();
    });
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    for (reason, status, retry_after) in ANSWERS {
        let reply = get(&daemon, "/channels");
        assert_eq!(reply.status, status, "{reason}: {}", reply.text());
        let told = reply.json();
        assert_eq!(
            (&told["reason"], &told["lane"]),
            (&json!(reason), &json!("ios"))
        );
        let message = reply.message();
        let begin = format!("APNs answered {} {reason}: ", told["status"]);
        let passes = retry_after.is_some();
        assert_eq!(message.ends_with(". Ask again later."), passes, "{message}");
        assert!(
            message.starts_with(&begin) && message.ends_with('.'),
            "{message}"
        );
        assert_eq!(reply.field("Retry-After"), retry_after, "{reason}");
    }
    assert_eq!(get(&daemon, "/channels").status, 200);
    let mut told = site.error_log().into_iter();
    assert!(told.any(|line| line.text.contains("FeatureNotEnabled")));
}

/// Another connection, and another auth token, may be all that it takes.
#[test]
fn what_another_connection_may_mend_is_asked_again() {
    let phases = [
        "fail = \"UnrelatedKeyIdInToken=100\"",
        "fail = \"Shutdown=100\"",
        "fail = \"ExpiredProviderToken=100\"",
        // Not looked at: it is sent again, whatever it asks for.
        "refuse = 100",
    ]
    .map(|fault| {
        format!(
            "[[phase]]\nendpoint = \"channels\"\nrequests = 1\n{fault}\n\
             [[phase]]\nendpoint = \"channels\"\nrequests = 1\n"
        )
    });
    let simulated = Simulated::with(|options: &mut Options| {
        options.script = Script::read(&phases.concat(), 0).unwrap();
    });
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    for _ in phases {
        let reply = get(&daemon, "/channels");
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
    let asked = simulated.simulator.counts_of(Provider::Channels);
    assert_eq!(asked.received, 0, "none was a push");
}

/// Apple takes connections and says nothing: two callers of that lane wait, and no others.
#[test]
fn a_silent_apple_holds_up_two_callers_of_its_lane_and_nobody_else() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("https://{}", silent.local_addr().unwrap());
    let shop = Simulated::start();
    let site = Site::unreachable()
        .with_text("ios.channels_endpoint", &endpoint)
        .with_app("shop", &shop.simulator);
    let daemon = site.start();
    let (say, hear) = channel();
    for _ in 0..6 {
        let (say, mut client) = (say.clone(), Client::try_connect(&daemon.address).unwrap());
        thread::spawn(move || say.send(client.request("GET", "/channels", b"")).unwrap());
    }
    // While two wait.
    for refused in hear.iter().take(4) {
        assert_eq!(refused.status, 503, "{}", refused.text());
        assert!(
            refused.message().starts_with("other requests"),
            "{}",
            refused.text()
        );
        assert_eq!(refused.field("Retry-After"), Some("1"));
    }
    assert_eq!(get(&daemon, "/channels?app=shop").status, 200);
    let body = json!({"notifications": [{"platform": 1, "token": hex_token(1), "message": "m"}]});
    assert_eq!(daemon.push(&body).status, 200);
    drop(silent);
    for reply in hear.iter().take(2) {
        assert!(matches!(reply.status, 502 | 504), "{}", reply.text());
    }
    daemon.kill();
}

/// Apple blocks who connects again and again.
#[test]
fn a_refused_credential_is_not_shown_again_at_once() {
    let simulated = Simulated::with(|options: &mut Options| {
        options.faults.failures = "InvalidProviderToken=100".parse().unwrap();
    });
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let first = get(&daemon, "/channels");
    assert_eq!(
        (first.status, &first.json()["reason"]),
        (502, &json!("InvalidProviderToken"))
    );
    let body = br#"{"message_storage_policy":0}"#;
    let second = daemon.request("POST", "/channels", body);
    assert_eq!(
        (second.status, &second.json()["status"]),
        (502, &json!(403))
    );
    assert!(
        second
            .message()
            .ends_with("Apple is not asked again within 10 s")
    );
    assert_eq!(second.field("Retry-After"), Some("10"));
    let struck = simulated.simulator.struck();
    let asked = struck.iter().filter(|it| it.provider == Provider::Channels);
    assert_eq!(
        asked.map(|it| it.times).sum::<u64>(),
        2,
        "on another connection once"
    );
    let body = json!({"notifications": [{"platform": 1, "token": hex_token(1), "message": "m"}]});
    daemon.push(&body);
    wait_until("the lane to be struck, too", || {
        simulated.simulator.never_struck().is_empty()
    });
    daemon.kill();
}

/// What is said of pushes holds for channels.
#[test]
fn a_key_of_one_app_is_for_its_channels_alone() {
    let [default, shop] = [Simulated::start(), Simulated::start()];
    let site = Site::simulated(&default.simulator)
        .with_app("shop", &shop.simulator)
        .with_path("core.api_key_path", "api-keys");
    let key = "0123456789abcdef-of-shop";
    fs::write(
        site.path("api-keys"),
        format!("{key} app=shop rights=channels\n"),
    )
    .unwrap();
    let daemon = site.start();
    let ask = |method: &str, target: &str, body: &str| {
        let mut client = daemon.client();
        let length = body.len();
        client.send(
            format!(
                "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\
                 Content-Length: {length}\r\n\r\n{body}"
            )
            .as_bytes(),
        );
        client.reply_to(method)
    };
    let of_shop = r#"{"message_storage_policy":0,"app":"shop"}"#;
    assert_eq!(ask("POST", "/channels", of_shop).status, 201);
    for (method, target, body) in [
        ("POST", "/channels", r#"{"message_storage_policy":0}"#),
        (
            "POST",
            "/channels?app=default",
            r#"{"message_storage_policy":0}"#,
        ),
        ("GET", "/channels", ""),
        ("GET", "/channels?app=news", ""),
        ("DELETE", "/channels/ab12", ""),
        ("DELETE", "/channels/ab12?app=default", ""),
    ] {
        let reply = ask(method, target, body);
        assert_eq!(reply.status, 404, "{method} {target}: {}", reply.text());
        assert_eq!(reply.message(), "this API key is for app shop alone");
    }
    assert_eq!(ask("HEAD", "/channels?app=shop", "").status, 200);
    wait_until("the refusal is logged", || {
        site.error_log().iter().any(|line| {
            let names_it = line.text.contains("DELETE /channels/ab12?app=default");
            names_it && line.text.contains("for app shop alone")
        })
    });
}

/// Whose pushes lead to a relay deletes nothing at Apple by surprise.
#[test]
fn channels_of_a_lane_that_leads_elsewhere_are_where_it_is_said() {
    let site = Site::unreachable().without("ios.channels_endpoint");
    let daemon = site.start();
    let reply = get(&daemon, "/channels");
    assert_eq!(reply.status, 409, "{}", reply.text());
    assert!(
        reply.message().ends_with("set ios.channels_endpoint"),
        "{}",
        reply.text()
    );
}

/// An id of one environment is none of the other.
#[test]
fn channels_are_those_of_the_app_and_the_environment_that_are_named() {
    let [default, shop] = [Simulated::start(), Simulated::start()];
    let site = Site::simulated(&default.simulator)
        .with_app("shop", &shop.simulator)
        .with("apps.shop.ios.environments", r#"["production", "sandbox"]"#);
    let daemon = site.start();
    let body = br#"{"message_storage_policy":0,"app":"shop"}"#;
    let made = |target: &str| daemon.request("POST", target, body).json();
    assert_eq!(made("/channels")["lane"], "shop/ios");
    assert_eq!(
        made("/channels?environment=sandbox")["lane"],
        "shop/ios/sandbox"
    );
    let count = |target: &str| {
        let list = get(&daemon, target).json();
        list["channels"].as_array().map(Vec::len)
    };
    assert_eq!(
        (count("/channels"), count("/channels?app=shop")),
        (Some(0), Some(2))
    );
    let wrong = get(&daemon, "/channels?app=shop&environment=staging");
    assert_eq!(wrong.status, 404);
    let told = "app shop has no such environment: it has production and sandbox";
    assert_eq!(wrong.message(), told);
}
