//! What is said about a file that cannot be used.

use std::fmt::Write;

use super::*;

#[test]
fn every_key_refuses_another_type() {
    for key in all_keys() {
        let (wrong, value) = match key.allowed {
            Allowed::Flag { .. } => ("\"true\"", "= \"true\""),
            Allowed::Number { .. } => ("{ a = 1 }", "= { a = 1 }"),
            Allowed::Text { .. } => ("[\"x\"]", "= [\"x\"]"),
            Allowed::List { .. } => ("\"x\"", "= \"x\""),
            Allowed::Secret => ("735191", "= (not shown)"),
        };
        let mut text = String::new();
        for section in SECTIONS.map(|(section, _)| section) {
            writeln!(text, "[{section}]").unwrap();
            if section == key.section {
                writeln!(text, "{} = {wrong}", key.name).unwrap();
            }
        }
        let error = parse(&text).unwrap_err();
        let expected = format!("{} {value}: must be {}", key.path(), key.range_text());
        assert!(
            error.contains(&expected),
            "{expected:?} is not in {error:?}"
        );
        assert!(!error.contains("735191"), "{error}");
    }
}

#[test]
fn all_problems_are_reported_in_the_files_order() {
    let text = "[core]\nworker = 2\n  max_age = 0\n[ios]\nenabled = 1\n[log]\nlevel = \"loud\"\n";
    let error = parse(text).unwrap_err();
    let lines: Vec<&str> = error.lines().collect();
    for (line, start) in lines.iter().zip([
        "f:2:1: core.worker: unknown key; did you mean core.workers?",
        "f:3:13: core.max_age = 0: must be 1 to 2419200 seconds",
        "f:5:11: ios.enabled = 1: must be true or false",
        "f:7:9: log.level = \"loud\": must be \"debug\", \"info\", \"warn\" or \"error\"",
        "f: ios: no credential",
        "f: android: no credential",
    ]) {
        assert!(
            line.starts_with(start),
            "{line:?} should start with {start:?}"
        );
    }
    assert_eq!(lines.len(), 6, "{error}");
}

#[test]
fn problems_are_counted_no_further_than_their_limit() {
    let mut text = String::from("[core]\n");
    for number in 0..document::PROBLEMS_MAX {
        writeln!(text, "key{number} = 1").unwrap();
    }
    let text = format!("{IOS}{ANDROID}{text}");
    let full = parse(&text).unwrap_err();
    assert_eq!(full.lines().count(), document::PROBLEMS_MAX);
    assert!(!full.contains("more problems"), "{full}");
    let over = parse(&format!("{text}one_more = 1\nand_another = 1\n")).unwrap_err();
    assert_eq!(over.lines().count(), document::PROBLEMS_MAX + 1);
    assert!(
        over.ends_with("f: there are more problems than these"),
        "{over}"
    );
    let broken = "=\n".repeat(document::PROBLEMS_MAX * 2);
    assert_eq!(
        parse(&broken).unwrap_err().lines().count(),
        document::PROBLEMS_MAX
    );
}

#[test]
fn unknown_names_get_the_nearest_known_one() {
    check_refused(
        "ios",
        "topics = \"a\"",
        &["f:3:1: ios.topics: unknown key; did you mean ios.topic?"],
    );
    check_refused(
        "ios",
        "service_account_path = \"a\"",
        &["did you mean android.service_account_path?"],
    );
    check_refused(
        "core",
        "colour = 1",
        &["core.colour: unknown key; etc/sterna.toml"],
    );
    let check = |text: &str, expected: &str| {
        let error = parse(&format!("{text}\n{IOS}{ANDROID}")).unwrap_err();
        assert!(error.starts_with(expected), "{error}");
    };
    check(
        "port = \"1056\"",
        "f:1:1: port: stands outside its section; write it below [core]",
    );
    check(
        "[andriod]\nenabled = true",
        "f:1:2: andriod: unknown section; did you mean [android]?",
    );
    check(
        "[monitoring]",
        "f:1:2: monitoring: unknown section; known are core, ios, android, apps, journal, \
         feedback, log and metrics",
    );
    check(
        "core = 3",
        "f:1:1: core: must be a table, written as [core]",
    );
    check(
        "[[core]]",
        "f:1:3: core: must be a table, written as [core]",
    );
}

#[test]
fn syntax_errors_have_a_place_and_no_line() {
    let error = parse("[ios]\npem_key_passphrase = \"735191\n[log]\nlevel = \n").unwrap_err();
    assert!(error.starts_with("f:2:"), "{error}");
    assert!(
        error.contains("f:4:") && error.contains("not valid TOML"),
        "{error}"
    );
    assert!(!error.contains("735191"), "{error}");
    let twice = parse("[core]\nport = \"1\"\nport = \"2\"\n").unwrap_err();
    assert!(
        twice.starts_with("f:3:1: not valid TOML: duplicate key"),
        "{twice}"
    );
}

#[test]
fn columns_count_characters() {
    assert_eq!(
        document::place("ä = 1\né ü = 2", 10),
        Position { line: 2, column: 3 }
    );
    assert_eq!(document::place("", 0), Position { line: 1, column: 1 });
    assert_eq!(
        document::place("a\r\nb", 3),
        Position { line: 2, column: 1 }
    );
}

#[test]
fn messages_stay_on_their_line_and_short() {
    let error = refused("core", "\"a\\u001b[31m\\nb\" = 1");
    assert!(
        error.contains(r"core.a\u{1b}[31m\nb: unknown key"),
        "{error}"
    );
    let error = refused("core", &format!("address = \"{}\"", "9".repeat(5000)));
    assert!(error.len() < 400 && error.contains('…'), "{error}");
}

#[test]
fn fcm_v1_section_is_told_its_new_names() {
    let error = parse(&format!("{IOS}{ANDROID}[fcm_v1]\nproject = \"p\"\n")).unwrap_err();
    assert!(error.contains("f:8:2: fcm_v1: unknown section"), "{error}");
    assert!(error.contains("android.service_account_path"), "{error}");
    let of_fork = "[android]\nproject = \"p\"\n";
    let error = parse(&format!("{IOS}{of_fork}")).unwrap_err();
    assert!(
        error.contains("android.project: unknown key; write android.project_id"),
        "{error}"
    );
}
