//! The binary's command line: what it prints and how it exits.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end them")]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::str::FromStr as _;
use std::thread;

use crate::harness::daemon::Daemon;
use crate::harness::site::{Site, read_text};
use crate::harness::wait_until;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter};
use syscalls::Sysno;

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
    // Nothing but this goes to standard error.
    let text = "[core]\nworker = 4\n[ios]\nenabled = false\n[log]\nerror_log = \"discard\"\n";
    std::fs::write(&path, text).unwrap();
    let name = path.to_str().unwrap();
    let output = sterna(&["-c", name]);
    assert_eq!(output.status.code(), Some(78));
    let text = stderr(&output);
    let expected = format!(
        "error: core.worker: unknown key\n --> {name}:2:1\n  |\n2 | worker = 4\n  | ^^^^^^\n  \
         = help: did you mean core.workers?\n\nerror: android: no credential: set service_account_path"
    );
    assert!(text.starts_with(&expected), "{text}");

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

#[test]
fn files_that_cannot_be_used_are_told_all_at_once_where_they_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sterna.toml");
    let text = "[ios]\ntoken_auth_key_path = \"/nowhere.p8\"\ntoken_auth_key_id = \"ABCDE12345\"\n\
                token_auth_team_id = \"TEAM123456\"\ntopic = \"t\"\n\
                [android]\nservice_account_path = \"/nowhere.json\"\n\
                [log]\nerror_log = \"discard\"\n";
    std::fs::write(&path, text).unwrap();
    let output = sterna(&["-c", path.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78));
    let text = stderr(&output);
    for part in [
        "\n2 | token_auth_key_path = \"/nowhere.p8\"\n  |                       ^^^^",
        "\n7 | service_account_path = \"/nowhere.json\"\n  |                        ^^^^",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

/// Serves with these lines in `[core]`, without a journal; how it ends.
fn serve_with(directory: &Path, core: &str) -> Output {
    serve_keeping(directory, core, "sync = \"off\"")
}

/// Serves with these lines in `[core]` and `[journal]`; how it ends.
fn serve_keeping(directory: &Path, core: &str, journal: &str) -> Output {
    let key = directory.join("key.p8");
    std::fs::write(&key, rcgen::KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let text = format!(
        "[core]\n{core}\n[ios]\ntoken_auth_key_path = \"{}\"\n\
         token_auth_key_id = \"ABCDE12345\"\ntoken_auth_team_id = \"TEAM123456\"\n\
         topic = \"t\"\n[android]\nenabled = false\n\
         [journal]\n{journal}\n",
        key.display()
    );
    let path = directory.join("sterna.toml");
    std::fs::write(&path, text).unwrap();
    sterna(&["serve", "-c", path.to_str().unwrap()])
}

/// Does something where the system calls are denied to every process, to root's too.
fn denied<T: Send>(calls: &[Sysno], act: impl FnOnce() -> T + Send) -> T {
    let rules: BTreeMap<i64, Vec<_>> = calls
        .iter()
        .map(|call| (i64::from(call.id()), Vec::new()))
        .collect();
    let refuse = SeccompAction::Errno(rustix::io::Errno::ACCESS.raw_os_error().cast_unsigned());
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refuse, architecture).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    // A thread's filter goes on to the processes that it starts.
    let there = || {
        seccompiler::apply_filter(&program).unwrap();
        act()
    };
    thread::scope(|scope| scope.spawn(there).join().unwrap())
}

#[test]
fn what_is_not_permitted_is_77_and_named() {
    let directory = tempfile::tempdir().unwrap();
    let journal = format!("dir = {:?}", directory.path().join("journal"));
    // Some architectures have but the second.
    let calls: Vec<Sysno> = ["mkdir", "mkdirat"]
        .iter()
        .filter_map(|name| Sysno::from_str(name).ok())
        .collect();
    let output = denied(&calls, || {
        serve_keeping(directory.path(), "port = 0", &journal)
    });
    assert_eq!(output.status.code(), Some(77), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("the journal's directory"),
        "{}",
        stderr(&output)
    );
    let output = denied(&[Sysno::bind], || serve_with(directory.path(), "port = 0"));
    assert_eq!(output.status.code(), Some(77), "{}", stderr(&output));
    let expected = "cannot listen on 127.0.0.1:0: Permission denied";
    assert!(stderr(&output).contains(expected), "{}", stderr(&output));
}

#[test]
fn every_exit_code_has_its_occasion() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut codes = vec![
        sterna(&["--version"]).status.code(),
        sterna(&["--frobnicate"]).status.code(),
    ];
    std::fs::write(path("broken.toml"), "[").unwrap();
    let broken = path("broken.toml");
    let migrated = sterna(&["check", "--migrate", broken.to_str().unwrap()]);
    codes.push(migrated.status.code());

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("port = {}", taken.local_addr().unwrap().port());
    codes.push(serve_with(directory.path(), &port).status.code());
    let nowhere = "port = 0\npid = \"/nonexistent/sterna.pid\"";
    codes.push(serve_with(directory.path(), nowhere).status.code());

    let full = std::fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .unwrap();
    let mut version = Command::new(env!("CARGO_BIN_EXE_sterna"));
    codes.push(
        version
            .arg("--version")
            .stdout(full)
            .status()
            .unwrap()
            .code(),
    );

    let held = std::fs::File::create(path("held.pid")).unwrap();
    held.lock().unwrap();
    let pid = format!("port = 0\npid = {:?}", path("held.pid"));
    codes.push(serve_with(directory.path(), &pid).status.code());
    let refused = denied(&[Sysno::bind], || serve_with(directory.path(), "port = 0"));
    codes.push(refused.status.code());
    codes.push(serve_with(directory.path(), "port = \"x\"").status.code());

    let table = sterna::cli::ExitCode::TABLE;
    let expected: Vec<_> = table
        .iter()
        .map(|(code, _)| Some(i32::from(code.number())))
        .collect();
    assert_eq!(codes, expected);
    assert_eq!(codes.len(), 9);
}

