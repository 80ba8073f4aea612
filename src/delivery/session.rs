//! One provider connection with its pushes: which stream carries which push, and what became of it.
//!
//! Pure: it works on the [`Connection`] it is handed; time is an argument. Every push that
//! it takes comes back exactly once, as an [`Ended`].

mod causes;
mod ended;
mod flight;
mod goaway;
mod moving;
mod streams;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use causes::{NOT_AWAITED, RestOfAnswer, SILENT, cause_text};
pub use ended::Ended;
use flight::{Carried, Flight};
pub use goaway::GoawayReasons;
pub use streams::{LEAST_STREAMS_TO_KEEP, STREAMS_PER_KEPT};

use super::credential::{Credential, Trouble};
use super::outcome::Outcome;
use super::pulse::Pulse;
use super::requests::Requests;
use crate::http2::{Bucket, Cause, Connection, ErrorCode, Event, Fate, SendError, StreamId};
use crate::lane::Target;
use crate::moment::Moment;
use crate::provider::{Row, Verdict};
use crate::push::{ConnectionId, Push, PushClass, PushId};

/// Time-outs in a row, without an answer in between, after which a connection is taken for dead:
/// new pushes must not pile up on it. Bytes prove nothing: a server whose application hangs may
/// still acknowledge PINGs and open windows.
pub const SILENT_TIMEOUTS: u32 = 3;
/// No further stream is opened while so many bytes wait for the socket: what is not written can
/// still go elsewhere.
pub const OUTPUT_HIGH_WATER: usize = 256 * 1024;
/// No further stream is opened while the connection's window is smaller and others are in flight:
/// its content could not follow at once.
pub const LEAST_SEND_WINDOW: usize = 8 * 1024;
/// Deadlines of ended streams that are kept before they are swept out.
const STALE_DEADLINES: usize = 1024;

