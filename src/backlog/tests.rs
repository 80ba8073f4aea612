use super::fixture::{accepted, backlog_in, later, no_logs, open_in, scheduled};
use super::*;
use crate::delivery::fixture::idle_lane;
use crate::delivery::outcome::Settlement;
use crate::delivery::reasons::PURGED;
use crate::delivery::register::{Marks, Remembered};
use crate::delivery::running_lane;
use crate::journal::fixture::{Loss, MemoryFiles, ReadFault};
use crate::lane::Lanes;
use crate::live::Live;

fn push(now: Moment) -> Push {
    Push::nth(&accepted(1, now), 0).unwrap()
}

#[test]
fn no_push_is_looked_at_before_the_journal_is_read() {
    let backlog = Backlog::default();
    let why = "recovering: the journal is being read";
    assert_eq!(backlog.is_not_ready(), Some(why));
    assert_eq!(backlog.trouble().as_deref(), Some(why));
    backlog.ready();
    for backlog in [backlog, backlog_in(&MemoryFiles::default())] {
        assert_eq!(backlog.is_not_ready(), None);
        assert_eq!(backlog.trouble(), None);
        assert_eq!(backlog.warning(), None);
        assert!(backlog.failure().is_none());
        assert_eq!(backlog.unclaimed(LaneId::IOS), 0);
        assert_eq!(backlog.keeps(), backlog.is_kept());
    }
}

#[test]
fn what_is_wrong_with_the_journal_is_said_and_a_failed_sync_is_for_good() {
    let (files, now) = (MemoryFiles::default(), Moment::now());
    let (register, logs) = (Register::default(), no_logs());
    let accept = |backlog: &Backlog| backlog.accept(&[accepted(1, now)], None);
    let backlog = backlog_in(&files);
    accept(&backlog).unwrap();
    let purged = backlog.keep_purged(&register, &logs, LINES_KEPT_WITHIN);
    assert_eq!((backlog.trouble(), purged), (None, Ok(())));
    files.fail_syncs(true);
    // No note can be left of it either.
    assert!(accept(&backlog).unwrap_err().is_unknown);
    let trouble = backlog.trouble().unwrap();
    assert_eq!(
        backlog.keep_purged(&register, &logs, LINES_KEPT_WITHIN),
        Err(trouble)
    );
    assert!(backlog.failure().is_some() && backlog.keeps());
    assert!(backlog.set_notes_handed(true).is_err());

    let files = MemoryFiles::default();
    let backlog = backlog_in(&files);
    files.set_capacity(Some(files.used()));
    let refused = accept(&backlog).unwrap_err();
    let trouble = backlog.trouble().unwrap();
    assert!(trouble.contains("/journal is full"), "{trouble}");
    assert_eq!((refused.to_string(), refused.is_unknown), (trouble, false));
    assert!(backlog.failure().is_none() && backlog.keeps());
}

#[test]
fn what_was_purged_is_kept_once_its_line_is_written() {
    let (files, now) = (MemoryFiles::default(), Moment::now());
    let backlog = backlog_in(&files);
    backlog.accept(&[accepted(1, now)], None).unwrap();
    let backlog = Arc::new(backlog);
    let (register, logs) = (Register::default(), no_logs());
    register.set_backlog(Arc::<Backlog>::clone(&backlog));
    let purged = Remembered {
        id: push(now).id(),
        lane: LaneId::IOS,
        settlement: Settlement::of_ours(End::Failed, PURGED, String::new(), 0),
        at: now.unix,
    };
    let line = Marks {
        access: 0,
        error: 10,
    };
    register.enter(&mut vec![purged], line);
    let keep = || backlog.keep_purged(&register, &logs, Duration::ZERO);
    assert_eq!(keep(), Err("a push log takes no lines".to_owned()));
    assert_eq!(backlog.outstanding(), 1);
    register.written(None, Some(10));
    assert_eq!((keep(), backlog.outstanding()), (Ok(()), 0));
}

#[test]
fn what_cannot_be_read_is_a_warning() {
    let backlog = Backlog::default();
    let files = backlog.open_with_one_left();
    backlog.ready();
    assert_eq!(backlog.warning(), None);
    backlog.claim_in_vain(&files);
    let warning = backlog.warning().unwrap();
    assert!(warning.contains("outstanding cannot be read"), "{warning}");
    // Pushes are taken all the same.
    assert_eq!(backlog.trouble(), None);
}

