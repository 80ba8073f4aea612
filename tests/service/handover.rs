//! server-starter's way: the new daemon starts while the old one serves, and the old one is told to
//! end when the new one has lived for a while. Both have the socket.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::sockets::{Way, call_on, command, start};
use crate::harness::daemon::{Address, Daemon};
use crate::harness::http::Client;
use crate::harness::lines::{check_same, ids};
use crate::harness::simulator::Simulated;
use crate::harness::site::{ReservedPort, Site, read_text};
use crate::harness::wait_until;

/// What the new daemon says while the old one has the journal.
const WAITS: &str = "waiting up to 70 s for the daemon before, which server-starter ends";

/// A site whose daemons have everything that only one of them can have.
fn site(simulated: &Simulated) -> Site {
    Site::simulated(&simulated.simulator)
        .with_path("core.pid", "pid")
        .with_path("core.control_socket", "control")
}

/// Starts a further daemon, and waits until it waits.
fn start_beside(site: &Site, place: &str, socket: OwnedFd) -> Daemon {
    let before = site.operator_log().len();
    let daemon = Daemon::spawn(command(site, Way::ServerStarter, place, socket));
    wait_until("the new daemon to wait", || {
        site.operator_log()
            .get(before..)
            .is_some_and(|text| text.contains(WAITS))
    });
    daemon
}

#[test]
fn the_new_daemon_waits_for_the_old_one_and_callers_for_the_new_one() {
    const HANDOVERS: usize = 3;
    let simulated = Simulated::start();
    let site = site(&simulated);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let socket = || listener.try_clone().unwrap().into();
    let ended = AtomicBool::new(false);
    let mut daemon = start(&site, Way::ServerStarter, &place, socket());
    let address = daemon.address.clone();
    let (taken, refused) = thread::scope(|scope| {
        let callers = [(); 3].map(|()| scope.spawn(|| call_on(&address, &ended)));
        for round in 0..HANDOVERS {
            let so_far = || ids(&site.access_log(), "succeeded-push").len();
            let before = so_far();
            wait_until("pushes through the old daemon", || so_far() > before + 20);
            let new = start_beside(&site, &place, socket());
            // Both live, and the old one serves.
            let before = so_far();
            wait_until("more pushes through the old one", || so_far() > before + 20);
            assert!(new.ended().is_none(), "{}", site.operator_log());
            assert_eq!(read_text(&site.path("pid")), daemon.pid().to_string());
            // What is asked of it meanwhile is done once it serves.
            let file = site.path("sterna.toml");
            let queues = format!("[core]\nqueues = {}\n", 1000 + round);
            fs::write(&file, read_text(&file).replace("[core]\n", &queues)).unwrap();
            new.signal("HUP");
            daemon.signal("TERM");
            assert_eq!(daemon.wait(), 0);
            daemon = new;
            daemon.address = address.clone();
            wait_until("the new daemon to serve, and to reload", || {
                let config = daemon.request("GET", "/config", b"").json();
                config["core"]["queues"] == 1000 + round
            });
            assert_eq!(read_text(&site.path("pid")), daemon.pid().to_string());
            assert!(site.path("control").exists());
        }
        ended.store(true, Ordering::Relaxed);
        let counts = callers.map(|caller| caller.join().unwrap().unwrap());
        let refused: u64 = counts.iter().map(|count| count.1).sum();
        let mut taken = counts.map(|count| count.0).concat();
        taken.sort_unstable();
        (taken, refused)
    });
    daemon.settle();
    println!(
        "{} taken, {refused} answered 503 by a daemon about to end",
        taken.len()
    );
    // Each once: an id that two daemons gave would be there twice.
    check_same(&ids(&site.access_log(), "accepted-push"), &taken);
    check_same(&ids(&site.access_log(), "succeeded-push"), &taken);
    let counts = simulated.counts();
    assert_eq!((counts.doubled, counts.lost), (0, 0));
    let log = site.operator_log();
    let said = log.matches("the daemon before has let go after").count();
    assert!(said >= HANDOVERS, "{log}");
}

#[test]
fn a_daemon_that_waits_can_be_told_to_end() {
    let simulated = Simulated::start();
    let site = site(&simulated);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let socket = || listener.try_clone().unwrap().into();
    let old = start(&site, Way::ServerStarter, &place, socket());
    let new = start_beside(&site, &place, socket());
    fs::rename(site.path("operator.log"), site.path("operator.1")).unwrap();
    new.signal("USR1");
    wait_until("the log to be opened again", || {
        site.operator_log().contains("log files are opened again")
    });
    assert_eq!(new.terminate(), 0);
    let told = read_text(&site.path("stderr"));
    assert!(told.contains("told to end while it waited"), "{told}");
    assert_eq!(old.request("GET", "/healthz", b"").status, 200);
    assert_eq!(old.terminate(), 0);
    assert!(!site.path("pid").exists());
}

#[test]
fn nobody_else_is_waited_for() {
    let site = Site::unreachable();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = || listener.try_clone().unwrap().into();
    let old = start(&site, Way::ListenFds, "", socket());
    let new = Daemon::spawn(command(&site, Way::ListenFds, "", socket()));
    assert_eq!(new.wait(), 75);
    let told = read_text(&site.path("stderr"));
    let owner = format!("belongs to another daemon, with pid {}", old.pid());
    assert!(told.contains(&owner), "{told}");
}

#[test]
fn the_address_of_the_metrics_is_waited_for_alone() {
    let port = ReservedPort::new();
    let named = format!("127.0.0.1:{}", port.number);
    let site = Site::unreachable()
        .without_journal()
        .with_text("metrics.address", &named);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap().to_string();
    let socket = || listener.try_clone().unwrap().into();
    let old = start(&site, Way::ServerStarter, &place, socket());
    let new = start_beside(&site, &place, socket());
    let log = site.operator_log();
    let why = format!("metrics.address: cannot listen on {named}");
    assert!(log.contains(&why), "{log}");
    assert_eq!(old.terminate(), 0);
    let address = Address::Tcp(named.parse().unwrap());
    wait_until("the new daemon to answer", || {
        let Ok(mut client) = Client::try_connect(&address) else {
            return false;
        };
        client.request("GET", "/readyz", b"").status == 200
    });
    assert_eq!(new.terminate(), 0);
}
