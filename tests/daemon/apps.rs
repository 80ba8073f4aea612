//! Several apps in one process: each has its own lanes, credentials and providers.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test by panicking"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sterna::simulator::{Options, Provider};

use crate::harness::daemon::Daemon;
use crate::harness::http::Reply;
use crate::harness::lines::{ids, of_kind};
use crate::harness::simulator::Simulated;
use crate::harness::site::{Site, run, sterna};
use crate::harness::{fcm_token, hex_token, wait_until};

/// The credentials of another app: of another team, another project.
fn of_shop(options: &mut Options) {
    let credentials = Arc::get_mut(&mut options.credentials).unwrap();
    credentials.topic = "org.example.shop".into();
    credentials.team_id = "SHOPTEAM01".into();
    credentials.signing_keys[0].id = "SHOPKEY001".into();
    credentials.project_id = "sterna-shop".into();
    credentials.client_email = "push@sterna-shop.iam.gserviceaccount.com".into();
}

/// The default app and the app `shop`, each with providers of its own.
struct Apps {
    default: Simulated,
    shop: Simulated,
    site: Site,
}

impl Apps {
    fn new() -> Self {
        let (default, shop) = (Simulated::start(), Simulated::with(of_shop));
        let site = Site::simulated(&default.simulator)
            .with_app("shop", &shop.simulator)
            .with("core.shutdown_timeout", 0);
        Self {
            default,
            shop,
            site,
        }
    }
}

/// One push to each platform; `more` goes beside their fields.
fn both(number: u64, more: &Value) -> Value {
    let one = |platform: u64, token: String| {
        let mut one = json!({"platform": platform, "token": [token], "message": "m"});
        one.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        one
    };
    json!({"notifications": [one(1, hex_token(number)), one(2, fcm_token(number))]})
}

fn succeeded(daemon: &Daemon, lane: &str) -> u64 {
    // The name has slashes, which are no pointer's.
    let lane = lane.replace('/', "~1");
    daemon.stat().number(&format!("/lanes/{lane}/push_success"))
}

fn lanes(daemon: &Daemon) -> Value {
    daemon.request("GET", "/healthz", b"").json()["lanes"].clone()
}

#[test]
fn a_push_reaches_the_providers_of_its_app_with_its_credentials() {
    let apps = Apps::new();
    let daemon = apps.site.start();
    let to_default = daemon.push(&both(1, &json!({}))).accepted_ids();
    let to_shop = daemon.push(&both(2, &json!({"app": "shop"})));
    assert_eq!(to_shop.status, 200, "{}", to_shop.text());
    daemon.wait_idle();
    // Whose credentials they do not take, they refuse.
    for (of, topic, number) in [
        (&apps.default, "org.example.sterna", 1),
        (&apps.shop, "org.example.shop", 2),
    ] {
        let notes = of.notes();
        let mut to_apple = notes.iter().filter(|it| it.provider == Provider::Apns);
        assert_eq!(to_apple.next().unwrap().headers["apns-topic"], topic);
        let mut seen: Vec<_> = notes.iter().map(|note| note.device_token.clone()).collect();
        seen.sort();
        assert_eq!(seen, [hex_token(number), fcm_token(number)]);
        assert!(notes.iter().all(|note| note.status == 200), "{notes:?}");
    }
    for lane in ["ios", "android", "shop/ios", "shop/android"] {
        assert_eq!(succeeded(&daemon, lane), 1, "{lane}");
        assert_eq!(lanes(&daemon)[lane]["state"], "open");
    }
    let unknown = daemon.push(&both(3, &json!({"app": "news"})));
    assert_eq!(unknown.status, 400);
    let error = unknown.json()["rejected"][1].clone();
    assert_eq!(error["pointer"], "/notifications/1/app");
    assert_eq!(error["error"], "no such app: there are default and shop");
    let paused = daemon.request("PUT", "/lanes/shop/ios/pause", b"");
    assert_eq!(paused.json()["state"], "paused", "{}", paused.text());
    assert_eq!(lanes(&daemon)["ios"]["state"], "open");
    daemon.terminate();
    // Lines of the default app are Gaurun's.
    let log = apps.site.access_log();
    for line in of_kind(&log, "succeeded-push") {
        let is_default = to_default.contains(&line.id());
        let expected = if is_default { "" } else { "shop" };
        assert_eq!(line.text_of("app"), expected);
    }
    // Lines about credentials name the lane of another app.
    apps.site.start().terminate();
    let told = apps.site.operator_log();
    for line in [
        "oauth: a new access token for ",
        "shop/android: oauth: a new access token for ",
        "ios: going on with the auth token of ",
        "shop/ios: going on with the auth token of ",
    ] {
        assert!(told.contains(&format!("] {line}")), "{line}: {told}");
    }
}

