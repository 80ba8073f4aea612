//! What a lane to Google has of its own: the service account and the project.

use std::path::PathBuf;

use super::super::Environment;
use super::super::document::Document;
use super::super::environment::CREDENTIALS_VARIABLE;
use super::LaneKeys;

/// What a lane to FCM has of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FcmConfig {
    /// Google's service-account file.
    pub service_account_path: PathBuf,
    /// Project to push for, instead of the file's.
    pub project_id: Option<String>,
}

impl FcmConfig {
    /// Takes its keys. `None` if the lane is disabled, or for reasons now noted.
    pub(super) fn take(
        keys: &'static LaneKeys,
        document: &mut Document<'_>,
        environment: &Environment,
    ) -> Option<Self> {
        let apikey = document.text(&keys.apikey);
        let service_account_path = document.file(&keys.service_account_path);
        let project_id = take_project_id(keys, document);
        if !document.flag(&keys.enabled) {
            return None;
        }
        let from_environment = || environment.google_application_credentials.clone();
        let none = || (!document.needs_credentials()).then(PathBuf::new);
        let path = service_account_path.or_else(from_environment).or_else(none);
        let Some(service_account_path) = path else {
            let section = keys.enabled.section;
            if let Some(complaint) = environment.complaint(CREDENTIALS_VARIABLE) {
                document.refuse_whole(complaint);
            } else if apikey.is_some() {
                let text = format!(
                    "Google closed the API that took this key in 2024; set \
                     {section}.service_account_path to a service account's JSON file (Firebase \
                     console, project settings, service accounts), or {section}.enabled = false"
                );
                document.refuse_because(&keys.apikey, text);
            } else {
                document.refuse_whole(format!(
                    "{section}: no credential: set service_account_path, or \
                     GOOGLE_APPLICATION_CREDENTIALS in the environment; or set \
                     {section}.enabled = false"
                ));
            }
            return None;
        };
        if apikey.is_some() {
            document.warn(
                &keys.apikey,
                "ignored: Google closed the API that took it in 2024; the service account is used",
            );
        }
        Some(Self {
            service_account_path,
            project_id,
        })
    }
}

/// The project's id becomes part of a URL's path.
fn take_project_id(keys: &'static LaneKeys, document: &mut Document<'_>) -> Option<String> {
    let key = &keys.project_id;
    let text = document.text(key)?;
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
    if text.len() <= PROJECT_ID_MAX && text.bytes().all(allowed) {
        return Some(text);
    }
    document.refuse(key);
    None
}

/// Characters of a project id: Google gives 30, and a domain before it in old ones.
pub(in super::super) const PROJECT_ID_MAX: usize = 64;
