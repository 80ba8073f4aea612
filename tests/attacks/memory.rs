//! sterna-limits(7): it holds for callers who never read what they are answered, and for bodies
//! that take many times their bytes while they are parsed.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::thread;

use rustix::net::sockopt::set_socket_recv_buffer_size;

use crate::harness::daemon::{Address, Daemon};
use crate::harness::http::request;
use crate::harness::lines;
use crate::harness::site::Site;
use crate::harness::wait_until;

/// KiB of the process, its logs and four connection threads.
const FIXED: u64 = (48 + 4 * 3) * 1024;

/// KiB of a callers' connection.
const CONNECTION: u64 = 200;

/// A request for pushes to so many device tokens of one character, of which none is fine.
fn bad_tokens(number: usize) -> Vec<u8> {
    let tokens = vec!["\"x\""; number].join(",");
    let notification = format!("{{\"platform\":1,\"message\":\"m\",\"token\":[{tokens}]}}");
    let body = format!("{{\"notifications\":[{notification}]}}");
    request("POST", "/push", body.as_bytes())
}

/// A caller who sends and never reads, and for whom the kernel keeps little.
fn deaf(daemon: &Daemon) -> TcpStream {
    let Address::Tcp(address) = daemon.address else {
        panic!("it listens on {:?}", daemon.address);
    };
    let stream = TcpStream::connect(address).unwrap();
    set_socket_recv_buffer_size(&stream, 2048).unwrap();
    stream.set_nonblocking(true).unwrap();
    stream
}

#[test]
fn callers_who_never_read_their_answers_take_no_more_memory_than_others() {
    const CALLERS: usize = 500;
    const REQUESTS: usize = 3;
    // Large answers have memory of their own, which is hardly any here.
    let site = Site::unreachable()
        .with("core.shutdown_timeout", 0)
        .with("core.max_body_bytes", 1 << 20);
    let daemon = site.start();
    let requests = bad_tokens(10_000).repeat(REQUESTS);
    let mut callers: Vec<(TcpStream, usize)> = (0..CALLERS).map(|_| (deaf(&daemon), 0)).collect();
    wait_until(
        "each to have two requests read and one answer at least",
        || {
            for (stream, sent) in &mut callers {
                match stream.write(&requests[*sent..]) {
                    Ok(more) => *sent += more,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    // Who does not read may be closed for others.
                    Err(_) => *sent = requests.len(),
                }
            }
            let begun = site.access_log();
            lines::of_kind(&begun, "accepted-request").count() >= 2 * CALLERS
        },
    );
    let peak = daemon.status("VmHWM");
    let allowed = FIXED + CALLERS as u64 * CONNECTION;
    assert!(peak <= allowed, "{peak} KiB of {allowed}");
}

#[test]
fn bodies_take_no_more_memory_than_others_whatever_they_are_made_of() {
    const CALLERS: usize = 16;
    const BODY_MAX: usize = 1 << 20;
    let site = Site::unreachable()
        .with("core.shutdown_timeout", 0)
        .with("core.max_body_bytes", BODY_MAX);
    let daemon = site.start();
    let with = |rest: &str| {
        let begin = r#"{"notifications":[{"platform":1,"message":"m","token":["ab"],"#;
        request("POST", "/push", [begin, rest, "}]}"].concat().as_bytes())
    };
    let extend = |item: &str| {
        let items = vec![item; (BODY_MAX - 200) / (item.len() + 1)].join(",");
        with(&format!("\"extend\":[{items}]"))
    };
    let of_a_long_priority = with(&format!("\"priority\":\"{}\"", "x".repeat(BODY_MAX - 200)));
    let members = || {
        let members = (0..(BODY_MAX - 200) / 11).map(|number| format!("\"{number:06}\":0"));
        members.collect::<Vec<_>>().join(",")
    };
    let object = |field: &str| with(&format!("\"{field}\":{{{}}}", members()));
    let headers = with(&format!("\"apns\":{{\"headers\":{{{}}}}}", members()));
    let of_gorush = |rest: &str| {
        let begin = r#"{"notifications":[{"platform":2,"message":"m","to":"c:a",""#;
        let body = [begin, rest, "}]}"].concat();
        request("POST", "/api/push", body.as_bytes())
    };
    let objects = [
        "sound\":{",
        "notification\":{",
        "android\":{",
        "content-state\":{",
    ];
    let gorushs = objects.map(|begin| of_gorush(&format!("{begin}{}}},\"name\":\"x\"", members())));
    let more = members().replacen('"', "", 1);
    let [sounds, notifications, androids, live_activities] = gorushs;
    for (request, answers) in [
        (object("data"), [400, 503]),
        (object("alert"), [400, 503]),
        (object("sound"), [400, 503]),
        (headers, [400, 503]),
        (bad_tokens(BODY_MAX / 4 - 100), [400, 503]),
        (extend("{}"), [200, 503]),
        (extend("null"), [200, 503]),
        (extend(r#"{"key":"","val":""}"#), [200, 503]),
        (of_a_long_priority, [400, 503]),
        (sounds, [400, 503]),
        (notifications, [400, 503]),
        (androids, [400, 503]),
        (live_activities, [200, 503]),
        (of_gorush(&more), [200, 503]),
    ] {
        let mut served = false;
        thread::scope(|scope| {
            let callers = (0..CALLERS).map(|_| {
                scope.spawn(|| {
                    let mut client = daemon.client();
                    // It may be refused while it is still being sent.
                    drop(client.try_send(&request));
                    let status = client.try_reply("POST").map_or(503, |reply| reply.status);
                    let begin = String::from_utf8_lossy(&request[..request.len().min(300)]);
                    assert!(answers.contains(&status), "{status}: {begin}");
                    status == answers[0]
                })
            });
            let callers: Vec<_> = callers.collect();
            served = callers.into_iter().any(|caller| caller.join().unwrap());
        });
        assert!(served, "all were turned away");
    }
    let peak = daemon.status("VmHWM");
    let bodies = 5 * 6 * BODY_MAX as u64 / 1024;
    let allowed = FIXED + CALLERS as u64 * CONNECTION + bodies;
    assert!(peak <= allowed, "{peak} KiB of {allowed}");
}
