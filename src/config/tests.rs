//! What a configuration file may say, and what is answered when it says something else.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fixture::environment;
use super::*;

const IOS: &str = "[ios]\ntoken_auth_key_path = \"key.p8\"\ntoken_auth_key_id = \"ABCDE12345\"\n\
                   token_auth_team_id = \"TEAM123456\"\ntopic = \"com.example.app\"\n";
const ANDROID: &str = "[android]\nservice_account_path = \"account.json\"\n";

fn parse(text: &str) -> Result<(Config, Vec<String>), String> {
    parse_with(text, Overrides::default())
}

fn parse_with(text: &str, overrides: Overrides) -> Result<(Config, Vec<String>), String> {
    match Config::parse("f", text, overrides, &environment()) {
        Ok((config, warnings)) => Ok((config, warnings.iter().map(ToString::to_string).collect())),
        Err(error) => Err(error.to_string()),
    }
}

/// A file with both platforms and these lines in these sections.
fn with(section: &str, lines: &str) -> String {
    let mut text = format!("[core]\n{IOS}{ANDROID}[journal]\n[feedback]\n[log]\n");
    let header = format!("[{section}]\n");
    let at = text.find(&header).unwrap() + header.len();
    text.insert_str(at, &format!("{lines}\n"));
    text
}

fn accepted(section: &str, lines: &str) -> Config {
    parse(&with(section, lines))
        .unwrap_or_else(|error| panic!("{lines}: {error}"))
        .0
}

fn refused(section: &str, lines: &str) -> String {
    match parse(&with(section, lines)) {
        Ok(_) => panic!("{lines}: accepted"),
        Err(error) => error,
    }
}

fn warned(section: &str, lines: &str) -> Vec<String> {
    parse(&with(section, lines))
        .unwrap_or_else(|error| panic!("{lines}: {error}"))
        .1
}

fn check_refused(section: &str, lines: &str, expected: &[&str]) {
    let error = refused(section, lines);
    for part in expected {
        assert!(
            error.contains(part),
            "{lines}: {part:?} is not in {error:?}"
        );
    }
}

/// What is in force of a feed of which the file says nothing.
fn feedback() -> Feedback {
    Feedback {
        sync: Sync::Interval,
        bytes: 64 << 20,
        hook: None,
    }
}

