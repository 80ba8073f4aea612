//! The same by the command line: `sterna simulate` with flags, a script and a ledger's file.

use std::fs;

use crate::harness::daemon::Daemon;
use crate::harness::simulator::Simulate;
use crate::harness::site::{Site, read_text, run, sterna};
use crate::join::join;
use crate::play::{ANDROID, IOS, of_platform, push_all, read, settle};

#[test]
fn flags_and_a_script_reach_the_wire_and_the_ledger_its_file() {
    let site = Site::with_logs();
    let (script, ledger) = (site.path("bad-day.toml"), site.path("ledger.jsonl"));
    let text = "[[phase]]\nendpoint = \"fcm\"\nrequests = 150\nstrike = \"internal@processed=4\"\n";
    fs::write(&script, text).unwrap();
    let arguments = [
        "--summary",
        "--refuse=3",
        "--goaway-after=100",
        "--goaway=graceful",
        "--seed=5",
        "--script",
        script.to_str().unwrap(),
        "--ledger",
        ledger.to_str().unwrap(),
    ];
    let simulator = Simulate::start(&site, &arguments);
    let files = Site::with_logs();
    let logs = format!(
        "\n[log]\naccess_log = {:?}\nerror_log = {:?}\noperator_log = {:?}\n",
        files.path("access.log"),
        files.path("error.log"),
        files.path("operator.log"),
    );
    let config = files.path("sterna.toml");
    fs::write(&config, simulator.config() + &logs).unwrap();
    let mut command = sterna();
    command.arg("-c").arg(config).arg("-p=0");
    files.capture(&mut command);
    let daemon = Daemon::start(command, &files.path("operator.log"));
    let sides = [IOS, ANDROID];
    let accepted = push_all(&daemon, &sides, 400);
    settle(daemon);
    let told = simulator.stop();

    let entries = read(&read_text(&ledger));
    let log = [files.access_log(), files.error_log()].concat();
    let [ios, android] = [0, 1].map(|at| {
        let of_it = entries.iter().filter(|(of, _)| of == sides[at].provider);
        let entries: Vec<_> = of_it.map(|(_, entry)| entry.clone()).collect();
        let log = of_platform(&log, sides[at].name);
        let findings = join(&accepted[at], &log, &entries);
        findings.check(sides[at].name);
        let refused = entries
            .iter()
            .filter(|entry| entry.reason == "REFUSED_STREAM");
        (findings, refused.count())
    });
    assert!(
        ios.1 > 0 && android.1 > 0,
        "nothing was refused: {ios:?} {android:?}"
    );
    assert_eq!((ios.0.succeeded, ios.0.doubled), (400, 0));
    assert!(android.0.doubled > 0, "nothing was struck: {android:?}");
    let summary = told.lines().find(|line| line.starts_with("FCM: ")).unwrap();
    // One push may have been struck twice.
    let struck = |struck: &usize| {
        let unanswered = format!(" ({struck} unanswered), 0 refused, ");
        let doubled = format!("; {struck} doubled, 0 lost");
        summary.contains(&unanswered) && summary.ends_with(&doubled)
    };
    let struck = (1..400).find(struck);
    assert!(struck >= Some(android.0.doubled), "{summary}: {android:?}");
}

#[test]
fn a_script_that_is_wrong_is_refused_with_file_and_line() {
    let site = Site::with_logs();
    let script = site.path("bad-day.toml");
    fs::write(&script, "[[phase]]\nrequests = 5\nfial = 5\n").unwrap();
    let mut command = sterna();
    command
        .arg("simulate")
        .arg("--apns-port=0")
        .arg("--script")
        .arg(&script);
    let output = run(command);
    assert_eq!(output.status.code(), Some(78));
    let told = String::from_utf8(output.stderr).unwrap();
    let expected = format!("{}:3: unknown field `fial`", script.display());
    assert!(told.contains(&expected), "{told}");
    assert!(output.stdout.is_empty(), "it said that it listens");
}
