use std::io::{BufRead, BufReader, Cursor, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::sync::atomic::AtomicUsize;
use std::thread::{self, JoinHandle};

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use ureq::SendBody;

use super::*;
use crate::net::fixture::server::Server;
use crate::net::fixture::{AMPLE, Authority, resolver, serve};

const BOTH: &[&[u8]] = &[tls::ALPN_H2, tls::ALPN_HTTP1];

/// An HTTP/2 server that is not ours, and an agent that trusts it.
struct World {
    server: Server,
    agent: Agent,
    lookups: Arc<AtomicUsize>,
}

impl World {
    fn new() -> Self {
        Self::with(config())
    }

    fn with(config: ConfigBuilder<AgentScope>) -> Self {
        Self::within(AMPLE, config)
    }

    fn within(within: Duration, config: ConfigBuilder<AgentScope>) -> Self {
        let authority = Authority::new();
        let server = Server::start(authority.server("push.test", BOTH));
        let lookups = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&lookups);
        let resolver = Resolver::with_lookup(move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            Ok(vec![IpAddr::from([127, 0, 0, 1])])
        });
        let connector = HttpConnector::new(authority.client(BOTH), Arc::new(resolver), within);
        Self {
            server,
            agent: agent(connector, config.build()),
            lookups,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("https://push.test:{}{path}", self.server.address.port())
    }

    fn get(&self, path: &str) -> Result<(u16, String, String), Error> {
        text(self.agent.get(self.url(path)).call()?)
    }

    fn post(
        &self,
        path: &str,
        body: impl ureq::AsSendBody,
    ) -> Result<(u16, String, String), Error> {
        text(self.agent.post(self.url(path)).send(body)?)
    }
}

/// Status, the connection that it came on, content.
fn text(mut response: ::http::Response<ureq::Body>) -> Result<(u16, String, String), Error> {
    let status = response.status().as_u16();
    let connection = response.headers().get("x-connection");
    let connection = connection.map_or("", |value| value.to_str().unwrap());
    let connection = connection.to_owned();
    let body = response.body_mut().with_config().limit(u64::MAX);
    Ok((status, connection, body.read_to_string()?))
}

fn answer(status: u16, connection: usize, content: &str) -> (u16, String, String) {
    (status, connection.to_string(), content.to_owned())
}

fn io_error(error: Error) -> io::Error {
    match error {
        Error::Io(error) => error,
        other => panic!("not an I/O error: {other:?}"),
    }
}

#[test]
fn requests_share_a_connection_and_its_name_lookup() {
    let world = World::new();
    for i in 0..5 {
        let content = format!("request {i}");
        let found = world.post("/echo", content.as_str());
        assert_eq!(found.unwrap(), answer(200, 1, &content));
    }
    assert_eq!(world.server.connections(), 1);
    assert_eq!(world.lookups.load(Ordering::SeqCst), 1);
}

#[test]
fn statuses_are_answers_not_errors() {
    let world = World::new();
    for status in [200, 204, 302, 304, 400, 404, 429, 500, 503] {
        let found = world.get(&format!("/status/{status}"));
        assert_eq!(found.unwrap(), answer(status, 1, ""));
    }
}

#[test]
fn fields_arrive_without_those_of_http1() {
    let world = World::new();
    let request = world.agent.post(world.url("/fields?a=b"));
    let request = request
        .header("Authorization", "Bearer x")
        .header("TE", "gzip");
    let request = request.header("Keep-Alive", "5").header("X-Own", "1");
    let (_, _, found) = text(request.send("hello").unwrap()).unwrap();
    let port = world.server.address.port();
    let expected = format!("POST https://push.test:{port}/fields?a=b");
    let mut lines: Vec<&str> = found.lines().collect();
    assert_eq!(lines.remove(0), expected);
    lines.sort_unstable();
    let expected = ["authorization: Bearer x", "content-length: 5", "x-own: 1"];
    assert_eq!(lines, expected);
}

#[test]
fn a_head_request_leaves_the_connection_usable() {
    let world = World::new();
    let response = world.agent.head(world.url("/length")).call().unwrap();
    assert_eq!(response.headers()["content-length"], "5");
    assert_eq!(text(response).unwrap(), answer(200, 1, ""));
    assert_eq!(world.get("/length").unwrap(), answer(200, 1, "hello"));
}

#[test]
fn large_contents_pass_both_ways_in_either_framing() {
    let world = World::new();
    let content = "0123456789abcdef".repeat(1 << 16);
    let found = world.post("/echo", content.as_str());
    assert!(found.unwrap() == answer(200, 1, &content));
    let mut reader = Cursor::new(content.as_bytes());
    let found = world.post("/echo", SendBody::from_reader(&mut reader));
    assert!(found.unwrap() == answer(200, 1, &content));
}

