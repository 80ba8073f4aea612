//! What a lane to Apple has of its own: the credential, the environment, the topic.

use std::path::PathBuf;

use super::super::document::Document;
use super::super::key::Key;
use super::super::value::FromFile;
use super::super::{ProviderUrl, Secret};
use super::LaneKeys;
use crate::push::ApnsEnvironment;

/// What a lane to APNs has of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApnsConfig {
    /// Who we are to APNs.
    pub credential: ApnsCredential,
    /// Whether this lane's pushes go to the development environment.
    pub sandbox: bool,
    /// The environments of all lanes of its section, of which the first is its app's own; empty
    /// where there is one, which `sandbox` says.
    pub environments: Vec<ApnsEnvironment>,
    /// `apns-topic`; `None` only with a certificate.
    pub topic: Option<String>,
    /// Where broadcast channels are managed instead of at Apple's own address.
    pub channels_endpoint: Option<ProviderUrl>,
}

/// How we prove to APNs who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApnsCredential {
    /// Auth tokens, signed with a `.p8` key.
    Token {
        /// `token_auth_key_path` and `token_auth_key_id`.
        key: SigningKeyFile,
        /// `token_auth_team_id`: ten characters.
        team_id: String,
        /// `token_auth_old_key_path` and `token_auth_old_key_id`: in use until the other is taken.
        old: Option<SigningKeyFile>,
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

/// A signing key as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyFile {
    /// The `.p8` file.
    pub path: PathBuf,
    /// Its key id: ten characters.
    pub id: String,
    /// The key of the section that names the file.
    pub named_by: &'static str,
}

impl ApnsConfig {
    /// Where this lane's pushes go.
    pub fn environment(&self) -> ApnsEnvironment {
        if self.sandbox {
            ApnsEnvironment::Sandbox
        } else {
            ApnsEnvironment::Production
        }
    }

    /// Takes its keys. `None` if the lane is disabled, or for reasons now noted.
    pub(super) fn take(keys: &'static LaneKeys, document: &mut Document<'_>) -> Option<Self> {
        let written = CredentialKeys::take(keys, document);
        let environments = take_environments(keys, document);
        let sandbox = match environments.first() {
            None => document.flag(&keys.sandbox),
            Some(first) => *first == ApnsEnvironment::Sandbox,
        };
        let topic = take_topic(keys, document);
        let channels_endpoint =
            <Option<ProviderUrl> as FromFile>::take(document, &keys.channels_endpoint);
        if !document.is_enabled(&keys.enabled) {
            return None;
        }
        let credential = match written.choose(keys, document) {
            None if !document.needs_credentials() => ApnsCredential::Token {
                key: SigningKeyFile {
                    path: PathBuf::new(),
                    id: String::new(),
                    named_by: keys.token_auth_key_path.name,
                },
                team_id: String::new(),
                old: None,
            },
            chosen => chosen?,
        };
        let has_none = !document.has(&keys.topic) || document.is_empty_text(&keys.topic);
        let has_to = document.needs_credentials();
        if has_none && has_to && matches!(credential, ApnsCredential::Token { .. }) {
            let text = "must be the app's bundle id: APNs refuses every push without it when \
                        token authentication is used";
            document.refuse_because(&keys.topic, text);
        }
        Some(Self {
            credential,
            sandbox,
            environments,
            topic,
            channels_endpoint: channels_endpoint.flatten(),
        })
    }
}

/// The credential keys as the file has them.
struct CredentialKeys {
    cert_path: Option<PathBuf>,
    cert_key_path: Option<PathBuf>,
    passphrase: Option<Secret>,
    token_key_path: Option<PathBuf>,
    key_id: Option<String>,
    team_id: Option<String>,
    old_key_path: Option<PathBuf>,
    old_key_id: Option<String>,
}

impl CredentialKeys {
    fn take(keys: &'static LaneKeys, document: &mut Document<'_>) -> Self {
        Self {
            cert_path: document.file(&keys.pem_cert_path),
            cert_key_path: document.file(&keys.pem_key_path),
            passphrase: document.text(&keys.pem_key_passphrase).map(Secret),
            token_key_path: document.file(&keys.token_auth_key_path),
            key_id: take_identifier(document, &keys.token_auth_key_id),
            team_id: take_identifier(document, &keys.token_auth_team_id),
            old_key_path: document.file(&keys.token_auth_old_key_path),
            old_key_id: take_identifier(document, &keys.token_auth_old_key_id),
        }
    }

