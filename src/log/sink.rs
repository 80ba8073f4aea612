//! Whole lines on their way to one destination.
//!
//! Whoever writes copies its lines into a bounded buffer and goes on; a thread of its own gathers
//! them and writes many at once. When the buffer is full, [`Sink::write`] waits: an outcome is
//! never dropped, and the daemon takes no new pushes while it cannot say what became of the old
//! ones. A destination that fails (a full disk) is tried again until it works, with one alarm; only
//! a pipe whose reader has gone for good is given up, with an alarm too: its lines are counted
//! until the log goes elsewhere.
//!
//! Where a journal knows what became of the pushes, the daemon must not stand still for a log:
//! after [`Sink::shed`] lines are dropped and counted instead, once the buffer is full and the
//! destination fails or takes nothing. What is kept is written when that is over, and behind it
//! one line that says how many are missing.
//!
//! ```text
//! write ──→ pending ──swap: 64 KiB or 3 ms───→ batch ──write(2)──→ file
//!           └──── pending + batch ≤ CAPACITY ────┘
//! ```

mod batch;
mod gap;
mod state;
mod writer;

use std::fs::File;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::Duration;

use self::batch::first_lines;
use self::gap::{Gap, count, counted};
use self::state::{Life, SinkState};
use self::writer::Writer;
use super::destination::Destination;
use crate::heartbeat::Heartbeat;
use crate::moment::{self, Moment};
use crate::regular::Identity;

/// One log's way out; clones lead to the same place.
#[derive(Clone, Debug)]
pub struct Sink(Arc<Handle>);

impl Sink {
    /// Opens the destination and starts its writer.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, with its path, or the thread cannot be started.
    pub fn open(destination: &Destination) -> io::Result<Self> {
        Self::open_or_share(destination, &[])
    }

    /// As [`Sink::open`], but returns one of `others` if it leads to the same file.
    ///
    /// Two writers on one file (or on one pipe, as with `2>&1`) would cut each other's lines.
    pub(super) fn open_or_share(destination: &Destination, others: &[&Self]) -> io::Result<Self> {
        let file = destination.open()?;
        let identity = file.as_ref().map(Identity::of_file).transpose()?;
        if let Some(same) = others.iter().find(|other| other.0.identity == identity) {
            return Ok(Self::clone(same));
        }
        Self::start(destination, file)
    }

    fn start(destination: &Destination, file: Option<File>) -> io::Result<Self> {
        let identity = file.as_ref().map(Identity::of_file).transpose()?;
        let shared = Arc::new(SinkShared {
            heartbeat: Heartbeat::new(moment::now()),
            state: Mutex::default(),
            work: Condvar::new(),
            progress: Condvar::new(),
            told: OnceLock::new(),
        });
        if let Some(file) = file {
            let writer = Writer::new(Arc::clone(&shared), destination.clone(), file);
            thread::Builder::new()
                .name("log writer".to_owned())
                .spawn(move || writer.run())?;
        }
        Ok(Self(Arc::new(Handle {
            shared,
            destination: Mutex::new(destination.clone()),
            identity,
        })))
    }

    /// Whether lines for it need not be made.
    pub fn discards(&self) -> bool {
        self.0.identity.is_none()
    }

    /// Whether both lead to the same writer.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Hands over one or more whole lines, each with its newline; waits while there is no room,
    /// unless it is to [shed](Sink::shed) them.
    ///
    /// Lines of one call stay together as far as they fit into 64 KiB. After [`Sink::close`], or
    /// once the writer was given up in a [`Sink::hurry`], they are discarded.
    ///
    /// Returns where they end, in bytes since the start: see [`Sink::on_written`]. Dropped lines
    /// end at 0: nobody needs to wait for them.
    pub fn write(&self, whole_lines: &[u8]) -> u64 {
        let mut rest = whole_lines;
        let mut end = 0;
        while !rest.is_empty() && !self.discards() {
            let (lines, later) = first_lines(rest, GATHER_BYTES);
            end = end.max(self.append(lines));
            rest = later;
        }
        end
    }

