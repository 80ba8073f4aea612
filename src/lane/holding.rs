//! A lane's gate as its threads share it, with the pushes that go last while it is not open, and
//! the number of the route that it is about.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::alarms::Alarms;
use super::gate::{
    Cleared, CredentialRefusal, Gate, Hold, MaySend, Others, ProbeEnd, Proof, Refused, Witness,
};
use super::lock;
use super::suspects::{Suspect, Suspects, is_another};
use crate::moment::Moment;
use crate::push::{ConnectionId, Push, PushId};

/// A lock around the gate, and what is asked for each push beside it.
#[derive(Debug, Default)]
pub struct Holding {
    gate: Mutex<Gate>,
    /// The gate is not open.
    held: AtomicBool,
    /// Those that go last while the credential is refused.
    suspects: Suspects,
    /// Rises with each route that replaces another.
    generation: AtomicU64,
    alarms: Mutex<Alarms>,
}

/// Pushes that have nothing to wait for any more.
pub(super) type Released = VecDeque<Suspect>;

impl Holding {
    fn with<R>(&self, change: impl FnOnce(&mut Gate) -> R) -> R {
        let mut gate = lock(&self.gate);
        let result = change(&mut gate);
        self.held.store(!gate.is_open(), Ordering::Release);
        result
    }

    /// Whether pushes may be sent, as far as this goes.
    pub(super) fn may_send(&self, now: Instant) -> MaySend {
        if self.is_held() {
            lock(&self.gate).may_send(now)
        } else {
            MaySend::Yes
        }
    }

    /// Whether something holds the lane.
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// Whether its credential is refused, or doubted.
    pub fn is_refused(&self) -> bool {
        self.is_held() && lock(&self.gate).is_refused()
    }

    /// Whether its credential counts as refused, beyond a doubt.
    pub fn is_judged(&self) -> bool {
        self.is_held() && lock(&self.gate).is_judged()
    }

    /// What holds the lane; nothing if it is open.
    pub fn holds(&self) -> Vec<Hold> {
        lock(&self.gate).holds()
    }

    /// Holds the lane by hand; false if it was so already.
    pub fn pause(&self, now: Moment) -> bool {
        self.with(|gate| gate.pause(now))
    }

    /// Ends what [`Holding::pause`] began; false if it was not so.
    pub(super) fn resume(&self) -> bool {
        self.with(Gate::resume)
    }

    /// Sets the wait before the first probe of a refused credential.
    pub fn set_first_probe(&self, wait: Duration) {
        self.with(|gate| gate.set_first_probe(wait));
    }

    /// The credential of route `generation` was refused: to `witness`, or before a push could be
    /// sent. The push that has met it goes last from now on, or is given back. True if another
    /// probe may go by that.
    pub(super) fn refuse(
        &self,
        refusal: CredentialRefusal,
        generation: u64,
        witness: Option<Witness>,
        suspect: Option<Suspect>,
        now: Moment,
        random: u64,
    ) -> (Refused, bool, Option<Suspect>) {
        self.with(|gate| {
            // Read under the lock that the generation rises under.
            if generation == self.route_generation() {
                let told = gate.refuse(refusal, witness, now, random);
                self.suspects.put(suspect);
                return (told, false, None);
            }
            // A probe that a thread sent by its old route says nothing of the present one.
            let push = witness.and_then(|witness| witness.push);
            let ended = push.is_some_and(|(push, _)| gate.withdraw_probe(push));
            (Refused::Known, ended, suspect)
        })
    }

    /// Whether what is doubted is to count as refused by now; `in_flight` if pushes are, and
    /// `waiting` if others wait that may go.
    pub(super) fn judge(
        &self,
        in_flight: bool,
        waiting: impl FnOnce() -> bool,
        now: Instant,
        random: u64,
    ) -> Refused {
        self.with(|gate| {
            let waiting = gate.is_doubted()
                && (waiting() || self.suspects.any(|suspect| suspect.is_bystander(gate)));
            gate.judge(Others { in_flight, waiting }, now, random)
        })
    }

