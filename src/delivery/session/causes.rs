//! What is said of a connection or a stream that ended.

use crate::http2::{Cause, ErrorCode};
use crate::pasted::quoted;
use crate::provider::Row;
use crate::texts;

/// Characters of a GOAWAY's text that are told.
pub(super) const GOAWAY_SHOWN: usize = 200;

/// Why a connection ends that has not answered a PING.
pub(super) const SILENT: &str = "no answer to a PING";

/// Why there is no answer to a push that was taken back.
pub(super) const NOT_AWAITED: &str = "it was not waited for";

/// What came of an answer behind its head.
pub(super) enum RestOfAnswer {
    /// All of it.
    Came,
    /// More than we take.
    TooLong,
    /// Not all of it; the text says why.
    Missing(String),
}

/// Why a stream ended without its answer.
pub(super) fn cause_text(cause: Cause) -> String {
    match cause {
        Cause::ResetByPeer(code) => format!("the provider reset the stream ({code})"),
        Cause::StreamError(code, rule) => format!("broken answer: {rule} ({code})"),
        Cause::OurLimit(limit) => format!("the answer was cut off: {limit}"),
        Cause::GoAway(code) => format!("the provider closes the connection (GOAWAY {code})"),
        Cause::ConnectionError(code, rule) => format!("broken connection: {rule} ({code})"),
        Cause::TransportClosed => "the connection was lost".to_owned(),
        Cause::ClosedByUs => "the connection was closed".to_owned(),
    }
}

/// What a GOAWAY says, without what could pass for something else in a log, with its meaning if it
/// holds a documented reason.
pub(super) fn goaway_text(code: ErrorCode, said: &str, row: Option<&Row>) -> String {
    let most = GOAWAY_SHOWN.saturating_add(1);
    let shown = quoted(said.trim(), most);
    let shown = texts::shortened(&shown, GOAWAY_SHOWN);
    let text = format!("GOAWAY {code} {}", texts::escaped(&shown, char::is_control));
    let text = text.trim_end();
    match row {
        Some(row) => format!("{text} ({})", row.meaning),
        None => text.to_owned(),
    }
}
