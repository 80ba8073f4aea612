//! Thousands of hostile callers at once: every honest request is answered 200.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::crowd::{Crowd, Manners, Place, all_manners};
use crate::harness::daemon::{Address, Daemon};
use crate::harness::hex_token;
use crate::harness::http::{Client, Reply, request};
use crate::harness::site::Site;
use crate::harness::wait_until;

/// Hostile callers of a kind.
const CALLERS: usize = 2_000;

/// Honest callers at once: half of them send one request, the others two on a connection.
const HONEST: u64 = 12;

/// Where to reach it.
pub(crate) fn place(daemon: &Daemon) -> Place {
    match &daemon.address {
        Address::Tcp(address) => Place::Tcp(*address),
        Address::Unix(path) => Place::Unix(path.clone()),
    }
}

/// A request on a kept connection. If that was closed while it was idle, it is sent again on
/// another one, as any client does; if its last answer said so, the next one goes over another.
fn ask_again(daemon: &Daemon, client: &mut Client, body: &[u8], owes: bool) -> Reply {
    let request = request("POST", "/push", body);
    let reply = client
        .try_send(&request)
        .and_then(|()| client.try_reply("POST"));
    let reply = reply.unwrap_or_else(|error| {
        assert!(!owes, "a connection was closed while it was idle: {error}");
        *client = daemon.client();
        client.request("POST", "/push", body)
    });
    if reply.field("Connection") == Some("close") {
        *client = daemon.client();
    }
    reply
}

/// What honest callers do. Each request is answered, if not sooner, then before the harness's
/// client loses its patience.
fn honest_requests(daemon: &Daemon, manners: &Manners) {
    let name = manners.name;
    let body = |number| {
        let token = [hex_token(number)];
        json!({"notifications": [{"token": token, "platform": 1, "message": "m"}]}).to_string()
    };
    thread::scope(|scope| {
        for caller in 0..HONEST {
            scope.spawn(move || {
                let mut kept = (caller % 2 == 0).then(|| daemon.client());
                let requests = if kept.is_some() { 2 } else { 1 };
                for request in 0..requests {
                    let body = body(2 * caller + request);
                    let reply = match &mut kept {
                        Some(client) => ask_again(daemon, client, body.as_bytes(), manners.owes),
                        None => daemon.request("POST", "/push", body.as_bytes()),
                    };
                    assert_eq!(reply.status, 200, "{name}: {}", reply.text());
                    thread::park_timeout(Duration::from_millis(10));
                }
            });
        }
    });
}

fn check(daemon: &Daemon, manners: &Manners) {
    let crowd = Crowd::gather(&place(daemon), CALLERS, manners).unwrap();
    wait_until("the crowd to come", || crowd.connected() >= CALLERS);
    honest_requests(daemon, manners);
}

#[test]
fn every_honest_request_is_answered_while_thousands_hold_connections() {
    let site = Site::unreachable()
        .with("core.max_connections", 512)
        .with("core.shutdown_timeout", 0);
    let begun = Instant::now();
    let daemon = site.start();
    for manners in all_manners() {
        check(&daemon, &manners);
    }
    drop(daemon);
    let log = site.operator_log();
    let told = log.matches("too many callers at once").count();
    let minutes = usize::try_from(begun.elapsed().as_secs() / 60).unwrap();
    assert!((1..=1 + minutes).contains(&told), "{told} lines: {log}");
}

