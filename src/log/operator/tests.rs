use std::fs;
use std::time::Duration;

use super::*;
use crate::log::Destination;

const LONG: Duration = Duration::from_secs(30);
const OURS: &str = "sterna::delivery";

/// What a logger of its own writes for these records.
fn lines(say: impl FnOnce(&dyn Fn(Level, &str, &str))) -> Vec<String> {
    lines_of(Shape::Text, say)
}

fn lines_of(shape: Shape, say: impl FnOnce(&dyn Fn(Level, &str, &str))) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("operator.log");
    let sink = Sink::open(&Destination::named(&path)).unwrap();
    let operator = Operator::new(sink.clone(), shape);
    say(&|level, target, text| {
        operator.log(
            &Record::builder()
                .level(level)
                .target(target)
                .args(format_args!("{text}"))
                .build(),
        );
    });
    assert_eq!(sink.close(LONG), 0);
    let text = fs::read_to_string(path).unwrap();
    text.split_terminator('\n').map(str::to_owned).collect()
}

/// A line less its time, which is checked.
fn after_time(line: &str) -> &str {
    let (time, rest) = line.split_once(' ').unwrap();
    time.parse::<jiff::Timestamp>().unwrap();
    assert!(time.ends_with('Z'), "{time}");
    rest
}

#[test]
fn a_line_has_time_level_and_text() {
    let lines = lines(|say| {
        say(Level::Error, OURS, "no route to api.push.apple.com:443");
        say(Level::Warn, OURS, "{not a format}");
        say(Level::Info, OURS, "started");
    });
    let lines: Vec<_> = lines.iter().map(|line| after_time(line)).collect();
    let expected = [
        "[ERROR] no route to api.push.apple.com:443",
        "[WARN] {not a format}",
        "[INFO] started",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn debug_lines_say_where_they_come_from() {
    let lines = lines(|say| say(Level::Debug, OURS, "x"));
    assert_eq!(after_time(&lines[0]), "[DEBUG] sterna::delivery: x");
}

#[test]
fn a_text_cannot_forge_a_line() {
    let lines = lines(|say| {
        say(
            Level::Error,
            OURS,
            "bad\n2026-11-22T05:15:12Z [INFO] all is well\r\x1b[2K",
        );
        say(Level::Error, OURS, "\0\u{7f}\u{85}\u{2028}\u{202e}\tü漢\n");
    });
    let lines: Vec<_> = lines.iter().map(|line| after_time(line)).collect();
    let expected = [
        r"[ERROR] bad\n2026-11-22T05:15:12Z [INFO] all is well\r\u{1b}[2K",
        r"[ERROR] \u{0}\u{7f}\u{85}\u{2028}\u{202e}\tü漢\n",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn a_text_is_cut_off() {
    let text = "é".repeat(MAX_TEXT_BYTES);
    let lines = lines(|say| say(Level::Error, OURS, &text));
    let expected = format!("[ERROR] {}…", "é".repeat(MAX_TEXT_BYTES / 2));
    assert_eq!(after_time(&lines[0]), expected);
}

#[test]
fn dependencies_are_heard_from_warn_upwards() {
    let lines = lines(|say| {
        say(Level::Debug, "ureq::run", "authorization: Bearer secret");
        say(Level::Info, "rustls::client", "quiet");
        say(Level::Debug, "sternatic", "not ours");
        say(Level::Warn, "rustls::msgs", "loud");
        say(Level::Info, "sterna", "ours");
    });
    let lines: Vec<_> = lines.iter().map(|line| after_time(line)).collect();
    assert_eq!(lines, ["[WARN] loud", "[INFO] ours"]);
}

#[test]
fn lines_without_room_are_dropped_and_counted() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("operator.log");
    let sink = Sink::open(&Destination::named(&path)).unwrap();
    let way = Way {
        sink: sink.clone(),
        dropped: 2,
    };
    let line = Vec::new();
    let mut writer = LineWriter { line, way };
    writeln!(writer, "{} {}", writer.line.len(), 3).unwrap();
    writeln!(writer, "four").unwrap();
    assert_eq!(sink.close(LONG), 0);
    let expected = "0 3 (2 earlier lines were dropped: the log could not take them)\nfour\n";
    assert_eq!(fs::read_to_string(path).unwrap(), expected);
    writeln!(writer, "after the end").unwrap();
    assert_eq!(writer.way.dropped, 1);
}

#[test]
fn beside_lines_of_the_push_log_a_line_is_an_object_as_theirs() {
    let lines = lines_of(Shape::Json, |say| {
        say(
            Level::Error,
            OURS,
            "bad \"quote\"\n{\"level\":\"info\"}\u{2028}\u{1b}",
        );
        say(Level::Warn, "rustls::msgs", "loud");
        say(Level::Info, "rustls::msgs", "quiet");
        say(Level::Debug, OURS, "x");
        say(Level::Info, OURS, &"é".repeat(MAX_TEXT_BYTES));
    });
    let cut = format!("{}…", "é".repeat(MAX_TEXT_BYTES / 2));
    let expected = [
        ("error", "bad \"quote\"\n{\"level\":\"info\"}\u{2028}\u{1b}"),
        ("warn", "loud"),
        ("debug", "sterna::delivery: x"),
        ("info", &cut),
    ];
    assert_eq!(lines.len(), expected.len());
    for (line, (level, message)) in lines.iter().zip(expected) {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        let time = value["time"].as_str().unwrap();
        let mut as_gaurun = Vec::new();
        let level_of = |level: &str| match level {
            "error" => line::Level::Error,
            "warn" => line::Level::Warn,
            "info" => line::Level::Info,
            _ => line::Level::Debug,
        };
        line::message(&mut as_gaurun, level_of(level), time, message, "", "");
        assert_eq!(format!("{line}\n").as_bytes(), as_gaurun);
    }
}

#[test]
fn an_object_says_how_many_were_dropped_before_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("both.log");
    let sink = Sink::open(&Destination::named(&path)).unwrap();
    let way = Way {
        sink: sink.clone(),
        dropped: 2,
    };
    let time_text = TimeText::new();
    let mut writer = JsonWriter { time_text, way };
    writer.write(Level::Info, OURS, "three".to_owned());
    assert_eq!(sink.close(LONG), 0);
    let line: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let told = "three (2 earlier lines were dropped: the log could not take them)";
    assert_eq!(line["message"], told);
}

#[test]
fn the_level_changes_at_run_time() {
    let before = ::log::max_level();
    set_level(LevelFilter::Debug);
    assert_eq!(::log::max_level(), LevelFilter::Debug);
    set_level(before);
    assert_eq!(::log::max_level(), before);
}
