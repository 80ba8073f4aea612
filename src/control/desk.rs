//! Reloads that are asked for, and their answers on the way back.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use mio::Waker;

use super::message::ControlAnswer;

/// A request for a reload, and who is to hear of its end.
#[derive(Debug)]
pub struct Asked {
    waits: Option<Sender<ControlAnswer>>,
    waker: Arc<Waker>,
}

impl Asked {
    /// Says what came of it, to whoever waits.
    pub fn answer(mut self, answer: ControlAnswer) {
        if let Some(sender) = self.waits.take() {
            // Who asked may have gone.
            drop(sender.try_send(answer));
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // Whoever waits hears of it, or that there will be no answer.
        self.waits = None;
        if let Err(error) = self.waker.wake() {
            ::log::error!("cannot wake the control socket's thread: {error}");
        }
    }
}

/// Where requests for reloads go.
#[derive(Debug)]
pub(super) struct Desk {
    asked: Sender<Asked>,
    waker: Arc<Waker>,
}

impl Desk {
    /// A desk and where what it is asked for comes out; `waker` wakes who waits for answers.
    pub(super) fn new(waker: Arc<Waker>) -> (Self, Receiver<Asked>) {
        let (sender, receiver) = bounded(WAITING);
        let desk = Self {
            asked: sender,
            waker,
        };
        (desk, receiver)
    }

    /// Asks for a reload; where its answer will come from if that is waited for.
    pub(super) fn ask(
        &self,
        waits: bool,
    ) -> Result<Option<Receiver<ControlAnswer>>, ControlAnswer> {
        let (sender, answer) = bounded(1);
        let asked = Asked {
            waits: waits.then_some(sender),
            waker: Arc::clone(&self.waker),
        };
        match self.asked.try_send(asked) {
            Ok(()) => Ok(waits.then_some(answer)),
            Err(TrySendError::Full(_)) => Err(busy("other reloads wait already")),
            Err(TrySendError::Disconnected(_)) => Err(busy(ENDING)),
        }
    }
}

/// That it cannot be done now, and why.
pub(super) fn busy(text: &str) -> ControlAnswer {
    let text = text.to_owned();
    ControlAnswer::Busy { text }
}

pub(super) const ENDING: &str = "the daemon is shutting down";

/// Our limit: reloads that wait for their turn.
pub(super) const WAITING: usize = 4;