    /// A push of route `generation` was answered as only a credential is that is taken. What that
    /// changed, and those that went last, if it did.
    pub(super) fn taken(&self, generation: u64, proof: Proof, now: Instant) -> (Cleared, Released) {
        self.with(|gate| {
            // What an old route was told says nothing of the present one.
            let is_old = generation != self.route_generation();
            let has_met_it = |suspect: &Suspect| suspect.is_of_topic();
            let says_nothing = proof == Proof::Credential && self.suspects.any(has_met_it);
            if is_old || says_nothing {
                return (Cleared::Nothing, Released::new());
            }
            let cleared = gate.taken(now);
            if cleared == Cleared::Nothing {
                return (cleared, Released::new());
            }
            (cleared, self.suspects.take_all())
        })
    }

    /// A push was answered so while nothing was doubted, which counts against the word of those
    /// that were contradicted before.
    pub fn note_proof(&self, generation: u64, now: Instant) {
        self.with(|gate| {
            if generation == self.route_generation() {
                gate.note_proof(now);
            }
        });
    }

    /// Whether a push was taken of late, by the present route.
    pub fn is_proved(&self, now: Instant) -> bool {
        lock(&self.gate).is_proved(now)
    }

    /// A push has been taken out by hand. What it has met is forgotten: whether that opens the
    /// lane, and for whom, and whether it was a witness.
    pub(super) fn forget(&self, push: PushId) -> (bool, Released, bool) {
        self.with(|gate| {
            let was_witness = gate.witnesses().contains(&push);
            let opened = gate.forget(push);
            (opened, self.released_if(opened), was_witness)
        })
    }

    /// What is told of the credential that is refused, if one is.
    pub fn refusal_text(&self) -> Option<Arc<str>> {
        let gate = lock(&self.gate);
        gate.refusal().map(|refusal| Arc::clone(&refusal.text))
    }

    /// The push that alone has met what the lane is held for, or the first of several to its
    /// target.
    pub fn only_witness(&self) -> Option<PushId> {
        lock(&self.gate).only_witness()
    }

    /// The pushes that have met it, as far as they are known.
    pub fn witnesses(&self) -> Vec<PushId> {
        lock(&self.gate).witnesses()
    }

    /// Whether a connection is to go, on which the credential was refused or not: while a refused
    /// credential waits for its next probe, none is kept; and one that has refused it is not while
    /// others are to show whether they do.
    pub fn parts_with(&self, has_refused: bool, now: Instant) -> bool {
        if !self.is_held() {
            return false;
        }
        let gate = lock(&self.gate);
        gate.waits(now) || has_refused && gate.parts_with_refusers(now)
    }

    /// When the threads have to look again whether they may send, if not before.
    pub fn next_look(&self, now: Instant) -> Option<Instant> {
        let held = self.is_held().then(|| lock(&self.gate));
        held.and_then(|gate| gate.next_look(now))
    }

