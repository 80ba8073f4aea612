use proptest::prelude::*;
use serde_json::json;

use super::*;

fn failure(status: u16, body: &str) -> ExchangeFailure {
    match judge(&TOKEN_ENDPOINT, status, body.as_bytes()) {
        Err(failure) => failure,
        Ok(_) => panic!("{status} {body} is a success"),
    }
}

fn error(word: &str, said: &str) -> String {
    json!({"error": word, "error_description": said}).to_string()
}

/// The documented errors: status, `error`, `error_description`.
const ERRORS: &[(u16, &str, &str, Class)] = &[
    (
        400,
        "invalid_grant",
        "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable \
         timeframe. Check your iat and exp values in the JWT claim.",
        Class::Clock,
    ),
    (
        400,
        "invalid_grant",
        "Invalid JWT Signature.",
        Class::Stopping,
    ),
    (
        400,
        "invalid_grant",
        "Invalid grant: account not found",
        Class::Stopping,
    ),
    (
        400,
        "invalid_grant",
        "Not a valid email or user ID.",
        Class::Stopping,
    ),
    (400, "invalid_scope", "", Class::Stopping),
    (400, "unsupported_grant_type", "", Class::Stopping),
    (400, "invalid_request", "", Class::Stopping),
    (400, "unauthorized_client", "", Class::Stopping),
    (401, "unauthorized_client", "", Class::Stopping),
    (401, "invalid_client", "", Class::Stopping),
    (401, "disabled_client", "", Class::Stopping),
    (401, "deleted_client", "", Class::Stopping),
    (400, "access_denied", "", Class::Stopping),
    (403, "access_denied", "", Class::Stopping),
    (403, "admin_policy_enforced", "", Class::Stopping),
    (403, "org_internal", "", Class::Stopping),
    (400, "internal_failure", "", Class::Passing),
    (400, "server_error", "", Class::Passing),
    (403, "temporarily_unavailable", "", Class::Passing),
    (400, "invalid_request", "internal_failure", Class::Stopping),
    (400, "brand_new", "server_error", Class::Passing),
    (400, "brand_new", "", Class::Stopping),
];

#[test]
fn every_documented_error() {
    for &(status, word, said, class) in ERRORS {
        let failure = failure(status, &error(word, said));
        assert_eq!(failure.class, class, "{status} {word} {said}");
        assert!(failure.text.contains(word) && failure.text.contains(said));
        assert!(failure.text.contains(&status.to_string()));
    }
}

#[test]
fn the_table_has_no_word_that_is_untested() {
    for row in ROWS {
        let tested = ERRORS.iter().any(|(_, word, said, class)| {
            (*word, *class) == (row.error, row.class) && said.contains(row.description)
        });
        assert!(tested, "{} {}", row.error, row.description);
    }
}

#[test]
fn some_statuses_pass_whatever_the_body() {
    for status in [408, 429, 500, 502, 503, 504] {
        for body in [
            "",
            "<html>",
            &error("invalid_grant", "Invalid JWT Signature."),
        ] {
            assert_eq!(
                failure(status, body).class,
                Class::Passing,
                "{status} {body}"
            );
        }
    }
}

#[test]
fn other_statuses_without_a_word_stop() {
    for status in [301, 400, 401, 403, 404, 405] {
        for body in ["", "<html>", "null", "[]", r#"{"error":7}"#] {
            let failure = failure(status, body);
            assert_eq!(failure.class, Class::Stopping, "{status} {body}");
            assert_eq!(failure.text, format!("no access token (status {status})"));
        }
    }
}

