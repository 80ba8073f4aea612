//! The head of a request: request line and fields, parsed by `httparse`, then judged.
//!
//! Pure: no I/O, no clock. What RFC 9112 lets a server refuse is refused here, once and strictly,
//! since two readings of one request are what request smuggling lives on.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::as_conversions)
)]

use std::borrow::Cow;

use super::request_id::RequestId;
use super::traceparent::{self, Traceparent};

/// What a client gets instead of an answer when its request cannot be read; closes the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status code.
    pub status: u16,
    /// Why, for the client's operator.
    pub message: Cow<'static, str>,
}

impl Refusal {
    /// A refusal with a fixed sentence.
    pub const fn new(status: u16, message: &'static str) -> Self {
        Self {
            status,
            message: Cow::Borrowed(message),
        }
    }

    /// A body in a content coding.
    pub fn coded(coding: &str) -> Self {
        Self {
            status: 415,
            message: Cow::Owned(format!(
                "request body has the content coding {coding}; send it without Content-Encoding"
            )),
        }
    }

    /// A body longer than the limit.
    pub fn too_large(limit: usize) -> Self {
        Self {
            status: 413,
            message: Cow::Owned(format!("request body is over the limit({limit} bytes)")),
        }
    }
}

/// The versions we speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0: the connection closes unless the client asks otherwise.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// How the body is delimited (RFC 9112 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By its length in bytes; 0 when the client names neither length nor coding.
    Length(u64),
    /// By the chunked transfer coding.
    Chunked,
}

/// The head of a request that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The method, as sent.
    pub method: Box<str>,
    /// The request target, as sent.
    pub target: Box<str>,
    /// The protocol version.
    pub version: Version,
    /// Where the body ends.
    pub framing: Framing,
    /// Whether the client wants the connection kept.
    pub keep_alive: bool,
    /// Whether the client waits for `100 Continue` before it sends the body.
    pub expects_continue: bool,
    /// `Idempotency-Key`, as sent: 1 to [`MAX_KEY`] visible characters.
    pub idempotency_key: Option<Box<str>>,
    /// The value of `Authorization`, if there is one.
    pub authorization: Option<Box<[u8]>>,
    /// The value of `Host`, if there is one.
    pub host: Option<Box<[u8]>>,
    /// The value of `Origin`, if there is one: a browser's.
    pub origin: Option<Box<[u8]>>,
    /// The value of `Sec-Fetch-Site`, if there is one: a browser's.
    pub fetch_site: Option<Box<[u8]>>,
    /// `X-Request-Id`, if it is one; else the one that we give the request.
    pub request_id: Option<RequestId>,
    /// `traceparent`, or why what stands there is none.
    pub traceparent: Option<Result<Traceparent, &'static str>>,
    /// The value of `Accept`, if it names `OpenMetrics`: nothing else is there in several forms.
    pub accept: Option<Box<[u8]>>,
    /// What `Content-Encoding` says that the body is coded by, if it does.
    pub coding: Option<&'static str>,
}

impl Head {
    /// Parses a complete head, as delimited by [`HeadScan`].
    ///
    /// # Errors
    ///
    /// What its client is to be told of it.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        Self::parse_each(bytes, |_, _| {})
    }

    /// Parses a head as [`Head::parse`] does, and hands the name and value of each field to `each`.
    ///
    /// # Errors
    ///
    /// Those of [`Head::parse`].
    pub fn parse_each(bytes: &[u8], mut each: impl FnMut(&str, &[u8])) -> Result<Self, Refusal> {
        let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
        let mut request = httparse::Request::new(&mut fields);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(_)) => {}
            Err(httparse::Error::TooManyHeaders) => {
                return Err(Refusal::new(431, "request has over 64 header fields"));
            }
            Err(httparse::Error::Version) => return Err(wrong_version(bytes)),
            Ok(httparse::Status::Partial) | Err(_) => return Err(BAD_REQUEST),
        }
        let (Some(method), Some(target), Some(minor)) =
            (request.method, request.path, request.version)
        else {
            return Err(BAD_REQUEST);
        };
        let version = if minor == 0 {
            Version::Http10
        } else {
            Version::Http11
        };
        let facts = Facts::gather(request.headers)?;
        for field in request.headers.iter() {
            each(field.name, field.value);
        }
        Ok(Self {
            method: method.into(),
            target: target.into(),
            version,
            framing: facts.framing(version)?,
            keep_alive: facts.keep_alive(version),
            expects_continue: facts.expects_continue && version == Version::Http11,
            idempotency_key: facts.idempotency_key,
            authorization: facts.authorization,
            host: facts.host,
            origin: facts.origin,
            fetch_site: facts.fetch_site,
            request_id: facts.request_id,
            traceparent: facts.traceparent,
            accept: facts.accept,
            coding: facts.coding,
        })
    }

    /// The request's id; empty before it has one.
    pub fn id(&self) -> &str {
        self.request_id.as_ref().map_or("", RequestId::as_str)
    }

    /// The place in the caller's trace; empty if it has said none.
    pub fn trace(&self) -> &str {
        let said = self
            .traceparent
            .as_ref()
            .and_then(|said| said.as_ref().ok());
        said.map_or("", Traceparent::as_str)
    }

    /// The version's name.
    pub const fn proto(&self) -> &'static str {
        match self.version {
            Version::Http10 => "HTTP/1.0",
            Version::Http11 => "HTTP/1.1",
        }
    }

    /// The body's length as logs have it: -1 for a chunked one.
    pub fn content_length(&self) -> i64 {
        match self.framing {
            Framing::Length(length) => i64::try_from(length).unwrap_or(i64::MAX),
            Framing::Chunked => -1,
        }
    }
}

