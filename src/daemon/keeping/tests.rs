use super::*;
use crate::api::idempotency::Keyed;
use crate::config::{Config, Environment, Overrides};
use crate::delivery::outcome::Settlement;
use crate::delivery::reasons::PURGED;
use crate::delivery::register::{Marks, Remembered};
use crate::journal::fixture::{Loss, MemoryFiles, ReadFault};
use crate::log::Destination;
use crate::provider;
use crate::push::{Content, DeviceToken, Notification};

fn accepted(now: Moment) -> Arc<Accepted> {
    Arc::new(provider::accept(
        &Notification::empty(LaneId::IOS),
        Content::default(),
        [DeviceToken::new("ab")],
        PushId(7),
        now,
    ))
}

fn push(now: Moment) -> Push {
    Push::nth(&accepted(now), 0).unwrap()
}

#[test]
fn an_answer_has_its_owner_again_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let open = || {
        let lock = Journal::take_over(&*files(), directory.path()).unwrap();
        let settings = journal::Settings::new(directory.path());
        Journal::open_taken(files(), lock, settings, Moment::now()).unwrap()
    };
    let now = Moment::now();
    let owners = [None, Some(KeyOwner([1; 8])), Some(KeyOwner(*b"{\"messag"))];
    let keeping = Keeping::default();
    keeping.ready(Some(Arc::new(open().0)));
    let given = owners.map(|owner| Answered {
        key: format!("{owner:?}").into(),
        body: BodyHash([7; 32]),
        owner,
        answer: b"{\"message\":\"ok\"}\n".as_slice().into(),
        at: now.unix,
    });
    for Answered {
        key,
        body,
        owner,
        answer,
        at,
    } in &given
    {
        let (body, owner) = (*body, *owner);
        let keyed = Keyed { key, body, owner };
        let kept = Kept { keyed, answer };
        let accepted = [accepted(now)];
        keeping.record(&accepted, Some(kept), *at).unwrap();
    }
    drop(keeping);
    let found = open().1.answers.into_iter().map(answered);
    let mut found: Vec<_> = found.collect();
    found.sort_by_key(|answered| given.iter().position(|given| given.key == answered.key));
    assert_eq!(found, given);
}

/// The journal in these files, and what the last process has left in it.
fn open_in(files: &MemoryFiles) -> (Arc<Journal>, Recovered) {
    let mut settings = journal::Settings::new("/journal");
    settings.reserve_bytes = 0;
    let opened = Journal::open(Arc::new(files.clone()), settings, Moment::now());
    let (journal, recovered) = opened.unwrap();
    (Arc::new(journal), recovered)
}

fn keeping_in(files: &MemoryFiles) -> Keeping {
    let keeping = Keeping::default();
    keeping.ready(Some(open_in(files).0));
    keeping
}

#[test]
fn no_push_is_looked_at_before_the_journal_is_read() {
    let keeping = Keeping::default();
    let why = "recovering: the journal is being read";
    assert_eq!(keeping.is_not_ready(), Some(why));
    assert_eq!(keeping.trouble().as_deref(), Some(why));
    keeping.ready(None);
    for keeping in [keeping, keeping_in(&MemoryFiles::default())] {
        assert_eq!(keeping.is_not_ready(), None);
        assert_eq!(keeping.trouble(), None);
        assert_eq!(keeping.warning(), None);
        assert!(!keeping.has_failed());
        assert_eq!(keeping.unfed(LaneId::IOS), 0);
        assert_eq!(keeping.keeps(), keeping.journal().is_some());
    }
}

#[test]
fn what_is_wrong_with_the_journal_is_said_and_a_failed_sync_is_for_good() {
    let (files, now) = (MemoryFiles::default(), Moment::now());
    let (register, logs) = (Register::default(), no_logs());
    let record = |keeping: &Keeping| keeping.record(&[accepted(now)], None, now.unix);
    let keeping = keeping_in(&files);
    record(&keeping).unwrap();
    let purged = keeping.keep_purged(&register, &logs, LINES_KEPT_WITHIN);
    assert_eq!((keeping.trouble(), purged), (None, Ok(())));
    files.fail_syncs(true);
    // No note can be left of it either.
    assert!(record(&keeping).unwrap_err().is_unknown);
    let trouble = keeping.trouble().unwrap();
    assert_eq!(
        keeping.keep_purged(&register, &logs, LINES_KEPT_WITHIN),
        Err(trouble)
    );
    assert!(keeping.has_failed() && keeping.keeps());
    assert!(keeping.set_notes_handed(true).is_err());

    let files = MemoryFiles::default();
    let keeping = keeping_in(&files);
    files.set_capacity(Some(files.used()));
    let refused = record(&keeping).unwrap_err();
    let trouble = keeping.trouble().unwrap();
    assert!(trouble.contains("/journal is full"), "{trouble}");
    assert_eq!((refused.why, refused.is_unknown), (trouble, false));
    assert!(!keeping.has_failed() && keeping.keeps());
}

