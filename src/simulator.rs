//! APNs, FCM HTTP v1 and Google's servers that give access tokens, as look-alikes on loopback TLS;
//! the metadata server has none.
//!
//! For trying the daemon out, for its tests and its benches. As strict as the real ones about what
//! they publish, plus faults on demand and a [ledger](Counts) that knows what was doubled and lost.
//! Never imports the daemon's provider code: the rules are written down twice.
//!
//! ```text
//!  server ── threads, sockets ── service ── one connection: gathers, answers, holds back
//!    single ─ the same in HTTP/1.1  ┘ │
//!                                     ├─ endpoint ── apns · fcm · oauth: judge a request (pure)
//!                                     ├─ faults ──── what goes wrong on purpose, and when (pure)
//!                                     ├─ ledger ──── accepted, refused, doubled, lost
//!                                     ├─ record ──── a line of JSON per request
//!                                     └─ report ──── a line, a call or a summary
//! ```
//!
//! # Device tokens that ask for an answer
//!
//! An APNs device token that begins with `0bad` and four digits gets the refusal of those digits:
//! `4000` `BadDeviceToken`, `4001` `DeviceTokenNotForTopic`, `4002` `TopicDisallowed`, `4009` an
//! unknown reason, `4030` `InvalidProviderToken`, `4031` `ExpiredProviderToken`, `4032`
//! `Forbidden`, `4033` `BadEnvironmentKeyIdInToken`, `4100` `Unregistered`, `4101` `ExpiredToken`,
//! `4290` `TooManyRequests`, `4291` `TooManyProviderTokenUpdates`, `5000` `InternalServerError`,
//! `5030` `ServiceUnavailable`, `5031` `Shutdown`; `0000` no answer, `0002` a reset, `0007`
//! `REFUSED_STREAM`. With `1bad` it gets that only the first time that its `apns-id` is seen.
//!
//! A registration token that begins with `unregistered-`, `invalid-`, `disabled-`, `mismatch-`,
//! `quota-`, `internal-`, `unavailable-`, `third-party-`, `denied-`, `expired-`, `unknown-`,
//! `nowhere-`, `html-`, `refuse-`, `reset-` or `silent-` gets that refusal; with `once-` before it
//! only the first time that the message is seen.

mod answer;
mod apns;
mod arrival;
mod config;
mod credentials;
mod endpoint;
mod faults;
mod fcm;
mod ledger;
mod listener;
mod oauth;
mod options;
mod provider;
mod record;
mod report;
mod request;
mod server;
mod service;
mod single;
mod tls;

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use jsonwebtoken::DecodingKey;

pub use self::credentials::{Credentials, SigningKey};
use self::endpoint::LookAlike;
use self::faults::Stage;
pub use self::faults::{
    Fail, Failures, Farewell, Faults, MAX_PHASES, MAX_SCRIPT, Percent, RetryAfter, Script, Strikes,
    Struck,
};
use self::ledger::Ledger;
pub use self::ledger::{Counts, MAX_KEYS};
use self::listener::Listener;
use self::oauth::AccessTokens;
pub use self::oauth::MAX_ACCESS_TOKENS;
pub use self::options::{Addresses, Clock, MAX_CONNECTIONS, Options, Ports};
pub use self::provider::Provider;
use self::record::Recorder;
use self::report::Reporter;
pub use self::report::{Receipt, Report};
use self::server::{Door, Shared};
use self::service::Surroundings;
use crate::moment;
use crate::net::readiness::{Bell, Waiter};

