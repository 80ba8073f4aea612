//! The same before a server that breaks no rule of HTTP/2 and has manners that neither the
//! simulator nor the `h2` crate can be brought to: frames that move nothing, answers in crumbs,
//! windows given back in driblets, answers that have a head and no end.
//!
//! `STERNA_LEDGER_PUSHES=20100` plays each manner alone, beside all of them at once.

mod server;

use self::server::{Manners, Odd, Rest};
use crate::foreign::play_before;
use crate::play::{Outcome, each};

/// Each push is taken once, on few connections.
#[track_caller]
fn check_once(what: &str, pushes: u64, manners: Manners) -> Vec<Outcome> {
    // With content that takes a window some steps to be given back.
    let start = |directory: &_, others: &_| Odd::start(manners, directory, others);
    let outcomes = play_before(what, pushes, 600, start);
    for Outcome {
        findings,
        connections,
        ..
    } in &outcomes
    {
        let taken = (findings.succeeded, findings.doubled, findings.maybe_sent);
        let expected = usize::try_from(pushes).unwrap();
        assert_eq!(taken, (expected, 0, 0), "{what}: {findings:?}");
        assert!(connections.used <= 2, "{what}: {connections:?}");
    }
    outcomes
}

/// All of it at once, with each answer.
const ALL: Manners = Manners {
    pings: 1,
    unknown: 1,
    settings: 1,
    churn: true,
    priorities: true,
    interims: 9,
    crumbs: true,
    padding: true,
    pieces: true,
    resets_behind: true,
    step: Some(128),
    list_size: None,
    rest: Rest::Comes,
};

#[test]
fn a_server_of_odd_manners_gets_each_push_once() {
    check_once("odd manners", 1_500, ALL);
}

#[test]
fn each_odd_manner_alone_costs_no_connection() {
    let asked = std::env::var("STERNA_LEDGER_PUSHES").ok();
    let pushes = asked.map_or(60, |asked| asked.parse().expect("a number of pushes"));
    let none = Manners::default;
    let cases = [
        ("a PING", Manners { pings: 1, ..none() }),
        (
            "ten PINGs",
            Manners {
                pings: 10,
                ..none()
            },
        ),
        (
            "an unknown frame",
            Manners {
                unknown: 1,
                ..none()
            },
        ),
        (
            "SETTINGS",
            Manners {
                settings: 1,
                ..none()
            },
        ),
        (
            "a table that comes and goes",
            Manners {
                churn: true,
                ..none()
            },
        ),
        (
            "interim answers",
            Manners {
                interims: 20,
                ..none()
            },
        ),
        (
            "crumbs of heads",
            Manners {
                crumbs: true,
                ..none()
            },
        ),
        (
            "padding",
            Manners {
                padding: true,
                ..none()
            },
        ),
        (
            "small pieces",
            Manners {
                pieces: true,
                ..none()
            },
        ),
        (
            "resets behind answers",
            Manners {
                resets_behind: true,
                ..none()
            },
        ),
        (
            "windows in steps of 128",
            Manners {
                step: Some(128),
                ..none()
            },
        ),
        (
            "windows in steps of 7",
            Manners {
                step: Some(7),
                ..none()
            },
        ),
    ];
    // A few at a time: each is a daemon.
    for cases in cases.chunks(3) {
        each(cases, |(what, manners)| {
            check_once(what, pushes, *manners);
        });
    }
}

#[test]
fn a_200_is_believed_whose_rest_is_too_long_or_is_cut_off() {
    each(&[Rest::IsLong, Rest::IsReset], |rest| {
        let manners = Manners {
            rest: *rest,
            ..Manners::default()
        };
        check_once(&format!("{rest:?}"), 300, manners);
    });
}

#[test]
fn a_server_that_wants_fewer_fields_gets_each_push_and_the_operator_is_told_once() {
    let manners = Manners {
        list_size: Some(64),
        ..Manners::default()
    };
    let outcomes = check_once("MAX_HEADER_LIST_SIZE", 200, manners);
    let log = &outcomes[0].told;
    for platform in ["ios", "android"] {
        let is_it = |line: &&str| line.contains(platform) && line.contains("MAX_HEADER_LIST_SIZE");
        let told: Vec<&str> = log.lines().filter(is_it).collect();
        assert_eq!(told.len(), 1, "{platform}: {told:?}");
    }
}
