//! What is in force, and what a reload changes of it.

use super::*;

const PEM: &str = "[ios]\npem_cert_path = \"c.pem\"\npem_key_path = \"k.pem\"\n\
                   pem_key_passphrase = \"hunter2\"\n";

fn change(old: &str, new: &str) -> (Config, Vec<String>) {
    let (old, new) = (parse(old).unwrap().0, parse(new).unwrap().0);
    let (in_force, changes) = old.reloaded(new.clone(), new.lanes, true).unwrap();
    (in_force, changes.iter().map(ToString::to_string).collect())
}

/// Changes of one section's lines.
fn changes(section: &str, old: &str, new: &str) -> Vec<String> {
    change(&with(section, old), &with(section, new)).1
}

#[test]
fn every_key_with_an_effect_is_shown() {
    let token = accepted("core", "");
    let certificate = parse(&format!("{PEM}{ANDROID}")).unwrap().0;
    let shown: Vec<String> = [token, certificate]
        .iter()
        .flat_map(Config::effective)
        .map(|setting| setting.key.path())
        .collect();
    let idle = [
        "ios.keepalive_conns",
        "android.keepalive_conns",
        "android.apikey",
    ];
    for key in all_keys().map(Key::path) {
        assert_eq!(shown.contains(&key), !idle.contains(&key.as_str()), "{key}");
    }
}

#[test]
fn what_is_in_force_can_be_read_as_json_and_holds_no_secret() {
    let (config, _) = parse(&format!("{PEM}{ANDROID}[core]\nport = 0\n")).unwrap();
    let json = config.effective_json();
    assert_eq!(json["core"]["port"], 0);
    assert_eq!(json["core"]["workers"], 16);
    assert_eq!(json["core"]["pid"], serde_json::Value::Null);
    assert_eq!(json["ios"]["pem_key_passphrase"], "(not shown)");
    assert_eq!(json["android"]["service_account_path"], "account.json");
    assert_eq!(json["journal"]["dir"], "/var/lib/sterna");
    assert_eq!(json["log"]["level"], "info");
    assert!(!json.to_string().contains("hunter2"));
    let (config, _) = parse(&format!("{IOS}[android]\nenabled = false\n")).unwrap();
    let json = config.effective_json();
    assert_eq!(json["android"], serde_json::json!({"enabled": false}));
}

#[test]
fn nothing_changes_where_nothing_differs_but_the_spelling() {
    assert_eq!(
        changes("core", "", "queues = 1000000\nport = \"1056\""),
        [""; 0]
    );
}

#[test]
fn changes_are_told_by_key_with_both_values() {
    assert_eq!(
        changes("core", "max_age = 60", "max_age = 61\nqueues = 5"),
        [
            "applied: core.queues = 5 (was 1000000)",
            "applied: core.max_age = 61 (was 60)"
        ]
    );
    assert_eq!(
        changes("log", "", "level = \"WARN\""),
        ["applied: log.level = \"warn\" (was \"info\")"]
    );
    let other = IOS.replace("com.example.app", "com.example.other");
    let (_, told) = change(&format!("{IOS}{ANDROID}"), &format!("{other}{ANDROID}"));
    assert_eq!(
        told,
        ["applied: ios.topic = \"com.example.other\" (was \"com.example.app\")"]
    );
}

#[test]
fn what_needs_a_restart_stays_and_is_named_each_time() {
    let lines = "port = 2000\nworkers = 3\npid = \"/run/p\"\ncontrol_socket = \"/run/c\"\n\
                 queues = 5";
    let (old, new) = (accepted("core", ""), accepted("core", lines));
    let (in_force, _) = old.reloaded(new.clone(), new.lanes.clone(), true).unwrap();
    assert_eq!(in_force.core.bind, old.core.bind);
    assert_eq!(in_force.core.queues.get(), 5);
    let (_, named) = in_force.reloaded(new.clone(), new.lanes, true).unwrap();
    let told: Vec<String> = named.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "needs a restart: core.port = 2000 (still 1056)",
            "needs a restart: core.workers = 3 (still 16)",
            "needs a restart: core.pid = \"/run/p\" (still \"\")",
            "needs a restart: core.control_socket = \"/run/c\" (still \"\")",
        ]
    );
    assert_eq!(
        changes("journal", "", "sync = \"interval\""),
        ["needs a restart: journal.sync = \"interval\" (still \"group\")"]
    );
}

/// In one line each, whatever else stands in the section that comes or goes.
#[test]
fn a_lane_is_enabled_and_disabled() {
    let (with, without) = (
        format!("{IOS}{ANDROID}"),
        format!("{IOS}[android]\nenabled = false"),
    );
    let (in_force, told) = change(&with, &without);
    assert_eq!(told, ["applied: android.enabled = false (was true)"]);
    assert!(in_force.lane(LaneId::IOS).is_some() && in_force.lane(LaneId::ANDROID).is_none());
    let (in_force, told) = change(&without, &with);
    assert_eq!(told, ["applied: android.enabled = true (was false)"]);
    assert!(in_force.lane(LaneId::ANDROID).is_some());
}