/// The endpoints, running.
pub struct Simulator {
    addresses: Addresses,
    credentials: Arc<Credentials>,
    /// Of APNs and FCM.
    ledgers: [Arc<Ledger>; 2],
    /// Of all, in the order of the addresses.
    stages: Vec<Arc<Stage>>,
    apns: Arc<apns::Apns>,
    access_tokens: Arc<AccessTokens>,
    shared: Arc<Shared>,
    bell: Bell,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Simulator {
    /// Listens and serves, on threads of its own; also writes Google's credential files, which
    /// name the token endpoint's port.
    ///
    /// # Errors
    /// When a port is taken, the address is not a loopback one, or a file cannot be written.
    pub fn start(options: Options) -> io::Result<Self> {
        let Options {
            ip,
            ports,
            credentials,
            faults,
            script,
            ledger,
            report,
            clock,
            ..
        } = options;
        let started = moment::now();
        let (sockets, addresses) = listen(ip, ports)?;
        credentials.write_service_account(&addresses.token_url())?;
        credentials.write_external_account(&addresses.oauth_url())?;

        let access_tokens = Arc::new(AccessTokens::default());
        let lifetime = options.access_token_lifetime.as_secs();
        let apns = Arc::new(apns(&credentials, options.max_channels)?);
        let endpoints = endpoints(&credentials, &addresses, lifetime, (&apns, &access_tokens))?;
        let ledgers = [(); 2].map(|()| Arc::new(Ledger::new(MAX_KEYS)));
        let reporter = Arc::new(Reporter::from(report));
        let recorder = ledger.map(|out| Arc::new(Recorder::new(out)));
        let faults = Arc::new(faults);
        let (mut doors, mut stages) = (Vec::new(), Vec::new());
        for (socket, endpoint) in sockets.into_iter().zip(endpoints) {
            let [apns, fcm] = &ledgers;
            let ledger = if endpoint.is_apples() { apns } else { fcm };
            let tls = tls::server_config(&credentials, endpoint.provider())?;
            let stage = Stage::new(&faults, &script, endpoint.provider(), started);
            let stage = Arc::new(stage);
            stages.push(Arc::clone(&stage));
            let around = Surroundings {
                stage,
                endpoint,
                ledger: Arc::clone(ledger),
                reporter: Arc::clone(&reporter),
                recorder: recorder.clone(),
                seed: faults.seed,
                started,
            };
            doors.push(Door::new(socket, Listener::new(tls, around))?);
        }
        let certificate = credentials.client_certificate().clone();
        let shared = Arc::new(Shared::new(clock, certificate, options.max_connections));
        let waiter = Waiter::new()?;
        let bell = waiter.bell();
        let look_around = {
            let [apns, fcm] = ledgers.clone();
            move || reporter.summarise([apns.counts(), fcm.counts()])
        };
        let accepting = Arc::clone(&shared);
        let accept = move || server::accept(waiter, doors, &accepting, look_around);
        let thread = thread::Builder::new()
            .name("sim-accept".to_owned())
            .spawn(accept)?;
        let thread = Some(thread);
        Ok(Self {
            addresses,
            credentials,
            ledgers,
            stages,
            apns,
            access_tokens,
            shared,
            bell,
            thread,
        })
    }

    /// Where it listens.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// The credentials that it takes.
    pub fn credentials(&self) -> &Arc<Credentials> {
        &self.credentials
    }

    /// What both providers have seen so far.
    pub fn counts(&self) -> Counts {
        let mut counts = self.counts_of(Provider::Apns);
        counts += self.counts_of(Provider::Fcm);
        counts
    }

    /// What one provider has seen so far; the token endpoint counts with FCM.
    pub fn counts_of(&self, provider: Provider) -> Counts {
        let [apns, fcm] = &self.ledgers;
        match provider {
            Provider::Apns | Provider::Channels => apns.counts(),
            Provider::Fcm | Provider::OAuth => fcm.counts(),
        }
    }

    /// Each fault that was asked for, and how often it has struck at each endpoint.
    pub fn struck(&self) -> Vec<Struck> {
        let all = self.stages.iter().map(|stage| stage.tally.all());
        all.flatten().collect()
    }

    /// The faults that were asked for and have not struck, though there was somebody to be struck:
    /// the endpoint has had a request, or none that was asked for this fault has.
    pub fn never_struck(&self) -> Vec<Struck> {
        faults::never_struck(self.stages.iter().map(|stage| &stage.tally))
    }

    /// Live connections, to all endpoints.
    pub fn connections(&self) -> usize {
        self.shared.connections()
    }

    /// Cuts all connections without a word, and goes on.
    pub fn sever(&self) {
        self.shared.sever();
    }

    /// Has a signing key refused from now on, as when it is revoked in Apple's portal.
    pub fn revoke_signing_key(&self, id: &str) {
        self.apns.auth_tokens.revoke(id);
    }

    /// Makes all access tokens invalid, as when a service account's key is revoked.
    pub fn revoke_access_tokens(&self) {
        self.access_tokens.revoke();
    }

    /// A `sterna.toml` with which the daemon pushes to this simulator.
    pub fn config_text(&self) -> String {
        config::text(&self.credentials, &self.addresses)
    }

    /// Cuts all connections and ends all threads.
    pub fn stop(mut self) -> Counts {
        self.end();
        self.counts()
    }

    fn end(&mut self) {
        self.shared.stop(&self.bell);
        if let Some(thread) = self.thread.take() {
            // A panic there has been told by the panic hook.
            drop(thread.join());
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.end();
    }
}

/// Listens for the endpoints, in the order of their addresses.
fn listen(ip: IpAddr, ports: Ports) -> io::Result<([TcpListener; 4], Addresses)> {
    if !ip.is_loopback() {
        let text = format!("the simulator listens on loopback addresses only, not on {ip}");
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    let bind = |port| {
        TcpListener::bind((ip, port)).map_err(|error| {
            let text = format!("cannot listen on {}: {error}", SocketAddr::new(ip, port));
            io::Error::new(error.kind(), text)
        })
    };
    let sockets = [
        bind(ports.apns)?,
        bind(ports.fcm)?,
        bind(ports.oauth)?,
        bind(ports.channels)?,
    ];
    let [apns, fcm, oauth, channels] = &sockets;
    let addresses = Addresses {
        apns: apns.local_addr()?,
        fcm: fcm.local_addr()?,
        oauth: oauth.local_addr()?,
        channels: channels.local_addr()?,
    };
    Ok((sockets, addresses))
}

/// What APNs knows of the team, its apps and its keys.
fn apns(credentials: &Credentials, max_channels: usize) -> io::Result<apns::Apns> {
    let mut keys = Vec::new();
    for key in &credentials.signing_keys {
        let public = DecodingKey::from_ec_pem(key.public_key().as_bytes());
        keys.push(apns::TeamKey {
            id: key.id.clone(),
            public: public.map_err(io::Error::other)?,
            topics: key.topics.clone(),
        });
    }
    let own = std::iter::once(&credentials.topic);
    Ok(apns::Apns {
        auth_tokens: apns::AuthTokens::new(credentials.team_id.clone(), keys),
        topics: own.chain(&credentials.other_topics).cloned().collect(),
        channels: apns::Channels::new(max_channels),
    })
}

/// The endpoints, in the same order.
fn endpoints(
    credentials: &Credentials,
    addresses: &Addresses,
    lifetime: u64,
    (apns, access_tokens): (&Arc<apns::Apns>, &Arc<AccessTokens>),
) -> io::Result<[LookAlike; 4]> {
    let public = credentials.service_account_public_key();
    let trusted = credentials.identity_provider_public_key();
    let trusted = DecodingKey::from_ec_pem(trusted.as_bytes()).map_err(io::Error::other)?;
    Ok([
        LookAlike::Apns(Arc::clone(apns)),
        LookAlike::Fcm(Arc::new(fcm::Fcm {
            project: credentials.project_id.clone(),
            access_tokens: Arc::clone(access_tokens),
        })),
        LookAlike::OAuth(Arc::new(oauth::OAuth {
            client_email: credentials.client_email.clone(),
            key_id: credentials.private_key_id.clone(),
            key: DecodingKey::from_rsa_pem(public.as_bytes()).map_err(io::Error::other)?,
            token_uri: addresses.token_url(),
            federation: oauth::Federation::new(credentials.identity_provider()?, trusted),
            project: credentials.project_id.clone(),
            lifetime,
            access_tokens: Arc::clone(access_tokens),
        })),
        LookAlike::Channels(Arc::clone(apns)),
    ])
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
