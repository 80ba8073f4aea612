//! `[android]`: how pushes reach Google.

use std::path::PathBuf;
use std::time::Duration;

use super::document::Document;
use super::environment::CREDENTIALS_VARIABLE;
use super::keys;
use super::{Environment, ProviderUrl, number, seconds, small};

/// `[android]`, enabled and complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Android {
    /// Google's service-account file.
    pub service_account_path: PathBuf,
    /// Project to push for, instead of the file's.
    pub project_id: Option<String>,
    /// Time that an attempt, or opening a connection, may take; at least ten seconds.
    pub timeout: Duration,
    /// Attempts after the first.
    pub retry_max: u16,
    /// Pushes per second at most; 0 for as fast as the provider takes them.
    pub rate: u32,
    /// Idle time after which a connection closes.
    pub keepalive_timeout: Duration,
    /// Where FCM is reached instead of Google's own address.
    pub endpoint: Option<ProviderUrl>,
    /// PEM file of certificate authorities to trust beside the system's.
    pub ca_path: Option<PathBuf>,
}

impl Android {
    /// Takes the section. `None` if it is disabled, or cannot be used for reasons now noted.
    pub(super) fn take(document: &mut Document<'_>, environment: &Environment) -> Option<Self> {
        let enabled = document.flag(&keys::ANDROID_ENABLED);
        let apikey = document.text(&keys::ANDROID_APIKEY);
        let service_account_path = document.file(&keys::ANDROID_SERVICE_ACCOUNT_PATH);
        let project_id = take_project_id(document);
        let timeout = seconds(document, &keys::ANDROID_TIMEOUT);
        let retry_max = small(document, &keys::ANDROID_RETRY_MAX);
        let rate = number(document, &keys::ANDROID_RATE);
        let keepalive_timeout = seconds(document, &keys::ANDROID_KEEPALIVE_TIMEOUT);
        document.number(&keys::ANDROID_KEEPALIVE_CONNS);
        let endpoint = ProviderUrl::take(document, &keys::ANDROID_ENDPOINT);
        let ca_path = document.file(&keys::ANDROID_CA_PATH);
        if !enabled {
            return None;
        }
        if document.has(&keys::ANDROID_KEEPALIVE_CONNS) {
            document.warn(&keys::ANDROID_KEEPALIVE_CONNS, super::NO_EFFECT);
        }
        let least = Duration::from_secs(keys::FCM_TIMEOUT_MIN);
        if timeout < least {
            document.warn(
                &keys::ANDROID_TIMEOUT,
                format_args!(
                    "raised to {}: Google asks for no less, and giving up sooner makes duplicates",
                    least.as_secs()
                ),
            );
        }
        let from_environment = || environment.google_application_credentials.clone();
        let none = || (!document.needs_credentials()).then(PathBuf::new);
        let path = service_account_path.or_else(from_environment).or_else(none);
        let Some(service_account_path) = path else {
            if let Some(complaint) = environment.complaint(CREDENTIALS_VARIABLE) {
                document.refuse_whole(complaint);
            } else if apikey.is_some() {
                document.refuse_because(
                    &keys::ANDROID_APIKEY,
                    "Google closed the API that took this key in 2024; set \
                     android.service_account_path to a service account's JSON file (Firebase \
                     console, project settings, service accounts), or android.enabled = false",
                );
            } else {
                document.refuse_whole(
                    "android: no credential: set service_account_path, or \
                     GOOGLE_APPLICATION_CREDENTIALS in the environment; or set \
                     android.enabled = false",
                );
            }
            return None;
        };
        if apikey.is_some() {
            document.warn(
                &keys::ANDROID_APIKEY,
                "ignored: Google closed the API that took it in 2024; the service account is used",
            );
        }
        Some(Self {
            service_account_path,
            project_id,
            timeout: timeout.max(least),
            retry_max,
            rate,
            keepalive_timeout,
            endpoint,
            ca_path,
        })
    }
}

/// The project's id becomes part of a URL's path.
fn take_project_id(document: &mut Document<'_>) -> Option<String> {
    let key = &keys::ANDROID_PROJECT_ID;
    let text = document.text(key)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if text.len() <= PROJECT_ID_MAX && text.bytes().all(allowed) {
        return Some(text);
    }
    document.refuse(key);
    None
}

/// Characters of a project id: Google gives 30, and a domain before it in old ones.
pub(super) const PROJECT_ID_MAX: usize = 64;
