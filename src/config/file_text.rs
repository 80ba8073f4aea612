//! A file to point into, for what is found out about it after it was parsed.

use std::cell::RefCell;
use std::fmt::Display;
use std::path::Path;

use super::document::Document;
use super::key::Key;
use super::keys::APPS;
use super::problem::{Diagnostic, Severity};
use super::sections::{self, all_keys};

/// A configuration file's text and where its keys stand.
pub struct FileText<'t> {
    file: &'t str,
    /// `None` if the text is no TOML. Told before each look whose sections are meant.
    document: Option<RefCell<Document<'t>>>,
}

impl<'t> FileText<'t> {
    /// Reads a text; `file` is its name, and `is_there` looks for the files that it names.
    pub fn read(file: &'t str, text: &'t str, is_there: fn(&Path) -> bool) -> Self {
        let document = Document::parse(file, text, is_there, sections::all()).ok();
        let document = document.map(RefCell::new);
        Self { file, document }
    }

    /// What is found of a key, named `section.name`.
    fn look<T>(&self, path: &str, look: impl FnOnce(&Document<'t>, &Key) -> T) -> Option<T> {
        let (app, path) = match path
            .strip_prefix(APPS)
            .and_then(|rest| rest.strip_prefix('.'))
        {
            Some(rest) => rest.split_once('.').map(|(app, path)| (Some(app), path))?,
            None => (None, path),
        };
        let known = all_keys().find(|known| known.path() == path)?;
        // Nothing below looks here again.
        let mut document = self.document.as_ref()?.try_borrow_mut().ok()?;
        document.enter(app.map(str::to_owned));
        Some(look(&document, known))
    }

    /// Something to be said of the value of a key, named `section.name`; what follows a `; ` is the
    /// help.
    pub fn about(&self, severity: Severity, key: &str, sentence: impl Display) -> Diagnostic {
        let said = self.look(key, |document, known| {
            document.said(severity, known, &sentence)
        });
        said.unwrap_or_else(|| self.whole(severity, format_args!("{key}: {sentence}")))
    }

    /// Whether the file gives the key, named `section.name`, a value.
    pub fn has(&self, key: &str) -> bool {
        self.look(key, Document::has) == Some(true)
    }

    /// Whether that path stands at the key, named `section.name`, for all to see. A credential's
    /// does not, nor does one that comes from the environment.
    pub fn shows(&self, key: &str, path: &Path) -> bool {
        self.look(key, |document, known| document.says(known, path)) == Some(true)
    }

    /// Something to be said of no key.
    pub fn whole(&self, severity: Severity, sentence: impl Display) -> Diagnostic {
        Diagnostic::whole(severity, self.file, &sentence.to_string())
    }
}
