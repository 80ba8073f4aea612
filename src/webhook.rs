//! The feed, posted: batches of its records go to a place of the site's, each until it was taken.
//!
//! The feed's files are the spool, a cursor in each stream is how far the place has taken it. It
//! goes on where it was after a restart; a batch whose answer got lost comes again, with the same
//! cursors. What the feed no longer has is a gap with its number, as for who asks. Each stream has
//! a back-off of its own: that one is refused keeps nobody from the other.
//!
//! `post` and `turn` are pure.

mod courier;
mod places;
mod post;
mod turn;

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use aws_lc_rs::hmac;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use crate::config::{self, FeedbackHook};
use crate::feed::{Feed, FeedStream};
use crate::journal::Files;
use crate::live::Live;
use crate::moment::{self, Moment};
use crate::named::{self, Finding, Found, HookFiles};
use crate::net::resolve::Resolver;
use crate::net::tls::SystemRoots;
use crate::net::transport::{self, HttpConnector};
use crate::stats::PostStats;
use courier::Poster;
use places::HookPlaces;

/// Our limit: how long a post may take, from the look-up of the name to the end of the answer.
pub const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// Where batches go.
#[derive(Debug)]
pub struct HookTarget {
    url: String,
    key: hmac::Key,
    streams: Vec<FeedStream>,
    agent: ureq::Agent,
}

impl HookTarget {
    /// Reads what is named of where records are to be posted; `system` is whom the host trusts.
    ///
    /// # Errors
    ///
    /// All that keeps it from being used.
    pub fn read(
        hook: &FeedbackHook,
        system: &SystemRoots,
        now: Moment,
    ) -> Result<Found<Self>, Vec<Finding>> {
        let Found { value, doubts } = named::hook(hook, system, now)?;
        let HookFiles { secret, tls } = value;
        let resolver = Arc::new(Resolver::system());
        let connector = HttpConnector::new(tls, resolver, ANSWERS_WITHIN);
        // Dead tokens are few, and wait for nobody.
        let mut streams = vec![FeedStream::DeadTokens, FeedStream::Settlements];
        streams.retain(|stream| ["all", stream.word()].contains(&hook.send));
        let value = Self {
            url: hook.url.clone(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &secret),
            streams,
            agent: transport::agent(connector, transport::config().build()),
        };
        Ok(Found { value, doubts })
    }

    /// Its URL as messages have it: less the path, in which a secret may stand.
    pub fn shown(&self) -> &str {
        config::origin(&self.url)
    }

    /// Posts a batch without records. The error is why it was not taken.
    pub fn try_out(&self) -> Result<(), String> {
        courier::try_out(self)
    }
}

/// What posts the feed. Its methods may be called from any thread.
#[derive(Debug)]
pub struct Webhook {
    target: Arc<Live<Option<HookTarget>>>,
    stats: Arc<PostStats>,
    /// Rung when the target has changed; dropped at the end.
    bell: Mutex<Option<Sender<()>>>,
    ended: Receiver<()>,
    /// Set when the thread is not waited for any longer.
    is_abandoned: Arc<AtomicBool>,
}

impl Webhook {
    /// Starts to post that feed to where it is told, if anywhere yet. How far that has come stands
    /// in `dir`.
    ///
    /// # Errors
    ///
    /// When there can be no thread.
    pub fn start(
        feed: Arc<Feed>,
        files: Arc<dyn Files>,
        dir: PathBuf,
        target: Option<HookTarget>,
        seed: u64,
    ) -> io::Result<Self> {
        let target = Arc::new(Live::new(target));
        let (stats, is_abandoned) = (Arc::<PostStats>::default(), Arc::<AtomicBool>::default());
        let (bell, rung) = crossbeam_channel::bounded(1);
        let (ends, ended) = crossbeam_channel::bounded::<()>(0);
        let places = HookPlaces::read(files, dir, Arc::clone(&is_abandoned));
        let of_thread = (Arc::clone(&target), Arc::clone(&stats));
        let poster = Poster::new(feed, of_thread, places, seed);
        thread::Builder::new()
            .name("webhook".to_owned())
            .spawn(move || {
                poster.run(&rung);
                drop(ends);
            })?;
        Ok(Self {
            target,
            stats,
            bell: Mutex::new(Some(bell)),
            ended,
            is_abandoned,
        })
    }

    /// Posts there from now on, or nowhere. What waits after a failure is tried at once.
    pub fn turn_to(&self, target: Option<HookTarget>) {
        self.target.set(target);
        // No code panics while it holds the lock.
        let bell = self.bell.lock().unwrap_or_else(PoisonError::into_inner);
        // One that is rung already is heard once.
        let _rung = bell.as_ref().map(|bell| bell.try_send(()).is_ok());
    }

    /// What is counted of it.
    pub fn stats(&self) -> &Arc<PostStats> {
        &self.stats
    }

    /// Posts no further batch; waits so long for one that is under way. What is not posted waits
    /// for the next start.
    pub fn close(&self, within: Duration) {
        // No code panics while it holds the lock.
        let mut bell = self.bell.lock().unwrap_or_else(PoisonError::into_inner);
        drop(bell.take());
        drop(bell);
        // It may be answered later: then it comes again after the start.
        let ended = moment::receive_within(&self.ended, within);
        let is_late = ended == Err(RecvTimeoutError::Timeout);
        // Whoever has the journal's lock next may have the files.
        self.is_abandoned.store(is_late, Ordering::Release);
    }
}
