//! What becomes of the pushes of a file, by the daemon's feed: read on a thread of its own while
//! the file goes out, since the feed keeps no more than its bound.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crossbeam_channel::Receiver;
use serde::Deserialize;

use super::followed::{EndKind, FollowedPushes};
use super::outcomes::is_stop;
use crate::cli::api_client::{ApiClient, NoApiAnswer, shown};
use crate::cli::report;
use crate::moment;
use crate::signal::Signal;

/// The pushes of a run, and how far their ends are known.
pub(super) struct SettlementReader {
    seen: Mutex<SettlementsSeen>,
    /// Rung when a request has its answer.
    answered: Condvar,
}

#[derive(Default)]
struct SettlementsSeen {
    pushes: FollowedPushes,
    /// Requests that were sent so far, and whether the last of them may have pushes of which the
    /// ids are not known.
    sent: u64,
    is_under_way: bool,
    /// Nobody waits any longer.
    is_over: bool,
    /// Why no more will be known.
    fault: Option<String>,
}

/// A page of the feed.
#[derive(Deserialize)]
struct SettlementPage {
    records: Vec<SettlementRecord>,
    next: String,
    more: bool,
}

/// One of its records, or a gap.
#[derive(Deserialize)]
struct SettlementRecord {
    id: Option<u64>,
    end: Option<String>,
    reason: Option<String>,
    /// How many records a gap is of.
    records: Option<u64>,
}

/// What came of asking for a page.
enum PageAsked {
    Page(SettlementPage),
    /// Nobody answers just now.
    Later(String),
    /// What comes after that cursor is gone.
    Gone,
    /// There is none to be had.
    Never(String),
}

impl SettlementReader {
    /// Begins to read behind what has been settled by now.
    ///
    /// # Errors
    ///
    /// Why there is nothing to read.
    pub(super) fn start(client: &Arc<ApiClient>) -> Result<Arc<Self>, String> {
        let page = match ask(client, NEWEST) {
            PageAsked::Page(page) => page,
            PageAsked::Later(why) | PageAsked::Never(why) => return Err(why),
            PageAsked::Gone => return Err(format!("{}: its feed has no end", client.url)),
        };
        let reader = Arc::new(Self {
            seen: Mutex::default(),
            answered: Condvar::new(),
        });
        let (reads, client) = (Arc::clone(&reader), Arc::clone(client));
        let thread = thread::Builder::new().name("settlements".to_owned());
        let started = thread.spawn(move || reads.read_on(&client, page.next));
        started.map_err(|error| format!("no thread to read the feed by: {error}"))?;
        Ok(reader)
    }

    fn lock(&self) -> MutexGuard<'_, SettlementsSeen> {
        // No code panics while it holds the lock; if it did, the numbers would still be sound.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request with pushes is about to be sent.
    pub(super) fn sends(&self) {
        let mut seen = self.lock();
        // What is sent again may have had its pushes taken the first time.
        if !seen.is_under_way {
            seen.sent += 1;
        }
        seen.is_under_way = true;
    }

    /// It is known which pushes came of it: the first id of some that follow each other, and how
    /// many.
    pub(super) fn knows(&self, ids: &[(u64, u64)]) {
        let mut seen = self.lock();
        for (first, count) in ids {
            seen.pushes.add(*first, *count);
        }
        seen.is_under_way = false;
        drop(seen);
        self.answered.notify_all();
    }

    /// Waits until all have ended, the time is over or a signal comes: what is known then.
    pub(super) fn wait(&self, within: Duration, signals: &Receiver<Signal>) -> (String, bool) {
        let begun = moment::now();
        loop {
            let mut seen = self.lock();
            let left = within.saturating_sub(moment::since(begun));
            if seen.pushes.have_all_ended() || seen.fault.is_some() || left.is_zero() {
                seen.is_over = true;
                if let Some(why) = &seen.fault {
                    report(format_args!(
                        "{why}; the push log has what became of the rest"
                    ));
                }
                return (seen.pushes.told(), seen.pushes.has_failures());
            }
            drop(seen);
            if is_stop(signals, LOOK_EVERY.min(left)) {
                let seen = self.lock();
                return (seen.pushes.told(), seen.pushes.has_failures());
            }
        }
    }

    fn read_on(&self, client: &ApiClient, mut after: String) {
        let (mut pause, mut is_told) = (ASK_FIRST, false);
        while !self.lock().is_over {
            match ask(client, &after) {
                PageAsked::Page(page) => {
                    if self.take(&page).is_err() {
                        return;
                    }
                    pause = if page.more {
                        Duration::ZERO
                    } else if page.records.is_empty() {
                        pause.saturating_mul(2).clamp(ASK_FIRST, ASK_LAST)
                    } else {
                        ASK_FIRST
                    };
                    after = page.next;
                }
                PageAsked::Later(why) => {
                    // A daemon that restarts gives several reasons.
                    if !is_told {
                        report(format_args!("{why}; what became of them is asked again"));
                    }
                    (is_told, pause) = (true, ASK_LAST);
                }
                PageAsked::Gone => {
                    self.lock().pushes.miss(None);
                    NEWEST.clone_into(&mut after);
                    pause = ASK_FIRST;
                }
                PageAsked::Never(why) => {
                    self.lock().fault = Some(why);
                    return;
                }
            }
            if !pause.is_zero() {
                thread::sleep(pause);
            }
        }
    }

