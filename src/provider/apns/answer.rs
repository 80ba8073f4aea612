//! Every refusal that Apple documents, and what it means.
//!
//! The reason decides; an answer without a reason, or with one that is not in the table, is judged
//! by its status: 429 and 5xx are tried again, everything else is final.

use std::borrow::Cow;

use serde_json::Value;

use crate::moment::Moment;
use crate::pasted::quoted;
use crate::provider::{
    ANSWER_BODY_MAX, Again, Answer, AnswerHead, LaneEffect, REASON_MAX, Row, TokenEffect, Wait,
    retry_after,
};
use crate::texts;

use super::advice::TOPIC_ALARMS;

/// The answer table.
pub static ROWS: &[Row] = &[
    Row::refused(400, "BadCollapseId", "unknown error: BadCollapseId"),
    Row::token(
        400,
        "BadDeviceToken",
        TokenEffect::Suspect,
        "bad device token",
    ),
    Row::refused(400, "BadExpirationDate", "the apns-expiration field is bad"),
    Row::refused(400, "BadMessageId", "the apns-id field is bad"),
    Row::refused(400, "BadPriority", "the apns-priority field is bad"),
    Row::refused(400, "InvalidPushType", "the apns-push-type field is bad"),
    Row::refused(400, "DuplicateHeaders", "a field was sent twice"),
    Row::stopped(400, "BadTopic", "the configured topic is malformed").of_topic(),
    Row::stopped(
        400,
        "MissingTopic",
        "the credential needs a topic, and none is configured",
    )
    .of_topic(),
    Row::stopped(
        400,
        "TopicDisallowed",
        "the credential may not push to the configured topic",
    )
    .of_topic(),
    Row::refused(400, "MissingDeviceToken", "the request had no device token"),
    Row::refused(400, "PayloadEmpty", "the payload is empty"),
    Row::token(
        400,
        NOT_FOR_TOPIC,
        TokenEffect::Suspect,
        "device token does not match the specified topic",
    ),
    Row::retry(
        400,
        "IdleTimeout",
        Again::ELSEWHERE,
        "the connection was idle for too long",
    ),
    Row::stopped(
        403,
        "BadCertificate",
        "the client certificate is not accepted",
    ),
    Row::stopped(
        403,
        "BadCertificateEnvironment",
        "the client certificate is for the other environment (sandbox or production)",
    ),
    Row::retry(
        403,
        "ExpiredProviderToken",
        EXPIRED,
        "the auth token is over an hour old",
    ),
    Row::retry(
        403,
        "InvalidProviderToken",
        FRESH_CONNECTION,
        "the auth token is not accepted: check key, key id, team id and topic",
    ),
    Row::stopped(
        403,
        "MissingProviderToken",
        "the request had neither auth token nor client certificate",
    ),
    Row::retry(
        403,
        "UnrelatedKeyIdInToken",
        OTHER_KEY,
        "the connection belongs to another signing key",
    ),
    Row::stopped(403, "BadEnvironmentKeyIdInToken", OTHER_ENVIRONMENT),
    // Apple's page spells it as above, its servers as below.
    Row::stopped(403, "BadEnvironmentKeyInToken", OTHER_ENVIRONMENT),
    Row::stopped(403, "Forbidden", "the credential is not allowed to do this"),
    Row::refused(
        400,
        "ChannelNotRegistered",
        "the app has no such broadcast channel in this environment",
    ),
    Row::refused(
        400,
        "BadChannelId",
        "the id of the broadcast channel is malformed",
    ),
    Row::refused(
        400,
        "MissingChannelId",
        "the request named no broadcast channel",
    ),
    Row::refused(
        400,
        "FeatureNotEnabled",
        "broadcasts are not switched on for the app in Apple's developer account",
    ),
    Row::refused(
        400,
        "CannotCreateChannelConfig",
        "the app has as many broadcast channels in this environment as it may have",
    ),
    Row::refused(400, "BadRequestParams", "the request's parameters are bad"),
    Row::refused(400, "BadRequestPayload", "the request's body is bad"),
    Row::refused(400, "MissingPushType", "the request had no push type"),
    Row::refused(
        403,
        "TopicMismatch",
        "the client certificate is not for the app of the broadcast channel",
    ),
    Row::refused(404, "BadPath", "the request's path is bad"),
    Row::refused(405, "MethodNotAllowed", "the request's method was not POST"),
    Row::token(
        410,
        "Unregistered",
        TokenEffect::Dead,
        "device token is inactive for the specified topic",
    ),
    Row::token(
        410,
        "ExpiredToken",
        TokenEffect::Dead,
        "unknown error: ExpiredToken",
    ),
    Row::refused(413, "PayloadTooLarge", "the payload is too large"),
    Row::retry(
        429,
        "TooManyProviderTokenUpdates",
        TOO_MANY_UPDATES,
        "the auth token was renewed too soon",
    ),
    Row {
        proves: true,
        ..Row::retry(
            429,
            "TooManyRequests",
            Again::BACKOFF,
            "too many pushes in a row to this device token",
        )
    },
    Row::retry(
        500,
        "InternalServerError",
        Again::BACKOFF,
        "an error inside APNs",
    ),
    Row {
        lane: LaneEffect::Slow,
        ..Row::retry(
            503,
            "ServiceUnavailable",
            Again::BACKOFF,
            "APNs is not available",
        )
    },
    Row::retry(
        503,
        "Shutdown",
        Again::ELSEWHERE,
        "this APNs server is shutting down",
    ),
];

