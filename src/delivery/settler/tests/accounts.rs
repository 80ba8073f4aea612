//! What a settler counts, tells and gives back.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::delivery::register::Keeper;
use crate::provider::{Answer, AnswerHead, TokenEffect, Verdict, apns, fcm};
use crate::push::End;

/// Keeps all that it is told, as a journal does, and counts it.
#[derive(Clone, Default)]
struct Kept {
    settled: Arc<AtomicUsize>,
    left: Arc<AtomicUsize>,
    tried: Arc<AtomicUsize>,
}

impl Keeper for Kept {
    fn settle(&self, ended: &[(PushId, End)]) {
        self.settled.fetch_add(ended.len(), Ordering::Relaxed);
    }

    fn release(&self, _: &Push, _: Waits, _: Moment) {
        self.left.fetch_add(1, Ordering::Relaxed);
    }

    fn note(&self, _: &Push, _: Waits, _: Moment) {
        self.tried.fetch_add(1, Ordering::Relaxed);
    }

    fn hand(&self, _: &[PushId]) {}
}

fn keeping(settler: Settler) -> (Settler, Kept) {
    let kept = Kept::default();
    let register = Arc::<Register>::default();
    register.set_backlog(Arc::new(kept.clone()));
    (settler.with_register(register), kept)
}

fn refused() -> Outcome {
    Outcome::NotProcessed("REFUSED_STREAM".into())
}

fn good() -> Outcome {
    answered(200, LaneEffect::None, None)
}

fn busy() -> Outcome {
    answered(503, LaneEffect::None, None)
}

fn elsewhere() -> Outcome {
    let mut outcome = busy();
    if let Outcome::Answered(answer) = &mut outcome {
        answer.verdict = Verdict::Retry(Again::ELSEWHERE);
    }
    outcome
}

#[test]
fn what_the_next_start_finds_gives_its_room_back_and_has_no_line() {
    let (lane, settler, push) = full();
    let (mut settler, kept) = keeping(settler);
    for _ in 0..7 {
        settler.leave(&push, None, Moment::now());
    }
    assert_eq!(settler.unflushed(), [b"", b""]);
    settler.flush(Instant::now());
    assert_eq!(kept.left.load(Ordering::Relaxed), 7);
    assert_eq!(lane.room().outstanding(), PUSHES - 7);
}

