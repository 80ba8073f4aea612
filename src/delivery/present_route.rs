//! The route that a lane's threads use, and how it is replaced while they run.
//!
//! The lane has the number of the present route; a thread that finds another number than its own
//! takes the route here, lets its connections finish and opens new ones. What is in flight is
//! answered to the old ones.
//!
//! A route that has nothing new but its credential is no more than a candidate at first: see the
//! module of that name.

mod routes;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

pub use routes::ShownCredentials;

use routes::Routes;

use super::candidate::Candidate;
use super::credential::{Access, Credentials};
use super::reasons::NO_ACCESS_TOKEN;
use super::route::Route;
use crate::jitter::Random;
use crate::lane::{CredentialRefusal, EndsWith, Lack, Lane, Prevailing, Proof, Refused};
use crate::moment::Moment;
use crate::provider::{self, told_of};
use crate::push::LaneId;

/// A lane's present route.
#[derive(Debug)]
pub struct PresentRoute {
    lane: Arc<Lane>,
    /// Asked for by a thread that begins, so it is locked for no call of others.
    present: Mutex<Routes>,
    /// There is a candidate.
    has_candidate: AtomicBool,
    /// It was refused before.
    is_refused: AtomicBool,
    /// One at a time replaces it, so that of two that come at once the last one's number stays.
    replacing: Mutex<()>,
}

impl PresentRoute {
    /// The first route of a lane.
    pub fn new(lane: &Arc<Lane>, route: Route) -> Arc<Self> {
        let generation = lane.holding().route_generation();
        let routes = Routes {
            generation,
            route: Arc::new(route),
            candidate: None,
            last: generation,
        };
        let present = Arc::new(Self {
            lane: Arc::clone(lane),
            present: Mutex::new(routes),
            has_candidate: AtomicBool::new(false),
            is_refused: AtomicBool::new(false),
            replacing: Mutex::default(),
        });
        let (_, route) = present.current();
        present.hear_of(&route, Moment::now());
        present
    }

    /// The route and its number.
    pub fn current(&self) -> (u64, Arc<Route>) {
        let present = self.lock();
        (present.generation, Arc::clone(&present.route))
    }

    /// Puts another in its place. What is in flight finishes; a refused credential is tried anew
    /// at once.
    pub fn replace(self: &Arc<Self>, route: Route, now: Moment) {
        let route = Arc::new(route);
        self.change(now, |present| {
            present.candidate = None;
            present.route = Arc::clone(&route);
            present.generation = present.next_number();
            true
        });
        self.hear_of(&route, now);
    }

    /// Puts one of new content in the place of the one that was made of the same files: that is
    /// used at once, since the lane is held, and the old one is kept beside it.
    pub(super) fn renew(self: &Arc<Self>, route: Route, now: Moment) {
        let route = Arc::new(route);
        self.change(now, |present| {
            match &mut present.candidate {
                Some(new) if !new.is_former => {
                    new.route = Arc::clone(&route);
                    return present.swap(now.monotonic);
                }
                _ => present.route = Arc::clone(&route),
            }
            present.generation = present.next_number();
            true
        });
        self.hear_of(&route, now);
    }

    /// Changes what is in use, as told; whether it did.
    fn change(self: &Arc<Self>, now: Moment, change: impl FnOnce(&mut Routes) -> bool) -> bool {
        let replaced = |generation| self.lane.route_replaced(generation, now.monotonic);
        self.change_by(change, replaced)
    }

    /// Changes what is in use, as told, and tells the lane; whether it did.
    fn change_by(
        self: &Arc<Self>,
        change: impl FnOnce(&mut Routes) -> bool,
        replaced: impl FnOnce(u64) -> Option<Prevailing>,
    ) -> bool {
        let ended = {
            let _alone = self
                .replacing
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let mut present = self.lock();
            if !change(&mut present) {
                return false;
            }
            let generation = present.generation;
            self.note_candidate(&present);
            drop(present);
            replaced(generation)
        };
        if let Some(Prevailing { refusal, .. }) = ended {
            ::log::info!(
                "{}: the configuration or the credential was replaced: the alarm about pushes that \
                 failed with {} is over, and raised again if most go on to",
                self.lane.id(),
                refusal.reason,
            );
        }
        true
    }

