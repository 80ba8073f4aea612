//! Frames as they pass by (RFC 9113 §4.1): a second, small reader, so that what is judged is not
//! taken on the word of the code under test.

/// A whole frame.
pub(crate) struct Frame {
    /// Where its first byte stands in its direction's bytes.
    pub(crate) at: u64,
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    pub(crate) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & 0x1 != 0
    }

    pub(crate) fn is_ack(&self) -> bool {
        self.flags & 0x1 != 0
    }

    /// A number of four bytes in the payload.
    pub(crate) fn number(&self, at: usize) -> u32 {
        let bytes = self.payload[at..at + 4].try_into().unwrap();
        u32::from_be_bytes(bytes)
    }

    /// The parameters of SETTINGS.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (u16, u32)> {
        self.payload.chunks_exact(6).map(|entry| {
            let id = u16::from_be_bytes([entry[0], entry[1]]);
            let value = u32::from_be_bytes(entry[2..].try_into().unwrap());
            (id, value)
        })
    }
}

/// Cuts one direction's bytes into frames.
#[derive(Clone)]
pub(crate) struct Frames {
    buffer: Vec<u8>,
    /// Where `buffer` begins.
    position: u64,
    /// Bytes of the preface that are still to come.
    preface: usize,
}

impl Frames {
    pub(crate) fn of_client() -> Self {
        Self {
            preface: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len(),
            ..Self::of_server()
        }
    }

    pub(crate) fn of_server() -> Self {
        Self {
            buffer: Vec::new(),
            position: 0,
            preface: 0,
        }
    }

    /// The frames that were taken last did not pass: the next one begins at `position`.
    pub(crate) fn go_back_to(&mut self, position: u64) {
        assert!(self.buffer.is_empty(), "whole frames were taken");
        self.position = position;
    }

    /// How many of these bytes belong to the frame that has begun or begins with them.
    pub(crate) fn of_one_frame(&self, bytes: &[u8]) -> usize {
        let begun = self.buffer.iter().chain(bytes);
        let head: Vec<u8> = begun.take(9).copied().collect();
        let length = head
            .first_chunk::<9>()
            .map_or(9, |head| 9 + length_in(head));
        bytes.len().min(length - self.buffer.len())
    }

    /// The frames that are whole with these bytes.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Vec<Frame> {
        self.buffer.extend_from_slice(bytes);
        let skipped = self.preface.min(self.buffer.len());
        self.preface -= skipped;
        let mut start = skipped;
        let mut frames = Vec::new();
        while let Some(head) = self.buffer.get(start..).and_then(<[u8]>::first_chunk::<9>) {
            let length = length_in(head);
            let stream = u32::from_be_bytes(head[5..9].try_into().unwrap()) & 0x7fff_ffff;
            let (kind, flags) = (head[3], head[4]);
            let Some(payload) = self.buffer.get(start + 9..start + 9 + length) else {
                break;
            };
            frames.push(Frame {
                at: self.position + start as u64,
                kind,
                flags,
                stream,
                payload: payload.to_vec(),
            });
            start += 9 + length;
        }
        self.buffer.drain(..start);
        self.position += start as u64;
        frames
    }
}

fn length_in(head: &[u8; 9]) -> usize {
    u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize
}

/// Whole frames without those that acknowledge SETTINGS.
pub(crate) fn without_acknowledgements(bytes: &[u8]) -> Vec<u8> {
    let mut frames = bytes;
    let mut left = Vec::new();
    while let Some(head) = frames.first_chunk::<9>() {
        let (frame, rest) = frames.split_at(9 + length_in(head));
        if head[3] != SETTINGS || head[4] & 0x1 == 0 {
            left.extend_from_slice(frame);
        }
        frames = rest;
    }
    left
}

/// A SETTINGS frame with one parameter.
pub(crate) fn settings(id: u16, value: u32) -> Vec<u8> {
    let mut frame = vec![0, 0, 6, SETTINGS, 0, 0, 0, 0, 0];
    frame.extend(id.to_be_bytes());
    frame.extend(value.to_be_bytes());
    frame
}

/// Frames of a kind that nobody knows.
pub(crate) fn unknown(times: usize) -> Vec<u8> {
    [0, 0, 0, UNKNOWN, 0, 0, 0, 0, 0].repeat(times)
}

/// A GOAWAY frame.
pub(crate) fn goaway(last: u32, code: u32, debug: &[u8]) -> Vec<u8> {
    let length = u8::try_from(8 + debug.len()).unwrap();
    let mut frame = vec![0, 0, length, GOAWAY, 0, 0, 0, 0, 0];
    frame.extend(last.to_be_bytes());
    frame.extend(code.to_be_bytes());
    frame.extend(debug);
    frame
}

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const UNKNOWN: u8 = 0xfa;

pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;

pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 6;

pub(crate) const REFUSED_STREAM: u32 = 7;
