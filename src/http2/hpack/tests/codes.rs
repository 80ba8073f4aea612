//! Tables and codes against RFC 7541's own text.

use super::super::{DecodeError, huffman, integer, static_table};
use super::bytes;

/// Codes of RFC 7541 Appendix B as its column "code as hex", for each byte.
#[expect(clippy::unreadable_literal, reason = "as the RFC writes them")]
const APPENDIX_B: [u32; 257] = [
    0x1ff8, 0x7fffd8, 0xfffffe2, 0xfffffe3, 0xfffffe4, 0xfffffe5, 0xfffffe6, 0xfffffe7, 0xfffffe8,
    0xffffea, 0x3ffffffc, 0xfffffe9, 0xfffffea, 0x3ffffffd, 0xfffffeb, 0xfffffec, 0xfffffed,
    0xfffffee, 0xfffffef, 0xffffff0, 0xffffff1, 0xffffff2, 0x3ffffffe, 0xffffff3, 0xffffff4,
    0xffffff5, 0xffffff6, 0xffffff7, 0xffffff8, 0xffffff9, 0xffffffa, 0xffffffb, 0x14, 0x3f8,
    0x3f9, 0xffa, 0x1ff9, 0x15, 0xf8, 0x7fa, 0x3fa, 0x3fb, 0xf9, 0x7fb, 0xfa, 0x16, 0x17, 0x18,
    0x0, 0x1, 0x2, 0x19, 0x1a, 0x1b, 0x1c, 0x1d, 0x1e, 0x1f, 0x5c, 0xfb, 0x7ffc, 0x20, 0xffb,
    0x3fc, 0x1ffa, 0x21, 0x5d, 0x5e, 0x5f, 0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68,
    0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e, 0x6f, 0x70, 0x71, 0x72, 0xfc, 0x73, 0xfd, 0x1ffb, 0x7fff0,
    0x1ffc, 0x3ffc, 0x22, 0x7ffd, 0x3, 0x23, 0x4, 0x24, 0x5, 0x25, 0x26, 0x27, 0x6, 0x74, 0x75,
    0x28, 0x29, 0x2a, 0x7, 0x2b, 0x76, 0x2c, 0x8, 0x9, 0x2d, 0x77, 0x78, 0x79, 0x7a, 0x7b, 0x7ffe,
    0x7fc, 0x3ffd, 0x1ffd, 0xffffffc, 0xfffe6, 0x3fffd2, 0xfffe7, 0xfffe8, 0x3fffd3, 0x3fffd4,
    0x3fffd5, 0x7fffd9, 0x3fffd6, 0x7fffda, 0x7fffdb, 0x7fffdc, 0x7fffdd, 0x7fffde, 0xffffeb,
    0x7fffdf, 0xffffec, 0xffffed, 0x3fffd7, 0x7fffe0, 0xffffee, 0x7fffe1, 0x7fffe2, 0x7fffe3,
    0x7fffe4, 0x1fffdc, 0x3fffd8, 0x7fffe5, 0x3fffd9, 0x7fffe6, 0x7fffe7, 0xffffef, 0x3fffda,
    0x1fffdd, 0xfffe9, 0x3fffdb, 0x3fffdc, 0x7fffe8, 0x7fffe9, 0x1fffde, 0x7fffea, 0x3fffdd,
    0x3fffde, 0xfffff0, 0x1fffdf, 0x3fffdf, 0x7fffeb, 0x7fffec, 0x1fffe0, 0x1fffe1, 0x3fffe0,
    0x1fffe2, 0x7fffed, 0x3fffe1, 0x7fffee, 0x7fffef, 0xfffea, 0x3fffe2, 0x3fffe3, 0x3fffe4,
    0x7ffff0, 0x3fffe5, 0x3fffe6, 0x7ffff1, 0x3ffffe0, 0x3ffffe1, 0xfffeb, 0x7fff1, 0x3fffe7,
    0x7ffff2, 0x3fffe8, 0x1ffffec, 0x3ffffe2, 0x3ffffe3, 0x3ffffe4, 0x7ffffde, 0x7ffffdf,
    0x3ffffe5, 0xfffff1, 0x1ffffed, 0x7fff2, 0x1fffe3, 0x3ffffe6, 0x7ffffe0, 0x7ffffe1, 0x3ffffe7,
    0x7ffffe2, 0xfffff2, 0x1fffe4, 0x1fffe5, 0x3ffffe8, 0x3ffffe9, 0xffffffd, 0x7ffffe3, 0x7ffffe4,
    0x7ffffe5, 0xfffec, 0xfffff3, 0xfffed, 0x1fffe6, 0x3fffe9, 0x1fffe7, 0x1fffe8, 0x7ffff3,
    0x3fffea, 0x3fffeb, 0x1ffffee, 0x1ffffef, 0xfffff4, 0xfffff5, 0x3ffffea, 0x7ffff4, 0x3ffffeb,
    0x7ffffe6, 0x3ffffec, 0x3ffffed, 0x7ffffe7, 0x7ffffe8, 0x7ffffe9, 0x7ffffea, 0x7ffffeb,
    0xffffffe, 0x7ffffec, 0x7ffffed, 0x7ffffee, 0x7ffffef, 0x7fffff0, 0x3ffffee, 0x3fffffff,
];

