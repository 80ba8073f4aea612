//! What a state directory keeps of push ids, as a text.
//!
//! Pure: no file, no clock, no chance.
//!
//! ```text
//! sterna ids 1
//! bits 0a6f3d2c91b45e78
//! run 3175829064401 3175829129937
//! sum 5f3a9c01
//! ```
//!
//! The bits are half of each `apns-id`. A run is what one node has given, or may have: ids from the
//! first on, up to the second and without it. The sum is CRC-32C of all that stands before.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::ops::Range;

use crate::provider::apns::ApnsIds;
use crate::push::{Node, PushId};

/// What the state directory keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Book {
    /// Drawn once, at random.
    bits: u64,
    /// What each node has given, or may have.
    runs: BTreeMap<Node, Range<u64>>,
}

/// Why a text is no such book.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BookFault {
    /// A later version has written it.
    Newer,
    /// It is something else, or not all of it.
    Damaged(&'static str),
}

impl fmt::Display for BookFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Newer => "a later version of Sterna has written it",
            Self::Damaged(why) => why,
        })
    }
}

/// No more ids can be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct UsedUp(pub(super) Node);

impl fmt::Display for UsedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "all push ids of core.node = {} are used up: give this daemon a number that none has \
             had, and restart it",
            self.0
        )
    }
}

/// How a text begins, before the number of its version.
const NAME: &str = "sterna ids ";
const VERSION: &str = "1";

/// Ids that may be first in a run: as many places as a quarter of what a node can give. Two runs of
/// one number that begin by chance hardly ever meet then, and what is left lasts for years.
const PLACES: u64 = 1 << 41;

impl Book {
    /// One in which nobody has given an id yet.
    pub(super) fn new(bits: u64) -> Self {
        Self {
            bits,
            runs: BTreeMap::new(),
        }
    }

    /// Reads a text.
    pub(super) fn read(text: &str) -> Result<Self, BookFault> {
        let damaged = |why| BookFault::Damaged(why);
        let version = text
            .strip_prefix(NAME)
            .ok_or(damaged("it is no book of push ids"))?;
        match version.split_once('\n') {
            Some((VERSION, _)) => {}
            Some((other, _)) if other.parse::<u32>().is_ok() => return Err(BookFault::Newer),
            _ => return Err(damaged("its first line is cut off")),
        }
        let (said, sum) = text
            .strip_suffix('\n')
            .and_then(|text| text.rsplit_once("sum "))
            .ok_or(damaged("its end is missing"))?;
        if sum != sum_of(said) {
            return Err(damaged("its checksum is wrong"));
        }
        let mut book = None;
        for line in said.lines().skip(1) {
            let mut words = line.split(' ');
            match (words.next(), &mut book) {
                (Some("bits"), None) => {
                    let bits = words
                        .next()
                        .and_then(|bits| u64::from_str_radix(bits, 16).ok());
                    book = bits.map(Self::new);
                }
                (Some("run"), Some(book)) => {
                    let mut number = || words.next()?.parse().ok();
                    let run = number().zip(number()).map(|(first, end)| first..end);
                    let run = run.filter(|run| book.has_room_for(run));
                    let run = run.ok_or(damaged("it has a run of ids that cannot be"))?;
                    book.runs.insert(PushId(run.start).node(), run);
                }
                _ => return Err(damaged("it has a line that makes no sense")),
            }
        }
        book.ok_or(damaged("its random bits are missing"))
    }

    fn has_room_for(&self, run: &Range<u64>) -> bool {
        let node = PushId(run.start).node();
        let ids = node.ids();
        let fits = ids.start <= run.start && run.start <= run.end && run.end <= ids.end;
        fits && !self.runs.contains_key(&node)
    }

    /// The text.
    pub(super) fn text(&self) -> String {
        let mut text = format!("{NAME}{VERSION}\nbits {:016x}\n", self.bits);
        // Writing to a text cannot fail.
        for Range { start, end } in self.runs.values() {
            let _written = writeln!(text, "run {start} {end}");
        }
        let sum = sum_of(&text);
        let _written = writeln!(text, "sum {sum}");
        text
    }

    /// Whether another has drawn other bits: it is of another directory, then.
    pub(super) fn is_akin_to(&self, other: &Self) -> bool {
        self.bits == other.bits
    }

