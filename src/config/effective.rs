//! What is in force, key by key: what was written, what the command line said, and the defaults.
//!
//! Pure. Keys without effect have no place here, nor have those of a disabled platform.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::time::Duration;

use super::key::Key;
use super::keys::{self, GAURUN, SECTIONS};
use super::toml_text::{list, quoted};
use super::{
    Android, ApnsCredential, Bind, Config, Core, HideToken, Ios, Journal, Log, ProviderUrl,
};
use super::{Secret, Sync};

/// A key and what is in force for it.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The key.
    pub key: &'static Key,
    /// Its value.
    pub value: Value,
}

/// What is in force for a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing: what the key's absence means.
    Absent,
    /// `true` or `false`.
    Flag(bool),
    /// A number.
    Number(u64),
    /// A string.
    Text(String),
    /// Strings.
    List(Vec<String>),
    /// A string that is not shown.
    Secret(Secret),
}

/// As the file would have it, secrets apart.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("\"\""),
            Self::Flag(flag) => flag.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => f.write_str(&quoted(text)),
            Self::List(texts) => f.write_str(&list(texts)),
            Self::Secret(_) => f.write_str("(not shown)"),
        }
    }
}

impl Value {
    fn json(&self) -> serde_json::Value {
        match self {
            Self::Absent => serde_json::Value::Null,
            Self::Flag(flag) => (*flag).into(),
            Self::Number(number) => (*number).into(),
            Self::Text(text) => text.as_str().into(),
            Self::List(texts) => texts.as_slice().into(),
            Self::Secret(_) => "(not shown)".into(),
        }
    }

    fn text(text: Option<&str>) -> Self {
        text.map_or(Self::Absent, |text| Self::Text(text.to_owned()))
    }

    fn path(path: Option<&Path>) -> Self {
        path.map_or(Self::Absent, |path| Self::Text(path.display().to_string()))
    }

    fn count(count: impl TryInto<u64>) -> Self {
        Self::Number(count.try_into().unwrap_or(u64::MAX))
    }

    fn seconds(time: Duration) -> Self {
        Self::Number(time.as_secs())
    }

    fn endpoint(endpoint: Option<&ProviderUrl>) -> Self {
        endpoint.map_or(Self::Absent, |endpoint| Self::Text(endpoint.to_string()))
    }
}

impl Config {
    /// Every key that has an effect, with what is in force for it, in the order of the
    /// documentation.
    pub fn effective(&self) -> Vec<Setting> {
        let mut settings = core(&self.core);
        settings.push(setting(&keys::IOS_ENABLED, Value::Flag(self.ios.is_some())));
        settings.extend(self.ios.iter().flat_map(ios));
        let android_enabled = Value::Flag(self.android.is_some());
        settings.push(setting(&keys::ANDROID_ENABLED, android_enabled));
        settings.extend(self.android.iter().flat_map(android));
        settings.extend(journal(self.journal.as_ref()));
        settings.extend(log(&self.log));
        settings
    }

    /// [`Config::effective`] as a JSON object of sections; `null` is the absence of a value.
    pub fn effective_json(&self) -> serde_json::Value {
        let mut sections = serde_json::Map::new();
        for Setting { key, value } in self.effective() {
            let section = sections.entry(key.section);
            let section = section.or_insert_with(|| serde_json::Map::new().into());
            if let Some(section) = section.as_object_mut() {
                section.insert(key.name.to_owned(), value.json());
            }
        }
        sections.into()
    }

    /// [`Config::effective`] as a file, in which secrets and absent values are comments.
    pub fn effective_toml(&self) -> String {
        let settings = self.effective();
        let mut out = String::new();
        for (section, _) in SECTIONS {
            let gap = if out.is_empty() { "" } else { "\n" };
            // Writing to a text cannot fail.
            let _written = writeln!(out, "{gap}[{section}]");
            for Setting { key, value } in settings.iter().filter(|it| it.key.section == section) {
                let name = key.name;
                let _written = match value {
                    Value::Absent => writeln!(out, "# {name}: not set"),
                    Value::Secret(_) => writeln!(out, "# {name}: set, not shown"),
                    shown => writeln!(out, "{name} = {shown}"),
                };
            }
        }
        out
    }
}

