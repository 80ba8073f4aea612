//! What nothing is taken of, what is recorded before it is answered, keys, and the state of a push.

use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Instant;

use super::statuses::site_with_journal;
use super::*;
use crate::api::idempotency::REJECTED_KEPT;
use crate::api::idempotency::{BodyHash, Keyed};
use crate::api::plan::UNSENT_LOGGED_MAX;
use crate::backlog::{Purged, PushState};
use crate::delivery::outcome::Settlement;
use crate::delivery::register::{Marks, Remembered};
use crate::push::End;

const BODY: &str = r#"{"notifications":[{"token":["a","b"],"platform":1,"message":"m"}]}"#;

impl Web {
    fn keyed(&mut self, key: &str, body: &str) -> Got {
        self.client.ask(keyed(key, body))
    }
}

pub(super) fn keyed(key: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /push HTTP/1.1\r\nHost: a\r\nIdempotency-Key: {key}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

#[test]
fn a_coded_body_is_refused_in_the_error_log_too() {
    let mut web = web(site(Some(100), None));
    let got = web.client.ask(
        "POST /push HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
    );
    assert_eq!(got.status, 415);
    let lines = web.host.take_lines();
    assert!(
        lines.len() == 2 && lines[1].contains("the content coding gzip"),
        "{lines:?}"
    );
    let mut web = super::web(site(Some(100), None));
    let got = web
        .client
        .ask("GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\n\r\n");
    assert_eq!(got.status, 200);
}

#[test]
fn what_is_malformed_is_told_in_the_error_log_and_not_in_full() {
    let mut web = web(site(Some(100), None));
    let long = "x".repeat(100_000);
    let got = web.ask("POST", "/push", &format!(r#"{{"notifications":"{long}"}}"#));
    assert_eq!(got.status, 400);
    let where_it_is = "/notifications: an array of notifications was expected, and there is";
    let place = "at line 1 column 18";
    let shown = format!("the string \\\"{}…\\\"", "x".repeat(32));
    assert_eq!(
        got.body,
        format!(
            "{{\"message\":\"Request-body is malformed\",\
             \"error\":\"{where_it_is} {shown}, {place}\"}}\n"
        )
    );
    assert_eq!(
        web.host.take_lines()[1..],
        [format!(
            "error Request-body is malformed: {where_it_is} a string, {place} (0000000000000abc)"
        )]
    );
}

#[test]
fn no_token_at_all_is_ok_and_does_nothing() {
    let mut web = web(site(Some(100), None));
    let got = web.push(r#"{"platform":1,"message":"m","token":[]}"#);
    assert_eq!(got.status, 200);
    assert_eq!(
        got.body,
        "{\"message\":\"ok\",\"accepted\":[],\"rejected\":\
         [{\"pointer\":\"/notifications/0\",\"error\":\"no token\"}]}\n"
    );
    assert_eq!(web.host.take_lines().len(), 1, "the request line alone");
}

#[test]
fn an_unknown_field_in_the_place_of_one_that_is_needed_is_no_success() {
    let mut web = web(site(Some(100), None));
    let one = r#"{"platform":1,"message":"m","to":["ab"]}"#;
    let got = web.push(one);
    assert_eq!(
        (got.status, &*got.body),
        (
            400,
            "{\"message\":\"no token: \\\"to\\\" is no field, \\\"token\\\" is\",\
             \"accepted\":[],\"rejected\":[{\"pointer\":\"/notifications/0\",\
             \"error\":\"no token\"}],\"ignored\":[\"/notifications/0/to\"]}\n"
        )
    );
    let misspelt = web.push(r#"{"platform":1,"messsage":"m","token":["ab"]}"#);
    let told = "{\"message\":\"empty message: \\\"messsage\\\" is no field, \\\"message\\\" is\",";
    assert!(misspelt.body.starts_with(told), "{}", misspelt.body);
    let beside = web.push(&format!(
        r#"{one},{{"platform":1,"message":"m","token":["ab"]}}"#
    ));
    assert_eq!(beside.status, 200, "{}", beside.body);
}

#[test]
fn pushes_to_a_disabled_platform_do_not_fill_the_log() {
    let mut web = web(site(Some(2), None));
    let tokens = vec!["\"a\""; UNSENT_LOGGED_MAX - 1].join(",");
    let got = web.push(&format!(
        r#"{{"platform":2,"message":"m","token":[{tokens}]}},
           {{"platform":2,"message":"m","token":["b","c","d"]}},
           {{"platform":2,"message":"m","token":["e"]}},
           {{"platform":1,"message":"m","token":["f"]}}"#
    ));
    assert_eq!(got.status, 200);
    // Each has its id, listed or not.
    let id = UNSENT_LOGGED_MAX + 4;
    let taken = format!("\"accepted\":[{{\"index\":3,\"first_id\":{id},\"count\":1}}]");
    assert!(got.body.contains(&taken), "{taken}");
    let lines = web.host.take_lines();
    let listed = lines.iter().filter(|line| line.starts_with("disabled "));
    assert_eq!(listed.count(), UNSENT_LOGGED_MAX);
    assert_eq!(
        lines[lines.len() - 3..],
        [
            format!("disabled {UNSENT_LOGGED_MAX} b"),
            format!(
                "error 3 further pushes of a request to a disabled platform, over the \
                 {UNSENT_LOGGED_MAX} that are listed (0000000000000abc)"
            ),
            format!("accepted {id} f"),
        ]
    );
}

#[test]
fn malformed_device_tokens_are_listed_under_ids_after_those_of_the_pushes() {
    let mut web = web(site(Some(1), None));
    let one = |tokens: &str| format!(r#"{{"platform":1,"message":"m","token":[{tokens}]}}"#);
    let mixed = one(r#""bad1","a","bad2""#);
    for (notifications, status, lines) in [
        (
            mixed.clone(),
            200,
            &[
                "recorded [1] None",
                "accepted 1 a",
                "malformed 2 bad1",
                "malformed 3 bad2",
            ][..],
        ),
        // The queue is full: all of it may come again.
        (mixed, 503, &[]),
        (
            format!("{},{}", one(r#""bad3""#), one(r#""bad4","bad5""#)),
            400,
            &["malformed 4 bad3", "malformed 5 bad4", "malformed 6 bad5"],
        ),
    ] {
        assert_eq!(web.push(&notifications).status, status, "{notifications}");
        assert_eq!(web.host.take_lines()[1..], *lines, "{notifications}");
    }
    let many = one(&vec!["\"bad\""; UNSENT_LOGGED_MAX].join(","));
    let disabled = r#"{"platform":2,"message":"m","token":["b","c"]}"#;
    assert_eq!(web.push(&format!("{many},{disabled}")).status, 200);
    let lines = web.host.take_lines();
    let listed = lines.iter().filter(|line| line.starts_with("malformed "));
    assert_eq!(
        listed.count(),
        UNSENT_LOGGED_MAX - 2,
        "with those to a disabled platform"
    );
    assert_eq!(
        lines.last().unwrap(),
        "error 2 further device tokens of a request, malformed too, beyond those that are listed \
         (0000000000000abf)"
    );
    assert_eq!(lines.len(), 1 + UNSENT_LOGGED_MAX + 1);
}

#[test]
fn what_cannot_be_recorded_is_not_taken() {
    let mut web = web(site(Some(2), None));
    *web.host.unrecordable.lock().unwrap() = Some("the disk is full");
    let got = web.ask("POST", "/push", BODY);
    assert_eq!((got.status, got.field("retry-after")), (503, Some("1")));
    assert_eq!(
        got.body,
        "{\"message\":\"the journal cannot be written: the disk is full; it is tried again\"}\n"
    );
    assert_eq!(web.host.take_lines().len(), 1, "the request line alone");
    assert!(web.ios.as_ref().unwrap().tokens().is_empty());
    *web.host.unrecordable.lock().unwrap() = None;
    let got = web.ask("POST", "/push", BODY);
    assert_eq!(got.status, 200, "its room was given back: {}", got.body);
}

/// No 503: whoever is in front of several daemons may send such a request to another one.
#[test]
fn what_may_be_recorded_is_not_said_not_to_be_taken() {
    let mut web = web(site(Some(2), None));
    *web.host.unrecordable.lock().unwrap() = Some("the disk is broken");
    web.host.forgets_what_it_took.store(true, Ordering::SeqCst);
    let got = web.keyed("k", BODY);
    assert_eq!((got.status, got.field("retry-after")), (500, None));
    let said = "it is not known whether the pushes were taken: the journal cannot be written: the \
                disk is broken; it is tried again";
    assert_eq!(got.body, format!("{{\"message\":\"{said}\"}}\n"));
    assert!(web.ios.as_ref().unwrap().tokens().is_empty());
    *web.host.unrecordable.lock().unwrap() = None;
    assert_eq!(web.keyed("k", BODY).status, 200, "the key is free");
}

/// No 503: that would say that another daemon may be asked instead.
#[test]
fn a_purge_that_a_crash_would_undo_says_so() {
    for (unkept, misses_disabled, said) in [
        (
            Some("the disk is full"),
            false,
            "would bring them back: the disk is full",
        ),
        // Nor may one be taken for whole that misses some.
        (
            None,
            true,
            "but for pushes that wait in the journal for a disabled platform",
        ),
    ] {
        let got = operating::purged(&Purged {
            pushes: 3,
            unread: 0,
            unkept: unkept.map(str::to_owned),
            misses_disabled,
            misses_scheduled: false,
        });
        assert_eq!((got.status, got.fields.len()), (500, 0));
        let body = String::from_utf8(got.body).unwrap();
        assert!(
            body.contains(said) && body.contains("\"purged\":3"),
            "{body}"
        );
    }
}

#[test]
fn a_purge_that_is_not_kept_or_that_cannot_be_remembered_is_no_success() {
    let site = site_with_journal();
    let (files, backlog) = (site.1, Arc::clone(&site.0.service.backlog));
    let mut web = web(site.0);
    let two = ["sale", "offer"].map(|name| {
        format!(r#"{{"token":["a"],"platform":1,"message":"m","identifier":"{name}"}}"#)
    });
    assert_eq!(web.push(&two.join(",")).status, 200);
    let mut purge = |name: &str| web.ask("DELETE", &format!("/pushes?identifier={name}"), "");
    let got = purge("sale");
    let body = "{\"message\":\"ok\",\"purged\":1,\"unread\":1}\n";
    assert_eq!((got.status, &*got.body), (200, body));
    files.fail_syncs(true);
    let got = purge("offer");
    assert_eq!((got.status, got.field("retry-after")), (500, None));
    assert!(
        got.body.contains("would bring them back") && got.body.contains("\"purged\":1"),
        "{}",
        got.body
    );
    backlog.call_off_as_many_as_it_may();
    let got = purge("another");
    assert_eq!((got.status, got.field("retry-after")), (503, Some("1")));
    let said = "too many purges while pushes are still read from the journal";
    assert_eq!(got.body, format!("{{\"message\":\"{said}\"}}\n"));
}

/// Otherwise it would be another one after a crash.
#[test]
fn an_answer_under_a_key_is_recorded_though_nothing_is_pushed() {
    let mut web = web(site(Some(10), None));
    let nobody = r#"{"notifications":[{"platform":1,"message":"m"}]}"#;
    assert_eq!(web.ask("POST", "/push", nobody).status, 200);
    assert_eq!(web.host.take_lines().len(), 1, "the request line alone");
    assert_eq!(web.keyed("k", nobody).status, 200);
    let lines = web.host.take_lines();
    assert_eq!(lines[1..], ["recorded [] Some(\"k\")"]);
    *web.host.unrecordable.lock().unwrap() = Some("the disk is full");
    assert_eq!(web.keyed("l", nobody).status, 503);
}

#[test]
fn nothing_is_queued_logged_or_answered_before_it_is_recorded() {
    let mut web = web(site(Some(10), None));
    let (at_record, reached) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    *web.host.recording.lock().unwrap() = Some(Box::new(move || {
        at_record.send(()).unwrap();
        released.recv().unwrap();
    }));
    let length = BODY.len();
    web.client.send(format!(
        "POST /push HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{BODY}"
    ));
    reached.recv().unwrap();
    assert!(web.client.poll().is_none());
    assert!(web.ios.as_ref().unwrap().tokens().is_empty());
    assert_eq!(web.host.take_lines().len(), 1, "the request line alone");
    assert_eq!(
        web.ios.as_ref().unwrap().outstanding(),
        2,
        "room is reserved"
    );
    release.send(()).unwrap();
    assert_eq!(web.client.answer().status, 200);
    assert_eq!(web.ios.as_ref().unwrap().tokens().len(), 2);
}

#[test]
fn a_key_makes_a_request_safe_to_repeat() {
    let mut web = web(site(Some(10), None));
    let first = web.keyed("k-1", BODY);
    assert_eq!(first.status, 200);
    let again = web.keyed("k-1", BODY);
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(again.field("content-type"), Some(JSON));
    assert_eq!(web.ios.as_ref().unwrap().tokens().len(), 2, "pushed once");
    let other = web.keyed("k-1", ONE);
    assert_eq!(
        (other.status, &*other.body),
        (
            422,
            "{\"message\":\"this Idempotency-Key came with another body before\"}\n"
        )
    );
    assert_eq!(web.keyed("k-2", BODY).status, 200);
    assert_eq!(web.ios.as_ref().unwrap().tokens().len(), 4);
    let lines = web.host.take_lines();
    let recorded = lines.iter().filter(|line| line.starts_with("recorded"));
    assert_eq!(
        recorded.collect::<Vec<_>>(),
        ["recorded [1] Some(\"k-1\")", "recorded [3] Some(\"k-2\")"]
    );
}

#[test]
fn a_refused_request_does_not_use_up_its_key() {
    let mut web = web(site(Some(2), None));
    let wrong = r#"{"notifications":[{"token":["a"],"platform":9,"message":"m"}]}"#;
    let large = r#"{"notifications":[{"token":["a","b","c"],"platform":1,"message":"m"}]}"#;
    for (body, status) in [(wrong, 400), ("{", 400), (large, 413)] {
        assert_eq!(web.keyed("k", body).status, status, "{body}");
    }
    *web.host.unrecordable.lock().unwrap() = Some("the disk is full");
    assert_eq!(web.keyed("k", BODY).status, 503);
    *web.host.unrecordable.lock().unwrap() = None;
    assert_eq!(web.keyed("k", BODY).status, 200);
    assert_eq!(web.keyed("other", BODY).status, 503, "the queue is full");
    assert_eq!(web.keyed("k", BODY).status, 200, "and its answer is known");
    assert_eq!(web.ios.unwrap().tokens().len(), 2);
}

/// Two notifications: one of that many bad device tokens, and one that is fine.
fn with_bad_tokens(number: usize) -> String {
    let bad = vec!["\"bad\""; number].join(",");
    format!(
        r#"{{"notifications":[{{"token":[{bad}],"platform":1,"message":"m"}},
            {{"token":["a"],"platform":1,"message":"m"}}]}}"#
    )
}

#[test]
fn an_answer_that_is_kept_lists_few_rejected_parts_and_counts_the_others() {
    let mut web = web(site(Some(10), None));
    let parts = |got: &Got| {
        let json: serde_json::Value = serde_json::from_str(&got.body).unwrap();
        let listed = json["rejected"].as_array().unwrap().clone();
        let omitted = json["rejected_omitted"].as_u64().unwrap_or(0);
        (listed, usize::try_from(omitted).unwrap())
    };
    let body = with_bad_tokens(1000);
    let first = web.keyed("k", &body);
    let (listed, omitted) = parts(&first);
    assert_eq!(listed.len() + omitted, 1000);
    assert_eq!(listed[0]["pointer"], "/notifications/0/token/0");
    let listed = serde_json::to_vec(&listed).unwrap().len();
    assert!((REJECTED_KEPT - 100..=REJECTED_KEPT + 2).contains(&listed));
    let again = web.keyed("k", &body);
    assert_eq!((again.status, again.body), (200, first.body));
    // What is not kept, and what is short, is told in full.
    let (listed, omitted) = parts(&web.ask("POST", "/push", &body));
    assert_eq!((listed.len(), omitted), (1000, 0));
    let (listed, omitted) = parts(&web.keyed("short", &with_bad_tokens(10)));
    assert_eq!((listed.len(), omitted), (10, 0));
}

/// As the attack of one caller was: each answer took 640 KB of the room.
#[test]
fn requests_of_bad_tokens_do_not_take_the_room_for_keys() {
    let mut web = web(site(Some(1000), None));
    let body = with_bad_tokens(10_000);
    for number in 0..128 {
        assert_eq!(web.keyed(&format!("k-{number}"), &body).status, 200);
    }
    assert_eq!(web.keyed("new", BODY).status, 200);
}

/// A site whose callers show one of these keys, the first of which has kept that much.
fn site_with_keys(keys: &[&str], bytes: usize) -> Site {
    let site = site(Some(10), None);
    let api_keys = ApiKeys::parse(&keys.join("\n")).unwrap();
    let shown = format!("Bearer {}", keys[0]);
    let keyed = Keyed {
        key: "large",
        body: BodyHash::of(b""),
        owner: api_keys.admit(Some(shown.as_bytes())),
    };
    let mut repeats = site.service.repeats.lock().unwrap();
    repeats.keep(keyed, &vec![b'x'; bytes], Instant::now());
    drop(repeats);
    site.with(|terms| {
        terms.rules.content = Box::new(|one, _, _| Ok(crate::provider::Built::nothing(one.lane)));
        terms.keys = Some(api_keys);
    })
}

#[test]
fn one_api_key_of_several_does_not_take_the_room_of_the_others() {
    let [heavy, light] = ["0123456789abcdef-heavy", "0123456789abcdef-light"];
    let ask = |web: &mut Web, key: &str, number: usize| {
        let length = BODY.len();
        let got = web.client.ask(format!(
            "POST /push HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k-{number}\r\n\
             Authorization: Bearer {key}\r\nContent-Length: {length}\r\n\r\n{BODY}"
        ));
        (got.status, got.body)
    };
    let half = 32 << 20;
    let mut web = web(site_with_keys(&[heavy, light], half - 600));
    let first = ask(&mut web, heavy, 1);
    assert_eq!(first.0, 200);
    let refused = ask(&mut web, heavy, 2);
    let text = "too many Idempotency-Keys of this API key within ten minutes";
    assert_eq!(refused, (503, format!("{{\"message\":\"{text}\"}}\n")));
    assert_eq!(ask(&mut web, light, 3).0, 200);
    assert_eq!(ask(&mut web, heavy, 1), first, "what is kept stays so");
    assert_eq!(web.ask("POST", "/push", BODY).status, 401);
    // With one key there is nobody to share with.
    let mut web = super::web(site_with_keys(&[heavy], 2 * half - 5000));
    assert_eq!(ask(&mut web, heavy, 2).0, 200);
}

#[test]
fn a_key_in_progress_is_a_conflict() {
    let site = site(Some(10), None);
    let (at_record, reached) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    *site.host.recording.lock().unwrap() = Some(Box::new(move || {
        at_record.send(()).unwrap();
        released.recv().unwrap();
    }));
    let mut web = web(site);
    let mut second = Client::connect(web.listener.local_addr().unwrap());
    web.client.send(keyed("k", BODY));
    reached.recv().unwrap();
    let got = second.ask(keyed("k", BODY));
    assert_eq!((got.status, got.field("retry-after")), (409, Some("1")));
    assert_eq!(second.ask(keyed("k", ONE)).status, 422);
    release.send(()).unwrap();
    let first = web.client.answer();
    assert_eq!(first.status, 200);
    assert_eq!(second.ask(keyed("k", BODY)).body, first.body);
}

#[test]
fn while_the_journal_is_read_no_push_is_taken() {
    let site = unready_site(Some(10), None);
    let backlog = Arc::clone(&site.service.backlog);
    let mut web = web(site);
    for (method, target, body) in [
        ("POST", "/push", BODY),
        ("GET", "/push/1", ""),
        ("DELETE", "/push/1", ""),
    ] {
        let got = web.ask(method, target, body);
        assert_eq!(
            (got.status, &*got.body),
            (
                503,
                "{\"message\":\"recovering: the journal is being read\"}\n"
            ),
            "{target}"
        );
    }
    assert_eq!(web.ask("GET", "/stat/app", "").status, 200);
    backlog.ready();
    assert_eq!(web.ask("POST", "/push", BODY).status, 200);
}

/// Has a push that is not queued have ended.
pub(super) fn settled(web: &Web, id: u64, settlement: Settlement) {
    let ended = Remembered {
        id: PushId(id),
        lane: LaneId::IOS,
        settlement,
        at: Duration::from_secs(1),
    };
    let register = &web.host.register;
    register.enter(&mut vec![ended], Marks::default());
}

#[test]
fn the_state_of_a_push_is_told() {
    let mut web = web(site(Some(10), None));
    let five = r#"{"platform":1,"message":"m","token":["a","b","c","d","e"]}"#;
    assert_eq!(web.push(five).status, 200);
    web.host.take_lines();
    let settlement = Settlement {
        status: Some(200),
        ..Settlement::of_ours(End::Succeeded, "", String::new(), 1)
    };
    settled(&web, 6, settlement);
    for (target, status, body) in [
        (
            "/push/5",
            200,
            "{\"id\":5,\"platform\":\"ios\",\"state\":\"accepted\"}\n",
        ),
        (
            "/push/6",
            200,
            "{\"id\":6,\"platform\":\"ios\",\"state\":\"settled\",\"attempts\":1,\
             \"end\":\"succeeded\",\"status\":200,\"at\":\"1970-01-01T00:00:01Z\",\"at_unix\":1}\n",
        ),
        (
            "/push/7",
            404,
            "{\"message\":\"no such push is outstanding or among the last settled\"}\n",
        ),
        ("/push/x", 400, "{\"message\":\"malformed push id\"}\n"),
    ] {
        let got = web.ask("GET", target, "");
        assert_eq!((got.status, &*got.body), (status, body), "{target}");
    }
    let got = web.ask("PUT", "/push/5", "");
    let body = "{\"message\":\"method must be GET or DELETE\"}\n";
    assert_eq!((got.status, &*got.body), (400, body));
    let lines = web.host.take_lines();
    assert!(
        lines.is_empty(),
        "no request line for a question: {lines:?}"
    );
}

#[test]
fn one_push_is_purged_by_its_id() {
    let mut web = web(site(Some(10), None));
    let four = r#"{"platform":1,"message":"m","token":["a","b","c","d"]}"#;
    assert_eq!(web.push(four).status, 200);
    web.host.take_lines();
    let error = "an error of ours".to_owned();
    let failed = Settlement::of_ours(End::Failed, "purged", error, 0);
    settled(&web, 8, failed);
    for (id, status, said) in [
        ("4", 200, "{\"message\":\"ok\",\"purged\":1}\n"),
        // It has ended by that.
        ("4", 409, "\"end\":\"failed\",\"reason\":\"purged\""),
        ("6", 404, "no such push is outstanding"),
        ("8", 409, "\"end\":\"failed\",\"reason\":\"purged\""),
        ("x", 400, "malformed push id"),
    ] {
        let got = web.ask("DELETE", &format!("/push/{id}"), "");
        assert_eq!(got.status, status, "{id}: {}", got.body);
        assert!(got.body.contains(said), "{id}: {}", got.body);
        let retry_after = (status == 503).then_some("1");
        assert_eq!(got.field("retry-after"), retry_after, "{id}");
    }
    assert_eq!(web.host.take_lines(), ["purged 4 d"]);
    assert_eq!(web.ios.unwrap().tokens().len(), 3);
    let service = site(Some(10), None).service;
    let queued = |lane| PushState::Queued { lane };
    for (state, status, said) in [
        // It is there, and was not got hold of.
        (queued(LaneId::IOS), 503, "ask again"),
        (queued(LaneId::ANDROID), 409, "android is disabled"),
        (PushState::Unclear, 503, "a connection thread did not say"),
    ] {
        let got = service.not_purged(PushId(5), &state);
        let body = String::from_utf8(got.body).unwrap();
        assert_eq!(got.status, status, "{body}");
        assert!(body.contains(said), "{body}");
        let retry_after = (status == 503).then_some(("Retry-After", "1".into()));
        assert_eq!(got.fields.first().cloned(), retry_after, "{body}");
    }
}
