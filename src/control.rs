//! The control socket: how `sterna reload` asks the daemon, and hears what came of it.
//!
//! A Unix socket of mode 0600. Each connection carries one line of JSON there and one back.

mod client;
mod clients;
mod desk;
mod message;
mod server;

pub use client::{AskError, ask};
pub use desk::Asked;
pub use message::{ControlAnswer, Request};
pub use server::{Control, DESCRIPTORS};

/// Where the socket is under `systemd/sterna.service`, for those whom systemd did not start.
pub const USUAL_PATH: &str = "/run/sterna/control";

#[cfg(test)]
mod tests;