    /// Has the writer say how far it has got, in bytes since the start, whenever it has written
    /// some, or has given up what nobody can read any more. The first caller is told.
    ///
    /// It is told on the writer's thread and must not wait for this log.
    pub fn on_written(&self, told: Box<dyn Fn(u64) + Send + Sync>) {
        let _already_told = self.0.shared.told.set(ProgressListener(told)).is_err();
    }

    /// Hands over one or more whole lines if there is room for them; never waits.
    ///
    /// For lines about the daemon itself, which the writer too must be able to write.
    pub fn offer(&self, whole_lines: &[u8]) -> bool {
        if self.discards() {
            return true;
        }
        let mut state = self.0.shared.lock();
        // What is kept for nobody is as good as dropped, and told as such.
        let is_heard = state.gap.is_none() || state.failure.is_none();
        let fits = is_heard && !state.is_over() && state.has_room(whole_lines.len());
        state.unheard = if is_heard { 0 } else { state.unheard + 1 };
        if fits {
            self.0.shared.push(state, whole_lines);
        }
        fits
    }

    /// Asks the writer to open the file again before its next write (after a rotation).
    ///
    /// If that fails, it raises an alarm and goes on with the old file.
    pub fn reopen(&self) {
        self.0.shared.lock().reopenings_asked += 1;
        self.0.shared.work.notify_one();
    }

    /// Has the writer go on in another file, which `destination` names, before its next write.
    ///
    /// Lines that were handed over and not written yet may go there too. One that discards goes on
    /// discarding.
    pub(super) fn turn_to(&self, destination: Destination, file: File) {
        if self.discards() {
            return;
        }
        *self.0.lock_destination() = destination.clone();
        let mut state = self.0.shared.lock();
        state.turned = Some((destination, file));
        state.reopenings_asked += 1;
        drop(state);
        self.0.shared.work.notify_one();
    }

    /// Where the lines go.
    pub(super) fn destination(&self) -> Destination {
        self.0.lock_destination().clone()
    }

    /// Waits until the lines and reopenings asked for so far are done; false if `within` was too
    /// short.
    pub fn flush(&self, within: Duration) -> bool {
        if self.discards() {
            return true;
        }
        let shared = &self.0.shared;
        let mut state = shared.lock();
        let (bytes, reopenings) = (state.accepted, state.reopenings_asked);
        state.wanted = state.wanted.max(bytes);
        shared.work.notify_one();
        let waits = |state: &mut SinkState| {
            state.life < Life::Ended
                && (state.settled() < bytes || state.reopenings_done < reopenings)
        };
        let state = moment::wait_while(&shared.progress, state, within, waits);
        state.settled() >= bytes && state.reopenings_done >= reopenings
    }

    /// Whether the file could not be opened when that was asked for last.
    pub(super) fn keeps_old(&self) -> bool {
        self.0.shared.lock().keeps_old
    }

    /// From now on no line waits for a destination that fails, or takes nothing for a second: once
    /// the buffer is full, lines are dropped and counted. One that is merely slow is waited for.
    pub fn shed(&self) {
        self.0.shared.lock().sheds = true;
        self.0.shared.progress.notify_all();
    }

    /// What keeps the lines from being written, and how many are dropped for it; none if all is
    /// well.
    pub fn trouble(&self) -> Option<String> {
        let state = self.0.shared.lock();
        let dropped = state.gap.as_ref().map_or(0, Gap::lines) + state.unheard;
        let is_stuck = state.is_stuck();
        let why = match &state.failure {
            Some(error) => format!("cannot be written: {error}"),
            None if dropped > 0 || is_stuck => "takes nothing".to_owned(),
            None => return None,
        };
        Some(if dropped > 0 {
            format!("{why}; {} dropped so far", counted(dropped))
        } else if is_stuck {
            format!("{why}; {} wait", counted(state.unwritten()))
        } else {
            why
        })
    }

    /// Tells the operator of a destination that has taken nothing for so long that nobody may be
    /// reading it, once until it takes something.
    pub(super) fn look(&self) {
        let mut state = self.0.shared.lock();
        let is_stuck = state.is_stuck();
        match &mut state.busy {
            Some(busy) if is_stuck && !busy.is_told => busy.is_told = true,
            _ => return,
        }
        let waiting = counted(state.unwritten());
        drop(state);
        self.0.shared.alarm(format_args!(
            "log {} has taken nothing for {} s, and {waiting} wait: see who reads it",
            self.destination(),
            TAKES_NOTHING_FOR.as_secs(),
        ));
    }

