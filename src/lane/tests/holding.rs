//! What holds a lane, and the pushes that go last meanwhile.

use super::*;
use crate::push::PushType;

/// The first of those that go last, on a connection that has refused nothing.
fn take_last(lane: &Lane, now: Instant) -> Option<Push> {
    lane.holding().take_last(ConnectionId::new(99), now)
}

fn refusal() -> CredentialRefusal {
    CredentialRefusal {
        reason: "BadCertificate".into(),
        text: "the client certificate is not accepted".into(),
        ends_with: EndsWith::Probe,
    }
}

/// That push, refused on that connection.
fn met(push: &Push, connection: u32) -> (Witness, Suspect) {
    let connection = ConnectionId::new(connection);
    let witness = Witness {
        push: Some((push.id(), Target::of(push.token()))),
        connection,
        is_discredited: false,
        others_decide: false,
    };
    let rebuff = Rebuff {
        status: 403,
        reason: "Forbidden".into(),
        error: "the credential is not allowed to do this".to_owned(),
        connection,
        of_topic: false,
    };
    let suspect = Suspect {
        push: push.clone(),
        met: Some(rebuff),
    };
    (witness, suspect)
}

/// The credential of that route is refused to that push.
fn refuse(lane: &Lane, push: &Push, connection: u32, generation: u64, now: Moment) -> Refused {
    let (witness, suspect) = met(push, connection);
    lane.refuse(refusal(), generation, Some(witness), Some(suspect), now, 0)
}

/// A lane that has so many pushes, each to a target of its own, in the hands of whoever asked.
fn all_taken(count: usize) -> (Arc<Lane>, Vec<Push>) {
    let lane = Lane::new(LaneId::IOS, count, 1);
    enqueue(&lane, 1, count);
    let mut hand = VecDeque::new();
    while lane.take(&mut hand) {}
    (lane, hand.into())
}

#[test]
fn a_lane_that_is_held_is_told_apart_and_opens_again() {
    let lane = Lane::new(LaneId::IOS, 10, 1);
    let now = Moment::now();
    assert_eq!(lane.may_send(now.monotonic), MaySend::Yes);
    assert!(lane.holding().pause(now));
    assert!(lane.holding().is_held());
    assert_eq!(lane.holding().holds(), [Hold::Operator { since: now }]);
    assert_eq!(lane.may_send(now.monotonic), MaySend::No);
    assert!(lane.resume());
    assert!(!lane.holding().is_held() && lane.holding().holds().is_empty());
}

#[test]
fn a_pause_is_no_time_in_which_all_that_was_tried_failed() {
    let (lane, _pushes) = all_taken(1);
    let now = Moment::now();
    let later = |secs| Moment {
        monotonic: now.monotonic + Duration::from_secs(secs),
        ..now
    };
    lane.outage().fail(|| "503".into(), now);
    assert!(lane.holding().pause(now));
    assert_eq!(lane.look_at_outage(later(3600)), None);
    assert!(lane.resume());
    assert_eq!(lane.look_at_outage(later(3600)), None);
    lane.outage().fail(|| "503".into(), later(3600));
    lane.outage().fail(|| "503".into(), later(3660));
    assert!(lane.look_at_outage(later(3660)).is_some());
}

#[test]
fn what_a_replaced_credential_was_told_holds_nothing() {
    let (lane, pushes) = all_taken(6);
    let now = Moment::now();
    let told = |number: usize, generation| refuse(&lane, &pushes[number], 1, generation, now);
    let probes = |number: usize| lane.holding().begin_probe(&pushes[number], now.monotonic);
    lane.route_replaced(1, now.monotonic);
    assert_eq!(told(0, 0), Refused::Known);
    assert!(!lane.holding().is_held());
    assert_eq!(told(1, 1), Refused::Doubted);
    let told_held = lane.judge(false, now.monotonic, 0);
    assert_eq!(told_held, Refused::Known, "the first is queued again");
    assert!(lane.take(&mut VecDeque::new()));
    let told_held = lane.judge(false, now.monotonic, 0);
    assert!(matches!(told_held, Refused::Held { .. }), "nothing waits");
    lane.route_replaced(2, now.monotonic);
    assert_eq!(lane.may_send(now.monotonic), MaySend::Probe);
    assert!(probes(2));
    lane.route_replaced(3, now.monotonic);
    assert!(probes(3));
    let (cleared, refused) = lane.taken(2, Proof::Topic, now.monotonic);
    assert_eq!(cleared, Cleared::Nothing, "it was answered to the old one");
    assert!(refused.is_empty() && lane.holding().is_held());
    assert_eq!(told(3, 2), Refused::Known);
    assert!(probes(4), "another may go");
}

