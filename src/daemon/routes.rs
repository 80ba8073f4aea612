//! From the configuration to the lanes' routes: reads keys and certificates, makes TLS set-ups.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::state_directory::StateDirectory;
use crate::config::{ApnsConfig, ApnsCredential, FcmConfig, FcmCredential, LaneConfig};
use crate::config::{ProviderConfig, ProviderUrl};
use crate::delivery::channel_manager::ChannelManager;
use crate::delivery::credential::Credentials;
use crate::delivery::credential_files::{CredentialFiles, Unroutable};
use crate::delivery::pool_key::{PoolKey, Speaker};
use crate::delivery::route::Route;
use crate::http2;
use crate::moment::Moment;
use crate::moment::server_clock::ServerClock;
use crate::named::{self, Apns, ApnsIdentity, Fcm, Finding, Found};
use crate::net::connection::{Endpoint, Timeouts};
use crate::net::resolve::Resolver;
use crate::net::tls::SystemRoots;
use crate::net::transport::{self, HttpConnector};
use crate::oauth::{AccessTokens, EXCHANGE_TIMEOUT};
use crate::provider::apns;
use crate::provider::fcm;
use crate::push::{ApnsEnvironment, LaneId};

/// Longest time for taking what we write, before a connection counts as dead.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// Streams that FCM allows on a connection before its SETTINGS say so.
const FCM_STREAMS_BEFORE_SETTINGS: u32 = 100;
/// Streams before APNs' SETTINGS: with an auth token it allows one until it has seen a good one.
const APNS_STREAMS_BEFORE_SETTINGS: u32 = 1;

/// Whom the system trusts: read when it is needed first, for all routes that are made together.
#[derive(Clone, Default)]
pub(super) struct SharedRoots(Arc<OnceLock<SystemRoots>>);

impl SharedRoots {
    fn get(&self) -> &SystemRoots {
        self.0.get_or_init(|| {
            let system = SystemRoots::load();
            for doubt in &system.doubts {
                ::log::warn!("{doubt}");
            }
            system
        })
    }
}

/// The files of a lane's credential; auth tokens outlive the process in `state`.
pub(super) fn credential_files(
    id: LaneId,
    settings: &LaneConfig,
    roots: SharedRoots,
    directory: &StateDirectory,
) -> CredentialFiles {
    let (lane, state, paths) = (settings.clone(), directory.clone(), settings.files());
    let old_roots = roots.clone();
    // Of two environments in a section the lane of the first speaks for both: files are shared.
    let is_first = id.environment().is_none();
    let build = move || {
        let now = Moment::now();
        match &lane.provider {
            ProviderConfig::Apns(own) => {
                let found = named::apns(&lane, own, roots.get(), now);
                Ok(apns_route((id, &lane), own, told(found, is_first)?, &state))
            }
            ProviderConfig::Fcm(own) => {
                let found = named::fcm(&lane, own, roots.get(), now);
                fcm_route((id, &lane), own, told(found, is_first)?, &state.clock)
            }
        }
    };
    let files = CredentialFiles::new(paths, Box::new(build));
    if !settings.has_old_key() {
        return files;
    }
    let (lane, state) = (settings.clone(), directory.clone());
    files.after(Box::new(move || {
        match named::old_key(&lane, old_roots.get(), Moment::now()) {
            Ok(None) => None,
            Ok(Some((lane, found))) => {
                let own = lane.apns()?;
                Some(apns_route((id, &lane), own, found.value, &state))
            }
            Err(findings) => {
                warn(&findings, is_first);
                None
            }
        }
    }))
}

/// What was read; the operator hears the doubts about it, unless another lane of the section
/// tells them.
fn told<T>(found: Result<Found<T>, Vec<Finding>>, is_first: bool) -> Result<T, Unroutable> {
    let Found { value, doubts } = found.map_err(|findings| unroutable(&findings))?;
    warn(&doubts, is_first);
    Ok(value)
}

fn warn(doubts: &[Finding], is_first: bool) {
    if is_first {
        for doubt in doubts {
            ::log::warn!("{doubt}");
        }
    }
}

fn unroutable(findings: &[Finding]) -> Unroutable {
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    Unroutable(lines.join("\n"))
}

