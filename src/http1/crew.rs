//! Those who answer: a few threads, and others in the stead of those that wait for a disk or a
//! provider.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::berth::{Berth, Mooring};
use super::connection::{CallStep, Conversation, Hand};
use super::handler::{Promise, Rest};
use super::lounge::Lounge;
use super::shared::ListenerShared;
use crate::count::{self, Seldom};
use crate::heartbeat::LONGEST_REST;

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

/// What is sent to the crew.
enum Errand {
    /// A connection, and the way by which it comes back when a promise is kept.
    Call(Ready, Sender<Errand>),
    /// Promises were kept.
    Kept,
}

/// The threads that answer. When it is dropped they end, each after what it has begun.
pub(super) struct ApiCrew {
    /// Those who answer small requests, and read heads.
    small: Squad,
    /// Those who answer large ones, so that no small one waits behind them.
    large: Squad,
    spawn: Box<dyn Fn(Job) -> io::Result<()> + Send>,
    /// Threads that could not be started.
    unborn: Seldom,
    /// Since when requests wait for them, or since others were called for that.
    behind_since: Option<Instant>,
}

/// Some of them, and the way to them.
struct Squad {
    way: Sender<Errand>,
    post: Arc<Post>,
}

/// Where they wait.
struct Post {
    shared: Arc<ListenerShared>,
    errands: Receiver<Errand>,
    lounge: Lounge,
    /// Connections whose promises were kept, with what is left to be done for each.
    kept: Mutex<VecDeque<(Ready, Sender<Errand>, Rest)>>,
    answers_large: bool,
    /// Members that are always there.
    least: usize,
    /// Those that do not wait for something, at most.
    active: usize,
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
        post.ring();
        Self(post)
    }
}

impl Drop for Stead {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ApiCrew {
    /// With so many threads for small requests, or as many as suit the machine; `spawn` starts one.
    ///
    /// # Errors
    ///
    /// The system's, when it has no thread to give.
    pub(super) fn start(
        shared: &Arc<ListenerShared>,
        threads: Option<usize>,
        spawn: Box<dyn Fn(Job) -> io::Result<()> + Send>,
    ) -> io::Result<Self> {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let most = processors.saturating_mul(PER_PROCESSOR).max(THREADS);
        let crew = Self {
            small: Squad::new(shared, false, threads.unwrap_or(most)),
            large: Squad::new(shared, true, most),
            spawn,
            unborn: Seldom::default(),
            behind_since: None,
        };
        let least = crew.small.post.least;
        (0..least).try_for_each(|_| crew.small.hire(&crew.spawn))?;
        Ok(crew)
    }

    /// Hands a connection to whoever of them is free first; gives it back if too many wait.
    pub(super) fn hand(&self, ready: Ready) -> Result<(), Ready> {
        let Squad { way, post } = if ready.conversation.is_large() {
            &self.large
        } else {
            &self.small
        };
        let sent = way.try_send(Errand::Call(ready, way.clone()));
        post.ring();
        match sent.map_err(TrySendError::into_inner) {
            Err(Errand::Call(ready, _)) => Err(ready),
            Ok(()) | Err(Errand::Kept) => Ok(()),
        }
    }

    /// Starts another for each of them that waits for something, if requests wait for them. Returns
    /// when to look again, if they do.
    pub(super) fn grow(&mut self, now: Instant) -> Option<Instant> {
        let mut are_behind = false;
        let is_late = self
            .behind_since
            .is_some_and(|since| since + LOOK_EVERY <= now);
        for squad in [&self.small, &self.large] {
            let ready = squad.way.len();
            are_behind |= ready > 0;
            if ready > 0 && is_late {
                // Whoever was to come for them is held up.
                squad.post.lounge.ring();
            }
            let more = ready.min(squad.post.lacking());
            let hired = (0..more).try_for_each(|_| squad.hire(&self.spawn));
            if let Err(error) = hired
                && let Some(times) = self.unborn.note(now)
            {
                log::error!(
                    "cannot start a thread that answers callers, others go on ({} since this was \
                     last said): {error}",
                    count::of(times, "failure", "failures")
                );
            }
        }
        let before = self.behind_since.take().filter(|_| !is_late);
        self.behind_since = are_behind.then(|| before.unwrap_or(now));
        self.behind_since.map(|since| since + LOOK_EVERY)
    }
}

impl Squad {
    fn new(shared: &Arc<ListenerShared>, answers_large: bool, active: usize) -> Self {
        let (way, errands) = bounded(QUEUE);
        let post = Arc::new(Post {
            shared: Arc::clone(shared),
            errands,
            lounge: Lounge::default(),
            kept: Mutex::default(),
            answers_large,
            least: if answers_large { 0 } else { active },
            active,
            members: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
        });
        Self { way, post }
    }