/// What refused the credential of a connection, and the push that it may be about alone.
type ConnectionRefused = (&'static Row, Option<(PushId, Target)>);

/// The pushes in flight on one connection.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "nine independent facts")]
pub struct Session {
    requests: Requests,
    timeout: Duration,
    /// What answers said of the present credential, of two targets at most.
    troubles: Vec<(Trouble, Target)>,
    /// An answer has shown that the present credential is taken.
    proved: bool,
    flights: HashMap<StreamId, Flight>,
    /// Bulk pushes among them.
    bulk: usize,
    /// Deadlines in the order of sending; one time-out for all keeps them sorted. Entries of
    /// streams that have ended are skipped.
    deadlines: VecDeque<(Instant, StreamId)>,
    timeouts_in_silence: u32,
    /// Streams that may still be reset for a time-out: a server takes many resets for an attack.
    resets_left: Option<Bucket>,
    pulse: Pulse,
    /// A GOAWAY complained of PINGs.
    too_many_pings: bool,
    /// The reasons of GOAWAYs that were not told.
    goaways: GoawayReasons,
    /// A request's fields count more than the provider likes: size, limit.
    list_exceeded: Option<(usize, usize)>,
    answered: u64,
    useful: bool,
    /// The last answer told of an error of the provider's own.
    falters: bool,
    retiring: Option<String>,
    /// What a GOAWAY said of the credential of the connection, if it refused it, and while which
    /// push was under way.
    refused: Option<ConnectionRefused>,
    /// It was told to those who asked.
    refusal_told: bool,
    /// Answers in a row that the credential is refused, with none between that it is taken.
    refusals: u32,
    /// Whom its pushes went to.
    carried: Carried,
    generation: u64,
    /// Its pushes go by a route that is tried, and not the lane's.
    is_on_trial: bool,
    /// Another lane had the connection before.
    has_moved: bool,
    /// An answer has asked for another connection, and it was not told.
    wants_fresh: bool,
    connection: ConnectionId,
    /// The provider has acknowledged our SETTINGS.
    settings_acknowledged: bool,
    /// Numbers the credentials of the requests.
    credential_number: u32,
}

impl Session {
    /// A session without pushes, on that connection.
    ///
    /// Its requests time out after `timeout`.
    pub fn new(requests: Requests, timeout: Duration, connection: ConnectionId) -> Self {
        Self {
            connection,
            refusals: 0,
            resets_left: None,
            pulse: Pulse::of(requests.provider().pings()),
            too_many_pings: false,
            goaways: GoawayReasons::default(),
            list_exceeded: None,
            requests,
            timeout,
            troubles: Vec::new(),
            proved: false,
            flights: HashMap::new(),
            bulk: 0,
            deadlines: VecDeque::new(),
            timeouts_in_silence: 0,
            answered: 0,
            useful: false,
            falters: false,
            retiring: None,
            refused: None,
            refusal_told: false,
            carried: Carried::Nothing,
            generation: 0,
            is_on_trial: false,
            has_moved: false,
            wants_fresh: false,
            settings_acknowledged: false,
            credential_number: 0,
        }
    }

    /// The pushes of this connection go by the route of that number.
    pub fn belongs_to(&mut self, generation: u64) {
        self.generation = generation;
    }

    /// Whether the route of its pushes is one that is tried, and not the lane's.
    pub fn set_on_trial(&mut self, is_on_trial: bool) {
        self.is_on_trial = is_on_trial;
    }

    /// The number of the route that its pushes go by.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The row of a refused credential in the peer's GOAWAY; once. With the first push that was
    /// under way then, if none was to another target.
    pub fn take_refusal(&mut self) -> Option<ConnectionRefused> {
        let told = std::mem::replace(&mut self.refusal_told, self.refused.is_some());
        self.refused.filter(|_| !told)
    }

    /// How often in a row pushes on it were answered that the credential is refused.
    pub fn refusals(&self) -> u32 {
        self.refusals
    }

    /// Whether a GOAWAY has refused the credential of the connection.
    pub fn is_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// Whether requests have timed out since the last answer.
    pub fn is_silent(&self) -> bool {
        self.timeouts_in_silence > 0
    }

    /// The target of its pushes, if they had one alone.
    pub fn only_target(&self) -> Option<Target> {
        self.carried.only().map(|(_, target)| target)
    }

    /// Sends with that credential from now on; with none, there is no room.
    pub fn set_credential(&mut self, credential: Option<Credential>, http2: &mut Connection) {
        if credential.as_ref() != self.requests.credential() {
            self.credential_number = self.credential_number.wrapping_add(1);
            self.troubles.clear();
            self.proved = false;
            self.requests.set_credential(credential, http2);
        }
    }

    /// What answers said about the present credential since the last call, and to whom.
    pub fn take_troubles(&mut self) -> Vec<(Trouble, Target)> {
        std::mem::take(&mut self.troubles)
    }

    /// Whether an answer since the last call has shown that the present credential is taken.
    pub fn take_proof(&mut self) -> bool {
        std::mem::take(&mut self.proved)
    }

    /// What its requests are sent with.
    pub fn credential(&self) -> Option<&Credential> {
        self.requests.credential()
    }

    /// Sends PINGs more rarely, by a factor of 2 for each time that the provider complained.
    pub fn slow_down_pings(&mut self, doublings: u32) {
        self.pulse.slow_down(doublings);
    }

    /// True once, when the provider has complained of PINGs.
    pub fn take_too_many_pings(&mut self) -> bool {
        std::mem::take(&mut self.too_many_pings)
    }

    /// Once for each limit: what the fields of a request count, and the provider's
    /// `MAX_HEADER_LIST_SIZE` that is less. It was sent all the same.
    pub fn take_list_exceeded(&mut self) -> Option<(usize, usize)> {
        self.list_exceeded.take()
    }

    /// Whether the peer was asked by a PING and has said nothing since: it gets no pushes.
    pub fn is_in_doubt(&self) -> bool {
        self.pulse.is_in_doubt()
    }

    /// Pushes in flight.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// The push of that id, if it is in flight.
    pub fn find(&self, id: PushId) -> Option<&Push> {
        let mut pushes = self.flights.values().map(|flight| &flight.push);
        pushes.find(|push| push.id() == id)
    }

    /// Takes the push of that id back from its stream, of which nothing more is heard; the provider
    /// may have it all the same. It ends by its answer if the head of that has come.
    pub fn cancel(
        &mut self,
        id: PushId,
        http2: &mut Connection,
        now: Moment,
        ended: &mut Vec<Ended>,
    ) -> Option<Ended> {
        let mut flights = self.flights.iter();
        let (&stream, _) = flights.find(|(_, flight)| flight.push.id() == id)?;
        http2.reset(stream, ErrorCode::CANCEL);
        self.count_reset(now.monotonic);
        let rest = RestOfAnswer::Missing(NOT_AWAITED.to_owned());
        if let Some(answer) = self.answer_of(stream, rest, now) {
            self.end(stream, answer, ended);
            return None;
        }
        let flight = self.flights.remove(&stream)?;
        self.land(&flight.push);
        self.drop_stale_deadlines();
        let outcome = Outcome::Unknown(NOT_AWAITED.into());
        Some(flight.end(outcome, self.connection, self.is_refused()))
    }

    /// Answers received so far.
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// Whether an answer has shown that the connection is good for something: any but one that
    /// asks for it to be closed.
    pub fn is_useful(&self) -> bool {
        self.useful
    }

    /// Why the connection should take no more pushes and be closed, if it should.
    pub fn retiring(&self) -> Option<&str> {
        self.retiring.as_deref()
    }

    /// Lets what is in flight finish and takes nothing more. The first reason stays.
    pub fn retire(&mut self, why: impl Into<String>) {
        self.retiring.get_or_insert_with(|| why.into());
    }

    /// Sends a push.
    ///
    /// # Errors
    ///
    /// Gives the push back when the connection cannot take it.
    pub fn send(
        &mut self,
        mut push: Push,
        http2: &mut Connection,
        now: Moment,
    ) -> Result<(), Box<(Push, SendError)>> {
        match self.requests.send(&push, http2, now) {
            Ok(stream) => {
                push.first_attempt.get_or_insert(now.monotonic);
                self.carried.add(&push);
                self.bulk += usize::from(push.class() == PushClass::Bulk);
                let flight = Flight {
                    push,
                    sent: now.monotonic,
                    credential_number: self.credential_number,
                    generation: self.generation,
                    is_early: !self.settings_acknowledged,
                    is_on_trial: self.is_on_trial,
                    head: None,
                    content: Vec::new(),
                };
                self.flights.insert(stream, flight);
                // A time-out so long that the clock cannot count it never comes.
                if let Some(deadline) = now.monotonic.checked_add(self.timeout) {
                    self.deadlines.push_back((deadline, stream));
                }
                Ok(())
            }
            Err(error) => Err(Box::new((push, error))),
        }
    }

    /// Takes one event of the connection.
    pub fn handle_event(
        &mut self,
        event: Event,
        http2: &mut Connection,
        now: Moment,
        ended: &mut Vec<Ended>,
    ) {
        match event {
            Event::Head {
                stream,
                fields,
                end_stream,
            } => {
                if let Some(flight) = self.flights.get_mut(&stream) {
                    flight.head = Some(fields);
                }
                if end_stream {
                    self.finish(stream, now, ended);
                }
            }
            Event::Data {
                stream,
                data,
                end_stream,
            } => {
                http2.release(stream, data.len());
                if let Some(flight) = self.flights.get_mut(&stream) {
                    if flight.content.is_empty() {
                        flight.content = data;
                    } else {
                        flight.content.extend_from_slice(&data);
                    }
                }
                if end_stream {
                    self.finish(stream, now, ended);
                }
            }
            Event::Trailers { stream, .. } => self.finish(stream, now, ended),
            Event::StreamFailed {
                stream,
                fate,
                cause,
            } => {
                let of_stream = matches!(
                    cause,
                    Cause::ResetByPeer(_) | Cause::StreamError(..) | Cause::OurLimit(_)
                );
                let rest = match cause {
                    Cause::OurLimit(_) => RestOfAnswer::TooLong,
                    _ => RestOfAnswer::Missing(cause_text(cause)),
                };
                let answer = self.answer_of(stream, rest, now);
                let outcome = answer.unwrap_or_else(|| self.outcome_of(fate, cause));
                let ended_before = ended.len();
                self.end(stream, outcome, ended);
                if !of_stream {
                    self.spare_if_refused(ended.iter_mut().skip(ended_before));
                }
            }
            Event::GoAway { code, debug, .. } => self.take_goaway(code, &debug),
            Event::Retiring { why } => self.retire(why),
            Event::ListExceeded { size, limit } => self.list_exceeded = Some((size, limit)),
            Event::Closed { cause } => self.retire(cause_text(cause)),
            Event::Pong { payload } => self.pulse.answered(payload),
            Event::SettingsAcknowledged => self.settings_acknowledged = true,
            Event::Interim { .. } | Event::SettingsReceived => {}
        }
    }

    /// When [`Session::handle_timeout`] is to be called: a push times out, or the connection is to
    /// be asked whether it lives, or has not answered that.
    pub fn next_timeout(&self) -> Option<Instant> {
        let deadline = self.deadlines.front().map(|(deadline, _)| *deadline);
        let pulse = self.pulse.next(self.flights.is_empty());
        [deadline, pulse].into_iter().flatten().min()
    }

    /// Ends what has timed out. What was not sent until then is taken back: events of the
    /// connection, to be handled before the next call, say so.
    pub fn handle_timeout(&mut self, http2: &mut Connection, at: Moment, ended: &mut Vec<Ended>) {
        let now = at.monotonic;
        while let Some(&(deadline, stream)) = self.deadlines.front() {
            let in_flight = self.flights.contains_key(&stream);
            if in_flight && deadline > now {
                break;
            }
            self.deadlines.pop_front();
            if in_flight && http2.is_unsent(stream) {
                // The peer took no byte all the while. What has not left can go elsewhere.
                http2.take_back_unsent();
                self.retire("the peer takes no bytes");
                return;
            } else if in_flight {
                http2.reset(stream, ErrorCode::CANCEL);
                self.count_reset(now);
                let text = format!("no answer within {} s", self.timeout.as_secs_f32());
                if let Some(answer) =
                    self.answer_of(stream, RestOfAnswer::Missing(text.clone()), at)
                {
                    self.end(stream, answer, ended);
                    continue;
                }
                let ended_before = ended.len();
                self.end(stream, Outcome::Unknown(text.into()), ended);
                self.spare_if_refused(ended.iter_mut().skip(ended_before));
                self.timeouts_in_silence = self.timeouts_in_silence.saturating_add(1);
                self.pulse.ask(http2, self.flights.is_empty(), now);
            }
        }
        if self.timeouts_in_silence >= SILENT_TIMEOUTS {
            self.retire(format!("{SILENT_TIMEOUTS} requests in a row had no answer"));
        }
        if !http2.is_closed() && !self.pulse.check(http2, self.flights.is_empty(), now) {
            self.retire(SILENT);
            http2.close(ErrorCode::NO_ERROR);
        }
    }

    /// What is not heard of on a connection that was refused before it answered anything says
    /// nothing of the push.
    fn spare_if_refused<'a>(&self, ended: impl Iterator<Item = &'a mut Ended>) {
        if self.is_refused() && self.answered == 0 {
            for it in ended {
                it.is_spared = matches!(it.outcome, Outcome::Unknown(_));
            }
        }
    }

    /// A stream was reset because its time was over. Opens no more when they are too many.
    fn count_reset(&mut self, now: Instant) {
        let left = self
            .resets_left
            .get_or_insert_with(|| Bucket::of_resets(now));
        left.fill(now);
        if !left.take() {
            self.retire("too many requests without an answer");
        }
    }

    /// Gives back every push in flight: the connection is lost without its events. What was not
    /// said to be taken is unknown.
    pub fn abandon(&mut self, why: &'static str, now: Moment, ended: &mut Vec<Ended>) {
        let is_refused = self.is_refused();
        let mut flights: Vec<_> = self.flights.drain().collect();
        self.bulk = 0;
        flights.sort_unstable_by_key(|(stream, _)| *stream);
        for (_, flight) in flights {
            let head = flight.head.as_ref();
            let outcome = match head.filter(|head| head.status() == Some(SUCCESS)) {
                Some(head) => Outcome::Answered(self.requests.read_answer(SUCCESS, head, &[], now)),
                None => Outcome::Unknown(why.into()),
            };
            ended.push(flight.end(outcome, self.connection, is_refused));
        }
    }

    /// The answer of a stream is complete.
    fn finish(&mut self, stream: StreamId, now: Moment, ended: &mut Vec<Ended>) {
        let answer = self.answer_of(stream, RestOfAnswer::Came, now);
        // http2 lets no message end without a final head; should it, the answer is no answer.
        let outcome = answer.unwrap_or_else(|| Outcome::Unknown("the answer had no status".into()));
        self.end(stream, outcome, ended);
    }

    /// The answer of a stream as far as it has come, if its head has. The head says what the
    /// provider has done; the rest, if it has refused the push, why.
    fn answer_of(&mut self, stream: StreamId, rest: RestOfAnswer, now: Moment) -> Option<Outcome> {
        // It stays in its place while its answer is read, in case that ends in a panic.
        let flight = self.flights.get(&stream)?;
        let credential_number = flight.credential_number;
        let head = flight.head.as_ref()?;
        let status = head.status()?;
        self.answered = self.answered.saturating_add(1);
        self.timeouts_in_silence = 0;
        self.falters = status >= 500;
        let read = |content| self.requests.read_answer(status, head, content, now);
        let answer = match rest {
            RestOfAnswer::Came => read(&flight.content),
            RestOfAnswer::TooLong => read(&[]),
            RestOfAnswer::Missing(why) => read(&[]).without_its_reason(&why),
        };
        let answer = self
            .requests
            .provider()
            .about(flight.push.envelope(), answer);
        let again = match answer.verdict {
            Verdict::Retry(again) => Some(again),
            Verdict::Succeeded | Verdict::Refused | Verdict::Stopped => None,
        };
        let trouble = if again.is_some_and(|again| again.new_credential) {
            Some(Trouble::Refused)
        } else if self.requests.provider().was_renewed_too_soon(&answer) {
            Some(Trouble::RenewedTooSoon)
        } else {
            None
        };
        let trouble = trouble.map(|trouble| (trouble, Target::of(flight.push.token())));
        if answer.proves {
            self.refusals = 0;
            self.proved |= credential_number == self.credential_number;
        } else if answer.verdict == Verdict::Stopped
            || again.is_some_and(|again| again.once) && !answer.of_other_topic
        {
            self.refusals = self.refusals.saturating_add(1);
        }
        if again.is_some_and(|again| again.close_connection) {
            self.retire(format!("{status} {}", answer.reason));
            self.wants_fresh = true;
        } else {
            self.useful = true;
        }
        if let Some(trouble) = trouble {
            self.note_trouble(trouble, credential_number);
        }
        Some(Outcome::Answered(answer))
    }

    /// What became of a push by the word of the HTTP/2 side. What a connection did not process
    /// whose credential is refused costs nothing, however often that happens.
    fn outcome_of(&self, fate: Fate, cause: Cause) -> Outcome {
        match fate {
            Fate::NotSent => Outcome::NotSent,
            Fate::NotProcessed if self.is_refused() => Outcome::NotSent,
            Fate::NotProcessed => Outcome::NotProcessed(cause_text(cause).into()),
            Fate::Unknown => Outcome::Unknown(cause_text(cause).into()),
        }
    }

    /// Trouble with a credential that has been replaced since is old news, and must not be held
    /// against its successor.
    fn note_trouble(&mut self, trouble: (Trouble, Target), credential_number: u32) {
        let is_news = !self.troubles.contains(&trouble);
        if credential_number == self.credential_number && is_news && self.troubles.len() < 2 {
            self.troubles.push(trouble);
        }
    }

    fn end(&mut self, stream: StreamId, outcome: Outcome, ended: &mut Vec<Ended>) {
        if let Some(flight) = self.flights.remove(&stream) {
            self.land(&flight.push);
            ended.push(flight.end(outcome, self.connection, self.is_refused()));
            self.drop_stale_deadlines();
        }
    }

    /// Keeps the deadlines no longer than the pushes in flight call for, also behind one push
    /// that is not answered.
    fn drop_stale_deadlines(&mut self) {
        while let Some((_, stream)) = self.deadlines.front() {
            if self.flights.contains_key(stream) {
                break;
            }
            self.deadlines.pop_front();
        }
        let most = self
            .flights
            .len()
            .saturating_mul(2)
            .saturating_add(STALE_DEADLINES);
        if self.deadlines.len() > most {
            self.deadlines
                .retain(|(_, stream)| self.flights.contains_key(stream));
        }
    }
}

/// The status of an answer to a push that was taken.
const SUCCESS: u16 = 200;

#[cfg(test)]
mod tests;
