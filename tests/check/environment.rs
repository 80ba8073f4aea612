//! What sterna(1) says of the environment, a sentence after the other. Inherited sockets and what
//! systemd is told have tests of their own (`service`), and so has `CREDENTIALS_DIRECTORY` above.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::harness::documents;
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, closed_port, run, sterna};
use crate::harness::{hex_token, wait_until};

/// Runs `sterna check` with these arguments and variables; its exit code and all that it printed.
fn check(site: &Site, arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut check = sterna();
    check.arg("check").arg("-c").arg(site.write_config());
    check.args(arguments).envs(environment.iter().copied());
    let output = run(check);
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).unwrap())
}

fn is_variable(word: &str) -> bool {
    let is_of_name = |at: char| at.is_ascii_uppercase() || at.is_ascii_digit() || at == '_';
    word.starts_with(|at: char| at.is_ascii_uppercase()) && word.chars().all(is_of_name)
}

/// The variables of the documents' table.
fn named() -> Vec<String> {
    let (_, table) = documents::between_marks("environment");
    let cells = table
        .lines()
        .skip(2)
        .filter_map(|row| row.split(" | ").next());
    let words = cells.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let names = words.filter(|word| is_variable(word));
    names.map(str::to_owned).collect()
}

/// All that stands in files of Rust below a directory.
fn sources(directory: &str) -> Vec<(PathBuf, String)> {
    let mut directories = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(directory)];
    let mut found = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path, text));
            }
        }
    }
    found
}

/// Constants included, since their values are looked for in all files that read a variable.
#[test]
fn each_variable_that_is_read_is_documented_and_each_that_is_documented_set_by_a_test() {
    let documents = documents::text();
    let reads = |text: &str| text.contains("env::var");
    let is_product = |path: &Path| !path.ends_with("tests.rs");
    let mut read = 0;
    for (path, text) in sources("src")
        .iter()
        .filter(|(path, text)| is_product(path) && reads(text))
    {
        let product = text.split("#[cfg(test)]").next().unwrap();
        for name in product.split('"').filter(|word| is_variable(word)) {
            // Of builds for tests only.
            if name.starts_with("STERNA_") {
                continue;
            }
            let is_told = documents.contains(&format!("`{name}`"));
            assert!(is_told, "no document names {name} of {}", path.display());
            read += 1;
        }
    }
    assert!(read >= 10, "{read}");
    let tests = sources("tests");
    for name in named() {
        let is_set = |(_, text): &(PathBuf, String)| {
            let written = [format!("\"{name}\""), format!("\"{name}=")];
            let mut lines = text.lines().filter(|line| !line.contains("env_remove"));
            lines.any(|line| written.iter().any(|name| line.contains(name)))
        };
        assert!(tests.iter().any(is_set), "no test sets {name}");
    }
}

#[test]
fn the_service_account_may_be_named_by_the_environment() {
    let site = Site::unreachable().without("android.service_account_path");
    let account = site.path("service-account.json");
    let named = [("GOOGLE_APPLICATION_CREDENTIALS", account.to_str().unwrap())];
    assert_eq!(check(&site, &[], &[]).0, Some(78));
    let (code, text) = check(&site, &[], &named);
    assert_eq!(code, Some(0), "{text}");
    // Not when the configuration does.
    let site = site.with_path("android.service_account_path", "nowhere.json");
    assert_eq!(check(&site, &[], &named).0, Some(78));
}

#[test]
fn the_journal_is_where_the_environment_says_if_the_configuration_does_not() {
    let site = Site::unreachable().without("journal.dir");
    let home = site.path("home").display().to_string();
    let systemd = [
        ("STATE_DIRECTORY", "/s"),
        ("XDG_STATE_HOME", "/x"),
        ("HOME", &home),
    ];
    for (set, expected) in [
        (&systemd[..], "/s".to_owned()),
        (&systemd[1..], "/x/sterna".to_owned()),
        (
            &[systemd[2], ("XDG_STATE_HOME", "")],
            format!("{home}/.local/state/sterna"),
        ),
    ] {
        let (_, printed) = check(&site, &["--print"], set);
        assert!(
            printed.contains(&format!("\ndir = \"{expected}\"\n")),
            "{set:?}: {printed}"
        );
    }
    let site = site.with_text("journal.dir", "/configured");
    let (_, printed) = check(&site, &["--print"], &systemd);
    assert!(printed.contains("\ndir = \"/configured\"\n"), "{printed}");
}

#[test]
fn without_a_journal_auth_token_and_push_ids_are_in_the_state_directory() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).without_journal();
    let state = site.path("state");
    fs::create_dir(&state).unwrap();
    let mut command = site.command(&[]);
    command.env("STATE_DIRECTORY", &state);
    let daemon = crate::harness::daemon::Daemon::start(command, &site.path("operator.log"));
    let push = json!({"notifications": [{"platform": 1, "token": [hex_token(1)], "message": "m"}]});
    assert_eq!(daemon.push(&push).status, 200);
    wait_until("the auth token and the push ids", || {
        let kept = |name: &str| state.join(name).is_file();
        kept("ids") && kept("apns-auth-token-STERNAKEY1")
    });
}