    fn hire(&self, spawn: &dyn Fn(Job) -> io::Result<()>) -> io::Result<()> {
        let post = Arc::clone(&self.post);
        post.members.fetch_add(1, Ordering::Relaxed);
        let job = Box::new(move || {
            POST.set(Some(Arc::clone(&post)));
            post.serve();
        });
        spawn(job).inspect_err(|_| {
            self.post.members.fetch_sub(1, Ordering::Relaxed);
        })
    }
}

impl Drop for Squad {
    fn drop(&mut self) {
        // Gone before those who sleep hear of it.
        self.way = bounded(0).0;
        self.post.lounge.ring_for_all();
    }
}

impl Post {
    /// What each member does.
    fn serve(self: &Arc<Self>) {
        let mut spare = Vec::new();
        loop {
            for (mut ready, way, rest) in self.take_kept() {
                ready.conversation.keep(rest);
                self.go_on(ready, &way, &mut spare);
            }
            match self.lounge.receive(&self.errands, LONGEST_REST) {
                Ok(Errand::Call(ready, way)) => self.go_on(ready, &way, &mut spare),
                Ok(Errand::Kept) => {}
                Err(error) if error.is_timeout() && !self.leaves() => {}
                Err(_) => {
                    // The last way to here may have been this member's own.
                    self.lounge.ring_for_all();
                    return;
                }
            }
        }
    }

    /// Takes some of those whose promises were kept, and calls another for the others.
    fn take_kept(&self) -> Vec<(Ready, Sender<Errand>, Rest)> {
        let mut kept = self.lock_kept();
        let some = kept.len().min(KEPT_AT_ONCE);
        let taken = kept.drain(..some).collect();
        let other = kept.front().map(|(_, way, _)| way.clone());
        drop(kept);
        if let Some(way) = other {
            // If too much is on the way, somebody comes here for that.
            let _is_sent = way.try_send(Errand::Kept).is_ok();
            self.ring();
        }
        taken
    }

    /// Has the crew go on with a connection whose promise was kept. One bell for all that are kept
    /// before somebody comes.
    fn keep(&self, ready: Ready, way: Sender<Errand>, rest: Rest) {
        let mut kept = self.lock_kept();
        let number = ready.conversation.number();
        let bell = kept.is_empty().then(|| way.clone());
        kept.push_back((ready, way, rest));
        drop(kept);
        if let Some(bell) = bell {
            // If too much is on the way, somebody comes here for that.
            let _is_sent = bell.try_send(Errand::Kept).is_ok();
            drop(bell);
            self.ring();
            // Those who would come may all wait themselves, or have left: the watching thread sees
            // to it that there is one.
            if self.lacking() > 0 {
                self.shared.doorbell.call(number);
            }
        }
    }

    /// Wakes another member if those that are awake have more before them than they will soon have
    /// done: to wake one costs more than most errands do.
    fn ring(&self) {
        let waiting = self.waiting.load(Ordering::Relaxed);
        let members = self.members.load(Ordering::Relaxed);
        let awake = members.saturating_sub(waiting + self.lounge.asleep());
        let before_each = if self.answers_large { 0 } else { BEFORE_EACH };
        if self.errands.len() > awake * before_each {
            self.lounge.ring();
        }
    }

    /// Nothing panics while it holds the lock.
    fn lock_kept(&self) -> MutexGuard<'_, VecDeque<(Ready, Sender<Errand>, Rest)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many more there may be, for those that wait for something.
    fn lacking(&self) -> usize {
        let waiting = self.waiting.load(Ordering::Relaxed);
        let members = self.members.load(Ordering::Relaxed);
        let most = self.active.saturating_add(waiting).min(MEMBERS_MAX);
        most.saturating_sub(members)
    }

    /// Takes one who has had nothing to do out of the count, unless few are left.
    fn leaves(&self) -> bool {
        let fewer = |members: usize| (members > self.least).then(|| members - 1);
        let order = Ordering::Relaxed;
        self.members.fetch_update(order, order, fewer).is_ok()
    }

