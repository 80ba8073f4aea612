//! Inherited sockets: callers that come between two daemons wait, and are answered by the second.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use serde_json::json;

use crate::harness::daemon::{Address, Daemon};
use crate::harness::http::{Client, request};
use crate::harness::simulator::Simulated;
use crate::harness::site::{ReservedPort, Site, run};
use crate::harness::{hex_token, lines, wait_for, wait_until};

/// How a socket is passed. It is descriptor 0 here, which a child can be given without ado.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    ListenFds,
    ServerStarter,
}

/// The command of a site, with a socket that it inherits.
pub(crate) fn command(site: &Site, way: Way, place: &str, socket: OwnedFd) -> Command {
    let mut command = site.command(&[]);
    command.stdin(Stdio::from(socket));
    match way {
        Way::ListenFds => command
            .env("LISTEN_FDS", "1")
            .env("LISTEN_FDS_FIRST_FD", "0"),
        Way::ServerStarter => command.env("SERVER_STARTER_PORT", format!("{place}=0")),
    };
    command
}

pub(crate) fn start(site: &Site, way: Way, place: &str, socket: OwnedFd) -> Daemon {
    let command = command(site, way, place, socket);
    Daemon::start(command, &site.path("operator.log"))
}

fn body() -> Vec<u8> {
    json!({"notifications": [{"platform": 1, "token": [hex_token(1)], "message": "m"}]})
        .to_string()
        .into_bytes()
}

/// One daemon ends, a caller comes, the next daemon starts and answers.
fn check_handover(site: &Site, way: Way, place: &str, socket: impl Fn() -> OwnedFd) {
    let first = start(site, way, place, socket());
    let address = first.address.clone();
    assert_eq!(
        first.request("POST", "/push", &body()).status,
        200,
        "{way:?}"
    );
    assert_eq!(first.settle().number("/ios/push_success"), 1);

    let mut waiting = Client::try_connect(&address).unwrap();
    waiting.send(&request("POST", "/push", &body()));
    let second = start(site, way, place, socket());
    assert_eq!(second.address, address);
    assert_eq!(waiting.reply_to("POST").status, 200, "{way:?}");
    second.settle();
    let log = site.operator_log();
    assert_eq!(
        log.matches("the listening socket is inherited").count(),
        2,
        "{log}"
    );
}

#[test]
fn a_caller_between_two_daemons_waits_for_the_second() {
    let simulated = Simulated::start();
    for way in [Way::ListenFds, Way::ServerStarter] {
        let site = Site::simulated(&simulated.simulator);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap().to_string();
        let socket = || listener.try_clone().unwrap().into();
        check_handover(&site, way, &place, socket);
        assert!(
            site.operator_log()
                .contains(&format!(" serves on {place}\n"))
        );
    }
}

