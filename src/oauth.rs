//! Google's credentials, and the access tokens that they yield: one exchange at a time for an
//! account, ahead of expiry.
//!
//! Who we are to Google is a [`GoogleCredential`]; each kind of it has its own [`TokenWay`] to an
//! access token, and all else is the same for all. [`AccessTokens`] is the shell: it asks for
//! tokens and rings bells, so that a connection thread never waits for it. When to ask, when to
//! back off and which token is good is decided by the pure state machine in `refresh`; what the
//! answers of Google's servers mean are tables in `answer`.
//!
//! Neither assertions nor subject tokens nor access tokens ever reach a log line or a `{:?}`.

mod answer;
mod call;
mod credential;
mod exchange;
mod external_account;
mod federation;
mod file_reading;
#[cfg(test)]
mod fixture;
mod metadata_server;
mod refresh;
mod service_account;
mod subject_token;
mod tokens;

use std::fmt;
use std::sync::Arc;

use crate::moment::server_clock::ServerClock;
pub use answer::{ACCESS_TOKEN_MAX, ANSWER_BODY_MAX, Class, ExchangeRow, SERVERS, TokenServer};
pub use call::EXCHANGE_TIMEOUT;
pub use credential::GoogleCredential;
pub use exchange::exchange_once;
pub use external_account::{AllowedHosts, ExternalAccount};
pub use metadata_server::MetadataServer;
pub use service_account::ServiceAccount;
pub use subject_token::SUBJECT_TOKEN_MAX;
pub use tokens::AccessTokens;

/// The right to send messages, and no other.
pub const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";

/// What lines about an account begin with where there is but one.
const LABEL: &str = "oauth";

/// Whose access tokens are wanted.
#[derive(Debug)]
pub struct Account {
    /// How they are asked for.
    pub way: TokenWay,
    /// What lines about it begin with, for the operator.
    pub label: String,
    /// Takes note of the time that Google's servers say it is.
    pub clock: Arc<ServerClock>,
}

/// The way to an access token.
pub enum TokenWay {
    /// A signed assertion is exchanged for one (RFC 7523).
    Assertion {
        /// Where that is done.
        token_uri: String,
        /// Signs the assertion of that moment (seconds since the Unix epoch).
        assertion: Assertion,
    },
    /// The token of another identity provider is exchanged for one (RFC 8693).
    Federation(ExternalAccount),
    /// The machine's metadata server is asked for one.
    Metadata(MetadataServer),
}

/// Signs an assertion, or says why it cannot.
pub type Assertion = Box<dyn Fn(u64) -> Result<String, String> + Send + Sync>;

impl fmt::Debug for TokenWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Assertion { token_uri, .. } => f
                .debug_struct("Assertion")
                .field("token_uri", token_uri)
                .finish_non_exhaustive(),
            Self::Federation(external) => f.debug_tuple("Federation").field(external).finish(),
            Self::Metadata(server) => f.debug_tuple("Metadata").field(server).finish(),
        }
    }
}

/// An access token as it is sent. Cloning shares the text.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken {
    authorization: Arc<str>,
    number: u64,
}

impl AccessToken {
    /// A token that no endpoint issued.
    #[cfg(test)]
    pub(crate) fn for_tests(authorization: &str, number: u64) -> Self {
        Self {
            authorization: authorization.into(),
            number,
        }
    }

    /// The value of the `authorization` field.
    pub fn authorization(&self) -> &str {
        &self.authorization
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessToken(number {})", self.number)
    }
}