    fn go_on(self: &Arc<Self>, ready: Ready, way: &Sender<Errand>, spare: &mut Vec<u8>) {
        let number = ready.conversation.number();
        ready.conversation.place().take_up();
        let serve = || self.serve_one(ready, way, spare);
        // After a panic, which was told, the connection is gone and nothing else.
        let is_awaited = catch_unwind(AssertUnwindSafe(serve)).unwrap_or(false);
        if !is_awaited {
            self.shared.doorbell.call(number);
        }
    }

    /// Goes on with a connection until it waits for its caller, or a promise; false if the watching
    /// thread is to be called.
    fn serve_one(
        self: &Arc<Self>,
        ready: Ready,
        way: &Sender<Errand>,
        spare: &mut Vec<u8>,
    ) -> bool {
        let Ready {
            mut conversation,
            berth,
        } = ready;
        loop {
            let mut made = None;
            let mut promise = || {
                let pledge = Arc::new(Pledge::new(self, way));
                made = Some(Arc::clone(&pledge));
                Promise::new(move |rest| pledge.keep(rest))
            };
            let hand = Hand::Crew {
                promise: &mut promise,
                answers_large: self.answers_large,
            };
            match conversation.advance(&self.shared, spare, hand) {
                CallStep::Wait if !conversation.is_writing() => match berth.put(conversation) {
                    Mooring::Waits => return true,
                    Mooring::Unseen => return false,
                    Mooring::News(back) => conversation = back,
                },
                CallStep::Wait | CallStep::Again | CallStep::Crew => {
                    berth.keep(conversation);
                    return false;
                }
                CallStep::Later => {
                    let ready = Ready {
                        conversation,
                        berth: Arc::clone(&berth),
                    };
                    let Some((ready, rest)) = made.and_then(|pledge| pledge.wait(ready)) else {
                        return true;
                    };
                    // It was kept at once.
                    conversation = ready.conversation;
                    conversation.keep(rest);
                    continue;
                }
                CallStep::Over => return false,
            }
            // Others come first, if there are any.
            if !self.errands.is_empty() {
                berth.keep(conversation);
                return false;
            }
            conversation.note(true);
        }
    }
}

/// Where a connection waits for a promise to be kept: a value in the hands of whoever keeps it.
struct Pledge {
    state: Mutex<PledgeState>,
    post: Arc<Post>,
    way: Sender<Errand>,
}

enum PledgeState {
    /// Neither is the connection here, nor is the promise kept.
    Made,
    Waits(Ready),
    Kept(Rest),
    /// Both were.
    Over,
}

impl Pledge {
    fn new(post: &Arc<Post>, way: &Sender<Errand>) -> Self {
        Self {
            state: Mutex::new(PledgeState::Made),
            post: Arc::clone(post),
            way: way.clone(),
        }
    }

    /// Has the connection wait; gives it back, with what is left to be done, if it has not to.
    fn wait(&self, ready: Ready) -> Option<(Ready, Rest)> {
        let mut state = self.lock();
        match mem::replace(&mut *state, PledgeState::Over) {
            PledgeState::Kept(rest) => Some((ready, rest)),
            PledgeState::Made | PledgeState::Waits(_) | PledgeState::Over => {
                *state = PledgeState::Waits(ready);
                None
            }
        }
    }

    fn keep(&self, rest: Rest) {
        let mut state = self.lock();
        match mem::replace(&mut *state, PledgeState::Over) {
            PledgeState::Waits(ready) => {
                drop(state);
                self.post.keep(ready, self.way.clone(), rest);
            }
            PledgeState::Made | PledgeState::Kept(_) | PledgeState::Over => {
                *state = PledgeState::Kept(rest);
            }
        }
    }

    /// Nothing panics while it holds the lock.
    fn lock(&self) -> MutexGuard<'_, PledgeState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Connections whose promises were kept with which one goes on before others are called.
const KEPT_AT_ONCE: usize = 16;

/// Small requests that wait for each member that is awake before another is woken.
const BEFORE_EACH: usize = 4;

/// Our limit: threads that answer small requests for each processor, and at least; and as many,
/// while there are any, that answer large ones.
const PER_PROCESSOR: usize = 2;
const THREADS: usize = 4;

/// Our limit: requests that wait for one of those who answer; others wait with the watching
/// thread.
const QUEUE: usize = 1024;

/// How often it is looked, while requests wait, whether more of them wait for something.
pub(super) const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Our limit: stack of a thread that answers. Nothing here recurses.
const STACK: usize = 512 * 1024;

/// Our limit: threads that answer, with those that wait for something else than the journal.
const MEMBERS_MAX: usize = 128;
