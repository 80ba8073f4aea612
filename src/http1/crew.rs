//! Those who answer: a few threads, and others in the stead of those that wait for a disk or a
//! provider.

use std::cell::RefCell;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::berth::{Berth, Mooring};
use super::connection::{CallStep, Conversation, Hand};
use super::shared::ListenerShared;
use crate::count::{self, Seldom};
use crate::heartbeat::LONGEST_REST;
use crate::moment;

/// What the listener does to the operating system, replaceable where failures are tried.
pub struct Hooks {
    /// Starts a thread that answers.
    pub spawn: Box<dyn Fn(Job) -> io::Result<()> + Send>,
    /// Comes before each accept; an error stands for the accept's.
    pub before_accept: Box<dyn FnMut() -> io::Result<()> + Send>,
}

/// The work of a thread that answers.
pub type Job = Box<dyn FnOnce() + Send>;

impl Default for Hooks {
    fn default() -> Self {
        Self {
            spawn: Box::new(|job| {
                let thread = thread::Builder::new()
                    .name("api".to_owned())
                    .stack_size(STACK);
                thread.spawn(job).map(drop)
            }),
            before_accept: Box::new(|| Ok(())),
        }
    }
}

/// A connection with something for the crew, and the berth to which it goes back.
pub(super) struct Ready {
    pub(super) conversation: Box<Conversation>,
    pub(super) berth: Arc<Berth>,
}

/// The threads that answer, and the way to them. When it is dropped they end, each after what it
/// has begun.
pub(super) struct ApiCrew {
    way: Sender<Ready>,
    post: Arc<Post>,
    spawn: Box<dyn Fn(Job) -> io::Result<()> + Send>,
    /// Threads that could not be started.
    unborn: Seldom,
}

/// Where its members wait.
struct Post {
    shared: Arc<ListenerShared>,
    ready: Receiver<Ready>,
    /// Members that are always there.
    least: usize,
    members: AtomicUsize,
    /// Those of them that wait for something, and do not need a processor.
    waiting: AtomicUsize,
}

thread_local! {
    /// Of which crew the thread is.
    static POST: RefCell<Option<Arc<Post>>> = const { RefCell::new(None) };
}

/// Does what waits for a disk, or for others: meanwhile another thread answers callers in the stead
/// of this one.
pub fn while_waiting<T>(wait: impl FnOnce() -> T) -> T {
    let post = POST.with_borrow(Option::clone);
    let _stead = post.map(Stead::new);
    wait()
}

/// One that waits, until it is dropped.
struct Stead(Arc<Post>);

impl Stead {
    fn new(post: Arc<Post>) -> Self {
        post.waiting.fetch_add(1, Ordering::Relaxed);
        Self(post)
    }
}

impl Drop for Stead {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ApiCrew {
    /// With so many members, and more when these are all busy; `spawn` starts a thread.
    ///
    /// # Errors
    ///
    /// The system's, when it has no thread to give.
    pub(super) fn start(
        shared: &Arc<ListenerShared>,
        least: Option<usize>,
        spawn: Box<dyn Fn(Job) -> io::Result<()> + Send>,
    ) -> io::Result<Self> {
        let least = least.unwrap_or_else(|| {
            let processors = thread::available_parallelism().map_or(1, usize::from);
            THREADS.max(processors.saturating_mul(PER_PROCESSOR))
        });
        let (way, ready) = bounded(QUEUE);
        let post = Post {
            shared: Arc::clone(shared),
            ready,
            least,
            members: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
        };
        let crew = Self {
            way,
            post: Arc::new(post),
            spawn,
            unborn: Seldom::default(),
        };
        (0..least).try_for_each(|_| crew.hire())?;
        Ok(crew)
    }

    /// Hands a connection to whoever of them is free first; gives it back if too many wait.
    pub(super) fn hand(&self, ready: Ready) -> Result<(), Ready> {
        self.way.try_send(ready).map_err(|refused| match refused {
            TrySendError::Full(ready) | TrySendError::Disconnected(ready) => ready,
        })
    }

