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
    assert_eq!(gate.taken(), Cleared::Doubt);
    assert!(gate.is_open());
    assert_eq!(gate.may_send(before), MaySend::Yes);
    assert_eq!(gate.taken(), Cleared::Nothing);
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
            assert_eq!(gate.taken(), Cleared::Hold);
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
    let kept = TARGETS_KEPT as u64;
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
    assert!(!gate.forget(PUSH), "another has met it too");
    let now = read(&mut gate);
    assert!(begin(&mut gate, PUSH, now));
    gate.forget(PUSH);
    assert_eq!(gate.may_send(now), MaySend::Probe, "the next one probes");
}
