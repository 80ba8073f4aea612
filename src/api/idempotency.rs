//! Requests that a caller may send twice: what an `Idempotency-Key` was answered, and when that is
//! forgotten.
//!
//! Pure: no I/O, no clock, no lock.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;

use crate::moment::Moment;

/// A key with the hash of the body that came with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyed<'a> {
    /// The caller's key.
    pub key: &'a str,
    /// What it stands for.
    pub body: BodyHash,
}

/// SHA-256 of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyHash(pub [u8; 32]);

impl BodyHash {
    /// The hash of these octets.
    pub fn of(body: &[u8]) -> Self {
        let mut hash = [0; 32];
        for (to, from) in hash
            .iter_mut()
            .zip(digest::digest(&digest::SHA256, body).as_ref())
        {
            *to = *from;
        }
        Self(hash)
    }
}

/// An answer that a process before this one has given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The caller's key.
    pub key: Box<str>,
    /// What it stands for.
    pub body: BodyHash,
    /// The answer's body.
    pub answer: Box<[u8]>,
    /// When it was given, since the Unix epoch.
    pub at: Duration,
}

/// What is known of a request by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Nothing: it is in progress from now on, until it is kept or forgotten.
    New,
    /// It was answered so.
    Answered(Arc<[u8]>),
    /// The key stands for another body.
    OtherBody,
    /// The same request is being answered.
    InProgress,
    /// Too much is kept for another key.
    Full,
}

/// The keys of the last [`KEPT_FOR`], with their answers.
///
/// Invariant: `octets` is the sum of the costs in `known`, and each key in `answered` is in it.
#[derive(Debug, Default)]
pub struct Keys {
    known: HashMap<Arc<str>, Known>,
    /// In the order in which they are forgotten.
    answered: VecDeque<(Instant, Arc<str>)>,
    octets: usize,
}

#[derive(Debug)]
struct Known {
    body: BodyHash,
    /// None while it is in progress.
    answer: Option<Arc<[u8]>>,
    /// Octets that count for it.
    cost: usize,
}

impl Keys {
    /// Looks a request up; one that is new is in progress from now on.
    pub fn ask(&mut self, keyed: Keyed<'_>, now: Instant) -> Seen {
        self.forget_old(now);
        match self.known.get(keyed.key) {
            Some(known) if known.body != keyed.body => Seen::OtherBody,
            Some(known) => match &known.answer {
                Some(answer) => Seen::Answered(Arc::clone(answer)),
                None => Seen::InProgress,
            },
            None => {
                let (body, answer, cost) = (keyed.body, None, cost(keyed.key, b""));
                if !self.fits(cost) {
                    return Seen::Full;
                }
                self.octets = self.octets.saturating_add(cost);
                let known = Known { body, answer, cost };
                self.known.insert(keyed.key.into(), known);
                Seen::New
            }
        }
    }

    /// Holds the room that the answer of a request in progress will take; false if there is none,
    /// and the request is to be refused.
    pub fn hold(&mut self, key: &str, answer: &[u8]) -> bool {
        let fits = self.fits(answer.len());
        if let Some(known) = self.known.get_mut(key)
            && fits
        {
            let cost = cost(key, answer);
            self.octets = self.octets.saturating_sub(known.cost).saturating_add(cost);
            known.cost = cost;
        }
        fits
    }

    fn fits(&self, more: usize) -> bool {
        self.octets.saturating_add(more) <= OCTETS_MAX
    }

    /// The request was answered so at that time, and is to be from now on.
    pub fn keep(&mut self, keyed: Keyed<'_>, answer: &[u8], at: Instant) {
        let key: Arc<str> = keyed.key.into();
        let cost = cost(keyed.key, answer);
        let known = Known {
            body: keyed.body,
            answer: Some(answer.into()),
            cost,
        };
        let before = self.known.insert(Arc::clone(&key), known);
        let held = before.as_ref().map_or(0, |before| before.cost);
        self.octets = self.octets.saturating_sub(held).saturating_add(cost);
        if before.is_none_or(|before| before.answer.is_none()) {
            self.answered.push_back((at, key));
        }
    }

    /// Takes over the answers of an earlier process, the oldest first; what is too old is left out.
    pub fn restore(&mut self, answers: impl IntoIterator<Item = Answered>, now: Moment) {
        for Answered {
            key,
            body,
            answer,
            at,
        } in answers
        {
            // A clock that was set back makes them young, which keeps them longer.
            let age = now.unix.saturating_sub(at);
            let given = now.monotonic.checked_sub(age).unwrap_or(now.monotonic);
            if age < KEPT_FOR && self.fits(cost(&key, &answer)) {
                self.keep(Keyed { key: &key, body }, &answer, given);
            }
        }
    }

    /// The request that was in progress came to nothing: the key is as good as new.
    pub fn forget(&mut self, key: &str) {
        let known = self.known.get(key);
        if known.is_some_and(|known| known.answer.is_none()) {
            self.remove(key);
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some(known) = self.known.remove(key) {
            self.octets = self.octets.saturating_sub(known.cost);
        }
    }

    /// Keys that are kept or in progress.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    fn forget_old(&mut self, now: Instant) {
        while let Some((at, _)) = self.answered.front()
            && now.saturating_duration_since(*at) >= KEPT_FOR
            && let Some((_, key)) = self.answered.pop_front()
        {
            self.remove(&key);
        }
    }
}

fn cost(key: &str, answer: &[u8]) -> usize {
    key.len().saturating_add(answer.len()).saturating_add(ENTRY)
}

/// Our limit: how long a key is kept after its answer: longer than any caller tries again.
pub const KEPT_FOR: Duration = Duration::from_secs(10 * 60);

/// Our limit: octets of the kept keys and answers, those in progress among them. That is 200,000
/// answers of one notification, or 330 requests with a key each second for ten minutes. A key that
/// is forgotten before its time is a push sent twice, so what finds no room is refused instead; who
/// needs no key sends none, and is taken.
pub const OCTETS_MAX: usize = 64 * 1024 * 1024;

/// What a key costs beside its text and its answer.
pub const ENTRY: usize = 192;

#[cfg(test)]
mod tests;
