//! The `sterna` binary.

use std::process::ExitCode;

/// Gives back by a thread of its own what a campaign took, while glibc's arenas keep it: what is
/// made by one thread ends at another. How soon, and how many arenas: `.cargo/config.toml`.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    sterna::cli::run(std::env::args_os()).into()
}
