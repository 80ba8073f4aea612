//! A file to point into, for what is found out about it after it was parsed.

use std::fmt::Display;
use std::path::Path;

use super::document::Document;
use super::problem::{Diagnostic, Severity};
use super::sections::{self, all_keys};

/// A configuration file's text and where its keys stand.
pub struct FileText<'t> {
    file: &'t str,
    /// `None` if the text is no TOML.
    document: Option<Document<'t>>,
}

impl<'t> FileText<'t> {
    /// Reads a text; `file` is its name, and `is_there` looks for the files that it names.
    pub fn read(file: &'t str, text: &'t str, is_there: fn(&Path) -> bool) -> Self {
        let document = Document::parse(file, text, is_there, sections::all()).ok();
        Self { file, document }
    }

    /// Something to be said of the value of a key, named `section.name`; what follows a `; ` is the
    /// help.
    pub fn about(&self, severity: Severity, key: &str, sentence: impl Display) -> Diagnostic {
        let known = all_keys().find(|known| known.path() == key);
        let Some((document, known)) = self.document.as_ref().zip(known) else {
            return self.whole(severity, format_args!("{key}: {sentence}"));
        };
        document.said(severity, known, sentence)
    }

    /// Whether the file gives the key, named `section.name`, a value.
    pub fn has(&self, key: &str) -> bool {
        let known = all_keys().find(|known| known.path() == key);
        let both = self.document.as_ref().zip(known);
        both.is_some_and(|(document, known)| document.has(known))
    }

    /// Whether that path stands at the key, named `section.name`, for all to see. A credential's
    /// does not, nor does one that comes from the environment.
    pub fn shows(&self, key: &str, path: &Path) -> bool {
        let known = all_keys().find(|known| known.path() == key);
        let both = self.document.as_ref().zip(known);
        both.is_some_and(|(document, known)| document.says(known, path))
    }

    /// Something to be said of no key.
    pub fn whole(&self, severity: Severity, sentence: impl Display) -> Diagnostic {
        Diagnostic::whole(severity, self.file, &sentence.to_string())
    }
}