/// The fields that decide how a message is read, who sent it and how it is named; all others are
/// skipped.
#[derive(Default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "what was seen, each on its own"
)]
struct Facts {
    host: Option<Box<[u8]>>,
    length: Option<u64>,
    chunked: bool,
    coding: Option<&'static str>,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    idempotency_key: Option<Box<str>>,
    authorization: Option<Box<[u8]>>,
    origin: Option<Box<[u8]>>,
    fetch_site: Option<Box<[u8]>>,
    request_id: Option<RequestId>,
    traceparent: Option<Result<Traceparent, &'static str>>,
    accept: Option<Box<[u8]>>,
}

impl Facts {
    fn gather(fields: &[httparse::Header<'_>]) -> Result<Self, Refusal> {
        let mut facts = Self::default();
        for field in fields {
            if field.name.eq_ignore_ascii_case("host") {
                once(&mut facts.host, field, "request has two Host fields")?;
            } else if field.name.eq_ignore_ascii_case("content-length") {
                if facts.length.is_some() {
                    return Err(Refusal::new(400, "request has two Content-Length fields"));
                }
                facts.length = Some(content_length(field.value)?);
            } else if field.name.eq_ignore_ascii_case("transfer-encoding") {
                if facts.chunked || !field.value.eq_ignore_ascii_case(b"chunked") {
                    return Err(Refusal::new(
                        400,
                        "only one transfer coding is known: chunked",
                    ));
                }
                facts.chunked = true;
            } else if field.name.eq_ignore_ascii_case("content-encoding") {
                facts.coding = coding(field.value).or(facts.coding);
            } else if field.name.eq_ignore_ascii_case("connection") {
                for option in field.value.split(|&byte| byte == b',') {
                    let option = option.trim_ascii();
                    facts.close |= option.eq_ignore_ascii_case(b"close");
                    facts.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
                }
            } else if field.name.eq_ignore_ascii_case("expect") {
                if !field.value.eq_ignore_ascii_case(b"100-continue") {
                    return Err(Refusal::new(
                        417,
                        "only one expectation is known: 100-continue",
                    ));
                }
                facts.expects_continue = true;
            } else if field.name.eq_ignore_ascii_case("idempotency-key") {
                if facts.idempotency_key.is_some() {
                    return Err(Refusal::new(400, "request has two Idempotency-Key fields"));
                }
                facts.idempotency_key = Some(idempotency_key(field.value)?);
            } else if field.name.eq_ignore_ascii_case("authorization") {
                let twice = "request has two Authorization fields";
                once(&mut facts.authorization, field, twice)?;
            } else if field.name.eq_ignore_ascii_case("origin") {
                once(&mut facts.origin, field, "request has two Origin fields")?;
            } else if field.name.eq_ignore_ascii_case("sec-fetch-site") {
                let twice = "request has two Sec-Fetch-Site fields";
                once(&mut facts.fetch_site, field, twice)?;
            } else if field.name.eq_ignore_ascii_case("accept") {
                // Most callers say that they take anything, which nobody has to remember.
                if contains(field.value, b"openmetrics") {
                    facts.accept.get_or_insert_with(|| field.value.into());
                }
            } else if field.name.eq_ignore_ascii_case("x-request-id") {
                facts.request_id = RequestId::of_caller(field.value).or(facts.request_id);
            } else if field.name.eq_ignore_ascii_case("traceparent") {
                let read = Traceparent::of_caller(field.value);
                let is_first = facts.traceparent.is_none();
                facts.traceparent = Some(if is_first {
                    read
                } else {
                    Err(traceparent::TWICE)
                });
            }
        }
        Ok(facts)
    }

    /// RFC 9112 §6.1: both a length and a coding is an attack until proven otherwise, and
    /// HTTP/1.0 has no codings.
    fn framing(&self, version: Version) -> Result<Framing, Refusal> {
        if version == Version::Http11 && self.host.is_none() {
            // RFC 9112 §3.2
            return Err(Refusal::new(400, "missing required Host header"));
        }
        match (self.chunked, self.length) {
            (true, Some(_)) => Err(Refusal::new(
                400,
                "request has both Content-Length and Transfer-Encoding",
            )),
            (true, None) if version == Version::Http10 => {
                Err(Refusal::new(400, "HTTP/1.0 has no Transfer-Encoding"))
            }
            (true, None) => Ok(Framing::Chunked),
            (false, length) => Ok(Framing::Length(length.unwrap_or(0))),
        }
    }

    /// RFC 9112 §9.3
    const fn keep_alive(&self, version: Version) -> bool {
        match version {
            Version::Http11 => !self.close,
            Version::Http10 => self.keep_alive && !self.close,
        }
    }
}

/// Whether a word stands in a value, in whichever case.
fn contains(value: &[u8], word: &[u8]) -> bool {
    let mut places = value.windows(word.len());
    places.any(|place| place.eq_ignore_ascii_case(word))
}

/// Takes the value of a field that may stand in a head once.
fn once(
    value: &mut Option<Box<[u8]>>,
    field: &httparse::Header<'_>,
    twice: &'static str,
) -> Result<(), Refusal> {
    match value.replace(field.value.into()) {
        Some(_) => Err(Refusal::new(400, twice)),
        None => Ok(()),
    }
}

/// The first coding in the list, of those that change a body (RFC 9110 §8.4.1, RFC 7932, RFC 8878).
/// What else callers write there, `utf-8` for one, says nothing of its bytes.
fn coding(value: &[u8]) -> Option<&'static str> {
    let mut words = value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii);
    words.find_map(|word| {
        let mut known = CODINGS.into_iter();
        known.find(|coding| word.eq_ignore_ascii_case(coding.as_bytes()))
    })
}

