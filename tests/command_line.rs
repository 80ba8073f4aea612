//! The binary's command line: what it prints and how it exits.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end them")]

use std::process::{Command, Output};

fn sterna(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sterna"));
    command
        .args(arguments)
        .env_remove("GOOGLE_APPLICATION_CREDENTIALS");
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn version_is_three_lines_that_begin_with_the_name() {
    for flag in ["-v", "-V", "--version"] {
        let output = sterna(&[flag]);
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], format!("Sterna {}", env!("CARGO_PKG_VERSION")));
        assert_eq!(lines.len(), 3);
    }
}

#[test]
fn help_is_no_error() {
    let output = sterna(&["--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        String::from_utf8(output.stdout)
            .unwrap()
            .contains("Examples:")
    );
}

#[test]
fn a_wrong_command_line_exits_64() {
    for arguments in [
        &["--frobnicate"][..],
        &["-w", "many"],
        &["simulate", "--fail", "200"],
    ] {
        let output = sterna(arguments);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        assert!(output.stdout.is_empty() && stderr(&output).starts_with("error: "));
    }
}

#[test]
fn a_wrong_configuration_exits_78_and_says_where() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sterna.toml");
    std::fs::write(&path, "[core]\nworker = 4\n[ios]\nenabled = false\n").unwrap();
    let name = path.to_str().unwrap();
    let output = sterna(&["-c", name]);
    assert_eq!(output.status.code(), Some(78));
    let text = stderr(&output);
    let mut lines = text.lines();
    let expected =
        format!("sterna: {name}:2:1: core.worker: unknown key; did you mean core.workers?");
    assert_eq!(lines.next(), Some(expected.as_str()));
    let expected = format!("sterna: {name}: android: no credential: set service_account_path");
    assert!(lines.next().unwrap().starts_with(&expected), "{text}");

    let output = sterna(&[
        "serve",
        "-c",
        directory.path().join("none").to_str().unwrap(),
    ]);
    assert_eq!(output.status.code(), Some(78));
    assert!(stderr(&output).contains("cannot be read"));
}

#[test]
fn explain_tells_a_reason_lists_all_and_refuses_the_unknown_with_64() {
    let output = sterna(&["explain", "baddevicetoken"]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("BadDeviceToken (APNs, status 400)\n"),
        "{text}"
    );
    assert!(text.contains("\n  cure   "), "{text}");

    let list = String::from_utf8(sterna(&["explain"]).stdout).unwrap();
    for word in [
        "Unregistered",
        "QUOTA_EXCEEDED",
        "invalid_grant",
        "unanswered",
        "GOAWAY",
    ] {
        assert!(list.contains(word), "{word}");
    }

    let output = sterna(&["explain", "--json", "UNREGISTERED"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let entries = json.as_array().unwrap();
    assert_eq!(entries.len(), 2);
    for entry in entries {
        let keys: Vec<&String> = entry.as_object().unwrap().keys().collect();
        let expected = [
            "cause", "cure", "lane", "meaning", "push", "reason", "retry", "source", "status",
            "token", "when",
        ];
        assert_eq!(keys, expected);
    }

    let output = sterna(&["explain", "BadDevceToken"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(output.stdout.is_empty());
    assert!(stderr(&output).contains("did you mean BadDeviceToken?"));
}
