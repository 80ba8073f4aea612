//! What is read from logs, as files that are read.

mod apps;
mod folding;
mod tokens;
mod world;

use std::fs;
use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::tz::TimeZone;
use tempfile::TempDir;

use super::lines::{Lines, NextLine};
use super::*;
use crate::push::{DeviceToken, LaneId, Notification, TargetKind};

/// A line of Gaurun's about an iOS push.
fn line(kind: &str, second: u32, id: u64, token: &str) -> String {
    format!(
        concat!(
            r#"{{"level":"info","time":"2026/11/22 05:15:{:02} UTC","message":"hello","id":{},"#,
            r#""platform":"ios","token":"{}","type":"{}-push","ptime":0,"error":""}}"#,
            "\n",
        ),
        second, id, token, kind,
    )
}

/// One by a recovery of ours, of the push that was accepted in that second.
fn recovered(kind: &str, second: u32, accepted: u32, id: u64, token: &str) -> String {
    let line = line(kind, second, id, token);
    let line = line.trim_end().trim_end_matches('}');
    format!("{line},\"status\":200,\"accepted\":\"2026/11/22 05:15:{accepted:02} UTC\"}}\n")
}

struct Logs {
    directory: TempDir,
    paths: Vec<PathBuf>,
}

impl Logs {
    fn of<T: AsRef<[u8]>>(texts: &[T]) -> Self {
        let mut logs = Self {
            directory: tempfile::tempdir().unwrap(),
            paths: Vec::new(),
        };
        for text in texts {
            logs.add(text.as_ref());
        }
        logs
    }

    fn add(&mut self, bytes: &[u8]) -> PathBuf {
        let path = self
            .directory
            .path()
            .join(format!("{}.log", self.paths.len()));
        fs::write(&path, bytes).unwrap();
        self.paths.push(path.clone());
        path
    }

    fn read(&self) -> Found {
        read(&self.paths).unwrap()
    }
}

/// Second, id and device token of what is outstanding.
fn left(found: &Found) -> Vec<(String, u64, String)> {
    let named = |push: &OpenPush| {
        let second = push.accepted.get(17..19).unwrap().to_owned();
        (second, push.id, push.token.as_str().to_owned())
    };
    found.outstanding.iter().map(named).collect()
}

#[track_caller]
fn check<T: AsRef<[u8]>>(texts: &[T], expected: &[(&str, u64, &str)], accepted: u64, damaged: u64) {
    let found = Logs::of(texts).read();
    let expected: Vec<_> = expected
        .iter()
        .map(|(second, id, token)| ((*second).to_owned(), *id, (*token).to_owned()))
        .collect();
    assert_eq!(left(&found), expected);
    assert_eq!((found.accepted, found.damaged), (accepted, damaged));
}

fn gzipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn an_outcome_settles_whether_it_is_success_or_failure() {
    let log = [
        line("accepted", 1, 1, "aa"),
        line("accepted", 1, 2, "bb"),
        line("accepted", 1, 3, "cc"),
        line("succeeded", 2, 1, "aa"),
        line("failed", 2, 2, "bb"),
        // The attempt after a failed one; and a push that was never taken.
        line("failed", 3, 2, "bb"),
        line("disabled", 3, 4, "dd"),
    ];
    check(&[log.concat()], &[("01", 3, "cc")], 3, 0);
}

