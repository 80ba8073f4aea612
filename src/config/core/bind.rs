//! Where the API listens, and who reaches it: `port`, `address`, `allow_unauthenticated`,
//! `socket_mode`, `socket_group`.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

use super::super::document::Document;
use super::super::section::Surroundings;
use super::CoreKeys;

/// Where the API listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// A TCP address; port 0 lets the kernel choose.
    Tcp(SocketAddr),
    /// A Unix socket at this absolute path.
    Unix(PathBuf),
}

/// Who may connect to a Unix socket: what `chmod` and `chgrp` do to its file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketAccess {
    /// `socket_mode`; `None` is what the umask leaves.
    pub mode: Option<u32>,
    /// `socket_group`: a name or a number; `None` is the process's own.
    pub group: Option<String>,
}

impl SocketAccess {
    pub(super) fn take(keys: &'static CoreKeys, document: &mut Document<'_>) -> Self {
        let mode = document.mode(&keys.socket_mode, 0);
        let group = document.text(&keys.socket_group);
        Self { mode, group }
    }
}

/// As the file would have it: `127.0.0.1:1056`, `unix:/path`.
impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Bind {
    /// Takes its keys; `port` of the command line goes before the file's. `has_keys`: callers must
    /// show an API key; `has_hosts`: some names are let in.
    pub(super) fn take(
        keys: &'static CoreKeys,
        document: &mut Document<'_>,
        surroundings: &Surroundings<'_>,
        has_keys: bool,
        has_hosts: bool,
    ) -> Option<Self> {
        let address = address(keys, document);
        let unauthenticated = document.flag(&keys.allow_unauthenticated);
        let written = file_port(keys, document);
        match surroundings.overrides.port.clone().or(written)? {
            Port::Unix(path) => {
                if has_hosts {
                    document.warn(&keys.hosts, "ignored: the API listens on a Unix socket");
                }
                Some(Self::Unix(path))
            }
            Port::Tcp(port) => {
                let address = address?;
                if has_hosts && has_keys {
                    document.warn(&keys.hosts, "ignored: callers show API keys");
                } else if has_hosts && !address.to_canonical().is_loopback() {
                    let why = "ignored: other hosts reach the API by any name";
                    document.warn(&keys.hosts, why);
                }
                let unix_only = [&keys.socket_mode, &keys.socket_group];
                document.warn_first(&unix_only, "ignored: the API listens on a TCP port");
                if !has_keys && !unauthenticated && !address.to_canonical().is_loopback() {
                    document.refuse_because(
                        &keys.address,
                        "other hosts could push without credentials; set api_key_path, or \
                         allow_unauthenticated = true if they may, or use 127.0.0.1",
                    );
                }
                Some(Self::Tcp(SocketAddr::new(address, port)))
            }
        }
    }
}

/// What `port` names: Gaurun writes TCP ports and Unix sockets in one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Port {
    /// A TCP port; 0 lets the kernel choose.
    Tcp(u16),
    /// A Unix socket at this absolute path.
    Unix(PathBuf),
}

impl Port {
    /// The path of a Unix socket.
    pub fn unix_path(&self) -> Option<&std::path::Path> {
        match self {
            Self::Tcp(_) => None,
            Self::Unix(path) => Some(path),
        }
    }
}

/// Reads a number or `unix:/path`; the error is a sentence without the value.
impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return match path {
                _ if !path.starts_with('/') => Err(INVALID_PORT.to_owned()),
                _ if path.contains(char::is_control) => {
                    Err("it must not hold control characters".to_owned())
                }
                _ if path.len() > UNIX_PATH_MAX => {
                    Err(format!("the path is longer than {UNIX_PATH_MAX} bytes"))
                }
                _ => Ok(Self::Unix(PathBuf::from(path))),
            };
        }
        // `u16::from_str` alone would take a leading plus.
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(INVALID_PORT.to_owned());
        }
        text.parse()
            .map(Self::Tcp)
            .map_err(|_| INVALID_PORT.to_owned())
    }
}

fn file_port(keys: &'static CoreKeys, document: &mut Document<'_>) -> Option<Port> {
    let key = &keys.port;
    let text = match document.any_number(key) {
        Some(number) => number.to_string(),
        // An empty port is not "the default": Gaurun refused it too.
        None if document.is_empty_text(key) => String::new(),
        None => document.text(key)?,
    };
    text.parse()
        .map_err(|reason: String| document.refuse_because(key, reason))
        .ok()
}

fn address(keys: &'static CoreKeys, document: &mut Document<'_>) -> Option<IpAddr> {
    let key = &keys.address;
    let text = document.text(key)?;
    if text == "localhost" {
        return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let address = text.parse().ok();
    if address.is_none() {
        let hint = match text.rsplit_once(':') {
            Some((host, _)) if host.parse::<Ipv4Addr>().is_ok() => "; the port goes into core.port",
            _ => "; names are not looked up",
        };
        document.refuse_because(key, format!("must be {}{hint}", key.range_text()));
    }
    address
}

const INVALID_PORT: &str = "invalid port: must be a number from 0 to 65535 or a path that starts \
                            with 'unix:/'";

/// Bytes of a Unix socket's path: what the kernel's `sun_path` holds beside its final NUL.
pub(in super::super) const UNIX_PATH_MAX: usize = 107;
