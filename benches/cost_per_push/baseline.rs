//! The request that h2load repeats: the one that the daemon would make, byte for byte.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use sterna::moment::Moment;
use sterna::net::resolve::Resolver;
use sterna::net::{tls, transport};
use sterna::oauth::{AccessToken, AccessTokens, Account, EXCHANGE_TIMEOUT};
use sterna::provider::{apns, fcm};
use sterna::push::{DeviceToken, LaneId, Provider, PushId};

use super::Failure;
use super::simulator::Site;
use super::workload::{device_token, notification};

/// How long the token endpoint may take.
const TOKEN_WITHIN: Duration = Duration::from_secs(30);

/// A request as h2load takes it.
pub(crate) struct Baseline {
    pub(crate) url: String,
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
    let device = DeviceToken::new(device_token(LaneId::IOS, 0));
    let mut path = Vec::new();
    apns::path(&device, &mut path);
    let id = apns::ApnsIds::NONE.of(PushId(1));
    let content = directory.join("apns.json");
    fs::write(&content, apns::payload(&notification(LaneId::IOS), false)?)?;
    Ok(Baseline {
        url: format!("{}{}", site.apns_url, String::from_utf8(path)?),
        fields: vec![
            format!("authorization: {}", token.authorization()),
            format!("apns-topic: {}", site.topic),
            "apns-push-type: alert".to_owned(),
            format!("apns-id: {}", str::from_utf8(&id)?),
        ],
        content,
        streams: 1_000,
    })
}

fn to_fcm(site: &Site, directory: &Path) -> Result<Baseline, Failure> {
    let text = fs::read_to_string(&site.service_account_path)?;
    let account = fcm::ServiceAccount::parse(&text)?;
    let project = account.project_id().ok_or("no project")?.to_owned();
    let offers = [tls::ALPN_H2, tls::ALPN_HTTP1];
    let own = tls::authorities(&fs::read(&site.ca_path)?)?;
    let own = own.good.into_iter().map(|(_, certificate)| certificate);
    let roots = tls::Roots::of(&tls::SystemRoots::default(), own)?;
    let tls = tls::client_config(&roots, None, &offers)?;
    let connector =
        transport::HttpConnector::new(tls, Arc::new(Resolver::system()), EXCHANGE_TIMEOUT);
    let agent = transport::agent(connector, transport::config().build());
    let account = Account {
        token_uri: account.token_uri().to_owned(),
        clock: Arc::default(),
        assertion: Box::new(move |now| account.assertion(now)),
    };
    let token = access_token(&AccessTokens::start(account, agent)?)?;
    let payload = fcm::payload(&notification(LaneId::ANDROID), false)?;
    let device = DeviceToken::new(device_token(LaneId::ANDROID, 0));
    let mut body = Vec::new();
    fcm::write_body(&payload, &device, None, &mut body);
    let content = directory.join("fcm.json");
    fs::write(&content, body)?;
    Ok(Baseline {
        url: format!("{}{}", site.fcm_url, fcm::path(&project)),
        fields: vec![
            format!("authorization: {}", token.authorization()),
            format!("content-type: {}", fcm::CONTENT_TYPE),
        ],
        content,
        streams: 100,
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