#[test]
fn every_field_that_a_line_has_is_read() {
    let ios = concat!(
        r#"{"level":"info","time":"2026/11/22 05:15:12 UTC","message":"a \"b\" \u0007ü","id":7,"#,
        r#""platform":"ios","token":"AB12","type":"accepted-push","ptime":0,"error":"","#,
        r#""title":"T","subtitle":"S","badge":3,"category":"C","sound":"s.aiff","#,
        r#""content_available":true,"mutable_content":true,"expiry":10,"identifier":"id-1"}"#,
        "\n",
    );
    let android = concat!(
        r#"{"level":"info","time":"2026/11/22 05:15:13 UTC","message":"m","id":8,"#,
        r#""platform":"android","token":"c:A","type":"accepted-push","ptime":0,"error":"","#,
        r#""collapse_key":"ck","delay_while_idle":true,"time_to_live":5,"send_at":1795400000,"#,
        r#""request_id":"r-1","traceparent":"00-0a-b7-01"}"#,
        "\n",
    );
    let found = Logs::of(&[ios, android]).read();
    let expected = [
        OpenPush {
            id: 7,
            target: TargetKind::DeviceToken,
            token: DeviceToken::new("AB12"),
            notification: Notification {
                message: "a \"b\" \u{7}ü".into(),
                title: "T".into(),
                subtitle: "S".into(),
                badge: Some(3),
                category: "C".into(),
                sound: "s.aiff".into(),
                content_available: true,
                mutable_content: true,
                expiry: 10,
                identifier: "id-1".into(),
                ..Notification::empty(LaneId::IOS)
            },
            texts_of: None,
            accepted: "2026/11/22 05:15:12 UTC".into(),
            at: Some(1_795_324_512),
            send_at: None,
        },
        OpenPush {
            id: 8,
            target: TargetKind::DeviceToken,
            token: DeviceToken::new("c:A"),
            notification: Notification {
                message: "m".into(),
                collapse_key: "ck".into(),
                delay_while_idle: true,
                time_to_live: 5,
                request_id: "r-1".into(),
                traceparent: Some("00-0a-b7-01".into()),
                ..Notification::empty(LaneId::ANDROID)
            },
            texts_of: None,
            accepted: "2026/11/22 05:15:13 UTC".into(),
            at: Some(1_795_324_513),
            send_at: Some(1_795_400_000),
        },
    ];
    assert_eq!(found.outstanding, expected);
}

#[test]
fn our_own_lines_are_read_as_gauruns() {
    let id = 3_590_674_593_201_188_u64;
    let settled = line("succeeded", 2, id, "aa");
    let settled = settled.trim_end().trim_end_matches('}');
    let settled = format!("{settled},\"status\":200,\"apns_id\":\"x\",\"attempt\":1}}\n");
    let log = [
        line("accepted", 1, id, "aa"),
        line("accepted", 1, id + 1, "bb"),
        settled,
    ];
    let found = Logs::of(&[log.concat()]).read();
    assert_eq!(left(&found), [("01".to_owned(), id + 1, "bb".to_owned())]);
    assert!(found.outstanding[0].is_sternas());
    assert_eq!(found.outstanding[0].push_id().0, id + 1);
}

#[test]
fn a_hidden_device_token_is_known_as_such() {
    for (token, hidden) in [("", true), ("hash:1f0c", true), ("aa", false)] {
        let log = line("accepted", 1, 1, token) + &line("accepted", 1, 2, token);
        let found = Logs::of(&[log + &line("succeeded", 2, 2, token)]).read();
        assert_eq!(found.outstanding.len(), 1);
        assert_eq!(found.outstanding[0].is_hidden(), hidden);
    }
}

#[test]
fn ids_begin_again_in_each_run() {
    // Lost in the first run, sent in the second: Gaurun's tool took it for sent.
    let log = [
        line("accepted", 1, 1, "aa"),
        line("accepted", 2, 1, "bb"),
        line("succeeded", 3, 1, "bb"),
    ];
    check(&[log.concat()], &[("01", 1, "aa")], 2, 0);
    // Lost in both, to the same device.
    let log = [line("accepted", 1, 1, "aa"), line("accepted", 2, 1, "aa")];
    check(&[log.concat()], &[("01", 1, "aa"), ("02", 1, "aa")], 2, 0);
    // Sent in the first, lost in the second.
    let log = [
        line("accepted", 1, 1, "aa"),
        line("succeeded", 1, 1, "aa"),
        line("accepted", 2, 1, "aa"),
    ];
    check(&[log.concat()], &[("02", 1, "aa")], 2, 0);
    // Alike in all that is told: the outcome is that of the run which goes on.
    let log = [
        line("accepted", 1, 1, "aa"),
        line("accepted", 2, 1, "aa"),
        line("succeeded", 3, 1, "aa"),
    ];
    check(&[log.concat()], &[("01", 1, "aa")], 2, 0);
}