    /// From now on a writer that gets nothing done for so long is given up: no line waits for it.
    ///
    /// For the end of the process, which must come.
    pub fn hurry(&self, patience: Duration) {
        self.0.shared.lock().patience = Some(patience);
        self.0.shared.progress.notify_all();
    }

    /// Lines that were dropped, without a line that says so.
    pub(super) fn dropped(&self) -> u64 {
        self.0.shared.lock().dropped()
    }

    /// Writes out what is left and ends the writer; returns the lines that could not be written,
    /// and those that were dropped without a line that says so.
    ///
    /// Later lines are discarded, and whoever waits for room goes on.
    #[must_use = "lines that were not written are lost"]
    pub fn close(&self, within: Duration) -> u64 {
        if self.discards() {
            return 0;
        }
        let shared = &self.0.shared;
        let mut state = shared.lock();
        if let Some(lost) = state.lost {
            return lost;
        }
        if !state.is_over() {
            state.life = state.life.max(Life::Closing);
            shared.work.notify_one();
            let lives = |state: &mut SinkState| state.life < Life::Ended;
            state = moment::wait_while(&shared.progress, state, within, lives);
        }
        state.life = state.life.max(Life::Abandoned);
        shared.work.notify_one();
        shared.progress.notify_all();
        let lost = state.missing();
        state.lost = Some(lost);
        let gap = state.gap.take();
        drop(state);
        if let Some(gap) = gap {
            shared.alarm(format_args!(
                "log {}: {} lost, which it does not say",
                self.destination(),
                counted(gap.lines()),
            ));
        }
        lost
    }

    /// How many alarms it has raised: a full buffer, a failed write or reopening, once an episode.
    pub fn alarms(&self) -> u64 {
        self.0.shared.lock().alarms
    }

    /// What tells that the writer lives; none if there is none.
    pub(super) fn heartbeat(&self) -> Option<Heartbeat> {
        (!self.discards()).then(|| self.0.shared.heartbeat.clone())
    }

    /// Whether somebody waits for room.
    pub(super) fn is_waited_for(&self) -> bool {
        self.0.shared.lock().waiting > 0
    }

    /// Where the lines end.
    fn append(&self, lines: &[u8]) -> u64 {
        let shared = &self.0.shared;
        let mut state = shared.lock();
        if !state.has_room(lines.len()) {
            if !state.full {
                state.full = true;
                drop(state);
                shared.alarm(format_args!(
                    "log {} is full: {CAPACITY} bytes wait to be written, senders wait too",
                    self.destination(),
                ));
                state = shared.lock();
            }
            state.waiting += 1;
            let waited;
            (state, waited) = shared.wait_for_room(state, lines.len());
            state.waiting -= 1;
            match waited {
                Waited::Enough => {}
                Waited::InVain => return self.lose(state, lines),
                Waited::GivenUp => {
                    state.late += count(lines);
                    drop(state);
                    shared.alarm(format_args!(
                        "log {} takes nothing and is given up: its last lines are lost",
                        self.destination(),
                    ));
                    return u64::MAX;
                }
            }
        }
        if state.is_over() {
            state.late += count(lines);
            return u64::MAX;
        }
        if state.gap.is_some() {
            return self.lose(state, lines);
        }
        shared.push(state, lines)
    }

    /// Drops lines and counts them; nobody needs to wait for their end.
    fn lose(&self, mut state: MutexGuard<'_, SinkState>, lines: &[u8]) -> u64 {
        let is_first = state.gap.is_none();
        let gap = state.gap.get_or_insert_with(|| Gap::since(Moment::now()));
        gap.lose(lines);
        drop(state);
        if is_first {
            self.0.shared.alarm(format_args!(
                "log {}: lines are dropped from now on until it can be written, and counted; \
                 pushes go on",
                self.destination(),
            ));
        }
        0
    }
}

/// What all clones of a [`Sink`] share; the last one to go ends the writer.
#[derive(Debug)]
struct Handle {
    shared: Arc<SinkShared>,
    destination: Mutex<Destination>,
    /// That of its first file; `None` if it discards.
    identity: Option<Identity>,
}

