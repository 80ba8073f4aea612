//! `[log]`: where the logs go.

use ::log::LevelFilter;

use super::document::Document;
use super::keys;

/// `[log]`: where the logs go, each `stdout`, `stderr`, `discard` or a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Requests, accepted and succeeded pushes.
    pub access_log: String,
    /// Failed and disabled pushes, and refused requests.
    pub error_log: String,
    /// What happens to the process, for its operator.
    pub operator_log: String,
    /// Least severe operator line that is written.
    pub level: LevelFilter,
}

impl Log {
    /// Takes the section. `None` if it cannot be used for reasons now noted.
    pub(super) fn take(document: &mut Document<'_>) -> Option<Self> {
        let access_log = document.text(&keys::LOG_ACCESS_LOG);
        let error_log = document.text(&keys::LOG_ERROR_LOG);
        let operator_log = document.text(&keys::LOG_OPERATOR_LOG);
        let level = take_level(document);
        Some(Self {
            access_log: access_log?,
            error_log: error_log?,
            operator_log: operator_log?,
            level: level?,
        })
    }
}

/// Reads the level names of zap, which Gaurun's files use, in whatever case.
fn take_level(document: &mut Document<'_>) -> Option<LevelFilter> {
    let key = &keys::LOG_LEVEL;
    let level = match document.text(key)?.to_ascii_lowercase().as_str() {
        "debug" => LevelFilter::Debug,
        "info" => LevelFilter::Info,
        "warn" => LevelFilter::Warn,
        "error" | "dpanic" | "panic" | "fatal" => LevelFilter::Error,
        _ => {
            document.refuse(key);
            return None;
        }
    };
    Some(level)
}
