mod accounts;

use std::collections::VecDeque;

use super::*;
use crate::delivery::sinks::LINES_HELD;
use crate::log::Destination;
use crate::provider::{Again, TokenEffect};
use crate::push::fixture::push_to;
use crate::push::{ConnectionId, LaneId, PushId};

const PUSHES: usize = 10_000;

/// A lane with all its room taken by [`PUSHES`] pushes to one device, and its settler.
fn full() -> (Arc<Lane>, Settler, Push) {
    let lane = Lane::new(LaneId::IOS, PUSHES, 1);
    let push = push_to("ab", Moment::now());
    lane.enqueue(
        lane.room().reserve(PUSHES).unwrap(),
        vec![push.clone(); PUSHES],
    );
    let nowhere = Destination::Discard;
    let logs = Logs::open(&nowhere, &nowhere, &nowhere).unwrap();
    let limits = Limits {
        retry_max: 3,
        max_age: Duration::from_secs(3600),
        resend_unknown: true,
    };
    let settler = Settler::new(Arc::clone(&lane), logs, limits, 1);
    (lane, settler, push)
}

#[test]
fn lines_do_not_pile_up_within_a_round() {
    let (lane, mut settler, push) = full();
    let now = Moment::now();
    for _ in 0..PUSHES {
        settler.settle_as_unsendable(&push, "a reason", now);
        assert!(settler.unflushed()[1].len() < LINES_HELD + 4096);
    }
    assert!(lane.room().outstanding() < PUSHES / 2);
    settler.flush(now.monotonic);
    assert_eq!(lane.room().outstanding(), 0);
}

#[test]
fn what_is_left_behind_is_counted_and_settled() {
    let (lane, mut settler, push) = full();
    let now = Moment::now();
    for _ in 0..7 {
        settler.leave(&push, None, now);
    }
    settler.flush(now.monotonic);
    assert_eq!(lane.room().outstanding(), PUSHES - 7);
    assert_eq!(lane.room().left_behind(), PUSHES);
}

/// A provider that falls silent is slow; one that had nothing to answer is not.
#[test]
fn silence_counts_from_the_last_answer_or_what_was_sent_after_it() {
    let (_lane, mut settler, push) = full();
    let start = Moment::now();
    let at = |millis| start.monotonic + Duration::from_millis(millis);
    let millis = Duration::from_millis;
    assert_eq!(
        settler.answered_after(at(0), at(30)),
        millis(30),
        "none yet"
    );
    let took = |sent, now| {
        let mut ended = ended(push.clone(), answered(200, LaneEffect::None, None));
        ended.sent = at(sent);
        let now = Moment {
            monotonic: at(now),
            ..start
        };
        (ended, now)
    };
    let (first, now) = took(0, 40);
    settler.conclude(first, now);
    assert_eq!(settler.answered_after(at(0), at(40)), millis(40));
    // Idle since: what is sent an hour later is not late when it is sent.
    let later = 3_600_000;
    assert_eq!(settler.answered_after(at(later), at(later)), millis(40));
    assert_eq!(
        settler.answered_after(at(later), at(later + 50)),
        millis(50)
    );
    let (second, now) = took(later, later + 200);
    settler.conclude(second, now);
    assert_eq!(
        settler.answered_after(at(later), at(later + 200)),
        millis(50)
    );
}

fn answered(status: u16, lane: LaneEffect, retry_after: Option<u64>) -> Outcome {
    let verdict = match status {
        200 => Verdict::Succeeded,
        _ => Verdict::Retry(Again::BACKOFF),
    };
    Outcome::Answered(Answer {
        status,
        reason: "a reason".into(),
        error: String::new(),
        verdict,
        lane,
        token: TokenEffect::Keep,
        token_alarm: None,
        proves: false,
        of_topic: false,
        of_other_topic: false,
        apns_id: None,
        apns_unique_id: None,
        message_name: None,
        gone_since_ms: None,
        retry_after: retry_after.map(Duration::from_secs),
        date: None,
    })
}

fn ended(push: Push, outcome: Outcome) -> Ended {
    Ended {
        push,
        outcome,
        sent: Instant::now(),
        generation: 0,
        connection: ConnectionId::new(1),
        is_refused: false,
        is_spared: false,
        was_early: false,
        was_on_trial: false,
    }
}

fn lost() -> Outcome {
    Outcome::Unknown("the connection was lost".into())
}

/// Takes the only push that the lane has to send.
fn taken(lane: &Lane) -> Push {
    let mut hand = VecDeque::new();
    while lane.take(&mut hand) {}
    assert_eq!(hand.len(), 1);
    hand.remove(0).unwrap()
}

