//! Who is not let in: callers without a valid API key, or with one that is not good for what they
//! ask; and where none is asked for, web pages.
//!
//! Pure: no I/O, no clock. A browser on the host reaches a daemon on loopback, and sends there what
//! any page tells it to: forms and simple posts as they are, with the page's `Origin` and, since
//! browsers have it, a `Sec-Fetch-Site`. A page whose own name is given the address of this host
//! (DNS rebinding) is no foreign one to the browser, and reads answers too; but its name stands in
//! `Host`. No program of a caller sends the first two, and none calls a host of its own by a
//! stranger's name.

use std::net::{IpAddr, Ipv6Addr};

use super::rights::Right;
use super::route;
use crate::http1::head::{Head, Refusal};

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stranger {
    /// No valid API key was shown.
    Keyless,
    /// The API key that was shown is not good for it.
    Lacking(Right),
    /// The API key that was shown is for some apps, and the request is about all.
    OfApps,
    /// It is a web page of another origin.
    Page,
    /// It calls this host by a name that is not known to be one.
    Name,
}

impl Stranger {
    /// Whether a request is one that a web page may have made; `hosts` are the names of this host
    /// beside `localhost`, where the name matters.
    pub fn is(head: &Head, hosts: Option<&[String]>) -> Option<Self> {
        let target = route::authority(&head.target).map(str::as_bytes);
        // RFC 9112 §3.2.2: the target's goes before the field's.
        let host = target.or(head.host.as_deref());
        let is_at_home = |site: &[u8]| matches!(site, b"none" | b"same-origin");
        let is_foreign = |origin: &[u8]| !host.is_some_and(|host| is_origin_of(origin, host));
        if !head.fetch_site.as_deref().is_none_or(is_at_home)
            || head.origin.as_deref().is_some_and(is_foreign)
        {
            return Some(Self::Page);
        }
        // No browser leaves Host out: who speaks HTTP/1.0 without one is no page.
        let mut named = [target, head.host.as_deref()].into_iter().flatten();
        let hosts = hosts?;
        (!named.all(|host| is_ours(host, hosts))).then_some(Self::Name)
    }

    /// What it is told. A key that lets it in is named; who shows no API key is told the same for
    /// every route, so that it tells nothing of it.
    pub fn refusal(self) -> Refusal {
        match self {
            Self::Keyless => Refusal::new(401, "unauthorized"),
            Self::Lacking(right) => Refusal {
                status: 403,
                message: right.lack().into(),
            },
            Self::OfApps => Refusal::new(
                403,
                "this API key is for its apps alone; what concerns all needs one without app=",
            ),
            Self::Page => Refusal::new(
                403,
                "a web page of another origin may not call (Origin, Sec-Fetch-Site); where callers \
                 show API keys, core.api_key_path, it may",
            ),
            Self::Name => Refusal::new(
                403,
                "Host is neither an IP address nor localhost; a name that callers use belongs in \
                 core.hosts",
            ),
        }
    }
}

/// Whether a page of that origin is one of this API itself, which has no TLS.
fn is_origin_of(origin: &[u8], host: &[u8]) -> bool {
    let without_port = |host: &[u8]| host.strip_suffix(b":80").unwrap_or(host).to_vec();
    let own = origin.strip_prefix(b"http://").map(without_port);
    own.is_some_and(|own| own.eq_ignore_ascii_case(&without_port(host)))
}

/// Whether a `Host` is an IP address, `localhost` or one of these names, with any port.
fn is_ours(host: &[u8], hosts: &[String]) -> bool {
    let Ok(host) = str::from_utf8(host) else {
        return false;
    };
    // Some write an IPv6 address without brackets.
    if host.parse::<IpAddr>().is_ok() {
        return true;
    }
    let is_port = |port: &str| port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(rest) = host.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else {
            return false;
        };
        let port = port.strip_prefix(':').unwrap_or(port);
        return address.parse::<Ipv6Addr>().is_ok() && is_port(port);
    }
    let (name, port) = host.split_once(':').unwrap_or((host, ""));
    let is_known = name.parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|known| known.eq_ignore_ascii_case(name));
    is_known && is_port(port)
}

#[cfg(test)]
mod tests;
