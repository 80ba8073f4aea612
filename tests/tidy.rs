//! What holds for the source as a whole: who knows whom, which rooms stay pure, and how text is
//! kept. No compiler checks these.

#![expect(clippy::unwrap_used, reason = "helpers of tests may end them")]

#[path = "harness/documents.rs"]
mod documents;
#[path = "tidy/modules.rs"]
mod modules;
#[path = "tidy/names.rs"]
mod names;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use modules::Modules;

/// Which rooms of the crate each room knows, besides itself: exactly those that its code names.
/// What only its tests name is not counted. `main` and `lib` are not rooms.
const KNOWS: [(&str, &str); 38] = [
    (
        "api",
        "backlog count crash_point delivery feed http1 lane live log moment pasted provider push \
         stats texts",
    ),
    (
        "backlog",
        "count delivery heartbeat journal lane live log moment push recover regular stats",
    ),
    (
        "check",
        "config count descriptors http1 journal log moment named net oauth pasted pid_file \
         provider regular webhook",
    ),
    (
        "cli",
        "api check config control count daemon delivery log moment net oauth pasted provider push \
         recover regular signal simulator supervisor texts",
    ),
    ("config", "pasted push regular texts"),
    ("control", "count heartbeat http1 moment"),
    ("count", ""),
    ("crash_point", ""),
    (
        "daemon",
        "api backlog check config control count crash_point delivery descriptors feed heartbeat \
         http1 http2 journal lane live log moment named net oauth pasted pid_file provider \
         push recover regular signal stats supervisor webhook",
    ),
    (
        "delivery",
        "count crash_point feed heartbeat http2 jitter lane live log moment net oauth pasted \
         provider push regular stats texts",
    ),
    ("descriptors", "config control delivery http1 net"),
    ("encoding", ""),
    ("feed", "count encoding journal moment provider push"),
    ("filetype", "regular"),
    ("heartbeat", ""),
    ("http1", "count crash_point heartbeat live moment regular"),
    ("http2", ""),
    ("jitter", ""),
    (
        "journal",
        "count encoding heartbeat moment push regular stats",
    ),
    ("lane", "jitter moment push stats"),
    ("live", ""),
    ("log", "count heartbeat live moment push regular stats"),
    ("moment", ""),
    (
        "named",
        "api config count filetype log moment net oauth provider regular",
    ),
    ("net", "http2 moment pasted regular"),
    ("oauth", "heartbeat jitter moment pasted provider regular"),
    ("pasted", "texts"),
    ("pid_file", "regular"),
    ("provider", "moment pasted push texts"),
    ("push", "count encoding moment"),
    (
        "recover",
        "count delivery journal moment provider push regular",
    ),
    ("regular", ""),
    ("signal", ""),
    ("simulator", "http1 http2 moment net pasted texts"),
    ("stats", "push"),
    ("supervisor", "moment"),
    ("texts", ""),
    (
        "webhook",
        "config count feed jitter journal live moment named net stats",
    ),
];

/// Product code that tells the providers apart by their names, and why.
const TELLS_PROVIDERS: [(&str, &str); 6] = [
    ("push/lane_id.rs", "names them, and reads their words"),
    ("provider.rs", "has what each asks, answers and wants"),
    ("api/request/fields.rs", "says whose each field is"),
    ("config/lane.rs", "has a row for each key, and whose it is"),
    ("config/sections.rs", "has the section of each lane"),
    ("journal/notification.rs", "has one until a name is read"),
];

/// Modules of `src` that are pure with all within, besides every file whose head says `Pure:`.
const PURE: [&str; 6] = [
    "config",
    "delivery/policy",
    "delivery/session",
    "http2",
    "provider",
    "push",
];

/// The shells inside of pure directories, each of which says in its head what it touches.
const SHELLS: [&str; 3] = ["config/environment.rs", "config/load.rs", "push/lane_id.rs"];

/// What a pure file does not touch.
const IMPURE: [&str; 15] = [
    "Instant::now",
    "moment::now",
    "SystemTime::now",
    "Moment::now",
    "TcpListener",
    "TcpStream",
    "UdpSocket",
    "UnixStream",
    "Mutex",
    "RwLock",
    "std::env",
    "std::fs",
    "std::process",
    "std::thread",
    "thread_local!",
];

/// What the repository holds at its top, besides names that begin with a dot.
const TOP_LEVEL: [&str; 10] = [
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "benches",
    "etc",
    "src",
    "systemd",
    "tests",
];

/// Characters of a line at most, as rustfmt has it; it leaves long strings and comments alone.
const LINE_MAX: usize = 100;