#[test]
fn an_inherited_unix_socket_outlives_the_daemon() {
    let simulated = Simulated::start();
    for way in [Way::ListenFds, Way::ServerStarter] {
        let site = Site::simulated(&simulated.simulator);
        let path = site.path("inherited.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let socket = || listener.try_clone().unwrap().into();
        check_handover(&site, way, path.to_str().unwrap(), socket);
        assert!(
            UnixStream::connect(&path).is_ok(),
            "{way:?}: the file is gone"
        );
    }
}

/// Connects, pushes and waits for the answer, again and again; the ids of what was taken, and how
/// many requests came to a daemon that was about to end.
pub(crate) fn call_on(address: &Address, until: &AtomicBool) -> io::Result<(Vec<u64>, u64)> {
    let (mut taken, mut refused) = (Vec::new(), 0);
    while !until.load(Ordering::Relaxed) {
        let mut client = Client::try_connect(address)?;
        client.try_send(&request("POST", "/push", &body()))?;
        let reply = client.try_reply("POST")?;
        match reply.status {
            200 => taken.extend(reply.accepted_ids()),
            503 => refused += 1,
            other => panic!("{other}: {}", reply.text()),
        }
    }
    Ok((taken, refused))
}

#[test]
fn restarts_refuse_no_connection_and_lose_no_push() {
    const RESTARTS: usize = 5;
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = || listener.try_clone().unwrap().into();
    let ended = AtomicBool::new(false);
    let mut daemon = start(&site, Way::ListenFds, "", socket());
    let (daemon, taken, refused) = thread::scope(|scope| {
        let address = daemon.address.clone();
        let callers = [(); 3].map(|()| {
            let (address, ended) = (address.clone(), &ended);
            scope.spawn(move || call_on(&address, ended))
        });
        for _ in 0..RESTARTS {
            let before = lines::ids(&site.access_log(), "succeeded-push").len();
            wait_for("pushes through this daemon", || {
                let now = lines::ids(&site.access_log(), "succeeded-push").len();
                (now > before + 20).then_some(())
            });
            assert_eq!(daemon.terminate(), 0);
            daemon = start(&site, Way::ListenFds, "", socket());
        }
        ended.store(true, Ordering::Relaxed);
        let counts = callers.map(|caller| caller.join().unwrap().unwrap());
        let taken: usize = counts.iter().map(|count| count.0.len()).sum();
        let refused: u64 = counts.iter().map(|count| count.1).sum();
        (daemon, taken, refused)
    });
    daemon.settle();
    println!("{taken} taken, {refused} answered 503 by a daemon about to end");
    let succeeded = lines::ids(&site.access_log(), "succeeded-push");
    assert_eq!(succeeded.len(), taken, "{}", site.operator_log());
}

#[test]
fn systemds_own_activation_is_understood() {
    let tool = "systemd-socket-activate";
    if Command::new(tool).arg("--version").output().is_err() {
        println!("skipped: there is no {tool}");
        return;
    }
    let site = Site::unreachable();
    let port = ReservedPort::new().number;
    let address = Address::Tcp(([127, 0, 0, 1], port).into());
    let config = site.write_config();
    let mut command = Command::new(tool);
    command
        .arg(format!("--listen=127.0.0.1:{port}"))
        .arg(env!("CARGO_BIN_EXE_sterna"))
        .arg("-c")
        .arg(config);
    site.capture(&mut command);
    let daemon = Daemon::spawn(command);
    // The first caller is what it starts the daemon for.
    let mut client = wait_for("the socket", || Client::try_connect(&address).ok());
    assert_eq!(client.request("GET", "/healthz", b"").status, 200);
    assert_eq!(daemon.terminate(), 0);
    let log = site.operator_log();
    assert!(log.contains("inherited (LISTEN_FDS)"), "{log}");
}

#[test]
fn an_inherited_socket_that_cannot_be_used_keeps_the_daemon_from_starting() {
    let refused = |way, place: &str, socket, code, text: &str| {
        let site = Site::unreachable();
        let mut command = command(&site, way, place, socket);
        command.env_remove("TZ");
        let output = run(command);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(text), "{said}");
    };
    for way in [Way::ListenFds, Way::ServerStarter] {
        let open = TcpListener::bind("0.0.0.0:0").unwrap();
        let text = "other hosts can reach, and they could push without credentials";
        refused(way, "1056", open.into(), 78, text);

        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let text = "it is neither a TCP nor a Unix stream socket";
        refused(way, "1056", datagrams.into(), 69, text);

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        refused(way, "1056", connection.into(), 69, "it does not listen");
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let text = "SERVER_STARTER_PORT: the inherited socket cannot be used: it must be like";
    refused(Way::ServerStarter, "", listener.into(), 69, text);

    let site = Site::unreachable();
    let mut command = site.command(&[]);
    command.env("LISTEN_FDS", "65");
    let output = run(command);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(69), "{said}");
    assert!(
        said.contains("LISTEN_FDS: the inherited socket cannot be used: it says 65"),
        "{said}"
    );
}

#[test]
fn no_reload_opens_an_inherited_socket_to_everybody() {
    let key = "0123456789abcdef";
    let site = Site::unreachable().with_path("core.api_key_path", "api-keys");
    std::fs::write(site.path("api-keys"), key).unwrap();
    let open = TcpListener::bind("0.0.0.0:0").unwrap();
    let daemon = start(&site, Way::ListenFds, "", open.into());
    let site = site.with_text("core.api_key_path", "");
    site.write_config();
    daemon.signal("HUP");
    wait_until("the reload to be refused", || {
        let log = site.operator_log();
        log.contains("they could push without credentials")
            && log.contains("the configuration of before stays in force")
    });
    assert_eq!(daemon.request("POST", "/push", &body()).status, 401);

    let site = site.with("core.allow_unauthenticated", true);
    site.write_config();
    daemon.signal("HUP");
    wait_until("everybody to be served", || {
        daemon.request("POST", "/push", &body()).status == 200
    });
}
