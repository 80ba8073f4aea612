//! `sterna check` over broken configurations: `cases/*.toml`, each with what is printed of it in
//! `cases/*.txt`. After a change of texts that is meant, they are written anew by
//! `STERNA_WRITE_GOLDEN=1 cargo test --test daemon check::`, and read before they are committed.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end them")]

mod agreement;
mod environment;
mod kinds;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

use crate::harness::documents;

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check/cases")
}

fn sterna(arguments: &[&str]) -> Output {
    run(command(arguments))
}

/// One at a time: `check` takes the port to see whether it is free, and another would say that it
/// is not.
fn run(mut command: Command) -> Output {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    command.output().unwrap()
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sterna"));
    command
        .args(arguments)
        .current_dir(cases())
        .env_remove("GOOGLE_APPLICATION_CREDENTIALS")
        .env_remove("GCE_METADATA_HOST")
        .env_remove("CREDENTIALS_DIRECTORY")
        .env_remove("RUNTIME_DIRECTORY")
        .env_remove("SSL_CERT_FILE")
        .env_remove("SSL_CERT_DIR")
        .env(
            "STATE_DIRECTORY",
            std::env::temp_dir().join("sterna-check-state"),
        );
    command
}

fn names() -> Vec<String> {
    let entries = fs::read_dir(cases()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter(|name| Path::new(name).extension().is_some_and(|it| it == "toml"))
        .collect();
    names.sort();
    names
}

#[test]
fn broken_configurations_are_told_as_they_should_be() {
    let names = names();
    assert!(names.len() >= 60, "only {} cases", names.len());
    let mut differences = String::new();
    for name in &names {
        let output = sterna(&["check", "-c", name]);
        let found = String::from_utf8(output.stderr).unwrap();
        assert!(output.stdout.is_empty(), "{name}");
        let path = cases().join(name.replace(".toml", ".txt"));
        if std::env::var_os("STERNA_WRITE_GOLDEN").is_some() {
            fs::write(&path, &found).unwrap();
        }
        let expected = fs::read_to_string(&path).unwrap_or_default();
        if found != expected {
            writeln!(
                differences,
                "--- {name}\n{found}--- but should be\n{expected}"
            )
            .unwrap();
        }
        let code = output.status.code();
        assert_eq!(code, Some(78), "{name}: {found}");
        assert!(found.contains("error: "), "{name}: {found}");
        assert!(!found.contains("hunter2"), "{name} shows a secret: {found}");
        assert!(!found.contains('\u{1b}'), "{name}: {found:?}");
    }
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn the_documents_show_what_is_printed() {
    let output = sterna(&["check", "-c", "readme.toml"]);
    let printed = String::from_utf8(output.stderr).unwrap();
    let shown = printed.replace("readme.toml", "sterna.toml");
    assert!(
        documents::text().contains(&format!("```text\n{shown}```\n")),
        "{shown}"
    );
}

#[test]
fn json_has_every_finding_with_its_place() {
    for name in names() {
        let output = sterna(&["check", "--json", "-c", &name]);
        assert_eq!(output.status.code(), Some(78), "{name}");
        assert!(output.stderr.is_empty(), "{name}");
        let found: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let text = fs::read_to_string(cases().join(name.replace(".toml", ".txt"))).unwrap();
        let heads = ["error: ", "warning: "];
        let told = text
            .lines()
            .filter(|line| heads.iter().any(|head| line.starts_with(head)));
        let found = found.as_array().unwrap();
        assert_eq!(found.len(), told.count(), "{name}");
        for finding in found {
            let (line, column) = (finding["line"].as_u64(), finding["column"].as_u64());
            assert_eq!(finding["file"], name.as_str());
            if let Some((line, column)) = line.zip(column) {
                assert!(
                    text.contains(&format!("{name}:{line}:{column}\n")),
                    "{finding}"
                );
            }
            let head = finding["severity"].as_str().unwrap();
            let title = format!("{head}: {}\n", finding["text"].as_str().unwrap());
            assert!(text.contains(&title), "{name}: {finding}");
        }
        assert!(!String::from_utf8_lossy(&output.stdout).contains("hunter2"));
    }
}

/// A directory with what a usable configuration names.
fn site() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let key = rcgen::KeyPair::generate().unwrap();
    let path = directory.path().join("key.p8");
    fs::write(&path, key.serialize_pem()).unwrap();
    let text = format!(
        "[core]\nport = \"0\"\n[ios]\ntoken_auth_key_path = \"{}\"\n\
         token_auth_key_id = \"ABCDE12345\"\ntoken_auth_team_id = \"TEAM123456\"\n\
         topic = \"com.example.app\"\nkeepalive_conns = 3\n\
         [android]\nenabled = false\napikey = \"hunter2\"\n",
        path.display()
    );
    let file = directory.path().join("sterna.toml");
    fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap().to_owned();
    (directory, file)
}

#[test]
fn warnings_do_not_fail() {
    let (_directory, file) = site();
    let output = sterna(&["check", "-c", &file]);
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("warning: ios.keepalive_conns = 3: has no effect"),
        "{text}"
    );
    assert!(
        text.contains("warning: core.compatible_with = \"gaurun\" is assumed"),
        "{text}"
    );
    assert!(text.ends_with("sterna: 0 errors, 2 warnings\n"), "{text}");
}

