//! The recovery of a journal.

use std::path::PathBuf;

use super::super::args::Recover;
use super::super::bar::Bar;
use super::super::serve::refused;
use super::super::{ExitCode, report};
use super::figures::Figures;
use super::{NothingSent, code_of, stdout_failed, tell_resent};
use crate::config::Config;
use crate::count;
use crate::daemon::{self, Resent, Survey, Takeover};
use crate::log::Shape;

/// Reads the journal, tells what is outstanding in it, and sends it.
pub(super) fn run(asked: &Recover, config: &Config) -> Result<ExitCode, NothingSent> {
    let dir = directory(asked, config)?;
    let max_age = asked.max_age.unwrap_or(config.core.max_age);
    let look = || {
        let survey = Survey::of(config, &dir, max_age);
        survey.map_err(|error| NothingSent::unreadable(&error))
    };
    // Before anything is touched: what is no journal must not become one.
    let mut survey = look()?;
    if asked.dry_run {
        tell(&survey, true)?;
        return Ok(ExitCode::Ok);
    }
    let refused = |error| NothingSent(refused(Shape::Text, &error), String::new());
    let signals = daemon::signals().map_err(refused)?;
    let takeover = Takeover::of(config, dir.clone()).map_err(refused)?;
    if !takeover.is_as(&survey) {
        // Somebody had it in between.
        survey = look()?;
    }
    let figures = tell(&survey, false)?;
    if figures.is_empty() {
        let left = figures.held_back();
        tell_resent(Resent::default(), &figures, left)?;
        return Ok(code_of(left, 0));
    }
    let mut bar = Bar::default();
    let progress = |settled, total| bar.draw(settled, total);
    let resent = takeover
        .run(config, max_age, &signals, progress)
        .map_err(refused);
    bar.clear();
    conclude(resent?, &figures)
}

fn directory(asked: &Recover, config: &Config) -> Result<PathBuf, NothingSent> {
    let dir = match &asked.journal {
        Some(named) => Some(named.clone()),
        None => daemon::journal_directory(config)
            .map_err(|error| NothingSent::new(ExitCode::Config, error))?,
    };
    dir.ok_or_else(|| {
        let text = "the configuration has journal.sync = \"off\"; name a journal's directory with \
                    --journal, or push logs with -l";
        NothingSent::new(ExitCode::Usage, text)
    })
}

fn tell(survey: &Survey, is_dry: bool) -> Result<Figures, NothingSent> {
    for trouble in &survey.troubles {
        report(trouble);
    }
    let figures = Figures {
        to_send: survey.to_send,
        total: survey.named,
        expired: survey.expired,
        damaged: survey.damaged,
        held: survey.held.clone(),
        ..Figures::default()
    };
    figures
        .tell(is_dry)
        .map_err(|error| stdout_failed(&error))?;
    Ok(figures)
}

fn conclude(resent: Resent, figures: &Figures) -> Result<ExitCode, NothingSent> {
    let failed = tell_resent(resent, figures, resent.left)?;
    if resent.unlogged > 0 {
        report(format_args!(
            "{} could not be written to the logs, and are lost",
            count::of(resent.unlogged, "line", "lines")
        ));
    }
    if resent.unkept > 0 {
        report(format_args!(
            "the journal could not be written: {} already settled would be sent again",
            count::of(resent.unkept, "push", "pushes")
        ));
    }
    if resent.unlogged > 0 || resent.unkept > 0 || resent.journal_failed {
        return Ok(ExitCode::Io);
    }
    Ok(code_of(resent.left, failed))
}
