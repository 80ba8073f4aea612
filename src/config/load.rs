//! The shell around the parser: reads the file.

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::environment::Environment;
use super::{Config, ConfigError, Overrides, Warning, sections};
use crate::pasted;
use crate::regular;

impl Config {
    /// The configuration of the file at `path`, or at [`DEFAULT_PATH`], and what may surprise its
    /// writer.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, and all that keeps it from being used.
    pub fn load(
        path: Option<&Path>,
        overrides: Overrides,
        environment: &Environment,
    ) -> Result<(Self, Vec<Warning>), ConfigError> {
        let (name, text) = read_text(path)?;
        Self::parse(&name, &text, overrides, environment)
    }
}

/// Where the daemon of that file listens for `sterna reload`, however broken the file is.
pub fn control_socket(path: Option<&Path>, environment: &Environment) -> Option<PathBuf> {
    let path = path.unwrap_or(Path::new(DEFAULT_PATH));
    let bytes = regular::read(path, FILE_MAX).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let (table, _) = DeTable::parse_recoverable(&text);
    let section = table.get_ref().get(sections::CORE.control_socket.section);
    let value = section
        .and_then(|section| section.get_ref().as_table())
        .and_then(|section| section.get(sections::CORE.control_socket.name))
        .and_then(|value| value.get_ref().as_str());
    match value {
        Some(path) if !path.is_empty() && !pasted::is_secret(path) => Some(PathBuf::from(path)),
        _ => environment.control_socket(),
    }
}

/// Reads the file at `path`, or at [`DEFAULT_PATH`]; its name and its text.
///
/// # Errors
///
/// When there is no such file, or it is too large or not UTF-8.
pub fn read_text(path: Option<&Path>) -> Result<(String, String), ConfigError> {
    let given = path.is_some();
    let path = path.unwrap_or(Path::new(DEFAULT_PATH));
    let name = path.to_string_lossy().into_owned();
    let fail = |text: String| ConfigError::whole(&name, &text);
    let bytes = regular::read(path, FILE_MAX).map_err(|error| {
        let hint = if given {
            ""
        } else {
            "; name the configuration file with -c"
        };
        fail(format!("cannot be read: {error}{hint}"))
    })?;
    if bytes.len() > FILE_MAX {
        return Err(fail(format!("is larger than {FILE_MAX} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        fail(format!(
            "is not UTF-8: invalid byte at offset {}",
            error.utf8_error().valid_up_to()
        ))
    })?;
    Ok((name, text))
}

/// The file that is read if the command line names none.
pub const DEFAULT_PATH: &str = "/etc/sterna/sterna.toml";

/// Bytes of the file: a thousand times what all keys take, and a wrong path ends quickly.
pub(super) const FILE_MAX: usize = 1024 * 1024;
