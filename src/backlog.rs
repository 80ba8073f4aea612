//! What was accepted and is not settled, whoever keeps it: the seam between the API and delivery
//! on one side, and the local disk on the other.
//!
//! ```text
//! api ── accept ──▶          ◀── claim ── feeder ──▶ lanes        state   whether it keeps
//!                   backlog                                       close   what stays in it
//! delivery ── note, hand, settle, release ──▶
//! ```
//!
//! What is accepted goes to its lane at once and is here besides. What an earlier process has left
//! is claimed by the feeder, for the lanes as they have room; what has no lane stays unclaimed and
//! expires here (`absent`). What is scheduled is here alone, whoever has accepted it: the feeder
//! claims it when the wall clock has come to its time, on room of its own (`scheduled`). A push is
//! noted when it was tried and is to be tried again, handed when its bytes are about to leave,
//! settled once its line is in the push log, and released when this process will not come to it.
//! Where it is at any time [`Whereabouts`] finds out, which also takes it out by hand.
//!
//! # Who keeps it
//!
//! The [`journal`](crate::journal), on the local disk; or nobody, and then a push is lost with the
//! process. Only [`Backlog`] asks it for anything here, and neither the API nor delivery does. But
//! values that go through here are the journal's: `Fed`, `Outstanding` and `Attempts`, from which
//! pushes are resumed, the state in a [`Refused`], [`Closed`] and [`KeptAnswer`]. They move here
//! with a second keeper, a queue that several daemons share, and [`Backlog`] chooses then. Such a
//! one will need:
//!
//! - a claim that ends by itself: a daemon that dies gives back what it has claimed, after a time
//!   that the claims of living ones are renewed within;
//! - claims of what others have accepted, not of an earlier process alone, so that a claim may find
//!   nothing now and something later, and has to wake the feeder;
//! - a release that is for another daemon at once, not for the next start;
//! - purges that reach what another daemon has or claims later: what is called off is in the memory
//!   of one process;
//! - answers under an idempotency key that are asked for: they are read once, at a start;
//! - ids that are told from those of other daemons, which [`Node`](crate::push::Node) provides, and
//!   a place to ask for an id that this daemon has not had ([`Backlog::lane_of`]);
//! - a state that comes and goes: today only a full disk does, a network will more often, and
//!   [`Keeper::keeps`] may not come back;
//! - no wait for a network in [`Keeper::settle`], under the register's lock, in [`Keeper::note`],
//!   on a connection's thread, and in a claim, for which purges wait; and the answers of
//!   [`Backlog::unclaimed`], [`Backlog::lane_of`] and [`Backlog::trouble`], asked for every 20 ms
//!   or by `/healthz`, from memory.

mod absent;
mod called_off;
mod feeder;
#[cfg(test)]
pub(crate) mod fixture;
mod last_lines;
mod push_state;
mod scheduled;
mod whereabouts;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::delivery::register::{Keeper, Register};
use crate::journal::{Fed, Journal, Outstanding, State};
use crate::log::Logs;
use crate::moment::Moment;
use crate::push::{Accepted, End, LaneId, Push, PushId, SoFar, Waits};
use crate::recover::attempts;
use crate::stats::HistogramFigures;

pub use crate::journal::{ANSWER_EXTRA, ANSWERS_BYTES_MAX, Closed, KEEP_ANSWERS};
pub use crate::journal::{JournalDisk, KeptAnswer, Refused};
pub use absent::{Absent, DISABLED, REMOVED};
pub use feeder::Feeder;
pub use last_lines::settle as settle_last_lines;
pub use push_state::{Ending, PushState, TokenVerdict};
pub use whereabouts::{Purged, Whereabouts};

use called_off::CalledOff;

/// Why no push is looked at while the journal is being read.
const RECOVERING: &str = "recovering: the journal is being read";

/// What is said while the disk does not give all that is outstanding.
const UNREAD: &str = "some of what is outstanding cannot be read; it is tried every second, and \
                      the operator log names the file";

/// Our limit: who settles pushes by hand waits so long for the push log, which has their lines
/// before the journal has the settlements …
const LINES_KEPT_WITHIN: Duration = Duration::from_secs(2);

/// … and so long for the journal.
const SETTLED_KEPT_WITHIN: Duration = Duration::from_secs(5);

/// What was accepted and is not settled. Its methods may be called from any thread.
#[derive(Debug, Default)]
pub struct Backlog {
    is_ready: AtomicBool,
    /// None until it is open, or if nobody keeps anything.
    journal: OnceLock<Arc<Journal>>,
    /// What is purged of what is not claimed.
    called_off: CalledOff,
    /// A lane has left pushes that are not counted as unclaimed.
    has_uncounted: AtomicBool,
    /// Called when something was scheduled: who feeds it may be asleep.
    bell: OnceLock<ScheduledBell>,
    #[cfg(test)]
    pub(crate) trap: fixture::Trap,
}

