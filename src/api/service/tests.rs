mod admission;
mod channels_told;
mod classes;
mod health;
mod scheduled;
mod statuses;
mod waiting;

use proptest::prelude::*;

use super::*;
use crate::api::fixture::{Backstage, Queued, Site, answered, site, unready_site};
use crate::http1::fixture::{Client, Got, loopback};
use crate::http1::{Listener, Settings};
use crate::push::LaneId;

/// A site behind a listener, and a client of it.
struct Web {
    listener: Listener,
    client: Client,
    ios: Option<Arc<Queued>>,
    host: Arc<Backstage>,
}

fn web(site: Site) -> Web {
    let listener = Listener::start(loopback(), site.service, Settings::default()).unwrap();
    Web {
        client: Client::connect(listener.local_addr().unwrap()),
        listener,
        ios: site.ios,
        host: site.host,
    }
}

impl Web {
    fn ask(&mut self, method: &str, target: &str, body: &str) -> Got {
        let length = body.len();
        self.client.ask(format!(
            "{method} {target} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
    }

    fn push(&mut self, notifications: &str) -> Got {
        self.ask(
            "POST",
            "/push",
            &format!("{{\"notifications\":[{notifications}]}}"),
        )
    }
}

const JSON: &str = "application/json; charset=utf-8";
const ONE: &str = r#"{"notifications":[{"token":["a"],"platform":1,"message":"m"}]}"#;

#[test]
fn answers_are_gauruns() {
    let mut web = web(site(Some(100), Some(100)));
    let many = format!("{{\"notifications\":[{}{{}}]}}", "{},".repeat(100));
    for (method, target, body, status, message) in [
        ("GET", "/push", "", 400, "method must be POST"),
        ("PUT", "/push?x", ONE, 400, "method must be POST"),
        ("POST", "/push", "", 400, "request body is empty"),
        ("POST", "/push", "{", 400, "Request-body is malformed"),
        ("POST", "/push", "[]", 400, "Request-body is malformed"),
        ("POST", "/push", "{}", 400, "empty notification"),
        ("POST", "/push", "null", 400, "empty notification"),
        (
            "POST",
            "/push",
            r#"{"notifications":[]}"#,
            400,
            "empty notification",
        ),
        (
            "POST",
            "/push",
            &many,
            400,
            "number of notifications(101) over limit(100)",
        ),
        (
            "GET",
            "/config/pushers?max=1",
            "",
            400,
            "method must be PUT",
        ),
        (
            "PUT",
            "/config/pushers?max=%zz",
            "",
            400,
            "url parameters could not be parsed",
        ),
        ("PUT", "/config/pushers", "", 400, "malformed value"),
        ("PUT", "/config/pushers?max=", "", 400, "malformed value"),
        ("PUT", "/config/pushers?max=ten", "", 400, "malformed value"),
        ("PUT", "/config/pushers?max=-1", "", 400, "malformed value"),
        ("POST", "/lanes/ios/pause", "", 400, "method must be PUT"),
        ("GET", "/lanes/web/resume", "", 400, "method must be PUT"),
        (
            "PUT",
            "/lanes/web/pause",
            "",
            404,
            "no such lane: there are ios and android",
        ),
        ("PUT", "/pushes", "", 400, "method must be DELETE"),
        (
            "DELETE",
            "/pushes",
            "",
            400,
            "identifier is missing or empty",
        ),
        (
            "DELETE",
            "/pushes?identifier=&identifier=a",
            "",
            400,
            "identifier is missing or empty",
        ),
        (
            "DELETE",
            "/pushes?identifier=%zz",
            "",
            400,
            "url parameters could not be parsed",
        ),
    ] {
        let got = web.ask(method, target, body);
        let (gauruns, ours) = got
            .body
            .split_once(",\"error\":")
            .unwrap_or((&got.body, ""));
        let gauruns = gauruns.trim_end_matches("}\n");
        assert_eq!(
            gauruns,
            format!("{{\"message\":\"{message}\""),
            "{method} {target}"
        );
        let is_explained = message.contains("body is") || message.starts_with("empty");
        assert_eq!(
            !ours.is_empty(),
            is_explained,
            "{method} {target} {}",
            got.body
        );
        assert_eq!(
            (got.status, got.field("content-type")),
            (status, Some(JSON))
        );
        assert_eq!(got.field("server"), Some(reply::SERVER));
        assert_eq!(got.field("connection"), None);
        assert!(got.field("date").is_some());
    }
}

#[test]
fn statistics_are_told_to_anybody() {
    let site = site(Some(100), Some(50));
    for running in site.service.lanes.get().serving() {
        running.lane.set_stream_limit(7);
    }
    let mut web = web(site);
    drop(web.push(r#"{"token":["a","b"],"platform":1,"message":"m"}"#));
    let lane = Arc::clone(&web.ios.as_ref().unwrap().running.lane);
    for method in ["GET", "POST", "DELETE"] {
        let got = web.ask(method, "/stat/app", "");
        assert_eq!((got.status, got.field("content-type")), (200, Some(JSON)));
        let oldest = lane.oldest().unwrap();
        let since = oldest.at.unix_secs();
        assert_eq!(
            got.body,
            "{\n \"queue_max\": 150,\n \"queue_usage\": 2,\n \"pusher_max\": 28,\n \
             \"pusher_count\": 8,\n \
             \"ios\": {\n  \"push_success\": 5,\n  \"push_error\": 6\n },\n \
             \"android\": {\n  \"push_success\": 0,\n  \"push_error\": 0\n },\n \
             \"lanes\": {\n  \"ios\": {\n   \"push_success\": 5,\n   \"push_error\": 6,\n   \
             \"state\": \"open\",\n   \"waiting_since\": SINCE,\n   \"oldest\": 1,\n   \
             \"attempts\": 12,\n   \"retries\": 1,\n   \"queue\": {\n    \
             \"transactional\": {\n     \"pushes\": 2,\n     \"capacity\": 112,\n     \
             \"oldest_seconds\": 0\n    },\n    \
             \"bulk\": {\n     \"pushes\": 0,\n     \"capacity\": 98\n    },\n    \
             \"scheduled\": {\n     \"pushes\": 0,\n     \"capacity\": 100\n    }\n   },\n   \
             \"credential\": \"a certificate\"\n  },\n  \
             \"android\": {\n   \"push_success\": 0,\n   \"push_error\": 0,\n   \
             \"state\": \"open\",\n   \"attempts\": 12,\n   \"retries\": 1,\n   \"queue\": {\n    \
             \"transactional\": {\n     \"pushes\": 0,\n     \"capacity\": 56\n    },\n    \
             \"bulk\": {\n     \"pushes\": 0,\n     \"capacity\": 50\n    },\n    \
             \"scheduled\": {\n     \"pushes\": 0,\n     \"capacity\": 50\n    }\n   },\n   \
             \"credential\": \"a certificate\"\n  }\n }\n}"
                .replace("SINCE", &since.to_string())
        );
        let got = web.ask(method, "/stat/go", "");
        assert_eq!(
            (got.status, got.field("content-type")),
            (200, Some("application/json"))
        );
        let shown = |body: &str| {
            let figures: Vec<_> = body.lines().map(str::trim).collect();
            let figures = figures.iter().filter_map(|line| line.split_once(": "));
            let figures = figures.map(|(key, figure)| {
                let figure = figure.trim_end_matches(',').parse::<f64>();
                (key.trim_matches('"').to_owned(), figure.unwrap_or_default())
            });
            figures.collect::<Vec<_>>()
        };
        let figures = shown(&got.body);
        let keys: Vec<&str> = figures.iter().map(|(key, _)| &**key).collect();
        assert_eq!(keys, ["time", "cpu_num", "goroutine_num", "memory_sys"]);
        assert!(
            figures.iter().all(|(_, figure)| *figure > 0.0),
            "{}",
            got.body
        );
        let got = web.ask(method, "/stat/runtime", "");
        let resident = shown(&got.body)
            .into_iter()
            .find(|(key, _)| key == "memory_resident_bytes");
        assert!(
            resident.is_some_and(|(_, bytes)| bytes > 0.0),
            "{}",
            got.body
        );
    }
    web.host.take_lines();
    drop(web.ask("GET", "/stat/app", ""));
    assert!(
        web.host.take_lines().is_empty(),
        "no request line for statistics"
    );
}

#[test]
fn as_gaurun_one_queue_is_told_of_without_what_is_in_flight() {
    let mut web = web(site(Some(100), Some(50)).like_gaurun());
    for (tokens, waiting) in [("\"a\"", 0), (r#""b","c","d","e","f","g","h","i""#, 1)] {
        drop(web.push(&format!(
            r#"{{"token":[{tokens}],"platform":1,"message":"m"}}"#
        )));
        let got = web.ask("GET", "/stat/app", "");
        let expected = format!("{{\n \"queue_max\": 100,\n \"queue_usage\": {waiting},\n");
        assert!(got.body.starts_with(&expected), "{}", got.body);
    }
}

#[test]
fn pushes_are_purged_by_their_identifier() {
    let mut web = web(site(Some(100), None));
    let one = |tokens: &str, identifier: &str| {
        let named = format!(r#""message":"m","identifier":"{identifier}""#);
        format!(r#"{{"platform":1,"token":[{tokens}],{named}}}"#)
    };
    let pushed = [one(r#""a","b""#, "a b&"), one(r#""c""#, "a")].join(",");
    assert_eq!(web.push(&pushed).status, 200);
    web.host.take_lines();
    let got = web.ask("DELETE", "/pushes?x=y&identifier=a%20b%26", "");
    let body = "{\"message\":\"ok\",\"purged\":2}\n";
    assert_eq!((got.status, &*got.body), (200, body));
    assert_eq!(web.host.take_lines(), ["purged 1 a", "purged 2 b"]);
    assert_eq!(web.ios.unwrap().tokens(), [("c".to_owned(), 3)]);
    // What the last process has left cannot be purged before it is there.
    let mut web = self::web(unready_site(Some(100), None));
    let got = web.ask("DELETE", "/pushes?identifier=a", "");
    let refused = "{\"message\":\"recovering: the journal is being read\"}\n";
    assert_eq!((got.status, &*got.body), (503, refused));
    assert!(web.host.take_lines().is_empty());
}

#[test]
fn other_paths_are_gos() {
    let mut web = web(site(Some(1), None));
    for target in ["/", "/push/", "/stat", "/config/app", "/favicon.ico"] {
        let got = web.ask("GET", target, "");
        assert_eq!(
            (got.status, &*got.body),
            (404, "404 page not found\n"),
            "{target}"
        );
        assert_eq!(got.field("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(got.field("x-content-type-options"), Some("nosniff"));
    }
    let got = web.ask("GET", "//push?a=1&b=2", "");
    assert_eq!(
        (got.status, got.field("location")),
        (301, Some("/push?a=1&b=2"))
    );
    assert_eq!(
        got.body,
        "<a href=\"/push?a=1&amp;b=2\">Moved Permanently</a>.\n\n"
    );
    let got = web.ask("POST", "//push", ONE);
    assert_eq!(
        (got.status, got.field("location"), &*got.body),
        (301, Some("/push"), "")
    );
    assert_eq!(web.ask("GET", "/%zz", "").status, 400);
    assert!(web.ios.unwrap().tokens().is_empty());
}

#[test]
fn integers_of_config_pushers_are_gos() {
    let mut web = web(site(Some(1), None));
    let limit = |web: &Web| web.ios.as_ref().unwrap().running.lane.stream_limit();
    for (text, max) in [
        // Less than one is none.
        ("0", 1),
        ("0x10", 16),
        ("0b1", 1),
        ("0o7", 7),
        ("017", 15),
        ("1_0", 10),
    ] {
        assert_eq!(
            web.ask("PUT", &format!("/config/pushers?max={text}"), "")
                .status,
            200
        );
        assert_eq!(limit(&web), max, "{text}");
    }
    assert_eq!(
        web.ask("PUT", "/config/pushers?max=3&max=x", "").status,
        200
    );
    assert_eq!(limit(&web), 3);
    let got = web.ask("PUT", "/config/pushers?max=1001", "");
    let refused = "{\"message\":\"max is over the limit(1000)\"}\n";
    assert_eq!((got.status, &*got.body, limit(&web)), (400, refused, 3));
}

#[test]
fn what_is_accepted_has_consecutive_ids_and_is_queued_before_the_answer() {
    let mut web = web(site(Some(100), Some(100)));
    let got = web.push(
        r#"{"token":["a","b"],"platform":1,"message":"m","retry":"x","seq_id":[]},
           {"token":["c"],"platform":2,"message":"m"},{"token":["d"],"platform":1,"message":"m"}"#,
    );
    assert_eq!(
        got.body,
        "{\"message\":\"ok\",\"accepted\":[{\"index\":0,\"first_id\":1,\"count\":2},\
         {\"index\":1,\"first_id\":3,\"count\":1},{\"index\":2,\"first_id\":4,\"count\":1}],\
         \"rejected\":[],\"ignored\":[\"/notifications/0/retry\",\"/notifications/0/seq_id\"]}\n"
    );
    let tokens = web.ios.unwrap().tokens();
    assert_eq!(
        tokens,
        [
            ("a".to_owned(), 1),
            ("b".to_owned(), 2),
            ("d".to_owned(), 4)
        ]
    );
    let lines = web.host.take_lines();
    assert!(
        lines[0].starts_with("request /push POST HTTP/1.1 "),
        "{lines:?}"
    );
    assert_eq!(
        lines[1..],
        [
            "recorded [1, 3, 4] None",
            "accepted 1 a",
            "accepted 2 b",
            "accepted 3 c",
            "accepted 4 d"
        ]
    );
}

#[test]
fn what_is_rejected_is_pointed_at() {
    let mut web = web(site(Some(100), None));
    let got = web.push(
        r#"{"token":["bad1","a",""],"platform":1,"message":"m"},{"platform":9},
           {"token":["b"],"platform":2,"message":"m"},{"platform":1,"message":"m"},
           {"token":["c"],"platform":1,"message":"long"}"#,
    );
    assert_eq!(got.status, 200);
    assert_eq!(
        got.body,
        "{\"message\":\"ok\",\"accepted\":[{\"index\":0,\"first_id\":1,\"count\":1}],\"rejected\":[\
         {\"pointer\":\"/notifications/0/token/0\",\"error\":\"bad device token\"},\
         {\"pointer\":\"/notifications/0/token/2\",\"error\":\"empty token\"},\
         {\"pointer\":\"/notifications/1\",\"error\":\"invalid platform\"},\
         {\"pointer\":\"/notifications/2/token/0\",\"error\":\"android is disabled\"},\
         {\"pointer\":\"/notifications/3\",\"error\":\"no token\"},\
         {\"pointer\":\"/notifications/4\",\
         \"error\":\"payload of 4097 bytes over limit(4096)\"}]}\n"
    );
    assert_eq!(
        web.host.take_lines()[1..],
        [
            "error empty token (0000000000000abc)",
            "error invalid platform (0000000000000abc)",
            "error payload of 4097 bytes over limit(4096) (0000000000000abc)",
            "recorded [1] None",
            "disabled 2 b",
            "accepted 1 a",
            "malformed 3 bad1",
        ]
    );
}

#[test]
fn nothing_valid_is_a_400_with_the_first_error() {
    let mut web = web(site(Some(100), None));
    for (notification, message, pointer) in [
        ("{}", "invalid platform", "/notifications/0"),
        (
            r#"{"platform":1,"message":"m","token":[""]}"#,
            "empty token",
            "/notifications/0/token/0",
        ),
    ] {
        let got = web.push(notification);
        assert_eq!(got.status, 400);
        assert_eq!(
            got.body,
            format!(
                "{{\"message\":\"{message}\",\"accepted\":[],\"rejected\":\
                 [{{\"pointer\":\"{pointer}\",\"error\":\"{message}\"}}]}}\n"
            )
        );
    }
    let got = web.push(r#"{"platform":2,"message":"m","token":["a"]}"#);
    assert_eq!(
        got.status, 200,
        "a disabled platform is the site's decision: {}",
        got.body
    );
}

#[test]
fn a_full_queue_takes_nothing_of_the_request() {
    let mut web = web(site(Some(3), Some(100)));
    assert_eq!(
        web.push(r#"{"platform":1,"message":"m","token":["a","b"]}"#)
            .status,
        200
    );
    web.host.take_lines();
    let got = web.push(
        r#"{"platform":2,"message":"m","token":["x"]},
           {"platform":1,"message":"m","token":["c","d"]}"#,
    );
    assert_eq!((got.status, got.field("retry-after")), (503, Some("1")));
    assert_eq!(
        got.body,
        "{\"message\":\"ios queue is full: 2 pushes do not fit, it has room for 1 of 3\"}\n"
    );
    assert_eq!(web.host.take_lines().len(), 1, "the request line alone");
    assert!(
        web.ask("GET", "/stat/app", "")
            .body
            .contains("\"queue_usage\": 2,")
    );
    assert_eq!(
        web.push(r#"{"platform":1,"message":"m","token":["c"]}"#)
            .status,
        200
    );
}

#[test]
fn what_no_queue_can_hold_is_too_large() {
    let mut web = web(site(Some(3), Some(100)));
    let got = web.push(r#"{"platform":1,"message":"m","token":["a","b","c","d"]}"#);
    assert_eq!((got.status, got.field("retry-after")), (413, None));
    assert_eq!(
        got.body,
        "{\"message\":\"number of ios pushes(4) over what the ios queue can hold(3)\"}\n"
    );
    assert_eq!(
        web.push(r#"{"platform":1,"message":"m","token":["a","b","c"]}"#)
            .status,
        200
    );
}

#[test]
fn debug_refuses_text_after_the_value() {
    let mut web = web(site(Some(3), None));
    assert_eq!(web.ask("POST", "/push", &format!("{ONE}x")).status, 200);
    let site = site(Some(3), None).with(|terms| terms.trailing = Trailing::Refused);
    let mut web = self::web(site);
    assert_eq!(web.ask("POST", "/push", &format!("{ONE}x")).status, 400);
    assert_eq!(web.ask("POST", "/push", ONE).status, 200);
}

#[test]
fn chunked_requests_are_logged_without_a_length() {
    let mut web = web(site(Some(3), None));
    let chunk = format!("{:x}\r\n{ONE}\r\n0\r\n\r\n", ONE.len());
    let head = "POST /push HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(web.client.ask(format!("{head}{chunk}")).status, 200);
    assert_eq!(web.host.take_lines()[0], "request /push POST HTTP/1.1 -1");
    let got = web.client.ask(format!("{head}0\r\n\r\n"));
    let malformed = "{\"message\":\"Request-body is malformed\",\"error\":\"the body: ";
    assert!(
        got.status == 400 && got.body.starts_with(malformed),
        "{}",
        got.body
    );
}

#[test]
fn a_draining_daemon_sends_callers_elsewhere() {
    let site = site(Some(3), None);
    let answer = |target: &str| {
        let text = format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n");
        let head = Head::parse(text.as_bytes()).unwrap();
        let mut body = ONE.as_bytes().to_vec();
        answered(&site.service, &head, &mut body, Phase::Draining)
    };
    assert_eq!(answer("/push").status, 503);
    assert_eq!(answer("/push").fields, [("Retry-After", "1".into())]);
    assert_eq!(
        (answer("/healthz").status, answer("/stat/app").status),
        (503, 200)
    );
}

/// JSON in which the names that matter are frequent.
fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-1_i64..4).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(alert|a|bad|long|)".prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("notifications"),
        Just("token"),
        Just("Platform"),
        Just("message"),
        Just("extend"),
        Just("badge"),
        Just("push_type"),
    ];
    let value = leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::vec((name.clone(), inner), 0..5)
                .prop_map(|fields| fields.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    });
    let good = (0_i64..4, 0_usize..4).prop_map(|(platform, tokens)| {
        json!({"platform": platform, "message": "m", "token": vec!["a"; tokens]})
    });
    let notification = prop_oneof![value.clone(), good];
    prop_oneof![
        value,
        proptest::collection::vec(notification, 0..5)
            .prop_map(|list| json!({"notifications": list})),
    ]
}

proptest! {
    #[test]
    fn whatever_the_body_the_answer_is_one_of_three(value in json()) {
        let site = site(Some(6), Some(1_000_000));
        let text = b"POST /push HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n";
        let head = Head::parse(text).unwrap();
        let mut body = value.to_string().into_bytes();
        let reply = answered(&site.service, &head, &mut body, Phase::Serving);
        prop_assert!([200, 400, 413].contains(&reply.status), "{}", reply.status);
        let queued = site.ios.unwrap().tokens().len();
        prop_assert!(reply.status == 200 || queued == 0);
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&reply.body).is_ok());
    }
}
