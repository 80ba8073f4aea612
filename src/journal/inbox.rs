//! Between those who have something for the journal and the flusher: what waits for a turn of it,
//! and whose turn that is (see `turns`).

use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    /// Rung for the flusher's thread.
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
    /// Requests, and who hears of each.
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
    pub(super) turn: Turn,
}

/// Whose turn it is, and when the next one is due.
#[derive(Debug)]
pub(super) struct Turn {
    /// Since when somebody has the flusher.
    taken: Option<Instant>,
    /// Whether the thread was called to take the next one: nobody else does.
    is_called: bool,
    /// When the thread looks by itself.
    rests_until: Instant,
    /// By when settlements and attempts are to be written, if there are any.
    settle_by: Option<Instant>,
    /// By when the flusher wants a turn, whatever callers have.
    wanted_by: Option<Instant>,
    /// Requests of this turn, or of the last one.
    requests: usize,
    /// Whether callers come one at a time, by what the last turn with a request had and left.
    pub(super) is_lonely: bool,
}

/// What is done in a turn.
#[derive(Debug, Default)]
pub(super) struct Work {
    pub(super) requests: Vec<(Group, Reply)>,
    pub(super) settled: Vec<(u64, Option<End>)>,
    pub(super) left: Vec<(u64, Attempts)>,
    /// Who waits until all settlements so far are kept.
    pub(super) settled_waiting: Vec<Reply>,
    pub(super) notes: Notes,
    pub(super) closing: bool,
}

/// What is noted besides requests and what became of them.
#[derive(Debug, Default)]
pub(super) struct Notes {
    pub(super) handed: Vec<(Vec<u64>, Reply)>,
    /// Whether all that is handed over is noted from now on.
    pub(super) are_handed: Vec<(bool, Reply)>,
}

/// Settlements wait so long for others, unless something is written anyway.
pub(super) const SETTLE_GATHER: Duration = Duration::from_millis(2);

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

impl Contents {
    /// Whether a caller who has just put a request here commits by itself: nobody is at it, nobody
    /// is called, and the last one had a turn to itself and nobody came meanwhile. Where several
    /// come they wait for the thread instead, and meanwhile others join them, so that one sync
    /// serves all; but without a sync (`is_cheap`) there is nothing to share.
    pub(super) fn is_callers_turn(&self, is_cheap: bool) -> bool {
        let turn = &self.turn;
        let is_free = turn.taken.is_none() && !turn.is_called && !self.closing && !self.has_ended;
        is_free && (is_cheap || turn.is_lonely)
    }

    /// Whether somebody waits for an answer.
    pub(super) fn is_asked(&self) -> bool {
        !self.requests.is_empty()
            || !self.settled_waiting.is_empty()
            || !self.handed.is_empty()
            || !self.notes_handed.is_empty()
            || self.closing
    }

    /// When the thread has something to do.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let at_once = self.turn.is_called || self.is_asked();
        let later = [self.turn.settle_by, self.turn.wanted_by];
        let later = later.into_iter().flatten().min();
        at_once.then_some(now).or(later)
    }

    /// Takes the turn, and all that waits for it.
    pub(super) fn take_turn(&mut self, now: Instant) -> Work {
        let turn = &mut self.turn;
        turn.taken = Some(now);
        turn.is_called = false;
        self.take_work()
    }

    /// Takes all that waits.
    pub(super) fn take_work(&mut self) -> Work {
        self.turn.settle_by = None;
        self.turn.requests = self.requests.len();
        Work {
            requests: mem::take(&mut self.requests),
            settled: mem::take(&mut self.settled),
            left: mem::take(&mut self.left),
            settled_waiting: mem::take(&mut self.settled_waiting),
            notes: Notes {
                handed: mem::take(&mut self.handed),
                are_handed: mem::take(&mut self.notes_handed),
            },
            closing: self.closing,
        }
    }

    /// The turn is over; the flusher wants another one by `wanted_by`. Whether the thread has to
    /// be woken for what is due before it looks by itself.
    pub(super) fn end_turn(&mut self, wanted_by: Option<Instant>, now: Instant) -> bool {
        let (served, came) = (self.turn.requests, self.requests.len());
        if served + came > 0 {
            self.turn.is_lonely = served + came == 1;
        }
        self.turn.taken = None;
        self.turn.wanted_by = wanted_by;
        let Some(due) = self.due(now) else {
            return false;
        };
        self.turn.is_called |= due <= now;
        self.turn.must_wake(due)
    }

    /// Since when somebody has the flusher, if somebody has.
    pub(super) fn taken(&self) -> Option<Instant> {
        self.turn.taken
    }

    /// The thread looks by then.
    pub(super) fn rest(&mut self, until: Instant) {
        self.turn.rests_until = until;
    }

    /// When the thread looks by itself.
    pub(super) fn rests_until(&self) -> Instant {
        self.turn.rests_until
    }
}

impl Turn {
    /// Whether the thread would look too late by itself; from now on it does not.
    fn must_wake(&mut self, due: Instant) -> bool {
        let is_late = due < self.rests_until;
        if is_late {
            self.rests_until = due;
        }
        is_late
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
                turn: Turn {
                    taken: None,
                    is_called: false,
                    // It is about to look for the first time.
                    rests_until: moment::now(),
                    settle_by: None,
                    wanted_by: None,
                    requests: 0,
                    is_lonely: true,
                },
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

    /// Calls the thread: somebody waits. Whoever has the turn looks at its end.
    pub(super) fn call(&self, mut contents: MutexGuard<'_, Contents>) {
        let turn = &mut contents.turn;
        let is_news = turn.taken.is_none() && !mem::replace(&mut turn.is_called, true);
        drop(contents);
        if is_news {
            self.ring();
        }
    }

    /// Sees to it that settlements and attempts are written soon.
    pub(super) fn call_soon(&self, mut contents: MutexGuard<'_, Contents>, now: Instant) {
        let turn = &mut contents.turn;
        let due = *turn.settle_by.get_or_insert(now + SETTLE_GATHER);
        let is_late = turn.taken.is_none() && turn.must_wake(due);
        drop(contents);
        if is_late {
            self.ring();
        }
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
        let refused = Refused::whole(contents.state.clone());
        let requests = mem::take(&mut contents.requests);
        contents.settled.clear();
        contents.settled_waiting.clear();
        contents.left.clear();
        contents.handed.clear();
        contents.notes_handed.clear();
        drop(contents);
        // Of these nothing was written; whoever waits for another reply finds that there will be
        // none. Who is called may ask how the journal is, which the lock would keep from an end.
        refuse(requests.into_iter().map(|(_, reply)| reply), &refused);
        self.ended.notify_all();
        self.work.notify_all();
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
