//! `[feedback]`: how what became of pushes is kept for who asks.

use std::net::IpAddr;
use std::path::PathBuf;

use super::document::Document;
use super::journal::{OFF, Sync};
use super::key::InForce::AtStart;
use super::key::Key;
use super::keys::{CA_PATH_MEANING, FEEDBACK_BYTES_MAX, FEEDBACK_BYTES_MIN};
use super::section::section;
use super::value::{ToValue, Value};

section! {
    /// `[feedback]`, unless it is off.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Feedback, keys FeedbackKeys of (),
    by (keys, document, _surroundings), shown of feedback:

    /// When a record counts as kept, and is shown.
    pub sync: Sync { Sync::of(&keys.sync, document) } = Key::text(
        "interval",
        "\"group\", \"interval\" or \"off\"",
        "When records of how pushes ended and of dead device tokens are on the disk, beside the \
         journal, and shown: at once, some 20 times a second at most; every second, so that a \
         power failure loses up to one; never, and there is no feed. The lanes never wait for it",
    )
    .in_force(AtStart);
    /// Bytes that each of the two streams of records may take.
    pub bytes: u64 = Key::number(
        64 * 1024 * 1024,
        (FEEDBACK_BYTES_MIN, FEEDBACK_BYTES_MAX),
        "bytes",
        "Bytes that records of how pushes ended may take on the disk, some 70 each, and those of \
         dead device tokens as many again; beyond, the oldest go",
    )
    .in_force(AtStart);
    url = Key::text(
        "",
        URL_FORM,
        "Where the records are posted in batches, each until it was answered 2xx, from the oldest \
         that there is on; a secret does not belong into it",
    ),
    shown Some(feedback.hook.as_ref().map_or(Value::Absent, |hook| Value::Url(hook.url.clone())));
    secret_path = Key::file(
        "The secret that signs what is posted, of 16 bytes or more: `Sterna-Signature: t=TIME,v1=` \
         and the hexadecimal HMAC-SHA256 of `TIME.BODY`. A newline at its end does not count",
    ),
    shown Some(feedback.hook.as_ref().map_or(Value::Absent, |hook| hook.secret_path.value()));
    ca_path = Key::file(CA_PATH_MEANING),
    shown Some(feedback.hook.as_ref().map_or(Value::Absent, |hook| hook.ca_path.value()));
    send = Key::text(
        "all",
        "\"all\", \"settlements\" or \"dead-tokens\"",
        "Which records are posted",
    ),
    shown Some(Value::Text(feedback.hook.as_ref().map_or("all", |hook| hook.send).to_owned()));
    => parts:
    /// Where records are posted, if anywhere.
    pub hook: Option<FeedbackHook> { FeedbackHook::take(keys, document) } of url;
}

/// Where records are posted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedbackHook {
    /// `https://…`, or `http://…` of this host.
    pub url: String,
    /// The file of the secret that signs.
    pub secret_path: PathBuf,
    /// The file of those to trust beside the system's own.
    pub ca_path: Option<PathBuf>,
    /// Which: `all`, or the word of one stream.
    pub send: &'static str,
}

const URL_FORM: &str = "https://host[:port][/path], or http:// to this host itself";

impl FeedbackHook {
    /// The key that says where.
    pub const URL: &'static str = "feedback.url";
    /// The key that names the file of the secret.
    pub const SECRET: &'static str = "feedback.secret_path";
    /// The key that names the file of those to trust.
    pub const AUTHORITIES: &'static str = "feedback.ca_path";

