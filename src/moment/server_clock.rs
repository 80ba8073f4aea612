//! What servers say of the time: each HTTP answer may have a `Date`.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::Moment;

/// Our limit: how far a clock may be off before it is worth a word.
pub const SKEW_MAX: Duration = Duration::from_secs(60);

/// The time by a server's clock, as one of them said last; shared by all who ask servers.
#[derive(Debug, Default)]
pub struct ServerClock {
    /// Seconds since the Unix epoch by the server, and when it said so.
    said: Mutex<Option<(u64, Moment)>>,
}

impl ServerClock {
    /// A server has just said that it is so late, in seconds since the Unix epoch.
    pub fn note(&self, theirs: u64, now: Moment) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        *said = Some((theirs, now));
    }

    /// How far this machine's clock is from it now and what to do, as a sentence without its full
    /// stop, if that is worth a word.
    pub fn apart(&self, now: Moment) -> Option<String> {
        let said = *self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let (theirs, at) = said?;
        let theirs = theirs.saturating_add(now.since(at).as_secs());
        apart(theirs, now.unix_secs())
    }
}

/// How far this machine's clock is from a server's, in seconds since the Unix epoch, and what to
/// do, as a sentence without its full stop; `None` if it is not worth a word.
pub fn apart(theirs: u64, ours: u64) -> Option<String> {
    let apart = theirs.abs_diff(ours);
    if apart <= SKEW_MAX.as_secs() {
        return None;
    }
    let direction = if theirs > ours { "behind" } else { "ahead of" };
    Some(format!(
        "this machine's clock is {} {direction} the provider's; set it, for example with: \
         timedatectl set-ntp true",
        span(Duration::from_secs(apart))
    ))
}

/// A time in its largest unit.
pub fn span(time: Duration) -> String {
    let secs = time.as_secs();
    let (number, unit) = match secs {
        0..120 => (secs, "seconds"),
        120..7200 => (secs / 60, "minutes"),
        7200..172_800 => (secs / 3600, "hours"),
        _ => (secs / 86_400, "days"),
    };
    format!("{number} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_said_holds_while_time_passes_and_until_the_clock_is_set() {
        let (clock, now) = (ServerClock::default(), Moment::now());
        assert_eq!(clock.apart(now), None);
        clock.note(now.unix_secs() + 7_300, now);
        let behind = "this machine's clock is 2 hours behind the provider's; set it, ";
        assert!(clock.apart(now).unwrap().starts_with(behind));
        let later = |unix: Duration| Moment {
            monotonic: now.monotonic + Duration::from_secs(600),
            unix: now.unix + Duration::from_secs(600) + unix,
            ..now
        };
        assert!(
            clock
                .apart(later(Duration::ZERO))
                .unwrap()
                .starts_with(behind)
        );
        assert_eq!(clock.apart(later(Duration::from_secs(7_300))), None);
        clock.note(now.unix_secs() - 61, now);
        assert!(clock.apart(now).unwrap().contains(" 61 seconds ahead of "));
        clock.note(now.unix_secs() + 60, now);
        assert_eq!(clock.apart(now), None);
    }
}
