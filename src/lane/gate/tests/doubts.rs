//! What one push has met is believed when another meets it, or when there is no other.

use super::*;

#[test]
fn what_one_push_has_met_is_doubted_and_decided_by_what_is_in_flight() {
    let start = Moment::now();
    let mut gate = Gate::default();
    let witness = Witness {
        others_decide: true,
        ..push(PUSH.0, 1)
    };
    assert_eq!(refuse(&mut gate, witness, start), Refused::Doubted);
    assert!(!gate.is_open());
    assert!(gate.holds().is_empty(), "nothing that an operator can mend");
    let others = Others {
        in_flight: true,
        waiting: true,
    };
    let soon = start.monotonic + DECIDES_WITHIN;
    let before = soon.checked_sub(Duration::from_millis(1)).unwrap();
    for now in [start.monotonic, before] {
        assert_eq!(gate.may_send(now), MaySend::No);
        assert!(!begin(&mut gate, PushId(8), now));
        assert_eq!(gate.next_look(now), Some(soon));
        assert_eq!(gate.judge(others, now, 0), Refused::Known);
        assert!(!gate.parts_with_refusers(now));
    }
    assert_eq!(gate.taken(start.monotonic), Cleared::Doubt);
    assert!(gate.is_open());
    assert_eq!(gate.may_send(before), MaySend::Yes);
    assert_eq!(gate.taken(start.monotonic), Cleared::Nothing);
}

#[test]
fn silence_is_ended_by_another_push_and_not_by_the_one_or_its_target() {
    let start = Moment::now();
    let mut gate = Gate::default();
    refuse(&mut gate, push(PUSH.0, 1), start);
    let now = start.monotonic;
    assert_eq!(gate.judge(OTHERS, now, 0), Refused::Known);
    assert_eq!(gate.may_send(now), MaySend::Probe, "none is in flight");
    assert!(!begin(&mut gate, PUSH, now));
    assert!(!gate.begin_probe(PushId(8), false, now), "to its target");
    assert!(!gate.is_another(target(PUSH.0)) && gate.is_another(target(8)));
    assert!(!gate.takes_any(now));
    assert!(begin(&mut gate, PushId(8), now));
    assert_eq!(gate.may_send(now), MaySend::No, "one after the other");
    // That one is silent too.
    let later = now + DECIDES_WITHIN;
    assert_eq!(gate.next_look(now), Some(later));
    assert_eq!(gate.may_send(later), MaySend::Probe);
    assert!(begin(&mut gate, PushId(9), later));
    gate.end_probe(PushId(9), ProbeEnd::Unanswered, later, 0);
    assert_eq!(gate.may_send(later), MaySend::No);
    gate.end_probe(PushId(9), ProbeEnd::NotSent, later, 0);
    assert_eq!(gate.may_send(later), MaySend::Probe);
    assert!(gate.parts_with_refusers(now), "on another connection");
    assert!(!gate.waits(now), "and the others stay");
}

#[test]
fn it_is_the_credential_if_another_target_meets_it_on_another_connection() {
    for (second, is_another) in [
        (push(8, 2), true),
        (push(8, 1), false),
        (push(PUSH.0, 2), false),
        (connection(2), true),
        (connection(1), false),
    ] {
        let start = Moment::now();
        let mut gate = Gate::default();
        refuse(&mut gate, push(PUSH.0, 1), start);
        assert_eq!(refuse(&mut gate, second, start), Refused::Known);
        let told = gate.judge(OTHERS, start.monotonic, 0);
        let is_held = matches!(told, Refused::Held { .. });
        assert_eq!(is_held, is_another, "{second:?}");
        assert_eq!(gate.holds().is_empty(), !is_another);
        let is_alone = second == push(PUSH.0, 2);
        assert_eq!(gate.only_witness(), is_alone.then_some(PUSH));
        let again = gate.judge(OTHERS, start.monotonic, 0);
        assert_eq!(again, Refused::Known, "it is told once");
    }
}

#[test]
fn in_whatever_order_targets_and_connections_meet_it() {
    let start = Moment::now();
    let [a, b, c] = [push(1, 1), push(2, 1), push(2, 2)];
    for order in [
        [a, b, c],
        [a, c, b],
        [b, a, c],
        [b, c, a],
        [c, a, b],
        [c, b, a],
    ] {
        let mut gate = Gate::default();
        for witness in order {
            refuse(&mut gate, witness, start);
        }
        let told = gate.judge(OTHERS, start.monotonic, 0);
        assert!(matches!(told, Refused::Held { .. }), "{order:?}");
        assert_eq!(gate.only_witness(), None);
    }
}

