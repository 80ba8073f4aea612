//! Sections of further apps, and environments.

use super::*;
use crate::push::ApnsEnvironment;

const SHOP: &str = "[apps.shop.ios]\ntoken_auth_key_path = \"s.p8\"\ntoken_auth_key_id = \"ABCDE12345\"\n\
                    token_auth_team_id = \"TEAM123456\"\ntopic = \"com.example.shop\"\n";
const NEWS: &str = "[apps.news.android]\nservice_account_path = \"news.json\"\n";

fn lane(name: &str) -> LaneId {
    LaneId::named(name).unwrap()
}

fn names(config: &Config) -> Vec<&'static str> {
    let mut names: Vec<_> = config.enabled().map(|(id, _)| id.name()).collect();
    names.sort_unstable();
    names
}

fn problems(text: &str) -> String {
    parse(text).unwrap_err()
}

fn check(text: &str, expected: &[&str]) {
    let error = problems(text);
    for part in expected {
        assert!(error.contains(part), "{text}: {part:?} is not in {error:?}");
    }
}

#[test]
fn an_app_has_the_keys_of_the_default_one_and_a_lane_for_each_of_its_sections() {
    let (config, warnings) = parse(&format!("{IOS}{ANDROID}{SHOP}timeout = 7\n{NEWS}")).unwrap();
    assert_eq!(warnings, [""; 0]);
    assert_eq!(
        names(&config),
        ["android", "ios", "news/android", "shop/ios"]
    );
    let shop = config.lane(lane("shop/ios")).unwrap();
    assert_eq!(shop.section, "apps.shop.ios");
    assert_eq!(shop.timeout, Duration::from_secs(7));
    let topic = |id| config.lane(id).unwrap().apns().unwrap().topic.clone();
    assert_eq!(topic(lane("shop/ios")).as_deref(), Some("com.example.shop"));
    assert_eq!(topic(LaneId::IOS).as_deref(), Some("com.example.app"));
    assert_eq!(config.lane(lane("news/ios")), None);
    // Each key of the one has its place in the other.
    for keys in sections::LANES {
        let (provider, own) = (keys.id.provider(), keys.own());
        for key in own.filter(|key| key.name != "environments") {
            let app = if key.section == "ios" { SHOP } else { NEWS };
            let wrong = if matches!(key.allowed, Allowed::Number { .. } | Allowed::Flag { .. }) {
                "\"x\""
            } else {
                "{ a = 1 }"
            };
            let section = format!("apps.x.{}", provider.platform());
            let error = problems(&format!("{app}[{section}]\n{} = {wrong}\n", key.name));
            let expected = format!("f:{}:", app.lines().count() + 2);
            assert!(error.contains(&expected), "{error}");
            assert!(
                error.contains(&format!("{section}.{}", key.name)),
                "{error}"
            );
        }
    }
}

#[test]
fn beside_apps_a_section_of_the_default_app_that_is_not_there_is_not_in_use() {
    let (config, _) = parse(&format!("{SHOP}{NEWS}")).unwrap();
    assert_eq!(names(&config), ["news/android", "shop/ios"]);
    let known: Vec<_> = config.known().map(LaneId::name).collect();
    assert!(known.starts_with(&["ios", "android"]), "{known:?}");
    let (config, _) = parse(&format!("{ANDROID}{SHOP}")).unwrap();
    assert_eq!(names(&config), ["android", "shop/ios"]);
    // Only what is there counts.
    check(&format!("[apps]\n{ANDROID}"), &["ios: no credential"]);
    check(&format!("[ios]\n{SHOP}"), &["ios: no credential"]);
    check(
        &format!("{SHOP}enabled = false\n"),
        &["no platform is enabled"],
    );
}

#[test]
fn an_android_section_that_an_app_ends_is_missed_where_there_is_a_credential_for_it() {
    let warnings = |text: &str| -> Vec<String> {
        let environment = Environment {
            google_application_credentials: Some("/env.json".into()),
            ..environment()
        };
        let parsed = Config::parse("f", text, Overrides::default(), &environment);
        parsed.unwrap().1.iter().map(ToString::to_string).collect()
    };
    let told = warnings(&format!("{IOS}{SHOP}"));
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(
        told[0].contains("android.enabled: false, although GOOGLE_APPLICATION_CREDENTIALS"),
        "{told:?}"
    );
    // It is not left out, or it is said, or nobody misses it.
    for text in [
        IOS.to_owned(),
        format!("{IOS}[android]\n{SHOP}"),
        format!("{IOS}[android]\nenabled = false\n{SHOP}"),
        format!("[ios]\nenabled = false\n{SHOP}"),
        format!("{SHOP}[apps.shop.android]\n"),
    ] {
        assert_eq!(warnings(&text), [""; 0], "{text}");
    }
}

