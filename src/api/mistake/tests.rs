use proptest::prelude::*;

use super::super::keys::ApiKeys;
use super::super::request::{Trailing, decode};
use super::*;
use crate::http1::head::Head;

const SHOWN: &str = "0123456789abcdef+/=";
const KNOWN: &str = "fedcba9876543210";

/// What is wrong with a body whose caller shows a key; `None` if nothing is.
fn mistake(body: &[u8]) -> Option<Mistake> {
    let head = format!("POST /push HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {SHOWN}\r\n\r\n");
    let head = Head::parse(head.as_bytes()).unwrap();
    let keys = ApiKeys::parse(&format!("{SHOWN}\n{KNOWN}\n")).unwrap();
    let keyless = Keyless::of(&head, Some(&keys));
    let mut body = body.to_vec();
    let error = decode(&mut body, 100, Trailing::Ignored).err()?;
    Some(Mistake::in_body(&body, &error, &keyless))
}

fn answer(body: &str) -> String {
    let mistake = mistake(body.as_bytes());
    mistake
        .unwrap_or_else(|| panic!("nothing is wrong with {body}"))
        .answer
}

/// The body with that notification, and at which column it begins.
fn of_one(notification: &str) -> (String, usize) {
    let before = "{\"notifications\":[";
    (format!("{before}{notification}]}}"), before.len() + 1)
}

/// What PHP's `json_encode()` makes of values that are nearly right: a notification, the column in
/// it and the pointer below it, and what is said.
const VALUES: &[(&str, usize, &str, &str)] = &[
    (
        r#"{"platform":"1"}"#,
        12,
        "/platform",
        "1, 2, \"ios\" or \"android\" was expected, and there is the string \"1\"; a number stands \
         without quotation marks; PHP writes it so after (int)",
    ),
    (
        r#"{"platform":1.0}"#,
        12,
        "/platform",
        "1, 2, \"ios\" or \"android\" was expected, and there is the number 1.0; an integer has no point and no \
             exponent; PHP writes it so after (int)",
    ),
    (
        r#"{"badge":1e2}"#,
        9,
        "/badge",
        "an integer was expected, and there is the number 1e2; an integer has no point and no \
             exponent; PHP writes it so after (int)",
    ),
    (
        r#"{"expiry":9223372036854775808}"#,
        10,
        "/expiry",
        "an integer of 64 bits was expected, and there is the number 9223372036854775808",
    ),
    (
        r#"{"time_to_live":false}"#,
        16,
        "/time_to_live",
        "an integer was expected, and there is false",
    ),
    (
        r#"{"message":4711}"#,
        11,
        "/message",
        "a string was expected, and there is the number 4711; a string stands in quotation \
             marks; PHP writes it so after (string), and without JSON_NUMERIC_CHECK",
    ),
    (
        r#"{"Title":{"name":"x"}}"#,
        9,
        "/Title",
        "a string was expected, and there is an object",
    ),
    (
        r#"{"message":[]}"#,
        11,
        "/message",
        "a string was expected, and there is an empty array",
    ),
    (
        r#"{"content_available":"true"}"#,
        21,
        "/content_available",
        "true or false was expected, and there is the string \"true\"; PHP writes that so after \
             (bool)",
    ),
    (
        r#"{"mutable_content":1}"#,
        19,
        "/mutable_content",
        "true or false was expected, and there is the number 1; PHP writes that so after (bool)",
    ),
    (
        r#"{"token":{"0":"ab","2":"cd"}}"#,
        9,
        "/token",
        "an array of strings was expected, and there is an object; PHP makes an object of an \
             array unless its keys are 0, 1, 2, …, as array_values() makes them, and with \
             JSON_FORCE_OBJECT of each",
    ),
    (
        r#"{"token":{}}"#,
        9,
        "/token",
        "an array of strings was expected, and there is an empty object; PHP makes an object of an \
         array unless its keys are 0, 1, 2, …, as array_values() makes them, and with \
         JSON_FORCE_OBJECT of each",
    ),
    (
        r#"{"token":"[\"ab\"]"}"#,
        9,
        "/token",
        "an array of strings was expected, and there is the string \"[\\\"ab\\\"]\"; that is JSON \
         within a string: was it encoded twice?",
    ),
    (
        r#"{"token":["ab", 17]}"#,
        16,
        "/token/1",
        "a string was expected, and there is the number 17; a string stands in quotation \
             marks; PHP writes it so after (string), and without JSON_NUMERIC_CHECK",
    ),
    (
        r#"{"extend":{"order":"17"}}"#,
        10,
        "/extend",
        "an array of {\"key\":…,\"val\":…} was expected, and there is an object",
    ),
    (
        r#"{"extend":["order"]}"#,
        11,
        "/extend/0",
        "an object {\"key\":…,\"val\":…} was expected, and there is the string \"order\"",
    ),
    (
        r#"{"extend":[null,[]]}"#,
        16,
        "/extend/1",
        "an object {\"key\":…,\"val\":…} was expected, and there is an empty array; PHP makes \
             that of an empty array; new stdClass is an empty object",
    ),
    (
        r#"{"extend":[{"key":17,"val":17}]}"#,
        18,
        "/extend/0/key",
        "a string was expected, and there is the number 17; a string stands in quotation \
             marks; PHP writes it so after (string), and without JSON_NUMERIC_CHECK",
    ),
    (
        r#"{"sound":["a"]}"#,
        9,
        "/sound",
        "a string or an object was expected, and there is an array",
    ),
    (
        r#"{"priority":1.5}"#,
        12,
        "/priority",
        "a string or an integer was expected, and there is the number 1.5; an integer has no \
         point and no exponent; PHP writes it so after (int)",
    ),
    (
        "[]",
        0,
        "",
        "an object was expected, and there is an empty array; PHP makes that of an empty \
             array; new stdClass is an empty object",
    ),
    (
        "\"a\"",
        0,
        "",
        "an object was expected, and there is the string \"a\"",
    ),
];

