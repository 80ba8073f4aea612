//! What a log may have of a request's own words: no API key, wherever its caller has put it.
//!
//! Pure: no I/O, no clock.

use std::borrow::Cow;

use super::keys::{ApiKeys, MIN_KEY};
use super::rights::Rights;
use super::route::authority;
use crate::http1::head::Head;
use crate::http1::query::{Plus, percent_decoded};
use crate::pasted::{self, NOT_SHOWN};
use crate::push::{ExtendValue, Notification};

/// Takes API keys out of texts: that which a request shows, and those that are known.
#[derive(Default)]
pub struct Keyless<'a> {
    shown: Option<&'a str>,
    known: Option<&'a ApiKeys>,
    authorization: Option<&'a [u8]>,
}

impl<'a> Keyless<'a> {
    pub(super) fn of(head: &'a Head, known: Option<&'a ApiKeys>) -> Self {
        let value = head.authorization.as_deref();
        let value = value.and_then(|value| str::from_utf8(value).ok());
        let shown = value.map(pasted::token_of);
        Self {
            shown: shown.filter(|shown| shown.len() >= MIN_KEY),
            known,
            authorization: head.authorization.as_deref(),
        }
    }

    /// What the key that the request shows is good for; all where no key is known.
    pub(super) fn rights(&self) -> Rights {
        match self.known {
            None => Rights::ALL,
            Some(known) => {
                let rights = known.rights(self.authorization);
                rights.unwrap_or_else(Rights::none)
            }
        }
    }

    /// Of a request that shows that key, where none is known.
    #[cfg(test)]
    pub(super) fn showing(key: &'a str) -> Self {
        Self {
            shown: Some(key),
            known: None,
            authorization: None,
        }
    }

    /// The key that the request shows, if it can be one.
    pub(super) fn shown(&self) -> Option<&'a str> {
        self.shown
    }

    /// The text, less each key in it.
    pub(super) fn text<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        if self.shown.is_none() && self.known.is_none() {
            return text;
        }
        if let Some(shown) = self.shown.filter(|shown| text.contains(shown)) {
            text = text.replace(shown, NOT_SHOWN).into();
        }
        // A key may have in it what stands between the words of a URL.
        for ends in [ends_text, ends_word] {
            if text.split(ends).any(|word| self.is_key(word)) {
                let hidden = text.split_inclusive(ends).map(|part| {
                    let word = part.trim_end_matches(ends);
                    match part.get(word.len()..) {
                        Some(end) if self.is_key(word) => format!("{NOT_SHOWN}{end}"),
                        _ => part.to_owned(),
                    }
                });
                text = Cow::Owned(hidden.collect());
            }
        }
        text
    }

    /// Whether a key is a part of a text that `-` parts, or several of its parts.
    pub(super) fn is_between_hyphens(&self, text: &str) -> bool {
        if self.shown.is_none() && self.known.is_none() {
            return false;
        }
        if self.shown.is_some_and(|shown| text.contains(shown)) {
            return true;
        }
        let ends = || {
            text.match_indices('-')
                .map(|(at, _)| at)
                .chain([text.len()])
        };
        let begins = [0]
            .into_iter()
            .chain(ends().map(|end| end.saturating_add(1)));
        let mut words = begins.flat_map(|begin| ends().filter_map(move |end| text.get(begin..end)));
        words.any(|word| self.is_key(word))
    }

    /// The head as the access log has it: without whom an absolute target says to be, too.
    pub(super) fn head<'h>(&self, head: &'h Head) -> Cow<'h, Head> {
        let (method, mut target) = (self.text(&head.method), self.text(&head.target));
        let user = authority(&head.target).and_then(|authority| authority.rsplit_once('@'));
        if let Some((user, _)) = user {
            let shown = self.text(user);
            target = target.replacen(&*shown, NOT_SHOWN, 1).into();
        }
        if *method == *head.method && *target == *head.target {
            return Cow::Borrowed(head);
        }
        Cow::Owned(Head {
            method: method.into(),
            target: target.into(),
            ..head.clone()
        })
    }

    /// Whether a word is a key, or one as it stands in a URL.
    fn is_key(&self, word: &str) -> bool {
        let word = Some(word).filter(|word| word.len() >= MIN_KEY);
        let word = word.and_then(|word| percent_decoded(word, Plus::IsPlus));
        word.is_some_and(|word| {
            self.shown == Some(&*word) || self.known.is_some_and(|known| known.has(&word))
        })
    }
}

/// Whether a notification holds an API key: in a text, a value or a name. What is kept as it was
/// written may have it escaped.
pub(super) fn holds(notification: &Notification, key: &str) -> bool {
    let in_json = |json: &str| unescaped(json).contains(key);
    let in_value = |value: &ExtendValue| match value {
        ExtendValue::Text(text) => text.contains(key),
        ExtendValue::Json(json) => in_json(json.get()),
    };
    let mut texts = notification.texts().each().into_iter();
    let mut extend = notification.extend.iter();
    let mut native = notification.native.iter();
    texts.any(|text| text.contains(key))
        || notification.priority.contains(key)
        || extend.any(|extend| extend.key.contains(key) || in_value(&extend.value))
        || native.any(|(_, json)| in_json(json.get()))
}

