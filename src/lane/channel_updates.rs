//! Updates of broadcast channels that have not ended, by which the newest of a channel is known
//! wherever the others wait.
//!
//! Bounded by the lane's room: every push here holds some of it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::lock;
use crate::push::{ChannelUpdate, PushId};

/// Those of a lane.
#[derive(Debug, Default)]
pub struct ChannelUpdates {
    channels: Mutex<HashMap<Box<str>, UpdatesOfOne>>,
    /// One has become needless since what waits was looked through for such.
    has_needless: AtomicBool,
    looked: Mutex<Option<Instant>>,
}

/// What waits is looked through for needless ones so often, if any has become so.
const LOOKS_EVERY: Duration = Duration::from_secs(1);

/// Those of one channel.
#[derive(Debug, Default)]
struct UpdatesOfOne {
    outstanding: BTreeMap<PushId, ChannelUpdate>,
    /// The newest that the provider has taken, as long as others are outstanding.
    taken: Option<(PushId, ChannelUpdate)>,
}

impl ChannelUpdates {
    /// A push comes to the lane.
    pub fn add(&self, channel: &str, push: PushId, update: ChannelUpdate) {
        let mut channels = lock(&self.channels);
        let of_one = channels.entry(channel.into()).or_default();
        let before = of_one.outstanding.last_key_value();
        if before.is_some_and(|(_, before)| update.makes_needless(before)) {
            self.has_needless.store(true, Ordering::Release);
        }
        of_one.outstanding.insert(push, update);
    }

    /// Whether it is time to look through all that waits: one has become needless, and the last
    /// look was a while ago. True for one thread.
    pub fn is_look_due(&self, now: Instant) -> bool {
        if !self.has_needless.load(Ordering::Acquire) {
            return false;
        }
        let mut looked = lock(&self.looked);
        let is_recent = |at| now.saturating_duration_since(at) < LOOKS_EVERY;
        let is_due =
            !looked.is_some_and(is_recent) && self.has_needless.swap(false, Ordering::AcqRel);
        if is_due {
            *looked = Some(now);
        }
        is_due
    }

    /// The look that was due could not be made.
    pub fn look_again(&self) {
        self.has_needless.store(true, Ordering::Release);
    }

    /// A push has ended; `was_taken` if the provider took it.
    pub fn end(&self, channel: &str, push: PushId, was_taken: bool) {
        let mut channels = lock(&self.channels);
        let Some(of_one) = channels.get_mut(channel) else {
            return;
        };
        let ended = of_one.outstanding.remove(&push).filter(|_| was_taken);
        let is_newest = |known: (PushId, _)| known.0 < push;
        if let Some(update) = ended.filter(|_| of_one.taken.is_none_or(is_newest)) {
            of_one.taken = Some((push, update));
        }
        if of_one.outstanding.is_empty() {
            channels.remove(channel);
        }
    }

    /// The newer push that makes one needless which waits, if there is such a one: the last that
    /// was accepted and has not ended, or the last that the provider took.
    pub fn newer(&self, channel: &str, push: PushId) -> Option<PushId> {
        let channels = lock(&self.channels);
        let of_one = channels.get(channel)?;
        let own = of_one.outstanding.get(&push)?;
        let last = of_one.outstanding.last_key_value();
        let last = last.map(|(id, update)| (*id, *update));
        let newer = last.into_iter().chain(of_one.taken);
        let mut newer = newer.filter(|(id, update)| *id > push && update.makes_needless(own));
        newer.next().map(|(id, _)| id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::push::PushClass;

    fn update(timestamp: u64) -> ChannelUpdate {
        ChannelUpdate {
            timestamp,
            kept_until: 0,
            priority: 10,
            class: PushClass::Transactional,
            accepted: Duration::from_secs(timestamp),
            is_plain: true,
        }
    }

    #[test]
    fn what_waits_is_looked_through_when_one_has_become_needless_and_not_all_the_time() {
        let (updates, now) = (ChannelUpdates::default(), Instant::now());
        let is_due = |secs| updates.is_look_due(now + Duration::from_secs(secs));
        updates.add("one", PushId(1), update(1));
        updates.add("other", PushId(2), update(2));
        assert!(!is_due(0));
        updates.add("one", PushId(3), update(3));
        assert!(is_due(0) && !is_due(5));
        let alerting = ChannelUpdate {
            is_plain: false,
            ..update(4)
        };
        updates.add("other", PushId(4), alerting);
        assert!(is_due(1));
        // That one is not.
        updates.add("other", PushId(5), update(5));
        assert!(!is_due(9));
        updates.add("one", PushId(6), update(6));
        assert!(is_due(10));
        updates.add("one", PushId(7), update(7));
        assert!(!is_due(10) && is_due(11));
    }

    #[test]
    fn the_last_of_a_channel_that_is_left_or_was_taken_makes_those_before_it_needless() {
        let updates = ChannelUpdates::default();
        for id in 1..=4 {
            updates.add("one", PushId(id), update(id));
        }
        updates.add("other", PushId(5), update(5));
        let newer = |id| updates.newer("one", PushId(id)).map(|id| id.0);
        assert_eq!(
            [1, 2, 3, 4, 5].map(newer),
            [Some(4), Some(4), Some(4), None, None]
        );
        assert_eq!(updates.newer("none", PushId(1)), None);
        // It comes to nothing, and that before it counts.
        updates.end("one", PushId(4), false);
        assert_eq!([1, 3].map(newer), [Some(3), None]);
        // One that waits for another attempt is not to overwrite what was taken since.
        updates.end("one", PushId(3), true);
        updates.end("one", PushId(2), true);
        assert_eq!(newer(1), Some(3));
        updates.end("one", PushId(9), true);
        updates.end("one", PushId(1), false);
        updates.end("other", PushId(5), true);
        assert!(
            lock(&updates.channels).is_empty(),
            "nothing is kept of what has ended"
        );
    }
}