    /// Starts another for each of them that waits for something, if requests wait for them. Returns
    /// when to look again, if they do.
    pub(super) fn grow(&mut self, now: Instant) -> Option<Instant> {
        let ready = self.way.len();
        let waiting = self.post.waiting.load(Ordering::Relaxed);
        let members = self.post.members.load(Ordering::Relaxed);
        let most = self.post.least.saturating_add(waiting).min(MEMBERS_MAX);
        let more = ready.min(most.saturating_sub(members));
        let hired = (0..more).try_for_each(|_| self.hire());
        if let Err(error) = hired
            && let Some(times) = self.unborn.note(now)
        {
            log::error!(
                "cannot start a thread that answers callers, others go on ({} since this was last \
                 said): {error}",
                count::of(times, "failure", "failures")
            );
        }
        (ready > 0).then_some(now + LOOK_EVERY)
    }

    fn hire(&self) -> io::Result<()> {
        let post = Arc::clone(&self.post);
        post.members.fetch_add(1, Ordering::Relaxed);
        (self.spawn)(Box::new(move || {
            POST.set(Some(Arc::clone(&post)));
            post.serve();
        }))
        .inspect_err(|_| {
            self.post.members.fetch_sub(1, Ordering::Relaxed);
        })
    }
}

impl Post {
    /// What each member does.
    fn serve(&self) {
        let mut spare = Vec::new();
        loop {
            match moment::receive_within(&self.ready, LONGEST_REST) {
                Ok(ready) => self.go_on(ready, &mut spare),
                Err(error) if error.is_timeout() && !self.leaves() => {}
                Err(_) => return,
            }
        }
    }

    /// Takes one who has had nothing to do out of the count, unless few are left.
    fn leaves(&self) -> bool {
        let fewer = |members: usize| (members > self.least).then(|| members - 1);
        let order = Ordering::Relaxed;
        self.members.fetch_update(order, order, fewer).is_ok()
    }

    fn go_on(&self, ready: Ready, spare: &mut Vec<u8>) {
        let Ready {
            conversation,
            berth,
        } = ready;
        let number = conversation.number();
        let serve = || self.serve_one(conversation, &berth, spare);
        // After a panic, which was told, the connection is gone and nothing else.
        let is_awaited = catch_unwind(AssertUnwindSafe(serve)).unwrap_or(false);
        drop(berth);
        if !is_awaited {
            self.shared.doorbell.call(number);
        }
    }

    /// Goes on with a connection until it waits for its caller; false if the watching thread is to
    /// be called.
    fn serve_one(
        &self,
        mut conversation: Box<Conversation>,
        berth: &Berth,
        spare: &mut Vec<u8>,
    ) -> bool {
        loop {
            match conversation.advance(&self.shared, spare, Hand::Crew) {
                CallStep::Wait if !conversation.is_writing() => match berth.put(conversation) {
                    Mooring::Waits => return true,
                    Mooring::Unseen => return false,
                    Mooring::News(back) => conversation = back,
                },
                CallStep::Wait | CallStep::Again | CallStep::Crew => {
                    berth.keep(conversation);
                    return false;
                }
                CallStep::Over => return false,
            }
            // Others come first, if there are any.
            if !self.ready.is_empty() {
                berth.keep(conversation);
                return false;
            }
            conversation.note(true);
        }
    }
}

/// Our limit: threads that answer as long as these are enough; or so many for each processor, if
/// these are more.
const THREADS: usize = 16;
const PER_PROCESSOR: usize = 2;

/// Our limit: requests that wait for one of those who answer; others wait with the watching
/// thread.
const QUEUE: usize = 1024;

/// How often it is looked, while requests wait, whether more of them wait for something.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Our limit: stack of a thread that answers. Nothing here recurses.
const STACK: usize = 512 * 1024;

/// Our limit: threads that answer, with those that wait for something.
const MEMBERS_MAX: usize = 512;
