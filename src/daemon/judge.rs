//! Says what is to become of a push that a log has accepted and no outcome of.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Weak;
use std::time::Duration;

use super::lane_making::enabled;
use super::state_directory::journal_directory;
use super::terms::sites;
use super::unreadable::Unreadable;
use crate::api::content::{check_device_token, content_of};
use crate::api::plan::ContentOf;
use crate::config::Config;
use crate::delivery::policy::{self, Limits};
use crate::journal::{self, Attempts, DiskFiles, Fault, Outstanding, Reading};
use crate::moment::Moment;
use crate::provider::{Built, Unused};
use crate::push::{LaneId, Note, Parcel, Push, TargetKind};
use crate::recover::{OpenPush, resume};

/// What is to become of an outstanding push.
#[derive(Debug)]
pub enum Disposition {
    /// It is sent.
    Send(Push),
    /// It is settled as expired.
    Expired(Push),
    /// It is settled as failed, for this reason: the provider would not take it.
    Unsendable(Push, String),
    /// It stays outstanding.
    HeldBack(Obstacle),
}

/// Why a push stays outstanding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Obstacle {
    /// It is scheduled, and its time has not come.
    Scheduled,
    /// It goes to a topic, or to what else is no device token.
    NoDevice,
    /// Its line does not hold all of it, and nobody has said to send it all the same.
    Incomplete,
    /// The configuration does not enable its lane, or has none of that name.
    Disabled(LaneId),
    /// The log does not have its device token or its message.
    Hidden,
    /// Its texts are in the line of another push, which no log has.
    Texts,
    /// When it was accepted is not told, or in a zone that is not this machine's.
    Zone,
    /// The journal has it too, and would send it again.
    Kept,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheduled => f.write_str(
                "they are scheduled for later, and nothing is sent before its time: what is in a \
                 journal its daemon sends, what is in push logs alone a recovery after that time",
            ),
            Self::NoDevice => f.write_str(
                "they go to a topic, a condition, an installation id or a broadcast channel, of \
                 whose pushes a push log has too little; push them anew if they are still wanted",
            ),
            Self::Incomplete => f.write_str(
                "a push log has no extend, data, alert, priority, push_type, topic, collapse_id \
                 and other fields that Gaurun did not have; --allow-incomplete sends pushes \
                 without them",
            ),
            Self::Disabled(lane) => {
                // Of the default app's both are always known.
                let is_always_known = LaneId::of_default(lane.provider()) == *lane;
                let or = if is_always_known {
                    ""
                } else {
                    ", or not in it"
                };
                write!(f, "{lane} is disabled in the configuration{or}")
            }
            Self::Hidden => f.write_str(
                "their device token or message is not in the log \
                 (log.hide_token, log.hide_message, or an empty message)",
            ),
            Self::Texts => f.write_str(
                "their texts are in the line of the push that texts_of names, \
                 which is not before them in these logs",
            ),
            Self::Zone => f.write_str(
                "their time is neither in UTC nor in this machine's zone; \
                 set TZ to the zone of the log (TZ=Asia/Tokyo)",
            ),
            Self::Kept => f.write_str(
                "the journal has them too; start the daemon on it, or run sterna recover with \
                 the same -c and --journal and without -l",
            ),
        }
    }
}

/// Says what is to become of outstanding pushes.
pub struct Judge {
    enabled: BTreeMap<LaneId, Limits>,
    journal: Option<Reading>,
    allow_incomplete: bool,
    allows_empty_message: bool,
    /// Whether a log has no messages.
    hides_message: bool,
    content: Box<ContentOf>,
}

impl fmt::Debug for Judge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Judge")
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

impl Judge {
    /// By the configuration's rules, but for the age at which a push expires.
    pub fn new(config: &Config, max_age: Duration, allow_incomplete: bool) -> Self {
        Self {
            enabled: enabled(config, max_age),
            journal: None,
            allow_incomplete,
            allows_empty_message: config.core.allows_empty_message,
            hides_message: config.log.hide_message,
            content: Box::new(content_of(sites(config))),
        }
    }

