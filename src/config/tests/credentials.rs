//! Which credentials a platform needs, and what is said about the others.

use super::*;

const TOKEN: &str = "token_auth_key_path = \"k\"\ntoken_auth_key_id = \"ABCDE12345\"\n\
                     token_auth_team_id = \"TEAM123456\"\n";
const CERTIFICATE: &str = "pem_cert_path = \"c.pem\"\npem_key_path = \"k.pem\"\n";

/// A file with these lines as its iOS section.
fn ios(lines: &str) -> Result<(Option<ApnsConfig>, Vec<String>), String> {
    let text = format!("[android]\nenabled = false\n[ios]\n{lines}");
    let apns = |config: &Config| config.lane(LaneId::IOS)?.apns().cloned();
    parse(&text).map(|(config, warnings)| (apns(&config), warnings))
}

/// A file with these lines as its Android section.
fn android(lines: &str) -> Result<(Option<FcmConfig>, Vec<String>), String> {
    let text = format!("[ios]\nenabled = false\n[android]\n{lines}");
    let fcm = |config: &Config| config.lane(LaneId::ANDROID)?.fcm().cloned();
    parse(&text).map(|(config, warnings)| (fcm(&config), warnings))
}

#[test]
fn apns_takes_a_certificate_without_topic() {
    let (ios, warnings) = ios(CERTIFICATE).unwrap();
    let ios = ios.unwrap();
    let (cert_path, key_path) = ("c.pem".into(), "k.pem".into());
    assert_eq!(
        ios.credential,
        ApnsCredential::Certificate {
            cert_path,
            key_path,
            passphrase: None,
        }
    );
    assert_eq!((ios.topic, warnings), (None, vec![]));
}

#[test]
fn apns_takes_only_one_kind() {
    let error = ios(&format!("{TOKEN}{CERTIFICATE}topic = \"t\"")).unwrap_err();
    assert!(
        error.contains("f:4:23: ios.token_auth_key_path = \"k\": only one of"),
        "{error}"
    );
}

#[test]
fn the_signing_key_before_is_named_whole_and_is_another() {
    const OLD: &str = "token_auth_old_key_path = \"o\"\ntoken_auth_old_key_id = \"OLDKEY1234\"\n";
    let with_token = |lines: &str| format!("{TOKEN}topic = \"t\"\n{lines}");
    let section = |lines: &str| ios(&with_token(lines));
    let old = |lines: &str| match section(lines).unwrap().0.unwrap().credential {
        ApnsCredential::Token { old, .. } => old.map(|old| (old.path, old.id)),
        other @ ApnsCredential::Certificate { .. } => panic!("{other:?}"),
    };
    assert_eq!(old(OLD), Some(("o".into(), "OLDKEY1234".to_owned())));
    assert_eq!(old(""), None);
    for line in OLD.lines() {
        let error = section(line).unwrap_err();
        assert!(error.contains("lacks ios.token_auth_old_key_"), "{error}");
    }
    let same = OLD.replace("OLDKEY1234", "ABCDE12345");
    assert_eq!(old(&same), None);
    for lines in [with_token(&same), format!("{CERTIFICATE}{OLD}")] {
        let (_, warnings) = ios(&lines).unwrap();
        assert!(
            warnings[0].contains("ios.token_auth_old_key_"),
            "{warnings:?}"
        );
        assert!(warnings[0].contains("ignored: "), "{warnings:?}");
    }
}

#[test]
fn half_of_the_other_kind_is_ignored_aloud() {
    let (_, warnings) = ios(&format!("{CERTIFICATE}token_auth_key_id = \"ABCDE12345\"")).unwrap();
    assert!(
        warnings[0].contains("ios.token_auth_key_id = \"ABCDE12345\": ignored"),
        "{warnings:?}"
    );
    let lines = format!("{TOKEN}topic = \"t\"\npem_key_passphrase = \"735191\"");
    let (_, warnings) = ios(&lines).unwrap();
    assert!(
        warnings[0].contains("ios.pem_key_passphrase = (not shown): ignored"),
        "{warnings:?}"
    );
}

