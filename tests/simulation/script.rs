//! What happens to a world from outside, and when.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::dice::Dice;

/// What is to happen, in its order.
pub(crate) type Script = BTreeMap<(Instant, u32), Act>;

/// What is to happen.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Accept,
    /// One push that may take its time.
    Offer,
    PusherMax,
    ClockJump,
    /// No connection is made.
    Outage,
    /// Whatever comes is refused, and asked to wait.
    UsedUp,
    /// By hand.
    Pause,
    Resume,
    /// What waits under a name is taken out.
    Purge,
    /// One push is taken out, wherever it is.
    PurgeOne,
    /// The credential files have changed.
    Reload,
    /// Of a thread.
    Panic,
    /// Threads do not run for a while, and wake without a word of what has come.
    Standstill,
    Heal,
    Drain,
    Stop,
}

/// Requests, and what the operator and the machine do meanwhile.
pub(crate) fn of_chance(origin: Instant, ends: Duration, dice: &mut Dice) -> Script {
    let ends_ms = u64::try_from(ends.as_millis()).unwrap();
    let mut acts = BTreeMap::new();
    let mut number = 0;
    let mut add = |at: Duration, act| {
        number += 1;
        acts.insert((origin + at, number), act);
    };
    for _ in 0..dice.between(1, 12) {
        add(dice.millis(0, ends_ms), Act::Accept);
    }
    for (act, per_mille) in [
        (Act::PusherMax, 200),
        (Act::PusherMax, 200),
        (Act::ClockJump, 200),
        (Act::ClockJump, 200),
        (Act::Outage, 150),
        (Act::UsedUp, 200),
        (Act::Reload, 100),
        (Act::Purge, 150),
        (Act::Purge, 100),
        (Act::PurgeOne, 300),
        (Act::PurgeOne, 300),
        (Act::Panic, 150),
        (Act::Panic, 50),
        (Act::Standstill, 200),
        (Act::Standstill, 200),
    ] {
        if dice.chance(per_mille) {
            add(dice.millis(0, ends_ms), act);
        }
    }
    if dice.chance(150) {
        let paused = dice.millis(0, ends_ms);
        add(paused, Act::Pause);
        add(paused + dice.millis(0, 200_000), Act::Resume);
    }
    if dice.chance(250) {
        let drain = dice.millis(0, ends_ms);
        add(drain, Act::Drain);
        let patience = dice.one_of(&[1, 5000, 60_000]);
        add(drain + dice.millis(0, patience), Act::Stop);
    }
    add(ends + dice.millis(0, 120_000), Act::Heal);
    acts
}
