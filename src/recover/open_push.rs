//! A push that was accepted and has no outcome, as push logs tell of it.
//!
//! Pure: no file, no clock.

use crate::push::{DeviceToken, Node, Notification, PushId, TargetKind};

/// An accepted push without an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPush {
    /// The id in its line; unique only if Sterna gave it.
    pub id: u64,
    /// What stands in its line as its device token.
    pub target: TargetKind,
    /// Where it goes.
    pub token: DeviceToken,
    /// What is pushed, as far as the line tells.
    pub notification: Notification,
    /// The push whose line has its texts, if its own has none and that one has not been found.
    pub texts_of: Option<u64>,
    /// When it was accepted, as its line spells it.
    pub accepted: Box<str>,
    /// The same in seconds since 1970, if the zone is known.
    pub at: Option<u64>,
    /// The second since the Unix epoch before which it is not to be sent.
    pub send_at: Option<u64>,
}

impl OpenPush {
    /// Whether Sterna accepted it: Gaurun's ids count from 1 in each run and do not get to where
    /// ours begin.
    pub fn is_sternas(&self) -> bool {
        self.id >= Node::FIRST_COUNT
    }

    /// Whether the log was told to hide its device token.
    pub fn is_hidden(&self) -> bool {
        let token = self.token.as_str();
        token.is_empty() || token.starts_with("hash:")
    }

    /// The id that it is sent with. `apns-id` is made from it, so it is unique and the same each
    /// time the log is read: Sterna's own, else a number made of all that tells it from others.
    pub fn push_id(&self) -> PushId {
        if self.is_sternas() {
            return PushId(self.id);
        }
        // FNV-1a; it need not withstand anybody who chooses his device tokens.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let parts = [
            self.accepted.as_bytes(),
            &self.id.to_be_bytes(),
            self.token.as_str().as_bytes(),
            self.notification.message.as_bytes(),
        ];
        for byte in parts.into_iter().flatten() {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        PushId((hash >> SPARE_BITS).max(1))
    }
}

/// Bits above those of a push id, which JSON readers would round.
const SPARE_BITS: u32 = 11;
