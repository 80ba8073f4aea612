//! The route that a lane's threads use, and how it is replaced while they run.
//!
//! The lane has the number of the present route; a thread that finds another number than its own
//! takes the route here, lets its connections finish and opens new ones. What is in flight is
//! answered to the old ones.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::credential::{Access, Credentials};
use super::reasons::NO_ACCESS_TOKEN;
use super::route::Route;
use crate::jitter::Random;
use crate::lane::{CredentialRefusal, EndsWith, Lack, Lane, Prevailing, Refused};
use crate::moment::Moment;
use crate::provider::told_of;
use crate::push::LaneId;

/// A lane's present route.
#[derive(Debug)]
pub struct PresentRoute {
    lane: Arc<Lane>,
    /// With its number. Asked for by a thread that begins, so it is locked for no call of others.
    present: Mutex<(u64, Arc<Route>)>,
    /// One at a time replaces it, so that of two that come at once the last one's number stays.
    replacing: Mutex<()>,
}

impl PresentRoute {
    /// The first route of a lane.
    pub fn new(lane: &Arc<Lane>, route: Route) -> Arc<Self> {
        let generation = lane.holding().route_generation();
        let present = Arc::new(Self {
            lane: Arc::clone(lane),
            present: Mutex::new((generation, Arc::new(route))),
            replacing: Mutex::default(),
        });
        present.hear_of_access_tokens(Moment::now());
        present
    }

    /// The route and its number.
    pub fn current(&self) -> (u64, Arc<Route>) {
        let present = self.lock();
        (present.0, Arc::clone(&present.1))
    }

    /// Puts another in its place. What is in flight finishes; a refused credential is tried anew
    /// at once.
    pub fn replace(self: &Arc<Self>, route: Route, now: Moment) {
        let ended = {
            let _alone = self
                .replacing
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let mut present = self.lock();
            let generation = present.0.wrapping_add(1);
            *present = (generation, Arc::new(route));
            drop(present);
            self.lane.route_replaced(generation, now.monotonic)
        };
        if let Some(Prevailing { refusal, .. }) = ended {
            ::log::info!(
                "{}: the configuration or the credential was replaced: the alarm about pushes that \
                 failed with {} is over, and raised again if most go on to",
                self.lane.id(),
                refusal.reason,
            );
        }
        self.hear_of_access_tokens(now);
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

    /// Rings when there is news of access tokens.
    fn hear_of_access_tokens(self: &Arc<Self>, now: Moment) {
        let (_, route) = self.current();
        if let Credentials::AccessTokens(tokens) = &route.credentials {
            let present: Weak<Self> = Arc::downgrade(self);
            tokens.on_change(Box::new(move |now| {
                if let Some(present) = present.upgrade() {
                    present.look_at_access_token(now);
                    present.lane.crew().wake_all();
                }
            }));
            // The first word may have come before.
            self.look_at_access_token(now);
        }
    }

    /// Two fields that are written together.
    fn lock(&self) -> std::sync::MutexGuard<'_, (u64, Arc<Route>)> {
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
    let advice = route.address.provider().advice();
    let advice = advice.iter().find(|advice| advice.reason == reason);
    let cure = advice.map_or("Look at the credential and its rights.", |it| it.cure);
    let cure = told_of(lane, cure);
    // Whatever else it may be about: what is signed by a wrong clock is taken nowhere.
    let clock = route.clock.apart(now);
    let clock = clock.filter(|clock| !why.contains(clock.as_str()));
    let clock = clock.map(|clock| format!("The time is wrong: {clock}. "));
    let clock = clock.unwrap_or_default();
    let text = format!(
        "{why} ({}). {clock}{cure} The file is read again before each probe; what else the configuration \
         says, after a reload",
        route.credential_name,
    );
    CredentialRefusal {
        reason: reason.into(),
        text: text.into(),
        ends_with,
    }
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
