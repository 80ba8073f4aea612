//! Google's `external_account` file: how a workload elsewhere becomes known to Google (AIP-4117).
//!
//! Pure: no I/O, no clock. The file has no secret, and says where tokens are sent: whoever writes
//! it must not thereby have them sent to himself. Google's own servers may be named as they are,
//! and other hosts only if the configuration allows them, as Google advises: who may give a subject
//! token need not be who may be sent one.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use http::{HeaderName, HeaderValue, Uri};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::subject_token::{self, SubjectPlace, SubjectSource, SubjectTokenForm};
use crate::pasted;
use crate::provider::KEY_FILE_MAX;

/// An identity of elsewhere, and the way to Google's tokens for it.
pub struct ExternalAccount {
    audience: String,
    subject_token_type: String,
    token_url: String,
    source: SubjectSource,
    /// Where the service account's tokens are asked for, and for how many seconds.
    impersonation: Option<(String, u64)>,
}

/// The hosts that a file may name beside Google's and this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct AllowedHosts<'a> {
    /// Those that may give the subject token.
    pub subject: &'a [String],
    /// Those that may be sent it, and what they give for it.
    pub tokens: &'a [String],
}

/// The file's fields that are looked at.
#[derive(Deserialize)]
struct ExternalAccountFile {
    audience: Option<String>,
    subject_token_type: Option<String>,
    token_url: Option<String>,
    universe_domain: Option<String>,
    service_account_impersonation_url: Option<String>,
    service_account_impersonation: Option<ImpersonationPart>,
    credential_source: Option<SourcePart>,
    client_id: Option<IgnoredAny>,
    workforce_pool_user_project: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct ImpersonationPart {
    token_lifetime_seconds: Option<u64>,
}

#[derive(Deserialize)]
struct SourcePart {
    file: Option<String>,
    url: Option<String>,
    headers: Option<BTreeMap<String, String>>,
    format: Option<FormatPart>,
    environment_id: Option<IgnoredAny>,
    executable: Option<IgnoredAny>,
    certificate: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct FormatPart {
    #[serde(rename = "type")]
    kind: Option<String>,
    subject_token_field_name: Option<String>,
}

impl ExternalAccount {
    /// Reads the text of a file whose `type` is `external_account`; `hosts` are those that it may
    /// name.
    ///
    /// # Errors
    ///
    /// A text that names the field, what is wrong with it and what to do, never a value that may
    /// be secret.
    pub fn parse(text: &str, hosts: AllowedHosts<'_>) -> Result<Self, String> {
        if text.len() > KEY_FILE_MAX {
            return Err(format!(
                "the file is over {KEY_FILE_MAX} bytes: it is no external_account file"
            ));
        }
        let file: ExternalAccountFile = serde_json::from_str(text).map_err(|error| {
            // The error's own text may quote the file.
            let (line, column) = (error.line(), error.column());
            format!("not an external_account file: bad JSON at line {line}, column {column}")
        })?;
        file.check_secrets()?;
        let universe = file.universe_domain.unwrap_or_default();
        if !universe.is_empty() && universe != "googleapis.com" {
            let text = "universe_domain is not \"googleapis.com\", which alone has FCM";
            return Err(text.to_owned());
        }
        let audience = visible("audience", file.audience)?;
        let is_workforce = audience.contains("/workforcePools/");
        if is_workforce || file.workforce_pool_user_project.is_some() || file.client_id.is_some() {
            return Err(
                "the file is of a workforce pool, which is for people who log in; make a workload \
                 identity pool, and its file with: gcloud iam workload-identity-pools \
                 create-cred-config"
                    .to_owned(),
            );
        }
        let subject_token_type = visible("subject_token_type", file.subject_token_type)?;
        let token_url = visible("token_url", file.token_url)?;
        check_server("token_url", &token_url, "sts", hosts.tokens, |path| {
            path == "/v1/token"
        })?;
        let url = file.service_account_impersonation_url;
        let url = url.filter(|url| !url.is_empty());
        let lifetime = lifetime(file.service_account_impersonation)?;
        if let Some(url) = &url {
            let field = "service_account_impersonation_url";
            check_server(field, url, "iamcredentials", hosts.tokens, |path| {
                email_in(path).is_some()
            })?;
        }
        let source = file.credential_source;
        let source = source.ok_or("credential_source is missing")?;
        Ok(Self {
            audience,
            subject_token_type,
            token_url,
            source: source.read(hosts.subject)?,
            impersonation: url.map(|url| (url, lifetime)),
        })
    }

    /// Which identity it is, for the operator.
    pub fn name(&self) -> String {
        let audience = pasted::shown(&self.audience);
        let url = self.impersonation.as_ref().map(|(url, _)| url);
        let email =
            url.and_then(|url| email_in(url.parse::<Uri>().ok()?.path()).map(str::to_owned));
        match email {
            Some(email) => format!("{audience} as {email}"),
            None => audience.to_owned(),
        }
    }

    /// Why the file that the subject token is to be in has none now, if so: it may have later.
    pub fn doubt(&self) -> Option<String> {
        subject_token::doubt(&self.source)
    }

