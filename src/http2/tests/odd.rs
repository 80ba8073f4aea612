//! Peers that break no rule and have odd manners: none of them is left, however many requests are
//! answered.

use super::*;

/// Answers, or requests, of one that does it once with each: twice the burst.
const MANY: u32 = 20_100;
/// Of one that does it four times or more.
const FEW: u32 = 3_100;
/// Under way at once, and answered at once.
const AT_ONCE: u32 = 50;

/// Bytes of `stream` that are the same but for its number.
type Manners = fn(StreamId) -> Vec<u8>;

/// The bytes of a frame so often.
fn times(n: usize, bytes: &[u8]) -> Vec<u8> {
    bytes.repeat(n)
}

/// A field block in fragments of one byte.
fn crumbs(flags: u8, stream: StreamId, block: &[u8]) -> Vec<u8> {
    let mut bytes = frame(HEADERS, flags, stream, &[]);
    for byte in block {
        bytes.extend(frame(CONTINUATION, 0, stream, &[*byte]));
    }
    bytes.extend(frame(CONTINUATION, END_HEADERS, stream, &[]));
    bytes
}

/// Content in pieces of one byte, and an empty end.
fn pieces(stream: StreamId, length: usize) -> Vec<u8> {
    let mut bytes = times(length, &frame(DATA, 0, stream, b"x"));
    bytes.extend(frame(DATA, END_STREAM, stream, b""));
    bytes
}

/// A window given back in steps, on the stream and on the connection.
fn steps(stream: StreamId, step: u32, sum: u32) -> Vec<u8> {
    let both = [window_update(stream, step), window_update(0, step)].concat();
    times((sum / step) as usize, &both)
}

/// Head and end of an answer.
fn ok(stream: StreamId) -> Vec<u8> {
    frame(HEADERS, 0x5, stream, OK_200)
}

fn interim(stream: StreamId) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &literal(":status", "103"))
}

/// Bytes of content of each request.
const CONTENT: u32 = 4096;

/// What servers may do with each answer.
const SERVERS: &[(&str, u32, Manners)] = &[
    ("a PING", MANY, |s| {
        [frame(PING, 0, 0, &[0; 8]), ok(s)].concat()
    }),
    ("an unknown frame", MANY, |s| {
        [frame(0xfa, 0, s, b"grease"), ok(s)].concat()
    }),
    ("SETTINGS", MANY, |s| {
        [settings(&[(3, 100)]), ok(s)].concat()
    }),
    ("RST_STREAM behind it", MANY, |s| {
        [ok(s), rst_stream(s, ErrorCode::NO_ERROR)].concat()
    }),
    ("ten of each", FEW, |s| {
        let each = [
            frame(PING, 0, 0, &[0; 8]),
            frame(0xfa, 0, s, b"grease"),
            frame(PRIORITY, 0, s, &[0; 5]),
            frame(PING, ACK, 0, &[0; 8]),
            settings(&[]),
        ];
        [times(10, &each.concat()), ok(s)].concat()
    }),
    ("a table that comes and goes", FEW, |s| {
        let churn = [settings(&[(1, 0)]), settings(&[(1, 4096)])].concat();
        [times(4, &churn), ok(s)].concat()
    }),
    ("small pieces", FEW, |s| {
        [frame(HEADERS, END_HEADERS, s, OK_200), pieces(s, 60)].concat()
    }),
    ("empty pieces", FEW, |s| {
        let empty = times(20, &frame(DATA, 0, s, b""));
        [
            frame(HEADERS, END_HEADERS, s, OK_200),
            empty,
            frame(DATA, END_STREAM, s, b""),
        ]
        .concat()
    }),
    ("padding", FEW, |s| {
        let padding = [&[255][..], &[0; 255]].concat();
        let head = [&padding[..1], OK_200, &padding[1..]].concat();
        [
            frame(HEADERS, END_HEADERS | PADDED, s, &head),
            times(5, &frame(DATA, PADDED, s, &padding)),
            frame(DATA, PADDED | END_STREAM, s, &padding),
        ]
        .concat()
    }),
    ("interim answers", FEW, |s| {
        [times(30, &interim(s)), ok(s)].concat()
    }),
    ("crumbs of a head", FEW, |s| {
        crumbs(
            END_STREAM,
            s,
            &[OK_200, &literal("apns-id", "00000000-0000")].concat(),
        )
    }),
    ("priorities and trailers", FEW, |s| {
        let head = [&[0x80, 0, 0, 1, 9][..], OK_200].concat();
        [
            times(5, &frame(PRIORITY, 0, s, &[0; 5])),
            frame(HEADERS, END_HEADERS | PRIORITIZED, s, &head),
            frame(HEADERS, 0x5, s, &literal("sum", "1")),
        ]
        .concat()
    }),
    ("windows in steps of 128", FEW, |s| {
        [steps(s, 128, CONTENT), ok(s)].concat()
    }),
    ("windows in steps of 8", FEW / 10, |s| {
        [steps(s, 8, CONTENT), ok(s)].concat()
    }),
    ("windows in steps of 128 after the answer", FEW, |s| {
        [ok(s), steps(s, 128, CONTENT)].concat()
    }),
    ("a head of 40 KiB", FEW / 10, |s| {
        let long = [&[0, 1, b'a', 0x7f, 0xc9, 0x4d][..], &[b'v'; 10_056]].concat();
        let block = [OK_200, &long, &long, &long, &long].concat();
        let mut bytes = frame(HEADERS, END_STREAM, s, &[]);
        for fragment in block.chunks(0x4000) {
            bytes.extend(frame(CONTINUATION, 0, s, fragment));
        }
        bytes.extend(frame(CONTINUATION, END_HEADERS, s, &[]));
        bytes
    }),
];

