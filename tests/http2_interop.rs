//! Our HTTP/2 against one that is not ours: our client with the `h2` crate's server, its client
//! with our server, over an in-memory pipe.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::similar_names,
    reason = "all of it is a test"
)]

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use bytes::Bytes;
use sterna::http2::{
    Cause, Connection, ErrorCode, Event, Fate, Field, Indexing, Options, SendError, StreamId,
    TemplateId,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};

/// One of our ends and its half of the pipe.
struct Driven {
    http2: Connection,
    reader: ReadHalf<DuplexStream>,
    writer: WriteHalf<DuplexStream>,
}

impl Driven {
    fn new(http2: Connection, pipe: DuplexStream) -> Self {
        let (reader, writer) = tokio::io::split(pipe);
        Self {
            http2,
            reader,
            writer,
        }
    }

    /// Moves some bytes, whichever way goes first.
    async fn turn(&mut self) {
        let mut bytes = [0; 5000];
        let writes = !self.http2.output().is_empty();
        let reads = self.http2.wants_input();
        assert!(writes || reads || self.http2.is_closed());
        tokio::select! {
            written = self.writer.write(self.http2.output()), if writes => match written {
                Ok(n) => self.http2.advance_output(n),
                Err(_) => self.http2.transport_closed(),
            },
            read = self.reader.read(&mut bytes), if reads => match read {
                Ok(0) | Err(_) => self.http2.transport_closed(),
                Ok(n) => self.http2.receive(&bytes[..n], Instant::now()),
            },
        }
    }

    /// Hands over what is left after the end.
    async fn finish(mut self) {
        while !self.http2.output().is_empty() {
            self.turn().await;
        }
        drop(self.writer.shutdown().await);
    }
}

fn field<'a>(name: &'a str, value: &'a str) -> Field<'a> {
    Field {
        name: name.as_bytes(),
        value: value.as_bytes(),
        indexing: Indexing::Indexed,
    }
}

fn options() -> Options {
    Options {
        max_content: usize::MAX,
        ..Options::default()
    }
}

fn content(index: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251 + index) as u8).collect()
}

/// Runs both ends on one thread until ours is done.
fn run(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let tasks = tokio::task::LocalSet::new();
    let limit = std::time::Duration::from_secs(60);
    tasks
        .block_on(&runtime, async {
            tokio::time::timeout(limit, future).await
        })
        .expect("no end in 60 s");
}

// Our client.

/// An `h2` server that echoes each request's content, its path in a field, and a trailer.
async fn echo(pipe: DuplexStream, builder: h2::server::Builder, requests: Option<usize>) {
    let mut connection = builder.handshake::<_, Bytes>(pipe).await.unwrap();
    let mut taken = 0;
    while let Some(accepted) = connection.accept().await {
        let Ok((request, respond)) = accepted else {
            return;
        };
        tokio::task::spawn_local(echo_one(request, respond));
        taken += 1;
        if requests == Some(taken) {
            connection.graceful_shutdown();
        }
    }
}

async fn echo_one(
    request: http::Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
) {
    let path = request.uri().path().to_owned();
    if path.starts_with("/refuse") {
        respond.send_reset(h2::Reason::REFUSED_STREAM);
        return;
    }
    let length = request.headers().get("content-length").cloned();
    let mut body = request.into_body();
    let head = http::Response::builder().header("path", path);
    let head = head.header("length", length.expect("a content-length"));
    let Ok(mut send) = respond.send_response(head.body(()).unwrap(), false) else {
        return;
    };
    while let Some(data) = body.data().await {
        let Ok(mut data) = data else { return };
        drop(body.flow_control().release_capacity(data.len()));
        while !data.is_empty() {
            send.reserve_capacity(data.len());
            let Some(Ok(n)) = std::future::poll_fn(|context| send.poll_capacity(context)).await
            else {
                return;
            };
            let n = n.min(data.len());
            if send.send_data(data.split_to(n), false).is_err() {
                return;
            }
        }
    }
    let trailers = [("sum".parse().unwrap(), "1".parse().unwrap())];
    let trailers: http::HeaderMap = trailers.into_iter().collect::<http::HeaderMap<_>>();
    drop(send.send_trailers(trailers));
}

