//! What cannot be read, sent or written, and how the process tells.

use std::fs::{self, File};

use super::*;

#[test]
fn what_the_provider_refuses_has_failed_and_is_not_sent_again() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let gone = gaurun("accepted", 9, 1, "ios", "0bad4100", "");
    // APNs would refuse its size; what was accepted in the past is not asked again.
    let large = format!(",\"title\":\"{}\"", "x".repeat(5000));
    let large = gaurun("accepted", 9, 2, "ios", &hex_token(2), &large);
    let odd = gaurun("accepted", 9, 3, "ios", "not-hex", "");
    write(
        &site,
        "access.log",
        [gone, large, odd, ios("accepted", 9, 4, 4)].concat(),
    );
    write(&site, "error.log", ios("failed", 9, 5, 5));
    let logs = ["error.log", "access.log"];
    let output = recover(&site, &logs, &["--allow-incomplete"]);
    check(
        &output,
        69,
        "4 outstanding of 4, 0 expired, 0 damaged\n\
         2 cannot be sent: no provider would take them\n\
         1 succeeded, 3 failed, 0 left\n",
    );
    let log = site.access_log();
    let reason = |id| {
        let mut failed = lines::of_kind(&log, "failed-push");
        failed
            .find(|line| line.id() == id)
            .unwrap()
            .text_of("reason")
            .to_owned()
    };
    assert_eq!(
        [1, 2, 3].map(reason),
        ["Unregistered", "unsendable", "unsendable"]
    );
    let output = recover(&site, &logs, &["--allow-incomplete"]);
    check(
        &output,
        0,
        "0 outstanding of 4, 0 expired, 0 damaged\n0 succeeded, 0 failed, 0 left\n",
    );
    assert_eq!(simulated.notes().len(), 2);
}

#[test]
fn lines_that_a_log_says_are_missing_are_told() {
    let site = Site::unreachable();
    let lost = "{\"level\":\"warn\",\"time\":\"2026/11/22 09:00:00 UTC\",\"message\":\"\",\
                \"type\":\"lost-lines\",\"lines\":1234}\n";
    write(&site, "access.log", ios("accepted", 9, 1, 1) + lost);
    write(&site, "error.log", ios("failed", 9, 5, 5));
    let output = recover(
        &site,
        &["error.log", "access.log"],
        &["-n", "--allow-incomplete"],
    );
    check(
        &output,
        0,
        "1 outstanding of 1, 0 expired, 0 damaged\n\
         1,234 lines are missing from these logs, as they say: pushes without an outcome may have \
         been sent\n\
         dry run: nothing was sent or written\n",
    );
}

#[test]
fn a_platform_that_is_disabled_is_held_back() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .without("android")
        .with("android.enabled", false);
    let android = gaurun("accepted", 9, 2, "android", &fcm_token(2), "");
    write(&site, "access.log", ios("accepted", 9, 1, 1) + &android);
    write(&site, "error.log", ios("failed", 9, 5, 5));
    let output = recover(&site, &["error.log", "access.log"], &["--allow-incomplete"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("1 held back: android is disabled in the configuration\n"),
        "{text}"
    );
    assert!(text.ends_with("1 succeeded, 0 failed, 1 left\n"), "{text}");
    assert_eq!(output.status.code(), Some(75));
    assert_eq!(sent_to(&simulated), [hex_token(1)]);
}