#[test]
fn an_outcome_of_another_push_settles_nothing() {
    let other_message = line("succeeded", 2, 1, "aa").replace("hello", "bye");
    let other_platform = line("succeeded", 2, 1, "aa").replace("ios", "android");
    let other_app = apps::of_app(&line("succeeded", 2, 1, "aa"), "");
    for outcome in [
        line("succeeded", 2, 1, "bb"),
        other_message,
        other_platform,
        other_app,
    ] {
        let log = [line("accepted", 1, 1, "aa"), outcome];
        check(&[log.concat()], &[("01", 1, "aa")], 1, 0);
    }
    // Its push stands in a log that is not given.
    check(&[line("succeeded", 2, 1, "aa")], &[], 0, 0);
}

#[test]
fn what_an_earlier_recovery_sent_is_settled_wherever_it_stands() {
    let log = [line("accepted", 1, 1, "aa"), line("accepted", 2, 1, "aa")].concat();
    let first = recovered("succeeded", 59, 1, 1, "aa");
    check(&[log.clone() + &first], &[("02", 1, "aa")], 2, 0);
    check(&[first.clone() + &log], &[("02", 1, "aa")], 2, 0);
    let second = recovered("failed", 59, 2, 1, "aa");
    check(&[log.clone(), second.clone()], &[("01", 1, "aa")], 2, 0);
    check(&[second + &first, log.clone()], &[], 2, 0);
    // It names one push only, whatever is alike.
    check(&[log + &first + &first], &[("02", 1, "aa")], 2, 0);
}

#[test]
fn logs_are_read_in_the_order_of_their_times() {
    let oldest = line("accepted", 1, 1, "aa") + &line("accepted", 2, 2, "bb");
    let older = line("succeeded", 3, 1, "aa") + &line("accepted", 4, 1, "cc");
    let newest = line("succeeded", 5, 1, "cc") + &line("accepted", 6, 3, "dd");
    let expected = [("02", 2, "bb"), ("06", 3, "dd")];
    let logs = [gzipped(&oldest), older.into_bytes(), newest.into_bytes()];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let logs = order.map(|at| &logs[at]);
        check(&logs, &expected, 4, 0);
    }
}

#[test]
fn a_failure_in_another_file_comes_after_what_the_second_accepted() {
    // Id 1 failed in the first run, and is lost in the second.
    let access = [
        line("accepted", 1, 1, "aa"),
        line("accepted", 1, 2, "bb"),
        line("accepted", 3, 1, "aa"),
    ]
    .concat();
    let error = line("failed", 1, 1, "aa") + &line("failed", 1, 2, "bb");
    check(&[&error, &access], &[("03", 1, "aa")], 3, 0);
    check(&[&access, &error], &[("03", 1, "aa")], 3, 0);
}

#[test]
fn a_rotation_within_a_second_keeps_its_order() {
    // The run ended and the next began within the second of the rotation.
    let older = [
        line("accepted", 1, 9, "zz"),
        line("succeeded", 1, 9, "zz"),
        line("accepted", 2, 1, "aa"),
    ]
    .concat();
    let newer = line("succeeded", 2, 1, "aa") + &line("accepted", 2, 1, "aa");
    check(&[&newer, &older], &[("02", 1, "aa")], 3, 0);
    check(&[&older, &newer], &[("02", 1, "aa")], 3, 0);
}

#[test]
fn one_line_of_a_wrong_clock_does_not_disturb_the_order() {
    let ahead = line("accepted", 1, 1, "aa").replace("2026", "2099");
    let access = ahead + &line("accepted", 2, 2, "bb");
    let error = line("failed", 1, 1, "aa") + &line("failed", 3, 2, "bb");
    check(&[&access, &error], &[], 2, 0);
    // Set back within the second: still in the order of the file.
    let access = line("accepted", 5, 1, "aa") + &line("succeeded", 3, 1, "aa");
    check(&[access], &[], 1, 0);
}

