//! Apple: payloads, request fields, auth tokens and answers of the APNs provider API.
//!
//! Pure: no I/O, no clock. A request is `POST /3/device/<device token>` with the payload as its
//! body. With a client certificate on the connection nothing else identifies us; else each request
//! carries the [`AuthToken`].

mod advice;
mod answer;
mod apns_id;
mod auth_token;
mod payload;
mod signing_key;

pub use advice::{ADVICE, TOKEN_ALARMS};
pub use answer::{ROWS, answer, goaway};
pub use apns_id::ApnsIds;
pub use auth_token::{AuthToken, AuthTokens, Renewal};
pub use payload::{PAYLOAD_MAX, payload, settle_push_type};
pub use signing_key::{SEALED_MAX, Signer, SigningKey};

use crate::provider::begun_seconds;
use crate::push::{Accepted, DeviceToken, Notification};

/// Where apps from the App Store and `TestFlight` are pushed to.
pub const PRODUCTION_HOST: &str = "api.push.apple.com";

/// Where apps under development are pushed to.
pub const SANDBOX_HOST: &str = "api.sandbox.push.apple.com";

/// Longest device token, in hexadecimal digits. Apple promises no size; 64 digits are usual, and
/// 200 were announced as the limit to reckon with.
pub const DEVICE_TOKEN_MAX: usize = 400;

/// Latest `apns-expiration` that is sent (in the year 2106): a later one says no more and may not
/// fit the provider's number.
pub const EXPIRATION_MAX: u64 = u32::MAX as u64;

/// The push type of what is shown, and of all that does not say otherwise.
pub const ALERT: &str = "alert";

/// The push type of what only wakes the app.
pub const BACKGROUND: &str = "background";

/// Says why a device token cannot be sent to, if so.
pub fn check_device_token(token: &str) -> Result<(), &'static str> {
    if token.is_empty() {
        return Err("the device token is empty");
    }
    if token.len() > DEVICE_TOKEN_MAX {
        return Err("the device token is longer than 400 hexadecimal digits");
    }
    if !token.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err("the device token has a character that is not a hexadecimal digit");
    }
    if !token.len().is_multiple_of(2) {
        return Err("the device token has an odd number of hexadecimal digits");
    }
    Ok(())
}

/// Appends the `:path` of a push, with the device token in lower case.
pub fn path(token: &DeviceToken, out: &mut Vec<u8>) {
    out.extend_from_slice(b"/3/device/");
    out.extend(token.as_str().bytes().map(|byte| byte.to_ascii_lowercase()));
}

/// `apns-expiration`: seconds since the Unix epoch, counted from acceptance; absent unless the
/// caller gave a positive `expiry`.
pub fn expiration(accepted: &Accepted) -> Option<u64> {
    let lifetime = u64::try_from(accepted.notification.expiry).ok()?;
    let at = begun_seconds(accepted.at.unix).saturating_add(lifetime);
    (lifetime > 0).then_some(at.min(EXPIRATION_MAX))
}

/// `apns-push-type`.
pub fn push_type(notification: &Notification) -> &'static str {
    if notification.push_type.as_ref() == BACKGROUND {
        BACKGROUND
    } else {
        ALERT
    }
}

/// `apns-priority` for a push type: 5 for a background push, for which Apple calls the default of
/// 10 an error; otherwise absent, which means 10.
pub fn priority(push_type: &str) -> Option<&'static str> {
    (push_type == BACKGROUND).then_some("5")
}

#[cfg(test)]
mod tests;
