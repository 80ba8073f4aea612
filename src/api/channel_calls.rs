//! How many requests about broadcast channels are under way: each holds a thread for as
//! long as Apple takes to answer.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Requests about channels that are under way.
#[derive(Debug, Default)]
pub struct ChannelCalls(AtomicUsize);

impl ChannelCalls {
    /// One more, if there may be.
    pub(super) fn begin(&self) -> Option<ChannelCall<'_>> {
        let call = ChannelCall(&self.0);
        let before = self.0.fetch_add(1, Ordering::AcqRel);
        (before < CALLS_MAX).then_some(call)
    }
}

/// One that is under way, until it is dropped.
pub(super) struct ChannelCall<'a>(&'a AtomicUsize);

impl Drop for ChannelCall<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Our limit: requests about channels at once.
const CALLS_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_under_way_and_each_that_ends_makes_room() {
        let calls = ChannelCalls::default();
        let mut begun: Vec<_> = (0..CALLS_MAX).map(|_| calls.begin().unwrap()).collect();
        assert!(calls.begin().is_none());
        assert!(calls.begin().is_none(), "who was refused holds no place");
        begun.pop();
        begun.push(calls.begin().unwrap());
        assert!(calls.begin().is_none());
    }
}
