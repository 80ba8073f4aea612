use super::*;

/// Why a request with these lines of its head is not let in, where `push.example` is let in.
fn stranger(lines: &str) -> Option<Stranger> {
    let head = format!("{}\r\n\r\n", lines.trim_end().replace('\n', "\r\n"));
    let head = Head::parse(head.as_bytes()).unwrap();
    Stranger::is(&head, Some(&["push.example".to_owned()]))
}

fn of_host(host: &str) -> Option<Stranger> {
    stranger(&format!("GET /config HTTP/1.1\nHost: {host}"))
}

#[test]
fn a_host_is_an_address_or_a_name_that_is_known() {
    for host in [
        "localhost",
        "LocalHost",
        "localhost:1056",
        "localhost:",
        "127.0.0.1",
        "127.0.0.1:1056",
        "10.1.2.3:80",
        "[::1]",
        "[::1]:1056",
        "::1",
        "push.example",
        "PUSH.example:8056",
    ] {
        assert_eq!(of_host(host), None, "{host}");
    }
    for host in [
        "",
        "evil.example",
        "evil.example:1056",
        "localhost.evil.example",
        "evil-localhost",
        "app.localhost",
        "push.example.evil.example",
        "127.0.0.1.evil.example",
        "127.1",
        "2130706433",
        "localhost:x",
        "127.0.0.1:1056:1056",
        "[::1",
        "[::1]x",
        "[evil.example]",
        "localhost,evil.example",
        "user@localhost",
        "h\u{f6}st",
    ] {
        assert_eq!(of_host(host), Some(Stranger::Name), "{host}");
    }
}

#[test]
fn the_name_in_the_target_counts_as_the_one_in_the_field() {
    let with = |target: &str, host: &str| stranger(&format!("GET {target} HTTP/1.1\nHost: {host}"));
    assert_eq!(with("http://localhost:1056/config", "localhost"), None);
    for (target, host) in [
        ("http://evil.example/config", "localhost"),
        ("http://localhost/config", "evil.example"),
    ] {
        assert_eq!(with(target, host), Some(Stranger::Name), "{target}");
    }
    // To an old client the name of the host is its own affair.
    assert_eq!(stranger("GET /healthz HTTP/1.0"), None);
    assert_eq!(
        stranger("GET /healthz HTTP/1.0\nHost: evil.example"),
        Some(Stranger::Name)
    );
}

#[test]
fn where_the_name_does_not_matter_a_page_is_known_by_its_origin() {
    let head = |more: &str| {
        let text = format!("POST /push HTTP/1.1\r\nHost: evil.example\r\n{more}\r\n");
        Head::parse(text.as_bytes()).unwrap()
    };
    assert_eq!(Stranger::is(&head(""), None), None);
    let own = head("Origin: http://evil.example\r\nSec-Fetch-Site: same-origin\r\n");
    assert_eq!(Stranger::is(&own, None), None);
    assert_eq!(Stranger::is(&own, Some(&[])), Some(Stranger::Name));
    let foreign = head("Origin: http://other.example\r\n");
    assert_eq!(Stranger::is(&foreign, None), Some(Stranger::Page));
}

#[test]
fn only_a_page_of_the_api_itself_is_none_of_another_origin() {
    let from = |field: &str| {
        stranger(&format!(
            "POST /push HTTP/1.1\nHost: localhost:1056\nContent-Length: 2\n{field}"
        ))
    };
    for field in [
        "Accept: */*",
        "Origin: http://localhost:1056",
        "Sec-Fetch-Site: none",
        "Sec-Fetch-Site: same-origin",
        "Sec-Fetch-Mode: cors",
        "Referer: http://evil.example/",
    ] {
        assert_eq!(from(field), None, "{field}");
    }
    for field in [
        "Origin: null",
        "Origin:",
        "Origin: http://evil.example",
        "Origin: https://evil.example",
        "Origin: http://localhost",
        "Origin: http://localhost:8000",
        "Origin: https://localhost:1056",
        "Origin: http://127.0.0.1:1056",
        "Origin: http://localhost:1056.evil.example",
        "Origin: http://localhost:1056 http://evil.example",
        "Origin: chrome-extension://abcdef",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
        "Sec-Fetch-Site: anything",
        "Sec-Fetch-Site:",
        "Origin: http://localhost:1056\nSec-Fetch-Site: cross-site",
        "Origin: http://evil.example\nSec-Fetch-Site: same-origin",
    ] {
        assert_eq!(from(field), Some(Stranger::Page), "{field}");
    }
    let head = b"POST /push HTTP/1.0\r\nOrigin: http://localhost\r\n\r\n";
    let head = Head::parse(head).unwrap();
    assert_eq!(Stranger::is(&head, None), Some(Stranger::Page));
    let plain = "POST /push HTTP/1.1\nHost: localhost\nOrigin: http://localhost:80";
    assert_eq!(stranger(plain), None);
}

/// The heads of callers, as their documents and sources have them.
#[test]
fn what_clients_send_is_let_in() {
    for head in [
        // PHP 8.3, curl_exec
        "POST /push HTTP/1.1\nHost: 127.0.0.1:1056\nAccept: */*\nContent-Type: application/json\n\
         Content-Length: 2",
        // the same with curl's defaults, and a body over a kilobyte
        "POST /push HTTP/1.1\nHost: localhost:1056\nAccept: */*\nContent-Length: 2000\n\
         Content-Type: application/x-www-form-urlencoded\nExpect: 100-continue",
        // PHP, file_get_contents with a stream context
        "POST /push HTTP/1.0\nHost: localhost:1056\nConnection: close\nContent-Length: 2\n\
         Content-Type: application/json",
        "POST /push HTTP/1.1\nHost: localhost:1056\nUser-Agent: GuzzleHttp/7\n\
         Content-Type: application/json\nContent-Length: 2",
        "POST /push HTTP/1.1\nHost: localhost:1056\nUser-Agent: Go-http-client/1.1\n\
         Content-Length: 2\nContent-Type: application/json\nAccept-Encoding: gzip",
        "POST /push HTTP/1.1\nHost: 127.0.0.1:1056\nUser-Agent: curl/7.88.1\nAccept: */*\n\
         Content-Length: 2\nContent-Type: application/x-www-form-urlencoded",
        "POST /push HTTP/1.1\nAccept-Encoding: gzip;q=1.0,deflate;q=0.6,identity;q=0.3\n\
         Accept: */*\nUser-Agent: Ruby\nHost: localhost:1056\nContent-Length: 2",
        "POST /push HTTP/1.1\nHost: [::1]:1056\nUser-Agent: python-requests/2.31.0\n\
         Accept-Encoding: gzip, deflate\nAccept: */*\nConnection: keep-alive\nContent-Length: 2",
        // Node's fetch
        "POST /push HTTP/1.1\nhost: localhost:1056\nconnection: keep-alive\n\
         content-type: application/json\naccept: */*\naccept-language: *\nsec-fetch-mode: cors\n\
         user-agent: node\naccept-encoding: gzip, deflate\ncontent-length: 2",
        // nginx as etc/nginx.conf has it, and as it is without being told
        "POST /push HTTP/1.1\nHost: localhost\nContent-Length: 2",
        "POST /push HTTP/1.0\nHost: 127.0.0.1:1056\nConnection: close\nContent-Length: 2",
        // health checks
        "GET /healthz HTTP/1.0",
        "OPTIONS /healthz HTTP/1.0",
    ] {
        assert_eq!(stranger(head), None, "{head}");
    }
}
