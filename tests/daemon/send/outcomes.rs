//! What `sterna send` says of what became of the pushes.

use std::fs;

use super::shop::{Shop, check, squeezed, stderr, stdout};
use super::{ALIKE, CSV};
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::{hex_token, lines, wait_until};
use crate::stat::url;

#[test]
fn following_ends_when_it_is_told_to() {
    let site = Site::unreachable();
    let daemon = site.start();
    let shop = Shop::before(&url(&daemon));
    let following = shop.start(&["--ios", "ab12", "--message", "Hi", "--wait", "1h"]);
    wait_until("the push", || shop.read("out").contains("accepted"));
    following.signal("INT");
    assert_eq!(following.wait(), 0);
    let out = squeezed(&shop.read("out"));
    assert_eq!(out, "accepted 1 push\n1 not settled yet\n");
}

#[test]
fn following_goes_on_over_a_restart() {
    let site = Site::unreachable().on_unix_socket();
    let daemon = site.start();
    let shop = Shop::before(&url(&daemon));
    let following = shop.start(&["--ios", "ab12", "--message", "Hi", "--wait", "1h"]);
    wait_until("the push", || shop.read("out").contains("accepted"));
    daemon.kill();
    shop.wait_for_told("what becomes of them is asked again");
    let daemon = site.start();
    let id = lines::ids(&site.access_log(), "accepted-push")[0];
    wait_until("the push to be purged", || {
        let purged = daemon.request("DELETE", &format!("/push/{id}"), b"");
        purged.status == 200
    });
    assert_eq!(following.wait(), 69);
    let out = shop.read("out");
    assert!(out.contains(&format!("{id} ios failed purged")), "{out}");
}

#[test]
fn of_a_file_it_is_told_how_many_pushes_ended_how() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).on_unix_socket();
    let daemon = site.start();
    let shop = Shop::before(&url(&daemon));
    let of = |token: &str| format!(r#"{{"platform":1,"token":["{token}"],"message":"m"}}"#);
    let good: Vec<String> = (0..3000).map(|number| of(&hex_token(number))).collect();
    let dead = vec![of("0bad4100"); 20];
    let lines = [good, dead].concat().join("\n");
    shop.write("all.jsonl", &lines);
    // What others push in the meantime is not among it.
    for _ in 0..3 {
        let body = format!(r#"{{"notifications":[{}]}}"#, of("0bad4100"));
        assert_eq!(daemon.request("POST", "/push", body.as_bytes()).status, 200);
    }
    let told = "accepted 3,020 pushes\n3,000 succeeded\n20 failed Unregistered\n";
    // Some of a file are always dead.
    let output = shop.send(&["--file", "all.jsonl"]);
    check(&output, 0, &[told], &[]);
    let table = "\
accepted         3,020 pushes
                 3,000 succeeded
                    20 failed Unregistered
";
    assert_eq!(stdout(&output), table);
    let waits = ["--file", "all.jsonl", "--record", "2", "--wait", "1h"];
    check(&shop.send(&waits), 69, &[told], &[]);

    // It goes on over a restart.
    assert_eq!(daemon.request("PUT", "/lanes/ios/pause", b"").status, 200);
    let waits = ["--file", "all.jsonl", "--record", "3", "--wait", "1h"];
    let following = shop.start(&waits);
    wait_until("the pushes", || shop.read("out").contains("accepted"));
    daemon.kill();
    shop.wait_for_told("what became of them is asked again");
    let daemon = site.start();
    assert_eq!(following.wait(), 69);
    assert_eq!(squeezed(&shop.read("out")), told);

    // What has not ended in time is told, and so it is on a signal.
    assert_eq!(daemon.request("PUT", "/lanes/ios/pause", b"").status, 200);
    let waits = ["--file", "all.jsonl", "--record", "4", "--wait", "1s"];
    let told = "accepted 3,020 pushes\n3,020 not settled yet\n";
    check(&shop.send(&waits), 0, &[told], &[]);
    let waits = ["--file", "all.jsonl", "--record", "5", "--wait", "1h"];
    let following = shop.start(&waits);
    wait_until("the pushes", || shop.read("out").contains("accepted"));
    following.signal("INT");
    assert_eq!(following.wait(), 0);
    assert_eq!(squeezed(&shop.read("out")), told);
}

#[test]
fn without_a_feed_a_thousand_pushes_of_a_file_are_followed_where_that_is_asked_for() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with_path("core.api_key_path", "keys");
    let key = hex_token(9999);
    fs::write(site.path("keys"), format!("{key} rights=push,read\n")).unwrap();
    let daemon = site.start();
    let shop = Shop::before(&url(&daemon));
    shop.write("key", &key);
    shop.write("template.json", ALIKE);
    shop.write_devices("devices.csv", 0..1100);
    let with = |more: &[&'static str]| [&CSV[..], &["--api-key-path", "key"], more].concat();
    let output = shop.send(&with(&[]));
    check(&output, 0, &["accepted 1,100 pushes"], &[]);
    assert_eq!(stderr(&output), "");
    assert!(!stdout(&output).contains("succeeded"));
    let output = shop.send(&with(&["--record", "2", "--wait", "1h"]));
    let printed = ["accepted 1,100 pushes\n1,000 succeeded\n"];
    let told = [
        "GET /settlements: 403: this API key lacks the right feed; 1,000 pushes are followed one",
        "of the pushes, 1000 are followed; the push log has what becomes of all",
    ];
    check(&output, 0, &printed, &told);
}