/// What a status means for which no reason is known.
static UNKNOWN: [Row; 3] = [
    Row::retry(429, "", Again::BACKOFF, "too many requests"),
    Row::retry(500, "", Again::BACKOFF, "an error inside APNs"),
    Row::refused(0, "", "refused"),
];

/// What is said of a topic that is not the configured one as it stands.
static OF_OTHER_TOPIC: [Row; 3] = [
    Row::refused(
        400,
        "BadTopic",
        "the topic of this push is malformed: its own, or the configured one with what its push \
         type adds",
    )
    .of_topic(),
    Row::refused(
        400,
        "MissingTopic",
        "APNs saw no topic, though the push has one of its own or by its push type",
    )
    .of_topic(),
    Row::refused(
        400,
        "TopicDisallowed",
        "the credential may not push to the topic of this push: its own, or the configured one \
         with what its push type adds, or a broadcast's",
    )
    .of_topic(),
];

/// What is said of an auth token whose push names a topic of its own: its key may be for others.
static OF_OWN_TOPIC: Row = Row::retry(
    403,
    "InvalidProviderToken",
    SECOND_TRY,
    "the auth token is not accepted for the topic that the push names: check whether its key may \
     push there",
);

const NOT_FOR_TOPIC: &str = "DeviceTokenNotForTopic";

/// The meaning of both spellings.
const OTHER_ENVIRONMENT: &str =
    "the signing key is for the other environment (sandbox or production)";

/// Once the auth token has expired, its connection stays wedged.
const EXPIRED: Again = Again {
    new_credential: true,
    once: true,
    ..Again::ELSEWHERE
};

const OTHER_KEY: Again = Again {
    close_connection: true,
    wait: Wait::Now,
    ..Again::BACKOFF
};

/// It also comes of a connection that is older than the app's present team.
const FRESH_CONNECTION: Again = Again {
    once: true,
    ..Again::ELSEWHERE
};

/// Nor does its connection go for that.
const SECOND_TRY: Again = Again {
    close_connection: false,
    ..FRESH_CONNECTION
};

/// Such a connection stops answering; the token stays.
const TOO_MANY_UPDATES: Again = Again {
    close_connection: true,
    ..Again::BACKOFF
};

/// Judges a response.
pub fn answer(head: AnswerHead<'_>, body: &[u8], now: Moment) -> Answer {
    let [apns_id, apns_unique_id] = [head.apns_id, head.apns_unique_id].map(|id| uuid(id?));
    if head.status == 200 {
        return Answer {
            apns_id,
            apns_unique_id,
            ..Answer::succeeded()
        };
    }
    let body = parse(body);
    let word = body.get("reason").and_then(Value::as_str).unwrap_or("");
    let row = row(word).unwrap_or_else(|| by_status(head.status));
    let gone_since_ms = body.get("timestamp").and_then(Value::as_u64);
    Answer {
        status: head.status,
        reason: if row.reason.is_empty() {
            Cow::Owned(quoted(word, REASON_MAX))
        } else {
            Cow::Borrowed(row.reason)
        },
        error: sentence(row, head.status, word, gone_since_ms),
        verdict: row.verdict,
        lane: row.lane,
        token: row.token,
        token_alarm: row.token_alarm(),
        proves: row.proves,
        of_topic: row.of_topic,
        of_other_topic: false,
        apns_id,
        apns_unique_id,
        message_name: None,
        gone_since_ms,
        retry_after: retry_after::parse(head, now),
        date: row.date(head),
    }
}

