//! DER: which of the kinds that are told it is, what can be made of it, and by which command.

use super::wanted::Wanted::{self, Authorities, Certificate, CertificateKey, SigningKey};

/// What DER is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Der {
    Certificate,
    Pkcs12,
    Pkcs7,
    Key,
    EncryptedKey,
}

impl Der {
    /// What DER it is, of the kinds that are told (X.509, RFC 5208, RFC 5915, RFC 7292, RFC 8017).
    pub(super) fn of(file: &[u8]) -> Option<Self> {
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

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Certificate => "a certificate",
            Self::Pkcs12 => "PKCS#12 (.p12)",
            Self::Pkcs7 => "PKCS#7 (.p7b)",
            Self::Key => "a private key",
            Self::EncryptedKey => "an encrypted private key",
        }
    }

    /// Whether what is wanted can be made of it.
    pub(super) fn serves(self, wanted: Wanted) -> bool {
        match self {
            Self::Certificate | Self::Pkcs7 => matches!(wanted, Certificate | Authorities),
            Self::Pkcs12 => matches!(wanted, Certificate | CertificateKey | Authorities),
            Self::Key | Self::EncryptedKey => matches!(wanted, CertificateKey | SigningKey),
        }
    }

    /// The command that makes PEM of it in `out`, of `file` or, if that is empty, of what it is
    /// piped into.
    pub(super) fn command(self, options: &str, file: &str, wanted: Wanted, out: &str) -> String {
        let command = match self {
            Self::Certificate => "x509 -inform DER",
            // The private key stays where it is.
            Self::Pkcs12 if wanted == Authorities => "pkcs12 -nokeys",
            Self::Pkcs12 => "pkcs12 -nodes",
            Self::Pkcs7 => "pkcs7 -inform DER -print_certs",
            Self::Key => "pkey -inform DER",
            Self::EncryptedKey => "pkcs8 -inform DER",
        };
        let of = if file.is_empty() { "" } else { " -in " };
        format!("openssl {command}{options}{of}{file} -out {out}")
    }
}

/// What follows the head of an element with that tag, if the file begins with one.
pub(super) fn content(der: &[u8], tag: u8) -> Option<&[u8]> {
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
pub(super) fn is_cut(der: &[u8]) -> bool {
    head(der).is_none_or(|(head, length)| der.len() < head.saturating_add(length))
}

pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const INTEGER: u8 = 0x02;
const BYTES: u8 = 0x04;
const OBJECT_ID: u8 = 0x06;
const VERSION: u8 = 0xa0;
/// The object id `signedData` of PKCS#7.
const PKCS7: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 2];
