//! What a peer may not do, and how far it may go.

use proptest::prelude::*;

use super::super::decoder::{EXCESS, MAX_FIELDS};
use super::super::{DecodeError, Decoder};
use super::{NO_LIMIT, bytes, decode, listing};
use crate::http2::ErrorCode;

/// A list limit for the tests that cross it.
const LIST_LIMIT: u32 = 1000;

fn fresh() -> Decoder {
    Decoder::new(4096, NO_LIMIT)
}

/// The rule that a decoder finds broken by the block.
#[track_caller]
fn compression_error(decoder: &mut Decoder, hex: &str) -> &'static str {
    let error = decoder.decode(&bytes(hex)).unwrap_err();
    assert_eq!(error.code(), ErrorCode(0x9));
    assert_eq!(error, DecodeError::Compression(error.rule()));
    error.rule()
}

/// A literal without indexing, its name `n`, its value of that many bytes.
fn literal_of(value_len: usize) -> Vec<u8> {
    let mut block = bytes("00 01 6e");
    super::super::integer::encode(value_len, 0x7f, 0, &mut block);
    block.extend(std::iter::repeat_n(b'v', value_len));
    block
}

/// The same with incremental indexing.
fn inserted_of(value_len: usize) -> Vec<u8> {
    let mut block = literal_of(value_len);
    block[0] = 0x40;
    block
}

#[test]
fn an_index_names_an_entry() {
    let rule = "index of no table entry";
    assert_eq!(compression_error(&mut fresh(), "80"), rule);
    assert_eq!(compression_error(&mut fresh(), "be"), rule);
    assert_eq!(
        compression_error(&mut fresh(), "ff 80 80 80 80 08"),
        "integer above 2^31"
    );
    assert_eq!(compression_error(&mut fresh(), "ff ff ff ff 7f"), rule);
    assert_eq!(compression_error(&mut fresh(), "7f 00 01 76"), rule);
    assert_eq!(compression_error(&mut fresh(), "0f 2f 01 76"), rule);
    assert_eq!(compression_error(&mut fresh(), "1f 2f 01 76"), rule);
    let mut decoder = fresh();
    assert_eq!(
        decode(&mut decoder, &bytes("40 01 6e 01 76 be")),
        ["n: v", "n: v"]
    );
    assert_eq!(compression_error(&mut decoder, "bf"), rule);
}

#[test]
fn a_string_lies_within_its_block() {
    let rule = "string longer than its block";
    for claim in [
        "00 01",
        "00 7f 80 ff ff ff 07",
        "40 ff 80 ff ff ff 07",
        "00 01 6e 02 76",
    ] {
        assert_eq!(compression_error(&mut fresh(), claim), rule);
    }
    for cut in ["00", "00 7f", "00 01 6e", "0f", "41"] {
        assert_eq!(
            compression_error(&mut fresh(), cut),
            "block ends inside an integer"
        );
    }
}

#[test]
fn empty_names_and_values_are_hpack() {
    assert_eq!(
        decode(&mut fresh(), &bytes("00 00 00  40 80 80")),
        [": ", ": "]
    );
    assert!(decode(&mut fresh(), &[]).is_empty());
}

#[test]
fn integers_are_bounded() {
    let padded = "00 ff 80 80 80 80 80 80 80 80 00";
    assert_eq!(
        compression_error(&mut fresh(), padded),
        "integer of more than 5 continuation bytes"
    );
    let large = "3f ff ff ff ff 7f";
    assert_eq!(compression_error(&mut fresh(), large), "integer above 2^31");
}

#[test]
fn a_list_at_the_limit_is_kept_and_one_byte_more_is_not() {
    let mut decoder = Decoder::new(4096, LIST_LIMIT);
    // Name 1, overhead 32.
    let list = decoder.decode(&literal_of(967)).unwrap();
    assert_eq!((list.fields.len(), list.over_limit), (1, false));
    let list = decoder.decode(&literal_of(968)).unwrap();
    assert_eq!((list.fields.len(), list.over_limit), (0, true));
}

#[test]
fn a_list_over_the_limit_keeps_its_beginning_and_the_table_right() {
    let mut decoder = Decoder::new(4096, LIST_LIMIT);
    let block = [bytes("88"), inserted_of(1500), bytes("82 40 01 6d 01 77")].concat();
    let list = decoder.decode(&block).unwrap();
    assert!(list.over_limit);
    assert_eq!(listing(&list.fields), [":status: 200"]);
    // Both insertions of the dropped part are in the table.
    assert_eq!(decode(&mut decoder, &bytes("be")), ["m: w"]);
    assert_eq!(decoder.table().size(), 34 + 1533);
}

