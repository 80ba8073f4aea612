//! An answer as it is kept. What it says of a hundred accepted notifications takes five thousand
//! bytes, and is three numbers mostly: where they begin, and how they go on.
//!
//! Pure: no I/O, no clock, no lock.
//!
//! ```text
//! PACKED  length, what stands before the list  number of runs, the runs  what stands behind it
//! a run:  index, first_id, count of its first entry; number of entries
//! ```
//!
//! Numbers are LEB128. From one entry of a run to the next `index` grows by one and `first_id` by
//! `count`, which stays. What is not written as the list is of our answers stands before or behind
//! it as it is, so that an answer comes back byte for byte, whatever it is.

use std::io::Write as _;

/// An answer, packed if there is something to pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackedAnswer(Box<[u8]>);

/// What the packed begin with: no JSON does, nor one that has an owner before it.
const PACKED: u8 = 2;

/// What the list follows.
const LIST: &[u8] = b"\"accepted\":[";

/// Names of the three numbers of an entry, with what stands before each.
const NAMES: [&[u8]; 3] = [b"{\"index\":", b",\"first_id\":", b",\"count\":"];

/// Entries that go on from one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct EntryRun {
    index: u64,
    first_id: u64,
    count: u64,
    entries: u64,
}

impl EntryRun {
    /// The numbers of that entry of it; none beyond what numbers there are.
    fn entry(&self, at: u64) -> Option<[u64; 3]> {
        let first_id = self.first_id.checked_add(self.count.checked_mul(at)?)?;
        Some([self.index.checked_add(at)?, first_id, self.count])
    }
}

impl PackedAnswer {
    /// Packs an answer; one that is packed stays as it is.
    pub fn of(answer: &[u8]) -> Self {
        Self(pack(answer).unwrap_or_else(|| answer.to_vec()).into())
    }

    /// As it is kept.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The answer as it was given.
    pub fn answer(&self) -> Vec<u8> {
        // What cannot be unpacked was never packed.
        unpack(&self.0).unwrap_or_else(|| self.0.to_vec())
    }
}

fn pack(answer: &[u8]) -> Option<Vec<u8>> {
    if answer.first() == Some(&PACKED) || answer.len() > ANSWER_MAX {
        return None;
    }
    let list = answer.windows(LIST.len()).position(|part| part == LIST)?;
    let (before, mut rest) = answer.split_at_checked(list.checked_add(LIST.len())?)?;
    let mut runs: Vec<EntryRun> = Vec::new();
    while let Some(([index, first_id, count], behind)) = entry(rest, !runs.is_empty()) {
        match runs.last_mut() {
            Some(run) if run.entry(run.entries) == Some([index, first_id, count]) => {
                run.entries += 1;
            }
            _ => runs.push(EntryRun {
                index,
                first_id,
                count,
                entries: 1,
            }),
        }
        rest = behind;
    }
    let mut packed = vec![PACKED];
    put(&mut packed, before.len() as u64);
    packed.extend_from_slice(before);
    put(&mut packed, runs.len() as u64);
    for run in runs {
        for number in [run.index, run.first_id, run.count, run.entries] {
            put(&mut packed, number);
        }
    }
    packed.extend_from_slice(rest);
    (packed.len() < answer.len()).then_some(packed)
}

fn unpack(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut rest = bytes.strip_prefix(&[PACKED])?;
    let before = usize::try_from(number(&mut rest)?).ok()?;
    let (before, mut rest) = rest.split_at_checked(before)?;
    let mut answer = before.to_vec();
    let mut is_first = true;
    for _ in 0..number(&mut rest)? {
        let mut next = || number(&mut rest);
        let [index, first_id, count, entries] = [next()?, next()?, next()?, next()?];
        let run = EntryRun {
            index,
            first_id,
            count,
            entries,
        };
        for at in 0..run.entries {
            let numbers = run.entry(at)?;
            if !is_first {
                answer.push(b',');
            }
            is_first = false;
            for (name, number) in NAMES.into_iter().zip(numbers) {
                answer.extend_from_slice(name);
                write!(answer, "{number}").ok()?;
            }
            answer.push(b'}');
            if answer.len() > ANSWER_MAX {
                return None;
            }
        }
    }
    answer.extend_from_slice(rest);
    Some(answer)
}

/// The numbers of the entry that follows, and what is behind it; `has_one` if there is one before.
fn entry(rest: &[u8], has_one: bool) -> Option<([u64; 3], &[u8])> {
    let mut rest = if has_one {
        rest.strip_prefix(b",")?
    } else {
        rest
    };
    let mut numbers = [0; 3];
    for (name, number) in NAMES.into_iter().zip(&mut numbers) {
        rest = rest.strip_prefix(name)?;
        let end = rest.iter().position(|at| !at.is_ascii_digit())?;
        let (digits, behind) = rest.split_at_checked(end)?;
        // As we write it, so that it comes back so.
        if digits.len() > 1 && digits.first() == Some(&b'0') {
            return None;
        }
        *number = str::from_utf8(digits).ok()?.parse().ok()?;
        rest = behind;
    }
    Some((numbers, rest.strip_prefix(b"}")?))
}

