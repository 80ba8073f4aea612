//! Reads and plays a script.
//!
//! ```text
//! lane: apns threads=2 timeout=10 idle=90 retry_max=10   whose lane, first of all
//!       resend_unknown=0: what may have been processed is not sent again
//! greeting: SETTINGS max_concurrent=1000                 what the server begins with
//! dials: refused 2                                       what becomes of the next ones
//! push: 3                                                accepts three pushes
//! push: 1 size=4000                                      of a large payload
//! push: 1 topic=com.other                                to a topic that the caller names
//! push: 1 type=voip                                      of that push type, of its topic
//! rotate: another                                        a credential of that name is configured
//! push: 100 class=bulk                                   that let others go first
//! server 1: GOAWAY last=push:2 code=NO_ERROR debug="…"   the server's side of connection 1
//! server 1: ok 1-3                                       HEADERS :status 200, END_STREAM
//! server 1: ok 1 name=projects/p/messages/1              the same with FCM's name of the message
//! client 1: HEADERS stream=1 push=1                      the daemon's next frame of that kind
//! wait: 10 s                                             virtual time
//! expect: …                                              see `expect`
//! ```
//!
//! Several frames in one line, with `;` between them, come together; the last may be `closes`. What
//! a script has the server do must come to the daemon's notice before it ends.

use std::fmt::Write as _;
use std::time::Duration;

use sterna::provider::apns;
use sterna::push::{Envelope, LaneId, PushClass, PushType};

use crate::frames;
use crate::heard::KINDS;
use crate::stage::{Setting, Stage};

struct Play {
    stage: Stage,
    pushes: u64,
}

/// Words of a line: `key=value` pairs and others.
struct Words<'a>(Vec<&'a str>);

/// Plays a script; panics with the line that does not hold.
pub(crate) fn play(name: &str, text: &str) {
    let mut play = None;
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let done = line
            .split_once(": ")
            .ok_or_else(|| "no such line".to_owned())
            .and_then(|(subject, rest)| match &mut play {
                None if subject == "lane" => {
                    play = Some(Play::of(&Words::of(rest)));
                    Ok(())
                }
                None => Err("the lane comes first".to_owned()),
                Some(play) => play.line(subject, rest),
            });
        if let Err(why) = done {
            let log = play.map_or_else(Vec::new, |play| play.stage.log);
            eprintln!("{name}: the operator log: {log:#?}");
            panic!("{name}:{}: {line}\n{why}", number + 1);
        }
    }
    let struck = play.map_or(Ok(()), |play: Play| play.stage.never_struck());
    if let Err(why) = struck {
        panic!("{name}: never struck: {why}");
    }
}

impl<'a> Words<'a> {
    /// Splits at blanks outside of quotation marks.
    fn of(text: &'a str) -> Self {
        let mut quoted = false;
        let words = text.split(move |character: char| {
            quoted ^= character == '"';
            character == ' ' && !quoted
        });
        Self(words.filter(|word| !word.is_empty()).collect())
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        let mut pairs = self.0.iter().filter_map(|word| word.split_once('='));
        let value = pairs.find(|(name, _)| *name == key)?.1;
        Some(value.trim_matches('"'))
    }

    fn number(&self, key: &str, default: u64) -> u64 {
        self.get(key).map_or(default, |text| text.parse().unwrap())
    }
}

impl Play {
    fn of(words: &Words<'_>) -> Self {
        let secs = |key, default| Duration::from_secs(words.number(key, default));
        let setting = Setting {
            platform: match words.0[0] {
                "apns" => LaneId::IOS,
                "fcm" => LaneId::ANDROID,
                other => panic!("{other}: apns or fcm"),
            },
            threads: usize::try_from(words.number("threads", 1)).unwrap(),
            timeout: secs("timeout", 10),
            idle: secs("idle", 90),
            retry_max: u16::try_from(words.number("retry_max", 10)).unwrap(),
            resend_unknown: words.number("resend_unknown", 1) == 1,
        };
        let mut play = Self {
            stage: Stage::new(setting),
            pushes: 0,
        };
        play.stage.greeting = [settings(&[(3, 1000)]), settings_ack()].concat();
        play
    }

