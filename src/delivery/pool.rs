//! The connections that threads of lanes hand each other.
//!
//! A vendor with a hundred apps of one team, each with a push now and then, needs one connection
//! for them and not a hundred. So a lane whose thread is to open one asks for one first that a
//! thread of another lane has open by the same [`PoolKey`], and does not need:
//!
//! ```text
//!  owner's thread                 pool                        asker's thread
//!  join, show(free) ───────────▶ member ◀─────────────────── ask: rings the owner
//!  asked? ◀──────────────────── request
//!  takes it from its waiter ───▶ given, or not: rings ──────▶ puts it to its own waiter
//! ```
//!
//! Each connection stays with one thread, which alone reads it, so that none is unwatched, but on
//! its way, until its new thread looks: it is rung for that, and has at most one coming. A busy
//! thread pays nothing: to be free is a flag that it sets when it turns so. Nobody waits for
//! long: an owner looks in its next round, for which it is rung, and whoever has waited for
//! [`ASKED_MAX`] opens one of its own. Either side then finds that the other has decided, under the
//! lock of the request, so that a connection has one thread at any time.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::link::HandedOver;
use super::pool_key::PoolKey;
use crate::lane::Lane;

/// Our limit: how long a thread waits for the connection that it has asked another lane's for,
/// before it opens one.
pub const ASKED_MAX: Duration = Duration::from_millis(250);

/// The connections that threads of lanes may hand each other.
pub struct ConnectionPool<T> {
    /// Threads that have one.
    members: Mutex<Vec<Arc<Member<T>>>>,
    /// How often one has turned free.
    freed: AtomicU64,
}

/// A thread that has a connection.
struct Member<T> {
    lane: Arc<Lane>,
    seat: usize,
    key: Arc<PoolKey>,
    /// When it has turned free, as a number that grows; 0 if it is not. Set by its thread alone.
    free_since: AtomicU64,
    /// Somebody wants it. Set under the lock of the members.
    is_asked: AtomicBool,
    request: Mutex<Option<Arc<ConnectionRequest<T>>>>,
}

impl<T> Member<T> {
    fn is_free(&self) -> bool {
        self.free_since.load(Ordering::Relaxed) > 0
    }
}

/// A thread's question for a connection.
struct ConnectionRequest<T> {
    lane: Arc<Lane>,
    seat: usize,
    reply: Mutex<Reply<T>>,
}

/// What came of a request.
#[derive(Debug)]
pub(super) enum Reply<T> {
    /// Nothing yet.
    Awaited,
    /// A connection, which no waiter has.
    Given(Box<HandedOver<T>>),
    /// There is none.
    Refused,
}

impl<T> ConnectionPool<T> {
    /// Thread `seat` of that lane has a connection of that key, which is not free yet.
    pub(super) fn join(
        self: &Arc<Self>,
        lane: &Arc<Lane>,
        seat: usize,
        key: &Arc<PoolKey>,
    ) -> Membership<T> {
        let member = Arc::new(Member {
            lane: Arc::clone(lane),
            seat,
            key: Arc::clone(key),
            free_since: AtomicU64::new(0),
            is_asked: AtomicBool::new(false),
            request: Mutex::default(),
        });
        lock(&self.members).push(Arc::clone(&member));
        Membership {
            pool: Arc::clone(self),
            member,
        }
    }

    /// Asks another lane's thread for its connection of that key: the one that was used last, so
    /// that those which are one too many get idle. `None` if none is free.
    pub(super) fn ask(&self, lane: &Arc<Lane>, seat: usize, key: &PoolKey) -> Option<Asked<T>> {
        let members = lock(&self.members);
        let may_give = |member: &&Arc<Member<T>>| {
            member.is_free()
                && !member.is_asked.load(Ordering::Relaxed)
                && !Arc::ptr_eq(&member.lane, lane)
                && *member.key == *key
        };
        let free = members.iter().filter(may_give);
        let owner = free.max_by_key(|member| member.free_since.load(Ordering::Relaxed))?;
        let owner = Arc::clone(owner);
        let request = Arc::new(ConnectionRequest {
            lane: Arc::clone(lane),
            seat,
            reply: Mutex::new(Reply::Awaited),
        });
        *lock(&owner.request) = Some(Arc::clone(&request));
        owner.is_asked.store(true, Ordering::Release);
        drop(members);
        owner.lane.crew().wake(owner.seat);
        Some(Asked(request))
    }

    /// Threads that have a connection of that key.
    #[cfg(test)]
    pub(super) fn count(&self, key: &PoolKey) -> usize {
        let members = lock(&self.members);
        members.iter().filter(|member| *member.key == *key).count()
    }
}

/// A thread's place in the pool, for as long as it has its connection.
pub(super) struct Membership<T> {
    pool: Arc<ConnectionPool<T>>,
    member: Arc<Member<T>>,
}

impl<T> Membership<T> {
    /// Whether its connection counts as one of that key.
    pub(super) fn is_of(&self, key: &Arc<PoolKey>) -> bool {
        Arc::ptr_eq(&self.member.key, key)
    }

    /// Whether others may ask for the connection from now on.
    pub(super) fn show(&self, is_free: bool) {
        if is_free != self.member.is_free() {
            let number = || self.pool.freed.fetch_add(1, Ordering::Relaxed) + 1;
            let since = if is_free { number() } else { 0 };
            self.member.free_since.store(since, Ordering::Relaxed);
        }
    }

