//! Names to addresses, without ever stalling the caller for longer than it allows.
//!
//! `getaddrinfo` has no time-out of its own and may hang for minutes, so it runs on helper threads
//! of which there are at most [`MAX_LOOKUPS`]; callers that ask for the same name at the same time
//! share one. Every connect asks anew, since providers move. When a name cannot be looked up (in
//! time), the addresses of its last good lookup are used.
//!
//! IPv6 and IPv4 addresses alternate, and each call begins one address further on, so that the
//! connections of a pool spread over all addresses of the name.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use crate::moment;

/// Looks up a name: `getaddrinfo`, or what a test puts in its place.
type Lookup = dyn Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync;

/// Looks names up for all threads.
#[derive(Clone)]
pub struct Resolver {
    shared: Arc<ResolverShared>,
}

/// Why a name has no addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolveError {
    /// No answer before the deadline, and no earlier answer to fall back on.
    TimedOut,
    /// The lookup failed (its text), and there is no earlier answer to fall back on.
    Failed(String),
}

struct ResolverShared {
    lookup: Box<Lookup>,
    names: Mutex<Names>,
    /// Signals that a lookup has ended.
    ended: Condvar,
}

#[derive(Default)]
struct Names {
    by_name: HashMap<String, Name>,
    /// Lookups going on.
    running: usize,
}

#[derive(Default)]
struct Name {
    /// A helper thread looks this name up.
    running: bool,
    /// Lookups ended so far.
    ended: u64,
    /// What the last lookup said, if it failed.
    failure: Option<String>,
    /// The addresses of the last good lookup, families alternating.
    last_good: Vec<IpAddr>,
    /// How often the addresses were given out.
    turn: usize,
}

