//! What writes the journal: everything that has come together in one write, one sync for all who
//! wait for it. Whose thread that is done in is not its business (`turns`).

mod room;

use crate::push::End;
use std::collections::HashSet;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use room::is_large;

use super::batch::Group;
use super::error::Refused;
use super::inbox::{Inbox, Notes, Work, accept, refuse};
use super::reply::Reply;
use super::scheduled_share::ScheduledShare;
use super::space::Space;
use super::state::State;
use super::store::{Store, StoreTrouble, WriteFailure};
use super::{Attempts, IN_DOUBT, SYNC_EVERY, Settings, SyncPolicy, attempts};
use crate::count::Seldom;
use crate::moment::timers::Timers;
use crate::moment::{self, Moment};

/// What could not be written is tried again after this time.
pub(super) const RETRY_EVERY: Duration = Duration::from_secs(1);

/// How often it is looked whether the files are still there, and ours.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Bytes from which on a write waits for no more requests.
pub(super) const WRITE_BYTES: usize = 1 << 20;

/// Bytes that are carried forward at once, if not more was written meanwhile.
const CARRY_BYTES: usize = 256 << 10;

/// See the module.
#[derive(Debug)]
pub(super) struct Flusher {
    store: Store,
    inbox: Arc<Inbox>,
    policy: SyncPolicy,
    space: Space,
    share: ScheduledShare,
    /// Requests for which it has no room.
    told_of_share: Seldom,
    /// Requests of an app that has its part of it.
    told_of_app_share: Seldom,
    /// Large requests that were refused alone.
    told_of_large: Seldom,
    dir: String,
    /// Settlements and attempts.
    settled: Vec<(u64, Option<End>)>,
    left: Vec<(u64, Attempts)>,
    timers: Timers<FlusherTimer>,
    /// Bytes that had been written by the end of the thread's last turn.
    carried_at: u64,
}

/// What the flusher looks at the clock for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FlusherTimer {
    Sync,
    /// It is tried whether requests can be taken again.
    Retry,
    /// Settlements that could not be written are not tried again before.
    SettleAgain,
    /// Nothing is carried before.
    Carry,
    /// It is looked whether the files are still there.
    Look,
}

impl Flusher {
    pub(super) fn new(store: Store, inbox: Arc<Inbox>, settings: &Settings) -> Self {
        let mut timers = Timers::default();
        let now = moment::now();
        timers.set(FlusherTimer::SettleAgain, now);
        timers.set(FlusherTimer::Carry, now);
        timers.set(FlusherTimer::Look, now + LOOK_EVERY);
        Self {
            space: Space::new(settings.reserve_bytes),
            share: ScheduledShare::new(settings),
            told_of_share: Seldom::default(),
            told_of_app_share: Seldom::default(),
            told_of_large: Seldom::default(),
            dir: settings.dir.display().to_string(),
            policy: settings.sync,
            store,
            inbox,
            settled: Vec::new(),
            left: Vec::new(),
            timers,
            carried_at: 0,
        }
    }

    /// Whether what is kept is synced, so that several had better share that.
    pub(super) fn syncs_each(&self) -> bool {
        self.policy == SyncPolicy::Group
    }

    /// Says at the start if there is no room, before a push has to be refused for it.
    pub(super) fn look_at_room(&mut self, now: Moment) {
        let store = &self.store;
        if !self.space.has_room(now.monotonic, || store.free_space()) {
            let state = self.full();
            self.enter(state, now);
        }
    }

    /// When the next turn is due, whatever callers have; the thread takes it.
    pub(super) fn wanted_by(&self) -> Option<Instant> {
        let works = !self.store.has_failed();
        let carries = works && (self.store.is_carrying() || self.is_long());
        self.timers.next(|timer| match timer {
            FlusherTimer::Sync | FlusherTimer::Retry => true,
            FlusherTimer::SettleAgain => false,
            FlusherTimer::Carry => carries,
            FlusherTimer::Look => works,
        })
    }