    /// What the operator was told of the lane.
    pub fn alarms(&self) -> MutexGuard<'_, Alarms> {
        lock(&self.alarms)
    }

    /// Whether more may be learnt by a push than by those that were refused: it goes to another
    /// target, and has not been refused before while others were taken.
    pub fn is_another(&self, push: &Push) -> bool {
        is_another(&lock(&self.gate), push)
    }

    /// Lets these go last, while the credential is refused or doubted; else they are given back.
    pub(super) fn put_last(&self, suspects: impl IntoIterator<Item = Suspect>) -> Released {
        self.with(|gate| {
            if gate.is_refused() {
                self.suspects.put(suspects);
                return Released::new();
            }
            suspects.into_iter().collect()
        })
    }

    /// Takes all that go last.
    pub(super) fn take_suspects(&self) -> Released {
        self.suspects.take_all()
    }

    /// The first of those that go last which that connection has not refused, if it may go to see
    /// whether it is still refused, or whether others are.
    pub fn take_last(&self, connection: ConnectionId, now: Instant) -> Option<Push> {
        let gate = lock(&self.gate);
        let may_any = gate.takes_any(now);
        if !may_any && !gate.takes_another(now) {
            return None;
        }
        let fits = |suspect: &Suspect| {
            let is_elsewhere = suspect.push.refused_by != Some(connection);
            is_elsewhere && (may_any || suspect.is_bystander(&gate))
        };
        // By those most is learnt.
        let has_bare_topic = |suspect: &Suspect| suspect.push.envelope().has_bare_topic();
        let first = self
            .suspects
            .take_first(|suspect| has_bare_topic(suspect) && fits(suspect))
            .or_else(|| self.suspects.take_first(fits));
        drop(gate);
        first.map(|suspect| suspect.push)
    }

    /// Lets those that go last count as work while one of them may go.
    pub fn look_at_last(&self, now: Instant) {
        let gate = lock(&self.gate);
        let may_another =
            || gate.takes_another(now) && self.suspects.any(|suspect| suspect.is_bystander(&gate));
        self.suspects.set_due(gate.takes_any(now) || may_another());
    }

    /// Whether some wait that go last.
    pub fn has_suspects(&self) -> bool {
        !self.suspects.is_empty()
    }

    /// Whether one of those may go, as far as was seen last.
    pub(super) fn has_work(&self) -> bool {
        self.is_held() && self.suspects.is_due()
    }

    /// Lets that push go as a probe; false if it is not to go.
    pub fn begin_probe(&self, push: &Push, now: Instant) -> bool {
        self.with(|gate| {
            let is_another = is_another(gate, push);
            gate.begin_probe(push.id(), is_another, now)
        })
    }

    /// A probe has ended, and it is not known what that says.
    pub(super) fn end_probe(
        &self,
        push: PushId,
        generation: u64,
        end: ProbeEnd,
        now: Instant,
        random: u64,
    ) {
        self.with(|gate| {
            // What an old route was told says nothing of the present one.
            let is_old = generation != self.route_generation();
            let end = if is_old { ProbeEnd::NotSent } else { end };
            gate.end_probe(push, end, now, random);
        });
    }

    /// There is an access token: whether that opens what waited for one, and for whom.
    pub(super) fn has_access_token(&self, now: Instant) -> (bool, Released) {
        self.with(|gate| {
            let opened = gate.has_access_token(now);
            (opened, self.released_if(opened))
        })
    }

    /// How long a credential that was refused so often rests before it is tried again.
    pub fn wait_before_probe(&self, probes: u32, random: u64) -> Duration {
        lock(&self.gate).wait_before_probe(probes, random)
    }

    /// When [`Holding::begin_reading`] has something to do.
    pub fn next_reading(&self) -> Option<Instant> {
        lock(&self.gate).next_reading()
    }

    /// Whether it is time to read the credential files again;
    /// [`Lane::credential_read`](super::Lane::credential_read) follows.
    pub fn begin_reading(&self, now: Instant) -> bool {
        self.with(|gate| gate.begin_reading(now))
    }

    /// The credential files were read, or could not be: the next push is a probe.
    pub(super) fn credential_read(&self, now: Instant, random: u64) {
        self.with(|gate| gate.read(now, random));
    }

    /// The number of the route that the threads should use.
    pub fn route_generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The route has been replaced: a refused credential is tried at once.
    pub(super) fn route_replaced(&self, generation: u64, now: Instant) -> Released {
        self.turn_to(generation, |gate| gate.replaced(now))
    }

    /// The lane's other credential is in use while the one that was is refused.
    pub(super) fn route_turned(&self, generation: u64) -> Released {
        self.turn_to(generation, Gate::turned)
    }

    fn turn_to(&self, generation: u64, turn: impl FnOnce(&mut Gate)) -> Released {
        self.with(|gate| {
            self.generation.store(generation, Ordering::Release);
            turn(gate);
            self.suspects.clear();
            self.released_if(!gate.is_refused())
        })
    }

    fn released_if(&self, opened: bool) -> Released {
        let released = opened.then(|| self.suspects.take_all());
        released.unwrap_or_default()
    }
}
