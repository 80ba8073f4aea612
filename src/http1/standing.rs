//! Who lets us wait, and whose connection is closed for another.
//!
//! Pure: time is an argument.
//!
//! A connection is either ours to go on with, or its caller's. Only the latter can be closed when
//! there are too many: first those whose callers are behind, the oldest first, then those that are
//! idle, the longest idle first, at last those whose requests have let us wait for long.

use std::time::{Duration, Instant};

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// Nothing that its caller owes: we are at work, or do not read.
    Nothing,
    /// The first request.
    First,
    /// The next request, after an answer.
    Next,
    /// The rest of a head.
    Head,
    /// The rest of a body.
    Body,
    /// That the caller takes an answer.
    Taking,
    /// That the caller takes notice of our closing.
    Farewell,
}

/// Where one connection stands with its caller.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    awaited: Awaited,
    /// What was awaited last: what follows of it is the same debt.
    debt: Awaited,
    /// Since when the caller owes it.
    since: Instant,
    /// Since when we have waited this time.
    waiting: Instant,
    /// Bytes of a body that came, or of an answer that were taken.
    moved: usize,
    /// All that we have waited for them.
    waited: Duration,
    /// How far they are behind [`RATE`], in microseconds; below zero if they are ahead of it.
    lag: i64,
}

/// Why a connection can be closed for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rank {
    /// Its caller is behind with what it owes.
    Behind,
    /// It is idle.
    Idle,
    /// Its caller keeps to the rate.
    Keeping,
}

/// A connection that can be closed for another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim {
    /// Which one.
    pub(super) number: u64,
    /// Why.
    pub(super) rank: Rank,
    /// Since when its caller owes what is awaited.
    pub(super) since: Instant,
    /// How long it is spared.
    pub(super) spared: Duration,
}

/// Which connection is closed for a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StandingVerdict {
    /// That one.
    Close(u64),
    /// One of them, but all are too young now.
    Later(Duration),
    /// None: all are ours to go on with.
    Nobody,
}

