//! The settlements of late: the last ones for whoever asks, and those whose log lines are not yet
//! written, for the backlog.
//!
//! A push that is settled in the backlog is never sent again, so its line must be in the log
//! before. Nobody waits for that: connection threads leave the ids here with the place that their
//! lines have in the logs, and the logs' writers pass them on as they get there.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::outcome::Settlement;
use super::reasons;
use crate::crash_point;
use crate::feed::Feed;
use crate::moment::{self, Moment};
use crate::push::{End, LaneId, Push, PushId, Waits};

/// One push that has ended.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// The push.
    pub id: PushId,
    /// The lane that the push went to.
    pub lane: LaneId,
    /// The final word on the push.
    pub settlement: Settlement,
    /// When the push ended, since the Unix epoch.
    pub at: Duration,
}

/// How far the access and the error log are, in bytes since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The access log.
    pub access: u64,
    /// The error log.
    pub error: u64,
}

/// The backlog, as far as delivery tells it something. Only [`Keeper::hand`] may wait for a disk.
///
/// A trait, although the product has one backlog: that one knows delivery, which is not to know it.
pub trait Keeper: Send + Sync {
    /// These pushes have ended, and their lines are written.
    fn settle(&self, ended: &[(PushId, End)]);
    /// This push stays outstanding, for the next start.
    fn release(&self, push: &Push, waits: Waits, now: Moment);
    /// This push was tried, that is over, and it will be tried again.
    fn note(&self, push: &Push, waits: Waits, now: Moment);
    /// These pushes are about to be written to a connection. Returns when that would be known
    /// after a crash.
    fn hand(&self, pushes: &[PushId]);
    /// Whether it still keeps what it is told; once it does not, it never does again.
    fn keeps(&self) -> bool {
        true
    }
}

/// The settlements of late.
#[derive(Default)]
pub struct Register {
    inner: Mutex<RegisterState>,
    /// Rung when pushes were passed on, if somebody waits for that.
    passed_on: Condvar,
    backlog: OnceLock<Arc<dyn Keeper>>,
    feed: OnceLock<Arc<Feed>>,
}

#[derive(Default)]
struct RegisterState {
    last: VecDeque<Remembered>,
    access: Unwritten,
    error: Unwritten,
    /// Where the last line of a push ends in the error log that was settled by hand.
    by_hand: u64,
    /// Those who wait for pushes to be passed on.
    waiting: usize,
}

/// The pushes whose lines one log has still to write: no more than its buffer has lines. What one
/// log cannot write keeps back no push whose line is in the other.
#[derive(Default)]
struct Unwritten {
    /// Where the log is.
    written: u64,
    /// Where it was when somebody waited for it in vain.
    stuck: Option<u64>,
    /// In the order of the ends of their lines.
    pushes: VecDeque<(u64, PushId, End)>,
}

impl Unwritten {
    fn add(&mut self, line_ends: u64, id: PushId, end: End) {
        // Rounds of several threads are entered in about the order of their lines.
        let at = self.pushes.partition_point(|push| push.0 <= line_ends);
        self.pushes.insert(at, (line_ends, id, end));
    }

    fn take_written(&mut self) -> impl Iterator<Item = (PushId, End)> {
        let written = self.written;
        let count = self.pushes.partition_point(|push| push.0 <= written);
        let pushes = self.pushes.drain(..count);
        pushes.map(|(_, id, end)| (id, end))
    }

    /// Whether a line that ends there has been written, or is not waited for.
    fn is_passed(&self, line_ends: u64) -> bool {
        self.pushes.front().is_none_or(|push| push.0 > line_ends)
    }

    fn line_of(&self, id: PushId) -> Option<u64> {
        let found = self.pushes.iter().find(|push| push.1 == id);
        found.map(|push| push.0)
    }
}

/// One of the two logs.
type Of = fn(&mut RegisterState) -> &mut Unwritten;

impl Register {
    /// From now on tells the backlog; the first call counts.
    pub fn set_backlog(&self, backlog: Arc<dyn Keeper>) {
        let _already_set = self.backlog.set(backlog).is_err();
    }

