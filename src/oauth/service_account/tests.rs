use jsonwebtoken::{DecodingKey, Validation};
use serde_json::{Value, json};

use super::*;
use crate::provider::fixture::{EC, RSA, UNIX, pem};

/// A file as Google writes it.
fn file() -> Value {
    json!({
        "type": "service_account",
        "project_id": "my-app-1a2b3",
        "private_key_id": "0123456789abcdef0123456789abcdef01234567",
        "private_key": RSA.serialize_pem(),
        "client_email": "push@my-app-1a2b3.iam.gserviceaccount.com",
        "client_id": "1234567890",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com"
    })
}

/// The file with one field changed; null takes it away.
fn with(field: &str, value: impl Into<Value>) -> Result<ServiceAccount, String> {
    let mut file = file();
    file[field] = value.into();
    ServiceAccount::parse(&file.to_string())
}

fn check_refused(field: &str, value: impl Into<Value>, expected: &str) {
    let error = with(field, value).unwrap_err();
    assert!(error.contains(expected), "{error}");
}

fn check_signs(account: &ServiceAccount) {
    let token = account.assertion(UNIX).unwrap();
    let mut validation = Validation::new(Algorithm::RS256);
    validation.validate_exp = false;
    validation.set_audience(&["https://oauth2.googleapis.com/token"]);
    let key = DecodingKey::from_rsa_der(RSA.public_key_raw());
    let decoded = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
    assert_eq!(
        decoded.claims,
        json!({
            "iss": "push@my-app-1a2b3.iam.gserviceaccount.com",
            "scope": "https://www.googleapis.com/auth/firebase.messaging",
            "aud": "https://oauth2.googleapis.com/token",
            "iat": UNIX - 10,
            "exp": UNIX - 10 + 3600,
        })
    );
    assert_eq!(decoded.header.alg, Algorithm::RS256);
    assert_eq!(decoded.header.typ.as_deref(), Some("JWT"));
    assert_eq!(decoded.header.kid, account.key_id);
}

#[test]
fn no_field_with_a_key_in_it_is_told() {
    let key = RSA.serialize_pem();
    for field in [
        "type",
        "project_id",
        "private_key_id",
        "client_email",
        "token_uri",
        "universe_domain",
    ] {
        let expected = format!("{field} holds the content of a key, or a password");
        let drawn = "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY";
        assert_eq!(with(field, drawn).is_err(), field != "private_key_id");
        for value in [&*key, "https://me:hunter2@oauth2.googleapis.com/token"] {
            let error = with(field, value).unwrap_err();
            assert_eq!(error, expected);
        }
    }
}

#[test]
fn googles_file_signs_assertions() {
    let account = ServiceAccount::parse(&file().to_string()).unwrap();
    assert_eq!(account.project_id(), Some("my-app-1a2b3"));
    assert_eq!(
        account.client_email,
        "push@my-app-1a2b3.iam.gserviceaccount.com"
    );
    assert_eq!(account.token_uri(), "https://oauth2.googleapis.com/token");
    check_signs(&account);
}

#[test]
fn key_id_project_and_universe_may_be_absent() {
    for field in ["private_key_id", "project_id", "universe_domain"] {
        for absent in [Value::Null, "".into()] {
            check_signs(&with(field, absent).unwrap());
        }
    }
    assert_eq!(with("project_id", "").unwrap().project_id(), None);
}

#[test]
fn keys_that_were_escaped_twice_are_mended() {
    let key = RSA.serialize_pem();
    check_signs(&with("private_key", key.replace('\n', "\\n")).unwrap());
    check_signs(&with("private_key", key.replace('\n', "\\r\\n")).unwrap());
    check_signs(&with("private_key", key.replace('\n', "\r\n")).unwrap());
    check_signs(&with("private_key", key.trim_end()).unwrap());
}

#[test]
fn pkcs1_keys_are_taken() {
    // What is inside PKCS#8 of RSA-2048, after version, algorithm and byte-string head.
    let pkcs1 = &RSA.serialized_der()[26..];
    check_signs(&with("private_key", pem("RSA PRIVATE KEY", pkcs1, "\n")).unwrap());
}

