//! Where Prometheus scrapes, if that is not the API: the same bounded server, with few connections.

use std::net::SocketAddr;
use std::sync::Arc;

use super::{StartError, StartErrorKind};
use crate::api::{Scraping, Service};
use crate::config::Config;
use crate::descriptors::SCRAPERS;
use crate::http1::{Bound, Listener, Settings};

/// Takes the address; `follows`: who has it may be the daemon before, which lets go.
pub(super) fn bind(address: SocketAddr, follows: bool) -> Result<Bound, StartError> {
    Bound::tcp(address).map_err(|error| {
        let kind = if error.is_denied() {
            StartErrorKind::NoPermission
        } else if follows && error.is_taken() {
            StartErrorKind::AlreadyRunning
        } else {
            StartErrorKind::CannotListen
        };
        StartError::new(kind, format_args!("metrics.address: {error}"))
    })
}

/// Begins to answer there, until it is dropped.
pub(super) fn listen(
    bound: Bound,
    config: &Config,
    service: &Arc<Service>,
) -> Result<Listener, StartError> {
    let handler = Scraping {
        service: Arc::clone(service),
        asks_for_key: config.metrics.is_open_to_hosts(),
    };
    let settings = Settings {
        max_connections: SCRAPERS,
        threads: Some(1),
        // Nobody sends any: all the memory is for pages.
        max_body_bytes: 0,
        ..Settings::default()
    };
    let place = bound.local_addr();
    let listener = Listener::start(bound, Arc::new(handler), settings).map_err(|error| {
        StartError::new(
            StartErrorKind::System,
            format_args!("cannot start the listener of metrics.address: {error}"),
        )
    })?;
    if let Some(place) = place {
        ::log::info!("/metrics is at {place}");
    }
    Ok(listener)
}
