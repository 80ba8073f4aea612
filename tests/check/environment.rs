//! What sterna(1) says of the environment, a sentence after the other. Inherited sockets and what
//! systemd is told have tests of their own (`service`), and so has `CREDENTIALS_DIRECTORY` above.

use std::fs;
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

#[test]
fn the_documents_name_the_variables_that_are_read() {
    let paragraph = documents::paragraph("Environment: ");
    let mut named: Vec<&str> = paragraph.split('`').skip(1).step_by(2).collect();
    named.sort_unstable();
    named.dedup();
    let read = [
        "CREDENTIALS_DIRECTORY",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "HOME",
        "LISTEN_FDS",
        "NOTIFY_SOCKET",
        "SERVER_STARTER_PORT",
        "SSL_CERT_DIR",
        "SSL_CERT_FILE",
        "STATE_DIRECTORY",
        "TZ",
        "WATCHDOG_USEC",
        "XDG_STATE_HOME",
        "credential:NAME",
    ];
    assert_eq!(named, read);
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
    // They are replaced, not added to.
    let (_, text) = check(&site, &[], &[("SSL_CERT_FILE", "/nonexistent/ca.pem")]);
    assert!(text.contains("error: no root certificates"), "{text}");
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
