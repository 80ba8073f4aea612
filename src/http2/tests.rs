//! The connection against raw bytes, one module per section of RFC 9113; both roles joined; and
//! what never happens whatever comes.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    reason = "numbers of the tests' own choosing"
)]

mod concurrency;
mod continuation;
mod data;
mod errors;
mod field_blocks;
mod fields;
mod flow_control;
mod frame_format;
mod glitches;
mod goaway;
mod headers;
mod hostile;
mod joined;
mod messages;
mod odd;
mod ping;
mod preface;
mod priority;
mod pseudo_headers;
mod push_promise;
mod reaping;
mod reliability;
mod rst_stream;
mod settings_frame;
mod stream_numbers;
mod stream_states;
mod taken_back;
mod window_update;

use std::time::{Duration, Instant};

use super::frame::{CLIENT_PREFACE, FrameHeader};
use super::{
    Cause, Connection, ErrorCode, Event, Fate, Field, Indexing, Options, SendError, StreamId,
    TemplateId,
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PUSH_PROMISE: u8 = 5;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITIZED: u8 = 0x20;

/// `:status: 200`, all of a response head.
const OK_200: &[u8] = &[0x88];
/// `GET https /`, all of a request head.
const GET: &[u8] = &[0x82, 0x87, 0x84];
/// `POST https /`.
const POST: &[u8] = &[0x83, 0x87, 0x84];

/// A frame's bytes.
fn frame(kind: u8, flags: u8, stream: StreamId, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A SETTINGS frame's bytes.
fn settings(entries: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (id, value) in entries {
        payload.extend(id.to_be_bytes());
        payload.extend(value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, &payload)
}

fn window_update(stream: StreamId, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

fn rst_stream(stream: StreamId, code: ErrorCode) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.0.to_be_bytes())
}

fn goaway(last: StreamId, code: ErrorCode, debug: &[u8]) -> Vec<u8> {
    let payload = [&last.to_be_bytes(), &code.0.to_be_bytes(), debug].concat();
    frame(GOAWAY, 0, 0, &payload)
}

/// A field as HPACK's plainest literal.
fn literal(name: &str, value: &str) -> Vec<u8> {
    assert!(name.len() < 127 && value.len() < 127);
    let mut bytes = vec![0, name.len() as u8];
    bytes.extend(name.bytes());
    bytes.push(value.len() as u8);
    bytes.extend(value.bytes());
    bytes
}

fn field<'a>(name: &'a str, value: &'a str) -> Field<'a> {
    Field {
        name: name.as_bytes(),
        value: value.as_bytes(),
        indexing: Indexing::Literal,
    }
}

/// A frame that the connection sent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sent {
    kind: u8,
    flags: u8,
    stream: StreamId,
    payload: Vec<u8>,
}

/// Whole frames out of bytes.
fn frames(mut bytes: &[u8]) -> Vec<Sent> {
    let mut sent = Vec::new();
    while !bytes.is_empty() {
        let header = FrameHeader::parse(bytes).expect("nine bytes of a header");
        let end = 9 + header.length;
        sent.push(Sent {
            kind: header.kind.byte(),
            flags: header.flags,
            stream: header.stream,
            payload: bytes[9..end].to_vec(),
        });
        bytes = &bytes[end..];
    }
    sent
}

/// One end, and the tests in place of the other.
struct Side {
    connection: Connection,
    now: Instant,
    template: TemplateId,
}

impl Side {
    /// A client that has said nothing yet.
    fn fresh_client(options: Options) -> Self {
        let now = Instant::now();
        let mut connection = Connection::client(options, now);
        let template = connection
            .add_template(
                &[field(":method", "POST"), field(":scheme", "https")],
                &[field("content-type", "application/json")],
            )
            .expect("the first template");
        Self {
            connection,
            now,
            template,
        }
    }

    /// A server that has said nothing yet.
    fn fresh_server(options: Options) -> Self {
        let now = Instant::now();
        Self {
            connection: Connection::server(options, now),
            now,
            template: TemplateId::for_tests(),
        }
    }

    /// A client after both SETTINGS and their acknowledgements.
    fn client() -> Self {
        Self::client_with(Options::default(), &[])
    }

    fn client_with(options: Options, server_settings: &[(u16, u32)]) -> Self {
        let mut end = Self::fresh_client(options);
        end.connection.advance_output(24);
        end.receive(&settings(server_settings));
        end.receive(&frame(SETTINGS, ACK, 0, &[]));
        end.events();
        end.sent();
        end
    }

    /// A server after both SETTINGS and their acknowledgements.
    fn server() -> Self {
        Self::server_with(Options::default(), &[])
    }

    fn server_with(options: Options, client_settings: &[(u16, u32)]) -> Self {
        let mut end = Self::fresh_server(options);
        end.receive(CLIENT_PREFACE);
        end.receive(&settings(client_settings));
        end.receive(&frame(SETTINGS, ACK, 0, &[]));
        end.events();
        end.sent();
        end
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.connection.receive(bytes, self.now);
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.connection.poll_event()).collect()
    }

    /// Takes the output.
    fn sent(&mut self) -> Vec<Sent> {
        let sent = frames(self.connection.output());
        self.connection.advance_output(usize::MAX);
        sent
    }

    /// A POST with that content.
    fn request(&mut self, content: &[u8]) -> StreamId {
        self.connection
            .send_request(
                self.template,
                &[field(":path", "/")],
                &[],
                content,
                self.now,
            )
            .expect("a stream")
    }

    /// The head of a request.
    fn open(&mut self, method: &str, end_stream: bool) -> StreamId {
        let fields = [
            field(":method", method),
            field(":scheme", "https"),
            field(":path", "/"),
        ];
        let opened = self.connection.open_request(&fields, end_stream, self.now);
        opened.expect("a stream")
    }

    /// A request without content, all of it taken by the transport.
    fn sent_request(&mut self) -> StreamId {
        let stream = self.request(&[]);
        self.sent();
        stream
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.connection.handle_timeout(self.now);
    }

    /// The bytes end the connection with that code; nothing is taken afterwards.
    #[track_caller]
    fn expect_connection_error(&mut self, bytes: &[u8], code: ErrorCode) {
        self.receive(bytes);
        self.expect_closed_with(code);
    }

    #[track_caller]
    fn expect_closed_with(&mut self, code: ErrorCode) {
        let events = self.events();
        assert!(
            matches!(events.last(), Some(Event::Closed { cause: Cause::ConnectionError(c, _) }) if *c == code),
            "{events:?}"
        );
        let goaway = self.sent().pop().expect("a GOAWAY");
        assert_eq!(goaway.kind, GOAWAY);
        assert_eq!(goaway.payload[4..8], code.0.to_be_bytes());
        assert!(self.connection.is_closed());
        self.receive(&frame(PING, 0, 0, &[0; 8]));
        assert!(self.connection.output().is_empty());
        assert!(self.events().is_empty());
    }

    /// The bytes end that stream with that code, and nothing else.
    #[track_caller]
    fn expect_stream_error(&mut self, bytes: &[u8], stream: StreamId, code: ErrorCode) {
        self.receive(bytes);
        let events = self.events();
        assert!(
            matches!(events.last(), Some(Event::StreamFailed { stream: s, cause: Cause::StreamError(c, _), .. })
                if *s == stream && *c == code),
            "{events:?}"
        );
        self.expect_reset(stream, code);
        assert!(!self.connection.is_closed());
    }

    /// The last thing sent is an `RST_STREAM`.
    #[track_caller]
    fn expect_reset(&mut self, stream: StreamId, code: ErrorCode) {
        let sent = self.sent();
        let reset = sent.iter().rfind(|frame| frame.kind == RST_STREAM);
        let reset = reset.unwrap_or_else(|| panic!("no RST_STREAM among {sent:?}"));
        assert_eq!(
            (reset.stream, &reset.payload[..]),
            (stream, &code.0.to_be_bytes()[..])
        );
    }

    /// The bytes change nothing and cause nothing.
    #[track_caller]
    fn expect_ignored(&mut self, bytes: &[u8]) {
        self.receive(bytes);
        assert!(self.events().is_empty());
        assert!(self.sent().is_empty());
        assert!(!self.connection.is_closed());
    }
}