#[test]
fn who_was_contradicted_before_corroborates_nobody() {
    let start = Moment::now();
    let discredited = |number| Witness {
        is_discredited: true,
        ..push(number, 5)
    };
    let judge = |gate: &mut Gate| gate.judge(OTHERS, start.monotonic, 0);
    for first in [push(1, 1), discredited(2)] {
        let mut gate = Gate::default();
        refuse(&mut gate, first, start);
        refuse(&mut gate, discredited(3), start);
        refuse(&mut gate, discredited(4), start);
        assert_eq!(judge(&mut gate), Refused::Known);
        refuse(&mut gate, push(6, 6), start);
        // After a discredited one it is the first.
        let is_held = matches!(judge(&mut gate), Refused::Held { .. });
        assert_eq!(is_held, !first.is_discredited);
        refuse(&mut gate, push(7, 7), start);
        judge(&mut gate);
        assert!(!gate.holds().is_empty());
    }
    // Where there is nobody else it is held all the same.
    let mut gate = Gate::default();
    refuse(&mut gate, discredited(2), start);
    let told = gate.judge(NOBODY, start.monotonic, 0);
    assert!(matches!(told, Refused::Held { .. }));
}

#[test]
fn no_operator_is_called_for_one_that_was_contradicted_while_others_were_taken_of_late() {
    let start = Moment::now();
    let one = Witness {
        is_discredited: true,
        ..push(1, 5)
    };
    let held_for = |proved_at: Instant, now: Moment| {
        let mut gate = Gate::default();
        gate.note_proof(proved_at);
        refuse(&mut gate, one, now);
        let told = gate.judge(NOBODY, now.monotonic, 0);
        (gate, told)
    };
    let minute = PROVED_FOR.as_secs();
    let (_, told) = held_for(start.monotonic, moment(start, minute));
    assert!(matches!(told, Refused::Held { .. }), "long ago: {told:?}");
    let (mut gate, told) = held_for(start.monotonic, moment(start, minute - 1));
    assert!(matches!(told, Refused::HeldForOne { .. }), "{told:?}");
    assert_eq!(gate.only_witness(), Some(PushId(1)));
    assert!(!gate.holds().is_empty(), "it is held all the same");
    assert_eq!(gate.taken(at(start, minute)), Cleared::HoldForOne);
    // When another meets it that is over, or when the last proof is long ago.
    for (second, late, is_called) in [
        (push(2, 6), Duration::ZERO, true),
        (one, Duration::ZERO, false),
        (one, PROVED_FOR, true),
    ] {
        let (mut gate, _) = held_for(start.monotonic, start);
        let due = gate.next_reading().unwrap();
        assert!(gate.begin_reading(due));
        gate.read(due, 0);
        let (probe, _) = second.push.unwrap();
        assert!(begin(&mut gate, probe, due));
        let now = Moment {
            monotonic: due + late,
            ..start
        };
        let told = refuse(&mut gate, second, now);
        assert_eq!(matches!(told, Refused::Held { .. }), is_called, "{told:?}");
        assert_eq!(matches!(told, Refused::Again { .. }), !is_called);
    }
    // One that nobody has contradicted is told of at once.
    let mut gate = Gate::default();
    gate.note_proof(start.monotonic);
    refuse(&mut gate, push(1, 5), start);
    let told = gate.judge(NOBODY, start.monotonic, 0);
    assert!(matches!(told, Refused::Held { .. }));
}

#[test]
fn who_is_alone_with_it_holds_the_lane_until_another_comes() {
    let start = Moment::now();
    for is_taken in [true, false] {
        let mut gate = Gate::default();
        refuse(&mut gate, push(PUSH.0, 1), start);
        let told = gate.judge(NOBODY, start.monotonic, 0);
        assert!(matches!(told, Refused::Held { .. }));
        let holds = gate.holds();
        assert!(
            matches!(&holds[..], [Hold::Credential { push, .. }] if *push == Some(PUSH)),
            "{holds:?}"
        );
        let now = at(start, 1);
        assert_eq!(gate.may_send(now), MaySend::Probe, "the next that comes");
        assert!(!begin(&mut gate, PUSH, now) && begin(&mut gate, PushId(8), now));
        if is_taken {
            assert_eq!(gate.taken(start.monotonic), Cleared::HoldForOne);
            continue;
        }
        let told = refuse(&mut gate, push(8, 2), moment(start, 1));
        assert!(matches!(told, Refused::Again { .. }));
        assert_eq!(gate.may_send(at(start, 2)), MaySend::No, "now it is known");
        // By itself it is tried as ever.
        let now = read(&mut gate);
        assert!(gate.takes_any(now) && begin(&mut gate, PUSH, now));
    }
}