/// Of the codes, how many have how many bits (RFC 7541 Appendix B, column "len").
const CODES_OF_LENGTH: [(u8, usize); 21] = [
    (5, 10),
    (6, 26),
    (7, 32),
    (8, 6),
    (10, 5),
    (11, 3),
    (12, 2),
    (13, 6),
    (14, 2),
    (15, 3),
    (19, 3),
    (20, 8),
    (21, 13),
    (22, 26),
    (23, 29),
    (24, 12),
    (25, 4),
    (26, 15),
    (27, 19),
    (28, 29),
    (30, 4),
];

#[test]
fn every_code_is_that_of_appendix_b() {
    for byte in 0..=255 {
        let (code, length) = huffman::code(byte);
        assert_eq!(code, APPENDIX_B[usize::from(byte)]);
        let mut coded = Vec::new();
        huffman::encode(&[byte], &mut coded);
        let bits: String = coded
            .iter()
            .flat_map(|byte| format!("{byte:08b}").into_bytes())
            .map(char::from)
            .collect();
        let (code_bits, padding) = bits.split_at(usize::from(length));
        assert_eq!(
            code_bits,
            format!("{code:0width$b}", width = usize::from(length))
        );
        assert_eq!(padding, "1".repeat(coded.len() * 8 - usize::from(length)));
        let mut decoded = Vec::new();
        huffman::decode(&coded, &mut decoded).unwrap();
        assert_eq!(decoded, [byte]);
    }
}

#[test]
fn the_code_is_canonical_and_complete() {
    let mut codes: Vec<(u8, u32)> = (0..=255)
        .map(huffman::code)
        .map(|(code, length)| (length, code))
        .collect();
    codes.push((30, APPENDIX_B[256]));
    codes.sort_unstable();
    let lengths = CODES_OF_LENGTH
        .iter()
        .flat_map(|&(length, count)| std::iter::repeat_n(length, count));
    assert!(codes.iter().map(|code| code.0).eq(lengths));
    for pair in codes.windows(2) {
        assert_eq!(pair[1].1, (pair[0].1 + 1) << (pair[1].0 - pair[0].0));
    }
    let kraft_sum: u64 = codes.iter().map(|code| 1_u64 << (30 - code.0)).sum();
    assert_eq!(kraft_sum, 1 << 30);
    assert_eq!(codes.last(), Some(&(30, 0x3fff_ffff)));
}

fn huffman_error(coded: &[u8]) -> &'static str {
    let error = huffman::decode(coded, &mut Vec::new()).unwrap_err();
    assert!(matches!(error, DecodeError::Compression(_)));
    error.rule()
}

#[test]
fn padding_is_ones_and_less_than_a_byte() {
    // 'a' is 00011.
    let mut out = Vec::new();
    huffman::decode(&[0b0001_1111], &mut out).unwrap();
    assert_eq!(out, b"a");
    assert_eq!(
        huffman_error(&[0b0001_1110]),
        "Huffman padding that is not all ones"
    );
    assert_eq!(
        huffman_error(&[0b0001_1000]),
        "Huffman padding that is not all ones"
    );
    assert_eq!(
        huffman_error(&[0b0001_1111, 0xff]),
        "Huffman padding of more than 7 bits"
    );
    assert_eq!(
        huffman_error(&[0xff]),
        "Huffman padding of more than 7 bits"
    );
    assert_eq!(
        huffman_error(&[0xff, 0xff, 0xff]),
        "Huffman padding of more than 7 bits"
    );
    // Eight bytes of '0' (00000) and then a whole byte of ones.
    assert_eq!(
        huffman_error(&[0, 0, 0, 0, 0, 0xff]),
        "Huffman padding of more than 7 bits"
    );
    huffman::decode(&[], &mut out).unwrap();
    assert_eq!(out, b"a");
}

