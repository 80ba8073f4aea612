//! One push that is refused as if the credential were bad, while others are taken.

use serde_json::{Value, json};

use crate::harness::daemon::Daemon;
use crate::harness::lines::{check_same, ids};
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::{fcm_token, hex_token, wait_until};

/// A device token to which a provider always says that, and how its other ones are spelled.
struct Poison {
    platform: u64,
    lane: &'static str,
    token: &'static str,
    status: u16,
    reason: &'static str,
    other: fn(u64) -> String,
}

#[test]
fn a_bare_404_of_fcm_to_one_registration_token_is_about_that_token() {
    check(&Poison {
        platform: 2,
        lane: "android",
        token: "nowhere-1",
        status: 404,
        reason: "NOT_FOUND",
        other: fcm_token,
    });
}

#[test]
fn a_403_of_apns_to_one_device_token_is_about_that_token() {
    check(&Poison {
        platform: 1,
        lane: "ios",
        token: "0bad4032",
        status: 403,
        reason: "Forbidden",
        other: hex_token,
    });
}

/// A refused access token is asked for again before it is believed.
#[test]
fn a_401_of_fcm_to_one_registration_token_is_about_that_token() {
    check(&Poison {
        platform: 2,
        lane: "android",
        token: "expired-1",
        status: 401,
        reason: "ACCESS_TOKEN_EXPIRED",
        other: fcm_token,
    });
}

impl Poison {
    /// Pushes to the token itself, if that is wanted, and to others, numbered from `first`.
    fn push(&self, daemon: &Daemon, with_it: bool, first: u64, others: u64) -> Vec<u64> {
        let it = with_it.then(|| self.token.to_owned());
        let others = (first..first + others).map(self.other);
        let tokens: Vec<_> = it.into_iter().chain(others).collect();
        let notification = json!({"platform": self.platform, "message": "m", "token": tokens});
        let body = json!({"notifications": [notification]});
        daemon.push(&body).accepted_ids()
    }

    fn state(&self, daemon: &Daemon, page: &str) -> Value {
        let shown = daemon.request("GET", page, b"").json();
        shown["lanes"][self.lane].clone()
    }

    /// Waits until that many were taken in all, and the lane sends on.
    fn wait_taken(&self, daemon: &Daemon, taken: u64) {
        let pointer = format!("/{}/push_success", self.lane);
        wait_until("the others to be taken", || {
            daemon.stat().number(&pointer) == taken
        });
        wait_until("the lane to be open", || {
            self.state(daemon, "/healthz")["state"] == "open"
        });
    }

    /// Waits until the lane is held for that push alone.
    fn wait_held(&self, daemon: &Daemon, push: u64) {
        wait_until("the lane to be held", || {
            self.state(daemon, "/healthz")["state"] == "held"
        });
        for page in ["/healthz", "/stat/app"] {
            let shown = self.state(daemon, page);
            assert_eq!(shown["reason"], self.reason, "{page}: {shown}");
            assert_eq!(shown["push"], push, "{page}: {shown}");
        }
    }
}

fn check(poison: &Poison) {
    let simulated = Simulated::start();
    // No probe of a refused credential comes to help.
    let site = Site::simulated(&simulated.simulator)
        .with("core.probe_interval", 360)
        .with("core.shutdown_timeout", 1);
    let daemon = site.start();
    let all = poison.push(&daemon, true, 0, 300);
    let (push, mut taken) = (all[0], all[1..].to_vec());
    poison.wait_taken(&daemon, 300);
    assert!(
        !site.operator_log().contains("[ERROR]"),
        "{}",
        site.operator_log()
    );
    // Asked again with nobody beside it, it holds the lane, and is named; nobody is called for what
    // others have contradicted a moment ago.
    poison.wait_held(&daemon, push);
    wait_until("each request to be counted, and what goes again", || {
        let stat = daemon.stat();
        let [attempts, retries] = ["attempts", "retries"]
            .map(|key| stat.number(&format!("/lanes/{}/{key}", poison.lane)));
        attempts == simulated.counts().received && retries == attempts - 300
    });
    let (status, reason) = (poison.status, poison.reason);
    // The lane is shown held a moment before the line is written.
    wait_until("the operator to be told", || {
        site.operator_log().contains("the lane is held")
    });
    let told = site.operator_log();
    for part in [
        format!("[WARN] {}: the lane is held", poison.lane),
        format!("{status} {reason}: "),
        format!("said to push {push} "),
        format!("DELETE /push/{push} takes this one out"),
    ] {
        assert!(told.contains(&part), "{part}: {told}");
    }
    // Also to the next process, after a kill, until others come.
    wait_until("the lines of the others", || {
        ids(&site.access_log(), "succeeded-push").len() == 300
    });
    daemon.kill();
    let daemon = site.start();
    taken.extend(poison.push(&daemon, false, 1000, 300));
    poison.wait_taken(&daemon, 300);
    let asked = || {
        let notes = simulated.notes();
        let asked = notes
            .iter()
            .filter(|note| note.device_token == poison.token);
        asked.map(|note| note.status).collect::<Vec<_>>()
    };
    wait_until("it to be asked for again", || asked().len() >= 3);
    let state = daemon.request("GET", &format!("/push/{push}"), b"").json();
    assert_ne!(state["state"], "settled", "{state}");
    assert!(asked().iter().all(|status| *status == poison.status));
    assert_eq!(daemon.terminate(), 0, "it is in the journal");
    check_same(&ids(&site.access_log(), "succeeded-push"), &taken);
    // To the next start it is left, which goes on with it where this one was.
    let daemon = site.start();
    wait_until("it to wait for its time", || {
        let state = daemon.request("GET", &format!("/push/{push}"), b"").json();
        state["state"] == "retrying"
    });
    assert!(site.error_log().is_empty());
}

