//! `sterna send`: pushes what a file or the command line names, by the API of a daemon.

mod courier;
mod csv;
mod followed;
mod input_text;
mod outcomes;
mod push_answer;
mod push_batch;
mod record;
mod settlements;
mod source;
mod tally;
mod template;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, select};
use jiff::Timestamp;

use super::api_client::{ApiClient, shown};
use super::args::SendPushes;
use super::bar::Bar;
use super::{ExitCode, print, report};
use crate::count::grouped;
use crate::moment;
use crate::signal::{Signal, Signals};
use courier::{Courier, CourierEnd, CourierNews, FOLLOWED_MAX};
use outcomes::PushOutcomes;
use record::{EarlierRun, RecordError, SendRecord};
use settlements::SettlementReader;
use source::SendSource;

/// Sends, and says what became of it.
pub(super) fn run(asked: &SendPushes) -> ExitCode {
    match send(asked) {
        Ok(code) | Err(code) => code,
    }
}

fn send(asked: &SendPushes) -> Result<ExitCode, ExitCode> {
    let source = SendSource::of(asked)?;
    let client = Arc::new(ApiClient::new(&asked.remote, ANSWERED_WITHIN)?);
    let file = asked.csv.as_deref().or(asked.file.as_deref());
    let record_path = file.map(|file| record_path(asked, file));
    let (record, earlier) = match &record_path {
        Some(path) => open_record(path).map(|(record, earlier)| (Some(record), earlier))?,
        None => (
            None,
            EarlierRun {
                run: unique()?,
                ..EarlierRun::default()
            },
        ),
    };
    let signals = Signals::listen().map_err(|error| {
        report(format_args!("no signals can be heard: {error}"));
        ExitCode::Io
    })?;
    let name = file.map_or_else(
        || "the command line".to_owned(),
        |file| shown(&file.display().to_string()),
    );
    let mut screen = SendScreen::before(&name, source.bytes);
    let (news, heard) = bounded(NEWS_WAITING);
    let (go_on, stop) = bounded(0);
    let following = Following::of(asked, &client);
    let courier = Courier {
        reader: following.reader.clone(),
        client: Arc::clone(&client),
        source,
        record,
        earlier,
        in_doubt: asked.in_doubt,
        news,
        stop,
        name,
        record_name: record_path
            .as_ref()
            .map_or_else(String::new, |path| shown(&path.display().to_string())),
    };
    let started = thread::Builder::new()
        .name("courier".to_owned())
        .spawn(move || courier.run());
    if let Err(error) = started {
        report(format_args!("no thread to send by: {error}"));
        return Err(ExitCode::Io);
    }
    let (end, is_stopped) = screen.watch(&heard, &signals, go_on)?;
    let code = tell(&end, record_path.as_deref());
    let is_unfollowed = following.within.is_zero() || end.ids.is_empty();
    if is_unfollowed || end.left.is_some() || is_stopped {
        return Ok(code);
    }
    let (told, has_failures) = following.until_the_end(end, &client, &signals);
    let printed = print(&told);
    // Of a file some are always dead.
    let counts = asked.wait.is_some() || file.is_none();
    Ok(match code {
        ExitCode::Ok if has_failures && counts => ExitCode::Unavailable,
        ExitCode::Ok => printed,
        code => code,
    })
}

/// How it becomes known what became of the pushes.
struct Following {
    /// For how long.
    within: Duration,
    /// By the feed; otherwise each is asked for.
    reader: Option<Arc<SettlementReader>>,
}

impl Following {
    /// Pushes of a file are followed by the feed, which must be read from before the first of them.
    fn of(asked: &SendPushes, client: &Arc<ApiClient>) -> Self {
        let within = asked.wait.unwrap_or(FOLLOWED_FOR);
        let has_file = asked.file.is_some() || asked.csv.is_some();
        if !has_file || within.is_zero() {
            return Self {
                within,
                reader: None,
            };
        }
        match SettlementReader::start(client) {
            Ok(reader) => Self {
                within,
                reader: Some(reader),
            },
            // Who has not asked for it is not told that it cannot be.
            Err(_) if asked.wait.is_none() => Self {
                within: Duration::ZERO,
                reader: None,
            },
            Err(why) => {
                report(format_args!(
                    "{why}; {} pushes are followed one by one",
                    grouped(FOLLOWED_MAX as u64)
                ));
                Self {
                    within,
                    reader: None,
                }
            }
        }
    }

