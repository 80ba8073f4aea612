//! `PUT /config/pushers?max=N`: the query string and Go's integer syntax.
//!
//! Pure: no I/O, no clock.

#![cfg_attr(
    not(test),
    deny(clippy::arithmetic_side_effects, clippy::as_conversions)
)]

use std::borrow::Cow;

/// The first value of `name` in a query string, decoded.
///
/// Like Go's `url.ParseQuery`, one broken pair (`%zz`, a semicolon) spoils the whole string.
pub fn first_value<'a>(query: &'a str, name: &str) -> Result<Option<Cow<'a, str>>, BadQuery> {
    let mut found = None;
    for pair in pairs(query) {
        let (key, value) = pair?;
        if found.is_none() && key == name {
            found = Some(value);
        }
    }
    Ok(found)
}

/// A name and its value, decoded.
type QueryPair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The pairs of a query string, in their order.
pub fn pairs(query: &str) -> impl Iterator<Item = Result<QueryPair<'_>, BadQuery>> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        if pair.contains(';') {
            return Err(BadQuery);
        }
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = percent_decoded(key, Plus::IsSpace).ok_or(BadQuery)?;
        let value = percent_decoded(value, Plus::IsSpace).ok_or(BadQuery)?;
        Ok((key, value))
    })
}

/// A query string that cannot be parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadQuery;

/// What `+` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plus {
    /// Itself, in paths.
    IsPlus,
    /// A space, in queries.
    IsSpace,
}

/// Undoes percent-encoding; `None` if an escape is broken. What is not UTF-8 becomes U+FFFD.
pub fn percent_decoded(text: &str, plus: Plus) -> Option<Cow<'_, str>> {
    if !text.contains('%') && (plus == Plus::IsPlus || !text.contains('+')) {
        return Some(Cow::Borrowed(text));
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high << 4 | low).ok()?
            }
            b'+' if plus == Plus::IsSpace => b' ',
            byte => byte,
        });
    }
    Some(Cow::Owned(match String::from_utf8(decoded) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }))
}

/// An integer as Go's `strconv.ParseInt(text, 0, 64)` reads it: `10`, `-3`, `0x1F`, `0b1`, `0o17`,
/// `017`, `1_000`.
pub fn go_integer(text: &str) -> Option<i64> {
    let (negative, unsigned) = match text.strip_prefix(['-', '+']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let (radix, digits) = radix_and_digits(unsigned);
    if !underscores_are_ok(digits, radix != 10) {
        return None;
    }
    let mut magnitude: i128 = 0;
    let mut any = false;
    for digit in digits.chars().filter(|&c| c != '_') {
        magnitude = magnitude
            .checked_mul(i128::from(radix))?
            .checked_add(i128::from(digit.to_digit(radix)?))?;
        any = true;
    }
    if !any {
        return None;
    }
    i64::try_from(if negative {
        magnitude.checked_neg()?
    } else {
        magnitude
    })
    .ok()
}

/// The base that a prefix names, and what follows the prefix. A bare `0` is no prefix.
fn radix_and_digits(text: &str) -> (u32, &str) {
    for (prefixes, radix) in [(["0x", "0X"], 16), (["0b", "0B"], 2), (["0o", "0O"], 8)] {
        for prefix in prefixes {
            if let Some(digits) = text.strip_prefix(prefix) {
                return (radix, digits);
            }
        }
    }
    match text.strip_prefix('0') {
        Some(digits) if !digits.is_empty() => (8, digits),
        _ => (10, text),
    }
}

/// Underscores stand between digits, or between a base prefix and a digit.
fn underscores_are_ok(digits: &str, has_prefix: bool) -> bool {
    let mut after_digit = has_prefix;
    for c in digits.chars() {
        if c == '_' && !after_digit {
            return false;
        }
        after_digit = c != '_';
    }
    after_digit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_gos() {
        for (text, value) in [
            ("0", Some(0)),
            ("10", Some(10)),
            ("+10", Some(10)),
            ("-10", Some(-10)),
            ("-0", Some(0)),
            ("0x10", Some(16)),
            ("0X1f", Some(31)),
            ("0b1", Some(1)),
            ("0B101", Some(5)),
            ("0o7", Some(7)),
            ("0O17", Some(15)),
            ("017", Some(15)),
            ("0_7", Some(7)),
            ("1_0", Some(10)),
            ("0x_1", Some(1)),
            ("9223372036854775807", Some(i64::MAX)),
            ("-9223372036854775808", Some(i64::MIN)),
            ("9223372036854775808", None),
            ("99999999999999999999999999999999999999999999", None),
            ("", None),
            ("-", None),
            ("+-1", None),
            ("0x", None),
            ("0_", None),
            ("08", None),
            ("0b2", None),
            ("0o8", None),
            ("_1", None),
            ("1_", None),
            ("1__0", None),
            ("1.0", None),
            ("1e3", None),
            (" 1", None),
            ("ten", None),
            ("0x-1", None),
        ] {
            assert_eq!(go_integer(text), value, "{text:?}");
        }
    }

    #[test]
    fn the_first_value_wins_and_a_broken_pair_spoils_all() {
        for (query, value) in [
            ("max=1&max=2", Ok(Some("1"))),
            ("other=1&max=2", Ok(Some("2"))),
            ("%6dax=3", Ok(Some("3"))),
            ("max=%2B5", Ok(Some("+5"))),
            ("max=+5", Ok(Some(" 5"))),
            ("max", Ok(Some(""))),
            ("max=", Ok(Some(""))),
            ("MAX=1", Ok(None)),
            ("", Ok(None)),
            ("&&", Ok(None)),
            ("max=1&x=%zz", Err(BadQuery)),
            ("max=1;x=2", Err(BadQuery)),
            ("max=%4", Err(BadQuery)),
        ] {
            let found = first_value(query, "max");
            assert_eq!(
                found.as_ref().map(Option::as_deref),
                value.as_ref().map(|v| *v),
                "{query}"
            );
        }
    }
}
