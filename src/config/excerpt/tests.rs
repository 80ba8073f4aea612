//! Lines as they are shown.

use proptest::prelude::*;

use super::super::sections;
use super::*;

/// Shows a line in which `meant` is meant, and puts carets where they would stand.
fn check(line: &str, meant: &str, expected: &str, carets: &str) {
    let start = line.find(meant).unwrap();
    let span = start..start + meant.len();
    let excerpt = Excerpt::of(line, &span, &[]);
    let found = format!(
        "{}{}",
        " ".repeat(excerpt.before),
        "^".repeat(excerpt.width)
    );
    assert_eq!((excerpt.line.as_str(), found.as_str()), (expected, carets));
}

#[test]
fn the_caret_stands_below_what_is_meant() {
    check("worker = 4", "worker", "worker = 4", "^^^^^^");
    check("a\n  b = 4\r\nc", "4", "  b = 4", "      ^");
    check("\tport = 1", "1", "    port = 1", "           ^");
    check("k = \"日本\" # x", "\"日本\"", "k = \"日本\"", "    ^^^^^^");
    check("k = \"é\" # x", "# x", "k = \"é\"", "       ^");
}

#[test]
fn the_caret_of_an_empty_span_stands_at_its_place() {
    let line = "port = \"日\" \"2\"";
    for (hidden, place, caret) in [
        (None, 0, 0),
        (None, 13, 12),
        (None, line.len(), 15),
        (Some(7..line.len()), 13, 7),
        (Some(7..12), 13, 19),
    ] {
        let excerpt = Excerpt::of(line, &(place..place), hidden.as_slice());
        assert_eq!((excerpt.before, excerpt.width), (caret, 1), "{place}");
    }
    let broken = Excerpt::of_broken(" = 5", &(1..1), sections::all());
    assert_eq!((broken.before, broken.width), (1, 1), "{broken:?}");
}

#[test]
fn what_a_terminal_would_obey_is_spelt_out() {
    check(
        "k = \"\u{1b}[31m\u{202e}\" x",
        "x",
        r#"k = "\u{1b}[31m\u{202e}" x"#,
        "                         ^",
    );
}

#[test]
fn a_long_line_is_cut_on_both_sides() {
    let line = format!("{}meant{}", "a".repeat(5000), "b".repeat(5000));
    let excerpt = Excerpt::of(&line, &(5000..5005), &[]);
    assert!(excerpt.line.starts_with("…aaa") && excerpt.line.ends_with("bbb…"));
    assert!(excerpt.line.chars().count() <= LINE_SHOWN_MAX + 2);
    let meant: String = excerpt.line.chars().skip(excerpt.before).take(5).collect();
    assert_eq!((meant.as_str(), excerpt.width), ("meant", 5));
    let whole = "x".repeat(LINE_SHOWN_MAX);
    assert_eq!(Excerpt::of(&whole, &(90..91), &[]).line, whole);
}

#[test]
fn hidden_parts_are_not_shown_and_the_caret_moves_along() {
    let line = "a = \"hunter2\", b = 4";
    let excerpt = Excerpt::of(line, &(19..20), std::slice::from_ref(&(4..13)));
    assert_eq!(excerpt.line, "a = (not shown), b = 4");
    assert_eq!((excerpt.before, excerpt.width), (21, 1));
    let excerpt = Excerpt::of(line, &(4..13), std::slice::from_ref(&(4..13)));
    assert_eq!((excerpt.before, excerpt.width), (4, "(not shown)".len()));
}

