//! Keys that were put where they do not belong: in the place of any key of the configuration, of
//! any variable of the environment, of an argument, or into a credential's file with its line ends
//! lost. No command says them, whatever it says else, and no log has them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test by panicking"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use sterna::config::{Allowed, Key, all_keys};

use crate::harness::daemon::Daemon;
use crate::harness::documents;
use crate::harness::site::{Site, read_text, run, sterna};
use crate::harness::{wait_for, wait_until};

/// Stands in each of the keys below but [`HEX`].
const MARK: &str = "CANARY";

/// A key of 128 bits, in which no other mark has room.
const HEX: &str = "c0ffee1234567890c0ffee1234567890";

/// What was pasted.
fn canaries() -> Vec<String> {
    let body = format!("MIGTAgEAMBMGByqGSM49AgEGCCqG{MARK}SM49AwEHBHkwdwIBAQQg0123456789");
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    let json = format!(
        "{{\n  \"type\": \"service_account\",\n  \"private_key\": {}\n}}",
        serde_json::Value::from(pem.clone())
    );
    vec![
        pem.replace('\n', "\r\n"),
        pem.replace('\n', "\\n"),
        pem.replace('\n', ""),
        format!("credential:{pem}"),
        format!(" \t {json}"),
        format!("'{}'", json.replace('\n', "")),
        body.clone(),
        format!("credential:{body}"),
        format!("eyJ0eXBlIjoi{MARK}2VydmljZV9hY2NvdW50In0="),
        format!("eyJhbGciOiJFUzI1NiJ9.{MARK}iJURUFNIn0.c2ln"),
        format!("https://me:{MARK}@127.0.0.1:9/key.p8"),
        format!("Bearer {MARK}"),
        HEX.to_owned(),
        pem,
        json,
    ]
}

/// Of those the ones that are unlike each other.
fn few() -> Vec<String> {
    let mut all = canaries().into_iter().rev();
    let mut few: Vec<_> = all.by_ref().take(3).collect();
    few.push(all.find(|canary| canary.starts_with("eyJ0")).unwrap());
    few
}

/// The text of a key's file.
fn pem() -> String {
    few().swap_remove(1)
}

fn is_told(text: &str) -> bool {
    text.contains(MARK) || text.contains(HEX)
}

#[track_caller]
fn check_silent(what: &str, output: &Output) {
    for text in [&output.stdout, &output.stderr] {
        let text = String::from_utf8_lossy(text);
        assert!(!is_told(&text), "{what}: {text}");
    }
}

#[track_caller]
fn check_logs(what: &str, site: &Site) {
    for name in [
        "operator.log",
        "access.log",
        "error.log",
        "stdout",
        "stderr",
    ] {
        let text = read_text(&site.path(name));
        assert!(!is_told(&text), "{what}: {name}: {text}");
    }
}

