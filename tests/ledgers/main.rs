//! Three ledgers, joined: what the daemon answered 200, what the provider processed, and what the
//! push log says became of it. Counted are pushes lost, doubled and told falsely, over every kind
//! of fault that the simulator has, and before an HTTP/2 server that is not ours.
//!
//! `STERNA_LEDGER_PUSHES=20000 cargo test --release --test ledgers headline` plays the figures of
//! benches/README.md in full; by default each run is small.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test by panicking"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod answers;
mod command_line;
mod farewells;
mod foreign;
mod headline;
mod join;
mod odd;
mod play;
mod settings;
mod strikes;
mod tokens;
mod watch;
