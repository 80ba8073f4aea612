//! A migrated file is ours.

use super::super::fixture::environment;
use super::super::{Config, Overrides};
use super::*;

const GAURUN: &str = include_str!("../../../tests/gaurun_contract/gaurun.toml");

fn parse(text: &str) -> (Config, Vec<String>) {
    let (config, warnings) =
        Config::parse("f", text, Overrides::default(), &environment()).unwrap();
    (config, warnings.iter().map(ToString::to_string).collect())
}

#[test]
fn gauruns_sample_becomes_a_file_without_problems_and_warnings() {
    let text = migrate("gaurun.toml", GAURUN, environment().is_there).unwrap();
    let (config, warnings) = parse(&text);
    assert_eq!(warnings, [""; 0], "{text}");
    let android = config.android.unwrap();
    assert_eq!(android.service_account_path.to_str(), Some(ACCOUNT_PATH));
    assert_eq!(
        (android.retry_max, config.core.queues.get()),
        (10, 1_000_000)
    );
    for part in [
        "# dropped: apikey = (not shown): Google closed",
        "# changed: Gaurun: 8192, shared by both platforms",
        "\n#queues = 8192\n",
        "\n#address = \"0.0.0.0\"\n#allow_unauthenticated = true\n",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    assert!(!text.contains("apikey for GCM"), "{text}");
}

#[test]
fn a_secret_is_named_and_not_repeated() {
    let text = "[ios]\npem_cert_path = \"c\"\npem_key_path = \"k\"\n\
                pem_key_passphrase = \"735191\"\n\
                [android]\nenabled = false\n[ios2]\nx = \"735191\"\n";
    let text = migrate("g", text, environment().is_there).unwrap();
    assert!(!text.contains("735191"), "{text}");
    assert!(text.contains("copy ios.pem_key_passphrase from"), "{text}");
    assert!(text.contains("\n# - ios2: unknown section"), "{text}");
    let (config, _) = parse(&text);
    assert!(config.ios.is_some() && config.android.is_none());
}

#[test]
fn values_are_spelt_so_that_they_come_back() {
    let text = "[log]\naccess_log = 'a\"b\\c'\n[ios]\nenabled = false\n";
    let (config, _) = parse(&migrate("g", text, environment().is_there).unwrap());
    assert_eq!(config.log.access_log, "a\"b\\c");
}

#[test]
fn comments_stay_comments() {
    let text = "\"a\\n[core]\" = 1\n[ios]\nenabled = false\n[core]\n\"x\\nport = 5\" = 1\n";
    let (config, _) = parse(&migrate("g\nport = 1", text, environment().is_there).unwrap());
    assert_eq!(config.core.bind.to_string(), "127.0.0.1:1056");
}
