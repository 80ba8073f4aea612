//! Several logs as one, in the order in which their lines were written.
//!
//! Pure: the logs are iterators.

use super::entry::{Entry, What};

/// Lines of several logs in the order of their times.
///
/// A log is written in order even where the clock was set back, so within one the latest time so
/// far counts; a time that has not come yet was a wrong clock's and does not count. Nor does that
/// of a recovery's line, which another process has appended. Times are whole seconds. Within one,
/// accepted pushes come first and failures last: these stand in another file, and no outcome comes
/// before its push. For the rest the log whose first line is the oldest goes first, as rotation
/// leaves them, then the one that was named first.
#[derive(Debug)]
pub(super) struct Merge<I> {
    logs: Vec<MergedLog<I>>,
    now: i64,
}

#[derive(Debug)]
struct MergedLog<I> {
    entries: I,
    /// Its next line, and when that counts as written.
    head: Option<Entry>,
    at: i64,
}

impl<I, E> Merge<I>
where
    I: Iterator<Item = Result<Entry, E>>,
{
    /// Reads the first line of each; `now` is in seconds since 1970.
    ///
    /// # Errors
    ///
    /// A log's.
    pub(super) fn new(logs: impl IntoIterator<Item = I>, now: i64) -> Result<Self, E> {
        let mut started = Vec::new();
        for entries in logs {
            let mut log = MergedLog {
                entries,
                head: None,
                at: i64::MIN,
            };
            log.advance(now)?;
            started.push(log);
        }
        // Stable: what is equal stays as it was named.
        started.sort_by_key(|log| {
            log.head
                .as_ref()
                .and_then(|head| head.at)
                .map(|at| at.order)
        });
        Ok(Self { logs: started, now })
    }

    /// The next line of all.
    ///
    /// # Errors
    ///
    /// A log's.
    pub(super) fn next(&mut self) -> Result<Option<Entry>, E> {
        let waiting = self.logs.iter_mut().filter_map(|log| {
            let head = log.head.as_ref()?;
            let within_the_second = match &head.what {
                What::Accepted(_) => 0,
                // It names its push, and must not hold up what stands behind it.
                What::Outcome(outcome) if outcome.accepted.is_some() => 0,
                What::Outcome(outcome) if outcome.failed => 2,
                What::Outcome(_) | What::Lost(_) | What::Other { .. } => 1,
            };
            Some(((log.at, within_the_second), log))
        });
        let Some((_, log)) = waiting.min_by_key(|(order, _)| *order) else {
            return Ok(None);
        };
        let entry = log.head.take();
        log.advance(self.now)?;
        Ok(entry)
    }

    /// The logs, when they have been read.
    pub(super) fn into_logs(self) -> impl Iterator<Item = I> {
        self.logs.into_iter().map(|log| log.entries)
    }
}

impl<I, E> MergedLog<I>
where
    I: Iterator<Item = Result<Entry, E>>,
{
    fn advance(&mut self, now: i64) -> Result<(), E> {
        self.head = self.entries.next().transpose()?;
        if let Some(head) = &self.head
            && let Some(at) = head.at
            && !matches!(&head.what, What::Outcome(outcome) if outcome.accepted.is_some())
            && at.order <= now
        {
            self.at = self.at.max(at.order);
        }
        Ok(())
    }
}
