use std::collections::BTreeSet;
use std::os::unix::fs::symlink;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::journal::fixture::{Loss, MemoryFiles, Part};

/// An id that was made from the clock, before there were nodes.
const FROM_THE_CLOCK: u64 = 3_590_674_593_201_187;

fn node(number: u16) -> Node {
    Node::new(number).unwrap()
}

/// A process that gives ids one by one.
struct Process {
    numbering: Numbering,
}

impl Process {
    fn try_start(dir: &TempDir, number: u16, high_water: u64) -> Result<Self, StartError> {
        let (state, high_water) = (Some(dir.path()), PushId(high_water));
        let numbering = Numbering::begin(state, node(number), high_water, Moment::now())?;
        Ok(Self { numbering })
    }

    fn start(dir: &TempDir, number: u16) -> Self {
        Self::try_start(dir, number, 0).unwrap()
    }

    fn take(&mut self) -> u64 {
        if self.numbering.block.is_empty() {
            self.numbering.block = (self.numbering.more)(1).unwrap();
        }
        self.numbering.block.next().unwrap()
    }

    /// More than it has reserved so far.
    fn take_many(&mut self) -> Vec<u64> {
        (0..3 * BLOCK_MIN).map(|_| self.take()).collect()
    }

    fn name_of(&self, id: u64) -> [u8; 36] {
        self.numbering.apns_ids.of(PushId(id))
    }
}

fn file(dir: &TempDir) -> PathBuf {
    dir.path().join(IDS)
}

#[test]
fn ids_go_on_over_restarts_and_so_do_the_names_of_pushes() {
    let dir = tempfile::tempdir().unwrap();
    let mut first = Process::start(&dir, 7);
    let given = first.take_many();
    assert!(given.iter().all(|id| node(7).ids().contains(id)));
    assert!(given.windows(2).all(|two| two[0] + 1 == two[1]));
    // Killed: it has told nobody.
    let mut second = Process::start(&dir, 7);
    let next = second.take();
    let last = *given.last().unwrap();
    assert!(next > last && next - last <= 4 * BLOCK_MIN, "{last} {next}");
    for id in [given[0], last, next] {
        assert_eq!(first.name_of(id), second.name_of(id));
        assert!(!first.name_of(id).starts_with(b"73746572"));
    }
}

#[test]
fn another_directory_has_other_ids_and_other_names_for_the_same_ones() {
    let dirs = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let mut processes = dirs.each_ref().map(|dir| Process::start(dir, 0));
    let [ours, theirs] = &mut processes;
    let id = ours.take();
    assert_ne!(id, theirs.take());
    let reserved: BTreeSet<_> = [ours.name_of(id), theirs.name_of(id)].into();
    assert_eq!(reserved.len(), 2);
}

#[test]
fn two_processes_of_one_directory_give_no_id_twice() {
    let dir = tempfile::tempdir().unwrap();
    let mut processes = [Process::start(&dir, 0), Process::start(&dir, 0)];
    let mut given = BTreeSet::new();
    for _ in 0..2 {
        for process in &mut processes {
            assert!(process.take_many().into_iter().all(|id| given.insert(id)));
        }
    }
}

#[test]
fn a_node_that_comes_back_goes_on_where_it_was_and_all_keep_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let mut given = BTreeSet::new();
    let mut names = Vec::new();
    for number in [5, 3, 5, 0, 3] {
        let mut process = Process::start(&dir, number);
        let id = process.take();
        assert_eq!(PushId(id).node(), node(number));
        assert!(given.insert(id), "{id}");
        names.push((id, process.name_of(id)));
        for (id, name) in &names {
            assert_eq!(process.name_of(*id), *name);
        }
    }
}

#[test]
fn ids_of_others_and_of_before_move_no_counter() {
    let dir = tempfile::tempdir().unwrap();
    for high_water in [FROM_THE_CLOCK, node(1).ids().start, 7, u64::MAX] {
        let mut process = Process::try_start(&dir, 0, high_water).unwrap();
        let id = process.take();
        assert!(node(0).ids().contains(&id), "{id}");
        // What the former build has accepted keeps the name that it had.
        assert!(
            process
                .name_of(FROM_THE_CLOCK)
                .starts_with(b"73746572-6e61-8")
        );
    }
}

#[test]
fn ids_of_before_that_look_like_a_nodes_own_are_stepped_over() {
    let dir = tempfile::tempdir().unwrap();
    let number = PushId(FROM_THE_CLOCK).node().number();
    let mut process = Process::try_start(&dir, number, FROM_THE_CLOCK).unwrap();
    let id = process.take();
    assert!(id > FROM_THE_CLOCK && PushId(id).node().number() == number);
    assert!(
        process
            .name_of(FROM_THE_CLOCK)
            .starts_with(b"73746572-6e61-8")
    );
    assert!(!process.name_of(id).starts_with(b"73746572-6e61-8"));
}

