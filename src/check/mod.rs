//! What `sterna check` looks at: the files, places and providers that a configuration names.
//!
//! [`offline`] reads files and tries places, and changes nothing. [`online`] asks the providers,
//! with the real credentials, for something that cannot reach a device. What is found is a
//! [`Diagnostic`] at the key that named it.

mod clock;
mod files;
mod journal;
mod online;
mod places;
mod running;

use std::time::Duration;

use crate::config::{Config, Diagnostic, FileText, Severity};
use crate::descriptors::{self, Share};
pub use clock::from_the_future;
pub use online::online;

/// Looks at everything that needs no network; `now` is the time since the Unix epoch.
pub fn offline(config: &Config, source: &FileText<'_>, now: Duration) -> Vec<Diagnostic> {
    let mut findings = opened(config, source, now);
    let daemon = running::daemon(config);
    places::pid(config, source, &mut findings);
    places::control(config, source, &mut findings);
    places::port(config, source, daemon, &mut findings);
    places::rates(config, source, daemon, &mut findings);
    journal::journal(config, source, daemon, &mut findings);
    let (limit, whose) = descriptors::limit_of_daemon(daemon);
    if let Some(warning) = Share::of(config, limit).warning(whose) {
        findings.push(source.about(Severity::Warning, "core.max_connections", warning));
    }
    if let Some(pid) = daemon {
        let text = format!("the daemon runs, with pid {pid}: its port and journal were not tried");
        findings.push(source.whole(Severity::Note, text));
    }
    findings
}

/// Looks at what a start and a reload open alike: all that [`credentials`] looks at, and the logs.
pub fn opened(config: &Config, source: &FileText<'_>, now: Duration) -> Vec<Diagnostic> {
    let mut findings = credentials(config, source, now);
    places::logs(config, source, &mut findings);
    findings
}

/// Looks at keys, certificates and service accounts only.
pub fn credentials(config: &Config, source: &FileText<'_>, now: Duration) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut look = files::Look {
        source,
        now,
        findings: &mut findings,
    };
    if let Some(ios) = &config.ios {
        look.ios(ios);
    }
    if let Some(android) = &config.android {
        look.android(android);
    }
    look.core(&config.core);
    look.log(&config.log);
    findings
}

/// Whether any of them keeps the configuration from being used.
pub fn has_error(findings: &[Diagnostic]) -> bool {
    findings.iter().any(|it| it.severity == Severity::Error)
}

#[cfg(test)]
mod tests;
