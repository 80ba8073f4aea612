//! `[core]`: the API, the queues and the process.

use super::super::key::{Key, NumberDefault};
use super::{
    MAX_AGE_MAX, MAX_BODY_BYTES_MAX, MAX_BODY_BYTES_MIN, MAX_CONNECTIONS_MAX, NOTIFICATION_MAX_MAX,
    PROBE_INTERVAL_MAX, PUSHER_MAX_MAX, QUEUES_MAX, SHUTDOWN_TIMEOUT_MAX, WORKERS_MAX,
};
use crate::push::Node;

pub(in super::super) const CORE_PORT: Key = Key::text(
    "core",
    "port",
    "1056",
    "a number from 0 to 65535 (0: any free port), or \"unix:/path\"",
    "Where the API listens: a TCP port of `address`, or a Unix socket",
);
pub(in super::super) const CORE_ADDRESS: Key = Key::text(
    "core",
    "address",
    "127.0.0.1",
    "an IP address, or \"localhost\"",
    "IP address that the TCP port is bound to; one that other hosts can reach needs \
     `api_key_path` or `allow_unauthenticated`",
)
.unlike_gaurun(
    "all interfaces",
    "loopback",
    "without API keys, whoever reaches the API can push to every device",
);
pub(in super::super) const CORE_API_KEY_PATH: Key = Key::text(
    "core",
    "api_key_path",
    "",
    "a path",
    "File of API keys, one a line; every request but `/healthz` must show one as \
     `Authorization: Bearer KEY`",
)
.unlike_gaurun(
    "callers need no key",
    "so by default",
    "the network need not be trusted any more",
);
pub(in super::super) const CORE_HOSTS: Key = Key::list(
    "core",
    "hosts",
    "a list of up to 100 host names without scheme and port, such as [\"push.example\"]",
    "Names beside `localhost` and IP addresses by which callers may call an API on loopback that \
     asks for no API key; with any other `Host` a request is answered 403",
)
.unlike_gaurun(
    "any `Host`",
    "`localhost`, IP addresses, and what is listed",
    "a web page can give its own name the address of this host, and push through a browser here",
);
pub(in super::super) const CORE_SOCKET_MODE: Key = Key::text(
    "core",
    "socket_mode",
    "",
    "octal digits such as \"0660\"",
    "Mode of the Unix socket's file; empty: what the umask leaves",
);
pub(in super::super) const CORE_SOCKET_GROUP: Key = Key::text(
    "core",
    "socket_group",
    "",
    "a group's name or number",
    "Group of the Unix socket's file; empty: the daemon's own",
);
pub(in super::super) const CORE_ALLOW_UNAUTHENTICATED: Key = Key::flag(
    "core",
    "allow_unauthenticated",
    false,
    "Lets `address` be one that other hosts can reach, although any caller may push",
)
.unlike_gaurun(
    "always so",
    "false",
    "opening the API to a network is a decision to be written down",
);
pub(in super::super) const CORE_WORKERS: Key = Key::optional(
    "core",
    "workers",
    NumberDefault::Absent {
        means: "one per CPU",
        example: 4,
    },
    (1, WORKERS_MAX),
    "threads",
    "Connection threads for each provider; every one keeps many pushes in flight",
)
.unlike_gaurun(
    "any number; shared by both platforms",
    "up to 256 for each provider; a greater number is lowered, with a warning",
    "a thread holds a connection with hundreds of pushes in flight, not one push",
);
pub(in super::super) const CORE_QUEUES: Key = Key::number(
    "core",
    "queues",
    1_000_000,
    (1, QUEUES_MAX),
    "pushes",
    "Pushes that may wait or be in flight for each provider; a request that finds no room is \
     answered 503",
)
.unlike_gaurun(
    "8192, shared by both platforms; requests beyond it waited in memory without bound",
    "1000000 for each provider; requests beyond it are answered 503",
    "a bound that holds must leave room for a burst; memory is taken only for what waits",
);
pub(in super::super) const CORE_NOTIFICATION_MAX: Key = Key::number(
    "core",
    "notification_max",
    100,
    (1, NOTIFICATION_MAX_MAX),
    "notifications",
    "Notifications that one request may carry",
);
pub(in super::super) const CORE_PUSHER_MAX: Key = Key::optional(
    "core",
    "pusher_max",
    NumberDefault::Absent {
        means: "as many as the provider allows",
        example: 100,
    },
    (0, PUSHER_MAX_MAX),
    "streams",
    "Pushes in flight per connection; 0 is one at a time; `PUT /config/pushers` changes it at \
     run time",
)
.unlike_gaurun(
    "0: one push in flight per worker",
    "absent: the provider's own limit of streams",
    "waiting for each answer before the next push wastes the connection",
);
pub(in super::super) const CORE_SHUTDOWN_TIMEOUT: Key = Key::number(
    "core",
    "shutdown_timeout",
    10,
    (0, SHUTDOWN_TIMEOUT_MAX),
    "seconds",
    "Time to finish waiting and in-flight pushes after SIGTERM; what is left then stays in \
     the journal, and fails with reason `shutdown` if that is off",
)
.unlike_gaurun(
    "10, for open requests only; pushes in flight were awaited without limit, waiting ones lost",
    "10, for everything",
    "a stop that has no limit ends in SIGKILL",
);
pub(in super::super) const CORE_PID: Key = Key::text(
    "core",
    "pid",
    "",
    "a path",
    "File that holds the process id while the daemon runs; locked, removed at exit",
)
.unlike_gaurun(
    "overwritten by a second instance, left behind at exit",
    "locked, removed at exit",
    "two daemons on one file, or a stale number, kill the wrong process",
);
pub(in super::super) const CORE_ALLOWS_EMPTY_MESSAGE: Key = Key::flag(
    "core",
    "allows_empty_message",
    false,
    "Accepts notifications whose `message` is empty",
);
pub(in super::super) const CORE_COMPATIBLE_WITH: Key = Key::text(
    "core",
    "compatible_with",
    "",
    "\"gaurun\", or \"\"",
    "\"gaurun\": callers get Gaurun's 200 for a request of which nothing is fine, a notification \
     without `badge` has 0, a blank text is an alert, and `/stat/app` counts Gaurun's queue. Left \
     out, it is \"gaurun\" if the file has a key that only Gaurun had",
)
.unlike_gaurun(
    "always so",
    "\"\" or \"gaurun\"",
    "a caller should learn what is not pushed, and a push be able to leave the badge alone",
);
pub(in super::super) const CORE_MAX_CONNECTIONS: Key = Key::number(
    "core",
    "max_connections",
    512,
    (1, MAX_CONNECTIONS_MAX),
    "connections",
    "Callers' connections open at once; a further one takes the place of one that is behind with \
     its request or answer, else of the longest idle, of a second at least",
)
.unlike_gaurun(
    "no limit",
    "512",
    "each costs a thread, and callers must not exhaust the host",
);
pub(in super::super) const CORE_MAX_BODY_BYTES: Key = Key::number(
    "core",
    "max_body_bytes",
    8 * 1024 * 1024,
    (MAX_BODY_BYTES_MIN, MAX_BODY_BYTES_MAX),
    "bytes",
    "Size of one request body; a larger one is answered 413. 100 notifications of 1,000 device \
     tokens each are 7 MB of APNs tokens, 18 MB of FCM tokens",
)
.unlike_gaurun(
    "no limit",
    "8388608",
    "one request must not exhaust the host's memory",
);
pub(in super::super) const CORE_MAX_AGE: Key = Key::number(
    "core",
    "max_age",
    24 * 3600,
    (1, MAX_AGE_MAX),
    "seconds",
    "Age at which a push that is still unsettled fails with reason `expired`",
)
.unlike_gaurun(
    "no limit",
    "86400",
    "nobody wants last week's push when a provider comes back",
);
pub(in super::super) const CORE_RESEND_UNKNOWN: Key = Key::flag(
    "core",
    "resend_unknown",
    true,
    "Sends a push again when its connection or its answer was lost, at least once whatever \
     `retry_max`, so that it may come twice; false: it fails with reason `unanswered`",
)
.unlike_gaurun(
    "FCM: after a time-out only; APNs: never",
    "true",
    "a push that came twice is a lesser evil than one that never came",
);
pub(in super::super) const CORE_PROBE_INTERVAL: Key = Key::number(
    "core",
    "probe_interval",
    30,
    (1, PROBE_INTERVAL_MAX),
    "seconds",
    "Wait before a credential that the provider refuses is read again and tried with one push; \
     it doubles with each refusal, up to ten times as long",
);

