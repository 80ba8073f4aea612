//! The connections that are open, and which of them may be closed for a new one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::socket::Socket;

use crate::moment;

/// One open connection, shared by its thread and the acceptor.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) socket: Socket,
    /// Microseconds between the registry's start and the moment the connection fell idle, or
    /// [`BUSY`], or [`EVICTED`]. The thread goes from idle to busy and the acceptor from idle to
    /// evicted by compare-and-swap, so that no request which was begun is ever cut off. Together
    /// with the listener's phase it is sequentially consistent: a connection that falls idle
    /// while the listener stops is seen by one of the two.
    state: AtomicU64,
}

const BUSY: u64 = u64::MAX;
const EVICTED: u64 = u64::MAX - 1;

/// All open connections.
#[derive(Debug)]
pub(super) struct Registry {
    started: Instant,
    open: Mutex<Open>,
    left: Condvar,
}

#[derive(Debug, Default)]
struct Open {
    slots: HashMap<u64, Arc<Slot>>,
    next: u64,
}

/// The place of a connection in the registry; dropping it takes the connection out.
#[derive(Debug)]
pub(super) struct Place {
    registry: Arc<Registry>,
    number: u64,
    pub(super) slot: Arc<Slot>,
}

impl Registry {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            started: moment::now(),
            open: Mutex::default(),
            left: Condvar::new(),
        })
    }

    /// Registers a connection, idle from now.
    pub(super) fn enter(self: &Arc<Self>, socket: Socket) -> Place {
        let slot = Arc::new(Slot {
            socket,
            state: AtomicU64::new(self.now()),
        });
        let mut open = self.lock();
        let number = open.next;
        open.next += 1;
        open.slots.insert(number, Arc::clone(&slot));
        Place {
            registry: Arc::clone(self),
            number,
            slot,
        }
    }

    /// Connections that are open.
    pub(super) fn len(&self) -> usize {
        self.lock().slots.len()
    }

    /// Closes the connection that has been idle longest; false if none is idle.
    pub(super) fn evict(&self) -> bool {
        self.evict_idle_for(Duration::ZERO)
    }

    /// The same, but none that has been idle for less than `time`.
    fn evict_idle_for(&self, time: Duration) -> bool {
        let Some(most) = self.now().checked_sub(micros(time)) else {
            return false;
        };
        let open = self.lock();
        loop {
            let idle = open.slots.iter().filter_map(|(&number, slot)| {
                let since = slot.state.load(Ordering::SeqCst);
                (since < EVICTED).then_some((since, number, slot))
            });
            let longest = idle.min_by_key(|&(since, number, _)| (since, number));
            let longest = longest.filter(|&(since, ..)| since <= most || time.is_zero());
            let Some((since, _, slot)) = longest else {
                return false;
            };
            if slot.evict(since) {
                return true;
            }
        }
    }

    /// Closes every idle connection.
    pub(super) fn evict_all(&self) {
        while self.evict() {}
    }

    /// Closes every connection that has been idle for that time.
    pub(super) fn evict_all_idle_for(&self, time: Duration) {
        while self.evict_idle_for(time) {}
    }

    /// Closes every connection, whatever it is doing.
    pub(super) fn shut_all(&self) {
        for slot in self.lock().slots.values() {
            slot.socket.shut();
        }
    }

    /// Waits until fewer than `bound` connections are open; false if the time is out before.
    pub(super) fn wait_below(&self, bound: usize, timeout: Duration) -> bool {
        let are_many = |open: &mut Open| open.slots.len() >= bound;
        let open = moment::wait_while(&self.left, self.lock(), timeout, are_many);
        open.slots.len() < bound
    }

    fn now(&self) -> u64 {
        micros(moment::since(self.started))
    }

    /// Nothing panics while it holds the lock, and if it did, the map would still be a map.
    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros())
        .unwrap_or(u64::MAX)
        .min(EVICTED - 1)
}

impl Slot {
    fn evict(&self, since: u64) -> bool {
        let evicted = self
            .state
            .compare_exchange(since, EVICTED, Ordering::SeqCst, Ordering::SeqCst)
            .is_ok();
        if evicted {
            self.socket.shut();
        }
        evicted
    }
}

impl Place {
    /// Marks the connection as waiting for a request.
    pub(super) fn fall_idle(&self) {
        self.slot.state.store(self.registry.now(), Ordering::SeqCst);
    }

    /// Marks the connection as having a request; false if it was evicted before.
    pub(super) fn begin(&self) -> bool {
        self.slot
            .state
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |state| {
                (state != EVICTED).then_some(BUSY)
            })
            .is_ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        drop(self.registry.lock().slots.remove(&self.number));
        self.registry.left.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn enter(registry: &Arc<Registry>) -> (Place, UnixStream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (registry.enter(Socket::Unix(ours)), theirs)
    }

    fn is_shut(mut client: &UnixStream) -> bool {
        client.set_nonblocking(true).unwrap();
        matches!(std::io::Read::read(&mut client, &mut [0; 1]), Ok(0))
    }

    #[test]
    fn the_longest_idle_connection_goes_first_and_a_busy_one_never() {
        let registry = Registry::new();
        let (busy, busy_client) = enter(&registry);
        let (older, older_client) = enter(&registry);
        let (newer, newer_client) = enter(&registry);
        assert!(busy.begin());
        older.slot.state.store(5, Ordering::SeqCst);
        newer.slot.state.store(6, Ordering::SeqCst);
        assert!(registry.evict());
        assert!(is_shut(&older_client) && !is_shut(&newer_client));
        assert!(!older.begin(), "an evicted connection begins no request");
        assert!(registry.evict());
        assert!(is_shut(&newer_client));
        assert!(!registry.evict());
        assert!(!is_shut(&busy_client));
        busy.fall_idle();
        assert!(registry.evict());
        assert!(is_shut(&busy_client));
    }

    #[test]
    fn a_connection_that_has_just_come_is_spared_for_a_while() {
        let registry = Registry::new();
        let (older, older_client) = enter(&registry);
        let (newer, newer_client) = enter(&registry);
        older.slot.state.store(0, Ordering::SeqCst);
        let hour = Duration::from_secs(3600);
        registry.evict_all_idle_for(hour);
        assert!(!is_shut(&older_client) && !is_shut(&newer_client));
        let a_moment = Duration::from_millis(1);
        while registry.started.elapsed() <= a_moment {
            std::thread::park_timeout(a_moment);
        }
        newer.slot.state.store(micros(hour), Ordering::SeqCst);
        registry.evict_all_idle_for(a_moment);
        assert!(is_shut(&older_client) && !is_shut(&newer_client));
        registry.evict_all();
        assert!(is_shut(&newer_client));
    }

    #[test]
    fn leaving_makes_room() {
        let registry = Registry::new();
        let (place, _client) = enter(&registry);
        assert_eq!(registry.len(), 1);
        assert!(!registry.wait_below(1, Duration::ZERO));
        drop(place);
        assert!(registry.wait_below(1, Duration::ZERO));
    }
}
