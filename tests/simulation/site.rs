//! What is configured, and where connections would lead, were they real.

use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use sterna::delivery::credential::Credentials;
use sterna::delivery::policy::Limits;
use sterna::delivery::pool_key::{PoolKey, Speaker};
use sterna::delivery::route::Route;
use sterna::delivery::shared_tokens::SharedTokens;
use sterna::http2;
use sterna::moment::Moment;
use sterna::net::connection::{Endpoint, Timeouts};
use sterna::net::resolve::Resolver;
use sterna::net::tls::Stance;
use sterna::oauth::AccessTokens;
use sterna::provider::apns::{ApnsIds, AuthTokens, SigningKey};
use sterna::provider::{Addressing, apns, fcm};
use sterna::push::{LaneId, Provider};

use crate::dice::Dice;
use crate::issuer::{Issuer, Proof};

pub(crate) const APNS: &str = "api.push.apple.com";
pub(crate) const FCM: &str = "fcm.googleapis.com";
pub(crate) const PROJECT: &str = "a-project";
pub(crate) const TOPIC: &str = "com.example.app";

/// What is configured.
#[derive(Clone, Copy)]
pub(crate) struct Site {
    pub(crate) lane: LaneId,
    pub(crate) proof: Proof,
    /// Whose credentials it has, if other lanes have those too.
    pub(crate) team: Option<u64>,
    pub(crate) limits: Limits,
    pub(crate) timeout: Duration,
    pub(crate) idle_timeout: Duration,
    pub(crate) threads: usize,
    pub(crate) capacity: usize,
    /// Pushes per second; 0 for as many as can.
    pub(crate) rate: u32,
}

static ENDPOINT: LazyLock<Endpoint> = LazyLock::new(|| {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Endpoint {
        host: APNS.to_owned(),
        port: 443,
        tls: Arc::new(tls),
        resolver: Arc::new(Resolver::system()),
        http2: http2::Options::default(),
        timeouts: Timeouts::default(),
    }
});

impl Proof {
    /// The lane of a process that has no other one to that provider.
    pub(crate) fn lane(self) -> LaneId {
        match self {
            Self::Certificate | Self::AuthTokens => LaneId::IOS,
            Self::AccessTokens => LaneId::ANDROID,
        }
    }
}

impl Site {
    pub(crate) fn of_chance(dice: &mut Dice) -> Self {
        let proof = dice.one_of(&[
            Proof::Certificate,
            Proof::AuthTokens,
            Proof::AuthTokens,
            Proof::AccessTokens,
            Proof::AccessTokens,
        ]);
        Self {
            lane: proof.lane(),
            proof,
            team: None,
            limits: Limits {
                retry_max: u16::try_from(dice.one_of(&[0, 1, 3, 10])).unwrap(),
                max_age: Duration::from_secs(dice.one_of(&[90, 1000, 86_400, 86_400])),
                resend_unknown: dice.chance(850),
            },
            timeout: Duration::from_secs(dice.one_of(&[2, 5, 10, 30, 150])),
            threads: dice.one_of(&[1, 1, 2, 3, 5]),
            capacity: usize::try_from(dice.one_of(&[10, 60, 1000])).unwrap(),
            idle_timeout: Duration::from_secs(dice.one_of(&[5, 60, 600])),
            rate: dice.one_of(&[0, 0, 0, 1, 5, 30, 200]),
        }
    }

    /// As whom its connections speak that are proved by the credential of that number, if other
    /// lanes may have them.
    pub(crate) fn speaker(&self, key: u64) -> Option<String> {
        let proof = self.proof;
        self.team.map(|team| format!("{proof:?} {team} {key}"))
    }

    /// A route with the credential of that number.
    pub(crate) fn route(&self, key: u64, issuer: &Issuer, now: Moment) -> Route {
        let address: Arc<dyn Addressing> = match self.lane.provider() {
            Provider::Apns => Arc::new(apns::Address {
                authority: APNS.into(),
                topic: Some(TOPIC.into()),
                other: None,
                ids: Arc::new(OnceLock::from(ApnsIds::new(
                    0x9f3c_5e0d_b8a1_472d,
                    std::iter::once(0..1 << 53),
                ))),
            }),
            Provider::Fcm => Arc::new(fcm::Address {
                authority: FCM.into(),
                path: fcm::path(PROJECT).into(),
            }),
        };
        let credentials = match self.proof {
            Proof::Certificate => Credentials::Certificate(None),
            Proof::AuthTokens => auth_tokens(key, issuer, now),
            Proof::AccessTokens => Credentials::AccessTokens(AccessTokens::by_hand(key)),
        };
        Route {
            endpoint: ENDPOINT.clone(),
            address,
            credentials,
            pool: self.speaker(key).map(|speaker| {
                Arc::new(PoolKey {
                    host: ENDPOINT.host.clone(),
                    port: 443,
                    stance: Stance::default(),
                    speaker: Speaker::Account(speaker),
                    idle_timeout: self.idle_timeout,
                })
            }),
            channels: None,
            credential_name: "a file".to_owned(),
            clock: Arc::default(),
            timeout: self.timeout,
            idle_timeout: self.idle_timeout,
        }
    }
}

/// Auth tokens that say when they were signed and with which key, and nothing by chance. The one
/// in use is kept for the next process.
fn auth_tokens(key: u64, issuer: &Issuer, now: Moment) -> Credentials {
    let all = Arc::clone(&issuer.signed);
    let signer = Box::new(move |iat| {
        all.lock().unwrap().push((key, iat));
        Ok(format!("key{key}.{iat}"))
    });
    let signing = SigningKey::with_signer(signer, b"a secret", "ABC123DEFG", "DEF123GHIJ");
    let mut tokens = AuthTokens::new(signing);
    let kept = Arc::clone(&issuer.kept);
    let sealed = kept.lock().unwrap().get(&key).cloned();
    // One that a clock has made which was set since is not used.
    if sealed.is_some_and(|sealed| tokens.resume(&sealed, now).unwrap_or(false)) {
        issuer.resumed.fetch_add(1, Ordering::Relaxed);
    }
    let keep = move |sealed: &str| {
        kept.lock().unwrap().insert(key, sealed.to_owned());
    };
    let tokens = SharedTokens::new(tokens, Some(Box::new(keep)));
    Credentials::AuthTokens(Arc::new(tokens))
}
