//! The service of one HTTP/2 connection: requests are gathered, judged and answered.
//!
//! Knows no socket: events of [`http2::Connection`] come in, its sending calls go out. Time is an
//! argument.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::answer::{Judgement, Reply, Response};
use super::apns;
use super::endpoint::{Arrival, Endpoint, Session};
use super::faults::{Dice, Faults};
use super::ledger::{Ledger, Line};
use super::report::Reporter;
use super::request::Request;
use crate::http2::{Connection, ErrorCode, Event, Field, Fields, Indexing, StreamId};

/// How long a client may take to leave after a GOAWAY.
const LEAVE: Duration = Duration::from_secs(30);

/// What one connection has to do with the others.
pub(super) struct Surroundings {
    pub(super) endpoint: Endpoint,
    pub(super) ledger: Arc<Ledger>,
    pub(super) reporter: Arc<Reporter>,
    pub(super) faults: Arc<Faults>,
}

impl Surroundings {
    /// The dice of the connection of that number. The endpoints' connections are numbered apart,
    /// and must not draw alike.
    pub(super) fn dice(&self, number: u64) -> Dice {
        Dice::new(&self.faults, number << 2 | self.endpoint.provider() as u64)
    }
}

/// One connection's service.
pub(super) struct Service {
    around: Arc<Surroundings>,
    /// The connection's number.
    number: u64,
    session: Session,
    dice: Dice,
    /// Requests whose content is not complete.
    pending: Vec<Pending>,
    /// Answers that wait for their time.
    held: BinaryHeap<Held>,
    /// Orders answers of the same time.
    held_so_far: u64,
    limit: Limit,
    /// Requests so far.
    requests: u64,
    /// The last stream that our GOAWAY promised to serve, and when the connection ends.
    leaving: Option<(StreamId, Instant)>,
    batch: Vec<Line>,
    text: Vec<u8>,
}

struct Pending {
    stream: StreamId,
    fields: Fields,
    body: Vec<u8>,
}

struct Held {
    due: Instant,
    order: u64,
    stream: StreamId,
    reply: Reply,
}

/// `MAX_CONCURRENT_STREAMS` as the client knows it.
struct Limit {
    now: u32,
    full: u32,
    /// SETTINGS sent and acknowledged.
    sent: u32,
    acknowledged: u32,
    /// Which SETTINGS lowered the limit last: until it is acknowledged the client may not know.
    lowered: u32,
    /// Streams whose head has come, and streams that ended without one.
    heads: u32,
    headless: u32,
}

impl Service {
    /// The service of the connection of that number. `certificate`: the client has shown ours.
    pub(super) fn new(around: Arc<Surroundings>, number: u64, certificate: bool) -> Self {
        let first = around.endpoint.first_streams();
        Self {
            session: around.endpoint.session(certificate),
            dice: around.dice(number),
            number,
            pending: Vec::new(),
            held: BinaryHeap::new(),
            held_so_far: 0,
            limit: Limit {
                now: first,
                full: first.max(around.endpoint.streams()),
                sent: 1,
                acknowledged: 0,
                lowered: 0,
                heads: 0,
                headless: 0,
            },
            requests: 0,
            leaving: None,
            batch: Vec::new(),
            text: Vec::new(),
            around,
        }
    }

    /// Lets the client open all streams at once.
    pub(super) fn trust(&mut self, http2: &mut Connection, now: Instant) {
        self.limit.set(http2, self.limit.full, now);
    }

    /// Tells the client to go, serving no stream above the last one seen.
    pub(super) fn dismiss(
        &mut self,
        http2: &mut Connection,
        code: ErrorCode,
        debug: &[u8],
        now: Instant,
    ) {
        let last = http2.highest_stream();
        http2.send_goaway(last, code, debug);
        self.leaving = Some((last, now + LEAVE));
    }

    /// Takes all events; answers what can be answered at once. `unix`: seconds since the epoch.
    pub(super) fn take_events(&mut self, http2: &mut Connection, now: Instant, unix: u64) {
        // Before answers make room: that many were open when the connection refused one.
        let full = http2.open_streams() >= usize::try_from(self.limit.now).unwrap_or(usize::MAX);
        while let Some(event) = http2.poll_event() {
            self.take(http2, event, now, unix);
        }
        let headless = self.limit.take_headless(http2);
        let told = self.limit.acknowledged >= self.limit.lowered;
        if headless && full && told && self.leaving.is_none() {
            let debug = self.around.endpoint.streams_violated();
            self.dismiss(http2, ErrorCode::REFUSED_STREAM, debug, now);
        }
    }

    /// Sends the answers whose time has come.
    pub(super) fn release(&mut self, http2: &mut Connection, now: Instant) {
        while self.held.peek().is_some_and(|held| held.due <= now) {
            if let Some(Held { stream, reply, .. }) = self.held.pop() {
                self.send(http2, stream, reply, now);
            }
        }
        if self.leaving.is_some_and(|(_, end)| end <= now) {
            http2.close(ErrorCode::NO_ERROR);
        }
    }

