//! When a notification is to be sent, and what is sent of it then.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use super::{Plan, Planning};
use crate::moment::Moment;
use crate::provider::{self, Built, Unused};
use crate::push::{Native, Notification, PushClass};

/// The field that says when a notification is to be sent.
const SEND_AT: &str = "send_at";

impl Planning<'_> {
    /// The second before which a notification is not to be sent, unless that has come: then it has
    /// said nothing.
    fn earliest(&self, native: &mut Native) -> Result<Option<NonZeroU32>, provider::Fault> {
        if native.is_empty() {
            return Ok(None);
        }
        let at = provider::send_at(native, self.now)?;
        if at.is_none() {
            native.remove(SEND_AT);
        } else if !self.rules.keeps_scheduled {
            return Err(provider::Fault {
                pointer: SEND_AT.into(),
                error: "send_at needs the journal, and journal.sync is \"off\"".to_owned(),
            });
        }
        Ok(at)
    }

    /// What is sent of a notification of that class, then or at once.
    pub(super) fn build(
        &self,
        notification: &mut Notification,
        class: PushClass,
        unused: &mut Unused,
    ) -> Result<Built, provider::Fault> {
        let earliest = self.earliest(&mut notification.native)?;
        let secs = earliest.map(|at| Duration::from_secs(at.get().into()));
        // All that it says of times counts from when it is sent.
        let sent = Moment {
            unix: secs.unwrap_or(self.now.unix),
            ..self.now
        };
        let mut built = (self.rules.content)(notification, sent, unused)?;
        built.envelope.earliest = earliest;
        built.envelope.class = class;
        Ok(built)
    }
}

impl Plan {
    /// Pushes that are to be sent later, which no lane has to take now, by their apps; nothing if
    /// there are none.
    pub fn scheduled(&self) -> BTreeMap<&'static str, u64> {
        let planned = self.notifications.iter();
        let scheduled = planned.filter(|planned| planned.built.is_some() && !planned.is_at_once());
        let mut apps = BTreeMap::new();
        for planned in scheduled {
            let pushes: &mut u64 = apps.entry(planned.notification.lane.app()).or_default();
            *pushes += planned.tokens.len() as u64;
        }
        apps
    }
}
