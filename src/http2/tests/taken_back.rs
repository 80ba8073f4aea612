//! Requests that are taken back at any time, before a server that is real: it never meets what
//! makes no sense, nor what was said not to be sent.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

/// What happens next.
#[derive(Clone, Debug)]
enum Step {
    /// A request with one of some values and content of that length.
    Request(u8, Indexing, usize),
    /// The client gives up a request that it has sent, or has not.
    Reset(usize),
    TakeBack,
    Ping,
    /// So many bytes go to the server.
    Up(usize),
    /// So many go to the client.
    Down(usize),
    /// The server answers a request that it has seen, whole or not.
    Respond(usize),
    Refuse(usize),
    /// The server leaves; that is the last that it has looked at.
    GoAway(usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    let indexing = prop::sample::select(vec![
        Indexing::Indexed,
        Indexing::Indexed,
        Indexing::Literal,
        Indexing::NeverIndexed,
    ]);
    let length = prop_oneof![0..200_usize, 0..40_000_usize];
    prop_oneof![
        8 => (0..6_u8, indexing, length).prop_map(|(value, it, n)| Step::Request(value, it, n)),
        3 => (0..12_usize).prop_map(Step::Reset),
        1 => Just(Step::TakeBack),
        2 => Just(Step::Ping),
        4 => prop_oneof![0..300_usize, 0..50_000_usize].prop_map(Step::Up),
        4 => prop_oneof![0..60_usize, 0..1000_usize].prop_map(Step::Down),
        2 => (0..12_usize).prop_map(Step::Respond),
        1 => (0..12_usize).prop_map(Step::Refuse),
        1 => (0..12_usize).prop_map(Step::GoAway),
    ]
}

/// What a request says of itself, so that a server which decodes it by another table shows that.
fn value(which: u8) -> String {
    format!("value-{which}-{}", "x".repeat(usize::from(which) * 30))
}

/// A request as the client has meant it, or as the server has read it.
type Said = (String, usize);

struct Stage {
    client: Side,
    server: Connection,
    said: HashMap<StreamId, Said>,
    /// Those that the server has seen, and how much of their content.
    seen: HashMap<StreamId, Said>,
    /// In their order.
    heads: Vec<StreamId>,
    reset: HashSet<StreamId>,
    ended: HashMap<StreamId, Option<Fate>>,
    /// Whether the client has the server's SETTINGS, and the server knows.
    settings: [bool; 2],
    pings: usize,
    pongs: usize,
}

impl Stage {
    fn new(server: Options) -> Self {
        let client = Side::fresh_client(Options::default());
        let server = Connection::server(server, client.now);
        Self {
            client,
            server,
            said: HashMap::new(),
            seen: HashMap::new(),
            heads: Vec::new(),
            reset: HashSet::new(),
            ended: HashMap::new(),
            settings: [false; 2],
            pings: 0,
            pongs: 0,
        }
    }

    fn play(&mut self, step: &Step) {
        let now = self.client.now;
        let nth = |streams: &[StreamId], n: usize| streams.get(n).copied();
        let seen = |n: usize| nth(&self.heads, n);
        match *step {
            Step::Request(which, indexing, length) => {
                let text = value(which);
                let field = Field {
                    indexing,
                    ..field("x-value", &text)
                };
                let path = [Field {
                    indexing,
                    ..super::field(":path", &text)
                }];
                let (template, content) = (self.client.template, vec![which; length]);
                let client = &mut self.client.connection;
                if let Ok(id) = client.send_request(template, &path, &[field], &content, now) {
                    self.said.insert(id, (text, length));
                }
            }
            Step::Reset(n) => {
                let id = StreamId::try_from(2 * n + 1).unwrap();
                if self.said.contains_key(&id) && !self.ended.contains_key(&id) {
                    self.client.connection.reset(id, ErrorCode::CANCEL);
                    self.reset.insert(id);
                }
            }
            Step::TakeBack => {
                self.client.connection.take_back_unsent();
                let mut said = self.said.keys();
                assert!(!said.any(|id| self.client.connection.is_unsent(*id)));
            }
            Step::Ping => {
                let is_open = !self.client.connection.is_closed();
                self.client.connection.ping([3; 8]);
                self.pings += usize::from(is_open);
            }
            Step::Up(n) => self.carry_up(n),
            Step::Down(n) => self.carry_down(n),
            Step::Respond(n) => {
                if let Some(id) = seen(n) {
                    _ = self.server.send_response(id, 200, &[], None);
                    _ = self.server.send_data(id, b"done", true);
                }
            }
            Step::Refuse(n) => {
                if let Some(id) = seen(n) {
                    self.server.reset(id, ErrorCode::REFUSED_STREAM);
                }
            }
            Step::GoAway(n) => {
                let last = seen(n).unwrap_or(0);
                self.server.send_goaway(last, ErrorCode::NO_ERROR, b"");
            }
        }
        self.take_events();
    }

