//! Reads a lane's credential files again while the lane is held for them: on a thread that runs as
//! long as that lasts.
//!
//! New content makes a new route beside the old one; a broken file leaves the old one in use and
//! is told. After each reading one push may go as a probe.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::credential_files::CredentialFiles;
use super::dialling::panic_text;
use super::present_route::PresentRoute;
use super::route::Route;
use crate::heartbeat::{Heartbeat, LONGEST_REST};
use crate::jitter::Random;
use crate::lane::Lane;
use crate::moment::{self, Moment};

/// The files of a lane's credential, and the thread that reads them while the lane is held.
#[derive(Debug)]
pub struct CredentialReader {
    lane: Arc<Lane>,
    present_route: Arc<PresentRoute>,
    files: Mutex<CredentialFiles>,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    bell: Sender<()>,
    thread: JoinHandle<()>,
    heartbeat: Heartbeat,
}

impl CredentialReader {
    /// That of a lane, which wakes it when it is held.
    pub(super) fn of(
        lane: &Arc<Lane>,
        present_route: &Arc<PresentRoute>,
        files: CredentialFiles,
    ) -> Arc<Self> {
        let reader = Arc::new(Self {
            lane: Arc::clone(lane),
            present_route: Arc::clone(present_route),
            files: Mutex::new(files),
            running: Mutex::default(),
        });
        let weak = Arc::downgrade(&reader);
        lane.crew().on_hold(Box::new(move || {
            if let Some(reader) = weak.upgrade() {
                reader.call();
            }
        }));
        // What is refused at once was refused before anybody could hear of it.
        reader.look();
        reader
    }

    /// Has the thread look, or be started, now that there is news of the lane.
    fn call(self: &Arc<Self>) {
        if let Some(running) = &*self.lock() {
            // It has been rung already, or looks no more.
            let _is_unheard = running.bell.try_send(()).is_err();
        }
        self.look();
    }

    /// Starts the thread if there is something to read and it does not run. To be called again and
    /// again, since there may have been no thread to be had.
    pub(super) fn look(self: &Arc<Self>) {
        let mut running = self.lock();
        let runs = |known: &Running| !known.thread.is_finished();
        if !running.as_ref().is_some_and(runs) && self.is_needed() {
            match self.start() {
                Ok(started) => *running = Some(started),
                Err(error) => self.tell(&error),
            }
        }
    }

    fn is_needed(&self) -> bool {
        !self.lane.is_stopped() && self.lane.holding().next_reading().is_some()
    }

    fn start(self: &Arc<Self>) -> io::Result<Running> {
        let (bell, rung) = bounded(1);
        let heartbeat = Heartbeat::new(moment::now());
        let (reader, beats) = (Arc::clone(self), heartbeat.clone());
        let thread = thread::Builder::new()
            .name(format!("{}-files", self.lane))
            .spawn(move || {
                let run = catch_unwind(AssertUnwindSafe(|| reader.run(&rung, &beats)));
                beats.end();
                if let Err(panic) = run {
                    reader.recover(panic_text(&*panic));
                }
            })?;
        Ok(Running {
            bell,
            thread,
            heartbeat,
        })
    }

    fn tell(&self, error: &io::Error) {
        let mut alarms = self.lane.holding().alarms();
        if alarms.is_due("no thread for the credential files", moment::now()) {
            ::log::error!(
                "{}: cannot start the thread that reads the credential files again: {error}. It is \
                 tried again: look at the limit of threads",
                self.lane
            );
        }
    }

    /// The thread has panicked, perhaps as it read: what is still held is read for again.
    fn recover(&self, panic: &str) {
        ::log::error!(
            "{}: the thread that reads the credential files again panicked ({panic}); it is \
             started again. This is a fault of Sterna: please report it with this line",
            self.lane
        );
        let seed = Moment::now().unix.subsec_nanos();
        self.lane.credential_read(moment::now(), seed.into());
    }

