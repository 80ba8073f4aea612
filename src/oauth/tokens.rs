//! The shell: one thread that asks for the tokens of all accounts, and what others see of them.
//!
//! It knows when each is due; an exchange has a thread of its own while it lasts, so that a slow
//! endpoint keeps no other account waiting. Where more are due than may be under way, those that
//! failed last wait for those that did not, and otherwise who has waited longest is next: endpoints
//! that do not answer neither keep the others from theirs nor each other.
//!
//! An account for which that thread does nothing is asked for by whoever made it, who says what
//! came.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher as _, Hasher as _};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};

use super::answer::{Class, ExchangeFailure, Grant};
use super::call::EXCHANGE_TIMEOUT;
use super::exchange::{REQUESTS_MAX, exchange};
use super::refresh::{Invalidation, NextExchange, Refresh};
use super::{AccessToken, Account, LABEL};
use crate::heartbeat::{Heartbeat, LONGEST_REST};
use crate::jitter::Random;
use crate::moment::{self, Moment};

/// A bell that is rung when there is news.
type NewsBell = Arc<dyn Fn(Moment) + Send + Sync>;

/// The access tokens of one account, kept fresh by the thread that does so for all of them.
///
/// Dropping it ends that, after the exchange under way if there is one.
///
/// A token grows old at Google: all points in time are those of [`Moment::elsewhere`].
pub struct AccessTokens {
    shared: Arc<TokensShared>,
}

struct TokensShared {
    state: Mutex<TokensState>,
    /// How a token is asked for; `None` if whoever made it does so.
    asker: Option<(Account, ureq::Agent)>,
    /// Of the thread that is to look after it.
    heartbeat: Heartbeat,
    /// A token that is taken would be news.
    is_in_question: AtomicBool,
    /// A panic has been told.
    has_panicked: AtomicBool,
    /// The next step panics.
    #[cfg(test)]
    trap: AtomicBool,
}

struct TokensState {
    refresh: Refresh,
    random: Random,
    bells: Vec<NewsBell>,
    /// An exchange is under way.
    asks: bool,
    /// One is due since then, and its turn has not come.
    queued: Option<Instant>,
}

/// What there is to do for an account.
enum AccountTask {
    /// An exchange, in the order of this: whether the last one failed, and since when it waits.
    Exchange(bool, Instant),
    /// An exchange is under way.
    Asks,
    /// Nothing for so long.
    Rest(Duration),
}

/// The accounts of this process whose tokens are kept fresh.
struct Renewals {
    accounts: Mutex<Accounts>,
    /// Rung when one of them has to be looked at.
    bell: (Sender<()>, Receiver<()>),
}

#[derive(Default)]
struct Accounts {
    known: Vec<Weak<TokensShared>>,
    /// The thread runs, as long as there are any.
    is_looked_after: bool,
}

static RENEWALS: LazyLock<Renewals> = LazyLock::new(|| Renewals {
    accounts: Mutex::default(),
    bell: bounded(1),
});

impl AccessTokens {
    /// Has tokens asked for from now on: the first at once.
    ///
    /// # Errors
    ///
    /// The operating system's, if it has no thread to give.
    pub fn start(account: Account, agent: ureq::Agent) -> io::Result<Self> {
        let tokens = Self::of(random(), Some((account, agent)));
        RENEWALS.add(&tokens.shared)?;
        Ok(tokens)
    }

    /// Tokens for which whoever has them asks: when one is wanted is told by
    /// [`AccessTokens::asks_at`], and what came is told to it.
    pub fn by_hand(seed: u64) -> Self {
        Self::of(seed, None)
    }

    fn of(seed: u64, asker: Option<(Account, ureq::Agent)>) -> Self {
        let state = TokensState {
            refresh: Refresh::default(),
            random: Random::new(seed),
            bells: Vec::new(),
            asks: false,
            queued: None,
        };
        let shared = Arc::new(TokensShared {
            state: Mutex::new(state),
            asker,
            heartbeat: Heartbeat::new(moment::now()),
            is_in_question: AtomicBool::new(false),
            has_panicked: AtomicBool::new(false),
            #[cfg(test)]
            trap: AtomicBool::new(false),
        });
        Self { shared }
    }

    /// What tells that somebody looks after them.
    pub fn heartbeat(&self) -> Heartbeat {
        self.shared.heartbeat.clone()
    }