    /// The identity provider as Google knows it.
    pub(super) fn audience(&self) -> &str {
        &self.audience
    }

    /// What kind of token the identity provider gives.
    pub(super) fn subject_token_type(&self) -> &str {
        &self.subject_token_type
    }

    /// Where a subject token is exchanged.
    pub(super) fn token_url(&self) -> &str {
        &self.token_url
    }

    /// Where the subject token comes from.
    pub(super) fn source(&self) -> &SubjectSource {
        &self.source
    }

    /// Where the tokens of a service account are asked for, and for how many seconds.
    pub(super) fn impersonation(&self) -> Option<(&str, u64)> {
        let (url, lifetime) = self.impersonation.as_ref()?;
        Some((url, *lifetime))
    }
}

impl fmt::Debug for ExternalAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalAccount")
            .field("name", &self.name())
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

impl ExternalAccountFile {
    /// Refuses what holds a secret where none belongs: messages repeat some of it.
    fn check_secrets(&self) -> Result<(), String> {
        let source = self.credential_source.as_ref();
        for (name, value) in [
            ("audience", &self.audience),
            ("subject_token_type", &self.subject_token_type),
            ("token_url", &self.token_url),
            ("universe_domain", &self.universe_domain),
            (
                "service_account_impersonation_url",
                &self.service_account_impersonation_url,
            ),
            (
                "credential_source.file",
                source.map_or(&None, |source| &source.file),
            ),
            (
                "credential_source.url",
                source.map_or(&None, |source| &source.url),
            ),
        ] {
            let is_key = |value: &str| pasted::is_content(value) || pasted::has_lines(value);
            if value.as_deref().is_some_and(is_key) {
                return Err(format!("{name} holds the content of a key, or a password"));
            }
        }
        Ok(())
    }
}

impl SourcePart {
    fn read(self, hosts: &[String]) -> Result<SubjectSource, String> {
        let unsupported = [
            (self.environment_id.is_some(), "environment_id", "AWS"),
            (self.executable.is_some(), "executable", "a program"),
            (self.certificate.is_some(), "certificate", "a certificate"),
        ];
        if let Some((_, field, what)) = unsupported.iter().find(|(is_there, ..)| *is_there) {
            return Err(format!(
                "credential_source is {what} ({field}), which is not supported: have a program of \
                 yours keep an OIDC token in a file, and name that as credential_source.file; or \
                 use a service account's key"
            ));
        }
        let form = self
            .format
            .map_or(Ok(SubjectTokenForm::Text), FormatPart::read)?;
        let file = self.file.filter(|path| !path.is_empty());
        let url = self.url.filter(|url| !url.is_empty());
        let place = match (file, url) {
            (Some(path), None) => SubjectPlace::File(path.into()),
            (None, Some(url)) => {
                let shown = check_source_url(&url, hosts)?;
                let fields = fields(self.headers.unwrap_or_default())?;
                SubjectPlace::Url { url, shown, fields }
            }
            _ => return Err("credential_source must have either a file or a url".to_owned()),
        };
        Ok(SubjectSource { place, form })
    }
}

impl FormatPart {
    fn read(self) -> Result<SubjectTokenForm, String> {
        let field = self.subject_token_field_name;
        match (self.kind.as_deref(), field.filter(|name| !name.is_empty())) {
            (None | Some("" | "text"), _) => Ok(SubjectTokenForm::Text),
            (Some("json"), Some(field)) => Ok(SubjectTokenForm::Json { field }),
            (Some("json"), None) => Err("credential_source.format of type \"json\" needs a \
                                         subject_token_field_name"
                .to_owned()),
            _ => Err("credential_source.format.type is neither \"text\" nor \"json\"".to_owned()),
        }
    }
}

/// A field that has to be there, of characters that can be sent.
fn visible(name: &str, value: Option<String>) -> Result<String, String> {
    let value = value.filter(|value| !value.is_empty());
    let value = value.ok_or_else(|| format!("{name} is missing or empty"))?;
    if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(format!("{name} has blanks or characters outside of ASCII"));
    }
    Ok(value)
}

/// How many seconds a service account's token is to live.
fn lifetime(part: Option<ImpersonationPart>) -> Result<u64, String> {
    let said = part.and_then(|part| part.token_lifetime_seconds);
    let secs = said.unwrap_or(LIFETIME);
    if !(LIFETIME_MIN..=LIFETIME_MAX).contains(&secs) {
        return Err(format!(
            "service_account_impersonation.token_lifetime_seconds is not within {LIFETIME_MIN} and \
             {LIFETIME_MAX}"
        ));
    }
    Ok(secs)
}

/// Header fields of the request for the subject token.
fn fields(headers: BTreeMap<String, String>) -> Result<Vec<(String, String)>, String> {
    if headers.len() > FIELDS_MAX {
        return Err(format!(
            "credential_source.headers has more than {FIELDS_MAX} header fields"
        ));
    }
    let is_own = |name: &HeaderName| OWN_FIELDS.contains(&name.as_str());
    for (name, value) in &headers {
        let parsed = HeaderName::try_from(name).ok().filter(|name| !is_own(name));
        if parsed.is_none() || HeaderValue::try_from(value).is_err() {
            return Err(
                "credential_source.headers has a header field that cannot be sent".to_owned(),
            );
        }
    }
    Ok(headers.into_iter().collect())
}

/// Whether a URL is that of Google's service of that name, or leads to a host that is allowed.
fn check_server(
    field: &str,
    url: &str,
    service: &str,
    hosts: &[String],
    is_path: impl Fn(&str) -> bool,
) -> Result<(), String> {
    let uri: Uri = url.parse().map_err(|_| format!("{field} is not a URL"))?;
    let host = host_of(&uri);
    let is_allowed = hosts
        .iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(&host));
    let is_default = uri.port().is_none() || uri.port_u16() == Some(443);
    if !(is_allowed || is_googles(&host, service) && is_default) {
        return Err(format!(
            "{field} leads to another host than Google's {service}.googleapis.com; take the file \
             as gcloud has made it, or allow the host by token_hosts"
        ));
    }
    let is_plain = uri.scheme_str() == Some("http") && is_allowed && is_loopback(&host);
    if uri.scheme_str() != Some("https") && !is_plain {
        return Err(format!("{field} must be an https address"));
    }
    if uri.query().is_some() || !is_path(uri.path()) {
        return Err(format!("{field} has another path than Google's"));
    }
    Ok(())
}