#[test]
fn a_file_that_is_lost_spoilt_or_older_than_the_journal_repeats_no_id() {
    let spoil: [fn(&TempDir); 4] = [
        |dir| fs::remove_file(file(dir)).unwrap(),
        |dir| fs::write(file(dir), "").unwrap(),
        |dir| fs::write(file(dir), vec![0; 100]).unwrap(),
        |dir| fs::write(file(dir), "x".repeat(2 * BOOK_MAX)).unwrap(),
    ];
    for spoil in spoil {
        let dir = tempfile::tempdir().unwrap();
        let last = Process::start(&dir, 0).take();
        spoil(&dir);
        let is_there = file(&dir).exists();
        let mut next = Process::try_start(&dir, 0, last).unwrap();
        assert!(next.take() > last);
        assert_eq!(dir.path().join(ASIDE).exists(), is_there);
    }
    // A copy of some time ago.
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::start(&dir, 0);
    let copy = fs::read(file(&dir)).unwrap();
    let last = *process.take_many().last().unwrap();
    fs::write(file(&dir), copy).unwrap();
    let mut next = Process::try_start(&dir, 0, last).unwrap();
    let id = next.take();
    assert!(id > last);
    assert_eq!(
        next.name_of(id),
        process.name_of(id),
        "it has the same bits"
    );
}

#[test]
fn a_node_whose_ids_are_used_up_gives_none_and_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let end = node(4).ids().end;
    let mut last = Process::try_start(&dir, 4, end - BEYOND_JOURNAL - 3).unwrap();
    assert_eq!([last.take(), last.take()], [end - 2, end - 1]);
    for _ in 0..2 {
        let refused = (last.numbering.more)(1).unwrap_err();
        assert!(refused.contains("core.node = 4 are used up"), "{refused}");
    }
    for (number, high_water) in [(4, 0), (4, end - 1), (6, node(6).ids().end - 1)] {
        let error = Process::try_start(&dir, number, high_water).err().unwrap();
        assert_eq!(error.kind, StartErrorKind::Config);
        assert!(
            error.to_string().contains("a number that none has had"),
            "{error}"
        );
    }
    // It is the number that is used up, not the directory.
    assert!(Process::try_start(&dir, 5, 0).is_ok());
}

#[test]
fn without_a_word_of_before_a_run_begins_at_random() {
    let begun = [(); 8].map(|()| {
        let dir = tempfile::tempdir().unwrap();
        Process::start(&dir, 0).take()
    });
    let apart: BTreeSet<_> = begun.map(|id| id / BLOCK_MAX).into();
    assert_eq!(apart.len(), begun.len(), "{begun:?}");
}

#[test]
fn a_file_of_a_later_version_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(file(&dir), "sterna ids 2\nwho knows\n").unwrap();
    let error = Process::try_start(&dir, 0, 0).err().unwrap();
    assert_eq!(error.kind, StartErrorKind::Config);
    assert!(error.to_string().contains("later version"), "{error}");
    let text = fs::read_to_string(file(&dir)).unwrap();
    assert_eq!(text, "sterna ids 2\nwho knows\n");
}

#[test]
fn what_is_no_plain_file_is_neither_followed_nor_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let elsewhere = dir.path().join("elsewhere");
    fs::write(&elsewhere, "a letter").unwrap();
    for name in [IDS, LOCK] {
        let dir = tempfile::tempdir().unwrap();
        symlink(&elsewhere, dir.path().join(name)).unwrap();
        let error = Process::try_start(&dir, 0, 0).err().unwrap();
        assert!(error.to_string().contains(name), "{error}");
    }
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "a letter");
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(file(&dir)).unwrap();
    assert!(Process::try_start(&dir, 0, 0).is_err());
}

#[test]
fn what_happens_to_the_file_meanwhile_repeats_no_id() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::start(&dir, 0);
    let mut given: BTreeSet<_> = process.take_many().into_iter().collect();
    fs::remove_file(file(&dir)).unwrap();
    given.extend(process.take_many());
    fs::write(file(&dir), "spoilt").unwrap();
    given.extend(process.take_many());
    assert_eq!(given.len() as u64, 9 * BLOCK_MIN);
    let next = Process::start(&dir, 0).take();
    assert!(next > *given.last().unwrap());

    // Another one's in its place: its ids and names are not ours.
    let other = tempfile::tempdir().unwrap();
    drop(Process::start(&other, 0));
    fs::copy(file(&other), file(&dir)).unwrap();
    let refused = (process.numbering.more)(1).unwrap_err();
    assert!(refused.contains("another state directory"), "{refused}");
}