#[test]
fn credentials_are_looked_for_where_systemd_puts_them() {
    let (directory, file) = site();
    let text = fs::read_to_string(&file).unwrap();
    let path = directory.path().join("key.p8");
    let text = text.replace(path.to_str().unwrap(), "credential:key.p8");
    fs::write(&file, text).unwrap();
    let check = |credentials: &Path| {
        let mut command = command(&["check", "-c", &file]);
        command.env("CREDENTIALS_DIRECTORY", credentials);
        let output = run(command);
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (code, text) = check(directory.path());
    assert_eq!(code, Some(0), "{text}");
    // Outside of the service what is advised works, with a directory of ours in its place.
    let mut command = command(&["check", "-c", &file]);
    command.env_remove("CREDENTIALS_DIRECTORY");
    let told = String::from_utf8(run(command).stderr).unwrap();
    let (_, advised) = told.split_once("by: sudo ").unwrap();
    let advised = advised
        .lines()
        .next()
        .unwrap()
        .replace(
            "/run/credentials/sterna.service",
            directory.path().to_str().unwrap(),
        )
        .replace(
            "sterna check -c FILE",
            &format!("{} check -c {file}", env!("CARGO_BIN_EXE_sterna")),
        );
    let mut shell = Command::new("sh");
    shell.args(["-c", &advised]);
    assert!(run(shell).status.success(), "{advised}");
    let elsewhere = tempfile::tempdir().unwrap();
    let (code, text) = check(elsewhere.path());
    assert_eq!(code, Some(78), "{text}");
    let expected = format!(
        "error: ios.token_auth_key_path = \"credential:key.p8\": {} cannot be read: No such file",
        elsewhere.path().join("key.p8").display()
    );
    assert!(text.contains(&expected), "{text}");
}

#[test]
fn what_is_not_said_or_said_otherwise_is_told() {
    let (directory, file) = site();
    let said = |file: &str, zone: &str| {
        let mut command = command(&["check", "-c", file]);
        command.env("TZ", zone);
        let output = run(command);
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stderr).unwrap()
    };
    let text = said(&file, "Europe/Berlin");
    assert!(
        text.contains("note: ios.sandbox is not set: pushes go to Apple's development"),
        "{text}"
    );
    assert!(!text.contains("TZ"), "{text}");
    let text = said(&file, "Europe/Nowhere");
    assert!(
        text.contains("warning: TZ = \"Europe/Nowhere\": there is no such time zone"),
        "{text}"
    );
    let other = directory.path().join("AuthKey_OTHER12345.p8");
    let key = directory.path().join("key.p8");
    fs::copy(&key, &other).unwrap();
    let config = fs::read_to_string(&file).unwrap();
    let config = config.replace(key.to_str().unwrap(), other.to_str().unwrap());
    let none = config.replace("[ios]\n", "[ios]\nenvironments = []\n");
    fs::write(&file, &none).unwrap();
    assert!(said(&file, "UTC").contains("note: ios.sandbox is not set"));
    let config = config.replace("[ios]\n", "[ios]\nsandbox = false\n");
    fs::write(&file, &config).unwrap();
    let text = said(&file, "UTC");
    assert!(
        text.contains("by its name the file is key OTHER12345, and"),
        "{text}"
    );
    assert!(!text.contains("sandbox"), "{text}");
    fs::rename(&other, other.with_file_name("AuthKey_ABCDE12345.p8")).unwrap();
    fs::write(&file, config.replace("OTHER12345", "ABCDE12345")).unwrap();
    assert!(!said(&file, "UTC").contains("by its name"));
}

/// Its CA lives for 30 days.
#[test]
fn nothing_is_said_of_a_simulators_credentials() {
    let simulated = crate::harness::simulator::Simulated::start();
    for by_certificate in [false, true] {
        let mut site = crate::harness::site::Site::simulated(&simulated.simulator);
        if by_certificate {
            site = site.by_certificate(&simulated.simulator);
        }
        let file = site.write_config();
        let output = sterna(&["check", "-c", file.to_str().unwrap()]);
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.ends_with("sterna: 0 errors, 0 warnings\n"), "{text}");
    }
}

#[test]
fn the_printed_configuration_is_one() {
    let (directory, file) = site();
    let output = sterna(&["check", "--print", "-c", &file]);
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("\nmax_age = 86400\n") && !printed.contains("hunter2"));
    let again = directory.path().join("again.toml");
    fs::write(&again, &printed).unwrap();
    let output = sterna(&["check", "--print", "-c", again.to_str().unwrap()]);
    assert_eq!(String::from_utf8(output.stdout).unwrap(), printed);
}

#[test]
fn gauruns_file_is_migrated_and_what_is_no_toml_is_not() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gaurun_contract/gaurun.toml");
    let output = sterna(&["check", "--migrate", sample.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("\nservice_account_path = \"/etc/sterna/"),
        "{text}"
    );
    let output = sterna(&["check", "--migrate", "syntax_unclosed_string.toml"]);
    assert_eq!(output.status.code(), Some(65));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("error: not valid TOML"), "{text}");
    let output = sterna(&["check", "--migrate", "nowhere.toml"]);
    assert_eq!(output.status.code(), Some(78));
}
