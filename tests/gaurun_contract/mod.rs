//! What Gaurun's callers and scripts rely on, asked of the running daemon: the replies of each
//! endpoint, on TCP and on a Unix socket, the statistics, and the lines of the logs.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test by panicking"
)]

mod compatible;
mod logs;
mod moving;
mod queue;
mod replies;
mod requests;

use serde_json::{Value, json};

use crate::harness::lines::{self, Line};
use crate::harness::site::Site;
use crate::harness::{fcm_token, hex_token, wait_for};

/// What the daemon says of a body that it cannot read.
const MALFORMED: &str = "Request-body is malformed";

fn batch(notifications: &[Value]) -> Value {
    json!({"notifications": notifications})
}

fn ios(message: &str, tokens: &[u64]) -> Value {
    let tokens: Vec<String> = tokens.iter().map(|number| hex_token(*number)).collect();
    json!({"token": tokens, "platform": 1, "message": message})
}

fn android(message: &str, tokens: &[u64]) -> Value {
    let tokens: Vec<String> = tokens.iter().map(|number| fcm_token(*number)).collect();
    json!({"token": tokens, "platform": 2, "message": message})
}

/// The access log once it has so many lines of a type.
fn wait_for_lines(site: &Site, kind: &str, count: usize) -> Vec<Line> {
    wait_for(&format!("{count} lines of type {kind}"), || {
        let log = site.access_log();
        (lines::of_kind(&log, kind).count() >= count).then_some(log)
    })
}

/// The accepted-push line of an id.
fn accepted_line(site: &Site, id: u64) -> Line {
    wait_for("the accepted-push line", || {
        let log = site.access_log();
        let mut found = lines::of_kind(&log, "accepted-push").filter(|line| line.id() == id);
        found.next().cloned()
    })
}
