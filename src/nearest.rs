//! The known name that a misspelt one most resembles.
//!
//! Pure.

/// The candidate nearest to `name`, if one is near enough to have been meant.
pub fn nearest<'c>(name: &str, candidates: impl Iterator<Item = &'c str>) -> Option<&'c str> {
    if name.len() > NAME_MAX {
        return None;
    }
    let name = name.to_ascii_lowercase();
    let allowed = (name.chars().count() / 3).max(1);
    candidates
        .map(|candidate| (distance(&name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The number of insertions, deletions, replacements and swaps of neighbours between two names.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    // Rows of the usual table: for the prefixes of `to`, at the last three prefixes of `from`.
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=to.len()).collect();
    let mut previous = None;
    for (row, character) in from.chars().enumerate() {
        let mut current = vec![row.saturating_add(1)];
        for (column, candidate) in to.iter().enumerate() {
            let at =
                |cells: &[usize], index: usize| cells.get(index).copied().unwrap_or(usize::MAX);
            let replaced = at(&above, column).saturating_add(usize::from(character != *candidate));
            let inserted = at(&current, column).saturating_add(1);
            let deleted = at(&above, column.saturating_add(1)).saturating_add(1);
            let swapped = match column.checked_sub(1) {
                Some(left) if previous == Some(*candidate) && to.get(left) == Some(&character) => {
                    at(&before, left).saturating_add(1)
                }
                _ => usize::MAX,
            };
            current.push(replaced.min(inserted).min(deleted).min(swapped));
        }
        previous = Some(character);
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or(usize::MAX)
}

/// Bytes of a name that is still compared: longer than any known one can be misspelt.
const NAME_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_single_edits() {
        for (from, to, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("workers", "workers", 0),
            ("worker", "workers", 1),
            ("wrokers", "workers", 1),
            ("topix", "topic", 1),
            ("kitten", "sitting", 3),
            ("port", "", 4),
        ] {
            assert_eq!(distance(from, to), expected, "{from:?} to {to:?}");
        }
    }

    #[test]
    fn nearest_is_near_or_absent() {
        let names = ["workers", "queues", "port", "pid"];
        let check = |name: &str, expected: Option<&str>| {
            assert_eq!(nearest(name, names.into_iter()), expected, "{name}");
        };
        check("worker", Some("workers"));
        check("Workers", Some("workers"));
        check("queue", Some("queues"));
        check("prot", Some("port"));
        check("pdi", Some("pid"));
        check("temperature", None);
        check("x", None);
        check(&"w".repeat(NAME_MAX + 1), None);
    }
}
