//! Where requests to APNs go and how they are written.

use std::sync::{Arc, OnceLock};

use super::{Apns, ApnsIds, EXPIRATION_MAX, push_type_word};
use crate::moment::Moment;
use crate::provider::{Addressing, Draft, SharedFields, Vendor, begun_seconds};
use crate::push::{Accepted, PackedToken, Push, PushType};

/// What requests to APNs are addressed with.
#[derive(Clone, Debug, Default)]
pub struct Address {
    /// `:authority`.
    pub authority: Arc<str>,
    /// `apns-topic`, if one is configured.
    pub topic: Option<Arc<str>>,
    /// What makes `apns-id`; known before there is a push.
    pub ids: Arc<OnceLock<ApnsIds>>,
}

/// The push type of each kind of request.
const KINDS: [PushType; 2] = [PushType::Alert, PushType::Background];

impl Addressing for Address {
    fn provider(&self) -> &'static dyn Vendor {
        &Apns
    }

    fn shared<'a>(
        &'a self,
        kind: usize,
        authorization: Option<&'a str>,
    ) -> Option<SharedFields<'a>> {
        let push_type = *KINDS.get(kind)?;
        let topic = self.topic.as_deref();
        let fields = [
            (&b"authorization"[..], authorization),
            (b"apns-topic", topic),
            (b"apns-push-type", Some(push_type_word(push_type))),
            (b"apns-priority", priority(push_type)),
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

    fn write(&self, push: &Push, _: Moment, draft: &mut Draft) {
        draft.kind = usize::from(push.envelope().push_type == PushType::Background);
        path(push.token(), &mut draft.path);
        let id = self.ids.get().unwrap_or(&ApnsIds::NONE).of(push.id());
        draft.add(b"apns-id", &id);
        if let Some(at) = expiration(push.accepted()) {
            draft.add_number(b"apns-expiration", at);
        }
    }
}

/// Appends the `:path` of a push, with the device token in lower case.
pub(super) fn path(token: PackedToken<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(b"/3/device/");
    token.write(out);
    out.make_ascii_lowercase();
}

/// `apns-expiration`: seconds since the Unix epoch, counted from acceptance; absent unless the
/// caller gave a positive `expiry`.
pub(super) fn expiration(accepted: &Accepted) -> Option<u64> {
    let lifetime = accepted.envelope.lifetime_secs?.get();
    let at = begun_seconds(accepted.at.unix).saturating_add(lifetime);
    Some(at.min(EXPIRATION_MAX))
}

/// `apns-priority` for a push type: 5 for a background push, for which Apple calls the default of
/// 10 an error; otherwise absent, which means 10.
pub(super) fn priority(push_type: PushType) -> Option<&'static str> {
    (push_type == PushType::Background).then_some("5")
}
