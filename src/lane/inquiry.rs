//! Questions put to the connection threads: who has that push?
//!
//! Nothing on the way of a push notes where it is. Who wants to know asks every thread, each looks
//! at what it has in its next round and says so; or takes the push out, if that is wanted.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::Sender;

use crate::moment;
use crate::push::PushId;

/// What a connection thread has of a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It is about to be sent.
    InHand,
    /// It was sent and is not answered; so many attempts had counted before.
    InFlight {
        /// Attempts that had counted.
        attempts: u16,
    },
    /// It was there, and has been settled as purged.
    Purged,
}

/// What is to be done with a push that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing.
    Find,
    /// It is to be settled as purged.
    Purge,
}

/// No thread said that it has the push, and not all said that they have not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoAnswer;

/// One question, as a thread has it before it.
#[derive(Debug)]
pub struct Inquiry {
    /// The push that is asked for.
    pub id: PushId,
    /// What is to be done with it.
    pub wish: Wish,
    answer: Sender<Option<Held>>,
}

impl Inquiry {
    /// Says what the thread has of the push.
    pub fn answer(self, held: Option<Held>) {
        // Who asked may have given up.
        let _given_up = self.answer.send(held).is_err();
    }
}

/// The questions to each thread of a lane.
#[derive(Debug)]
pub struct Inquiries {
    seats: Box<[Seat]>,
}

#[derive(Debug, Default)]
struct Seat {
    /// The length of `open`, so that a thread that was asked nothing takes no lock.
    asked: AtomicUsize,
    /// `None` while no thread runs, which has nothing then.
    open: Mutex<Option<Vec<Inquiry>>>,
}

impl Inquiries {
    pub(super) fn new(threads: usize) -> Self {
        Self {
            seats: (0..threads).map(|_| Seat::default()).collect(),
        }
    }

    /// Thread `seat` runs, and is asked from now on.
    pub(super) fn open(&self, seat: usize) {
        if let Some(seat) = self.seats.get(seat) {
            super::lock(&seat.open).get_or_insert_default();
        }
    }

    /// Thread `seat` has no push and is asked no more; false if it has been, and is to answer.
    pub(super) fn close(&self, seat: usize) -> bool {
        self.seats.get(seat).is_none_or(|seat| {
            let mut open = super::lock(&seat.open);
            let is_asked = open.as_ref().is_some_and(|open| !open.is_empty());
            open.take_if(|_| !is_asked);
            !is_asked
        })
    }

    /// Thread `seat` has ended: whoever has asked it gets no answer, and hears so at once.
    pub(super) fn end(&self, seat: usize) {
        if let Some(seat) = self.seats.get(seat) {
            *super::lock(&seat.open) = None;
        }
    }

    /// The questions to thread `seat` since the last call.
    pub fn take(&self, seat: usize) -> Vec<Inquiry> {
        match self.seats.get(seat) {
            Some(seat) if seat.asked.load(Ordering::Acquire) > 0 => {
                let mut open = super::lock(&seat.open);
                seat.asked.store(0, Ordering::Release);
                open.as_mut().map(std::mem::take).unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }

    /// Asks every thread that runs and waits for their answers; `wake` rings them.
    pub(super) fn ask(
        &self,
        id: PushId,
        wish: Wish,
        within: Duration,
        wake: impl FnOnce(),
    ) -> Result<Option<Held>, NoAnswer> {
        let (answer, answers) = crossbeam_channel::bounded(self.seats.len());
        let mut many = 0;
        for seat in &self.seats {
            let mut open = super::lock(&seat.open);
            let Some(open) = open.as_mut() else {
                continue;
            };
            if open.len() >= INQUIRIES_MAX {
                return Err(NoAnswer);
            }
            let answer = answer.clone();
            open.push(Inquiry { id, wish, answer });
            seat.asked.store(open.len(), Ordering::Release);
            many += 1;
        }
        drop(answer);
        wake();
        let asked = moment::now();
        for _ in 0..many {
            let left = within.saturating_sub(moment::since(asked));
            match moment::receive_within(&answers, left) {
                Ok(Some(held)) => return Ok(Some(held)),
                Ok(None) => {}
                Err(_) => return Err(NoAnswer),
            }
        }
        Ok(None)
    }
}

/// Our limit: questions that wait for one thread. Callers who ask for more are told to come back.
pub const INQUIRIES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    /// Those of so many threads that run.
    fn inquiries(threads: usize) -> Inquiries {
        let inquiries = Inquiries::new(threads);
        (0..threads).for_each(|seat| inquiries.open(seat));
        inquiries
    }

    #[test]
    fn who_has_it_says_so() {
        let inquiries = inquiries(2);
        let held = Held::InFlight { attempts: 1 };
        let answered = inquiries.ask(PushId(7), Wish::Find, Duration::from_secs(20), || {
            for (seat, held) in [(0, None), (1, Some(held))] {
                for inquiry in inquiries.take(seat) {
                    assert_eq!(inquiry.id, PushId(7));
                    inquiry.answer(held);
                }
            }
        });
        assert_eq!(answered, Ok(Some(held)));
        assert!(inquiries.take(0).is_empty() && inquiries.take(2).is_empty());
    }

    #[test]
    fn who_has_ended_is_waited_for_no_more() {
        let (inquiries, hour) = (inquiries(1), Duration::from_secs(3600));
        let asked = inquiries.ask(PushId(7), Wish::Find, hour, || inquiries.end(0));
        assert_eq!(asked, Err(NoAnswer));
        let asked = inquiries.ask(PushId(7), Wish::Find, hour, || ());
        assert_eq!(asked, Ok(None), "it has nothing");
    }

    #[test]
    fn it_is_gone_only_when_all_have_said_so() {
        let inquiries = inquiries(2);
        let answer = |seat| {
            for inquiry in inquiries.take(seat) {
                inquiry.answer(None);
            }
        };
        assert_eq!(
            inquiries.ask(PushId(7), Wish::Find, SOON, || answer(0)),
            Err(NoAnswer)
        );
        let both = || (0..2).for_each(answer);
        let within = Duration::from_secs(20);
        assert_eq!(inquiries.ask(PushId(8), Wish::Find, within, both), Ok(None));
    }

    #[test]
    fn who_does_not_run_is_not_asked_and_who_was_asked_answers_before_it_ends() {
        let inquiries = inquiries(2);
        assert!(inquiries.close(0));
        let ask = |id| inquiries.ask(PushId(id), Wish::Find, Duration::ZERO, || ());
        assert_eq!(ask(7), Err(NoAnswer));
        assert!(inquiries.take(0).is_empty() && !inquiries.close(1));
        assert_eq!(inquiries.take(1).len(), 1);
        assert!(inquiries.close(1));
        assert_eq!(ask(8), Ok(None), "nobody runs");
        inquiries.open(1);
        assert_eq!(ask(9), Err(NoAnswer));
    }

    #[test]
    fn questions_are_bounded() {
        let inquiries = inquiries(1);
        for _ in 0..INQUIRIES_MAX {
            let asked = inquiries.ask(PushId(7), Wish::Find, Duration::ZERO, || ());
            assert_eq!(asked, Err(NoAnswer));
        }
        let mut woken = false;
        let asked = inquiries.ask(PushId(7), Wish::Find, Duration::ZERO, || woken = true);
        assert_eq!((asked, woken), (Err(NoAnswer), false));
        assert_eq!(inquiries.take(0).len(), INQUIRIES_MAX);
    }
}