    /// Enters what was judged into the ledger and the report; before the answers are flushed, so
    /// that whoever has an answer finds it counted.
    pub(super) fn settle(&mut self) {
        self.around.ledger.enter(&mut self.batch);
        self.around.reporter.write(&mut self.text);
    }

    /// When [`Service::release`] has something to do next.
    pub(super) fn next_release(&self) -> Option<Instant> {
        let held = self.held.peek().map(|held| held.due);
        let end = self.leaving.map(|(_, end)| end);
        held.into_iter().chain(end).min()
    }

    fn take(&mut self, http2: &mut Connection, event: Event, now: Instant, unix: u64) {
        match event {
            Event::Head {
                stream,
                fields,
                end_stream,
            } => {
                self.limit.heads += 1;
                if self.leaving.is_some_and(|(last, _)| stream > last) {
                    return;
                }
                self.count_request(http2, stream, now);
                let request = Pending {
                    stream,
                    fields,
                    body: Vec::new(),
                };
                if end_stream {
                    self.answer(http2, &request, now, unix);
                } else {
                    self.pending.push(request);
                }
            }
            Event::Data {
                stream,
                data,
                end_stream,
            } => {
                http2.release(stream, data.len());
                let max = self.around.endpoint.max_body() + 1;
                let Some(at) = self.position(stream) else {
                    return;
                };
                if let Some(request) = self.pending.get_mut(at) {
                    request.append(data, max);
                }
                if end_stream {
                    let request = self.pending.swap_remove(at);
                    self.answer(http2, &request, now, unix);
                }
            }
            Event::Trailers { stream, .. } => {
                if let Some(at) = self.position(stream) {
                    let request = self.pending.swap_remove(at);
                    self.answer(http2, &request, now, unix);
                }
            }
            Event::StreamFailed { stream, .. } => {
                if let Some(at) = self.position(stream) {
                    self.pending.swap_remove(at);
                }
            }
            Event::SettingsAcknowledged => self.limit.acknowledged += 1,
            Event::Interim { .. }
            | Event::SettingsReceived
            | Event::Pong { .. }
            | Event::GoAway { .. }
            | Event::Closed { .. } => {}
        }
    }

    /// Where a request waits; mostly at the end, since its content follows its head.
    fn position(&self, stream: StreamId) -> Option<usize> {
        self.pending
            .iter()
            .rposition(|pending| pending.stream == stream)
    }

    /// Says good-bye at the request that the faults name.
    fn count_request(&mut self, http2: &mut Connection, stream: StreamId, now: Instant) {
        self.requests += 1;
        if self
            .around
            .faults
            .goaway_after
            .is_some_and(|after| after.get() == self.requests)
        {
            http2.send_goaway(
                stream,
                ErrorCode::NO_ERROR,
                self.around.endpoint.going_away(),
            );
            self.leaving = Some((stream, now + LEAVE));
        }
    }

    /// Judges a complete request, and sends the answer or holds it back.
    fn answer(&mut self, http2: &mut Connection, pending: &Pending, now: Instant, unix: u64) {
        let Self {
            around,
            session,
            dice,
            batch,
            text,
            ..
        } = self;
        let request = Request::gather(pending.fields.iter());
        let known =
            |key: u64| around.ledger.knows(key) || batch.iter().any(|line| line.key == Some(key));
        let arrival = Arrival {
            request: &request,
            body: &pending.body,
            draw: dice.draw(),
            random: dice.number(),
            now: unix,
            known: &known,
        };
        let judgement = session.judge(&arrival, &around.ledger);
        around.reporter.tell(
            text,
            (around.endpoint.provider(), self.number),
            &arrival,
            &judgement,
        );
        let Judgement {
            reply,
            key,
            standing,
            ..
        } = judgement;
        batch.push(Line { key, standing });
        let latency = self.dice.latency();
        // A refused stream is one that was never taken up: nothing is held back.
        if latency.is_zero() || reply == Reply::Refuse {
            self.send(http2, pending.stream, reply, now);
        } else {
            self.held_so_far += 1;
            let (due, order) = (now + latency, self.held_so_far);
            self.held.push(Held {
                due,
                order,
                stream: pending.stream,
                reply,
            });
        }
    }

    fn send(&mut self, http2: &mut Connection, stream: StreamId, reply: Reply, now: Instant) {
        match reply {
            Reply::Respond(response) => {
                self.adjust_limit(http2, response.status, now);
                respond(http2, stream, &response);
            }
            Reply::Refuse => http2.reset(stream, ErrorCode::REFUSED_STREAM),
            Reply::Reset => http2.reset(stream, ErrorCode::INTERNAL_ERROR),
            Reply::Silence => {}
        }
    }

