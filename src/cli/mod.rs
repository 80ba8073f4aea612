//! The command line: what was asked for, who does it, and how the process ends.
//!
//! `sterna` alone takes Gaurun's flags and serves. Errors go to standard error; [`ExitCode`] says
//! what kind they are.

mod args;
mod check;
mod demo;
mod exit;
mod explain;
mod manual;
mod recover;
mod reload;
mod serve;
mod simulate;

pub use exit::ExitCode;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{IsTerminal, Write};

use clap::Parser;

use crate::config::{Diagnostic, Style};
use crate::moment;
use args::{Cli, Command};

/// Does what these arguments ask for; the first is the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is left to tell if even this cannot be written.
            let _written = error.print();
            return if error.use_stderr() {
                ExitCode::Usage
            } else {
                ExitCode::Ok
            };
        }
    };
    // `serve` does so once it needs no longer be the only thread.
    let serves = matches!(cli.command, None | Some(Command::Serve(_)));
    if !serves && let Err(exit_code) = notice_standstills() {
        return exit_code;
    }
    match cli.command {
        None => serve::run(&cli.serve),
        Some(Command::Serve(serve)) => serve::run(&serve),
        Some(Command::Simulate(simulate)) => simulate::run(&simulate),
        Some(Command::Demo(demo)) => demo::run(&demo),
        Some(Command::Check(asked)) => check::run(&asked),
        Some(Command::Explain(explain)) => explain::run(&explain),
        Some(Command::Man(man)) => manual::pages(&man),
        Some(Command::Completions(completions)) => manual::completions(&completions),
        Some(Command::Recover(asked)) => recover::run(&asked),
        Some(Command::Reload(asked)) => reload::run(&asked),
    }
}

/// Lets no time pass for anybody while the process stands still.
fn notice_standstills() -> Result<(), ExitCode> {
    moment::notice_standstills().map_err(|error| {
        report(format_args!("no thread for the clock: {error}"));
        ExitCode::Io
    })
}

/// Tells the operator on standard error, one line for each of the text's.
fn report(text: impl Display) {
    let mut stderr = std::io::stderr().lock();
    for line in text.to_string().lines() {
        // Nobody is left to tell if even this cannot be written.
        let _written = writeln!(stderr, "sterna: {line}");
    }
}

/// Shows what is wrong with a configuration on standard error, in colour on a terminal.
fn complain(diagnostics: &[Diagnostic]) {
    let mut stderr = std::io::stderr().lock();
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let style = if wanted && stderr.is_terminal() {
        Style::Colour
    } else {
        Style::Plain
    };
    for (index, diagnostic) in diagnostics.iter().enumerate() {
        let gap = if index > 0 { "\n" } else { "" };
        // Nobody is left to tell if even this cannot be written.
        let _written = write!(stderr, "{gap}{}", diagnostic.render(style));
    }
}

/// Prints a text on standard output.
fn print(text: &str) -> ExitCode {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::Ok,
        Err(_) => ExitCode::Io,
    }
}

#[cfg(test)]
mod tests;
