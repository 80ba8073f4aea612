//! Delivery in a world made of chance: the real lane, policy, session, requests and HTTP/2 of both
//! roles, on one thread, in virtual time; no socket, no clock, no waiting.
//!
//! ```text
//!  world ── script: requests, outages, clock jumps, shutdown
//!    │
//!  desk ── lane, policy, session, http2 client         provider ── http2 server, strict APNs
//!    └──── net: late, in pieces, cut at any byte ────────┘
//!                       wire, ledger: what passed by, and whether it is as promised
//! ```
//!
//! A seed is a world. One that fails is printed with the command that plays it again, with its
//! story; `STERNA_SIM_SEEDS=N` plays more than the fixed set.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a world that is not as it should be ends the test"
)]
#![expect(clippy::print_stderr, reason = "how many worlds, and which one failed")]

mod coverage;
mod dice;
mod frames;
mod issuer;
mod journal;
mod ledger;
mod net;
mod provider;
mod reply;
mod script;
mod seat;
mod site;
mod trouble;
mod wire;
mod world;

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use coverage::{Coverage, Kind};
use issuer::Proof;
use reply::Plan;
use world::poison::Traffic;
use world::{Report, World};

/// Worlds of the fixed set.
const FIXED: u64 = 1000;
/// Lines of a failing world's story that are printed; `STERNA_SIM_SEED` prints all.
const STORY_LINES: usize = 60;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}: {text:?} is no number")),
    )
}

fn play(seed: u64, traced: bool) -> Report {
    catch_unwind(AssertUnwindSafe(|| World::new(seed, traced).run())).unwrap_or_else(|_| {
        eprintln!("{}", command(seed));
        panic!("seed {seed} panicked");
    })
}

/// What comes of each of these seeds, in their order; as many at once as there are cores.
fn each<T: Send>(seeds: Range<u64>, play: impl Fn(u64) -> T + Sync) -> Vec<T> {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicU64::new(seeds.start);
    let some = || {
        let mut played = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return played;
            }
            played.push((seed, play(seed)));
        }
    };
    let mut played: Vec<(u64, T)> = thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(some)).collect();
        let of_each = threads.into_iter().map(thread::ScopedJoinHandle::join);
        let of_each = of_each.map(|played| played.unwrap_or_else(|panic| resume_unwind(panic)));
        of_each.flatten().collect()
    });
    played.sort_by_key(|(seed, _)| *seed);
    played.into_iter().map(|(_, played)| played).collect()
}

fn command(seed: u64) -> String {
    format!("STERNA_SIM_SEED={seed} cargo test --test simulation promises -- --nocapture")
}

/// Panics with the story of a failing seed.
fn fail(seed: u64, report: &Report) -> ! {
    let story = play(seed, true).trace;
    let from = match number("STERNA_SIM_SEED") {
        Some(_) => 0,
        None => story.len().saturating_sub(STORY_LINES),
    };
    for line in &story[from..] {
        eprintln!("{line}");
    }
    panic!(
        "seed {seed}:\n{}\nplay it again: {}",
        report.violations.join("\n"),
        command(seed)
    );
}

#[test]
fn promises_hold_in_every_world() {
    let one = number("STERNA_SIM_SEED");
    let first = one.or(number("STERNA_SIM_FIRST")).unwrap_or(1);
    let worlds = match one {
        Some(_) => 1,
        None => number("STERNA_SIM_SEEDS").unwrap_or(FIXED),
    };
    let mut coverage = Coverage::default();
    let mut pushes = 0;
    let mut busiest = 0;
    let mut failed = Vec::new();
    let reports = each(first..first + worlds, |seed| play(seed, false));
    for (seed, report) in (first..).zip(reports) {
        coverage.add(&report.coverage);
        pushes += report.pushes;
        busiest = busiest.max(report.busiest);
        if !report.violations.is_empty() {
            if number("STERNA_SIM_ALL").is_none() {
                fail(seed, &report);
            }
            eprintln!("seed {seed}: {}", report.violations[0]);
            failed.push(seed);
        }
    }
    eprintln!(
        "{worlds} worlds from seed {first}, {pushes} pushes, at most {busiest} rounds of a \
         thread in a second that no byte asked for; what happened:\n{coverage}"
    );
    assert!(
        failed.is_empty(),
        "{} seeds failed: {failed:?}",
        failed.len()
    );
    if one.is_none() && worlds >= FIXED {
        let missing = coverage.missing();
        assert!(missing.is_empty(), "never happened: {missing:?}");
    }
}

#[test]
fn a_seed_is_always_the_same_world() {
    each(1..21, |seed| {
        let [one, other] = [false, true].map(|traced| play(seed, traced).digest);
        assert_eq!(one, other, "seed {seed}");
    });
}