    /// When a token is wanted: at `now`, or later.
    pub fn asks_at(&self, now: Instant) -> Instant {
        match self.shared.lock().refresh.next(now) {
            NextExchange::Exchange => now,
            NextExchange::WaitUntil(at) => at,
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
        let failure = ExchangeFailure {
            class,
            retry_after,
            ..ExchangeFailure::passing(why.to_owned())
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
        RENEWALS.look();
    }

    /// FCM refused a token with 401 to that target: it is given up, and another asked for, if it
    /// was refused to another target too and taken by none since.
    pub fn refused(&self, used: &AccessToken, target: u64, now: Instant) {
        let mut state = self.shared.lock();
        let random = state.random.draw();
        let label = self.shared.label();
        let came_of_it = state.refresh.refused(used, target, now, random);
        self.shared.note_question(&state);
        match came_of_it {
            Invalidation::Known => return,
            Invalidation::Doubted => ::log::info!(
                "{label}: FCM refused the access token to one push; asking for another to be sure"
            ),
            Invalidation::Replaced => {
                ::log::warn!("{label}: FCM refused the access token; asking for another");
            }
            Invalidation::TooMany => {
                let text = state.refresh.trouble().map_or("", |trouble| &trouble.text);
                ::log::warn!("{label}: {text}; pushes to Android wait, another is asked for later");
            }
        }
        RENEWALS.look();
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
        RENEWALS.look();
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

impl TokensShared {
    /// The state is whole between any two statements, so that a panic elsewhere does not spoil it.
    fn lock(&self) -> MutexGuard<'_, TokensState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What lines about it begin with.
    fn label(&self) -> &str {
        let asker = self.asker.as_ref();
        asker.map_or(LABEL, |(account, _)| &account.label)
    }

    fn note_question(&self, state: &TokensState) {
        let is_in_question = state.refresh.is_in_question();
        self.is_in_question.store(is_in_question, Ordering::Release);
    }

    /// Takes what came of an exchange, and tells everyone.
    fn take(&self, result: Result<Grant, ExchangeFailure>, asked: Instant, now: Moment) {
        let mut state = self.lock();
        // First of all, so that a panic leaves no account that is never asked for again.
        state.asks = false;
        #[cfg(test)]
        self.spring();
        let (label, random) = (self.label(), state.random.draw());
        match result {
            Ok(grant) => {
                ::log::info!("{label}: a new access token for {} s", grant.life.as_secs());
                state.refresh.succeeded(&grant, asked, random);
            }
            Err(failure) => {
                // What stops a lane is told when it does, with the file that is at fault.
                let serves = state.refresh.current(now.elsewhere()).is_some();
                match failure.class {
                    Class::Stopping if !serves => ::log::debug!("{label}: {}", failure.text),
                    Class::Passing => ::log::warn!("{label}: {}", failure.text),
                    Class::Clock | Class::Stopping => ::log::error!("{label}: {}", failure.text),
                }
                state.refresh.failed(failure, now.elsewhere(), random);
            }
        }
        self.note_question(&state);
        let bells = state.bells.clone();
        drop(state);
        RENEWALS.look();
        for bell in bells {
            bell(now);
        }
    }

    /// What is to do; nothing is begun.
    fn look(&self, now: Moment) -> AccountTask {
        let mut state = self.lock();
        if state.asks {
            return AccountTask::Asks;
        }
        #[cfg(test)]
        self.spring();
        let (next, rest) = match state.refresh.next(now.elsewhere()) {
            NextExchange::WaitUntil(at) => {
                let wait = at.saturating_duration_since(now.elsewhere());
                let wait = wait.min(LONGEST_REST);
                (AccountTask::Rest(wait), wait)
            }
            NextExchange::Exchange => {
                let since = *state.queued.get_or_insert(now.monotonic);
                let has_failed = state.refresh.trouble().is_some();
                (AccountTask::Exchange(has_failed, since), LONGEST_REST)
            }
        };
        self.heartbeat.rest(now.monotonic + rest);
        next
    }

    /// Begins an exchange.
    fn begin(self: &Arc<Self>, now: Moment) {
        let mut state = self.lock();
        state.asks = true;
        state.queued = None;
        drop(state);
        self.heartbeat
            .rest(now.monotonic + REQUESTS_MAX * EXCHANGE_TIMEOUT);
        let theirs = Arc::clone(self);
        let builder = thread::Builder::new().name("oauth exchange".to_owned());
        if let Err(error) = builder.spawn(move || theirs.ask()) {
            let failure = ExchangeFailure::passing(format!("no thread for an exchange: {error}"));
            self.take(Err(failure), now.elsewhere(), now);
        }
    }

    /// Asks for a token and tells everyone.
    fn ask(&self) {
        let Some((account, agent)) = &self.asker else {
            return;
        };
        let mut asked = Moment::now();
        let result = moment::again_after_standstill(|| {
            asked = Moment::now();
            catch_unwind(AssertUnwindSafe(|| exchange(account, agent))).unwrap_or_else(|_| {
                Err(ExchangeFailure::passing(
                    "a panic in the exchange".to_owned(),
                ))
            })
        });
        let _taken = self.survive(|| self.take(result, asked.elsewhere(), Moment::now()));
    }

    /// What comes of a step, or `None` if it panics: that ends the renewal of no token.
    fn survive<T>(&self, step: impl FnOnce() -> T) -> Option<T> {
        let done = catch_unwind(AssertUnwindSafe(step)).ok();
        if done.is_none() && !self.has_panicked.swap(true, Ordering::Relaxed) {
            ::log::error!(
                "{}: the renewal of an access token panicked; it is tried again within {} s, \
                 and this is told once for each account. This is a fault of Sterna: please report \
                 it with the line of the panic",
                self.label(),
                LONGEST_REST.as_secs()
            );
        }
        done
    }

    #[cfg(test)]
    fn spring(&self) {
        let is_set = self.trap.swap(false, Ordering::AcqRel);
        assert!(!is_set, "a fault on purpose");
    }
}

impl Renewals {
    /// Looks after an account for as long as somebody has it.
    fn add(&'static self, account: &Arc<TokensShared>) -> io::Result<()> {
        let mut accounts = self.lock();
        if !accounts.is_looked_after {
            let builder = thread::Builder::new().name("oauth".to_owned());
            builder.spawn(|| self.run())?;
            accounts.is_looked_after = true;
        }
        accounts.known.push(Arc::downgrade(account));
        drop(accounts);
        self.look();
        Ok(())
    }

    /// Has the thread look.
    fn look(&self) {
        // It has been rung already.
        let _is_full = self.bell.0.try_send(()).is_err();
    }

    /// The thread.
    fn run(&self) {
        loop {
            let mut accounts = self.lock();
            accounts.known.retain(|known| known.strong_count() > 0);
            if accounts.known.is_empty() {
                accounts.is_looked_after = false;
                return;
            }
            let known: Vec<_> = accounts.known.iter().filter_map(Weak::upgrade).collect();
            drop(accounts);
            let now = Moment::now();
            let wait = look_at(&known, now);
            drop(known);
            // The bell is this process's own.
            let _rung_or_due = moment::receive_within(&self.bell.1, wait).is_ok();
        }
    }

    /// The list is whole between any two statements.
    fn lock(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Begins the exchanges whose turn it is; says how long there is nothing else to do.
fn look_at(accounts: &[Arc<TokensShared>], now: Moment) -> Duration {
    let (mut wait, mut under_way, mut due) = (LONGEST_REST, 0, Vec::new());
    for account in accounts {
        match account.survive(|| account.look(now)) {
            Some(AccountTask::Exchange(has_failed, since)) => {
                due.push((has_failed, since, account));
            }
            Some(AccountTask::Asks) => under_way += 1,
            Some(AccountTask::Rest(rest)) => wait = wait.min(rest),
            None => account.heartbeat.rest(now.monotonic + LONGEST_REST),
        }
    }
    due.sort_by_key(|&(has_failed, since, _)| (has_failed, since));
    // What comes of an exchange rings the bell, so that the next one begins.
    let turns = EXCHANGES_MAX.saturating_sub(under_way);
    for (_, _, account) in due.into_iter().take(turns) {
        let _begun = account.survive(|| account.begin(now));
    }
    wait
}

/// Our limit: exchanges that are under way at a time. Each costs a thread and a TLS connection, and
/// all of a site's hundreds of apps want one at the start.
const EXCHANGES_MAX: usize = 8;

/// A random number: a fresh hasher's keys are random.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests;