/// It is in the journal of its daemon, which sends it at its time.
#[test]
fn what_is_scheduled_is_held_back_until_its_time_and_told() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let now = Timestamp::now().as_second();
    let of = |id, at: i64| {
        let send_at = format!(",\"send_at\":{at}");
        gaurun("accepted", 9_000, id, "ios", &hex_token(id), &send_at)
    };
    // That of the last has come.
    let log = [ios("accepted", 9, 1, 1), of(2, now + 3600), of(3, now - 60)];
    write(&site, "access.log", log.concat());
    write(&site, "error.log", ios("failed", 9, 8, 8));
    let logs = ["error.log", "access.log"];
    let output = recover(&site, &logs, &["--allow-incomplete", "--max-age", "1h"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let told = "1 held back: they are scheduled for later, and nothing is sent before its time";
    assert!(
        text.contains(told) && text.contains("  id 2 ios, accepted "),
        "{text}"
    );
    assert!(text.ends_with("2 succeeded, 0 failed, 1 left\n"), "{text}");
    assert_eq!(output.status.code(), Some(75));
    assert_eq!(sent_to(&simulated), [hex_token(1), hex_token(3)]);
}

/// A topic may be called as a device is.
#[test]
fn what_stands_in_the_place_of_a_device_token_is_told_apart_and_left() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let of = |ago, id, platform, target: &str| {
        let token = if platform == "ios" {
            hex_token(id)
        } else {
            fcm_token(id)
        };
        let target = format!(",\"target\":\"{target}\"");
        gaurun("accepted", ago, id, platform, &token, &target)
    };
    let log = [
        ios("accepted", 9, 1, 1),
        of(9, 2, "android", "topic"),
        of(9, 3, "android", "condition"),
        of(9, 4, "android", "fid"),
        of(9, 5, "ios", "channel").replace("\"hello\"", "\"\""),
        of(9, 6, "android", "of a later version"),
        of(9_000_000, 7, "android", "topic"),
    ];
    write(&site, "access.log", log.concat());
    write(&site, "error.log", ios("failed", 9, 8, 8));
    let output = recover(&site, &["error.log", "access.log"], &["--allow-incomplete"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let told = "4 held back: they go to a topic, a condition, an installation id or a broadcast";
    assert!(
        text.contains(", 1 expired, 1 damaged\n") && text.contains(told),
        "{text}"
    );
    for named in ["id 2 android", "id 3 android", "id 4 android", "id 5 ios"] {
        assert!(text.contains(&format!("  {named}, accepted ")), "{text}");
    }
    assert!(text.ends_with("1 succeeded, 0 failed, 4 left\n"), "{text}");
    assert_eq!(output.status.code(), Some(75));
    assert_eq!(sent_to(&simulated), [hex_token(1)]);
    let lines = site.access_log();
    let mut failed = lines::of_kind(&lines, "failed-push");
    assert_eq!(failed.next().unwrap().text_of("target"), "topic");
}

#[test]
fn credentials_of_a_platform_without_pushes_are_not_needed() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator)
        .with_text("android.service_account_path", "/nonexistent.json");
    write(&site, "access.log", ios("accepted", 9, 1, 1));
    let output = recover(&site, &["access.log"], &["--allow-incomplete"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    let android = gaurun("accepted", 9, 2, "android", &fcm_token(2), "");
    write(&site, "access.log", android);
    let output = recover(&site, &["access.log"], &["--allow-incomplete"]);
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
    assert!(stderr(&output).contains("/nonexistent.json"));
}

#[test]
fn a_time_of_another_zone_is_held_back_until_the_zone_is_named() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let line = ios("accepted", 9, 1, 1).replace(" UTC", " JST");
    write(&site, "access.log", line);
    let arguments = ["--allow-incomplete", "-n"];
    let output = recover(&site, &["access.log"], &arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("1 held back: their time is neither in UTC nor in this"),
        "{text}"
    );
    let mut command = command(&site, &["access.log"], &arguments);
    let output = run({
        command.env("TZ", "JST-9");
        command
    });
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.starts_with("1 outstanding of 1, 0 expired") && !text.contains("held"),
        "{text}"
    );
}

#[test]
fn each_kind_of_trouble_has_its_exit_code() {
    let site = Site::unreachable();
    let text = ios("accepted", 9, 1, 1);
    let whole = gzip(&text.repeat(100));
    write(&site, "cut.gz", &whole[..whole.len() / 2]);
    write(&site, "whole.gz", gzip(&text));
    write(&site, "no.log", "[core]\n");
    write(&site, "access.log", &text);
    let told = |output: Output, code: i32, expected: &str| {
        let errors = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(errors.contains(expected), "{errors}");
    };
    told(
        recover(&site, &["cut.gz"], &["-n"]),
        65,
        "cut.gz: breaks off after ",
    );
    told(
        recover(&site, &["no.log"], &[]),
        65,
        "no.log: is no push log: ",
    );
    told(
        recover(&site, &["none.log"], &["-n"]),
        74,
        "none.log: cannot be read: ",
    );
    told(
        recover(&site, &["none.log"], &[]),
        74,
        "none.log: cannot be read: ",
    );
    let gzipped =
        "whole.gz: outcomes cannot be appended to it; name a file for them with --outcomes";
    told(recover(&site, &["whole.gz"], &[]), 64, gzipped);
    told(
        recover(&site, &["access.log"], &["--max-age", "1y"]),
        64,
        "a time from 1s to 28d",
    );
    let logs = vec!["access.log"; 257];
    told(
        recover(&site, &logs, &["-n"]),
        64,
        "257 logs over limit(256)",
    );
    let nowhere = ["--outcomes", "/nonexistent/recovered.log"];
    told(
        recover(&site, &["access.log"], &nowhere),
        73,
        "outcomes cannot be written",
    );
    let broken = site.with("core.frobnicate", 1);
    told(
        recover(&broken, &["access.log"], &["-n"]),
        78,
        "unknown key",
    );
    assert_eq!(fs::read_to_string(broken.path("access.log")).unwrap(), text);
}

