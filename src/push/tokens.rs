//! Device tokens, packed one after the other.
//!
//! Pure: no file, no clock, no thread.

use std::borrow::Cow;
use std::fmt;

use super::DeviceToken;

/// How a token is packed, before its bytes: as the text that it is, or else the letter that its
/// hexadecimal digits begin with, where two of them are one byte.
const TEXT: u8 = 0;

/// The device tokens of a notification, in the caller's order, on their way into its
/// [`Parcel`](super::Parcel). One of hexadecimal digits takes half of its length, provided that
/// they are of one case: so all are given back as the caller spelled them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct DeviceTokens {
    pub(super) bytes: Vec<u8>,
    /// Where the first ends: most notifications have one, which is never empty as it lies packed. 0
    /// if there is none.
    first: u32,
    /// Where each of the others ends.
    others: Vec<u32>,
}

impl DeviceTokens {
    /// Adds a token, without checking it.
    pub fn push(&mut self, token: &str) {
        let letter = [b'a', b'A'].into_iter().find(|it| is_of_digits(token, *it));
        let len = letter.map_or(token.len(), |_| token.len() / 2);
        self.bytes.reserve(1 + len);
        self.bytes.push(letter.unwrap_or(TEXT));
        match letter {
            Some(letter) => pack(token, letter, &mut self.bytes),
            None => self.bytes.extend_from_slice(token.as_bytes()),
        }
        let end = place(&self.bytes);
        if self.first == 0 {
            self.first = end;
        } else {
            self.others.push(end);
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        usize::from(self.first > 0) + self.others.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.first == 0
    }

    /// Where each ends.
    pub(super) fn ends(&self) -> impl Iterator<Item = u32> {
        let first = Some(self.first).filter(|first| *first > 0);
        first.into_iter().chain(self.others.iter().copied())
    }

    /// Keeps the first ones, so many at most.
    pub fn truncate(&mut self, most: usize) {
        self.others.truncate(most.saturating_sub(1));
        if most == 0 {
            self.first = 0;
        }
        let end = self.others.last().unwrap_or(&self.first);
        self.bytes.truncate(*end as usize);
    }

    /// Bytes of each, if all take equally many; else 0.
    pub(super) fn stride(&self) -> u32 {
        let mut last = self.first;
        let is_even = self.others.iter().all(|end| {
            let step = end.saturating_sub(last);
            last = *end;
            step == self.first
        });
        if is_even { self.first } else { 0 }
    }
}

impl<'a> FromIterator<&'a str> for DeviceTokens {
    fn from_iter<I: IntoIterator<Item = &'a str>>(tokens: I) -> Self {
        let mut all = Self::default();
        tokens.into_iter().for_each(|token| all.push(token));
        all
    }
}

impl<I: IntoIterator<Item = DeviceToken>> From<I> for DeviceTokens {
    fn from(tokens: I) -> Self {
        let mut all = Self::default();
        tokens
            .into_iter()
            .for_each(|token| all.push(token.as_str()));
        all
    }
}

/// Device tokens reach the push log only, so `{:?}` hides them.
impl fmt::Debug for DeviceTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceTokens({})", self.len())
    }
}

/// One of the device tokens of a notification, where it lies packed.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct PackedToken<'a> {
    spelling: u8,
    bytes: &'a [u8],
}

impl<'a> PackedToken<'a> {
    pub(super) fn at(packed: &'a [u8]) -> Option<Self> {
        let (&spelling, bytes) = packed.split_first()?;
        Some(Self { spelling, bytes })
    }

    /// A token that does not lie packed.
    pub fn of_text(text: &'a str) -> Self {
        Self {
            spelling: TEXT,
            bytes: text.as_bytes(),
        }
    }

    /// Whether it is of nothing but hexadecimal digits, as which it lies packed.
    pub(crate) fn is_of_digits(self) -> bool {
        self.spelling != TEXT
    }

