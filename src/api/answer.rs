//! The body that says what became of each part of a request for pushes.
//!
//! Pure: no I/O, no clock.

use serde::Serialize;

use super::ignored::{Ignored, LISTED_MAX};
use super::plan::{Rejection, Rejections, SURE_REJECTED};
use crate::http1::reply::Reply;

/// What a request for pushes is answered, with a message of its own.
#[derive(Serialize)]
pub(super) struct PushReply<'a> {
    message: &'a str,
    accepted: Vec<Taken>,
    rejected: &'a [Rejection],
    #[serde(skip_serializing_if = "is_zero")]
    rejected_omitted: usize,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    ignored: &'a [String],
    #[serde(skip_serializing_if = "is_zero")]
    ignored_omitted: usize,
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

impl<'a> PushReply<'a> {
    /// The answer with these parts.
    pub(super) fn new(
        message: &'a str,
        rejected: &'a Rejections,
        ignored: &'a Ignored,
        accepted: Vec<Taken>,
    ) -> Self {
        Self {
            message,
            accepted,
            rejected: rejected.listed(),
            rejected_omitted: rejected.omitted(),
            ignored: ignored.listed(),
            ignored_omitted: ignored.omitted(),
        }
    }

    /// The same answer, which lists no more rejected parts than fit into so many bytes.
    pub(super) fn listing(mut self, most: usize) -> Self {
        let mut bytes = 0_usize;
        let fits = |rejection: &&Rejection| {
            bytes = bytes.saturating_add(rejection.bytes());
            bytes <= most
        };
        let fitting = self.rejected.iter().take_while(fits).count();
        let cut_off = self.rejected.len().saturating_sub(fitting);
        self.rejected = self.rejected.get(..fitting).unwrap_or_default();
        self.rejected_omitted = self.rejected_omitted.saturating_add(cut_off);
        self
    }

    /// Bytes that the answer to a request may have, of so many notifications in so long a body,
    /// without those that more room was asked for.
    pub(super) fn bytes_max(notifications: usize, body: usize) -> usize {
        let accepted = notifications.min(body / NOTIFICATION_MIN + 1);
        AROUND + SURE_REJECTED + LISTED_MAX + accepted.saturating_mul(TAKEN_MAX)
    }

    /// As an answer of that status.
    pub(super) fn reply(&self, status: u16) -> Reply {
        Reply::json_line(status, self)
    }
}

/// Bytes of a notification at least that has a push: `{"token":["a"],"platform":1},`.
const NOTIFICATION_MIN: usize = 28;

/// Bytes of a [`Taken`] at most, three numbers and their names.
const TAKEN_MAX: usize = 3 * 20 + 36;

/// Bytes around the lists: the names, what is omitted, and a message that names one part.
const AROUND: usize = 2 * 1024;

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::super::keyless::Keyless;
    use super::super::plan::{Rules, plan};
    use super::super::request::{Trailing, decode};
    use super::*;
    use crate::http1::body::{FREE, beside_free};
    use crate::http1::settings::LARGE_BODIES;
    use crate::moment::Moment;
    use crate::provider::Built;

    /// What the answer to a body has, and what was said beforehand that it might have.
    fn bytes(body: &str, notification_max: usize) -> (usize, usize) {
        let rules = Rules {
            notification_max,
            allows_empty_message: true,
            bulk_from: 10,
            as_gaurun: false,
            keeps_scheduled: true,
            apps: super::super::Apps::default(),
            check_token: |_, token| if token == "x" { Err("x") } else { Ok(()) },
            content: Box::new(|notification, _, _| Ok(Built::nothing(notification.lane))),
        };
        let most = PushReply::bytes_max(notification_max, body.len());
        let mut body = body.as_bytes().to_vec();
        let batch = decode(&mut body, notification_max, Trailing::Ignored).unwrap();
        let (now, keyless) = (Moment::now(), Keyless::default());
        let plan = plan(batch, now, &rules, &keyless, |_| true, &mut |_| false).unwrap();
        let taken = plan.notifications.iter().map(|planned| {
            assert!(planned.built.is_some());
            Taken {
                index: planned.index,
                first_id: (1 << 53) - 1,
                count: planned.tokens.len(),
            }
        });
        let answer = PushReply::new("ok", &plan.rejected, &plan.ignored, taken.collect());
        (answer.reply(200).body.len(), most)
    }

    #[test]
    fn no_answer_is_longer_than_was_said_before_its_request_was_read() {
        let one = r#"{"token":["a"],"platform":1}"#;
        let bad = r#"{"token":["x","a"],"platform":1}"#;
        for (part, parts) in [(one, 1), (one, 100), (one, 5_000), (bad, 5_000), (bad, 3)] {
            let body = format!(r#"{{"notifications":[{}]}}"#, vec![part; parts].join(","));
            for notification_max in [parts, 100_000] {
                let (answer, most) = bytes(&body, notification_max);
                assert!(answer <= most, "{answer} of {most}: {parts} of {part}");
            }
        }
        let ignored = vec![r#"{"token":["a"],"platform":1,"x":1}"#; 5_000].join(",");
        let (answer, most) = bytes(&format!(r#"{{"notifications":[{ignored}]}}"#), 5_000);
        assert!(answer <= most, "{answer} of {most}");
        let many = vec!["\"x\""; 50_000].join(",");
        let body = format!(r#"{{"notifications":[{{"platform":1,"token":[{many}]}}]}}"#);
        let (answer, most) = bytes(&body, 100);
        assert!(answer <= most, "{answer} of {most}");
    }

    #[test]
    fn an_answer_of_the_default_limits_needs_no_room_beyond_a_connections_own() {
        assert!(PushReply::bytes_max(100, 4 << 20) <= FREE);
    }

    #[test]
    fn whatever_the_limits_a_request_of_the_greatest_size_fits() {
        for most in (10..=28).map(|bits| 1 << bits) {
            let answer = PushReply::bytes_max(NOTIFICATIONS_MAX, most).saturating_sub(FREE);
            assert!(beside_free(most, answer) <= most * LARGE_BODIES, "{most}");
        }
    }

    /// `core.notification_max` at most.
    const NOTIFICATIONS_MAX: usize = 100_000;
}
