//! Purges of pushes that are still in the journal alone: they are settled when they are read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::push::{Push, PushId, SoFar};

/// Pushes of earlier processes that are not sent any more.
#[derive(Debug, Default)]
pub(super) struct CalledOff(Mutex<Meant>);

/// Which those are.
#[derive(Debug, Default)]
pub(super) struct Meant {
    /// By the app that alone is meant, if one is, with what was accepted when that was said: what
    /// is accepted later is not meant.
    identifiers: BTreeMap<(Option<Box<str>>, Box<str>), SoFar>,
    pushes: BTreeSet<PushId>,
}

impl Meant {
    /// Whether a push is meant.
    pub(super) fn has(&self, push: &Push) -> bool {
        // A note is read at some cost, and of most pushes nothing is called off.
        let is_named = !self.identifiers.is_empty() && {
            let app = push.lane().app();
            let identifier: Box<str> = push.note().texts.identifier.into();
            let meant = [None, Some(app.into())].map(|app| (app, identifier.clone()));
            let mut said = meant.iter().filter_map(|meant| self.identifiers.get(meant));
            said.any(|so_far| so_far.has(push))
        };
        is_named || self.pushes.contains(&push.id())
    }

    fn len(&self) -> usize {
        self.identifiers.len().saturating_add(self.pushes.len())
    }
}

impl CalledOff {
    /// Means those of that identifier that were accepted so far, and of that app if one is named,
    /// from now on, if `waits` says that something is still to be read; what is just being read is
    /// in its lane when this returns. False if there are too many.
    pub(super) fn add(
        &self,
        (app, identifier): (Option<&str>, &str),
        so_far: SoFar,
        waits: impl FnOnce() -> bool,
    ) -> bool {
        let mut all = self.lock();
        if !waits() {
            // Whatever was meant has been read, or is no more.
            *all = Meant::default();
            return true;
        }
        let has_room = all.len() < CALLED_OFF_MAX;
        let meant = (app.map(Box::from), identifier.into());
        let is_new = !all.identifiers.contains_key(&meant);
        if is_new && !has_room {
            return false;
        }
        all.identifiers.insert(meant, so_far);
        true
    }

    /// Means one push, as [`CalledOff::add`] those of an identifier.
    pub(super) fn add_push(&self, push: PushId) -> bool {
        let mut all = self.lock();
        let has_room = all.len() < CALLED_OFF_MAX;
        all.pushes.contains(&push) || (has_room && all.pushes.insert(push))
    }

    /// Held while pushes go from the journal to their lane.
    pub(super) fn lock(&self) -> MutexGuard<'_, Meant> {
        // Sets that are whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Our limit: identifiers and pushes that are purged while pushes are still to be read from the
/// journal.
const CALLED_OFF_MAX: usize = 1000;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::moment::Moment;
    use crate::provider::{self, Built};
    use crate::push::{DeviceToken, LaneId, Node, Notification};

    /// When so many were accepted.
    fn after(pushes: u64) -> SoFar {
        SoFar {
            at: Moment::now(),
            ids: Some((Node::default(), PushId(pushes))),
        }
    }

    #[test]
    fn what_is_accepted_after_that_is_not_meant() {
        let called_off = CalledOff::default();
        assert!(called_off.add((None, "sale"), after(1), || true));
        let push = |id, identifier: &str| {
            let mut notification = Notification::empty(LaneId::IOS);
            notification.identifier = identifier.into();
            // It may have been scheduled.
            let at = Moment::now();
            let tokens = [DeviceToken::new("token")];
            let built = Built::nothing(LaneId::IOS);
            let accepted = provider::accept(&notification, &built, tokens, PushId(id), at);
            Push::nth(&Arc::new(accepted), 0).unwrap()
        };
        let meant = |push: &Push| called_off.lock().has(push);
        assert!(meant(&push(0, "sale")) && meant(&push(1, "sale")));
        assert!(!meant(&push(2, "sale")) && !meant(&push(0, "")));
        assert!(called_off.add_push(PushId(2)) && meant(&push(2, "sale")));
        // Of one app alone, the default one having no name.
        for (app, is_meant) in [("shop", false), ("", true)] {
            let called_off = CalledOff::default();
            assert!(called_off.add((Some(app), "sale"), after(1), || true));
            assert_eq!(called_off.lock().has(&push(0, "sale")), is_meant, "{app}");
        }
    }

    #[test]
    fn so_many_are_remembered_and_no_more() {
        let called_off = CalledOff::default();
        for number in 0..CALLED_OFF_MAX {
            assert!(called_off.add((None, &number.to_string()), after(1), || true));
        }
        assert!(
            !called_off.add((None, "one more"), after(1), || true)
                && called_off.add((None, "0"), after(1), || true)
        );
        assert!(!called_off.add_push(PushId(1)));
        assert_eq!(called_off.lock().len(), CALLED_OFF_MAX);
        // Once nothing is left to be read there is room for more.
        assert!(called_off.add((None, "one more"), after(1), || false));
        assert_eq!(called_off.lock().len(), 0);
    }
}
