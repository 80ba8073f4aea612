//! It makes no difference in which pieces bytes come.

use std::time::Instant;

use sterna::http2::Connection;

use crate::dice::Dice;
use crate::one_end::{field, options, template};
use crate::{frames, play, tamper};

#[test]
fn a_client_reads_pieces_as_the_whole() {
    play("a_client_reads_pieces_as_the_whole", 300, |dice| {
        let now = Instant::now();
        let options = options(dice);
        let requests = dice.between(0, 8);
        let begin = || {
            let mut client = Connection::client(options.clone(), now);
            let template = template(&mut client);
            let path = [field(":path", "/")];
            for _ in 0..requests {
                let _sent = client.send_request(template, &path, &[], b"content", now);
            }
            client.advance_output(usize::MAX);
            client
        };
        let streams: Vec<u32> = (0..requests)
            .map(|n| u32::try_from(2 * n + 1).unwrap())
            .collect();
        let next = u32::try_from(2 * requests + 1).unwrap();
        let mut bytes = frames::settings(&[(3, 100)]);
        for _ in 0..dice.between(1, 40) {
            bytes.extend(frames::any(true, &streams, next, dice));
        }
        check(&bytes, begin, now, dice);
    });
}

#[test]
fn a_server_reads_pieces_as_the_whole() {
    play("a_server_reads_pieces_as_the_whole", 300, |dice| {
        let now = Instant::now();
        let options = options(dice);
        let begin = || Connection::server(options.clone(), now);
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frames::settings(&[]));
        let mut streams = Vec::new();
        let mut next = 1;
        for _ in 0..dice.between(1, 40) {
            bytes.extend(frames::any(false, &streams, next, dice));
            streams.push(next);
            next += 2;
        }
        check(&bytes, begin, now, dice);
    });
}

/// The same events and the same output, whole and in pieces.
fn check(bytes: &[u8], begin: impl Fn() -> Connection, now: Instant, dice: &mut Dice) {
    let mut bytes = bytes.to_vec();
    if dice.chance(300) {
        tamper(&mut bytes, dice);
    }
    let mut whole = begin();
    whole.receive(&bytes, now);
    let mut pieces = begin();
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        let most = dice.one_of(&[1, 3, 20, 400]);
        let (piece, after) = rest.split_at((dice.index(most) + 1).min(rest.len()));
        pieces.receive(piece, now);
        rest = after;
    }
    assert!(whole.output() == pieces.output(), "other bytes are sent");
    loop {
        let [one, other] = [&mut whole, &mut pieces].map(Connection::poll_event);
        assert_eq!(format!("{one:?}"), format!("{other:?}"));
        if one.is_none() {
            break;
        }
    }
    assert_eq!(whole.is_closed(), pieces.is_closed());
}
