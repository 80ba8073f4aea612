//! Between those who have something for the journal and the flusher.

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Attempts;
use super::batch::Group;
use super::error::Refused;
use super::reply::Reply;
use super::state::State;
use crate::moment;
use crate::push::{End, Node};

/// What callers and flusher share.
#[derive(Debug)]
pub(super) struct Inbox {
    contents: Mutex<Contents>,
    /// Rung for the flusher.
    work: Condvar,
    /// Rung when the flusher ends.
    ended: Condvar,
    /// Which ids come after all others.
    pub(super) node: Node,
    /// The rank of the last id.
    seen: AtomicU64,
    /// Whether several apps share what may be scheduled.
    shares_scheduled: AtomicBool,
}

/// What waits for the flusher, bounded by what callers wait for and what is outstanding.
#[derive(Debug)]
pub(super) struct Contents {
    /// Requests, whose callers wait.
    pub(super) requests: Vec<(Group, Reply)>,
    /// Settlements whose lines are written.
    pub(super) settled: Vec<(u64, Option<End>)>,
    /// Who waits until those so far are kept.
    pub(super) settled_waiting: Vec<Reply>,
    /// How far pushes have come.
    pub(super) left: Vec<(u64, Attempts)>,
    /// How many of them stay outstanding when the process ends.
    pub(super) left_behind: u64,
    /// Pushes whose bytes leave as soon as they are noted, and who waits for it.
    pub(super) handed: Vec<(Vec<u64>, Reply)>,
    /// Whether from now on all such pushes are noted, and who waits for it.
    pub(super) notes_handed: Vec<(bool, Reply)>,
    pub(super) state: State,
    /// Whether the flusher is to end.
    pub(super) closing: bool,
    pub(super) has_ended: bool,
    /// Settlements that the flusher could not write.
    pub(super) unwritten: u64,
}

/// Tells them that it is kept.
pub(super) fn accept(replies: Vec<Reply>) {
    for reply in replies {
        reply.send(Ok(()));
    }
}

/// Tells them why it is not.
pub(super) fn refuse(replies: impl IntoIterator<Item = Reply>, refused: &Refused) {
    for reply in replies {
        reply.send(Err(refused.clone()));
    }
}

impl Inbox {
    pub(super) fn new(node: Node, last: u64) -> Self {
        Self {
            contents: Mutex::new(Contents {
                requests: Vec::new(),
                settled: Vec::new(),
                settled_waiting: Vec::new(),
                left: Vec::new(),
                left_behind: 0,
                handed: Vec::new(),
                notes_handed: Vec::new(),
                state: State::Serving,
                closing: false,
                has_ended: false,
                unwritten: 0,
            }),
            work: Condvar::new(),
            ended: Condvar::new(),
            node,
            seen: AtomicU64::new(node.rank(last)),
            shares_scheduled: AtomicBool::new(false),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Contents> {
        // No code panics while it holds the lock; if it did, the contents would still be sound.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn share_scheduled(&self, are_several: bool) {
        self.shares_scheduled.store(are_several, Ordering::Relaxed);
    }

    pub(super) fn shares_scheduled(&self) -> bool {
        self.shares_scheduled.load(Ordering::Relaxed)
    }

    pub(super) fn ring(&self) {
        self.work.notify_one();
    }

    /// Waits for the bell, until `due` at the latest.
    pub(super) fn wait<'a>(
        &self,
        contents: MutexGuard<'a, Contents>,
        due: Duration,
    ) -> MutexGuard<'a, Contents> {
        let waited = self.work.wait_timeout(contents, due);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Waits for the end of the flusher; false if it does not come.
    pub(super) fn wait_for_end(&self, within: Duration) -> bool {
        let goes_on = |contents: &mut Contents| !contents.has_ended;
        moment::wait_while(&self.ended, self.lock(), within, goes_on).has_ended
    }

    /// The flusher has ended: nobody waits any longer, nothing is taken.
    pub(super) fn end(&self, state: State) {
        let mut contents = self.lock();
        contents.state = state;
        contents.has_ended = true;
        let waiting = contents.settled.len() as u64;
        contents.unwritten = contents.unwritten.saturating_add(waiting);
        // Of these nothing was written; whoever waits for another reply finds that there will be
        // none.
        for (_, reply) in mem::take(&mut contents.requests) {
            let refused = Refused::whole(contents.state.clone());
            reply.send(Err(refused));
        }
        contents.settled.clear();
        contents.settled_waiting.clear();
        contents.left.clear();
        contents.handed.clear();
        contents.notes_handed.clear();
        drop(contents);
        self.ended.notify_all();
    }

    /// Notes that this id was given.
    pub(super) fn see(&self, id: u64) {
        self.seen.fetch_max(self.rank(id), Ordering::Relaxed);
    }

    /// A key by which ids come in the order in which they are given.
    pub(super) fn rank(&self, id: u64) -> u64 {
        self.node.rank(id)
    }

    /// The last id that was given.
    pub(super) fn last_seen(&self) -> u64 {
        self.node.ranked(self.seen.load(Ordering::Relaxed))
    }
}
