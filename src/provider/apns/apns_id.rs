//! The name of a push to Apple.

use std::ops::Range;

use crate::push::PushId;

/// Makes the `apns-id` of pushes: the same for all attempts of a push, whoever makes them.
///
/// A UUID of version 8 (RFC 9562 §5.8). Of a push whose id was given by this state directory it
/// holds the directory's 64 random bits, five zeros and the 53 bits of the id, so that pushes of
/// two daemons differ even if their ids do not. Before there were such bits, and for what a log of
/// others names, "sterna" in ASCII stands in their place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ApnsIds {
    bits: u64,
    given: Vec<Range<u64>>,
}

impl ApnsIds {
    /// Of a process that knows of no state directory.
    pub const NONE: Self = Self {
        bits: 0,
        given: Vec::new(),
    };

    /// Those of a state directory with these random bits, which has `given` ids in these ranges.
    pub fn new(bits: u64, given: impl IntoIterator<Item = Range<u64>>) -> Self {
        Self {
            bits,
            given: given.into_iter().collect(),
        }
    }

    /// The `apns-id` of a push.
    pub fn of(&self, id: PushId) -> [u8; 36] {
        let is_ours = self.given.iter().any(|given| given.contains(&id.0));
        text(if is_ours {
            // 48 bits, the version, 12 bits, the variant, 4 bits.
            let bits = u128::from(self.bits);
            (bits >> 16) << 80 | (bits >> 4 & 0xfff) << 64 | (bits & 0xf) << 58 | number(id)
        } else {
            STERNA << 80 | number(id)
        })
    }
}

/// The id as the low bits of a UUID; no id reaches those above.
fn number(id: PushId) -> u128 {
    u128::from(id.0 & ((1 << 53) - 1))
}

/// "sterna".
const STERNA: u128 = 0x7374_6572_6e61;

/// Version 8 and the variant of all UUIDs.
const MARKS: u128 = 8 << 76 | 2 << 62;

/// Spells a UUID out, with its marks.
fn text(uuid: u128) -> [u8; 36] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = *b"00000000-0000-0000-0000-000000000000";
    let mut rest = uuid | MARKS;
    for byte in text.iter_mut().rev().filter(|byte| **byte != b'-') {
        let digit = usize::try_from(rest & 0xf).unwrap_or_default();
        *byte = DIGITS.get(digit).copied().unwrap_or(b'0');
        rest >>= 4;
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn of_all(bits: u64) -> ApnsIds {
        ApnsIds::new(bits, std::iter::once(0..1 << 53))
    }

    fn check(ids: &ApnsIds, id: u64, expected: &str) {
        let text = ids.of(PushId(id));
        assert_eq!(std::str::from_utf8(&text), Ok(expected));
    }

    #[test]
    fn it_is_a_uuid_of_version_8_with_the_bits_of_the_directory_and_the_id() {
        let all = of_all(0x0123_4567_89ab_cdef);
        check(&all, 1, "01234567-89ab-8cde-bc00-000000000001");
        check(&all, (1 << 53) - 1, "01234567-89ab-8cde-bc1f-ffffffffffff");
        let none = of_all(0);
        check(&none, 0xabc, "00000000-0000-8000-8000-000000000abc");
        let full = of_all(u64::MAX);
        check(&full, 0, "ffffffff-ffff-8fff-bc00-000000000000");
    }

    #[test]
    fn ids_that_the_directory_has_not_given_keep_the_name_that_they_had() {
        let ids = ApnsIds::new(u64::MAX, [10..20, 30..40]);
        for (id, is_ours) in [(9, false), (10, true), (19, true), (20, false), (35, true)] {
            let text = ids.of(PushId(id));
            assert_eq!(text.starts_with(b"73746572-6e61-8000-8"), !is_ours, "{id}");
        }
        check(&ids, 1, "73746572-6e61-8000-8000-000000000001");
        check(&ids, (1 << 53) - 1, "73746572-6e61-8000-801f-ffffffffffff");
    }

    #[test]
    fn every_bit_of_both_makes_a_difference() {
        let mut seen = BTreeSet::new();
        for bit in 0..64 {
            seen.insert(of_all(1 << bit).of(PushId(0)));
        }
        let ids = of_all(0);
        for bit in 0..53 {
            seen.insert(ids.of(PushId(1 << bit)));
        }
        seen.insert(ids.of(PushId(0)));
        assert_eq!(seen.len(), 64 + 53 + 1);
    }
}
