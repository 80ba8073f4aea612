//! How streams and the connection end (RFC 9113 §5.4, §6.4, §6.8), each exactly once.

use super::super::error::Violation;
use super::super::output::Provoked;
use super::super::stream::{MessagePart, Stream, Waiting, Writing};
use super::super::{Cause, ErrorCode, Event, Fate, StreamId, frame};
use super::{Connection, Role};

impl Connection {
    /// Sends `RST_STREAM` and forgets the stream; no event of it follows, queued ones are dropped.
    /// Credit for what was not released, and for what arrives late, is given back.
    pub fn reset(&mut self, stream: StreamId, code: ErrorCode) {
        if self.remove(stream).is_some() {
            frame::put_rst_stream(self.output.bytes(), stream, code);
            self.remember_reset(stream);
        }
        self.events.retain(|event| event.stream() != Some(stream));
        self.close_if_done();
    }

    /// GOAWAY with that code and closed at once; open streams fail.
    pub fn close(&mut self, code: ErrorCode) {
        if !self.closed {
            self.end_with_goaway(code, &[], Cause::ClosedByUs);
        }
    }

    /// The transport is at its end (EOF or I/O error).
    pub fn transport_closed(&mut self) {
        self.output.clear();
        self.end(self.farewell.cause(Cause::TransportClosed));
    }

    /// Acts on a fault of the peer.
    pub(super) fn punish(&mut self, violation: Violation) {
        match violation {
            Violation::Connection(code, rule) => {
                let cause = Cause::ConnectionError(code, rule);
                self.end_with_goaway(code, rule.as_bytes(), cause);
            }
            Violation::OurLimit(id, rule) => {
                self.give_up(id, ErrorCode::CANCEL, Cause::OurLimit(rule));
            }
            Violation::Stream(id, code, rule) => {
                self.give_up(id, code, Cause::StreamError(code, rule));
                // A peer that makes us reset streams costs no less than one that resets them
                // itself (CVE-2025-8671).
                if !self.resets_left.take() {
                    return self.punish(Violation::calm("too many faults on streams"));
                }
                if self.resets.queued(self.output.position()).is_none() {
                    self.punish(Violation::calm(
                        "more than 256 RST_STREAMs waiting to be read",
                    ));
                }
            }
        }
    }

    /// Resets a stream that is not to go on, and says why.
    pub(super) fn give_up(&mut self, id: StreamId, code: ErrorCode, cause: Cause) {
        frame::put_rst_stream(self.output.bytes(), id, code);
        self.remember_reset(id);
        self.fail(id, Fate::Unknown, cause);
    }

    /// The peer's `RST_STREAM` (RFC 9113 §6.4).
    pub(super) fn on_rst_stream(&mut self, id: StreamId, code: ErrorCode) -> Result<(), Violation> {
        if !self.streams.contains_key(&id) {
            self.check_not_idle(id)?;
            return self.count_glitch();
        }
        // Work that was begun for it is lost (CVE-2023-44487).
        if self.role == Role::Server && !self.resets_left.take() {
            return Err(Violation::calm("too many streams reset"));
        }
        let fate = match (self.role, code) {
            (Role::Client, ErrorCode::REFUSED_STREAM) => Fate::NotProcessed,
            _ => Fate::Unknown,
        };
        self.fail(id, fate, Cause::ResetByPeer(code));
        Ok(())
    }

    /// Takes a stream out, gives its credit back and tells its end unless that was told already.
    pub(super) fn fail(&mut self, id: StreamId, fate: Fate, cause: Cause) {
        if let Some(stream) = self.remove(id).filter(Stream::receives) {
            let fate = match (fate, stream.reading) {
                // Whoever has begun to answer has processed the request, whatever it says later.
                (Fate::NotProcessed, MessagePart::Content) => Fate::Unknown,
                _ => fate,
            };
            self.events.push_back(Event::StreamFailed {
                stream: id,
                fate,
                cause,
            });
        }
    }

    /// Takes a stream out and gives back to the connection's window what it holds of it.
    pub(super) fn remove(&mut self, id: StreamId) -> Option<Stream> {
        let stream = self.streams.remove(&id)?;
        let waiting = stream.waiting.as_deref().map_or(0, Waiting::unsent);
        self.buffered = self.buffered.saturating_sub(waiting);
        if stream
            .waiting
            .as_ref()
            .is_some_and(|waiting| waiting.in_round)
        {
            self.round.retain(|other| *other != id);
        }
        self.release_connection(stream.unreleased);
        Some(stream)
    }