    /// Whether that node has given ids.
    pub(super) fn knows(&self, node: Node) -> bool {
        self.runs.contains_key(&node)
    }

    /// Where that node's next id comes from.
    pub(super) fn next(&self, node: Node) -> Option<u64> {
        self.runs.get(&node).map(|run| run.end)
    }

    /// Begins a node's run at a place made from a number, all places being as likely as the numbers
    /// are; but not before `least`.
    pub(super) fn begin(&mut self, node: Node, number: u64, least: Option<u64>) {
        let ids = node.ids();
        let first = least.unwrap_or(ids.start + number % PLACES);
        let first = first.max(ids.start);
        // One of which nothing is left has at least the last id, by which it is known.
        let run = if first < ids.end {
            first..first
        } else {
            ids.end - 1..ids.end
        };
        self.runs.entry(node).or_insert(run);
    }

    /// Lets a node go on at an id, if it is not beyond that.
    pub(super) fn raise(&mut self, node: Node, to: u64) {
        if let Some(run) = self.runs.get_mut(&node) {
            run.end = run.end.max(to).min(node.ids().end);
        }
    }

    /// Reserves that many ids of a node, or fewer where it has no more, but `least`.
    pub(super) fn reserve(
        &mut self,
        node: Node,
        least: u64,
        many: u64,
    ) -> Result<Range<u64>, UsedUp> {
        let run = self.runs.get_mut(&node).ok_or(UsedUp(node))?;
        let left = node.ids().end.saturating_sub(run.end);
        if left < least {
            return Err(UsedUp(node));
        }
        let first = run.end;
        run.end = first.saturating_add(many.clamp(least, left));
        Ok(first..run.end)
    }

    /// Takes over what another one of the same directory knows more.
    pub(super) fn learn(&mut self, other: &Self) {
        for (node, theirs) in &other.runs {
            let ours = self.runs.entry(*node).or_insert_with(|| theirs.clone());
            *ours = ours.start.min(theirs.start)..ours.end.max(theirs.end);
        }
    }

    /// What makes the `apns-id` of pushes, while `node` gives ids.
    pub(super) fn apns_ids(&self, node: Node) -> ApnsIds {
        let given = self.runs.iter().map(|(of, run)| {
            let end = if *of == node { node.ids().end } else { run.end };
            run.start..end
        });
        ApnsIds::new(self.bits, given)
    }
}