/// What one request of ours came to.
#[derive(Debug, Default)]
struct Answer {
    path: Vec<u8>,
    content: Vec<u8>,
    trailers: bool,
    failed: Option<(Fate, Cause)>,
}

/// Our client, its requests by stream, and what came of them.
struct Client {
    driven: Driven,
    template: TemplateId,
    answers: HashMap<StreamId, Answer>,
    open: usize,
    settings_received: bool,
    closed: Option<Cause>,
}

impl Client {
    fn new(pipe: DuplexStream) -> Self {
        let mut http2 = Connection::client(options(), Instant::now());
        let pseudo = [
            field(":method", "POST"),
            field(":scheme", "http"),
            field(":authority", "localhost"),
        ];
        let fields = [field("authorization", "bearer abcdefghijklmnopqrstuvwxyz")];
        let template = http2.add_template(&pseudo, &fields).unwrap();
        Self {
            driven: Driven::new(http2, pipe),
            template,
            answers: HashMap::new(),
            open: 0,
            settings_received: false,
            closed: None,
        }
    }

    fn request(&mut self, path: &str, content: &[u8]) -> Result<StreamId, SendError> {
        let pseudo = [Field {
            indexing: Indexing::Literal,
            ..field(":path", path)
        }];
        let now = Instant::now();
        let http2 = &mut self.driven.http2;
        let stream = http2.send_request(self.template, &pseudo, &[], content, now)?;
        self.answers.insert(stream, Answer::default());
        self.open += 1;
        Ok(stream)
    }

    async fn turn(&mut self) {
        self.driven.turn().await;
        while let Some(event) = self.driven.http2.poll_event() {
            let Some(stream) = event.stream() else {
                match event {
                    Event::Closed { cause } => self.closed = Some(cause),
                    Event::SettingsReceived => self.settings_received = true,
                    _ => {}
                }
                continue;
            };
            let answer = self.answers.get_mut(&stream).unwrap();
            let ended = match event {
                Event::Head {
                    fields, end_stream, ..
                } => {
                    assert_eq!(fields.status(), Some(200));
                    answer.path = fields.get(b"path").unwrap().to_vec();
                    end_stream
                }
                Event::Data {
                    data, end_stream, ..
                } => {
                    self.driven.http2.release(stream, data.len());
                    answer.content.extend(data);
                    end_stream
                }
                Event::Trailers { fields, .. } => {
                    answer.trailers = fields.get(b"sum") == Some(b"1");
                    true
                }
                Event::StreamFailed { fate, cause, .. } => {
                    answer.failed = Some((fate, cause));
                    true
                }
                other => panic!("{other:?}"),
            };
            self.open -= usize::from(ended);
        }
    }
}

fn our_client_echoes(server: h2::server::Builder, pipe: usize, requests: usize, largest: usize) {
    run(async move {
        let (near, far) = tokio::io::duplex(pipe);
        tokio::task::spawn_local(echo(far, server, None));
        let mut client = Client::new(near);
        // The h2 crate never gives back what came before its smaller window was acknowledged.
        while !client.settings_received {
            client.turn().await;
        }
        let mut sent = HashMap::new();
        while sent.len() < requests || client.open > 0 {
            while sent.len() < requests && client.driven.http2.available_streams() > 0 {
                let index = sent.len();
                let length = index * 7919 % (largest + 1);
                let path = format!("/{index}");
                let stream = client.request(&path, &content(index, length)).unwrap();
                sent.insert(stream, (index, length));
            }
            client.turn().await;
            assert_eq!(client.closed, None);
        }
        for (stream, answer) in &client.answers {
            let (index, length) = sent[stream];
            assert_eq!(answer.failed, None);
            assert_eq!(answer.path, format!("/{index}").into_bytes());
            assert!(answer.content == content(index, length));
            assert!(answer.trailers);
        }
        client.driven.http2.shut_down(Instant::now());
        client.driven.finish().await;
    });
}

#[test]
fn our_client_sends_thousands_of_short_requests() {
    our_client_echoes(h2::server::Builder::new(), 0x1_0000, 3000, 300);
}

#[test]
fn our_client_sends_large_bodies() {
    our_client_echoes(h2::server::Builder::new(), 0x1_0000, 20, 700_000);
}

