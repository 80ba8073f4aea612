//! The FCM HTTP v1 look-alike: each request judged by Google's published schema and rules.
//!
//! No I/O, no clock. Written down on its own account, not shared with the daemon's provider code.

mod form;
mod message;
mod refusal;
mod schema;

use std::sync::Arc;

use self::message::{Message, Violation};
pub(super) use self::refusal::{FAILURES, Fault};
use self::refusal::{GoogleError, Wish};
use self::schema::Target;
use super::answer::{Judgement, Reply, Response, Standing};
use super::arrival::Arrival;
use super::faults::{Answering, Failure, mix};
use super::oauth::{AccessTokens, NotValid};
use super::request::Request;

/// Streams of a connection.
pub(super) const STREAMS: u32 = 100;
/// The debug data of the GOAWAY that answers more streams than allowed.
pub(super) const STREAMS_VIOLATED: &[u8] = b"exceeded_max_concurrent_streams";
/// The debug data of the GOAWAY of a server that goes away.
pub(super) const GOING_AWAY: &[u8] = b"server_shutting_down";
/// Our limit: bytes of a body; the front end's own is not published.
pub(super) const MAX_BODY: usize = 65_536;
/// Bytes of `data` and `notification` in a message to a device.
const MAX_MESSAGE: usize = 4_096;
/// Bytes of them in a message to a topic.
const MAX_TOPIC_MESSAGE: usize = 2_048;

/// What all connections share.
pub(super) struct Fcm {
    /// The project whose service account we know.
    pub(super) project: String,
    /// The access tokens that our token endpoint issued.
    pub(super) access_tokens: Arc<AccessTokens>,
}

/// What one connection has shown.
pub(super) struct Session {
    fcm: Arc<Fcm>,
    /// The access token that was good last, until when, and as of which revocation.
    token: Vec<u8>,
    expires: u64,
    generation: u64,
}

impl Session {
    /// A fresh connection.
    pub(super) fn new(fcm: Arc<Fcm>) -> Self {
        Self {
            fcm,
            token: Vec::new(),
            expires: 0,
            generation: 0,
        }
    }

