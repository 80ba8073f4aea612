//! `[ios]` and `[android]`, and those of further apps: what lanes are served by.

pub(super) mod apns;
pub(super) mod fcm;

pub use apns::{ApnsConfig, ApnsCredential, SigningKeyFile};
pub use fcm::{FcmConfig, FcmCredential, MessageStyle};

use std::path::PathBuf;
use std::time::Duration;

use super::document::Document;
use super::key::Key;
use super::key::Migration::{ByDefault, Dropped};
use super::keys::{
    CA_PATH_MEANING, ENDPOINT_FORM, FCM_TIMEOUT_MIN, FCM_V1, KEEPALIVE_CONNS_MAX,
    KEEPALIVE_TIMEOUT_MAX, RATE_MAX, RETRY_MAX_MAX, TIMEOUT_MAX,
};
use super::section::{Section, Surroundings, section};
use super::value::{FromFile, ToValue, Value};
use super::{ProviderUrl, Secret};
use crate::push::Provider::{Apns, Fcm};
use crate::push::{ApnsEnvironment, LaneId};

section! {
    /// What a lane is served by: `[ios]`, `[android]` or one of those of an app, enabled and
    /// complete.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct LaneConfig, keys LaneKeys of (id: LaneId),
    by (keys, document, surroundings), shown of lane:

    enabled = each(
        id,
        Key::flag(true, "Pushes to APNs"),
        Key::flag(true, "Pushes to FCM").in_forks(&[(FCM_V1, "enabled")]),
    ),
    shown Some(Value::Flag(true));
    pem_cert_path = Key::file(
        "Certificate authentication: PEM file with the certificate and its chain",
    )
    .only_of(Apns),
    shown lane.certificate().map(|(cert_path, ..)| cert_path.value());
    pem_key_path = Key::file(
        "Certificate authentication: PEM file with the certificate's private key",
    )
    .only_of(Apns),
    shown lane.certificate().map(|(_, key_path, _)| key_path.value());
    pem_key_passphrase = Key::secret(
        "Certificate authentication: decrypts `pem_key_path`; beside its key it protects little",
    )
    .only_of(Apns),
    shown lane.certificate().map(|(.., passphrase)| passphrase.value());
    token_auth_key_path = Key::file("Token authentication: Apple's .p8 key file")
    .in_forks(&[("ios", "auth_key_path")])
    .only_of(Apns),
    shown lane.signing_key().map(|(key, ..)| key.path.value());
    token_auth_key_id = Key::text(
        "",
        "10 letters and digits",
        "Token authentication: the key's id",
    )
    .in_forks(&[("ios", "key_id")])
    .only_of(Apns),
    shown lane.signing_key().map(|(key, ..)| key.id.value());
    token_auth_team_id = Key::text(
        "",
        "10 letters and digits",
        "Token authentication: the team's id",
    )
    .in_forks(&[("ios", "team_id")])
    .only_of(Apns),
    shown lane.signing_key().map(|(_, team_id, _)| team_id.value());
    token_auth_old_key_path = Key::file(
        "While the signing key is changed: the .p8 file of the key before, of the same team, which \
         stays in use until APNs has taken a push with the new one",
    )
    .only_of(Apns),
    shown lane.signing_key().map(|(.., old)| old.as_ref().map(|old| old.path.clone()).value());
    token_auth_old_key_id = Key::text(
        "",
        "10 letters and digits",
        "While the signing key is changed: the id of the key before",
    )
    .only_of(Apns),
    shown lane.signing_key().map(|(.., old)| old.as_ref().map(|old| old.id.clone()).value());
    sandbox = Key::flag(
        true,
        "Pushes to Apple's development environment; false for apps from the App Store",
    )
    .only_of(Apns),
    shown lane.apns().filter(|apns| apns.environments.is_empty()).map(|apns| apns.sandbox.value());
    environments = Key::list(
        "\"production\", \"sandbox\" or both",
        "Apple's environments that the app's builds are in, in the place of `sandbox`: of both, the \
         first is meant where a notification names none",
    )
    .only_of(Apns),
    shown lane.apns().map(|apns| apns.environments.value());
    topic = Key::text(
        "",
        "up to 255 letters, digits, dots, hyphens and underscores",
        "`apns-topic`: the app's bundle id; needed with token authentication",
    )
    .unlike_gaurun(
        "may be empty",
        "needed with token authentication",
        "APNs answers MissingTopic to every push without it",
    )
    .only_of(Apns),
    shown lane.apns().map(|apns| apns.topic.value());
    apikey = Key::secret(
        "Ignored beside a service account, refused without one: Google closed the API that took \
         it",
    )
    .unlike_gaurun(
        "the only credential",
        "ignored beside a service account, refused without one",
        "Google closed the legacy FCM API in 2024",
    )
    .only_of(Fcm)
    .migrated(Dropped(APIKEY_DROPPED)),
    shown None;
    service_account_path = Key::file(
        "Google's credential file (JSON): a service account's key, or an `external_account` file of \
         workload identity federation; absent: the environment's `GOOGLE_APPLICATION_CREDENTIALS`",
    )
    .in_forks(&[
        (FCM_V1, "credentials_file"),
        (FCM_V1, "service_account_key_path"),
        ("android", "credentials_file"),
        ("android", "credentials_path"),
        ("android", "service_account_key_path"),
        ("android", "service_account_file"),
    ])
    .only_of(Fcm),
    shown lane.credential_file().map(|(path, ..)| path.value());
    credential_hosts = Key::list(
        "a list of up to 16 host names or IP addresses",
        "Hosts beside this machine that an `external_account` file may have its subject token from: \
         those of its identity provider",
    )
    .only_of(Fcm),
    shown lane.credential_file().map(|(_, hosts, _)| hosts.value());
    token_hosts = Key::list(
        "a list of up to 16 host names or IP addresses",
        "Hosts beside Google's own that an `external_account` file may have tokens sent to, at any \
         port, such as a proxy of yours in front of Google; whoever answers there learns them",
    )
    .only_of(Fcm),
    shown lane.credential_file().map(|(_, _, hosts)| hosts.value());
    metadata_server = Key::flag(
        false,
        "On a machine of Google Cloud: its metadata server gives the access tokens, and the \
         project's id if `project_id` is absent; needs no credential file",
    )
    .only_of(Fcm),
    shown lane.fcm().map(|_| lane.credential_file().is_none().value());
    project_id = Key::text(
        "",
        "up to 64 letters, digits, hyphens, underscores, dots and colons",
        "Firebase project to push for; absent: the service-account file's; an `external_account` \
         file has none",
    )
    .in_forks(&[(FCM_V1, "project"), (FCM_V1, "project_id"), ("android", "project")])
    .only_of(Fcm),
    shown lane.fcm().map(|fcm| fcm.project_id.value());
    style = Key::text(
        "",
        "\"notification\" or \"data\"",
        "What a message becomes whose caller says no more: a notification, which the system shows, \
         or `data.message`, which the app has to show itself; absent: a notification, and data \
         under `core.compatible_with = \"gaurun\"`",
    )
    .unlike_gaurun(
        "always data",
        "a notification, unless the file is Gaurun's",
        "without code of its own an app shows nothing of data",
    )
    .only_of(Fcm),
    shown lane.fcm().map(|fcm| {
        Value::Text(fcm.style.map_or("", MessageStyle::name).to_owned())
    });
    /// Time that an attempt, or opening a connection, may take.
    pub timeout: Duration { take_timeout(keys, document) } = each(
        id,
        Key::number(
            10,
            (1, TIMEOUT_MAX),
            "seconds",
            "Time for one attempt; also for connecting, and for the TLS handshake after it",
        )
        .unlike_gaurun(
            "5",
            "10",
            "an answer given up on may have been a success: a retry doubles the push",
        ),
        Key::number(
            15,
            (1, TIMEOUT_MAX),
            "seconds",
            "Time for one attempt; also for connecting, and for the TLS handshake after it; less \
             than 10 is raised to 10",
        )
        .unlike_gaurun(
            "5",
            "15; less than 10 is raised to 10, with a warning",
            "Google asks for at least 10 seconds; less makes duplicates",
        ),
    )
    .migrated(ByDefault);
    /// Attempts after the first.
    pub retry_max: u16 = Key::number(
        10,
        (0, RETRY_MAX_MAX),
        "retries",
        "Attempts after the first, within an hour and the push's own expiry",
    )
    .unlike_gaurun(
        each(id, "1, and without effect", "1, at once, and after time-outs only"),
        "10, with exponential back-off",
        "a provider's bad minute must not cost pushes",
    )
    .migrated(ByDefault);
    /// Pushes per second at most; 0 for as fast as the provider takes them.
    pub rate: u32 = each(
        id,
        Key::number(
            0,
            (0, RATE_MAX),
            "pushes per second",
            "Pushes that may be sent, over all connections and with retries; the first minute \
             begins at a tenth of it; 0: as many as APNs takes",
        ),
        Key::number(
            9_000,
            (0, RATE_MAX),
            "pushes per second",
            "Pushes that may be sent, over all connections and with retries; the first minute \
             begins at a tenth of it. Google gives a project 10,000: divide them among its \
             daemons; 0: as many as FCM takes",
        )
        .unlike_gaurun(
            "no limit",
            "9000",
            "FCM answers 429 to what goes beyond a project's quota, and asks for an even pace",
        ),
    );
    /// Idle time after which a connection closes.
    pub keepalive_timeout: Duration = Key::number(
        90,
        (1, KEEPALIVE_TIMEOUT_MAX),
        "seconds",
        "Time without a push after which a connection closes",
    );
    keepalive_conns = Key::optional(
        ("none", 4),
        (0, KEEPALIVE_CONNS_MAX),
        "connections",
        "Accepted from Gaurun's files; has no effect",
    )
    .unlike_gaurun("idle connections kept", "no effect, with a warning", CONNS_WHY)
    .migrated(Dropped(CONNS_DROPPED)),
    shown None;
    /// Where the provider is reached instead of its own address.
    pub endpoint: Option<ProviderUrl> = Key::text("", ENDPOINT_FORM, each(
            id,
            "Where APNs is reached instead of Apple's own address",
            "Where FCM is reached instead of Google's own address",
        ));
    channels_endpoint = Key::text(
        "",
        ENDPOINT_FORM,
        "Where broadcast channels are managed instead of at Apple's own address, which is \
         `api-manage-broadcast.push.apple.com:2196`, or `api-manage-broadcast.sandbox.push.apple.com:2195`",
    )
    .only_of(Apns),
    shown lane.apns().map(|apns| apns.channels_endpoint.value());
    /// PEM file of certificate authorities to trust beside the system's.
    pub ca_path: Option<PathBuf> = Key::file(CA_PATH_MEANING);
    => parts:
    /// What is the provider's own: who we are to it, and where the pushes go.
    pub provider: ProviderConfig { ProviderConfig::take(keys, document, surroundings) } of enabled;
    /// The section that says all that, without brackets: `ios`, `apps.shop.ios`.
    pub section: String { Some(document.section(&keys.enabled)) } of enabled;
}

