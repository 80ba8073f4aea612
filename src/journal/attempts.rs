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
    /// How often it was refused as if by a bad credential while others were taken, and how old it
    /// was at the first, in seconds.
    pub contradictions: (u8, u32),
    /// When the first attempt began, since 1970.
    pub first_attempt: Option<Duration>,
    /// When the next attempt is due, since 1970.
    pub due: Option<Duration>,
    /// Until when its lane rests, since 1970.
    pub rest: Option<Duration>,
}

/// Leaves the last word on each push: what cannot be written grows no longer than the pushes are
/// many.
pub(super) fn keep_last(states: &mut Vec<(u64, Attempts)>) {
    states.reverse();
    states.sort_by_key(|(id, _)| *id);
    states.dedup_by_key(|(id, _)| *id);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_on_a_push_stays() {
        let after = |attempts| Attempts {
            attempts,
            ..Attempts::default()
        };
        let mut states = vec![(2, after(1)), (1, after(1)), (2, after(2)), (2, after(3))];
        keep_last(&mut states);
        assert_eq!(states, [(1, after(1)), (2, after(3))]);
    }
}
