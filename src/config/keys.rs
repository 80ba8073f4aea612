//! What the tables of keys share: their limits, words and forms.

/// Threads per lane at most. Each holds a connection with up to 1000 pushes in flight, and
/// providers look askance at more connections than that from one host.
pub(super) const WORKERS_MAX: u64 = 256;

/// Default of `core.workers`, where there are no more CPUs: so many connections of 100 streams each
/// carry what a project may send, 100 ms from Google.
pub(super) const WORKERS_USUAL: u64 = 16;

/// Connection threads of all lanes at most: as many as 256 lanes have of which each has the most.
pub(super) const PROVIDER_CONNECTIONS_MAX: u64 = 65_536;
/// Pushes per lane at most: a hundred bytes each is the memory of a large host.
pub const QUEUES_MAX: u64 = 100_000_000;
/// Targets of a transactional request at most: more than the greatest body names.
pub(super) const BULK_FROM_MAX: u64 = 100_000_000;
/// Notifications per request at most; the body's size bounds them earlier.
pub(super) const NOTIFICATION_MAX_MAX: u64 = 100_000;
/// Streams per connection at most: all that client-initiated ids can number (RFC 9113 §5.1.1).
pub const PUSHER_MAX_MAX: u64 = 0x3fff_ffff;
/// Seconds of drain at most: an hour, after which a supervisor has lost patience.
pub(super) const SHUTDOWN_TIMEOUT_MAX: u64 = 3600;
/// Callers' connections at most: each is a thread.
pub(super) const MAX_CONNECTIONS_MAX: u64 = 16_384;
/// Names of the API's own host at most: each request that names another is compared with them.
pub(super) const HOSTS_MAX: usize = 100;
/// Bytes of a body at least: room for one small notification.
pub(super) const MAX_BODY_BYTES_MIN: u64 = 1024;
/// Bytes of a body at most: five of the greatest size may be in memory at once, and what is read
/// from them takes some times as much.
pub(super) const MAX_BODY_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Bytes of a journal's segment at least: a segment of one push would be all overhead.
pub(super) const SEGMENT_BYTES_MIN: u64 = 64 * 1024;
/// Bytes of a journal's segment at most: two of them are read at a start.
pub(super) const SEGMENT_BYTES_MAX: u64 = 1 << 30;
/// Pushes that may be scheduled at most: a hundred bytes each is the memory of a large host.
pub(super) const SCHEDULED_MAX_MAX: u64 = 100_000_000;
/// Bytes of what is scheduled at least: room for a request.
pub(super) const SCHEDULED_BYTES_MIN: u64 = 1 << 20;
/// Bytes of what is scheduled at most: all of it is carried each time that it was written anew.
pub(super) const SCHEDULED_BYTES_MAX: u64 = 1 << 36;
/// Bytes of a stream of the feed at least: room for some thousand records.
pub(super) const FEEDBACK_BYTES_MIN: u64 = 1 << 20;
/// Bytes of a stream of the feed at most: as what is scheduled may take.
pub(super) const FEEDBACK_BYTES_MAX: u64 = 1 << 36;
/// Seconds of age at most: 28 days, the longest that FCM keeps a message.
pub const MAX_AGE_MAX: u64 = 28 * 24 * 3600;
/// Seconds before a first probe at most: what an operator mends should be seen within the hour.
pub(super) const PROBE_INTERVAL_MAX: u64 = 360;
/// Seconds for an attempt at most: both providers answer or have failed well before.
pub(super) const TIMEOUT_MAX: u64 = 600;
/// Seconds for an FCM attempt at least, whatever the file says: Google asks for no less, and a
/// shorter time makes duplicates.
pub(super) const FCM_TIMEOUT_MIN: u64 = 10;
/// Retries at most; the hour from the first attempt ends them earlier.
pub(super) const RETRY_MAX_MAX: u64 = 100;
/// Pushes per second at most: ten times what Google gives a project.
pub(super) const RATE_MAX: u64 = 100_000;
/// Seconds of idleness at most: a day.
pub(super) const KEEPALIVE_TIMEOUT_MAX: u64 = 24 * 3600;
/// Idle connections at most; the key has no effect, so any number that Gaurun took will do.
pub(super) const KEEPALIVE_CONNS_MAX: u64 = 1_000_000;

/// Our limit: apps beside the default one. Each has lanes of its own, which every look at all lanes
/// visits.
pub const APPS_MAX: usize = 200;

/// The table of the sections of further apps.
pub(super) const APPS: &str = "apps";

/// Whose callers' ways are kept.
pub(super) const GAURUN: &str = "gaurun";
/// The section that Gaurun's later branch has for FCM HTTP v1, beside the closed API's `[android]`.
pub(super) const FCM_V1: &str = "fcm_v1";

pub(super) const ENDPOINT_FORM: &str = "\"https://host\" or \"https://host:port\"";
pub(super) const CA_PATH_MEANING: &str =
    "PEM file of certificate authorities to trust beside the system's own";
pub(super) const DESTINATION_FORM: &str = "\"stdout\", \"stderr\", \"discard\", or a path";

/// The sections, in the order of the documentation, each with its meaning.
pub static SECTIONS: [(&str, &str); 8] = [
    ("core", "The API, the queues and the process"),
    ("ios", "Apple's APNs"),
    ("android", "Google's FCM HTTP v1"),
    (
        APPS,
        "Apps beside the one of [ios] and [android], which is the app default: the sections \
         [apps.NAME.ios] and [apps.NAME.android] have the same keys. NAME is up to 32 lower-case \
         letters, digits, hyphens and underscores",
    ),
    (
        "journal",
        "What was accepted and is not settled, kept over crashes",
    ),
    (
        "feedback",
        "How pushes ended, and which device tokens are dead, for who asks",
    ),
    ("log", "The logs; SIGHUP and SIGUSR1 reopen them"),
    ("metrics", "Where Prometheus scrapes"),
];
