//! `sterna recover`: sends what was accepted and never settled, as the journal or a push log says.

mod figures;
mod journal;
mod logs;
mod outcomes;

use std::fmt;
use std::io::{self, Write};

use super::args::Recover;
use super::{ExitCode, complain, report};
use crate::config::{Config, Environment, Overrides};
use crate::count::grouped;
use crate::daemon::{Resent, Unreadable};
use figures::Figures;

/// Finds what is outstanding, tells it, and sends it.
pub(super) fn run(asked: &Recover) -> ExitCode {
    let mut environment = Environment::read();
    if asked.dry_run {
        environment = environment.without_credentials();
    }
    let overrides = Overrides::default();
    let (config, warnings) = match Config::load(asked.config.as_deref(), overrides, &environment) {
        Ok(loaded) => loaded,
        Err(error) => {
            complain(&error.problems);
            return ExitCode::Config;
        }
    };
    for warning in warnings {
        report(warning);
    }
    let recovered = if asked.logs.is_empty() {
        journal::run(asked, &config)
    } else {
        logs::run(asked, &config)
    };
    match recovered {
        Ok(code) => code,
        Err(NothingSent(code, text)) => {
            report(text);
            code
        }
    }
}

/// Why nothing was sent.
struct NothingSent(ExitCode, String);

impl NothingSent {
    fn new(code: ExitCode, text: impl fmt::Display) -> Self {
        Self(code, text.to_string())
    }

    fn unreadable(error: &Unreadable) -> Self {
        let code = if error.is_damage() {
            ExitCode::Data
        } else {
            ExitCode::Io
        };
        Self::new(code, error)
    }
}

/// Tells what became of pushes; how many have failed that could have been sent.
fn tell_resent(resent: Resent, figures: &Figures, left: u64) -> Result<u64, NothingSent> {
    // Those that had expired are settled as failed; what expired on the way has failed.
    let failed = resent.failed.saturating_sub(figures.expired);
    writeln!(
        io::stdout(),
        "{} succeeded, {} failed, {} left",
        grouped(resent.succeeded),
        grouped(failed),
        grouped(left),
    )
    .map_err(|error| stdout_failed(&error))?;
    Ok(failed)
}

fn code_of(left: u64, failed: u64) -> ExitCode {
    if left > 0 {
        ExitCode::TemporaryFailure
    } else if failed > 0 {
        ExitCode::Unavailable
    } else {
        ExitCode::Ok
    }
}

fn stdout_failed(error: &io::Error) -> NothingSent {
    NothingSent::new(
        ExitCode::Io,
        format_args!("standard output cannot be written: {error}"),
    )
}
