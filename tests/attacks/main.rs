//! What a hostile client can send, against the running daemon: each attack gets the answer that
//! it deserves, a normal client is served during and after each, and the daemon's memory and
//! threads stay within bounds.
//!
//! A failed start of a thread that answers cannot be caused from outside: it is injected in the
//! unit tests of `http1::listener`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test by panicking"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod crowd;
mod crowds;
mod descriptors;
mod heads;
mod memory;

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use harness::daemon::Daemon;
use harness::http::{Client, request};
use harness::site::Site;
use harness::{PATIENCE, hex_token, wait_for, wait_until};

/// KiB that the daemon may occupy at any time. sterna-limits(7): the process, four connection
/// threads, callers; five bodies of 8 MiB that are read at once, which of blanks take as much
/// again while they are parsed.
const MEMORY_MAX_KIB: u64 = (48 + 4 * 3 + 5 * 8 * 2) * 1024 + CONNECTIONS as u64 * 200;

/// Connections that the daemon may have in these tests.
const CONNECTIONS: usize = 64;

/// Threads of the daemon, of whom none is a caller's.
const THREADS: u64 = 40;

#[test]
fn every_attack_is_answered_and_a_normal_client_is_served_throughout() {
    let site = Site::unreachable()
        .with("core.max_connections", CONNECTIONS)
        .with("core.shutdown_timeout", 0);
    let daemon = site.start();
    // With this one there is room for who is slow.
    let roomy = Site::unreachable().with("core.shutdown_timeout", 0);
    let roomy = roomy.start();
    thread::scope(|scope| {
        // These take ten seconds, so they run beside all others.
        let slow = scope.spawn(|| check_deadlines(&roomy));
        let deaf = [
            scope.spawn(|| check_deaf(&daemon, &request("GET", "/stat/app", b""))),
            scope.spawn(|| check_deaf(&daemon, &request_for_a_long_answer())),
        ];
        heads::check_refused(&daemon);
        heads::check_long(&daemon);
        check_what_is_pipelined(&daemon);
        check_chunked_bodies(&daemon);
        check_bodies_without_a_length(&daemon);
        check_resets(&daemon);
        check_slow_bodies(&daemon);
        check_large_bodies(&daemon);
        // A panic in a thread comes out of the scope.
        during(&daemon, || {
            wait_until("the slow attacks to end", || {
                slow.is_finished() && deaf.iter().all(thread::ScopedJoinHandle::is_finished)
            });
        });
    });
    check_many_connections(&daemon);
    check_half_heads(&daemon);
    let threads = daemon.status("Threads");
    assert!(threads <= THREADS, "{threads} threads");
    let peak = daemon.status("VmHWM");
    assert!(peak < MEMORY_MAX_KIB, "{peak} KiB at the most");
    assert_eq!(
        daemon.terminate(),
        0,
        "the normal client's pushes stay in the journal"
    );
}

/// All are answered in their order, and none is read before its turn.
fn check_what_is_pipelined(daemon: &Daemon) {
    const REQUESTS: usize = 20_000;
    during(daemon, || {
        let mut client = daemon.client();
        let mut writer = client.tcp().try_clone().unwrap();
        thread::scope(|scope| {
            scope.spawn(move || {
                let requests = request("GET", "/healthz", b"").repeat(REQUESTS);
                std::io::Write::write_all(&mut writer, &requests).unwrap();
            });
            for _ in 0..REQUESTS {
                assert_eq!(client.reply().status, 200);
            }
        });
    });
}

