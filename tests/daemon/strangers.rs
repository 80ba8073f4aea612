//! Web pages in a browser on the host, which reach a daemon on loopback: none of them is let in,
//! and no program of a caller notices.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "helpers of tests fail the test by panicking, and say what they skip"
)]

use std::fs;
use std::process::Command;

use crate::harness::daemon::{Address, Daemon};
use crate::harness::http::{Client, Reply};
use crate::harness::site::{Site, run, sterna};
use crate::harness::{hex_token, lines, wait_until};

const KEY: &str = "0123456789abcdef0123456789abcdef";

/// Every route, with a method that it takes.
const ROUTES: [(&str, &str); 13] = [
    ("POST", "/push"),
    ("GET", "/push/1"),
    ("GET", "/stat/app"),
    ("GET", "/stat/go"),
    ("GET", "/stat/runtime"),
    ("GET", "/config"),
    ("PUT", "/config/pushers?max=1"),
    ("PUT", "/lanes/ios/pause"),
    ("DELETE", "/pushes?identifier=a"),
    ("GET", "/healthz"),
    ("OPTIONS", "/push"),
    ("GET", "//push"),
    ("GET", "/metrics"),
];

fn body() -> String {
    let token = hex_token(1);
    format!(r#"{{"notifications":[{{"platform":1,"token":["{token}"],"message":"m"}}]}}"#)
}

/// A request with these fields, on a connection of its own.
fn ask(daemon: &Daemon, method: &str, target: &str, fields: &str) -> Reply {
    let mut client = daemon.client();
    let (body, end) = (body(), "\r\n");
    let length = body.len();
    client.send(
        format!("{method} {target} HTTP/1.1{end}{fields}Content-Length: {length}{end}{end}{body}")
            .as_bytes(),
    );
    client.reply_to(method)
}

/// A push that a page has a browser post: a form, or a simple request of a script.
fn post(daemon: &Daemon, fields: &str) -> Reply {
    ask(daemon, "POST", "/push", fields)
}

#[test]
fn no_page_of_another_origin_is_let_in_on_any_path() {
    for site in [Site::unreachable(), Site::unreachable().on_unix_socket()] {
        let daemon = site.start();
        for fields in [
            "Host: localhost\r\nOrigin: http://evil.example\r\nContent-Type: text/plain\r\n",
            "Host: localhost\r\nOrigin: null\r\n\
             Content-Type: application/x-www-form-urlencoded\r\n",
            "Host: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n",
            "Host: localhost\r\nSec-Fetch-Site: same-site\r\n",
        ] {
            for (method, target) in ROUTES {
                let reply = ask(&daemon, method, target, fields);
                assert_eq!(reply.status, 403, "{method} {target} {fields}");
                assert!(reply.message().contains("core.api_key_path"));
                assert_eq!(reply.field("Connection"), Some("close"));
            }
        }
        let own = "Host: localhost\r\nOrigin: http://localhost\r\nSec-Fetch-Site: same-origin\r\n";
        assert_eq!(post(&daemon, own).status, 200);
        assert_eq!(daemon.stat().number("/queue_usage"), 1);
        wait_until("the push to be logged", || {
            lines::of_kind(&site.access_log(), "accepted-push").count() == 1
        });
        let requests = site.access_log();
        assert_eq!(lines::of_kind(&requests, "accepted-request").count(), 1);
        let log = site.operator_log();
        let told = "1 request of web pages of other origins refused since this was last said; the";
        assert_eq!(log.matches(told).count(), 1, "{log}");
    }
}

#[test]
fn a_name_that_is_not_this_hosts_is_let_in_by_core_hosts_alone() {
    let site = Site::unreachable().with_path("core.control_socket", "control");
    let daemon = site.start();
    let (evil, known) = ("Host: evil.example:1056\r\n", "Host: Push.Example\r\n");
    for (method, target) in ROUTES {
        let reply = ask(&daemon, method, target, evil);
        assert_eq!(reply.status, 403, "{method} {target}");
        assert!(reply.message().contains("core.hosts"), "{}", reply.text());
    }
    assert_eq!(post(&daemon, known).status, 403);
    let log = site.operator_log();
    assert!(
        log.contains("1 request with a Host that is not in core.hosts refused"),
        "{log}"
    );
    // Put in force by a reload.
    let site = site.with("core.hosts", r#"["other.example", "push.example"]"#);
    let mut reload = sterna();
    reload.args(["reload", "--wait", "-c"]);
    reload.arg(site.write_config());
    let told = run(reload);
    assert_eq!(
        String::from_utf8_lossy(&told.stdout),
        "applied: core.hosts = [\"other.example\", \"push.example\"] (was [])\n"
    );
    assert_eq!(post(&daemon, known).status, 200);
    assert_eq!(post(&daemon, evil).status, 403);
    for fields in [
        "Host: 127.0.0.1:1\r\n",
        "Host: [::1]\r\n",
        "Host: localhost:9\r\n",
    ] {
        assert_eq!(post(&daemon, fields).status, 200, "{fields}");
    }
    // HTTP/1.0 without a Host is no browser's.
    let mut client = daemon.client();
    client.send(b"GET /healthz HTTP/1.0\r\n\r\n");
    assert_eq!(client.reply().status, 200);
}

#[test]
fn names_do_not_matter_on_a_unix_socket_nor_where_other_hosts_may_call() {
    let open = Site::unreachable()
        .with_text("core.address", "0.0.0.0")
        .with("core.allow_unauthenticated", true);
    for site in [Site::unreachable().on_unix_socket(), open] {
        let mut daemon = site.start();
        if let Address::Tcp(address) = &mut daemon.address {
            address.set_ip([127, 0, 0, 1].into());
        }
        assert_eq!(post(&daemon, "Host: any.example\r\n").status, 200);
        let page = "Host: any.example\r\nOrigin: http://evil.example\r\n";
        assert_eq!(post(&daemon, page).status, 403);
    }
}

#[test]
fn who_shows_an_api_key_may_be_a_page() {
    let site = Site::unreachable().with_path("core.api_key_path", "api-keys");
    fs::write(site.path("api-keys"), KEY).unwrap();
    let daemon = site.start();
    let page = "Host: push.example\r\nOrigin: https://admin.example\r\n\
                Sec-Fetch-Site: cross-site\r\n";
    assert_eq!(post(&daemon, page).status, 401);
    let with_key = format!("{page}Authorization: Bearer {KEY}\r\n");
    assert_eq!(post(&daemon, &with_key).status, 200);
}

#[test]
fn a_list_of_hosts_without_effect_is_told() {
    for (site, why) in [
        (
            Site::unreachable().on_unix_socket(),
            "ignored: the API listens on a Unix socket",
        ),
        (
            Site::unreachable().with_path("core.api_key_path", "api-keys"),
            "ignored: callers show API keys",
        ),
        (
            Site::unreachable()
                .with_text("core.address", "0.0.0.0")
                .with("core.allow_unauthenticated", true),
            "ignored: other hosts reach the API by any name",
        ),
    ] {
        fs::write(site.path("api-keys"), KEY).unwrap();
        let site = site.with("core.hosts", r#"["push.example"]"#);
        let mut check = sterna();
        check.arg("check").arg("-c").arg(site.write_config());
        let told = run(check);
        let text = String::from_utf8_lossy(&told.stderr);
        assert_eq!(told.status.code(), Some(0), "{text}");
        let expected = format!("warning: core.hosts = [\"push.example\"]: {why}\n");
        assert!(text.contains(&expected), "{text}");
    }
}

/// `curl` as people call it; `None` where there is none.
fn curl(arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("curl");
    command.args(["-sS", "-w", " %{http_code}", "-d", &body()]);
    let output = command.args(arguments).output();
    let Ok(output) = output else {
        println!("skipped: there is no curl");
        return None;
    };
    assert!(output.status.success(), "{output:?}");
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn curl_is_let_in_however_it_is_called() {
    let (tcp, unix) = (Site::unreachable(), Site::unreachable().on_unix_socket());
    let daemon = tcp.start();
    let Address::Tcp(address) = daemon.address else {
        unreachable!("it was told a port");
    };
    let port = address.port();
    let socket = unix.path("api.sock");
    let _other = unix.start();
    let long = format!("X-Padding: {}", "x".repeat(2000));
    let calls: [&[&str]; 6] = [
        &[&format!("http://127.0.0.1:{port}/push")],
        &[&format!("http://localhost:{port}/push")],
        &["--http1.0", &format!("http://127.0.0.1:{port}/push")],
        &["-H", &long, &format!("http://LOCALHOST:{port}/push")],
        &[
            "-H",
            "Expect: 100-continue",
            &format!("http://127.0.0.1:{port}/push"),
        ],
        &[
            "--unix-socket",
            socket.to_str().unwrap(),
            "http://whatever.example/push",
        ],
    ];
    for call in calls {
        let Some(told) = curl(call) else {
            return;
        };
        assert!(told.ends_with(" 200"), "{call:?}: {told}");
    }
    let rebound = format!("evil.example:{port}:127.0.0.1");
    let evil = format!("http://evil.example:{port}/push");
    let told = curl(&["--resolve", &rebound, &evil]).unwrap();
    assert!(told.ends_with(" 403"), "{told}");
    wait_until("the accepted pushes to be logged", || {
        lines::of_kind(&tcp.access_log(), "accepted-push").count() == 5
    });
}

#[test]
fn a_connection_that_is_refused_is_closed_before_its_body_is_read() {
    let site = Site::unreachable();
    let daemon = site.start();
    let mut client = Client::try_connect(&daemon.address).unwrap();
    client.send(b"POST /push HTTP/1.1\r\nHost: evil.example\r\nContent-Length: 1000000\r\n\r\n");
    assert_eq!(client.reply().status, 403);
    assert!(client.ends());
}
