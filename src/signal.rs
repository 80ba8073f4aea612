//! Signals, as values on a channel.
//!
//! It decides nothing: what a signal means is the daemon's business. SIGPIPE needs no word here:
//! the Rust runtime ignores it, so a closed pipe is an error where it is written to.

use std::io;
use std::thread;

use crossbeam_channel::{Receiver, bounded};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals as Incoming;

/// A signal that the daemon listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGHUP.
    Hangup,
    /// SIGUSR1.
    User1,
    /// SIGTERM.
    Terminate,
    /// SIGINT.
    Interrupt,
}

impl Signal {
    fn from_number(number: i32) -> Option<Self> {
        match number {
            SIGHUP => Some(Self::Hangup),
            SIGUSR1 => Some(Self::User1),
            SIGTERM => Some(Self::Terminate),
            SIGINT => Some(Self::Interrupt),
            _ => None,
        }
    }
}

/// The signals of this process.
#[derive(Clone, Copy, Debug)]
pub struct Signals;

impl Signals {
    /// From now on signals come out of the channel instead of ending the process.
    ///
    /// A signal that comes again before it was taken counts once, as between processes. None is
    /// lost when the receiver is late.
    ///
    /// # Errors
    ///
    /// When the handlers or the thread that waits for them cannot be set up.
    pub fn listen() -> io::Result<Receiver<Signal>> {
        let mut incoming = Incoming::new([SIGHUP, SIGUSR1, SIGTERM, SIGINT])?;
        let (sender, receiver) = bounded(WAITING);
        thread::Builder::new()
            .name("signals".to_owned())
            .spawn(move || {
                let signals = incoming.forever().filter_map(Signal::from_number);
                for signal in signals {
                    if sender.send(signal).is_err() {
                        break;
                    }
                }
            })?;
        Ok(receiver)
    }
}

/// Our limit: signals on the channel; more wait in the kernel's way, each kind once.
const WAITING: usize = 16;

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Duration;

    use signal_hook::low_level::raise;

    use super::*;

    /// One test for all signals, since they belong to the whole process.
    #[test]
    fn signals_arrive_as_values() {
        let signals = Signals::listen().unwrap();
        for (number, expected) in [
            (SIGHUP, Signal::Hangup),
            (SIGUSR1, Signal::User1),
            (SIGTERM, Signal::Terminate),
            (SIGINT, Signal::Interrupt),
            (SIGTERM, Signal::Terminate),
        ] {
            raise(number).unwrap();
            assert_eq!(signals.recv_timeout(Duration::from_secs(10)), Ok(expected));
        }
        assert!(signals.is_empty());
    }

    #[test]
    fn a_closed_pipe_is_an_error_and_not_the_end() {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        let error = writer.write_all(b"x").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    }
}
