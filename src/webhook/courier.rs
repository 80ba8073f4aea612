//! The thread that posts.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};

use super::places::HookPlaces;
use super::post::{Posted, SIGNATURE, body, signature};
use super::turn::StreamTurn;
use super::{ANSWERS_WITHIN, HookTarget};
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
        let stats = Arc::clone(&self.stats);
        let run = AssertUnwindSafe(|| {
            self.places.forget_unknown(&self.feed);
            loop {
                let wait = self.round();
                match moment::receive_within(bell, wait) {
                    Ok(()) => {
                        for turn in &mut self.turns {
                            turn.begin_anew();
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
            stats.has_ended.store(true, Ordering::Relaxed);
            ::log::error!(
                "webhook: its thread has ended by an error of the program: nothing more is posted, \
                 and what the feed keeps waits for the next start; restart the daemon, and report \
                 this"
            );
        }
    }

    /// Posts a batch of each stream that has one; how long to wait then.
    fn round(&mut self) -> Duration {
        // What the last batches of a burst have left to be written.
        self.write(moment::now());
        let target = self.target.get();
        let Some(target) = &*target else {
            return LONGEST_WAIT;
        };
        let mut wait = LOOKS_EVERY;
        for stream in &target.streams {
            let now = moment::now();
            let rests_until = stream.of_mut(&mut self.turns).rests_until;
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
        self.count_missed(target, stream);
        let limit = stream.of_mut(&mut self.turns).limit();
        let read = self.feed.read_on(stream, self.places.of(stream), limit);
        let page = match read {
            Ok(page) => page,
            Err(error) => {
                let text = format!("{} cannot be read: {error}", stream.path());
                self.fail(target, stream, (&text, 0), None);
                return false;
            }
        };
        let turn = stream.of_mut(&mut self.turns);
        if page.records.is_empty() && !page.more {
            turn.failures = 0;
        }
        let failures = turn.failures;
        self.note(stream, failures, page.oldest);
        if page.records.is_empty() {
            return page.more;
        }
        let body = body(stream, &page);
        match post(target, &body) {
            Posted::Taken => self.take(target, stream, page),
            Posted::TooLarge if page.items > 1 => {
                self.shrink(target, stream, (page.items, body.len()));
                true
            }
            Posted::TooLarge => {
                let text = format!(
                    "it answers 413 to {} alone: let it take larger bodies",
                    page.next
                );
                self.refuse(target, stream, (&text, page.items), None)
            }
            Posted::Refused(why, asked) => {
                let text = match page.items {
                    1 => format!("{why}, to {} alone", page.next),
                    _ => why,
                };
                self.refuse(target, stream, (&text, page.items), asked)
            }
        }
    }

    /// Counts what feedback.bytes has removed before it was taken, and tells the operator.
    fn count_missed(&mut self, target: &HookTarget, stream: FeedStream) {
        let cursor = self.places.of(stream);
        let removed = self.feed.removed(stream, cursor);
        let turn = stream.of_mut(&mut self.turns);
        let missed = turn.missed(removed, cursor.is_some());
        if missed == 0 {
            return;
        }
        let told = turn.told_missed.note(moment::now()).is_some();
        self.posts(stream)
            .missed
            .fetch_add(missed, Ordering::Relaxed);
        if told {
            ::log::error!(
                "webhook {}: {} of {} were removed to keep feedback.bytes before they were taken; a \
                 gap tells the receiver how many, the push log has them, and \
                 sterna_feedback_missed_total counts on: mend or speed up the receiver, or let \
                 feedback.bytes be more",
                target.shown(),
                count::of(missed, "record", "records"),
                stream.word()
            );
        }
    }

    /// A batch of so many records and bytes was too large: the next one has fewer.
    fn shrink(&mut self, target: &HookTarget, stream: FeedStream, (items, bytes): (usize, usize)) {
        self.stats.failed.fetch_add(1, Ordering::Relaxed);
        let now = moment::now();
        let turn = stream.of_mut(&mut self.turns);
        turn.too_large(items, now);
        if turn.told_size.note(now).is_some() {
            ::log::info!(
                "webhook {}: it answers 413 to {items} records of {}, {bytes} bytes; batches stay \
                 smaller for an hour",
                target.shown(),
                stream.word()
            );
        }
    }

    fn posts(&self, stream: FeedStream) -> &StreamPosts {
        stream.of(&self.stats.streams)
    }

    /// How a stream stands. What has waited longest while posts fail may be gone meanwhile, and
    /// the receiver is behind by it all the same.
    fn note(&self, stream: FeedStream, failures: u32, oldest: Option<u64>) {
        let posts = self.posts(stream);
        posts.set_failures(failures);
        if failures == 0 || posts.oldest().is_none() {
            posts.set_oldest(oldest);
        }
    }

    /// A batch was taken; whether there is more.
    fn take(&mut self, target: &HookTarget, stream: FeedStream, page: FeedPage) -> bool {
        self.stats.taken.fetch_add(1, Ordering::Relaxed);
        let turn = stream.of_mut(&mut self.turns);
        if turn.is_failing {
            let word = stream.word();
            ::log::info!("webhook {}: takes {word} again", target.shown());
        }
        turn.taken(moment::now());
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
        why: (&str, usize),
        asked: Option<Duration>,
    ) -> bool {
        self.stats.failed.fetch_add(1, Ordering::Relaxed);
        self.fail(target, stream, why, asked);
        false
    }

    /// A batch of so many was not posted: it rests, and the operator is told.
    fn fail(
        &mut self,
        target: &HookTarget,
        stream: FeedStream,
        (why, items): (&str, usize),
        asked: Option<Duration>,
    ) {
        let (now, random) = (moment::now(), self.random.draw());
        let turn = stream.of_mut(&mut self.turns);
        let wait = turn.failed(items, asked, (now, random));
        let failures = turn.failures;
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::feed::FeedSettings;
    use crate::journal::Files;
    use crate::journal::fixture::MemoryFiles;

    #[test]
    fn a_thread_that_has_ended_by_an_error_of_the_program_says_so() {
        let files: Arc<dyn Files> = Arc::new(MemoryFiles::default());
        let settings = FeedSettings {
            dir: "/feed".into(),
            bytes: 1 << 20,
            sync_every: Duration::ZERO,
        };
        let (feed, _) = Feed::start(&files, &settings, 1, Moment::now()).unwrap();
        let feed = Arc::new(feed);
        let run = |is_broken: bool| {
            let files = MemoryFiles::default();
            let is_abandoned = Arc::<AtomicBool>::default();
            let places = HookPlaces::read(Arc::new(files.clone()), "/feed".into(), is_abandoned);
            let mut places = places;
            places.set(FeedStream::DeadTokens, "none of this feed's".to_owned());
            if is_broken {
                // Whoever uses them from now on panics.
                let none = AssertUnwindSafe(|| files.content(Path::new("/none")));
                catch_unwind(none).unwrap_err();
            }
            let stats = Arc::<PostStats>::default();
            let of_thread = (Arc::new(Live::new(None)), Arc::clone(&stats));
            let (bell, rung) = crossbeam_channel::bounded(1);
            drop(bell);
            Poster::new(Arc::clone(&feed), of_thread, places, 1).run(&rung);
            stats.has_ended.load(Ordering::Relaxed)
        };
        assert_eq!([false, true].map(run), [false, true]);
    }
}
