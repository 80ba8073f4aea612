//! The shell: one thread that asks for tokens, and what the other threads see of it.
//!
//! Without the thread, whoever made it asks and says what came.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::answer::{Class, Failure, Grant};
use super::exchange::{EXCHANGE_TIMEOUT, exchange};
use super::refresh::{Invalidation, Next, Refresh};
use super::{AccessToken, Account};
use crate::heartbeat::{Heartbeat, LONGEST_REST};
use crate::jitter::Random;
use crate::moment::{self, Moment};

/// A bell that is rung when there is news.
type Bell = Arc<dyn Fn(Moment) + Send + Sync>;

/// The access tokens of one account, kept fresh by a thread of their own.
///
/// Dropping it ends the thread, after the exchange under way if there is one.
///
/// A token grows old at Google: all points in time are those of [`Moment::elsewhere`].
pub struct AccessTokens {
    shared: Arc<Shared>,
    heartbeat: Heartbeat,
}

struct Shared {
    state: Mutex<State>,
    /// Signalled when there is news, and when the thread has to look again.
    changed: Condvar,
    /// A token that is taken would be news.
    is_in_question: AtomicBool,
}

struct State {
    refresh: Refresh,
    random: Random,
    bells: Vec<Bell>,
    ended: bool,
}

impl AccessTokens {
    /// Starts the thread, which asks for the first token at once.
    ///
    /// # Errors
    ///
    /// The operating system's, if it has no thread to give.
    pub fn start(account: Account, agent: ureq::Agent) -> io::Result<Self> {
        let tokens = Self::by_hand(random());
        let theirs = Arc::clone(&tokens.shared);
        let beat = tokens.heartbeat.clone();
        thread::Builder::new()
            .name("oauth".to_owned())
            .spawn(move || run(&theirs, &account, &agent, &beat))?;
        Ok(tokens)
    }

    /// The same without a thread: to be asked by [`AccessTokens::asks_at`] when a token is wanted,
    /// and to be told what came.
    pub fn by_hand(seed: u64) -> Self {
        let state = State {
            refresh: Refresh::default(),
            random: Random::new(seed),
            bells: Vec::new(),
            ended: false,
        };
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            changed: Condvar::new(),
            is_in_question: AtomicBool::new(false),
        });
        Self {
            shared,
            heartbeat: Heartbeat::new(moment::now()),
        }
    }

    /// What tells that the thread lives.
    pub fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    /// When a token is wanted: at `now`, or later.
    pub fn asks_at(&self, now: Instant) -> Instant {
        match self.shared.lock().refresh.next(now) {
            Next::Exchange => now,
            Next::WaitUntil(at) => at,
        }
    }

    /// A token has come that was asked for at that time, for so long.
    pub fn granted(&self, token: String, life: Duration, asked: Instant, now: Moment) {
        self.shared.take(Ok(Grant { token, life }), asked, now);
    }

    /// A token could not be had.
    pub fn failed(
        &self,
        class: Class,
        why: &str,
        retry_after: Option<Duration>,
        asked: Instant,
        now: Moment,
    ) {
        let failure = Failure {
            class,
            retry_after,
            ..Failure::passing(why.to_owned())
        };
        self.shared.take(Err(failure), asked, now);
    }

    /// The token to send now, if there is one. Never waits for the network.
    pub fn current(&self, now: Instant) -> Option<AccessToken> {
        self.shared.lock().refresh.current(now)
    }

    /// Why there was no token to be had when one was asked for last, and whether there is none
    /// until an operator acts.
    pub fn trouble(&self) -> Option<(String, bool)> {
        let state = self.shared.lock();
        let trouble = state.refresh.trouble()?;
        Some((trouble.text.clone(), trouble.class == Class::Stopping))
    }

    /// Whether it is FCM that refused the last ones, one after the other: another token that is
    /// issued proves nothing.
    pub fn are_refused_in_use(&self) -> bool {
        self.shared.lock().refresh.is_refused_in_use()
    }

    /// Asks for a token at once, if there is none and an operator may have acted.
    pub fn ask_again(&self, now: Instant) {
        self.shared.lock().refresh.ask_again(now);
        self.shared.changed.notify_all();
    }

    /// FCM refused a token with 401 to that target: it is given up, and another asked for, if it
    /// was refused to another target too and taken by none since.
    pub fn refused(&self, used: &AccessToken, target: u64, now: Instant) {
        let mut state = self.shared.lock();
        let random = state.random.draw();
        let came_of_it = state.refresh.refused(used, target, now, random);
        self.shared.note_question(&state);
        match came_of_it {
            Invalidation::Known => return,
            Invalidation::Doubted => ::log::info!(
                "oauth: FCM refused the access token to one push; asking for another to be sure"
            ),
            Invalidation::Replaced => {
                ::log::warn!("oauth: FCM refused the access token; asking for another");
            }
            Invalidation::TooMany => {
                let text = state.refresh.trouble().map_or("", |trouble| &trouble.text);
                ::log::warn!("oauth: {text}; pushes to Android wait, another is asked for later");
            }
        }
        self.shared.changed.notify_all();
    }

    /// FCM has taken a token.
    pub fn proved(&self, used: &AccessToken) {
        if self.shared.is_in_question.load(Ordering::Acquire) {
            let mut state = self.shared.lock();
            state.refresh.proved(used);
            self.shared.note_question(&state);
        }
    }

    /// When there will be a token that is not handed out now, if that is known.
    pub fn serves_at(&self, now: Instant) -> Option<Instant> {
        self.shared.lock().refresh.serves_at(now)
    }

    /// Adds a bell that rings when a token has come, or could not be had. It must not block.
    pub fn on_change(&self, bell: Box<dyn Fn(Moment) + Send + Sync>) {
        self.shared.lock().bells.push(bell.into());
    }
}

