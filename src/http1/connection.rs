//! One connection: requests in, answers out, one at a time, each within its deadlines.
//!
//! It is a value that nobody waits for: [`Conversation::advance`] goes on with it as far as it
//! can at once, and says what it waits for then. Who has it when: see `berth`.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::body::{Body, BodyScan, FREE, beside_free};
use super::budget::{BudgetShare, NO_ROOM, Raised, Turned};
use super::handler::{Phase, Promiser, ReplyWhen, Rest};
use super::head::{Head, HeadScan, Refusal};
use super::input::{Arrived, RequestInput};
use super::registry::Place;
use super::reply::{CONTINUE, RETRY_AFTER_SECS, Reply};
use super::settings::Settings;
use super::shared::ListenerShared;
use super::standing::Awaited;
use super::turnstile;
use crate::crash_point;
use crate::moment::{self, Moment};

/// See the module.
pub(super) struct Conversation {
    share: BudgetShare,
    settings: Settings,
    input: RequestInput,
    body: Body,
    output: Vec<u8>,
    /// Bytes of the output that were taken.
    written: usize,
    /// When the first byte of the request came that is being answered.
    begun: Instant,
    /// By when what is awaited has to come.
    deadline: Instant,
    stage: CallStage,
    /// The caller was waited for, as its standing says.
    is_awaited: bool,
    /// Reads and writes since others had their turn.
    moves: usize,
    /// Behind all: who leaves has the last hand on the socket.
    place: Place,
}

/// Who goes on with a connection.
pub(super) enum Hand<'a> {
    /// The watching thread, which answers nothing: that may take its time.
    Watch,
    /// One of those who answer, who can make promises.
    Crew {
        promise: &'a mut Promiser<'a>,
        answers_large: bool,
    },
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallStep {
    /// Its caller, or the turn of its request, until its deadline.
    Wait,
    /// That others have had their turn.
    Again,
    /// One of the crew.
    Crew,
    /// That the promise is kept that was made to it.
    Later,
    /// Nothing: it is over.
    Over,
}

/// How far it is.
enum CallStage {
    /// The head is awaited, its first byte if it has not `begun`.
    Head {
        scan: HeadScan,
        begun: bool,
    },
    /// The crew is to go on.
    Asked(Asked),
    /// There is no room in memory yet.
    Room(RoomFor),
    /// The rest of the body is awaited.
    Body(BodyReading),
    /// Its answer was promised.
    Promised(Head),
    /// The caller is to take what is written.
    Writing(AfterWriting),
    /// The caller is to take notice of our closing.
    Farewell,
    Over,
}

/// What the crew does.
enum Asked {
    /// Reads a head of so many bytes.
    Head(usize),
    /// Answers a request whose body is whole.
    Answer(Head),
    /// Does what was left to be done for its answer.
    Keep(Head, Rest),
    /// Says why a request is not answered; without a head if that could not be read.
    Refuse(Option<Head>, Refusal),
    /// Gives an answer for which there is room.
    Send(Option<Head>, Reply),
}

/// What there has to be room for.
enum RoomFor {
    /// A body, before the first of it is read.
    Whole(BodyReading),
    /// The rest of a body, which then has so long.
    Rest(BodyReading, Duration),
    Answer(Option<Head>, Reply),
}

/// A request whose body is being read.
struct BodyReading {
    head: Head,
    scan: BodyScan,
    /// Bytes that the body has at most.
    most: usize,
    /// Bytes of the budget for its answer.
    answer: usize,
}

/// What follows when all is written.
enum AfterWriting {
    /// The next request.
    Request,
    Close,
    /// The body of which it was said that it may come.
    Body(Box<BodyReading>),
}

/// How it goes on.
enum Flow {
    On(CallStage),
    Halt(CallStage, CallStep),
}

const OVER: Flow = Flow::Halt(CallStage::Over, CallStep::Over);