/// What one provider has, and the other has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProviderConfig {
    /// APNs.
    Apns(ApnsConfig),
    /// FCM.
    Fcm(FcmConfig),
}

impl LaneConfig {
    /// What APNs has, if the lane leads there.
    pub fn apns(&self) -> Option<&ApnsConfig> {
        match &self.provider {
            ProviderConfig::Apns(apns) => Some(apns),
            ProviderConfig::Fcm(_) => None,
        }
    }

    /// What FCM has, if the lane leads there.
    pub fn fcm(&self) -> Option<&FcmConfig> {
        match &self.provider {
            ProviderConfig::Fcm(fcm) => Some(fcm),
            ProviderConfig::Apns(_) => None,
        }
    }

    /// What the section leaves open of what a message becomes follows from whose file it is.
    pub(super) fn settle_style(&mut self, as_gaurun: bool) {
        if let ProviderConfig::Fcm(fcm) = &mut self.provider {
            fcm.style.get_or_insert(if as_gaurun {
                MessageStyle::Data
            } else {
                MessageStyle::Notification
            });
        }
    }

    /// The lanes of the same section in its other environments.
    pub(super) fn in_other_environments(&self) -> Vec<(ApnsEnvironment, Self)> {
        let named = self.apns().map(|apns| apns.environments.iter().copied());
        let lane = |environment| {
            let mut lane = self.clone();
            if let ProviderConfig::Apns(apns) = &mut lane.provider {
                apns.sandbox = environment == ApnsEnvironment::Sandbox;
            }
            (environment, lane)
        };
        named.into_iter().flatten().skip(1).map(lane).collect()
    }

