//! A migrated file is ours.

use super::super::{Config, Environment, Overrides};
use super::*;

const GAURUN: &str = include_str!("../../../tests/gaurun_contract/gaurun.toml");

fn parse(text: &str) -> (Config, Vec<String>) {
    let environment = Environment {
        google_application_credentials: None,
        state_dir: Some("/var/lib/sterna".into()),
        credentials_directory: None,
        runtime_dir: None,
        pasted: Vec::new(),
        // What has a short name is.
        is_there: |path| path.as_os_str().len() < 10,
        cpus: std::num::NonZeroUsize::MIN,
    };
    let (config, warnings) = Config::parse("f", text, Overrides::default(), &environment).unwrap();
    (config, warnings.iter().map(ToString::to_string).collect())
}

#[test]
fn gauruns_sample_becomes_a_file_without_problems_and_warnings() {
    let text = migrate("gaurun.toml", GAURUN, |path| path.as_os_str().len() < 10).unwrap();
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
    let text = migrate("g", text, |path| path.as_os_str().len() < 10).unwrap();
    assert!(!text.contains("735191"), "{text}");
    assert!(text.contains("copy ios.pem_key_passphrase from"), "{text}");
    assert!(text.contains("\n# - ios2: unknown section"), "{text}");
    let (config, _) = parse(&text);
    assert!(config.ios.is_some() && config.android.is_none());
}

#[test]
fn values_are_spelt_so_that_they_come_back() {
    let text = "[log]\naccess_log = 'a\"b\\c'\n[ios]\nenabled = false\n";
    let (config, _) = parse(&migrate("g", text, |path| path.as_os_str().len() < 10).unwrap());
    assert_eq!(config.log.access_log, "a\"b\\c");
}

#[test]
fn comments_stay_comments() {
    let text = "\"a\\n[core]\" = 1\n[ios]\nenabled = false\n[core]\n\"x\\nport = 5\" = 1\n";
    let (config, _) =
        parse(&migrate("g\nport = 1", text, |path| path.as_os_str().len() < 10).unwrap());
    assert_eq!(config.core.bind.to_string(), "127.0.0.1:1056");
}
