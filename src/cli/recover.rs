//! `sterna recover`: sends what a push log says was accepted and never settled.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, IsTerminal, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::args::Recover;
use super::serve::refused;
use super::{ExitCode, report};
use crate::config::{Config, Environment, Overrides};
use crate::daemon::{self, Fate, Hold, Judge, Resend, Resent};
use crate::moment::Moment;
use crate::recover::{self, Found, LOGS_MAX, Outstanding};

/// Pushes that are held back and told one by one.
const NAMED_MAX: usize = 20;

/// Characters of the time of such a push.
const TIME_SHOWN: usize = 40;

/// How often the progress line is drawn.
const DRAW_EVERY: Duration = Duration::from_millis(200);

/// Finds what is outstanding, tells it, and sends it.
pub(super) fn run(asked: &Recover) -> ExitCode {
    let overrides = Overrides::default();
    let (config, warnings) =
        match Config::load(asked.config.as_deref(), overrides, &Environment::read()) {
            Ok(loaded) => loaded,
            Err(error) => {
                report(error);
                return ExitCode::Config;
            }
        };
    for warning in warnings {
        report(warning);
    }
    match recover(asked, &config) {
        Ok(code) => code,
        Err(Failure(code, text)) => {
            report(text);
            code
        }
    }
}

/// Why nothing was sent.
struct Failure(ExitCode, String);

impl Failure {
    fn new(code: ExitCode, text: impl fmt::Display) -> Self {
        Self(code, text.to_string())
    }
}

fn recover(asked: &Recover, config: &Config) -> Result<ExitCode, Failure> {
    let mut logs = asked.logs.clone();
    if logs.len() > LOGS_MAX {
        let text = format_args!("{} logs over limit({LOGS_MAX})", logs.len());
        return Err(Failure::new(ExitCode::Usage, text));
    }
    let outcomes = if asked.dry_run {
        // What an earlier run appended counts, if there was one.
        asked.outcomes.clone().filter(|path| path.exists())
    } else {
        Some(outcomes_path(asked)?)
    };
    // Held until the end: what another recovery sends meanwhile would be sent twice.
    let held = match &outcomes {
        Some(path) if !asked.dry_run => Some(Held::take(path)?),
        _ => None,
    };
    logs.extend(outcomes.clone());
    let found = recover::read(&logs).map_err(|error| {
        let code = if error.is_damage() {
            ExitCode::Data
        } else {
            ExitCode::Io
        };
        Failure::new(code, error)
    })?;
    let max_age = asked.max_age.unwrap_or(config.core.max_age);
    let judge = Judge::new(config, max_age, asked.allow_incomplete);
    let sorted = Sorted::by(&judge, found);
    sorted
        .tell(asked.dry_run)
        .map_err(|error| stdout_failed(&error))?;
    let Some((path, _held)) = outcomes.zip(held) else {
        return Ok(ExitCode::Ok);
    };
    let held_back = sorted.held_back();
    let resent = send(config, judge, sorted.to_settle, &path)?;
    conclude(resent, sorted.expired, held_back)
}

/// What was found, by what is to become of it.
struct Sorted {
    accepted: u64,
    damaged: u64,
    expired: u64,
    has_error_log: bool,
    /// To be sent, or settled unsent.
    to_settle: Vec<Outstanding>,
    unsendable: u64,
    /// By the reason, and the first of them by id and time.
    held: BTreeMap<Hold, u64>,
    named: Vec<String>,
}

impl Sorted {
    fn by(judge: &Judge, found: Found) -> Self {
        let mut sorted = Self {
            accepted: found.accepted,
            damaged: found.damaged,
            expired: 0,
            has_error_log: found.has_error_log,
            to_settle: Vec::new(),
            unsendable: 0,
            held: BTreeMap::new(),
            named: Vec::new(),
        };
        let now = Moment::now();
        for push in found.outstanding {
            match judge.judge(&push, now) {
                Fate::Send(_) => {}
                Fate::Expired(_) => sorted.expired += 1,
                Fate::Unsendable(..) => sorted.unsendable += 1,
                Fate::HeldBack(hold) => {
                    sorted.hold(&push, hold);
                    continue;
                }
            }
            sorted.to_settle.push(push);
        }
        sorted
    }

    fn hold(&mut self, push: &Outstanding, hold: Hold) {
        *self.held.entry(hold).or_default() += 1;
        if self.named.len() < NAMED_MAX {
            let platform = push.notification.platform;
            // A time that is none may hold anything.
            let at: String = push.accepted.chars().take(TIME_SHOWN).collect();
            let line = format!(
                "  id {} {platform}, accepted {}",
                push.id,
                at.escape_debug()
            );
            self.named.push(line);
        }
    }

    fn held_back(&self) -> u64 {
        self.held.values().sum()
    }

    /// Tells the figures, and what is held back and why.
    fn tell(&self, is_dry: bool) -> io::Result<()> {
        let mut out = io::stdout().lock();
        let outstanding = (self.to_settle.len() as u64)
            .saturating_sub(self.expired)
            .saturating_add(self.held_back());
        writeln!(
            out,
            "{} outstanding of {}, {} expired, {} damaged",
            grouped(outstanding),
            grouped(self.accepted),
            grouped(self.expired),
            grouped(self.damaged),
        )?;
        if outstanding > 0 && !self.has_error_log {
            writeln!(
                out,
                "no error log among them: pushes that were refused look outstanding; add it with -l",
            )?;
        }
        for (hold, pushes) in &self.held {
            writeln!(out, "{} held back: {hold}", grouped(*pushes))?;
        }
        for line in &self.named {
            writeln!(out, "{line}")?;
        }
        let unnamed = self.held_back().saturating_sub(self.named.len() as u64);
        if unnamed > 0 {
            writeln!(out, "  and {} more", grouped(unnamed))?;
        }
        if self.unsendable > 0 {
            let pushes = grouped(self.unsendable);
            writeln!(out, "{pushes} cannot be sent: no provider would take them")?;
        }
        if is_dry {
            writeln!(out, "dry run: nothing was sent or written")?;
        }
        out.flush()
    }
}

