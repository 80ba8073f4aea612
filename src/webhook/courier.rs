//! The thread that posts.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::places::HookPlaces;
use super::post::{BATCH_RECORDS, Posted, SIGNATURE, backoff, body, fewer, more, signature};
use super::{ANSWERS_WITHIN, HookTarget, of_stream};
use crate::count::{self, Seldom};
use crate::feed::{Feed, FeedPage, FeedStream};
use crate::jitter::Random;
use crate::live::Live;
use crate::moment::{self, Moment};
use crate::stats::{PostStats, StreamPosts};

/// How often it is looked whether there is something to post.
const LOOKS_EVERY: Duration = Duration::from_millis(500);
/// How long the thread waits where nothing is to be posted.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);
/// How often it is written down, at most, how far the place has taken the feed.
const WRITES_EVERY: Duration = Duration::from_secs(1);
/// Our limit: bytes of an answer that are read, so that its connection may serve again.
const ANSWER_BYTES: u64 = 16 * 1024;

/// Posts what the feed has.
#[derive(Debug)]
pub(super) struct Poster {
    feed: Arc<Feed>,
    target: Arc<Live<Option<HookTarget>>>,
    stats: Arc<PostStats>,
    places: HookPlaces,
    written: Option<Instant>,
    random: Random,
    /// Of settlements and of dead tokens.
    turns: [StreamTurn; 2],
    unwritten: Seldom,
}

/// How posting goes for one stream.
#[derive(Debug, Default)]
struct StreamTurn {
    /// Posts in a row that came to nothing.
    failures: u32,
    /// Until when none is made.
    rests_until: Option<Instant>,
    /// Records and gaps that the place was found to take at once, if that is less than a batch.
    takes: Option<usize>,
    /// Whether the operator was told that it fails.
    is_failing: bool,
    told: Seldom,
}

impl Poster {
    pub(super) fn new(
        feed: Arc<Feed>,
        (target, stats): (Arc<Live<Option<HookTarget>>>, Arc<PostStats>),
        places: HookPlaces,
        seed: u64,
    ) -> Self {
        Self {
            feed,
            target,
            stats,
            places,
            written: None,
            random: Random::new(seed),
            turns: Default::default(),
            unwritten: Seldom::default(),
        }
    }

