//! `sterna man` and `sterna completions`: both from the argument table, so that they agree with it.

use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::{Cli, Completions, Man};
use super::{ExitCode, print, report};

/// Prints the man page of `sterna`, or writes those of all subcommands to a directory.
pub(super) fn pages(man: &Man) -> ExitCode {
    let Some(directory) = &man.dir else {
        let mut bytes = Vec::new();
        return match clap_mangen::Man::new(Cli::command()).render(&mut bytes) {
            Ok(()) => print(&String::from_utf8_lossy(&bytes)),
            Err(_) => ExitCode::Io,
        };
    };
    written(
        clap_mangen::generate_to(Cli::command(), directory),
        directory,
    )
}

/// Prints the completions of a shell, or writes those of the usual ones to a directory.
pub(super) fn completions(asked: &Completions) -> ExitCode {
    let mut command = Cli::command();
    if let Some(shell) = asked.shell {
        let mut bytes = Vec::new();
        clap_complete::generate(shell, &mut command, NAME, &mut bytes);
        return print(&String::from_utf8_lossy(&bytes));
    }
    let directory = asked.dir.as_deref().unwrap_or(Path::new("."));
    let shells = [Shell::Bash, Shell::Zsh, Shell::Fish];
    let all = shells.iter().try_for_each(|shell| {
        clap_complete::generate_to(*shell, &mut command, NAME, directory).map(drop)
    });
    written(all, directory)
}

fn written(result: io::Result<()>, directory: &Path) -> ExitCode {
    match result {
        Ok(()) => ExitCode::Ok,
        Err(error) => {
            report(format_args!("{}: {error}", directory.display()));
            ExitCode::CannotCreate
        }
    }
}

/// What is completed.
const NAME: &str = "sterna";
