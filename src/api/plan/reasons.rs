//! Why a part of a request is not pushed: each kind of reason, where it is told and in which words.
//! The document of the API and the table of its manual page are made from it.
//!
//! Pure: no I/O, no clock.

/// A kind of reason for which a part of a request is not pushed.
#[derive(Debug)]
pub struct RejectionReason {
    /// What is wrong with the part.
    pub what: &'static str,
    /// What the pointer points to.
    pub pointer: &'static str,
    /// The errors, with `…` for what varies.
    pub errors: &'static [&'static str],
    /// What else there is to say of it.
    pub note: &'static str,
}

const fn reason(
    what: &'static str,
    pointer: &'static str,
    errors: &'static [&'static str],
) -> RejectionReason {
    RejectionReason {
        what,
        pointer,
        errors,
        note: "",
    }
}

const ALL: &str = "notification";

/// All of them, in the order of the documentation.
pub static REJECTION_REASONS: &[RejectionReason] = &[
    reason("`platform` other than 1 and 2", ALL, &[INVALID_PLATFORM]),
    reason(
        "no message, in a push of which nothing is shown or done without one; with \
         `core.compatible_with` whatever title, sound and badge there are",
        ALL,
        &[EMPTY_MESSAGE],
    ),
    RejectionReason {
        note: "the second with `core.compatible_with`",
        ..reason(
            "another push type",
            "`push_type`",
            &[
                "push_type must be one of alert, background, …",
                GAURUNS_PUSH_TYPES,
            ],
        )
    },
    reason(
        "two fields that say different things, or the same twice",
        "one of them",
        &[
            "… stands beside …, which says something else",
            "… stands beside …, and one of them is enough",
            "… stands beside …: a push has one target",
            "… stands beside …, and a push has one target",
            "… stands beside android: FCM takes one of them",
            "… stands beside …: say one",
            "… stands there twice, …",
            "… stands in extend, too",
            "… stands among data or extend, too",
        ],
    ),
    reason(
        "a value of another type, or out of range, in a field of the second table",
        "the part",
        &[
            "… is …, and must …",
            "… must be …",
            "… must have …",
            "… is empty",
            "… has passed",
            "… has …, and must …",
            "… has …, and each must …",
            "… has …, and may have at most …",
            "… has control characters, or blanks at an end",
            "… has …, and APNs takes at most …",
            "… has …, and there may be at most …",
            "… are … bytes, and there may be at most …",
            "… lies beyond the year 2106; is it in milliseconds?",
            "… seconds ahead, and FCM keeps a message for at most …",
            "… is no member of …",
            "… is no name of a header field",
        ],
    ),
    reason(
        "a part that another one needs, or has no use for",
        "the part",
        &[
            "… has no message",
            "… has no …, which it must have",
            "… has …, and no …",
            "… goes with …",
            "… has no place in a background push, which shows nothing",
            "… needs the field live_activity",
            "… is …, and a … push must have …",
            "… is put in by Sterna: …",
            "… asks for one, and there is no message, title or image to show",
            "… is a pseudo-header field, …",
            "… belongs to the request or its connection, …",
            "… names one push, and there are …",
        ],
    ),
    reason(
        "with `strict`, what would be in `ignored`",
        "the part",
        &[
            "… is no field of POST …",
            "… is no field, or has no effect",
            "… has no effect in this notification for …",
            "a name that is no field",
            "… no field",
        ],
    ),
    reason(
        "an app or an environment that there is not",
        "`app`, `environment`",
        &[
            "no such app: there are …",
            "app … has no …",
            "no app is named, and there are …",
            "this API key is for app … alone",
        ],
    ),
    reason("a class that is none", "`class`", &[BAD_CLASS]),
    RejectionReason {
        note: "by itself no reason for a 400, and not logged. Where an unknown field stands in its \
               place, and nothing else was taken, the request is 400: `no token: \"to\" is no \
               field, \"token\" is`",
        ..reason("`token` missing or empty", ALL, &[NO_TOKEN])
    },
    reason(
        "`token` missing or empty, in a notification with a field of the second table or in a \
         strict request; but not with `core.compatible_with`",
        "the field that may have been meant, or the notification",
        &["no target: … pushes to what stands in …"],
    ),
    reason(
        "a topic or condition (Android) or a channel (iOS), from a key that lacks the right to it",
        "`topic`, `condition`, `channel`",
        &["this API key lacks the right …"],
    ),
    reason(
        "what a push to a channel cannot have",
        "the part",
        &[
            "… stands beside channel, which is enough",
            "… has no place beside channel, which belongs to the app's own bundle id",
            "… has no place beside channel: …",
            "… is start, and a push to a channel updates or ends activities",
            "… is over 8 hours, and Apple stores a broadcast no longer",
            "channel needs the app's bundle id: …",
            "channel is for APNs: FCM has topic and condition",
            "the channel id …",
        ],
    ),
    reason(
        "`send_at` more than 30 days ahead, or not before the time at which the push is worthless",
        "the part",
        &[
            "… lies more than 30 days ahead",
            "… does not lie after send_at",
        ],
    ),
    reason(
        "`send_at` without a journal",
        "`send_at`",
        &["send_at needs the journal, and journal.sync is \"off\""],
    ),
    reason(
        "negative badge",
        "`badge`",
        &["badge is …, and must not be negative"],
    ),
    reason(
        "data or extend key `aps` (iOS)",
        "`extend`, `data/aps`",
        &["… must not have the key \"aps\", which holds the notification itself"],
    ),
    reason(
        "payload over 4096 bytes, of a VoIP push or a broadcast over 5120 (iOS)",
        "notification, or `apns/payload`",
        &["… is … bytes, and APNs takes at most …: … too many…"],
    ),
    reason(
        "time to live (Android)",
        "`time_to_live`",
        &["time_to_live is …, and must be between 0 and 2419200 seconds"],
    ),
    reason(
        "priority",
        "`priority`",
        &["priority is …, and must be \"high\" or \"normal\", or 10, 5 or 1"],
    ),
    reason(
        "data or extend key `from`, `message_type`, `google.…` or `gcm.notification.…` (Android)",
        "notification, or the key",
        &[
            "… must not have the key …, which FCM reserves",
            "… is a key that FCM reserves",
        ],
    ),
    reason(
        "`notification` and `data` over 4096 bytes (Android)",
        "the largest part",
        &[
            "the texts and keys of notification and data are … bytes, … more than the 4096 that \
             FCM takes; the largest part is … with …",
        ],
    ),
    reason(
        "texts (`message`, `identifier`, `title`, `subtitle`, `category`, `sound`, \
         `collapse_key`) over 8192 bytes together",
        ALL,
        &["texts of … bytes over limit(8192)"],
    ),
    reason(
        "keys and values of `extend` over 8192 bytes together, of equal keys the last",
        ALL,
        &["extend of … bytes over limit(8192)"],
    ),
    reason(
        "values of the second table's fields over 65,536 bytes together",
        ALL,
        &["fields beside Gaurun's of … bytes over limit(65536)"],
    ),
    reason(
        "the API key that the request shows, in one of those texts, in `priority`, `extend`, a \
         field of the second table or as a device token",
        "notification, token",
        &[HOLDS_KEY],
    ),
    reason("empty string in `token`", "token", &["empty token"]),
    reason(
        "device token (iOS)",
        "token",
        &[
            "the device token has a character that is not a hexadecimal digit",
            "the device token has an odd number of hexadecimal digits",
            "the device token is longer than 400 hexadecimal digits",
        ],
    ),
    reason(
        "registration token, installation id, topic, condition (Android)",
        "token, `fid`, `topic`, `condition`",
        &[
            "the registration token has a space or a control character",
            "the registration token is longer than 4096 bytes",
            "the installation id …",
            "the topic …",
            "the condition …",
        ],
    ),
    RejectionReason {
        note: "also logged as `disabled-push`, with an id",
        ..reason(
            "platform disabled in the configuration",
            "token",
            &["… is disabled"],
        )
    },
];

