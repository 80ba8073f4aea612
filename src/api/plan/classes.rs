//! Which pushes of a request go before others.

use std::collections::BTreeMap;

use super::reasons::BAD_CLASS;
use super::rejections::NotPushed;
use super::{Plan, Planning};
use crate::api::request::Asked;
use crate::push::{LaneId, PushClass};

/// The field that says what goes before others.
const CLASS: &str = "class";

impl Plan {
    /// How many pushes each lane would have to take, never none, and the class that decides whether
    /// it does: that of bulk if any of them is.
    pub fn pushes(&self) -> BTreeMap<LaneId, (usize, PushClass)> {
        let mut pushes = BTreeMap::new();
        let planned = self.notifications.iter();
        for planned in planned.filter(|planned| planned.is_at_once()) {
            let entry = pushes.entry(planned.notification.lane);
            let (count, class) = entry.or_insert((0, PushClass::Transactional));
            *count += planned.tokens.len();
            let built = planned.built.as_ref();
            *class = built.map_or(*class, |built| built.envelope.class.max(*class));
        }
        pushes
    }
}

impl Planning<'_> {
    /// The class of a notification: that which it names by `class`, taken from its fields, or that
    /// of its request. To Gaurun that would be a field that it did not know, which may be anything.
    pub(super) fn class_of(&self, asked: &mut Asked) -> Result<PushClass, NotPushed> {
        let Some(said) = asked.native.get(CLASS) else {
            return Ok(self.class);
        };
        let word = serde_json::from_str::<String>(said.get()).ok();
        let is_said = |class: &PushClass| word.as_deref() == Some(class.word());
        match PushClass::ALL.into_iter().find(is_said) {
            Some(class) => {
                asked.native.remove(CLASS);
                Ok(class)
            }
            None if self.rules.as_gaurun => Ok(self.class),
            None => Err(NotPushed {
                part: CLASS.into(),
                error: BAD_CLASS.into(),
            }),
        }
    }
}
