//! Files that are removed, moved or replaced under a journal, while it runs and before it starts.

use std::path::{Path, PathBuf};

use super::script::{Ledger, Operation, journal, open, outstanding, run, settings};
use crate::journal::batch::Group;
use crate::journal::fixture::{Loss, MemoryFiles, accepted, at};
use crate::journal::store::{Store, StoreTrouble};
use crate::journal::{Files as _, Refused, State, segment};

fn path(name: &str) -> PathBuf {
    Path::new("/journal").join(name)
}

fn nth(number: u32) -> PathBuf {
    path(&segment::name(number))
}

/// Two segments, of which the second one is not complete.
fn carrying() -> (MemoryFiles, Store) {
    let files = MemoryFiles::default();
    let script = [Operation::Append(vec![1, 2, 3]), Operation::Sync];
    let script: Vec<_> = script.iter().cycle().take(2 * 12).cloned().collect();
    run(&files, &script, &mut Ledger::default());
    let (mut store, _) = open(&files).unwrap();
    store.rotate().unwrap();
    store.carry(300, at(0).unix).unwrap();
    store.sync().unwrap();
    assert!(store.is_carrying());
    assert_eq!(files.paths(), [nth(1), nth(2)]);
    (files, store)
}

#[test]
fn a_file_that_is_gone_ends_the_journal_and_is_named() {
    for gone in [1, 2] {
        let (files, mut store) = carrying();
        assert_eq!(store.look(), Ok(()));
        files.remove(&nth(gone)).unwrap();
        let trouble = store.look().unwrap_err();
        let said = format!("{} was removed while it was in use", nth(gone).display());
        assert_eq!(trouble, StoreTrouble::Gone(said));
        assert_eq!(store.look(), Err(trouble.clone()), "for good");
        let before = files.operations();
        let mut batch = store.batch();
        batch.add(&Group::of(&[accepted(1 << 40, 1)], None).unwrap());
        let failure = store.write(batch, at(0).unix).unwrap_err();
        assert_eq!(failure.trouble, trouble);
        assert_eq!(files.operations(), before, "nothing is written");
    }
}

#[test]
fn a_file_or_a_directory_that_was_moved_or_replaced_ends_the_journal_and_is_kept() {
    type Change = fn(&MemoryFiles);
    let moves: [(&str, Change); 4] = [
        ("/journal/0000000001.journal", |files| {
            files.rename(&nth(1), &path("1.old")).unwrap();
        }),
        ("/journal/0000000002.journal", |files| {
            files.rename(&nth(2), &path("2.old")).unwrap();
        }),
        ("/journal/0000000002.journal", |files| {
            files.rename(&nth(2), &path("2.old")).unwrap();
            files.put(&nth(2), Vec::new());
        }),
        ("/journal", MemoryFiles::replace_dir),
    ];
    for (named, change) in moves {
        let (files, mut store) = carrying();
        change(&files);
        let Err(StoreTrouble::Failed(said)) = store.look() else {
            unreachable!("{named} is not missed");
        };
        let expected = format!("{named} was moved away or replaced while it was in use: ");
        assert!(said.starts_with(&expected), "{said}");
    }
}

#[test]
fn a_damaged_segment_that_is_kept_aside_is_not_missed() {
    let (files, mut store) = carrying();
    files.rename(&nth(1), &path(&segment::aside(1))).unwrap();
    assert_eq!(store.look(), Ok(()));
}

#[test]
fn where_nobody_can_tell_which_file_is_which_nothing_is_missed() {
    let files = MemoryFiles::default();
    files.be_vague();
    let (mut store, _) = open(&files).unwrap();
    let mut batch = store.batch();
    batch.add(&Group::of([&accepted(1, 1)], None).unwrap());
    store.write(batch, at(0).unix).unwrap();
    assert_eq!((store.look(), store.sync()), (Ok(()), Ok(())));
    files.remove(&nth(1)).unwrap();
    assert_eq!(store.look(), Ok(()));
}

