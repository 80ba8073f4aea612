//! The files that a configuration names, read into what they are for.
//!
//! Start, reload, recovery and `sterna check` read them here and nowhere else, so that what one of
//! them refuses the others refuse too, in the same words. What can be used and may not do what its
//! owner expects is a doubt, which all of them tell.

mod hmac_keys;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ClientConfig;

use crate::api::ApiKeys;
use crate::config::{ApnsConfig, ApnsCredential, Config, FcmConfig, FcmCredential, LaneConfig};
use crate::config::{ProviderConfig, Secret, SigningKeyFile};
use crate::filetype::{self, Wanted};
use crate::moment::Moment;
use crate::moment::server_clock::span;
use crate::net::tls::{
    self, Identity, MAX_PEM_FILE, PemFile, Roots, Stance, SystemRoots, validity,
};
use crate::oauth::{AllowedHosts, GoogleCredential, MetadataServer};
use crate::provider::KEY_FILE_MAX;
use crate::provider::apns::SigningKey;
use crate::provider::fcm::{self, ProjectPath, check_project_id};
use crate::regular::{self, without_mark};
pub use hmac_keys::{HookFiles, hash_key, hook};

/// How long before its end a certificate is warned of: time for Apple's portal and a holiday. One
/// that is made for a short life is warned of in its last third.
const EXPIRY_WARNING: i64 = 30 * 86_400;

/// Something to be said of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The configuration's key that names it; empty for what no key names.
    pub key: String,
    /// The file, unless the text says which.
    pub path: Option<PathBuf>,
    /// What there is to say; what follows a `; ` is what to do.
    pub text: String,
}

impl Finding {
    fn at(key: &str, path: &Path, text: impl fmt::Display) -> Self {
        Self {
            key: key.to_owned(),
            path: Some(path.to_owned()),
            text: text.to_string(),
        }
    }

    fn of_key(key: &str, text: impl fmt::Display) -> Self {
        Self {
            key: key.to_owned(),
            path: None,
            text: text.to_string(),
        }
    }
}

/// `key path: text`
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            _ if self.key.is_empty() => f.write_str(&self.text),
            Some(path) => write!(f, "{} {}: {}", self.key, path.display(), self.text),
            None => write!(f, "{}: {}", self.key, self.text),
        }
    }
}

/// What was read, and the doubts about it.
pub struct Found<T> {
    /// What it is for.
    pub value: T,
    /// What may not do what its owner expects.
    pub doubts: Vec<Finding>,
}

/// Who we are to APNs.
pub enum ApnsIdentity {
    /// Whoever has this key.
    Key(SigningKey),
    /// Whoever has the certificate that the TLS set-up shows; the second since the Unix epoch at
    /// which that ends, if it can be read.
    Certificate(Option<i64>),
}

/// All that connections to APNs are made with.
pub struct Apns {
    /// Who we are.
    pub identity: ApnsIdentity,
    /// Whom we trust, and the certificate that we show.
    pub tls: Arc<ClientConfig>,
    /// A digest of both.
    pub stance: Stance,
}

/// All that connections to FCM are made with.
pub struct Fcm {
    /// Who we are.
    pub credential: GoogleCredential,
    /// The Firebase project; `None` if only the metadata server knows it.
    pub project: Option<String>,
    /// Where its pushes go.
    pub path: ProjectPath,
    /// Whom we trust, for FCM.
    pub tls: Arc<ClientConfig>,
    /// A digest of that.
    pub stance: Stance,
    /// Whom we trust, for the servers that give access tokens.
    pub web_tls: Arc<ClientConfig>,
}

/// Reads what a lane's section names, of which only the doubts are wanted.
///
/// # Errors
///
/// All that keeps it from being used.
pub fn doubts(
    lane: &LaneConfig,
    system: &SystemRoots,
    now: Moment,
) -> Result<Vec<Finding>, Vec<Finding>> {
    match &lane.provider {
        ProviderConfig::Apns(own) => {
            let mut doubts = apns(lane, own, system, now)?.doubts;
            doubts.extend(old_key(lane, system, now).err().into_iter().flatten());
            Ok(doubts)
        }
        ProviderConfig::Fcm(own) => fcm(lane, own, system, now).map(|found| found.doubts),
    }
}

