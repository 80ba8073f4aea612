//! `metrics.address`: the page and whether the daemon is well, at an address of its own, from the
//! start to the end of a drain.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail the test by panicking"
)]

use std::fs;
use std::net::TcpListener;

use crate::harness::daemon::Address;
use crate::harness::http::{Client, Reply};
use crate::harness::metrics::Metrics;
use crate::harness::site::{ReservedPort, Site, run, sterna};
use crate::harness::{batch, wait_for, wait_until};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const OF_APP: &str = "fedcba9876543210fedcba9876543210";

/// Where a daemon says that its page is.
fn place(site: &Site) -> Address {
    let place = wait_for("the address of the page", || {
        let log = site.operator_log();
        let (_, place) = log.rsplit_once("/metrics is at ")?;
        place.split_once('\n')?.0.parse().ok()
    });
    Address::Tcp(place)
}

/// What a request with these header fields is answered.
fn ask(address: &Address, request: &str, fields: &str) -> Reply {
    let mut client = Client::try_connect(address).unwrap();
    client.send(format!("{request} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n").as_bytes());
    client.reply()
}

fn get(address: &Address, target: &str) -> Reply {
    ask(address, &format!("GET {target}"), "")
}

#[test]
fn the_page_is_there_alone_and_tells_of_a_drain() {
    let port = ReservedPort::new();
    let named = format!("127.0.0.1:{}", port.number);
    let site = Site::unreachable()
        .with_text("metrics.address", &named)
        .with_path("core.api_key_path", "api-keys")
        .with("core.shutdown_timeout", 60);
    fs::write(site.path("api-keys"), format!("{KEY}\n")).unwrap();
    let daemon = site.start();
    let address = Address::Tcp(named.parse().unwrap());
    // Other programs of this host need no key.
    let page = get(&address, "/metrics");
    assert_eq!(page.status, 200, "{}", page.text());
    let families = Metrics::read(page.text()).families.len();
    assert_eq!(families, sterna::stats::Family::ALL.len());
    for target in ["/readyz", "/livez", "/healthz", "/readyz?verbose"] {
        assert_eq!(get(&address, target).status, 200, "{target}");
    }
    for target in ["/", "/push", "/stat/app", "/config", "/lanes/ios/pause"] {
        let reply = get(&address, target);
        assert_eq!(reply.status, 404, "{target}");
        assert!(reply.text().contains("/livez"), "{}", reply.text());
    }
    assert_eq!(ask(&address, "DELETE /metrics", "").status, 400);
    let of_a_page = "Origin: http://evil.example\r\n";
    assert_eq!(ask(&address, "GET /metrics", of_a_page).status, 403);
    // The API says where the page is, and takes pushes as ever.
    let key = format!("Authorization: Bearer {KEY}\r\n");
    let reply = ask(&daemon.address, "GET /metrics", &key);
    assert_eq!(reply.status, 404);
    let told = format!("/metrics is at {named} alone");
    assert!(reply.text().contains(&told), "{}", reply.text());
    let body = batch([1]).to_string();
    let fields = format!("{key}Content-Length: {}\r\n", body.len());
    let mut caller = daemon.client();
    let head = format!("POST /push HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n{body}");
    caller.send(head.as_bytes());
    assert_eq!(caller.reply().status, 200);
    // What was asked here is counted by its path.
    let page = Metrics::read(get(&address, "/metrics").text());
    let requests = |route| page.count("sterna_requests_total", &[("route", route)]);
    assert_eq!([requests("other"), requests("/push")], [5, 1]);
    // There is a push that cannot be sent, and a minute for it.
    daemon.signal("TERM");
    wait_until("it not to be ready any more", || {
        get(&address, "/readyz").status == 503
    });
    let told = get(&address, "/readyz?verbose");
    let line = "[-]listener shutting down\n";
    assert!(told.text().contains(line), "{}", told.text());
    assert_eq!(get(&address, "/livez").status, 200);
    let page = Metrics::read(get(&address, "/metrics").text());
    assert_eq!(page.count("sterna_queue_pushes", &[("lane", "ios")]), 1);
    daemon.signal("TERM");
    assert_eq!(daemon.wait(), 0);
    // The next process has the push, and has accepted none.
    let daemon = site.start();
    wait_until("the push to be read from the journal", || {
        let page = Metrics::read(get(&address, "/metrics").text());
        let accepted = page.count("sterna_pushes_accepted_total", &[]);
        let queued = page.count("sterna_queue_pushes", &[("lane", "ios")]);
        let kept = page.number("sterna_journal_outstanding_pushes");
        (accepted, queued, kept) == (0, 1, 1)
    });
    daemon.kill();
}