    /// From now on what is settled is told to that feed; the first call counts.
    pub fn set_feed(&self, feed: Arc<Feed>) {
        let _already_set = self.feed.set(feed).is_err();
    }

    /// The feed, if there is one.
    pub fn feed(&self) -> Option<&Arc<Feed>> {
        self.feed.get()
    }

    /// Whether there is a backlog that keeps what it is told.
    pub fn keeps(&self) -> bool {
        self.keeper().is_some()
    }

    fn keeper(&self) -> Option<&dyn Keeper> {
        let backlog = self.backlog.get().filter(|backlog| backlog.keeps());
        backlog.map(AsRef::as_ref)
    }

    /// Leaves a push to the next start; false if nothing outlives this one.
    pub fn leave(&self, push: &Push, waits: Waits, now: Moment) -> bool {
        let backlog = self.keeper();
        backlog
            .map(|backlog| backlog.release(push, waits, now))
            .is_some()
    }

    /// Notes how far a push has come that will be tried again.
    pub fn tried(&self, push: &Push, waits: Waits, now: Moment) {
        if let Some(backlog) = self.backlog.get() {
            backlog.note(push, waits, now);
        }
    }

    /// Notes that the bytes of these pushes leave from now on.
    pub fn handed(&self, pushes: &[PushId]) {
        if let Some(backlog) = self.backlog.get() {
            backlog.hand(pushes);
        }
    }

    /// Enters what a round has settled; `end` is where its lines end in the logs.
    pub fn enter(&self, round: &mut Vec<Remembered>, end: Marks) {
        if round.is_empty() {
            return;
        }
        let mut inner = self.lock();
        if self.backlog.get().is_some() {
            for one in round.iter() {
                // That is 0 where the line was dropped: it is waited for no longer.
                match one.settlement.end {
                    End::Succeeded => inner.access.add(end.access, one.id, End::Succeeded),
                    ended => {
                        inner.error.add(end.error, one.id, ended);
                        if one.settlement.reason == reasons::PURGED {
                            inner.by_hand = inner.by_hand.max(end.error);
                        }
                    }
                }
            }
        }
        let over = (inner.last.len() + round.len()).saturating_sub(SETTLED_KEPT);
        let old = over.min(inner.last.len());
        drop(inner.last.drain(..old));
        round.drain(..over - old);
        inner.last.extend(round.drain(..));
        self.pass_on(inner);
    }

    /// The logs have been written as far as that; a mark that is lower than before is ignored.
    pub fn written(&self, access: Option<u64>, error: Option<u64>) {
        let mut inner = self.lock();
        inner.access.written = inner.access.written.max(access.unwrap_or(0));
        inner.error.written = inner.error.written.max(error.unwrap_or(0));
        self.pass_on(inner);
    }

    /// No more lines will be written: those that are not are lost, which was said.
    pub fn written_or_lost(&self) {
        self.written(Some(u64::MAX), Some(u64::MAX));
    }

    /// Waits until the backlog has been told of a push that has ended; false if its log has not
    /// taken its line within that time, or is known to have stood still for so long.
    pub fn await_passed(&self, id: PushId, within: Duration) -> bool {
        let mut inner = self.lock();
        let logs: [Of; 2] = [|inner| &mut inner.access, |inner| &mut inner.error];
        for log in logs {
            let unwritten = log(&mut inner);
            if let Some(line) = unwritten.line_of(id) {
                let is_stuck = unwritten.stuck == Some(unwritten.written);
                return !is_stuck && self.await_line(inner, log, line, within);
            }
        }
        true
    }

    /// Waits until the backlog has been told of everything that was settled by hand before this
    /// call; false if the error log has not taken its lines within that time.
    pub fn await_by_hand(&self, within: Duration) -> bool {
        let inner = self.lock();
        let line = inner.by_hand;
        self.await_line(inner, |inner| &mut inner.error, line, within)
    }

