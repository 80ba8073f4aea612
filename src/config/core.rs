//! `[core]`: the API, the lanes, the process.

pub(super) mod bind;

pub use bind::{Bind, Port, SocketAccess};

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use super::Environment;
use super::document::Document;
use super::key::InForce::AtStart;
use super::key::Key;
use super::key::Migration::ByDefault;
use super::keys::{
    BULK_FROM_MAX, GAURUN, HOSTS_MAX, MAX_AGE_MAX, MAX_BODY_BYTES_MAX, MAX_BODY_BYTES_MIN,
    MAX_CONNECTIONS_MAX, NOTIFICATION_MAX_MAX, PROBE_INTERVAL_MAX, PROVIDER_CONNECTIONS_MAX,
    PUSHER_MAX_MAX, QUEUES_MAX, SHUTDOWN_TIMEOUT_MAX, WORKERS_MAX, WORKERS_USUAL,
};
use super::provider_url::is_host_name;
use super::section::{Surroundings, section};
use super::value::{FromFile, ToValue, Value, of_mode};
use crate::push::Node;
use bind::UNIX_PATH_MAX;

section! {
    /// `[core]`: the API, the lanes, the process.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Core, keys CoreKeys of (),
    by (keys, document, surroundings), shown of core:

    port = Key::text(
        "1056",
        "a number from 0 to 65535 (0: any free port), or \"unix:/path\"",
        "Where the API listens: a TCP port of `address`, or a Unix socket",
    )
    .in_force(AtStart),
    shown Some(port(&core.bind));
    address = Key::text(
        "127.0.0.1",
        "an IP address, or \"localhost\"",
        "IP address that the TCP port is bound to; one that other hosts can reach needs \
         `api_key_path` or `allow_unauthenticated`",
    )
    .unlike_gaurun(
        "all interfaces",
        "loopback",
        "without API keys, whoever reaches the API can push to every device",
    )
    .in_force(AtStart),
    shown Some(address(&core.bind));
    /// The file of API keys; `None` lets everyone call.
    pub api_key_path: Option<PathBuf> = Key::file(
        "File of API keys, one a line, with `rights=read,operate` behind those that are not \
         good for all, and `app=shop,news` behind those that are not for all apps; every \
         request but `/healthz`, `/readyz` and `/livez` must show one as \
         `Authorization: Bearer KEY`",
    )
    .unlike_gaurun(
        "callers need no key",
        "so by default",
        "the network need not be trusted any more",
    );
    /// Whether other hosts may call without API keys.
    pub allow_unauthenticated: bool = Key::flag(
        false,
        "Lets `address` be one that other hosts can reach, although any caller may push",
    )
    .unlike_gaurun(
        "always so",
        "false",
        "opening the API to a network is a decision to be written down",
    );
    /// Names by which callers may call beside `localhost`, in lower case.
    pub hosts: Vec<String> { Some(take_hosts(keys, document)) } = Key::list(
        "a list of up to 100 host names without scheme and port, such as [\"push.example\"]",
        "Names beside `localhost` and IP addresses by which callers may call an API on loopback \
         that asks for no API key; with any other `Host` a request is answered 403",
    )
    .unlike_gaurun(
        "any `Host`",
        "`localhost`, IP addresses, and what is listed",
        "a web page can give its own name the address of this host, and push through a browser \
         here",
    );
    socket_mode = Key::text(
        "",
        "octal digits such as \"0660\"",
        "Mode of the Unix socket's file; empty: what the umask leaves",
    )
    .in_force(AtStart),
    shown Some(core.socket_access.mode.map_or(Value::Absent, of_mode));
    socket_group = Key::text(
        "",
        "a group's name or number",
        "Group of the Unix socket's file; empty: the daemon's own",
    )
    .in_force(AtStart),
    shown Some(core.socket_access.group.value());
    /// Connection threads per lane at most.
    pub workers: NonZeroUsize { Some(take_workers(keys, document, surroundings)) } = Key::optional(
        ("16, or one per CPU if there are more", 4),
        (1, WORKERS_MAX),
        "threads",
        "Connection threads for each lane at most; every one keeps many pushes in flight, and more \
         than one per CPU begin only while answers are slow",
    )
    .unlike_gaurun(
        "any number; shared by both platforms",
        "up to 256 for each lane; a greater number is lowered, with a warning",
        "a thread holds a connection with hundreds of pushes in flight, not one push",
    )
    .in_force(AtStart)
    .migrated(ByDefault);
    /// Connection threads of all lanes together at most; `None` if `workers` alone bounds them.
    pub provider_connections: Option<NonZeroUsize> {
        Some(document.number(&keys.provider_connections).map(count))
    } = Key::optional(
        ("`workers` for each lane", 8),
        (1, PROVIDER_CONNECTIONS_MAX),
        "connections",
        "Connections of all lanes together that take pushes, of which each that has pushes \
         needs one; one that is idle yields its own to one that has pushes and none. Where as many \
         lanes as that send once a minute, a busy one gets no second",
    );
    /// Pushes that a lane holds at most, from reservation to settlement.
    pub queues: NonZeroUsize { take_queues(keys, document, surroundings) } = Key::number(
        1_000_000,
        (1, QUEUES_MAX),
        "pushes",
        "Pushes that may wait or be in flight for each lane, and an eighth more of transactional \
         ones; a request that finds no room is answered 503",
    )
    .unlike_gaurun(
        "8192, shared by both platforms; requests beyond it waited in memory without bound",
        "1000000 for each lane; requests beyond it are answered 503",
        "a bound that holds must leave room for a burst; memory is taken only for what waits",
    )
    .migrated(ByDefault);
    /// Pushes that were scheduled and are due, which a lane holds at most beside the others.
    pub scheduled_queues: NonZeroUsize = Key::number(
        10_000,
        (1, QUEUES_MAX),
        "pushes",
        "Pushes whose `send_at` has come that may wait or be in flight for each lane, beside \
         `queues`: as many as callers' pushes have to wait for at most; the others wait in the \
         journal",
    );
    /// Notifications in one request at most.
    pub notification_max: NonZeroUsize = Key::number(
        100,
        (1, NOTIFICATION_MAX_MAX),
        "notifications",
        "Notifications that one request may carry",
    );
    /// Streams in flight per connection; `None` is the provider's own limit.
    pub pusher_max: Option<NonZeroU32> { Some(take_pusher_max(keys, document)) } = Key::optional(
        ("as many as the provider allows", 100),
        (0, PUSHER_MAX_MAX),
        "streams",
        "Pushes in flight per connection; 0 is one at a time; `PUT /config/pushers` changes it at \
         run time",
    )
    .unlike_gaurun(
        "0: one push in flight per worker",
        "absent: the provider's own limit of streams",
        "waiting for each answer before the next push wastes the connection",
    )
    .migrated(ByDefault);
    /// How long queue and flight may take to empty at shutdown.
    pub shutdown_timeout: Duration = Key::number(
        10,
        (0, SHUTDOWN_TIMEOUT_MAX),
        "seconds",
        "Time to finish waiting and in-flight pushes after SIGTERM; what is left then stays in \
         the journal, and fails with reason `shutdown` if that is off",
    )
    .unlike_gaurun(
        "10, for open requests only; pushes in flight were awaited without limit, waiting ones \
         lost",
        "10, for everything",
        "a stop that has no limit ends in SIGKILL",
    );
    /// The pid file, if one is wanted.
    pub pid: Option<PathBuf> = Key::file(
        "File that holds the process id while the daemon runs; locked, removed at exit",
    )
    .unlike_gaurun(
        "overwritten by a second instance, left behind at exit",
        "locked, removed at exit",
        "two daemons on one file, or a stale number, kill the wrong process",
    )
    .in_force(AtStart);
    /// Whether a notification may have an empty `message`.
    pub allows_empty_message: bool = Key::flag(
        false,
        "Accepts notifications whose `message` is empty",
    );
    compatible_with = Key::text(
        "",
        "\"gaurun\", or \"\"",
        "\"gaurun\": callers get Gaurun's 200 for a request of which nothing is fine, a \
         notification without `badge` has 0, a blank text is an alert, and `/stat/app` counts \
         Gaurun's queue. Left out, it is \"gaurun\" if the file has a key that only Gaurun had",
    )
    .unlike_gaurun(
        "always so",
        "\"\" or \"gaurun\"",
        "a caller should learn what is not pushed, and a push be able to leave the badge alone",
    ),
    // Left out, it might mean the other.
    shown Some(Value::Text(if core.is_like_gaurun { GAURUN } else { "" }.to_owned()));
    /// Targets of a request from which on its pushes are bulk unless it says otherwise.
    pub bulk_from: NonZeroUsize = Key::number(
        10,
        (1, BULK_FROM_MAX),
        "targets",
        "Device tokens and other targets in one request from which on its pushes let others go \
         first, unless a notification says otherwise by `class`; 1: all do",
    )
    .unlike_gaurun(
        "first come, first sent",
        "10",
        "nobody should wait for a code to log in with until a campaign is through",
    );
    /// Callers' connections served at once at most; `None`: as many as the limit of open files
    /// leaves, up to a default.
    pub max_connections: Option<NonZeroUsize> {
        Some(document.number(&keys.max_connections).map(count))
    } = Key::optional(
        ("8192, or what the limit of open files leaves", 8192),
        (1, MAX_CONNECTIONS_MAX),
        "connections",
        "Callers' connections open at once; a further one takes the place of one that is behind \
         with its request or answer, else of the longest idle, of a second at least",
    )
    .unlike_gaurun("no limit", "8192", "callers must not exhaust the host");
    /// Bytes of one request body at most.
    pub max_body_bytes: NonZeroUsize = Key::number(
        8 * 1024 * 1024,
        (MAX_BODY_BYTES_MIN, MAX_BODY_BYTES_MAX),
        "bytes",
        "Size of one request body; a larger one is answered 413. 100 notifications of 1,000 \
         device tokens each are 7 MB of APNs tokens, 18 MB of FCM tokens",
    )
    .unlike_gaurun("no limit", "8388608", "one request must not exhaust the host's memory");
    /// Age at which a push that is still unsettled becomes `expired`.
    pub max_age: Duration = Key::number(
        24 * 3600,
        (1, MAX_AGE_MAX),
        "seconds",
        "Age at which a push that is still unsettled fails with reason `expired`",
    )
    .unlike_gaurun("no limit", "86400", "nobody wants last week's push when a provider comes back");
    /// Whether a push that may have reached the provider is sent again.
    pub resend_unknown: bool = Key::flag(
        true,
        "Sends a push again when its connection or its answer was lost, at least once whatever \
         `retry_max`, so that it may come twice; false: it fails with reason `unanswered`",
    )
    .unlike_gaurun(
        "FCM: after a time-out only; APNs: never",
        "true",
        "a push that came twice is a lesser evil than one that never came",
    );
    /// Wait before a credential that the provider refuses is tried again; it grows with each try.
    pub probe_interval: Duration = Key::number(
        30,
        (1, PROBE_INTERVAL_MAX),
        "seconds",
        "Wait before a credential that the provider refuses is read again and tried with one \
         push; it doubles with each refusal, up to ten times as long",
    );
    /// The socket over which `sterna reload` asks, if not in the runtime directory.
    pub control_socket: Option<PathBuf> {
        Some(take_control_socket(keys, document, surroundings.environment))
    } = Key::file(
        "Unix socket, mode 0600, over which `sterna reload` asks; empty: `control` in the runtime \
         directory that systemd names, and none without one",
    )
    .in_force(AtStart);
    /// This daemon among those of its site.
    pub node: Node = Key::number(
        0,
        (0, Node::MAX as u64),
        "(each daemon of a site its own)",
        "Number of this daemon among those of its site; it stands in the high bits of its push \
         ids, so that no two daemons give the same",
    )
    .in_force(AtStart);
    => parts:
    /// Where the API listens: `port` and `address`.
    pub bind: Bind {
        let has_hosts = hosts.as_ref().is_some_and(|hosts| !hosts.is_empty());
        let has_keys = api_key_path.as_ref().is_some_and(Option::is_some);
        Bind::take(keys, document, surroundings, has_keys, has_hosts)
    } of port;
    /// Who may connect to a Unix socket: `socket_mode` and `socket_group`.
    pub socket_access: SocketAccess { Some(SocketAccess::take(keys, document)) } of socket_mode;
    /// Whether callers and their pushes are treated as Gaurun treated them.
    pub is_like_gaurun: bool { Some(take_compatibility(keys, document)) } of compatible_with;
}