#[test]
fn token_authentication_needs_a_topic() {
    let error = ios(TOKEN).unwrap_err();
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(
        error.starts_with("f: ios.topic: must be the app's bundle id"),
        "{error}"
    );
}

#[test]
fn what_apns_lacks_is_named() {
    let check = |lines: &str, expected: &str| {
        let error = ios(lines).unwrap_err();
        assert!(error.contains(expected), "{error}");
        assert!(error.ends_with("or set ios.enabled = false"), "{error}");
    };
    check("", "ios: no credential: set token_auth_key_path");
    check("pem_cert_path = \"\"", "ios: no credential");
    check(
        "pem_cert_path = \"c\"",
        "certificate authentication lacks ios.pem_key_path;",
    );
    check(
        "pem_key_path = \"k\"",
        "certificate authentication lacks ios.pem_cert_path;",
    );
    check(
        "token_auth_key_path = \"k\"",
        "token authentication lacks ios.token_auth_key_id, ios.token_auth_team_id;",
    );
}

#[test]
fn apple_identifiers_have_ten_characters() {
    for (name, other) in [
        ("token_auth_key_id", "token_auth_team_id"),
        ("token_auth_team_id", "token_auth_key_id"),
    ] {
        for wrong in ["ABCDE1234", "ABCDE123456", "ABCDE 1234", "ABCDE1234é"] {
            let lines = format!(
                "{name} = \"{wrong}\"\n{other} = \"ABCDE12345\"\ntoken_auth_key_path = \"k\""
            );
            let error = ios(&lines).unwrap_err();
            let expected = format!("ios.{name} = \"{wrong}\": must be 10 letters and digits");
            assert!(error.contains(&expected), "{error}");
        }
    }
}

#[test]
fn topics_and_projects_have_a_form() {
    let longest = "t".repeat(lane::apns::TOPIC_MAX);
    let topic = |topic: &str| ios(&format!("{CERTIFICATE}topic = \"{topic}\""));
    assert_eq!(
        topic(&longest).unwrap().0.unwrap().topic,
        Some(longest.clone())
    );
    for wrong in ["a b", "a/b", "é", &format!("{longest}t")] {
        assert!(
            topic(wrong)
                .unwrap_err()
                .contains("must be up to 255 letters"),
            "{wrong}"
        );
    }
    let longest = "p".repeat(lane::fcm::PROJECT_ID_MAX);
    let project = |id: &str| {
        android(&format!(
            "service_account_path = \"a\"\nproject_id = \"{id}\""
        ))
    };
    assert_eq!(
        project(&longest).unwrap().0.unwrap().project_id,
        Some(longest.clone())
    );
    for wrong in ["a b", "a/b", "a?b", &format!("{longest}p")] {
        assert!(
            project(wrong)
                .unwrap_err()
                .contains("must be up to 64 letters"),
            "{wrong}"
        );
    }
}

#[test]
fn a_passphrase_is_kept_and_never_shown() {
    let lines = format!("{CERTIFICATE}pem_key_passphrase = \"735191\"");
    let (found, warnings) = ios(&lines).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let found = found.unwrap();
    let ApnsCredential::Certificate { passphrase, .. } = &found.credential else {
        panic!("{found:?}");
    };
    assert_eq!(passphrase.as_ref().map(Secret::expose), Some("735191"));
    assert!(!format!("{found:?}").contains("735191"), "{found:?}");
}

#[test]
fn the_environment_names_the_service_account_if_the_file_does_not() {
    let mut environment = environment();
    environment.google_application_credentials = Some("/env.json".into());
    let path = |text: &str| {
        let (config, _) = Config::parse("f", text, Overrides::default(), &environment).unwrap();
        let lane = config.lane(LaneId::ANDROID).unwrap();
        lane.files()[0].clone()
    };
    assert_eq!(path("[ios]\nenabled = false\n"), Path::new("/env.json"));
    assert_eq!(
        path(&format!("{ANDROID}[ios]\nenabled = false\n")),
        Path::new("account.json")
    );
    let text = "[ios]\nenabled = false\n[android]\napikey = \"735191\"\n";
    let (_, warnings) = Config::parse("f", text, Overrides::default(), &environment).unwrap();
    let told = |warning: &Warning| warning.diagnostic.text.contains("(not shown): ignored");
    assert!(warnings.iter().any(told), "{warnings:?}");
}

