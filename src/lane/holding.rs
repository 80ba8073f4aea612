//! A lane's gate as its threads share it, and the number of the route that it is about.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use super::alarms::Alarms;
use super::gate::{Gate, Hold, MaySend, ProbeEnd, Refusal, Refused};
use super::{Lane, Wake, lock};
use crate::moment::Moment;
use crate::push::PushId;

/// A lock around the gate, and what is asked for each push beside it.
#[derive(Default)]
pub(super) struct Holding {
    gate: Mutex<Gate>,
    /// The gate is not open.
    held: AtomicBool,
    /// Rises with each route that replaces another.
    generation: AtomicU64,
    /// Wakes who reads the credential files again.
    reader: OnceLock<Wake>,
    alarms: Mutex<Alarms>,
}

impl Holding {
    fn with<R>(&self, change: impl FnOnce(&mut Gate) -> R) -> R {
        let mut gate = lock(&self.gate);
        let result = change(&mut gate);
        self.held.store(!gate.is_open(), Ordering::Release);
        result
    }
}

impl Lane {
    /// Whether its threads may send. Held, a lane keeps its pushes; their time goes on.
    pub fn may_send(&self, now: Instant) -> MaySend {
        if self.rests(now) {
            MaySend::No
        } else if self.is_held() {
            lock(&self.holding.gate).may_send(now)
        } else {
            MaySend::Yes
        }
    }

    /// Whether something holds it.
    pub fn is_held(&self) -> bool {
        self.holding.held.load(Ordering::Acquire)
    }

    /// What holds it; nothing if it is open.
    pub fn holds(&self) -> Vec<Hold> {
        lock(&self.holding.gate).holds()
    }

    /// Holds it by hand; false if it was so already.
    pub fn pause(&self, now: Moment) -> bool {
        self.holding.with(|gate| gate.pause(now))
    }

    /// Ends what [`Lane::pause`] began, and lets its threads know; false if it was not so.
    pub fn resume(&self) -> bool {
        let resumed = self.holding.with(Gate::resume);
        self.restart_pace();
        self.wake_all();
        resumed
    }

    /// Sets the wait before the first probe of a refused credential.
    pub fn set_first_probe(&self, wait: Duration) {
        self.holding.with(|gate| gate.set_first_probe(wait));
    }

    /// The credential of route `generation` was refused, to `push` if it was refused to one.
    pub fn refuse(
        &self,
        refusal: Refusal,
        generation: u64,
        push: Option<PushId>,
        now: Moment,
        random: u64,
    ) -> Refused {
        let (told, may_probe) = self.holding.with(|gate| {
            // Read under the lock that the generation rises under.
            if generation == self.route_generation() {
                return (gate.refuse(refusal, push, now, random), false);
            }
            // A probe that a thread sent by its old route says nothing of the present one.
            let ended = push.is_some_and(|push| gate.withdraw_probe(push));
            (Refused::Known, ended)
        });
        if told != Refused::Known || may_probe {
            self.wake_all();
            self.wake_reader();
        }
        told
    }

    /// What is told of the credential that is refused, if one is.
    pub fn refusal_text(&self) -> Option<Arc<str>> {
        let gate = lock(&self.holding.gate);
        gate.refusal().map(|refusal| Arc::clone(&refusal.text))
    }

    /// Whether a refused credential waits for its next probe.
    pub fn waits_for_probe(&self, now: Instant) -> bool {
        self.is_held() && lock(&self.holding.gate).waits(now)
    }

    /// Registers what wakes the thread that reads the credential files; the first stays.
    pub fn on_hold(&self, wake: Wake) {
        let _already_registered = self.holding.reader.set(wake).is_err();
    }

    /// What the operator was told of it.
    pub fn alarms(&self) -> MutexGuard<'_, Alarms> {
        lock(&self.holding.alarms)
    }

    /// Lets that push go as the probe; false if it is not to go.
    pub fn begin_probe(&self, push: PushId, now: Instant) -> bool {
        self.holding.with(|gate| gate.begin_probe(push, now))
    }

    /// The probe has ended, other than by a refusal. True if that opens what it was to open.
    pub fn end_probe(
        &self,
        push: PushId,
        generation: u64,
        end: ProbeEnd,
        now: Instant,
        random: u64,
    ) -> bool {
        let opened = self.holding.with(|gate| {
            // What an old route was told says nothing of the present one.
            let is_old = generation != self.route_generation();
            let end = if is_old { ProbeEnd::NotSent } else { end };
            gate.end_probe(push, end, now, random)
        });
        if opened {
            self.restart_pace();
        }
        self.wake_all();
        self.wake_reader();
        opened
    }

    /// There is an access token. True if that opens what waited for one.
    pub fn has_access_token(&self) -> bool {
        let opened = self.is_held() && self.holding.with(Gate::has_access_token);
        if opened {
            self.restart_pace();
            self.wake_all();
        }
        opened
    }

    /// When [`Lane::begin_reading`] has something to do.
    pub fn next_reading(&self) -> Option<Instant> {
        lock(&self.holding.gate).next_reading()
    }

    /// Whether it is time to read the credential files again; [`Lane::credential_read`] follows.
    pub fn begin_reading(&self, now: Instant) -> bool {
        self.holding.with(|gate| gate.begin_reading(now))
    }

    /// The credential files were read, or could not be: the next push is a probe.
    pub fn credential_read(&self, now: Instant, random: u64) {
        self.holding.with(|gate| gate.read(now, random));
        self.wake_all();
    }

    /// The number of the route that its threads should use.
    pub fn route_generation(&self) -> u64 {
        self.holding.generation.load(Ordering::Acquire)
    }

    /// Its route has been replaced: its threads look, and a refused credential is tried at once.
    pub fn route_replaced(&self, generation: u64, now: Instant) {
        self.holding.with(|gate| {
            self.holding.generation.store(generation, Ordering::Release);
            gate.replaced(now);
        });
        self.dial().forget_failures();
        self.wake_all();
    }

    pub(super) fn wake_reader(&self) {
        if let Some(wake) = self.holding.reader.get() {
            wake();
        }
    }
}
