//! SETTINGS (RFC 9113 §6.5): the peer's, which hold as soon as they are read, and ours, which
//! bind the peer from its acknowledgement on.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::error::Violation;
use super::frame::{self, Kind};
use super::window::{WINDOW_INITIAL, WINDOW_MAX};

/// What the peer asked of us, with RFC 9113 §6.5.2's initial values until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PeerSettings {
    /// `None`: not limited.
    pub(super) max_concurrent_streams: Option<u32>,
    /// At most `WINDOW_MAX`.
    pub(super) initial_window_size: u32,
    /// 2^14..=2^24-1.
    pub(super) max_frame_size: usize,
    /// `None`: not limited.
    pub(super) max_header_list_size: Option<usize>,
}

impl Default for PeerSettings {
    fn default() -> Self {
        Self {
            max_concurrent_streams: None,
            initial_window_size: WINDOW_INITIAL,
            max_frame_size: frame::MAX_FRAME_SIZE,
            max_header_list_size: None,
        }
    }
}

impl PeerSettings {
    /// Takes a SETTINGS payload over, in order, the last of equal ids winning; tells each
    /// `HEADER_TABLE_SIZE` to `table_size`. Nothing of an illegal payload may be used: the
    /// connection ends.
    pub(super) fn apply(
        &mut self,
        payload: &[u8],
        from_server: bool,
        mut table_size: impl FnMut(u32),
    ) -> Result<(), Violation> {
        for &[i0, i1, v0, v1, v2, v3] in payload.as_chunks::<ENTRY_LEN>().0 {
            let value = u32::from_be_bytes([v0, v1, v2, v3]);
            match u16::from_be_bytes([i0, i1]) {
                HEADER_TABLE_SIZE => table_size(value),
                ENABLE_PUSH if value > 1 || (from_server && value != 0) => {
                    return Err(Violation::protocol("illegal ENABLE_PUSH"));
                }
                MAX_CONCURRENT_STREAMS => self.max_concurrent_streams = Some(value),
                INITIAL_WINDOW_SIZE if value > WINDOW_MAX => {
                    return Err(Violation::flow_control("INITIAL_WINDOW_SIZE above 2^31-1"));
                }
                INITIAL_WINDOW_SIZE => self.initial_window_size = value,
                MAX_FRAME_SIZE => self.max_frame_size = max_frame_size(value)?,
                MAX_HEADER_LIST_SIZE => {
                    self.max_header_list_size = usize::try_from(value).ok();
                }
                // RFC 9113 §6.5.2: unknown ids are ignored. Push we never do.
                _ => {}
            }
        }
        Ok(())
    }
}

/// A legal `MAX_FRAME_SIZE`. A smaller one, taken over, makes a sender loop over empty fragments.
fn max_frame_size(value: u32) -> Result<usize, Violation> {
    usize::try_from(value)
        .ok()
        .filter(|size| (frame::MAX_FRAME_SIZE..=MAX_FRAME_SIZE_TOP).contains(size))
        .ok_or(Violation::protocol(
            "MAX_FRAME_SIZE outside of 2^14..2^24-1",
        ))
}

/// One SETTINGS frame of ours; `None` where it does not name the parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OurSettings {
    pub(super) header_table_size: Option<u32>,
    pub(super) enable_push: Option<u32>,
    pub(super) max_concurrent_streams: Option<u32>,
    pub(super) initial_window_size: Option<u32>,
    pub(super) max_header_list_size: Option<u32>,
}

impl OurSettings {
    /// Writes the frame.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let entries = [
            (HEADER_TABLE_SIZE, self.header_table_size),
            (ENABLE_PUSH, self.enable_push),
            (MAX_CONCURRENT_STREAMS, self.max_concurrent_streams),
            (INITIAL_WINDOW_SIZE, self.initial_window_size),
            (MAX_HEADER_LIST_SIZE, self.max_header_list_size),
        ];
        let named = entries.iter().filter(|(_, value)| value.is_some()).count();
        frame::put_header(out, named.saturating_mul(ENTRY_LEN), Kind::Settings, 0, 0);
        for (id, value) in entries {
            if let Some(value) = value {
                out.extend_from_slice(&id.to_be_bytes());
                out.extend_from_slice(&value.to_be_bytes());
            }
        }
    }
}

/// Our SETTINGS that the peer has not acknowledged, oldest first. Their number is the caller's
/// doing alone, and `SETTINGS_ACK_TIMEOUT` bounds how long they pile up.
#[derive(Debug, Default)]
pub(super) struct Unacknowledged {
    settings: VecDeque<(OurSettings, Instant)>,
    /// They are not waited for any more.
    given_up: bool,
}

impl Unacknowledged {
    pub(super) fn sent(&mut self, settings: OurSettings, now: Instant) {
        self.settings.push_back((settings, now));
    }

    /// The peer acknowledged the oldest.
    pub(super) fn acknowledged(&mut self) -> Option<OurSettings> {
        self.settings.pop_front().map(|(settings, _)| settings)
    }

    /// The highest `MAX_CONCURRENT_STREAMS` among them, if any names it.
    pub(super) fn max_concurrent_streams(&self) -> Option<u32> {
        self.settings
            .iter()
            .filter_map(|(settings, _)| settings.max_concurrent_streams)
            .max()
    }

    /// When the oldest is overdue.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let (_, sent) = self.settings.front().filter(|_| !self.given_up)?;
        sent.checked_add(SETTINGS_ACK_TIMEOUT)
    }

    /// Waits for none of them any more; those that come count all the same.
    pub(super) fn give_up(&mut self) {
        self.given_up = true;
    }
}

/// How long the peer may take to acknowledge our SETTINGS (RFC 9113 §6.5.3 lets us choose). Our
/// limit: far above any round trip, far below what a request may take. It also bounds how long a
/// peer that never says anything holds a fresh connection.
pub(super) const SETTINGS_ACK_TIMEOUT: Duration = Duration::from_secs(10);

/// `HEADER_TABLE_SIZE` before any SETTINGS.
pub(super) const HEADER_TABLE_SIZE_INITIAL: u32 = 4096;

const ENTRY_LEN: usize = 6;
const MAX_FRAME_SIZE_TOP: usize = 0xff_ffff;

const HEADER_TABLE_SIZE: u16 = 0x1;
const ENABLE_PUSH: u16 = 0x2;
const MAX_CONCURRENT_STREAMS: u16 = 0x3;
const INITIAL_WINDOW_SIZE: u16 = 0x4;
const MAX_FRAME_SIZE: u16 = 0x5;
const MAX_HEADER_LIST_SIZE: u16 = 0x6;