#[test]
fn logs_stay_where_they_are_if_they_cannot_turn() {
    let (old, new) = (
        accepted("log", ""),
        accepted("log", "access_log = \"a\"\nlevel = \"warn\""),
    );
    let (in_force, changes) = old.reloaded(new.clone(), new.lanes, false).unwrap();
    assert_eq!(in_force.log.access_log, "stdout");
    let told: Vec<String> = changes.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "needs a restart: log.access_log = \"a\" (still \"stdout\")",
            "applied: log.level = \"warn\" (was \"info\")"
        ]
    );
}

#[test]
fn a_secret_that_changes_is_told_and_not_shown() {
    let other = PEM.replace("hunter2", "hunter3");
    let (_, told) = change(&format!("{PEM}{ANDROID}"), &format!("{other}{ANDROID}"));
    assert_eq!(told, ["applied: ios.pem_key_passphrase (not shown)"]);
    let (_, told) = change(&format!("{PEM}{ANDROID}"), &format!("{IOS}{ANDROID}"));
    assert!(
        told.iter()
            .any(|line| line.contains("ios.pem_cert_path = \"\" (was \"c.pem\")"))
    );
    assert!(told.iter().all(|line| !line.contains("hunter")), "{told:?}");
}

#[test]
fn an_open_api_does_not_lose_its_keys_to_a_reload() {
    let open = accepted("core", "address = \"0.0.0.0\"\napi_key_path = \"keys\"");
    let goes_over = |from: &Config, to: &Config| from.reloaded(to.clone(), to.lanes.clone(), true);
    let refused = goes_over(&open, &accepted("core", "")).unwrap_err();
    assert!(
        refused.contains("core.api_key_path: cannot be left out"),
        "{refused}"
    );
    let lines = "address = \"0.0.0.0\"\nallow_unauthenticated = true";
    assert!(goes_over(&open, &accepted("core", lines)).is_ok());
    assert!(goes_over(&accepted("core", ""), &open).is_ok());
}

/// A file with these lines of the core's, and that address for the metrics.
fn scraped_at(core: &str, address: &str) -> String {
    format!("[core]\n{core}\n{IOS}{ANDROID}[metrics]\naddress = {address}\n")
}

#[test]
fn open_metrics_do_not_lose_their_keys_to_a_reload() {
    let with = |address: &str, core: &str| {
        let text = scraped_at(core, &format!("{address:?}"));
        parse(&text).unwrap().0
    };
    let open = with("0.0.0.0:9102", "api_key_path = \"keys\"");
    let goes_over = |from: &Config, to: &Config| from.reloaded(to.clone(), to.lanes.clone(), true);
    let refused = goes_over(&open, &with("127.0.0.1:9102", "")).unwrap_err();
    assert!(
        refused.contains("core.api_key_path: cannot be left out"),
        "{refused}"
    );
    let (in_force, changes) = goes_over(&with("127.0.0.1:9102", ""), &open).unwrap();
    let told: Vec<_> = changes.iter().map(ToString::to_string).collect();
    let waits = "needs a restart: metrics.address = \"0.0.0.0:9102\" (still \"127.0.0.1:9102\")";
    assert!(told.iter().any(|line| line == waits), "{told:?}");
    assert!(!in_force.metrics.is_open_to_hosts());
}

#[test]
fn an_address_of_metrics_is_one_of_its_own() {
    let found = |core: &str, address: &str| {
        let found = parse(&scraped_at(core, address));
        found.err().unwrap_or_default()
    };
    let here = "\"127.0.0.1:1056\"";
    for (core, address, told) in [
        ("", here, "the API is there"),
        (
            "address = \"0.0.0.0\"\napi_key_path = \"k\"",
            here,
            "the API is there",
        ),
        (
            "api_key_path = \"k\"",
            "\"0.0.0.0:1056\"",
            "the API is there",
        ),
        ("api_key_path = \"k\"", "\"[::]:1056\"", "the API is there"),
        ("", "\"[::ffff:127.0.0.1]:1056\"", "the API is there"),
        ("", "\"[::]:9102\"", "other hosts could read"),
        ("", "\"127.0.0.1\"", "must be an IP address and a port"),
        ("", "\":9102\"", "must be an IP address and a port"),
        ("", "9102", "must be an IP address and a port"),
    ] {
        let found = found(core, address);
        assert!(found.contains(told), "{core} {address}: {found}");
    }
    for (core, address) in [
        ("port = 1057", here),
        ("port = \"0\"", "\"127.0.0.1:0\""),
        ("api_key_path = \"k\"", "\"[::]:9102\""),
        ("", "\"[::1]:9102\""),
        ("", "\"\""),
    ] {
        assert_eq!(found(core, address), "", "{core} {address}");
    }
}