#[test]
fn of_broken_toml_only_the_values_of_known_keys_are_shown() {
    for (line, expected) in [
        ("topic = \"a", "topic = \"a"),
        ("[core", "[core"),
        (
            "pem_key_passphrase = \"hunter2",
            "pem_key_passphrase = (not shown)",
        ),
        (
            "pem_key_passphrase \"hunter2\"",
            "pem_key_passphrase (not shown)",
        ),
        ("  apikey=hunter2", "  apikey=(not shown)"),
        (
            "pem_key_pasphrase = hunter2",
            "pem_key_pasphrase = (not shown)",
        ),
        ("pem_key_pass = hunter2", "pem_key_pass = (not shown)"),
        ("topics = \"a", "topics = (not shown)"),
        ("topics = 3 [true, -4]", "topics = 3 [true, -4]"),
        ("topics = 3 a", "topics = (not shown)"),
        ("passphrases = 735191 3", "passphrases = (not shown)"),
        (
            "enabled = true pem_key_passphrase \"hunter2\"",
            "enabled = (not shown)",
        ),
        ("enabled=true PASSPHRASE: hunter2", "enabled=(not shown)"),
        ("hunter2", "(not shown)"),
        ("hunter2 # x = y", "(not shown)"),
        ("topic = 1 apikey = hunter2", "topic = (not shown)"),
        ("hunter2\"", "(not shown)"),
        ("\"apikey\" = hunter2", "(not shown)"),
    ] {
        assert_eq!(
            Excerpt::of_broken(line, &(0..1), sections::all()).line,
            expected
        );
    }
    let text = "apikey = \"\"\"\nhunter2\ntopic = \"\n";
    for start in [13, 21] {
        let excerpt = Excerpt::of_broken(text, &(start..start + 1), sections::all());
        assert_eq!(excerpt.line, "(not shown)");
    }
}

proptest! {
    #[test]
    fn any_text_and_span_make_one_harmless_line(
        text in "(\\PC|[\\x00-\\x1f]|日|\u{202e}|=|\n){0,200}",
        start in 0_usize..250,
        length in 0_usize..250,
        hidden in 0_usize..250,
    ) {
        let (span, hidden) = (start..start + length, hidden..hidden + 3);
        for excerpt in [
            Excerpt::of(&text, &span, std::slice::from_ref(&hidden)),
            Excerpt::of_broken(&text, &span, sections::all()),
        ] {
            prop_assert!(!excerpt.line.contains(char::is_control));
            prop_assert!(excerpt.width >= 1);
        }
    }
}

#[test]
fn no_comment_is_shown() {
    let check = |line: &str, expected: &str, of_broken: &str| {
        let excerpt = Excerpt::of(line, &(0..1), &[]);
        assert_eq!(excerpt.line, expected);
        let excerpt = Excerpt::of_broken(line, &(0..1), sections::all());
        assert_eq!(excerpt.line, of_broken);
    };
    check("topic = 1 # was: hunter2", "topic = 1", "topic = 1");
    check("topic = \"a#b\" # 'c'", "topic = \"a#b\"", "topic = \"a");
    check(
        r##"topic = "a\"#b" # c"##,
        r##"topic = "a\"#b""##,
        r#"topic = "a\""#,
    );
    check(
        r#"topic = "a\\" # c"#,
        r#"topic = "a\\""#,
        r#"topic = "a\\""#,
    );
    check("topic = 'a\\' # c", "topic = 'a\\'", "topic = 'a\\'");
    check("# hunter2", "", "");
    // It may be the end of a string that began on another line.
    let text = "topic = \"\"\"\n\"\"\" # hunter2";
    assert_eq!(Excerpt::of(text, &(12..13), &[]).line, "\"\"\"");
}

#[test]
fn nothing_below_the_name_of_a_secret_is_shown() {
    for (text, expected) in [
        (
            "ios.pem_key_passphrase.\"hunter2\" = 1",
            "ios.pem_key_passphrase.(not shown) = (not shown)",
        ),
        (
            "apikey = { a.b = 1, c = [2] }",
            "apikey = { (not shown).(not shown) = (not shown), (not shown) = (not shown) }",
        ),
        (
            "apikey = [{ a = 1 }]",
            "apikey = [{ (not shown) = (not shown) }]",
        ),
        ("apikey = [1, 2]", "apikey = (not shown)"),
        ("topic.a = 1", "topic.a = 1"),
        ("topic.a = \"1\"", "topic.a = (not shown)"),
    ] {
        let (table, errors) = DeTable::parse_recoverable(text);
        assert!(errors.is_empty());
        let hidden = hidden(table.get_ref(), |_| true, sections::all());
        assert_eq!(Excerpt::of(text, &(0..1), &hidden).line, expected);
    }
}
