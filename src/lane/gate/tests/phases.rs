//! What a gate does in each of its phases, and what it leaves alone.

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// There is no access token to send with.
fn want(gate: &mut Gate, now: Moment) -> Refused {
    let refusal = CredentialRefusal {
        reason: "NoAccessToken".into(),
        ..refusal(EndsWith::AccessToken)
    };
    gate.refuse(refusal, None, now, u64::MAX)
}

/// A gate that is held since there is no access token.
fn wanting(start: Moment) -> Gate {
    let mut gate = Gate::default();
    assert!(matches!(want(&mut gate, start), Refused::Held { .. }));
    gate
}

fn reason(gate: &Gate) -> &str {
    &gate.refusal().unwrap().reason
}

/// That push, while others are in flight.
fn with_others(witness: Witness) -> Witness {
    Witness {
        others_decide: true,
        ..witness
    }
}

/// That push, which others have contradicted before.
fn discredited(witness: Witness) -> Witness {
    Witness {
        is_discredited: true,
        ..witness
    }
}

const IN_FLIGHT: Others = Others {
    in_flight: true,
    waiting: false,
};

#[test]
fn the_first_probe_comes_after_half_of_30_s_or_up_to_all_of_it() {
    for (random, secs) in [(0, 15), (u64::MAX, 30)] {
        let start = Moment::now();
        let mut gate = Gate::default();
        gate.refuse(refusal(EndsWith::Probe), Some(push(1, 1)), start, random);
        let told = gate.judge(NOBODY, start.monotonic, random);
        let wait = gate.next_reading().unwrap() - start.monotonic;
        assert_eq!(told, Refused::Held { wait });
        assert!(wait.abs_diff(Duration::from_secs(secs)) < Duration::from_millis(1));
    }
}

#[test]
fn the_files_are_read_by_one_at_a_time() {
    let start = Moment::now();
    let mut gate = held(start);
    let due = gate.next_reading().unwrap();
    assert!(gate.begin_reading(due));
    for late in [Duration::ZERO, FIRST_PROBE, HOUR] {
        assert_eq!(gate.next_reading(), None);
        assert!(!gate.begin_reading(due + late), "it is being read");
    }
    gate.read(due + HOUR, 0);
    assert!(gate.next_reading().is_some());
}

#[test]
fn files_that_are_read_too_late_do_not_disturb_the_probe_that_did_not_wait_for_them() {
    let start = Moment::now();
    let mut gate = held(start);
    let due = gate.next_reading().unwrap();
    assert!(gate.begin_reading(due));
    let late = due + READ_WITHIN;
    assert!(begin(&mut gate, PUSH, late));
    gate.read(late, 0);
    assert_eq!(gate.may_send(late), MaySend::No, "one probe at a time");
    assert!(!begin(&mut gate, PushId(8), late));
}

#[test]
fn while_it_is_doubted_no_file_is_read_and_the_one_that_met_it_does_not_go_again() {
    let start = Moment::now();
    let mut gate = Gate::default();
    refuse(&mut gate, push(PUSH.0, 1), start);
    for secs in [0, 1, 31, 3600] {
        assert_eq!(gate.next_reading(), None);
        assert!(!gate.begin_reading(at(start, secs)));
        assert!(!gate.takes_any(at(start, secs)));
        assert!(!begin(&mut gate, PUSH, at(start, secs)), "after {secs} s");
    }
    assert!(begin(&mut gate, PushId(8), at(start, 3600)));
}

