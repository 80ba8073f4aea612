//! `traceparent`: the place of a request in its caller's trace (W3C Trace Context §3.2).
//!
//! Pure: no I/O, no clock.

use std::fmt;
use std::sync::Arc;

/// A caller's `traceparent`: version, trace id, parent id and flags, in lower-case hexadecimal
/// digits with `-` between them, 55 characters.
#[derive(Clone, PartialEq, Eq)]
pub struct Traceparent(Arc<str>);

impl Traceparent {
    /// Reads the value of the field. Of a version that is higher than 00, what stands behind the
    /// flags is not known and left out (§3.2.2.3 wants the rest to be read as of 00).
    ///
    /// # Errors
    ///
    /// Why it is none, in words that repeat nothing of it.
    pub fn of_caller(value: &[u8]) -> Result<Self, &'static str> {
        let (known, more) = value.split_at_checked(LENGTH).ok_or(SHAPE)?;
        let text = str::from_utf8(known).map_err(|_| SHAPE)?;
        let mut parts = text.split('-');
        let mut part = |digits| {
            let part = parts.next().filter(|part| part.len() == digits);
            part.filter(|part| part.bytes().all(is_digit)).ok_or(SHAPE)
        };
        let [version, trace, parent, _flags] = [part(2)?, part(32)?, part(16)?, part(2)?];
        match (version, more.first()) {
            ("ff", _) => return Err("its version is ff, which is none"),
            ("00", Some(_)) => return Err(SHAPE),
            (_, None | Some(b'-')) => {}
            (_, Some(_)) => return Err(SHAPE),
        }
        let is_zero = |part: &str| part.bytes().all(|digit| digit == b'0');
        if is_zero(trace) {
            return Err("its trace id is all zeros");
        }
        if is_zero(parent) {
            return Err("its parent id is all zeros");
        }
        Ok(Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, shared.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for Traceparent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Why one of two is none: nobody could say which.
pub(super) const TWICE: &str = "there are two of them";

const SHAPE: &str = "it is not 2, 32, 16 and 2 lower-case hexadecimal digits with - between them";

/// Characters of one of version 00.
const LENGTH: usize = 55;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
    const PARENT: &str = "b7ad6b7169203331";

    fn read(value: &str) -> Result<String, &'static str> {
        let read = Traceparent::of_caller(value.as_bytes());
        read.map(|read| read.as_str().to_owned())
    }

    #[test]
    fn one_of_this_version_is_taken_as_it_is() {
        for flags in ["00", "01", "ff"] {
            let value = format!("00-{TRACE}-{PARENT}-{flags}");
            assert_eq!(read(&value), Ok(value));
        }
    }

    #[test]
    fn of_a_later_version_what_is_known_is_taken() {
        let known = format!("cc-{TRACE}-{PARENT}-01");
        for more in ["", "-", "-what-the-future-will-be-like", "-\u{e4}"] {
            assert_eq!(read(&format!("{known}{more}")), Ok(known.clone()), "{more}");
        }
        for more in [".", "0", " "] {
            assert_eq!(read(&format!("{known}{more}")), Err(SHAPE), "{more}");
        }
    }

    #[test]
    fn what_is_none_is_told_in_words() {
        let good = format!("00-{TRACE}-{PARENT}-01");
        let zeros = |digits| "0".repeat(digits);
        for (value, why) in [
            (String::new(), SHAPE),
            (good.replacen('0', "", 1), SHAPE),
            (good.replace("-01", "-1"), SHAPE),
            (format!("{good}-"), SHAPE),
            (format!("{good}-00"), SHAPE),
            (good.to_uppercase(), SHAPE),
            (good.replacen('f', "g", 1), SHAPE),
            (good.replacen('-', "_", 1), SHAPE),
            (good.replacen('7', "-", 1), SHAPE),
            (good.replacen("00-0", "000-", 1), SHAPE),
            (
                format!("ff-{TRACE}-{PARENT}-01"),
                "its version is ff, which is none",
            ),
            (
                format!("00-{}-{PARENT}-01", zeros(32)),
                "its trace id is all zeros",
            ),
            (
                format!("01-{TRACE}-{}-01", zeros(16)),
                "its parent id is all zeros",
            ),
        ] {
            assert_eq!(read(&value), Err(why), "{value}");
        }
        let mut cut = good.into_bytes();
        cut[54] = 0xc3;
        assert_eq!(Traceparent::of_caller(&cut), Err(SHAPE));
    }

    proptest! {
        #[test]
        fn whatever_is_taken_is_55_digits_and_hyphens(
            value in "[0-9a-f-]{52,60}|[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?",
            noise in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            for value in [value.as_bytes(), &noise] {
                if let Ok(taken) = Traceparent::of_caller(value) {
                    prop_assert!(value.starts_with(taken.as_str().as_bytes()));
                    let lengths: Vec<_> = taken.as_str().split('-').map(str::len).collect();
                    prop_assert_eq!(lengths, [2, 32, 16, 2]);
                }
            }
        }
    }
}
