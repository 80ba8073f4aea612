//! The endpoints over real TLS, driven by HTTP/2 and TLS clients that are not ours.

mod apns;
mod broadcasts;
mod client;
mod faults;
mod fcm;
mod oauth;
mod push_types;
mod server;
mod strikes;
mod tally;

use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, RsaKeySize};
use serde_json::{Value, json};
use tempfile::TempDir;

use self::client::{Client, NONE, WholeResponse};
use super::{Credentials, Options, Simulator};

/// When the tests take place, unless they say otherwise.
const NOW: u64 = 1_790_000_000;
/// A device token that asks for nothing.
const DEVICE: &str = "9f3c00000000000000000000000000000000000000000000000000000000cafe";
/// A payload that nothing is wrong with.
const PAYLOAD: &str = r#"{"aps":{"alert":"hello"}}"#;

/// A simulator with a clock of its own.
struct World {
    simulator: Simulator,
    clock: Arc<AtomicU64>,
    _directory: TempDir,
}

impl Deref for World {
    type Target = Simulator;

    fn deref(&self) -> &Simulator {
        &self.simulator
    }
}

impl World {
    /// A simulator as it comes.
    fn new() -> Self {
        Self::with(|_| {})
    }

    /// A simulator with changed options.
    fn with(change: impl FnOnce(&mut Options)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let credentials = credentials(directory.path());
        let mut options = Options::new(Arc::new(credentials));
        let clock = Arc::new(AtomicU64::new(NOW));
        let read = Arc::clone(&clock);
        options.clock = Box::new(move || read.load(Ordering::SeqCst));
        change(&mut options);
        let simulator = Simulator::start(options).unwrap();
        Self {
            simulator,
            clock,
            _directory: directory,
        }
    }

    fn set_clock(&self, unix: u64) {
        self.clock.store(unix, Ordering::SeqCst);
    }

    /// An auth token of the first key.
    fn auth_token(&self, iat: u64) -> String {
        self.sign_auth_token(0, &json!({"iss": self.credentials().team_id, "iat": iat}))
    }

    fn sign_auth_token(&self, key: usize, claims: &Value) -> String {
        let key = &self.credentials().signing_keys[key];
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(key.id.clone());
        let secret = EncodingKey::from_ec_pem(&fs::read(&key.path).unwrap()).unwrap();
        jsonwebtoken::encode(&header, claims, &secret).unwrap()
    }

    /// The fields of a push that nothing is wrong with.
    fn apns_fields(&self) -> Vec<(String, String)> {
        [
            ("authorization", format!("bearer {}", self.auth_token(NOW))),
            ("apns-topic", self.credentials().topic.clone()),
            ("apns-push-type", "alert".to_owned()),
            ("apns-priority", "10".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    /// The claims of an assertion that nothing is wrong with.
    fn claims(&self) -> Value {
        json!({
            "iss": self.credentials().client_email,
            "scope": "https://www.googleapis.com/auth/firebase.messaging",
            "aud": "https://oauth2.googleapis.com/token",
            "iat": NOW - 10,
            "exp": NOW + 3_590,
        })
    }

    /// The body of a request for an access token.
    fn form(&self, claims: &Value) -> String {
        let account = fs::read_to_string(&self.credentials().service_account_path).unwrap();
        let account: Value = serde_json::from_str(&account).unwrap();
        let pem = account["private_key"].as_str().unwrap();
        let key = EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap();
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(account["private_key_id"].as_str().unwrap().to_owned());
        form_of(&jsonwebtoken::encode(&header, claims, &key).unwrap())
    }

    /// An access token from the token endpoint.
    async fn access_token(&self) -> String {
        let answer = self.exchange(&self.form(&self.claims())).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// Asks the token endpoint.
    async fn exchange(&self, form: &str) -> WholeResponse {
        let mut client = Client::connect(self.addresses().oauth, self.ca()).await;
        client
            .request("POST", "/token", NONE, form.as_bytes())
            .await
            .unwrap()
    }

    /// A client of APNs.
    async fn apns(&self) -> Client {
        Client::connect(self.addresses().apns, self.ca()).await
    }

    /// A client of FCM.
    async fn fcm(&self) -> Client {
        Client::connect(self.addresses().fcm, self.ca()).await
    }

    fn ca(&self) -> &Path {
        &self.credentials().ca_path
    }
}

/// Credentials of their own, but for the service account's key, which takes long to make.
fn credentials(directory: &Path) -> Credentials {
    static RSA: LazyLock<String> = LazyLock::new(|| {
        let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048);
        key.unwrap().serialize_pem()
    });
    let key = KeyPair::from_pem_and_sign_algo(&RSA, &rcgen::PKCS_RSA_SHA256).unwrap();
    Credentials::for_service_account(directory, key).unwrap()
}

#[test]
fn credentials_are_made_from_nothing() {
    let [one, other] = [(); 2].map(|()| {
        let directory = tempfile::tempdir().unwrap();
        let credentials = Credentials::generate(directory.path()).unwrap();
        assert!(credentials.ca_path.exists() && credentials.client_key_path.exists());
        credentials.service_account_public_key()
    });
    assert_ne!(one, other);
}

fn form_of(assertion: &str) -> String {
    format!(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion={assertion}"
    )
}

/// Replaces the value of a field, or adds the field.
fn set(fields: &mut Vec<(String, String)>, name: &str, value: &str) {
    remove(fields, name);
    fields.push((name.to_owned(), value.to_owned()));
}

fn remove(fields: &mut Vec<(String, String)>, name: &str) {
    fields.retain(|(known, _)| known != name);
}

#[test]
fn the_configuration_text_is_toml_and_names_what_is_there() {
    let world = World::new();
    let text = world.config_text();
    let config: toml::Table = text.parse().unwrap();
    let path = |path: &Path| path.display().to_string();
    let credentials = world.credentials();
    let control = path(&credentials.ca_path.with_file_name("control"));
    assert_eq!(config["core"]["control_socket"].as_str(), Some(&*control));
    let ios = config["ios"].as_table().unwrap();
    assert_eq!(
        ios["endpoint"].as_str(),
        Some(&*world.addresses().apns_url())
    );
    assert_eq!(
        ios["token_auth_key_path"].as_str(),
        Some(&*path(&credentials.signing_keys[0].path))
    );
    assert_eq!(ios["topic"].as_str(), Some(&*credentials.topic));
    let android = config["android"].as_table().unwrap();
    assert_eq!(
        android["endpoint"].as_str(),
        Some(&*world.addresses().fcm_url())
    );
    let account = android["service_account_path"].as_str().unwrap();
    assert!(
        Path::new(account).exists() && text.contains("# pem_key_path = "),
        "{text}"
    );
}

#[test]
fn only_loopback_addresses_are_listened_on() {
    let directory = tempfile::tempdir().unwrap();
    let mut options = Options::new(Arc::new(credentials(directory.path())));
    options.ip = "0.0.0.0".parse().unwrap();
    let error = Simulator::start(options).err().unwrap();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
}