#[test]
fn a_file_counts_once_whatever_it_is_called() {
    let mut logs = Logs::of(&[line("accepted", 1, 1, "aa")]);
    let link = logs.directory.path().join("link");
    std::os::unix::fs::symlink(&logs.paths[0], &link).unwrap();
    logs.paths.push(link);
    logs.paths.push(logs.paths[0].clone());
    let found = logs.read();
    assert_eq!((found.accepted, found.outstanding.len()), (1, 1));
}

#[test]
fn lines_that_a_log_says_are_missing_are_counted_and_no_damage() {
    let lost = |second, lines: u64| {
        format!(
            "{{\"level\":\"warn\",\"time\":\"2026/11/22 05:15:{second:02} UTC\",\
             \"message\":\"…\",\"type\":\"lost-lines\",\"lines\":{lines}}}\n"
        )
    };
    let access = [
        line("accepted", 1, 1, "aa"),
        lost(2, 12),
        line("accepted", 3, 2, "bb"),
        lost(4, 30),
    ];
    let found = Logs::of(&[access.concat(), lost(5, u64::MAX)]).read();
    assert_eq!(
        (found.accepted, found.damaged, found.lost),
        (2, 0, u64::MAX)
    );
    assert!(!found.has_error_log);
    let found = Logs::of(&[access.concat()]).read();
    assert_eq!((found.outstanding.len(), found.lost), (2, 42));
}

#[test]
fn a_copy_of_a_log_settles_itself() {
    let text = line("accepted", 1, 1, "aa") + &line("succeeded", 2, 1, "aa");
    check(&[text.clone().into_bytes(), gzipped(&text)], &[], 2, 0);
}

#[test]
fn damaged_lines_are_counted_and_passed_over() {
    let good = line("accepted", 1, 1, "aa");
    let outcome = line("succeeded", 2, 1, "aa");
    let (cut, _) = outcome.split_at(60);
    let table = [
        ("not JSON\n".to_owned(), 1),
        ("\n \r\n".to_owned(), 0),
        (format!("{cut}\n"), 1),
        // The end of the file is no end of the line.
        (cut.to_owned(), 1),
        (outcome.replace("\"id\":1", "\"id\":-1"), 1),
        (outcome.replace("\"id\":1,", ""), 1),
        (outcome.replace("ios", "windows"), 1),
        (outcome.replace("\"aa\"", "\"\""), 0),
        (outcome.replace("\"id\":1", "\"id\":1,\"id\":1"), 1),
        (outcome.replace("hello", "\\ud800"), 1),
        (format!("{}\n", "[".repeat(100_000)), 1),
        ("\0".repeat(4096) + "\n", 1),
    ];
    for (text, damaged) in table {
        check(&[good.clone() + &text], &[("01", 1, "aa")], 1, damaged);
    }
    // Numbers that Gaurun's types do not hold.
    let odd = line("accepted", 1, 1, "aa").replace("\"ptime\":0", "\"badge\":1.5");
    check(&[good.clone() + &odd], &[("01", 1, "aa")], 1, 1);
    let bytes = [good.as_bytes(), b"{\"level\":\"\xff\"}\n"].concat();
    check(&[bytes], &[("01", 1, "aa")], 1, 1);
}

#[test]
fn a_line_that_the_process_died_in_does_not_take_the_next_with_it() {
    let torn = line("accepted", 1, 1, "aa");
    let (torn, _) = torn.split_at(70);
    let nul = "\0".repeat(512);
    for torn in [torn, &nul] {
        let text = torn.to_owned() + &line("accepted", 2, 2, "bb") + &line("accepted", 2, 3, "cc");
        check(&[text], &[("02", 2, "bb"), ("02", 3, "cc")], 2, 1);
    }
    // What looks like a line within a text is none.
    let quoted = line("succeeded", 2, 2, "bb")
        .trim_end()
        .escape_default()
        .to_string();
    let inner = line("accepted", 1, 1, "aa")
        .replace("hello", &quoted)
        .replace("\"id\":1", "\"id\":x");
    check(
        &[line("accepted", 1, 2, "bb") + &inner],
        &[("01", 2, "bb")],
        1,
        1,
    );
}

