use std::collections::HashMap;
use std::io::{Read, Write};
use std::sync::mpsc;
use std::thread;

use rustls::ServerConfig;

use super::*;
use crate::http2::{Cause, ErrorCode, Event, Fate, Field, Indexing, StreamId};
use crate::net::fixture::server::Server;
use crate::net::fixture::{AMPLE, Authority, ample, resolver, serve};
use crate::net::readiness::Waiter;

const OPTIONS: http2::Options = http2::Options {
    streams_before_settings: 100,
    max_content: 1 << 20,
    stream_window: 65_535,
    connection_window: 1 << 20,
    max_concurrent_streams: None,
    header_table_size: 4096,
    max_header_list_size: 16_384,
};

fn endpoint(port: u16, tls: Arc<ClientConfig>) -> Endpoint {
    Endpoint {
        host: "push.test".to_owned(),
        port,
        tls,
        resolver: resolver(),
        http2: OPTIONS,
        timeouts: Timeouts {
            connect: AMPLE,
            handshake: AMPLE,
            write: AMPLE,
        },
    }
}

/// A connection and the waiter of its owner.
struct Owner {
    waiter: Waiter,
    connection: Connection,
}

impl Owner {
    fn open(endpoint: &Endpoint) -> Result<Self, OpenError> {
        let waiter = Waiter::new().unwrap();
        let connection = Connection::open(endpoint, waiter.registry())?;
        Ok(Self { waiter, connection })
    }

    fn round(&mut self) {
        self.connection.flush(Instant::now());
        if !self.connection.has_more() && !self.connection.is_closed() {
            let at = self.connection.next_timeout();
            let timeout = at.map(|at| at.saturating_duration_since(Instant::now()));
            let timeout = timeout.unwrap_or(AMPLE).min(AMPLE);
            self.waiter.wait(Some(timeout)).unwrap();
        }
        let readiness = self.waiter.readiness(self.connection.token());
        self.connection.receive_ready(readiness, Instant::now());
        self.connection.handle_timeout(Instant::now());
        self.connection.flush(Instant::now());
    }

    /// Goes on until `wanted` makes something of an event.
    fn until<T>(&mut self, mut wanted: impl FnMut(&mut Connection, Event) -> Option<T>) -> T {
        let deadline = ample();
        loop {
            while let Some(event) = self.connection.http2().poll_event() {
                if let Some(found) = wanted(&mut self.connection, event) {
                    return found;
                }
            }
            assert!(Instant::now() < deadline, "{:?}", self.connection);
            self.round();
        }
    }

    fn get(&mut self, path: &str) -> StreamId {
        self.request("GET", path, true)
    }

    fn request(&mut self, method: &str, path: &str, end_stream: bool) -> StreamId {
        let fields = [
            (":method", method),
            (":scheme", "https"),
            (":authority", "push.test"),
            (":path", path),
        ];
        let fields = fields.map(|(name, value)| Field {
            name: name.as_bytes(),
            value: value.as_bytes(),
            indexing: Indexing::Indexed,
        });
        let http2 = self.connection.http2();
        http2
            .open_request(&fields, end_stream, Instant::now())
            .unwrap()
    }

    /// The status of one stream's response.
    fn status(&mut self, wanted: StreamId) -> u16 {
        self.until(|_, event| match event {
            Event::Head { stream, fields, .. } if stream == wanted => fields.status(),
            _ => None,
        })
    }

    fn end(&mut self) -> Cause {
        self.until(|_, event| match event {
            Event::Closed { cause } => Some(cause),
            _ => None,
        })
    }
}

#[test]
fn a_name_whose_ipv6_address_does_not_answer_is_reached_over_ipv4() {
    let authority = Authority::new();
    let server = Server::start(authority.server("push.test", &[tls::ALPN_H2]));
    let mut endpoint = endpoint(server.address.port(), authority.client(&[tls::ALPN_H2]));
    // The first refuses; the second is of a prefix for documentation, which nobody routes.
    for dead in ["::1", "2001:db8::1"] {
        let dead: std::net::IpAddr = dead.parse().unwrap();
        let addresses = vec![dead, server.address.ip()];
        endpoint.resolver = Arc::new(Resolver::with_lookup(move |_| Ok(addresses.clone())));
        // Whichever address a connection begins with.
        for _ in 0..2 {
            let owner = Owner::open(&endpoint).unwrap();
            assert_eq!(owner.connection.peer_addr(), server.address);
        }
    }
}

