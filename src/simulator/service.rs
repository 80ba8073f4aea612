//! The service of one HTTP/2 connection: requests are gathered, judged and answered, unless the
//! faults have it otherwise.
//!
//! Knows no socket: events of [`http2::Connection`](Connection) come in, its sending calls go out;
//! what befalls the transport is told by [`Service::doom`]. Time is an argument.

mod answering;
mod limit;
mod outgoing;
mod parting;

use std::sync::Arc;
use std::time::Instant;

use self::limit::Limit;
use self::outgoing::Shelf;
use super::endpoint::{LookAlike, Session};
use super::faults::{Asked, Dice, Draw, Faults, Kind, Point, Stage};
use super::ledger::{Ledger, Line};
use super::record::{Entry, Recorder, StreamPlace};
use super::report::Reporter;
use crate::http2::{Connection, ErrorCode, Event, Fields, StreamId};

/// What one connection has to do with the others.
pub(super) struct Surroundings {
    pub(super) endpoint: LookAlike,
    pub(super) ledger: Arc<Ledger>,
    pub(super) reporter: Arc<Reporter>,
    pub(super) recorder: Option<Arc<Recorder>>,
    /// Where the random numbers begin.
    pub(super) seed: u64,
    pub(super) stage: Arc<Stage>,
    /// When the simulator was started.
    pub(super) started: Instant,
}

impl Surroundings {
    /// The dice of the connection of that number.
    pub(super) fn dice(&self, number: u64) -> Dice {
        Dice::new(self.seed, self.endpoint.provider(), number)
    }

    /// Where a request came in.
    pub(super) fn place(&self, connection: u64, stream: StreamId, now: Instant) -> StreamPlace {
        StreamPlace {
            provider: self.endpoint.provider(),
            connection,
            stream,
            time: now.saturating_duration_since(self.started),
        }
    }
}

/// One connection's service.
pub(super) struct Service {
    around: Arc<Surroundings>,
    /// The connection's number.
    number: u64,
    session: Session,
    dice: Dice,
    /// What is in force.
    faults: Arc<Faults>,
    /// Requests whose content is not complete.
    pending: Vec<Pending>,
    shelf: Shelf,
    limit: Limit,
    /// Requests so far.
    requests: u64,
    /// The last stream that our GOAWAY promised to serve, and when the connection ends.
    leaving: Option<(StreamId, Instant)>,
    /// What the transport is to suffer.
    doom: Option<Doom>,
    batch: Vec<Line>,
    text: Vec<u8>,
    /// Answers that were sent and not yet handed to the transport.
    sent: Vec<Option<Box<Entry>>>,
    sent_accepted: u64,
    /// Lines that are settled.
    entries: Vec<Entry>,
}

/// What a transport is to suffer, and which fault has it so.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doom {
    pub(super) kind: Kind,
    pub(super) by: Asked,
}

struct Pending {
    stream: StreamId,
    fields: Fields,
    body: Vec<u8>,
    /// Bytes of content so far.
    bytes: usize,
    draw: Draw,
}

impl Service {
    /// The service of the connection of that number. `certificate`: the client has shown ours.
    pub(super) fn new(
        around: Arc<Surroundings>,
        number: u64,
        certificate: bool,
        faults: Arc<Faults>,
    ) -> Self {
        let (first, full) = (around.endpoint.first_streams(), around.endpoint.streams());
        Self {
            session: around.endpoint.session(certificate),
            dice: around.dice(number),
            number,
            pending: Vec::new(),
            shelf: Shelf::default(),
            limit: Limit::new(first, full, faults.streams),
            requests: 0,
            leaving: None,
            doom: None,
            batch: Vec::new(),
            text: Vec::new(),
            sent: Vec::new(),
            sent_accepted: 0,
            entries: Vec::new(),
            faults,
            around,
        }
    }

    /// Lets the client open all streams at once.
    pub(super) fn trust(&mut self, http2: &mut Connection, now: Instant) {
        self.limit.open(http2, now);
    }

    /// What is in force.
    pub(super) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// What the transport is to suffer, once what was sent before is out.
    pub(super) fn doom(&self) -> Option<Doom> {
        self.doom
    }

    /// A fault takes effect.
    pub(super) fn struck(&self, what: Asked) {
        self.around.stage.tally.struck(what);
    }

    /// Takes all events; answers what can be answered at once. `unix`: seconds since the epoch.
    pub(super) fn take_events(&mut self, http2: &mut Connection, now: Instant, unix: u64) {
        if self.around.stage.is_scripted() {
            let faults = self.around.stage.faults(self.number, now);
            self.enter(http2, faults, now);
        }
        // Before answers make room: that many were open when the connection refused one.
        let full = self.limit.is_reached(http2);
        self.count_limits(http2);
        while !self.is_cut()
            && let Some(event) = http2.poll_event()
        {
            self.take(http2, event, now, unix);
        }
        let headless = self.limit.take_headless(http2);
        if headless && full && self.limit.is_known() && self.leaving.is_none() {
            let debug = self.around.endpoint.streams_violated();
            self.dismiss(http2, ErrorCode::REFUSED_STREAM, debug, now);
        }
        self.count_limits(http2);
        self.check_abruptness();
    }

