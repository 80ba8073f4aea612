//! Answers, and how they become bytes.
//!
//! Pure: no I/O; time is an argument.

use std::borrow::Cow;
use std::io::Cursor;

use tiny_http::{HTTPVersion, Header, Response, StatusCode};

use super::head::{Head, Refusal, Version};

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status code.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub body: Vec<u8>,
    /// Further fields, by name.
    pub fields: Vec<(&'static str, Cow<'static, str>)>,
    /// Whether the connection closes after it, whatever the client wants.
    pub close: bool,
}

impl Reply {
    /// An answer with a body.
    pub fn new(status: u16, content_type: &'static str, body: Vec<u8>) -> Self {
        Self {
            status,
            content_type,
            body,
            fields: Vec::new(),
            close: false,
        }
    }

    /// `{"message":"…"}` and a newline.
    pub fn message(status: u16, message: &str) -> Self {
        Self::explained(status, message, None)
    }

    /// `{"message":"…","error":"…"}` and a newline; without `error` if there is no more to say.
    pub fn explained(status: u16, message: &str, error: Option<&str>) -> Self {
        Self::json_line(status, &Message { message, error })
    }

    /// A value as one line of JSON.
    pub fn json_line(status: u16, value: &impl serde::Serialize) -> Self {
        let mut body = serde_json::to_vec(value).unwrap_or_default();
        body.push(b'\n');
        Self::new(status, JSON, body)
    }

    /// The same answer, which also says when to come back.
    #[must_use]
    pub fn with_retry_after(self, secs: u32) -> Self {
        self.with_field("Retry-After", secs.to_string())
    }

    /// The same answer, with a field more.
    #[must_use]
    pub fn with_field(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        self.fields.push((name, value.into()));
        self
    }

    /// The same answer, after which the connection closes.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.close = true;
        self
    }

    /// Appends the answer to `out`: the whole record, ready for one write.
    ///
    /// `head` is the request's, if there was one; it decides on version, body and `Connection`.
    /// `unix` is the time of the answer, in seconds since the epoch.
    pub fn render(self, head: Option<&Head>, unix: u64, out: &mut Vec<u8>) {
        let version = head.map_or(Version::Http11, |head| head.version);
        let keep = !self.close && head.is_some_and(|head| head.keep_alive);
        let is_head = head.is_some_and(|head| &*head.method == "HEAD");
        let mut fields = Vec::with_capacity(8);
        push_field(&mut fields, "Date", &http_date(unix));
        push_field(&mut fields, "Server", SERVER);
        push_field(&mut fields, "Content-Type", self.content_type);
        for (name, value) in &self.fields {
            push_field(&mut fields, name, value);
        }
        if self.status == 401 {
            // RFC 9110 §15.5.2
            push_field(&mut fields, "WWW-Authenticate", "Bearer");
        }
        if let Some(id) = head.and_then(|head| head.request_id.as_ref()) {
            push_field(&mut fields, "X-Request-Id", id.as_str());
        }
        if self.content_type == PLAIN_TEXT {
            push_field(&mut fields, "X-Content-Type-Options", "nosniff");
        }
        let length = self.body.len();
        let start = out.len();
        let response = Response::new(
            StatusCode(self.status),
            fields,
            Cursor::new(self.body),
            Some(length),
            None,
        )
        .with_chunked_threshold(usize::MAX);
        let version_number = match version {
            Version::Http10 => HTTPVersion(1, 0),
            Version::Http11 => HTTPVersion(1, 1),
        };
        // Writing to memory cannot fail.
        drop(response.raw_print(&mut *out, version_number, &[], is_head, None));
        let connection: &[u8] = match (keep, version) {
            (false, _) => b"Connection: close\r\n",
            (true, Version::Http10) => b"Connection: keep-alive\r\n",
            (true, Version::Http11) => return,
        };
        // tiny_http keeps the Connection field to itself, so it goes in behind the status line.
        let written = out.get(start..).unwrap_or_default();
        if let Some(line_end) = written.iter().position(|&byte| byte == b'\n') {
            let at = start + line_end + 1;
            drop(out.splice(at..at, connection.iter().copied()));
        }
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let reply = Self::message(refusal.status, &refusal.message).closing();
        match refusal.status {
            503 => reply.with_retry_after(RETRY_AFTER_SECS),
            _ => reply,
        }
    }
}

#[derive(serde::Serialize)]
struct Message<'a> {
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// A point in time, in seconds since the epoch, in the form of `Date` (RFC 9110 §5.6.7).
pub fn http_date(unix: u64) -> String {
    let seconds = i64::try_from(unix).unwrap_or(0);
    let at = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
    printer.timestamp_to_rfc9110_string(&at).unwrap_or_default()
}

/// A value that is no header text (not ASCII) is left out.
fn push_field(fields: &mut Vec<Header>, name: &'static str, value: &str) {
    if let Ok(field) = Header::from_bytes(name, value) {
        fields.push(field);
    }
}

/// What a client hears that waits before it sends a body (RFC 9110 §10.1.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// `Content-Type` of messages, as Gaurun's.
pub const JSON: &str = "application/json; charset=utf-8";

/// `Content-Type` of statistics, as Gaurun's.
pub const JSON_BARE: &str = "application/json";

/// `Content-Type` of the 404, as Go's.
pub const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// `Content-Type` of the redirect, as Go's.
pub const HTML: &str = "text/html; charset=utf-8";

/// When to come back after a 503: what is full now moves on within a second or stands still.
pub const RETRY_AFTER_SECS: u32 = 1;

/// Who answers.
pub const SERVER: &str = concat!("Sterna ", env!("CARGO_PKG_VERSION"));

#[cfg(test)]
mod tests;
