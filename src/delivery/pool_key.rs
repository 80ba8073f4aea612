//! Which connections may stand for each other, whichever lane has opened them.

use std::sync::Arc;
use std::time::Duration;

use super::shared_tokens::SharedTokens;
use crate::net::tls::Stance;

/// Where a connection leads, and as whom it speaks: lanes of equal ones hand each other theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolKey {
    /// The server's name or address, as it is configured.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whom it was opened by trusting, and the certificate that it has shown.
    pub stance: Stance,
    /// As whom it speaks.
    pub speaker: Speaker,
    /// Without pushes for so long it is closed: no lane has one that is to be kept for longer than
    /// its own, or has lain idle for too long.
    pub idle_timeout: Duration,
}

/// As whom a connection speaks to its provider.
#[derive(Clone, Debug)]
pub enum Speaker {
    /// Whom its client certificate names, which its [`Stance`] tells from others.
    Certificate,
    /// The team and key that have those auth tokens: Apple takes no other team's on it.
    SigningKey(Arc<SharedTokens>),
    /// The Google account of that name.
    Account(String),
}

impl PartialEq for Speaker {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Certificate, Self::Certificate) => true,
            (Self::SigningKey(own), Self::SigningKey(other)) => Arc::ptr_eq(own, other),
            (Self::Account(own), Self::Account(other)) => own == other,
            _ => false,
        }
    }
}

impl Eq for Speaker {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::fixture::Authority;
    use crate::provider::apns::{AuthTokens, SigningKey};

    #[test]
    fn where_it_leads_and_as_whom_it_speaks_tell_connections_apart() {
        let tokens = |team: &str| {
            let signer = Box::new(|iat| Ok(format!("{iat}")));
            let key = SigningKey::with_signer(signer, b"a secret", "ABCDE12345", team);
            Arc::new(SharedTokens::new(AuthTokens::new(key), None))
        };
        let [one, other] = ["FGHIJ67890", "KLMNO67890"].map(tokens);
        let key = |host: &str, port, speaker| PoolKey {
            host: host.to_owned(),
            port,
            stance: Stance::default(),
            speaker,
            idle_timeout: Duration::from_secs(90),
        };
        let of_team = |tokens: &Arc<_>| Speaker::SigningKey(Arc::clone(tokens));
        let account = |name: &str| Speaker::Account(name.to_owned());
        let keys = [
            key("a.example", 443, of_team(&one)),
            key("b.example", 443, of_team(&one)),
            key("a.example", 2197, of_team(&one)),
            key("a.example", 443, of_team(&other)),
            key("a.example", 443, Speaker::Certificate),
            key("a.example", 443, account("one@example")),
            key("a.example", 443, account("other@example")),
            PoolKey {
                stance: Stance::of(&Authority::new().roots(), None),
                ..key("a.example", 443, Speaker::Certificate)
            },
            PoolKey {
                idle_timeout: Duration::from_secs(3600),
                ..key("a.example", 443, Speaker::Certificate)
            },
        ];
        for (at, key) in keys.iter().enumerate() {
            let same = keys.iter().position(|it| it == key);
            assert_eq!(same, Some(at), "{key:?}");
        }
    }
}