    /// A turn of the thread: what has come is kept, and what else is due is done.
    pub(super) fn round(&mut self, work: Work, now: Moment) {
        self.look_if_due(now);
        if self.timers.is_due(FlusherTimer::Retry, now.monotonic) {
            self.retry(now);
        }
        self.commit(work, now);
        let new = self.store.written() - self.carried_at;
        self.go_on_carrying(usize::try_from(new).unwrap_or(usize::MAX), now);
        self.carried_at = self.store.written();
        self.sync_if_due(now);
    }

    /// A turn of a caller: what has come is kept.
    pub(super) fn commit(&mut self, mut work: Work, now: Moment) {
        self.left.append(&mut work.left);
        self.settled.append(&mut work.settled);
        let with_share = self.within_the_share(work.requests, now);
        let requests = self.with_room(with_share, now);
        let mut kept = self.write_all(requests, work.notes, now);
        kept.extend(self.with_settlements(work.settled_waiting));
        self.answer(kept, now);
    }

    fn look_if_due(&mut self, now: Moment) {
        if !self.timers.is_due(FlusherTimer::Look, now.monotonic) || self.store.has_failed() {
            return;
        }
        self.timers
            .set(FlusherTimer::Look, now.monotonic + LOOK_EVERY);
        if let Err(trouble) = self.store.look() {
            let _state = self.trouble(trouble, now);
        }
    }

    /// Writes what has come together, small requests before large ones; returns the replies of
    /// those whose requests are written.
    fn write_all(
        &mut self,
        requests: Vec<(Group, Reply)>,
        mut notes: Notes,
        now: Moment,
    ) -> Vec<Reply> {
        let mut written = Vec::new();
        let mut requests = requests.into_iter().peekable();
        loop {
            self.note_doubt(&notes.are_handed);
            self.mark_handed(&notes.handed);
            let mut batch = self.store.batch();
            // Who hands no push waits for what was settled, and hears of nothing else.
            let is_asked = notes.handed.iter().any(|(ids, _)| ids.is_empty());
            if is_asked || self.timers.is_due(FlusherTimer::SettleAgain, now.monotonic) {
                batch.settle(self.settled.clone());
                batch.leave(self.left.clone());
            }
            if !notes.are_handed.is_empty() {
                // With a record the doubt is written at once.
                batch.note_ids(self.store.ids());
            }
            let mut waiting: Vec<Reply> = Vec::new();
            for (ids, reply) in notes.handed.drain(..) {
                // After the attempts: what was tried before is handed again.
                batch.hand(ids);
                waiting.push(reply);
            }
            waiting.extend(notes.are_handed.drain(..).map(|(_, reply)| reply));
            let mut replies = Vec::new();
            // It is not to fail together with others that may fit.
            let large = requests.peek().filter(|next| is_large(next));
            let alone = large.filter(|_| !batch.has_records());
            let alone = alone.map(|(group, _)| group.len());
            while batch.frames.len() < WRITE_BYTES
                && let Some((group, reply)) =
                    requests.next_if(|next| !batch.has_records() || !is_large(next))
            {
                batch.add(&group);
                replies.push(reply);
            }
            if !batch.has_records() {
                // Nothing is left to be written for them.
                self.accept_if_kept(waiting);
                return written;
            }
            let (bytes, settles) = (batch.frames.len(), !batch.settled.is_empty());
            let leaves = !batch.attempts.is_empty();
            match (self.store.write(batch, now.unix), alone) {
                (Ok(()), _) => {
                    self.space.wrote(bytes as u64);
                    if settles {
                        self.settled = Vec::new();
                    }
                    if leaves {
                        self.left = Vec::new();
                    }
                    self.timers
                        .start(FlusherTimer::Sync, now.monotonic + SYNC_EVERY);
                    accept(waiting);
                    match self.policy {
                        SyncPolicy::Group => written.append(&mut replies),
                        SyncPolicy::Interval => accept(replies),
                    }
                }
                (Err(failure), Some(bytes)) if failure.lacked_room() => {
                    self.accept_if_kept(waiting);
                    refuse(replies, &self.lacks_room_for(bytes, now));
                    let rest = self.with_room(requests.collect(), now);
                    requests = rest.into_iter().peekable();
                }
                (Err(failure), _) => {
                    let refused = self.failure(failure, now);
                    refuse(waiting, &refused);
                    refuse(replies, &refused);
                    let refused = Refused::whole(refused.state);
                    refuse(requests.map(|(_, reply)| reply), &refused);
                    return written;
                }
            }
        }
    }