#[test]
fn while_a_token_is_wanted_no_push_goes_however_long_that_is() {
    let start = Moment::now();
    let no_token = wanting(start);
    // What was in flight has met a refusal meanwhile: one target, or two.
    let mut one = wanting(start);
    assert_eq!(refuse(&mut one, push(1, 1), start), Refused::Known);
    let mut two = wanting(start);
    assert_eq!(refuse(&mut two, push(1, 1), start), Refused::Known);
    assert_eq!(refuse(&mut two, push(2, 2), start), Refused::Known);
    // It was held, or doubted, before that.
    let mut behind = held(start);
    let due = moment(start, 31);
    assert!(gate_reads(&mut behind, due.monotonic));
    assert!(matches!(want(&mut behind, due), Refused::Again { .. }));
    let mut doubted = Gate::default();
    refuse(&mut doubted, push(1, 1), start);
    assert!(matches!(want(&mut doubted, start), Refused::Held { .. }));
    // A file was put in its place, and it is no better.
    let mut replaced = wanting(start);
    replaced.replaced(start.monotonic);
    assert_eq!(want(&mut replaced, start), Refused::Known);
    assert_eq!(refuse(&mut replaced, connection(3), start), Refused::Known);
    for mut gate in [no_token, one, two, behind, doubted, replaced] {
        assert_eq!(reason(&gate), "NoAccessToken");
        for wait in [1, 40, 100, 1000, 100_000] {
            let now = at(start, wait);
            assert_eq!(gate.may_send(now), MaySend::No, "after {wait} s");
            assert!(!begin(&mut gate, PushId(8), now));
        }
    }
}

/// Reads the files, whenever that was due.
fn gate_reads(gate: &mut Gate, now: Instant) -> bool {
    let begun = gate.begin_reading(now);
    gate.read(now, u64::MAX);
    begun
}

#[test]
fn a_token_that_does_not_come_is_asked_for_ever_more_rarely() {
    let mut gate = wanting(Moment::now());
    let mut waits = Vec::new();
    for _ in 0..5 {
        let due = gate.next_reading().unwrap();
        assert!(gate_reads(&mut gate, due));
        let next = gate.next_reading().unwrap();
        waits.push((next - due).as_secs_f32().round());
    }
    assert_eq!(waits, [60.0, 120.0, 240.0, 300.0, 300.0]);
}

#[test]
fn what_is_said_of_the_credential_while_a_token_is_wanted_is_known_when_it_comes() {
    let start = Moment::now();
    // The first word is the one that is told.
    let mut gate = held(start);
    assert!(gate_reads(&mut gate, at(start, 31)));
    want(&mut gate, moment(start, 31));
    let other = CredentialRefusal {
        reason: "BadCertificate".into(),
        ..refusal(EndsWith::Probe)
    };
    gate.refuse(other, Some(push(9, 9)), moment(start, 32), 0);
    assert!(!gate.has_access_token(at(start, 33)));
    assert_eq!(reason(&gate), "InvalidProviderToken");
    // A good answer refutes it; what is said after that begins with one witness.
    let mut gate = wanting(start);
    refuse(&mut gate, push(1, 1), start);
    assert_eq!(gate.taken(start.monotonic), Cleared::Behind);
    refuse(&mut gate, push(2, 2), start);
    assert!(!gate.has_access_token(start.monotonic));
    assert_eq!(gate.only_witness(), Some(PushId(2)));
    assert!(begin(&mut gate, PushId(3), start.monotonic));
    // Of another credential nothing was said.
    let mut gate = held(start);
    assert!(gate_reads(&mut gate, at(start, 31)));
    want(&mut gate, moment(start, 31));
    gate.replaced(at(start, 32));
    assert!(gate.has_access_token(at(start, 33)) && gate.is_open());
}

#[test]
fn a_replaced_credential_waits_for_no_file() {
    let start = Moment::now();
    let mut gate = held(start);
    let due = gate.next_reading().unwrap();
    let late = due + HOUR;
    gate.replaced(late);
    assert!(!gate.begin_reading(late), "it has just been read");
    assert!(begin(&mut gate, PUSH, late));
}

