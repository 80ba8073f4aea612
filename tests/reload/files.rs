//! Files that change while no key of the configuration does.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use super::{put_in_force, with_control};
use crate::harness::daemon::Daemon;
use crate::harness::documents;
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::wait_until;

/// What a process under that umask starts, in the place of a command.
fn under_umask(umask: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("umask {umask}; exec \"$0\" \"$@\"")]);
    shell.arg(command.get_program()).args(command.get_args());
    shell
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn logs_are_made_with_their_mode_whatever_the_umask_and_keep_the_one_they_have() {
    let site = with_control(Site::unreachable());
    let logs = ["access.log", "error.log", "operator.log"];
    let directory = site.path("");
    let path = |name: &str| directory.join(name);
    fs::write(path("error.log"), "").unwrap();
    fs::set_permissions(path("error.log"), fs::Permissions::from_mode(0o604)).unwrap();
    // One that leads to where nothing is yet.
    symlink(path("elsewhere.log"), path("access.log")).unwrap();
    let mut command = under_umask("077", &site.command(&[]));
    site.capture(&mut command);
    let daemon = Daemon::start(command, &path("operator.log"));
    assert_eq!(logs.map(|log| mode(&path(log))), [0o640, 0o604, 0o640]);

    let rotate = || {
        for log in logs {
            fs::rename(path(log), path(&format!("{log}.1"))).unwrap();
        }
    };
    rotate();
    daemon.signal("HUP");
    // A file has its mode a moment after it is there.
    let are_made = || {
        logs.iter()
            .all(|log| path(log).exists() && mode(&path(log)) != 0o600)
    };
    wait_until("the logs to be there again", are_made);
    assert_eq!(logs.map(|log| mode(&path(log))), [0o640; 3]);

    let site = site.with_text("log.mode", "0606");
    let told = "applied: log.mode = \"0606\" (was \"0640\")\n";
    assert_eq!(put_in_force(&site), told);
    assert_eq!(logs.map(|log| mode(&path(log))), [0o640; 3]);
    rotate();
    daemon.signal("USR1");
    wait_until("the logs to be there again", are_made);
    assert_eq!(logs.map(|log| mode(&path(log))), [0o606; 3]);
}

const UNCHANGED: &str = "nothing has changed\n";

#[test]
fn new_api_keys_are_told_in_numbers_and_no_key_is_shown() {
    let [old, new] = ["0123456789abcdef-old", "0123456789abcdef-new"];
    let site = with_control(Site::unreachable()).with_path("core.api_key_path", "keys");
    let path = site.path("keys");
    fs::write(&path, old).unwrap();
    let _daemon = site.start();
    assert_eq!(put_in_force(&site), UNCHANGED);
    let shown = path.display();
    for (keys, expected) in [
        (
            format!("{old}\n{new}\n"),
            "2 API keys (were 1): 1 added, 0 removed",
        ),
        (new.to_owned(), "1 API key (were 2): 0 added, 1 removed"),
        (format!("# a word\n{new}"), "1 API key, the same as before"),
    ] {
        fs::write(&path, keys).unwrap();
        let line = format!("applied: core.api_key_path: {shown} holds {expected}\n");
        assert_eq!(put_in_force(&site), line);
        if expected.starts_with('2') {
            let path = path.to_str().unwrap();
            assert!(documents::shows(&line.replace(path, "/etc/sterna/keys")));
        }
        let line = format!("reload: {line}");
        wait_until("the operator to be told", || {
            site.operator_log().contains(&line)
        });
        assert_eq!(put_in_force(&site), UNCHANGED);
    }
    assert!(!site.operator_log().contains("0123456789abcdef"));
}

#[test]
fn a_new_certificate_is_told_with_its_last_day_and_its_fingerprint() {
    let simulated = Simulated::start();
    let site = with_control(Site::simulated(&simulated.simulator));
    let site = site.by_certificate(&simulated.simulator);
    let credentials = simulated.simulator.credentials();
    let copy = |from: &Path, name: &str| fs::copy(from, site.path(name)).unwrap();
    copy(&credentials.client_certificate_path, "cert.pem");
    copy(&credentials.client_key_path, "key.pem");
    let site = site
        .with_path("ios.pem_cert_path", "cert.pem")
        .with_path("ios.pem_key_path", "key.pem");
    let _daemon = site.start();
    assert_eq!(put_in_force(&site), UNCHANGED);

    let mut params = rcgen::CertificateParams::new(vec!["other.example".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(2031, 5, 7);
    let key = rcgen::KeyPair::generate().unwrap();
    let other = params.self_signed(&key).unwrap();
    fs::write(site.path("cert.pem"), format!("\u{feff}{}", other.pem())).unwrap();
    fs::write(site.path("key.pem"), key.serialize_pem()).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, other.der());
    let bytes = digest.as_ref().iter().map(|byte| format!("{byte:02X}"));
    let fingerprint = bytes.collect::<Vec<_>>().join(":");
    let told = put_in_force(&site);
    let path = |name| site.path(name).display().to_string();
    for line in [
        format!(
            "applied: ios.pem_cert_path: {} holds a new certificate, expires 2031-05-07, SHA-256 \
             fingerprint {fingerprint}",
            path("cert.pem")
        ),
        format!(
            "applied: ios.pem_key_path: {} holds a new private key\n",
            path("key.pem")
        ),
        "applied: ios: the old credential stays in use until a push was taken with".to_owned(),
    ] {
        assert!(told.contains(&line), "{line}: {told}");
    }
    let line = told
        .lines()
        .find(|line| line.contains("holds a new certificate"));
    let line = line
        .unwrap()
        .replace(&path("cert.pem"), "/etc/sterna/apns.pem");
    let line = line.replace(&fingerprint, "5B:0E:…");
    assert!(documents::shows(&line), "{line}");
    assert!(!told.contains("ios.ca_path"), "{told}");
    assert_eq!(put_in_force(&site), UNCHANGED);
}

#[test]
fn other_files_that_change_are_named_by_their_keys() {
    let site = with_control(Site::unreachable())
        .with_text("log.hide_token", "hash")
        .with_path("log.hash_key_path", "hash.key");
    fs::write(site.path("hash.key"), "0123456789abcdef").unwrap();
    let _daemon = site.start();
    fs::write(site.path("hash.key"), "fedcba9876543210").unwrap();
    for name in ["AuthKey.p8", "service-account.json"] {
        let text = fs::read_to_string(site.path(name)).unwrap();
        fs::write(site.path(name), format!("{text}\n")).unwrap();
    }
    let told = put_in_force(&site);
    for line in [
        "hash.key holds a new key: hashes of device tokens do not join with those of earlier lines",
        "applied: ios.token_auth_key_path: ",
        "applied: android.service_account_path: ",
        "service-account.json holds a new Google credential\n",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }
    assert!(!told.contains("fedcba"), "{told}");
    assert_eq!(put_in_force(&site), UNCHANGED);
}
