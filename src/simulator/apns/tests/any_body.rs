//! What becomes of any body of `POST /push` for iOS: requests that the look-alike takes, or an
//! error with its place; and nothing that was said is dropped in silence.

use std::sync::LazyLock;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use proptest::prelude::*;
use rcgen::KeyPair;
use serde_json::json;

use super::super::{Apns, AuthTokens, Channels, Session, TeamKey};
use crate::api::plan::Planned;
use crate::provider::{Site, apns};
use crate::push::{Envelope, LaneId, PushType};
use crate::simulator::answer::Standing;
use crate::simulator::fixture::{
    self, NOW, NamedValue, Sent, any_members, body, check_rejections, planned, some_members,
};

const TOPIC: &str = "org.example";

static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().unwrap());

/// What authorizes each request.
static BEARER: LazyLock<String> = LazyLock::new(|| {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("KEY".to_owned());
    let key = EncodingKey::from_ec_pem(KEY.serialize_pem().as_bytes()).unwrap();
    let claims = json!({"iss": "TEAM", "iat": NOW});
    format!(
        "bearer {}",
        jsonwebtoken::encode(&header, &claims, &key).unwrap()
    )
});

/// The first request of a notification.
fn request(planned: &Planned) -> Sent {
    let push_type = planned.built.as_ref().unwrap().envelope.push_type;
    let is_mdm = push_type == PushType::Mdm;
    let topic = if is_mdm {
        "com.apple.mgmt.External.1"
    } else {
        TOPIC
    };
    let address = apns::Address {
        authority: "api.push.apple.com".into(),
        topic: Some(topic.into()),
        ..apns::Address::default()
    };
    fixture::request(&address, &BEARER, planned)
}

/// The look-alike's word for why it does not take a request, empty if it does.
fn judged(fields: &[(String, String)], body: &[u8], is_mdm: bool) -> &'static str {
    let key = DecodingKey::from_ec_pem(KEY.public_key_pem().as_bytes()).unwrap();
    let team_key = TeamKey {
        id: "KEY".to_owned(),
        public: key,
        topics: Vec::new(),
    };
    let apns = Apns {
        auth_tokens: AuthTokens::new("TEAM".to_owned(), vec![team_key]),
        topics: vec![TOPIC.to_owned()],
        channels: Channels::holding(TOPIC, "ab12", true),
    };
    let mut session = Session::new(apns.into(), is_mdm);
    fixture::judged((fields, body), |arrival| {
        let judgement = session.judge(arrival);
        let is_taken = matches!(judgement.standing, Standing::Accepted);
        assert_eq!(is_taken, judgement.reason.is_empty());
        judgement.reason
    })
}

