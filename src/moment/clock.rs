//! A clock that stands still while the process does.
//!
//! A process is stopped by a signal, by a freezer (`docker pause`), with its host, or because it
//! gets no time on one. Whoever owes it something meanwhile, a provider an answer or a caller the
//! rest of its body, may have paid: nobody looked. So the time in which the process stood still
//! counts against nobody.
//!
//! Somebody calls [`Clock::look`] every [`LOOK_EVERY`]. If there was no look for more than
//! [`COUNTED_MAX`], the process stood still, and what is beyond does not count, from the first
//! reading on, whichever thread has it.
//!
//! Time is an argument: that which passes for everybody, since some beginning.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// See the module; shared by all threads.
#[derive(Debug)]
pub struct Clock {
    /// The last look, in nanoseconds; [`NEVER`] before the first: then all time counts.
    looked: AtomicU64,
    /// What does not count, in nanoseconds. It changes before `looked` does.
    stood: AtomicU64,
    /// What of it is not told yet.
    untold: AtomicU64,
    /// Held by who writes.
    writing: Mutex<()>,
}

/// What a [`Clock`] shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockReading {
    /// For how long the process has run.
    pub ran: Duration,
    /// For how long it has stood still, less [`COUNTED_MAX`] each time.
    pub stood: Duration,
}

impl Clock {
    /// A clock at which nobody looks: all time counts.
    pub const fn new() -> Self {
        Self {
            looked: AtomicU64::new(NEVER),
            stood: AtomicU64::new(0),
            untold: AtomicU64::new(0),
            writing: Mutex::new(()),
        }
    }

    /// Reads it. `passed` says how much time has passed, and may be asked again.
    pub fn read(&self, passed: impl Fn() -> Duration) -> ClockReading {
        loop {
            let stood = self.stood.load(Ordering::Acquire);
            let now = nanos(passed());
            let looked = self.looked.load(Ordering::Acquire);
            if now.saturating_sub(looked) > nanos(COUNTED_MAX) {
                self.catch_up(now);
            } else if self.stood.load(Ordering::Acquire) == stood {
                // Whatever stood still between these lines, the two belong together.
                return ClockReading {
                    ran: Duration::from_nanos(now.saturating_sub(stood)),
                    stood: Duration::from_nanos(stood),
                };
            }
        }
    }

    /// To be called every [`LOOK_EVERY`]. Returns for how long the process stood still, if that was
    /// for long and is news.
    pub fn look(&self, passed: Duration) -> Option<Duration> {
        self.catch_up(nanos(passed));
        let untold = Duration::from_nanos(self.untold.swap(0, Ordering::Relaxed));
        (untold >= TOLD_FROM).then_some(untold)
    }

    fn catch_up(&self, now: u64) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let looked = self.looked.load(Ordering::Relaxed);
        let since = now.saturating_sub(looked);
        let lost = since.saturating_sub(nanos(COUNTED_MAX));
        if lost > 0 {
            self.stood.fetch_add(lost, Ordering::Release);
            self.untold.fetch_add(since, Ordering::Relaxed);
        }
        if looked == NEVER || now > looked {
            self.looked.store(now, Ordering::Release);
        }
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// Half a thousand years.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(NEVER - 1)
}

const NEVER: u64 = u64::MAX;

/// How often [`Clock::look`] is to be called.
pub const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Our limit: what counts of the time between two looks. The rest is a standstill.
pub const COUNTED_MAX: Duration = Duration::from_millis(500);