fn send(
    config: &Config,
    judge: Judge,
    pushes: Vec<Outstanding>,
    outcomes: &Path,
) -> Result<Resent, Failure> {
    if pushes.is_empty() {
        return Ok(Resent::default());
    }
    let started = daemon::signals().and_then(|signals| {
        let lanes = Resend::start(config, judge, pushes, outcomes)?;
        Ok((lanes, signals))
    });
    let (lanes, signals) = started.map_err(|error| Failure(refused(&error), String::new()))?;
    let mut bar = Bar::default();
    let resent = lanes.run(&signals, |settled, total| bar.draw(settled, total));
    bar.clear();
    Ok(resent)
}

fn conclude(resent: Resent, expired: u64, held_back: u64) -> Result<ExitCode, Failure> {
    // Those that had expired are settled as failed; what expired on the way has failed.
    let failed = resent.failed.saturating_sub(expired);
    let left = resent.left.saturating_add(held_back);
    writeln!(
        io::stdout(),
        "{} succeeded, {} failed, {} left",
        grouped(resent.succeeded),
        grouped(failed),
        grouped(left),
    )
    .map_err(|error| stdout_failed(&error))?;
    if resent.unlogged > 0 {
        report(format_args!(
            "{} octets of outcomes could not be written: their pushes would be sent again",
            resent.unlogged
        ));
        return Ok(ExitCode::Io);
    }
    Ok(if left > 0 {
        ExitCode::TemporaryFailure
    } else if failed > 0 {
        ExitCode::Unavailable
    } else {
        ExitCode::Ok
    })
}

fn stdout_failed(error: &io::Error) -> Failure {
    Failure::new(
        ExitCode::Io,
        format_args!("standard output cannot be written: {error}"),
    )
}

/// Where outcomes go: where it was said, or to the end of the last log.
fn outcomes_path(asked: &Recover) -> Result<PathBuf, Failure> {
    if let Some(path) = &asked.outcomes {
        return Ok(path.clone());
    }
    let last = asked
        .logs
        .last()
        .ok_or_else(|| Failure::new(ExitCode::Usage, "no log was named; name one with -l"))?;
    let mut head = Vec::new();
    let opened = File::open(last).and_then(|file| {
        let is_file = file.metadata()?.is_file();
        file.take(2).read_to_end(&mut head)?;
        Ok(is_file)
    });
    let is_file = opened.map_err(|error| {
        let text = format!("{}: cannot be read: {error}", last.display());
        Failure::new(ExitCode::Io, text)
    })?;
    if is_file && !recover::is_gzip(&head) {
        return Ok(last.clone());
    }
    Err(Failure::new(
        ExitCode::Usage,
        format_args!(
            "{}: outcomes cannot be appended to it; name a file for them with --outcomes",
            last.display()
        ),
    ))
}

/// The file that outcomes are appended to, locked against another recovery.
struct Held {
    _file: File,
}

impl Held {
    fn take(path: &Path) -> Result<Self, Failure> {
        let fail = |error: io::Error| {
            Failure::new(
                ExitCode::CannotCreate,
                format_args!("{}: outcomes cannot be written: {error}", path.display()),
            )
        };
        let mut options = OpenOptions::new();
        let mut file = options
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .map_err(fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Failure::new(
                    ExitCode::TemporaryFailure,
                    format_args!("{}: another recovery is at work with it", path.display()),
                ));
            }
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        end_line(&mut file).map_err(fail)?;
        Ok(Self { _file: file })
    }
}

/// Ends a line that the process died in, so that ours is not glued to it.
fn end_line(file: &mut File) -> io::Result<()> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(());
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    if last != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok(())
}

/// How far it is, on a terminal; a run whose standard error is a file gets the two lines on
/// standard output only.
#[derive(Default)]
struct Bar {
    drawn: Option<Instant>,
}

impl Bar {
    fn draw(&mut self, settled: u64, total: u64) {
        let is_due = self.drawn.is_none_or(|at| at.elapsed() >= DRAW_EVERY);
        if !is_due || !io::stderr().is_terminal() {
            return;
        }
        self.drawn = Some(Instant::now());
        let filled = settled
            .saturating_mul(WIDTH)
            .checked_div(total)
            .unwrap_or(0);
        let bar: String = (0..WIDTH)
            .map(|at| if at < filled { '#' } else { '.' })
            .collect();
        let text = format!("\r[{bar}] {} of {}", grouped(settled), grouped(total));
        // A terminal that is gone need not be told.
        let _written = io::stderr().write_all(text.as_bytes());
    }

    fn clear(&self) {
        if self.drawn.is_some() {
            let _written = io::stderr().write_all(b"\r\x1b[K");
        }
    }
}

/// Characters of the bar.
const WIDTH: u64 = 40;

/// A number with a comma between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_told_apart() {
        for (number, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (81_204, "81,204"),
            (1_000_000, "1,000,000"),
        ] {
            assert_eq!(grouped(number), text);
        }
        assert_eq!(grouped(u64::MAX), "18,446,744,073,709,551,615");
    }
}