#[test]
fn a_bad_credential_holds_the_lane_of_its_app_alone() {
    let apps = Apps::new();
    let key = "apps.shop.ios.token_auth_team_id";
    let site = apps.site.with_text(key, "NOBODYSTEA");
    let daemon = site.start();
    daemon.push(&both(1, &json!({"app": "shop"})));
    daemon.push(&both(2, &json!({})));
    wait_until("the others to go on", || {
        let others = ["ios", "android", "shop/android"];
        others.iter().all(|lane| succeeded(&daemon, lane) == 1)
    });
    wait_until("the lane to be held", || {
        lanes(&daemon)["shop/ios"]["state"] == "held"
    });
    assert_eq!(lanes(&daemon)["ios"]["state"], "open");
    assert_eq!(succeeded(&daemon, "shop/ios"), 0);
    // The line comes after the state.
    wait_until("that to be told", || {
        site.operator_log().contains("shop/ios: the lane is held")
    });
}

#[test]
fn an_app_comes_and_goes_with_a_reload_and_its_pushes_stay_in_the_journal() {
    let apps = Apps::new();
    let without = |site: Site| {
        let site = site.without_app("shop", "ios");
        site.without_app("shop", "android")
    };
    let reload = |site: &Site, daemon: &Daemon, told: &str| {
        site.write_config();
        daemon.signal("HUP");
        let line = format!("reload: {told}");
        wait_until(&line, || site.operator_log().contains(&line));
    };
    let site = without(apps.site);
    let daemon = site.start();
    let refused = daemon.push(&both(1, &json!({"app": "shop"})));
    assert_eq!(refused.status, 400, "there is none yet");
    let site = site.with_app("shop", &apps.shop.simulator);
    let added = "applied: [apps.shop.ios] is there";
    reload(&site, &daemon, added);
    let to_shop = || daemon.push(&both(2, &json!({"app": "shop"})));
    wait_until("the app to be served", || to_shop().status == 200);
    daemon.wait_idle();
    let sent = succeeded(&daemon, "shop/ios");
    daemon.request("PUT", "/lanes/shop/ios/pause", b"");
    let kept = daemon.push(&json!({"notifications": [
        {"platform": 1, "token": [hex_token(3)], "message": "m", "app": "shop"}
    ]}));
    let kept = kept.accepted_ids();
    let site = without(site);
    let gone = "shop/ios is not in the configuration: 1 push to it stays in the journal";
    reload(&site, &daemon, gone);
    let state = daemon.request("GET", &format!("/push/{}", kept[0]), b"");
    assert_eq!(state.json()["state"], "accepted", "{}", state.text());
    let purged = daemon.request("DELETE", &format!("/push/{}", kept[0]), b"");
    assert_eq!(purged.status, 409);
    let why = "shop/ios is not in the configuration: its pushes stay in the journal";
    assert!(purged.message().starts_with(why), "{}", purged.text());
    assert_eq!(daemon.terminate(), 0);
    let mut recover = sterna();
    recover.args(["recover", "--dry-run", "-c"]);
    let output = run({
        recover.arg(site.path("sterna.toml"));
        recover
    });
    let text = String::from_utf8(output.stdout).unwrap();
    let held = "1 held back: shop/ios is disabled in the configuration, or not in it";
    assert!(text.contains(held), "{text}");
    // The next start finds it, and says so.
    let before = site.operator_log().matches(gone).count();
    let daemon = site.start();
    wait_until("the start to tell of it", || {
        site.operator_log().matches(gone).count() > before
    });
    let site = site.with_app("shop", &apps.shop.simulator);
    reload(
        &site,
        &daemon,
        "shop/ios: 1 push that waited in the journal",
    );
    wait_until("it to be sent", || {
        ids(&site.access_log(), "succeeded-push").contains(&kept[0])
    });
    assert_eq!(apps.shop.received()[&hex_token(3)], 1);
    assert!(sent > 0 && apps.default.notes().is_empty());
}

