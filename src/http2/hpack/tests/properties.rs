//! What holds for all lists, strings and numbers.

use proptest::prelude::*;

use super::super::{Decoder, Encoder, Template, encoder, huffman, integer};
use super::{NO_LIMIT, listing};
use crate::http2::{Field, Indexing};

type OwnField = (Vec<u8>, Vec<u8>, Indexing);

/// What happens before a block: the decoder's side acknowledges or the encoder's side is told
/// these table sizes, one after the other.
type Sizes = Vec<u32>;

fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(vec![
            ":path",
            ":status",
            "apns-id",
            "authorization",
            "x-a",
            "x-b"
        ])
        .prop_map(|name| name.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::sample::select(vec!["200", "/", "", "a", "b"])
            .prop_map(|value| value.as_bytes().to_vec()),
        "[a-z0-9/-]{0,80}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..300),
        (4000_usize..4100).prop_map(|len| vec![b'~'; len]),
    ]
}

fn field() -> impl Strategy<Value = OwnField> {
    let indexing = prop::sample::select(vec![
        Indexing::Indexed,
        Indexing::Literal,
        Indexing::NeverIndexed,
    ]);
    (name(), value(), indexing)
}

fn blocks() -> impl Strategy<Value = Vec<(Sizes, Vec<OwnField>)>> {
    let size = prop_oneof![0_u32..300, 0_u32..9000, Just(u32::MAX), Just(4096)];
    let sizes = prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(size, 1..4)];
    prop::collection::vec((sizes, prop::collection::vec(field(), 0..12)), 1..24)
}

fn borrowed(fields: &[OwnField]) -> Vec<Field<'_>> {
    fields
        .iter()
        .map(|own| Field {
            name: &own.0,
            value: &own.1,
            indexing: own.2,
        })
        .collect()
}

fn text(fields: &[OwnField]) -> Vec<String> {
    fields
        .iter()
        .map(|(name, value, _)| format!("{}: {}", name.escape_ascii(), value.escape_ascii()))
        .collect()
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(blocks in blocks()) {
        let mut encoder = Encoder::new();
        let mut decoder = Decoder::new(4096, NO_LIMIT);
        for (sizes, fields) in blocks {
            // The decoder's side has sent SETTINGS; the encoder's side applies and acknowledges.
            for size in sizes {
                encoder.set_peer_table_size(size);
                decoder.set_max_table_size(size);
            }
            let mut block = Vec::new();
            encoder.begin(&mut block);
            for field in borrowed(&fields) {
                encoder.field(&field, &mut block);
            }
            let decoded = decoder.decode(&block).unwrap();
            prop_assert_eq!(listing(&decoded.fields), text(&fields));
            prop_assert_eq!(decoder.table().listing(), encoder.table().listing());
            prop_assert!(encoder.table().size() <= encoder.table().max_size());
            prop_assert!(encoder.table().capacity() <= 2 * 4096);
        }
    }

    #[test]
    fn a_template_says_what_its_fields_say(
        pseudo in prop::collection::vec(field(), 0..5),
        fields in prop::collection::vec(field(), 0..8),
        between in blocks(),
    ) {
        let mut encoder = Encoder::new();
        let mut decoder = Decoder::new(4096, NO_LIMIT);
        let mut template = Template::new(&borrowed(&pseudo), &borrowed(&fields));
        for (sizes, more) in between {
            for size in sizes {
                encoder.set_peer_table_size(size);
                decoder.set_max_table_size(size);
            }
            let mut block = Vec::new();
            encoder.begin(&mut block);
            template.encode_pseudo(&mut encoder, &mut block);
            // An insertion between the two parts, now and then.
            let (path, rest) = more.split_at(more.len() / 4);
            for field in borrowed(path) {
                encoder.field(&field, &mut block);
            }
            template.encode_fields(&mut encoder, &mut block);
            for field in borrowed(rest) {
                encoder.field(&field, &mut block);
            }
            let decoded = decoder.decode(&block).unwrap();
            let all = [pseudo.as_slice(), path, fields.as_slice(), rest].concat();
            prop_assert_eq!(listing(&decoded.fields), text(&all));
        }
    }

    #[test]
    fn coded_strings_decode_to_themselves(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut coded = Vec::new();
        huffman::encode(&bytes, &mut coded);
        prop_assert_eq!(coded.len(), huffman::encoded_len(&bytes));
        let mut decoded = Vec::new();
        huffman::decode(&coded, &mut decoded).unwrap();
        prop_assert_eq!(&decoded, &bytes);
        // One byte less leaves a code or a symbol short, one more is padding too long.
        if let Some((_, cut)) = coded.split_last() {
            let mut shorter = Vec::new();
            let result = huffman::decode(cut, &mut shorter);
            prop_assert!(result.is_err() || shorter.len() < bytes.len());
        }
        coded.push(0xff);
        prop_assert!(huffman::decode(&coded, &mut Vec::new()).is_err());
    }

    #[test]
    fn a_string_is_coded_where_that_is_shorter(
        bytes in prop_oneof![
            // Of a length about that from which on it takes two bytes, as it is and as coded.
            "[a-z0-9/-]{100,240}".prop_map(String::into_bytes),
            prop::collection::vec(any::<u8>(), 0..200),
        ],
    ) {
        let mut expected = Vec::new();
        let coded = huffman::encoded_len(&bytes);
        if coded < bytes.len() {
            integer::encode(coded, 0x7f, 0x80, &mut expected);
            huffman::encode(&bytes, &mut expected);
        } else {
            integer::encode(bytes.len(), 0x7f, 0x00, &mut expected);
            expected.extend_from_slice(&bytes);
        }
        let mut written = Vec::new();
        encoder::string(&bytes, &mut written);
        prop_assert_eq!(written, expected);
    }

    #[test]
    fn what_a_string_decodes_to_has_one_coding(
        coded in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let mut decoded = Vec::new();
        if huffman::decode(&coded, &mut decoded).is_ok() {
            let mut again = Vec::new();
            huffman::encode(&decoded, &mut again);
            prop_assert_eq!(again, coded);
        }
    }

    #[test]
    fn integers_decode_to_themselves(
        value in 0..=integer::MAX,
        bits in 1_u32..=8,
        after in any::<u8>(),
    ) {
        let mask = u8::try_from((1_u32 << bits) - 1).unwrap();
        let mut out = Vec::new();
        integer::encode(usize::try_from(value).unwrap(), mask, !mask, &mut out);
        prop_assert_eq!(out[0] & !mask, !mask);
        out.push(after);
        let mut rest = out.as_slice();
        prop_assert_eq!(integer::decode(&mut rest, mask), Ok(value));
        prop_assert_eq!(rest, [after]);
    }
}
