//! Integers with a prefix (RFC 7541 §5.1).

use super::error::DecodeError;

/// Appends `value`; `mask` has the bits of the prefix, `pattern` those before it.
pub(super) fn encode(value: usize, mask: u8, pattern: u8, out: &mut Vec<u8>) {
    let Some(beyond) = value.checked_sub(usize::from(mask)) else {
        out.push(pattern | low_bits(value, mask));
        return;
    };
    out.push(pattern | mask);
    let mut rest = beyond;
    while rest > usize::from(GROUP) {
        out.push(MORE | low_bits(rest, GROUP));
        rest >>= GROUP_BITS;
    }
    out.push(low_bits(rest, GROUP));
}

/// Takes an integer off the front of `input`; `mask` has the bits of the prefix.
pub(super) fn decode(input: &mut &[u8], mask: u8) -> Result<u32, DecodeError> {
    let prefix = mask & take(input)?;
    if prefix < mask {
        return Ok(u32::from(prefix));
    }
    let mut value = u64::from(mask);
    for shift in (0..).step_by(GROUP_BITS).take(CONTINUATION_BYTES) {
        let byte = take(input)?;
        value = value.saturating_add(u64::from(byte & GROUP).wrapping_shl(shift));
        if byte & MORE == 0 {
            return u32::try_from(value)
                .ok()
                .filter(|value| *value <= MAX)
                .ok_or(DecodeError::Compression("integer above 2^31"));
        }
    }
    Err(DecodeError::Compression(
        "integer of more than 5 continuation bytes",
    ))
}

fn take(input: &mut &[u8]) -> Result<u8, DecodeError> {
    let (first, rest) = input
        .split_first()
        .ok_or(DecodeError::Compression("block ends inside an integer"))?;
    *input = rest;
    Ok(*first)
}

fn low_bits(value: usize, mask: u8) -> u8 {
    u8::try_from(value & usize::from(mask)).unwrap_or(mask)
}

/// The value bits of a continuation byte.
const GROUP: u8 = 0x7f;

/// How many they are.
const GROUP_BITS: usize = 7;

/// The bit of a continuation byte that says that another one follows.
const MORE: u8 = 0x80;

/// Our limit: the largest integer that we take. Lengths and indices stay far below; the largest
/// that a peer may have a use for is a table size, which is to be at most what we advertised.
pub(super) const MAX: u32 = 1 << 31;

/// Our limit: bytes after the prefix. Five hold 2^31 and leave room for some padding with zeros,
/// which RFC 7541 §5.1 does not forbid; without a limit the padding would have no end.
const CONTINUATION_BYTES: usize = 5;
