//! What streams a feed has.
//!
//! Pure.

/// One of the streams of records that a feed keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FeedStream {
    /// How each push ended.
    Settlements,
    /// Device tokens that are dead.
    DeadTokens,
}

impl FeedStream {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Settlements, Self::DeadTokens];

    /// Its word in names of files, in cursors and in what is told.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Settlements => "settlements",
            Self::DeadTokens => "dead-tokens",
        }
    }

    /// Where it is asked for.
    pub const fn path(self) -> &'static str {
        match self {
            Self::Settlements => "/settlements",
            Self::DeadTokens => "/tokens/dead",
        }
    }

    /// Of what there is for each of [`FeedStream::ALL`], that of this one.
    pub fn of<T>(self, [settlements, dead_tokens]: &[T; 2]) -> &T {
        match self {
            Self::Settlements => settlements,
            Self::DeadTokens => dead_tokens,
        }
    }

    /// As [`FeedStream::of`], to be changed.
    pub fn of_mut<T>(self, [settlements, dead_tokens]: &mut [T; 2]) -> &mut T {
        match self {
            Self::Settlements => settlements,
            Self::DeadTokens => dead_tokens,
        }
    }
}