    /// The first accepted push opens the connection; a refusal may narrow it again.
    fn adjust_limit(&mut self, http2: &mut Connection, status: u16, now: Instant) {
        let limit = &mut self.limit;
        match status {
            200 if limit.now < limit.full => limit.set(http2, limit.full, now),
            400..=409 | 411..=499 if self.around.faults.penalty && limit.full == apns::STREAMS => {
                limit.set(http2, apns::FIRST_STREAMS, now);
            }
            _ => {}
        }
    }
}

impl Pending {
    /// Appends content, as far as it is within bounds.
    fn append(&mut self, data: Vec<u8>, max: usize) {
        if self.body.is_empty() && data.len() <= max {
            self.body = data;
        } else {
            let room = max.saturating_sub(self.body.len()).min(data.len());
            self.body
                .extend_from_slice(data.get(..room).unwrap_or_default());
        }
    }
}

impl Limit {
    fn set(&mut self, http2: &mut Connection, streams: u32, now: Instant) {
        if streams == self.now {
            return;
        }
        self.sent += 1;
        if streams < self.now {
            self.lowered = self.sent;
        }
        self.now = streams;
        http2.set_max_concurrent_streams(streams, now);
    }

    /// Whether streams were opened since the last call of which no head was seen: refused by the
    /// connection, malformed, or skipped.
    fn take_headless(&mut self, http2: &Connection) -> bool {
        let opened = http2.highest_stream().div_ceil(2);
        let headless = opened.saturating_sub(self.heads);
        std::mem::replace(&mut self.headless, headless) < headless
    }
}

/// Sends a response, whole. If the client has reset the stream there is nobody to answer.
fn respond(http2: &mut Connection, stream: StreamId, response: &Response) {
    let field = |name: &'static str, value, indexing| Field {
        name: name.as_bytes(),
        value,
        indexing,
    };
    let retry_after = response.retry_after.map(|secs| secs.to_string());
    let date = response.date.map(http_date);
    let mut fields = [field("", &[], Indexing::Literal); 4];
    let mut count = 0;
    let mut put = |added| {
        if let Some(slot) = fields.get_mut(count) {
            *slot = added;
            count += 1;
        }
    };
    if let Some(id) = &response.apns_id {
        put(field("apns-id", id, Indexing::Literal));
    }
    if !response.content_type.is_empty() {
        put(field(
            "content-type",
            response.content_type.as_bytes(),
            Indexing::Indexed,
        ));
    }
    if let Some(secs) = &retry_after {
        put(field("retry-after", secs.as_bytes(), Indexing::Literal));
    }
    if let Some(date) = &date {
        put(field("date", date.as_bytes(), Indexing::Literal));
    }
    let fields = fields.get(..count).unwrap_or_default();
    let _ = http2.send_response(stream, response.status, fields, Some(&response.content));
}

/// The form of `date` (RFC 9110 §5.6.7).
pub(super) fn http_date(unix: u64) -> String {
    let seconds = i64::try_from(unix).unwrap_or(0);
    let at = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    printer.timestamp_to_rfc9110_string(&at).unwrap_or_default()
}

impl PartialEq for Held {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Held {}

impl PartialOrd for Held {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The heap gives out its greatest: the one due first, and of those the one held first.
impl Ord for Held {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due, other.order).cmp(&(self.due, self.order))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use super::{Faults, LEAVE, Reporter, Service, Surroundings, http_date};
    use crate::http2::{Connection, ErrorCode, Options};
    use crate::simulator::endpoint::Endpoint;
    use crate::simulator::fcm::Fcm;
    use crate::simulator::ledger::Ledger;
    use crate::simulator::oauth::AccessTokens;

    fn service() -> Service {
        let fcm = Fcm {
            project: "project".to_owned(),
            access_tokens: Arc::new(AccessTokens::default()),
            retry_after: None,
        };
        let around = Surroundings {
            endpoint: Endpoint::Fcm(Arc::new(fcm)),
            ledger: Arc::new(Ledger::new(1)),
            reporter: Arc::new(Reporter::Silent),
            faults: Arc::new(Faults::default()),
        };
        Service::new(Arc::new(around), 0, false)
    }

    #[test]
    fn a_client_that_does_not_leave_is_left() {
        let now = Instant::now();
        let (mut service, mut http2) = (service(), Connection::server(Options::default(), now));
        assert_eq!(service.next_release(), None);
        service.dismiss(&mut http2, ErrorCode::NO_ERROR, b"bye", now);
        assert_eq!(service.next_release(), Some(now + LEAVE));
        service.release(
            &mut http2,
            now + LEAVE.saturating_sub(Duration::from_nanos(1)),
        );
        assert!(!http2.is_closed());
        service.release(&mut http2, now + LEAVE);
        assert!(http2.is_closed());
    }

    #[test]
    fn dates_have_the_form_of_http() {
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
    }
}
