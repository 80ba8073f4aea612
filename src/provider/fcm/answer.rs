//! Every refusal that FCM documents, and what it means.
//!
//! An answer is judged by the first of these that it has and the table knows: `FcmError`'s code,
//! refined by the other details; `ErrorInfo`'s reason; a field violation; the HTTP status. Never
//! by the message text, which is only quoted. Google's front end answers in HTML: that has none
//! but the status.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Value;

use crate::moment::Moment;
use crate::pasted::quoted;
use crate::provider::{
    ANSWER_BODY_MAX, Again, Answer, AnswerHead, LaneEffect, MESSAGE_NAME_MAX, QUOTE_MAX,
    REASON_MAX, Row, TokenEffect, Wait, retry_after,
};

/// The answer table: codes of `FcmError`, then reasons of `ErrorInfo`.
pub static ROWS: &[Row] = &[
    Row::token(
        404,
        "UNREGISTERED",
        TokenEffect::Dead,
        "the registration token is no longer in use",
    ),
    BAD_TOKEN,
    Row::token(
        403,
        "SENDER_ID_MISMATCH",
        TokenEffect::Suspect,
        "the registration token belongs to another Firebase project",
    ),
    QUOTA,
    Row {
        lane: LaneEffect::Slow,
        ..Row::retry(503, "UNAVAILABLE", Again::BACKOFF, "FCM is overloaded")
    },
    Row {
        lane: LaneEffect::Slow,
        ..Row::retry(500, "INTERNAL", Again::BACKOFF, "an error inside FCM")
    },
    THIRD_PARTY_AUTH,
    // Its old name.
    Row {
        reason: "APNS_AUTH_ERROR",
        ..THIRD_PARTY_AUTH
    },
    UNSPECIFIED,
    Row::retry(
        401,
        "ACCESS_TOKEN_EXPIRED",
        NEW_ACCESS_TOKEN,
        "the access token has expired",
    ),
    Row::retry(
        401,
        "CREDENTIALS_MISSING",
        NEW_ACCESS_TOKEN,
        "the access token was not seen",
    ),
    Row::stopped(
        401,
        "ACCESS_TOKEN_TYPE_UNSUPPORTED",
        "FCM does not take this kind of access token",
    ),
    Row::stopped(
        403,
        "IAM_PERMISSION_DENIED",
        "the service account lacks the permission cloudmessaging.messages.create",
    ),
    Row::stopped(
        403,
        "SERVICE_DISABLED",
        "the Firebase Cloud Messaging API is not enabled in the project",
    ),
    Row::stopped(
        403,
        "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
        "the access token lacks the scope firebase.messaging",
    ),
    Row::stopped(
        403,
        "CONSUMER_INVALID",
        "the project does not exist or is blocked",
    ),
    Row::stopped(
        403,
        "BILLING_DISABLED",
        "billing is disabled for the project",
    ),
    Row::stopped(
        403,
        "USER_PROJECT_DENIED",
        "the project may not be used by this account",
    ),
];

/// How `INVALID_ARGUMENT` is refined by the other details. By itself it means a malformed token,
/// by Google's word; but a data key may be behind it too, so that the token is only suspect.
const BAD_TOKEN: Row = Row::token(
    400,
    "INVALID_ARGUMENT",
    TokenEffect::Suspect,
    "FCM does not take the registration token, or the message",
);

static DEAD_AT_APNS: Row = Row {
    token: TokenEffect::Dead,
    proves: true,
    meaning: "APNs knows the device token of this registration no more",
    ..BAD_TOKEN
};

static BAD_TOKEN_FIELD: Row = Row {
    token: TokenEffect::Dead,
    meaning: "the registration token is not valid",
    ..BAD_TOKEN
};

static BAD_PAYLOAD: Row = Row::refused(400, "INVALID_ARGUMENT", "FCM does not take the message");

const QUOTA: Row = Row {
    lane: LaneEffect::Slow,
    ..Row::retry(
        429,
        "QUOTA_EXCEEDED",
        Again::QUOTA,
        "a sending quota is used up",
    )
};