    /// The one complete credential.
    fn choose(
        self,
        keys: &'static LaneKeys,
        document: &mut Document<'_>,
    ) -> Option<ApnsCredential> {
        let missing = Self::missing(keys, document);
        let certificate = self.cert_path.zip(self.cert_key_path);
        let token = self.token_key_path.zip(self.key_id).zip(self.team_id);
        match (certificate, token) {
            (Some(_), Some(_)) => {
                document.refuse_because(
                    &keys.token_auth_key_path,
                    "only one of certificate and token authentication can be used; remove the \
                     pem_* or the token_auth_* keys",
                );
                None
            }
            (Some((cert_path, key_path)), None) => {
                let warning = "ignored: the token_auth_* keys are incomplete, and certificate \
                               authentication is used";
                let [path, id, team] = token_keys(keys);
                let [old_path, old_id] = old_keys(keys);
                document.warn_first(&[path, id, team, old_path, old_id], warning);
                Some(ApnsCredential::Certificate {
                    cert_path,
                    key_path,
                    passphrase: self.passphrase,
                })
            }
            (None, Some(((key_path, key_id), team_id))) => {
                let warning = "ignored: token authentication is used";
                document.warn_first(&certificate_keys(keys), warning);
                let old = self.old_key_path.zip(self.old_key_id);
                let key = SigningKeyFile {
                    path: key_path,
                    id: key_id,
                    named_by: keys.token_auth_key_path.name,
                };
                Some(ApnsCredential::Token {
                    old: old_key(old, &key, keys, document),
                    key,
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
    fn missing(keys: &'static LaneKeys, document: &Document<'_>) -> Option<String> {
        let lacking = |keys: &[&'static Key]| {
            let names = keys
                .iter()
                .filter(|key| !document.has_text(key))
                .map(|key| document.path(key));
            let names: Vec<String> = names.collect();
            (!names.is_empty()).then(|| names.join(", "))
        };
        let section = document.section(&keys.enabled);
        let text = if token_keys(keys).iter().any(|key| document.has_text(key)) {
            let lacking = lacking(&token_keys(keys))?;
            format!("{section}: token authentication lacks {lacking}")
        } else if certificate_keys(keys)
            .iter()
            .any(|key| document.has_text(key))
        {
            let lacking = lacking(&[&keys.pem_cert_path, &keys.pem_key_path])?;
            format!("{section}: certificate authentication lacks {lacking}")
        } else {
            format!(
                "{section}: no credential: set token_auth_key_path, token_auth_key_id and \
                 token_auth_team_id, or pem_cert_path and pem_key_path"
            )
        };
        Some(format!("{text}; or set {section}.enabled = false"))
    }
}

/// The key before, if it is named and is another.
fn old_key(
    named: Option<(PathBuf, String)>,
    key: &SigningKeyFile,
    keys: &'static LaneKeys,
    document: &mut Document<'_>,
) -> Option<SigningKeyFile> {
    let [of_path, of_id] = old_keys(keys);
    let Some((path, id)) = named else {
        for (said, lacking) in [(of_path, of_id), (of_id, of_path)] {
            if document.has_text(said) && !document.has_text(lacking) {
                let lacking = document.path(lacking);
                document.refuse_because(said, format!("lacks {lacking}; set both, or neither"));
            }
        }
        return None;
    };
    if id == key.id {
        let text = "ignored: it is the key that is in use anyway; name the one before it, or remove \
                    both token_auth_old_ keys";
        document.warn(of_id, text);
        return None;
    }
    Some(SigningKeyFile {
        path,
        id,
        named_by: of_path.name,
    })
}

fn take_identifier(document: &mut Document<'_>, key: &'static Key) -> Option<String> {
    let text = document.text(key)?;
    if text.len() == IDENTIFIER_LEN && text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Some(text);
    }
    document.refuse(key);
    None
}

/// The environments that are named; none if they are not, or cannot be for reasons now noted.
fn take_environments(keys: &'static LaneKeys, document: &mut Document<'_>) -> Vec<ApnsEnvironment> {
    let key = &keys.environments;
    let most = ApnsEnvironment::ALL.len();
    let names = document.list(key, most, |name| ApnsEnvironment::of_word(name).is_some());
    if let [one, other] = &*names
        && one == other
    {
        document.refuse(key);
        return Vec::new();
    }
    if !names.is_empty() && document.has(&keys.sandbox) {
        let sandbox = document.path(&keys.sandbox);
        let reason = format!("says what {sandbox} says too; remove one of them");
        document.refuse_because(key, reason);
    }
    let environments = names.iter().map(|name| ApnsEnvironment::of_word(name));
    environments.flatten().collect()
}

fn take_topic(keys: &'static LaneKeys, document: &mut Document<'_>) -> Option<String> {
    let key = &keys.topic;
    let text = document.text(key)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    if text.len() <= TOPIC_MAX && text.bytes().all(allowed) {
        return Some(text);
    }
    document.refuse(key);
    None
}

/// Those without which there is no token authentication.
fn token_keys(keys: &'static LaneKeys) -> [&'static Key; 3] {
    [
        &keys.token_auth_key_path,
        &keys.token_auth_key_id,
        &keys.token_auth_team_id,
    ]
}

fn old_keys(keys: &'static LaneKeys) -> [&'static Key; 2] {
    [&keys.token_auth_old_key_path, &keys.token_auth_old_key_id]
}

fn certificate_keys(keys: &'static LaneKeys) -> [&'static Key; 3] {
    [
        &keys.pem_cert_path,
        &keys.pem_key_path,
        &keys.pem_key_passphrase,
    ]
}

/// Characters of a key id and of a team id: Apple gives them ten.
pub(in super::super) const IDENTIFIER_LEN: usize = 10;
/// Characters of a topic: a bundle id, of 155 at most, and the suffix of a push type.
pub(in super::super) const TOPIC_MAX: usize = 255;
