//! The device tokens that logs call dead, and those that may be.
//!
//! Pure: no file, no clock.
//!
//! Who registered a token after the provider called it dead, or was reached by a push to it, has a
//! token that lives. When it was called dead is the provider's own time (Apple's 410), else that of
//! the line. Lines say whole seconds, so that within one second the token lives.

use std::borrow::Cow;
use std::collections::HashMap;

use super::token_line::{SaidOfToken, TokenWord};
use crate::provider::{self, REASON_MAX};
use crate::push::LaneId;

/// Our limit: dead device tokens kept while logs are read, of about 400 bytes each.
pub const DEAD_MAX: usize = 4_000_000;

/// Our limit: doubtful device tokens kept while logs are read.
pub const SUSPECTS_MAX: usize = 100_000;

/// A device token that the provider refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedToken {
    /// Its app and platform.
    pub lane: LaneId,
    /// As the last line has it.
    pub token: Box<str>,
    /// The provider's word, of that line.
    pub reason: Cow<'static, str>,
    /// Since when it is dead, in milliseconds since the Unix epoch, as the provider says.
    pub gone_since: Option<u64>,
    /// When it was refused first, in seconds since the Unix epoch.
    pub first_seen: u64,
    /// And last.
    pub last_seen: u64,
}

/// All that is known of one.
#[derive(Debug)]
struct KnownToken {
    refused: RefusedToken,
    /// When it was dead, in milliseconds since the Unix epoch, by the latest that was said.
    dead_at: u64,
    /// When it was last seen alive, in seconds since the Unix epoch.
    alive_at: Option<u64>,
}

/// Tokens of one kind, up to a number.
#[derive(Debug)]
struct TokenTable {
    tokens: HashMap<LaneId, HashMap<Box<str>, KnownToken>>,
    count: usize,
    most: usize,
    /// Lines about others.
    over: u64,
}

/// What is said of tokens: at first by failed pushes, then by those that succeeded.
#[derive(Debug)]
pub(super) struct TokenFold {
    dead: TokenTable,
    suspects: TokenTable,
    since: u64,
}

/// What logs say of device tokens.
#[derive(Debug, Default)]
pub struct RefusedTokens {
    /// Certainly dead, in the order in which they were refused first.
    pub dead: Vec<RefusedToken>,
    /// Refused, but the configuration or the message may be at fault; in the same order.
    pub suspects: Vec<RefusedToken>,
    /// How many were called dead, and were seen alive later.
    pub alive: u64,
    /// Lines about dead tokens beyond [`DEAD_MAX`].
    pub dead_over: u64,
    /// Lines about doubtful ones beyond [`SUSPECTS_MAX`].
    pub suspects_over: u64,
}

impl TokenFold {
    /// Passes over refusals before `since`, in seconds since the Unix epoch.
    pub(super) fn new(since: u64) -> Self {
        Self {
            dead: TokenTable::of(DEAD_MAX),
            suspects: TokenTable::of(SUSPECTS_MAX),
            since,
        }
    }

    /// Whether no token was refused.
    pub(super) fn is_empty(&self) -> bool {
        self.dead.count + self.suspects.count == 0
    }

    /// Takes what a line says.
    pub(super) fn note(&mut self, said: &SaidOfToken<'_>) {
        match &said.what {
            TokenWord::Alive => {
                self.dead.live(said);
                self.suspects.live(said);
            }
            TokenWord::Refused { .. } if said.at < self.since => {}
            TokenWord::Refused { is_dead: true, .. } => self.dead.refuse(said),
            TokenWord::Refused { .. } => self.suspects.refuse(said),
        }
    }

    /// What it comes to.
    pub(super) fn finish(self) -> RefusedTokens {
        let (dead_over, suspects_over) = (self.dead.over, self.suspects.over);
        let mut alive = 0;
        let dead = self.dead;
        let mut suspects = self.suspects;
        for (lane, tokens) in &mut suspects.tokens {
            if let Some(dead) = dead.tokens.get(lane) {
                tokens.retain(|token, _| !dead.contains_key(token));
            }
        }
        RefusedTokens {
            dead: dead.take(|| alive += 1),
            suspects: suspects.take(|| ()),
            alive,
            dead_over,
            suspects_over,
        }
    }
}

impl TokenTable {
    fn of(most: usize) -> Self {
        Self {
            tokens: HashMap::new(),
            count: 0,
            most,
            over: 0,
        }
    }

