//! Header fields: what is to be sent, and what was received.
//!
//! `Debug` of either shows the bytes of a value as escaped text, except those that carry a
//! credential or a device token, of which it tells the length only.

#![deny(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::fmt;

/// How the encoder may represent a field (RFC 7541 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indexing {
    /// Goes into the dynamic table: a value that repeats on this connection.
    Indexed,
    /// A value that changes each time, not worth a place in the dynamic table. Its name may be:
    /// the first value of an unknown name goes in to carry the name, the later ones refer to it.
    Literal,
    /// Never goes into the dynamic table, and is marked so that no intermediary indexes it either.
    NeverIndexed,
}

/// A field to be sent. The name is lower case; pseudo-headers begin with a colon and come first.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Field name.
    pub name: &'a [u8],
    /// Field value.
    pub value: &'a [u8],
    /// How it may be encoded.
    pub indexing: Indexing,
}

impl Field<'_> {
    /// What it counts against `SETTINGS_MAX_HEADER_LIST_SIZE`: bytes of name and value and 32
    /// (RFC 9113 §6.5.2).
    pub const fn list_size(&self) -> usize {
        list_size(self.name.len(), self.value.len())
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} {}",
            self.indexing,
            ShownField(self.name, self.value)
        )
    }
}

/// The fields of a received block, in one allocation for all their bytes.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// Name and value of each field, one after the other.
    bytes: Vec<u8>,
    /// For each field, where its name ends and where its value ends in `bytes`.
    ends: Vec<(u32, u32)>,
}

impl Fields {
    /// An empty list with room for that many bytes of names and values.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            ends: Vec::new(),
        }
    }

    /// All fields in the order received: (name, value).
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut start = 0;
        self.ends.iter().map(move |&(name_end, value_end)| {
            let name = self.part(start, name_end);
            start = value_end;
            (name, self.part(name_end, value_end))
        })
    }

    /// The value of the first field of that (lower-case) name.
    pub fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value)
    }

    /// `:status` of a response head: three digits, else it is none.
    pub fn status(&self) -> Option<u16> {
        let digits = self.get(b":status")?;
        if digits.len() != 3 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// Number of fields.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// There is no field.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Appends a field; one that would take the list beyond 4 GiB of bytes is left out.
    pub(crate) fn push(&mut self, name: &[u8], value: &[u8]) {
        self.bytes.extend_from_slice(name);
        let name_end = self.bytes.len();
        self.bytes.extend_from_slice(value);
        self.finish_field(name_end);
    }

    /// Bytes of the finished fields, and behind them those of a field being received.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Name and value of the field being received, whose name ends at `name_end`.
    pub(super) fn unfinished(&self, name_end: usize) -> (&[u8], &[u8]) {
        let start = self
            .ends
            .last()
            .map_or(0, |&(_, value_end)| index(value_end));
        let name = self.bytes.get(start..name_end).unwrap_or_default();
        (name, self.bytes.get(name_end..).unwrap_or_default())
    }

    /// Makes a field of the bytes behind the last one; its name ends at `name_end`.
    pub(super) fn finish_field(&mut self, name_end: usize) {
        match (u32::try_from(name_end), u32::try_from(self.bytes.len())) {
            (Ok(name_end), Ok(value_end)) => self.ends.push((name_end, value_end)),
            _ => self.drop_unfinished(),
        }
    }

    /// Takes away the bytes behind the last field.
    pub(super) fn drop_unfinished(&mut self) {
        let end = self
            .ends
            .last()
            .map_or(0, |&(_, value_end)| index(value_end));
        self.bytes.truncate(end);
    }

    /// Gives back the room that is not in use.
    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    fn part(&self, from: u32, to: u32) -> &[u8] {
        self.bytes.get(index(from)..index(to)).unwrap_or_default()
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(name, value)| ShownField(name, value)))
            .finish()
    }
}

/// A field as `Debug` shows it.
struct ShownField<'a>(&'a [u8], &'a [u8]);

impl fmt::Display for ShownField<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(name, value) = self;
        if SECRET.contains(name) {
            write!(f, "{}: ({} bytes)", name.escape_ascii(), value.len())
        } else {
            write!(f, "{}: {}", name.escape_ascii(), value.escape_ascii())
        }
    }
}

impl fmt::Debug for ShownField<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// RFC 9113 §6.5.2 and RFC 7541 §4.1 count a field alike.
pub(super) const fn list_size(name: usize, value: usize) -> usize {
    name.saturating_add(value).saturating_add(FIELD_OVERHEAD)
}

/// Saturates where an address is narrower than 32 bits.
pub(super) fn index(n: u32) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// What RFC 7541 §4.1 adds to each field for its book-keeping.
const FIELD_OVERHEAD: usize = 32;

/// Names whose values are credentials, or hold a device token.
const SECRET: [&[u8]; 2] = [b"authorization", b":path"];

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(list: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in list {
            fields.push(name.as_bytes(), value.as_bytes());
        }
        fields
    }

    #[test]
    fn fields_come_back_in_order() {
        let list = [
            (":status", "200"),
            ("", "x"),
            ("apns-id", ""),
            ("a", "1"),
            ("a", "2"),
        ];
        let fields = fields(&list);
        let expected = list.map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        assert!(fields.iter().eq(expected));
        assert_eq!((fields.len(), fields.is_empty()), (5, false));
        assert!(Fields::default().is_empty());
    }

    #[test]
    fn the_first_of_a_name_counts() {
        let fields = fields(&[("a", "1"), ("a", "2"), ("b", "")]);
        assert_eq!(fields.get(b"a"), Some(&b"1"[..]));
        assert_eq!(fields.get(b"b"), Some(&b""[..]));
        assert_eq!(fields.get(b"c"), None);
    }

    #[test]
    fn a_status_has_three_digits() {
        let check = |value: &str, expected: Option<u16>| {
            assert_eq!(fields(&[(":status", value)]).status(), expected, "{value}");
        };
        check("200", Some(200));
        check("999", Some(999));
        for bad in ["", "20", "2000", "+20", "-20", "2 0", "2\u{e9}", "0x1"] {
            check(bad, None);
        }
        assert_eq!(Fields::default().status(), None);
    }

    #[test]
    fn an_unfinished_field_is_not_there() {
        let mut fields = fields(&[("a", "1")]);
        fields.bytes().extend_from_slice(b"name and value");
        assert_eq!(fields.unfinished(6), (&b"name"[..], &b" and value"[..]));
        fields.drop_unfinished();
        fields.push(b"b", b"2");
        assert!(fields.iter().eq([(&b"a"[..], &b"1"[..]), (b"b", b"2")]));
    }

    #[test]
    fn debug_output_hides_credentials_and_device_tokens() {
        let fields = fields(&[
            (":path", "/3/device/ab"),
            ("authorization", "bearer x"),
            ("a", "\n"),
        ]);
        let shown = "[:path: (12 bytes), authorization: (8 bytes), a: \\n]";
        assert_eq!(format!("{fields:?}"), shown);
    }
}
