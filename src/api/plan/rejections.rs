//! The parts of a request that are not pushed, as an answer tells of them.
//!
//! Pure: no I/O, no clock.

use std::borrow::Cow;

use serde::ser::{Serialize, SerializeStruct as _, Serializer};

use super::super::apps::NoLane;
use super::reasons::NO_TOKEN;
use crate::provider;

/// The rejected parts of a request: the first ones, as many as an answer has room for, the number
/// of all, and the first fault of each notification.
#[derive(Debug, Default)]
pub struct Rejections {
    listed: Vec<Rejection>,
    /// What the listed ones take in an answer.
    bytes: usize,
    count: usize,
    /// The first thing that is wrong.
    pub(super) first: Option<Cow<'static, str>>,
    faults: Vec<Fault>,
}

/// What is wrong with a notification, or with the first of its device tokens that is not fine and
/// has no log line of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The notification's place in the request.
    pub notification: usize,
    /// What is wrong.
    pub error: Cow<'static, str>,
}

/// A part of a request that is not pushed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The notification's place in the request.
    pub notification: usize,
    /// The part of the notification, as a JSON pointer below it without the slash in front; empty
    /// if it is all of it.
    pub part: Cow<'static, str>,
    /// Why.
    pub error: Cow<'static, str>,
}

impl Rejection {
    /// A part of a notification.
    pub(super) fn of_part(
        notification: usize,
        part: Cow<'static, str>,
        error: Cow<'static, str>,
    ) -> Self {
        Self {
            notification,
            part,
            error,
        }
    }

    /// A device token of those under that name: the only one, or the one at its place.
    pub(super) fn of(
        notification: usize,
        (name, place): (&'static str, Option<usize>),
        error: Cow<'static, str>,
    ) -> Self {
        let part = place.map_or(name.into(), |place| format!("{name}/{place}").into());
        Self::of_part(notification, part, error)
    }

    /// Whether something is wrong with the part. A notification without device tokens makes no
    /// push, and neither Gaurun nor we call that wrong.
    pub fn is_fault(&self) -> bool {
        self.error != NO_TOKEN
    }

    /// The part as a JSON pointer (RFC 6901) into the request.
    pub fn pointer(&self) -> String {
        let slash = if self.part.is_empty() { "" } else { "/" };
        format!("/notifications/{}{slash}{}", self.notification, self.part)
    }

    /// Bytes that it takes in an answer, as [`Serialize`] has it and with a comma.
    pub(in super::super) fn bytes(&self) -> usize {
        serde_json::to_string(self).map_or(MAX_REJECTED, |text| text.len().saturating_add(1))
    }
}

impl Serialize for Rejection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_struct("Rejection", 2)?;
        map.serialize_field("pointer", &self.pointer())?;
        map.serialize_field("error", &self.error)?;
        map.end()
    }
}

impl Rejections {
    /// Those that are listed.
    pub fn listed(&self) -> &[Rejection] {
        &self.listed
    }

    /// How many there are beyond the listed ones.
    pub fn omitted(&self) -> usize {
        self.count.saturating_sub(self.listed.len())
    }

    /// The first fault of each notification that has one that no other line tells.
    pub fn faults(&self) -> &[Fault] {
        &self.faults
    }

    pub(super) fn push(
        &mut self,
        rejection: Rejection,
        has_own_line: bool,
        more: &mut dyn FnMut(usize) -> bool,
    ) {
        let notification = rejection.notification;
        let last = self.faults.last().map(|fault| fault.notification);
        if rejection.is_fault() {
            let error = rejection.error.clone();
            self.first.get_or_insert_with(|| error.clone());
            if !has_own_line && last != Some(notification) {
                self.faults.push(Fault {
                    notification,
                    error,
                });
            }
        }
        if self.omitted() == 0 {
            let before = self.bytes;
            let bytes = before.saturating_add(rejection.bytes());
            let is_sure = bytes <= SURE_REJECTED || before > SURE_REJECTED;
            if bytes <= MAX_REJECTED && (is_sure || more(MAX_REJECTED - SURE_REJECTED)) {
                self.bytes = bytes;
                self.listed.push(rejection);
            }
        }
        self.count += 1;
    }
}

/// Why nothing of a notification is pushed.
pub(super) struct NotPushed {
    /// As in [`Rejection::part`].
    pub(super) part: Cow<'static, str>,
    pub(super) error: Cow<'static, str>,
}

impl NotPushed {
    /// As it is told.
    pub(super) fn at(self, notification: usize) -> Rejection {
        Rejection::of_part(notification, self.part, self.error)
    }
}

impl From<NoLane> for NotPushed {
    fn from(NoLane { field, error }: NoLane) -> Self {
        let (part, error) = (field.into(), error.into());
        Self { part, error }
    }
}

impl From<provider::Fault> for NotPushed {
    fn from(fault: provider::Fault) -> Self {
        Self {
            part: fault.pointer,
            error: fault.error.into(),
        }
    }
}

impl<T: Into<Cow<'static, str>>> From<T> for NotPushed {
    fn from(error: T) -> Self {
        Self {
            part: Cow::Borrowed(""),
            error: error.into(),
        }
    }
}

/// Our limit: bytes of the entries of `rejected` in an answer, some 10,000. A body of nothing but
/// empty tokens has over a million, and its answer would be twenty times its size.
pub const MAX_REJECTED: usize = 640 * 1024;

/// Our limit: bytes of them for which there is always room, some 700 entries.
pub const SURE_REJECTED: usize = 48 * 1024;
