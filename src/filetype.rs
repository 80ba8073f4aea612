//! What a file is, told by its content, where a key, a certificate or a service account should be:
//! the kinds that operators have at hand instead, each with a sentence, and with the command that
//! makes of it what is needed, where there is one.
//!
//! Pure: bytes in, text out. No text repeats a part of the file.

mod der;
mod wanted;

use std::path::Path;

use rustls::pki_types::pem::{PemObject as _, SectionKind};
use serde_json::Value;

use self::der::{Der, INTEGER, SEQUENCE, content, is_cut};
pub use self::wanted::Wanted;
use self::wanted::Wanted::{
    Authorities, Certificate, CertificateKey, ServiceAccount, SigningKey, Text,
};
use self::wanted::{P8_FILE, converted, place_of, source_of};
use crate::regular::{shell_word, without_mark};

/// Says what a file is and what to do, if that is known. It was found to be not what is wanted.
pub fn complaint(file: &[u8], wanted: Wanted, path: &Path) -> Option<String> {
    let kind = OtherKind::of(file, wanted)?;
    Some(kind.told(wanted, path))
}

/// A kind of file that is none of those that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OtherKind {
    Empty,
    Utf16(&'static str),
    WebPage,
    /// The configuration of an app, Android's or Apple's.
    AppFile(&'static str),
    OauthClient,
    OtherJson,
    CutJson,
    /// JSON within a JSON string, as it is pasted from code.
    JsonString,
    QuotedJson,
    /// PEM between quotation marks.
    Quoted,
    /// PEM whose line ends are `\n` in letters.
    Escaped,
    /// PEM on one line, or indented.
    Reflowed,
    CutPem,
    /// Base64 of PEM or JSON, as Kubernetes' secrets are.
    Base64OfText,
    /// Base64 of DER, without the lines of dashes.
    BareBase64(Der),
    Der(Der),
    /// PEM of another kind than is wanted.
    Pem(Label),
    /// A key that is none of Apple's: what it is, and whether `openssl` reads the file as it is.
    OtherKey(&'static str, bool),
}

/// Whose PEM it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    Certificate,
    Trusted,
    Key,
    EncryptedKey,
    EcKey,
    RsaKey,
    PublicKey,
    Request,
    Pkcs7,
    OpenSsh,
}

impl OtherKind {
    fn of(file: &[u8], wanted: Wanted) -> Option<Self> {
        let file = without_mark(file);
        if file.trim_ascii().is_empty() {
            return (wanted != Text).then_some(Self::Empty);
        }
        if let Some(encoding) = utf_16(file) {
            let text = from_utf_16(file, encoding);
            return Some(Self::Utf16(encoding).around(text.as_bytes(), wanted));
        }
        if wanted == Text {
            return None;
        }
        if let Some(der) = Der::of(file) {
            return Some(Self::of_der(file, der, wanted).unwrap_or(Self::Der(der)));
        }
        let text = String::from_utf8_lossy(file);
        let text = text.trim();
        let lower: String = text
            .chars()
            .take(HEAD)
            .collect::<String>()
            .to_ascii_lowercase();
        if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
            return Some(Self::WebPage);
        }
        if text.contains("GOOGLE_APP_ID") && lower.starts_with("<?xml") {
            return Some(Self::AppFile("GoogleService-Info.plist"));
        }
        if text.starts_with('{') {
            return Self::of_json(text, wanted);
        }
        let inner = text.trim_matches(['"', '\'']);
        if inner.len() < text.len() && inner.starts_with('{') {
            return Some(match serde_json::from_str::<String>(text) {
                Ok(string) => Self::JsonString.around(string.as_bytes(), wanted),
                Err(_) => Self::QuotedJson.around(inner.as_bytes(), wanted),
            });
        }
        if text.contains("-----BEGIN ") {
            return Self::of_pem(text, wanted);
        }
        Self::of_base64(text, wanted)
    }

    /// What holds those bytes, unless it would be of no use without what is around them.
    fn around(self, inner: &[u8], wanted: Wanted) -> Self {
        match Self::of(inner, wanted) {
            Some(Self::OtherKey(what, _)) => Self::OtherKey(what, false),
            Some(kind) if !kind.serves(wanted) => kind,
            _ => self,
        }
    }

    /// Whether what is wanted can be made of it.
    fn serves(self, wanted: Wanted) -> bool {
        match self {
            Self::Utf16(_)
            | Self::JsonString
            | Self::QuotedJson
            | Self::Quoted
            | Self::Escaped
            | Self::Reflowed
            | Self::Base64OfText => true,
            Self::BareBase64(der) | Self::Der(der) => der.serves(wanted),
            Self::Pem(label) => label.serves(wanted),
            _ => false,
        }
    }

    /// What keeps DER that may serve from being converted.
    fn of_der(file: &[u8], der: Der, wanted: Wanted) -> Option<Self> {
        if der.serves(wanted) && is_cut(file) {
            return Some(Self::CutPem);
        }
        (wanted == SigningKey && der == Der::Key)
            .then(|| Self::of_key(file))
            .flatten()
    }

    /// What a key in DER is if it is none of Apple's.
    fn of_key(key: &[u8]) -> Option<Self> {
        let body = content(key, SEQUENCE).filter(|_| Der::of(key) == Some(Der::Key))?;
        let has = |id: &[u8]| key.windows(id.len()).any(|window| window == id);
        // RFC 8017, A.1.2: a version, then the modulus.
        let is_pkcs_1 = matches!(body, [INTEGER, 1, 0, INTEGER, ..]);
        let what = match () {
            () if has(P256) => return None,
            () if is_pkcs_1 || has(RSA) => AN_RSA_KEY,
            () => OF_ANOTHER_CURVE,
        };
        Some(Self::OtherKey(what, true))
    }

    fn of_json(text: &str, wanted: Wanted) -> Option<Self> {
        let value: Value = match serde_json::from_str(text) {
            Ok(value) => value,
            Err(error) if error.is_eof() => return Some(Self::CutJson),
            Err(_) => return (wanted != ServiceAccount).then_some(Self::OtherJson),
        };
        let has = |name: &str| value.get(name).is_some();
        if has("project_info") && has("client") {
            return Some(Self::AppFile("google-services.json"));
        }
        if has("installed") || has("web") {
            return Some(Self::OauthClient);
        }
        (wanted != ServiceAccount).then_some(Self::OtherJson)
    }

    fn of_pem(text: &str, wanted: Wanted) -> Option<Self> {
        let labels: Vec<Label> = LABELS
            .iter()
            .filter(|(label, _)| text.contains(&format!("-----BEGIN {label}-----")))
            .map(|(_, label)| *label)
            .collect();
        let Some(serving) = labels.iter().find(|label| label.serves(wanted)) else {
            return labels.first().map(|label| Self::Pem(*label));
        };
        if text.starts_with(['"', '\'']) {
            return Some(Self::Quoted);
        }
        let is_escaped = |line: &str| line.contains("-----BEGIN ") && line.contains("\\n");
        if text.lines().any(is_escaped) {
            return Some(Self::Escaped);
        }
        // Of several authorities, those that are whole will do.
        let begins = text.matches("-----BEGIN ").count();
        let is_one = wanted != Authorities || begins == 1;
        if is_one && text.matches("-----END ").count() < begins {
            return Some(Self::CutPem);
        }
        let stands_alone =
            |line: &str| line.starts_with("-----") && line.matches("-----").count() == 2;
        let mut marked = text.lines().filter(|line| line.contains("-----"));
        if !marked.all(stands_alone) {
            return Some(Self::Reflowed);
        }
        let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes());
        let sections: Vec<(SectionKind, Vec<u8>)> = sections.flatten().collect();
        if is_one && sections.iter().any(|(_, der)| is_cut(der)) {
            return Some(Self::CutPem);
        }
        let keys = [SectionKind::PrivateKey, SectionKind::EcPrivateKey];
        if wanted == SigningKey
            && let Some((_, key)) = sections.iter().find(|(kind, _)| keys.contains(kind))
            && let Some(other) = Self::of_key(key)
        {
            return Some(other);
        }
        let is_as_wanted = labels.iter().any(|label| label.is_wanted(wanted));
        (!is_as_wanted).then_some(Self::Pem(*serving))
    }

    fn of_base64(text: &str, wanted: Wanted) -> Option<Self> {
        let is_base64 =
            |at: char| at.is_ascii_alphanumeric() || "+/=".contains(at) || at.is_whitespace();
        if !text.chars().all(is_base64) {
            return None;
        }
        let wrapped = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        let (_, content) = <(SectionKind, Vec<u8>)>::from_pem_slice(wrapped.as_bytes()).ok()?;
        if let Some(der) = Der::of(&content) {
            return Some(match Self::of_der(&content, der, wanted) {
                Some(Self::OtherKey(what, _)) => Self::OtherKey(what, false),
                other => other.unwrap_or(Self::BareBase64(der)),
            });
        }
        let inner = without_mark(&content).trim_ascii();
        (inner.starts_with(b"-----BEGIN ") || inner.starts_with(b"{"))
            .then(|| Self::Base64OfText.around(inner, wanted))
    }

    fn told(self, wanted: Wanted, path: &Path) -> String {
        let (file, out) = (shell_word(path), shell_word(&converted(path, wanted)));
        if let Self::Pem(label) = self {
            return label.told(wanted, &file, &out);
        }
        let made = self.conversion(wanted, &file, &out);
        let Some((what, command)) = made.filter(|_| self.serves(wanted)) else {
            let source = source_of(wanted);
            return match self.final_words(wanted, &file) {
                (what, true) => format!("{what}; {source}"),
                (what, false) => what,
            };
        };
        let told = format!("{what}; convert it with: {command} (and name that file instead)");
        let legacy = match self {
            Self::Der(Der::Pkcs12) => Der::Pkcs12.command(" -legacy", &file, wanted, &out),
            Self::BareBase64(Der::Pkcs12) => {
                let read = Der::Pkcs12.command(" -legacy", "", wanted, &out);
                format!("base64 -d {file} | {read}")
            }
            _ => return told,
        };
        format!(
            "{told}, or if that leaves an empty file, it is encrypted as Keychain does it (RC2), \
             which OpenSSL 3 reads only with -legacy: {legacy}"
        )
    }

    /// What the file is, and the command that makes what is wanted of it.
    fn conversion(self, wanted: Wanted, file: &str, out: &str) -> Option<(String, String)> {
        let filter = |command: &str| format!("(umask 077; {command} < {file} > {out})");
        let (what, command) = match self {
            Self::Utf16(encoding) => (
                "the file is text in UTF-16",
                filter(&format!("iconv -f {encoding} -t UTF-8")),
            ),
            Self::JsonString => ("the file is JSON within a string", filter("jq -r .")),
            Self::QuotedJson => (
                "the file's JSON stands between quotation marks",
                filter(UNQUOTE),
            ),
            Self::Quoted => (
                "the file's text stands between quotation marks",
                format!("(umask 077; {UNQUOTE} < {file} | {UNESCAPE} > {out})"),
            ),
            Self::Escaped => ("the file's line ends are \\n in letters", filter(UNESCAPE)),
            Self::Reflowed => (
                "a -----BEGIN or -----END line of the file is not on a line of its own",
                format!("(umask 077; {ISOLATE} < {file} | {UNFOLD} | grep . > {out})"),
            ),
            Self::Base64OfText => (
                "the file is in base64, as in a Kubernetes secret",
                filter("base64 -d"),
            ),
            Self::BareBase64(der) => {
                let name = der.name();
                let what = format!(
                    "the file is the base64 of {name} without its -----BEGIN and -----END lines"
                );
                let convert = der.command("", "", wanted, out);
                return Some((what, format!("base64 -d {file} | {convert}")));
            }
            Self::Der(der) => {
                let what = match der {
                    Der::Pkcs12 => "the file is PKCS#12 (.p12)".to_owned(),
                    other => format!("the file is {} in DER, not in PEM", other.name()),
                };
                return Some((what, der.command("", file, wanted, out)));
            }
            _ => return None,
        };
        Some((what.to_owned(), command))
    }

    /// What the file is that nothing can be made of, and whether it is to be said where another
    /// comes from.
    fn final_words(self, wanted: Wanted, file: &str) -> (String, bool) {
        let what = match self {
            Self::Der(der) | Self::BareBase64(der) => {
                let (name, place) = (der.name(), place_of(wanted));
                return (format!("the file is {name}, in the place of {place}"), true);
            }
            Self::Empty => "the file is empty",
            Self::WebPage => "the file is a web page, as a download without login leaves it",
            Self::AppFile(name) => {
                let what = format!(
                    "the file is {name}: this is the app's file; the service account's is under \
                     Firebase console, project settings, service accounts, generate new private key"
                );
                return (what, false);
            }
            Self::OauthClient => "the file is an OAuth client's, for people who log in",
            Self::OtherJson => {
                "the file is JSON, and Google's service-account file belongs to \
                 android.service_account_path"
            }
            Self::CutJson => "the file breaks off in the middle of its JSON",
            Self::OtherKey(what, is_read) => {
                let what = format!("the key is {what}");
                let shown = format!(", as is shown by: openssl pkey -in {file} -noout -text_pub");
                return (if is_read { what + &shown } else { what }, true);
            }
            _ => "the file breaks off before its -----END line, or is shorter than it says",
        };
        (what.to_owned(), true)
    }
}