    /// Has the environments of the other one, and the first of them; and what its device tokens are
    /// known by there, or elsewhere: topic and endpoint.
    pub(super) fn take_environments(&mut self, other: &Self) {
        if let (ProviderConfig::Apns(own), Some(of_other)) = (&mut self.provider, other.apns()) {
            own.environments.clone_from(&of_other.environments);
            let first = own.environments.first();
            own.sandbox = first.map_or(of_other.sandbox, |it| *it == ApnsEnvironment::Sandbox);
            own.topic.clone_from(&of_other.topic);
            self.endpoint.clone_from(&other.endpoint);
        }
    }

    /// The files that connections are made with: the credential's, and whom to trust.
    pub fn files(&self) -> Vec<PathBuf> {
        let files: Vec<&PathBuf> = match &self.provider {
            ProviderConfig::Apns(apns) => match &apns.credential {
                ApnsCredential::Certificate {
                    cert_path,
                    key_path,
                    ..
                } => vec![cert_path, key_path],
                // One that is on its way out is in no further route.
                ApnsCredential::Token { key, .. } => vec![&key.path],
            },
            ProviderConfig::Fcm(fcm) => match &fcm.credential {
                FcmCredential::File { path, .. } => vec![path],
                FcmCredential::MetadataServer { .. } => vec![],
            },
        };
        files.into_iter().chain(&self.ca_path).cloned().collect()
    }