    /// What became of them, and whether one has ended otherwise than it should.
    fn until_the_end(
        self,
        end: CourierEnd,
        client: &ApiClient,
        signals: &Receiver<Signal>,
    ) -> (String, bool) {
        if let Some(reader) = self.reader {
            return reader.wait(self.within, signals);
        }
        let unfollowed = end.tally.accepted.saturating_sub(end.ids.len() as u64);
        if unfollowed > 0 {
            report(format_args!(
                "of the pushes, {} are followed; the push log has what becomes of all",
                end.ids.len()
            ));
        }
        let outcomes = PushOutcomes::follow(end.ids, client, self.within, signals);
        (outcomes.told(), outcomes.has_failures())
    }
}

/// Where it is kept how far a file is.
fn record_path(asked: &SendPushes, file: &Path) -> PathBuf {
    asked.record.clone().unwrap_or_else(|| {
        let mut name = file.as_os_str().to_owned();
        name.push(".sent");
        name.into()
    })
}

fn open_record(path: &Path) -> Result<(SendRecord, EarlierRun), ExitCode> {
    SendRecord::open(path, &unique()?).map_err(|error| {
        let shown = path.display();
        match error {
            RecordError::InUse => {
                report(format_args!("{shown}: another run is sending this file"));
                ExitCode::TemporaryFailure
            }
            RecordError::Foreign => {
                report(format_args!(
                    "{shown}: it is no record of this command's, and is left as it is; --record \
                     names another place"
                ));
                ExitCode::CannotCreate
            }
            RecordError::Io(error) => {
                report(format_args!(
                    "{shown}: {error}; --record names another place"
                ));
                ExitCode::CannotCreate
            }
        }
    })
}

/// What no other run begins its keys with.
fn unique() -> Result<String, ExitCode> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| {
        report("the system gives no random numbers");
        ExitCode::Io
    })?;
    Ok(format!("{:032x}", u128::from_le_bytes(bytes)))
}

/// Says what became of all; how the process ends for it.
fn tell(end: &CourierEnd, record: Option<&Path>) -> ExitCode {
    if let Some((why, _)) = &end.left {
        report(why);
    }
    if let (Some(at), Some(record)) = (end.ended_before, record) {
        let at = i64::try_from(at)
            .ok()
            .and_then(|at| Timestamp::from_second(at).ok());
        report(format_args!(
            "all of it was sent before, at {}: nothing is sent now; to send it once more, remove {}",
            at.unwrap_or_default(),
            record.display()
        ));
    }
    let printed = print(&end.tally.told());
    match &end.left {
        Some((_, code)) => *code,
        None if !end.tally.is_whole() => ExitCode::Data,
        None => printed,
    }
}

/// What is seen on standard error while it goes on.
struct SendScreen {
    bar: Bar,
    name: String,
    bytes: u64,
    /// Lines that were told so far.
    bad_lines: u64,
    /// When the first pushes of this run were accepted, and how far the file was then.
    begun: Option<(Instant, u64, u64)>,
}

impl SendScreen {
    fn before(name: &str, bytes: u64) -> Self {
        Self {
            bar: Bar::default(),
            name: name.to_owned(),
            bytes,
            bad_lines: 0,
            begun: None,
        }
    }

