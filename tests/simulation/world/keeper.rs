//! Who keeps the lane's credential: the thread that reads its files again while it is refused, and
//! the one that asks for access tokens.

use std::time::{Duration, Instant};

use sterna::delivery::credential::Credentials;
use sterna::oauth::Class;

use super::World;
use crate::coverage::Kind;

#[derive(Default)]
pub(super) struct Keeper {
    /// The files are being read, until then.
    reading: Option<Instant>,
    asking: Option<Asking>,
}

/// An access token is being asked for.
struct Asking {
    since: Instant,
    until: Instant,
    /// For that route.
    generation: u64,
}

impl World {
    /// When the keeper has something to do.
    pub(super) fn keeper_next(&self) -> Option<Instant> {
        let (_, route) = self.present_route.current();
        let asks_at = match (&route.credentials, &self.keeper.asking) {
            (Credentials::AccessTokens(tokens), None) => Some(tokens.asks_at(self.now)),
            (_, asking) => asking.as_ref().map(|asking| asking.until),
        };
        let reading = self.keeper.reading.or(self.lane.holding().next_reading());
        [asks_at, reading].into_iter().flatten().min()
    }

    /// Lets the keeper do what is due.
    pub(super) fn keep(&mut self) -> bool {
        let read = self.read_files();
        self.ask_for_access_token() | read
    }

    fn read_files(&mut self) -> bool {
        // It is one thread, which may be stuck.
        if self.keeper.reading.is_none() && self.lane.holding().begin_reading(self.now) {
            let dice = &mut self.net.borrow_mut().dice;
            let stuck = dice.chance(50);
            let takes = if stuck {
                dice.millis(31_000, 100_000)
            } else {
                dice.millis(0, 100)
            };
            self.keeper.reading = Some(self.now + takes);
            return true;
        }
        if self.keeper.reading.take_if(|at| *at <= self.now).is_none() {
            return false;
        }
        self.count(Kind::FilesRead);
        let has_changed = self.net.borrow_mut().dice.chance(200);
        if has_changed {
            self.replace_route();
        } else {
            self.present_route
                .current()
                .1
                .credentials
                .ask_again(self.moment());
        }
        let random = self.net.borrow_mut().dice.draw();
        self.lane.credential_read(self.now, random);
        true
    }

    /// Another credential.
    pub(super) fn replace_route(&mut self) {
        if self.try_new_credential() {
            return;
        }
        self.count(Kind::RouteReplaced);
        let (generation, _) = self.present_route.current();
        self.key += 1;
        let moment = self.moment();
        let net = &mut *self.net.borrow_mut();
        let route = self.site.route(self.key, &net.issuer, moment);
        self.present_route.replace(route, moment);
        net.ledger.replaced(generation + 1, self.now);
        net.let_all_be_replaced();
        net.ledger
            .tell(self.now, generation, || "another credential".to_owned());
    }

    fn ask_for_access_token(&mut self) -> bool {
        let (generation, route) = self.present_route.current();
        let Credentials::AccessTokens(tokens) = &route.credentials else {
            return false;
        };
        let moment = self.moment();
        let Some(asking) = &self.keeper.asking else {
            let wanted = tokens.asks_at(self.now) <= self.now;
            if wanted {
                let dice = &mut self.net.borrow_mut().dice;
                let slow = dice.chance(self.troubled / 4);
                let takes = if slow { 20_000 } else { 1000 };
                let until = self.now + dice.millis(10, takes);
                self.keeper.asking = Some(Asking {
                    since: self.now,
                    until,
                    generation,
                });
            }
            return wanted;
        };
        if asking.until > self.now {
            return false;
        }
        let since = asking.since;
        let is_old = asking.generation != generation;
        self.keeper.asking = None;
        if is_old {
            return true;
        }
        let mut net = self.net.borrow_mut();
        if net.dice.chance(self.troubled / 2) {
            let class = net.dice.one_of(&[
                Class::Passing,
                Class::Passing,
                Class::Clock,
                Class::Stopping,
            ]);
            let retry_after = net.dice.chance(300).then(|| net.dice.millis(1000, 900_000));
            net.ledger.coverage.count(match class {
                Class::Passing => Kind::ExchangeFailed,
                Class::Clock => Kind::ExchangeClock,
                Class::Stopping => Kind::ExchangeStopped,
            });
            net.ledger
                .tell(self.now, 5, || format!("no access token: {class:?}"));
            drop(net);
            tokens.failed(class, "no access token", retry_after, since, moment);
        } else {
            let life = Duration::from_secs(net.dice.one_of(&[20, 120, 3600]));
            let token = net.issuer.issue(self.key_in_use(), life, since);
            net.ledger.coverage.count(Kind::AccessTokenIssued);
            net.ledger
                .tell(self.now, 6, || format!("access token {token} for {life:?}"));
            drop(net);
            // The lane may have been held for want of one: nothing that an answer closed opens.
            tokens.granted(token, life, since, moment);
        }
        true
    }

    pub(super) fn count(&self, kind: Kind) {
        self.net.borrow_mut().ledger.coverage.count(kind);
    }
}