#[test]
fn large_heads_trailers_and_expectations_pass() {
    let world = World::new();
    let response = world.agent.get(world.url("/large-head")).call().unwrap();
    assert_eq!(response.headers()["x-59"].len(), 500);
    assert_eq!(text(response).unwrap(), answer(200, 1, ""));
    assert_eq!(world.get("/trailers").unwrap(), answer(200, 1, "hello"));
    let request = world
        .agent
        .post(world.url("/echo"))
        .header("expect", "100-continue");
    let response = request.send("hello").unwrap();
    assert_eq!(text(response).unwrap(), answer(200, 1, "hello"));
    let long = "x".repeat(BUFFER - 1024);
    let request = world.agent.get(world.url("/echo")).header("x-long", &long);
    assert_eq!(request.call().unwrap().status(), 200);
}

#[test]
fn interim_responses_are_passed_over() {
    let world = World::new();
    assert_eq!(world.get("/interim").unwrap(), answer(200, 1, ""));
}

#[test]
fn a_server_sends_no_more_than_is_asked_for() {
    let world = World::new();
    let content = "0123456789abcdef".repeat(1 << 18);
    let mut response = world.agent.post(world.url("/echo")).send(&content).unwrap();
    // Another connection, so that the server has had its time to go too far.
    assert_eq!(world.get("/echo").unwrap(), answer(200, 2, ""));
    let sent = world.server.sent.load(Ordering::SeqCst);
    assert!(sent <= 256 * 1024, "{sent} bytes sent ahead");
    let body = response.body_mut().with_config().limit(u64::MAX);
    assert!(body.read_to_string().unwrap() == content);
}

