//! Whose a certificate is, and from when until when it is valid. Pure: bytes in, times out.
//!
//! rustls looks at this only in a handshake, and has no way to ask. So the few fields before it are
//! stepped over here (RFC 5280 §4.1).

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The two ends, in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Valid from then on.
    pub from: i64,
    /// Valid until then.
    pub to: i64,
}

/// Reads it from a certificate's DER; `None` if that cannot be read.
pub fn validity(certificate: &[u8]) -> Option<Validity> {
    let (validity, _) = dated(certificate)?;
    let (from, rest) = time(validity)?;
    let (to, _) = time(rest)?;
    Some(Validity { from, to })
}

/// Whose certificate it is, as `CN=…, O=…`: what of it can be shown on a line, `None` if that is
/// nothing.
pub fn subject(certificate: &[u8]) -> Option<String> {
    let (_, rest) = dated(certificate)?;
    let (mut names, _) = element(rest, SEQUENCE)?;
    let mut shown = Vec::new();
    while let Some((set, rest)) = element(names, SET) {
        names = rest;
        let (pair, _) = element(set, SEQUENCE)?;
        let (kind, value) = element(pair, OBJECT_ID)?;
        let Some((_, name)) = NAMES.iter().find(|(id, _)| *id == kind) else {
            continue;
        };
        let value = TEXTS.iter().find_map(|tag| element(value, *tag));
        let value = String::from_utf8_lossy(value?.0);
        let is_shown = |at: &char| at.is_alphanumeric() || " !&'()+-./:@_".contains(*at);
        let value: String = value.chars().filter(is_shown).take(SHOWN_MAX).collect();
        shown.push(format!("{name}={value}"));
    }
    shown.truncate(NAMES.len());
    (!shown.is_empty()).then(|| shown.join(", "))
}

/// The content of a certificate's validity, and what follows it.
fn dated(certificate: &[u8]) -> Option<(&[u8], &[u8])> {
    let (outer, _) = element(certificate, SEQUENCE)?;
    let (mut body, _) = element(outer, SEQUENCE)?;
    if let Some((_version, rest)) = element(body, VERSION) {
        body = rest;
    }
    let (_serial, rest) = element(body, INTEGER)?;
    let (_algorithm, rest) = element(rest, SEQUENCE)?;
    let (_issuer, rest) = element(rest, SEQUENCE)?;
    element(rest, SEQUENCE)
}

/// The content of the element that begins here, if it has that tag, and what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    if found != tag {
        return None;
    }
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            let length = digits.iter().try_fold(0_usize, |length, digit| {
                length.checked_mul(256)?.checked_add(usize::from(*digit))
            })?;
            (length, rest)
        }
        _ => return None,
    };
    rest.split_at_checked(length)
}

/// The time that begins here, and what follows it. Both forms end in `Z` (RFC 5280 §4.1.2.5).
fn time(bytes: &[u8]) -> Option<(i64, &[u8])> {
    if let Some((text, rest)) = element(bytes, UTC_TIME) {
        let text = std::str::from_utf8(text).ok()?;
        let year: u8 = text.get(..2)?.parse().ok()?;
        let century = if year >= 50 { "19" } else { "20" };
        return Some((seconds(&format!("{century}{text}"))?, rest));
    }
    let (text, rest) = element(bytes, GENERALIZED_TIME)?;
    Some((seconds(std::str::from_utf8(text).ok()?)?, rest))
}

/// Reads `YYYYMMDDHHMMSSZ`.
fn seconds(text: &str) -> Option<i64> {
    let text = text.strip_suffix('Z')?;
    let time = DateTime::strptime("%Y%m%d%H%M%S", text).ok()?;
    let time = time.to_zoned(TimeZone::UTC).ok()?;
    Some(time.timestamp().as_second())
}

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_ID: u8 = 0x06;
const VERSION: u8 = 0xa0;
/// `UTF8String`, `PrintableString`, `T61String`, `IA5String`.
const TEXTS: [u8; 4] = [0x0c, 0x13, 0x14, 0x16];
/// Parts of a name that tell one from another (RFC 5280 §4.1.2.4).
const NAMES: [(&[u8], &str); 3] = [
    (&[0x55, 4, 3], "CN"),
    (&[0x55, 4, 10], "O"),
    (&[0x55, 4, 11], "OU"),
];
/// Characters of a part that are shown.
const SHOWN_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_forms_of_time_are_read() {
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.not_before = rcgen::date_time_ymd(2001, 9, 9);
        params.not_after = rcgen::date_time_ymd(2050, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let found = validity(certificate.der());
        let expected = Validity {
            from: 999_993_600,
            to: 2_524_608_000,
        };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn the_subject_is_shown_on_one_line() {
        let of = |name: &str| {
            let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
            params.distinguished_name = rcgen::DistinguishedName::new();
            let names = &mut params.distinguished_name;
            names.push(rcgen::DnType::OrganizationName, "Ex, Ltd.");
            names.push(rcgen::DnType::CommonName, name);
            let key = rcgen::KeyPair::generate().unwrap();
            subject(params.self_signed(&key).unwrap().der()).unwrap()
        };
        assert_eq!(of("Büro CA"), "O=Ex Ltd., CN=Büro CA");
        let long = of(&format!("a\n\u{1b}[31m{}", "b".repeat(500)));
        assert!(
            long.len() < 100 && !long.contains(char::is_control),
            "{long}"
        );
        assert_eq!(subject(&[SEQUENCE, 0]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_not(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let found = validity(&bytes);
            let _shown = subject(&bytes);
            prop_assert!(found.is_none() || bytes.first() == Some(&SEQUENCE));
        }
    }
}