#[test]
fn our_client_obeys_small_windows_and_few_streams() {
    let mut server = h2::server::Builder::new();
    server
        .initial_window_size(700)
        .max_concurrent_streams(100)
        .max_frame_size(0x4000);
    our_client_echoes(server, 1000, 200, 9000);
}

#[test]
fn our_client_takes_large_frames_sizes_and_windows() {
    let mut server = h2::server::Builder::new();
    server
        .initial_window_size(0x10_0000)
        .initial_connection_window_size(0x100_0000)
        .max_frame_size(0xff_ffff);
    our_client_echoes(server, 0x1_0000, 20, 700_000);
}

#[test]
fn our_client_hears_of_a_refusal() {
    run(async {
        let (near, far) = tokio::io::duplex(0x1_0000);
        tokio::task::spawn_local(echo(far, h2::server::Builder::new(), None));
        let mut client = Client::new(near);
        let refused = client.request("/refuse", b"x").unwrap();
        let echoed = client.request("/echo", b"x").unwrap();
        while client.open > 0 {
            client.turn().await;
        }
        let cause = Cause::ResetByPeer(ErrorCode::REFUSED_STREAM);
        assert_eq!(
            client.answers[&refused].failed,
            Some((Fate::NotProcessed, cause))
        );
        assert_eq!(client.answers[&echoed].failed, None);
    });
}

#[test]
fn our_client_finishes_what_a_leaving_server_took_and_knows_what_it_did_not() {
    run(async {
        let (near, far) = tokio::io::duplex(500);
        tokio::task::spawn_local(echo(far, h2::server::Builder::new(), Some(10)));
        let mut client = Client::new(near);
        let mut failed = VecDeque::new();
        for index in 0..100 {
            client.request(&format!("/{index}"), b"content").unwrap();
        }
        while client.closed.is_none() {
            client.turn().await;
        }
        assert_eq!(client.closed, Some(Cause::GoAway(ErrorCode::NO_ERROR)));
        let mut answered = 0;
        for (stream, answer) in &client.answers {
            match answer.failed {
                None => answered += 1,
                Some((fate, _)) => {
                    // Above the last stream, or never written.
                    assert_ne!(fate, Fate::Unknown);
                    failed.push_back(*stream);
                }
            }
        }
        assert!(answered >= 10, "{answered}");
        assert_eq!(answered + failed.len(), 100);
    });
}

// Our server.

/// Our server: echoes each request's content in one of three ways.
async fn our_echo(pipe: DuplexStream, options: Options, leave_after: Option<usize>) {
    let mut driven = Driven::new(Connection::server(options, Instant::now()), pipe);
    let mut bodies: HashMap<StreamId, Vec<u8>> = HashMap::new();
    let mut taken = 0;
    while !driven.http2.is_closed() {
        driven.turn().await;
        while let Some(event) = driven.http2.poll_event() {
            let ended = match event {
                Event::Head {
                    stream, end_stream, ..
                } => {
                    bodies.insert(stream, Vec::new());
                    taken += 1;
                    if leave_after == Some(taken) {
                        driven.http2.shut_down(Instant::now());
                    }
                    (stream, end_stream)
                }
                Event::Data {
                    stream,
                    data,
                    end_stream,
                } => {
                    driven.http2.release(stream, data.len());
                    bodies.entry(stream).or_default().extend(data);
                    (stream, end_stream)
                }
                Event::Trailers { stream, .. } => (stream, true),
                Event::StreamFailed { stream, .. } => {
                    bodies.remove(&stream);
                    continue;
                }
                _ => continue,
            };
            if let (stream, true) = ended {
                let body = bodies.remove(&stream).unwrap();
                our_answer(&mut driven.http2, stream, &body);
            }
        }
    }
    driven.finish().await;
}

fn our_answer(http2: &mut Connection, stream: StreamId, body: &[u8]) {
    let fields = [field("server", "ours")];
    if stream % 4 == 1 {
        http2
            .send_response(stream, 200, &fields, Some(body))
            .unwrap();
        return;
    }
    http2.send_interim(stream, 103).unwrap();
    http2.send_response(stream, 200, &fields, None).unwrap();
    let (first, second) = body.split_at(body.len() / 2);
    http2.send_data(stream, first, false).unwrap();
    http2.send_data(stream, second, false).unwrap();
    http2.send_trailers(stream, &[field("sum", "1")]).unwrap();
}

