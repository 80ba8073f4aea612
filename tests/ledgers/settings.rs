//! SETTINGS that change, windows that are narrow, bytes that come slowly, nobody at home.

use std::num::NonZeroU32;

use crate::play::{ANDROID, IOS, Outcome, Play};

fn check_clean(play: Play, what: &str, pushes: usize) -> Vec<Outcome> {
    let outcomes = play.run(what);
    for Outcome { findings, .. } in &outcomes {
        assert_eq!(
            (findings.succeeded, findings.doubled),
            (pushes, 0),
            "{what}: {findings:?}"
        );
        assert_eq!(findings.maybe_sent, 0, "{what}: {findings:?}");
    }
    outcomes
}

#[test]
fn the_limit_on_streams_may_fall_to_none_and_rise_again() {
    let script = r"
        repeat = true
        [[phase]]
        requests = 300
        latency = 2
        [[phase]]
        seconds = 0.2
        streams = 0
        latency = 2
        [[phase]]
        requests = 30
        streams = 1
        latency = 2
        [[phase]]
        requests = 200
        streams = 7
        latency = 2
    ";
    // Of seven streams bulk pushes have six.
    let play = Play::new(&[IOS, ANDROID], 1_000).with("core.bulk_from", 1_000_000);
    check_clean(play.script(script), "streams", 1_000);
}

#[test]
fn narrow_windows_and_tables_hold_nothing_up_for_ever() {
    // A connection's window is that narrow after the first 64 KiB.
    for (what, change, message) in [
        ("stream_window", "stream_window = 10", 1),
        ("connection_window", "connection_window = 1000", 800),
        ("header_table", "header_table = 0", 1),
    ] {
        let script = format!(
            "repeat = true\n[[phase]]\nrequests = 100\n{change}\n[[phase]]\nrequests = 50\n"
        );
        let play = Play::new(&[IOS, ANDROID], 400).script(&script);
        check_clean(play.message(message), what, 400);
    }
}

#[test]
fn slow_bytes_are_waited_for() {
    let play =
        Play::new(&[IOS, ANDROID], 100).faults(|faults| faults.slow = NonZeroU32::new(1_000));
    check_clean(play, "slow", 100);
}

/// Its connections are sent away first, so that others are asked for while nobody listens.
#[test]
fn a_provider_that_refuses_connections_for_a_while_costs_nothing() {
    let script = r"
        [[phase]]
        requests = 30
        latency = 2
        [[phase]]
        seconds = 0.5
        closed = true
        goaway_after = 1
    ";
    let play = Play::new(&[IOS, ANDROID], 300).script(script);
    for Outcome {
        connections, told, ..
    } in check_clean(play, "closed", 300)
    {
        assert!(connections.used <= 4, "{connections:?}");
        // Only who is refused, or reset in the moment of shutting, can tell.
        for lane in ["ios", "android"] {
            assert!(told.contains(&format!("{lane}: no connection: ")), "{told}");
        }
    }
}