#[test]
fn what_is_to_be_said_of_a_file_is_said_once_for_both_environments() {
    let simulated = Simulated::start();
    let both = "[\"production\", \"sandbox\"]";
    let [key, _] = &simulated.simulator.credentials().signing_keys;
    let site = Site::simulated(&simulated.simulator)
        .with("ios.environments", both)
        .with_path("ios.token_auth_key_path", "AuthKey_OTHERKEY01.p8")
        .with_path("ios.token_auth_old_key_path", "gone.p8")
        .with_text("ios.token_auth_old_key_id", "OTHERKEY02");
    std::fs::copy(&key.path, site.path("AuthKey_OTHERKEY01.p8")).unwrap();
    site.start().terminate();
    let told = site.operator_log();
    for doubt in ["by its name the file is key OTHERKEY01", "gone.p8"] {
        assert_eq!(told.matches(doubt).count(), 1, "{doubt}: {told}");
    }
}

#[test]
fn both_environments_of_an_app_are_served_and_the_other_is_named_where_one_is_wrong() {
    let simulated = Simulated::start();
    let both = "[\"production\", \"sandbox\"]";
    let site = Site::simulated(&simulated.simulator).with("ios.environments", both);
    let daemon = site.start();
    let push = |token: &str, more: Value| {
        let mut one = json!({"platform": 1, "token": [token], "message": "m"});
        let fields = more.as_object().unwrap().clone();
        one.as_object_mut().unwrap().extend(fields);
        daemon.push(&json!({"notifications": [one]}))
    };
    push(&hex_token(1), json!({}));
    push(&hex_token(2), json!({"environment": "sandbox"}));
    push("0bad400001", json!({}));
    push("0bad400002", json!({"environment": "sandbox"}));
    let unknown = push(&hex_token(3), json!({"environment": "staging"}));
    assert_eq!(unknown.status, 400);
    daemon.wait_idle();
    assert_eq!(succeeded(&daemon, "ios"), 1);
    assert_eq!(succeeded(&daemon, "ios/sandbox"), 1);
    daemon.terminate();
    let log = site.access_log();
    let told: Vec<_> = of_kind(&log, "succeeded-push").collect();
    let environments = told.iter().map(|line| line.text_of("environment"));
    let mut environments: Vec<_> = environments.collect();
    environments.sort_unstable();
    assert_eq!(environments, ["", "sandbox"]);
    let errors = site.error_log();
    let failed = of_kind(&errors, "failed-push");
    let mut told: Vec<_> = failed.map(|line| line.text_of("error")).collect();
    told.sort_unstable();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].contains("the lane ios, for"), "{told:?}");
    assert!(told[1].contains("the lane ios/sandbox, for"), "{told:?}");
}

