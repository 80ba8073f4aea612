//! The thread that writes a log.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::batch::LineBatch;
use super::gap::{Gap, counted};
use super::state::Busy;
use super::{Destination, GATHER_BYTES, GATHER_TIME, Life, ProgressListener, SinkShared};
use crate::heartbeat::{Heartbeat, LONGEST_REST};
use crate::moment::{self, Moment};

/// Takes lines from the buffer and writes them, and opens the file again when asked.
pub(super) struct Writer {
    shared: Arc<SinkShared>,
    heartbeat: Heartbeat,
    destination: Destination,
    /// `None` once nobody can read it any more.
    file: Option<File>,
    batch: LineBatch,
    /// When the next lines are written, if there are not enough of them before.
    due: Instant,
    /// Whether the last write failed, and the alarm was raised.
    failing: bool,
}

impl Writer {
    pub(super) fn new(shared: Arc<SinkShared>, destination: Destination, file: File) -> Self {
        Self {
            heartbeat: shared.heartbeat.clone(),
            shared,
            destination,
            file: Some(file),
            batch: LineBatch::default(),
            due: moment::now(),
            failing: false,
        }
    }

    pub(super) fn run(mut self) {
        while self.take_lines() {
            self.write_lines();
        }
        self.heartbeat.end();
        self.shared.progress.notify_all();
    }

    /// Waits for lines and gathers more for a while; false if there will be no more.
    fn take_lines(&mut self) -> bool {
        loop {
            self.reopen_if_asked();
            self.tell_of_lost();
            let shared = Arc::clone(&self.shared);
            let mut state = shared.lock();
            if state.reopenings_done < state.reopenings_asked {
                continue;
            }
            if state.pending.is_empty() {
                // Senders that waited for room have it now; their lines came before the end.
                let is_last = state.waiting == 0;
                if state.life >= Life::Abandoned || (state.life == Life::Closing && is_last) {
                    // Under the same lock, so that no line comes in behind it.
                    state.life = Life::Ended;
                    return false;
                }
                if is_last {
                    state.full = false;
                }
                self.heartbeat.rest(moment::now() + LONGEST_REST);
                drop(
                    shared
                        .work
                        .wait_timeout(state, LONGEST_REST)
                        .unwrap_or_else(PoisonError::into_inner),
                );
                continue;
            }
            let now = moment::now();
            self.heartbeat.busy(now);
            let wait = self.due.saturating_duration_since(now);
            let mut state = moment::wait_while(&shared.work, state, wait, |state| {
                state.pending.len() < GATHER_BYTES
                    && state.wanted <= state.settled()
                    && state.reopenings_done == state.reopenings_asked
                    && state.life == Life::Open
            });
            // Nobody looks at them meanwhile, since the state is locked.
            state.taken = Arc::default();
            self.batch.take(&mut state.pending);
            state.taken = self.batch.shown();
            state.writing = self.batch.left();
            state.busy = Some(Busy::now());
            return true;
        }
    }

