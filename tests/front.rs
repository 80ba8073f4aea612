//! Several daemons behind nginx, as `etc/nginx.conf` has it: what goes to the next one, and what
//! must not. Tried with a real nginx where there is one.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail the test by panicking, and say what they skip"
)]

#[path = "harness/mod.rs"]
mod harness;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use harness::daemon::Address;
use harness::http::{Client, Reply};
use harness::site::{ReservedPort, Site};
use harness::{hex_token, wait_until};
use serde_json::json;

const SNIPPET: &str = include_str!("../etc/nginx.conf");

/// A running nginx, killed when dropped.
struct Nginx {
    child: Child,
    address: SocketAddr,
    directory: tempfile::TempDir,
    /// Its own: the tests run beside each other.
    _port: ReservedPort,
}

impl Nginx {
    /// nginx with the snippet, in front of two ports. `None` where there is no nginx.
    fn start(upstreams: [u16; 2]) -> Option<Self> {
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
        let site = SNIPPET
            .replace("127.0.0.1:8056", &address.to_string())
            .replace("127.0.0.1:1056", &format!("127.0.0.1:{}", upstreams[0]))
            .replace("127.0.0.1:1057", &format!("127.0.0.1:{}", upstreams[1]));
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

    fn push(&self, token: u64) -> Reply {
        let body = json!({"notifications": [
            {"platform": 1, "token": [hex_token(token)], "message": "m"}
        ]});
        let mut client = Client::try_connect(&Address::Tcp(self.address)).unwrap();
        client.request("POST", "/push", body.to_string().as_bytes())
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
    let Some(nginx) = Nginx::start(ports) else {
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
fn if_all_daemons_are_full_the_caller_is_told_when_to_come_back() {
    let sites = [(); 2].map(|()| Site::unreachable().with("core.queues", 1));
    let daemons = [sites[0].start(), sites[1].start()];
    let ports = [port_of(&daemons[0].address), port_of(&daemons[1].address)];
    let Some(nginx) = Nginx::start(ports) else {
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

#[test]
fn a_request_that_one_daemon_may_have_taken_goes_to_no_other() {
    // Reads each request and hangs up without an answer.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let requests = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&requests);
    thread::spawn(move || {
        for socket in silent.incoming() {
            let mut socket = socket.unwrap();
            let mut octets = [0; 4096];
            if socket.read(&mut octets).is_ok_and(|read| read > 0) {
                seen.fetch_add(1, Ordering::SeqCst);
            }
            drop(socket.flush());
        }
    });
    let site = Site::unreachable();
    let daemon = site.start();
    let Some(nginx) = Nginx::start([port, port_of(&daemon.address)]) else {
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
