//! One round after the other, at times of our own.

use std::num::NonZeroU32;

use super::*;
use crate::journal::Files;
use crate::journal::fixture::{MemoryFiles, Part, ReadFault, accepted};
use crate::journal::reply;
use crate::journal::space::{self, SMALL};
use crate::journal::store::take_over;
use crate::push::Accepted;

const LONG: Duration = Duration::from_secs(3600);

/// A journal with two pushes; soon no file is looked at, and nothing carried.
fn flusher(files: &MemoryFiles, settings: &Settings) -> Flusher {
    let shared: Arc<dyn Files> = Arc::new(files.clone());
    let lock = take_over(&*shared, &settings.dir).unwrap();
    let opened = Store::open(shared, lock, settings.clone(), Moment::now());
    let store = opened.unwrap().0;
    let inbox = Arc::new(Inbox::new(settings.node, store.ids()));
    let mut flusher = Flusher::new(store, inbox, settings);
    let later = moment::now() + LONG;
    flusher.timers.set(FlusherTimer::Look, later);
    flusher.timers.set(FlusherTimer::Carry, later);
    let written = flusher.append(&[(1, 2)], Moment::now());
    assert_eq!(written, [Ok(())]);
    flusher
}

fn settings() -> Settings {
    let mut settings = Settings::new("/journal");
    settings.reserve_bytes = 0;
    settings.room_bytes = 0;
    settings
}

impl Flusher {
    /// A round with a request for each, of that first id and so many tokens; what is replied.
    fn append(&mut self, requests: &[(u64, usize)], now: Moment) -> Vec<Result<(), Refused>> {
        let requests = requests.iter();
        let requests = requests.map(|&(first_id, tokens)| accepted(first_id, tokens));
        self.append_all(requests, now)
    }

    fn append_all(
        &mut self,
        requests: impl Iterator<Item = Accepted>,
        now: Moment,
    ) -> Vec<Result<(), Refused>> {
        let requests = requests.map(|accepted| {
            let (reply, kept) = reply::pair();
            let group = Group::of([&accepted], None);
            ((group.unwrap(), reply), kept)
        });
        let (requests, replies): (_, Vec<_>) = requests.unzip();
        let work = Work {
            requests,
            ..Work::default()
        };
        self.round(work, now);
        replies.iter().map(|kept| kept.wait().unwrap()).collect()
    }

    fn outstanding(&self) -> u64 {
        self.store.catalogue().lock().index.outstanding()
    }

    fn is_serving(&self) -> bool {
        self.inbox.lock().state == State::Serving
    }
}

#[test]
fn files_are_looked_at_when_it_is_time_to() {
    let files = MemoryFiles::default();
    let mut flusher = flusher(&files, &settings());
    for path in files.paths() {
        files.remove(&path).unwrap();
    }
    let now = Moment::now();
    flusher.round(Work::default(), now);
    assert!(flusher.is_serving(), "it is not looked every time");
    flusher.timers.set(FlusherTimer::Look, now.monotonic);
    flusher.round(Work::default(), now);
    assert!(!flusher.is_serving());
    assert!(flusher.timers.at(FlusherTimer::Look) > Some(now.monotonic));
}

#[test]
fn what_could_not_be_written_stays_until_it_is_tried_again() {
    let files = MemoryFiles::default();
    let mut flusher = flusher(&files, &settings());
    let mut now = Moment::now();
    flusher.settled = vec![(1, Some(End::Succeeded))];
    flusher.left = vec![(2, Attempts::default())];
    flusher
        .timers
        .set(FlusherTimer::SettleAgain, now.monotonic + RETRY_EVERY);
    assert_eq!(flusher.append(&[(10, 1)], now), [Ok(())]);
    assert_eq!(flusher.outstanding(), 3);
    assert_eq!((flusher.settled.len(), flusher.left.len()), (1, 1));
    let syncs = files.syncs();
    flusher.timers.set(FlusherTimer::SettleAgain, now.monotonic);
    flusher.round(Work::default(), now);
    assert_eq!(flusher.outstanding(), 2);
    assert!(flusher.settled.is_empty() && flusher.left.is_empty());
    assert_eq!(files.syncs(), syncs, "nobody waits for the disk");
    now.monotonic += SYNC_EVERY;
    flusher.round(Work::default(), now);
    assert_eq!(
        (files.syncs(), flusher.timers.at(FlusherTimer::Sync)),
        (syncs + 1, None)
    );
}