/// Reads what the section of a lane to APNs names.
///
/// # Errors
///
/// All that keeps it from being used.
pub fn apns(
    lane: &LaneConfig,
    own: &ApnsConfig,
    system: &SystemRoots,
    now: Moment,
) -> Result<Found<Apns>, Vec<Finding>> {
    let mut doubts = Vec::new();
    let who = who(&own.credential, &lane.section, now, &mut doubts);
    let roots = lanes_roots(lane, system, now);
    let ((identity, certificate), roots) = both(who, roots, &mut doubts)?;
    let stance = Stance::of(&roots, certificate.as_ref());
    let tls = tls::client_config(&roots, certificate, &[tls::ALPN_H2]);
    let tls = tls.map_err(|error| vec![Finding::of_key(&lane.section, error)])?;
    let value = Apns {
        identity,
        tls,
        stance,
    };
    Ok(Found { value, doubts })
}

/// Reads the signing key before the present one, if the section of a lane to APNs names it, with
/// the lane that has it.
///
/// # Errors
///
/// Why it cannot be used, which keeps nobody from using the present one.
pub fn old_key(
    lane: &LaneConfig,
    system: &SystemRoots,
    now: Moment,
) -> Result<Option<(LaneConfig, Found<Apns>)>, Vec<Finding>> {
    let Some(lane) = lane.with_old_key() else {
        return Ok(None);
    };
    let found = lane.apns().map(|own| apns(&lane, own, system, now));
    let found = found.transpose().map_err(|mut findings| {
        for finding in &mut findings {
            finding.text.push_str(NOT_KEPT);
        }
        findings
    })?;
    Ok(found.map(|found| (lane, found)))
}

/// Reads what the section of a lane to FCM names.
///
/// # Errors
///
/// All that keeps it from being used.
pub fn fcm(
    lane: &LaneConfig,
    own: &FcmConfig,
    system: &SystemRoots,
    now: Moment,
) -> Result<Found<Fcm>, Vec<Finding>> {
    let mut doubts = Vec::new();
    let credential = google_credential(own, &lane.section, &mut doubts);
    let roots = lanes_roots(lane, system, now);
    let ((credential, project, path), roots) = both(credential, roots, &mut doubts)?;
    let tls = |protocols: &[&[u8]]| {
        let tls = tls::client_config(&roots, None, protocols);
        tls.map_err(|error| vec![Finding::of_key(&lane.section, error)])
    };
    let value = Fcm {
        credential,
        project,
        path,
        tls: tls(&[tls::ALPN_H2])?,
        stance: Stance::of(&roots, None),
        web_tls: tls(&[tls::ALPN_H2, tls::ALPN_HTTP1])?,
    };
    Ok(Found { value, doubts })
}