#[test]
fn credentials_alone_are_a_configuration() {
    let found = parse(&format!("{IOS}{ANDROID}")).unwrap();
    let expected = Config {
        core: Core {
            socket_access: SocketAccess::default(),
            api_key_path: None,
            allow_unauthenticated: false,
            hosts: Vec::new(),
            bind: Bind::Tcp(SocketAddr::from(([127, 0, 0, 1], 1056))),
            workers: NonZeroUsize::new(16).unwrap(),
            provider_connections: None,
            queues: NonZeroUsize::new(1_000_000).unwrap(),
            scheduled_queues: NonZeroUsize::new(10_000).unwrap(),
            notification_max: NonZeroUsize::new(100).unwrap(),
            pusher_max: None,
            shutdown_timeout: Duration::from_secs(10),
            pid: None,
            allows_empty_message: false,
            is_like_gaurun: false,
            bulk_from: NonZeroUsize::new(10).unwrap(),
            max_connections: None,
            max_body_bytes: NonZeroUsize::new(8_388_608).unwrap(),
            max_age: Duration::from_secs(24 * 3600),
            resend_unknown: true,
            probe_interval: Duration::from_secs(30),
            control_socket: None,
            node: crate::push::Node::default(),
        },
        lanes: BTreeMap::from([
            (
                LaneId::IOS,
                Some(LaneConfig {
                    timeout: Duration::from_secs(10),
                    retry_max: 10,
                    rate: 0,
                    keepalive_timeout: Duration::from_secs(90),
                    endpoint: None,
                    ca_path: None,
                    provider: ProviderConfig::Apns(ApnsConfig {
                        channels_endpoint: None,
                        credential: ApnsCredential::Token {
                            key: SigningKeyFile {
                                path: "key.p8".into(),
                                id: "ABCDE12345".into(),
                                named_by: "token_auth_key_path",
                            },
                            team_id: "TEAM123456".into(),
                            old: None,
                        },
                        sandbox: true,
                        environments: Vec::new(),
                        topic: Some("com.example.app".into()),
                    }),
                    section: "ios".to_owned(),
                }),
            ),
            (
                LaneId::ANDROID,
                Some(LaneConfig {
                    timeout: Duration::from_secs(15),
                    retry_max: 10,
                    rate: 9_000,
                    keepalive_timeout: Duration::from_secs(90),
                    endpoint: None,
                    ca_path: None,
                    provider: ProviderConfig::Fcm(FcmConfig {
                        credential: FcmCredential::File {
                            path: "account.json".into(),
                            hosts: vec![],
                            token_hosts: Vec::new(),
                        },
                        project_id: None,
                        style: Some(MessageStyle::Notification),
                    }),
                    section: "android".to_owned(),
                }),
            ),
        ]),
        feedback: Some(feedback()),
        metrics: Metrics::default(),
        journal: Some(Journal {
            dir: PathBuf::from("/var/lib/sterna"),
            sync: Sync::Group,
            segment_bytes: 64 << 20,
            scheduled_max: 1_000_000,
            scheduled_bytes: 256 << 20,
        }),
        log: Log {
            hide_token: HideToken::No,
            hide_message: false,
            access_log: "stdout".to_owned(),
            error_log: "stderr".to_owned(),
            operator_log: "stderr".to_owned(),
            mode: 0o640,
            level: ::log::LevelFilter::Info,
        },
    };
    assert_eq!(found, (expected, Vec::new()));
}

#[test]
fn gauruns_sample_lacks_only_the_service_account() {
    let sample = r#"
[core]
port = "1056"
workers = 8
queues = 8192
notification_max = 100
shutdown_timeout = 30
[android]
apikey = "apikey for GCM"
enabled = true
timeout = 5 # sec
keepalive_timeout = 30
keepalive_conns = 4
retry_max = 1
use_fcm = false
[ios]
pem_cert_path = "cert.pem"
pem_key_path = "key.pem"
sandbox = true
enabled = true
timeout = 5
keepalive_timeout = 30
keepalive_conns = 6
retry_max = 1
[log]
access_log = "stdout"
error_log = "stderr"
level = "error"
"#;
    let error = parse(sample).unwrap_err();
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(
        error.starts_with("f:9:10: android.apikey = (not shown): Google closed"),
        "{error}"
    );
    assert!(
        error.contains("2024") && error.contains("android.service_account_path"),
        "{error}"
    );

    let mended = sample.replace("apikey =", "service_account_path = \"a.json\"\napikey =");
    let (config, warnings) = parse(&mended).unwrap();
    assert_eq!(config.core.workers.get(), 8);
    let ios = config.lane(LaneId::IOS).unwrap();
    assert_eq!(ios.timeout, Duration::from_secs(5));
    let android = config.lane(LaneId::ANDROID).unwrap();
    assert_eq!(
        (android.timeout, android.retry_max),
        (Duration::from_secs(10), 1)
    );
    assert_eq!(warnings.len(), 6, "{warnings:#?}");
    for (warning, part) in warnings.iter().zip([
        "f:10:10: core.compatible_with = \"gaurun\" is assumed, since only Gaurun had android.apikey; \
         write that below [core], or \"\" for Sterna's own answers to callers",
        "f:10:10: android.apikey = (not shown): ignored",
        "f:12:11: android.timeout = 5: raised to 10",
        "f:14:19: android.keepalive_conns = 4: has no effect",
        "f:16:1: android.use_fcm: has no effect",
        "f:24:19: ios.keepalive_conns = 6: has no effect",
    ]) {
        assert!(warning.starts_with(part), "{warning}");
    }
}

