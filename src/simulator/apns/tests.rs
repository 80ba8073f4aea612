mod any_body;

use super::{device_token, fold, format_uuid, parse_number, parse_uuid};

#[test]
fn uuids_are_read_in_canonical_form_only() {
    let text = b"0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c11";
    let uuid = parse_uuid(text).unwrap();
    assert_eq!(uuid, 0x0b6c_3a52_4a6f_4a0e_9d55_2f6a_5a0f_0c11);
    assert_eq!(&format_uuid(uuid), text);
    for text in [
        "",
        "0B6C3A52-4a6f-4a0e-9d55-2f6a5a0f0c11",
        "0b6c3a524-a6f-4a0e-9d55-2f6a5a0f0c11",
        "0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c1",
        "0b6c3a52-4a6f-4a0e-9d55-2f6a5a0f0c1g",
        "0b6c3a524a6f4a0e9d552f6a5a0f0c110000",
    ] {
        assert_eq!(parse_uuid(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn numbers_are_digits() {
    for (text, number) in [
        ("0", Some(0)),
        ("1790003600", Some(1_790_003_600)),
        ("007", Some(7)),
    ] {
        assert_eq!(parse_number(text.as_bytes()), number);
    }
    for text in ["", "-1", "+1", "1.5", "1s", " 1", "99999999999999999999"] {
        assert_eq!(parse_number(text.as_bytes()), None, "{text:?}");
    }
}

#[test]
fn the_path_holds_the_device_token() {
    assert_eq!(device_token(b"/3/device/ab12"), Some("ab12"));
    assert_eq!(device_token(b"/3/device/"), Some(""));
    for path in ["/", "/3/device", "/4/device/ab", "/3/device/ab/cd"] {
        assert_eq!(device_token(path.as_bytes()), None, "{path}");
    }
}

#[test]
fn keys_differ_where_ids_do() {
    assert_ne!(fold(1), fold(2));
    assert_ne!(fold(1), fold(1 << 64));
}
