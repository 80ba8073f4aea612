//! What becomes of one request: judged or struck, answered at once, later or never.

use std::time::Instant;

use super::outgoing::{Outgoing, respond};
use super::{Doom, Pending, Service};
use crate::http2::{Connection, ErrorCode, StreamId};
use crate::simulator::answer::{Judgement, Reply, Standing};
use crate::simulator::apns;
use crate::simulator::arrival::Arrival;
use crate::simulator::faults::{Asked, Kind, Point, Strike};
use crate::simulator::ledger::Line;
use crate::simulator::provider::Provider;
use crate::simulator::record::Entry;
use crate::simulator::request::Request;

impl Service {
    /// Judges a complete request, and sends the answer or holds it back.
    pub(super) fn answer(
        &mut self,
        http2: &mut Connection,
        pending: &Pending,
        now: Instant,
        unix: u64,
    ) {
        let Self {
            around,
            session,
            dice,
            batch,
            text,
            faults,
            ..
        } = self;
        let request = Request::gather(pending.fields.iter());
        let known =
            |key: u64| around.ledger.knows(key) || batch.iter().any(|line| line.key == Some(key));
        let arrival = Arrival {
            request: &request,
            is_plain: false,
            body: &pending.body,
            answering: pending.draw.answering,
            random: dice.number(),
            now: unix,
            known: &known,
        };
        let unprocessed = pending.draw.strike_at(Point::Data);
        let provider = around.endpoint.provider();
        if let (Some(strike), Provider::OAuth | Provider::Channels) = (unprocessed, provider) {
            // To judge it would be to issue a token, or to make a channel.
            return self.strike(http2, pending.stream, strike);
        }
        let mut judgement = session.judge(&arrival, &around.ledger);
        if let Some(strike) = unprocessed {
            judgement.leave_unprocessed(strike.kind.as_str());
        }
        let tally = &around.stage.tally;
        if let Some(what) = Asked::of(pending.draw.answering, &judgement) {
            tally.struck(what);
        }
        let retry_after = faults.retry_after.as_ref();
        if judgement.reply.retry_after(retry_after, provider, unix) {
            tally.struck(Asked::RetryAfter);
        }
        around
            .reporter
            .tell(text, (provider, self.number), &arrival, &judgement);
        let place = around.place(self.number, pending.stream, now);
        let processed = unprocessed.is_none() && !matches!(judgement.reply, Reply::Refuse);
        let entry = || Box::new(Entry::judged(place, &request, &judgement, processed));
        let entry = around.recorder.is_some().then(entry);
        let Judgement {
            reply,
            key,
            standing,
            ..
        } = judgement;
        batch.push(Line { key, standing });
        let outgoing = Outgoing {
            stream: pending.stream,
            reply,
            strike: pending.draw.strike,
            accepted: standing == Standing::Accepted,
            entry,
        };
        let latency = self.dice.latency(&self.faults);
        // A stream that was never taken up has nothing that could be held back.
        if latency.is_zero() || outgoing.reply == Reply::Refuse || unprocessed.is_some() {
            self.send(http2, outgoing, now);
        } else {
            self.faults.count_latency(&self.around.stage.tally);
            self.shelf.hold(now + latency, outgoing);
        }
    }

    pub(super) fn send(&mut self, http2: &mut Connection, mut outgoing: Outgoing, now: Instant) {
        let stream = outgoing.stream;
        let strike = outgoing
            .strike
            .filter(|strike| strike.point != Point::Answered);
        let out = match &outgoing.reply {
            Reply::Refuse => {
                http2.reset(stream, ErrorCode::REFUSED_STREAM);
                true
            }
            _ if strike.is_some_and(|strike| strike.point != Point::Response) => false,
            Reply::Respond(response) => {
                self.adjust_limit(http2, response.status, now);
                // If the client has reset the stream there is nobody to answer.
                let is_said = respond(http2, stream, response, strike.is_none()).is_ok();
                if let Some(entry) = &mut outgoing.entry {
                    entry.head = is_said;
                }
                is_said && strike.is_none()
            }
            Reply::Reset => {
                http2.reset(stream, ErrorCode::INTERNAL_ERROR);
                false
            }
            Reply::Silence => false,
        };
        if out {
            self.sent_accepted += u64::from(outgoing.accepted);
            if let Some(entry) = &mut outgoing.entry {
                entry.answered = matches!(outgoing.reply, Reply::Respond(_));
            }
            self.sent.push(outgoing.entry.take());
        }
        let strike = outgoing.strike;
        if !out {
            self.withhold(outgoing);
        }
        if let Some(strike) = strike {
            self.strike(http2, stream, strike);
        }
    }

    /// An answer will never go out.
    pub(super) fn withhold(&mut self, outgoing: Outgoing) {
        self.around.ledger.unanswered(u64::from(outgoing.accepted));
        self.entries.extend(outgoing.entry.map(|entry| *entry));
    }

    /// A request will never be judged.
    pub(super) fn leave_out(&mut self, pending: &Pending, why: &'static str, now: Instant) {
        if self.around.recorder.is_some() {
            let place = self.around.place(self.number, pending.stream, now);
            let request = Request::gather(pending.fields.iter());
            self.entries.push(Entry::unprocessed(place, &request, why));
        }
    }

    /// What a strike does to the stream is done; what it does to the transport is noted.
    pub(super) fn strike(&mut self, http2: &mut Connection, stream: StreamId, strike: Strike) {
        match strike.kind {
            Kind::Internal => http2.reset(stream, ErrorCode::INTERNAL_ERROR),
            Kind::Cancel => http2.reset(stream, ErrorCode::CANCEL),
            Kind::Refused => http2.reset(stream, ErrorCode::REFUSED_STREAM),
            Kind::Silence => {}
            kind => return self.condemn(kind, strike),
        }
        self.around.stage.tally.struck(Asked::Strike(strike));
    }

    /// What is deaf can be made mute as well, and both can be cut: counted by who carries that out.
    fn condemn(&mut self, kind: Kind, strike: Strike) {
        if self.is_cut() {
            return;
        }
        let by = Asked::Strike(strike);
        let kind = match (self.doom.map(|doom| doom.kind), kind) {
            (Some(Kind::Deaf), Kind::Mute) | (Some(Kind::Mute), Kind::Deaf) => Kind::Dead,
            (_, kind) => kind,
        };
        if matches!(kind, Kind::Deaf | Kind::Mute) {
            self.struck(by);
        }
        self.doom = Some(Doom { kind, by });
    }

    /// The first accepted push opens the connection; a refusal may narrow it again.
    fn adjust_limit(&mut self, http2: &mut Connection, status: u16, now: Instant) {
        let limit = &mut self.limit;
        match status {
            200..=299 => limit.open(http2, now),
            400..=409 | 411..=499 if self.faults.penalty && limit.full() == apns::STREAMS => {
                limit.set(http2, apns::FIRST_STREAMS, now);
                self.around.stage.tally.struck(Asked::Penalty);
            }
            _ => {}
        }
    }
}
