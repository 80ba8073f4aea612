//! The tables of the documents say what the code does, and their links lead somewhere.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests may end them"
)]

mod constants;
#[path = "../harness/documents.rs"]
mod documents;
mod limits;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use sterna::api::paths::{PATHS, STATUSES_OF_ANY};
use sterna::api::plan::reasons::REJECTION_REASONS;
use sterna::api::request::REQUEST_FIELDS;
use sterna::api::rights::Right;
use sterna::cli::ExitCode;
use sterna::config::{Allowed, InForce, Key, NumberDefault, all_keys};
use sterna::provider::ValueSchema;
use sterna::push::{Provider, TargetKind};
use sterna::stats::Family;

/// Compares what stands between `<!-- name -->` and `<!-- /name -->`; with `STERNA_WRITE_GOLDEN` in
/// the environment it is written anew.
fn check(name: &str, expected: &str) {
    let (path, found) = documents::between_marks(name);
    if std::env::var_os("STERNA_WRITE_GOLDEN").is_some() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(&path);
        let text = fs::read_to_string(&path).unwrap();
        let marked = |inner: &str| format!("<!-- {name} -->\n{inner}<!-- /{name} -->");
        let text = text.replace(&marked(&found), &marked(expected));
        fs::write(&path, text).unwrap();
    }
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
    check("keys", &keys(all_keys()));
}

/// Those of the API and the process by their names, those of the journal as a whole.
#[test]
fn every_key_that_needs_a_restart_is_named() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("etc/doc/sterna-reload.1.md");
    let text = fs::read_to_string(path).unwrap();
    let (_, item) = text
        .split_once("- Needs a restart, and is named each time: ")
        .unwrap();
    let (named, rest) = item.split_once("; all of `[journal]`; ").unwrap();
    assert!(rest.starts_with("log files"), "{rest}");
    let (_, of_feedback) = rest.split_once("; and").unwrap();
    let named: Vec<&str> = named.split('`').skip(1).step_by(2).collect();
    let waits = |section| {
        let keys = all_keys().filter(move |key| key.section == section);
        keys.filter(|key| key.in_force == InForce::AtStart)
            .map(Key::path)
    };
    let core: Vec<String> = waits("core").collect();
    assert_eq!(named.join(" "), core.join(" ").replace(" core.", " "));
    let feedback: Vec<String> = waits("feedback").map(|path| format!("`{path}`")).collect();
    let feedback = feedback.join(" and ") + ".\n";
    assert!(
        of_feedback.trim_start().starts_with(&feedback),
        "{of_feedback}"
    );
    let all: Vec<String> = all_keys().map(Key::path).collect();
    let of_journal = all.iter().filter(|path| path.starts_with("journal."));
    assert!(of_journal.eq(waits("journal").collect::<Vec<_>>().iter()));
    assert_eq!(
        waits("ios")
            .chain(waits("android"))
            .chain(waits("log"))
            .next(),
        None
    );
}

#[test]
fn the_keys_that_matter_are_in_the_readme() {
    let named = [
        "core.port",
        "core.address",
        "core.api_key_path",
        "core.compatible_with",
        "core.max_age",
        "ios.topic",
        "ios.sandbox",
        "android.service_account_path",
        "journal.sync",
        "log.access_log",
    ];
    let known = named.map(|path| all_keys().find(|key| key.path() == path).unwrap());
    check("few-keys", &keys(known));
}

