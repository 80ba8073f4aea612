//! Places that the daemon will write to or listen on. Nothing is created there.

use std::fmt::Display;
use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::fs::{Access, access};

use crate::config::{Bind, Config, Diagnostic, FileText, Severity};
use crate::journal::{self, DiskFiles, Fault, OpenError};
use crate::log::Destination;
use crate::moment::Moment;

pub(super) fn logs(config: &Config, source: &FileText<'_>, findings: &mut Vec<Diagnostic>) {
    let log = &config.log;
    for (key, name) in [
        ("log.access_log", &log.access_log),
        ("log.error_log", &log.error_log),
        ("log.operator_log", &log.operator_log),
    ] {
        if let Destination::File(path) = Destination::named(name)
            && let Err(error) = writable(&path)
        {
            findings.push(source.about(Severity::Error, key, error));
        }
    }
}

pub(super) fn pid(config: &Config, source: &FileText<'_>, findings: &mut Vec<Diagnostic>) {
    if let Some(path) = &config.core.pid
        && let Err(error) = writable(path)
    {
        findings.push(source.about(Severity::Error, "core.pid", error));
    }
}

/// Reads the journal as the daemon would at its start, and changes nothing.
pub(super) fn journal(config: &Config, source: &FileText<'_>, findings: &mut Vec<Diagnostic>) {
    let Some(journal) = &config.journal else {
        return;
    };
    let mut say = |severity, text: &dyn Display| {
        findings.push(source.about(severity, "journal.dir", text));
    };
    match journal::read(&DiskFiles, &journal.dir, Moment::now()) {
        Ok(reading) => {
            let damaged = reading.recovered().damaged;
            if damaged > 0 {
                let text = format!(
                    "{damaged} places of the journal cannot be read: what was accepted there is lost"
                );
                say(Severity::Warning, &text);
            }
            if let Err(error) = directory(&journal.dir.join("x")) {
                say(Severity::Error, &error);
            }
        }
        Err(OpenError {
            fault: Fault::Missing,
            ..
        }) => {
            // The daemon makes it, with what leads to it.
            let mut ancestors = journal.dir.ancestors().skip(1);
            if let Some(there) = ancestors.find(|path| path.is_dir())
                && let Err(error) = directory(&there.join("x"))
            {
                say(Severity::Error, &error);
            }
        }
        Err(error) => say(Severity::Error, &error),
    }
}

/// Takes the port for a moment. That it is taken is no error: the daemon that is to be reloaded or
/// started anew may be the one that has it.
pub(super) fn port(config: &Config, source: &FileText<'_>, findings: &mut Vec<Diagnostic>) {
    let mut say = |severity, text: &dyn Display| {
        findings.push(source.about(severity, "core.port", text));
    };
    match &config.core.bind {
        Bind::Tcp(address) => match TcpListener::bind(address) {
            Ok(_released) => {}
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                let text = format!("{address} {TAKEN}");
                say(Severity::Warning, &text);
            }
            Err(error) => {
                let text = format!("cannot listen on {address}: {error}{}", advice(&error));
                say(Severity::Error, &text);
            }
        },
        Bind::Unix(path) => match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => {
                say(Severity::Error, &"there is a file that is no socket");
            }
            Ok(_) if UnixStream::connect(path).is_ok() => {
                say(Severity::Warning, &TAKEN);
            }
            _ => {
                if let Err(error) = directory(path) {
                    say(Severity::Error, &error);
                }
            }
        },
    }
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit"
        }
        io::ErrorKind::AddrNotAvailable => "; core.address is no address of this machine",
        _ => "",
    }
}

/// Whether a file can be appended to, or made.
fn writable(path: &Path) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err("is a directory".to_owned()),
        Ok(_) => access(path, Access::WRITE_OK)
            .map_err(|error| format!("cannot be written: {}", io::Error::from(error))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => directory(path),
        Err(error) => Err(format!("cannot be written: {error}")),
    }
}

/// Whether a file can be made in its directory.
fn directory(path: &Path) -> Result<(), String> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let shown = parent.display();
    if !parent.is_dir() {
        return Err(format!(
            "the directory {shown} does not exist; make it with: install -d -o sterna -g sterna {shown}"
        ));
    }
    access(parent, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        let error = io::Error::from(error);
        format!("nothing can be made in the directory {shown}: {error}")
    })
}

const TAKEN: &str = "is taken: fine if that is the daemon now running; else see who: ss -lntp";