fn no_logs() -> Logs {
    let nowhere = Destination::named("discard");
    Logs::open(&nowhere, &nowhere, &nowhere).unwrap()
}

#[test]
fn what_was_purged_is_kept_once_its_line_is_written() {
    let (files, now) = (MemoryFiles::default(), Moment::now());
    let keeping = keeping_in(&files);
    keeping.record(&[accepted(now)], None, now.unix).unwrap();
    let journal = keeping.journal().unwrap();
    let (register, logs) = (Register::default(), no_logs());
    register.set_journal(Box::new(JournalKeeper(Arc::clone(journal))));
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
    let keep = || keeping.keep_purged(&register, &logs, Duration::ZERO);
    assert_eq!(keep(), Err("a push log takes no lines".to_owned()));
    assert_eq!(journal.outstanding(), 1);
    register.written(None, Some(10));
    assert_eq!((keep(), journal.outstanding()), (Ok(()), 0));
}

#[test]
fn what_cannot_be_read_is_a_warning() {
    let (files, now) = (MemoryFiles::default(), Moment::now());
    keeping_in(&files)
        .record(&[accepted(now)], None, now.unix)
        .unwrap();
    let keeping = keeping_in(&files.reboot(Loss::Nothing));
    assert_eq!(keeping.warning(), None);
    drop(keeping);
    let files = files.reboot(Loss::Nothing);
    let keeping = keeping_in(&files);
    files.set_read_fault(Some(ReadFault::Fails(0..u64::MAX)));
    let journal = keeping.journal().unwrap();
    assert!(journal.feed(LaneId::IOS, 1).notifications.is_empty());
    let warning = keeping.warning().unwrap();
    assert!(warning.contains("outstanding cannot be read"), "{warning}");
    // Pushes are taken all the same.
    assert_eq!(keeping.trouble(), None);
}

#[test]
fn what_delivery_tells_is_there_after_an_end_in_order_and_after_a_kill() {
    let (files, now) = (MemoryFiles::default(), Moment::now());
    let (journal, _) = open_in(&files);
    let accepted = Accepted {
        tokens: ["ab"; 6].map(DeviceToken::new).into(),
        ..Arc::into_inner(accepted(now)).unwrap()
    };
    journal.append([&accepted], None).unwrap();
    let accepted = Arc::new(accepted);
    let keeper = JournalKeeper(Arc::clone(&journal));
    assert!(keeper.keeps());
    let mut pushes: Vec<Push> = Push::all(&accepted).collect();
    for (attempts, push) in (1..).zip(&mut pushes) {
        push.attempts = attempts;
    }
    let [tried, left, handed, succeeded, failed, expired] = &pushes[..] else {
        panic!("{pushes:?}");
    };
    keeper.tried(tried, Waits::default(), now);
    keeper.left(left, Waits::default(), now);
    keeper.handed(&[handed.id()]);
    keeper.settled(&[
        (succeeded.id(), End::Succeeded),
        (failed.id(), End::Failed),
        (expired.id(), End::Expired),
    ]);
    // Those before it are written by the time that this is.
    journal
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
    let _closed = journal.close();
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
fn the_journal_is_kept_as_the_configuration_says() {
    let platforms =
        "[ios]\npem_cert_path = 'c.pem'\npem_key_path = 'k.pem'\n[android]\nenabled = false\n";
    let of = |core: &str, sync: &str| {
        let journal = format!("dir = '/j'\nsync = '{sync}'\nsegment_bytes = 70000\n");
        let text = format!("[core]\n{core}\n[journal]\n{journal}{platforms}");
        let environment = Environment::read();
        let parsed = Config::parse("", &text, Overrides::default(), &environment);
        let config = parsed.unwrap().0;
        settings(Path::new("/k"), &config.journal.unwrap(), &config.core)
    };
    let kept = of("node = 7", "interval");
    assert_eq!(kept.dir, Path::new("/k"));
    assert_eq!(
        (kept.node.to_string(), kept.segment_bytes),
        ("7".to_owned(), 70_000)
    );
    assert_eq!(
        (kept.sync, kept.notes_handed),
        (SyncPolicy::Interval, false)
    );
    let kept = of("resend_unknown = false", "group");
    assert_eq!((kept.sync, kept.notes_handed), (SyncPolicy::Group, true));
}
