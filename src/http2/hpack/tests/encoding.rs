//! The encoder's choices, and templates.

use super::super::encoder::{MAX_NAMES, MAX_TABLE_SIZE, NAME_SHARE};
use super::super::{Decoder, Encoder, Template, static_table};
use super::{NO_LIMIT, bytes, decode, encode, indexed, literal, never_indexed};
use crate::http2::Field;

const AUTH_TOKEN: &str = "bearer eyJhbGciOiJFUzI1NiIsImtpZCI6IkFCQzEyM0RFRkcifQ.\
    eyJpc3MiOiJERUYxMjNHSElKIiwiaWF0IjoxNDM3MTc5MDM2fQ.\
    MEQCIEmrXvI2yoKlFsv2pvSOK0jzwPnRPJKrkAe1Prs_7Zc0A";

fn pseudo() -> Vec<Field<'static>> {
    vec![
        indexed(":method", "POST"),
        indexed(":scheme", "https"),
        indexed(":authority", "api.push.apple.com"),
    ]
}

fn repeating() -> Vec<Field<'static>> {
    vec![
        indexed("authorization", AUTH_TOKEN),
        indexed("apns-topic", "com.example.app"),
        indexed("apns-push-type", "alert"),
        indexed("apns-priority", "10"),
    ]
}

/// Encodes pushes of different paths and ids; returns the last block.
fn encode_pushes(
    encoder: &mut Encoder,
    template: &mut Template,
    decoder: &mut Decoder,
    numbers: std::ops::Range<u32>,
) -> Vec<u8> {
    let mut block = Vec::new();
    for number in numbers {
        block.clear();
        let path = format!("/3/device/{number:064x}");
        let id = format!("{number:08x}-1b2f-4a3c-8d4e-0123456789ab");
        let expiration = format!("{}", 1_800_000_000 + number);
        encoder.begin(&mut block);
        template.encode_pseudo(encoder, &mut block);
        encoder.field(&literal(":path", &path), &mut block);
        template.encode_fields(encoder, &mut block);
        encoder.field(&literal("apns-id", &id), &mut block);
        encoder.field(&literal("apns-expiration", &expiration), &mut block);
        encoder.field(&literal("content-length", "123"), &mut block);
        let fields = decoder.decode(&block).unwrap().fields;
        assert_eq!(fields.len(), 11);
        assert_eq!(fields.get(b":path"), Some(path.as_bytes()));
        assert_eq!(fields.get(b"authorization"), Some(AUTH_TOKEN.as_bytes()));
        assert_eq!(fields.get(b"apns-id"), Some(id.as_bytes()));
        assert_eq!(fields.get(b"apns-expiration"), Some(expiration.as_bytes()));
    }
    block
}

#[test]
fn a_hundred_thousand_pushes_leave_the_table_alone() {
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new(4096, NO_LIMIT);
    let mut template = Template::new(&pseudo(), &repeating());
    encode_pushes(&mut encoder, &mut template, &mut decoder, 0..1);
    let (table, epoch) = (encoder.table().listing(), encoder.epoch());
    assert_eq!(table.len(), 5 + 2);
    let block = encode_pushes(&mut encoder, &mut template, &mut decoder, 1..100_000);
    assert_eq!(encoder.table().listing(), table);
    assert_eq!(encoder.epoch(), epoch);
    assert_eq!(decoder.table().listing(), table);
    // Seven of a byte each; the path 53, id 30, expiration 10, length 5 at most.
    assert!(block.len() <= 7 + 53 + 30 + 10 + 5, "{}", block.len());
}

#[test]
fn however_many_names_there_are_few_are_inserted() {
    let mut encoder = Encoder::new();
    encode(&mut encoder, &repeating());
    let values = encoder.table().listing();
    let mut decoder = Decoder::new(4096, NO_LIMIT);
    decode(&mut decoder, &encode(&mut Encoder::new(), &repeating()));
    for number in 0..100_000 {
        let (name, value) = (format!("x-{number}"), format!("{number}"));
        let block = encode(&mut encoder, &[literal(&name, &value)]);
        assert_eq!(decode(&mut decoder, &block), [format!("{name}: {value}")]);
    }
    let table = encoder.table().listing();
    assert_eq!(table.len(), values.len() + usize::from(MAX_NAMES));
    assert!(table.ends_with(&values));
    assert!(table[0].starts_with(&format!("x-{}: ", MAX_NAMES - 1)));
}

