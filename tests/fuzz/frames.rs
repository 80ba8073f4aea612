//! Frames that a peer might send: mostly legal ones, on streams that are there.

use crate::bytes;
use crate::dice::Dice;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    let mut bytes = length.to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

pub(crate) fn settings(entries: &[(u16, u32)]) -> Vec<u8> {
    let entries = entries
        .iter()
        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()[..]].concat());
    frame(SETTINGS, 0, 0, &entries.collect::<Vec<_>>())
}

/// A field block that leaves the table alone.
fn block(heads: &[&[u8]], dice: &mut Dice) -> Vec<u8> {
    let mut block = dice.one_of(heads).to_vec();
    for _ in 0..dice.between(0, 2) {
        block.extend(dice.one_of(&[
            &b"\x00\x01a\x01b"[..],
            // content-length: 0, 5; apns-id.
            b"\x0f\x0d\x010",
            b"\x0f\x0d\x015",
            b"\x00\x07apns-id\x03abc",
            // Into the table, and out of it.
            b"\x40\x01x\x01y",
            b"\xbe",
            b"\x20",
        ]));
    }
    block
}

/// What a server's heads begin with: 200, 503 in literals, 103, nothing, two of them.
const RESPONSES: &[&[u8]] = &[
    b"\x88",
    b"\x88",
    b"\x08\x03503",
    b"\x08\x03103",
    b"",
    b"\x88\x88",
    b"\x08\x0220",
];
/// And a client's: GET, POST, without a path, CONNECT.
const REQUESTS: &[&[u8]] = &[
    b"\x82\x87\x84",
    b"\x83\x87\x84",
    b"\x83\x87\x84",
    b"\x83\x87",
    b"\x02\x07CONNECT\x01\x01a",
];

/// One or several frames; `streams` are there, and `next` is the one that a client would open.
pub(crate) fn any(of_server: bool, streams: &[u32], next: u32, dice: &mut Dice) -> Vec<u8> {
    let stream = match dice.between(0, 9) {
        0 => 0,
        1 => u32::try_from(dice.between(0, 40)).unwrap(),
        2 if !of_server => next,
        _ if streams.is_empty() => next,
        _ => streams[dice.index(streams.len())],
    };
    let end = dice.one_of(&[0, END_STREAM]);
    match dice.between(0, 19) {
        0..=4 => head(of_server, if of_server { stream } else { next }, end, dice),
        5 | 6 => head(of_server, stream, end, dice),
        7..=9 => data(stream, end, dice),
        10 => {
            let code = u32::try_from(dice.between(0, 15)).unwrap();
            frame(RST_STREAM, 0, stream, &code.to_be_bytes())
        }
        11 | 12 => {
            let increment = dice.one_of(&[0, 1, 128, 70_000, 0x7fff_ffff, u32::MAX]);
            let stream = dice.one_of(&[0, stream]);
            frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
        }
        13 => {
            let id = dice.one_of(&[1, 2, 3, 4, 5, 6, 0xabcd]);
            let value = dice.one_of(&[0, 1, 100, 0x4000, 0xffff, 0xff_ffff, 0x7fff_ffff, u32::MAX]);
            settings(&[(id, value)])
        }
        14 => frame(SETTINGS, ACK, 0, &[]),
        15 => frame(PING, dice.one_of(&[0, ACK]), 0, &[7; 8]),
        16 => {
            let last = dice.one_of(&[0, stream, 0x7fff_ffff]);
            let debug = bytes(20, dice);
            frame(
                GOAWAY,
                0,
                0,
                &[&last.to_be_bytes(), &[0; 4][..], &debug].concat(),
            )
        }
        17 => frame(2, 0, stream, &vec![0; dice.one_of(&[5, 5, 5, 4])]),
        18 => frame(
            dice.one_of(&[5, 9, 10, 16, 250]),
            0,
            stream,
            &bytes(30, dice),
        ),
        _ => {
            // Whatever: a wrong length, another flag, another stream.
            let kind = u8::try_from(dice.between(0, 12)).unwrap();
            let flags = dice.draw().to_be_bytes()[2];
            frame(kind, flags, stream, &bytes(40, dice))
        }
    }
}

fn head(of_server: bool, stream: u32, end: u8, dice: &mut Dice) -> Vec<u8> {
    let heads = if of_server { RESPONSES } else { REQUESTS };
    let block = block(heads, dice);
    match dice.between(0, 5) {
        0 => {
            let cut = dice.index(block.len() + 1);
            let mut bytes = frame(HEADERS, end, stream, &block[..cut]);
            let pieces = block[cut..].chunks(dice.index(5) + 1);
            for piece in pieces {
                bytes.extend(frame(CONTINUATION, 0, stream, piece));
            }
            bytes.extend(frame(CONTINUATION, END_HEADERS, stream, &[]));
            bytes
        }
        1 => {
            let padding = dice.between(0, 9);
            let length = u8::try_from(padding).unwrap();
            let padding = vec![0; length.into()];
            let priority = [0, 0, 0, 3, 9];
            let payload = [&[length][..], &priority, &block, &padding].concat();
            frame(
                HEADERS,
                END_HEADERS | PADDED | PRIORITY | end,
                stream,
                &payload,
            )
        }
        _ => frame(HEADERS, END_HEADERS | end, stream, &block),
    }
}

fn data(stream: u32, end: u8, dice: &mut Dice) -> Vec<u8> {
    let content = vec![b'x'; dice.one_of(&[0, 1, 5, 63, 64, 5000, 0x4000])];
    if dice.chance(700) || content.len() > 5000 {
        return frame(DATA, end, stream, &content);
    }
    let padding = u8::try_from(dice.between(0, 255)).unwrap();
    let payload = [&[padding][..], &content, &vec![0; padding.into()]].concat();
    frame(DATA, end | PADDED, stream, &payload)
}
