//! Requests out (client role).

use std::time::Instant;

use super::super::head::{HeadSurvey, Method};
use super::super::stream::Writing;
use super::super::{Event, Field, Indexing, SendError, StreamId, frame, hpack};
use super::{Connection, Role, STREAMS_MAX};

/// Names a template of request fields (see `Connection::add_template`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateId(u8);

/// Request fields that repeat.
#[derive(Debug)]
pub(super) struct RegisteredTemplate {
    encoding: hpack::Template,
    /// `None` if it is no legal part of a head: its requests are refused.
    survey: Option<HeadSurvey>,
}

impl RegisteredTemplate {
    fn new(pseudo: &[Field<'_>], fields: &[Field<'_>]) -> Self {
        Self {
            encoding: hpack::Template::new(pseudo, fields),
            survey: HeadSurvey::of_sent(pseudo, fields).ok(),
        }
    }
}

impl Connection {
    /// Streams that may be opened right now; 0 after GOAWAY, when draining, or at the last ids.
    pub fn available_streams(&self) -> usize {
        if self.closed || self.role == Role::Server || !self.farewell.is_far() {
            return 0;
        }
        let limit = if self.settings_received {
            self.peer.max_concurrent_streams.unwrap_or(STREAMS_MAX)
        } else {
            self.options.streams_before_settings
        };
        let numbers = LAST_REQUEST_STREAM.saturating_sub(self.highest).div_ceil(2);
        let open = u32::try_from(self.streams.len()).unwrap_or(u32::MAX);
        let free = limit.min(STREAMS_MAX).saturating_sub(open).min(numbers);
        usize::try_from(free).unwrap_or(usize::MAX)
    }

