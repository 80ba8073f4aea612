//! A message that goes out as its caller gives it, its target put in: tomorrow's field needs no
//! release.

use super::common::{
    END_MAX, SizedPart, SizedParts, begin, beside, check_apns_payload, check_size, end, lifetime,
    lifetime_field, own_lifetime,
};
use super::target;
use crate::moment::Moment;
use crate::provider::said::{Members, SaidValue};
use crate::provider::{Fault, Unused};
use crate::push::{Content, Lifetime, Notification, TargetKind};

/// A message as its caller gives it, with its target put in, and how long it lives.
pub(super) fn as_given(
    given: &SaidValue<'_>,
    notification: &Notification,
    kind: TargetKind,
    now: Moment,
    unused: &mut Unused,
) -> Result<(Content, Lifetime), Fault> {
    let mut message = None;
    let outer = SaidValue::of(&notification.native, "validate_only");
    let outer = outer.map(|said| said.flag()).transpose()?;
    let mut validate_only = outer.unwrap_or_default();
    for (name, said) in given.members()? {
        match &*name {
            "message" => message = Some(said),
            "validate_only" | "validateOnly" if said.json() == "null" => {}
            "validate_only" | "validateOnly" => {
                validate_only = said.flag()?;
                if outer.is_some_and(|outer| outer != validate_only) {
                    return Err(beside(said.at(), "validate_only"));
                }
            }
            _ => unused.note_part(said.at()),
        }
    }
    let Some(message) = message else {
        return Err(given.fault("has no message"));
    };
    let members = message.members()?;
    if let Some(target) = target::NAMES
        .iter()
        .find_map(|(_, name)| members.get(*name))
    {
        let what = "is put in by Sterna: say the target beside fcm, in token, fid, topic or \
                    condition";
        return Err(target.fault(what));
    }
    let mut lifetime = lifetime(notification, now)?;
    let mut has_ttl = false;
    let mut parts = SizedParts {
        notification: measured(&members, "notification").unwrap_or_default(),
        data: measured(&members, "data").unwrap_or_default(),
        ..SizedParts::default()
    };
    for name in ["android", "android_v2", "androidV2"] {
        let Some(android) = members.get(name).filter(|said| said.is_object()) else {
            continue;
        };
        let android = android.members()?;
        parts.own_data = measured(&android, "data").or(parts.own_data);
        let remote = ["remote_notification", "remoteNotification"];
        let remote = remote
            .iter()
            .find_map(|name| android.get(*name)?.members().ok());
        let own = [Some(&android), remote.as_ref()].into_iter().flatten();
        let own = own.filter_map(|holder| measured(holder, "notification"));
        parts.own_notification.extend(own.flatten());
        let Some(ttl) = android.get("ttl").filter(|said| said.is_text()) else {
            continue;
        };
        has_ttl = true;
        lifetime = own_lifetime(ttl.at(), &ttl.text()?, notification, now)?;
    }
    if !has_ttl && lifetime != Lifetime::Unsaid {
        // Google is not told of it: it bounds how long the message waits here.
        unused.fields.push(lifetime_field(notification));
    }
    check_size(&parts.counted(), SizedPart::place)?;
    let apns = members.get("apns").and_then(|apns| apns.members().ok());
    if let Some(payload) = apns.as_ref().and_then(|apns| apns.get("payload")) {
        check_apns_payload(payload.at(), payload.json())?;
    }
    let mut out = begin(kind);
    let target = u32::try_from(out.len()).unwrap_or(u32::MAX);
    out.push(b'"');
    if !members.is_empty() {
        out.push(b',');
    }
    // An object was read.
    let inside = message.json().strip_prefix('{');
    let inside = inside.and_then(|inside| inside.strip_suffix('}'));
    let inside = inside.unwrap_or_default();
    // For what may be long at once, and for its end.
    out.reserve_exact(inside.len() + END_MAX);
    out.extend_from_slice(inside.as_bytes());
    end(&mut out, validate_only);
    let content = Content::with_target(out, target);
    let content = content.ok_or_else(|| Fault::of_all("the message is too long".to_owned()))?;
    Ok((content, lifetime))
}

/// The members of an object among these, each with the bytes of its key and its text.
fn measured(among: &Members<'_>, name: &str) -> Option<Vec<SizedPart<'static>>> {
    let said = among.get(name)?;
    let parts = said
        .members()
        .ok()?
        .into_iter()
        .map(|(key, member)| SizedPart {
            object: said.at().clone(),
            len: key.len() + member.text().map_or(0, |text| text.len()),
            key: key.into(),
        });
    Some(parts.collect())
}
