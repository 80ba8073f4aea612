//! Oddities of real servers, each a script that plays the server's side with hand-built frames
//! against the daemon's connection code: desk, session, link and HTTP/2 client, in virtual time.
//!
//! The scripts are `scripts/*.txt`, to be read like a dialogue; [`script`] says what each line
//! means. One that is not as it should be fails with its line.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a script that does not hold ends the test"
)]
#![expect(
    clippy::print_stderr,
    reason = "what the operator read, when a script fails"
)]

#[path = "../simulation/frames.rs"]
#[expect(dead_code, reason = "the simulation needs more of it")]
mod frames;
mod heard;
mod operator;
mod script;
mod stage;
mod wire;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The lessons that other people's servers and clients have taught.
const LESSONS: u32 = 28;

fn scripts() -> Vec<(String, String)> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios/scripts");
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(path).unwrap())
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn every_script_holds() {
    operator::listen();
    let mut failed = Vec::new();
    for (name, text) in scripts() {
        if std::env::var("STERNA_SCRIPT").is_ok_and(|only| !name.contains(&only)) {
            continue;
        }
        if catch_unwind(AssertUnwindSafe(|| script::play(&name, &text))).is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "do not hold: {failed:?}");
}

#[test]
fn every_lesson_has_a_script_that_says_what_it_is() {
    let scripts = scripts();
    for lesson in 1..=LESSONS {
        let prefix = format!("{lesson:02}_");
        assert!(
            scripts.iter().any(|(name, _)| name.starts_with(&prefix)),
            "no script for lesson {lesson}"
        );
    }
    for (name, text) in scripts {
        assert!(text.starts_with("# "), "{name} does not say what it is");
        assert!(text.contains("\nexpect: "), "{name} expects nothing");
    }
}

#[test]
fn a_script_that_does_not_hold_fails_with_its_line() {
    operator::listen();
    let text = "# wrong\nlane: apns\npush: 1\nexpect: connections 1\nexpect: connections 2\n";
    let panic = catch_unwind(AssertUnwindSafe(|| script::play("wrong", text))).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert_eq!(text, "wrong:5: expect: connections 2\nthere are 1");
}

#[test]
fn a_script_whose_fault_never_strikes_fails() {
    operator::listen();
    for (fault, why) in [
        (
            "dials: refused 2\nexpect: dials 0",
            "no attempt to connect was refused",
        ),
        (
            "push: 1\nserver 1: ok 1\nserver 1: takes no bytes\nexpect: settled 1",
            "connection 1: there was nothing that it could not take",
        ),
        (
            "push: 1\nserver 1: GOAWAY last=push:1; RST_STREAM push=1\nserver 1: closes\n\
             expect: connection 1 is closed",
            "connection 1: nobody found that it had closed",
        ),
    ] {
        let text = format!("# wrong\nlane: apns\n{fault}\n");
        let panic = catch_unwind(AssertUnwindSafe(|| script::play("wrong", &text))).unwrap_err();
        let text = panic.downcast_ref::<String>().unwrap();
        assert_eq!(*text, format!("wrong: never struck: {why}"));
    }
}
