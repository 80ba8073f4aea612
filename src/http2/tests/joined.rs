//! Client and server joined in memory, their bytes cut at random places.

use std::collections::HashMap;
use std::time::Instant;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::super::{Connection, Event, Options, StreamId};
use super::{field, frames};

/// Two ends and the bytes between them.
struct Pair {
    client: Connection,
    server: Connection,
    now: Instant,
    /// Cuts the bytes; a seed reproduces a run.
    seed: u64,
}

impl Pair {
    fn new(client: Options, server: Options, seed: u64) -> Self {
        let now = Instant::now();
        Self {
            client: Connection::client(client, now),
            server: Connection::server(server, now),
            now,
            seed,
        }
    }

    /// A number below `bound`, another each time.
    fn random(&mut self, bound: usize) -> usize {
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.seed >> 33) as usize % bound
    }

    /// Carries some bytes in each direction; false if there are none.
    fn carry(&mut self) -> bool {
        let up = (self.random(4000) + 1).min(self.client.output().len());
        let bytes = self.client.output()[..up].to_vec();
        self.client.advance_output(up);
        self.server.receive(&bytes, self.now);
        let down = (self.random(4000) + 1).min(self.server.output().len());
        let bytes = self.server.output()[..down].to_vec();
        self.server.advance_output(down);
        self.client.receive(&bytes, self.now);
        up + down > 0
    }

    /// Carries until both ends are silent; a server in the tests' hands answers nothing.
    fn settle(&mut self) {
        while self.carry() {}
    }
}

/// What a stream has brought.
#[derive(Default)]
struct Message {
    content: Vec<u8>,
    ended: u32,
}

fn collect(
    connection: &mut Connection,
    messages: &mut HashMap<StreamId, Message>,
) -> Vec<StreamId> {
    let mut ended = Vec::new();
    while let Some(event) = connection.poll_event() {
        let end = match event {
            Event::Head {
                stream, end_stream, ..
            } => (stream, end_stream),
            Event::Data {
                stream,
                data,
                end_stream,
            } => {
                connection.release(stream, data.len());
                messages.entry(stream).or_default().content.extend(data);
                (stream, end_stream)
            }
            Event::Trailers { stream, .. } => (stream, true),
            Event::StreamFailed { stream, cause, .. } => panic!("{stream}: {cause}"),
            Event::Closed { cause } => panic!("{cause}"),
            _ => continue,
        };
        if end.1 {
            messages.entry(end.0).or_default().ended += 1;
            ended.push(end.0);
        }
    }
    ended
}

/// Content that shows its stream and its place.
fn content(stream: usize, length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + stream * 13) as u8).collect()
}

fn exchange(requests: usize, largest: usize, client: Options, server: Options, seed: u64) {
    let mut pair = Pair::new(client, server, seed);
    let template = pair
        .client
        .add_template(
            &[
                field(":method", "POST"),
                field(":scheme", "https"),
                field(":authority", "a"),
            ],
            &[field("authorization", "bearer x")],
        )
        .unwrap();
    let (mut asked, mut answered) = (HashMap::new(), HashMap::new());
    let mut lengths = HashMap::new();
    while answered.values().filter(|m: &&Message| m.ended > 0).count() < requests {
        while lengths.len() < requests && pair.client.available_streams() > 0 {
            let length = pair.random(largest);
            let body = content(lengths.len(), length);
            let path = format!("/{}", lengths.len());
            let stream = pair
                .client
                .send_request(template, &[field(":path", &path)], &[], &body, pair.now)
                .unwrap();
            lengths.insert(stream, (lengths.len(), length));
        }
        let progress = pair.carry();
        let complete = collect(&mut pair.server, &mut asked);
        for stream in &complete {
            let (_, length) = lengths[stream];
            let body = content(length, length / 2);
            match pair.random(3) {
                0 => pair
                    .server
                    .send_response(*stream, 200, &[], Some(&body))
                    .unwrap(),
                1 => {
                    pair.server.send_interim(*stream, 103).unwrap();
                    pair.server.send_response(*stream, 200, &[], None).unwrap();
                    let (first, second) = body.split_at(body.len() / 3);
                    pair.server.send_data(*stream, first, false).unwrap();
                    pair.server.send_data(*stream, second, true).unwrap();
                }
                _ => {
                    pair.server.send_response(*stream, 200, &[], None).unwrap();
                    pair.server.send_data(*stream, &body, false).unwrap();
                    pair.server
                        .send_trailers(*stream, &[field("sum", "1")])
                        .unwrap();
                }
            }
        }
        let ended = collect(&mut pair.client, &mut answered);
        assert!(
            progress || !complete.is_empty() || !ended.is_empty(),
            "stalled, seed {seed}"
        );
    }
    pair.settle();
    for (stream, (index, length)) in &lengths {
        assert_eq!(asked[stream].content, content(*index, *length));
        assert_eq!(answered[stream].content, content(*length, length / 2));
        assert_eq!((asked[stream].ended, answered[stream].ended), (1, 1));
    }
    assert_eq!(
        (pair.client.open_streams(), pair.server.open_streams()),
        (0, 0)
    );
    // All credit is back but what is less than half of the window, and no more than all.
    for end in [&pair.client, &pair.server] {
        assert!((0x8_0001..=0x10_0000).contains(&end.send_window()));
    }
    pair.client.shut_down(pair.now);
    pair.settle();
    assert!(pair.client.is_closed());
    assert!(frames(pair.client.output()).is_empty());
}

fn limited(streams: u32) -> Options {
    Options {
        streams_before_settings: streams,
        max_concurrent_streams: Some(streams),
        max_content: usize::MAX,
        ..Options::default()
    }
}

#[test]
fn thousands_of_short_requests_are_answered() {
    exchange(5000, 600, limited(100), limited(100), 1);
}

#[test]
fn bodies_beyond_every_window_arrive_whole() {
    exchange(60, 400_000, limited(10), limited(10), 2);
}

#[test]
fn tiny_windows_lose_nothing() {
    let tiny = Options {
        stream_window: 10,
        ..limited(20)
    };
    exchange(300, 2000, tiny.clone(), tiny, 3);
}

#[test]
fn random_exchanges_end_each_stream_once() {
    let config = Config {
        cases: 16,
        failure_persistence: None,
        ..Config::default()
    };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let strategy = (
        1..80_usize,
        1..30_000_usize,
        1..50_u32,
        1..100_000_u32,
        any::<u64>(),
    );
    TestRunner::new_with_rng(config, rng)
        .run(&strategy, |(requests, largest, streams, window, seed)| {
            let options = Options {
                stream_window: window,
                ..limited(streams)
            };
            exchange(requests, largest, options.clone(), options, seed);
            Ok(())
        })
        .unwrap();
}
