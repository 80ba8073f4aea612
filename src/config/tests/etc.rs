//! `etc/sterna.toml` says what the code does.

use std::fmt::Write;

use super::*;

const FILE: &str = include_str!("../../../etc/sterna.toml");

/// What the file sets: a service's own places, which logrotate.conf knows.
static SET: [(&Key, &str); 3] = [
    (&sections::LOG.access_log, "/var/log/sterna/access.log"),
    (&sections::LOG.error_log, "/var/log/sterna/error.log"),
    (&sections::LOG.operator_log, "/var/log/sterna/operator.log"),
];

/// The file as the key table has it.
fn rendered() -> String {
    let mut text = String::new();
    let intro = "The configuration of Sterna. Every key stands here with its default, commented \
                 out: uncomment a line to change it. Paths are relative to the directory that \
                 the daemon is started in. At least one platform must be enabled and have its \
                 credentials: for APNs the three token_auth keys and topic, or the pem \
                 certificate and key; for FCM service_account_path, or on Google Cloud \
                 metadata_server. The logs are set, to where a \
                 service has them.";
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
            for (_, value) in SET.iter().filter(|(set, _)| set.path() == key.path()) {
                writeln!(text, "{} = \"{value}\"", key.name).unwrap();
            }
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

/// The file less what it sets.
fn unset() -> String {
    let lines = FILE.lines().filter(|line| {
        let mut set = SET.iter();
        !set.any(|(key, value)| *line == format!("{} = \"{value}\"", key.name))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Uncomments the lines of the keys that `wanted` picks.
fn uncommented(wanted: impl Fn(&Key) -> bool) -> String {
    let file = unset();
    let lines = file.lines().map(|line| {
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
    let absent = parse(&with_credentials(&unset())).unwrap();
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
    let connections = config.core.provider_connections;
    assert_eq!(connections.map(NonZeroUsize::get), Some(8));
}

/// A setting of the unit.
fn value(name: &str) -> &'static str {
    let unit = include_str!("../../../systemd/sterna.service");
    let mut lines = unit.lines();
    let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("{name} is missing"))
}

#[test]
fn a_service_logs_to_files_that_are_rotated() {
    let (config, warnings) = parse(&with_credentials(FILE)).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let log = config.log;
    let names = [log.access_log, log.error_log, log.operator_log];
    assert_eq!(names, SET.map(|(_, value)| value.to_owned()));
    let directory = format!("/var/log/{}", value("LogsDirectory"));
    let rotated = include_str!("../../../etc/logrotate.conf");
    let made = include_str!("../../../etc/tmpfiles.d/sterna.conf");
    for name in names {
        let file = name.strip_prefix(&format!("{directory}/")).unwrap();
        let extension = file.rsplit_once('.').map(|(_, extension)| extension);
        assert!(extension == Some("log") && !file.contains('/'), "{name}");
    }
    assert!(rotated.contains(&format!("\n{directory}/*.log ")));
    assert!(made.contains(&format!("\nd {directory} ")));
    // What goes to systemd's journal all the same is not cut off by its limit for a service: a
    // burst of pushes has two lines for each. With an interval of 0 it is not switched off.
    assert_eq!(value("LogRateLimitIntervalSec"), "1s");
    assert!(value("LogRateLimitBurst").parse::<u64>().unwrap() >= 10_000_000);
}

#[test]
fn the_unit_agrees_with_the_code() {
    let Allowed::Number {
        default: NumberDefault::Is(drain),
        ..
    } = sections::CORE.shutdown_timeout.allowed
    else {
        panic!("the drain has no default");
    };
    assert!(value("TimeoutStopSec").parse::<u64>().unwrap() > drain);
    assert!(value("ExecStart").ends_with(&format!(" serve -c {DEFAULT_PATH}")));
    assert_eq!(value("RestartPreventExitStatus"), "64 77 78");
}
