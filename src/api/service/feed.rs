//! `GET /settlements` and `GET /tokens/dead`: what became of pushes, in order, after a cursor.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::feed_query::{Wished, body, wished};
use super::Service;
use super::health::{PartState, troubled};
use crate::count;
use crate::feed::{Feed, FeedReadError, FeedStream, PAGE_BYTES};
use crate::http1::head::Head;
use crate::http1::reply::{self, RETRY_AFTER_SECS, Reply};
use crate::stats::PostStats;

/// Bytes that an answer takes at most: the records, and a copy with what stands around them, each
/// in what doubles as it grows.
pub(super) const ANSWER_BYTES: usize = 4 * PAGE_BYTES;

/// A feed, and what is counted of what posts it.
pub struct KeptFeed {
    /// The feed.
    pub feed: Arc<Feed>,
    /// What is counted of posts, if there are any.
    pub posts: Arc<PostStats>,
}

impl Service {
    /// How the feed is, if there is to be one. No push waits for it.
    pub(super) fn feed_part(&self) -> Option<PartState> {
        let Some(KeptFeed { feed, posts }) = self.feed.get()? else {
            return Some(PartState::Troubled(UNUSABLE.to_owned()));
        };
        if feed.is_failing() {
            return Some(PartState::Troubled(UNWRITTEN.to_owned()));
        }
        Some(troubled(posting(posts)))
    }

    /// The answer to a request for records of that stream.
    pub(super) fn feed(&self, head: &Head, stream: FeedStream, query: &str) -> Reply {
        let Wished { after, limit } = match wished(query) {
            Ok(wished) => wished,
            Err(why) => return Reply::message(400, &why),
        };
        let Some(feed) = self.whereabouts.register.feed() else {
            return match self.backlog.is_not_ready() {
                Some(why) => Reply::message(503, why).with_retry_after(RETRY_AFTER_SECS),
                None => Reply::message(404, NO_FEED),
            };
        };
        let rights = self.rights(head);
        let reaches = |app: &str| rights.reach(app);
        match feed.read(stream, after.as_deref(), limit, &reaches) {
            Ok(page) => Reply::new(200, reply::JSON, body(&page)),
            Err(FeedReadError::NotACursor) => {
                let text = format!(
                    "after is no cursor of {}: it must be spelt as an answer of it had it in \
                     cursor or next; without it the oldest come first",
                    stream.path()
                );
                Reply::message(400, &text)
            }
            Err(FeedReadError::Gone) => Reply::message(410, GONE),
            Err(FeedReadError::Unreadable(error)) => {
                ::log::error!("{} cannot be read: {error}", stream.path());
                Reply::message(503, "the feed cannot be read; the operator log has why")
                    .with_retry_after(RETRY_AFTER_SECS)
            }
        }
    }
}

/// What is wrong with posting, if anything.
fn posting(posts: &PostStats) -> Option<String> {
    if posts.has_ended.load(Ordering::Relaxed) {
        return Some(UNPOSTED.to_owned());
    }
    let streams = FeedStream::ALL.into_iter().zip(&posts.streams);
    let streams = streams.map(|(stream, posts)| (stream, posts.failures()));
    let failing = streams.filter(|(_, failures)| *failures > 0);
    let failing = failing.map(|(stream, failures)| {
        let times = count::of(failures, "time", "times");
        format!("{} could not be posted {times} in a row", stream.word())
    });
    let failing: Vec<String> = failing.collect();
    (!failing.is_empty()).then(|| format!("{}; the operator log has why", failing.join(", ")))
}

const UNPOSTED: &str = "nothing is posted to feedback.url until the next start, after an error of \
     the program; restart the daemon";

const UNUSABLE: &str = "there is none until the next start, since its directory could not be used; \
                        the operator log has why";

const UNWRITTEN: &str = "records cannot be written; the operator log has why";

const NO_FEED: &str = "no feed is kept: journal.sync or feedback.sync is \"off\", or the operator \
                       log has why at the last start";

const GONE: &str = "records after this cursor are gone, since there were more than feedback.bytes \
                    holds, or the cursor is of another feed: ask once without after, and go on \
                    from there; what is missing is told there, first of all";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_posting_is_told() {
        let posts = PostStats::default();
        assert_eq!(posting(&posts), None);
        let [_, dead_tokens] = &posts.streams;
        dead_tokens.set_failures(2);
        let told = "dead-tokens could not be posted 2 times in a row; the operator log has why";
        assert_eq!(posting(&posts).as_deref(), Some(told));
        posts.has_ended.store(true, Ordering::Relaxed);
        assert_eq!(posting(&posts).as_deref(), Some(UNPOSTED));
    }
}
