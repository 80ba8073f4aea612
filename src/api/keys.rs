//! The API keys of our callers: who may call.
//!
//! Pure: no I/O, no clock.

use std::collections::BTreeSet;
use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{self, SHA256, SHA256_OUTPUT_LEN};

use crate::count;

/// The API keys that callers may show, as SHA-256 digests: of one length, whatever theirs is.
pub struct ApiKeys(Vec<[u8; SHA256_OUTPUT_LEN]>);

/// Why a file of API keys cannot be used; says which line, and never shows a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeysError {
    /// The line, from 1; 0 for the file as a whole.
    pub line: usize,
    /// What is wrong with it, and what to do.
    pub text: String,
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line > 0 {
            write!(f, "line {}: ", self.line)?;
        }
        f.write_str(&self.text)
    }
}

impl std::error::Error for KeysError {}

impl ApiKeys {
    /// Reads keys, one a line. Empty lines and those that begin with `#` are skipped, and blanks
    /// around a key are not part of it.
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let mut keys = Vec::new();
        for (line, key) in (1..).zip(text.lines().map(str::trim)) {
            if key.is_empty() || key.starts_with('#') {
                continue;
            }
            check(key).map_err(|text| KeysError { line, text })?;
            if keys.len() == MAX_KEYS {
                let text = format!("more than {MAX_KEYS} API keys; remove those that are retired");
                return Err(KeysError { line, text });
            }
            keys.push(digest_of(key.as_bytes()));
        }
        if keys.is_empty() {
            let text = "no API key in it, so nobody could call; put one on a line of its own, \
                        made by: openssl rand -hex 32";
            return Err(KeysError {
                line: 0,
                text: text.to_owned(),
            });
        }
        Ok(Self(keys))
    }

    /// Whose key the value of an `Authorization` field shows (RFC 6750 §2.1); `None` if it is none
    /// of these.
    ///
    /// The time that it takes tells the length of what was shown, and nothing of the keys.
    pub fn admit(&self, authorization: Option<&[u8]>) -> Option<KeyOwner> {
        self.find(bearer(authorization?)?).map(KeyOwner::of)
    }

    /// Whether it is one of these; takes no other time if it is not.
    pub fn has(&self, key: &str) -> bool {
        self.find(key.as_bytes()).is_some()
    }

    fn find(&self, key: &[u8]) -> Option<&[u8; SHA256_OUTPUT_LEN]> {
        let shown = digest_of(key);
        // No early end: it would tell which key it was.
        self.0.iter().fold(None, |found, key| {
            let is_it = verify_slices_are_equal(&shown, key).is_ok();
            if is_it { Some(key) } else { found }
        })
    }

    /// Whether there are several: callers that are not one another.
    pub fn are_several(&self) -> bool {
        self.0.iter().any(|key| self.0.first() != Some(key))
    }
}

/// Who shows one of several API keys: a number that stays the same over restarts, and tells
/// nothing of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyOwner(pub [u8; 8]);

impl KeyOwner {
    fn of(key: &[u8; SHA256_OUTPUT_LEN]) -> Self {
        let mut number = [0; 8];
        // Hashed once more: what is written down is of no use to who would try likely keys.
        for (to, from) in number.iter_mut().zip(digest_of(key)) {
            *to = from;
        }
        Self(number)
    }
}

/// What a rotation changes, in numbers: nothing of a key is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyRotation {
    /// Keys that are admitted now.
    pub now: usize,
    /// Keys that were admitted before; `None` if everybody was.
    pub were: Option<usize>,
    /// Those of now that were not admitted before.
    pub added: usize,
    /// Those of before that are not admitted now.
    pub removed: usize,
}

impl KeyRotation {
    /// From those of before to those of now; without keys everybody may call.
    pub fn between(before: Option<&ApiKeys>, now: Option<&ApiKeys>) -> Self {
        let of = |keys: Option<&ApiKeys>| -> BTreeSet<[u8; SHA256_OUTPUT_LEN]> {
            keys.into_iter()
                .flat_map(|keys| keys.0.iter().copied())
                .collect()
        };
        let (old, new) = (of(before), of(now));
        Self {
            now: new.len(),
            were: before.map(|_| old.len()),
            added: new.difference(&old).count(),
            removed: old.difference(&new).count(),
        }
    }
}

impl fmt::Display for KeyRotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", count::of(self.now, "API key", "API keys"))?;
        match self.were {
            None => f.write_str(", there were none"),
            Some(_) if self.added == 0 && self.removed == 0 => f.write_str(", the same as before"),
            Some(were) => write!(
                f,
                " (were {were}): {} added, {} removed",
                self.added, self.removed
            ),
        }
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeys({})", self.0.len())
    }
}

/// What follows the scheme, whose name matches in any case (RFC 9110 §11.1).
fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, shown) = authorization.split_at_checked(SCHEME.len())?;
    let is_bearer = scheme.eq_ignore_ascii_case(SCHEME);
    is_bearer.then(|| shown.trim_ascii())
}

