//! The table of keys: what the file may say, and what is true when it says nothing.
//!
//! The parser reads its defaults and ranges from here, and tests hold `etc/sterna.toml` and the
//! README to it, so that no default stands in two places.

use super::key::{Key, NumberDefault};

/// Threads per lane at most. Each holds a connection with up to 1000 pushes in flight, and
/// providers look askance at more connections than that from one host.
pub(super) const WORKERS_MAX: u64 = 256;
/// Pushes per lane at most: a hundred bytes each is the memory of a large host.
pub const QUEUES_MAX: u64 = 100_000_000;
/// Notifications per request at most; the body's size bounds them earlier.
pub(super) const NOTIFICATION_MAX_MAX: u64 = 100_000;
/// Streams per connection at most: all that client-initiated ids can number (RFC 9113 §5.1.1).
pub(super) const PUSHER_MAX_MAX: u64 = 0x3fff_ffff;
/// Seconds of drain at most: an hour, after which a supervisor has lost patience.
pub(super) const SHUTDOWN_TIMEOUT_MAX: u64 = 3600;
/// Callers' connections at most: each is a thread.
pub(super) const MAX_CONNECTIONS_MAX: u64 = 16_384;
/// Octets of a body at least: room for one small notification.
pub(super) const MAX_BODY_BYTES_MIN: u64 = 1024;
/// Octets of a body at most: eight of the greatest size may be in memory at once, and what is read
/// from them takes some times as much.
pub(super) const MAX_BODY_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Seconds of age at most: 28 days, the longest that FCM keeps a message.
pub(super) const MAX_AGE_MAX: u64 = 28 * 24 * 3600;
/// Seconds for an attempt at most: both providers answer or have failed well before.
pub(super) const TIMEOUT_MAX: u64 = 600;
/// Seconds for an FCM attempt at least, whatever the file says: Google asks for no less, and a
/// shorter time makes duplicates.
pub(super) const FCM_TIMEOUT_MIN: u64 = 10;
/// Retries at most; the hour from the first attempt ends them earlier.
pub(super) const RETRY_MAX_MAX: u64 = 100;
/// Seconds of idleness at most: a day.
pub(super) const KEEPALIVE_TIMEOUT_MAX: u64 = 24 * 3600;
/// Idle connections at most; the key has no effect, so any number that Gaurun took will do.
pub(super) const KEEPALIVE_CONNS_MAX: u64 = 1_000_000;

