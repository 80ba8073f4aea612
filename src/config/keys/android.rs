//! `[android]`: Google's FCM HTTP v1.

use super::super::key::{Key, NumberDefault};
use super::{
    CA_PATH_MEANING, CONNS_WHY, ENDPOINT_FORM, KEEPALIVE_CONNS_MAX, KEEPALIVE_TIMEOUT_MAX,
    RATE_MAX, RETRY_MAX_MAX, TIMEOUT_MAX,
};

pub(in super::super) const ANDROID_ENABLED: Key =
    Key::flag("android", "enabled", true, "Pushes to FCM");
pub(in super::super) const ANDROID_APIKEY: Key = Key::secret(
    "android",
    "apikey",
    "Ignored beside a service account, refused without one: Google closed the API that took it",
)
.unlike_gaurun(
    "the only credential",
    "ignored beside a service account, refused without one",
    "Google closed the legacy FCM API in 2024",
);
pub(in super::super) const ANDROID_SERVICE_ACCOUNT_PATH: Key = Key::text(
    "android",
    "service_account_path",
    "",
    "a path",
    "Google's service-account file (JSON); absent: the environment's \
     `GOOGLE_APPLICATION_CREDENTIALS`",
);
pub(in super::super) const ANDROID_PROJECT_ID: Key = Key::text(
    "android",
    "project_id",
    "",
    "up to 64 letters, digits, hyphens, underscores, dots and colons",
    "Firebase project to push for; absent: the service-account file's",
);
pub(in super::super) const ANDROID_TIMEOUT: Key = Key::number(
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
pub(in super::super) const ANDROID_RETRY_MAX: Key = Key::number(
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
pub(in super::super) const ANDROID_RATE: Key = Key::number(
    "android",
    "rate",
    9_000,
    (0, RATE_MAX),
    "pushes per second",
    "Pushes that may be sent, over all connections and with retries; the first minute begins at a \
     tenth of it. Google gives a project 10,000: divide them among its daemons; 0: as many as FCM \
     takes",
)
.unlike_gaurun(
    "no limit",
    "9000",
    "FCM answers 429 to what goes beyond a project's quota, and asks for an even pace",
);
pub(in super::super) const ANDROID_KEEPALIVE_TIMEOUT: Key = Key::number(
    "android",
    "keepalive_timeout",
    90,
    (1, KEEPALIVE_TIMEOUT_MAX),
    "seconds",
    "Time without a push after which a connection closes",
);
pub(in super::super) const ANDROID_KEEPALIVE_CONNS: Key = Key::optional(
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
pub(in super::super) const ANDROID_ENDPOINT: Key = Key::text(
    "android",
    "endpoint",
    "",
    ENDPOINT_FORM,
    "Where FCM is reached instead of Google's own address",
);
pub(in super::super) const ANDROID_CA_PATH: Key =
    Key::text("android", "ca_path", "", "a path", CA_PATH_MEANING);

/// The section's keys, in the order of the documentation.
pub(super) const ANDROID_KEYS: &[Key] = &[
    ANDROID_ENABLED,
    ANDROID_APIKEY,
    ANDROID_SERVICE_ACCOUNT_PATH,
    ANDROID_PROJECT_ID,
    ANDROID_TIMEOUT,
    ANDROID_RETRY_MAX,
    ANDROID_RATE,
    ANDROID_KEEPALIVE_TIMEOUT,
    ANDROID_KEEPALIVE_CONNS,
    ANDROID_ENDPOINT,
    ANDROID_CA_PATH,
];
