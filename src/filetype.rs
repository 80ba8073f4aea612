//! What a file is, told by its content, where a key, a certificate or a service account should be:
//! the kinds that operators have at hand instead, each with a sentence, and with the command that
//! makes of it what is needed, where there is one.
//!
//! Pure: bytes in, text out. No text repeats a part of the file.

use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{PemObject as _, SectionKind};
use serde_json::Value;

use crate::regular::shell_word;

/// What a file is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Apple's `.p8` file.
    SigningKey,
    /// PEM with our own certificate and its chain.
    Certificate,
    /// PEM with the private key of that certificate.
    CertificateKey,
    /// PEM with certificates to trust.
    Authorities,
    /// Google's service-account file.
    ServiceAccount,
    /// Lines of text.
    Text,
}

use Wanted::{Authorities, Certificate, CertificateKey, ServiceAccount, SigningKey, Text};

/// Says what a file is and what to do, if that is known. It was found to be not what is wanted.
pub fn complaint(file: &[u8], wanted: Wanted, path: &Path) -> Option<String> {
    let kind = Kind::of(file, wanted)?;
    Some(kind.told(wanted, path))
}

/// A kind of file that is none of those that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
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
    RsaKey,
    OtherCurve,
}

/// What DER is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Der {
    Certificate,
    Pkcs12,
    Pkcs7,
    Key,
    EncryptedKey,
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

impl Kind {
    fn of(file: &[u8], wanted: Wanted) -> Option<Self> {
        if file.trim_ascii().is_empty() {
            return (wanted != Text).then_some(Self::Empty);
        }
        if let Some(encoding) = utf_16(file) {
            return Some(Self::Utf16(encoding));
        }
        if wanted == Text {
            return None;
        }
        if let Some(der) = Der::of(file) {
            return Some(Self::Der(der));
        }
        let text = String::from_utf8_lossy(file);
        let text = text.trim_start_matches('\u{feff}').trim();
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
            let is_string = serde_json::from_str::<String>(text).is_ok();
            return Some(if is_string {
                Self::JsonString
            } else {
                Self::QuotedJson
            });
        }
        if text.contains("-----BEGIN ") {
            return Self::of_pem(text, wanted);
        }
        Self::of_base64(text)
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
        let labels: Vec<Label> = LABELS
            .iter()
            .filter(|(label, _)| text.contains(&format!("-----BEGIN {label}-----")))
            .map(|(_, label)| *label)
            .collect();
        let has = |label| labels.contains(&label);
        let fits = match wanted {
            Certificate | Authorities => has(Label::Certificate),
            CertificateKey => [Label::Key, Label::EncryptedKey, Label::EcKey, Label::RsaKey]
                .iter()
                .any(|it| has(*it)),
            SigningKey => has(Label::Key),
            ServiceAccount | Text => false,
        };
        if !fits {
            return labels.first().map(|label| Self::Pem(*label));
        }
        let sections = <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes());
        let mut contents = sections.flatten();
        if is_one && contents.any(|(_, der)| is_cut(&der)) {
            return Some(Self::CutPem);
        }
        if wanted == SigningKey {
            let mut keys = <(SectionKind, Vec<u8>)>::pem_slice_iter(text.as_bytes()).flatten();
            let (_, key) = keys.find(|(kind, _)| *kind == SectionKind::PrivateKey)?;
            let has = |id: &[u8]| key.windows(id.len()).any(|window| window == id);
            return match () {
                () if has(RSA) => Some(Self::RsaKey),
                () if !has(P256) && has(EC) => Some(Self::OtherCurve),
                () => None,
            };
        }
        None
    }

    fn of_base64(text: &str) -> Option<Self> {
        let is_base64 =
            |at: char| at.is_ascii_alphanumeric() || "+/=".contains(at) || at.is_whitespace();
        if !text.chars().all(is_base64) {
            return None;
        }
        let wrapped = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        let (_, content) = <(SectionKind, Vec<u8>)>::from_pem_slice(wrapped.as_bytes()).ok()?;
        match Der::of(&content) {
            Some(der) => Some(Self::BareBase64(der)),
            None if content.starts_with(b"-----BEGIN ")
                || content.trim_ascii().starts_with(b"{") =>
            {
                Some(Self::Base64OfText)
            }
            None => None,
        }
    }

    fn told(self, wanted: Wanted, path: &Path) -> String {
        let (file, out) = (shell_word(path), shell_word(&converted(path, wanted)));
        if let Self::Pem(label) = self {
            return label.told(wanted, &file, &out);
        }
        let Some((what, command)) = self.conversion(&file, &out) else {
            let source = source_of(wanted);
            return match self.final_words(&file) {
                (what, true) => format!("{what}; {source}"),
                (what, false) => what,
            };
        };
        let told = format!("{what}; convert it with: {command} (and name that file instead)");
        if self != Self::Der(Der::Pkcs12) {
            return told;
        }
        format!(
            "{told}, or if that leaves an empty file, it is encrypted as Keychain does it (RC2), \
             which OpenSSL 3 reads only with -legacy: openssl pkcs12 -legacy -in {file} -nodes -out \
             {out}"
        )
    }

    /// What the file is, and the command that makes what is wanted of it.
    fn conversion(self, file: &str, out: &str) -> Option<(String, String)> {
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
                let convert = der.converts().replace("-in FILE ", "").replace("OUT", out);
                return Some((what, format!("base64 -d {file} | {convert}")));
            }
            Self::Der(der) => {
                let what = match der {
                    Der::Pkcs12 => "the file is PKCS#12 (.p12)".to_owned(),
                    other => format!("the file is {} in DER, not in PEM", other.name()),
                };
                let command = der.converts().replace("FILE", file).replace("OUT", out);
                return Some((what, command));
            }
            _ => return None,
        };
        Some((what.to_owned(), command))
    }

    /// What the file is that nothing can be made of, and whether it is to be said where another
    /// comes from.
    fn final_words(self, file: &str) -> (String, bool) {
        let what = match self {
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
            Self::RsaKey | Self::OtherCurve => {
                let what = if self == Self::RsaKey {
                    "an RSA key, and Apple's are elliptic-curve keys"
                } else {
                    "of another curve than P-256, the only one that APNs takes"
                };
                let what = format!(
                    "the key is {what}, as is shown by: openssl pkey -in {file} -noout -text"
                );
                return (what, true);
            }
            _ => "the file breaks off before its -----END line, or is shorter than it says",
        };
        (what.to_owned(), true)
    }
}

