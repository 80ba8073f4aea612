//! Throw-away credentials: a CA, the servers' certificate, and all that a client needs.
//!
//! Made afresh in memory and written to a directory; they are good for these look-alikes only.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jsonwebtoken::EncodingKey;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, RsaKeySize, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::json;

use super::apns::CERTIFICATE_SUFFIXES;
use super::oauth::IdentityProvider;

/// A signing key for auth tokens.
pub struct SigningKey {
    /// Its key id.
    pub id: String,
    /// Its file, PKCS#8 in PEM as Apple hands it out.
    pub path: PathBuf,
    /// The bundle IDs that it is for; of all of the team if there are none.
    pub topics: Vec<String>,
    key: KeyPair,
}

/// Everything that clients of a simulator need, and the simulator itself.
pub struct Credentials {
    /// The certificate of the CA that has signed all others, in PEM.
    pub ca_path: PathBuf,
    /// The APNs signing keys. Either serves; a connection keeps to one.
    pub signing_keys: [SigningKey; 2],
    /// The team of the signing keys.
    pub team_id: String,
    /// The app's bundle ID.
    pub topic: String,
    /// Bundle IDs of other apps of the team.
    pub other_topics: Vec<String>,
    /// The APNs client certificate, in PEM.
    pub client_certificate_path: PathBuf,
    /// Its key, PKCS#8 in PEM.
    pub client_key_path: PathBuf,
    /// The service-account file; written once the token endpoint has its port.
    pub service_account_path: PathBuf,
    /// The `external_account` file, by which a workload that another identity provider knows acts
    /// as the service account; written with it.
    pub external_account_path: PathBuf,
    /// The Firebase project.
    pub project_id: String,
    /// The service account's address.
    pub client_email: String,
    /// The id of the service account's key.
    pub private_key_id: String,
    service_account_key: KeyPair,
    identity_provider_key: KeyPair,
    server_certificate: CertificateDer<'static>,
    server_key: KeyPair,
    client_certificate: CertificateDer<'static>,
}