    fn line(&mut self, subject: &str, rest: &str) -> Result<(), String> {
        let words = Words::of(rest);
        match subject.split_once(' ') {
            None => match subject {
                "greeting" => {
                    self.stage.greeting = match words.0[0] {
                        "nothing" => Vec::new(),
                        _ => [self.frames(0, rest)?, settings_ack()].concat(),
                    };
                }
                "dials" => {
                    self.stage.never_struck()?;
                    self.stage.refused = 0;
                    self.stage.refusing = words.0[1].parse().unwrap();
                }
                "push" => {
                    let count: usize = words.0[0].parse().unwrap();
                    let size = usize::try_from(words.number("size", 2)).unwrap();
                    let topic = words.get("topic");
                    let push_type = words.get("type").map_or(PushType::Alert, |word| {
                        apns::push_type_of(word).unwrap_or_else(|| panic!("no push type {word}"))
                    });
                    let class = match words.get("class") {
                        None => PushClass::Transactional,
                        Some("bulk") => PushClass::Bulk,
                        Some(other) => panic!("{other}: no such class"),
                    };
                    let envelope = Envelope {
                        push_type,
                        class,
                        has_own_topic: topic.is_some(),
                        ..Envelope::to(self.stage.lane.id())
                    };
                    let ids = (self.pushes + 1, count);
                    self.stage.accept(ids, size, topic, envelope);
                    self.pushes += count as u64;
                }
                "rotate" => self.stage.rotate(rest),
                "wait" => self.stage.wait(time(rest)),
                "expect" => return self.expect(&words, rest),
                _ => return Err("no such line".to_owned()),
            },
            Some(("server", number)) => self.server(number.parse().unwrap(), rest)?,
            Some(("client", number)) => return self.client(number.parse().unwrap(), &words),
            Some(_) => return Err("no such line".to_owned()),
        }
        self.stage.settle();
        Ok(())
    }

    /// What the server does on a connection.
    fn server(&mut self, number: usize, rest: &str) -> Result<(), String> {
        let Some(wire) = self.stage.wires.get(number.wrapping_sub(1)).cloned() else {
            return Err(format!("there is no connection {number}"));
        };
        match rest {
            "closes" => wire.borrow_mut().left = true,
            "takes no bytes" => wire.borrow_mut().blocked = true,
            "takes bytes" => {
                let mut wire = wire.borrow_mut();
                if let Some(why) = wire.never_struck() {
                    return Err(why.to_owned());
                }
                wire.blocked = false;
            }
            _ => {
                let (rest, closes) = match rest.strip_suffix("; closes") {
                    Some(rest) => (rest, true),
                    None => (rest, false),
                };
                let bytes = self.frames(number, rest)?;
                let mut wire = wire.borrow_mut();
                wire.down.extend(bytes);
                wire.left |= closes;
            }
        }
        Ok(())
    }