#[test]
fn ids_that_cannot_be_reserved_are_not_given_and_asked_for_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::start(&dir, 0);
    let last = process.take_many().pop().unwrap();
    // Nothing takes a directory's place.
    fs::remove_file(file(&dir)).unwrap();
    fs::create_dir(file(&dir)).unwrap();
    let refused = (process.numbering.more)(1).unwrap_err();
    assert!(
        refused.starts_with("no push ids can be reserved in "),
        "{refused}"
    );
    fs::remove_dir(file(&dir)).unwrap();
    let block = (process.numbering.more)(1).unwrap();
    assert!(block.start > last);
}

#[test]
fn a_block_is_on_the_disk_before_an_id_of_it_is_given() {
    let dir = tempfile::tempdir().unwrap();
    let begin = || {
        let files = MemoryFiles::default();
        let on = Box::new(files.clone());
        let numbering = Numbering::of_directory(on, dir.path(), node(0), PushId(0));
        (files, numbering.unwrap())
    };
    // Where ids go on after a power failure.
    let next = |files: &MemoryFiles, loss| {
        let content = files.reboot(loss).content(&file(&dir));
        parse(&content).unwrap().next(node(0)).unwrap()
    };
    let losses = (0..20).map(Loss::Torn).chain([Loss::Unsynced]);
    for (change, goes_off) in (0..8).flat_map(|change| [(change, true), (change, false)]) {
        let (files, mut process) = begin();
        let mut given = process.block.end;
        for loss in losses.clone() {
            assert_eq!(next(&files, loss), given, "{loss:?}");
        }
        // It goes off in the middle of a change, which fails alone otherwise, or behind the last.
        let at = files.operations() + change;
        if goes_off {
            files.power_off_at(at);
        } else {
            files.break_changes(at..at + 1, Part::Nothing);
        }
        let more = (process.more)(1);
        assert_eq!(more.is_ok(), change > 5, "{change}: {more:?}");
        given = more.map_or(given, |block| block.end);
        for loss in losses.clone() {
            assert!(next(&files, loss) >= given, "{change} {loss:?}");
        }
    }
}

#[test]
fn blocks_grow_with_what_is_given_and_hold_what_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut process = Process::start(&dir, 0);
    let mut len = |least| {
        let block = (process.numbering.more)(least).unwrap();
        block.end - block.start
    };
    let lens = [1, 1, 1, 1].map(&mut len);
    assert_eq!(lens, [1, 2, 4, 8].map(|times| times * BLOCK_MIN));
    assert_eq!(len(3 * BLOCK_MAX), 3 * BLOCK_MAX);
    assert_eq!(len(1), BLOCK_MAX);
}

#[test]
fn a_process_that_holds_the_file_is_not_waited_for_without_end() {
    let dir = tempfile::tempdir().unwrap();
    let short = Duration::from_millis(20);
    let held = lock(dir.path(), short).unwrap();
    let error = lock(dir.path(), short).unwrap_err();
    assert!(error.to_string().contains("another process holds ids.lock"));
    drop(held);
    assert!(lock(dir.path(), short).is_ok());
}

#[test]
fn who_gives_no_ids_names_pushes_as_their_daemon_does() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(apns_ids(dir.path(), node(5)), ApnsIds::NONE);
    let mut process = Process::start(&dir, 5);
    let id = process.take();
    // Whatever number it has itself.
    for number in [5, 6] {
        let known = apns_ids(dir.path(), node(number));
        assert_eq!(known.of(PushId(id)), process.name_of(id));
    }
    fs::write(file(&dir), "spoilt").unwrap();
    assert_eq!(apns_ids(dir.path(), node(5)), ApnsIds::NONE);
    assert_eq!(fs::read_to_string(file(&dir)).unwrap(), "spoilt");
    fs::remove_file(file(&dir)).unwrap();
    fs::create_dir(file(&dir)).unwrap();
    assert_eq!(apns_ids(dir.path(), node(5)), ApnsIds::NONE);
}

#[test]
fn without_a_directory_ids_begin_at_a_place_made_from_the_clock() {
    let begin = |unix: Duration| {
        let now = Moment {
            unix,
            ..Moment::now()
        };
        Numbering::begin(None, node(9), PushId(0), now).unwrap()
    };
    let at = Duration::from_secs(1_795_000_000);
    let first = begin(at);
    let mut later = begin(at + Duration::from_millis(10));
    assert!(later.block.start - first.block.start > 1000);
    assert!(node(9).ids().contains(&later.block.start));
    assert!((later.more)(1).unwrap_err().contains("used up"));
    // Each process has bits of its own.
    let id = PushId(later.block.start);
    assert_ne!(first.apns_ids.of(id), later.apns_ids.of(id));
}

proptest! {
    #[test]
    fn no_clock_makes_a_place_from_which_there_is_not_far_to_go(unix: u64, nanos in 0..999_999_999_u32) {
        let ids = node(1023).ids();
        let first = ids.start + place_of(Duration::new(unix, nanos));
        prop_assert!(first < ids.end && ids.end - first > 1 << 41);
    }
}
