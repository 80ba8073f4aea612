//! Field blocks: what is encoded decodes to itself, and what is not is refused or kept small.

use sterna::http2::hpack::{Decoder, Encoder, Template};
use sterna::http2::{Field, Fields, Indexing};

use crate::dice::Dice;
use crate::{bytes, play, tamper};

/// Fields of a list that are kept at most.
const FIELDS_KEPT: usize = 128;

/// A field of chance: names that repeat, values that repeat, and others.
struct Drawn {
    name: Vec<u8>,
    value: Vec<u8>,
    indexing: Indexing,
}

impl Drawn {
    fn new(dice: &mut Dice) -> Self {
        let names: [&[u8]; 8] = [
            b":path",
            b":status",
            b"authorization",
            b"apns-id",
            b"apns-topic",
            b"x",
            b"content-length",
            b"",
        ];
        let name = match dice.between(0, 9) {
            0 => bytes(300, dice),
            1 => vec![b'n'; dice.index(3000)],
            _ => dice.one_of(&names).to_vec(),
        };
        let value = match dice.between(0, 9) {
            0 => bytes(5000, dice),
            1 => vec![dice.draw().to_be_bytes()[2]; dice.index(200)],
            2 | 3 => bytes(40, dice),
            _ => dice
                .one_of(&[&b""[..], b"200", b"/", b"bearer abc", b"1"])
                .to_vec(),
        };
        let all = [Indexing::Indexed, Indexing::Literal, Indexing::NeverIndexed];
        Self {
            name,
            value,
            indexing: dice.one_of(&all),
        }
    }

    fn field(&self) -> Field<'_> {
        Field {
            name: &self.name,
            value: &self.value,
            indexing: self.indexing,
        }
    }

    fn list(most: u64, dice: &mut Dice) -> Vec<Self> {
        (0..dice.between(0, most))
            .map(|_| Self::new(dice))
            .collect()
    }
}

fn fields(drawn: &[Drawn]) -> Vec<Field<'_>> {
    drawn.iter().map(Drawn::field).collect()
}

fn list_size(fields: &Fields) -> usize {
    let sizes = fields
        .iter()
        .map(|(name, value)| name.len() + value.len() + 32);
    sizes.sum()
}

#[test]
fn what_is_encoded_decodes_to_itself() {
    play("what_is_encoded_decodes_to_itself", 400, |dice| {
        let mut encoder = Encoder::new();
        let mut decoder = Decoder::new(4096, 1 << 24);
        let drawn = [Drawn::list(3, dice), Drawn::list(5, dice)];
        let mut template = Template::new(&fields(&drawn[0]), &fields(&drawn[1]));
        for _ in 0..dice.between(1, 40) {
            for _ in 0..dice.one_of(&[0, 0, 0, 1, 3]) {
                let size = dice.one_of(&[0, 31, 32, 100, 1000, 4096, 70_000]);
                encoder.set_peer_table_size(size);
                decoder.set_max_table_size(size);
            }
            let more = Drawn::list(6, dice);
            let mut block = Vec::new();
            encoder.begin(&mut block);
            let mut expected: Vec<&Drawn> = Vec::new();
            if dice.chance(700) {
                template.encode_pseudo(&mut encoder, &mut block);
                template.encode_fields(&mut encoder, &mut block);
                expected.extend(drawn.iter().flatten());
            }
            for field in fields(&more) {
                encoder.field(&field, &mut block);
            }
            expected.extend(&more);
            let list = decoder.decode(&block).expect("a block of ours");
            assert!(!list.over_limit);
            let expected = expected.iter().map(|it| (&it.name[..], &it.value[..]));
            assert!(list.fields.iter().eq(expected), "{:?}", list.fields);
        }
    });
}

#[test]
fn blocks_of_anything_are_decoded_or_refused() {
    play("blocks_of_anything_are_decoded_or_refused", 600, |dice| {
        let limit = dice.one_of(&[0, 100, 0x4000]);
        let mut decoder = Decoder::new(dice.one_of(&[0, 64, 4096, 65_536]), limit);
        let mut encoder = Encoder::new();
        for _ in 0..dice.between(1, 30) {
            let mut block = Vec::new();
            encoder.begin(&mut block);
            for field in fields(&Drawn::list(6, dice)) {
                encoder.field(&field, &mut block);
            }
            match dice.between(0, 9) {
                0 => block = bytes(200, dice),
                1 | 2 => tamper(&mut block, dice),
                3 => {
                    // Many references to what may be a large entry.
                    let first = dice.one_of(&[0xbe, 0x82, 0xff]);
                    block.extend(vec![first; dice.index(3000)]);
                }
                4 => {
                    let size = dice.one_of(&[0, 50, 4096, 65_536]);
                    decoder.set_max_table_size(size);
                }
                _ => {}
            }
            let Ok(list) = decoder.decode(&block) else {
                return;
            };
            let (kept, limit) = (list_size(&list.fields), limit as usize);
            assert!(kept <= limit, "{kept} bytes of at most {limit}");
            assert!(list.fields.len() <= FIELDS_KEPT);
        }
    });
}