/// The quota of one device is not the lane's business.
const DEVICE_QUOTA: Row = Row {
    lane: LaneEffect::None,
    proves: true,
    meaning: "too many messages to this device",
    ..QUOTA
};

/// Nor is that of one topic.
static TOPIC_QUOTA: Row = Row {
    meaning: "too many messages to this topic",
    ..DEVICE_QUOTA
};

/// Says nothing: the HTTP status decides, as for a word that is not in the table.
const UNSPECIFIED: Row = Row::refused(0, "UNSPECIFIED_ERROR", "FCM gave no reason");

/// The key in the Firebase console is at fault; Android goes on.
const THIRD_PARTY_AUTH: Row = Row {
    lane: LaneEffect::Alarm,
    proves: true,
    ..Row::refused(
        401,
        "THIRD_PARTY_AUTH_ERROR",
        "the APNs key or Web Push key in the Firebase console is bad or missing",
    )
};

/// What a status means when nothing else in the answer is known.
static BY_STATUS: &[Row] = &[
    Row::refused(400, "", "FCM does not take the message"),
    Row::retry(
        401,
        "",
        NEW_ACCESS_TOKEN,
        "the access token is not accepted",
    ),
    Row::stopped(403, "", "the service account is not allowed to send"),
    Row::stopped(404, "", "FCM does not know the project or the address"),
    Row::refused(405, "", "the request's method was not POST"),
    Row::refused(411, "", "the request's length was missing"),
    Row::refused(413, "", "the request is too large for Google's front end"),
    Row {
        lane: LaneEffect::Slow,
        ..Row::retry(429, "", Again::QUOTA, "a sending quota is used up")
    },
    Row {
        lane: LaneEffect::Slow,
        ..Row::retry(500, "", Again::BACKOFF, "an error inside FCM")
    },
    Row {
        lane: LaneEffect::Slow,
        ..Row::retry(503, "", Again::BACKOFF, "FCM is overloaded")
    },
    Row::refused(0, "", "FCM refused the request"),
];

/// A token that ran out says nothing of the push, so that this costs it nothing.
const NEW_ACCESS_TOKEN: Again = Again {
    wait: Wait::Now,
    new_credential: true,
    once: true,
    counts: false,
    ..Again::BACKOFF
};

/// What an error body says, as far as it can be read.
#[derive(Default)]
struct ErrorBody<'a> {
    message: &'a str,
    /// `FcmError.errorCode`.
    code: &'a str,
    /// `ErrorInfo.reason`.
    info: &'a str,
    /// `error.status`.
    status: &'a str,
    /// Whether there is an `ApnsError`, and whether it means that the device token is dead.
    apns: Option<bool>,
    /// Whether there are `BadRequest` fields, and whether one is the token.
    field: Option<bool>,
    /// The quota that is used up, if it is not the project's.
    own_quota: Option<&'static Row>,
}

/// Judges a response.
pub fn answer(head: AnswerHead<'_>, body: &[u8], now: Moment) -> Answer {
    if head.status == 200 {
        return Answer {
            message_name: message_name(body),
            ..Answer::succeeded()
        };
    }
    let body = if body.len() > ANSWER_BODY_MAX {
        Value::Null
    } else {
        serde_json::from_slice(body).unwrap_or(Value::Null)
    };
    let problem = ErrorBody::read(&body);
    let row = problem.row(head.status);
    Answer {
        status: head.status,
        reason: problem.reason(row),
        error: problem.sentence(row, head.status),
        verdict: row.verdict,
        lane: row.lane,
        token: row.token,
        token_alarm: row.token_alarm(),
        proves: row.proves,
        of_topic: row.of_topic,
        of_other_topic: false,
        apns_id: None,
        apns_unique_id: None,
        message_name: None,
        gone_since_ms: None,
        retry_after: retry_after::parse(head, now),
        date: row.date(head),
    }
}