/// Apps that have nothing to do have neither threads nor connections, and those that have share
/// what there may be of them.
#[test]
#[expect(clippy::print_stderr, reason = "whoever asks is told the figures")]
fn two_hundred_apps_cost_what_they_are_used_for() {
    let simulated = Simulated::start();
    let app = |number: u64| format!("app-{number}");
    let mut site = Site::simulated(&simulated.simulator)
        .with("core.workers", 2)
        .with("core.provider_connections", 2 * (APPS + 1));
    let figures = |daemon: &Daemon| {
        let runtime = daemon.request("GET", "/stat/runtime", b"").json();
        let number = |key: &str| runtime[key].as_u64().unwrap();
        (number("threads"), number("memory_resident_bytes") / 1024)
    };
    let idle = |daemon: &Daemon| {
        // What asks for access tokens does so once, on threads of its own.
        wait_until("the threads of the start to end", || {
            !site_threads(daemon)
                .iter()
                .any(|name| name.contains("exchange"))
        });
        figures(daemon)
    };
    let daemon = site.start();
    let (threads_of_one, memory_of_one) = idle(&daemon);
    daemon.terminate();
    for number in 0..APPS {
        site = site.with_app(&app(number), &simulated.simulator);
    }
    let daemon = site.start();
    let (threads, memory) = idle(&daemon);
    eprintln!(
        "1 app: {threads_of_one} threads, {memory_of_one} KiB; {APPS} more: {threads} threads, \
         {memory} KiB"
    );
    // One of a caller's connection may be about to end.
    wait_until("the idle ones to have no threads", || {
        figures(&daemon).0 <= threads_of_one
    });
    let per_app = (memory - memory_of_one.min(memory)) / APPS;
    assert!(per_app < 512, "{per_app} KiB for each idle app");
    let connections = || simulated.simulator.connections();
    wait_until("no connection to be open", || connections() == 0);
    let all: Vec<Value> = (0..APPS)
        .map(|number| {
            json!({"platform": 1, "token": [hex_token(number)], "message": "m", "app": app(number)})
        })
        .collect();
    // One after another they need one connection, and another where a thread was late.
    for one in &all {
        daemon.push(&json!({"notifications": [one]}));
        daemon.wait_idle();
    }
    let connections = used(&simulated, Provider::Apns) as u64;
    eprintln!("{APPS} pushes in turn went on {connections} connections");
    // On a machine that is full many are late.
    assert!(connections <= APPS / 4, "{connections}");
    for some in all.chunks(100) {
        let reply = daemon.push(&json!({"notifications": some}));
        assert_eq!(reply.accepted_ids().len(), some.len(), "{}", reply.text());
    }
    daemon.wait_idle();
    let (threads, memory) = figures(&daemon);
    eprintln!("after a push to each: {threads} threads, {memory} KiB");
    for number in 0..APPS {
        assert_eq!(succeeded(&daemon, &format!("{}/ios", app(number))), 2);
    }
    // One thread for each that was used, another where the first was slow to connect, and some for
    // callers.
    assert!(threads <= threads_of_one + 2 * APPS + 8, "{threads}");
    assert_eq!(simulated.notes().len() as u64, 2 * APPS);
}

const APPS: u64 = 200;

/// On how many connections to that provider pushes went.
fn used(simulated: &Simulated, provider: Provider) -> usize {
    let notes = simulated.notes();
    let notes = notes.iter().filter(|note| note.provider == provider);
    let used: BTreeSet<_> = notes.map(|note| note.connection).collect();
    used.len()
}

/// A push of that app to each platform, with that number, whose ends are waited for.
fn push_to(daemon: &Daemon, app: &str, number: u64) {
    let reply = daemon.push(&both(number, &json!({"app": app})));
    assert_eq!(reply.accepted_ids().len(), 2, "{}", reply.text());
    daemon.wait_idle();
}

#[test]
fn apps_of_one_key_that_push_in_turn_use_one_connection_and_those_of_another_their_own() {
    let simulated = Simulated::start();
    let [_, other] = &simulated.simulator.credentials().signing_keys;
    let site = Site::simulated(&simulated.simulator)
        .with_app("shop", &simulated.simulator)
        .with_app("news", &simulated.simulator)
        .with_app("other", &simulated.simulator)
        .with_text("apps.other.ios.token_auth_key_id", &other.id)
        .with_text(
            "apps.other.ios.token_auth_key_path",
            other.path.to_str().unwrap(),
        )
        .with_app("longer", &simulated.simulator)
        .with("apps.longer.ios.keepalive_timeout", 3600);
    let daemon = site.start();
    for number in 0..12 {
        let app = ["default", "shop", "news"][usize::try_from(number % 3).unwrap()];
        push_to(&daemon, app, number);
        for provider in [Provider::Apns, Provider::Fcm] {
            assert_eq!(used(&simulated, provider), 1, "{provider:?} {number}");
        }
    }
    assert_eq!(simulated.simulator.connections(), 2);
    push_to(&daemon, "other", 12);
    push_to(&daemon, "shop", 13);
    push_to(&daemon, "other", 14);
    // Which it keeps for longer.
    push_to(&daemon, "longer", 15);
    let notes = simulated.notes();
    let of_number = |number: u64| {
        let mut of = notes
            .iter()
            .filter(|it| it.device_token == hex_token(number));
        of.next().unwrap().connection
    };
    assert_eq!(
        (of_number(13), of_number(14)),
        (of_number(0), of_number(12))
    );
    // Of one Google account are all.
    let of_each = [Provider::Apns, Provider::Fcm].map(|provider| used(&simulated, provider));
    assert_eq!(of_each, [3, 1]);
    assert!(simulated.received().values().all(|times| *times == 1));
}

