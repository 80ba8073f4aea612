//! How lines look that are about the daemon itself.

use std::io::{self, IsTerminal as _};

use super::destination::Destination;

/// How the operator log's lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Text, for people.
    Text,
    /// JSON objects with `level`, `time` and `message`, as texts have in the push log.
    Json,
}

impl Shape {
    /// How is told on standard error what the operator log cannot say, because it is not open, or
    /// closed again: as lines of a push log that goes there too, unless it is a terminal's, where a
    /// person reads it.
    pub fn on_stderr(push_logs: &[Destination]) -> Self {
        let stderr = Destination::Stderr.identity();
        let is_shared = push_logs.iter().any(|log| log.identity() == stderr);
        if is_shared && stderr.is_some() && !io::stderr().is_terminal() {
            Self::Json
        } else {
            Self::Text
        }
    }
}
