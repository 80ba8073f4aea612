//! `sterna reload`: asks the daemon to read its configuration again.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::args::Reload;
use super::{ExitCode, report};
use crate::config::{self, DEFAULT_PATH, Environment};
use crate::control::{self, AskError, ControlAnswer, Request, USUAL_PATH};
use crate::regular;

/// Asks, and says what came of it.
pub(super) fn run(asked: &Reload) -> ExitCode {
    let named = config::control_socket(asked.config.as_deref(), &Environment::read());
    let file = asked.config.as_deref().unwrap_or(Path::new(DEFAULT_PATH));
    // The usual socket is that of the usual file's daemon: another file's may be any.
    let usual = (file == Path::new(DEFAULT_PATH)).then(|| PathBuf::from(USUAL_PATH));
    let Some(path) = named.or(usual) else {
        say_where_it_looked(file);
        report(format_args!(
            "{} names no core.control_socket, by which its daemon could be asked; SIGHUP reloads \
             without one, as does systemctl reload with the unit's name",
            file.display()
        ));
        return ExitCode::Unavailable;
    };
    match control::ask(&path, Request::Reload { wait: asked.wait }) {
        Ok(ControlAnswer::Asked) => ExitCode::Ok,
        Ok(ControlAnswer::Reloaded { lines }) => print(&lines),
        Ok(ControlAnswer::Kept { problems }) => {
            tell(&problems);
            report("the configuration of before stays in force");
            ExitCode::Config
        }
        Ok(ControlAnswer::Busy { text }) => {
            report(text);
            ExitCode::TemporaryFailure
        }
        Ok(ControlAnswer::Malformed { text }) => {
            report(format_args!("the daemon does not understand: {text}"));
            ExitCode::Unavailable
        }
        Err(error) => {
            report(format_args!("{}: {error}", path.display()));
            if let AskError::NoDaemon(_) = error {
                say_where_it_looked(file);
                report(
                    "a daemon has a control socket if core.control_socket named one at its start, \
                     or if systemd gives it a runtime directory; SIGHUP reloads without one",
                );
            }
            ExitCode::Unavailable
        }
    }
}

/// Says so if there is no configuration.
fn say_where_it_looked(file: &Path) {
    if let Err(error) = regular::open(file) {
        let file = file.display();
        report(format_args!(
            "no configuration was found at {file}: {error}; name the daemon's with -c"
        ));
    }
}

/// Repeats what the daemon found, which is as [`super::complain`] would have it.
fn tell(problems: &[String]) {
    // Nobody is left to tell if even this cannot be written.
    let _written = std::io::stderr().write_all(whole_lines(problems).as_bytes());
}

/// A daemon of before an upgrade does not end its problems' lines, nor is the count of those that
/// are left out ended.
fn whole_lines(problems: &[String]) -> String {
    let ended = problems.iter().map(|problem| {
        let end = if problem.ends_with('\n') { "" } else { "\n" };
        format!("{problem}{end}")
    });
    ended.collect()
}

fn print(lines: &[String]) -> ExitCode {
    let mut text = lines.join("\n");
    text.push('\n');
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::Ok,
        Err(_) => ExitCode::Io,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_problem_ends_its_line() {
        let problems = ["error: a\n --> f:1:1\n", "and 2 lines more"].map(str::to_owned);
        let told = whole_lines(&problems);
        assert_eq!(told, "error: a\n --> f:1:1\nand 2 lines more\n");
    }
}
