//! Whatever comes: no panic, no growth beyond bounds, each stream ends once.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::output::OUTPUT_MAX;
use super::*;

/// Frames that a peer might send, legal or not.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let payload = prop_oneof![
        Just(OK_200.to_vec()),
        Just(GET.to_vec()),
        Just(POST.to_vec()),
        Just(literal("a", "b")),
        Just(vec![]),
        Just(vec![0, 0, 0, 1]),
        Just(vec![0x7f, 0xff, 0xff, 0xff]),
        Just(vec![0; 8]),
        Just(vec![0, 4, 0, 0, 0, 9]),
        Just(vec![0, 4, 0x7f, 0xff, 0xff, 0xff]),
        Just(vec![0, 3, 0, 0, 0, 1]),
        proptest::collection::vec(any::<u8>(), 0..40),
        Just(vec![0; 9000]),
    ];
    let flags = prop_oneof![Just(0), Just(1), Just(4), Just(5), Just(0xc), any::<u8>()];
    (0..12_u8, flags, 0..12_u32, payload).prop_map(|(kind, flags, stream, payload)| {
        let stream = if matches!(kind, SETTINGS | PING | GOAWAY) && stream > 1 {
            0
        } else {
            stream
        };
        frame(kind, flags, stream, &payload)
    })
}

/// What the caller might do in between.
#[derive(Clone, Debug)]
enum Step {
    Receive(Vec<u8>),
    Request(usize),
    Respond(StreamId, u16, usize),
    Data(StreamId, usize, bool),
    Trailers(StreamId),
    Reset(StreamId),
    Release(StreamId, usize),
    Take(usize),
    Ping,
    ShutDown,
    Wait,
}

fn any_step() -> impl Strategy<Value = Step> {
    let stream = 0..12_u32;
    prop_oneof![
        12 => any_frame().prop_map(Step::Receive),
        2 => proptest::collection::vec(any::<u8>(), 0..30).prop_map(Step::Receive),
        4 => (0..90_000_usize).prop_map(Step::Request),
        2 => (stream.clone(), 100..600_u16, 0..90_000_usize)
            .prop_map(|(s, c, n)| Step::Respond(s, c, n)),
        2 => (stream.clone(), 0..90_000_usize, any::<bool>())
            .prop_map(|(s, n, e)| Step::Data(s, n, e)),
        1 => stream.clone().prop_map(Step::Trailers),
        1 => stream.clone().prop_map(Step::Reset),
        2 => (stream, 0..20_000_usize).prop_map(|(s, n)| Step::Release(s, n)),
        4 => (0..100_000_usize).prop_map(Step::Take),
        1 => Just(Step::Ping),
        1 => Just(Step::ShutDown),
        1 => Just(Step::Wait),
    ]
}

/// Watches that each stream ends once, and after nothing but the connection's end.
#[derive(Default)]
struct Watch {
    /// Streams opened, and how often each has ended.
    streams: HashMap<StreamId, u32>,
    reset: Vec<StreamId>,
    closed: u32,
}

impl Watch {
    fn events(&mut self, end: &mut Side, client: bool) {
        for event in end.events() {
            assert_eq!(self.closed, 0, "{event:?} after the end");
            if let Some(stream) = event.stream() {
                assert!(!self.reset.contains(&stream), "{event:?} after our reset");
                if !client {
                    self.streams.entry(stream).or_default();
                }
                let ends = match event {
                    Event::Head { end_stream, .. } | Event::Data { end_stream, .. } => end_stream,
                    Event::Trailers { .. } | Event::StreamFailed { .. } => true,
                    _ => false,
                };
                let count = self
                    .streams
                    .get_mut(&stream)
                    .expect("a stream that was opened");
                assert_eq!(*count, 0, "{event:?} after the stream's end");
                *count += u32::from(ends);
            }
            self.closed += u32::from(matches!(event, Event::Closed { .. }));
        }
    }
}