#[test]
fn many_streams_in_flight_are_all_answered() {
    const STREAMS: usize = 150;
    let authority = Authority::new();
    let server = Server::start(authority.server("push.test", &[tls::ALPN_H2]));
    let endpoint = endpoint(server.address.port(), authority.client(&[tls::ALPN_H2]));
    let mut owner = Owner::open(&endpoint).unwrap();
    assert_eq!(owner.connection.peer_addr(), server.address);
    owner.until(|_, event| matches!(event, Event::SettingsReceived).then_some(()));
    let mut expected: HashMap<StreamId, Vec<u8>> = HashMap::new();
    for i in 0..STREAMS {
        let content = vec![u8::try_from(i).unwrap(); 4096];
        let stream = owner.request("POST", "/echo", false);
        let http2 = owner.connection.http2();
        http2.send_data(stream, &content, true).unwrap();
        expected.insert(stream, content);
    }
    let mut answers: HashMap<StreamId, Vec<u8>> = HashMap::new();
    let mut ended = 0;
    owner.until(|connection, event| {
        if let Event::Data {
            stream,
            data,
            end_stream,
        } = event
        {
            connection.http2().release(stream, data.len());
            answers.entry(stream).or_default().extend(data);
            ended += usize::from(end_stream);
        }
        (ended == STREAMS).then_some(())
    });
    assert!(
        answers == expected,
        "each answer is the echo of its request"
    );
    assert!(owner.connection.bytes_received() > (STREAMS * 4096) as u64);
}

#[test]
fn large_contents_pass_both_ways() {
    let authority = Authority::new();
    let server = Server::start(authority.server("push.test", &[tls::ALPN_H2]));
    let endpoint = endpoint(server.address.port(), authority.client(&[tls::ALPN_H2]));
    let mut owner = Owner::open(&endpoint).unwrap();
    let content: Vec<u8> = (0..=u8::MAX).cycle().take(1 << 20).collect();
    let stream = owner.request("POST", "/echo", false);
    let http2 = owner.connection.http2();
    http2.send_data(stream, &content, true).unwrap();
    let mut answer = Vec::new();
    owner.until(|connection, event| match event {
        Event::Data {
            data, end_stream, ..
        } => {
            connection.http2().release(stream, data.len());
            answer.extend(data);
            end_stream.then_some(())
        }
        _ => None,
    });
    assert!(answer == content);
}

#[test]
fn sessions_are_resumed() {
    let authority = Authority::new();
    let server = Server::start(authority.server("push.test", &[tls::ALPN_H2]));
    let endpoint = endpoint(server.address.port(), authority.client(&[tls::ALPN_H2]));
    let resumed = [(); 2].map(|()| {
        let mut owner = Owner::open(&endpoint).unwrap();
        let stream = owner.get("/echo");
        assert_eq!(owner.status(stream), 200);
        owner.connection.is_resumed()
    });
    assert_eq!(resumed, [false, true]);
}

#[test]
fn a_server_that_closes_abruptly_fails_what_is_open() {
    let authority = Authority::new();
    let server = Server::start(authority.server("push.test", &[tls::ALPN_H2]));
    let endpoint = endpoint(server.address.port(), authority.client(&[tls::ALPN_H2]));
    let mut owner = Owner::open(&endpoint).unwrap();
    let never = owner.get("/never");
    owner.get("/abrupt");
    let (fate, cause) = owner.until(|_, event| match event {
        Event::StreamFailed {
            stream,
            fate,
            cause,
        } if stream == never => Some((fate, cause)),
        _ => None,
    });
    assert_eq!((fate, cause), (Fate::Unknown, Cause::TransportClosed));
    assert_eq!(owner.end(), Cause::TransportClosed);
    assert!(owner.connection.is_closed());
    assert!(owner.connection.why_closed().is_some());
}