    /// Writes the batch, however long it takes; what is left when it returns is lost.
    fn write_lines(&mut self) {
        while self.batch.left() > 0 {
            self.heartbeat.busy(moment::now());
            self.reopen_if_asked();
            if self.file.is_none() {
                break;
            }
            match self.write_some() {
                Ok(()) => self.recovered(),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::BrokenPipe => self.gone(),
                    kind => {
                        let pause = if kind == io::ErrorKind::WouldBlock {
                            BUSY_PAUSE
                        } else {
                            self.failed(&error);
                            RETRY_PAUSE
                        };
                        if !self.pause(pause) {
                            return;
                        }
                    }
                },
            }
            self.settle();
        }
        self.settle();
        self.due = moment::now() + GATHER_TIME;
    }

    fn write_some(&mut self) -> io::Result<()> {
        self.make_again_if_removed()?;
        match &mut self.file {
            Some(file) => self.batch.write_some(file),
            None => Ok(()),
        }
    }

    /// A file that was removed takes every line, and nobody can read them.
    fn make_again_if_removed(&mut self) -> io::Result<()> {
        let file = self.file.as_ref().map(File::metadata).transpose()?;
        if file.is_none_or(|found| found.nlink() > 0 || !found.is_file()) {
            return Ok(());
        }
        self.file = self.destination.open()?;
        self.batch.back_to_line_start();
        self.shared.alarm(format_args!(
            "log {} was removed while it was in use: it is made again, and what was written to it \
             just before may be lost; rename a log and send SIGUSR1 instead",
            self.destination,
        ));
        Ok(())
    }

    /// Makes room for what was written, and wakes those who wait for it.
    fn settle(&self) {
        let mut state = self.shared.lock();
        let left = self.batch.left();
        let mut is_told = false;
        if left < state.writing {
            is_told = state.busy.is_some_and(|busy| busy.is_told);
            state.busy = (left > 0).then(Busy::now);
        }
        state.writing = left;
        let settled = state.settled();
        drop(state);
        if is_told {
            ::log::warn!("log {} takes lines again", self.destination);
        }
        self.shared.progress.notify_all();
        if let Some(ProgressListener(told)) = self.shared.told.get() {
            told(settled);
        }
    }

    /// Puts a line in the place of those that were dropped, now that others get through.
    fn tell_of_lost(&self) {
        let mut state = self.shared.lock();
        if state.is_over() || state.failure.is_some() {
            return;
        }
        let Some(gap) = state.gap.take() else {
            return;
        };
        state.unheard = 0;
        let before = state.pending.len();
        gap.tell(&mut state.pending, Moment::now());
        let told = state.pending.len().saturating_sub(before);
        state.accepted = state.accepted.saturating_add(told as u64);
        drop(state);
        ::log::error!(
            "log {}: {} lost, as it says in their place",
            self.destination,
            counted(gap.lines()),
        );
    }

    fn recovered(&mut self) {
        if self.failing {
            self.failing = false;
            self.shared.lock().failure = None;
            ::log::warn!("log {} can be written again", self.destination);
        }
    }

    fn failed(&mut self, error: &io::Error) {
        if !self.failing {
            self.failing = true;
            self.shared.lock().failure = Some(error.to_string());
            self.shared.progress.notify_all();
            self.shared.alarm(format_args!(
                "cannot write log {}: {error}; its lines are kept and tried again",
                self.destination,
            ));
        }
    }

    /// Nobody will ever read this pipe; to keep its lines would stop the daemon for nothing. What
    /// is dropped is counted until the log goes elsewhere.
    fn gone(&mut self) {
        self.file = None;
        self.failing = true;
        let mut guard = self.shared.lock();
        let state = &mut *guard;
        state.failure = Some(GONE.to_owned());
        let gap = state.gap.get_or_insert_with(|| Gap::since(Moment::now()));
        gap.lose(self.batch.rest());
        gap.lose(&state.pending);
        state.pending.clear();
        (state.taken, state.busy) = (Arc::default(), None);
        drop(guard);
        self.batch.clear();
        self.shared.alarm(format_args!(
            "log {0} cannot be written: {GONE}; its lines are dropped from now on, and counted; \
             start the daemon again with a reader, or reload it with one file for all logs that \
             are {0}",
            self.destination,
        ));
    }

    /// Waits before another try; false if there is to be none.
    fn pause(&self, pause: Duration) -> bool {
        let shared = &self.shared;
        let state = moment::wait_while(&shared.work, shared.lock(), pause, |state| {
            state.life < Life::Abandoned && state.reopenings_done == state.reopenings_asked
        });
        state.life < Life::Abandoned
    }

    fn reopen_if_asked(&mut self) {
        let mut state = self.shared.lock();
        let asked = state.reopenings_asked;
        if state.reopenings_done == asked {
            return;
        }
        let turned = state.turned.take();
        drop(state);
        let was_gone = self.file.is_none();
        if let Some((destination, file)) = turned {
            // What went half to the old place goes whole to the new one.
            self.batch.back_to_line_start();
            (self.destination, self.file) = (destination, Some(file));
        }
        let mut keeps_old = false;
        if let Destination::File { .. } = self.destination {
            match self.destination.open() {
                Ok(file) => {
                    self.file = file;
                    self.batch.back_to_line_start();
                }
                Err(error) => {
                    keeps_old = true;
                    self.shared
                        .alarm(format_args!("{error}; the old file stays in use"));
                }
            }
        }
        if was_gone && self.file.is_some() {
            self.recovered();
        }
        let mut state = self.shared.lock();
        (state.reopenings_done, state.keeps_old) = (asked, keeps_old);
        drop(state);
        self.shared.progress.notify_all();
    }
}

/// What is wrong with a log whose reader has closed it.
const GONE: &str = "nobody reads it any more";

/// Our limit: pause between two tries to write to a destination that fails.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

/// Our limit: pause while somebody has made our standard output non-blocking and its pipe is full.
const BUSY_PAUSE: Duration = Duration::from_millis(10);
