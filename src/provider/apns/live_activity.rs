//! `aps` of a push for a Live Activity.

use super::CHANNEL;
use super::alert::{ALERT_SCHEMA, alert, by_apples_names, json, sound};
use super::object::Object;
use crate::moment::Moment;
use crate::provider::said::{Members, SaidValue};
use crate::provider::{Fault, SchemaMember, Unused, ValueSchema};
use crate::push::Notification;

/// What a Live Activity's push has.
pub const LIVE_ACTIVITY_MEMBERS: &[SchemaMember] = &[
    SchemaMember::needed("event", ValueSchema::OneOf(&LIVE_ACTIVITY_EVENTS)),
    SchemaMember::of("content-state", ValueSchema::Object),
    SchemaMember::of("timestamp", ValueSchema::Time),
    SchemaMember::of("stale-date", ValueSchema::Time),
    SchemaMember::of("dismissal-date", ValueSchema::Time),
    SchemaMember::of(
        "relevance-score",
        ValueSchema::Number { is_fraction: false },
    ),
    SchemaMember::of("attributes-type", ValueSchema::Word),
    SchemaMember::of("attributes", ValueSchema::Object),
    SchemaMember::of("input-push-token", ValueSchema::Flag),
    SchemaMember::of("input-push-channel", ValueSchema::Word),
    SchemaMember::of("alert", ALERT_SCHEMA),
];

/// What happens to the activity.
pub const LIVE_ACTIVITY_EVENTS: [&str; 3] = [START, "update", "end"];

/// The event that no broadcast may have.
pub(super) const START: &str = "start";

/// Why not.
pub(super) const NO_START: &str = "is start, and a push to a channel updates or ends activities";

/// What goes with one event only.
const OF_EVENT: [(&str, &str); 5] = [
    ("attributes-type", START),
    ("attributes", START),
    ("input-push-token", START),
    ("input-push-channel", START),
    ("dismissal-date", "end"),
];

/// Adds to `aps` the members of a notification that is about a Live Activity.
pub(super) fn add_aps(
    notification: &Notification,
    now: Moment,
    aps: &mut Object,
    unused: &mut Unused,
) -> Result<(), Fault> {
    let Some(activity) = SaidValue::of(&notification.native, "live_activity") else {
        let error = "a push of the type liveactivity needs the field live_activity";
        return Err(Fault::of_all(error.to_owned()));
    };
    let members = by_apples_names(&activity)?;
    let unknown = members
        .iter()
        .filter(|(name, _)| !LIVE_ACTIVITY_MEMBERS.iter().any(|it| it.name == **name));
    for (_, said) in unknown {
        unused.note_part(said.at());
    }
    let needed = |name: &str, why: &str| {
        let said = members.get(&*name.replace('_', "-"));
        said.ok_or_else(|| activity.fault(format!("must have {name}{why}")))
    };
    let said = needed("event", "")?;
    let event = said.one_of(&LIVE_ACTIVITY_EVENTS)?;
    if event == START && notification.native.get(CHANNEL).is_some() {
        return Err(said.fault(NO_START));
    }
    for (name, of) in OF_EVENT {
        if let Some(said) = members.get(name).filter(|_| event != of) {
            return Err(said.fault(format!("goes with the event {of} only")));
        }
    }
    match members.get("timestamp") {
        Some(said) => aps.add("timestamp", &said.unix_secs()?),
        None => aps.add("timestamp", &now.unix.as_secs()),
    }
    aps.add("event", event);
    if event == START {
        let why = ", as every start of a Live Activity";
        aps.add("attributes-type", &needed("attributes_type", why)?.word()?);
        let attributes = needed("attributes", why)?;
        attributes.members()?;
        aps.add_json("attributes", attributes.json().as_bytes());
    }
    let state = match members.get("content-state") {
        Some(said) => Some(said),
        None if event == "end" => None,
        None => Some(needed("content_state", ", unless it ends")?),
    };
    if let Some(state) = state {
        state.members()?;
        aps.add_json("content-state", state.json().as_bytes());
    }
    for name in ["stale-date", "dismissal-date"] {
        if let Some(said) = members.get(name) {
            aps.add(name, &said.unix_secs()?);
        }
    }
    if let Some(said) = relevance(notification, &members)? {
        said.number()?;
        aps.add_json("relevance-score", said.json().as_bytes());
    }
    if let Some(said) = members.get("input-push-token")
        && said.flag()?
    {
        aps.add("input-push-token", &1);
    }
    if let Some(said) = members.get("input-push-channel") {
        aps.add("input-push-channel", &said.word()?);
    }
    let shown = shown(notification, &members, unused)?;
    if shown.is_none() && event == START {
        return Err(activity.fault("must have an alert, as every start of a Live Activity"));
    }
    if let Some(shown) = shown {
        aps.add_json("alert", &shown);
    }
    Ok(())
}

/// How relevant it is, from the notification's field or the activity's.
fn relevance<'a>(
    notification: &'a Notification,
    members: &Members<'a>,
) -> Result<Option<SaidValue<'a>>, Fault> {
    let field = SaidValue::of(&notification.native, "relevance_score");
    match (field, members.get("relevance-score")) {
        (Some(field), Some(own)) if field.json() != own.json() => {
            Err(own.fault("stands beside relevance_score, which says something else"))
        }
        (field, own) => Ok(field.or_else(|| own.cloned())),
    }
}

/// Its alert, from the notification's fields or its own.
fn shown(
    notification: &Notification,
    members: &Members<'_>,
    unused: &mut Unused,
) -> Result<Option<Vec<u8>>, Fault> {
    let field = SaidValue::of(&notification.native, "alert");
    let said = match (field, members.get("alert")) {
        (Some(_), Some(own)) => {
            return Err(own.fault("stands beside alert, and one of them is enough"));
        }
        (field, own) => field.or_else(|| own.cloned()),
    };
    let own = match SaidValue::of(&notification.native, "sound") {
        Some(said) => sound(&said)?,
        None if notification.sound.is_empty() => Vec::new(),
        None => json(&notification.sound),
    };
    let alert = alert(notification, said.as_ref(), Some(&own), unused)?;
    if alert.is_none() && !own.is_empty() {
        unused.fields.push("sound");
    }
    Ok(alert)
}