#[test]
fn long_lines_are_read_and_longer_ones_skipped() {
    let long = line("accepted", 1, 1, "aa").replace("hello", &"x".repeat(1 << 20));
    let text = long + &line("accepted", 1, 2, "bb");
    check(&[text], &[("01", 1, "aa"), ("01", 2, "bb")], 2, 0);
    let longer = line("accepted", 1, 1, "aa").replace("hello", &"x".repeat(LINE_MAX));
    check(
        &[longer + &line("accepted", 1, 2, "bb")],
        &[("01", 2, "bb")],
        1,
        1,
    );
}

#[test]
fn lines_are_bounded_to_the_byte() {
    let mut lines = Lines::new(BufReader::with_capacity(3, &b"abcd\n\nabcde\nabcd"[..]), 4);
    assert_eq!(lines.next().unwrap(), NextLine::Line(b"abcd"));
    assert_eq!(lines.next().unwrap(), NextLine::Line(b""));
    assert_eq!(lines.next().unwrap(), NextLine::TooLong);
    assert_eq!(lines.next().unwrap(), NextLine::Line(b"abcd"));
    assert_eq!(lines.next().unwrap(), NextLine::End);
    assert_eq!(lines.next().unwrap(), NextLine::End);
}

fn refusal(paths: &[PathBuf]) -> (bool, String) {
    let error = read(paths).unwrap_err();
    (error.is_damage(), error.to_string())
}

#[test]
fn a_compressed_log_that_breaks_off_is_refused() {
    let text: String = (0..1000).map(|id| line("accepted", 1, id, "aa")).collect();
    let whole = gzipped(&text);
    let (half, _) = whole.split_at(whole.len() / 2);
    let logs = Logs::of(&[half]);
    let (is_damage, text) = refusal(&logs.paths);
    assert!(is_damage, "{text}");
    assert!(text.contains("0.log: breaks off after "), "{text}");
    assert!(text.contains("would be sent again"), "{text}");
    let mut flipped = whole.clone();
    let last = flipped.len() - 6;
    flipped[last] ^= 1;
    assert!(
        refusal(&Logs::of(&[flipped]).paths).0,
        "its checksum is wrong"
    );
    // Rotation by appending makes several members.
    let two = [
        gzipped(&line("accepted", 1, 1, "aa")),
        gzipped(&line("succeeded", 2, 1, "aa")),
    ];
    check(&[two.concat()], &[], 1, 0);
}

#[test]
fn what_is_no_push_log_is_refused() {
    let logs = Logs::of(&["[core]\nport = \"1056\"\n"]);
    let (is_damage, text) = refusal(&logs.paths);
    assert!(
        is_damage && text.ends_with("is no push log: 2 lines, and none is JSON of one"),
        "{text}"
    );
    check(&[""], &[], 0, 0);
    // JSON of another program, and lines that say nothing but when.
    for foreign in [
        "{\"level\":\"info\",\"ts\":1.5,\"msg\":\"x\"}\n",
        "{\"level\":\"info\",\"time\":\"2026-11-22T05:15:12Z\",\"message\":\"x\"}\n",
        "{}\n",
    ] {
        let (is_damage, text) = refusal(&Logs::of(&[foreign.repeat(2)]).paths);
        assert!(
            is_damage && text.contains("is no push log: 2 lines"),
            "{text}"
        );
        let (is_damage, _) = refusal(&Logs::of(&[gzipped(foreign)]).paths);
        assert!(is_damage);
    }
    let (_, text) = refusal(&Logs::of(&["sternaJ\u{f9}"]).paths);
    assert!(text.contains("is no push log: 1 line"), "{text}");
    let (_, text) = refusal(&Logs::of(&[b"sternaJ\xf9\0"]).paths);
    assert!(
        text.ends_with("journal, whose directory is named with --journal"),
        "{text}"
    );
    let of_gaurun = "{\"level\":\"error\",\"time\":\"2026/11/22 05:15:12 UTC\",\
                     \"message\":\"invalid lane\"}\n";
    check(&[of_gaurun], &[], 0, 0);
    let (is_damage, text) = refusal(&[PathBuf::from("/nonexistent/access.log")]);
    assert!(
        !is_damage && text.starts_with("/nonexistent/access.log: cannot be read: "),
        "{text}"
    );
    let (is_damage, text) = refusal(&[Path::new("/").to_owned()]);
    assert!(!is_damage, "{text}");
}