    /// Frames may still come on a stream that the server reset. A client needs no memory of it:
    /// nothing that a server sends on a closed stream is worth an error.
    pub(super) fn remember_reset(&mut self, id: StreamId) {
        if self.role == Role::Server {
            self.reset_by_us.push_back(id);
            if self.reset_by_us.len() > REMEMBERED_RESETS {
                self.reset_by_us.pop_front();
            }
        }
    }

    fn end_with_goaway(&mut self, code: ErrorCode, debug: &[u8], cause: Cause) {
        // The peer opened no streams of a server, and does all of a client's up to the highest.
        let last = match self.role {
            Role::Client => 0,
            Role::Server => self.highest,
        };
        self.cut_unsent();
        self.put_goaway(last, code, debug);
        self.end(cause);
    }

    /// Client role: whether no byte of that request was handed to the transport.
    pub fn is_unsent(&self, stream: StreamId) -> bool {
        let stream = self.streams.get(&stream);
        self.role == Role::Client && stream.is_some_and(|s| !self.output.is_taken(s.opened_at))
    }

    /// Client role: takes back every request of which no byte was handed to the transport. Each
    /// fails with `Fate::NotSent`, and will never be sent. Field blocks that were encoded behind
    /// theirs cannot be sent any more: those of requests that were reset meanwhile go with them,
    /// and no further stream is opened, so that the connection ends with those that were sent. Does
    /// nothing while one of those may still have trailers, whose block would be one of the encoded
    /// ones.
    pub fn take_back_unsent(&mut self) {
        if self.closed || self.role == Role::Server {
            return;
        }
        let unsent: Vec<StreamId> = self
            .streams_above(0)
            .into_iter()
            .filter(|id| self.is_unsent(*id))
            .collect();
        let Some(&first) = unsent.first() else {
            return;
        };
        let opened_at = self.streams.get(&first).map(|stream| stream.opened_at);
        let may_have_trailers = |stream: &Stream| match stream.writing {
            Writing::Done => stream
                .waiting
                .as_ref()
                .is_some_and(|waiting| waiting.trailers.is_some()),
            Writing::Head | Writing::Content => true,
        };
        let mut sent = self.streams.iter().filter(|(id, _)| !unsent.contains(id));
        if sent.any(|(_, stream)| may_have_trailers(stream)) {
            return;
        }
        // Later streams begin behind it.
        let content = opened_at.and_then(|at| self.output.cut_streams(at, first));
        let Some(content) = content else {
            return;
        };
        // It was never sent: others may send as much.
        self.send_window.take_back(content);
        self.resets = Provoked::default();
        self.retire("requests that were not sent were taken back");
        for id in unsent {
            self.fail(id, Fate::NotSent, Cause::ClosedByUs);
        }
        self.let_out_content();
        self.close_if_done();
    }

    /// Takes back the output from the first request on of which nothing was handed over: those
    /// requests are reported as not sent, and the bytes in between are of failing streams.
    fn cut_unsent(&mut self) {
        if self.role == Role::Client {
            let begins = self.streams.values().map(|stream| stream.opened_at);
            if let Some(first) = begins.filter(|at| !self.output.is_taken(*at)).min() {
                self.output.cut(first);
            }
        }
    }

    /// The terminal state: every open stream fails, then `Event::Closed`.
    pub(super) fn end(&mut self, cause: Cause) {
        if self.closed {
            return;
        }
        self.closed = true;
        for id in self.streams_above(0) {
            let sent = self
                .streams
                .get(&id)
                .is_some_and(|s| self.output.is_taken(s.opened_at));
            let fate = if sent || self.role == Role::Server {
                Fate::Unknown
            } else {
                Fate::NotSent
            };
            self.fail(id, fate, cause);
        }
        self.block = None;
        self.input.skip(0);
        self.round.clear();
        self.events.push_back(Event::Closed { cause });
    }
}

/// Streams that a server reset and remembers as such. Our limit: frames under way at the time of
/// a reset come within a round trip, in which a peer opens no more streams than this.
const REMEMBERED_RESETS: usize = 256;
