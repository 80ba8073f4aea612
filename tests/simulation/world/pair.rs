//! Both lanes of a process.

use std::rc::Rc;

use super::machine::{self, Machine};
use super::{Report, World};
use crate::coverage::Coverage;
use crate::dice::Dice;
use crate::issuer::Proof;
use crate::script::Act;
use crate::site::Site;

/// Where the ids of the second lane's pushes begin.
const SECOND: u64 = 1_000_000;

/// A process with both lanes: they share its clock, its journal, its start and its end.
pub(crate) fn run(seed: u64, traced: bool) -> Vec<Report> {
    let mut dice = Dice::new(seed);
    let machine = Rc::new(Machine::new(dice.chance(700)));
    let proof = dice.one_of(&[Proof::Certificate, Proof::AuthTokens]);
    let [one, mut other] = [proof, Proof::AccessTokens].map(|proof| {
        let mut dice = Dice::new(dice.draw());
        let site = Site {
            proof,
            ..Site::of_chance(&mut dice)
        };
        World::of_chance(site, Rc::clone(&machine), dice, traced)
    });
    (other.first_id, other.next_id) = (SECOND, SECOND);
    // The process ends as a whole, and has one clock.
    let is_common = |act: &Act| matches!(act, Act::Drain | Act::Stop);
    other
        .acts
        .retain(|_, act| !is_common(act) && !matches!(act, Act::ClockJump));
    let common = one.acts.iter().filter(|(_, act)| is_common(act));
    let common: Vec<_> = common.map(|(&(at, _), act)| (at, *act)).collect();
    for (number, (at, act)) in (1_000_000..).zip(common) {
        other.acts.insert((at, number), act);
    }
    machine::run(vec![one, other])
}

/// A lane whose provider is well: alone, or beside one whose provider is anything but. What it did,
/// as a number, and what befell the other.
pub(crate) fn well_lane(seed: u64, is_alone: bool) -> ((u64, Vec<String>), Option<Coverage>) {
    let machine = Rc::new(Machine::new(true));
    let mut dice = Dice::new(seed);
    let site = Site {
        proof: Proof::AuthTokens,
        ..Site::of_chance(&mut dice)
    };
    let mut well = World {
        troubled: 0,
        ..World::of_chance(site, Rc::clone(&machine), dice, false)
    };
    let mut dice = Dice::new(seed + 1);
    let site = Site {
        proof: Proof::AccessTokens,
        ..Site::of_chance(&mut dice)
    };
    let mut sick = World {
        troubled: 500,
        ..World::of_chance(site, machine, dice, false)
    };
    (sick.first_id, sick.next_id) = (SECOND, SECOND);
    for world in [&mut well, &mut sick] {
        world
            .acts
            .retain(|_, act| !matches!(act, Act::Drain | Act::Stop | Act::ClockJump));
    }
    let worlds = if is_alone {
        vec![well]
    } else {
        vec![well, sick]
    };
    let mut reports = machine::run(worlds).into_iter();
    let well = reports.next().unwrap();
    let sick = reports.next().map(|sick| sick.coverage);
    ((well.digest_until_healed, well.violations), sick)
}