    /// Answers whoever has asked for the connection, if anybody has: with what `give` takes from
    /// its waiter, unless that is nothing. Names the lane that has it then.
    pub(super) fn answer(&self, give: impl FnOnce() -> Option<HandedOver<T>>) -> Option<Arc<Lane>> {
        if !self.member.is_asked.load(Ordering::Acquire) {
            return None;
        }
        let request = lock(&self.member.request).take();
        self.member.is_asked.store(false, Ordering::Relaxed);
        let request = request?;
        request.answer(give).then(|| Arc::clone(&request.lane))
    }
}

/// The connection is not there any more, or another's.
impl<T> Drop for Membership<T> {
    fn drop(&mut self) {
        lock(&self.pool.members).retain(|member| !Arc::ptr_eq(member, &self.member));
        // Nobody finds it any more; somebody may have.
        self.answer(|| None);
    }
}

impl<T> ConnectionRequest<T> {
    /// Whether it was answered with a connection. Who has ceased to wait gets none.
    fn answer(&self, give: impl FnOnce() -> Option<HandedOver<T>>) -> bool {
        let mut reply = lock(&self.reply);
        if !matches!(*reply, Reply::Awaited) {
            return false;
        }
        *reply = give().map_or(Reply::Refused, |handed| Reply::Given(Box::new(handed)));
        let is_given = matches!(*reply, Reply::Given(_));
        drop(reply);
        self.lane.crew().wake(self.seat);
        is_given
    }
}

/// A request that is under way. Dropping it ends it, and what was given is dropped with it.
pub(super) struct Asked<T>(Arc<ConnectionRequest<T>>);

impl<T> Asked<T> {
    /// What came of it so far; what was given is the caller's.
    pub(super) fn reply(&self) -> Reply<T> {
        let mut reply = lock(&self.0.reply);
        match *reply {
            Reply::Awaited => Reply::Awaited,
            Reply::Given(_) | Reply::Refused => std::mem::replace(&mut *reply, Reply::Refused),
        }
    }

    /// Waits no longer: what was given by now, if anything was.
    pub(super) fn withdraw(&self) -> Option<HandedOver<T>> {
        match std::mem::replace(&mut *lock(&self.0.reply), Reply::Refused) {
            Reply::Given(handed) => Some(*handed),
            Reply::Awaited | Reply::Refused => None,
        }
    }
}

impl<T> Drop for Asked<T> {
    fn drop(&mut self) {
        drop(self.withdraw());
    }
}

impl<T> Default for ConnectionPool<T> {
    fn default() -> Self {
        Self {
            members: Mutex::default(),
            freed: AtomicU64::new(0),
        }
    }
}

impl<T> fmt::Debug for ConnectionPool<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionPool")
            .field("members", &lock(&self.members).len())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Membership<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Membership")
            .field("is_free", &self.member.is_free())
            .finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Asked<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked").finish_non_exhaustive()
    }
}

/// What is behind each lock is whole between any two statements.
fn lock<L>(locked: &Mutex<L>) -> MutexGuard<'_, L> {
    locked.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::pool_key::Speaker;
    use crate::net::tls::Stance;
    use crate::push::LaneId;

    fn key() -> Arc<PoolKey> {
        Arc::new(PoolKey {
            host: "localhost".to_owned(),
            port: 443,
            stance: Stance::default(),
            speaker: Speaker::Certificate,
            idle_timeout: Duration::from_secs(90),
        })
    }

    /// Of many that are free the one that was used last is asked, and each by one at a time.
    #[test]
    fn the_one_that_was_used_last_is_asked_by_one_at_a_time() {
        let (pool, key) = (Arc::<ConnectionPool<()>>::default(), key());
        let lane = || Lane::new(LaneId::IOS, 1, 1);
        let lanes = [lane(), lane(), lane()];
        let members = lanes.each_ref().map(|lane| pool.join(lane, 0, &key));
        assert!(pool.ask(&lane(), 0, &key).is_none(), "none is free");
        for owner in [1, 2, 0] {
            members[owner].show(true);
        }
        members[2].show(false);
        let hungry = lane();
        let asked = pool.ask(&hungry, 0, &key).unwrap();
        let refused = |owner: usize| {
            let mut was_asked = false;
            assert!(
                members[owner]
                    .answer(|| {
                        was_asked = true;
                        None
                    })
                    .is_none()
            );
            was_asked
        };
        let second = pool.ask(&lane(), 0, &key).unwrap();
        assert!(pool.ask(&lane(), 0, &key).is_none(), "each is asked");
        assert!(matches!(asked.reply(), Reply::Awaited));
        assert!(refused(0) && !refused(0) && !refused(2));
        assert!(matches!(asked.reply(), Reply::Refused));
        assert!(pool.ask(&lanes[0], 0, &key).is_none(), "its own is none");
        // Nobody is asked any more by whom nobody waits.
        assert!(second.withdraw().is_none());
        assert!(!refused(1));
        drop(pool.ask(&hungry, 0, &key).unwrap());
        assert!(!refused(0) && !refused(1), "dropped");
        // Who goes says so.
        let asked = pool.ask(&hungry, 0, &key).unwrap();
        drop(members);
        assert!(matches!(asked.reply(), Reply::Refused));
        assert_eq!(pool.count(&key), 0);
    }
}
