//! A provider that is well, but for a few pushes that it answers as if the credential were bad.

use std::rc::Rc;
use std::time::Duration;

use sterna::delivery::policy::Limits;

use super::machine::Machine;
use super::{ORIGIN, World};
use crate::dice::Dice;
use crate::issuer::Proof;
use crate::reply::Plan;
use crate::script::{Act, Script};
use crate::site::Site;

/// How others come beside the poison.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    /// So many at once with it, at the beginning.
    pub(crate) burst: u32,
    /// One each, from then on.
    pub(crate) every: Duration,
    pub(crate) lasts: Duration,
    /// So many of the first are poison.
    pub(crate) poison: u64,
    /// The daemon ends and begins anew, then.
    pub(crate) restart: Option<Duration>,
}

impl World {
    /// That world.
    pub(crate) fn of_poison(
        seed: u64,
        plan: Plan,
        of_fcm: bool,
        traffic: Traffic,
        traced: bool,
    ) -> Self {
        let mut dice = Dice::new(seed);
        let proof = if of_fcm {
            Proof::AccessTokens
        } else {
            dice.one_of(&[Proof::Certificate, Proof::AuthTokens])
        };
        let site = Site {
            limits: Limits {
                retry_max: u16::try_from(dice.one_of(&[0, 3, 10])).unwrap(),
                max_age: Duration::from_secs(86_400),
                resend_unknown: true,
            },
            timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(dice.one_of(&[5, 60, 600])),
            threads: dice.one_of(&[1, 2, 4]),
            capacity: 100_000,
            lane: proof.lane(),
            proof,
            team: None,
            rate: 0,
        };
        let mut acts: Script = (0..traffic.burst)
            .map(|number| ((*ORIGIN, number), Act::Offer))
            .collect();
        let mut at = *ORIGIN;
        for number in traffic.burst.. {
            at += traffic.every;
            if at >= *ORIGIN + traffic.lasts {
                break;
            }
            acts.insert((at, number), Act::Offer);
        }
        let number = u32::MAX;
        if let Some(after) = traffic.restart {
            acts.insert((*ORIGIN + after, number), Act::Stop);
        }
        acts.insert((*ORIGIN + traffic.lasts, number), Act::Heal);
        let world = Self::of(site, Rc::new(Machine::new(true)), acts, dice, traced);
        let ids = world.first_id..world.first_id + traffic.poison;
        let mut net = world.net.borrow_mut();
        net.poison = ids.map(|id| (id, plan)).collect();
        net.wide = traffic.burst > 10;
        drop(net);
        world
    }
}