    /// Waits until the backlog has been told of everything that has ended before this call; false
    /// if a log has not taken its lines within that time.
    pub fn await_all(&self, within: Duration) -> bool {
        let logs: [Of; 2] = [|inner| &mut inner.access, |inner| &mut inner.error];
        logs.into_iter().all(|log| {
            let mut inner = self.lock();
            let last = log(&mut inner).pushes.back().map(|push| push.0);
            last.is_none_or(|line| self.await_line(inner, log, line, within))
        })
    }

    fn await_line(
        &self,
        mut inner: MutexGuard<'_, RegisterState>,
        log: Of,
        line: u64,
        within: Duration,
    ) -> bool {
        inner.waiting += 1;
        let waits = |inner: &mut RegisterState| !log(inner).is_passed(line);
        inner = moment::wait_while(&self.passed_on, inner, within, waits);
        inner.waiting -= 1;
        let unwritten = log(&mut inner);
        let is_passed = unwritten.is_passed(line);
        unwritten.stuck = (!is_passed).then_some(unwritten.written);
        is_passed
    }

    /// How a push ended, if it is among the last [`SETTLED_KEPT`].
    pub fn find(&self, id: PushId) -> Option<Remembered> {
        let inner = self.lock();
        let found = inner.last.iter().rev().find(|settled| settled.id == id);
        found.cloned()
    }

    /// Gives the backlog what is written.
    fn pass_on(&self, mut inner: MutexGuard<'_, RegisterState>) {
        let Some(backlog) = self.backlog.get() else {
            return;
        };
        let mut ended: Vec<(PushId, End)> = inner.access.take_written().collect();
        ended.extend(inner.error.take_written());
        if ended.is_empty() {
            return;
        }
        // Under the lock: whoever has called after that finds everything with the backlog,
        // which the end closes then.
        backlog.settle(&ended);
        let is_waited_for = inner.waiting > 0;
        drop(inner);
        if is_waited_for {
            self.passed_on.notify_all();
        }
        crash_point::pass("settle");
    }

    fn lock(&self) -> MutexGuard<'_, RegisterState> {
        // No code panics while it holds the lock; if it did, a few ids would be settled late.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Register {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Register").finish_non_exhaustive()
    }
}