    /// Has a route tried beside the present one, from which it differs by its credential alone, and
    /// used once a push has shown that it is taken. While the present one is refused it is used at
    /// once. `outlives` if a restart would know both.
    pub fn try_out(self: &Arc<Self>, route: Route, outlives: bool, now: Moment) {
        let route = Arc::new(route);
        {
            let mut present = self.lock();
            let generation = present.next_number();
            let kept = Arc::clone(&route);
            let candidate = Candidate::new(generation, kept, outlives, now.monotonic);
            present.candidate = Some(candidate);
            self.note_candidate(&present);
        }
        self.hear_of(&route, now);
        if self.is_to_turn() && self.change(now, |present| present.swap(now.monotonic)) {
            self.tell_turn(now);
        }
    }

    /// Whether there is one that is to be tried, or was before.
    pub fn has_candidate(&self) -> bool {
        self.has_candidate.load(Ordering::Acquire)
    }

    /// Whether a push of another topic than the configured one may try the candidate.
    pub(super) fn takes_other_topics(&self, now: Moment) -> bool {
        let present = self.lock();
        let candidate = present.candidate.as_ref();
        candidate.is_some_and(|it| it.takes_other_topics(now.monotonic))
    }

    /// An answer to a push that went by the candidate of that number says nothing of it; whether
    /// that is enough of those.
    pub(super) fn says_nothing(&self, generation: u64) -> bool {
        let mut present = self.lock();
        let candidate = present.candidate(generation);
        candidate.is_some_and(Candidate::says_nothing)
    }

    /// The candidate of that number was refused to a push of another topic than the configured one;
    /// whether it counts as refused.
    pub(super) fn is_refused_to_others(&self, generation: u64) -> bool {
        let mut present = self.lock();
        let candidate = present.candidate(generation);
        candidate.is_some_and(Candidate::is_refused_to_others)
    }

    /// Lets a thread try the candidate, if it is time and no other does: its number, and itself.
    pub(super) fn claim(&self, seat: usize, now: Moment) -> Option<(u64, Arc<Route>)> {
        let mut present = self.lock();
        let candidate = present.candidate.as_mut()?;
        if !candidate.claim(seat, now.monotonic) {
            return None;
        }
        let route = Arc::clone(&candidate.route);
        if route.can_send(now) {
            return Some((candidate.generation, route));
        }
        candidate.release(seat);
        if candidate.refusal().is_some() {
            let holding = self.lane.holding();
            candidate.put_off(
                holding.wait_before_probe(candidate.tries(), 0),
                now.monotonic,
            );
            drop(present);
            route.credentials.ask_again(now);
        }
        None
    }

    /// A thread does not try the candidate any more.
    pub(super) fn release(&self, seat: usize) {
        if let Some(candidate) = &mut self.lock().candidate {
            candidate.release(seat);
        }
    }

    /// Whether the candidate has that number.
    pub(super) fn is_candidate(&self, generation: u64) -> bool {
        self.has_candidate() && self.lock().candidate(generation).is_some()
    }

    /// A push was taken that went by the candidate of that number, which is in use from now on if
    /// that is proof enough.
    pub(super) fn candidate_taken(self: &Arc<Self>, generation: u64, proof: Proof, now: Moment) {
        let mut old = String::new();
        let taken = self.change(now, |present| {
            let is_proved =
                |it: &mut Candidate| it.generation == generation && it.is_proved_by(proof);
            let Some(candidate) = present.candidate.take_if(is_proved) else {
                return false;
            };
            present.generation = candidate.generation;
            let before = std::mem::replace(&mut present.route, candidate.route);
            old.clone_from(&before.credential_name);
            true
        });
        if taken {
            self.tell_taken(&old);
        }
    }