/// A string as TOML spells it.
fn toml(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn site() -> Site {
    Site::unreachable().with_text("log.level", "debug")
}

/// Without the platform whose key takes long to look at.
fn without_android(site: Site) -> Site {
    site.without("android").with("android.enabled", false)
}

/// A command with the site's configuration.
fn command(site: &Site, arguments: &[&str]) -> Command {
    let mut command = sterna();
    command.args(arguments).arg(site.write_config());
    command
}

#[test]
fn no_command_tells_what_stands_in_the_place_of_all_keys() {
    for canary in canaries() {
        let mut site = site();
        for key in all_keys() {
            site = site.with(&key.path(), toml(&canary));
        }
        for arguments in [
            &["check", "-c"][..],
            &["check", "--json", "-c"],
            &["check", "--print", "-c"],
            &["check", "--online", "-c"],
            &["check", "--migrate"],
            &["recover", "-n", "-c"],
            &["recover", "-c"],
            &["reload", "-c"],
            &["reload", "--wait", "-c"],
            &["serve", "-c"],
            &["-c"],
        ] {
            let output = run(command(&site, arguments));
            check_silent(&format!("{arguments:?} of {canary:?}"), &output);
            let is_migration = arguments.contains(&"--migrate");
            assert_eq!(output.status.success(), is_migration, "{arguments:?}");
        }
    }
}

#[test]
fn each_key_refuses_the_content_of_a_key_without_a_word_of_it() {
    let control = site().with_path("core.control_socket", "control");
    let daemon = control.start();
    let good = read_text(&control.write_config());
    for key in all_keys() {
        let path = key.path();
        let with = |canary: &str| site().with(&path, toml(canary));
        for canary in [pem(), HEX.to_owned()] {
            // A name may look so too.
            if canary == HEX && !key.names_a_file() {
                continue;
            }
            let site = with(&canary);
            let output = run(command(&site, &["check", "-c"]));
            check_silent(&path, &output);
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(78), "{path}: {told}");
            let place = format!("error: {path} = (not shown): ");
            assert!(told.contains(&place), "{path}: {told}");
            let advice = [
                "put it into a file and name that",
                "put the key into a file",
            ];
            let advises = advice.iter().any(|advice| told.contains(advice));
            assert_eq!(advises, key.names_a_credential(), "{path}: {told}");
            let output = site.run(&[]);
            check_silent(&path, &output);
            assert_eq!(output.status.code(), Some(78), "{path}");
            check_logs(&path, &site);
        }
        // The same over a reload of a daemon that has had a good one.
        let section = format!("[{}]\n", key.section);
        let line = |line: &&str| !line.starts_with(&format!("{} = ", key.name));
        let own = good.replace(
            &section,
            &format!("{section}{} = {}\n", key.name, toml(&pem())),
        );
        let text = if good.contains(&section) {
            let (before, after) = own.split_once(&section).unwrap();
            let end = after.find("\n[").unwrap_or(after.len());
            let (mine, rest) = after.split_at(end);
            let mut lines = mine.lines();
            let first = lines.next().unwrap();
            let others: Vec<_> = lines.filter(line).collect();
            format!("{before}{section}{first}\n{}\n{rest}", others.join("\n"))
        } else {
            format!("{good}{section}{} = {}\n", key.name, toml(&pem()))
        };
        reload_refuses(&control, &daemon, &text, &path);
    }
    check_logs("reload", &control);
}

/// By the control socket and by SIGHUP.
fn reload_refuses(site: &Site, daemon: &Daemon, text: &str, what: &str) {
    let refused = "the configuration of before stays in force";
    let file = site.path("sterna.toml");
    let told = || site.operator_log().matches(refused).count();
    let before = told();
    fs::write(&file, text).unwrap();
    daemon.signal("HUP");
    wait_until("the reload to be refused", || told() > before);
    let mut reload = sterna();
    reload.arg("reload").arg("--wait").arg("-c").arg(&file);
    // Where its socket is, this file may not say.
    reload.env("RUNTIME_DIRECTORY", site.path(""));
    let output = run(reload);
    check_silent(what, &output);
    assert!(!output.status.success(), "{what}");
}

#[test]
fn what_is_secret_by_right_is_told_by_no_answer_of_the_api() {
    let site = site().with_text("android.apikey", MARK);
    let daemon = site.start();
    for target in [
        "/config",
        "/stat/app",
        "/stat/go",
        "/stat/runtime",
        "/healthz",
        "/metrics",
    ] {
        let reply = daemon.request("GET", target, b"");
        assert_eq!(reply.status, 200);
        assert!(!is_told(reply.text()), "{}", reply.text());
    }
    let output = run(command(&site, &["check", "--print", "-c"]));
    check_silent("print", &output);
    daemon.terminate();
    check_logs("serve", &site);
}