#[test]
fn whom_others_contradicted_holds_the_lane_alone_while_the_present_credential_was_taken_of_late() {
    // By the number of the route whose push was taken.
    for (taken, alone) in [(1, true), (0, false)] {
        let (lane, pushes) = all_taken(1);
        let now = Moment::now();
        lane.route_replaced(1, now.monotonic);
        lane.holding().note_proof(taken, now.monotonic);
        let (witness, suspect) = met(&pushes[0], 1);
        let witness = Witness {
            is_discredited: true,
            ..witness
        };
        lane.refuse(refusal(), 1, Some(witness), Some(suspect), now, 0);
        let told = lane.judge(false, now.monotonic, 0);
        let told_alone = matches!(told, Refused::HeldForOne { .. });
        assert_eq!(told_alone, alone, "{told:?}");
        assert!(lane.holding().is_judged());
    }
}

#[test]
fn those_that_go_last_are_met_by_whoever_looks_through_what_waits() {
    let (lane, pushes) = all_taken(3);
    let now = Moment::now();
    refuse(&lane, &pushes[0], 1, 0, now);
    lane.put_last(pushes[1].clone());
    lane.put_last(pushes[2].clone());
    assert!(lane.holding().has_suspects() && !lane.has_work());
    assert!(lane.is_queued(PushId(1)) && lane.is_queued(PushId(3)));
    let mut seen = Vec::new();
    lane.sift(true, |push| {
        seen.push(push.id().0);
        push.id() != PushId(2)
    });
    lane.sift_all(|push| {
        seen.push(push.id().0);
        true
    });
    assert_eq!(seen, [1, 2, 3, 1, 3], "in their order");
    assert_eq!(ids(lane.take_rest()), [1, 3]);
    assert!(!lane.holding().has_suspects());
}

#[test]
fn a_good_answer_gives_back_what_was_refused_and_queues_who_only_waited() {
    let (lane, pushes) = all_taken(3);
    let now = Moment::now();
    refuse(&lane, &pushes[0], 1, 0, now);
    refuse(&lane, &pushes[1], 2, 0, now);
    lane.put_last(pushes[2].clone());
    let (cleared, refused) = lane.taken(0, Proof::Topic, now.monotonic);
    assert_eq!(cleared, Cleared::Doubt);
    assert_eq!(ids(refused.into_iter().map(|(push, _)| push)), [1, 2]);
    assert_eq!(ids(taken(&lane)), [3]);
    // Whatever comes late finds an open lane.
    lane.put_last(pushes[0].clone());
    assert_eq!(ids(taken(&lane)), [1]);
}

#[test]
fn another_credential_takes_back_what_was_said_by_the_old_one() {
    for is_judged in [false, true] {
        let (lane, mut pushes) = all_taken(1);
        let now = Moment::now();
        pushes[0].used_its_second_chance = true;
        refuse(&lane, &pushes[0], 1, 0, now);
        if is_judged {
            lane.judge(false, now.monotonic, 0);
        }
        lane.route_replaced(1, now.monotonic);
        let again = match take_last(&lane, now.monotonic) {
            Some(push) => push,
            None => taken(&lane).remove(0),
        };
        assert!(!again.used_its_second_chance, "it may go at once");
        assert!(
            lane.taken(1, Proof::Topic, now.monotonic).1.is_empty(),
            "and is contradicted by nothing"
        );
    }
}

#[test]
fn those_that_go_last_are_work_only_when_a_probe_is_due() {
    let (lane, pushes) = all_taken(2);
    let now = Moment::now();
    let has_work = |now| {
        lane.holding().look_at_last(now);
        lane.has_work()
    };
    refuse(&lane, &pushes[0], 1, 0, now);
    refuse(&lane, &pushes[1], 2, 0, now);
    assert!(!has_work(now.monotonic), "it is doubted");
    lane.judge(false, now.monotonic, 0);
    let due = lane.holding().next_reading().unwrap();
    assert!(lane.holding().begin_reading(due));
    assert!(!has_work(due) && take_last(&lane, due).is_none());
    lane.credential_read(due, 0);
    assert!(has_work(due) && !lane.take(&mut VecDeque::new()));
    let mut avoiding = pushes[0].clone();
    avoiding.refused_by = Some(ConnectionId::new(99));
    lane.put_last(avoiding);
    let probe = take_last(&lane, due).unwrap();
    assert_eq!(probe.id(), PushId(1), "in turn");
    assert!(lane.holding().begin_probe(&probe, due));
    assert!(!has_work(due) && take_last(&lane, due).is_none());
    refuse(
        &lane,
        &probe,
        3,
        0,
        Moment {
            monotonic: due,
            ..now
        },
    );
    let due = lane.holding().next_reading().unwrap();
    assert!(lane.holding().begin_reading(due));
    lane.credential_read(due, 0);
    assert_eq!(take_last(&lane, due).map(|push| push.id()), Some(PushId(2)));
    assert!(
        take_last(&lane, due).is_some(),
        "the one that was refused again"
    );
    assert!(
        take_last(&lane, due).is_none() && has_work(due),
        "elsewhere"
    );
    assert!(
        lane.holding()
            .take_last(ConnectionId::new(98), due)
            .is_some()
    );
    lane.put_last(pushes[0].clone());
    assert!(has_work(due) && !lane.take_rest().is_empty());
    assert!(!lane.has_work(), "none is left");
}

