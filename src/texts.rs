//! Texts as people are shown them: the nearest known name, the first characters, nothing that a
//! terminal or a log would obey, and as TOML spells them.
//!
//! Pure.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The candidate nearest to `name`, if one is near enough to have been meant.
pub fn nearest<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    if name.len() > NAME_MAX {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let allowed = (name.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (strsim::osa_distance(&name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The first `most` characters of a text.
pub fn first(text: &str, most: usize) -> &str {
    match text.char_indices().nth(most) {
        Some((end, _)) => text.get(..end).unwrap_or(text),
        None => text,
    }
}

/// A text of at most `most` characters as it is, the first ones of a longer one with `…` for the
/// others.
pub fn shortened(text: &str, most: usize) -> Cow<'_, str> {
    let begin = first(text, most);
    if begin.len() == text.len() {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(format!("{begin}…"))
    }
}

/// A name as a step of a JSON pointer (RFC 6901); of a long one the begin.
pub fn reference(name: &str) -> Box<str> {
    let step = first(name, NAME_SHOWN);
    let mut text = step.replace('~', "~0").replace('/', "~1");
    if step.len() < name.len() {
        text.push('…');
    }
    text.into()
}

/// A text in which the characters that are `unfit` are escaped as in Rust.
pub fn escaped(text: &str, unfit: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.chars().any(&unfit) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if unfit(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

/// Our limit: characters of an unknown name that are shown.
const NAME_SHOWN: usize = 64;

/// Texts as an array of TOML.
pub fn toml_list(texts: &[impl AsRef<str>]) -> String {
    let texts: Vec<String> = texts
        .iter()
        .map(|text| toml_string(text.as_ref()))
        .collect();
    format!("[{}]", texts.join(", "))
}

/// A text as a basic string of TOML, with its quotation marks.
pub fn toml_string(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            control if control.is_control() => {
                // Writing to a text cannot fail.
                let _written = write!(out, "\\u{:04X}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// Bytes of a name that is still compared: longer than any known one can be misspelt.
const NAME_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        for (text, most, begin, short) in [
            ("äöü", 2, "äö", "äö…"),
            ("äöü", 3, "äöü", "äöü"),
            ("äöü", 0, "", "…"),
            ("", 0, "", ""),
        ] {
            assert_eq!(first(text, most), begin);
            assert_eq!(shortened(text, most), short);
        }
    }

    #[test]
    fn text_is_quoted_as_toml_has_it() {
        for text in ["plain", "a\"b\\c", "line\nbreak", "ünï"] {
            let document: toml::Table = format!("key = {}", toml_string(text)).parse().unwrap();
            assert_eq!(document["key"].as_str(), Some(text));
        }
    }

    #[test]
    fn what_is_unfit_is_escaped() {
        assert_eq!(
            escaped("a\u{1b}[2Jä\n", char::is_control),
            "a\\u{1b}[2Jä\\n"
        );
        assert!(matches!(
            escaped("aä", char::is_control),
            Cow::Borrowed("aä")
        ));
    }

    #[test]
    fn nearest_is_near_or_absent() {
        let names = ["workers", "queues", "port", "pid"];
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(nearest(name, names.into_iter()), expected, "{name}");
        };
        check("worker", Some("workers"));
        check("Workers", Some("workers"));
        check("queue", Some("queues"));
        check("prot", Some("port"));
        check("pdi", Some("pid"));
        check("temperature", None);
        check("x", None);
        check(&"w".repeat(NAME_MAX + 1), None);
    }
}
