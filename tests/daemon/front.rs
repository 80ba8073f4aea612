//! Several daemons behind nginx, as `etc/nginx.conf` has it: what goes to which, what goes to the
//! next one, and what must not. Tried with a real nginx where there is one.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail the test by panicking, and say what they skip"
)]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::harness::daemon::{Address, Daemon};
use crate::harness::http::{Client, Reply};
use crate::harness::site::{ReservedPort, Site};
use crate::harness::{hex_token, wait_until};
use serde_json::json;
use sterna::push::{Node, PushId};

const SNIPPET: &str = include_str!("../../etc/nginx.conf");

/// A running nginx, killed when dropped.
struct Nginx {
    child: Child,
    address: SocketAddr,
    directory: tempfile::TempDir,
    /// Its own: the tests run beside each other.
    _port: ReservedPort,
}

impl Nginx {
    /// nginx with the snippet, in front of so many ports. `None` where there is no nginx.
    fn start(upstreams: &[u16]) -> Option<Self> {
        let found = Command::new("nginx")
            .arg("-v")
            .stderr(Stdio::null())
            .status();
        if found.is_err() {
            println!("skipped: there is no nginx");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let port = ReservedPort::new();
        let address = SocketAddr::from(([127, 0, 0, 1], port.number));
        let site = SNIPPET.replace("127.0.0.1:8056", &address.to_string());
        // Where the snippet has the first of its daemons, all of ours stand; its second is gone.
        let lines = site.lines().flat_map(|line| {
            let ports = match line {
                _ if line.contains("127.0.0.1:1056") => upstreams,
                _ if line.contains("127.0.0.1:1057") => &[],
                _ => &[0],
            };
            let with = |port: &u16| line.replace("127.0.0.1:1056", &format!("127.0.0.1:{port}"));
            ports.iter().map(with)
        });
        let site: String = lines.map(|line| line + "\n").collect();
        let file = |name: &str| directory.path().join(name);
        fs::write(file("site.conf"), site).unwrap();
        fs::write(file("nginx.conf"), main_file(directory.path())).unwrap();
        let child = Command::new("nginx")
            .args(["-e", "stderr", "-c"])
            .arg(file("nginx.conf"))
            .stderr(fs::File::create(file("stderr")).unwrap())
            .spawn()
            .unwrap();
        let nginx = Self {
            child,
            address,
            directory,
            _port: port,
        };
        wait_until("nginx to listen", || TcpStream::connect(address).is_ok());
        Some(nginx)
    }

    fn client(&self) -> Client {
        Client::try_connect(&Address::Tcp(self.address)).unwrap()
    }

    fn push(&self, token: u64) -> Reply {
        let body = body(token);
        self.client().request("POST", "/push", body.as_bytes())
    }

    /// The same under a key.
    fn push_keyed(&self, token: u64, key: &str) -> Reply {
        let body = body(token);
        let head = format!(
            "POST /push HTTP/1.1\r\nHost: localhost\r\nIdempotency-Key: {key}\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        let mut client = self.client();
        client.send(&[head.as_bytes(), body.as_bytes()].concat());
        client.reply()
    }

    fn get(&self, target: &str) -> Reply {
        self.client().request("GET", target, b"")
    }

    fn delete(&self, id: u64) -> Reply {
        self.client().request("DELETE", &format!("/push/{id}"), b"")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("stderr")).unwrap()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn body(token: u64) -> String {
    let body = json!({"notifications": [
        {"platform": 1, "token": [hex_token(token)], "message": "m"}
    ]});
    body.to_string()
}

/// One worker, everything in the directory, nothing in the background.
fn main_file(directory: &Path) -> String {
    let directory = directory.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path {directory}/{name};\n"))
        .concat();
    format!(
        "daemon off;\nmaster_process off;\npid {directory}/pid;\nerror_log stderr;\n\
         events {{ worker_connections 64; }}\n\
         http {{\n    access_log off;\n{temporary}    include {directory}/site.conf;\n}}\n"
    )
}

fn port_of(address: &Address) -> u16 {
    match address {
        Address::Tcp(address) => address.port(),
        Address::Unix(path) => panic!("a Unix socket: {}", path.display()),
    }
}

#[test]
fn a_daemon_that_is_down_or_full_costs_no_request() {
    let site = Site::unreachable();
    let full = Site::unreachable().with("core.queues", 1);
    let (daemon, small) = (site.start(), full.start());
    // Full after one push.
    let first = json!({"notifications": [
        {"platform": 1, "token": [hex_token(0)], "message": "m"}
    ]});
    assert_eq!(small.push(&first).status, 200);
    assert_eq!(small.push(&first).status, 503);
    let ports = [port_of(&small.address), port_of(&daemon.address)];
    let Some(nginx) = Nginx::start(&ports) else {
        return;
    };
    for token in 1..=20 {
        let reply = nginx.push(token);
        assert_eq!(reply.status, 200, "{}: {}", reply.text(), nginx.log());
    }
    drop(small);
    for token in 21..=40 {
        assert_eq!(nginx.push(token).status, 200, "{}", nginx.log());
    }
    assert_eq!(daemon.stat().number("/queue_usage"), 40);
    drop(nginx);
}

#[test]
fn callers_may_call_nginx_by_any_name() {
    let site = Site::unreachable();
    let daemon = site.start();
    let port = port_of(&daemon.address);
    let Some(nginx) = Nginx::start(&[port, port]) else {
        return;
    };
    let ask = |address, host: &str, more: &str| {
        let mut client = Client::try_connect(&Address::Tcp(address)).unwrap();
        let request = format!("GET /stat/app HTTP/1.1\r\nHost: {host}\r\n{more}\r\n");
        client.send(request.as_bytes());
        client.reply().status
    };
    let direct = SocketAddr::from(([127, 0, 0, 1], port));
    for host in ["push.example", "push.example:8056", "localhost"] {
        assert_eq!(ask(nginx.address, host, ""), 200, "{}", nginx.log());
    }
    assert_eq!(ask(direct, "push.example", ""), 403);
    // A page that comes by way of nginx is one all the same.
    let page = "Origin: http://push.example\r\n";
    assert_eq!(ask(nginx.address, "push.example", page), 403);
}

#[test]
fn if_all_daemons_are_full_the_caller_is_told_when_to_come_back() {
    let sites = [(); 2].map(|()| Site::unreachable().with("core.queues", 1));
    let daemons = [sites[0].start(), sites[1].start()];
    let ports = [port_of(&daemons[0].address), port_of(&daemons[1].address)];
    let Some(nginx) = Nginx::start(&ports) else {
        return;
    };
    let statuses = [1, 2, 3].map(|token| nginx.push(token).status);
    assert_eq!(statuses, [200, 200, 503]);
    let reply = nginx.push(4);
    assert_eq!((reply.status, reply.field("Retry-After")), (503, Some("1")));
    assert!(
        reply.message().contains("queue is full"),
        "{}",
        reply.message()
    );
}

/// The port of one that reads each request and hangs up without an answer, and how many it has had.
fn silent() -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let mut bytes = [0; 4096];
            if socket.read(&mut bytes).is_ok_and(|read| read > 0) {
                seen.fetch_add(1, Ordering::SeqCst);
            }
            drop(socket.flush());
        }
    });
    (port, requests)
}