/// Lines of a file at most: beyond, it holds more than one noun.
const FILE_MAX: usize = 600;

/// Files that may be longer, each for a reason that stands in its head.
const LONG_FILES: [&str; 0] = [];

/// One file of Rust.
struct Source {
    /// Relative to the repository.
    path: String,
    text: String,
}

impl Source {
    fn all() -> Vec<Self> {
        let mut paths = Vec::new();
        for directory in ["src", "tests", "benches"] {
            collect(&root().join(directory), &mut paths);
        }
        paths.sort();
        let read = |path: PathBuf| Self {
            path: path
                .strip_prefix(root())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned(),
            text: fs::read_to_string(&path).unwrap(),
        };
        paths.into_iter().map(read).collect()
    }

    /// Its path within `src`, if it is product rather than test.
    fn product_path(&self) -> Option<&str> {
        let path = self.path.strip_prefix("src/")?;
        let is_test =
            path.ends_with("/tests.rs") || path.contains("/tests/") || path.contains("/fixture");
        (!is_test).then_some(path)
    }

    /// The first part of its path within `src`.
    fn room(&self) -> Option<&str> {
        let path = self.product_path()?;
        path.split_once('/')
            .map(|(room, _)| room)
            .or(path.strip_suffix(".rs"))
    }

