//! Where an API is, as the command line names it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use http::Uri;

/// Where an API is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ApiUrl {
    /// `http://` or `https://`, without a slash at its end.
    Web(String),
    /// A Unix socket.
    Unix(PathBuf),
}

impl FromStr for ApiUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') {
                Ok(Self::Unix(path.into()))
            } else {
                Err("a Unix socket is written as unix:/path".to_owned())
            };
        }
        let form = "must be http://HOST:PORT, https://HOST or unix:/path";
        let url: Uri = text.parse().map_err(|_| form.to_owned())?;
        let authority = url.authority().ok_or(form)?;
        if !matches!(url.scheme_str(), Some("http" | "https")) {
            return Err(form.to_owned());
        }
        if authority.as_str().contains('@') {
            return Err(
                "has a user in it; a key of the API goes into the file of --api-key-path"
                    .to_owned(),
            );
        }
        if url.query().is_some() || text.contains('#') {
            return Err("is where the API is, and has no query".to_owned());
        }
        Ok(Self::Web(text.trim_end_matches('/').to_owned()))
    }
}

impl fmt::Display for ApiUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web(url) => f.write_str(url),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_of_the_three_kinds() {
        let read = |text: &str| text.parse::<ApiUrl>();
        assert_eq!(
            read("http://127.0.0.1:1056/"),
            Ok(ApiUrl::Web("http://127.0.0.1:1056".to_owned()))
        );
        assert_eq!(
            read("https://push.example/sterna"),
            Ok(ApiUrl::Web("https://push.example/sterna".to_owned()))
        );
        let socket = read("unix:/run/sterna/api.sock").unwrap();
        assert_eq!(socket, ApiUrl::Unix("/run/sterna/api.sock".into()));
        assert_eq!(socket.to_string(), "unix:/run/sterna/api.sock");
        for (text, why) in [
            ("127.0.0.1:1056", "must be http://HOST:PORT"),
            ("ftp://host", "must be http://HOST:PORT"),
            ("unix:run", "written as unix:/path"),
            ("http://user:word@host", "has a user in it"),
            ("http://host?q=1", "has no query"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
