//! What is in force can be read again.

use super::super::fixture::environment;
use super::super::{Key, Overrides, all_keys};
use super::*;

fn parse(text: &str) -> Config {
    let found = Config::parse("f", text, Overrides::default(), &environment());
    found.unwrap_or_else(|error| panic!("{error}\n{text}")).0
}

const TOKEN: &str = "[ios]\ntoken_auth_key_path = \"k\"\ntoken_auth_key_id = \"ABCDE12345\"\n\
                     token_auth_team_id = \"TEAM123456\"\ntopic = \"t\"\n";

#[test]
fn what_is_printed_is_the_same_configuration() {
    for text in [
        format!("{TOKEN}[android]\nenabled = false\n"),
        format!(
            "{TOKEN}endpoint = \"https://[::1]:7\"\n[android]\n\
             service_account_path = \"a\\\"b\"\n"
        ),
        "[core]\nport = \"unix:/s\"\nsocket_mode = \"0660\"\nsocket_group = \"g\"\npusher_max = 3\n\
         [ios]\npem_cert_path = \"c\"\npem_key_path = \"k\"\n[android]\nenabled = false\n\
         [journal]\nsync = \"off\"\n[log]\nhide_token = \"hash\"\nhash_key_path = \"h\"\n\
         level = \"fatal\"\n"
            .to_owned(),
        "[core]\naddress = \"::\"\nallow_unauthenticated = true\n[ios]\nenabled = false\n\
         [android]\nservice_account_path = \"a\"\nproject_id = \"p\"\nca_path = \"c\"\n"
            .to_owned(),
        "[core]\naddress = \"0.0.0.0\"\napi_key_path = \"k\"\n[ios]\nenabled = false\n\
         [android]\nservice_account_path = \"a\"\n"
            .to_owned(),
    ] {
        let config = parse(&text);
        let printed = config.effective_toml();
        assert_eq!(parse(&printed), config, "{printed}");
    }
}

#[test]
fn what_a_message_becomes_is_printed_as_it_is_in_force() {
    for (core, style) in [
        ("", "notification"),
        ("[core]\ncompatible_with = \"gaurun\"\n", "data"),
    ] {
        let printed = parse(&format!(
            "{core}{TOKEN}[android]\nservice_account_path = \"a\"\n"
        ));
        let printed = printed.effective_toml();
        assert!(
            printed.contains(&format!("\nstyle = \"{style}\"\n")),
            "{printed}"
        );
    }
}

#[test]
fn a_secret_is_said_to_be_set_and_not_shown() {
    let text = "[ios]\npem_cert_path = \"c\"\npem_key_path = \"k\"\n\
                pem_key_passphrase = \"735191\"\n\
                [android]\napikey = \"735191\"\nservice_account_path = \"a\"\n";
    let printed = parse(text).effective_toml();
    assert!(
        printed.contains("# pem_key_passphrase: set, not shown\n"),
        "{printed}"
    );
    assert!(!printed.contains("735191"), "{printed}");
}

#[test]
fn every_key_that_can_have_a_value_has_one() {
    let everything = format!(
        "{TOKEN}token_auth_old_key_path = \"o\"\ntoken_auth_old_key_id = \"OLDKEY1234\"\n\
         endpoint = \"https://a\"\nchannels_endpoint = \"https://a\"\nca_path = \"c\"\n[core]\naddress = \"::1\"\npid = \"p\"\n\
         api_key_path = \"k\"\nprovider_connections = 9\nmax_connections = 9\npusher_max = 3\ncontrol_socket = \"s\"\n\
         [android]\nservice_account_path = \"a\"\n\
         project_id = \"p\"\nendpoint = \"https://a\"\nca_path = \"c\"\n\
         [log]\nhide_token = \"hash\"\nhash_key_path = \"h\"\n\
         [metrics]\naddress = \"[::1]:9102\"\n\
         [feedback]\nurl = \"https://a\"\nsecret_path = \"s\"\nca_path = \"c\"\n"
    );
    let others = "[core]\nport = \"unix:/s\"\nsocket_mode = \"0660\"\nsocket_group = \"g\"\n\
                  [ios]\npem_cert_path = \"c\"\npem_key_path = \"k\"\npem_key_passphrase = \"x\"\n\
                  [android]\nenabled = false\n";
    let given = |text: &str| {
        let settings = parse(text).effective().into_iter();
        settings
            .filter(|it| it.value != Value::Absent)
            .map(|it| it.key.path())
            .collect::<Vec<_>>()
    };
    let mut missing: Vec<String> = all_keys().map(Key::path).collect();
    for text in [everything.as_str(), others] {
        let given = given(text);
        missing.retain(|path| !given.contains(path));
    }
    // Read, and without effect.
    assert_eq!(
        missing,
        [
            "ios.keepalive_conns",
            "android.apikey",
            "android.keepalive_conns"
        ]
    );
}