impl Credentials {
    /// Makes credentials and writes them to a directory, which is made if need be.
    ///
    /// # Errors
    /// When a file cannot be written, or the system has no randomness.
    pub fn generate(directory: &Path) -> io::Result<Self> {
        let rsa = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, RsaKeySize::_2048);
        Self::for_service_account(directory, rsa.map_err(io::Error::other)?)
    }

    /// Makes all but the service account's key, whose making takes longer than that of the rest,
    /// and writes them to a directory, which is made if need be.
    ///
    /// # Errors
    /// When a file cannot be written, or the system has no randomness.
    pub fn for_service_account(directory: &Path, key: KeyPair) -> io::Result<Self> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
        let ca = authority().map_err(io::Error::other)?;
        let topic = "org.example.sterna".to_owned();
        let server_key = KeyPair::generate().map_err(io::Error::other)?;
        let server = server_certificate(&server_key, &ca).map_err(io::Error::other)?;
        let client_key = KeyPair::generate().map_err(io::Error::other)?;
        let client = client_certificate(&topic, &client_key, &ca).map_err(io::Error::other)?;
        let credentials = Self {
            ca_path: directory.join("ca.pem"),
            signing_keys: [
                SigningKey::generate(directory, "STERNAKEY1")?,
                SigningKey::generate(directory, "STERNAKEY2")?,
            ],
            team_id: "STERNATEAM".to_owned(),
            topic,
            other_topics: Vec::new(),
            client_certificate_path: directory.join("apns-client.pem"),
            client_key_path: directory.join("apns-client.key"),
            service_account_path: directory.join("service-account.json"),
            external_account_path: directory.join("external-account.json"),
            project_id: PROJECT_ID.to_owned(),
            client_email: format!("push@{PROJECT_ID}.iam.gserviceaccount.com"),
            private_key_id: key_id(key.public_key_raw()),
            service_account_key: key,
            identity_provider_key: KeyPair::generate().map_err(io::Error::other)?,
            server_certificate: server.der().clone(),
            server_key,
            client_certificate: client.der().clone(),
        };
        write_public(&credentials.ca_path, &ca.pem())?;
        write_public(&credentials.client_certificate_path, &client.pem())?;
        write_private(&credentials.client_key_path, &client_key.serialize_pem())?;
        for SigningKey { path, key, .. } in &credentials.signing_keys {
            write_private(path, &key.serialize_pem())?;
        }
        Ok(credentials)
    }

    /// Writes the service-account file for a token endpoint.
    pub(super) fn write_service_account(&self, token_uri: &str) -> io::Result<()> {
        let file = json!({
            "type": "service_account",
            "project_id": self.project_id,
            "private_key_id": self.private_key_id,
            "private_key": self.service_account_key.serialize_pem().replace('\r', ""),
            "client_email": self.client_email,
            "client_id": "100000000000000000001",
            "token_uri": token_uri,
            "universe_domain": "googleapis.com",
        });
        write_private(&self.service_account_path, &format!("{file:#}\n"))
    }

    /// Writes the `external_account` file for the look-alikes at that base URL.
    pub(super) fn write_external_account(&self, base: &str) -> io::Result<()> {
        let email = &self.client_email;
        let file = json!({
            "type": "external_account",
            "audience": AUDIENCE,
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": format!("{base}/v1/token"),
            "service_account_impersonation_url":
                format!("{base}/v1/projects/-/serviceAccounts/{email}:generateAccessToken"),
            "credential_source": {
                "url": format!("{base}/subject-token"),
                "headers": {"Metadata": "True"},
                "format": {"type": "json", "subject_token_field_name": "access_token"},
            },
        });
        write_public(&self.external_account_path, &format!("{file:#}\n"))
    }

    /// A token for the workload from its identity provider, issued at that time in seconds since
    /// the epoch: what an `external_account` file leads to, good for an hour.
    ///
    /// # Errors
    /// When the key cannot be used.
    pub fn subject_token(&self, issued_at: u64) -> io::Result<String> {
        Ok(self.identity_provider()?.subject_token(issued_at))
    }

    /// The identity provider of the workload.
    pub(super) fn identity_provider(&self) -> io::Result<IdentityProvider> {
        let key = self.identity_provider_key.serialize_pem();
        let key = EncodingKey::from_ec_pem(key.as_bytes()).map_err(io::Error::other)?;
        Ok(IdentityProvider::new(key, AUDIENCE.to_owned()))
    }

    /// The public half of the identity provider's key, in PEM.
    pub(super) fn identity_provider_public_key(&self) -> String {
        self.identity_provider_key.public_key_pem()
    }

    /// The servers' certificate and key.
    pub(super) fn server_identity(&self) -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
        let key = PrivatePkcs8KeyDer::from(self.server_key.serialize_der());
        (self.server_certificate.clone(), key.into())
    }

    /// The client certificate that stands for the app.
    pub(super) fn client_certificate(&self) -> &CertificateDer<'static> {
        &self.client_certificate
    }

    /// The public half of the service account's key, in PEM.
    pub(super) fn service_account_public_key(&self) -> String {
        self.service_account_key.public_key_pem()
    }
}

impl SigningKey {
    fn generate(directory: &Path, id: &str) -> io::Result<Self> {
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let path = directory.join(format!("AuthKey_{id}.p8"));
        Ok(Self {
            id: id.to_owned(),
            path,
            topics: Vec::new(),
            key,
        })
    }

    /// The public half, in PEM.
    pub(super) fn public_key(&self) -> String {
        self.key.public_key_pem()
    }
}

const PROJECT_ID: &str = "sterna-simulated";
/// The workload's identity provider as Google knows it.
const AUDIENCE: &str = "//iam.googleapis.com/projects/100000000001/locations/global/\
                        workloadIdentityPools/simulated/providers/simulated";
const DAY: u64 = 86_400;
/// How long certificates are good for: long enough for a terminal left open, no longer.
const VALIDITY: Duration = Duration::from_secs(30 * DAY);