    /// Tells those who wait for what is written already.
    fn accept_if_kept(&self, waiting: Vec<Reply>) {
        let state = self.inbox.lock().state.clone();
        if state.is_fatal() {
            refuse(waiting, &Refused::whole(state));
        } else {
            accept(waiting);
        }
    }

    /// Those who wait for settlements and have still to wait for the disk.
    fn with_settlements(&self, waiting: Vec<Reply>) -> Vec<Reply> {
        if waiting.is_empty() {
            return waiting;
        }
        let state = self.inbox.lock().state.clone();
        let is_written = self.settled.is_empty();
        match self.policy {
            _ if !is_written || state.is_fatal() => refuse(waiting, &Refused::whole(state)),
            SyncPolicy::Group => return waiting,
            SyncPolicy::Interval => accept(waiting),
        }
        Vec::new()
    }

    /// What was tried before and is not written, perhaps not by this write, is older.
    fn mark_handed(&mut self, handed: &[(Vec<u64>, Reply)]) {
        if self.left.is_empty() || handed.is_empty() {
            return;
        }
        let handed: HashSet<u64> = handed.iter().flat_map(|(ids, _)| ids).copied().collect();
        for (id, state) in &mut self.left {
            state.maybe_sent |= handed.contains(id);
        }
    }

    /// What is in doubt from the next write on.
    fn note_doubt(&mut self, notes_handed: &[(bool, Reply)]) {
        for (notes_handed, _) in notes_handed {
            // Whatever was accepted before that may have been sent without a note.
            let seen = self.inbox.last_seen();
            let last = if *notes_handed { seen } else { IN_DOUBT };
            self.store.set_doubt(last);
        }
    }

    /// Syncs for those who wait for it, and tells them.
    fn answer(&mut self, waiting: Vec<Reply>, now: Moment) {
        if waiting.is_empty() {
            return;
        }
        match self.store.sync() {
            Ok(()) => {
                self.timers.stop(FlusherTimer::Sync);
                accept(waiting);
            }
            Err(failure) => {
                let refused = self.failure(failure, now);
                refuse(waiting, &refused);
            }
        }
    }

    fn sync_if_due(&mut self, now: Moment) {
        if self.timers.take_due(FlusherTimer::Sync, now.monotonic)
            && let Err(failure) = self.store.sync()
        {
            let _refused = self.failure(failure, now);
        }
    }

    /// Whether the next segment should begin.
    fn is_long(&self) -> bool {
        let is_full = self.space.free() < self.space.needed();
        self.store.is_long(is_full)
    }

    /// Begins the next segment if it is time to, and carries a piece into it.
    fn go_on_carrying(&mut self, new: usize, now: Moment) {
        if !self.timers.is_due(FlusherTimer::Carry, now.monotonic) || self.store.has_failed() {
            return;
        }
        let store = &self.store;
        self.space.look_if_due(now.monotonic, || store.free_space());
        let is_long = self.is_long();
        let left = match store.is_carrying() {
            true => store.left_to_carry(),
            false if is_long => store.live_bytes(),
            false => return,
        };
        if !self.space.has_room_to_carry(left) {
            // What room there is settlements need more.
            let again_at = now.monotonic + RETRY_EVERY;
            self.timers.set(FlusherTimer::Carry, again_at);
            return;
        }
        let result = if self.store.is_carrying() {
            // At least as much as is new, so that it comes to an end.
            let bytes = new.max(CARRY_BYTES);
            self.timers
                .start(FlusherTimer::Sync, now.monotonic + SYNC_EVERY);
            self.store.carry(bytes, now.unix)
        } else {
            self.store.rotate()
        };
        match result {
            Ok(()) => {}
            // The old segments are still there: nothing is lost, and requests may fit yet.
            Err(StoreTrouble::Full | StoreTrouble::Unreadable(_)) => {
                self.timers
                    .set(FlusherTimer::Carry, now.monotonic + RETRY_EVERY);
            }
            Err(trouble) => {
                self.timers
                    .set(FlusherTimer::Carry, now.monotonic + RETRY_EVERY);
                let _state = self.trouble(trouble, now);
            }
        }
    }

