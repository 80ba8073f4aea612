//! Hints that this machine's clock is wrong.

use std::time::Duration;

use crate::config::{Diagnostic, FileText, Severity};

/// How far a clock may be off before it is worth a word.
pub(super) const SKEW_MAX: Duration = Duration::from_secs(60);

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

/// A warning if a provider's clock says something else than ours.
pub(super) fn skew(source: &FileText<'_>, theirs: u64, ours: u64) -> Option<Diagnostic> {
    let apart = theirs.abs_diff(ours);
    if apart <= SKEW_MAX.as_secs() {
        return None;
    }
    let direction = if theirs > ours { "behind" } else { "ahead of" };
    let text = format!(
        "this machine's clock is {} {direction} the provider's; set it, for example with: \
         timedatectl set-ntp true",
        span(Duration::from_secs(apart))
    );
    Some(source.whole(Severity::Warning, text))
}

/// A time in its largest unit.
pub(super) fn span(time: Duration) -> String {
    let secs = time.as_secs();
    let (number, unit) = match secs {
        0..120 => (secs, "seconds"),
        120..7200 => (secs / 60, "minutes"),
        7200..172_800 => (secs / 3600, "hours"),
        _ => (secs / 86_400, "days"),
    };
    format!("{number} {unit}")
}