/// No `ca_path`, and what is trusted is the environment's. What a proxy is for goes past it.
#[test]
fn roots_are_those_of_the_environment_and_proxies_are_not_asked() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .without("ios.ca_path")
        .without("android.ca_path");
    let directory = site.path("roots");
    fs::create_dir(&directory).unwrap();
    // Its byte order mark does not matter.
    let ca = fs::read_to_string(&simulated.simulator.credentials().ca_path).unwrap();
    fs::write(directory.join("ca.pem"), format!("\u{feff}{ca}")).unwrap();
    fs::write(directory.join("README"), "no certificate\n").unwrap();
    let directories = format!("/nonexistent:{}", directory.display());
    let ca = directory.join("ca.pem");
    let ca = ca.to_str().unwrap();
    let proxy = format!("http://127.0.0.1:{}", closed_port());
    let file = ("SSL_CERT_FILE", ca);
    for (environment, is_trusted) in [
        (vec![], false),
        (vec![file], true),
        (vec![("SSL_CERT_DIR", &*directories)], true),
        (
            vec![
                file,
                ("HTTPS_PROXY", &proxy),
                ("ALL_PROXY", &proxy),
                ("https_proxy", &proxy),
            ],
            true,
        ),
    ] {
        let (code, text) = check(&site, &["--online"], &environment);
        let expected = if is_trusted { 0 } else { 78 };
        assert_eq!(code, Some(expected), "{environment:?}: {text}");
    }
    // What is empty names nothing.
    let names = named();
    let empty: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "")).collect();
    assert_eq!(check(&site, &[], &empty), check(&site, &[], &[]));
    fs::File::create(site.path("vast.pem"))
        .unwrap()
        .set_len((16 << 20) + 1)
        .unwrap();
    let vast = site.path("vast.pem").display().to_string();
    let (_, text) = check(&site, &[], &[("SSL_CERT_FILE", &vast)]);
    assert!(text.contains("vast.pem: over 16777216 bytes"), "{text}");
    // They are replaced, not added to.
    let (_, text) = check(&site, &[], &[("SSL_CERT_FILE", "/nonexistent/ca.pem")]);
    assert!(text.contains("error: no root certificates"), "{text}");
}

/// `script` has the command before a terminal.
#[test]
#[expect(clippy::print_stdout, reason = "it says that it is skipped")]
fn colours_are_for_terminals_and_go_with_no_color() {
    let site = Site::unreachable().with("core.workers", 0);
    let file = site.write_config();
    let check = format!(
        "{} check -c {}",
        env!("CARGO_BIN_EXE_sterna"),
        file.display()
    );
    for (no_color, is_coloured) in [("", true), ("1", false)] {
        let mut script = Command::new("script");
        script
            .args(["-qec", &check, "/dev/null"])
            .env("NO_COLOR", no_color);
        let Ok(output) = script.output() else {
            println!("skipped: there is no script");
            return;
        };
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("core.workers = 0"), "{text}");
        assert_eq!(text.contains('\u{1b}'), is_coloured, "{text}");
    }
}

/// What is wrong is told once, and who could be asked is.
#[test]
fn providers_are_asked_with_what_can_be_used() {
    let simulated = Simulated::start();
    let site = || Site::simulated(&simulated.simulator);
    let (apns, fcm) = ("APNs at https://", "FCM at https://");
    let unasked = "note: APNs was not asked, since what it needs cannot be used";
    let nobody = "note: no provider was asked";
    for (site, told) in [
        (site().with_path("log.access_log", "no/where"), [apns, fcm]),
        (
            site().with_path("ios.token_auth_key_path", "no.p8"),
            [unasked, fcm],
        ),
        (
            site().with("ios.timeout", 0),
            [nobody, "error: ios.timeout = 0"],
        ),
    ] {
        let (code, text) = check(&site, &["--online"], &[]);
        assert_eq!(code, Some(78), "{text}");
        assert_eq!(text.matches("error: ").count(), 1, "{text}");
        assert!(told.iter().all(|told| text.contains(told)), "{text}");
        assert_eq!(text.contains(apns), told.contains(&apns), "{text}");
        assert_eq!(text.contains(fcm), told.contains(&fcm), "{text}");
    }
}

#[test]
fn each_signing_key_is_asked_with_and_a_cure_names_the_keys_of_its_app() {
    let simulated = Simulated::start();
    let [key, old] = &simulated.simulator.credentials().signing_keys;
    let site = Site::simulated(&simulated.simulator)
        .with_app("shop", &simulated.simulator)
        .with_text("apps.shop.ios.token_auth_key_id", "STERNAKEY9")
        .with_text("ios.token_auth_old_key_path", old.path.to_str().unwrap())
        .with_text("ios.token_auth_old_key_id", &old.id);
    let (_, text) = check(&site, &["--online"], &[]);
    for told in [
        " takes the credentials: it answered 400 BadDeviceToken",
        " takes the old signing key too",
        "APNs of shop/ios at ",
        "Check apps.shop.ios.token_auth_key_path",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }
    simulated.simulator.revoke_signing_key(&old.id);
    let site = site.with_text("apps.shop.ios.token_auth_key_id", &key.id);
    let (code, text) = check(&site, &["--online"], &[]);
    let told = " refuses the old signing key: 403 InvalidProviderToken";
    assert!(code == Some(0) && text.contains(told), "{text}");
}

#[test]
fn log_lines_have_the_zone_of_the_environment() {
    let site = Site::unreachable();
    let mut command: Command = site.command(&[]);
    command.env("TZ", "JST-9");
    let daemon = crate::harness::daemon::Daemon::start(command, &site.path("operator.log"));
    drop(daemon.push(&json!({"notifications": []})));
    wait_until("a line", || !site.access_log().is_empty());
    let line = &site.access_log()[0];
    assert!(line.text_of("time").ends_with(" JST"), "{line:?}");
}
