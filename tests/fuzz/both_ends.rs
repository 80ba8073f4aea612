//! Our two ends joined: whatever both of them legally do, neither takes the other for broken, and
//! everything arrives. And the same with bytes that are tampered with on their way.

use std::collections::BTreeMap;
use std::time::Instant;

use sterna::http2::{Cause, Connection, ErrorCode, Event, Options, TemplateId};

use crate::dice::Dice;
use crate::one_end::{field, template};
use crate::watch::Watch;
use crate::{play, tamper};

/// Rounds in which all that is under way arrives.
const ROUNDS: usize = 100_000;

/// One end, and what it was given to say and has heard, by stream.
struct Side {
    end: Connection,
    watch: Watch,
    said: BTreeMap<u32, Message>,
    heard: BTreeMap<u32, Message>,
}

#[derive(Debug, Default)]
struct Message {
    content: Vec<u8>,
    /// A head was given or came.
    has_head: bool,
    ended: bool,
}

struct Pair<'a> {
    client: Side,
    server: Side,
    /// Bytes on their way, to the server and to the client.
    up: Vec<u8>,
    down: Vec<u8>,
    template: TemplateId,
    now: Instant,
    /// Of a thousand deliveries, so many are tampered with; and whether one was.
    tampers: u64,
    is_tampered: bool,
    /// A stream was reset, or an end leaves: not all of it will be answered.
    is_cut: bool,
    dice: &'a mut Dice,
}

#[test]
fn two_ends_of_ours_agree() {
    play("two_ends_of_ours_agree", 200, |dice| run(0, dice));
}

#[test]
fn two_ends_survive_what_tampers_with_them() {
    play("two_ends_survive_what_tampers_with_them", 300, |dice| {
        run(30, dice);
    });
}

fn run(tampers: u64, dice: &mut Dice) {
    let now = Instant::now();
    let [of_client, of_server] = [(); 2].map(|()| Options {
        streams_before_settings: dice.one_of(&[1, 100]),
        max_content: usize::MAX,
        stream_window: dice.one_of(&[100, 65_535, 1 << 20]),
        connection_window: dice.one_of(&[65_535, 1 << 20]),
        max_concurrent_streams: dice.one_of(&[None, Some(1), Some(7), Some(200)]),
        header_table_size: dice.one_of(&[0, 64, 4096, 65_536]),
        ..Options::default()
    });
    let mut client = Connection::client(of_client, now);
    let template = template(&mut client);
    let side = |end, is_client| Side {
        end,
        watch: Watch::new(is_client, 1000),
        said: BTreeMap::new(),
        heard: BTreeMap::new(),
    };
    let mut pair = Pair {
        client: side(client, true),
        server: side(Connection::server(of_server, now), false),
        up: Vec::new(),
        down: Vec::new(),
        template,
        now,
        tampers,
        is_tampered: false,
        is_cut: false,
        dice,
    };
    for _ in 0..pair.dice.between(1, 150) {
        pair.step();
        pair.look();
    }
    pair.settle();
    let Pair {
        client,
        server,
        dice,
        ..
    } = pair;
    client.watch.end(client.end, dice);
    server.watch.end(server.end, dice);
}

/// Content that shows its place.
fn content(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| at.to_le_bytes()[0] ^ at.to_le_bytes()[1])
        .collect()
}