#[test]
fn an_api_key_that_its_caller_misplaces_is_in_no_log() {
    let [key, other] = ["one", "two"].map(|name| format!("{name}-{MARK}-key-abcdef"));
    let site = site()
        .with_path("core.api_key_path", "api-keys")
        .with("core.shutdown_timeout", 0);
    fs::write(site.path("api-keys"), format!("{key}\n{other}\n")).unwrap();
    let daemon = site.start();
    let queries = [&key, &other].map(|key| format!("/push?a=b&api_key={key}"));
    let encoded = format!("/push?api_key={}", other.replace('-', "%2D"));
    let users = ["x", &key].map(|user| format!("http://me:{MARK}{user}@localhost/push"));
    let named = format!("X-Request-Id: Bearer{key}\r\n");
    let good = "\"platform\":1,\"token\":[\"ab12\"]";
    let wrong = ["platform", "badge", "content_available"]
        .map(|name| format!("{good},\"{name}\":\"{key}\""));
    let priority = format!("\"platform\":2,\"token\":[\"a\"],\"priority\":\"{key}\"");
    let identifier = format!("{good},\"identifier\":\"{key}\"");
    let token = format!("\"platform\":2,\"token\":[\"{key}\"]");
    let extended = format!(
        "\"platform\":2,\"token\":[\"a\"],\"extend\":[{{\"key\":\"google.{key}\",\"val\":\"v\"}}]"
    );
    let coded = format!("Content-Encoding: {key}\r\n");
    let cut = format!("{}{key}", "x".repeat(45));
    let [name, name_of_other, name_cut] =
        [&key, &other, &cut].map(|name| format!("{good},\"{name}\":1"));
    let [by_query, by_other] = &queries;
    let [by_user, by_key] = &users;
    let [platform, badge, content] = &wrong;
    let cases = [
        ("POST", &**by_query, "", good, 200),
        ("POST", by_other, "", good, 200),
        ("POST", &encoded, "", good, 200),
        ("POST", by_user, "", good, 200),
        ("POST", by_key, "", good, 200),
        (&key, "/push", "", good, 400),
        ("POST", "/push", &*named, good, 200),
        ("POST", "/push", "", platform, 400),
        ("POST", "/push", "", badge, 400),
        ("POST", "/push", "", content, 400),
        ("POST", "/push", "", &priority, 400),
        ("POST", "/push", "", &identifier, 400),
        ("POST", "/push", "", &token, 400),
        ("POST", "/push", "", &extended, 400),
        ("POST", "/push", &coded, good, 200),
        ("POST", "/push", "", &name, 200),
        ("POST", "/push", "", &name_of_other, 200),
        ("POST", "/push", "", &name_cut, 200),
    ];
    for (method, target, fields, notification, status) in cases {
        let body = format!("{{\"notifications\":[{{\"message\":\"m\",{notification}}}]}}");
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n\
             {fields}Content-Length: {}\r\n\r\n",
            body.len()
        );
        let mut client = daemon.client();
        client.send(format!("{head}{body}").as_bytes());
        let reply = client.reply();
        assert_eq!(reply.status, status, "{head}{body}: {}", reply.text());
    }
    daemon.terminate();
    check_logs("misplaced", &site);
    let log = read_text(&site.path("access.log"));
    assert_eq!(log.matches("accepted-request").count(), cases.len());
    assert!(
        log.contains("\"uri\":\"/push?a=b&api_key=(not shown)\""),
        "{log}"
    );
    assert!(
        log.contains("\"uri\":\"http://(not shown)@localhost/push\""),
        "{log}"
    );
    assert!(log.contains("\"method\":\"(not shown)\""), "{log}");
}

/// The variables that the documents name.
fn variables() -> BTreeSet<&'static str> {
    let table: &'static str = documents::between_marks("environment").1.leak();
    let is_name = |word: &&str| {
        word.len() > 1
            && word
                .bytes()
                .all(|byte| byte == b'_' || byte.is_ascii_uppercase())
    };
    let mut found: BTreeSet<_> = table.split('`').filter(is_name).collect();
    assert!(found.len() >= 12, "{found:?}");
    found.extend(["RUNTIME_DIRECTORY", "TMPDIR", "LISTEN_PID", "WATCHDOG_PID"]);
    found
}

/// A site that leaves to the environment what the environment can say.
fn site_of_the_environment() -> Site {
    site()
        .without("android.service_account_path")
        .without("journal.dir")
        .with_text("ios.token_auth_key_path", "credential:key.p8")
}

#[test]
fn no_command_tells_what_stands_in_the_place_of_a_variable() {
    for variable in variables() {
        for canary in few().into_iter().skip(1).take(2) {
            let mut site = site_of_the_environment();
            if variable != "GOOGLE_APPLICATION_CREDENTIALS" {
                site = without_android(site);
            }
            let set = |mut command: Command| {
                command.env(
                    "GOOGLE_APPLICATION_CREDENTIALS",
                    site.path("service-account.json"),
                );
                command.env("CREDENTIALS_DIRECTORY", site.path(""));
                command.env("STATE_DIRECTORY", site.path("state"));
                fs::copy(site.path("AuthKey.p8"), site.path("key.p8")).unwrap();
                command.env(variable, &canary);
                command
            };
            let what = format!("{variable}={canary:?}");
            for arguments in [
                &["check", "-c"][..],
                &["recover", "-n", "-c"],
                &["reload", "-c"],
            ] {
                check_silent(&what, &run(set(command(&site, arguments))));
            }
            let daemon = Daemon::spawn(set(site.command(&[])));
            wait_for("the daemon to serve, or to end", || {
                let serves = site.operator_log().contains(" serves on ");
                (serves || daemon.ended().is_some()).then_some(())
            });
            drop(daemon);
            check_logs(&what, &site);
        }
    }
}

