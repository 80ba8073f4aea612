//! A real terminal, as a command has it before it.

use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// The side of a pseudo-terminal at which one sits; what is written to the other is kept.
pub(crate) struct Terminal {
    /// The side of the commands.
    line: OwnedFd,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// One of that size.
    pub(crate) fn of(rows: u16, columns: u16) -> Self {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC);
        let screen = screen.unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let line = rustix::fs::open(name, flags, Mode::empty()).unwrap();
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&screen, size).unwrap();
        let shown = Arc::<Mutex<Vec<u8>>>::default();
        let kept = Arc::clone(&shown);
        thread::spawn(move || {
            let mut screen = std::fs::File::from(screen);
            let mut part = [0; 4096];
            // The last one to leave the other side ends it, by an error.
            while let Ok(bytes @ 1..) = screen.read(&mut part) {
                kept.lock().unwrap().extend_from_slice(&part[..bytes]);
            }
        });
        Self { line, shown }
    }

    /// What a command is given for an output that goes there.
    pub(crate) fn output(&self) -> Stdio {
        self.line.try_clone().unwrap().into()
    }

    /// All that has come so far, as it came.
    pub(crate) fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }
}
