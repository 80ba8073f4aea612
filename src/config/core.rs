//! `[core]`: the API, the lanes, the process.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use super::bind::UNIX_PATH_MAX;
use super::document::Document;
use super::key::Key;
use super::keys::{self, GAURUN};
use super::provider_url::is_host_name;
use super::{Bind, Environment, Overrides, SocketAccess, seconds, small};
use crate::push::Node;

/// `[core]`: the API, the lanes, the process.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of the file, and none depends on another"
)]
pub struct Core {
    /// Where the API listens: `port` and `address`.
    pub bind: Bind,
    /// Who may connect to a Unix socket: `socket_mode` and `socket_group`.
    pub socket_access: SocketAccess,
    /// The file of API keys; `None` lets everyone call.
    pub api_key_path: Option<PathBuf>,
    /// Whether other hosts may call without API keys.
    pub allow_unauthenticated: bool,
    /// Names by which callers may call beside `localhost`, in lower case.
    pub hosts: Vec<String>,
    /// Connection threads per lane.
    pub workers: NonZeroUsize,
    /// Pushes that a lane holds at most, from reservation to settlement.
    pub queues: NonZeroUsize,
    /// Notifications in one request at most.
    pub notification_max: NonZeroUsize,
    /// Streams in flight per connection; `None` is the provider's own limit.
    pub pusher_max: Option<NonZeroU32>,
    /// How long queue and flight may take to empty at shutdown.
    pub shutdown_timeout: Duration,
    /// The pid file, if one is wanted.
    pub pid: Option<PathBuf>,
    /// Whether a notification may have an empty `message`.
    pub allows_empty_message: bool,
    /// Whether callers and their pushes are treated as Gaurun treated them.
    pub is_like_gaurun: bool,
    /// Callers' connections served at once.
    pub max_connections: NonZeroUsize,
    /// Bytes of one request body at most.
    pub max_body_bytes: NonZeroUsize,
    /// Age at which a push that is still unsettled becomes `expired`.
    pub max_age: Duration,
    /// Whether a push that may have reached the provider is sent again.
    pub resend_unknown: bool,
    /// Wait before a credential that the provider refuses is tried again; it grows with each try.
    pub probe_interval: Duration,
    /// The socket over which `sterna reload` asks, if not in the runtime directory.
    pub control_socket: Option<PathBuf>,
    /// This daemon among those of its site.
    pub node: Node,
}

impl Core {
    /// Takes the section. `None` if it cannot be used for reasons now noted.
    pub(super) fn take(
        document: &mut Document<'_>,
        overrides: Overrides,
        environment: &Environment,
    ) -> Option<Self> {
        let Overrides {
            port,
            workers,
            queues,
        } = overrides;
        let api_key_path = document.file(&keys::CORE_API_KEY_PATH);
        let hosts = document.list(&keys::CORE_HOSTS, keys::HOSTS_MAX, is_host_name);
        Some(Self {
            socket_access: SocketAccess::take(document),
            allow_unauthenticated: document.flag(&keys::CORE_ALLOW_UNAUTHENTICATED),
            workers: take_workers(document, workers).unwrap_or(environment.cpus),
            queues: take_queues(document, queues),
            notification_max: take_count(document, &keys::CORE_NOTIFICATION_MAX),
            pusher_max: take_pusher_max(document),
            shutdown_timeout: seconds(document, &keys::CORE_SHUTDOWN_TIMEOUT),
            pid: document.text(&keys::CORE_PID).map(PathBuf::from),
            allows_empty_message: document.flag(&keys::CORE_ALLOWS_EMPTY_MESSAGE),
            is_like_gaurun: take_compatibility(document),
            max_connections: take_count(document, &keys::CORE_MAX_CONNECTIONS),
            max_body_bytes: take_count(document, &keys::CORE_MAX_BODY_BYTES),
            max_age: seconds(document, &keys::CORE_MAX_AGE),
            resend_unknown: document.flag(&keys::CORE_RESEND_UNKNOWN),
            probe_interval: seconds(document, &keys::CORE_PROBE_INTERVAL),
            control_socket: take_control_socket(document, environment),
            node: Node::new(small(document, &keys::CORE_NODE)).unwrap_or_default(),
            // Last, so that the problems of the others are found even without it.
            bind: Bind::take(document, port, api_key_path.is_some(), !hosts.is_empty())?,
            hosts: hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            api_key_path,
        })
    }
}

/// What the file says; else a key that only Gaurun had says it.
fn take_compatibility(document: &mut Document<'_>) -> bool {
    let key = &keys::CORE_COMPATIBLE_WITH;
    match document.text(key).as_deref() {
        Some(GAURUN) => true,
        Some(_) => {
            document.refuse(key);
            false
        }
        None => !document.has(key) && document.assume_gaurun(),
    }
}

fn take_workers(document: &mut Document<'_>, flag: Option<NonZeroUsize>) -> Option<NonZeroUsize> {
    let key = &keys::CORE_WORKERS;
    let most = count(keys::WORKERS_MAX);
    let lowered = format!(
        "lowered to {most}: a worker is a connection with many pushes in flight, not one push"
    );
    let written = match document.any_number(key) {
        Some(number) if number > keys::WORKERS_MAX => {
            if flag.is_none() {
                document.warn(key, &lowered);
            }
            Some(most)
        }
        _ => document.number(key).map(count),
    };
    match flag {
        Some(workers) if workers > most => {
            document.warn_flag(format!("-w {workers}: {lowered}"));
            Some(most)
        }
        Some(workers) => Some(workers),
        None => written,
    }
}

fn take_queues(document: &mut Document<'_>, flag: Option<NonZeroUsize>) -> NonZeroUsize {
    let key = &keys::CORE_QUEUES;
    let written = take_count(document, key);
    if let Some(queues) = flag.filter(|queues| *queues > count(keys::QUEUES_MAX)) {
        document.refuse_whole(format!("-q {queues}: must be {}", key.range_text()));
    }
    flag.unwrap_or(written)
}

fn take_pusher_max(document: &mut Document<'_>) -> Option<NonZeroU32> {
    let streams = document.number(&keys::CORE_PUSHER_MAX)?;
    let streams = u32::try_from(streams).unwrap_or(u32::MAX);
    // Gaurun's 0 means one push at a time.
    Some(NonZeroU32::new(streams).unwrap_or(NonZeroU32::MIN))
}

/// As a Unix socket's path, it has the length that the kernel takes.
fn take_control_socket(document: &mut Document<'_>, environment: &Environment) -> Option<PathBuf> {
    let key = &keys::CORE_CONTROL_SOCKET;
    let Some(text) = document.text(key) else {
        return environment.control_socket();
    };
    if text.len() > UNIX_PATH_MAX {
        let reason = format!("the path is longer than {UNIX_PATH_MAX} bytes");
        document.refuse_because(key, reason);
        return None;
    }
    Some(PathBuf::from(text))
}

fn take_count(document: &mut Document<'_>, key: &'static Key) -> NonZeroUsize {
    count(document.number(key).unwrap_or(1))
}

/// A number whose range begins at 1.
fn count(number: u64) -> NonZeroUsize {
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}