#[test]
fn a_machine_of_googles_needs_no_file() {
    type Host = Result<(String, Vec<String>), String>;
    let host_of = |lines: &str, metadata_host: Option<&str>| -> Host {
        let environment = Environment {
            metadata_host: metadata_host.map(str::to_owned),
            // It is not that one which is meant.
            google_application_credentials: Some("/env.json".into()),
            ..environment()
        };
        let text = format!("[ios]\nenabled = false\n[android]\nmetadata_server = true\n{lines}");
        let parsed = Config::parse("f", &text, Overrides::default(), &environment);
        let (config, warnings) = parsed.map_err(|error| error.to_string())?;
        let fcm = config.lane(LaneId::ANDROID).unwrap().fcm().unwrap();
        let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        match &fcm.credential {
            FcmCredential::MetadataServer { host } => Ok((host.clone(), warnings)),
            file @ FcmCredential::File { .. } => panic!("{file:?}"),
        }
    };
    for (set, expected) in [
        (None, "metadata.google.internal"),
        (Some("127.0.0.1:2199"), "127.0.0.1:2199"),
        (Some("[::1]:80"), "[::1]:80"),
        (Some("metadata.example"), "metadata.example"),
    ] {
        assert_eq!(host_of("", set), Ok((expected.to_owned(), vec![])));
    }
    for wrong in [
        "http://x/hunter2",
        "hunter2@x",
        "x:0",
        "x:y",
        "x/..",
        ":80",
        "[::1",
        "[x]",
    ] {
        let error = host_of("", Some(wrong)).unwrap_err();
        assert_eq!(
            error, "f: GCE_METADATA_HOST is neither a host nor host:port",
            "{wrong}"
        );
    }
    // Who sends nothing has no use for it.
    let environment = Environment {
        metadata_host: Some("http://x".to_owned()),
        ..environment().without_credentials()
    };
    let text = "[ios]\nenabled = false\n[android]\nmetadata_server = true\n";
    assert!(Config::parse("f", text, Overrides::default(), &environment).is_ok());
    let error = host_of("service_account_path = \"account.json\"", None).unwrap_err();
    let expected =
        "android.metadata_server = true: only one of credential file and metadata server";
    assert!(error.contains(expected), "{error}");
    for key in ["credential_hosts", "token_hosts"] {
        let (_, warnings) = host_of(&format!("{key} = [\"idp.example\"]"), None).unwrap();
        let told = warnings[0].contains("ignored: the metadata server is used");
        assert!(told && warnings[0].contains(key), "{warnings:?}");
    }
}