/// What the file says; else a key that only Gaurun had says it.
fn take_compatibility(keys: &'static CoreKeys, document: &mut Document<'_>) -> bool {
    let key = &keys.compatible_with;
    match document.text(key).as_deref() {
        Some(GAURUN) => true,
        Some(_) => {
            document.refuse(key);
            false
        }
        None => !document.has(key) && document.assume_gaurun(key),
    }
}

fn take_hosts(keys: &'static CoreKeys, document: &mut Document<'_>) -> Vec<String> {
    let hosts = document.list(&keys.hosts, HOSTS_MAX, is_host_name);
    hosts.iter().map(|host| host.to_ascii_lowercase()).collect()
}

fn take_workers(
    keys: &'static CoreKeys,
    document: &mut Document<'_>,
    surroundings: &Surroundings<'_>,
) -> NonZeroUsize {
    let (key, flag) = (&keys.workers, surroundings.overrides.workers);
    let most = count(WORKERS_MAX);
    let lowered = format!(
        "lowered to {most}: a worker is a connection with many pushes in flight, not one push"
    );
    let written = match document.any_number(key) {
        Some(number) if number > WORKERS_MAX => {
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
            most
        }
        Some(workers) => workers,
        None => written.unwrap_or(surroundings.environment.cpus.max(count(WORKERS_USUAL))),
    }
}

