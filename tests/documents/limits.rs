//! sterna-limits(7) and the code: a constant has its row, with the file that it is in and the value
//! that it has, and every constant that is documented as `Our limit` is there.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use sterna::config::all_keys;

use super::constants::{Constants, Value};
use super::documents;

/// What the page says in words of its own: the constant, what it is set to, and the words.
const IN_WORDS: [(&str, &str, &str); 8] = [
    ("CREDIT", "1_000_000", "1 s ahead at most"),
    ("NEWCOMERS", "16", "a sixteenth"),
    ("SPARE", "8", "7/8 of"),
    ("RAMP_STARTS_AT", "10", "from a tenth of the rate"),
    ("RESTS", "50", "2 % of the time"),
    ("LAST_REQUEST_STREAM", "0x7ffe_ffff", "2^31 - 65,537"),
    ("NAME_SHARE", "16", "of 256 bytes at most"),
    ("EXPIRATION_MAX", "u32::MAX as u64", "year 2106"),
];

struct Row {
    /// The cells of the table.
    cells: Vec<String>,
    /// The names of its third cell, each with the file behind it.
    names: Vec<(String, String)>,
}

fn rows() -> Vec<Row> {
    let table = documents::paragraph("| Limit | Value | Where |");
    let rows = table.lines().skip(2).map(|line| {
        let line = line.trim_start_matches("| ").trim_end_matches(" |");
        let cells: Vec<String> = line.split(" | ").map(str::to_owned).collect();
        let names = cells.get(2).map(|place| names(place)).unwrap_or_default();
        Row { cells, names }
    });
    rows.collect()
}

/// The names in `A`, `B_MIN`, `_MAX` in `file`, each with its file.
fn names(place: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut waiting: Vec<String> = Vec::new();
    for word in place.split('`').skip(1).step_by(2) {
        if word.starts_with("src/") {
            // Two files may have the same name.
            if waiting.is_empty() {
                waiting.extend(
                    found
                        .last()
                        .map(|(name, _): &(String, String)| name.clone()),
                );
            }
            let named = waiting.drain(..).map(|name| (name, word.to_owned()));
            found.extend(named);
        } else if let Some(end) = word.strip_prefix('_') {
            let before = waiting.last().unwrap();
            let stem = before.rsplit_once('_').unwrap().0;
            waiting.push(format!("{stem}_{end}"));
        } else if !is_key(word) {
            waiting.push(word.to_owned());
        }
    }
    assert!(waiting.is_empty(), "no file behind {waiting:?} in {place}");
    found
}

fn is_key(word: &str) -> bool {
    all_keys().any(|key| key.path() == word || key.name == word)
}

#[test]
fn each_limit_is_in_the_file_and_has_the_value_that_are_said() {
    let constants = Constants::read();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut findings = String::new();
    let mut named = BTreeSet::new();
    for row in rows() {
        let mut words = row.cells.clone();
        // The number in a file's name is no value.
        let _place = words.get_mut(2).map(String::clear);
        let words = words.join(" | ");
        for (name, file) in &row.names {
            named.insert((name.clone(), file.clone()));
            if name.chars().any(char::is_lowercase) {
                let text = fs::read_to_string(root.join(file)).unwrap_or_default();
                let last = name.rsplit("::").next().unwrap();
                if !text.contains(last) {
                    writeln!(findings, "{name} is not in {file}").unwrap();
                }
                continue;
            }
            let Some(constant) = constants.find(file, name) else {
                writeln!(findings, "{name} is not in {file}").unwrap();
                continue;
            };
            let said = IN_WORDS
                .iter()
                .filter(|(known, set, _)| known == name && *set == constant.expression)
                .any(|(_, _, said)| words.contains(said));
            let Some(value) = constants.value(constant) else {
                if !said {
                    let set = &constant.expression;
                    writeln!(findings, "{name} in {file}: what is {set} worth?").unwrap();
                }
                continue;
            };
            let forms = forms(value);
            if !said && !forms.iter().any(|form| has(&words, form)) {
                writeln!(
                    findings,
                    "{name} in {file} is {}: {words}",
                    forms.join(" or ")
                )
                .unwrap();
            }
        }
    }
    assert!(named.len() > 300, "{}", named.len());
    for constant in constants.all.iter().filter(|constant| constant.is_limit) {
        let (name, file) = (constant.name.clone(), constant.file.clone());
        if !named.contains(&(name, file)) {
            let (name, file) = (&constant.name, &constant.file);
            writeln!(findings, "{name} in {file} has no row").unwrap();
        }
    }
    assert!(findings.is_empty(), "\n{findings}");
}

