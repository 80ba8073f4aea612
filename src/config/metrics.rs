//! `[metrics]`: where Prometheus scrapes.

use std::net::{IpAddr, SocketAddr};

use super::core::{Bind, Core};
use super::document::Document;
use super::key::InForce::AtStart;
use super::key::Key;
use super::section::section;
use super::value::Value;

section! {
    /// `[metrics]`: where Prometheus scrapes.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Metrics, keys MetricsKeys of (),
    by (keys, document, _surroundings), shown of metrics:

    /// Where it is, and nowhere else; `None` for on the API.
    pub address: Option<SocketAddr> { Some(take_address(keys, document)) } = Key::text(
        "",
        "an IP address and a port, such as \"127.0.0.1:9102\"",
        "Where `/metrics` is, with `/livez`, `/readyz` and `/healthz`, and not on the API then; \
         one that other hosts can reach needs `core.api_key_path`, and asks for a key. Empty: on \
         the API",
    )
    .in_force(AtStart),
    shown Some(metrics.address.map_or(Value::Absent, |it| Value::Text(it.to_string())));
    => parts:
}

impl Metrics {
    /// Whether other hosts can reach it, so that an API key is asked for.
    pub fn is_open_to_hosts(&self) -> bool {
        self.address
            .is_some_and(|address| !address.ip().to_canonical().is_loopback())
    }

    /// Refuses an address that other hosts could read without a key, and that of the API.
    pub(super) fn check(
        &self,
        keys: &'static MetricsKeys,
        core: &Core,
        document: &mut Document<'_>,
    ) {
        let Some(address) = self.address else {
            return;
        };
        if self.is_open_to_hosts() && core.api_key_path.is_none() {
            document.refuse_because(&keys.address, OPEN);
        }
        if let Bind::Tcp(api) = core.bind
            && api.port() == address.port()
            && address.port() != 0
            && are_one([api.ip(), address.ip()])
        {
            let reason = format!("the API is there, {api}; take another port, or leave it out");
            document.refuse_because(&keys.address, reason);
        }
    }
}

/// Whether nobody can listen at one of them while somebody does at the other.
fn are_one(addresses: [IpAddr; 2]) -> bool {
    let [one, other] = addresses.map(|address| address.to_canonical());
    one == other || one.is_unspecified() || other.is_unspecified()
}

/// What is said of an address that anybody could read.
const OPEN: &str = "other hosts could read what it counts; set core.api_key_path, of which it \
                    asks for a key then, or use 127.0.0.1";

fn take_address(keys: &'static MetricsKeys, document: &mut Document<'_>) -> Option<SocketAddr> {
    let text = document.text(&keys.address)?;
    let address = text.parse().ok();
    if address.is_none() {
        document.refuse(&keys.address);
    }
    address
}