fn play(mut end: Side, client: bool, steps: Vec<Step>) {
    let mut watch = Watch::default();
    for step in steps {
        match step {
            Step::Receive(bytes) => {
                for piece in bytes.chunks(5000) {
                    if end.connection.wants_input() {
                        end.receive(piece);
                    }
                }
            }
            Step::Request(length) => {
                let path = [field(":path", "/")];
                let content = vec![0; length];
                if let Ok(stream) =
                    end.connection
                        .send_request(end.template, &path, &[], &content, end.now)
                {
                    watch.streams.insert(stream, 0);
                }
            }
            Step::Respond(stream, status, length) => {
                let content = vec![0; length];
                let content = (length % 3 > 0).then_some(&content[..]);
                _ = end
                    .connection
                    .send_response(stream, status, &[field("a", "b")], content);
            }
            Step::Data(stream, length, end_stream) => {
                _ = end
                    .connection
                    .send_data(stream, &vec![0; length], end_stream);
            }
            Step::Trailers(stream) => _ = end.connection.send_trailers(stream, &[field("a", "b")]),
            Step::Reset(stream) => {
                end.connection.reset(stream, ErrorCode::CANCEL);
                if stream <= end.connection.highest_stream() {
                    watch.reset.push(stream);
                }
            }
            Step::Release(stream, n) => end.connection.release(stream, n),
            Step::Take(n) => end.connection.advance_output(n),
            Step::Ping => end.connection.ping([1; 8]),
            Step::ShutDown => {
                let now = end.now;
                end.connection.shut_down(now);
            }
            Step::Wait => end.pass(Duration::from_secs(1)),
        }
        watch.events(&mut end, client);
        // Twelve requests with a frame of content each, on top of what holds content back.
        let bound = OUTPUT_MAX + 0x5000 * 12 + 0x4000;
        assert!(
            end.connection.output().len() <= bound,
            "{}",
            end.connection.output().len()
        );
    }
    end.connection.transport_closed();
    watch.events(&mut end, client);
    assert_eq!(watch.closed, 1);
    assert_eq!(end.connection.open_streams(), 0);
    for (stream, ends) in watch.streams {
        assert!(
            ends == 1 || watch.reset.contains(&stream),
            "{stream} ended {ends} times"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_frames_and_calls_end_each_stream_once(steps in proptest::collection::vec(any_step(), 0..60)) {
        play(Side::client_with(Options::default(), &[(3, 6)]), true, steps.clone());
        let options = Options { max_concurrent_streams: Some(6), ..Options::default() };
        play(Side::server_with(options, &[]), false, steps);
    }

    #[test]
    fn random_bytes_from_the_first_on_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let mut client = Side::fresh_client(Options::default());
        client.request(b"x");
        client.receive(&bytes);
        let mut server = Side::fresh_server(Options::default());
        server.receive(CLIENT_PREFACE);
        server.receive(&bytes);
        let mut settled = Side::client();
        settled.request(b"x");
        settled.receive(&bytes);
    }

    #[test]
    fn a_mutated_conversation_never_panics(
        mutations in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in 1..500_usize,
    ) {
        let mut bytes = conversation();
        for (at, byte) in mutations {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let mut end = Side::fresh_server(Options::default());
        let mut watch = Watch::default();
        for piece in bytes.chunks(cut) {
            end.receive(piece);
            watch.events(&mut end, false);
        }
        end.connection.transport_closed();
        watch.events(&mut end, false);
        prop_assert_eq!(watch.closed, 1);
        prop_assert!(watch.streams.values().all(|ends| *ends == 1));
    }
}

/// What a client of ours sends in a few requests.
fn conversation() -> Vec<u8> {
    let mut end = Side::fresh_client(Options::default());
    for length in [0, 3, 20_000] {
        end.request(&vec![b'x'; length]);
    }
    let stream = end.open("POST", false);
    end.connection.send_data(stream, b"abc", false).unwrap();
    end.connection
        .send_trailers(stream, &[field("a", "b")])
        .unwrap();
    end.connection.ping([0; 8]);
    end.connection.reset(3, ErrorCode::CANCEL);
    end.connection.output().to_vec()
}
