//! Strings and numbers as they stand in a log line: JSON, escaped as zap escapes it.
//!
//! Pure. Escaped are `"`, `\`, the control characters below U+0020, and beyond zap what a reader
//! could take for the end of a line, or a terminal would obey: see [`forges`]. `<`, `&` and all
//! other non-ASCII stand as they are, which Gaurun's readers are used to.

/// Appends `text` as a JSON string, with its quotation marks.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text;
    loop {
        // A special byte is the first one of its character.
        let (clean, tail) = rest.split_at(clean_prefix(rest.as_bytes()));
        out.extend_from_slice(clean.as_bytes());
        let mut characters = tail.chars();
        let Some(character) = characters.next() else {
            break;
        };
        escaped(out, character);
        rest = characters.as_str();
    }
    out.push(b'"');
}

/// Bytes that [`string`] appends for a text, less its quotation marks.
pub(super) fn length(text: &str) -> usize {
    let mut length = 0_usize;
    let mut rest = text;
    loop {
        let (clean, tail) = rest.split_at(clean_prefix(rest.as_bytes()));
        length = length.saturating_add(clean.len());
        let mut characters = tail.chars();
        let Some(character) = characters.next() else {
            return length;
        };
        length = length.saturating_add(match character {
            '\n' | '\r' | '\t' | '"' | '\\' => 2,
            _ if forges(character) => 6,
            _ => character.len_utf8(),
        });
        rest = characters.as_str();
    }
}

/// Whether a character can make a line look like another one: control characters (DEL and C1 among
/// them), those that end a line in Unicode, and those that turn the direction of the text.
pub fn forges(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Appends `number` in decimal.
pub(super) fn unsigned(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; MAX_DIGITS];
    let mut length = 0;
    for digit in digits.iter_mut().rev() {
        let value = (number % 10) as u8;
        *digit = b'0' + value;
        length += 1;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend(digits.iter().skip(MAX_DIGITS - length));
}

/// Appends `number` in decimal.
pub(super) fn signed(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    unsigned(out, number.unsigned_abs());
}

/// How many bytes from the start need no escape.
///
/// Looks at a block at a time without branches inside it, which the compiler turns into vector
/// instructions, and then byte by byte.
fn clean_prefix(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<BLOCK>();
    let is_clean = |block: &&[u8; BLOCK]| !block.iter().fold(false, |any, it| any | special(*it));
    let length = blocks.iter().take_while(is_clean).count() * BLOCK;
    let rest = bytes.get(length..).unwrap_or_default();
    length + rest.iter().take_while(|byte| !is_special(**byte)).count()
}

/// Whether a character that begins with this byte may need an escape: C1 begins with 0xC2, and
/// what ends lines or turns them with 0xE2.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without branches many are looked at at a time"
)]
const fn special(byte: u8) -> bool {
    (byte < 0x20)
        | (byte == b'"')
        | (byte == b'\\')
        | (byte == 0x7f)
        | (byte == 0xc2)
        | (byte == 0xe2)
}

/// [`special`], from a table.
#[expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "an entry for each byte"
)]
fn is_special(byte: u8) -> bool {
    /// By the byte.
    const SPECIAL: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            table[byte] = special(byte as u8);
            byte += 1;
        }
        table
    };
    SPECIAL[usize::from(byte)]
}

fn escaped(out: &mut Vec<u8>, character: char) {
    match character {
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        _ if forges(character) => {
            // All of them have one UTF-16 code unit.
            let [_, _, high, low] = u32::from(character).to_be_bytes();
            out.extend_from_slice(b"\\u");
            out.extend([high >> 4, high & 0xf, low >> 4, low & 0xf].map(hex));
        }
        _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

fn hex(nibble: u8) -> u8 {
    if nibble < 10 {
        b'0' + nibble
    } else {
        b'a' + (nibble - 10)
    }
}

/// Digits of the largest `u64`.
const MAX_DIGITS: usize = 20;

/// Bytes looked at together.
const BLOCK: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn escapes_what_zap_escapes() {
        for (text, expected) in [
            ("", r#""""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            ("\n\r\t", r#""\n\r\t""#),
            (
                "\0\u{8}\u{b}\u{c}\u{1b}\u{1f}",
                r#""\u0000\u0008\u000b\u000c\u001b\u001f""#,
            ),
        ] {
            assert_eq!(written(|out| string(out, text)), expected);
        }
    }

    #[test]
    fn escapes_what_ends_a_line_or_turns_it() {
        for (text, expected) in [
            ("\u{7f}\u{80}\u{85}\u{9f}", r#""\u007f\u0080\u0085\u009f""#),
            ("a\u{2028}b\u{2029}c", r#""a\u2028b\u2029c""#),
            ("\u{202a}\u{202e}", r#""\u202a\u202e""#),
            ("\u{2066}\u{2069}", r#""\u2066\u2069""#),
        ] {
            assert_eq!(written(|out| string(out, text)), expected);
        }
    }

    #[test]
    fn leaves_everything_else_raw() {
        let text = "<a href='x'>&/\u{a0}«\u{2027}“\u{202f}\u{2065}€é漢😀\u{fffd}";
        assert_eq!(written(|out| string(out, text)), format!("\"{text}\""));
    }

    #[test]
    fn writes_numbers_like_the_standard_library() {
        for number in [0, 9, 10, 99, 100, 1 << 53, u64::MAX] {
            assert_eq!(written(|out| unsigned(out, number)), number.to_string());
        }
        for number in [0, -1, 7, i64::MIN, i64::MAX] {
            assert_eq!(written(|out| signed(out, number)), number.to_string());
        }
    }

    proptest! {
        #[test]
        fn any_string_survives(text in "\\PC*|[\\x00-\\x7f]*|(?s).*") {
            let json = written(|out| string(out, &text));
            prop_assert!(!json.chars().any(forges));
            prop_assert_eq!(json.len(), length(&text) + 2);
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn a_special_byte_is_found_wherever_it_stands(before in 0_usize..100, after in 0_usize..100) {
            let text = format!("{}\n{}", "x".repeat(before), "y".repeat(after));
            let json = written(|out| string(out, &text));
            prop_assert_eq!(json, format!("\"{}\\n{}\"", "x".repeat(before), "y".repeat(after)));
        }
    }
}
