//! What the providers say of a device token, and make of a notification, when it is taken.

use std::sync::Once;

use crate::provider;
use crate::push::{Content, LaneId, Notification};

/// Makes contents by the providers' rules, as Gaurun did if that is wanted, settles the push type,
/// and warns once of what may be refused.
pub fn content_of(
    as_gaurun: bool,
) -> impl Fn(&mut Notification) -> Result<Content, String> + Send + Sync + 'static {
    let doubtful = Once::new();
    move |notification| {
        let provider = provider::of(notification.lane.provider());
        if let Some(text) = provider.doubt(notification) {
            let lane = notification.lane;
            doubtful.call_once(|| ::log::warn!("{lane}: {text} (told once)"));
        }
        provider.payload(notification, as_gaurun)
    }
}

/// Checks a device token by its provider's rules.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_device_token(lane: LaneId, token: &str) -> Result<(), &'static str> {
    provider::of(lane.provider()).check_device_token(token)
}