#[test]
fn a_drained_connection_says_goodbye() {
    let authority = Authority::new();
    let server = Server::start(authority.server("push.test", &[tls::ALPN_H2]));
    let endpoint = endpoint(server.address.port(), authority.client(&[tls::ALPN_H2]));
    let mut owner = Owner::open(&endpoint).unwrap();
    let stream = owner.get("/status/204");
    owner.connection.http2().shut_down(Instant::now());
    assert_eq!(owner.status(stream), 204);
    assert_eq!(owner.end(), Cause::ClosedByUs);
    assert!(owner.connection.is_closed());
}

fn refusal(endpoint: &Endpoint) -> OpenError {
    Owner::open(endpoint).map(|_| ()).unwrap_err()
}

#[test]
fn servers_that_we_do_not_trust_are_refused() {
    let authority = Authority::new();
    let server = Server::start(authority.server("other.test", &[tls::ALPN_H2]));
    let port = server.address.port();
    let wrong_name = refusal(&endpoint(port, authority.client(&[tls::ALPN_H2])));
    assert_eq!(wrong_name.stage, Stage::Tls);
    let expected = format!("push.test:{port}: 127.0.0.1:{port}: TLS: invalid peer certificate");
    assert!(wrong_name.text.starts_with(&expected), "{wrong_name}");
    assert!(wrong_name.text.contains("other.test"), "{wrong_name}");

    let stranger = Authority::new().client(&[tls::ALPN_H2]);
    let unknown = refusal(&endpoint(port, stranger));
    assert_eq!(unknown.stage, Stage::Tls);
    assert!(unknown.text.contains("ca_path adds one"), "{unknown}");
}

#[test]
fn servers_without_http2_are_refused() {
    let authority = Authority::new();
    let client = authority.client(&[tls::ALPN_H2]);
    for (alpn, stage) in [(&[][..], Stage::Alpn), (&[tls::ALPN_HTTP1][..], Stage::Tls)] {
        let server = Server::start(authority.server("push.test", alpn));
        let error = refusal(&endpoint(server.address.port(), Arc::clone(&client)));
        assert_eq!(error.stage, stage, "{error}");
        assert!(error.text.contains("ALPN"), "{error}");
    }
    // A client that offers both must not take HTTP/1.1 for HTTP/2.
    let server = Server::start(authority.server("push.test", &[tls::ALPN_HTTP1]));
    let both = authority.client(&[tls::ALPN_H2, tls::ALPN_HTTP1]);
    let error = refusal(&endpoint(server.address.port(), both));
    assert_eq!(error.stage, Stage::Alpn);
    assert!(error.text.contains("\"http/1.1\""), "{error}");
}

#[test]
fn servers_that_do_not_answer_or_speak_tls_are_named() {
    let client = Authority::new().client(&[tls::ALPN_H2]);
    let (port, thread) = serve(1, |mut socket| {
        socket.write_all(b"SSH-2.0-OpenSSH\r\n").unwrap();
        socket.read_to_end(&mut Vec::new()).ok();
    });
    let error = refusal(&endpoint(port, Arc::clone(&client)));
    assert_eq!(error.stage, Stage::Tls);
    assert!(error.text.contains("does not speak TLS"), "{error}");
    thread.join().unwrap();

    let (port, thread) = serve(1, |mut socket| {
        socket.read_to_end(&mut Vec::new()).ok();
    });
    let mut silent = endpoint(port, Arc::clone(&client));
    silent.timeouts.handshake = Duration::from_millis(30);
    let error = refusal(&silent);
    assert_eq!(error.stage, Stage::Tls);
    assert!(error.text.ends_with("TLS: no answer in time"), "{error}");
    thread.join().unwrap();

    let (port, thread) = serve(1, drop);
    let error = refusal(&endpoint(port, Arc::clone(&client)));
    assert_eq!(error.stage, Stage::Tls);
    thread.join().unwrap();
    let error = refusal(&endpoint(port, Arc::clone(&client)));
    assert_eq!(error.stage, Stage::Tcp);
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);

    let mut nameless = endpoint(port, client);
    nameless.resolver = Arc::new(Resolver::with_lookup(|_| Ok(Vec::new())));
    let error = refusal(&nameless);
    assert_eq!(error.stage, Stage::Resolve);
    assert!(error.text.starts_with("push.test:"), "{error}");
}

