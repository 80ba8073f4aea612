//! FCM and the token endpoint for clients that do not offer HTTP/2, and the metadata server, which
//! knows no TLS: one request after the other.
//!
//! Heads, bodies and answers are those of the daemon's HTTP/1.1 server; sockets block, with TLS
//! around them where there is any.

use std::io::{self, Read, Write};
use std::net::TcpStream;
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
use crate::http1::head::{Head, HeadScan, Refusal};
use crate::http1::{self, BodyScan};
use crate::moment;

/// Serves one connection to its end, whose handshake may have begun.
pub(super) fn serve(
    listener: &Listener,
    clock: &Clock,
    (socket, tls): (TcpStream, ServerConnection),
    number: u64,
) -> io::Result<()> {
    // An idle client may stay for as long as it likes; stopping cuts the socket.
    socket.set_read_timeout(None)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    let mut stream = StreamOwned::new(tls, socket);
    let service = Service::new(&listener.around, clock, number, false);
    converse(&mut stream, service, listener, clock)?;
    stream.conn.send_close_notify();
    stream.flush()
}

/// Serves one connection without TLS to its end.
pub(super) fn serve_plain(
    listener: &Listener,
    clock: &Clock,
    mut socket: TcpStream,
    number: u64,
) -> io::Result<()> {
    socket.set_read_timeout(None)?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let service = Service::new(&listener.around, clock, number, true);
    converse(&mut socket, service, listener, clock)
}

fn converse(
    stream: &mut (impl Read + Write),
    mut service: Service<'_>,
    listener: &Listener,
    clock: &Clock,
) -> io::Result<()> {
    let mut client = Client {
        stream,
        unread: Vec::new(),
    };
    let max_body = listener.around.endpoint.max_body();
    while let Some(head) = client.head()? {
        let (head, fields) = match head {
            Ok(head) => head,
            Err(refusal) => {
                client.send(None, refusal.into(), clock())?;
                break;
            }
        };
        let (body, is_whole) = match client.body(&head, max_body)? {
            Ok(body) => (body, true),
            // The endpoint has its own words for it.
            Err(refusal) if refusal.status == 413 => (vec![b' '; max_body + 1], false),
            Err(refusal) => {
                client.send(Some(&head), refusal.into(), clock())?;
                break;
            }
        };
        match service.answer(&head, &fields, &body) {
            Reply::Respond(response) => {
                let now = response.date.unwrap_or_else(clock);
                let mut reply = reply_of(response);
                reply.close = !is_whole;
                client.send(Some(&head), reply, now)?;
            }
            // The nearest that HTTP/1.1 has to a reset.
            Reply::Refuse | Reply::Reset => break,
            Reply::Silence => {
                io::copy(client.stream, &mut io::sink())?;
                break;
            }
        }
        if !head.keep_alive || !is_whole {
            break;
        }
    }
    Ok(())
}

/// The other end of a connection.
struct Client<'a, S> {
    stream: &'a mut S,
    /// What has come and was not looked at.
    unread: Vec<u8>,
}

/// The fields of a head, by their names in lower case.
type Fields = Vec<(String, Vec<u8>)>;

impl<S: Read + Write> Client<'_, S> {
    /// The next head; `None` at an orderly end.
    fn head(&mut self) -> io::Result<Option<Result<(Head, Fields), Refusal>>> {
        let mut scan = HeadScan::default();
        loop {
            // RFC 9112 §2.2: an empty line before a request is passed over.
            while self.unread.starts_with(b"\r\n") {
                self.unread.drain(..2);
            }
            if self.unread == b"\r" && self.read_some()? > 0 {
                continue;
            }
            match scan.end(&self.unread) {
                Ok(Some(length)) => {
                    let bytes: Vec<u8> = self.unread.drain(..length).collect();
                    let mut fields = Fields::new();
                    let head = Head::parse_each(&bytes, |name, value| {
                        fields.push((name.to_ascii_lowercase(), value.to_vec()));
                    });
                    return Ok(Some(head.map(|head| (head, fields))));
                }
                Ok(None) if self.read_some()? > 0 => {}
                Ok(None) if self.unread.is_empty() => return Ok(None),
                Ok(None) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Err(refusal) => return Ok(Some(Err(refusal))),
            }
        }
    }

    /// The body that a head announces, of at most so many bytes.
    fn body(&mut self, head: &Head, most: usize) -> io::Result<Result<Vec<u8>, Refusal>> {
        let mut scan = match BodyScan::new(head.framing, most) {
            Ok(scan) => scan,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if head.expects_continue {
            self.stream.write_all(http1::reply::CONTINUE)?;
        }
        let mut body = Vec::new();
        while !scan.is_done() {
            if self.unread.is_empty() && self.read_some()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let taken = scan.take(&self.unread, |data| {
                body.extend_from_slice(data);
                Ok::<_, Refusal>(())
            });
            match taken {
                Ok(taken) => drop(self.unread.drain(..taken)),
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        Ok(Ok(body))
    }

    fn read_some(&mut self) -> io::Result<usize> {
        let mut bytes = [0; 4_096];
        let count = match self.stream.read(&mut bytes) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            other => other?,
        };
        let come = bytes.get(..count).unwrap_or_default();
        self.unread.extend_from_slice(come);
        Ok(count)
    }

    fn send(&mut self, head: Option<&Head>, reply: http1::Reply, unix: u64) -> io::Result<()> {
        let mut out = Vec::new();
        reply.render(head, unix, &mut out);
        self.stream.write_all(&out)?;
        self.stream.flush()
    }
}

fn reply_of(response: Response) -> http1::Reply {
    let mut reply = http1::Reply::new(response.status, response.content_type, response.content);
    if response.is_metadata {
        reply = reply.with_field("Metadata-Flavor", "Google");
    }
    match response.retry_after {
        Some(text) => reply.with_field("Retry-After", text),
        None => reply,
    }
}

/// One connection's service.
struct Service<'a> {
    around: &'a Surroundings,
    clock: &'a Clock,
    number: u64,
    session: Session,
    dice: Dice,
    is_plain: bool,
}

impl<'a> Service<'a> {
    fn new(around: &'a Surroundings, clock: &'a Clock, number: u64, is_plain: bool) -> Self {
        let (session, dice) = (around.endpoint.session(false), around.dice(number));
        Self {
            around,
            clock,
            number,
            session,
            dice,
            is_plain,
        }
    }

    /// Judges a request, enters and reports it, and waits for as long as the answer is held back.
    fn answer(&mut self, head: &Head, fields: &Fields, body: &[u8]) -> Reply {
        let Self { around, dice, .. } = self;
        let now = moment::now();
        let tally = &around.stage.tally;
        tally.request_came();
        let faults = around.stage.request(self.number, now);
        let draw = dice.draw(&faults);
        let line = [(":method", &head.method), (":path", &head.target)];
        let line = line.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let fields = fields
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_slice()));
        let request = Request::gather(line.into_iter().chain(fields));
        let arrival = Arrival {
            request: &request,
            is_plain: self.is_plain,
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