    /// A push was taken that went by the present route, whose credential was refused or in
    /// question: if it is the new one, the old one is gone.
    pub(super) fn proved(&self, generation: u64, proof: Proof) {
        let old = {
            let mut present = self.lock();
            let is_present = present.generation == generation;
            let is_over = |it: &mut Candidate| is_present && it.is_former && it.is_proved_by(proof);
            let old = present.candidate.take_if(is_over);
            self.note_candidate(&present);
            old
        };
        if let Some(old) = old {
            self.tell_taken(&old.route.credential_name);
        }
    }

    fn tell_taken(&self, old: &str) {
        let (_, route) = self.current();
        ::log::info!(
            "{}: the new credential is taken, and used from now on: {}; the old one is not used any \
             more: {old}",
            self.lane.id(),
            route.credential_name,
        );
    }

    /// The candidate of that number was tried in vain: it was refused with a word, `why` being the
    /// sentence about it, or nothing was learnt.
    pub(super) fn candidate_failed(
        &self,
        generation: u64,
        reason: Option<&str>,
        why: &str,
        now: Moment,
    ) {
        let lane = self.lane.id();
        let random = Random::new(u64::from(now.unix.subsec_nanos())).draw();
        let mut present = self.lock();
        let in_use = Arc::clone(&present.route);
        let Some(candidate) = present.candidate(generation) else {
            return;
        };
        let holding = self.lane.holding();
        let wait = holding.wait_before_probe(candidate.tries(), random);
        let is_news = candidate.rest(reason, wait, now.monotonic);
        let (route, outlives) = (Arc::clone(&candidate.route), candidate.outlives);
        self.note_candidate(&present);
        drop(present);
        let (vendor, used) = (
            provider::of(lane.provider()).name(),
            &in_use.credential_name,
        );
        let wait = wait.as_secs_f32();
        let Some(reason) = reason else {
            ::log::warn!(
                "{lane}: the new credential was tried and nothing learnt of it: {why} ({}); the old \
                 one stays in use: {used}; next try in {wait:.1} s",
                route.credential_name,
            );
            return;
        };
        let level = if is_news {
            ::log::Level::Error
        } else {
            ::log::Level::Warn
        };
        let what = what_to_do((lane, reason), why, &route, now);
        let restart = if outlives {
            ""
        } else {
            " A restart would know the new one alone."
        };
        ::log::log!(
            level,
            "{lane}: {vendor} refuses the new credential, so that the old one stays in use and no push \
             waits or fails: {what} In use: {used}.{restart} Next try in {wait:.1} s",
        );
    }

    /// Has the candidate used in the present one's place, and the present one kept beside it, since
    /// the lane is held for the present one; when its probe goes is not changed by that.
    pub(super) fn turn(self: &Arc<Self>, now: Moment) {
        let turned = self.change_by(
            |present| self.is_to_turn() && present.swap(now.monotonic),
            |generation| self.lane.route_turned(generation),
        );
        if turned {
            self.tell_turn(now);
        }
    }

    /// Whether the candidate is to be used in the present one's place: the lane is held, and not by
    /// one push's word, unless the candidate is no worse for all that is known.
    fn is_to_turn(&self) -> bool {
        let holding = self.lane.holding();
        let is_for_all = || holding.only_witness().is_none();
        holding.is_judged() && (is_for_all() || !self.is_refused.load(Ordering::Acquire))
    }

    fn tell_turn(&self, now: Moment) {
        let (_, route) = self.current();
        ::log::info!(
            "{}: the credential in use is refused; the other one is tried: {}",
            self.lane.id(),
            route.credential_name
        );
        self.look_at_access(&route, now);
    }