    /// Registers request fields that repeat: pseudo-headers and fields, each `Indexing::Indexed`.
    /// Their encoding is cached until the dynamic table changes. At most `TEMPLATES_MAX` (16):
    /// `None` beyond. `replace_template` changes one (new auth token). Requests with a template
    /// whose fields are illegal are refused with `SendError::BadHead`.
    pub fn add_template(
        &mut self,
        pseudo: &[Field<'_>],
        fields: &[Field<'_>],
    ) -> Option<TemplateId> {
        if self.templates.len() >= TEMPLATES_MAX {
            return None;
        }
        let id = u8::try_from(self.templates.len()).ok()?;
        self.templates.push(RegisteredTemplate::new(pseudo, fields));
        Some(TemplateId(id))
    }

    /// Changes the fields of a template for the requests that follow.
    pub fn replace_template(&mut self, id: TemplateId, pseudo: &[Field<'_>], fields: &[Field<'_>]) {
        if let Some(template) = self.templates.get_mut(usize::from(id.0)) {
            *template = RegisteredTemplate::new(pseudo, fields);
        }
    }

    /// A whole request: template's pseudo-headers, `extra_pseudo` (APNs: `:path`), the template's
    /// fields, `extra`; content-length is added by the connection. Content that the windows do not
    /// let out yet is kept and sent as they open.
    pub fn send_request(
        &mut self,
        template: TemplateId,
        extra_pseudo: &[Field<'_>],
        extra: &[Field<'_>],
        content: &[u8],
        _now: Instant,
    ) -> Result<StreamId, SendError> {
        if self.available_streams() == 0 {
            return Err(SendError::NoStream);
        }
        let at = usize::from(template.0);
        let template = self.templates.get_mut(at).ok_or(SendError::BadHead)?;
        let survey = HeadSurvey::of_sent(extra_pseudo, extra)
            .and_then(|survey| template.survey.ok_or("illegal template")?.join(survey))
            .map_err(|_| SendError::BadHead)?;
        let mut digits = [0; MAX_DIGITS];
        let length = Field {
            name: b"content-length",
            value: decimal(content.len(), &mut digits),
            indexing: Indexing::Literal,
        };
        // RFC 9110 §8.6: a method that expects content says so even if there is none.
        let wants_length = !content.is_empty() || survey.method == Method::Post;
        let length = (wants_length && !survey.has_content_length()).then_some(length);
        let list_size = survey
            .list_size
            .saturating_add(length.map_or(0, |field| field.list_size()));
        if !survey.has_request_pseudo_headers() {
            return Err(SendError::BadHead);
        }

        let opened_at = self.output.position();
        let out = self.output.bytes();
        let start = frame::open_headers(out);
        self.encoder.begin(out);
        template.encoding.encode_pseudo(&mut self.encoder, out);
        for field in extra_pseudo {
            self.encoder.field(field, out);
        }
        template.encoding.encode_fields(&mut self.encoder, out);
        for field in extra.iter().chain(length.as_ref()) {
            self.encoder.field(field, out);
        }
        let id = self.open_stream(opened_at, survey.method, Writing::Done);
        let end_stream = content.is_empty();
        let max_frame = self.peer.max_frame_size;
        frame::close_headers(self.output.bytes(), start, id, end_stream, max_frame);
        if end_stream {
            self.sent_end(id);
        } else {
            self.put_content(id, content, true);
        }
        self.look_at_list_size(list_size);
        Ok(id)
    }

    /// Opens a request with arbitrary fields (content follows by `send_data` unless `end_stream`).
    /// A content-length is the caller's to give, and to keep.
    pub fn open_request(
        &mut self,
        fields: &[Field<'_>],
        end_stream: bool,
        _now: Instant,
    ) -> Result<StreamId, SendError> {
        if self.available_streams() == 0 {
            return Err(SendError::NoStream);
        }
        let is_pseudo = |field: &Field<'_>| field.name.starts_with(b":");
        let pseudo = fields.iter().take_while(|field| is_pseudo(field)).count();
        let survey = fields
            .split_at_checked(pseudo)
            .and_then(|(pseudo, fields)| HeadSurvey::of_sent(pseudo, fields).ok())
            .filter(|survey| survey.has_request_pseudo_headers())
            .ok_or(SendError::BadHead)?;
        self.look_at_list_size(survey.list_size);

        let opened_at = self.output.position();
        let max_frame = self.peer.max_frame_size;
        let out = self.output.bytes();
        let start = frame::open_headers(out);
        self.encoder.begin(out);
        for field in fields {
            self.encoder.field(field, out);
        }
        let writing = if end_stream {
            Writing::Done
        } else {
            Writing::Content
        };
        let id = self.open_stream(opened_at, survey.method, writing);
        frame::close_headers(self.output.bytes(), start, id, end_stream, max_frame);
        if end_stream {
            self.sent_end(id);
        }
        Ok(id)
    }

    /// Reports a request of more fields than the server likes to take. It is sent all the same: the
    /// limit is advisory, and says nothing of what becomes of a request (RFC 9113 §6.5.2).
    fn look_at_list_size(&mut self, size: usize) {
        let limit = self.peer.max_header_list_size.filter(|max| size > *max);
        if let Some(limit) = limit.filter(|limit| self.exceeded != Some(*limit)) {
            self.exceeded = Some(limit);
            self.events.push_back(Event::ListExceeded { size, limit });
        }
    }

    /// Takes the next stream number, which `available_streams` said is there. With the last one
    /// the connection begins to leave, since no other request can follow.
    fn open_stream(&mut self, opened_at: u64, method: Method, writing: Writing) -> StreamId {
        let id = self.highest.saturating_add(1) | 1;
        self.highest = id;
        if id >= LAST_REQUEST_STREAM {
            self.retire("its stream numbers are used up");
        }
        let mut stream = self.new_stream();
        stream.opened_at = opened_at;
        stream.head_request = method == Method::Head;
        stream.writing = writing;
        self.streams.insert(id, stream);
        id
    }
}

/// `n` in decimal digits.
fn decimal(mut n: usize, digits: &mut [u8; MAX_DIGITS]) -> &[u8] {
    let mut used = 0_usize;
    for place in digits.iter_mut().rev() {
        *place = b'0'.saturating_add(u8::try_from(n % 10).unwrap_or(0));
        used = used.saturating_add(1);
        n /= 10;
        if n == 0 {
            break;
        }
    }
    digits
        .get(MAX_DIGITS.saturating_sub(used)..)
        .unwrap_or_default()
}

/// Digits of the largest `u64`.
const MAX_DIGITS: usize = 20;

/// Templates of a connection. Our limit: the kinds of requests that one lane sends are a handful.
const TEMPLATES_MAX: usize = 16;

/// The last stream that is opened, of 2^31-1 that RFC 9113 §5.1.1 allows: numbers cannot be used
/// again, and what is left keeps a peer's arithmetic away from its own edge. Reached after 30 h
/// of 10,000 requests per second.
pub(in crate::http2) const LAST_REQUEST_STREAM: StreamId = 0x7ffe_ffff;

#[cfg(test)]
impl TemplateId {
    /// Names the first template of any connection.
    pub(in crate::http2) fn for_tests() -> Self {
        Self(0)
    }
}
