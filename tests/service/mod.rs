//! The daemon as a service: the sockets that it inherits, what systemd hears of it, credentials
//! that it is handed, and the package that it comes in.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "helpers of tests fail the test by panicking, and say what they skip"
)]

mod handover;
mod notify;
mod package;
mod sockets;
