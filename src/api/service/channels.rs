//! Apple's broadcast channels, in callers' hands: made, looked at, deleted.
//!
//! What is asked here is asked of Apple at once, and its answer awaited on the caller's own thread;
//! few at a time, so that a slow Apple takes no more than those.

use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::super::apps::LANE_FIELDS;
use super::super::keyless::Keyless;
use super::Service;
use crate::delivery::channel_manager::{NoNews, RequestFate};
use crate::http1::head::Head;
use crate::http1::query::pairs;
use crate::http1::reply::{RETRY_AFTER_SECS, Reply};
use crate::http1::while_waiting;
use crate::provider::apns::{
    CHANNEL_PUSH_TYPE, ChannelFault, ChannelNews, ChannelOrder, channel_fault, check_channel,
};
use crate::provider::{self, Answer, CHANNELS_OF, told_of};
use crate::push::{LaneId, Native};
use crate::texts::{self, reference};

/// What a request about channels says.
#[derive(Default)]
struct Asked {
    /// The fields by which notifications name their lane.
    lane: Native,
    /// Whether a new channel is to store the latest message.
    stores: Option<bool>,
}

/// Where something is wrong, and what.
struct Wrong(String);

impl Service {
    /// Answers a request about channels: about that one, or else a new one or all.
    pub(super) fn channels(
        &self,
        head: &Head,
        (query, body): (&str, &[u8]),
        id: Option<&str>,
    ) -> Reply {
        let reply = match id {
            None => self.all_channels(head, query, body),
            Some(id) => self.channel(head, query, id),
        };
        if reply.status >= 400 {
            let terms = self.terms.get();
            let keyless = Keyless::of(head, terms.keys.as_ref());
            let asked = keyless.head(head);
            let target = texts::shortened(&asked.target, TARGET_SHOWN);
            let what = format!("{} {target}", asked.method);
            let told = String::from_utf8_lossy(&reply.body);
            let told = keyless.text(told.trim_end());
            self.lines.error(&what, &told, head.id());
        }
        reply
    }

    /// `/channels`: `POST` makes one, `GET` lists all.
    fn all_channels(&self, head: &Head, query: &str, body: &[u8]) -> Reply {
        let terms = self.terms.get();
        let keyless = Keyless::of(head, terms.keys.as_ref());
        let is_create = &*head.method == "POST";
        // Whoever sends one counts on it.
        if is_create && head.idempotency_key.is_some() {
            return Reply::message(400, NOT_IDEMPOTENT);
        }
        let read = in_query(query, &keyless).and_then(|asked| {
            if is_create {
                in_body(body, asked, &keyless)
            } else {
                Ok(asked)
            }
        });
        match read {
            Err(Wrong(error)) => {
                let message = if is_create { MALFORMED } else { BAD_QUERY };
                Reply::explained(400, message, Some(&error))
            }
            Ok(Asked { lane, stores }) => {
                let order = match stores {
                    Some(stores) => ChannelOrder::Create { stores },
                    None => ChannelOrder::List,
                };
                self.ask_apple(head, lane, order)
            }
        }
    }

    /// `/channels/{id}`.
    fn channel(&self, head: &Head, query: &str, id: &str) -> Reply {
        let terms = self.terms.get();
        let keyless = Keyless::of(head, terms.keys.as_ref());
        let order = match &*head.method {
            "DELETE" => ChannelOrder::Delete(id),
            _ => ChannelOrder::Read(id),
        };
        if let Err(error) = check_channel(id) {
            return Reply::message(400, error);
        }
        match in_query(query, &keyless) {
            Err(Wrong(error)) => Reply::explained(400, BAD_QUERY, Some(&error)),
            Ok(Asked { lane, .. }) => self.ask_apple(head, lane, order),
        }
    }

