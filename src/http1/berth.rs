//! Where a connection is while it waits for its caller.
//!
//! A connection is a value, and who has it, has it alone:
//!
//! ```text
//!             accepts             event, time, call             whole request
//!  caller ──▶ watching thread ──▶ berth ──▶ watching thread ──▶ channel ──▶ one of the crew
//!                                   ▲            │ reads, writes             │ answers, reads,
//!                                   ├────────────┘                           │ writes
//!                                   └────────────────────────────────────────┘
//! ```
//!
//! - Only the watching thread takes a connection out of its berth. If it is not there, somebody of
//!   the crew has it (or it waits for one of them): the berth notes that there is news, and whoever
//!   puts it back sees that under the same lock, takes it again and looks. So no readiness is lost,
//!   although the kernel tells each once, and the crew calls nobody for a request that follows.
//! - The crew calls the watching thread only where its next look at the berth would come too late
//!   for the connection's deadline, or where that is to go on: what cannot be written, a turn of
//!   others.
//! - A request whose answer was promised is with its promise, in a pledge of the crew's: whoever
//!   keeps the promise hands it to the crew, with one bell for all that are kept before one comes.
//! - Who closes a connection for another has not the connection but its socket, which it shuts
//!   down under the lock of the registry's entry: the end is read like any caller's, by who has the
//!   connection then.
//! - Whoever finds that a connection is over drops it, which takes it out of the registry. Of the
//!   last hold of a berth that goes, the connection in it goes too.
//!
//! The lock is held for a few moves in memory, never while something is read, written or answered.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::connection::Conversation;

/// The place of one connection.
#[derive(Default)]
pub(super) struct Berth(Mutex<Moored>);

#[derive(Default)]
struct Moored {
    /// The connection, if it is here.
    conversation: Option<Box<Conversation>>,
    /// Something has come while it was not.
    has_news: bool,
    /// When the watching thread looks next, whatever comes.
    looks_at: Option<Instant>,
    /// The connection is watched for room to write, too.
    is_room_watched: bool,
}

/// What came of putting a connection back.
pub(super) enum Mooring {
    /// It waits there; the watching thread looks in time.
    Waits,
    /// It waits there, and the watching thread has to hear of it.
    Unseen,
    /// It does not: there is news.
    News(Box<Conversation>),
}

impl Berth {
    /// Puts a connection back that waits for its caller.
    pub(super) fn put(&self, conversation: Box<Conversation>) -> Mooring {
        let mut moored = self.lock();
        if std::mem::take(&mut moored.has_news) {
            return Mooring::News(conversation);
        }
        let deadline = conversation.deadline();
        let is_seen = moored.looks_at.is_some_and(|at| at <= deadline);
        moored.conversation = Some(conversation);
        if is_seen {
            Mooring::Waits
        } else {
            Mooring::Unseen
        }
    }

    /// Puts a connection back at which the watching thread will look, news or not.
    pub(super) fn keep(&self, conversation: Box<Conversation>) {
        let mut moored = self.lock();
        moored.has_news = false;
        moored.conversation = Some(conversation);
    }

    /// Takes the connection out, for the watching thread; if it is not here, whoever has it will
    /// look for news.
    pub(super) fn take(&self) -> Option<Box<Conversation>> {
        let mut moored = self.lock();
        let conversation = moored.conversation.take();
        moored.has_news = conversation.is_none();
        conversation
    }

    /// Notes when the watching thread looks next; returns when that was before.
    pub(super) fn looks_at(&self, at: Option<Instant>) -> Option<Instant> {
        std::mem::replace(&mut self.lock().looks_at, at)
    }

    /// Whether the connection is to be watched for room to write from now on, which it stays: asked
    /// again while there is none, the system would tell at once, and again, of what has come.
    pub(super) fn is_room_new(&self) -> bool {
        !std::mem::replace(&mut self.lock().is_room_watched, true)
    }

    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Moored> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
