//! What an update of a broadcast channel is, as far as another may make it needless.
//!
//! Pure: no file, no clock, no thread.

use std::time::Duration;

use super::PushClass;

/// An update that says all there is to be shown of what a broadcast channel is about: of two that
/// wait the newer one is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelUpdate {
    /// By which devices tell the newer of two, in seconds since the Unix epoch.
    pub timestamp: u64,
    /// Until when the provider keeps it for devices that are offline, in seconds since the Unix
    /// epoch; 0 if it does not.
    pub kept_until: u64,
    /// How urgent it is: more if that is higher.
    pub priority: u8,
    /// Whether others go before it.
    pub class: PushClass,
    /// When it was accepted, since the Unix epoch.
    pub accepted: Duration,
    /// Whether it does no more than show a state: it alerts nobody, and nothing is in it that may
    /// mean more.
    pub is_plain: bool,
}

impl ChannelUpdate {
    /// Whether who gets this one misses nothing by not getting the other, which was accepted
    /// before: it is no older by either clock, nor less urgent, and is kept for as long.
    pub fn makes_needless(&self, other: &Self) -> bool {
        other.is_plain
            && self.timestamp >= other.timestamp
            && self.kept_until >= other.kept_until
            && self.priority >= other.priority
            && self.class <= other.class
            && self.accepted >= other.accepted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_newer_as_urgent_and_kept_as_long_makes_a_plain_one_needless() {
        let one = ChannelUpdate {
            timestamp: 100,
            kept_until: 700,
            priority: 5,
            class: PushClass::Bulk,
            accepted: Duration::from_secs(100),
            is_plain: true,
        };
        let with = |change: fn(&mut ChannelUpdate)| {
            let mut other = one;
            change(&mut other);
            other
        };
        for (newer, expected) in [
            (one, true),
            (with(|it| it.timestamp = 101), true),
            (with(|it| it.timestamp = 99), false),
            (with(|it| it.kept_until = 701), true),
            (with(|it| it.kept_until = 0), false),
            (with(|it| it.priority = 10), true),
            (with(|it| it.priority = 1), false),
            (with(|it| it.class = PushClass::Transactional), true),
            (with(|it| it.accepted = Duration::from_secs(99)), false),
            (with(|it| it.is_plain = false), true),
        ] {
            assert_eq!(newer.makes_needless(&one), expected, "{newer:?}");
        }
        let first = with(|it| it.class = PushClass::Transactional);
        assert!(!one.makes_needless(&first), "it may wait for longer");
        assert!(!one.makes_needless(&with(|it| it.is_plain = false)));
    }
}
