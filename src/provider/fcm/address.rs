//! Where requests to FCM go and how they are written.

use std::sync::{Arc, OnceLock};

use super::message::write_body;
use super::{CONTENT_TYPE, Fcm, check_project_id, path};
use crate::moment::Moment;
use crate::provider::{self, Addressing, Draft, SharedFields, Vendor};
use crate::push::Push;

/// What requests to FCM are addressed with.
#[derive(Clone, Debug)]
pub struct Address {
    /// `:authority`.
    pub authority: Arc<str>,
    /// `:path`, with the project.
    pub path: ProjectPath,
}

/// The `:path` of all pushes of a project: known from the start, or once Google has said which
/// project it is, which is before there is an access token to send with. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct ProjectPath(Arc<OnceLock<String>>);

impl ProjectPath {
    /// Takes the project that Google says it is; the first one stays.
    ///
    /// # Errors
    ///
    /// Why it can be none; without what was said.
    pub fn learn(&self, project: &str) -> Result<(), &'static str> {
        check_project_id(project)?;
        self.0.get_or_init(|| path(project));
        Ok(())
    }

    /// Whether it is known.
    pub fn is_known(&self) -> bool {
        self.0.get().is_some()
    }

    /// The path; empty while it is not known.
    pub fn text(&self) -> &str {
        self.0.get().map_or("", String::as_str)
    }
}

/// A path that is known.
impl From<&str> for ProjectPath {
    fn from(path: &str) -> Self {
        path.to_owned().into()
    }
}

/// A path that is known.
impl From<String> for ProjectPath {
    fn from(path: String) -> Self {
        Self(Arc::new(path.into()))
    }
}

impl Addressing for Address {
    fn provider(&self) -> &'static dyn Vendor {
        &Fcm
    }

    fn aim(&self) -> String {
        format!("{}{}", self.authority, self.path.text())
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
                (b":path", self.path.text().as_bytes()),
            ],
            fields: authorization.into_iter().chain([content_type]).collect(),
        })
    }

    fn write(&self, push: &Push, now: Moment, draft: &mut Draft) {
        let accepted = push.accepted();
        if !accepted.parcel.takes_target() {
            // Behind the last part the token would be no JSON.
            return;
        }
        let waited = now.since(accepted.at);
        let lifetime = accepted.lifetime().filter(|_| accepted.parcel.takes_ttl());
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::provider::fixture::{UNIX, later, start};
    use crate::push::{Accepted, Content, Envelope, LaneId, Lifetime, Note, Parcel, PushId};

    #[test]
    fn a_message_is_told_how_much_of_its_time_is_left_where_it_has_a_place_for_that() {
        let address = Address {
            authority: "a".into(),
            path: "/".into(),
        };
        let body = |content: Content, lifetime| {
            let accepted = Arc::new(Accepted {
                envelope: Envelope {
                    lifetime,
                    ..Envelope::to(LaneId::ANDROID)
                },
                parcel: Parcel::new(&content, &Note::default(), &["c:d"].into_iter().collect()),
                first_id: PushId(1),
                at: start(),
            });
            let push = Push::nth(&accepted, 0).unwrap();
            let mut draft = Draft::default();
            let mut now = later(accepted.at, 40);
            now.unix += Duration::from_secs(1000);
            address.write(&push, now, &mut draft);
            String::from_utf8(draft.content).unwrap()
        };
        // None of ours, but a record may say so: as it is.
        assert_eq!(body(Content::whole(*b"{}"), Lifetime::secs(100)), "");
        let slots = || Content::with_slots(*br#"{"to":"","android":{}}"#, 7, 20).unwrap();
        for (lifetime, ttl) in [
            (Lifetime::Unsaid, ""),
            (Lifetime::Now, r#""ttl":"0s""#),
            (Lifetime::secs(100), r#""ttl":"60s""#),
            (Lifetime::secs(30), r#""ttl":"0s""#),
            // By the clock that goes on, whatever the other is set to meanwhile.
            (Lifetime::until(UNIX + 50), r#""ttl":"10s""#),
        ] {
            let expected = format!(r#"{{"to":"c:d","android":{{{ttl}}}}}"#);
            assert_eq!(body(slots(), lifetime), expected, "{lifetime:?}");
            let target_alone = Content::with_target(*br#"{"to":""}"#, 7).unwrap();
            assert_eq!(body(target_alone, lifetime), r#"{"to":"c:d"}"#);
        }
    }
}