impl Pair<'_> {
    fn step(&mut self) {
        match self.dice.between(0, 24) {
            0..=5 => self.request(),
            6..=9 => self.answer(),
            10 => self.say_more(true),
            11 => self.say_more(false),
            12..=19 => self.carry(),
            20 => {
                let side = if self.dice.chance(500) {
                    &mut self.client
                } else {
                    &mut self.server
                };
                side.end.ping([5; 8]);
            }
            21 if self.dice.chance(300) => self.reset(),
            22 if self.dice.chance(200) => {
                let limit = self.dice.one_of(&[0, 1, 5, 300]);
                self.server.end.set_max_concurrent_streams(limit, self.now);
            }
            23 if self.dice.chance(300) => {
                let table = self.dice.one_of(&[0, 40, 4096, 9000]);
                let window = self.dice.one_of(&[0, 10, 65_535, 100_000]);
                self.server.end.change_settings(table, window, self.now);
            }
            24 if self.dice.chance(60) => {
                self.is_cut = true;
                match self.dice.between(0, 2) {
                    0 => self.client.end.shut_down(self.now),
                    1 => self.client.end.take_back_unsent(),
                    _ => self.server.end.shut_down(self.now),
                }
            }
            _ => self.now += self.dice.millis(0, 20),
        }
    }

    fn request(&mut self) {
        let Side {
            end, watch, said, ..
        } = &mut self.client;
        let length = self.dice.one_of(&[0, 1, 100, 100, 3000, 20_000]);
        let mut message = Message {
            has_head: true,
            ..Message::default()
        };
        let long = "p".repeat(self.dice.one_of(&[1, 74, 5000]));
        let path = [field(":path", &long)];
        let opened = if self.dice.chance(700) {
            message.content = content(length);
            message.ended = true;
            end.send_request(self.template, &path, &[], &message.content, self.now)
        } else {
            message.ended = self.dice.chance(300);
            let fields = [field(":method", "GET"), field(":scheme", "https"), path[0]];
            end.open_request(&fields, message.ended, self.now)
        };
        if let Ok(stream) = opened {
            watch.opened(stream);
            said.insert(stream, message);
        }
    }

    /// To a request whose head has come.
    fn answer(&mut self) {
        let Side {
            end, said, heard, ..
        } = &mut self.server;
        let mut waiting = heard.keys().filter(|stream| !said.contains_key(stream));
        let Some(stream) = waiting.next().copied() else {
            return;
        };
        if self.dice.chance(200) {
            let _sent = end.send_interim(stream, 103);
        }
        let content = content(self.dice.one_of(&[0, 1, 50, 50, 3000, 20_000]));
        let whole = self.dice.chance(700);
        let fields = [field("apns-id", "abc"), field("x", "y")];
        let sent = end.send_response(stream, 200, &fields, whole.then_some(&content));
        let message = Message {
            content: if whole { content } else { Vec::new() },
            has_head: sent.is_ok(),
            ended: whole || sent.is_err(),
        };
        said.insert(stream, message);
    }

    /// Content, or trailers, of a message that has not ended.
    fn say_more(&mut self, of_client: bool) {
        let Side { end, said, .. } = if of_client {
            &mut self.client
        } else {
            &mut self.server
        };
        let mut open = said.iter_mut().filter(|(_, it)| it.has_head && !it.ended);
        let Some((stream, message)) = open.next() else {
            return;
        };
        if self.dice.chance(200) {
            message.ended = true;
            let _sent = end.send_trailers(*stream, &[field("sum", "1")]);
            return;
        }
        let ends = self.dice.chance(400);
        let more = content(self.dice.one_of(&[0, 1, 700, 20_000]));
        if end.send_data(*stream, &more, ends).is_ok() {
            message.content.extend(more);
            message.ended = ends;
        } else {
            message.ended = true;
        }
    }

    fn reset(&mut self) {
        let side = if self.dice.chance(500) {
            &mut self.client
        } else {
            &mut self.server
        };
        let open = side.watch.open();
        if !open.is_empty() {
            let stream = open[self.dice.index(open.len())];
            side.end.reset(stream, ErrorCode::CANCEL);
            side.watch.was_reset(stream);
            self.is_cut = true;
        }
    }

    /// Some bytes in each direction.
    fn carry(&mut self) {
        let most = self.dice.one_of(&[1, 30, 1000, 100_000]);
        for is_up in [true, false] {
            let Self {
                client,
                server,
                up,
                down,
                ..
            } = self;
            let (from, to, way) = if is_up {
                (client, server, up)
            } else {
                (server, client, down)
            };
            way.extend(from.watch.take(&mut from.end, most));
            if !to.end.wants_input() && !to.end.is_closed() {
                continue;
            }
            let n = way.len().min(self.dice.index(most) + 1);
            let mut piece: Vec<u8> = way.drain(..n).collect();
            if self.dice.chance(self.tampers) {
                tamper(&mut piece, self.dice);
                self.is_tampered = true;
            }
            to.watch.was_fed(piece.len());
            to.end.receive(&piece, self.now);
        }
    }

    /// Takes the events of both ends.
    fn look(&mut self) {
        let is_well = !self.is_tampered;
        for side in [&mut self.client, &mut self.server] {
            for event in side.watch.events(&mut side.end, self.dice) {
                self.is_cut |= matches!(event, Event::StreamFailed { .. } | Event::Closed { .. });
                side.hear(event, is_well);
            }
        }
        if is_well {
            check(&self.client.said, &self.server.heard);
            check(&self.server.said, &self.client.heard);
        }
    }

    /// Everything is said to its end, and arrives.
    fn settle(&mut self) {
        self.tampers = 0;
        // Whatever was narrowed is wide again.
        self.server.end.change_settings(4096, 65_535, self.now);
        let limit = u32::MAX;
        self.server.end.set_max_concurrent_streams(limit, self.now);
        for round in 0.. {
            assert!(round < ROUNDS, "no end of it");
            self.answer();
            self.say_more(true);
            self.say_more(false);
            let before = [&self.client, &self.server].map(|side| side.end.output().len());
            self.carry();
            self.look();
            let ends = [&self.client, &self.server];
            let is_quiet = before == [0, 0]
                && self.up.is_empty()
                && self.down.is_empty()
                && ends.iter().all(|side| side.end.output().is_empty())
                && ends
                    .iter()
                    .all(|side| side.said.values().all(|it| it.ended))
                && self
                    .server
                    .heard
                    .keys()
                    .all(|id| self.server.said.contains_key(id));
            let is_over = ends.iter().any(|side| side.end.is_closed());
            if is_quiet || is_over {
                break;
            }
        }
        if !self.is_tampered && !self.is_cut {
            let open = [&self.client, &self.server].map(|side| side.end.open_streams());
            assert_eq!(open, [0, 0], "not all was answered");
        }
    }
}

