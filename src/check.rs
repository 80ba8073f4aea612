//! What `sterna check` looks at: the files, places and providers that a configuration names.
//!
//! [`offline`] reads files and tries places, and changes nothing. [`online`] asks the providers,
//! with the real credentials, for something that cannot reach a device. What is found is a
//! [`Diagnostic`] at the key that named it.

mod clock;
mod journal;
mod online;
mod places;
mod running;

use jiff::tz::TimeZone;

use crate::config::{ApnsConfig, Config, Diagnostic, FileText, Severity};
use crate::descriptors::{self, Share};
use crate::moment::Moment;
use crate::named::{self, Finding};
use crate::net::tls::SystemRoots;
use crate::pasted;
pub use clock::from_the_future;
pub use online::online;

/// Looks at everything that needs no network; `now` is what certificates are looked at by.
pub fn offline(config: &Config, source: &FileText<'_>, now: Moment) -> Vec<Diagnostic> {
    let mut findings = opened(config, source, now);
    let daemon = running::daemon(config);
    places::pid(config, source, &mut findings);
    places::control(config, source, &mut findings);
    places::port(config, source, daemon, &mut findings);
    places::metrics(config, source, daemon, &mut findings);
    places::rates(config, source, daemon, &mut findings);
    journal::journal(config, source, daemon, &mut findings);
    let (limit, whose) = descriptors::limit_of_daemon(daemon);
    if let Some(warning) = Share::of(config, limit).warning(whose) {
        findings.push(source.about(Severity::Warning, "core.max_connections", warning));
    }
    findings.extend(zone(source));
    if let Some(pid) = daemon {
        let text = format!("the daemon runs, with pid {pid}: its port and journal were not tried");
        findings.push(source.whole(Severity::Note, text));
    }
    findings
}

/// What the configuration leaves to a default that suits few, in each section.
pub fn unsaid(config: &Config, source: &FileText<'_>) -> Vec<Diagnostic> {
    let unsaid = config.enabled().filter_map(|(_, lane)| {
        let section = &lane.section;
        let has = |name| source.has(&format!("{section}.{name}"));
        let is_apples = lane.apns().is_some() && lane.endpoint.is_none();
        let text = format_args!(
            "{section}.sandbox is not set: pushes go to Apple's development environment, which \
             refuses device tokens of apps from the App Store and TestFlight; write \
             sandbox = false below [{section}] for those, else sandbox = true"
        );
        let names_some = |apns: &ApnsConfig| !apns.environments.is_empty();
        let is_said = has("sandbox") || lane.apns().is_some_and(names_some);
        (is_apples && !is_said).then(|| source.whole(Severity::Note, text))
    });
    unsaid.collect()
}

/// What is to be said of a time zone that log lines will not have.
fn zone(source: &FileText<'_>) -> Option<Diagnostic> {
    let named = std::env::var_os("TZ").filter(|name| !name.is_empty())?;
    let error = TimeZone::try_system().err().is_some();
    let named = named.to_string_lossy();
    let text = format!(
        "TZ = {:?}: there is no such time zone, so that log lines have their times in UTC; name \
         one that timedatectl list-timezones has",
        pasted::quoted(&named, ZONE_SHOWN)
    );
    error.then(|| source.whole(Severity::Warning, text))
}

/// Looks at what a start and a reload open alike: all that [`credentials`] looks at, and the logs.
pub fn opened(config: &Config, source: &FileText<'_>, now: Moment) -> Vec<Diagnostic> {
    let mut findings = credentials(config, source, now);
    places::logs(config, source, &mut findings);
    findings
}

/// Reads keys, certificates and service accounts, and makes of them what a start makes.
pub fn credentials(config: &Config, source: &FileText<'_>, now: Moment) -> Vec<Diagnostic> {
    let mut findings = Vec::new();
    let mut say = |severity, finding: &Finding| {
        let said = told(source, severity, finding);
        if !findings.contains(&said) {
            findings.push(said);
        }
    };
    let system = SystemRoots::load();
    for (_, lane) in config.enabled() {
        match named::doubts(lane, &system, now) {
            Ok(doubts) => doubts.iter().for_each(|it| say(Severity::Warning, it)),
            Err(errors) => errors.iter().for_each(|it| say(Severity::Error, it)),
        }
    }
    let keys = match named::api_keys(config) {
        Ok(found) => {
            found
                .doubts
                .iter()
                .for_each(|it| say(Severity::Warning, it));
            Vec::new()
        }
        Err(errors) => errors,
    };
    let hash_key = named::hash_key(&config.log).err();
    for error in keys.iter().chain(&hash_key) {
        say(Severity::Error, error);
    }
    match config.hook().map(|hook| named::hook(hook, &system, now)) {
        None => {}
        Some(Ok(found)) => found
            .doubts
            .iter()
            .for_each(|it| say(Severity::Warning, it)),
        Some(Err(errors)) => errors.iter().for_each(|it| say(Severity::Error, it)),
    }
    let doubts = system.doubts.iter();
    findings.extend(doubts.map(|text| source.whole(Severity::Warning, text)));
    findings
}

/// A finding about a file, at the key that names it; which file, if that is not to be seen there.
fn told(source: &FileText<'_>, severity: Severity, finding: &Finding) -> Diagnostic {
    let Finding { key, path, text } = finding;
    match path {
        _ if key.is_empty() => source.whole(severity, text),
        Some(path) if !source.shows(key, path) => {
            source.about(severity, key, format_args!("{} {text}", path.display()))
        }
        _ => source.about(severity, key, text),
    }
}

/// Whether any of them keeps the configuration from being used.
pub fn has_error(findings: &[Diagnostic]) -> bool {
    findings.iter().any(|it| it.severity == Severity::Error)
}

/// Characters of a zone's name that are shown.
const ZONE_SHOWN: usize = 64;

#[cfg(test)]
mod tests;
