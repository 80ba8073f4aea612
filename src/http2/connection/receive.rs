//! What each frame of the peer does (RFC 9113 §6), except those that carry field blocks.

use std::time::Instant;

use super::super::error::Violation;
use super::super::frame::{self, FrameHeader, HEADER_LEN, Kind};
use super::super::glitches::Glitch;
use super::super::stream::{StreamInput, StreamState, Waiting};
use super::super::{ErrorCode, Event, StreamId};
use super::{Connection, Role};

impl Connection {
    /// Takes bytes from the peer, all of them; after the terminal state they are swallowed.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) {
        self.pass(now);
        if !bytes.is_empty() {
            self.heard = now;
        }
        let mut bytes = self.receive_preface(bytes);
        while !self.closed && !bytes.is_empty() {
            match self.receive_frame(bytes, now) {
                Ok(rest) => bytes = rest,
                Err((rest, violation)) => {
                    self.punish(violation);
                    bytes = rest;
                }
            }
            self.close_if_done();
        }
    }

    /// Server role: takes the client preface (RFC 9113 §3.4); returns what is behind it.
    fn receive_preface<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let n = self.preface.len().min(bytes.len());
        let (preface, rest) = bytes.split_at(n);
        match self.preface.strip_prefix(preface) {
            Some(missing) => self.preface = missing,
            None if self.closed => {}
            None => self.punish(Violation::protocol("no HTTP/2 client preface")),
        }
        rest
    }

    /// Takes the first frame, or all bytes if it is not whole; returns what is behind it.
    fn receive_frame<'a>(
        &mut self,
        bytes: &'a [u8],
        now: Instant,
    ) -> Result<&'a [u8], (&'a [u8], Violation)> {
        let bytes = self.input.after_skipped(bytes);
        if self.input.is_between_frames()
            && let Some(header) = FrameHeader::parse(bytes)
        {
            let (_, behind) = bytes.split_at(HEADER_LEN);
            self.judge(header)
                .map_err(|violation| (behind, violation))?;
            if matches!(header.kind, Kind::Unknown(_)) {
                self.input.skip(header.length);
                let counted = self.count_glitch();
                return counted
                    .map(|()| behind)
                    .map_err(|violation| (behind, violation));
            }
            if let Some((payload, rest)) = behind.split_at_checked(header.length) {
                let result = self.on_frame(header, payload, now);
                return result.map(|()| rest).map_err(|violation| (rest, violation));
            }
        }
        self.assemble_frame(bytes, now)
    }

    /// Goes on with a frame that comes in pieces.
    fn assemble_frame<'a>(
        &mut self,
        bytes: &'a [u8],
        now: Instant,
    ) -> Result<&'a [u8], (&'a [u8], Violation)> {
        let judged = self.input.partial().len() >= HEADER_LEN;
        let (rest, complete) = self.input.fill(bytes, HEADER_LEN);
        let Some(header) = FrameHeader::parse(self.input.partial()) else {
            return Ok(rest);
        };
        if complete && !judged {
            self.judge(header).map_err(|violation| (rest, violation))?;
            if matches!(header.kind, Kind::Unknown(_)) {
                self.input.skip(header.length);
                let counted = self.count_glitch();
                return counted
                    .map(|()| rest)
                    .map_err(|violation| (rest, violation));
            }
        }
        let (rest, complete) = self
            .input
            .fill(rest, HEADER_LEN.saturating_add(header.length));
        if !complete {
            return Ok(rest);
        }
        let frame = self.input.take();
        let payload = frame.get(HEADER_LEN..).unwrap_or_default();
        let result = self.on_frame(header, payload, now);
        self.input.give_back(frame);
        result.map(|()| rest).map_err(|violation| (rest, violation))
    }

    /// Whether this frame may come now, by its nine bytes alone.
    fn judge(&self, header: FrameHeader) -> Result<(), Violation> {
        let acknowledges = header.kind == Kind::Settings && header.has(frame::ACK);
        if !self.settings_received
            && (acknowledges || !matches!(header.kind, Kind::Settings | Kind::GoAway))
        {
            // RFC 9113 §3.4; text of HTTP/1.1 ends here, too. APNs has sent GOAWAY instead.
            return Err(Violation::protocol("first frame is not SETTINGS"));
        }
        match (&self.block, header.kind) {
            (Some(block), Kind::Continuation) if block.stream == header.stream => {}
            (None, Kind::Continuation) => {
                return Err(Violation::protocol("CONTINUATION without a field block"));
            }
            (Some(_), _) => return Err(Violation::protocol("frame within a field block")),
            (None, _) => {}
        }
        header.check()
    }

    fn on_frame(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
        now: Instant,
    ) -> Result<(), Violation> {
        let id = header.stream;
        match header.kind {
            Kind::Data => self.on_data(header, payload),
            Kind::Headers => self.on_headers(header, payload, now),
            Kind::Continuation => self.on_continuation(header, payload),
            Kind::Priority => self.on_priority(id, payload),
            Kind::RstStream => self.on_rst_stream(id, ErrorCode(frame::number(payload))),
            Kind::Settings => self.on_settings(header, payload),
            Kind::PushPromise => Err(Violation::protocol("PUSH_PROMISE though push is disabled")),
            Kind::Ping => self.on_ping(header, payload),
            Kind::GoAway => {
                self.on_goaway(payload)?;
                if self.settings_received {
                    return Ok(());
                }
                Err(Violation::protocol("GOAWAY instead of SETTINGS"))
            }
            Kind::WindowUpdate => {
                self.on_window_update(id, frame::number(payload) & frame::STREAM_ID_MASK)
            }
            // Skipped before its payload came.
            Kind::Unknown(_) => Ok(()),
        }
    }

    /// RFC 9113 §6.1.
    fn on_data(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Violation> {
        let id = header.stream;
        let end_stream = header.has(frame::END_STREAM);
        let content = header.unpad(payload)?;
        self.receive_window
            .take(payload.len())
            .ok_or(Violation::flow_control(
                "more DATA than the connection's window",
            ))?;
        let Some(stream) = self.streams.get_mut(&id) else {
            self.release_connection(payload.len());
            return self.on_late_data(id);
        };
        stream.receive_data(id, payload.len(), content.len(), self.options.max_content)?;
        // A client's windows, and its limit on content, bound how many pieces an answer has. What a
        // server's windows made small is no fault.
        let forced = stream.receive_window.is_used_up() || self.receive_window.is_used_up();
        let small = self.role == Role::Server && content.len() < SMALL_DATA && !forced;
        let is_glitch = !end_stream && (content.is_empty() || small);
        if end_stream {
            stream.check_length(id)?;
            stream.end(StreamInput::ReceiveEnd);
        }
        self.release(id, payload.len().saturating_sub(content.len()));
        if end_stream || !content.is_empty() {
            self.report_data(id, content, end_stream);
        }
        if end_stream {
            self.message_complete(id);
        }
        if is_glitch {
            return self.count_glitch();
        }
        Ok(())
    }

    /// A frame that is legal and moves nothing. Of a server that sends more of them than its
    /// answers make up for, what is in flight is still awaited.
    pub(super) fn count_glitch(&mut self) -> Result<(), Violation> {
        match (self.glitches.count(), self.role) {
            (Glitch::Allowed, _) => Ok(()),
            (Glitch::TooMany, Role::Client) => {
                self.retire(TOO_MANY_GLITCHES);
                Ok(())
            }
            (Glitch::TooMany, Role::Server) | (Glitch::Flood, _) => {
                Err(Violation::calm(TOO_MANY_GLITCHES))
            }
        }
    }

    /// DATA on a stream that does not exist.
    fn on_late_data(&mut self, id: StreamId) -> Result<(), Violation> {
        self.check_not_idle(id)?;
        self.count_glitch()?;
        if self.role == Role::Client || self.reset_by_us.contains(&id) || self.farewell.excludes(id)
        {
            return Ok(());
        }
        Err(Violation::Stream(
            id,
            ErrorCode::STREAM_CLOSED,
            "DATA on a closed stream",
        ))
    }

    /// Puts content to the last event if that is content of the same stream, so that many small
    /// frames cost no more than a large one.
    fn report_data(&mut self, id: StreamId, content: &[u8], ended: bool) {
        if let Some(Event::Data {
            stream,
            data,
            end_stream,
        }) = self.events.back_mut()
            && *stream == id
        {
            data.extend_from_slice(content);
            *end_stream = ended;
        } else {
            self.events.push_back(Event::Data {
                stream: id,
                data: content.to_vec(),
                end_stream: ended,
            });
        }
    }

    /// The peer's message on that stream is complete and was reported.
    pub(super) fn message_complete(&mut self, id: StreamId) {
        if self.role == Role::Client {
            self.glitches.answered();
        }
        let Some(stream) = self.streams.get(&id) else {
            return;
        };
        if stream.state == StreamState::Closed {
            self.remove(id);
        } else if self.role == Role::Client {
            // The answer is there; a request of which content waits for a window would hold its
            // place among the streams for as long as the peer likes.
            self.remove(id);
            frame::put_rst_stream(self.output.bytes(), id, ErrorCode::NO_ERROR);
        }
    }

    /// RFC 9113 §6.3: PRIORITY does nothing, in whatever state the stream is.
    fn on_priority(&mut self, id: StreamId, payload: &[u8]) -> Result<(), Violation> {
        const RULE: &str = "PRIORITY not of 5 bytes";
        self.count_glitch()?;
        if payload.len() == 5 {
            return Ok(());
        }
        if self.check_not_idle(id).is_err() {
            // There is no stream that could be reset.
            return Err(Violation::frame_size(RULE));
        }
        if self.streams.contains_key(&id) {
            return Err(Violation::Stream(id, ErrorCode::FRAME_SIZE_ERROR, RULE));
        }
        Ok(())
    }

    /// RFC 9113 §6.7.
    fn on_ping(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Violation> {
        let payload = *payload
            .first_chunk::<8>()
            .ok_or(Violation::frame_size("PING not of 8 bytes"))?;
        if header.has(frame::ACK) {
            return self.on_pong(payload);
        }
        frame::put_ping(self.output.bytes(), payload, frame::ACK);
        self.count_glitch()
    }

    /// RFC 9113 §6.9. On a closed stream it is ignored: it may have been under way.
    fn on_window_update(&mut self, id: StreamId, increment: u32) -> Result<(), Violation> {
        const ZERO: &str = "WINDOW_UPDATE of 0";
        const OVERFLOW: &str = "WINDOW_UPDATE beyond 2^31-1";
        let is_of_use;
        if id == 0 {
            if increment == 0 {
                return Err(Violation::protocol(ZERO));
            }
            let gives_back = self
                .send_window
                .give(increment)
                .ok_or(Violation::flow_control(OVERFLOW))?;
            is_of_use = gives_back || self.send_window.available() <= self.buffered;
        } else {
            let Some(stream) = self.streams.get_mut(&id) else {
                self.check_not_idle(id)?;
                return self.count_glitch();
            };
            if increment == 0 {
                return Err(Violation::Stream(id, ErrorCode::PROTOCOL_ERROR, ZERO));
            }
            let gives_back = stream.send_window.give(increment).ok_or(Violation::Stream(
                id,
                ErrorCode::FLOW_CONTROL_ERROR,
                OVERFLOW,
            ))?;
            let waiting = stream.waiting.as_deref().map_or(0, Waiting::unsent);
            is_of_use = gives_back || stream.send_window.available() <= waiting;
            Self::join_round(&mut self.round, id, stream);
        }
        self.let_out_content();
        if is_of_use {
            return Ok(());
        }
        self.count_glitch()
    }

    /// For a stream that does not exist: closed ones may get late frames, idle ones none.
    pub(super) fn check_not_idle(&self, id: StreamId) -> Result<(), Violation> {
        if id > self.highest || id.is_multiple_of(2) {
            return Err(Violation::protocol("frame on an idle stream"));
        }
        Ok(())
    }
}

/// Bytes of content below which a DATA frame that a server gets is small unless it is the last.
pub(in crate::http2) const SMALL_DATA: usize = 64;

/// What is said of a peer that sends too many of them.
const TOO_MANY_GLITCHES: &str = "too many frames that move nothing";
