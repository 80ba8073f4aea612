//! Another place to reach a provider at.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// Where a provider is reached instead of its own address: `https://host[:port]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderUrl {
    /// Host name or IP address, without brackets.
    pub host: String,
    /// TCP port, never 0; 443 unless written.
    pub port: u16,
}

/// As the file would have it.
impl fmt::Display for ProviderUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') {
            write!(f, "https://[{host}]:{port}")
        } else {
            write!(f, "https://{host}:{port}")
        }
    }
}

/// Reads `https://host[:port]`; the error is a sentence without the value.
impl FromStr for ProviderUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        let Some(authority) = text.strip_prefix("https://") else {
            return Err("must start with https://, providers take nothing else");
        };
        if authority.contains(['/', '?', '#', '@']) {
            return Err("must be https://host or https://host:port, without user or path");
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest
                    .split_once(']')
                    .ok_or("the ] after the address is missing")?;
                host.parse::<Ipv6Addr>()
                    .map_err(|_| "what stands in [] is not an IPv6 address")?;
                match port.strip_prefix(':') {
                    None if port.is_empty() => (host, None),
                    None => return Err("a colon and the port must follow the ]"),
                    Some(port) => (host, Some(port)),
                }
            }
            None => match authority.split_once(':') {
                None => (authority, None),
                Some((_, port)) if port.contains(':') => {
                    return Err("an IPv6 address must stand in []");
                }
                Some((host, port)) => (host, Some(port)),
            },
        };
        let bracketed = authority.starts_with('[');
        if !bracketed && !is_host_name(host) {
            return Err("the host must be letters, digits, hyphens and dots, at most 253");
        }
        let port = match port {
            None => 443,
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => match port.parse() {
                Ok(0) | Err(_) => return Err(PORT_RANGE),
                Ok(port) => port,
            },
            Some(_) => return Err(PORT_RANGE),
        };
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

/// Letters, digits, hyphens, underscores and dots, not too many of them.
pub(super) fn is_host_name(host: &str) -> bool {
    (1..=HOST_MAX).contains(&host.len())
        && host
            .split('.')
            .all(|label| (1..=LABEL_MAX).contains(&label.len()))
        && host
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

const PORT_RANGE: &str = "the port must be a number from 1 to 65535";

/// Characters of a host name: what DNS can carry (RFC 1035 §2.3.4).
pub(super) const HOST_MAX: usize = 253;
/// Characters of one label of a host name (RFC 1035 §2.3.4).
pub(super) const LABEL_MAX: usize = 63;
