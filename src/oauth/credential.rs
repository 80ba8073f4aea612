//! Who we are to Google, as a file or the configuration has it. Pure: no I/O, no clock.

use std::sync::Arc;

use serde::Deserialize;

use super::{
    Account, AllowedHosts, ExternalAccount, LABEL, MetadataServer, ServiceAccount, TokenWay,
};
use crate::moment::server_clock::ServerClock;

/// Who we are to Google: what yields access tokens.
#[derive(Debug)]
pub enum GoogleCredential {
    /// Whoever has the key of a service account.
    ServiceAccount(ServiceAccount),
    /// A workload that another identity provider knows.
    ExternalAccount(ExternalAccount),
    /// This machine, which is Google's.
    MetadataServer(MetadataServer),
}

#[derive(Deserialize)]
struct KindOnly {
    #[serde(rename = "type")]
    kind: Option<String>,
}

impl GoogleCredential {
    /// Reads the text of a credential file, which says itself of what kind it is; `hosts` are those
    /// that an `external_account` file may name.
    ///
    /// # Errors
    ///
    /// A text that names the field and what is wrong with it, never its value if that is secret.
    pub fn parse(text: &str, hosts: AllowedHosts<'_>) -> Result<Self, String> {
        // What is no JSON is so to either.
        let kind = serde_json::from_str(text).ok();
        let kind = kind.and_then(|KindOnly { kind }| kind);
        Ok(match kind.as_deref() {
            Some("external_account") => Self::ExternalAccount(ExternalAccount::parse(text, hosts)?),
            _ => Self::ServiceAccount(ServiceAccount::parse(text)?),
        })
    }

    /// The project that it is for, if it says so.
    pub fn project_id(&self) -> Option<&str> {
        match self {
            Self::ServiceAccount(account) => account.project_id(),
            Self::ExternalAccount(_) | Self::MetadataServer(_) => None,
        }
    }

    /// Which one it is, for the operator.
    pub fn name(&self) -> String {
        match self {
            Self::ServiceAccount(account) => {
                let key_id = account.key_id().unwrap_or("not given");
                format!("{}, key id {key_id}", account.client_email())
            }
            Self::ExternalAccount(account) => account.name(),
            Self::MetadataServer(server) => server.name(),
        }
    }

    /// What may keep it from yielding a token, if it is to be seen without a network.
    pub fn doubt(&self) -> Option<String> {
        match self {
            Self::ExternalAccount(account) => account.doubt(),
            Self::ServiceAccount(_) | Self::MetadataServer(_) => None,
        }
    }

    /// The account whose access tokens it yields; `clock` takes note of Google's time.
    pub fn account(self, clock: Arc<ServerClock>) -> Account {
        let way = match self {
            Self::ServiceAccount(account) => TokenWay::Assertion {
                token_uri: account.token_uri().to_owned(),
                assertion: Box::new(move |now| account.assertion(now)),
            },
            Self::ExternalAccount(account) => TokenWay::Federation(account),
            Self::MetadataServer(server) => TokenWay::Metadata(server),
        };
        Account {
            way,
            label: LABEL.to_owned(),
            clock,
        }
    }
}
