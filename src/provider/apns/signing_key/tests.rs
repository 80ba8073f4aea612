use jsonwebtoken::{DecodingKey, Validation};
use serde_json::Value;

use super::*;
use crate::provider::fixture::{EC, RSA, UNIX, pem};

const KEY_ID: &str = "ABC123DEFG";
const TEAM_ID: &str = "DEF123GHIJ";

/// One element of DER whose content is shorter than 256 bytes.
fn der(tag: u8, contents: &[&[u8]]) -> Vec<u8> {
    let content = contents.concat();
    let length = u8::try_from(content.len()).unwrap();
    let head: &[u8] = if length < 0x80 {
        &[tag, length]
    } else {
        &[tag, 0x81, length]
    };
    [head, &content].concat()
}

/// The private scalar of the fixture's key: the 32 bytes after `BYTE STRING(32)`.
fn scalar() -> Vec<u8> {
    let key = EC.serialized_der();
    let at = key
        .windows(5)
        .position(|it| it == [2, 1, 1, 4, 32])
        .unwrap()
        + 5;
    key[at..at + 32].to_vec()
}

const P256: [u8; 10] = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];

/// An `ECPrivateKey` (RFC 5915 §3), with or without its optional parts.
fn ec_private_key(curve: bool, public_key: bool) -> Vec<u8> {
    let point = der(3, &[&[0], EC.public_key_raw()]);
    let curve = if curve {
        der(0xa0, &[&P256])
    } else {
        Vec::new()
    };
    let public_key = if public_key {
        der(0xa1, &[&point])
    } else {
        Vec::new()
    };
    der(
        0x30,
        &[&[2, 1, 1], &der(4, &[&scalar()]), &curve, &public_key],
    )
}

fn pkcs8(curve: bool, public_key: bool) -> Vec<u8> {
    let ec_public_key = [6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    let algorithm = der(0x30, &[&ec_public_key, &P256]);
    let key = der(4, &[&ec_private_key(curve, public_key)]);
    der(0x30, &[&[2, 1, 0], &algorithm, &key])
}

fn read(file: &str) -> Result<SigningKey, String> {
    SigningKey::from_pem(file.as_bytes(), KEY_ID, TEAM_ID)
}

fn check_signs(file: &str) {
    let token = read(file).unwrap().sign(UNIX).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let key = DecodingKey::from_ec_der(EC.public_key_raw());
    let decoded = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
    assert_eq!(
        decoded.claims,
        serde_json::json!({"iss": TEAM_ID, "iat": UNIX})
    );
}

fn check_refused(file: &str, expected: &str) {
    let error = read(file).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

/// Undoes base64url, of a text without padding.
fn plain(text: &str) -> String {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (mut bits, mut count, mut bytes) = (0_usize, 0, Vec::new());
    for digit in text.chars() {
        bits = (bits << 6 | DIGITS.find(digit).unwrap()) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    String::from_utf8(bytes).unwrap()
}

#[test]
fn both_sizes_of_apples_keys_and_keys_without_a_public_key_sign() {
    assert_eq!(
        (pkcs8(false, true).len(), pkcs8(true, true).len()),
        (138, 150)
    );
    for curve in [false, true] {
        for public_key in [false, true] {
            check_signs(&pem("PRIVATE KEY", &pkcs8(curve, public_key), "\n"));
        }
    }
    check_signs(&EC.serialize_pem());
}

#[test]
fn line_ends_do_not_matter() {
    let key = pkcs8(true, true);
    check_signs(&pem("PRIVATE KEY", &key, "\r\n"));
    check_signs(pem("PRIVATE KEY", &key, "\n").trim_end());
    check_signs(pem("PRIVATE KEY", &key, "\r\n").trim_end());
    check_signs(&format!("{}\n\n", pem("PRIVATE KEY", &key, "\n")));
}

#[test]
fn the_token_is_exactly_what_apple_documents() {
    let key = read(&EC.serialize_pem()).unwrap();
    let token = key.sign(UNIX).unwrap();
    let parts: Vec<_> = token.split('.').collect();
    assert_eq!(parts.len(), 3);
    assert_eq!(plain(parts[0]), r#"{"alg":"ES256","kid":"ABC123DEFG"}"#);
    assert_eq!(plain(parts[1]), r#"{"iss":"DEF123GHIJ","iat":1790000000}"#);
    assert_eq!(parts[2].len(), 86, "64 bytes, not DER");
}

#[test]
fn other_files_are_refused_with_a_reason() {
    for label in ["ENCRYPTED PRIVATE KEY", "RSA PRIVATE KEY", "CERTIFICATE"] {
        check_refused(&pem(label, b"x", "\n"), "not a .p8 file");
    }
    check_refused("", "not a .p8 file");
    check_refused("{\"type\":\"service_account\"}", "not a .p8 file");
    check_refused(
        &pem("PRIVATE KEY", b"garbage", "\n"),
        "no readable elliptic-curve key",
    );
    check_refused(&RSA.serialize_pem(), "no readable elliptic-curve key");
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
    check_refused(&p384.serialize_pem(), "not a P-256 key");
    let mut wrong = pkcs8(true, true);
    wrong.truncate(100);
    check_refused(
        &pem("PRIVATE KEY", &wrong, "\n"),
        "no readable elliptic-curve key",
    );
}

#[test]
fn a_file_over_the_limit_is_not_looked_into() {
    let mut file = EC.serialize_pem();
    file.push_str(&"\n".repeat(KEY_FILE_MAX));
    check_refused(&file, "over 65536 bytes");
}

#[test]
fn ids_are_letters_and_digits() {
    let file = EC.serialize_pem();
    let read = |key_id: &str, team_id: &str| {
        SigningKey::from_pem(file.as_bytes(), key_id, team_id).map(|_| ())
    };
    assert_eq!(read("", TEAM_ID).unwrap_err(), "the key id is empty");
    assert_eq!(read(KEY_ID, "").unwrap_err(), "the team id is empty");
    assert!(
        read("ABC 123", TEAM_ID)
            .unwrap_err()
            .starts_with("the key id is not one")
    );
    assert!(read(KEY_ID, &"A".repeat(ID_MAX + 1)).is_err());
    assert!(read(KEY_ID, &"A".repeat(ID_MAX)).is_ok());
}

#[test]
fn debug_output_has_no_key() {
    let text = format!("{:?}", read(&EC.serialize_pem()).unwrap());
    assert_eq!(
        text,
        r#"SigningKey { key_id: "ABC123DEFG", team_id: "DEF123GHIJ", .. }"#
    );
}
