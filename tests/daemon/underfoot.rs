//! Files that are removed, moved or replaced under a daemon that runs, and before it starts.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail the test by panicking"
)]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::json;
use sterna::journal::{FORMAT_VERSION, OLDEST_FORMAT};

use crate::harness::lines::{check_same, ids};
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, make_pipe, run, sterna};
use crate::harness::{batch, each, fcm_token, hex_token, wait_until};

fn said_by(site: &Site, what: &str) {
    wait_until(what, || site.operator_log().contains(what));
}

#[test]
fn a_journal_that_is_removed_takes_nothing_more_and_what_it_had_is_sent_or_fails_with_a_line() {
    let simulated = Simulated::start();
    let removals: [fn(&Site); 2] = [
        |site| {
            for segment in site.segments() {
                fs::remove_file(segment).unwrap();
            }
        },
        |site| fs::remove_dir_all(site.path("journal")).unwrap(),
    ];
    for remove in removals {
        let site = Site::simulated(&simulated.simulator).with("core.shutdown_timeout", 1);
        let daemon = site.start();
        for lane in ["ios", "android"] {
            let pause = format!("/lanes/{lane}/pause");
            assert_eq!(daemon.request("PUT", &pause, b"").status, 200);
        }
        let to_ios = daemon.push(&batch(0..20)).accepted_ids();
        let tokens: Vec<String> = (0..20).map(fcm_token).collect();
        let to_android = json!({"notifications": [
            {"platform": 2, "token": tokens, "message": "m"},
        ]});
        let to_android = daemon.push(&to_android).accepted_ids();
        remove(&site);
        let refused = daemon.push(&batch([99]));
        assert_eq!(refused.status, 503, "{refused:?}");
        assert!(
            refused.message().starts_with("the journal is gone: "),
            "{refused:?}"
        );
        said_by(&site, "was removed while it was in use");
        daemon.request("PUT", "/lanes/ios/resume", b"");
        assert_eq!(daemon.wait(), 74);
        check_same(&ids(&site.access_log(), "succeeded-push"), &to_ios);
        let failed = site.error_log();
        check_same(&ids(&failed, "failed-push"), &to_android);
        assert!(
            failed
                .iter()
                .all(|line| line.text_of("reason") == "shutdown")
        );
    }
}

#[test]
fn a_journal_that_is_removed_is_noticed_though_nobody_pushes() {
    let site = Site::unreachable().with("core.shutdown_timeout", 0);
    let daemon = site.start();
    fs::remove_dir_all(site.path("journal")).unwrap();
    assert_eq!(daemon.wait(), 74);
    let log = site.operator_log();
    assert!(log.contains("the journal is gone: "), "{log}");
}

#[test]
fn a_journal_that_is_moved_away_is_put_back_and_goes_on() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    assert_eq!(daemon.request("PUT", "/lanes/ios/pause", b"").status, 200);
    let accepted = daemon.push(&batch(0..20)).accepted_ids();
    fs::rename(site.path("journal"), site.path("moved")).unwrap();
    // Somebody wants to begin with an empty one.
    fs::create_dir(site.path("journal")).unwrap();
    assert_eq!(daemon.wait(), 74);
    let log = site.operator_log();
    let told = "was moved away or replaced while it was in use: what was accepted is where it was \
                moved to; put it back, then start again";
    assert!(log.contains(told), "{log}");
    assert!(log.contains("20 pushes stay in it"), "{log}");
    fs::remove_dir(site.path("journal")).unwrap();
    fs::rename(site.path("moved"), site.path("journal")).unwrap();
    site.start().settle();
    check_same(&ids(&site.access_log(), "succeeded-push"), &accepted);
}