/// The name of the message that FCM has taken; none if the body does not have one that can be
/// shown as it is: in JSON, in a shell and in HTML.
fn message_name(body: &[u8]) -> Option<Box<str>> {
    #[derive(Deserialize)]
    struct Taken<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
    }
    if body.len() > ANSWER_BODY_MAX {
        return None;
    }
    // As Google writes it, with each push that it takes.
    let name = if let Some(name) = lone_name(body) {
        Cow::Borrowed(name)
    } else {
        let taken: Taken<'_> = serde_json::from_slice(body).ok()?;
        let is_plain = taken.name.bytes().all(is_plain);
        is_plain.then_some(taken.name)?
    };
    let is_fine = name.len() <= MESSAGE_NAME_MAX && name.starts_with("projects/");
    is_fine.then(|| name.into())
}

/// The value of an object that has nothing but a `name`, if that is plain: what stands between its
/// quotation marks is then the text itself.
fn lone_name(body: &[u8]) -> Option<&str> {
    let rest = behind(behind(body, b"{")?, b"\"name\"")?;
    let rest = behind(behind(rest, b":")?, b"\"")?;
    let plain = rest.iter().take_while(|byte| is_plain(**byte)).count();
    let (name, rest) = rest.split_at_checked(plain)?;
    let rest = behind(rest.strip_prefix(b"\"")?, b"}")?;
    let is_all = behind(rest, b"")?.is_empty();
    is_all.then(|| str::from_utf8(name).ok()).flatten()
}

/// What stands behind JSON's white space and that mark.
fn behind<'a>(mut rest: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    while let [b' ' | b'\n' | b'\r' | b'\t', next @ ..] = rest {
        rest = next;
    }
    rest.strip_prefix(mark)
}

/// Whether a byte can be shown anywhere as it is, from a table.
#[expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    reason = "an entry for each byte"
)]
fn is_plain(byte: u8) -> bool {
    /// By the byte.
    const PLAIN: [bool; 256] = {
        let mut table = [false; 256];
        let mut byte = 0;
        while byte < 256 {
            let is_mark = matches!(byte as u8, b'/' | b'_' | b'.' | b':' | b'%' | b'~' | b'-');
            table[byte] = is_mark || (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        table
    };
    PLAIN[usize::from(byte)]
}

impl<'a> ErrorBody<'a> {
    fn read(body: &'a Value) -> Self {
        let text = |value: &'a Value, key| value.get(key).and_then(Value::as_str).unwrap_or("");
        let Some(error) = body.get("error") else {
            return Self::default();
        };
        let mut problem = Self {
            message: text(error, "message"),
            status: text(error, "status"),
            ..Self::default()
        };
        let details = error.get("details").and_then(Value::as_array);
        for detail in details.into_iter().flatten() {
            let kind = text(detail, "@type").rsplit('.').next().unwrap_or("");
            match kind {
                "FcmError" => problem.code = text(detail, "errorCode"),
                "ErrorInfo" => problem.info = text(detail, "reason"),
                "ApnsError" => problem.apns = Some(is_dead_at_apns(detail)),
                "QuotaFailure" => problem.own_quota = own_quota(detail),
                "BadRequest" => {
                    let is_known = problem.field == Some(true);
                    problem.field = Some(is_known || names_the_token(detail));
                }
                _ => {}
            }
        }
        problem
    }

    /// The row that says what to do.
    fn row(&self, status: u16) -> &'static Row {
        let known = |word: &str| {
            ROWS.iter()
                .find(|row| row.reason == word && row.status != 0)
        };
        if self.code == "INVALID_ARGUMENT" {
            return match (self.apns, self.field) {
                (Some(true), _) => &DEAD_AT_APNS,
                (_, Some(true)) => &BAD_TOKEN_FIELD,
                (None, None) => known(self.code).unwrap_or(&BAD_PAYLOAD),
                (Some(false), _) | (None, Some(false)) => &BAD_PAYLOAD,
            };
        }
        if let Some(row) = self.own_quota.filter(|row| row.reason == self.code) {
            return row;
        }
        if let Some(row) = known(self.code).or_else(|| known(self.info)) {
            return row;
        }
        if status == 400 && self.field == Some(true) {
            return &BAD_TOKEN_FIELD;
        }
        by_status(status)
    }

    /// The provider's word: the one the row was found by, else the most telling one there is.
    fn reason(&self, row: &Row) -> Cow<'static, str> {
        let words = [self.code, self.info, self.status];
        let word = words
            .into_iter()
            .find(|word| !word.is_empty())
            .unwrap_or("");
        if row.reason == word || words.contains(&row.reason) && !row.reason.is_empty() {
            return Cow::Borrowed(row.reason);
        }
        Cow::Owned(quoted(word, REASON_MAX))
    }

    /// The sentence for the push log: what it means, and what Google said.
    fn sentence(&self, row: &Row, status: u16) -> String {
        // More is said behind it, where a push is named or a lane is held.
        let quoted = quoted(self.message.trim_end_matches('.'), QUOTE_MAX);
        match (quoted.is_empty(), row.reason.is_empty()) {
            (true, true) => format!("{} (status {status} without a reason)", row.meaning),
            (true, false) => row.meaning.to_owned(),
            (false, _) => format!("{}: {quoted}", row.meaning),
        }
    }
}

