//! The lanes of a process.

use std::rc::Rc;
use std::time::Duration;

use sterna::push::LaneId;

use super::machine::{self, Machine};
use super::{Report, World};
use crate::coverage::Coverage;
use crate::dice::Dice;
use crate::issuer::Proof;
use crate::script::Act;
use crate::site::Site;

/// So many ids has each lane at most.
const IDS: u64 = 1_000_000;

/// What the apps of the lanes are called.
const NAMES: [&str; 5] = ["one", "two", "three", "four", "five"];

/// A process with some lanes, to either provider: they share its clock, its journal, its start and
/// its end.
pub(crate) fn run(seed: u64, traced: bool) -> Vec<Report> {
    let mut dice = Dice::new(seed);
    let machine = Machine::new(dice.chance(700));
    let many = dice.one_of(&[1, 2, 3, 4, 5]);
    // Each lane needs one when all are busy.
    let beyond = Dice::new(dice.draw()).one_of(&[0, 1, 2, usize::MAX - many]);
    let machine = Rc::new(machine.bounded(many + beyond));
    // Lanes of one team's key hand each other connections.
    let teams = dice.chance(700).then(|| dice.one_of(&[1, 1, 2]));
    let idle_timeout = [None, Some(5), Some(60), Some(600)][usize::try_from(seed % 4).unwrap()];
    let idle_timeout = idle_timeout.map(Duration::from_secs);
    let proofs = [Proof::Certificate, Proof::AuthTokens, Proof::AccessTokens];
    let common = dice.chance(600).then(|| dice.one_of(&proofs));
    let numbered = (1_u64..).zip(NAMES).take(many);
    let mut lanes: Vec<World> = numbered
        .map(|(number, name)| {
            let mut dice = Dice::new(dice.draw());
            let proof = common.unwrap_or_else(|| dice.one_of(&proofs));
            let team = teams.map(|teams| dice.between(1, teams));
            let by_chance = Site::of_chance(&mut dice);
            let site = Site {
                proof,
                // Those of a team that keep theirs for different times share none.
                idle_timeout: idle_timeout.unwrap_or(by_chance.idle_timeout),
                team,
                lane: LaneId::of(name, proof.lane().provider(), None).unwrap(),
                ..by_chance
            };
            let mut world = World::of_chance(site, Rc::clone(&machine), dice, traced);
            world.begin_ids((number - 1) * IDS + 1);
            world.scheduling(seed + number)
        })
        .collect();
    // The process ends as a whole, and has one clock.
    let is_common = |act: &Act| matches!(act, Act::Drain | Act::Stop);
    let common = lanes[0].acts.iter().filter(|(_, act)| is_common(act));
    let common: Vec<_> = common.map(|(&(at, _), act)| (at, *act)).collect();
    for other in lanes.iter_mut().skip(1) {
        other
            .acts
            .retain(|_, act| !is_common(act) && !matches!(act, Act::ClockJump));
        for (number, (at, act)) in (1_000_000..).zip(&common) {
            other.acts.insert((*at, number), *act);
        }
    }
    machine::run(lanes)
}

/// A lane whose provider is well: alone, or beside one whose provider is anything but. What it did,
/// as a number, and what befell the other.
pub(crate) fn well_lane(seed: u64, is_alone: bool) -> ((u64, Vec<String>), Option<Coverage>) {
    let machine = Rc::new(Machine::new(true));
    let mut dice = Dice::new(seed);
    let site = Site {
        proof: Proof::AuthTokens,
        lane: Proof::AuthTokens.lane(),
        ..Site::of_chance(&mut dice)
    };
    let mut well = World {
        troubled: 0,
        ..World::of_chance(site, Rc::clone(&machine), dice, false)
    };
    let mut dice = Dice::new(seed + 1);
    let site = Site {
        proof: Proof::AccessTokens,
        lane: Proof::AccessTokens.lane(),
        ..Site::of_chance(&mut dice)
    };
    let mut sick = World {
        troubled: 500,
        ..World::of_chance(site, machine, dice, false)
    };
    sick.begin_ids(IDS + 1);
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