    /// Asks, by the lane that is named, and says what came of it.
    fn ask_apple(&self, head: &Head, mut named: Native, order: ChannelOrder<'_>) -> Reply {
        let terms = self.terms.get();
        let apps = &terms.rules.apps;
        let lane = apps.lane_of(CHANNELS_OF, &mut named, &self.rights(head), false);
        let lane = match lane {
            Ok(lane) => lane,
            Err(no) => return Reply::message(404, &no.error),
        };
        let Some(running) = self.lanes.get().get(lane).cloned() else {
            return Reply::message(404, &format!("{lane} is disabled"));
        };
        let Some(_call) = self.channel_calls.begin() else {
            return Reply::message(503, TOO_MANY).with_retry_after(RETRY_AFTER_SECS);
        };
        let (_, route) = running.route.current();
        let Some(manager) = &route.channels else {
            return Reply::message(404, &format!("{lane} has no channels"));
        };
        match while_waiting(|| manager.ask(order, lane, &route.credentials)) {
            Ok(news) => {
                tell(lane, order, &news, head.id());
                told(lane, order, news)
            }
            Err(no) => not_done(lane, order, &no),
        }
    }
}

/// Reads what a query may say: of which app and environment the channels are.
fn in_query(query: &str, keyless: &Keyless<'_>) -> Result<Asked, Wrong> {
    let mut asked = Asked::default();
    for pair in pairs(query) {
        let (name, value) = pair.map_err(|_| Wrong("it could not be parsed".to_owned()))?;
        let Some(name) = LANE_FIELDS.into_iter().find(|known| *known == name) else {
            let name = shown(&name, keyless);
            return Err(Wrong(format!("{name:?} is none of app, environment")));
        };
        set(&mut asked.lane, name, &value)?;
    }
    Ok(asked)
}

/// Reads what the body of `POST /channels` says, beside what the query does.
fn in_body(body: &[u8], mut asked: Asked, keyless: &Keyless<'_>) -> Result<Asked, Wrong> {
    let wrong = |name: &str, text: &str| Wrong(format!("/{}: {text}", reference(name)));
    if body.len() > BODY_MAX {
        return Err(Wrong(format!("it has over {BODY_MAX} bytes")));
    }
    let read = serde_json::from_slice::<Map<String, Value>>(body);
    let members = read.map_err(|_| Wrong(EXPECTED.to_owned()))?;
    for (name, value) in members {
        match (&*name.replace('-', "_"), value) {
            (_, Value::Null) => {}
            ("message_storage_policy", value) => {
                let policy = value.as_u64().filter(|policy| *policy <= 1);
                let policy = policy.ok_or_else(|| wrong(&name, POLICIES))?;
                asked.stores = Some(policy == 1);
            }
            ("push_type", value) => {
                let is_it = value
                    .as_str()
                    .is_some_and(|word| word.eq_ignore_ascii_case(CHANNEL_PUSH_TYPE));
                if !is_it {
                    let text = format!("{CHANNEL_PUSH_TYPE:?} was expected, which it is anyway");
                    return Err(wrong(&name, &text));
                }
            }
            (field @ ("app" | "environment"), Value::String(text)) => {
                let field = LANE_FIELDS.into_iter().find(|known| *known == field);
                set(&mut asked.lane, field.unwrap_or_default(), &text)?;
            }
            ("app" | "environment", _) => return Err(wrong(&name, "a string was expected")),
            _ => {
                let name = shown(&name, keyless);
                return Err(wrong(&name, "no field of POST /channels"));
            }
        }
    }
    if asked.stores.is_none() {
        return Err(wrong("message_storage_policy", POLICIES));
    }
    Ok(asked)
}

/// Notes by what a lane is named; what stands in two places has to be the same.
fn set(lane: &mut Native, name: &'static str, value: &str) -> Result<(), Wrong> {
    let value = Value::from(value).to_string();
    if lane.get(name).is_some_and(|known| known.get() != value) {
        return Err(Wrong(format!("{name} is said twice, and not the same")));
    }
    // It is a string, which is JSON.
    if let Ok(value) = RawValue::from_string(value) {
        lane.set(name, value);
    }
    Ok(())
}