#[test]
fn unknown_outcomes_show_as_maybe_sent_in_the_log_line() {
    let (_lane, settler, push) = full();
    let now = Moment::now();
    let limits = Limits {
        resend_unknown: false,
        ..*settler.limits.look()
    };
    let mut settler = settler.following(&Arc::new(Live::new(limits)));
    assert!(settler.conclude(ended(push, lost()), now).is_none());
    let line = String::from_utf8(settler.unflushed()[1].to_vec()).unwrap();
    assert!(line.contains(r#""reason":"unanswered""#), "{line}");
    assert!(line.ends_with("\"maybe_sent\":true}\n"), "{line}");
    assert!(line.contains(r#""attempt":1"#), "{line}");
}

#[test]
fn a_retry_has_its_place_in_the_budget_until_it_is_settled_or_shelved() {
    let (lane, mut settler, push) = full();
    while lane.take(&mut VecDeque::new()) {}
    let now = Moment::now();
    let hour_on = now.monotonic + Duration::from_secs(3600);
    let under_way = || lane.retries().budget().under_way();
    settler.conclude(ended(push, lost()), now);
    assert_eq!(under_way(), 0, "it is on the shelf");
    for outcome in [lost(), answered(503, LaneEffect::None, None)] {
        lane.promote_due(hour_on);
        assert_eq!(under_way(), 1);
        settler.conclude(ended(taken(&lane), outcome), now);
        assert_eq!(under_way(), 0);
    }
    lane.promote_due(hour_on);
    let never_written = settler.conclude(ended(taken(&lane), Outcome::NotSent), now);
    assert_eq!(under_way(), 1, "it is still to be sent");
    let outcome = answered(200, LaneEffect::None, None);
    settler.conclude(ended(never_written.unwrap(), outcome), now);
    assert_eq!(under_way(), 0);
    assert_eq!(lane.retries().next_due(), None);
}

#[test]
fn retry_after_holds_back_other_retries_only_if_it_is_said_of_the_lane_and_to_two() {
    for (effect, tokens, is_held) in [
        (LaneEffect::None, ["ab", "cd"], false),
        (LaneEffect::Slow, ["ab", "ab"], false),
        (LaneEffect::Slow, ["ab", "cd"], true),
    ] {
        let (lane, mut settler, push) = full();
        while lane.take(&mut VecDeque::new()) {}
        let now = Moment::now();
        settler.conclude(ended(push.clone(), lost()), now);
        for token in tokens {
            let slow = answered(503, effect, Some(60));
            settler.conclude(ended(push_to(token, now), slow), now);
        }
        lane.promote_due(now.monotonic + Duration::from_secs(2));
        lane.promote_due(now.monotonic + Duration::from_secs(59));
        let early = lane.retries().budget().under_way();
        assert_eq!(early, usize::from(!is_held), "{effect:?} {tokens:?}");
        lane.promote_due(now.monotonic + Duration::from_secs(67));
        assert_eq!(lane.retries().budget().under_way(), 3);
    }
}

#[test]
fn what_a_crash_left_in_doubt_shows_as_maybe_sent_and_may_still_be_tried_again() {
    let (_lane, mut settler, mut push) = full();
    let now = Moment::now();
    push.in_doubt = true;
    push.attempts = 3;
    // The one resending that an unanswered push has in any case is not used up.
    assert!(settler.conclude(ended(push.clone(), lost()), now).is_none());
    assert!(settler.unflushed()[1].is_empty());
    push.attempts = 3;
    settler.conclude(ended(push, answered(200, LaneEffect::None, None)), now);
    let line = String::from_utf8(settler.unflushed()[0].to_vec()).unwrap();
    assert!(
        line.ends_with("\"attempt\":4,\"maybe_sent\":true}\n"),
        "{line}"
    );
}

#[test]
fn what_waits_for_its_retry_beyond_the_hour_fails_unless_a_hold_keeps_it() {
    let after = |setback: Outcome, held: bool, wait: Duration| {
        let (lane, settler, mut push) = full();
        let limits = Limits {
            max_age: Duration::from_secs(86_400),
            ..*settler.limits.look()
        };
        let mut settler = settler.following(&Arc::new(Live::new(limits)));
        while lane.take(&mut VecDeque::new()) {}
        let now = Moment::now();
        push.first_attempt = Some(now.monotonic);
        settler.conclude(ended(push, setback), now);
        lane.promote_due(now.monotonic + policy::RETRY_WINDOW);
        let then = Moment {
            monotonic: now.monotonic + wait,
            ..now
        };
        if held {
            lane.holding().pause(now);
        }
        let mut kept = settler.settle_if_expired(taken(&lane), then);
        if held {
            lane.resume();
            kept = kept.and_then(|push| settler.settle_if_expired(push, then));
        }
        let told = String::from_utf8(settler.unflushed()[1].to_vec()).unwrap();
        assert_eq!(kept.is_some(), told.is_empty(), "{told}");
        assert_eq!(kept.is_some(), lane.retries().budget().under_way() == 1);
        told
    };
    let in_time = policy::RETRY_WINDOW;
    let late = in_time + Duration::from_millis(1);
    let busy = || answered(503, LaneEffect::None, None);
    assert_eq!(after(busy(), false, in_time), "");
    let line = after(busy(), false, late);
    for part in [
        r#""status":503"#,
        r#""reason":"too_late""#,
        r#""attempt":1"#,
    ] {
        assert!(line.contains(part), "{line}");
    }
    let line = after(lost(), false, late);
    assert!(
        line.contains("did not answer") && line.contains(r#""maybe_sent":true"#),
        "{line}"
    );
    assert_eq!(after(busy(), true, late), "", "the lane was held");
}