/// A notification that goes to nobody.
pub(super) const NO_TARGET: &str = "no target";

/// A notification without text, where there has to be one.
pub(super) const EMPTY_MESSAGE: &str = "empty message";

/// What Gaurun said of push types.
pub(super) const GAURUNS_PUSH_TYPES: &str = "push_type must be alert or background";

/// What is said of a class that is none.
pub(super) const BAD_CLASS: &str = "class must be \"transactional\" or \"bulk\"";

/// A notification to none of the platforms.
pub(super) const INVALID_PLATFORM: &str = "invalid platform";

/// What is said of a notification without device tokens.
pub(super) const NO_TOKEN: &str = "no token";

/// What is said of the API key in a text, or in the place of a device token.
pub(super) const HOLDS_KEY: &str = "the request's own API key is in it";

impl RejectionReason {
    /// Whether it is told in these words.
    pub fn is_told_as(&self, error: &str) -> bool {
        self.errors.iter().any(|told| {
            let mut parts = told.split('…');
            let begin = parts.next().unwrap_or_default();
            let Some(mut rest) = error.strip_prefix(begin) else {
                return false;
            };
            let mut last = begin;
            for part in parts {
                let Some((_, behind)) = rest.split_once(part) else {
                    return false;
                };
                (rest, last) = (behind, part);
            }
            // What ends with `…` may go on.
            rest.is_empty() || last.is_empty() && told.ends_with('…')
        })
    }
}
