//! Which pushes go before others.

use super::*;

/// The class of each notification that is planned.
fn classes(plan: &Plan) -> Vec<PushClass> {
    let planned = plan.notifications.iter();
    let built = planned.filter_map(|planned| planned.built.as_ref());
    built.map(|built| built.envelope.class).collect()
}

fn site() -> Rules {
    Rules {
        bulk_from: 3,
        ..rules()
    }
}

#[test]
fn a_push_is_bulk_if_it_says_so_or_its_request_names_many_targets() {
    use PushClass::{Bulk, Transactional};
    let of = |token: &str, more: &str| {
        format!(r#"{{"platform":1,"message":"m","token":[{token}]{more}}}"#)
    };
    let (one, three) = (r#""a""#, r#""a","b","c""#);
    for (notifications, expected) in [
        (of(one, ""), &[Transactional][..]),
        (of(r#""a","b""#, ""), &[Transactional]),
        (of(three, ""), &[Bulk]),
        // By what is named, whatever is sent of it.
        (of(r#""a","bad","""#, ""), &[Bulk]),
        ([of(one, ""), of(r#""a","b""#, "")].join(","), &[Bulk, Bulk]),
        ([of(one, ""), of(r#""bad","bad""#, "")].join(","), &[Bulk]),
        (of(three, r#","class":"transactional""#), &[Transactional]),
        (of(one, r#","class":"bulk""#), &[Bulk]),
        (of(one, r#","CLASS":"\u0062ulk""#), &[Bulk]),
        (of(three, r#","class":null"#), &[Bulk]),
        (
            [of(three, r#","class":"transactional""#), of(one, "")].join(","),
            &[Transactional, Bulk],
        ),
    ] {
        let plan = planned(&notifications, &site()).unwrap();
        assert_eq!(classes(&plan), expected, "{notifications}");
        assert!(plan.ignored.listed().is_empty(), "{notifications}");
        let of_lane = expected.iter().max().copied();
        let asked = plan.pushes().get(&LaneId::IOS).map(|(_, class)| *class);
        assert_eq!(asked, of_lane, "one that is bulk decides");
    }
}

#[test]
fn a_class_that_is_none_is_an_error_but_to_gauruns_callers() {
    for class in [r#""Bulk""#, r#""urgent""#, r#""""#, "1", "true", "{}"] {
        let one = format!(r#"{{"platform":1,"message":"m","token":["a"],"class":{class}}}"#);
        let plan = planned(&one, &site()).unwrap();
        let error = "class must be \"transactional\" or \"bulk\"";
        let expected = format!("/notifications/0/class {error}");
        assert_eq!(rejected(&plan), [expected]);
        let gauruns = Rules {
            as_gaurun: true,
            ..site()
        };
        let plan = planned(&one, &gauruns).unwrap();
        assert_eq!(classes(&plan), [PushClass::Transactional]);
        let left = plan.notifications[0].notification.native.get("class");
        assert!(
            left.is_some(),
            "the provider tells that it has no use for it"
        );
    }
}