impl Side {
    fn hear(&mut self, event: Event, is_well: bool) {
        match event {
            Event::Head {
                stream, end_stream, ..
            } => {
                let message = self.heard.entry(stream).or_default();
                message.has_head = true;
                message.ended = end_stream;
            }
            Event::Data {
                stream,
                data,
                end_stream,
            } => {
                let message = self.heard.entry(stream).or_default();
                message.content.extend(data);
                message.ended = end_stream;
            }
            Event::Trailers { stream, .. } => self.heard.entry(stream).or_default().ended = true,
            Event::StreamFailed { stream, cause, .. } if is_well => {
                let is_broken = matches!(cause, Cause::StreamError(code, _)
                    if code != ErrorCode::ENHANCE_YOUR_CALM);
                assert!(!is_broken, "{stream}: {cause}");
            }
            Event::Closed { cause } if is_well => {
                let is_broken = matches!(cause, Cause::ConnectionError(..));
                assert!(!is_broken, "{cause}");
            }
            Event::GoAway { code, .. } if is_well => assert_eq!(code, ErrorCode::NO_ERROR),
            _ => {}
        }
    }
}

/// What was heard is what was said, as far as it has come.
fn check(said: &BTreeMap<u32, Message>, heard: &BTreeMap<u32, Message>) {
    for (stream, heard) in heard {
        let Some(said) = said.get(stream) else {
            panic!("{stream} was never said");
        };
        let begins = said.content.starts_with(&heard.content);
        assert!(begins, "{stream}: other content");
        let is_whole = said.content.len() == heard.content.len() && said.ended;
        assert!(
            !heard.ended || is_whole,
            "{stream}: the end of half a message"
        );
    }
}
