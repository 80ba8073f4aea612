//! Heads of requests that are attacks.

use crate::during;
use crate::harness::daemon::Daemon;
use crate::harness::http::request;

/// A request whose head is an attack: it is answered once, and the connection ends.
struct Refused {
    name: &'static str,
    bytes: &'static [u8],
    statuses: &'static [u16],
}

const fn refused(name: &'static str, bytes: &'static [u8], statuses: &'static [u16]) -> Refused {
    Refused {
        name,
        bytes,
        statuses,
    }
}

/// Behind each of these heads stands another request, which nobody must ever take for one.
const REFUSED: &[Refused] = &[
    refused(
        "a body that no memory holds",
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Length: 70368744177664\r\n\r\n",
        &[413],
    ),
    refused(
        "a length of 2^64 - 1",
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18446744073709551615\r\n\r\n",
        &[413],
    ),
    refused(
        "a length of 2^64",
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18446744073709551616\r\n\r\n",
        &[400, 413],
    ),
    refused(
        "a body just over the limit",
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Length: 8388609\r\n\r\n",
        &[413],
    ),
    refused(
        "another version",
        b"GET /healthz HTTP/2.0\r\nHost: localhost\r\n\r\n",
        &[505],
    ),
    refused(
        "the preface of HTTP/2",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        &[505],
    ),
    refused(
        "a negative length",
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        &[400],
    ),
    refused(
        "a length in letters",
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Length: abc\r\n\r\n",
        &[400],
    ),
    refused(
        "a list of lengths",
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3, 3\r\n\r\n",
        &[400],
    ),
    refused(
        "a length with a sign",
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Length: +3\r\n\r\n",
        &[400],
    ),
    refused(
        "an empty length",
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Length:\r\n\r\n",
        &[400],
    ),
    refused(
        "two lengths",
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        &[400],
    ),
    refused(
        "a length and a coding",
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &[400],
    ),
    refused(
        "the coding that is none",
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: identity\r\n\r\n",
        &[400],
    ),
    refused(
        "an unknown coding",
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n",
        &[400],
    ),
    refused(
        "two codings",
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        &[400],
    ),
    refused(
        "a space before the colon",
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nContent-Length : 3\r\n\r\n",
        &[400],
    ),
    refused(
        "a folded line",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n",
        &[400],
    ),
    refused("no host", b"GET /healthz HTTP/1.1\r\n\r\n", &[400]),
    refused(
        "two hosts",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: b\r\n\r\n",
        &[400],
    ),
    refused(
        "a NUL in a value",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\n\r\n",
        &[400],
    ),
    refused(
        "bare line feeds",
        b"GET /healthz HTTP/1.1\nHost: h\n\n",
        &[400],
    ),
    refused(
        "a TLS handshake",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        &[400],
    ),
    refused("binary junk", b"\x00\xff\xfe\x80\r\n\r\n\r\n", &[400]),
    refused("text that is no request", b"hello\r\n\r\n", &[400]),
    refused(
        "an unknown expectation",
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nExpect: miracles\r\nContent-Length: 3\r\n\r\n",
        &[417],
    ),
    refused(
        "chunks without sizes",
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        &[400],
    ),
    refused(
        "a chunk larger than any body",
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        &[413],
    ),
    refused(
        "a chunk that does not end where it says",
        b"POST /push HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n",
        &[400],
    ),
];

/// Each is answered once, and the connection ends before what follows could be taken for a request.
pub(crate) fn check_refused(daemon: &Daemon) {
    for attack in REFUSED {
        during(daemon, || {
            let mut client = daemon.client();
            client.send(&[attack.bytes, &request("GET", "/stat/app", b"")].concat());
            let reply = client.reply();
            let name = attack.name;
            assert!(attack.statuses.contains(&reply.status), "{name}: {reply:?}");
            assert_eq!(reply.field("Connection"), Some("close"), "{name}");
            assert!(client.ends(), "{name}: there is a second answer");
        });
    }
    during(daemon, || {
        for _ in 0..300 {
            let mut client = daemon.client();
            client.send(b"GET / HTTP/2.0\r\n\r\n");
            assert_eq!(client.reply().status, 505);
        }
    });
}

pub(crate) fn check_long(daemon: &Daemon) {
    let long = "a".repeat(20_000);
    let fields = |count: usize| "X: y\r\n".repeat(count);
    let line = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n";
    for (name, head) in [
        ("a long cookie", format!("{line}Cookie: {long}\r\n\r\n")),
        ("a long name", format!("{line}{long}: x\r\n\r\n")),
        (
            "a long target",
            format!("GET /{long} HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        ),
        ("65 fields", format!("{line}{}\r\n", fields(64))),
    ] {
        let mut client = daemon.client();
        client.send(head.as_bytes());
        assert_eq!(client.reply().status, 431, "{name}");
        assert!(client.ends(), "{name}");
    }
    let mut client = daemon.client();
    client.send(format!("{line}{}\r\n", fields(63)).as_bytes());
    assert_eq!(client.reply().status, 200, "64 fields are allowed");

    // Heads without an end: 300 MB at the most, of one line or of two million small ones.
    for part in ["a".repeat(64 * 1024), "a: b\r\n".repeat(10 * 1024)] {
        during(daemon, || {
            let mut client = daemon.client();
            client.send(format!("{line}X: ").as_bytes());
            let parts = 300_000_000 / part.len();
            let sent = (0..parts).find(|_| client.try_send(part.as_bytes()).is_err());
            assert!(
                sent.is_some()
                    || client
                        .try_reply("GET")
                        .is_ok_and(|reply| reply.status == 431),
                "a head without an end was neither cut off nor answered"
            );
        });
    }
}
