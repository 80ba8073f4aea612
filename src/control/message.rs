//! What is said over the control socket.
//!
//! Pure: no I/O, no clock.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::count;

/// What the daemon is asked for: `{"do":"reload","wait":true}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "lowercase", deny_unknown_fields)]
pub enum Request {
    /// To read its configuration again.
    Reload {
        /// Whether the answer waits for what comes of it.
        wait: bool,
    },
}

/// What the daemon answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "lowercase", deny_unknown_fields)]
pub enum ControlAnswer {
    /// The request was taken; its end was not to be waited for.
    Asked,
    /// The new configuration is in force.
    Reloaded {
        /// What has changed, a line each.
        lines: Vec<String>,
    },
    /// The old configuration stays in force.
    Kept {
        /// Why, some lines each, the last of them ended.
        problems: Vec<String>,
    },
    /// It cannot be done now.
    Busy {
        /// Why.
        text: String,
    },
    /// The request makes no sense.
    Malformed {
        /// Why.
        text: String,
    },
}

/// Adds what was read to a line of at most `most` bytes; whether it is whole, and then without
/// its newline.
pub(super) fn take(line: &mut Vec<u8>, part: &[u8], most: usize) -> io::Result<bool> {
    let end = part.iter().position(|byte| *byte == b'\n');
    line.extend(part.iter().take(end.unwrap_or(part.len())));
    if line.len() > most {
        let text = format!("a line of more than {most} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
    }
    Ok(end.is_some())
}

impl Request {
    /// Reads one line, without its newline.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| format!("not a request: {error}"))
    }

    /// As one line, with its newline.
    pub fn line(self) -> Vec<u8> {
        line(&self)
    }
}

impl ControlAnswer {
    /// Reads one line, without its newline.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| format!("not an answer: {error}"))
    }

    /// As one line, with its newline; what does not fit is left out and counted.
    pub fn line(mut self) -> Vec<u8> {
        if let Self::Reloaded { lines } | Self::Kept { problems: lines } = &mut self {
            shorten(lines);
        }
        line(&self)
    }
}

fn line(message: &impl Serialize) -> Vec<u8> {
    // Strings and flags can always be written.
    let mut line = serde_json::to_vec(message).unwrap_or_default();
    line.push(b'\n');
    line
}

fn shorten(lines: &mut Vec<String>) {
    let mut bytes = 0_usize;
    let fits = |text: &String| {
        bytes = bytes.saturating_add(text.len());
        bytes <= TEXT_MAX
    };
    let kept = lines.iter().map(fits).take_while(|fits| *fits).count();
    let omitted = lines.len().saturating_sub(kept);
    if omitted > 0 {
        lines.truncate(kept);
        lines.push(format!(
            "and {} more, which the operator log has",
            count::of(omitted, "line", "lines")
        ));
    }
}

/// Our limit: for a reload and those before it; reading a few files takes milliseconds.
pub(super) const RELOAD_WITHIN: Duration = Duration::from_secs(60);

/// Our limit: bytes of a request's line; one word and one flag need forty.
pub(super) const REQUEST_MAX: usize = 1024;

/// Our limit: bytes of an answer's lines before JSON escapes them.
pub(super) const TEXT_MAX: usize = 64 * 1024;

/// Bytes of an answer's line at most: JSON makes up to six of one.
pub(super) const ANSWER_MAX: usize = 8 * TEXT_MAX;