#[test]
fn an_app_without_a_section_is_told_to_be_none() {
    let (config, warnings) = parse(&format!("{IOS}{SHOP}[apps.news]\n")).unwrap();
    assert_eq!(names(&config), ["ios", "shop/ios"]);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    let text = "apps.news: has no effect: an app has a section ios, android or both below it";
    assert!(warnings[0].contains(text), "{warnings:?}");
}

#[test]
fn what_is_wrong_in_an_app_is_told_where_it_stands() {
    for (lines, expected) in [
        (
            "[apps.shop.ios]\ntopik = 1\n",
            &["f:3:1: apps.shop.ios.topik: unknown key; did you mean apps.shop.ios.topic?"][..],
        ),
        (
            "[apps.shop.android]\ntopic = \"k\"\n",
            &["apps.shop.android.topic: unknown key; did you mean apps.shop.ios.topic?"],
        ),
        (
            "[apps.shop.android]\nport = \"k\"\n",
            &["apps.shop.android.port: unknown key; did you mean core.port?"],
        ),
        (
            "[apps.shop.ios]\nauth_key_path = \"k\"\n",
            &["unknown key; write apps.shop.ios.token_auth_key_path for it"],
        ),
        (
            "[apps.shop.iso]\n",
            &["f:2:12: apps.shop.iso: unknown section; did you mean [apps.shop.ios]?"],
        ),
        (
            "[apps.shop.web]\n",
            &["apps.shop.web: unknown section; an app has ios and android"],
        ),
        (
            "[apps.shop]\ntopic = \"a\"\n",
            &["f:3:1: apps.shop.topic: stands outside its section; write it below [apps.shop.ios]"],
        ),
        (
            "[apps.shop]\nios = 1\n",
            &["apps.shop.ios: must be a table, written as [apps.shop.ios]"],
        ),
        (
            "[apps]\nshop = 1\n",
            &[
                "f:3:1: apps.shop: must be a table",
                "write [apps.shop.ios] or [apps.shop.android]",
            ],
        ),
        (
            "apps = 1\n",
            &["f:2:1: apps: must be a table, written as [apps]"],
        ),
        (
            "[apps.default.ios]\n",
            &["f:2:7: apps.default: is the app of [ios] and [android]"],
        ),
        (
            "[apps.Shop.ios]\n",
            &["apps.Shop: no app can be called so; a name is 1 to 32 lower-case letters"],
        ),
        (
            "[apps.\"a/b\".ios]\n",
            &["apps.a/b: no app can be called so"],
        ),
        ("[apps.ios.ios]\n", &["apps.ios: no app can be called so"]),
        (
            "[apps.shop.ios]\ntimeout = 0\n",
            &["f:3:11: apps.shop.ios.timeout = 0: must be 1 to 600 seconds"],
        ),
        (
            "[apps.shop.ios]\ntopic = \"a\"\n",
            &[
                "apps.shop.ios: no credential: set token_auth_key_path",
                "or set apps.shop.ios.enabled = false",
            ],
        ),
        (
            "[apps.shop.ios]\ntoken_auth_key_path = \"k\"\n",
            &["token authentication lacks apps.shop.ios.token_auth_key_id"],
        ),
        (
            "[apps.shop.android]\nproject_id = \"a\"\n",
            &["apps.shop.android: no credential: set service_account_path"],
        ),
        (
            "[apps.shop.ios]\nsandbox = true\nenvironments = [\"sandbox\"]\n",
            &[
                "f:4:16: apps.shop.ios.environments = [\"sandbox\"]: says what \
                 apps.shop.ios.sandbox says too; remove one of them",
            ],
        ),
        (
            "[apps.shop.ios]\nenvironments = [\"sandbox\", \"sandbox\"]\n",
            &["must be \"production\", \"sandbox\" or both"],
        ),
        (
            "[apps.shop.ios]\nenvironments = [\"development\"]\n",
            &["must be \"production\", \"sandbox\" or both"],
        ),
    ] {
        // `[ios]` and `[android]` stand behind, so that the places are those of the lines.
        check(&format!("\n{lines}{IOS}{ANDROID}"), expected);
    }
}

#[test]
fn apps_are_counted_no_further_than_their_limit() {
    let apps = |count: usize| -> String {
        let app = |number| NEWS.replace("news", &format!("app-{number}"));
        (0..count).map(app).collect()
    };
    let (config, _) = parse(&apps(APPS_MAX)).unwrap();
    assert_eq!(config.enabled().count(), APPS_MAX);
    let error = problems(&apps(APPS_MAX + 2));
    let expected = "apps: more than 200 apps; divide them among several daemons";
    assert_eq!(error.matches(expected).count(), 1, "{error}");
}

