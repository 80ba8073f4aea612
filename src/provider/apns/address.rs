//! Where requests to APNs go and how they are written.

use std::sync::{Arc, OnceLock};

use super::push_type::word_and_suffix;
use super::{Apns, ApnsIds, EXPIRATION_MAX};
use crate::moment::Moment;
use crate::provider::{
    Addressing, Answer, Draft, NameAndValue, SharedFields, Vendor, begun_seconds,
};
use crate::push::{
    Accepted, ApnsEnvironment, Envelope, LaneId, Lifetime, PackedToken, Push, PushType, TargetKind,
};

/// What requests to APNs are addressed with.
#[derive(Clone, Debug, Default)]
pub struct Address {
    /// `:authority`.
    pub authority: Arc<str>,
    /// `apns-topic`, if one is configured.
    pub topic: Option<Arc<str>>,
    /// What makes `apns-id`; known before there is a push.
    pub ids: Arc<OnceLock<ApnsIds>>,
    /// The lane of the same app in the other environment, and that environment.
    pub other: Option<(LaneId, ApnsEnvironment)>,
}

/// The reasons of which many come of the wrong environment.
const OF_ENVIRONMENT: [&str; 4] = [
    "BadDeviceToken",
    "BadCertificateEnvironment",
    "BadEnvironmentKeyIdInToken",
    "BadEnvironmentKeyInToken",
];

/// The push type of each kind of request that shares all its fields but id and expiration; those of
/// the kind after them share none that a notification may say something else in.
const KINDS: [PushType; 2] = [PushType::Alert, PushType::Background];

/// The kind of all other requests.
const OTHERS: usize = KINDS.len();

impl Addressing for Address {
    fn provider(&self) -> &'static dyn Vendor {
        &Apns
    }

    fn aim(&self) -> String {
        let topic = self.topic.as_deref().unwrap_or_default();
        format!("{} {topic}", self.authority)
    }

    fn shared<'a>(
        &'a self,
        kind: usize,
        authorization: Option<&'a str>,
    ) -> Option<SharedFields<'a>> {
        let push_type = KINDS.get(kind).copied();
        if push_type.is_none() && kind != OTHERS {
            return None;
        }
        let topic = self.topic.as_deref().filter(|_| push_type.is_some());
        let word = push_type.and_then(word_and_suffix).map(|(word, _)| word);
        let fields = [
            (&b"authorization"[..], authorization),
            (TOPIC, topic),
            (PUSH_TYPE, word),
            (PRIORITY, push_type.and_then(priority)),
        ];
        let fields = fields.into_iter();
        Some(SharedFields {
            pseudo: vec![
                (b":method", b"POST"),
                (b":scheme", b"https"),
                (b":authority", self.authority.as_bytes()),
            ],
            fields: fields
                .filter_map(|(name, value)| Some((name, value?.as_bytes())))
                .collect(),
        })
    }

    fn hint(&self, answer: &Answer) -> Option<String> {
        let (lane, environment) = self.other?;
        let environment = environment.word();
        OF_ENVIRONMENT.contains(&&*answer.reason).then(|| {
            format!(
                "perhaps as it is of the environment {environment}: that is the lane {lane}, for \
                 notifications with \"environment\": \"{environment}\""
            )
        })
    }

    fn write(&self, push: &Push, _: Moment, draft: &mut Draft) {
        let accepted = push.accepted();
        let envelope = &accepted.envelope;
        let is_broadcast = envelope.target == TargetKind::Channel;
        let id = self.ids.get().unwrap_or(&ApnsIds::NONE).of(push.id());
        let mut own = accepted.parcel.head().peekable();
        // That of the caller's, which is the only one, stands among its own fields.
        let is_named = |name: &[u8]| {
            let mut names = accepted.parcel.head().map(|(own, _)| own);
            names.any(|own| own == name)
        };
        if is_broadcast {
            draft.path.extend_from_slice(b"/4/broadcasts/apps/");
            let bundle = self.topic.as_deref().unwrap_or_default();
            draft.path.extend_from_slice(bundle.as_bytes());
            if !is_named(REQUEST_ID) {
                draft.add(REQUEST_ID, &id);
            }
            draft.add(b"apns-channel-id", push.token().text().as_bytes());
        } else {
            path(push.token(), &mut draft.path);
            if own.peek().is_none() || !is_named(ID) {
                draft.add(ID, &id);
            }
        }
        // A channel that stores nothing takes no other expiration than 0, and Apple wants one.
        let at = expiration(accepted).or(is_broadcast.then_some(0));
        if let Some(at) = at {
            draft.add_number(b"apns-expiration", at);
        }
        let kind = KINDS.iter().position(|kind| *kind == envelope.push_type);
        let kind = kind.filter(|_| own.peek().is_none() && !is_broadcast);
        draft.kind = kind.unwrap_or(OTHERS);
        if draft.kind == OTHERS {
            self.write_others(push.envelope(), own, draft);
        }
    }
}

impl Address {
    /// Adds what requests of a kind of their own do not share: the notification's own fields, and
    /// beside them what they do not say.
    fn write_others<'a>(
        &self,
        envelope: &Envelope,
        own: impl Iterator<Item = NameAndValue<'a>>,
        draft: &mut Draft,
    ) {
        let mut is_said = [false; 2];
        for field in own {
            for (is_said, name) in is_said.iter_mut().zip([PUSH_TYPE, PRIORITY]) {
                *is_said |= field.0 == name;
            }
            draft.add_own(field);
        }
        let [has_push_type, has_priority] = is_said;
        let (word, suffix) = word_and_suffix(envelope.push_type).unwrap_or_default();
        if !has_push_type && !word.is_empty() {
            draft.add_repeated(PUSH_TYPE, [word, ""]);
        }
        // That of a broadcast stands in its path.
        let topic = self.topic.as_deref();
        let has_topic = envelope.has_own_topic || envelope.target == TargetKind::Channel;
        if let Some(topic) = topic.filter(|_| !has_topic) {
            draft.add_repeated(TOPIC, [topic, suffix]);
        }
        if let Some(priority) = priority(envelope.push_type).filter(|_| !has_priority) {
            draft.add_repeated(PRIORITY, [priority, ""]);
        }
    }
}

const ID: &[u8] = b"apns-id";
const REQUEST_ID: &[u8] = super::head::REQUEST_ID.as_bytes();
const TOPIC: &[u8] = b"apns-topic";
const PUSH_TYPE: &[u8] = b"apns-push-type";
const PRIORITY: &[u8] = b"apns-priority";

/// Appends the `:path` of a push, with the device token in lower case.
pub(super) fn path(token: PackedToken<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"/3/device/");
    token.write(out);
    out.make_ascii_lowercase();
}

/// `apns-expiration`: seconds since the Unix epoch, those of a lifetime counted from acceptance, 0
/// for one attempt; absent unless the caller has said something of it.
pub(super) fn expiration(accepted: &Accepted) -> Option<u64> {
    let at = match accepted.envelope.lifetime {
        Lifetime::Unsaid => return None,
        Lifetime::Now => 0,
        Lifetime::Secs(secs) => begun_seconds(accepted.at.unix).saturating_add(secs.get().into()),
        Lifetime::Until(at) => at.into(),
    };
    Some(at.min(EXPIRATION_MAX))
}

/// `apns-priority` for a push type: 5 for a background push, for which Apple calls the default of
/// 10 an error; otherwise absent, which means 10.
pub(super) fn priority(push_type: PushType) -> Option<&'static str> {
    (push_type == PushType::Background).then_some("5")
}
