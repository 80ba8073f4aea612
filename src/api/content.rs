//! What the providers say of a device token, and make of a notification, when it is taken.

use std::sync::Once;

use crate::moment::Moment;
use crate::provider::{self, Built, Fault, Site, Unused};
use crate::push::{LaneId, Notification};

/// Builds notifications by the rules of the provider and of the lane's site, and warns once of what
/// may be refused.
pub fn content_of(
    site: impl Fn(LaneId) -> Site + Send + Sync + 'static,
) -> impl Fn(&mut Notification, Moment, &mut Unused) -> Result<Built, Fault> + Send + Sync + 'static
{
    let doubtful = Once::new();
    move |notification, now, unused| {
        let provider = provider::of(notification.lane.provider());
        if !doubtful.is_completed()
            && let Some(text) = provider.doubt(notification)
        {
            let lane = notification.lane;
            doubtful.call_once(|| ::log::warn!("{lane}: {text} (told once)"));
        }
        provider.build(notification, &site(notification.lane), now, unused)
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