#[test]
fn servers_of_odd_manners_are_not_left() {
    for (name, answers, manners) in SERVERS {
        let mut end = Side::client_with(Options::default(), &[(3, 100)]);
        end.receive(&window_update(0, 0x10_0000));
        for batch in 0..answers.div_ceil(AT_ONCE) {
            let content = [b'x'; CONTENT as usize];
            let streams: Vec<_> = (0..AT_ONCE).map(|_| end.request(&content)).collect();
            end.connection.advance_output(usize::MAX);
            let bytes: Vec<u8> = streams.iter().flat_map(|stream| manners(*stream)).collect();
            // As much as is read at once, and nothing written in between.
            for bytes in bytes.chunks(0x1_0000) {
                end.receive(bytes);
                end.connection.advance_output(usize::MAX);
            }
            let mut answered = 0;
            while let Some(event) = end.connection.poll_event() {
                match event {
                    Event::Head { end_stream, .. } | Event::Data { end_stream, .. } => {
                        answered += u32::from(end_stream);
                    }
                    Event::Trailers { .. } => answered += 1,
                    Event::Interim { .. } | Event::SettingsReceived => {}
                    other => panic!("{name}: {other:?} after {batch} batches"),
                }
            }
            assert_eq!(answered, AT_ONCE, "{name}");
            // What the server does not give back itself.
            let missing = 0x10_0000_usize.saturating_sub(end.connection.send_window());
            if missing > 0x8_0000 {
                end.receive(&window_update(0, missing as u32));
            }
        }
    }
}

/// A window of 0 that is opened for each request, little by little.
#[test]
fn a_server_that_opens_windows_little_by_little_is_not_left() {
    let mut end = Side::client_with(Options::default(), &[(3, 100), (4, 0)]);
    end.receive(&window_update(0, 0x1000_0000));
    for _ in 0..FEW {
        let stream = end.request(&[b'x'; 512]);
        end.receive(&times(64, &window_update(stream, 8)));
        end.receive(&ok(stream));
        let events = end.events();
        assert!(matches!(events[..], [Event::Head { .. }]), "{events:?}");
        end.sent();
    }
}

/// What clients may do with each request. The answers have [`CONTENT`].
const CLIENTS: &[(&str, u32, Manners)] = &[
    ("a PING", MANY, |s| {
        [frame(PING, 0, 0, &[0; 8]), get(s)].concat()
    }),
    ("an unknown frame", MANY, |s| {
        [frame(0xfa, 0, s, b"grease"), get(s)].concat()
    }),
    ("SETTINGS", MANY, |s| {
        [settings(&[(3, 100)]), get(s)].concat()
    }),
    ("small pieces", FEW, |s| {
        [frame(HEADERS, END_HEADERS, s, POST), pieces(s, 60)].concat()
    }),
    ("padding and priorities", FEW, |s| {
        let padding = [&[255][..], &[0; 255]].concat();
        let head = [&[200, 0, 0, 0, 0, 9][..], POST, &[0; 200]].concat();
        [
            times(5, &frame(PRIORITY, 0, s, &[0; 5])),
            frame(HEADERS, END_HEADERS | PADDED | PRIORITIZED, s, &head),
            times(5, &frame(DATA, PADDED, s, &padding)),
            frame(DATA, PADDED | END_STREAM, s, &padding),
        ]
        .concat()
    }),
    ("crumbs of a head", FEW, |s| {
        crumbs(
            END_STREAM,
            s,
            &[GET, &literal("user-agent", "odd")].concat(),
        )
    }),
];

fn get(stream: StreamId) -> Vec<u8> {
    frame(HEADERS, 0x5, stream, GET)
}

#[test]
fn clients_of_odd_manners_are_not_left() {
    for (name, requests, manners) in CLIENTS {
        let mut end = Side::server();
        let mut stream = 1;
        for _ in 0..requests.div_ceil(AT_ONCE) {
            let streams: Vec<_> = (stream..).step_by(2).take(AT_ONCE as usize).collect();
            stream += 2 * AT_ONCE;
            let bytes: Vec<u8> = streams.iter().flat_map(|stream| manners(*stream)).collect();
            for bytes in bytes.chunks(0x1_0000) {
                end.receive(bytes);
                end.connection.advance_output(usize::MAX);
            }
            let mut whole = 0;
            while let Some(event) = end.connection.poll_event() {
                match event {
                    Event::Head { end_stream, .. } => whole += u32::from(end_stream),
                    Event::Data {
                        stream,
                        data,
                        end_stream,
                    } => {
                        end.connection.release(stream, data.len());
                        whole += u32::from(end_stream);
                    }
                    Event::SettingsReceived => {}
                    other => panic!("{name}: {other:?}"),
                }
            }
            assert_eq!(whole, AT_ONCE, "{name}");
            for stream in streams {
                let content = [b'x'; CONTENT as usize];
                end.connection
                    .send_response(stream, 200, &[], Some(&content))
                    .unwrap();
                end.connection.advance_output(usize::MAX);
                // In steps of 128, of which those of the stream come late.
                end.receive(&steps(stream, 128, CONTENT));
            }
        }
    }
}