#[test]
fn what_delivery_tells_is_there_after_an_end_in_order_and_after_a_kill() {
    let (files, now) = (MemoryFiles::default(), Moment::now());
    let backlog = backlog_in(&files);
    let accepted = accepted(6, now);
    backlog.accept(&[Arc::clone(&accepted)], None).unwrap();
    assert!(backlog.keeps());
    let mut pushes: Vec<Push> = Push::all(&accepted).collect();
    for (attempts, push) in (1..).zip(&mut pushes) {
        push.attempts = attempts;
    }
    let [tried, left, handed, succeeded, failed, expired] = &pushes[..] else {
        panic!("{pushes:?}");
    };
    backlog.note(tried, Waits::default(), now);
    backlog.release(left, Waits::default(), now);
    backlog.hand(&[handed.id()]);
    backlog.settle(&[
        (succeeded.id(), End::Succeeded),
        (failed.id(), End::Failed),
        (expired.id(), End::Expired),
    ]);
    // Those before it are written by the time that this is.
    backlog
        .keep_settled(Duration::from_secs(30))
        .unwrap()
        .unwrap();
    let found = |files: &MemoryFiles| {
        let (journal, recovered) = open_in(&files.reboot(Loss::Nothing));
        let fed = journal.feed(LaneId::IOS, 10).notifications;
        let of_each = fed.iter().flat_map(|found| {
            let attempts = found.pushes.iter();
            attempts.map(|(index, it)| (found.id(*index), it.attempts, it.maybe_sent))
        });
        (of_each.collect::<Vec<_>>(), recovered.expired)
    };
    let killed = found(&files);
    let _closed = backlog.close();
    let (ended, expired) = found(&files);
    let [tried, left, handed] = [tried, left, handed].map(Push::id);
    assert_eq!(
        ended,
        [(tried, 1, false), (left, 2, false), (handed, 0, true)]
    );
    assert_eq!((killed.1, expired), (1, 1));
    // What is left at the end alone is written at the end alone.
    assert_eq!(killed.0[0], ended[0]);
    assert_eq!(killed.0[2], ended[2]);
}

#[test]
fn what_is_scheduled_is_shown_with_its_time_and_cancelled_before_it_wherever_its_lane_is() {
    let (files, now) = (MemoryFiles::default(), Moment::now());
    let backlog = Arc::new(backlog_in(&files));
    let (register, logs) = (Arc::<Register>::default(), no_logs());
    register.set_backlog(Arc::<Backlog>::clone(&backlog));
    // One of the lanes is served, the other is not.
    let mut lanes = Lanes::of([LaneId::IOS, LaneId::ANDROID]);
    let served = idle_lane((LaneId::IOS, lanes.stats(LaneId::IOS)), 9, &logs, &register);
    lanes.serve(LaneId::IOS, Some(Arc::clone(&served)));
    let rung = Arc::new(AtomicBool::default());
    let bell = Arc::clone(&rung);
    backlog.on_scheduled(move || bell.store(true, Ordering::SeqCst));
    backlog.accept(&[accepted(1, now)], None).unwrap();
    assert!(!rung.load(Ordering::SeqCst));
    let all = [
        ((LaneId::IOS, 10, 3), "sale"),
        ((LaneId::ANDROID, 20, 2), "sale"),
        ((LaneId::IOS, 30, 1), "offer"),
        ((LaneId::ANDROID, 40, 1), "offer"),
    ];
    let all = all.map(|(of, name)| scheduled(of, name, 1000, now));
    backlog.accept(&all, None).unwrap();
    assert!(
        backlog.withdraw(PushId(30)).is_none(),
        "its caller does not know of it"
    );
    backlog.release_scheduled(&all);
    assert!(rung.load(Ordering::SeqCst), "who sleeps is woken");
    let whereabouts = Whereabouts {
        lanes: Arc::new(Live::new(lanes)),
        register: Arc::clone(&register),
        backlog: Arc::clone(&backlog),
        logs,
    };
    let at = later(now, 1000).unix.as_secs();
    let shown = |id| match whereabouts.of(PushId(id), now) {
        PushState::Scheduled { lane, at } => Some((lane, at.as_secs())),
        _ => None,
    };
    assert_eq!(shown(11), Some((LaneId::IOS, at)));
    assert_eq!(shown(20), Some((LaneId::ANDROID, at)));
    let due = whereabouts.of(PushId(11), later(now, 1000));
    assert_eq!(due, PushState::Queued { lane: LaneId::IOS });
    for id in [11, 20] {
        assert_eq!(whereabouts.purge_push(PushId(id)).unwrap().pushes, 1);
        let PushState::Settled(ending) = whereabouts.of(PushId(id), now) else {
            panic!("{id} has not ended");
        };
        assert_eq!((&*ending.reason, ending.end), (PURGED, "failed"));
        let again = whereabouts.purge_push(PushId(id)).unwrap_err();
        assert!(matches!(again, PushState::Settled(_)), "{again:?}");
    }
    let (apps, others) = ([Box::from("")], [Box::from("shop")]);
    assert_eq!(whereabouts.purge("sale", Some(&others)).unwrap().pushes, 0);
    let purged = whereabouts.purge("sale", Some(&apps)).unwrap();
    assert_eq!((purged.pushes, purged.misses_scheduled), (3, false));
    assert_eq!(backlog.scheduled(LaneId::IOS).0, 1);
    // What cannot be read is told, and stays.
    files.set_read_fault(Some(ReadFault::Fails(0..u64::MAX)));
    assert!(whereabouts.purge("offer", None).unwrap().misses_scheduled);
    assert!(whereabouts.purge_push(PushId(30)).is_err());
    files.set_read_fault(None);
    // Of what was cancelled nothing comes, nor does it come back.
    let fed = |backlog: &Backlog| {
        let fed = LaneId::DEFAULT_APP.map(|lane| backlog.claim_due(lane, 9, later(now, 1000)));
        fed.map(|fed| {
            fed.notifications
                .iter()
                .map(|of| of.first_id.0)
                .sum::<u64>()
        })
    };
    let _closed = backlog.close();
    assert_eq!(fed(&backlog_in(&files.reboot(Loss::Nothing))), [30, 40]);
    assert_eq!(served.lane.room().outstanding(), 0);
    // What comes to a lane after a purge has begun is not meant.
    let room = served.lane.room().reserve(1).unwrap();
    let mut come = now;
    come.monotonic += Duration::from_millis(1);
    served.lane.enqueue(room, vec![push(come)]);
    assert_eq!(
        [now, come].map(|at| served.purge().run("", SoFar { at, ids: None })),
        [0, 1]
    );
}

