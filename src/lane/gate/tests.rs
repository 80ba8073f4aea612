mod doubts;
mod phases;

use super::*;
use crate::push::ConnectionId;

const PUSH: PushId = PushId(7);
const OTHERS: Others = Others {
    in_flight: false,
    waiting: true,
};
const NOBODY: Others = Others {
    in_flight: false,
    waiting: false,
};

fn at(start: Moment, secs: u64) -> Instant {
    start.monotonic + Duration::from_secs(secs)
}

fn moment(start: Moment, secs: u64) -> Moment {
    Moment {
        stood: Duration::ZERO,
        monotonic: at(start, secs),
        unix: start.unix + Duration::from_secs(secs),
    }
}

fn refusal(ends_with: EndsWith) -> CredentialRefusal {
    CredentialRefusal {
        reason: "InvalidProviderToken".into(),
        text: "the auth token is not accepted".into(),
        ends_with,
    }
}

fn target(number: u64) -> Target {
    Target::to(&number.to_string())
}

/// That push, each to a target of its own, on that connection, with nothing else in flight.
fn push(number: u64, connection: u32) -> Witness {
    Witness {
        push: Some((PushId(number), target(number))),
        connection: ConnectionId::new(connection),
        is_discredited: false,
        others_decide: false,
    }
}

/// That connection as a whole.
fn connection(number: u32) -> Witness {
    Witness {
        push: None,
        ..push(1, number)
    }
}

fn refuse(gate: &mut Gate, witness: Witness, now: Moment) -> Refused {
    gate.refuse(refusal(EndsWith::Probe), Some(witness), now, u64::MAX)
}

/// Lets a push go as a probe, to a target of its own.
fn begin(gate: &mut Gate, push: PushId, now: Instant) -> bool {
    let is_another = gate.is_another(target(push.0));
    gate.begin_probe(push, is_another, now)
}

/// A gate that was held at that time, since [`PUSH`] and another were refused.
fn held(start: Moment) -> Gate {
    let mut gate = Gate::default();
    assert_eq!(refuse(&mut gate, push(PUSH.0, 1), start), Refused::Doubted);
    assert_eq!(refuse(&mut gate, push(100, 2), start), Refused::Known);
    let told = gate.judge(OTHERS, start.monotonic, u64::MAX);
    assert!(matches!(told, Refused::Held { wait } if wait <= FIRST_PROBE));
    gate
}

/// Reads the files as soon as that is due; the gate is ready for a probe then.
fn read(gate: &mut Gate) -> Instant {
    let due = gate.next_reading().unwrap();
    let before = due.checked_sub(Duration::from_millis(1)).unwrap();
    assert!(!gate.begin_reading(before));
    assert!(gate.begin_reading(due));
    assert_eq!(gate.may_send(due), MaySend::No, "the files come first");
    gate.read(due, u64::MAX);
    due
}

#[test]
fn what_an_operator_holds_an_operator_releases() {
    let start = Moment::now();
    let mut gate = Gate::default();
    assert_eq!(gate.may_send(start.monotonic), MaySend::Yes);
    assert!(gate.pause(start));
    assert!(!gate.pause(moment(start, 9)), "it was paused already");
    assert_eq!(gate.holds(), [Hold::Operator { since: start }]);
    assert_eq!(gate.may_send(at(start, 1 << 20)), MaySend::No);
    assert!(gate.resume());
    assert!(!gate.resume());
    assert!(gate.is_open());
}

#[test]
fn a_refused_credential_is_probed_with_one_push_after_its_files_are_read() {
    let start = Moment::now();
    let mut gate = held(start);
    assert_eq!(gate.may_send(start.monotonic), MaySend::No);
    let now = read(&mut gate);
    assert_eq!(gate.may_send(now), MaySend::Probe);
    assert!(begin(&mut gate, PUSH, now));
    assert!(!begin(&mut gate, PushId(8), now), "one at a time");
    assert_eq!(gate.may_send(now), MaySend::No);
    assert_eq!(gate.taken(start.monotonic), Cleared::Hold);
    assert!(gate.is_open());
}