fn parameters(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    let now = SystemTime::now();
    // A day of grace for clocks that are behind, as those of containers sometimes are.
    params.not_before = (now - Duration::from_secs(DAY)).into();
    params.not_after = (now + VALIDITY).into();
    params
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = parameters("Sterna simulator, throw-away CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
}

fn server_certificate(
    key: &KeyPair,
    ca: &CertifiedIssuer<'_, KeyPair>,
) -> Result<rcgen::Certificate, rcgen::Error> {
    let mut params = parameters("Sterna simulator");
    params.subject_alt_names = vec![
        SanType::DnsName("localhost".try_into()?),
        SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        SanType::IpAddress(IpAddr::V6(Ipv6Addr::LOCALHOST)),
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.signed_by(key, ca)
}

/// The client certificate with the extensions that Apple's "Sandbox & Production" kind has.
fn client_certificate(
    topic: &str,
    key: &KeyPair,
    ca: &CertifiedIssuer<'_, KeyPair>,
) -> Result<rcgen::Certificate, rcgen::Error> {
    let mut params = parameters(&format!("Apple Push Services: {topic}"));
    params
        .distinguished_name
        .push(DnType::CustomDnType(UID.to_vec()), topic);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let mut topics = Vec::new();
    for (suffix, kind) in CERTIFICATE_SUFFIXES
        .iter()
        .zip(["app", "voip", "complication"])
    {
        der(
            &mut topics,
            UTF8_STRING,
            format!("{topic}{suffix}").as_bytes(),
        );
        let mut kinds = Vec::new();
        der(&mut kinds, UTF8_STRING, kind.as_bytes());
        der(&mut topics, SEQUENCE, &kinds);
    }
    let mut list = Vec::new();
    der(&mut list, SEQUENCE, &topics);
    params.custom_extensions = vec![
        CustomExtension::from_oid_content(&[APPLE_PUSH, &[1]].concat(), vec![NULL, 0]),
        CustomExtension::from_oid_content(&[APPLE_PUSH, &[2]].concat(), vec![NULL, 0]),
        CustomExtension::from_oid_content(&[APPLE_PUSH, &[6]].concat(), list),
    ];
    params.signed_by(key, ca)
}

/// `userId` in a subject's name.
const UID: &[u64] = &[0, 9, 2342, 19_200_300, 100, 1, 1];
/// Under it: 1 sandbox, 2 production, 6 all topics.
const APPLE_PUSH: &[u64] = &[1, 2, 840, 113_635, 100, 6, 3];
const NULL: u8 = 0x05;
const UTF8_STRING: u8 = 0x0c;
const SEQUENCE: u8 = 0x30;

/// Appends an element in DER; up to 64 KiB.
fn der(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    let [high, low] = u16::try_from(content.len())
        .unwrap_or(u16::MAX)
        .to_be_bytes();
    match (high, low) {
        (0, 0..=0x7f) => out.push(low),
        (0, _) => out.extend([0x81, low]),
        _ => out.extend([0x82, high, low]),
    }
    out.extend_from_slice(content);
}

/// Forty hexadecimal digits that name a key.
fn key_id(public_key: &[u8]) -> String {
    // The modulus is random; its last bytes would be the exponent's.
    let bytes = public_key.iter().skip(32).take(20);
    bytes.fold(String::new(), |id, byte| format!("{id}{byte:02x}"))
}

fn write_public(path: &Path, text: &str) -> io::Result<()> {
    fs::write(path, text)
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::{Credentials, SEQUENCE, der};

    #[test]
    fn credentials_are_written_and_secrets_are_private() {
        let directory = tempfile::tempdir().unwrap();
        let credentials = Credentials::generate(&directory.path().join("new")).unwrap();
        credentials
            .write_service_account("https://127.0.0.1:1/token")
            .unwrap();
        let [first, second] = &credentials.signing_keys;
        for path in [
            &first.path,
            &second.path,
            &credentials.client_key_path,
            &credentials.service_account_path,
        ] {
            let mode = fs::metadata(path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
        let key = fs::read_to_string(&first.path).unwrap();
        assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"), "{key}");
        let account = fs::read_to_string(&credentials.service_account_path).unwrap();
        let account: serde_json::Value = serde_json::from_str(&account).unwrap();
        assert_eq!(account["token_uri"], "https://127.0.0.1:1/token");
        assert_eq!(account["private_key_id"].as_str().map(str::len), Some(40));
        let pem = account["private_key"].as_str().unwrap();
        assert!(
            pem.starts_with("-----BEGIN PRIVATE KEY-----\n") && !pem.contains('\r'),
            "{pem}"
        );
    }

    #[test]
    fn der_lengths_take_their_shortest_form() {
        for (length, head) in [
            (0x7f, vec![SEQUENCE, 0x7f]),
            (0x80, vec![SEQUENCE, 0x81, 0x80]),
            (0x100, vec![SEQUENCE, 0x82, 0x01, 0x00]),
        ] {
            let mut out = Vec::new();
            der(&mut out, SEQUENCE, &vec![0; length]);
            assert_eq!(out[..head.len()], head);
            assert_eq!(out.len(), head.len() + length);
        }
    }
}
