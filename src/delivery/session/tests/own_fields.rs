//! Requests of notifications that have header fields of their own.

use super::*;
use crate::push::{Accepted, Content, Envelope, HEAD_FIELDS_MAX, Lifetime, Note, Parcel, PushType};

#[test]
fn a_push_with_header_fields_of_its_own_has_them_all_and_its_answer() {
    let mut wire = Wire::apns(10);
    let own: Vec<_> = (0..HEAD_FIELDS_MAX).map(|n| format!("x-{n}")).collect();
    let own: Vec<_> = own.iter().map(|name| (&**name, "v")).collect();
    let at = wire.now;
    let push = |id, own: &[(&str, &str)]| {
        let content = Content::whole(*b"{}").with_head(own);
        let accepted = Accepted {
            envelope: Envelope {
                push_type: PushType::Background,
                lifetime: Lifetime::Now,
                ..Envelope::to(LaneId::IOS)
            },
            parcel: Parcel::new(&content, &Note::default(), &["ab"].into_iter().collect()),
            first_id: PushId(id),
            at,
        };
        Push::nth(&Arc::new(accepted), 0).unwrap()
    };
    // As many as there may be, in requests one after the other.
    for id in [1, 2] {
        wire.send(push(id, &own));
        wire.settle();
        let (stream, fields, _) = wire.heard.last().unwrap().clone();
        for (name, value) in &own {
            assert_eq!(field(&fields, name), Some(*value));
        }
        assert_eq!(field(&fields, "apns-push-type"), Some("background"));
        assert_eq!(field(&fields, "apns-priority"), Some("5"));
        assert_eq!(field(&fields, "apns-expiration"), Some("0"));
        wire.answer(stream, 200, b"");
    }
    assert_eq!(wire.outcomes().len(), 2);
}
