//! The answers of both providers, by what they ask of the daemon: written from the providers' own
//! pages, and not from the tables of the daemon.

use super::{Body, Class, Reply};

const fn apns(status: u16, reason: &'static str, class: Class) -> Reply {
    Reply::new(status, reason, class, Body::Reason)
}

/// With a detail of `FcmError`.
const fn code(status: u16, reason: &'static str, class: Class) -> Reply {
    Reply::new(status, reason, class, Body::FcmError)
}

/// With a detail of `ErrorInfo`.
const fn info(status: u16, reason: &'static str, class: Class) -> Reply {
    Reply::new(status, reason, class, Body::ErrorInfo)
}

/// Without details.
const fn status(status: u16, reason: &'static str, class: Class) -> Reply {
    Reply::new(status, reason, class, Body::Status)
}

/// From Google's front end.
const fn page(status: u16, class: Class) -> Reply {
    Reply::new(status, "", class, Body::Page)
}

/// It asks the whole lane to wait.
const fn slow(reply: Reply) -> Reply {
    Reply {
        slows: true,
        ..reply
    }
}

/// What APNs will never take, and what it says of the credential.
pub(super) const APNS_REFUSALS: &[Reply] = &[
    apns(400, "BadDeviceToken", Class::Final),
    apns(400, "DeviceTokenNotForTopic", Class::Final),
    apns(400, "TopicDisallowed", Class::Held),
    apns(400, "SomethingNew", Class::Final),
    INVALID_AUTH_TOKEN,
    apns(403, "Forbidden", Class::Held),
    apns(404, "BadPath", Class::Final),
    apns(410, "Unregistered", Class::Final),
    apns(410, "ExpiredToken", Class::Final),
    apns(413, "PayloadTooLarge", Class::Final),
    apns(418, "", Class::Final),
];

/// What APNs may take later, or elsewhere.
pub(super) const APNS_RETRIED: &[Reply] = &[
    apns(429, "TooManyRequests", Class::Backoff),
    TOO_MANY_UPDATES,
    apns(500, "InternalServerError", Class::Backoff),
    apns(502, "", Class::Backoff),
    UNAVAILABLE,
    apns(503, "Shutdown", Class::Elsewhere),
    apns(400, "IdleTimeout", Class::Elsewhere),
    EXPIRED_AUTH_TOKEN,
    apns(403, "UnrelatedKeyIdInToken", Class::Now),
];

/// To an auth token over an hour old.
pub(crate) const EXPIRED_AUTH_TOKEN: Reply = apns(403, "ExpiredProviderToken", Class::Once);
/// To one from the future.
pub(crate) const INVALID_AUTH_TOKEN: Reply =
    apns(403, "InvalidProviderToken", Class::OnceElsewhere);
/// To one that came too soon after another.
pub(crate) const TOO_MANY_UPDATES: Reply = apns(429, "TooManyProviderTokenUpdates", Class::Backoff);
/// APNs is overloaded.
pub(super) const UNAVAILABLE: Reply = slow(apns(503, "ServiceUnavailable", Class::Backoff));

/// What FCM will never take, and what it says of the credential.
pub(super) const FCM_REFUSALS: &[Reply] = &[
    code(404, "UNREGISTERED", Class::Final),
    code(400, "INVALID_ARGUMENT", Class::Final),
    code(403, "SENDER_ID_MISMATCH", Class::Final),
    code(401, "THIRD_PARTY_AUTH_ERROR", Class::Final),
    code(400, "SOMETHING_NEW", Class::Final),
    NOT_PERMITTED,
    info(403, "SERVICE_DISABLED", Class::Held),
    info(401, "ACCESS_TOKEN_TYPE_UNSUPPORTED", Class::Held),
    page(404, Class::Held),
    page(413, Class::Final),
];

/// What FCM may take later.
pub(super) const FCM_RETRIED: &[Reply] = &[
    slow(code(429, "QUOTA_EXCEEDED", Class::Quota)),
    Reply::new(429, "QUOTA_EXCEEDED", Class::Quota, Body::DeviceQuota),
    slow(page(429, Class::Quota)),
    slow(code(503, "UNAVAILABLE", Class::Backoff)),
    slow(page(503, Class::Backoff)),
    slow(code(500, "INTERNAL", Class::Backoff)),
    slow(page(502, Class::Backoff)),
    EXPIRED_ACCESS_TOKEN,
    page(401, Class::Once),
];

/// To an access token whose time is over.
pub(crate) const EXPIRED_ACCESS_TOKEN: Reply = info(401, "ACCESS_TOKEN_EXPIRED", Class::Once);

/// To an account that may not push for the project.
pub(crate) const NOT_PERMITTED: Reply = info(403, "IAM_PERMISSION_DENIED", Class::Held);

/// Whatever APNs says of credential and topic: what may be about one push all the same.
pub(crate) const APNS_STOPPING: &[Reply] = &[
    apns(400, "BadTopic", Class::Held),
    apns(400, "MissingTopic", Class::Held),
    apns(400, "TopicDisallowed", Class::Held),
    apns(403, "BadCertificate", Class::Held),
    apns(403, "BadCertificateEnvironment", Class::Held),
    EXPIRED_AUTH_TOKEN,
    INVALID_AUTH_TOKEN,
    apns(403, "MissingProviderToken", Class::Held),
    apns(403, "BadEnvironmentKeyIdInToken", Class::Held),
    apns(403, "BadEnvironmentKeyInToken", Class::Held),
    apns(403, "Forbidden", Class::Held),
];

/// Whatever FCM says of access token, account and project.
pub(crate) const FCM_STOPPING: &[Reply] = &[
    EXPIRED_ACCESS_TOKEN,
    info(401, "CREDENTIALS_MISSING", Class::Once),
    page(401, Class::Once),
    status(401, "UNAUTHENTICATED", Class::Once),
    info(401, "ACCESS_TOKEN_TYPE_UNSUPPORTED", Class::Held),
    info(403, "IAM_PERMISSION_DENIED", Class::Held),
    info(403, "SERVICE_DISABLED", Class::Held),
    info(403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT", Class::Held),
    info(403, "CONSUMER_INVALID", Class::Held),
    info(403, "BILLING_DISABLED", Class::Held),
    info(403, "USER_PROJECT_DENIED", Class::Held),
    page(403, Class::Held),
    status(403, "PERMISSION_DENIED", Class::Held),
    page(404, Class::Held),
    status(404, "NOT_FOUND", Class::Held),
];
