//! The body that a provider is sent, and the header fields that come with it.
//!
//! Pure: no file, no clock, no thread.

use crate::encoding::{Bytes, put_bytes};

/// The provider's body of a notification: built once, when it is accepted, and kept so, with slots
/// for what differs from push to push, and header fields that no other notification shares. It
/// knows nothing of what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// With the room that it was written in: once all of its request is built, it is copied to
    /// where it stays.
    body: Vec<u8>,
    slots: Slots,
    /// Names and values, each with its length before it.
    head: Box<[u8]>,
}

/// Where the target and the time to live go into a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slots {
    target: u32,
    ttl: u32,
}

/// No body is as long.
const NOWHERE: u32 = u32::MAX;

impl Default for Slots {
    fn default() -> Self {
        Self::NONE
    }
}

impl Slots {
    /// Those of a body that all pushes are sent as it is.
    pub(crate) const NONE: Self = Self {
        target: NOWHERE,
        ttl: NOWHERE,
    };

    /// A slot for the target, and one for the time to live behind it, if there is one; nothing if
    /// they are not in a body of that length.
    fn within(body: &[u8], target: u32, ttl: Option<u32>) -> Option<Self> {
        let last = ttl.unwrap_or(target);
        let fits = target <= last && last != NOWHERE && last as usize <= body.len();
        fits.then_some(Self {
            target,
            ttl: ttl.unwrap_or(NOWHERE),
        })
    }

    /// The offset of the target, if it has a slot.
    pub(crate) fn target(self) -> Option<u32> {
        Some(self.target).filter(|at| *at != NOWHERE)
    }

    /// The offset of the time to live, if it has a slot.
    pub(crate) fn ttl(self) -> Option<u32> {
        Some(self.ttl).filter(|at| *at != NOWHERE)
    }

    /// The parts of a body between its slots.
    pub(super) fn parts(self, body: &[u8]) -> [&[u8]; 3] {
        let Some(target) = self.target() else {
            return [body, &[], &[]];
        };
        let end = self.ttl().map_or(body.len(), |ttl| ttl as usize);
        let (front, behind) = body.split_at_checked(end).unwrap_or((body, &[]));
        let (before, between) = front
            .split_at_checked(target as usize)
            .unwrap_or((front, &[]));
        [before, between, behind]
    }
}

impl Content {
    /// A body that all pushes are sent as it is.
    pub fn whole(body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..Self::default()
        }
    }

    /// A body into which the target goes at that offset; nothing if that is not in it.
    pub fn with_target(body: impl Into<Vec<u8>>, target: u32) -> Option<Self> {
        Self::slotted(body.into(), target, None)
    }

    /// A body into which the target goes at one offset and the time to live at another one, which
    /// is no lower; nothing if they are not in it.
    pub fn with_slots(body: impl Into<Vec<u8>>, target: u32, ttl: u32) -> Option<Self> {
        Self::slotted(body.into(), target, Some(ttl))
    }

    fn slotted(body: Vec<u8>, target: u32, ttl: Option<u32>) -> Option<Self> {
        let slots = Slots::within(&body, target, ttl)?;
        Some(Self {
            body,
            slots,
            ..Self::default()
        })
    }

    /// This body with these header fields, names and values, beside those that the provider is
    /// always sent; [`HEAD_FIELDS_MAX`] of them at most are.
    #[must_use]
    pub fn with_head(self, fields: &[(&str, &str)]) -> Self {
        let mut head = Vec::new();
        for (name, value) in fields {
            put_bytes(&mut head, name.as_bytes());
            put_bytes(&mut head, value.as_bytes());
        }
        Self {
            head: head.into(),
            ..self
        }
    }

    /// This body with header fields as they lie packed; nothing if they are none.
    pub(crate) fn with_packed_head(self, head: &[u8]) -> Option<Self> {
        let mut rest = Bytes(head);
        while !rest.is_empty() {
            rest.bytes()?;
            rest.bytes()?;
        }
        Some(Self {
            head: head.into(),
            ..self
        })
    }

    /// All of the body but what goes into the slots.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The slots of the body.
    pub(crate) fn slots(&self) -> Slots {
        self.slots
    }

    /// What stands before the target, between it and the time to live, and behind that; nothing
    /// but the first of a body without slots.
    pub fn parts(&self) -> [&[u8]; 3] {
        self.slots.parts(&self.body)
    }

    /// Names and values of the header fields.
    pub fn head(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        fields(&self.head)
    }

    /// The header fields as they lie packed.
    pub(super) fn packed_head(&self) -> &[u8] {
        &self.head
    }
}

/// Names and values of header fields that lie packed.
pub(super) fn fields(head: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = Bytes(head);
    std::iter::from_fn(move || Some((rest.bytes()?, rest.bytes()?)))
}

/// Our limit: header fields of its own that a notification may have. Apple knows seven.
pub const HEAD_FIELDS_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_parted_where_its_slots_are_if_it_has_any() {
        let parts = |target, ttl| {
            let content = match ttl {
                Some(ttl) => Content::with_slots(*b"abcdef", target, ttl),
                None => Content::with_target(*b"abcdef", target),
            };
            Some(content?.parts().map(<[u8]>::to_vec))
        };
        let told = |parts: [&[u8]; 3]| Some(parts.map(<[u8]>::to_vec));
        assert_eq!(parts(1, Some(4)), told([b"a", b"bcd", b"ef"]));
        assert_eq!(parts(0, Some(6)), told([b"", b"abcdef", b""]));
        assert_eq!(parts(2, None), told([b"ab", b"cdef", b""]));
        assert_eq!(parts(6, None), told([b"abcdef", b"", b""]));
        for (target, ttl) in [
            (4, Some(1)),
            (0, Some(7)),
            (7, Some(7)),
            (7, None),
            (u32::MAX, None),
        ] {
            assert_eq!(parts(target, ttl), None);
        }
        assert_eq!(Content::whole(*b"abc").parts(), [&b"abc"[..], b"", b""]);
    }

    #[test]
    fn header_fields_that_lie_packed_are_whole_or_none() {
        let fields = [("apns-priority", "5"), ("x", "")];
        let content = Content::whole(*b"{}").with_head(&fields);
        let given: Vec<_> = content.head().collect();
        let expected = fields.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        assert_eq!(given, expected);
        let packed = content.packed_head();
        for end in 0..=packed.len() {
            let read = Content::whole(*b"{}").with_packed_head(&packed[..end]);
            let is_whole = [0, packed.len() - 3, packed.len()].contains(&end);
            assert_eq!(read.is_some(), is_whole, "{end}");
        }
        let read = Content::whole(*b"{}").with_packed_head(packed);
        assert_eq!(read, Some(content));
    }
}