#[test]
fn two_minutes_of_50_percent_503_cost_the_provider_at_most_a_fifth_more() {
    each(1..3, |threads| {
        let report = World::of_bad_minutes(threads, usize::try_from(threads).unwrap()).run();
        assert_eq!(report.violations, [] as [String; 0]);
        let (offered, seen) = (report.pushes, report.seen_until_healed);
        assert_eq!(offered, 24_000);
        assert!(seen * 10 <= offered * 12, "{seen} of {offered}");
        assert!(
            seen * 10 > offered * 11,
            "the budget is used: {seen} of {offered}"
        );
        let given_up = [Kind::GaveUp, Kind::Expired].map(|kind| report.coverage.of(kind));
        assert_eq!(given_up, [0, 0], "every push is taken in the end");
        assert!(
            report.lasted < Duration::from_secs(20 * 60),
            "none is forgotten: {:?}",
            report.lasted
        );
        eprintln!(
            "{seen} requests for {offered} pushes, all taken after {:?}",
            report.lasted
        );
    });
}

#[test]
fn an_alarm_stands_while_no_device_token_is_good_and_is_over_when_they_are() {
    each(1..3, |threads| {
        let world = World::of_wrong_tokens(threads, usize::try_from(threads).unwrap());
        let lane = world.lane();
        let report = world.run();
        assert_eq!(report.violations, [] as [String; 0]);
        assert_eq!(lane.prevailing(), None);
    });
}

/// Many others come beside it.
const BUSY: Traffic = Traffic {
    burst: 50,
    every: Duration::from_millis(100),
    lasts: Duration::from_secs(100),
    poison: 1,
    restart: None,
};

/// Few do.
const QUIET: Traffic = Traffic {
    burst: 4,
    every: Duration::from_secs(8),
    lasts: Duration::from_secs(400),
    ..BUSY
};

/// Another comes when it has been alone for long.
const RARE: Traffic = Traffic {
    burst: 2,
    every: Duration::from_secs(100),
    lasts: Duration::from_secs(1000),
    ..BUSY
};

const RESTARTED: Traffic = Traffic {
    burst: 4,
    every: Duration::from_millis(700),
    lasts: Duration::from_secs(150),
    restart: Some(Duration::from_secs(20)),
    ..BUSY
};

/// Whatever row of the providers' tables it is that a push is always answered with: others are
/// taken in time, and the poison fails by its own answer.
#[test]
fn no_push_holds_a_lane_while_another_would_pass() {
    let secs = Duration::from_secs;
    let alone = [BUSY, QUIET, RARE, RESTARTED].map(|traffic| (traffic, secs(3)));
    // Those that are alone at first look like a bad credential, until the first probe or the next.
    let several = [(BUSY, 100), (RESTARTED, 400)].map(|(traffic, lasts)| {
        let traffic = Traffic {
            poison: 3,
            lasts: secs(lasts),
            ..traffic
        };
        (traffic, secs(90))
    });
    let rows = |of_fcm| {
        if of_fcm {
            reply::FCM_STOPPING
        } else {
            reply::APNS_STOPPING
        }
    };
    let plans = |of_fcm| rows(of_fcm).iter().copied().map(Plan::Answer).collect();
    for (traffic, within) in alone.into_iter().chain(several) {
        beside_each(traffic, plans, |_, report| {
            let of = |kind| report.coverage.of(kind);
            let [contradicted, failed] = [Kind::Contradicted, Kind::SingledOut].map(of);
            let is_right = failed == traffic.poison && contradicted == 3 * failed;
            (report.slowest <= within && is_right)
                .then_some(())
                .ok_or_else(|| format!("{contradicted} contradicted, {failed} failed"))
        });
    }
}

/// Whatever else it is that always becomes of its request, or of the connection by that. What is
/// lost with its connection may have had its attempts by then.
#[test]
fn no_push_holds_a_lane_by_what_becomes_of_its_request() {
    let busy = Traffic {
        lasts: Duration::from_secs(20),
        ..BUSY
    };
    for traffic in [busy, QUIET, RARE] {
        beside_each(traffic, reply::poison, |plan, report| {
            let taken = report.coverage.of(Kind::Succeeded) + traffic.poison;
            let is_taken = taken >= report.pushes || matches!(plan, Plan::Close(_));
            let is_right = is_taken && report.slowest <= Duration::from_secs(10);
            let why = || format!("{taken} of {} taken", report.pushes);
            is_right.then_some(()).ok_or_else(why)
        });
    }
}

/// What comes of others beside poison of each of these plans of either provider has to be right.
fn beside_each(
    traffic: Traffic,
    plans: impl Fn(bool) -> Vec<Plan>,
    check: impl Fn(Plan, &Report) -> Result<(), String> + Sync,
) {
    let of = |of_fcm| plans(of_fcm).into_iter().map(move |plan| (of_fcm, plan));
    let poisons: Vec<_> = [false, true].into_iter().flat_map(of).collect();
    each(1..poisons.len() as u64 + 1, |seed| {
        let (of_fcm, plan) = poisons[usize::try_from(seed - 1).unwrap()];
        let world = |traced| World::of_poison(seed, plan, of_fcm, traffic, traced);
        let report = world(false).run();
        let found = check(plan, &report);
        if found.is_err() || !report.violations.is_empty() {
            for line in world(true).run().trace {
                eprintln!("{line}");
            }
            panic!(
                "{traffic:?} beside {plan:?}: {:?}; {found:?}, and another waited {:?}",
                report.violations, report.slowest
            );
        }
    });
}

