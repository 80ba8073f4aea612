//! Credentials that are refused for a while.

use crate::play::{ANDROID, IOS, Outcome, Play, each};

#[test]
fn a_token_endpoint_in_trouble_costs_no_push() {
    let troubles = [
        "temporarily_unavailable",
        "internal_failure",
        "garbage",
        "tokenless",
    ];
    each(&troubles, |trouble| {
        let script =
            format!("[[phase]]\nendpoint = \"oauth\"\nrequests = 1\nfail = \"{trouble}=100\"\n");
        for Outcome { findings, .. } in Play::new(&[ANDROID], 100).script(&script).run(trouble) {
            assert_eq!(
                (findings.succeeded, findings.doubled),
                (100, 0),
                "{trouble}"
            );
        }
    });
}

#[test]
fn a_token_endpoint_that_is_cut_off_costs_no_push() {
    let strikes = [
        "rst@data",
        "fin@processed",
        "tls@response",
        "internal@processed",
    ];
    each(&strikes, |strike| {
        let script =
            format!("[[phase]]\nendpoint = \"oauth\"\nrequests = 1\nstrike = \"{strike}=100\"\n");
        for Outcome { findings, .. } in Play::new(&[ANDROID], 100).script(&script).run(strike) {
            assert_eq!((findings.succeeded, findings.doubled), (100, 0), "{strike}");
        }
    });
}

/// The first pushes of a connection, and those that follow with the next auth token.
#[test]
fn auth_tokens_that_expire_under_way_cost_no_push() {
    let script = "[[phase]]\nendpoint = \"apns\"\nrequests = 50\n\
        [[phase]]\nendpoint = \"apns\"\nrequests = 1\nfail = \"ExpiredProviderToken=100\"\n";
    for Outcome {
        findings, entries, ..
    } in Play::new(&[IOS], 200)
        .script(script)
        .with("ios.retry_max", 0)
        .run("expiry")
    {
        assert_eq!(
            (findings.succeeded, findings.doubled),
            (200, 0),
            "{findings:?}"
        );
        assert_eq!(findings.maybe_sent, 0, "{findings:?}");
        let refused = entries
            .iter()
            .filter(|entry| entry.reason == "ExpiredProviderToken");
        assert_eq!(refused.count(), 1);
    }
}