/// A name of the caller's as an answer may show it.
fn shown(name: &str, keyless: &Keyless<'_>) -> String {
    texts::shortened(&keyless.text(name), SHOWN_MAX).into_owned()
}

/// Tells the operator of what is not undone by itself.
fn tell(lane: LaneId, order: ChannelOrder<'_>, news: &ChannelNews, request_id: &str) {
    match (order, news) {
        (_, ChannelNews::Created(id)) => {
            ::log::info!("{lane}: the broadcast channel {id} was made (request {request_id})");
        }
        (ChannelOrder::Delete(id), _) => {
            ::log::info!("{lane}: the broadcast channel {id} was deleted (request {request_id})");
        }
        _ => {}
    }
}

/// The answer to who has asked, of what came of it.
pub(super) fn told(lane: LaneId, order: ChannelOrder<'_>, news: ChannelNews) -> Reply {
    let body = ChannelBody {
        message: "ok",
        lane: lane.name(),
        ..ChannelBody::default()
    };
    match (order, news) {
        (ChannelOrder::Create { stores }, ChannelNews::Created(id)) => {
            let body = ChannelBody {
                channel: Some(id),
                message_storage_policy: Some(stores.into()),
                hint: stores.then_some(STORES),
                ..body
            };
            Reply::json_line(201, &body)
        }
        (ChannelOrder::Read(id), ChannelNews::Found { stores, push_type }) => {
            let body = ChannelBody {
                channel: Some(id.to_owned()),
                message_storage_policy: Some(stores.into()),
                push_type: Some(push_type).filter(|word| !word.is_empty()),
                hint: stores.then_some(STORES),
                ..body
            };
            Reply::json_line(200, &body)
        }
        (_, ChannelNews::Listed(channels)) => {
            let channels = Some(channels);
            Reply::json_line(200, &ChannelBody { channels, ..body })
        }
        _ => Reply::json_line(200, &body),
    }
}

/// The answer to who has asked in vain.
pub(super) fn not_done(lane: LaneId, order: ChannelOrder<'_>, no: &NoNews) -> Reply {
    let (status, text) = failed(lane, no);
    let (last, ends) = match no {
        NoNews::Resting(last) => (&**last, RESTING),
        NoNews::Unanswered {
            fate: RequestFate::Unknown,
            ..
        } => (no, in_doubt(order)),
        _ => (no, ""),
    };
    let answer = match last {
        NoNews::Refused(answer) => Some(answer),
        _ => None,
    };
    let body = NotDone {
        message: format!("{text}{ends}"),
        lane: lane.name(),
        status: answer.map(|answer| answer.status),
        reason: answer.map(|answer| answer.reason.to_string()),
    };
    let reply = Reply::json_line(status, &body);
    let wait = match no {
        NoNews::Busy | NoNews::NoCredential => Some(Duration::from_secs(RETRY_AFTER_SECS.into())),
        NoNews::Resting(_) => Some(APPLES_WAIT),
        NoNews::Refused(answer) if matches!(status, 429 | 503) => {
            Some(answer.retry_after.unwrap_or(APPLES_WAIT))
        }
        _ => None,
    };
    match wait {
        Some(wait) => {
            let secs = u32::try_from(wait.as_secs().max(1));
            reply.with_retry_after(secs.unwrap_or(u32::MAX))
        }
        None => reply,
    }
}

