//! The open pushes of a log: what is accepted and not settled so far.
//!
//! Pure: no file, no clock.

use std::collections::HashMap;
use std::fmt;

use super::texts::Texts;
use crate::push::{DeviceToken, LaneId, Node, Notification, PushId};

/// Our limit: open pushes kept while logs are read, of about 600 bytes each.
pub const OPEN_MAX: usize = 4_000_000;

/// An accepted push without an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPush {
    /// The id in its line; unique only if Sterna gave it.
    pub id: u64,
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

    fn named(&self) -> Named {
        Named {
            id: self.id,
            lane: self.notification.lane,
            token: self.token.clone(),
            message: self.notification.message.clone(),
            accepted: self.accepted.clone(),
        }
    }

    fn is_of(&self, outcome: &Outcome) -> bool {
        self.notification.lane == outcome.lane
            && self.token == outcome.token
            && outcome
                .message
                .as_ref()
                .is_none_or(|message| *message == self.notification.message)
    }
}

/// What a line says of the end of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The id of the push.
    pub id: u64,
    /// Its platform.
    pub lane: LaneId,
    /// Its device token.
    pub token: DeviceToken,
    /// Its message, if its line has the texts.
    pub message: Option<Box<str>>,
    /// Whether it failed.
    pub failed: bool,
    /// The time of its accepted-push line: in the lines of an earlier recovery.
    pub accepted: Option<Box<str>>,
}

/// All by which an earlier recovery named a push.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Named {
    id: u64,
    lane: LaneId,
    token: DeviceToken,
    message: Box<str>,
    accepted: Box<str>,
}

/// More open pushes than are kept.
#[derive(Debug, PartialEq, Eq)]
pub struct TooMany(pub usize);

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "over {} pushes without an outcome; read fewer logs at a time, or give the error log too",
            self.0
        )
    }
}

impl std::error::Error for TooMany {}

/// Takes accepted pushes and outcomes in the order in which they were written.
///
/// Gaurun's ids begin again at 1 in each run. An accepted push with the id of an open one is
/// therefore another push, and the earlier one stays open: its process has died. An outcome
/// settles the latest open push of its id that has its platform, device token and message. If
/// several are alike in all of these, it does not matter which of them is left.
///
/// The lines of an earlier recovery come long after, and say of which second their push was; they
/// settle that one only, wherever they stand.
#[derive(Debug)]
pub struct Fold {
    open: HashMap<u64, Vec<OpenPush>>,
    /// Outcomes of an earlier recovery that were read before their pushes.
    early: HashMap<Named, u64>,
    texts: Texts,
    kept: usize,
    most: usize,
    accepted: u64,
}

impl Fold {
    /// Keeps at most `most` open pushes.
    pub fn new(most: usize) -> Self {
        Self {
            open: HashMap::new(),
            early: HashMap::new(),
            texts: Texts::default(),
            kept: 0,
            most,
            accepted: 0,
        }
    }

    /// A push was accepted.
    ///
    /// # Errors
    ///
    /// When too many are open.
    pub fn accept(&mut self, mut push: OpenPush) -> Result<(), TooMany> {
        self.accepted = self.accepted.saturating_add(1);
        self.texts.complete(&mut push);
        if !self.early.is_empty() && self.take_early(&push.named()) {
            return Ok(());
        }
        self.keep()?;
        self.open.entry(push.id).or_default().push(push);
        Ok(())
    }

    /// A push ended.
    ///
    /// # Errors
    ///
    /// When too many are kept.
    pub fn settle(&mut self, outcome: Outcome) -> Result<(), TooMany> {
        let alike = self.open.get_mut(&outcome.id);
        let found = alike.as_ref().and_then(|alike| {
            alike.iter().rposition(|push| {
                let accepted = outcome.accepted.as_deref();
                push.is_of(&outcome) && accepted.is_none_or(|accepted| accepted == &*push.accepted)
            })
        });
        if let (Some(alike), Some(found)) = (alike, found) {
            alike.remove(found);
            self.kept -= 1;
            if alike.is_empty() {
                self.open.remove(&outcome.id);
            }
        } else if let Some(accepted) = outcome.accepted {
            let named = Named {
                id: outcome.id,
                lane: outcome.lane,
                token: outcome.token,
                message: outcome.message.unwrap_or_default(),
                accepted,
            };
            self.keep()?;
            *self.early.entry(named).or_default() += 1;
        }
        Ok(())
    }

    /// Pushes accepted so far.
    pub fn accepted(&self) -> u64 {
        self.accepted
    }

    /// What is left open: the oldest first.
    pub fn finish(self) -> Vec<OpenPush> {
        let mut left: Vec<_> = self.open.into_values().flatten().collect();
        left.sort_by(|a, b| (a.at, &a.accepted, a.id).cmp(&(b.at, &b.accepted, b.id)));
        left
    }

    /// Whether an outcome of that push has come before it.
    fn take_early(&mut self, named: &Named) -> bool {
        let Some(times) = self.early.get_mut(named) else {
            return false;
        };
        *times -= 1;
        if *times == 0 {
            self.early.remove(named);
        }
        self.kept -= 1;
        true
    }

    fn keep(&mut self) -> Result<(), TooMany> {
        if self.kept >= self.most {
            return Err(TooMany(self.most));
        }
        self.kept += 1;
        Ok(())
    }
}

/// Bits above those of a push id, which JSON readers would round.
const SPARE_BITS: u32 = 11;