#[test]
fn other_hosts_need_a_key_that_is_good_for_all_apps() {
    let open = || Site::unreachable().with_text("metrics.address", "0.0.0.0:0");
    let output = open().run(&[]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("other hosts could read"), "{told}");
    assert_eq!(output.status.code(), Some(78));
    let site = open().with_path("core.api_key_path", "api-keys");
    let keys = format!("{KEY}\n{OF_APP} app=default\n");
    fs::write(site.path("api-keys"), keys).unwrap();
    let daemon = site.start();
    let Address::Tcp(address) = place(&site) else {
        panic!("it is on TCP");
    };
    let address = Address::Tcp(([127, 0, 0, 1], address.port()).into());
    for (fields, status) in [
        (String::new(), 401),
        (format!("Authorization: Bearer {OF_APP}\r\n"), 403),
        (format!("Authorization: Bearer {KEY}\r\n"), 200),
    ] {
        let reply = ask(&address, "GET /metrics", &fields);
        assert_eq!(reply.status, status, "{}", reply.text());
    }
    // Where nothing is to be had, nothing is told without a key.
    assert_eq!(get(&address, "/push").status, 401);
    assert_eq!(get(&address, "/readyz").status, 200);
    assert_eq!(daemon.terminate(), 0);
}

#[test]
fn an_address_that_is_taken_ends_the_start_and_says_so() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let named = taken.local_addr().unwrap().to_string();
    let site = Site::unreachable().with_text("metrics.address", &named);
    let output = site.run(&[]);
    let told = String::from_utf8(output.stderr).unwrap();
    for text in [
        &*format!("metrics.address: cannot listen on {named}: "),
        "see who has the port: ss -lntp",
    ] {
        assert!(told.contains(text), "{told}");
    }
    assert_eq!(output.status.code(), Some(69));
    let mut check = sterna();
    check.args(["check", "-c"]).arg(site.write_config());
    let checked = run(check);
    let told = String::from_utf8(checked.stderr).unwrap();
    let line = format!("metrics.address = \"{named}\": {named} is taken");
    assert!(told.contains(&line), "{told}");
}

#[test]
fn who_holds_connections_or_sends_bodies_there_keeps_nobody_out() {
    let site = Site::unreachable().with_text("metrics.address", "127.0.0.1:0");
    let daemon = site.start();
    let address = place(&site);
    let before = Metrics::read(get(&address, "/metrics").text()).number("process_threads");
    let held: Vec<_> = (0..40)
        .map(|number| {
            let mut client = Client::try_connect(&address).unwrap();
            // Some have begun a request that they never end.
            if number % 2 == 0 {
                drop(client.try_send(b"GET /metrics HTTP/1.1\r\n"));
            }
            client
        })
        .collect();
    // Who comes in the same moment as they do may be asked to come again. None has a thread.
    wait_until("a page beside them, and no thread for each", || {
        let page = get(&address, "/metrics");
        page.status == 200 && Metrics::read(page.text()).number("process_threads") < before + 16
    });
    drop(held);
    for fields in [
        "Content-Length: 9999999999\r\n",
        "Content-Length: 1\r\n",
        "Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n",
    ] {
        let reply = ask(&address, "POST /metrics", fields);
        assert_eq!(reply.status, 413, "{}", reply.text());
    }
    assert_eq!(daemon.push(&batch([1])).status, 200);
    assert_eq!(get(&address, "/metrics").status, 200);
}