/// The way to APNs.
fn apns_route(
    (id, lane): (LaneId, &LaneConfig),
    own: &ApnsConfig,
    found: Apns,
    state: &StateDirectory,
) -> Route {
    let (name, key_id) = match &own.credential {
        ApnsCredential::Certificate {
            cert_path,
            key_path,
            ..
        } => {
            let (cert_path, key_path) = (cert_path.display(), key_path.display());
            (
                format!("pem_cert_path {cert_path}, pem_key_path {key_path}"),
                "",
            )
        }
        ApnsCredential::Token { key, team_id, .. } => {
            let (by, path, id) = (key.named_by, key.path.display(), &*key.id);
            let name = format!("{by} {path}, key id {id}, team id {team_id}");
            (name, id)
        }
    };
    let (credentials, speaker) = match found.identity {
        ApnsIdentity::Certificate(until) => (Credentials::Certificate(until), Speaker::Certificate),
        ApnsIdentity::Key(key) => {
            let directory = state.path.as_deref();
            let tokens = state
                .auth_tokens
                .of(key, (id, key_id), directory, Moment::now());
            let speaker = Speaker::SigningKey(Arc::clone(&tokens));
            (Credentials::AuthTokens(tokens), speaker)
        }
    };
    let (host, port, authority) = place(lane.endpoint.as_ref(), apns::host(own.sandbox));
    let resolver = Arc::new(Resolver::system());
    let topic = own.topic.as_deref().map(Arc::from);
    // Whose pushes lead elsewhere has no channels made or deleted at Apple by surprise.
    let is_apples = lane.endpoint.as_ref();
    let is_apples = is_apples.is_none_or(|it| it.host == apns::host(own.sandbox));
    let apples = is_apples.then(|| {
        let (host, port) = apns::channels_host(own.sandbox);
        format!("https://{host}:{port}")
    });
    let endpoint = own.channels_endpoint.as_ref().map(ToString::to_string);
    let manage = endpoint.or(apples);
    let channels = {
        let (bundle, tls) = (topic.clone(), Arc::clone(&found.tls));
        ChannelManager::new(manage, bundle, tls, Arc::clone(&resolver))
    };
    let http2 = options(APNS_STREAMS_BEFORE_SETTINGS);
    let pool = PoolKey {
        host: host.clone(),
        port,
        stance: found.stance,
        speaker,
        idle_timeout: lane.keepalive_timeout,
    };
    Route {
        endpoint: Endpoint {
            host,
            port,
            tls: found.tls,
            resolver,
            http2,
            timeouts: timeouts(lane.timeout),
        },
        address: Arc::new(apns::Address {
            authority: authority.into(),
            topic,
            ids: Arc::clone(&state.apns_ids),
            other: other_environment(id, own),
        }),
        credentials,
        pool: Some(Arc::new(pool)),
        channels: Some(channels),
        credential_name: match &own.topic {
            Some(topic) => format!("{name}, topic {topic}"),
            None => name,
        },
        clock: Arc::clone(&state.clock),
        timeout: lane.timeout,
        idle_timeout: lane.keepalive_timeout,
    }
}

/// The lane of the same section in its other environment, if it has two.
fn other_environment(id: LaneId, own: &ApnsConfig) -> Option<(LaneId, ApnsEnvironment)> {
    let first = *own.environments.first()?;
    let mut others = own.environments.iter().copied();
    let other = others.find(|it| *it != own.environment())?;
    let lane = LaneId::of(id.app(), id.provider(), (other != first).then_some(other))?;
    Some((lane, other))
}

/// The way to FCM, and the access tokens that it needs.
fn fcm_route(
    (id, lane): (LaneId, &LaneConfig),
    own: &FcmConfig,
    found: Fcm,
    clock: &Arc<ServerClock>,
) -> Result<Route, Unroutable> {
    let Fcm {
        credential,
        project,
        path,
        tls,
        stance,
        web_tls,
    } = found;
    let resolver = Arc::new(Resolver::system());
    let connector = HttpConnector::new(web_tls, Arc::clone(&resolver), EXCHANGE_TIMEOUT);
    // The next exchange is an hour away: with hundreds of apps, connections that wait add up.
    let unpooled = transport::config().max_idle_connections(0).build();
    let agent = transport::agent(connector, unpooled);
    let speaker = Speaker::Account(credential.name());
    let which = match &own.credential {
        FcmCredential::File { path, .. } => {
            let (path, name) = (path.display(), credential.name());
            format!("service_account_path {path}, {name}")
        }
        FcmCredential::MetadataServer { .. } => credential.name(),
    };
    let credential_name = match project {
        Some(project) => format!("{which}, project {project}"),
        None => format!("{which}, the machine's project"),
    };
    let mut account = credential.account(Arc::clone(clock));
    if !id.app().is_empty() {
        account.label = format!("{id}: {}", account.label);
    }
    let tokens = AccessTokens::start(account, agent).map_err(|error| {
        let section = &lane.section;
        Unroutable(format!(
            "{section}: no thread for the access tokens: {error}"
        ))
    })?;
    let (host, port, authority) = place(lane.endpoint.as_ref(), fcm::HOST);
    let pool = PoolKey {
        host: host.clone(),
        port,
        stance,
        speaker,
        idle_timeout: lane.keepalive_timeout,
    };
    Ok(Route {
        endpoint: Endpoint {
            host,
            port,
            tls,
            resolver,
            http2: options(FCM_STREAMS_BEFORE_SETTINGS),
            timeouts: timeouts(lane.timeout),
        },
        address: Arc::new(fcm::Address {
            authority: authority.into(),
            path,
        }),
        credentials: Credentials::AccessTokens(tokens),
        pool: Some(Arc::new(pool)),
        channels: None,
        credential_name,
        clock: Arc::clone(clock),
        timeout: lane.timeout,
        idle_timeout: lane.keepalive_timeout,
    })
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
fn place(configured: Option<&ProviderUrl>, default_host: &str) -> (String, u16, String) {
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

/// The port of `https`.
const HTTPS: u16 = 443;
