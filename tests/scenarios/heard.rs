//! What the daemon has said on a connection, frame by frame.

use std::collections::BTreeMap;

use sterna::http2::hpack::Decoder;

use crate::frames::{self, Frame, Frames};

pub(crate) const KINDS: [&str; 10] = [
    "DATA",
    "HEADERS",
    "PRIORITY",
    "RST_STREAM",
    "SETTINGS",
    "PUSH_PROMISE",
    "PING",
    "GOAWAY",
    "WINDOW_UPDATE",
    "CONTINUATION",
];

pub(crate) struct Heard {
    frames: Frames,
    decoder: Decoder,
    /// Frames that no line of the script has asked about, acknowledgements left out.
    pub(crate) news: Vec<Frame>,
    /// How often each kind came, acknowledgements left out.
    pub(crate) counts: [usize; KINDS.len()],
    /// The last stream of each push here.
    pub(crate) streams: BTreeMap<u64, u32>,
    /// The payload of the last PING.
    pub(crate) ping: Vec<u8>,
}

impl Heard {
    pub(crate) fn new() -> Self {
        Self {
            frames: Frames::of_client(),
            decoder: Decoder::new(4096, 0x4000),
            news: Vec::new(),
            counts: [0; KINDS.len()],
            streams: BTreeMap::new(),
            ping: Vec::new(),
        }
    }

    pub(crate) fn take(&mut self, bytes: &[u8]) {
        for frame in self.frames.take(bytes) {
            let push = match frame.kind {
                frames::HEADERS => self.of_path(&frame.payload),
                frames::DATA => of_content(&frame.payload),
                _ => None,
            };
            if let Some(push) = push {
                self.streams.insert(push, frame.stream);
            }
            let is_ack = matches!(frame.kind, PING | frames::SETTINGS) && frame.is_ack();
            if !is_ack {
                if frame.kind == PING {
                    self.ping.clone_from(&frame.payload);
                }
                self.counts[usize::from(frame.kind)] += 1;
                self.news.push(frame);
            }
        }
    }

    /// APNs: the device token in the path is the push's number.
    fn of_path(&mut self, block: &[u8]) -> Option<u64> {
        let fields = self.decoder.decode(block).unwrap().fields;
        let path = std::str::from_utf8(fields.get(b":path")?).ok()?.to_owned();
        u64::from_str_radix(path.strip_prefix("/3/device/")?, 16).ok()
    }

    /// The push that came last.
    pub(crate) fn latest(&self) -> Option<u64> {
        let latest = self.streams.iter().max_by_key(|(_, stream)| **stream);
        latest.map(|(push, _)| *push)
    }

    /// Which push a stream carries.
    pub(crate) fn push_of(&self, stream: u32) -> Option<u64> {
        let mut pushes = self.streams.iter();
        pushes.find(|(_, at)| **at == stream).map(|(push, _)| *push)
    }
}

/// FCM: so is the registration token in the content.
fn of_content(content: &[u8]) -> Option<u64> {
    let content: serde_json::Value = serde_json::from_slice(content).ok()?;
    let token = content.get("message")?.get("token")?.as_str()?;
    token.strip_prefix("token-")?.parse().ok()
}

const PING: u8 = 6;