/// Digits only: `+3`, `-1`, `3, 3` and the empty value are errors, 2^64 and above too large.
fn content_length(value: &[u8]) -> Result<u64, Refusal> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::new(400, "Content-Length is not a number"));
    }
    Ok(value.iter().fold(0_u64, |length, &digit| {
        length
            .saturating_mul(10)
            .saturating_add(u64::from(digit.wrapping_sub(b'0')))
    }))
}

/// Visible ASCII only, so that no two readers can differ about where a key ends.
fn idempotency_key(value: &[u8]) -> Result<Box<str>, Refusal> {
    let fits = (1..=MAX_KEY).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic);
    let key = str::from_utf8(value).ok().filter(|_| fits);
    key.map(Box::from).ok_or(Refusal::new(
        400,
        "Idempotency-Key must be 1 to 255 visible ASCII characters",
    ))
}

/// Why a request line is refused whose third word is no version of ours: since it is another one,
/// `HTTP/` and a digit, or since the target has a space.
fn wrong_version(bytes: &[u8]) -> Refusal {
    let line = bytes
        .split(|&byte| byte == b'\r')
        .next()
        .unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ').skip(2);
    let (third, fourth) = (words.next().unwrap_or_default(), words.next());
    let version = third.strip_prefix(b"HTTP/").and_then(<[u8]>::first);
    if fourth.is_some() {
        Refusal::new(400, "request target has a space: %20 stands for one")
    } else if version.is_some_and(u8::is_ascii_digit) {
        Refusal::new(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
    } else {
        BAD_REQUEST
    }
}

/// Finds the end of a head while it arrives, looking at each byte once.
///
/// Invariant: every byte before `seen` is part of the head and no end of it.
#[derive(Debug, Default)]
pub struct HeadScan {
    seen: usize,
}

impl HeadScan {
    /// Before the first byte.
    pub(super) const START: Self = Self { seen: 0 };

    /// The length of the head with its empty line, once `bytes` holds all of it.
    ///
    /// `bytes` starts where the head starts, and only grows from call to call.
    pub fn end(&mut self, bytes: &[u8]) -> Result<Option<usize>, Refusal> {
        if bytes.first().is_some_and(|&first| !is_token(first)) {
            // TLS, a proxy's preamble or junk: no need to wait for a line of it.
            return Err(BAD_REQUEST);
        }
        while let Some(&byte) = bytes.get(self.seen) {
            if self.seen >= MAX_HEAD {
                return Err(Refusal::new(431, "request head is over 16384 bytes"));
            }
            self.seen = self.seen.saturating_add(1);
            if byte == b'\n' {
                let head = bytes.get(..self.seen).unwrap_or_default();
                if head.ends_with(b"\r\n\r\n") {
                    return Ok(Some(self.seen));
                }
                if !head.ends_with(b"\r\n") {
                    return Err(BAD_REQUEST);
                }
            }
        }
        Ok(None)
    }
}

/// RFC 9110 §5.6.2: the bytes a method is made of.
const fn is_token(byte: u8) -> bool {
    matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~')
        || byte.is_ascii_alphanumeric()
}

const BAD_REQUEST: Refusal = Refusal::new(400, "request is not HTTP/1.1");

/// Our limit: bytes of a request head. Our callers' heads have some hundred.
pub const MAX_HEAD: usize = 16 * 1024;

/// Our limit: characters of an `Idempotency-Key`; a UUID has 36.
pub const MAX_KEY: usize = 255;

const CODINGS: [&str; 7] = [
    "gzip",
    "x-gzip",
    "deflate",
    "br",
    "zstd",
    "compress",
    "x-compress",
];

/// Our limit: header fields of a request.
pub const MAX_FIELDS: usize = 64;

#[cfg(test)]
mod tests;
