//! Whether numbers stand below their names.

use super::*;

fn shown_at(seconds: i64, look: &StatLine) -> String {
    line(Timestamp::from_second(seconds).unwrap(), look)
}

#[test]
fn numbers_stand_below_their_names() {
    let mut look = StatLine {
        queued: 81_000,
        oldest: Some(95),
        in_flight: 1000,
        since: Counts {
            succeeded: 12_041,
            failed: 7,
            retries: 262,
        },
        lanes: "open ios:bulk:95s".to_owned(),
        is_restarted: false,
    };
    let first = shown_at(1_795_336_102, &look);
    assert_eq!(
        first,
        "2026-11-22T08:28:22Z    81000     95      1000     12041        7      262 open ios:bulk:95s"
    );
    look.lanes = "android:resting".to_owned();
    (look.queued, look.oldest) = (0, None);
    let second = shown_at(1_795_336_103, &look);
    assert_eq!(
        second,
        "2026-11-22T08:28:23Z        0      -      1000     12041        7      262 android:resting"
    );
    // Each number ends where its name does.
    for name in [
        "queued",
        "oldest",
        "in_flight",
        "succeeded",
        "failed",
        "retries",
    ] {
        let end = HEAD.find(name).unwrap() + name.len();
        for line in [&first, &second] {
            assert_ne!(line.as_bytes()[end - 1], b' ', "{name}");
            assert_eq!(line.as_bytes()[end], b' ', "{name}");
        }
    }
    assert_eq!(HEAD.find("lanes"), first.find("open"));
}

#[test]
fn the_head_is_on_each_screen() {
    for (rows, lines) in [(24, 22), (0, 22), (3, 1), (1, 1), (2, 1)] {
        assert_eq!(lines_below_head(rows), lines);
    }
}
