//! Who is woken by what becomes of a lane, and what begins anew.

use super::*;

/// A lane of 1,000 pushes a second whose ramp is over, and how often its thread was called and the
/// one that reads credentials.
struct Watched {
    lane: Arc<Lane>,
    rung: Arc<[AtomicUsize; 2]>,
    pushes: Vec<Push>,
    now: Moment,
}

impl Watched {
    fn new() -> Self {
        let lane = Lane::new(LaneId::IOS, 100, 1);
        let rung: Arc<[AtomicUsize; 2]> = Arc::default();
        let bell = |nth: usize| {
            let rung = Arc::clone(&rung);
            Box::new(move || {
                rung[nth].fetch_add(1, Ordering::Relaxed);
            })
        };
        lane.crew().seat(0, bell(0));
        lane.crew().on_hold(bell(1));
        let start = Moment::now();
        lane.set_rate(1000, start.monotonic);
        lane.pacing().tickets(start.monotonic, 1);
        let mut watched = Self {
            lane,
            rung,
            pushes: pushes(1, 10),
            now: start,
        };
        watched.now.monotonic += RAMP / 2;
        watched.lane.pacing().tickets(watched.now.monotonic, 1);
        watched.now.monotonic += RAMP / 2;
        watched
    }

    fn instant(&self) -> Instant {
        self.now.monotonic
    }

    /// The credential of the present route is refused to that push, on a connection of its own, or
    /// there is no access token to send it with.
    fn refuse(&self, nth: usize, ends_with: EndsWith) -> Refused {
        self.refuse_by_route(self.lane.holding().route_generation(), nth, ends_with)
    }

    fn refuse_by_route(&self, generation: u64, nth: usize, ends_with: EndsWith) -> Refused {
        let refusal = CredentialRefusal {
            reason: "BadCertificate".into(),
            text: "the client certificate is not accepted".into(),
            ends_with,
        };
        let push = &self.pushes[nth];
        let witness = Witness {
            push: Some((push.id(), Target::of(push.token()))),
            connection: ConnectionId::new(u32::try_from(nth).unwrap()),
            is_discredited: false,
            others_decide: false,
        };
        let witness = (ends_with == EndsWith::Probe).then_some(witness);
        self.lane
            .refuse(refusal, generation, witness, None, self.now, 0)
    }

    /// Its provider refuses whatever comes until then.
    fn rest_until(&self, until: Instant) {
        let spread = Duration::from_secs(1);
        let asked = Some(Asked { until, spread });
        let why = || "429".into();
        self.lane.heard(Said::RefusedToAll, asked, why, self.now);
    }

    fn hold(&self) {
        self.refuse(0, EndsWith::Probe);
        self.refuse(1, EndsWith::Probe);
        let told = self.lane.judge(false, self.instant(), 0);
        assert!(matches!(told, Refused::Held { .. }));
    }

    /// Held, and its files are read: the next push is the probe.
    fn make_ready(&mut self) {
        self.hold();
        self.now.monotonic = self.lane.holding().next_reading().unwrap();
        assert!(self.lane.holding().begin_reading(self.instant()));
        self.lane.credential_read(self.instant(), 0);
    }

    /// Whether its thread, and the one that reads credentials, were called since the last time.
    fn called(&self) -> [bool; 2] {
        [0, 1].map(|nth| self.rung[nth].swap(0, Ordering::Relaxed) > 0)
    }
}

const BOTH: [bool; 2] = [true, true];
const THREAD: [bool; 2] = [true, false];
const NOBODY: [bool; 2] = [false, false];

type Act = fn(&mut Watched);