#[test]
fn each_sink_hears_once_of_a_settlement_that_keeps_what_the_answer_said() {
    let (lane, settler, push) = full();
    let (mut settler, kept) = keeping(settler);
    let now = Moment::now();
    let long = Duration::from_millis(2500);
    let mut settle = |status, body: &[u8], judge: fn(AnswerHead<'_>, &[u8], Moment) -> Answer| {
        let head = AnswerHead {
            status,
            ..AnswerHead::default()
        };
        let mut push = push.clone();
        push.first_attempt = Some(now.monotonic);
        let later = Moment {
            monotonic: now.monotonic + long,
            ..now
        };
        let outcome = Outcome::Answered(judge(head, body, now));
        assert!(settler.conclude(ended(push, outcome), later).is_none());
        let lines = settler.unflushed().concat();
        let lines = lines.split(|byte| *byte == b'\n').count() - 1;
        settler.flush(later.monotonic);
        settler.flush(later.monotonic);
        let found = settler.sinks.register.find(PushId(1)).unwrap();
        (found.settlement, lines)
    };
    let (gone, written) = settle(
        410,
        br#"{"reason":"Unregistered","timestamp":1577836800000}"#,
        apns::answer,
    );
    assert_eq!((gone.end, gone.took, written), (End::Failed, long, 1));
    let said = (gone.token_effect, gone.gone_since_ms);
    assert_eq!(said, (TokenEffect::Dead, Some(1_577_836_800_000)));
    let (taken, written) = settle(200, br#"{"name":"projects/p/messages/0:1%2"}"#, fcm::answer);
    assert_eq!((taken.end, taken.took, written), (End::Succeeded, long, 1));
    let said = (taken.token_effect, taken.message_name.as_deref());
    assert_eq!(said, (TokenEffect::Keep, Some("projects/p/messages/0:1%2")));
    let figures = lane.stats().figures();
    let counted = (figures.push_success, figures.push_error);
    assert_eq!((counted, kept.settled.load(Ordering::Relaxed)), ((1, 1), 2));
    assert_eq!(lane.room().outstanding(), PUSHES - 2);
}

#[test]
fn a_retry_is_noted_with_when_it_is_due_also_if_it_cost_no_attempt() {
    let (_lane, settler, push) = full();
    let (mut settler, kept) = keeping(settler);
    let now = Moment::now();
    let tried = || kept.tried.swap(0, Ordering::Relaxed);
    let again = settler.conclude(ended(push, refused()), now).unwrap();
    assert_eq!(
        tried(),
        0,
        "it goes at once, and nothing is to be known of it"
    );
    assert!(settler.conclude(ended(again, refused()), now).is_none());
    assert_eq!(tried(), 1, "it waits");
}

#[test]
fn what_goes_to_another_connection_at_once_does_not_wait_on_the_shelf() {
    let (lane, mut settler, push) = full();
    let now = Moment::now();
    let again = settler.conclude(ended(push, elsewhere()), now);
    let again = again.expect("a push to be sent at once");
    assert_eq!(lane.retries().next_due(), None);
    assert!(settler.conclude(ended(again, elsewhere()), now).is_none());
    assert!(
        lane.retries().next_due().is_some(),
        "the second time it waits"
    );
}

#[test]
fn a_line_tells_the_time_since_the_first_attempt() {
    let (_lane, mut settler, mut push) = full();
    let start = Moment::now();
    let now = Moment {
        monotonic: start.monotonic + Duration::from_millis(2500),
        ..start
    };
    push.first_attempt = Some(start.monotonic);
    settler.conclude(ended(push.clone(), good()), now);
    push.first_attempt = None;
    settler.conclude(ended(push, good()), now);
    let lines = String::from_utf8(settler.unflushed()[0].to_vec()).unwrap();
    let times: Vec<f64> = lines
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| line["ptime"].as_f64().unwrap())
        .collect();
    assert_eq!(times, [2.5, 0.0]);
}

#[test]
fn a_line_has_the_name_by_which_apples_console_finds_the_push() {
    let (_lane, mut settler, push) = full();
    let Outcome::Answered(mut answer) = good() else {
        panic!("no answer")
    };
    answer.apns_unique_id = Some("8b36a1c2-53a4-4d37-9a0b-2f6a5a0f0c12".into());
    settler.conclude(ended(push, Outcome::Answered(answer)), Moment::now());
    let lines = String::from_utf8(settler.unflushed()[0].to_vec()).unwrap();
    let line: serde_json::Value = serde_json::from_str(&lines).unwrap();
    let expected = "8b36a1c2-53a4-4d37-9a0b-2f6a5a0f0c12";
    assert_eq!(line["apns_unique_id"], expected);
}

/// With every reason that Apple and Google document.
#[test]
fn a_line_says_what_the_answer_means_for_the_device_token() {
    let (_lane, mut settler, push) = full();
    let now = Moment::now();
    let refinements = fcm::refinements().into_iter().map(|(_, row)| row);
    let rows = apns::ROWS.iter().chain(fcm::ROWS).chain(refinements);
    let mut told = BTreeSet::new();
    for row in rows {
        let Outcome::Answered(answer) = good() else {
            panic!("no answer")
        };
        let answer = Answer {
            status: 400,
            reason: row.reason.into(),
            error: row.meaning.to_owned(),
            verdict: Verdict::Refused,
            token: row.token,
            gone_since_ms: Some(1_577_836_800_123),
            ..answer
        };
        settler.conclude(ended(push.clone(), Outcome::Answered(answer)), now);
        let lines = String::from_utf8(settler.unflushed()[1].to_vec()).unwrap();
        let line: serde_json::Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
        assert_eq!(
            line["token_is"].as_str(),
            row.token.word(),
            "{}",
            row.reason
        );
        let is_dead = row.token == TokenEffect::Dead;
        let since = is_dead.then_some(1_577_836_800_123);
        assert_eq!(line["gone_since"].as_u64(), since, "{}", row.reason);
        told.extend(row.token.word());
    }
    assert_eq!(told, ["dead", "suspect"].into());
}

