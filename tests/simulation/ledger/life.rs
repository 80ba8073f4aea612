//! How long pushes are worth sending.

use std::time::Duration;

use sterna::push::{Accepted, Lifetime, Provider};

/// How long it waits with us that is to be tried once.
const NOW_WAITS: Duration = Duration::from_secs(60);

/// How long it waits with us.
pub(super) fn longest(accepted: &Accepted, max_age: Duration) -> Duration {
    let least = match accepted.envelope.lifetime {
        Lifetime::Now => NOW_WAITS,
        _ => Duration::ZERO,
    };
    life_of(accepted).map_or(max_age, |life| life.max(least).min(max_age))
}

/// How long it is worth being sent, if the caller said so.
pub(crate) fn life_of(accepted: &Accepted) -> Option<Duration> {
    let note = accepted.parcel.note();
    let secs = match accepted.envelope.lane.provider() {
        Provider::Apns => note.expiry,
        Provider::Fcm => note.time_to_live,
    };
    match accepted.envelope.lifetime {
        Lifetime::Now => Some(Duration::ZERO),
        Lifetime::Until(at) => {
            let at = Duration::from_secs(at.into());
            Some(at.saturating_sub(accepted.at.unix))
        }
        Lifetime::Unsaid | Lifetime::Secs(_) => {
            (secs > 0).then(|| Duration::from_secs(u64::try_from(secs).unwrap()))
        }
    }
}
