//! Places in a stream, as readers name them.
//!
//! Pure.

use std::fmt;

use super::stream::FeedStream;

/// How far a reader has come: everything up to that record, and with it.
///
/// As text it is `STREAM.EPOCH.NUMBER`, of which readers are to know nothing. The epoch is another
/// one for a feed that has begun anew, since its files went: a cursor of the one before names
/// nothing in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) stream: FeedStream,
    pub(super) epoch: u32,
    /// The number of the last record that was seen; 0 before the first.
    pub(super) number: u64,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.stream.word(), self.epoch, self.number)
    }
}

impl Cursor {
    /// The cursor of a text, if it is one, and is spelt as it was given.
    pub(super) fn of(text: &str) -> Option<Self> {
        let (word, rest) = text.split_once('.')?;
        let (epoch, number) = rest.split_once('.')?;
        let mut streams = FeedStream::ALL.into_iter();
        let cursor = Self {
            stream: streams.find(|stream| stream.word() == word)?,
            epoch: epoch.parse().ok()?,
            number: number.parse().ok()?,
        };
        (cursor.to_string() == text).then_some(cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written_and_nothing_else_is_one() {
        let cursor = Cursor {
            stream: FeedStream::DeadTokens,
            epoch: 11_259_375,
            number: 17,
        };
        assert_eq!(cursor.to_string(), "dead-tokens.11259375.17");
        assert_eq!(Cursor::of("dead-tokens.11259375.17"), Some(cursor));
        for wrong in [
            "",
            "17",
            "dead-tokens",
            "dead-tokens.11259375",
            "dead-tokens.11259375.",
            "dead-tokens.011259375.17",
            "dead-tokens.+11259375.17",
            "dead-tokens.abcdef.17",
            "dead-tokens.11259375.017",
            "dead-tokens.11259375.+17",
            "dead-tokens.11259375.-1",
            "dead-tokens.11259375.17 ",
            "dead-tokens.11259375.18446744073709551616",
            "dead-tokens.4294967296.17",
            "deadtokens.11259375.17",
            "Settlements.11259375.17",
        ] {
            assert_eq!(Cursor::of(wrong), None, "{wrong}");
        }
        let last = "settlements.0.18446744073709551615";
        assert_eq!(
            Cursor::of(last).map(|cursor| cursor.to_string()).as_deref(),
            Some(last)
        );
    }
}
