//! Content and trailers out, credit back (RFC 9113 §5.2, §6.1, §6.9).

use std::collections::VecDeque;

use super::super::frame;
use super::super::head::HeadSurvey;
use super::super::stream::{Stream, StreamInput, StreamState, Waiting, Writing};
use super::super::{Field, SendError, StreamId};
use super::{Connection, Role};

impl Connection {
    /// Content for an open stream; kept if the windows do not let it out yet (see `unsent`).
    pub fn send_data(
        &mut self,
        stream: StreamId,
        content: &[u8],
        end_stream: bool,
    ) -> Result<(), SendError> {
        self.writable(stream, end_stream)?;
        self.put_content(stream, content, end_stream);
        self.close_if_done();
        Ok(())
    }

    /// Trailers, which end the stream once all content before them went out.
    pub fn send_trailers(
        &mut self,
        stream: StreamId,
        fields: &[Field<'_>],
    ) -> Result<(), SendError> {
        HeadSurvey::of_sent(&[], fields).map_err(|_| SendError::BadHead)?;
        let waiting = self.writable(stream, true)?.waiting.as_deref_mut();
        if let Some(waiting) = waiting {
            let own = |f: &Field<'_>| (f.name.into(), f.value.into(), f.indexing);
            waiting.trailers = Some(fields.iter().map(own).collect());
        } else {
            self.put_trailers(stream, fields.iter().copied());
        }
        self.close_if_done();
        Ok(())
    }

    /// Bytes of content of that stream that wait for a window, or for output to be taken.
    pub fn unsent(&self, stream: StreamId) -> usize {
        let waiting = self
            .streams
            .get(&stream)
            .and_then(|stream| stream.waiting.as_deref());
        waiting.map_or(0, Waiting::unsent)
    }

    /// Whether content waits that no window lets out: neither for its turn nor for the output.
    pub fn waits_for_window(&self) -> bool {
        let is_blocked = self.send_window.available() == 0 || self.round.is_empty();
        self.buffered > 0 && is_blocked && !self.output.is_full()
    }

    /// `n` bytes of that stream's `Event::Data` were consumed: gives credit back to the peer.
    ///
    /// When a stream ends, whatever was not released of it is given back by itself; releasing it
    /// afterwards does nothing.
    pub fn release(&mut self, stream: StreamId, n: usize) {
        let Some(entry) = self.streams.get_mut(&stream) else {
            return;
        };
        let n = n.min(entry.unreleased);
        entry.unreleased = entry.unreleased.saturating_sub(n);
        if n > 0
            && entry.receives()
            && let Some(increment) = entry.receive_window.release(n)
        {
            frame::put_window_update(self.output.bytes(), stream, increment);
        }
        self.release_connection(n);
    }

    /// Gives credit back on the connection alone.
    pub(super) fn release_connection(&mut self, n: usize) {
        if n > 0
            && !self.closed
            && let Some(increment) = self.receive_window.release(n)
        {
            frame::put_window_update(self.output.bytes(), 0, increment);
        }
    }

    /// A stream that takes content, ended for the caller if `end_stream`.
    fn writable(&mut self, id: StreamId, end_stream: bool) -> Result<&mut Stream, SendError> {
        let stream = self.streams.get_mut(&id).ok_or(SendError::StreamClosed)?;
        if stream.writing != Writing::Content || stream.state.after(StreamInput::Send).is_none() {
            return Err(SendError::StreamClosed);
        }
        if end_stream {
            stream.writing = Writing::Done;
        }
        Ok(stream)
    }

    /// Writes content as far as the windows let it, keeps the rest.
    pub(super) fn put_content(&mut self, id: StreamId, mut content: &[u8], end_stream: bool) {
        let max_frame = self.data_frame_max();
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        // Those who wait have their turn before newcomers, and content that goes on waits for the
        // output; what ends a message goes with its head. END_STREAM alone needs no window.
        let its_turn = self.round.is_empty() && (end_stream || !self.output.is_full());
        let mut direct = stream.waiting.is_none() && (its_turn || content.is_empty());
        while direct {
            let n = content
                .len()
                .min(max_frame)
                .min(self.send_window.available())
                .min(stream.send_window.available());
            let (part, rest) = content.split_at(n);
            let last = rest.is_empty();
            if n > 0 || (last && end_stream) {
                frame::put_data(self.output.bytes(), id, part, last && end_stream);
                self.send_window.charge(n);
                stream.send_window.charge(n);
            }
            if last {
                if end_stream {
                    self.sent_end(id);
                }
                return;
            }
            content = rest;
            direct = n > 0 && !self.output.is_full();
        }
        let waiting = stream.waiting.get_or_insert_default();
        waiting.append(content);
        waiting.end_stream |= end_stream;
        waiting.since.get_or_insert(self.clock);
        Self::join_round(&mut self.round, id, stream);
        self.buffered = self.buffered.saturating_add(content.len());
        self.let_out_content();
        self.bound_buffered(id);
    }

    /// Gives a stream its turn if it has something to send and a window to send it.
    pub(super) fn join_round(round: &mut VecDeque<StreamId>, id: StreamId, stream: &mut Stream) {
        if stream.send_window.available() > 0
            && let Some(waiting) = stream.waiting.as_deref_mut()
            && !waiting.in_round
        {
            waiting.in_round = true;
            round.push_back(id);
        }
    }

    /// Writes waiting content, a frame of each stream in turn, until a window or the output is
    /// used up.
    pub(super) fn let_out_content(&mut self) {
        while !self.output.is_full() && self.send_window.available() > 0 {
            let Some(id) = self.round.pop_front() else {
                return;
            };
            if self.let_out_frame(id) {
                self.round.push_back(id);
            }
        }
    }

    /// Writes the next DATA frame of a stream that has just left the round; whether it comes back.
    fn let_out_frame(&mut self, id: StreamId) -> bool {
        let max_frame = self.data_frame_max();
        let Some(stream) = self.streams.get_mut(&id) else {
            return false;
        };
        let Some(waiting) = stream.waiting.as_deref_mut() else {
            return false;
        };
        let n = waiting
            .unsent()
            .min(max_frame)
            .min(self.send_window.available())
            .min(stream.send_window.available());
        if n == 0 {
            // Its window was used up, or went below 0; its WINDOW_UPDATE brings it back.
            waiting.in_round = false;
            return false;
        }
        let end = waiting.sent.saturating_add(n);
        let part = waiting.content.get(waiting.sent..end).unwrap_or_default();
        let last = end >= waiting.content.len();
        let end_stream = last && waiting.end_stream;
        frame::put_data(self.output.bytes(), id, part, end_stream);
        waiting.sent = end;
        waiting.since = Some(self.clock);
        self.buffered = self.buffered.saturating_sub(n);
        self.send_window.charge(n);
        stream.send_window.charge(n);
        if !last {
            return true;
        }
        let trailers = waiting.trailers.take();
        stream.waiting = None;
        if let Some(trailers) = trailers {
            let fields = trailers.iter().map(|(name, value, indexing)| Field {
                name,
                value,
                indexing: *indexing,
            });
            self.put_trailers(id, fields);
        } else if end_stream {
            self.sent_end(id);
        }
        false
    }

    fn put_trailers<'a>(&mut self, id: StreamId, fields: impl Iterator<Item = Field<'a>>) {
        let max_frame = self.peer.max_frame_size;
        let out = self.output.bytes();
        let start = frame::open_headers(out);
        self.encoder.begin(out);
        for field in fields {
            self.encoder.field(&field, out);
        }
        frame::close_headers(out, start, id, true, max_frame);
        self.sent_end(id);
    }

    /// `END_STREAM` was written.
    pub(super) fn sent_end(&mut self, id: StreamId) {
        if self.role == Role::Server {
            self.glitches.answered();
        }
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.end(StreamInput::SendEnd);
            if stream.state == StreamState::Closed {
                self.remove(id);
            }
        }
    }

    fn data_frame_max(&self) -> usize {
        self.peer.max_frame_size.min(DATA_FRAME_MAX)
    }
}

/// Bytes of content per DATA frame, whatever more the peer allows: a stream's turn is short, and
/// a frame fits in a TLS record.
const DATA_FRAME_MAX: usize = 0x4000;