/// What a request may have done all the same that nobody can say was looked at.
fn in_doubt(order: ChannelOrder<'_>) -> &'static str {
    match order {
        ChannelOrder::Create { .. } => MAYBE_MADE,
        ChannelOrder::Delete(_) => MAYBE_DELETED,
        ChannelOrder::Read(_) | ChannelOrder::List => "",
    }
}

/// Our status for what came to nothing, and why it did.
fn failed(lane: LaneId, no: &NoNews) -> (u16, String) {
    match no {
        NoNews::NoBundle => (409, told_of(lane, NO_BUNDLE).into()),
        NoNews::NoEndpoint => (409, told_of(lane, NO_ENDPOINT).into()),
        NoNews::NoCredential => (503, NO_CREDENTIAL.to_owned()),
        NoNews::Busy => (503, BUSY.to_owned()),
        NoNews::Resting(last) => failed(lane, last),
        NoNews::Unanswered { why, is_late, .. } => (if *is_late { 504 } else { 502 }, why.clone()),
        NoNews::Refused(answer) => refused(lane, answer),
    }
}

/// Our status for a refusal of Apple's, and what it says.
fn refused(lane: LaneId, answer: &Answer) -> (u16, String) {
    let fault = channel_fault(answer);
    let advice = provider::of(lane.provider()).advice();
    let advice = advice.iter().find(|advice| advice.reason == answer.reason);
    let cure = match fault {
        // What is advised there is about pushes, which are tried again.
        ChannelFault::Pace | ChannelFault::Service => Some(ASK_LATER.into()),
        _ => advice.map(|advice| told_of(lane, advice.cure)),
    };
    let Answer {
        status,
        reason,
        error,
        ..
    } = answer;
    let error = match fault {
        ChannelFault::Pace => TOO_FAST,
        _ => error,
    };
    let cure = cure.map_or_else(String::new, |cure| format!(". {cure}"));
    let own = match fault {
        ChannelFault::NoChannel => 404,
        ChannelFault::Request => 400,
        ChannelFault::App => 409,
        ChannelFault::Pace => 429,
        ChannelFault::Service => 503,
        ChannelFault::Setup => 502,
    };
    (
        own,
        format!("APNs answered {status} {reason}: {error}{cure}"),
    )
}

/// The body that says what came of a request about channels.
#[derive(Default, Serialize)]
struct ChannelBody<'a> {
    message: &'a str,
    lane: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_storage_policy: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    push_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

/// The body that says why nothing came of it.
#[derive(Serialize)]
struct NotDone<'a> {
    message: String,
    lane: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

const MALFORMED: &str = "Request-body is malformed";
const BAD_QUERY: &str = "url parameters are malformed";
const EXPECTED: &str = "an object was expected, as {\"message_storage_policy\":1}";
const POLICIES: &str = "0 was expected, by which Apple stores no message, or 1, by which it stores \
                        the latest for devices that are offline";
const NOT_IDEMPOTENT: &str = "POST /channels takes no Idempotency-Key: after an answer that never \
                              came, GET /channels tells which channels there are";
const NO_BUNDLE: &str = "the lane has no bundle id, which channels belong to: set ios.topic";
const NO_CREDENTIAL: &str = "no auth token can be made; the operator log says why";
const TOO_MANY: &str = "too many requests about channels at once";
const STORES: &str = "what is pushed there is stored for as long as its ttl or expires_at says";
const NO_ENDPOINT: &str = "pushes of this lane lead elsewhere than to Apple, and where channels are \
                           managed is not said: set ios.channels_endpoint";
const RESTING: &str = ". So it was answered a moment ago, and Apple is not asked again within 10 s";
const ASK_LATER: &str = "Ask again later.";
const TOO_FAST: &str = "too many requests about channels, or pushes to them";
const BUSY: &str = "other requests about channels of this app are under way, and Apple is slow";
const MAYBE_MADE: &str = ". The channel may have been made: GET /channels tells";
const MAYBE_DELETED: &str = ". The channel may have been deleted: GET /channels/{id} tells";

/// When to come back where Apple asks for less of it, and does not say when.
const APPLES_WAIT: Duration = Duration::from_secs(10);

/// Our limit: bytes of the body of a request about channels.
const BODY_MAX: usize = 4096;

/// Our limit: characters of a request's target in the error log's line about channels.
const TARGET_SHOWN: usize = 512;

/// Our limit: characters of an unknown name that an answer about channels shows.
const SHOWN_MAX: usize = 64;