#[test]
fn a_list_far_over_the_limit_is_an_attack() {
    let excess = usize::try_from(LIST_LIMIT).unwrap() * EXCESS;
    let mut decoder = Decoder::new(4096, LIST_LIMIT);
    assert!(decoder.decode(&literal_of(excess - 33)).unwrap().over_limit);
    let error = decoder.decode(&literal_of(excess - 32)).unwrap_err();
    assert_eq!(
        error,
        DecodeError::EnhanceYourCalm("field list of 4 times the size limit")
    );
    assert_eq!(error.code(), ErrorCode(0xb));
}

/// CVE-2016-6581: one large entry and a reference to it in every further byte.
#[test]
fn a_bomb_of_references_stops_early() {
    let mut decoder = Decoder::new(4096, 16_384);
    let bomb = [inserted_of(4000), vec![0xbe; 32_000]].concat();
    let error = decoder.decode(&bomb).unwrap_err();
    assert_eq!(error.rule(), "field list of 4 times the size limit");
    // The same bomb below the factor is no error, and is not kept.
    let mut decoder = Decoder::new(4096, 16_384);
    let mut list = decoder
        .decode(&[inserted_of(4000), vec![0xbe; 15]].concat())
        .unwrap();
    assert!(list.over_limit);
    assert_eq!(list.fields.len(), 4);
    assert!(list.fields.bytes().capacity() <= 16_384);
}

/// CVE-2026-49975: tiny fields, each a single byte of the block.
#[test]
fn the_number_of_fields_is_limited() {
    let mut decoder = fresh();
    let list = decoder.decode(&[0x82; MAX_FIELDS]).unwrap();
    assert_eq!((list.fields.len(), list.over_limit), (MAX_FIELDS, false));
    let list = decoder.decode(&[0x82; MAX_FIELDS + 1]).unwrap();
    assert_eq!((list.fields.len(), list.over_limit), (MAX_FIELDS, true));
    assert!(
        decoder
            .decode(&[0x82; MAX_FIELDS * EXCESS])
            .unwrap()
            .over_limit
    );
    let error = decoder
        .decode(&[0x82; MAX_FIELDS * EXCESS + 1])
        .unwrap_err();
    assert_eq!(
        error,
        DecodeError::EnhanceYourCalm("field list of 4 times 128 fields")
    );
}

#[test]
fn an_entry_larger_than_the_table_empties_it() {
    let mut decoder = fresh();
    decode(&mut decoder, &bytes("40 01 6e 01 76"));
    // Name 1, overhead 32: one that fits exactly, then one byte more.
    assert_eq!(decode(&mut decoder, &inserted_of(4063)).len(), 1);
    assert_eq!(decoder.table().size(), 4096);
    assert_eq!(decode(&mut decoder, &inserted_of(4064)).len(), 1);
    assert_eq!(decoder.table().size(), 0);
    assert_eq!(
        compression_error(&mut decoder, "be"),
        "index of no table entry"
    );
}

#[test]
fn a_name_may_come_from_the_entry_that_its_field_evicts() {
    let mut decoder = fresh();
    decode(&mut decoder, &inserted_of(4063));
    // Incremental indexing, name of entry 62, value "w".
    assert_eq!(decode(&mut decoder, &bytes("7e 01 77")), ["n: w"]);
    assert_eq!(decoder.table().listing(), ["n: w"]);
}

#[test]
fn a_size_update_stands_before_the_fields() {
    let rule = "table size update after a field";
    assert_eq!(compression_error(&mut fresh(), "82 20"), rule);
    assert_eq!(compression_error(&mut fresh(), "20 82 20"), rule);
    // Several of them are no fault.
    assert_eq!(
        decode(&mut fresh(), &bytes("20 3f e1 1f 82")),
        [":method: GET"]
    );
}

#[test]
fn a_size_update_is_at_most_our_setting() {
    let rule = "table size update above our setting";
    assert_eq!(decode(&mut fresh(), &bytes("3f e1 1f")).len(), 0);
    assert_eq!(compression_error(&mut fresh(), "3f e2 1f"), rule);
    // Until the acknowledgement the size without SETTINGS is good, and so is ours.
    assert!(decode(&mut Decoder::new(0, NO_LIMIT), &bytes("3f e1 1f")).is_empty());
    assert!(decode(&mut Decoder::new(8192, NO_LIMIT), &bytes("3f e1 3f")).is_empty());
    assert_eq!(
        compression_error(&mut Decoder::new(8192, NO_LIMIT), "3f e2 3f"),
        rule
    );
    let mut decoder = Decoder::new(100, NO_LIMIT);
    decoder.set_max_table_size(100);
    assert_eq!(compression_error(&mut decoder, "3f 46"), rule);
}