    /// Has the new credential used, whether or not a push has shown that it is taken, and the old
    /// one no more. False if there is none.
    pub fn use_new_alone(self: &Arc<Self>, now: Moment) -> bool {
        let had_old = {
            let mut present = self.lock();
            let old = present.candidate.take_if(|it| it.is_former);
            self.note_candidate(&present);
            old.is_some()
        };
        let turned = self.change(now, |present| {
            let is_new = present.swap(now.monotonic);
            present.candidate = None;
            is_new
        });
        if turned {
            let (_, route) = self.current();
            self.look_at_access(&route, now);
        }
        had_old || turned
    }

    /// What a lane's credentials are, for an operator.
    pub fn shown(&self) -> ShownCredentials {
        self.lock().shown()
    }

    /// The number of the route that came last, in use or not.
    #[cfg(test)]
    pub(crate) fn latest(&self) -> u64 {
        self.lock().last
    }

    /// Looks whether a route's account gives access tokens: the present one, or the candidate.
    fn look_at_access(&self, route: &Arc<Route>, now: Moment) {
        let (is_present, candidate) = {
            let present = self.lock();
            let candidate = present.candidate.as_ref();
            let candidate = candidate.filter(|it| Arc::ptr_eq(&it.route, route) && !it.is_former);
            let candidate = candidate.map(|it| it.generation);
            (Arc::ptr_eq(&present.route, route), candidate)
        };
        if is_present {
            if matches!(route.credentials, Credentials::AccessTokens(_)) {
                self.look_at_access_token(now);
            }
            self.lane.crew().wake_all();
            return;
        }
        let Some(generation) = candidate else {
            return;
        };
        match route.credentials.access(now) {
            Access::Refused(why) | Access::RefusedInUse(why) => {
                self.candidate_failed(generation, Some(NO_ACCESS_TOKEN), &why, now);
            }
            Access::Granted => {
                if let Some(candidate) = self.lock().candidate(generation) {
                    candidate.put_off(Duration::ZERO, now.monotonic);
                }
            }
            Access::Passing(_) => {}
        }
    }

    fn note_candidate(&self, present: &Routes) {
        let candidate = present.candidate.as_ref();
        self.has_candidate
            .store(candidate.is_some(), Ordering::Release);
        let is_refused = candidate.is_some_and(|it| it.refusal().is_some());
        self.is_refused.store(is_refused, Ordering::Release);
    }

    /// Holds the lane if there is no access token and an operator has to act for one; releases it
    /// once there is.
    pub fn look_at_access_token(&self, now: Moment) {
        let (generation, route) = self.current();
        match route.credentials.access(now) {
            Access::Passing(why) => {
                if let Some(why) = why {
                    self.lane
                        .outage()
                        .cannot_reach(Lack::AccessToken, &why, now);
                }
            }
            Access::Granted => {
                self.lane.outage().has(Lack::AccessToken);
                if self.lane.has_access_token(now.monotonic) {
                    tell_release(&self.lane);
                }
            }
            Access::Refused(why) => {
                let id = self.lane.id();
                let refusal = refusal(
                    (id, NO_ACCESS_TOKEN),
                    &why,
                    &route,
                    EndsWith::AccessToken,
                    now,
                );
                self.refuse(refusal, generation, now);
            }
            Access::RefusedInUse(why) => {
                let id = self.lane.id();
                let refusal = refusal((id, NO_ACCESS_TOKEN), &why, &route, EndsWith::Probe, now);
                self.refuse(refusal, generation, now);
            }
        }
    }

    fn refuse(&self, refusal: CredentialRefusal, generation: u64, now: Moment) {
        // A clock's nanoseconds spread the first probe well enough.
        let random = Random::new(u64::from(now.unix.subsec_nanos())).draw();
        let told = self
            .lane
            .refuse(refusal, generation, None, None, now, random);
        tell_refusal(&self.lane, told);
    }