#[test]
fn other_kinds_of_credentials_are_refused_by_name() {
    for kind in ["authorized_user", "impersonated_service_account"] {
        check_refused("type", kind, kind);
        check_refused("type", kind, "create a key for a service account");
    }
    check_refused("type", Value::Null, "type is missing");
}

#[test]
fn a_value_that_is_not_known_is_refused_and_not_shown() {
    for (field, expected) in [
        (
            "type",
            "type is neither \"service_account\" nor \"external_account\"",
        ),
        (
            "universe_domain",
            "universe_domain is not \"googleapis.com\", which alone has FCM",
        ),
        (
            "client_email",
            "client_email is no address of a service account",
        ),
        ("project_id", "project_id: the project id has a character"),
        ("token_uri", "token_uri "),
    ] {
        for value in ["hunter2?", "xoxb-hunter2?-1234", "/hunter2?"] {
            let error = with(field, value).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
    let drawn = "AIzaSyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY";
    let account = with("private_key_id", drawn).unwrap();
    assert_eq!(account.key_id(), Some("(not shown)"));
    let id = "0123456789abcdef0123456789abcdef01234567";
    assert_eq!(with("private_key_id", id).unwrap().key_id(), Some(id));
}

#[test]
fn assertions_go_to_https_or_to_this_machine_only() {
    for good in [
        "https://accounts.google.com/o/oauth2/token",
        "https://localhost:8443/token",
        "http://127.0.0.1:4000/token",
        "http://localhost:4000/token",
        "http://[::1]:4000/token",
    ] {
        assert_eq!(with("token_uri", good).unwrap().token_uri(), good);
    }
    for bad in [
        "http://oauth2.googleapis.com/token",
        "http://127.0.0.1.example.com/token",
        "http://localhost.example.com/token",
        "ftp://127.0.0.1/token",
        "/token",
        "oauth2.googleapis.com",
    ] {
        check_refused("token_uri", bad, "token_uri must be an https address");
    }
    check_refused("token_uri", "https://a b", "token_uri is not a URI");
}

#[test]
fn missing_fields_are_named() {
    for field in ["private_key", "client_email", "token_uri"] {
        check_refused(field, Value::Null, &format!("{field} is missing or empty"));
        check_refused(field, "", &format!("{field} is missing or empty"));
    }
}

#[test]
fn keys_that_cannot_sign_are_refused() {
    check_refused("private_key", "secret", "not a private key in PEM form");
    check_refused(
        "private_key",
        pem("PRIVATE KEY", b"secret", "\n"),
        "not a readable RSA key",
    );
    check_refused("private_key", EC.serialize_pem(), "not a readable RSA key");
    check_refused(
        "private_key",
        pem("ENCRYPTED PRIVATE KEY", b"x", "\n"),
        "encrypted",
    );
    let mut broken = RSA.serialized_der().to_vec();
    broken[40] ^= 1;
    assert!(with("private_key", pem("PRIVATE KEY", &broken, "\n")).is_err());
}

#[test]
fn a_project_id_that_would_change_the_path_is_refused() {
    check_refused("project_id", "a/../b", "project_id: ");
}

#[test]
fn what_is_no_json_is_refused_without_being_quoted() {
    let error = ServiceAccount::parse("{\"private_key\": secret}").unwrap_err();
    assert_eq!(
        error,
        "not a service-account file: bad JSON at line 1, column 17"
    );
    assert!(ServiceAccount::parse("").is_err());
    assert!(ServiceAccount::parse("[]").is_err());
    check_refused("private_key", 7, "not a service-account file");
}

#[test]
fn a_file_over_the_limit_is_not_looked_into() {
    let text = file().to_string();
    let padded = |size: usize| text.clone() + &" ".repeat(size - text.len());
    assert!(ServiceAccount::parse(&padded(KEY_FILE_MAX)).is_ok());
    let error = ServiceAccount::parse(&padded(KEY_FILE_MAX + 1)).unwrap_err();
    assert!(error.contains("over 65536 bytes"));
}

#[test]
fn debug_output_has_no_key() {
    let text = format!("{:?}", ServiceAccount::parse(&file().to_string()).unwrap());
    assert!(text.contains("my-app-1a2b3") && !text.contains("PRIVATE"));
    assert!(text.ends_with(", .. }"));
}
