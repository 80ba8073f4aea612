//! Streams and connections that end before, between and after the frames of a request.

use crate::join::Entry;
use crate::play::{ANDROID, IOS, Outcome, Play, each};

/// One of so many requests is struck; all succeed in the end.
fn struck(strike: &str, one_of: u64) -> Vec<Outcome> {
    let others = one_of - 1;
    let script = format!(
        "repeat = true
        [[phase]]
        requests = {others}
        [[phase]]
        requests = 1
        strike = \"{strike}=100\""
    );
    let play = Play::new(&[IOS, ANDROID], 300)
        .script(&script)
        .with("core.pusher_max", 20);
    let outcomes = play.run(strike);
    for Outcome { findings, .. } in &outcomes {
        assert_eq!(findings.failed, 0, "{strike}: {findings:?}");
    }
    outcomes
}

/// Nobody can know what the provider made of it; but where the head of its answer is out, which is
/// believed, only of what else is in flight, if anything is.
fn check_unknown(strike: &str, one_of: u64, may_double: bool) -> Vec<Outcome> {
    let outcomes = struck(strike, one_of);
    for Outcome {
        findings,
        connections,
        ..
    } in &outcomes
    {
        assert!(connections.cut > 0, "{strike}: nothing was struck");
        assert!(
            findings.maybe_sent > 0 || strike.ends_with("@response"),
            "{strike}: {findings:?}"
        );
        assert!(
            may_double || findings.doubled == 0,
            "{strike}: {findings:?}"
        );
    }
    outcomes
}

/// The same, with all that is on the connection.
fn check_cut(strike: &str, one_of: u64, may_double: bool) {
    for Outcome { connections, .. } in check_unknown(strike, one_of, may_double) {
        // One new connection per lost one, and each thread may have one that is not lost.
        assert!(
            connections.used <= connections.cut + 2,
            "{strike}: {connections:?}"
        );
    }
}

#[test]
fn streams_that_are_reset_before_they_are_processed_are_sent_again() {
    each(&["internal@headers", "cancel@data"], |strike| {
        check_unknown(strike, 30, false);
    });
}

#[test]
fn streams_that_are_reset_after_they_were_processed_are_doubled_and_say_so() {
    each(&["internal@processed", "cancel@processed"], |strike| {
        for Outcome { findings, .. } in struck(strike, 30) {
            assert!(findings.doubled > 0, "{strike}: {findings:?}");
            assert_eq!(findings.doubled, findings.maybe_sent, "{strike}");
        }
    });
}

/// The head of an answer is believed, whatever becomes of the rest.
#[test]
fn streams_that_are_reset_behind_the_head_of_their_answer_are_not_sent_again() {
    each(&["internal@response", "cancel@response"], |strike| {
        for Outcome {
            findings, entries, ..
        } in struck(strike, 30)
        {
            let is_struck = |entry: &&Entry| entry.head && entry.answered == Some(false);
            let struck = entries.iter().filter(is_struck).count();
            assert!(struck >= 9, "{strike}: {struck}");
            assert_eq!((findings.doubled, findings.maybe_sent), (0, 0), "{strike}");
        }
    });
}

#[test]
fn streams_that_are_refused_cost_nothing() {
    each(&["refused@headers", "refused@data"], |strike| {
        for Outcome {
            findings,
            entries,
            log,
            ..
        } in struck(strike, 20)
        {
            assert_eq!((findings.doubled, findings.maybe_sent), (0, 0), "{strike}");
            let is_struck = |entry: &Entry| !entry.processed && entry.reason == "refused";
            assert!(entries.iter().any(is_struck), "{strike}");
            let mut outcomes = log.iter().filter(|line| line.kind() == "succeeded-push");
            assert!(
                outcomes.all(|line| line.number("attempt") == Some(1)),
                "{strike}"
            );
        }
    });
}

#[test]
fn connections_that_are_reset_lose_nothing() {
    let cases = [
        ("rst@headers", false),
        ("rst@data", false),
        ("rst@processed", true),
        ("rst@response", true),
    ];
    each(&cases, |(strike, may_double)| {
        check_cut(strike, 100, *may_double);
    });
}

#[test]
fn connections_that_are_closed_lose_nothing() {
    let cases = [
        ("fin@headers", false),
        ("fin@processed", true),
        ("tls@data", false),
        ("tls@response", true),
    ];
    each(&cases, |(strike, may_double)| {
        check_cut(strike, 100, *may_double);
    });
}

#[test]
fn connections_that_end_after_an_answer_lose_nothing() {
    each(
        &["rst@answered", "fin@answered", "tls@answered"],
        |strike| {
            for Outcome { connections, .. } in struck(strike, 100) {
                // Three were struck, and two threads would have had two.
                assert!(connections.used > 2, "{strike}: {connections:?}");
            }
        },
    );
}

/// A connection that never stood is not worth a push's attempt.
#[test]
fn connections_that_end_before_the_first_frame_cost_no_attempt() {
    let kinds = [
        "rst@connect",
        "fin@connect",
        "rst@preface",
        "fin@preface",
        "tls@preface",
    ];
    each(&kinds, |kind| {
        let text = format!("[[phase]]\nconnections = 1\nstrike = \"{kind}=100\"\n");
        for Outcome {
            findings, entries, ..
        } in Play::new(&[IOS, ANDROID], 50).script(&text).run(kind)
        {
            assert_eq!((findings.succeeded, findings.doubled), (50, 0), "{kind}");
            assert!(entries.iter().all(|entry| entry.connection > 0), "{kind}");
        }
    });
}

/// Hosts that are gone before they have said anything: the time-outs of the handshake and of the
/// first push.
#[test]
fn connections_on_which_nothing_ever_comes_are_given_up() {
    each(&["dead@connect", "dead@preface"], |kind| {
        let text = format!("[[phase]]\nconnections = 1\nstrike = \"{kind}=100\"\n");
        let play = Play::new(&[IOS], 50).script(&text).with("ios.timeout", 1);
        for Outcome {
            findings, entries, ..
        } in play.run(kind)
        {
            assert_eq!((findings.succeeded, findings.doubled), (50, 0), "{kind}");
            assert!(entries.iter().all(|entry| entry.connection > 0), "{kind}");
        }
    });
}