    fn run(&self, rung: &Receiver<()>, heartbeat: &Heartbeat) {
        let (lane, seed) = (&self.lane, Moment::now().unix.subsec_nanos());
        let mut random = Random::new(u64::from(seed));
        loop {
            let now = moment::now();
            heartbeat.busy(now);
            if lane.holding().begin_reading(now) {
                self.read();
                lane.credential_read(moment::now(), random.draw());
            }
            {
                // Under the lock: who finds no thread here has told its news before.
                let mut running = self.lock();
                if !self.is_needed() {
                    *running = None;
                    return;
                }
            }
            let longest = moment::now() + LONGEST_REST;
            let due = lane.holding().next_reading();
            let until = due.map_or(longest, |at| at.min(longest));
            heartbeat.rest(until);
            let rest = until.saturating_duration_since(moment::now());
            // The bell is held by whoever could ring it.
            let _rung_or_due = moment::receive_within(rung, rest).is_ok();
        }
    }

    fn read(&self) {
        // A reload that comes meanwhile replaces what is made of the old files here.
        let (lane, mut files) = (&self.lane, self.lock_files());
        match files.changed() {
            Ok(None) => self.turn(),
            Ok(Some(route)) => {
                ::log::info!(
                    "{lane}: the credential has changed and is used from now on: {}",
                    route.credential_name
                );
                self.present_route.renew(route, Moment::now());
            }
            Err(error) => {
                ::log::error!(
                    "{lane}: the credential files cannot be used, so the one read before stays in \
                     use: {error}"
                );
                self.turn();
            }
        }
    }

    /// Tries again what an operator may have mended by now. With two credentials it is the other
    /// one's turn.
    fn turn(&self) {
        let now = Moment::now();
        self.present_route.turn(now);
        let (_, route) = self.present_route.current();
        route.credentials.ask_again(now);
    }

    /// Whether those are the files in use, as they were read last.
    pub fn uses(&self, files: &CredentialFiles) -> bool {
        self.lock_files().are(files)
    }

    /// Whether what these files make of the lane, by a configuration in which nothing but its
    /// credential has changed, differs by that alone. `ca_path` is the file of those who are
    /// trusted.
    pub fn is_rotation(
        &self,
        files: &CredentialFiles,
        route: &Route,
        ca_path: Option<&Path>,
    ) -> bool {
        let (_, present) = self.present_route.current();
        let is_as_trusted = |path| self.lock_files().have_same(files, path);
        present.address.aim() == route.address.aim() && ca_path.is_none_or(is_as_trusted)
    }

    /// Goes over to other files and the route that was made of them: at once, or if `is_rotation`
    /// when a push has shown that its credential is taken.
    pub fn turn_to(&self, files: CredentialFiles, route: Route, is_rotation: bool) {
        // The lock is held until the route is in place, lest an older one is put there.
        let (mut present, now) = (self.lock_files(), Moment::now());
        let former = files.former();
        *present = files;
        match former {
            _ if is_rotation => {
                let (_, in_use) = self.present_route.current();
                let is_it = |former: Route| former.credentials.are(&in_use.credentials);
                self.present_route
                    .try_out(route, former.is_some_and(is_it), now);
            }
            Some(former) => {
                self.present_route.replace(former, now);
                self.present_route.try_out(route, true, now);
            }
            None => self.present_route.replace(route, now),
        }
    }

    /// Whether the thread runs, and should have been heard of before now.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        let running = self.lock();
        running
            .as_ref()
            .is_some_and(|known| known.heartbeat.is_overdue(now))
    }

    /// Whether no thread runs.
    pub(super) fn has_ended(&self) -> bool {
        let running = self.lock();
        running
            .as_ref()
            .is_none_or(|known| known.thread.is_finished())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaced as a whole.
    fn lock_files(&self) -> MutexGuard<'_, CredentialFiles> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