fn keys(keys: impl IntoIterator<Item = &'static Key>) -> String {
    let mut table = String::from("| Key | Default | Allowed | Meaning |\n|---|---|---|---|\n");
    for key in keys {
        let (path, default) = (key.path(), default_cell(key));
        let (range, meaning) = (cell(&key.range_text()), cell(key.meaning));
        writeln!(table, "| `{path}` | {default} | {range} | {meaning} |").unwrap();
    }
    table
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
fn every_family_of_metrics_is_in_the_table() {
    let mut table = String::from("| Family | Kind | Meaning |\n|---|---|---|\n");
    for row in Family::ALL.iter().map(|family| family.row()) {
        let labels = row.labels.join(",");
        let labels = if labels.is_empty() {
            labels
        } else {
            format!("{{{labels}}}")
        };
        let (kind, help) = (row.kind.word(), cell(row.help));
        writeln!(table, "| `{}{labels}` | {kind} | {help} |", row.name).unwrap();
    }
    check("metrics", &table);
}

#[test]
fn every_exit_code_is_in_the_table() {
    let mut table = String::from("| Code | Meaning |\n|---|---|\n");
    for (code, meaning) in ExitCode::TABLE {
        writeln!(table, "| {} | {meaning} |", code.number()).unwrap();
    }
    check("exit-codes", &table);
}

/// What a field holds, in words.
fn kind(value: &ValueSchema) -> String {
    let word = match value {
        ValueSchema::Any => "any JSON",
        ValueSchema::Text
        | ValueSchema::Word
        | ValueSchema::Like(..)
        | ValueSchema::OneOf(_)
        | ValueSchema::PushType => "string",
        ValueSchema::Flag => "boolean",
        ValueSchema::Integer(..) => "integer",
        ValueSchema::Number { .. } => "number",
        ValueSchema::Time => "integer or string",
        ValueSchema::Platform | ValueSchema::Priority => "string or integer",
        ValueSchema::Targets => "array of strings, or one string",
        ValueSchema::Texts => "array of strings",
        ValueSchema::Pairs => "array of `{\"key\":…,\"val\":…}`",
        ValueSchema::Object | ValueSchema::Members(_) | ValueSchema::Google(_) => "object",
        ValueSchema::Either(one, other) => return format!("{} or {}", kind(one), kind(other)),
    };
    word.to_owned()
}

#[test]
fn every_field_of_a_notification_is_in_the_tables() {
    for (name, is_read_at_once) in [("fields", true), ("native-fields", false)] {
        let mut table =
            String::from("| Request field | Type | Provider | Meaning |\n|---|---|---|---|\n");
        let fields = REQUEST_FIELDS.iter();
        for field in fields.filter(|field| field.is_read_at_once == is_read_at_once) {
            let provider = match field.providers {
                [] => "neither",
                [Provider::Apns] => "APNs",
                [Provider::Fcm] => "FCM",
                _ => "both",
            };
            let (name, kind, meaning) = (field.name, kind(&field.value), cell(field.meaning));
            writeln!(table, "| `{name}` | {kind} | {provider} | {meaning} |").unwrap();
        }
        check(name, &table);
    }
}

#[test]
fn every_operation_of_the_api_is_with_the_right_that_it_needs() {
    let mut table = String::from("| Right | Requests |\n|---|---|\n");
    let rights = Right::ALL.map(|right| (Some(right), format!("`{}`", right.word())));
    for (right, name) in rights
        .into_iter()
        .chain([(None, "any, or none".to_owned())])
    {
        let operations = PATHS.iter().flat_map(|item| {
            let operations = item.operations.iter();
            let fitting = operations.filter(move |operation| match right {
                Some(right) => operation.rights.contains(&right),
                None => operation.rights.is_empty(),
            });
            fitting.map(move |operation| (item, operation))
        });
        let told = operations.map(|(item, operation)| {
            let keyless = if item.needs_no_key {
                ", also without a key"
            } else {
                ""
            };
            format!("`{} {}`{keyless}", operation.method, item.path)
        });
        let targets = TargetKind::ALL.into_iter().filter(|kind| {
            let needed = Right::of_target(*kind);
            needed.is_some() && needed == right
        });
        let words = targets.filter_map(TargetKind::word);
        let targets = words.map(|word| format!("beside `push`: notifications to a `{word}`"));
        let told: Vec<_> = told.chain(targets).collect();
        writeln!(table, "| {name} | {} |", told.join(", ")).unwrap();
    }
    check("rights", &table);
}

#[test]
fn every_reason_of_a_rejection_is_in_the_table() {
    let mut table = String::from("| What is rejected | Pointer | `error` |\n|---|---|---|\n");
    for reason in REJECTION_REASONS {
        let errors = reason.errors.iter().map(|error| format!("`{error}`"));
        let errors = errors.collect::<Vec<_>>().join(", ");
        let note = if reason.note.is_empty() {
            String::new()
        } else {
            format!("; {}", reason.note)
        };
        let (what, pointer) = (cell(reason.what), reason.pointer);
        writeln!(table, "| {what} | {pointer} | {errors}{note} |").unwrap();
    }
    check("reasons", &table);
}

#[test]
fn every_status_of_the_api_is_in_the_table_and_no_other() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("etc/doc/sterna-api.7.md");
    let page = fs::read_to_string(path).unwrap();
    let (_, table) = page.split_once("| Status | When | `message` |").unwrap();
    let (table, _) = table.split_once("\n\n").unwrap();
    let cells = table.lines().filter_map(|row| row.split(" | ").next());
    let numbers = cells.flat_map(|cell| cell.trim_start_matches("| ").split(", "));
    let told: BTreeSet<u16> = numbers.filter_map(|number| number.parse().ok()).collect();
    let operations = PATHS.iter().flat_map(|item| item.operations);
    let statuses = operations.flat_map(|operation| operation.statuses);
    let mut known: BTreeSet<u16> = statuses.chain(&STATUSES_OF_ANY).copied().collect();
    // Of no path of the API.
    known.insert(301);
    assert_eq!(told, known);
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

#[test]
fn a_newcomer_finds_all_in_a_few_pages() {
    let readme = documents::all()
        .into_iter()
        .find(|page| page.path == "README.md");
    let lines = readme.unwrap().text.lines().count();
    assert!(lines <= 260, "README.md has {lines} lines");
}

#[test]
fn the_drawing_for_contributors_is_that_of_the_crate() {
    let between = |text: &str, head: &str| {
        let (_, rest) = text.split_once(head).unwrap();
        let (_, rest) = rest.split_once("```text\n").unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = fs::read_to_string(root.join("src/lib.rs")).unwrap();
    let lines = source.lines().map_while(|line| line.strip_prefix("//!"));
    let lines: Vec<&str> = lines
        .map(|line| line.strip_prefix(' ').unwrap_or(line))
        .collect();
    let of_crate = between(&lines.join("\n"), "# The trip of a push\n");
    let page = fs::read_to_string(root.join("etc/doc/contributing.md")).unwrap();
    assert_eq!(between(&page, "## The trip of a push\n"), of_crate);
}

/// The anchor that a head of this text has.
fn anchor(head: &str) -> String {
    let kept = head.to_lowercase();
    let kept = kept
        .chars()
        .filter(|at| at.is_alphanumeric() || " -_".contains(*at));
    kept.map(|at| if at == ' ' { '-' } else { at }).collect()
}

#[test]
fn each_link_leads_somewhere() {
    let pages = documents::all();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let anchors = |text: &str| -> Vec<String> {
        let heads = text.lines().filter(|line| line.starts_with('#'));
        heads
            .map(|line| anchor(line.trim_start_matches('#').trim_start()))
            .collect()
    };
    let mut seen = 0;
    for page in &pages {
        let links = page.text.split("](").skip(1);
        for link in links.filter_map(|rest| rest.split(')').next()) {
            let (file, head) = link.split_once('#').unwrap_or((link, ""));
            let directory = root.join(&page.path).parent().unwrap().to_owned();
            let text = if file.is_empty() {
                page.text.clone()
            } else {
                let text = fs::read_to_string(directory.join(file));
                text.unwrap_or_else(|error| panic!("{} links to {link}: {error}", page.path))
            };
            let is_there = head.is_empty() || anchors(&text).iter().any(|at| at == head);
            assert!(is_there, "{} links to {link}", page.path);
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
}
