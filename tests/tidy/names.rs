//! Names of types: one name, one meaning. The simulator is left out: its parts have the names of
//! what they are like.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, check};

/// Names that several types of the product have, by the reason.
const SHARED: [(&str, &str); 4] = [
    (
        "the configuration's section beside what it configures, a provider's files beside it",
        "Apns Fcm",
    ),
    (
        "one for each implementor of a seam, or each side of it, always named with its module",
        "Address Connection OpenError Reply Settings Timeouts",
    ),
    (
        "a word of callers or of the command line, and one of the house",
        "Asked Fault Lines Member More Route Text Verdict",
    ),
    (
        "still to be named after what they are",
        "Access Desk Ended Ending Fold Found Identity Outcome Reader Refused Rest Room Trouble \
         Turn Waiting What",
    ),
];

/// What of the names that files define, each told with its code, is not as it is said here.
fn findings<'a>(files: impl Iterator<Item = (&'a str, Vec<&'a str>)>) -> Vec<String> {
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (path, code) in files {
        for name in code.into_iter().filter_map(defined) {
            places.entry(name).or_default().push(path);
        }
    }
    let names = SHARED.iter().flat_map(|(_, names)| names.split(' '));
    let said: BTreeSet<&str> = names.collect();
    places.retain(|_, places| places.len() > 1);
    let unsaid = places.iter().filter(|(name, _)| !said.contains(*name));
    let unsaid = unsaid.map(|(name, at)| format!("{name} means several things: {at:?}"));
    let gone = said.iter().filter(|name| !places.contains_key(*name));
    let gone = gone.map(|name| format!("SHARED: {name} means one thing"));
    unsaid.chain(gone).collect()
}

/// The name of the type that a line defines.
fn defined(line: &str) -> Option<&str> {
    let line = match line.strip_prefix("pub(") {
        Some(rest) => rest.split_once(") ")?.1,
        None => line.strip_prefix("pub ").unwrap_or(line),
    };
    let (kind, rest) = line.split_once(' ')?;
    let is_type = ["enum", "struct", "trait", "type"].contains(&kind);
    let name = rest.split(|c: char| !c.is_alphanumeric()).next();
    name.filter(|_| is_type)
}

#[test]
fn a_types_name_means_one_thing() {
    let sources = Source::all();
    let is_product = |room: &str| room != "simulator";
    let product = sources
        .iter()
        .filter(|source| source.room().is_some_and(is_product));
    check(&findings(
        product.map(|source| (&*source.path, source.code())),
    ));
}

#[test]
fn definitions_are_told_from_other_lines() {
    for (line, name) in [
        ("pub(super) struct Place(u8);", Some("Place")),
        ("pub type More<'a> = u8;", Some("More")),
        ("enum Kind {", Some("Kind")),
        ("    type Item = u8;", None),
        ("pub fn structure() {", None),
        ("pub(crate) use a::B;", None),
    ] {
        assert_eq!(defined(line), name, "{line}");
    }
}
