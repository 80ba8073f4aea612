//! The API as a client sees it: where it is, the key that it is shown, and one request at a time.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use ureq::{Agent, AsSendBody};

use super::api_url::ApiUrl;
use super::args::Remote;
use super::{ExitCode, report};
use crate::log::forges;
use crate::net::resolve::Resolver;
use crate::net::tls::{self, Roots, SystemRoots};
use crate::net::transport::{self, HttpConnector, RequestFate};
use crate::pasted;
use crate::regular;
use crate::texts;

/// Asks one daemon.
pub(super) struct ApiClient {
    agent: Agent,
    /// As it was named.
    pub(super) url: ApiUrl,
    /// Before each path.
    base: String,
    /// The value of `Authorization`.
    authorization: Option<String>,
}

/// What an API answered.
#[derive(Clone, Debug)]
pub(super) struct ApiAnswer {
    /// The status of HTTP.
    pub(super) status: u16,
    /// For how long it asks to wait.
    pub(super) retry_after: Option<Duration>,
    /// The body.
    pub(super) body: Vec<u8>,
}

/// No answer came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoApiAnswer {
    /// Where there should have been one, and what happened.
    pub(super) text: String,
    /// Nobody can have seen the request.
    pub(super) is_unsent: bool,
}

impl ApiClient {
    /// For that place and with that key; `within` is the time for an answer.
    ///
    /// # Errors
    ///
    /// How the process is to end, which has been told then.
    pub(super) fn new(remote: &Remote, within: Duration) -> Result<Self, ExitCode> {
        let authorization = match &remote.api_key_path {
            Some(path) => {
                let key = read_key(path).map_err(|why| {
                    report(format_args!("--api-key-path: {}: {why}", path.display()));
                    ExitCode::Config
                })?;
                Some(format!("Bearer {key}"))
            }
            None => None,
        };
        let (agent, base) = match &remote.url {
            ApiUrl::Unix(path) => {
                let agent =
                    transport::unix_agent(path.clone(), within, transport::config().build());
                (agent, "http://localhost".to_owned())
            }
            ApiUrl::Web(url) => (web_agent(url, within)?, url.clone()),
        };
        Ok(Self {
            agent,
            url: remote.url.clone(),
            base,
            authorization,
        })
    }

    /// Asks for what changes nothing: once more where a connection has ended meanwhile.
    pub(super) fn get(&self, path: &str) -> Result<ApiAnswer, NoApiAnswer> {
        match self.send("GET", path, None, ()) {
            Err(error) if !error.is_unsent => self.send("GET", path, None, ()),
            answered => answered,
        }
    }

    /// Posts JSON under an `Idempotency-Key`.
    pub(super) fn post(
        &self,
        path: &str,
        key: &str,
        body: &[u8],
    ) -> Result<ApiAnswer, NoApiAnswer> {
        self.send("POST", path, Some(key), body)
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: impl AsSendBody,
    ) -> Result<ApiAnswer, NoApiAnswer> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.base));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        if let Some(key) = key {
            request = request
                .header("content-type", "application/json")
                .header("idempotency-key", key);
        }
        let request = request.body(body).map_err(|error| NoApiAnswer {
            text: format!("{}: {error}", self.url),
            is_unsent: true,
        })?;
        let none = |error| self.no_answer(&error);
        let mut response = self.agent.run(request).map_err(none)?;
        let retry_after = response.headers().get("retry-after");
        let seconds = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(ANSWER_MAX);
        Ok(ApiAnswer {
            status,
            retry_after: seconds.map(Duration::from_secs),
            body: body.read_to_vec().map_err(none)?,
        })
    }

    fn no_answer(&self, error: &ureq::Error) -> NoApiAnswer {
        let url = &self.url;
        let is_unsent = transport::fate(error) != RequestFate::Unknown;
        NoApiAnswer {
            text: match error {
                ureq::Error::Timeout(_) => format!("{url}: no answer in time"),
                // It names the host and the port.
                ureq::Error::Io(error) if is_unsent => error.to_string(),
                ureq::Error::Io(error) => format!("{url}: {error}"),
                error => format!("{url}: {error}"),
            },
            is_unsent,
        }
    }
}