#[test]
fn each_end_is_counted_as_what_it_is() {
    let (lane, mut settler, push) = full();
    let now = Moment::now();
    for (outcome, counted) in [
        (Some(good()), (1, 0)),
        (None, (1, 1)),
        (None, (1, 2)),
        (Some(good()), (2, 2)),
    ] {
        match outcome {
            Some(outcome) => assert!(
                settler
                    .conclude(ended(push.clone(), outcome), now)
                    .is_none()
            ),
            None => settler.settle_as_unsendable(&push, "a reason", now),
        }
        settler.flush(now.monotonic);
        let figures = lane.stats().figures();
        assert_eq!((figures.push_success, figures.push_error), counted);
        let gone = usize::try_from(counted.0 + counted.1).unwrap();
        assert_eq!(lane.room().outstanding(), PUSHES - gone);
    }
}

/// sterna-limits(7): one line per reason and second.
#[test]
fn retries_are_told_once_a_second_by_their_reasons() {
    let (_lane, mut settler, push) = full();
    let start = Moment::now();
    let waiting = |settler: &Settler| settler.retries.values().map(|it| it.pushes).sum::<u64>();
    let fail = |settler: &mut Settler| {
        assert!(
            settler
                .conclude(ended(push.clone(), busy()), start)
                .is_none()
        );
    };
    fail(&mut settler);
    fail(&mut settler);
    assert_eq!((settler.retries.len(), waiting(&settler)), (1, 2));
    let at = |millis| start.monotonic + Duration::from_millis(millis);
    settler.flush(at(0));
    assert_eq!(waiting(&settler), 0, "told");
    fail(&mut settler);
    settler.flush(at(999));
    assert_eq!(waiting(&settler), 1, "gathered");
    settler.flush(at(1000));
    assert_eq!(waiting(&settler), 0, "told");
    // Whatever a provider says, so many reasons are told apart, and no push is forgotten.
    for number in 0..1000 {
        let why = format!("the connection was lost: {number}");
        let outcome = Outcome::Unknown(why.into());
        assert!(
            settler
                .conclude(ended(push.clone(), outcome), start)
                .is_none()
        );
    }
    assert_eq!(waiting(&settler), 1000);
    assert!(settler.retries.len() <= 33, "{}", settler.retries.len());
}

#[test]
fn what_a_lane_is_asked_to_wait_for_holds_retries_also_where_it_does_not_rest() {
    let (lane, mut settler, push) = full();
    while lane.take(&mut VecDeque::new()) {}
    let now = Moment::now();
    // One server's slip among good answers.
    for _ in 0..32 {
        settler.conclude(ended(push.clone(), good()), now);
    }
    settler.conclude(ended(push.clone(), lost()), now);
    for push in [push, push_to("cd", now)] {
        let slow = answered(503, LaneEffect::Slow, Some(60));
        settler.conclude(ended(push, slow), now);
    }
    assert!(!lane.rests(now.monotonic));
    lane.promote_due(now.monotonic + Duration::from_secs(2));
    lane.promote_due(now.monotonic + Duration::from_secs(59));
    assert_eq!(lane.retries().budget().under_way(), 0);
    lane.promote_due(now.monotonic + Duration::from_secs(67));
    assert_eq!(lane.retries().budget().under_way(), 3);
}