#[test]
fn a_size_update_empties_the_table() {
    let mut decoder = fresh();
    decode(&mut decoder, &bytes("40 01 6e 01 76"));
    assert_eq!(
        decode(&mut decoder, &bytes("20 3f e1 1f 82")),
        [":method: GET"]
    );
    assert_eq!(decoder.table().size(), 0);
    // A table of no bytes holds nothing.
    decode(&mut decoder, &bytes("20 40 01 6e 01 76"));
    assert_eq!(decoder.table().listing(), Vec::<String>::new());
}

#[test]
fn an_acknowledged_reduction_is_answered_by_an_update() {
    let missing = "no table size update after a reduction";
    let mut decoder = fresh();
    decoder.set_max_table_size(100);
    assert_eq!(compression_error(&mut decoder, "82"), missing);
    // With it all is well, and it is not asked for again.
    let mut decoder = fresh();
    decoder.set_max_table_size(100);
    assert_eq!(decode(&mut decoder, &bytes("3f 45 82")), [":method: GET"]);
    assert_eq!(decode(&mut decoder, &bytes("82")), [":method: GET"]);
    // The peer has stayed below already.
    let mut decoder = fresh();
    decode(&mut decoder, &bytes("20"));
    decoder.set_max_table_size(100);
    assert_eq!(decode(&mut decoder, &bytes("82")), [":method: GET"]);
    // A larger setting asks for nothing.
    decoder.set_max_table_size(8192);
    assert_eq!(decode(&mut decoder, &bytes("82")), [":method: GET"]);
}

#[test]
fn a_reduction_between_two_blocks_is_not_passed_over() {
    let reduced_and_raised = || {
        let mut decoder = fresh();
        decoder.set_max_table_size(100);
        decoder.set_max_table_size(4096);
        decoder
    };
    let rule = "table size update misses a reduction";
    assert_eq!(
        compression_error(&mut reduced_and_raised(), "3f e1 1f 82"),
        rule
    );
    assert_eq!(
        compression_error(&mut reduced_and_raised(), "3f 46 82"),
        rule
    );
    let mut decoder = reduced_and_raised();
    assert_eq!(
        decode(&mut decoder, &bytes("3f 45 3f e1 1f 82")),
        [":method: GET"]
    );
    assert_eq!(decoder.table().max_size(), 4096);
}

/// Bytes that have a chance of being a block: representations of all kinds with any operands.
fn block() -> impl Strategy<Value = Vec<u8>> {
    let chunk = prop_oneof![
        prop::collection::vec(any::<u8>(), 1..20),
        (0x40_u8..0x80, prop::collection::vec(any::<u8>(), 0..9)).prop_map(|(first, rest)| [
            vec![first, 4],
            rest
        ]
        .concat()),
        (0x80_u8..0xc8).prop_map(|first| vec![first]),
        Just(bytes("40 03 61 62 63 02 64 65")),
        Just(bytes("00 84 ff ff ff 7f 00")),
        Just(bytes("3f e1 1f")),
    ];
    prop::collection::vec(chunk, 0..60).prop_map(|chunks| chunks.concat())
}

proptest! {
    #[test]
    fn no_bytes_break_the_decoder_or_its_bounds(
        blocks in prop::collection::vec(block(), 1..8),
        sizes in prop::collection::vec(0_u32..10_000, 8),
    ) {
        let mut decoder = Decoder::new(4096, LIST_LIMIT);
        let mut largest = 4096;
        for (block, size) in blocks.iter().zip(sizes) {
            let list = decoder.decode(block);
            largest = largest.max(decoder.table().max_size());
            prop_assert!(decoder.table().size() <= decoder.table().max_size());
            prop_assert!(decoder.table().capacity() <= 2 * largest);
            if let Ok(mut list) = list {
                let size: usize =
                    list.fields.iter().map(|(n, v)| n.len() + v.len() + 32).sum();
                prop_assert!(size <= usize::try_from(LIST_LIMIT).unwrap());
                prop_assert!(list.fields.len() <= MAX_FIELDS);
                // Room is made by the bytes that came, not by what they claim.
                let room = list.fields.bytes().capacity();
                prop_assert!(room <= 2 * (size + 2 * block.len()) + 128);
            }
            if size % 3 == 0 {
                decoder.set_max_table_size(size);
            }
        }
    }
}
