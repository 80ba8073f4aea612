use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::oauth::GoogleCredential;

const AUDIENCE: &str = "//iam.googleapis.com/projects/123456789012/locations/global/\
                        workloadIdentityPools/pool/providers/provider";
const EMAIL: &str = "push@my-app-1a2b3.iam.gserviceaccount.com";

/// A file as gcloud writes it.
fn file() -> Value {
    json!({
        "type": "external_account",
        "universe_domain": "googleapis.com",
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "token_info_url": "https://sts.googleapis.com/v1/introspect",
        "service_account_impersonation_url": impersonation("iamcredentials.googleapis.com"),
        "credential_source": {"file": "/var/run/secrets/token"}
    })
}

fn impersonation(host: &str) -> String {
    format!("https://{host}/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken")
}

/// The file with the value at a pointer changed; null takes it away.
fn with(pointer: &str, value: impl Into<Value>) -> Result<ExternalAccount, String> {
    let mut file = file();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    file.pointer_mut(parent).unwrap()[name] = value.into();
    let hosts = AllowedHosts {
        subject: &["idp.example".to_owned()],
        tokens: &["proxy.example".to_owned(), "127.0.0.1".to_owned()],
    };
    ExternalAccount::parse(&file.to_string(), hosts)
}

fn source(value: Value) -> Result<ExternalAccount, String> {
    with("/credential_source", value)
}

fn refusal(result: Result<ExternalAccount, String>) -> String {
    result.map(|account| account.name()).unwrap_err()
}

#[test]
fn the_file_of_gcloud_is_read_and_its_type_tells_what_it_is() {
    let text = file().to_string();
    let credential = GoogleCredential::parse(&text, AllowedHosts::default()).unwrap();
    assert_eq!(credential.name(), format!("{AUDIENCE} as {EMAIL}"));
    assert_eq!(credential.project_id(), None);
    let account = ExternalAccount::parse(&text, AllowedHosts::default()).unwrap();
    let url = impersonation("iamcredentials.googleapis.com");
    assert_eq!(account.impersonation(), Some((&*url, 3600)));
    let direct = with("/service_account_impersonation_url", Value::Null).unwrap();
    assert_eq!(
        (direct.impersonation(), direct.name()),
        (None, AUDIENCE.to_owned())
    );
    let short = json!({"token_lifetime_seconds": 600});
    let short = with("/service_account_impersonation", short).unwrap();
    assert_eq!(short.impersonation(), Some((&*url, 600)));
}

#[test]
fn tokens_go_to_googles_hosts_and_to_those_that_are_allowed() {
    for (service, field, path) in [
        ("sts", "/token_url", "/v1/token".to_owned()),
        (
            "iamcredentials",
            "/service_account_impersonation_url",
            format!("/v1/projects/-/serviceAccounts/{EMAIL}:generateAccessToken"),
        ),
    ] {
        for host in [
            format!("{service}.googleapis.com"),
            format!("{service}.googleapis.com:443"),
            format!("{}.googleapis.com", service.to_ascii_uppercase()),
            format!("{service}.us-east1.rep.googleapis.com"),
            format!("{service}.mtls.googleapis.com"),
            format!("us-east1-{service}.googleapis.com"),
            format!("us-east1.{service}.googleapis.com"),
            format!("{service}-my-network.p.googleapis.com"),
            "proxy.example:8443".to_owned(),
            "127.0.0.1:2199".to_owned(),
        ] {
            let good = with(field, format!("https://{host}{path}"));
            assert!(good.is_ok(), "{host}: {:?}", good.err());
        }
        assert!(with(field, format!("http://127.0.0.1:2199{path}")).is_ok());
        for host in [
            "evil.example".to_owned(),
            "googleapis.com".to_owned(),
            format!("{service}.googleapis.com.evil.example"),
            format!("{service}googleapis.com"),
            format!("evil{service}.googleapis.com"),
            format!("{service}evil.googleapis.com"),
            format!("a.b.{service}.googleapis.com"),
            format!("{service}.googleapis.com:8443"),
            "storage.googleapis.com".to_owned(),
            "evil.proxy.example".to_owned(),
            // It may give the subject token, and learns no other.
            "idp.example".to_owned(),
            "localhost".to_owned(),
            "169.254.169.254".to_owned(),
        ] {
            let error = refusal(with(field, format!("https://{host}{path}")));
            let expected = format!(
                "{} leads to another host than Google's {service}.googleapis.com; take the file as \
                 gcloud has made it, or allow the host by token_hosts",
                field.trim_start_matches('/')
            );
            assert_eq!(error, expected, "{host}");
        }
        for scheme in ["http", "ftp"] {
            let error = refusal(with(
                field,
                format!("{scheme}://{service}.googleapis.com{path}"),
            ));
            assert_eq!(
                error,
                format!("{} must be an https address", field.trim_start_matches('/'))
            );
        }
        for path in [
            "",
            "/",
            "/v1/tokens",
            "/v1/token?to=evil",
            "/v1/projects/-/serviceAccounts/:x",
        ] {
            let error = refusal(with(
                field,
                format!("https://{service}.googleapis.com{path}"),
            ));
            assert!(
                error.ends_with("has another path than Google's"),
                "{path}: {error}"
            );
        }
        for other in ["not a url", "https://"] {
            assert!(with(field, other).is_err(), "{other}");
        }
    }
}

