//! `GET /push/{id}`: where a push is, or how it ended.
//!
//! Pure: no I/O, no clock.

use std::time::Duration;

use serde::Serialize;

use crate::backlog::PushState;
use crate::http1::reply::{RETRY_AFTER_SECS, Reply};
use crate::push::{ApnsEnvironment, LaneId, Node, PushId};

/// The answer's body. What does not apply is absent.
#[derive(Debug, Default, Serialize)]
struct StateBody<'a> {
    id: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    platform: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    app: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    environment: Option<&'a str>,
    state: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_unix: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fcm_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_is: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gone_since: Option<u64>,
}

/// The answer for a push that is not known, to who asks the wrong daemon.
#[derive(Debug, Serialize)]
struct Elsewhere<'a> {
    message: &'a str,
    /// The daemon that gave the id.
    node: u16,
}

/// The answer where no push of that id is known to the daemon of the number `own`.
pub fn unknown(id: PushId, own: Node) -> Reply {
    let node = id.node();
    if node == own {
        return Reply::message(404, "no such push is outstanding or among the last settled");
    }
    let message =
        format!("no such push is known here: its id is of core.node {node}, and this is {own}");
    let body = Elsewhere {
        message: &message,
        node: node.number(),
    };
    Reply::json_line(404, &body)
}

/// The answer of the daemon of the number `own` to who asks for that push.
pub fn reply(id: PushId, state: &PushState, own: Node) -> Reply {
    // As in the push log: the default app, and an app's first environment, are not named.
    let lane = state.lane();
    let environment = lane.and_then(LaneId::environment);
    let shown = StateBody {
        id: id.0,
        platform: lane.map_or("", LaneId::platform),
        app: lane.map_or("", LaneId::app),
        environment: environment.map(ApnsEnvironment::word),
        ..StateBody::default()
    };
    let shown = match state {
        PushState::Unknown => return unknown(id, own),
        PushState::Unclear => {
            return Reply::message(503, "a connection thread did not say in time what it has")
                .with_retry_after(RETRY_AFTER_SECS);
        }
        PushState::Queued { .. } => StateBody {
            state: "accepted",
            ..shown
        },
        PushState::Scheduled { at, .. } => StateBody {
            state: "scheduled",
            at: rfc3339(*at),
            at_unix: Some(at.as_secs()),
            ..shown
        },
        PushState::InFlight { attempt, .. } => StateBody {
            state: "in flight",
            attempt: Some(*attempt),
            ..shown
        },
        PushState::Retrying { attempts, at, .. } => StateBody {
            state: "retrying",
            attempts: Some(*attempts),
            at: rfc3339(*at),
            at_unix: Some(at.as_secs()),
            ..shown
        },
        PushState::Settling(ending) | PushState::Settled(ending) => StateBody {
            state: if matches!(state, PushState::Settled(_)) {
                "settled"
            } else {
                "settling"
            },
            attempts: Some(ending.attempts),
            end: Some(ending.end),
            status: ending.status,
            reason: &ending.reason,
            error: &ending.error,
            at: rfc3339(ending.at),
            at_unix: Some(ending.at.as_secs()),
            fcm_name: ending.fcm_name.as_deref(),
            token_is: ending.token.as_ref().map(|token| token.token_is),
            gone_since: ending.token.as_ref().and_then(|token| token.gone_since),
            ..shown
        },
    };
    Reply::json_line(200, &shown)
}