fn take_queues(
    keys: &'static CoreKeys,
    document: &mut Document<'_>,
    surroundings: &Surroundings<'_>,
) -> Option<NonZeroUsize> {
    let (key, flag) = (&keys.queues, surroundings.overrides.queues);
    let written = NonZeroUsize::take(document, key);
    if let Some(queues) = flag.filter(|queues| *queues > count(QUEUES_MAX)) {
        document.refuse_whole(format!("-q {queues}: must be {}", key.range_text()));
    }
    flag.or(written)
}

fn take_pusher_max(keys: &'static CoreKeys, document: &mut Document<'_>) -> Option<NonZeroU32> {
    let streams = document.number(&keys.pusher_max)?;
    let streams = u32::try_from(streams).unwrap_or(u32::MAX);
    // Gaurun's 0 means one push at a time.
    Some(NonZeroU32::new(streams).unwrap_or(NonZeroU32::MIN))
}

/// As a Unix socket's path, it has the length that the kernel takes.
fn take_control_socket(
    keys: &'static CoreKeys,
    document: &mut Document<'_>,
    environment: &Environment,
) -> Option<PathBuf> {
    let key = &keys.control_socket;
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

/// A number whose range begins at 1.
fn count(number: u64) -> NonZeroUsize {
    let number = usize::try_from(number).unwrap_or(usize::MAX);
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}

fn port(bind: &Bind) -> Value {
    match bind {
        Bind::Tcp(address) => Value::Number(address.port().into()),
        Bind::Unix(_) => Value::Text(bind.to_string()),
    }
}

fn address(bind: &Bind) -> Value {
    match bind {
        Bind::Tcp(address) => Value::Text(address.ip().to_string()),
        Bind::Unix(_) => Value::Absent,
    }
}
