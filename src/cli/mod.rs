//! The command line: what was asked for, who does it, and how the process ends.
//!
//! `sterna` alone takes Gaurun's flags and serves. Errors go to standard error; [`ExitCode`] says
//! what kind they are.

mod args;
mod demo;
mod exit;
mod explain;
mod recover;
mod reload;
mod serve;
mod simulate;

pub use exit::ExitCode;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;

use clap::Parser;

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
    match cli.command {
        None => serve::run(&cli.serve),
        Some(Command::Serve(serve)) => serve::run(&serve),
        Some(Command::Simulate(simulate)) => simulate::run(&simulate),
        Some(Command::Demo(demo)) => demo::run(&demo),
        Some(Command::Explain(explain)) => explain::run(&explain),
        Some(Command::Recover(asked)) => recover::run(&asked),
        Some(Command::Reload(asked)) => reload::run(&asked),
    }
}

/// Tells the operator on standard error, one line for each of the text's.
fn report(text: impl Display) {
    let mut stderr = std::io::stderr().lock();
    for line in text.to_string().lines() {
        // Nobody is left to tell if even this cannot be written.
        let _written = writeln!(stderr, "sterna: {line}");
    }
}

#[cfg(test)]
mod tests;
