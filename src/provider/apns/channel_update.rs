//! What a push to a broadcast channel says to those who follow it, read from what is sent, whether
//! it was made of fields or given as it is.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::address::expiration;
use super::head::REQUEST_ID;
use crate::push::{Accepted, ChannelUpdate, TargetKind};

/// What `aps` of an update has that does no more than show a state.
const PLAIN: [&str; 5] = [
    "event",
    "timestamp",
    "content-state",
    "stale-date",
    "relevance-score",
];

/// Members of an object, as they stand there.
type RawMembers<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;

/// The update that pushes of a notification are, if they are such to channels: with the whole of
/// its state, and a time.
pub(super) fn channel_update(accepted: &Accepted) -> Option<ChannelUpdate> {
    if accepted.envelope.target != TargetKind::Channel {
        return None;
    }
    let parcel = &accepted.parcel;
    let payload: RawMembers<'_> = serde_json::from_slice(parcel.body()).ok()?;
    let aps: RawMembers<'_> = serde_json::from_str(payload.get("aps")?.get()).ok()?;
    let event: Cow<'_, str> = serde_json::from_str(aps.get("event")?.get()).ok()?;
    if event != "update" || !aps.contains_key("content-state") {
        return None;
    }
    let mut is_plain = payload.len() == 1 && aps.keys().all(|name| PLAIN.contains(&&**name));
    let mut priority = 10;
    for (name, value) in parcel.head() {
        if name == b"apns-priority" {
            priority = std::str::from_utf8(value).ok()?.parse().ok()?;
        } else {
            is_plain &= name == REQUEST_ID.as_bytes();
        }
    }
    Some(ChannelUpdate {
        timestamp: aps.get("timestamp")?.get().parse().ok()?,
        kept_until: expiration(accepted).unwrap_or(0),
        priority,
        class: accepted.envelope.class,
        accepted: accepted.at.unix,
        is_plain,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::moment::Moment;
    use crate::provider::fixture::{UNIX, built, notification, start};
    use crate::provider::{Vendor as _, accept};
    use crate::push::{DeviceToken, LaneId, PushClass, PushId};

    fn update_of(fields: &str) -> Option<ChannelUpdate> {
        let mut notification = notification(LaneId::IOS, "");
        let fields: BTreeMap<String, Box<RawValue>> = serde_json::from_str(fields).unwrap();
        for (name, value) in fields {
            notification
                .native
                .set(Box::leak(name.into_boxed_str()), value);
        }
        let built = built(&mut notification, start());
        let at = Moment {
            unix: std::time::Duration::from_millis(UNIX * 1000 + 1),
            ..start()
        };
        let tokens = [DeviceToken::new("ab12")];
        let accepted = accept(&notification, &built, tokens, PushId(1), at);
        super::super::Apns.channel_update(&accepted)
    }

    #[test]
    fn what_is_sent_to_a_channel_is_an_update_if_it_has_the_whole_state_and_a_time() {
        let activity = |more: &str| {
            format!(r#"{{"channel":"ab12","live_activity":{{"event":"update"{more}}}}}"#)
        };
        let state = r#","content_state":{"eta":9}"#;
        let plain = update_of(&activity(state)).unwrap();
        let expected = ChannelUpdate {
            timestamp: UNIX,
            kept_until: 0,
            priority: 10,
            class: PushClass::Transactional,
            accepted: plain.accepted,
            is_plain: true,
        };
        assert_eq!(plain, expected);
        let of = |fields: &str| {
            let update = update_of(fields)?;
            Some((
                update.timestamp,
                update.kept_until,
                update.priority,
                update.is_plain,
            ))
        };
        let raw = |payload: &str, more: &str| {
            format!(r#"{{"channel":"ab12","apns":{{"payload":{payload}{more}}}}}"#)
        };
        let given = r#"{"aps":{"event":"update","timestamp":7,"content-state":{}}}"#;
        for (fields, expected) in [
            (
                activity(r#","content_state":{},"timestamp":5,"stale_date":9,"relevance_score":1"#),
                Some((5, 0, 10, true)),
            ),
            // Somebody is alerted by it.
            (
                activity(r#","content_state":{},"timestamp":5,"alert":{"title":"Goal"}"#),
                Some((5, 0, 10, false)),
            ),
            (
                activity(r#","content_state":{},"timestamp":5"#)
                    .replace("{\"channel", "{\"ttl\":60,\"data\":{\"a\":1},\"channel"),
                Some((5, UNIX + 61, 10, false)),
            ),
            (activity(state).replace("update", "end"), None),
            (
                r#"{"live_activity":{"event":"update","content_state":{}}}"#.to_owned(),
                None,
            ),
            (raw(given, ""), Some((7, 0, 10, true))),
            (
                raw(given, r#","headers":{"apns-priority":"5"}"#),
                Some((7, 0, 5, true)),
            ),
            // Nobody knows what those are for.
            (
                raw(given, r#","headers":{"x-of-tomorrow":"1"}"#),
                Some((7, 0, 10, false)),
            ),
            (
                raw(
                    &given.replace("\"content-state", "\"new\":1,\"content-state"),
                    "",
                ),
                Some((7, 0, 10, false)),
            ),
            // Which of two is newer, or what it shows, is not said.
            (raw(&given.replace("\"timestamp\":7,", ""), ""), None),
            (raw(&given.replace("content-state", "state"), ""), None),
        ] {
            assert_eq!(of(&fields), expected, "{fields}");
        }
    }
}