    /// Posts until the bell is gone. When it rings, there is another target, tried at once.
    pub(super) fn run(mut self, bell: &Receiver<()>) {
        let run = AssertUnwindSafe(|| {
            self.places.forget_unknown(&self.feed);
            loop {
                let wait = self.round();
                match moment::receive_within(bell, wait) {
                    Ok(()) => {
                        for turn in &mut self.turns {
                            (turn.failures, turn.rests_until, turn.takes) = (0, None, None);
                        }
                        for stream in FeedStream::ALL {
                            self.note(stream, 0, None);
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            }
            self.written = None;
            self.write(moment::now());
        });
        if catch_unwind(run).is_err() {
            ::log::error!(
                "webhook: its thread has ended by an error of the program: nothing more is posted, \
                 and what the feed keeps waits for the next start; restart the daemon, and report \
                 this"
            );
        }
    }

    /// Posts a batch of each stream that has one; how long to wait then.
    fn round(&mut self) -> Duration {
        let target = self.target.get();
        let Some(target) = &*target else {
            return LONGEST_WAIT;
        };
        let mut wait = LOOKS_EVERY;
        for stream in &target.streams {
            let now = moment::now();
            let rests_until = of_stream(&mut self.turns, *stream).rests_until;
            if let Some(until) = rests_until.filter(|until| *until > now) {
                wait = wait.min(until.saturating_duration_since(now));
            } else if self.post_next(target, *stream) {
                wait = Duration::ZERO;
            }
        }
        wait
    }

    /// Posts the next batch of a stream, if there is one; whether to go on at once.
    fn post_next(&mut self, target: &HookTarget, stream: FeedStream) -> bool {
        let takes = of_stream(&mut self.turns, stream).takes;
        let limit = takes.unwrap_or(BATCH_RECORDS);
        let read = self.feed.read_on(stream, self.places.of(stream), limit);
        let page = match read {
            Ok(page) => page,
            Err(error) => {
                let text = format!("{} cannot be read: {error}", stream.path());
                self.fail(target, stream, &text, None);
                return false;
            }
        };
        let failures = of_stream(&mut self.turns, stream).failures;
        self.note(stream, failures, page.oldest);
        if page.records.is_empty() {
            return page.more;
        }
        match post(target, &body(stream, &page)) {
            Posted::Taken => self.take(target, stream, page),
            Posted::TooLarge if page.items > 1 => {
                of_stream(&mut self.turns, stream).takes = Some(fewer(page.items));
                true
            }
            Posted::TooLarge => {
                let text = "it answers 413 to a batch of one record: let it take larger bodies";
                self.refuse(target, stream, text, None)
            }
            Posted::Refused(why, asked) => self.refuse(target, stream, &why, asked),
        }
    }

    fn posts(&self, stream: FeedStream) -> &StreamPosts {
        let [settlements, dead_tokens] = &self.stats.streams;
        match stream {
            FeedStream::Settlements => settlements,
            FeedStream::DeadTokens => dead_tokens,
        }
    }

    fn note(&self, stream: FeedStream, failures: u32, oldest: Option<u64>) {
        let posts = self.posts(stream);
        posts.set_failures(failures);
        posts.set_oldest(oldest);
    }

    /// A batch was taken; whether there is more.
    fn take(&mut self, target: &HookTarget, stream: FeedStream, page: FeedPage) -> bool {
        self.stats.taken.fetch_add(1, Ordering::Relaxed);
        let turn = of_stream(&mut self.turns, stream);
        if turn.is_failing {
            let word = stream.word();
            ::log::info!("webhook {}: takes {word} again", target.shown());
        }
        (turn.failures, turn.is_failing) = (0, false);
        turn.takes = turn.takes.and_then(more);
        // The next look finds the oldest of those that are left.
        self.note(stream, 0, page.oldest.filter(|_| page.more));
        self.places.set(stream, page.next);
        self.write(moment::now());
        page.more
    }

    fn refuse(
        &mut self,
        target: &HookTarget,
        stream: FeedStream,
        why: &str,
        asked: Option<Duration>,
    ) -> bool {
        self.stats.failed.fetch_add(1, Ordering::Relaxed);
        self.fail(target, stream, why, asked);
        false
    }

    /// A batch was not posted: it rests, and the operator is told.
    fn fail(
        &mut self,
        target: &HookTarget,
        stream: FeedStream,
        why: &str,
        asked: Option<Duration>,
    ) {
        let (now, random) = (moment::now(), self.random.draw());
        let turn = of_stream(&mut self.turns, stream);
        turn.failures = turn.failures.saturating_add(1);
        turn.is_failing = true;
        let (failures, wait) = (turn.failures, backoff(turn.failures, asked, random));
        turn.rests_until = now.checked_add(wait);
        if let Some(times) = turn.told.note(now) {
            let times = count::of(times, "time", "times");
            ::log::warn!(
                "webhook {}: {why} ({times}); {} that are not taken wait in the feed as long as \
                 feedback.bytes holds them; next try in {:.0} s",
                target.shown(),
                stream.word(),
                wait.as_secs_f32().ceil()
            );
        }
        self.posts(stream).set_failures(failures);
    }

    /// Writes down how far it has come, if that was not done of late.
    fn write(&mut self, now: Instant) {
        let since = self.written.map(|at| now.saturating_duration_since(at));
        if since.is_some_and(|since| since < WRITES_EVERY) {
            return;
        }
        self.written = Some(now);
        if let Err(error) = self.places.write()
            && self.unwritten.note(now).is_some()
        {
            ::log::error!(
                "webhook: how far it has come cannot be written beside the feed: {error}. After a \
                 restart some records are posted again, under the same cursors; look at the disk"
            );
        }
    }
}

/// Posts a batch without records. The error is why it was not taken.
pub(super) fn try_out(target: &HookTarget) -> Result<(), String> {
    let Some(stream) = target.streams.first() else {
        return Ok(());
    };
    let page = FeedPage {
        records: Vec::new(),
        items: 0,
        next: String::new(),
        more: false,
        oldest: None,
    };
    match post(target, &body(*stream, &page)) {
        Posted::Taken => Ok(()),
        Posted::TooLarge => Err("it answers 413".to_owned()),
        Posted::Refused(why, _) => Err(why),
    }
}

fn post(target: &HookTarget, body: &[u8]) -> Posted {
    let signature = signature(&target.key, Moment::now().unix_secs(), body);
    let request = target.agent.post(&target.url);
    let sent = request
        .header("user-agent", concat!("Sterna/", env!("CARGO_PKG_VERSION")))
        .header(SIGNATURE, signature)
        .content_type("application/json")
        .send(body);
    match sent {
        Ok(mut response) => {
            let field = response.headers().get("retry-after");
            let wait = field.and_then(|value| value.to_str().ok());
            let now = Moment::now().unix_secs();
            let posted = Posted::of(response.status().as_u16(), wait, now);
            // The status says all; a connection whose answer is longer serves no more.
            let rest = response.body_mut().with_config().limit(ANSWER_BYTES);
            let _read = rest.read_to_vec().is_ok();
            posted
        }
        Err(ureq::Error::Timeout(_)) => {
            let secs = ANSWERS_WITHIN.as_secs();
            Posted::Refused(format!("no answer within {secs} s"), None)
        }
        Err(ureq::Error::Io(error)) => Posted::Refused(error.to_string(), None),
        Err(error) => Posted::Refused(error.to_string(), None),
    }
}