#[test]
fn a_value_of_another_form_is_told_with_what_was_expected() {
    for &(notification, column, at, told) in VALUES {
        let (body, begin) = of_one(notification);
        let (what, advice) = told.split_once(';').unwrap_or((told, ""));
        let column = begin + column;
        let mut expected = format!("/notifications/0{at}: {what}, at line 1 column {column}");
        if !advice.is_empty() {
            expected.push(';');
            expected.push_str(advice);
        }
        assert_eq!(answer(&body), expected);
    }
}

#[test]
fn a_body_of_another_form_is_told() {
    let wanted = "the body: an object {\"notifications\":[…]} was expected, and there is";
    for (body, told) in [
        (
            "[{\"token\":[]}]",
            format!("{wanted} an array, at line 1 column 1"),
        ),
        ("\n 1", format!("{wanted} the number 1, at line 2 column 2")),
        (
            r#""{\"notifications\":[]}""#,
            format!(
                "{wanted} the string \"(not shown)\", at line 1 column 1; that is JSON within a \
                 string: was it encoded twice?"
            ),
        ),
        ("", format!("{wanted} nothing, at line 1 column 1")),
        (" \n", format!("{wanted} nothing, at line 2 column 1")),
        (
            "\u{feff}{}",
            format!("{wanted} a byte order mark, at line 1 column 1; JSON begins without one"),
        ),
        (
            "{\0\"\0n\0",
            format!("{wanted} UTF-16 or UTF-32, at line 1 column 1; JSON is UTF-8"),
        ),
        (
            "notifications%5B0%5D%5Bplatform%5D=1&notifications%5B0%5D%5Bmessage%5D=m",
            format!(
                "{wanted} a form, at line 1 column 1; POST /push takes JSON, as PHP's \
                 json_encode() writes it"
            ),
        ),
        (
            "----x\r\nContent-Disposition: form-data; name=\"notifications\"\r\n\r\nm\r\n----x--",
            format!(
                "{wanted} a multipart form, at line 1 column 1; POST /push takes JSON, as PHP's \
                 json_encode() writes it"
            ),
        ),
        (
            r#"{"notifications":{"0":{"token":["ab"]},"1":{}}}"#,
            "/notifications: an array of notifications was expected, and there is an object, at \
             line 1 column 18; PHP makes an object of an array unless its keys are 0, 1, 2, …, as \
             array_values() makes them, and with JSON_FORCE_OBJECT of each"
                .to_owned(),
        ),
        (
            "{\n  \"ä\": 1, \"notifications\": [\n    {},\n    {\"badge\": 1},\n{\"ü\": 1, \"Badge\": \"2\"}]}",
            "/notifications/2/Badge: an integer was expected, and there is the string \"2\", at \
             line 5 column 19; a number stands without quotation marks; PHP writes it so after \
             (int)"
                .to_owned(),
        ),
    ] {
        assert_eq!(answer(body), told);
    }
    // As gzip, zlib and Zstandard begin.
    let packed: [&[u8]; 4] = [
        b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
        b"x\x9c\xab\xe6",
        b"x\x01\xab\xe6",
        b"(\xb5/\xfd\x04\0",
    ];
    for body in packed {
        assert_eq!(
            mistake(body).unwrap().answer,
            format!("{wanted} compressed data, at line 1 column 1; POST /push takes JSON as it is")
        );
    }
    assert_eq!(Mistake::no_body().answer, format!("{wanted} nothing"));
}