#[test]
fn a_request_that_one_daemon_may_have_taken_goes_to_no_other() {
    let (port, requests) = silent();
    let site = Site::unreachable();
    let daemon = site.start();
    let Some(nginx) = Nginx::start(&[port, port_of(&daemon.address)]) else {
        return;
    };
    let statuses: Vec<u16> = (1..=6).map(|token| nginx.push(token).status).collect();
    let taken = statuses.iter().filter(|status| **status == 200).count();
    let lost = statuses.iter().filter(|status| **status == 502).count();
    assert_eq!(taken + lost, 6, "{statuses:?}");
    assert_eq!(lost, requests.load(Ordering::SeqCst), "{statuses:?}");
    assert!(lost > 0, "the silent one had its turn: {statuses:?}");
    assert_eq!(daemon.stat().number("/queue_usage"), taken as u64);
}

/// Three daemons, each with its number, whose pushes stay in their queues, and nginx in front of
/// them. `None` where there is no nginx.
fn three() -> Option<([(Site, Daemon); 3], Nginx)> {
    let daemons = [1, 2, 3].map(|node| {
        let site = Site::unreachable().with("core.node", node);
        let daemon = site.start();
        (site, daemon)
    });
    let nginx = Nginx::start(&daemons.each_ref().map(|(_, it)| port_of(&it.address)))?;
    Some((daemons, nginx))
}

