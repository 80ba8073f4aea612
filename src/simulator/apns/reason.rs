//! APNs' refusals, and the device tokens that ask for them.

use crate::simulator::answer::Standing;

/// A refusal: its status and Apple's word for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::simulator) struct Reason {
    pub(super) status: u16,
    pub(in crate::simulator) word: &'static str,
}

/// Declares the reasons as constants.
macro_rules! reasons {
    ($($name:ident = $status:literal $word:literal;)*) => {
        impl Reason {
            /// All of them.
            pub(in crate::simulator) const ALL: &'static [Self] = &[$(Self::$name),*];

            $(pub(super) const $name: Self = Self { status: $status, word: $word };)*
        }
    };
}

reasons! {
    BAD_CHANNEL_ID = 400 "BadChannelId";
    BAD_COLLAPSE_ID = 400 "BadCollapseId";
    BAD_DEVICE_TOKEN = 400 "BadDeviceToken";
    BAD_EXPIRATION_DATE = 400 "BadExpirationDate";
    BAD_MESSAGE_ID = 400 "BadMessageId";
    BAD_PRIORITY = 400 "BadPriority";
    BAD_REQUEST_PARAMS = 400 "BadRequestParams";
    BAD_REQUEST_PAYLOAD = 400 "BadRequestPayload";
    BAD_TOPIC = 400 "BadTopic";
    CANNOT_CREATE_CHANNEL_CONFIG = 400 "CannotCreateChannelConfig";
    CHANNEL_NOT_REGISTERED = 400 "ChannelNotRegistered";
    DEVICE_TOKEN_NOT_FOR_TOPIC = 400 "DeviceTokenNotForTopic";
    DUPLICATE_HEADERS = 400 "DuplicateHeaders";
    FEATURE_NOT_ENABLED = 400 "FeatureNotEnabled";
    IDLE_TIMEOUT = 400 "IdleTimeout";
    INVALID_PUSH_TYPE = 400 "InvalidPushType";
    MISSING_CHANNEL_ID = 400 "MissingChannelId";
    MISSING_DEVICE_TOKEN = 400 "MissingDeviceToken";
    MISSING_PUSH_TYPE = 400 "MissingPushType";
    MISSING_TOPIC = 400 "MissingTopic";
    PAYLOAD_EMPTY = 400 "PayloadEmpty";
    TOPIC_DISALLOWED = 400 "TopicDisallowed";
    UNKNOWN_400 = 400 "SomethingNew";
    BAD_CERTIFICATE = 403 "BadCertificate";
    BAD_CERTIFICATE_ENVIRONMENT = 403 "BadCertificateEnvironment";
    BAD_ENVIRONMENT_KEY = 403 "BadEnvironmentKeyIdInToken";
    BAD_ENVIRONMENT_KEY_IN_TOKEN = 403 "BadEnvironmentKeyInToken";
    EXPIRED_PROVIDER_TOKEN = 403 "ExpiredProviderToken";
    FORBIDDEN = 403 "Forbidden";
    INVALID_PROVIDER_TOKEN = 403 "InvalidProviderToken";
    MISSING_PROVIDER_TOKEN = 403 "MissingProviderToken";
    TOPIC_MISMATCH = 403 "TopicMismatch";
    UNRELATED_KEY = 403 "UnrelatedKeyIdInToken";
    BAD_PATH = 404 "BadPath";
    METHOD_NOT_ALLOWED = 405 "MethodNotAllowed";
    EXPIRED_TOKEN = 410 "ExpiredToken";
    UNREGISTERED = 410 "Unregistered";
    PAYLOAD_TOO_LARGE = 413 "PayloadTooLarge";
    TOO_MANY_PROVIDER_TOKEN_UPDATES = 429 "TooManyProviderTokenUpdates";
    TOO_MANY_REQUESTS = 429 "TooManyRequests";
    INTERNAL_SERVER_ERROR = 500 "InternalServerError";
    SERVICE_UNAVAILABLE = 503 "ServiceUnavailable";
    SHUTDOWN = 503 "Shutdown";
}

impl Reason {
    /// The failures that `Faults::fail_percent` mixes.
    pub(in crate::simulator) const FAILURES: [Self; 3] = [
        Self::TOO_MANY_REQUESTS,
        Self::INTERNAL_SERVER_ERROR,
        Self::SERVICE_UNAVAILABLE,
    ];

    /// A refusal of the credential says nothing about the push.
    pub(super) fn standing(self) -> Standing {
        match self.status {
            400 if self == Self::IDLE_TIMEOUT => Standing::TurnedAway,
            403 if ![Self::FORBIDDEN, Self::TOPIC_MISMATCH].contains(&self) => Standing::TurnedAway,
            429 | 500.. => Standing::TurnedAway,
            _ => Standing::Refused,
        }
    }
}