#[test]
fn apps_of_one_key_that_push_at_the_same_time_have_a_connection_each() {
    let slow = |options: &mut Options| options.faults.latency = Duration::from_secs(1);
    let simulated = Simulated::with(slow);
    let apps = ["shop", "news"];
    let site = Site::simulated(&simulated.simulator);
    let site = apps
        .iter()
        .fold(site, |site, app| site.with_app(app, &simulated.simulator));
    let daemon = site.start();
    let all = [(1, "default"), (2, "shop"), (3, "news")];
    let all = all.map(|(number, app)| {
        json!({"platform": 1, "token": [hex_token(number)], "message": "m", "app": app})
    });
    let reply = daemon.push(&json!({"notifications": all}));
    assert_eq!(reply.accepted_ids().len(), 3, "{}", reply.text());
    daemon.wait_idle();
    assert_eq!(used(&simulated, Provider::Apns), 3);
    assert!(simulated.received().values().all(|times| *times == 1));
}

/// Some of those that are cut are on their way from one lane to another.
#[test]
fn a_connection_that_is_cut_while_lanes_hand_it_on_loses_no_push_and_doubles_none() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator).with_app("shop", &simulated.simulator);
    let daemon = site.start();
    for number in 0..30 {
        let app = if number % 2 == 0 { "default" } else { "shop" };
        push_to(&daemon, app, number);
        if number % 3 == 1 {
            simulated.simulator.sever();
        }
    }
    for lane in ["ios", "android", "shop/ios", "shop/android"] {
        assert_eq!(succeeded(&daemon, lane), 15, "{lane}");
    }
    let received = simulated.received();
    assert_eq!(received.len(), 60);
    assert!(received.values().all(|times| *times == 1), "{received:?}");
}

/// The names of a daemon's threads.
fn site_threads(daemon: &Daemon) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", daemon.pid())).unwrap();
    let name = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("comm")).ok();
    tasks.filter_map(|task| name(task.ok()?)).collect()
}

/// What a caller with that API key is answered; `fields` are further header fields.
fn ask(daemon: &Daemon, key: &str, request: &str, fields: &str, body: &str) -> Reply {
    let mut client = daemon.client();
    let length = body.len();
    client.send(
        format!(
            "{request} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\n{fields}\
             Content-Length: {length}\r\n\r\n{body}"
        )
        .as_bytes(),
    );
    client.reply()
}