#[test]
fn a_refusal_that_is_meant_for_the_lane_makes_it_rest_and_another_does_not() {
    for (effect, rests) in [(LaneEffect::Slow, true), (LaneEffect::None, false)] {
        let (lane, mut settler, push) = full();
        let now = Moment::now();
        for push in [push, push_to("cd", now)] {
            settler.conclude(ended(push, answered(503, effect, Some(60))), now);
        }
        assert_eq!(lane.rests(now.monotonic), rests);
    }
}

#[test]
fn an_answer_that_an_operator_has_to_look_into_is_an_alarm() {
    for (effect, is_told) in [(LaneEffect::None, false), (LaneEffect::Alarm, true)] {
        let (lane, mut settler, push) = full();
        let now = Moment::now();
        settler.conclude(ended(push, answered(400, effect, None)), now);
        let is_due = lane
            .holding()
            .alarms()
            .is_due("400 a reason", now.monotonic);
        assert_eq!(!is_due, is_told, "{effect:?}");
    }
}

/// What comes of that answer of APNs.
fn said(status: u16, reason: &str) -> Outcome {
    let head = AnswerHead {
        status,
        ..AnswerHead::default()
    };
    let body = format!(r#"{{"reason":"{reason}"}}"#);
    Outcome::Answered(apns::answer(head, body.as_bytes(), Moment::now()))
}

#[test]
fn attempts_that_were_made_are_counted_and_those_that_others_follow() {
    let (_lane, mut settler, push) = full();
    let now = Moment::now();
    for (outcome, attempts, retries) in [
        (Outcome::NotSent, 0, 0),
        (busy(), 1, 1),
        (lost(), 2, 2),
        (refused(), 3, 3),
        (said(400, "BadDeviceToken"), 4, 3),
        (good(), 5, 3),
    ] {
        settler.conclude(ended(push.clone(), outcome), now);
        settler.flush(now.monotonic);
        let figures = settler.lane.stats().figures();
        assert_eq!((figures.attempts, figures.retries), (attempts, retries));
    }
}

#[test]
fn a_provider_that_takes_nothing_for_a_minute_is_told_until_an_answer_shows_it_well() {
    for out_of_order in [busy(), lost(), refused()] {
        for (well, is_over) in [
            (good(), true),
            (said(410, "Unregistered"), true),
            (said(429, "TooManyRequests"), true),
            (said(500, "InternalServerError"), false),
            (Outcome::NotSent, false),
        ] {
            let (lane, mut settler, push) = full();
            let now = Moment::now();
            let later = |secs| Moment {
                monotonic: now.monotonic + Duration::from_secs(secs),
                ..now
            };
            for secs in [0, 59] {
                let failed = ended(push.clone(), said(500, "InternalServerError"));
                settler.conclude(failed, later(secs));
                // The lane may rest for an hour.
                assert!(lane.look_at_outage(later(secs + 3600)).is_none());
            }
            assert!(lane.outage().failing().is_none());
            settler.conclude(ended(push.clone(), busy()), later(60));
            assert!(
                lane.look_at_outage(later(60))
                    .is_some_and(|(_, goes_on)| goes_on)
            );
            assert_eq!(lane.outage().failing().map(|it| it.since), Some(now));
            assert!(lane.unreachable().is_none(), "it answers");
            settler.conclude(ended(push, well), later(61));
            assert_eq!(lane.outage().failing().is_none(), is_over);
        }
        let (lane, mut settler, push) = full();
        settler.conclude(ended(push, out_of_order), Moment::now());
        assert!(lane.outage().is_known());
    }
}

/// What a provider says of itself, or of the credential, is no word on device tokens.
#[test]
fn the_lane_hears_of_each_answer_that_decides_on_a_push_to_its_present_route() {
    use crate::lane::DECIDED;
    let (lane, mut settler, _) = full();
    let now = Moment::now();
    let mut hear = |status, reason: &str, times: usize, generation| {
        for number in 0..times {
            let push = push_to(&format!("{number:04x}"), now);
            let mut present = ended(push, said(status, reason));
            present.generation = generation;
            settler.conclude(present, now);
            // A connection of the route before finishes meanwhile.
            if let Some(before) = generation.checked_sub(1) {
                let mut former = ended(push_to("ff", now), good());
                former.generation = before;
                settler.conclude(former, now);
            }
        }
        settler.flush(now.monotonic);
        let prevailing = lane.prevailing();
        prevailing.map(|it| (it.refusal.reason, it.answers))
    };
    assert_eq!(hear(400, "BadDeviceToken", 50, 0), None);
    assert!(lane.route_replaced(7, now.monotonic).is_none());
    assert_eq!(hear(400, "BadDeviceToken", 3 * DECIDED, 6), None);
    let all = Some(("BadDeviceToken", DECIDED));
    assert_eq!(hear(400, "BadDeviceToken", 3 * DECIDED, 7), all);
    for reason in ["ServiceUnavailable", "InvalidProviderToken"] {
        assert_eq!(hear(503, reason, DECIDED, 7), all);
    }
    assert_eq!(hear(200, "", 50, 7), Some(("BadDeviceToken", 50)));
    assert_eq!(hear(400, "BadPriority", 1, 7), None);
    hear(400, "BadDeviceToken", DECIDED, 7);
    let ended = lane.route_replaced(8, now.monotonic);
    let ended = ended.map(|it| it.refusal.reason);
    assert_eq!(ended, Some("BadDeviceToken"), "it is told");
    assert_eq!(lane.prevailing(), None, "another configuration");
}

/// They hold no lane, so that nothing else would tell of a credential that is bad for all of them.
#[test]
fn refusals_of_other_topics_than_the_configured_one_are_told_if_they_prevail() {
    use crate::lane::DECIDED;
    use crate::provider::{Vendor as _, apns::Apns};
    use crate::push::Envelope;
    for (status, reason) in [(400, "TopicDisallowed"), (403, "InvalidProviderToken")] {
        let (lane, mut settler, _) = full();
        let now = Moment::now();
        for number in 0..DECIDED {
            let mut push = push_to(&format!("{number:04x}"), now);
            push.used_its_second_chance = true;
            let envelope = Envelope {
                has_own_topic: true,
                ..*push.envelope()
            };
            let Outcome::Answered(answer) = said(status, reason) else {
                panic!("no answer");
            };
            let answer = Apns.about(&envelope, answer);
            let given_back = settler.conclude(ended(push, Outcome::Answered(answer)), now);
            assert!(given_back.is_none(), "it fails");
        }
        settler.flush(now.monotonic);
        let told = lane.prevailing().unwrap().refusal;
        assert_eq!(told.reason, reason);
        assert!(told.cause.contains("topics that callers name"), "{told:?}");
    }
}

/// Whether the provider is well is read off retries alone, and off its answers alone.
#[test]
fn the_budget_of_retries_follows_what_becomes_of_them() {
    for (is_retry, outcome, limit) in [
        (true, good(), 11),
        (true, Outcome::NotSent, 10),
        (true, busy(), 3),
        (true, lost(), 3),
        (true, refused(), 3),
        (false, busy(), 10),
        (false, good(), 10),
    ] {
        let (lane, mut settler, mut push) = full();
        while lane.take(&mut VecDeque::new()) {}
        let now = Moment::now();
        let budget = lane.retries().budget();
        let shelve =
            |count| (0..count).for_each(|_| lane.retries().shelve(push.clone(), now.monotonic));
        shelve(20);
        lane.promote_due(now.monotonic);
        // Seven are answered well, and raise the limit while it is used up.
        for _ in 0..7 {
            budget.judge(push.class(), true);
            lane.promote_due(now.monotonic);
        }
        assert_eq!((budget.limit(), budget.room(push.class())), (10, 0));
        push.is_retry = is_retry;
        settler.conclude(ended(push, outcome), now);
        assert_eq!(budget.limit(), limit);
    }
}
