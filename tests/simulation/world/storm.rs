//! Two bad minutes of APNs: every second push is answered 503, while pushes go on coming.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use sterna::delivery::policy::Limits;
use sterna::lane::Lane;
use sterna::moment::Moment;
use sterna::provider::{self, Site as BuiltAs, Unused};
use sterna::push::{DeviceToken, LaneId, Notification, Push, PushId};

use super::machine::Machine;
use super::{ORIGIN, World};
use crate::dice::Dice;
use crate::issuer::Proof;
use crate::reply;
use crate::script::{Act, Script};
use crate::site::Site;

/// How long every second answer is a 503.
const BAD: Duration = Duration::from_secs(120);
/// Between two pushes that are offered.
const EVERY: Duration = Duration::from_millis(5);

impl World {
    /// That world, with as many threads.
    pub(crate) fn of_bad_minutes(seed: u64, threads: usize) -> Self {
        let world = Self::of_offers(seed, threads, EVERY, BAD);
        world.net.borrow_mut().half_unavailable = true;
        world
    }

    /// As long no device token is good, and then each is.
    pub(crate) fn of_wrong_tokens(seed: u64, threads: usize) -> Self {
        let world = Self::of_offers(seed, threads, 10 * EVERY, 2 * BAD);
        world.net.borrow_mut().refusing = Some(reply::refused_tokens());
        world
    }

    /// Its lane, to be looked at when all is over.
    pub(crate) fn lane(&self) -> Arc<Lane> {
        Arc::clone(&self.lane)
    }

    /// Pushes come one by one; the provider is well after its bad minutes.
    fn of_offers(seed: u64, threads: usize, every: Duration, lasts: Duration) -> Self {
        let site = Site {
            limits: Limits {
                retry_max: 10,
                max_age: Duration::from_secs(86_400),
                resend_unknown: true,
            },
            timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            threads,
            capacity: 100_000,
            lane: LaneId::IOS,
            proof: Proof::Certificate,
            team: None,
            rate: 0,
        };
        let offers = (0_u32..).map(|number| (*ORIGIN + every * number, number));
        let offers = offers.take_while(|(at, _)| *at < *ORIGIN + lasts);
        let mut acts: Script = offers.map(|key| (key, Act::Offer)).collect();
        acts.insert((*ORIGIN + BAD, u32::MAX), Act::Heal);
        Self::of(
            site,
            Rc::new(Machine::new(false)),
            acts,
            Dice::new(seed),
            false,
        )
    }

    /// A push of no particular kind comes.
    pub(super) fn offer(&mut self, at: Moment) {
        let lane = self.site.lane;
        let mut notification = Notification::empty(lane);
        notification.message = "x".repeat(100).into();
        let (site, mut unused) = (BuiltAs::default(), Unused::default());
        let vendor = provider::of(lane.provider());
        let built = vendor.build(&mut notification, &site, at, &mut unused);
        let accepted = Arc::new(provider::accept(
            &notification,
            &built.unwrap(),
            [DeviceToken::new(format!("{:016x}", self.next_id))],
            PushId(self.next_id),
            at,
        ));
        self.next_id += 1;
        let reservation = self.lane.room().reserve(1).unwrap();
        self.net.borrow_mut().ledger.accept(&accepted);
        if let Some(journal) = &self.machine.journal {
            journal.append(&accepted);
        }
        self.lane
            .enqueue(reservation, Push::all(&accepted).collect());
    }
}