impl Standing {
    /// That of a connection that was just accepted.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            awaited: Awaited::First,
            debt: Awaited::First,
            since: now,
            waiting: now,
            moved: 0,
            waited: Duration::ZERO,
            lag: 0,
        }
    }

    /// What is awaited.
    pub(super) fn awaited(&self) -> Awaited {
        self.awaited
    }

    /// The connection has answered and waits for the next request.
    pub(super) fn fall_idle(&mut self, now: Instant) {
        self.owe(Awaited::Next, now);
        self.awaited = Awaited::Next;
    }

    /// The first byte of a request has come.
    pub(super) fn begin(&mut self, now: Instant) {
        self.owe(Awaited::Head, now);
        self.awaited = Awaited::Nothing;
    }

    /// We begin to wait for the caller, of whose body or answer that many bytes have moved.
    pub(super) fn wait(&mut self, awaited: Awaited, moved: usize, now: Instant) {
        if self.debt != awaited {
            // A body is part of the request that its head began.
            let since = self.since;
            self.owe(awaited, now);
            if awaited == Awaited::Body {
                self.since = since;
            }
        }
        let more = moved.saturating_sub(self.moved);
        self.moved = moved;
        let worth = (more as u64).saturating_mul(1_000_000) / RATE;
        let worth = i64::try_from(worth).unwrap_or(i64::MAX);
        self.lag = self.lag.saturating_sub(worth).max(-CREDIT);
        self.awaited = awaited;
        self.waiting = now;
    }

    /// The wait is over: something has moved.
    pub(super) fn resume(&mut self, now: Instant) {
        let waited = now.saturating_duration_since(self.waiting);
        self.waited = self.waited.saturating_add(waited);
        self.lag = self.lag.saturating_add(micros(waited));
        self.awaited = Awaited::Nothing;
    }

    /// The claim of others on the connection, if it can be closed for them.
    pub(super) fn claim(&self, number: u64, now: Instant) -> Option<Claim> {
        let waits = now.saturating_duration_since(self.waiting);
        let rank = match self.awaited {
            Awaited::Nothing => return None,
            Awaited::Next => Rank::Idle,
            Awaited::First | Awaited::Head | Awaited::Farewell => Rank::Behind,
            Awaited::Body | Awaited::Taking => {
                if self.lag.saturating_add(micros(waits)) > 0 {
                    Rank::Behind
                } else {
                    Rank::Keeping
                }
            }
        };
        let spared = match rank {
            Rank::Behind => TENURE.saturating_sub(now.saturating_duration_since(self.since)),
            Rank::Idle => IDLE_TENURE.saturating_sub(now.saturating_duration_since(self.since)),
            Rank::Keeping => LONG.saturating_sub(self.waited.saturating_add(waits)),
        };
        Some(Claim {
            number,
            rank,
            since: self.since,
            spared,
        })
    }

    /// Whether a body is on its way, for which others can wait for memory: it keeps to the rate, or
    /// nothing of it can have come yet, since its caller may have waited for our word.
    pub(super) fn is_on_its_way(&self, now: Instant) -> bool {
        let waits = now.saturating_duration_since(self.waiting);
        let keeps = self.lag.saturating_add(micros(waits)) <= 0
            && self.waited.saturating_add(waits) < ON_ITS_WAY;
        self.awaited == Awaited::Body && (keeps || self.moved == 0 && waits < ROUND_TRIP)
    }

    /// Since when the caller owes what is awaited.
    pub(super) fn since(&self) -> Instant {
        self.since
    }

    fn owe(&mut self, debt: Awaited, now: Instant) {
        self.debt = debt;
        self.since = now;
        (self.moved, self.waited, self.lag) = (0, Duration::ZERO, 0);
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// Which of the claims is closed for a new connection, where `most` may be open.
///
/// A caller that has just come or was just answered may be about to send its request. So nobody is
/// closed before [`TENURE`], or [`IDLE_TENURE`], and while newcomers are few, an idle connection
/// goes for the next one. Once they are many, they go for each other.
pub(super) fn whom_to_close(claims: &[Claim], most: usize) -> StandingVerdict {
    let of = |rank| claims.iter().filter(move |claim| claim.rank == rank);
    let oldest = |rank| of(rank).min_by_key(|claim| (claim.since, claim.number));
    let (behind, idle) = (oldest(Rank::Behind), oldest(Rank::Idle));
    let are_many = of(Rank::Behind).count() >= (most / NEWCOMERS).max(1);
    let first = behind.filter(|claim| are_many || claim.spared.is_zero());
    match first.or(idle).or(oldest(Rank::Keeping)).or(behind) {
        Some(claim) if claim.spared.is_zero() => StandingVerdict::Close(claim.number),
        Some(claim) => StandingVerdict::Later(claim.spared),
        None => StandingVerdict::Nobody,
    }
}

/// Our limit: bytes a second of a body that has to come, or of an answer that has to be taken,
/// while all connections are taken or there is no room for another body.
const RATE: u64 = 64 * 1024;

/// Our limit: how far ahead of [`RATE`] a caller can get, in microseconds: who sends the most of a
/// body at once has as long for the rest as everybody else.
const CREDIT: i64 = 1_000_000;

/// Our limit: how long we wait in total for one body or answer at or above [`RATE`] before the
/// connection can be closed for another.
const LONG: Duration = Duration::from_millis(100);

/// Our limit: how long a connection stays after it was accepted or has begun a request, whoever
/// waits for its place.
const TENURE: Duration = Duration::from_millis(20);

/// Our limit: how long a connection has been idle before it is closed for another. Callers who ask
/// often would be about to send their next request.
const IDLE_TENURE: Duration = Duration::from_secs(1);

/// Our limit: how long the first of a large body may take to come before its memory goes to
/// others: to a caller far away and back.
const ROUND_TRIP: Duration = Duration::from_millis(200);

/// Our limit: how long we wait in total for one large body at or above [`RATE`] before its memory
/// goes to others. The greatest allowed by default comes in that time at 14 megabits a second.
const ON_ITS_WAY: Duration = Duration::from_secs(5);

/// Our limit: the share of all connections that may be behind before idle ones are spared; one in
/// so many.
const NEWCOMERS: usize = 16;

#[cfg(test)]
mod tests;
