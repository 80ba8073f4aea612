//! Keys, tokens and whole credential files that were pasted where the name of a file belongs: no
//! message may repeat them.
//!
//! Pure: no I/O, no clock. A text that is [content](is_content) is no path whatever is on the disk.
//! One that [may be a key](may_be_key) could be the name of a file, if a rare one: whether there is
//! such a file decides.

use std::borrow::Cow;
use std::path::Path;

use crate::texts;

/// What is said of content in the place of a path.
pub const IS_CONTENT: &str = "this is the content of a key; put it into a file and name that";

/// What is said of what looks like a key in the place of a path, and names no file.
pub const MAY_BE_KEY: &str = "there is no such file, and it looks like a key itself; put the key \
                              into a file and name that (write a path of that name as ./NAME)";

/// What is said of what may be a key in the place of a file that has to be there.
pub const NO_SUCH_FILE: &str =
    "there is no such file, and it may be a key itself; put the key into a file and name that";

/// What is said of either where no file of a key is named: it would be of no use in a file either.
pub const NO_KEY_HERE: &str = "it looks like a key, and none belongs here; name a path or what else \
                               is to be here (write a path of that name as ./NAME)";

/// What stands in the place of what is not shown.
pub const NOT_SHOWN: &str = "(not shown)";

/// Why a text in the place of a path is none, if it is a key; `is_there` looks for the path that it
/// names. The sentence does not repeat it.
pub fn why_no_path(
    text: &str,
    path: &Path,
    is_there: impl Fn(&Path) -> bool,
) -> Option<&'static str> {
    if is_content(text) || has_lines(text) {
        return Some(IS_CONTENT);
    }
    (may_be_key(text) && !is_there(path)).then_some(MAY_BE_KEY)
}

/// The same where the file has to be there: then a text that is no file's is shown only if it ends
/// as a file's name does, or there is its directory. A key has neither, whatever it looks like.
pub fn why_no_file(
    text: &str,
    path: &Path,
    is_there: impl Fn(&Path) -> bool,
) -> Option<&'static str> {
    let is_of_names = |at: char| at.is_alphanumeric() || "._-/@~ ".contains(at);
    // `/` and the working directory are always there.
    let directory = path.parent().filter(|dir| dir.parent().is_some());
    let may_be_shown =
        (has_extension(text) && text.chars().all(is_of_names)) || directory.is_some_and(&is_there);
    why_no_path(text, path, &is_there)
        .or_else(|| (!text.is_empty() && !may_be_shown && !is_there(path)).then_some(NO_SUCH_FILE))
}

/// A text as a message may repeat it.
pub fn shown(text: &str) -> &str {
    if is_secret(text) { NOT_SHOWN } else { text }
}

/// The token in a value of `Authorization`.
pub fn token_of(authorization: &str) -> &str {
    let (_, token) = authorization.split_once(' ').unwrap_or_default();
    token.trim()
}

/// What others sent, less the secrets that we had sent them: an answer may repeat its request.
pub fn without<'a>(text: &'a [u8], sent: &[&str]) -> Cow<'a, str> {
    let read = str::from_utf8(text).map(Cow::Borrowed);
    let mut text = read.unwrap_or_else(|_| String::from_utf8_lossy(text));
    for secret in sent {
        // Most answers are shorter than what they could repeat.
        let may_be_in = (1..=text.len()).contains(&secret.len());
        if may_be_in && text.contains(secret) {
            text = text.replace(secret, NOT_SHOWN).into();
        }
    }
    text
}

/// The first `most` characters of a text of others, less each word that no message may repeat, and
/// what follows a `bearer`.
pub fn quoted(text: &str, most: usize) -> String {
    let mut out = String::new();
    let mut follows_scheme = false;
    let ends_word = |at: char| at.is_whitespace() || "\"'{}[](),;<>".contains(at);
    for part in text.split_inclusive(ends_word) {
        let word = part.trim_end_matches(ends_word);
        let hides = (follows_scheme && !word.is_empty()) || is_secret(word);
        out.push_str(if hides { NOT_SHOWN } else { word });
        out.push_str(part.get(word.len()..).unwrap_or_default());
        follows_scheme = ends_in_scheme(word) || (word.is_empty() && follows_scheme);
    }
    texts::first(&out, most).to_owned()
}

/// Whether no message may repeat a text.
pub fn is_secret(text: &str) -> bool {
    is_content(text) || has_secret_query(text) || may_be_key(text)
}