    fn live(&mut self, said: &SaidOfToken<'_>) {
        let Some(tokens) = self.tokens.get_mut(&said.lane) else {
            return;
        };
        if let Some(known) = tokens.get_mut(&*folded(said)) {
            known.alive_at = known.alive_at.max(Some(said.at));
        }
    }

    fn refuse(&mut self, said: &SaidOfToken<'_>) {
        let TokenWord::Refused {
            reason, gone_since, ..
        } = &said.what
        else {
            return;
        };
        let dead_at = gone_since.unwrap_or_else(|| said.at.saturating_mul(1000));
        let tokens = self.tokens.entry(said.lane).or_default();
        let token = folded(said);
        let Some(known) = tokens.get_mut(&*token) else {
            if self.count == self.most {
                self.over = self.over.saturating_add(1);
                return;
            }
            self.count += 1;
            let refused = RefusedToken {
                lane: said.lane,
                token: said.token.into(),
                reason: owned(said, reason),
                gone_since: *gone_since,
                first_seen: said.at,
                last_seen: said.at,
            };
            let known = KnownToken {
                refused,
                dead_at,
                alive_at: None,
            };
            tokens.insert(token.into(), known);
            return;
        };
        known.dead_at = known.dead_at.max(dead_at);
        let refused = &mut known.refused;
        refused.first_seen = refused.first_seen.min(said.at);
        if said.at >= refused.last_seen {
            refused.last_seen = said.at;
            if *refused.token != *said.token {
                refused.token = said.token.into();
            }
            refused.reason = owned(said, reason);
            refused.gone_since = *gone_since;
        }
    }

    /// Those that were not seen alive after they were called dead; `alive` hears of each other.
    fn take(self, mut alive: impl FnMut()) -> Vec<RefusedToken> {
        let known = self.tokens.into_values().flat_map(HashMap::into_values);
        let mut left: Vec<_> = known
            .filter(|known| {
                let lives = known.alive_at.is_some_and(|at| at >= known.dead_at / 1000);
                if lives {
                    alive();
                }
                !lives
            })
            .map(|known| known.refused)
            .collect();
        left.sort_unstable_by(|a, b| {
            let by = |it: &RefusedToken| (it.first_seen, it.lane.number());
            (by(a), &a.token).cmp(&(by(b), &b.token))
        });
        left
    }
}

/// The spelling by which two are the same token.
fn folded<'a>(said: &SaidOfToken<'a>) -> Cow<'a, str> {
    provider::of(said.lane.provider()).folded_token(said.token)
}

/// The word for longer than its line; those that are known take no room.
fn owned(said: &SaidOfToken<'_>, reason: &str) -> Cow<'static, str> {
    let advice = provider::of(said.lane.provider()).advice().iter();
    match advice.map(|it| it.reason).find(|word| *word == reason) {
        Some(word) => Cow::Borrowed(word),
        None => Cow::Owned(reason.chars().take(REASON_MAX).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<'a>(token: &'a str, what: TokenWord<'a>) -> SaidOfToken<'a> {
        SaidOfToken {
            at: 10,
            lane: LaneId::ANDROID,
            token,
            what,
        }
    }

    fn refused<'a>(token: &'a str, reason: &'a str) -> SaidOfToken<'a> {
        let what = TokenWord::Refused {
            is_dead: true,
            reason: reason.into(),
            gone_since: None,
        };
        said(token, what)
    }

    #[test]
    fn beyond_what_is_kept_lines_are_counted() {
        let mut table = TokenTable::of(2);
        for token in ["a", "b", "c", "a", "d", "c"] {
            table.refuse(&refused(token, "UNREGISTERED"));
        }
        assert_eq!((table.count, table.over), (2, 3));
        table.live(&said("c", TokenWord::Alive));
        let left = table.take(|| panic!("none lives"));
        let left: Vec<_> = left.iter().map(|it| &*it.token).collect();
        assert_eq!(left, ["a", "b"]);
    }

    #[test]
    fn a_word_of_a_later_version_is_kept_and_cut() {
        let long = "X".repeat(REASON_MAX + 1);
        let kept = "X".repeat(REASON_MAX);
        for (reason, kept) in [("UNREGISTERED", "UNREGISTERED"), (&long, &kept)] {
            let mut table = TokenTable::of(1);
            table.refuse(&refused("a", reason));
            assert_eq!(table.take(|| ())[0].reason, kept);
        }
    }
}
