//! Settlements in few bytes.
//!
//! Pure: no file, no clock, no thread.
//!
//! A run of consecutive ids that ended alike is two numbers: the gap since the run before, and
//! the count of ids times four plus how they ended. 2 to 4 bytes are usual for a push.

use crate::encoding::{Bytes, put_number};
use crate::push::End;

/// Consecutive ids that ended alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) first: u64,
    pub(super) count: u64,
    /// `None` for what was told in an earlier segment.
    pub(super) end: Option<End>,
}

/// Appends settlements; sorts them.
pub(super) fn put(out: &mut Vec<u8>, settled: &mut [(u64, Option<End>)]) {
    settled.sort_unstable();
    let mut reached = 0;
    let mut settled = settled.iter().copied().peekable();
    while let Some((first, end)) = settled.next() {
        let mut count = 1_u64;
        while settled
            .next_if_eq(&(first.wrapping_add(count), end))
            .is_some()
        {
            count += 1;
        }
        let code = match end {
            Some(End::Succeeded) => 0,
            Some(End::Failed) => 1,
            Some(End::Expired) => 2,
            None => 3,
        };
        // Ids of one batch may repeat if a caller errs; the gap then wraps around, and back.
        put_number(out, first.wrapping_sub(reached));
        put_number(out, count << 2 | code);
        reached = first.wrapping_add(count);
    }
}

/// The runs of a record; nothing more once it is not well formed.
#[derive(Debug)]
pub(super) struct Runs<'a> {
    bytes: Bytes<'a>,
    reached: u64,
}

impl<'a> Runs<'a> {
    pub(super) fn of(record: &'a [u8]) -> Self {
        Self {
            bytes: Bytes(record),
            reached: 0,
        }
    }
}

impl Iterator for Runs<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let first = self.reached.wrapping_add(self.bytes.number()?);
        let number = self.bytes.number()?;
        let end = match number & 3 {
            0 => Some(End::Succeeded),
            1 => Some(End::Failed),
            2 => Some(End::Expired),
            _ => None,
        };
        let count = number >> 2;
        self.reached = first.wrapping_add(count);
        Some(Run { first, count, end })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end() -> impl Strategy<Value = Option<End>> {
        prop_oneof![
            Just(Some(End::Succeeded)),
            Just(Some(End::Failed)),
            Just(Some(End::Expired)),
            Just(None)
        ]
    }

    proptest! {
        #[test]
        fn settlements_are_read_as_they_were_put(
            settled in prop::collection::btree_map(1..1_u64 << 53, end(), 0..200),
            dense in prop::collection::btree_map(1..300_u64, end(), 0..300),
        ) {
            for map in [settled, dense] {
                let mut list: Vec<_> = map.into_iter().collect();
                let mut out = Vec::new();
                put(&mut out, &mut list);
                let read: Vec<_> = Runs::of(&out)
                    .flat_map(|run| (run.first..run.first + run.count).map(move |id| (id, run.end)))
                    .collect();
                prop_assert_eq!(read, list);
            }
        }
    }

    #[test]
    fn a_thousand_in_a_row_take_a_few_bytes() {
        let mut list: Vec<_> = (0..1000)
            .map(|id| ((1 << 51) + id, Some(End::Succeeded)))
            .collect();
        let mut out = Vec::new();
        put(&mut out, &mut list);
        assert!(out.len() <= 10, "{}", out.len());
    }
}
