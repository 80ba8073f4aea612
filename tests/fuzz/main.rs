//! HTTP/2 (both roles) and HPACK under bytes of chance: arbitrary ones, and real exchanges that
//! are tampered with. On the toolchain that everything else is built with.
//!
//! A seed is a case, always the same. By itself each target plays a few hundred;
//! `STERNA_FUZZ_SECONDS=60` has all of them take so many seconds together, from seeds that nobody
//! has tried (`STERNA_FUZZ_FIRST` names the first). A case that fails is printed with the command
//! that plays it again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a case that is not as it should be ends the test, and is told"
)]

mod both_ends;
#[path = "../simulation/dice.rs"]
#[allow(dead_code, reason = "the simulation needs more of it")]
mod dice;
mod frames;
mod hpack;
mod one_end;
mod pieces;
mod reader;
mod watch;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use dice::Dice;

/// Those that call [`play`]; they share the time.
const TARGETS: u32 = 8;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    let parsed = text.parse();
    Some(parsed.unwrap_or_else(|_| panic!("{name}: {text:?} is no number")))
}

/// Plays cases of a target: `few` of them, or as many as its share of the time allows.
fn play(target: &str, few: u64, case: impl Fn(&mut Dice)) {
    let one = number("STERNA_FUZZ_SEED");
    let seconds = number("STERNA_FUZZ_SECONDS").filter(|_| one.is_none());
    let share = seconds.map(|seconds| Duration::from_secs(seconds) / TARGETS);
    let first = one
        .or(number("STERNA_FUZZ_FIRST"))
        .unwrap_or_else(|| match share {
            Some(_) => untried(),
            None => 1,
        });
    let begun = Instant::now();
    let mut seed = first;
    loop {
        let played = seed.wrapping_sub(first);
        let is_over = match share {
            Some(share) => begun.elapsed() >= share,
            None => played >= one.map_or(few, |_| 1),
        };
        if is_over {
            return eprintln!("{target}: {played} cases from seed {first} hold");
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| case(&mut Dice::new(seed))));
        assert!(
            outcome.is_ok(),
            "{target}: seed {seed}; play it again: \
             STERNA_FUZZ_SEED={seed} cargo test --test fuzz {target} -- --nocapture"
        );
        seed = seed.wrapping_add(1);
    }
}

/// A seed that differs from run to run.
fn untried() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    now.as_secs().wrapping_mul(1_000_000)
}

/// Bytes of any kind, fewer than `most`.
fn bytes(most: usize, dice: &mut Dice) -> Vec<u8> {
    let length = dice.index(most);
    std::iter::repeat_with(|| dice.draw().to_be_bytes()[2])
        .take(length)
        .collect()
}

/// Changes some bytes, takes some away, puts some in, or does some twice.
fn tamper(bytes: &mut Vec<u8>, dice: &mut Dice) {
    for _ in 0..dice.between(1, 4) {
        if bytes.is_empty() {
            return;
        }
        let at = dice.index(bytes.len());
        let end = (at + 1 + dice.index(20)).min(bytes.len());
        match dice.between(0, 7) {
            0 => bytes[at] = dice.draw().to_be_bytes()[2],
            1 => bytes[at] ^= 1 << dice.index(8),
            2 => bytes[at] = dice.one_of(&[0, 1, 0x7f, 0x80, 0xff]),
            3 => drop(bytes.drain(at..end)),
            4 => {
                let twice = bytes[at..end].to_vec();
                bytes.splice(at..at, twice);
            }
            5 => {
                let new = self::bytes(12, dice);
                bytes.splice(at..at, new);
            }
            6 => bytes.truncate(at),
            _ => {
                // What looks like a length, a type, flags or a stream's number.
                bytes[at] = bytes[at].wrapping_add(dice.one_of(&[1, 0xff]));
            }
        }
    }
}