fn setting(key: &'static Key, value: Value) -> Setting {
    Setting { key, value }
}

fn settings<const N: usize>(pairs: [(&'static Key, Value); N]) -> Vec<Setting> {
    pairs.map(|(key, value)| setting(key, value)).into()
}

fn core(core: &Core) -> Vec<Setting> {
    let (port, address) = match &core.bind {
        Bind::Tcp(address) => {
            let ip = Value::Text(address.ip().to_string());
            (Value::Number(address.port().into()), ip)
        }
        Bind::Unix(_) => (Value::Text(core.bind.to_string()), Value::Absent),
    };
    let mode = core.socket_access.mode.map(mode_text);
    settings([
        (&keys::CORE_PORT, port),
        (&keys::CORE_ADDRESS, address),
        (
            &keys::CORE_API_KEY_PATH,
            Value::path(core.api_key_path.as_deref()),
        ),
        (
            &keys::CORE_ALLOW_UNAUTHENTICATED,
            Value::Flag(core.allow_unauthenticated),
        ),
        (&keys::CORE_HOSTS, Value::List(core.hosts.clone())),
        (&keys::CORE_SOCKET_MODE, Value::text(mode.as_deref())),
        (
            &keys::CORE_SOCKET_GROUP,
            Value::text(core.socket_access.group.as_deref()),
        ),
        (&keys::CORE_WORKERS, Value::count(core.workers.get())),
        (&keys::CORE_QUEUES, Value::count(core.queues.get())),
        (
            &keys::CORE_NOTIFICATION_MAX,
            Value::count(core.notification_max.get()),
        ),
        (
            &keys::CORE_PUSHER_MAX,
            core.pusher_max
                .map_or(Value::Absent, |streams| Value::Number(streams.get().into())),
        ),
        (
            &keys::CORE_SHUTDOWN_TIMEOUT,
            Value::seconds(core.shutdown_timeout),
        ),
        (&keys::CORE_PID, Value::path(core.pid.as_deref())),
        (
            &keys::CORE_ALLOWS_EMPTY_MESSAGE,
            Value::Flag(core.allows_empty_message),
        ),
        (
            &keys::CORE_COMPATIBLE_WITH,
            // Left out, it might mean the other.
            Value::Text(if core.is_like_gaurun { GAURUN } else { "" }.to_owned()),
        ),
        (
            &keys::CORE_MAX_CONNECTIONS,
            Value::count(core.max_connections.get()),
        ),
        (
            &keys::CORE_MAX_BODY_BYTES,
            Value::count(core.max_body_bytes.get()),
        ),
        (&keys::CORE_MAX_AGE, Value::seconds(core.max_age)),
        (&keys::CORE_RESEND_UNKNOWN, Value::Flag(core.resend_unknown)),
        (
            &keys::CORE_PROBE_INTERVAL,
            Value::seconds(core.probe_interval),
        ),
        (
            &keys::CORE_CONTROL_SOCKET,
            Value::path(core.control_socket.as_deref()),
        ),
        (&keys::CORE_NODE, Value::count(core.node.number())),
    ])
}

fn ios(ios: &Ios) -> Vec<Setting> {
    let mut all = match &ios.credential {
        ApnsCredential::Certificate {
            cert_path,
            key_path,
            passphrase,
        } => settings([
            (&keys::IOS_PEM_CERT_PATH, Value::path(Some(cert_path))),
            (&keys::IOS_PEM_KEY_PATH, Value::path(Some(key_path))),
            (
                &keys::IOS_PEM_KEY_PASSPHRASE,
                passphrase.clone().map_or(Value::Absent, Value::Secret),
            ),
        ]),
        ApnsCredential::Token {
            key_path,
            key_id,
            team_id,
        } => settings([
            (&keys::IOS_TOKEN_AUTH_KEY_PATH, Value::path(Some(key_path))),
            (&keys::IOS_TOKEN_AUTH_KEY_ID, Value::text(Some(key_id))),
            (&keys::IOS_TOKEN_AUTH_TEAM_ID, Value::text(Some(team_id))),
        ]),
    };
    all.extend(settings([
        (&keys::IOS_SANDBOX, Value::Flag(ios.sandbox)),
        (&keys::IOS_TOPIC, Value::text(ios.topic.as_deref())),
        (&keys::IOS_TIMEOUT, Value::seconds(ios.timeout)),
        (&keys::IOS_RETRY_MAX, Value::count(ios.retry_max)),
        (&keys::IOS_RATE, Value::count(ios.rate)),
        (
            &keys::IOS_KEEPALIVE_TIMEOUT,
            Value::seconds(ios.keepalive_timeout),
        ),
        (&keys::IOS_ENDPOINT, Value::endpoint(ios.endpoint.as_ref())),
        (&keys::IOS_CA_PATH, Value::path(ios.ca_path.as_deref())),
    ]));
    all
}

fn android(android: &Android) -> Vec<Setting> {
    let account = Value::path(Some(&android.service_account_path));
    settings([
        (&keys::ANDROID_SERVICE_ACCOUNT_PATH, account),
        (
            &keys::ANDROID_PROJECT_ID,
            Value::text(android.project_id.as_deref()),
        ),
        (&keys::ANDROID_TIMEOUT, Value::seconds(android.timeout)),
        (&keys::ANDROID_RETRY_MAX, Value::count(android.retry_max)),
        (&keys::ANDROID_RATE, Value::count(android.rate)),
        (
            &keys::ANDROID_KEEPALIVE_TIMEOUT,
            Value::seconds(android.keepalive_timeout),
        ),
        (
            &keys::ANDROID_ENDPOINT,
            Value::endpoint(android.endpoint.as_ref()),
        ),
        (
            &keys::ANDROID_CA_PATH,
            Value::path(android.ca_path.as_deref()),
        ),
    ])
}

fn journal(journal: Option<&Journal>) -> Vec<Setting> {
    let sync = match journal.map(|journal| journal.sync) {
        Some(Sync::Group) => "group",
        Some(Sync::Interval) => "interval",
        None => "off",
    };
    let mut all = vec![setting(&keys::JOURNAL_SYNC, Value::text(Some(sync)))];
    if let Some(journal) = journal {
        let bytes = Value::Number(journal.segment_bytes);
        all.extend(settings([
            (&keys::JOURNAL_DIR, Value::path(Some(&journal.dir))),
            (&keys::JOURNAL_SEGMENT_BYTES, bytes),
        ]));
    }
    all
}

fn log(log: &Log) -> Vec<Setting> {
    let (hide, key_path) = match &log.hide_token {
        HideToken::No => ("no", None),
        HideToken::Hash { key_path } => ("hash", Some(key_path.as_path())),
        HideToken::Yes => ("yes", None),
    };
    let level = log.level.as_str().to_ascii_lowercase();
    settings([
        (&keys::LOG_ACCESS_LOG, Value::text(Some(&log.access_log))),
        (&keys::LOG_ERROR_LOG, Value::text(Some(&log.error_log))),
        (
            &keys::LOG_OPERATOR_LOG,
            Value::text(Some(&log.operator_log)),
        ),
        (&keys::LOG_MODE, Value::Text(mode_text(log.mode))),
        (&keys::LOG_HIDE_TOKEN, Value::text(Some(hide))),
        (&keys::LOG_HASH_KEY_PATH, Value::path(key_path)),
        (&keys::LOG_HIDE_MESSAGE, Value::Flag(log.hide_message)),
        (&keys::LOG_LEVEL, Value::Text(level)),
    ])
}

/// The mode of a file as the file of keys has it.
fn mode_text(mode: u32) -> String {
    format!("{mode:04o}")
}

#[cfg(test)]
mod tests;
