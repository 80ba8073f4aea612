//! What becomes of any body of `POST /push` for Android: messages that the look-alike takes, or an
//! error with its place; and nothing that was said is dropped in silence.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::super::{AccessTokens, Fcm, Session, form};
use crate::provider::{AndroidStyle, Site, fcm};
use crate::push::{Envelope, LaneId, TargetKind};
use crate::simulator::fixture::{
    self, NOW, NamedValue, Sent, any_members, body, check_rejections, planned, some_members,
};

const PROJECT: &str = "my-app";

/// What gives out access tokens, and one of them.
static TOKENS: LazyLock<(Arc<AccessTokens>, String)> = LazyLock::new(|| {
    let tokens = Arc::new(AccessTokens::default());
    let one = tokens.issue("ya29.", 1, NOW, 3600);
    (tokens, format!("Bearer {one}"))
});

fn address() -> fcm::Address {
    fcm::Address {
        authority: fcm::HOST.into(),
        path: fcm::path(PROJECT).into(),
    }
}

/// The look-alike's word for why it does not take a request, empty if it does, and what it says.
fn judged(fields: &[(String, String)], body: &[u8]) -> String {
    let fcm = Fcm {
        project: PROJECT.to_owned(),
        access_tokens: Arc::clone(&TOKENS.0),
    };
    let mut session = Session::new(fcm.into());
    fixture::judged((fields, body), |arrival| {
        session.judge(arrival).reason.to_owned()
    })
}