impl Conversation {
    /// With a caller that was just accepted.
    pub(super) fn new(place: Place, shared: &ListenerShared) -> Self {
        let settings = *shared.settings.get();
        let now = moment::now();
        Self {
            share: BudgetShare::new(&shared.budget, &place),
            settings,
            input: RequestInput::default(),
            body: Body::default(),
            output: Vec::new(),
            written: 0,
            begun: now,
            deadline: now + settings.timeouts.head,
            stage: CallStage::FIRST,
            is_awaited: false,
            moves: 0,
            place,
        }
    }

    /// Its number, which no other has.
    pub(super) fn number(&self) -> u64 {
        self.place.number()
    }

    /// Its place.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// By when what is awaited has to come.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether it has a large body.
    pub(super) fn is_large(&self) -> bool {
        turnstile::is_large(self.body.bytes.len())
    }

    /// Whether it waits for its caller to take what is written.
    pub(super) fn is_writing(&self) -> bool {
        matches!(self.stage, CallStage::Writing(_))
    }

    /// Notes how the promise is kept that was made to it.
    pub(super) fn keep(&mut self, rest: Rest) {
        let stage = std::mem::replace(&mut self.stage, CallStage::Over);
        self.stage = match stage {
            CallStage::Promised(head) => CallStage::Asked(Asked::Keep(head, rest)),
            other => other,
        };
    }

    /// Notes that something may have come; `may_end`: the end of all, too.
    pub(super) fn note(&mut self, may_end: bool) {
        self.input.note(may_end);
    }

    /// Goes on as far as it can at once. `spare` is a buffer for that time.
    pub(super) fn advance(
        &mut self,
        shared: &ListenerShared,
        spare: &mut Vec<u8>,
        mut hand: Hand<'_>,
    ) -> CallStep {
        if std::mem::take(&mut self.is_awaited) {
            self.place.slot.resume();
        }
        self.moves = 0;
        self.input.lend(spare);
        let mut stage = std::mem::replace(&mut self.stage, CallStage::Over);
        let step = loop {
            let flow = match stage {
                CallStage::Head { scan, begun } => self.head(scan, begun),
                CallStage::Asked(asked) => match &mut hand {
                    Hand::Watch => Flow::Halt(CallStage::Asked(asked), CallStep::Crew),
                    Hand::Crew { answers_large, .. } if self.is_large() && !*answers_large => {
                        Flow::Halt(CallStage::Asked(asked), CallStep::Crew)
                    }
                    Hand::Crew { promise, .. } => self.asked(asked, shared, *promise),
                },
                CallStage::Promised(head) => Flow::Halt(CallStage::Promised(head), CallStep::Later),
                CallStage::Room(what) => self.room(what),
                CallStage::Body(reading) => self.body(reading),
                CallStage::Writing(after) => self.write(after, shared),
                CallStage::Farewell => self.farewell(),
                CallStage::Over => OVER,
            };
            match flow {
                Flow::On(next) => stage = next,
                Flow::Halt(next, step) => {
                    self.stage = next;
                    break step;
                }
            }
        };
        self.input.give_back(spare);
        step
    }

    /// Looks for the end of the next head.
    fn head(&mut self, mut scan: HeadScan, mut begun: bool) -> Flow {
        let refuse = |refusal| Flow::On(CallStage::refuse(None, refusal));
        loop {
            if !begun && self.input.skip_empty_lines() {
                begun = true;
                self.place.slot.begin();
                self.begun = moment::now();
                let head = self.begun + self.settings.timeouts.head;
                self.deadline = self.deadline.min(head);
            }
            let end = begun.then(|| scan.end(self.input.unread())).transpose();
            match end.map(Option::flatten) {
                Err(refusal) => return refuse(refusal),
                Ok(Some(length)) => return Flow::On(CallStage::Asked(Asked::Head(length))),
                Ok(None) => {}
            }
            match self.more() {
                Gain::Came => {}
                Gain::Halt(CallStep::Over) if begun && self.place.slot.is_evicted() => {
                    return refuse(TOO_SLOW);
                }
                Gain::Halt(CallStep::Wait) if self.is_late() => {
                    return if begun {
                        refuse(Refusal::new(408, "request head took too long"))
                    } else {
                        OVER
                    };
                }
                // Empty lines without end are no request.
                Gain::Halt(CallStep::Again) if !begun && self.is_late() => return OVER,
                Gain::Halt(CallStep::Wait) if begun && !self.awaits(Awaited::Head, 0) => {
                    return refuse(TOO_SLOW);
                }
                Gain::Halt(step) => return Flow::Halt(CallStage::Head { scan, begun }, step),
            }
        }
    }

