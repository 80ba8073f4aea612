//! What a connection is set up with.

use super::super::settings::{HEADER_TABLE_SIZE_INITIAL, OurSettings};
use super::super::window::{WINDOW_INITIAL, WINDOW_MAX};

/// What a connection is set up with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Streams that a client may open before the server's SETTINGS come (APNs: 1; others: 100).
    pub streams_before_settings: u32,
    /// Bytes of content taken per stream; beyond it the stream is reset with CANCEL.
    /// `usize::MAX` for no limit but the windows.
    pub max_content: usize,
    /// `SETTINGS_INITIAL_WINDOW_SIZE` that we send: bytes per stream we buffer unreleased.
    pub stream_window: u32,
    /// Bytes over all open streams we buffer unreleased (raised by `WINDOW_UPDATE` at the start;
    /// less than 65,535 count as 65,535, which HTTP/2 begins with).
    pub connection_window: u32,
    /// `SETTINGS_MAX_CONCURRENT_STREAMS` that a server sends; `None` sends none.
    pub max_concurrent_streams: Option<u32>,
    /// `SETTINGS_HEADER_TABLE_SIZE` that we send: the decoder's dynamic table, in bytes.
    pub header_table_size: u32,
    /// `SETTINGS_MAX_HEADER_LIST_SIZE` that we send and enforce. Of an encoded list nine frames
    /// (144 KiB) are taken at most.
    pub max_header_list_size: u32,
}

impl Default for Options {
    /// What suits a client of short answers.
    fn default() -> Self {
        Self {
            streams_before_settings: 100,
            max_content: 0x1_0000,
            stream_window: WINDOW_INITIAL,
            connection_window: 0x10_0000,
            max_concurrent_streams: None,
            header_table_size: HEADER_TABLE_SIZE_INITIAL,
            max_header_list_size: 0x4000,
        }
    }
}

impl Options {
    /// With every window legal.
    pub(super) fn clamped(mut self) -> Self {
        self.stream_window = self.stream_window.min(WINDOW_MAX);
        self.connection_window = self.connection_window.clamp(WINDOW_INITIAL, WINDOW_MAX);
        self
    }

    /// Our first SETTINGS: what differs from the initial values, and the limits.
    pub(super) fn settings(&self, client: bool) -> OurSettings {
        let unless = |value: u32, initial: u32| (value != initial).then_some(value);
        OurSettings {
            header_table_size: unless(self.header_table_size, HEADER_TABLE_SIZE_INITIAL),
            enable_push: client.then_some(0),
            max_concurrent_streams: self.max_concurrent_streams.filter(|_| !client),
            initial_window_size: unless(self.stream_window, WINDOW_INITIAL),
            max_header_list_size: Some(self.max_header_list_size),
        }
    }
}