/// Our limit: how long a standstill is that the operator hears of; shorter ones come with a busy
/// host.
pub const TOLD_FROM: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A clock, and the time that passes.
    struct World {
        clock: Clock,
        now: Cell<Duration>,
    }

    impl World {
        fn new() -> Self {
            Self {
                clock: Clock::new(),
                now: Cell::new(Duration::from_secs(1000)),
            }
        }

        fn pass(&self, time: Duration) {
            self.now.set(self.now.get() + time);
        }

        /// Runs so long, with looks in between.
        fn run(&self, time: Duration) {
            let end = self.now.get() + time;
            while self.now.get() < end {
                assert_eq!(self.clock.look(self.now.get()), None);
                self.pass(LOOK_EVERY.min(end.saturating_sub(self.now.get())));
            }
        }

        fn read(&self) -> ClockReading {
            self.clock.read(|| self.now.get())
        }
    }

    #[test]
    fn time_in_which_the_process_stands_still_does_not_count() {
        let world = World::new();
        world.run(5000 * MS);
        let before = world.read();
        assert_eq!(before.stood, Duration::ZERO);
        world.pass(30_000 * MS);
        let after = world.read();
        assert!(after.ran <= before.ran + COUNTED_MAX);
        assert!(after.ran >= before.ran, "it never goes back");
        assert_eq!(after.ran + after.stood, before.ran + 30_000 * MS);
        world.pass(7 * MS);
        assert_eq!(world.read().ran, after.ran + 7 * MS, "it goes on");
    }

    #[test]
    fn one_standstill_is_told_once_however_many_threads_read_first() {
        let world = World::new();
        world.run(1000 * MS);
        world.pass(30_000 * MS);
        (0..3).for_each(|_| assert!(world.read().stood > 29_000 * MS));
        let told = world.clock.look(world.now.get()).unwrap();
        assert!((30_000..=30_200).contains(&told.as_millis()), "{told:?}");
        world.run(5000 * MS);
        world.pass(2000 * MS);
        assert!(world.clock.look(world.now.get()) >= Some(2000 * MS));
    }

    #[test]
    fn a_look_that_is_a_little_late_is_no_standstill() {
        let world = World::new();
        world.run(1000 * MS);
        let before = world.read();
        for late in [250, 300, 499] {
            let now = world.now.get();
            assert_eq!(world.clock.look(now), None);
            world.pass(late * MS);
        }
        assert_eq!(world.read().ran, before.ran + 1049 * MS);
        assert_eq!(world.read().stood, Duration::ZERO);
        let now = world.now.get();
        assert_eq!(world.clock.look(now), None);
        world.pass(900 * MS);
        assert!(world.read().stood > Duration::ZERO, "not counted");
        assert_eq!(world.clock.look(world.now.get()), None, "and not told");
    }

    #[test]
    fn a_clock_that_nobody_looks_at_counts_all_time() {
        let world = World::new();
        let before = world.read();
        world.pass(3_600_000 * MS);
        assert_eq!(world.read().ran, before.ran + 3_600_000 * MS);
    }

    #[test]
    fn a_reading_that_a_standstill_falls_into_is_none_of_long_ago() {
        // The thread has read the time, and stands still before it looks for how long.
        let world = World::new();
        world.run(1000 * MS);
        let before = world.read().ran;
        let asked = Cell::new(0);
        let reading = world.clock.read(|| {
            let now = world.now.get();
            asked.set(asked.get() + 1);
            if asked.get() == 1 {
                world.pass(30_000 * MS);
                world.read();
            }
            now
        });
        assert!(reading.ran >= before);
        assert!(reading.ran <= before + COUNTED_MAX);
        assert_eq!(asked.get(), 2, "what does not fit together is read again");
    }

    #[test]
    fn threads_that_read_at_once_see_a_clock_that_never_goes_back() {
        use std::sync::atomic::AtomicBool;
        let clock = Clock::new();
        let (now, over) = (AtomicU64::new(1), AtomicBool::new(false));
        let passed = || Duration::from_millis(now.load(Ordering::SeqCst));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut last = Duration::ZERO;
                    while !over.load(Ordering::Relaxed) {
                        let ran = clock.read(passed).ran;
                        assert!(ran >= last, "{ran:?} after {last:?}");
                        last = ran;
                    }
                });
            }
            for step in [10, 100, 700, 90_000].into_iter().cycle().take(20_000) {
                clock.look(passed());
                now.fetch_add(step, Ordering::SeqCst);
            }
            over.store(true, Ordering::Relaxed);
        });
    }
}