    /// Does what may take its time.
    fn asked(&mut self, asked: Asked, shared: &ListenerShared, promise: &mut Promiser<'_>) -> Flow {
        match asked {
            Asked::Head(length) => {
                // They may have changed while nobody asked for anything.
                self.settings = *shared.settings.get();
                let unread = self.input.unread();
                let head = Head::parse(unread.get(..length).unwrap_or_default());
                self.input.consume(length);
                match head {
                    Ok(head) => self.begin(head, shared),
                    Err(refusal) => self.send(None, refusal.into(), shared),
                }
            }
            Asked::Answer(head) => {
                self.place.work();
                let (body, share) = (&mut self.body.bytes, &mut self.share);
                let mut more = |bytes| share.raise_at_once(bytes);
                let handler = Arc::clone(&shared.handler);
                let answer = handler.answer(&head, body, shared.phase(), &mut more, promise);
                self.body.clear();
                match answer {
                    ReplyWhen::Now(reply) => self.send(Some(head), reply, shared),
                    ReplyWhen::Later => Flow::On(CallStage::Promised(head)),
                }
            }
            Asked::Keep(head, rest) => {
                let reply = rest(&head);
                self.send(Some(head), reply, shared)
            }
            Asked::Refuse(head, refusal) => {
                self.body.clear();
                self.send(head, refusal.into(), shared)
            }
            Asked::Send(head, reply) => self.send(head, reply, shared),
        }
    }

    /// Has the body read that the head announces, once there is room for it and for the answer.
    fn begin(&mut self, mut head: Head, shared: &ListenerShared) -> Flow {
        let slot = &self.place.slot;
        if let Err(refusal) = shared.handler.begin(&mut head, &|| slot.socket.peer()) {
            return Flow::On(CallStage::refuse(Some(head), refusal));
        }
        let limit = self.settings.max_body_bytes;
        let scan = match BodyScan::new(head.framing, limit) {
            Ok(scan) if scan.is_done() => return Flow::On(CallStage::Asked(Asked::Answer(head))),
            Ok(scan) => scan,
            Err(refusal) => return Flow::On(CallStage::refuse(Some(head), refusal)),
        };
        let answer = shared.handler.answer_bytes(&head, limit);
        let answer = answer.saturating_sub(FREE);
        // One that tells no length may yet be small.
        let (most, sure) = match scan {
            BodyScan::Length(length) => (length, length),
            BodyScan::Chunked(_) => (limit, 0),
        };
        let reading = BodyReading {
            head,
            scan,
            most,
            answer,
        };
        match self.share.raise(beside_free(sure, answer)) {
            Ok(Raised::Now) => self.await_body(reading),
            Ok(Raised::Later) => self.await_turn(RoomFor::Whole(reading)),
            Err(refusal) => Flow::On(CallStage::refuse(Some(reading.head), refusal)),
        }
    }

    /// The body may come.
    fn await_body(&mut self, reading: BodyReading) -> Flow {
        let now = moment::now();
        if reading.head.expects_continue && self.input.unread().is_empty() {
            self.output.extend_from_slice(CONTINUE);
            self.deadline = now + self.settings.timeouts.write;
            return Flow::On(CallStage::Writing(AfterWriting::Body(Box::new(reading))));
        }
        self.deadline = now + self.settings.timeouts.body;
        Flow::On(CallStage::Body(reading))
    }

    fn await_turn(&mut self, what: RoomFor) -> Flow {
        self.deadline = moment::now() + self.settings.timeouts.room;
        Flow::On(CallStage::Room(what))
    }

