//! The listener: a thread that watches all callers, and a crew that answers them.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, bounded};

use super::crew::{ApiCrew, Hooks};
use super::door::ApiDoor;
use super::doorstep::REFUSED_MAX;
use super::handler::Handler;
use super::registry::LEAVING_MAX;
use super::settings::Settings;
use super::shared::{DRAINING, ListenerShared, OVER, STOPPED};
use super::socket::Bound;
use super::watch::Watch;
use crate::heartbeat::Heartbeat;

/// A running listener. Dropping it stops it.
pub struct Listener {
    shared: Arc<ListenerShared>,
    watch: Option<JoinHandle<()>>,
    /// Disconnected when nobody is let in any more.
    closed: Receiver<()>,
    local_addr: Option<SocketAddr>,
    heartbeat: Heartbeat,
}

impl Listener {
    /// Begins to accept connections.
    pub fn start(bound: Bound, handler: Arc<dyn Handler>, settings: Settings) -> io::Result<Self> {
        Self::start_with(bound, handler, settings, Hooks::default())
    }

    /// The same, with other hooks.
    pub fn start_with(
        bound: Bound,
        handler: Arc<dyn Handler>,
        settings: Settings,
        hooks: Hooks,
    ) -> io::Result<Self> {
        let (poll, waker) = bound.watch()?;
        let local_addr = bound.local_addr();
        let shared = Arc::new(ListenerShared::new(handler, settings, waker));
        let crew = ApiCrew::start(&shared, settings.threads, hooks.spawn)?;
        let door = ApiDoor::new(bound, hooks.before_accept, &shared);
        let (open, closed) = bounded(0);
        let watch = Watch::new((poll, door, crew), &shared, open);
        let heartbeat = watch.heartbeat();
        let thread = thread::Builder::new().name("api-poll".to_owned());
        let watch = thread.spawn(move || watch.run())?;
        Ok(Self {
            shared,
            watch: Some(watch),
            closed,
            local_addr,
            heartbeat,
        })
    }

    /// What tells that the thread lives that watches all callers.
    pub fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    /// Changes the bounds, for what comes from now on; not the number of threads. Connections
    /// beyond a lower `max_connections` are closed as further ones come.
    pub fn set(&self, settings: Settings) {
        let budget = &self.shared.budget;
        budget.resize(settings.large_bodies(), settings.most_waiting());
        self.shared.settings.set(settings);
    }

    /// The TCP address listened on.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.local_addr
    }

    /// Connections that are open.
    pub fn connections(&self) -> usize {
        self.shared.registry.len()
    }

    /// Closes the listening socket. Open connections are still answered, once each: what was
    /// begun is finished, what comes now is refused with 503.
    pub fn drain(&mut self) {
        self.advance(DRAINING);
        // It sends nothing, but ends when the door is closed, or with the thread.
        let _disconnected = self.closed.recv().is_err();
    }

    /// Closes all connections, those with a request in progress only after `grace`; false if one
    /// outlives that by more than a second.
    pub fn stop(&mut self, grace: Duration) -> bool {
        self.advance(STOPPED);
        let _disconnected = self.closed.recv().is_err();
        let are_gone = self.close_all(grace);
        self.advance(OVER);
        if self.watch.take().is_some_and(|watch| watch.join().is_err()) {
            log::error!("the thread that watches callers panicked");
        }
        are_gone
    }

    fn close_all(&self, grace: Duration) -> bool {
        let registry = &self.shared.registry;
        // The request of a connection that has just come is under way, or here and not yet read.
        let newcomers = NEWCOMERS.min(grace);
        registry.evict_all_idle_for(newcomers);
        registry.wait_below(1, newcomers);
        registry.evict_all_idle_for(Duration::ZERO);
        if registry.wait_below(1, grace) {
            return true;
        }
        registry.shut_all();
        registry.wait_below(1, LAST_GRACE)
    }

    fn advance(&self, phase: u8) {
        if let Err(error) = self.shared.advance(phase) {
            log::error!("cannot wake the thread that watches callers: {error}");
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop(Duration::ZERO);
    }
}

/// Descriptors of callers beside those of their connections: who leaves, who is refused, and one
/// that waits for a place.
pub const BESIDE_CONNECTIONS: usize = LEAVING_MAX + REFUSED_MAX + 1;

/// Our limit: at the end, a connection that came, or was answered, less long ago may still bring
/// a request and be answered, if only by 503.
const NEWCOMERS: Duration = Duration::from_secs(1);

/// How long it may take to see that connections are shut.
const LAST_GRACE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
