//! One connection: requests in, answers out, one at a time, each within its deadlines.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::body::{Body, BodyScan, FREE, KEPT, beside_free};
use super::budget::{Budget, BudgetShare};
use super::handler::{Handler, Phase};
use super::head::{Head, HeadScan, Refusal};
use super::input::{RequestInput, Unfilled};
use super::registry::Place;
use super::reply::{CONTINUE, RETRY_AFTER_SECS, Reply};
use super::settings::Settings;
use super::standing::Awaited;
use crate::crash_point;
use crate::moment::{self, Moment};

/// Serves a connection until it ends.
pub(super) fn serve(
    place: &Place,
    handler: &dyn Handler,
    settings: impl Fn() -> Settings,
    budget: Arc<Budget>,
    phase: impl Fn() -> Phase,
) {
    let begun = settings();
    let mut connection = Conversation {
        place,
        settings: begun,
        input: RequestInput::new(place),
        body: Body::default(),
        share: BudgetShare::new(budget, place, begun.timeouts.room),
        output: Vec::new(),
        begun: moment::now(),
    };
    let mut wait = connection.settings.timeouts.head;
    while let Ok(head) = connection.head(wait) {
        // They may have changed while nobody asked for anything.
        connection.settings = settings();
        let (head, reply) = match head {
            Err(refusal) => (None, refusal.into()),
            Ok(mut head) => match connection.body(&mut head, handler) {
                Err(Stop::Gone) => return,
                Err(Stop::Refused(refusal)) => (Some(head), refusal.into()),
                Ok(()) => {
                    place.work();
                    let (body, share) = (&mut connection.body.bytes, &mut connection.share);
                    let mut more = |bytes| share.raise_at_once(bytes);
                    let reply = handler.answer(&head, body, phase(), &mut more);
                    (Some(head), reply)
                }
            },
        };
        connection.body.clear();
        match connection.send(head.as_ref(), reply, handler, phase()) {
            Ok(AfterAnswer::Request) if place.fall_idle().is_ok() => crash_point::pass("answer"),
            Ok(AfterAnswer::Close) => return connection.linger(),
            Ok(AfterAnswer::Request) | Err(_) => return,
        }
        if phase() == Phase::Stopped {
            return;
        }
        wait = connection.settings.timeouts.idle;
    }
}

struct Conversation<'a> {
    place: &'a Place,
    settings: Settings,
    input: RequestInput<'a>,
    body: Body,
    share: BudgetShare<'a>,
    output: Vec<u8>,
    /// When the first byte of the request came that is being answered.
    begun: Instant,
}

/// Why a request is not read to its end.
enum Stop {
    /// Nobody is there to be answered.
    Gone,
    /// The client is told why.
    Refused(Refusal),
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<Unfilled> for Stop {
    fn from(unfilled: Unfilled) -> Self {
        match unfilled {
            Unfilled::Late => Self::Refused(Refusal::new(408, "request body took too long")),
            Unfilled::Evicted => Self::Refused(TOO_SLOW),
            Unfilled::Gone => Self::Gone,
        }
    }
}

/// The connection is over, without a word.
struct Gone;

/// What follows an answer.
enum AfterAnswer {
    Request,
    Close,
}

impl Conversation<'_> {
    /// Waits for the next head, the first byte of it for at most `wait`.
    fn head(&mut self, wait: Duration) -> Result<Result<Head, Refusal>, Gone> {
        let started = moment::now();
        let mut scan = HeadScan::default();
        let mut begun = false;
        let mut deadline = started + wait;
        loop {
            if !begun && self.input.skip_empty_lines() {
                begun = true;
                self.place.begin();
                self.begun = moment::now();
                deadline = deadline.min(self.begun + self.settings.timeouts.head);
            }
            let unread = self.input.unread();
            let end = begun.then(|| scan.end(unread)).transpose();
            match end.map(Option::flatten) {
                Err(refusal) => return Ok(Err(refusal)),
                Ok(Some(length)) => {
                    let head = Head::parse(unread.get(..length).unwrap_or_default());
                    self.input.consume(length);
                    return Ok(head);
                }
                Ok(None) => {}
            }
            let awaited = begun.then_some((Awaited::Head, 0));
            match self.input.fill(deadline, awaited) {
                Ok(()) => {}
                Err(Unfilled::Late) if begun => {
                    return Ok(Err(Refusal::new(408, "request head took too long")));
                }
                Err(Unfilled::Evicted) if begun => return Ok(Err(TOO_SLOW)),
                Err(_) => return Err(Gone),
            }
        }
    }

