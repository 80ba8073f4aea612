//! Credentials that no provider has ever seen, good enough for a daemon to start with.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use rcgen::{CertificateParams, KeyPair, RsaKeySize};
use serde_json::json;
use sterna::simulator::Credentials;

/// An APNs signing key in the form of Apple's `.p8` files.
pub(crate) fn signing_key() -> &'static str {
    static KEY: OnceLock<String> = OnceLock::new();
    KEY.get_or_init(|| KeyPair::generate().unwrap().serialize_pem())
}

/// The key of all service accounts of a test's process: one takes long to make.
fn service_account_key() -> &'static str {
    static KEY: OnceLock<String> = OnceLock::new();
    KEY.get_or_init(|| {
        let key = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048);
        key.unwrap().serialize_pem()
    })
}

/// A simulator's credentials, in that directory.
pub(crate) fn simulated(directory: &Path) -> Credentials {
    let pem = service_account_key();
    let key = KeyPair::from_pem_and_sign_algo(pem, &rcgen::PKCS_RSA_SHA256).unwrap();
    Credentials::for_service_account(directory, key).unwrap()
}

/// A service-account file whose token endpoint is `token_uri`.
pub(crate) fn service_account(token_uri: &str) -> String {
    let key = service_account_key();
    json!({
        "type": "service_account",
        "project_id": "example-project",
        "private_key_id": "0123456789abcdef0123456789abcdef01234567",
        "private_key": key,
        "client_email": "push@example-project.iam.gserviceaccount.com",
        "token_uri": token_uri,
    })
    .to_string()
}

/// Writes a client certificate that nobody has issued, and its key.
pub(crate) fn write_certificate(certificate: &Path, key: &Path) {
    let pair = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["org.example.other".to_owned()]).unwrap();
    let signed = params.self_signed(&pair).unwrap();
    fs::write(certificate, signed.pem()).unwrap();
    fs::write(key, pair.serialize_pem()).unwrap();
}

/// Writes both to a directory, as `AuthKey.p8` and `service-account.json`.
pub(crate) fn write(directory: &Path, token_uri: &str) {
    fs::write(directory.join("AuthKey.p8"), signing_key()).unwrap();
    let account = service_account(token_uri);
    fs::write(directory.join("service-account.json"), account).unwrap();
}