    /// Sends the answers whose time has come.
    pub(super) fn release(&mut self, http2: &mut Connection, now: Instant) {
        while !self.is_cut()
            && let Some(outgoing) = self.shelf.take_due(now)
        {
            self.send(http2, outgoing, now);
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

    /// What was sent is with the transport, or (`lost`) will never be.
    pub(super) fn flushed(&mut self, lost: bool) {
        if lost {
            self.around.ledger.unanswered(self.sent_accepted);
        }
        self.sent_accepted = 0;
        for entry in self.sent.drain(..).flatten() {
            let mut entry = *entry;
            entry.head &= !lost;
            entry.answered &= !lost;
            self.entries.push(entry);
        }
        if let Some(recorder) = &self.around.recorder {
            recorder.write(&mut self.entries);
        }
    }

    /// The connection is over: what has not gone out never will.
    pub(super) fn end(&mut self, now: Instant) {
        let held: Vec<_> = self.shelf.drain().collect();
        for outgoing in held {
            self.withhold(outgoing);
        }
        for pending in std::mem::take(&mut self.pending) {
            self.leave_out(&pending, "not complete", now);
        }
        self.settle();
        self.flushed(true);
    }

    /// When [`Service::release`] has something to do next, or other faults may come into force.
    pub(super) fn next_release(&self) -> Option<Instant> {
        let held = self.shelf.next_due();
        let end = self.leaving.map(|(_, end)| end);
        let change = self.around.stage.next_change();
        [held, end, change].into_iter().flatten().min()
    }

    fn take(&mut self, http2: &mut Connection, event: Event, now: Instant, unix: u64) {
        match event {
            Event::Head {
                stream,
                fields,
                end_stream,
            } => {
                self.limit.head_came();
                self.around.stage.tally.request_came();
                if let Some(bytes) = self.faults.header_table
                    && self.limit.is_all_known()
                {
                    self.struck(Asked::HeaderTable(bytes));
                }
                if self.leaving.is_some_and(|(last, _)| stream > last) {
                    return;
                }
                if self.around.stage.is_scripted() {
                    let faults = self.around.stage.request(self.number, now);
                    self.enter(http2, faults, now);
                }
                if self.count_request(http2, stream, now) {
                    return;
                }
                let request = Pending {
                    stream,
                    fields,
                    body: Vec::new(),
                    bytes: 0,
                    draw: self.dice.draw(&self.faults),
                };
                if let Some(strike) = request.draw.strike_at(Point::Headers) {
                    self.leave_out(&request, strike.kind.as_str(), now);
                    self.strike(http2, stream, strike);
                } else if end_stream {
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
                let bytes = self.pending.get_mut(at).map(|request| {
                    request.append(data, max);
                    request.bytes
                });
                // The client has more to send, and may not.
                if let Some(window) = self.faults.stream_window
                    && bytes.is_some_and(|bytes| u32::try_from(bytes) == Ok(window))
                    && !end_stream
                {
                    self.struck(Asked::StreamWindow(window));
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
                    let request = self.pending.swap_remove(at);
                    self.leave_out(&request, "not complete", now);
                }
            }
            Event::SettingsAcknowledged => self.limit.acknowledged(),
            Event::Interim { .. }
            | Event::SettingsReceived
            | Event::Pong { .. }
            | Event::GoAway { .. }
            | Event::ListExceeded { .. }
            | Event::Retiring { .. }
            | Event::Closed { .. } => {}
        }
    }

    /// Counts the limits that the client has come up against.
    fn count_limits(&self, http2: &Connection) {
        if let Some(cap) = self.faults.streams
            && self.limit.is_capped()
            && self.limit.is_known()
            && self.limit.is_reached(http2)
        {
            self.struck(Asked::Streams(cap));
        }
        if let Some(bytes) = self.faults.connection_window
            && http2.has_used_window()
        {
            self.struck(Asked::ConnectionWindow(bytes));
        }
    }

    /// Where a request waits; mostly at the end, since its content follows its head.
    fn position(&self, stream: StreamId) -> Option<usize> {
        self.pending
            .iter()
            .rposition(|pending| pending.stream == stream)
    }

    /// Other faults come into force: what they say of SETTINGS goes out.
    fn enter(&mut self, http2: &mut Connection, faults: Arc<Faults>, now: Instant) {
        if Arc::ptr_eq(&self.faults, &faults) {
            return;
        }
        let old = std::mem::replace(&mut self.faults, faults);
        let new = &self.faults;
        if old.streams != new.streams {
            self.limit.set_cap(http2, new.streams, now);
        }
        let initial = |faults: &Faults| {
            let window = faults.stream_window.unwrap_or(WINDOW_INITIAL);
            let table = faults.header_table.unwrap_or(HEADER_TABLE_INITIAL);
            (window, table)
        };
        let (window, table) = initial(new);
        if initial(&old) != (window, table) {
            http2.change_settings(table, window, now);
            self.limit.other_settings_sent();
        }
    }

    /// The transport is at its end, whatever else came.
    fn is_cut(&self) -> bool {
        let kind = self.doom.map(|doom| doom.kind);
        !matches!(kind, None | Some(Kind::Deaf | Kind::Mute))
    }
}

/// `INITIAL_WINDOW_SIZE` and `HEADER_TABLE_SIZE` where the faults do not say.
pub(super) const WINDOW_INITIAL: u32 = 65_535;
pub(super) const HEADER_TABLE_INITIAL: u32 = 4_096;

impl Pending {
    /// Appends content, as far as it is within bounds.
    fn append(&mut self, data: Vec<u8>, max: usize) {
        self.bytes += data.len();
        if self.body.is_empty() && data.len() <= max {
            self.body = data;
        } else {
            let room = max.saturating_sub(self.body.len()).min(data.len());
            self.body
                .extend_from_slice(data.get(..room).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests;
