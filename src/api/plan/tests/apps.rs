use super::*;
use crate::push::ApnsEnvironment;

#[test]
fn a_notification_goes_to_the_lane_of_the_app_and_the_environment_that_it_names() {
    let lane = |name| LaneId::named(name).unwrap();
    let (production, sandbox) = (ApnsEnvironment::Production, ApnsEnvironment::Sandbox);
    let apps = [
        (LaneId::IOS, true, Some(sandbox)),
        (LaneId::ANDROID, true, None),
        (lane("shop/ios"), true, Some(production)),
        (lane("shop/ios/sandbox"), true, Some(sandbox)),
        (lane("shop/android"), true, None),
    ];
    let ours = Rules {
        apps: Apps::of(apps),
        ..rules()
    };
    let like_gaurun = |apps| Rules {
        apps: Apps::of(apps),
        as_gaurun: true,
        ..rules()
    };
    let of_rules = |rules: &Rules, fields: &str| {
        let notification = format!(r#"{{"token":["a"],"message":"m",{fields}}}"#);
        let keyless = Keyless::default();
        let body = format!("{{\"notifications\":[{notification}]}}");
        let batch = decode(&mut body.into_bytes(), 20, Trailing::Ignored).unwrap();
        let plan = plan(batch, Moment::now(), rules, &keyless, |_| true, &mut |_| {
            false
        });
        let plan = plan.unwrap();
        let planned = plan.notifications.first().map(|it| it.notification.clone());
        let planned = planned.map(|it| (it.lane.name(), it.native.is_empty()));
        planned.ok_or_else(|| rejected(&plan).concat())
    };
    let of = |fields: &str| of_rules(&ours, fields);
    for (fields, name) in [
        (r#""platform":1"#, "ios"),
        (r#""platform":1,"app":null,"environment":null"#, "ios"),
        (
            r#""platform":1,"app":"default","environment":"sandbox""#,
            "ios",
        ),
        (r#""platform":2,"app":"shop""#, "shop/android"),
        (r#""platform":1,"App":"sh\u006fp""#, "shop/ios"),
        (
            r#""platform":1,"app":"shop","environment":"sandbox""#,
            "shop/ios/sandbox",
        ),
    ] {
        assert_eq!(of(fields), Ok((name, true)), "{fields}");
    }
    // Google has none, which is told as of any field that it has no use for.
    let fields = r#""platform":2,"app":"shop","environment":"sandbox""#;
    assert_eq!(of(fields), Ok(("shop/android", false)));
    for (fields, error) in [
        (
            r#""platform":1,"app":"news""#,
            "/notifications/0/app no such app: there are default and shop",
        ),
        (
            r#""platform":1,"environment":"production""#,
            "/notifications/0/environment app default has no such environment: it has sandbox",
        ),
        (
            r#""platform":1,"app":7"#,
            "/notifications/0/app app must be a string",
        ),
        (
            r#""platform":1,"app":"shop","environment":["sandbox"]"#,
            "/notifications/0/environment environment must be a string",
        ),
        (
            r#""platform":3,"app":"shop""#,
            "/notifications/0 invalid platform",
        ),
    ] {
        assert_eq!(of(fields), Err(error.to_owned()), "{fields}");
    }
    // Gaurun knew neither field: where there is nothing else to name, they are told as unused.
    let stray = r#""platform":1,"app":["news"],"environment":"prod""#;
    let gauruns = like_gaurun(apps[..2].to_vec());
    assert_eq!(of_rules(&gauruns, stray), Ok(("ios", false)));
    assert!(of(stray).is_err());
    for more in [
        &apps[2..3],
        &[(lane("ios/production"), true, Some(production))],
    ] {
        let more = like_gaurun([&apps[..2], more].concat());
        assert!(of_rules(&more, stray).is_err());
    }
}
