//! `[feedback]`: how what became of pushes is kept for who asks.

use super::document::Document;
use super::journal::{OFF, Sync};
use super::key::InForce::AtStart;
use super::key::Key;
use super::keys::{FEEDBACK_BYTES_MAX, FEEDBACK_BYTES_MIN};
use super::section::section;

section! {
    /// `[feedback]`, unless it is off.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Feedback, keys FeedbackKeys of (),
    by (keys, document, _surroundings), shown of feedback:

    /// When a record counts as kept, and is shown.
    pub sync: Sync { Sync::of(&keys.sync, document) } = Key::text(
        "interval",
        "\"group\", \"interval\" or \"off\"",
        "When records of how pushes ended and of dead device tokens are on the disk, beside the \
         journal, and shown: at once, some 20 times a second at most; every second, so that a \
         power failure loses up to one; never, and there is no feed. The lanes never wait for it",
    )
    .in_force(AtStart);
    /// Bytes that each of the two streams of records may take.
    pub bytes: u64 = Key::number(
        64 * 1024 * 1024,
        (FEEDBACK_BYTES_MIN, FEEDBACK_BYTES_MAX),
        "bytes",
        "Bytes that records of how pushes ended may take on the disk, some 70 each, and those of \
         dead device tokens as many again; beyond, the oldest go",
    )
    .in_force(AtStart);
    => parts:
}

/// What there is to be beside a journal.
pub(super) fn take(
    keys: &'static FeedbackKeys,
    document: &mut Document<'_>,
    surroundings: &super::section::Surroundings<'_>,
    has_journal: bool,
) -> Option<Feedback> {
    use super::section::Section as _;
    let feedback = keys.take(document, surroundings);
    if has_journal {
        return feedback;
    }
    for key in keys.keys() {
        let says_off = key.name == keys.sync.name && document.text(key).as_deref() == Some(OFF);
        if document.has(key) && !says_off {
            document.warn(key, "has no effect beside journal.sync = \"off\"");
        }
    }
    None
}
