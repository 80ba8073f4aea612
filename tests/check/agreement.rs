//! `sterna check` has an error if and only if a start ends with it: the same binary for both.

use std::fs;
use std::os::unix::net::UnixListener;
use std::process::Command;

use super::{cases, names};
use crate::harness::daemon::Daemon;
use crate::harness::site::{Site, read_text, run, sterna};
use crate::harness::{each, wait_for};

/// What a start did: its exit code, or none if it serves, and what it said.
fn start(mut command: Command, site: &Site) -> (Option<i32>, String) {
    site.capture(&mut command);
    let daemon = Daemon::spawn(command);
    let ended = wait_for("a start to end or serve", || {
        let code = daemon.ended().map(|status| status.code());
        let serves = || site.operator_log().contains("serves on ").then_some(None);
        code.or_else(serves)
    });
    drop(daemon);
    let said = read_text(&site.path("stderr")) + &site.operator_log();
    (ended, said)
}

fn check(site: &Site) -> Command {
    let mut check = sterna();
    check.arg("check").arg("-c").arg(site.write_config());
    check
}

/// A certificate with that name and those years of validity, and its key.
fn certificate(name: &str, (from, to): (i32, i32)) -> (String, String) {
    let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn by_certificate(years: (i32, i32)) -> Site {
    let site = Site::unreachable().with_pem("cert.pem", "key.pem");
    let (pem, key) = certificate("own", years);
    fs::write(site.path("cert.pem"), pem).unwrap();
    fs::write(site.path("key.pem"), key).unwrap();
    site
}

/// Both platforms trust these besides the system.
fn trusting(pem: &str) -> Site {
    let site = Site::unreachable()
        .with_path("ios.ca_path", "ca.pem")
        .with_path("android.ca_path", "ca.pem");
    fs::write(site.path("ca.pem"), pem).unwrap();
    site
}

const BROKEN: &str = "-----BEGIN CERTIFICATE-----\nMAMCAQU=\n-----END CERTIFICATE-----\n";

/// A site with something in its environment, whether it is to serve, and what both are to say.
struct Case {
    site: Site,
    roots: Option<String>,
    serves: bool,
    told: &'static str,
}

impl Case {
    fn new(site: Site, serves: bool, told: &'static str) -> Self {
        Self {
            site,
            roots: None,
            serves,
            told,
        }
    }

    /// With that file in the place of the system's roots.
    fn rooted(self, roots: &str) -> Self {
        let roots = Some(self.site.path(roots).display().to_string());
        Self { roots, ..self }
    }

    fn check(&self) {
        let (serves, told) = (self.serves, self.told);
        let environment = self.roots.iter().map(|path| ("SSL_CERT_FILE", path));
        let mut checking = check(&self.site);
        checking.envs(environment.clone());
        let output = run(checking);
        let checked = String::from_utf8(output.stderr).unwrap();
        let mut starting = self.site.command(&[]);
        starting.envs(environment);
        let (ended, started) = start(starting, &self.site);
        let both = format!("check: {checked}\nstart: {ended:?} {started}");
        assert_eq!(output.status.success(), serves, "{both}");
        assert_eq!(ended.is_none(), serves, "{both}");
        assert!(matches!(ended, None | Some(69 | 73 | 78)), "{both}");
        assert!(
            checked.contains(told) && started.contains(told),
            "{told}: {both}"
        );
        if self.roots.is_some() && serves {
            assert_eq!(started.matches(told).count(), 1, "once: {both}");
        }
    }
}

#[test]
fn what_is_trusted_is_refused_by_both_or_by_neither() {
    let good = certificate("Good CA", (2020, 2040)).0;
    let old = certificate("Old CA", (2000, 2002)).0;
    let expired = "certificate 2 (CN=Old CA): the certificate expired";
    let no_pem = Case::new(trusting(&good), true, "roots.txt: no PEM certificate");
    fs::write(no_pem.site.path("roots.txt"), "no PEM\n").unwrap();
    let without = Case::new(Site::unreachable(), false, "no root certificates: install");
    let missing = Case::new(trusting(&good), true, "SSL_CERT_FILE: /");
    // Of many, the first are told, and how many more there are.
    let many = format!("{good}{}", BROKEN.repeat(23));
    let more = "the like is to be said of 3 more";
    let many_roots = Case::new(trusting(&good), true, more);
    fs::write(many_roots.site.path("roots.txt"), &many).unwrap();
    let cases = [
        without.rooted("nowhere.pem"),
        missing.rooted("nowhere.pem"),
        no_pem.rooted("roots.txt"),
        Case::new(trusting(&format!("{good}{old}")), true, expired),
        Case::new(
            trusting(&format!("{BROKEN}{good}")),
            true,
            "certificate 1: ",
        ),
        Case::new(
            trusting(&old),
            false,
            "(CN=Old CA): the certificate expired",
        ),
        Case::new(trusting(BROKEN), false, "certificate 1: "),
        Case::new(trusting(&many), true, more),
        Case::new(trusting(&BROKEN.repeat(23)), false, more),
        Case::new(trusting(&old.repeat(21)), false, "of 1 more"),
        many_roots.rooted("roots.txt"),
    ];
    each(&cases, Case::check);
}

#[test]
fn what_we_show_and_where_we_write_is_refused_by_both_or_by_neither() {
    let socket = Site::unreachable().with_path("log.access_log", "socket");
    let _listener = UnixListener::bind(socket.path("socket")).unwrap();
    let directory = Site::unreachable().with_path("log.error_log", "dir");
    fs::create_dir(directory.path("dir")).unwrap();
    let old = "the certificate expired at 2002";
    let nowhere = |key: &str| Site::unreachable().with_path(key, "no/where");
    let no_place = Site::unreachable().with_text("journal.dir", "/dev/null/j");
    let cases = [
        Case::new(Site::unreachable(), true, ""),
        Case::new(by_certificate((2020, 2040)), true, ""),
        Case::new(by_certificate((2000, 2002)), false, old),
        Case::new(by_certificate((2035, 2040)), true, "valid from 2035"),
        Case::new(socket, false, "No such device or address"),
        Case::new(directory, false, "s a directory"),
        Case::new(nowhere("core.pid"), false, "/no does not exist"),
        Case::new(nowhere("core.control_socket"), false, "no/where"),
        Case::new(nowhere("core.api_key_path"), false, "there is no such file"),
        Case::new(nowhere("log.operator_log"), false, "no/where"),
        Case::new(no_place, false, "/dev/null is a device, not a directory"),
    ];
    each(&cases, Case::check);
}

/// Whether a start that ended with that line has met what `check` tells as this error: in the same
/// words, or by the value that is wrong.
fn is_met(error: &str, line: &str) -> bool {
    let Some((_, said)) = error.split_once(" = \"") else {
        return false;
    };
    let (value, sentence) = said.split_once("\": ").unwrap();
    let value = value.trim_start_matches("unix:");
    line.contains(sentence) || (value.len() > 1 && line.contains(value))
}

/// The broken configurations, each of which `check` refuses, as another test has seen; what a start
/// says of them is among that.
#[test]
fn a_start_with_a_broken_configuration_ends_by_itself() {
    each(&names(), |name| {
        let state = tempfile::tempdir().unwrap();
        let mut start = sterna();
        start
            .args(["-c", name])
            .current_dir(cases())
            .env_remove("CREDENTIALS_DIRECTORY")
            .env("STATE_DIRECTORY", state.path());
        let output = run(start);
        let said = String::from_utf8_lossy(&output.stderr);
        let checked = fs::read_to_string(cases().join(name.replace(".toml", ".txt"))).unwrap();
        let expected = || {
            checked
                .lines()
                .filter_map(|line| line.strip_prefix("error: "))
        };
        // Lines of JSON where a push log has the same place.
        let message = |line: &str| match serde_json::from_str::<serde_json::Value>(line) {
            Ok(line) => line["message"].as_str().unwrap().to_owned(),
            Err(_) => line.to_owned(),
        };
        let said: String = said.lines().map(|line| message(line) + "\n").collect();
        let is_error =
            |line: &&str| line.starts_with("error: ") || line.starts_with(&format!("{name}:"));
        match output.status.code() {
            Some(78) => {
                let mut told = said.lines().filter(is_error).peekable();
                assert!(told.peek().is_some(), "{name}: {said}");
                let is_known = |line: &str| expected().any(|error| line.contains(error));
                assert!(told.all(is_known), "{name}: {said}");
            }
            Some(69 | 73) => {
                let last = said.lines().last().unwrap();
                assert!(expected().any(|it| is_met(it, last)), "{name}: {said}");
            }
            code => panic!("{name}: {code:?}: {said}"),
        }
    });
}
