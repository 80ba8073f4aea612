//! Pushes whose answers never come. FCM's time-out is ten seconds at least, so it is waited for
//! once, by all together; the rest of what FCM does not answer is in `tests/scenarios`, in virtual
//! time.

use crate::play::{ANDROID, IOS, Outcome, Play, Side, each};

/// One second until APNs has not answered.
fn impatient(sides: &[Side], pushes: u64) -> Play {
    Play::new(sides, pushes)
        .with("ios.timeout", 1)
        .with("android.timeout", 10)
}

/// Half-open, deaf and mute connections, streams that are never answered.
#[test]
fn what_is_never_answered_is_sent_again_elsewhere() {
    let cases = [
        ("silence@data", false),
        ("silence@processed", true),
        ("deaf@headers", false),
        ("mute@processed", true),
        ("dead@headers", false),
        ("dead@processed", true),
    ];
    each(&cases, |(strike, may_double)| {
        // One alone: what is sent again would wait again.
        let text = format!(
            "[[phase]]\nrequests = 30\n[[phase]]\nrequests = 1\nstrike = \"{strike}=100\"\n"
        );
        let play = impatient(&[IOS, ANDROID], 200).script(&text);
        for Outcome { findings, .. } in play.run(strike) {
            assert_eq!(findings.failed, 0, "{strike}: {findings:?}");
            assert!(findings.maybe_sent > 0, "{strike}: {findings:?}");
            assert!(
                *may_double || findings.doubled == 0,
                "{strike}: {findings:?}"
            );
        }
    });
}

/// Where a push must not come twice, it is told as failed, and that it may have come.
#[test]
fn what_is_never_answered_is_sent_once_where_the_operator_says_so() {
    each(
        &["silence@data", "silence@processed", "rst@processed"],
        |strike| {
            let text = format!("[[phase]]\nrequests = 200\nstrike = \"{strike}=3\"\n");
            let play = impatient(&[IOS], 200)
                .script(&text)
                .with("core.resend_unknown", false);
            for Outcome {
                findings,
                entries,
                log,
                ..
            } in play.run(strike)
            {
                assert!(findings.failed > 0, "{strike}: nothing was struck");
                assert_eq!(
                    (findings.doubled, findings.maybe_sent),
                    (0, findings.failed),
                    "{strike}: {findings:?}"
                );
                for line in log.iter().filter(|line| line.kind() == "failed-push") {
                    let told = (line.text_of("reason"), line.number("attempt"));
                    assert_eq!(told, ("unanswered", Some(1)), "{}", line.text);
                }
                let mut tokens: Vec<_> = entries.iter().map(|entry| &entry.token).collect();
                tokens.sort_unstable();
                tokens.dedup();
                assert_eq!(tokens.len(), entries.len(), "{strike}: one was sent twice");
            }
        },
    );
}

/// Each push is sent once more, however few retries there are, and told as failed. Few, since APNs
/// lets a connection that has not answered have one stream.
#[test]
fn a_provider_that_never_answers_at_all_loses_no_push() {
    let play = impatient(&[IOS], 3)
        .script("[[phase]]\nstrike = \"silence@data=100\"\n")
        .with("ios.retry_max", 0);
    for Outcome { findings, log, .. } in play.run("never answered") {
        assert_eq!((findings.failed, findings.maybe_sent), (3, 3));
        for line in log.iter().filter(|line| line.kind() == "failed-push") {
            let told = (line.text_of("reason"), line.number("attempt"));
            assert_eq!(told, ("unanswered", Some(2)), "{}", line.text);
        }
    }
}