    /// Judges one request.
    pub(super) fn judge<'a>(&mut self, arrival: &Arrival<'a>) -> Judgement<'a> {
        let read = if arrival.body.len() > MAX_BODY {
            Err(GoogleError::new(Fault::BodyTooLarge, ""))
        } else {
            Message::read(arrival.body).map_err(GoogleError::violation)
        };
        let ttl = read.as_ref().ok().and_then(|message| message.ttl);
        let key = Some(key(arrival.body, ttl));
        let (answer, device_token, trial) = match read {
            Err(refusal) => (
                self.check_head(arrival).and(Err(refusal.into())),
                None,
                false,
            ),
            Ok(message) => {
                let answer = self.check(arrival, &message, key);
                (
                    answer,
                    message.target.map(|(_, value)| value),
                    message.validate_only,
                )
            }
        };
        let device_token = device_token.unwrap_or_default();
        let judgement = |reply, reason, standing| {
            let standing = if trial { Standing::Apart } else { standing };
            Judgement {
                reply,
                reason,
                standing,
                key,
                device_token,
            }
        };
        let mut judgement = match answer {
            Ok(()) => judgement(self.accept(arrival, trial), "", Standing::Accepted),
            Err(Ended::Refused(refusal)) => judgement(
                Reply::Respond(refusal.response),
                refusal.word,
                refusal.standing,
            ),
            Err(Ended::Refuse) => judgement(Reply::Refuse, "REFUSED_STREAM", Standing::TurnedAway),
            Err(Ended::Reset) => judgement(Reply::Reset, "INTERNAL_ERROR", Standing::TurnedAway),
            Err(Ended::Silence) => judgement(Reply::Silence, "no answer", Standing::TurnedAway),
        };
        // Google's front end says so of every answer, APNs of none.
        if let Reply::Respond(response) = &mut judgement.reply {
            response.date = Some(arrival.now);
        }
        judgement
    }

    fn check(
        &mut self,
        arrival: &Arrival<'_>,
        message: &Message<'_>,
        key: Option<u64>,
    ) -> Result<(), Ended> {
        self.check_head(arrival)?;
        check_target(message).map_err(GoogleError::violation)?;
        let (target, value) = message
            .target
            .as_ref()
            .map_or((Target::Fid, ""), |(target, value)| (*target, value));
        let to_topic = matches!(target, Target::Topic | Target::Condition);
        if message.size()
            > if to_topic {
                MAX_TOPIC_MESSAGE
            } else {
                MAX_MESSAGE
            }
        {
            return Err(self.fault(Fault::TooLarge));
        }
        if target == Target::Token && !form::is_registration_token(value) {
            return Err(self.fault(Fault::InvalidToken));
        }
        match arrival.answering {
            Answering::Fail(which) => {
                let fault = FAILURES.get(which % FAILURES.len()).copied();
                return Err(self.fault(fault.unwrap_or(Fault::Internal)));
            }
            Answering::Named(Failure::Fcm(fault)) => return Err(self.fault(fault)),
            _ => {}
        }
        match refusal::wish(value) {
            Some((_, true)) if key.is_some_and(arrival.known) => Ok(()),
            Some((Wish::Fault(fault), _)) => Err(self.fault(fault)),
            Some((Wish::Refuse, _)) => Err(Ended::Refuse),
            Some((Wish::Reset, _)) => Err(Ended::Reset),
            Some((Wish::Silence, _)) => Err(Ended::Silence),
            None => Ok(()),
        }
    }

    /// Judges all but the body.
    fn check_head(&mut self, arrival: &Arrival<'_>) -> Result<(), Ended> {
        if arrival.answering == Answering::Refuse {
            return Err(Ended::Refuse);
        }
        let request = arrival.request;
        let project = project(request.path).ok_or_else(|| self.fault(Fault::NotFound))?;
        if request.method != b"POST" {
            return Err(self.fault(Fault::MethodNotAllowed));
        }
        self.check_access_token(request, arrival.now)
            .map_err(|fault| self.fault(fault))?;
        if project == self.fcm.project {
            Ok(())
        } else {
            let refusal = GoogleError::new(Fault::PermissionDenied, project);
            Err(refusal.into())
        }
    }

    fn check_access_token(&mut self, request: &Request<'_>, now: u64) -> Result<(), Fault> {
        let token = request.bearer().ok_or(Fault::CredentialsMissing)?;
        let access_tokens = &self.fcm.access_tokens;
        let generation = access_tokens.generation();
        if self.generation != generation || self.token != token {
            let checked = access_tokens.check(token, now);
            self.expires = checked.map_err(|not_valid| match not_valid {
                NotValid::Expired => Fault::AccessTokenExpired,
                // A signed JWT in the place of an access token.
                NotValid::Unknown if token.starts_with(b"eyJ") => Fault::AccessTokenKind,
                NotValid::Unknown => Fault::AccessTokenUnknown,
            })?;
            self.generation = generation;
            self.token.clear();
            self.token.extend_from_slice(token);
        }
        if now < self.expires {
            Ok(())
        } else {
            Err(Fault::AccessTokenExpired)
        }
    }

    fn fault(&self, fault: Fault) -> Ended {
        GoogleError::new(fault, &self.fcm.project).into()
    }

    fn accept(&self, arrival: &Arrival<'_>, trial: bool) -> Reply {
        let project = &self.fcm.project;
        let content = if trial {
            format!("{{\n  \"name\": \"projects/{project}/messages/fake_message_id\"\n}}\n")
        } else {
            let (now, id) = (arrival.now, arrival.random);
            let (micros, id) = (id % 1_000_000, id >> 64);
            format!(
                "{{\n  \"name\": \"projects/{project}/messages/0:{now}{micros:06}%{id:016x}\"\n}}\n"
            )
        };
        Reply::Respond(Response {
            status: 200,
            content_type: "application/json; charset=UTF-8",
            content: content.into_bytes(),
            ..Response::default()
        })
    }
}

