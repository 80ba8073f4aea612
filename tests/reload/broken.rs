//! Broken files by SIGHUP while callers push.

use std::fs;

use super::load::Load;
use crate::harness::lines::{check_same, ids};
use crate::harness::simulator::Simulated;
use crate::harness::site::Site;
use crate::harness::wait_until;

const KEPT: &str = "reload: the configuration of before stays in force";

/// A file that cannot be used, made of a good one, and what the operator is to read.
fn broken(good: &str, number: usize) -> (String, String) {
    let with = |section: &str, line: &str| {
        good.replacen(
            &format!("[{section}]\n"),
            &format!("[{section}]\n{line}\n"),
            1,
        )
    };
    let instead = |key: &str, value: &str| {
        let lines = good.lines().map(|line| match line.split_once(" = ") {
            Some((found, _)) if found == key => format!("{key} = {value}\n"),
            _ => format!("{line}\n"),
        });
        lines.collect::<String>()
    };
    let kinds: [(String, String); 10] = [
        (
            with("core", &format!("unknown_{number} = 1")),
            format!("unknown_{number}"),
        ),
        (
            with("core", &format!("max_age = -{number}1")),
            format!("core.max_age = -{number}1"),
        ),
        (
            with("log", &format!("level = \"loud{number}\"")),
            format!("log.level = \"loud{number}\""),
        ),
        (
            instead("token_auth_key_path", &format!("\"/none/{number}.p8\"")),
            format!("/none/{number}.p8"),
        ),
        (
            instead("service_account_path", &format!("\"/none/{number}.json\"")),
            format!("/none/{number}.json"),
        ),
        (
            instead("access_log", &format!("\"/none/{number}.log\"")),
            format!("/none/{number}.log"),
        ),
        (
            with("core", &format!("api_key_path = \"/none/{number}.keys\"")),
            format!("/none/{number}.keys"),
        ),
        (
            format!("{good}\n{}= [\n", "#\n".repeat(number)),
            "not valid TOML".to_owned(),
        ),
        (
            instead("token_auth_key_id", &format!("\"short{number}\"")),
            format!("ios.token_auth_key_id = \"short{number}\""),
        ),
        (
            instead("ca_path", &format!("\"/none/{number}.pem\"")),
            format!("/none/{number}.pem"),
        ),
    ];
    kinds[number % kinds.len()].clone()
}

#[test]
fn fifty_broken_files_cost_no_request_and_no_push() {
    let simulated = Simulated::start();
    let site = Site::simulated(&simulated.simulator);
    let daemon = site.start();
    let path = site.write_config();
    let good = fs::read_to_string(&path).unwrap();
    let load = Load::begin(&daemon);
    for number in 0..50 {
        let (text, expected) = broken(&good, number);
        assert_ne!(text, good);
        fs::write(&path, text).unwrap();
        let before = site.operator_log().len();
        daemon.signal("HUP");
        wait_until("the refusal to be told", || {
            site.operator_log()[before..].contains(KEPT)
        });
        let told = site.operator_log()[before..].to_owned();
        assert!(told.contains(&expected), "{expected}: {told}");
    }
    fs::write(&path, good).unwrap();
    daemon.signal("HUP");
    wait_until("a good file to be told", || {
        site.operator_log().contains("reload: nothing has changed")
    });
    let accepted = load.end();
    assert!(accepted.len() > 50, "{} pushes", accepted.len());
    daemon.settle();
    check_same(&ids(&site.access_log(), "succeeded-push"), &accepted);
    assert!(site.error_log().is_empty());
    assert_eq!(simulated.counts().doubled, 0);
    assert_eq!(site.operator_log().matches(KEPT).count(), 50);
}
