//! The token endpoint, over HTTP/2 and HTTP/1.1.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, RsaKeySize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::client::{Client, NONE, open};
use super::{NOW, World, form_of};

#[tokio::test]
async fn a_good_assertion_is_exchanged() {
    let world = World::new();
    let answer = world.exchange(&world.form(&world.claims())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    assert_eq!(
        (&body["expires_in"], &body["token_type"]),
        (&json!(3_599), &json!("Bearer"))
    );
    assert_eq!(body["access_token"].as_str().map(str::len), Some(1_024));
    assert_eq!(answer.header("date"), Some("Mon, 21 Sep 2026 14:13:20 GMT"));
    let mut claims = world.claims();
    claims["aud"] = world.addresses().token_url().into();
    claims["scope"] = "https://www.googleapis.com/auth/cloud-platform".into();
    assert_eq!(world.exchange(&world.form(&claims)).await.status, 200);
    assert_eq!(world.counts().access_tokens, 2);
}

#[tokio::test]
async fn claims_are_judged() {
    let world = World::new();
    let timeframe = "Invalid JWT: Token must be a short-lived token (60 minutes)";
    for (claim, value, error, description) in [
        (
            "iss",
            json!("somebody@else"),
            "invalid_grant",
            "Invalid grant: account not found",
        ),
        (
            "aud",
            json!("https://example.org"),
            "invalid_grant",
            "Invalid JWT: Failed audience",
        ),
        ("iat", json!(NOW + 301), "invalid_grant", timeframe),
        ("iat", json!(NOW - 11), "invalid_grant", timeframe),
        ("exp", json!(NOW - 10), "invalid_grant", timeframe),
        ("exp", json!(NOW + 3_591), "invalid_grant", timeframe),
        ("iat", json!("now"), "invalid_grant", "Bad Request"),
        (
            "scope",
            json!(""),
            "invalid_scope",
            "Empty or missing scope",
        ),
        (
            "scope",
            json!("https://www.googleapis.com/auth/drive"),
            "invalid_scope",
            "Invalid OAuth",
        ),
    ] {
        let mut claims = world.claims();
        claims[claim] = value.clone();
        let answer = world.exchange(&world.form(&claims)).await;
        assert_eq!(answer.status, 400, "{claim} {value}: {}", answer.text());
        let body = answer.json();
        assert_eq!(body["error"], error, "{claim} {value}");
        let text = body["error_description"].as_str().unwrap_or_default();
        assert!(text.starts_with(description), "{claim} {value}: {text}");
    }
    // An assertion of an hour's life, sent when that hour is over by more than the skew allowed.
    world.set_clock(NOW + 3_890);
    let late = world.exchange(&world.form(&world.claims())).await;
    assert_eq!(late.json()["error"], "invalid_grant");
    world.set_clock(NOW + 3_889);
    assert_eq!(
        world.exchange(&world.form(&world.claims())).await.status,
        200
    );
}

#[tokio::test]
async fn only_the_service_accounts_key_signs() {
    let world = World::new();
    let other = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let key = EncodingKey::from_rsa_pem(other.serialize_pem().as_bytes()).unwrap();
    let forged = jsonwebtoken::encode(&Header::new(Algorithm::RS256), &world.claims(), &key);
    let answer = world.exchange(&form_of(&forged.unwrap())).await;
    assert_eq!(answer.json()["error_description"], "Invalid JWT Signature.");
    let nonsense = world.exchange(&form_of("a.b.c")).await;
    assert_eq!(nonsense.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn forms_are_judged() {
    let world = World::new();
    let no_assertion = form_of("");
    for (form, error) in [
        ("", "invalid_request"),
        ("assertion=a.b.c", "invalid_request"),
        (no_assertion.as_str(), "invalid_request"),
        (
            "grant_type=password&assertion=a.b.c",
            "unsupported_grant_type",
        ),
    ] {
        let answer = world.exchange(form).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]),
            (400, &json!(error)),
            "{form}"
        );
    }
    let too_long = world
        .exchange(&format!("{no_assertion}{}", "x".repeat(20_000)))
        .await;
    assert_eq!(too_long.status, 413);
    let mut client = Client::connect(world.addresses().oauth, world.ca()).await;
    assert_eq!(
        client
            .request("GET", "/token", NONE, b"")
            .await
            .unwrap()
            .status,
        405
    );
    assert_eq!(
        client
            .request("POST", "/", NONE, b"x")
            .await
            .unwrap()
            .status,
        404
    );
}

