//! What delivery has to know of a notification.
//!
//! Pure: no file, no clock, no thread.

use std::num::NonZeroU64;
use std::time::Duration;

use super::LaneId;

/// What delivery has to know of a notification, whatever is in it. The targets are device tokens;
/// priority and collapse id stand in the content, or follow from the push type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Where it goes.
    pub lane: LaneId,
    /// What it does on the device.
    pub push_type: PushType,
    /// So many seconds after its acceptance it is worthless, if its caller has said so.
    pub lifetime_secs: Option<NonZeroU64>,
}

const _: () = assert!(size_of::<Envelope>() == 40);

/// What a push does on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushType {
    /// It may be shown.
    Alert,
    /// It wakes the app and shows nothing.
    Background,
}

impl Envelope {
    /// The envelope of a notification of which nothing was said but where it goes.
    pub fn to(lane: LaneId) -> Self {
        Self {
            lane,
            push_type: PushType::Alert,
            lifetime_secs: None,
        }
    }

    /// This envelope, whose pushes are worthless after so many seconds; 0 or less means not said.
    #[must_use]
    pub fn lasting(self, secs: i64) -> Self {
        Self {
            lifetime_secs: u64::try_from(secs).ok().and_then(NonZeroU64::new),
            ..self
        }
    }

    /// How long after its acceptance it is worth sending, if its caller has said so.
    pub fn lifetime(&self) -> Option<Duration> {
        self.lifetime_secs
            .map(|secs| Duration::from_secs(secs.get()))
    }
}
