//! The command line: what was asked for, who does it, and how the process ends.
//!
//! `sterna` alone takes Gaurun's flags and serves. Errors go to standard error; [`ExitCode`] says
//! what kind they are.

mod api_client;
mod api_url;
mod args;
mod bar;
mod check;
mod demo;
mod exit;
mod explain;
mod manual;
mod recover;
mod reload;
mod send;
mod serve;
mod simulate;
mod since;
mod stat;
mod token_format;
mod tokens;

pub use exit::ExitCode;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::path::Path;

use clap::Parser;

use crate::config::{Diagnostic, Style};
use crate::log::Shape;
use crate::log::operator::json_line;
use crate::moment;
use crate::pasted;
use args::{Cli, Command};

/// Does what these arguments ask for; the first is the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // Before anybody repeats it in a message.
    for (number, argument) in arguments.iter().enumerate().skip(1) {
        if is_pushed(&arguments, number) {
            continue;
        }
        if let Some(why) = pasted_in(&argument.to_string_lossy()) {
            report(format_args!("argument {number}: {why}"));
            return ExitCode::Usage;
        }
    }
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
        Some(Command::Help(help)) => manual::help(&help),
        Some(Command::Man(man)) => manual::pages(&man),
        Some(Command::Completions(completions)) => manual::completions(&completions),
        Some(Command::Recover(asked)) => recover::run(&asked),
        Some(Command::Tokens(asked)) => tokens::run(&asked),
        Some(Command::Send(asked)) => send::run(&asked),
        Some(Command::Stat(asked)) => stat::run(&asked),
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

/// Whether the argument of that number is a text to push, or a device token: these may look like a
/// key, and no message repeats them.
fn is_pushed(arguments: &[OsString], number: usize) -> bool {
    const PUSHED: [&str; 4] = ["--ios", "--android", "--title", "--message"];
    let at = |number: usize| arguments.get(number).and_then(|argument| argument.to_str());
    let flag = number.checked_sub(1).and_then(at).unwrap_or_default();
    let written_together = at(number).and_then(|argument| argument.split_once('='));
    at(1) == Some("send")
        && (PUSHED.contains(&flag)
            || written_together.is_some_and(|(flag, _)| PUSHED.contains(&flag)))
}

/// Why an argument, or the value that is written together with its flag, or a flag without one, is
/// not to be used or shown: it is a key.
fn pasted_in(argument: &str) -> Option<&'static str> {
    let value = match argument.strip_prefix('-') {
        None => argument,
        Some(long) if long.starts_with('-') => long.split_once('=').unwrap_or(("", long)).1,
        Some(short) => short.get(1..).unwrap_or_default(),
    };
    let is_key = pasted::is_content(argument)
        || pasted::why_no_path(value, Path::new(value), Path::exists).is_some();
    is_key.then_some(pasted::NO_KEY_HERE)
}

/// Tells the operator on standard error, one line for each of the text's.
fn report(text: impl Display) {
    report_as(Shape::Text, text);
}

/// The same in the shape of the lines that go there.
fn report_as(shape: Shape, text: impl Display) {
    let mut stderr = std::io::stderr().lock();
    for line in text.to_string().lines() {
        let line = match shape {
            Shape::Text => format!("sterna: {line}\n").into_bytes(),
            Shape::Json => json_line(::log::Level::Error, line),
        };
        // Nobody is left to tell if even this cannot be written.
        let _written = stderr.write_all(&line);
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