impl Label {
    /// Whether what is wanted can be made of it.
    fn serves(self, wanted: Wanted) -> bool {
        self.is_wanted(wanted)
            || match wanted {
                Certificate | Authorities => matches!(self, Self::Trusted | Self::Pkcs7),
                SigningKey => matches!(self, Self::EcKey | Self::EncryptedKey),
                CertificateKey | ServiceAccount | Text => false,
            }
    }

    /// Whether it is read where that is wanted.
    fn is_wanted(self, wanted: Wanted) -> bool {
        match wanted {
            Certificate | Authorities => self == Self::Certificate,
            CertificateKey => {
                matches!(
                    self,
                    Self::Key | Self::EncryptedKey | Self::EcKey | Self::RsaKey
                )
            }
            SigningKey => self == Self::Key,
            ServiceAccount | Text => false,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Certificate | Self::Trusted => "a certificate",
            Self::Key | Self::EcKey | Self::EncryptedKey => "a private key",
            Self::RsaKey => "an RSA key",
            Self::PublicKey => "a public key",
            Self::Request => "a request for a certificate",
            Self::Pkcs7 => "PKCS#7",
            Self::OpenSsh => "a key of OpenSSH",
        }
    }

    fn told(self, wanted: Wanted, file: &str, out: &str) -> String {
        let converted = match (self, wanted) {
            (Self::EcKey, SigningKey) => Some((
                "the key is in SEC1 form (EC PRIVATE KEY), not PKCS#8; convert",
                format!("openssl pkcs8 -topk8 -nocrypt -in {file} -out {out}"),
            )),
            (Self::EncryptedKey, SigningKey) => Some((
                "the key is encrypted; decrypt",
                format!("openssl pkcs8 -in {file} -out {out}"),
            )),
            (Self::Trusted, Certificate | Authorities) => Some((
                "the certificate is in OpenSSL's own form (TRUSTED CERTIFICATE); convert",
                format!("openssl x509 -in {file} -out {out}"),
            )),
            (Self::Pkcs7, Certificate | Authorities) => Some((
                "the file is PKCS#7 (.p7b); convert",
                format!("openssl pkcs7 -print_certs -in {file} -out {out}"),
            )),
            _ => None,
        };
        if let Some((what, command)) = converted {
            return format!("{what} it with: {command} (and name that file instead)");
        }
        let (name, source) = (self.name(), source_of(wanted));
        match wanted {
            SigningKey => format!("the file holds {name}, not {P8_FILE}; {source}"),
            ServiceAccount => format!(
                "the file holds {name} in PEM, and a service-account file is JSON; {source}"
            ),
            Certificate | Authorities => format!(
                "no PEM certificate (-----BEGIN CERTIFICATE-----) in it: the file holds {name}; \
                 {source}"
            ),
            CertificateKey | Text => format!(
                "no PEM private key (-----BEGIN PRIVATE KEY-----) in it: the file holds {name}; \
                 {source}"
            ),
        }
    }
}

