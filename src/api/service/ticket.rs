//! An idempotency key while its request is under way.

use std::sync::Arc;

use super::super::idempotency::{BodyHash, Full, Keyed};
use super::super::keys::KeyOwner;
use super::Service;
use crate::http1::reply::{RETRY_AFTER_SECS, Reply};

/// A key in progress; dropping it frees the key, unless an answer is kept for it by then.
pub(super) struct Ticket {
    pub(super) service: Arc<Service>,
    pub(super) key: String,
    pub(super) body: BodyHash,
    pub(super) owner: Option<KeyOwner>,
}

impl Ticket {
    /// What its answer is kept under.
    pub(super) fn keyed(&self) -> Keyed<'_> {
        Keyed {
            key: &self.key,
            body: self.body,
            owner: self.owner,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.service.repeats().forget(&self.key);
    }
}

/// The answer where there is no room for another key.
pub(super) fn keys_full(full: Full) -> Reply {
    let text = match full {
        Full::Room => KEYS_FULL,
        Full::Share => SHARE_FULL,
    };
    Reply::message(503, text).with_retry_after(RETRY_AFTER_SECS)
}

const KEYS_FULL: &str = "too many Idempotency-Keys within ten minutes";
const SHARE_FULL: &str = "too many Idempotency-Keys of this API key within ten minutes";
