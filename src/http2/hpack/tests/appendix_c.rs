//! The examples of RFC 7541 Appendix C.

use super::super::{Decoder, Encoder, integer};
use super::{NO_LIMIT, bytes, decode, encode, indexed, literal};

/// One block of an example, and what the decoder is to be left with.
struct Example {
    block: &'static str,
    fields: &'static [(&'static str, &'static str)],
    /// Newest first.
    table: &'static [&'static str],
    size: usize,
}

/// Decodes the blocks one after the other with a table of `table_size`.
fn check_decoder(table_size: usize, examples: &[Example]) {
    let mut decoder = Decoder::new(4096, NO_LIMIT);
    let mut update = Vec::new();
    integer::encode(table_size, 0x1f, 0x20, &mut update);
    assert!(decode(&mut decoder, &update).is_empty());
    for example in examples {
        let fields: Vec<String> = example
            .fields
            .iter()
            .map(|(n, v)| format!("{n}: {v}"))
            .collect();
        assert_eq!(
            decode(&mut decoder, &bytes(example.block)),
            fields,
            "{}",
            example.block
        );
        assert_eq!(
            decoder.table().listing(),
            example.table,
            "{}",
            example.block
        );
        assert_eq!(decoder.table().size(), example.size, "{}", example.block);
    }
}

/// Encodes the same lists, all to be indexed, and compares bytes and tables.
fn check_encoder(encoder: &mut Encoder, examples: &[Example]) {
    for example in examples {
        let fields: Vec<_> = example.fields.iter().map(|(n, v)| indexed(n, v)).collect();
        assert_eq!(
            encode(encoder, &fields),
            bytes(example.block),
            "{}",
            example.block
        );
        assert_eq!(
            encoder.table().listing(),
            example.table,
            "{}",
            example.block
        );
        assert_eq!(encoder.table().size(), example.size, "{}", example.block);
    }
}

#[test]
fn c1_integers() {
    let check = |value: u32, mask: u8, hex: &str| {
        let mut out = Vec::new();
        integer::encode(usize::try_from(value).unwrap(), mask, 0, &mut out);
        assert_eq!(out, bytes(hex));
        assert_eq!(integer::decode(&mut out.as_slice(), mask), Ok(value));
    };
    check(10, 0x1f, "0a");
    check(1337, 0x1f, "1f9a 0a");
    check(42, 0xff, "2a");
}

#[test]
fn c2_1_literal_with_indexing() {
    check_decoder(
        4096,
        &[Example {
            block: "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572",
            fields: &[("custom-key", "custom-header")],
            table: &["custom-key: custom-header"],
            size: 55,
        }],
    );
}

#[test]
fn c2_2_literal_without_indexing() {
    check_decoder(
        4096,
        &[Example {
            block: "040c 2f73 616d 706c 652f 7061 7468",
            fields: &[(":path", "/sample/path")],
            table: &[],
            size: 0,
        }],
    );
    // The same representation from our encoder, which codes the string.
    let mut encoder = Encoder::new();
    let block = encode(&mut encoder, &[literal(":path", "/sample/path")]);
    assert_eq!(block[..2], [0x04, 0x89]);
    assert_eq!(encoder.table().size(), 0);
}

#[test]
fn c2_3_never_indexed() {
    check_decoder(
        4096,
        &[Example {
            block: "1008 7061 7373 776f 7264 0673 6563 7265 74",
            fields: &[("password", "secret")],
            table: &[],
            size: 0,
        }],
    );
}

#[test]
fn c2_4_indexed() {
    let examples = [Example {
        block: "82",
        fields: &[(":method", "GET")],
        table: &[],
        size: 0,
    }];
    check_decoder(4096, &examples);
    check_encoder(&mut Encoder::new(), &examples);
}

/// The requests of C.3 and C.4.
const REQUESTS: [&[(&str, &str)]; 3] = [
    &[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/"),
        (":authority", "www.example.com"),
        ("cache-control", "no-cache"),
    ],
    &[
        (":method", "GET"),
        (":scheme", "https"),
        (":path", "/index.html"),
        (":authority", "www.example.com"),
        ("custom-key", "custom-value"),
    ],
];

/// The dynamic tables after each of `REQUESTS`.
const REQUEST_TABLES: [(&[&str], usize); 3] = [
    (&[":authority: www.example.com"], 57),
    (
        &["cache-control: no-cache", ":authority: www.example.com"],
        110,
    ),
    (
        &[
            "custom-key: custom-value",
            "cache-control: no-cache",
            ":authority: www.example.com",
        ],
        164,
    ),
];

/// The responses of C.5 and C.6.
const RESPONSES: [&[(&str, &str)]; 3] = [
    &[
        (":status", "302"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ],
    &[
        (":status", "307"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
        ("location", "https://www.example.com"),
    ],
    &[
        (":status", "200"),
        ("cache-control", "private"),
        ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
        ("location", "https://www.example.com"),
        ("content-encoding", "gzip"),
        (
            "set-cookie",
            "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
        ),
    ],
];

/// The dynamic tables, of 256 bytes, after each of `RESPONSES`.
const RESPONSE_TABLES: [(&[&str], usize); 3] = [
    (
        &[
            "location: https://www.example.com",
            "date: Mon, 21 Oct 2013 20:13:21 GMT",
            "cache-control: private",
            ":status: 302",
        ],
        222,
    ),
    (
        &[
            ":status: 307",
            "location: https://www.example.com",
            "date: Mon, 21 Oct 2013 20:13:21 GMT",
            "cache-control: private",
        ],
        222,
    ),
    (
        &[
            "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
            "content-encoding: gzip",
            "date: Mon, 21 Oct 2013 20:13:22 GMT",
        ],
        215,
    ),
];

fn examples(
    blocks: [&'static str; 3],
    lists: [&'static [(&'static str, &'static str)]; 3],
    tables: [(&'static [&'static str], usize); 3],
) -> Vec<Example> {
    (0..3)
        .map(|i| {
            let (table, size) = tables[i];
            Example {
                block: blocks[i],
                fields: lists[i],
                table,
                size,
            }
        })
        .collect()
}

#[test]
fn c3_requests_without_huffman() {
    let blocks = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    check_decoder(4096, &examples(blocks, REQUESTS, REQUEST_TABLES));
}

#[test]
fn c4_requests_with_huffman() {
    let blocks = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    check_decoder(4096, &examples(blocks, REQUESTS, REQUEST_TABLES));
    check_encoder(
        &mut Encoder::new(),
        &examples(blocks, REQUESTS, REQUEST_TABLES),
    );
}

#[test]
fn c5_responses_without_huffman() {
    let blocks = [
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 \
         2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 \
         6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d \
         54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 \
         5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e \
         3d31",
    ];
    check_decoder(256, &examples(blocks, RESPONSES, RESPONSE_TABLES));
}

#[test]
fn c6_responses_with_huffman() {
    let last = "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b \
                d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 \
                0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07";
    let blocks = [
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 \
         2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        last,
    ];
    check_decoder(256, &examples(blocks, RESPONSES, RESPONSE_TABLES));
    // Our encoder leaves "307" uncoded, since coding it makes it no shorter.
    let mut encoder = Encoder::new();
    encoder.set_peer_table_size(256);
    assert_eq!(encode(&mut encoder, &[]), bytes("3fe1 01"));
    let blocks = [blocks[0], "4803 3330 37c1 c0bf", last];
    check_encoder(&mut encoder, &examples(blocks, RESPONSES, RESPONSE_TABLES));
}
