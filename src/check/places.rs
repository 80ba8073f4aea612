//! Places that the daemon will write to or listen on. Nothing is created there.

use std::fmt::Display;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use rustix::fs::{Access, access};

use crate::config::{Bind, Config, Diagnostic, FileText, Severity};
use crate::http1::group_number;
use crate::log::{Destination, RATE_LIMITED, append_to_existing};
use crate::pid_file::PidFile;

pub(super) fn logs(config: &Config, source: &FileText<'_>, findings: &mut Vec<Diagnostic>) {
    for (key, log) in config
        .log
        .destinations()
        .map(|(key, name)| (key, Destination::named(name)))
    {
        let better = log.better_named();
        let Destination::File { path, .. } = log else {
            continue;
        };
        let mut say = |severity, text: &dyn Display| {
            findings.push(source.about(severity, key, text));
        };
        match (appendable(&path), better) {
            (Err(error), Some(better)) => say(Severity::Error, &format!("{error}; {better}")),
            (Err(error), None) => say(Severity::Error, &error),
            (Ok(()), Some(better)) => say(Severity::Warning, &better),
            (Ok(()), None) => {}
        }
    }
}

/// Looks whether push logs go to systemd's journal, those of the daemon if it runs and we may know.
pub(super) fn rates(
    config: &Config,
    source: &FileText<'_>,
    daemon: Option<u32>,
    findings: &mut Vec<Diagnostic>,
) {
    let daemon = daemon.map(|pid| pid.to_string());
    let process = daemon.as_deref().unwrap_or("self");
    let [access, error, _] = config.log.destinations();
    for (key, name) in [access, error] {
        if Destination::named(name).is_systemds_journal(process) {
            findings.push(source.about(Severity::Warning, key, RATE_LIMITED));
        }
    }
}

pub(super) fn pid(config: &Config, source: &FileText<'_>, findings: &mut Vec<Diagnostic>) {
    let Some(path) = &config.core.pid else {
        return;
    };
    let found = writable(path).and_then(|()| {
        if let Some(why) = PidFile::why_foreign(path) {
            return Err(format!("{why}, and is not overwritten; name another one"));
        }
        Ok(())
    });
    if let Err(error) = found {
        findings.push(source.about(Severity::Error, "core.pid", error));
    }
}

/// Looks at where the control socket will be. A daemon that has it is no error, as for the port.
pub(super) fn control(config: &Config, source: &FileText<'_>, findings: &mut Vec<Diagnostic>) {
    if let Some(path) = &config.core.control_socket
        && let Err(error) = socket(path)
    {
        findings.push(source.about(Severity::Error, "core.control_socket", error));
    }
}

/// Takes the port for a moment. That it is taken is no error: `daemon`, the one that runs with this
/// configuration, has it, or else one that is to be replaced.
pub(super) fn port(
    config: &Config,
    source: &FileText<'_>,
    daemon: Option<u32>,
    findings: &mut Vec<Diagnostic>,
) {
    let (port, group) = ("core.port", "core.socket_group");
    match &config.core.bind {
        Bind::Tcp(address) => tcp(*address, [port, "core.address"], source, daemon, findings),
        Bind::Unix(path) => {
            let mut say = |severity, key, text: &dyn Display| {
                findings.push(source.about(severity, key, text));
            };
            match socket(path) {
                Ok(()) => {}
                Err(error) => say(Severity::Error, port, &error),
            }
            if daemon.is_none() && UnixStream::connect(path).is_ok() {
                say(Severity::Warning, port, &TAKEN);
            }
            let access = &config.core.socket_access;
            if let Some(Err(error)) = access.group.as_deref().map(group_number) {
                say(Severity::Error, group, &error);
            }
        }
    }
}

/// The same for the address of the metrics.
pub(super) fn metrics(
    config: &Config,
    source: &FileText<'_>,
    daemon: Option<u32>,
    findings: &mut Vec<Diagnostic>,
) {
    if let Some(address) = config.metrics.address {
        tcp(address, ["metrics.address"; 2], source, daemon, findings);
    }
}

/// Takes a TCP port for a moment. `port` is the key that has it, `of` the one that has its address.
fn tcp(
    address: SocketAddr,
    [port, of]: [&str; 2],
    source: &FileText<'_>,
    daemon: Option<u32>,
    findings: &mut Vec<Diagnostic>,
) {
    let (severity, text) = match TcpListener::bind(address) {
        Ok(_released) => return,
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if daemon.is_some() {
                return;
            }
            (Severity::Warning, format!("{address} {TAKEN}"))
        }
        Err(error) => {
            let advice = advice(&error, of);
            let text = format!("cannot listen on {address}: {error}{advice}");
            (Severity::Error, text)
        }
    };
    findings.push(source.about(severity, port, text));
}

/// Whether a Unix socket can be made there, or is there.
fn socket(path: &Path) -> Result<(), String> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.file_type().is_socket() => {
            Err("there is a file that is no socket".to_owned())
        }
        _ => directory(path),
    }
}

fn advice(error: &io::Error, key: &str) -> String {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; ports below 1024 need AmbientCapabilities=CAP_NET_BIND_SERVICE in the unit"
                .to_owned()
        }
        io::ErrorKind::AddrNotAvailable => format!("; {key} is no address of this machine"),
        _ => String::new(),
    }
}

/// Whether a log can be opened: it is, if it is there.
fn appendable(path: &Path) -> Result<(), String> {
    match append_to_existing(path) {
        Ok(_closed) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => directory(path),
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            Err("is a directory".to_owned())
        }
        Err(error) => Err(format!("cannot be written: {error}")),
    }
}

/// Whether a file can be appended to, or made.
pub(super) fn writable(path: &Path) -> Result<(), String> {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Err("is a directory".to_owned()),
        Ok(found) if found.file_type().is_socket() => Err("cannot be opened".to_owned()),
        Ok(_) => access(path, Access::WRITE_OK)
            .map_err(|error| format!("cannot be written: {}", io::Error::from(error))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => directory(path),
        Err(error) => Err(format!("cannot be written: {error}")),
    }
}

/// Whether a file can be made in its directory.
pub(super) fn directory(path: &Path) -> Result<(), String> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let shown = parent.display();
    if !parent.is_dir() {
        return Err(format!(
            "the directory {shown} does not exist; make it with: install -d -o sterna \
             -g sterna {shown}"
        ));
    }
    access(parent, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        let error = io::Error::from(error);
        format!("nothing can be made in the directory {shown}: {error}")
    })
}

const TAKEN: &str =
    "is taken: fine if that is the daemon, or systemd for it; else see who: ss -lntp";
