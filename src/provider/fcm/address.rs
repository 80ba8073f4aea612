//! Where requests to FCM go and how they are written.

use std::sync::Arc;

use super::message::write_body;
use super::{CONTENT_TYPE, Fcm};
use crate::moment::Moment;
use crate::provider::{self, Addressing, Draft, SharedFields, Vendor};
use crate::push::Push;

/// What requests to FCM are addressed with.
#[derive(Clone, Debug)]
pub struct Address {
    /// `:authority`.
    pub authority: Arc<str>,
    /// `:path`, with the project.
    pub path: Arc<str>,
}

impl Addressing for Address {
    fn provider(&self) -> &'static dyn Vendor {
        &Fcm
    }

    fn shared<'a>(
        &'a self,
        kind: usize,
        authorization: Option<&'a str>,
    ) -> Option<SharedFields<'a>> {
        let authorization = authorization.map(|value| (&b"authorization"[..], value.as_bytes()));
        let content_type = (&b"content-type"[..], CONTENT_TYPE.as_bytes());
        (kind == 0).then(|| SharedFields {
            pseudo: vec![
                (b":method", b"POST"),
                (b":scheme", b"https"),
                (b":authority", self.authority.as_bytes()),
                (b":path", self.path.as_bytes()),
            ],
            fields: authorization.into_iter().chain([content_type]).collect(),
        })
    }

    fn write(&self, push: &Push, now: Moment, draft: &mut Draft) {
        let accepted = push.accepted();
        let waited = now.since(accepted.at);
        let lifetime = accepted.envelope.lifetime();
        let ttl_left =
            lifetime.map(|lifetime| provider::begun_seconds(lifetime.saturating_sub(waited)));
        let token = push.token().text();
        write_body(
            accepted.parcel.parts(),
            &token,
            ttl_left,
            &mut draft.content,
        );
    }
}