    /// Takes a page, once the ids are known of each request that was sent before it came; an error
    /// if nobody waits for it any longer.
    fn take(&self, page: &SettlementPage) -> Result<(), ()> {
        let mut seen = self.lock();
        let sent = seen.sent;
        while seen.is_under_way && seen.sent == sent {
            if seen.is_over {
                return Err(());
            }
            let woken = self.answered.wait_timeout(seen, LOOK_EVERY);
            seen = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        for record in &page.records {
            match (record.id, &record.end) {
                (Some(id), Some(end)) => seen.pushes.end(id, || record.kind(end)),
                _ => seen.pushes.miss(record.records),
            }
        }
        Ok(())
    }
}

impl SettlementRecord {
    fn kind(&self, end: &str) -> EndKind {
        let is_success = end == "succeeded";
        let reason = self.reason.as_deref().filter(|_| !is_success);
        let mut told = shown(end);
        if let Some(reason) = reason.filter(|reason| !reason.is_empty()) {
            told = told + " " + &shown(reason);
        }
        EndKind { told, is_success }
    }
}

fn ask(client: &ApiClient, after: &str) -> PageAsked {
    let url = &client.url;
    let answer = match client.get(&format!("/settlements?after={after}&limit={PAGE_RECORDS}")) {
        Ok(answer) => answer,
        Err(NoApiAnswer { text, .. }) => return PageAsked::Later(text),
    };
    match answer.status {
        200 => match serde_json::from_slice::<SettlementPage>(&answer.body) {
            // It goes into the next request's line.
            Ok(page) if page.next.bytes().all(|byte| byte.is_ascii_graphic()) => {
                PageAsked::Page(page)
            }
            _ => PageAsked::Never(format!("{url}: what GET /settlements answers is no page")),
        },
        410 => PageAsked::Gone,
        status @ (429 | 500..) => {
            PageAsked::Later(format!("{url}: {status}: {}", answer.message()))
        }
        status => {
            let text = format!("{url}: GET /settlements: {status}: {}", answer.message());
            PageAsked::Never(text)
        }
    }
}

/// A cursor behind all that is there.
const NEWEST: &str = "newest";

/// Records that are asked for at once.
const PAGE_RECORDS: usize = 10_000;

/// How long to wait after a page before the next, where there was no more; each time in which
/// nothing came it is twice as long.
const ASK_FIRST: Duration = Duration::from_millis(100);

/// The longest of these waits.
const ASK_LAST: Duration = Duration::from_secs(1);

/// How often it is looked whether all have ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn page(ids: &[u64]) -> SettlementPage {
        let records = ids.iter().map(|id| SettlementRecord {
            id: Some(*id),
            end: Some("succeeded".to_owned()),
            reason: None,
            records: None,
        });
        SettlementPage {
            records: records.collect(),
            next: String::new(),
            more: false,
        }
    }

    #[test]
    fn a_page_waits_for_the_answer_to_the_request_whose_pushes_it_may_have() {
        let reader = Arc::new(SettlementReader {
            seen: Mutex::default(),
            answered: Condvar::new(),
        });
        reader.sends();
        let (tells, taken) = mpsc::channel();
        let reads = Arc::clone(&reader);
        let thread = thread::spawn(move || {
            // It came before the ids of its pushes were known here.
            reads.take(&page(&[1, 2])).unwrap();
            tells.send(()).unwrap();
        });
        // Its answer was lost, and it is sent again.
        reader.sends();
        assert!(taken.try_recv().is_err());
        reader.knows(&[(1, 2)]);
        taken.recv().unwrap();
        thread.join().unwrap();
        assert!(reader.lock().pushes.have_all_ended());
        // Of none that is sent later it can have any.
        reader.sends();
        reader.lock().is_over = true;
        assert!(reader.take(&page(&[])).is_err());
        reader.knows(&[]);
        assert!(reader.take(&page(&[])).is_ok());
    }

    #[test]
    fn an_end_is_told_with_its_reason_unless_it_is_a_success() {
        let record = |reason: Option<&str>| SettlementRecord {
            id: Some(1),
            end: None,
            reason: reason.map(str::to_owned),
            records: None,
        };
        for (end, reason, told) in [
            ("succeeded", Some("x"), "succeeded"),
            ("failed", Some("Unregistered"), "failed Unregistered"),
            ("failed", Some("a\nb"), "failed a\\nb"),
            ("expired", None, "expired"),
        ] {
            let kind = record(reason).kind(end);
            assert_eq!((&*kind.told, kind.is_success), (told, end == "succeeded"));
        }
    }
}
