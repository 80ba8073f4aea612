//! The Huffman code of string literals (RFC 7541 §5.2, Appendix B).
//!
//! The code is canonical: it follows from the lengths of its codes. So only [`LENGTHS`] is
//! written down and the tables for both directions are computed from it at compile time.

use super::super::fields::index;
use super::error::DecodeError;

/// Bytes that `encode` would append.
pub(super) fn encoded_len(bytes: &[u8]) -> usize {
    let bits: usize = bytes.iter().map(|&byte| usize::from(code(byte).1)).sum();
    bits.div_ceil(8)
}

/// Appends the code of each byte, and ones up to a whole byte.
pub(super) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    // The lowest `count` bits of `bits` are still to be written; the ones above them are not
    // cleared. There are fewer than 32 of them before, and at most 61 after a code is added.
    let mut bits: u64 = 0;
    let mut count: u32 = 0;
    for &byte in bytes {
        let (code, length) = code(byte);
        bits = bits.wrapping_shl(u32::from(length)) | u64::from(code);
        count = count.wrapping_add(u32::from(length));
        if let Some(left) = count.checked_sub(32) {
            let [.., a, b, c, d] = bits.wrapping_shr(left).to_be_bytes();
            out.extend_from_slice(&[a, b, c, d]);
            count = left;
        }
    }
    let padding = 32_u32.wrapping_sub(count);
    let padded = bits.wrapping_shl(padding) | 1_u64.wrapping_shl(padding).wrapping_sub(1);
    let [.., a, b, c, d] = padded.to_be_bytes();
    out.extend([a, b, c, d].iter().take(index(count.div_ceil(8))));
}

/// Appends what the code stands for.
pub(super) fn decode(mut input: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
    // No code is shorter than 5 bits.
    out.reserve(input.len().saturating_mul(8).div_ceil(5));
    // The highest `count` bits of `bits` are still to be read; those below are 0.
    let mut bits: u64 = 0;
    let mut count: u32 = 0;
    loop {
        if count < u32::from(LONGEST) {
            refill(&mut bits, &mut count, &mut input);
        }
        let (symbol, length) = next_symbol(bits);
        // More than there are bits: at most the padding is left.
        let Some(left) = count.checked_sub(u32::from(length)) else {
            break;
        };
        let byte = u8::try_from(symbol)
            .map_err(|_| DecodeError::Compression("EOS in a Huffman-coded string"))?;
        out.push(byte);
        bits = bits.wrapping_shl(u32::from(length));
        count = left;
    }
    if count >= 8 {
        return Err(DecodeError::Compression(
            "Huffman padding of more than 7 bits",
        ));
    }
    if bits.leading_ones() < count {
        return Err(DecodeError::Compression(
            "Huffman padding that is not all ones",
        ));
    }
    Ok(())
}

/// Takes bytes until there are more than 32 bits or no bytes.
fn refill(bits: &mut u64, count: &mut u32, input: &mut &[u8]) {
    if let Some((chunk, rest)) = input.split_first_chunk::<4>() {
        let free = 32_u32.wrapping_sub(*count);
        *bits |= u64::from(u32::from_be_bytes(*chunk)).wrapping_shl(free);
        *count = count.wrapping_add(32);
        *input = rest;
        return;
    }
    while let Some((byte, rest)) = input.split_first() {
        let free = 56_u32.wrapping_sub(*count);
        *bits |= u64::from(*byte).wrapping_shl(free);
        *count = count.wrapping_add(8);
        *input = rest;
    }
}

/// The symbol whose code the bits begin with, and the length of the code.
fn next_symbol(bits: u64) -> (u16, u8) {
    let peeked = usize::try_from(bits.wrapping_shr(u64::BITS.wrapping_sub(PEEK_BITS)));
    match peeked.ok().and_then(|peeked| TABLES.peek.get(peeked)) {
        Some(&(symbol, length)) if length > 0 => (u16::from(symbol), length),
        _ => next_long_symbol(bits.wrapping_shr(32)),
    }
}

