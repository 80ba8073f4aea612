//! Where what is sent comes from: a file of either kind, or the command line.

use std::fs::File;
use std::io;
use std::path::Path;
use std::vec;

use serde_json::json;
use serde_json::value::RawValue;

use super::csv::{CsvRow, UNCLOSED, next_row};
use super::input_text::{BadRecord, InputText};
use super::push_batch::PushBatch;
use super::template::{FilledTemplate, MessageTemplate, push_json};
use crate::cli::args::SendPushes;
use crate::cli::{ExitCode, report};
use crate::regular;

/// Batches in their order, which is the same each time that a file is read.
pub(super) struct SendSource {
    kind: SourceKind,
    /// Notifications of a batch at most.
    most: usize,
    /// Bytes of the file; 0 for the command line.
    pub(super) bytes: u64,
    /// Rows so far whose quotation marks are not closed.
    unclosed: u32,
}

enum SourceKind {
    Csv {
        text: InputText<File>,
        template: MessageTemplate,
        columns: usize,
        row: CsvRow,
        next: Filled,
    },
    Lines {
        text: InputText<File>,
        next: Filled,
    },
    Ready(vec::IntoIter<PushBatch>),
}

/// A notification that found no room in the batch before.
#[derive(Default)]
struct Filled {
    template: FilledTemplate,
    /// Where it comes from, if there is one.
    line: Option<u64>,
}

impl SendSource {
    /// What the command line names.
    ///
    /// # Errors
    ///
    /// How the process is to end, which has been told then.
    pub(super) fn of(asked: &SendPushes) -> Result<Self, ExitCode> {
        let most = asked.batch.get();
        if let Some(path) = &asked.csv {
            return Self::of_csv(path, asked, most);
        }
        if let Some(path) = &asked.file {
            let (text, bytes) = open(path)?;
            let next = Filled::default();
            let kind = SourceKind::Lines { text, next };
            return Ok(Self {
                kind,
                most,
                bytes,
                unclosed: 0,
            });
        }
        let batches = of_command_line(asked, most);
        Ok(Self {
            kind: SourceKind::Ready(batches.into_iter()),
            most,
            bytes: 0,
            unclosed: 0,
        })
    }

    fn of_csv(path: &Path, asked: &SendPushes, most: usize) -> Result<Self, ExitCode> {
        let Some(template) = &asked.template else {
            report("--csv needs a --template, which names its columns");
            return Err(ExitCode::Usage);
        };
        let json =
            regular::read(template, TEMPLATE_MAX).map_err(|error| io_error(template, &error))?;
        if json.len() > TEMPLATE_MAX {
            report(format_args!(
                "{}: over {TEMPLATE_MAX} bytes, and no notification is that long",
                template.display()
            ));
            return Err(ExitCode::Data);
        }
        let (mut text, bytes) = open(path)?;
        let mut columns = CsvRow::default();
        match next_row(&mut text, &mut columns).map_err(|error| io_error(path, &error))? {
            Some(Ok(_)) => {}
            None => {
                report(format_args!("{}: it is empty", path.display()));
                return Err(ExitCode::Data);
            }
            Some(Err(bad)) => {
                let (line, why) = (bad.line, bad.why);
                let path = path.display();
                report(format_args!(
                    "{path}:{line}: no line of column names: {why}"
                ));
                return Err(ExitCode::Data);
            }
        }
        let read = MessageTemplate::read(regular::without_mark(&json), &columns);
        let template = read.map_err(|error| {
            report(format_args!("{}: {error}", template.display()));
            ExitCode::Data
        })?;
        let kind = SourceKind::Csv {
            text,
            template,
            columns: columns.len(),
            row: CsvRow::default(),
            next: Filled::default(),
        };
        Ok(Self {
            kind,
            most,
            bytes,
            unclosed: 0,
        })
    }

    /// Bytes of the file that have been read.
    pub(super) fn used(&self) -> u64 {
        match &self.kind {
            SourceKind::Csv { text, .. } | SourceKind::Lines { text, .. } => text.used(),
            SourceKind::Ready(_) => 0,
        }
    }