    /// `Some(None)` if there is to be none, `None` for reasons now noted.
    #[expect(
        clippy::option_option,
        reason = "that there is to be none is an answer"
    )]
    fn take(keys: &'static FeedbackKeys, document: &mut Document<'_>) -> Option<Option<Self>> {
        let secret_path = document.file(&keys.secret_path);
        let ca_path = document.file(&keys.ca_path);
        let send = document.text(&keys.send);
        let words = ["all", "settlements", "dead-tokens"];
        let send = words
            .into_iter()
            .find(|word| send.as_deref() == Some(*word));
        if send.is_none() {
            document.refuse(&keys.send);
        }
        let Some(url) = document.text(&keys.url) else {
            let mut others = vec![&keys.secret_path, &keys.ca_path];
            others.extend((send != Some("all")).then_some(&keys.send));
            // One that cannot be read is refused.
            if !document.has_text(&keys.url) {
                document.warn_first(&others, "has no effect without feedback.url");
            }
            return Some(None);
        };
        if let Err(why) = checked(&url) {
            document.refuse_because(&keys.url, why);
            return None;
        }
        let Some(secret_path) = secret_path else {
            let why = "needs feedback.secret_path, a file made by: openssl rand -hex -out FILE 32";
            document.refuse_because(&keys.url, why);
            return None;
        };
        Some(Some(Self {
            url,
            secret_path,
            ca_path,
            send: send?,
        }))
    }
}

/// Whether records may be posted there.
fn checked(url: &str) -> Result<(), &'static str> {
    let uri: http::Uri = url.parse().map_err(|_| "is no URL")?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err("must begin with https:// and name a host");
    };
    if authority.as_str().contains('@') || url.contains(['?', '#']) {
        return Err("must have no user, query or fragment: no secret belongs there");
    }
    let host = authority.host();
    if host.is_empty() || authority.port_u16() == Some(0) {
        return Err("must name a host, and a port from 1 to 65535 if any");
    }
    let address = host.trim_start_matches('[').trim_end_matches(']');
    let address = address.parse().map(|ip: IpAddr| ip.is_loopback());
    match scheme {
        "https" => Ok(()),
        "http" if host == "localhost" || address == Ok(true) => Ok(()),
        "http" => Err("must be https://, or every router on the way could read the device tokens"),
        _ => Err("must begin with https://"),
    }
}

/// What there is to be beside a journal.
pub(super) fn take(
    keys: &'static FeedbackKeys,
    document: &mut Document<'_>,
    surroundings: &super::section::Surroundings<'_>,
    has_journal: bool,
) -> Option<Feedback> {
    use super::section::Section as _;
    let feedback = keys.take(document, surroundings);
    let says_off = document.text(&keys.sync).as_deref() == Some(OFF);
    let off = match (has_journal, says_off) {
        (true, false) => return feedback,
        (false, _) => "journal.sync",
        (true, true) => "feedback.sync",
    };
    for key in keys.keys() {
        let is_off = key.name == keys.sync.name && says_off;
        if document.has(key) && !is_off {
            document.warn(key, format_args!("has no effect beside {off} = \"off\""));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::value::{Value, origin};
    use super::checked;

    #[test]
    fn paths_are_not_shown() {
        for (url, host, shown) in [
            (
                "https://hooks.example/a/b",
                "https://hooks.example",
                "https://hooks.example/…",
            ),
            ("http://[::1]:9/a", "http://[::1]:9", "http://[::1]:9/…"),
            ("http://[::1]:9/", "http://[::1]:9", "http://[::1]:9/"),
            (
                "https://hooks.example",
                "https://hooks.example",
                "https://hooks.example",
            ),
            ("", "", ""),
        ] {
            assert_eq!(origin(url), host);
            let value = Value::Url(url.to_owned());
            assert_eq!(value.to_string(), format!("\"{shown}\""));
            assert_eq!(value.json(), shown);
        }
    }

    #[test]
    fn records_go_over_tls_or_stay_on_the_host() {
        for fine in [
            "https://hooks.example",
            "https://hooks.example:8443/sterna/feed",
            "https://[2001:db8::1]/a",
            "http://localhost:9/a",
            "http://127.0.0.1:9",
            "http://[::1]:9/",
        ] {
            assert_eq!(checked(fine), Ok(()), "{fine}");
        }
        for wrong in [
            "",
            "hooks.example",
            "/a",
            "ftp://hooks.example",
            "http://hooks.example/a",
            "http://10.0.0.1/a",
            "https://user:secret@hooks.example/",
            "https://hooks.example/?token=secret",
            "https://hooks.example#secret",
            "https://hooks.example/a#secret",
            "https://hooks.example:0/",
            "https://",
            "https://a b/",
        ] {
            assert!(checked(wrong).is_err(), "{wrong}");
        }
    }
}