#[test]
fn port_is_gauruns() {
    let bind = |lines: &str| accepted("core", lines).core.bind;
    let tcp = |port: u16| Bind::Tcp(SocketAddr::from(([127, 0, 0, 1], port)));
    assert_eq!(bind("port = \"1057\""), tcp(1057));
    assert_eq!(bind("port = 65535"), tcp(65_535));
    assert_eq!(bind("port = \"0\""), tcp(0));
    assert_eq!(bind("port = \"unix:/run/s\""), Bind::Unix("/run/s".into()));
    let longest = format!("/{}", "s".repeat(core::bind::UNIX_PATH_MAX - 1));
    assert_eq!(
        bind(&format!("port = \"unix:{longest}\"")),
        Bind::Unix(PathBuf::from(&longest))
    );
    check_refused(
        "core",
        &format!("port = \"unix:{longest}s\""),
        &["longer than 107 bytes"],
    );
    for wrong in [
        "\"\"",
        "\"65536\"",
        "\"-1\"",
        "\"+1\"",
        "\"http\"",
        "\"unix:run\"",
        "65536",
    ] {
        let expected = [
            "invalid port: must be a number",
            "path that starts with 'unix:/'",
            wrong,
        ];
        check_refused("core", &format!("port = {wrong}"), &expected);
    }
    check_refused(
        "core",
        "port = true",
        &["core.port = true: must be a number from 0 to 65535"],
    );
}

#[test]
fn other_hosts_are_let_in_only_on_purpose() {
    let bind = |lines: &str| accepted("core", lines).core.bind;
    for own in ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"] {
        let expected = SocketAddr::new(own.parse().unwrap(), 1056);
        assert_eq!(bind(&format!("address = \"{own}\"")), Bind::Tcp(expected));
    }
    assert_eq!(
        bind("address = \"localhost\""),
        Bind::Tcp(SocketAddr::from(([127, 0, 0, 1], 1056)))
    );
    for open in [
        "0.0.0.0",
        "::",
        "192.0.2.1",
        "2001:db8::1",
        "::ffff:192.0.2.1",
    ] {
        let line = format!("address = \"{open}\"");
        check_refused(
            "core",
            &line,
            &[open, "set api_key_path, or allow_unauthenticated = true"],
        );
        let expected = SocketAddr::new(open.parse().unwrap(), 1056);
        for leave in ["allow_unauthenticated = true", "api_key_path = \"keys\""] {
            assert_eq!(bind(&format!("{line}\n{leave}")), Bind::Tcp(expected));
        }
        assert_eq!(
            bind(&format!("{line}\nport = \"unix:/s\"")),
            Bind::Unix("/s".into())
        );
    }
    check_refused(
        "core",
        "address = \"example.com\"",
        &["must be an IP address", "not looked up"],
    );
    check_refused(
        "core",
        "address = \"127.0.0.1:80\"",
        &["the port goes into core.port"],
    );
    check_refused("core", "address = \"[::1]\"", &["must be an IP address"]);
}