/// What is advised is done, and what comes of it is a push log.
#[test]
fn a_push_log_in_another_form_is_told_how_it_is_unpacked() {
    let site = Site::unreachable();
    let text = ios("accepted", 9, 1, 1);
    write(&site, "plain", &text);
    let directory = site.path("plain").parent().unwrap().to_owned();
    let shell = |line: &str| {
        let mut shell = Command::new("sh");
        let output = run({
            shell.args(["-c", line]).current_dir(&directory);
            shell
        });
        assert!(output.status.success(), "{line}: {}", stderr(&output));
        output.stdout
    };
    for (name, made_by) in [
        ("zstd", "zstd -qc plain"),
        ("x z", "xz -c plain"),
        ("bzip2", "bzip2 -c plain"),
        ("lz4", "lz4 -qc plain"),
        ("zip", "zip -q - plain"),
        ("utf-16", "iconv -f UTF-8 -t UTF-16 plain"),
    ] {
        let tool = made_by.split(' ').next().unwrap();
        if Command::new(tool).arg("--version").output().is_err() {
            println!("skipped: there is no {tool}");
            continue;
        }
        write(&site, name, shell(made_by));
        let before = fs::read(site.path(name)).unwrap();
        let output = recover(&site, &[name], &[]);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(65), "{name}: {told}");
        assert_eq!(fs::read(site.path(name)).unwrap(), before, "{name}");
        let (_, command) = told
            .split_once("unpack it with: ")
            .unwrap_or_else(|| panic!("{told}"));
        let command = command.trim_end();
        assert!(
            !command.contains('\n'),
            "{name}: more than a command: {told}"
        );
        shell(command);
        let output = recover(
            &site,
            &[&format!("{name}.log")],
            &["-n", "--allow-incomplete"],
        );
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        assert!(
            text.starts_with("1 outstanding of 1, "),
            "{name}: {text}{}",
            stderr(&output)
        );
    }
}

#[test]
fn nothing_is_appended_to_a_log_that_a_collector_writes() {
    let site = Site::unreachable();
    let line = ios("accepted", 9, 1, 1);
    let docker = serde_json::json!({"log": line, "stream": "stdout", "time": "2026-11-29T20:44Z"});
    let syslog = format!("Nov 22 05:15:01 host sterna[17]: {line}");
    for text in [format!("{docker}\n"), syslog] {
        write(&site, "wrapped.log", &text);
        let output = recover(&site, &["wrapped.log"], &[]);
        let told = stderr(&output);
        assert!(told.contains("outcomes cannot be appended to it"), "{told}");
        assert_eq!(output.status.code(), Some(64));
        assert_eq!(fs::read_to_string(site.path("wrapped.log")).unwrap(), text);
        let output = recover(&site, &["wrapped.log"], &["-n", "--allow-incomplete"]);
        let found = String::from_utf8(output.stdout).unwrap();
        assert!(
            found.starts_with("1 outstanding of 1, 0 expired, 0 damaged"),
            "{found}"
        );
    }
}

#[test]
fn what_nothing_is_recognised_in_is_no_all_clear() {
    let site = Site::unreachable();
    write(&site, "empty.log", "\n");
    write(&site, "empty.gz", gzip(""));
    write(&site, "error.log", ios("failed", 9, 5, 5));
    for dry in [
        &["-n"][..],
        &["--outcomes", site.path("new.log").to_str().unwrap()],
    ] {
        let output = recover(&site, &["empty.log", "empty.gz"], dry);
        assert_eq!(output.status.code(), Some(65), "{}", stderr(&output));
        assert!(
            stderr(&output).contains("nothing to read in "),
            "{}",
            stderr(&output)
        );
    }
    // An error log alone says nothing of what was accepted; beside an access log it may be empty.
    let output = recover(&site, &["error.log"], &["-n"]);
    assert!(
        stderr(&output).contains("no accepted-push line"),
        "{}",
        stderr(&output)
    );
    write(&site, "access.log", ios("accepted", 9, 1, 1));
    let output = recover(&site, &["empty.log", "access.log"], &["-n"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn two_recoveries_do_not_work_on_one_log() {
    let site = Site::unreachable();
    write(&site, "access.log", ios("accepted", 9, 1, 1));
    let log = File::options()
        .append(true)
        .open(site.path("access.log"))
        .unwrap();
    log.try_lock().unwrap();
    let output = recover(&site, &["access.log"], &["--allow-incomplete"]);
    assert_eq!(output.status.code(), Some(75));
    assert!(stderr(&output).contains("another recovery is at work with it"));
    // To look is harmless.
    assert_eq!(
        recover(&site, &["access.log"], &["-n"]).status.code(),
        Some(0)
    );
}

#[test]
fn what_the_log_hides_is_held_back() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let hashed = gaurun("accepted", 9, 1, "android", "hash:1f0c", "");
    let no_token = gaurun("accepted", 9, 2, "ios", "", "");
    let no_message = ios("accepted", 9, 3, 3).replace("hello", "");
    let silent = ",\"content_available\":true";
    let silent = gaurun("accepted", 9, 4, "ios", &hex_token(4), silent).replace("hello", "");
    let lines = [hashed, no_token, no_message, silent];
    write(&site, "access.log", lines.concat());
    let output = recover(&site, &["access.log"], &["--allow-incomplete"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let held = "3 held back: their device token or message is not in the log";
    assert!(text.contains(held), "{text}");
    assert!(text.ends_with("1 succeeded, 0 failed, 3 left\n"), "{text}");
    let notes = simulated.notes();
    assert_eq!(notes.len(), 1, "a silent push has no message to be hidden");
    assert_eq!(notes[0].body, r#"{"aps":{"content-available":1}}"#);
}
