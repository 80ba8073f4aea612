//! The requests that h2load makes: as the daemon would make them, byte for byte, to one device
//! after the other. Their content alone is always the same: h2load knows one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use sterna::moment::Moment;
use sterna::net::resolve::Resolver;
use sterna::net::{tls, transport};
use sterna::oauth::{AccessToken, AccessTokens, AllowedHosts, EXCHANGE_TIMEOUT, GoogleCredential};
use sterna::provider::{self, Addressing, Draft, Site as BuiltAs, Unused, apns, fcm};
use sterna::push::{DeviceToken, LaneId, Provider, Push, PushId};

use super::Failure;
use super::simulator::Site;
use super::workload::{device_token, notification};

/// How long the token endpoint may take.
const TOKEN_WITHIN: Duration = Duration::from_secs(30);

/// Devices that are pushed to in turn: more than a table of HPACK has paths.
const PATHS: u64 = 1_000;

/// A request as h2load takes it.
pub(crate) struct Baseline {
    /// A file with the URLs, each in a line.
    pub(crate) urls: PathBuf,
    /// `name: value`
    pub(crate) fields: Vec<String>,
    /// A file with the content.
    pub(crate) content: PathBuf,
    /// Streams at once on a connection: as many as the provider allows, as the daemon has.
    pub(crate) streams: u32,
}

impl Baseline {
    /// The request to a platform's provider; its content goes to a file in that directory.
    pub(crate) fn new(platform: LaneId, site: &Site, directory: &Path) -> Result<Self, Failure> {
        match platform.provider() {
            Provider::Apns => to_apns(site, directory),
            Provider::Fcm => to_fcm(site, directory),
        }
    }
}

fn to_apns(site: &Site, directory: &Path) -> Result<Baseline, Failure> {
    let file = fs::read(&site.key_path)?;
    let key = apns::SigningKey::from_pem(&file, &site.key_id, &site.team_id)?;
    let token = apns::AuthTokens::new(key).current(Moment::now())?;
    let address = apns::Address {
        topic: Some(site.topic.as_str().into()),
        ..apns::Address::default()
    };
    let content = directory.join("apns.json");
    let url = &site.apns_url;
    let authorization = token.authorization();
    written(LaneId::IOS, &address, url, authorization, content, 1_000)
}

fn to_fcm(site: &Site, directory: &Path) -> Result<Baseline, Failure> {
    let text = fs::read_to_string(&site.service_account_path)?;
    let account = GoogleCredential::parse(&text, AllowedHosts::default())?;
    let address = fcm::Address {
        authority: Arc::default(),
        path: fcm::path(account.project_id().ok_or("no project")?).into(),
    };
    let offers = [tls::ALPN_H2, tls::ALPN_HTTP1];
    let own = tls::authorities(&fs::read(&site.ca_path)?)?;
    let own = own.good.into_iter().map(|(_, certificate)| certificate);
    let roots = tls::Roots::of(&tls::SystemRoots::default(), own)?;
    let tls = tls::client_config(&roots, None, &offers)?;
    let connector =
        transport::HttpConnector::new(tls, Arc::new(Resolver::system()), EXCHANGE_TIMEOUT);
    let agent = transport::agent(connector, transport::config().build());
    let tokens = AccessTokens::start(account.account(Arc::default()), agent)?;
    let token = access_token(&tokens)?;
    let content = directory.join("fcm.json");
    let url = &site.fcm_url;
    let authorization = token.authorization();
    written(LaneId::ANDROID, &address, url, authorization, content, 100)
}

/// The request for one push to that address below the URL, its content in that file.
fn written(
    lane: LaneId,
    address: &dyn Addressing,
    url: &str,
    authorization: &str,
    content: PathBuf,
    streams: u32,
) -> Result<Baseline, Failure> {
    let mut notification = notification(lane);
    let (site, mut unused) = (BuiltAs::default(), Unused::default());
    let vendor = provider::of(lane.provider());
    let built = vendor.build(&mut notification, &site, Moment::now(), &mut unused);
    let built = built.map_err(|fault| fault.error)?;
    let tokens = [DeviceToken::new(device_token(lane, 0))];
    let at = Moment::now();
    let accepted = provider::accept(&notification, &built, tokens, PushId(1), at);
    let accepted = Arc::new(accepted);
    let push = Push::nth(&accepted, 0).ok_or("no push")?;
    let mut draft = Draft::default();
    address.write(&push, Moment::now(), &mut draft);
    let shared = address.shared(draft.kind, Some(authorization));
    let shared = shared.ok_or("no such kind of request")?;
    let path = shared.pseudo.iter().find(|(name, _)| *name == b":path");
    let path = path.map_or(&*draft.path, |(_, path)| path);
    let fields = shared
        .fields
        .iter()
        .copied()
        .chain(draft.fields().map(|own| own.field));
    let fields = fields.map(|(name, value)| {
        let (name, value) = (str::from_utf8(name)?, str::from_utf8(value)?);
        Ok(format!("{name}: {value}"))
    });
    let own = !draft.content.is_empty();
    fs::write(
        &content,
        if own {
            &*draft.content
        } else {
            accepted.parcel.body()
        },
    )?;
    let path = str::from_utf8(path)?;
    let (first, urls) = (device_token(lane, 0), content.with_extension("urls"));
    let lines = (0..PATHS).map(|nth| {
        let path = path.replace(&first, &device_token(lane, nth));
        format!("{url}{path}\n")
    });
    fs::write(&urls, lines.collect::<String>())?;
    Ok(Baseline {
        urls,
        fields: fields.collect::<Result<_, Failure>>()?,
        content,
        streams,
    })
}

/// The first access token, once the endpoint has issued it.
fn access_token(tokens: &AccessTokens) -> Result<AccessToken, Failure> {
    let (changed, is_changed) = mpsc::channel();
    tokens.on_change(Box::new(move |_| {
        // Nobody listens any more once there is a token.
        let _told = changed.send(());
    }));
    let deadline = Instant::now() + TOKEN_WITHIN;
    loop {
        if let Some(token) = tokens.current(Instant::now()) {
            return Ok(token);
        }
        is_changed.recv_timeout(deadline.saturating_duration_since(Instant::now()))?;
    }
}