#[test]
fn a_subject_token_comes_from_this_machine_or_from_a_host_that_is_allowed() {
    let url = |url: &str| source(json!({"url": url}));
    for good in [
        "http://127.0.0.1:5000/token?audience=x",
        "http://localhost/token",
        "http://[::1]:5000/token",
        "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01",
        "https://idp.example/token",
        "https://localhost:8443/token",
    ] {
        assert!(url(good).is_ok(), "{good}: {:?}", url(good).err());
    }
    for (bad, expected) in [
        (
            "https://evil.example/token",
            "leads to another host than this machine; if it is your identity provider's, allow it \
             by credential_hosts",
        ),
        (
            "http://idp.example/token",
            "must be an https address, unless",
        ),
        ("http://10.0.0.1/token", "must be an https address, unless"),
        ("ftp://127.0.0.1/token", "must be an https address"),
        ("/token", "must be an https address"),
        ("no url", "is not a URL"),
    ] {
        let error = refusal(url(bad));
        assert!(error.starts_with("credential_source.url "), "{error}");
        assert!(error.contains(expected), "{bad}: {error}");
    }
}

#[test]
fn header_fields_of_the_request_for_a_subject_token_are_those_that_can_be_sent() {
    let headers = |headers: Value| {
        source(json!({"url": "http://127.0.0.1/token", "headers": headers})).map(|_| ())
    };
    assert_eq!(
        headers(json!({"Metadata": "True", "Authorization": "Bearer x"})),
        Ok(())
    );
    for bad in [
        json!({"a b": "x"}),
        json!({"": "x"}),
        json!({"a": "x\r\nHost: evil"}),
        json!({"Host": "evil.example"}),
        json!({"content-length": "7"}),
        json!({"Transfer-Encoding": "chunked"}),
    ] {
        let error = headers(bad.clone()).unwrap_err();
        let expected = "credential_source.headers has a header field that cannot be sent";
        assert_eq!(error, expected, "{bad}");
    }
    let many = |count: usize| {
        let headers = (0..count).map(|number| (format!("x-{number}"), json!("y")));
        Value::Object(headers.collect())
    };
    assert_eq!(headers(many(FIELDS_MAX)), Ok(()));
    let error = headers(many(FIELDS_MAX + 1)).unwrap_err();
    assert_eq!(
        error,
        "credential_source.headers has more than 16 header fields"
    );
}

#[test]
fn what_is_not_supported_is_refused_by_name_with_what_to_do() {
    let file = "have a program of yours keep an OIDC token in a file, and name that as \
                credential_source.file; or use a service account's key";
    for (field, what) in [
        ("environment_id", "AWS"),
        ("executable", "a program"),
        ("certificate", "a certificate"),
    ] {
        let error = refusal(source(
            json!({field: "aws1", "url": "http://169.254.169.254/"}),
        ));
        let expected =
            format!("credential_source is {what} ({field}), which is not supported: {file}");
        assert_eq!(error, expected);
    }
    let workforce = "//iam.googleapis.com/locations/global/workforcePools/p/providers/q";
    for (pointer, value) in [
        ("/audience", json!(workforce)),
        ("/workforce_pool_user_project", json!("7")),
        ("/client_id", json!("id")),
    ] {
        let error = refusal(with(pointer, value));
        assert!(
            error.starts_with("the file is of a workforce pool"),
            "{error}"
        );
        assert!(error.contains("create-cred-config"), "{error}");
    }
}