/// JSON in which the characters that an API key may have stand for themselves.
fn unescaped(json: &str) -> Cow<'_, str> {
    if !json.contains('\\') {
        return json.into();
    }
    let mut text = String::with_capacity(json.len());
    let mut rest = json;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let digits = after.strip_prefix('u').and_then(|after| after.get(..4));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let (character, taken) = match unit {
            Some(unit) => (char::from_u32(unit), 5),
            None => (after.chars().next(), 1),
        };
        text.extend(character);
        rest = after.get(taken..).unwrap_or_default();
    }
    text.push_str(rest);
    text.into()
}

/// What stands around a text in a message.
fn ends_text(at: char) -> bool {
    at.is_whitespace() || "\"'`".contains(at)
}

/// What stands between the words of a URL or of a message.
fn ends_word(at: char) -> bool {
    ends_text(at) || "/?&=#@:;,".contains(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "0123456789abcdef+/=";
    const KNOWN: &str = "fedcba9876543210";

    fn head(target: &str, method: &str) -> Head {
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SHOWN}\r\n\r\n"
        );
        Head::parse(head.as_bytes()).unwrap()
    }

    #[test]
    fn no_key_is_left_in_a_target_or_method_and_nothing_else_is_changed() {
        let keys = ApiKeys::parse(&format!("{SHOWN}\n{KNOWN}\n")).unwrap();
        for (target, method, shown_target, shown_method) in [
            ("/push", "POST", "/push", "POST"),
            ("/push?a=b&c=d", "POST", "/push?a=b&c=d", "POST"),
            (
                "/push?k=fedcba9876543211",
                "POST",
                "/push?k=fedcba9876543211",
                "POST",
            ),
            (
                "/push?k=0123456789abcdef+/=&a=fedcba9876543210&b",
                "POST",
                "/push?k=(not shown)&a=(not shown)&b",
                "POST",
            ),
            (
                "/push?k=fedcba9876543210&b",
                "POST",
                "/push?k=(not shown)&b",
                "POST",
            ),
            (
                "/push?k=0123456789abcdef%2B%2f%3D",
                "POST",
                "/push?k=(not shown)",
                "POST",
            ),
            (
                "/push#fedcba9876543210",
                KNOWN,
                "/push#(not shown)",
                "(not shown)",
            ),
            (
                "http://me:hunter2@localhost/push",
                "POST",
                "http://(not shown)@localhost/push",
                "POST",
            ),
            (
                "http://fedcba9876543210:x@localhost/push",
                "POST",
                "http://(not shown)@localhost/push",
                "POST",
            ),
        ] {
            let head = head(target, method);
            let keyless = Keyless::of(&head, Some(&keys));
            let shown = keyless.head(&head);
            assert_eq!(
                (&*shown.target, &*shown.method),
                (shown_target, shown_method)
            );
        }
    }

    #[test]
    fn a_key_is_found_between_hyphens_wherever_it_begins_and_ends() {
        let keys = ApiKeys::parse(&format!("{SHOWN}\n{KNOWN}\nab-{KNOWN}x-c\n")).unwrap();
        let head = head("/push", "POST");
        let keyless = Keyless::of(&head, Some(&keys));
        let shown = Keyless::of(&head, None);
        for (text, is_in, is_shown) in [
            (format!("00-{KNOWN}-b-01"), true, false),
            (format!("{KNOWN}-b"), true, false),
            (format!("a-{KNOWN}"), true, false),
            (format!("00-ab-{KNOWN}x-c-d"), true, false),
            (format!("00-x{SHOWN}x-b"), true, true),
            (format!("00-ab-{KNOWN}x-d"), false, false),
            ("--".to_owned(), false, false),
        ] {
            assert_eq!(keyless.is_between_hyphens(&text), is_in, "{text}");
            assert_eq!(shown.is_between_hyphens(&text), is_shown, "{text}");
            assert!(!Keyless::default().is_between_hyphens(&text));
        }
    }

    #[test]
    fn without_keys_of_ours_that_of_the_request_is_left_out() {
        let head = head("/push", "POST");
        let keyless = Keyless::of(&head, None);
        assert_eq!(
            keyless.text(&format!("\"{SHOWN}\" {KNOWN}")),
            format!("\"(not shown)\" {KNOWN}")
        );
    }

    #[test]
    fn a_known_key_is_found_whatever_stands_in_it() {
        let head = head("/push", "POST");
        let key = "other-KEY-zzz0123456789abcdef/x==";
        let keys = ApiKeys::parse(key).unwrap();
        let keyless = Keyless::of(&head, Some(&keys));
        let text = |key| format!("/notifications/0/badge: there is the string \"{key}\"");
        assert_eq!(keyless.text(&text(key)), text(NOT_SHOWN));
    }
}
