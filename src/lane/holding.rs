//! A lane's gate as its threads share it, and the number of the route that it is about.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use super::alarms::Alarms;
use super::gate::{
    Cleared, CredentialRefusal, Gate, Hold, MaySend, Others, ProbeEnd, Refused, Target, Witness,
};
use super::prevalence::{News, Prevailing, TokenRefusal};
use super::suspects::{Rebuff, Suspect, is_another};
use super::{Lane, Wake, lock};
use crate::moment::Moment;
use crate::push::{ConnectionId, Push, PushId};

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
    pub(super) fn with<R>(&self, change: impl FnOnce(&mut Gate) -> R) -> R {
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

    /// Whether its credential is refused, or doubted.
    pub fn is_refused(&self) -> bool {
        self.is_held() && lock(&self.holding.gate).is_refused()
    }

    /// Whether its credential counts as refused, beyond a doubt.
    pub fn is_judged(&self) -> bool {
        self.is_held() && lock(&self.holding.gate).is_judged()
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

    /// The credential of route `generation` was refused: to `witness`, or before a push could be
    /// sent. The push that has met it goes last from now on.
    pub fn refuse(
        &self,
        refusal: CredentialRefusal,
        generation: u64,
        witness: Option<Witness>,
        suspect: Option<Suspect>,
        now: Moment,
        random: u64,
    ) -> Refused {
        let mut suspect = suspect.map(|mut suspect| {
            // It must not keep other retries back by that.
            self.end_retry(&suspect.push);
            suspect.push.is_retry = false;
            suspect
        });
        let (told, may_probe) = self.holding.with(|gate| {
            // Read under the lock that the generation rises under.
            if generation == self.route_generation() {
                let told = gate.refuse(refusal, witness, now, random);
                self.suspects.put(suspect.take());
                return (told, false);
            }
            // A probe that a thread sent by its old route says nothing of the present one.
            let push = witness.and_then(|witness| witness.push);
            let ended = push.is_some_and(|(push, _)| gate.withdraw_probe(push));
            (Refused::Known, ended)
        });
        self.release(suspect);
        if told != Refused::Known || may_probe {
            self.wake_all();
            self.wake_reader();
        }
        told
    }

    /// Whether what is doubted is to count as refused by now; `in_flight` if pushes are.
    pub fn judge(&self, in_flight: bool, now: Instant, random: u64) -> Refused {
        let told = self.holding.with(|gate| {
            let waiting = gate.is_doubted()
                && (self.has_queued()
                    || lock(&self.aside).has_for(None)
                    || self.suspects.any(|suspect| suspect.is_bystander(gate)));
            gate.judge(Others { in_flight, waiting }, now, random)
        });
        if told != Refused::Known {
            self.wake_all();
            self.wake_reader();
        }
        told
    }

    /// A push of route `generation` was answered as only a credential is that is taken. What that
    /// changed, and the pushes that were refused, which is about each of them then.
    pub fn taken(&self, generation: u64, now: Instant) -> (Cleared, Vec<(Push, Rebuff)>) {
        let (cleared, suspects) = self.holding.with(|gate| {
            // What an old route was told says nothing of the present one.
            if generation != self.route_generation() {
                return (Cleared::Nothing, VecDeque::new());
            }
            let cleared = gate.taken(now);
            if cleared == Cleared::Nothing {
                return (cleared, VecDeque::new());
            }
            (cleared, self.suspects.take_all())
        });
        let (mut refused, mut others) = (Vec::new(), Vec::new());
        for Suspect { push, met } in suspects {
            match met {
                Some(rebuff) => refused.push((push, rebuff)),
                None => others.push(push),
            }
        }
        self.put_back(others);
        if !matches!(cleared, Cleared::Nothing | Cleared::Behind) {
            // One push alone is no reason to go slowly.
            if cleared == Cleared::Hold {
                self.restart_pace();
            }
            self.wake_all();
            self.wake_reader();
        }
        (cleared, refused)
    }

    /// A push was answered so while nothing was doubted, which counts against the word of those
    /// that were contradicted before.
    pub fn note_proof(&self, generation: u64, now: Instant) {
        self.holding.with(|gate| {
            if generation == self.route_generation() {
                gate.note_proof(now);
            }
        });
    }

    /// A push has been taken out by hand. What it has met is forgotten; true if that opens the
    /// lane.
    pub fn forget(&self, push: PushId) -> bool {
        if !self.is_held() {
            return false;
        }
        let (opened, was_witness, suspects) = self.holding.with(|gate| {
            let was_witness = gate.witnesses().contains(&push);
            let opened = gate.forget(push);
            let suspects = opened.then(|| self.suspects.take_all());
            (opened, was_witness, suspects.unwrap_or_default())
        });
        self.release(suspects);
        if was_witness {
            // Others may be tried now, if not all.
            self.wake_all();
        }
        opened
    }

    /// What is told of the credential that is refused, if one is.
    pub fn refusal_text(&self) -> Option<Arc<str>> {
        let gate = lock(&self.holding.gate);
        gate.refusal().map(|refusal| Arc::clone(&refusal.text))
    }

    /// The push that alone has met what the lane is held for, or the first of several to its
    /// target.
    pub fn only_witness(&self) -> Option<PushId> {
        lock(&self.holding.gate).only_witness()
    }

    /// The pushes that have met it, as far as they are known.
    pub fn witnesses(&self) -> Vec<PushId> {
        lock(&self.holding.gate).witnesses()
    }

    /// Whether a connection is to go, on which the credential was refused or not: while a refused
    /// credential waits for its next probe, none is kept; and one that has refused it is not while
    /// others are to show whether they do.
    pub fn parts_with(&self, has_refused: bool, now: Instant) -> bool {
        if !self.is_held() {
            return false;
        }
        let gate = lock(&self.holding.gate);
        gate.waits(now) || has_refused && gate.parts_with_refusers(now)
    }

    /// When the threads have to look again whether they may send, if not before.
    pub fn next_look(&self, now: Instant) -> Option<Instant> {
        let held = self.is_held().then(|| lock(&self.holding.gate));
        held.and_then(|gate| gate.next_look(now))
    }

    /// Registers what wakes the thread that reads the credential files; the first stays.
    pub fn on_hold(&self, wake: Wake) {
        let _already_registered = self.holding.reader.set(wake).is_err();
    }

    /// What the operator was told of it.
    pub fn alarms(&self) -> MutexGuard<'_, Alarms> {
        lock(&self.holding.alarms)
    }

    /// Whether more may be learnt by a push than by those that were refused: it goes to another
    /// target, and has not been refused before while others were taken.
    pub fn is_another(&self, push: &Push) -> bool {
        is_another(&lock(&self.holding.gate), push)
    }

    /// The first of those that go last which that connection has not refused, if it may go to see
    /// whether it is still refused, or whether others are.
    pub fn take_last(&self, connection: ConnectionId, now: Instant) -> Option<Push> {
        let gate = lock(&self.holding.gate);
        let may_any = gate.takes_any(now);
        if !may_any && !gate.takes_another(now) {
            return None;
        }
        let first = self.suspects.take_first(|suspect| {
            let is_elsewhere = suspect.push.refused_by != Some(connection);
            is_elsewhere && (may_any || suspect.is_bystander(&gate))
        });
        drop(gate);
        first.map(|suspect| suspect.push)
    }

    /// Lets those that go last count as work while one of them may go.
    pub fn look_at_last(&self, now: Instant) {
        let gate = lock(&self.holding.gate);
        let may_another =
            || gate.takes_another(now) && self.suspects.any(|suspect| suspect.is_bystander(&gate));
        self.suspects.set_due(gate.takes_any(now) || may_another());
    }

    /// Lets that push go as a probe; false if it is not to go.
    pub fn begin_probe(&self, push: &Push, now: Instant) -> bool {
        self.holding.with(|gate| {
            let is_another = is_another(gate, push);
            gate.begin_probe(push.id(), is_another, now)
        })
    }

    /// A probe has ended, and it is not known what that says.
    pub fn end_probe(
        &self,
        push: PushId,
        generation: u64,
        end: ProbeEnd,
        now: Instant,
        random: u64,
    ) {
        self.holding.with(|gate| {
            // What an old route was told says nothing of the present one.
            let is_old = generation != self.route_generation();
            let end = if is_old { ProbeEnd::NotSent } else { end };
            gate.end_probe(push, end, now, random);
        });
        self.wake_all();
        self.wake_reader();
    }

    /// There is an access token. True if that opens what waited for one.
    pub fn has_access_token(&self, now: Instant) -> bool {
        if !self.is_held() {
            return false;
        }
        let (opened, suspects) = self.holding.with(|gate| {
            let opened = gate.has_access_token(now);
            let suspects = opened.then(|| self.suspects.take_all());
            (opened, suspects.unwrap_or_default())
        });
        self.release(suspects);
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
    /// The alarm that was told of answers to the old route, and ends by that.
    pub fn route_replaced(&self, generation: u64, now: Instant) -> Option<Prevailing> {
        let suspects = self.holding.with(|gate| {
            self.holding.generation.store(generation, Ordering::Release);
            gate.replaced(now);
            self.suspects.clear();
            let is_refused = gate.is_refused();
            (!is_refused).then(|| self.suspects.take_all())
        });
        self.release(suspects.into_iter().flatten());
        self.dial().forget_failures();
        // After the generation has risen: answers to the old route count no more.
        let ended = lock(&self.prevalence).forget();
        lock(&self.outage).forget_unreachable();
        self.wake_all();
        ended
    }

    /// Pushes of route `generation` were decided on: by such refusals, each said to that target, or
    /// otherwise. What of that is to be told.
    pub fn decided(
        &self,
        answers: &[Option<(TokenRefusal, Target)>],
        generation: u64,
        now: Moment,
    ) -> Vec<News> {
        let mut prevalence = lock(&self.prevalence);
        let changes_nothing = answers.iter().all(Option::is_none) && prevalence.is_clean();
        if changes_nothing || generation != self.route_generation() {
            return Vec::new();
        }
        let answers = answers.iter().copied();
        answers
            .flat_map(|said| prevalence.add(said, now))
            .flatten()
            .collect()
    }

    /// The refusal of device tokens that most of the last answers are.
    pub fn prevailing(&self) -> Option<Prevailing> {
        lock(&self.prevalence).prevailing()
    }

    pub(super) fn wake_reader(&self) {
        if let Some(wake) = self.holding.reader.get() {
            wake();
        }
    }
}
