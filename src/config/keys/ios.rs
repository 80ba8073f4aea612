//! `[ios]`: Apple's APNs.

use super::super::key::{Key, NumberDefault};
use super::{
    CA_PATH_MEANING, CONNS_WHY, ENDPOINT_FORM, KEEPALIVE_CONNS_MAX, KEEPALIVE_TIMEOUT_MAX,
    RATE_MAX, RETRY_MAX_MAX, TIMEOUT_MAX,
};

pub(in super::super) const IOS_ENABLED: Key = Key::flag("ios", "enabled", true, "Pushes to APNs");
pub(in super::super) const IOS_PEM_CERT_PATH: Key = Key::text(
    "ios",
    "pem_cert_path",
    "",
    "a path",
    "Certificate authentication: PEM file with the certificate and its chain",
);
pub(in super::super) const IOS_PEM_KEY_PATH: Key = Key::text(
    "ios",
    "pem_key_path",
    "",
    "a path",
    "Certificate authentication: PEM file with the certificate's private key",
);
pub(in super::super) const IOS_PEM_KEY_PASSPHRASE: Key = Key::secret(
    "ios",
    "pem_key_passphrase",
    "Certificate authentication: decrypts `pem_key_path`; beside its key it protects little",
);
pub(in super::super) const IOS_TOKEN_AUTH_KEY_PATH: Key = Key::text(
    "ios",
    "token_auth_key_path",
    "",
    "a path",
    "Token authentication: Apple's .p8 key file",
);
pub(in super::super) const IOS_TOKEN_AUTH_KEY_ID: Key = Key::text(
    "ios",
    "token_auth_key_id",
    "",
    "10 letters and digits",
    "Token authentication: the key's id",
);
pub(in super::super) const IOS_TOKEN_AUTH_TEAM_ID: Key = Key::text(
    "ios",
    "token_auth_team_id",
    "",
    "10 letters and digits",
    "Token authentication: the team's id",
);
pub(in super::super) const IOS_SANDBOX: Key = Key::flag(
    "ios",
    "sandbox",
    true,
    "Pushes to Apple's development environment; false for apps from the App Store",
);
pub(in super::super) const IOS_TOPIC: Key = Key::text(
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
pub(in super::super) const IOS_TIMEOUT: Key = Key::number(
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
pub(in super::super) const IOS_RETRY_MAX: Key = Key::number(
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
pub(in super::super) const IOS_RATE: Key = Key::number(
    "ios",
    "rate",
    0,
    (0, RATE_MAX),
    "pushes per second",
    "Pushes that may be sent, over all connections and with retries; the first minute begins at a \
     tenth of it; 0: as many as APNs takes",
);
pub(in super::super) const IOS_KEEPALIVE_TIMEOUT: Key = Key::number(
    "ios",
    "keepalive_timeout",
    90,
    (1, KEEPALIVE_TIMEOUT_MAX),
    "seconds",
    "Time without a push after which a connection closes",
);
pub(in super::super) const IOS_KEEPALIVE_CONNS: Key = Key::optional(
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
pub(in super::super) const IOS_ENDPOINT: Key = Key::text(
    "ios",
    "endpoint",
    "",
    ENDPOINT_FORM,
    "Where APNs is reached instead of Apple's own address",
);
pub(in super::super) const IOS_CA_PATH: Key =
    Key::text("ios", "ca_path", "", "a path", CA_PATH_MEANING);

/// The section's keys, in the order of the documentation.
pub(super) const IOS_KEYS: &[Key] = &[
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
    IOS_RATE,
    IOS_KEEPALIVE_TIMEOUT,
    IOS_KEEPALIVE_CONNS,
    IOS_ENDPOINT,
    IOS_CA_PATH,
];
