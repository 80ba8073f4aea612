//! An endpoint to which clients connect.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use rustls::ServerConfig;

use super::service::Surroundings;

/// How long a client may take for the handshake, and later for bytes of ours.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// An endpoint to which clients connect.
pub(super) struct Listener {
    pub(super) tls: Arc<ServerConfig>,
    pub(super) around: Arc<Surroundings>,
    /// Connections accepted so far: the next one's number.
    pub(super) accepted: AtomicU64,
}

impl Listener {
    pub(super) fn new(tls: Arc<ServerConfig>, around: Surroundings) -> Arc<Self> {
        Arc::new(Self {
            tls,
            around: Arc::new(around),
            accepted: AtomicU64::new(0),
        })
    }
}
