//! `[log]`: where the logs go.

use std::path::PathBuf;

use ::log::LevelFilter;

use super::document::Document;
use super::key::InForce::AtReloadOfLogs;
use super::key::Key;
use super::key::Migration::ByDefault;
use super::keys::DESTINATION_FORM;
use super::section::section;
use super::value::{ToValue, Value, of_mode};

section! {
    /// `[log]`: where the logs go, each `stdout`, `stderr`, `discard` or a path.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Log, keys LogKeys of (),
    by (keys, document, _surroundings), shown of log:

    /// Requests, accepted and succeeded pushes.
    pub access_log: String = Key::text(
        "stdout",
        DESTINATION_FORM,
        "Requests, accepted and succeeded pushes: one JSON object a line",
    )
    .in_force(AtReloadOfLogs);
    /// Failed and disabled pushes, and refused requests.
    pub error_log: String = Key::text(
        "stderr",
        DESTINATION_FORM,
        "Failed and disabled pushes, and what was wrong with requests: one JSON object a line",
    )
    .in_force(AtReloadOfLogs);
    /// What happens to the process, for its operator.
    pub operator_log: String = Key::text(
        "stderr",
        DESTINATION_FORM,
        "What happens to the daemon: plain text, or lines of JSON where the access or error log \
         has the same place",
    )
    .unlike_gaurun(
        "lines without a type in the error log",
        "a log of its own; in the same place, lines of JSON as there",
        "the error log holds what became of pushes and requests, and nothing else",
    )
    .in_force(AtReloadOfLogs);
    /// Mode that the logs' files are created with.
    pub mode: u32 { document.mode(&keys.mode, OWNER_WRITES) } = Key::text(
        "0640",
        "octal digits such as \"0640\", with which the owner may write",
        "Mode that the file of a log is created with, whatever the umask; one that is there keeps \
         its own",
    )
    .unlike_gaurun(
        "0644, less the umask",
        "0640",
        "device tokens and texts are in the push log, and not for every user of the host",
    ),
    shown Some(of_mode(log.mode));
    /// How the access and error log show device tokens.
    pub hide_token: HideToken { HideToken::take(keys, document) } = Key::text(
        "no",
        "\"no\", \"hash\" or \"yes\"",
        "How the access and error log show device tokens: as they are, as a keyed hash that still \
         joins lines, or not at all",
    );
    hash_key_path = Key::file(
        "The key of `hide_token = \"hash\"`: a file of 16 bytes or more, the same on all daemons \
         whose lines are to be joined",
    ),
    shown Some(log.hide_token.key_path().map_or(Value::Absent, ToValue::value));
    /// Whether the access and error log leave out what the user reads.
    pub hide_message: bool = Key::flag(
        false,
        "Leaves `message`, `title` and `subtitle` out of the access and error log",
    );
    /// Least severe operator line that is written.
    pub level: LevelFilter { take_level(keys, document) } = Key::text(
        "info",
        "\"debug\", \"info\", \"warn\" or \"error\" (\"dpanic\", \"panic\" and \"fatal\" count as \
         error)",
        "Least severe line that the operator log takes; outcomes of pushes are always written. At \
         \"debug\" text after a request's JSON is refused, as by Gaurun",
    )
    .unlike_gaurun(
        "error; \"panic\" and \"fatal\" dropped the outcomes of failed pushes too",
        "info; outcomes are always written",
        "an outcome that is not written cannot be found again",
    )
    .migrated(ByDefault);
    => parts:
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
    fn take(keys: &'static LogKeys, document: &mut Document<'_>) -> Option<Self> {
        let key = &keys.hide_token;
        let key_path = document.file(&keys.hash_key_path);
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
            &[&keys.hash_key_path],
            "ignored: log.hide_token is not \"hash\"",
        );
        Some(chosen)
    }

    /// The file with the key of hashes.
    fn key_path(&self) -> Option<&PathBuf> {
        match self {
            Self::Hash { key_path } => Some(key_path),
            Self::No | Self::Yes => None,
        }
    }
}

impl ToValue for HideToken {
    fn value(&self) -> Value {
        let word = match self {
            Self::No => "no",
            Self::Hash { .. } => "hash",
            Self::Yes => "yes",
        };
        Value::Text(word.to_owned())
    }
}

impl ToValue for LevelFilter {
    fn value(&self) -> Value {
        Value::Text(self.as_str().to_ascii_lowercase())
    }
}

/// Reads the level names of zap, which Gaurun's files use, in whatever case.
fn take_level(keys: &'static LogKeys, document: &mut Document<'_>) -> Option<LevelFilter> {
    let key = &keys.level;
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