/// Whether a text is what stands in files of credentials, or how they are sent: PEM, JSON, the
/// base64 of either, a token, the value of `Authorization`, a URL with a password.
pub fn is_content(text: &str) -> bool {
    let inner = inner(text);
    let lower = inner.to_ascii_lowercase();
    let begins = |words: &[&str]| words.iter().any(|word| lower.starts_with(word));
    // As it stands in JSON, and in environment files.
    inner.contains("\\n")
        || begins(&["{", "-----begin", "bearer ", "basic ", "authorization:"])
        || ["-----begin", "-----end", "private key", "private_key"]
            .iter()
            .any(|word| lower.contains(word))
        || has_password(inner)
        || is_encoded(inner)
}

/// Whether a text is like a key or token that somebody drew by chance, or the last part of an
/// absolute path. What begins as another path does, or ends as the name of a file does, is not.
pub fn may_be_key(text: &str) -> bool {
    let inner = inner(text);
    let inner = match inner.strip_prefix('/') {
        Some(path) => path.rsplit('/').next().unwrap_or_default(),
        None => inner,
    };
    let is_path = ["./", "../", "~"]
        .iter()
        .any(|begin| inner.starts_with(begin));
    !is_path
        && !has_extension(inner)
        && inner
            .split(|at: char| !(at.is_ascii_alphanumeric() || "+=_-".contains(at)))
            .any(is_drawn_by_chance)
}

/// Whether a text has several lines, or the end of one: a path has none, and a key file has.
pub fn has_lines(text: &str) -> bool {
    text.contains(ends_line)
}

/// The text less what it is wrapped in: blanks, quotation marks, and the words that stand before
/// the name of a credential and of a socket.
fn inner(text: &str) -> &str {
    let wrapping = |at: char| at.is_whitespace() || "\"'`\u{feff}".contains(at);
    let mut inner = text.trim_matches(wrapping);
    for word in ["credential:", "unix:"] {
        inner = inner.strip_prefix(word).unwrap_or(inner);
    }
    inner.trim_matches(wrapping)
}

/// Whether what comes next is a token (RFC 6750 §2.1).
fn ends_in_scheme(word: &str) -> bool {
    let word = word.trim_end_matches(|at: char| !at.is_ascii_alphanumeric());
    word.to_ascii_lowercase().ends_with(SCHEME)
}

fn ends_line(at: char) -> bool {
    matches!(at, '\n'..='\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// `scheme://user:password@host`
fn has_password(text: &str) -> bool {
    let authority = text
        .split_once("://")
        .and_then(|(_, rest)| rest.split(['/', '?', '#']).next());
    authority.is_some_and(|authority| authority.contains('@'))
}

/// `scheme://host/?key=secret`, which is a URL all the same.
fn has_secret_query(text: &str) -> bool {
    let query = text
        .split_once("://")
        .and_then(|(_, rest)| rest.split_once('?'));
    let query = query.map_or("", |(_, query)| query).to_ascii_lowercase();
    let names_a_secret = |part: &str| SECRET_NAMES.iter().any(|name| part.contains(name));
    let mut names = query.split('&').filter_map(|part| part.split_once('='));
    names.any(|(name, _)| names_a_secret(name))
}

/// Parts of the names that secrets have in a URL's query.
const SECRET_NAMES: [&str; 6] = ["key", "token", "secret", "sig", "pass", "auth"];

/// Whether it is base64 of a key (DER begins as `MI`), or of JSON, as auth tokens are.
fn is_encoded(text: &str) -> bool {
    let is_base64 = |more: &'static str| {
        move |at: char| at.is_ascii_alphanumeric() || "+/=_-".contains(at) || more.contains(at)
    };
    let is_of_der = |at: char| at.is_whitespace() || is_base64("")(at);
    (text.len() >= DER_LEAST && text.starts_with('M') && text.chars().all(is_of_der))
        || (text.len() >= DRAWN_LEAST
            && text.starts_with("eyJ")
            && text.chars().all(is_base64(".")))
}

fn has_extension(text: &str) -> bool {
    text.rsplit_once('.').is_some_and(|(stem, extension)| {
        !stem.is_empty()
            && (1..=EXTENSION_MOST).contains(&extension.len())
            && extension
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    })
}

/// Whether a word has digits among its letters as names do not.
fn is_drawn_by_chance(word: &str) -> bool {
    let hex_run = word
        .split(|at: char| !(at.is_ascii_hexdigit() || at == '-'))
        .any(|run| {
            let hex = run.bytes().filter(|byte| *byte != b'-').count();
            let digits = run.bytes().filter(u8::is_ascii_digit).count();
            hex >= HEX_LEAST && digits >= HEX_LEAST / 4 && digits < hex
        });
    let kinds: Vec<CharacterClass> = word.bytes().filter_map(CharacterClass::of).collect();
    let digits = kinds
        .iter()
        .filter(|kind| **kind == CharacterClass::Digit)
        .count();
    let changes = kinds.windows(2).filter(|pair| pair.first() != pair.last());
    let changes = changes.count().saturating_mul(20);
    // Of a hundred characters drawn from 62, 16 are digits, and 63 are of another kind than the one
    // before; in names that are written together, every third is at most.
    let is_mixed = |digits_in: usize, twentieths: usize| {
        digits.saturating_mul(digits_in) >= kinds.len()
            && changes >= kinds.len().saturating_mul(twentieths)
    };
    let is_drawn = digits < kinds.len() && (is_mixed(8, 7) || is_mixed(kinds.len(), 9));
    hex_run || (kinds.len() >= DRAWN_LEAST && is_drawn)
}

/// The bytes that count.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CharacterClass {
    Digit,
    Small,
    Capital,
}

