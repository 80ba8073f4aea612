//! What was tried for a push so far.

use std::time::Duration;

/// How far a push has come, for a restart to continue from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// Attempts that count.
    pub attempts: u16,
    /// Refusals in a row that proved the provider never processed the push.
    pub refusals: u16,
    /// Whether an attempt ended without an answer, so that the provider may have it.
    pub maybe_sent: bool,
    /// Whether a refusal that is given one more try has had it.
    pub used_its_second_chance: bool,
    /// When the first attempt began, since 1970.
    pub first_attempt: Option<Duration>,
}
