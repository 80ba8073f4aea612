//! Which module of the crate names what of which other, by the text of their files.

#![expect(
    clippy::indexing_slicing,
    reason = "every path that is looked at has a first part"
)]

use std::collections::{BTreeMap, BTreeSet};

/// A module's path within the crate, or that of an item in it.
type Path = Vec<String>;

/// What a file names: each path within the crate, and what it makes known as its own.
#[derive(Default)]
struct Names {
    paths: Vec<Path>,
    known_as: BTreeMap<String, Path>,
}

/// The crate's files by their modules.
pub(crate) struct Modules {
    named: BTreeMap<Path, Names>,
}

impl Modules {
    /// Of these files: path within `src`, and code.
    pub(crate) fn of<'a>(files: impl Iterator<Item = (&'a str, String)>) -> Self {
        let files: BTreeMap<Path, String> =
            files.map(|(path, code)| (module(path), code)).collect();
        let is_module = |path: &Path| files.contains_key(path);
        let names_of = |(path, code): (&Path, &String)| {
            let names = Names::of(path, code, &is_module);
            (path.clone(), names)
        };
        Self {
            named: files.iter().map(names_of).collect(),
        }
    }

    /// Whom each names, without those that it is in, or that are in it.
    fn arrows(&self) -> BTreeMap<&Path, BTreeSet<&Path>> {
        let of = |module: &Path, names: &Names| {
            let whom = names.paths.iter().filter_map(|path| self.home(path));
            let whom =
                whom.filter(|other| !module.starts_with(other) && !other.starts_with(module));
            whom.collect()
        };
        let named = self.named.iter();
        named
            .map(|(module, names)| (module, of(module, names)))
            .collect()
    }

    /// The module in which something has its place, past those that only pass it on.
    fn home(&self, path: &[String]) -> Option<&Path> {
        let mut path = path.to_vec();
        for _ in 0..8 {
            let length = (0..=path.len()).rev();
            let module = length.into_iter().find_map(|length| {
                let module = self.named.get_key_value(path.get(..length)?);
                module.map(|(module, names)| (module, names, length))
            });
            let (module, names, length) = module?;
            let passed_on = path.get(length).and_then(|name| names.known_as.get(name));
            let Some(passed_on) = passed_on else {
                return Some(module);
            };
            path.splice(..=length, passed_on.iter().cloned());
        }
        None
    }

    /// Those that know each other in a circle, each by a way that leads back to it.
    pub(crate) fn circles(&self) -> Vec<String> {
        let arrows = self.arrows();
        let mut found = BTreeMap::new();
        for start in arrows.keys() {
            let mut ways = vec![vec![*start]];
            let mut seen = BTreeSet::new();
            while let Some(way) = ways.pop() {
                let last = way.last().and_then(|last| arrows.get(last));
                for next in last.into_iter().flatten() {
                    let way = [way.as_slice(), &[*next]].concat();
                    if next == start {
                        let all: BTreeSet<&Path> = way.iter().copied().collect();
                        let text: Vec<String> = way.iter().map(|path| path.join("::")).collect();
                        found.entry(all).or_insert(text.join(" → "));
                    } else if seen.insert(*next) {
                        ways.push(way);
                    }
                }
            }
        }
        found.into_values().collect()
    }
}

impl Names {
    fn of(module: &Path, code: &str, is_module: &dyn Fn(&Path) -> bool) -> Self {
        let mut names = Self::default();
        let mut modules = BTreeMap::new();
        let mut rest = String::new();
        let mut lines = code.lines();
        while let Some(line) = lines.next() {
            let line = line.trim();
            let (visible, tree) = match line.split_once("use ") {
                Some((before, tree)) if before.is_empty() || before.starts_with("pub") => {
                    (!before.is_empty(), tree)
                }
                _ => {
                    rest.push_str(line);
                    rest.push('\n');
                    continue;
                }
            };
            let mut tree = tree.to_owned();
            while !tree.ends_with(';') {
                tree.push_str(lines.next().unwrap_or(";").trim());
            }
            for (path, name) in imported(tree.trim_end_matches(';')) {
                let is_child = is_module(&[module.as_slice(), &path[..1]].concat());
                let Some(path) = absolute(module, &path, is_child) else {
                    continue;
                };
                if is_module(&path) {
                    modules.insert(name.clone(), path.clone());
                } else {
                    names.paths.push(path.clone());
                }
                if visible {
                    names.known_as.insert(name, path);
                }
            }
        }
        let is_of_path = |character: char| character.is_alphanumeric() || "_:".contains(character);
        for path in rest.split(|character| !is_of_path(character)) {
            let path: Path = path.split("::").map(str::to_owned).collect();
            if path.len() < 2 || path.iter().any(String::is_empty) {
                continue;
            }
            let child = [module.as_slice(), &path[..1]].concat();
            names.paths.extend(match modules.get(&path[0]) {
                Some(home) => Some([home.as_slice(), &path[1..]].concat()),
                None => absolute(module, &path, is_module(&child)),
            });
        }
        names
    }
}

/// A path as it is written in a module, from the crate's root.
fn absolute(module: &[String], path: &[String], is_child: bool) -> Option<Path> {
    let ups = path.iter().take_while(|part| *part == "super").count();
    let (base, rest) = match path.first()?.as_str() {
        "crate" => (&[][..], &path[1..]),
        "self" => (module, &path[1..]),
        "super" => (&module[..module.len().checked_sub(ups)?], &path[ups..]),
        _ if is_child => (module, path),
        _ => return None,
    };
    Some([base, rest].concat())
}

/// The paths of a tree of imports, each with the name that it is known by.
fn imported(tree: &str) -> Vec<(Path, String)> {
    let Some((before, group)) = tree.split_once('{') else {
        let (path, name) = tree.split_once(" as ").unwrap_or((tree, ""));
        let path = path.trim().trim_end_matches("::self");
        let path: Path = path.split("::").map(str::to_owned).collect();
        let last = path.last().cloned().unwrap_or_default();
        let name = if name.is_empty() {
            last
        } else {
            name.to_owned()
        };
        return vec![(path, name)];
    };
    let group = group.trim_end().trim_end_matches('}');
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for character in group.chars() {
        depth += i32::from(character == '{') - i32::from(character == '}');
        match parts.last_mut() {
            Some(part) if character != ',' || depth > 0 => part.push(character),
            _ => parts.push(String::new()),
        }
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts
        .flat_map(|part| imported(&format!("{}{}", before.trim(), part.trim())))
        .collect()
}

/// The module of a file.
fn module(path: &str) -> Path {
    let path = path.trim_end_matches(".rs");
    let parts = path.split('/').filter(|part| *part != "lib");
    parts.map(str::to_owned).collect()
}

#[test]
fn circles_are_found_behind_groups_and_what_is_passed_on() {
    let files = [
        ("lib.rs", "pub mod room;"),
        ("room.rs", "mod a;\nmod b;\nmod c;\npub use b::Thing;"),
        (
            "room/a.rs",
            "use crate::{\n    room::Thing,\n    other,\n};",
        ),
        ("room/b.rs", "use super::c;\nfn f() {\n    c::go();\n}"),
        ("room/c.rs", "fn go() -> super::a::Found {}"),
        ("room/d.rs", "use super::a::Found;\nuse std::fmt;"),
    ];
    let modules = Modules::of(
        files
            .into_iter()
            .map(|(path, code)| (path, code.to_owned())),
    );
    let circle = "room::a → room::b → room::c → room::a";
    assert_eq!(modules.circles(), [circle]);
}
