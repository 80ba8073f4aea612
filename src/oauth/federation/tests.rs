use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::oauth::AllowedHosts;
use crate::oauth::Class;
use crate::oauth::fixture::TokenEndpoint;

const AUDIENCE: &str = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p";
const SUBJECT: &str = "head.c3ViamVjdA.sig-_+/=";

/// An account whose subject token is in that file, at servers of a script.
fn account(servers: &TokenEndpoint, file: &Path, impersonates: bool) -> ExternalAccount {
    let impersonation = "/v1/projects/-/serviceAccounts/a@b.example:generateAccessToken";
    let url = servers.url(impersonation);
    let file = json!({
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": servers.url("/v1/token"),
        "service_account_impersonation_url": impersonates.then_some(url),
        "service_account_impersonation": {"token_lifetime_seconds": 1800},
        "credential_source": {"file": file},
    });
    let hosts = AllowedHosts {
        tokens: &["127.0.0.1".to_owned()],
        ..AllowedHosts::default()
    };
    ExternalAccount::parse(&file.to_string(), hosts).unwrap()
}

/// What comes of an exchange in which the servers answer so: status, header fields, body.
fn asked(
    impersonates: bool,
    answers: &[(&str, &str, &str)],
) -> (Result<Grant, ExchangeFailure>, TokenEndpoint) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    fs::write(&path, SUBJECT).unwrap();
    let servers = TokenEndpoint::start();
    for (status, fields, body) in answers {
        servers.answer(status, fields, body);
    }
    let account = account(&servers, &path, impersonates);
    let agent = ureq::Agent::new_with_defaults();
    let result = exchange(&account, &ServerClock::default(), &agent);
    (result, servers)
}

const GRANTED: &str = r#"{"access_token":"ya29.federated","token_type":"Bearer","expires_in":3599,
    "issued_token_type":"urn:ietf:params:oauth:token-type:access_token"}"#;

fn failure(result: Result<Grant, ExchangeFailure>) -> ExchangeFailure {
    match result {
        Err(failure) => failure,
        Ok(_) => panic!("a token came"),
    }
}

#[test]
fn the_form_is_the_one_of_rfc_8693() {
    let (result, servers) = asked(false, &[("200 OK", "", GRANTED)]);
    let grant = result.unwrap_or_else(|failure| panic!("{failure:?}"));
    assert_eq!(
        (&*grant.token, grant.life.as_secs()),
        ("ya29.federated", 3599)
    );
    let request = servers.request();
    assert!(
        request.head.starts_with("POST /v1/token HTTP/1.1"),
        "{request:?}"
    );
    assert!(
        request
            .head
            .contains("content-type: application/x-www-form-urlencoded\r\n")
    );
    assert!(!request.head.contains("authorization:"), "{request:?}");
    let expected = [
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange",
        "audience=%2F%2Fiam.googleapis.com%2Fprojects%2F1%2Flocations%2Fglobal%2F\
         workloadIdentityPools%2Fp",
        "scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Ffirebase.messaging",
        "requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token",
        "subject_token=head.c3ViamVjdA.sig-_%2B%2F%3D",
        "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt",
    ];
    assert_eq!(request.content, expected.join("&"));
}

#[test]
fn a_service_account_is_impersonated_and_its_token_ends_when_the_server_says() {
    let date = "date: Mon, 21 Sep 2026 14:13:20 GMT\r\n";
    let body = r#"{"accessToken":"ya29.c.sa","expireTime":"2026-09-21T14:43:20Z"}"#;
    let (result, servers) = asked(true, &[("200 OK", "", GRANTED), ("200 OK", date, body)]);
    let grant = result.unwrap_or_else(|failure| panic!("{failure:?}"));
    assert_eq!(grant.token, "ya29.c.sa");
    assert_eq!(
        grant.life,
        Duration::from_secs(1800),
        "by the server's clock, not by ours"
    );
    let exchange = servers.form();
    assert!(exchange.contains("&scope=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform&"));
    let request = servers.request();
    let path = "/v1/projects/-/serviceAccounts/a@b.example:generateAccessToken";
    assert!(
        request.head.starts_with(&format!("POST {path} HTTP/1.1")),
        "{request:?}"
    );
    assert!(
        request
            .head
            .contains("authorization: bearer ya29.federated\r\n"),
        "{request:?}"
    );
    assert!(
        request.head.contains("content-type: application/json\r\n"),
        "{request:?}"
    );
    let content: Value = serde_json::from_str(&request.content).unwrap();
    let scope = ["https://www.googleapis.com/auth/firebase.messaging"];
    assert_eq!(content, json!({"scope": scope, "lifetime": "1800s"}));
}