    fn frames(&self, number: usize, rest: &str) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        for part in rest.split(';') {
            let words = Words::of(part);
            for _ in 0..words.number("times", 1) {
                bytes.extend(self.frame(number, &words)?);
            }
        }
        Ok(bytes)
    }

    fn frame(&self, number: usize, words: &Words<'_>) -> Result<Vec<u8>, String> {
        let stream = match (words.get("push"), words.get("stream")) {
            (Some(push), _) => self.stream_of(number, push)?,
            (None, Some(stream)) => stream.parse().unwrap(),
            (None, None) => 0,
        };
        let end = u8::from(words.0.contains(&"END_STREAM"));
        let code = words.get("code").map_or(0, code);
        Ok(match words.0[0] {
            "ok" | "status" => return self.answers(number, words),
            "HEADERS" => {
                let block = match (words.get("block"), words.get("status")) {
                    (Some(hex), _) => unhex(hex),
                    (None, Some(status)) => status_block(status),
                    (None, None) => Vec::new(),
                };
                frame(frames::HEADERS, 4 | end, stream, &block)
            }
            "DATA" => {
                let size = usize::try_from(words.number("size", 0)).unwrap();
                let text = words.get("text").map(str::as_bytes);
                frame(frames::DATA, end, stream, text.unwrap_or(&vec![0; size]))
            }
            "RST_STREAM" => frame(frames::RST_STREAM, 0, stream, &code.to_be_bytes()),
            "WINDOW_UPDATE" => {
                let by = u32::try_from(words.number("by", 1000)).unwrap();
                frame(frames::WINDOW_UPDATE, 0, stream, &by.to_be_bytes())
            }
            "PING" => frame(6, 0, 0, &[1; 8]),
            "PONG" => frame(6, 1, 0, &self.stage.wires[number - 1].borrow().heard.ping),
            "SETTINGS" => settings(&parameters(words)),
            "GOAWAY" => {
                let last: u32 = match words.get("last").unwrap_or("0").split_once(':') {
                    Some((_, push)) => self.stream_of(number, push)?,
                    None => words.number("last", 0).try_into().unwrap(),
                };
                frames::goaway(last, code, words.get("debug").unwrap_or("").as_bytes())
            }
            _ => return Err("no such frame".to_owned()),
        })
    }

    /// `ok 1-3`, `ok latest`, `ok 1 name=NAME` as FCM says it, `status 1-3 410 Unregistered`.
    fn answers(&self, number: usize, words: &Words<'_>) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let (first, last) = match words.0[1] {
            "latest" => {
                let wire = self.stage.wires[number - 1].borrow();
                let latest = wire.heard.latest().ok_or("no push has come")?;
                (latest, latest)
            }
            text => range(text),
        };
        for push in first..=last {
            let stream = self.stream_of(number, &push.to_string())?;
            let name = words.get("name");
            let status = words.0.get(2).filter(|_| name.is_none());
            let status = status.copied().unwrap_or("200");
            let reason = words.0.get(3);
            let body = match name {
                // As Google's servers lay it out.
                Some(name) => Some(format!("{{\n  \"name\": \"{name}\"\n}}\n")),
                None => reason.map(|reason| format!(r#"{{"reason":"{reason}"}}"#)),
            };
            let flags = 4 | u8::from(body.is_none());
            bytes.extend(frame(frames::HEADERS, flags, stream, &status_block(status)));
            bytes.extend(body.map_or_else(Vec::new, |body| {
                frame(frames::DATA, 1, stream, body.as_bytes())
            }));
        }
        Ok(bytes)
    }

    fn stream_of(&self, number: usize, push: &str) -> Result<u32, String> {
        let wire = self.stage.wires[number - 1].borrow();
        let stream = wire.heard.streams.get(&push.parse().unwrap()).copied();
        stream.ok_or_else(|| format!("push {push} did not come on connection {number}"))
    }

    /// The daemon's next frame of that kind.
    fn client(&mut self, number: usize, words: &Words<'_>) -> Result<(), String> {
        let Some(wire) = self.stage.wires.get(number.wrapping_sub(1)) else {
            return Err(format!("there is no connection {number}"));
        };
        let mut wire = wire.borrow_mut();
        let kind = kind(words.0[0]);
        let news = &wire.heard.news;
        let Some(at) = news.iter().position(|frame| frame.kind == kind) else {
            return Err("it has sent none".to_owned());
        };
        let found = wire.heard.news.remove(at);
        let mut is = format!("stream={}", found.stream);
        if let Some(push) = wire.heard.push_of(found.stream) {
            write!(is, " push={push}").unwrap();
        }
        if matches!(kind, frames::RST_STREAM | frames::GOAWAY) {
            let at = if kind == frames::GOAWAY { 4 } else { 0 };
            let name = sterna::http2::ErrorCode(found.number(at));
            write!(is, " code={name}").unwrap();
        }
        let is = Words::of(&is);
        match words.0[1..].iter().find(|word| !is.0.contains(word)) {
            Some(word) => Err(format!("{word} is not so: {}", is.0.join(" "))),
            None => Ok(()),
        }
    }

    /// ```text
    /// connections 2 · dials 3 · settled 5
    /// connection 1 carries 5 · connection 1 is open · connection 1 is closed
    /// connection 1 heard 2 PING
    /// push 1 succeeded · push 2 failed REASON · push 3 waits · push 4 on 2
    /// log error "…" · once log error "…" · no log error · no log warn
    /// ```
    ///
    /// `attempt=N`, `maybe_sent` and `fcm_name=NAME` may follow what a push has come to: they are
    /// then what its log line says; without the last two it must not say so.
    fn expect(&mut self, words: &Words<'_>, rest: &str) -> Result<(), String> {
        let stage = &self.stage;
        let is = |found: usize, wanted: &str| {
            let right = wanted.parse() == Ok(found);
            right.then_some(()).ok_or(format!("there are {found}"))
        };
        match words.0[..] {
            ["connections", wanted] => is(stage.wires.len(), wanted),
            ["dials", wanted] => is(stage.dials, wanted),
            ["settled", wanted] => is(stage.settled.len(), wanted),
            ["connection", number, ref what @ ..] => {
                let number: usize = number.parse().unwrap();
                let Some(wire) = stage.wires.get(number - 1) else {
                    return Err("there is none".to_owned());
                };
                let wire = wire.borrow();
                match what {
                    ["carries", wanted] => is(wire.open_streams, wanted),
                    ["heard", wanted, name] => {
                        is(wire.heard.counts[usize::from(kind(name))], wanted)
                    }
                    ["is", "open"] if !wire.dropped => Ok(()),
                    ["is", "closed"] if wire.dropped => Ok(()),
                    _ => Err("it is not".to_owned()),
                }
            }
            ["push", id, ref what @ ..] => {
                let (first, last) = range(id);
                (first..=last).try_for_each(|id| self.expect_push(id, what))
            }
            ["log", level, ..] | ["once", "log", level, ..] => {
                let text = rest.split('"').nth(1).unwrap();
                let found = |line: &&String| line.starts_with(level) && line.contains(text);
                match stage.log.iter().filter(found).count() {
                    0 => Err("no such line".to_owned()),
                    more @ 2.. if words.0[0] == "once" => Err(format!("there are {more}")),
                    _ => Ok(()),
                }
            }
            ["lane", "is", "unreachable"] if stage.lane.unreachable().is_some() => Ok(()),
            ["lane", "is", "open"] if stage.lane.unreachable().is_none() => Ok(()),
            ["no", "log", level, ..] => {
                let text = rest.split('"').nth(1).unwrap_or_default();
                let found = |line: &&String| line.starts_with(level) && line.contains(text);
                let found = stage.log.iter().find(found);
                found.map_or(Ok(()), |line| Err(line.clone()))
            }
            _ => Err("no such expectation".to_owned()),
        }
    }

    fn expect_push(&self, id: u64, what: &[&str]) -> Result<(), String> {
        let stage = &self.stage;
        let carriers = stage.wires.iter().enumerate().filter(|(_, wire)| {
            let wire = wire.borrow();
            !wire.dropped && wire.heard.streams.contains_key(&id)
        });
        let carrier = carriers.map(|(index, _)| index + 1).next_back();
        let line = stage.settled.get(&id);
        let holds = match what {
            ["waits"] => line.is_none() && carrier.is_none(),
            ["on", number] => line.is_none() && number.parse().ok() == carrier,
            ["is", "unsettled"] => line.is_none(),
            ["succeeded", rest @ ..] => {
                line.is_some_and(|line| line["type"] == "succeeded-push" && tail_is(line, rest))
            }
            ["failed", reason, rest @ ..] => line.is_some_and(|line| {
                line["type"] == "failed-push"
                    && line["reason"].as_str().unwrap_or("-") == *reason
                    && tail_is(line, rest)
            }),
            _ => return Err("no such expectation".to_owned()),
        };
        let told = || format!("push {id}: settled as {line:?}, on connection {carrier:?}");
        holds.then_some(()).ok_or_else(told)
    }
}

