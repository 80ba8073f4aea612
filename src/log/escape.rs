//! Strings and numbers as they stand in a log line: JSON, escaped as zap escapes it.
//!
//! Pure. Escaped are `"`, `\` and the control characters below U+0020, and nothing else: `<`, `&`,
//! DEL and all of non-ASCII stand as they are, which Gaurun's readers are used to.

/// Appends `text` as a JSON string, with its quotation marks.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let (clean, tail) = rest.split_at(clean_prefix(rest));
        out.extend_from_slice(clean);
        let Some((&octet, tail)) = tail.split_first() else {
            break;
        };
        escaped(out, octet);
        rest = tail;
    }
    out.push(b'"');
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

/// How many octets from the start need no escape.
///
/// Looks at a block at a time without branches inside it, which the compiler turns into vector
/// instructions.
fn clean_prefix(octets: &[u8]) -> usize {
    let mut length = 0;
    for block in octets.chunks(BLOCK) {
        if block.iter().fold(false, |any, &octet| any | special(octet)) {
            return length + block.iter().take_while(|&&octet| !special(octet)).count();
        }
        length += block.len();
    }
    length
}

fn special(octet: u8) -> bool {
    octet < 0x20 || octet == b'"' || octet == b'\\'
}

fn escaped(out: &mut Vec<u8>, octet: u8) {
    match octet {
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', octet]),
        _ => {
            out.extend_from_slice(b"\\u00");
            out.extend([octet >> 4, octet & 0xf].map(hex));
        }
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

/// Octets looked at together.
const BLOCK: usize = 32;

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
    fn leaves_everything_else_raw() {
        let text = "<a href='x'>&/\u{7f}\u{80}\u{2028}\u{2029}é漢😀\u{fffd}";
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
            prop_assert!(!json.bytes().any(|octet| octet < 0x20));
            prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        }

        #[test]
        fn a_special_octet_is_found_wherever_it_stands(before in 0_usize..100, after in 0_usize..100) {
            let text = format!("{}\n{}", "x".repeat(before), "y".repeat(after));
            let json = written(|out| string(out, &text));
            prop_assert_eq!(json, format!("\"{}\\n{}\"", "x".repeat(before), "y".repeat(after)));
        }
    }
}
