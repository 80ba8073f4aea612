//! What the properties of both look-alikes stand on: what becomes of a body of `POST /push`, and
//! bodies of whatever members.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::json;

use super::arrival::Arrival;
use super::faults::Answering;
use super::request::Request;
use crate::api::content::{check_device_token, content_of};
use crate::api::plan::reasons::REJECTION_REASONS;
use crate::api::plan::{Plan, Planned, Rules, plan};
use crate::api::request::{FIELDS, Trailing, decode};
use crate::api::{Apps, Keyless};
use crate::moment::Moment;
use crate::provider::{self, Addressing, Draft, Site};
use crate::push::{Push, PushId};

/// Seconds since the Unix epoch.
pub(super) const NOW: u64 = 1_790_000_000;

pub(super) fn now() -> Moment {
    Moment {
        unix: std::time::Duration::from_secs(NOW),
        ..Moment::now()
    }
}

/// What becomes of a body, if it can be read and its notifications are looked at.
pub(super) fn planned(body: &str, site: Site) -> Option<Plan> {
    let rules = Rules {
        notification_max: 10,
        allows_empty_message: false,
        bulk_from: 10,
        as_gaurun: false,
        keeps_scheduled: true,
        apps: Apps::default(),
        check_token: check_device_token,
        content: Box::new(content_of(move |_| site)),
    };
    let batch = decode(&mut body.as_bytes().to_vec(), 10, Trailing::Ignored).ok()?;
    plan(
        batch,
        now(),
        &rules,
        &Keyless::default(),
        |_| true,
        &mut |_| true,
    )
    .ok()
}

/// Whether each rejected part is told with its place, in words that are documented.
pub(super) fn check_rejections(plan: &Plan) -> Result<(), TestCaseError> {
    for rejection in plan.rejected.listed() {
        prop_assert!(rejection.pointer().starts_with("/notifications/0"));
        let error = &*rejection.error;
        let mut reasons = REJECTION_REASONS.iter();
        let is_documented = reasons.any(|reason| reason.is_told_as(error));
        prop_assert!(is_documented, "{error:?} is not documented");
    }
    Ok(())
}

/// Header fields, path among them, and body of a request.
pub(super) type Sent = (Vec<(String, String)>, Vec<u8>);

/// That request, and when it is sent, if that is not at once: an effect too.
pub(super) fn timed((mut fields, body): Sent, planned: &Planned) -> Sent {
    let earliest = planned.built.as_ref().and_then(|it| it.envelope.earliest);
    fields.extend(earliest.map(|at| ("sent at".to_owned(), at.to_string())));
    (fields, body)
}

/// The first request of a notification.
pub(super) fn request(address: &dyn Addressing, authorization: &str, planned: &Planned) -> Sent {
    let built = planned.built.as_ref().unwrap();
    let tokens = planned.tokens.clone();
    let accepted = provider::accept(&planned.notification, built, tokens, PushId(1), now());
    let push = Push::nth(&accepted.into(), 0).unwrap();
    let mut draft = Draft::default();
    address.write(&push, now(), &mut draft);
    let shared = address.shared(draft.kind, Some(authorization)).unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let shared = shared.pseudo.into_iter().chain(shared.fields);
    let own = draft.fields().map(|own| own.field);
    let path = [(&b":path"[..], &*draft.path)];
    let path = path.into_iter().filter(|(_, path)| !path.is_empty());
    let fields = path.chain(shared).chain(own);
    let fields = fields
        .map(|(name, value)| (text(name), text(value)))
        .collect();
    let body = if draft.content.is_empty() {
        push.accepted().parcel.body().to_vec()
    } else {
        draft.content.clone()
    };
    (fields, body)
}

/// What is made of a request that has come in whole.
pub(super) fn judged<T>(
    (fields, body): (&[(String, String)], &[u8]),
    judge: impl FnOnce(&Arrival<'_>) -> T,
) -> T {
    let fields = fields
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    judge(&Arrival {
        request: &Request::gather(fields),
        body,
        answering: Answering::Fair,
        random: 1,
        now: NOW,
        known: &|_| false,
        is_plain: false,
    })
}

/// A name and a value of a notification.
pub(super) type NamedValue = (&'static str, &'static str);

/// A body with a notification of these members to that target.
pub(super) fn body(target: &str, members: &[(&str, &str)]) -> String {
    let members = members
        .iter()
        .map(|(name, value)| format!(",{}:{value}", json!(name)));
    let members: String = members.collect();
    format!(r#"{{"notifications":[{{{target}{members}}}]}}"#)
}

/// Some of these members: of two with one name the last counts.
pub(super) fn some_members(
    sensible: &'static [NamedValue],
) -> impl Strategy<Value = Vec<NamedValue>> {
    let members = prop::collection::vec(prop::sample::select(sensible), 1..6);
    members.prop_map(|mut members| {
        members.reverse();
        let mut names = BTreeSet::new();
        members.retain(|(name, _)| names.insert(*name));
        members
    })
}

/// Values that may be anything: often one of those of the members, or an object of these names.
fn values(
    sensible: &'static [NamedValue],
    names: &'static [&'static str],
) -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        (-2_i64..5_000_000_000).prop_map(|number| number.to_string()),
        Just("1.5e3".to_owned()),
        "[a-z0-9.:/ é\\\\\"-]{0,12}".prop_map(|text| json!(text).to_string()),
        prop::sample::select(sensible).prop_map(|(_, value)| value.to_owned()),
    ];
    leaf.prop_recursive(3, 12, 4, move |inner| {
        let names = prop::sample::select(names);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((names, inner), 0..4).prop_map(|members| {
                let members = members
                    .iter()
                    .map(|(name, value)| format!("\"{name}\":{value}"));
                format!("{{{}}}", members.collect::<Vec<_>>().join(","))
            }),
        ]
    })
}

/// Members whose values may be anything.
pub(super) fn any_members(
    sensible: &'static [NamedValue],
    names: &'static [&'static str],
) -> impl Strategy<Value = Vec<(String, String)>> {
    let anything = (prop::sample::select(FIELDS), values(sensible, names));
    let meant = prop::sample::select(sensible).prop_map(|(name, value)| (name, value.to_owned()));
    let member = prop_oneof![2 => meant, 1 => anything];
    let owned = member.prop_map(|(name, value)| (name.to_owned(), value));
    prop::collection::vec(owned, 0..8)
}
