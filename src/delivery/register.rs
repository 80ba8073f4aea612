//! The settlements of late: the last ones for whoever asks, and those whose log lines are not yet
//! written, for the journal.
//!
//! A push that is settled in the journal is never sent again, so its line must be in the log
//! before. Nobody waits for that: connection threads leave the ids here with the place that their
//! lines have in the logs, and the logs' writers pass them on as they get there.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::outcome::{End, Settlement};
use crate::crash_point;
use crate::moment::{self, Moment};
use crate::push::{Platform, Push, PushId, Waits};

/// One push that has ended.
#[derive(Clone, Debug)]
pub struct Remembered {
    /// Which.
    pub id: PushId,
    /// Where it went.
    pub platform: Platform,
    /// How it ended.
    pub settlement: Settlement,
    /// When, since the Unix epoch.
    pub at: Duration,
}

/// How far the access and the error log are, in octets since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// The access log.
    pub access: u64,
    /// The error log.
    pub error: u64,
}

/// A journal, as far as delivery tells it something. Only [`Keeper::handed`] may wait for a disk.
pub trait Keeper: Send + Sync {
    /// These pushes have ended, and their lines are written.
    fn settled(&self, ended: &[(PushId, End)]);
    /// This push stays outstanding, for the next start.
    fn left(&self, push: &Push, waits: Waits, now: Moment);
    /// This push was tried, that is over, and it will be tried again.
    fn tried(&self, push: &Push, waits: Waits, now: Moment);
    /// These pushes are about to be written to a connection. Returns when that would be known
    /// after a crash.
    fn handed(&self, pushes: &[PushId]);
    /// Whether it still keeps what it is told; once it does not, it never does again.
    fn keeps(&self) -> bool {
        true
    }
}

/// The settlements of late.
#[derive(Default)]
pub struct Register {
    inner: Mutex<Inner>,
    /// Rung when rounds were passed on, if somebody waits for that.
    passed_on: Condvar,
    journal: OnceLock<Box<dyn Keeper>>,
}

#[derive(Default)]
struct Inner {
    last: VecDeque<Remembered>,
    /// Where the logs are.
    written: Marks,
    /// Rounds whose lines are not written, each with where its lines end and the number of its ids.
    rounds: VecDeque<(Marks, usize)>,
    ended: VecDeque<(PushId, End)>,
    /// Rounds ever passed on.
    passed: u64,
    /// Those who wait for rounds to be passed on.
    waiting: usize,
}

impl Inner {
    fn has_written(&self, end: Marks) -> bool {
        end.access <= self.written.access && end.error <= self.written.error
    }
}

impl Register {
    /// From now on tells the journal; the first call counts.
    pub fn set_journal(&self, journal: Box<dyn Keeper>) {
        let _already_set = self.journal.set(journal).is_err();
    }

    /// Whether there is a journal that keeps what it is told.
    pub fn keeps(&self) -> bool {
        self.keeper().is_some()
    }

    fn keeper(&self) -> Option<&dyn Keeper> {
        let journal = self.journal.get().filter(|journal| journal.keeps());
        journal.map(AsRef::as_ref)
    }

    /// Leaves a push to the next start; false if nothing outlives this one.
    pub fn leave(&self, push: &Push, waits: Waits, now: Moment) -> bool {
        let journal = self.keeper();
        journal
            .map(|journal| journal.left(push, waits, now))
            .is_some()
    }

    /// Notes how far a push has come that will be tried again.
    pub fn tried(&self, push: &Push, waits: Waits, now: Moment) {
        if let Some(journal) = self.journal.get() {
            journal.tried(push, waits, now);
        }
    }

    /// Notes that the octets of these pushes leave from now on.
    pub fn handed(&self, pushes: &[PushId]) {
        if let Some(journal) = self.journal.get() {
            journal.handed(pushes);
        }
    }