    /// Sees whether its turn has come.
    fn room(&mut self, what: RoomFor) -> Flow {
        match (self.share.turn(self.is_late()), what) {
            (Turned::NotYet, what) => Flow::Halt(CallStage::Room(what), CallStep::Wait),
            (Turned::Granted, RoomFor::Whole(reading)) => self.await_body(reading),
            (Turned::Granted, RoomFor::Rest(reading, left)) => {
                // The time in which nothing was read does not count.
                self.deadline = moment::now() + left;
                Flow::On(CallStage::Body(reading))
            }
            (Turned::Granted, RoomFor::Answer(head, reply)) => {
                Flow::On(CallStage::Asked(Asked::Send(head, reply)))
            }
            (Turned::Denied, RoomFor::Whole(reading) | RoomFor::Rest(reading, _)) => {
                Flow::On(CallStage::refuse(Some(reading.head), NO_ROOM))
            }
            (Turned::Denied, RoomFor::Answer(head, _)) => {
                Flow::On(CallStage::Asked(Asked::Send(head, too_large())))
            }
        }
    }

    /// Reads on in a body.
    fn body(&mut self, mut reading: BodyReading) -> Flow {
        let refuse = |reading: BodyReading, refusal| {
            let head = Some(reading.head);
            Flow::On(CallStage::refuse(head, refusal))
        };
        while !reading.scan.is_done() {
            let needed = beside_free(reading.most, reading.answer);
            // As far as no room is needed; what is said around the data counts, too.
            let free = if self.share.has(needed) {
                usize::MAX
            } else {
                FREE.saturating_sub(self.body.bytes.len())
            };
            if free == 0 {
                match self.share.raise(needed) {
                    Ok(Raised::Now) => continue,
                    Ok(Raised::Later) => {
                        let left = self.deadline.saturating_duration_since(moment::now());
                        return self.await_turn(RoomFor::Rest(reading, left));
                    }
                    Err(refusal) => return refuse(reading, refusal),
                }
            }
            if self.input.unread().is_empty() {
                let came = self.body.bytes.len();
                match self.more() {
                    Gain::Came => {}
                    Gain::Halt(CallStep::Over) if self.place.slot.is_evicted() => {
                        return refuse(reading, TOO_SLOW);
                    }
                    Gain::Halt(CallStep::Wait) if self.is_late() => {
                        return refuse(reading, Refusal::new(408, "request body took too long"));
                    }
                    Gain::Halt(CallStep::Wait) if !self.awaits(Awaited::Body, came) => {
                        return refuse(reading, TOO_SLOW);
                    }
                    Gain::Halt(step) => return Flow::Halt(CallStage::Body(reading), step),
                }
            }
            let unread = self.input.unread();
            let part = unread.get(..free).unwrap_or(unread);
            let taken = reading.scan.take(part, |data| {
                self.body.push(data, reading.most);
                Ok::<_, Refusal>(())
            });
            match taken {
                Ok(taken) => self.input.consume(taken),
                Err(refusal) => return refuse(reading, refusal),
            }
        }
        Flow::On(CallStage::Asked(Asked::Answer(reading.head)))
    }

    /// Begins to give an answer, once there is room for it.
    fn send(&mut self, head: Option<Head>, reply: Reply, shared: &ListenerShared) -> Flow {
        match self.share.raise(reply.body.len().saturating_sub(FREE)) {
            Ok(Raised::Now) => self.give(head.as_ref(), reply, shared),
            Ok(Raised::Later) => self.await_turn(RoomFor::Answer(head, reply)),
            // Answers that promise something have room from the begin.
            Err(_) => self.give(head.as_ref(), too_large(), shared),
        }
    }

    fn give(&mut self, head: Option<&Head>, mut reply: Reply, shared: &ListenerShared) -> Flow {
        self.share.lower(reply.body.len().saturating_sub(FREE));
        let now = moment::now();
        let took = now.saturating_duration_since(self.begun);
        shared.handler.answered(head, &reply, took);
        reply.close |= shared.phase() != Phase::Serving;
        let may_stay = !reply.close && head.is_some_and(|head| head.keep_alive);
        reply.close |= may_stay && self.place.parts();
        let after = if may_stay && !reply.close {
            AfterWriting::Request
        } else {
            AfterWriting::Close
        };
        self.output.reserve(reply.body.len() + FIELDS);
        reply.render(head, Moment::now().unix_secs(), &mut self.output);
        self.deadline = now + self.settings.timeouts.write;
        Flow::On(CallStage::Writing(after))
    }

