//! Field blocks of the peer (RFC 9113 §4.3) and the messages they belong to (§8.1).

use std::time::{Duration, Instant};

use super::super::error::Violation;
use super::super::fields::index;
use super::super::frame::{self, FrameHeader};
use super::super::head::{self, Method};
use super::super::hpack::{self, Decoded};
use super::super::stream::{Expected, MessagePart, StreamInput};
use super::super::{ErrorCode, Event, StreamId};
use super::{Connection, Role, STREAMS_MAX};

/// A field block of which fragments are still to come.
#[derive(Debug)]
pub(super) struct FieldBlock {
    pub(super) stream: StreamId,
    /// The HEADERS frame had `END_STREAM`: the stream ends with the block.
    end_stream: bool,
    /// At most `Connection::block_max`.
    bytes: Vec<u8>,
    continuations: u8,
    /// When it has to be complete.
    pub(super) deadline: Option<Instant>,
}

impl Connection {
    /// RFC 9113 §6.2. The priority fields do nothing.
    pub(super) fn on_headers(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), Violation> {
        let stream = header.stream;
        if self.role == Role::Client {
            self.check_not_idle(stream)?;
        } else if stream.is_multiple_of(2) {
            return Err(Violation::protocol("request on a stream of an even number"));
        }
        let fragment = header.field_block(payload)?;
        let end_stream = header.has(frame::END_STREAM);
        if header.has(frame::END_HEADERS) {
            return self.on_block(stream, end_stream, fragment);
        }
        self.block = Some(FieldBlock {
            stream,
            end_stream,
            bytes: fragment.to_vec(),
            continuations: 0,
            deadline: now.checked_add(BLOCK_TIMEOUT),
        });
        Ok(())
    }

    /// RFC 9113 §6.10; that it belongs to the block has been checked.
    pub(super) fn on_continuation(
        &mut self,
        header: FrameHeader,
        fragment: &[u8],
    ) -> Result<(), Violation> {
        let Some(mut block) = self.block.take() else {
            return Err(Violation::protocol("CONTINUATION without a field block"));
        };
        block.continuations = block.continuations.saturating_add(1);
        if block.continuations > CONTINUATIONS_FREE {
            self.count_glitch()?;
        }
        if block.bytes.len().saturating_add(fragment.len()) > self.block_max() {
            return Err(Violation::calm("field block longer than our limit"));
        }
        block.bytes.extend_from_slice(fragment);
        if header.has(frame::END_HEADERS) {
            return self.on_block(block.stream, block.end_stream, &block.bytes);
        }
        self.block = Some(block);
        Ok(())
    }

    /// Bytes of an encoded field block that we take.
    fn block_max(&self) -> usize {
        let list = index(self.options.max_header_list_size);
        list.saturating_mul(hpack::EXCESS).max(BLOCK_MAX)
    }

    /// A whole block. It is decoded whatever becomes of it: the next one builds on it.
    fn on_block(&mut self, id: StreamId, end_stream: bool, bytes: &[u8]) -> Result<(), Violation> {
        let decoded = self
            .decoder
            .decode(bytes)
            .map_err(|error| Violation::Connection(error.code(), error.rule()))?;
        let Some(stream) = self.streams.get(&id) else {
            return match self.role {
                Role::Client => self.count_glitch(),
                Role::Server => self.on_request(id, end_stream, decoded),
            };
        };
        stream.check_receives(id)?;
        match stream.reading {
            MessagePart::Head => self.on_response(id, end_stream, decoded),
            MessagePart::Content => self.on_trailers(id, end_stream, decoded),
        }
    }

