//! Named points at which a debug build kills its own process, panics or fails, for tests.
//!
//! `STERNA_CRASH_AT="send:17"` is SIGKILL at the 17th passage of the point `send`,
//! `STERNA_PANIC_AT="send:17"` a panic there;
//! `STERNA_FAIL_AT="sync:3"` is an input/output error at the third passage of `sync`, if that is a
//! point that can fail; `STERNA_STALL_AT="sync:3"` has it take long from there on, if that is a
//! point that can. A release build has no such points.

/// Passes a point, if this is not the passage at which to die.
#[cfg(not(debug_assertions))]
#[inline]
pub const fn pass(_name: &str) {}

/// Passes a point, if this is not the passage at which to die.
///
/// # Panics
///
/// At the passage at which that is asked for.
#[cfg(debug_assertions)]
pub fn pass(name: &str) {
    use std::sync::OnceLock;
    static CRASH: OnceLock<Option<Passage>> = OnceLock::new();
    static PANIC: OnceLock<Option<Passage>> = OnceLock::new();
    let crash = CRASH.get_or_init(|| Passage::read("STERNA_CRASH_AT"));
    if crash.as_ref().is_some_and(|crash| crash.is_now(name)) {
        die();
    }
    let panic = PANIC.get_or_init(|| Passage::read("STERNA_PANIC_AT"));
    assert!(
        !panic.as_ref().is_some_and(|panic| panic.is_now(name)),
        "as asked for at the point {name}"
    );
}

/// Takes long at a point, from the passage on from which that is asked for.
#[cfg(debug_assertions)]
pub fn stall(name: &str) {
    use std::sync::OnceLock;
    static STALL: OnceLock<Option<Passage>> = OnceLock::new();
    let stall = STALL.get_or_init(|| Passage::read("STERNA_STALL_AT"));
    if stall.as_ref().is_some_and(|stall| stall.is_over(name)) {
        std::thread::sleep(std::time::Duration::from_millis(700));
    }
}

/// Whether this is the passage at which a point is to fail.
#[cfg(debug_assertions)]
pub fn fails(name: &str) -> bool {
    use std::sync::OnceLock;
    static FAILURE: OnceLock<Option<Passage>> = OnceLock::new();
    let failure = FAILURE.get_or_init(|| Passage::read("STERNA_FAIL_AT"));
    failure.as_ref().is_some_and(|failure| failure.is_now(name))
}

/// A point and the number of a passage.
#[cfg(debug_assertions)]
struct Passage {
    name: String,
    at: u64,
    passed: std::sync::atomic::AtomicU64,
}

#[cfg(debug_assertions)]
impl Passage {
    fn read(variable: &str) -> Option<Self> {
        let wanted = std::env::var(variable).ok()?;
        let (name, at) = wanted.split_once(':')?;
        Some(Self {
            name: name.to_owned(),
            at: at.parse().ok()?,
            passed: std::sync::atomic::AtomicU64::new(0),
        })
    }

    fn is_now(&self, name: &str) -> bool {
        self.name == name && self.pass() == self.at
    }

    fn is_over(&self, name: &str) -> bool {
        self.name == name && self.pass() >= self.at
    }

    /// One more passage; how many there were.
    fn pass(&self) -> u64 {
        use std::sync::atomic::Ordering;
        self.passed.fetch_add(1, Ordering::SeqCst).saturating_add(1)
    }
}

/// As a power switch would: no destructor runs, nothing is flushed.
#[cfg(debug_assertions)]
fn die() {
    use rustix::process::{Signal, getpid, kill_process};
    let _killed = kill_process(getpid(), Signal::KILL).is_ok();
    loop {
        std::thread::park();
    }
}
