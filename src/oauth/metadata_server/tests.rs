use super::*;
use crate::oauth::Class;
use crate::oauth::fixture::TokenEndpoint;

const FLAVOR: &str = "Metadata-Flavor: Google\r\n";
const TOKEN: &str = r#"{"access_token":"ya29.c.vm","expires_in":1799,"token_type":"Bearer"}"#;

fn asked(server: &TokenEndpoint, path: &ProjectPath) -> Result<Grant, ExchangeFailure> {
    let host = server
        .uri
        .trim_start_matches("http://")
        .trim_end_matches("/token");
    let metadata = MetadataServer::new(host, path.clone());
    metadata.ask(
        "oauth",
        &ServerClock::default(),
        &ureq::Agent::new_with_defaults(),
    )
}

#[test]
fn the_project_is_asked_for_once_and_the_token_each_time() {
    let (server, path) = (TokenEndpoint::start(), ProjectPath::default());
    server.answer("200 OK", FLAVOR, "my-app-1a2b3\n");
    for _ in 0..2 {
        server.answer("200 OK", FLAVOR, TOKEN);
        let grant = asked(&server, &path).unwrap_or_else(|failure| panic!("{failure:?}"));
        assert_eq!((&*grant.token, grant.life.as_secs()), ("ya29.c.vm", 1799));
    }
    assert_eq!(path.text(), "/v1/projects/my-app-1a2b3/messages:send");
    let token = "/computeMetadata/v1/instance/service-accounts/default/token?scopes=\
                 https%3A%2F%2Fwww.googleapis.com%2Fauth%2Ffirebase.messaging";
    for expected in ["/computeMetadata/v1/project/project-id", token, token] {
        let request = server.request();
        assert!(
            request
                .head
                .starts_with(&format!("GET {expected} HTTP/1.1")),
            "{request:?}"
        );
        assert!(
            request.head.contains("metadata-flavor: google\r\n"),
            "{request:?}"
        );
    }
}

#[test]
fn what_keeps_the_metadata_server_from_giving_a_token_is_told() {
    let known = || ProjectPath::from("/p".to_owned());
    for (path, status, fields, body, class, expected) in [
        (
            known(),
            "404 Not Found",
            FLAVOR,
            "<html>",
            Class::Stopping,
            "no service account is attached to this machine (status 404)",
        ),
        (
            known(),
            "403 Forbidden",
            FLAVOR,
            "Missing Metadata-Flavor:Google header.",
            Class::Stopping,
            "the machine's access scopes do not have messaging, or it may not ask (status 403)",
        ),
        (
            known(),
            "503 Service Unavailable",
            FLAVOR,
            "",
            Class::Passing,
            "no access token (status 503)",
        ),
        (
            known(),
            "200 OK",
            "",
            TOKEN,
            Class::Stopping,
            "is not Google's metadata server: it does not say Metadata-Flavor: Google",
        ),
        (
            known(),
            "200 OK",
            "Metadata-Flavor: Amazon\r\n",
            TOKEN,
            Class::Stopping,
            "is not Google's metadata server",
        ),
        (
            known(),
            "200 OK",
            FLAVOR,
            "{}",
            Class::Passing,
            "the metadata server sent no access token",
        ),
        (
            ProjectPath::default(),
            "200 OK",
            FLAVOR,
            "../hunter2",
            Class::Stopping,
            "the metadata server names no project that there could be: the project id has a \
             character other than letters, digits and -.:_; set project_id beside metadata_server",
        ),
        (
            ProjectPath::default(),
            "404 Not Found",
            FLAVOR,
            "",
            Class::Stopping,
            "no service account is attached to this machine (status 404)",
        ),
    ] {
        check_told(&path, (status, fields, body), class, expected);
    }
}

/// Why an answer is no token, without what may be one.
fn check_told(
    path: &ProjectPath,
    (status, fields, body): (&str, &str, &str),
    class: Class,
    expected: &str,
) {
    let server = TokenEndpoint::start();
    server.answer(status, fields, body);
    let Err(failure) = asked(&server, path) else {
        panic!("{status} {body} is a token");
    };
    assert_eq!(failure.class, class, "{}", failure.text);
    assert!(failure.text.contains(expected), "{}", failure.text);
    for hidden in ["hunter2", "ya29"] {
        assert!(!failure.text.contains(hidden), "{}", failure.text);
    }
}

/// GKE's leaves the field out where it refuses.
#[test]
fn a_refusal_goes_by_its_status_whoever_it_is_of() {
    let (known, unknown) = (ProjectPath::from("/p"), ProjectPath::default());
    for (path, status, class, expected) in [
        (
            &known,
            "503 Service Unavailable",
            Class::Passing,
            "no access token (status 503); it does not say Metadata-Flavor: Google",
        ),
        (
            &unknown,
            "429 Too Many Requests",
            Class::Passing,
            "no access token (status 429); it does not say Metadata-Flavor: Google",
        ),
        (
            &known,
            "404 Not Found",
            Class::Stopping,
            "no service account is attached to this machine (status 404); it does not say",
        ),
    ] {
        check_told(path, (status, "", ""), class, expected);
    }
}