#[test]
fn refusals_are_told_by_their_server_and_show_no_token() {
    let told = |word: &str, said: &str| json!({"error": word, "error_description": said});
    let denied = json!({"error": {
        "code": 403,
        "status": "PERMISSION_DENIED",
        "message": "Permission 'iam.serviceAccounts.getAccessToken' denied for ya29.federated",
    }});
    let off = json!({"error": {
        "code": 403,
        "status": "PERMISSION_DENIED",
        "message": "IAM Service Account Credentials API has not been used in project 1 before",
    }});
    let escaped = encoded(SUBJECT);
    for (impersonates, status, body, class, expected) in [
        (
            false,
            "400 Bad Request",
            told("invalid_target", "The target service is invalid."),
            Class::Stopping,
            "there is no such identity pool or provider, or it is disabled (status 400, \
             invalid_target, The target service is invalid.)",
        ),
        (
            false,
            "400 Bad Request",
            told(
                "invalid_grant",
                "ID Token issued at 1665581229 is stale to sign-in.",
            ),
            Class::Passing,
            "the subject token is too old: whoever writes it has not renewed it (status 400, ",
        ),
        (
            false,
            "400 Bad Request",
            told("invalid_grant", &format!("no {SUBJECT} and no {escaped}")),
            Class::Stopping,
            "does not accept the subject token (status 400, invalid_grant, no (not shown) and no \
             (not shown))",
        ),
        (
            false,
            "503 Service Unavailable",
            json!("<html>"),
            Class::Passing,
            "no access token (status 503)",
        ),
        (
            true,
            "403 Forbidden",
            denied,
            Class::Stopping,
            "the identity lacks iam.serviceAccounts.getAccessToken, or has had it for a few \
             minutes only (status 403, PERMISSION_DENIED, Permission \
             'iam.serviceAccounts.getAccessToken' denied for (not shown))",
        ),
        (
            true,
            "403 Forbidden",
            off,
            Class::Stopping,
            "the IAM Service Account Credentials API is switched off",
        ),
        (
            true,
            "200 OK",
            json!({"accessToken": "ya29.c.sa", "expireTime": "tomorrow"}),
            Class::Passing,
            "Google's IAM Credentials API sent an access token without an expireTime",
        ),
        (
            true,
            "200 OK",
            json!({"accessToken": "ya29.c.sa", "expireTime": "2001-01-01T00:00:00Z"}),
            Class::Passing,
            "Google's IAM Credentials API sent an access token that has expired",
        ),
        (
            false,
            "200 OK",
            json!({"access_token": "x", "expires_in": 9, "issued_token_type": "jwt"}),
            Class::Passing,
            "Google's security token service sent a token that is no access token",
        ),
    ] {
        let body = body.to_string();
        let last = (status, "", &*body);
        let answers = if impersonates {
            vec![("200 OK", "", GRANTED), last]
        } else {
            vec![last]
        };
        let failure = failure(asked(impersonates, &answers).0);
        assert_eq!(failure.class, class, "{}", failure.text);
        assert!(failure.text.contains(expected), "{}", failure.text);
        for secret in [SUBJECT, &*escaped, "ya29."] {
            assert!(!failure.text.contains(secret), "{}", failure.text);
        }
    }
}

#[test]
fn no_server_sends_a_token_on() {
    let other = TokenEndpoint::start();
    let location = format!("location: {}\r\n", other.uri);
    let moved = ("307 Temporary Redirect", &*location, "");
    let granted = ("200 OK", "", GRANTED);
    for (impersonates, answers) in [(false, vec![moved]), (true, vec![granted, moved])] {
        let failure = failure(asked(impersonates, &answers).0);
        assert_eq!(failure.text, "no access token (status 307)");
    }
    assert!(other.requests.try_recv().is_err(), "a token went elsewhere");
}
