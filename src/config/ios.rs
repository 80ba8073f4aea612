//! `[ios]`: how pushes reach Apple.

use std::path::PathBuf;
use std::time::Duration;

use super::document::Document;
use super::key::Key;
use super::keys;
use super::{ProviderUrl, Secret, number, seconds, small};

/// `[ios]`, enabled and complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ios {
    /// Who we are to APNs.
    pub credential: ApnsCredential,
    /// Whether pushes go to the development environment.
    pub sandbox: bool,
    /// `apns-topic`; `None` only with a certificate.
    pub topic: Option<String>,
    /// Time that an attempt, or opening a connection, may take.
    pub timeout: Duration,
    /// Attempts after the first.
    pub retry_max: u16,
    /// Pushes per second at most; 0 for as fast as the provider takes them.
    pub rate: u32,
    /// Idle time after which a connection closes.
    pub keepalive_timeout: Duration,
    /// Where APNs is reached instead of Apple's own address.
    pub endpoint: Option<ProviderUrl>,
    /// PEM file of certificate authorities to trust beside the system's.
    pub ca_path: Option<PathBuf>,
}

/// How we prove to APNs who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApnsCredential {
    /// Auth tokens, signed with a `.p8` key.
    Token {
        /// `token_auth_key_path`: the `.p8` file.
        key_path: PathBuf,
        /// `token_auth_key_id`: ten characters.
        key_id: String,
        /// `token_auth_team_id`: ten characters.
        team_id: String,
    },
    /// A TLS client certificate.
    Certificate {
        /// `pem_cert_path`: the certificate chain.
        cert_path: PathBuf,
        /// `pem_key_path`: its private key.
        key_path: PathBuf,
        /// `pem_key_passphrase`: decrypts the key.
        passphrase: Option<Secret>,
    },
}

impl Ios {
    /// Takes the section. `None` if it is disabled, or cannot be used for reasons now noted.
    pub(super) fn take(document: &mut Document<'_>) -> Option<Self> {
        let enabled = document.flag(&keys::IOS_ENABLED);
        let written = Credentials::take(document);
        let sandbox = document.flag(&keys::IOS_SANDBOX);
        let topic = take_topic(document);
        let timeout = seconds(document, &keys::IOS_TIMEOUT);
        let retry_max = small(document, &keys::IOS_RETRY_MAX);
        let rate = number(document, &keys::IOS_RATE);
        let keepalive_timeout = seconds(document, &keys::IOS_KEEPALIVE_TIMEOUT);
        document.number(&keys::IOS_KEEPALIVE_CONNS);
        let endpoint = ProviderUrl::take(document, &keys::IOS_ENDPOINT);
        let ca_path = document.file(&keys::IOS_CA_PATH);
        if !enabled {
            return None;
        }
        if document.has(&keys::IOS_KEEPALIVE_CONNS) {
            document.warn(&keys::IOS_KEEPALIVE_CONNS, super::NO_EFFECT);
        }
        let credential = match written.choose(document) {
            None if !document.needs_credentials() => ApnsCredential::Token {
                key_path: PathBuf::new(),
                key_id: String::new(),
                team_id: String::new(),
            },
            chosen => chosen?,
        };
        let has_none = !document.has(&keys::IOS_TOPIC) || document.is_empty_text(&keys::IOS_TOPIC);
        let has_to = document.needs_credentials();
        if has_none && has_to && matches!(credential, ApnsCredential::Token { .. }) {
            let text = "must be the app's bundle id: APNs refuses every push without it when \
                        token authentication is used";
            document.refuse_because(&keys::IOS_TOPIC, text);
        }
        Some(Self {
            credential,
            sandbox,
            topic,
            timeout,
            retry_max,
            rate,
            keepalive_timeout,
            endpoint,
            ca_path,
        })
    }
}

/// The credential keys as the file has them.
struct Credentials {
    cert_path: Option<PathBuf>,
    cert_key_path: Option<PathBuf>,
    passphrase: Option<Secret>,
    token_key_path: Option<PathBuf>,
    key_id: Option<String>,
    team_id: Option<String>,
}