impl Der {
    /// What DER it is, of the kinds that are told (X.509, RFC 5208, RFC 5915, RFC 7292, RFC 8017).
    fn of(file: &[u8]) -> Option<Self> {
        let body = content(file, SEQUENCE)?;
        let (tag, inner) = body.split_first()?;
        match *tag {
            SEQUENCE => match *content(body, SEQUENCE)?.first()? {
                VERSION | INTEGER => Some(Self::Certificate),
                OBJECT_ID => Some(Self::EncryptedKey),
                _ => None,
            },
            // Its length, then its value.
            INTEGER => match inner {
                [1, 3, SEQUENCE, ..] => Some(Self::Pkcs12),
                [1, 0, SEQUENCE | INTEGER, ..] | [1, 1, BYTES, ..] => Some(Self::Key),
                _ => None,
            },
            OBJECT_ID => body.get(2..)?.starts_with(PKCS7).then_some(Self::Pkcs7),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "a certificate",
            Self::Pkcs12 => "PKCS#12 (.p12)",
            Self::Pkcs7 => "PKCS#7 (.p7b)",
            Self::Key => "a private key",
            Self::EncryptedKey => "an encrypted private key",
        }
    }

    /// The command that makes PEM of it, of FILE in OUT.
    const fn converts(self) -> &'static str {
        match self {
            Self::Certificate => "openssl x509 -inform DER -in FILE -out OUT",
            Self::Pkcs12 => "openssl pkcs12 -in FILE -nodes -out OUT",
            Self::Pkcs7 => "openssl pkcs7 -inform DER -print_certs -in FILE -out OUT",
            Self::Key => "openssl pkey -inform DER -in FILE -out OUT",
            Self::EncryptedKey => "openssl pkcs8 -inform DER -in FILE -out OUT",
        }
    }
}

impl Label {
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

/// Where what is wanted comes from.
const fn source_of(wanted: Wanted) -> &'static str {
    match wanted {
        SigningKey => {
            "take the .p8 file as it was downloaded, or make another key in Apple's developer \
             account, under keys"
        }
        Certificate => {
            "export the certificate again, from Keychain with its key, or download it from Apple's \
             developer account"
        }
        CertificateKey => "export the private key again, from Keychain with its certificate",
        Authorities => "name the PEM file of those who have issued the server's certificate",
        ServiceAccount => {
            "make a key in Firebase console, project settings, service accounts, generate new \
             private key"
        }
        Text => "write it as text in UTF-8",
    }
}

/// The file that a conversion writes: beside, and never itself.
fn converted(path: &Path, wanted: Wanted) -> PathBuf {
    path.with_extension(match wanted {
        SigningKey => "converted.p8",
        Certificate | CertificateKey | Authorities => "converted.pem",
        ServiceAccount => "converted.json",
        Text => "converted.txt",
    })
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

/// What follows the head of an element with that tag, if the file begins with one.
fn content(der: &[u8], tag: u8) -> Option<&[u8]> {
    let (head, _) = head(der)?;
    (der.first() == Some(&tag))
        .then(|| der.get(head..))
        .flatten()
}

/// Bytes of an element's head, and of its content by what that says.
fn head(der: &[u8]) -> Option<(usize, usize)> {
    let first = *der.get(1)?;
    if first < 0x80 {
        return Some((2, usize::from(first)));
    }
    let count = usize::from(first & 0x7f);
    let digits = der
        .get(2..2_usize.checked_add(count)?)
        .filter(|_| (1..=4).contains(&count))?;
    let length = digits.iter().try_fold(0_usize, |length, digit| {
        length.checked_mul(256)?.checked_add(usize::from(*digit))
    })?;
    Some((count.saturating_add(2), length))
}

/// Whether there is less of it than it says.
fn is_cut(der: &[u8]) -> bool {
    head(der).is_none_or(|(head, length)| der.len() < head.saturating_add(length))
}

const P8_FILE: &str = "the .p8 file that Apple hands out for token authentication";
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

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BYTES: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const VERSION: u8 = 0xa0;
/// Object ids: `signedData` of PKCS#7, and of keys RSA, elliptic curves and P-256.
const PKCS7: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
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
