//! Access tokens for Google's APIs: one exchange at a time for an account, ahead of expiry.
//!
//! [`AccessTokens`] is the shell: it exchanges signed assertions for access tokens and rings bells,
//! so that a connection thread never waits for it. When to exchange, when to back
//! off and which token is good is decided by the pure state machine in `refresh`; what the token
//! endpoint's answers mean is a table in `answer`.
//!
//! Neither assertions nor access tokens ever reach a log line or a `{:?}`.

mod answer;
mod exchange;
mod refresh;
mod tokens;

use std::fmt;
use std::sync::Arc;

use crate::moment::server_clock::ServerClock;
pub use answer::{ACCESS_TOKEN_MAX, ANSWER_BODY_MAX, Class, ExchangeRow, ROWS};
pub use exchange::{EXCHANGE_TIMEOUT, exchange_once};
pub use tokens::AccessTokens;

/// Whose access tokens are wanted.
pub struct Account {
    /// Where assertions are exchanged.
    pub token_uri: String,
    /// Signs the assertion of that moment (seconds since the Unix epoch).
    pub assertion: Assertion,
    /// Takes note of the time that the token endpoint says it is.
    pub clock: Arc<ServerClock>,
}

/// Signs an assertion, or says why it cannot.
pub type Assertion = Box<dyn Fn(u64) -> Result<String, String> + Send + Sync>;

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("token_uri", &self.token_uri)
            .finish_non_exhaustive()
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
