//! The lines of requests, and of pushes that no lane has yet or will have.

use std::cell::RefCell;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::http1::head::Head;
use crate::log::line::{self, Level, Line, PushLine, Tail};
use crate::log::{Logs, Sink, TimeText};
use crate::moment::Moment;
use crate::push::{Accepted, Note, PushId};

thread_local! {
    /// One buffer and one cached second per API thread.
    static LINES: RefCell<(Vec<u8>, TimeText)> = RefCell::new((Vec::new(), TimeText::new()));
}

/// Bytes of lines that are gathered before they are handed to the log, and of the buffer that is
/// kept: the lines of one request may be a thousand times its size.
const LINES_KEPT: usize = 64 * 1024;

/// Our limit: how long an answer waits for its lines to be in their file.
const LINES_WITHIN: Duration = Duration::from_secs(1);

/// What APNs says of a device token that is none, as Gaurun put it: scripts that screen match it.
const BAD_DEVICE_TOKEN: &str = "bad device token";

/// The API's hold of the logs: it writes the lines of requests, and of pushes that no lane has.
#[derive(Clone, Debug)]
pub struct Lines(Logs);

impl Lines {
    /// Lines that go to these logs.
    pub fn new(logs: Logs) -> Self {
        Self(logs)
    }

    /// What is wrong with the logs; no paths are in it.
    pub(super) fn trouble(&self) -> Option<String> {
        self.0.trouble()
    }

    /// An accepted-request line.
    pub(super) fn request(&self, head: &Head) {
        with_lines(&self.0.access, |out, at| {
            let (proto, length) = (head.proto(), head.content_length());
            let (target, method) = (&head.target, &head.method);
            let names = (head.id(), head.trace());
            line::accepted_request(out, at, target, method, proto, length, names);
        });
    }

    /// An accepted-push line for each device token.
    pub(super) fn accepted(&self, accepted: &Accepted, note: Note<'_>) {
        self.each_token(&self.0.access, (Line::Accepted, ""), accepted, note);
    }

    /// Waits until the accepted-push lines are in their file.
    pub(super) fn await_accepted(&self) {
        // If the log takes nothing, that is told and has an end elsewhere.
        let _in_time = self.0.access.flush(LINES_WITHIN);
    }

    /// A disabled-push line for each device token.
    pub(super) fn disabled(&self, disabled: &Accepted, note: Note<'_>) {
        self.each_token(&self.0.error, (Line::Disabled, ""), disabled, note);
    }

    /// A failed-push line for each device token, which no provider would take.
    pub(super) fn malformed(&self, malformed: &Accepted, note: Note<'_>) {
        let told = (Line::Failed, BAD_DEVICE_TOKEN);
        self.each_token(&self.0.error, told, malformed, note);
    }

    /// A line of text about a request in the error log, at level `error`, with what there is more
    /// to say.
    pub(super) fn error(&self, text: &str, error: &str, request_id: &str) {
        with_lines(&self.0.error, |out, at| {
            line::message(out, Level::Error, at, text, error, request_id);
        });
    }

    /// Tells that of each device token. `note` is the notification's, which need not be read again
    /// out of its parcel.
    fn each_token(
        &self,
        sink: &Sink,
        (line, error): (Line, &str),
        accepted: &Accepted,
        note: Note<'_>,
    ) {
        let privacy = self.0.privacy.get();
        with_lines(sink, |out, at| {
            for (token, id) in accepted.parcel.tokens().zip(accepted.first_id.0..) {
                let push_line = PushLine {
                    line,
                    lane: accepted.envelope.lane,
                    target: accepted.envelope.target,
                    note,
                    id: PushId(id),
                    first_id: accepted.first_id,
                    token,
                    ptime: Duration::ZERO,
                    error,
                    tail: Tail {
                        send_at: accepted.envelope.earliest.map(NonZeroU32::get),
                        ..Tail::default()
                    },
                };
                line::push(out, at, &push_line, &privacy);
                if out.len() >= LINES_KEPT {
                    sink.write(out);
                    out.clear();
                }
            }
        });
    }
}

/// Formats lines into the thread's buffer and hands them to a log.
fn with_lines(sink: &Sink, write: impl FnOnce(&mut Vec<u8>, &str)) {
    if sink.discards() {
        return;
    }
    LINES.with_borrow_mut(|(lines, time_text)| {
        write(lines, time_text.at(Moment::now()));
        sink.write(lines);
        lines.clear();
        lines.shrink_to(LINES_KEPT);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Destination;
    use crate::provider::{self, Built};
    use crate::push::{DeviceToken, LaneId, Notification};

    #[test]
    fn the_lines_of_a_large_request_are_whole_and_in_order() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let discard = Destination::Discard;
        let logs = Logs::open(&Destination::named(&path), &discard, &discard).unwrap();
        let mut notification = Notification::empty(LaneId::IOS);
        notification.message = "m".repeat(LINES_KEPT / 10).into();
        let accepted = provider::accept(
            &notification,
            &Built::nothing(LaneId::IOS),
            (0..100)
                .map(|n| DeviceToken::new(format!("{n:064x}")))
                .collect::<Box<_>>(),
            PushId(7),
            Moment::now(),
        );
        Lines(logs.clone()).accepted(&accepted, Note::of(&notification));
        assert_eq!(logs.close(Duration::from_secs(30)), 0);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 100);
        for (line, id) in text.lines().zip(7..) {
            assert!(line.contains(&format!("\",\"id\":{id},")) && line.ends_with('}'));
        }
        assert!(LINES.with_borrow(|(lines, _)| lines.capacity()) <= 2 * LINES_KEPT);
    }
}