/// For codes that are longer than the peek table goes; `head` has the next 32 bits.
#[cold]
fn next_long_symbol(head: u64) -> (u16, u8) {
    let range = TABLES
        .lengths
        .iter()
        .find(|range| head < range.end)
        .unwrap_or(&EOS_ONLY);
    let beyond = head.saturating_sub(range.start).wrapping_shr(range.shift);
    let position = usize::try_from(beyond)
        .unwrap_or(0)
        .saturating_add(range.position);
    (
        TABLES.ordered.get(position).copied().unwrap_or(EOS),
        range.length,
    )
}

/// The code of a byte (its lowest bits) and how many bits it has.
#[expect(clippy::indexing_slicing, reason = "an entry for each byte")]
pub(super) fn code(byte: u8) -> (u32, u8) {
    TABLES.codes[usize::from(byte)]
}

/// What follows from `LENGTHS`.
struct Tables {
    /// Code (its lowest bits) and length of each byte.
    codes: [(u32, u8); 256],
    /// For what the next `PEEK_BITS` bits may be: symbol and length of the code they begin with;
    /// length 0 if it is longer.
    peek: [(u8, u8); 1 << PEEK_BITS],
    /// All symbols in the order of their codes.
    ordered: [u16; SYMBOLS],
    /// Codes of one length are consecutive numbers; lengths 1 to `LONGEST`.
    lengths: [Range; 30],
}

/// The codes of one length.
#[derive(Clone, Copy)]
struct Range {
    length: u8,
    /// The first code, as the highest bits of 32.
    start: u64,
    /// One more than the last code, as the highest bits of 32.
    end: u64,
    /// 32 less the length.
    shift: u32,
    /// Where the first code's symbol stands in `Tables::ordered`.
    position: usize,
}

static TABLES: Tables = tables();

#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "runs at compile time only, where a wrong index or an overflow is an error"
)]
const fn tables() -> Tables {
    let mut tables = Tables {
        codes: [(0, 0); 256],
        peek: [(0, 0); 1 << PEEK_BITS],
        ordered: [0; SYMBOLS],
        lengths: [EOS_ONLY; 30],
    };
    let mut code: u32 = 0;
    let mut position = 0;
    let mut length: u8 = 1;
    while length <= LONGEST {
        code <<= 1;
        let shift = 32 - length as u32;
        let start = (code as u64) << shift;
        let first = position;
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] == length {
                tables.ordered[position] = symbol as u16;
                if symbol < 256 {
                    tables.codes[symbol] = (code, length);
                }
                if length as u32 <= PEEK_BITS {
                    let free = PEEK_BITS - length as u32;
                    let mut peeked = (code as usize) << free;
                    while peeked < (code as usize + 1) << free {
                        tables.peek[peeked] = (symbol as u8, length);
                        peeked += 1;
                    }
                }
                position += 1;
                code += 1;
            }
            symbol += 1;
        }
        let end = (code as u64) << shift;
        tables.lengths[length as usize - 1] = Range {
            length,
            start,
            end,
            shift,
            position: first,
        };
        length += 1;
    }
    tables
}

/// Of RFC 7541 Appendix B: 256 bytes and EOS.
const SYMBOLS: usize = 257;

/// The symbol that ends no string: its beginning is the padding.
const EOS: u16 = 256;

/// Bits of the longest codes, EOS among them.
const LONGEST: u8 = 30;

/// Bits that the first look-up goes by: all characters that are usual in fields have no longer
/// code, and the table is 2 KiB.
const PEEK_BITS: u32 = 10;

/// Stands in for a range that cannot be missing, since the code is complete.
const EOS_ONLY: Range = Range {
    length: LONGEST,
    start: 0,
    end: 0,
    shift: 2,
    position: SYMBOLS - 1,
};

/// Length in bits of the code of each byte, and of EOS (RFC 7541 Appendix B).
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];
