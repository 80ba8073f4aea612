//! What a request has to look like.

use std::time::{Duration, Instant};

use serde_json::Value;
use sterna::http2::Fields;
use sterna::provider::fcm;
use sterna::push::{Accepted, Lifetime, TargetKind};

use crate::coverage::Kind;
use crate::ledger::life_of;
use crate::net::Net;
use crate::reply::Reply;
use crate::site::{APNS, FCM, PROJECT, TOPIC};
use crate::wire::push_of;

/// Compares a request's fields with what was accepted. Returns its push, if its fields say it, and
/// what is said to its credential, if that is not good.
pub(super) fn head(
    link: usize,
    stream: u32,
    fields: &Fields,
    now: Instant,
    net: &mut Net,
) -> (u64, Option<Reply>) {
    let authorization = fields.get(b"authorization");
    let authorization = authorization.map(|text| std::str::from_utf8(text).unwrap());
    let proof = net.issuer.judge(authorization, now).unwrap_or_else(|what| {
        let what = format!("{link}/{stream}: {what}: {authorization:?}");
        net.ledger.violate(now, what);
        None
    });
    let wire = &mut net.links[link].wire;
    if authorization.is_some_and(|text| !net.issuer.is_fcm() && !wire.is_of_one_key(text)) {
        let what = format!("{link}/{stream}: another key on the connection: {authorization:?}");
        net.ledger.violate(now, what);
    }
    let push = fields.get(b"apns-id").and_then(push_of).unwrap_or(0);
    let wrong = if net.issuer.is_fcm() {
        wrong_for_fcm(fields)
    } else {
        match net.ledger.accepted(push) {
            Some(accepted) => wrong_for_apns(push, accepted, fields),
            None => Some("apns-id".to_owned()),
        }
    };
    if let Some(name) = wrong {
        let what = format!("{link}/{stream}: push {push}: wrong {name}");
        net.ledger.violate(now, what);
    }
    (push, proof)
}

fn wrong_for_apns(push: u64, accepted: &Accepted, fields: &Fields) -> Option<String> {
    let nth = u32::try_from(push - accepted.first_id.0).unwrap();
    let path = format!(
        "/3/device/{}",
        accepted.parcel.token(nth).unwrap().text().to_lowercase()
    );
    let envelope = &accepted.envelope;
    let expiration = match envelope.lifetime {
        Lifetime::Now => Some("0".to_owned()),
        Lifetime::Until(at) => Some(at.to_string()),
        _ => life_of(accepted).map(|life| seconds(accepted.at.unix + life).to_string()),
    };
    let length = accepted.parcel.body().len().to_string();
    let head: Vec<_> = accepted.parcel.head().collect();
    let said = |name: &str| {
        let mut said = head.iter().filter(|(known, _)| *known == name.as_bytes());
        said.next().map(|(_, value)| *value)
    };
    let (word, suffix) = WORDS[envelope.push_type as usize];
    let topic = format!("{TOPIC}{suffix}");
    let background = (word == "background").then_some(&b"5"[..]);
    for (name, value) in &head {
        if fields.get(name) != Some(value) {
            return Some(String::from_utf8_lossy(name).into_owned());
        }
    }
    wrong(
        fields,
        &[
            (b":method", Some(b"POST")),
            (b":path", Some(path.as_bytes())),
            (b":authority", Some(APNS.as_bytes())),
            (b"apns-topic", said("apns-topic").or(Some(topic.as_bytes()))),
            (
                b"apns-push-type",
                said("apns-push-type").or(Some(word.as_bytes())),
            ),
            (b"apns-priority", said("apns-priority").or(background)),
            (b"apns-expiration", expiration.as_deref().map(str::as_bytes)),
            (b"content-length", Some(length.as_bytes())),
        ],
    )
}

/// Apple's words for the push types, in their order, and what the topic ends with.
const WORDS: [(&str, &str); 12] = [
    ("alert", ""),
    ("background", ""),
    ("voip", ".voip"),
    ("complication", ".complication"),
    ("fileprovider", ".pushkit.fileprovider"),
    ("mdm", ""),
    ("location", ".location-query"),
    ("liveactivity", ".push-type.liveactivity"),
    ("pushtotalk", ".voip-ptt"),
    ("widgets", ".push-type.widgets"),
    ("controls", ".push-type.controls"),
    ("", ""),
];

/// A begun second is one: what has some time left is not told that it has none.
fn seconds(time: Duration) -> u128 {
    time.as_nanos().div_ceil(1_000_000_000)
}

fn wrong_for_fcm(fields: &Fields) -> Option<String> {
    let path = fcm::path(PROJECT);
    wrong(
        fields,
        &[
            (b":method", Some(b"POST")),
            (b":path", Some(path.as_bytes())),
            (b":authority", Some(FCM.as_bytes())),
            (b"content-type", Some(b"application/json")),
        ],
    )
}

type Expected<'a> = (&'static [u8], Option<&'a [u8]>);

/// The name of the first field that is not as expected.
fn wrong(fields: &Fields, expected: &[Expected<'_>]) -> Option<String> {
    let wrong = expected
        .iter()
        .find(|(name, value)| fields.get(name) != *value);
    wrong.map(|(name, _)| String::from_utf8_lossy(name).into_owned())
}

/// Compares a request's content with what was accepted; returns its push.
pub(super) fn content(
    link: usize,
    stream: u32,
    push: u64,
    content: &[u8],
    now: Instant,
    net: &mut Net,
) -> u64 {
    if !net.issuer.is_fcm() {
        let accepted = net.ledger.accepted(push);
        if accepted.is_some_and(|accepted| accepted.parcel.body() != content) {
            net.ledger
                .violate(now, format!("{link}/{stream}: wrong content"));
        }
        return push;
    }
    let body: Value = serde_json::from_slice(content).unwrap_or_default();
    let message = &body["message"];
    let mut targets = TARGETS
        .iter()
        .filter_map(|(_, name)| message[name].as_str());
    let token = targets.next().unwrap_or("");
    let Some(push) = net.ledger.push_to(token) else {
        let what = format!("{link}/{stream}: a push nobody accepted");
        net.ledger.violate(now, what);
        return 0;
    };
    let accepted = net.ledger.accepted(push).unwrap();
    let kind = accepted.envelope.target;
    let mut names = TARGETS.iter().filter(|(known, _)| *known == kind);
    let has_target = names.any(|(_, name)| message[name] == token);
    let [before, between, _] = accepted.parcel.parts();
    let start = [before, token.as_bytes(), between].concat();
    let same_payload = content.starts_with(&start);
    let (life, waited) = (life_of(accepted), net.ledger.waited(push, (link, stream)));
    let same_ttl = waited.is_none_or(|waited| {
        let life = life.filter(|_| kind == TargetKind::DeviceToken);
        let left = life.map(|life| seconds(life.saturating_sub(waited)));
        let ttl = left.map_or(Value::Null, |secs| format!("{secs}s").into());
        message["android"]["ttl"] == ttl
    });
    if life.is_some() && waited > Some(Duration::from_secs(1)) {
        net.ledger.coverage.count(Kind::ToldWhatIsLeft);
    }
    if !same_payload || !same_ttl || !has_target {
        let what = format!("{link}/{stream}: push {push}: wrong content {body}");
        net.ledger.violate(now, what);
    }
    push
}

/// What the field of each kind of target is called.
const TARGETS: [(TargetKind, &str); 4] = [
    (TargetKind::DeviceToken, "token"),
    (TargetKind::Fid, "fid"),
    (TargetKind::Topic, "topic"),
    (TargetKind::Condition, "condition"),
];
