//! FCM and the token endpoint over HTTP/1.1, for clients that do not offer HTTP/2.
//!
//! One request after the other, on blocking sockets. Chunked content is refused: clients that know
//! the length of a push do not send it.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread;

use rustls::{ServerConnection, StreamOwned};

use super::Clock;
use super::answer::{Judgement, Reply, Response, Standing};
use super::arrival::Arrival;
use super::endpoint::Session;
use super::faults::{Asked, Dice, Kind, Point, Strike};
use super::ledger::Line;
use super::listener::{Listener, PATIENCE};
use super::provider::Provider;
use super::record::Entry;
use super::request::Request;
use super::service::Surroundings;

use crate::http1::http_date;
use crate::moment;

/// Our limit: bytes of a request's head.
const MAX_HEAD: usize = 16_384;
/// Our limit: fields of a request's head.
const MAX_FIELDS: usize = 64;

type Stream = StreamOwned<ServerConnection, TcpStream>;

/// A head as it was read: names in lower case, method and path as their pseudo-headers.
struct Head {
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    length: usize,
    chunked: bool,
    close: bool,
    expects: bool,
}

/// Serves one connection to its end.
pub(super) fn serve(
    listener: &Listener,
    clock: &Clock,
    socket: TcpStream,
    number: u64,
) -> io::Result<()> {
    // An idle client may stay for as long as it likes; stopping cuts the socket.
    socket.set_read_timeout(None)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    let tls = ServerConnection::new(Arc::clone(&listener.tls)).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(tls, socket);
    let mut service = Service::new(&listener.around, clock, number);
    let max_body = listener.around.endpoint.max_body();
    let mut input = Vec::new();
    while let Some(head) = read_head(&mut stream, &mut input)? {
        if head.expects {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let too_long = head.length > max_body;
        let reply = if head.chunked {
            Reply::Respond(Response {
                status: 411,
                ..Response::default()
            })
        } else if too_long {
            service.answer(&head, &vec![b' '; max_body + 1])
        } else {
            service.answer(&head, &read_body(&mut stream, &mut input, head.length)?)
        };
        match reply {
            Reply::Respond(response) => respond(&mut stream, &response)?,
            // The nearest that HTTP/1.1 has to a reset.
            Reply::Refuse | Reply::Reset => break,
            Reply::Silence => {
                io::copy(&mut stream, &mut io::sink())?;
                break;
            }
        }
        if head.close || head.chunked || too_long {
            break;
        }
    }
    stream.conn.send_close_notify();
    stream.flush()
}

/// One connection's service.
struct Service<'a> {
    around: &'a Surroundings,
    clock: &'a Clock,
    number: u64,
    session: Session,
    dice: Dice,
}

impl<'a> Service<'a> {
    fn new(around: &'a Surroundings, clock: &'a Clock, number: u64) -> Self {
        let (session, dice) = (around.endpoint.session(false), around.dice(number));
        Self {
            around,
            clock,
            number,
            session,
            dice,
        }
    }

    /// Judges a request, enters and reports it, and waits for as long as the answer is held back.
    fn answer(&mut self, head: &Head, body: &[u8]) -> Reply {
        let Self { around, dice, .. } = self;
        let now = moment::now();
        let tally = &around.stage.tally;
        tally.request_came();
        let faults = around.stage.request(self.number, now);
        let draw = dice.draw(&faults);
        let fields = head
            .fields
            .iter()
            .map(|(name, value)| (name.as_slice(), value.as_slice()));
        let request = Request::gather(fields);
        let arrival = Arrival {
            request: &request,
            body,
            answering: draw.answering,
            random: dice.number(),
            now: (self.clock)(),
            known: &|key| around.ledger.knows(key),
        };
        let provider = around.endpoint.provider();
        let before = |strike: &Strike| matches!(strike.point, Point::Headers | Point::Data);
        let unprocessed = draw.strike.filter(before);
        if let (Some(strike), Provider::OAuth) = (unprocessed, provider) {
            // To judge it would be to issue a token.
            tally.struck(Asked::Strike(strike));
            return ended_by(strike.kind);
        }
        let mut judgement = self.session.judge(&arrival, &around.ledger);
        if let Some(strike) = unprocessed {
            judgement.leave_unprocessed(strike.kind.as_str());
        }
        if let Some(what) = Asked::of(draw.answering, &judgement) {
            tally.struck(what);
        }
        let retry_after = faults.retry_after.as_ref();
        if judgement
            .reply
            .retry_after(retry_after, provider, arrival.now)
        {
            tally.struck(Asked::RetryAfter);
        }
        let withheld = draw.strike.filter(|strike| strike.point != Point::Answered);
        let mut text = Vec::new();
        let connection = (provider, self.number);
        around
            .reporter
            .tell(&mut text, connection, &arrival, &judgement);
        if let Some(recorder) = &around.recorder {
            let place = around.place(self.number, 0, now);
            let mut entry = Entry::judged(place, &request, &judgement, unprocessed.is_none());
            entry.answered = withheld.is_none() && matches!(judgement.reply, Reply::Respond(_));
            entry.head = entry.answered;
            recorder.write(&mut vec![entry]);
        }
        let Judgement {
            reply,
            key,
            standing,
            ..
        } = judgement;
        around.ledger.enter(&mut vec![Line { key, standing }]);
        around.reporter.write(&mut text);
        let accepted = standing == Standing::Accepted;
        around
            .ledger
            .unanswered(u64::from(accepted && withheld.is_some()));
        let latency = dice.latency(&faults);
        if !latency.is_zero() {
            faults.count_latency(tally);
            thread::sleep(latency);
        }
        if let Some(strike) = withheld {
            tally.struck(Asked::Strike(strike));
            return ended_by(strike.kind);
        }
        reply
    }
}