/// What a settlement says behind its reason.
fn tail_is(line: &serde_json::Value, rest: &[&str]) -> bool {
    let maybe_sent = line["maybe_sent"].as_bool().unwrap_or(false);
    let wanted = Words(rest.to_vec());
    let attempt = wanted.number("attempt", line["attempt"].as_u64().unwrap());
    line["attempt"] == attempt
        && maybe_sent == rest.contains(&"maybe_sent")
        && line["fcm_name"].as_str() == wanted.get("fcm_name")
}

fn kind(name: &str) -> u8 {
    let at = KINDS.iter().position(|kind| *kind == name);
    u8::try_from(at.unwrap_or_else(|| panic!("no frame is called {name}"))).unwrap()
}

fn code(name: &str) -> u32 {
    let known = |code: &u32| sterna::http2::ErrorCode(*code).name() == Some(name);
    (0..14)
        .find(known)
        .unwrap_or_else(|| panic!("no code {name}"))
}

/// `3` or `1-3`.
fn range(text: &str) -> (u64, u64) {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    (first.parse().unwrap(), last.parse().unwrap())
}

/// `10 s`, `3 min`, `1 h`.
fn time(text: &str) -> Duration {
    let (number, unit) = text.split_once(' ').unwrap();
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "min" => 60_000,
        "h" => 3_600_000,
        _ => panic!("{unit}: ms, s, min or h"),
    };
    Duration::from_millis(number.parse::<u64>().unwrap() * millis)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn settings(parameters: &[(u16, u32)]) -> Vec<u8> {
    let entries = parameters
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat());
    frame(frames::SETTINGS, 0, 0, &entries.collect::<Vec<_>>())
}

fn settings_ack() -> Vec<u8> {
    frame(frames::SETTINGS, 1, 0, &[])
}

fn parameters(words: &Words<'_>) -> Vec<(u16, u32)> {
    let names = [
        (1, "table"),
        (3, "max_concurrent"),
        (4, "window"),
        (5, "max_frame"),
        (6, "max_list"),
    ];
    let value = |(id, name)| Some((id, words.get(name)?.parse().unwrap()));
    names.into_iter().filter_map(value).collect()
}

/// `:status` as HPACK's plainest literal.
fn status_block(status: &str) -> Vec<u8> {
    [&[0x08, 0x03], status.as_bytes()].concat()
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks_exact(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.map(byte).collect()
}