#[test]
fn fields_that_are_missing_or_wrong_are_named() {
    for (pointer, value, expected) in [
        ("/audience", Value::Null, "audience is missing or empty"),
        ("/audience", json!("a b"), "audience has blanks"),
        (
            "/subject_token_type",
            json!(""),
            "subject_token_type is missing or empty",
        ),
        ("/token_url", Value::Null, "token_url is missing or empty"),
        (
            "/credential_source",
            Value::Null,
            "credential_source is missing",
        ),
        (
            "/universe_domain",
            json!("example.cloud"),
            "universe_domain is not \"googleapis.com\"",
        ),
        (
            "/service_account_impersonation",
            json!({"token_lifetime_seconds": 599}),
            "token_lifetime_seconds is not within 600 and 43200",
        ),
        (
            "/service_account_impersonation",
            json!({"token_lifetime_seconds": 43_201}),
            "token_lifetime_seconds is not within 600 and 43200",
        ),
        (
            "/credential_source",
            json!({}),
            "must have either a file or a url",
        ),
        (
            "/credential_source",
            json!({"file": "/f", "url": "http://127.0.0.1/"}),
            "must have either a file or a url",
        ),
        (
            "/credential_source",
            json!({"file": "/f", "format": {"type": "json"}}),
            "needs a subject_token_field_name",
        ),
        (
            "/credential_source",
            json!({"file": "/f", "format": {"type": "xml"}}),
            "credential_source.format.type is neither",
        ),
        (
            "/credential_source",
            json!({"file": 7}),
            "not an external_account file: bad JSON at line",
        ),
        (
            "/audience",
            json!(["x"]),
            "not an external_account file: bad JSON at line 1",
        ),
    ] {
        let error = refusal(with(pointer, value));
        assert!(error.contains(expected), "{pointer}: {error}");
    }
    let text = file().to_string();
    let padded = |size: usize| text.clone() + &" ".repeat(size - text.len());
    assert!(ExternalAccount::parse(&padded(KEY_FILE_MAX), AllowedHosts::default()).is_ok());
    let error = refusal(ExternalAccount::parse(
        &padded(KEY_FILE_MAX + 1),
        AllowedHosts::default(),
    ));
    assert!(error.contains("over 65536 bytes"), "{error}");
}

#[test]
fn no_secret_of_the_file_is_shown() {
    for pointer in [
        "/audience",
        "/subject_token_type",
        "/token_url",
        "/universe_domain",
        "/service_account_impersonation_url",
        "/credential_source/file",
        "/credential_source/url",
    ] {
        let name = pointer.trim_start_matches('/').replace('/', ".");
        for secret in [
            "https://me:hunter2@sts.googleapis.com/v1/token",
            "{\"hunter2\": 1}",
        ] {
            let error = refusal(with(pointer, secret));
            assert_eq!(
                error,
                format!("{name} holds the content of a key, or a password")
            );
        }
    }
    let account = source(json!({
        "url": "http://127.0.0.1/token?key=hunter2",
        "headers": {"Authorization": "Bearer hunter2"},
    }));
    let shown = format!("{:?}", account.unwrap());
    assert!(
        shown.contains("http://127.0.0.1/token") && !shown.contains("hunter2"),
        "{shown}"
    );
    let error = ExternalAccount::parse("{\"type\": hunter2}", AllowedHosts::default()).unwrap_err();
    assert!(!error.contains("hunter2"), "{error}");
}

proptest! {
    #[test]
    fn no_url_of_a_file_panics(url: String, path: String) {
        drop(with("/token_url", url.clone()));
        drop(with("/credential_source/url", format!("http://{url}/{path}")));
        drop(with("/service_account_impersonation_url", format!("https://x{path}")));
    }
}
