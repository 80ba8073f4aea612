//! The operator log: the `log` facade, formatted by simplelog, through a [`Sink`].
//!
//! One line per record: `2026-11-22T05:15:12.123456789Z [ERROR] text`. A text cannot forge a line,
//! since control characters in it are escaped. It never waits: when its sink is full, lines are
//! dropped and counted. Dependencies are heard from level warn upwards only, because what they say
//! below may hold secrets (header values, bodies) and is theirs to debug.

use std::fmt::{self, Write as _};
use std::io::{self, Write};

use ::log::{Level, LevelFilter, Log, Metadata, Record, SetLoggerError};
use simplelog::{Config, ConfigBuilder, WriteLogger};

use super::escape::forges;
use super::sink::Sink;

/// Sends all that is said through the `log` facade from now on to `sink`; once per process.
///
/// # Errors
///
/// If the process has a logger already.
pub fn start(sink: &Sink, level: LevelFilter) -> Result<(), SetLoggerError> {
    ::log::set_boxed_logger(Box::new(Operator::new(sink.clone())))?;
    set_level(level);
    Ok(())
}

/// Changes the level, at any time.
pub fn set_level(level: LevelFilter) {
    ::log::set_max_level(level);
}

/// Says it at whatever level is set.
pub fn always(level: Level, text: &str) {
    let mut record = Record::builder();
    record.level(level).target(module_path!());
    ::log::logger().log(&record.args(format_args!("{text}")).build());
}

/// The logger behind the facade.
struct Operator(Box<WriteLogger<LineWriter>>);

impl Operator {
    fn new(sink: Sink) -> Self {
        let writer = LineWriter {
            line: Vec::new(),
            sink,
            dropped: 0,
        };
        // The facade's own level is the one that counts, since it can change.
        Self(WriteLogger::new(LevelFilter::Trace, format(), writer))
    }
}

impl Log for Operator {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= Level::Warn || is_ours(metadata.target())
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let text = escaped(record.args());
        self.0.log(
            &Record::builder()
                .metadata(record.metadata().clone())
                .args(format_args!("{text}"))
                .build(),
        );
    }

    /// Nothing to do: the sink's writer is at most 5 ms late. See [`Sink::flush`].
    fn flush(&self) {}
}

/// Collects one line, since simplelog writes it piece by piece.
struct LineWriter {
    line: Vec<u8>,
    sink: Sink,
    /// Lines for which there was no room, since the last one for which there was.
    dropped: u64,
}

impl LineWriter {
    fn finish(&mut self) {
        if self.dropped > 0 {
            self.line.pop();
            let notice = format!(" ({} earlier lines dropped: log was full)\n", self.dropped);
            self.line.extend_from_slice(notice.as_bytes());
        }
        if self.sink.offer(&self.line) {
            self.dropped = 0;
        } else {
            self.dropped += 1;
        }
        self.line.clear();
    }
}

impl Write for LineWriter {
    fn write(&mut self, fragment: &[u8]) -> io::Result<usize> {
        self.line.extend_from_slice(fragment);
        if fragment.ends_with(b"\n") {
            self.finish();
        }
        Ok(fragment.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn format() -> Config {
    ConfigBuilder::new()
        .set_time_format_rfc3339()
        .set_target_level(LevelFilter::Debug)
        .set_thread_level(LevelFilter::Off)
        .set_location_level(LevelFilter::Off)
        .build()
}

fn is_ours(target: &str) -> bool {
    target
        .strip_prefix(env!("CARGO_CRATE_NAME"))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

fn escaped(text: &fmt::Arguments<'_>) -> String {
    let mut escaped = Escaped(String::new());
    // It fails when the text is cut off.
    let _ = escaped.write_fmt(*text);
    escaped.0
}

/// Text without control characters, cut off at [`MAX_TEXT_OCTETS`].
struct Escaped(String);

impl fmt::Write for Escaped {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.0.len() >= MAX_TEXT_OCTETS {
                self.0.push_str(CUT_OFF);
                return Err(fmt::Error);
            }
            if forges(character) {
                self.0.extend(character.escape_default());
            } else {
                self.0.push(character);
            }
        }
        Ok(())
    }
}

/// Our limit: octets of a text in the operator log; more is somebody's payload.
const MAX_TEXT_OCTETS: usize = 4 << 10;

/// What stands for the rest of a text that is longer.
const CUT_OFF: &str = "…";

#[cfg(test)]
mod tests;