#[test]
fn who_waits_for_settlements_to_be_written_is_told_so_only_when_they_are() {
    let files = MemoryFiles::default();
    let mut flusher = flusher(&files, &settings());
    let now = Moment::now();
    let ask = |flusher: &mut Flusher| {
        let (reply, kept) = reply::pair();
        let mut work = Work::default();
        work.notes.handed.push((Vec::new(), reply));
        flusher.round(work, now);
        kept.wait().unwrap().is_ok()
    };
    assert!(ask(&mut flusher), "there is nothing to write");
    flusher.settled = vec![(1, Some(End::Succeeded))];
    flusher.left = vec![(2, Attempts::default())];
    files.set_capacity(Some(files.used()));
    assert!(!ask(&mut flusher));
    assert_eq!((flusher.settled.len(), flusher.left.len()), (1, 1));
    files.set_capacity(None);
    assert!(
        ask(&mut flusher),
        "though the time to try again has not come"
    );
    assert!(flusher.settled.is_empty() && flusher.left.is_empty());
}

#[test]
fn what_cannot_be_written_grows_no_longer_and_is_not_tried_every_time() {
    let files = MemoryFiles::default();
    let mut flusher = flusher(&files, &settings());
    let now = Moment::now();
    files.set_capacity(Some(files.used()));
    flusher.left = vec![(1, Attempts::default()), (1, Attempts::default())];
    flusher.round(Work::default(), now);
    assert_eq!(flusher.left.len(), 1);
    let tried = files.operations();
    flusher.round(Work::default(), now);
    assert_eq!(files.operations(), tried);
}

#[test]
fn it_is_tried_each_second_whether_pushes_can_be_taken_again_and_not_promised_before() {
    let breaks: [fn(&MemoryFiles); 2] = [
        |files| files.set_capacity(Some(files.used() + 50)),
        |files| files.set_read_only(true),
    ];
    for breaks in breaks {
        let files = MemoryFiles::default();
        let mut reserving = settings();
        reserving.reserve_bytes = 100;
        let mut flusher = flusher(&files, &reserving);
        let mut now = Moment::now();
        breaks(&files);
        now.monotonic += RETRY_EVERY;
        let replies = flusher.append(&[(10, 1)], now);
        assert!(replies[0].is_err() && !flusher.is_serving());
        for _ in 0..2 {
            now.monotonic += RETRY_EVERY;
            flusher.round(Work::default(), now);
            assert!(!flusher.is_serving());
        }
        files.set_read_only(false);
        files.set_capacity(None);
        flusher.round(Work::default(), now);
        assert!(!flusher.is_serving(), "it is not time to");
        now.monotonic += RETRY_EVERY;
        flusher.round(Work::default(), now);
        assert!(flusher.is_serving());
    }
}

/// The group commit has whoever came meanwhile: a campaign, and a push of one message behind it.
#[test]
fn a_request_without_room_is_refused_alone_and_those_beside_it_are_written() {
    let files = MemoryFiles::default();
    let mut reserving = settings();
    reserving.reserve_bytes = 800;
    let mut flusher = flusher(&files, &reserving);
    let mut now = Moment::now();
    now.monotonic += RETRY_EVERY;
    let bytes = |first, tokens| Group::of([&accepted(first, tokens)], None).unwrap().len() as u64;
    let (small, large) = (bytes(10, 1), bytes(10_000, 2_000));
    assert!(small <= SMALL as u64 && SMALL as u64 <= large, "{large}");
    files.set_capacity(Some(files.used() + 900 + large + 2 * small - 1));
    let requests = [(10_000, 2_000), (10, 1), (20_000, 2_000), (20, 1)];
    let taken =
        |replies: &[Result<(), Refused>]| -> Vec<_> { replies.iter().map(Result::is_ok).collect() };
    let replies = flusher.append(&requests, now);
    assert_eq!(taken(&replies), [false, true, false, true]);
    let refused = replies[0].clone().unwrap_err();
    let State::Full { free, needed, .. } = refused.state else {
        panic!("{refused:?}");
    };
    assert_eq!(
        (free + 1, needed),
        (900 + large + 2 * small, 900 + large + 2 * small)
    );
    assert!(!refused.is_unknown && flusher.is_serving());
    assert_eq!(flusher.outstanding(), 4, "2 of the start");
    assert_eq!(flusher.append(&[(30, 1)], now), [Ok(())]);
    // Without room for a small one it is full for all, which who fits beside it does not feel.
    files.set_capacity(Some(files.used() + 800 + small));
    now.monotonic += RETRY_EVERY;
    let replies = flusher.append(&[(40, 9), (50, 1)], now);
    assert_eq!(
        (taken(&replies), flusher.is_serving()),
        (vec![false, true], false)
    );
    assert!(flusher.append(&[(60, 1)], now)[0].is_err());
}