#[test]
fn a_purge_means_what_a_lane_that_is_put_away_has_still_to_leave_here() {
    let (lane, now) = (LaneId::IOS, Moment::now());
    let backlog = Arc::new(backlog_in(&MemoryFiles::default()));
    let (register, logs) = (Arc::<Register>::default(), no_logs());
    register.set_backlog(Arc::<Backlog>::clone(&backlog));
    let mut lanes = Lanes::of([lane]);
    let running = idle_lane((lane, lanes.stats(lane)), 1, &logs, &register);
    backlog.accept(&[accepted(1, now)], None).unwrap();
    let room = running.lane.room().reserve(1).unwrap();
    running.lane.enqueue(room, vec![push(now)]);
    lanes.serve(lane, Some(Arc::clone(&running)));
    lanes.let_finish(lane);
    let lanes = Arc::new(Live::new(lanes));
    let whereabouts = Whereabouts {
        lanes: Arc::clone(&lanes),
        register,
        backlog: Arc::clone(&backlog),
        logs,
    };
    running.lane.stop();
    assert_eq!(backlog.unclaimed(lane), 0, "they are on their way");
    // The name of pushes whose caller gave them none.
    assert_eq!(whereabouts.purge("", None).unwrap().pushes, 0);
    running_lane::end_all(std::iter::once(&running));
    assert!(backlog.claim_again(&[lane]));
    lanes.set(Lanes::of([lane]));
    assert_eq!(backlog.unclaimed(lane), 1);
    assert!(backlog.called_off.lock().has(&push(now)));
    // When no more can be remembered for those of a disabled platform, that is said.
    assert!(!whereabouts.purge("sale", None).unwrap().misses_disabled);
    backlog.call_off_as_many_as_it_may();
    let purged = whereabouts.purge("one more", None).unwrap();
    assert!(purged.misses_disabled);
    assert!(
        !whereabouts.purge("", None).unwrap().misses_disabled,
        "it is known"
    );
    // Pushes of a lane that is served come by themselves, so that it may be asked again.
    let known = (lane, lanes.get().stats(lane));
    let served = idle_lane(known, 1, &whereabouts.logs, &whereabouts.register);
    let mut serving = Lanes::of([lane]);
    serving.serve(lane, Some(served));
    lanes.set(serving);
    assert!(whereabouts.purge("one more", None).is_err());
    // Nothing is left to be read, so that nothing is to be remembered.
    assert_eq!(backlog.claim(lane, 1).notifications.len(), 1);
    let purged = whereabouts.purge("one more", None).unwrap();
    assert_eq!((purged.misses_disabled, purged.unread), (false, 0));
    // Some may come late, or not at all.
    assert!(!backlog.called_off.lock().has(&push(now)));
    backlog.leave_uncounted();
    assert!(whereabouts.purge("", None).is_ok());
    assert!(backlog.called_off.lock().has(&push(now)));
}
