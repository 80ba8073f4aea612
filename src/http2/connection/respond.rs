//! Responses out, and the limit on streams (server role).

use super::super::head::HeadSurvey;
use super::super::stream::Writing;
use super::super::{Field, Indexing, SendError, StreamId, frame};
use super::{Connection, Role};

impl Connection {
    /// An interim (1xx) response head; 101 does not exist in HTTP/2.
    pub fn send_interim(&mut self, stream: StreamId, status: u16) -> Result<(), SendError> {
        if !(100..200).contains(&status) || status == 101 {
            return Err(SendError::BadHead);
        }
        self.check_head_wanted(stream)?;
        self.put_response_head(stream, status, &[], false);
        Ok(())
    }

    /// A response head with, if `content` is `Some`, whole content and `END_STREAM`.
    /// `content: None` leaves the stream open for `send_data`. A content-length is the caller's
    /// to give. Where there can be no content (an answer to HEAD, 204, 304) the head ends the
    /// stream whatever `content` is.
    pub fn send_response(
        &mut self,
        stream: StreamId,
        status: u16,
        fields: &[Field<'_>],
        content: Option<&[u8]>,
    ) -> Result<(), SendError> {
        let head_request = self.check_head_wanted(stream)?;
        HeadSurvey::of_sent(&[], fields).map_err(|_| SendError::BadHead)?;
        if !(200..1000).contains(&status) {
            return Err(SendError::BadHead);
        }
        let content = match status {
            204 | 304 => Some(&[][..]),
            _ if head_request => Some(&[][..]),
            _ => content,
        };
        let end_stream = content.is_some_and(<[u8]>::is_empty);
        if let Some(entry) = self.streams.get_mut(&stream) {
            let whole = content.is_some();
            entry.writing = if whole {
                Writing::Done
            } else {
                Writing::Content
            };
        }
        self.put_response_head(stream, status, fields, end_stream);
        if end_stream {
            self.sent_end(stream);
        } else if let Some(content) = content {
            self.put_content(stream, content, true);
        }
        self.close_if_done();
        Ok(())
    }

    /// The stream is a request that has no final head; says if that request is a HEAD.
    fn check_head_wanted(&self, stream: StreamId) -> Result<bool, SendError> {
        let entry = self
            .streams
            .get(&stream)
            .filter(|_| self.role == Role::Server);
        let entry = entry.ok_or(SendError::StreamClosed)?;
        match entry.writing {
            Writing::Head => Ok(entry.head_request),
            Writing::Content | Writing::Done => Err(SendError::StreamClosed),
        }
    }

    fn put_response_head(
        &mut self,
        stream: StreamId,
        status: u16,
        fields: &[Field<'_>],
        end_stream: bool,
    ) {
        let max_frame = self.peer.max_frame_size;
        let digit = |place: u16| {
            let digit = status.checked_div(place).unwrap_or(0) % 10;
            b'0'.saturating_add(u8::try_from(digit).unwrap_or(0))
        };
        let status = Field {
            name: b":status",
            value: &[digit(100), digit(10), digit(1)],
            indexing: Indexing::Indexed,
        };
        let out = self.output.bytes();
        let start = frame::open_headers(out);
        self.encoder.begin(out);
        self.encoder.field(&status, out);
        for field in fields {
            self.encoder.field(field, out);
        }
        frame::close_headers(out, start, stream, end_stream, max_frame);
    }
}
