//! What systemd is told (`sd_notify`): ready, reloading, stopping, the status line, the watchdog.
//!
//! Without `NOTIFY_SOCKET` in the environment nobody listens, and nothing is sent.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;

use crate::moment::Moment;

/// The service manager, which may not be there.
#[derive(Debug)]
pub struct Supervisor {
    is_there: bool,
    watchdog: Option<Duration>,
    told: Mutex<LastSaid>,
}

/// What was said last.
#[derive(Debug, Default)]
struct LastSaid {
    status: String,
    /// When the status line was made.
    shown: Option<Moment>,
    /// When the watchdog was fed, or was due and was not.
    fed: Option<Moment>,
    /// Whether the last message was lost, and the operator heard of it.
    failing: bool,
}

impl Supervisor {
    /// The one that the environment names.
    pub fn from_environment() -> Self {
        let is_there = std::env::var_os("NOTIFY_SOCKET").is_some_and(|path| !path.is_empty());
        Self {
            is_there,
            watchdog: sd_notify::watchdog_enabled()
                .filter(|time| is_there && *time > Duration::ZERO),
            told: Mutex::default(),
        }
    }

    /// How often it wants to hear from us: [`Supervisor::status`] and [`Supervisor::watchdog`].
    /// `None` if nobody is there.
    pub fn hears_every(&self) -> Option<Duration> {
        let watchdog = self.watchdog.map_or(STATUS_EVERY, |time| time / 2);
        self.is_there
            .then(|| watchdog.clamp(LEAST_INTERVAL, STATUS_EVERY))
    }

    /// The daemon serves: after its start, and after every reload whatever became of it.
    pub fn ready(&self) {
        self.tell(&[NotifyState::Ready]);
    }

    /// The configuration is read again. [`Supervisor::ready`] must follow on every path, or
    /// systemd takes the reload for one that never ends.
    pub fn reloading(&self) {
        // systemd joins the message with the signal it sent by this time (Type=notify-reload).
        match NotifyState::monotonic_usec_now() {
            Ok(time) => self.tell(&[NotifyState::Reloading, time]),
            Err(error) => ::log::error!("no monotonic time for systemd: {error}"),
        }
    }

    /// The daemon ends, within that time: systemd extends its own patience to that.
    pub fn stopping(&self, within: Duration) {
        let within = u32::try_from(within.as_micros()).unwrap_or(u32::MAX);
        self.tell(&[
            NotifyState::Stopping,
            NotifyState::ExtendTimeoutUsec(within),
        ]);
    }

    /// Whether it is time for another status line.
    pub fn is_status_due(&self, now: Moment) -> bool {
        let mut told = self.lock();
        let since = told.shown.map(|at| now.since(at));
        // A little early rather than a whole round late.
        let due = self.is_there
            && since.is_none_or(|since| since.saturating_add(LEAST_INTERVAL) >= STATUS_EVERY);
        if due {
            told.shown = Some(now);
        }
        due
    }

    /// The line that `systemctl status` shows; sent if it is another than before.
    pub fn status(&self, text: &str) {
        if self.lock().status != text {
            text.clone_into(&mut self.lock().status);
            self.tell(&[NotifyState::Status(text)]);
        }
    }

    /// Whether it is time to feed the watchdog: twice in its time, which goes on while the process
    /// stands still.
    pub fn is_watchdog_due(&self, now: Moment) -> bool {
        let Some(time) = self.watchdog else {
            return false;
        };
        let mut told = self.lock();
        let since = told.fed.map(|fed| now.since(fed));
        // A little early rather than a whole round late.
        let due = since.is_none_or(|since| since.saturating_add(LEAST_INTERVAL) >= time / 2);
        if due {
            told.fed = Some(now);
        }
        due
    }

    /// Feeds the watchdog.
    pub fn watchdog(&self) {
        self.tell(&[NotifyState::Watchdog]);
    }

    fn tell(&self, news: &[NotifyState<'_>]) {
        if !self.is_there {
            return;
        }
        let failed = sd_notify::notify(news).err();
        let was_failing = std::mem::replace(&mut self.lock().failing, failed.is_some());
        if let Some(error) = failed.filter(|_| !was_failing) {
            ::log::error!("cannot tell systemd anything by NOTIFY_SOCKET: {error}");
        }
    }

    /// No code panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, LastSaid> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Our limit: how often the status line is made.
const STATUS_EVERY: Duration = Duration::from_secs(3);

/// Our limit: no news at shorter intervals, however short the watchdog's time is.
const LEAST_INTERVAL: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use super::*;

    fn with_watchdog(watchdog: Option<Duration>) -> Supervisor {
        Supervisor {
            is_there: true,
            watchdog,
            told: Mutex::default(),
        }
    }

    #[test]
    fn it_hears_of_us_twice_in_the_watchdogs_time_within_bounds() {
        for (watchdog, expected) in [
            (None, STATUS_EVERY),
            (Some(Duration::from_secs(60)), STATUS_EVERY),
            (Some(Duration::from_secs(2)), Duration::from_secs(1)),
            (Some(Duration::from_millis(1)), LEAST_INTERVAL),
        ] {
            assert_eq!(with_watchdog(watchdog).hears_every(), Some(expected));
        }
        let nobody = Supervisor {
            is_there: false,
            ..with_watchdog(None)
        };
        assert_eq!(nobody.hears_every(), None);
        assert!(!nobody.is_status_due(Moment::now()));
    }

    #[test]
    fn the_watchdog_is_due_twice_in_its_time() {
        let start = Moment::now();
        let supervisor = with_watchdog(Some(Duration::from_secs(60)));
        let after = |time| Moment {
            monotonic: start.monotonic + time,
            ..start
        };
        // The daemon looks every 3 s.
        let due = (0..60).filter(|look| supervisor.is_watchdog_due(after(*look * STATUS_EVERY)));
        assert_eq!(due.collect::<Vec<u32>>(), [0, 10, 20, 30, 40, 50]);
        assert!(!with_watchdog(None).is_watchdog_due(start));
    }

    #[test]
    fn systemd_does_not_stop_its_watch_while_the_process_stands_still() {
        let start = Moment::now();
        let supervisor = with_watchdog(Some(Duration::from_secs(60)));
        assert!(supervisor.is_watchdog_due(start));
        let woken = Moment {
            stood: start.stood + Duration::from_secs(45),
            ..start
        };
        assert!(supervisor.is_watchdog_due(woken), "15 s are left");
    }
}
