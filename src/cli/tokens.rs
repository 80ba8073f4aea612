//! `sterna tokens`: the device tokens that push logs call dead.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write as _};
use std::rc::Rc;

use super::args::ScreenTokens;
use super::bar::Bar;
use super::token_format::{self, TokenFormat};
use super::{ExitCode, report};
use crate::count::{self, grouped};
use crate::provider;
use crate::recover::{self, FoundTokens, LOGS_MAX, RefusedToken};

/// Reads the logs, and prints the tokens.
pub(super) fn run(asked: &ScreenTokens) -> ExitCode {
    if asked.suspects && asked.format == TokenFormat::Sql {
        report(
            "no statements are made of --suspects: they are not to be deleted; use csv or jsonl",
        );
        return ExitCode::Usage;
    }
    if asked.logs.len() > LOGS_MAX {
        report(format_args!(
            "{} logs over limit({LOGS_MAX})",
            asked.logs.len()
        ));
        return ExitCode::Usage;
    }
    let found = match found(asked) {
        Ok(found) => found,
        Err(code) => return code,
    };
    let tokens = if asked.suspects {
        &found.tokens.suspects
    } else {
        &found.tokens.dead
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let written = token_format::write(&mut out, asked.format, tokens);
    match written.and_then(|left_out| out.flush().map(|()| left_out)) {
        Ok(left_out) => tell(&found, left_out),
        Err(error) => {
            report(format_args!("standard output cannot be written: {error}"));
            return ExitCode::Io;
        }
    }
    if found.tokens.dead_over > 0 {
        ExitCode::TemporaryFailure
    } else {
        ExitCode::Ok
    }
}

/// What the logs say.
fn found(asked: &ScreenTokens) -> Result<FoundTokens, ExitCode> {
    let bar = Rc::new(RefCell::new((Bar::in_units(" MB"), 0)));
    let drawn = Rc::clone(&bar);
    let told = move |bytes: u64, total| {
        let (bar, read) = &mut *drawn.borrow_mut();
        *read += bytes;
        bar.draw(*read / MEGABYTE, total / MEGABYTE);
    };
    let found = recover::refused_tokens(&asked.logs, asked.since.unwrap_or_default(), told);
    bar.borrow_mut().0.clear();
    let found = found.map_err(|error| {
        report(&error);
        if error.is_damage() {
            ExitCode::Data
        } else {
            ExitCode::Io
        }
    })?;
    if !found.has_lines {
        // That no token is dead would be no more than that nothing was looked at.
        let logs = asked.logs.iter().map(|path| path.display().to_string());
        let logs = logs.collect::<Vec<_>>().join(", ");
        report(format_args!(
            "nothing to read in {logs}: name the logs that have failed-push and succeeded-push lines"
        ));
        return Err(ExitCode::Data);
    }
    Ok(found)
}

/// Says on standard error what was found, and what is not among it.
fn tell(found: &FoundTokens, left_out: u64) {
    let tokens = &found.tokens;
    let dead = tokens_of(tokens.dead.len() as u64);
    report(match tokens.alive {
        0 => format!("{dead} dead"),
        alive => format!(
            "{dead} dead; {} called dead once, and reached since",
            grouped(alive)
        ),
    });
    tell_suspects(&tokens.suspects, tokens.suspects_over);
    if left_out > 0 {
        report(format_args!(
            "{} of no form that a provider gives, and left out: databases read it differently",
            tokens_of(left_out)
        ));
    }
    for (number, what) in [
        (
            tokens.dead_over,
            "about further dead device tokens: drop those that were listed, and run it again",
        ),
        (
            found.hidden,
            "about device tokens that log.hide_token keeps out of the log: they cannot be listed",
        ),
        (
            found.damaged,
            "damaged, or none of a push log: tokens may be missing",
        ),
        (
            found.lost,
            "missing from these logs, as they say: a token that is listed may have been reached",
        ),
    ] {
        if number > 0 {
            report(format_args!("{} {what}", lines(number)));
        }
    }
}

/// Says how many are doubtful by each reason, and what that is likely to come of.
fn tell_suspects(suspects: &[RefusedToken], over: u64) {
    if suspects.is_empty() {
        return;
    }
    let mut reasons = BTreeMap::<&str, u64>::new();
    for it in suspects {
        *reasons.entry(&it.reason).or_default() += 1;
    }
    let more = match over {
        0 => String::new(),
        over => format!(", and {} about others", lines(over)),
    };
    let suspects = tokens_of(suspects.len() as u64);
    report(format_args!(
        "{suspects} doubtful{more}: not to be dropped by that alone; --suspects lists them"
    ));
    for (reason, number) in reasons {
        let number = grouped(number);
        match provider::token_alarm(reason) {
            Some(alarm) => {
                let (cause, cure) = (alarm.advice.cause, alarm.advice.cure);
                report(format_args!("  {number} {reason}: {cause} {cure}"));
            }
            // Of a later version: its log may have anything.
            None => report(format_args!("  {number} {}", reason.escape_debug())),
        }
    }
}

fn tokens_of(number: u64) -> String {
    count::of(grouped(number), "device token", "device tokens")
}

fn lines(number: u64) -> String {
    count::of(grouped(number), "line", "lines")
}

const MEGABYTE: u64 = 1_000_000;
