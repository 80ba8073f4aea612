//! Hints that this machine's clock is wrong.

use std::time::Duration;

use crate::config::{Diagnostic, FileText, Severity};
use crate::moment::server_clock::{SKEW_MAX, span};

/// A file that was changed in the future: the clock was right then, or is right now, not both.
pub fn from_the_future(
    source: &FileText<'_>,
    changed: Duration,
    now: Duration,
) -> Option<Diagnostic> {
    let ahead = changed.checked_sub(now).filter(|ahead| *ahead > SKEW_MAX)?;
    let text = format!(
        "the file was changed {} in the future: this machine's clock is wrong, or was; auth tokens \
         and certificates need a right one, see timedatectl",
        span(ahead)
    );
    Some(source.whole(Severity::Warning, text))
}