    /// Whether both say the same of all that connections are made of. A signing key before the
    /// present one is none of that.
    pub fn connects_as(&self, other: &Self) -> bool {
        let mut other = self.apart_from_connections(other);
        if let (Some(of_other), Some((.., own))) = (other.old_key_mut(), self.signing_key()) {
            of_other.clone_from(own);
        }
        *self == other
    }

    /// Whether both say the same of all that connections are made of, but for who we are.
    pub fn connects_but_for_its_credential_as(&self, other: &Self) -> bool {
        let mut other = self.apart_from_connections(other);
        match (&mut other.provider, &self.provider) {
            (ProviderConfig::Apns(other), ProviderConfig::Apns(own)) => {
                other.credential = own.credential.clone();
            }
            // The project may be the credential's own: those who connect compare what it is.
            (ProviderConfig::Fcm(other), ProviderConfig::Fcm(own)) => {
                other.credential = own.credential.clone();
                other.project_id.clone_from(&own.project_id);
            }
            _ => return false,
        }
        *self == other
    }

    /// The other, with what this one says of all that connections are not made of.
    fn apart_from_connections(&self, other: &Self) -> Self {
        let mut other = Self {
            retry_max: self.retry_max,
            rate: self.rate,
            ..other.clone()
        };
        if let (ProviderConfig::Fcm(fcm), Some(own)) = (&mut other.provider, self.fcm()) {
            fcm.style = own.style;
        }
        other
    }

    /// Whether it names the signing key before the present one.
    pub fn has_old_key(&self) -> bool {
        self.signing_key().is_some_and(|(.., old)| old.is_some())
    }