    /// Holds back what is outstanding in a journal too: in `named`, or in the configuration's if
    /// there is one yet.
    ///
    /// # Errors
    ///
    /// When there is a journal that cannot be read.
    pub fn beside_journal(self, config: &Config, named: Option<&Path>) -> Result<Self, Unreadable> {
        let dir = match named {
            Some(named) => Some(named.to_owned()),
            None => journal_directory(config)?,
        };
        let Some(dir) = dir else {
            return Ok(self);
        };
        let journal = match journal::read(&DiskFiles, &dir, Moment::now()) {
            Ok(reading) => Some(reading),
            Err(error) if named.is_none() && matches!(error.fault, Fault::Missing) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(Self { journal, ..self })
    }

    /// What is to become of a push.
    pub fn judge(&self, push: &OpenPush, now: Moment) -> Disposition {
        let lane = push.notification.lane;
        let is_kept = |journal: &Reading| push.is_sternas() && journal.has(push.push_id());
        if self.journal.as_ref().is_some_and(is_kept) {
            return Disposition::HeldBack(Obstacle::Kept);
        }
        let Some(limits) = self.limits(lane) else {
            return Disposition::HeldBack(Obstacle::Disabled(lane));
        };
        if push.texts_of.is_some() {
            return Disposition::HeldBack(Obstacle::Texts);
        }
        let may_be_empty = !self.hides_message
            && (self.allows_empty_message || push.notification.content_available);
        let lacks_message = push.notification.message.is_empty() && !may_be_empty;
        let is_to_device = push.target == TargetKind::DeviceToken;
        // Most to others have no message, and say so themselves.
        if push.is_hidden() || (lacks_message && is_to_device) {
            return Disposition::HeldBack(Obstacle::Hidden);
        }
        let Some(at) = push.at else {
            return Disposition::HeldBack(Obstacle::Zone);
        };
        // Its lifetime counts from when it was to be sent.
        let at = at.max(push.send_at.unwrap_or_default());
        if push.send_at.is_some_and(|at| at > now.unix_secs()) {
            return Disposition::HeldBack(Obstacle::Scheduled);
        }
        let mut notification = push.notification.clone();
        let built = (self.content)(&mut notification, now, &mut Unused::default());
        let (mut built, error) = match built {
            Ok(built) => (built, None),
            Err(fault) => (Built::nothing(lane), Some(fault.error)),
        };
        built.envelope.target = push.target;
        let bad_token = check_device_token(lane, push.token.as_str()).err();
        let error = bad_token.map(str::to_owned).or(error);
        let tokens = [push.token.as_str()].into_iter().collect();
        let outstanding = Outstanding {
            envelope: built.envelope,
            parcel: Parcel::new(&built.content, &Note::of(&notification), &tokens),
            first_id: push.push_id(),
            at: Duration::from_secs(at),
            in_doubt: false,
            pushes: vec![(0, Attempts::default())],
        };
        let Some((push, _)) = resume(outstanding, &mut Weak::new(), now).next() else {
            return Disposition::HeldBack(Obstacle::Incomplete);
        };
        if policy::expired(&push, limits, now).is_some() {
            Disposition::Expired(push)
        } else if !is_to_device {
            Disposition::HeldBack(Obstacle::NoDevice)
        } else if !self.allow_incomplete {
            Disposition::HeldBack(Obstacle::Incomplete)
        } else if let Some(error) = error {
            Disposition::Unsendable(push, error)
        } else {
            Disposition::Send(push)
        }
    }

    /// By what rules pushes of a lane end; none if it is disabled.
    pub(super) fn limits(&self, lane: LaneId) -> Option<Limits> {
        self.enabled.get(&lane).copied()
    }
}