impl Credentials {
    fn take(document: &mut Document<'_>) -> Self {
        Self {
            cert_path: document.file(&keys::IOS_PEM_CERT_PATH),
            cert_key_path: document.file(&keys::IOS_PEM_KEY_PATH),
            passphrase: document.text(&keys::IOS_PEM_KEY_PASSPHRASE).map(Secret),
            token_key_path: document.file(&keys::IOS_TOKEN_AUTH_KEY_PATH),
            key_id: take_identifier(document, &keys::IOS_TOKEN_AUTH_KEY_ID),
            team_id: take_identifier(document, &keys::IOS_TOKEN_AUTH_TEAM_ID),
        }
    }

    /// The one complete credential.
    fn choose(self, document: &mut Document<'_>) -> Option<ApnsCredential> {
        let missing = Self::missing(document);
        let certificate = self.cert_path.zip(self.cert_key_path);
        let token = self.token_key_path.zip(self.key_id).zip(self.team_id);
        match (certificate, token) {
            (Some(_), Some(_)) => {
                document.refuse_because(
                    &keys::IOS_TOKEN_AUTH_KEY_PATH,
                    "only one of certificate and token authentication can be used; remove the \
                     pem_* or the token_auth_* keys",
                );
                None
            }
            (Some((cert_path, key_path)), None) => {
                let warning = "ignored: the token_auth_* keys are incomplete, and certificate \
                               authentication is used";
                document.warn_first(&TOKEN_KEYS, warning);
                Some(ApnsCredential::Certificate {
                    cert_path,
                    key_path,
                    passphrase: self.passphrase,
                })
            }
            (None, Some(((key_path, key_id), team_id))) => {
                let warning = "ignored: token authentication is used";
                document.warn_first(&CERTIFICATE_KEYS, warning);
                Some(ApnsCredential::Token {
                    key_path,
                    key_id,
                    team_id,
                })
            }
            (None, None) => {
                if let Some(missing) = missing.filter(|_| document.needs_credentials()) {
                    document.refuse_whole(missing);
                }
                None
            }
        }
    }

    /// What to say if neither kind is complete; nothing if what is there was refused.
    fn missing(document: &Document<'_>) -> Option<String> {
        let lacking = |keys: &[&'static Key]| {
            let names = keys
                .iter()
                .filter(|key| !document.has_text(key))
                .map(|key| key.path());
            let names: Vec<String> = names.collect();
            (!names.is_empty()).then(|| names.join(", "))
        };
        let text = if TOKEN_KEYS.iter().any(|key| document.has_text(key)) {
            let lacking = lacking(&TOKEN_KEYS)?;
            format!("ios: token authentication lacks {lacking}")
        } else if CERTIFICATE_KEYS.iter().any(|key| document.has_text(key)) {
            let lacking = lacking(&[&keys::IOS_PEM_CERT_PATH, &keys::IOS_PEM_KEY_PATH])?;
            format!("ios: certificate authentication lacks {lacking}")
        } else {
            let text = "ios: no credential: set token_auth_key_path, token_auth_key_id and \
                        token_auth_team_id, or pem_cert_path and pem_key_path";
            text.to_owned()
        };
        Some(format!("{text}; or set ios.enabled = false"))
    }
}

fn take_identifier(document: &mut Document<'_>, key: &'static Key) -> Option<String> {
    let text = document.text(key)?;
    if text.len() == IDENTIFIER_LEN && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Some(text);
    }
    document.refuse(key);
    None
}

fn take_topic(document: &mut Document<'_>) -> Option<String> {
    let key = &keys::IOS_TOPIC;
    let text = document.text(key)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if text.len() <= TOPIC_MAX && text.bytes().all(allowed) {
        return Some(text);
    }
    document.refuse(key);
    None
}

static TOKEN_KEYS: [&Key; 3] = [
    &keys::IOS_TOKEN_AUTH_KEY_PATH,
    &keys::IOS_TOKEN_AUTH_KEY_ID,
    &keys::IOS_TOKEN_AUTH_TEAM_ID,
];
static CERTIFICATE_KEYS: [&Key; 3] = [
    &keys::IOS_PEM_CERT_PATH,
    &keys::IOS_PEM_KEY_PATH,
    &keys::IOS_PEM_KEY_PASSPHRASE,
];

/// Characters of a key id and of a team id: Apple gives them ten.
pub(super) const IDENTIFIER_LEN: usize = 10;
/// Characters of a topic: a bundle id, of 155 at most, and the suffix of a push type.
pub(super) const TOPIC_MAX: usize = 255;
