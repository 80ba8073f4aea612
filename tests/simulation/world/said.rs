//! What callers say that Gaurun's could not.

use sterna::moment::Moment;
use sterna::provider::Built;
use sterna::push::{Content, Envelope, Lifetime, Provider, PushType, TargetKind};

use crate::coverage::{Coverage, Kind};
use crate::dice::Dice;

/// Header fields, one of which is always said where any are.
const FIELDS: &[&[(&str, &str)]] = &[
    &[("apns-priority", "1")],
    &[("apns-priority", "5"), ("apns-collapse-id", "c")],
    &[("apns-collapse-id", "c"), ("x-of-tomorrow", "1")],
];

/// What is sent of a notification of which more is said than Gaurun's callers could say: not of
/// most of them.
pub(super) fn more(built: Built, at: Moment, coverage: &mut Coverage, dice: &mut Dice) -> Built {
    let Built {
        mut envelope,
        mut content,
        is_idle,
    } = built;
    if !dice.chance(300) {
        return Built {
            envelope,
            content,
            is_idle,
        };
    }
    if dice.chance(500) {
        envelope.lifetime = match dice.one_of(&[0, 0, 1, 60, 4000]) {
            0 => Lifetime::Now,
            secs => Lifetime::until(at.unix.as_secs() + secs),
        };
        coverage.count(Kind::LifetimeOfItsOwn);
    }
    match envelope.lane.provider() {
        Provider::Apns => {
            content = of_apns(&mut envelope, content, coverage, dice);
        }
        Provider::Fcm => {
            let (kind, name) = dice.one_of(&[
                (TargetKind::DeviceToken, ""),
                (TargetKind::Fid, "fid"),
                (TargetKind::Topic, "topic"),
                (TargetKind::Condition, "condition"),
            ]);
            if kind != TargetKind::DeviceToken {
                coverage.count(Kind::OtherTarget);
                envelope.target = kind;
                let before = format!(r#"{{"message":{{"{name}":""#);
                let body = format!(r#"{before}","data":{{}}}}}}"#);
                let target = u32::try_from(before.len()).unwrap();
                content = Content::with_target(body.into_bytes(), target).unwrap();
            }
        }
    }
    Built {
        envelope,
        content,
        is_idle,
    }
}

fn of_apns(
    envelope: &mut Envelope,
    content: Content,
    coverage: &mut Coverage,
    dice: &mut Dice,
) -> Content {
    envelope.push_type = dice.one_of(&PushType::ALL);
    let mut fields = dice.one_of(FIELDS).to_vec();
    if envelope.push_type == PushType::Other {
        fields.push(("apns-push-type", "hologram"));
    } else if dice.chance(300) {
        // Nothing but the push type.
        return content;
    }
    if dice.chance(400) {
        fields.push(("apns-topic", "com.example.other"));
        envelope.has_own_topic = true;
        coverage.count(Kind::OwnTopic);
    }
    coverage.count(Kind::FieldsOfItsOwn);
    content.with_head(&fields)
}
