//! Who may call, and what the logs hide.

use super::*;

#[test]
fn a_socket_mode_is_three_octal_digits() {
    for (text, mode) in [("0660", 0o660), ("777", 0o777), ("0", 0)] {
        let lines = format!("[core]\nport = \"unix:/s\"\nsocket_mode = \"{text}\"\n");
        let (config, warnings) = parse(&format!("{IOS}{ANDROID}{lines}")).unwrap();
        assert_eq!(config.core.socket_access.mode, Some(mode), "{text}");
        assert_eq!(warnings, [""; 0]);
    }
    for text in ["rw-rw----", "0888", "1777", "+7", "-1", "7 7"] {
        check_refused(
            "core",
            &format!("socket_mode = \"{text}\""),
            &["octal digits", text],
        );
    }
}

#[test]
fn logs_have_a_mode_with_which_their_owner_can_write() {
    let log = |lines: &str| parse(&format!("{IOS}{ANDROID}[log]\n{lines}\n"));
    for (lines, mode) in [
        ("", 0o640),
        ("mode = \"0644\"", 0o644),
        ("mode = \"200\"", 0o200),
    ] {
        let (config, warnings) = log(lines).unwrap();
        assert_eq!((config.log.mode, warnings.len()), (mode, 0), "{lines}");
    }
    for text in ["0440", "0", "1640", "rw-r-----"] {
        let told = ["with which the owner may write", text];
        check_refused("log", &format!("mode = \"{text}\""), &told);
    }
}

#[test]
fn what_is_said_of_a_unix_socket_is_not_said_of_a_port() {
    for line in ["socket_mode = \"0660\"", "socket_group = \"www-data\""] {
        let (_, warnings) = parse(&format!("{IOS}{ANDROID}[core]\n{line}\n")).unwrap();
        assert!(
            warnings[0].contains("ignored: the API listens on a TCP port"),
            "{warnings:?}"
        );
    }
}

#[test]
fn hashing_tokens_needs_a_key() {
    let log = |lines: &str| parse(&format!("{IOS}{ANDROID}[log]\n{lines}\n"));
    for (lines, expected) in [
        ("", HideToken::No),
        ("hide_token = \"yes\"", HideToken::Yes),
        (
            "hide_token = \"hash\"\nhash_key_path = \"k\"",
            HideToken::Hash {
                key_path: "k".into(),
            },
        ),
    ] {
        let (config, warnings) = log(lines).unwrap();
        assert_eq!(config.log.hide_token, expected);
        assert_eq!(warnings, [""; 0]);
    }
    let line = "hide_token = \"hash\"";
    check_refused(
        "log",
        line,
        &["log.hide_token", "openssl rand -out FILE 32"],
    );
    check_refused(
        "log",
        "hide_token = \"maybe\"",
        &["\"no\", \"hash\" or \"yes\""],
    );
    let (_, warnings) = log("hash_key_path = \"k\"").unwrap();
    assert!(
        warnings[0].contains("log.hide_token is not \"hash\""),
        "{warnings:?}"
    );
}