#[test]
fn a_good_answer_to_any_push_opens_a_lane_that_is_held() {
    let start = Moment::now();
    let mut gate = held(start);
    assert_eq!(
        gate.taken(start.monotonic),
        Cleared::Hold,
        "it was in flight"
    );
    assert_eq!(gate.may_send(start.monotonic), MaySend::Yes);
}

#[test]
fn refused_probes_wait_longer_each_up_to_the_longest() {
    let start = Moment::now();
    let mut gate = held(start);
    let mut waits = Vec::new();
    for _ in 0..8 {
        let now = read(&mut gate);
        assert!(begin(&mut gate, PUSH, now));
        let now = Moment {
            monotonic: now,
            ..start
        };
        match refuse(&mut gate, push(PUSH.0, 3), now) {
            Refused::Again { wait } => waits.push(wait.as_secs_f32().round()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        waits,
        [60.0, 120.0, 240.0, 300.0, 300.0, 300.0, 300.0, 300.0]
    );
    let holds = gate.holds();
    assert!(
        matches!(&holds[..], [Hold::Credential { probes: 8, since, .. }] if *since == start),
        "{holds:?}"
    );
}

#[test]
fn probes_are_spread() {
    for random in [0, u64::MAX / 2, u64::MAX] {
        let wait = wait_before(FIRST_PROBE, 0, random);
        assert!(wait >= FIRST_PROBE / 2 && wait <= FIRST_PROBE);
    }
    assert!(wait_before(FIRST_PROBE, 0, 0) < wait_before(FIRST_PROBE, 0, u64::MAX));
}

#[test]
fn what_was_in_flight_when_it_closed_puts_no_probe_off() {
    let start = Moment::now();
    let mut gate = held(start);
    let before = gate.next_reading();
    assert_eq!(refuse(&mut gate, push(8, 3), start), Refused::Known);
    let again = refuse(&mut gate, connection(4), start);
    assert_eq!(again, Refused::Known, "another connection says so too");
    gate.end_probe(PushId(9), ProbeEnd::Unanswered, start.monotonic, 0);
    assert_eq!(gate.next_reading(), before);
    assert_eq!(gate.may_send(start.monotonic), MaySend::No);
}

#[test]
fn a_connection_that_is_refused_is_a_probe_that_is_refused() {
    let start = Moment::now();
    let mut gate = held(start);
    let now = Moment {
        monotonic: read(&mut gate),
        ..start
    };
    let told = refuse(&mut gate, connection(3), now);
    assert!(matches!(told, Refused::Again { .. }));
    assert_eq!(gate.may_send(now.monotonic), MaySend::No);
}

#[test]
fn one_connection_that_is_refused_is_no_more_a_witness_than_one_push() {
    let start = Moment::now();
    let mut gate = Gate::default();
    assert_eq!(refuse(&mut gate, connection(1), start), Refused::Doubted);
    let now = start.monotonic;
    assert_eq!(gate.judge(OTHERS, now, 0), Refused::Known);
    assert!(begin(&mut gate, PUSH, now));
    assert_eq!(refuse(&mut gate, connection(2), start), Refused::Known);
    let told = gate.judge(OTHERS, now + DECIDES_WITHIN, 0);
    assert!(matches!(told, Refused::Held { .. }));
}

#[test]
fn a_probe_without_an_answer_is_waited_for_as_long_as_one_that_is_refused() {
    let start = Moment::now();
    let mut gate = held(start);
    let mut waits = Vec::new();
    for _ in 0..5 {
        let now = read(&mut gate);
        assert!(begin(&mut gate, PUSH, now));
        gate.end_probe(PUSH, ProbeEnd::Unanswered, now, u64::MAX);
        assert_eq!(gate.may_send(now), MaySend::No, "the files are read first");
        assert!(gate.waits(now), "on a fresh connection");
        let due = gate.next_reading().unwrap();
        waits.push((due - now).as_secs_f32().round());
    }
    assert_eq!(waits, [60.0, 120.0, 240.0, 300.0, 300.0]);
}

#[test]
fn a_probe_that_was_not_sent_is_followed_by_another_at_once() {
    let start = Moment::now();
    let mut gate = held(start);
    let now = read(&mut gate);
    assert!(begin(&mut gate, PUSH, now));
    gate.end_probe(PUSH, ProbeEnd::NotSent, now, 0);
    assert_eq!(gate.may_send(now), MaySend::Probe);
    assert!(begin(&mut gate, PushId(8), now));
    // This one never ends, which should not be.
    let late = now + PROBE_ENDS_WITHIN;
    assert!(gate.begin_reading(late));
    gate.read(late, 0);
    assert_eq!(gate.may_send(late), MaySend::Probe);
}

#[test]
fn files_that_are_never_read_do_not_hold_the_lane_for_good() {
    let start = Moment::now();
    let mut gate = held(start);
    let due = gate.next_reading().unwrap();
    assert!(gate.begin_reading(due));
    let late = due + READ_WITHIN;
    let before = late.checked_sub(Duration::from_millis(1)).unwrap();
    assert_eq!(gate.may_send(before), MaySend::No);
    assert_eq!(gate.may_send(late), MaySend::Probe);
    assert!(gate.waits(before));
    assert!(!gate.waits(late), "a connection for the probe is kept");
}

#[test]
fn without_a_push_to_probe_with_the_files_are_read_all_the_same() {
    let start = Moment::now();
    let mut gate = held(start);
    let first = read(&mut gate);
    let second = read(&mut gate);
    assert!(second > first);
    assert_eq!(gate.may_send(second), MaySend::Probe);
}

#[test]
fn a_replaced_credential_is_tried_at_once() {
    let start = Moment::now();
    let mut gate = held(start);
    gate.replaced(start.monotonic);
    assert_eq!(gate.may_send(start.monotonic), MaySend::Probe);
    // One push is no witness against the new one either.
    assert!(begin(&mut gate, PUSH, start.monotonic));
    let told = refuse(&mut gate, push(PUSH.0, 3), start);
    assert!(matches!(told, Refused::Again { .. }));
    assert!(begin(&mut gate, PushId(8), start.monotonic));
    let mut open = Gate::default();
    open.replaced(start.monotonic);
    assert_eq!(open.may_send(start.monotonic), MaySend::Yes);
    let mut doubted = Gate::default();
    refuse(&mut doubted, push(PUSH.0, 1), start);
    doubted.replaced(start.monotonic);
    assert!(doubted.is_open(), "it was the old one that was doubted");
}

#[test]
fn where_an_access_token_is_wanted_it_opens_and_no_push_probes() {
    let start = Moment::now();
    let mut gate = Gate::default();
    let want = |gate: &mut Gate| gate.refuse(refusal(EndsWith::AccessToken), None, start, 0);
    assert!(matches!(want(&mut gate), Refused::Held { .. }));
    assert_eq!(want(&mut gate), Refused::Known);
    let now = read(&mut gate);
    assert_eq!(gate.may_send(now + READ_WITHIN), MaySend::No);
    assert!(
        gate.next_reading().unwrap() > now,
        "it is asked for again later"
    );
    assert_eq!(
        gate.taken(start.monotonic),
        Cleared::Nothing,
        "there is still none"
    );
    assert!(gate.has_access_token(now));
    assert!(gate.is_open());
}

#[test]
fn an_access_token_does_not_open_what_an_answer_closed() {
    let start = Moment::now();
    let mut gate = held(start);
    assert!(!gate.has_access_token(start.monotonic));
    assert!(!gate.is_open());
}

#[test]
fn what_an_answer_closed_is_opened_by_a_good_one_also_after_a_want_of_an_access_token() {
    let start = Moment::now();
    let want = || CredentialRefusal {
        reason: "NoAccessToken".into(),
        ..refusal(EndsWith::AccessToken)
    };
    let reason = |gate: &Gate| gate.refusal().unwrap().reason.to_string();
    let check_probe_opens = |gate: &mut Gate| {
        let now = read(gate);
        assert!(begin(gate, PUSH, now));
        assert_eq!(gate.taken(start.monotonic), Cleared::Hold);
        assert!(gate.is_open());
    };
    // When the probe was to go there was none.
    let mut gate = held(start);
    let now = Moment {
        monotonic: read(&mut gate),
        ..start
    };
    let told = gate.refuse(want(), None, now, 0);
    assert!(matches!(told, Refused::Again { .. }), "{told:?}");
    assert_eq!(reason(&gate), "NoAccessToken");
    assert!(!gate.has_access_token(now.monotonic));
    assert_eq!(reason(&gate), "InvalidProviderToken");
    check_probe_opens(&mut gate);
    // A push that was still in flight was refused meanwhile.
    let mut gate = Gate::default();
    gate.refuse(want(), None, start, 0);
    assert_eq!(refuse(&mut gate, push(PUSH.0, 1), start), Refused::Known);
    assert!(!gate.has_access_token(start.monotonic));
    assert!(begin(&mut gate, PushId(8), start.monotonic), "it is alone");
    assert_eq!(gate.taken(start.monotonic), Cleared::HoldForOne);
    // Or it was, and another was taken.
    let mut gate = Gate::default();
    gate.refuse(want(), None, start, 0);
    refuse(&mut gate, push(PUSH.0, 1), start);
    assert_eq!(gate.taken(start.monotonic), Cleared::Behind);
    assert!(gate.has_access_token(start.monotonic));
    // While it was doubted, the token went.
    let mut gate = Gate::default();
    refuse(&mut gate, push(PUSH.0, 1), start);
    let told = gate.refuse(want(), None, start, 0);
    assert!(matches!(told, Refused::Held { .. }), "{told:?}");
    assert!(!gate.has_access_token(start.monotonic));
    assert!(begin(&mut gate, PushId(8), start.monotonic));
}

#[test]
fn a_probe_under_way_goes_on_without_another_access_token() {
    let start = Moment::now();
    let mut gate = held(start);
    let now = Moment {
        monotonic: read(&mut gate),
        ..start
    };
    assert!(begin(&mut gate, PUSH, now.monotonic));
    let told = gate.refuse(refusal(EndsWith::AccessToken), None, now, 0);
    assert_eq!(told, Refused::Known);
    assert_eq!(gate.taken(start.monotonic), Cleared::Hold);
}

#[test]
fn a_probe_that_a_goaway_overtook_changes_nothing_by_its_own_end() {
    let start = Moment::now();
    let goodbye = |gate: &mut Gate, number| {
        let now = Moment {
            monotonic: read(gate),
            ..start
        };
        assert!(begin(gate, PUSH, now.monotonic));
        let told = refuse(gate, connection(number), now);
        assert!(matches!(told, Refused::Again { .. }));
        now
    };
    let mut gate = held(start);
    let now = goodbye(&mut gate, 3);
    let before = gate.next_reading();
    assert_eq!(refuse(&mut gate, push(PUSH.0, 3), now), Refused::Known);
    assert_eq!(gate.next_reading(), before);
    for end in [ProbeEnd::Unanswered, ProbeEnd::NotSent] {
        let now = goodbye(&mut gate, 4);
        let before = gate.holds();
        gate.end_probe(PUSH, end, now.monotonic, 0);
        assert_eq!(gate.holds(), before);
        assert_eq!(gate.may_send(now.monotonic), MaySend::No);
    }
}

#[test]
fn two_holds_end_each_by_itself() {
    let start = Moment::now();
    let mut gate = held(start);
    gate.pause(start);
    assert_eq!(gate.holds().len(), 2);
    let now = read(&mut gate);
    assert_eq!(
        gate.may_send(now),
        MaySend::No,
        "no probe while paused by hand"
    );
    assert!(!begin(&mut gate, PUSH, now));
    gate.resume();
    assert_eq!(gate.may_send(now), MaySend::Probe);
}
