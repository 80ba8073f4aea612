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