fn sum_of(text: &str) -> String {
    format!("{:08x}", crc32c::crc32c(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn node(number: u16) -> Node {
        Node::new(number).unwrap()
    }

    fn book() -> Book {
        let mut book = Book::new(0x0a6f_3d2c_91b4_5e78);
        book.begin(node(0), 7, None);
        book.begin(node(5), u64::MAX, None);
        book.reserve(node(5), 1, 1000).unwrap();
        book
    }

    #[test]
    fn a_book_is_read_as_it_was_written() {
        let text = book().text();
        assert_eq!(Book::read(&text), Ok(book()), "{text}");
        assert_eq!(Book::read(&Book::new(0).text()), Ok(Book::new(0)));
    }

    #[test]
    fn the_longest_book_is_within_the_limit() {
        let mut book = Book::new(u64::MAX);
        for number in 0..=Node::MAX {
            book.begin(node(number), 0, Some(u64::MAX));
        }
        let text = book.text();
        assert!(text.len() < super::super::BOOK_MAX, "{}", text.len());
        assert_eq!(Book::read(&text), Ok(book));
    }

    #[test]
    fn a_book_of_a_later_version_is_told_from_a_damaged_one() {
        let later = book().text().replacen("ids 1", "ids 2", 1);
        assert_eq!(Book::read(&later), Err(BookFault::Newer));
        for damaged in [
            "",
            "\0\0\0\0",
            "sterna ids 1",
            "sterna ids x\n",
            "{\"ids\":1}\n",
        ] {
            let read = Book::read(damaged);
            assert!(
                matches!(read, Err(BookFault::Damaged(_))),
                "{damaged}: {read:?}"
            );
        }
    }

    fn sealed(said: &str) -> String {
        format!("{said}sum {}\n", sum_of(said))
    }

    #[test]
    fn lines_that_cannot_be_are_damage_whatever_the_checksum() {
        let ids = node(3).ids();
        let (start, end) = (ids.start, ids.end);
        for lines in [
            String::new(),
            "bits\n".to_owned(),
            "bits g\n".to_owned(),
            "bits 1\nbits 2\n".to_owned(),
            format!("run {start} {end}\nbits 1\n"),
            "bits 1\nrun 5 6\n".to_owned(),
            format!("bits 1\nrun {start}\n"),
            format!("bits 1\nrun {end} {start}\n"),
            format!("bits 1\nrun {start} {}\n", end + 1),
            format!("bits 1\nrun {start} {end}\nrun {start} {end}\n"),
            "bits 1\nwalk 1 2\n".to_owned(),
        ] {
            let text = sealed(&format!("sterna ids 1\n{lines}"));
            let read = Book::read(&text);
            assert!(
                matches!(read, Err(BookFault::Damaged(_))),
                "{text}: {read:?}"
            );
        }
        let good = sealed(&format!("sterna ids 1\nbits 1\nrun {start} {end}\n"));
        assert!(Book::read(&good).is_ok());
    }

    proptest! {
        #[test]
        fn no_flipped_bit_and_no_cut_is_believed(at in 0..100_usize, bit in 0..8_u32, cut: bool) {
            let mut bytes = book().text().into_bytes();
            let at = at % bytes.len();
            if cut {
                bytes.truncate(at);
            } else {
                bytes[at] ^= 1 << bit;
            }
            if let Ok(text) = std::str::from_utf8(&bytes) {
                prop_assert!(Book::read(text).is_err(), "{}", text);
            }
        }
    }

    #[test]
    fn ids_follow_one_another_and_none_is_reserved_twice() {
        let mut book = book();
        let first = book.reserve(node(0), 1, 10).unwrap();
        assert_eq!(first.end - first.start, 10);
        assert!(node(0).ids().contains(&first.start));
        let second = book.reserve(node(0), 20, 10).unwrap();
        assert_eq!((second.start, second.end), (first.end, first.end + 20));
        assert_eq!(book.next(node(0)), Some(second.end));
        assert_eq!(book.reserve(node(9), 1, 1), Err(UsedUp(node(9))));
    }

    #[test]
    fn a_node_gives_its_last_ids_and_none_of_its_neighbours() {
        let mut book = Book::new(1);
        let end = node(3).ids().end;
        book.begin(node(3), 0, Some(end - 10));
        assert_eq!(book.reserve(node(3), 4, 100), Ok(end - 10..end));
        assert_eq!(book.reserve(node(3), 1, 1), Err(UsedUp(node(3))));
        assert!(UsedUp(node(3)).to_string().contains("core.node = 3"));
        assert_eq!(Book::read(&book.text()), Ok(book));
    }

    #[test]
    fn a_run_begins_anywhere_near_the_first_ids_or_where_it_must() {
        let ids = node(7).ids();
        for number in [0, 1, PLACES - 1, PLACES, u64::MAX] {
            let mut book = Book::new(1);
            book.begin(node(7), number, None);
            let first = book.next(node(7)).unwrap();
            assert!(ids.contains(&first) && ids.end - first > ids.end.abs_diff(ids.start) / 2);
        }
        let mut book = Book::new(1);
        book.begin(node(7), 0, Some(ids.start + 99));
        assert_eq!(book.next(node(7)), Some(ids.start + 99));
        // One that has begun goes on.
        book.begin(node(7), 0, Some(ids.start + 5));
        assert_eq!(book.next(node(7)), Some(ids.start + 99));
    }

    #[test]
    fn a_run_that_is_raised_stays_within_its_node() {
        let mut book = book();
        let next = book.next(node(0)).unwrap();
        book.raise(node(0), 5);
        assert_eq!(book.next(node(0)), Some(next));
        book.raise(node(0), next + 5);
        assert_eq!(book.next(node(0)), Some(next + 5));
        book.raise(node(0), u64::MAX);
        assert_eq!(book.next(node(0)), Some(node(0).ids().end));
    }

    #[test]
    fn a_book_learns_what_its_neighbour_has_reserved() {
        let mut ours = book();
        let mut theirs = book();
        let block = theirs.reserve(node(0), 1, 10).unwrap();
        theirs.begin(node(8), 1, None);
        ours.learn(&theirs);
        assert_eq!(ours.next(node(0)), Some(block.end));
        assert!(ours.knows(node(8)));
        assert_eq!(ours, theirs);
        ours.learn(&book());
        assert_eq!(ours, theirs, "it forgets nothing");
    }
}