#[tokio::test]
async fn http_1_1_is_spoken_where_http2_is_not_offered() {
    let world = World::new();
    let form = world.form(&world.claims());
    for alpn in [&[&b"http/1.1"[..]][..], &[]] {
        let mut stream = open(world.addresses().oauth, world.ca(), alpn, None)
            .await
            .unwrap();
        // Two requests on one connection: the second one ends it.
        let length = form.len();
        let whole = format!("Content-Length: {length}\r\n\r\n{form}");
        let chunked = format!(
            "Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{form}\r\n0\r\n\r\n"
        );
        for rest in [whole, chunked] {
            // An empty line before it, which comes in two pieces, is passed over.
            let request = format!("\nPOST /token HTTP/1.1\r\nHost: x\r\n{rest}");
            stream.write_all(b"\r").await.unwrap();
            stream.flush().await.unwrap();
            stream.write_all(request.as_bytes()).await.unwrap();
            let (head, body) = read_response(&mut stream).await;
            assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
            assert!(head.contains("Content-Type: application/json"), "{head}");
            assert_eq!(body["token_type"], "Bearer");
        }
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"");
    }
    assert_eq!(world.counts().access_tokens, 4);
}

#[tokio::test]
async fn what_http_1_1_is_not_taken() {
    let world = World::new();
    let fields = "X: y\r\n".repeat(65);
    for (text, expected) in [
        (
            "POST /token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
            "HTTP/1.1 400 ",
        ),
        (
            "POST /token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "HTTP/1.1 400 ",
        ),
        (
            "POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: 99999\r\n\r\n",
            "HTTP/1.1 413 ",
        ),
        (
            "POST /token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
            "HTTP/1.1 413 ",
        ),
        (
            "POST /token HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 400 ",
        ),
        ("POST /token HTTP/1.1\r\n\r\n", "HTTP/1.1 400 "),
        ("nonsense\r\n\r\n", "HTTP/1.1 400 "),
        (
            &format!("POST /token HTTP/1.1\r\n{fields}\r\n"),
            "HTTP/1.1 431 ",
        ),
        (
            &format!("POST /{} HTTP/1.1\r\n", "a".repeat(17_000)),
            "HTTP/1.1 431 ",
        ),
    ] {
        let address = world.addresses().oauth;
        let mut stream = open(address, world.ca(), &[b"http/1.1"], None)
            .await
            .unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // How a connection ends after nonsense is of no interest, only what was said before.
        drop(stream.read_to_end(&mut answer).await);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(expected), "{text:.40}: {answer}");
    }
}

/// Reads a response with a content-length.
async fn read_response(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> (String, Value) {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .split_once("Content-Length: ")
                .unwrap()
                .1
                .lines()
                .next()
                .unwrap();
            if body.len() >= length.parse().unwrap() {
                return (head.to_owned(), serde_json::from_str(body).unwrap());
            }
        }
        assert_ne!(
            stream.read_buf(&mut bytes).await.unwrap(),
            0,
            "ended early: {text}"
        );
    }
}