/// Whether APNs told FCM that the device token is no more.
fn is_dead_at_apns(detail: &Value) -> bool {
    let gone = detail.get("statusCode").and_then(Value::as_u64) == Some(410);
    let reason = detail.get("reason").and_then(Value::as_str).unwrap_or("");
    gone || ["Unregistered", "BadDeviceToken", "ExpiredToken"].contains(&reason)
}

/// Whether one of the fields complained about is the target.
fn names_the_token(detail: &Value) -> bool {
    let fields = detail.get("fieldViolations").and_then(Value::as_array);
    fields.into_iter().flatten().any(|violation| {
        let field = violation.get("field").and_then(Value::as_str);
        matches!(field, Some("message.token" | "message.fid"))
    })
}

/// What ran over, if it is the rate of one device or of one topic, and not the project's.
fn own_quota(detail: &Value) -> Option<&'static Row> {
    let violations = detail.get("violations").and_then(Value::as_array);
    let mut texts = violations.into_iter().flatten().flat_map(|violation| {
        let text = |key| violation.get(key).and_then(Value::as_str);
        [text("subject"), text("description")].map(|text| text.unwrap_or("").to_lowercase())
    });
    texts.find_map(|text| {
        let of = |word: &str| text.contains(word);
        match () {
            () if of("project") => None,
            () if of("device") => Some(&DEVICE_QUOTA),
            () if of("topic") => Some(&TOPIC_QUOTA),
            () => None,
        }
    })
}

/// The rows that explain what [`ROWS`] says of a word, each with when it holds.
pub fn refinements() -> [(&'static str, &'static Row); 5] {
    [
        (
            "if ApnsError says that the device token is gone",
            &DEAD_AT_APNS,
        ),
        ("if the bad field is message.token", &BAD_TOKEN_FIELD),
        (
            "if another field is bad, or no FcmError is there",
            &BAD_PAYLOAD,
        ),
        ("if QuotaFailure names the device", &DEVICE_QUOTA),
        ("if QuotaFailure names the topic", &TOPIC_QUOTA),
    ]
}

/// The rows of answers without a known word, by status; 0 is every other.
pub fn by_status_alone() -> &'static [Row] {
    BY_STATUS
}

/// The row of a status: its own, or that of its class.
fn by_status(status: u16) -> &'static Row {
    let class = if (500..=599).contains(&status) {
        500
    } else {
        0
    };
    let find = |status| BY_STATUS.iter().find(|row| row.status == status);
    find(status).or_else(|| find(class)).unwrap_or(&BAD_PAYLOAD)
}

#[cfg(test)]
mod tests;
