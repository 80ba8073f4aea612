//! Which lines have the texts of their notification.

use super::*;

#[test]
fn texts_stand_in_each_line_as_long_as_they_are_in_proportion() {
    let line = |notification: &Notification, token: &str, id: u64| {
        let line = PushLine {
            token: PackedToken::of_text(token),
            id: PushId(id),
            ..accepted(notification)
        };
        written(&line)
    };
    let most = TEXTS_RATIO * (TOKEN.len() + 3);
    // The largest payload that APNs takes, to a device token of the usual length.
    assert!(most >= 4096);
    let fits = Notification {
        message: "m".repeat(most - 1).into(),
        sound: "s".into(),
        ..bare(LaneId::IOS, "")
    };
    let texts = |written: &str| {
        let line = parsed(written);
        let length = |key: &str| line[key].as_str().map(str::len);
        (
            length("message"),
            length("sound"),
            line["texts_of"].as_u64(),
        )
    };
    let all = (Some(most - 1), Some(1), None);
    assert_eq!(texts(&line(&fits, TOKEN, 2)), all);
    let without = line(&fits, TOKEN.get(1..).unwrap(), 2);
    assert_eq!(texts(&without), (Some(0), None, Some(1)));
    check_keys(
        &without,
        &[
            "level", "time", "message", "id", "platform", "token", "type", "ptime", "error",
            "texts_of",
        ],
    );
    // The first one's are always there.
    assert_eq!(texts(&line(&fits, "ab", 1)), all);
    // What counts is what is written.
    let escaped = bare(LaneId::IOS, &"\u{1}".repeat(most / 6 + 1));
    assert_eq!(texts(&line(&escaped, TOKEN, 2)).2, Some(1));
    let escaped = bare(LaneId::IOS, &"\u{1}".repeat(most / 6));
    assert_eq!(texts(&line(&escaped, TOKEN, 2)).2, None);
    // What is hidden is not written.
    let hiding = Privacy {
        hides_message: true,
        ..Privacy::default()
    };
    let hidden = PushLine {
        token: PackedToken::of_text("ab"),
        id: PushId(2),
        ..accepted(&fits)
    };
    assert_eq!(
        texts(&written_by(&hiding, &hidden)),
        (Some(0), Some(1), None)
    );
}