impl CharacterClass {
    const fn of(byte: u8) -> Option<Self> {
        match byte {
            b'0'..=b'9' => Some(Self::Digit),
            b'a'..=b'z' => Some(Self::Small),
            b'A'..=b'Z' => Some(Self::Capital),
            _ => None,
        }
    }
}

/// The scheme of `Authorization` that all of our tokens are sent by.
const SCHEME: &str = "bearer";
/// Characters of the base64 of a key at least: the shortest, of Ed25519, has 64.
const DER_LEAST: usize = 60;
/// Letters and digits at least of what may be drawn by chance.
const DRAWN_LEAST: usize = 20;
/// Hexadecimal digits at least of a key: 64 bits, as our own API keys have.
const HEX_LEAST: usize = 16;
/// Characters of a file name's extension at most.
const EXTENSION_MOST: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_a_credential_file_is_content_however_it_is_wrapped() {
        let der = "MIGTAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBHkwdwIBAQQgabcdefghijklmnopqr";
        for text in [
            "-----BEGIN PRIVATE KEY-----",
            "-----BEGIN PRIVATE KEY-----\nMIGT\n-----END PRIVATE KEY-----\n",
            "-----BEGIN EC PRIVATE KEY-----\r\nMIGT\r\n",
            "-----BEGIN PRIVATE KEY-----\\nMIGT\\n-----END PRIVATE KEY-----",
            "\u{feff}-----BEGIN CERTIFICATE-----MIGT",
            "key.p8 -----BEGIN PRIVATE KEY-----",
            "credential:-----BEGIN PRIVATE KEY-----",
            "{\"type\":\"service_account\"}",
            " \t{ \"private_key\": 1",
            "\"{\\\"type\\\":\\\"service_account\\\"}\"",
            "'{}'",
            "{",
            "\"private_key_id\": \"abc\"",
            "MIGTAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBHkwdwIBA\nQQgabcdefghijklmnopqr\n",
            "Bearer abc",
            "authorization: basic abc",
            "https://me:hunter2@example.com/",
            "https://hunter2@example.com",
            der,
            &format!("credential:{der}"),
            &format!("{der}{der}=="),
            "eyJ0eXBlIjoic2VydmljZV9hY2NvdW50In0=",
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJURUFNIn0.c2ln-bmF0_dXJl",
        ] {
            assert!(is_content(text) && is_secret(text), "{text:?}");
            assert_eq!(shown(text), NOT_SHOWN);
        }
        // It is a URL, which only the place that it stands in can refuse.
        let url = "\"https://example.com/hook?a=b&API_Key=hunter2\"";
        assert!(!is_content(url) && is_secret(url));
        assert!(!is_secret("https://example.com/hook?a=b&c=d"));
    }

    #[test]
    fn what_others_sent_is_quoted_without_what_we_sent_them() {
        assert_eq!(
            without(b"a tok b tok\xff", &["tok", ""]),
            format!("a {NOT_SHOWN} b {NOT_SHOWN}\u{fffd}")
        );
        assert_eq!(token_of("Bearer a.b"), "a.b");
        assert_eq!(token_of("Bearer"), "");
        for (text, shown) in [
            ("got Bearer ya29 here", "got Bearer (not shown) here"),
            (
                "\"authorization\":\"bearer  ya29\"",
                "\"authorization\":\"bearer  (not shown)\"",
            ),
            ("(BEARER: ya29)", "(BEARER: (not shown))"),
            (
                "key sk_live_4eC39HqLyjWDarjtT1zdp7dc, used",
                "key (not shown), used",
            ),
            (
                "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJURUFNIn0.c2ln",
                "(not shown)",
            ),
            ("{\"reason\":\"Shutdown\"}", "{\"reason\":\"Shutdown\"}"),
            (
                "projects/my-project-123456: no cloudmessaging.messages.create",
                "projects/my-project-123456: no cloudmessaging.messages.create",
            ),
        ] {
            assert_eq!(quoted(text, 100), shown);
        }
        assert_eq!(quoted("äöü x", 2), "äö");
    }

    #[test]
    fn a_path_has_one_line_and_one_that_may_be_a_key_is_there() {
        let nowhere = |text: &str| why_no_path(text, Path::new(text), |_| false);
        for text in ["a\nb", "/etc/sterna/key.p8\n", "a\rb", "a\u{2028}b", "{}"] {
            assert_eq!(nowhere(text), Some(IS_CONTENT), "{text:?}");
            let there = why_no_path(text, Path::new(text), |_| true);
            assert_eq!(there, Some(IS_CONTENT), "{text:?}");
        }
        let may_be = "0123456789abcdef";
        assert_eq!(nowhere(may_be), Some(MAY_BE_KEY));
        assert_eq!(why_no_path(may_be, Path::new(may_be), |_| true), None);
        assert_eq!(nowhere("/no/such/file"), None);
    }

    #[test]
    fn of_a_file_that_has_to_be_there_only_what_ends_as_one_is_shown() {
        let nowhere = |text: &str| why_no_file(text, Path::new(text), |_| false);
        for text in [
            "/etc/sterna/AuthKey_ABCDE12345.p8",
            "/no/such/directory/key.pem",
            "sterna/service account@1.json",
            "",
        ] {
            assert_eq!(nowhere(text), None, "{text:?}");
        }
        for text in [
            "DJBD6vrTbphk7dRIN/0y1g==",
            "/SzxLPZHYabc",
            "nbhovehpinngflbk",
            "22AHOHZKQTWPOJ6OLLWKKCYNQ3GSW7M6",
            "KZ6u0z2JduHj9R7w",
            "VlcOsdhxqMLn#u0t*LO.ab",
            "/etc/sterna/key",
            "hunter2",
        ] {
            assert!(nowhere(text).is_some(), "{text:?}");
            assert_eq!(why_no_file(text, Path::new(text), |_| true), None);
        }
        let in_etc = |text: &str| why_no_file(text, Path::new(text), |at| at == Path::new("/etc"));
        assert_eq!(in_etc("/etc/keys"), None);
        assert_eq!(in_etc("/etc/0123456789abcdef"), Some(MAY_BE_KEY));
    }

    #[test]
    fn what_is_drawn_by_chance_may_be_a_key() {
        for text in [
            "/etc/0123456789abcdef",
            "3f9c1d0a5b7e4428a6d1c2f3e4b5a697887766554433221100ffeeddccbbaa99",
            "0123456789abcdef",
            "credential:0123456789abcdef0123456789abcdef",
            "8b1a9953-c461-4bd2-9f8e-4a5c6d7e8f90",
            "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY",
            "dGhpcyBpcyBhIGtleSBvZiBzb21lb25lIDEyMw==",
            "'Q3k7-aZ09_fW2xY8vB4nM6kL1'",
            "sk_live_4eC39HqLyjWDarjtT1zdp7dc",
            "canary-0123456789abcdef",
            "AAAAq1w2e3r:APA91bF4k3T0k3nXyZ01abCDefGH",
        ] {
            assert!(may_be_key(text) && is_secret(text), "{text:?}");
        }
    }

    #[test]
    fn names_of_files_and_hosts_and_words_are_neither() {
        for text in [
            "",
            "-",
            "sterna.toml",
            "AuthKey_ABCDE12345.p8",
            "AuthKey_ABCDE12345",
            "my-project-firebase-adminsdk-x7k2p-3f9c1d0a5b.json",
            "3f9c1d0a5b7e4428a6d1c2f3e4b5a697.json",
            "service-account-of-production-2026",
            "/var/lib/docker/overlay2/3f9c1d0a5b7e4428a6d1c2f3e4b5a697/merged/key",
            "./0123456789abcdef",
            "../keys/0123456789abcdef",
            "~/0123456789abcdef",
            "/run/credentials/sterna.service/apns",
            "/tmp/.tmpAb3dEf/key.p8",
            "credential:apns-key",
            "unix:/run/sterna/api.sock",
            "keys/production/apns-2026-11",
            "com.example.app",
            "https://api.push.apple.com:443",
            "https://127.0.0.1:2197",
            "127.0.0.1",
            "localhost",
            "ABCDE12345",
            "my-project-123456",
            "ExpiredProviderToken=5",
            "TooManyProviderTokenUpdates=3,UNAVAILABLE=2",
            "unregistered-",
            "stdout",
            "90s",
            "2026-11-22",
            "00000000000000000000",
            "deadbeefdeadbeefdeadbeef",
            "schlüssel",
        ] {
            assert!(!is_secret(text), "{text:?}");
            assert_eq!(shown(text), text);
        }
    }
}