impl Handle {
    /// A name that is whole at any time.
    fn lock_destination(&self) -> MutexGuard<'_, Destination> {
        self.destination
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.life = state.life.max(Life::Abandoned);
        self.shared.work.notify_one();
    }
}

/// Between those who write lines and the writer.
#[derive(Debug)]
struct SinkShared {
    /// The writer's.
    heartbeat: Heartbeat,
    state: Mutex<SinkState>,
    /// Rung for the writer: lines, a reopening, a flush, the end.
    work: Condvar,
    /// Rung by the writer: bytes written, a reopening done, its end.
    progress: Condvar,
    /// Who is told by the writer how far it has got.
    told: OnceLock<ProgressListener>,
}

struct ProgressListener(Box<dyn Fn(u64) + Send + Sync>);

impl std::fmt::Debug for ProgressListener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ProgressListener")
    }
}

impl SinkShared {
    fn lock(&self) -> MutexGuard<'_, SinkState> {
        // No code panics while it holds the lock; if it did, the state would still be sound.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends lines for which there is room, and wakes the writer if it may be asleep over it;
    /// says where they end.
    fn push(&self, mut state: MutexGuard<'_, SinkState>, lines: &[u8]) -> u64 {
        let before = state.pending.len();
        state.pending.extend_from_slice(lines);
        let after = state.pending.len();
        state.accepted = state.accepted.saturating_add(lines.len() as u64);
        let end = state.accepted;
        drop(state);
        if before == 0 || (before < GATHER_BYTES && after >= GATHER_BYTES) {
            self.work.notify_one();
        }
        end
    }

    /// Waits until there is room, or none is needed any more.
    fn wait_for_room<'a>(
        &'a self,
        mut state: MutexGuard<'a, SinkState>,
        bytes: usize,
    ) -> (MutexGuard<'a, SinkState>, Waited) {
        while !state.is_over() && !state.has_room(bytes) {
            if state.is_in_vain() {
                return (state, Waited::InVain);
            }
            let Some(patience) = state.patience() else {
                let waited = self.progress.wait(state);
                state = waited.unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let settled = state.settled();
            let is_stuck = |state: &mut SinkState| {
                !state.is_over() && !state.is_in_vain() && state.settled() == settled
            };
            state = moment::wait_while(&self.progress, state, patience, is_stuck);
            if !is_stuck(&mut state) {
                continue;
            }
            if state.sheds {
                return (state, Waited::InVain);
            }
            state.life = Life::Abandoned;
            self.work.notify_one();
            self.progress.notify_all();
            return (state, Waited::GivenUp);
        }
        (state, Waited::Enough)
    }

    /// Counts an alarm and tells the operator; not while the lock is held, since the operator's
    /// log may be this one.
    fn alarm(&self, text: std::fmt::Arguments<'_>) {
        self.lock().alarms += 1;
        ::log::error!("{text}");
    }
}

/// What came of waiting for room.
enum Waited {
    /// There is room, or nobody needs it any more.
    Enough,
    /// There will be none soon, and the lines are to be dropped.
    InVain,
    /// This call has given the writer up.
    GivenUp,
}

/// Our limit: bytes of a log that wait to be written. That is 20,000 lines, a fifth of a second at
/// 100,000 lines a second: a slow moment of the disk is bridged, a dead disk does not eat the
/// memory.
const CAPACITY: usize = 8 << 20;

/// Our limit: a log that takes nothing for so long is told to the operator, however few lines wait.
const TAKES_NOTHING_FOR: Duration = Duration::from_secs(5);

/// Our limit: lines that may be dropped wait so long for a log that takes nothing.
const STUCK_AFTER: Duration = Duration::from_secs(1);

/// Our limit: the writer waits no longer than until this many bytes have come together …
const GATHER_BYTES: usize = 64 << 10;

/// … or until the last write is so long ago: lines are in the file within 5 ms, since a push whose
/// line is not there by the time of a crash is sent again, and still some hundred writes a second
/// serve any number of lines.
const GATHER_TIME: Duration = Duration::from_millis(3);

const _: () = assert!(GATHER_BYTES < CAPACITY);

#[cfg(test)]
mod tests;
