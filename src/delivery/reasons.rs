//! The reasons of our own: what a push's log line says when the provider did not say the last word,
//! what lanes are held for, and what connections say. Pure data.

use crate::provider::Advice;

/// The time of the push has passed.
pub const EXPIRED: &str = "expired";
/// The record of the push in the journal is damaged.
pub const JOURNAL_DAMAGED: &str = "journal_damaged";
/// An operator has purged it from the queue.
pub const PURGED: &str = "purged";
/// A lane is held for want of an access token.
pub const NO_ACCESS_TOKEN: &str = "NoAccessToken";
/// The push was refused unprocessed too often.
pub const REFUSED: &str = "refused";
/// The push was left over at the end of the daemon.
pub const SHUTDOWN: &str = "shutdown";
/// The push waited for another attempt until it was too late for one.
pub const TOO_LATE: &str = "too_late";
/// The last attempt had no answer.
pub const UNANSWERED: &str = "unanswered";
/// The request of the push cannot be written.
pub const UNSENDABLE: &str = "unsendable";

/// Reasons of settlements that Sterna gives itself, each after what happened.
pub static OURS: &[(&str, Advice)] = &[
    said(
        EXPIRED,
        "its time passed while it waited",
        "The push was still waiting when its expiry, its time_to_live or core.max_age had passed: \
         the provider was not reachable or too slow for the load.",
        "Look in the operator log for what held the lane up at that time. Give a longer expiry if \
         the push was worth waiting for.",
    ),
    said(
        JOURNAL_DAMAGED,
        "the disk has damaged what the journal held of it",
        "The push waited in the journal, and the disk has damaged its record: nothing but its id \
         is known. Its segment is kept aside in the journal's directory.",
        "Look at the disk. The caller may send it again; the provider has it already if it was \
         sent shortly before the daemon last ended.",
    ),
    said(
        PURGED,
        "an operator removed it from the queue",
        "An operator has removed it with DELETE /pushes or DELETE /push/ID. With maybe_sent in the \
         log line its request was under way, or had not been answered: the provider may have it.",
        "Nothing, if that was meant.",
    ),
    said(
        REFUSED,
        "the provider refused to process it too often",
        "The provider refused to process the push, by REFUSED_STREAM, GOAWAY or Shutdown, more \
         often than retry_max allows.",
        "Look at the provider's status page. The push was not sent, so the caller may send it \
         again.",
    ),
    said(
        SHUTDOWN,
        "the daemon ended before it was settled",
        "The daemon was told to end, and core.shutdown_timeout was over before the push was \
         settled.",
        "Give core.shutdown_timeout more seconds. With maybe_sent in the log line the provider \
         may have it, otherwise it does not.",
    ),
    said(
        TOO_LATE,
        "an hour has passed since its first attempt, and the next was still to come",
        "The push was to be tried again, and had to wait for so long that an hour has passed since \
         its first attempt: the provider was in trouble or not reachable, and few retries may be \
         under way at once. The status in the log line is the provider's last answer.",
        "Look at the provider's status page, and in the operator log for what it said. The caller \
         may send it again; with maybe_sent in the log line the provider may have it.",
    ),
    said(
        UNANSWERED,
        "it was sent, and its answer did not come",
        "The push was sent, and the answer did not come in time or its connection was lost. With \
         core.resend_unknown it was sent again before this was said.",
        "The provider may have it: look before sending it again. If it is frequent, look at the \
         network, and at ios.timeout or android.timeout.",
    ),
    said(
        UNSENDABLE,
        "its request cannot be written",
        "It was accepted before the last start, and the configuration of now does not allow its \
         payload; or a field of the request has characters that HTTP/2 does not carry, which is \
         looked for before a push is accepted. The log line says which. A provider's advice on the \
         size of fields (MAX_HEADER_LIST_SIZE) is no reason: such a push is sent.",
        "In the first case, look at what was changed in the configuration. In the second, report \
         it as a fault of Sterna.",
    ),
];

/// What lanes are held for that Sterna says itself, after what happened.
pub static HOLDS: &[(&str, Advice)] = &[said(
    NO_ACCESS_TOKEN,
    "there is no access token to send with, and an operator has to act",
    "Google's token endpoint gives no access token for the service account, or FCM refuses those \
     that it gives. The error line has its word for that.",
    "Look that word up here. The service account's file is read again before each further try.",
)];

/// What connections say of pushes and of themselves, in the operator log, each after what
/// happened.
pub static CONNECTIONS: &[(&str, Advice)] = &[
    said(
        "REFUSED_STREAM",
        "the provider did not look at the push",
        "The provider has not looked at the push: it had too many open, or was lowering its limit.",
        "Nothing: the push is sent again for nothing, five times in a row; then each time counts.",
    ),
    said(
        "GOAWAY",
        "the provider closes the connection",
        "The provider closes the connection; its text is in the log line. What it had not begun \
         with is sent again for nothing, what it had begun with is awaited.",
        "Nothing, unless it comes often. A text that APNs documents has an entry here of its own.",
    ),
    said(
        "ENHANCE_YOUR_CALM",
        "the provider takes us for an attacker",
        "The provider takes us for an attacker: too many frames of a kind, or too many errors.",
        "Look in the push log for many refusals of one kind, and mend what causes them.",
    ),
    said(
        "session_timed_out",
        "the connection was idle",
        "Google closed a connection that had been idle for some minutes.",
        "Nothing: the next push opens another.",
    ),
    said(
        "too_many_pings",
        "PINGs came too often",
        "Google got more PINGs than it likes.",
        "Report it as a fault of Sterna, with the line of the operator log.",
    ),
    said(
        "exceeded_max_concurrent_streams",
        "too many pushes were in flight on a connection",
        "More pushes were in flight on a connection than Google allows.",
        "Lower core.pusher_max, and report it as a fault of Sterna.",
    ),
];

const fn said(
    reason: &'static str,
    meaning: &'static str,
    cause: &'static str,
    cure: &'static str,
) -> (&'static str, Advice) {
    (meaning, Advice::new(reason, cause, cure))
}
