//! Posts batch after batch, as fast as they are taken, on a thread of its own.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};

use super::input_text::BadRecord;
use super::push_answer::{BatchAnswer, Judgement, judge};
use super::push_batch::{PushBatch, key};
use super::record::{EarlierRun, SendRecord};
use super::settlements::SettlementReader;
use super::source::SendSource;
use super::tally::SendTally;
use crate::api::idempotency::KEPT_FOR;
use crate::cli::ExitCode;
use crate::cli::api_client::{ApiClient, shown};
use crate::cli::args::InDoubt;
use crate::moment::{self, Moment};

/// What the courier tells while it is on its way.
#[derive(Debug)]
pub(super) enum CourierNews {
    /// A record of that line cannot be used, or what was made of it was rejected.
    BadLine {
        /// The line.
        line: u64,
        /// What is wrong with it.
        why: String,
    },
    /// So far is it by now.
    Progress {
        /// Bytes of the file.
        used: u64,
        /// Pushes that this run has had accepted.
        accepted: u64,
    },
    /// Something to say at once.
    Told(String),
    /// It has come to its end.
    Ended(CourierEnd),
}

/// How it came out.
#[derive(Debug)]
pub(super) struct CourierEnd {
    /// What became of the whole file so far, by all runs.
    pub(super) tally: SendTally,
    /// The ids of the pushes of this run, as many as are followed.
    pub(super) ids: Vec<u64>,
    /// Why it is not done, if it is not, and how the process ends for that.
    pub(super) left: Option<(String, ExitCode)>,
    /// All of it was sent by an earlier run, at that time in Unix seconds.
    pub(super) ended_before: Option<u64>,
}

/// One file on its way.
pub(super) struct Courier {
    /// Who takes it.
    pub(super) client: Arc<ApiClient>,
    /// What is sent.
    pub(super) source: SendSource,
    /// Where it is kept how far that is, unless it comes from the command line.
    pub(super) record: Option<SendRecord>,
    /// What an earlier run has left there.
    pub(super) earlier: EarlierRun,
    /// What becomes of what may have been sent.
    pub(super) in_doubt: Option<InDoubt>,
    /// Who looks for what becomes of the pushes.
    pub(super) reader: Option<Arc<SettlementReader>>,
    /// What it says.
    pub(super) news: Sender<CourierNews>,
    /// Closed when it is to stop.
    pub(super) stop: Receiver<Infallible>,
    /// Names the file in what is told.
    pub(super) name: String,
    /// Names that of the record.
    pub(super) record_name: String,
}

/// What one run has done so far.
#[derive(Default)]
struct CourierRun {
    tally: SendTally,
    ids: Vec<u64>,
    /// When a wait was told last.
    told: Option<Instant>,
    /// Something was answered.
    has_answer: bool,
    /// What has no effect was told.
    has_ignored: bool,
    ended_before: Option<u64>,
}

/// Why it does not go on, and how the process ends for that.
type Left = (String, ExitCode);

impl Courier {
    /// Goes until all is answered, or nothing more can be.
    pub(super) fn run(mut self) {
        let mut run = CourierRun::default();
        let left = self.go(&mut run).err();
        run.tally.add(&self.earlier.so_far);
        let end = CourierEnd {
            tally: run.tally,
            ids: run.ids,
            left,
            ended_before: run.ended_before,
        };
        self.tell(CourierNews::Ended(end));
    }

    fn go(&mut self, run: &mut CourierRun) -> Result<(), Left> {
        let in_doubt = usize::from(self.earlier.in_doubt.is_some());
        let sent = (self.earlier.answered.len() + in_doubt) as u64;
        let mut number = 0;
        while let Some(batch) = self.next_batch(run)? {
            let key = self.key(number, &batch.body());
            if !self.is_answered(number, &key, &batch)? {
                let doubt = self.doubt_about(number, &key, &batch)?;
                self.deliver(number, &key, batch, doubt, run)?;
            }
            number += 1;
            self.tell(CourierNews::Progress {
                used: self.source.used(),
                accepted: run.tally.accepted,
            });
        }
        if number < sent {
            return Err(self.changed("is shorter"));
        }
        run.ended_before = self.earlier.ended;
        if self.earlier.ended.is_none() {
            let at = Moment::now().unix_secs();
            self.note(|record| record.ended(at))?;
        }
        Ok(())
    }

