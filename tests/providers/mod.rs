//! What becomes of pushes when providers refuse, fail, fall silent, go away or are not there: each
//! settles exactly once, none is lost, and none is doubled where the provider's word allows it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test by panicking"
)]

mod absence;
mod apple;
mod broadcasts;
mod credentials;
mod faults;
mod google;
mod messages;
mod refusals;
mod requests;
mod witnesses;

use serde_json::{Value, json};

use crate::harness::{fcm_token, hex_token};

/// So many pushes to iOS, and as many to Android, numbered from `first`.
fn batch(first: u64, count: u64) -> Value {
    let tokens = |form: fn(u64) -> String| -> Vec<String> {
        (first + 1..=first + count).map(form).collect()
    };
    json!({"notifications": [
        {"platform": 1, "message": "m", "token": tokens(hex_token)},
        {"platform": 2, "message": "m", "token": tokens(fcm_token)},
    ]})
}
