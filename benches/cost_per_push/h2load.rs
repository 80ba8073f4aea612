//! h2load: nghttp2's load generator, which does nothing but send requests and count answers.

use std::process::{Command, Stdio};
use std::time::Duration;

use super::Failure;
use super::baseline::Baseline;
use super::usage;

/// How to come by it.
pub(crate) const INSTALL: &str = "apt-get install nghttp2-client";

/// Whether it is there.
pub(crate) fn is_installed() -> bool {
    let mut command = Command::new(PROGRAM);
    command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Sends so many requests; the CPU time that one took, user and system of h2load's process.
///
/// A run in which not all requests succeeded says nothing, and is repeated.
pub(crate) fn run(
    baseline: &Baseline,
    requests: u32,
    connections: u32,
) -> Result<Duration, Failure> {
    let mut result = run_once(baseline, requests, connections);
    for _ in 1..TRIES {
        if result.is_ok() {
            break;
        }
        result = run_once(baseline, requests, connections);
    }
    result
}

fn run_once(baseline: &Baseline, requests: u32, connections: u32) -> Result<Duration, Failure> {
    let mut command = Command::new(PROGRAM);
    command
        .arg(format!("--requests={requests}"))
        .arg(format!("--clients={connections}"))
        .arg(format!("--max-concurrent-streams={}", baseline.streams))
        .arg(format!("--rps={UNLIMITED_RATE}"))
        .arg(format!("--data={}", baseline.content.display()))
        .arg(format!("--input-file={}", baseline.urls.display()));
    for field in &baseline.fields {
        command.arg(format!("--header={field}"));
    }
    let before = usage::of_children()?;
    let output = command.stdin(Stdio::null()).output()?;
    let after = usage::of_children()?;
    let text = String::from_utf8_lossy(&output.stdout);
    if !text.contains(&format!(" {requests} succeeded, 0 failed, 0 errored")) {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(format!("h2load: {}\n{text}{complaint}", output.status).into());
    }
    Ok(after.saturating_sub(before) / requests)
}

const PROGRAM: &str = "h2load";

/// A rate that is never reached. With a rate h2load begins with one request on each connection
/// and goes on 10 ms later, and so does mostly not open more streams than APNs allows before it
/// has seen an auth token. Where the server takes longer than that to say so, the connection is
/// lost.
const UNLIMITED_RATE: u32 = 1_000_000;

/// Runs at most: on a busy machine one in ten may lose a connection.
const TRIES: u32 = 5;
