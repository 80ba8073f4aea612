//! Which line belongs to which push, and how many are kept.

use super::*;

fn outstanding(id: u64) -> OpenPush {
    OpenPush {
        id,
        target: TargetKind::DeviceToken,
        token: DeviceToken::new("aa"),
        notification: Notification::empty(LaneId::IOS),
        texts_of: None,
        accepted: "2026/11/22 05:15:12 UTC".into(),
        at: Some(1),
        send_at: None,
    }
}

#[test]
fn open_pushes_are_bounded() {
    let outcome = |id, accepted: Option<&str>| Outcome {
        id,
        lane: LaneId::IOS,
        token: DeviceToken::new("aa"),
        message: Some(Box::default()),
        failed: false,
        accepted: accepted.map(Box::from),
    };
    let mut fold = Fold::new(2);
    for id in 0..100 {
        fold.accept(outstanding(id)).unwrap();
        fold.settle(outcome(id, None)).unwrap();
        // An outcome whose push is in no log costs nothing.
        fold.settle(outcome(id, None)).unwrap();
    }
    fold.accept(outstanding(100)).unwrap();
    fold.settle(outcome(101, Some("x"))).unwrap();
    assert_eq!(fold.accept(outstanding(102)), Err(TooMany(2)));
    assert_eq!(fold.settle(outcome(103, Some("x"))), Err(TooMany(2)));
    assert!(
        TooMany(2)
            .to_string()
            .starts_with("over 2 pushes without an outcome; ")
    );
}

#[test]
fn pushes_with_one_id_are_sent_with_different_ones() {
    let first = outstanding(1);
    let mut later = first.clone();
    later.accepted = "2026/11/22 05:15:13 UTC".into();
    let mut elsewhere = first.clone();
    elsewhere.token = DeviceToken::new("bb");
    let ids = [&first, &later, &elsewhere, &outstanding(2)].map(OpenPush::push_id);
    for (at, id) in ids.iter().enumerate() {
        assert!(id.0 > 0 && id.0 < 1 << 53, "{id}");
        assert!(!ids[..at].contains(id), "{ids:?}");
    }
    // The same whenever the log is read, whatever this program is built with.
    assert_eq!(first.push_id().0, 4_658_070_972_488_240);
}

/// An id that Sterna gives.
const OURS: u64 = 1 << 51;

/// An accepted-push line of ours, whose texts are its own or another push's.
fn ours(second: u32, number: u64, token: &str, texts_of: Option<u64>) -> String {
    let line = line("accepted", second, OURS + number, token);
    let Some(first) = texts_of else {
        let texts = "t".repeat(300);
        let end = format!("\"error\":\"\",\"title\":\"{texts}\",\"badge\":3}}");
        return line.replace("\"error\":\"\"}", &end);
    };
    let end = format!("\"error\":\"\",\"badge\":3,\"texts_of\":{}}}", OURS + first);
    let line = line.replace("\"message\":\"hello\"", "\"message\":\"\"");
    line.replace("\"error\":\"\"}", &end)
}

#[test]
fn texts_that_stand_in_the_line_of_the_first_are_those_of_the_others_too() {
    let log = [
        ours(1, 1, "aa", None),
        line("accepted", 1, 7, "zz"),
        ours(1, 2, "bb", Some(1)),
        ours(1, 3, "cc", Some(1)),
        line("succeeded", 2, OURS + 1, "aa"),
        ours(2, 3, "cc", Some(1)).replace("accepted-push", "succeeded-push"),
    ];
    let found = Logs::of(&[log.concat()]).read();
    let [gauruns, second] = &found.outstanding[..] else {
        panic!("{found:?}");
    };
    assert_eq!((gauruns.id, second.id), (7, OURS + 2));
    assert_eq!(second.texts_of, None);
    let texts = &second.notification;
    assert_eq!((&*texts.message, texts.title.len()), ("hello", 300));
    assert_eq!(texts.badge, Some(3));
}

#[test]
fn texts_that_are_in_no_log_are_known_as_such_and_their_pushes_settled_by_an_outcome() {
    let log = [
        ours(1, 2, "bb", Some(1)),
        ours(1, 3, "cc", Some(1)),
        ours(2, 3, "cc", Some(1)).replace("accepted-push", "failed-push"),
    ];
    let found = Logs::of(&[log.concat()]).read();
    let [left] = &found.outstanding[..] else {
        panic!("{found:?}");
    };
    assert_eq!((left.id, left.texts_of), (OURS + 2, Some(OURS + 1)));
    assert_eq!(&*left.notification.message, "");
    // Of another device token it says nothing.
    let log = [
        ours(1, 2, "bb", Some(1)),
        ours(2, 2, "cc", Some(1)).replace("accepted-push", "failed-push"),
    ];
    assert_eq!(Logs::of(&[log.concat()]).read().outstanding.len(), 1);
}

#[test]
fn texts_of_a_push_that_an_earlier_recovery_has_sent_are_those_of_the_others() {
    let sent = ours(9, 1, "aa", None)
        .replace("accepted-push", "succeeded-push")
        .replace(
            "\"badge\"",
            "\"accepted\":\"2026/11/22 05:15:01 UTC\",\"badge\"",
        );
    let log = [sent, ours(1, 1, "aa", None), ours(1, 2, "bb", Some(1))];
    let found = Logs::of(&[log.concat()]).read();
    let [left] = &found.outstanding[..] else {
        panic!("{found:?}");
    };
    assert_eq!((left.id, left.texts_of), (OURS + 2, None));
    assert_eq!(&*left.notification.message, "hello");
}