/// Whole seconds of UTC (RFC 3339); nothing for a clock beyond the calendar.
fn rfc3339(unix: Duration) -> Option<String> {
    let secs = i64::try_from(unix.as_secs()).ok()?;
    let at = jiff::Timestamp::from_second(secs).ok()?;
    Some(at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backlog::{Ending, TokenVerdict};
    use crate::push::Provider;

    fn check(state: &PushState, status: u16, body: &str) {
        let reply = reply(PushId(17), state, Node::default());
        let text = String::from_utf8(reply.body).unwrap();
        assert_eq!((reply.status, text.trim_end()), (status, body));
    }

    #[test]
    fn each_state_has_its_fields_and_no_others() {
        let lane = LaneId::IOS;
        check(
            &PushState::Queued { lane },
            200,
            r#"{"id":17,"platform":"ios","state":"accepted"}"#,
        );
        check(
            &PushState::Scheduled {
                lane,
                at: Duration::from_secs(1_795_336_102),
            },
            200,
            r#"{"id":17,"platform":"ios","state":"scheduled","at":"2026-11-22T08:28:22Z","at_unix":1795336102}"#,
        );
        let attempt = 2;
        check(
            &PushState::InFlight { lane, attempt },
            200,
            r#"{"id":17,"platform":"ios","state":"in flight","attempt":2}"#,
        );
        check(
            &PushState::Retrying {
                lane,
                attempts: 1,
                at: Duration::from_millis(1_795_336_102_349),
            },
            200,
            r#"{"id":17,"platform":"ios","state":"retrying","attempts":1,"at":"2026-11-22T08:28:22Z","at_unix":1795336102}"#,
        );
        let ending = Ending {
            lane: LaneId::ANDROID,
            end: "failed",
            status: Some(404),
            reason: "UNREGISTERED".into(),
            error: "gone".into(),
            attempts: 1,
            at: Duration::from_secs(1_795_336_102),
            fcm_name: None,
            token: Some(Box::new(TokenVerdict {
                token_is: "dead",
                gone_since: Some(1_577_836_800_123),
            })),
        };
        check(
            &PushState::Settling(ending.clone()),
            200,
            r#"{"id":17,"platform":"android","state":"settling","attempts":1,"end":"failed","status":404,"reason":"UNREGISTERED","error":"gone","at":"2026-11-22T08:28:22Z","at_unix":1795336102,"token_is":"dead","gone_since":1577836800123}"#,
        );
        check(
            &PushState::Settled(ending.clone()),
            200,
            r#"{"id":17,"platform":"android","state":"settled","attempts":1,"end":"failed","status":404,"reason":"UNREGISTERED","error":"gone","at":"2026-11-22T08:28:22Z","at_unix":1795336102,"token_is":"dead","gone_since":1577836800123}"#,
        );
        let taken = Ending {
            end: "succeeded",
            status: Some(200),
            reason: "".into(),
            error: "".into(),
            fcm_name: Some("projects/p/messages/0:1%2".into()),
            token: None,
            ..ending
        };
        check(
            &PushState::Settled(taken),
            200,
            r#"{"id":17,"platform":"android","state":"settled","attempts":1,"end":"succeeded","status":200,"at":"2026-11-22T08:28:22Z","at_unix":1795336102,"fcm_name":"projects/p/messages/0:1%2"}"#,
        );
    }

    #[test]
    fn another_app_and_a_second_environment_are_named() {
        let of = |environment| LaneId::of("shop-of-state", Provider::Apns, environment).unwrap();
        for (lane, named) in [
            (of(None), r#""app":"shop-of-state","#),
            (
                of(Some(ApnsEnvironment::Sandbox)),
                r#""app":"shop-of-state","environment":"sandbox","#,
            ),
        ] {
            let body = format!(r#"{{"id":17,"platform":"ios",{named}"state":"accepted"}}"#);
            check(&PushState::Queued { lane }, 200, &body);
        }
    }

    #[test]
    fn what_is_not_known_is_said() {
        check(
            &PushState::Unknown,
            404,
            r#"{"message":"no such push is outstanding or among the last settled"}"#,
        );
        let unclear = reply(PushId(17), &PushState::Unclear, Node::default());
        assert_eq!(unclear.status, 503);
        assert_eq!(unclear.fields, [("Retry-After", "1".into())]);
    }

    #[test]
    fn another_nodes_id_is_told_with_its_node() {
        let id = PushId(Node::new(5).unwrap().ids().start);
        let reply = reply(id, &PushState::Unknown, Node::new(7).unwrap());
        let text = String::from_utf8(reply.body).unwrap();
        let said = r#"{"message":"no such push is known here: its id is of core.node 5, and this is 7","node":5}"#;
        assert_eq!((reply.status, text.trim_end()), (404, said));
    }

    #[test]
    fn a_clock_beyond_the_calendar_is_no_date() {
        assert_eq!(rfc3339(Duration::MAX), None);
    }
}