    fn next_batch(&mut self, run: &mut CourierRun) -> Result<Option<PushBatch>, Left> {
        let (news, stop, mut unusable) = (&self.news, &self.stop, 0);
        let next = self.source.next_batch(|bad| {
            unusable += 1;
            let BadRecord { line, why } = bad;
            let why = why.to_owned();
            // Nobody is left to hear of it after a second signal.
            let _heard = news.send(CourierNews::BadLine { line, why });
            stop.try_recv() != Err(TryRecvError::Disconnected)
        });
        run.tally.unusable += unusable;
        next.map_err(|error| {
            if self.is_stopped() {
                self.stopped()
            } else {
                (format!("{}: {error}", self.name), ExitCode::Io)
            }
        })
    }

    /// Whether an earlier run has had the answer to a batch.
    fn is_answered(&self, number: u64, key: &str, batch: &PushBatch) -> Result<bool, Left> {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        match self.earlier.answered.get(at) {
            Some(known) if known == key => Ok(true),
            Some(_) => Err(self.changed(&lines(batch, "is another at"))),
            None if self.earlier.ended.is_some() => Err(self.changed("is longer")),
            None => Ok(false),
        }
    }

    fn changed(&self, how: &str) -> Left {
        let Self {
            name, record_name, ..
        } = self;
        let text = format!(
            "{name} {how} than when it was sent, and nothing more was sent now; to send all of it \
             from the start remove {record_name}, which tells what was sent"
        );
        (text, ExitCode::Data)
    }

    /// Since when it is not known of a batch whether an earlier run's request was taken.
    fn doubt_about(
        &mut self,
        number: u64,
        key: &str,
        batch: &PushBatch,
    ) -> Result<Option<SendDoubt>, Left> {
        if number != self.earlier.answered.len() as u64 {
            return Ok(None);
        }
        match self.earlier.in_doubt.take() {
            None => Ok(None),
            Some((known, unix)) if known == key => Ok(Some(SendDoubt { unix, here: None })),
            Some(_) => Err(self.changed(&lines(batch, "is another at"))),
        }
    }

    fn forgotten(&self, batch: &PushBatch) -> Left {
        if self.record.is_none() {
            let text = "no answer came, and the daemon does not remember any more whether it has \
                        the pushes: its push log tells";
            return (text.to_owned(), ExitCode::TemporaryFailure);
        }
        let text = format!(
            "{} {} were sent, no answer came, and the daemon does not remember any more whether it \
             has them: look for one of their device tokens in its push log, then run this again \
             with --in-doubt skip, or with --in-doubt send, which may push a second time",
            self.name,
            lines(batch, "")
        );
        (text, ExitCode::TemporaryFailure)
    }