#[test]
fn limits_that_pass_have_their_names() {
    type Configure = fn(ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope>;
    const SHORT: Option<Duration> = Some(Duration::from_millis(60));
    let cases: [(Configure, &str, Timeout); 5] = [
        (|c| c.timeout_global(SHORT), "/never", Timeout::Global),
        (|c| c.timeout_per_call(SHORT), "/never", Timeout::PerCall),
        (
            |c| c.timeout_recv_response(SHORT),
            "/never",
            Timeout::RecvResponse,
        ),
        (|c| c.timeout_per_read(SHORT), "/never", Timeout::PerRead),
        (|c| c.timeout_recv_body(SHORT), "/half", Timeout::RecvBody),
    ];
    for (configure, path, expected) in cases {
        let world = World::with(configure(config()));
        let started = Instant::now();
        // Reading a body gives an io::Error with ureq's own inside.
        let found = match world.get(path).unwrap_err() {
            Error::Io(error) => error.into(),
            other => other,
        };
        assert!(
            matches!(&found, Error::Timeout(reason) if *reason == expected),
            "{expected:?}: {found:?}"
        );
        assert!(started.elapsed() < AMPLE);
    }
}

#[test]
fn an_exchange_has_its_time_from_its_connection_or_its_request_to_the_end_of_its_content() {
    for path in ["/never", "/half"] {
        let world = World::within(Duration::from_millis(100), config());
        assert_eq!(world.get("/echo").unwrap(), answer(200, 1, ""));
        let started = Instant::now();
        let found = match world.get(path).unwrap_err() {
            Error::Io(error) => error.into(),
            other => other,
        };
        assert!(
            matches!(found, Error::Timeout(Timeout::Global)),
            "{path}: {found:?}"
        );
        assert!(
            started.elapsed() >= Duration::from_millis(90),
            "its own time"
        );
        assert_eq!(world.get("/echo").unwrap(), answer(200, 2, ""));
    }
}

#[test]
fn a_call_that_timed_out_takes_its_connection_along() {
    let world = World::new();
    assert_eq!(world.get("/echo").unwrap(), answer(200, 1, ""));
    let request = world.agent.get(world.url("/never")).config();
    let short = Some(Duration::from_millis(60));
    let found = request.timeout_recv_response(short).build().call();
    assert!(
        matches!(found, Err(Error::Timeout(Timeout::RecvResponse))),
        "{found:?}"
    );
    assert_eq!(world.server.connections(), 1);
    assert_eq!(world.get("/echo").unwrap(), answer(200, 2, ""));
}

#[test]
fn a_connection_that_the_server_leaves_is_not_used_again() {
    let world = World::new();
    assert_eq!(world.get("/goaway").unwrap(), answer(200, 1, ""));
    // The GOAWAY may come after the answer: until it has, the connection is as good as any.
    let second = world.get("/echo").unwrap();
    let third = world.get("/echo").unwrap();
    assert_eq!(third, answer(200, 2, ""), "after {second:?}");
}

#[test]
fn streams_and_connections_that_break_are_errors() {
    let world = World::new();
    let error = io_error(world.get("/reset").unwrap_err());
    let text = error.to_string();
    assert!(text.contains("reset the stream: INTERNAL_ERROR"), "{text}");
    let text = io_error(world.get("/abrupt").unwrap_err()).to_string();
    assert!(text.contains("close_notify"), "{text}");
    assert_eq!(world.get("/echo").unwrap().0, 200);
}

#[test]
fn what_breaks_behind_the_head_keeps_its_reason() {
    for (path, expected) in [
        ("/half-reset", "reset the stream: INTERNAL_ERROR"),
        ("/half-reset-of-5", "reset the stream: INTERNAL_ERROR"),
        ("/half-dropped", "close_notify"),
    ] {
        let world = World::new();
        let response = world.agent.get(world.url(path)).call().unwrap();
        assert_eq!(response.status(), 200);
        world.get("/break").unwrap();
        let error = text(response).unwrap_err().to_string();
        assert!(error.contains(expected), "{path}: {error}");
        let address = world.server.address.to_string();
        assert!(error.contains(&address), "{path}: {error}");
    }
}

#[test]
fn what_breaks_behind_the_head_keeps_its_reason_in_http1() {
    for head in ["content-length: 5", "connection: close"] {
        let (breaks, is_to_break) = crossbeam_channel::bounded::<()>(0);
        let (port, thread) = serve(1, move |mut socket: TcpStream| {
            let head = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nhel");
            socket.write_all(head.as_bytes()).unwrap();
            // What it has not read makes its end a reset.
            is_to_break.recv().unwrap();
        });
        let connector = HttpConnector::new(Authority::new().client(BOTH), resolver(), AMPLE);
        let agent = agent(connector, config().timeout_global(Some(AMPLE)).build());
        let url = format!("http://push.test:{port}/");
        let response = agent.get(url).call().unwrap();
        breaks.send(()).unwrap();
        let error = text(response).unwrap_err().to_string();
        assert!(error.to_lowercase().contains("reset"), "{head}: {error}");
        thread.join().unwrap();
    }
}

#[test]
fn an_early_answer_ends_the_upload() {
    let world = World::new();
    let mut content = io::repeat(b'x').take(4 << 20);
    let found = world.post("/refuse-upload", SendBody::from_reader(&mut content));
    assert_eq!(found.unwrap(), answer(413, 1, ""));
    assert_eq!(world.get("/echo").unwrap(), answer(200, 1, ""));
}

#[test]
fn a_body_that_is_not_read_is_not_waited_for() {
    let world = World::new();
    let response = world.agent.get(world.url("/half")).call().unwrap();
    assert_eq!(response.status(), 200);
    drop(response);
    assert_eq!(world.get("/echo").unwrap(), answer(200, 2, ""));
}

#[test]
fn shutting_the_agent_down_ends_blocked_calls() {
    let world = World::new();
    let started = Instant::now();
    let blocked = {
        let (agent, url) = (world.agent.clone(), world.url("/never"));
        thread::spawn(move || agent.get(url).call().map(drop))
    };
    while world.server.connections() == 0 {
        thread::yield_now();
    }
    world.agent.shutdown();
    assert!(blocked.join().unwrap().is_err());
    assert!(started.elapsed() < AMPLE);
}

#[test]
fn connections_that_cannot_be_opened_say_why() {
    let authority = Authority::new();
    let server = Server::start(authority.server("other.test", BOTH));
    let connector = HttpConnector::new(authority.client(BOTH), resolver(), AMPLE);
    let agent = agent(connector, config().timeout_global(Some(AMPLE)).build());
    let url = format!("https://push.test:{}/", server.address.port());
    let error = io_error(agent.get(url).call().unwrap_err());
    let cause = error
        .get_ref()
        .unwrap()
        .downcast_ref::<OpenError>()
        .unwrap();
    assert_eq!(cause.stage, Stage::Tls);

    let (port, thread) = serve(0, drop);
    thread.join().unwrap();
    let error = agent
        .get(format!("http://push.test:{port}/"))
        .call()
        .unwrap_err();
    assert_eq!(io_error(error).kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn name_lookups_have_their_own_limit() {
    let (release, hang) = crossbeam_channel::bounded::<()>(0);
    let resolver = Resolver::with_lookup(move |_| {
        hang.recv().ok();
        Ok(Vec::new())
    });
    let connector = HttpConnector::new(Authority::new().client(BOTH), Arc::new(resolver), AMPLE);
    let short = Some(Duration::from_millis(30));
    let agent = agent(connector, config().timeout_resolve(short).build());
    let found = agent.get("https://push.test/").call();
    assert!(
        matches!(found, Err(Error::Timeout(Timeout::Resolve))),
        "{found:?}"
    );
    drop(release);
}

/// A server of HTTP/1.1, over TLS or not: answers each request line as `answer` says.
fn http1<F>(tls: Option<Arc<ServerConfig>>, connections: usize, answer: F) -> (u16, JoinHandle<()>)
where
    F: Fn(&str, &[u8]) -> Vec<u8> + Send + 'static,
{
    serve(connections, move |socket| match &tls {
        Some(tls) => {
            let session = ServerConnection::new(Arc::clone(tls)).unwrap();
            converse(StreamOwned::new(session, socket), &answer);
        }
        None => converse(socket, &answer),
    })
}

fn converse<S: Read + Write>(stream: S, answer: &impl Fn(&str, &[u8]) -> Vec<u8>) {
    let mut stream = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (Vec::new(), 0);
        loop {
            let mut line = String::new();
            // A client that goes without close_notify is an error here, and an end as well.
            if stream.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
            if line.trim().is_empty() {
                break;
            }
            head.push(line);
        }
        let mut content = vec![0; length];
        stream.read_exact(&mut content).unwrap();
        let bytes = answer(&head[0], &content);
        let ends = bytes.starts_with(b"HTTP/1.0");
        stream.get_mut().write_all(&bytes).unwrap();
        stream.get_mut().flush().unwrap();
        if ends {
            return;
        }
    }
}

fn echo(line: &str, content: &[u8]) -> Vec<u8> {
    let mut text = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
        content.len()
    );
    if line.starts_with("GET /chunks") {
        text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n".into();
    } else if line.starts_with("GET /close") {
        text = "HTTP/1.0 200 OK\r\n\r\nuntil the end".into();
    } else if line.starts_with("GET /junk") {
        text = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokjunk".into();
    } else if line.starts_with("HEAD") {
        text = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n".into();
    }
    [text.as_bytes(), content].concat()
}

fn http1_world(tls: bool, connections: usize) -> (Agent, String, JoinHandle<()>) {
    let authority = Authority::new();
    let server = tls.then(|| authority.server("push.test", &[tls::ALPN_HTTP1]));
    let (port, thread) = http1(server, connections, echo);
    let connector = HttpConnector::new(authority.client(BOTH), resolver(), AMPLE);
    let agent = agent(connector, config().timeout_global(Some(AMPLE)).build());
    let scheme = if tls { "https" } else { "http" };
    (agent, format!("{scheme}://push.test:{port}"), thread)
}

#[test]
fn http1_is_spoken_where_alpn_says_so_and_without_tls() {
    for tls in [true, false] {
        let (agent, url, thread) = http1_world(tls, 1);
        let content = "0123456789abcdef".repeat(1 << 16);
        let found = text(agent.post(format!("{url}/")).send(&content).unwrap()).unwrap();
        assert!(found.2 == content);
        let response = agent.head(format!("{url}/")).call().unwrap();
        assert_eq!(response.headers()["content-length"], "9");
        let found = text(agent.get(format!("{url}/chunks")).call().unwrap()).unwrap();
        assert_eq!(found.2, "hi");
        let found = text(agent.get(format!("{url}/close")).call().unwrap()).unwrap();
        assert_eq!(found.2, "until the end");
        thread.join().unwrap();
    }
}

#[test]
fn http1_connections_with_bytes_left_over_are_not_used_again() {
    let (agent, url, thread) = http1_world(true, 2);
    let found = text(agent.get(format!("{url}/junk")).call().unwrap()).unwrap();
    assert_eq!(found.2, "ok");
    let found = text(agent.get(format!("{url}/chunks")).call().unwrap()).unwrap();
    assert_eq!(found.2, "hi");
    drop(agent);
    thread.join().unwrap();
}

#[test]
fn http1_limits_pass_too() {
    let (port, thread) = serve(1, |mut socket: TcpStream| {
        socket.read_to_end(&mut Vec::new()).ok();
    });
    let connector = HttpConnector::new(Authority::new().client(BOTH), resolver(), AMPLE);
    let short = Some(Duration::from_millis(40));
    let agent = agent(connector, config().timeout_recv_response(short).build());
    let found = agent.get(format!("http://push.test:{port}/")).call();
    assert!(
        matches!(found, Err(Error::Timeout(Timeout::RecvResponse))),
        "{found:?}"
    );
    thread.join().unwrap();
}
