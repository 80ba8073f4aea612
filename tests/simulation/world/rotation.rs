//! A change of credentials: the provider is well, and refuses the new one for a while, or not.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sterna::delivery::credential::Credentials;
use sterna::delivery::policy::Limits;
use sterna::delivery::route::Route;

use super::machine::Machine;
use super::{ORIGIN, World};
use crate::dice::Dice;
use crate::issuer::Proof;
use crate::script::{Act, Script};
use crate::site::Site;

/// Between two pushes.
const EVERY: Duration = Duration::from_millis(700);
/// So long pushes come.
const LASTS: Duration = Duration::from_secs(500);
/// The new credential comes with the push of that number …
const CHANGED: u32 = 43;
/// … and is good from that one on.
const GOOD: u32 = 214;

/// What a world knows that tries new credentials.
pub(super) struct Rotation {
    /// The key in use.
    key: u64,
    /// The last number of a route.
    last: u64,
}

impl World {
    /// That world; `is_restarted` while the new credential is refused.
    pub(crate) fn of_rotation(
        seed: u64,
        proof: Proof,
        (is_refused, is_restarted): (bool, bool),
        traced: bool,
    ) -> Self {
        let mut dice = Dice::new(seed);
        let site = Site {
            limits: Limits {
                retry_max: 0,
                max_age: Duration::from_secs(86_400),
                resend_unknown: true,
            },
            timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(600),
            threads: dice.one_of(&[1, 2, 4]),
            capacity: 100_000,
            lane: proof.lane(),
            proof,
            team: None,
            rate: 0,
        };
        let offers = (0_u32..).map(|number| (*ORIGIN + EVERY * number, number));
        let offers = offers.take_while(|(at, _)| *at < *ORIGIN + LASTS);
        let mut acts: Script = offers.map(|key| (key, Act::Offer)).collect();
        let mut add = |nth: u32, number, act| acts.insert((*ORIGIN + EVERY * nth, number), act);
        add(CHANGED, u32::MAX - 1, Act::Reload);
        if is_restarted {
            // With a push that has just come; a good one is tried by the next process alone.
            let ends = CHANGED + if is_refused { 20 } else { 0 };
            add(ends, u32::MAX, Act::Stop);
        }
        add(GOOD, u32::MAX, Act::Heal);
        let mut world = Self::of(site, Rc::new(Machine::new(true)), acts, dice, traced);
        let (last, _) = world.present_route.current();
        world.rotation = Some(Rotation { key: 0, last });
        let mut net = world.net.borrow_mut();
        net.issuer.keys_by_route.insert(last, 0);
        if is_refused {
            net.issuer.refused = BTreeSet::from([1]);
        }
        drop(net);
        world
    }

    /// The number of a route: what is tried has a connection of its own.
    pub(super) fn number_of(&self, route: &Arc<Route>) -> u64 {
        let (present, in_use) = self.present_route.current();
        let trial = self.rotation.as_ref().map(|known| known.last);
        let trial = trial.filter(|_| !Arc::ptr_eq(route, &in_use));
        trial.unwrap_or(present)
    }

    /// A route with the new credential, which has an access token if it needs one.
    fn new_route(&self) -> Route {
        let moment = self.moment();
        let issuer = &mut self.net.borrow_mut().issuer;
        let route = self.site.route(self.key, issuer, moment);
        if let Credentials::AccessTokens(tokens) = &route.credentials {
            let life = Duration::from_secs(3600);
            let token = issuer.issue(self.key, life, self.now);
            tokens.granted(token, life, self.now, moment);
        }
        route
    }

    /// A new credential is to be tried, where it is; false in a world in which it is used at once.
    pub(super) fn try_new_credential(&mut self) -> bool {
        if self.rotation.is_none() {
            return false;
        }
        self.key += 1;
        self.try_out();
        true
    }

    fn try_out(&mut self) {
        let route = self.new_route();
        let Some(rotation) = &mut self.rotation else {
            return;
        };
        rotation.last += 1;
        let mut net = self.net.borrow_mut();
        net.issuer.keys_by_route.insert(rotation.last, self.key);
        net.ledger.trial.begin(rotation.last);
        drop(net);
        self.present_route.try_out(route, true, self.moment());
    }

    /// The key in use, with which another process begins, too: both are named in its file.
    pub(super) fn key_in_use(&self) -> u64 {
        self.rotation.as_ref().map_or(self.key, |known| known.key)
    }

    /// Another process has its first route, and tries the new credential if it is not that.
    pub(super) fn go_on_trying(&mut self) {
        let (last, _) = self.present_route.current();
        let Some(rotation) = &mut self.rotation else {
            return;
        };
        rotation.last = last;
        let key = rotation.key;
        self.net.borrow_mut().issuer.keys_by_route.insert(last, key);
        if key != self.key {
            self.try_out();
        }
    }

    /// Looks which credential is in use after a round.
    pub(super) fn look_at_credential(&mut self) {
        let Some(rotation) = &mut self.rotation else {
            return;
        };
        let (generation, _) = self.present_route.current();
        let net = &mut *self.net.borrow_mut();
        if generation != net.ledger.hold.generation() {
            rotation.key = self.key;
            if let Some(fault) = net.ledger.trial.is_used(generation) {
                net.ledger.violate(self.now, fault);
            }
            net.ledger.replaced(generation, self.now);
            net.let_all_be_replaced();
        }
        if self.lane.holding().is_held() {
            net.ledger
                .violate(self.now, "the lane is held for a new credential");
        }
    }
}