#[test]
fn eos_ends_no_string() {
    assert_eq!(
        huffman_error(&[0xff, 0xff, 0xff, 0xff]),
        "EOS in a Huffman-coded string"
    );
    assert_eq!(
        huffman_error(&[0x07, 0xff, 0xff, 0xff, 0xff]),
        "EOS in a Huffman-coded string"
    );
}

#[test]
fn coded_lengths_of_usual_values() {
    let check = |text: &str, len: usize| {
        let mut coded = Vec::new();
        huffman::encode(text.as_bytes(), &mut coded);
        assert_eq!(
            (huffman::encoded_len(text.as_bytes()), coded.len()),
            (len, len)
        );
        let mut decoded = Vec::new();
        huffman::decode(&coded, &mut decoded).unwrap();
        assert_eq!(decoded, text.as_bytes());
    };
    check("", 0);
    check("www.example.com", 12);
    check("~", 2);
    check("00000000", 5);
    check("0123456789abcdef", 12);
}

#[test]
fn integers_of_every_length() {
    let check = |value: u32, mask: u8, hex: &str| {
        let mut out = Vec::new();
        integer::encode(usize::try_from(value).unwrap(), mask, 0, &mut out);
        assert_eq!(out, bytes(hex), "{value}");
        let mut rest = out.as_slice();
        assert_eq!(integer::decode(&mut rest, mask), Ok(value));
        assert!(rest.is_empty());
    };
    check(0, 0x7f, "00");
    check(126, 0x7f, "7e");
    check(127, 0x7f, "7f 00");
    check(254, 0x7f, "7f 7f");
    check(255, 0x7f, "7f 80 01");
    check(16_510, 0x7f, "7f ff 7f");
    check(integer::MAX, 0x0f, "0f f1 ff ff ff 07");
}

#[test]
fn integers_have_an_end() {
    let error = |hex: &str| {
        integer::decode(&mut bytes(hex).as_slice(), 0x7f)
            .unwrap_err()
            .rule()
    };
    // 2^31 and one more.
    assert_eq!(
        integer::decode(&mut bytes("7f 81 ff ff ff 07").as_slice(), 0x7f),
        Ok(integer::MAX)
    );
    assert_eq!(error("7f 82 ff ff ff 07"), "integer above 2^31");
    assert_eq!(error("7f ff ff ff ff 7f"), "integer above 2^31");
    // Five bytes may be padding; six are too many, whatever they say.
    assert_eq!(
        integer::decode(&mut bytes("7f 80 80 80 80 00").as_slice(), 0x7f),
        Ok(127)
    );
    assert_eq!(
        error("7f 80 80 80 80 80 00"),
        "integer of more than 5 continuation bytes"
    );
    assert_eq!(
        error("7f ff ff ff ff ff ff"),
        "integer of more than 5 continuation bytes"
    );
    assert_eq!(error("7f 80"), "block ends inside an integer");
    assert_eq!(error("7f"), "block ends inside an integer");
    assert_eq!(error(""), "block ends inside an integer");
}

#[test]
fn every_static_entry_is_found() {
    assert_eq!(static_table::LEN, 61);
    for index in 1..=static_table::LEN {
        let (name, value) = static_table::get(index).unwrap();
        assert_eq!(static_table::find(name, value), Some((index, true)));
        let (first, has_value) = static_table::find(name, b"no such value").unwrap();
        assert!(!has_value && first <= index);
        assert_eq!(static_table::get(first).unwrap().0, name);
        assert!(first == 1 || static_table::get(first - 1).unwrap().0 != name);
    }
    assert_eq!(static_table::get(0), None);
    assert_eq!(static_table::get(62), None);
    assert_eq!(static_table::find(b"apns-id", b""), None);
}