/// Pushes that each of them has.
fn queued<'a>(daemons: impl IntoIterator<Item = &'a Daemon>) -> Vec<u64> {
    let daemons = daemons.into_iter();
    daemons.map(|it| it.stat().number("/queue_usage")).collect()
}

#[test]
fn a_repeated_key_reaches_the_daemon_that_has_answered_it_and_pushes_once() {
    let Some((daemons, nginx)) = three() else {
        return;
    };
    for key in 0..30 {
        let push = || nginx.push_keyed(key, &format!("order-{key}"));
        let first = push();
        assert_eq!(first.status, 200, "{}: {}", first.text(), nginx.log());
        for _ in 0..3 {
            assert_eq!(push().text(), first.text());
        }
    }
    let before = queued(daemons.iter().map(|(_, it)| it));
    assert_eq!(before.iter().sum::<u64>(), 30, "{before:?}");
    assert!(
        before.iter().all(|pushes| *pushes > 0),
        "spread: {before:?}"
    );
    // What has no key goes to each in turn, and an empty one is none.
    for token in 0..6 {
        assert_eq!(nginx.push(token).status, 200);
    }
    let after = queued(daemons.iter().map(|(_, it)| it));
    let more: Vec<_> = after.iter().zip(&before).map(|(a, b)| a - b).collect();
    assert_eq!(more, [2, 2, 2]);
}

#[test]
fn a_push_is_found_whichever_daemon_has_it() {
    let Some((daemons, nginx)) = three() else {
        return;
    };
    let mut nodes = BTreeSet::new();
    for token in 0..6 {
        let id = nginx.push(token).accepted_ids()[0];
        nodes.insert(PushId(id).node().number());
        for _ in 0..4 {
            let found = nginx.get(&format!("/push/{id}"));
            assert_eq!(found.status, 200, "{}: {}", found.text(), nginx.log());
            assert_eq!(found.json()["state"], "accepted");
        }
    }
    assert_eq!(nodes, BTreeSet::from([1, 2, 3]));
    // Nobody has it: all were asked, and the last one's answer says whose it is.
    let id = Node::new(77).unwrap().ids().start;
    let unknown = nginx.get(&format!("/push/{id}"));
    assert_eq!((unknown.status, &unknown.json()["node"]), (404, &json!(77)));
    assert_eq!(nginx.get("/push/x").status, 400);
    // A daemon that is down hides its own pushes and no others.
    let [first, others @ ..] = daemons;
    let own = first.1.push(&serde_json::from_str(&body(9)).unwrap());
    let theirs = others[0].1.push(&serde_json::from_str(&body(9)).unwrap());
    drop(first);
    for _ in 0..4 {
        let hidden = nginx.get(&format!("/push/{}", own.accepted_ids()[0]));
        match hidden.status {
            404 => assert_eq!(hidden.json()["node"], 1),
            // It was asked last.
            status => assert_eq!(status, 502, "{}", hidden.text()),
        }
        let found = nginx.get(&format!("/push/{}", theirs.accepted_ids()[0]));
        assert_eq!(found.status, 200, "{}", found.text());
    }
}