    /// Shows what the courier tells, until its end or a second signal; whether it was to stop.
    fn watch(
        &mut self,
        news: &Receiver<CourierNews>,
        signals: &Receiver<Signal>,
        go_on: Sender<std::convert::Infallible>,
    ) -> Result<(CourierEnd, bool), ExitCode> {
        let mut go_on = Some(go_on);
        loop {
            select! {
                recv(news) -> told => match told {
                    Ok(CourierNews::Ended(end)) => {
                        self.bar.clear();
                        return Ok((end, go_on.is_none()));
                    }
                    Ok(told) => self.show(told),
                    // It panicked, which the panic hook has told.
                    Err(_) => return Err(ExitCode::Io),
                },
                recv(signals) -> signal => {
                    if signal == Ok(Signal::User1) {
                        continue;
                    }
                    self.bar.clear();
                    if go_on.take().is_none() {
                        report("ended at once: whether the last request was taken is not known");
                        return Err(ExitCode::TemporaryFailure);
                    }
                    report("it stops once the last request is answered; once more ends it at once");
                }
            }
        }
    }

    fn show(&mut self, told: CourierNews) {
        match told {
            CourierNews::Progress { used, accepted } => self.draw(used, accepted),
            CourierNews::Told(text) => {
                self.bar.clear();
                report(text);
            }
            CourierNews::BadLine { line, why } => {
                self.bad_lines += 1;
                if self.bad_lines <= BAD_LINES_TOLD && self.bytes > 0 {
                    self.bar.clear();
                    report(format_args!("{}:{line}: {why}", self.name));
                } else if self.bad_lines == BAD_LINES_TOLD + 1 && self.bytes > 0 {
                    self.bar.clear();
                    report("further lines with something wrong are counted only");
                }
            }
            CourierNews::Ended(_) => {}
        }
    }

    fn draw(&mut self, used: u64, accepted: u64) {
        if self.bytes == 0 {
            return;
        }
        let begun = match self.begun {
            None if accepted > 0 => {
                self.begun = Some((moment::now(), used, accepted));
                None
            }
            begun => begun,
        };
        let left = self.bytes.saturating_sub(used);
        self.bar.draw_with(used, self.bytes, || match begun {
            Some((at, from, of_before)) => {
                let pace = SendPace {
                    took: moment::since(at),
                    pushes: accepted - of_before,
                    bytes: used - from,
                };
                pace.told(accepted, left)
            }
            None => String::new(),
        });
    }
}

/// How fast it goes.
struct SendPace {
    took: Duration,
    pushes: u64,
    /// Of the file.
    bytes: u64,
}

impl SendPace {
    /// So many are accepted, and so many bytes of the file left.
    fn told(&self, accepted: u64, left: u64) -> String {
        let millis = u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX);
        let per_second = |number: u64| number.saturating_mul(1000).checked_div(millis);
        let rate = grouped(per_second(self.pushes).unwrap_or_default());
        let accepted = grouped(accepted);
        let left = per_second(self.bytes).and_then(|rate| left.checked_div(rate));
        match left {
            Some(left) => format!("{accepted} accepted, {rate}/s, {} left", in_words(left)),
            None => format!("{accepted} accepted"),
        }
    }
}

/// A time of so many seconds, as one number.
fn in_words(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds.div_ceil(60)),
        _ => format!("{} h", seconds.div_ceil(3600)),
    }
}

/// Our limit: how long a daemon may take for an answer; it syncs its journal first.
const ANSWERED_WITHIN: Duration = Duration::from_secs(60);

/// For how long pushes are followed once all are accepted.
const FOLLOWED_FOR: Duration = Duration::from_secs(30);

/// Our limit: news that wait to be shown.
const NEWS_WAITING: usize = 64;

/// Lines with something wrong that are told.
const BAD_LINES_TOLD: u64 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_told_and_what_it_leaves() {
        for (took, pushes, bytes, left, expected) in [
            (0, 0, 0, 100, "7,000 accepted"),
            (1000, 0, 0, 100, "7,000 accepted"),
            (
                2000,
                90_000,
                500,
                5_000,
                "7,000 accepted, 45,000/s, 20 s left",
            ),
            (500, 10, 1, 240, "7,000 accepted, 20/s, 2 min left"),
            (1000, 10, 1, 36_000, "7,000 accepted, 10/s, 10 h left"),
        ] {
            let took = Duration::from_millis(took);
            let pace = SendPace {
                took,
                pushes,
                bytes,
            };
            assert_eq!(pace.told(7000, left), expected);
        }
    }
}