    /// A response head, interim or final. Of one over our `MAX_HEADER_LIST_SIZE`, which binds no
    /// server (RFC 9113 §6.5.2), the fields within it count: its status is first.
    fn on_response(
        &mut self,
        id: StreamId,
        end_stream: bool,
        decoded: Decoded,
    ) -> Result<(), Violation> {
        let malformed = |rule| Violation::malformed(id, rule);
        let head = head::response(&decoded.fields).map_err(malformed)?;
        self.has_answered = true;
        let Some(stream) = self.streams.get_mut(&id) else {
            return Ok(());
        };
        if head.is_interim() {
            if end_stream {
                return Err(malformed("interim response with END_STREAM"));
            }
            stream.interims = stream.interims.saturating_add(1);
            let is_usual = stream.interims <= INTERIM_HEADS_FREE;
            self.events.push_back(Event::Interim {
                stream: id,
                status: head.status,
            });
            if is_usual {
                return Ok(());
            }
            return self.count_glitch();
        }
        stream.reading = MessagePart::Content;
        stream.expected = if stream.head_request {
            Expected::Nothing
        } else {
            head.expected
        };
        let length = if end_stream {
            stream.check_length(id)
        } else {
            Ok(())
        };
        let end_stream = end_stream && length.is_ok();
        if end_stream {
            stream.end(StreamInput::ReceiveEnd);
        }
        // What is wrong with its content does not take back the head.
        self.events.push_back(Event::Head {
            stream: id,
            fields: decoded.fields,
            end_stream,
        });
        if end_stream {
            self.message_complete(id);
        }
        length
    }

    fn on_trailers(
        &mut self,
        id: StreamId,
        end_stream: bool,
        decoded: Decoded,
    ) -> Result<(), Violation> {
        let malformed = |rule| Violation::malformed(id, rule);
        if !end_stream {
            return Err(malformed("second head, or trailers without END_STREAM"));
        }
        head::trailers(&decoded.fields).map_err(malformed)?;
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.check_length(id)?;
            stream.end(StreamInput::ReceiveEnd);
        }
        self.events.push_back(Event::Trailers {
            stream: id,
            fields: decoded.fields,
        });
        self.message_complete(id);
        Ok(())
    }

    /// Server role: a block on a stream that does not exist, usually a new one.
    fn on_request(
        &mut self,
        id: StreamId,
        end_stream: bool,
        decoded: Decoded,
    ) -> Result<(), Violation> {
        if id <= self.highest {
            // Trailers may have been under way when we reset the stream. Otherwise the number is
            // used again or is below another (RFC 9113 §5.1.1).
            if self.reset_by_us.contains(&id) || self.farewell.excludes(id) {
                return self.count_glitch();
            }
            return Err(Violation::Connection(
                ErrorCode::STREAM_CLOSED,
                "HEADERS on a closed stream",
            ));
        }
        self.highest = id;
        if self.farewell.excludes(id) {
            return Ok(());
        }
        if !self.has_room() {
            frame::put_rst_stream(self.output.bytes(), id, ErrorCode::REFUSED_STREAM);
            self.remember_reset(id);
            return Ok(());
        }
        if decoded.over_limit {
            let rule = "fields over our MAX_HEADER_LIST_SIZE";
            return Err(Violation::malformed(id, rule));
        }
        let head = head::request(&decoded.fields).map_err(|rule| Violation::malformed(id, rule))?;
        let mut stream = self.new_stream();
        stream.reading = MessagePart::Content;
        stream.expected = head.expected;
        stream.head_request = head.method == Method::Head;
        if end_stream {
            stream.check_length(id)?;
            stream.end(StreamInput::ReceiveEnd);
        }
        self.streams.insert(id, stream);
        self.events.push_back(Event::Head {
            stream: id,
            fields: decoded.fields,
            end_stream,
        });
        Ok(())
    }

    /// Server role: another stream is within the limit. RFC 9113 §5.1.2: refused, it may be tried
    /// again; refusals are no faults and not counted, `wants_input` bounds them.
    fn has_room(&self) -> bool {
        let limit = self.stream_limit.unwrap_or(STREAMS_MAX).min(STREAMS_MAX);
        u32::try_from(self.streams.len()).is_ok_and(|open| open < limit)
    }
}

/// CONTINUATION frames in a field block that cost nothing. Our limit, that of others.
const CONTINUATIONS_FREE: u8 = 8;

/// Interim (1xx) heads of a response that cost nothing. Our limit: few servers send more than one
/// or two, and each costs a decoding and an event.
const INTERIM_HEADS_FREE: u8 = 8;

/// Bytes of an encoded field block; more if a list of more than 16 KiB is taken. Our limit: four
/// times the list, as much as is decoded of one.
const BLOCK_MAX: usize = 0x1_0000;

/// From a block's HEADERS to its `END_HEADERS`. Our limit: a sender has the whole block when it
/// begins to send it, and nothing else may come in between.
const BLOCK_TIMEOUT: Duration = Duration::from_secs(10);