/// Nobody is closed for another as long as all have places, and nobody has a thread.
#[test]
fn thousands_that_let_the_daemon_wait_have_their_places_and_cost_no_thread() {
    let site = Site::unreachable().with("core.shutdown_timeout", 0);
    let daemon = site.start();
    let push = json!({"notifications": [{"token": [hex_token(1)], "platform": 1, "message": "m"}]});
    assert_eq!(daemon.push(&push).status, 200);
    let (threads, resident) = (daemon.status("Threads"), daemon.status("VmRSS"));
    let half_a_body = "POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9999\r\n\r\n{";
    let whole = request("GET", "/healthz", b"");
    let manners = [b"", &b"GET /he"[..], half_a_body.as_bytes(), &whole];
    let mut quick = daemon.client();
    let mut crowd: Vec<Client> = (0..CALLERS)
        .map(|number| {
            let mut client = daemon.client();
            client.send(manners[number % manners.len()]);
            if number % 100 == 0 {
                assert_eq!(quick.request("GET", "/healthz", b"").status, 200);
            }
            client
        })
        .collect();
    for client in crowd.iter_mut().skip(3).step_by(manners.len()) {
        let reply = client.reply();
        assert_eq!((reply.status, reply.field("Connection")), (200, None));
    }
    // Of the last ones, whose ten seconds are not over.
    for client in crowd.iter_mut().skip(1801).step_by(manners.len()) {
        client.send(b"althz HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_eq!(client.reply().status, 200);
    }
    assert_eq!(daemon.push(&push).status, 200);
    let more = daemon.status("Threads").saturating_sub(threads);
    assert_eq!(more, 0, "threads more");
    let more = daemon.status("VmRSS").saturating_sub(resident) / CALLERS as u64;
    // A body's first bytes have 4 KiB.
    assert!(more < 8, "{more} KiB more for each");
    drop(crowd);
}

#[test]
fn the_same_over_a_unix_socket() {
    let site = Site::unreachable()
        .with("core.max_connections", 512)
        .on_unix_socket()
        .with("core.shutdown_timeout", 0);
    let daemon = site.start();
    for manners in all_manners().iter().take(3) {
        check(&daemon, manners);
    }
}

/// Callers that keep their connections, more of them than there may be connections: who is asked
/// to connect again is told so with an answer, and nobody loses a request. Whoever is closed for
/// another has let the daemon wait, as none does but on a machine that lets callers wait: that is
/// measured from before it can begin.
#[test]
fn more_callers_that_keep_their_connections_than_places_lose_no_request() {
    const PLACES: usize = 64;
    const KEEPING: usize = 75;
    /// Who has just come is not closed, nor who was just answered.
    const SPARED: [Duration; 2] = [Duration::from_millis(20), Duration::from_secs(1)];
    let site = Site::unreachable()
        .without_journal()
        .with("core.max_connections", PLACES)
        .with("core.shutdown_timeout", 0);
    let daemon = site.start();
    let together = Barrier::new(KEEPING);
    // So that not all are busy at once.
    let (enter, leave) = crossbeam_channel::bounded(PLACES / 2);
    thread::scope(|scope| {
        let callers = [(); KEEPING].map(|()| {
            let (daemon, together, enter, leave) = (&daemon, &together, &enter, &leave);
            scope.spawn(move || {
                let body = json!({"notifications": [
                    {"token": [hex_token(1)], "platform": 1, "message": "m"},
                ]});
                let bytes = request("POST", "/push", body.to_string().as_bytes());
                let (mut kept, mut asked) = (None, Instant::now());
                together.wait();
                for pause in [5, 10, 20, 40, 80, 160, 320].map(Duration::from_millis) {
                    enter.send(()).unwrap();
                    let reply = loop {
                        let spared = SPARED[usize::from(kept.is_some())];
                        let now = Instant::now();
                        let client = kept.get_or_insert_with(|| {
                            asked = now;
                            daemon.client()
                        });
                        let sent = client.try_send(&bytes);
                        let waited = asked.elapsed();
                        asked = now;
                        match sent.and_then(|()| client.try_reply("POST")) {
                            Ok(reply) => break reply,
                            Err(error) => {
                                assert!(waited >= spared, "after {waited:?}: {error}");
                                kept = None;
                            }
                        }
                    };
                    leave.recv().unwrap();
                    assert_eq!(reply.status, 200, "{}", reply.text());
                    if reply.field("Connection") == Some("close") {
                        kept = None;
                    }
                    thread::park_timeout(pause);
                }
                kept
            })
        });
        // None of them goes before all have been answered.
        let _kept = callers.map(|caller| caller.join().unwrap());
    });
    drop(daemon);
    let log = site.operator_log();
    assert!(log.contains(" asked to connect again"), "{log}");
}

/// Ten times as many large bodies at once as there is room for: they have their turns.
#[test]
fn forty_large_requests_at_once_are_all_taken() {
    let site = Site::unreachable().with("core.shutdown_timeout", 0);
    let daemon = site.start();
    thread::scope(|scope| {
        for caller in 0..40 {
            let daemon = &daemon;
            scope.spawn(move || {
                let notification =
                    json!({"token": [hex_token(caller)], "platform": 1, "message": "m"});
                let blanks = " ".repeat(8_000_000);
                let body = format!("{{{blanks}\"notifications\":[{notification}]}}");
                let reply = daemon.request("POST", "/push", body.as_bytes());
                assert_eq!(reply.status, 200, "{}", reply.text());
            });
        }
    });
}
