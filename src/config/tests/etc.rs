//! `etc/sterna.toml` says what the code does.

use std::fmt::Write;

use super::*;

const FILE: &str = include_str!("../../../etc/sterna.toml");

/// The file as the key table has it.
fn rendered() -> String {
    let mut text = String::new();
    let intro = "The configuration of Sterna. Every key stands here with its default, commented \
                 out: uncomment a line to change it. Paths are relative to the directory that \
                 the daemon is started in. At least one platform must be enabled and have its \
                 credentials: for APNs the three token_auth keys and topic, or the pem \
                 certificate and key; for FCM service_account_path.";
    wrap(&mut text, intro);
    for (section, meaning) in SECTIONS {
        write!(text, "\n[{section}]\n").unwrap();
        wrap(&mut text, &format!("{meaning}."));
        for key in all_keys().filter(|key| key.section == section) {
            text.push('\n');
            wrap(&mut text, &format!("{}.", key.meaning));
            let range = key.range_text();
            if !["true or false", "a path", "a string"].contains(&range.as_str()) {
                wrap(&mut text, &format!("Allowed: {range}."));
            }
            if let Allowed::Number {
                default: NumberDefault::Absent { means, .. },
                ..
            } = key.allowed
            {
                wrap(&mut text, &format!("Default: {means}. Example:"));
            }
            writeln!(text, "#{} = {}", key.name, shown_value(key)).unwrap();
        }
    }
    text
}

fn shown_value(key: &Key) -> String {
    match key.allowed {
        Allowed::Number {
            default: NumberDefault::Absent { example, .. },
            ..
        } => example.to_string(),
        _ => key.default_text().unwrap(),
    }
}

fn wrap(text: &mut String, sentence: &str) {
    let mut line = String::from("#");
    for word in sentence.split(' ') {
        if line.len() + 1 + word.len() > 90 {
            text.push_str(&line);
            text.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    text.push_str(&line);
    text.push('\n');
}

#[test]
fn the_file_is_the_key_table() {
    let expected = rendered();
    assert!(FILE == expected, "etc/sterna.toml should be:\n{expected}");
}

/// Uncomments the lines of the keys that `wanted` picks.
fn uncommented(wanted: impl Fn(&Key) -> bool) -> String {
    let lines = FILE.lines().map(|line| {
        let name = line
            .strip_prefix('#')
            .and_then(|rest| rest.split_once(" = "));
        let key = name.and_then(|(name, _)| all_keys().find(|key| key.name == name));
        if key.is_some_and(&wanted) {
            line.trim_start_matches('#')
        } else {
            line
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Replaces the empty credentials by usable ones.
fn with_credentials(text: &str) -> String {
    let mut text = text.to_owned();
    for line in IOS.lines().chain(ANDROID.lines()) {
        if let Some((name, _)) = line.split_once(" = ") {
            let absent = [format!("\n#{name} = \"\"\n"), format!("\n{name} = \"\"\n")];
            let found = absent.iter().find(|absent| text.contains(*absent)).unwrap();
            text = text.replacen(found, &format!("\n{line}\n"), 1);
        }
    }
    text
}

#[test]
fn the_defaults_of_the_file_are_the_codes() {
    let absent = parse(&with_credentials(FILE)).unwrap();
    let written = parse(&with_credentials(&uncommented(|key| {
        key.default_text().is_some()
    })));
    let written = written.unwrap();
    assert_eq!(written, absent);
    assert_eq!(absent, parse(&format!("{IOS}{ANDROID}")).unwrap());
}

#[test]
fn the_examples_of_the_file_are_valid() {
    let examples = with_credentials(&uncommented(|key| key.default_text().is_none()));
    let (config, _) = parse(&examples).unwrap();
    assert_eq!(config.core.workers.get(), 4);
    assert_eq!(config.core.pusher_max.map(NonZeroU32::get), Some(100));
}

#[test]
fn the_unit_agrees_with_the_code() {
    let unit = include_str!("../../../systemd/sterna.service");
    let value = |name: &str| {
        let line = unit
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("{name} is missing"))
    };
    let Allowed::Number {
        default: NumberDefault::Is(drain),
        ..
    } = keys::CORE_SHUTDOWN_TIMEOUT.allowed
    else {
        panic!("the drain has no default");
    };
    assert!(value("TimeoutStopSec").parse::<u64>().unwrap() > drain);
    assert!(value("ExecStart").ends_with(&format!(" serve -c {DEFAULT_PATH}")));
    assert_eq!(value("RestartPreventExitStatus"), "64 77 78");
}