    /// Its lines without comments and test modules.
    fn code(&self) -> Vec<&str> {
        without_tests(&self.text)
            .into_iter()
            .filter(|line| !line.trim_start().starts_with("//"))
            .map(|line| line.split(" // ").next().unwrap_or(line))
            .collect()
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else {
        return;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// Leaves out what stands under `#[cfg(test)]`: an item, which rustfmt ends with a line of the same
/// indent, or a field, a variant or an argument, which ends where what it belongs to does at last.
fn without_tests(text: &str) -> Vec<&str> {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let mut kept = Vec::new();
    let mut test_indent = None;
    for line in text.lines() {
        let (at, is_blank) = (indent(line), line.trim().is_empty());
        if test_indent.is_some_and(|begin| at < begin && !is_blank) {
            test_indent = None;
        }
        match test_indent {
            None if line.trim_start().starts_with("#[cfg(test)]") => test_indent = Some(at),
            None => kept.push(line),
            Some(begin) => {
                let ends = line.ends_with([';', ',']) || line.trim_start().starts_with('}');
                if ends && at == begin {
                    test_indent = None;
                }
            }
        }
    }
    kept
}

/// The rooms that code names as `crate::room` or `crate::{room, …}`.
fn rooms_named(code: &[&str]) -> Vec<String> {
    let text = code.join("\n");
    let mut rooms = Vec::new();
    for after in text.split("crate::").skip(1) {
        let Some(group) = after.strip_prefix('{') else {
            rooms.push(leading_name(after).to_owned());
            continue;
        };
        let mut depth = 1;
        let mut name_due = true;
        for (at, character) in group.char_indices() {
            match character {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 1 => name_due = true,
                _ if name_due && character.is_alphabetic() => {
                    rooms.push(leading_name(group.split_at(at).1).to_owned());
                    name_due = false;
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
    }
    rooms.sort();
    rooms.dedup();
    rooms
}

fn leading_name(text: &str) -> &str {
    let is_other = |character: char| !character.is_alphanumeric() && character != '_';
    text.split(is_other).next().unwrap_or(text)
}

fn check(findings: &[String]) {
    assert!(findings.is_empty(), "\n{}\n", findings.join("\n"));
}

#[test]
fn rooms_know_exactly_whom_they_are_said_to() {
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in Source::all() {
        if let Some(room) = source.room().filter(|room| !["main", "lib"].contains(room)) {
            let mut named = rooms_named(&source.code());
            named.retain(|named| named != room);
            known.entry(room.to_owned()).or_default().extend(named);
        }
    }
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
    let said = KNOWS.map(|(room, knows)| (room.to_owned(), words(knows)));
    let said: BTreeMap<String, BTreeSet<String>> = said.into();
    let (is, said_only) = (differences(&known, &said), differences(&said, &known));
    let is = is.map(|(room, other)| format!("{room} knows {other}, which KNOWS does not say"));
    let said = said_only.map(|(room, other)| format!("KNOWS: {room} does not know {other}"));
    check(&is.chain(said).collect::<Vec<_>>());

    // Whoever knows nobody that is left is no part of a circle.
    let mut left = known;
    loop {
        let before = left.len();
        let rooms: BTreeSet<String> = left.keys().cloned().collect();
        left.retain(|_, known| !known.is_disjoint(&rooms));
        if left.len() == before {
            break;
        }
    }
    assert!(left.is_empty(), "in or before a circle: {left:?}");
}

/// What rooms know by the first that they do not know by the second.
fn differences<'a>(
    first: &'a BTreeMap<String, BTreeSet<String>>,
    second: &'a BTreeMap<String, BTreeSet<String>>,
) -> impl Iterator<Item = (&'a String, &'a String)> {
    let all = first
        .iter()
        .flat_map(|(room, known)| known.iter().map(move |other| (room, other)));
    all.filter(|(room, other)| {
        !second
            .get(*room)
            .is_some_and(|known| known.contains(*other))
    })
}

/// What two files share is a third file, within a room as between them.
#[test]
fn nobody_knows_each_other_in_a_circle() {
    let sources = Source::all();
    let product = sources
        .iter()
        .filter_map(|source| Some((source.product_path()?, source.code().join("\n"))));
    let product = product.filter(|(path, _)| *path != "main.rs");
    check(&Modules::of(product).circles());
}

#[test]
fn groups_of_imports_are_taken_apart() {
    let code = "use crate::{a::{b, c}, d};\nuse crate::e::f;\nlet g = crate::{\n    h, i_j::K,\n};";
    assert_eq!(rooms_named(&[code]), ["a", "d", "e", "h", "i_j"]);
    let text = "a\n#[cfg(test)]\nmod tests {\n    b;\n}\nc\n    #[cfg(test)]\n    use d;\ne";
    assert_eq!(without_tests(text), ["a", "c", "e"]);
    let fields = "struct A {\n    #[cfg(test)]\n    trap: T,\n}\nuse crate::e;";
    assert_eq!(without_tests(fields), ["struct A {", "}", "use crate::e;"]);
    let last = "f(\n    #[cfg(test)]\n\n    trap\n)\nb";
    assert_eq!(without_tests(last), ["f(", ")", "b"]);
}

#[test]
fn pure_files_touch_nothing() {
    let mut findings = Vec::new();
    let mut seen = 0;
    for source in Source::all() {
        let Some(path) = source.product_path() else {
            continue;
        };
        let says_so = source
            .text
            .lines()
            .take_while(|line| line.starts_with("//!"));
        let says_so = says_so.into_iter().any(|line| line.starts_with("//! Pure"));
        let listed = PURE.iter().any(|pure| path.starts_with(pure)) && !SHELLS.contains(&path);
        if !says_so && !listed {
            continue;
        }
        seen += 1;
        for line in source.code() {
            for impure in IMPURE.iter().filter(|impure| line.contains(**impure)) {
                let (path, line) = (&source.path, line.trim());
                findings.push(format!("{path}: pure, but: {impure}: {line}"));
            }
        }
    }
    assert!(seen > PURE.len(), "only {seen} pure files were found");
    check(&findings);
}

/// What counts the time in which the process stands still.
#[test]
fn the_product_has_one_clock() {
    let others = [
        "Instant::now",
        ".elapsed()",
        "recv_deadline",
        "recv_timeout",
        "wait_timeout_while",
        "timeout_global",
    ];
    let mut findings = Vec::new();
    for source in Source::all() {
        let is_other = |path: &str| !path.starts_with("moment");
        if !source.product_path().is_some_and(is_other) {
            continue;
        }
        for line in source.code() {
            for other in others.iter().filter(|other| line.contains(**other)) {
                findings.push(format!("{}: {other}: {}", source.path, line.trim()));
            }
        }
    }
    check(&findings);
}

#[test]
fn tests_do_not_wait_by_the_clock() {
    let banned = concat!("thread::", "sleep");
    let mut findings = Vec::new();
    for source in Source::all() {
        let total = source.text.matches(banned).count();
        let product = match source.product_path() {
            Some(_) => without_tests(&source.text)
                .join("\n")
                .matches(banned)
                .count(),
            None => 0,
        };
        if total > product && !source.path.starts_with("benches/") {
            findings.push(format!("{}: a test sleeps", source.path));
        }
    }
    check(&findings);
}

#[test]
fn nothing_is_left_for_later() {
    let banned = [
        concat!("FIX", "ME"),
        concat!("TO", "DO"),
        concat!("dbg", "!("),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("#[ig", "nore"),
    ];
    let mut findings = Vec::new();
    let mut texts: Vec<(String, String)> = Source::all()
        .into_iter()
        .map(|source| (source.path, source.text))
        .collect();
    texts.extend(
        documents::all()
            .into_iter()
            .map(|page| (page.path, page.text)),
    );
    for path in ["Cargo.toml", "systemd/sterna.service", ".ci/run"] {
        let text = fs::read_to_string(root().join(path)).unwrap_or_default();
        texts.push((path.to_owned(), text));
    }
    for (path, text) in &texts {
        for word in banned.iter().filter(|word| text.contains(**word)) {
            findings.push(format!("{path}: {word}"));
        }
    }
    check(&findings);
}

#[test]
fn rfcs_are_cited_in_one_form() {
    let obsolete = [
        concat!("RFC 75", "40"),
        concat!("RFC 72", "30"),
        concat!("RFC 72", "31"),
    ];
    let mut findings = Vec::new();
    for source in Source::all() {
        for (number, line) in source.text.lines().enumerate() {
            let mut citations = line.split(concat!("RF", "C")).skip(1);
            let joined_or_spelt_out = citations.any(|rest| {
                let after = rest.trim_start_matches(|at: char| at == ' ' || at.is_ascii_digit());
                let spelt_out = after.trim_start_matches([',', ' ']).to_lowercase();
                rest.starts_with(|at: char| at.is_ascii_digit()) || spelt_out.starts_with("section")
            });
            if joined_or_spelt_out || obsolete.iter().any(|obsolete| line.contains(obsolete)) {
                findings.push(format!("{}:{}: {}", source.path, number + 1, line.trim()));
            }
        }
    }
    check(&findings);
}

#[test]
fn lines_and_files_are_short_and_begin_with_their_purpose() {
    let mut findings = Vec::new();
    for source in Source::all() {
        let path = &source.path;
        for (number, line) in source.text.lines().enumerate() {
            let length = line.chars().count();
            // A text, an example of wire JSON or a test's title is not broken for its length.
            let is_text = line.contains(['"', '{']) || line.trim_start().starts_with("fn ");
            if length > LINE_MAX && !is_text {
                findings.push(format!("{path}:{}: {length} characters", number + 1));
            }
        }
        let lines = source.text.lines().count();
        if lines > FILE_MAX && !LONG_FILES.contains(&path.as_str()) {
            findings.push(format!("{path}: {lines} lines"));
        }
        let is_unit_test = path.starts_with("src/") && source.product_path().is_none();
        if !is_unit_test && !source.text.starts_with("//! ") {
            findings.push(format!("{path}: does not begin with what it is for"));
        }
    }
    check(&findings);
}

/// Everything else asks the provider that a lane has.
#[test]
fn providers_are_told_apart_by_few() {
    let sources = Source::all();
    let mut telling = BTreeSet::new();
    for source in &sources {
        let text = source.code().join("\n");
        // The simulator's look-alikes have words of their own.
        let is_simulators = source.room() == Some("simulator") || text.contains("simulator::");
        let path = source.product_path().filter(|_| !is_simulators);
        let names = ["Provider", "LaneId"].into_iter().flat_map(|of| {
            ["Apns", "Fcm", "IOS", "ANDROID", "DEFAULT_APP", "{"]
                .map(|name| format!("{of}::{name}"))
        });
        let is_telling = names.into_iter().any(|name| text.contains(&name));
        telling.extend(path.filter(|_| is_telling));
    }
    let said: BTreeSet<&str> = TELLS_PROVIDERS.iter().map(|(path, _)| *path).collect();
    assert_eq!(telling, said);
}

#[test]
fn the_top_level_holds_what_it_should() {
    let mut found: Vec<String> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "target" && !name.starts_with('.'))
        .collect();
    found.sort();
    assert_eq!(found, TOP_LEVEL);
}

#[test]
fn every_dependency_has_its_reason() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut section = "";
    let mut findings = Vec::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]") && line.contains(" = ") {
            let reason = line.rsplit_once("# ").map_or("", |(_, reason)| reason);
            if reason.is_empty() {
                findings.push(format!("Cargo.toml: no reason: {line}"));
            }
        }
    }
    check(&findings);
}

#[test]
fn both_lists_of_banned_crates_agree() {
    let run = fs::read_to_string(root().join(".ci/run")).unwrap();
    let deny = fs::read_to_string(root().join(".cargo/deny.toml")).unwrap();
    let line = run
        .lines()
        .find_map(|line| line.strip_prefix("banned='"))
        .unwrap();
    let from_run: Vec<&str> = line.trim_end_matches('\'').split('|').collect();
    let from_deny: Vec<&str> = deny
        .lines()
        .filter_map(|line| line.trim().strip_prefix("{ crate = \""))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(from_run, from_deny);
    for named in [
        "tokio",
        "hyper",
        "h2",
        "async-std",
        "smol",
        "openssl",
        "native-tls",
    ] {
        assert!(from_run.contains(&named), "{named}");
    }
}