    /// Sends a batch until it is answered, in parts if it is too large.
    fn deliver(
        &mut self,
        number: u64,
        key: &str,
        batch: PushBatch,
        mut doubt: Option<SendDoubt>,
        run: &mut CourierRun,
    ) -> Result<(), Left> {
        let mut tally = SendTally::default();
        // What an earlier run may have had taken of it, it may of each part.
        let (mut parts, mut has_part, earlier) = (vec![batch], false, doubt);
        while let Some(mut part) = parts.pop() {
            doubt = doubt.or(earlier);
            let is_first = !run.has_answer && number == 0 && parts.is_empty();
            let mut pause = PAUSE_FIRST;
            while !part.is_empty() {
                if self.is_stopped() {
                    return Err(self.stopped());
                }
                if doubt.take_if(|doubt| doubt.is_forgotten()).is_some()
                    && self.is_to_be_skipped(number, &part)?
                {
                    tally.skipped += part.items() as u64;
                    break;
                }
                let body = part.body();
                let now = Moment::now();
                self.note(|record| record.sent(number, key, now.unix_secs()))?;
                let judged = self.post(number, &body, &part, doubt.is_some());
                let url = self.client.url.clone();
                let (why, after) = match judged {
                    Judgement::Answered(answer) => {
                        tally.add(&answer.tally);
                        self.take(&answer, run);
                        (doubt, has_part) = (None, true);
                        run.has_answer = true;
                        break;
                    }
                    Judgement::TooLarge { why } => {
                        self.untaken(number, has_part || doubt.is_some())?;
                        let lines: Vec<u64> = part.lines().collect();
                        if let Some((first, second)) = part.halves() {
                            parts.extend([second, first]);
                        } else {
                            tally.reject(&why, lines.len() as u64);
                            self.tell_lines(&lines, &why);
                        }
                        break;
                    }
                    Judgement::Without {
                        pointer,
                        reason,
                        why,
                    } => {
                        self.untaken(number, has_part || doubt.is_some())?;
                        let lines = part.take_out(&pointer);
                        if lines.is_empty() {
                            return Err((format!("{pointer}: {why}"), ExitCode::Unavailable));
                        }
                        tally.reject(&reason, lines.len() as u64);
                        self.tell_lines(&lines, &why);
                        if part.is_empty() && is_first {
                            let text = format!("{}: {ALL_MALFORMED}: {reason}", self.name);
                            return Err((text, ExitCode::Data));
                        }
                        continue;
                    }
                    Judgement::Refused {
                        why,
                        code,
                        is_untaken,
                    } => {
                        if is_untaken {
                            self.untaken(number, has_part || doubt.is_some())?;
                        }
                        return Err((format!("{url}: {why}"), code));
                    }
                    Judgement::Later { after, why, is_new } => {
                        if is_new {
                            doubt = None;
                        }
                        (format!("{url}: {why}"), after)
                    }
                    Judgement::Unknown { why, is_unsent } => {
                        if is_unsent && !run.has_answer && doubt.is_none() {
                            self.untaken(number, has_part || doubt.is_some())?;
                            return Err((why, ExitCode::Unavailable));
                        }
                        if !is_unsent {
                            doubt = doubt.or(Some(SendDoubt::since(now)));
                        }
                        let after = pause;
                        pause = pause.saturating_mul(2).min(PAUSE_LAST);
                        (why, after)
                    }
                };
                self.untaken(number, has_part || doubt.is_some())?;
                self.tell_wait(&why, run);
                if moment::receive_within(&self.stop, after) == Err(RecvTimeoutError::Disconnected)
                {
                    return Err(self.stopped());
                }
            }
        }
        run.has_answer = true;
        self.ids_are_known(&[]);
        self.note(|record| record.answered(number, &tally))?;
        run.tally.add(&tally);
        Ok(())
    }

    /// Posts a batch, once, of which a request before it may have been taken or not.
    fn post(&self, number: u64, body: &[u8], part: &PushBatch, is_in_doubt: bool) -> Judgement {
        if let Some(reader) = &self.reader {
            reader.sends();
        }
        let came = self.client.post("/push", &self.key(number, body), body);
        let judged = judge(came, part);
        match &judged {
            Judgement::Answered(answer) => self.ids_are_known(&answer.ids),
            Judgement::Unknown {
                is_unsent: false, ..
            } => {}
            _ if is_in_doubt => {}
            _ => self.ids_are_known(&[]),
        }
        judged
    }

    /// What becomes of what was sent, and nobody knows any more whether it was taken.
    fn is_to_be_skipped(&mut self, number: u64, part: &PushBatch) -> Result<bool, Left> {
        match self.in_doubt {
            None => Err(self.forgotten(part)),
            Some(InDoubt::Skip) => Ok(true),
            Some(InDoubt::Send) => {
                self.note(|record| record.refused(number))?;
                Ok(false)
            }
        }
    }

    /// Takes note that nothing of a batch was taken, unless some of it was or may have been.
    fn untaken(&mut self, number: u64, may_be_taken: bool) -> Result<(), Left> {
        if may_be_taken {
            return Ok(());
        }
        self.note(|record| record.refused(number))
    }

    fn take(&self, answer: &BatchAnswer, run: &mut CourierRun) {
        for (lines, why) in &answer.rejected {
            self.tell_lines(lines, why);
        }
        if !answer.ignored.is_empty() && !std::mem::replace(&mut run.has_ignored, true) {
            let parts = answer.ignored.iter().take(IGNORED_TOLD);
            let parts: Vec<String> = parts.map(|part| shown(part)).collect();
            let parts = parts.join(", ");
            let text = format!("{}: no field, or one without effect: {parts}", self.name);
            self.tell(CourierNews::Told(text));
        }
        let ids = answer
            .ids
            .iter()
            .flat_map(|(first, count)| *first..first.saturating_add(*count));
        let room = FOLLOWED_MAX.saturating_sub(run.ids.len());
        run.ids.extend(ids.take(room));
    }