/// What is said of a topic that is not the configured one as it stands, which says nothing of the
/// lane: a credential may push to the one and not to the other. Of one that the push names itself
/// it does not even point to the configuration.
pub(super) fn of_other_topic(answer: Answer, is_own: bool) -> Answer {
    let is_it = |row: &&Row| row.reason == answer.reason;
    let own = Some(&OF_OWN_TOPIC).filter(|_| is_own);
    match OF_OTHER_TOPIC.iter().chain(own).find(is_it) {
        Some(row) => Answer {
            error: row.meaning.to_owned(),
            verdict: row.verdict,
            lane: row.lane,
            token_alarm: TOPIC_ALARMS
                .iter()
                .find(|alarm| alarm.advice.reason == row.reason),
            of_other_topic: true,
            date: None,
            ..answer
        },
        None if is_own && answer.reason == NOT_FOR_TOPIC => Answer {
            token_alarm: None,
            ..answer
        },
        None => answer,
    }
}

/// The rows that explain what [`ROWS`] says of a word, each with when it holds.
pub fn refinements() -> [(&'static str, &'static Row); 4] {
    let when = "if the topic is not the configured one as it stands";
    let [bad, missing, disallowed] = OF_OTHER_TOPIC.each_ref().map(|row| (when, row));
    let own = ("if the push names a topic of its own", &OF_OWN_TOPIC);
    [bad, missing, disallowed, own]
}

/// The characters of a UUID that a field's value is.
fn uuid(value: &[u8]) -> Option<Box<str>> {
    let text = std::str::from_utf8(value).ok()?;
    let is_one = text.bytes().all(|at| at.is_ascii_hexdigit() || at == b'-');
    is_one.then(|| texts::first(text, REASON_MAX).into())
}

/// The row of the reason in a GOAWAY frame's debug data, if it has a known one: JSON as in an
/// answer, or the bare word.
pub fn goaway(debug: &[u8]) -> Option<&'static Row> {
    let body = parse(debug);
    match body.get("reason").and_then(Value::as_str) {
        Some(word) => row(word),
        None => row(std::str::from_utf8(debug).ok()?.trim()),
    }
}

/// The body as JSON; null if it is none.
fn parse(body: &[u8]) -> Value {
    if body.len() > ANSWER_BODY_MAX {
        return Value::Null;
    }
    serde_json::from_slice(body).unwrap_or(Value::Null)
}

fn row(word: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.reason == word)
}

fn by_status(status: u16) -> &'static Row {
    let [too_many, server, other] = &UNKNOWN;
    match status {
        429 => too_many,
        500..=599 => server,
        _ => other,
    }
}

/// The sentence for the push log.
///
/// Gaurun's users screen device tokens by its sentences, so four of them are kept to the letter:
/// those of `BadDeviceToken`, `Unregistered` and `DeviceTokenNotForTopic`, and "unknown error: "
/// with the word for what Gaurun did not know.
fn sentence(row: &Row, status: u16, word: &str, gone_since_ms: Option<u64>) -> String {
    if row.reason == "Unregistered" {
        let since = gone_since_ms.and_then(go_time);
        let since = since.as_deref().unwrap_or(GO_NO_TIME);
        return format!("{} (last invalid at {since})", row.meaning);
    }
    if !row.reason.is_empty() {
        return row.meaning.to_owned();
    }
    if word.is_empty() {
        format!("APNs answered {status} without a reason")
    } else {
        format!("unknown error: {}", quoted(word, REASON_MAX))
    }
}

/// What Go prints of a time that is not given.
const GO_NO_TIME: &str = "0001-01-01 00:00:00 +0000 UTC";

/// A time as Go prints it, in whole seconds.
fn go_time(ms: u64) -> Option<String> {
    let secs = i64::try_from(ms / 1000).ok()?;
    let at = jiff::Timestamp::from_second(secs).ok()?;
    Some(at.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string())
}

#[cfg(test)]
mod tests;
