//! `[log]`: where the logs go.

use std::path::PathBuf;

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
    /// Mode that their files are created with.
    pub mode: u32,
    /// How the first two show device tokens.
    pub hide_token: HideToken,
    /// Whether the first two leave out what the user reads.
    pub hide_message: bool,
    /// Least severe operator line that is written.
    pub level: LevelFilter,
}

impl Log {
    /// Where the access, the error and the operator log go, each by the path of its key.
    pub fn destinations(&self) -> [(&'static str, &str); 3] {
        [
            ("log.access_log", &self.access_log),
            ("log.error_log", &self.error_log),
            ("log.operator_log", &self.operator_log),
        ]
    }

    /// Takes the section. `None` if it cannot be used for reasons now noted.
    pub(super) fn take(document: &mut Document<'_>) -> Option<Self> {
        let access_log = document.text(&keys::LOG_ACCESS_LOG);
        let error_log = document.text(&keys::LOG_ERROR_LOG);
        let operator_log = document.text(&keys::LOG_OPERATOR_LOG);
        let mode = document.mode(&keys::LOG_MODE, OWNER_WRITES);
        let hide_token = HideToken::take(document);
        let hide_message = document.flag(&keys::LOG_HIDE_MESSAGE);
        let level = take_level(document);
        Some(Self {
            hide_token: hide_token?,
            hide_message,
            access_log: access_log?,
            error_log: error_log?,
            operator_log: operator_log?,
            mode: mode?,
            level: level?,
        })
    }
}

/// What a log's file must let its owner do: the daemon opens it again after a rotation.
const OWNER_WRITES: u32 = 0o200;

/// How the access and error log show device tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HideToken {
    /// As the caller spelled them.
    No,
    /// As a keyed hash.
    Hash {
        /// `hash_key_path`: the file with the key.
        key_path: PathBuf,
    },
    /// Not at all.
    Yes,
}

impl HideToken {
    fn take(document: &mut Document<'_>) -> Option<Self> {
        let key = &keys::LOG_HIDE_TOKEN;
        let key_path = document.file(&keys::LOG_HASH_KEY_PATH);
        let chosen = match document.text(key)?.as_str() {
            "no" => Self::No,
            "yes" => Self::Yes,
            "hash" => {
                if let Some(key_path) = key_path {
                    return Some(Self::Hash { key_path });
                }
                document.refuse_because(
                    key,
                    "needs log.hash_key_path, a file made by: openssl rand -out FILE 32",
                );
                return None;
            }
            _ => {
                document.refuse(key);
                return None;
            }
        };
        document.warn_first(
            &[&keys::LOG_HASH_KEY_PATH],
            "ignored: log.hide_token is not \"hash\"",
        );
        Some(chosen)
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
