use super::*;

fn keyed<'a>(key: &'a str, body: &str) -> Keyed<'a> {
    Keyed {
        key,
        body: BodyHash::of(body.as_bytes()),
        owner: None,
    }
}

/// The owner of that number.
fn owner(number: u8) -> KeyOwner {
    KeyOwner([number; 8])
}

fn start() -> Instant {
    Instant::now()
}

#[test]
fn a_hash_is_sha_256() {
    let BodyHash(hash) = BodyHash::of(b"abc");
    assert_eq!(hash[..4], [0xba, 0x78, 0x16, 0xbf]);
    assert_eq!(hash[28..], [0xf2, 0x00, 0x15, 0xad]);
}

#[test]
fn a_request_is_answered_once_and_then_the_same() {
    let (mut keys, now) = (Keys::default(), start());
    assert_eq!(keys.ask(keyed("k", "body"), now), Seen::New);
    assert_eq!(keys.ask(keyed("k", "body"), now), Seen::InProgress);
    assert_eq!(keys.ask(keyed("k", "other"), now), Seen::OtherBody);
    assert_eq!(keys.ask(keyed("K", "body"), now), Seen::New);
    keys.keep(keyed("k", "body"), b"answer", now);
    let answered = Seen::Answered(b"answer".as_slice().into());
    assert_eq!(keys.ask(keyed("k", "body"), now), answered);
    assert_eq!(keys.ask(keyed("k", "other"), now), Seen::OtherBody);
}

#[test]
fn what_came_to_nothing_may_be_tried_again() {
    let (mut keys, now) = (Keys::default(), start());
    assert_eq!(keys.ask(keyed("k", "body"), now), Seen::New);
    keys.forget("k");
    assert!(keys.is_empty());
    assert_eq!(keys.ask(keyed("k", "other"), now), Seen::New);
    keys.keep(keyed("k", "other"), b"answer", now);
    keys.forget("k");
    assert_eq!(keys.len(), 1, "an answer is not forgotten");
}

#[test]
fn an_answer_is_kept_for_its_time() {
    let (mut keys, now) = (Keys::default(), start());
    keys.keep(keyed("a", "body"), b"1", now);
    keys.keep(keyed("b", "body"), b"2", now + Duration::from_secs(1));
    let end = now + KEPT_FOR;
    let almost = end.checked_sub(Duration::from_millis(1)).unwrap();
    assert!(matches!(
        keys.ask(keyed("a", "body"), almost),
        Seen::Answered(_)
    ));
    assert_eq!(keys.ask(keyed("a", "other"), end), Seen::New);
    assert!(matches!(
        keys.ask(keyed("b", "body"), end),
        Seen::Answered(_)
    ));
    // A request that takes longer than that stays in progress.
    let late = end + KEPT_FOR;
    assert_eq!(keys.ask(keyed("a", "other"), late), Seen::InProgress);
    assert_eq!((keys.len(), keys.bytes), (1, cost("a", b"")));
}

#[test]
fn answers_outlive_the_process_that_gave_them() {
    let (mut keys, unix) = (Keys::default(), Duration::from_secs(1_795_000_000));
    let now = Moment {
        stood: Duration::ZERO,
        monotonic: start(),
        unix,
    };
    let given = |key: &str, at: Duration| Answered {
        key: key.into(),
        body: BodyHash::of(b"body"),
        owner: None,
        answer: b"answer".as_slice().into(),
        at,
    };
    let secs = Duration::from_secs;
    let answers = [
        given("old", unix.checked_sub(KEPT_FOR).unwrap()),
        given("young", unix.checked_sub(secs(500)).unwrap()),
        given("early", unix + secs(60)),
    ];
    keys.restore(answers, now);
    let at = now.monotonic;
    assert_eq!(keys.ask(keyed("old", "body"), at), Seen::New);
    for key in ["young", "early"] {
        assert!(
            matches!(keys.ask(keyed(key, "body"), at), Seen::Answered(_)),
            "{key}"
        );
    }
    let later = at + secs(100);
    assert_eq!(keys.ask(keyed("young", "body"), later), Seen::New);
    assert_eq!(keys.ask(keyed("early", "other"), later), Seen::OtherBody);
}

/// Requests with answers of a MiB, until no more is held.
fn fill(keys: &mut Keys, answer: &[u8], now: Instant) -> usize {
    for number in 0.. {
        let key = format!("key-{number}");
        assert_eq!(keys.ask(keyed(&key, "body"), now), Seen::New);
        if keys.hold(keyed(&key, "body"), answer).is_err() {
            keys.forget(&key);
            return number;
        }
        keys.keep(keyed(&key, "body"), answer, now);
    }
    0
}

#[test]
fn what_is_kept_is_bounded_and_room_comes_back() {
    let (mut keys, now) = (Keys::default(), start());
    let answer = vec![b'x'; 1024 * 1024];
    // What 64 keys cost beside the answers is no room for the last one.
    assert_eq!(fill(&mut keys, &answer, now), 63);
    assert!(keys.bytes <= BYTES_MAX);
    let left = BYTES_MAX - keys.bytes;
    assert_eq!(keys.ask(keyed("short", "body"), now), Seen::New);
    let mut hold = |bytes| keys.hold(keyed("short", "body"), &vec![b'x'; bytes]);
    assert_eq!(hold(left), Err(Full::Room));
    assert_eq!(hold(left - cost("short", b"")), Ok(()));
    assert_eq!(keys.bytes, BYTES_MAX);
    let full = Seen::Full(Full::Room);
    assert_eq!(keys.ask(keyed("more", "body"), now), full);
    let known = keys.ask(keyed("key-0", "body"), now);
    assert!(matches!(known, Seen::Answered(_)));
    // A request that comes to nothing gives its room back.
    keys.forget("short");
    assert_eq!(keys.bytes, BYTES_MAX - left);
    let later = now + KEPT_FOR;
    assert_eq!(keys.ask(keyed("more", "body"), later), Seen::New);
    assert_eq!((keys.len(), keys.bytes), (1, cost("more", b"")));
}