/// Serves one connection in our own server role, on a thread.
fn accept<T, F>(tls: Arc<ServerConfig>, serve: F) -> (u16, thread::JoinHandle<T>)
where
    F: FnOnce(Result<Owner, OpenError>) -> T + Send + 'static,
    T: Send + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let waiter = Waiter::new().unwrap();
        let tls = ServerConnection::new(tls).unwrap();
        let connection = Connection::accept(socket, tls, OPTIONS, waiter.registry(), AMPLE);
        serve(connection.map(|connection| Owner { waiter, connection }))
    });
    (port, thread)
}

#[test]
fn both_roles_speak_to_each_other_and_client_certificates_are_seen() {
    let authority = Authority::new();
    let (chain, key) = authority.issue("push.test");
    let roots = Some(authority.store());
    let server = tls::server_config(chain, key, roots, &[tls::ALPN_H2]).unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = authority.certify("client", &key);
    let both = certificate.pem() + &key.serialize_pem();
    let both = tls::PemFile::new(std::path::Path::new("both.pem"), both.as_bytes());
    let identity = tls::Identity::from_pem(both, both, None).unwrap();
    for identity in [None, Some(identity)] {
        let has_identity = identity.is_some();
        let (port, thread) = accept(Arc::clone(&server), |owner| {
            let mut owner = owner.unwrap();
            let stream = owner.until(|_, event| match event {
                Event::Head { stream, .. } => Some(stream),
                _ => None,
            });
            let shown = owner.connection.peer_certificates().len();
            let http2 = owner.connection.http2();
            http2.send_response(stream, 200, &[], Some(b"")).unwrap();
            owner.end();
            shown
        });
        let client = tls::client_config(&authority.roots(), identity, &[tls::ALPN_H2]).unwrap();
        let mut owner = Owner::open(&endpoint(port, client)).unwrap();
        let stream = owner.get("/");
        assert_eq!(owner.status(stream), 200);
        owner.connection.http2().close(ErrorCode::NO_ERROR);
        owner.connection.flush(Instant::now());
        assert_eq!(thread.join().unwrap(), usize::from(has_identity));
    }
}

#[test]
fn a_client_certificate_that_is_refused_is_named_as_the_cause() {
    let authority = Authority::new();
    let (chain, key) = authority.issue("push.test");
    let roots = Some(Authority::new().store());
    let server = tls::server_config(chain, key, roots, &[tls::ALPN_H2]).unwrap();
    let (port, thread) = accept(server, |owner| owner.map(|_| ()).unwrap_err());
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = authority.certify("client", &key);
    let both = certificate.pem() + &key.serialize_pem();
    let both = tls::PemFile::new(std::path::Path::new("both.pem"), both.as_bytes());
    let identity = tls::Identity::from_pem(both, both, None).unwrap();
    let client = tls::client_config(&authority.roots(), Some(identity), &[tls::ALPN_H2]).unwrap();
    // With TLS 1.3 the server judges after the client believes the handshake to be over.
    let mut owner = Owner::open(&endpoint(port, client)).unwrap();
    assert_eq!(owner.end(), Cause::TransportClosed);
    let why = owner.connection.why_closed().unwrap();
    assert!(why.contains("does not accept our certificate"), "{why}");
    let error = thread.join().unwrap();
    assert_eq!(error.stage, Stage::Tls);
    assert!(error.text.starts_with("client 127.0.0.1:"), "{error}");
}

#[test]
fn clients_without_http2_are_refused() {
    let authority = Authority::new();
    let tls = authority.server("push.test", &[tls::ALPN_H2]);
    let (port, thread) = accept(tls, |owner| owner.map(|_| ()).unwrap_err());
    let error = refusal(&endpoint(port, authority.client(&[])));
    assert_eq!(error.stage, Stage::Alpn);
    assert_eq!(thread.join().unwrap().stage, Stage::Alpn);
}