/// Members with values that mean something.
const MEMBERS: &[NamedValue] = &[
    ("message", "\"m\""),
    ("title", "\"t\""),
    ("subtitle", "\"s\""),
    ("category", "\"c\""),
    ("sound", "\"d\""),
    ("sound", r#"{"critical":1,"name":"n"}"#),
    ("badge", "3"),
    ("content_available", "true"),
    ("mutable_content", "true"),
    ("push_type", "\"background\""),
    ("push_type", "\"voip\""),
    ("push_type", "\"complication\""),
    ("push_type", "\"fileprovider\""),
    ("push_type", "\"mdm\""),
    ("push_type", "\"location\""),
    ("push_type", "\"liveactivity\""),
    ("push_type", "\"pushtotalk\""),
    ("push_type", "\"widgets\""),
    ("push_type", "\"controls\""),
    ("collapse_key", "\"k\""),
    ("priority", "5"),
    ("priority", "1"),
    ("expiry", "60"),
    ("time_to_live", "70"),
    ("delay_while_idle", "true"),
    ("extend", r#"[{"key":"e","val":{"x":1}}]"#),
    ("data", r#"{"mdm":"magic","container-identifier":"i"}"#),
    ("image", "\"https://example.com/a.png\""),
    ("ttl", "60"),
    ("ttl", "0"),
    ("expires_at", "\"2030-01-01T00:00:00Z\""),
    ("collapse_id", "\"i\""),
    ("thread_id", "\"h\""),
    ("click_action", "\"a\""),
    ("tag", "\"g\""),
    ("channel_id", "\"l\""),
    (
        "alert",
        r#"{"loc_key":"K","loc_args":["1"],"launch_image":"i"}"#,
    ),
    ("alert", "\"m\""),
    ("target_content_id", "\"w\""),
    ("interruption_level", "\"passive\""),
    ("relevance_score", "0.5"),
    ("filter_criteria", "\"f\""),
    ("url_args", "[\"u\"]"),
    (
        "live_activity",
        r#"{"event":"start","attributes_type":"T","attributes":{},"content_state":{},"alert":{"title":"a"}}"#,
    ),
    (
        "live_activity",
        r#"{"event":"update","content_state":{"a":1}}"#,
    ),
    (
        "live_activity",
        r#"{"event":"end","dismissal_date":1790000000}"#,
    ),
    ("channel", "\"ab12\""),
    ("topic", "\"org.example.other\""),
    ("apns_id", "\"0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c11\""),
    (
        "apns",
        r#"{"payload":{"aps":{"content-available":1,"x":{}}}}"#,
    ),
    ("apns", r#"{"headers":{"apns-collapse-id":"h","x-y":"z"}}"#),
    ("notification", "true"),
    ("android", "{}"),
    ("webpush", "{}"),
    ("fid", "\"f\""),
    ("condition", "\"'a' in topics\""),
    ("validate_only", "true"),
    ("fcm", "{}"),
    ("send_at", "1790000100"),
    ("class", "\"bulk\""),
    ("unheard_of", "1"),
];

/// Names of members of objects.
const NAMES: &[&str] = &[
    "event",
    "content_state",
    "loc_key",
    "loc-args",
    "title",
    "name",
    "volume",
    "aps",
    "headers",
    "timestamp",
    "x",
];

/// What a notification of these members goes to.
fn target(members: &[(&str, &str)]) -> &'static str {
    if members.iter().any(|(name, _)| *name == "channel") {
        r#""platform":"ios""#
    } else {
        r#""platform":"ios","token":"ab12""#
    }
}

/// The first notification's request and what delivery knows of it, if there is one that is taken,
/// and what is ignored of it.
fn sent(body: &str) -> Option<((Sent, Envelope), Vec<String>)> {
    let plan = planned(body, Site::default())?;
    let first = plan.notifications.first()?;
    let envelope = first.built.as_ref()?.envelope;
    let request = fixture::timed(request(first), first);
    Some(((request, envelope), plan.ignored.listed().to_vec()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_body_gives_requests_that_are_taken_or_an_error_with_its_place(
        members in any_members(MEMBERS, NAMES),
    ) {
        let members: Vec<_> = members.iter().map(|(name, value)| (&**name, &**value)).collect();
        // What stands under `apns` goes out as it is, whatever it is.
        let is_odd = |(name, value): &(&str, &str)| {
            *name == "apns" && !MEMBERS.contains(&(name, value))
        };
        prop_assume!(!members.iter().any(is_odd));
        let Some(plan) = planned(&body(target(&members), &members), Site::default()) else {
            return Ok(());
        };
        check_rejections(&plan)?;
        for planned in plan.notifications {
            if planned.notification.lane != LaneId::IOS {
                continue;
            }
            let (fields, body) = request(&planned);
            let built = planned.built.unwrap();
            let reason = judged(&fields, &body, built.envelope.push_type == PushType::Mdm);
            let is_excused = match reason {
                // A topic of the caller's own is the caller's matter.
                "TopicDisallowed" => built.envelope.has_own_topic,
                // What is given as it is to be sent is not looked into.
                "InvalidPushType" | "BadRequestPayload" => planned.notification.native.get("apns").is_some(),
                // Which channels there are is Apple's to know.
                "BadChannelId" | "ChannelNotRegistered" => {
                    planned.notification.native.get("channel").is_some()
                }
                _ => false,
            };
            let sent = String::from_utf8_lossy(&body).into_owned();
            prop_assert!(reason.is_empty() || is_excused, "{reason}: {fields:?} {sent}");
        }
    }

    #[test]
    fn what_is_said_has_an_effect_or_is_ignored_in_words(
        members in some_members(MEMBERS),
    ) {
        let Some((with, ignored)) = sent(&body(target(&members), &members)) else {
            return Ok(());
        };
        let has = |name: &str| members.iter().any(|(said, _)| *said == name);
        for (at, (name, value)) in members.iter().enumerate() {
            // Another one says the same.
            let is_said_twice = match *name {
                "message" | "alert" => has("message") && has("alert"),
                "mutable_content" => has("image"),
                "content_available" | "push_type" => {
                    has("live_activity")
                        || has("channel")
                        || members.contains(&("push_type", "\"background\""))
                }
                "priority" => *value == "5",
                // What a broadcast has anyway.
                "ttl" if has("channel") && *value == "0" => true,
                "expiry" | "ttl" => has("expiry") && has("ttl"),
                _ => false,
            };
            if is_said_twice || ignored.contains(&format!("/notifications/0/{name}")) {
                continue;
            }
            let mut others = members.clone();
            others.remove(at);
            let without = sent(&body(target(&others), &others)).map(|(sent, _)| sent);
            prop_assert!(without != Some(with.clone()), "{name} of {members:?}");
        }
    }
}
