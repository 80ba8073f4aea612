//! The API keys of our callers: who may call, and what for.
//!
//! Pure: no I/O, no clock.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{self, SHA256, SHA256_OUTPUT_LEN};

use super::rights::{Right, Rights};
use crate::count;
use crate::pasted;
use crate::push::is_app_name;

/// The API keys that callers may show, and what each is good for.
pub struct ApiKeys(Vec<ApiKey>);

/// One of them.
struct ApiKey {
    /// SHA-256 of it: of one length, whatever its own is.
    digest: [u8; SHA256_OUTPUT_LEN],
    rights: Rights,
    /// The line that it stands in, from 1.
    line: usize,
}

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
    /// Reads keys, one a line, with blanks and `rights=push,read,operate` behind it if it is not
    /// good for all, and `app=shop,news` if it is not for all apps. Empty lines and those that
    /// begin with `#` are skipped, and blanks around a key are not part of it.
    ///
    /// # Errors
    ///
    /// What is wrong with each line that is no such key, of so many lines as there may be keys.
    pub fn parse(text: &str) -> Result<Self, Vec<KeysError>> {
        let (mut keys, mut errors) = (Vec::<ApiKey>::new(), Vec::new());
        for (line, content) in (1..).zip(text.lines().map(str::trim)) {
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            if keys.len() + errors.len() == MAX_KEYS {
                let text = format!("more than {MAX_KEYS} API keys; remove those that are retired");
                errors.push(KeysError { line, text });
                break;
            }
            match ApiKey::read(content, line) {
                Ok(key) if keys.iter().any(|known| known.contradicts(&key)) => {
                    let text = "this API key stands above with other rights; keep one of the lines";
                    let text = text.to_owned();
                    errors.push(KeysError { line, text });
                }
                Ok(key) => keys.push(key),
                Err(text) => errors.push(KeysError { line, text }),
            }
        }
        if keys.is_empty() && errors.is_empty() {
            let text = "no API key in it, so nobody could call; put one on a line of its own, \
                        made by: openssl rand -hex 32";
            errors.push(KeysError {
                line: 0,
                text: text.to_owned(),
            });
        }
        if errors.is_empty() {
            Ok(Self(keys))
        } else {
            Err(errors)
        }
    }

    /// Whose key the value of an `Authorization` field shows (RFC 6750 §2.1); `None` if it is none
    /// of these.
    ///
    /// The time that it takes tells the length of what was shown, and nothing of the keys.
    pub fn admit(&self, authorization: Option<&[u8]>) -> Option<KeyOwner> {
        let key = self.find(bearer(authorization?)?)?;
        Some(KeyOwner::of(&key.digest))
    }

    /// What the API key is good for that such a value shows; `None` if it is none of these. Takes
    /// as long as [`ApiKeys::admit`].
    pub fn rights(&self, authorization: Option<&[u8]>) -> Option<Rights> {
        self.find(bearer(authorization?)?)
            .map(|key| key.rights.clone())
    }

    /// Why they cannot be used, if some of them are for apps that `is_app` does not know, the
    /// default one having no name.
    pub fn for_no_app(&self, is_app: impl Fn(&str) -> bool) -> Vec<KeysError> {
        let unknown = |key: &ApiKey| {
            let apps = key.rights.apps().unwrap_or_default();
            let app = apps.iter().find(|app| !is_app(app))?;
            // What is no name may be a key that came here by mistake.
            let is_shown = is_app_name(app) && !pasted::may_be_key(app) && !pasted::is_secret(app);
            let (named, section) = if is_shown {
                (&**app, &**app)
            } else {
                ("an app", "NAME")
            };
            let text = format!(
                "app= names {named}, which the configuration has no section of; write \
                 [apps.{section}.ios] or [apps.{section}.android] there, or take the name out here"
            );
            let line = key.line;
            Some(KeysError { line, text })
        };
        self.0.iter().filter_map(unknown).collect()
    }

    /// Lines of keys that are good for pushes, and for none to topics or channels: who wrote them
    /// may have thought that `rights=push` is.
    pub fn lines_for_tokens_alone(&self) -> impl Iterator<Item = usize> {
        let has_either = |rights: &Rights| {
            let mut either = [Right::Topics, Right::Channels].into_iter();
            either.any(|right| rights.have(right))
        };
        let keys = self.0.iter().map(|key| (key.line, &key.rights));
        let keys = keys.filter(move |(_, it)| it.have(Right::Push) && !has_either(it));
        keys.map(|(line, _)| line)
    }

    /// Whether it is one of these; takes no other time if it is not.
    pub fn has(&self, key: &str) -> bool {
        self.find(key.as_bytes()).is_some()
    }

    fn find(&self, key: &[u8]) -> Option<&ApiKey> {
        let shown = digest_of(key);
        // No early end: it would tell which key it was.
        self.0.iter().fold(None, |found, key| {
            let is_it = verify_slices_are_equal(&shown, &key.digest).is_ok();
            if is_it { Some(key) } else { found }
        })
    }

    /// Whether there are several: callers that are not one another.
    pub fn are_several(&self) -> bool {
        let first = self.0.first().map(|key| key.digest);
        self.0.iter().any(|key| first != Some(key.digest))
    }
}

