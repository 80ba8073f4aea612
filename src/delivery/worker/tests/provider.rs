//! A provider that does what a test tells it: our HTTP/2 core in the server's role, over TLS.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustls::ServerConnection;

use crate::http2::{ErrorCode, Event, Options, StreamId};
use crate::net::connection::{Connection, Endpoint, Timeouts};
use crate::net::fixture::{AMPLE, Authority, resolver};
use crate::net::readiness::{Readiness, Waiter};
use crate::net::tls::ALPN_H2;

/// How long a test waits for what must come.
const SOON: Duration = Duration::from_secs(20);

/// What a connection is told to do.
pub(super) enum Order {
    /// Answers a request.
    Answer(StreamId, u16, &'static str),
    /// Takes no more streams than those up to this one.
    GoAway(StreamId),
    /// Takes no more streams at all, for that reason.
    GoAwayFor(&'static str),
    /// Did not process a request.
    Refuse(StreamId),
    /// Allows so many streams from now on.
    Limit(u32),
    /// Goes without a word.
    Drop,
}

/// A connection that was accepted.
pub(super) struct Accepted {
    /// The streams of the requests, as they come; ends with the connection.
    pub(super) requests: Receiver<StreamId>,
    pub(super) orders: Sender<Order>,
}

impl Accepted {
    /// The next request.
    pub(super) fn request(&self) -> StreamId {
        self.requests.recv_timeout(SOON).expect("no request came")
    }

    pub(super) fn order(&self, order: Order) {
        self.orders.send(order).expect("the connection is gone");
    }

    /// Waits until it has ended.
    pub(super) fn ends(&self) {
        let why = loop {
            if let Err(why) = self.requests.recv_timeout(SOON) {
                break why;
            }
        };
        assert_eq!(why, RecvTimeoutError::Disconnected);
    }
}

/// Accepts connections on a port of this host.
pub(super) struct Provider {
    pub(super) endpoint: Endpoint,
    connections: Receiver<Accepted>,
}

impl Provider {
    /// One that allows so many streams per connection.
    pub(super) fn start(streams: u32) -> Self {
        let authority = Authority::new();
        let server = authority.server("localhost", &[ALPN_H2]);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (sender, connections) = channel();
        thread::spawn(move || {
            for socket in listener.incoming() {
                let server = Arc::clone(&server);
                let (heard, requests) = channel();
                let (orders, told) = channel();
                if sender.send(Accepted { requests, orders }).is_err() {
                    return;
                }
                thread::spawn(move || {
                    let waiter = Waiter::new().unwrap();
                    let options = Options {
                        max_concurrent_streams: Some(streams),
                        ..Options::default()
                    };
                    let registry = waiter.registry();
                    let tls = ServerConnection::new(server).unwrap();
                    let accepted =
                        Connection::accept(socket.unwrap(), tls, options, registry, SOON);
                    if let Ok(connection) = accepted {
                        serve(connection, waiter, &heard, &told);
                    }
                });
            }
        });
        Self {
            endpoint: Endpoint {
                host: "localhost".to_owned(),
                port,
                tls: authority.client(&[ALPN_H2]),
                resolver: resolver(),
                http2: Options {
                    streams_before_settings: 1,
                    ..Options::default()
                },
                timeouts: Timeouts {
                    connect: AMPLE,
                    handshake: AMPLE,
                    write: AMPLE,
                },
            },
            connections,
        }
    }

    /// The next connection.
    pub(super) fn connection(&self) -> Accepted {
        self.connections
            .recv_timeout(SOON)
            .expect("no connection came")
    }

    /// A connection, if one has come.
    pub(super) fn try_connection(&self) -> Option<Accepted> {
        self.connections.try_recv().ok()
    }

    /// No connection comes that was not taken note of, as far as a test can wait for it.
    pub(super) fn has_no_more(&self) -> bool {
        let within = Duration::from_millis(200);
        self.connections.recv_timeout(within).is_err()
    }
}

fn serve(
    mut connection: Connection,
    mut waiter: Waiter,
    heard: &Sender<StreamId>,
    told: &Receiver<Order>,
) {
    while !connection.is_closed() {
        waiter.wait(Some(Duration::from_millis(2))).unwrap();
        connection.receive_ready(Readiness::UNKNOWN, Instant::now());
        while let Some(event) = connection.http2().poll_event() {
            match event {
                Event::Head { stream, .. } => {
                    let _test_is_over = heard.send(stream).is_err();
                }
                Event::Data { stream, data, .. } => connection.http2().release(stream, data.len()),
                _ => {}
            }
        }
        let http2 = connection.http2();
        match told.try_recv() {
            Ok(Order::Answer(stream, status, body)) => http2
                .send_response(stream, status, &[], Some(body.as_bytes()))
                .unwrap(),
            Ok(Order::GoAway(last)) => http2.send_goaway(last, ErrorCode::NO_ERROR, b""),
            Ok(Order::GoAwayFor(reason)) => {
                http2.send_goaway(0, ErrorCode::NO_ERROR, reason.as_bytes());
            }
            Ok(Order::Refuse(stream)) => http2.reset(stream, ErrorCode::REFUSED_STREAM),
            Ok(Order::Limit(streams)) => {
                http2.set_max_concurrent_streams(streams, Instant::now());
            }
            Ok(Order::Drop) | Err(TryRecvError::Disconnected) => return,
            Err(TryRecvError::Empty) => {}
        }
        connection.flush(Instant::now());
    }
}