/// Members with values that mean something.
const MEMBERS: &[NamedValue] = &[
    ("message", "\"m\""),
    ("message", "\" \""),
    ("title", "\"t\""),
    ("subtitle", "\"s\""),
    ("category", "\"c\""),
    ("sound", "\"d\""),
    ("sound", r#"{"critical":1,"name":"n"}"#),
    ("badge", "3"),
    ("badge", "0"),
    ("content_available", "true"),
    ("mutable_content", "true"),
    ("push_type", "\"background\""),
    ("push_type", "\"voip\""),
    ("collapse_key", "\"k\""),
    ("priority", "\"high\""),
    ("priority", "5"),
    ("expiry", "60"),
    ("time_to_live", "70"),
    ("delay_while_idle", "true"),
    ("extend", r#"[{"key":"e","val":{"x":1}}]"#),
    ("extend", r#"[{"key":"message","val":"other"}]"#),
    ("data", r#"{"d":1,"n":null,"o":{"x":[true]}}"#),
    ("data", r#"{"message":"m"}"#),
    ("image", "\"https://example.com/a.png\""),
    ("ttl", "60"),
    ("ttl", "0"),
    ("expires_at", "1790000100"),
    ("collapse_id", "\"i\""),
    ("thread_id", "\"h\""),
    ("click_action", "\"a\""),
    ("tag", "\"g\""),
    ("channel_id", "\"l\""),
    ("notification", "true"),
    ("notification", "false"),
    ("notification", r#"{"title":"T","body":"B"}"#),
    ("notification", r#"{"image":"https://example.com/b.png"}"#),
    (
        "android",
        r#"{"priority":"high","ttl":"60s","collapse_key":"k"}"#,
    ),
    (
        "android",
        r#"{"notification":{"channelId":"c","visibility":"public"}}"#,
    ),
    (
        "android",
        r##"{"notification":{"title":"O","color":"#ff8800","tag":"g"}}"##,
    ),
    ("android", r#"{"data":{"own":"d"}}"#),
    ("android_v2", r#"{"background_sync":{}}"#),
    (
        "android_v2",
        r#"{"ttl":"60s","remote_notification":{"notification":{"id":-1,"body":"B"}}}"#,
    ),
    (
        "apns",
        r#"{"headers":{"apns-priority":"5"},"payload":{"aps":{"badge":1}}}"#,
    ),
    (
        "webpush",
        r#"{"headers":{"TTL":"60","Urgency":"high"},"notification":{"title":"w"}}"#,
    ),
    (
        "webpush",
        r#"{"fcm_options":{"link":"https://example.com/"}}"#,
    ),
    ("fcm_options", r#"{"analytics_label":"a"}"#),
    ("validate_only", "true"),
    ("fcm", r#"{"message":{"data":{"k":"v"}}}"#),
    (
        "fcm",
        r#"{"message":{"android":{"ttl":"9s"}},"validate_only":true}"#,
    ),
    ("fcm", r#"{"message":{"notification":{"body":"B"}}}"#),
    ("alert", "\"m\""),
    ("live_activity", r#"{"event":"end"}"#),
    ("interruption_level", "\"passive\""),
    ("relevance_score", "0.5"),
    ("url_args", "[\"u\"]"),
    ("topic", "\"news\""),
    ("fid", "\"cQk3-_aB0123456789abcd\""),
    ("condition", "\"'a' in topics\""),
    ("apns_id", "\"0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c11\""),
    ("environment", "\"sandbox\""),
    ("send_at", "1790000100"),
    ("class", "\"bulk\""),
    ("unheard_of", "1"),
];

/// Names of members of objects.
const NAMES: &[&str] = &[
    "notification",
    "title",
    "titleLocKey",
    "body_loc_args",
    "image",
    "ttl",
    "priority",
    "data",
    "headers",
    "payload",
    "fcm_options",
    "analytics_label",
    "message",
    "remote_notification",
    "light_settings",
    "x",
];

const TARGET: &str = r#""platform":"android","token":"ab12""#;

/// What a plain message becomes: both that it may.
fn styles() -> impl Strategy<Value = Site> {
    let styles = [AndroidStyle::Notification, AndroidStyle::Data];
    prop::sample::select(styles.to_vec()).prop_map(|style| Site {
        style,
        ..Site::default()
    })
}

/// The first notification's request and what delivery knows of it, if there is one that is taken,
/// and what is ignored of it.
fn sent(body: &str, site: Site) -> Option<((Sent, Envelope), Vec<String>)> {
    let plan = planned(body, site)?;
    let first = plan.notifications.first()?;
    let request = fixture::request(&address(), &TOKENS.1, first);
    let envelope = first.built.as_ref()?.envelope;
    let request = fixture::timed(request, first);
    Some(((request, envelope), plan.ignored.listed().to_vec()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_body_gives_messages_that_are_taken_or_an_error_with_its_place(
        members in any_members(MEMBERS, NAMES),
        names_a_token in any::<bool>(),
        site in styles(),
    ) {
        let members: Vec<_> = members.iter().map(|(name, value)| (&**name, &**value)).collect();
        // What stands under `fcm` goes out as it is, whatever it is.
        let is_odd = |(name, value): &(&str, &str)| {
            *name == "fcm" && !MEMBERS.contains(&(name, value))
        };
        prop_assume!(!members.iter().any(is_odd));
        let target = if names_a_token { TARGET } else { r#""platform":2"# };
        let Some(plan) = planned(&body(target, &members), site) else {
            return Ok(());
        };
        check_rejections(&plan)?;
        for planned in plan.notifications {
            if planned.notification.lane != LaneId::ANDROID {
                continue;
            }
            let (fields, body) = fixture::request(&address(), &TOKENS.1, &planned);
            let reason = judged(&fields, &body);
            let target = planned.built.unwrap().envelope.target;
            let message: serde_json::Value = serde_json::from_slice(&body).unwrap();
            let token = message["message"]["token"].as_str().unwrap_or_default();
            let is_excused = match target {
                // A registration token is opaque, and so is how long an installation id is.
                TargetKind::DeviceToken => !form::is_registration_token(token),
                TargetKind::Fid => true,
                // The limit of 2048 bytes stands in Google's older pages alone.
                TargetKind::Topic | TargetKind::Condition => body.len() > 2048,
                TargetKind::Channel => false,
            };
            let sent = String::from_utf8_lossy(&body).into_owned();
            prop_assert!(reason.is_empty() || is_excused, "{reason}: {sent}");
        }
    }

    #[test]
    fn what_is_said_has_an_effect_or_is_ignored_in_words(
        members in some_members(MEMBERS),
        site in styles(),
    ) {
        let is_of_topic = |(name, _): &NamedValue| ["topic", "fid", "condition"].contains(name);
        let has_target = members.iter().any(is_of_topic);
        let target = if has_target { r#""platform":2"# } else { TARGET };
        let Some((with, ignored)) = sent(&body(target, &members), site) else {
            return Ok(());
        };
        let judgement = judged(&with.0.0, &with.0.1);
        prop_assert!(judgement.is_empty(), "{judgement}: {members:?}");
        let has = |name: &str| members.iter().any(|(said, _)| *said == name);
        for (at, (name, value)) in members.iter().enumerate() {
            if ignored.contains(&format!("/notifications/0/{name}")) || *value == "\" \"" {
                continue;
            }
            let mut others = members.clone();
            others.remove(at);
            let without = sent(&body(target, &others), site).map(|(sent, _)| sent);
            // Another one says the same, or it says what is so anyway.
            let is_data = site.style == AndroidStyle::Data;
            let is_data = is_data || members.contains(&("notification", "false"));
            let is_silent = is_data || !has("title") && !has("image");
            let is_said_twice = match *name {
                "notification" => matches!(*value, "true" | "false"),
                "badge" => *value == "0",
                "content_available" | "push_type" => is_silent && !has("fcm"),
                "priority" | "collapse_key" | "ttl" | "tag" => has("android") || has("android_v2"),
                "validate_only" => has("fcm"),
                // Of equal keys the last counts, which may be that of the message.
                "message" | "data" => has("message") && (has("data") || has("extend")),
                _ => false,
            };
            prop_assert!(
                is_said_twice || without != Some(with.clone()),
                "{name} of {members:?}, {site:?}"
            );
        }
    }
}