    /// Has whatever comes of a route's access tokens looked at.
    fn hear_of(self: &Arc<Self>, route: &Arc<Route>, now: Moment) {
        if let Credentials::AccessTokens(tokens) = &route.credentials {
            let present: Weak<Self> = Arc::downgrade(self);
            let its: Weak<Route> = Arc::downgrade(route);
            tokens.on_change(Box::new(move |now| {
                if let Some((present, route)) = present.upgrade().zip(its.upgrade()) {
                    present.look_at_access(&route, now);
                }
            }));
            // The first word may have come before.
            self.look_at_access(route, now);
        }
    }

    /// Whole between any two statements.
    fn lock(&self) -> std::sync::MutexGuard<'_, Routes> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A refusal, with all that an operator needs to end it.
pub(super) fn refusal(
    (lane, reason): (LaneId, &str),
    why: &str,
    route: &Route,
    ends_with: EndsWith,
    now: Moment,
) -> CredentialRefusal {
    let text = format!(
        "{} The file is read again before each probe; what else the configuration says, after a \
         reload",
        what_to_do((lane, reason), why, route, now),
    );
    CredentialRefusal {
        reason: reason.into(),
        text: text.into(),
        ends_with,
    }
}

/// Why a credential is refused, which that is, and what to do.
fn what_to_do((lane, reason): (LaneId, &str), why: &str, route: &Route, now: Moment) -> String {
    let advice = route.address.provider().advice();
    let advice = advice.iter().find(|advice| advice.reason == reason);
    let cure = advice.map_or("Look at the credential and its rights.", |it| it.cure);
    let cure = told_of(lane, cure);
    // Whatever else it may be about: what is signed by a wrong clock is taken nowhere.
    let clock = route.clock.apart(now);
    let clock = clock.filter(|clock| !why.contains(clock.as_str()));
    let clock = clock.map(|clock| format!("The time is wrong: {clock}. "));
    let clock = clock.unwrap_or_default();
    format!("{why} ({}). {clock}{cure}", route.credential_name)
}

/// Tells the operator of a refusal, once.
pub(super) fn tell_refusal(lane: &Lane, told: Refused) {
    let why = lane.holding().refusal_text().unwrap_or_default();
    match told {
        Refused::Known | Refused::Doubted => {}
        Refused::Held { wait } | Refused::HeldForOne { wait } => {
            let level = match told {
                // Others were taken a moment ago, and the next to come decides.
                Refused::HeldForOne { .. } => ::log::Level::Warn,
                _ => ::log::Level::Error,
            };
            let alone = lane.holding().only_witness().map(|push| {
                format!(
                    ". No other push has met it: the next to come is tried at once, and DELETE \
                     /push/{push} takes this one out"
                )
            });
            ::log::log!(
                level,
                "{lane}: the lane is held, its pushes wait: {why}; next probe in {:.1} s{}",
                wait.as_secs_f32(),
                alone.unwrap_or_default(),
            );
        }
        Refused::Again { wait } => ::log::warn!(
            "{lane}: the lane stays held: {why}; next probe in {:.1} s",
            wait.as_secs_f32(),
        ),
    }
}

/// Tells the operator that a lane is no longer held for its credential.
pub(super) fn tell_release(lane: &Lane) {
    ::log::info!(
        "{}: the credential is taken again, and sending goes on: {} outstanding",
        lane.id(),
        crate::push::counted(lane.room().outstanding() as u64),
    );
}

/// Tells the operator that no push is left to which the credential was refused.
pub(super) fn tell_purged_witnesses(lane: &Lane) {
    // A pause by hand goes on.
    let state = if lane.holding().is_held() {
        "held by hand alone"
    } else {
        "open again"
    };
    ::log::info!(
        "{}: the lane is {state}, as what it was held for was purged; whether the \
         credential is taken is not known",
        lane.id(),
    );
}

#[cfg(test)]
mod tests;