impl Resolver {
    /// Asks the system (`getaddrinfo`: `/etc/hosts`, DNS and whatever else nsswitch names).
    pub fn system() -> Self {
        Self::with_lookup(|name| {
            let found = (name, 0).to_socket_addrs()?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }

    /// Asks `lookup`, which may block.
    pub fn with_lookup<F>(lookup: F) -> Self
    where
        F: Fn(&str) -> io::Result<Vec<IpAddr>> + Send + Sync + 'static,
    {
        Self {
            shared: Arc::new(ResolverShared {
                lookup: Box::new(lookup),
                names: Mutex::new(Names::default()),
                ended: Condvar::new(),
            }),
        }
    }

    /// The addresses of `host` (a name or an address), in the order in which to try them; at least
    /// one, at most [`MAX_ADDRESSES`].
    pub fn resolve(
        &self,
        host: &str,
        port: u16,
        deadline: Instant,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let literal = host.trim_start_matches('[').trim_end_matches(']');
        if let Ok(address) = literal.parse() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let addresses = self.addresses(host, deadline)?;
        Ok(addresses
            .into_iter()
            .map(|address| SocketAddr::new(address, port))
            .collect())
    }

    /// Waits for a lookup that ends after this call, or for the deadline.
    fn addresses(&self, host: &str, deadline: Instant) -> Result<Vec<IpAddr>, ResolveError> {
        let mut names = self.shared.lock();
        names.make_room(host);
        let before = names.by_name.entry(host.to_owned()).or_default().ended;
        loop {
            let running = names.running;
            let Some(name) = names.by_name.get_mut(host) else {
                return Err(ResolveError::TimedOut);
            };
            if name.ended != before {
                return name.give_out();
            }
            if !name.running && running < MAX_LOOKUPS {
                match self.start_lookup(host) {
                    Ok(()) => {
                        name.running = true;
                        names.running += 1;
                    }
                    Err(error) => {
                        name.failure = Some(format!("no thread for the lookup: {error}"));
                        return name.give_out();
                    }
                }
            }
            let left = deadline.saturating_duration_since(moment::now());
            if left.is_zero() {
                return names.give_out_old(host);
            }
            names = self
                .shared
                .ended
                .wait_timeout(names, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    fn start_lookup(&self, host: &str) -> io::Result<()> {
        let shared = Arc::clone(&self.shared);
        let host = host.to_owned();
        thread::Builder::new()
            .name("resolve".to_owned())
            .stack_size(LOOKUP_STACK)
            .spawn(move || {
                // A lookup that panics must not leave its name under way for ever.
                let found = panic::catch_unwind(AssertUnwindSafe(|| (shared.lookup)(&host)));
                let found = found.unwrap_or_else(|_| Err(io::Error::other("the lookup panicked")));
                shared.end_lookup(&host, found);
            })
            .map(drop)
    }
}

impl ResolverShared {
    fn lock(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end_lookup(&self, host: &str, found: io::Result<Vec<IpAddr>>) {
        let mut names = self.lock();
        names.running -= 1;
        if let Some(name) = names.by_name.get_mut(host) {
            name.running = false;
            name.ended += 1;
            match found {
                Ok(addresses) if addresses.is_empty() => {
                    name.failure = Some("the name has no address".to_owned());
                }
                Ok(addresses) => {
                    name.failure = None;
                    name.last_good = alternate(addresses);
                }
                Err(error) => name.failure = Some(error.to_string()),
            }
        }
        drop(names);
        self.ended.notify_all();
    }
}

impl Names {
    /// Forgets a name that nobody looks up if there would be too many with `host`.
    fn make_room(&mut self, host: &str) {
        if self.by_name.len() < MAX_NAMES || self.by_name.contains_key(host) {
            return;
        }
        let idle = self.by_name.iter().find(|(_, name)| !name.running);
        if let Some(idle) = idle.map(|(host, _)| host.clone()) {
            self.by_name.remove(&idle);
        }
    }

    fn give_out_old(&mut self, host: &str) -> Result<Vec<IpAddr>, ResolveError> {
        match self.by_name.get_mut(host) {
            Some(name) if !name.last_good.is_empty() => {
                log::warn!("{host}: name lookup takes too long, using the last known addresses");
                name.failure = None;
                name.give_out()
            }
            _ => Err(ResolveError::TimedOut),
        }
    }
}

impl Name {
    /// The addresses, beginning one further on than the last time.
    fn give_out(&mut self) -> Result<Vec<IpAddr>, ResolveError> {
        if let Some(failure) = &self.failure {
            if self.last_good.is_empty() {
                return Err(ResolveError::Failed(failure.clone()));
            }
            log::warn!("name lookup failed, using the last known addresses: {failure}");
        }
        let mut addresses = self.last_good.clone();
        let first = self.turn % addresses.len().max(1);
        addresses.rotate_left(first);
        self.turn = self.turn.wrapping_add(1);
        Ok(addresses)
    }
}

/// Without duplicates, IPv6 and IPv4 in turn, in the lookup's order otherwise.
fn alternate(found: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut families: [Vec<IpAddr>; 2] = Default::default();
    let [v6, v4] = &mut families;
    for address in found {
        let family = if address.is_ipv6() {
            &mut *v6
        } else {
            &mut *v4
        };
        if !family.contains(&address) && family.len() < MAX_ADDRESSES {
            family.push(address);
        }
    }
    let rounds = v6.len().max(v4.len());
    let mut mixed: Vec<IpAddr> = (0..rounds)
        .flat_map(|i| [v6.get(i).copied(), v4.get(i).copied()])
        .flatten()
        .collect();
    mixed.truncate(MAX_ADDRESSES);
    mixed
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver").finish_non_exhaustive()
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimedOut => f.write_str("no answer to the name lookup in time"),
            Self::Failed(text) => write!(f, "name lookup failed: {text}"),
        }
    }
}

impl std::error::Error for ResolveError {}

/// Helper threads at most: a hanging resolver holds each of them for as long as it hangs. The
/// daemon has three names to look up, and callers of the same name share a thread.
pub const MAX_LOOKUPS: usize = 8;

/// Addresses kept of one name: more than a provider publishes at a time.
pub const MAX_ADDRESSES: usize = 32;

/// Names remembered with their last good addresses; beyond it one that is idle is forgotten.
pub const MAX_NAMES: usize = 64;

/// Stack of a helper thread in bytes: getaddrinfo and nsswitch modules need some 100 KiB.
const LOOKUP_STACK: usize = 512 * 1024;

#[cfg(test)]
mod tests;