#[test]
fn a_push_that_is_refused_keeps_no_place_among_the_retries() {
    let (lane, mut pushes) = all_taken(1);
    let now = Moment::now();
    lane.retries().budget().begin(pushes[0].class(), 1);
    pushes[0].is_retry = true;
    refuse(&lane, &pushes[0], 1, 0, now);
    assert_eq!(lane.retries().budget().under_way(), 0);
    assert!(!lane.take_rest()[0].is_retry);
}

#[test]
fn who_takes_the_only_witness_out_opens_the_lane() {
    let (lane, pushes) = all_taken(3);
    let now = Moment::now();
    refuse(&lane, &pushes[0], 1, 0, now);
    lane.put_last(pushes[1].clone());
    assert_eq!(lane.holding().only_witness(), Some(PushId(1)));
    assert!(!lane.forget(PushId(2)) && lane.holding().is_held());
    lane.sift_all(|push| push.id() != PushId(1));
    assert!(lane.forget(PushId(1)) && !lane.holding().is_held());
    assert_eq!(ids(taken(&lane)), [2]);
}

#[test]
fn who_takes_all_witnesses_out_opens_the_lane() {
    let (lane, pushes) = all_taken(3);
    let now = Moment::now();
    refuse(&lane, &pushes[0], 1, 0, now);
    refuse(&lane, &pushes[1], 2, 0, now);
    lane.judge(false, now.monotonic, 0);
    assert!(lane.holding().is_judged() && lane.holding().only_witness().is_none());
    assert_eq!(lane.holding().witnesses(), [PushId(1), PushId(2)]);
    assert!(!lane.forget(PushId(1)));
    assert_eq!(
        lane.holding().only_witness(),
        Some(PushId(2)),
        "of what is left"
    );
    assert_eq!(lane.may_send(now.monotonic), MaySend::Probe, "others may");
    assert!(lane.forget(PushId(2)) && !lane.holding().is_held());
}

#[test]
fn those_of_a_connection_that_was_refused_as_a_whole_show_whom_it_is_about() {
    let (lane, pushes) = all_taken(3);
    let now = Moment::now();
    let (witness, _) = met(&pushes[0], 1);
    let whole = Witness {
        push: None,
        ..witness
    };
    lane.refuse(refusal(), 0, Some(whole), None, now, 0);
    for push in &pushes {
        lane.put_last(push.clone());
    }
    let judged = lane.judge(false, now.monotonic, 0);
    assert_eq!(judged, Refused::Known, "there are others");
    lane.holding().look_at_last(now.monotonic);
    assert!(lane.has_work());
    let probe = take_last(&lane, now.monotonic).unwrap();
    assert!(lane.holding().begin_probe(&probe, now.monotonic));
    assert!(take_last(&lane, now.monotonic).is_none(), "one by one");
    // It may have been that one before.
    refuse(&lane, &probe, 2, 0, now);
    assert_eq!(lane.judge(false, now.monotonic, 0), Refused::Known);
    assert_eq!(lane.holding().only_witness(), Some(probe.id()));
    let later = now.monotonic + DECIDES_WITHIN;
    let other = take_last(&lane, later).unwrap();
    assert_ne!(other.id(), probe.id());
    assert!(lane.holding().begin_probe(&other, later));
    assert_eq!(lane.taken(0, Proof::Topic, later).0, Cleared::Doubt);
}

#[test]
fn a_proof_of_another_topic_opens_nothing_while_a_push_waits_that_the_configured_one_has_failed() {
    for (of_topic, cleared) in [(true, Cleared::Nothing), (false, Cleared::Doubt)] {
        let (lane, pushes) = all_taken(1);
        let now = Moment::now();
        let (witness, mut suspect) = met(&pushes[0], 1);
        let rebuff = suspect.met.as_mut().unwrap();
        rebuff.of_topic = of_topic;
        lane.refuse(refusal(), 0, Some(witness), Some(suspect), now, 0);
        let told = lane.taken(0, Proof::Credential, now.monotonic);
        assert_eq!((told.0, told.1.is_empty()), (cleared, of_topic));
        // The push has gone: there is nobody whom that would be unfair to.
        if of_topic {
            assert_eq!(ids(take_last_of_all(&lane)), [1]);
            let told = lane.taken(0, Proof::Credential, now.monotonic);
            assert_eq!(told.0, Cleared::Doubt);
        }
    }
}

fn take_last_of_all(lane: &Lane) -> Vec<Push> {
    let suspects = lane.holding().take_suspects();
    suspects.into_iter().map(|suspect| suspect.push).collect()
}

#[test]
fn a_push_of_the_configured_topic_is_the_probe_before_one_of_another() {
    let now = Moment::now();
    let (lane, pushes) = all_taken(1);
    refuse(&lane, &pushes[0], 1, 0, now);
    lane.judge(false, now.monotonic, 0);
    lane.put_last(fixture::push_of(PushType::Voip, 11, now));
    lane.put_last(fixture::push_of(PushType::Alert, 12, now));
    lane.route_replaced(1, now.monotonic);
    let order = std::iter::from_fn(|| take_last(&lane, now.monotonic));
    assert_eq!(ids(order), [1, 12, 11]);
}
