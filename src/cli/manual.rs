//! `sterna man` and `sterna completions`: both from the argument table, so that they agree with it.

use clap::CommandFactory;

use super::args::{Cli, Completions, Man};
use super::{ExitCode, print, report};

/// Prints the man page of `sterna`, or writes those of all subcommands to a directory.
pub(super) fn pages(man: &Man) -> ExitCode {
    let Some(directory) = &man.dir else {
        let mut octets = Vec::new();
        return match clap_mangen::Man::new(Cli::command()).render(&mut octets) {
            Ok(()) => print(&String::from_utf8_lossy(&octets)),
            Err(_) => ExitCode::Io,
        };
    };
    match clap_mangen::generate_to(Cli::command(), directory) {
        Ok(()) => ExitCode::Ok,
        Err(error) => {
            report(format_args!("{}: {error}", directory.display()));
            ExitCode::CannotCreate
        }
    }
}

/// Prints the completions of a shell.
pub(super) fn completions(asked: &Completions) -> ExitCode {
    let mut octets = Vec::new();
    clap_complete::generate(asked.shell, &mut Cli::command(), "sterna", &mut octets);
    print(&String::from_utf8_lossy(&octets))
}