/// Our limit: settled pushes that are remembered for `GET /push/{id}`: some megabytes.
pub const SETTLED_KEPT: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    struct Kept(Arc<Mutex<Vec<u64>>>);

    impl Keeper for Kept {
        fn settle(&self, ended: &[(PushId, End)]) {
            let ids = ended.iter().map(|(id, _)| id.0);
            self.0.lock().unwrap().extend(ids);
        }

        fn release(&self, push: &Push, _: Waits, _: Moment) {
            self.0.lock().unwrap().push(push.id().0);
        }

        fn note(&self, _: &Push, _: Waits, _: Moment) {}

        fn hand(&self, _: &[PushId]) {}
    }

    fn round(ids: std::ops::Range<u64>) -> Vec<Remembered> {
        let one = |id| Remembered {
            id: PushId(id),
            lane: LaneId::IOS,
            settlement: Settlement::of_ours(End::Succeeded, "", String::new(), 1),
            at: Duration::from_secs(1),
        };
        ids.map(one).collect()
    }

    fn with_journal() -> (Register, Arc<Mutex<Vec<u64>>>) {
        let (register, settled) = (Register::default(), Arc::<Mutex<Vec<u64>>>::default());
        let kept = Arc::clone(&settled);
        register.set_backlog(Arc::new(Kept(kept)));
        (register, settled)
    }

    fn at(access: u64, error: u64) -> Marks {
        Marks { access, error }
    }

    fn failed(ids: std::ops::Range<u64>, reason: &'static str) -> Vec<Remembered> {
        let mut round = round(ids);
        for one in &mut round {
            one.settlement.end = End::Failed;
            one.settlement.reason = reason.into();
        }
        round
    }

    fn unwritten(register: &Register) -> usize {
        let inner = register.lock();
        inner.access.pushes.len() + inner.error.pushes.len()
    }

    #[test]
    fn the_last_ones_are_remembered() {
        let register = Register::default();
        register.enter(&mut round(0..3), at(0, 0));
        assert_eq!(register.find(PushId(2)).unwrap().id, PushId(2));
        assert!(register.find(PushId(3)).is_none());
        let kept = SETTLED_KEPT as u64;
        register.enter(&mut round(3..kept + 1), at(0, 0));
        assert!(register.find(PushId(0)).is_none(), "forgotten");
        assert!(register.find(PushId(1)).is_some());
        // More in one round than are kept at all.
        let mut many = round(0..2 * kept);
        register.enter(&mut many, at(0, 0));
        assert!(many.is_empty());
        assert!(register.find(PushId(kept - 1)).is_none());
        assert!(register.find(PushId(kept)).is_some());
        assert_eq!(register.lock().last.len(), SETTLED_KEPT);
    }

    #[test]
    fn the_journal_has_a_push_once_its_own_log_is_there() {
        let (register, settled) = with_journal();
        register.enter(&mut round(0..2), at(100, 0));
        let mut mixed = [round(2..3), failed(3..4, "BadDeviceToken")].concat();
        register.enter(&mut mixed, at(150, 80));
        let settled = || settled.lock().unwrap().clone();
        assert_eq!((settled().len(), unwritten(&register)), (0, 4));
        register.written(Some(99), None);
        assert!(settled().is_empty());
        register.written(Some(100), None);
        assert_eq!(settled(), [0, 1]);
        register.written(Some(200), Some(79));
        assert_eq!(settled(), [0, 1, 2]);
        register.written(None, Some(80));
        assert_eq!((settled(), unwritten(&register)), (vec![0, 1, 2, 3], 0));
        // Lines that are written by the time their round is entered.
        register.enter(&mut round(4..5), at(200, 0));
        assert_eq!(settled(), [0, 1, 2, 3, 4]);
    }

    #[test]
    fn who_waits_for_all_that_has_ended_waits_for_either_log() {
        let (register, settled) = with_journal();
        assert!(register.await_all(Duration::ZERO), "there is nothing");
        register.enter(&mut round(0..1), at(100, 0));
        register.enter(&mut failed(1..2, "BadDeviceToken"), at(0, 80));
        assert!(!register.await_all(Duration::ZERO));
        register.written(Some(100), None);
        assert!(!register.await_all(Duration::ZERO));
        register.written(None, Some(80));
        assert!(register.await_all(Duration::ZERO));
        assert_eq!(*settled.lock().unwrap(), [0, 1]);
    }

    #[test]
    fn a_log_that_stands_still_keeps_back_none_but_the_pushes_of_its_own_lines() {
        let (register, settled) = with_journal();
        register.enter(&mut failed(0..2, "BadDeviceToken"), at(0, 100));
        for id in 2..1_000 {
            register.enter(&mut round(id..id + 1), at(id, 0));
            register.written(Some(id), None);
        }
        assert!(settled.lock().unwrap().iter().copied().eq(2..1_000));
        assert_eq!(unwritten(&register), 2);
        // Nor do those whose lines were dropped wait, since it is full.
        register.enter(&mut failed(1_000..1_003, "BadDeviceToken"), at(0, 0));
        assert_eq!(settled.lock().unwrap()[998..], [1_000, 1_001, 1_002]);
        assert_eq!(unwritten(&register), 2, "bounded by the log's buffer");
        register.written(None, Some(100));
        assert_eq!(settled.lock().unwrap()[1_001..], [0, 1]);
    }

    #[test]
    fn a_round_that_is_entered_late_is_no_obstacle_and_waits_for_none() {
        let (register, settled) = with_journal();
        register.enter(&mut round(0..2), at(200, 0));
        register.enter(&mut round(2..4), at(100, 0));
        register.written(Some(100), None);
        assert_eq!(*settled.lock().unwrap(), [2, 3]);
        register.written(Some(200), None);
        assert_eq!(*settled.lock().unwrap(), [2, 3, 0, 1]);
    }

    /// Lets something happen once somebody waits for the logs.
    fn while_waited_for<T: Send>(
        register: &Register,
        wait: impl Fn() -> T + Send,
        then: impl FnOnce(),
    ) -> T {
        std::thread::scope(|scope| {
            let waits = scope.spawn(wait);
            while register.lock().waiting == 0 {
                std::thread::yield_now();
            }
            then();
            waits.join().unwrap()
        })
    }

    const LONG: Duration = Duration::from_secs(10);
    const SHORT: Duration = Duration::from_millis(1);

    #[test]
    fn who_asks_for_a_push_waits_for_its_own_line_and_no_second_one_for_a_log_that_stands_still() {
        let (register, settled) = with_journal();
        register.enter(&mut failed(0..1, "BadDeviceToken"), at(0, 50));
        register.enter(&mut round(1..2), at(100, 0));
        assert!(register.await_passed(PushId(7), LONG), "there is no such");
        assert!(!register.await_passed(PushId(0), SHORT));
        assert!(!register.await_passed(PushId(0), LONG), "asked at once");
        let waits = || register.await_passed(PushId(1), LONG);
        assert!(while_waited_for(&register, waits, || {
            // What comes later is not waited for.
            register.enter(&mut round(3..4), at(200, 0));
            register.written(Some(100), None);
        }));
        assert_eq!(*settled.lock().unwrap(), [1]);
        // It moves again.
        register.written(None, Some(49));
        let waits = || register.await_passed(PushId(0), LONG);
        let moves = || register.written(None, Some(50));
        assert!(while_waited_for(&register, waits, moves));
        assert_eq!(*settled.lock().unwrap(), [1, 0]);
    }

    #[test]
    fn who_settles_by_hand_waits_for_those_lines_alone() {
        let (register, settled) = with_journal();
        register.enter(&mut round(0..1), at(100, 0));
        register.enter(&mut failed(1..2, "BadDeviceToken"), at(0, 50));
        assert!(register.await_by_hand(LONG), "nothing was");
        register.enter(&mut failed(2..4, reasons::PURGED), at(0, 80));
        assert!(!register.await_by_hand(SHORT));
        let waits = || register.await_by_hand(LONG);
        let moves = || register.written(None, Some(80));
        assert!(while_waited_for(&register, waits, moves));
        assert_eq!(*settled.lock().unwrap(), [1, 2, 3]);
    }

    struct LooksAtTheLock(std::sync::Weak<Register>, Arc<Mutex<Vec<bool>>>);

    impl Keeper for LooksAtTheLock {
        fn settle(&self, _: &[(PushId, End)]) {
            let register = self.0.upgrade().unwrap();
            let is_held = register.inner.try_lock().is_err();
            self.1.lock().unwrap().push(is_held);
        }

        fn release(&self, _: &Push, _: Waits, _: Moment) {}

        fn note(&self, _: &Push, _: Waits, _: Moment) {}

        fn hand(&self, _: &[PushId]) {}
    }

    /// The end says that nothing more is written, and closes the backlog: what another thread was
    /// about to hand over must be there by then.
    #[test]
    fn nobody_gets_past_a_hand_over_in_progress() {
        let (register, held) = (
            Arc::<Register>::default(),
            Arc::<Mutex<Vec<bool>>>::default(),
        );
        let looks = LooksAtTheLock(Arc::downgrade(&register), Arc::clone(&held));
        register.set_backlog(Arc::new(looks));
        register.enter(&mut round(0..1), at(100, 0));
        register.written(Some(100), None);
        assert_eq!(*held.lock().unwrap(), [true]);
    }

    #[test]
    fn lines_that_are_lost_hold_nothing_up() {
        let (register, settled) = with_journal();
        register.enter(&mut round(0..1), at(100, 100));
        register.written_or_lost();
        assert_eq!(*settled.lock().unwrap(), [0]);
    }
}
