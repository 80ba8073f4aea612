//! Waits that go on for as long as they should though the process stood still meanwhile: the
//! system's own would be over by then.

use std::sync::{Condvar, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::now;

/// Waits while `condition` holds, for `within` at most; it may still hold then.
pub fn wait_while<'a, T>(
    bell: &Condvar,
    mut guard: MutexGuard<'a, T>,
    within: Duration,
    mut condition: impl FnMut(&mut T) -> bool,
) -> MutexGuard<'a, T> {
    let begun = now();
    while condition(&mut guard) {
        let left = within.saturating_sub(super::since(begun));
        if left.is_zero() {
            break;
        }
        let waited = bell.wait_timeout(guard, left);
        guard = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    guard
}

/// Waits for a message, for `within` at most.
///
/// # Errors
///
/// As [`Receiver::recv_timeout`].
pub fn receive_within<T>(messages: &Receiver<T>, within: Duration) -> Result<T, RecvTimeoutError> {
    let begun = now();
    loop {
        let left = within.saturating_sub(super::since(begun));
        match messages.recv_timeout(left) {
            Err(RecvTimeoutError::Timeout) if !left.is_zero() => {}
            received => return received,
        }
    }
}
