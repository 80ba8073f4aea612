//! SETTINGS that change, windows that are narrow, octets that come slowly, nobody at home.

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
        seconds = 0.1
        [[phase]]
        seconds = 0.2
        streams = 0
        [[phase]]
        seconds = 0.1
        streams = 1
        [[phase]]
        seconds = 0.1
        streams = 7
    ";
    let play = Play::new(&[IOS, ANDROID], 2_000).script(script);
    let play = play.faults(|faults| faults.latency = std::time::Duration::from_millis(2));
    check_clean(play, "streams", 2_000);
}

#[test]
fn narrow_windows_and_tables_hold_nothing_up_for_ever() {
    for (what, change) in [
        ("stream_window", "stream_window = 10"),
        ("connection_window", "connection_window = 100"),
        ("header_table", "header_table = 0"),
    ] {
        let script = format!(
            "repeat = true\n[[phase]]\nrequests = 100\n{change}\n[[phase]]\nrequests = 50\n"
        );
        let play = Play::new(&[IOS, ANDROID], 400).script(&script);
        check_clean(play, what, 400);
    }
}

#[test]
fn slow_octets_are_waited_for() {
    let play =
        Play::new(&[IOS, ANDROID], 100).faults(|faults| faults.slow = NonZeroU32::new(1_000));
    check_clean(play, "slow", 100);
}

#[test]
fn a_provider_that_refuses_connections_for_a_while_costs_nothing() {
    let script = "[[phase]]\nseconds = 0.5\nclosed = true\n";
    let play = Play::new(&[IOS, ANDROID], 100).script(script);
    for Outcome { connections, .. } in check_clean(play, "closed", 100) {
        assert!(connections.used <= 2, "{connections:?}");
    }
}
