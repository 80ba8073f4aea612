use super::*;
use crate::api::content::content_of;
use crate::provider::Site;

#[test]
fn a_push_that_only_wakes_the_app_needs_no_message() {
    for (fields, is_taken) in [
        (r#""content_available":true"#, true),
        (r#""push_type":"background""#, true),
        (r#""content_available":false"#, false),
        (r#""push_type":"alert","data":{}"#, false),
    ] {
        let plan = planned(
            &format!(r#"{{"platform":1,"token":["a"],{fields}}}"#),
            &rules(),
        );
        let plan = plan.unwrap();
        let is_woken = |planned: &Planned| planned.notification.content_available;
        assert!(plan.notifications.iter().all(is_woken), "{fields}");
        let refusal = plan.refusal();
        let expected = (!is_taken).then_some("empty message");
        assert_eq!(refusal.as_deref(), expected, "{fields}");
        let gauruns = Rules {
            as_gaurun: true,
            ..rules()
        };
        let plan = planned(
            &format!(r#"{{"platform":1,"token":["a"],{fields}}}"#),
            &gauruns,
        );
        assert_eq!(
            plan.unwrap().refusal().as_deref(),
            Some("empty message"),
            "{fields}"
        );
    }
}

/// The plan for a request whose contents are built as the providers' are.
fn really_planned(body: &str, now: Moment, allows_empty_message: bool) -> Plan {
    let batch = decode(&mut body.as_bytes().to_vec(), 1, Trailing::Ignored).unwrap();
    let rules = Rules {
        allows_empty_message,
        content: Box::new(content_of(|_| Site::default())),
        ..rules()
    };
    let keyless = Keyless::default();
    plan(batch, now, &rules, &keyless, |_| true, &mut |_| false).unwrap()
}

#[test]
fn a_push_that_comes_to_nothing_has_an_empty_message() {
    for (platform, fields, is_taken) in [
        (1, r#""badge":5"#, true),
        (1, r#""sound":"s""#, true),
        (1, r#""title":"t""#, true),
        (1, r#""subtitle":"t""#, true),
        (1, r#""alert":{"loc_key":"k"}"#, true),
        (1, r#""apns":{"payload":{"aps":{"x":1}}}"#, true),
        (1, r#""apns":{"payload":{"x":1}}"#, true),
        (1, r#""push_type":"voip","apns":{}"#, true),
        (1, r#""fcm":{}"#, false),
        (1, r#""apns":{}"#, false),
        (1, r#""apns":{"headers":{}}"#, false),
        (1, r#""apns":{"Payload":{"aps":{"alert":"m"}}}"#, false),
        (1, r#""apns":{"payload":{"aps":{}}}"#, false),
        (1, r#""alert":{}"#, false),
        (1, r#""alert":"""#, false),
        (1, r#""content_changed":false"#, false),
        (1, r#""data":{"k":1}"#, false),
        (2, r#""notification":{"title":"t"}"#, true),
        (2, r#""title":"t""#, true),
        (2, r#""data":{"k":"v"}"#, true),
        (2, r#""fcm":{"message":{"data":{"k":"v"}}}"#, true),
        (2, r#""apns":{}"#, false),
        (2, r#""alert":"m""#, false),
        (2, r#""badge":5"#, false),
    ] {
        let body =
            format!(r#"{{"notifications":[{{"platform":{platform},"token":["ab"],{fields}}}]}}"#);
        for allows_empty_message in [false, true] {
            let plan = really_planned(&body, Moment::now(), allows_empty_message);
            let is_refused = !is_taken && !allows_empty_message;
            let expected = is_refused.then_some("empty message");
            assert_eq!(plan.refusal().as_deref(), expected, "{body}");
        }
    }
}

#[test]
fn a_message_may_be_empty_where_the_site_allows_it() {
    let rules = Rules {
        allows_empty_message: true,
        ..rules()
    };
    let plan = planned(r#"{"platform":1,"token":["a"]}"#, &rules).unwrap();
    assert_eq!(pushes(&plan, LaneId::IOS), 1);
}

/// Who reads a push from there sends none that is worthless.
#[test]
fn the_push_log_has_a_lifetime_where_gaurun_had_one() {
    let now = Moment::now();
    let soon = now.unix.as_secs() + 40;
    for (fields, secs) in [
        (r#""ttl":60"#.to_owned(), 60),
        (format!(r#""expires_at":{soon}"#), 40),
        (r#""ttl":0"#.to_owned(), 0),
        (r#""expiry":30,"time_to_live":30"#.to_owned(), 30),
    ] {
        for platform in [1, 2] {
            let body = format!(
                r#"{{"notifications":[{{"platform":{platform},"token":"ab","message":"m",{fields}}}]}}"#
            );
            let plan = really_planned(&body, now, false);
            let notification = &plan.notifications[0].notification;
            let noted = [notification.expiry, notification.time_to_live];
            assert_eq!(noted[platform - 1], secs, "{body}");
        }
    }
}
