//! What makes a head legal (RFC 9113 §8.2, §8.3), for what comes and for what goes.
//!
//! A head from the peer that breaks a rule is malformed, a stream error; one of our caller's is
//! refused before it is encoded. The rules are the same: [`HeadSurvey`] goes over the fields once.

use super::fields::list_size;
use super::stream::Expected;
use super::{Field, Fields};

/// A final response head, or an interim one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ResponseHead {
    /// 100..=999 but 101.
    pub(super) status: u16,
    /// As content-length and status say; the request's method is for the caller to mind.
    pub(super) expected: Expected,
}

impl ResponseHead {
    pub(super) const fn is_interim(self) -> bool {
        self.status < 200
    }
}

/// Validates a response head from the peer.
pub(super) fn response(fields: &Fields) -> Result<ResponseHead, &'static str> {
    let survey = HeadSurvey::of_received(fields)?;
    if survey.seen != STATUS {
        return Err("response without exactly :status as pseudo-headers");
    }
    // RFC 9113 §8.6 leaves no use for 101.
    let status = fields
        .status()
        .filter(|status| *status >= 100 && *status != 101);
    let status = status.ok_or("illegal :status")?;
    let expected = match (status, survey.content_length) {
        (204 | 304, _) => Expected::Nothing,
        (_, Some(length)) => Expected::Exactly(length),
        (_, None) => Expected::Any,
    };
    Ok(ResponseHead { status, expected })
}

/// A request head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RequestHead {
    pub(super) method: Method,
    pub(super) expected: Expected,
}

/// Validates a request head from the peer.
pub(super) fn request(fields: &Fields) -> Result<RequestHead, &'static str> {
    let survey = HeadSurvey::of_received(fields)?;
    if !survey.has_request_pseudo_headers() {
        return Err("request without its pseudo-headers");
    }
    if let (Some(authority), Some(host)) = (fields.get(b":authority"), fields.get(b"host"))
        && !authority.eq_ignore_ascii_case(host)
    {
        return Err("host differs from :authority");
    }
    Ok(RequestHead {
        method: survey.method,
        expected: survey
            .content_length
            .map_or(Expected::Any, Expected::Exactly),
    })
}

/// Validates trailers from the peer.
pub(super) fn trailers(fields: &Fields) -> Result<(), &'static str> {
    match HeadSurvey::of_received(fields)?.seen {
        0 => Ok(()),
        _ => Err("pseudo-header in trailers"),
    }
}

/// As far as the method of a request matters here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Method {
    /// Its response has no content.
    Head,
    /// Needs :authority alone.
    Connect,
    /// Says how long its content is even if there is none.
    Post,
    /// Any other.
    #[default]
    Other,
}

/// A legal list of fields as far as it was gone over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HeadSurvey {
    /// Bits of the pseudo-headers seen.
    seen: u8,
    pub(super) method: Method,
    content_length: Option<u64>,
    /// A field that is no pseudo-header was seen.
    in_fields: bool,
    /// Bytes of names and values and 32 for each (RFC 9113 §6.5.2).
    pub(super) list_size: usize,
}