/// Keys that no rule for words tells from names: base64 with a slash, base32, few characters.
const FORMS: [&str; 6] = [
    "DJBD6vrTbphk7dRIN/0y1g==",
    "/SzxLPZHYabcDEFghiJKLmno",
    "nbhovehpinngflbk",
    "22AHOHZKQTWPOJ6OLLWKKCYNQ3GSW7M6",
    "KZ6u0z2JduHj9R7w",
    "VlcOsdhxqMLn#u0t*LO",
];

#[test]
fn in_the_place_of_a_credentials_file_nothing_is_told_but_what_ends_as_a_file_does() {
    let check_silent = |what: &str, output: &Output| {
        for text in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(text);
            let told = FORMS.iter().find(|form| text.contains(**form));
            assert_eq!(told, None, "{what}: {text}");
        }
    };
    let keys = || all_keys().filter(|key| key.names_a_credential());
    let with = |value: &dyn Fn(usize) -> &'static str| {
        keys().enumerate().fold(site(), |site, (number, key)| {
            site.with_text(&key.path(), value(number))
        })
    };
    let keyed = with(&|number| FORMS[number % FORMS.len()]);
    for arguments in [
        &["check", "-c"][..],
        &["check", "--print", "-c"],
        &["check", "--migrate"],
        &["recover", "-n", "-c"],
        &["-c"],
    ] {
        check_silent(&format!("{arguments:?}"), &run(command(&keyed, arguments)));
    }
    let environment = site_of_the_environment();
    for variable in [
        "GOOGLE_APPLICATION_CREDENTIALS",
        "CREDENTIALS_DIRECTORY",
        "RUNTIME_DIRECTORY",
    ] {
        let mut check = command(&environment, &["check", "-c"]);
        check.env("STATE_DIRECTORY", environment.path("state"));
        check.env(variable, FORMS[1]);
        let output = run(check);
        check_silent(variable, &output);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(told.contains(&format!("error: {variable}: ")), "{told}");
    }
    // A slip of the pen is told as it is.
    let missing = "/no/such/AuthKey_ABCDE12345.p8";
    let output = run(command(&with(&|_| missing), &["check", "-c"]));
    let told = String::from_utf8_lossy(&output.stderr);
    let error = format!("error: ios.token_auth_key_path = \"{missing}\": ");
    assert!(told.contains(&error), "{told}");
}

#[test]
fn the_content_of_a_key_in_the_variable_of_its_path_is_said_to_be_that() {
    let site = site_of_the_environment()
        .without("ios")
        .with("ios.enabled", false);
    for canary in few() {
        let mut check = command(&site, &["check", "-c"]);
        check.env("GOOGLE_APPLICATION_CREDENTIALS", &canary);
        check.env("STATE_DIRECTORY", site.path("state"));
        let output = run(check);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(78), "{told}");
        let expected = "error: GOOGLE_APPLICATION_CREDENTIALS: this is the content of a key\n";
        assert!(told.contains(expected), "{told}");
        assert!(
            told.contains("help: put it into a file and name that\n"),
            "{told}"
        );
        // Who has named the file does not need it.
        let site = self::site();
        let mut check = command(&site, &["check", "-c"]);
        check.env("GOOGLE_APPLICATION_CREDENTIALS", &canary);
        assert_eq!(run(check).status.code(), Some(0));
    }
}

