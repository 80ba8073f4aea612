//! APNs: what goes with each push type.

use super::apns::check;
use super::{DEVICE, PAYLOAD, World, set};

#[tokio::test]
async fn each_push_type_has_its_topic() {
    let world = World::new();
    for (push_type, suffix) in [
        ("alert", ""),
        ("voip", ".voip"),
        ("complication", ".complication"),
        ("fileprovider", ".pushkit.fileprovider"),
        ("location", ".location-query"),
        ("liveactivity", ".push-type.liveactivity"),
        ("pushtotalk", ".voip-ptt"),
        ("widgets", ".push-type.widgets"),
        ("controls", ".push-type.controls"),
    ] {
        let topic = format!("{}{suffix}", world.credentials().topic);
        let change = |fields: &mut Vec<_>| {
            set(fields, "apns-push-type", push_type);
            set(fields, "apns-topic", &topic);
            set(fields, "apns-collapse-id", &"c".repeat(64));
            set(fields, "apns-expiration", "0");
        };
        let payload = match push_type {
            "fileprovider" => r#"{"container-identifier":"c"}"#,
            "liveactivity" => r#"{"aps":{"event":"end","timestamp":1}}"#,
            "widgets" | "controls" => r#"{"aps":{"content-changed":true}}"#,
            _ => PAYLOAD,
        };
        let answer = world.push(change, DEVICE, payload.as_bytes()).await;
        assert_eq!(answer.status, 200, "{push_type}: {}", answer.text());
        if payload != PAYLOAD {
            let change = |fields: &mut Vec<_>| {
                set(fields, "apns-push-type", push_type);
                set(fields, "apns-topic", &topic);
            };
            let other = world.push(change, DEVICE, PAYLOAD.as_bytes()).await;
            check(&other, 400, "InvalidPushType", push_type);
        }
    }
    let mdm = |fields: &mut Vec<_>| {
        set(fields, "apns-push-type", "mdm");
        set(fields, "apns-topic", "com.apple.mgmt.External.1");
    };
    let answer = world.push(mdm, DEVICE, br#"{"mdm":"magic"}"#).await;
    check(&answer, 400, "TopicDisallowed", "without its certificate");
}
