//! The files with keys and certificates that the configuration names, and which of them hold
//! something else than before: a reload that changes no key of the configuration may change those.

use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{self, SHA256};
use jiff::Timestamp;

use crate::api::{KeyRotation, Terms};
use crate::config::{ApnsCredential, Config, HideToken};
use crate::delivery::credential_files::COMPARED;
use crate::net::tls;
use crate::push::Provider;
use crate::regular;

/// The files, as they were when they were read.
pub(super) struct NamedFiles(Vec<NamedFile>);

struct NamedFile {
    holds: Holds,
    path: PathBuf,
    /// SHA-256 of what is in it; `None` if it could not be read.
    content: Option<digest::Digest>,
}

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holds {
    ApiKeys,
    Certificate,
    CertificateKey,
    SigningKey,
    ServiceAccount,
    IosAuthorities,
    AndroidAuthorities,
    HashKey,
}

impl Holds {
    /// The configuration's key that names it.
    const fn key(self) -> &'static str {
        match self {
            Self::ApiKeys => "core.api_key_path",
            Self::Certificate => "ios.pem_cert_path",
            Self::CertificateKey => "ios.pem_key_path",
            Self::SigningKey => "ios.token_auth_key_path",
            Self::ServiceAccount => "android.service_account_path",
            Self::IosAuthorities => "ios.ca_path",
            Self::AndroidAuthorities => "android.ca_path",
            Self::HashKey => "log.hash_key_path",
        }
    }

    /// Whose it is; `None` if it is no provider's.
    const fn provider(self) -> Option<Provider> {
        match self {
            Self::Certificate | Self::CertificateKey | Self::SigningKey | Self::IosAuthorities => {
                Some(Provider::Apns)
            }
            Self::ServiceAccount | Self::AndroidAuthorities => Some(Provider::Fcm),
            Self::ApiKeys | Self::HashKey => None,
        }
    }
}

impl NamedFiles {
    /// Reads those that a configuration names.
    pub(super) fn of(config: &Config) -> Self {
        let files = named_by(config).into_iter().map(|(holds, path)| NamedFile {
            holds,
            path: path.to_owned(),
            content: regular::read(path, COMPARED)
                .ok()
                .map(|bytes| digest::digest(&SHA256, &bytes)),
        });
        Self(files.collect())
    }

    /// A line for each that holds something else than `before`, but for those of a platform that
    /// was disabled. `old` and `new` have the API keys.
    pub(super) fn changes_since(&self, before: &Self, old: &Terms, new: &Terms) -> Vec<String> {
        let is_new = |file: &&NamedFile| {
            let was = before.0.iter().find(|known| known.holds == file.holds);
            let was = was.and_then(|known| known.content.as_ref());
            was.map(AsRef::as_ref) != file.content.as_ref().map(AsRef::as_ref)
        };
        // Nothing is known of those of a platform that was disabled: they may be as old as it.
        let is_known = |file: &&NamedFile| {
            let provider = file.holds.provider();
            let mut known = before.0.iter().map(|known| known.holds.provider());
            provider.is_none() || known.any(|of| of == provider)
        };
        let files = self.0.iter().filter(is_new).filter(is_known);
        let line = |file: &NamedFile| {
            let (key, path) = (file.holds.key(), file.path.display());
            let what = file.described(old, new);
            format!("applied: {key}: {path} holds {what}")
        };
        files.map(line).collect()
    }
}

/// Shows no digest: of a short secret it could be guessed from that.
impl fmt::Debug for NamedFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.0.iter().map(|file| (file.holds, &file.path));
        f.debug_list().entries(files).finish()
    }
}

impl NamedFile {
    /// What is in it, without a secret.
    fn described(&self, old: &Terms, new: &Terms) -> String {
        match self.holds {
            Holds::ApiKeys => {
                let rotation = KeyRotation::between(old.keys.as_ref(), new.keys.as_ref());
                rotation.to_string()
            }
            Holds::Certificate => format!("a new certificate{}", certificate(&self.path)),
            Holds::CertificateKey => "a new private key".to_owned(),
            Holds::SigningKey => "a new signing key".to_owned(),
            Holds::ServiceAccount => "a new service account".to_owned(),
            Holds::IosAuthorities | Holds::AndroidAuthorities => {
                "new certificate authorities".to_owned()
            }
            Holds::HashKey => {
                "a new key: hashes of device tokens do not join with those of earlier lines"
                    .to_owned()
            }
        }
    }
}

/// Its last day in UTC, and its fingerprint as `openssl x509 -fingerprint -sha256` has it.
fn certificate(path: &Path) -> String {
    let file = regular::read(path, tls::MAX_PEM_FILE).unwrap_or_default();
    let chain = tls::chain(regular::without_mark(&file)).unwrap_or_default();
    let Some(own) = chain.first() else {
        // It was readable when the route was made of it.
        return String::new();
    };
    let digest = digest::digest(&SHA256, own);
    let bytes = digest.as_ref().iter().map(|byte| format!("{byte:02X}"));
    let fingerprint = bytes.collect::<Vec<_>>().join(":");
    let end = tls::validity(own).and_then(|validity| Timestamp::from_second(validity.to).ok());
    let expires = end.map_or_else(String::new, |end| {
        format!(", expires {}", end.strftime("%Y-%m-%d"))
    });
    format!("{expires}, SHA-256 fingerprint {fingerprint}")
}

fn named_by(config: &Config) -> Vec<(Holds, &PathBuf)> {
    let mut named = vec![(Holds::ApiKeys, config.core.api_key_path.as_ref())];
    if let Some(ios) = &config.ios {
        match &ios.credential {
            ApnsCredential::Certificate {
                cert_path,
                key_path,
                ..
            } => named.extend([
                (Holds::Certificate, Some(cert_path)),
                (Holds::CertificateKey, Some(key_path)),
            ]),
            ApnsCredential::Token { key_path, .. } => {
                named.push((Holds::SigningKey, Some(key_path)));
            }
        }
        named.push((Holds::IosAuthorities, ios.ca_path.as_ref()));
    }
    if let Some(android) = &config.android {
        named.extend([
            (Holds::ServiceAccount, Some(&android.service_account_path)),
            (Holds::AndroidAuthorities, android.ca_path.as_ref()),
        ]);
    }
    if let HideToken::Hash { key_path } = &config.log.hide_token {
        named.push((Holds::HashKey, Some(key_path)));
    }
    let files = named.into_iter();
    files
        .filter_map(|(holds, path)| Some((holds, path?)))
        .collect()
}
