use super::*;
use crate::log::Destination;
use crate::provider::TokenEffect;
use crate::push::{Accepted, DeviceToken, Notification, Platform, PushId};

const PUSHES: usize = 10_000;

/// A lane with all its room taken by [`PUSHES`] pushes to one device, and its settler.
fn full() -> (Arc<Lane>, Settler, Push) {
    let lane = Lane::new(Platform::Ios, PUSHES, 1);
    let accepted = Arc::new(Accepted {
        notification: Notification::empty(Platform::Ios),
        tokens: Box::new([DeviceToken::new("ab")]),
        first_id: PushId(1),
        at: Moment::now(),
        payload: Box::default(),
    });
    let push = Push::nth(&accepted, 0).unwrap();
    lane.enqueue(lane.reserve(PUSHES).unwrap(), vec![push.clone(); PUSHES]);
    let nowhere = Destination::Discard;
    let logs = Logs::open(&nowhere, &nowhere, &nowhere).unwrap();
    let stats = Arc::new(Stats::new(Moment::now()));
    let limits = Limits {
        retry_max: 3,
        max_age: Duration::from_secs(3600),
    };
    let settler = Settler::new(Arc::clone(&lane), logs, stats, limits, 1);
    (lane, settler, push)
}

#[test]
fn lines_do_not_pile_up_within_a_round() {
    let (lane, mut settler, push) = full();
    let now = Moment::now();
    for _ in 0..PUSHES {
        settler.settle_as_unsendable(&push, "a reason", now);
        assert!(settler.error.len() < LINES_HELD + 4096);
    }
    assert!(lane.outstanding() < PUSHES / 2);
    settler.flush(now.monotonic);
    assert_eq!(lane.outstanding(), 0);
}

#[test]
fn what_is_left_behind_is_counted_and_settled() {
    let (lane, mut settler, push) = full();
    let now = Moment::now();
    for _ in 0..7 {
        settler.settle_as_left(&push, now);
    }
    settler.flush(now.monotonic);
    assert_eq!(lane.outstanding(), PUSHES - 7);
    assert_eq!(lane.left_behind(), PUSHES);
}

#[test]
fn reasons_without_end_are_told_together() {
    let (_lane, mut settler, push) = full();
    let now = Instant::now();
    for number in 0..3 * RETRY_REASONS {
        let answer = Answer {
            status: 403,
            reason: format!("Reason{number}").into(),
            error: String::new(),
            verdict: Verdict::Stopped,
            lane: LaneEffect::Stop,
            token: TokenEffect::Keep,
            apns_id: None,
            gone_since_ms: None,
            retry_after: None,
        };
        settler.alarm(&answer, &push, now);
    }
    assert_eq!(settler.alarmed.len(), RETRY_REASONS + 1);
    assert!(
        settler.alarmed.contains_key("403 Reason0"),
        "the first are not forgotten"
    );
    assert!(settler.alarmed.contains_key(OTHER_REASONS));
}
