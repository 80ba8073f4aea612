//! From the configuration to the two routes: reads keys and certificates, makes TLS set-ups.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};
use std::time::Duration;

use super::credential_files::CredentialFiles;
use super::state_directory::StateDirectory;
use super::token_file;
use crate::config::{Android, ApnsCredential, Config, Endpoint as Configured, Ios, Secret};
use crate::delivery::credential::Credentials;
use crate::delivery::route::{Address, Route};
use crate::http2;
use crate::moment::Moment;
use crate::moment::server_clock::ServerClock;
use crate::net::connection::{Endpoint, Timeouts};
use crate::net::resolve::Resolver;
use crate::net::tls::{self, Identity};
use crate::net::transport::{self, HttpConnector};
use crate::oauth::{AccessTokens, Account, EXCHANGE_TIMEOUT};
use crate::provider;
use crate::provider::apns::{self, AuthTokens, SigningKey};
use crate::provider::fcm::{self, ServiceAccount};
use crate::push::{Notification, Platform};
use crate::regular;

/// Longest time for taking what we write, before a connection counts as dead.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Streams that FCM allows on a connection before its SETTINGS say so.
const FCM_STREAMS_BEFORE_SETTINGS: u32 = 100;
/// Streams before APNs' SETTINGS: with an auth token it allows one until it has seen a good one.
const APNS_STREAMS_BEFORE_SETTINGS: u32 = 1;

/// What in the configuration cannot be used.
#[derive(Debug)]
pub(super) struct RouteError(String);

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for RouteError {}

/// The files of the APNs credential; auth tokens outlive the process in `state`.
pub(super) fn ios_files(ios: &Ios, state: &StateDirectory) -> CredentialFiles {
    let (ios, state) = (ios.clone(), state.clone());
    let paths: Vec<PathBuf> = match &ios.credential {
        ApnsCredential::Certificate {
            cert_path,
            key_path,
            ..
        } => vec![cert_path.clone(), key_path.clone()],
        ApnsCredential::Token { key_path, .. } => vec![key_path.clone()],
    };
    let paths = paths.into_iter().chain(ios.ca_path.clone()).collect();
    CredentialFiles::new(paths, Box::new(move || ios_route(&ios, &state)))
}

/// The file of the FCM credential.
pub(super) fn android_files(android: &Android, state: &StateDirectory) -> CredentialFiles {
    let (android, clock) = (android.clone(), Arc::clone(&state.clock));
    let account = android.service_account_path.clone();
    let paths = [account]
        .into_iter()
        .chain(android.ca_path.clone())
        .collect();
    CredentialFiles::new(paths, Box::new(move || android_route(&android, &clock)))
}

/// The way to APNs.
fn ios_route(ios: &Ios, state: &StateDirectory) -> Result<Route, RouteError> {
    let at = |error: &dyn fmt::Display| RouteError(format!("[ios] {error}"));
    let (identity, credentials, name) = match &ios.credential {
        ApnsCredential::Certificate {
            cert_path,
            key_path,
            passphrase,
        } => {
            let passphrase = passphrase.as_ref().map(Secret::expose);
            let identity = Identity::from_pem_files(cert_path, key_path, passphrase)
                .map_err(|error| at(&error))?;
            let name = format!(
                "pem_cert_path {}, pem_key_path {}",
                cert_path.display(),
                key_path.display()
            );
            (Some(identity), Credentials::Certificate, name)
        }
        ApnsCredential::Token {
            key_path,
            key_id,
            team_id,
        } => {
            let file = read(key_path).map_err(|error| at(&error))?;
            let key = SigningKey::from_pem(&file, key_id, team_id).map_err(|error| {
                at(&format_args!(
                    "token_auth_key_path {}: {error}",
                    key_path.display()
                ))
            })?;
            let tokens = AuthTokens::new(key);
            let directory = state.path.as_deref();
            let tokens = token_file::shared(tokens, key_id, directory, Moment::now());
            let name = format!(
                "token_auth_key_path {}, key id {key_id}, team id {team_id}",
                key_path.display()
            );
            (None, Credentials::AuthTokens(Box::new(tokens)), name)
        }
    };
    let tls = tls::client_config(ios.ca_path.as_deref(), identity, &[tls::ALPN_H2])
        .map_err(|error| at(&error))?;
    let default_host = if ios.sandbox {
        apns::SANDBOX_HOST
    } else {
        apns::PRODUCTION_HOST
    };
    let (host, port, authority) = place(ios.endpoint.as_ref(), default_host);
    let http2 = options(APNS_STREAMS_BEFORE_SETTINGS);
    Ok(Route {
        endpoint: Endpoint {
            host,
            port,
            tls,
            resolver: Arc::new(Resolver::system()),
            http2,
            timeouts: timeouts(ios.timeout),
        },
        address: Address::Apns {
            authority: authority.into(),
            topic: ios.topic.as_deref().map(Arc::from),
            ids: Arc::clone(&state.apns_ids),
        },
        credentials,
        credential_name: match &ios.topic {
            Some(topic) => format!("{name}, topic {topic}"),
            None => name,
        },
        clock: Arc::clone(&state.clock),
        timeout: ios.timeout,
        idle_timeout: ios.keepalive_timeout,
    })
}

