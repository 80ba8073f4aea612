//! How a server says that it goes.

use std::str::FromStr;

use super::listed;

/// The kinds of GOAWAY.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Farewell {
    /// One, with the provider's own words; what came before it is served.
    #[default]
    Json,
    /// One with a sentence of plain text.
    Text,
    /// One without a word.
    Empty,
    /// Two: the first excludes nothing, the second names the last stream.
    Graceful,
    /// Two of the same.
    Twice,
    /// One whose last stream is below the one that brought it about.
    Below,
    /// One, and the connection is closed in the same moment.
    Abrupt,
    /// One in the place of SETTINGS, on each connection.
    First,
    /// One that refuses the client certificate.
    BadCertificate,
}

impl Farewell {
    const NAMES: [(&str, Self); 9] = [
        ("json", Self::Json),
        ("text", Self::Text),
        ("empty", Self::Empty),
        ("graceful", Self::Graceful),
        ("twice", Self::Twice),
        ("below", Self::Below),
        ("abrupt", Self::Abrupt),
        ("first", Self::First),
        ("bad-certificate", Self::BadCertificate),
    ];

    /// Its name.
    pub(super) fn as_str(self) -> &'static str {
        let found = Self::NAMES.iter().find(|(_, farewell)| *farewell == self);
        found.map_or("", |(name, _)| *name)
    }
}

impl FromStr for Farewell {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::NAMES.iter().find(|(name, _)| *name == text);
        found.map(|(_, farewell)| *farewell).ok_or_else(|| {
            let names = listed(Self::NAMES.iter().map(|(name, _)| *name));
            format!("there is no GOAWAY of the kind {text:?}; there are {names}")
        })
    }
}