#[test]
fn environments_open_a_lane_each_and_the_first_is_the_apps() {
    let of = |value: &str| {
        let written = format!("environments = {value}\n");
        let (config, _) = parse(&format!("{IOS}{written}{SHOP}{written}{ANDROID}")).unwrap();
        let lanes = config.enabled().filter_map(|(id, lane)| {
            let apns = lane.apns()?;
            Some((id.name(), apns.sandbox, apns.topic.clone().unwrap()))
        });
        let mut lanes: Vec<_> = lanes.collect();
        lanes.sort();
        lanes
    };
    let (app, shop) = ("com.example.app".to_owned(), "com.example.shop".to_owned());
    let both = [
        ("ios", false, app.clone()),
        ("ios/sandbox", true, app.clone()),
        ("shop/ios", false, shop.clone()),
        ("shop/ios/sandbox", true, shop.clone()),
    ];
    assert_eq!(of("[\"production\", \"sandbox\"]"), both);
    let turned = of("[\"sandbox\", \"production\"]");
    assert_eq!(turned[0], ("ios", true, app.clone()));
    assert_eq!(turned[1], ("ios/production", false, app.clone()));
    let one = [("ios", false, app), ("shop/ios", false, shop)];
    assert_eq!(of("[\"production\"]"), one);
    assert!(of("[]")[0].1, "as if it were not there");
}

#[test]
fn apps_are_shown_as_the_file_has_them_and_read_back() {
    let environments = "environments = [\"production\", \"sandbox\"]\n";
    let text = format!("{IOS}{SHOP}{environments}{NEWS}enabled = false\n");
    let (config, _) = parse(&text).unwrap();
    let json = config.effective_json();
    let shop = &json["apps"]["shop"]["ios"];
    assert_eq!(shop["topic"], "com.example.shop");
    assert_eq!(
        shop["environments"],
        serde_json::json!(["production", "sandbox"])
    );
    assert_eq!(shop.get("sandbox"), None, "environments says it");
    assert_eq!(
        json["apps"]["news"]["android"],
        serde_json::json!({"enabled": false})
    );
    let shown = config.effective_toml();
    assert!(shown.contains("\n[apps.shop.ios]\n"), "{shown}");
    let shown: Vec<_> = shown
        .lines()
        .filter(|line| !line.starts_with("allow"))
        .collect();
    assert_eq!(parse(&shown.join("\n")).unwrap().0, config);
}

#[test]
fn apps_that_come_and_go_are_told_in_a_line_for_each_section() {
    let told = |old: &str, new: &str| {
        let (old, new) = (parse(old).unwrap().0, parse(new).unwrap().0);
        let (in_force, changes) = old.reloaded(new.clone(), new.lanes.clone(), true).unwrap();
        assert_eq!(in_force.lanes, new.lanes);
        changes.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let (with, without) = (format!("{IOS}{ANDROID}{SHOP}"), format!("{IOS}{ANDROID}"));
    let added = "applied: [apps.shop.ios] is there";
    assert_eq!(told(&without, &with), [added]);
    let removed = "applied: [apps.shop.ios] is gone";
    assert_eq!(told(&with, &without), [removed]);
    let disabled = format!("{with}enabled = false\n");
    let off = "applied: apps.shop.ios.enabled = false (was true)";
    assert_eq!(told(&with, &disabled), [off]);
    assert_eq!(told(&disabled, &without), [""; 0]);
    let both = format!("{with}environments = [\"sandbox\", \"production\"]\n");
    assert_eq!(
        told(&with, &both),
        [
            "applied: apps.shop.ios.environments = [\"sandbox\", \"production\"] (was [])",
            "applied: apps.shop.ios.sandbox = \"\" (was true)",
        ]
    );
    assert_eq!(ApnsEnvironment::ALL.len(), 2);
}

#[test]
fn what_is_found_out_later_is_told_at_the_key_of_the_app() {
    let text = format!("\n{SHOP}{IOS}");
    let source = FileText::read("f", &text, |_| true);
    let about = |key: &str| source.about(Severity::Error, key, "no").to_string();
    assert_eq!(
        about("apps.shop.ios.topic"),
        "f:6:9: apps.shop.ios.topic = \"com.example.shop\": no"
    );
    assert!(about("ios.topic").starts_with("f:11:9: ios.topic ="));
    assert_eq!(about("apps.news.ios.topic"), "f: apps.news.ios.topic: no");
    assert!(source.has("apps.shop.ios.topic") && !source.has("apps.shop.ios.ca_path"));
    assert!(source.shows("apps.shop.ios.token_auth_key_path", Path::new("s.p8")));
}

#[test]
fn a_file_of_ours_keeps_its_apps_when_it_is_migrated() {
    let migrated = migrate("f", &format!("{ANDROID}{SHOP}{NEWS}"), |_| true).unwrap();
    let (config, _) = parse(&migrated).unwrap();
    assert_eq!(names(&config), ["android", "news/android", "shop/ios"]);
    let shop = config.lane(lane("shop/ios")).unwrap().apns().unwrap();
    assert_eq!(shop.topic.as_deref(), Some("com.example.shop"));
}
