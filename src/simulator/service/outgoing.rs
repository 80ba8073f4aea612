//! Answers on their way out: held back, sent, and entered once it is known whether they went.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::time::Instant;

use crate::http2::{Connection, Field, Indexing, SendError, StreamId};
use crate::simulator::answer::{Reply, Response};
use crate::simulator::faults::Strike;
use crate::simulator::record::Entry;

/// An answer to a request that was judged.
pub(super) struct Outgoing {
    pub(super) stream: StreamId,
    pub(super) reply: Reply,
    /// What ends it before the time.
    pub(super) strike: Option<Strike>,
    /// The push was accepted by it.
    pub(super) accepted: bool,
    /// Its line, if lines are kept.
    pub(super) entry: Option<Box<Entry>>,
}

/// Answers that wait for their time.
#[derive(Default)]
pub(super) struct Shelf {
    held: BinaryHeap<Held>,
    /// Orders answers of the same time.
    so_far: u64,
}

struct Held {
    due: Instant,
    order: u64,
    outgoing: Outgoing,
}

impl Shelf {
    /// Keeps an answer until then.
    pub(super) fn hold(&mut self, due: Instant, outgoing: Outgoing) {
        self.so_far += 1;
        let order = self.so_far;
        self.held.push(Held {
            due,
            order,
            outgoing,
        });
    }

    /// The next answer whose time has come.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Outgoing> {
        let is_due = self.held.peek().is_some_and(|held| held.due <= now);
        let held = if is_due { self.held.pop() } else { None };
        held.map(|held| held.outgoing)
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.held.peek().map(|held| held.due)
    }

    /// All of them, due or not.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Outgoing> {
        self.held.drain().map(|held| held.outgoing)
    }
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

/// Sends a response, whole or only its head.
pub(super) fn respond(
    http2: &mut Connection,
    stream: StreamId,
    response: &Response,
    whole: bool,
) -> Result<(), SendError> {
    let field = |name: &'static str, value, indexing| Field {
        name: name.as_bytes(),
        value,
        indexing,
    };
    let date = response.date.map(crate::http1::http_date);
    let mut fields = [field("", &[], Indexing::Literal); 6];
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
    if let Some(id) = &response.request_id {
        put(field("apns-request-id", id, Indexing::Literal));
    }
    if let Some(channel) = &response.channel {
        put(field(
            "apns-channel-id",
            channel.as_bytes(),
            Indexing::Literal,
        ));
    }
    if !response.content_type.is_empty() {
        put(field(
            "content-type",
            response.content_type.as_bytes(),
            Indexing::Indexed,
        ));
    }
    if let Some(text) = &response.retry_after {
        put(field("retry-after", text.as_bytes(), Indexing::Literal));
    }
    if let Some(date) = &date {
        put(field("date", date.as_bytes(), Indexing::Literal));
    }
    let fields = fields.get(..count).unwrap_or_default();
    let content = whole.then_some(&*response.content);
    http2.send_response(stream, response.status, fields, content)
}