/// The encoding, as `iconv` calls it, of text with two bytes for each character.
fn utf_16(file: &[u8]) -> Option<&'static str> {
    match file {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        [first, 0, second, 0, ..] if first.is_ascii() && second.is_ascii() => Some("UTF-16LE"),
        [0, first, 0, second, ..] if first.is_ascii_graphic() && second.is_ascii() => {
            Some("UTF-16BE")
        }
        _ => None,
    }
}

fn from_utf_16(file: &[u8], encoding: &str) -> String {
    let is_big = encoding == "UTF-16BE" || file.starts_with(&[0xfe, 0xff]);
    let unit = if is_big {
        u16::from_be_bytes
    } else {
        u16::from_le_bytes
    };
    let units = file.as_chunks().0.iter().map(|pair| unit(*pair));
    let letters = char::decode_utf16(units);
    letters
        .map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}

const AN_RSA_KEY: &str = "an RSA key, and Apple's are elliptic-curve keys";
const OF_ANOTHER_CURVE: &str = "of another curve than P-256, the only one that APNs takes";
/// Takes away what stands around a text.
const UNQUOTE: &str = r#"sed "1s/^[\"']//; \$s/[\"'][[:space:]]*\$//""#;
/// Makes line ends of those in letters.
const UNESCAPE: &str = r"sed 's/\\r//g; s/\\n/\n/g'";
/// Puts lines of dashes on lines of their own, and then takes the rest apart at its blanks.
const ISOLATE: &str = r"sed -E 's/-----[A-Z0-9 ]+-----/\n&\n/g'";
const UNFOLD: &str = r"sed -E '/-----/!s/[[:space:]]+/\n/g; s/^[[:space:]]+//'";