/// As sterna-send(1) says.
#[test]
fn a_campaign_of_twenty_million_fits() {
    let taken = (0..100).map(|at| {
        let id = 2_248_445_554_128_u64 + at;
        format!("{{\"index\":{at},\"first_id\":{id},\"count\":1}}")
    });
    let taken = taken.collect::<Vec<_>>().join(",");
    let answer =
        format!("{{\"message\":\"ok\",\"accepted\":[{taken}],\"rejected\":[],\"ignored\":[]}}\n");
    let (mut keys, now) = (Keys::default(), start());
    let key = "x".repeat(60);
    assert_eq!(keys.ask(keyed(&key, "body"), now), Seen::New);
    assert_eq!(keys.hold(keyed(&key, "body"), answer.as_bytes()), Ok(()));
    keys.keep(keyed(&key, "body"), answer.as_bytes(), now);
    assert!(keys.bytes <= BYTES_MAX / 200_000, "{}", keys.bytes);
    let given = Seen::Answered(answer.into());
    assert_eq!(keys.ask(keyed(&key, "body"), now), given);
}

#[test]
fn all_that_was_kept_comes_back_after_a_restart() {
    let unix = Duration::from_secs(1_795_000_000);
    let now = Moment {
        stood: Duration::ZERO,
        monotonic: start(),
        unix,
    };
    let (mut keys, mut next) = (Keys::default(), Keys::default());
    let answer = vec![b'x'; 1024 * 1024];
    let kept = fill(&mut keys, &answer, now.monotonic);
    let answers = (0..kept).map(|number| Answered {
        key: format!("key-{number}").into(),
        body: BodyHash::of(b"body"),
        owner: None,
        answer: answer.as_slice().into(),
        at: unix,
    });
    next.restore(answers, now);
    assert_eq!((next.len(), next.bytes), (keys.len(), keys.bytes));
}

/// One owner's requests with answers of a MiB, until no more is held; how many are kept, and why no
/// more.
fn fill_as(keys: &mut Keys, number: u8, now: Instant) -> (usize, Full) {
    let answer = vec![b'x'; 1024 * 1024];
    let others = keys.len();
    for kept in 0.. {
        let key = format!("{number}-{others}-{kept}");
        let keyed = Keyed {
            owner: Some(owner(number)),
            ..keyed(&key, "body")
        };
        match keys.ask(keyed, now) {
            Seen::Full(full) => return (kept, full),
            seen => assert!(matches!(seen, Seen::New)),
        }
        if let Err(full) = keys.hold(keyed, &answer) {
            keys.forget(&key);
            return (kept, full);
        }
        keys.keep(keyed, &answer, now);
    }
    (0, Full::Room)
}

#[test]
fn no_owner_takes_all_of_the_room_and_the_next_always_finds_some() {
    let (mut keys, now) = (Keys::default(), start());
    let taken = [1, 2, 3, 4].map(|number| fill_as(&mut keys, number, now));
    assert_eq!(taken, [31, 16, 8, 4].map(|kept| (kept, Full::Share)));
    assert_eq!(fill_as(&mut keys, 1, now), (0, Full::Share));
    // Who is told apart from nobody has no share.
    assert_eq!(keys.ask(keyed("k", "body"), now), Seen::New);
    // What is forgotten is given back to its owner and to all.
    let later = now + KEPT_FOR;
    assert_eq!(fill_as(&mut keys, 1, later), (31, Full::Share));
    assert_eq!(keys.shares.len(), 1);
}

#[test]
fn what_comes_to_nothing_is_given_back_to_its_owner() {
    let (mut keys, now) = (Keys::default(), start());
    let keyed = Keyed {
        owner: Some(owner(1)),
        ..keyed("k", "body")
    };
    assert_eq!(keys.ask(keyed, now), Seen::New);
    assert_eq!(keys.hold(keyed, b"answer"), Ok(()));
    assert_eq!(keys.share_of(owner(1)), cost("k", b"answer"));
    keys.forget("k");
    assert_eq!((keys.bytes, keys.shares.len()), (0, 0));
}

#[test]
fn a_share_is_the_same_after_a_restart_and_no_kept_answer_is_over_it() {
    let (mut keys, mut next) = (Keys::default(), Keys::default());
    let now = Moment {
        stood: Duration::ZERO,
        monotonic: start(),
        unix: Duration::from_secs(1_795_000_000),
    };
    let first = fill_as(&mut keys, 1, now.monotonic).0;
    let given = |number: u8, kept: usize| Answered {
        key: format!("{number} {kept}").into(),
        body: BodyHash::of(b"body"),
        owner: Some(owner(number)),
        answer: vec![b'x'; 1024 * 1024].into(),
        at: now.unix,
    };
    next.restore((0..first).map(|kept| given(1, kept)), now);
    let full = (0, Full::Share);
    assert_eq!(fill_as(&mut next, 1, now.monotonic), full);
    assert_eq!(
        fill_as(&mut next, 2, now.monotonic).0,
        fill_as(&mut keys, 2, now.monotonic).0
    );
    // More than half, given while there was one API key.
    let mut over = Keys::default();
    over.restore((0..63).map(|kept| given(1, kept)), now);
    assert_eq!(over.len(), 63);
    assert_eq!(fill_as(&mut over, 1, now.monotonic), full);
}