#[test]
fn an_error_log_is_told_from_an_access_log() {
    let accepted = line("accepted", 1, 1, "aa");
    let failed = line("failed", 1, 1, "aa");
    let text = r#"{"level":"error","time":"2026/11/22 05:15:12 UTC","message":"invalid platform"}"#;
    for (log, expected) in [
        (&accepted, false),
        (&failed, true),
        (&format!("{text}\n"), true),
    ] {
        assert_eq!(Logs::of(&[log]).read().has_error_log, expected, "{log}");
    }
    // Our own failures stand in the log that was recovered from.
    let ours = accepted + &recovered("failed", 59, 1, 1, "aa");
    assert!(!Logs::of(&[ours]).read().has_error_log);
}

#[test]
fn times_are_read_in_the_zones_that_are_known() {
    let tokyo = || TimeZone::posix("JST-9").unwrap();
    let berlin = || TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let table = [
        (
            TimeZone::UTC,
            "2026/11/22 05:15:12 UTC",
            Some(1_795_324_512),
        ),
        (tokyo(), "2026/11/22 05:15:12 UTC", Some(1_795_324_512)),
        (tokyo(), "2026/11/22 14:15:12 JST", Some(1_795_324_512)),
        (berlin(), "2026/11/22 06:15:12 CET", Some(1_795_324_512)),
        (berlin(), "2026/03/29 01:59:59 CET", Some(1_774_745_999)),
        (berlin(), "2026/03/29 03:00:00 CEST", Some(1_774_746_000)),
        // Told twice by the clock, an hour apart.
        (berlin(), "2026/10/25 02:30:00 CEST", Some(1_792_888_200)),
        (berlin(), "2026/10/25 02:30:00 CET", Some(1_792_891_800)),
        (
            TimeZone::UTC,
            "2026/11/22 02:15:12 -03",
            Some(1_795_324_512),
        ),
        (
            TimeZone::UTC,
            "2026/11/22 10:45:12 +0530",
            Some(1_795_324_512),
        ),
        // Zones of others.
        (TimeZone::UTC, "2026/11/22 14:15:12 JST", None),
        (berlin(), "2026/11/22 14:15:12 CST", None),
        (TimeZone::UTC, "2026/11/22 14:15:12 +9", None),
        (TimeZone::UTC, "1969/11/22 14:15:12 UTC", None),
    ];
    for (zone, text, expected) in table {
        let mut times = TimeReader::in_zone(zone);
        for _ in 0..2 {
            assert_eq!(times.read(text).unwrap().unix, expected, "{text}");
        }
    }
    let mut times = TimeReader::in_zone(TimeZone::UTC);
    for text in [
        "",
        "2026/11/22 05:15:12",
        "2026/11/22 05:15:12UTC",
        "2026-11-22 05:15:12 UTC",
        "2026/13/22 05:15:12 UTC",
        "2026/11/22 25:15:12 UTC",
        "+026/11/22 05:15:12 UTC",
        "ü026/11/22 05:15:12 UTC",
    ] {
        assert!(times.read(text).is_none(), "{text}");
    }
}

#[test]
fn a_failing_disk_is_no_end_of_a_log() {
    struct Failing;
    impl io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("no"))
        }
    }
    assert!(Lines::new(BufReader::new(Failing), 10).next().is_err());
}
