//! The open pushes of a log: what is accepted and not settled so far.
//!
//! Pure: no file, no clock.

use std::collections::HashMap;
use std::fmt;

use super::open_push::OpenPush;
use super::texts::RememberedTexts;
use crate::push::{DeviceToken, LaneId};

/// Our limit: open pushes kept while logs are read, of about 600 bytes each.
pub const OPEN_MAX: usize = 4_000_000;

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

impl Outcome {
    fn is_of(&self, push: &OpenPush) -> bool {
        let message = self.message.as_ref();
        push.notification.lane == self.lane
            && push.token == self.token
            && message.is_none_or(|message| *message == push.notification.message)
    }
}

/// All by which an earlier recovery named a push.
#[derive(Debug, PartialEq, Eq, Hash)]
struct RecoveredName {
    id: u64,
    lane: LaneId,
    token: DeviceToken,
    message: Box<str>,
    accepted: Box<str>,
}

impl RecoveredName {
    fn of(push: &OpenPush) -> Self {
        Self {
            id: push.id,
            lane: push.notification.lane,
            token: push.token.clone(),
            message: push.notification.message.clone(),
            accepted: push.accepted.clone(),
        }
    }
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
    early: HashMap<RecoveredName, u64>,
    texts: RememberedTexts,
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
            texts: RememberedTexts::default(),
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
        if !self.early.is_empty() && self.take_early(&RecoveredName::of(&push)) {
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
                outcome.is_of(push) && accepted.is_none_or(|accepted| accepted == &*push.accepted)
            })
        });
        if let (Some(alike), Some(found)) = (alike, found) {
            alike.remove(found);
            self.kept -= 1;
            if alike.is_empty() {
                self.open.remove(&outcome.id);
            }
        } else if let Some(accepted) = outcome.accepted {
            let named = RecoveredName {
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
    fn take_early(&mut self, named: &RecoveredName) -> bool {
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