/// Writes a number, seven bits to a byte, the lowest first.
fn put(packed: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        packed.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    packed.push(number.to_le_bytes()[0]);
}

/// Reads a number.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

/// Our limit: bytes of an answer that is packed and unpacked. A longer one stays as it is; what a
/// damaged file says is not believed.
const ANSWER_MAX: usize = 16 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// An answer with these entries.
    fn answer(entries: &[(u64, u64, u64)]) -> Vec<u8> {
        let entries = entries.iter().map(|(index, first_id, count)| {
            format!("{{\"index\":{index},\"first_id\":{first_id},\"count\":{count}}}")
        });
        let entries = entries.collect::<Vec<_>>().join(",");
        let text = format!(
            "{{\"message\":\"ok\",\"accepted\":[{entries}],\"rejected\":[],\"ignored\":[]}}\n"
        );
        text.into()
    }

    fn comes_back(answer: &[u8]) -> usize {
        let packed = PackedAnswer::of(answer);
        assert_eq!(packed.answer(), answer);
        assert_eq!(PackedAnswer::of(packed.bytes()), packed, "it stays packed");
        assert!(packed.bytes().len() <= answer.len());
        packed.bytes().len()
    }

    #[test]
    fn a_hundred_notifications_take_no_more_than_one() {
        let begin = 2_248_445_554_128;
        let hundred: Vec<_> = (0..100).map(|at| (at, begin + at, 1)).collect();
        let hundred = answer(&hundred);
        assert!(hundred.len() > 4500, "{}", hundred.len());
        let [one, all] = [&answer(&[(0, begin, 1)]), &hundred].map(|it| comes_back(it));
        assert!(all <= one && all < 80, "{one} and {all} bytes");
        // One of two is rejected.
        let some: Vec<_> = (0..50).map(|at| (2 * at, begin + at, 1)).collect();
        assert!(comes_back(&answer(&some)) < 600);
    }

    #[test]
    fn what_is_not_written_so_comes_back_too() {
        let begin = "{\"message\":\"ok\",\"accepted\":[";
        for text in [
            "",
            "answer",
            "{\"message\":\"no\"}\n",
            "\"accepted\":[",
            "{\"accepted\":[],\"rejected\":[]}",
            &format!("{begin}{{\"index\":00,\"first_id\":1,\"count\":1}}]}}"),
            &format!("{begin}{{\"index\":1,\"first_id\":1,\"count\":1}},]}}"),
            &format!("{begin},{{\"index\":1,\"first_id\":1,\"count\":1}}]}}"),
            &format!("{begin}{{\"index\":1,\"first_id\":18446744073709551616,\"count\":1}}]}}"),
            &format!("{begin}{{\"index\":1,\"first_id\":-1,\"count\":1}}"),
            &format!("{begin}{{\"index\":1,\"first_id\":1,\"count\":1"),
        ] {
            comes_back(text.as_bytes());
        }
        let long: Vec<_> = (0..400_000).map(|at| (at, at, 1)).collect();
        let long = answer(&long);
        assert!(long.len() > ANSWER_MAX && comes_back(&long) == long.len());
        let most = u64::MAX;
        comes_back(&answer(&[
            (most, most, most),
            (0, most - 1, 1),
            (1, most, 1),
            (2, 0, 0),
        ]));
    }

    #[test]
    fn what_is_damaged_is_no_answer_and_takes_no_memory() {
        for bytes in [
            &[PACKED][..],
            &[PACKED, 9, b'{'],
            &[PACKED, 0, 1, 0, 0, 1],
            // Runs without end.
            &[PACKED, 0, 1, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            &[
                PACKED, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
            ],
        ] {
            assert_eq!(unpack(bytes), None, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn each_answer_comes_back(
            entries in prop::collection::vec(
                (0..4_u64, prop_oneof![0..9_u64, any::<u64>()], 0..3_u64), 0..20),
            cut in any::<prop::sample::Index>(),
        ) {
            let whole = answer(&entries);
            comes_back(&whole);
            comes_back(&whole[..cut.index(whole.len())]);
        }

        #[test]
        fn whatever_is_unpacked_is_bounded(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let bytes = [&[PACKED], &bytes[..]].concat();
            let answer = unpack(&bytes);
            prop_assert!(answer.is_none_or(|answer| answer.len() <= ANSWER_MAX + 80));
        }
    }
}
