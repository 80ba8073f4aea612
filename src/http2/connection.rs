//! One connection: the state that its frames share, and how it is set up and driven.
//!
//! The handlers of frames are in `receive`, `message`, `settings` and `goaway`, what is sent in
//! `request`, `respond` and `content`, every way in which a stream or the connection ends at once
//! in `ending`, and how it is left in good order in `goaway`.

mod content;
mod ending;
mod goaway;
mod message;
mod options;
mod reaping;
mod receive;
mod request;
mod respond;
mod settings;

pub use options::Options;
#[cfg(test)]
pub(super) use reaping::{BLOCKED_MAX, BUFFERED_MAX};
#[cfg(test)]
pub(super) use request::LAST_REQUEST_STREAM;
pub use request::TemplateId;

use std::collections::VecDeque;
use std::time::Instant;

use self::goaway::Farewell;
use self::message::FieldBlock;
use self::request::RegisteredTemplate;
use super::bucket::Bucket;
use super::error::Violation;
use super::glitches::Glitches;
use super::input::Input;
use super::output::{Output, Provoked};
use super::settings::{PeerSettings, Unacknowledged};
use super::stream::Stream;
use super::table::Streams;
use super::window::{ReceiveWindow, SendWindow, WINDOW_INITIAL};
use super::{Event, StreamId, frame, hpack};

/// One HTTP/2 connection.
///
/// `receive`, `transport_closed`, `handle_timeout` and all sending calls may queue events and
/// output: drain both after any of them. Every call is harmless at any time; after the end the
/// sending ones return errors or do nothing.
#[derive(Debug)]
pub struct Connection {
    role: Role,
    options: Options,

    /// Bytes of the client preface that are still to come (server role).
    preface: &'static [u8],
    input: Input,
    /// A field block whose CONTINUATIONs are still to come.
    block: Option<FieldBlock>,
    decoder: hpack::Decoder,
    /// The peer's first SETTINGS were applied.
    settings_received: bool,
    /// The head of an answer has come, be it an interim one (client role).
    has_answered: bool,
    /// Frames that move nothing: how many the peer may still send.
    glitches: Glitches,
    /// Streams that may still be reset: by a client, or by us for a fault of the peer.
    resets_left: Bucket,
    /// When the peer was heard last, or time passed.
    clock: Instant,
    /// When the peer was heard last; at first, when the connection began.
    heard: Instant,
    /// Bytes that the peer may send over all streams.
    receive_window: ReceiveWindow,

    streams: Streams,
    /// The highest stream that the client opened; 0 if none.
    pub(in crate::http2) highest: StreamId,
    peer: PeerSettings,
    /// The peer's `MAX_HEADER_LIST_SIZE` over which a request was reported.
    exceeded: Option<usize>,
    unacknowledged: Unacknowledged,
    /// The `INITIAL_WINDOW_SIZE` that the peer may go by with new streams.
    stream_window: u32,
    /// The `MAX_CONCURRENT_STREAMS` that we hold the peer to (server role).
    stream_limit: Option<u32>,
    /// Streams that we reset last, on which frames may still come (server role).
    reset_by_us: VecDeque<StreamId>,

    output: Output,
    encoder: hpack::Encoder,
    templates: Vec<RegisteredTemplate>,
    /// Bytes that we may send over all streams. Charged when content is written, never reserved:
    /// a blocked stream must not keep others from sending.
    send_window: SendWindow,
    /// Bytes of content that wait in all streams.
    buffered: usize,
    /// When streams that wait for their windows are looked at (server role).
    reap_at: Option<Instant>,
    /// Streams with content that their own window lets out, in the order of their turns.
    round: VecDeque<StreamId>,
    resets: Provoked,
    /// PINGs of ours without an answer.
    pings: VecDeque<[u8; 8]>,

    events: VecDeque<Event>,
    farewell: Farewell,
    closed: bool,
}

/// Which end we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Client,
    Server,
}

impl Connection {
    /// Queues preface, SETTINGS and the connection `WINDOW_UPDATE`.
    pub fn client(options: Options, now: Instant) -> Self {
        let mut connection = Self::new(Role::Client, options, now);
        connection
            .output
            .bytes()
            .extend_from_slice(frame::CLIENT_PREFACE);
        connection.introduce(now);
        connection
    }

    /// Queues SETTINGS and the connection `WINDOW_UPDATE`.
    pub fn server(options: Options, now: Instant) -> Self {
        let mut connection = Self::new(Role::Server, options, now);
        connection.preface = frame::CLIENT_PREFACE;
        connection.introduce(now);
        connection
    }