#[test]
fn an_error_object_of_the_front_end_is_understood() {
    let failure = failure(404, r#"{"error":{"code":404,"message":"not here"}}"#);
    assert_eq!(failure.text, "no access token (status 404, not here)");
}

#[test]
fn a_long_description_is_cut() {
    let failure = failure(400, &error("invalid_scope", &"ä".repeat(QUOTE_MAX + 1)));
    assert_eq!(failure.text.matches('ä').count(), QUOTE_MAX);
}

#[test]
fn a_token_comes_with_its_life_as_a_number_or_as_text() {
    let check = |expires_in: &str, secs| {
        let body = format!(
            r#"{{"access_token":"ya29.c...","expires_in":{expires_in},"token_type":"Bearer"}}"#
        );
        let Ok(grant) = judge(&TOKEN_ENDPOINT, 200, body.as_bytes()) else {
            panic!("{body} is refused");
        };
        assert_eq!(grant.token, "ya29.c...");
        assert_eq!(grant.life, Duration::from_secs(secs));
    };
    check("3599", 3599);
    check("\"3599\"", 3599);
    check("1", 1);
    check("86401", LIFE_MAX.as_secs());
    check("18446744073709551615", LIFE_MAX.as_secs());
}

#[test]
fn a_success_that_cannot_be_used_will_pass() {
    let check = |body: &str, expected: &str| {
        let failure = failure(200, body);
        assert_eq!(failure.class, Class::Passing);
        assert!(failure.text.contains(expected), "{}", failure.text);
        assert!(!failure.text.contains("secret"));
    };
    check("", "no access token");
    check("<html>secret</html>", "no access token");
    check(r#"{"access_token":""}"#, "no access token");
    check(r#"{"access_token":7}"#, "no access token");
    check(r#"{"access_token":"secret"}"#, "without expires_in");
    check(
        r#"{"access_token":"secret","expires_in":-1}"#,
        "without expires_in",
    );
    check(
        r#"{"access_token":"secret","expires_in":1.5}"#,
        "without expires_in",
    );
    check(r#"{"access_token":"secret","expires_in":0}"#, "has expired");
    check(
        r#"{"access_token":"secret\n","expires_in":9}"#,
        "cannot be sent",
    );
    check(
        r#"{"access_token":"secret x","expires_in":9}"#,
        "cannot be sent",
    );
    check(
        r#"{"access_token":"secret","expires_in":9,"token_type":"mac"}"#,
        "no bearer token",
    );
}

#[test]
fn the_longest_token_passes_and_one_byte_more_does_not() {
    let body = |size| json!({"access_token": "x".repeat(size), "expires_in": 9}).to_string();
    assert!(judge(&TOKEN_ENDPOINT, 200, body(ACCESS_TOKEN_MAX).as_bytes()).is_ok());
    let failure = failure(200, &body(ACCESS_TOKEN_MAX + 1));
    assert!(failure.text.contains("2049 bytes, more than 2048"));
}

#[test]
fn clocks_may_be_a_minute_apart() {
    assert_eq!(skew(1000, Some(1060)), None);
    assert_eq!(skew(1060, Some(1000)), None);
    assert_eq!(skew(1000, Some(1061)), Some(61));
    assert_eq!(skew(1061, Some(1000)), Some(-61));
    assert_eq!(skew(1000, None), None);
    assert_eq!(skew(0, Some(u64::MAX)), None);
}

proptest! {
    #[test]
    fn no_answer_panics(status: u16, bytes: Vec<u8>, word: String, said: String) {
        prop_assert!(judge(&TOKEN_ENDPOINT, status, &bytes).is_err());
        prop_assert!(judge(&TOKEN_ENDPOINT, status, error(&word, &said).as_bytes()).is_err());
    }
}

/// The errors of the other servers: server, status, word, description.
const OTHERS: &[(&TokenServer, u16, &str, &str, Class)] = &[
    (&STS, 400, "internal_failure", "", Class::Passing),
    (&STS, 400, "server_error", "", Class::Passing),
    (&STS, 400, "temporarily_unavailable", "", Class::Passing),
    (
        &STS,
        400,
        "invalid_grant",
        "ID Token issued at 1665581229 is stale to sign-in.",
        Class::Passing,
    ),
    (
        &STS,
        400,
        "invalid_grant",
        "The audience in ID Token does not match the expected audience.",
        Class::Stopping,
    ),
    (
        &STS,
        400,
        "invalid_grant",
        "Error connecting to the given credential's issuer.",
        Class::Passing,
    ),
    (
        &STS,
        400,
        "invalid_grant",
        "The subject token is not valid.",
        Class::Stopping,
    ),
    (&STS, 400, "invalid_target", "", Class::Stopping),
    (&STS, 400, "unauthorized_client", "", Class::Stopping),
    (&STS, 400, "invalid_request", "", Class::Stopping),
    (&STS, 400, "invalid_scope", "", Class::Stopping),
    (&STS, 400, "unsupported_grant_type", "", Class::Stopping),
    (&STS, 403, "access_denied", "", Class::Stopping),
    (
        &IAM,
        403,
        "PERMISSION_DENIED",
        "The API has not been used in project 1 before or it is disabled.",
        Class::Stopping,
    ),
    (&IAM, 403, "PERMISSION_DENIED", "", Class::Stopping),
    (&IAM, 404, "NOT_FOUND", "", Class::Stopping),
    (&IAM, 400, "INVALID_ARGUMENT", "", Class::Stopping),
    (&IAM, 401, "UNAUTHENTICATED", "", Class::Stopping),
    (&METADATA, 403, "403", "", Class::Stopping),
    (&METADATA, 404, "404", "", Class::Stopping),
];

#[test]
fn every_error_of_the_other_servers_has_its_row_and_every_row_its_error() {
    let row_of = |server: &'static TokenServer, word: &str, said: &str| {
        let mut rows = server.rows.iter();
        rows.position(|row| row.error == word && said.contains(row.description))
    };
    let mut met = std::collections::BTreeSet::new();
    for &(server, status, word, said, class) in OTHERS {
        let body = if server.source == IAM.source {
            json!({"error": {"code": status, "status": word, "message": said}})
        } else {
            json!({"error": word, "error_description": said})
        };
        let Err(failure) = judge(server, status, body.to_string().as_bytes()) else {
            panic!("{word} is a success");
        };
        assert_eq!(failure.class, class, "{word} {said}");
        let row = row_of(server, word, said).unwrap();
        assert!(
            failure.text.starts_with(server.rows[row].meaning),
            "{}",
            failure.text
        );
        met.insert((server.source, row));
    }
    for server in SERVERS
        .iter()
        .filter(|it| it.source != TOKEN_ENDPOINT.source)
    {
        for (number, row) in server.rows.iter().enumerate() {
            assert!(
                met.contains(&(server.source, number)),
                "{} {}",
                server.source,
                row.error
            );
        }
    }
}