#[test]
fn one_push_is_purged_wherever_it_is() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with("core.probe_interval", 360);
    let daemon = site.start();
    let push = |token: &str| {
        let notification = json!({"platform": 2, "message": "m", "token": [token]});
        let body = json!({"notifications": [notification]});
        daemon.push(&body).accepted_ids()[0]
    };
    let ask = |method: &str, push: u64| daemon.request(method, &format!("/push/{push}"), b"");
    let wait_for_state = |push: u64, state: &str| {
        wait_until(state, || ask("GET", push).json()["state"] == state);
    };
    let purge = |push: u64| {
        let purged = ask("DELETE", push);
        assert_eq!(
            (purged.status, purged.json()["purged"].as_u64()),
            (200, Some(1))
        );
        let ended = ask("GET", push).json();
        assert_eq!(
            (&ended["state"], &ended["reason"]),
            (&json!("settled"), &json!("purged"))
        );
        // Once.
        let again = ask("DELETE", push);
        assert_eq!((again.status, again.json()), (409, ended));
    };
    let in_flight = push("silent-1");
    wait_for_state(in_flight, "in flight");
    purge(in_flight);
    let shelved = push("unavailable-1");
    wait_for_state(shelved, "retrying");
    purge(shelved);
    // A lane that it alone keeps held is open then.
    let held = push("nowhere-1");
    let lane = || daemon.request("GET", "/healthz", b"").json()["lanes"]["android"].clone();
    wait_until("the lane to be held", || lane()["state"] == "held");
    purge(held);
    assert_eq!(lane(), json!({"state": "open"}));
    // So it is where its whole notification is taken out.
    let body = json!({"notifications": [
        {"platform": 2, "message": "m", "token": ["nowhere-2"], "identifier": "wrong"}
    ]});
    let named = daemon.push(&body).accepted_ids()[0];
    wait_until("the lane to be held again", || lane()["state"] == "held");
    let purged = daemon.request("DELETE", "/pushes?identifier=wrong", b"");
    assert_eq!(purged.json()["purged"], 1);
    assert_eq!(lane(), json!({"state": "open"}));
    // No credential was taken by that, and the operator is not told so.
    let opened = "android: the lane is open again, as what it was held for was purged; \
                  whether the credential is taken is not known";
    wait_until("the operator to be told", || {
        site.operator_log().matches(opened).count() == 2
    });
    // What is held by hand as well stays so.
    let body = json!({"notifications": [
        {"platform": 2, "message": "m", "token": ["nowhere-3"], "identifier": "wrong"}
    ]});
    let paused = daemon.push(&body).accepted_ids()[0];
    wait_until("the lane to be held once more", || {
        lane()["state"] == "held"
    });
    daemon.request("PUT", "/lanes/android/pause", b"");
    let purged = daemon.request("DELETE", "/pushes?identifier=wrong", b"");
    assert_eq!(purged.json()["purged"], 1);
    assert_eq!(lane()["state"], "paused");
    let paused_still =
        "android: the lane is held by hand alone, as what it was held for was purged";
    wait_until("the operator to be told that it is", || {
        site.operator_log().contains(paused_still)
    });
    let told = site.operator_log();
    assert!(!told.contains("the credential is taken again"), "{told}");
    let queued = push(&fcm_token(1));
    purge(queued);
    for (target, status) in [("/push/1", 404), ("/push/x", 400)] {
        assert_eq!(daemon.request("DELETE", target, b"").status, status);
    }
    // No crash brings one back.
    daemon.kill();
    let asked = simulated.notes().len();
    let daemon = site.start();
    assert_eq!(daemon.stat().number("/queue_usage"), 0);
    daemon.settle();
    assert_eq!(simulated.notes().len(), asked);
    let log = site.error_log();
    check_same(
        &ids(&log, "failed-push"),
        &[in_flight, shelved, held, named, paused, queued],
    );
    for line in &log {
        assert_eq!(line.text_of("reason"), "purged");
        let maybe_sent = line.timeless().contains("\"maybe_sent\":true");
        assert_eq!(maybe_sent, line.id() == in_flight, "{}", line.timeless());
    }
}

/// Two pushes to one target, or to two.
#[test]
fn who_takes_out_what_a_held_lane_names_opens_it() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with("core.probe_interval", 360);
    let daemon = site.start();
    let push = |tokens: &[&str]| {
        let notification = json!({"platform": 2, "message": "m", "token": tokens});
        let body = json!({"notifications": [notification]});
        daemon.push(&body).accepted_ids()
    };
    let lane = || daemon.request("GET", "/healthz", b"").json()["lanes"]["android"].clone();
    for tokens in [["nowhere-1", "nowhere-1"], ["nowhere-2", "nowhere-3"]] {
        let mut left = push(&tokens);
        while !left.is_empty() {
            wait_until("the lane to be held", || lane()["state"] == "held");
            let named = lane()["push"].as_u64().unwrap();
            let shown =
                daemon.request("GET", "/stat/app", b"").json()["lanes"]["android"]["push"].clone();
            assert_eq!(shown, named);
            if tokens[0] == tokens[1] && left.len() == 2 {
                let told = format!("DELETE /push/{named} takes this one out");
                wait_until("the operator to be told", || {
                    site.operator_log().contains(&told)
                });
            }
            let purged = daemon.request("DELETE", &format!("/push/{named}"), b"");
            assert_eq!(purged.status, 200);
            left.retain(|push| *push != named);
            assert_ne!(lane()["push"], named);
        }
        assert_eq!(lane(), json!({"state": "open"}));
    }
    push(&[&fcm_token(1)]);
    wait_until("another to be taken", || {
        daemon.stat().number("/android/push_success") == 1
    });
}
