//! The thread that reads a lane's credential files again while the lane is held for them.
//!
//! New content makes a new route beside the old one; a broken file leaves the old one in use and
//! is told. After each reading one push may go as a probe.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, RecvTimeoutError, TrySendError, bounded};

use super::credential_files::CredentialFiles;
use super::present_route::PresentRoute;
use crate::heartbeat::{Heartbeat, LONGEST_REST};
use crate::jitter::Random;
use crate::lane::Lane;
use crate::moment::{self, Moment};

/// Starts the thread, which ends with its lane, and says what tells that it lives.
///
/// # Errors
///
/// When the system gives no thread.
pub(super) fn start(
    lane: &Arc<Lane>,
    present_route: &Arc<PresentRoute>,
    files: &Arc<Mutex<CredentialFiles>>,
) -> std::io::Result<(JoinHandle<()>, Heartbeat)> {
    let (bell, rung) = bounded(1);
    lane.crew()
        .on_hold(Box::new(move || match bell.try_send(()) {
            // It has been rung already, or nobody listens any more.
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }));
    let (lane, present_route) = (Arc::clone(lane), Arc::clone(present_route));
    let files = Arc::clone(files);
    let heartbeat = Heartbeat::new(moment::now());
    let beats = heartbeat.clone();
    let thread = thread::Builder::new()
        .name(format!("{}-files", lane.id()))
        .spawn(move || {
            run(&lane, &present_route, &files, &rung, &beats);
            beats.end();
        })?;
    Ok((thread, heartbeat))
}

fn run(
    lane: &Lane,
    present_route: &Arc<PresentRoute>,
    files: &Mutex<CredentialFiles>,
    rung: &Receiver<()>,
    heartbeat: &Heartbeat,
) {
    let seed = Moment::now().unix.subsec_nanos();
    let mut random = Random::new(u64::from(seed));
    while !lane.is_stopped() {
        let now = moment::now();
        heartbeat.busy(now);
        if lane.holding().begin_reading(now) {
            read(lane, present_route, files);
            lane.credential_read(moment::now(), random.draw());
        }
        let longest = moment::now() + LONGEST_REST;
        let until = lane
            .holding()
            .next_reading()
            .map_or(longest, |at| at.min(longest));
        heartbeat.rest(until);
        let rest = until.saturating_duration_since(moment::now());
        match moment::receive_within(rung, rest) {
            Ok(()) | Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn read(lane: &Lane, present_route: &Arc<PresentRoute>, files: &Mutex<CredentialFiles>) {
    // A reload that comes meanwhile replaces what is made of the old files here.
    let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
    match files.changed() {
        Ok(None) => {
            let (_, route) = present_route.current();
            route.credentials.ask_again(Moment::now());
        }
        Ok(Some(route)) => {
            ::log::info!(
                "{lane}: the credential has changed and is used from now on: {}",
                route.credential_name
            );
            present_route.replace(route, Moment::now());
        }
        Err(error) => ::log::error!(
            "{lane}: the credential files cannot be used, so the one read before stays in \
             use: {error}"
        ),
    }
}