impl Drop for AccessTokens {
    fn drop(&mut self) {
        self.shared.lock().ended = true;
        self.shared.changed.notify_all();
    }
}

impl fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("AccessTokens")
            .field("refresh", &state.refresh)
            .finish_non_exhaustive()
    }
}

impl Shared {
    /// The state is whole between any two statements, so that a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note_question(&self, state: &State) {
        let is_in_question = state.refresh.is_in_question();
        self.is_in_question.store(is_in_question, Ordering::Release);
    }

    /// Takes what came of an exchange, and tells everyone.
    fn take(&self, result: Result<Grant, Failure>, asked: Instant, now: Moment) {
        let mut state = self.lock();
        let random = state.random.draw();
        match result {
            Ok(grant) => {
                ::log::info!("oauth: a new access token for {} s", grant.life.as_secs());
                state.refresh.succeeded(&grant, asked, random);
            }
            Err(failure) => {
                // What stops a lane is told when it does, with the file that is at fault.
                let serves = state.refresh.current(now.elsewhere()).is_some();
                match failure.class {
                    Class::Stopping if !serves => ::log::debug!("oauth: {}", failure.text),
                    Class::Passing => ::log::warn!("oauth: {}", failure.text),
                    Class::Clock | Class::Stopping => ::log::error!("oauth: {}", failure.text),
                }
                state.refresh.failed(failure, now.elsewhere(), random);
            }
        }
        self.note_question(&state);
        let bells = state.bells.clone();
        drop(state);
        self.changed.notify_all();
        for bell in bells {
            bell(now);
        }
    }
}

/// The thread.
fn run(shared: &Shared, account: &Account, agent: &ureq::Agent, heartbeat: &Heartbeat) {
    let mut state = shared.lock();
    while !state.ended {
        let now = Moment::now();
        match state.refresh.next(now.elsewhere()) {
            Next::WaitUntil(at) => {
                let wait = at.saturating_duration_since(now.elsewhere());
                let wait = wait.min(LONGEST_REST);
                heartbeat.rest(now.monotonic + wait);
                let waited = shared.changed.wait_timeout(state, wait);
                state = waited.unwrap_or_else(PoisonError::into_inner).0;
            }
            Next::Exchange => {
                drop(state);
                // It may be done twice.
                heartbeat.rest(now.monotonic + 2 * EXCHANGE_TIMEOUT);
                ask(shared, account, agent);
                state = shared.lock();
            }
        }
    }
    heartbeat.end();
}

/// Asks for a token and tells everyone.
fn ask(shared: &Shared, account: &Account, agent: &ureq::Agent) {
    let mut asked = Moment::now();
    let result = moment::again_after_standstill(|| {
        asked = Moment::now();
        catch_unwind(AssertUnwindSafe(|| exchange(account, agent)))
            .unwrap_or_else(|_| Err(Failure::passing("a panic in the exchange".to_owned())))
    });
    shared.take(result, asked.elsewhere(), Moment::now());
}

/// A random number: a fresh hasher's keys are random.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests;