    fn new(role: Role, options: Options, now: Instant) -> Self {
        let options = options.clamped();
        let peer = PeerSettings::default();
        Self {
            role,
            preface: &[],
            input: Input::default(),
            block: None,
            decoder: hpack::Decoder::new(options.header_table_size, options.max_header_list_size),
            settings_received: false,
            has_answered: false,
            glitches: Glitches::new(now),
            resets_left: Bucket::of_resets(now),
            clock: now,
            heard: now,
            receive_window: ReceiveWindow::new(options.connection_window, WINDOW_INITIAL),
            streams: Streams::default(),
            highest: 0,
            peer,
            exceeded: None,
            unacknowledged: Unacknowledged::default(),
            // A smaller window of ours binds the peer from its acknowledgement on.
            stream_window: options.stream_window.max(WINDOW_INITIAL),
            stream_limit: options.max_concurrent_streams,
            reset_by_us: VecDeque::new(),
            output: Output::default(),
            encoder: hpack::Encoder::new(),
            templates: Vec::new(),
            send_window: SendWindow::new(WINDOW_INITIAL),
            buffered: 0,
            reap_at: None,
            round: VecDeque::new(),
            resets: Provoked::default(),
            pings: VecDeque::new(),
            events: VecDeque::new(),
            farewell: Farewell::default(),
            closed: false,
            options,
        }
    }

    fn introduce(&mut self, now: Instant) {
        let settings = self.options.settings(self.role == Role::Client);
        self.send_settings(settings, now);
        if let Some(increment) = self.receive_window.open() {
            frame::put_window_update(self.output.bytes(), 0, increment);
        }
    }

    /// The next thing that happened, oldest first.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Bytes for the peer, oldest first.
    pub fn output(&self) -> &[u8] {
        self.output.pending()
    }

    /// The first `n` bytes of `output` were handed to the transport.
    pub fn advance_output(&mut self, n: usize) {
        self.output.advance(n);
        self.resets.forget_taken(&self.output);
        self.let_out_content();
        self.close_if_done();
    }

    /// The peer's bytes may be read: false while so much output waits (64 KiB) that a peer which
    /// does not read ours could make it grow. Whoever reads the transport is to stop until then.
    pub fn wants_input(&self) -> bool {
        !self.closed && !self.output.is_full()
    }

    /// Nothing more will come in or go out once `output` is empty.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// When `handle_timeout` is to be called, if nothing else happens.
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.closed {
            return None;
        }
        let block = self.block.as_ref().and_then(|block| block.deadline);
        [
            block,
            self.unacknowledged.deadline(),
            self.farewell.ping_deadline(),
            self.reap_at,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// To be called at or after `next_timeout`.
    pub fn handle_timeout(&mut self, now: Instant) {
        let passed = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        if self.closed {
            return;
        }
        self.pass(now);
        if passed(self.reap_at) {
            self.reap(now);
        }
        if passed(self.block.as_ref().and_then(|block| block.deadline)) {
            self.punish(Violation::calm("field block not complete within 10 s"));
        } else if passed(self.unacknowledged.deadline()) {
            self.miss_acknowledgement();
        } else if passed(self.farewell.ping_deadline()) {
            self.send_final_goaway();
        }
    }

    /// Streams opened and not ended.
    pub fn open_streams(&self) -> usize {
        self.streams.len()
    }

    /// Bytes of content that the connection-level window lets us send now.
    pub fn send_window(&self) -> usize {
        self.send_window.available()
    }

    /// Bytes of content that a new stream may send at once (peer's `INITIAL_WINDOW_SIZE`).
    pub fn initial_send_window(&self) -> usize {
        SendWindow::new(self.peer.initial_window_size).available()
    }

    /// The highest stream id the client has opened; 0 if none.
    pub fn highest_stream(&self) -> StreamId {
        self.highest
    }

    /// When bytes of the peer came last; at first, when the connection began.
    pub fn last_heard(&self) -> Instant {
        self.heard
    }

    /// Sends a PING; its answer is `Event::Pong`. Of more than 16 without an answer the oldest is
    /// forgotten.
    pub fn ping(&mut self, payload: [u8; 8]) {
        if self.closed {
            return;
        }
        frame::put_ping(self.output.bytes(), payload, 0);
        self.pings.push_back(payload);
        if self.pings.len() > PINGS_MAX {
            self.pings.pop_front();
        }
    }

    /// Time has passed.
    fn pass(&mut self, now: Instant) {
        self.clock = self.clock.max(now);
        self.glitches.fill(now);
        self.resets_left.fill(now);
    }

    /// A stream in its first state.
    fn new_stream(&self) -> Stream {
        Stream::new(
            SendWindow::new(self.peer.initial_window_size),
            ReceiveWindow::new(self.options.stream_window, self.stream_window),
        )
    }
}

/// Streams open at once on a connection, whatever the peer allows: bounds the table of streams in
/// both roles. Our limit: four times what APNs allows.
pub(in crate::http2) const STREAMS_MAX: u32 = 4096;

/// PINGs whose answer is awaited. Our limit: keep-alive has one under way.
const PINGS_MAX: usize = 16;