/// What the pages of commands say of exit codes, where nothing is served or recovered.
#[test]
fn exit_codes_of_small_commands_are_those_of_their_pages() {
    let full = |arguments: &[&str]| {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full");
        let mut command = Command::new(env!("CARGO_BIN_EXE_sterna"));
        command.args(arguments).stdout(full.unwrap());
        command.status().unwrap().code()
    };
    for arguments in [
        &["help"][..],
        &["help", "api"],
        &["man"],
        &["completions", "bash"],
        &["explain"],
        &["check", "--json", "-c", "/nonexistent"],
    ] {
        assert_eq!(full(arguments), Some(74), "{arguments:?}");
    }
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("bad-day.toml");
    std::fs::write(&script, "[").unwrap();
    let script = script.to_str().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for (arguments, code) in [
        (&["help", "nothing"][..], 64),
        (&["man", "nothing"], 64),
        (&["help", "api", "logs"], 64),
        (&["man", "--dir", "/nonexistent"], 73),
        (&["completions", "--dir", "/nonexistent"], 73),
        (&["simulate", "--apns-port", &port], 74),
        (&["simulate", "--script", "/nonexistent"], 74),
        (&["simulate", "--script", script], 78),
        (&["demo", "--port", &port], 69),
        (&["demo", "--port", "0", "--script", "/nonexistent"], 74),
        (&["demo", "--port", "0", "--script", script], 78),
    ] {
        let output = sterna(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
    let site = Site::with_logs();
    let shared = site.path("shared");
    let arguments = ["demo", "--port", "0", "--dir", shared.to_str().unwrap()];
    let mut first = Command::new(env!("CARGO_BIN_EXE_sterna"));
    site.capture(first.args(arguments));
    let first = Daemon::spawn(first);
    wait_until("the first demo", || {
        read_text(&site.path("stdout")).contains("curl")
    });
    assert_eq!(sterna(&arguments).status.code(), Some(75));
    assert_eq!(first.terminate(), 0);
}

#[test]
fn man_pages_and_completions_name_every_subcommand_and_flag() {
    let directory = tempfile::tempdir().unwrap();
    let output = sterna(&["man", "--dir", directory.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let page = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
    let completions: Vec<String> = ["bash", "zsh", "fish"]
        .iter()
        .map(|shell| String::from_utf8(sterna(&["completions", shell]).stdout).unwrap())
        .collect();
    let subcommands = [
        "serve", "simulate", "demo", "recover", "tokens", "check", "explain",
    ];
    for name in subcommands {
        assert!(page("sterna.1").contains(name), "{name}");
        let man = page(&format!("sterna-{name}.1")).replace('\\', "");
        let help = String::from_utf8(sterna(&[name, "--help"]).stdout).unwrap();
        let flags: Vec<&str> = help
            .lines()
            .filter_map(|line| line.trim_start().split(", ").last()?.strip_prefix("--"))
            .filter_map(|rest| rest.split([' ', '=', '[']).next())
            .collect();
        assert!(!flags.is_empty(), "{help}");
        for flag in flags {
            assert!(man.contains(&format!("--{flag}")), "{name} --{flag}: {man}");
            for text in &completions {
                assert!(text.contains(flag), "{name} --{flag}");
            }
        }
        for text in &completions {
            assert!(text.contains(name), "{name}");
        }
    }
    let printed = String::from_utf8(sterna(&["man"]).stdout).unwrap();
    assert!(printed.contains(".TH \"sterna\" 1"), "{printed}");
    for wrong in [&["completions", "dos"][..], &["completions"]] {
        assert_eq!(sterna(wrong).status.code(), Some(64));
    }
    let nowhere = &["man", "--dir", "/nonexistent"];
    assert_eq!(sterna(nowhere).status.code(), Some(73));
}
