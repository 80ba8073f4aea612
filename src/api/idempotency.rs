//! Requests that a caller may send twice: what an `Idempotency-Key` was answered, and when that is
//! forgotten.
//!
//! Pure: no I/O, no clock, no lock.

mod kept;
mod packed;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;

use super::keys::KeyOwner;
use crate::moment::Moment;
pub use packed::PackedAnswer;

/// A key with the hash of the body that came with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keyed<'a> {
    /// The caller's key.
    pub key: &'a str,
    /// What it stands for.
    pub body: BodyHash,
    /// Whose share of the room it takes; `None` where callers are not told apart.
    pub owner: Option<KeyOwner>,
}

/// SHA-256 of a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyHash(pub [u8; 32]);

impl BodyHash {
    /// The hash of these bytes.
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
    /// Whose it is, if callers were told apart.
    pub owner: Option<KeyOwner>,
    /// The answer's body, packed or not.
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
    Answered(Vec<u8>),
    /// The key stands for another body.
    OtherBody,
    /// The same request is being answered.
    InProgress,
    /// There is no room for another key.
    Full(Full),
}

/// Why there is no room for another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Full {
    /// All of it is taken.
    Room,
    /// The owner of the API key has its share.
    Share,
}

/// The keys of the last [`KEPT_FOR`], with their answers.
///
/// Room is shared by who shows which API key: an owner may have as much as is left free then. One
/// alone gets half of it so, and there is always some for the next.
///
/// Invariant: `bytes` is the sum of the costs in `known`, `shares` those of each owner in it, and
/// each key in `answered` is in it.
#[derive(Debug, Default)]
pub struct Keys {
    known: HashMap<Arc<str>, KnownKey>,
    /// In the order in which they are forgotten.
    answered: VecDeque<(Instant, Arc<str>)>,
    bytes: usize,
    shares: HashMap<KeyOwner, usize>,
}

#[derive(Debug)]
struct KnownKey {
    body: BodyHash,
    owner: Option<KeyOwner>,
    /// None while it is in progress.
    answer: Option<PackedAnswer>,
    /// Bytes that count for it.
    cost: usize,
}

impl Keys {
    /// Looks a request up; one that is new is in progress from now on.
    pub fn ask(&mut self, keyed: Keyed<'_>, now: Instant) -> Seen {
        self.forget_old(now);
        match self.known.get(keyed.key) {
            Some(known) if known.body != keyed.body => Seen::OtherBody,
            Some(known) => match &known.answer {
                Some(answer) => Seen::Answered(answer.answer()),
                None => Seen::InProgress,
            },
            None => {
                let Keyed { key, body, owner } = keyed;
                let (answer, cost) = (None, cost(key, b""));
                if let Err(full) = self.room_for(owner, cost) {
                    return Seen::Full(full);
                }
                let known = KnownKey {
                    body,
                    owner,
                    answer,
                    cost,
                };
                self.put(key.into(), known);
                Seen::New
            }
        }
    }

    /// Holds the room that the answer of a request in progress will take.
    ///
    /// # Errors
    ///
    /// If there is none, and the request is to be refused.
    pub fn hold(&mut self, keyed: Keyed<'_>, answer: &[u8]) -> Result<(), Full> {
        let answer = PackedAnswer::of(answer);
        self.room_for(keyed.owner, answer.bytes().len())?;
        if let Some(known) = self.remove(keyed.key) {
            let cost = cost(keyed.key, answer.bytes());
            self.put(keyed.key.into(), KnownKey { cost, ..known });
        }
        Ok(())
    }

    fn room_for(&self, owner: Option<KeyOwner>, more: usize) -> Result<(), Full> {
        let taken = self.bytes.saturating_add(more);
        let Some(free) = BYTES_MAX.checked_sub(taken) else {
            return Err(Full::Room);
        };
        let share = owner.map_or(0, |owner| self.share_of(owner).saturating_add(more));
        if share > free {
            return Err(Full::Share);
        }
        Ok(())
    }

    fn share_of(&self, owner: KeyOwner) -> usize {
        self.shares.get(&owner).copied().unwrap_or(0)
    }

    /// The request was answered so at that time, and is to be from now on.
    pub fn keep(&mut self, keyed: Keyed<'_>, answer: &[u8], at: Instant) {
        let key: Arc<str> = keyed.key.into();
        let before = self.remove(keyed.key);
        let answer = PackedAnswer::of(answer);
        let known = KnownKey {
            body: keyed.body,
            owner: keyed.owner,
            cost: cost(keyed.key, answer.bytes()),
            answer: Some(answer),
        };
        self.put(Arc::clone(&key), known);
        if before.is_none_or(|before| before.answer.is_none()) {
            self.answered.push_back((at, key));
        }
    }

    /// Takes over the answers of an earlier process, the oldest first; what is too old is left out.
    pub fn restore(&mut self, answers: impl IntoIterator<Item = Answered>, now: Moment) {
        for Answered {
            key,
            body,
            owner,
            answer,
            at,
        } in answers
        {
            // A clock that was set back makes them young, which keeps them longer.
            let age = now.unix.saturating_sub(at);
            let given = now.monotonic.checked_sub(age).unwrap_or(now.monotonic);
            let keyed = Keyed {
                key: &key,
                body,
                owner,
            };
            // It was promised when it was given, whatever its owner's share is by now.
            let answer = PackedAnswer::of(&answer);
            let fits = self.room_for(None, cost(&key, answer.bytes())).is_ok();
            if age < KEPT_FOR && fits {
                self.keep(keyed, answer.bytes(), given);
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

    fn put(&mut self, key: Arc<str>, known: KnownKey) {
        self.bytes = self.bytes.saturating_add(known.cost);
        if let Some(owner) = known.owner {
            let share = self.shares.entry(owner).or_default();
            *share = share.saturating_add(known.cost);
        }
        self.known.insert(key, known);
    }

    fn remove(&mut self, key: &str) -> Option<KnownKey> {
        let known = self.known.remove(key)?;
        self.bytes = self.bytes.saturating_sub(known.cost);
        if let Some(owner) = known.owner {
            let left = self.share_of(owner).saturating_sub(known.cost);
            if left == 0 {
                self.shares.remove(&owner);
            } else {
                self.shares.insert(owner, left);
            }
        }
        Some(known)
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

/// Our limit: bytes of the rejected parts that an answer lists which is kept; the others are
/// counted. Without it a hundred requests of nothing but bad device tokens would take all the room.
pub const REJECTED_KEPT: usize = 4 * 1024;

/// Our limit: bytes of the kept keys and answers, those in progress among them. That is 200,000
/// answers to requests of which all is accepted, or 330 each second for ten minutes. A key that
/// is forgotten before its time is a push sent twice, so what finds no room is refused instead; who
/// needs no key sends none, and is taken.
pub const BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a key costs beside its text and its answer.
pub const ENTRY: usize = 192;

#[cfg(test)]
mod tests;
