//! Every key of the configuration: a reload applies its new value, or names it as one that waits
//! for a restart. None is passed over without a word.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};
use sterna::control::{ControlAnswer, Request, ask};

use super::with_control;
use crate::harness::credentials;
use crate::harness::daemon::Daemon;
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;

const API_KEY: &str = "0123456789abcdef-every-key";

/// What waits for a restart, in the order of the alphabet.
const WAITING: [&str; 16] = [
    "core.address",
    "core.control_socket",
    "core.node",
    "core.pid",
    "core.port",
    "core.socket_group",
    "core.socket_mode",
    "core.workers",
    "feedback.bytes",
    "feedback.sync",
    "journal.dir",
    "journal.scheduled_bytes",
    "journal.scheduled_max",
    "journal.segment_bytes",
    "journal.sync",
    "metrics.address",
];

/// What `GET /config` shows, key by key.
fn shown(daemon: &Daemon) -> Map<String, Value> {
    let mut client = daemon.client();
    let request = format!(
        "GET /config HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {API_KEY}\r\n\r\n"
    );
    client.send(request.as_bytes());
    let reply = client.reply();
    assert_eq!(reply.status, 200, "{}", reply.text());
    let sections = reply.json();
    let sections = sections.as_object().unwrap().iter();
    let keys = sections.flat_map(|(section, keys)| {
        let keys = keys.as_object().unwrap().iter();
        keys.map(move |(name, value)| (format!("{section}.{name}"), value.clone()))
    });
    keys.collect()
}

/// Another value of a key, and what goes with it.
fn changed(site: &Site, key: &str, value: &Value) -> Vec<(String, Value)> {
    let copy = |path: &Value| {
        let from = Path::new(path.as_str().unwrap());
        let to = site.path(&format!("copy-{key}"));
        fs::copy(from, &to).unwrap();
        json!(to)
    };
    let one = |value| vec![(key.to_owned(), value)];
    match (key, value) {
        ("android.metadata_server", _) => {
            let none = ("android.service_account_path".to_owned(), json!(""));
            vec![none, (key.to_owned(), json!(true))]
        }
        ("android.credential_hosts" | "android.token_hosts", _) => one(json!(["idp.example"])),
        (_, Value::Bool(flag)) => one(json!(!flag)),
        (_, Value::Number(number)) => one(json!(number.as_u64().unwrap() + 1)),
        ("core.address", _) => one(json!("127.0.0.2")),
        ("metrics.address", _) => one(json!("127.0.0.2:9102")),
        ("core.socket_mode" | "log.mode", _) => one(json!("0600")),
        ("core.hosts", _) => one(json!(["push.example"])),
        ("ios.environments", _) => one(json!(["sandbox"])),
        ("core.socket_group", _) => one(json!("0")),
        ("core.compatible_with", _) => one(json!("gaurun")),
        ("core.pusher_max" | "core.provider_connections", _) => one(json!(7)),
        ("core.api_key_path", _) => {
            fs::write(site.path("keys"), API_KEY).unwrap();
            one(json!(site.path("keys")))
        }
        ("log.hash_key_path", _) => {
            fs::write(site.path("hash"), API_KEY).unwrap();
            let hash = ("log.hide_token".to_owned(), json!("hash"));
            vec![hash, (key.to_owned(), json!(site.path("hash")))]
        }
        ("log.hide_token", _) => one(json!("yes")),
        ("log.level", _) => one(json!("debug")),
        ("journal.sync", _) => one(json!("interval")),
        ("feedback.sync", _) => one(json!("group")),
        ("feedback.url" | "feedback.secret_path" | "feedback.ca_path" | "feedback.send", _) => {
            fs::write(site.path("secret"), API_KEY).unwrap();
            let certificate = site.path("ca.pem");
            credentials::write_certificate(&certificate, &site.path("ca.key"));
            let mut all = [
                ("feedback.url".to_owned(), json!("http://127.0.0.1:9/")),
                (
                    "feedback.secret_path".to_owned(),
                    json!(site.path("secret")),
                ),
                ("feedback.ca_path".to_owned(), json!(certificate)),
                ("feedback.send".to_owned(), json!("dead-tokens")),
            ];
            all.sort_by_key(|(name, _)| name == key);
            all.into()
        }
        ("core.max_connections", _) => one(json!(600)),
        ("ios.token_auth_key_id" | "ios.token_auth_team_id", _) => one(json!("OTHER12345")),
        ("ios.token_auth_old_key_id" | "ios.token_auth_old_key_path", _) => {
            fs::write(site.path("old.p8"), credentials::signing_key()).unwrap();
            let mut both = [
                ("ios.token_auth_old_key_id".to_owned(), json!("OTHER12345")),
                (
                    "ios.token_auth_old_key_path".to_owned(),
                    json!(site.path("old.p8")),
                ),
            ];
            both.sort_by_key(|(name, _)| name == key);
            both.into()
        }
        ("ios.topic", _) => one(json!("org.example.other")),
        ("android.project_id", _) => one(json!("other-project")),
        ("android.style", _) => one(json!("data")),
        ("ios.endpoint" | "ios.channels_endpoint" | "android.endpoint", _) => {
            one(json!("https://127.0.0.1:9"))
        }
        (
            "ios.token_auth_key_path"
            | "ios.pem_cert_path"
            | "ios.pem_key_path"
            | "ios.ca_path"
            | "android.ca_path"
            | "android.service_account_path",
            path,
        ) => one(copy(path)),
        (
            "core.pid"
            | "core.control_socket"
            | "journal.dir"
            | "log.access_log"
            | "log.error_log"
            | "log.operator_log",
            _,
        ) => one(json!(site.path(&format!("other-{key}")))),
        _ => panic!("{key} = {value}: the test knows no other value for it"),
    }
}