    /// The caller's spelling.
    pub fn text(self) -> Cow<'a, str> {
        if self.spelling == TEXT {
            // A text was packed.
            return Cow::Borrowed(str::from_utf8(self.bytes).unwrap_or_default());
        }
        let mut text = Vec::new();
        self.write(&mut text);
        Cow::Owned(String::from_utf8(text).unwrap_or_default())
    }

    /// Appends the caller's spelling.
    pub fn write(self, out: &mut Vec<u8>) {
        if self.spelling == TEXT {
            return out.extend_from_slice(self.bytes);
        }
        // Without a branch, a check of overflow among them, and into room that is there, many
        // digits are made at a time.
        let after_nine = self.spelling.wrapping_sub(b'0' + 10);
        let digit = |value: u8| {
            let letter = if value > 9 { after_nine } else { 0 };
            value.wrapping_add(b'0').wrapping_add(letter)
        };
        let begin = out.len();
        out.resize(begin + self.len(), 0);
        let (pairs, _) = out.get_mut(begin..).unwrap_or_default().as_chunks_mut();
        for (pair, byte) in pairs.iter_mut().zip(self.bytes) {
            *pair = [digit(byte >> 4), digit(byte & 0xf)];
        }
    }

    /// Bytes of the caller's spelling.
    pub fn len(self) -> usize {
        let per_byte = if self.spelling == TEXT { 1 } else { 2 };
        self.bytes.len() * per_byte
    }

    /// Whether it is the empty text.
    pub fn is_empty(self) -> bool {
        self.bytes.is_empty()
    }
}

/// Device tokens reach the push log only, so `{:?}` hides them.
impl fmt::Debug for PackedToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackedToken({} bytes)", self.len())
    }
}

/// Where the next byte goes. No request is as long as a place can be, and no record.
pub(super) fn place(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

/// The value of a hexadecimal digit of that letter's case; beyond 15 if it is none.
fn value(digit: u8, letter: u8) -> u8 {
    match digit.wrapping_sub(b'0') {
        value @ 0..=9 => value,
        _ => digit.wrapping_sub(letter).saturating_add(10),
    }
}

/// Whether a token is of nothing but pairs of hexadecimal digits of that letter's case.
fn is_of_digits(token: &str, letter: u8) -> bool {
    // Without an end before the last of them, many are looked at at a time.
    let digits = token.bytes().map(|digit| value(digit, letter));
    let highest = digits.fold(0, |all, value| all | value);
    !token.is_empty() && token.len().is_multiple_of(2) && highest < 16
}

/// Appends the bytes of which a token is the hexadecimal digits, of that letter's case.
fn pack(token: &str, letter: u8, out: &mut Vec<u8>) {
    let (pairs, _) = token.as_bytes().as_chunks();
    let begin = out.len();
    out.resize(begin + pairs.len(), 0);
    let packed = out.get_mut(begin..).unwrap_or_default();
    for (byte, [high, low]) in packed.iter_mut().zip(pairs) {
        *byte = value(*high, letter) << 4 | value(*low, letter);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn digits_of_one_case_take_half_and_all_else_stays_a_text() {
        for (token, takes) in [
            ("00ff", 3),
            ("00FF", 3),
            ("1234", 3),
            ("00fF", 5),
            ("00f", 4),
            ("0g", 3),
            ("00 f", 5),
            ("", 1),
            ("ä:ff", 6),
        ] {
            let tokens = DeviceTokens::from_iter([token]);
            assert_eq!(tokens.bytes.len(), takes, "{token}");
            let packed = PackedToken::at(&tokens.bytes).unwrap();
            assert_eq!((packed.text(), packed.len()), (token.into(), token.len()));
            assert_eq!(packed.is_empty(), token.is_empty());
        }
    }

    proptest! {
        #[test]
        fn every_token_is_given_back_as_it_was_spelled(
            token in "[0-9a-f]{0,9}|[0-9A-F]{0,9}|[0-9a-fA-F]{0,5}|\\PC{0,9}",
        ) {
            let tokens = DeviceTokens::from_iter([&*token]);
            let mut written = Vec::new();
            PackedToken::at(&tokens.bytes).unwrap().write(&mut written);
            prop_assert_eq!(written, token.as_bytes());
        }
    }

    #[test]
    fn debugging_shows_no_token() {
        let tokens = DeviceTokens::from_iter(["0bad4000"]);
        let packed = PackedToken::at(&tokens.bytes).unwrap();
        let shown = format!("{tokens:?} {packed:?}");
        assert_eq!(shown, "DeviceTokens(1) PackedToken(8 bytes)");
    }
}
