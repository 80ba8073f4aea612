//! When a notification is to be sent.

use std::time::Duration;

use super::*;
use crate::api::content::content_of;
use crate::provider::Site;

const NOW: u64 = 1_790_000_000;

fn plan_of(fields: &str, keeps_scheduled: bool) -> Plan {
    let rules = Rules {
        keeps_scheduled,
        content: Box::new(content_of(|_| Site::default())),
        ..rules()
    };
    let target = if fields.contains("\"channel\"") {
        ""
    } else {
        r#""token":"ab","message":"m","#
    };
    planned(&format!(r#"{{"platform":1,{target}{fields}}}"#), &rules)
}

fn planned(one: &str, rules: &Rules) -> Plan {
    let body = format!("{{\"notifications\":[{one}]}}");
    let batch = decode(&mut body.into_bytes(), 3, Trailing::Ignored).unwrap();
    let now = Moment {
        unix: Duration::from_secs(NOW),
        ..Moment::now()
    };
    plan(
        batch,
        now,
        rules,
        &Keyless::default(),
        |_| true,
        &mut |_| true,
    )
    .unwrap()
}

#[test]
fn a_time_ahead_schedules_it_and_one_that_has_come_has_it_sent_at_once() {
    for (send_at, expected) in [
        ("1790000100", Some(NOW + 100)),
        ("\"2026-09-21T14:15:00Z\"", Some(1_790_000_100)),
        ("\"2026-09-21T16:15:00+02:00\"", Some(1_790_000_100)),
        // None is sent before its time.
        ("\"2026-09-21T14:15:00.001Z\"", Some(1_790_000_101)),
        // 30 days.
        ("1792592000", Some(NOW + 2_592_000)),
        ("1790000001", Some(NOW + 1)),
        ("1790000000", None),
        ("0", None),
        ("\"1969-12-31T23:59:59Z\"", None),
        ("null", None),
    ] {
        let plan = plan_of(&format!("\"send_at\":{send_at}"), true);
        assert_eq!(rejected(&plan), [""; 0], "{send_at}");
        assert!(plan.ignored.is_empty(), "{send_at}");
        let built = plan.notifications[0].built.as_ref().unwrap();
        let earliest = built.envelope.earliest.map(|at| u64::from(at.get()));
        assert_eq!(earliest, expected, "{send_at}");
        let (at_once, later) = (pushes(&plan, LaneId::IOS), plan.scheduled());
        let (later, is_later) = (later.get("").copied(), expected.is_some());
        assert_eq!(
            (at_once, later),
            (usize::from(!is_later), is_later.then_some(1))
        );
    }
}

#[test]
fn a_time_that_is_none_or_too_far_ahead_or_contradicts_another_is_an_error_with_its_place() {
    const FORM: &str = "must be seconds since the Unix epoch, or a time as 2026-11-30T09:00:00Z";
    for (fields, pointer, error) in [
        ("\"send_at\":\"soon\"", "send_at", FORM),
        ("\"send_at\":1790000100.5", "send_at", FORM),
        ("\"send_at\":-1", "send_at", FORM),
        ("\"send_at\":{}", "send_at", FORM),
        (
            "\"send_at\":1790000100000",
            "send_at",
            "is it in milliseconds?",
        ),
        (
            "\"send_at\":1792592001",
            "send_at",
            "send_at lies more than 30 days ahead",
        ),
        (
            "\"send_at\":1790000100,\"expires_at\":1790000100",
            "expires_at",
            "expires_at does not lie after send_at",
        ),
        (
            "\"send_at\":1790000100,\"apns\":{\"headers\":{\"apns-expiration\":\"1790000050\"}}",
            "apns/headers/apns-expiration",
            "does not lie after send_at",
        ),
        // One that has come says nothing.
        (
            "\"send_at\":1,\"expires_at\":2",
            "expires_at",
            "expires_at has passed",
        ),
    ] {
        let plan = plan_of(fields, true);
        let found = rejected(&plan);
        let place = format!("/notifications/0/{pointer} ");
        let is_told = |found: &String| found.starts_with(&place) && found.contains(error);
        assert!(found.iter().all(is_told) && found.len() == 1, "{found:?}");
    }
    let unkept = rejected(&plan_of("\"send_at\":1790000100", false));
    let error = "send_at needs the journal, and journal.sync is \"off\"";
    assert_eq!(unkept, [format!("/notifications/0/send_at {error}")]);
    assert_eq!(rejected(&plan_of("\"send_at\":1", false)), [""; 0]);
}

#[test]
fn what_else_it_says_of_times_counts_from_when_it_is_sent() {
    let noted = |fields: &str| plan_of(fields, true).notifications.remove(0);
    let until = noted("\"send_at\":1790000100,\"expires_at\":1790000160");
    assert_eq!(until.notification.expiry, 60);
    let activity = noted(
        "\"send_at\":1790000100,\"live_activity\":{\"event\":\"update\",\"content_state\":{\"a\":1}}",
    );
    let body = activity.built.unwrap().content.body().to_vec();
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains("\"timestamp\":1790000100"), "{body}");
}

/// Of a time that lies further ahead than any of them lasts.
#[test]
fn how_long_a_broadcast_is_stored_counts_from_when_it_is_sent() {
    let hours = 8 * 3600;
    let sent = NOW + 100_000;
    let of = |fields: &str| {
        let activity = r#""live_activity":{"event":"end"}"#;
        let fields = format!("\"send_at\":{sent},\"channel\":\"ab12\",{fields},{activity}");
        rejected(&plan_of(&fields, true))
    };
    let error = "is over 8 hours, and Apple stores a broadcast no longer";
    for (field, longest) in [("ttl", hours), ("expires_at", sent + hours)] {
        assert_eq!(of(&format!("\"{field}\":{longest}")), [""; 0], "{field}");
        let longer = of(&format!("\"{field}\":{}", longest + 1));
        let expected = format!("/notifications/0/{field} {field} {error}");
        assert_eq!(longer, [expected]);
    }
}

#[test]
fn a_trial_is_made_when_it_is_to_be_sent() {
    let rules = Rules {
        keeps_scheduled: true,
        content: Box::new(content_of(|_| Site::default())),
        ..rules()
    };
    let at = NOW + 100;
    let one = format!(
        r#"{{"platform":2,"token":"ab","message":"m","validate_only":true,"send_at":{at}}}"#
    );
    let plan = planned(&one, &rules);
    assert_eq!((rejected(&plan), plan.scheduled().len()), (vec![], 1));
    let built = plan.notifications[0].built.as_ref().unwrap();
    let body = String::from_utf8(built.content.body().to_vec()).unwrap();
    assert!(body.contains("\"validate_only\":true"), "{body}");
}
