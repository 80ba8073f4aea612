//! What a lane to Google has of its own: the credential and the project.

use std::net::Ipv6Addr;
use std::path::PathBuf;

use super::super::Environment;
use super::super::document::Document;
use super::super::environment::{CREDENTIALS_VARIABLE, METADATA_VARIABLE};
use super::super::provider_url::is_host_name;
use super::LaneKeys;

/// What a lane to FCM has of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FcmConfig {
    /// Who we are to Google.
    pub credential: FcmCredential,
    /// Project to push for, instead of the credential's.
    pub project_id: Option<String>,
    /// What a message becomes whose caller says no more; what the file leaves open is settled once
    /// all of it is read.
    pub style: Option<MessageStyle>,
}

/// What a message becomes on Android whose caller says no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageStyle {
    /// A notification, which the system shows.
    Notification,
    /// Data, which the app shows.
    Data,
}

impl MessageStyle {
    /// All of them.
    const ALL: [Self; 2] = [Self::Notification, Self::Data];

    /// Its word in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Notification => "notification",
            Self::Data => "data",
        }
    }
}

/// How we prove to Google who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FcmCredential {
    /// By a file of Google's.
    File {
        /// `service_account_path`: of a service account or an external account.
        path: PathBuf,
        /// `credential_hosts`: those that an `external_account` file may have the subject token
        /// from, beside this machine.
        hosts: Vec<String>,
        /// `token_hosts`: those that it may have tokens sent to, beside Google's.
        token_hosts: Vec<String>,
    },
    /// By being a machine of Google's.
    MetadataServer {
        /// The metadata server's host, with its port if there is one.
        host: String,
    },
}

impl FcmConfig {
    /// Takes its keys. `None` if the lane is disabled, or for reasons now noted.
    pub(super) fn take(
        keys: &'static LaneKeys,
        document: &mut Document<'_>,
        environment: &Environment,
    ) -> Option<Self> {
        let apikey = document.text(&keys.apikey);
        let path = document.file(&keys.service_account_path);
        let hosts = document.list(&keys.credential_hosts, HOSTS_MAX, is_host);
        let token_hosts = document.list(&keys.token_hosts, HOSTS_MAX, is_host);
        let is_machine = document.flag(&keys.metadata_server);
        let project_id = take_project_id(keys, document);
        let style = take_style(keys, document);
        if !document.is_enabled(&keys.enabled) {
            return None;
        }
        let credential = if is_machine {
            if path.is_some() {
                let text = "only one of credential file and metadata server can be used; remove \
                            service_account_path, or write false";
                document.refuse_because(&keys.metadata_server, text);
            }
            for (key, hosts) in [
                (&keys.credential_hosts, &hosts),
                (&keys.token_hosts, &token_hosts),
            ] {
                if !hosts.is_empty() {
                    document.warn(key, "ignored: the metadata server is used");
                }
            }
            Some(metadata_server(document, environment))
        } else {
            let from_environment = || environment.google_application_credentials.clone();
            let none = || (!document.needs_credentials()).then(PathBuf::new);
            let path = path.or_else(from_environment).or_else(none);
            path.map(|path| FcmCredential::File {
                path,
                hosts,
                token_hosts,
            })
        };
        let Some(credential) = credential else {
            refuse_none(keys, document, environment, apikey.is_some());
            return None;
        };
        if apikey.is_some() {
            document.warn(
                &keys.apikey,
                "ignored: Google closed the API that took it in 2024; the service account is used",
            );
        }
        Some(Self {
            credential,
            project_id,
            style,
        })
    }
}

fn take_style(keys: &'static LaneKeys, document: &mut Document<'_>) -> Option<MessageStyle> {
    let text = document.text(&keys.style)?;
    let mut all = MessageStyle::ALL.into_iter();
    let found = all.find(|style| style.name() == text);
    if found.is_none() && !text.is_empty() {
        document.refuse(&keys.style);
    }
    found
}

/// The metadata server where it is; refused if the environment names no host.
fn metadata_server(document: &mut Document<'_>, environment: &Environment) -> FcmCredential {
    let host = environment.metadata_host.as_deref();
    let host = host.unwrap_or(METADATA_HOST);
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let bracketed = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'));
    let is_six = bracketed.is_some_and(|name| name.parse::<Ipv6Addr>().is_ok());
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_good = (is_six || is_host_name(name)) && port.is_none_or(is_port);
    if !is_good && document.needs_credentials() {
        document.refuse_whole(format!(
            "{METADATA_VARIABLE} is neither a host nor host:port"
        ));
    }
    let host = host.to_owned();
    FcmCredential::MetadataServer { host }
}

/// Says that there is no credential, and what to do.
fn refuse_none(
    keys: &'static LaneKeys,
    document: &mut Document<'_>,
    environment: &Environment,
    has_apikey: bool,
) {
    let section = document.section(&keys.enabled);
    if let Some(complaint) = environment.complaint(CREDENTIALS_VARIABLE) {
        document.refuse_whole(complaint);
    } else if has_apikey {
        let text = format!(
            "Google closed the API that took this key in 2024; set \
             {section}.service_account_path to a service account's JSON file (Firebase \
             console, project settings, service accounts), or {section}.enabled = false"
        );
        document.refuse_because(&keys.apikey, text);
    } else {
        document.refuse_whole(format!(
            "{section}: no credential: set service_account_path, or \
             GOOGLE_APPLICATION_CREDENTIALS in the environment, or on Google Cloud \
             {section}.metadata_server = true; or set {section}.enabled = false"
        ));
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

fn is_host(text: &str) -> bool {
    is_host_name(text) || text.parse::<Ipv6Addr>().is_ok()
}

/// Where a machine of Google's finds its metadata server.
const METADATA_HOST: &str = "metadata.google.internal";

/// Our limit: hosts that an `external_account` file may name of either kind; an identity provider
/// has one or two.
pub(in super::super) const HOSTS_MAX: usize = 16;

/// Characters of a project id: Google gives 30, and a domain before it in old ones.
pub(in super::super) const PROJECT_ID_MAX: usize = 64;
