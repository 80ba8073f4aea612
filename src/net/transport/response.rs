//! An HTTP/2 response as the HTTP/1.1 text that ureq reads.
//!
//! Pure. What a peer sends never becomes a line, a field or a framing of its own: names must be
//! tokens, values must not contain line ends or NUL, and framing fields are written here only.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::as_conversions)
)]

use crate::http2::Fields;

use super::request::CONNECTION_FIELDS;

/// How the content is told from what follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseFraming {
    /// There is none.
    Empty,
    /// As many bytes as content-length says.
    Length,
    /// By the chunked coding (RFC 9112 §7.1).
    Chunked,
}

/// Appends the head of a response. `to_head` says that the request was a HEAD; `is_last` that the
/// head is the whole response. Fails with the name of what is not fit to be passed on.
pub(super) fn write_head(
    out: &mut Vec<u8>,
    fields: &Fields,
    to_head: bool,
    is_last: bool,
) -> Result<ResponseFraming, &'static str> {
    let status = fields.status().ok_or("status")?;
    if !(200..=599).contains(&status) {
        return Err("status");
    }
    // RFC 9110 §6.4.1: no content, whatever content-length says.
    let bodiless = to_head || status == 204 || status == 304;
    let length = fields.get(b"content-length");
    let framing = match length {
        _ if bodiless => ResponseFraming::Empty,
        Some(_) => ResponseFraming::Length,
        None if is_last => ResponseFraming::Empty,
        None => ResponseFraming::Chunked,
    };
    let start = out.len();
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.to_string().as_bytes());
    out.extend_from_slice(b" \r\n");
    if let Err(what) = write_fields(out, fields) {
        out.truncate(start);
        return Err(what);
    }
    match (framing, length) {
        (_, Some(length)) if status != 204 => {
            if length.is_empty() || !length.iter().all(u8::is_ascii_digit) {
                out.truncate(start);
                return Err("content-length");
            }
            write_field(out, b"content-length", length);
        }
        (ResponseFraming::Chunked, _) => write_field(out, b"transfer-encoding", b"chunked"),
        (ResponseFraming::Empty, None) if !bodiless => write_field(out, b"content-length", b"0"),
        _ => {}
    }
    out.extend_from_slice(b"\r\n");
    Ok(framing)
}

/// Appends content.
pub(super) fn write_data(out: &mut Vec<u8>, framing: ResponseFraming, data: &[u8]) {
    match framing {
        ResponseFraming::Chunked if !data.is_empty() => {
            out.extend_from_slice(format!("{:x}\r\n", data.len()).as_bytes());
            out.extend_from_slice(data);
            out.extend_from_slice(b"\r\n");
        }
        ResponseFraming::Length => out.extend_from_slice(data),
        ResponseFraming::Chunked | ResponseFraming::Empty => {}
    }
}

/// Appends the end of the content.
pub(super) fn write_end(out: &mut Vec<u8>, framing: ResponseFraming) {
    if framing == ResponseFraming::Chunked {
        out.extend_from_slice(b"0\r\n\r\n");
    }
}

fn write_fields(out: &mut Vec<u8>, fields: &Fields) -> Result<(), &'static str> {
    for (name, value) in fields.iter() {
        if name.first() == Some(&b':') || name == b"content-length" {
            continue;
        }
        if CONNECTION_FIELDS
            .iter()
            .any(|other| other.as_bytes() == name)
        {
            continue;
        }
        if name.is_empty() || !name.iter().all(|byte| is_token(*byte)) {
            return Err("field name");
        }
        if value.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return Err("field value");
        }
        write_field(out, name, value);
    }
    Ok(())
}

fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// RFC 9110 §5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;