    /// Enters what a round has settled; `end` is where its lines end in the logs.
    pub fn enter(&self, round: &mut Vec<Remembered>, end: Marks) {
        if round.is_empty() {
            return;
        }
        let mut inner = self.lock();
        if let Some(journal) = self.journal.get() {
            let ended = round.iter().map(|one| (one.id, one.settlement.end));
            if inner.has_written(end) {
                // Its lines were dropped, or written meanwhile: it waits for no earlier round.
                let ended: Vec<(PushId, End)> = ended.collect();
                journal.settled(&ended);
            } else {
                inner.ended.extend(ended);
                inner.rounds.push_back((end, round.len()));
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
        let marks = &mut inner.written;
        marks.access = marks.access.max(access.unwrap_or(0));
        marks.error = marks.error.max(error.unwrap_or(0));
        self.pass_on(inner);
    }

    /// No more lines will be written: those that are not are lost, which was said.
    pub fn written_or_lost(&self) {
        self.written(Some(u64::MAX), Some(u64::MAX));
    }

    /// Waits until the journal has been told of everything that was entered before this call; false
    /// if the logs have not taken its lines within that time.
    pub fn await_passed(&self, within: Duration) -> bool {
        let mut inner = self.lock();
        let last = inner.passed.saturating_add(inner.rounds.len() as u64);
        inner.waiting += 1;
        let waits = |inner: &mut Inner| inner.passed < last;
        inner = moment::wait_while(&self.passed_on, inner, within, waits);
        inner.waiting -= 1;
        inner.passed >= last
    }

    /// How a push ended, if it is among the last [`SETTLED_KEPT`].
    pub fn find(&self, id: PushId) -> Option<Remembered> {
        let inner = self.lock();
        let found = inner.last.iter().rev().find(|settled| settled.id == id);
        found.cloned()
    }

    /// Pushes whose lines are not written yet.
    pub fn unwritten(&self) -> usize {
        self.lock().ended.len()
    }

    /// Gives the journal what is written.
    fn pass_on(&self, mut inner: MutexGuard<'_, Inner>) {
        let Some(journal) = self.journal.get() else {
            return;
        };
        let mut count: usize = 0;
        while let Some(&(end, pushes)) = inner.rounds.front() {
            if !inner.has_written(end) {
                break;
            }
            inner.rounds.pop_front();
            inner.passed += 1;
            count += pushes;
        }
        if count > 0 {
            let ended: Vec<(PushId, End)> = inner.ended.drain(..count).collect();
            // Under the lock: whoever has called after that finds everything with the journal,
            // which the end closes then.
            journal.settled(&ended);
            let is_waited_for = inner.waiting > 0;
            drop(inner);
            if is_waited_for {
                self.passed_on.notify_all();
            }
            crash_point::pass("settle");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
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
    use std::sync::Arc;

    use super::*;

    struct Kept(Arc<Mutex<Vec<u64>>>);

    impl Keeper for Kept {
        fn settled(&self, ended: &[(PushId, End)]) {
            let ids = ended.iter().map(|(id, _)| id.0);
            self.0.lock().unwrap().extend(ids);
        }

        fn left(&self, push: &Push, _: Waits, _: Moment) {
            self.0.lock().unwrap().push(push.id().0);
        }

        fn tried(&self, _: &Push, _: Waits, _: Moment) {}

        fn handed(&self, _: &[PushId]) {}
    }

    fn round(ids: std::ops::Range<u64>) -> Vec<Remembered> {
        let one = |id| Remembered {
            id: PushId(id),
            platform: Platform::Ios,
            settlement: Settlement {
                end: End::Succeeded,
                status: Some(200),
                reason: "".into(),
                error: String::new(),
                apns_id: None,
                attempt: 1,
            },
            at: Duration::from_secs(1),
        };
        ids.map(one).collect()
    }

    fn with_journal() -> (Register, Arc<Mutex<Vec<u64>>>) {
        let (register, settled) = (Register::default(), Arc::<Mutex<Vec<u64>>>::default());
        let kept = Arc::clone(&settled);
        register.set_journal(Box::new(Kept(kept)));
        (register, settled)
    }

    fn at(access: u64, error: u64) -> Marks {
        Marks { access, error }
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
    fn the_journal_has_them_once_both_logs_are_there_and_in_order() {
        let (register, settled) = with_journal();
        register.enter(&mut round(0..2), at(100, 0));
        register.enter(&mut round(2..3), at(150, 80));
        let settled = || settled.lock().unwrap().clone();
        assert_eq!((settled().len(), register.unwritten()), (0, 3));
        register.written(Some(99), None);
        assert!(settled().is_empty());
        register.written(Some(100), None);
        assert_eq!(settled(), [0, 1]);
        register.written(Some(200), Some(79));
        assert_eq!(settled(), [0, 1]);
        register.written(None, Some(80));
        assert_eq!((settled(), register.unwritten()), (vec![0, 1, 2], 0));
        // Lines that are written by the time their round is entered.
        register.enter(&mut round(3..4), at(200, 0));
        assert_eq!(settled(), [0, 1, 2, 3]);
    }

    #[test]
    fn a_round_whose_lines_were_dropped_does_not_wait_for_a_log_that_stands_still() {
        let (register, settled) = with_journal();
        register.enter(&mut round(0..2), at(100, 0));
        register.enter(&mut round(2..5), at(0, 0));
        assert_eq!(*settled.lock().unwrap(), [2, 3, 4]);
        assert_eq!(
            register.unwritten(),
            2,
            "what is held back is bounded by the log's buffer"
        );
        register.written(Some(100), None);
        assert_eq!(*settled.lock().unwrap(), [2, 3, 4, 0, 1]);
    }

    #[test]
    fn who_waits_goes_on_when_the_journal_has_all_that_was_entered_before() {
        let (register, settled) = with_journal();
        let long = Duration::from_secs(10);
        assert!(register.await_passed(long), "there is nothing");
        register.enter(&mut round(0..2), at(100, 0));
        register.enter(&mut round(2..3), at(0, 50));
        assert!(!register.await_passed(Duration::from_millis(1)));
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| register.await_passed(long));
            while register.lock().waiting == 0 {
                std::thread::yield_now();
            }
            register.written(None, Some(50));
            assert!(!waits.is_finished(), "the first round is not written");
            // What comes later is not waited for.
            register.enter(&mut round(3..4), at(200, 0));
            register.written(Some(100), None);
            assert!(waits.join().unwrap());
        });
        assert_eq!(*settled.lock().unwrap(), [0, 1, 2]);
    }

    struct LooksAtTheLock(std::sync::Weak<Register>, Arc<Mutex<Vec<bool>>>);

    impl Keeper for LooksAtTheLock {
        fn settled(&self, _: &[(PushId, End)]) {
            let register = self.0.upgrade().unwrap();
            let is_held = register.inner.try_lock().is_err();
            self.1.lock().unwrap().push(is_held);
        }

        fn left(&self, _: &Push, _: Waits, _: Moment) {}

        fn tried(&self, _: &Push, _: Waits, _: Moment) {}

        fn handed(&self, _: &[PushId]) {}
    }

    /// The end says that nothing more is written, and closes the journal: what another thread was
    /// about to hand over must be there by then.
    #[test]
    fn nobody_gets_past_a_hand_over_in_progress() {
        let (register, held) = (
            Arc::<Register>::default(),
            Arc::<Mutex<Vec<bool>>>::default(),
        );
        let looks = LooksAtTheLock(Arc::downgrade(&register), Arc::clone(&held));
        register.set_journal(Box::new(looks));
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
