//! Where those who answer wait for errands: asleep at once.
//!
//! A channel's receiver looks again and again, and yields, before it sleeps. Where callers come one
//! by one that is most of what such a thread does, and it takes the processor from whoever would
//! bring the next errand.

use std::sync::atomic::{AtomicUsize, Ordering, fence};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError};

use crate::moment;

/// Beside a channel: who has sent something through that rings here.
#[derive(Debug, Default)]
pub(super) struct Lounge {
    sleepers: Mutex<Sleepers>,
    bell: Condvar,
    /// As among the sleepers, for those who ring: most of the time there are none.
    asleep: AtomicUsize,
}

#[derive(Debug, Default)]
struct Sleepers {
    /// Those for whom nobody has rung.
    asleep: usize,
    /// Those for whom somebody has, and who have not heard it yet.
    rung: usize,
}

impl Lounge {
    /// Receives what is sent, for which it sleeps `within` at most.
    ///
    /// # Errors
    ///
    /// If nothing came, or nothing will.
    pub(super) fn receive<T>(
        &self,
        way: &Receiver<T>,
        within: Duration,
    ) -> Result<T, RecvTimeoutError> {
        let begun = moment::now();
        loop {
            match way.try_recv() {
                Ok(errand) => return Ok(errand),
                Err(TryRecvError::Disconnected) => return Err(RecvTimeoutError::Disconnected),
                Err(TryRecvError::Empty) => {}
            }
            let left = within.saturating_sub(moment::since(begun));
            if left.is_zero() {
                return Err(RecvTimeoutError::Timeout);
            }
            if let Some(errand) = self.sleep(way, left) {
                return Ok(errand);
            }
        }
    }

    /// Sleeps until somebody rings, unless something has come in the meantime.
    fn sleep<T>(&self, way: &Receiver<T>, within: Duration) -> Option<T> {
        let mut sleepers = self.lock();
        sleepers.asleep += 1;
        self.show(&sleepers);
        // Who sends now sees that somebody sleeps, or else what was sent is seen here.
        fence(Ordering::SeqCst);
        let received = way.try_recv();
        if matches!(received, Err(TryRecvError::Empty)) {
            sleepers = moment::wait_while(&self.bell, sleepers, within, |them| them.rung == 0);
            if sleepers.rung > 0 {
                sleepers.rung -= 1;
                return None;
            }
        }
        sleepers.asleep -= 1;
        self.show(&sleepers);
        received.ok()
    }

    /// Those who sleep, and for whom nobody has rung.
    pub(super) fn asleep(&self) -> usize {
        fence(Ordering::SeqCst);
        self.asleep.load(Ordering::Relaxed)
    }

    /// Wakes one, if any sleeps: after something was sent.
    pub(super) fn ring(&self) {
        if self.take_out(1) {
            self.bell.notify_one();
        }
    }

    /// Wakes all: after the last sender is gone.
    pub(super) fn ring_for_all(&self) {
        if self.take_out(usize::MAX) {
            self.bell.notify_all();
        }
    }

    /// Has so many, at most, hear the bell; whether there are any.
    fn take_out(&self, most: usize) -> bool {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let mut sleepers = self.lock();
        let number = sleepers.asleep.min(most);
        sleepers.asleep -= number;
        sleepers.rung += number;
        self.show(&sleepers);
        number > 0
    }

    fn show(&self, sleepers: &Sleepers) {
        self.asleep.store(sleepers.asleep, Ordering::Relaxed);
    }

    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, Sleepers> {
        self.sleepers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use crossbeam_channel::bounded;

    use super::*;

    /// More than any of these tests waits.
    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn each_of_many_is_received_once_and_the_end_is_seen_by_all() {
        let lounge = Arc::new(Lounge::default());
        let (sender, way) = bounded(8);
        let receivers: Vec<_> = (0..4)
            .map(|_| {
                let (lounge, way) = (Arc::clone(&lounge), way.clone());
                thread::spawn(move || {
                    let mut received = Vec::new();
                    loop {
                        match lounge.receive(&way, LONG) {
                            Ok(number) => received.push(number),
                            Err(error) => return (received, error),
                        }
                    }
                })
            })
            .collect();
        for number in 0..20_000_u32 {
            sender.send(number).unwrap();
            lounge.ring();
            if number % 64 == 0 {
                // Until all sleep: one bell for each has to be enough.
                while lounge.asleep.load(Ordering::Relaxed) < receivers.len() {
                    thread::yield_now();
                }
            }
        }
        drop(sender);
        lounge.ring_for_all();
        let mut all = Vec::new();
        for receiver in receivers {
            let (received, end) = receiver.join().unwrap();
            assert_eq!(end, RecvTimeoutError::Disconnected);
            all.extend(received);
        }
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..20_000));
        let sleepers = lounge.lock();
        assert_eq!((sleepers.asleep, sleepers.rung), (0, 0));
    }

    #[test]
    fn who_has_waited_in_vain_is_told() {
        let lounge = Lounge::default();
        let (_sender, way) = bounded::<()>(1);
        let received = lounge.receive(&way, Duration::from_millis(1));
        assert_eq!(received, Err(RecvTimeoutError::Timeout));
        assert_eq!(lounge.asleep.load(Ordering::Relaxed), 0);
        // And nobody is there to hear.
        lounge.ring();
        assert_eq!(lounge.lock().rung, 0);
    }
}