/// What a device token asks for by how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    /// This refusal.
    Refusal(Reason),
    /// `RST_STREAM` with `REFUSED_STREAM`.
    Refuse,
    /// `RST_STREAM` with `INTERNAL_ERROR`.
    Reset,
    /// No answer.
    Silence,
}

impl Wish {
    /// How the ledger counts what is answered so.
    pub(super) fn standing(self) -> Standing {
        match self {
            Self::Refusal(reason) => reason.standing(),
            Self::Refuse | Self::Reset | Self::Silence => Standing::TurnedAway,
        }
    }
}

/// The device tokens that ask for an answer: the eight digits they begin with.
///
/// `0bad` makes the simulator answer so each time; `1bad` instead of it only the first time that
/// it sees the `apns-id`.
const WISHES: [(&str, Wish); 18] = [
    ("0bad0000", Wish::Silence),
    ("0bad0002", Wish::Reset),
    ("0bad0007", Wish::Refuse),
    ("0bad4000", Wish::Refusal(Reason::BAD_DEVICE_TOKEN)),
    (
        "0bad4001",
        Wish::Refusal(Reason::DEVICE_TOKEN_NOT_FOR_TOPIC),
    ),
    ("0bad4002", Wish::Refusal(Reason::TOPIC_DISALLOWED)),
    ("0bad4009", Wish::Refusal(Reason::UNKNOWN_400)),
    ("0bad4030", Wish::Refusal(Reason::INVALID_PROVIDER_TOKEN)),
    ("0bad4031", Wish::Refusal(Reason::EXPIRED_PROVIDER_TOKEN)),
    ("0bad4032", Wish::Refusal(Reason::FORBIDDEN)),
    ("0bad4033", Wish::Refusal(Reason::BAD_ENVIRONMENT_KEY)),
    ("0bad4100", Wish::Refusal(Reason::UNREGISTERED)),
    ("0bad4101", Wish::Refusal(Reason::EXPIRED_TOKEN)),
    ("0bad4290", Wish::Refusal(Reason::TOO_MANY_REQUESTS)),
    (
        "0bad4291",
        Wish::Refusal(Reason::TOO_MANY_PROVIDER_TOKEN_UPDATES),
    ),
    ("0bad5000", Wish::Refusal(Reason::INTERNAL_SERVER_ERROR)),
    ("0bad5030", Wish::Refusal(Reason::SERVICE_UNAVAILABLE)),
    ("0bad5031", Wish::Refusal(Reason::SHUTDOWN)),
];

/// The answer that a device token asks for, and whether only the first time.
pub(super) fn wish(device_token: &str) -> Option<(Wish, bool)> {
    let (first, rest) = device_token.split_at_checked(1)?;
    let once = match first {
        "0" => false,
        "1" => true,
        _ => return None,
    };
    if !rest.starts_with("bad") {
        return None;
    }
    let found = WISHES.iter().find(|(digits, _)| {
        digits
            .split_at_checked(1)
            .is_some_and(|(_, wanted)| rest.starts_with(wanted))
    });
    found.map(|(_, wish)| (*wish, once))
}

#[cfg(test)]
mod tests {
    use super::{Reason, Standing, Wish, wish};

    #[test]
    fn tokens_ask_for_answers_always_or_once() {
        let unregistered = Wish::Refusal(Reason::UNREGISTERED);
        assert_eq!(wish("0bad4100ffff"), Some((unregistered, false)));
        assert_eq!(wish("1bad4100"), Some((unregistered, true)));
        assert_eq!(wish("0bad0000"), Some((Wish::Silence, false)));
        for ordinary in ["", "0", "0bad", "0bad4999", "2bad4100", "ab12cd34"] {
            assert_eq!(wish(ordinary), None, "{ordinary:?}");
        }
    }

    #[test]
    fn what_may_pass_is_turned_away_and_the_rest_refused() {
        for (reason, standing) in [
            (Reason::UNREGISTERED, Standing::Refused),
            (Reason::BAD_DEVICE_TOKEN, Standing::Refused),
            (Reason::FORBIDDEN, Standing::Refused),
            (Reason::PAYLOAD_TOO_LARGE, Standing::Refused),
            (Reason::EXPIRED_PROVIDER_TOKEN, Standing::TurnedAway),
            (Reason::TOO_MANY_REQUESTS, Standing::TurnedAway),
            (Reason::SHUTDOWN, Standing::TurnedAway),
        ] {
            assert_eq!(reason.standing(), standing, "{}", reason.word);
        }
    }
}