    /// Writes what the socket takes, all of it in one go mostly.
    fn write(&mut self, after: AfterWriting, shared: &ListenerShared) -> Flow {
        while let Some(rest) = self.output.get(self.written..).filter(|it| !it.is_empty()) {
            if self.moves >= MOVES {
                return Flow::Halt(CallStage::Writing(after), CallStep::Again);
            }
            self.moves += 1;
            match self.place.slot.socket.write_now(rest) {
                Ok(0) => return OVER,
                Ok(more) => self.written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.is_late() || !self.awaits(Awaited::Taking, self.written) {
                        return OVER;
                    }
                    return Flow::Halt(CallStage::Writing(after), CallStep::Wait);
                }
                Err(_) => return OVER,
            }
        }
        // Who is idle keeps no buffers.
        (self.written, self.output) = (0, Vec::new());
        match after {
            AfterWriting::Body(reading) => {
                self.deadline = moment::now() + self.settings.timeouts.body;
                Flow::On(CallStage::Body(*reading))
            }
            AfterWriting::Request => {
                self.share.lower(0);
                if self.place.slot.fall_idle().is_err() {
                    return OVER;
                }
                crash_point::pass("answer");
                if shared.phase() == Phase::Stopped {
                    return OVER;
                }
                self.deadline = moment::now() + self.settings.timeouts.idle;
                Flow::On(CallStage::FIRST)
            }
            AfterWriting::Close => {
                self.share.lower(0);
                self.place.slot.socket.finish();
                self.deadline = moment::now() + self.settings.timeouts.linger;
                Flow::On(CallStage::Farewell)
            }
        }
    }

    /// Lets the client read the last answer: a socket that is closed with unread input resets the
    /// connection, and the answer may be lost with it.
    fn farewell(&mut self) -> Flow {
        loop {
            self.input.consume(usize::MAX);
            match self.more() {
                Gain::Came => {}
                // What comes now is no longer listened to, however much it is.
                Gain::Halt(CallStep::Wait | CallStep::Again) if self.is_late() => return OVER,
                Gain::Halt(CallStep::Wait) if !self.awaits(Awaited::Farewell, 0) => return OVER,
                Gain::Halt(CallStep::Over) => return OVER,
                Gain::Halt(step) => return Flow::Halt(CallStage::Farewell, step),
            }
        }
    }

    /// Reads once, if others have not to have their turn first.
    fn more(&mut self) -> Gain {
        if self.moves >= MOVES {
            return Gain::Halt(CallStep::Again);
        }
        self.moves += 1;
        match self.input.read(&self.place.slot.socket) {
            Arrived::Bytes => Gain::Came,
            Arrived::Nothing => Gain::Halt(CallStep::Wait),
            Arrived::End => Gain::Halt(CallStep::Over),
        }
    }

    /// Whether the deadline is over. It is asked when all that has come is read: we may be late
    /// ourselves.
    fn is_late(&self) -> bool {
        moment::now() >= self.deadline
    }

    /// Notes that the caller is waited for; false if the connection was closed for another.
    fn awaits(&mut self, awaited: Awaited, moved: usize) -> bool {
        self.is_awaited = self.place.slot.wait(awaited, moved).is_ok();
        self.is_awaited
    }
}

impl CallStage {
    const FIRST: Self = Self::Head {
        scan: HeadScan::START,
        begun: false,
    };

    fn refuse(head: Option<Head>, refusal: Refusal) -> Self {
        Self::Asked(Asked::Refuse(head, refusal))
    }
}

/// Whether there is more to be read.
enum Gain {
    Came,
    /// There is none, and what is to be done about it.
    Halt(CallStep),
}

fn too_large() -> Reply {
    let reply = Reply::message(503, "too many large answers at once");
    reply.with_retry_after(RETRY_AFTER_SECS)
}

const TOO_SLOW: Refusal = Refusal::new(
    408,
    "request came too slowly while others waited for a connection",
);

/// Bytes that an answer mostly has beside its body.
const FIELDS: usize = 256;

/// Our limit: reads and writes of one connection before others have their turn.
const MOVES: usize = 16;
