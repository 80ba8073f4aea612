//! The journal: can the daemon read what is there, and write on?

use std::fs;
use std::path::Path;

use super::places::{directory, writable};
use crate::config::{Config, Diagnostic, FileText, Severity};
use crate::count;
use crate::journal::{self, DiskFiles, Fault, Files as _, LOCK, OpenError, RESERVE_BYTES};
use crate::moment::Moment;

/// Reads the journal as the daemon would at its start, and changes nothing. One that a daemon has
/// open was read by it, and is not read again beside it.
pub(super) fn journal(
    config: &Config,
    source: &FileText<'_>,
    daemon: Option<u32>,
    findings: &mut Vec<Diagnostic>,
) {
    let Some(journal) = &config.journal else {
        return;
    };
    let mut say = |severity, text: String| {
        findings.push(source.about(severity, "journal.dir", text));
    };
    let dir = &match journal::place(&journal.dir) {
        Ok(dir) => dir,
        Err(error) => return say(Severity::Error, error.to_string()),
    };
    if let Some(error) = journal::foreign(dir) {
        let (path, fault) = (dir.clone(), Fault::Unusable(error));
        return say(Severity::Error, OpenError { path, fault }.to_string());
    }
    if let Some(warning) = journal::warning(&journal.dir) {
        say(Severity::Warning, warning);
    }
    let read = if daemon.is_some() && dir.is_dir() {
        Ok(0)
    } else {
        journal::read(&DiskFiles, dir, Moment::now()).map(|read| read.recovered().damaged)
    };
    match read {
        Ok(damaged) => {
            if damaged > 0 {
                let places = count::of(damaged, "place", "places");
                let text = format!("damaged in {places}: what was accepted there is lost");
                say(Severity::Warning, text);
            }
            // The lock is what a start opens first.
            let lock = dir.join(LOCK);
            let usable = directory(&lock).and_then(|()| match fs::metadata(&lock) {
                Ok(_) => writable(&lock).map_err(|error| format!("{LOCK} {error}")),
                Err(_) => Ok(()),
            });
            match usable {
                Err(error) => say(Severity::Error, error),
                Ok(()) => room(dir, &mut say),
            }
        }
        Err(OpenError {
            fault: Fault::Missing,
            ..
        }) => {
            // The daemon makes it, with what leads to it.
            let mut ancestors = dir.ancestors().skip(1);
            if let Some(there) = ancestors.find(|path| path.is_dir()) {
                match directory(&there.join(LOCK)) {
                    Err(error) => say(Severity::Error, error),
                    Ok(()) => room(there, &mut say),
                }
            }
        }
        Err(error) => say(Severity::Error, error.to_string()),
    }
}

/// Looks whether the disk under a directory has room.
fn room(dir: &Path, say: &mut impl FnMut(Severity, String)) {
    if let Ok(free) = DiskFiles.free_space(dir)
        && free <= RESERVE_BYTES
    {
        let text = format!(
            "the disk has {free} bytes left, and with no more than {RESERVE_BYTES} no push is \
             accepted; make room"
        );
        say(Severity::Warning, text);
    }
}