#[test]
fn what_was_synced_into_a_file_that_is_gone_is_not_answered() {
    let files = MemoryFiles::default();
    let (journal, _) = journal(&files, settings());
    journal.append([&accepted(1, 2)], None).unwrap();
    files.remove(&nth(1)).unwrap();
    let refused = journal.append([&accepted(10, 1)], None).unwrap_err();
    let Refused { state, is_unknown } = &refused;
    assert!(
        matches!(state, State::Gone { .. }) && !is_unknown,
        "{refused:?}"
    );
    let said = refused.to_string();
    assert!(
        said.contains("0000000001.journal was removed while it"),
        "{said}"
    );
    assert!(state.is_fatal() && !journal.keeps());
    assert_eq!(journal.state(), *state, "before and after it is closed");
    journal.close();
    assert_eq!(journal.state(), *state);
}

/// What reading finds damaged, and what is still outstanding.
fn damaged(files: &MemoryFiles) -> (Vec<PathBuf>, usize) {
    let (found, recovered) = outstanding(files);
    assert_eq!(recovered.damaged, recovered.damage.len() as u64);
    let paths = recovered.damage.into_iter().map(|damage| damage.path);
    (paths.collect(), found.len())
}

#[test]
fn a_segment_that_is_needed_and_missing_or_empty_is_damage_and_no_obstacle() {
    let (whole, store) = carrying();
    drop(store);
    let (told, all) = damaged(&whole);
    assert!(told.is_empty());
    let head = segment::head(1, 1).to_vec();
    for rest in [None, Some(Vec::new()), Some(b"st".to_vec()), Some(head)] {
        let files = whole.reboot(Loss::Nothing);
        files.remove(&nth(1)).unwrap();
        if let Some(rest) = &rest {
            files.put(&nth(1), rest.clone());
        }
        let (told, left) = damaged(&files);
        assert_eq!(told, [nth(1)], "{rest:?}");
        assert!(left < all, "{left}");
        // The start takes what is left, and does not need it any more when that is carried.
        let (mut store, recovered) = open(&files).unwrap();
        assert_eq!(recovered.damaged, 1);
        let said = recovered.damage[0].to_string();
        assert!(said.contains("0000000001.journal is "), "{said}");
        while store.is_carrying() {
            store.carry(300, at(0).unix).unwrap();
        }
        drop(store);
        assert_eq!(damaged(&files), (Vec::new(), left));
    }
}

#[test]
fn a_segment_whose_begin_a_crash_has_interrupted_is_no_damage_unless_it_is_empty() {
    let (whole, store) = carrying();
    drop(store);
    let before = damaged(&whole);
    let begun = segment::head(3, 1).to_vec();
    for rest in [Vec::new(), begun[..7].to_vec(), begun] {
        let files = whole.reboot(Loss::Nothing);
        let told = if rest.is_empty() {
            vec![nth(3)]
        } else {
            Vec::new()
        };
        files.put(&nth(3), rest);
        let found = (told, before.1);
        assert_eq!(damaged(&files), found);
        drop(open(&files).unwrap());
        assert_eq!(damaged(&files), found);
    }
    // Nor is one that is kept aside because it is damaged.
    let files = whole.reboot(Loss::Nothing);
    files.rename(&nth(1), &path(&segment::aside(1))).unwrap();
    assert!(damaged(&files).0.is_empty());
}

#[test]
fn an_empty_segment_without_any_other_is_damage() {
    for (number, rest) in [(1, ""), (7, ""), (7, "st")] {
        let files = MemoryFiles::default();
        files.put(&nth(number), rest.into());
        let (store, recovered) = open(&files).unwrap();
        let told: Vec<_> = recovered.damage.iter().map(|damage| &damage.path).collect();
        assert_eq!(told, [&nth(number)]);
        drop(store);
        assert!(damaged(&files).0.is_empty(), "told once");
    }
}
