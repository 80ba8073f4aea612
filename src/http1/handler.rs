//! What the server wants of those who use it.
//!
//! Pure: no I/O, no clock.

use std::sync::Arc;
use std::time::Duration;

use super::head::{Head, Refusal};
use super::reply::Reply;

/// What answers the requests.
pub trait Handler: Send + Sync {
    /// Called when a head was read, before its body is. It may name the request; with a refusal
    /// the body is not read.
    fn begin(&self, head: &mut Head, peer: &dyn Fn() -> String) -> Result<(), Refusal>;
    /// Bytes that the body of an answer that promises something may have, known before the
    /// request's body of `most_body` bytes at most is read: there is room for it then, or the
    /// request is refused.
    fn answer_bytes(&self, head: &Head, most_body: usize) -> usize;
    /// Answers a request; may change the body while it reads it. For more bytes of an answer than
    /// were said before, it asks `more` whether there is room for so many more.
    ///
    /// Who would have to wait for a disk makes a `promise` instead, to be kept by whoever hears of
    /// it.
    fn answer(
        self: Arc<Self>,
        head: &Head,
        body: &mut Vec<u8>,
        phase: Phase,
        more: &mut More<'_>,
        promise: &mut Promiser<'_>,
    ) -> ReplyWhen;
    /// Called with each answer that goes out on a connection that has its place, so long after the
    /// first byte of its request; without a head for one that could not be read.
    fn answered(&self, _head: Option<&Head>, _reply: &Reply, _took: Duration) {}
    /// Called with each answer to a connection that has got no place, of which nothing was read.
    fn had_no_place(&self, _reply: &Reply) {}
}

/// What becomes of a request.
pub enum ReplyWhen {
    /// It has its answer.
    Now(Reply),
    /// It will have one: a promise was made.
    Later,
}

/// Makes a promise; the last one counts, and only with [`ReplyWhen::Later`].
pub type Promiser<'a> = dyn FnMut() -> Promise + 'a;

/// What is left to be done for a request that waited, by one of those who answer.
pub(super) type Rest = Box<dyn FnOnce(&Head) -> Reply + Send>;

/// That a request will be answered: kept from any thread, at any time, at once. One that is dropped
/// is answered 500.
pub struct Promise(Option<Box<dyn FnOnce(Rest) + Send>>);

impl Promise {
    /// One that is kept by that.
    pub fn new(keep: impl FnOnce(Rest) + Send + 'static) -> Self {
        Self(Some(Box::new(keep)))
    }

    /// Has the request answered; this thread does none of it, and does not wait for it.
    pub fn keep(mut self, rest: impl FnOnce(&Head) -> Reply + Send + 'static) {
        if let Some(keep) = self.0.take() {
            keep(Box::new(rest));
        }
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if let Some(keep) = self.0.take() {
            keep(Box::new(|_| Reply::message(500, BROKEN).closing()));
        }
    }
}

const BROKEN: &str = "it is not known what became of the request";

/// Whether there is room for so many more bytes of an answer; there is from then on.
pub type More<'a> = dyn FnMut(usize) -> bool + 'a;

/// How far the listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Connections are accepted.
    Serving,
    /// The listening socket is closed; open connections get one answer each.
    Draining,
    /// Connections end.
    Stopped,
}