#[test]
fn many_that_are_not_answered_make_the_lane_count_as_held() {
    let start = Moment::now();
    let mut gate = Gate::default();
    refuse(&mut gate, push(PUSH.0, 1), start);
    let others = Others {
        in_flight: true,
        waiting: true,
    };
    let mut now = start.monotonic;
    for number in 0..u64::from(UNDECIDED_MAX) {
        assert_eq!(gate.judge(others, now, 0), Refused::Known);
        assert!(begin(&mut gate, PushId(100 + number), now));
        now += DECIDES_WITHIN;
    }
    let told = gate.judge(others, now, 0);
    assert!(matches!(told, Refused::Held { .. }));
    assert!(begin(&mut gate, PushId(200), now), "and others go on");
}

#[test]
fn nothing_is_judged_while_the_lane_is_paused_by_hand() {
    let start = Moment::now();
    let mut gate = Gate::default();
    gate.pause(start);
    refuse(&mut gate, push(PUSH.0, 1), start);
    assert_eq!(gate.judge(NOBODY, at(start, 99), 0), Refused::Known);
    assert!(!begin(&mut gate, PushId(8), at(start, 99)));
    gate.resume();
    let told = gate.judge(NOBODY, at(start, 99), 0);
    assert!(matches!(told, Refused::Held { .. }));
}

#[test]
fn targets_that_have_met_it_are_known_up_to_a_bound() {
    let start = Moment::now();
    let mut gate = held(start);
    let kept = WITNESSES_KEPT as u64;
    for number in 1000..1000 + kept {
        refuse(&mut gate, push(number, 3), start);
    }
    assert!(!gate.is_another(target(1000)) && !gate.is_another(target(1000 + kept - 1)));
    assert!(gate.is_another(target(PUSH.0)), "the oldest are forgotten");
}

#[test]
fn a_witness_that_is_taken_out_leaves_nothing() {
    let start = Moment::now();
    for others in [OTHERS, NOBODY] {
        let mut gate = Gate::default();
        refuse(&mut gate, push(PUSH.0, 1), start);
        gate.judge(others, start.monotonic, 0);
        assert!(!gate.forget(PushId(8)));
        assert!(gate.forget(PUSH));
        assert!(gate.is_open());
    }
    let mut gate = Gate::default();
    refuse(&mut gate, push(PUSH.0, 1), start);
    refuse(&mut gate, push(8, 1), start);
    assert!(!gate.forget(PUSH), "it may have been the connection");
    let mut gate = held(start);
    let now = read(&mut gate);
    assert!(begin(&mut gate, PUSH, now));
    assert!(!gate.forget(PUSH), "another has met it too");
    assert_eq!(gate.may_send(now), MaySend::Probe, "the next one probes");
    assert_eq!(gate.only_witness(), Some(PushId(100)), "who is left");
    assert!(gate.forget(PushId(100)) && gate.is_open());
}

#[test]
fn of_two_pushes_to_one_target_one_name_is_told_until_both_are_taken_out() {
    let start = Moment::now();
    let mut gate = Gate::default();
    let second = Witness {
        push: Some((PushId(8), target(PUSH.0))),
        ..push(8, 2)
    };
    refuse(&mut gate, push(PUSH.0, 1), start);
    refuse(&mut gate, second, start);
    gate.judge(NOBODY, start.monotonic, 0);
    let shown = |gate: &Gate| match gate.holds().as_slice() {
        [Hold::Credential { push, .. }] => *push,
        other => panic!("{other:?}"),
    };
    for left in [PUSH, PushId(8)] {
        assert_eq!(shown(&gate), Some(left));
        assert_eq!(gate.only_witness(), Some(left));
        assert_eq!(gate.forget(left), left != PUSH);
    }
    assert!(gate.is_open());
}

#[test]
fn a_push_beside_which_a_connection_was_refused_is_no_second_witness() {
    let start = Moment::now();
    let mut gate = Gate::default();
    refuse(&mut gate, connection(1), start);
    refuse(&mut gate, push(PUSH.0, 2), start);
    assert_eq!(gate.judge(OTHERS, start.monotonic, 0), Refused::Known);
    assert_eq!(gate.only_witness(), Some(PUSH));
    refuse(&mut gate, push(8, 3), start);
    let told = gate.judge(OTHERS, start.monotonic, 0);
    assert!(matches!(told, Refused::Held { .. }));
}
