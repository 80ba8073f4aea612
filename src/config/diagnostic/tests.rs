//! What is printed of a mistake.

use proptest::prelude::*;

use super::*;
use crate::config::fixture::environment;
use crate::config::{Config, ConfigError, Overrides, Warning};

fn parse(text: &str) -> Result<(Config, Vec<Warning>), ConfigError> {
    Config::parse("f.toml", text, Overrides::default(), &environment())
}

fn rendered(text: &str) -> String {
    let found = parse(text).unwrap_err().problems;
    let texts: Vec<String> = found.iter().map(|it| it.render(Style::Plain)).collect();
    texts.join("\n")
}

#[test]
fn an_unknown_key_is_shown_as_a_compiler_would() {
    let text = format!("{}[core]\nworker = 4\n[ios]\nenabled = 3\n", "\n".repeat(8));
    let shown = rendered(&text);
    let expected = "\
error: core.worker: unknown key
  --> f.toml:10:1
   |
10 | worker = 4
   | ^^^^^^
   = help: did you mean core.workers?

error: ios.enabled = 3: must be true or false
  --> f.toml:12:11
   |
12 | enabled = 3
   |           ^
";
    assert!(shown.starts_with(expected), "{shown}");
}

#[test]
fn colours_are_for_who_wants_them() {
    let found = parse("[core]\nworker = 4\n").unwrap_err().problems;
    let plain = found[0].render(Style::Plain);
    assert!(!plain.contains('\u{1b}'), "{plain:?}");
    let colour = found[0].render(Style::Colour);
    assert!(
        colour.starts_with("\u{1b}[1;31merror\u{1b}[0m"),
        "{colour:?}"
    );
    let mut bare = colour;
    for code in ["\u{1b}[1;31m", "\u{1b}[1;34m", "\u{1b}[1m", "\u{1b}[0m"] {
        bare = bare.replace(code, "");
    }
    assert_eq!(bare, plain);
}

#[test]
fn secrets_are_on_no_line() {
    for text in [
        "[ios]\npem_key_passphrase = 735191\n",
        "[android]\napikey = \"735191\"\n",
        "[ios]\npem_key_pasphrase = \"735191\"\n",
        "ios = { enabled = 3, pem_key_passphrase = \"735191\" }\n",
        "[ios]\npem_key_passphrase = \"\"\"\n735191\"\"\"\nenabled = 3\n",
        "[ios]\npem_key_passphrase = \"735191\n",
        "[ios]\npem_key_passphrase = 735191 735191\n",
        "[fcm_v1]\ncredentials = \"735191\"\n",
        "[secret]\n\"password\" = \"735191\"\n",
        "pasword = \"735191\"\n",
    ] {
        let shown = rendered(text);
        assert!(shown.starts_with("error: "), "{shown}");
        assert!(!shown.contains("735191"), "{text}: {shown}");
    }
}

proptest! {
    #[test]
    fn any_file_ends_in_a_configuration_or_in_harmless_lines(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        lines in "([a-z_]{1,8}( ?= ?|\\.)?|\\[[a-z]{1,7}\\]\n|\"|'''|[0-9]{1,3}|\n|\\PC|\
                  \\[core\\]\nport=|\u{1b}){0,60}",
    ) {
        for text in [String::from_utf8_lossy(&bytes).into_owned(), lines] {
            let shown = match parse(&text) {
                Ok((_, warnings)) => {
                    let said = warnings.into_iter().map(|warning| warning.diagnostic);
                    said.collect::<Vec<_>>()
                }
                Err(error) => error.problems,
            };
            for diagnostic in shown {
                let plain = diagnostic.render(Style::Plain);
                prop_assert!(plain.lines().count() <= 6);
                prop_assert!(!plain.replace('\n', "").contains(char::is_control), "{plain:?}");
            }
        }
    }
}
