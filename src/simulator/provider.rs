//! The services that are looked like.

use std::str::FromStr;

/// Which of the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provider {
    /// Apple's.
    Apns,
    /// Google's.
    Fcm,
    /// Google's token endpoint.
    OAuth,
    /// Apple's, where broadcast channels are managed.
    Channels,
}

impl FromStr for Provider {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut found = Self::ALL.into_iter();
        let found = found.find(|provider| provider.as_str() == text);
        found.ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            format!("there is no endpoint {text:?}; there are {all}")
        })
    }
}

impl Provider {
    /// All of them.
    const ALL: [Self; 4] = [Self::Apns, Self::Fcm, Self::OAuth, Self::Channels];

    /// Whether pushes go there: other services have a request now and then.
    pub const fn takes_pushes(self) -> bool {
        matches!(self, Self::Apns | Self::Fcm)
    }

    /// The word used in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Apns => "apns",
            Self::Fcm => "fcm",
            Self::OAuth => "oauth",
            Self::Channels => "channels",
        }
    }
}