#[test]
fn limits_elsewhere_are_those_of_the_page() {
    let rows = rows();
    let shown = documents::paragraph("| Limit | Value | When it is crossed |");
    let mut seen = 0;
    for line in shown.lines().skip(2) {
        let line = line.trim_start_matches("| ").trim_end_matches(" |");
        let cells: Vec<&str> = line.split(" | ").collect();
        let is_it = |row: &Row| {
            row.cells.len() == 4 && row.cells[..2] == cells[..2] && row.cells[3] == cells[2]
        };
        assert!(rows.iter().any(is_it), "{line}");
        seen += 1;
    }
    assert!(seen >= 10, "{seen}");
}

/// How a value may be written.
fn forms(value: Value) -> Vec<String> {
    let mut forms = Vec::new();
    match value {
        Value::Number(number) => {
            forms.extend([number.to_string(), grouped(number)]);
            for (unit, size) in [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)] {
                if number % size == 0 {
                    forms.push(format!("{} {unit}", grouped(number / size)));
                }
            }
            if number.is_power_of_two() {
                forms.push(format!("2^{}", number.ilog2()));
            }
            if (number + 1).is_power_of_two() {
                forms.push(format!("2^{} - 1", (number + 1).ilog2()));
            }
            // Keys of the configuration are in seconds.
            for (unit, size) in [
                ("min", 60),
                ("h", 3600),
                ("days", 86400),
                ("weeks", 604_800),
            ] {
                if number % size == 0 {
                    forms.push(format!("{} {unit}", number / size));
                }
            }
            if number == 86400 {
                forms.push("a day".to_owned());
            }
        }
        Value::Time(time) => {
            for (unit, size) in [
                ("ms", Duration::from_millis(1)),
                ("s", Duration::from_secs(1)),
                ("min", Duration::from_secs(60)),
                ("h", Duration::from_secs(3600)),
                ("days", Duration::from_secs(86400)),
            ] {
                let count = time.as_nanos() / size.as_nanos();
                if time.as_nanos() % size.as_nanos() == 0 && count > 0 {
                    forms.push(format!("{} {unit}", grouped(u64::try_from(count).unwrap())));
                }
            }
            if forms.is_empty() {
                let rate = (1e9 / time.as_secs_f64() / 1e9).round();
                forms.push(format!("{rate} per second"));
            } else if time.subsec_millis() == 500 {
                forms.push(format!("{} s", time.as_secs_f64()));
            }
        }
    }
    forms
}

/// Digits by threes.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Whether a text has that, and not as a part of another number or word.
fn has(text: &str, form: &str) -> bool {
    text.match_indices(form).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let mut after = text[at + form.len()..].chars();
        let (next, second) = (after.next(), after.next());
        let is_digit = |at: Option<char>| at.is_some_and(|at| at.is_ascii_digit());
        let goes_on = is_digit(next) || (matches!(next, Some(',' | '.')) && is_digit(second));
        let is_word =
            form.ends_with(char::is_alphabetic) && next.is_some_and(char::is_alphanumeric);
        let is_tail = is_digit(before) || matches!(before, Some(',' | '.'));
        !(goes_on || is_word || is_tail)
    })
}
