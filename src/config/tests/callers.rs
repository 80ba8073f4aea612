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

#[test]
fn a_file_with_what_only_gaurun_had_keeps_its_ways_unless_it_says_otherwise() {
    let off = "[android]\nenabled = false\n";
    for (lines, is_like_gaurun, because_of) in [
        (off, false, None),
        (
            "[core]\ncompatible_with = \"gaurun\"\n[android]\nenabled = false\n",
            true,
            None,
        ),
        (
            "[android]\nenabled = false\napikey = \"\"\n",
            true,
            Some("android.apikey"),
        ),
        (
            "[android]\nenabled = false\nkeepalive_conns = 4\napikey = \"a\"\n",
            true,
            Some("android.keepalive_conns"),
        ),
        (
            "[android]\nenabled = false\nuse_fcm = true\n",
            true,
            Some("android.use_fcm"),
        ),
        (
            "keepalive_max = 9\n[android]\nenabled = false\n",
            true,
            Some("ios.keepalive_max"),
        ),
        (
            "[android]\nenabled = false\n[api]\nx = 1\n",
            true,
            Some("api"),
        ),
        (
            "[android]\nenabled = false\napikey = \"a\"\n[core]\ncompatible_with = \"\"\n",
            false,
            None,
        ),
    ] {
        let (config, warnings) = parse(&format!("{IOS}{lines}")).unwrap();
        assert_eq!(config.core.is_like_gaurun, is_like_gaurun, "{lines}");
        let told = warnings
            .iter()
            .filter(|warning| warning.contains("compatible_with"));
        let told: Vec<&str> = told.map(String::as_str).collect();
        assert_eq!(told.len(), usize::from(because_of.is_some()), "{told:?}");
        let because_of = because_of.map(|name| format!("since only Gaurun had {name}; write that"));
        assert!(
            because_of.iter().all(|why| told[0].contains(why)),
            "{told:?}"
        );
    }
    check_refused(
        "core",
        "compatible_with = \"sterna\"",
        &["must be \"gaurun\", or \"\""],
    );
    let told = [
        "core.gaurun_badge: unknown key",
        "remove it, and if it was true write core.compatible_with = \"gaurun\"",
    ];
    check_refused("core", "gaurun_badge = true", &told);
}
