//! The body that a provider is sent.
//!
//! Pure: no file, no clock, no thread.

/// The provider's body of a notification: built once, when it is accepted, and kept so, with slots
/// for what differs from push to push. It knows nothing of what it holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Content {
    body: Box<[u8]>,
    /// Where the target and the time to live go; none if all pushes are sent the same.
    slots: Option<(u32, u32)>,
}

impl Content {
    /// A body that all pushes are sent as it is.
    pub fn whole(body: impl Into<Box<[u8]>>) -> Self {
        Self {
            body: body.into(),
            slots: None,
        }
    }

    /// A body into which the target goes at one offset and the time to live at another one, which
    /// is no lower; nothing if they are not in it.
    pub fn with_slots(body: impl Into<Box<[u8]>>, target: u32, ttl: u32) -> Option<Self> {
        let body = body.into();
        let fits = target <= ttl && ttl as usize <= body.len();
        fits.then_some(Self {
            body,
            slots: Some((target, ttl)),
        })
    }

    /// All of it but what goes into the slots.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// The offsets of the slots for the target and the time to live.
    pub fn slots(&self) -> Option<(u32, u32)> {
        self.slots
    }

    /// What stands before the target, between it and the time to live, and behind that; nothing
    /// but the first of a body without slots.
    pub fn parts(&self) -> [&[u8]; 3] {
        parts(&self.body, self.slots)
    }
}

/// The parts of a body between its slots.
pub(super) fn parts(body: &[u8], slots: Option<(u32, u32)>) -> [&[u8]; 3] {
    let Some((target, ttl)) = slots else {
        return [body, &[], &[]];
    };
    let (front, behind) = body.split_at_checked(ttl as usize).unwrap_or((body, &[]));
    let (before, between) = front
        .split_at_checked(target as usize)
        .unwrap_or((front, &[]));
    [before, between, behind]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_parted_where_its_slots_are_if_it_has_any() {
        let parts = |target, ttl| {
            let content = Content::with_slots(*b"abcdef", target, ttl)?;
            Some(content.parts().map(<[u8]>::to_vec))
        };
        let told = |parts: [&[u8]; 3]| Some(parts.map(<[u8]>::to_vec));
        assert_eq!(parts(1, 4), told([b"a", b"bcd", b"ef"]));
        assert_eq!(parts(0, 6), told([b"", b"abcdef", b""]));
        for (target, ttl) in [(4, 1), (0, 7), (7, 7)] {
            assert_eq!(parts(target, ttl), None);
        }
        assert_eq!(Content::whole(*b"abc").parts(), [&b"abc"[..], b"", b""]);
    }
}
