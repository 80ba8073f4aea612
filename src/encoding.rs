//! Numbers and texts as bytes.
//!
//! Pure: no file, no clock, no thread.
//!
//! A number is LEB128: seven bits a byte, the lowest first, the highest bit set but in the last
//! byte. A signed one is zigzagged first. A text has its length before it.

use std::time::Duration;

/// Appends a number.
pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    #[expect(clippy::cast_possible_truncation, reason = "below 0x80")]
    out.push(number as u8);
}

/// Appends a number that may be negative.
pub(crate) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(
        out,
        number.cast_unsigned() << 1 ^ (number >> 63).cast_unsigned(),
    );
}

/// Appends bytes and their length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a time since 1970, to the nanosecond.
pub(crate) fn put_time(out: &mut Vec<u8>, time: Duration) {
    put_number(out, time.as_secs());
    put_number(out, u64::from(time.subsec_nanos()));
}

/// Bytes that are read from the front; each method gives nothing when they are not what it reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bytes<'a>(pub(crate) &'a [u8]);

impl<'a> Bytes<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(crate) fn number(&mut self) -> Option<u64> {
        // As most.
        if let Some((first @ ..0x80, rest)) = self.0.split_first() {
            self.0 = rest;
            return Some((*first).into());
        }
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return None;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(crate) fn number32(&mut self) -> Option<u32> {
        self.number()?.try_into().ok()
    }

    pub(crate) fn number16(&mut self) -> Option<u16> {
        self.number()?.try_into().ok()
    }

    pub(crate) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.number()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(crate) fn text(&mut self) -> Option<&'a str> {
        str::from_utf8(self.bytes()?).ok()
    }

    pub(crate) fn time(&mut self) -> Option<Duration> {
        let secs = self.number()?;
        let nanos = self.number32().filter(|nanos| *nanos < 1_000_000_000)?;
        Some(Duration::new(secs, nanos))
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_put_is_read(number: u64, signed: i64, text: String, secs: u64, nanos in 0..1_000_000_000_u32) {
            let mut out = Vec::new();
            put_number(&mut out, number);
            put_signed(&mut out, signed);
            put_bytes(&mut out, text.as_bytes());
            put_time(&mut out, Duration::new(secs, nanos));
            let mut bytes = Bytes(&out);
            prop_assert_eq!(bytes.number(), Some(number));
            prop_assert_eq!(bytes.signed(), Some(signed));
            prop_assert_eq!(bytes.text(), Some(text.as_str()));
            prop_assert_eq!(bytes.time(), Some(Duration::new(secs, nanos)));
            prop_assert!(bytes.is_empty() && bytes.byte().is_none());
        }
    }

    #[test]
    fn what_is_no_number_no_text_or_no_time_is_refused() {
        assert_eq!(Bytes(&[0xff; 9]).number(), None);
        let mut most = [0xff; 10];
        most[9] = 1;
        assert_eq!(Bytes(&most).number(), Some(u64::MAX));
        most[9] = 2;
        assert_eq!(Bytes(&most).number(), None);
        assert_eq!(Bytes(&[5, b'a']).bytes(), None);
        assert_eq!(Bytes(&[1, 0xff]).text(), None);
        let time = |nanos| {
            let mut out = vec![1];
            put_number(&mut out, nanos);
            Bytes(&out).time()
        };
        assert_eq!(time(999_999_999), Some(Duration::new(1, 999_999_999)));
        assert_eq!(time(1_000_000_000), None);
    }
}