#[test]
fn names_come_back_after_values_have_evicted_them() {
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new(4096, NO_LIMIT);
    for number in 0..10_000 {
        let token = format!("{number}{AUTH_TOKEN}");
        let (id, other) = (format!("id-{number}"), format!("other-{number}"));
        let fields = [
            indexed("authorization", &token),
            literal("apns-id", &id),
            literal("apns-collapse-id", &other),
            indexed("apns-topic", "com.example.app"),
        ];
        decode(&mut decoder, &encode(&mut encoder, &fields));
        assert!(encoder.table().size() <= 4096);
        assert!(encoder.table().capacity() <= 2 * 4096);
    }
    let again = encode(
        &mut encoder,
        &[literal("apns-id", "~"), literal("apns-collapse-id", "~")],
    );
    // Each is an index of two bytes and a value of two.
    assert_eq!(again.len(), 8);
}

#[test]
fn a_field_too_large_to_carry_a_name_is_not_inserted() {
    let largest = 4096 / NAME_SHARE - 32 - "apns-id".len();
    let (fits, too_long) = ("~".repeat(largest), "~".repeat(largest + 1));
    let mut encoder = Encoder::new();
    assert_eq!(
        encode(&mut encoder, &[literal("apns-id", &too_long)])[0],
        0x00
    );
    assert_eq!(encoder.epoch(), 0);
    assert_eq!(encode(&mut encoder, &[literal("apns-id", &fits)])[0], 0x40);
    assert_eq!(encoder.table().size(), 4096 / NAME_SHARE);
}

#[test]
fn each_kind_of_field_has_its_representation() {
    let mut encoder = Encoder::new();
    let mut check = |field: Field<'_>, hex: &str| {
        assert_eq!(encode(&mut encoder, &[field]), bytes(hex), "{field:?}");
    };
    // Whole field in the static table.
    check(indexed(":method", "POST"), "83");
    check(literal(":status", "404"), "8d");
    check(indexed("accept-encoding", "gzip, deflate"), "90");
    // Name in the static table.
    check(literal(":status", "~~~"), "08 03 7e7e7e");
    check(literal("content-length", "~"), "0f0d 01 7e");
    check(never_indexed("authorization", "~"), "1f08 01 7e");
    check(indexed("server", "~"), "76 01 7e");
    // Whole field in the dynamic table.
    check(indexed("server", "~"), "be");
    check(never_indexed("server", "~"), "1f27 01 7e");
    // Name nowhere: the first one goes in.
    check(never_indexed("~", "1"), "10 01 7e 01 31");
    check(literal("~", "1"), "40 01 7e 01 31");
    check(literal("~", "2"), "0f2f 01 32");
    check(literal("~", "1"), "be");
    check(never_indexed("~", "1"), "1f2f 01 31");
    check(indexed("~", "3"), "7e 01 33");
    check(indexed("server", "~"), "c0");
}

#[test]
fn an_entry_larger_than_the_table_is_sent_as_a_literal() {
    let mut encoder = Encoder::new();
    encode(&mut encoder, &[indexed("server", "sterna")]);
    let (fits, too_long) = ("~".repeat(4096 - 32 - 6), "~".repeat(4096 - 32 - 6 + 1));
    let block = encode(&mut encoder, &[indexed("server", &too_long)]);
    assert_eq!(block[..2], [0x0f, 0x27]);
    assert_eq!(encoder.table().listing(), ["server: sterna"]);
    assert_eq!(encode(&mut encoder, &[indexed("server", &fits)])[0], 0x76);
    assert_eq!(encoder.table().size(), 4096);
}

