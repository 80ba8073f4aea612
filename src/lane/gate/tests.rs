use super::*;

const PUSH: PushId = PushId(7);

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

fn refusal(ends_with: EndsWith) -> Refusal {
    Refusal {
        reason: "InvalidProviderToken".into(),
        text: "the auth token is not accepted".into(),
        ends_with,
    }
}

/// A gate that was held at that time for want of a probe.
fn held(start: Moment) -> Gate {
    let mut gate = Gate::default();
    let told = gate.refuse(refusal(EndsWith::Probe), Some(PUSH), start, u64::MAX);
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
    assert!(gate.begin_probe(PUSH, now));
    assert!(!gate.begin_probe(PushId(8), now), "one at a time");
    assert_eq!(gate.may_send(now), MaySend::No);
    assert!(!gate.end_probe(PushId(8), ProbeEnd::Passed, now, 0));
    assert!(gate.end_probe(PUSH, ProbeEnd::Passed, now, 0));
    assert!(gate.is_open());
}

#[test]
fn refused_probes_wait_longer_each_up_to_the_longest() {
    let start = Moment::now();
    let mut gate = held(start);
    let mut waits = Vec::new();
    for _ in 0..8 {
        let now = read(&mut gate);
        assert!(gate.begin_probe(PUSH, now));
        let now = Moment {
            monotonic: now,
            ..start
        };
        match gate.refuse(refusal(EndsWith::Probe), Some(PUSH), now, u64::MAX) {
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
fn what_was_in_flight_when_it_closed_changes_nothing() {
    let start = Moment::now();
    let mut gate = held(start);
    let before = gate.holds();
    let again = gate.refuse(refusal(EndsWith::Probe), Some(PushId(8)), start, 0);
    assert_eq!(again, Refused::Known);
    let again = gate.refuse(refusal(EndsWith::Probe), None, start, 0);
    assert_eq!(again, Refused::Known, "another connection says so too");
    assert!(
        !gate.end_probe(PushId(9), ProbeEnd::Passed, start.monotonic, 0),
        "it was sent before"
    );
    assert_eq!(gate.holds(), before);
}

#[test]
fn a_connection_that_is_refused_is_a_probe_that_is_refused() {
    let start = Moment::now();
    let mut gate = held(start);
    let now = Moment {
        monotonic: read(&mut gate),
        ..start
    };
    let told = gate.refuse(refusal(EndsWith::Probe), None, now, 0);
    assert!(matches!(told, Refused::Again { .. }));
    assert_eq!(gate.may_send(now.monotonic), MaySend::No);
}

#[test]
fn a_probe_without_an_answer_is_waited_for_as_long_as_one_that_is_refused() {
    let start = Moment::now();
    let mut gate = held(start);
    let mut waits = Vec::new();
    for _ in 0..5 {
        let now = read(&mut gate);
        assert!(gate.begin_probe(PUSH, now));
        assert!(!gate.end_probe(PUSH, ProbeEnd::Unanswered, now, u64::MAX));
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
    assert!(gate.begin_probe(PUSH, now));
    assert!(!gate.end_probe(PUSH, ProbeEnd::NotSent, now, 0));
    assert_eq!(gate.may_send(now), MaySend::Probe);
    assert!(gate.begin_probe(PushId(8), now));
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
    let mut open = Gate::default();
    open.replaced(start.monotonic);
    assert_eq!(open.may_send(start.monotonic), MaySend::Yes);
}

#[test]
fn where_an_access_token_is_wanted_it_opens_and_no_push_probes() {
    let start = Moment::now();
    let mut gate = Gate::default();
    gate.refuse(refusal(EndsWith::AccessToken), None, start, 0);
    let told = gate.refuse(refusal(EndsWith::AccessToken), None, start, 0);
    assert_eq!(told, Refused::Known);
    let now = read(&mut gate);
    assert_eq!(gate.may_send(now + READ_WITHIN), MaySend::No);
    assert!(
        gate.next_reading().unwrap() > now,
        "it is asked for again later"
    );
    assert!(gate.has_access_token());
    assert!(gate.is_open());
}

#[test]
fn an_access_token_does_not_open_what_an_answer_closed() {
    let mut gate = held(Moment::now());
    assert!(!gate.has_access_token());
    assert!(!gate.is_open());
}

#[test]
fn what_an_answer_closed_is_opened_by_a_probe_also_after_a_want_of_an_access_token() {
    let start = Moment::now();
    let want = || Refusal {
        reason: "NoAccessToken".into(),
        ..refusal(EndsWith::AccessToken)
    };
    let reason = |gate: &Gate| gate.refusal().unwrap().reason.to_string();
    let check_probe_opens = |gate: &mut Gate| {
        let now = read(gate);
        assert!(gate.begin_probe(PUSH, now));
        assert!(gate.end_probe(PUSH, ProbeEnd::Passed, now, 0));
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
    assert!(!gate.has_access_token());
    assert_eq!(reason(&gate), "InvalidProviderToken");
    check_probe_opens(&mut gate);
    // A push that was still in flight was refused meanwhile.
    let mut gate = Gate::default();
    gate.refuse(want(), None, start, 0);
    let told = gate.refuse(refusal(EndsWith::Probe), Some(PUSH), start, 0);
    assert_eq!(told, Refused::Known);
    assert!(!gate.has_access_token());
    check_probe_opens(&mut gate);
}

#[test]
fn a_probe_under_way_goes_on_without_another_access_token() {
    let mut gate = held(Moment::now());
    let now = Moment {
        monotonic: read(&mut gate),
        ..Moment::now()
    };
    assert!(gate.begin_probe(PUSH, now.monotonic));
    let told = gate.refuse(refusal(EndsWith::AccessToken), None, now, 0);
    assert_eq!(told, Refused::Known);
    assert!(gate.end_probe(PUSH, ProbeEnd::Passed, now.monotonic, 0));
    assert!(gate.is_open());
}

#[test]
fn a_probe_that_a_goaway_overtook_changes_nothing_by_its_own_end() {
    let start = Moment::now();
    let goodbye = |gate: &mut Gate| {
        let now = Moment {
            monotonic: read(gate),
            ..start
        };
        assert!(gate.begin_probe(PUSH, now.monotonic));
        let told = gate.refuse(refusal(EndsWith::Probe), None, now, 0);
        assert!(matches!(told, Refused::Again { .. }));
        now
    };
    let mut gate = held(start);
    let now = goodbye(&mut gate);
    let before = gate.holds();
    let told = gate.refuse(refusal(EndsWith::Probe), Some(PUSH), now, 0);
    assert_eq!(told, Refused::Known);
    assert_eq!(gate.holds(), before);
    for end in [ProbeEnd::Passed, ProbeEnd::Unanswered, ProbeEnd::NotSent] {
        let now = goodbye(&mut gate);
        let before = gate.holds();
        assert!(!gate.end_probe(PUSH, end, now.monotonic, 0));
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
    assert!(!gate.begin_probe(PUSH, now));
    gate.resume();
    assert_eq!(gate.may_send(now), MaySend::Probe);
}
