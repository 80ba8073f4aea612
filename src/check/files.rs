//! Keys, certificates, service accounts and other files that the configuration names: are they
//! there, can they be read, and until when are they good?

use std::fmt::Display;
use std::path::Path;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::api::ApiKeys;
use crate::config::{Android, ApnsCredential, Core, Diagnostic, HideToken, Ios, Log, Secret};
use crate::config::{FileText, Severity};
use crate::count;
use crate::log::HASH_KEY_MIN;
use crate::moment::server_clock::span;
use crate::net::tls::{Identity, Roots, validity};
use crate::provider::KEY_FILE_MAX;
use crate::provider::apns::SigningKey;
use crate::provider::fcm::{ServiceAccount, check_project_id};
use crate::regular;

/// How long before its end a certificate is warned of: time for Apple's portal and a holiday.
pub(super) const EXPIRY_WARNING: Duration = Duration::from_secs(30 * 86_400);

/// A look at the files.
pub(super) struct Look<'l, 't> {
    pub(super) source: &'l FileText<'t>,
    pub(super) now: Duration,
    pub(super) findings: &'l mut Vec<Diagnostic>,
}

impl Look<'_, '_> {
    pub(super) fn ios(&mut self, ios: &Ios) {
        match &ios.credential {
            ApnsCredential::Token {
                key_path,
                key_id,
                team_id,
            } => {
                let key = "ios.token_auth_key_path";
                let found = self.read(key, key_path);
                let found = found.and_then(|file| SigningKey::from_pem(&file, key_id, team_id));
                if let Err(error) = found {
                    self.error(key, error);
                }
            }
            ApnsCredential::Certificate {
                cert_path,
                key_path,
                passphrase,
            } => {
                let passphrase = passphrase.as_ref().map(Secret::expose);
                match Identity::from_pem_files(cert_path, key_path, passphrase) {
                    Ok(identity) => {
                        for certificate in identity.certificates() {
                            self.expiry("ios.pem_cert_path", certificate);
                        }
                    }
                    Err(error) => {
                        let text = error.to_string();
                        let of_key = format!("{}: ", key_path.display());
                        let at_key = cert_path != key_path && text.starts_with(&of_key);
                        let key = if at_key {
                            "ios.pem_key_path"
                        } else {
                            "ios.pem_cert_path"
                        };
                        self.error(key, text);
                    }
                }
            }
        }
        self.authorities("ios.ca_path", ios.ca_path.as_deref());
    }

    pub(super) fn android(&mut self, android: &Android) {
        let key = "android.service_account_path";
        let read = self.read(key, &android.service_account_path);
        match read.and_then(service_account) {
            Err(error) => self.error(key, error),
            Ok(account) => match android.project_id.as_deref().or(account.project_id()) {
                None => self.error(key, "it names no project_id; set android.project_id"),
                Some(project) => {
                    if let Err(error) = check_project_id(project) {
                        self.error("android.project_id", error);
                    }
                }
            },
        }
        self.authorities("android.ca_path", android.ca_path.as_deref());
    }

    pub(super) fn core(&mut self, core: &Core) {
        let Some(path) = &core.api_key_path else {
            return;
        };
        let keys = self.read("core.api_key_path", path).and_then(|file| {
            if file.len() > KEY_FILE_MAX {
                return Err(format!(
                    "over {KEY_FILE_MAX} bytes: it is no file of API keys"
                ));
            }
            let text = String::from_utf8_lossy(&file);
            ApiKeys::parse(&text).map_err(|error| error.to_string())
        });
        if let Err(error) = keys {
            self.error("core.api_key_path", error);
        }
    }

    pub(super) fn log(&mut self, log: &Log) {
        let HideToken::Hash { key_path } = &log.hide_token else {
            return;
        };
        match self.read("log.hash_key_path", key_path) {
            Ok(key) if (HASH_KEY_MIN..=KEY_FILE_MAX).contains(&key.len()) => {}
            Ok(key) => {
                let octets = count::of(key.len(), "octet", "octets");
                let text = format!(
                    "the file has {octets}, and {HASH_KEY_MIN} to {KEY_FILE_MAX} make a key; \
                     make one with: openssl rand -out FILE 32"
                );
                self.error("log.hash_key_path", text);
            }
            Err(error) => self.error("log.hash_key_path", error),
        }
    }

    fn authorities(&mut self, key: &str, path: Option<&Path>) {
        let Some(path) = path else {
            return;
        };
        if let Err(error) = Roots::from_file(path) {
            return self.error(key, error);
        }
        let Ok(file) = read(path) else {
            return;
        };
        for certificate in CertificateDer::pem_slice_iter(&file).flatten() {
            self.expiry(key, &certificate);
        }
    }

    /// Looks at a certificate's time; `key` names its file.
    fn expiry(&mut self, key: &str, certificate: &[u8]) {
        let Some(validity) = validity(certificate) else {
            return self.add(
                Severity::Warning,
                key,
                "a certificate's dates cannot be read",
            );
        };
        let now = i64::try_from(self.now.as_secs()).unwrap_or(i64::MAX);
        let until = |at: i64| Duration::from_secs(at.abs_diff(now));
        if now >= validity.to {
            let text = format!(
                "the certificate expired at {}; renew it, or put this machine's clock right",
                date(validity.to)
            );
            self.error(key, text);
        } else if now < validity.from {
            let text = format!(
                "the certificate is valid from {} on, in {}; this machine's clock may be wrong, \
                 see timedatectl",
                date(validity.from),
                span(until(validity.from))
            );
            self.error(key, text);
        } else if until(validity.to) <= EXPIRY_WARNING {
            let text = format!(
                "the certificate expires in {} ({}); renew it",
                span(until(validity.to)),
                date(validity.to)
            );
            self.add(Severity::Warning, key, text);
        }
    }

    /// Reads the file that the key names; the error says which one, if that is not to be seen.
    fn read(&self, key: &str, path: &Path) -> Result<Vec<u8>, String> {
        read(path).map_err(|error| {
            if self.source.shows(key, path) {
                error
            } else {
                format!("{} {error}", path.display())
            }
        })
    }

    fn error(&mut self, key: &str, text: impl Display) {
        self.add(Severity::Error, key, text);
    }

    fn add(&mut self, severity: Severity, key: &str, text: impl Display) {
        self.findings.push(self.source.about(severity, key, text));
    }
}

/// Reads a service account's file.
pub(super) fn service_account(file: Vec<u8>) -> Result<ServiceAccount, String> {
    let text = String::from_utf8(file).map_err(|error| error.to_string())?;
    ServiceAccount::parse(&text)
}

/// Reads one octet more than a key file may have, so that the excess is seen.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    regular::read(path, KEY_FILE_MAX).map_err(|error| format!("cannot be read: {error}"))
}

fn date(at: i64) -> String {
    jiff::Timestamp::from_second(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}
