//! The three services that are looked like.

use std::str::FromStr;

/// Which of the three services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Apple's.
    Apns,
    /// Google's.
    Fcm,
    /// Google's token endpoint.
    OAuth,
}

impl FromStr for Provider {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = [Self::Apns, Self::Fcm, Self::OAuth].into_iter();
        let mut found = found.filter(|provider| provider.as_str() == text);
        found
            .next()
            .ok_or_else(|| format!("there is no endpoint {text:?}; there are apns, fcm, oauth"))
    }
}

impl Provider {
    /// The word used in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apns => "apns",
            Self::Fcm => "fcm",
            Self::OAuth => "oauth",
        }
    }
}