impl ApiAnswer {
    /// The text of the answer's `message`, or of its beginning if it has none.
    pub(super) fn message(&self) -> String {
        let json: Option<serde_json::Value> = serde_json::from_slice(&self.body).ok();
        let message = json.as_ref().and_then(|json| json.get("message")?.as_str());
        let text = String::from_utf8_lossy(&self.body);
        let text = message.unwrap_or_else(|| text.lines().next().unwrap_or_default());
        shown(text)
    }
}

/// A text of another, on a line and without what a terminal would obey.
pub(super) fn shown(text: &str) -> String {
    let text = pasted::quoted(text, SHOWN_MAX);
    texts::escaped(&text, forges).into_owned()
}

fn web_agent(url: &str, within: Duration) -> Result<Agent, ExitCode> {
    let refused = |error: &dyn fmt::Display| {
        report(format_args!("{url}: {error}"));
        ExitCode::Config
    };
    let system = if url.starts_with("https:") {
        SystemRoots::load()
    } else {
        SystemRoots::default()
    };
    let roots = if url.starts_with("https:") {
        Roots::of(&system, []).map_err(|error| {
            for doubt in &system.doubts {
                report(doubt);
            }
            refused(&error)
        })?
    } else {
        Roots::none()
    };
    let tls =
        tls::client_config(&roots, None, &[tls::ALPN_HTTP1]).map_err(|error| refused(&error))?;
    let connector = HttpConnector::new(tls, Arc::new(Resolver::system()), within);
    Ok(transport::agent(connector, transport::config().build()))
}

/// The first key of a file of API keys: the daemon's own, or one with a single line.
fn read_key(path: &Path) -> Result<String, String> {
    let text = path.to_string_lossy();
    if let Some(why) = pasted::why_no_file(&text, path, Path::exists) {
        return Err(why.to_owned());
    }
    let file = regular::read(path, API_KEY_FILE_MAX).map_err(|error| error.to_string())?;
    if file.len() > API_KEY_FILE_MAX {
        return Err(format!(
            "over {API_KEY_FILE_MAX} bytes, and no file of keys is that long"
        ));
    }
    let text = String::from_utf8_lossy(regular::without_mark(&file)).into_owned();
    let lines = text.lines().map(str::trim);
    let mut lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let line = lines.next().ok_or("no API key in it")?;
    let key = line.split_whitespace().next().unwrap_or_default();
    if key.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(key.to_owned())
    } else {
        Err("its first line is no API key: it has other characters than visible ASCII".to_owned())
    }
}

/// Our limit: bytes of a file of API keys, of which the first is read.
const API_KEY_FILE_MAX: usize = 1024 * 1024;

/// Our limit: bytes of an answer of the API; the daemon's are shorter.
const ANSWER_MAX: u64 = 4 * 1024 * 1024;

/// Characters of an answer's text that are shown.
const SHOWN_MAX: usize = 400;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_of_a_file_is_shown_and_no_message_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys");
        let read = |text: &str| {
            std::fs::write(&path, text).unwrap();
            read_key(&path)
        };
        let key = "0123456789abcdef0123456789abcdef";
        for text in [
            format!("{key}\n"),
            format!("\u{feff}# dashboards\r\n\r\n  {key} rights=read app=shop\r\nother\n"),
        ] {
            assert_eq!(read(&text), Ok(key.to_owned()));
        }
        for (text, why) in [("# none\n\n", "no API key in it"), ("é\n", "no API key:")] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let long = vec![b'a'; API_KEY_FILE_MAX + 1];
        std::fs::write(&path, long).unwrap();
        assert!(read_key(&path).unwrap_err().contains("over 1048576 bytes"));
        let pasted = read_key(Path::new(key)).unwrap_err();
        assert!(!pasted.contains(key), "{pasted}");
    }
}
