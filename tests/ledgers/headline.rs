//! The figures that other daemons get wrong. `STERNA_LEDGER_PUSHES` sets the size; what is printed
//! shows with `--nocapture`.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use crate::play::{ANDROID, IOS, Outcome, Play};

/// The pushes of a run: that of the environment, or few.
fn pushes(few: u64) -> u64 {
    let asked = std::env::var("STERNA_LEDGER_PUSHES").ok();
    asked.map_or(few, |asked| asked.parse().expect("a number of pushes"))
}

#[expect(clippy::print_stdout, reason = "the figures are for people")]
fn play(what: &str, play: Play) -> Vec<Outcome> {
    let begun = Instant::now();
    let outcomes = play.run(what);
    for Outcome {
        findings,
        connections,
        ..
    } in &outcomes
    {
        let took = begun.elapsed().as_secs_f32();
        println!("{what}: {findings:?} {connections:?} in {took:.1} s");
        assert_eq!(
            findings.succeeded, findings.accepted,
            "{what}: {findings:?}"
        );
    }
    outcomes
}

#[test]
fn headline_failures_that_may_pass() {
    let pushes = pushes(300);
    let is_full = pushes > 1_000;
    let faults = |fail: &str| {
        // All day in the full run; a small one has but one round of back-off to wait for, and who
        // says when is not given the ten seconds that Google asks for at least.
        let end = if is_full {
            String::new()
        } else {
            format!("requests = {pushes}\nretry_after = 1")
        };
        format!("[[phase]]\nfail = \"{fail}\"\n{end}\n")
    };
    let apns = "TooManyRequests=3,InternalServerError=2,ServiceUnavailable=2";
    let fcm = if is_full {
        "QUOTA_EXCEEDED=3,INTERNAL=2,UNAVAILABLE=2"
    } else {
        "UNAVAILABLE=7"
    };
    let play_of = |side, fail| Play::new(&[side], pushes).script(&faults(fail));
    let both = std::thread::scope(|scope| {
        let apns = scope.spawn(|| play(apns, play_of(IOS, apns)));
        let fcm = scope.spawn(|| play(fcm, play_of(ANDROID, fcm)));
        [apns.join().unwrap(), fcm.join().unwrap()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
    });
    for Outcome {
        findings, entries, ..
    } in both
    {
        assert_eq!((findings.doubled, findings.maybe_sent), (0, 0));
        let failures = entries.iter().filter(|entry| entry.status != 200).count();
        let expected = findings.accepted * 7 / 100;
        assert!(
            (expected / 2..=expected * 2).contains(&failures),
            "{failures} failures"
        );
    }
}

#[test]
fn headline_abrupt_goaways() {
    let play_of = Play::new(&[IOS, ANDROID], pushes(1_000)).faults(|faults| {
        faults.goaway = "abrupt".parse().unwrap();
        faults.goaway_after = NonZeroU64::new(500);
        faults.latency = Duration::from_millis(10);
    });
    for Outcome {
        findings,
        connections,
        ..
    } in play("abrupt GOAWAYs", play_of)
    {
        assert!(connections.cut > 0, "nothing was cut: {connections:?}");
        assert!(connections.used <= connections.cut + 2, "{connections:?}");
        assert!(findings.doubled <= findings.maybe_sent, "{findings:?}");
    }
}

#[test]
fn headline_pushes_that_are_never_answered() {
    let pushes = pushes(500);
    // FCM's time-out is ten seconds at least: a small run does without.
    let sides = if pushes > 1_000 {
        &[IOS, ANDROID][..]
    } else {
        &[IOS]
    };
    let play_of = Play::new(sides, pushes)
        .script("[[phase]]\nstrike = \"silence@data=2\"\n")
        .with("ios.timeout", 1)
        .with("android.timeout", 10);
    for Outcome { findings, .. } in play("2 % never answered", play_of) {
        assert_eq!(findings.doubled, 0, "{findings:?}");
        assert!(findings.maybe_sent > 0, "{findings:?}");
    }
}

/// What ends streams and connections, what only one of many does last.
const STRIKES: [&str; 14] = [
    "internal@headers",
    "refused@data",
    "cancel@processed",
    "silence@data",
    "internal@response",
    "rst@headers",
    "rst@processed",
    "fin@data",
    "fin@response",
    "tls@processed",
    "tls@answered",
    "mute@data",
    "deaf@headers",
    "dead@processed",
];

/// Whatever ends a stream or a connection: one after the other, or in a full run by chance and
/// mixed, with connections that do not come to stand.
#[test]
fn headline_all_of_it_at_once() {
    let pushes = pushes(300);
    let few = "latency_spread = 5\nrefuse = 5\ngoaway = \"graceful\"\ngoaway_after = 60";
    let script = if pushes > 1_000 {
        let shares: Vec<_> = STRIKES
            .iter()
            .map(|strike| format!("{strike}=0.2"))
            .collect();
        let starts = "rst@connect=5,tls@preface=5,dead@connect=5";
        format!(
            "[[phase]]\n{few}\nstrike = \"{},{starts}\"\n",
            shares.join(",")
        )
    } else {
        let one = |strike| {
            format!(
                "[[phase]]\nrequests = 15\n{few}\n[[phase]]\nrequests = 1\nstrike = \"{strike}=100\"\n"
            )
        };
        STRIKES.map(one).concat()
    };
    let play_of = Play::new(&[IOS], pushes)
        .script(&script)
        .with("ios.timeout", 1);
    for Outcome { findings, .. } in play("all of it at once", play_of) {
        assert!(findings.maybe_sent > 0 && findings.doubled <= findings.maybe_sent);
    }
}
