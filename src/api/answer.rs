//! The body that says what became of each part of a request for pushes.
//!
//! Pure: no I/O, no clock.

use serde::Serialize;

use super::plan::Rejections;
use super::reply::Reply;

/// What a request for pushes is answered, with a message of its own.
#[derive(Serialize)]
pub(super) struct Answer<'a> {
    message: &'a str,
    accepted: Vec<Taken>,
    rejected: Vec<Refused<'a>>,
    #[serde(skip_serializing_if = "is_zero")]
    rejected_omitted: usize,
}

/// A notification that has pushes queued.
#[derive(Serialize)]
pub(super) struct Taken {
    /// Its place in the request.
    pub(super) index: usize,
    /// The id of its first push.
    pub(super) first_id: u64,
    /// Its pushes.
    pub(super) count: usize,
}

#[derive(Serialize)]
struct Refused<'a> {
    pointer: String,
    error: &'a str,
}

impl<'a> Answer<'a> {
    /// The answer with these parts.
    pub(super) fn new(message: &'a str, rejected: &'a Rejections, accepted: Vec<Taken>) -> Self {
        let refused = rejected.listed().iter().map(|rejection| Refused {
            pointer: rejection.pointer(),
            error: &rejection.error,
        });
        Self {
            message,
            accepted,
            rejected: refused.collect(),
            rejected_omitted: rejected.omitted(),
        }
    }

    /// The same answer, which lists no more rejected parts than fit into so many octets.
    pub(super) fn listing(mut self, most: usize) -> Self {
        let mut octets = 0_usize;
        let fits = |refused: &&Refused<'_>| {
            // Text can always be written.
            let entry = serde_json::to_vec(refused).unwrap_or_default();
            octets = octets.saturating_add(entry.len()).saturating_add(1);
            octets <= most
        };
        let fitting = self.rejected.iter().take_while(fits).count();
        let cut_off = self.rejected.len().saturating_sub(fitting);
        self.rejected.truncate(fitting);
        self.rejected_omitted = self.rejected_omitted.saturating_add(cut_off);
        self
    }

    /// As an answer of that status.
    pub(super) fn reply(&self, status: u16) -> Reply {
        Reply::json_line(status, self)
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}
