//! The answer that gorush's callers expect, of that of `POST /push`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::de::{IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer as _, Serialize};
use serde_json::value::RawValue;

use super::text;
use crate::api::keyless::Keyless;
use crate::http1::reply::Reply;
use crate::texts;

/// What `POST /push` answers, as far as it is told here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct PushAnswer {
    message: String,
    error: Option<String>,
    accepted: Vec<TakenCount>,
    rejected: Vec<RejectedPart>,
    rejected_omitted: usize,
    ignored: Vec<String>,
}

#[derive(Deserialize)]
struct TakenCount {
    count: usize,
}

#[derive(Deserialize)]
struct RejectedPart {
    pointer: String,
    error: String,
}

/// gorush's answer to a request that was taken, and what it has no word for.
#[derive(Serialize)]
struct TakenReply {
    counts: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ignored: Vec<String>,
    logs: Vec<LogsEntry>,
    #[serde(skip_serializing_if = "is_zero")]
    logs_omitted: usize,
    success: &'static str,
}

/// What of a request is not pushed.
#[derive(Serialize)]
struct LogsEntry {
    r#type: &'static str,
    platform: &'static str,
    token: String,
    message: String,
    error: String,
}

/// gorush's answer to a request that was refused.
#[derive(Serialize)]
struct RefusedReply {
    code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    message: String,
}

/// gorush's answer, of that of `POST /push` to the translated body.
/// No text in it has an API key.
pub(in crate::api) fn answer(reply: Reply, translated: &[u8], keyless: &Keyless<'_>) -> Reply {
    let answered: PushAnswer = serde_json::from_slice(&reply.body).unwrap_or_default();
    let said = if reply.status == 200 {
        let unlisted = answered.rejected.len().saturating_sub(ENTRIES);
        let logs = entries(answered.rejected, translated, keyless);
        Reply::json_line(
            200,
            &TakenReply {
                counts: answered.accepted.iter().map(|taken| taken.count).sum(),
                ignored: answered.ignored,
                logs,
                logs_omitted: answered.rejected_omitted.saturating_add(unlisted),
                success: "ok",
            },
        )
    } else {
        let message = match &*answered.message {
            "empty notification" => "Notifications field is empty.".to_owned(),
            "Request-body is malformed" | "request body is empty" => MISSING.to_owned(),
            other => other.replacen("number of", "Number of", 1),
        };
        let code = reply.status;
        let error = answered.error;
        Reply::json_line(
            code,
            &RefusedReply {
                code,
                error,
                message,
            },
        )
    };
    Reply {
        body: said.body,
        content_type: said.content_type,
        ..reply
    }
}

/// The answer to a body that is not JSON, or not gorush's.
pub(in crate::api) fn malformed(error: &str) -> Reply {
    let failure = RefusedReply {
        code: 400,
        error: Some(error.to_owned()),
        message: MISSING.to_owned(),
    };
    Reply::json_line(400, &failure)
}

/// One entry for each rejected part, with what the request has of it.
fn entries(
    mut rejected: Vec<RejectedPart>,
    translated: &[u8],
    keyless: &Keyless<'_>,
) -> Vec<LogsEntry> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct AskedPart<'a> {
        #[serde(borrow)]
        token: Option<&'a RawValue>,
        #[serde(borrow)]
        platform: Option<&'a RawValue>,
        #[serde(borrow)]
        message: Option<&'a RawValue>,
    }
    #[derive(Deserialize)]
    struct WholeBody<'a> {
        #[serde(borrow)]
        notifications: Vec<AskedPart<'a>>,
    }
    rejected.truncate(ENTRIES);
    if rejected.is_empty() {
        return Vec::new();
    }
    let all = serde_json::from_slice::<WholeBody<'_>>(translated);
    let all = all.map(|all| all.notifications).unwrap_or_default();
    let places: Vec<_> = rejected.iter().map(|part| places(&part.pointer)).collect();
    let mut tokens: BTreeMap<(usize, usize), String> = BTreeMap::new();
    for of_one in places.chunk_by(|one, next| one.0 == next.0) {
        let notification = of_one.first().map_or(usize::MAX, |place| place.0);
        let asked = all.get(notification).and_then(|asked| asked.token);
        let wanted = of_one.iter().filter_map(|place| place.1).collect();
        let picked = asked.map(|asked| picked(asked, wanted)).unwrap_or_default();
        tokens.extend(
            picked
                .into_iter()
                .map(|(at, token)| ((notification, at), token)),
        );
    }
    let shown = |text: Option<&str>| {
        let text = keyless.text(text.unwrap_or_default());
        texts::shortened(&text, ENTRY_TEXT_MAX).into_owned()
    };
    let entry = |(RejectedPart { error, .. }, (index, token)): (RejectedPart, PartPlace)| {
        let asked = all.get(index);
        let token = token.and_then(|token| tokens.get(&(index, token)));
        let message = asked.and_then(|asked| asked.message).and_then(text);
        let platform = asked.and_then(|asked| asked.platform).map(RawValue::get);
        LogsEntry {
            r#type: "failed-push",
            platform: match platform {
                Some("1") => "ios",
                Some("2") => "android",
                _ => "",
            },
            token: shown(token.map(String::as_str)),
            message: shown(message.as_deref()),
            error,
        }
    };
    rejected.into_iter().zip(places).map(entry).collect()
}

/// The place of a rejected part: that of its notification, and of its device token if it is one.
type PartPlace = (usize, Option<usize>);

fn places(pointer: &str) -> PartPlace {
    let mut names = pointer.split('/').skip(2);
    let index = names.next().and_then(|place| place.parse().ok());
    let is_token = names.next() == Some("token");
    let token = names.next().and_then(|place| place.parse().ok());
    (index.unwrap_or(usize::MAX), token.filter(|_| is_token))
}

/// Those of the device tokens that are wanted, by their places.
fn picked(tokens: &RawValue, wanted: BTreeSet<usize>) -> BTreeMap<usize, String> {
    struct Picking(BTreeSet<usize>);
    impl<'de> Visitor<'de> for Picking {
        type Value = BTreeMap<usize, String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array of device tokens")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut picked = BTreeMap::new();
            for at in 0.. {
                if self.0.contains(&at) {
                    let Some(token) = seq.next_element()? else {
                        break;
                    };
                    picked.insert(at, token);
                } else if seq.next_element::<IgnoredAny>()?.is_none() {
                    break;
                }
            }
            Ok(picked)
        }
    }
    let mut json = serde_json::Deserializer::from_str(tokens.get());
    json.deserialize_seq(Picking(wanted)).unwrap_or_default()
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands out references"
)]
const fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// gorush's word for all that is malformed.
const MISSING: &str = "Missing notifications field.";

/// Our limit: entries of gorush's `logs`, each of a part that is not pushed.
pub(in crate::api) const ENTRIES: usize = 100;

/// Our limit: characters of a device token, and of a message, in one of them.
pub(in crate::api) const ENTRY_TEXT_MAX: usize = 256;

/// Bytes of the two texts of all entries at most, as JSON: six for a control character.
pub(in crate::api) const ENTRIES_MAX: usize = ENTRIES * (2 * 6 * ENTRY_TEXT_MAX + 256);
