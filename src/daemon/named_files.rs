//! The files with keys and certificates that the configuration names, and which of them hold
//! something else than before: a reload that changes no key of the configuration may change those.

use std::fmt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{self, SHA256};
use jiff::Timestamp;

use crate::api::{KeyRotation, Terms};
use crate::config::{Config, Key, Setting, Value};
use crate::delivery::credential_files::COMPARED;
use crate::net::tls;
use crate::push::Provider;
use crate::regular;

/// The files, as they were when they were read.
pub(super) struct NamedFiles(Vec<NamedFile>);

struct NamedFile {
    /// The configuration's key that names it, where it stands.
    place: (&'static str, &'static Key),
    /// The section of a lane, or another.
    section: String,
    path: PathBuf,
    /// SHA-256 of what is in it; `None` if it could not be read.
    content: Option<digest::Digest>,
}

impl NamedFiles {
    /// Reads those that a configuration names.
    pub(super) fn of(config: &Config) -> Self {
        let named = config.effective().into_iter().filter_map(|setting| {
            let section = setting.section();
            let Setting { app, key, value } = setting;
            match value {
                Value::Path(path) if key.names_a_credential() => Some((section, app, key, path)),
                _ => None,
            }
        });
        let files = named.map(|(section, app, key, path)| NamedFile {
            section,
            place: (app, key),
            content: regular::read(&path, COMPARED)
                .ok()
                .map(|bytes| digest::digest(&SHA256, &bytes)),
            path,
        });
        Self(files.collect())
    }

    /// A line for each that holds something else than `before`, but for those of a platform that
    /// was disabled. `old` and `new` have the API keys.
    pub(super) fn changes_since(&self, before: &Self, old: &Terms, new: &Terms) -> Vec<String> {
        let is_new = |file: &&NamedFile| {
            let mut known = before.0.iter();
            let was = known.find(|known| known.is_named_as(file));
            let was = was.and_then(|known| known.content.as_ref());
            was.map(AsRef::as_ref) != file.content.as_ref().map(AsRef::as_ref)
        };
        // Nothing is known of those of a lane that was disabled: they may be as old as it.
        let is_known = |file: &&NamedFile| {
            let is_lanes = Provider::of_platform(file.place.1.section).is_some();
            let mut before = before.0.iter();
            !is_lanes || before.any(|known| known.section == file.section)
        };
        let files = self.0.iter().filter(is_new).filter(is_known);
        let line = |file: &NamedFile| {
            let (key, path) = (file.key(), file.path.display());
            let what = file.described(old, new);
            format!("applied: {key}: {path} holds {what}")
        };
        files.map(line).collect()
    }
}

/// Shows no digest: of a short secret it could be guessed from that.
impl fmt::Debug for NamedFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files = self.0.iter().map(|file| (file.key(), &file.path));
        f.debug_list().entries(files).finish()
    }
}

impl NamedFile {
    /// The configuration's key that names it, with its section.
    fn key(&self) -> String {
        format!("{}.{}", self.section, self.place.1.name)
    }

    /// Whether the same key names both.
    fn is_named_as(&self, other: &Self) -> bool {
        let name = |file: &Self| (file.place.0, file.place.1.section, file.place.1.name);
        name(self) == name(other)
    }

    /// What is in it, without a secret.
    fn described(&self, old: &Terms, new: &Terms) -> String {
        let what = match self.place.1.name {
            "api_key_path" => {
                let rotation = KeyRotation::between(old.keys.as_ref(), new.keys.as_ref());
                return rotation.to_string();
            }
            "pem_cert_path" => return format!("a new certificate{}", certificate(&self.path)),
            "pem_key_path" => "a new private key",
            "token_auth_key_path" => "a new signing key",
            "token_auth_old_key_path" => "another signing key of before",
            "service_account_path" => "a new Google credential",
            "secret_path" => "a new secret, which signs from now on",
            "ca_path" => "new certificate authorities",
            "hash_key_path" => {
                "a new key: hashes of device tokens do not join with those of earlier lines"
            }
            _ => "something else",
        };
        what.to_owned()
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