#[test]
fn what_is_no_json_is_told_where_it_begins_to_be_none() {
    for (body, told) in [
        (
            r#"{"notifications":[{"token":["ab""#,
            "/notifications/0/token: the JSON ends too early (EOF while parsing a list), at line 1 \
             column 32; was the body cut off?",
        ),
        (
            r#"{"notifications":[{"message":"a"#,
            "/notifications/0/message: the JSON ends too early (EOF while parsing a string), at \
             line 1 column 31; was the body cut off?",
        ),
        (
            "{\"notifications\":[{\"platform\":1,\n}]}",
            "/notifications/0: this is no JSON (trailing comma), and there is \"}\", at line 2 \
             column 1",
        ),
        (
            "{'notifications':[]}",
            "the body: this is no JSON (key must be a string), and there is \"'\", at line 1 \
             column 2; names and strings stand in double quotation marks",
        ),
        (
            r#"{"notifications":[{"message":undefined}]}"#,
            "/notifications/0/message: this is no JSON (expected value), and there is \"u\", at \
             line 1 column 30",
        ),
        (
            r#"{"notifications":[{"x":{"y":[NaN]}}]}"#,
            "/notifications/0/x: this is no JSON (expected value), and there is \"N\", at line 1 \
             column 30",
        ),
        (
            "{\"notifications\":[{\"message\":\"a\nb\"}]}",
            "/notifications/0/message: this is no JSON (control character (\\u0000-\\u001F) found \
             while parsing a string), and there is \"\\n\", at line 1 column 32",
        ),
        (
            r#"{"notifications":[{"message":"\x"}]}"#,
            "/notifications/0/message: this is no JSON (invalid escape), and there is \"x\", at \
             line 1 column 32",
        ),
        (
            "<xml/>",
            "the body: this is no JSON (expected value), and there is \"<\", at line 1 column 1",
        ),
    ] {
        assert_eq!(answer(body), told);
    }
    let told = mistake(b"{\"notifications\":[\xff]}").unwrap().answer;
    let what = "/notifications/0: this is no JSON (expected value), and there is what is not UTF-8";
    assert_eq!(told, format!("{what}, at line 1 column 19"));
    let mut body = b"{} {".to_vec();
    let error = decode(&mut body, 100, Trailing::Refused).unwrap_err();
    let head = Head::parse(b"POST /push HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let told = Mistake::in_body(&body, &error, &Keyless::of(&head, None)).answer;
    let what = "this is no JSON (trailing characters), and there is \"{\"";
    assert_eq!(told, format!("the body: {what}, at line 1 column 4"));
}

#[test]
fn what_may_have_been_meant_for_the_notifications_is_named() {
    for (are_named, instead, told) in [
        (false, None, "\"notifications\" is missing"),
        (true, Some("messages"), "\"notifications\" has none"),
        (
            false,
            Some("notification"),
            "\"notification\" is no field, \"notifications\" is",
        ),
        (
            false,
            Some("Token"),
            "\"Token\" is a field of a notification, as in {\"notifications\":[{\"Token\":…}]}",
        ),
    ] {
        let mistake = Mistake::no_notifications(are_named, instead);
        assert_eq!(mistake.answer, format!("no notifications: {told}"));
    }
}

#[test]
fn what_is_shown_is_short_and_escaped_and_no_secret() {
    let pem = "-----BEGIN PRIVATE KEY-----\\nMIGT\\n-----END PRIVATE KEY-----";
    let long = "x".repeat(100_000);
    for (text, shown) in [
        (&*long, format!("\"{}…\"", "x".repeat(32))),
        (
            "a\\u001b[2J\\u202e\\n",
            "\"a\\u{1b}[2J\\u{202e}\\n\"".to_owned(),
        ),
        (SHOWN, "\"(not shown)\"".to_owned()),
        (&*format!("x{SHOWN}y"), "\"x(not shown)y\"".to_owned()),
        (&*format!("a {KNOWN}"), "\"a (not shown)\"".to_owned()),
        (
            &*format!("30 characters before the key: {KNOWN}"),
            "\"30 characters before the key: (n…\"".to_owned(),
        ),
        (pem, "\"(not shown)\"".to_owned()),
        (&*"0123456789abcdef".repeat(4), "\"(not shown)\"".to_owned()),
    ] {
        let body = of_one(&format!("{{\"badge\":\"{text}\"}}")).0;
        let Mistake { answer, log, kind } = mistake(body.as_bytes()).unwrap();
        let told = format!("an integer was expected, and there is the string {shown}, at line 1");
        assert!(answer.contains(&told), "{told}: {answer}");
        assert!(answer.len() < 512, "{answer}");
        assert!(log.contains("and there is a string, at line 1"), "{log}");
        let expected = "/notifications/0/badge: an integer was expected, and there is a string;";
        assert!(kind.starts_with(expected), "{kind}");
    }
    for name in [SHOWN, KNOWN] {
        let body = of_one(&format!("{{\"{name}\":nul}}")).0;
        let Mistake { answer, log, kind } = mistake(body.as_bytes()).unwrap();
        for text in [&answer, &log] {
            assert!(text.starts_with("/notifications/0/(not shown): "), "{text}");
        }
        assert!(kind.starts_with("/notifications/0/…: "), "{kind}");
    }
    let body = of_one(&format!("{{\"{long}\":nul}}")).0;
    let answer = answer(&body);
    assert!(answer.starts_with(&format!("/notifications/0/{}…: ", "x".repeat(64))));
    assert!(answer.len() < 512, "{answer}");
}

#[test]
fn logs_show_no_text_of_a_body() {
    let told = |body: &str| mistake(body.as_bytes()).unwrap();
    for (text, is_shown) in [
        ("1", true),
        ("-1.5e3", true),
        ("true", true),
        ("", true),
        ("Hello", false),
        ("ab12", false),
        ("012345678901234567890", false),
    ] {
        for field in ["badge", "content_available"] {
            let log = told(&of_one(&format!("{{\"{field}\":\"{text}\"}}")).0).log;
            let shown = format!("the string \"{text}\"");
            let expected = if is_shown { &*shown } else { "a string" };
            assert!(log.contains(&format!("there is {expected}, at")), "{log}");
        }
    }
    let body = of_one(r#"{"token":"[ab]"}"#).0;
    let log = told(&body).log;
    let expected = "an array of strings was expected, and there is a string, at line 1 column 28";
    let expected = format!("/notifications/0/token: {expected}; that is JSON within a string");
    assert!(log.starts_with(&expected), "{log}");
    let body = of_one(r#"{"message":"m","title":17}"#).0;
    let log = told(&body).log;
    let expected = "/notifications/0/title: a string was expected, and there is a number, at line";
    assert!(log.starts_with(expected), "{log}");
    let log = told(r#"{"notifications":[{"token":[ab]}]}"#).log;
    let expected =
        "/notifications/0/token/0: this is no JSON (expected value), at line 1 column 29";
    assert_eq!(log, expected);
}

#[test]
fn requests_with_the_same_mistake_are_of_one_kind() {
    let kind = |body: &str| mistake(body.as_bytes()).unwrap().kind;
    let first = kind(r#"{"notifications":[{"badge":"1"}]}"#);
    for body in [
        "{\"notifications\":[{},\n{\"BADGE\":\"12\"}]}",
        r#"{"to":1,"notifications":[{},{},{"badge":"secret"}]}"#,
    ] {
        assert_eq!(kind(body), first);
    }
    assert_ne!(kind(r#"{"notifications":[{"badge":1.5}]}"#), first);
    assert_ne!(kind(r#"{"notifications":[{"expiry":"1"}]}"#), first);
    let without = |name| Mistake::no_notifications(false, Some(name)).kind;
    assert_eq!(without("x"), without("y"));
    assert_ne!(without("x"), without("token"));
}

/// A value of each form, for each field: the two readings say the same.
#[test]
fn a_fault_is_found_where_the_first_reading_finds_one() {
    let values = [
        "null", "true", "1", "1.0", "\"a\"", "[]", "{}", "[1]", "[\"a\"]", "[{}]",
    ];
    let names = FIELDS.iter().copied().chain(["unknown"]);
    for (name, value) in names.flat_map(|name| values.map(|value| (name, value))) {
        let (body, _) = of_one(&format!("{{\"{name}\":{value}}}"));
        let found = reading::find(&body).is_some();
        assert_eq!(found, mistake(body.as_bytes()).is_some(), "{body}");
        if found {
            let place = format!("/notifications/0/{name}");
            assert!(answer(&body).starts_with(&place), "{body}");
        }
    }
}

proptest! {
    #[test]
    fn any_body_that_cannot_be_read_has_a_fault(
        body in r#"\{"notifications":\[(\{("(token|badge|extend|key|x)":)?("a"|1|1\.0|\[|\]|\{|\}|,|null|tru){0,3}\}?,?){0,3}\]?\}?"#
    ) {
        let is_read = decode(&mut body.clone().into_bytes(), 100, Trailing::Ignored).is_ok();
        let end = reading::value(&body).map_or(body.len(), str::len);
        prop_assert_eq!(reading::find(body.get(..end).unwrap()).is_none(), is_read, "{}", body);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        drop(mistake(&bytes));
    }
}