/// A request of the `h2` client; its echoed content.
async fn ask(
    sender: h2::client::SendRequest<Bytes>,
    body: Vec<u8>,
    trailers: bool,
) -> Result<Vec<u8>, h2::Error> {
    let request = http::Request::post("http://localhost/x").body(()).unwrap();
    let mut sender = sender.ready().await?;
    let (response, mut send) = sender.send_request(request, false)?;
    let sending = async move {
        let mut body = Bytes::from(body);
        while !body.is_empty() {
            send.reserve_capacity(body.len());
            let n = std::future::poll_fn(|context| send.poll_capacity(context)).await;
            let n = n.expect("a stream")?.min(body.len());
            send.send_data(body.split_to(n), false)?;
        }
        if trailers {
            return send.send_trailers(http::HeaderMap::new());
        }
        send.send_data(Bytes::new(), true)
    };
    let receiving = async {
        let response = response.await?;
        assert_eq!(response.headers()["server"], "ours");
        let mut body = response.into_body();
        let mut bytes = Vec::new();
        while let Some(data) = body.data().await {
            let data = data?;
            body.flow_control().release_capacity(data.len())?;
            bytes.extend_from_slice(&data);
        }
        body.trailers().await?;
        Ok(bytes)
    };
    let (sent, received) = tokio::join!(sending, receiving);
    sent.and(received)
}

fn our_server_echoes(
    client: h2::client::Builder,
    options: Options,
    pipe: usize,
    requests: usize,
    largest: usize,
) {
    run(async move {
        let (near, far) = tokio::io::duplex(pipe);
        let server = tokio::task::spawn_local(our_echo(far, options, None));
        let (sender, connection) = client.handshake::<_, Bytes>(near).await.unwrap();
        tokio::task::spawn_local(connection);
        let mut asked = Vec::new();
        for index in 0..requests {
            let body = content(index, index * 7919 % (largest + 1));
            let ask = ask(sender.clone(), body.clone(), index % 3 == 0);
            asked.push((body, tokio::task::spawn_local(ask)));
        }
        for (body, answer) in asked {
            assert!(answer.await.unwrap().unwrap() == body);
        }
        drop(sender);
        server.await.unwrap();
    });
}

#[test]
fn our_server_answers_thousands_of_short_requests() {
    let options = Options {
        max_concurrent_streams: Some(100),
        ..options()
    };
    our_server_echoes(h2::client::Builder::new(), options, 0x1_0000, 2000, 300);
}

#[test]
fn our_server_takes_and_sends_large_bodies() {
    let mut client = h2::client::Builder::new();
    client.initial_window_size(0x2_0000).max_frame_size(0x8000);
    our_server_echoes(client, options(), 0x1_0000, 20, 700_000);
}

#[test]
fn our_server_holds_small_windows_and_a_table_of_zero() {
    let mut client = h2::client::Builder::new();
    client.initial_window_size(600).header_table_size(0);
    let options = Options {
        stream_window: 500,
        header_table_size: 0,
        max_concurrent_streams: Some(10),
        ..options()
    };
    our_server_echoes(client, options, 1000, 200, 9000);
}

#[test]
fn our_leaving_server_finishes_what_it_took() {
    run(async {
        let (near, far) = tokio::io::duplex(500);
        let server = tokio::task::spawn_local(our_echo(far, options(), Some(10)));
        let (sender, connection) = h2::client::handshake(near).await.unwrap();
        tokio::task::spawn_local(connection);
        let asks: Vec<_> = (0..100)
            .map(|index| {
                let body = content(index, 50);
                tokio::task::spawn_local(ask(sender.clone(), body, false))
            })
            .collect();
        let mut answered = 0;
        for (index, answer) in asks.into_iter().enumerate() {
            match answer.await.unwrap() {
                Ok(body) => {
                    assert!(body == content(index, 50));
                    answered += 1;
                }
                Err(error) => assert_ne!(error.reason(), Some(h2::Reason::PROTOCOL_ERROR)),
            }
        }
        assert!(answered >= 10, "{answered}");
        drop(sender);
        server.await.unwrap();
    });
}
