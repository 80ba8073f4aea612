//! What the end-to-end tests stand on: the real binary as a process, its files, a plain client.
//!
//! Nothing here sleeps to decide a result: conditions are polled until a deadline that only a
//! failing test reaches. Every process is killed when its handle is dropped.

#![allow(
    dead_code,
    reason = "each test binary uses the part of the harness that it needs"
)]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::print_stdout,
    reason = "a helper of tests fails the test by panicking, and says what is skipped"
)]

pub(crate) mod credentials;
pub(crate) mod daemon;
pub(crate) mod disk;
pub(crate) mod documents;
pub(crate) mod http;
pub(crate) mod lines;
pub(crate) mod metrics;
pub(crate) mod prometheus;
pub(crate) mod simulator;
pub(crate) mod site;
pub(crate) mod terminal;
pub(crate) mod writers;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// A request for pushes to the devices of these numbers.
pub(crate) fn batch(numbers: impl IntoIterator<Item = u64>) -> Value {
    let tokens: Vec<String> = numbers.into_iter().map(hex_token).collect();
    json!({"notifications": [{"platform": 1, "token": tokens, "message": "m"}]})
}

/// Longer than anything takes on a busy machine; only a failing test waits for it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Polls until there is something, and gives it out.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            Instant::now() < end,
            "waited {PATIENCE:?} in vain for {what}"
        );
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Polls until it is so.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    wait_for(what, || is_so().then_some(()));
}

/// Runs several cases at once: most of one is waiting.
#[track_caller]
pub(crate) fn each<T: Sync>(cases: &[T], run: impl Fn(&T) + Sync) {
    std::thread::scope(|scope| {
        let run = &run;
        let threads: Vec<_> = cases
            .iter()
            .map(|case| scope.spawn(move || run(case)))
            .collect();
        for thread in threads {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}

/// The 64 hexadecimal digits of the device token of that number.
pub(crate) fn hex_token(number: u64) -> String {
    format!("{number:064x}")
}

/// A registration token of the form that FCM gives out, of that number.
pub(crate) fn fcm_token(number: u64) -> String {
    format!(
        "d{number:021x}:APA91b{}",
        format!("{number:067x}").repeat(2)
    )
}
