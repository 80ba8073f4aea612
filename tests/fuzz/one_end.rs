//! One end, before a peer that sends anything.

use std::time::{Duration, Instant};

use sterna::http2::{Connection, ErrorCode, Field, Indexing, Options, TemplateId};

use crate::dice::Dice;
use crate::watch::Watch;
use crate::{bytes, frames, play, tamper};

pub(crate) fn field<'a>(name: &'a str, value: &'a str) -> Field<'a> {
    Field {
        name: name.as_bytes(),
        value: value.as_bytes(),
        indexing: Indexing::Literal,
    }
}

pub(crate) fn template(client: &mut Connection) -> TemplateId {
    let indexed = |name, value| Field {
        indexing: Indexing::Indexed,
        ..field(name, value)
    };
    let pseudo = [indexed(":method", "POST"), indexed(":scheme", "https")];
    let fields = [
        indexed("authorization", "bearer x"),
        indexed("apns-topic", "a.b"),
    ];
    client.add_template(&pseudo, &fields).unwrap()
}

/// An end's options.
pub(crate) fn options(dice: &mut Dice) -> Options {
    Options {
        streams_before_settings: dice.one_of(&[1, 100]),
        max_content: dice.one_of(&[10, 0x1_0000, usize::MAX]),
        stream_window: dice.one_of(&[0, 1, 1000, 65_535, 1 << 20]),
        connection_window: dice.one_of(&[0, 65_535, 1 << 20]),
        max_concurrent_streams: dice.one_of(&[None, Some(0), Some(3), Some(100)]),
        header_table_size: dice.one_of(&[0, 64, 4096, 4096, 65_536]),
        max_header_list_size: dice.one_of(&[0, 100, 0x4000, 0x1_0000]),
    }
}

struct Play<'a> {
    end: Connection,
    watch: Watch,
    template: Option<TemplateId>,
    now: Instant,
    next: u32,
    dice: &'a mut Dice,
}

#[test]
fn a_client_before_anything() {
    play("a_client_before_anything", 300, |dice| {
        let now = Instant::now();
        let mut end = Connection::client(options(dice), now);
        let template = Some(template(&mut end));
        run(end, template, now, dice);
    });
}

#[test]
fn a_server_before_anything() {
    play("a_server_before_anything", 300, |dice| {
        let now = Instant::now();
        let mut end = Connection::server(options(dice), now);
        if dice.chance(980) {
            end.receive(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", now);
        }
        run(end, None, now, dice);
    });
}

fn run(end: Connection, template: Option<TemplateId>, now: Instant, dice: &mut Dice) {
    let mut play = Play {
        watch: Watch::new(template.is_some(), 900),
        end,
        template,
        now,
        next: 1,
        dice,
    };
    if play.dice.chance(950) {
        play.feed(&frames::settings(&[(3, 20)]));
    }
    for _ in 0..play.dice.between(1, 120) {
        play.step();
    }
    let Play {
        end, watch, dice, ..
    } = play;
    watch.end(end, dice);
}

impl Play<'_> {
    fn feed(&mut self, bytes: &[u8]) {
        let size = self.dice.one_of(&[1, 7, 100, 5000, 0x1_0000]);
        for piece in bytes.chunks(size) {
            if !self.end.wants_input() && !self.end.is_closed() {
                self.watch.take(&mut self.end, usize::MAX);
            }
            self.watch.was_fed(piece.len());
            self.end.receive(piece, self.now);
            if self.dice.chance(100) {
                self.watch.events(&mut self.end, self.dice);
            }
        }
    }

    fn step(&mut self) {
        let stream = match self.watch.open()[..] {
            [] => self.next,
            ref open => open[self.dice.index(open.len())],
        };
        match self.dice.between(0, 29) {
            0..=11 => {
                let of_server = self.template.is_some();
                let mut all = Vec::new();
                for _ in 0..self.dice.between(1, 4) {
                    let open = self.watch.open();
                    all.extend(frames::any(of_server, &open, self.next, self.dice));
                    if !of_server {
                        self.next += 2;
                    }
                }
                if self.dice.chance(100) {
                    tamper(&mut all, self.dice);
                }
                self.feed(&all);
            }
            12 => {
                let any = bytes(60, self.dice);
                self.feed(&any);
            }
            13 => {
                // A flood of one kind.
                let times = self.dice.one_of(&[10, 300, 11_000]);
                let kind = self.dice.one_of(&[frames::PING, frames::SETTINGS, 0xfa]);
                let length = if kind == frames::PING { 8 } else { 0 };
                self.feed(&frames::frame(kind, 0, 0, &vec![0; length]).repeat(times));
            }
            14..=18 => self.open_stream(),
            19 => self.answer(stream),
            20 => {
                let length = self.dice.one_of(&[0, 1, 100, 40_000]);
                let ends = self.dice.chance(500);
                let _sent = self.end.send_data(stream, &vec![b'd'; length], ends);
            }
            21 => {
                let _sent = self.end.send_trailers(stream, &[field("sum", "1")]);
            }
            22 => {
                self.end.reset(stream, ErrorCode::CANCEL);
                self.watch.was_reset(stream);
            }
            23 => self.end.ping([3; 8]),
            24 | 25 => {
                let most = self.dice.one_of(&[1, 50, 5000, usize::MAX]);
                self.watch.take(&mut self.end, most);
            }
            26 => {
                self.now += self.dice.millis(0, 12_000);
                if self.end.next_timeout().is_some_and(|at| at <= self.now) {
                    self.end.handle_timeout(self.now);
                }
            }
            27 if self.dice.chance(200) => self.end.shut_down(self.now),
            28 if self.dice.chance(200) => self.end.take_back_unsent(),
            29 if self.dice.chance(100) => self.end.close(ErrorCode::NO_ERROR),
            _ => self.now += Duration::from_millis(3),
        }
        if self.end.output().len() > 0x1_0000 {
            // A caller that asks for more does not let it pile up.
            self.watch.take(&mut self.end, usize::MAX);
        }
        self.watch.events(&mut self.end, self.dice);
    }

    /// A request.
    fn open_stream(&mut self) {
        let Some(template) = self.template else {
            return;
        };
        let path = [field(":path", "/3/device/abc")];
        let opened = if self.dice.chance(800) {
            let content = vec![b'c'; self.dice.one_of(&[0, 5, 3000, 70_000])];
            self.end
                .send_request(template, &path, &[], &content, self.now)
        } else {
            let fields = [
                field(":method", self.dice.one_of(&["GET", "HEAD", "POST"])),
                field(":scheme", "https"),
                path[0],
            ];
            let ends = self.dice.chance(500);
            self.end.open_request(&fields, ends, self.now)
        };
        if let Ok(stream) = opened {
            self.watch.opened(stream);
            self.next = stream + 2;
        }
    }

    /// An answer, if it is one who answers.
    fn answer(&mut self, stream: u32) {
        let status = self.dice.one_of(&[103, 200, 200, 204, 404, 1000]);
        let content = vec![b'a'; self.dice.one_of(&[0, 30, 70_000])];
        let content = self.dice.chance(600).then_some(&content[..]);
        let _sent = if status < 200 {
            self.end.send_interim(stream, status)
        } else {
            self.end
                .send_response(stream, status, &[field("a", "b")], content)
        };
        if self.dice.chance(50) {
            let limit = self.dice.one_of(&[0, 3, 1000]);
            self.end.set_max_concurrent_streams(limit, self.now);
        }
    }
}