#[test]
fn endpoints_are_https_hosts() {
    let check = |text: &str, host: &str, port: u16| {
        let expected = ProviderUrl {
            host: host.to_owned(),
            port,
        };
        assert_eq!(text.parse(), Ok(expected.clone()), "{text}");
        let config = accepted("ios", &format!("endpoint = \"{text}\""));
        let ios = config.lane(LaneId::IOS).unwrap();
        assert_eq!(ios.endpoint, Some(expected));
    };
    check("https://localhost", "localhost", 443);
    check("https://127.0.0.1:2197", "127.0.0.1", 2197);
    check("https://[::1]:65535", "::1", 65_535);
    check("https://[2001:db8::1]", "2001:db8::1", 443);
    let label = "a".repeat(provider_url::LABEL_MAX);
    check(&format!("https://{label}"), &label, 443);
    let longest = format!("{label}.{label}.{label}.{}", "a".repeat(61));
    assert_eq!(longest.len(), provider_url::HOST_MAX);
    check(&format!("https://{longest}"), &longest, 443);
    for (wrong, part) in [
        ("http://localhost", "must start with https://"),
        ("localhost:443", "must start with https://"),
        ("https://", "the host must be"),
        ("https://:443", "the host must be"),
        ("https://a..b", "the host must be"),
        ("https://a b", "the host must be"),
        (&format!("https://{label}a"), "the host must be"),
        (&format!("https://{longest}a"), "the host must be"),
        ("https://a/", "without user or path"),
        ("https://u@a", "(not shown): must be \"https://host\""),
        ("https://a?b", "without user or path"),
        ("https://a:", "from 1 to 65535"),
        ("https://a:0", "from 1 to 65535"),
        ("https://a:65536", "from 1 to 65535"),
        ("https://a:+1", "from 1 to 65535"),
        ("https://::1", "must stand in []"),
        ("https://[::1", "] after the address is missing"),
        ("https://[::1]443", "must follow the ]"),
        ("https://[localhost]", "not an IPv6 address"),
    ] {
        for section in ["ios", "android"] {
            check_refused(
                section,
                &format!("endpoint = \"{wrong}\""),
                &["endpoint = ", part],
            );
        }
    }
}

#[test]
fn log_levels_are_zaps() {
    use ::log::LevelFilter::{Debug, Error, Info, Warn};
    for (name, level) in [
        ("debug", Debug),
        ("info", Info),
        ("warn", Warn),
        ("error", Error),
        ("dpanic", Error),
        ("panic", Error),
        ("fatal", Error),
        ("ERROR", Error),
        ("", Info),
    ] {
        assert_eq!(
            accepted("log", &format!("level = \"{name}\"")).log.level,
            level,
            "{name}"
        );
    }
}

#[test]
fn logs_go_to_streams_files_or_nowhere() {
    let log = accepted(
        "log",
        "access_log = \"discard\"\nerror_log = \"/var/log/e\"",
    )
    .log;
    assert_eq!(log.access_log, "discard");
    assert_eq!(log.error_log, "/var/log/e");
    assert_eq!(accepted("log", "error_log = \"\"").log.error_log, "stderr");
    check_refused(
        "log",
        "error_log = \"a\\u0000b\"",
        &["must not hold control characters"],
    );
}

#[test]
fn the_command_line_goes_before_the_file() {
    let text = with("core", "port = \"1\"\nworkers = 300\nqueues = 5");
    let overrides = Overrides {
        port: Some(Port::Unix("/s".into())),
        workers: NonZeroUsize::new(3),
        queues: NonZeroUsize::new(7),
    };
    let (config, warnings) = parse_with(&text, overrides).unwrap();
    assert_eq!(config.core.bind, Bind::Unix("/s".into()));
    assert_eq!(
        (config.core.workers.get(), config.core.queues.get()),
        (3, 7)
    );
    assert_eq!(warnings, [""; 0]);

    let overrides = Overrides {
        workers: NonZeroUsize::new(300),
        ..Overrides::default()
    };
    let (config, warnings) = parse_with(&with("core", ""), overrides).unwrap();
    assert_eq!(config.core.workers.get(), 256);
    assert!(
        warnings[0].starts_with("command line: -w 300: lowered to 256"),
        "{warnings:?}"
    );

    let queues = NonZeroUsize::new(100_000_001);
    let error = parse_with(
        &with("core", ""),
        Overrides {
            queues,
            ..Overrides::default()
        },
    );
    assert!(
        error
            .unwrap_err()
            .contains("-q 100000001: must be 1 to 100000000 pushes")
    );
}

