//! The token that another identity provider has given this workload: where it is, and reading it.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::answer::ExchangeFailure;
use super::call::{EXCHANGE_TIMEOUT, ServerCall};
use super::file_reading::FileReadings;
use crate::pasted;
use crate::regular;

/// Our limit: bytes of a subject token, and of the file that holds one; those of OIDC have about a
/// thousand.
pub const SUBJECT_TOKEN_MAX: usize = 48 * 1024;

/// Our limit: how long a subject token's file is waited for where no token is asked for yet, such
/// as at the start, which other apps wait for.
const DOUBT_TIMEOUT: Duration = Duration::from_secs(1);

/// The files of all accounts, which many of them may share.
static READINGS: FileReadings = FileReadings::new();

/// Where the subject token comes from.
#[derive(Debug)]
pub(super) struct SubjectSource {
    pub(super) place: SubjectPlace,
    pub(super) form: SubjectTokenForm,
}

/// Where a content with the subject token is.
pub(super) enum SubjectPlace {
    /// In a file.
    File(PathBuf),
    /// Behind a URL.
    Url {
        url: String,
        /// The URL as messages have it, without what may be a secret.
        shown: String,
        /// Header fields of the request, which may be secrets.
        fields: Vec<(String, String)>,
    },
}

/// How the content holds it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SubjectTokenForm {
    /// It is the content.
    Text,
    /// It is a field of an object.
    Json { field: String },
}

/// Hides the header fields, the query and what is like a key, which may be secrets.
impl fmt::Debug for SubjectPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => {
                let path = path.to_string_lossy();
                f.debug_tuple("File").field(&pasted::shown(&path)).finish()
            }
            Self::Url { shown, .. } => f.debug_tuple("Url").field(shown).finish(),
        }
    }
}

/// Reads it. Whatever is wrong with it may be mended by whoever writes it, so that any trouble
/// passes, as far as anyone knows.
pub(super) fn read(source: &SubjectSource, agent: &ureq::Agent) -> Result<String, ExchangeFailure> {
    let (whence, content) = match &source.place {
        SubjectPlace::File(path) => {
            return of_file(path, &source.form, EXCHANGE_TIMEOUT).map_err(passing);
        }
        SubjectPlace::Url { url, shown, fields } => {
            let whom = format!("the subject token's address {shown}");
            let call = ServerCall { whom: &whom, agent };
            let heard = call.get(url, fields)?;
            if heard.status != 200 {
                let status = heard.status;
                return Err(passing(format!("{whom} answered {status} and no token")));
            }
            (whom, heard.body)
        }
    };
    token(&content, &source.form).map_err(|what| passing(format!("{whence}: {what}")))
}

/// Why the file that it is to be in has none now, if so.
pub(super) fn doubt(source: &SubjectSource) -> Option<String> {
    match &source.place {
        SubjectPlace::File(path) => of_file(path, &source.form, DOUBT_TIMEOUT).err(),
        SubjectPlace::Url { .. } => None,
    }
}

fn passing(text: String) -> ExchangeFailure {
    ExchangeFailure::passing(text)
}

fn of_file(path: &Path, form: &SubjectTokenForm, within: Duration) -> Result<String, String> {
    let found = READINGS.read(path, within, content_of);
    let file = found.unwrap_or_else(|| {
        Err(format!(
            "the subject token's file {} could not be read within {} s: the file system that it is \
             on may hang",
            pasted::shown(&path.to_string_lossy()),
            within.as_secs()
        ))
    })?;
    let text = String::from_utf8_lossy(regular::without_mark(&file));
    token(&text, form).map_err(|what| format!("{}: {what}", whence(path)))
}

fn content_of(path: &Path) -> Result<Vec<u8>, String> {
    regular::read(path, SUBJECT_TOKEN_MAX).map_err(|error| {
        match pasted::why_no_path(&path.to_string_lossy(), path, Path::exists) {
            Some(why) => format!("credential_source.file: {why}"),
            None => format!("{} cannot be read: {error}", whence(path)),
        }
    })
}

fn whence(path: &Path) -> String {
    format!("the subject token's file {}", path.display())
}

/// The token that a content holds.
fn token(content: &str, form: &SubjectTokenForm) -> Result<String, Cow<'static, str>> {
    if content.len() > SUBJECT_TOKEN_MAX {
        return Err(format!("over {SUBJECT_TOKEN_MAX} bytes, more than a token has").into());
    }
    let found = match form {
        SubjectTokenForm::Text => content.trim_ascii().to_owned(),
        SubjectTokenForm::Json { field } => {
            let json: Option<Value> = serde_json::from_str(content).ok();
            let found = json.as_ref().and_then(|json| json.get(field)?.as_str());
            let found = found.ok_or_else(|| {
                let field = pasted::shown(field);
                format!("no JSON object with a text {field:?} in it")
            })?;
            found.trim_ascii().to_owned()
        }
    };
    if found.is_empty() {
        return Err("no token in it".into());
    }
    if !found.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("a text with blanks or other characters that no token has".into());
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
