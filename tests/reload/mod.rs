//! The running daemon goes over to a new configuration, or keeps the old one and says why.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests fail the test by panicking"
)]

mod asking;
mod broken;
mod credentials;
mod every_key;
mod files;
mod lanes;
mod load;
mod settings;
mod unit;

use std::process::Output;

use crate::harness::site::{Site, run, sterna};

/// Runs `sterna reload` against the daemon of that site.
fn reload(site: &Site, arguments: &[&str]) -> Output {
    let mut command = sterna();
    command.arg("reload").args(arguments);
    run({
        command.arg("-c").arg(site.path("sterna.toml"));
        command
    })
}

/// Writes the site's configuration and has it put in force; what the command prints.
fn put_in_force(site: &Site) -> String {
    site.write_config();
    let output = reload(site, &["--wait"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert_eq!(told, "");
    String::from_utf8(output.stdout).unwrap()
}

/// A site with a control socket.
fn with_control(site: Site) -> Site {
    site.with_path("core.control_socket", "control")
}