    fn carry_up(&mut self, n: usize) {
        let output = self.client.connection.output();
        let bytes = output[..n.min(output.len())].to_vec();
        self.client.connection.advance_output(bytes.len());
        self.server.receive(&bytes, self.client.now);
    }

    fn carry_down(&mut self, n: usize) {
        let bytes = self.server.output()[..n.min(self.server.output().len())].to_vec();
        self.server.advance_output(bytes.len());
        self.client.receive(&bytes);
    }

    fn take_events(&mut self) {
        while let Some(event) = self.server.poll_event() {
            match event {
                Event::Head { stream, fields, .. } => {
                    let text = fields.get(b"x-value").expect("a value");
                    assert_eq!(fields.get(b":path"), Some(text));
                    let text = String::from_utf8(text.to_vec()).unwrap();
                    self.seen.insert(stream, (text, 0));
                    self.heads.push(stream);
                }
                Event::Data { stream, data, .. } => {
                    self.server.release(stream, data.len());
                    self.seen.get_mut(&stream).expect("a head").1 += data.len();
                }
                Event::Closed { cause } => {
                    assert!(!matches!(cause, Cause::ConnectionError(..)), "{cause}");
                }
                Event::StreamFailed { cause, .. } => {
                    assert!(!matches!(cause, Cause::StreamError(..)), "{cause}");
                }
                Event::SettingsAcknowledged => self.settings[1] = true,
                _ => {}
            }
        }
        for event in self.client.events() {
            let (stream, fate) = match event {
                Event::StreamFailed { stream, fate, .. } => (stream, Some(fate)),
                Event::Data {
                    stream,
                    end_stream: true,
                    ..
                } => (stream, None),
                Event::Closed { cause } => {
                    assert!(!matches!(cause, Cause::ConnectionError(..)), "{cause}");
                    continue;
                }
                Event::SettingsReceived => {
                    self.settings[0] = true;
                    continue;
                }
                Event::Pong { .. } => {
                    self.pongs += 1;
                    continue;
                }
                _ => continue,
            };
            assert!(!self.reset.contains(&stream), "{stream} after our reset");
            assert_eq!(
                self.ended.insert(stream, fate),
                None,
                "{stream} ended twice"
            );
        }
    }

    /// Carries until both ends are silent.
    fn settle(&mut self) {
        while !(self.client.connection.output().is_empty() && self.server.output().is_empty()) {
            self.carry_up(usize::MAX);
            self.carry_down(usize::MAX);
            self.take_events();
        }
    }

    fn check(&mut self) {
        self.settle();
        // Nothing that was sent waits for what was not.
        let open: Vec<_> = self.said.keys().copied().collect();
        for stream in open {
            assert_eq!(self.client.connection.unsent(stream), 0, "{stream} waits");
        }
        for stream in self.heads.clone() {
            _ = self.server.send_response(stream, 200, &[], Some(b"done"));
        }
        self.settle();
        for (stream, (text, length)) in &self.said {
            let seen = self.seen.get(stream);
            if let Some((seen, content)) = seen {
                assert_eq!(seen, text, "{stream}");
                assert!(content <= length, "{stream}");
            }
            let is_reset = self.reset.contains(stream);
            match self.ended.get(stream) {
                Some(Some(Fate::NotSent)) => assert!(seen.is_none(), "{stream} was sent"),
                Some(None) => assert!(seen.is_some(), "{stream} was not sent"),
                Some(Some(_)) => {}
                None => assert!(is_reset, "{stream} has no end"),
            }
        }
        assert_eq!(self.client.connection.open_streams(), 0);
        // Whatever is about the connection has gone out.
        assert_eq!(self.settings[0], self.settings[1]);
        if !self.client.connection.is_closed() {
            assert_eq!(self.pings, self.pongs);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_taken_back_leaves_a_server_with_what_makes_sense(
        steps in prop::collection::vec(any_step(), 0..60),
        header_table_size in prop::sample::select(vec![0, 150, 4096]),
        stream_window in prop::sample::select(vec![100, 5000, 65_535]),
    ) {
        let mut stage = Stage::new(Options {
            header_table_size,
            stream_window,
            max_content: usize::MAX,
            ..Options::default()
        });
        // The server's SETTINGS come when they come.
        for step in steps {
            stage.play(&step);
        }
        stage.check();
    }
}