    /// The next batch; `None` at the end. Records that cannot be used are told as they are met,
    /// until that says that it is enough.
    pub(super) fn next_batch(
        &mut self,
        mut goes_on: impl FnMut(BadRecord) -> bool,
    ) -> io::Result<Option<PushBatch>> {
        let mut batch = PushBatch::default();
        let unclosed = &mut self.unclosed;
        let mut bad = |record: BadRecord| {
            *unclosed += u32::from(record.why == UNCLOSED);
            if *unclosed > UNCLOSED_MAX {
                let text = "too many quotation marks are not closed: is it CSV, with commas?";
                return Err(io::Error::other(text));
            }
            if goes_on(record) {
                Ok(())
            } else {
                Err(io::ErrorKind::Interrupted.into())
            }
        };
        match &mut self.kind {
            SourceKind::Ready(batches) => return Ok(batches.next()),
            SourceKind::Csv {
                text,
                template,
                columns,
                row,
                next,
            } => {
                while !next.is_full(&mut batch, self.most) {
                    match next_row(text, row)? {
                        None => break,
                        Some(Ok(line)) if row.len() == *columns => {
                            template.fill(row, &mut next.template);
                            next.line = Some(line);
                        }
                        Some(Ok(line)) => bad(BadRecord {
                            line,
                            why: "it has another number of fields than there are columns",
                        })?,
                        Some(Err(record)) => bad(record)?,
                    }
                }
            }
            SourceKind::Lines { text, next } => {
                while !next.is_full(&mut batch, self.most) {
                    match text.next_line(LINE_MAX)? {
                        None => break,
                        Some(Ok((line, json))) if is_object(json) => {
                            next.template.rest.clear();
                            next.template.rest.extend_from_slice(json.as_bytes());
                            next.line = Some(line);
                        }
                        Some(Ok((line, _))) => bad(BadRecord {
                            line,
                            why: "it is no JSON object",
                        })?,
                        Some(Err(record)) => bad(record)?,
                    }
                }
            }
        }
        Ok((!batch.is_empty()).then_some(batch))
    }
}

impl Filled {
    /// Puts what there is into the batch; true if it does not fit there.
    fn is_full(&mut self, batch: &mut PushBatch, most: usize) -> bool {
        let Some(line) = self.line else {
            return false;
        };
        if !batch.has_room_for(&self.template, most) {
            return true;
        }
        batch.add(&self.template, line);
        self.line = None;
        false
    }
}

fn is_object(json: &str) -> bool {
    json.starts_with('{') && serde_json::from_str::<&RawValue>(json).is_ok()
}

fn open(path: &Path) -> Result<(InputText<File>, u64), ExitCode> {
    let opened = regular::open(path).and_then(|file| {
        let bytes = file.metadata()?.len();
        Ok((InputText::begin(file)?, bytes))
    });
    opened.map_err(|error| io_error(path, &error))
}

fn io_error(path: &Path, error: &io::Error) -> ExitCode {
    report(format_args!("{}: {error}", path.display()));
    ExitCode::Io
}

/// The pushes of the command line, in as many batches as they need.
fn of_command_line(asked: &SendPushes, most: usize) -> Vec<PushBatch> {
    let mut batches = vec![PushBatch::default()];
    for (platform, device_tokens) in [("ios", &asked.ios), ("android", &asked.android)] {
        let mut fields = json!({ "platform": platform });
        for (name, value) in [
            ("title", &asked.title),
            ("message", &asked.message),
            ("app", &asked.app),
        ] {
            if let (Some(value), Some(fields)) = (value, fields.as_object_mut()) {
                fields.insert(name.to_owned(), value.as_str().into());
            }
        }
        let fields = fields.to_string();
        let fields = fields.strip_suffix('}').unwrap_or_default();
        let mut filled = FilledTemplate {
            rest: format!("{fields},\"token\":}}").into_bytes(),
            at: Some(fields.len() + ",\"token\":".len()),
            device_token: Vec::new(),
        };
        for (number, device_token) in (1..).zip(device_tokens) {
            filled.device_token.clear();
            push_json(&mut filled.device_token, device_token);
            if batches
                .last()
                .is_some_and(|last| !last.has_room_for(&filled, most))
            {
                batches.push(PushBatch::default());
            }
            if let Some(last) = batches.last_mut() {
                last.add(&filled, number);
            }
        }
    }
    batches.retain(|batch| !batch.is_empty());
    batches
}

/// Our limit: rows whose quotation marks are not closed, each of which costs a look as far as a row
/// may go.
const UNCLOSED_MAX: u32 = 1000;

/// Our limit: bytes of a template.
const TEMPLATE_MAX: usize = 64 * 1024;

/// Our limit: bytes of a line of a file of notifications.
const LINE_MAX: usize = 1024 * 1024;
