//! `sterna check`: all that is wrong with a configuration, at once.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::args::Check;
use super::{ExitCode, complain, print};
use crate::check;
use crate::config::{self, Config, Diagnostic, Environment, Overrides};
use crate::config::{DEFAULT_PATH, FileText, Severity};
use crate::count;
use crate::moment::Moment;

/// Looks at the file and at all that it names.
pub(super) fn run(asked: &Check) -> ExitCode {
    if let Some(path) = &asked.migrate {
        return migrate(path);
    }
    let path = asked.config.as_deref();
    let (name, text) = match config::read_text(path) {
        Ok(read) => read,
        Err(error) => return tell(asked, &error.problems),
    };
    let environment = Environment::read();
    let found = Config::examine(&name, &text, Overrides::default(), &environment);
    let problems = found.problems;
    let warnings = found.warnings.into_iter().map(|it| it.diagnostic);
    let mut findings: Vec<Diagnostic> = problems.iter().cloned().chain(warnings).collect();
    if let Some(config) = &found.config {
        let source = FileText::read(&name, &text, Path::exists);
        let now = Moment::now();
        if asked.print && findings.iter().all(|it| it.severity != Severity::Error) {
            return print(&config.effective_toml());
        }
        // What is refused was read as its default, of which nothing is to be said.
        let mut further = check::offline(config, &source, now);
        further.retain(|it| it.place.is_none() || problems.iter().all(|p| p.place != it.place));
        findings.extend(further);
        let changed = changed(path.unwrap_or(Path::new(DEFAULT_PATH)));
        findings.extend(changed.and_then(|at| check::from_the_future(&source, at, now.unix)));
        if !check::has_error(&findings) {
            // What is refused is to be mended first.
            findings.extend(check::unsaid(config, &source));
        }
        if asked.online && problems.is_empty() {
            let online = check::online(config, &source, &findings);
            findings.extend(online);
        } else if asked.online {
            // What is refused was read as its default: others would be asked than are meant.
            let text = "no provider was asked; mend the errors first";
            findings.push(source.whole(Severity::Note, text));
        }
    }
    findings.sort_by_key(|it| (it.place.is_none(), it.place));
    tell(asked, &findings)
}

fn migrate(path: &Path) -> ExitCode {
    let translated = config::read_text(Some(path))
        .map_err(|error| (ExitCode::Config, error))
        .and_then(|(name, text)| {
            config::migrate(&name, &text, Path::exists).map_err(|error| (ExitCode::Data, error))
        });
    match translated {
        Ok(text) => print(&text),
        Err((code, error)) => {
            complain(&error.problems);
            code
        }
    }
}

/// Prints what was found; says whether the configuration can be used.
fn tell(asked: &Check, findings: &[Diagnostic]) -> ExitCode {
    if asked.json {
        let array: Vec<_> = findings.iter().map(json).collect();
        // Strings and numbers can always be written.
        let text = serde_json::to_string_pretty(&array).unwrap_or_default();
        if print(&format!("{text}\n")) != ExitCode::Ok {
            return ExitCode::Io;
        }
    } else {
        complain(findings);
        let count = |severity| findings.iter().filter(|it| it.severity == severity).count();
        let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
        let errors = count::of(errors, "error", "errors");
        let warnings = count::of(warnings, "warning", "warnings");
        let gap = if findings.is_empty() { "" } else { "\n" };
        // Nobody is left to tell if even this cannot be written.
        let _written = writeln!(io::stderr(), "{gap}sterna: {errors}, {warnings}");
    }
    if check::has_error(findings) {
        ExitCode::Config
    } else {
        ExitCode::Ok
    }
}

fn json(finding: &Diagnostic) -> serde_json::Value {
    json!({
        "severity": finding.severity.name(),
        "file": finding.file,
        "line": finding.place.map(|place| place.line),
        "column": finding.place.map(|place| place.column),
        "text": finding.text,
        "help": finding.help,
    })
}

/// When the file was changed last, since the Unix epoch.
fn changed(path: &Path) -> Option<Duration> {
    let at = fs::metadata(path).ok()?.modified().ok()?;
    at.duration_since(std::time::UNIX_EPOCH).ok()
}