/// Labels of PEM, those first that say most of a file.
static LABELS: [(&str, Label); 13] = [
    ("ENCRYPTED PRIVATE KEY", Label::EncryptedKey),
    ("PRIVATE KEY", Label::Key),
    ("EC PRIVATE KEY", Label::EcKey),
    ("RSA PRIVATE KEY", Label::RsaKey),
    ("OPENSSH PRIVATE KEY", Label::OpenSsh),
    ("CERTIFICATE", Label::Certificate),
    ("TRUSTED CERTIFICATE", Label::Trusted),
    ("CERTIFICATE REQUEST", Label::Request),
    ("NEW CERTIFICATE REQUEST", Label::Request),
    ("PKCS7", Label::Pkcs7),
    ("CMS", Label::Pkcs7),
    ("PUBLIC KEY", Label::PublicKey),
    ("RSA PUBLIC KEY", Label::PublicKey),
];

/// Object ids of keys: RSA, and P-256.
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
/// Characters at the beginning that a web page is known by.
const HEAD: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_file_is_told_without_a_part_of_it(
            file in prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..300),
                "(\\{|\"|-----BEGIN [A-Z ]{3,20}-----|\n|\\\\n|[A-Za-z0-9+/=]{20}| ){0,20}"
                    .prop_map(String::into_bytes),
            ],
        ) {
            for wanted in [SigningKey, Certificate, CertificateKey, Authorities, ServiceAccount, Text] {
                let told = complaint(&file, wanted, Path::new("a b")).unwrap_or_default();
                prop_assert!(!told.contains(char::is_control) && told.len() < 700, "{told}");
            }
        }
    }
}