impl ApiKey {
    /// Whether both are the same key with other rights.
    fn contradicts(&self, other: &Self) -> bool {
        self.digest == other.digest && self.rights != other.rights
    }

    /// Reads what a line has that is not empty.
    fn read(content: &str, line: usize) -> Result<Self, String> {
        let (key, more) = content
            .split_once(char::is_whitespace)
            .unwrap_or((content, ""));
        check(key)?;
        let mut rights = Rights::ALL;
        let mut seen = Vec::new();
        for part in more.split_whitespace() {
            let (name, words) = part.split_once('=').unwrap_or((part, ""));
            rights = match name {
                "rights" => rights.only(words)?,
                "app" => rights.of_apps(words)?,
                _ => return Err(BEHIND_A_KEY.to_owned()),
            };
            if seen.contains(&name) {
                return Err(format!("{name}= stands twice behind an API key"));
            }
            seen.push(name);
        }
        Ok(Self {
            digest: digest_of(key.as_bytes()),
            rights,
            line,
        })
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
    /// Those of both that are good for something else now.
    pub changed: usize,
}

impl KeyRotation {
    /// From those of before to those of now; without keys everybody may call.
    pub fn between(before: Option<&ApiKeys>, now: Option<&ApiKeys>) -> Self {
        fn of(keys: Option<&ApiKeys>) -> BTreeMap<[u8; SHA256_OUTPUT_LEN], &Rights> {
            let keys = keys.into_iter().flat_map(|keys| &keys.0);
            keys.map(|key| (key.digest, &key.rights)).collect()
        }
        let (old, new) = (of(before), of(now));
        let is_changed = |(key, rights): &(&[u8; SHA256_OUTPUT_LEN], &&Rights)| {
            old.get(*key).is_some_and(|old| old != *rights)
        };
        Self {
            now: new.len(),
            were: before.map(|_| old.len()),
            added: new.keys().filter(|key| !old.contains_key(*key)).count(),
            removed: old.keys().filter(|key| !new.contains_key(*key)).count(),
            changed: new.iter().filter(is_changed).count(),
        }
    }
}

impl fmt::Display for KeyRotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", count::of(self.now, "API key", "API keys"))?;
        match self.were {
            None => f.write_str(", there were none"),
            Some(_) if (self.added, self.removed, self.changed) == (0, 0, 0) => {
                f.write_str(", the same as before")
            }
            Some(were) => {
                let (added, removed) = (self.added, self.removed);
                write!(f, " (were {were}): {added} added, {removed} removed")?;
                match self.changed {
                    0 => Ok(()),
                    changed => write!(f, ", {changed} with other rights"),
                }
            }
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
    if key.starts_with("rights=") {
        let text = "an API key that is a list of rights is none; the key stands before them";
        return Err(text.to_owned());
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("an API key has characters outside of ASCII in it".to_owned());
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

const BEHIND_A_KEY: &str = "behind an API key only rights= and app= may stand, as in \
                            rights=push,read app=shop; a key has no blanks in it";

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
    fn a_key_is_good_for_what_stands_behind_it() {
        let text = format!("{OLD} rights=push\n{NEW}\t rights=read,operate \r\n{OLD}{NEW}\n");
        let keys = ApiKeys::parse(&text).unwrap();
        let has = |key: &str| {
            let rights = keys.rights(Some(format!("Bearer {key}").as_bytes()))?;
            Some(Right::ALL.map(|right| rights.have(right)))
        };
        assert_eq!(has(OLD), Some([true, false, false, false, false, false]));
        assert_eq!(has(NEW), Some([false, true, true, false, false, false]));
        assert_eq!(has(&format!("{OLD}{NEW}")), Some([true; 6]));
        assert_eq!(keys.lines_for_tokens_alone().collect::<Vec<_>>(), [1]);
        let either = format!("{OLD} rights=push,topics\n{NEW} rights=channels,push\n");
        let either = ApiKeys::parse(&either).unwrap();
        assert_eq!(either.lines_for_tokens_alone().count(), 0);
        assert_eq!(has(&format!("{OLD} rights=push")), None);
        assert_eq!((has("0123456789abcde"), keys.rights(None)), (None, None));
        let twice = format!("{OLD} rights=push,read\n{OLD} rights=read,push\n");
        assert!(ApiKeys::parse(&twice).is_ok(), "the same rights");
    }

    #[test]
    fn a_key_is_for_the_apps_that_stand_behind_it() {
        let text = format!("{OLD} app=shop,default rights=push\n\n{NEW} app=news\n");
        let keys = ApiKeys::parse(&text).unwrap();
        let reached = |key: &str| {
            let rights = keys
                .rights(Some(format!("Bearer {key}").as_bytes()))
                .unwrap();
            ["", "shop", "news"].map(|app| rights.reach(app))
        };
        assert_eq!(reached(OLD), [true, true, false]);
        assert_eq!(reached(NEW), [false, false, true]);
        assert_eq!(
            keys.for_no_app(|app| ["", "shop", "news"].contains(&app)),
            []
        );
        let errors = keys.for_no_app(str::is_empty);
        let told: Vec<String> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [(1, "shop"), (3, "news")].map(|(line, app)| format!(
                "line {line}: app= names {app}, which the configuration has no section of; write \
                 [apps.{app}.ios] or [apps.{app}.android] there, or take the name out here"
            ))
        );
        // What may be a key is not shown.
        let text = format!("{OLD} app={OLD}");
        let error = &ApiKeys::parse(&text).unwrap().for_no_app(|_| false)[0];
        assert!(!error.text.contains(OLD), "{error}");
    }

    #[test]
    fn every_line_that_is_no_key_is_told() {
        let errors = ApiKeys::parse(&format!("short\n{OLD}\n{NEW} much=1\n")).unwrap_err();
        let lines: Vec<_> = errors.iter().map(|error| error.line).collect();
        assert_eq!(lines, [1, 3]);
        let many = "short\n".repeat(MAX_KEYS + 9);
        assert_eq!(ApiKeys::parse(&many).unwrap_err().len(), MAX_KEYS + 1);
    }

    #[test]
    fn a_rotation_is_told_in_numbers() {
        let keys = |text: &str| ApiKeys::parse(text).unwrap();
        let (old, both) = (keys(OLD), keys(&format!("{OLD}\n{NEW}\n{NEW}")));
        let (few, fewer) = (
            keys(&format!("{OLD} rights=read\n{NEW}")),
            keys(&format!("{OLD} rights=read")),
        );
        for (before, now, told) in [
            (Some(&old), &both, "2 API keys (were 1): 1 added, 0 removed"),
            (Some(&both), &old, "1 API key (were 2): 0 added, 1 removed"),
            (
                Some(&old),
                &keys(NEW),
                "1 API key (were 1): 1 added, 1 removed",
            ),
            (Some(&both), &both, "2 API keys, the same as before"),
            (
                Some(&both),
                &few,
                "2 API keys (were 2): 0 added, 0 removed, 1 with other rights",
            ),
            (
                Some(&both),
                &fewer,
                "1 API key (were 2): 0 added, 1 removed, 1 with other rights",
            ),
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
                "0123456789abcdef hunter2",
                1,
                "behind an API key only rights= and app= may stand",
            ),
            ("0123456789 abcdef", 1, "of 10 characters could be guessed"),
            (
                "0123456789abcdef rights=push,hunter2",
                1,
                "a word behind rights= is none of push, read, operate, topics, channels",
            ),
            (
                "0123456789abcdef rights=",
                1,
                "a word behind rights= is none",
            ),
            (
                "0123456789abcdef rights=push, read",
                1,
                "a word behind rights= is none",
            ),
            (
                "0123456789abcdef rights=push rights=read",
                1,
                "rights= stands twice",
            ),
            (
                "0123456789abcdef app=shop rights=push app=news",
                1,
                "app= stands twice",
            ),
            ("0123456789abcdef app=shop, news", 1, "has no name"),
            (
                "0123456789abcdef app=shop\n0123456789abcdef app=news\n",
                2,
                "stands above with other rights",
            ),
            (
                "rights=push,read,operate",
                1,
                "an API key that is a list of rights",
            ),
            (
                "0123456789abcdef rights=push\n0123456789abcdef\n",
                2,
                "stands above with other rights",
            ),
            ("schlüssel-schlüssel", 1, "outside of ASCII"),
            (long.as_str(), 1, "longer than 1024"),
            (many.as_str(), 101, "more than 100 API keys"),
        ] {
            let errors = ApiKeys::parse(text).unwrap_err();
            let [error] = &errors[..] else {
                panic!("{errors:?}");
            };
            assert_eq!(error.line, line, "{error}");
            assert!(error.text.contains(expected), "{error}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        let most = format!("{OLD}\n").repeat(MAX_KEYS);
        let shown = format!("{:?}", ApiKeys::parse(&most).unwrap());
        assert_eq!(shown, "ApiKeys(100)");
    }
}