#[test]
fn the_table_is_no_larger_than_the_peer_or_we_want() {
    let mut encoder = Encoder::new();
    encode(&mut encoder, &[indexed("server", "sterna")]);
    // More than we use: nothing to say.
    encoder.set_peer_table_size(65_536);
    assert_eq!(encode(&mut encoder, &[]), bytes(""));
    assert_eq!(
        encoder.table().max_size(),
        usize::try_from(MAX_TABLE_SIZE).unwrap()
    );
    // Less.
    encoder.set_peer_table_size(100);
    assert_eq!(
        encode(&mut encoder, &[indexed("server", "sterna")]),
        bytes("3f45 be")
    );
    assert_eq!(encode(&mut encoder, &[]), bytes(""));
    // More again.
    encoder.set_peer_table_size(u32::MAX);
    assert_eq!(
        encode(&mut encoder, &[indexed("server", "sterna")]),
        bytes("3fe11f be")
    );
    // None at all, and back between two blocks: the smallest and the last are told.
    encoder.set_peer_table_size(50);
    encoder.set_peer_table_size(0);
    encoder.set_peer_table_size(60);
    assert_eq!(encode(&mut encoder, &[]), bytes("20 3f1d"));
    assert_eq!(encoder.table().size(), 0);
    encoder.set_peer_table_size(0);
    encode(&mut encoder, &[]);
    assert_eq!(
        encode(&mut encoder, &[indexed("server", "~")]),
        bytes("0f27 01 7e")
    );
    assert_eq!(
        encode(&mut encoder, &[literal("~", "~")]),
        bytes("00 01 7e 01 7e")
    );
}

#[test]
fn a_template_is_a_run_of_bytes_until_the_table_changes() {
    let mut encoder = Encoder::new();
    let mut template = Template::new(&pseudo(), &repeating());
    let run = |template: &mut Template, encoder: &mut Encoder| {
        let mut block = Vec::new();
        encoder.begin(&mut block);
        template.encode_pseudo(encoder, &mut block);
        template.encode_fields(encoder, &mut block);
        block
    };
    let first = run(&mut template, &mut encoder);
    assert!(first.len() > 100);
    let second = run(&mut template, &mut encoder);
    assert_eq!(second, bytes("83 87 c2 c1 c0 bf be"));
    assert_eq!(run(&mut template, &mut encoder), second);
    // An insertion moves every index by one.
    let epoch = encoder.epoch();
    encode(&mut encoder, &[indexed("server", "sterna")]);
    assert_ne!(encoder.epoch(), epoch);
    assert_eq!(
        run(&mut template, &mut encoder),
        bytes("83 87 c3 c2 c1 c0 bf")
    );
    // A new size takes the entries away.
    encoder.set_peer_table_size(0);
    let literals = run(&mut template, &mut encoder);
    assert_eq!(literals[0], 0x20);
    assert_eq!(run(&mut template, &mut encoder), literals[1..]);
    let mut decoder = Decoder::new(4096, NO_LIMIT);
    let all: Vec<String> = pseudo().iter().chain(&repeating()).map(text).collect();
    for block in [first, second, literals] {
        assert_eq!(decode(&mut decoder, &block), all);
    }
}

#[test]
fn a_template_with_another_of_the_same_names_is_right_too() {
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new(4096, NO_LIMIT);
    let mut alert = Template::new(&pseudo(), &repeating());
    let background = [
        indexed("apns-push-type", "background"),
        indexed("apns-priority", "5"),
    ];
    let mut background = Template::new(&pseudo(), &background);
    for number in 0..10 {
        encode_pushes(&mut encoder, &mut alert, &mut decoder, number..number + 1);
        let mut block = Vec::new();
        encoder.begin(&mut block);
        background.encode_pseudo(&mut encoder, &mut block);
        background.encode_fields(&mut encoder, &mut block);
        let fields = decode(&mut decoder, &block);
        assert_eq!(
            fields[3..],
            ["apns-push-type: background", "apns-priority: 5"]
        );
    }
}

#[test]
fn list_sizes_are_those_of_the_rfc() {
    assert_eq!(indexed("custom-key", "custom-header").list_size(), 55);
    let template = Template::new(&pseudo(), &[indexed("custom-key", "custom-header")]);
    assert_eq!(
        template.list_size(),
        (7 + 4 + 32) + (7 + 5 + 32) + (10 + 18 + 32) + 55
    );
}

#[test]
fn debug_output_has_no_credentials() {
    let mut encoder = Encoder::new();
    let template = Template::new(&pseudo(), &repeating());
    encode(&mut encoder, &repeating());
    let shown = format!("{encoder:?} {template:?} {:?}", repeating());
    assert!(!shown.contains("eyJ"), "{shown}");
    assert!(shown.contains(&format!("authorization: ({} bytes)", AUTH_TOKEN.len())));
    assert!(shown.contains("apns-priority: 10"));
    assert!(static_table::find(b"authorization", b"").is_some());
}

fn text(field: &Field<'_>) -> String {
    format!(
        "{}: {}",
        field.name.escape_ascii(),
        field.value.escape_ascii()
    )
}
