//! A migrated file is ours.

use std::path::Path;

use super::super::fixture::environment;
use super::super::{ApnsCredential, Config, Overrides};
use super::*;
use crate::push::LaneId;

const GAURUN: &str = include_str!("../../../tests/gaurun_contract/gaurun.toml");

fn parse(text: &str) -> (Config, Vec<String>) {
    let (config, warnings) =
        Config::parse("f", text, Overrides::default(), &environment()).unwrap();
    (config, warnings.iter().map(ToString::to_string).collect())
}

#[test]
fn gauruns_sample_becomes_a_file_without_problems_and_warnings() {
    let text = migrate("gaurun.toml", GAURUN, environment().is_there).unwrap();
    let (config, warnings) = parse(&text);
    assert_eq!(warnings, [""; 0], "{text}");
    assert!(config.core.is_like_gaurun);
    let android = config.lane(LaneId::ANDROID).unwrap();
    assert_eq!(android.files(), [Path::new(ACCOUNT_PATH)]);
    assert_eq!(
        (android.retry_max, config.core.queues.get()),
        (10, 1_000_000)
    );
    for part in [
        "# dropped: apikey = (not shown): Google closed",
        "# changed: Gaurun: 8192, shared by both platforms",
        "\n#queues = 8192\n",
        "\n#address = \"0.0.0.0\"\n#allow_unauthenticated = true\n",
        "\ncompatible_with = \"gaurun\"\n",
        "\n#max_body_bytes = 33554432\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert!(!text.contains("apikey for GCM"), "{text}");
    let (config, _) = parse(&text.replace("#max_body_bytes", "max_body_bytes"));
    assert_eq!(config.core.max_body_bytes.get(), FCM_BODY);
}

#[test]
fn a_secret_is_named_and_not_repeated() {
    let text = "[ios]\npem_cert_path = \"c\"\npem_key_path = \"k\"\n\
                pem_key_passphrase = \"735191\"\n\
                [android]\nenabled = false\n[ios2]\nx = \"735191\"\n";
    let text = migrate("g", text, environment().is_there).unwrap();
    assert!(!text.contains("735191"), "{text}");
    assert!(text.contains("copy ios.pem_key_passphrase from"), "{text}");
    assert!(text.contains("\n# - ios2: unknown section"), "{text}");
    let (config, _) = parse(&text);
    assert!(config.lane(LaneId::IOS).is_some() && config.lane(LaneId::ANDROID).is_none());
}

#[test]
fn who_has_errors_on_standard_error_is_told_what_comes_between_them() {
    let told = |log: &str| {
        let text = format!("[log]\n{log}[ios]\nenabled = false\n");
        let text = migrate("g", &text, environment().is_there).unwrap();
        text.contains("\n#operator_log = ") && text.contains("so that jq reads the stream")
    };
    assert!(told(""), "that is Gaurun's default");
    assert!(told("error_log = \"stderr\"\n"));
    assert!(told("error_log = 'stderr'\n"));
    assert!(told("error_log = \"/dev/stderr\"\n"));
    assert!(told("error_log = \"e\"\naccess_log = \"stderr\"\n"));
    assert!(!told("error_log = \"e\"\n"));
    assert!(!told("operator_log = \"o\"\n"), "a file of ours");
}

#[test]
fn values_are_spelt_so_that_they_come_back() {
    let text = "[log]\naccess_log = 'a\"b\\c'\n[ios]\nenabled = false\n";
    let (config, _) = parse(&migrate("g", text, environment().is_there).unwrap());
    assert_eq!(config.log.access_log, "a\"b\\c");
}

#[test]
fn comments_stay_comments() {
    let text = "\"a\\n[core]\" = 1\n[ios]\nenabled = false\n[core]\n\"x\\nport = 5\" = 1\n";
    let (config, _) = parse(&migrate("g\nport = 1", text, environment().is_there).unwrap());
    assert_eq!(config.core.bind.to_string(), "127.0.0.1:1056");
}

#[test]
fn what_forks_call_otherwise_is_carried_over() {
    let check = |text: &str, account: &str, project: Option<&str>| {
        let text = migrate("g", text, |_| false).unwrap();
        let (config, _) = parse(&text);
        let lane = config.lane(LaneId::ANDROID).unwrap();
        assert_eq!(lane.files(), [Path::new(account)], "{text}");
        assert_eq!(lane.fcm().unwrap().project_id.as_deref(), project, "{text}");
        assert!(!text.contains("unknown"), "{text}");
        text
    };
    let ios = "[ios]\nenabled = false\n";
    for name in ["credentials_file", "service_account_key_path"] {
        let text =
            format!("{ios}[android]\napikey = \"k\"\n{name} = \"/a/b.json\"\nproject = \"p\"\n");
        let text = check(&text, "/a/b.json", Some("p"));
        let kept = format!("# kept: it was android.{name}\nservice_account_path = ");
        assert!(text.contains(&kept), "{text}");
    }
    let later = "[android]\nenabled = false\n[fcm_v1]\nenabled = true\ntimeout = 5\nanswers = 1\n\
                 credentials_file = \"/a/b.json\"\nproject = \"p\"\n";
    let text = check(&format!("{ios}{later}"), "/a/b.json", Some("p"));
    assert!(
        text.contains("# - fcm_v1.timeout: the key of that name below [android]"),
        "{text}"
    );
    let other = "# - fcm_v1.answers: Sterna has no such key\n";
    assert!(text.contains(other), "{text}");
    // Ours goes before a fork's, and a key in the place of its file is not repeated.
    let both = "[android]\nservice_account_path = \"/c.json\"\ncredentials_file = \"/a/b.json\"\n";
    let text = migrate("g", &format!("{ios}{both}"), |_| false).unwrap();
    assert!(
        text.contains("\nservice_account_path = \"/c.json\""),
        "{text}"
    );
    assert!(
        text.contains("# - android.credentials_file: unknown key"),
        "{text}"
    );
    let pasted = "[android]\ncredentials_file = \"hunter2\"\n";
    let text = migrate("g", &format!("{ios}{pasted}"), |_| false).unwrap();
    assert!(!text.contains("hunter2") && text.contains("# not shown: android.credentials_file"));
    let jwt = "[ios]\nuse_jwt = true\nauth_key_path = \"/k.p8\"\nkey_id = \"ABCDE12345\"\n\
               team_id = \"TEAM123456\"\ntopic = \"a.b\"\n[android]\nenabled = false\n";
    let (config, _) = parse(&migrate("g", jwt, |_| false).unwrap());
    let credential = &config.lane(LaneId::IOS).unwrap().apns().unwrap().credential;
    assert!(
        matches!(credential, ApnsCredential::Token { .. }),
        "{credential:?}"
    );
}

#[test]
fn what_has_nothing_of_gauruns_is_no_file_of_it() {
    for text in ["", "# [core]\n", "[package]\nname = \"x\"\n"] {
        let error = migrate("g", text, |_| false).unwrap_err().to_string();
        assert!(
            error.starts_with("g: has none of the sections core, ios"),
            "{error}"
        );
        // It names those that it would take.
        let (_, named) = error.split_once("sections ").unwrap();
        let named = named.split(';').next().unwrap().replace(" and ", ", ");
        assert_eq!(named.split(", ").count(), 8, "{error}");
        for section in named.split(", ") {
            assert!(migrate("g", &format!("[{section}]\n"), |_| false).is_ok());
        }
    }
    assert!(migrate("g", "[log]\n", |_| false).is_ok());
}
