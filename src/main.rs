//! The `sterna` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    sterna::cli::run(std::env::args_os()).into()
}
