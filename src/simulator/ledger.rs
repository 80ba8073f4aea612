//! The ledger: what was accepted, refused, doubled and lost.
//!
//! A push is known by a key of 64 bits: its `apns-id`, or for FCM a hash of the message less its
//! `ttl` (which shrinks from one attempt to the next). Connections enter whole batches, so that
//! the lock costs little per push.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::AddAssign;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::answer::Standing;

/// Our limit: pushes that are told apart. At 17 bytes each and half-full tables, about 150 MB;
/// beyond it new pushes are counted, but not followed.
pub const MAX_KEYS: usize = 4_194_304;

/// What a simulator has seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests for a push that came in whole.
    pub received: u64,
    /// Taken by a 200.
    pub accepted: u64,
    /// Of these, how many whose 200 did not go out: their sender cannot know.
    pub unanswered: u64,
    /// Refused for good.
    pub refused: u64,
    /// Answered by a failure that may pass, reset, or not answered at all.
    pub turned_away: u64,
    /// Accepted although the same push had been accepted before.
    pub doubled: u64,
    /// Pushes that were turned away and have been neither accepted nor refused since.
    pub lost: u64,
    /// Requests for pushes beyond [`MAX_KEYS`], of which `doubled` and `lost` know nothing.
    pub unfollowed: u64,
    /// Access tokens issued.
    pub access_tokens: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.accepted += other.accepted;
        self.unanswered += other.unanswered;
        self.refused += other.refused;
        self.turned_away += other.turned_away;
        self.doubled += other.doubled;
        self.lost += other.lost;
        self.unfollowed += other.unfollowed;
        self.access_tokens += other.access_tokens;
    }
}

/// One push as a connection enters it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    /// What the push is known by; `None` if its request was not understood that far.
    pub(super) key: Option<u64>,
    /// How it was answered.
    pub(super) standing: Standing,
}

/// All pushes of one endpoint.
#[derive(Debug)]
pub(super) struct Ledger {
    book: Mutex<Book>,
}

#[derive(Debug)]
struct Book {
    counts: Counts,
    pushes: HashMap<u64, Standing, BuildHasherDefault<Mixed>>,
    max_keys: usize,
}

impl Ledger {
    /// An empty ledger that follows at most that many pushes.
    pub(super) fn new(max_keys: usize) -> Self {
        let book = Book {
            counts: Counts::default(),
            pushes: HashMap::default(),
            max_keys,
        };
        Self {
            book: Mutex::new(book),
        }
    }

    /// Enters a batch and empties it.
    pub(super) fn enter(&self, lines: &mut Vec<Line>) {
        if lines.is_empty() {
            return;
        }
        let mut book = self.open();
        for line in lines.drain(..) {
            book.enter(line);
        }
    }

    /// Counts accepted pushes whose answer did not go out.
    pub(super) fn unanswered(&self, pushes: u64) {
        if pushes > 0 {
            self.open().counts.unanswered += pushes;
        }
    }

    /// Counts an access token.
    pub(super) fn issued(&self) {
        self.open().counts.access_tokens += 1;
    }

    /// What was seen so far.
    pub(super) fn counts(&self) -> Counts {
        self.open().counts
    }

    /// Whether a push of that key has been entered.
    pub(super) fn knows(&self, key: u64) -> bool {
        self.open().pushes.contains_key(&key)
    }

    /// A panic elsewhere leaves counts that are still worth reading.
    fn open(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn enter(&mut self, Line { key, standing }: Line) {
        let counts = &mut self.counts;
        match standing {
            Standing::Accepted => counts.accepted += 1,
            Standing::Refused => counts.refused += 1,
            Standing::TurnedAway => counts.turned_away += 1,
            Standing::Apart => return,
        }
        counts.received += 1;
        let Some(key) = key else { return };
        let full = self.pushes.len() >= self.max_keys;
        match self.pushes.entry(key) {
            Entry::Vacant(_) if full => counts.unfollowed += 1,
            Entry::Vacant(vacant) => {
                counts.lost += u64::from(standing == Standing::TurnedAway);
                vacant.insert(standing);
            }
            Entry::Occupied(mut known) => match (*known.get(), standing) {
                (Standing::Accepted, Standing::Accepted) => counts.doubled += 1,
                (Standing::TurnedAway, Standing::Accepted | Standing::Refused) => {
                    counts.lost -= 1;
                    known.insert(standing);
                }
                (Standing::Refused, Standing::Accepted) => {
                    known.insert(standing);
                }
                // Once settled, a push is not lost by what happens to it later.
                _ => {}
            },
        }
    }
}

/// Keys are mixed already: they are their own hash.
#[derive(Debug, Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

#[cfg(test)]
mod tests {
    use super::{Counts, Ledger, Line, Standing};

    /// Enters the standings of one push, in order, into a fresh ledger.
    fn entered(standings: &[Standing]) -> Counts {
        let ledger = Ledger::new(10);
        let line = |standing: &Standing| Line {
            key: Some(7),
            standing: *standing,
        };
        ledger.enter(&mut standings.iter().map(line).collect());
        ledger.counts()
    }

    #[test]
    fn a_push_accepted_once_is_neither_doubled_nor_lost() {
        let counts = entered(&[Standing::Accepted]);
        assert_eq!(
            counts,
            Counts {
                received: 1,
                accepted: 1,
                ..Counts::default()
            }
        );
    }

    #[test]
    fn a_push_accepted_twice_is_doubled() {
        let counts = entered(&[Standing::Accepted, Standing::TurnedAway, Standing::Accepted]);
        assert_eq!((counts.accepted, counts.doubled, counts.lost), (2, 1, 0));
    }

    #[test]
    fn a_push_turned_away_is_lost_until_it_is_settled() {
        assert_eq!(entered(&[Standing::TurnedAway]).lost, 1);
        assert_eq!(
            entered(&[Standing::TurnedAway, Standing::TurnedAway]).lost,
            1
        );
        assert_eq!(entered(&[Standing::TurnedAway, Standing::Accepted]).lost, 0);
        assert_eq!(entered(&[Standing::TurnedAway, Standing::Refused]).lost, 0);
        assert_eq!(entered(&[Standing::Refused, Standing::TurnedAway]).lost, 0);
    }

    #[test]
    fn what_is_not_a_push_is_not_counted() {
        assert_eq!(entered(&[Standing::Apart]), Counts::default());
    }

    #[test]
    fn a_request_without_a_key_is_counted_only() {
        let ledger = Ledger::new(10);
        let line = Line {
            key: None,
            standing: Standing::TurnedAway,
        };
        ledger.enter(&mut vec![line, line]);
        let counts = ledger.counts();
        assert_eq!(
            (counts.received, counts.turned_away, counts.lost),
            (2, 2, 0)
        );
    }

    #[test]
    fn beyond_the_limit_pushes_are_counted_only() {
        let ledger = Ledger::new(2);
        let line = |key| Line {
            key: Some(key),
            standing: Standing::Accepted,
        };
        ledger.enter(&mut vec![line(1), line(2), line(3), line(3), line(1)]);
        let counts = ledger.counts();
        assert_eq!((counts.received, counts.accepted), (5, 5));
        assert_eq!((counts.unfollowed, counts.doubled), (2, 1));
        assert!(ledger.knows(2) && !ledger.knows(3));
    }
}
