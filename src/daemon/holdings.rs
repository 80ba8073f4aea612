//! What only one daemon of a site can have: its journal, its pid file, its control socket, the
//! address of its metrics.
//!
//! They are taken before the API's port, so that a second daemon hears who the first one is and not
//! that a port is taken. Under server-starter the one before still runs by then, and is told to end
//! only when this one has lived for a while: it is waited for, and callers wait in the socket's
//! queue.

use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::state_directory::StateDirectory;
use super::{StartError, StartErrorKind, journal_opening, scraping};
use crate::config::{Config, Core};
use crate::control::Control;
use crate::http1::Bound;
use crate::journal::Lock;
use crate::log::{Logs, OPENED_WITHIN};
use crate::moment;
use crate::pid_file::PidFile;
use crate::signal::Signal;

/// Our limit: how much longer than `shutdown_timeout` the daemon before may take to let go.
/// server-starter lets both live for its `--interval` first, a second unless it is told otherwise,
/// and an end takes up to 17 s beside the drain.
pub(super) const GOES_WITHIN: Duration = Duration::from_secs(60);

/// How often it is looked whether the daemon before has let go.
const LOOKS_EVERY: Duration = Duration::from_millis(50);

/// How often the operator hears that it is waited for.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What was taken. Dropping it gives it back.
pub(super) struct Holdings {
    /// `None` if there is to be no journal.
    pub(super) journal: Option<Lock>,
    pub(super) pid_file: Option<PidFile>,
    /// Nobody is listened to yet.
    pub(super) control: Option<Bound>,
    /// Where Prometheus scrapes; nobody is listened to yet.
    pub(super) metrics: Option<Bound>,
}

impl Holdings {
    /// Takes all of it, one after the other; `await_turn` tries again while another daemon has it.
    pub(super) fn take(
        config: &Config,
        state: &StateDirectory,
        turn: &mut Turn<'_>,
    ) -> Result<Self, StartError> {
        let journal = config.journal.as_ref();
        let take = || {
            journal
                .map(|journal| journal_opening::lock(journal, state))
                .transpose()
        };
        let journal = turn.await_for(take)?;
        let pid_file = turn.await_for(|| create_pid_file(&config.core))?;
        let control = turn.await_for(|| bind_control(&config.core))?;
        let follows = turn.patience.is_some();
        let address = config.metrics.address;
        let metrics = address.map(|address| turn.await_for(|| scraping::bind(address, follows)));
        Ok(Self {
            journal,
            pid_file,
            control,
            metrics: metrics.transpose()?,
        })
    }
}

/// How long others are waited for, and who may cut that short.
pub(super) struct Turn<'a> {
    /// Where the signals come from.
    pub(super) signals: &'a Receiver<Signal>,
    /// Opened again when a signal says so.
    pub(super) logs: &'a Logs,
    /// `None` if nobody is waited for.
    pub(super) patience: Option<Duration>,
    /// Whether the configuration is to be read again: SIGHUP came meanwhile.
    pub(super) owes_reload: bool,
}

impl Turn<'_> {
    fn await_for<T>(
        &mut self,
        mut take: impl FnMut() -> Result<T, StartError>,
    ) -> Result<T, StartError> {
        let started = moment::now();
        let mut said: Option<Instant> = None;
        loop {
            let error = match take() {
                Err(error) if error.kind == StartErrorKind::AlreadyRunning => error,
                taken_or_not => {
                    if said.is_some() && taken_or_not.is_ok() {
                        let waited = moment::since(started).as_secs_f32();
                        ::log::info!("the daemon before has let go after {waited:.1} s");
                    }
                    return taken_or_not;
                }
            };
            let patience = self.patience.unwrap_or_default();
            let left = patience.saturating_sub(moment::since(started));
            if left.is_zero() {
                return Err(error);
            }
            if said.is_none_or(|at| moment::since(at) >= SAY_EVERY) {
                said = Some(moment::now());
                ::log::info!(
                    "waiting up to {:.0} s for the daemon before, which server-starter ends; \
                     callers wait meanwhile: {error}",
                    left.as_secs_f32()
                );
            }
            self.pause(left.min(LOOKS_EVERY))?;
        }
    }

    fn pause(&mut self, time: Duration) -> Result<(), StartError> {
        match moment::receive_within(self.signals, time) {
            Ok(Signal::Terminate | Signal::Interrupt) => {
                let text = "told to end while it waited for the daemon before";
                return Err(StartError::new(StartErrorKind::ToldToEnd, text));
            }
            Ok(signal) => {
                self.owes_reload |= signal == Signal::Hangup;
                self.logs.reopen();
                ::log::info!("{}", self.logs.opened_again(OPENED_WITHIN));
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => thread::park_timeout(time),
        }
        Ok(())
    }
}

fn create_pid_file(core: &Core) -> Result<Option<PidFile>, StartError> {
    let created = core.pid.as_deref().map(PidFile::create).transpose();
    created.map_err(|error| {
        let kind = if error.is_held() {
            StartErrorKind::AlreadyRunning
        } else if error.is_denied() {
            StartErrorKind::NoPermission
        } else {
            StartErrorKind::CannotCreate
        };
        StartError::new(kind, error)
    })
}

fn bind_control(core: &Core) -> Result<Option<Bound>, StartError> {
    let bound = core.control_socket.as_deref().map(Control::bind);
    bound.transpose().map_err(|error| {
        let kind = if error.is_taken() {
            StartErrorKind::AlreadyRunning
        } else if error.is_denied() {
            StartErrorKind::NoPermission
        } else {
            StartErrorKind::CannotCreate
        };
        StartError::new(kind, format_args!("core.control_socket: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Destination;

    const HELD: StartErrorKind = StartErrorKind::AlreadyRunning;

    fn logs() -> Logs {
        let [access, error, operator] = [(); 3].map(|()| Destination::named("discard"));
        Logs::open(&access, &error, &operator).unwrap()
    }

    /// Tries so often as the patience lasts; the tries, and what came of it.
    fn await_for(patience: Option<Duration>, free_at: u32) -> (u32, Result<u32, StartErrorKind>) {
        let (signals, logs) = (crossbeam_channel::never(), logs());
        let mut turn = Turn {
            signals: &signals,
            logs: &logs,
            patience,
            owes_reload: false,
        };
        let mut tries = 0;
        let taken = turn.await_for(|| {
            tries += 1;
            if tries < free_at {
                return Err(StartError::new(HELD, "held"));
            }
            Ok(tries)
        });
        (tries, taken.map_err(|error| error.kind))
    }

    #[test]
    fn it_waits_as_long_as_its_patience_lasts() {
        let long = Some(Duration::from_secs(60));
        assert_eq!(await_for(long, 3), (3, Ok(3)));
        let short = Some(LOOKS_EVERY * 2);
        let (tries, taken) = await_for(short, u32::MAX);
        assert_eq!(taken, Err(HELD));
        assert!((2..=4).contains(&tries), "{tries}");
    }

    #[test]
    fn without_patience_it_is_tried_once() {
        assert_eq!(await_for(None, 2), (1, Err(HELD)));
    }
}