/// Why a message is not accepted.
enum Ended {
    Refused(Box<GoogleError>),
    Refuse,
    Reset,
    Silence,
}

impl From<GoogleError> for Ended {
    fn from(refusal: GoogleError) -> Self {
        Self::Refused(Box::new(refusal))
    }
}

/// The project of a path of the form `/v1/projects/{project}/messages:send`.
fn project(path: &[u8]) -> Option<&str> {
    let path = str::from_utf8(path).ok()?;
    let (path, _query) = path.split_once('?').unwrap_or((path, ""));
    let project = path
        .strip_prefix("/v1/projects/")?
        .strip_suffix("/messages:send")?;
    (!project.is_empty() && !project.contains('/')).then_some(project)
}

/// Judges the forms of targets other than registration tokens.
fn check_target(message: &Message<'_>) -> Result<(), Violation> {
    let Some((target, value)) = &message.target else {
        return Ok(());
    };
    let (good, field) = match target {
        Target::Token => (true, "message.token"),
        Target::Fid => (form::is_fid(value), "message.fid"),
        Target::Topic => (form::is_topic(value), "message.topic"),
        Target::Condition => (form::is_condition(value), "message.condition"),
    };
    if good {
        Ok(())
    } else {
        let description = format!("Invalid value: {value}");
        Err(Violation::Rule {
            field: field.to_owned(),
            description,
        })
    }
}

/// The ledger's key of a message: all of its body but the text of its `ttl`, which is what is
/// left of its life and so differs from one attempt to the next.
fn key(body: &[u8], ttl: Option<&str>) -> u64 {
    let cut = ttl.and_then(|ttl| {
        let start = ttl.as_ptr().addr().checked_sub(body.as_ptr().addr())?;
        Some((body.get(..start)?, body.get(start + ttl.len()..)?))
    });
    let (before, after) = cut.unwrap_or((body, b""));
    hash(hash(0, before), after)
}

/// A quick hash for telling messages apart; no defence against anyone who wants a collision.
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut state = mix(seed ^ bytes.len() as u64);
    for word in words {
        state = (state ^ u64::from_le_bytes(*word)).wrapping_mul(0x9fb2_1c65_1e98_df25);
        state ^= state >> 32;
    }
    let mut last = [0; 8];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    mix(state ^ u64::from_le_bytes(last))
}

#[cfg(test)]
mod tests {
    mod any_body;

    use super::{key, project};

    #[test]
    fn the_path_names_the_project() {
        assert_eq!(
            project(b"/v1/projects/my-app/messages:send"),
            Some("my-app")
        );
        assert_eq!(
            project(b"/v1/projects/my-app/messages:send?alt=json"),
            Some("my-app")
        );
        for path in [
            "/",
            "/v1/projects//messages:send",
            "/v1/projects/a/b/messages:send",
            "/fcm/send",
        ] {
            assert_eq!(project(path.as_bytes()), None, "{path}");
        }
    }

    #[test]
    fn messages_are_told_apart_but_for_their_ttl() {
        let body =
            |token: &str, ttl: &str| format!(r#"{{"token":"{token}","ttl":"{ttl}","end":1}}"#);
        let keyed = |token: &str, ttl: &str| {
            let body = body(token, ttl);
            let start = body.find(ttl).unwrap();
            key(body.as_bytes(), body.get(start..start + ttl.len()))
        };
        assert_eq!(keyed("a", "60s"), keyed("a", "3599s"));
        assert_ne!(keyed("a", "60s"), keyed("b", "60s"));
        assert_ne!(key(b"12345678", None), key(b"123456781", None));
        assert_ne!(key(b"1", None), key(b"1\0", None));
    }
}