#[test]
fn while_others_are_in_flight_two_that_met_it_wait_for_them() {
    let start = Moment::now();
    let mut gate = Gate::default();
    refuse(&mut gate, with_others(push(1, 1)), start);
    refuse(&mut gate, with_others(push(2, 2)), start);
    let now = start.monotonic;
    assert_eq!(gate.judge(IN_FLIGHT, now, 0), Refused::Known);
    let told = gate.judge(IN_FLIGHT, now + DECIDES_WITHIN, 0);
    assert!(matches!(told, Refused::Held { .. }));
    // One is not the credential while there is another that may be answered.
    let mut gate = Gate::default();
    refuse(&mut gate, with_others(push(1, 1)), start);
    assert_eq!(gate.judge(IN_FLIGHT, now + HOUR, 0), Refused::Known);
}

#[test]
fn what_was_sent_to_decide_has_its_time_and_what_was_not_sent_is_none_of_it() {
    let start = Moment::now();
    let mut gate = Gate::default();
    refuse(&mut gate, push(1, 1), start);
    let mut now = start.monotonic;
    for number in 2..50 {
        assert!(begin(&mut gate, PushId(number), now));
        gate.end_probe(PushId(number), ProbeEnd::NotSent, now, 0);
    }
    assert_eq!(gate.judge(OTHERS, now + HOUR, 0), Refused::Known);
    // Ten go, and are not answered.
    for number in 2..12 {
        now += DECIDES_WITHIN;
        assert_eq!(gate.judge(OTHERS, now, 0), Refused::Known);
        assert!(begin(&mut gate, PushId(number), now));
    }
    assert_eq!(
        gate.judge(OTHERS, now, 0),
        Refused::Known,
        "the last of them"
    );
    let told = gate.judge(OTHERS, now + DECIDES_WITHIN, 0);
    assert!(matches!(told, Refused::Held { .. }));
}

#[test]
fn connections_are_kept_only_for_what_may_go_on_them() {
    let start = Moment::now();
    let now = start.monotonic;
    // Two have met it: no connection is any use before the next probe.
    let mut gate = held(start);
    assert!(gate.waits(now) && gate.parts_with_refusers(now));
    let due = read(&mut gate);
    assert!(!gate.waits(due), "the probe needs one");
    assert!(begin(&mut gate, PUSH, due));
    assert!(!gate.waits(due), "and has one");
    assert_eq!(gate.next_look(due), None, "what comes of it is told");
    // One alone has met it, and there was no other: the next one that comes goes at once.
    let mut gate = Gate::default();
    refuse(&mut gate, push(1, 1), start);
    assert!(matches!(gate.judge(NOBODY, now, 0), Refused::Held { .. }));
    assert!(!gate.waits(now));
    assert_eq!(gate.next_look(now), None);
    assert!(begin(&mut gate, PushId(2), now));
    assert_eq!(gate.next_look(now), Some(now + DECIDES_WITHIN));
    // Judged while its time to decide was not over.
    let mut gate = Gate::default();
    refuse(&mut gate, with_others(push(1, 1)), start);
    assert!(!gate.parts_with_refusers(now));
    refuse(&mut gate, push(2, 2), start);
    assert!(matches!(gate.judge(OTHERS, now, 0), Refused::Held { .. }));
    assert!(gate.parts_with_refusers(now));
}

#[test]
fn a_target_that_meets_it_again_and_again_is_one_target() {
    let start = Moment::now();
    let mut gate = Gate::default();
    refuse(&mut gate, push(1, 1), start);
    for _ in 0..2 * WITNESSES_KEPT {
        refuse(&mut gate, push(2, 1), start);
    }
    assert!(!gate.is_another(target(1)));
}

#[test]
fn what_others_have_met_too_is_not_forgotten_with_one() {
    let start = Moment::now();
    let mut gate = Gate::default();
    refuse(&mut gate, push(1, 1), start);
    refuse(&mut gate, discredited(push(2, 1)), start);
    assert!(!gate.forget(PushId(1)));
    assert!(gate.is_refused());
    // Nor is the want of an access token.
    let mut gate = wanting(start);
    refuse(&mut gate, push(1, 1), start);
    assert!(!gate.forget(PushId(1)));
    assert_eq!(reason(&gate), "NoAccessToken");
}