#[test]
fn no_command_tells_what_stands_in_the_place_of_an_argument() {
    let site = site();
    for canary in canaries() {
        let value = |flag: &str| format!("{flag}{canary}");
        for arguments in [
            &[canary.as_str()][..],
            &["-c", &canary],
            &[&value("-c")],
            &[&value("--config=")],
            &["-p", &canary],
            &["serve", "-w", &canary],
            &["serve", "--queues", &canary],
            &["check", "--migrate", &canary],
            &["check", &canary],
            &["explain", &canary],
            &["reload", "-c", &canary],
            &["recover", "-n", "-l", &canary],
            &["recover", "-n", "--journal", &canary],
            &["recover", "--outcomes", &canary, "-l", "x"],
            &["recover", "--max-age", &canary],
            &["tokens", &canary],
            &["tokens", "--since", &canary, "x"],
            &["tokens", "--format", &canary, "x"],
            &["simulate", "--dir", &canary],
            &["simulate", "--script", &canary],
            &["simulate", "--fail", &canary],
            &["demo", "--port", &canary],
            &["help", &canary],
            &["man", &canary],
            &["man", "--dir", &canary],
            &["completions", &canary],
        ] {
            let mut command = sterna();
            command.current_dir(site.path("")).args(arguments);
            let output = run(command);
            check_silent(&format!("{arguments:?}"), &output);
            assert_eq!(output.status.code(), Some(64), "{arguments:?}");
        }
    }
    for arguments in [
        &[&*format!("--{HEX}")][..],
        &["check", "-c", &format!("/etc/{HEX}")],
    ] {
        let mut command = sterna();
        command.args(arguments);
        let output = run(command);
        check_silent(&format!("{arguments:?}"), &output);
        assert_eq!(output.status.code(), Some(64), "{arguments:?}");
    }
    assert!(!site.path(HEX).exists());
    // A file of such a name is one.
    fs::write(site.path(HEX), "not TOML").unwrap();
    let mut check = sterna();
    check.current_dir(site.path("")).args(["check", "-c", HEX]);
    assert_eq!(run(check).status.code(), Some(78));
}

/// As a copy by way of a form leaves it.
#[test]
fn a_key_file_that_has_lost_its_line_ends_is_not_told() {
    let as_bytes = MARK.bytes().map(|byte| byte.to_string());
    let as_bytes = as_bytes.collect::<Vec<_>>().join(", ");
    let keys: Vec<&Key> = all_keys()
        .filter(|key| key.names_a_file() && key.section != "journal")
        .filter(|key| matches!(key.allowed, Allowed::Text { default: "", .. }))
        .collect();
    for canary in canaries().into_iter().take(3).chain(few()) {
        for key in &keys {
            let mut site = site();
            if key.section != "android" {
                site = without_android(site);
            }
            let site = site.with_path(&key.path(), "pasted");
            let site = if key.name.starts_with("pem_") {
                site.with_pem("pasted", "pasted")
            } else {
                site
            };
            let hides = if key.name == "hash_key_path" {
                "hash"
            } else {
                "no"
            };
            let site = site.with_text("log.hide_token", hides);
            fs::write(site.path("pasted"), &canary).unwrap();
            let output = run(command(&site, &["check", "-c"]));
            let what = format!("{}: {canary:?}", key.path());
            check_silent(&what, &output);
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(!told.contains(&as_bytes), "{what}: {told}");
        }
    }
}

#[test]
fn a_file_that_is_no_configuration_but_a_key_is_not_told() {
    let site = site();
    for (number, canary) in few().into_iter().enumerate() {
        let file = site.path(&format!("file-{number}"));
        for text in [
            canary.clone(),
            format!("[ios]\ntoken_auth_key_path = {canary}\n"),
            format!("[ios]\ntoken_auth_key_path = \"{canary}\n"),
            format!("[ios]\n# {}\ntopic = 1 2\n", canary.replace('\n', " ")),
            format!("[ios]\ntopic = 1 # {}\n", canary.replace('\n', " ")),
            format!("[ios]\n{} = 1\n", toml(&canary)),
            format!("[{}]\na = 1\n", toml(&canary)),
            format!("{}\n", canary.replace('\n', " = 1\n")),
        ] {
            fs::write(&file, &text).unwrap();
            for arguments in [
                &["check", "-c"][..],
                &["check", "--migrate"],
                &["-c"],
                &["recover", "-n", "-c"],
                &["simulate", "--script"],
            ] {
                let mut command = sterna();
                command.args(arguments).arg(Path::new(&file));
                let output = run(command);
                check_silent(&format!("{arguments:?} of {text:?}"), &output);
            }
        }
    }
}