/// A request for the security token service that nothing is wrong with, field by field.
fn exchange_of(world: &World) -> Vec<(&'static str, String)> {
    let account = std::fs::read(&world.credentials().external_account_path).unwrap();
    let account: Value = serde_json::from_slice(&account).unwrap();
    let text = |name: &str| account[name].as_str().unwrap().to_owned();
    vec![
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange".to_owned(),
        ),
        ("audience", text("audience")),
        (
            "scope",
            "https://www.googleapis.com/auth/cloud-platform".to_owned(),
        ),
        (
            "requested_token_type",
            "urn:ietf:params:oauth:token-type:access_token".to_owned(),
        ),
        ("subject_token_type", text("subject_token_type")),
        (
            "subject_token",
            world.credentials().subject_token(NOW).unwrap(),
        ),
    ]
}

async fn post(
    world: &World,
    path: &str,
    fields: &[(&str, &str)],
    body: &str,
) -> super::client::WholeResponse {
    let mut client = Client::connect(world.addresses().oauth, world.ca()).await;
    let answer = client.request("POST", path, fields, body.as_bytes()).await;
    answer.unwrap()
}

async fn federate(world: &World, fields: &[(&'static str, String)]) -> (u16, Value) {
    // None of these texts has a character that a form escapes.
    let form: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let answer = post(world, "/v1/token", NONE, &form.join("&")).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn another_identity_providers_token_is_exchanged_and_then_that_of_the_service_account() {
    let world = World::new();
    let (status, granted) = federate(&world, &exchange_of(&world)).await;
    assert_eq!(status, 200, "{granted}");
    assert_eq!(granted["expires_in"], 3_599);
    let token_type = "urn:ietf:params:oauth:token-type:access_token";
    assert_eq!(granted["issued_token_type"], token_type);
    let token = granted["access_token"].as_str().unwrap();
    let authorization = format!("Bearer {token}");
    let email = world.credentials().client_email.clone();
    let path = |email: &str| format!("/v1/projects/-/serviceAccounts/{email}:generateAccessToken");
    let scope = "https://www.googleapis.com/auth/firebase.messaging";
    let wanted = json!({"scope": [scope], "lifetime": "1800s"}).to_string();
    let fields = [("authorization", &*authorization)];
    let answer = post(&world, &path(&email), &fields, &wanted).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.json()["expireTime"], "2026-09-21T14:43:20Z");
    let account = answer.json()["accessToken"].as_str().unwrap().to_owned();
    let account = format!("Bearer {account}");
    for (email, authorization, body, status, word) in [
        (
            "other@x",
            &*authorization,
            &*wanted,
            403,
            "PERMISSION_DENIED",
        ),
        (&*email, "Bearer nonsense", &wanted, 401, "UNAUTHENTICATED"),
        (&*email, &*account, &wanted, 401, "UNAUTHENTICATED"),
        (&*email, &*authorization, "{}", 400, "INVALID_ARGUMENT"),
        (&*email, &*authorization, "[", 400, "INVALID_ARGUMENT"),
        (
            &*email,
            &*authorization,
            &json!({"scope": ["https://www.googleapis.com/auth/drive"]}).to_string(),
            400,
            "INVALID_ARGUMENT",
        ),
        (
            &*email,
            &*authorization,
            &json!({"scope": [scope], "lifetime": "3601s"}).to_string(),
            400,
            "INVALID_ARGUMENT",
        ),
    ] {
        let fields = [("authorization", authorization)];
        let answer = post(&world, &path(email), &fields, body).await;
        let said = answer.json()["error"]["status"].clone();
        assert_eq!(
            (answer.status, said),
            (status, json!(word)),
            "{email} {body}"
        );
    }
}

#[tokio::test]
async fn the_security_token_service_is_strict() {
    let world = World::new();
    let stale = world.credentials().subject_token(NOW - 3_600).unwrap();
    for (name, value, error) in [
        ("grant_type", "password", "unsupported_grant_type"),
        ("audience", "provider", "invalid_request"),
        ("audience", "//iam.googleapis.com/other", "invalid_target"),
        ("scope", "", "invalid_scope"),
        (
            "scope",
            "https://www.googleapis.com/auth/drive",
            "invalid_scope",
        ),
        ("requested_token_type", "jwt", "invalid_request"),
        ("subject_token_type", "jwt", "invalid_request"),
        ("subject_token", "a.b.c", "invalid_grant"),
        ("subject_token", &stale, "invalid_grant"),
    ] {
        let mut fields = exchange_of(&world);
        let field = fields.iter_mut().find(|(known, _)| *known == name).unwrap();
        value.clone_into(&mut field.1);
        let (status, answer) = federate(&world, &fields).await;
        assert_eq!(
            (status, &answer["error"]),
            (400, &json!(error)),
            "{name} {answer}"
        );
    }
    world.set_clock(NOW + 3_599);
    assert_eq!(federate(&world, &exchange_of(&world)).await.0, 200);
    world.set_clock(NOW + 3_600);
    let (_, answer) = federate(&world, &exchange_of(&world)).await;
    let said = format!("ID Token issued at {NOW} is stale to sign-in.");
    assert_eq!(answer["error_description"], said);
    let fields = [("authorization", "Bearer x")];
    let answer = post(&world, "/v1/token", &fields, "").await;
    assert_eq!(answer.json()["error"], "invalid_request");
}

#[tokio::test]
async fn the_identity_provider_wants_its_header_field() {
    let world = World::new();
    for (fields, status) in [(NONE, 400), (&[("metadata", "True")], 200)] {
        let mut client = Client::connect(world.addresses().oauth, world.ca()).await;
        let answer = client.request("GET", "/subject-token", fields, b"").await;
        assert_eq!(answer.unwrap().status, status);
    }
    assert_eq!(world.counts().access_tokens, 0);
}

#[tokio::test]
async fn the_metadata_server_knows_no_tls_and_wants_its_header_field() {
    let world = World::new();
    let ask = async |line: &str, fields: &str| {
        let mut stream = tokio::net::TcpStream::connect(world.addresses().oauth)
            .await
            .unwrap();
        let request = format!("{line} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let token = "/computeMetadata/v1/instance/service-accounts/default/token";
    let project = "GET /computeMetadata/v1/project/project-id";
    let flavor = "Metadata-Flavor: Google\r\n";
    let scope = "https%3A%2F%2Fwww.googleapis.com%2Fauth%2Ffirebase.messaging";
    for (line, fields, status, body) in [
        (
            format!("GET {token}"),
            flavor,
            200,
            "\"token_type\":\"Bearer\"",
        ),
        (
            format!("GET {token}?scopes={scope}"),
            flavor,
            200,
            "ya29.c.",
        ),
        (project.to_owned(), flavor, 200, "sterna-simulated"),
        (
            format!("GET {token}?scopes=drive"),
            flavor,
            400,
            "invalid_scope",
        ),
        (
            format!("GET {token}"),
            "",
            403,
            "Missing Metadata-Flavor:Google header.",
        ),
        (
            format!("GET {token}"),
            "Metadata-Flavor: x\r\n",
            403,
            "Missing",
        ),
        (format!("POST {token}"), flavor, 405, ""),
        ("GET /token".to_owned(), flavor, 404, ""),
        ("POST /v1/token".to_owned(), flavor, 405, ""),
    ] {
        let answer = ask(&line, fields).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{line}: {answer}"
        );
        assert!(
            answer.contains("Metadata-Flavor: Google"),
            "{line}: {answer}"
        );
        assert!(answer.contains(body), "{line}: {answer}");
    }
    assert_eq!(world.counts().access_tokens, 2);
    // Over TLS there is none.
    let mut client = Client::connect(world.addresses().oauth, world.ca()).await;
    let fields = [("metadata-flavor", "Google")];
    let answer = client.request("GET", token, &fields, b"").await.unwrap();
    assert_eq!(answer.status, 404);
}
