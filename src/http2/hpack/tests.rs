//! Tests over the parts of HPACK together.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "numbers of the tests themselves"
)]

mod appendix_c;
mod codes;
mod encoding;
mod limits;
mod properties;

use super::super::{Field, Fields, Indexing};
use super::{Decoded, Decoder, Encoder};

/// A list limit that the tests which are not about it do not come near.
const NO_LIMIT: u32 = 1 << 24;

/// Bytes written as hexadecimal digits in groups.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().filter_map(|c| c.to_digit(16)).collect();
    digits
        .chunks(2)
        .map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap())
        .collect()
}

fn indexed<'a>(name: &'a str, value: &'a str) -> Field<'a> {
    Field {
        name: name.as_bytes(),
        value: value.as_bytes(),
        indexing: Indexing::Indexed,
    }
}

fn literal<'a>(name: &'a str, value: &'a str) -> Field<'a> {
    Field {
        indexing: Indexing::Literal,
        ..indexed(name, value)
    }
}

fn never_indexed<'a>(name: &'a str, value: &'a str) -> Field<'a> {
    Field {
        indexing: Indexing::NeverIndexed,
        ..indexed(name, value)
    }
}

/// One block.
fn encode(encoder: &mut Encoder, fields: &[Field<'_>]) -> Vec<u8> {
    let mut block = Vec::new();
    encoder.begin(&mut block);
    for field in fields {
        encoder.field(field, &mut block);
    }
    block
}

/// Fields as text, one `name: value` each.
fn listing(fields: &Fields) -> Vec<String> {
    fields
        .iter()
        .map(|(name, value)| format!("{}: {}", name.escape_ascii(), value.escape_ascii()))
        .collect()
}

/// Decodes a block whose list is within the limits.
fn decode(decoder: &mut Decoder, block: &[u8]) -> Vec<String> {
    let Decoded { fields, over_limit } = decoder.decode(block).unwrap();
    assert!(!over_limit);
    listing(&fields)
}
