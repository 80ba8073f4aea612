//! What the command line may say.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use super::args::{Cli, Command, Demo, Recover, Serve, Simulate};
use super::*;
use crate::config::Port;
use crate::simulator::Script;

fn parse(arguments: &[&str]) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(["sterna"].iter().chain(arguments))
}

fn serve(arguments: &[&str]) -> Serve {
    let cli = parse(arguments).unwrap();
    match cli.command {
        None => cli.serve,
        Some(Command::Serve(serve)) => serve,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

fn simulate(arguments: &[&str]) -> Simulate {
    match parse(arguments) {
        Ok(Cli {
            command: Some(Command::Simulate(simulate)),
            ..
        }) => simulate,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

fn demo(arguments: &[&str]) -> Demo {
    match parse(arguments) {
        Ok(Cli {
            command: Some(Command::Demo(demo)),
            ..
        }) => demo,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

fn recover(arguments: &[&str]) -> Recover {
    match parse(arguments) {
        Ok(Cli {
            command: Some(Command::Recover(recover)),
            ..
        }) => recover,
        other => panic!("{arguments:?}: {other:?}"),
    }
}

fn check_refused(arguments: &[&str], expected: &str) {
    let error = parse(arguments).unwrap_err();
    assert!(error.use_stderr(), "{arguments:?}");
    let text = error.to_string();
    assert!(text.contains(expected), "{arguments:?}: {text}");
}

#[test]
fn a_key_in_the_place_of_an_argument_is_known_however_it_is_written() {
    let pem = "-----BEGIN PRIVATE KEY-----\nMIGT\n-----END PRIVATE KEY-----";
    let api_key = "0123456789abcdef0123456789abcdef";
    for key in [pem, api_key] {
        for flag in ["", "-c", "--config=", "--c="] {
            assert!(pasted_in(&format!("{flag}{key}")).is_some(), "{flag}");
        }
    }
    for argument in [
        "serve",
        "-c",
        "--config=/etc/sterna/sterna.toml",
        "-cAuthKey_ABCDE12345.p8",
        "-p8080",
        "unix:/run/sterna/api.sock",
        "--fail=ExpiredProviderToken=5",
        "--strike",
        "rst@processed=1,silence@data=2",
        "--seed=12345678901234567890",
        "--listen",
        "2001:db8::1",
        "BadEnvironmentKeyIdInToken",
        "--max-age=7d",
    ] {
        assert_eq!(pasted_in(argument), None, "{argument}");
    }
}

#[test]
fn what_is_pushed_may_look_like_a_key() {
    let key = "0123456789abcdef0123456789abcdef";
    let together = format!("--ios={key}");
    let all = [
        "sterna",
        "send",
        "--ios",
        key,
        &together,
        "--message",
        key,
        key,
        "--url",
        key,
    ];
    let all: Vec<OsString> = all.iter().map(OsString::from).collect();
    let pushed: Vec<usize> = (1..all.len()).filter(|at| is_pushed(&all, *at)).collect();
    assert_eq!(pushed, [3, 4, 6]);
    let other = ["sterna", "check", "--ios", key].map(OsString::from);
    assert!(!is_pushed(&other, 3));
}

#[test]
fn the_argument_table_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn gauruns_flags_have_one_dash_or_two() {
    for arguments in [
        ["-c", "f", "-p", "80", "-w", "2", "-q", "3"],
        ["--c", "f", "--p", "80", "--w", "2", "--q", "3"],
        [
            "--config",
            "f",
            "--port",
            "80",
            "--workers",
            "2",
            "--queues",
            "3",
        ],
    ] {
        let serve = serve(&arguments);
        assert_eq!(serve.config, Some(PathBuf::from("f")));
        let overrides = serve.overrides();
        assert_eq!(overrides.port, Some(Port::Tcp(80)));
        assert_eq!(overrides.workers, NonZeroUsize::new(2));
        assert_eq!(overrides.queues, NonZeroUsize::new(3));
    }
    assert_eq!(serve(&["-c=f", "-w=2"]).config, Some(PathBuf::from("f")));
    assert_eq!(serve(&["--c=f"]).config, Some(PathBuf::from("f")));
    assert_eq!(
        serve(&["-p", "unix:/s"]).port,
        Some(Port::Unix("/s".into()))
    );
    assert_eq!(
        serve(&["serve", "-c", "f"]).config,
        Some(PathBuf::from("f"))
    );
    for flag in ["-v", "-V", "--v", "--version"] {
        assert!(serve(&[flag]).version, "{flag}");
    }
}

#[test]
fn gauruns_help_flags_are_no_errors() {
    for flag in ["-h", "-help", "--help"] {
        assert_eq!(
            parse(&[flag]).unwrap_err().kind(),
            ErrorKind::DisplayHelp,
            "{flag}"
        );
    }
}

#[test]
fn flags_have_ranges() {
    check_refused(
        &["-p", "65536"],
        "invalid port: must be a number from 0 to 65535",
    );
    check_refused(&["-p", "unix:s"], "path that starts with 'unix:/'");
    check_refused(&["-w", "0"], "'0' for '--workers <N>'");
    check_refused(&["-q", "0"], "must be a number from 1 to 100000000");
    check_refused(&["-q", "100000001"], "must be a number from 1 to 100000000");
    for flag in ["--fail", "--refuse"] {
        let expected = "\"101\" is not a percentage from 0 to 100";
        check_refused(&["simulate", flag, "101"], expected);
    }
    check_refused(
        &["simulate", "--fail", "Shutdown=60,ServiceUnavailable=41"],
        "the percentages of apns make 101, over 100",
    );
    check_refused(
        &["simulate", "--fail", "Shutdwn=1"],
        "there is no failure \"Shutdwn\"",
    );
    check_refused(
        &["simulate", "--goaway", "now"],
        "there is no GOAWAY of the kind \"now\"",
    );
    check_refused(
        &["simulate", "--strike", "rst=1"],
        "\"rst\" does not have the form kind@point",
    );
    check_refused(
        &["simulate", "--connection-window", "65536"],
        "65536 is not in 1..=65535",
    );
    check_refused(
        &["simulate", "--retry-after", "date+x"],
        "\"x\" is not a number of seconds",
    );
    check_refused(
        &["simulate", "--latency", "600001"],
        "600001 is not in 0..=600000",
    );
    check_refused(
        &["simulate", "--goaway-after", "0"],
        "'0' for '--goaway-after <N>'",
    );
    check_refused(&["simulat"], "a similar subcommand exists: 'simulate'");
    check_refused(&["-c", "f", "demo"], "cannot be used with");
}

#[test]
fn the_simulator_listens_on_loopback_unless_told_otherwise() {
    let simulate = simulate(&["simulate"]);
    assert!(simulate.listen.is_loopback());
    let behaviour = simulate.behaviour;
    let trouble = behaviour.trouble;
    assert_eq!((behaviour.latency, behaviour.summary), (0, false));
    assert_eq!(
        (trouble.fail, trouble.refuse, trouble.goaway_after),
        (None, None, None)
    );
}

#[test]
fn scripts_have_a_key_for_each_flag_of_the_faults() {
    let mut command = Cli::command();
    command.build();
    let simulate = command.find_subcommand("simulate").unwrap();
    let faults = simulate
        .get_arguments()
        .filter(|flag| flag.get_help_heading() == Some("Faults"));
    let mut keys: Vec<String> = faults
        .filter_map(|flag| flag.get_long())
        .filter(|flag| !["seed", "script", "ledger"].contains(flag))
        .map(|flag| flag.replace('-', "_"))
        .collect();
    assert!(keys.len() > 10, "{keys:?}");
    keys.push("latency".to_owned());
    for key in keys {
        // No key takes a table: what is told then is that, not that there is no such key.
        let error = Script::read(&format!("[[phase]]\n{key} = {{}}\n"), 0).unwrap_err();
        assert!(!error.contains("unknown field"), "{key}: {error}");
    }
}

#[test]
fn the_demo_takes_the_simulators_faults() {
    let demo = demo(&[
        "demo",
        "--port",
        "0",
        "--fail",
        "5",
        "--certificate",
        "--summary",
    ]);
    assert_eq!(demo.port, Port::Tcp(0));
    assert!(demo.certificate && demo.behaviour.summary);
    let percent = demo.behaviour.trouble.fail.map(|fail| fail.percent);
    assert_eq!(percent, Some(5.0));
}

#[test]
fn recover_takes_gauruns_flags_and_ages_in_words() {
    let asked = recover(&["recover", "-c", "f", "-l", "a", "b", "-l", "c", "-n"]);
    assert_eq!(asked.config, Some(PathBuf::from("f")));
    assert_eq!(asked.logs, ["a", "b", "c"].map(PathBuf::from));
    assert!(asked.dry_run && !asked.allow_incomplete);
    for (text, seconds) in [
        ("90", 90),
        ("90s", 90),
        ("15m", 900),
        ("1h", 3600),
        ("28d", 2_419_200),
    ] {
        let asked = recover(&["recover", "-l", "a", "--max-age", text]);
        assert_eq!(asked.max_age, Some(Duration::from_secs(seconds)));
    }
    for text in [
        "",
        "h",
        "0",
        "-1",
        "+1h",
        "1.5h",
        "29d",
        "1w",
        "99999999999999999999h",
        "1ü",
    ] {
        let argument = format!("--max-age={text}");
        check_refused(&["recover", "-l", "a", &argument], "'--max-age <AGE>'");
    }
}

#[test]
fn recover_takes_a_journal_or_logs() {
    let asked = recover(&["recover", "--max-age", "1h"]);
    assert!(asked.logs.is_empty() && asked.journal.is_none());
    let asked = recover(&["recover", "-n", "--journal", "dir"]);
    assert_eq!(asked.journal, Some(PathBuf::from("dir")));
    let asked = recover(&["recover", "--journal", "dir", "-l", "a"]);
    assert!(asked.journal.is_some() && asked.logs.len() == 1);
    check_refused(&["recover", "--allow-incomplete"], "--log <FILE>");
    check_refused(&["recover", "--outcomes", "o"], "--log <FILE>");
}

#[test]
fn help_begins_with_examples_and_fits_the_screen() {
    let mut command = Cli::command();
    command.build();
    let names: Vec<String> = command
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    let mut helps = vec![command.render_help().to_string()];
    for name in &names {
        helps.push(
            command
                .find_subcommand_mut(name)
                .unwrap()
                .render_help()
                .to_string(),
        );
    }
    assert_eq!(helps.len(), 14);
    for help in helps {
        let examples = help.find("Examples:").unwrap();
        assert!(examples < help.find("Usage:").unwrap(), "{help}");
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{help}"
        );
    }
}

#[test]
fn exit_codes_are_those_of_sysexits() {
    let numbers: Vec<u8> = ExitCode::TABLE
        .iter()
        .map(|(code, _)| code.number())
        .collect();
    assert_eq!(numbers, [0, 64, 65, 69, 73, 74, 75, 77, 78]);
}