pub(super) const CORE_PORT: Key = Key::text(
    "core",
    "port",
    "1056",
    "a number from 0 to 65535 (0: any free port), or \"unix:/path\"",
    "Where the API listens: a TCP port of `address`, or a Unix socket",
);
pub(super) const CORE_ADDRESS: Key = Key::text(
    "core",
    "address",
    "127.0.0.1",
    "an IP address, or \"localhost\"",
    "IP address that the TCP port is bound to; one that other hosts can reach needs \
     `allow_unauthenticated`",
)
.unlike_gaurun(
    "all interfaces",
    "loopback",
    "the API asks for no credentials, so whoever reaches it can push to every device",
);
pub(super) const CORE_ALLOW_UNAUTHENTICATED: Key = Key::flag(
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
pub(super) const CORE_WORKERS: Key = Key::optional(
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
pub(super) const CORE_QUEUES: Key = Key::number(
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
pub(super) const CORE_NOTIFICATION_MAX: Key = Key::number(
    "core",
    "notification_max",
    100,
    (1, NOTIFICATION_MAX_MAX),
    "notifications",
    "Notifications that one request may carry",
);
pub(super) const CORE_PUSHER_MAX: Key = Key::optional(
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
pub(super) const CORE_SHUTDOWN_TIMEOUT: Key = Key::number(
    "core",
    "shutdown_timeout",
    10,
    (0, SHUTDOWN_TIMEOUT_MAX),
    "seconds",
    "Time to finish waiting and in-flight pushes after SIGTERM; what is left then fails with \
     reason `shutdown`",
)
.unlike_gaurun(
    "10, for open requests only; pushes in flight were awaited without limit, waiting ones lost",
    "10, for everything",
    "a stop that has no limit ends in SIGKILL",
);
pub(super) const CORE_PID: Key = Key::text(
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
pub(super) const CORE_ALLOWS_EMPTY_MESSAGE: Key = Key::flag(
    "core",
    "allows_empty_message",
    false,
    "Accepts notifications whose `message` is empty",
);
pub(super) const CORE_GAURUN_BADGE: Key = Key::flag(
    "core",
    "gaurun_badge",
    false,
    "Sends `badge` 0 for a notification without badge, which clears it on the device",
)
.unlike_gaurun(
    "always so",
    "false: a missing badge is not sent",
    "otherwise a push cannot leave the badge alone",
);
pub(super) const CORE_MAX_CONNECTIONS: Key = Key::number(
    "core",
    "max_connections",
    512,
    (1, MAX_CONNECTIONS_MAX),
    "connections",
    "Callers' connections open at once; a further one takes the place of the longest idle",
)
.unlike_gaurun(
    "no limit",
    "512",
    "each costs a thread, and callers must not exhaust the host",
);
pub(super) const CORE_MAX_BODY_BYTES: Key = Key::number(
    "core",
    "max_body_bytes",
    4 * 1024 * 1024,
    (MAX_BODY_BYTES_MIN, MAX_BODY_BYTES_MAX),
    "octets",
    "Size of one request body; a larger one is answered 413",
)
.unlike_gaurun(
    "no limit",
    "4194304",
    "one request must not exhaust the host's memory",
);
pub(super) const CORE_MAX_AGE: Key = Key::number(
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

pub(super) const IOS_ENABLED: Key = Key::flag("ios", "enabled", true, "Pushes to APNs");
pub(super) const IOS_PEM_CERT_PATH: Key = Key::text(
    "ios",
    "pem_cert_path",
    "",
    "a path",
    "Certificate authentication: PEM file with the certificate and its chain",
);
pub(super) const IOS_PEM_KEY_PATH: Key = Key::text(
    "ios",
    "pem_key_path",
    "",
    "a path",
    "Certificate authentication: PEM file with the certificate's private key",
);
pub(super) const IOS_PEM_KEY_PASSPHRASE: Key = Key::secret(
    "ios",
    "pem_key_passphrase",
    "Certificate authentication: decrypts `pem_key_path`; beside its key it protects little",
);
pub(super) const IOS_TOKEN_AUTH_KEY_PATH: Key = Key::text(
    "ios",
    "token_auth_key_path",
    "",
    "a path",
    "Token authentication: Apple's .p8 key file",
);
pub(super) const IOS_TOKEN_AUTH_KEY_ID: Key = Key::text(
    "ios",
    "token_auth_key_id",
    "",
    "10 letters and digits",
    "Token authentication: the key's id",
);
pub(super) const IOS_TOKEN_AUTH_TEAM_ID: Key = Key::text(
    "ios",
    "token_auth_team_id",
    "",
    "10 letters and digits",
    "Token authentication: the team's id",
);
pub(super) const IOS_SANDBOX: Key = Key::flag(
    "ios",
    "sandbox",
    true,
    "Pushes to Apple's development environment; false for apps from the App Store",
);
pub(super) const IOS_TOPIC: Key = Key::text(
    "ios",
    "topic",
    "",
    "up to 255 letters, digits, dots, hyphens and underscores",
    "`apns-topic`: the app's bundle id; needed with token authentication",
)
.unlike_gaurun(
    "may be empty",
    "needed with token authentication",
    "APNs answers MissingTopic to every push without it",
);
pub(super) const IOS_TIMEOUT: Key = Key::number(
    "ios",
    "timeout",
    10,
    (1, TIMEOUT_MAX),
    "seconds",
    "Time for one attempt; also for connecting, and for the TLS handshake after it",
)
.unlike_gaurun(
    "5",
    "10",
    "an answer given up on may have been a success: a retry doubles the push",
);
pub(super) const IOS_RETRY_MAX: Key = Key::number(
    "ios",
    "retry_max",
    10,
    (0, RETRY_MAX_MAX),
    "retries",
    "Attempts after the first, within an hour and the push's own expiry",
)
.unlike_gaurun(
    "1, and without effect",
    "10, with exponential back-off",
    "a provider's bad minute must not cost pushes",
);
pub(super) const IOS_KEEPALIVE_TIMEOUT: Key = Key::number(
    "ios",
    "keepalive_timeout",
    90,
    (1, KEEPALIVE_TIMEOUT_MAX),
    "seconds",
    "Time without a push after which a connection closes",
);
pub(super) const IOS_KEEPALIVE_CONNS: Key = Key::optional(
    "ios",
    "keepalive_conns",
    NumberDefault::Absent {
        means: "none",
        example: 4,
    },
    (0, KEEPALIVE_CONNS_MAX),
    "connections",
    "Accepted from Gaurun's files; has no effect",
)
.unlike_gaurun(
    "idle connections kept",
    "no effect, with a warning",
    CONNS_WHY,
);
pub(super) const IOS_ENDPOINT: Key = Key::text(
    "ios",
    "endpoint",
    "",
    ENDPOINT_FORM,
    "Where APNs is reached instead of Apple's own address",
);
pub(super) const IOS_CA_PATH: Key = Key::text("ios", "ca_path", "", "a path", CA_PATH_MEANING);

pub(super) const ANDROID_ENABLED: Key = Key::flag("android", "enabled", true, "Pushes to FCM");
pub(super) const ANDROID_APIKEY: Key = Key::secret(
    "android",
    "apikey",
    "Ignored beside a service account, refused without one: Google closed the API that took it",
)
.unlike_gaurun(
    "the only credential",
    "ignored beside a service account, refused without one",
    "Google closed the legacy FCM API in 2024",
);
pub(super) const ANDROID_SERVICE_ACCOUNT_PATH: Key = Key::text(
    "android",
    "service_account_path",
    "",
    "a path",
    "Google's service-account file (JSON); absent: the environment's \
     `GOOGLE_APPLICATION_CREDENTIALS`",
);
pub(super) const ANDROID_PROJECT_ID: Key = Key::text(
    "android",
    "project_id",
    "",
    "up to 64 letters, digits, hyphens, underscores, dots and colons",
    "Firebase project to push for; absent: the service-account file's",
);
pub(super) const ANDROID_TIMEOUT: Key = Key::number(
    "android",
    "timeout",
    15,
    (1, TIMEOUT_MAX),
    "seconds",
    "Time for one attempt; also for connecting, and for the TLS handshake after it; less than 10 \
     is raised to 10",
)
.unlike_gaurun(
    "5",
    "15; less than 10 is raised to 10, with a warning",
    "Google asks for at least 10 seconds; less makes duplicates",
);
pub(super) const ANDROID_RETRY_MAX: Key = Key::number(
    "android",
    "retry_max",
    10,
    (0, RETRY_MAX_MAX),
    "retries",
    "Attempts after the first, within an hour and the push's own expiry",
)
.unlike_gaurun(
    "1, at once, and after time-outs only",
    "10, with exponential back-off",
    "a provider's bad minute must not cost pushes",
);
pub(super) const ANDROID_KEEPALIVE_TIMEOUT: Key = Key::number(
    "android",
    "keepalive_timeout",
    90,
    (1, KEEPALIVE_TIMEOUT_MAX),
    "seconds",
    "Time without a push after which a connection closes",
);
pub(super) const ANDROID_KEEPALIVE_CONNS: Key = Key::optional(
    "android",
    "keepalive_conns",
    NumberDefault::Absent {
        means: "none",
        example: 4,
    },
    (0, KEEPALIVE_CONNS_MAX),
    "connections",
    "Accepted from Gaurun's files; has no effect",
)
.unlike_gaurun(
    "idle connections kept",
    "no effect, with a warning",
    CONNS_WHY,
);
pub(super) const ANDROID_ENDPOINT: Key = Key::text(
    "android",
    "endpoint",
    "",
    ENDPOINT_FORM,
    "Where FCM is reached instead of Google's own address",
);
pub(super) const ANDROID_CA_PATH: Key =
    Key::text("android", "ca_path", "", "a path", CA_PATH_MEANING);

pub(super) const LOG_ACCESS_LOG: Key = Key::text(
    "log",
    "access_log",
    "stdout",
    DESTINATION_FORM,
    "Requests, accepted and succeeded pushes: one JSON object a line",
);
pub(super) const LOG_ERROR_LOG: Key = Key::text(
    "log",
    "error_log",
    "stderr",
    DESTINATION_FORM,
    "Failed and disabled pushes, and what was wrong with requests: one JSON object a line",
);
pub(super) const LOG_OPERATOR_LOG: Key = Key::text(
    "log",
    "operator_log",
    "stderr",
    DESTINATION_FORM,
    "What happens to the daemon: plain text",
)
.unlike_gaurun(
    "lines without a type in the error log",
    "a log of its own",
    "the error log holds what became of pushes and requests, and nothing else",
);
pub(super) const LOG_LEVEL: Key = Key::text(
    "log",
    "level",
    "info",
    "\"debug\", \"info\", \"warn\" or \"error\" (\"dpanic\", \"panic\" and \"fatal\" count as \
     error)",
    "Least severe line that the operator log takes; outcomes of pushes are always written. At \
     \"debug\" text after a request's JSON is refused, as by Gaurun",
)
.unlike_gaurun(
    "error; \"panic\" and \"fatal\" dropped the outcomes of failed pushes too",
    "info; outcomes are always written",
    "an outcome that is not written cannot be found again",
);

const CONNS_WHY: &str = "HTTP/2 carries all pushes over as many connections as `workers` allows";
const ENDPOINT_FORM: &str = "\"https://host\" or \"https://host:port\"";
const CA_PATH_MEANING: &str =
    "PEM file of certificate authorities to trust beside the system's own";
const DESTINATION_FORM: &str = "\"stdout\", \"stderr\", \"discard\", or a path";

/// Every key, in the order of the documentation.
pub static KEYS: [Key; 43] = [
    CORE_PORT,
    CORE_ADDRESS,
    CORE_ALLOW_UNAUTHENTICATED,
    CORE_WORKERS,
    CORE_QUEUES,
    CORE_NOTIFICATION_MAX,
    CORE_PUSHER_MAX,
    CORE_SHUTDOWN_TIMEOUT,
    CORE_PID,
    CORE_ALLOWS_EMPTY_MESSAGE,
    CORE_GAURUN_BADGE,
    CORE_MAX_CONNECTIONS,
    CORE_MAX_BODY_BYTES,
    CORE_MAX_AGE,
    IOS_ENABLED,
    IOS_PEM_CERT_PATH,
    IOS_PEM_KEY_PATH,
    IOS_PEM_KEY_PASSPHRASE,
    IOS_TOKEN_AUTH_KEY_PATH,
    IOS_TOKEN_AUTH_KEY_ID,
    IOS_TOKEN_AUTH_TEAM_ID,
    IOS_SANDBOX,
    IOS_TOPIC,
    IOS_TIMEOUT,
    IOS_RETRY_MAX,
    IOS_KEEPALIVE_TIMEOUT,
    IOS_KEEPALIVE_CONNS,
    IOS_ENDPOINT,
    IOS_CA_PATH,
    ANDROID_ENABLED,
    ANDROID_APIKEY,
    ANDROID_SERVICE_ACCOUNT_PATH,
    ANDROID_PROJECT_ID,
    ANDROID_TIMEOUT,
    ANDROID_RETRY_MAX,
    ANDROID_KEEPALIVE_TIMEOUT,
    ANDROID_KEEPALIVE_CONNS,
    ANDROID_ENDPOINT,
    ANDROID_CA_PATH,
    LOG_ACCESS_LOG,
    LOG_ERROR_LOG,
    LOG_OPERATOR_LOG,
    LOG_LEVEL,
];

/// The sections, in the order of the documentation, each with its meaning.
pub static SECTIONS: [(&str, &str); 4] = [
    ("core", "The API, the queues and the process"),
    ("ios", "Apple's APNs"),
    ("android", "Google's FCM HTTP v1"),
    ("log", "The logs; SIGHUP and SIGUSR1 reopen them"),
];