pub(in super::super) const CORE_CONTROL_SOCKET: Key = Key::text(
    "core",
    "control_socket",
    "",
    "a path",
    "Unix socket, mode 0600, over which `sterna reload` asks; empty: `control` in the runtime \
     directory that systemd names, and none without one",
);

pub(in super::super) const CORE_NODE: Key = Key::number(
    "core",
    "node",
    0,
    (0, Node::MAX as u64),
    "(each daemon of a site its own)",
    "Number of this daemon among those of its site; it stands in the high bits of its push ids, so \
     that no two daemons give the same",
);

/// The section's keys, in the order of the documentation.
pub(super) const CORE_KEYS: &[Key] = &[
    CORE_PORT,
    CORE_ADDRESS,
    CORE_API_KEY_PATH,
    CORE_ALLOW_UNAUTHENTICATED,
    CORE_HOSTS,
    CORE_SOCKET_MODE,
    CORE_SOCKET_GROUP,
    CORE_WORKERS,
    CORE_QUEUES,
    CORE_NOTIFICATION_MAX,
    CORE_PUSHER_MAX,
    CORE_SHUTDOWN_TIMEOUT,
    CORE_PID,
    CORE_ALLOWS_EMPTY_MESSAGE,
    CORE_COMPATIBLE_WITH,
    CORE_MAX_CONNECTIONS,
    CORE_MAX_BODY_BYTES,
    CORE_MAX_AGE,
    CORE_RESEND_UNKNOWN,
    CORE_PROBE_INTERVAL,
    CORE_CONTROL_SOCKET,
    CORE_NODE,
];