#[test]
fn an_api_key_of_one_app_sees_and_moves_its_own_alone() {
    const ALL: &str = "0123456789abcdef-all";
    const SHOP: &str = "0123456789abcdef-shop";
    let apps = Apps::new();
    let keys = apps.site.path("api-keys");
    std::fs::write(&keys, format!("{ALL}\n{SHOP} app=shop\n")).unwrap();
    let site = apps.site.with_path("core.api_key_path", "api-keys");
    let daemon = site.start();
    for lane in ["ios", "android", "shop/ios", "shop/android"] {
        let reply = ask(&daemon, ALL, &format!("PUT /lanes/{lane}/pause"), "", "");
        assert_eq!(reply.status, 200, "{lane}: {}", reply.text());
    }
    let post = |key: &str, fields: &str, body: Value| {
        ask(&daemon, key, "POST /push", fields, &body.to_string())
    };
    let sale = |app: &str| json!({"app": app, "identifier": "sale"});
    let of_default = post(ALL, "", both(1, &sale("default"))).accepted_ids();
    let of_shop = post(SHOP, "", both(2, &sale("shop"))).accepted_ids();
    // Another app is no more for it than one that is nowhere.
    for (more, pointer) in [
        (json!({}), "/notifications/0"),
        (sale("default"), "/notifications/0/app"),
        (sale("nowhere"), "/notifications/0/app"),
    ] {
        let refused = post(SHOP, "", both(3, &more));
        assert_eq!(refused.status, 400, "{more}");
        let rejected = &refused.json()["rejected"][0];
        assert_eq!(rejected["pointer"], pointer, "{more}");
        assert_eq!(
            rejected["error"], "this API key is for app shop alone",
            "{more}"
        );
    }
    let status = |key: &str, request: &str| ask(&daemon, key, request, "", "").status;
    for (id, seen) in [(of_shop[0], 200), (of_default[0], 404)] {
        assert_eq!(status(SHOP, &format!("GET /push/{id}")), seen);
        assert_eq!(status(ALL, &format!("GET /push/{id}")), 200);
    }
    assert_eq!(
        status(SHOP, &format!("DELETE /push/{}", of_default[0])),
        404
    );
    let stat = ask(&daemon, SHOP, "GET /stat/app", "", "").json();
    assert_eq!(stat["queue_usage"], 2, "{stat}");
    assert!(
        stat["lanes"].get("ios").is_none() && stat["lanes"].get("shop/ios").is_some(),
        "{stat}"
    );
    assert_eq!(
        ask(&daemon, ALL, "GET /stat/app", "", "").json()["queue_usage"],
        4
    );
    let purged = ask(&daemon, SHOP, "DELETE /pushes?identifier=sale", "", "").json();
    assert_eq!(purged["purged"], 2, "{purged}");
    for id in &of_default {
        let state = ask(&daemon, ALL, &format!("GET /push/{id}"), "", "").json();
        assert_eq!(state["state"], "accepted", "{state}");
    }
    let lane = ask(&daemon, SHOP, "PUT /lanes/ios/resume", "", "");
    assert_eq!(lane.status, 404);
    let named = lane.message();
    assert!(
        named.starts_with("no such lane: there are shop/"),
        "{named}"
    );
    assert!(!named.contains(" ios"), "{named}");
    assert_eq!(status(SHOP, "PUT /lanes/shop/ios/resume"), 200);
    for request in [
        "GET /config",
        "GET /metrics",
        "PUT /config/pushers?max=1",
        "GET /stat/go",
        "GET /stat/runtime",
    ] {
        let reply = ask(&daemon, SHOP, request, "", "");
        let message =
            "this API key is for its apps alone; what concerns all needs one without app=";
        assert_eq!(
            (reply.status, &*reply.message()),
            (403, message),
            "{request}"
        );
        assert_eq!(status(ALL, request), 200, "{request}");
    }
    // What one app's callers were answered under a key is no answer to another's.
    let key = "Idempotency-Key: order-7\r\n";
    let first = post(ALL, key, both(4, &sale("default")));
    let other = post(SHOP, key, both(5, &sale("shop")));
    assert_eq!((first.status, other.status), (200, 200), "{}", other.text());
    let again = post(SHOP, key, both(5, &sale("shop")));
    assert_eq!(again.text(), other.text());
    assert_eq!(post(SHOP, key, both(6, &sale("shop"))).status, 422);
    daemon.terminate();
    std::fs::write(&keys, format!("{ALL}\n# another\n{SHOP} app=shop,news\n")).unwrap();
    let refused = site.run(&[]);
    assert_eq!(refused.status.code(), Some(78));
    let told = String::from_utf8(refused.stderr).unwrap() + &site.operator_log();
    let text = "line 3: app= names news, which the configuration has no section of";
    assert!(
        told.contains(text) || stderr(&site).contains(text),
        "{told}"
    );
}

fn stderr(site: &Site) -> String {
    std::fs::read_to_string(site.path("stderr")).unwrap_or_default()
}
