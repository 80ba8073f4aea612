//! What one of our ends sends, read a second time: frames that are whole and where they belong.

use sterna::http2::hpack::Decoder;

use crate::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS,
    WINDOW_UPDATE,
};

/// Reads all that an end sends.
pub(crate) struct Reader {
    of_client: bool,
    buffer: Vec<u8>,
    preface: usize,
    decoder: Decoder,
    /// Frames so far.
    count: u64,
    /// The block that has begun.
    block: Option<(u32, Vec<u8>)>,
    /// The highest stream that the client has opened.
    highest: u32,
    last_of_goaway: Option<u32>,
}

impl Reader {
    pub(crate) fn new(of_client: bool) -> Self {
        Self {
            of_client,
            buffer: Vec::new(),
            preface: if of_client { 24 } else { 0 },
            decoder: Decoder::new(4096, 1 << 24),
            count: 0,
            block: None,
            highest: 0,
            last_of_goaway: None,
        }
    }

    pub(crate) fn read(&mut self, bytes: &[u8]) {
        let preface = self.preface.min(bytes.len());
        self.preface -= preface;
        self.buffer.extend_from_slice(&bytes[preface..]);
        let mut from = 0;
        while let Some(head) = self.buffer.get(from..from + 9) {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            let (kind, flags) = (head[3], head[4]);
            let Some(payload) = self.buffer.get(from + 9..from + 9 + length) else {
                break;
            };
            let payload = payload.to_vec();
            from += 9 + length;
            self.take(kind, flags, stream, payload);
        }
        self.buffer.drain(..from);
    }

    fn take(&mut self, kind: u8, flags: u8, stream: u32, payload: Vec<u8>) {
        assert!(
            self.count > 0 || (kind == SETTINGS && flags & ACK == 0),
            "SETTINGS come first"
        );
        self.count += 1;
        assert!(stream <= 0x7fff_ffff, "a reserved bit");
        let of_stream = matches!(kind, DATA | HEADERS | RST_STREAM | CONTINUATION);
        let of_connection = matches!(kind, SETTINGS | PING | GOAWAY);
        assert!(
            of_stream || of_connection || kind == WINDOW_UPDATE,
            "a frame of type {kind}"
        );
        assert_eq!(
            of_connection,
            stream == 0 && kind != WINDOW_UPDATE,
            "{kind} on {stream}"
        );
        assert_eq!(
            kind == CONTINUATION,
            self.block.is_some(),
            "{kind} in or out of a block"
        );
        match kind {
            HEADERS => {
                if self.of_client && stream > self.highest {
                    assert_eq!(stream % 2, 1);
                    self.highest = stream;
                }
                self.fragment(stream, flags, payload);
            }
            CONTINUATION => {
                let (begun, mut block) = self.block.take().unwrap();
                assert_eq!(begun, stream);
                block.extend(payload);
                self.fragment(stream, flags, block);
            }
            DATA => assert!(
                !self.of_client || stream <= self.highest,
                "DATA on idle {stream}"
            ),
            RST_STREAM => assert_eq!(payload.len(), 4),
            PING => assert_eq!(payload.len(), 8),
            WINDOW_UPDATE => {
                let increment = u32::from_be_bytes(payload.try_into().unwrap());
                assert!((1..=0x7fff_ffff).contains(&increment), "{increment}");
            }
            SETTINGS => assert_eq!(payload.len() % 6, 0),
            _ => {
                let last = u32::from_be_bytes(*payload.first_chunk().unwrap());
                let earlier = self.last_of_goaway.replace(last);
                assert!(
                    earlier.is_none_or(|earlier| last <= earlier),
                    "GOAWAY that rises"
                );
            }
        }
    }

    fn fragment(&mut self, stream: u32, flags: u8, block: Vec<u8>) {
        if flags & END_HEADERS == 0 {
            self.block = Some((stream, block));
        } else {
            let decoded = self.decoder.decode(&block);
            decoded.expect("a block that decodes");
        }
    }
}
