//! The tables of the documents say what the code does.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end them")]

#[path = "harness/documents.rs"]
mod documents;

use std::fmt::Write;
use std::fs;
use std::path::Path;

use sterna::cli::ExitCode;
use sterna::config::{Allowed, Key, NumberDefault, all_keys};

/// Compares what stands between `<!-- name -->` and `<!-- /name -->`.
fn check(name: &str, expected: &str) {
    let (path, found) = documents::between_marks(name);
    let (found, expected) = (found.trim_matches('\n'), expected.trim_matches('\n'));
    assert!(
        found == expected,
        "{path} should have, between the marks {name}:\n\n{expected}\n"
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
    let table = documents::paragraph("| Limit | Value | Where |");
    let is_limit = |word: &&str| {
        let is_of_name = |letter: u8| letter.is_ascii_uppercase() || letter == b'_';
        word.bytes().all(is_of_name) && !word.starts_with('_')
    };
    let mut named = 0;
    for place in table.lines().filter_map(|row| row.split(" | ").nth(2)) {
        let words = || place.split('`').skip(1).step_by(2);
        let paths = words().filter(|word| word.starts_with("src/"));
        let texts = paths.map(|path| {
            let text = fs::read_to_string(format!("{root}/{path}"));
            text.unwrap_or_else(|error| panic!("the limits name {path}: {error}"))
        });
        let text: String = texts.collect();
        for limit in words().filter(is_limit) {
            named += 1;
            let declared = format!("const {limit}:");
            assert!(text.contains(&declared), "limits: no {limit} in {place}");
        }
    }
    assert!(named > 200, "{named}");
}

#[test]
fn the_tests_that_are_named_for_promises_are_there() {
    let (path, table) = documents::between_marks("promises");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut source = String::new();
    for directory in ["src", "tests", "benches"] {
        read_all(&root.join(directory), &mut source);
    }
    let lists = table
        .lines()
        .skip(2)
        .map(|row| row.split(" | ").nth(1).unwrap());
    let named: Vec<&str> = lists
        .flat_map(|list| list.split('`').skip(1).step_by(2))
        .collect();
    assert!(named.len() > 30, "{}", named.len());
    for name in named {
        let begin = format!("fn {name}(");
        assert!(
            source.contains(&begin),
            "{path} names the test {name}, which there is not"
        );
    }
}

/// Adds the files of Rust in a directory, and in those below.
fn read_all(directory: &Path, all: &mut String) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, all);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
}
