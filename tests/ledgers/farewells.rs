//! GOAWAY of each kind.

use std::num::NonZeroU64;
use std::time::Duration;

use sterna::simulator::Farewell;

use crate::play::{ANDROID, IOS, Outcome, PUSHER_MAX, Play, each};

/// Every connection is sent away at its 100th request.
fn sent_away(kind: &str, pushes: u64, latency: u64) -> Vec<Outcome> {
    let play = Play::new(&[IOS, ANDROID], pushes).faults(|faults| {
        faults.goaway = kind.parse().unwrap();
        faults.goaway_after = NonZeroU64::new(100);
        faults.latency = Duration::from_millis(latency);
    });
    let outcomes = play.run(kind);
    for Outcome {
        connections,
        findings,
        ..
    } in &outcomes
    {
        assert_eq!(findings.failed, 0, "{kind}");
        // What was on its way when GOAWAY came may be taken as well.
        let least = usize::try_from(pushes / (100 + PUSHER_MAX)).unwrap();
        assert!(
            connections.used >= least,
            "{kind}: nobody was sent away: {connections:?}"
        );
    }
    outcomes
}

#[test]
fn goaways_that_keep_their_word_cost_nothing() {
    each(
        &["json", "text", "empty", "graceful", "twice", "below"],
        |kind| {
            for Outcome {
                connections,
                findings,
                ..
            } in sent_away(kind, 1_000, 0)
            {
                assert_eq!((findings.doubled, findings.maybe_sent), (0, 0), "{kind}");
                // One new connection per lost one: 1,000 pushes fill ten, and each thread may have
                // one that is not full.
                assert!(connections.used <= 10 + 2, "{kind}: {connections:?}");
            }
        },
    );
}

#[test]
fn abrupt_goaways_lose_nothing_and_double_only_what_nobody_can_know() {
    for Outcome {
        connections,
        findings,
        ..
    } in sent_away("abrupt", 400, 20)
    {
        assert!(findings.maybe_sent > 0, "nothing was cut: {findings:?}");
        // One new connection per lost one, and each thread may have one that is not lost.
        assert!(connections.used <= connections.cut + 2, "{connections:?}");
    }
}

#[test]
fn a_goaway_in_the_place_of_settings_costs_no_push() {
    let play =
        Play::new(&[IOS, ANDROID], 100).script("[[phase]]\nconnections = 2\ngoaway = \"first\"\n");
    for Outcome {
        connections,
        findings,
        entries,
        ..
    } in play.run("first")
    {
        assert!(entries.iter().all(|entry| entry.connection > 1));
        assert_eq!((findings.succeeded, findings.doubled), (100, 0));
        assert_eq!(
            findings.maybe_sent, 0,
            "what was never processed is no doubt"
        );
        assert!(connections.used <= 2, "{connections:?}");
    }
}

#[test]
fn each_kind_of_goaway_is_known_by_name() {
    assert_eq!("graceful".parse(), Ok(Farewell::Graceful));
    assert!(
        "Graceful"
            .parse::<Farewell>()
            .unwrap_err()
            .contains("json, text, empty")
    );
}