/// A connection has but one stream here: it shares the stream's fate.
fn ended_by(kind: Kind) -> Reply {
    match kind {
        Kind::Silence | Kind::Deaf | Kind::Mute | Kind::Dead => Reply::Silence,
        _ => Reply::Reset,
    }
}

/// Reads up to the end of a head; `None` at an orderly end.
fn read_head(stream: &mut Stream, input: &mut Vec<u8>) -> io::Result<Option<Head>> {
    loop {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(input) {
            Ok(httparse::Status::Complete(length)) => {
                let head = Head::of(&request)?;
                input.drain(..length);
                return Ok(Some(head));
            }
            Ok(httparse::Status::Partial) if input.len() < MAX_HEAD => {}
            Ok(httparse::Status::Partial) => return Err(io::ErrorKind::InvalidData.into()),
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
        if read_some(stream, input)? == 0 {
            let whole = input.is_empty();
            return if whole {
                Ok(None)
            } else {
                Err(io::ErrorKind::UnexpectedEof.into())
            };
        }
    }
}

fn read_body(stream: &mut Stream, input: &mut Vec<u8>, length: usize) -> io::Result<Vec<u8>> {
    while input.len() < length {
        if read_some(stream, input)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let rest = input.split_off(length);
    Ok(std::mem::replace(input, rest))
}

fn read_some(stream: &mut Stream, input: &mut Vec<u8>) -> io::Result<usize> {
    let mut bytes = [0; 4_096];
    let count = match stream.read(&mut bytes) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
        other => other?,
    };
    input.extend_from_slice(bytes.get(..count).unwrap_or_default());
    Ok(count)
}

impl Head {
    fn of(request: &httparse::Request<'_, '_>) -> io::Result<Self> {
        let text = |text: Option<&str>| text.unwrap_or_default().as_bytes().to_vec();
        let mut head = Self {
            fields: vec![
                (b":method".to_vec(), text(request.method)),
                (b":path".to_vec(), text(request.path)),
            ],
            length: 0,
            chunked: false,
            close: request.version == Some(0),
            expects: false,
        };
        for field in request.headers.iter() {
            let name = field.name.to_ascii_lowercase();
            let value = field.value.trim_ascii();
            match name.as_str() {
                "content-length" => {
                    let length = str::from_utf8(value)
                        .ok()
                        .and_then(|text| text.parse().ok());
                    head.length = length.ok_or(io::ErrorKind::InvalidData)?;
                }
                "transfer-encoding" => head.chunked = true,
                "connection" => head.close |= value.eq_ignore_ascii_case(b"close"),
                "expect" => head.expects = value.eq_ignore_ascii_case(b"100-continue"),
                _ => {}
            }
            head.fields.push((name.into_bytes(), value.to_vec()));
        }
        Ok(head)
    }
}

fn respond(stream: &mut Stream, response: &Response) -> io::Result<()> {
    let Response {
        status,
        content_type,
        content,
        ..
    } = response;
    let mut out = Vec::with_capacity(256 + content.len());
    write!(
        out,
        "HTTP/1.1 {status} \r\ncontent-length: {}\r\n",
        content.len()
    )?;
    if !content_type.is_empty() {
        write!(out, "content-type: {content_type}\r\n")?;
    }
    if let Some(text) = &response.retry_after {
        write!(out, "retry-after: {text}\r\n")?;
    }
    if let Some(date) = response.date {
        write!(out, "date: {}\r\n", http_date(date))?;
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(content);
    stream.write_all(&out)?;
    stream.flush()
}