/// Wakes who feeds what is scheduled.
struct ScheduledBell(Box<dyn Fn() + Send + Sync>);

impl fmt::Debug for ScheduledBell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScheduledBell").finish_non_exhaustive()
    }
}

impl Backlog {
    /// Has that journal keep the backlog from now on; the first call counts.
    pub fn open(&self, journal: Arc<Journal>) {
        let _already_open = self.journal.set(journal).is_err();
    }

    /// From now on pushes are taken.
    pub fn ready(&self) {
        self.is_ready.store(true, Ordering::Release);
    }

    fn journal(&self) -> Option<&Journal> {
        self.journal.get().map(AsRef::as_ref)
    }

    /// Whether somebody keeps the backlog, able to or not; nobody does before [`Backlog::open`].
    pub fn is_kept(&self) -> bool {
        self.journal().is_some()
    }

    /// Whether what is left is found by the next start.
    pub fn keeps(&self) -> bool {
        self.journal().is_some_and(Journal::keeps)
    }

    /// The reason why no push is looked at yet, if that is so.
    pub fn is_not_ready(&self) -> Option<&'static str> {
        let is_ready = self.is_ready.load(Ordering::Acquire);
        (!is_ready).then_some(RECOVERING)
    }

    /// The reason why pushes are refused, if they are.
    pub fn trouble(&self) -> Option<String> {
        if let Some(why) = self.is_not_ready() {
            return Some(why.to_owned());
        }
        match self.journal()?.state() {
            State::Serving => None,
            state => Some(state.to_string()),
        }
    }

    /// What is wrong with the backlog although pushes are taken, if anything is.
    pub fn warning(&self) -> Option<&'static str> {
        self.journal()?.has_unread().then_some(UNREAD)
    }

    /// Why the process must end, if it must: what keeps the backlog has failed for good.
    pub fn failure(&self) -> Option<String> {
        let state = self.journal()?.state();
        state.is_fatal().then(|| state.to_string())
    }

    /// Keeps the notifications of one request, and its answer if it has a key: all or nothing.
    /// Waits until that is so.
    ///
    /// # Errors
    ///
    /// Why not, and whether it is known that nothing is kept.
    pub fn accept(
        &self,
        accepted: &[Arc<Accepted>],
        answer: Option<&KeptAnswer>,
    ) -> Result<(), Refused> {
        #[cfg(test)]
        self.trap.pass(accepted, answer)?;
        let kept = accepted.iter().map(AsRef::as_ref);
        let journal = self.journal();
        journal.map_or(Ok(()), |journal| journal.append(kept, answer))
    }

    /// The same, without waiting: `tell` is called with the outcome, once, perhaps before this
    /// returns, and by a thread that has other things to do.
    pub fn accept_then(
        &self,
        accepted: &[Arc<Accepted>],
        answer: Option<&KeptAnswer>,
        tell: impl FnOnce(Result<(), Refused>) + Send + 'static,
    ) {
        #[cfg(test)]
        if let Err(refused) = self.trap.pass(accepted, answer) {
            return tell(Err(refused));
        }
        let kept = accepted.iter().map(AsRef::as_ref);
        match self.journal() {
            None => tell(Ok(())),
            Some(journal) => journal.append_then(kept, answer, tell),
        }
    }

    /// What of this was accepted and is scheduled may be sent from now on, when it is due: its
    /// lines are in the push log, in which no outcome comes before them.
    pub fn release_scheduled(&self, accepted: &[Arc<Accepted>]) {
        let is_scheduled = |accepted: &&Arc<Accepted>| accepted.envelope.earliest.is_some();
        let scheduled = accepted.iter().filter(is_scheduled);
        let mut ids = scheduled.map(|accepted| accepted.first_id).peekable();
        if let Some(journal) = self.journal().filter(|_| ids.peek().is_some()) {
            journal.release(ids);
            if let Some(ScheduledBell(ring)) = self.bell.get() {
                ring();
            }
        }
    }

    /// Has that called whenever something was scheduled; the first call counts.
    fn on_scheduled(&self, ring: impl Fn() + Send + Sync + 'static) {
        let _already_set = self.bell.set(ScheduledBell(Box::new(ring))).is_err();
    }

    /// Hands out pushes of one lane that are scheduled and due, in the order of their times: at
    /// most `max_pushes`, each once. May wait for a disk.
    fn claim_due(&self, lane: LaneId, max_pushes: usize, now: Moment) -> Fed {
        let journal = self.journal();
        journal.map_or_else(Fed::default, |journal| {
            journal.feed_due(lane, max_pushes, now)
        })
    }

    /// Counts what is scheduled for a lane that is not served as unclaimed, once it is due; how
    /// much that is.
    fn ripen(&self, lane: LaneId, now: Moment) -> u64 {
        self.journal().map_or(0, |journal| journal.ripen(lane, now))
    }

    /// How many pushes of one lane are scheduled, and when the first of them is due, since the Unix
    /// epoch.
    pub fn scheduled(&self, lane: LaneId) -> (u64, Option<Duration>) {
        let scheduled = self.journal().map(|journal| journal.scheduled(lane));
        let (pushes, next) = scheduled.unwrap_or_default();
        (pushes, next.map(|at| Duration::from_secs(at.into())))
    }

    /// Pushes that may be scheduled at a time, of all lanes together; none if nobody keeps
    /// anything.
    pub fn scheduled_max(&self) -> u64 {
        let most = self.journal().map(Journal::scheduled_max);
        most.unwrap_or_default()
    }

    /// From now on what may be scheduled is shared by several apps, or is one's alone.
    pub fn share_scheduled(&self, are_several: bool) {
        if let Some(journal) = self.journal() {
            journal.share_scheduled(are_several);
        }
    }

    /// When a push is due that is scheduled, since the Unix epoch.
    fn send_time(&self, id: PushId) -> Option<Duration> {
        let at = self.journal()?.send_time(id)?;
        Some(Duration::from_secs(at.into()))
    }

    /// Takes a push back that is scheduled: nobody sends it, and the caller settles it. May wait
    /// for a disk; nothing if it is not scheduled, or cannot be read now.
    fn withdraw(&self, id: PushId) -> Option<Outstanding> {
        self.journal()?.withdraw(id).ok().flatten()
    }

    /// What was given to be kept, or accepted, so far.
    fn so_far(&self, at: Moment) -> SoFar {
        let ids = self.journal();
        let ids = ids.map(|journal| (journal.node(), journal.high_water()));
        SoFar { at, ids }
    }

    /// Takes back what is scheduled under an identifier, for the lanes that are meant and no later
    /// than that, and gives it to `each`, who settles it; how much of it cannot be read now, and is
    /// left. May wait for a disk.
    fn withdraw_named(
        &self,
        (identifier, so_far): (&str, SoFar),
        is_meant: impl Fn(LaneId) -> bool,
        mut each: impl FnMut(Outstanding),
    ) -> u64 {
        let Some((journal, (_, last))) = self.journal().zip(so_far.ids) else {
            return 0;
        };
        let (mut from, mut unread) = (Some(PushId(0)), 0);
        while let Some(id) = from {
            let (left, next) = journal.withdraw_named(identifier, &is_meant, (id, last), &mut each);
            unread += left;
            from = next;
        }
        unread
    }

    /// Reads the notification of a push that is outstanding; nothing if it cannot be read now.
    fn peek(&self, id: PushId) -> Option<Outstanding> {
        self.journal()?.peek(id).ok().flatten()
    }

    /// Hands out pushes of one lane that an earlier process has left, with their contents,
    /// transactional ones and of each class the oldest first: at most `max_pushes`, each once. May
    /// wait for a disk.
    fn claim(&self, lane: LaneId, max_pushes: usize) -> Fed {
        let journal = self.journal();
        journal.map_or_else(Fed::default, |journal| journal.feed(lane, max_pushes))
    }

    /// Pushes of one lane that are still to be claimed.
    pub fn unclaimed(&self, lane: LaneId) -> u64 {
        self.journal().map_or(0, |journal| journal.unfed(lane))
    }

    /// Transactional ones among those, but for what the disk does not give just now.
    fn transactional_unclaimed(&self, lane: LaneId) -> u64 {
        let journal = self.journal();
        journal.map_or(0, |journal| journal.transactional_unfed(lane))
    }

    /// The lanes of which some are, whether the configuration has them or not.
    pub fn lanes_unclaimed(&self) -> Vec<LaneId> {
        self.journal().map_or_else(Vec::new, Journal::lanes_unfed)
    }

    /// Takes note that a lane has left pushes here that count as unclaimed late, or never in this
    /// process.
    pub fn leave_uncounted(&self) {
        self.has_uncounted.store(true, Ordering::Relaxed);
    }

    /// Has everything of lanes claimed anew that is outstanding; nobody may have any of it in hand.
    /// False if the journal is not written any more.
    fn claim_again(&self, lanes: &[LaneId]) -> bool {
        let journal = self.journal();
        journal.is_none_or(|journal| journal.feed_again(lanes).is_ok())
    }

    /// Shows pushes of one lane that are not claimed, from an id on and at most `max_pushes`, and
    /// the id to go on from if there may be more. May wait for a disk.
    fn look(
        &self,
        lane: LaneId,
        from: PushId,
        max_pushes: usize,
    ) -> (Vec<Outstanding>, Option<PushId>) {
        let journal = self.journal();
        journal.map_or_else(Default::default, |journal| {
            journal.look(lane, from, max_pushes)
        })
    }

    /// How much room the journal's disk has, if there is a journal, and that is known.
    pub fn disk(&self) -> Option<JournalDisk> {
        self.journal()?.disk()
    }

    /// Bytes that the journal takes, if there is one.
    pub fn bytes(&self) -> Option<u64> {
        self.journal().map(Journal::bytes)
    }

    /// How long the journal's syncs have taken, if there is one.
    pub fn syncs(&self) -> Option<HistogramFigures> {
        self.journal().map(Journal::syncs)
    }

    /// Pushes that are kept and not settled.
    pub fn outstanding(&self) -> u64 {
        self.journal().map_or(0, Journal::outstanding)
    }

    /// Where a push goes, if it is kept and not settled.
    pub fn lane_of(&self, id: PushId) -> Option<LaneId> {
        self.journal()?.lane_of(id)
    }

    /// Settles pushes that nobody claims any more, and all that were settled before, and waits
    /// until that is written: from then on they are not claimed.
    ///
    /// # Errors
    ///
    /// When the journal is not written any more.
    fn settle_at_once(
        &self,
        settled: impl IntoIterator<Item = (PushId, End)>,
    ) -> Result<(), Refused> {
        let journal = self.journal();
        journal.map_or(Ok(()), |journal| journal.settle_at_once(settled))
    }

    /// Waits until everything that was settled before this call is kept, so that a crash does not
    /// bring it back; `None` if `within` was too short to know.
    fn keep_settled(&self, within: Duration) -> Option<Result<(), Refused>> {
        let journal = self.journal();
        journal.map_or(Some(Ok(())), |journal| journal.keep_settled(within))
    }

    /// Waits until everything that was settled by hand so far is kept, if somebody keeps anything:
    /// so long for its lines, then [`SETTLED_KEPT_WITHIN`] for the journal.
    ///
    /// # Errors
    ///
    /// Why a crash would bring some of it back.
    fn keep_purged(
        &self,
        register: &Register,
        logs: &Logs,
        lines_within: Duration,
    ) -> Result<(), String> {
        if !self.is_kept() {
            return Ok(());
        }
        if !register.await_by_hand(lines_within) {
            let trouble = logs.trouble();
            return Err(trouble.unwrap_or_else(|| "a push log takes no lines".to_owned()));
        }
        match self.keep_settled(SETTLED_KEPT_WITHIN) {
            Some(kept) => kept.map_err(|refused| refused.to_string()),
            None => Err("the disk under the journal does not answer".to_owned()),
        }
    }

    /// Says whether all that is sent is noted before: before that ceases, after it has begun.
    ///
    /// # Errors
    ///
    /// Why a crash would not know it.
    pub fn set_notes_handed(&self, notes_handed: bool) -> Result<(), String> {
        let journal = self.journal();
        let noted = journal.map_or(Ok(()), |journal| journal.set_notes_handed(notes_handed));
        noted.map_err(|refused| format!("a crash would not know what was sent: {refused}"))
    }

    /// Takes nothing more, writes what is left, and says what stays for the next start.
    pub fn close(&self) -> Option<Closed> {
        self.journal().map(Journal::close)
    }
}

impl Keeper for Backlog {
    fn settle(&self, ended: &[(PushId, End)]) {
        if let Some(journal) = self.journal() {
            journal.settle(ended.iter().copied());
        }
    }

    fn release(&self, push: &Push, waits: Waits, now: Moment) {
        if let Some(journal) = self.journal() {
            journal.leave([(push.id(), attempts(push, waits, now))]);
        }
    }

    fn note(&self, push: &Push, waits: Waits, now: Moment) {
        if let Some(journal) = self.journal() {
            journal.note([(push.id(), attempts(push, waits, now))]);
        }
    }

    fn keeps(&self) -> bool {
        Self::keeps(self)
    }

    fn hand(&self, pushes: &[PushId]) {
        if let Some(journal) = self.journal() {
            // One that cannot be written has said so. What is accepted is sent all the same.
            let _unnoted = journal.hand(pushes.iter().copied()).is_err();
        }
    }
}

#[cfg(test)]
mod tests;
