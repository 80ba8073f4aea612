//! What a simulator is set up with, and where it then is.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::apns::MAX_CHANNELS;
use super::credentials::Credentials;
use super::faults::{Faults, Script};
use super::report::Report;

/// Our limit: connections, and so threads, at once; further ones are closed on arrival.
pub const MAX_CONNECTIONS: usize = 512;

/// Tells the seconds since the epoch.
pub type Clock = Box<dyn Fn() -> u64 + Send + Sync>;

/// What a simulator is set up with.
pub struct Options {
    /// Where it listens; a loopback address.
    pub ip: IpAddr,
    /// The ports; 0 for any.
    pub ports: Ports,
    /// The credentials that it takes.
    pub credentials: Arc<Credentials>,
    /// What goes wrong on purpose, outside of the script's phases.
    pub faults: Faults,
    /// What goes wrong when.
    pub script: Script,
    /// Where a line of JSON per request goes, to be joined with what others know of it.
    pub ledger: Option<Box<dyn Write + Send>>,
    /// Where the news of pushes goes.
    pub report: Report,
    /// By which the ages of tokens are judged.
    pub clock: Clock,
    /// How long an access token lives: Google's, an hour less a second.
    pub access_token_lifetime: Duration,
    /// Connections at once to all endpoints: [`MAX_CONNECTIONS`].
    pub max_connections: usize,
    /// Broadcast channels at once: Apple's 10,000 of an app.
    pub max_channels: usize,
}

/// The ports of the endpoints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ports {
    /// Of APNs.
    pub apns: u16,
    /// Of FCM.
    pub fcm: u16,
    /// Of the token endpoint.
    pub oauth: u16,
    /// Of Apple's servers that manage broadcast channels.
    pub channels: u16,
}

/// Where the endpoints listen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// APNs.
    pub apns: SocketAddr,
    /// FCM.
    pub fcm: SocketAddr,
    /// The token endpoint.
    pub oauth: SocketAddr,
    /// Apple's servers that manage broadcast channels.
    pub channels: SocketAddr,
}

impl Options {
    /// No faults, no report, any ports of 127.0.0.1, the system's clock.
    pub fn new(credentials: Arc<Credentials>) -> Self {
        let clock = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.unwrap_or(Duration::ZERO).as_secs()
        };
        Self {
            ip: IpAddr::V4(Ipv4Addr::LOCALHOST),
            ports: Ports::default(),
            credentials,
            faults: Faults::default(),
            script: Script::default(),
            ledger: None,
            report: Report::Silent,
            clock: Box::new(clock),
            access_token_lifetime: Duration::from_secs(3_599),
            max_connections: MAX_CONNECTIONS,
            max_channels: MAX_CHANNELS,
        }
    }
}

impl Addresses {
    /// The base URL of APNs.
    pub fn apns_url(&self) -> String {
        format!("https://{}", self.apns)
    }

    /// The base URL of the servers that manage broadcast channels.
    pub fn channels_url(&self) -> String {
        format!("https://{}", self.channels)
    }

    /// The base URL of FCM.
    pub fn fcm_url(&self) -> String {
        format!("https://{}", self.fcm)
    }

    /// The URL of the token endpoint.
    pub fn token_url(&self) -> String {
        format!("{}/token", self.oauth_url())
    }

    /// The base URL of the servers that give access tokens. The metadata server is at the same
    /// address, without TLS.
    pub fn oauth_url(&self) -> String {
        format!("https://{}", self.oauth)
    }
}
