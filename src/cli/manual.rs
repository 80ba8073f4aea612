//! `sterna help`, `sterna man` and `sterna completions`.
//!
//! The manual is written once: the Markdown pages of `etc/doc`, named after page and section, which
//! the binary carries. `help` shows a page as text, `man` writes it for man(1), and what `--help`
//! says beside the arguments is read out of it. What a page says of the code (synopsis and options,
//! keys of the configuration, exit codes, limits) stands in it between marks, and tests compare it
//! with the tables that the program works by. So whoever reads the pages where the source is kept
//! sees all of them, and no build needs a tool for them.

pub(super) mod beside;
mod markdown;
mod pages;
mod plain;
mod roff;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::{Cli, Completions, Help, Man};
use super::{ExitCode, print, report};
use crate::texts::{self, nearest};
use pages::{PAGES, Page};

/// Shows a page, or which there are.
pub(super) fn help(asked: &Help) -> ExitCode {
    match &asked.topic {
        Some(topic) => shown(topic, |page| plain::page(&markdown::blocks(page.text))),
        None => print(&topics()),
    }
}

/// Prints a page as man(1) reads it, or writes all of them to a directory.
pub(super) fn pages(man: &Man) -> ExitCode {
    let Some(directory) = &man.dir else {
        let topic = man.topic.as_deref().unwrap_or("sterna");
        return shown(topic, Page::roff);
    };
    let write = |page: &Page| fs::write(directory.join(page.file()), page.roff());
    written(PAGES.iter().try_for_each(write), directory)
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

fn shown(topic: &str, show: impl Fn(&Page) -> String) -> ExitCode {
    let Some(page) = PAGES.iter().find(|page| page.is(topic)) else {
        report(unknown(topic));
        return ExitCode::Usage;
    };
    print(&show(page))
}

fn unknown(topic: &str) -> String {
    let shown = texts::first(topic, TOPIC_SHOWN);
    match nearest(topic, PAGES.iter().map(Page::topic)) {
        Some(near) => format!("there is no page {shown:?}; did you mean {near}?"),
        None => format!("there is no page {shown:?}; `sterna help` lists all"),
    }
}

fn topics() -> String {
    let mut text = "sterna help TOPIC shows one of these pages, sterna COMMAND --help the options \
                    of a command:\n\n"
        .to_owned();
    for page in &PAGES {
        let _written = writeln!(text, "  {:12} {}", page.topic(), page.about());
    }
    text
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

/// Characters of an unknown topic that are repeated.
const TOPIC_SHOWN: usize = 64;

#[cfg(test)]
mod tests;
