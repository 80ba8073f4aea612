//! `[log]`: the logs.

use super::super::key::Key;
use super::DESTINATION_FORM;

pub(in super::super) const LOG_ACCESS_LOG: Key = Key::text(
    "log",
    "access_log",
    "stdout",
    DESTINATION_FORM,
    "Requests, accepted and succeeded pushes: one JSON object a line",
);
pub(in super::super) const LOG_ERROR_LOG: Key = Key::text(
    "log",
    "error_log",
    "stderr",
    DESTINATION_FORM,
    "Failed and disabled pushes, and what was wrong with requests: one JSON object a line",
);
pub(in super::super) const LOG_OPERATOR_LOG: Key = Key::text(
    "log",
    "operator_log",
    "stderr",
    DESTINATION_FORM,
    "What happens to the daemon: plain text, or lines of JSON where the access or error log has the \
     same place",
)
.unlike_gaurun(
    "lines without a type in the error log",
    "a log of its own; in the same place, lines of JSON as there",
    "the error log holds what became of pushes and requests, and nothing else",
);
pub(in super::super) const LOG_MODE: Key = Key::text(
    "log",
    "mode",
    "0640",
    "octal digits such as \"0640\", with which the owner may write",
    "Mode that the file of a log is created with, whatever the umask; one that is there keeps its \
     own",
)
.unlike_gaurun(
    "0644, less the umask",
    "0640",
    "device tokens and texts are in the push log, and not for every user of the host",
);
pub(in super::super) const LOG_HIDE_TOKEN: Key = Key::text(
    "log",
    "hide_token",
    "no",
    "\"no\", \"hash\" or \"yes\"",
    "How the access and error log show device tokens: as they are, as a keyed hash that still \
     joins lines, or not at all",
);
pub(in super::super) const LOG_HASH_KEY_PATH: Key = Key::text(
    "log",
    "hash_key_path",
    "",
    "a path",
    "The key of `hide_token = \"hash\"`: a file of 16 bytes or more, the same on all daemons \
     whose lines are to be joined",
);
pub(in super::super) const LOG_HIDE_MESSAGE: Key = Key::flag(
    "log",
    "hide_message",
    false,
    "Leaves `message`, `title` and `subtitle` out of the access and error log",
);
pub(in super::super) const LOG_LEVEL: Key = Key::text(
    "log",
    "level",
    "info",
    "\"debug\", \"info\", \"warn\" or \"error\" (\"dpanic\", \"panic\" and \"fatal\" count as \
     error)",
    "Least severe line that the operator log takes; outcomes of pushes are always written. At \
     \"debug\" text after a request's JSON is refused, as by Gaurun",
)
.unlike_gaurun(
    "error; \"panic\" and \"fatal\" dropped the outcomes of failed pushes too",
    "info; outcomes are always written",
    "an outcome that is not written cannot be found again",
);

/// The section's keys, in the order of the documentation.
pub(super) const LOG_KEYS: &[Key] = &[
    LOG_ACCESS_LOG,
    LOG_ERROR_LOG,
    LOG_OPERATOR_LOG,
    LOG_MODE,
    LOG_HIDE_TOKEN,
    LOG_HASH_KEY_PATH,
    LOG_HIDE_MESSAGE,
    LOG_LEVEL,
];