/// The way to FCM, and the access tokens that it needs.
fn android_route(android: &Android, clock: &Arc<ServerClock>) -> Result<Route, RouteError> {
    let at = |error: &dyn fmt::Display| RouteError(format!("[android] {error}"));
    let path = &android.service_account_path;
    let in_file = |error: &dyn fmt::Display| {
        RouteError(format!(
            "[android] service_account_path {}: {error}",
            path.display()
        ))
    };
    let text = String::from_utf8(read(path).map_err(|error| at(&error))?)
        .map_err(|error| in_file(&error))?;
    let account = ServiceAccount::parse(&text).map_err(|error| in_file(&error))?;
    let project = android
        .project_id
        .as_deref()
        .or(account.project_id())
        .ok_or_else(|| in_file(&"it names no project_id; set [android] project_id"))?;
    fcm::check_project_id(project).map_err(|error| at(&error))?;
    let fcm_path = fcm::path(project);
    let resolver = Arc::new(Resolver::system());
    let tls = tls::client_config(android.ca_path.as_deref(), None, &[tls::ALPN_H2])
        .map_err(|error| at(&error))?;
    let web_tls = tls::client_config(
        android.ca_path.as_deref(),
        None,
        &[tls::ALPN_H2, tls::ALPN_HTTP1],
    )
    .map_err(|error| at(&error))?;
    let connector = HttpConnector::new(web_tls, Arc::clone(&resolver), EXCHANGE_TIMEOUT);
    let agent = transport::agent(connector, transport::config().build());
    let credential_name = format!(
        "service_account_path {}, {}, key id {}, project {project}",
        path.display(),
        account.client_email(),
        account.key_id().unwrap_or("not given"),
    );
    let token_uri = account.token_uri().to_owned();
    let account = Account {
        token_uri,
        assertion: Box::new(move |now| account.assertion(now)),
        clock: Arc::clone(clock),
    };
    let tokens = AccessTokens::start(account, agent)
        .map_err(|error| at(&format_args!("no thread for the access tokens: {error}")))?;
    let (host, port, authority) = place(android.endpoint.as_ref(), fcm::HOST);
    Ok(Route {
        endpoint: Endpoint {
            host,
            port,
            tls,
            resolver,
            http2: options(FCM_STREAMS_BEFORE_SETTINGS),
            timeouts: timeouts(android.timeout),
        },
        address: Address::Fcm {
            authority: authority.into(),
            path: fcm_path.into(),
        },
        credentials: Credentials::AccessTokens(tokens),
        credential_name,
        clock: Arc::clone(clock),
        timeout: android.timeout,
        idle_timeout: android.keepalive_timeout,
    })
}

/// Makes payloads by the providers' rules, settles the push type, and warns once per configuration
/// of what may be refused.
pub(super) fn payload_of(
    config: &Config,
) -> impl Fn(&mut Notification) -> Result<Vec<u8>, String> + Send + Sync + 'static {
    let as_gaurun = config.core.is_like_gaurun;
    let doubtful = Once::new();
    move |notification| match notification.platform {
        Platform::Ios => {
            if !as_gaurun {
                apns::settle_push_type(notification);
            }
            apns::payload(notification, as_gaurun)
        }
        Platform::Android => {
            if let Some(text) = fcm::doubtful_key(notification) {
                doubtful.call_once(|| ::log::warn!("android: {text} (told once)"));
            }
            fcm::payload(notification, as_gaurun)
        }
    }
}

/// Checks a device token by its provider's rules.
pub(super) fn check_device_token(platform: Platform, token: &str) -> Result<(), &'static str> {
    match platform {
        Platform::Ios => apns::check_device_token(token),
        Platform::Android => fcm::check_device_token(token),
    }
}

fn options(streams_before_settings: u32) -> http2::Options {
    http2::Options {
        streams_before_settings,
        ..http2::Options::default()
    }
}

fn timeouts(timeout: Duration) -> Timeouts {
    Timeouts {
        connect: timeout,
        handshake: timeout,
        write: WRITE_TIMEOUT,
    }
}

/// Host, port and `:authority`.
fn place(configured: Option<&Configured>, default_host: &str) -> (String, u16, String) {
    let host = configured
        .map_or(default_host, |endpoint| &endpoint.host)
        .to_owned();
    let port = configured.map_or(HTTPS, |endpoint| endpoint.port);
    let bracketed = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.clone()
    };
    let authority = if port == HTTPS {
        bracketed
    } else {
        format!("{bracketed}:{port}")
    };
    (host, port, authority)
}

/// Reads one octet more than a key file may have, so that the provider's module sees the excess
/// and a wrong path (a device, a log) costs no memory.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    regular::read(path, provider::KEY_FILE_MAX).map_err(|error| cannot_read(path, &error))
}

fn cannot_read(path: &Path, error: &std::io::Error) -> String {
    format!("cannot read {}: {error}", path.display())
}

/// The port of `https`.
const HTTPS: u16 = 443;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_end_is_not_read_without_end() {
        let directory = tempfile::tempdir().unwrap();
        let endless = directory.path().join("endless");
        let file = std::fs::File::create(&endless).unwrap();
        file.set_len(1 << 30).unwrap();
        let octets = read(&endless).unwrap();
        assert_eq!(octets.len(), provider::KEY_FILE_MAX + 1);
        let error = SigningKey::from_pem(&octets, "ABC123DEFG", "DEF123GHIJ").unwrap_err();
        assert!(error.contains("over 65536 bytes"), "{error}");
        let error = read(Path::new("/nonexistent/key.p8")).unwrap_err();
        assert!(
            error.starts_with("cannot read /nonexistent/key.p8: "),
            "{error}"
        );
    }
}