/// Whether the new one is good or refused for two minutes, and whether the daemon ends and begins
/// anew meanwhile: what must be true of each push is what the ledger looks after.
#[test]
fn a_new_credential_is_tried_by_one_push_at_a_time_and_costs_none() {
    let proofs = [Proof::Certificate, Proof::AuthTokens, Proof::AccessTokens];
    let ways = [false, true].map(|refused| [false, true].map(|restarted| (refused, restarted)));
    let ways: Vec<_> = ways.into_iter().flatten().collect();
    let all = proofs.len() * ways.len();
    each(1..2 * all as u64 + 1, |seed| {
        let nth = usize::try_from(seed).unwrap() % all;
        let (proof, way) = (proofs[nth % proofs.len()], ways[nth / proofs.len()]);
        let world = |traced| World::of_rotation(seed, proof, way, traced);
        let report = world(false).run();
        let [tried, refused, used] = report.trials;
        let taken = report.coverage.of(Kind::Succeeded);
        let is_right = report.violations.is_empty()
            && (taken, used) == (report.pushes, 1)
            && (refused > 1) == way.0
            && tried == refused + 1
            && report.slowest <= Duration::from_secs(5);
        if !is_right {
            for line in world(true).run().trace {
                eprintln!("{line}");
            }
            let (violations, pushes, slowest) = (report.violations, report.pushes, report.slowest);
            panic!(
                "seed {seed}, {proof:?}, {way:?}: {violations:?}; {taken} of {pushes} taken, \
                 {tried} tried, {refused} refused, {used} used; one waited {slowest:?}"
            );
        }
    });
}

/// With one clock, one journal, one start and one end.
#[test]
fn promises_hold_with_any_number_of_lanes_in_one_process() {
    let one = number("STERNA_SIM_PROCESS");
    let worlds = one.map_or(number("STERNA_SIM_SEEDS").unwrap_or(FIXED) / 5, |_| 1);
    let first = one.or(number("STERNA_SIM_FIRST")).unwrap_or(1);
    let (mut coverage, mut pushes, mut taken_over) = (Coverage::default(), 0, 0);
    let reports = each(first..first + worlds, |seed| {
        world::process::run(seed, one.is_some())
    });
    for (seed, reports) in (first..).zip(reports) {
        for report in reports {
            for line in &report.trace {
                eprintln!("{line}");
            }
            assert!(
                report.violations.is_empty(),
                "process {seed}:\n{}\nplay it again: STERNA_SIM_PROCESS={seed} \
                 cargo test --test simulation number_of_lanes -- --nocapture",
                report.violations.join("\n")
            );
            coverage.add(&report.coverage);
            pushes += report.pushes;
            taken_over += report.taken_over;
        }
    }
    eprintln!(
        "{worlds} processes from seed {first}, {pushes} pushes, {taken_over} connections taken \
         over {:?}",
        coverage.missing()
    );
    if one.is_none() && worlds >= FIXED / 5 {
        let needed = [
            Kind::Restarted,
            Kind::PushResumed,
            Kind::AuthTokenKept,
            Kind::BoundReached,
        ];
        for kind in needed {
            assert!(coverage.of(kind) > 0, "{kind:?} never happened");
        }
        assert!(taken_over > 0, "no lane had another's connection");
    }
}

/// To the byte and the nanosecond: what a lane does does not depend on what befalls the other.
#[test]
fn a_sick_lane_does_not_touch_a_well_one() {
    let coverages = each(1..51, |seed| {
        let [(alone, none), (beside, sick)] =
            [true, false].map(|alone| world::process::well_lane(seed, alone));
        assert!(none.is_none(), "it was not alone");
        assert_eq!(alone, beside, "seed {seed}");
        assert!(alone.1.is_empty(), "{:?}", alone.1);
        sick.unwrap()
    });
    let mut sick = Coverage::default();
    for of_one in &coverages {
        sick.add(of_one);
    }
    for kind in [
        Kind::DialRefused,
        Kind::ResetInAnswer,
        Kind::Vanished,
        Kind::StalledDown,
        Kind::AbruptGoAway,
        Kind::LimitZero,
        Kind::RetriedRefusal,
        Kind::Quota,
        Kind::AccessTokenRefused,
        Kind::ExchangeFailed,
        Kind::NeverAnswered,
    ] {
        assert!(sick.of(kind) > 0, "{kind:?} never befell the sick one");
    }
}