/// As under a quota, of which what is asked of the disk says nothing.
#[test]
fn a_large_write_that_fails_for_want_of_room_fails_alone_and_no_larger_one_is_tried_soon() {
    let files = MemoryFiles::default();
    let mut flusher = flusher(&files, &settings());
    let mut now = Moment::now();
    assert_eq!(flusher.append(&[(5, 1)], now), [Ok(())]);
    let room = Group::of([&accepted(10_000, 2_000)], None).unwrap().len() as u64;
    files.set_capacity(Some(files.used() + room));
    let requests = [(10_000, 2_000), (10, 1), (20_000, 2_000), (30_000, 1_800)];
    let replies = flusher.append(&requests, now);
    let unknown = |reply: Result<(), Refused>| reply.err().map(|refused| refused.is_unknown);
    let refused: Vec<_> = replies.into_iter().map(unknown).collect();
    assert_eq!(refused, [Some(false), None, Some(false), None]);
    assert!(flusher.is_serving());
    files.set_capacity(None);
    let replies = flusher.append(&[(20_000, 2_000)], now);
    assert!(replies[0].is_err(), "it is not tried yet");
    now.monotonic += space::LOOK_EVERY;
    assert_eq!(flusher.append(&[(20_000, 2_000)], now), [Ok(())]);
}

/// A write that has failed may be found by the next process; what was behind it was not tried.
#[test]
fn of_what_a_write_has_failed_for_no_more_is_unknown_than_was_in_it() {
    let files = MemoryFiles::default();
    let mut flusher = flusher(&files, &settings());
    let tokens = WRITE_BYTES / 16;
    let bytes = Group::of([&accepted(1 << 30, tokens)], None).unwrap().len();
    assert!(bytes > WRITE_BYTES, "{bytes}");
    files.break_changes(files.operations()..u64::MAX, Part::All);
    // The small one goes first.
    let replies = flusher.append(&[(1 << 30, tokens), (2 << 30, 1)], Moment::now());
    let unknown = replies
        .into_iter()
        .map(|reply| reply.unwrap_err().is_unknown);
    assert_eq!(unknown.collect::<Vec<_>>(), [false, true]);
}

#[test]
fn without_room_for_what_is_outstanding_no_segment_begins_until_there_is() {
    let files = MemoryFiles::default();
    let mut short = settings();
    (short.segment_bytes, short.reserve_bytes) = (1, 100);
    let mut flusher = flusher(&files, &short);
    let mut now = Moment::now();
    flusher.settled = [1, 2].map(|id| (id, Some(End::Succeeded))).into();
    assert_eq!(flusher.append(&[(10, 2)], now), [Ok(())]);
    assert!(flusher.store.is_long(false));
    let live = flusher.store.live_bytes();
    flusher.timers.set(FlusherTimer::Carry, now.monotonic);
    files.set_read_only(true);
    let tried = files.operations();
    for _ in 0..3 {
        flusher.round(Work::default(), now);
    }
    assert_eq!(files.operations(), tried + 1, "not every time");
    files.set_read_only(false);
    for (wait, room, begins) in [
        (RETRY_EVERY, live + 49, false),
        (Duration::ZERO, live + 50, false),
        (RETRY_EVERY, live + 50, true),
    ] {
        now.monotonic += wait;
        files.set_capacity(Some(files.used() + room));
        flusher.round(Work::default(), now);
        assert_eq!(flusher.store.is_carrying(), begins, "{wait:?}, {room}");
    }
    // What cannot be read to be carried is read again no sooner.
    files.set_read_fault(Some(ReadFault::Fails(0..u64::MAX)));
    for _ in 0..3 {
        flusher.round(Work::default(), now);
    }
    assert_eq!(files.reads(), 1);
    files.set_read_fault(None);
    files.fail_syncs(true);
    for _ in 0..3 {
        now.monotonic += RETRY_EVERY;
        flusher.round(Work::default(), now);
    }
    assert!(flusher.inbox.lock().state.is_fatal() && flusher.store.is_carrying());
    assert_eq!(flusher.wanted_by(), None);
}

/// Large ones may be refused while small ones fit.
#[test]
fn that_what_is_scheduled_has_no_room_is_told_once_a_minute() {
    let settings = Settings {
        scheduled_max: 4,
        ..settings()
    };
    let mut flusher = flusher(&MemoryFiles::default(), &settings);
    let now = Moment::now();
    for (first_id, tokens, is_kept) in [(11, 5, false), (21, 1, true), (31, 4, false)] {
        let mut scheduled = accepted(first_id, tokens);
        scheduled.envelope.earliest = NonZeroU32::new(u32::MAX);
        let told = flusher.append_all([scheduled].into_iter(), now);
        assert_eq!(told[0].is_ok(), is_kept, "{told:?}");
    }
    let told_of_share = &mut flusher.told_of_share;
    assert_eq!(told_of_share.due(now.monotonic), None);
    let later = now.monotonic + Duration::from_secs(60);
    assert_eq!(told_of_share.due(later), Some(1), "the first was told");
}
