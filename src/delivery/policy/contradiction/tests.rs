use std::sync::Arc;

use super::*;
use crate::moment::Moment;
use crate::provider::{self, Built};
use crate::push::{ConnectionId, DeviceToken, LaneId, Notification, PushId, Setback};

const LIMITS: Limits = Limits {
    retry_max: 0,
    max_age: Duration::from_secs(86_400),
    resend_unknown: true,
};

fn push() -> Push {
    let accepted = provider::accept(
        &Notification::empty(LaneId::ANDROID),
        &Built::nothing(LaneId::ANDROID),
        [DeviceToken::new("t")],
        PushId(1),
        Moment::now(),
    );
    Push::nth(&Arc::new(accepted), 0).unwrap()
}

fn rebuff(connection: u32) -> Rebuff {
    Rebuff {
        status: 404,
        reason: "NOT_FOUND".into(),
        error: "FCM does not know the project".to_owned(),
        connection: ConnectionId::new(connection),
        of_topic: false,
    }
}

/// The wait until its next attempt, or its settlement.
fn met(
    push: &mut Push,
    connection: u32,
    at: Duration,
    random: u64,
) -> Result<Duration, Box<Settlement>> {
    let accepted = push.accepted().at;
    let now = Moment {
        monotonic: accepted.monotonic + at,
        ..accepted
    };
    match contradicted(push, rebuff(connection), LIMITS, now, random) {
        Decision::Retry { due, .. } => Ok(due.saturating_duration_since(now.monotonic)),
        Decision::Settle(settlement) => Err(settlement.into()),
        Decision::Resend => panic!("at once"),
    }
}

#[test]
fn the_third_on_another_connection_a_minute_after_the_first_fails_it_by_its_own_answer() {
    for random in [0, u64::MAX / 3, u64::MAX] {
        let mut push = push();
        push.refusals = 3;
        push.setback = Some(Setback::Refused);
        let mut at = Duration::from_millis(1500);
        let first = at;
        let soon = met(&mut push, 1, at, random).unwrap();
        assert!(soon <= FIRST_WAIT && soon >= FIRST_WAIT / 2, "{soon:?}");
        assert_eq!(push.refused_by, Some(ConnectionId::new(1)), "elsewhere");
        assert_eq!((push.attempts, push.refusals, push.setback), (0, 0, None));
        at += soon;
        at += met(&mut push, 2, at, random).unwrap();
        let first_refuser = Some(ConnectionId::new(1));
        assert_eq!(push.refused_by, first_refuser, "the second may have it");
        let after = at.saturating_sub(first);
        assert!(after >= CONTRADICTED_FOR, "{after:?}");
        assert!(after <= CONTRADICTED_FOR + SPREAD + FIRST_WAIT, "{after:?}");
        let settlement = met(&mut push, 2, at, random).unwrap_err();
        assert_eq!(settlement.end, End::Failed);
        assert_eq!(settlement.status, Some(404));
        assert_eq!(settlement.reason, "NOT_FOUND");
        assert_eq!(
            settlement.error,
            "FCM does not know the project; 3 times, while other pushes were taken"
        );
        assert_eq!(settlement.attempt, 1, "whatever retry_max is");
    }
}

#[test]
fn none_fails_it_sooner_and_none_on_the_first_connection() {
    let mut push = push();
    met(&mut push, 1, Duration::ZERO, 0).unwrap();
    let minute = CONTRADICTED_FOR;
    for at in [Duration::from_secs(1), minute / 2, minute.mul_f64(0.999)] {
        let wait = met(&mut push, 2, at, 0).unwrap();
        assert!(at + wait >= minute, "{at:?}");
    }
    push.refused_by = None;
    met(&mut push, 1, 2 * minute, 0).unwrap();
    assert_eq!(push.refused_by, Some(ConnectionId::new(1)));
    assert!(met(&mut push, 2, 2 * minute, 0).is_err());
}

#[test]
fn it_waits_no_longer_than_it_is_worth() {
    let mut push = push();
    let limits = Limits {
        max_age: Duration::from_secs(20),
        ..LIMITS
    };
    let accepted = push.accepted().at;
    for at in [0, 1] {
        let now = Moment {
            monotonic: accepted.monotonic + Duration::from_secs(at),
            ..accepted
        };
        let decision = contradicted(&mut push, rebuff(1), limits, now, 0);
        let Decision::Retry { due, why } = decision else {
            panic!("{decision:?}");
        };
        assert!(due <= accepted.monotonic + limits.max_age);
        assert_eq!(why, "404 NOT_FOUND, which others do not meet");
    }
}
