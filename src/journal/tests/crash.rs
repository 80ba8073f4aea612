//! Whatever happens when: what was durable and not settled is there, and nothing else.

use proptest::prelude::*;

use super::script::{Ledger, Operation, open, operations, outstanding, run};
use crate::journal::fixture::{Loss, MemoryFiles};

/// Fills some segments: rotations begin, are interrupted, and end.
fn long_script() -> Vec<Operation> {
    let mut script = Vec::new();
    for round in 0..24 {
        script.push(Operation::Append(vec![1 + round % 3, 2, 1]));
        script.push(Operation::Append(vec![1]));
        if round % 3 > 0 {
            script.push(Operation::Sync);
        }
        script.push(Operation::Settle(2 + round % 2));
        script.push(Operation::Carry);
        script.push(Operation::Carry);
        script.push(Operation::Leave(3));
        script.push(Operation::Carry);
        if round % 7 == 6 {
            script.push(Operation::Restart);
        }
    }
    script
}

fn after_each_loss(files: &MemoryFiles, ledger: &Ledger, torn: std::ops::Range<u64>) {
    let losses = [Loss::Nothing, Loss::Unsynced];
    for loss in losses.into_iter().chain(torn.map(Loss::Torn)) {
        let rebooted = files.reboot(loss);
        if rebooted.paths().is_empty() {
            assert!(ledger.durable.is_empty(), "all is gone");
            continue;
        }
        ledger.check(&rebooted);
        if !matches!(loss, Loss::Torn(_)) {
            // An ordinary crash is no damage.
            assert_eq!(outstanding(&rebooted).1.damage, [], "{loss:?}");
        }
        // Taking it over changes nothing about that, nor does a second time.
        let before = outstanding(&rebooted).0;
        for _ in 0..2 {
            drop(open(&rebooted).unwrap());
            assert_eq!(outstanding(&rebooted).0, before, "{loss:?}");
        }
        // And it goes on from there.
        let mut more = Ledger {
            next_id: 1_000_000,
            ..Ledger::default()
        };
        let script = [Operation::Append(vec![2, 1]), Operation::Sync];
        run(&rebooted, &script, &mut more);
        let rebooted = rebooted.reboot(Loss::Unsynced);
        let after = outstanding(&rebooted).0;
        assert!(before.keys().all(|id| after.contains_key(id)));
        assert_eq!(after.len(), before.len() + 3);
    }
}

#[test]
fn a_crash_at_every_file_operation_loses_and_doubles_nothing() {
    let script = long_script();
    let whole = MemoryFiles::default();
    run(&whole, &script, &mut Ledger::default());
    let segments = whole.paths();
    assert!(
        !segments
            .iter()
            .any(|path| path.ends_with("0000000001.journal")),
        "the script begins new segments: {segments:?}"
    );
    for operation in 0..whole.operations() {
        let files = MemoryFiles::default();
        files.power_off_at(operation);
        let mut ledger = Ledger::default();
        run(&files, &script, &mut ledger);
        assert!(ledger.requests.len() <= 48);
        after_each_loss(&files, &ledger, operation * 6..operation * 6 + 6);
    }
}

#[test]
fn nothing_more_than_two_segments_is_ever_read() {
    let script = long_script();
    for operations in 1..script.len() {
        let files = MemoryFiles::default();
        let mut ledger = Ledger::default();
        run(&files, &script[..operations], &mut ledger);
        let (_, recovered) = outstanding(&files);
        assert!(recovered.segments <= 2, "{}", recovered.segments);
        let at_rest = files.paths().len();
        assert!(at_rest <= 2, "{at_rest} segments");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn what_is_recovered_is_what_was_accepted_less_what_was_settled(
        script in operations(),
        operation in 0..400_u64,
        seed: u64,
    ) {
        let files = MemoryFiles::default();
        files.power_off_at(operation);
        let mut ledger = Ledger::default();
        run(&files, &script, &mut ledger);
        after_each_loss(&files, &ledger, seed / 2..seed / 2 + 3);
    }

    #[test]
    fn without_a_crash_it_is_exact(script in operations()) {
        let files = MemoryFiles::default();
        let mut ledger = Ledger::default();
        run(&files, &script, &mut ledger);
        let offered = ledger.requests.iter().flatten().copied();
        let expected: Vec<u64> = offered.filter(|id| !ledger.settling.contains(id)).collect();
        let (found, recovered) = outstanding(&files);
        prop_assert_eq!(found.keys().copied().collect::<Vec<_>>(), expected);
        prop_assert_eq!((recovered.damaged, &recovered.torn), (0, &None));
        for (id, attempts) in found {
            prop_assert_eq!(attempts, ledger.attempts.get(&id).copied().unwrap_or_default());
        }
        let answers = recovered.answers.into_iter().map(|kept| kept.key.into_string());
        prop_assert_eq!(answers.collect::<std::collections::BTreeSet<_>>(), ledger.answers);
    }
}