/// Writes the file with other values.
fn write(path: &Path, text: &str, changes: &[(String, Value)]) {
    let mut text = text.to_owned();
    for (key, value) in changes {
        let (section, name) = key.split_once('.').unwrap();
        let head = format!("[{section}]\n");
        if !text.contains(&head) {
            text = format!("{text}\n{head}");
        }
        let (before, after) = text.split_once(&head).unwrap();
        let begin = format!("{name} = ");
        let others = |line: &&str| !line.starts_with(&begin);
        let end = after.find("\n[").map_or(after.len(), |at| at + 1);
        let (own, rest) = after.split_at(end);
        let own: String = own.split_inclusive('\n').filter(others).collect();
        // Strings, numbers and flags of JSON are such of TOML.
        text = format!("{before}{head}{name} = {value}\n{own}{rest}");
    }
    fs::write(path, text).unwrap();
}

fn reload(control: &Path) -> Vec<String> {
    match ask(control, Request::Reload { wait: true }) {
        Ok(ControlAnswer::Reloaded { lines }) => lines,
        other => panic!("{other:?}"),
    }
}

/// Changes each key that is shown, and changes it back. The keys that wait for a restart.
fn walk(site: &Site, passed_over: &[&str]) -> Vec<String> {
    let daemon = site.start();
    let (control, file) = (site.path("control"), site.path("sterna.toml"));
    let text = fs::read_to_string(&file).unwrap();
    let before = shown(&daemon);
    let mut waiting = Vec::new();
    for (key, value) in &before {
        if passed_over.contains(&key.as_str()) {
            continue;
        }
        let changes = changed(site, key, value);
        let (_, new) = changes.last().unwrap();
        write(&file, &text, &changes);
        let lines = reload(&control);
        let now = shown(&daemon)[key].clone();
        let begins = |kind: &str| {
            let begin = format!("{kind}: {key} = {new} (");
            lines.iter().any(|line| line.starts_with(&begin))
        };
        if begins("needs a restart") {
            assert_eq!(now, *value, "{key} is to stay: {lines:?}");
            waiting.push(key.clone());
        } else {
            assert!(begins("applied"), "{key} = {new}: {lines:?}");
            assert_eq!(now, *new, "{key}: {lines:?}");
        }
        fs::write(&file, &text).unwrap();
        reload(&control);
        assert_eq!(shown(&daemon), before, "after {key}");
    }
    assert_eq!(daemon.terminate(), 0);
    waiting
}

#[test]
fn every_key_is_applied_or_named_as_waiting_for_a_restart() {
    let simulated = Simulated::start();
    let site = with_control(Site::simulated(&simulated.simulator));
    let mut waiting = walk(&site, &[]);
    // With the files of a certificate in the place of a signing key.
    let site = Site::simulated(&simulated.simulator).by_certificate(&simulated.simulator);
    // Refused with a key that is not encrypted; the test of changes has it with one that is.
    waiting.extend(walk(&with_control(site), &["ios.pem_key_passphrase"]));
    waiting.sort();
    waiting.dedup();
    assert_eq!(waiting, WAITING);
}
