//! The tables of the README say what the code does.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end them")]

use std::fmt::Write;

use sterna::cli::ExitCode;
use sterna::config::{Allowed, Key, NumberDefault, all_keys};

/// Compares what stands between `<!-- name -->` and `<!-- /name -->`.
fn check(name: &str, expected: &str) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(path).unwrap_or_default();
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let found = readme
        .split_once(&begin)
        .and_then(|(_, rest)| rest.split_once(&end));
    let found = found.map_or("", |(table, _)| table.trim_matches('\n'));
    let expected = expected.trim_matches('\n');
    assert!(
        found == expected,
        "README.md should have, between {} and {end}:\n\n{expected}\n",
        begin.trim()
    );
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn default_cell(key: &Key) -> String {
    match &key.allowed {
        Allowed::Number {
            default: NumberDefault::Absent { means, .. },
            ..
        } => (*means).to_owned(),
        _ => format!("`{}`", key.default_text().unwrap()),
    }
}

#[test]
fn every_key_is_in_the_table() {
    let mut table = String::from("| Key | Default | Allowed | Meaning |\n|---|---|---|---|\n");
    for key in all_keys() {
        let (path, default) = (key.path(), default_cell(key));
        let (range, meaning) = (cell(&key.range_text()), cell(key.meaning));
        writeln!(table, "| `{path}` | {default} | {range} | {meaning} |").unwrap();
    }
    check("keys", &table);
}

#[test]
fn every_difference_from_gaurun_is_in_the_table() {
    let mut table = String::from("| Key | Gaurun 0.14 | Sterna | Why |\n|---|---|---|---|\n");
    for key in all_keys() {
        if let Some(difference) = &key.gaurun {
            let (was, is) = (cell(difference.was), cell(difference.is));
            writeln!(
                table,
                "| `{}` | {was} | {is} | {} |",
                key.path(),
                cell(difference.why)
            )
            .unwrap();
        }
    }
    check("gaurun-differences", &table);
}

#[test]
fn every_exit_code_is_in_the_table() {
    let mut table = String::from("| Code | Meaning |\n|---|---|\n");
    for (code, meaning) in ExitCode::TABLE {
        writeln!(table, "| {} | {meaning} |", code.number()).unwrap();
    }
    check("exit-codes", &table);
}

#[test]
fn the_limits_that_are_named_are_where_it_is_said() {
    let root = env!("CARGO_MANIFEST_DIR");
    let readme = std::fs::read_to_string(format!("{root}/README.md")).unwrap();
    let (_, rest) = readme.split_once("\n| Limit | Value | Where |").unwrap();
    let (table, _) = rest.split_once("\n\n").unwrap();
    let is_limit = |word: &&str| {
        let is_of_name = |letter: u8| letter.is_ascii_uppercase() || letter == b'_';
        word.bytes().all(is_of_name) && !word.starts_with('_')
    };
    let mut named = 0;
    for place in table.lines().filter_map(|row| row.split(" | ").nth(2)) {
        let words = || place.split('`').skip(1).step_by(2);
        let paths = words().filter(|word| word.starts_with("src/"));
        let texts = paths.map(|path| {
            let text = std::fs::read_to_string(format!("{root}/{path}"));
            text.unwrap_or_else(|error| panic!("README.md names {path}: {error}"))
        });
        let text: String = texts.collect();
        for limit in words().filter(is_limit) {
            named += 1;
            let declared = format!("const {limit}:");
            assert!(text.contains(&declared), "README.md: no {limit} in {place}");
        }
    }
    assert!(named > 200, "{named}");
}