#[test]
fn a_peer_that_takes_nothing_is_given_up_at_the_write_deadline() {
    let authority = Authority::new();
    let tls = authority.server("push.test", &[tls::ALPN_H2]);
    let options = http2::Options {
        stream_window: i32::MAX as u32,
        connection_window: i32::MAX as u32,
        ..OPTIONS
    };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (done, is_done) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let waiter = Waiter::new().unwrap();
        let registry = waiter.registry();
        let tls = ServerConnection::new(tls).unwrap();
        let mut server = Connection::accept(socket, tls, options, registry, AMPLE).unwrap();
        // Opens its windows wide, and never reads again.
        server.flush(Instant::now());
        is_done.recv().ok();
    });
    let mut endpoint = endpoint(port, authority.client(&[tls::ALPN_H2]));
    endpoint.timeouts.write = Duration::from_millis(50);
    let mut owner = Owner::open(&endpoint).unwrap();
    owner.until(|_, event| matches!(event, Event::SettingsReceived).then_some(()));
    let stream = owner.request("POST", "/", false);
    // More than the sockets' buffers of both sides take.
    let content = vec![0; 64 << 20];
    let http2 = owner.connection.http2();
    http2.send_data(stream, &content, true).unwrap();
    let started = Instant::now();
    assert_eq!(owner.end(), Cause::TransportClosed);
    assert!(started.elapsed() < AMPLE);
    let why = owner.connection.why_closed().unwrap();
    assert_eq!(why, "the peer took no bytes for 0.05 s");
    drop(done);
    thread.join().unwrap();
}

#[test]
fn the_end_that_comes_with_data_is_seen_without_another_event() {
    let authority = Authority::new();
    let tls = authority.server("push.test", &[tls::ALPN_H2]);
    let (port, thread) = accept(tls, |owner| {
        let mut owner = owner.unwrap();
        let stream = owner.until(|_, event| match event {
            Event::Head { stream, .. } => Some(stream),
            _ => None,
        });
        let http2 = owner.connection.http2();
        http2.send_response(stream, 200, &[], Some(b"x")).unwrap();
        owner.connection.flush(Instant::now());
        // Dropped without GOAWAY or close_notify: data and FIN may arrive as one event.
    });
    let client = authority.client(&[tls::ALPN_H2]);
    let mut owner = Owner::open(&endpoint(port, client)).unwrap();
    let stream = owner.get("/");
    owner.connection.flush(Instant::now());
    thread.join().unwrap();
    assert_eq!(owner.status(stream), 200);
    assert_eq!(owner.end(), Cause::TransportClosed);
    let why = owner.connection.why_closed().unwrap();
    assert!(!why.is_empty());
}

#[test]
fn a_peer_is_not_listened_to_while_much_output_waits() {
    let authority = Authority::new();
    let tls = authority.server("push.test", &[tls::ALPN_H2]);
    let (spoke, has_spoken) = mpsc::channel::<()>();
    let (done, is_done) = mpsc::channel::<()>();
    let (port, thread) = accept(tls, move |owner| {
        let mut owner = owner.unwrap();
        owner.connection.flush(Instant::now());
        spoke.send(()).unwrap();
        is_done.recv().ok();
    });
    let client = authority.client(&[tls::ALPN_H2]);
    let mut owner = Owner::open(&endpoint(port, client)).unwrap();
    has_spoken.recv().unwrap();
    let http2 = owner.connection.http2();
    while http2.wants_input() {
        http2.ping([0; 8]);
    }
    let before = owner.connection.bytes_received();
    assert_eq!(owner.connection.receive(Instant::now()), 0);
    assert_eq!(owner.connection.bytes_received(), before);
    assert!(owner.connection.http2().poll_event().is_none());
    // Once it has gone out, what the peer has said is there.
    owner.connection.flush(Instant::now());
    owner.until(|_, event| matches!(event, Event::SettingsReceived).then_some(()));
    drop(done);
    thread.join().unwrap();
}