/// What is inside a chunked body is never taken for a request.
fn check_chunked_bodies(daemon: &Daemon) {
    let smuggled = String::from_utf8(request("GET", "/stat/app", b"")).unwrap();
    let chunk = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
    for target in ["/push", "/nothing", "/config/pushers?max=1"] {
        let mut client = daemon.client();
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        client.send(format!("{head}{chunk}").as_bytes());
        client.send(&request("GET", "/healthz", b""));
        let reply = client.reply();
        assert!((400..=404).contains(&reply.status), "{target}: {reply:?}");
        if let Ok(reply) = client.try_reply("GET") {
            assert_eq!(reply.message(), "ok", "{target}");
        }
    }
    during(daemon, || {
        let mut client = daemon.client();
        client
            .send(b"POST /push HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
        let megabyte = [&b"100000\r\n"[..], &vec![b' '; 0x10_0000], b"\r\n"].concat();
        // It may be refused while it is still being sent.
        while client.try_send(&megabyte).is_ok() {}
        if let Ok(reply) = client.try_reply("POST") {
            assert_eq!(reply.status, 413);
        }
    });
    // One that ends in its middle.
    let mut client = daemon.client();
    client.send(
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"",
    );
    client.finish();
    assert!(client.ends());
}

fn check_bodies_without_a_length(daemon: &Daemon) {
    let mut client = daemon.client();
    client.send(b"POST /push HTTP/1.1\r\nHost: localhost\r\n\r\n{\"notifications\":[]}");
    let reply = client.reply();
    assert_eq!(
        (reply.status, &*reply.message()),
        (400, "request body is empty")
    );
    assert_eq!(
        client.reply().status,
        400,
        "by RFC 9112, the rest is a request"
    );
    assert!(client.ends());
}

fn check_resets(daemon: &Daemon) {
    during(daemon, || {
        for _ in 0..200 {
            let client = daemon.client();
            let linger = Some(Duration::ZERO);
            rustix::net::sockopt::set_socket_linger(client.tcp(), linger).unwrap();
            drop(client);
            drop(daemon.client());
        }
    });
}

/// Bodies that never come keep nobody waiting but their clients.
fn check_slow_bodies(daemon: &Daemon) {
    let slow: Vec<Client> = (0..CONNECTIONS / 2)
        .map(|_| {
            let mut client = daemon.client();
            client
                .send(b"POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n{");
            client
        })
        .collect();
    during(daemon, || check_served(daemon));
    drop(slow);
}

/// Bodies of the greatest size share a budget; who lets us wait for the rest of one makes room.
fn check_large_bodies(daemon: &Daemon) {
    const SIZE: usize = 4 * 1024 * 1024;
    during(daemon, || {
        let head =
            format!("POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Length: {SIZE}\r\n\r\n");
        let body = vec![b' '; SIZE - 1];
        let mut clients: Vec<Client> = (0..20).map(|_| daemon.client()).collect();
        for client in &mut clients {
            client.send(head.as_bytes());
            // It may be refused while it is still being sent.
            drop(client.try_send(&body));
        }
        let statuses = clients.iter_mut().map(|client| {
            drop(client.try_send(b"x"));
            client.try_reply("POST").map_or(503, |reply| reply.status)
        });
        let statuses: Vec<u16> = statuses.collect();
        let read = statuses.iter().filter(|status| **status == 400).count();
        let is_refusal = |status: &&u16| matches!(**status, 408 | 503);
        let refused = statuses.iter().filter(is_refusal).count();
        assert!(
            (1..=11).contains(&read) && read + refused == 20,
            "{statuses:?}"
        );
        assert_eq!(statuses.last(), Some(&400), "the last one came on");
    });
}

/// Idle connections leave places for new ones, which are told that they end.
fn check_many_connections(daemon: &Daemon) {
    during(daemon, || {
        let mut staying = Vec::new();
        for number in 0..3 * CONNECTIONS {
            let mut client = daemon.client();
            let reply = client.request("GET", "/healthz", b"");
            assert_eq!(reply.status, 200);
            if reply.field("Connection") == Some("close") {
                assert!(client.ends(), "the {number}th connection is still open");
            } else {
                staying.push(client);
            }
        }
        assert!(staying.len() < CONNECTIONS && staying.len() > CONNECTIONS / 2);
        for mut client in staying {
            assert_eq!(client.request("GET", "/healthz", b"").status, 200);
        }
    });
}

/// Unfinished requests make room for new ones, the oldest first, and are told why.
fn check_half_heads(daemon: &Daemon) {
    during(daemon, || {
        let mut half: Vec<Client> = (0..3 * CONNECTIONS)
            .map(|_| {
                let mut client = daemon.client();
                client.send(b"GET /healthz HTTP/1.1\r\n");
                check_served(daemon);
                client
            })
            .collect();
        for client in half.iter_mut().take(CONNECTIONS) {
            let reply = client.reply();
            assert_eq!(reply.status, 408);
            assert!(reply.message().contains("while others waited"), "{reply:?}");
            assert!(client.ends());
        }
    });
}

/// A head must come within ten seconds, however its bytes are spread over them.
fn check_deadlines(daemon: &Daemon) {
    let begun = Instant::now();
    let mut silent = daemon.client();
    let mut half = daemon.client();
    half.send(b"GET /healthz HTTP/1.1\r\nHo");
    let mut dripping = daemon.client();
    dripping.set_read_timeout(Duration::from_millis(300));
    let dripped = wait_for("one that drips to be cut off", || {
        if dripping.try_send(b"G").is_err() {
            return Some(None);
        }
        match dripping.try_reply("GET") {
            Ok(reply) => Some(Some(reply)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => None,
            Err(_) => Some(None),
        }
    });
    assert!(
        dripped.is_none_or(|reply| reply.status == 408),
        "no other answer is right"
    );
    assert_eq!(half.reply().status, 408);
    assert!(half.ends());
    assert!(silent.ends(), "who says nothing gets no answer");
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(9), "{took:?}");
}

/// Sends one request after the other and reads no answer, until it is cut off.
fn check_deaf(daemon: &Daemon, request: &[u8]) {
    let mut client = daemon.client();
    client.set_write_timeout(PATIENCE);
    let cut = loop {
        if let Err(error) = client.try_send(request) {
            break error;
        }
    };
    let is_open = cut.kind() == std::io::ErrorKind::WouldBlock;
    assert!(!is_open, "it is still open");
}

/// Ten thousand errors, each told.
fn request_for_a_long_answer() -> Vec<u8> {
    let tokens = vec!["x"; 10_000];
    let body = json!({"notifications": [{"token": tokens, "platform": 1, "message": "m"}]});
    request("POST", "/push", body.to_string().as_bytes())
}

/// 8 KB of text and 60,000 device tokens in 664 KB: with the text in each line this was 485 MiB of
/// access log, and as much of outcomes.
#[test]
fn texts_for_many_short_device_tokens_do_not_multiply_in_the_logs() {
    let site = Site::unreachable();
    let daemon = site.start();
    let tokens: Vec<_> = (0..60_000).map(|token| format!("{token:08x}")).collect();
    let text = "m".repeat(4000);
    let body = json!({"notifications": [{
        "platform": 1, "token": tokens, "message": text, "identifier": format!("i{text}"),
    }]});
    let body = body.to_string();
    assert_eq!(daemon.request("POST", "/push", body.as_bytes()).status, 200);
    let purge = format!("/pushes?identifier=i{text}");
    assert_eq!(daemon.request("DELETE", &purge, b"").status, 200);
    daemon.settle();
    for log in ["access.log", "error.log"] {
        let log = fs::read_to_string(site.path(log)).unwrap();
        let lines = log.lines().filter(|line| line.contains("-push\""));
        assert_eq!(lines.count(), 60_000);
        let bytes = log.len();
        assert!(bytes <= 50 * body.len(), "{bytes} of {}", body.len());
        let with_texts = log.lines().filter(|line| line.contains(&text)).count();
        assert!(with_texts <= 1, "{with_texts}");
    }
}

/// Runs an attack while a normal client goes on working; then a new one is served. Neither waits
/// longer for an answer than the harness's client does.
fn during(daemon: &Daemon, attack: impl FnOnce()) {
    let done = AtomicBool::new(false);
    let served = AtomicU64::new(0);
    thread::scope(|scope| {
        let _done = SetOnDrop(&done);
        scope.spawn(|| {
            let mut client = daemon.client();
            while !done.load(Ordering::Relaxed) {
                work(daemon, &mut client);
                served.fetch_add(1, Ordering::Relaxed);
                thread::park_timeout(Duration::from_millis(2));
            }
        });
        wait_until("a normal client to be served", || {
            served.load(Ordering::Relaxed) > 0
        });
        attack();
    });
    check_served(daemon);
}

/// One request on a kept connection; as any client it tries again if that was closed while idle.
fn work(daemon: &Daemon, client: &mut Client) {
    let healthz = request("GET", "/healthz", b"");
    let reply = client
        .try_send(&healthz)
        .and_then(|()| client.try_reply("GET"));
    let reply = reply.unwrap_or_else(|_| {
        *client = daemon.client();
        client.send(&healthz);
        client.reply()
    });
    assert_eq!(reply.status, 200, "{reply:?}");
}

/// A new client is served, and pushes.
fn check_served(daemon: &Daemon) {
    let body = json!({"notifications": [
        {"token": [hex_token(1)], "platform": 1, "message": "m"},
    ]});
    let reply = daemon.push(&body);
    assert_eq!((reply.status, &*reply.message()), (200, "ok"));
}

/// Ends the normal client also when the attack's check fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
