//! Whose turn it is to write: the thread's, or that of a caller who finds nobody at it and commits
//! by itself, without a word to another thread.
//!
//! ```text
//! callers ─▶ inbox ─┬─ nobody is at it ─────────▶ a caller's turn: writes, and syncs ─┐
//!                   └─ somebody is, or several ─▶ the thread's turn: does that, and   ├─▶ over
//!                      come at a time             all else that is due               ─┘
//! ```
//!
//! Whoever has the turn takes all that waits. At its end it calls the thread for what has come
//! meanwhile, so that no caller works for others again and again, and nothing waits for a caller
//! to come. An error of the program in a turn ends the journal, whoever had it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::Refused;
use super::flusher::Flusher;
use super::inbox::{Contents, Inbox, Work};
use super::state::State;
use crate::heartbeat::{Heartbeat, LONGEST_REST};
use crate::moment::{self, Moment};

/// Our limit: turns that a caller takes one after the other, for others who came meanwhile, where
/// nobody waits for the disk.
const TURNS_OF_A_CALLER: usize = 4;

/// What is said of a panic.
pub(super) const PANICKED: &str = "its flusher has ended by an error of the program; start again";

/// What became of a request that went with the flusher that had it.
pub(super) fn lost() -> Refused {
    let why = PANICKED.to_owned();
    Refused::unknown(State::Failed { why })
}

/// See the module.
#[derive(Debug)]
pub(super) struct Turns {
    inbox: Arc<Inbox>,
    /// None once it has ended. Nobody waits for the lock: who has the turn by the inbox has it.
    flusher: Mutex<Option<Flusher>>,
    /// Whether what is kept is synced, so that several had better share that.
    syncs_each: bool,
    heartbeat: Heartbeat,
}

impl Turns {
    /// Nobody has one yet; the thread, which is about to begin, takes the first.
    pub(super) fn new(flusher: Flusher, inbox: Arc<Inbox>) -> Self {
        let now = moment::now();
        let _wakes = inbox.lock().end_turn(flusher.wanted_by(), now);
        Self {
            inbox,
            syncs_each: flusher.syncs_each(),
            flusher: Mutex::new(Some(flusher)),
            heartbeat: Heartbeat::new(now),
        }
    }

    /// Those of a journal without a flusher.
    #[cfg(test)]
    pub(super) fn of_nobody(inbox: Arc<Inbox>) -> Self {
        Self {
            inbox,
            flusher: Mutex::default(),
            syncs_each: true,
            heartbeat: Heartbeat::new(moment::now()),
        }
    }

    /// What tells that the thread lives, and that no turn lasts for ever.
    pub(super) fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    /// Commits what a caller has put there, or sees to it that the thread does.
    pub(super) fn serve(&self, mut contents: MutexGuard<'_, Contents>) {
        if !contents.is_callers_turn(!self.syncs_each) {
            return self.inbox.call(contents);
        }
        let now = Moment::now();
        let work = contents.take_turn(now.monotonic);
        drop(contents);
        let most = if self.syncs_each {
            1
        } else {
            TURNS_OF_A_CALLER
        };
        self.turn(work, now, most, Flusher::commit);
    }

    /// The thread: runs until the journal is closed.
    pub(super) fn run(&self) {
        while let Some((work, now)) = self.wait() {
            self.heartbeat.busy(now.monotonic);
            let closing = work.closing;
            self.turn(work, now, 1, |flusher, work, now| {
                flusher.round(work, now);
                if closing {
                    flusher.finish();
                }
            });
        }
    }

    /// Waits until there is something to do, and takes it; `None` after the end.
    fn wait(&self) -> Option<(Work, Moment)> {
        let mut contents = self.inbox.lock();
        loop {
            if contents.has_ended {
                return None;
            }
            let now = Moment::now();
            let taken = contents.taken();
            let due = contents.due(now.monotonic).filter(|_| taken.is_none());
            if due.is_some_and(|due| due <= now.monotonic) {
                return Some((contents.take_turn(now.monotonic), now));
            }
            let longest = now.monotonic + LONGEST_REST;
            let until = due.map_or(longest, |due| due.min(longest));
            contents.rest(until);
            // Whoever has the turn may be stuck in it.
            self.heartbeat.rest(taken.unwrap_or(until));
            let rest = until.saturating_duration_since(now.monotonic);
            contents = self.inbox.wait(contents, rest);
        }
    }

    /// One turn, and up to `most` while there is more.
    fn turn(
        &self,
        mut work: Work,
        mut now: Moment,
        most: usize,
        act: impl Fn(&mut Flusher, Work, Moment),
    ) {
        let mut place = self.flusher.lock().unwrap_or_else(PoisonError::into_inner);
        for number in 1.. {
            let Some(flusher) = place.as_mut() else {
                return;
            };
            let acted = || {
                act(flusher, work, now);
                flusher.wanted_by()
            };
            let Ok(wanted_by) = catch_unwind(AssertUnwindSafe(acted)) else {
                *place = None;
                ::log::error!("journal: {PANICKED}; pushes are refused");
                return self.inbox.end(State::Failed {
                    why: PANICKED.to_owned(),
                });
            };
            let mut contents = self.inbox.lock();
            if contents.has_ended {
                *place = None;
                return self.heartbeat.end();
            }
            now = Moment::now();
            if number < most && contents.is_asked() && !contents.closing {
                work = contents.take_work();
                continue;
            }
            let wakes = contents.end_turn(wanted_by, now.monotonic);
            self.heartbeat.rest(contents.rests_until());
            // In this order: whoever has the next turn finds it free.
            drop(place);
            drop(contents);
            if wakes {
                self.inbox.ring();
            }
            return;
        }
    }
}