/// What is done before, what then, and who is called by that.
type Case = (&'static str, Act, Act, [bool; 2]);

fn check(cases: &[Case]) {
    for (name, before, act, expected) in cases {
        let mut watched = Watched::new();
        before(&mut watched);
        watched.called();
        act(&mut watched);
        assert_eq!(watched.called(), *expected, "{name}");
    }
}

const NOTHING: Act = |_| {};
const DOUBTED: Act = |it| {
    it.refuse(0, EndsWith::Probe);
};
const WANTING: Act = |it| {
    it.refuse(0, EndsWith::AccessToken);
};
const HELD: Act = |it| it.hold();
const JUDGED: Act = |it| {
    it.lane.judge(false, it.instant(), 0);
};
const TAKEN: Act = |it| {
    it.lane.taken(
        it.lane.holding().route_generation(),
        Proof::Topic,
        it.instant(),
    );
};
/// A probe has gone since the credential was replaced.
const PROBING: Act = |it| {
    it.make_ready();
    it.lane.route_replaced(1, it.instant());
    assert!(it.lane.holding().begin_probe(&it.pushes[0], it.instant()));
};

#[test]
fn whoever_has_to_look_at_a_refusal_is_called_and_nobody_else() {
    check(&[
        ("a doubt", NOTHING, DOUBTED, BOTH),
        ("a want of a token", NOTHING, WANTING, BOTH),
        ("a doubt that is known", DOUBTED, DOUBTED, NOBODY),
        ("a want that is known", WANTING, WANTING, NOBODY),
        ("a judgement", DOUBTED, JUDGED, BOTH),
        ("a judgement that is known", HELD, JUDGED, NOBODY),
        ("a good answer in doubt", DOUBTED, TAKEN, BOTH),
        ("a good answer to a held lane", HELD, TAKEN, BOTH),
        ("a good answer like any other", NOTHING, TAKEN, NOBODY),
        (
            "a good answer to an old credential",
            PROBING,
            |it| {
                it.lane.taken(0, Proof::Topic, it.instant());
            },
            NOBODY,
        ),
        (
            "a witness that is taken out",
            DOUBTED,
            |it| assert!(it.lane.forget(it.pushes[0].id())),
            THREAD,
        ),
        (
            "another that is taken out",
            DOUBTED,
            |it| assert!(!it.lane.forget(it.pushes[5].id())),
            NOBODY,
        ),
    ]);
}

#[test]
fn whoever_has_to_look_at_another_credential_or_probe_is_called_and_nobody_else() {
    check(&[
        (
            "a file that was read",
            |it| {
                it.hold();
                it.now.monotonic = it.lane.holding().next_reading().unwrap();
                assert!(it.lane.holding().begin_reading(it.instant()));
            },
            |it| it.lane.credential_read(it.instant(), 0),
            THREAD,
        ),
        (
            "a probe without an answer",
            PROBING,
            |it| {
                let (push, now) = (it.pushes[0].id(), it.instant());
                it.lane.end_probe(push, 1, ProbeEnd::Unanswered, now, 0);
            },
            BOTH,
        ),
        (
            "a probe that an old credential is refused to",
            PROBING,
            |it| {
                it.refuse_by_route(0, 0, EndsWith::Probe);
            },
            BOTH,
        ),
        (
            "another push that an old credential is refused to",
            PROBING,
            |it| {
                it.refuse_by_route(0, 1, EndsWith::Probe);
            },
            NOBODY,
        ),
        (
            "a token that comes",
            WANTING,
            |it| assert!(it.lane.has_access_token(it.instant())),
            THREAD,
        ),
        (
            "a token where none is wanted",
            HELD,
            |it| assert!(!it.lane.has_access_token(it.instant())),
            NOBODY,
        ),
        (
            "another credential",
            HELD,
            |it| assert!(it.lane.route_replaced(1, it.instant()).is_none()),
            THREAD,
        ),
        (
            "an operator who resumes",
            |it| {
                it.lane.holding().pause(it.now);
            },
            |it| assert!(it.lane.resume()),
            THREAD,
        ),
    ]);
}

/// sterna-delivery(7): the rate begins at a tenth after a pause, and what a hold or a rest released
/// is such.
#[test]
fn the_ramp_begins_anew_after_a_hold_of_any_kind_and_not_after_a_doubt() {
    let cases: &[(&str, bool, Act)] = &[
        ("nothing", false, |_| {}),
        ("a pause", true, |it| {
            it.lane.holding().pause(it.now);
            it.lane.resume();
        }),
        ("a hold", true, |it| {
            it.hold();
            it.lane.taken(0, Proof::Topic, it.instant());
        }),
        ("a hold for one alone", false, |it| {
            it.refuse(0, EndsWith::Probe);
            it.lane.judge(false, it.instant(), 0);
            it.lane.taken(0, Proof::Topic, it.instant());
        }),
        ("a want of a token", true, |it| {
            it.refuse(0, EndsWith::AccessToken);
            assert!(it.lane.has_access_token(it.instant()));
        }),
        ("a doubt", false, |it| {
            it.refuse(0, EndsWith::Probe);
            it.lane.taken(0, Proof::Topic, it.instant());
        }),
        ("a rest, seen by who asks", true, |it| {
            let until = it.instant() + Duration::from_secs(5);
            it.rest_until(until);
            it.now.monotonic = until;
            assert!(!it.lane.rests(until));
        }),
        ("a rest, seen by who answers", true, |it| {
            let until = it.instant() + Duration::from_secs(5);
            it.rest_until(until);
            it.now.monotonic = until;
            it.lane.heard(Said::Nothing, None, || "200".into(), it.now);
        }),
    ];
    for (name, begins_anew, act) in cases {
        let mut watched = Watched::new();
        act(&mut watched);
        // What makes a burst, 50 ms, of the whole rate or of a tenth of it.
        let expected = if *begins_anew { 5 } else { 50 };
        let tickets = watched.lane.pacing().tickets(watched.instant(), 100);
        assert_eq!(tickets, Tickets::Go(expected), "{name}");
    }
}

#[test]
fn a_rest_that_is_over_is_seen_by_an_answer_and_wakes_its_thread() {
    let it = Watched::new();
    let until = it.instant() + Duration::from_secs(5);
    it.rest_until(until);
    it.called();
    let over = Moment {
        monotonic: until,
        ..it.now
    };
    it.lane.heard(Said::Nothing, None, || "200".into(), over);
    assert_eq!(it.called(), THREAD);
    it.lane.heard(Said::Nothing, None, || "200".into(), over);
    assert_eq!(it.called(), NOBODY);
}

#[test]
fn a_probe_that_an_old_credential_leaves_unanswered_says_nothing_of_the_new_one() {
    for (generation, may_send) in [(0, MaySend::Probe), (1, MaySend::No)] {
        let mut it = Watched::new();
        PROBING(&mut it);
        let (push, now) = (it.pushes[0].id(), it.instant());
        it.lane
            .end_probe(push, generation, ProbeEnd::Unanswered, now, 0);
        assert_eq!(it.lane.may_send(now), may_send);
    }
}

#[test]
fn another_credential_forgets_the_failures_of_connections() {
    let it = Watched::new();
    it.lane.crew().dial().back_off(it.instant(), 0);
    assert_eq!(it.lane.crew().dial().failures(), 1);
    it.lane.crew().dial().back_off(it.instant(), 0);
    assert_eq!(it.lane.crew().dial().failures(), 2);
    it.lane.route_replaced(1, it.instant());
    assert_eq!(it.lane.crew().dial().failures(), 0);
}

#[test]
fn the_wait_before_the_first_probe_is_the_configuration_s() {
    let it = Watched::new();
    it.lane.holding().set_first_probe(Duration::from_secs(8));
    it.hold();
    let wait = it.lane.holding().next_reading().unwrap() - it.instant();
    assert_eq!(wait, Duration::from_secs(4), "half of it at least");
}

#[test]
fn tickets_that_were_not_used_are_there_for_the_next() {
    let it = Watched::new();
    let Tickets::Go(all) = it.lane.pacing().tickets(it.instant(), 100) else {
        unreachable!()
    };
    assert!(matches!(
        it.lane.pacing().tickets(it.instant(), 1),
        Tickets::UsedUp(Some(_))
    ));
    let later = it.instant() + Duration::from_millis(50);
    assert_eq!(it.lane.pacing().tickets(later, 100), Tickets::Go(all));
    it.lane.pacing().give_back(3);
    assert_eq!(it.lane.pacing().tickets(later, 100), Tickets::Go(3));
}

#[test]
fn a_push_on_the_shelf_is_no_retry_under_way() {
    let it = Watched::new();
    let mut push = it.pushes[0].clone();
    it.lane.retries().budget().begin(push.class(), 1);
    push.is_retry = true;
    it.lane.retries().shelve(push, it.instant());
    assert_eq!(it.lane.retries().budget().under_way(), 0);
    assert!(!it.lane.take_rest()[0].is_retry);
}

#[test]
fn a_thread_that_goes_on_is_not_called_for_more_work() {
    let it = Watched::new();
    let lane = &it.lane;
    let connection = lane.new_connection();
    enqueue(lane, 100, 1);
    it.called();
    assert!(
        lane.leave(0, SeatState::Warm, Some(connection)),
        "there is work"
    );
    enqueue(lane, 200, 1);
    assert_eq!(it.called(), NOBODY);
}

#[test]
fn a_connection_carries_one_push_at_least() {
    let it = Watched::new();
    for (set, limit) in [(7, 7), (1, 1), (0, 1)] {
        it.lane.set_stream_limit(set);
        assert_eq!(it.lane.stream_limit(), limit);
    }
}

#[test]
fn what_waits_for_another_connection_can_be_sifted_alone() {
    let it = Watched::new();
    let mut refused = pushes(50, 4);
    for push in &mut refused {
        push.refused_by = Some(ConnectionId::new(1));
    }
    it.lane.put_aside(refused);
    let mut seen = Vec::new();
    it.lane.sift_aside(|push| {
        seen.push(push.id().0);
        push.id().0.is_multiple_of(2)
    });
    assert_eq!(seen, [50, 51, 52, 53]);
    assert_eq!(ids(it.lane.take_rest()), [50, 52]);
}