fn digest_of(key: &[u8]) -> [u8; SHA256_OUTPUT_LEN] {
    let mut bytes = [0; SHA256_OUTPUT_LEN];
    bytes.copy_from_slice(digest::digest(&SHA256, key).as_ref());
    bytes
}

fn check(key: &str) -> Result<(), String> {
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("an API key has blanks or characters outside of ASCII in it".to_owned());
    }
    if key.len() < MIN_KEY {
        return Err(format!(
            "an API key of {} characters could be guessed; use {MIN_KEY} or more, such as the \
             output of: openssl rand -hex 32",
            key.len()
        ));
    }
    if key.len() > MAX_KEY {
        return Err(format!("an API key is longer than {MAX_KEY} characters"));
    }
    Ok(())
}

const SCHEME: &[u8] = b"Bearer ";

/// Our limit: API keys at once; rotation needs two for each caller.
pub const MAX_KEYS: usize = 100;

/// Our limit: characters of an API key; 16 hexadecimal digits are 64 bits.
pub const MIN_KEY: usize = 16;

/// Our limit: characters of an API key; well within a request's head.
pub const MAX_KEY: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "0123456789abcdef";
    const NEW: &str = "fedcba9876543210-longer";

    fn admits(authorization: &str) -> bool {
        let text = format!("# rotated on Sunday\n\n{OLD}\r\n  {NEW}\t\n");
        let keys = ApiKeys::parse(&text).unwrap();
        keys.admit(Some(authorization.as_bytes())).is_some()
    }

    #[test]
    fn each_key_has_an_owner_of_its_own_wherever_it_stands() {
        let shown = |text: &str, key: &str| {
            let keys = ApiKeys::parse(text).unwrap();
            keys.admit(Some(format!("Bearer {key}").as_bytes()))
        };
        let both = format!("{OLD}\n{NEW}\n");
        let owner = shown(&both, OLD).unwrap();
        assert_eq!(shown(&format!("{NEW}\n{OLD}\n"), OLD), Some(owner));
        assert_eq!(shown(OLD, OLD), Some(owner));
        assert_ne!(shown(&both, NEW), Some(owner));
        for (text, several) in [
            (OLD, false),
            (&*both, true),
            (&*format!("{OLD}\n{OLD}\n"), false),
        ] {
            assert_eq!(
                ApiKeys::parse(text).unwrap().are_several(),
                several,
                "{text}"
            );
        }
    }

    #[test]
    fn each_key_of_the_file_is_admitted_and_nothing_else() {
        for (authorization, admitted) in [
            (format!("Bearer {OLD}"), true),
            (format!("bearer   {NEW} "), true),
            (format!("BEARER {NEW}"), true),
            (format!("Bearer {OLD}{NEW}"), false),
            (format!("Bearer {OLD}0"), false),
            ("Bearer 0123456789abcde".to_owned(), false),
            ("Bearer # rotated on Sunday".to_owned(), false),
            ("Bearer ".to_owned(), false),
            ("Bearer".to_owned(), false),
            (OLD.to_owned(), false),
            (format!("Basic {OLD}"), false),
            (String::new(), false),
        ] {
            assert_eq!(admits(&authorization), admitted, "{authorization}");
        }
        assert_eq!(ApiKeys::parse(OLD).unwrap().admit(None), None);
    }

    #[test]
    fn a_rotation_is_told_in_numbers() {
        let keys = |text: &str| ApiKeys::parse(text).unwrap();
        let (old, both) = (keys(OLD), keys(&format!("{OLD}\n{NEW}\n{NEW}")));
        for (before, now, told) in [
            (Some(&old), &both, "2 API keys (were 1): 1 added, 0 removed"),
            (Some(&both), &old, "1 API key (were 2): 0 added, 1 removed"),
            (
                Some(&old),
                &keys(NEW),
                "1 API key (were 1): 1 added, 1 removed",
            ),
            (Some(&both), &both, "2 API keys, the same as before"),
            (None, &old, "1 API key, there were none"),
        ] {
            let rotation = KeyRotation::between(before, Some(now));
            assert_eq!(rotation.to_string(), told);
        }
    }

    #[test]
    fn a_bad_file_is_named_by_its_line_and_never_shown() {
        let long = "k".repeat(MAX_KEY + 1);
        let many = format!("{OLD}\n").repeat(MAX_KEYS + 1);
        for (text, line, expected) in [
            ("", 0, "no API key in it"),
            ("# only words\n", 0, "no API key in it"),
            ("# x\nhunter2\n", 2, "of 7 characters could be guessed"),
            (
                "0123456789 abcdef",
                1,
                "blanks or characters outside of ASCII",
            ),
            ("schlüssel-schlüssel", 1, "outside of ASCII"),
            (long.as_str(), 1, "longer than 1024"),
            (many.as_str(), 101, "more than 100 API keys"),
        ] {
            let error = ApiKeys::parse(text).unwrap_err();
            assert_eq!(error.line, line, "{error}");
            assert!(error.text.contains(expected), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let most = format!("{OLD}\n").repeat(MAX_KEYS);
        let shown = format!("{:?}", ApiKeys::parse(&most).unwrap());
        assert_eq!(shown, "ApiKeys(100)");
    }
}