#[test]
fn hosts_of_an_external_account_are_names_or_addresses() {
    let hosts = |list: &str| {
        let lines = format!(
            "service_account_path = \"account.json\"\ncredential_hosts = {list}\n\
                             token_hosts = [\"proxy.example\"]"
        );
        android(&lines).map(|(fcm, _)| fcm.unwrap().credential)
    };
    let good = ["idp.example", "127.0.0.1", "::1"];
    let expected = FcmCredential::File {
        path: "account.json".into(),
        hosts: good.map(str::to_owned).to_vec(),
        token_hosts: vec!["proxy.example".to_owned()],
    };
    assert_eq!(hosts(&format!("{good:?}")), Ok(expected));
    assert!(hosts(&format!("{:?}", ["h"; 16])).is_ok());
    for wrong in [
        "[\"https://idp.example\"]",
        "[\"idp.example:443\"]",
        "[\"\"]",
        "[7]",
        "\"idp.example\"",
        &format!("{:?}", ["h"; 17]),
    ] {
        let error = hosts(wrong).unwrap_err();
        let expected = "must be a list of up to 16 host names or IP addresses";
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn an_api_key_is_no_credential() {
    let error = android("apikey = \"735191\"").unwrap_err();
    assert_eq!(error.lines().count(), 1, "{error}");
    for part in [
        "f:4:10: android.apikey",
        "2024",
        "service_account_path",
        "android.enabled = false",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert!(!error.contains("735191"), "{error}");
}

#[test]
fn a_disabled_platform_needs_nothing_but_valid_values() {
    let (config, warnings) = parse(&format!(
        "{IOS}[android]\nenabled = false\napikey = \"a\"\ntimeout = 1\nkeepalive_conns = 1\n"
    ))
    .unwrap();
    assert_eq!((config.lane(LaneId::ANDROID), warnings.len()), (None, 1));
    assert!(warnings[0].contains("core.compatible_with"), "{warnings:?}");
    assert!(config.lane(LaneId::IOS).is_some());
    let error = parse(&format!("{IOS}[android]\nenabled = false\ntimeout = 0\n")).unwrap_err();
    assert!(error.contains("android.timeout = 0: must be"), "{error}");
}

#[test]
fn one_platform_must_be_enabled() {
    let error = parse("[ios]\nenabled = false\n[android]\nenabled = false\n").unwrap_err();
    assert_eq!(
        error,
        "f: no platform is enabled: enable ios, android or both"
    );
}

/// Each key that names a file which systemd can hand over, with what makes the file complete.
const FILE_KEYS: [(&str, &str, &str); 8] = [
    ("core", "api_key_path", ""),
    ("ios", "pem_cert_path", "pem_key_path = \"k\"\n"),
    ("ios", "pem_key_path", "pem_cert_path = \"c\"\n"),
    (
        "ios",
        "token_auth_key_path",
        "token_auth_key_id = \"ABCDE12345\"\ntoken_auth_team_id = \"TEAM123456\"\n\
         topic = \"t\"\n",
    ),
    ("ios", "ca_path", CERTIFICATE),
    ("android", "service_account_path", ""),
    ("android", "ca_path", "service_account_path = \"a\"\n"),
    ("log", "hash_key_path", "hide_token = \"hash\"\n"),
];

/// A file in which that key has that value.
fn with_file_key((section, name, others): (&str, &str, &str), value: &str) -> String {
    let text = ["core", "ios", "android", "log"].map(|part| match part {
        _ if part == section => format!("[{part}]\n{others}{name} = \"{value}\"\n"),
        "ios" => "[ios]\nenabled = false\n".to_owned(),
        "android" if section != "ios" => ANDROID.to_owned(),
        "android" => "[android]\nenabled = false\n".to_owned(),
        _ => String::new(),
    });
    text.concat()
}

#[test]
fn every_key_of_a_file_takes_a_credential_of_systemds() {
    let environment = Environment {
        credentials_directory: Some("/run/credentials/sterna.service".into()),
        ..environment()
    };
    for key in FILE_KEYS {
        let text = with_file_key(key, "credential:name.p8");
        let parsed = Config::parse("f", &text, Overrides::default(), &environment);
        let (config, _) = parsed.unwrap_or_else(|error| panic!("{key:?}: {error}"));
        let shown = format!("{config:?}");
        let path = "\"/run/credentials/sterna.service/name.p8\"";
        assert!(shown.contains(path), "{key:?}: {shown}");
    }
}

#[test]
fn a_credential_that_cannot_be_there_is_the_only_problem() {
    for key in FILE_KEYS {
        let error = parse(&with_file_key(key, "credential:name.p8")).unwrap_err();
        let expected = format!(
            "{}.{} = \"credential:name.p8\": CREDENTIALS_DIRECTORY is not set: systemd sets it",
            key.0, key.1
        );
        assert!(error.contains(&expected), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        for wrong in ["", ".", "..", "a/b", &"n".repeat(256)] {
            let error = parse(&with_file_key(key, &format!("credential:{wrong}"))).unwrap_err();
            assert!(
                error.contains("a credential's name is the name of a file"),
                "{error}"
            );
        }
    }
}
