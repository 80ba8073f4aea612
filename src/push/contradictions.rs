//! How often a push was refused as if by a bad credential, while others were taken.
//!
//! Pure: its age is an argument. Four bytes, since every push that waits has one.

use std::fmt;
use std::time::Duration;

use super::ConnectionId;

/// How often a push was contradicted by others, when first, and on which connection.
///
/// ```text
/// 31  30 │ 29 … 8                                           │ 7 … 0
/// count  │ age of the push at the first, in started seconds │ mark of its connection, or 0
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Contradictions(u32);

/// The most that are counted.
const COUNT_MAX: u32 = 3;
/// The greatest age that can be kept, in seconds: 48 days, and no push becomes so old.
const AGE_MAX: u32 = (1 << 22) - 1;

impl Contradictions {
    /// Those of a push that an earlier process has kept; whichever connection it was on, the
    /// present ones are others.
    pub fn kept(count: u8, first_age_secs: u32) -> Self {
        let count = u32::from(count).min(COUNT_MAX);
        Self(count << 30 | first_age_secs.min(AGE_MAX) << 8)
    }

    /// How many there were; 3 also stands for more.
    pub fn count(self) -> u8 {
        u8::try_from(self.0 >> 30).unwrap_or(u8::MAX)
    }

    /// The push's age at the first, in started seconds.
    pub fn first_age_secs(self) -> u32 {
        self.0 >> 8 & AGE_MAX
    }

    /// One more, of a push of that age, on that connection.
    pub fn add(&mut self, connection: ConnectionId, age: Duration) {
        if self.0 == 0 {
            let started = age
                .as_secs()
                .saturating_add(u64::from(age.subsec_nanos() > 0));
            let secs = u32::try_from(started).unwrap_or(AGE_MAX);
            self.0 = Self::kept(1, secs).0 | u32::from(connection.mark());
        } else {
            let count = u32::from(self.count()).saturating_add(1).min(COUNT_MAX);
            self.0 = count << 30 | self.0 & (u32::MAX >> 2);
        }
    }

    /// How long ago the first was, of a push of that age; never more than it was.
    pub fn since_first(self, age: Duration) -> Duration {
        age.saturating_sub(Duration::from_secs(self.first_age_secs().into()))
    }

    /// Whether the first was on another connection; of some that are others it says no.
    pub fn began_elsewhere(self, connection: ConnectionId) -> bool {
        self.0 & 0xff != u32::from(connection.mark())
    }
}

impl fmt::Debug for Contradictions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, secs) = (self.count(), self.first_age_secs());
        write!(f, "Contradictions({count}, the first at {secs} s)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn they_are_counted_up_to_three_from_the_first_on() {
        let (one, other) = (ConnectionId::new(7), ConnectionId::new(8));
        let mut met = Contradictions::default();
        assert_eq!(met.count(), 0);
        met.add(one, Duration::from_millis(2_000_001));
        assert_eq!((met.count(), met.first_age_secs()), (1, 2001));
        assert!(met.began_elsewhere(other) && !met.began_elsewhere(one));
        for count in [2, 3, 3] {
            met.add(other, MINUTE * 100);
            assert_eq!((met.count(), met.first_age_secs()), (count, 2001));
            assert!(met.began_elsewhere(other) && !met.began_elsewhere(one));
        }
        // A part of a second counts as none of the minute.
        assert!(met.since_first(Duration::from_secs(2060)) < MINUTE);
        assert_eq!(met.since_first(Duration::from_secs(2061)), MINUTE);
    }

    #[test]
    fn what_is_kept_goes_on_and_every_connection_is_another() {
        let mut met = Contradictions::default();
        met.add(ConnectionId::new(1), MINUTE);
        met.add(ConnectionId::new(1), MINUTE);
        let kept = Contradictions::kept(met.count(), met.first_age_secs());
        assert_eq!((kept.count(), kept.first_age_secs()), (2, 60));
        for number in 0..1000 {
            assert!(kept.began_elsewhere(ConnectionId::new(number)));
        }
    }

    #[test]
    fn no_age_and_no_connection_spoils_the_count() {
        for number in [1, 254, 255, 256, 510, u32::MAX] {
            let connection = ConnectionId::new(number);
            let mut met = Contradictions::default();
            met.add(connection, Duration::MAX);
            assert_eq!((met.count(), met.first_age_secs()), (1, AGE_MAX));
            assert!(!met.began_elsewhere(connection), "{number}");
            assert_eq!(Contradictions::kept(9, u32::MAX).count(), 3);
        }
    }
}
