//! Each status that the document of the API has is given, by the operation that it has it for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc;

use super::admission::{keyed, settled};
use super::*;
use crate::api::keys::ApiKeys;
use crate::api::openapi;
use crate::backlog::Backlog;
use crate::delivery::channel_manager::{NoNews, RequestFate};
use crate::delivery::outcome::Settlement;
use crate::feed::{Feed, FeedSettings};
use crate::http1::Timeouts;
use crate::http1::reply::Reply;
use crate::journal::Files;
use crate::journal::fixture::MemoryFiles;
use crate::provider::AnswerHead;
use crate::provider::apns::{ChannelNews, ChannelOrder, ROWS, answer};
use crate::push::End;

const KEY: &str = "0123456789abcdef";
pub(super) const GORUSH: &str =
    r#"{"notifications":[{"tokens":["a"],"platform":1,"message":"m"}]}"#;

/// The operations of the document, with the statuses of each.
fn documented() -> BTreeMap<(String, String), BTreeSet<u16>> {
    let document: serde_json::Value = serde_json::from_slice(openapi::document()).unwrap();
    let mut all = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let statuses = operation["responses"].as_object().unwrap().keys();
            let statuses = statuses.map(|status| status.parse().unwrap());
            let method = method.to_ascii_uppercase();
            all.insert((path.clone(), method), statuses.collect());
        }
    }
    all
}

/// A target of that path.
fn target(path: &str) -> String {
    let target = path.replace("{id}", "1").replace("{lane}", "ios");
    let target = target.replace("{channel}", "ab");
    let query = match path {
        "/pushes" => "?identifier=sale",
        "/config/pushers" => "?max=4",
        _ => "",
    };
    format!("{target}{query}")
}