    /// Tries whether writing works again.
    fn retry(&mut self, now: Moment) {
        let store = &self.store;
        self.space.look_if_due(now.monotonic, || store.free_space());
        if self.space.free() < self.space.needed() {
            let state = self.full();
            self.enter(state, now);
            return;
        }
        let mut batch = self.store.batch();
        batch.note_ids(self.store.ids());
        match self.store.write(batch, now.unix) {
            Ok(()) => self.enter(State::Serving, now),
            Err(failure) => {
                let _refused = self.failure(failure, now);
            }
        }
    }

    /// What to say to those whose requests were not written, or not synced.
    fn failure(&mut self, failure: WriteFailure, now: Moment) -> Refused {
        Refused {
            is_unknown: failure.may_come_back,
            state: self.trouble(failure.trouble, now),
        }
    }

    /// What a trouble means for those who ask; it is told once, and tried again if that may help.
    fn trouble(&mut self, trouble: StoreTrouble, now: Moment) -> State {
        self.timers
            .set(FlusherTimer::SettleAgain, now.monotonic + RETRY_EVERY);
        attempts::keep_last(&mut self.left);
        let state = match trouble {
            StoreTrouble::Full => {
                self.space.is_used_up(now.monotonic);
                self.full()
            }
            StoreTrouble::Unwritable(why) | StoreTrouble::Unreadable(why) => {
                State::Unwritable { why }
            }
            StoreTrouble::Failed(why) => State::Failed { why },
            StoreTrouble::Gone(why) => State::Gone { why },
        };
        self.enter(state.clone(), now);
        state
    }

    fn enter(&mut self, state: State, now: Moment) {
        let retries = matches!(state, State::Full { .. } | State::Unwritable { .. });
        let at = retries.then_some(now.monotonic + RETRY_EVERY);
        self.timers.set(FlusherTimer::Retry, at);
        let mut contents = self.inbox.lock();
        let is_news = mem::discriminant(&contents.state) != mem::discriminant(&state);
        if contents.state == State::Closed || contents.state.is_fatal() {
            return;
        }
        contents.state = state.clone();
        drop(contents);
        match state {
            State::Serving if is_news => ::log::warn!("journal: it takes pushes again"),
            state if is_news => ::log::error!("journal: {state}; pushes are refused"),
            _ => {}
        }
    }

    /// Whether all that is outstanding was left behind, or never fed.
    fn has_told_all(&self) -> bool {
        let index = &self.store.catalogue().lock().index;
        let untouched =
            index.all_unfed() + index.schedule.load().pushes + self.inbox.lock().left_behind;
        self.left.is_empty() && self.settled.is_empty() && untouched >= index.outstanding()
    }

    /// Writes what is left and ends.
    pub(super) fn finish(&mut self) {
        let now = Moment::now();
        self.timers.set(FlusherTimer::SettleAgain, now.monotonic);
        let written = self.write_all(Vec::new(), Notes::default(), now);
        debug_assert!(written.is_empty(), "no request was written");
        let seen = self.inbox.last_seen();
        let finished = self.store.finish(seen, self.has_told_all(), now.unix);
        if let Err(failure) = &finished {
            ::log::error!(
                "journal: its end could not be written: {:?}",
                failure.trouble
            );
        }
        let state = match finished.map_err(StoreTrouble::from) {
            Err(StoreTrouble::Failed(why)) => State::Failed { why },
            Err(StoreTrouble::Gone(why)) => State::Gone { why },
            _ => State::Closed,
        };
        self.inbox.lock().unwritten += self.settled.len() as u64;
        self.inbox.end(state);
    }
}

#[cfg(test)]
mod tests;
