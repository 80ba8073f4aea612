//! What is still to be pushed.

use std::num::NonZeroU32;
use std::time::Duration;

use super::Attempts;
use crate::moment::Moment;
use crate::push::{Envelope, Parcel, PushId};

/// A notification with pushes that were accepted and not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outstanding {
    /// What delivery has to know of it.
    pub envelope: Envelope,
    /// What the provider is sent, as it was built when it was accepted, what the push log shows,
    /// and all its device tokens, settled ones too: ids count from the first.
    pub parcel: Parcel,
    /// The id of the first token's push; the others follow consecutively.
    pub first_id: PushId,
    /// When it was accepted, since 1970.
    pub at: Duration,
    /// Whether a process may have sent them that ended by a crash, which did not note what it
    /// handed to connections.
    pub in_doubt: bool,
    /// Which tokens are still to be pushed to, ascending, with what was tried; never empty.
    pub pushes: Vec<(u32, Attempts)>,
}

impl Outstanding {
    /// When it was accepted, on both clocks of a process that reads them now.
    ///
    /// What is scheduled counts from its time. A time that the wall clock has not reached yet
    /// counts as now.
    pub fn moment(&self, now: Moment) -> Moment {
        let at = self.counts_from();
        let age = now.unix.saturating_sub(at);
        Moment {
            monotonic: now.monotonic.checked_sub(age).unwrap_or(now.monotonic),
            unix: at.min(now.unix),
            ..now
        }
    }

    /// From when its lifetime counts, since 1970.
    fn counts_from(&self) -> Duration {
        let earliest = self.envelope.earliest.map_or(0, NonZeroU32::get);
        self.at.max(Duration::from_secs(earliest.into()))
    }

    /// Has it count as accepted when it was to be sent, if it was scheduled: from then on it is
    /// like any other.
    pub(super) fn begin(&mut self) {
        self.at = self.counts_from();
        self.envelope.earliest = None;
    }

    /// Whether its time has not come yet.
    pub fn is_scheduled(&self, now: Moment) -> bool {
        self.envelope.earliest.is_some() && self.counts_from() > now.unix
    }

    /// The id of the push to a token.
    pub fn id(&self, index: u32) -> PushId {
        PushId(self.first_id.0.saturating_add(u64::from(index)))
    }
}

/// What [`Journal::feed`](super::Journal::feed) hands out.
#[derive(Debug, Default)]
pub struct Fed {
    /// Notifications with outstanding pushes, in the order of their ids.
    pub notifications: Vec<Outstanding>,
    /// Pushes whose record is damaged: their ids, of which nothing else is known. They are to be
    /// settled, as failed.
    pub damaged: Vec<PushId>,
}
