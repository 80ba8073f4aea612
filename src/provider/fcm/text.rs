//! Texts in a message: how they are written, and which keys are Google's.

/// Keys that all of FCM's pages call reserved.
pub(super) fn is_reserved(key: &str) -> bool {
    let word = key == "from" || key == "message_type";
    word || key.starts_with("google.") || key.starts_with("gcm.notification.")
}

/// Appends a text as the inside of a JSON string. Tokens are written with each attempt: most need
/// no escape, and none another allocation.
#[expect(
    clippy::needless_bitwise_bool,
    reason = "without branches many bytes are looked at at a time"
)]
pub(super) fn write_escaped(text: &str, out: &mut Vec<u8>) {
    // Without an end before the last byte, many are looked at at a time.
    let is_special = |byte| (byte < b' ') | (byte == b'"') | (byte == b'\\');
    if !text.bytes().fold(false, |any, byte| any | is_special(byte)) {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
}

/// The whole seconds of a duration, if it is one.
pub(super) fn whole_secs(text: &str) -> Option<u64> {
    let number = text.strip_suffix('s')?;
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_one = digits(whole) && digits(decimals) && decimals.len() <= 9;
    is_one.then(|| whole.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_seconds_with_up_to_nine_decimals() {
        for (text, secs) in [
            ("3s", Some(3)),
            ("3.5s", Some(3)),
            ("0s", Some(0)),
            ("0.123456789s", Some(0)),
            ("3", None),
            ("s", None),
            (".5s", None),
            ("1.s", None),
            ("-1s", None),
            ("1.1234567890s", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(whole_secs(text), secs, "{text}");
        }
    }
}
