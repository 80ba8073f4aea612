//! The operator log: the `log` facade, formatted by simplelog, through a [`Sink`].
//!
//! One line per record: `2026-11-22T05:15:12.123456789Z [ERROR] text`, or where lines of the push
//! log go to the same place, one of Gaurun's objects as theirs, so that programs can read the
//! stream. A text cannot forge a line, since control characters in it are escaped. It never waits:
//! when its sink is full, lines are dropped and counted. Dependencies are heard from level warn
//! upwards only, because what they say below may hold secrets (header values, bodies) and is theirs
//! to debug.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};
use std::thread;

use ::log::{Level, LevelFilter, Log, Metadata, Record, SetLoggerError};
use simplelog::{Config, ConfigBuilder, WriteLogger};

use super::escape::forges;
use super::line;
use super::shape::Shape;
use super::sink::Sink;
use super::time_text::TimeText;
use crate::count;
use crate::moment::Moment;
use crate::stats;

/// Sends all that is said through the `log` facade from now on to `sink`; once per process.
///
/// # Errors
///
/// If the process has a logger already.
pub fn start(sink: &Sink, shape: Shape, level: LevelFilter) -> Result<(), SetLoggerError> {
    ::log::set_boxed_logger(Box::new(Operator::new(sink.clone(), shape)))?;
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

/// Has panics told in the operator log, once there is one: on standard error their text would come
/// between the lines of a log that goes there.
pub fn hear_panics() {
    let elsewhere = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        stats::PANICS.fetch_add(1, Ordering::Relaxed);
        if ::log::max_level() == LevelFilter::Off {
            elsewhere(panic);
        } else {
            tell_of(panic);
        }
    }));
}

fn tell_of(panic: &PanicHookInfo<'_>) {
    let thread = thread::current();
    let name = thread.name().unwrap_or("without a name");
    let place = panic.location().map(ToString::to_string);
    let payload = panic.payload();
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
    ::log::error!(
        "thread {name} panicked at {}: {}",
        place.as_deref().unwrap_or("an unknown place"),
        text.unwrap_or("no text"),
    );
}

/// One line as the operator log has it where it is of JSON: for what is told beside it.
pub fn json_line(level: Level, text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut time_text = TimeText::new();
    line::message(
        &mut out,
        graveness(level),
        time_text.at(Moment::now()),
        text,
        "",
        "",
    );
    out
}

/// The logger behind the facade.
enum Operator {
    Text(Box<WriteLogger<LineWriter>>),
    Json(Mutex<JsonWriter>),
}

impl Operator {
    fn new(sink: Sink, shape: Shape) -> Self {
        let way = Way { sink, dropped: 0 };
        match shape {
            Shape::Text => {
                let line = Vec::new();
                let writer = LineWriter { line, way };
                // The facade's own level is the one that counts, since it can change.
                Self::Text(WriteLogger::new(LevelFilter::Trace, format(), writer))
            }
            Shape::Json => {
                let time_text = TimeText::new();
                Self::Json(Mutex::new(JsonWriter { time_text, way }))
            }
        }
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
        match self {
            Self::Text(logger) => {
                let text = bounded(record.args(), forges);
                logger.log(
                    &Record::builder()
                        .metadata(record.metadata().clone())
                        .args(format_args!("{text}"))
                        .build(),
                );
            }
            Self::Json(writer) => {
                // JSON has escapes of its own.
                let text = bounded(record.args(), |_| false);
                let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
                writer.write(record.level(), record.target(), text);
            }
        }
    }

    /// Nothing to do: the sink's writer is at most 5 ms late. See [`Sink::flush`].
    fn flush(&self) {}
}

/// Where whole lines go, those for which there was no room counted.
struct Way {
    sink: Sink,
    /// Lines for which there was no room, since the last one for which there was.
    dropped: u64,
}

impl Way {
    /// What the next line is to say of those before it.
    fn notice(&self) -> String {
        match self.dropped {
            0 => String::new(),
            dropped => {
                let lines = count::of(dropped, "earlier line was", "earlier lines were");
                format!(" ({lines} dropped: the log could not take them)")
            }
        }
    }

    fn offer(&mut self, line: &[u8]) {
        if self.sink.offer(line) {
            self.dropped = 0;
        } else {
            self.dropped += 1;
            stats::LINES_DROPPED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Collects one line, since simplelog writes it piece by piece.
struct LineWriter {
    line: Vec<u8>,
    way: Way,
}

impl LineWriter {
    fn finish(&mut self) {
        let notice = self.way.notice();
        if !notice.is_empty() {
            self.line.pop();
            self.line.extend_from_slice(notice.as_bytes());
            self.line.push(b'\n');
        }
        self.way.offer(&self.line);
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

/// Writes lines of JSON.
struct JsonWriter {
    time_text: TimeText,
    way: Way,
}

impl JsonWriter {
    fn write(&mut self, level: Level, target: &str, mut text: String) {
        if level >= Level::Debug {
            text = format!("{target}: {text}");
        }
        text += &self.way.notice();
        let mut out = Vec::new();
        let at = self.time_text.at(Moment::now());
        line::message(&mut out, graveness(level), at, &text, "", "");
        self.way.offer(&out);
    }
}

/// A level in the words of the push log.
fn graveness(level: Level) -> line::Level {
    match level {
        Level::Error => line::Level::Error,
        Level::Warn => line::Level::Warn,
        Level::Info => line::Level::Info,
        Level::Debug | Level::Trace => line::Level::Debug,
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

/// A text in which what `escapes` says is escaped.
fn bounded(text: &fmt::Arguments<'_>, escapes: fn(char) -> bool) -> String {
    let mut bounded = Bounded {
        text: String::new(),
        escapes,
    };
    // It fails when the text is cut off.
    let _ = bounded.write_fmt(*text);
    bounded.text
}

/// Text that is cut off at [`MAX_TEXT_BYTES`].
struct Bounded {
    text: String,
    escapes: fn(char) -> bool,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for character in text.chars() {
            if self.text.len() >= MAX_TEXT_BYTES {
                self.text.push_str(CUT_OFF);
                return Err(fmt::Error);
            }
            if (self.escapes)(character) {
                self.text.extend(character.escape_default());
            } else {
                self.text.push(character);
            }
        }
        Ok(())
    }
}

/// Our limit: bytes of a text in the operator log; more is somebody's payload.
const MAX_TEXT_BYTES: usize = 4 << 10;

/// What stands for the rest of a text that is longer.
const CUT_OFF: &str = "…";

#[cfg(test)]
mod tests;