/// What a request with these header fields is answered.
fn asked(web: &mut Web, method: &str, path: &str, fields: &str, body: &str) -> u16 {
    let (target, length) = (target(path), body.len());
    web.client = Client::connect(web.listener.local_addr().unwrap());
    let got = web.client.ask(format!(
        "{method} {target} HTTP/1.1\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    ));
    got.status
}

fn body_of(path: &str) -> &'static str {
    match path {
        "/push" => ONE,
        "/api/push" => GORUSH,
        "/channels" => r#"{"message_storage_policy":0}"#,
        _ => "",
    }
}

/// What any request may be answered, whatever its path.
fn statuses_of_any(method: &str, path: &str) -> BTreeSet<u16> {
    let body = body_of(path);
    let mut given = BTreeSet::new();
    let mut web = web(site(Some(10), None));
    let mut ask =
        |fields: &str, body: &str| given.insert(asked(&mut web, method, path, fields, body));
    ask("", body);
    ask("Host: a\r\nOrigin: http://foreign.example\r\n", body);
    ask("Host: a\r\nExpect: tea\r\n", body);
    ask(&format!("Host: a\r\nX: {}\r\n", "x".repeat(20_000)), body);
    let declared =
        format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n");
    for text in [
        declared,
        format!("{method} {} HTTP/3.0\r\nHost: a\r\n\r\n", target(path)),
    ] {
        let mut client = Client::connect(web.listener.local_addr().unwrap());
        given.insert(client.ask(text).status);
    }
    let keys = ApiKeys::parse(&format!("{KEY} rights=push")).unwrap();
    let mut web = super::web(site(Some(10), None).with(|terms| terms.keys = Some(keys)));
    given.insert(asked(&mut web, method, path, "Host: a\r\n", body));
    // Who sends no more than the begin of a request is not waited for.
    let timeouts = Timeouts {
        head: Duration::from_millis(20),
        ..Timeouts::default()
    };
    let settings = Settings {
        timeouts,
        ..Settings::default()
    };
    let service = site(Some(10), None).service;
    let listener = Listener::start(loopback(), service, settings).unwrap();
    let mut slow = Client::connect(listener.local_addr().unwrap());
    given.insert(slow.ask(format!("{method} {path} HT")).status);
    given
}

/// What a request is answered that is let in, by what there is behind the path.
fn statuses_of_one(method: &str, path: &str) -> BTreeSet<u16> {
    const HOST: &str = "Host: a\r\n";
    let body = body_of(path);
    let mut given = BTreeSet::new();
    let mut web = web(site(Some(10), None));
    if path == "/push/{id}" {
        given.insert(asked(&mut web, method, path, HOST, body));
        assert_eq!(
            web.push(r#"{"token":["a"],"platform":1,"message":"m"}"#)
                .status,
            200
        );
    }
    given.insert(asked(&mut web, method, path, HOST, body));
    match path {
        "/push" | "/api/push" => {
            let key = format!("{HOST}Idempotency-Key: k\r\n");
            given.insert(asked(
                &mut web,
                method,
                path,
                &format!("{HOST}Content-Encoding: gzip\r\n"),
                body,
            ));
            asked(&mut web, method, path, &key, body);
            given.insert(asked(
                &mut web,
                method,
                path,
                &key,
                &body.replace("\"m\"", "\"n\""),
            ));
            *web.host.unrecordable.lock().unwrap() = Some("the disk is broken");
            web.host
                .forgets_what_it_took
                .store(true, std::sync::atomic::Ordering::SeqCst);
            given.insert(asked(&mut web, method, path, HOST, body));
            given.insert(while_in_progress(path));
        }
        "/lanes/{lane}/pause" | "/lanes/{lane}/resume" => {
            given.insert(web.ask(method, &path.replace("{lane}", "web"), "").status);
        }
        "/push/{id}" if method == "DELETE" => {
            let failed = Settlement::of_ours(End::Failed, "purged", String::new(), 0);
            settled(&web, 8, failed);
            given.insert(web.ask(method, "/push/8", "").status);
            let (mut web, files) = unkept();
            files.fail_syncs(true);
            given.insert(web.ask(method, "/push/1", "").status);
        }
        "/pushes" => {
            let (mut web, files) = unkept();
            files.fail_syncs(true);
            given.insert(asked(&mut web, method, path, HOST, ""));
        }
        "/settlements" | "/tokens/dead" => {
            let site = site(Some(10), None);
            let files: Arc<dyn Files> = Arc::new(MemoryFiles::default());
            let settings = FeedSettings {
                dir: "/feed".into(),
                bytes: 1 << 20,
                sync_every: Duration::ZERO,
            };
            let (feed, _) = Feed::start(&files, &settings, 1, Moment::now()).unwrap();
            site.host.register.set_feed(Arc::new(feed));
            let mut web = super::web(site);
            given.insert(asked(&mut web, method, path, HOST, body));
            let stream = path
                .trim_start_matches('/')
                .replace("tokens/dead", "dead-tokens");
            let of_another = format!("{path}?after={stream}.2.0");
            given.insert(web.ask(method, &of_another, "").status);
        }
        "/channels" | "/channels/{channel}" => given.extend(statuses_of_channels(method, path)),
        "/metrics" => {
            let mut site = site(Some(10), None);
            let service = Arc::get_mut(&mut site.service).unwrap();
            service.metrics_address = Some("127.0.0.1:9102".parse().unwrap());
            given.insert(super::web(site).ask(method, path, "").status);
        }
        _ => {}
    }
    given
}

/// What a request about channels is answered, whatever comes of it at Apple.
fn statuses_of_channels(method: &str, path: &str) -> BTreeSet<u16> {
    let (order, news) = match (method, path) {
        ("POST", _) => {
            let made = ChannelNews::Created("ab".to_owned());
            (ChannelOrder::Create { stores: true }, made)
        }
        ("DELETE", _) => (ChannelOrder::Delete("ab"), ChannelNews::Deleted),
        (_, "/channels") => (ChannelOrder::List, ChannelNews::Listed(Vec::new())),
        _ => {
            let (stores, push_type) = (true, String::new());
            (
                ChannelOrder::Read("ab"),
                ChannelNews::Found { stores, push_type },
            )
        }
    };
    let refused = ROWS.iter().map(|row| {
        let head = AnswerHead {
            status: row.status,
            ..AnswerHead::default()
        };
        let body = format!(r#"{{"reason":"{}"}}"#, row.reason);
        NoNews::Refused(Box::new(answer(head, body.as_bytes(), Moment::now())))
    });
    let unanswered = [false, true].map(|is_late| NoNews::Unanswered {
        why: String::new(),
        is_late,
        fate: RequestFate::Unknown,
    });
    let resting = NoNews::Resting(Box::new(NoNews::NoBundle));
    let others = [
        NoNews::NoBundle,
        NoNews::NoEndpoint,
        NoNews::NoCredential,
        NoNews::Busy,
        resting,
    ];
    let none = refused.chain(unanswered).chain(others);
    let statuses = none.map(|no| channels::not_done(LaneId::IOS, order, &no).status);
    let done = channels::told(LaneId::IOS, order, news).status;
    statuses.chain([done]).collect()
}

/// A site one of whose requests is being answered until the sender goes.
fn busy(request: &str) -> (Web, mpsc::Sender<()>) {
    let site = site(Some(10), None);
    let (at_record, reached) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    *site.host.recording.lock().unwrap() = Some(Box::new(move || {
        at_record.send(()).unwrap();
        let _gone = released.recv();
    }));
    let mut web = web(site);
    web.client.send(request);
    reached.recv().unwrap();
    (web, release)
}

/// What a request is answered whose key another one is being answered under.
fn while_in_progress(path: &str) -> u16 {
    let request = keyed("k", body_of(path)).replace("POST /push", &format!("POST {path}"));
    let (mut web, release) = busy(&request);
    let second = Client::connect(web.listener.local_addr().unwrap()).ask(&request);
    drop(release);
    assert_eq!(web.client.answer().status, 200);
    second.status
}

/// A site whose journal has one push left of an earlier process, and the journal's files.
pub(super) fn site_with_journal() -> (Site, MemoryFiles) {
    site_with_journal_and_room(10)
}

/// The same, with room for so many pushes.
pub(super) fn site_with_journal_and_room(pushes: usize) -> (Site, MemoryFiles) {
    let site = site(Some(pushes), None);
    let (register, backlog) = (&site.host.register, &site.service.backlog);
    let files = backlog.open_with_one_left();
    register.set_backlog(Arc::<Backlog>::clone(backlog));
    let told = Arc::clone(register);
    let logs = &site.service.whereabouts.logs;
    logs.on_written(move |access, error| told.written(access, error));
    (site, files)
}

/// Such a site with a push of that identifier in its queue, whose journal can then be broken.
fn unkept() -> (Web, MemoryFiles) {
    let (site, files) = site_with_journal();
    let mut web = web(site);
    let one = r#"{"token":["a"],"platform":1,"message":"m","identifier":"sale"}"#;
    assert_eq!(web.push(one).status, 200);
    (web, files)
}

#[test]
fn each_documented_status_is_given_and_no_other() {
    let (crowded, _release) = busy(&keyed("k", ONE));
    crowded.listener.set(Settings {
        max_connections: 1,
        ..Settings::default()
    });
    for ((path, method), statuses) in documented() {
        let mut given = statuses_of_any(&method, &path);
        let mut late = Client::connect(crowded.listener.local_addr().unwrap());
        given.insert(
            late.ask(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n"))
                .status,
        );
        given.extend(statuses_of_one(&method, &path));
        assert_eq!(given, statuses, "{method} {path}");
    }
}

#[test]
fn the_document_is_shown_to_whoever_has_a_key() {
    let mut open = web(site(Some(10), None));
    let got = open.ask("GET", "/openapi.json", "");
    assert_eq!(
        (got.status, got.field("content-type")),
        (200, Some("application/json"))
    );
    assert_eq!(got.body.as_bytes(), openapi::document());
    assert_eq!(
        open.ask("POST", "/openapi.json", "").body,
        "{\"message\":\"method must be GET\"}\n"
    );
    let keys = ApiKeys::parse(&format!("{KEY} rights=push app=shop")).unwrap();
    let mut keyed = web(site(Some(10), None).with(|terms| terms.keys = Some(keys)));
    for (fields, status) in [
        (format!("Host: a\r\nAuthorization: Bearer {KEY}\r\n"), 200),
        ("Host: a\r\n".to_owned(), 401),
    ] {
        assert_eq!(
            asked(&mut keyed, "GET", "/openapi.json", &fields, ""),
            status
        );
    }
}

#[test]
fn who_finds_no_connection_free_is_counted_too() {
    let service = site(Some(10), None).service;
    service.had_no_place(&Reply::message(503, "all connections are busy"));
    let counted: Vec<_> = service.stats.requests().collect();
    assert_eq!(counted, [(("unread", 503), 1)]);
}