/// Reads the API keys, if there is to be a file of them; a doubt about it names lines, and no key.
///
/// # Errors
///
/// All for which it cannot be used.
pub fn api_keys(config: &Config) -> Result<Found<Option<ApiKeys>>, Vec<Finding>> {
    let Some(path) = &config.core.api_key_path else {
        return Ok(Found {
            value: None,
            doubts: Vec::new(),
        });
    };
    let file = read(KEYS, path, Wanted::Text).map_err(one)?;
    let text = String::from_utf8_lossy(&file);
    let is_app = |app: &str| config.known().any(|lane| lane.app() == app);
    let keys = ApiKeys::parse(&text).and_then(|keys| {
        let errors = keys.for_no_app(is_app);
        if errors.is_empty() {
            Ok(keys)
        } else {
            Err(errors)
        }
    });
    let found = |keys: ApiKeys| Found {
        doubts: for_tokens_alone(&keys, path).into_iter().collect(),
        value: Some(keys),
    };
    keys.map(found).map_err(|errors| {
        let mut findings = Vec::new();
        for error in errors {
            // Of a file of another kind one thing is to be said.
            let finding = unusable((KEYS, path), &file, Wanted::Text, error);
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        findings
    })
}

/// What is to be said of keys whose callers may push to device tokens alone.
fn for_tokens_alone(keys: &ApiKeys, path: &Path) -> Option<Finding> {
    let lines: Vec<_> = keys.lines_for_tokens_alone().collect();
    let [first, others @ ..] = &*lines else {
        return None;
    };
    let others = others.iter().map(|line| format!(", {line}"));
    let (s, others) = (
        if lines.len() > 1 { "s" } else { "" },
        others.collect::<String>(),
    );
    let text = format!(
        "line{s} {first}{others}: rights=push is for pushes to device tokens alone; where callers \
         push to topics or channels too, write rights=push,topics,channels"
    );
    Some(Finding::at(KEYS, path, text))
}

type Certificate = Option<Identity>;

fn who(
    credential: &ApnsCredential,
    section: &str,
    now: Moment,
    doubts: &mut Vec<Finding>,
) -> Result<(ApnsIdentity, Certificate), Vec<Finding>> {
    match credential {
        ApnsCredential::Token {
            key: named,
            team_id,
            ..
        } => {
            let (path, id) = (&*named.path, &*named.id);
            let key = &*format!("{section}.{}", named.named_by);
            let file = read(key, path, Wanted::SigningKey).map_err(one)?;
            let signing_key = SigningKey::from_pem(&file, id, team_id).map_err(|error| {
                let wanted = Wanted::SigningKey;
                vec![unusable((key, path), &file, wanted, error)]
            })?;
            let doubt = other_id(named, section);
            doubts.extend(doubt.map(|text| Finding::at(key, path, text)));
            Ok((ApnsIdentity::Key(signing_key), None))
        }
        ApnsCredential::Certificate {
            cert_path,
            key_path,
            passphrase,
        } => {
            let of = |name| format!("{section}.{name}");
            let (of_chain, of_key) = (&*of("pem_cert_path"), &*of("pem_key_path"));
            let chain = read(of_chain, cert_path, Wanted::Certificate);
            let key = read(of_key, key_path, Wanted::CertificateKey);
            let (chain, key) = both(chain.map_err(one), key.map_err(one).map(alone), doubts)?;
            let (chain, key) = (
                PemFile::new(cert_path, &chain),
                PemFile::new(key_path, &key),
            );
            let passphrase = passphrase.as_ref().map(Secret::expose);
            let identity = Identity::from_pem(chain, key, passphrase).map_err(|error| {
                let files = [
                    (of_chain, chain, Wanted::Certificate),
                    (of_key, key, Wanted::CertificateKey),
                ];
                let told = files.into_iter().filter_map(|(key, file, wanted)| {
                    let complaint = filetype::complaint(file.bytes, wanted, file.path)?;
                    Some(Finding::at(key, file.path, complaint))
                });
                let told: Vec<Finding> = told.collect();
                if !told.is_empty() {
                    return told;
                }
                vec![match error.path() {
                    Some(path) if path == key_path && path != cert_path => {
                        Finding::at(of_key, path, error.text())
                    }
                    Some(path) => Finding::at(of_chain, path, error.text()),
                    None => Finding::of_key(of_chain, error),
                }]
            })?;
            let mut doubtful = Vec::new();
            for (index, certificate) in identity.certificates().iter().enumerate() {
                match dates(certificate, now) {
                    // The others are Apple's business.
                    Dates::Over(text) if index == 0 => {
                        return Err(vec![Finding::at(of_chain, cert_path, text)]);
                    }
                    dates => doubtful.extend(dates.doubt()),
                }
            }
            doubts.extend(first_at(of_chain, cert_path, doubtful));
            let own = identity.certificates().first();
            let until = own.and_then(|own| Some(validity(own)?.to));
            Ok((ApnsIdentity::Certificate(until), Some(identity)))
        }
    }
}

/// What is to be said of a signing key whose file is called after another key.
fn other_id(named: &SigningKeyFile, section: &str) -> Option<String> {
    let SigningKeyFile { path, id, named_by } = named;
    let name = path.file_stem()?.to_str()?.strip_prefix("AuthKey_")?;
    let is_id = name.len() == id.len() && name.bytes().all(|it| it.is_ascii_alphanumeric());
    (is_id && name != id).then(|| {
        let of_id = named_by.replace("_path", "_id");
        format!(
            "by its name the file is key {name}, and {section}.{of_id} is {id}; Apple refuses \
             every push as InvalidProviderToken if that is not the file's key"
        )
    })
}

fn google_credential(
    own: &FcmConfig,
    section: &str,
    doubts: &mut Vec<Finding>,
) -> Result<(GoogleCredential, Option<String>, ProjectPath), Vec<Finding>> {
    let path_of = |project: &str| ProjectPath::from(fcm::path(project));
    let (path, hosts) = match &own.credential {
        FcmCredential::File {
            path,
            hosts,
            token_hosts,
        } => {
            let (subject, tokens) = (&**hosts, &**token_hosts);
            (path, AllowedHosts { subject, tokens })
        }
        FcmCredential::MetadataServer { host } => {
            let project = own.project_id.clone();
            let path = project.as_deref().map(path_of).unwrap_or_default();
            let server = MetadataServer::new(host, path.clone());
            return Ok((GoogleCredential::MetadataServer(server), project, path));
        }
    };
    let key = &*format!("{section}.service_account_path");
    let wrong = |error: &dyn fmt::Display| vec![Finding::at(key, path, error)];
    let file = read(key, path, Wanted::ServiceAccount).map_err(one)?;
    let unusable = |error: &dyn fmt::Display| {
        vec![unusable((key, path), &file, Wanted::ServiceAccount, error)]
    };
    let text = std::str::from_utf8(&file).map_err(|error| unusable(&error))?;
    let credential = GoogleCredential::parse(text, hosts);
    let credential = credential.map_err(|error| unusable(&error))?;
    let project = own.project_id.as_deref().or(credential.project_id());
    let Some(project) = project.map(str::to_owned) else {
        let text = format!("it names no project_id; set {section}.project_id");
        return Err(wrong(&text));
    };
    check_project_id(&project)
        .map_err(|error| vec![Finding::of_key(&format!("{section}.project_id"), error)])?;
    if matches!(credential, GoogleCredential::ServiceAccount(_)) {
        let text = "ignored: service_account_path is a service account's key, which names no hosts; \
                    remove it";
        let keys = [
            ("credential_hosts", hosts.subject),
            ("token_hosts", hosts.tokens),
        ];
        for (key, _) in keys.iter().filter(|(_, hosts)| !hosts.is_empty()) {
            doubts.push(Finding::of_key(&format!("{section}.{key}"), text));
        }
    }
    doubts.extend(credential.doubt().map(|text| Finding::at(key, path, text)));
    let path = path_of(&project);
    Ok((credential, Some(project), path))
}

/// Whom a lane trusts; the doubts are those about the file of our own.
fn lanes_roots(
    lane: &LaneConfig,
    system: &SystemRoots,
    now: Moment,
) -> Result<(Roots, Vec<Finding>), Vec<Finding>> {
    let key = format!("{}.ca_path", lane.section);
    roots((&key, lane.ca_path.as_deref()), system, now)
}

/// Whom we trust: the system's, and those in the file that this key names.
fn roots(
    (key, path): (&str, Option<&Path>),
    system: &SystemRoots,
    now: Moment,
) -> Result<(Roots, Vec<Finding>), Vec<Finding>> {
    let mut doubts = Vec::new();
    let mut own = Vec::new();
    if let Some(path) = path {
        let file = read(key, path, Wanted::Authorities).map_err(one)?;
        let found = tls::authorities(&file)
            .map_err(|error| vec![unusable((key, path), &file, Wanted::Authorities, error)])?;
        let mut doubtful = Vec::new();
        for (name, certificate) in &found.good {
            // That they are short-lived is for those to know who have made them.
            if let Dates::Over(text) = dates(certificate, now) {
                doubtful.push(format!("{name}: {text}"));
            }
        }
        if doubtful.len() == found.good.len() {
            // Whoever replaces it by mistake would find out by the servers' certificates.
            return Err(first_at(key, path, doubtful));
        }
        doubtful.extend(found.useless);
        doubts = first_at(key, path, doubtful);
        own = found.good.into_iter().map(|(_, it)| it).collect();
    }
    let roots = Roots::of(system, own).map_err(|error| vec![Finding::of_key("", error)])?;
    Ok((roots, doubts))
}

/// Both, or all that is wrong with either.
fn both<A, B>(
    one: Result<A, Vec<Finding>>,
    other: Result<(B, Vec<Finding>), Vec<Finding>>,
    doubts: &mut Vec<Finding>,
) -> Result<(A, B), Vec<Finding>> {
    match (one, other) {
        (Ok(one), Ok((other, more))) => {
            doubts.extend(more);
            Ok((one, other))
        }
        (one, other) => {
            let errors = [one.err(), other.err()].into_iter().flatten();
            Err(errors.flatten().collect())
        }
    }
}

/// What is said of a file with many certificates.
fn first_at(key: &str, path: &Path, doubtful: Vec<String>) -> Vec<Finding> {
    let told = tls::first_doubts(doubtful).into_iter();
    told.map(|text| Finding::at(key, path, text)).collect()
}

fn one(error: Finding) -> Vec<Finding> {
    vec![error]
}

fn alone<T>(value: T) -> (T, Vec<Finding>) {
    (value, Vec::new())
}

/// What a certificate's dates say.
enum Dates {
    Fine,
    Doubtful(String),
    Over(String),
}

impl Dates {
    fn doubt(self) -> Option<String> {
        match self {
            Self::Fine => None,
            Self::Doubtful(text) | Self::Over(text) => Some(text),
        }
    }
}

fn dates(certificate: &[u8], now: Moment) -> Dates {
    let Some(validity) = validity(certificate) else {
        return Dates::Doubtful("a certificate's dates cannot be read".to_owned());
    };
    let now = i64::try_from(now.unix.as_secs()).unwrap_or(i64::MAX);
    let until = |at: i64| span(std::time::Duration::from_secs(at.abs_diff(now)));
    let life = validity.to.saturating_sub(validity.from);
    let warned = EXPIRY_WARNING.min(life / 3);
    if now >= validity.to {
        Dates::Over(format!(
            "the certificate expired at {}; renew it, or put this machine's clock right",
            date(validity.to)
        ))
    } else if now < validity.from {
        Dates::Doubtful(format!(
            "the certificate is valid from {} on, in {}; this machine's clock may be wrong, see \
             timedatectl",
            date(validity.from),
            until(validity.from)
        ))
    } else if validity.to.saturating_sub(now) <= warned {
        Dates::Doubtful(format!(
            "the certificate expires in {} ({}); renew it",
            until(validity.to),
            date(validity.to)
        ))
    } else {
        Dates::Fine
    }
}

fn date(at: i64) -> String {
    jiff::Timestamp::from_second(at).map_or_else(|_| at.to_string(), |at| at.to_string())
}

/// What is said of a file that cannot be used: what it is, if that is known, else the error.
fn unusable(
    (key, path): (&str, &Path),
    file: &[u8],
    wanted: Wanted,
    error: impl fmt::Display,
) -> Finding {
    match filetype::complaint(file, wanted, path) {
        Some(complaint) => Finding::at(key, path, complaint),
        None => Finding::at(key, path, error),
    }
}

/// Reads a file that is to be of that kind, without its byte order mark.
fn read(key: &str, path: &Path, wanted: Wanted) -> Result<Vec<u8>, Finding> {
    let most = match wanted {
        Wanted::Certificate | Wanted::CertificateKey | Wanted::Authorities => MAX_PEM_FILE,
        Wanted::SigningKey | Wanted::ServiceAccount | Wanted::Text => KEY_FILE_MAX,
    };
    Ok(without_mark(&bytes(key, path, most)?).to_vec())
}

fn bytes(key: &str, path: &Path, most: usize) -> Result<Vec<u8>, Finding> {
    let file = regular::read(path, most)
        .map_err(|error| Finding::at(key, path, format_args!("cannot be read: {error}")))?;
    if file.len() > most {
        let text = format!("over {most} bytes, and no file of this kind is that long");
        return Err(Finding::at(key, path, text));
    }
    Ok(file)
}

/// What is added to why a signing key on its way out cannot be used.
const NOT_KEPT: &str = "; the new key alone is used, from the start on: if that is meant, remove the \
                        two token_auth_old_ keys";
const KEYS: &str = "core.api_key_path";
