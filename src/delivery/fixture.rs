//! A lane that nobody sends from, and a route that nobody goes, for the tests of others.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustls::ClientConfig;

use super::credential::Credentials;
use super::credential_files::CredentialFiles;
use super::policy::Limits;
use super::register::Register;
use super::route::Route;
use super::running_lane::{RunningLane, Sizing};
use crate::http2;
use crate::log::Logs;
use crate::net::connection::{Endpoint, Timeouts};
use crate::net::fixture::Authority;
use crate::net::resolve::Resolver;
use crate::net::tls;
use crate::provider::apns;
use crate::push::LaneId;
use crate::stats::LaneStats;

static TLS: LazyLock<Arc<ClientConfig>> =
    LazyLock::new(|| Authority::new().client(&[tls::ALPN_H2]));

/// A route that goes nowhere: for what connects to no provider.
pub(super) fn idle_route() -> Route {
    let hour = Duration::from_secs(3600);
    Route {
        endpoint: Endpoint {
            host: "localhost".to_owned(),
            port: 443,
            tls: Arc::clone(&TLS),
            resolver: Arc::new(Resolver::system()),
            http2: http2::Options::default(),
            timeouts: Timeouts::default(),
        },
        address: Arc::new(apns::Address {
            authority: "localhost".into(),
            topic: None,
            ids: Arc::default(),
            other: None,
        }),
        credentials: Credentials::Certificate(None),
        pool: None,
        channels: None,
        credential_name: "a certificate".to_owned(),
        clock: Arc::default(),
        timeout: hour,
        idle_timeout: hour,
    }
}

/// A lane that goes nowhere, without connection threads.
pub(crate) fn idle_lane(
    known: (LaneId, Arc<LaneStats>),
    capacity: usize,
    logs: &Logs,
    register: &Arc<Register>,
) -> Arc<RunningLane> {
    let sizing = Sizing {
        limit: Arc::default(),
        pool: Arc::default(),
        workers: 0,
        eager: 0,
        capacity,
        scheduled: capacity,
        streams: None,
        first_probe: Duration::from_secs(30),
    };
    let limits = Limits {
        retry_max: 3,
        max_age: Duration::from_secs(3600),
        resend_unknown: true,
    };
    let files = CredentialFiles::new(Vec::new(), Box::new(|| Ok(idle_route())));
    let way = (idle_route(), files);
    RunningLane::new(known, &sizing, way, limits, logs, register)
}
