//! Updates of broadcast channels that wait, of which a newer one makes older ones needless.

use serde_json::Value;
use sterna::simulator::{Options, Script};

use super::broadcasts::{get, made};
use crate::harness::daemon::Daemon;
use crate::harness::http::Reply;
use crate::harness::lines::of_kind;
use crate::harness::simulator::{Note, Simulated};
use crate::harness::site::Site;
use crate::harness::wait_until;

fn id_of(reply: &Reply) -> u64 {
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.accepted_ids()[0]
}

/// Pushes an update that shows that number, or something that is more than an update; its id.
fn show(daemon: &Daemon, channel: &str, event: &str, eta: u32, more: &str) -> u64 {
    let body = format!(
        r#"{{"notifications":[{{"platform":"ios","channel":"{channel}","ttl":600,
        "live_activity":{{"event":"{event}","content_state":{{"eta":{eta}}}{more}}}}}]}}"#
    );
    id_of(&daemon.request("POST", "/push", body.as_bytes()))
}

/// What was sent to channels, by the numbers that it showed, with what became of it.
fn shown(simulated: &Simulated) -> Vec<(u64, u16)> {
    let of = |note: &Note| {
        let body: Value = serde_json::from_str(&note.body).unwrap();
        let eta = body["aps"]["content-state"]["eta"].as_u64().unwrap();
        (eta, note.status)
    };
    simulated.notes().iter().map(of).collect()
}

/// The ids of what was superseded, and by what it was, as the log tells.
fn superseded(site: &Site) -> Vec<(u64, String)> {
    let log = site.error_log();
    let lines = of_kind(&log, "failed-push");
    let told = lines.map(|line| {
        let kinds = (line.text_of("reason"), line.text_of("target"));
        assert_eq!(kinds, ("superseded", "channel"));
        (line.id(), line.text_of("error").to_owned())
    });
    told.collect()
}

fn by(newer: u64) -> String {
    format!("superseded by push {newer}, a newer update of the channel")
}

#[test]
fn of_updates_that_wait_the_newest_is_sent_with_all_that_are_more_than_that() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with("core.workers", 1);
    let daemon = site.start();
    let [one, other] = [made(&daemon, 1), made(&daemon, 1)];
    daemon.request("PUT", "/lanes/ios/pause", b"");
    let first = show(&daemon, &one, "update", 1, "");
    show(&daemon, &one, "update", 2, r#","alert":{"title":"Goal"}"#);
    let third = show(&daemon, &one, "update", 3, "");
    show(&daemon, &one, "end", 4, "");
    show(&daemon, &other, "update", 5, "");
    // By its timestamp it is older than all of them.
    let old = show(&daemon, &one, "update", 6, r#","timestamp":5"#);
    let newest = show(&daemon, &one, "update", 7, "");
    daemon.request("PUT", "/lanes/ios/resume", b"");
    daemon.settle();
    assert_eq!(shown(&simulated), [2, 4, 5, 7].map(|eta| (eta, 200)));
    let mut told = superseded(&site);
    told.sort();
    assert_eq!(told, [first, third, old].map(|id| (id, by(newest))));
    // Apple stores the last.
    let daemon = site.start();
    let state = get(&daemon, &format!("/push/{first}"));
    assert_eq!(state.status, 404, "not after a restart");
    daemon.request("PUT", "/lanes/ios/pause", b"");
    let waits = show(&daemon, &one, "update", 8, "");
    let newer = show(&daemon, &one, "update", 9, "");
    daemon.request("PUT", "/lanes/ios/resume", b"");
    daemon.wait_idle();
    let state = get(&daemon, &format!("/push/{waits}")).json();
    let told = ["end", "reason", "error"].map(|key| state[key].as_str().unwrap().to_owned());
    let expected = ["failed".to_owned(), "superseded".to_owned(), by(newer)];
    assert_eq!(told, expected, "{state}");
    daemon.kill();
}

#[test]
fn an_update_that_waits_for_its_retry_is_superseded_and_none_comes_back_by_a_kill() {
    let phases = "[[phase]]\nrequests = 1\nfail = \"ServiceUnavailable=100\"\n";
    let simulated = Simulated::with(|options: &mut Options| {
        options.script = Script::read(phases, 0).unwrap();
    });
    let site = Site::simulated(&simulated.simulator).with("core.workers", 1);
    let daemon = site.start();
    let channel = made(&daemon, 1);
    let refused = show(&daemon, &channel, "update", 1, "");
    let state_of = |id: u64| get(&daemon, &format!("/push/{id}")).json()["state"].clone();
    wait_until("the first to wait for its retry", || {
        state_of(refused) == "retrying"
    });
    let newer = show(&daemon, &channel, "update", 2, "");
    wait_until("it to be superseded, and the newer one to be taken", || {
        [refused, newer].iter().all(|id| state_of(*id) == "settled")
    });
    // Both may be lost with the process: their lines, or that they are settled.
    daemon.request("PUT", "/lanes/ios/pause", b"");
    let older = show(&daemon, &channel, "update", 3, "");
    let newest = show(&daemon, &channel, "update", 4, "");
    daemon.kill();
    let again = site.start();
    again.settle();
    let sent = shown(&simulated);
    assert_eq!(sent, [(1, 503), (2, 200), (4, 200)]);
    let told = superseded(&site);
    assert_eq!(told, [(refused, by(newer)), (older, by(newest))]);
}