impl HeadSurvey {
    fn of_received(fields: &Fields) -> Result<Self, &'static str> {
        let mut survey = Self::default();
        for (name, value) in fields.iter() {
            survey.add(name, value)?;
        }
        Ok(survey)
    }

    /// Goes over fields of our caller's: pseudo-headers alone, then none of them.
    pub(super) fn of_sent(
        pseudo: &[Field<'_>],
        fields: &[Field<'_>],
    ) -> Result<Self, &'static str> {
        let mut survey = Self::default();
        for field in pseudo {
            survey.add(field.name, field.value)?;
        }
        if survey.in_fields {
            return Err("field among the pseudo-headers");
        }
        let seen = survey.seen;
        for field in fields {
            survey.add(field.name, field.value)?;
        }
        if survey.seen != seen {
            return Err("pseudo-header among the fields");
        }
        Ok(survey)
    }

    /// Puts the survey of more pseudo-headers and more fields to this one's.
    pub(super) fn join(self, other: Self) -> Result<Self, &'static str> {
        if self.seen & other.seen != 0 {
            return Err("pseudo-header twice");
        }
        if self.content_length.is_some() && other.content_length.is_some() {
            return Err("content-length twice");
        }
        Ok(Self {
            seen: self.seen | other.seen,
            method: if self.method == Method::Other {
                other.method
            } else {
                self.method
            },
            content_length: self.content_length.or(other.content_length),
            in_fields: self.in_fields || other.in_fields,
            list_size: self.list_size.saturating_add(other.list_size),
        })
    }

    /// The caller wrote a content-length itself.
    pub(super) const fn has_content_length(self) -> bool {
        self.content_length.is_some()
    }

    /// RFC 9113 §8.3.1, and §8.5 for CONNECT.
    pub(super) const fn has_request_pseudo_headers(self) -> bool {
        match self.method {
            Method::Connect => self.seen == METHOD | AUTHORITY,
            Method::Head | Method::Post | Method::Other => {
                self.seen & !AUTHORITY == METHOD | SCHEME | PATH
            }
        }
    }

    fn add(&mut self, name: &[u8], value: &[u8]) -> Result<(), &'static str> {
        check_value(value)?;
        self.list_size = self
            .list_size
            .saturating_add(list_size(name.len(), value.len()));
        if let Some(b':') = name.first() {
            return self.add_pseudo_header(name, value);
        }
        self.in_fields = true;
        check_name(name)?;
        match name {
            b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding"
            | b"upgrade" => Err("connection-specific field"),
            b"te" if value != b"trailers" => Err("te other than trailers"),
            b"content-length" => self.add_content_length(value),
            _ => Ok(()),
        }
    }

    fn add_pseudo_header(&mut self, name: &[u8], value: &[u8]) -> Result<(), &'static str> {
        if self.in_fields {
            return Err("pseudo-header after other fields");
        }
        let bit = match name {
            b":method" => {
                self.method = match value {
                    b"HEAD" => Method::Head,
                    b"CONNECT" => Method::Connect,
                    b"POST" | b"PUT" | b"PATCH" => Method::Post,
                    b"" => return Err("empty :method"),
                    _ => Method::Other,
                };
                METHOD
            }
            b":scheme" => SCHEME,
            b":path" if value.is_empty() => return Err("empty :path"),
            b":path" => PATH,
            b":authority" => AUTHORITY,
            b":status" => STATUS,
            _ => return Err("unknown pseudo-header"),
        };
        if self.seen & bit != 0 {
            return Err("pseudo-header twice");
        }
        self.seen |= bit;
        Ok(())
    }

    /// Digits only; equal repetitions are legal (RFC 9110 §8.6).
    fn add_content_length(&mut self, value: &[u8]) -> Result<(), &'static str> {
        const ILLEGAL: &str = "illegal content-length";
        if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
            return Err(ILLEGAL);
        }
        let length = std::str::from_utf8(value)
            .ok()
            .and_then(|digits| digits.parse().ok());
        let length: u64 = length.ok_or(ILLEGAL)?;
        match self.content_length.replace(length) {
            Some(other) if other != length => Err("two different content-lengths"),
            _ => Ok(()),
        }
    }
}

/// RFC 9113 §8.2.1: no control, space, upper case, colon, DEL or byte above.
fn check_name(name: &[u8]) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("empty field name");
    }
    let illegal = any(name, |byte| {
        u8::from(byte <= b' ')
            | u8::from(byte == b':')
            | u8::from(byte.is_ascii_uppercase())
            | u8::from(byte >= 0x7f)
    });
    if illegal {
        Err("illegal field name")
    } else {
        Ok(())
    }
}

/// RFC 9113 §8.2.1: no NUL, CR or LF, no white space at either end. Bytes above 0x7f are opaque.
fn check_value(value: &[u8]) -> Result<(), &'static str> {
    let space = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    let illegal = any(value, |byte| {
        u8::from(byte == 0) | u8::from(byte == b'\r') | u8::from(byte == b'\n')
    });
    if illegal || space(value.first()) || space(value.last()) {
        return Err("illegal field value");
    }
    Ok(())
}

/// One byte is found (`found` gives 1). Neither an early exit nor a branch per byte keeps the
/// loop from going over sixteen at once; nearly always there is nothing to find.
fn any(bytes: &[u8], found: impl Fn(u8) -> u8) -> bool {
    bytes.iter().fold(0, |sum, byte| sum | found(*byte)) != 0
}

const METHOD: u8 = 0x01;
const SCHEME: u8 = 0x02;
const PATH: u8 = 0x04;
const AUTHORITY: u8 = 0x08;
const STATUS: u8 = 0x10;
