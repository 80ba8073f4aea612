//! What came of sending pushes again, and when to stop it.

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::delivery::running_lane::RunningLane;
use crate::lane::Lanes;
use crate::moment;
use crate::signal::Signal;

/// How often the lanes are given more.
const FEED_EVERY: Duration = Duration::from_millis(20);

/// What became of pushes that were sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resent {
    /// The provider took them.
    pub succeeded: u64,
    /// The provider refused them, or every attempt failed.
    pub failed: u64,
    /// Not settled: they are outstanding as before.
    pub left: u64,
    /// Lines of outcomes that could not be written.
    pub unlogged: u64,
    /// Settlements that could not be written to the journal: those pushes would be sent again.
    pub unkept: u64,
    /// The journal has failed, which is why it ended.
    pub journal_failed: bool,
}

/// Pushes that have succeeded, and that have failed.
pub(super) fn outcomes(lanes: &Lanes<RunningLane>) -> [u64; 2] {
    let (figures, again) = (lanes.figures(), lanes.figures());
    [
        figures.map(|figures| figures.push_success).sum(),
        again.map(|figures| figures.push_error).sum(),
    ]
}

/// Waits a moment; whether a signal says that it is enough.
pub(super) fn is_told_to_end(signals: &Receiver<Signal>) -> bool {
    match moment::receive_within(signals, FEED_EVERY) {
        Ok(Signal::Terminate | Signal::Interrupt) => true,
        Ok(Signal::Hangup | Signal::User1) | Err(RecvTimeoutError::Timeout) => false,
        Err(RecvTimeoutError::Disconnected) => {
            std::thread::park_timeout(FEED_EVERY);
            false
        }
    }
}