/// Whether a URL may be asked for a subject token; what messages show of it.
fn check_source_url(url: &str, hosts: &[String]) -> Result<String, String> {
    let field = "credential_source.url";
    let uri: Uri = url.parse().map_err(|_| format!("{field} is not a URL"))?;
    let host = host_of(&uri);
    let is_allowed = hosts
        .iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(&host));
    let is_near = is_loopback(&host) || host == LINK_LOCAL;
    match uri.scheme_str() {
        Some("http") if is_near => {}
        Some("https") if is_allowed || is_near => {}
        Some("http") => {
            return Err(format!(
                "{field} must be an https address, unless it leads to this machine or to \
                 {LINK_LOCAL}"
            ));
        }
        Some("https") if !host.is_empty() => {
            return Err(format!(
                "{field} leads to another host than this machine; if it is your identity \
                 provider's, allow it by credential_hosts"
            ));
        }
        _ => return Err(format!("{field} must be an https address")),
    }
    let port = uri.port().map(|port| format!(":{port}"));
    let (scheme, port) = (uri.scheme_str().unwrap_or(""), port.unwrap_or_default());
    let shown = format!("{scheme}://{host}{port}{}", uri.path());
    Ok(pasted::shown(&shown).to_owned())
}

/// The host of a URL, without brackets and in small letters.
fn host_of(uri: &Uri) -> String {
    let host = uri.host().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.to_ascii_lowercase()
}

/// Whether a host is one of Google's for a service: the global one, one of a region, or an
/// endpoint of a private network. Only Google has names in that domain.
fn is_googles(host: &str, service: &str) -> bool {
    let is_label = |label: &str| {
        let is_of_names = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        !label.is_empty() && label.bytes().all(is_of_names)
    };
    let Some(front) = host.strip_suffix(".googleapis.com") else {
        return false;
    };
    if front == service {
        return true;
    }
    let region = front.strip_suffix(service);
    let region = region.and_then(|front| front.strip_suffix(['.', '-']));
    let behind = front.strip_prefix(service);
    let zone = behind.and_then(|behind| behind.strip_prefix('.'));
    let zone = zone.map(|zone| zone.strip_suffix(".rep").unwrap_or(zone));
    let network = behind.and_then(|behind| behind.strip_prefix('-')?.strip_suffix(".p"));
    [region, zone, network].into_iter().flatten().any(is_label)
}

fn is_loopback(host: &str) -> bool {
    let ip: Option<IpAddr> = host.parse().ok();
    host == "localhost" || ip.is_some_and(|ip| ip.is_loopback())
}

/// The service account that a path of the IAM Credentials API is of.
fn email_in(path: &str) -> Option<&str> {
    let email = path
        .strip_prefix("/v1/projects/-/serviceAccounts/")?
        .strip_suffix(":generateAccessToken")?;
    let is_of_emails = |byte: u8| byte.is_ascii_alphanumeric() || b"@.-_".contains(&byte);
    (!email.is_empty() && email.bytes().all(is_of_emails)).then_some(email)
}

/// Where clouds tell their machines about themselves.
const LINK_LOCAL: &str = "169.254.169.254";

/// Seconds that a service account's token lives if the file does not say.
const LIFETIME: u64 = 3600;

/// Seconds that a service account's token may live, as Google has it.
const LIFETIME_MIN: u64 = 600;
const LIFETIME_MAX: u64 = 43_200;

/// Our limit: header fields of the request for a subject token.
const FIELDS_MAX: usize = 16;

/// Header fields that are the request's own.
const OWN_FIELDS: [&str; 6] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "upgrade",
    "te",
];

#[cfg(test)]
mod tests;