#[test]
fn a_journal_whose_lock_file_is_removed_has_one_daemon_all_the_same() {
    let first = Site::unreachable();
    let daemon = first.start();
    let journal = first.path("journal");
    let lock = journal.join("journal.lock");
    fs::remove_file(&lock).unwrap();
    let second = || Site::unreachable().with_journal_of(&first);
    let output = second().run(&[]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(75), "{stderr}");
    assert!(stderr.contains("belongs to another daemon"), "{stderr}");
    said_by(
        &first,
        "journal.lock was removed while it was in use; it is made again",
    );
    let output = second().run(&[]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    let pid = format!("another daemon, with pid {}", daemon.pid());
    assert!(stderr.contains(&pid), "{stderr}");
    assert_eq!(daemon.push(&batch(0..1)).status, 200, "the first goes on");
}

/// What a segment of the present format begins with.
fn head(number: u32, base: u32) -> Vec<u8> {
    head_of(FORMAT_VERSION, number, base)
}

fn head_of(version: u32, number: u32, base: u32) -> Vec<u8> {
    let mut head = b"sternaJ\xf9".to_vec();
    for field in [version, number, base] {
        head.extend(field.to_le_bytes());
    }
    head.extend(crc32c::crc32c(&head).to_le_bytes());
    head
}

#[test]
fn a_segment_that_was_emptied_cut_off_or_removed_is_told_and_no_obstacle() {
    type Act<'a> = &'a (dyn Fn(&Path, &Path) + Sync);
    const NEEDED: &str = "is missing or empty, and was needed";
    let cut = |path: &Path, bytes| {
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(bytes).unwrap();
    };
    let acts: [(Act<'_>, &str, &str); 5] = [
        (
            &|first, _| cut(first, 0),
            "1.journal",
            "0 outstanding of 0, 0 expired, 1 damaged",
        ),
        (
            &|first, _| cut(first, 24),
            "1.journal",
            "0 outstanding of 0, 0 expired, 1 damaged",
        ),
        (
            &|first, second| {
                fs::remove_file(first).unwrap();
                fs::write(second, head(2, 1)).unwrap();
            },
            "1.journal",
            "0 outstanding of 0, 0 expired, 2 damaged",
        ),
        (
            &|_, second| fs::write(second, "").unwrap(),
            "2.journal",
            "50 outstanding of 50, 0 expired, 1 damaged",
        ),
        // As an earlier version left it that crashed while it began another.
        (
            &|_, second| fs::write(second, head(2, 1)).unwrap(),
            "2.journal ends in a write that was interrupted: 24 bytes from offset 0",
            "50 outstanding of 50, 0 expired, 0 damaged",
        ),
    ];
    each(&acts, |(act, named, found)| {
        let site = Site::unreachable();
        let daemon = site.start();
        daemon.push(&batch(0..50));
        daemon.kill();
        let journal = site.path("journal");
        let [first, second] = [1, 2].map(|n| journal.join(format!("{n:010}.journal")));
        act(&first, &second);
        let (out, said, _) = recover(&site, &["--dry-run"]);
        assert!(
            said.contains(NEEDED) || said.contains(named),
            "{out} {said}"
        );
        let daemon = site.start();
        let log = site.operator_log();
        let is_told =
            |line: &str| line.contains(named) && (line.contains(NEEDED) || named.len() > 9);
        assert!(log.lines().any(is_told), "{named}: {log}");
        assert!(log.contains(found), "{found}: {log}");
        assert_eq!(daemon.push(&batch(50..51)).status, 200);
    });
}

#[test]
fn a_journal_of_a_format_that_was_never_released_is_left_to_the_version_that_wrote_it() {
    let site = Site::unreachable();
    let dir = site.path("journal");
    let shown = dir.display();
    fs::create_dir(&dir).unwrap();
    let segment = dir.join("0000000001.journal");
    for version in 1..OLDEST_FORMAT {
        let content = head_of(version, 1, 1);
        fs::write(&segment, &content).unwrap();
        let advice = format!(
            "has format version {version}, this is a version that knows {OLDEST_FORMAT} to \
             {FORMAT_VERSION} alone: with the version that wrote it, send what is outstanding \
             (sterna recover -c FILE --journal {shown}), then remove the files {shown}/*.journal and start again"
        );
        let output = site.run(&[]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(&advice), "{said}");
        let (_, said, code) = recover(&site, &["--dry-run"]);
        assert!(
            code == Some(65) && said.contains(&advice),
            "{code:?} {said}"
        );
        assert_eq!(fs::read(&segment).unwrap(), content);
    }
    // What was outstanding is sent by then.
    fs::remove_file(&segment).unwrap();
    assert_eq!(site.start().push(&batch(0..1)).status, 200);
}

#[test]
fn where_anyone_may_write_a_directory_of_ours_is_used() {
    let simulated = Simulated::start();
    let nowhere = Site::unreachable();
    let open = nowhere.path("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, Permissions::from_mode(0o1777)).unwrap();
    let nowhere = nowhere.with_text("journal.dir", open.to_str().unwrap());
    let daemon = nowhere.start();
    let accepted = daemon.push(&batch(0..5)).accepted_ids();
    daemon.kill();
    let below: Vec<_> = fs::read_dir(&open).unwrap().map(Result::unwrap).collect();
    assert_eq!(below.len(), 1, "{below:?}");
    let found = below[0].metadata().unwrap();
    assert!(found.is_dir() && found.mode() & 0o777 == 0o700);
    let told = format!("the journal is kept in {}", below[0].path().display());
    let log = nowhere.operator_log();
    assert!(log.contains(&told), "{log}");
    let mut command = sterna();
    command.arg("check").arg("-c").arg(nowhere.write_config());
    let output = run(command);
    let shown =
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    assert!(shown.contains(&told), "{shown}");
    // Whoever looks for the journal finds it there.
    let looked = recover(&nowhere, &["--dry-run"]);
    assert!(looked.0.starts_with("5 outstanding of 5"), "{looked:?}");
    let site =
        Site::simulated(&simulated.simulator).with_text("journal.dir", open.to_str().unwrap());
    site.start().settle();
    check_same(&ids(&site.access_log(), "succeeded-push"), &accepted);
}

/// Output and messages of a recovery with a site's configuration.
fn recover(site: &Site, arguments: &[&str]) -> (String, String, Option<i32>) {
    let mut command = sterna();
    command.arg("recover").arg("-c").arg(site.write_config());
    command.args(arguments);
    let output = run(command);
    let [out, error] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
    (out, error, output.status.code())
}

#[test]
fn a_journal_stays_where_it_is_whoever_may_write_there_by_now() {
    for (begun, later) in [(0o1777, 0o755), (0o755, 0o1777)] {
        let site = Site::unreachable();
        let dir = site.path("journal");
        fs::create_dir(&dir).unwrap();
        let set_mode = |mode| fs::set_permissions(&dir, Permissions::from_mode(mode)).unwrap();
        let mut accepted = Vec::new();
        for mode in [begun, later] {
            set_mode(mode);
            let daemon = site.start();
            accepted.extend(daemon.push(&batch(0..50)).accepted_ids());
            daemon.kill();
        }
        let log = site.operator_log();
        assert!(log.contains("50 outstanding of 50"), "{later:o}: {log}");
        assert!(accepted.is_sorted_by(|id, next| id < next), "{accepted:?}");
        let looked = recover(&site, &["--dry-run"]);
        assert!(looked.0.starts_with("100 outstanding of 100"), "{looked:?}");
        let is_below = begun == 0o1777;
        assert_eq!(log.contains("the journal stays in"), is_below, "{log}");
        let holds = |dir: &Path| dir.join("0000000001.journal").exists();
        let holders = fs::read_dir(&dir)
            .unwrap()
            .filter(|it| holds(&it.as_ref().unwrap().path()));
        assert_eq!(
            (holders.count(), holds(&dir)),
            (usize::from(is_below), !is_below)
        );
    }
}

#[test]
fn of_two_journals_neither_is_forgotten() {
    let simulated = Simulated::start();
    let site = Site::unreachable();
    let dir = site.path("journal");
    let below = dir.join(format!("sterna-{}", rustix::process::geteuid().as_raw()));
    let named = |site: Site, dir: &Path| site.with_text("journal.dir", dir.to_str().unwrap());
    let other = named(Site::unreachable(), &below);
    for (site, first) in [(&site, 0), (&other, 5)] {
        let daemon = site.start();
        daemon.push(&batch(first..first + 5));
        daemon.kill();
    }
    let output = site.run(&[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    let told = format!(
        "there is a journal in {} and another one in {}, and only one can go on",
        dir.display(),
        below.display()
    );
    assert!(said.contains(&told), "{said}");
    let mut command = sterna();
    command.arg("check").arg("-c").arg(site.write_config());
    let output = run(command);
    let [shown, said] = [output.stdout, output.stderr].map(|it| String::from_utf8(it).unwrap());
    assert!((shown + &said).contains(&told), "{said}");
    let (_, said, code) = recover(&site, &["--dry-run"]);
    assert!(code != Some(0) && said.contains(&told), "{said}");
    // The advice.
    let site = named(Site::simulated(&simulated.simulator), &below);
    site.start().settle();
    let (out, said, code) = recover(&site, &["--journal", dir.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{out} {said}");
    let received = simulated.received();
    assert!(
        (0..10).all(|number| received.get(&hex_token(number)) == Some(&1)),
        "{received:?}"
    );
}

#[test]
fn nothing_is_written_through_links_or_over_foreign_files() {
    let site = Site::unreachable().with_path("core.pid", "sterna.pid");
    let victim = site.path("victim");
    fs::write(&victim, "4711").unwrap();
    fs::create_dir(site.path("journal")).unwrap();
    for (link, named) in [
        ("sterna.pid", "is a symbolic link, and a pid file is not"),
        (
            "journal/journal.lock",
            "is a symbolic link, and none is followed",
        ),
    ] {
        let link = site.path(link);
        drop(fs::remove_file(&link));
        symlink(&victim, &link).unwrap();
        let output = site.run(&[]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(73), "{stderr}");
        assert!(stderr.contains(named), "{stderr}");
        fs::remove_file(&link).unwrap();
    }
    fs::write(site.path("journal/journal.lock"), "a letter").unwrap();
    let output = site.run(&[]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(73), "{stderr}");
    assert!(stderr.contains("is not overwritten"), "{stderr}");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "4711");
    let letter = fs::read_to_string(site.path("journal/journal.lock")).unwrap();
    assert_eq!(letter, "a letter");
}

const PIPE: &str = "it is a named pipe, not a file";

/// A site with a pipe in the place of a file, and what starts it.
fn with_pipe(key: &str, name: &str) -> (Site, Command) {
    let simulated = |site: Site| match key {
        "ios.pem_cert_path" | "ios.pem_key_path" => site.with_pem("cert.pem", "key.pem"),
        "log.hash_key_path" => site.with_text("log.hide_token", "hash"),
        _ => site,
    };
    let site = simulated(Site::unreachable());
    let site = if key.contains('.') {
        site.with_path(key, name)
    } else {
        site
    };
    make_pipe(&site.path(name));
    let mut command = sterna();
    command.arg("-c").arg(site.write_config());
    if key == "SSL_CERT_FILE" {
        command.env(key, site.path(name));
    }
    (site, command)
}

/// Whatever is named, and whoever opens it: the daemon, `check`, a reload or a recovery.
#[test]
fn for_a_pipe_in_the_place_of_a_file_nobody_waits() {
    let keys = [
        "core.api_key_path",
        "core.pid",
        "ios.token_auth_key_path",
        "ios.pem_cert_path",
        "ios.ca_path",
        "android.service_account_path",
        "android.ca_path",
        "log.hash_key_path",
        "SSL_CERT_FILE",
    ];
    each(&keys, |key| {
        let (site, mut serve) = with_pipe(key, "pipe");
        let mut check = sterna();
        check.arg("check").arg("-c").arg(site.write_config());
        check.envs(
            serve
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        for command in [&mut serve, &mut check] {
            let output = run(std::mem::replace(command, Command::new("true")));
            let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
            let is_foreign = *key == "core.pid" && said.contains("is not overwritten");
            assert!(!output.status.success(), "{key}: {said}");
            assert!(said.contains(PIPE) || is_foreign, "{key}: {said}");
        }
    });
    let names = ["journal.lock", "0000000001.journal", "ids", "ids.lock"];
    each(&names, |name| {
        let site = Site::unreachable();
        fs::create_dir(site.path("journal")).unwrap();
        make_pipe(&site.path("journal").join(name));
        let output = site.run(&[]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && said.contains(PIPE),
            "{name}: {said}"
        );
        let mut check = sterna();
        check.arg("check").arg("-c").arg(site.write_config());
        run(check);
    });
    let site = Site::unreachable();
    let pipe = site.path("pipe");
    make_pipe(&pipe);
    let pipe = pipe.to_str().unwrap();
    let commands = [
        vec!["-c", pipe],
        vec!["check", "-c", pipe],
        vec!["reload", "-c", pipe],
        vec!["simulate", "--script", pipe],
        vec!["recover", "-c", pipe],
    ];
    each(&commands, |arguments| {
        let mut command = sterna();
        command.args(arguments);
        let output = run(command);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && said.contains(PIPE),
            "{arguments:?}: {said}"
        );
    });
    let logs = ["-l", pipe, "--outcomes", "outcomes", "--dry-run"];
    let (_, said, code) = recover(&site, &logs);
    assert!(code != Some(0), "{said}");
    assert!(
        said.contains("it is a named pipe, and nobody writes to it"),
        "{said}"
    );
}

#[test]
fn a_pipe_that_takes_the_place_of_a_file_holds_up_nobody_who_runs() {
    let site = Site::unreachable();
    let daemon = site.start();
    let replace = |name: &str| {
        fs::remove_file(site.path(name)).unwrap();
        make_pipe(&site.path(name));
    };
    replace("journal/journal.lock");
    let second = Site::unreachable().with_journal_of(&site);
    let output = second.run(&[]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(75), "{said}");
    replace("AuthKey.p8");
    daemon.signal("HUP");
    said_by(&site, PIPE);
    assert_eq!(
        daemon.push(&batch(0..1)).status,
        200,
        "it goes on as before"
    );
}

#[test]
fn what_others_find_the_daemon_by_is_missed() {
    let site = Site::unreachable()
        .with_path("core.pid", "sterna.pid")
        .with_path("core.control_socket", "control")
        .on_unix_socket();
    let daemon = site.start();
    for (name, what) in [
        ("sterna.pid", "the pid file"),
        ("control", "the control socket"),
        ("api.sock", "the API's socket"),
    ] {
        let (path, aside) = (site.path(name), site.path("aside"));
        fs::rename(&path, &aside).unwrap();
        said_by(
            &site,
            &format!("{what} {} was removed or replaced: ", path.display()),
        );
        fs::rename(&aside, &path).unwrap();
        said_by(&site, &format!("{what} {} is there again", path.display()));
    }
    assert_eq!(daemon.terminate(), 0);
}

#[test]
fn a_push_log_that_is_removed_is_made_again() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    daemon.push(&batch(0..1));
    wait_until("its outcome to be in the log", || {
        ids(&site.access_log(), "succeeded-push").len() == 1
    });
    fs::remove_file(site.path("access.log")).unwrap();
    let accepted = daemon.push(&batch(1..3)).accepted_ids();
    daemon.settle();
    check_same(&ids(&site.access_log(), "succeeded-push"), &accepted);
    said_by(
        &site,
        "access.log was removed while it was in use: it is made again",
    );
}
