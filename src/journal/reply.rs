//! What the flusher says to each who waits for it: one word, once.
//!
//! Not a channel's, whose receiver looks again and again, and yields, before it sleeps: who waits
//! here waits for a disk, and what it burns until then it takes from the flusher and from those who
//! would wait for the same sync.

use std::fmt;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::error::Refused;
use crate::moment;

/// What is said: that it is kept, or why it is not.
pub(super) type KeptWord = Result<(), Refused>;

/// The flusher's end: told when something is kept, or is not. One that is dropped untold says that
/// there will be no word.
pub(super) struct Reply(Hearer);

/// Who hears it.
enum Hearer {
    /// One that waits.
    Waits(Arc<ReplySlot>),
    /// One that is called; gone once it was. `None` is that there will be no word.
    Called(Option<Box<dyn FnOnce(Option<KeptWord>) + Send>>),
}

/// The end of who waits.
#[derive(Debug)]
pub(super) struct AwaitedReply(Arc<ReplySlot>);

#[derive(Debug, Default)]
struct ReplySlot {
    said: Mutex<SaidReply>,
    bell: Condvar,
}

#[derive(Debug, Default)]
enum SaidReply {
    #[default]
    NothingYet,
    Told(KeptWord),
    Never,
}

/// That no word has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoWord {
    /// Not in time.
    Late,
    /// And none will.
    Never,
}

/// Both ends of a reply.
pub(super) fn pair() -> (Reply, AwaitedReply) {
    let slot = Arc::new(ReplySlot::default());
    (Reply(Hearer::Waits(Arc::clone(&slot))), AwaitedReply(slot))
}

/// A reply for which nobody waits: that is called with it, by whoever says it, who has other things
/// to do. `None` if there will be no word.
pub(super) fn calling(hear: impl FnOnce(Option<KeptWord>) + Send + 'static) -> Reply {
    Reply(Hearer::Called(Some(Box::new(hear))))
}

impl Reply {
    /// Says the word; it is forgotten if nobody waits any longer.
    pub(super) fn send(mut self, word: KeptWord) {
        match &mut self.0 {
            Hearer::Waits(slot) => slot.say(SaidReply::Told(word)),
            Hearer::Called(hear) => {
                if let Some(hear) = hear.take() {
                    hear(Some(word));
                }
            }
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        match &mut self.0 {
            Hearer::Waits(slot) => slot.say(SaidReply::Never),
            Hearer::Called(hear) => {
                if let Some(hear) = hear.take() {
                    hear(None);
                }
            }
        }
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Hearer::Waits(slot) => slot.fmt(f),
            Hearer::Called(_) => f.write_str("Called"),
        }
    }
}

impl ReplySlot {
    /// The first that is said counts.
    fn say(&self, what: SaidReply) {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*said, SaidReply::NothingYet) {
            *said = what;
            drop(said);
            self.bell.notify_one();
        }
    }
}

impl SaidReply {
    fn is_awaited(&mut self) -> bool {
        matches!(self, Self::NothingYet)
    }

    /// Takes the word, after which there is none.
    fn take(&mut self) -> Result<KeptWord, NoWord> {
        match self {
            Self::NothingYet => Err(NoWord::Late),
            Self::Told(_) | Self::Never => match mem::replace(self, Self::Never) {
                Self::Told(word) => Ok(word),
                Self::NothingYet | Self::Never => Err(NoWord::Never),
            },
        }
    }
}

impl AwaitedReply {
    /// Waits for the word, however long it takes; `None` if there will be none.
    pub(super) fn wait(&self) -> Option<KeptWord> {
        let said = self.0.said.lock().unwrap_or_else(PoisonError::into_inner);
        let said = self.0.bell.wait_while(said, SaidReply::is_awaited);
        said.unwrap_or_else(PoisonError::into_inner).take().ok()
    }

    /// Waits for the word, for `within` at most.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub(super) fn wait_within(&self, within: Duration) -> Result<KeptWord, NoWord> {
        let said = self.0.said.lock().unwrap_or_else(PoisonError::into_inner);
        moment::wait_while(&self.0.bell, said, within, SaidReply::is_awaited).take()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;
    use crate::journal::State;

    #[test]
    fn the_word_is_heard_once_whether_it_comes_before_or_while_somebody_waits() {
        let (reply, awaited) = pair();
        assert_eq!(awaited.wait_within(Duration::ZERO), Err(NoWord::Late));
        let refused = Refused::whole(State::Serving);
        reply.send(Err(refused.clone()));
        assert_eq!(awaited.wait(), Some(Err(refused)));
        assert_eq!(awaited.wait_within(Duration::ZERO), Err(NoWord::Never));
        assert_eq!(awaited.wait(), None);

        let (reply, awaited) = pair();
        let waits = thread::spawn(move || awaited.wait());
        reply.send(Ok(()));
        assert_eq!(waits.join().unwrap(), Some(Ok(())));
    }

    #[test]
    fn who_does_not_wait_is_called_once() {
        let heard = Arc::<Mutex<Vec<Option<KeptWord>>>>::default();
        let reply = || {
            let heard = Arc::clone(&heard);
            calling(move |word| heard.lock().unwrap().push(word))
        };
        reply().send(Ok(()));
        drop(reply());
        assert_eq!(*heard.lock().unwrap(), [Some(Ok(())), None]);
    }

    #[test]
    fn who_waits_for_a_reply_that_is_dropped_hears_that_there_is_none() {
        let (reply, awaited) = pair();
        let waits = thread::spawn(move || (awaited.wait_within(Duration::MAX), awaited.wait()));
        drop(reply);
        assert_eq!(waits.join().unwrap(), (Err(NoWord::Never), None));
        let (reply, awaited) = pair();
        drop(awaited);
        reply.send(Ok(()));
    }
}