#[test]
fn a_file_is_read_once_and_not_without_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sterna.toml");
    let load = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Config::load(Some(&path), Overrides::default(), &environment())
            .map_err(|error| error.to_string())
    };
    let text = format!("{IOS}{ANDROID}#");
    let padded = |size: usize| [text.as_bytes(), &b"#".repeat(size - text.len())].concat();
    assert!(load(&padded(load::FILE_MAX)).is_ok());
    let error = load(&padded(load::FILE_MAX + 1)).unwrap_err();
    assert_eq!(
        error,
        format!("{}: is larger than 1048576 bytes", path.display())
    );
    let error = load(b"[core]\nport = \"\xff\"").unwrap_err();
    assert!(
        error.ends_with("is not UTF-8: invalid byte at offset 15"),
        "{error}"
    );
    let missing = directory.path().join("none");
    let error = Config::load(Some(&missing), Overrides::default(), &environment()).unwrap_err();
    let error = error.to_string();
    assert!(
        error.starts_with(&format!("{}: cannot be read: ", missing.display())),
        "{error}"
    );
    assert!(!error.contains("-c"), "{error}");
    let error = Config::load(Some(Path::new("/")), Overrides::default(), &environment());
    assert!(
        error
            .unwrap_err()
            .to_string()
            .starts_with("/: cannot be read: ")
    );
}

proptest::proptest! {
    #[test]
    fn any_text_is_answered_in_lines_of_its_file(text in "[ -~\n]{0,200}") {
        check_lines(&text);
    }

    #[test]
    fn any_value_is_answered_in_lines_of_its_file(
        index in 0..all_keys().count(), value in "\\PC{0,40}",
    ) {
        let key = all_keys().nth(index).unwrap();
        check_lines(&format!("[{}]\n{} = {value}\n", key.section, key.name));
        check_lines(&format!("[{}]\n{} = {}\n", key.section, key.name, toml_string(&value)));
    }
}

/// A file without credentials is never accepted, and every line of the answer is a problem.
fn check_lines(text: &str) {
    let error = parse(text).unwrap_err();
    for line in error.lines() {
        assert!(line.starts_with("f:"), "{line:?} of {error:?}");
    }
}

fn toml_string(value: &str) -> String {
    format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))
}

mod apps;
mod callers;
mod changes;
mod credentials;
mod etc;
mod messages;
mod numbers;

#[test]
fn the_journal_is_in_the_state_directory_unless_it_is_said_where() {
    let journal = |lines: &str| parse(&format!("{IOS}{ANDROID}[journal]\n{lines}")).unwrap();
    let expected = |dir: &str, sync, segment_bytes| {
        let dir = PathBuf::from(dir);
        Some(Journal {
            dir,
            sync,
            segment_bytes,
            scheduled_max: 1_000_000,
            scheduled_bytes: 256 << 20,
        })
    };
    let absent = expected("/var/lib/sterna", Sync::Group, 64 << 20);
    assert_eq!(journal("").0.journal, absent);
    let lines = "dir = \"elsewhere\"\nsync = \"interval\"\nsegment_bytes = 65536";
    let given = expected("elsewhere", Sync::Interval, 65536);
    assert_eq!(journal(lines).0.journal, given);
    assert_eq!(journal("sync = \"off\"").0.journal, None);
    let (off, warnings) = journal("sync = \"off\"\ndir = \"d\"");
    assert_eq!(off.journal, None);
    assert!(
        warnings[0].contains("has no effect beside journal.sync"),
        "{warnings:?}"
    );
    let refused = parse(&format!("{IOS}{ANDROID}[journal]\nsync = \"always\"")).unwrap_err();
    assert!(
        refused.contains("must be \"group\", \"interval\" or \"off\""),
        "{refused}"
    );
}

#[test]
fn a_journal_without_a_place_is_refused() {
    let nowhere = Environment {
        state_dir: None,
        ..environment()
    };
    let parse = |text: &str| Config::parse("f", text, Overrides::default(), &nowhere);
    let refused = parse(&format!("{IOS}{ANDROID}")).unwrap_err().to_string();
    assert!(
        refused.contains("name the directory of the journal"),
        "{refused}"
    );
    let named = format!("{IOS}{ANDROID}[journal]\ndir = \"d\"");
    assert!(parse(&named).is_ok());
    assert!(parse(&format!("{IOS}{ANDROID}[journal]\nsync = \"off\"")).is_ok());
}
