//! The recovery of push logs.

use std::path::{Path, PathBuf};

use super::super::args::Recover;
use super::super::bar::Bar;
use super::super::serve::refused;
use super::super::{ExitCode, report};
use super::figures::Figures;
use super::outcomes::{HeldLines, outcomes_path};
use super::{NothingSent, code_of, stdout_failed, tell_resent};
use crate::config::Config;
use crate::count;
use crate::daemon::{self, Disposition, Judge, Resend, Resent};
use crate::log::Shape;
use crate::moment::Moment;
use crate::recover::{self, Found, LOGS_MAX, OpenPush};

/// Reads the logs, tells what is outstanding in them, and sends it.
pub(super) fn run(asked: &Recover, config: &Config) -> Result<ExitCode, NothingSent> {
    let mut logs = asked.logs.clone();
    if logs.len() > LOGS_MAX {
        let text = format_args!("{} logs over limit({LOGS_MAX})", logs.len());
        return Err(NothingSent::new(ExitCode::Usage, text));
    }
    let outcomes = if asked.dry_run {
        // What an earlier run appended counts, if there was one.
        asked.outcomes.clone().filter(|path| path.exists())
    } else {
        Some(outcomes_path(asked)?)
    };
    // Held until the end: what another recovery sends meanwhile would be sent twice.
    let held = match &outcomes {
        Some(path) if !asked.dry_run => Some(HeldLines::take(path, config.log.mode)?),
        _ => None,
    };
    logs.extend(outcomes.clone());
    let found = read(&logs)?;
    if !found.has_lines {
        // That nothing is outstanding would be no more than that nothing was looked at.
        let all = logs.iter().map(|path| path.display().to_string());
        let text = format!(
            "nothing to read in {}: name the logs that have the accepted-push lines",
            all.collect::<Vec<_>>().join(", ")
        );
        return Err(NothingSent::new(ExitCode::Data, text));
    }
    if found.accepted == 0 {
        report(
            "no accepted-push line in these logs: if the access log is not among them, name it \
             with -l",
        );
    }
    let max_age = asked.max_age.unwrap_or(config.core.max_age);
    let mut judge = Judge::new(config, max_age, asked.allow_incomplete);
    if found.outstanding.iter().any(OpenPush::is_sternas) {
        judge = judge
            .beside_journal(config, asked.journal.as_deref())
            .map_err(|error| NothingSent::unreadable(&error))?;
    }
    let (figures, to_settle) = sort(&judge, found);
    figures
        .tell(asked.dry_run)
        .map_err(|error| stdout_failed(&error))?;
    let Some((path, mut held)) = outcomes.zip(held) else {
        return Ok(ExitCode::Ok);
    };
    held.end_line()?;
    let resent = send(config, judge, to_settle, &path)?;
    conclude(resent, &figures)
}

fn read(logs: &[PathBuf]) -> Result<Found, NothingSent> {
    recover::read(logs).map_err(|error| {
        let code = if error.is_damage() {
            ExitCode::Data
        } else {
            ExitCode::Io
        };
        NothingSent::new(code, error)
    })
}

/// What was found, and what of it is to be sent, or settled unsent.
fn sort(judge: &Judge, found: Found) -> (Figures, Vec<OpenPush>) {
    let mut figures = Figures {
        total: found.accepted,
        damaged: found.damaged,
        lost: found.lost,
        lacks_error_log: !found.has_error_log,
        ..Figures::default()
    };
    let mut to_settle = Vec::new();
    let now = Moment::now();
    for push in found.outstanding {
        match judge.judge(&push, now) {
            Disposition::Send(_) => figures.to_send += 1,
            Disposition::Expired(_) => figures.expired += 1,
            Disposition::Unsendable(..) => figures.unsendable += 1,
            Disposition::HeldBack(hold) => {
                let lane = push.notification.lane;
                figures.hold(hold, push.id, lane, &push.accepted);
                continue;
            }
        }
        to_settle.push(push);
    }
    (figures, to_settle)
}

fn send(
    config: &Config,
    judge: Judge,
    pushes: Vec<OpenPush>,
    outcomes: &Path,
) -> Result<Resent, NothingSent> {
    if pushes.is_empty() {
        return Ok(Resent::default());
    }
    let started = daemon::signals().and_then(|signals| {
        let lanes = Resend::start(config, judge, pushes, outcomes)?;
        Ok((lanes, signals))
    });
    let (lanes, signals) =
        started.map_err(|error| NothingSent(refused(Shape::Text, &error), String::new()))?;
    let mut bar = Bar::default();
    let resent = lanes.run(&signals, |settled, total| bar.draw(settled, total));
    bar.clear();
    Ok(resent)
}

fn conclude(resent: Resent, figures: &Figures) -> Result<ExitCode, NothingSent> {
    let left = resent.left.saturating_add(figures.held_back());
    let failed = tell_resent(resent, figures, left)?;
    if resent.unlogged > 0 {
        report(format_args!(
            "{} of outcomes could not be written: their pushes would be sent again",
            count::of(resent.unlogged, "line", "lines")
        ));
        return Ok(ExitCode::Io);
    }
    Ok(code_of(left, failed))
}