    /// Reads the body that the head announces, once there is room for it and for the answer.
    fn body(&mut self, head: &mut Head, handler: &dyn Handler) -> Result<(), Stop> {
        handler.begin(head, &|| self.place.slot.socket.peer())?;
        let limit = self.settings.max_body_bytes;
        let mut scan = BodyScan::new(head.framing, limit)?;
        if scan.is_done() {
            return Ok(());
        }
        let answer = handler.answer_bytes(head, limit).saturating_sub(FREE);
        // One that tells no length may yet be small.
        let (most, sure) = match scan {
            BodyScan::Length(length) => (length, length),
            BodyScan::Chunked(_) => (limit, 0),
        };
        self.share.raise(beside_free(sure, answer))?;
        if head.expects_continue && self.input.unread().is_empty() {
            let deadline = moment::now() + self.settings.timeouts.write;
            self.input
                .write(CONTINUE, deadline)
                .map_err(|_| Stop::Gone)?;
        }
        self.share.take_delay();
        let mut deadline = moment::now() + self.settings.timeouts.body;
        let (input, body, share) = (&mut self.input, &mut self.body, &mut self.share);
        while !scan.is_done() {
            // What is said around the data does not count.
            let unread = input.unread_or_fill(deadline, body.bytes.len())?;
            let taken = scan.take(unread, |data| {
                body.push(data, most, || share.raise(beside_free(most, answer)))
            })?;
            deadline += share.take_delay();
            input.consume(taken);
        }
        Ok(())
    }

    /// Writes an answer, in one go where the socket takes it.
    fn send(
        &mut self,
        head: Option<&Head>,
        mut reply: Reply,
        handler: &dyn Handler,
        phase: Phase,
    ) -> io::Result<AfterAnswer> {
        if self
            .share
            .raise(reply.body.len().saturating_sub(FREE))
            .is_err()
        {
            // Answers that promise something have room from the begin.
            reply = Reply::message(503, "too many large answers at once")
                .with_retry_after(RETRY_AFTER_SECS);
        }
        self.share.lower(reply.body.len().saturating_sub(FREE));
        let now = moment::now();
        let took = now.saturating_duration_since(self.begun);
        handler.answered(head, &reply, took);
        reply.close |= phase != Phase::Serving;
        let may_stay = !reply.close && head.is_some_and(|head| head.keep_alive);
        reply.close |= may_stay && self.place.parts();
        let next = if may_stay && !reply.close {
            AfterAnswer::Request
        } else {
            AfterAnswer::Close
        };
        self.output.clear();
        reply.render(head, Moment::now().unix_secs(), &mut self.output);
        let deadline = now + self.settings.timeouts.write;
        self.input.write(&self.output, deadline)?;
        if self.output.capacity() > KEPT {
            self.output = Vec::new();
        }
        self.share.lower(0);
        Ok(next)
    }

    /// Lets the client read the last answer: a socket that is closed with unread input resets the
    /// connection, and the answer may be lost with it.
    fn linger(&mut self) {
        self.place.slot.socket.finish();
        let deadline = moment::now() + self.settings.timeouts.linger;
        let farewell = Some((Awaited::Farewell, 0));
        while self.input.fill(deadline, farewell).is_ok() {
            self.input.consume(usize::MAX);
        }
    }
}

const TOO_SLOW: Refusal = Refusal::new(
    408,
    "request came too slowly while others waited for a connection",
);