#[test]
fn a_push_is_purged_whichever_daemon_has_it_and_a_lost_answer_says_so() {
    let Some((daemons, nginx)) = three() else {
        return;
    };
    let mut nodes = BTreeSet::new();
    for token in 0..6 {
        let id = nginx.push(token).accepted_ids()[0];
        let node = PushId(id).node().number();
        // Who has not accepted it says whose it is.
        let (_, other) = &daemons[usize::from(node % 3)];
        let refused = other.request("DELETE", &format!("/push/{id}"), b"");
        assert_eq!(
            (refused.status, &refused.json()["node"]),
            (404, &json!(node))
        );
        let purged = nginx.delete(id);
        assert_eq!(purged.status, 200, "{}: {}", purged.text(), nginx.log());
        assert_eq!(purged.json()["purged"], 1);
        assert_eq!(nginx.delete(id).status, 409);
        nodes.insert(node);
    }
    assert_eq!(nodes, BTreeSet::from([1, 2, 3]));
    assert_eq!(queued(daemons.iter().map(|(_, it)| it)), [0; 3]);
    let unknown = nginx.delete(Node::new(77).unwrap().ids().start);
    assert_eq!((unknown.status, &unknown.json()["node"]), (404, &json!(77)));

    // One that may have purged it without a word: no other is asked in its place.
    let (port, requests) = silent();
    let (_, daemon) = &daemons[0];
    let Some(nginx) = Nginx::start(&[port, port_of(&daemon.address)]) else {
        return;
    };
    let push = serde_json::from_str(&body(9)).unwrap();
    let statuses = [(); 4].map(|()| nginx.delete(daemon.push(&push).accepted_ids()[0]).status);
    let lost = statuses.iter().filter(|status| **status == 502).count();
    assert_eq!(lost, requests.load(Ordering::SeqCst), "{statuses:?}");
    assert!(lost > 0, "the silent one had its turn: {statuses:?}");
    assert_eq!(queued([daemon]), [lost as u64]);
}

#[test]
fn a_key_waits_for_its_daemon_and_goes_to_no_other() {
    let ports = [(); 2].map(|()| ReservedPort::new());
    let mut site = 0;
    let sites = ports.each_ref().map(|port| {
        site += 1;
        Site::unreachable()
            .with("core.node", site)
            .with("core.queues", 2)
            .with("core.shutdown_timeout", 0)
            .with_text("core.port", &port.number.to_string())
    });
    let mut daemons = sites.each_ref().map(|site| Some(site.start()));
    let Some(nginx) = Nginx::start(&ports.each_ref().map(|port| port.number)) else {
        return;
    };
    let first = nginx.push_keyed(1, "a-key");
    assert_eq!(first.status, 200, "{}: {}", first.text(), nginx.log());
    let own = usize::from(PushId(first.accepted_ids()[0]).node().number()) - 1;
    // Down, as long as nginx would look elsewhere.
    assert_eq!(daemons[own].take().unwrap().terminate(), 0);
    for _ in 0..5 {
        assert_eq!(nginx.push_keyed(1, "a-key").status, 502, "{}", nginx.log());
    }
    // Up again: it knows what it has answered.
    daemons[own] = Some(sites[own].start());
    let again = nginx.push_keyed(1, "a-key");
    assert_eq!((again.status, again.text()), (200, first.text()));
    // Full: what another key of it asks for is refused, and not taken by the other.
    let daemon = daemons[own].as_ref().unwrap();
    wait_until("its push to be queued again", || queued([daemon]) == [1]);
    let full = (2..200).find_map(|token| {
        let reply = nginx.push_keyed(token, &format!("key-{token}"));
        (reply.status == 503).then_some((token, reply))
    });
    let (token, refused) = full.expect("two fit into each");
    assert_eq!(
        refused.field("Retry-After"),
        Some("1"),
        "{}",
        refused.text()
    );
    let all = queued(daemons.iter().flatten());
    for _ in 0..3 {
        let refused = nginx.push_keyed(token, &format!("key-{token}"));
        assert_eq!(refused.status, 503, "{}", refused.text());
    }
    assert_eq!(queued(daemons.iter().flatten()), all);
}