    /// It is known which pushes came of the requests so far.
    fn ids_are_known(&self, ids: &[(u64, u64)]) {
        if let Some(reader) = &self.reader {
            reader.knows(ids);
        }
    }

    fn tell_lines(&self, lines: &[u64], why: &str) {
        for line in lines {
            let (line, why) = (*line, why.to_owned());
            self.tell(CourierNews::BadLine { line, why });
        }
    }

    /// Says why nothing goes out just now, once a minute.
    fn tell_wait(&self, why: &str, run: &mut CourierRun) {
        if run
            .told
            .is_none_or(|told| moment::since(told) >= TELL_EVERY)
        {
            run.told = Some(moment::now());
            let text = format!("{why}; it is sent again until it is taken");
            self.tell(CourierNews::Told(text));
        }
    }

    fn tell(&self, news: CourierNews) {
        // Nobody is left to hear of it after a second signal.
        let _heard = self.news.send(news);
    }

    fn note(&mut self, step: impl FnOnce(&mut SendRecord) -> io::Result<()>) -> Result<(), Left> {
        let written = self.record.as_mut().map_or(Ok(()), step);
        written.map_err(|error| {
            let text = format!("the record of what was sent cannot be written: {error}");
            (text, ExitCode::Io)
        })
    }

    fn key(&self, number: u64, body: &[u8]) -> String {
        key(&self.earlier.run, number, body)
    }

    fn is_stopped(&self) -> bool {
        self.stop.try_recv() == Err(TryRecvError::Disconnected)
    }

    fn stopped(&self) -> Left {
        let text = if self.record.is_some() {
            "stopped; the same command goes on where it was"
        } else {
            "stopped"
        };
        (text.to_owned(), ExitCode::TemporaryFailure)
    }
}

/// It is not known of a request whether it was taken.
#[derive(Clone, Copy)]
struct SendDoubt {
    /// When it was sent, in Unix seconds.
    unix: u64,
    /// The same by this process's clocks, if it has sent it.
    here: Option<Moment>,
}

impl SendDoubt {
    fn since(sent: Moment) -> Self {
        Self {
            unix: sent.unix_secs(),
            here: Some(sent),
        }
    }

    /// Whether a daemon may have forgotten what it answered. A clock that was set back tells
    /// nothing, and this process may have stood still.
    fn is_forgotten(self) -> bool {
        let (now, kept) = (Moment::now(), KEPT_FOR.saturating_sub(KEPT_MARGIN));
        let age = now.unix_secs().checked_sub(self.unix);
        let age_here = self.here.map_or(Duration::ZERO, |sent| now.since(sent));
        age.is_none_or(|age| age >= kept.as_secs()) || age_here >= kept
    }
}

/// Names the lines of a batch.
fn lines(batch: &PushBatch, before: &str) -> String {
    let (first, last) = batch.span();
    let text = if first == last {
        format!("{before} line {first}")
    } else {
        format!("{before} lines {first} to {last}")
    };
    text.trim_start().to_owned()
}

/// Our limit: pushes whose outcomes are followed.
pub(super) const FOLLOWED_MAX: usize = 1000;

/// Our limit: before a daemon forgets an answer nobody relies on it any more: time for the request
/// on its way, which is longer than [`super::ANSWERED_WITHIN`], and for clocks that are apart.
const KEPT_MARGIN: Duration = Duration::from_secs(120);

/// What is said where the first request had nothing that could be sent.
const ALL_MALFORMED: &str = "every notification of the first request makes it malformed, and \
                             nothing was sent";

/// How long to wait after the first request without an answer; each time it is twice as long.
const PAUSE_FIRST: Duration = Duration::from_secs(1);

/// Our limit: how long to wait after a request without an answer.
const PAUSE_LAST: Duration = Duration::from_secs(30);

/// Fields without effect that are told, once.
const IGNORED_TOLD: usize = 5;

/// How often it is told that nothing goes out.
const TELL_EVERY: Duration = Duration::from_secs(60);