    /// The lane as it was with the signing key before, if that is named.
    pub fn with_old_key(&self) -> Option<Self> {
        let mut lane = self.clone();
        if let ProviderConfig::Apns(apns) = &mut lane.provider
            && let ApnsCredential::Token { key, old, .. } = &mut apns.credential
        {
            *key = old.take()?;
            return Some(lane);
        }
        None
    }

    fn old_key_mut(&mut self) -> Option<&mut Option<SigningKeyFile>> {
        match &mut self.provider {
            ProviderConfig::Apns(ApnsConfig {
                credential: ApnsCredential::Token { old, .. },
                ..
            }) => Some(old),
            _ => None,
        }
    }

    fn certificate(&self) -> Option<(&PathBuf, &PathBuf, &Option<Secret>)> {
        match &self.apns()?.credential {
            ApnsCredential::Certificate {
                cert_path,
                key_path,
                passphrase,
            } => Some((cert_path, key_path, passphrase)),
            ApnsCredential::Token { .. } => None,
        }
    }

    fn credential_file(&self) -> Option<(&PathBuf, &Vec<String>, &Vec<String>)> {
        match &self.fcm()?.credential {
            FcmCredential::File {
                path,
                hosts,
                token_hosts,
            } => Some((path, hosts, token_hosts)),
            FcmCredential::MetadataServer { .. } => None,
        }
    }

    fn signing_key(&self) -> Option<(&SigningKeyFile, &String, &Option<SigningKeyFile>)> {
        match &self.apns()?.credential {
            ApnsCredential::Token { key, team_id, old } => Some((key, team_id, old)),
            ApnsCredential::Certificate { .. } => None,
        }
    }
}

impl LaneKeys {
    /// Those that lanes to this one's provider have, in the order of the documentation.
    pub(super) fn own(&'static self) -> impl Iterator<Item = &'static Key> {
        let of_provider = |key: &&Key| key.provider.is_none_or(|of| of == self.id.provider());
        self.keys().into_iter().filter(of_provider)
    }
}

impl ProviderConfig {
    /// Takes the keys of one provider. `None` if the lane is disabled, or for reasons now noted.
    fn take(
        keys: &'static LaneKeys,
        document: &mut Document<'_>,
        surroundings: &Surroundings<'_>,
    ) -> Option<Self> {
        document.number(&keys.keepalive_conns);
        if document.is_enabled(&keys.enabled) && document.has(&keys.keepalive_conns) {
            document.warn(&keys.keepalive_conns, NO_EFFECT);
        }
        match keys.id.provider() {
            Apns => ApnsConfig::take(keys, document).map(Self::Apns),
            Fcm => FcmConfig::take(keys, document, surroundings.environment).map(Self::Fcm),
        }
    }
}

fn take_timeout(keys: &'static LaneKeys, document: &mut Document<'_>) -> Option<Duration> {
    let timeout = Duration::take(document, &keys.timeout)?;
    let least = Duration::from_secs(each(keys.id, 0, FCM_TIMEOUT_MIN));
    if timeout < least && document.is_enabled(&keys.enabled) {
        document.warn(
            &keys.timeout,
            format_args!(
                "raised to {}: Google asks for no less, and giving up sooner makes duplicates",
                least.as_secs()
            ),
        );
    }
    Some(timeout.max(least))
}

/// What holds for the lane's provider.
const fn each<T: Copy>(id: LaneId, apns: T, fcm: T) -> T {
    match id.provider() {
        Apns => apns,
        Fcm => fcm,
    }
}

const CONNS_WHY: &str = "HTTP/2 carries all pushes over as many connections as `workers` allows";
const CONNS_DROPPED: &str = "HTTP/2 carries all pushes over as many connections as workers allows";
const NO_EFFECT: &str =
    "has no effect: HTTP/2 carries all pushes over as many connections as core.workers allows";
const APIKEY_DROPPED: &str =
    "Google closed the API that took this key in 2024; the service account is in its place";
